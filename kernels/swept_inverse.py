"""Inverses of small symmetric complex matrices, many energies side by side: the innermost loop runs over energies.

    for every p:  s = −A_:p / A_pp,   A_ij += s_i A_pj,   A_:p ← −s,   A_pp ← −1/A_pp          (in the end −A⁻¹)

Only the lower triangle is touched, half the work of elimination, and a processor's vectors hold one entry at several
energies. There is no pivoting: A (A⁻¹v) of a vector of signs v tells where digits were lost, and those matrices are
inverted one by one (`halved_inverse`).

Source: the sweep operator, Goodnight, Am. Stat. 33, 149 (1979).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit

from . import halved_inverse
from .halved_inverse import is_inverse, signs_of

SWEPT_UP_TO = 24  # rows; halves are as fast above
LANES = 32  # energies side by side: their matrices stay in cache
VECTOR = 8  # numbers in the processor's longest vectors
FEWEST = 8  # energies, below which the lanes are empty
FAST = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _swept(re, im, column_re, column_im, scaled_re, scaled_im, m):  # type: ignore[no-untyped-def]
    """The lower triangles (n, n, m) become those of −A⁻¹."""
    n = re.shape[0]
    for p in range(n):
        d_re, d_im = re[p, p], im[p, p]
        for k in range(m):
            x, y = d_re[k], d_im[k]
            size = x * x + y * y
            d_re[k], d_im[k] = -x / size, y / size
        for i in range(n):
            if i == p:  # left by `continue`: inside an `if` the loops over energies are not made vectors of
                continue
            row, column = max(i, p), min(i, p)
            a_re, a_im = re[row, column], im[row, column]
            c_re, c_im, s_re, s_im = column_re[i], column_im[i], scaled_re[i], scaled_im[i]
            for k in range(m):
                c_re[k], c_im[k] = a_re[k], a_im[k]
                s_re[k] = a_re[k] * d_re[k] - a_im[k] * d_im[k]
                s_im[k] = a_re[k] * d_im[k] + a_im[k] * d_re[k]
            for k in range(m):
                a_re[k], a_im[k] = -s_re[k], -s_im[k]
        for i in range(n):
            if i == p:
                continue
            s_re, s_im = scaled_re[i], scaled_im[i]
            for j in range(i + 1):
                if j == p:
                    continue
                a_re, a_im, c_re, c_im = re[i, j], im[i, j], column_re[j], column_im[j]
                for k in range(m):
                    a_re[k] += s_re[k] * c_re[k] - s_im[k] * c_im[k]
                    a_im[k] += s_re[k] * c_im[k] + s_im[k] * c_re[k]


@njit(cache=True, nogil=True)
def _swept_stack(a, signs, is_lost, growth):  # type: ignore[no-untyped-def]
    """Replace the matrices of the stack (E, n, n) by their inverses, `LANES` at a time, but those that are lost."""
    n_energies, n = a.shape[0], a.shape[1]
    shape, like = (n, LANES), a.real.dtype  # made here: where they come from outside, they may overlap to the compiler
    re, im, x = np.empty((n, n, LANES), like), np.empty((n, n, LANES), like), np.empty((n, n), a.dtype)
    columns = np.empty(shape, like), np.empty(shape, like), np.empty(shape, like), np.empty(shape, like)
    y = np.empty(n, a.dtype)
    for first in range(0, n_energies, LANES):
        m = min(LANES, n_energies - first)
        filled = -(-m // VECTOR) * VECTOR  # the last matrix again in the lanes left over
        for k in range(filled):
            matrix = a[first + min(k, m - 1)]
            for i in range(n):
                for j in range(i + 1):
                    re[i, j, k], im[i, j, k] = matrix[i, j].real, matrix[i, j].imag
        _swept(re, im, *columns, filled)
        for k in range(m):
            largest = a.real.dtype.type(0)
            for i in range(n):
                for j in range(i + 1):
                    x[i, j] = x[j, i] = complex(-re[i, j, k], -im[i, j, k])
                    largest = max(largest, re[i, j, k] ** 2 + im[i, j, k] ** 2)
            is_lost[first + k] = not is_inverse(a[first + k], x, signs, y)
            if not is_lost[first + k]:
                a[first + k] = x
                growth[first + k] = max(growth[first + k], np.sqrt(largest))


@njit(cache=True, nogil=True)
def _grown(a, growth):  # type: ignore[no-untyped-def]
    for k in range(a.shape[0]):
        largest = a.real.dtype.type(0)
        for i in range(a.shape[1]):
            for j in range(a.shape[2]):
                size = a[k, i, j].real ** 2 + a[k, i, j].imag ** 2
                if not size <= largest:
                    largest = size if size == size else np.inf
        growth[k] = max(growth[k], np.sqrt(largest))


def invert_stack(a: np.ndarray, symmetric: bool, growth: np.ndarray) -> None:
    """Replace every matrix of the contiguous complex stack (E, n, n) by its inverse; by NaN when it is singular.

    `symmetric` ones are known to be so but for rounding. `growth`, (E,), becomes the larger of itself and the largest
    entry, infinite where one is NaN.
    """
    if not (symmetric and a.shape[1] <= SWEPT_UP_TO and a.shape[0] >= FEWEST):
        halved_inverse.invert_stack(a, symmetric)
        _grown(a, growth)
        return
    is_lost = np.empty(a.shape[0], np.bool_)
    _swept_stack(a, _signs(a.shape[1]), is_lost, growth)
    if is_lost.any():
        lost, grown = a[is_lost], growth[is_lost]
        halved_inverse.invert_stack(lost, True)
        _grown(lost, grown)
        a[is_lost], growth[is_lost] = lost, grown


@cache
def _signs(n: int) -> np.ndarray:
    return signs_of(n)  # type: ignore[no-any-return]
