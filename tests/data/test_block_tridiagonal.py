"""BlockTridiagonal: what it holds, how it is made, what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from backends import STRICT, Backend, host
from cases import hermitian, random_array
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


def _dense(seed: int, sizes: list[int], is_hermitian: bool = True, is_complex: bool = True) -> np.ndarray:
    x = random_array(np.random.default_rng(seed), sum(sizes), sum(sizes), is_complex=is_complex)
    block_of = np.repeat(np.arange(len(sizes)), sizes)
    x = x * (np.abs(block_of[:, None] - block_of[None, :]) <= 1)
    return hermitian(x) if is_hermitian else x


@given(seed=st.integers(0, 2**31), sizes=SIZES, is_hermitian=st.booleans(), is_complex=st.booleans())
def test_from_dense_and_back_is_the_same(seed: int, sizes: list[int], is_hermitian: bool, is_complex: bool) -> None:
    dense = _dense(seed, sizes, is_hermitian, is_complex)
    made = na.BlockTridiagonal.from_dense(dense, sizes, hermitian=is_hermitian)
    assert np.array_equal(made.to_dense(), dense)
    assert made.block_sizes == tuple(sizes) and made.is_hermitian == is_hermitian


@given(seed=st.integers(0, 2**31), sizes=SIZES, is_hermitian=st.booleans())
def test_from_sparse_equals_from_dense(seed: int, sizes: list[int], is_hermitian: bool) -> None:
    dense = _dense(seed, sizes, is_hermitian)
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array):
        made = na.BlockTridiagonal.from_sparse(kind(dense), sizes, hermitian=is_hermitian)
        assert np.array_equal(made.to_dense(), dense)


def test_to_dense_is_the_same_on_every_backend(backend: Backend) -> None:
    made = na.BlockTridiagonal.from_dense(_dense(0, [2, 3, 1]), [2, 3, 1])
    assert np.array_equal(host(backend(made).to_dense()), made.to_dense())


def test_from_dense_works_on_every_backend(backend: Backend) -> None:
    dense = _dense(0, [2, 3, 1])
    made = na.BlockTridiagonal.from_dense(backend.convert(dense), [2, 3, 1])
    assert np.array_equal(host(made.to_dense()), dense)


def test_offsets_and_counts_are_those_of_the_blocks() -> None:
    made = na.BlockTridiagonal.from_dense(_dense(0, [2, 3, 1]), [2, 3, 1])
    assert (made.offsets, made.n_orbitals, made.n_blocks) == ((0, 2, 5, 6), 6, 3)


def test_a_stack_of_equal_blocks_is_taken_apart() -> None:
    diagonal = hermitian(random_array(np.random.default_rng(0), 3, 2, 2))
    upper = random_array(np.random.default_rng(1), 2, 2, 2)
    made = na.BlockTridiagonal(diagonal, upper)
    assert made.n_blocks == 3 and np.array_equal(made.upper[1], upper[1])


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, bool])
def test_integer_blocks_become_float64(dtype: Any) -> None:
    made = na.BlockTridiagonal([np.eye(2, dtype=dtype)], [])
    assert made.diagonal[0].dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_floating_blocks_keep_their_dtype(dtype: Any) -> None:
    assert na.BlockTridiagonal([np.eye(2, dtype=dtype)], []).diagonal[0].dtype == dtype


def test_a_block_tridiagonal_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        na.BlockTridiagonal([np.eye(2)], []).diagonal = ()  # type: ignore[misc]


def test_making_a_block_tridiagonal_leaves_its_blocks_alone() -> None:
    block = np.array([[1, 2], [2, 1]])
    na.BlockTridiagonal([block], [])
    assert block.dtype == np.int64 and block.tolist() == [[1, 2], [2, 1]]


def _nan(shape: tuple[int, int], value: float = np.nan) -> np.ndarray:
    x = np.zeros(shape)
    x[-1, 0] = value
    return x


E2, E3 = np.eye(2), np.eye(3)
BAD = [
    (
        "upper of the wrong shape",
        lambda: ([E2, E3], [np.ones((3, 2))]),
        na.ShapeError,
        r"upper\[0\].*\(3, 2\).*\(2, 3\).*order",
    ),
    ("too few upper", lambda: ([E2, E3], []), na.ShapeError, "2 diagonal blocks need 1 upper blocks, not 0"),
    ("no blocks", lambda: ([], []), na.ShapeError, "empty"),
    ("not square", lambda: ([np.ones((2, 3))], []), na.ShapeError, r"diagonal\[0\] has shape \(2, 3\)"),
    ("an empty block", lambda: ([np.ones((0, 0))], []), na.ShapeError, r"diagonal\[0\] has shape \(0, 0\)"),
    ("a vector", lambda: ([np.ones(3)], []), na.ShapeError, r"diagonal\[0\] has shape \(3,\)"),
    ("NaN", lambda: ([_nan((2, 2))], []), na.InputError, r"diagonal\[0\]\[1, 0\] is nan.*finite"),
    ("infinite", lambda: ([E2, E2], [_nan((2, 2), np.inf)]), na.InputError, r"upper\[0\]\[1, 0\] is inf.*finite"),
    (
        "not Hermitian",
        lambda: ([np.array([[0, 1j], [1j, 0]])], []),
        na.HermiticityError,
        r"diagonal\[0\] is not Hermitian.*\[0, 1\] = 1j.*lower",
    ),
    (
        "not symmetric",
        lambda: ([E2, np.array([[0.0, 1.0], [2.0, 0.0]])], [E2]),
        na.HermiticityError,
        r"diagonal\[1\].*1\.0.*2\.0",
    ),
    ("strings", lambda: ([np.array([["a"]])], []), na.InputTypeError, r"diagonal\[0\]"),
    ("objects", lambda: ([np.array([[None]])], []), na.InputTypeError, r"diagonal\[0\]"),
    ("half precision", lambda: ([np.eye(2, dtype=np.float16)], []), na.InputTypeError, "float16.*float32"),
    ("a matrix for a list", lambda: (np.eye(4), []), na.InputTypeError, "diagonal.*list of blocks"),
    ("a dictionary", lambda: ({0: E2}, []), na.InputTypeError, "dict"),
]


@pytest.mark.parametrize(("make", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_bad_blocks_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}") as caught:
        na.BlockTridiagonal(*make())
    assert isinstance(caught.value, na.InputError)


def test_lower_blocks_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(na.ShapeError, match=r"lower\[0\] has shape \(2, 3\) but must be \(3, 2\)"):
        na.BlockTridiagonal([E2, E3], [np.ones((2, 3))], [np.ones((2, 3))])


def test_a_non_hermitian_matrix_is_taken_with_lower_blocks() -> None:
    made = na.BlockTridiagonal([np.array([[0, 1.0], [2.0, 0]])] * 2, [E2], [3 * E2])
    assert not made.is_hermitian and np.array_equal(made.lower_block(0), 3 * E2)


def test_mixed_array_libraries_are_refused() -> None:
    with pytest.raises(na.InputTypeError, match=r"different libraries are mixed.*convert"):
        na.BlockTridiagonal([np.eye(2), STRICT.convert(np.eye(2))], [STRICT.convert(np.eye(2))])


def test_mixed_devices_are_refused() -> None:
    import array_api_strict as xp

    here, there = (xp.eye(2, device=xp.Device(name)) for name in ("CPU_DEVICE", "device1"))
    with pytest.raises(na.InputTypeError, match=r"devices are mixed|different"):
        na.BlockTridiagonal([here, there], [here])


def test_from_dense_names_an_entry_outside_the_blocks() -> None:
    dense = _dense(0, [2, 2, 2])
    dense[0, 5] = dense[5, 0] = 0.25
    with pytest.raises(na.InputError, match=r"(?s)\[0, 5\] = .*0\.25.*blocks 0 and 2.*larger blocks"):
        na.BlockTridiagonal.from_dense(dense, [2, 2, 2])


def test_from_sparse_names_an_entry_outside_the_blocks() -> None:
    dense = _dense(0, [2, 2, 2])
    dense[0, 5] = dense[5, 0] = 0.25
    with pytest.raises(na.InputError, match=r"(?s)\[\d, \d\] = .*0\.25.*larger blocks"):
        na.BlockTridiagonal.from_sparse(scipy.sparse.csr_array(dense), [2, 2, 2])


@pytest.mark.parametrize("sizes", [[2, 2], [3, 4], [0, 6], [-1, 7], []])
def test_block_sizes_that_do_not_add_up_are_refused(sizes: list[int]) -> None:
    with pytest.raises(na.ShapeError, match=r"block_sizes.*6 rows"):
        na.BlockTridiagonal.from_dense(np.eye(6), sizes)
    with pytest.raises(na.ShapeError, match=r"block_sizes.*6 rows"):
        na.BlockTridiagonal.from_sparse(scipy.sparse.eye_array(6).tocsr(), sizes)


@pytest.mark.parametrize("make", [na.BlockTridiagonal.from_dense, na.BlockTridiagonal.from_sparse])
def test_a_whole_matrix_that_is_not_hermitian_is_refused(make: Any) -> None:
    dense = np.zeros((4, 4))
    dense[0, 2] = 1.0
    given = dense if make == na.BlockTridiagonal.from_dense else scipy.sparse.csr_array(dense)
    with pytest.raises(na.HermiticityError, match=r"\[(0, 2|2, 0)\]"):
        make(given, [2, 2])


def test_from_dense_refuses_nan_where_no_block_is() -> None:
    dense = np.zeros((3, 3))
    dense[0, 2] = dense[2, 0] = np.nan
    with pytest.raises(na.InputError, match="nan"):
        na.BlockTridiagonal.from_dense(dense, [1, 1, 1])


def test_from_sparse_refuses_a_dense_matrix() -> None:
    with pytest.raises(na.InputTypeError, match="SciPy sparse"):
        na.BlockTridiagonal.from_sparse(np.eye(4), [2, 2])


def test_from_sparse_refuses_nan() -> None:
    dense = np.eye(4)
    dense[1, 1] = np.nan
    with pytest.raises(na.InputError, match="nan"):
        na.BlockTridiagonal.from_sparse(scipy.sparse.csr_array(dense), [2, 2])
