"""The examples of slopes and spreads: what they compute, on fewer points."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import negfadj as na

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


@pytest.mark.slow
def test_differential_quantities_are_slopes_of_one_another(examples) -> None:
    import differential_quantities as example

    found, step = example.quantities(), example.ENERGIES[1] - example.ENERGIES[0]
    smooth = slice(30, 100)  # below the second subband
    for k in range(3):
        slope = np.gradient(found["derivatives"][:, k], step)[smooth]
        largest = np.max(np.abs(found["derivatives"][smooth, k + 1]))
        np.testing.assert_allclose(slope, found["derivatives"][smooth, k + 1], atol=0.03 * largest)
    # thermopower has the sign of −dT/dE where T varies slowly on kT
    assert found["seebeck"][20] * found["derivatives"][20, 1] < 0
    assert np.all(found["conductance"] > 0) and found["transconductance"].shape == (5,)


def test_scanning_gate_example_narrows_the_channel(examples) -> None:
    import scanning_gate as example

    device, places = example.constriction(30, 20)
    assert device.n_orbitals == len(places) == 600
    found = na.transmission_sensitivity(device, example.ENERGY)
    site = int(np.argmax(np.abs(found)))
    moved = []
    for h in (1e-4, -1e-4):
        sites = na.HamiltonianEntries(device, onsite=[site], hopping=None)
        moved.append(na.transmission(sites({"onsite": sites.values["onsite"] + h}), example.ENERGY))
    assert np.isclose((moved[0] - moved[1]) / 2e-4, found[site], rtol=1e-5)


@pytest.mark.slow
def test_variability_example_agrees_with_its_sample(examples) -> None:
    import variability as example

    found = example.spread(150)
    third, drawn = found.third_order, found.monte_carlo
    assert abs(third.mean - drawn.mean) < 3 * drawn.mean_error
    assert abs(third.standard_deviation - drawn.standard_deviation) < 3 * drawn.standard_deviation_error
    assert found.second_order.n_products < 32 and drawn.n_values == 150


def test_variability_of_positions_has_the_gradient_of_its_moves(examples) -> None:
    import variability_positions as example

    goal = example.objective(0.02)
    assert goal.names[0] == f"moves[{np.flatnonzero(example.MIDDLE)[0]}, 0]" and len(goal.x0) == 2 * 3 * 14
    rng = np.random.default_rng(0)
    x, along = (0.3 * rng.normal(size=goal.x0.shape) for _ in range(2))

    def slope(h: float) -> float:
        return (goal.value(x + h * along) - goal.value(x - h * along)) / (2 * h)

    assert np.isclose(goal.gradient(x) @ along, (4 * slope(0.01) - slope(0.02)) / 3, rtol=1e-6)


def test_variability_of_positions_falls_with_the_moves_to_the_first_order(examples) -> None:
    import variability_positions as example

    found = example.spread(0.002, 100)
    first, third, drawn = found.first_order, found.third_order, found.monte_carlo
    assert abs(first.standard_deviation - drawn.standard_deviation) < 3 * drawn.standard_deviation_error
    assert abs(third.standard_deviation / first.standard_deviation - 1) < 0.01
    assert drawn.n_values == 100 and third.n_products == 48


@pytest.mark.slow
def test_variability_of_positions_needs_the_third_order_for_large_moves(examples) -> None:
    import variability_positions as example

    found = example.spread(0.02, 400)
    drawn = found.monte_carlo
    errors = [
        abs(order.standard_deviation - drawn.standard_deviation)
        for order in (found.first_order, found.second_order, found.third_order)
    ]
    both = np.hypot(drawn.standard_deviation_error, found.third_order.standard_deviation_error)
    assert errors[0] > 3 * drawn.standard_deviation_error and errors[2] < 3 * both
    assert errors[0] > errors[1] > errors[2]
    both = np.hypot(drawn.mean_error, found.second_order.mean_error)
    assert abs(found.second_order.mean - drawn.mean) < 3 * both
    assert abs(found.first_order.mean - drawn.mean) > 3 * drawn.mean_error
