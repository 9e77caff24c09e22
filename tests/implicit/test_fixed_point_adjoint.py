"""The adjoint and the tangent of a fixed point: dense solves, each other, and differences of converged solutions."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from poisson_boltzmann import Chain

from negfadj.array import to_numpy
from negfadj.errors import ConvergenceError, InputError, ShapeError
from negfadj.implicit import FixedPointError, fixed_point_adjoint, fixed_point_tangent


def linear_map(n: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n) / 2


def test_adjoint_is_the_dense_transposed_solve(backend: Backend) -> None:
    jacobian, bar = linear_map(), np.random.default_rng(1).standard_normal(30)
    transposed, x_bar = backend(jacobian.T.copy()), backend(bar)
    found = fixed_point_adjoint(lambda v: transposed @ v, x_bar, tolerance=1e-12)
    assert type(found.x) is type(x_bar) and found.residual <= 1e-12
    assert np.allclose(to_numpy(found.x), np.linalg.solve(np.eye(30) - jacobian.T, bar), rtol=0, atol=1e-10)


def test_tangent_and_adjoint_satisfy_the_adjoint_identity() -> None:
    rng = np.random.default_rng(2)
    jacobian, (bar, d_map) = linear_map(seed=3), rng.standard_normal((2, 30))
    dx = fixed_point_tangent(lambda v: jacobian @ v, d_map, tolerance=1e-13).x
    adjoint = fixed_point_adjoint(lambda v: jacobian.T @ v, bar, tolerance=1e-13).x
    assert abs(bar @ dx - adjoint @ d_map) < 1e-12 * np.linalg.norm(bar) * np.linalg.norm(dx)


def test_preconditioners_change_the_products_but_not_the_answer() -> None:
    chain = Chain()
    phi = chain.solution(chain.doping)
    jacobian = np.eye(50) - chain.jacobian(phi)
    inverse = np.linalg.inv(chain.laplacian + np.diag(np.full(50, chain.screening * np.cosh(phi).mean())))
    bar = np.random.default_rng(4).standard_normal(50)
    plain = fixed_point_adjoint(lambda v: jacobian.T @ v, bar)
    found = fixed_point_adjoint(lambda v: jacobian.T @ v, bar, preconditioner=lambda v: inverse.T @ v)
    assert np.allclose(found.x, plain.x, rtol=0, atol=1e-8 * np.abs(plain.x).max())
    assert found.n_products < plain.n_products


def test_gradient_through_a_fixed_point_matches_differences_of_solutions() -> None:
    """L = w·φ of the converged chain, by every entry of the doping: g = φ − F, so ∂g/∂ρ = 1 and ρ̄ = λ."""
    chain, rng = Chain(n_sites=20), np.random.default_rng(5)
    phi, weights = chain.solution(chain.doping), rng.standard_normal(20)
    adjoint = fixed_point_adjoint(lambda v: v - chain.jacobian(phi).T @ v, weights, tolerance=1e-13).x
    h = 1e-3
    for i in (0, 7, 10, 19):
        moved = h * np.eye(20)[i]
        values = [weights @ chain.solution(chain.doping + k * moved) for k in (-2, -1, 1, 2)]
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        assert abs(adjoint[i] - slope) < 1e-8 * np.abs(adjoint).max()


def test_tangent_through_a_fixed_point_matches_differences_of_solutions() -> None:
    chain, h = Chain(n_sites=20), 1e-3
    phi, direction = chain.solution(chain.doping), np.random.default_rng(6).standard_normal(20)
    dx = fixed_point_tangent(lambda v: v - chain.jacobian(phi) @ v, direction, tolerance=1e-13).x
    moved = [chain.solution(chain.doping + k * h * direction) for k in (-2, -1, 1, 2)]
    slope = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * h)
    assert np.abs(dx - slope).max() < 1e-8 * np.abs(dx).max()


def test_gradient_does_not_depend_on_which_map_has_the_fixed_point() -> None:
    """The same φ is a fixed point of g = φ − F and of the preconditioned map (L + κ²)⁻¹(ρ − κ² sinh φ + κ² φ)."""
    chain, rng = Chain(), np.random.default_rng(7)
    phi, weights = chain.solution(chain.doping), rng.standard_normal(50)
    plain = fixed_point_adjoint(lambda v: v - chain.jacobian(phi).T @ v, weights, tolerance=1e-13).x
    inverse = np.linalg.inv(chain.laplacian + chain.screening * np.eye(50))
    response = chain.screening * (np.cosh(phi) - 1)
    other = fixed_point_adjoint(lambda v: -response * (inverse.T @ v), weights, tolerance=1e-13).x
    assert np.allclose(inverse.T @ other, plain, rtol=0, atol=1e-11 * np.abs(plain).max())


def test_a_singular_adjoint_is_refused() -> None:
    """J has the eigenvalue 1: a turning point."""
    jacobian = np.diag([1.0, 0.5, 0.2])
    with pytest.raises(FixedPointError, match=r"the adjoint of the .* residual 0\.577") as caught:
        fixed_point_adjoint(lambda v: jacobian @ v, np.ones(3))
    assert isinstance(caught.value, ConvergenceError) and caught.value.residual > 0.5
    assert caught.value.history[0] == 1.0
    with pytest.raises(FixedPointError, match="the tangent of the fixed point"):
        fixed_point_tangent(lambda v: jacobian @ v, np.ones(3))


def test_a_solve_that_runs_out_of_products_is_refused() -> None:
    with pytest.raises(FixedPointError, match="after 3 products"):
        fixed_point_adjoint(lambda v: linear_map() @ v, np.ones(30), max_products=2)


def test_an_adjoint_of_a_product_that_is_not_finite_is_refused() -> None:
    with pytest.raises(FixedPointError, match="relative residual"):
        fixed_point_adjoint(lambda v: v * np.nan, np.ones(3))


def test_the_adjoint_of_nothing_is_nothing() -> None:
    found = fixed_point_adjoint(lambda v: 0.5 * v, np.zeros(3))
    assert np.array_equal(found.x, np.zeros(3)) and found.residual == 0


def test_arguments_without_meaning_are_refused() -> None:
    with pytest.raises(InputError, match=r"tolerance=1\.0 must be below 1"):
        fixed_point_adjoint(lambda v: v, np.ones(3), tolerance=1.0)
    with pytest.raises(ShapeError):
        fixed_point_adjoint(lambda v: v, np.ones((3, 1)))
