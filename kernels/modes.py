"""The ends of a lead from its Bloch modes, energy after energy: in real arithmetic for a real lead at a real energy.

Regular energies only: where modes stand still, sit beside a band edge, cross with opposite velocities or do not split
evenly, the answer is NaN and the reference has the word.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .lapack_leads import eigenvectors, factorise, solve_factorised

CELL_SHIFT = 0.7390851332  # of the largest entry: any number that puts no level of a cell on the energy
FACTOR_SHIFT = 1.2337005501  # off the unit circle, where no mode is likely to be
SHARED = 1e-6  # distance of two factors below which their modes may mix


@njit(cache=True, nogil=True)
def _definite(current):  # type: ignore[no-untyped-def]
    """Is a small Hermitian matrix positive definite, by Cholesky? Destroys it."""
    n = current.shape[0]
    for i in range(n):
        pivot = current[i, i].real
        scale = pivot
        for j in range(i):
            pivot -= current[i, j].real ** 2 + current[i, j].imag ** 2
        if not pivot > 1e-6 * scale:
            return False
        root = np.sqrt(pivot)
        for k in range(i + 1, n):
            entry = current[k, i]
            for j in range(i):
                entry -= current[k, j] * np.conj(current[i, j])
            current[k, i] = entry / root
        current[i, i] = root
    return True


@njit(cache=True, nogil=True)
def _clusters_agree(factors, chosen, velocity, currents, count):  # type: ignore[no-untyped-def]
    """Do propagating modes that share a factor all go one way? `currents` is −i(x†ay − h.c.) between all of them."""
    done = np.zeros(count, np.bool_)
    members = np.empty(count, np.int64)
    for i in range(count):
        if done[i]:
            continue
        size = 0
        for j in range(i, count):
            if abs(factors[chosen[i]] - factors[chosen[j]]) < SHARED:
                members[size] = j
                size += 1
                done[j] = True
        if size == 1:
            continue
        sign = 1.0 if velocity[i] > 0 else -1.0
        block = np.empty((size, size), currents.dtype)
        for p in range(size):
            for q in range(size):
                block[p, q] = sign * currents[members[p], members[q]]
        if not _definite(block):
            return False
    return True


@njit(cache=True, nogil=True)
def _ratio(top, bottom, size, pivots, info, out):  # type: ignore[no-untyped-def]
    """φ = T B⁻¹ for the modes' components in the rows of `top` and `bottom`; False when B is singular."""
    r = top.shape[0]
    if not factorise(bottom, size, pivots, info):  # by columns this is B
        return False
    for i in range(r):
        for j in range(r):
            out[i, j] = top[j, i]
    solve_factorised(True, bottom, size, pivots, size, out, info)  # Bᵀ φᵀ = Tᵀ
    return True


@njit(cache=True, nogil=True)
def _ends(a00, a, b, columns, at_real, limits, right, left, n_open):  # type: ignore[no-untyped-def]
    """`columns` (2r, n) are the transposes of U and V; `limits` the unit circle, band edge, standstill."""
    n_energies, n, r = a00.shape[0], a00.shape[-1], a.shape[-1]
    m = 2 * r
    dtype = a00.dtype
    nan = complex(np.nan, np.nan)
    conjugate = np.conj(columns)
    dyad = np.dot(columns.T, conjugate)  # UU† + VV†
    sizes = np.array([n, m, r], dtype=np.int32)
    n_, m_, r_ = sizes[0:1], sizes[1:2], sizes[2:3]
    info = np.zeros(1, np.int32)
    pivots = np.empty(max(n, m), np.int32)
    cell, solved = np.empty((n, n), dtype), np.empty((m, n), dtype)
    ports = np.empty((m, m), dtype)
    first, second = np.empty((m, m), dtype), np.empty((m, m), dtype)
    values, vectors = np.empty(m, np.complex128), np.empty((m, m), np.complex128)
    lwork = np.array([34 * m], dtype=np.int32)
    work, real_work = np.empty(34 * m, dtype), np.empty(2 * m, np.float64)
    x_out, y_out = np.empty((r, r), np.complex128), np.empty((r, r), np.complex128)
    x_in, y_in = np.empty((r, r), np.complex128), np.empty((r, r), np.complex128)
    phi = np.empty((r, r), np.complex128)
    chosen, velocity = np.empty(m, np.int64), np.empty(m, np.float64)
    for k in range(n_energies):
        right[k], left[k] = nan, nan
        ak, bk = a[k % a.shape[0]], b[k % b.shape[0]]
        shift = CELL_SHIFT * np.abs(a00[k]).max()
        for i in range(n):
            for j in range(n):
                cell[j, i] = a00[k, i, j] + shift * dyad[i, j]
        solved[:] = columns
        if not factorise(cell, n_, pivots, info):
            continue
        solve_factorised(False, cell, n_, pivots, m_, solved, info)
        np.dot(conjugate, solved.T, ports)  # W†M W
        uu_a, vu_a = np.dot(ports[:r, :r].copy(), ak), np.dot(ports[r:, :r].copy(), ak)
        uv_b, vv_b = np.dot(ports[:r, r:].copy(), bk), np.dot(ports[r:, r:].copy(), bk)
        for i in range(r):
            for j in range(r):  # λ-part in `second`, by columns; the rest − σ λ-part in `first`
                one = 1.0 if i == j else 0.0
                second[j, i], second[r + j, i] = one - shift * ports[i, j], uu_a[i, j]
                second[j, r + i], second[r + j, r + i] = -shift * ports[r + i, j], vu_a[i, j]
                first[j, i] = -uv_b[i, j] - FACTOR_SHIFT * second[j, i]
                first[r + j, i] = shift * ports[i, r + j] - FACTOR_SHIFT * second[r + j, i]
                first[j, r + i] = -vv_b[i, j] - FACTOR_SHIFT * second[j, r + i]
                first[r + j, r + i] = shift * ports[r + i, r + j] - one - FACTOR_SHIFT * second[r + j, r + i]
        if not factorise(first, m_, pivots, info):
            continue
        solve_factorised(False, first, m_, pivots, m_, second, info)
        if not np.isfinite(np.abs(second).max()):
            continue
        if not eigenvectors(second, m_, values, vectors, work, lwork, real_work, info):
            continue
        n_out = n_in = count = 0
        regular = True
        for i in range(m):
            tiny = abs(values[i]) < 1e-30
            if not tiny:
                values[i] = FACTOR_SHIFT + 1 / values[i]
            off = 1.0 if tiny else abs(abs(values[i]) - 1)
            if at_real and off < limits[0]:
                chosen[count] = i
                count += 1
                continue
            if at_real and off < limits[1]:
                regular = False
                break
            if not tiny and abs(values[i]) < 1:
                if n_out < r:
                    x_out[n_out], y_out[n_out] = vectors[i, :r], vectors[i, r:]
                n_out += 1
            else:
                if n_in < r:
                    x_in[n_in], y_in[n_in] = vectors[i, :r], vectors[i, r:]
                n_in += 1
        if not regular:
            continue
        if count > 0:
            x, a_y = np.empty((count, r), np.complex128), np.empty((count, r), np.complex128)
            complex_a = ak.astype(np.complex128)
            for i in range(count):
                x[i] = np.conj(vectors[chosen[i], :r])
                a_y[i] = np.dot(complex_a, vectors[chosen[i], r:])
            current = np.dot(x, a_y.T)
            currents = -1j * (current - np.conj(current.T))
            slowest = limits[2] * np.abs(ak).max()
            for i in range(count):
                velocity[i] = currents[i, i].real
                regular = regular and abs(velocity[i]) > 4 * slowest
            if not (regular and _clusters_agree(values, chosen, velocity, currents, count)):
                continue
            for i in range(count):
                if velocity[i] > 0:
                    if n_out < r:
                        x_out[n_out], y_out[n_out] = vectors[chosen[i], :r], vectors[chosen[i], r:]
                    n_out += 1
                else:
                    if n_in < r:
                        x_in[n_in], y_in[n_in] = vectors[chosen[i], :r], vectors[chosen[i], r:]
                    n_in += 1
        if n_out != r or n_in != r:
            continue
        if not _ratio(y_out, x_out, r_, pivots, info, phi):
            continue
        right[k] = -np.dot(ak.astype(np.complex128), phi)
        if not _ratio(x_in, y_in, r_, pivots, info, phi):
            continue
        left[k] = -np.dot(bk.astype(np.complex128), phi)
        n_open[k] = count // 2


def mode_ends(
    a00: np.ndarray,
    a01: np.ndarray,
    a10: np.ndarray,
    basis: tuple[np.ndarray | None, np.ndarray | None],
    at_real_energy: bool,
    overlap: object,
    limits: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The twin of `negfadj.primitives.modes.mode_ends`; the overlap settles irregular energies only, not met here."""
    u, v = (np.eye(a00.shape[-1], dtype=a00.dtype) if x is None else x for x in basis)
    a, b = u.conj().T @ a01 @ v, v.conj().T @ a10 @ u
    n_energies, r = a00.shape[0], a.shape[-1]
    right, left = np.empty((n_energies, r, r), np.complex128), np.empty((n_energies, r, r), np.complex128)
    n_open = np.zeros(n_energies, np.int64)
    if a00.dtype != np.complex128:  # single precision is left to the reference
        right[:], left[:] = np.nan, np.nan
        return right.astype(a00.dtype), left.astype(a00.dtype), n_open
    arrays = [np.broadcast_to(a00, a00.shape), a, b, np.concatenate([u.T, v.T])]
    if not any(x.imag.any() for x in arrays):
        arrays = [x.real for x in arrays]
    _ends(*(np.ascontiguousarray(x) for x in arrays), at_real_energy, np.array(limits), right, left, n_open)
    return right, left, n_open
