"""The surface function from the Bloch modes of the lead, at η = 0 too.

A mode ψ_j = λ^j ψ solves (A10 + λ A00 + λ² A01) ψ = 0. The hopping has rank r: A01 = U a V†, A10 = V b U† with
orthonormal U, V (n × r). With x = U†ψ/λ, y = V†ψ and M = [A00 + i(U U† + V V†)]⁻¹ this is a linear eigenproblem of
size 2r (the added i(UU† + VV†) keeps M regular where an isolated cell has a level),

    λ [ x + U†M(U a y − iU x) ] = U†M(−V b x + iV y)
    λ [     V†M(U a y − iU x) ] = V†M(−V b x + iV y) − y

The r modes that decay into the lead, |λ| < 1, or carry current into it, |λ| = 1 and velocity v = 2 Im(x†a y) > 0, give

    g = (A00 + U [a Y X⁻¹] U†)⁻¹,     X = (x_1 … x_r),  Y = (y_1 … y_r).

The other r, which go the other way, are those of the mirrored lead: its surface function is (A00 + V [b X Y⁻¹] V†)⁻¹.

Only the span of the r modes matters: among the propagating ones the velocity matrix V = −i(X†aY − h.c.) is diagonalised
and its positive part taken. Where bands cross, at one λ with opposite velocities, V c = v N c with the norm
N = ψ†(S00 + λ S01 + S01†/λ)ψ of the crossing modes: those are the combinations that E + iη splits.

Sources: Ando, Phys. Rev. B 44, 8017 (1991); Groth et al., New J. Phys. 16, 063065 (2014), Sec. 2.4;
docs/adjoints/surface-green.md.
"""

from __future__ import annotations

from typing import NamedTuple

from ..array import Kernel, adjoint, array_namespace, device_of, eig, eigh, identity, inverse, is_single
from ..typing import Array

SHIFT = 1.1718281828 * complex(0.8253356149, 0.5646424734)  # a point no mode sits on, off the unit circle
UNIT_CIRCLE = 1e-7  # ||λ| − 1| below which a mode at η = 0 propagates
UNIT_CIRCLE_SINGLE = 2e-3
ALIKE = 1e-6  # norm of the difference of two modes below which they are one
STANDSTILL = 1e-5  # velocity relative to the hopping below which a mode stands still: within 1e-10 of a band edge
STANDSTILL_SINGLE = 1e-3
NEAR_EDGE = 1e-5  # ||λ| − 1| of a decaying mode that is within 1e-10 of a band edge
NEAR_EDGE_SINGLE = 4e-3


class HoppingBasis(NamedTuple):
    """Orthonormal U (n, r) and V (n, r) with A01 = U (U†A01V) V† at every energy; both None for r = n, U = V = 1."""

    left: Array | None
    right: Array | None


class Modes(NamedTuple):
    """Bloch factors λ (E, 2r), mode vectors (x; y) (E, 2r, 2r) in columns, which of them propagate (E, 2r), at which
    energies one hardly decays, (E,): just beyond a band edge, and the norms N (E, 2r, 2r) of modes that share a λ,
    None where none do."""

    factors: Array
    vectors: Array
    propagating: Array
    near_edge: Array
    norms: Array | None


def hopping_basis(hopping: Array, overlap_hopping: Array | None, dtype: object) -> HoppingBasis:
    """Bases of the column and row space of z S01 − H01 for any z: rank r of the pair (H01, S01)."""
    xp = array_namespace(hopping)
    parts = [hopping]
    if overlap_hopping is not None:
        parts.append(overlap_hopping)
    left, left_values, _ = xp.linalg.svd(xp.concat(parts, axis=1), full_matrices=False)
    _, right_values, right = xp.linalg.svd(xp.concat(parts, axis=0), full_matrices=False)
    tolerance = 16 * hopping.shape[0] * (1.2e-7 if is_single(left) else 2.2e-16) * float(left_values[0])
    rank = max(
        int(xp.sum(xp.astype(left_values > tolerance, xp.int64))),
        int(xp.sum(xp.astype(right_values > tolerance, xp.int64))),
    )
    if rank == hopping.shape[0]:
        return HoppingBasis(None, None)
    return HoppingBasis(xp.astype(left[:, :rank], dtype), xp.astype(adjoint(right[:rank, :]), dtype))


def compressed(left: Array | None, x: Array, right: Array | None) -> Array:
    """L†x R, with None for an identity."""
    x = x if left is None else adjoint(left) @ x
    return x if right is None else x @ right


def spread(left: Array | None, x: Array, right: Array | None) -> Array:
    """L x R†, with None for an identity."""
    x = x if left is None else left @ x
    return x if right is None else x @ adjoint(right)


def bloch_modes(
    a00: Array,
    a01: Array,
    a10: Array,
    basis: HoppingBasis,
    *,
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None = None,
) -> Modes:
    """All 2r modes of the lead, in the reduced form (x; y); `overlap` are S00 and S01, None for an orthogonal basis."""
    xp = array_namespace(a00)
    u, v = basis
    a, b = compressed(u, a01, v), compressed(v, a10, u)
    one = identity(a.shape[-1], a00)
    m = inverse(a00 + 1j * (spread(u, one, u) + spread(v, one, v)))
    uu, vu, uv, vv = (compressed(x, m, y) for x, y in ((u, u), (v, u), (u, v), (v, v)))
    with_lambda = _block2x2(one - 1j * uu, uu @ a, -1j * vu, vu @ a)
    without = _block2x2(-uv @ b, 1j * uv, -vv @ b, 1j * vv - one)
    # 1/(λ − σ): finite for every mode, λ = 0 and λ = ∞ among them
    inverted, vectors = eig(inverse(without - SHIFT * with_lambda) @ with_lambda)
    tiny = xp.abs(inverted) < 1e-30
    factors = SHIFT + 1 / xp.where(tiny, xp.full_like(inverted, 1e-30), inverted)
    tolerance = UNIT_CIRCLE_SINGLE if is_single(a00) else UNIT_CIRCLE
    off_circle = xp.abs(xp.abs(factors) - 1)
    propagating = (off_circle < tolerance) if at_real_energy else xp.zeros_like(tiny)
    beyond = (off_circle < (NEAR_EDGE_SINGLE if is_single(a00) else NEAR_EDGE)) & ~propagating
    near_edge = xp.any(beyond, axis=-1) & at_real_energy
    norms = None
    shared = _shared_factors(factors, propagating, tolerance)
    if shared is not None:
        x, y = vectors[:, : a.shape[-1], :], vectors[:, a.shape[-1] :, :]
        bloch = xp.where(propagating, factors, xp.ones_like(factors))[:, None, :]
        into = m if u is None else m @ u
        out_of = m if v is None else m @ v
        cells = out_of @ (1j * y - b @ x) - bloch * (into @ (a @ y - 1j * x))  # ψ, (E, n, 2r)
        weighted = cells
        if overlap is not None:
            s00, s01 = overlap
            weighted = s00 @ cells + bloch * (s01 @ cells) + (adjoint(s01) @ cells) / bloch
        product = adjoint(cells) @ weighted
        one = identity(factors.shape[-1], a00)
        norms = xp.where(shared, (product + adjoint(product)) / 2, xp.broadcast_to(one, product.shape))
    return Modes(factors, vectors, propagating, near_edge, norms)


def _shared_factors(factors: Array, propagating: Array, tolerance: float) -> Array | None:
    """Which pairs of propagating modes have the same λ (each with itself too), (E, 2r, 2r); None when no two do."""
    xp = array_namespace(factors)
    close = xp.abs(factors[:, :, None] - factors[:, None, :]) < tolerance
    close = close & propagating[:, :, None] & propagating[:, None, :]
    pairs = int(xp.sum(xp.astype(close, xp.int64)))
    return close if pairs > int(xp.sum(xp.astype(propagating, xp.int64))) else None


def mode_ends(
    a00: Array,
    a01: Array,
    a10: Array,
    basis: HoppingBasis,
    *,
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None = None,
) -> tuple[Array, Array, Array]:
    """What the half-infinite rows of cells beyond and before a cell put on it, −aYX⁻¹ and −bXY⁻¹, (E, r, r) each.

    The third result are the open channels, (E,). NaN at a band edge, where a velocity is zero.
    """
    xp = array_namespace(a00)
    circle = UNIT_CIRCLE_SINGLE if is_single(a00) else UNIT_CIRCLE
    limits = (circle, NEAR_EDGE, STANDSTILL)
    right, left, n_open = _KERNEL(a00, a01, a10, basis, at_real_energy, overlap, limits)
    irregular = ~xp.all(xp.isfinite(right) & xp.isfinite(left), axis=(-2, -1))
    if not bool(xp.any(irregular)):
        return right, left, n_open
    where = xp.nonzero(irregular)[0]
    b00, b01, b10 = (x if x.shape[0] == 1 else xp.take(x, where, axis=0) for x in (a00, a01, a10))
    again = _mode_ends(b00, b01, b10, basis, at_real_energy, overlap, limits)
    if where.shape[0] == right.shape[0]:
        return again
    right, left, n_open = (replaced(x, where, y) for x, y in zip((right, left, n_open), again))
    return right, left, n_open


def _mode_ends(
    a00: Array,
    a01: Array,
    a10: Array,
    basis: HoppingBasis,
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None,
    limits: tuple[float, float, float],
) -> tuple[Array, Array, Array]:
    """Both ends at any energy; the twin leaves the irregular ones to it, and `limits` are the twin's."""
    modes = bloch_modes(a00, a01, a10, basis, at_real_energy=at_real_energy, overlap=overlap)
    return *ends_from_modes(a01, a10, modes, basis), count_open(modes)


def replaced(x: Array, where: Array, new: Array) -> Array:
    """`x` with the rows `where` of its first axis replaced."""
    xp = array_namespace(x)
    index = xp.arange(x.shape[0], device=device_of(x))
    hits = index[:, None] == where[None, :]
    place = xp.sum(xp.astype(hits, xp.int64) * xp.arange(where.shape[0], device=device_of(x))[None, :], axis=1)
    is_new = xp.reshape(xp.any(hits, axis=1), (x.shape[0], *([1] * (x.ndim - 1))))
    return xp.where(is_new, xp.take(new, place, axis=0), x)


def ends_from_modes(a01: Array, a10: Array, modes: Modes, basis: HoppingBasis) -> tuple[Array, Array]:
    """−aYX⁻¹ of the modes that leave the device and −bXY⁻¹ of those that reach it, (E, r, r); NaN at a band edge."""
    xp = array_namespace(modes.vectors)
    u, v = basis
    a, b = compressed(u, a01, v), compressed(v, a10, u)
    rank = a.shape[-1]
    x, y = modes.vectors[:, :rank, :], modes.vectors[:, rank:, :]
    squared = xp.abs(modes.factors) ** 2
    decaying = (1 - squared) / (1 + squared)
    current = adjoint(x) @ a @ y
    velocity = -1j * (current - adjoint(current))
    both = modes.propagating[:, :, None] & modes.propagating[:, None, :]
    zero = xp.zeros_like(decaying)
    diagonal = xp.where(modes.propagating, zero, decaying)[:, :, None] * identity(2 * rank, modes.vectors)
    # decaying and outgoing modes have positive eigenvalues, growing and incoming ones negative
    alike = None
    current_matrix = xp.where(both, velocity, diagonal)
    if modes.norms is None:
        signs, mixing = eigh(current_matrix)
    else:  # V c = v N c
        scale = 1 / xp.sqrt(xp.real(xp.linalg.diagonal(modes.norms)))
        scale = xp.astype(scale, a.dtype)
        weights, vectors = eigh(scale[:, :, None] * modes.norms * scale[:, None, :])
        alike = xp.min(weights, axis=-1) < ALIKE  # two modes that are one: a band edge, not a crossing
        weights = xp.where(weights > ALIKE, weights, xp.full_like(weights, ALIKE))
        to_modes = scale[:, :, None] * vectors / xp.astype(xp.sqrt(weights), a.dtype)[:, None, :]
        signs, mixing = eigh(adjoint(to_modes) @ current_matrix @ to_modes)
        mixing = to_modes @ mixing
    incoming, outgoing = mixing[:, :, :rank], mixing[:, :, rank:]
    propagates = xp.any(modes.propagating, axis=-1)
    slowest = xp.min(xp.where(propagates[:, None], xp.abs(signs), xp.ones_like(signs)), axis=-1)
    at_edge = slowest < (STANDSTILL_SINGLE if is_single(a) else STANDSTILL) * xp.max(xp.abs(a), axis=(-2, -1))
    at_edge = at_edge | modes.near_edge if alike is None else at_edge | modes.near_edge | alike
    right = -(a @ ((y @ outgoing) @ inverse(x @ outgoing)))
    left = -(b @ ((x @ incoming) @ inverse(y @ incoming)))
    nothing = xp.full_like(right, complex("nan+nanj"))
    right, left = (xp.where(at_edge[:, None, None], nothing, end) for end in (right, left))
    return right, left


def count_open(modes: Modes) -> Array:
    """Open channels: half the modes on the unit circle, (E,)."""
    xp = array_namespace(modes.factors)
    return xp.sum(xp.astype(modes.propagating, xp.int64), axis=-1) // 2


def _block2x2(a: Array, b: Array, c: Array, d: Array) -> Array:
    xp = array_namespace(a)
    return xp.concat([xp.concat([a, b], axis=-1), xp.concat([c, d], axis=-1)], axis=-2)


_KERNEL = Kernel("mode_ends", _mode_ends, numba="modes:mode_ends")
