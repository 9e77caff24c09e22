"""The checks made on the results of a fit or a design: the stored numbers, and the gradient against differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Array
from .checks import Check
from .search_system import Search

STEP = 1e-3  # of the difference quotient, in parts of the largest variable


def check_search(search: Search, dataset: Any) -> list[Check]:
    """Every check of a search's results, those that calculate something among them.

    Parameters
    ----------
    search : Search
    dataset : xarray.Dataset
        As `run_search` returns it.

    Returns
    -------
    list of Check
    """
    best = dataset["best"].values / search.in_units(np.ones(dataset.sizes["variable"]))
    value = float(dataset.attrs["best_value"])
    again = search.telling(None).value(best)
    size = max(abs(value), 1e-8 * abs(float(dataset["history"][0])), 1e-12)
    return [
        *check_stored_search(dataset),
        Check("|objective at the stored best point − best value| / |best value|", abs(again - value) / size, 1e-6),
        _gradient_check(search),
    ]


def check_stored_search(dataset: Any) -> list[Check]:
    """The checks for which the results file is enough."""
    history, best = dataset["history"].values, dataset["best"].values
    outside = np.maximum(dataset["lower"].values - best, best - dataset["upper"].values).max()
    checks = [
        Check("best value above the smallest of the history", float(dataset.attrs["best_value"] - history.min()), 0.0),
        Check("best value above the first", float(dataset.attrs["best_value"] - history[0]), 0.0),
        Check("best point outside of its bounds", max(0.0, float(outside)), 1e-9),
    ]
    if "transmission_best" not in dataset:
        return checks
    for point in ("start", "best"):
        transmission, channels = dataset[f"transmission_{point}"].values, dataset[f"open_channels_{point}"].values
        found = np.isfinite(transmission)
        checks.append(Check(f"negative transmission, {point}", _largest(-transmission[found]), 1e-9))
        if dataset.attrs["lead_eta_eV"] == 0:
            excess = _largest((transmission - channels)[found])
            checks.append(Check(f"transmission above the number of open channels, {point}", excess, 1e-7))
    return checks


def _gradient_check(search: Search) -> Check:
    """The gradient along a random direction against a Richardson difference quotient, near the start."""
    objective = search.telling(None)
    x = objective.x0
    lower, upper = objective.bounds
    direction = np.random.default_rng(0).normal(size=x.shape)
    direction /= np.linalg.norm(direction)
    room = np.where(np.isfinite(upper - lower), upper - lower, np.inf)
    step = min(STEP * max(1.0, float(np.abs(x).max())), 0.1 * float(room.min()))
    x = np.clip(x, lower + step, upper - step)  # so that both sides are within the bounds
    gradient = objective.gradient(x)

    def quotient(h: float) -> float:
        return (objective.value(x + h * direction) - objective.value(x - h * direction)) / (2 * h)

    extrapolated = (4 * quotient(step / 2) - quotient(step)) / 3
    error = abs(float(gradient @ direction) - extrapolated) / max(float(np.linalg.norm(gradient)), 1e-12)
    return Check("|gradient − difference quotient| / |gradient|, at the start", error, 1e-4)


def _largest(values: Array) -> float:
    return max(0.0, float(np.max(values, initial=0.0)))
