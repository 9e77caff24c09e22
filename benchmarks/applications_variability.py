"""Spreads by adjoints beside Monte Carlo of 1,000 samples, and what they cost; the price of a scanning-gate map.

The conductance of the gated ribbon of examples/variability.py, 168 sites whose energies vary together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from measure import Row, median_ratio, ratios, rounds

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import scanning_gate
import variability as example

import negfadj as na


def rows(repeats: int) -> Iterator[Row]:
    """Agreement in statistical errors; times, medians of interleaved rounds; the map over T."""
    found = example.spread(1000)
    drawn, label = found.monte_carlo, "variability of a ribbon's conductance"
    for row in found.rows[:3]:
        by_mean = abs(row.mean - drawn.mean) / drawn.mean_error
        by_deviation = abs(row.standard_deviation - drawn.standard_deviation) / drawn.standard_deviation_error
        bar = 3.0 if row.method == "third order" else None
        yield Row(f"{label}: {row.method}, mean less Monte Carlo's", by_mean, "errors", bar)
        yield Row(f"{label}: {row.method}, standard deviation less Monte Carlo's", by_deviation, "errors", bar)
    yield Row(f"{label}: first order, relative error of its standard deviation", _relative(found), "", 0.15)
    value, product = _costs(max(repeats, 5))
    n = found.second_order.n_products
    yield Row(f"{label}: Hessian-vector products of the second order", n, "", None)
    costs = {"first": 1.0, "second": 1 + n * product, "third": 1 + 3 * n * product}  # gradients
    for order, bar in (("first", 100.0), ("second", 1.0), ("third", 1.0)):
        ratio = 1000 * value / costs[order]
        yield Row(f"{label}: time of Monte Carlo / {order} order", ratio, "ratio", bar, at_least=True)
    device, _ = scanning_gate.constriction()
    of_sites = partial(na.transmission_sensitivity, device, scanning_gate.ENERGY)
    found = ratios(partial(na.transmission, device, scanning_gate.ENERGY), {"map": of_sites}, repeats)
    yield Row(f"scanning-gate map of {device.n_orbitals} sites / T", found["map"], "ratio", 2.2)


def _relative(found: example.Variability) -> float:
    return abs(found.first_order.standard_deviation / found.monte_carlo.standard_deviation - 1)


def _costs(repeats: int) -> tuple[float, float]:
    """A value and a Hessian-vector product over a gradient, each at points of its own."""
    objective, rng = example.objective(), np.random.default_rng(0)
    step = 0.03 * rng.normal(size=len(objective.x0))

    def timed(function: Callable[[np.ndarray], object]) -> float:
        x = objective.x0 + 0.03 * rng.normal(size=len(objective.x0))
        start = time.perf_counter()
        function(x)
        return time.perf_counter() - start

    found = rounds(
        {
            "gradient": partial(timed, objective.value_and_gradient),
            "value": partial(timed, objective.value),
            "product": partial(timed, lambda x: objective.hessian_vector_product(x, step)),
        },
        repeats,
    )
    return median_ratio(found["value"], found["gradient"]), median_ratio(found["product"], found["gradient"])
