"""Σ_E X R as one product, of the columns that are not zero alone; of its real part as one real product, half the work.

    Re Σ_E X R = [Re X, −Im X] [Re R; Im R]
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blas import multiply, open_columns, product_buffers
from .halved_inverse import PLAIN


@njit(cache=True, nogil=True)
def _packed_real(x, r):  # type: ignore[no-untyped-def]
    """The two real factors, inner dimension twice the number of columns."""
    n_energies, n, m = x.shape[0], x.shape[1], r.shape[2]
    widths = np.empty(n_energies, np.int64)
    for k in range(n_energies):
        widths[k] = min(open_columns(x[k]), open_columns(r[k].T))
    total = 2 * np.sum(widths)
    left, right = np.empty((n, total), x.real.dtype), np.empty((total, m), x.real.dtype)
    at = 0
    for k in range(n_energies):
        width = widths[k]
        for i in range(n):
            for j in range(width):
                left[i, at + j], left[i, at + width + j] = x[k, i, j].real, -x[k, i, j].imag
        for i in range(width):
            for j in range(m):
                right[at + i, j], right[at + width + i, j] = r[k, i, j].real, r[k, i, j].imag
        at += 2 * width
    return left, right


@njit(cache=True, nogil=True)
def _packed(x, r):  # type: ignore[no-untyped-def]
    n_energies, n, m = x.shape[0], x.shape[1], r.shape[2]
    widths = np.empty(n_energies, np.int64)
    for k in range(n_energies):
        widths[k] = min(open_columns(x[k]), open_columns(r[k].T))
    total = np.sum(widths)
    left, right = np.empty((n, total), x.dtype), np.empty((total, m), x.dtype)
    at = 0
    for k in range(n_energies):
        width = widths[k]
        left[:, at : at + width], right[at : at + width] = x[k, :, :width], r[k, :width]
        at += width
    return left, right


@njit(cache=True, nogil=True)
def _multiplied(factors):  # type: ignore[no-untyped-def]
    left, right = factors
    out = np.zeros((left.shape[0], right.shape[1]), left.dtype)
    if left.shape[1] > 0:
        multiply(left, right, out, 1.0, 0.0, PLAIN, PLAIN, product_buffers(left))
    return out


def sum_of_products(x: np.ndarray, r: np.ndarray, real_part: bool) -> np.ndarray:
    """The twin of `negfadj.array.sum_of_products` for (E, n, r) and (E, r, m)."""
    x, r = np.ascontiguousarray(x), np.ascontiguousarray(r)
    return _multiplied(_packed_real(x, r) if real_part else _packed(x, r)).astype(x.dtype, copy=False)
