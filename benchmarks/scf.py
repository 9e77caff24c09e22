"""The self-consistent loop on a nanotube transistor: Newton steps, Anderson's evaluations, adjoint over forward.

A (13, 0) carbon nanotube, π orbitals, with n-doped ends and a gate around its middle behind an oxide; Poisson's
equation on a grid. 300 K, neutral start, to max |F| ≤ 1e-8 V.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from measure import Row

import negfadj as na
from negfadj.electrostatics.bodies import Conductor, Dielectric
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box, CylindricalShell
from negfadj.models import transport_model
from negfadj.models.nanotube import nanotube, nanotube_model, nanotube_radius
from negfadj.physics.charge import charge
from negfadj.physics.self_consistent import Solution, self_consistent, self_consistent_vjp

INDICES, N_CELLS, END_CELLS = (13, 0), 8, 2
FERMI, TEMPERATURE, TOLERANCE = 0.52, 300.0, 1e-8
OXIDE, PERMITTIVITY = 10.0, 3.9  # Å
GATE, DRAIN, STEP = -0.1, 0.4, 0.1  # V


@dataclass(frozen=True)
class Transistor:
    """Device, electrostatics, and what `self_consistent` needs besides."""

    device: na.Device
    electrostatics: FiniteVolumePoisson
    neutral: np.ndarray
    sites: np.ndarray

    def solve(self, **changes: Any) -> Solution:
        return self_consistent(self.device, self.electrostatics, **self.options(**changes))

    def options(self, **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"bias": DRAIN, "temperature": TEMPERATURE, "tolerance": TOLERANCE}
        given |= {"fermi_energy": FERMI, "neutral": self.neutral, "sites": self.sites}
        return given | changes


def transistor() -> Transistor:
    """The nanotube under its gate, source and drain bodies at its ends."""
    structure = nanotube(INDICES, n_cells=N_CELLS)
    model = transport_model(structure, nanotube_model())
    positions, length = structure.positions, float(structure.cell[0, 0])
    radius = nanotube_radius(INDICES)
    gate = radius + 3.0 + OXIDE
    ends = END_CELLS * length / N_CELLS
    lines = np.linspace(-gate - 2, gate + 2, 21)
    along = np.linspace(-2.0, length + 2.0, 2 * N_CELLS + 1)
    electrostatics = FiniteVolumePoisson(
        grid=Grid(along, lines, lines),
        positions=positions,
        width=1.5,
        conductors=(
            Conductor("gate", CylindricalShell("x", (0, 0), gate, span=(ends, length - ends)), GATE),
            Conductor("source", Box(x=(-3.0, -2.0))),
            Conductor("drain", Box(x=(length + 2.0, length + 3.0))),
        ),
        dielectrics=(Dielectric(CylindricalShell("x", (0, 0), radius + 1.5, gate), PERMITTIVITY),),
        lead_conductors=("source", "drain"),
    )
    # the ends are doped so that a tube without end is neutral at E_F
    bulk = float(np.mean(charge(model.device, FERMI, temperature=TEMPERATURE).populations))
    x = positions[:, 0]
    neutral = np.where((x < ends) | (x > length - ends), bulk, 1.0)
    return Transistor(model.device, electrostatics, neutral, model.atoms)


def rows(repeats: int) -> Iterator[Row]:
    """Steps and times; times are those of single runs, a solve being long enough."""
    case = transistor()
    name = f"({INDICES[0]}, {INDICES[1]}) tube, {case.device.n_orbitals} atoms, V_d = {DRAIN:g} V"
    started = time.perf_counter()
    solution, pullback = self_consistent_vjp(case.device, case.electrostatics, **case.options())
    forward = time.perf_counter() - started
    yield Row(f"{name}: Newton steps from the neutral guess", solution.iterations, "steps", 8)
    yield Row(f"{name}: Krylov products in these steps", solution.krylov_products, "")
    yield Row(f"{name}: residual reached", solution.residual, "V", TOLERANCE)
    yield Row(f"{name}: forward solve", forward, "s")
    times = []
    for _ in range(1 if repeats < 7 else 2):
        started = time.perf_counter()
        bars = pullback(current=1.0)
        times.append(time.perf_counter() - started)
    yield Row(f"{name}: adjoint gradient to all inputs / forward", min(times) / forward, "ratio", 1.0)
    yield Row(f"{name}: Krylov products of the adjoint", bars.krylov_products, "")
    yield Row(f"{name}: relative residual of the adjoint", bars.residual, "", 1e-9)
    near = case.solve(bias=DRAIN + STEP, initial=solution)
    yield Row(f"{name}: Newton steps from the neighbouring bias ({STEP:g} V)", near.iterations, "steps", 4)
    gated = replace(case, electrostatics=case.electrostatics.with_voltages({"gate": GATE + STEP}))
    moved = gated.solve(initial=solution)
    yield Row(f"{name}: Newton steps from the neighbouring gate voltage ({STEP:g} V)", moved.iterations, "steps", 4)
    mixed = case.solve(method="anderson")
    yield Row(f"{name}: charge evaluations by Newton (products left out)", solution.evaluations, "")
    yield Row(f"{name}: charge evaluations by Anderson", mixed.evaluations, "")
    difference = float(np.abs(mixed.potential - solution.potential).max())
    yield Row(f"{name}: largest |φ by Newton − φ by Anderson|", difference, "V", 1e-6)
