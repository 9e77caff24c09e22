"""The adaptive quadrature: its rule, its errors, its cost, and where it gives up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import exp1

import negfadj as na
from negfadj.physics.quadrature import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES, EnergyIntegral, integrate


def _one(energies: np.ndarray) -> np.ndarray:
    return np.ones((len(energies), 1))


def _integrate(f: Callable[[np.ndarray], np.ndarray], breaks: list[float], **options: Any) -> EnergyIntegral:
    return integrate(f, options.pop("weight", _one), breaks, **{"rtol": 1e-10, "max_energies": 100_000, **options})


@pytest.mark.parametrize(("weights", "degree"), [(KRONROD_WEIGHTS, 23), (GAUSS_WEIGHTS, 13)], ids=["kronrod", "gauss"])
def test_rule_is_exact_to_its_degree_and_no_further(weights: np.ndarray, degree: int) -> None:
    def error(k: int) -> float:
        return abs(float(weights @ NODES**k) - (2 / (k + 1) if k % 2 == 0 else 0.0))

    assert max(error(k) for k in range(degree + 1)) <= 1e-15
    assert error(degree + 1) > 1e-12


SMOOTH_AND_SHARP = [
    pytest.param(lambda e: np.exp(e), np.e - 1 / np.e, id="smooth"),
    pytest.param(lambda e: np.sqrt(np.abs(e - 0.3)), (1.3**1.5 + 0.7**1.5) * 2 / 3, id="square root"),
    pytest.param(lambda e: (e > 1 / 3).astype(float), 2 / 3, id="step"),
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
    assert actual <= found.errors[0] + 1e-13 * expected


def test_integral_is_the_sum_of_its_own_nodes() -> None:
    def weight(e: np.ndarray) -> np.ndarray:
        return np.stack([e**0, e, np.cos(3 * e)], axis=1)

    found = _integrate(lambda e: np.sqrt(np.abs(e)), [-1.0, 2.0], weight=weight)
    by_hand = (found.weights * found.values) @ weight(found.energies)
    assert np.max(np.abs(found.integrals - by_hand)) <= 1e-14
    assert np.array_equal(found.values, np.sqrt(np.abs(found.energies)))
    assert abs(found.weights.sum() - 3) <= 1e-14


def test_integral_meets_the_tolerance_of_every_weight() -> None:
    def weight(e: np.ndarray) -> np.ndarray:  # a broad one, and one that only sees the resonance
        return np.stack([np.ones_like(e), np.exp(-((e - 0.2) ** 2) / 1e-6)], axis=1)

    found = _integrate(lambda e: 1 + e**2, [-1.0, 0.2, 1.0], weight=weight, rtol=1e-9)
    narrow = np.sqrt(np.pi * 1e-6) * (1.04 + 1e-6 / 2)
    assert abs(found.integrals[0] - 8 / 3) <= 1e-9 * 8 / 3
    assert abs(found.integrals[1] - narrow) <= 1e-9 * narrow


def test_integral_of_an_odd_function_is_relative_to_its_magnitude() -> None:
    found = _integrate(lambda e: 1 + 0 * e, [-1.0, 1.0], weight=lambda e: np.sin(e)[:, None])
    assert abs(found.integrals[0]) <= 1e-15 and found.energies.size == 15


def test_integral_of_zero_is_zero() -> None:
    found = _integrate(lambda e: 0 * e, [-1.0, 0.0, 1.0])
    assert found.integrals[0] == 0 and found.errors[0] == 0 and found.energies.size == 30


def test_breaks_may_come_in_any_order_and_twice() -> None:
    found = _integrate(np.exp, [1.0, -1.0, 0.25, 0.25, 1.0])
    assert found.energies.size == 30
    assert abs(found.integrals[0] - (np.e - 1 / np.e)) <= 1e-14
    assert not np.any((found.energies <= -1) | (found.energies >= 1))


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
    with pytest.raises(na.ConvergenceError, match=r"error .*allowed.*near E = 0\.\d+ eV; raise max_energies") as caught:
        _integrate(lambda e: 1e-7 / ((e - 0.7) ** 2 + 1e-14), [-1.0, 0.7, 1.0], max_energies=300)
    (at,) = caught.value.energies
    assert abs(at - 0.7) <= 0.05
    assert caught.value.residual > 0


@pytest.mark.parametrize("level", [1e-16, 1e-30])
def test_integral_of_round_off_ends(level: float) -> None:
    # what is left of an exact cancellation is noise, and halving does not make it smoother
    rng = np.random.default_rng(0)
    found = _integrate(
        lambda e: level * rng.normal(size=e.shape), [-1.0, 1.0], rtol=1e-7, max_energies=20_000, nothing=1e-14
    )
    assert abs(found.integrals[0]) <= 2 * level


@pytest.mark.parametrize("rtol", [0, -1e-3, 1.0, float("nan")])
def test_bad_rtol_is_refused_with_its_value(rtol: float) -> None:
    with pytest.raises(na.InputError, match=f"rtol={rtol!r} must lie between 0 and 1"):
        _integrate(np.exp, [0.0, 1.0], rtol=rtol)
