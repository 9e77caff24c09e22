"""Decimation of a lead, one energy after the other: each takes the passes it needs, and its matrices stay in cache."""

from __future__ import annotations

import numpy as np
from numba import njit

from .lapack import inverse_buffers, invert


@njit(cache=True, nogil=True)
def _decimation(a00, a01, a10, right, left, eps, most):  # type: ignore[no-untyped-def]
    """α and β side by side, so that one pass is an inverse and two products: [α; β] g, and that by [α β]."""
    n = a00.shape[-1]
    bulk, g = np.empty_like(right[0]), np.empty_like(right[0])
    beside, above = np.empty((n, 2 * n), right.dtype), np.empty((2 * n, n), right.dtype)
    above_g, products = np.empty((2 * n, n), right.dtype), np.empty((2 * n, 2 * n), right.dtype)
    sizes, pivots, work = inverse_buffers(bulk)
    for k in range(a00.shape[0]):
        bulk[:] = a00[k]
        above[:n], above[n:] = a01[k % a01.shape[0]], a10[k % a10.shape[0]]
        tolerance = eps**0.5 * np.abs(bulk).max() / 64  # the next change is about the square of this one
        for _ in range(most):
            beside[:, :n], beside[:, n:] = above[:n], above[n:]
            g[:] = bulk
            invert(g, sizes, pivots, work)
            np.dot(above, g, above_g)
            np.dot(above_g, beside, products)
            change = 0.0
            for i in range(n):
                for j in range(n):
                    there_and_back = products[i, n + j]
                    right[k, i, j] += there_and_back
                    left[k, i, j] += products[n + i, j]
                    bulk[i, j] -= there_and_back + products[n + i, j]
                    above[i, j], above[n + i, j] = products[i, j], products[n + i, n + j]
                    change = max(change, abs(there_and_back.real) + abs(there_and_back.imag))
            if not change > tolerance:
                break


def decimation(
    a00: np.ndarray, a01: np.ndarray, a10: np.ndarray, eps: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The twin of `negfadj.primitives.decimation`: what the cells beyond, and before, put on a cell; (E, n, n) each."""
    a00, a01, a10 = (np.ascontiguousarray(x.astype(a00.dtype, copy=False)) for x in (a00, a01, a10))
    right, left = np.zeros_like(a00), np.zeros_like(a00)
    _decimation(a00, a01, a10, right, left, eps, most)
    return right, left
