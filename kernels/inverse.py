"""Inverse of every matrix of a stack: zgetrf + zgetri one matrix after the other, without NumPy's identity right-hand side.

8 n³ real operations against the 32 n³/3 of a solve with the identity, and no Python between matrices.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def _inverse_stack(x: np.ndarray, out: np.ndarray) -> None:
    for k in range(x.shape[0]):
        try:
            out[k] = np.linalg.inv(x[k])
        except Exception:  # a singular matrix: NaN, as the caller's checks expect
            out[k] = np.nan


def inverse(x: np.ndarray) -> np.ndarray:
    """Inverse of (…, n, n); NaN where a matrix is singular."""
    n = x.shape[-1]
    stack = np.ascontiguousarray(x).reshape(-1, n, n)
    out = np.empty_like(stack)
    _inverse_stack(stack, out)
    return out.reshape(x.shape)
