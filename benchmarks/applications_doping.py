"""AD-NEGF's doping problem: mean T of a ribbon from −1 to 1 eV by 13 two-centre numbers; beside differential evolution.

Its ribbon is doped everywhere, leads too, so that T is the number of channels: at 50 given energies a step function of
the numbers, without slope, which is why its own run stood still at 67/50 = 1.34. The mean over all energies has one.
Then 90 doped sites between clean leads, whose T at the 50 energies is smooth. Two of the 13 numbers, of M and M at
2.46 Å, belong to no pair.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Row
from scipy.optimize import differential_evolution

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import doped_ribbon as example  # noqa: E402
from adnegf_gradients import doping_gradient  # noqa: E402

import negfadj as na  # noqa: E402
from negfadj.models import Structure  # noqa: E402
from negfadj.models.principal_layer import device_from_periodic  # noqa: E402

ENERGIES = np.linspace(-1, 1, 50)
PERIOD, CLEAN_CELLS, DOPED_CELLS = 4.26, 2, 5


def rows(repeats: int) -> Iterator[Row]:
    """The gradient against the published differences; then both ribbons, minimised and maximised."""
    _, derivatives, data = doping_gradient()
    error = float(max(abs(d / float(data[f"fd_{k}"]) - 1) for k, d in derivatives.items()))
    yield Row("doping: gradient against AD-NEGF's differences, relative", error, "", 1e-4)
    clean = example.objective(na.Minimise)
    yield Row("doped everywhere, clean numbers: mean T over 50 energies", counted(clean, clean.x0), "", None)
    n = 60 if repeats < 7 else 100
    yield from compared("doped everywhere", example.objective, n, 10 * n)
    yield from published_box(n)
    yield from compared("90 doped sites between clean leads", segment, n, 0)


def compared(label: str, made: Any, n: int, n_more: int) -> Iterator[Row]:
    """L-BFGS-B in `n` evaluations at most, and differential evolution in as many; also in `n_more`."""
    for term, what in ((na.Minimise, "minimum"), (na.Maximise, "maximum")):
        goal = made(term)
        found = na.minimize(goal, x0=off_clean(goal), max_evaluations=n)
        ours, used = abs(found.best_value), found.evaluations
        met = np.abs(np.minimum.accumulate(evolved(made(term), max(used, n_more)))).tolist()
        yield Row(f"{label}: {what} by L-BFGS-B", ours, "", None)
        yield Row(f"{label}: its evaluations of T, all with gradient", used, "", None)
        yield Row(f"{label}: {what} by evolution in as many", met[used - 1], "", None)
        ratio = ours / met[used - 1] if term is na.Minimise else met[used - 1] / ours
        yield Row(f"{label}: {what}, ours over evolution's (or the inverse of it)", ratio, "", 1.0)
        if n_more:
            yield Row(f"{label}: {what} by evolution in {n_more}", met[-1], "", None)


def published_box(n: int) -> Iterator[Row]:
    """The minimum within ±0.3 for overlaps too, where S is not positive definite everywhere.

    A step to such a place ends a search with its best point kept; the next one starts there, with smaller steps.
    """
    goal = example.objective(na.Minimise)
    given, scale, histories = goal.parameters.given, 0.1, []
    while sum(map(len, histories)) < n and scale > 1e-3:
        boxes = [(p, (c.value - 0.3, c.value + 0.3)) for p, c in zip(given, goal.parameters.given)]
        parameters = [na.Parameter(p.name, p.value, bounds=box, scale=scale) for p, box in boxes]
        wide = na.Objective(goal.model, parameters, goal.terms)
        try:
            found: Any = na.minimize(wide, max_evaluations=n - sum(map(len, histories)))
        except na.OptimisationError as error:
            found, scale = error, scale / 2
        histories.append(found.history)
        best = wide.parameters.values(found.best_x)
        given = tuple(na.Parameter(name, value) for name, value in best.items())
        if isinstance(found, na.Optimum):
            break
    yield Row("doped everywhere, overlaps ±0.3 too: minimum by L-BFGS-B", found.best_value, "", None)
    yield Row("doped everywhere, overlaps ±0.3 too: its evaluations", sum(map(len, histories)), "", None)
    yield Row("doped everywhere, overlaps ±0.3 too: mean T over 50 energies", counted(wide, found.best_x), "", None)


def segment(term: type) -> na.Objective:
    """Doped cells between clean ones that the leads continue; the same numbers and bounds as of the example."""
    goal = example.objective(term)
    cell = example.ribbon()
    n_cells = DOPED_CELLS + 2 * CLEAN_CELLS
    doped = range(CLEAN_CELLS, CLEAN_CELLS + DOPED_CELLS)
    places = np.concatenate([cell.positions + [0, PERIOD * i, 0] for i in range(n_cells)])
    species = sum(((cell.symbols if i in doped else ("C",) * cell.n_atoms) for i in range(n_cells)), ())
    model = na.TightBindingModel(Structure(species, places), goal.model.model, axis="y")
    return na.Objective(model, goal.parameters, term(na.Quantity(na.transmission, ENERGIES, eta=1e-5)))


def off_clean(goal: na.Objective) -> np.ndarray:
    """A start a tenth of the way to a random corner: between clean leads the clean T is the largest, without slope."""
    lower, upper = goal.bounds
    corner = np.where(np.random.default_rng(0).uniform(size=lower.shape) < 0.5, lower, upper)
    return goal.x0 + 0.1 * (corner - goal.x0)


def counted(goal: na.Objective, x: np.ndarray) -> float:
    """Mean number of channels at the 50 energies."""
    device = device_from_periodic(goal.subject(x), direction=1, n_layers=3)
    return float(np.mean(na.open_channels(device, ENERGIES)))


def evolved(goal: na.Objective, n: int) -> list[float]:
    """The first `n` values that differential evolution meets, three members a variable."""
    met: list[float] = []
    value = partial(_kept, goal, met)
    size = 3 * len(goal.x0)
    differential_evolution(value, list(zip(*goal.bounds)), maxiter=n // size, popsize=3, polish=False, seed=0)
    return met[:n]


def _kept(goal: na.Objective, met: list[float], x: np.ndarray) -> float:
    met.append(goal.value(x))
    return met[-1]
