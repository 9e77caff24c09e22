"""Inverse of every matrix of a stack, one after the other, without Python between them.

2 n³ operations against the 8 n³/3 of NumPy's solve with the identity. Real ones by `gauss_jordan`, complex ones by
LAPACK.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import gauss_jordan
from .lapack import inverse_buffers, invert


@njit(cache=True, nogil=True)
def _inverse_stack(x):  # type: ignore[no-untyped-def]
    sizes, pivots, work = inverse_buffers(x[0])
    for k in range(x.shape[0]):
        invert(x[k], sizes, pivots, work)


def inverse(x: np.ndarray) -> np.ndarray:
    """Inverse of (…, n, n); NaN where a matrix is singular."""
    out = np.array(x, order="C", copy=True)
    if out.size == 0:
        return out
    out = out.reshape(-1, *x.shape[-2:])
    (_inverse_stack if out.dtype.kind == "c" else gauss_jordan.invert_stack)(out)
    return out.reshape(x.shape)
