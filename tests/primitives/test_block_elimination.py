"""Left-connected factors, columns and rows of the inverse, its tridiagonal blocks: against the dense inverse."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, random_array, random_blocks
from hypothesis import given
from hypothesis import strategies as st

from negfadj.primitives.block_solve import solve_columns, solve_rows
from negfadj.primitives.left_connected import Folded, last_of, left_connected, sweep
from negfadj.primitives.open_system import Adjoint, Blocks, Reversed
from negfadj.primitives.selected_inverse import selected_inverse

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**31)


def whole(a: Blocks, k: int) -> np.ndarray:
    """The dense matrix of energy k."""
    sizes = [a.diagonal(i).shape[-1] for i in range(a.n_blocks)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    dense = np.zeros((offsets[-1], offsets[-1]), dtype=complex)
    spans = [slice(x, y) for x, y in zip(offsets, offsets[1:])]
    for i in range(a.n_blocks):
        dense[spans[i], spans[i]] = a.diagonal(i)[k]
        if i + 1 < a.n_blocks and a.upper(i) is not None:
            dense[spans[i], spans[i + 1]], dense[spans[i + 1], spans[i]] = a.upper(i)[k], a.lower(i)[k]
    return dense


def spans_of(a: Blocks) -> list[slice]:
    offsets = np.concatenate([[0], np.cumsum([a.diagonal(i).shape[-1] for i in range(a.n_blocks)])])
    return [slice(x, y) for x, y in zip(offsets, offsets[1:])]


def tolerance(a: Blocks) -> float:
    """Relative: eps · n · cond of the matrix and of its leading parts (each pivot inverts one), squared for growth."""
    worst = 1.0
    for k in range(2):
        dense = whole(a, k)
        for span in spans_of(a):
            worst = max(worst, np.linalg.cond(dense[: span.stop, : span.stop]))
    return 1e2 * EPS * len(dense) * worst**2


def assert_close(found: np.ndarray, expected: np.ndarray, bound: float, scale: float) -> None:
    assert np.max(np.abs(found - expected)) <= bound * scale


@given(seed=SEEDS, sizes=SIZES)
def test_left_connected_is_the_corner_of_the_inverse_of_the_leading_part(seed: int, sizes: list[int]) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    for factor, span in zip(left_connected(a), spans_of(a)):
        for k in range(2):
            leading = np.linalg.inv(whole(a, k)[: span.stop, : span.stop])
            assert_close(factor[k], leading[span, span], tolerance(a), np.abs(leading).max())


@given(seed=SEEDS, sizes=SIZES)
def test_selected_inverse_equals_the_dense_inverse(seed: int, sizes: list[int]) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    spans, bound = spans_of(a), tolerance(a)
    inverses = [np.linalg.inv(whole(a, k)) for k in range(2)]
    seen = []
    for row in selected_inverse(a, left_connected(a)):
        seen.append(row.i)
        for k, g in enumerate(inverses):
            here = spans[row.i]
            assert_close(row.diagonal[k], g[here, here], bound, np.abs(g).max())
            if row.upper is not None:
                there = spans[row.i + 1]
                assert_close(row.upper[k], g[here, there], bound, np.abs(g).max())
                assert_close(row.lower[k], g[there, here], bound, np.abs(g).max())
    assert seen == list(range(len(sizes)))[::-1]


@given(seed=SEEDS, sizes=SIZES, n_sources=st.integers(1, 2))
def test_solve_columns_equals_the_dense_solution(seed: int, sizes: list[int], n_sources: int) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    rng = np.random.default_rng(seed)
    places = sorted(rng.choice(len(sizes), size=min(n_sources, len(sizes)), replace=False).tolist())
    sources = {i: random_array(rng, 2, sizes[i], 3) for i in places}
    right = np.zeros((2, sum(sizes), 3), dtype=complex)
    for i, b in sources.items():
        right[:, spans_of(a)[i]] = b
    for i, x in solve_columns(a, left_connected(a), sources):
        for k in range(2):
            expected = np.linalg.solve(whole(a, k), right[k])
            assert_close(x[k], expected[spans_of(a)[i]], tolerance(a), np.abs(expected).max())


@given(seed=SEEDS, sizes=SIZES, n_sources=st.integers(1, 2))
def test_solve_rows_equals_the_dense_solution(seed: int, sizes: list[int], n_sources: int) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    rng = np.random.default_rng(seed)
    places = sorted(rng.choice(len(sizes), size=min(n_sources, len(sizes)), replace=False).tolist())
    sources = {i: random_array(rng, 2, 3, sizes[i]) for i in places}
    left = np.zeros((2, 3, sum(sizes)), dtype=complex)
    for i, c in sources.items():
        left[:, :, spans_of(a)[i]] = c
    for i, r in solve_rows(a, left_connected(a), sources):
        for k in range(2):
            expected = left[k] @ np.linalg.inv(whole(a, k))
            assert_close(r[k], expected[:, spans_of(a)[i]], tolerance(a), np.abs(expected).max())


@given(seed=SEEDS, sizes=SIZES)
def test_sweep_gives_the_last_rows_of_a_solution(seed: int, sizes: list[int]) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    b = random_array(np.random.default_rng(seed), 2, sizes[0], 2)
    g, w = last_of(sweep(a, columns=(0, b)))
    for k in range(2):
        right = np.zeros((sum(sizes), 2), dtype=complex)
        right[: sizes[0]] = b[k]
        expected = np.linalg.solve(whole(a, k), right)
        assert_close((g @ w)[k], expected[spans_of(a)[-1]], tolerance(a), np.abs(expected).max())


@given(seed=SEEDS, sizes=SIZES)
def test_folded_keeps_the_inverse_of_the_blocks_left(seed: int, sizes: list[int]) -> None:
    a = random_blocks(seed, sizes, dominant=2.5)
    last = len(sizes) // 2
    factor, _ = last_of(sweep(Folded(a, last)))
    span = spans_of(a)[last]
    for k in range(2):
        g = np.linalg.inv(whole(a, k))
        assert_close(factor[k], g[span, span], tolerance(reversed_blocks(a)) + tolerance(a), np.abs(g).max())


def reversed_blocks(a: Blocks) -> Blocks:
    n = a.n_blocks
    r = Reversed(a)
    return Blocks([r.diagonal(i) for i in range(n)], *([f(i) for i in range(n - 1)] for f in (r.upper, r.lower)))


def test_adjoint_of_a_block_matrix_is_the_dense_dagger() -> None:
    a = random_blocks(0, (2, 3, 1))
    b = Adjoint(a)
    made = Blocks([b.diagonal(i) for i in range(3)], *([f(i) for i in range(2)] for f in (b.upper, b.lower)))
    assert np.array_equal(whole(made, 1), whole(a, 1).conj().T)


@pytest.mark.parametrize("solve", [solve_columns, solve_rows])
def test_block_solve_is_the_same_on_every_backend(solve: object, backend: Backend) -> None:
    a = random_blocks(4, (3, 2, 4), dominant=2.5)
    rng = np.random.default_rng(0)
    b = random_array(rng, 2, 2, 2)
    expected = dict(solve(a, left_connected(a), {1: b}))
    moved = backend(a)
    found = dict(solve(moved, left_connected(moved), {1: backend.convert(b)}))
    assert all(np.allclose(host(found[i]), expected[i], rtol=0, atol=1e-13) for i in range(3))
