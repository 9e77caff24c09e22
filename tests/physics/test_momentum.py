"""Monkhorst–Pack grids and paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import EPS
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.physics.momentum import momentum_path, monkhorst_pack

SHIFTS = st.sampled_from([0.0, 0.5, "monkhorst-pack"])
COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def test_a_grid_around_gamma_has_its_points_and_weights() -> None:
    momenta, weights = monkhorst_pack(4)
    assert np.allclose(momenta, [[0, 0, 0], [0.25, 0, 0], [0.5, 0, 0]])
    assert np.allclose(weights, [0.25, 0.5, 0.25])
    momenta, weights = monkhorst_pack((1, 2, 3), time_reversal=False)
    assert momenta[:, 1:].tolist() == [[y, z] for y in (0, 0.5) for z in (0, 1 / 3, 2 / 3 - 1)]
    assert np.allclose(weights, 1 / 6)


def test_monkhorst_and_packs_own_grid_has_their_points() -> None:
    for n in (1, 2, 3, 4):
        momenta, _ = monkhorst_pack(n, shift="monkhorst-pack", time_reversal=False)
        expected = [(2 * r - n - 1) / (2 * n) for r in range(1, n + 1)]  # Eq. (3)
        assert np.allclose(np.sort(momenta[:, 0]), expected)
        assert not momenta[:, 1:].any()


@given(n=COUNTS, shift=SHIFTS, seed=st.integers(0, 2**31))
def test_the_reduced_grid_sums_even_functions_as_the_full_one(n: list[int], shift: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    waves, heights = rng.integers(-4, 5, (6, 3)), rng.normal(size=6)

    def even(k: np.ndarray) -> np.ndarray:
        return np.cos(2 * np.pi * k @ waves.T) @ heights

    full, reduced = monkhorst_pack(n, shift=shift, time_reversal=False), monkhorst_pack(n, shift=shift)
    whole = full.weights @ even(full.momenta)
    assert abs(reduced.weights @ even(reduced.momenta) - whole) <= 1e4 * EPS
    assert abs(reduced.weights.sum() - 1) <= 100 * EPS and full.weights.size == np.prod(n)
    assert len(reduced.momenta) <= (len(full.momenta) + 8) // 2  # eight momenta at most are their own opposites


@given(n=COUNTS, shift=SHIFTS)
def test_the_full_grid_sums_plane_waves_to_zero_up_to_its_size(n: list[int], shift: Any) -> None:
    momenta, weights = monkhorst_pack(n, shift=shift, time_reversal=False)
    for wave in np.ndindex(*n):
        phase = np.exp(2j * np.pi * momenta[:, : len(n)] @ np.array(wave))
        assert abs(weights @ phase - (not any(wave))) <= 1e3 * EPS


@given(n=COUNTS, shift=SHIFTS, time_reversal=st.booleans())
def test_momenta_of_a_grid_lie_in_the_first_zone(n: list[int], shift: Any, time_reversal: bool) -> None:
    momenta, _ = monkhorst_pack(n, shift=shift, time_reversal=time_reversal)
    assert np.all(momenta > -0.5) and np.all(momenta <= 0.5)


def test_one_shift_leaves_directions_with_one_momentum_at_zero() -> None:
    assert not monkhorst_pack((2, 1, 2), shift=0.5).momenta[:, 1].any()
    assert np.all(monkhorst_pack((2, 1), shift=(0.5, 0.5)).momenta[:, 1] == 0.5)


def test_a_shift_without_opposite_momenta_keeps_the_whole_grid() -> None:
    momenta, weights = monkhorst_pack((3, 3), shift=0.3)
    assert momenta.shape == (9, 3) and np.allclose(weights, 1 / 9)


@pytest.mark.parametrize(
    ("n", "shift", "named"),
    [
        (0, 0.0, "n=0"),
        (2.0, 0.0, r"n=2\.0"),
        ((1, 2, 3, 4), 0.0, "4 numbers"),
        ((2, 2), (0.5,), r"\(1,\).*2 numbers"),
        (2, "gamma", "'gamma'"),
        (2, np.inf, "finite"),
    ],
)
def test_a_grid_that_has_no_meaning_is_refused(n: Any, shift: Any, named: str) -> None:
    with pytest.raises(na.InputError, match=named):
        monkhorst_pack(n, shift=shift)


def test_a_path_passes_its_corners_in_equal_steps() -> None:
    corners = [(0, 0, 0), (0.5, 0, 0), (0.5, 0.5, 0)]
    momenta, distances = momentum_path(corners, 5)
    assert momenta.shape == (11, 3) and np.allclose(momenta[::5], corners)
    assert np.allclose(np.diff(momenta[:, 0]), [0.1] * 5 + [0] * 5) and np.allclose(np.diff(distances), 0.1)


def test_the_length_of_a_path_is_cartesian_with_a_lattice() -> None:
    lattice = 2.46 * np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, 3]])
    _, distances = momentum_path([(0, 0, 0), (1 / 3, 1 / 3, 0), (0.5, 0, 0)], 4, lattice=lattice)  # Γ, K, M
    gamma_to_k = 4 * np.pi / (3 * 2.46)
    assert np.allclose(distances[[4, 8]], [gamma_to_k, 1.5 * gamma_to_k])


def test_a_path_that_has_no_meaning_is_refused() -> None:
    with pytest.raises(na.ShapeError, match=r"\(1, 3\)"):
        momentum_path([(0, 0, 0)], 4)
    with pytest.raises(na.InputError, match="n=0"):
        momentum_path([(0, 0, 0), (1, 0, 0)], 0)
    with pytest.raises(na.InputError, match="volume"):
        momentum_path([(0, 0, 0), (1, 0, 0)], 2, lattice=np.ones((3, 3)))
