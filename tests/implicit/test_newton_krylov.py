"""Newton–Krylov on systems with known solutions: order, safeguards, repeatability, and honest failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from backends import Backend
from poisson_boltzmann import Chain

from negfadj.array import array_namespace, to_numpy
from negfadj.errors import ConvergenceError, InputError, InputTypeError, ShapeError
from negfadj.implicit import FixedPointError, newton_krylov


def cubic(x):
    """x³ + x = 10, at x = 2."""
    return x**3 + x - 10, lambda v: (3 * x**2 + 1) * v


def circle_and_parabola(x):
    """x² + y² = 4, y = x² − 2: at (√3, 1)."""
    xp = array_namespace(x)
    residual = xp.stack([x[0] ** 2 + x[1] ** 2 - 4, x[1] - x[0] ** 2 + 2])
    return residual, lambda v: xp.stack([2 * x[0] * v[0] + 2 * x[1] * v[1], v[1] - 2 * x[0] * v[0]])


def arctangent(x):
    """Newton's own steps diverge from |x| > 1.39."""
    xp = array_namespace(x)
    return xp.atan(x), lambda v: v / (1 + x**2)


def chain_problem(chain: Chain):
    return lambda phi: (chain.residual(phi, chain.doping), lambda v: chain.jacobian(phi) @ v)


def test_newton_krylov_solves_a_cubic(backend: Backend) -> None:
    x0 = backend(np.array([1.0]))
    found = newton_krylov(cubic, x0, tolerance=1e-13)
    assert type(found.x) is type(x0) and abs(float(found.x[0]) - 2) < 1e-14
    assert found.residual == found.history[-1] <= 1e-13


def test_newton_krylov_solves_two_equations(backend: Backend) -> None:
    found = newton_krylov(circle_and_parabola, backend(np.array([1.0, 0.5])), tolerance=1e-14)
    assert np.allclose(to_numpy(found.x), [math.sqrt(3), 1.0], rtol=0, atol=1e-14)


def test_newton_krylov_counts_what_it_did() -> None:
    calls = {"F": 0, "J": 0}

    def counted(x):
        calls["F"] += 1
        residual, jvp = circle_and_parabola(x)

        def product(v):
            calls["J"] += 1
            return jvp(v)

        return residual, product

    found = newton_krylov(counted, np.array([1.0, 0.5]), tolerance=1e-12)
    assert (found.n_evaluations, found.n_krylov_steps) == (calls["F"], calls["J"])
    assert found.n_steps == len(found.history) - 1 == len(found.norm_history) - 1
    residual = circle_and_parabola(found.x)[0]
    assert np.array_equal(found.residual_vector, residual)
    assert found.history[-1] == np.abs(residual).max()


def test_newton_krylov_matches_a_dense_solver_on_a_chain() -> None:
    chain = Chain()
    found = newton_krylov(chain_problem(chain), np.zeros(50), tolerance=1e-11, max_step=1.0)
    exact = chain.solution(chain.doping)
    assert np.abs(found.x - exact).max() < 1e-11 * np.linalg.norm(np.linalg.inv(chain.jacobian(exact)), np.inf) + 1e-13


def test_newton_krylov_converges_quadratically() -> None:
    chain = Chain()
    found = newton_krylov(chain_problem(chain), 0.9 * chain.solution(chain.doping), tolerance=1e-12)
    norms = [r for r in found.norm_history if 1e-12 < r < 1]
    orders = [math.log(c / b) / math.log(b / a) for a, b, c in zip(norms[:-2], norms[1:-1], norms[2:])]
    assert len(orders) >= 1 and orders[-1] > 1.7
    assert found.n_steps <= 7


def test_newton_krylov_converges_on_a_bad_start() -> None:
    for x0 in (3.0, -50.0, 300.0):
        found = newton_krylov(arctangent, np.array([x0]), tolerance=1e-12)
        assert abs(found.x[0]) < 1e-12 and found.n_evaluations > found.n_steps + 1
        assert all(b < a for a, b in zip(found.norm_history[:-1], found.norm_history[1:]))


def test_newton_krylov_keeps_to_the_longest_step() -> None:
    seen = []

    def watched(x):
        seen.append(x)
        return cubic(x)

    found = newton_krylov(watched, np.array([0.0]), tolerance=1e-12, max_step=0.25)
    assert max(abs(b - a)[0] for a, b in zip(seen[:-1], seen[1:])) <= 0.25 * (1 + 1e-15)
    assert abs(found.x[0] - 2) < 1e-12 and found.n_steps >= 8


def test_newton_krylov_backs_off_where_the_residual_is_not_finite() -> None:
    """ln x = 3 from x = 400: the first whole step ends below 0."""

    def logarithm(x):
        with np.errstate(invalid="ignore"):
            return np.log(x) - 3, lambda v: v / x

    found = newton_krylov(logarithm, np.array([400.0]), tolerance=1e-12)
    assert abs(found.x[0] / math.exp(3) - 1) < 1e-11


def test_newton_krylov_needs_fewer_krylov_steps_with_a_preconditioner() -> None:
    chain, problem = Chain(), chain_problem(Chain())

    def local_response(phi):
        halves = np.repeat([np.cosh(phi[:25]).mean(), np.cosh(phi[25:]).mean()], 25)
        inverse = np.linalg.inv(chain.laplacian + chain.screening * np.diag(halves))
        return lambda v: inverse @ v

    plain = newton_krylov(problem, np.zeros(50), max_step=1.0)
    found = newton_krylov(problem, np.zeros(50), max_step=1.0, preconditioner=local_response)
    assert np.abs(found.x - plain.x).max() < 1e-7
    assert found.n_krylov_steps < plain.n_krylov_steps


def test_newton_krylov_repeats_bit_for_bit() -> None:
    first, second = (newton_krylov(chain_problem(Chain()), np.zeros(50), max_step=1.0) for _ in range(2))
    assert first.x.tobytes() == second.x.tobytes()
    assert first.history == second.history and first.n_krylov_steps == second.n_krylov_steps


def test_newton_krylov_says_where_it_stagnates_when_there_is_no_solution() -> None:
    with pytest.raises(FixedPointError) as caught:
        newton_krylov(lambda x: (x**2 + 1, lambda v: 2 * x * v), np.array([3.0]), max_iterations=100)
    error = caught.value
    assert isinstance(error, ConvergenceError)
    assert error.residual >= 1 and error.residual == min(error.history) == error.residual_vector[0]
    assert np.array_equal(error.residual_vector, error.x**2 + 1)
    assert "entry 0" in str(error) and "continuation" in str(error)


def test_newton_krylov_does_not_pretend_below_rounding() -> None:
    with pytest.raises(FixedPointError, match="near rounding, a larger tolerance"):
        newton_krylov(lambda x: (x**2 - 2e10, lambda v: 2 * x * v), np.array([1e5]), tolerance=1e-9)


def test_newton_krylov_refuses_a_wrong_derivative() -> None:
    with pytest.raises(FixedPointError, match="does not fall along Newton's step 1"):
        newton_krylov(lambda x: (cubic(x)[0], lambda v: -cubic(x)[1](v)), np.array([1.0]))


def test_newton_krylov_refuses_a_singular_derivative() -> None:
    with pytest.raises(FixedPointError, match="Krylov steps left 1 of the linear system's residual"):
        newton_krylov(lambda x: (x**2 + 1, lambda v: 2 * x * v), np.zeros(2))


def test_newton_krylov_stops_at_the_steps_it_may_use() -> None:
    with pytest.raises(FixedPointError, match="3 steps were not enough") as caught:
        newton_krylov(cubic, np.array([50.0]), max_iterations=3)
    assert len(caught.value.history) == 4


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "words"),
    [
        ((cubic, [1.0]), {}, InputTypeError, "x0 is a list"),
        ((cubic, np.ones(1, dtype=int)), {}, InputTypeError, "dtype int64"),
        ((cubic, np.array([np.nan])), {}, InputError, "not finite"),
        ((cubic, np.ones(1)), {"tolerance": 0.0}, InputError, "tolerance=0.0"),
        ((cubic, np.ones(1)), {"max_iterations": -1}, InputError, "max_iterations=-1 must be a whole number"),
        ((cubic, np.ones(1)), {"forcing": 1.0}, InputError, "forcing=1.0"),
        ((cubic, np.ones(1)), {"max_step": -1.0}, InputError, "max_step=-1.0"),
        ((lambda x: (x[:1], None), np.ones(2)), {}, ShapeError, r"F gave shape \(1,\)"),
        ((lambda x: (x * np.inf, None), np.ones(2)), {}, InputError, "F is not finite at x0"),
    ],
)
def test_newton_krylov_refuses_arguments_without_meaning(
    arguments: tuple, keywords: dict, error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        newton_krylov(*arguments, **keywords)
