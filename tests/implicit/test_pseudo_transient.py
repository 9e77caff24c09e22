"""The flow to a solution: past minima of ‖F‖₂ that are none, its order near the end, and honest failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from backends import Backend
from poisson_boltzmann import Chain

from negfadj.array import array_namespace, to_numpy
from negfadj.errors import InputError
from negfadj.implicit import FixedPointError, newton_krylov, pseudo_transient


def beside_a_turning_point(x):
    """One solution, near x = −1.5; at x = 0.6 F has a minimum of 0.08, where two others have met and vanished."""
    return x**3 / 3 - 0.36 * x + 0.224, lambda v: (x**2 - 0.36) * v


def stiff_beside_a_turning_point(x):
    """The same in the first entry, behind 12 entries coupled to it with rates from 1 to 10⁴."""
    xp = array_namespace(x)
    rates = xp.asarray(np.geomspace(1.0, 1e4, 12))
    first, jvp = beside_a_turning_point(x[:1])
    residual = xp.concat([first, rates * (x[1:] - xp.tanh(x[:1]))])

    def product(v):
        return xp.concat([jvp(v[:1]), rates * (v[1:] - v[:1] / xp.cosh(x[:1]) ** 2)])

    return residual, product


def test_flow_passes_a_minimum_where_newton_must_end() -> None:
    start = np.array([2.0])
    with pytest.raises(FixedPointError) as caught:
        newton_krylov(beside_a_turning_point, start, tolerance=1e-12, max_step=0.5)
    assert abs(caught.value.x[0] - 0.6) < 0.05 and caught.value.residual > 0.07
    for x0 in (start, caught.value.x):
        found = pseudo_transient(beside_a_turning_point, x0, tolerance=1e-12)
        assert found.residual <= 1e-12 and found.x[0] < -1
        assert any(b > a for a, b in zip(found.norm_history[:-1], found.norm_history[1:]))


def test_flow_solves_a_stiff_system_where_newton_with_capped_steps_must_end() -> None:
    start = np.concatenate([[2.0], np.zeros(12)])
    with pytest.raises(FixedPointError):
        newton_krylov(stiff_beside_a_turning_point, start, tolerance=1e-9, max_step=0.5)
    found = pseudo_transient(stiff_beside_a_turning_point, start, tolerance=1e-9, max_step=0.5)
    exact = pseudo_transient(beside_a_turning_point, np.array([-1.5]), tolerance=1e-14).x[0]
    np.testing.assert_allclose(found.x, [exact, *[math.tanh(exact)] * 12], rtol=0, atol=1e-8)


def test_flow_does_not_settle_on_a_solution_that_repels_it() -> None:
    """x³ = x: Newton takes 0 from nearby, the flow leaves it."""

    def cubic(x):
        return x**3 - x, lambda v: (3 * x**2 - 1) * v

    assert abs(newton_krylov(cubic, np.array([0.1])).x[0]) < 1e-8
    assert abs(pseudo_transient(cubic, np.array([0.1])).x[0] - 1) < 1e-8


def test_flow_refuses_a_step_to_where_the_residual_is_not_finite() -> None:
    """ln x = 3 from x = 400: the first step, nearly Newton's, ends below 0."""

    def logarithm(x):
        with np.errstate(invalid="ignore"):
            return np.log(x) - 3, lambda v: v / x

    found = pseudo_transient(logarithm, np.array([400.0]), tolerance=1e-12, first_time=1e6)
    assert abs(found.x[0] / math.exp(3) - 1) < 1e-11 and found.n_evaluations > found.n_steps + 1


def test_flow_is_newton_in_the_end(backend: Backend) -> None:
    chain = Chain()
    matrix, doping = backend(chain.laplacian), backend(chain.doping)

    def problem(phi):
        xp = array_namespace(phi)
        residual = matrix @ phi + chain.screening * xp.sinh(phi) - doping
        return residual, lambda v: matrix @ v + chain.screening * xp.cosh(phi) * v

    found = pseudo_transient(problem, backend(np.zeros(50)), tolerance=1e-11, max_step=1.0)
    exact = chain.solution(chain.doping)
    bound = 1e-11 * np.linalg.norm(np.linalg.inv(chain.jacobian(exact)), np.inf) + 1e-13
    assert np.abs(to_numpy(found.x) - exact).max() < bound
    last = [r for r in found.norm_history if r < 1][-3:]
    assert math.log(last[2]) < 1.5 * math.log(last[1])
    assert found.n_evaluations >= found.n_steps + 1 == len(found.history)


def test_flow_repeats_bit_for_bit() -> None:
    start = np.concatenate([[2.0], np.zeros(12)])
    first, second = (pseudo_transient(stiff_beside_a_turning_point, start) for _ in range(2))
    assert first.x.tobytes() == second.x.tobytes() and first.history == second.history


def test_preconditioner_of_the_flow_is_asked_with_its_shift() -> None:
    shifts = []

    def preconditioner(x, shift):
        shifts.append(shift)
        slope = float(x[0]) ** 2 - 0.36 + shift
        return lambda v: v / slope

    plain = pseudo_transient(beside_a_turning_point, np.array([-3.0]), tolerance=1e-10)
    found = pseudo_transient(beside_a_turning_point, np.array([-3.0]), tolerance=1e-10, preconditioner=preconditioner)
    assert abs(found.x[0] - plain.x[0]) < 1e-10
    assert shifts[0] == 1.0 and shifts[-1] < 1e-2


def test_flow_without_a_solution_fails_with_the_best_point() -> None:
    """x² + 1: the flow runs away to −∞."""
    with pytest.raises(FixedPointError, match="10 steps along the flow were not enough") as caught:
        pseudo_transient(lambda x: (x**2 + 1, lambda v: 2 * x * v), np.array([1.0]), max_iterations=10, max_step=1.0)
    error = caught.value
    assert error.residual == error.residual_vector[0] == min(error.history) >= 1
    assert error.n_evaluations == 11 and error.n_krylov_steps > 0


def test_flow_that_cannot_be_followed_fails() -> None:
    """The derivative's sign is wrong by a large factor: every step misses."""

    def wrong(x):
        return x - 1 + 1e3 * np.sign(x - 2), lambda v: 1e-3 * v

    with pytest.raises(FixedPointError, match=r"cannot be followed|not enough"):
        pseudo_transient(wrong, np.array([3.0]), max_iterations=60)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [({"tolerance": 0.0}, "tolerance=0.0"), ({"first_time": 0.0}, "first_time=0.0"), ({"max_step": -1.0}, "max_step")],
)
def test_flow_refuses_arguments_without_meaning(keywords: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        pseudo_transient(beside_a_turning_point, np.ones(1), **keywords)
