"""Pivoted Cholesky elimination of every Γ of a stack, column by column: n r² operations for rank r."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _factor(gamma, smallest, out):  # type: ignore[no-untyped-def]
    """Rows of `out` (E, n, n) become the columns of W; the largest rank is returned."""
    n = gamma.shape[-1]
    diagonal = np.empty(n)
    rank = 0
    for k in range(gamma.shape[0]):
        for i in range(n):
            diagonal[i] = gamma[k, i, i].real
        count = 0
        while count < n:
            pivot = np.argmax(diagonal)
            if not diagonal[pivot] > smallest[k]:
                break
            root = np.sqrt(diagonal[pivot])
            column = out[k, count]
            for i in range(n):
                column[i] = gamma[k, i, pivot]
            for earlier in range(count):
                factor = np.conj(out[k, earlier, pivot])
                if factor != 0:
                    row = out[k, earlier]
                    for i in range(n):
                        column[i] -= row[i] * factor
            for i in range(n):
                column[i] /= root
                diagonal[i] -= column[i].real ** 2 + column[i].imag ** 2
            diagonal[pivot] = -1.0
            count += 1
        rank = max(rank, count)
        out[k, count:] = 0
    return rank


def broadening_factor(gamma: np.ndarray, smallest: np.ndarray) -> np.ndarray:
    """The twin of `negfadj.primitives.broadening_factor`: W (E, n, r)."""
    out = np.empty_like(gamma, order="C")
    rank = _factor(np.ascontiguousarray(gamma), np.ascontiguousarray(smallest), out)
    return np.ascontiguousarray(np.swapaxes(out[:, :rank, :], 1, 2))
