"""Mulliken's share of every orbital in the Green's function at complex energies.

    p_a(z) = [(G S)_aa + (S G)_aa]/2,     G = A⁻¹                                                (forward)
    L = Re Σ_a p̄_a* p_a = Re tr(Ḡ†G),    Ḡ† = (P* S + S P*)/2,  P = diag(p̄_a)                   (tangent)
    Ā = −G†Ḡ G†,   S̄ += (G†P + P G†)/2 on the pattern                                            (pullback)
    dG = G dH G for a Hermitian change of H at fixed S and Σ                                     (tangent to H)
    Σ_a p̄_a dp_a = tr(M dH),   M = G 𝒜 G,  𝒜 = (P S + S P)/2                                     (its transpose)

For dH_ab = S_ab (u_a + u_b)/2 tangent and transpose are one map, u ↦ shares of G (D S + S D)/2 G with D = diag(u).

In an orthogonal basis p_a = G_aa. −Im p_a/π at real energies is the local density of states; the sum over the poles of
the Fermi function is the charge in equilibrium. Derivation: docs/adjoints/density-of-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..array import adjoint, array_namespace, device_of
from ..typing import Array
from .congruence import selected_congruence
from .left_connected import left_connected
from .open_system import BlockMatrix, Blocks, OpenSystem
from .selected_inverse import InverseBlocks, selected_inverse
from .system_cotangent import SystemAccumulator, SystemCotangent


def population(system: OpenSystem, /) -> Array:
    """p_a of every orbital, (E, n_orbitals), complex [1/eV], per spin."""
    return shares(system, selected_inverse(system, left_connected(system)))


def population_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`population` and its pullback. Kept: the left-connected factors, 16 E Σ n_i² bytes.

    The pullback holds as much again for the connected blocks of its congruence.
    """
    factors = left_connected(system)

    def population_pullback(p_bar: Array, wrt: object = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        pull_population(accumulator, factors, by_block(system, p_bar))
        return accumulator.finish()

    return shares(system, selected_inverse(system, factors)), population_pullback


def pull_population(accumulator: SystemAccumulator, factors: Sequence[Array], weights: list[Array], /) -> None:
    """Add the cotangents of the population, for p̄ cut into blocks."""
    system = accumulator.system
    # Ā = −G†ḠG† = −(G Ḡ†G)†: the congruence over A itself, daggered
    for row in selected_congruence(system, factors, _source(system, weights), system, factors):
        accumulator.dense(row.i, row.i, adjoint(row.diagonal))
        if row.upper is not None:
            accumulator.dense(row.i + 1, row.i, adjoint(row.upper))
            accumulator.dense(row.i, row.i + 1, adjoint(row.lower))
    if system.overlap is not None and accumulator.wants_all:
        for row in selected_inverse(system, factors):
            _add_direct(accumulator, weights, row)


def population_tangent(system: OpenSystem, factors: Sequence[Array], d_hamiltonian: BlockMatrix, /) -> Array:
    """dp_a = [(dG S)_aa + (S dG)_aa]/2 with dG = G dH G, (E, n_orbitals); S and the leads do not move."""
    return shares(system, selected_congruence(system, factors, d_hamiltonian, system, factors))


def shares(system: OpenSystem, rows: Iterable[InverseBlocks]) -> Array:
    """[(G S)_aa + (S G)_aa]/2 from the tridiagonal blocks of G (or of dG), from the last block to the first."""
    xp = array_namespace(system.z)
    found: list[Array | None] = [None] * system.n_blocks
    overlap = system.overlap

    def add(i: int, share: Array) -> None:
        old = found[i]
        found[i] = share if old is None else old + share

    for row in rows:
        if overlap is None:
            add(row.i, xp.linalg.diagonal(row.diagonal))
            continue
        i = row.i
        add(i, _half_products(row.diagonal, overlap.diagonal[i], row.diagonal, overlap.diagonal[i]))
        if row.upper is not None:  # (G S)_ii += G_{i,i+1} S_{i+1,i};  (S G)_ii += S_{i,i+1} G_{i+1,i}; …
            up, down = overlap.upper[i], overlap.lower_block(i)
            add(i, _half_products(row.upper, down, row.lower, up))
            add(i + 1, _half_products(row.lower, up, row.upper, down))
    return xp.concat(found, axis=-1)


def _half_products(g: Array, s: Array, g_back: Array, s_back: Array) -> Array:
    """Diagonal of (G S + S' G')/2."""
    xp = array_namespace(g)
    right = xp.sum(g * xp.matrix_transpose(s), axis=-1)
    left = xp.sum(xp.matrix_transpose(g_back) * s_back, axis=-1)
    return (right + left) / 2


def by_block(system: OpenSystem, p_bar: Array) -> list[Array]:
    """A number per orbital, (E, n_orbitals), cut into the blocks of the device."""
    offsets = system.hamiltonian.offsets
    return [p_bar[:, a:b] for a, b in zip(offsets, offsets[1:])]


def _source(system: OpenSystem, weights: list[Array]) -> Blocks:
    """Q = −Ḡ† = −(P* S + S P*)/2 block by block."""
    xp, overlap = array_namespace(system.z), system.overlap
    conjugate = [xp.conj(w) for w in weights]
    n_blocks = system.n_blocks
    if overlap is None:
        ones = [xp.eye(w.shape[-1], dtype=system.z.dtype, device=device_of(w)) for w in weights]
        diagonal = [-w[:, :, None] * one for w, one in zip(conjugate, ones)]
        return Blocks(diagonal, [None] * (n_blocks - 1), [None] * (n_blocks - 1))

    def weighted(s: Array, left: Array, right: Array) -> Array:
        return -(left[:, :, None] * s + s * right[:, None, :]) / 2

    return Blocks(
        [weighted(overlap.diagonal[i], conjugate[i], conjugate[i]) for i in range(n_blocks)],
        [weighted(overlap.upper[i], conjugate[i], conjugate[i + 1]) for i in range(n_blocks - 1)],
        [weighted(overlap.lower_block(i), conjugate[i + 1], conjugate[i]) for i in range(n_blocks - 1)],
    )


def _add_direct(accumulator: SystemAccumulator, weights: list[Array], row: InverseBlocks) -> None:
    """S̄_kl += Σ_E [(G_lk)† P_l + P_k (G_lk)†]/2."""
    xp = array_namespace(row.diagonal)

    def direct(g: Array, left: Array, right: Array) -> Array:
        dagger = adjoint(g)
        return xp.sum((left[:, :, None] * dagger + dagger * right[:, None, :]) / 2, axis=0)

    i = row.i
    accumulator.add_overlap(i, i, direct(row.diagonal, weights[i], weights[i]))
    if row.upper is not None:
        accumulator.add_overlap(i, i + 1, direct(row.lower, weights[i], weights[i + 1]))
        accumulator.add_overlap(i + 1, i, direct(row.upper, weights[i + 1], weights[i]))
