"""One step of block elimination, g' = (D − L g U)⁻¹ and w' = −L g w, energy after energy with the products in cache.

Three twins for three kinds of hopping: one entry a row and column (gathered), real (half the work), complex.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .lapack import inverse_buffers, invert


@njit(cache=True, nogil=True)
def _carry(transfer, w, carried, w_out):  # type: ignore[no-untyped-def]
    """w' from L g in `transfer`."""
    if w.shape[1] > 0:
        np.dot(transfer, w, carried)
        w_out[:] = -carried


@njit(cache=True, nogil=True)
def _dense(diagonal, lower, g, upper, w, g_out, w_out):  # type: ignore[no-untyped-def]
    n, m = lower.shape[1], lower.shape[2]
    transfer, product = np.empty((n, m), g.dtype), np.empty((n, n), g.dtype)
    carried = np.empty((n, w.shape[2]), g.dtype)
    sizes, pivots, work = inverse_buffers(g_out[0])
    for k in range(g.shape[0]):
        np.dot(lower[k % lower.shape[0]], g[k], transfer)
        np.dot(transfer, upper[k % upper.shape[0]], product)
        g_out[k] = diagonal[k] - product
        _carry(transfer, w[k % w.shape[0]], carried, w_out[k])
        invert(g_out[k], sizes, pivots, work)


@njit(cache=True, nogil=True)
def _real(diagonal, lower, g_parts, upper, w, g_out, w_out):  # type: ignore[no-untyped-def]
    """`g_parts` (E, m, 2m) are the real and imaginary parts of g side by side in every entry."""
    n, m = lower.shape
    parts = np.empty((n, 2 * m), lower.dtype)
    stacked, folded = np.empty((2 * n, m), lower.dtype), np.empty((2 * n, n), lower.dtype)
    transfer, carried = np.empty((n, m), g_out.dtype), np.empty((n, w.shape[2]), g_out.dtype)
    sizes, pivots, work = inverse_buffers(g_out[0])
    for k in range(g_parts.shape[0]):
        np.dot(lower, g_parts[k], parts)
        for i in range(n):
            for j in range(m):
                re, im = parts[i, 2 * j], parts[i, 2 * j + 1]
                stacked[i, j], stacked[n + i, j] = re, im
                transfer[i, j] = re + 1j * im
        np.dot(stacked, upper, folded)
        for i in range(n):
            for j in range(n):
                g_out[k, i, j] = diagonal[k, i, j] - (folded[i, j] + 1j * folded[n + i, j])
        _carry(transfer, w[k % w.shape[0]], carried, w_out[k])
        invert(g_out[k], sizes, pivots, work)


@njit(cache=True, nogil=True)
def _monomial(diagonal, by_row, column_of_row, g, by_column, row_of_column, w, g_out, w_out):  # type: ignore[no-untyped-def]
    n, m = diagonal.shape[-1], g.shape[-1]
    transfer, carried = np.empty((n, m), g.dtype), np.empty((n, w.shape[2]), g.dtype)
    sizes, pivots, work = inverse_buffers(g_out[0])
    for k in range(g.shape[0]):
        left, right = by_row[k % by_row.shape[0]], by_column[k % by_column.shape[0]]
        for i in range(n):
            for j in range(m):
                transfer[i, j] = left[i] * g[k, column_of_row[i], j]
        for i in range(n):
            for j in range(n):
                g_out[k, i, j] = diagonal[k, i, j] - transfer[i, row_of_column[j]] * right[j]
        _carry(transfer, w[k % w.shape[0]], carried, w_out[k])
        invert(g_out[k], sizes, pivots, work)


def eliminate(g: np.ndarray, diagonal: np.ndarray, lower: Any, upper: Any, w: np.ndarray | None) -> tuple[Any, Any]:
    """The twin of `negfadj.primitives.left_connected`'s step: (g' (E, n, n), w' (E, n, r) or None)."""
    n_energies, n = g.shape[0], diagonal.shape[-1]
    carried = np.empty((1, g.shape[-1], 0), dtype=g.dtype) if w is None else _contiguous(w)
    g, diagonal = _contiguous(g), _contiguous(diagonal)
    g_out = np.empty((n_energies, n, n), dtype=g.dtype)
    w_out = np.empty((n_energies, n, carried.shape[-1]), dtype=g.dtype)
    if hasattr(lower, "by_row"):
        columns = np.arange(n) if lower.column_of_row is None else lower.column_of_row
        rows = np.arange(n) if upper.row_of_column is None else upper.row_of_column
        left, right = (_contiguous(x.astype(g.dtype, copy=False)) for x in (lower.by_row, upper.by_column))
        _monomial(diagonal, left, columns, g, right, rows, carried, g_out, w_out)
    elif hasattr(lower, "block"):
        g_parts = g.view(lower.block.dtype)
        _real(diagonal, _contiguous(lower.block[0]), g_parts, _contiguous(upper.block[0]), carried, g_out, w_out)
    else:
        lower, upper = (_contiguous(x.astype(g.dtype, copy=False)) for x in (lower, upper))
        _dense(diagonal, lower, g, upper, carried, g_out, w_out)
    return g_out, None if w is None else w_out


def _contiguous(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x)
