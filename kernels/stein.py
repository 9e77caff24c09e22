"""The Stein equation by doubling, one energy after the other: each takes the passes it needs."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _doubling(p, q, c, out, eps, most):  # type: ignore[no-untyped-def]
    """P [Y P] and [P Y; Q] Q: one pass is two products."""
    r = c.shape[-1]
    left, beside, left_beside = np.empty((r, r), c.dtype), np.empty((r, 2 * r), c.dtype), np.empty((r, 2 * r), c.dtype)
    right, above, above_right = np.empty((r, r), c.dtype), np.empty((2 * r, r), c.dtype), np.empty((2 * r, r), c.dtype)
    for k in range(c.shape[0]):
        y = out[k]
        y[:], left[:], right[:] = c[k], p[k], q[k]
        for _ in range(most):
            beside[:, :r], beside[:, r:] = y, left
            np.dot(left, beside, left_beside)
            above[:r], above[r:] = left_beside[:, :r], right
            np.dot(above, right, above_right)
            change = size = 0.0
            for i in range(r):
                for j in range(r):
                    y[i, j] += above_right[i, j]
                    change = max(change, abs(above_right[i, j].real) + abs(above_right[i, j].imag))
                    size = max(size, abs(y[i, j].real) + abs(y[i, j].imag))
            if not change > eps**0.5 / 64 * size:  # the next change is about the square of this one
                break
            left[:], right[:] = left_beside[:, r:], above_right[r:]


def stein_doubling(p: np.ndarray, q: np.ndarray, c: np.ndarray, eps: float, most: int) -> np.ndarray:
    """The twin of `negfadj.primitives.stein.stein_doubling`: Y with Y − P Y Q = C, (E, r, r)."""
    p, q, c = (np.ascontiguousarray(x) for x in (p, q, c))
    out = np.empty_like(c)
    _doubling(p, q, c, out, eps, most)
    return out
