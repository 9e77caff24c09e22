"""GMRES against dense solves, and what it says when it cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
from backends import Backend

from negfadj.array import to_numpy
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.implicit import gmres


def system(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 2 * np.eye(n) + rng.standard_normal((n, n)) / np.sqrt(n), rng.standard_normal(n)


def test_gmres_solves_as_a_dense_solver(backend: Backend) -> None:
    matrix, right = system()
    a, b = backend(matrix), backend(right)
    found = gmres(lambda v: a @ v, b, tolerance=1e-13)
    assert type(found.x) is type(b) and found.residual <= 1e-13
    exact = np.linalg.solve(matrix, right)
    bound = 1e-13 * np.linalg.cond(matrix) * np.linalg.norm(exact)
    assert np.linalg.norm(to_numpy(found.x) - exact) <= bound


def test_gmres_ends_within_the_number_of_distinct_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    basis = rng.standard_normal((30, 30))
    matrix = basis @ np.diag(np.repeat([1.0, 2.0, 5.0], 10)) @ np.linalg.inv(basis)
    assert gmres(lambda v: matrix @ v, rng.standard_normal(30), tolerance=1e-10).n_products == 4  # and the check


def test_gmres_residuals_fall_and_are_the_true_ones() -> None:
    matrix, right = system(seed=2)
    found = gmres(lambda v: matrix @ v, right, tolerance=1e-9, is_checked=False)
    assert all(b <= a for a, b in zip(found.history[:-1], found.history[1:]))
    true = np.linalg.norm(right - matrix @ found.x) / np.linalg.norm(right)
    assert abs(true - found.residual) <= 1e-13 and found.residual == found.history[-1] <= 1e-9
    assert found.n_products == len(found.history) - 1


def test_gmres_converges_over_restarts() -> None:
    matrix, right = system(seed=3)
    found = gmres(lambda v: matrix @ v, right, tolerance=1e-11, restart=8)
    assert found.residual <= 1e-11 and found.n_products > 9
    assert np.linalg.norm(right - matrix @ found.x) <= 1.1e-11 * np.linalg.norm(right)


def test_gmres_with_a_preconditioner_minimises_the_residual_itself() -> None:
    matrix, right = system(seed=4)
    scales = 10.0 ** np.linspace(-4, 4, len(right))
    scaled = matrix * scales  # columns: M⁻¹ = 1/scales undoes them from the right
    plain = gmres(lambda v: matrix @ v, right, tolerance=1e-10)
    found = gmres(lambda v: scaled @ v, right, preconditioner=lambda v: v / scales, tolerance=1e-10)
    assert found.n_products == plain.n_products
    assert np.allclose(found.x * scales, plain.x, rtol=1e-9)


def test_gmres_repeats_bit_for_bit() -> None:
    matrix, right = system(seed=5)
    first, second = (gmres(lambda v: matrix @ v, right) for _ in range(2))
    assert first.x.tobytes() == second.x.tobytes() and first.history == second.history


def test_gmres_of_nothing_is_nothing() -> None:
    found = gmres(lambda v: 2 * v, np.zeros(4))
    assert np.array_equal(found.x, np.zeros(4)) and found.residual == 0 and found.n_products == 0


def test_gmres_says_when_a_singular_system_has_no_solution() -> None:
    matrix = np.diag([1.0, 2.0, 0.0])
    found = gmres(lambda v: matrix @ v, np.array([1.0, 1.0, 1.0]))
    assert math.isclose(found.residual, math.sqrt(1 / 3), rel_tol=1e-12)


def test_gmres_solves_a_singular_system_that_has_a_solution() -> None:
    matrix = np.diag([1.0, 2.0, 0.0])
    found = gmres(lambda v: matrix @ v, np.array([1.0, 1.0, 0.0]))
    assert np.allclose(found.x, [1.0, 0.5, 0.0], atol=1e-14) and found.residual < 1e-14


def test_gmres_stops_at_the_products_it_may_use() -> None:
    matrix, right = system(seed=6)
    found = gmres(lambda v: matrix @ v, right, tolerance=1e-12, max_products=5)
    true = np.linalg.norm(right - matrix @ found.x) / np.linalg.norm(right)
    assert found.residual > 1e-3 and math.isclose(found.residual, true, rel_tol=1e-12)


def test_gmres_has_no_finite_residual_when_the_operator_is_not_finite() -> None:
    assert math.isnan(gmres(lambda v: v * np.nan, np.ones(3), is_checked=False).residual)
    checked = gmres(lambda v: v * np.nan, np.ones(3))
    assert not checked.residual <= 1e-10 and np.array_equal(checked.x, np.zeros(3))


@pytest.mark.parametrize(
    ("right", "error", "words"),
    [
        (np.ones((2, 2)), ShapeError, r"has shape \(2, 2\)"),
        (np.ones(2) * 1j, InputTypeError, "dtype complex128"),
        ([1.0, 2.0], InputTypeError, "is a list"),
        (np.array([1.0, np.inf]), InputError, "not finite"),
    ],
)
def test_gmres_refuses_a_right_side_that_is_no_real_vector(right: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        gmres(lambda v: v, right)


def test_gmres_refuses_an_operator_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"gave shape \(2,\) for a vector of shape \(3,\)"):
        gmres(lambda v: v[:2], np.ones(3))
