"""Inverse of complex matrices by halves, nearly all of it in products; two thirds of the work where A is symmetric.

    P = A₁₁⁻¹A₁₂,  Q = A₂₁A₁₁⁻¹,  S = A₂₂ − A₂₁P;    A⁻¹ = [[A₁₁⁻¹ + P S⁻¹Q, −P S⁻¹], [−S⁻¹Q, S⁻¹]]

and the same for A₁₁ and S, down to `LEAF` rows, which Gauss–Jordan elimination with pivoting inverts. Rows are not
exchanged between the halves, so that digits are lost where A₁₁ is nearly singular. One product with a vector of signs
tells: where A (A⁻¹v) is not v to rounding, the whole matrix goes to Gauss–Jordan elimination instead. A real
Hamiltonian between real leads makes a symmetric A, where Q = Pᵀ.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), Sec. 13.3 (block LDLᵀ, its growth).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import gauss_jordan
from .blas import multiply

LEAF = 15  # rows of a part that is not halved
HALVED_FROM = 24  # rows of a matrix; Gauss–Jordan elimination is as fast below
ROUNDING = 16.0  # eps: a larger |A (A⁻¹v) − v| over n, or over |A||A⁻¹v|, is not rounding
PLAIN, TRANSPOSED = ord("N"), ord("T")
NOT_BEGUN, FIRST_HALF_DONE, BOTH_DONE = 0, 1, 2


@njit(cache=True, nogil=True)
def signs_of(n):  # type: ignore[no-untyped-def]
    """v of the check: n signs without a pattern."""
    return np.where((7 * np.arange(n) + np.arange(n) ** 2 // 3) % 2 == 0, 1.0, -1.0)


@njit(cache=True, nogil=True)
def inverse_buffers(n, like):  # type: ignore[no-untyped-def]
    """What `invert` works in for complex matrices of n rows and the dtype of `like`."""
    return (
        np.empty((n, n), like.dtype),  # the matrix, kept for the other way
        np.empty(n * n, like.dtype),  # a leaf, or two blocks off the diagonal
        np.empty((64, 3), np.int64),  # parts in hand: first row, rows, state
        signs_of(n),  # v
        np.empty(n, like.dtype),  # A⁻¹v
        np.zeros(2, np.int64),  # matrices that were halved, and those of them that went the other way
        gauss_jordan.inverse_buffers(n, like),
    )


@njit(cache=True, nogil=True)
def _is_symmetric(a):  # type: ignore[no-untyped-def]
    """Is A = Aᵀ but for what `is_inverse` would pass?"""
    n, scale = a.shape[0], 0.0
    for i in range(n):
        scale = max(scale, abs(a[i, i].real) + abs(a[i, i].imag))
    limit = ROUNDING * np.finfo(a.real.dtype).eps * scale
    for i in range(n):
        for j in range(i):
            difference = a[i, j] - a[j, i]
            if not abs(difference.real) + abs(difference.imag) <= limit:
                return False
    return True


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def is_inverse(a, x, signs, y):  # type: ignore[no-untyped-def]
    """Is A (X v) = v to rounding, for a vector of signs?"""
    n = a.shape[0]
    for i in range(n):
        re, im = 0.0, 0.0
        for j in range(n):
            re += x[i, j].real * signs[j]
            im += x[i, j].imag * signs[j]
        y[i] = complex(re, im)
    largest, length = 0.0, 0.0
    for i in range(n):
        largest = max(largest, abs(a[i, i].real) + abs(a[i, i].imag))
        length += abs(y[i].real) + abs(y[i].imag)
    limit = ROUNDING * np.finfo(a.real.dtype).eps * max(float(n), largest * length)
    for i in range(n):
        re, im = -signs[i], 0.0
        for j in range(n):
            re += a[i, j].real * y[j].real - a[i, j].imag * y[j].imag
            im += a[i, j].real * y[j].imag + a[i, j].imag * y[j].real
        if not abs(re) + abs(im) <= limit:
            return False
    return True


@njit(cache=True, nogil=True)
def _leaf(a, room, gauss_jordan_buffers):  # type: ignore[no-untyped-def]
    n = a.shape[0]
    contiguous = room[: n * n].reshape(n, n)
    contiguous[:] = a
    gauss_jordan.invert(contiguous, gauss_jordan_buffers)
    a[:] = contiguous


@njit(cache=True, nogil=True)
def _eliminate_half(a, h, symmetric, room, products):  # type: ignore[no-untyped-def]
    """A₁₁ is its inverse: A₂₁ ← Q, A₂₂ ← S, and A₁₂ ← P unless A is symmetric."""
    a11, a12, a21, a22 = a[:h, :h], a[:h, h:], a[h:, :h], a[h:, h:]
    if symmetric:  # the old A₂₁ is A₁₂ᵀ
        multiply(a12, a11, a21, 1.0, 0.0, TRANSPOSED, PLAIN, products)
        multiply(a21, a12, a22, -1.0, 1.0, PLAIN, PLAIN, products)
        return
    size = a12.size
    p, q = room[:size].reshape(a12.shape), room[size : 2 * size].reshape(a21.shape)
    multiply(a11, a12, p, 1.0, 0.0, PLAIN, PLAIN, products)
    multiply(a21, a11, q, 1.0, 0.0, PLAIN, PLAIN, products)
    multiply(a21, p, a22, -1.0, 1.0, PLAIN, PLAIN, products)
    a12[:], a21[:] = p, q


@njit(cache=True, nogil=True)
def _put_together(a, h, symmetric, room, products):  # type: ignore[no-untyped-def]
    """A₂₂ is S⁻¹: all of A ← its inverse."""
    a11, a12, a21, a22 = a[:h, :h], a[:h, h:], a[h:, :h], a[h:, h:]
    if symmetric:
        multiply(a21, a22, a12, -1.0, 0.0, TRANSPOSED, PLAIN, products)
        multiply(a12, a21, a11, -1.0, 1.0, PLAIN, PLAIN, products)
        for i in range(h):
            for j in range(a12.shape[1]):
                a21[j, i] = a12[i, j]
            for j in range(i):
                a11[i, j] = a11[j, i]
        return
    size = a12.size
    right, below = room[:size].reshape(a12.shape), room[size : 2 * size].reshape(a21.shape)
    multiply(a12, a22, right, -1.0, 0.0, PLAIN, PLAIN, products)
    multiply(right, a21, a11, -1.0, 1.0, PLAIN, PLAIN, products)
    multiply(a22, a21, below, -1.0, 0.0, PLAIN, PLAIN, products)
    a12[:], a21[:] = right, below


@njit(cache=True, nogil=True)
def _by_halves(a, symmetric, room, parts, gauss_jordan_buffers):  # type: ignore[no-untyped-def]
    products = gauss_jordan_buffers[3]
    parts[0, 0], parts[0, 1], parts[0, 2] = 0, a.shape[0], NOT_BEGUN
    depth = 1
    while depth > 0:
        first, n, state = parts[depth - 1]
        h = n // 2
        part = a[first : first + n, first : first + n]
        if n <= LEAF:
            _leaf(part, room, gauss_jordan_buffers)
            depth -= 1
        elif state == NOT_BEGUN:
            parts[depth - 1, 2] = FIRST_HALF_DONE
            parts[depth, 0], parts[depth, 1], parts[depth, 2] = first, h, NOT_BEGUN
            depth += 1
        elif state == FIRST_HALF_DONE:
            _eliminate_half(part, h, symmetric, room, products)
            parts[depth - 1, 2] = BOTH_DONE
            parts[depth, 0], parts[depth, 1], parts[depth, 2] = first + h, n - h, NOT_BEGUN
            depth += 1
        else:
            _put_together(part, h, symmetric, room, products)
            depth -= 1


@njit(cache=True, nogil=True)
def invert(a, symmetric, buffers):  # type: ignore[no-untyped-def]
    """Replace the contiguous complex matrix `a` by its inverse; by NaN when it is singular.

    A `symmetric` one is known to be so but for rounding; of others it is found out.
    """
    kept, room, parts, signs, y, counts, gauss_jordan_buffers = buffers
    n = a.shape[0]
    if n >= HALVED_FROM and 4 * counts[1] <= counts[0] + 8:  # not where most matrices go the other way
        kept = kept[:n, :n]
        kept[:] = a
        symmetric = symmetric or _is_symmetric(a)
        _by_halves(a, symmetric, room, parts, gauss_jordan_buffers)
        counts[0] += 1
        if is_inverse(kept, a, signs[:n], y):
            return
        counts[1] += 1
        a[:] = kept
        gauss_jordan.invert(a, gauss_jordan_buffers)
        if symmetric:
            for i in range(n):
                for j in range(i):
                    a[i, j] = a[j, i] = (a[i, j] + a[j, i]) / 2
        return
    gauss_jordan.invert(a, gauss_jordan_buffers)


@njit(cache=True, nogil=True)
def invert_stack(x, symmetric):  # type: ignore[no-untyped-def]
    """Replace every matrix of the contiguous complex stack (E, n, n) by its inverse."""
    buffers = inverse_buffers(x.shape[-1], x)
    for k in range(x.shape[0]):
        invert(x[k], symmetric, buffers)
