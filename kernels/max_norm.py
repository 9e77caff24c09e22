"""The largest absolute entry of every matrix of a stack: one root a matrix, and no stack of absolute values."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _largest(x, out):  # type: ignore[no-untyped-def]
    for k in range(x.shape[0]):
        largest, total = x.real.dtype.type(0), x.real.dtype.type(0)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                size = x[k, i, j].real ** 2 + x[k, i, j].imag ** 2
                total += size
                if size > largest:
                    largest = size
        out[k] = np.sqrt(largest) if total == total else np.nan


def max_norm(x: np.ndarray) -> np.ndarray:
    """The twin of `negfadj.array.max_norm` for (…, n, m)."""
    out = np.empty(x.shape[:-2], x.real.dtype)
    _largest(x.reshape(-1, *x.shape[-2:]), out.reshape(-1))
    return out
