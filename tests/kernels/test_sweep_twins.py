"""The whole sweep's numba twin and what it works with equal their references: inverse by halves, sums of products."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_on_host import kernels_module

import negfadj as na
from negfadj.array import KERNELS, eps_of, structured
from negfadj.array.hopping import RealBlock, monomial_pattern
from negfadj.primitives import bond_current, reflection  # noqa: F401  (fills KERNELS)
from negfadj.primitives.whole_sweep import HoppingPencil, Source, SweepBlock

KINDS = ("gathered", "in order", "few entries", "real", "complex", "energy-dependent", "pencil")
SIZES = (4, 6, 5, 5, 7)


def complex_numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def hopping(rng: np.random.Generator, kind: str, n: int, m: int) -> object:
    """A hopping (1 or E, n, m) of a kind that the twin tells apart."""
    if kind == "complex":
        return complex_numbers(rng, 1, n, m)
    if kind == "energy-dependent":
        return complex_numbers(rng, 3, n, m)
    if kind == "pencil":
        return HoppingPencil(complex_numbers(rng, n, m), 0.1 * complex_numbers(rng, n, m))
    if kind == "real":
        return structured(rng.normal(size=(1, n, m)), None)
    block = np.zeros((n, m))
    if kind == "few entries":  # two in one row, two in one column
        for i, j in ((0, 1), (0, 2), (2, 2)):
            block[i, j] = rng.normal()
        return RealBlock.of(block[None])
    count = min(n, m) - 1
    rows, columns = (np.arange(count),) * 2 if kind == "in order" else (rng.permutation(n), rng.permutation(m))
    block[rows[:count], columns[:count]] = rng.normal(size=count)
    return structured(block[None], monomial_pattern(block))


def single(x: object) -> object:
    """The same in single precision."""
    if isinstance(x, np.ndarray):
        return x.astype(x.dtype.char.replace("d", "f").replace("D", "F"))
    if isinstance(x, RealBlock):
        return RealBlock.of(single(x.block))
    if isinstance(x, tuple):  # named ones too
        parts = (single(part) for part in x)
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    if hasattr(x, "by_row"):
        return type(x)(single(x.by_row), x.column_of_row, single(x.by_column), x.row_of_column)
    return x


def sweep_arguments(kind: str) -> tuple[object, ...]:
    """Blocks of several sizes, self-energies on two of them, an overlap on one, columns that start on two."""
    rng = np.random.default_rng(KINDS.index(kind))
    sizes = (6,) * 5 if kind == "in order" else SIZES
    blocks = []
    for i, n in enumerate(sizes):
        lower = upper = None
        if i > 0:
            lower, upper = hopping(rng, kind, n, sizes[i - 1]), hopping(rng, kind, sizes[i - 1], n)
        onsite = rng.normal(size=(n, n)) if i % 2 else complex_numbers(rng, n, n)
        sigma = complex_numbers(rng, 1 if i == 0 else 3, n, n) if i in (0, 4) else None
        overlap = np.eye(n) + 0.1 * rng.normal(size=(n, n)) if i == 2 else None
        blocks.append(SweepBlock(onsite, overlap, sigma, lower, upper))
    early = complex_numbers(rng, 3, sizes[0], 2)
    early[1, :, 1] = 0  # one open channel less at the second energy
    sources = (Source(0, early, 2), Source(2, complex_numbers(rng, 1, sizes[2], 2), 0))  # later, but first in w
    return np.array([8.0, 9.0, 10.0]) + 0.3j, tuple(blocks), sources


def both(name: str, *arguments: object) -> tuple[object, object]:
    with na.use_kernels("reference"):
        expected = KERNELS[name](*arguments)
    return KERNELS[name](*arguments), expected


def assert_close(found: np.ndarray, expected: np.ndarray, growth: float = 1e4) -> None:
    assert found.shape == expected.shape and found.dtype == expected.dtype
    if found.size:
        assert np.max(np.abs(found - expected)) <= growth * eps_of(expected) * max(1.0, np.abs(expected).max())


def test_whole_sweep_has_a_numba_twin() -> None:
    z = np.ones(1, complex)
    assert KERNELS["whole_sweep"].implementation(z) is not KERNELS["whole_sweep"].reference


@pytest.mark.parametrize("is_single", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_sweep_twin_equals_its_reference(kind: str, keep: bool, is_single: bool) -> None:
    z, blocks, sources = sweep_arguments(kind)
    if is_single:
        z, blocks, sources = single(z), tuple(single(b) for b in blocks), tuple(single(s) for s in sources)
    for given in ((), sources, sources[1:]):
        found, expected = both("whole_sweep", z, blocks, given, keep)
        assert len(found.factors) == len(expected.factors) == (len(blocks) if keep else 1)
        for x, y in zip(found.factors, expected.factors):
            assert_close(x, y)
        assert_close(found.growth, expected.growth)
        assert (found.w is None) == (expected.w is None) == (not given)
        assert (found.carried is None) == (expected.carried is None) == (not (given and keep))
        for x, y in zip((found.w, *(found.carried or ())), (expected.w, *(expected.carried or ()))):
            if given:
                assert_close(x, y)


def test_whole_sweep_twin_leaves_what_it_is_given() -> None:
    for kind in KINDS:
        z, blocks, sources = sweep_arguments(kind)
        before = [np.copy(x) for x in (z, *(b.onsite for b in blocks), *(s.columns for s in sources))]
        KERNELS["whole_sweep"](z, blocks, sources, True)
        after = (z, *(b.onsite for b in blocks), *(s.columns for s in sources))
        assert all(np.array_equal(x, y) for x, y in zip(before, after))


# Inverse by halves --------------------------------------------------------------------------------------------------

INVERTED = (1, 2, 15, 16, 23, 24, 25, 31, 32, 37, 48, 63, 64, 70)


def inverted(x: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """x⁻¹ by the kernel, and how many of the stack were halved and how many of them went the other way."""
    halved = kernels_module("halved_inverse")
    buffers, out = halved.inverse_buffers(x.shape[-1], x), x.copy()
    for k in range(len(x)):
        halved.invert(out[k], False, buffers)
    return out, buffers[5].tolist()


def assert_inverse(found: np.ndarray, x: np.ndarray, growth: float = 20.0) -> None:
    n, eps = x.shape[-1], eps_of(x)
    expected = np.linalg.inv(x.astype(complex))
    condition = np.linalg.cond(x.astype(complex)).max()
    assert np.max(np.abs(found - expected)) <= growth * n * eps * condition * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("n", INVERTED)
def test_inverse_by_halves_is_the_inverse(n: int, is_symmetric: bool, dtype: type) -> None:
    rng = np.random.default_rng(n)
    x = complex_numbers(rng, 3, n, n) / n**0.5 + 3j * np.eye(n)  # A₁₁ far from singular: nothing falls back
    x = ((x + x.swapaxes(1, 2)) / 2 if is_symmetric else x).astype(dtype)
    found, counts = inverted(x)
    assert found.dtype == dtype and counts == ([3, 0] if n >= 24 else [0, 0])
    assert_inverse(found, x)
    if is_symmetric and n >= 24:
        assert np.max(np.abs(found - found.swapaxes(1, 2))) <= 100 * eps_of(x) * np.abs(found).max()


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-9])
@pytest.mark.parametrize("n", [24, 33, 64])
def test_inverse_by_halves_with_a_singular_first_half_is_as_good_by_elimination(
    n: int, gap: float, is_symmetric: bool
) -> None:
    rng, h = np.random.default_rng(n), n // 2
    x = complex_numbers(rng, 1, n, n)
    x[:, :h, :h] = x[:, :h, : h - 1] @ complex_numbers(rng, 1, h - 1, h) / h**0.5  # of rank h − 1
    if is_symmetric:
        half = x[:, :h, : h - 1]
        x = (x + x.swapaxes(1, 2)) / 2
        x[:, :h, :h] = half @ half.swapaxes(1, 2) / h**0.5
    x[:, :h, :h] += gap * np.eye(h)
    found, counts = inverted(x)
    assert counts == [1, 1]
    assert_inverse(found, x)


@pytest.mark.parametrize("n", [1, 15, 24, 40])
def test_inverse_by_halves_of_a_singular_matrix_is_nan(n: int) -> None:
    x = np.zeros((3, n, n), complex)
    x[0], x[2] = np.eye(n), 2j * np.eye(n)
    found, _ = inverted(x)
    assert np.isnan(found[1]).all()
    assert np.array_equal(found[0], np.eye(n)) and np.array_equal(found[2], -0.5j * np.eye(n))


def test_inverse_by_halves_is_given_up_where_most_matrices_go_the_other_way() -> None:
    n, rng = 24, np.random.default_rng(0)
    x = complex_numbers(rng, 40, n, n)
    x[:, : n // 2, : n // 2] = 0
    found, counts = inverted(x)
    assert counts[0] == counts[1] < 10
    assert_inverse(found, x)


# Inverse by sweeps, energies side by side ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("n_energies", [7, 8, 33, 41])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 24, 25])
def test_inverse_by_sweeps_is_the_inverse(n: int, n_energies: int, dtype: type) -> None:
    rng, swept = np.random.default_rng(n), kernels_module("swept_inverse")
    x = complex_numbers(rng, n_energies, n, n) / n**0.5 + 3j * np.eye(n)
    x = ((x + x.swapaxes(1, 2)) / 2).astype(dtype)
    for symmetric in (False, True):
        found = x.copy()
        growth = np.full(n_energies, 1e-3, x.real.dtype)
        swept.invert_stack(found, symmetric, growth)
        assert np.allclose(growth, np.abs(found).max(axis=(1, 2)), rtol=1e-5)
        assert found.dtype == dtype
        assert_inverse(found, x)
    if n <= swept.SWEPT_UP_TO and n_energies >= swept.FEWEST:
        assert np.array_equal(found, found.swapaxes(1, 2))
        is_lost = np.ones(n_energies, bool)
        swept._swept_stack(x.copy(), swept.signs_of(n), is_lost, np.zeros(len(x), x.real.dtype))
        assert not is_lost.any()


@pytest.mark.parametrize("pivot", [0.0, 1e-13, 1e-8])
def test_inverse_by_sweeps_without_a_pivot_is_as_good_one_by_one(pivot: float) -> None:
    n, rng, swept = 6, np.random.default_rng(2), kernels_module("swept_inverse")
    x = complex_numbers(rng, 40, n, n)
    x = x + x.swapaxes(1, 2)
    x[3, 0, 0] = x[20, 0, 0] = pivot
    x[11, :2, :2] = [[1, 1], [1, 1 + pivot]]  # the second pivot
    is_lost = np.zeros(40, bool)
    swept._swept_stack(x.copy(), swept.signs_of(n), is_lost, np.zeros(len(x), x.real.dtype))
    assert np.flatnonzero(is_lost).tolist() == [3, 11, 20]
    found, growth = x.copy(), np.zeros(40)
    swept.invert_stack(found, True, growth)
    assert_inverse(found, x)
    assert np.allclose(growth, np.abs(found).max(axis=(1, 2)))


def test_inverse_by_sweeps_of_a_singular_matrix_is_nan_alone() -> None:
    swept = kernels_module("swept_inverse")
    x = np.array([2j * np.eye(5)] * 12)
    x[4] = 0
    x[7, 2, 2] = np.nan
    growth = np.zeros(12)
    swept.invert_stack(x, True, growth)
    assert np.all(growth[[4, 7]] == np.inf) and np.all(growth[[0, 11]] == 0.5)
    good = np.isin(np.arange(12), (4, 7), invert=True)
    assert np.isnan(x[4]).all() and np.isnan(x[7]).any() and np.allclose(x[good], -0.5j * np.eye(5))


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_max_norm_twin_equals_its_reference(dtype: type) -> None:
    x = complex_numbers(np.random.default_rng(5), 5, 4, 3).astype(dtype)
    x[1] = 0
    found, expected = both("max_norm", x)
    assert found.dtype == expected.dtype
    assert_close(found, expected)
    x[2, 1, 1], x[3, 0, 2], x[4, :, 0] = np.nan, np.inf, 1e-12
    found, expected = both("max_norm", x)
    assert np.isnan(found[2]) and found[3] == np.inf and np.array_equal(np.isnan(found), np.isnan(expected))
    assert both("max_norm", x[0])[0].shape == ()


# Sums of products, sampled products ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_sum_of_products_twin_equals_its_reference(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x, r = complex_numbers(rng, 4, 5, 6).astype(dtype), complex_numbers(rng, 4, 6, 3).astype(dtype)
    x[0, :, 4:], r[1, 2:], x[2], x[3, :, 0] = 0, 0, 0, 0  # closed channels, and one that is zero before an open one
    x[1, 0], r[3, :, 0] = 0, 0  # a row or a column of zeros closes none
    found, expected = both("sum_of_products", x, r, False)
    assert_close(found, expected, 100)
    found, _ = both("sum_of_products", x, r, True)
    assert found.dtype == dtype and np.all(found.imag == 0)
    assert np.max(np.abs(found.real - expected.real)) <= 100 * eps_of(x) * np.abs(expected).max()


def test_sum_of_products_of_no_columns_is_zero() -> None:
    x, r = np.zeros((2, 3, 4), complex), np.ones((2, 4, 5), complex)
    for real_part in (False, True):
        for left, right in ((x, r), (x[:, :, :0], r[:, :0])):
            assert np.array_equal(KERNELS["sum_of_products"](left, right, real_part), np.zeros((3, 5)))


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("is_onsite", [False, True])
def test_reflected_sums_twin_equals_its_reference(is_onsite: bool, dtype: type) -> None:
    rng = np.random.default_rng(4)
    x, above = complex_numbers(rng, 4, 5, 3).astype(dtype), complex_numbers(rng, 4, 6, 3).astype(dtype)
    weight = complex_numbers(rng, 4, 3, 3)
    weight = (weight + weight.swapaxes(1, 2)).astype(dtype)
    for stack in (x, above):
        stack[1, :, 2], stack[2] = 0, 0  # closed channels
    for beside in (None, above):
        for given, wanted in zip(*both("reflected_sums", x, weight, beside, is_onsite)):
            assert (given is None) == (wanted is None)
            if given is not None:
                assert given.dtype == wanted.dtype
                assert_close(given, wanted, 100)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_sampled_outer_twin_equals_its_reference(dtype: type) -> None:
    rng = np.random.default_rng(1)
    x, y = complex_numbers(rng, 3, 5, 4).astype(dtype), complex_numbers(rng, 3, 7, 4).astype(dtype)
    rows, columns = np.array([0, 4, 2, 2]), np.array([6, 0, 3, 5])
    found, expected = both("sampled_outer", x, y, rows, columns)
    assert_close(found, expected, 100)
    whole = x @ np.conj(y.swapaxes(1, 2))
    assert np.max(np.abs(found - whole[:, rows, columns])) <= 100 * eps_of(x) * np.abs(whole).max()


@pytest.mark.parametrize("side", ["columns", "rows"])
@pytest.mark.parametrize("kind", ["few entries", "real", "gathered"])
def test_solve_steps_leave_out_closed_channels_alone(kind: str, side: str) -> None:
    rng = np.random.default_rng(3)
    n, m = 5, 7
    g, other = complex_numbers(rng, 3, n, n), complex_numbers(rng, 3, m, 4)
    source, late = complex_numbers(rng, 3, n, 4), complex_numbers(rng, 3, n, 4)
    other[1, :, 2:], source[1, :, 2:] = 0, 0  # two channels open at the second energy, none at the third
    other[2], source[2], late[0, :, 0] = 0, 0, 0
    turned = (lambda x: np.ascontiguousarray(x.swapaxes(1, 2))) if side == "rows" else (lambda x: x)
    there, back = ((n, m), (m, n)) if side == "columns" else ((m, n), (n, m))
    for given in (source, late, None):
        given = None if given is None else turned(given)
        assert_close(*both(f"{side}_step", g, hopping(rng, kind, *there), turned(other), given))
    for given in (source, late):
        assert_close(*both(f"{side}_carry", g, hopping(rng, kind, *back), turned(given)))
