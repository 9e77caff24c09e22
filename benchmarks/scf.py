"""The self-consistent loop on a nanotube transistor: Newton steps, Anderson's evaluations, adjoint over forward.

The (13, 0) carbon nanotube transistor of examples/cnt_transistor_full.toml: 20 nm of channel under a gate all around,
15 Å of HfO₂, doped ends; two pairs of circumferential modes, V_d = 0.3 V, V_g = 0.4 V, 300 K. From the neutral start to
max |F| ≤ 1e-8 V, integrals over energy to 1e-8 electrons an orbital. The adjoint is that of the current to everything:
Hamiltonian, leads, electrostatics, doping, voltages, temperature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import Row

from negfadj.callers.transistor_file import load_transistor
from negfadj.callers.transistor_system import TransistorSystem, build_transistor
from negfadj.physics.self_consistent import SelfConsistentCotangent, Solution, self_consistent, self_consistent_vjp

JOB = Path(__file__).parents[1] / "examples" / "cnt_transistor_full.toml"
CHANGES = {"tube": {"modes": 2}, "numerics": {"tolerance": 1e-8, "error": 1e-8}}
DRAIN, GATE, STEP = 0.3, 0.4, 0.05  # V


def transistor() -> TransistorSystem:
    """The transistor of the full-size job, in two pairs of modes."""
    job = load_transistor(JOB)
    settings = job.settings.model_copy(
        update={name: getattr(job.settings, name).model_copy(update=changes) for name, changes in CHANGES.items()}
    )
    return build_transistor(type(job)(job.path, job.text, settings))


def solve(system: TransistorSystem, drain: float = DRAIN, gate: float = GATE, **changes: Any) -> Solution:
    """The self-consistent solution at two voltages."""
    return self_consistent(system.device, system.gated(gate), **(system.options(drain) | changes))


def solve_vjp(system: TransistorSystem) -> tuple[Solution, Callable[..., SelfConsistentCotangent]]:
    """The solution from the neutral start, and its pullback."""
    return self_consistent_vjp(system.device, system.gated(GATE), **system.options(DRAIN))


def rows(repeats: int) -> Iterator[Row]:
    """Steps and times; a solve is long enough for single runs, taken side by side."""
    case = transistor()
    name = f"(13, 0) tube, {len(case.positions)} rings, V_d = {DRAIN:g} V"
    solve(case, tolerance=1e-2)  # kernels compiled, caches warm
    forward, backward = [], []
    for _ in range(1 if repeats < 7 else 2):
        started = time.perf_counter()
        solution, pullback = solve_vjp(case)
        forward.append(time.perf_counter() - started)
        started = time.perf_counter()
        bars = pullback(current=1.0)
        backward.append(time.perf_counter() - started)
    yield Row(f"{name}: Newton steps from the neutral guess", solution.iterations, "steps", 8)
    yield Row(f"{name}: Krylov products in these steps", solution.krylov_products, "")
    yield Row(f"{name}: residual reached", solution.residual, "V", case.job.settings.numerics.tolerance)
    yield Row(f"{name}: forward solve", min(forward), "s")
    ratio = float(np.median([b / f for b, f in zip(backward, forward)]))
    yield Row(f"{name}: adjoint gradient to all inputs / forward", ratio, "ratio", 1.0)
    yield Row(f"{name}: Krylov products of the adjoint", bars.krylov_products, "")
    yield Row(f"{name}: relative residual of the adjoint", bars.residual, "", 1e-9)
    near = solve(case, drain=DRAIN + STEP, initial=solution)
    yield Row(f"{name}: Newton steps from the neighbouring bias ({STEP:g} V)", near.iterations, "steps", 4)
    moved = solve(case, gate=GATE - STEP, initial=solution)
    yield Row(f"{name}: Newton steps from the neighbouring gate voltage ({STEP:g} V)", moved.iterations, "steps", 4)
    yield Row(f"{name}: charge evaluations by Newton (products left out)", solution.evaluations, "")
    mixed = solve(case, method="anderson")
    yield Row(f"{name}: charge evaluations by Anderson", mixed.evaluations, "")
    difference = float(np.abs(mixed.potential - solution.potential).max())
    yield Row(f"{name}: largest |φ by Newton − φ by Anderson|", difference, "V", 1e-6)
