"""Tight-binding models: time and memory of large Hamiltonians and their pullback; another code's gradients matched.

Cases: a [100] silicon wire of 10,000 atoms, sp3d5s* without and with spin–orbit coupling, and a graphene ribbon of
100,000 atoms. Times are of one core; memory is the peak of what Python allocates, per coupled pair, and must not grow
with the number of atoms.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from measure import Row
from models_kwant import rows as kwant_rows
from models_sisl import rows as sisl_rows

from negfadj.models import (
    Structure,
    TightBinding,
    coupled_pairs,
    parameter_set,
    tight_binding_matrices,
    tight_binding_matrices_vjp,
    zincblende_wire,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from adnegf_gradients import doping_gradient, position_gradient
from ribbons import armchair_ribbon


def silicon(spin: bool) -> TightBinding:
    """The sp3d5s* model of silicon."""
    found = parameter_set("silicon-sp3d5s")
    return found if spin else TightBinding(found.onsite, found.shells)


def wire(n_atoms: int) -> Structure:
    """A [100] wire of 4 × 4 cells, cut to a number of atoms."""
    made = zincblende_wire(("Si", "Si"), 5.431, cross_section=(4, 4), n_cells=n_atoms // 100)
    return Structure(made.symbols[:n_atoms], made.positions[:n_atoms])


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Median time of a call."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def peak(function: Callable[[], object]) -> int:
    """Most bytes allocated at one time during a call."""
    tracemalloc.start()
    function()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def times(name: str, structure: Structure, model: TightBinding, repeats: int) -> Iterator[Row]:
    """H, and its pullback to positions and every number of the model."""
    yield Row(f"{name}: H", seconds(lambda: tight_binding_matrices(structure, model), repeats), "s", 10)
    (hamiltonian, _), pullback = tight_binding_matrices_vjp(structure, model)
    yield Row(f"{name}: pullback", seconds(lambda: pullback(hamiltonian), repeats), "s", 10)


def bytes_per_pair(structure: Structure, model: TightBinding) -> float:
    """Peak memory of H and its pullback over the number of coupled pairs."""

    def there_and_back() -> None:
        (hamiltonian, _), pullback = tight_binding_matrices_vjp(structure, model)
        pullback(hamiltonian)

    return peak(there_and_back) / len(coupled_pairs(structure, model)[1])


def rows(repeats: int) -> Iterator[Row]:
    """The rows of `python benchmarks/run.py models`."""
    few = min(repeats, 3)
    yield from times("Si wire, 10,000 atoms, sp3d5s*", wire(10_000), silicon(spin=False), few)
    yield from times("Si wire, 10,000 atoms, sp3d5s*, spin–orbit", wire(10_000), silicon(spin=True), few)
    per_pair = [bytes_per_pair(wire(n_atoms), silicon(spin=True)) for n_atoms in (2_500, 10_000)]
    yield Row("Si wire, spin–orbit, H and pullback: memory per pair of atoms", per_pair[1] / 1024, "KiB")
    yield Row("  the same for 10,000 atoms over 2,500", per_pair[1] / per_pair[0], "", 1.2)

    ribbon, carbon = armchair_ribbon(50, 1000), parameter_set("graphene-third-neighbour")
    yield Row(
        f"graphene ribbon, {ribbon.n_atoms:,} atoms, third neighbours, overlap: H and S",
        seconds(lambda: tight_binding_matrices(ribbon, carbon), few),
        "s",
        5,
    )

    _, gradient, data = position_gradient()
    error = np.abs(gradient - data["grad"]).max() / np.abs(data["grad"]).max()
    yield Row("AD-NEGF, gradient to positions: largest deviation over largest entry", error, "", 1e-6)
    _, derivatives, data = doping_gradient()
    error = max(abs(d / float(data[f"fd_{k}"]) - 1) for k, d in derivatives.items())
    yield Row("AD-NEGF, doping gradient against its differences: relative deviation", error, "", 1e-4)
    yield from sisl_rows()
    yield from kwant_rows()
