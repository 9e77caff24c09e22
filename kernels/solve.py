"""Steps of block solves for structured hoppings, energy after energy: no temporaries of a whole stack.

    columns   X' = g (w − U X)        carry   w' = −L (g w)
    rows      R' = (v − R L) g        carry   v' = −(v g) U

for hoppings with one entry a row and column (gathered) and for real ones (two real products). `side` is 0 for columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .blas import multiply, open_columns, product_buffers
from .halved_inverse import PLAIN


@njit(cache=True, nogil=True)
def _gather(values, index, x, w, side, out):  # type: ignore[no-untyped-def]
    """out = w − M x (side 0) or w − x M (side 1) for one entry a row and column; w of no size is zero."""
    for i in range(out.shape[0]):
        if side == 0:
            value, row = values[i], index[i]
            for j in range(out.shape[1]):
                out[i, j] = -value * x[row, j]
        else:
            for j in range(out.shape[1]):
                out[i, j] = -x[i, index[j]] * values[j]
    if w.size > 0:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] += w[i, j]


@njit(cache=True, nogil=True)
def _real_product(block, rows, columns, x, w, side, out):  # type: ignore[no-untyped-def]
    """out = w − M x (side 0) or w − x M (side 1) for a real M, as one real product; w of no size is zero.

    Where `rows` and `columns` tell of few entries, from one to the next.
    """
    n, m = x.shape
    if rows.size > 0:
        out[:] = 0
        for e in range(rows.size):
            i, j = rows[e], columns[e]
            value = block[i, j]
            if side == 0:
                for k in range(m):
                    out[i, k] -= value * x[j, k]
            else:
                for k in range(n):
                    out[k, j] -= value * x[k, i]
    elif side == 0:  # (n', n) @ (n, 2m)
        parts = np.empty((n, 2 * m), block.dtype)
        parts[:, :m], parts[:, m:] = x.real, x.imag
        product = np.dot(block, parts)
        for i in range(out.shape[0]):
            for j in range(m):
                out[i, j] = -complex(product[i, j], product[i, m + j])
    else:  # (2n, m) @ (m, m')
        parts = np.empty((2 * n, m), block.dtype)
        parts[:n], parts[n:] = x.real, x.imag
        product = np.dot(parts, block)
        for i in range(n):
            for j in range(out.shape[1]):
                out[i, j] = -complex(product[i, j], product[n + i, j])
    if w.size > 0:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] += w[i, j]


@njit(cache=True, nogil=True)
def _applied(g, inner, side, out, products):  # type: ignore[no-untyped-def]
    """out = g inner (side 0) or inner g (side 1); columns, or rows, that are zero from some place on are left out."""
    if side == 0:
        width = open_columns(inner)
        multiply(g, inner[:, :width], out[:, :width], 1.0, 0.0, PLAIN, PLAIN, products)
        out[:, width:] = 0
    else:
        width = open_columns(inner.T)
        multiply(inner[:width], g, out[:width], 1.0, 0.0, PLAIN, PLAIN, products)
        out[width:] = 0


@njit(cache=True, nogil=True)
def _step_gathered(g, values, index, x, w, side, out):  # type: ignore[no-untyped-def]
    inner, products = np.empty(out.shape[1:], out.dtype), product_buffers(out)
    for k in range(out.shape[0]):
        _gather(values[k % values.shape[0]], index, x[k], w[k % w.shape[0]], side, inner)
        _applied(g[k], inner, side, out[k], products)


@njit(cache=True, nogil=True)
def _step_real(g, block, rows, columns, x, w, side, out):  # type: ignore[no-untyped-def]
    inner, products = np.empty(out.shape[1:], out.dtype), product_buffers(out)
    for k in range(out.shape[0]):
        _real_product(block, rows, columns, x[k], w[k % w.shape[0]], side, inner)
        _applied(g[k], inner, side, out[k], products)


@njit(cache=True, nogil=True)
def _carry_gathered(g, values, index, w, side, out):  # type: ignore[no-untyped-def]
    inner, nothing, products = np.empty(w.shape[1:], out.dtype), np.empty((0, 0), out.dtype), product_buffers(out)
    for k in range(out.shape[0]):
        _applied(g[k], w[k % w.shape[0]], side, inner, products)
        _gather(values[k % values.shape[0]], index, inner, nothing, side, out[k])


@njit(cache=True, nogil=True)
def _carry_real(g, block, rows, columns, w, side, out):  # type: ignore[no-untyped-def]
    inner, nothing, products = np.empty(w.shape[1:], out.dtype), np.empty((0, 0), out.dtype), product_buffers(out)
    for k in range(out.shape[0]):
        _applied(g[k], w[k % w.shape[0]], side, inner, products)
        _real_product(block, rows, columns, inner, nothing, side, out[k])


def columns_step(g: np.ndarray, upper: Any, x: np.ndarray, w: np.ndarray | None) -> Any:
    """g (w − U X), (E, n, m)."""
    return _step(g, upper, x, w, (g.shape[1], x.shape[2]), 0)


def rows_step(g: np.ndarray, lower: Any, rows: np.ndarray, v: np.ndarray | None) -> Any:
    """(v − R L) g, (E, m, n)."""
    return _step(g, lower, rows, v, (rows.shape[1], g.shape[1]), 1)


def columns_carry(g: np.ndarray, lower: Any, w: np.ndarray) -> Any:
    """−L (g w), (E, n', m)."""
    return _carry(g, lower, w, 0)


def rows_carry(g: np.ndarray, upper: Any, v: np.ndarray) -> Any:
    """−(v g) U, (E, m, n')."""
    return _carry(g, upper, v, 1)


def _step(g: np.ndarray, hopping: Any, x: np.ndarray, w: Any, shape: tuple[int, int], side: int) -> Any:
    if not (hasattr(hopping, "by_row") or hasattr(hopping, "block")):
        inner = hopping @ x if side == 0 else x @ hopping
        inner = -inner if w is None else w - inner
        return g @ inner if side == 0 else inner @ g
    w = np.empty((1, 0, 0), g.dtype) if w is None else np.ascontiguousarray(w)
    out = np.empty((g.shape[0], *shape), g.dtype)
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    if hasattr(hopping, "by_row"):
        values, index = _entries(hopping, side, g.dtype)
        _step_gathered(g, values, index, x, w, side, out)
    else:
        _step_real(g, np.ascontiguousarray(hopping.block[0]), *_places(hopping), x, w, side, out)
    return out


def _carry(g: np.ndarray, hopping: Any, w: np.ndarray, side: int) -> Any:
    if hasattr(hopping, "by_row"):
        values, index = _entries(hopping, side, g.dtype)
        shape = (index.shape[0], w.shape[2]) if side == 0 else (w.shape[1], index.shape[0])
        out = np.empty((g.shape[0], *shape), g.dtype)
        _carry_gathered(np.ascontiguousarray(g), values, index, np.ascontiguousarray(w), side, out)
        return out
    if hasattr(hopping, "block"):
        block = np.ascontiguousarray(hopping.block[0])
        shape = (block.shape[0], w.shape[2]) if side == 0 else (w.shape[1], block.shape[1])
        out = np.empty((g.shape[0], *shape), g.dtype)
        _carry_real(np.ascontiguousarray(g), block, *_places(hopping), np.ascontiguousarray(w), side, out)
        return out
    return -(hopping @ (g @ w)) if side == 0 else -((w @ g) @ hopping)


def _places(hopping: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a block that has few; of no size for any other."""
    return (_NO_PLACES, _NO_PLACES) if hopping.entries is None else hopping.entries[:2]


_NO_PLACES = np.zeros(0, np.int64)


def _entries(hopping: Any, side: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values (E or 1, n) and where each is taken from: by row for columns, by column for rows."""
    values = hopping.by_row if side == 0 else hopping.by_column
    index = hopping.column_of_row if side == 0 else hopping.row_of_column
    index = np.arange(values.shape[1]) if index is None else index
    return np.ascontiguousarray(values.astype(dtype, copy=False)), index
