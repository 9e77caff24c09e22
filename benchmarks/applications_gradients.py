"""What a gradient costs: value_and_gradient of an objective over its value alone, with 10 and with 10,000 parameters.

A square wire 40 orbitals wide and 250 layers long with on-site disorder, T at 8 energies. 10 parameters are on-site
energies that 1,000 orbitals share each. Its leads are fixed and their surface functions kept, so that both times are
the device's. Also the fit of the 5-2 junction.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row, median_ratio, rounds, timer

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples")]

import fit_junction  # noqa: E402

import negfadj as na  # noqa: E402

WIDTH, LENGTH = 40, 250
ENERGIES = np.linspace(-1.47, 1.53, 8)


def rows(repeats: int) -> Iterator[Row]:
    """A row for every number of parameters and kind of term, and the junction's fit."""
    for n in (10, WIDTH * LENGTH):
        quantity = na.Quantity(na.transmission, ENERGIES)
        for term in (na.Match(quantity, 20.0), na.Minimise(quantity)):
            name = f"{type(term).__name__} of T(E), {n} parameters: value and gradient over value"
            yield Row(name, gradient_over_value(wire(n, term), repeats), "ratio", 2.0)
    goal = fit_junction.objective(fit_junction.junction(5, 2), np.ones(400))
    name = "fit of the 5-2 junction, 31 parameters: value and gradient over value"
    yield Row(name, gradient_over_value(goal, repeats), "ratio", 2.0)


def wire(n: int, term: na.Match | na.Minimise) -> na.Objective:
    """The wire's objective by `n` on-site energies, shared evenly."""
    rng = np.random.default_rng(0)
    onsite, hopping = -(np.eye(WIDTH, k=1) + np.eye(WIDTH, k=-1)), -np.eye(WIDTH)
    share = WIDTH * LENGTH // n
    energies = np.repeat(0.3 * rng.normal(size=n), share)
    layers = [onsite + np.diag(energies[WIDTH * i : WIDTH * (i + 1)]) for i in range(LENGTH)]
    leads = (na.Lead(onsite, hopping, block=0), na.Lead(onsite, hopping, block=-1))
    device = na.Device(na.BlockTridiagonal(layers, [hopping] * (LENGTH - 1)), leads)
    parameter = na.Parameter("onsite", energies, tie=np.arange(len(energies)) // share)
    return na.Objective(na.HamiltonianEntries(device), parameter, term)


def gradient_over_value(goal: na.Objective, repeats: int) -> float:
    """Median over rounds of the ratio of both times, at points that differ from call to call."""
    rng = np.random.default_rng(1)
    points = (goal.x0 + 1e-3 * rng.normal(size=len(goal.x0)) for _ in itertools.count())  # none twice: it is remembered
    timers = {
        "value": timer(lambda: goal.value(next(points))),
        "both": timer(lambda: goal.value_and_gradient(next(points))),
    }
    found = rounds(timers, repeats)
    return median_ratio(found["both"], found["value"])
