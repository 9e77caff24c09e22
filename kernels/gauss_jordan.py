"""Inverse by Gauss–Jordan elimination with partial pivoting, by halves of the columns: nearly all work in products.

    columns K are eliminated: A → A with the inverse of their pivot rows in their place     (an "exchange")
    exchange(left half);  right half += left · (its pivot rows of the right half);  exchange(right half);  and back

2 n³ operations as in LAPACK's getrf and getri, but half of them in products of inner dimension n/2, a quarter in such
of n/4, and so on; the innermost panels of `PANEL` columns stay in registers.

Source: the exchange (sweep) operator, Goodnight, Am. Stat. 33, 149 (1979); the halving is Toledo's for LU, SIAM J.
Matrix Anal. Appl. 18, 1065 (1997).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .blas import multiply, product_buffers

PANEL = 8  # columns eliminated one by one
PLAIN = ord("N")


@njit(cache=True, nogil=True)
def inverse_buffers(n, like):  # type: ignore[no-untyped-def]
    """What `invert` works in for matrices of n rows and the dtype of `like`."""
    return (
        np.empty((n, PANEL), like.dtype),
        np.empty(n * n, like.dtype),  # pivot rows of the other half
        np.empty(n, np.int64),
        product_buffers(like),
    )


@njit(cache=True, nogil=True)
def _exchange_panel(a, start, stop, panel, pivots):  # type: ignore[no-untyped-def]
    """Eliminate the columns start … stop − 1; pivot rows are swapped into place in all columns. False if singular."""
    n, width = a.shape[0], stop - start
    for i in range(n):
        for j in range(width):
            panel[i, j] = a[i, start + j]
        for j in range(width, PANEL):
            panel[i, j] = 0
    for k in range(width):
        row, best = start + k, start + k
        most = -1.0
        for i in range(row, n):
            size = abs(panel[i, k].real) + abs(panel[i, k].imag)
            if size > most:
                best, most = i, size
        if not most > 0:
            return False
        pivots[row] = best
        if best != row:
            for j in range(PANEL):
                panel[row, j], panel[best, j] = panel[best, j], panel[row, j]
            for j in range(n):
                a[row, j], a[best, j] = a[best, j], a[row, j]
        inverse = 1 / panel[row, k]
        panel[row, k] = 1
        for j in range(PANEL):
            panel[row, j] *= inverse
        for i in range(n):
            if i != row:
                factor = panel[i, k]
                panel[i, k] = 0
                for j in range(PANEL):
                    panel[i, j] -= factor * panel[row, j]
    for i in range(n):
        for j in range(width):
            a[i, start + j] = panel[i, j]
    return True


@njit(cache=True, nogil=True)
def _carry_over(a, start, stop, first, last, work, products):  # type: ignore[no-untyped-def]
    """Columns first … last − 1 after the exchange of start … stop − 1: A += K (its pivot rows), those rows K alone."""
    height, width = stop - start, last - first
    rows = work[: height * width].reshape(height, width)
    for i in range(height):
        for j in range(width):
            rows[i, j] = a[start + i, first + j]
            a[start + i, first + j] = 0
    multiply(a[:, start:stop], rows, a[:, first:last], 1.0, 1.0, PLAIN, PLAIN, products)


@njit(cache=True, nogil=True)
def _exchange(a, buffers):  # type: ignore[no-untyped-def]
    """Exchange all columns: panel after panel, and after each the halves that it completes are carried over."""
    panel, work, pivots, products = buffers
    n = a.shape[0]
    for start in range(0, n, PANEL):
        stop = min(start + PANEL, n)
        if not _exchange_panel(a, start, stop, panel, pivots):
            return False
        half = PANEL
        while half < n:
            first = start // (2 * half) * (2 * half)
            middle, end = first + half, min(first + 2 * half, n)
            if start >= middle and stop == end:  # the right half is done, and with it the whole
                _carry_over(a, middle, end, first, middle, work, products)
            elif start < middle < n:  # the left half may be done
                if stop == middle:
                    _carry_over(a, first, middle, middle, end, work, products)
                break
            elif stop < n:
                break
            half *= 2
    return True


@njit(cache=True, nogil=True)
def invert(a, buffers):  # type: ignore[no-untyped-def]
    """Replace the contiguous matrix `a` by its inverse; by NaN when it is singular."""
    n, pivots = a.shape[0], buffers[2]
    if not _exchange(a, buffers):
        a *= np.nan
        return
    for k in range(n - 1, -1, -1):  # the rows' swaps are the inverse's columns'
        other = pivots[k]
        if other != k:
            for i in range(n):
                a[i, k], a[i, other] = a[i, other], a[i, k]


@njit(cache=True, nogil=True)
def invert_stack(x):  # type: ignore[no-untyped-def]
    """Replace every matrix of the contiguous stack (E, n, n) by its inverse."""
    buffers = inverse_buffers(x.shape[-1], x)
    for k in range(x.shape[0]):
        invert(x[k], buffers)
