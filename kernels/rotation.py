"""L X R for a stack of complex X, real L and real R, energy after energy: two real products instead of complex ones."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _rotated(left, x, right, out):  # type: ignore[no-untyped-def]
    n_energies, n, m = x.shape
    above, above_right = np.empty((2 * n, m), left.dtype), np.empty((2 * n, right.shape[1]), left.dtype)
    rows, columns = left.shape[0], right.shape[1]
    beside, found = np.empty((n, 2 * columns), left.dtype), np.empty((rows, 2 * columns), left.dtype)
    for k in range(n_energies):
        for i in range(n):
            for j in range(m):
                above[i, j], above[n + i, j] = x[k, i, j].real, x[k, i, j].imag
        np.dot(above, right, above_right)
        for i in range(n):
            for j in range(columns):
                beside[i, j], beside[i, columns + j] = above_right[i, j], above_right[n + i, j]
        np.dot(left, beside, found)
        for i in range(rows):
            for j in range(columns):
                out[k, i, j] = found[i, j] + 1j * found[i, columns + j]


def rotated(x: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The twin of `negfadj.primitives.chains`: L X R, (E, n, n)."""
    if left.dtype.kind == "c" or right.dtype.kind == "c":
        found: np.ndarray = left @ x @ right
        return found
    out = np.empty((x.shape[0], left.shape[0], right.shape[1]), x.dtype)
    left, x, right = (np.ascontiguousarray(y) for y in (left, x, right))
    _rotated(left, x, right, out)
    return out
