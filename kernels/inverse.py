"""Inverse of every matrix of a stack: getrf and getri one matrix after the other, without Python between them.

8 n³ real operations against the 32 n³/3 of NumPy's solve with the identity.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .lapack import inverse_buffers, invert


@njit(cache=True)
def _inverse_stack(x):  # type: ignore[no-untyped-def]
    sizes, pivots, work = inverse_buffers(x[0])
    for k in range(x.shape[0]):
        invert(x[k], sizes, pivots, work)


def inverse(x: np.ndarray) -> np.ndarray:
    """Inverse of complex (…, n, n); NaN where a matrix is singular."""
    n = x.shape[-1]
    out = np.array(x, order="C", copy=True).reshape(-1, n, n)
    _inverse_stack(out)
    return out.reshape(x.shape)
