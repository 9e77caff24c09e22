"""A few entries of x y† for every energy: bond currents from scattering states."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sample(x, y, rows, columns, out):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        for e in range(rows.shape[0]):
            left, right = x[k, rows[e]], y[k, columns[e]]
            re, im = 0.0, 0.0
            for j in range(left.shape[0]):
                re += left[j].real * right[j].real + left[j].imag * right[j].imag
                im += left[j].imag * right[j].real - left[j].real * right[j].imag
            out[k, e] = complex(re, im)


def sampled_outer(x: np.ndarray, y: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(x y†) of every energy at the entries (rows, columns), (E, n_entries), for (E, n, r) and (E, m, r)."""
    out = np.zeros((x.shape[0], rows.shape[0]), x.dtype)
    _sample(np.ascontiguousarray(x), np.ascontiguousarray(y), rows, columns, out)
    return out
