"""Selected congruence, A⁻¹ Q B⁻¹ on the tridiagonal blocks: against dense inverses, in its four uses; its pullback."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, random_blocks
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.array import adjoint
from negfadj.primitives.congruence import selected_congruence, selected_congruence_vjp
from negfadj.primitives.left_connected import left_connected
from negfadj.primitives.open_system import Adjoint, BlockMatrix, Blocks, adjoint_factors

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)
SEEDS = st.integers(0, 2**31)


def congruence(a: BlockMatrix, q: BlockMatrix, b: BlockMatrix) -> Blocks:
    """The selected congruence collected into `Blocks`."""
    rows = list(selected_congruence(a, left_connected(a), q, b, left_connected(b)))[::-1]
    return Blocks([r.diagonal for r in rows], [r.upper for r in rows[:-1]], [r.lower for r in rows[:-1]])


def whole(a: BlockMatrix, k: int, sizes: list[int]) -> np.ndarray:
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    dense = np.zeros((offsets[-1], offsets[-1]), dtype=complex)
    spans = [slice(x, y) for x, y in zip(offsets, offsets[1:])]
    for i in range(len(sizes)):
        if a.diagonal(i) is not None:
            dense[spans[i], spans[i]] = a.diagonal(i)[k]
        if i + 1 < len(sizes):
            for block, place in ((a.upper(i), (i, i + 1)), (a.lower(i), (i + 1, i))):
                if block is not None:
                    dense[spans[place[0]], spans[place[1]]] = block[k]
    return dense


def on_pattern(x: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The tridiagonal blocks of a dense matrix, the rest zero."""
    block_of = np.repeat(np.arange(len(sizes)), sizes)
    return x * (np.abs(block_of[:, None] - block_of[None, :]) <= 1)


def bound(a: BlockMatrix, b: BlockMatrix, sizes: list[int]) -> float:
    """eps · n · cond(A)² cond(B)²: the pivots of both eliminations, leading parts included."""
    worst = [1.0, 1.0]
    ends = np.cumsum(sizes)
    for which, m in enumerate((a, b)):
        for k in range(2):
            dense = whole(m, k, sizes)
            worst[which] = max([worst[which], *(np.linalg.cond(dense[:end, :end]) for end in ends)])
    return 1e2 * EPS * sum(sizes) * (worst[0] * worst[1]) ** 2


def assert_is(found: Blocks, expected: list[np.ndarray], sizes: list[int], tolerance: float) -> None:
    for k, x in enumerate(expected):
        assert np.max(np.abs(whole(found, k, sizes) - on_pattern(x, sizes))) <= tolerance * np.abs(x).max()


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_equals_the_dense_product(seed: int, sizes: list[int]) -> None:
    a, q, b = (random_blocks(seed + k, sizes, dominant=2.5 * (k != 1)) for k in range(3))
    expected = [
        np.linalg.inv(whole(a, k, sizes)) @ whole(q, k, sizes) @ np.linalg.inv(whole(b, k, sizes)) for k in range(2)
    ]
    assert_is(congruence(a, q, b), expected, sizes, bound(a, b, sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_takes_missing_blocks_as_zero(seed: int, sizes: list[int]) -> None:
    a, b = (random_blocks(seed + k, sizes, dominant=2.5) for k in range(2))
    one = random_blocks(seed + 2, sizes)
    n = len(sizes)
    q = Blocks([one.diagonal(i) if i == n - 1 else None for i in range(n)], [None] * (n - 1), [None] * (n - 1))
    expected = [
        np.linalg.inv(whole(a, k, sizes)) @ whole(q, k, sizes) @ np.linalg.inv(whole(b, k, sizes)) for k in range(2)
    ]
    assert_is(congruence(a, q, b), expected, sizes, bound(a, b, sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_gives_the_lesser_function(seed: int, sizes: list[int]) -> None:
    a, sigma = random_blocks(seed, sizes, dominant=2.5), random_blocks(seed + 1, sizes)
    dagger = Adjoint(a)
    factors = left_connected(a)
    rows = list(selected_congruence(a, factors, sigma, dagger, list(adjoint_factors(factors))))[::-1]
    found = Blocks([r.diagonal for r in rows], [r.upper for r in rows[:-1]], [r.lower for r in rows[:-1]])
    expected = []
    for k in range(2):
        g = np.linalg.inv(whole(a, k, sizes))
        expected.append(g @ whole(sigma, k, sizes) @ g.conj().T)
    assert_is(found, expected, sizes, bound(a, a, sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_gives_the_tangent_of_the_inverse(seed: int, sizes: list[int]) -> None:
    a, d_a = random_blocks(seed, sizes, dominant=2.5), random_blocks(seed + 1, sizes)
    found = congruence(a, d_a, a)
    expected = []
    for k in range(2):
        g = np.linalg.inv(whole(a, k, sizes))
        expected.append(g @ whole(d_a, k, sizes) @ g)  # minus the tangent −G dA G
    assert_is(found, expected, sizes, bound(a, a, sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_gives_the_adjoint_of_the_inverse(seed: int, sizes: list[int]) -> None:
    a, g_bar = random_blocks(seed, sizes, dominant=2.5), random_blocks(seed + 1, sizes)
    found = congruence(Adjoint(a), g_bar, Adjoint(a))
    expected = []
    for k in range(2):
        g = np.linalg.inv(whole(a, k, sizes)).conj().T
        expected.append(g @ whole(g_bar, k, sizes) @ g)
    assert_is(found, expected, sizes, bound(Adjoint(a), Adjoint(a), sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_gives_the_source_cotangent_of_the_lesser_function(seed: int, sizes: list[int]) -> None:
    a, x_bar = random_blocks(seed, sizes, dominant=2.5), random_blocks(seed + 1, sizes)
    found = congruence(Adjoint(a), x_bar, a)
    expected = []
    for k in range(2):
        g = np.linalg.inv(whole(a, k, sizes))
        expected.append(g.conj().T @ whole(x_bar, k, sizes) @ g)
    assert_is(found, expected, sizes, bound(Adjoint(a), a, sizes))


def test_congruence_is_the_same_on_every_backend(backend: Backend) -> None:
    sizes = [2, 3, 2]
    a, q, b = (random_blocks(k, sizes, dominant=2.5 * (k != 1)) for k in range(3))
    expected, found = congruence(a, q, b), host(congruence(*backend((a, q, b))))
    for k in range(2):
        assert np.allclose(whole(found, k, sizes), whole(expected, k, sizes), rtol=0, atol=1e-13)


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_vjp_value_equals_the_congruence(seed: int, sizes: list[int]) -> None:
    a, q, b = (random_blocks(seed + k, sizes, dominant=2.5 * (k != 1)) for k in range(3))
    value, _ = selected_congruence_vjp(a, q, b)
    expected = [
        np.linalg.inv(whole(a, k, sizes)) @ whole(q, k, sizes) @ np.linalg.inv(whole(b, k, sizes)) for k in range(2)
    ]
    assert_is(value, expected, sizes, bound(a, b, sizes))


@given(seed=SEEDS, sizes=SIZES)
def test_congruence_pullback_is_the_adjoint_for_every_argument(seed: int, sizes: list[int]) -> None:
    a, q, b = (random_blocks(seed + k, sizes, dominant=2.5 * (k != 1)) for k in range(3))
    _assert_pullback(a, q, b, sizes, seed)


def test_congruence_pullback_is_the_adjoint_on_every_backend(backend: Backend) -> None:
    sizes = [2, 3, 1]
    a, q, b = (random_blocks(k, sizes, dominant=2.5 * (k != 1)) for k in range(3))
    _assert_pullback(a, q, b, sizes, 0, backend)


def _assert_pullback(
    a: Blocks, q: Blocks, b: Blocks, sizes: list[int], seed: int, backend: Backend | None = None
) -> None:
    d_a, d_q, d_b, x_bar = (random_blocks(seed + 10 + k, sizes) for k in range(4))
    if backend is None:
        _, pullback = selected_congruence_vjp(a, q, b)
        bars = pullback(x_bar)
    else:
        _, pullback = selected_congruence_vjp(*backend((a, q, b)))
        bars = host(pullback(backend(x_bar)))
    forward, backward, size = np.zeros(3), np.zeros(3), np.zeros(3)
    for k in range(2):
        inverse_a, inverse_b = (np.linalg.inv(whole(m, k, sizes)) for m in (a, b))
        x = inverse_a @ whole(q, k, sizes) @ inverse_b
        tangents = (
            -inverse_a @ whole(d_a, k, sizes) @ x,
            inverse_a @ whole(d_q, k, sizes) @ inverse_b,
            -x @ whole(d_b, k, sizes) @ inverse_b,
        )
        weight = whole(x_bar, k, sizes)
        for m, (tangent, bar, step) in enumerate(zip(tangents, bars, (d_a, d_q, d_b))):
            forward[m] += np.vdot(weight, on_pattern(tangent, sizes)).real
            backward[m] += np.vdot(whole(bar, k, sizes), whole(step, k, sizes)).real
            size[m] += np.linalg.norm(weight) * np.linalg.norm(tangent)
    assert np.all(np.abs(forward - backward) <= max(1e-10, bound(a, b, sizes)) * size)


@pytest.mark.parametrize("sizes", [[2], [2, 3, 1]])
def test_congruence_vjp_passes_the_public_check(sizes: list[int], backend: Backend) -> None:
    a, q, b = (random_blocks(k, sizes, dominant=4.0 * (k != 1)) for k in range(3))
    na.testing.check_vjp(congruence, selected_congruence_vjp, backend((a, q, b)), rtol=1e-10, step=0.02)


def test_congruence_of_a_hermitian_source_is_hermitian() -> None:
    sizes = [3, 2, 2]
    a, q = random_blocks(0, sizes, dominant=2.5), random_blocks(1, sizes)
    q = Blocks([x + adjoint(x) for x in q.diagonal_blocks], q.upper_blocks, [adjoint(x) for x in q.upper_blocks])
    x = whole(congruence(a, q, Adjoint(a)), 0, sizes)
    assert np.max(np.abs(x - x.conj().T)) <= 1e-13 * np.abs(x).max()


def test_congruence_leaves_its_arguments_alone() -> None:
    sizes = [2, 2]
    a, q = random_blocks(0, sizes, dominant=2.5), random_blocks(1, sizes)
    before = [x.copy() for x in (*a.diagonal_blocks, *q.diagonal_blocks)]
    congruence(a, q, a)
    assert all(np.array_equal(x, y) for x, y in zip(before, (*a.diagonal_blocks, *q.diagonal_blocks)))
