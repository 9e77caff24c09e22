"""Y − P Y Q = C: both solvers against the n² × n² matrix."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, random_array
from hypothesis import given
from hypothesis import strategies as st
from oracles import stein_by_kron

from negfadj.primitives.stein import stein_doubling, stein_eigenbasis, stein_residual

SOLVERS = [stein_doubling, stein_eigenbasis]


def _problem(seed: int, n: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, Q of the given spectral radius, C."""
    rng = np.random.default_rng(seed)
    p, q, c = (random_array(rng, 2, n, n) for _ in range(3))
    p, q = (radius * x / np.abs(np.linalg.eigvals(x)).max(axis=-1)[:, None, None] for x in (p, q))
    return p, q, c


@pytest.mark.parametrize("solve", SOLVERS)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 6), radius=st.sampled_from([0.1, 0.7, 0.99]))
def test_stein_equals_the_dense_solution(solve: object, seed: int, n: int, radius: float) -> None:
    p, q, c = _problem(seed, n, radius)
    y = solve(p, q, c)
    for k in range(2):
        dense = np.eye(n * n) - np.kron(p[k], q[k].T)
        expected = stein_by_kron(p[k], q[k], c[k])
        # eigenvectors of a random matrix and powers of a non-normal one cost a factor cond(V) each, here below 1e3
        tolerance = 1e3 * EPS * n * np.linalg.cond(dense) ** 2
        assert np.max(np.abs(y[k] - expected)) <= max(tolerance, 1e-12) * np.max(np.abs(expected))


@pytest.mark.parametrize("solve", SOLVERS)
def test_stein_is_the_same_on_every_backend(solve: object, backend: Backend) -> None:
    problem = _problem(0, 4, 0.8)
    assert np.allclose(host(solve(*backend(problem))), solve(*problem), rtol=0, atol=1e-12)


def test_stein_eigenbasis_solves_on_the_unit_circle() -> None:
    p, q, c = _problem(1, 3, 1.0)
    y = stein_eigenbasis(p, q, c)
    for k in range(2):
        expected = stein_by_kron(p[k], q[k], c[k])
        assert np.max(np.abs(y[k] - expected)) <= 1e-11 * np.max(np.abs(expected))


def test_stein_doubling_takes_as_many_passes_as_the_decimation_would(monkeypatch: pytest.MonkeyPatch) -> None:
    # 13 doublings at ρ = 0.9936: 0.9936^(2·2^13) is below eps
    import negfadj.primitives.stein as stein

    p = q = np.full((1, 1, 1), 0.9936 + 0j)
    c = np.ones((1, 1, 1), dtype=complex)
    monkeypatch.setattr(stein, "MAX_PASSES", 13)
    assert abs(stein_doubling(p, q, c)[0, 0, 0] * (1 - 0.9936**2) - 1) <= 1e-13


def test_stein_doubling_never_returns_nan_where_it_cannot_converge() -> None:
    p = q = np.full((1, 1, 1), 1.0 + 0j)
    assert np.isfinite(stein_doubling(p, q, np.ones((1, 1, 1), dtype=complex))).all()


def test_stein_residual_is_that_of_the_equation() -> None:
    p, q, c = _problem(2, 3, 0.5)
    y = random_array(np.random.default_rng(0), 2, 3, 3)
    expected = [np.abs(y[k] - p[k] @ y[k] @ q[k] - c[k]).max() / np.abs(y[k]).max() for k in range(2)]
    assert np.allclose(stein_residual(p, q, c, y), expected, rtol=1e-12)
