"""The adaptive quadrature of the energy window: its rule, its errors, its cost, and where it gives up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import exp1

import negfadj as na
from negfadj.physics.quadrature import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES, check_rtol
from negfadj.physics.window_quadrature import WindowNodes, window_nodes


def _integrate(f: Callable[[np.ndarray], np.ndarray], breaks: list[float], **options: Any) -> WindowNodes:
    def components(energies: np.ndarray) -> np.ndarray:
        values = f(energies)
        return values[:, None] if values.ndim == 1 else values

    return window_nodes(components, breaks, **{"rtol": 1e-10, "max_energies": 100_000, "n_kept": 1, **options})


@pytest.mark.parametrize(("weights", "degree"), [(KRONROD_WEIGHTS, 23), (GAUSS_WEIGHTS, 13)], ids=["kronrod", "gauss"])
def test_rule_is_exact_to_its_degree_and_no_further(weights: np.ndarray, degree: int) -> None:
    def error(k: int) -> float:
        return abs(float(weights @ NODES**k) - (2 / (k + 1) if k % 2 == 0 else 0.0))

    assert max(error(k) for k in range(degree + 1)) <= 1e-15
    assert error(degree + 1) > 1e-12


SMOOTH_AND_SHARP = [
    pytest.param(lambda e: np.exp(e), np.e - 1 / np.e, id="smooth"),
    pytest.param(lambda e: np.sqrt(np.abs(e - 0.3)), (1.3**1.5 + 0.7**1.5) * 2 / 3, id="square root"),
    pytest.param(lambda e: 1e-3 / ((e - 0.2) ** 2 + 1e-6), np.arctan(800) + np.arctan(1200), id="resonance"),
    pytest.param(
        lambda e: np.exp(-1 / np.maximum(np.abs(e), 1e-9)), 2 * (np.exp(-1) - exp1(1)), id="essential singularity"
    ),
]


@pytest.mark.parametrize("rtol", [1e-4, 1e-7, 1e-10])
@pytest.mark.parametrize(("f", "expected"), SMOOTH_AND_SHARP)
def test_integral_is_within_its_tolerance_and_its_own_error(f: Callable, expected: float, rtol: float) -> None:
    found = _integrate(f, [-1.0, 1.0], rtol=rtol)
    actual = abs(found.integrals[0] - expected)
    assert actual <= rtol * expected
    assert found.errors[0] <= rtol * expected
    assert actual <= 4 * found.errors[0] + 1e-13 * expected


def test_step_at_a_break_is_exact() -> None:
    found = _integrate(lambda e: (e > 1 / 3).astype(float), [-1.0, 1 / 3, 1.0])
    assert abs(found.integrals[0] - 2 / 3) <= 1e-14 and found.energies.size == 30


def test_integral_is_the_sum_of_its_own_nodes() -> None:
    def f(e: np.ndarray) -> np.ndarray:
        return np.sqrt(np.abs(e))[:, None] * np.stack([e**0, e, np.cos(3 * e)], axis=1)

    found = _integrate(f, [-1.0, 2.0], n_kept=2)
    by_hand = found.weights @ f(found.energies)
    assert np.max(np.abs(found.integrals - by_hand)) <= 1e-14
    assert np.array_equal(found.values, f(found.energies)[:, :2])
    assert abs(found.weights.sum() - 3) <= 1e-14


def test_integral_meets_the_tolerance_of_every_component() -> None:
    def f(e: np.ndarray) -> np.ndarray:  # a broad one, and one that only sees the resonance
        return (1 + e**2)[:, None] * np.stack([np.ones_like(e), np.exp(-((e - 0.2) ** 2) / 1e-6)], axis=1)

    found = _integrate(f, [-1.0, 0.2, 1.0], rtol=1e-9)
    narrow = np.sqrt(np.pi * 1e-6) * (1.04 + 1e-6 / 2)
    assert abs(found.integrals[0] - 8 / 3) <= 1e-9 * 8 / 3
    assert abs(found.integrals[1] - narrow) <= 1e-9 * narrow


def test_integral_of_an_odd_function_is_relative_to_its_magnitude() -> None:
    found = _integrate(np.sin, [-1.0, 1.0])
    assert abs(found.integrals[0]) <= 1e-15 and found.energies.size <= 30


def test_integral_of_zero_is_zero() -> None:
    found = _integrate(lambda e: 0 * e, [-1.0, 0.0, 1.0])
    assert found.integrals[0] == 0 and found.errors[0] == 0 and found.energies.size == 30


def test_square_roots_at_the_breaks_cost_nothing() -> None:
    # the slope of the substitution takes them away: a polynomial in s remains for √, a smooth function for 1/√
    for f, expected in ((np.sqrt, 2 / 3), (lambda e: 1 / np.sqrt(e), 2.0)):
        found = _integrate(f, [0.0, 1.0])
        assert abs(found.integrals[0] - expected) <= 1e-10 and found.energies.size <= 105


def test_pullback_of_the_nodes_moves_them_with_the_breaks() -> None:
    # I(b) = ∫ √(E − b) dE from b to 1, nodes at rest relative to their breaks
    b, h = 0.2, 1e-5
    found = _integrate(lambda e: np.sqrt(e - b), [b, 1.0])
    slopes = 0.5 / np.sqrt(found.energies - b)
    bar = found.pull(found.weights * slopes, found.values[:, 0])
    by_f = -found.weights @ slopes  # the integrand's own motion
    moved = [_integrate(lambda e, c=b + k * h: np.sqrt(e - c), [b + k * h, 1.0]).integrals[0] for k in (-1, 1)]
    assert abs(bar[0] + by_f - (moved[1] - moved[0]) / (2 * h)) <= 1e-8
    assert abs(bar[1] - np.sqrt(0.8)) <= 1e-12


def test_energies_are_asked_for_in_few_batches_and_once_each() -> None:
    asked: list[np.ndarray] = []

    def f(e: np.ndarray) -> np.ndarray:
        asked.append(e.copy())
        return 1e-4 / ((e - 0.2) ** 2 + 1e-8)

    _integrate(f, [-1.0, 1.0])
    energies = np.concatenate(asked)
    assert len(asked) <= 25
    assert np.unique(energies).size == energies.size


@pytest.mark.parametrize("max_energies", [100, 500, 2000])
def test_no_more_energies_than_allowed_are_asked_for(max_energies: int) -> None:
    asked = []

    def f(e: np.ndarray) -> np.ndarray:
        asked.append(e.size)
        return np.sin(1 / e)  # ever faster towards 0

    with pytest.raises(na.ConvergenceError):
        _integrate(f, [1e-9, 1.0], max_energies=max_energies)
    assert sum(asked) <= max_energies


def test_no_more_energies_than_allowed_are_asked_for_in_the_first_batch() -> None:
    asked = []

    def f(e: np.ndarray) -> np.ndarray:
        asked.append(e.size)
        return np.exp(e)

    with pytest.raises(na.NegfadjError, match="max_energies"):
        _integrate(f, [-1.0, 0.0, 1.0], max_energies=10)
    assert sum(asked) <= 10


def test_exhausted_energies_name_the_place_the_error_and_the_remedy() -> None:
    with pytest.raises(na.ConvergenceError, match=r"error .*allowed.*near E = 0\.\d+ eV: raise max_energies") as caught:
        _integrate(lambda e: 1e-7 / ((e - 0.7) ** 2 + 1e-14), [-1.0, 0.7, 1.0], max_energies=300)
    (at,) = caught.value.energies
    assert abs(at - 0.7) <= 0.05
    assert caught.value.residual > 0


@pytest.mark.parametrize("level", [1e-16, 1e-30])
def test_integral_of_round_off_ends(level: float) -> None:
    # what is left of an exact cancellation is noise, and halving does not make it smoother
    rng = np.random.default_rng(0)
    found = _integrate(
        lambda e: level * rng.normal(size=e.shape), [-1.0, 1.0], rtol=1e-7, max_energies=20_000, tolerance=1e-14
    )
    assert abs(found.integrals[0]) <= 2 * level


def test_level_narrower_than_the_narrowest_interval_is_named() -> None:
    # ∫ dE/E does not exist: halving ends where energies can hardly be told apart
    with pytest.raises(na.ConvergenceError, match=r"near E = .*give a small device_eta") as caught:
        _integrate(lambda e: 1 / e, [0.0, 1.0])
    assert 0 < caught.value.energies[0] <= 1e-13


@pytest.mark.parametrize("rtol", [0, -1e-3, 1.0, float("nan")])
def test_bad_rtol_is_refused_with_its_value(rtol: float) -> None:
    with pytest.raises(na.InputError, match=f"rtol={rtol!r} must lie between 0 and 1"):
        check_rtol(rtol)
