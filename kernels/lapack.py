"""LAPACK's inverse inside numba: getrf and getri of SciPy's own LAPACK, called with buffers that are reused.

numba's `np.linalg.inv` copies, asks for its workspace and allocates at every call, which doubles the time of a small
inverse. The symbols are registered by name, so that compiled functions can be cached on disk.
"""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
from numba import njit, types
from numba.extending import get_cython_function_address, overload


def external(library: str, name: str, n_arguments: int) -> types.ExternalFunction:
    """A routine of SciPy's BLAS or LAPACK as a function that compiled code can call."""
    symbol = f"negfadj_{name}"
    llvm.add_symbol(symbol, get_cython_function_address(library, name))
    return types.ExternalFunction(symbol, types.void(*([types.voidptr] * n_arguments)))


_LETTERS = {types.float64: "d", types.float32: "s", types.complex128: "z", types.complex64: "c"}
_GETRF = {dtype: external("scipy.linalg.cython_lapack", f"{x}getrf", 6) for dtype, x in _LETTERS.items()}
_GETRI = {dtype: external("scipy.linalg.cython_lapack", f"{x}getri", 7) for dtype, x in _LETTERS.items()}


def _getrf(n, a, pivots, info):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


def _getri(n, a, pivots, work, lwork, info):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


@overload(_getrf)
def _overload_getrf(n, a, pivots, info):  # type: ignore[no-untyped-def]
    function = _GETRF[a.dtype]

    def call(n, a, pivots, info):  # type: ignore[no-untyped-def]
        function(n.ctypes, n.ctypes, a.ctypes, n.ctypes, pivots.ctypes, info.ctypes)

    return call


@overload(_getri)
def _overload_getri(n, a, pivots, work, lwork, info):  # type: ignore[no-untyped-def]
    function = _GETRI[a.dtype]

    def call(n, a, pivots, work, lwork, info):  # type: ignore[no-untyped-def]
        function(n.ctypes, a.ctypes, n.ctypes, pivots.ctypes, work.ctypes, lwork.ctypes, info.ctypes)

    return call


@njit(cache=True, nogil=True)
def inverse_buffers(a):  # type: ignore[no-untyped-def]
    """(sizes, pivots, work) for `invert` on matrices like `a` (n, n)."""
    n = a.shape[0]
    return np.array([n, 64 * n, 0], dtype=np.int32), np.empty(n, dtype=np.int32), np.empty(64 * n, dtype=a.dtype)


@njit(cache=True, nogil=True)
def invert(a, sizes, pivots, work):  # type: ignore[no-untyped-def]
    """Replace the contiguous matrix `a` by its inverse; by NaN when it is singular.

    Row-major data are LAPACK's transpose, and the inverse of the transpose is the transpose of the inverse.
    """
    n, lwork, info = sizes[0:1], sizes[1:2], sizes[2:3]
    _getrf(n, a, pivots, info)
    if info[0] == 0:
        _getri(n, a, pivots, work, lwork, info)
    if info[0] != 0:
        a *= np.nan  # real and imaginary parts
