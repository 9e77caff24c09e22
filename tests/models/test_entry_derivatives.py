"""Derivatives of entries by differences: right to round-off where linear, refused where not smooth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from negfadj.errors import ConvergenceError, InputError
from negfadj.models.entry_derivatives import entry_derivatives

EPS = np.finfo(float).eps


def dense(function: Callable[[np.ndarray], np.ndarray], point: list[float] | np.ndarray) -> np.ndarray:
    return entry_derivatives(function, np.asarray(point, dtype=float), "p").jacobian.toarray()


def test_a_linear_function_is_differentiated_to_round_off() -> None:
    slope = np.array([0.3 - 2j, 1e-3, 0.0, 5.0])
    found = entry_derivatives(lambda p: 4.0 + slope * p[0], np.array([0.7]), "p")
    assert np.max(np.abs(found.jacobian.toarray()[0] - slope)) <= 100 * EPS * 5
    assert found.error <= 1e-12
    assert found.n_evaluations <= 8


def test_a_smooth_function_is_extrapolated_in_even_powers_of_the_step() -> None:
    # with powers that are not those of a central difference it takes 15
    assert entry_derivatives(lambda p: np.exp(1j * p), np.array([0.4]), "p").n_evaluations <= 12


@pytest.mark.parametrize("frequency", [1e-3, 1.0, 2 * np.pi, 1e3, 1e5])
def test_a_phase_is_differentiated_at_its_own_scale(frequency: float) -> None:
    rates = frequency * np.array([1.0, 0.5, 0.01, 0.0])
    found = dense(lambda p: np.exp(1j * rates * p[0]), [0.4])
    expected = 1j * rates * np.exp(1j * rates * 0.4)
    # the phase itself is known to eps · rate · p only
    assert np.max(np.abs(found[0] - expected)) <= (1e-10 + 10 * EPS * frequency) * frequency


def test_a_function_without_values_away_from_the_point_is_approached() -> None:
    found = dense(lambda p: np.array([np.sqrt(p[0]) if p[0] >= 0 else np.nan, 1.0 / p[0]]), [0.01])
    assert np.allclose(found[0], [5.0, -1e4], rtol=1e-9)


def test_a_function_that_raises_away_from_the_point_is_approached() -> None:
    def root(p: np.ndarray) -> np.ndarray:
        if p[0] < 0:
            raise ZeroDivisionError("no root")
        return np.sqrt(p).astype(complex)

    assert np.allclose(dense(root, [1e-4])[0], 50.0, rtol=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda p: abs(p[0] - 0.3),  # its central difference is 0 and does not show the kink
        lambda p: max(p[0], 0.3) * 2,
        lambda p: np.sign(p[0] - 0.3),
        lambda p: np.sqrt(abs(p[0] - 0.3)),
        lambda p: 1.0 if p[0] > 0.3 else 0.0,
    ],
)
def test_a_kink_or_a_jump_is_refused(function: Callable[[np.ndarray], float]) -> None:
    with pytest.raises(ConvergenceError, match="by 'p' is known only to") as caught:
        dense(lambda p: np.array([p[0] ** 2, function(p)]), [0.3])
    assert caught.value.residual > 1e-9


def test_an_even_function_has_no_derivative_at_its_centre() -> None:
    found = dense(lambda p: np.array([np.cos(50 * p[0]), p[0] ** 2, np.exp(-((p[0] / 0.01) ** 2))]), [0.0])
    assert np.max(np.abs(found)) <= 1e-12


def test_steps_lost_in_round_off_are_not_taken_for_agreement() -> None:
    # the noisy entry asks for ever smaller steps, at which the large one no longer moves
    with pytest.raises(ConvergenceError):
        dense(lambda p: np.array([1e6 + p[0], 1e-3 * np.sin(1e9 * p[0] ** 2)]), [0.3])
    for slope in (0.11, 0.3, 1.3):
        found = dense(lambda p, a=slope: np.array([np.pi * 1e12 + a * p[0], np.exp(1e4j * p[0])]), [0.3])
        assert abs(found[0, 0] - slope) <= 10 * EPS * np.pi * 1e12
        assert abs(found[0, 1] - 1e4j * np.exp(3000j)) <= 1e-5


def test_a_value_that_cannot_be_evaluated_is_named() -> None:
    with pytest.raises(InputError, match=r"cannot be evaluated at p = 0\.5"):
        dense(lambda p: np.full(3, np.nan), [0.5])


@pytest.mark.parametrize("n", [20, 300])
def test_components_of_an_array_are_told_apart(n: int) -> None:
    p = np.random.default_rng(0).uniform(-1, 1, n)
    found = entry_derivatives(lambda p: np.concatenate((np.exp(p), p[:-1] * p[1:], [2.0])), p, "p")
    expected = np.zeros((n, 2 * n))
    expected[np.arange(n), np.arange(n)] = np.exp(p)
    expected[np.arange(n - 1), n + np.arange(n - 1)] = p[1:]
    expected[np.arange(1, n), n + np.arange(n - 1)] = p[:-1]
    assert np.max(np.abs(found.jacobian.toarray() - expected)) <= 1e-11
    if n == 300:
        assert found.n_evaluations <= 400  # component by component: 300 times 10 or more


def test_components_that_all_touch_all_entries_are_moved_one_by_one() -> None:
    mixing = np.random.default_rng(1).standard_normal((50, 40))
    assert np.max(np.abs(dense(lambda p: mixing @ p, np.zeros(40)) - mixing.T)) <= 1e-13


def test_a_component_that_touches_nothing_has_no_derivative() -> None:
    found = dense(lambda p: np.array([p[0], p[2] ** 2]), [1.0, 2.0, 3.0])
    assert np.allclose(found, [[1, 0], [0, 0], [0, 6]], atol=1e-12)
    assert not dense(lambda p: np.ones(4), [1.0]).any()


def test_two_components_that_cancel_are_both_found() -> None:
    n = 64
    found = dense(lambda p: p[: n // 2] - p[n // 2 :], np.zeros(n))
    assert np.allclose(found, np.vstack((np.eye(n // 2), -np.eye(n // 2))), atol=1e-13)
