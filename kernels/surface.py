"""The surface function from what the rest of a lead puts on its end cell, and its checks, energy after energy."""

from __future__ import annotations

import numpy as np
from numba import njit

from .lapack import inverse_buffers, invert


@njit(cache=True, nogil=True)
def _largest(x):  # type: ignore[no-untyped-def]
    """Largest |x_ij|; NaN when one is."""
    most = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            size = x[i, j].real ** 2 + x[i, j].imag ** 2
            if not size <= most:
                most = size
                if size != size:
                    return np.sqrt(size)
    return np.sqrt(most)


@njit(cache=True, nogil=True)
def _surface(a00, beyond, a, b, u, v_columns, g, checks):  # type: ignore[no-untyped-def]
    n, r = a00.shape[-1], beyond.shape[-1]
    is_whole = u.shape[0] == 0  # U = V = 1
    wide, moved = np.empty((n, r), g.dtype), np.empty((n, r), g.dtype)
    corner, defect, half = np.empty((r, r), g.dtype), np.empty((r, r), g.dtype), np.empty((r, r), g.dtype)
    rows = np.empty((r, n), g.dtype)
    put = np.empty((n, n), g.dtype)
    u_dagger, v = np.conj(u).T.copy(), np.conj(v_columns).T.copy()
    sizes, pivots, work = inverse_buffers(g[0])
    for k in range(a00.shape[0]):
        ak, bk = a[k % a.shape[0]], b[k % b.shape[0]]
        if is_whole:
            put[:] = beyond[k]
        else:
            np.dot(u, beyond[k], wide)
            np.dot(wide, u_dagger, put)
        for i in range(n):
            for j in range(n):
                g[k, i, j] = a00[k, i, j] - put[i, j]
        invert(g[k], sizes, pivots, work)
        if is_whole:
            corner[:] = g[k]
        else:
            np.dot(v_columns, g[k], rows)
            np.dot(rows, v, corner)
        np.dot(ak, corner, half)
        np.dot(half, bk, defect)
        for i in range(r):
            for j in range(r):
                defect[i, j] = beyond[k, i, j] - defect[i, j]
        if is_whole:
            np.dot(g[k], defect, wide)
        else:
            np.dot(u, defect, moved)
            np.dot(g[k], moved, wide)
        checks[k, 0] = _largest(wide)
        checks[k, 1] = _largest(g[k]) * _largest(a00[k])
        lowest, highest = np.inf, 0.0
        for i in range(n):
            lowest = min(lowest, -g[k, i, i].imag)
            highest = max(highest, abs(g[k, i, i]))
        checks[k, 2], checks[k, 3] = lowest, highest


def surface_of_end(
    a00: np.ndarray,
    beyond: np.ndarray,
    a01: np.ndarray,
    a10: np.ndarray,
    basis: tuple[np.ndarray | None, np.ndarray | None],
) -> tuple[np.ndarray, np.ndarray]:
    """The twin of `negfadj.primitives.surface`: g (E, n, n) and its checks (E, 4)."""
    u, v = basis
    if u is None or v is None:
        a, b, u, v_dagger = a01, a10, np.empty((0, 0), a00.dtype), np.empty((0, 0), a00.dtype)
    else:
        v_dagger = v.conj().T
        a, b = u.conj().T @ a01 @ v, v_dagger @ a10 @ u
    arrays = [np.ascontiguousarray(x.astype(a00.dtype, copy=False)) for x in (a00, beyond, a, b, u, v_dagger)]
    g = np.empty(a00.shape, a00.dtype)
    checks = np.empty((a00.shape[0], 4), a00.real.dtype)
    _surface(*arrays, g, checks)
    return g, checks
