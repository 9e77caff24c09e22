"""How long a job will take: a small part of it, timed on this machine, times how often it comes.

The first call of a part is not counted where it is short: it compiles kernels and fills caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..errors import ConvergenceError
from ..physics.charge import charge
from .job_run import SMALL_BLOCK, batches, blas_threads, evaluate
from .job_system import JobSystem
from .search_run import search_threads
from .search_system import Search
from .transistor_run import device_at
from .transistor_system import TransistorSystem

LONG = 5.0  # s: a part that takes longer is timed once
UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
CHARGES_A_POINT = 30  # of a self-consistent point with its adjoint; 17 to 70 in transistors looked at


def job_seconds(system: JobSystem) -> float | None:
    """Seconds of a transport job: a batch of energies in its middle, times their number; None where that one fails."""
    parts = list(batches(len(system.energies)))
    middle = system.energies[parts[len(parts) // 2]]
    with blas_threads(system):
        one = _timed(lambda: evaluate(system, middle))
    return None if one is None else one * len(system.energies) / len(middle)


def transistor_seconds(system: TransistorSystem) -> float | None:
    """Seconds of a transistor job, to a factor of three: one charge, times about thirty for each pair of voltages."""
    drain, gate = (float(v) for v in system.points[0])
    device = device_at(system, system.metals_potential(drain, gate), drain)
    options = system.options(drain)
    kept = {name: options[name] for name in ("temperature", "spin_degeneracy", "error", "max_energies")}
    small = max(system.device.hamiltonian.block_sizes) <= SMALL_BLOCK
    with threadpool_limits(limits=1 if small else None):
        one = _timed(lambda: charge(device, options["chemical_potentials"], **kept))
    return None if one is None else one * CHARGES_A_POINT * len(system.points)


def evaluation_seconds(search: Search) -> float | None:
    """Seconds of one evaluation of a search with its gradient, at the start."""
    x = search.objective.x0

    def evaluation() -> None:
        objective = search.telling(None)  # a new one, which remembers nothing
        if search.is_least_squares:
            objective.residuals(x)
            objective.jacobian(x)
        else:
            objective.value_and_gradient(x)

    with search_threads(search):
        return _timed(evaluation)


def in_words(seconds: float | None) -> str:
    """ "about 20 s", "about 3 min", "about 1.5 h"."""
    if seconds is None or not np.isfinite(seconds):
        return "not known: the part that was timed fails"
    size, unit = next((pair for pair in UNITS if seconds >= 2 * pair[0]), (1.0, "s"))
    return f"about {float(f'{seconds / size:.2g}'):g} {unit}"


def _timed(part: Callable[[], Any]) -> float | None:
    for _ in range(2):
        started = time.perf_counter()
        try:
            part()
        except ConvergenceError:
            return None
        seconds = time.perf_counter() - started
        if seconds > LONG:
            break
    return seconds
