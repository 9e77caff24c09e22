"""Re Σ_E X M Xᵀ on the blocks of one layer, and tr X M Xᵀ of every energy, without a stack of either.

Rows of a complex matrix are pairs of real numbers, so that Re X Ȳ† is a real product of twice the width, added up in
place: with Y = (X M)* nothing is packed. Columns that are zero from some place on are left out.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blas import multiply, open_columns, product_buffers
from .halved_inverse import PLAIN, TRANSPOSED


@njit(cache=True, nogil=True)
def _weighted(x, weight, y, products):  # type: ignore[no-untyped-def]
    """y = (X M)* of one energy; tr X M Xᵀ, and the columns that count."""
    width = open_columns(x)
    multiply(x[:, :width], weight[:width, :width], y[:, :width], 1.0, 0.0, PLAIN, PLAIN, products)
    total = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(width):
            total += x[i, j] * y[i, j]
            y[i, j] = np.conj(y[i, j])
    return total, width


@njit(cache=True, nogil=True)
def _blocks(x, x_parts, weight, above_parts, y, y_parts, here, beside, traces):  # type: ignore[no-untyped-def]
    """`_parts` are the same numbers as real ones; `above_parts` of no size leaves `beside` alone."""
    products, real_products = product_buffers(x), product_buffers(x_parts)
    for k in range(x.shape[0]):
        traces[k], width = _weighted(x[k], weight[k], y, products)
        left, right = x_parts[k, :, : 2 * width], y_parts[:, : 2 * width]
        if width > 0:
            multiply(left, right, here, 1.0, 1.0, PLAIN, TRANSPOSED, real_products)
            if above_parts.size > 0:
                multiply(right, above_parts[k, :, : 2 * width], beside, 1.0, 1.0, PLAIN, TRANSPOSED, real_products)


@njit(cache=True, nogil=True)
def _diagonals(x, weight, y, here, traces):  # type: ignore[no-untyped-def]
    products = product_buffers(x)
    for k in range(x.shape[0]):
        traces[k], width = _weighted(x[k], weight[k], y, products)
        for i in range(x.shape[1]):
            for j in range(width):
                here[i] += x[k, i, j].real * y[i, j].real + x[k, i, j].imag * y[i, j].imag


def reflected_sums(
    x: np.ndarray, weight: np.ndarray, above: np.ndarray | None, is_onsite: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The twin of `negfadj.primitives.reflection`'s sums."""
    x, weight = np.ascontiguousarray(x), np.ascontiguousarray(weight)
    real, n = x.real.dtype, x.shape[1]
    y, traces = np.empty(x.shape[1:], x.dtype), np.empty(x.shape[:1], x.dtype)
    if is_onsite:
        here = np.zeros(n, real)
        _diagonals(x, weight, y, here, traces)
        return here, None, traces
    there = np.empty((0, 0, 0), x.dtype) if above is None else np.ascontiguousarray(above)
    here, beside = np.zeros((n, n), real), np.zeros((n, there.shape[1]), real)
    _blocks(x, x.view(real), weight, there.view(real), y, y.view(real), here, beside, traces)
    return here, None if above is None else beside, traces
