"""The reaction matrix of Hermitian A_h: elimination through all blocks, energy after energy, all of it in cache.

    g_i = (E S_ii − H_ii − Σ_i − U†g_{i−1} U)⁻¹,  w_i = [−U†y_{i−1}, W_i],  y_i = g_i w_i,  K += w_i†y_i,  U = A_{i−1,i}

Where g_i is large, blocks i and i+1 are one pivot: b = A_{i+1,i+1}⁻¹ is eliminated first, and kept with
d = (g_i⁻¹ − U b U†)⁻¹, U = A_{i,i+1}, in place of g_{i+1} and g_i = d;  g_{i+1} = b + b U†d U b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .blas import multiply, product_buffers
from .gauss_jordan import inverse_buffers, invert
from .packed_blocks import DENSE, IN_ORDER, packed_blocks

PLAIN, DAGGER = ord("N"), ord("C")
JOIN = 20.0  # growth of a pivot past which it is joined with the next block


@njit(cache=True, nogil=True)
def _hopping_values(energy, blocks, i, values):  # type: ignore[no-untyped-def]
    """A_{i,i+1}'s entries at this energy: E S − H."""
    starts, hopping, overlap = blocks[4], blocks[7], blocks[8]
    first, last = starts[i], starts[i + 1]
    for e in range(first, last):
        values[e - first] = hopping[e]
    if overlap.size > 0:
        for e in range(first, last):
            values[e - first] += energy * overlap[e]
    return last - first


@njit(cache=True, nogil=True)
def _fold(a, g, blocks, i, values, count, work, products):  # type: ignore[no-untyped-def]
    """A −= U†g U for U = A_{i,i+1}."""
    kind, first = blocks[3][i], blocks[4][i]
    rows, columns = blocks[5][first : first + count], blocks[6][first : first + count]
    if kind == DENSE:
        u = values[:count].reshape(g.shape[0], a.shape[0])
        g_u = work[:count].reshape(g.shape[0], a.shape[0])
        multiply(g, u, g_u, 1.0, 0.0, PLAIN, PLAIN, products)
        multiply(u, g_u, a, -1.0, 1.0, DAGGER, PLAIN, products)
    elif kind == IN_ORDER:
        row, column = rows[0], columns[0]
        right = values[:count]
        for e in range(count):
            left = np.conj(values[e])
            to, of = a[column + e, column : column + count], g[row + e, row : row + count]
            for f in range(count):
                to[f] -= left * of[f] * right[f]
    else:
        for e in range(count):
            left, row, column = np.conj(values[e]), rows[e], columns[e]
            for f in range(count):
                a[column, columns[f]] -= left * g[row, rows[f]] * values[f]


@njit(cache=True, nogil=True)
def _carry(w, y, blocks, i, values, count, products):  # type: ignore[no-untyped-def]
    """The first columns of w: −U†y for U = A_{i,i+1}."""
    m = y.shape[1]
    kind, first = blocks[3][i], blocks[4][i]
    if kind == DENSE:
        u = values[:count].reshape(y.shape[0], w.shape[0])
        multiply(u, y, w[:, :m], -1.0, 0.0, DAGGER, PLAIN, products)
        return
    w[:, :m] = 0
    for e in range(count):
        to, of, value = w[blocks[6][first + e]], y[blocks[5][first + e]], np.conj(values[e])
        for j in range(m):
            to[j] -= value * of[j]


@njit(cache=True, nogil=True)
def _block(energy, blocks, i, offset, a):  # type: ignore[no-untyped-def]
    """A = E S_ii − H_ii."""
    n = a.shape[0]
    flat, onsite = a.reshape(n * n), blocks[1][offset : offset + n * n]
    if blocks[2].size > 0:
        overlap = blocks[2][offset : offset + n * n]
        for e in range(n * n):
            flat[e] = energy * overlap[e] - onsite[e]
        return
    for e in range(n * n):
        flat[e] = -onsite[e]
    for r in range(n):
        a[r, r] += energy


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _size(x):  # type: ignore[no-untyped-def]
    """Frobenius norm; not a number where an entry is not."""
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i].real * x[i].real + x[i].imag * x[i].imag
    return np.sqrt(total)


@njit(cache=True, nogil=True)
def _hopped(x, out, blocks, i, values, products):  # type: ignore[no-untyped-def]
    """out = U x for U = A_{i,i+1}."""
    first, count, m = blocks[4][i], blocks[4][i + 1] - blocks[4][i], x.shape[1]
    if blocks[3][i] == DENSE:
        multiply(values[:count].reshape(out.shape[0], x.shape[0]), x, out, 1.0, 0.0, PLAIN, PLAIN, products)
        return
    out[:] = 0
    for e in range(count):
        to, of, value = out[blocks[5][first + e]], x[blocks[6][first + e]], values[e]
        for j in range(m):
            to[j] += value * of[j]


@njit(cache=True, nogil=True)
def _hopped_back(x, out, blocks, i, values, products):  # type: ignore[no-untyped-def]
    """out = U†x for U = A_{i,i+1}."""
    first, count, m = blocks[4][i], blocks[4][i + 1] - blocks[4][i], x.shape[1]
    if blocks[3][i] == DENSE:
        multiply(values[:count].reshape(x.shape[0], out.shape[0]), x, out, 1.0, 0.0, DAGGER, PLAIN, products)
        return
    out[:] = 0
    for e in range(count):
        to, of, value = out[blocks[6][first + e]], x[blocks[5][first + e]], np.conj(values[e])
        for j in range(m):
            to[j] += value * of[j]


@njit(cache=True, nogil=True)
def _uncoupled(energy, blocks, i, offset, sigma, at, a):  # type: ignore[no-untyped-def]
    """A = A_ii of A_h; its Frobenius norm."""
    n = a.shape[0]
    _block(energy, blocks, i, offset, a)
    if at >= 0:
        a -= sigma[at : at + n * n].reshape(n, n)
    return _size(a.reshape(n * n))


@njit(cache=True, nogil=True)
def _growth(size, g):  # type: ignore[no-untyped-def]
    """|g| (1 + |A_ii|/n)/√n; infinite where g is not a number."""
    n = g.shape[0]
    growth = (1 + size / n) * _size(g.reshape(n * n)) / np.sqrt(n)
    return growth if growth < np.inf else np.inf


@njit(cache=True, nogil=True)
def _dagger(x, out):  # type: ignore[no-untyped-def]
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            out[c, r] = np.conj(x[r, c])


@njit(cache=True, nogil=True)
def _joined(d, b, g, blocks, i, values, work, inverse, products):  # type: ignore[no-untyped-def]
    """d = (D − U b U†)⁻¹, g = b + b U†d U b for U = A_{i,i+1}; b U† is left in work[1]."""
    n, after = d.shape[0], b.shape[0]
    t = work[0][: n * after].reshape(n, after)
    t_dagger = work[1][: n * after].reshape(after, n)
    _hopped(b, t, blocks, i, values, products)
    _dagger(t, t_dagger)
    folded = work[2][: n * n].reshape(n, n)
    _hopped(t_dagger, folded, blocks, i, values, products)
    d -= folded
    invert(d, inverse)
    d_t = work[2][: n * after].reshape(n, after)
    multiply(d, t, d_t, 1.0, 0.0, PLAIN, PLAIN, products)
    g[:] = b
    multiply(t_dagger, d_t, g, 1.0, 1.0, PLAIN, PLAIN, products)


@njit(cache=True, nogil=True)
def _sweep(z, blocks, begun, sigma_at, sigma, columns_at, columns, keep, g_out, y_out, k_out, growth, joins):  # type: ignore[no-untyped-def]
    sizes = blocks[0]
    n_blocks, widest, most = sizes.shape[0], sizes.max(), begun[-1]
    hops = 1
    for i in range(n_blocks - 1):
        hops = max(hops, blocks[4][i + 1] - blocks[4][i])
    values, work = np.empty(hops, g_out.dtype), np.empty(hops, g_out.dtype)
    w_flat, y_flat = np.empty(widest * most, g_out.dtype), np.empty(widest * most, g_out.dtype)
    squares = np.empty((6, widest**2), g_out.dtype)
    products, inverse = product_buffers(g_out), inverse_buffers(widest, g_out)
    for k in range(z.shape[0]):
        offset = y_offset = before = 0
        second = False
        g_before, y_before = squares[3, :0].reshape(0, 0), y_flat[:0].reshape(0, 0)
        for i in range(n_blocks):
            n, m = sizes[i], begun[i]
            here, y_here = (offset, y_offset) if keep else (i % 2 * widest**2, i % 2 * widest * most)
            offset += n * n
            y_offset += n * m
            if second:  # done with the block before
                second, before = False, m
                continue
            a, y = g_out[k, here : here + n * n].reshape(n, n), y_out[k, y_here : y_here + n * m].reshape(n, m)
            w = w_flat[: n * m].reshape(n, m)
            size = _uncoupled(z[k], blocks, i, offset - n * n, sigma[k], sigma_at[i], a)
            if i > 0:
                count = _hopping_values(z[k], blocks, i - 1, values)
                _fold(a, g_before, blocks, i - 1, values, count, work, products)
                if before > 0:
                    _carry(w, y_before, blocks, i - 1, values, count, products)
            d = squares[4, : n * n].reshape(n, n)
            d[:] = a
            invert(a, inverse)
            condition = _growth(size, a)
            if m > before:
                w[:, before:] = columns[k, columns_at[i] : columns_at[i] + n * (m - before)].reshape(n, m - before)
            if i + 1 < n_blocks and not condition < JOIN:
                after, m_after = sizes[i + 1], begun[i + 1]
                b, g = squares[5, : after**2].reshape(after, after), squares[3, : after**2].reshape(after, after)
                size_after = _uncoupled(z[k], blocks, i + 1, offset, sigma[k], sigma_at[i + 1], b)
                invert(b, inverse)
                together = _growth(size_after, b)
                if together < condition:
                    _hopping_values(z[k], blocks, i, values)
                    _joined(d, b, g, blocks, i, values, squares, inverse, products)
                    together = max(together, max(_growth(size, d), _growth(size_after, g)))
                second = together < condition
            if second:
                joins[k, i], condition = True, together
                a[:] = d
                at, y_at = (offset, y_offset) if keep else ((i + 1) % 2 * widest**2, (i + 1) % 2 * widest * most)
                g_out[k, at : at + after**2] = squares[5, : after**2]
                y_after = y_out[k, y_at : y_at + after * m_after].reshape(after, m_after)
                y_before = y_flat[: after * m_after].reshape(after, m_after)
                if m > 0:
                    multiply(a, w, y, 1.0, 0.0, PLAIN, PLAIN, products)
                    multiply(w, y, k_out[k, :m, :m], 1.0, 1.0, DAGGER, PLAIN, products)
                    b_u = squares[1, : n * after].reshape(after, n)
                    multiply(b_u, y, y_before[:, :m], -1.0, 0.0, PLAIN, PLAIN, products)
                    y_after[:, :m] = y_before[:, :m]
                if m_after > m:
                    w = w_flat[: after * (m_after - m)].reshape(after, m_after - m)
                    w[:] = columns[k, columns_at[i + 1] : columns_at[i + 1] + w.size].reshape(after, m_after - m)
                    multiply(g, w, y_before[:, m:], 1.0, 0.0, PLAIN, PLAIN, products)
                    multiply(b, w, y_after[:, m:], 1.0, 0.0, PLAIN, PLAIN, products)
                    multiply(w, y_before, k_out[k, m:m_after, :m_after], 1.0, 1.0, DAGGER, PLAIN, products)
                    for r in range(m):
                        for c in range(m, m_after):
                            k_out[k, r, c] = np.conj(k_out[k, c, r])
                g_before = g
            else:
                if m > 0:
                    multiply(a, w, y, 1.0, 0.0, PLAIN, PLAIN, products)
                    multiply(w, y, k_out[k, :m, :m], 1.0, 1.0, DAGGER, PLAIN, products)
                g_before, y_before = a, y
            growth[k] = max(growth[k], condition)
            before = m


def reaction_sweep(z: np.ndarray, system: Any, columns: dict[int, np.ndarray], keep: bool) -> Any:
    """The twin of `negfadj.primitives.reaction_matrix`'s sweep: (g, y, K, growth, joins)."""
    blocks = system.hoppings.recalled(f"packed {z.dtype}", packed_blocks, z.dtype)
    n_energies, sizes = z.shape[0], blocks.sizes
    new = np.array([columns[i].shape[-1] if i in columns else 0 for i in range(sizes.shape[0])], np.int64)
    begun = np.cumsum(new)
    sigmas: dict[int, np.ndarray] = {}
    for block, sigma in zip(system.blocks, system.self_energies):
        sigmas[block] = sigmas[block] + sigma if block in sigmas else sigma
    sigma_at, sigma = _flat(sigmas, n_energies, z.dtype, sizes.shape[0])
    columns_at, flat_columns = _flat(columns, n_energies, z.dtype, sizes.shape[0])
    m, widest = int(begun[-1]), int(sizes.max())
    g = np.empty((n_energies, int((sizes**2).sum()) if keep else 2 * widest**2), z.dtype)
    y = np.empty((n_energies, int((sizes * begun).sum()) if keep else 2 * widest * m), z.dtype)
    k, growth = np.zeros((n_energies, m, m), z.dtype), np.zeros(n_energies)
    joins = np.zeros((n_energies, sizes.shape[0]), np.bool_)
    _sweep(z, tuple(blocks), begun, sigma_at, sigma, columns_at, flat_columns, keep, g, y, k, growth, joins)
    return g, y, k, growth, joins


def _flat(parts: dict[int, np.ndarray], n_energies: int, dtype: Any, n_blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the part of every block begins in a flat row per energy (−1: it has none), and the rows."""
    at, place, rows = np.full(n_blocks, -1), 0, [np.empty((n_energies, 0), dtype)]
    for block, part in parts.items():
        at[block] = place
        rows.append(np.ascontiguousarray(part).reshape(n_energies, -1))
        place += rows[-1].shape[1]
    return at, np.ascontiguousarray(np.concatenate(rows, axis=1).astype(dtype, copy=False))


@njit(cache=True, nogil=True)
def _states(z, blocks, i, g, y, x, joins, g_before, old, ahead, out, ahead_out):  # type: ignore[no-untyped-def]
    """X_i = [y, 0] − g (U X), U = A_{i,i+1}, and of joined blocks as `reaction_states` says; X of no size is zero."""
    n, m, begun = out.shape[1], out.shape[2], y.shape[2]
    last = x.shape[1] == 0
    products = product_buffers(out)
    count = 0 if last else blocks[4][i + 1] - blocks[4][i]
    hops = max(count, blocks[4][i] - blocks[4][i - 1] if i > 0 else 0)
    values, u_x, b_v = np.empty(hops, out.dtype), np.empty((n, m), out.dtype), np.zeros((n, m), out.dtype)
    u_q = np.empty((ahead_out.shape[1], m), out.dtype)
    for k in range(out.shape[0]):
        out[k, :, :begun] = y[k]
        out[k, :, begun:] = 0
        if joins[k, i]:
            out[k] += ahead[k]
            continue
        if not last:
            _hopping_values(z[k], blocks, i, values)
            _hopped(x[k], u_x, blocks, i, values, products)
            multiply(g[k], u_x, b_v, 1.0, 0.0, PLAIN, PLAIN, products)
            out[k] -= b_v
        else:
            b_v[:] = 0
        if i > 0 and joins[k, i - 1]:
            b_v[:, old:begun] -= y[k][:, old:]
            _hopping_values(z[k], blocks, i - 1, values)
            _hopped(b_v, u_q, blocks, i - 1, values, products)
            multiply(g_before[k], u_q, ahead_out[k], 1.0, 0.0, PLAIN, PLAIN, products)
            _hopped_back(ahead_out[k], u_x, blocks, i - 1, values, products)
            multiply(g[k], u_x, out[k], -1.0, 1.0, PLAIN, PLAIN, products)


def reaction_states(
    z: np.ndarray,
    system: Any,
    i: int,
    g: np.ndarray,
    y: np.ndarray,
    x: Any,
    m: int,
    joins: np.ndarray,
    before: Any,
    ahead: Any,
) -> Any:
    """The twin of one backward step: X_i (E, n_i, m), and what it finds of X_{i−1} where the two are joined."""
    blocks = system.hoppings.recalled(f"packed {z.dtype}", packed_blocks, z.dtype)
    nothing = np.empty((z.shape[0], 0, m), z.dtype)
    x = nothing if x is None else x
    ahead = nothing if ahead is None else ahead
    g_before, old = (g[:, :0, :0], 0) if before is None else before
    ahead_out = np.empty((z.shape[0], g_before.shape[1], m), z.dtype) if i > 0 and joins[:, i - 1].any() else nothing
    out = np.empty((z.shape[0], y.shape[1], m), z.dtype)
    _states(z, tuple(blocks), i, g, y, x, joins, g_before, old, ahead, out, ahead_out)
    return out, ahead_out if ahead_out.shape[1] > 0 else None


@njit(cache=True, nogil=True)
def _products(x, y, out):  # type: ignore[no-untyped-def]
    products = product_buffers(out)
    for k in range(x.shape[0]):
        multiply(x[k], y[k], out[k], 1.0, 0.0, PLAIN, PLAIN, products)


def stack_product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x y of every energy, (E, n, l), for (E, n, m) and (E, m, l) of one dtype."""
    out = np.zeros((x.shape[0], x.shape[1], y.shape[2]), x.dtype)
    if x.size > 0:
        _products(np.ascontiguousarray(x), np.ascontiguousarray(y), out)
    return out


@njit(cache=True, nogil=True)
def _add_outer(x, z, out):  # type: ignore[no-untyped-def]
    products = product_buffers(out)
    for k in range(x.shape[0]):
        multiply(x[k], z[k], out, 1.0, 1.0, PLAIN, DAGGER, products)


def sum_of_outer(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Σ_E x z†, (n, l), for contiguous (E, n, m) and (E, l, m)."""
    out = np.zeros((x.shape[1], z.shape[1]), x.dtype)
    if x.size > 0:
        _add_outer(np.ascontiguousarray(x), np.ascontiguousarray(z), out)
    return out


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sample(x, y, rows, columns, out):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        for e in range(rows.shape[0]):
            left, right = x[k, rows[e]], y[k, columns[e]]
            total = left[0] * 0
            for j in range(left.shape[0]):
                total += left[j] * np.conj(right[j])
            out[k, e] = total


def sampled_outer(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(x y†) of every energy at the entries (rows, columns), (E, n_entries), for (E, n, r) and (E, m, r)."""
    out = np.zeros((x.shape[0], rows.shape[0]), x.dtype)
    if x.shape[-1] > 0:
        _sample(np.ascontiguousarray(x), np.ascontiguousarray(y), rows, columns, out)
    return out
