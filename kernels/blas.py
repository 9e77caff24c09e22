"""BLAS's matrix product inside numba with everything it can do: transposes, C += A B, and parts of larger matrices.

numba's `np.dot` overwrites its output and wants whole contiguous matrices. Symbols as in `lapack`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from .lapack import external

_GEMM = {
    types.float64: external("scipy.linalg.cython_blas", "dgemm", 13),
    types.float32: external("scipy.linalg.cython_blas", "sgemm", 13),
    types.complex128: external("scipy.linalg.cython_blas", "zgemm", 13),
    types.complex64: external("scipy.linalg.cython_blas", "cgemm", 13),
}


def _gemm(flags, numbers, a, b, scalars, c):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


@overload(_gemm)
def _overload_gemm(flags, numbers, a, b, scalars, c):  # type: ignore[no-untyped-def]
    function = _GEMM[a.dtype]

    def call(flags, numbers, a, b, scalars, c):  # type: ignore[no-untyped-def]
        function(
            flags[1:].ctypes,
            flags[0:].ctypes,
            numbers[0:].ctypes,
            numbers[1:].ctypes,
            numbers[2:].ctypes,
            scalars[0:].ctypes,
            b.ctypes,
            numbers[3:].ctypes,
            a.ctypes,
            numbers[4:].ctypes,
            scalars[1:].ctypes,
            c.ctypes,
            numbers[5:].ctypes,
        )

    return call


@njit(cache=True, nogil=True)
def product_buffers(like):  # type: ignore[no-untyped-def]
    """(flags, numbers, scalars) for `multiply` on matrices of the dtype of `like`."""
    return np.empty(2, np.uint8), np.empty(6, np.int32), np.empty(2, like.dtype)


@njit(cache=True, nogil=True)
def multiply(a, b, c, alpha, beta, left, right, buffers):  # type: ignore[no-untyped-def]
    """C = α op(A) op(B) + β C for matrices whose rows are contiguous; op is "N", "T" or "C" (dagger), as ord("N").

    Row-major data are BLAS's transposes: Cᵀ = op(B)ᵀ op(A)ᵀ.
    """
    flags, numbers, scalars = buffers
    size = a.itemsize
    flags[0], flags[1] = left, right
    numbers[0], numbers[1] = c.shape[1], c.shape[0]
    numbers[2] = a.shape[1] if left == 78 else a.shape[0]  # 78: "N"
    numbers[3], numbers[4], numbers[5] = b.strides[0] // size, a.strides[0] // size, c.strides[0] // size
    scalars[0], scalars[1] = alpha, beta
    if numbers[0] > 0 and numbers[1] > 0:
        _gemm(flags, numbers, a, b, scalars, c)


@njit(cache=True, nogil=True)
def open_columns(x):  # type: ignore[no-untyped-def]
    """Columns up to the last that is not zero: those past it are an energy's closed channels."""
    for width in range(x.shape[1], 0, -1):
        for i in range(x.shape[0]):
            if x[i, width - 1] != 0:
                return width
    return 0
