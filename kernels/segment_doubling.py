"""Segments of a lead joined two by two, seen from their ends, one energy after the other."""

from __future__ import annotations

import numpy as np
from numba import njit

from .lapack import inverse_buffers, invert
from .lapack_leads import factorise, solve_factorised

SMALL = 10  # rows below which a call of BLAS costs more than its product


@njit(cache=True, nogil=True)
def _times(x, y, out):  # type: ignore[no-untyped-def]
    """out = x y."""
    r = x.shape[0]
    if r > SMALL:
        np.dot(x, y, out)
        return
    for i in range(r):
        for j in range(r):
            out[i, j] = 0
        for k in range(r):
            entry = x[i, k]
            for j in range(r):
                out[i, j] += entry * y[k, j]


@njit(cache=True, nogil=True)
def _inverse_of_one_minus(x, sizes, pivots, work):  # type: ignore[no-untyped-def]
    """Replace x by (1 − x)⁻¹."""
    r = x.shape[0]
    for i in range(r):
        for j in range(r):
            x[i, j] = -x[i, j]
        x[i, i] += 1
    if r > SMALL:
        invert(x, sizes, pivots, work)
        return
    for p in range(r):  # Gauss and Jordan, with exchange of rows
        best, size = p, abs(x[p, p].real) + abs(x[p, p].imag)
        for i in range(p + 1, r):
            other = abs(x[i, p].real) + abs(x[i, p].imag)
            if other > size:
                best, size = i, other
        pivots[p] = best
        if best != p:
            for j in range(r):
                x[p, j], x[best, j] = x[best, j], x[p, j]
        if size == 0:
            x[:] = np.nan
            return
        inverse = 1 / x[p, p]
        x[p, p] = 1
        for j in range(r):
            x[p, j] *= inverse
        for i in range(r):
            if i != p:
                factor = x[i, p]
                x[i, p] = 0
                for j in range(r):
                    x[i, j] -= factor * x[p, j]
    for p in range(r - 1, -1, -1):
        best = pivots[p]
        if best != p:
            for i in range(r):
                x[i, p], x[i, best] = x[i, best], x[i, p]


@njit(cache=True, nogil=True)
def _doubled(a00, a, b, columns, right, left, eps, most):  # type: ignore[no-untyped-def]
    n_energies, n, r = a00.shape[0], a00.shape[-1], a.shape[-1]
    m = 2 * r
    conjugate = np.conj(columns)
    sizes = np.array([n, m], dtype=np.int32)
    info = np.zeros(1, np.int32)
    cell_pivots = np.empty(n, np.int32)
    cell, solved, ports = np.empty_like(a00[0]), np.empty_like(columns), np.empty((m, m), a00.dtype)
    stack = np.empty((8, r, r), a00.dtype)
    rho, sigma, forth, back = stack[0], stack[1], stack[2], stack[3]
    inner, x, y, w = stack[4], stack[5], stack[6], stack[7]
    small_sizes, pivots, work = inverse_buffers(rho)
    for k in range(n_energies):
        ak, bk = a[k % a.shape[0]], b[k % b.shape[0]]
        for i in range(n):
            for j in range(n):
                cell[j, i] = a00[k, i, j]
        solved[:] = columns
        right[k], left[k] = np.nan, np.nan
        if not factorise(cell, sizes[:1], cell_pivots, info):
            continue
        solve_factorised(False, cell, sizes[:1], cell_pivots, sizes[1:], solved, info)
        np.dot(conjugate, solved.T, ports)
        sigma[:], x[:] = ports[:r, :r], ports[r:, r:]
        _times(ak, x, y)
        _times(y, bk, rho)
        x[:] = ports[r:, :r]
        _times(ak, x, forth)
        x[:] = ports[:r, r:]
        _times(x, bk, back)
        tolerance = eps**0.5 * np.abs(a00[k]).max() / 64
        for _ in range(most):
            _times(sigma, rho, inner)
            _inverse_of_one_minus(inner, small_sizes, pivots, work)  # (1 − σρ)⁻¹
            _times(inner, back, x)
            _times(inner, sigma, y)
            _times(y, forth, w)  # σ(1 − ρσ)⁻¹ forth
            _times(rho, w, inner)
            for i in range(r):
                for j in range(r):
                    inner[i, j] += forth[i, j]  # (1 − ρσ)⁻¹ forth
            _times(back, w, y)
            for i in range(r):
                for j in range(r):
                    sigma[i, j] += y[i, j]
            _times(rho, x, w)
            _times(forth, w, y)
            change = 0.0
            for i in range(r):
                for j in range(r):
                    rho[i, j] += y[i, j]
                    change = max(change, abs(y[i, j].real) + abs(y[i, j].imag))
            if not change > tolerance:  # the next change is about the square of this one
                break
            _times(forth, inner, y)
            _times(back, x, w)
            for i in range(r):
                for j in range(r):
                    forth[i, j], back[i, j] = -y[i, j], -w[i, j]
        right[k] = rho
        _times(bk, sigma, x)
        _times(x, ak, y)
        left[k] = y


def segment_doubling(
    a00: np.ndarray, a: np.ndarray, b: np.ndarray, u: np.ndarray, v: np.ndarray, eps: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The twin of `negfadj.primitives.segment_doubling`: both ends, (E, r, r)."""
    columns = np.concatenate([u.T, v.T]).astype(a00.dtype)
    a00, a, b = (np.ascontiguousarray(x.astype(a00.dtype, copy=False)) for x in (a00, a, b))
    right = np.empty((a00.shape[0], a.shape[-1], a.shape[-1]), a00.dtype)
    left = np.empty_like(right)
    _doubled(a00, a, b, columns, right, left, eps, most)
    return right, left
