"""The whole sweep of block elimination, two calls a block: A_ii is made and folded, then the stack inverted.

    g_i = (z S_ii − H_ii − Σ_i − L g_{i−1} U)⁻¹,   w_i = −L (g_{i−1} w_{i−1}) (+ new columns)

Four twins for four kinds of hopping: one entry a row and column (gathered), few entries, real (half the work), complex.
Columns that are zero from some place on, an energy's closed channels, are left out.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit

from .blas import multiply, open_columns, product_buffers
from .halved_inverse import PLAIN
from .swept_inverse import invert_stack

Sweep = namedtuple("Sweep", "factors w growth carried")


@njit(cache=True, nogil=True)
def _made(z, onsite, overlap, sigma, a):  # type: ignore[no-untyped-def]
    """a = z S − H − Σ; an overlap or Σ of no size is the identity or zero."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            a[i, j] = -onsite[i, j]
        if overlap.size > 0:
            for j in range(n):
                a[i, j] += z * overlap[i, j]
        else:
            a[i, i] += z
        if sigma.size > 0:
            for j in range(n):
                a[i, j] -= sigma[i, j]


@njit(cache=True, nogil=True)
def _first(z, onsite, overlap, sigma, g_out):  # type: ignore[no-untyped-def]
    for k in range(z.shape[0]):
        _made(z[k], onsite, overlap, sigma[k % sigma.shape[0]], g_out[k])


@njit(cache=True, nogil=True)
def _gathered(  # type: ignore[no-untyped-def]
    z, onsite, overlap, sigma, left, column_of_row, right, row_of_column, g, w, g_out, w_out
):
    n, m = onsite.shape[0], g.shape[1]
    products, y = product_buffers(g_out), np.empty((m, w.shape[2]), g.dtype)
    for k in range(z.shape[0]):
        a, by_row, by_column = g_out[k], left[k % left.shape[0]], right[k % right.shape[0]]
        _made(z[k], onsite, overlap, sigma[k % sigma.shape[0]], a)
        for i in range(n):
            row, value = g[k, column_of_row[i]], by_row[i]
            if value != 0:
                for j in range(n):
                    a[i, j] -= value * row[row_of_column[j]] * by_column[j]
        width = open_columns(w[k])
        multiply(g[k], w[k, :, :width], y[:, :width], 1.0, 0.0, PLAIN, PLAIN, products)
        for i in range(n):
            for j in range(width):
                w_out[k, i, j] = -by_row[i] * y[column_of_row[i], j]


@njit(cache=True, nogil=True)
def _sparse(  # type: ignore[no-untyped-def]
    z, onsite, overlap, sigma, lower_at, lower, upper_at, upper, g, w, g_out, w_out
):
    """`lower_at` (2, entries) are rows and columns of the entries `lower` of L, and so for U."""
    m, y = g.shape[1], np.empty((g.shape[1], w.shape[2]), g.dtype)
    is_done, is_carried = np.empty(m, np.bool_), np.empty(m, np.bool_)
    for k in range(z.shape[0]):
        a = g_out[k]
        _made(z[k], onsite, overlap, sigma[k % sigma.shape[0]], a)
        for e in range(lower.shape[0]):
            to, row, value = a[lower_at[0, e]], g[k, lower_at[1, e]], lower[e]
            for f in range(upper.shape[0]):
                to[upper_at[1, f]] -= value * row[upper_at[0, f]] * upper[f]
        width, is_done[:] = open_columns(w[k]), False
        for i in range(m):
            is_carried[i] = np.any(w[k, i, :width] != 0)
        for e in range(lower.shape[0]):
            place = lower_at[1, e]
            if not is_done[place]:  # y = g w where L asks for it, from the rows of w that are not zero
                is_done[place] = True
                y[place, :width] = 0
                for i in range(m):
                    if is_carried[i]:
                        value = g[k, place, i]
                        for j in range(width):
                            y[place, j] += value * w[k, i, j]
            for j in range(width):
                w_out[k, lower_at[0, e], j] -= lower[e] * y[place, j]


@njit(cache=True, nogil=True)
def _real(z, onsite, overlap, sigma, lower, upper, g, g_parts, w, g_out, w_out):  # type: ignore[no-untyped-def]
    """`g_parts` (E, m, 2m) are the real and imaginary parts of g side by side in every entry."""
    n, m = lower.shape
    products, real_products = product_buffers(g_out), product_buffers(lower)
    parts, stacked = np.empty((n, 2 * m), lower.dtype), np.empty((2 * n, m), lower.dtype)
    folded, transfer = np.empty((2 * n, n), lower.dtype), np.empty((n, m), g.dtype)
    for k in range(z.shape[0]):
        a = g_out[k]
        _made(z[k], onsite, overlap, sigma[k % sigma.shape[0]], a)
        multiply(lower, g_parts[k], parts, 1.0, 0.0, PLAIN, PLAIN, real_products)
        for i in range(n):
            for j in range(m):
                re, im = parts[i, 2 * j], parts[i, 2 * j + 1]
                stacked[i, j], stacked[n + i, j] = re, im
                transfer[i, j] = -complex(re, im)
        multiply(stacked, upper, folded, 1.0, 0.0, PLAIN, PLAIN, real_products)
        for i in range(n):
            for j in range(n):
                a[i, j] -= complex(folded[i, j], folded[n + i, j])
        width = open_columns(w[k])
        multiply(transfer, w[k, :, :width], w_out[k, :, :width], 1.0, 0.0, PLAIN, PLAIN, products)


@njit(cache=True, nogil=True)
def _complex(z, onsite, overlap, sigma, lower, upper, g, w, g_out, w_out):  # type: ignore[no-untyped-def]
    n, m = lower.shape[1], lower.shape[2]
    products, transfer = product_buffers(g_out), np.empty((n, m), g.dtype)
    for k in range(z.shape[0]):
        a, left, right = g_out[k], lower[k % lower.shape[0]], upper[k % upper.shape[0]]
        _made(z[k], onsite, overlap, sigma[k % sigma.shape[0]], a)
        multiply(left, g[k], transfer, 1.0, 0.0, PLAIN, PLAIN, products)
        multiply(transfer, right, a, -1.0, 1.0, PLAIN, PLAIN, products)
        width = open_columns(w[k])
        multiply(transfer, w[k, :, :width], w_out[k, :, :width], -1.0, 0.0, PLAIN, PLAIN, products)


def whole_sweep(z: np.ndarray, blocks: Any, sources: tuple[Any, ...], keep: bool) -> Sweep:
    """The twin of `negfadj.primitives.whole_sweep`."""
    n_columns = max((source.at + source.columns.shape[-1] for source in sources), default=0)
    growth = np.zeros(z.shape, z.real.dtype)
    factors: list[np.ndarray] = []
    carried: list[np.ndarray] = []
    # one piece of memory for all factors but the last: its pages are larger and come at once
    sizes = [z.shape[0] * block.onsite.shape[-1] ** 2 for block in blocks[:-1]] if keep else []
    room = np.split(np.empty(sum(sizes), z.dtype), np.cumsum(sizes))
    symmetric = True  # A as far as it has come
    g: Any = None
    w: Any = None
    for i, block in enumerate(blocks):
        symmetric = symmetric and block.is_symmetric and _is_symmetric(block.self_energy)
        n = block.onsite.shape[-1]
        g_out = room[i].reshape(-1, n, n) if i < len(sizes) else np.empty((z.shape[0], n, n), z.dtype)
        g, w = _step(z, block, g, w, g_out, n_columns)
        invert_stack(g, symmetric, growth)
        for source in sources:
            if source.block == i:
                w[:, :, source.at : source.at + source.columns.shape[-1]] += source.columns
        if not keep:
            factors.clear()
            carried.clear()
        factors.append(g)
        carried.append(w)
    return Sweep(tuple(factors), w if n_columns else None, growth, tuple(carried) if n_columns and keep else None)


def _step(z: np.ndarray, block: Any, g: Any, w: Any, g_out: np.ndarray, n_columns: int) -> tuple[Any, Any]:
    """A_ii − L g U in `g_out`, and w_i without its new columns."""
    n, dtype = block.onsite.shape[-1], z.dtype
    nothing = np.empty((0, 0), dtype)

    def taken(x: Any) -> np.ndarray:
        return np.ascontiguousarray(x, dtype)

    made = (
        taken(block.onsite),
        nothing if block.overlap is None else taken(block.overlap),
        nothing[None] if block.self_energy is None else taken(block.self_energy),
    )
    w_out = np.zeros((z.shape[0], n, n_columns), dtype)
    lower, upper = block.lower, block.upper
    if g is None:
        _first(z, *made, g_out)
    elif hasattr(lower, "by_row"):
        columns = np.arange(n) if lower.column_of_row is None else lower.column_of_row
        rows = np.arange(n) if upper.row_of_column is None else upper.row_of_column
        left, right = taken(lower.by_row), taken(upper.by_column)
        _gathered(z, *made, left, columns, right, rows, g, w, g_out, w_out)
    elif getattr(lower, "entries", None) is not None and upper.entries is not None:
        pairs = (x for hop in (lower, upper) for x in (np.stack(hop.entries[:2]), hop.entries[2]))
        _sparse(z, *made, *pairs, g, w, g_out, w_out)
    elif hasattr(lower, "block"):
        parts = g.view(lower.block.dtype)
        pair = (np.ascontiguousarray(x.block[0]) for x in (lower, upper))
        _real(z, *made, *pair, g, parts, w, g_out, w_out)
    else:
        _complex(z, *made, *(taken(_at(x, z)) for x in (lower, upper)), g, w, g_out, w_out)
    return g_out, w_out


def _is_symmetric(sigma: np.ndarray | None) -> bool:
    """Is Σ = Σᵀ but for the rounding of a lead's equation?"""
    return sigma is None or bool(_all_symmetric(sigma, 1e4 * np.finfo(sigma.real.dtype).eps))


@njit(cache=True, nogil=True)
def _all_symmetric(sigma, rounding):  # type: ignore[no-untyped-def]
    for k in range(sigma.shape[0]):
        largest, difference = 0.0, 0.0
        for i in range(sigma.shape[1]):
            for j in range(i + 1):
                above, below = sigma[k, j, i], sigma[k, i, j]
                largest = max(largest, abs(above.real), abs(above.imag))
                difference = max(difference, abs(above.real - below.real), abs(above.imag - below.imag))
        if not difference <= rounding * largest:
            return False
    return True


def _at(hopping: Any, z: np.ndarray) -> Any:
    """A hopping given by H and S at every energy."""
    if hasattr(hopping, "hamiltonian"):
        return z[:, None, None] * hopping.overlap - hopping.hamiltonian
    return hopping
