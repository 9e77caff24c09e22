"""The local density of states of every orbital, Mulliken's share of the spectral function A = i(G − G†).

    D_a = Re (A S)_aa / 2π = −Im [(G S)_aa + (S G)_aa] / 2π,   Σ_a D_a = −Im tr(G S)/π           (forward)
    L = Σ_a D̄_a D_a = Re tr(i (D̄ S)_h G)/π,  (D̄ S)_h = (D̄ S + S D̄)/2,  D̄ = diag(D̄_a)          (tangent)
    Ḡ = −i (D̄ S)_h/π,   Ā = −G†Ḡ G†,   S̄ += −i (G†D̄ + D̄ G†)/2π on the pattern                (pullback)

In an orthogonal basis D_a = −Im G_aa/π. The off-diagonal blocks of G enter wherever S has any: leaving them out, as is
often done, is 6–8 % wrong for third-neighbour graphene. Derivation: docs/adjoints/density-of-states.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array import adjoint, array_namespace, device_of
from ..typing import Array
from .congruence import selected_congruence
from .left_connected import left_connected
from .open_system import Blocks, OpenSystem
from .selected_inverse import InverseBlocks, selected_inverse
from .system_cotangent import SystemAccumulator, SystemCotangent

PI = 3.141592653589793


def local_density_of_states(system: OpenSystem, /) -> Array:
    """D_a(E) of every orbital, (E, n_orbitals) [1/eV], per spin."""
    return _local(system, left_connected(system))


def local_density_of_states_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`local_density_of_states` and its pullback. Kept: the left-connected factors, 16 E Σ n_i² bytes.

    The pullback holds as much again for the connected blocks of its congruence.
    """
    factors = left_connected(system)

    def local_density_of_states_pullback(d_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        weights = _by_block(system, d_bar)
        source = _source(system, weights)
        # Ā = −G†ḠG† = −(G Ḡ†G)†: the congruence over A itself, daggered
        for row in selected_congruence(system, factors, source, system, factors):
            accumulator.dense(row.i, row.i, adjoint(row.diagonal))
            if row.upper is not None:
                accumulator.dense(row.i + 1, row.i, adjoint(row.upper))
                accumulator.dense(row.i, row.i + 1, adjoint(row.lower))
        if system.overlap is not None:
            for row in selected_inverse(system, factors):
                _add_direct(accumulator, weights, row)
        return accumulator.finish()

    return _local(system, factors), local_density_of_states_pullback


def density_of_states(system: OpenSystem, /) -> Array:
    """−Im tr(G S)/π, (E,) [1/eV], per spin."""
    return array_namespace(system.z).sum(local_density_of_states(system), axis=-1)


def density_of_states_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`density_of_states` and its pullback: that of the local density with equal weights."""
    xp = array_namespace(system.z)
    local, local_pullback = local_density_of_states_vjp(system)

    def density_of_states_pullback(d_bar: Array, wrt: Any = "all") -> SystemCotangent:
        return local_pullback(xp.broadcast_to(d_bar[:, None], local.shape), wrt)

    return xp.sum(local, axis=-1), density_of_states_pullback


def _local(system: OpenSystem, factors: list[Array]) -> Array:
    xp = array_namespace(system.z)
    shares: list[Array | None] = [None] * system.n_blocks
    overlap = system.overlap

    def add(i: int, share: Array) -> None:
        old = shares[i]
        shares[i] = share if old is None else old + share

    for row in selected_inverse(system, factors):
        if overlap is None:
            add(row.i, xp.linalg.diagonal(row.diagonal))
            continue
        i = row.i
        add(i, _both_products(row.diagonal, overlap.diagonal[i]))
        if row.upper is not None:  # (G S)_ii += G_{i,i+1} S_{i+1,i};  (S G)_ii += S_{i,i+1} G_{i+1,i}; …
            up, down = overlap.upper[i], overlap.lower_block(i)
            add(i, _half_products(row.upper, down, row.lower, up))
            add(i + 1, _half_products(row.lower, up, row.upper, down))
    return -xp.imag(xp.concat(shares, axis=-1)) / PI


def _both_products(g: Array, s: Array) -> Array:
    """Diagonal of (G S + S G)/2."""
    return _half_products(g, s, g, s)


def _half_products(g: Array, s: Array, g_back: Array, s_back: Array) -> Array:
    """Diagonal of (G S + S' G')/2."""
    xp = array_namespace(g)
    right = xp.sum(g * xp.matrix_transpose(s), axis=-1)
    left = xp.sum(xp.matrix_transpose(g_back) * s_back, axis=-1)
    return (right + left) / 2


def _by_block(system: OpenSystem, d_bar: Array) -> list[Array]:
    offsets = system.hamiltonian.offsets
    return [d_bar[:, a:b] for a, b in zip(offsets, offsets[1:])]


def _source(system: OpenSystem, weights: list[Array]) -> Blocks:
    """Q = −Ḡ†, with Ḡ† = i (D̄ S† + S† D̄)†/2π = i (S D̄ + D̄ S)/2π block by block."""
    xp, overlap = array_namespace(system.z), system.overlap
    factor = -1j / (2 * PI)
    n_blocks = system.n_blocks
    if overlap is None:
        ones = [xp.eye(w.shape[-1], dtype=system.z.dtype, device=device_of(w)) for w in weights]
        return Blocks(
            [(2 * factor) * (w[:, :, None] * one) for w, one in zip(weights, ones)],
            [None] * (n_blocks - 1),
            [None] * (n_blocks - 1),
        )

    def weighted(s: Array, left: Array, right: Array) -> Array:
        return factor * (left[:, :, None] * s + s * right[:, None, :])

    return Blocks(
        [weighted(overlap.diagonal[i], weights[i], weights[i]) for i in range(n_blocks)],
        [weighted(overlap.upper[i], weights[i], weights[i + 1]) for i in range(n_blocks - 1)],
        [weighted(overlap.lower_block(i), weights[i + 1], weights[i]) for i in range(n_blocks - 1)],
    )


def _add_direct(accumulator: SystemAccumulator, weights: list[Array], row: InverseBlocks) -> None:
    """S̄_kl += −i Σ_E [(G_lk)† D̄_l + D̄_k (G_lk)†]/2π."""
    xp = array_namespace(row.diagonal)

    def direct(g: Array, left: Array, right: Array) -> Array:
        dagger = adjoint(g)
        return xp.sum((-1j / (2 * PI)) * (left[:, :, None] * dagger + dagger * right[:, None, :]), axis=0)

    i = row.i
    accumulator.add_overlap(i, i, direct(row.diagonal, weights[i], weights[i]))
    if row.upper is not None:
        accumulator.add_overlap(i, i + 1, direct(row.lower, weights[i], weights[i + 1]))
        accumulator.add_overlap(i + 1, i, direct(row.upper, weights[i + 1], weights[i]))
