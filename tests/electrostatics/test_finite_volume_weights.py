"""Gaussian weights: charge, dipole and width are what they should be, derivatives too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negfadj.electrostatics.gaussian_weights import GaussianWeights, gaussian_weights
from negfadj.electrostatics.grid import Grid
from negfadj.testing import check_vjp

LINES = np.array([0.0, 0.4, 1.1, 1.5, 2.6, 3.0, 4.2, 5.0, 5.3, 6.0])
SITES = np.array([[0.3, 1.2, 3.0], [5.9, 2.7, 0.0], [3.1, 3.1, 3.1]])
WIDTHS = np.array([0.05, 0.7, 1.4])


def weights_of(sites: np.ndarray = SITES, widths: np.ndarray = WIDTHS, periodic: bool = False) -> GaussianWeights:
    return gaussian_weights(Grid(LINES, LINES, LINES, (periodic, periodic, False)), sites, widths)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_weights_of_a_site_are_positive_and_add_up_to_one(seed: int, periodic: tuple[bool, bool, bool]) -> None:
    rng = np.random.default_rng(seed)
    lines = [np.cumsum(rng.uniform(0.05, 2, rng.integers(2, 8))) for _ in range(3)]
    low, high = (np.array([x[end] for x in lines]) for end in (0, -1))
    sites = low + (high - low) * rng.uniform(size=(3, 3))
    matrix = gaussian_weights(Grid(*lines, periodic), sites, rng.uniform(0.01, 5, 3)).matrix
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=64 * 2.2e-16)
    assert matrix.data.min() > -1e-13


def test_weights_keep_the_dipole_inside_the_grid() -> None:
    line = np.concatenate((np.arange(-20, 0, 0.9), np.arange(0, 20, 0.4)))
    grid = Grid(line, line, line)
    sites, widths = np.array([[0.1, -0.3, 0.7], [2.0, -1.0, 0.0]]), np.array([0.3, 1.7])
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    matrix = gaussian_weights(grid, sites, widths).matrix
    found = np.stack([matrix @ r.ravel() for r in (x, y, z)], axis=-1)
    np.testing.assert_allclose(found, sites, atol=1e-11)


def test_weights_have_the_second_moment_of_the_gaussian_and_of_the_hats() -> None:
    line = np.linspace(-10, 10, 51)  # h = 0.4
    grid = Grid(line, [0.0, 1.0], [0.0, 1.0], (False, True, True))
    matrix = gaussian_weights(grid, np.array([[0.13, 0.5, 0.5]]), np.array([1.0])).matrix
    assert (matrix @ (line - 0.13) ** 2)[0] == pytest.approx(1 + 0.4**2 / 6, rel=1e-6)


def test_narrow_weights_interpolate_linearly() -> None:
    grid = Grid([0.0, 2.0, 3.0], [0.0, 1.0], [0.0, 1.0], (False, True, True))
    matrix = gaussian_weights(grid, np.array([[0.5, 0.2, 0.2]]), np.array([1e-9])).matrix
    np.testing.assert_allclose(matrix.toarray()[0], [0.75, 0.25, 0], atol=1e-12)


def test_charge_beyond_the_outermost_line_stays_on_it() -> None:
    grid = Grid([0.0, 1.0, 2.0, 40.0], [0.0, 1.0], [0.0, 1.0], (False, True, True))
    matrix = gaussian_weights(grid, np.array([[0.0, 0.5, 0.5]]), np.array([1e-3])).matrix
    # half of the Gaussian is outside: the mean of the positive half is σ/√2π
    np.testing.assert_allclose(matrix.toarray()[0, 1], 1e-3 / np.sqrt(2 * np.pi), rtol=1e-9)


def test_periodic_weights_wrap() -> None:
    shifted = weights_of(SITES + [6.0, -12.0, 0], periodic=True).matrix
    np.testing.assert_allclose(shifted.toarray(), weights_of(periodic=True).matrix.toarray(), atol=1e-14)


@pytest.mark.parametrize("periodic", [False, True])
def test_weights_pullback_agrees_with_differences(periodic: bool) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3))
    n_nodes = weights_of(periodic=periodic).matrix.shape[1]
    f, g = rng.normal(size=(2, n_nodes))

    def value(sites: Any, widths: Any) -> Any:
        matrix = weights_of(sites, widths, periodic).matrix
        return np.array([a @ (matrix @ f) + b @ (matrix @ g)])

    def value_vjp(sites: Any, widths: Any) -> Any:
        def pullback(bar: Any) -> Any:
            return tuple(bar[0] * x for x in weights_of(sites, widths, periodic).cotangents(((a, f), (b, g))))

        return value(sites, widths), pullback

    check_vjp(value, value_vjp, (np.clip(SITES, 0.2, 5.8), WIDTHS + 0.3))


def test_pullback_in_chunks_agrees_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    f = np.random.default_rng(0).normal(size=len(LINES) ** 3)
    whole = weights_of().cotangents(((np.ones(3), f),))
    monkeypatch.setattr("negfadj.electrostatics.gaussian_weights.CHUNK", 1)
    for x, y in zip(whole, weights_of().cotangents(((np.ones(3), f),))):
        np.testing.assert_allclose(x, y, rtol=1e-12)
