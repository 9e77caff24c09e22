"""LAPACK's solves and eigenproblems inside numba, for the leads: getrf, getrs and geev of SciPy's own LAPACK.

Every matrix here is stored by columns, as LAPACK has it: row j of the array is column j of the matrix.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import overload

from .lapack import external

_LAPACK = "scipy.linalg.cython_lapack"
_LETTERS = {types.float64: "d", types.complex128: "z", types.complex64: "c"}
_GETRF = {dtype: external(_LAPACK, f"{x}getrf", 6) for dtype, x in _LETTERS.items()}
_GETRS = {dtype: external(_LAPACK, f"{x}getrs", 9) for dtype, x in _LETTERS.items()}
_dgeev, _zgeev = external(_LAPACK, "dgeev", 14), external(_LAPACK, "zgeev", 14)
NOT, TRANSPOSED, VECTORS = (np.frombuffer(letter, dtype=np.uint8).copy() for letter in (b"N", b"T", b"V"))


def _getrf(n, a, pivots, info):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


def _getrs(transposed, n, n_right, a, pivots, right, info):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


def _geev(n, a, values, vectors, work, lwork, real_work, info):  # type: ignore[no-untyped-def]
    raise NotImplementedError  # compiled only


@overload(_getrf)
def _overload_getrf(n, a, pivots, info):  # type: ignore[no-untyped-def]
    function = _GETRF[a.dtype]

    def call(n, a, pivots, info):  # type: ignore[no-untyped-def]
        function(n.ctypes, n.ctypes, a.ctypes, n.ctypes, pivots.ctypes, info.ctypes)

    return call


@overload(_getrs)
def _overload_getrs(transposed, n, n_right, a, pivots, right, info):  # type: ignore[no-untyped-def]
    function = _GETRS[a.dtype]

    def call(transposed, n, n_right, a, pivots, right, info):  # type: ignore[no-untyped-def]
        function(
            transposed.ctypes, n.ctypes, n_right.ctypes, a.ctypes, n.ctypes, pivots.ctypes, right.ctypes, n.ctypes,
            info.ctypes,
        )  # fmt: skip

    return call


@overload(_geev)
def _overload_geev(n, a, values, vectors, work, lwork, real_work, info):  # type: ignore[no-untyped-def]
    """`values` and `vectors` are complex; for a real matrix LAPACK's pairs of real vectors are put together."""
    if a.dtype == types.complex128:

        def call(n, a, values, vectors, work, lwork, real_work, info):  # type: ignore[no-untyped-def]
            _zgeev(
                NOT.ctypes, VECTORS.ctypes, n.ctypes, a.ctypes, n.ctypes, values.ctypes, vectors.ctypes, n.ctypes,
                vectors.ctypes, n.ctypes, work.ctypes, lwork.ctypes, real_work.ctypes, info.ctypes,
            )  # fmt: skip

        return call

    def call_real(n, a, values, vectors, work, lwork, real_work, info):  # type: ignore[no-untyped-def]
        size = n[0]
        real, imaginary = real_work[:size], real_work[size : 2 * size]
        parts = np.empty((size, size), a.dtype)
        _dgeev(
            NOT.ctypes, VECTORS.ctypes, n.ctypes, a.ctypes, n.ctypes, real.ctypes, imaginary.ctypes, parts.ctypes,
            n.ctypes, parts.ctypes, n.ctypes, work.ctypes, lwork.ctypes, info.ctypes,
        )  # fmt: skip
        for i in range(size):
            values[i] = real[i] + 1j * imaginary[i]
            if imaginary[i] == 0.0:
                for j in range(size):
                    vectors[i, j] = parts[i, j]
            elif imaginary[i] > 0.0:  # the next one is its conjugate
                for j in range(size):
                    vectors[i, j] = parts[i, j] + 1j * parts[i + 1, j]
                    vectors[i + 1, j] = parts[i, j] - 1j * parts[i + 1, j]

    return call_real


@njit(cache=True, nogil=True)
def factorise(matrix, size, pivots, info):  # type: ignore[no-untyped-def]
    """LU in place of `matrix`; False when it is singular. `size`, `info` are int32 arrays of one entry."""
    _getrf(size, matrix, pivots, info)
    return info[0] == 0


@njit(cache=True, nogil=True)
def solve_factorised(transposed, matrix, size, pivots, n_right, right, info):  # type: ignore[no-untyped-def]
    """Replace `right` by the solution with the factorised matrix, or with its transpose."""
    if transposed:
        _getrs(TRANSPOSED, size, n_right, matrix, pivots, right, info)
    else:
        _getrs(NOT, size, n_right, matrix, pivots, right, info)


@njit(cache=True, nogil=True)
def eigenvectors(matrix, size, values, vectors, work, lwork, real_work, info):  # type: ignore[no-untyped-def]
    """Eigenvalues and right eigenvectors (row i is vector i, of length one); destroys `matrix`; False on failure."""
    _geev(size, matrix, values, vectors, work, lwork, real_work, info)
    return info[0] == 0
