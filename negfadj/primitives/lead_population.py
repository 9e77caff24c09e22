"""Mulliken's share of every orbital in the states that each of some leads injects, A_s = G Γ_s G†.

    p_a = Re (A_s S)_aa = Re [(S X) Γ_s X†]_aa,     X = G E_s                                    (forward)
    L = Σ_a p̄_a p_a = Re tr(𝒜†A_s),   𝒜 = (P S + S P)/2,  P = diag(p̄_a)                          (pullback of X, Γ_s)
    S̄_kl += P_k A_kl on the pattern
    dX = G d(H + Σ) X:   dp_a = Re [(S dX) Γ X† + (S X) Γ dX† + (S X) dΓ X†]_aa                   (tangent)
    Re tr(𝒜 dA_s) = Re tr(M d(H + Σ)) + Re tr(B dΓ),   M = 2 X Γ R,  R = X†𝒜 G,  B = X†𝒜 X       (its transpose)

In an orthogonal basis p_a = (A_s)_aa, 2π times `lead_density`. Derivation: docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..array import adjoint, array_namespace, product, sum_of_products
from ..typing import Array
from .channels import orbitals_of
from .left_connected import left_connected
from .open_system import BlockMatrix, OpenSystem
from .population import by_block
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .sampled_outer import outer_diagonal
from .scattering import ScatteringStates, pull_scattering_states, scattering_states
from .system_cotangent import SystemAccumulator, SystemCotangent


def lead_population(system: OpenSystem, /, *, sources: Sequence[int]) -> Array:
    """p_a of every orbital for every source, (E, n_sources, n_orbitals) [1/eV], per spin."""
    factors = left_connected(system)
    found = [lead_shares(system, scattering_states(system, factors, source), source) for source in sources]
    return array_namespace(system.z).stack(found, axis=1)


def lead_population_vjp(
    system: OpenSystem, /, *, sources: Sequence[int]
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`lead_population` and its pullback. Kept: the left-connected factors and the scattering states."""
    factors = left_connected(system)
    states = {source: scattering_states(system, factors, source) for source in sources}

    def lead_population_pullback(p_bar: Array, wrt: object = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        for number, source in enumerate(sources):
            _pull(accumulator, factors, states[source], source, by_block(system, p_bar[:, number, :]))
        return accumulator.finish()

    found = [lead_shares(system, states[source], source) for source in sources]
    return array_namespace(system.z).stack(found, axis=1), lead_population_pullback


def _pull(
    accumulator: SystemAccumulator,
    factors: Sequence[Array],
    states: Sequence[Array],
    source: int,
    weights: Sequence[Array],
) -> None:
    by_orbitals = ScatteringStates(orbitals_of(accumulator.system, source), list(states))
    sampled = sample_shares(accumulator, by_orbitals, weights)
    pull_scattering_states(accumulator, factors, by_orbitals, {i: adjoint(x) for i, x in enumerate(sampled)})


def sample_shares(accumulator: SystemAccumulator, states: ScatteringStates, weights: Sequence[Array]) -> list[Array]:
    """𝒜X block by block, (E, n_i, r), for the cotangent p̄ cut into blocks; S̄ is added."""
    system = accumulator.system
    weighted = [p[:, :, None] * x for p, x in zip(weights, states.blocks)]
    if system.overlap is None:
        return weighted
    here = _times_overlap(system, weighted)
    there = [p[:, :, None] * x for p, x in zip(weights, _times_overlap(system, states.blocks))]
    if accumulator.wants_all:
        _add_direct(accumulator, weighted, states)
    return [(a + b) / 2 for a, b in zip(here, there)]


def lead_population_tangent(
    system: OpenSystem,
    factors: Sequence[Array],
    states: Sequence[Array],
    source: int,
    d_system: BlockMatrix,
    d_gamma: Array | None = None,
    /,
) -> Array:
    """dp_a (E, n_orbitals) to a change d(H + Σ) of the system, and dΓ of the source."""
    xp, gamma = array_namespace(system.z), system.broadening(source)
    moved = dict(enumerate(_times(d_system, states)))
    d_states = [x for _, x in solve_columns(system, factors, moved)][::-1]
    if system.overlap is None:  # both halves are the same
        found = [2 * xp.sum(xp.real(d * xp.conj(x @ gamma)), axis=-1) for d, x in zip(d_states, states)]
        return xp.concat(found, axis=-1)
    s_states, s_d_states = _times_overlap(system, states), _times_overlap(system, d_states)
    # Re [(S dX) Γ X† + (S X) Γ dX†]
    found = [
        xp.sum(xp.real((sd @ gamma) * xp.conj(x) + (s @ gamma) * xp.conj(d)), axis=-1)
        for sd, x, s, d in zip(s_d_states, states, s_states, d_states)
    ]
    total = xp.concat(found, axis=-1)
    if d_gamma is not None:
        total = total + xp.concat(
            [xp.sum(xp.real((s @ d_gamma) * xp.conj(x)), axis=-1) for s, x in zip(s_states, states)], axis=-1
        )
    return total


def lead_population_transposed(
    system: OpenSystem, factors: Sequence[Array], states: Sequence[Array], source: int, sampled: BlockMatrix, /
) -> Iterator[tuple[int, Array, Array]]:
    """M_kl = L_k R_l by its factors, L = 2 X Γ and R = X†𝒜 G with 𝒜 = `sampled`: (i, L_i, R_i) from the last block to
    the first. On the block of the source the columns of R on its support are B = X†𝒜 X."""
    gamma = 2 * system.broadening(source)
    for i, r in solve_rows(system, factors, {i: adjoint(x) for i, x in enumerate(_times(sampled, states))}):
        yield i, states[i] @ gamma, r


def lead_shares(system: OpenSystem, states: Sequence[Array], source: int) -> Array:
    """Re [(S X) Γ X†]_aa of one source, (E, n_orbitals)."""
    return shares_of(system, ScatteringStates(orbitals_of(system, source), list(states)))


def shares_of(system: OpenSystem, states: ScatteringStates) -> Array:
    """Re [(S X) γ X†]_aa of scattering states by orbitals or channels, (E, n_orbitals)."""
    xp, channels = array_namespace(system.z), states.channels
    found = [
        xp.real(outer_diagonal(channels.weighted(s), x))
        for s, x in zip(_times_overlap(system, states.blocks), states.blocks)
    ]
    return xp.concat(found, axis=-1)


def _times_overlap(system: OpenSystem, x: Sequence[Array]) -> Sequence[Array]:
    """S X block by block; X itself in an orthogonal basis."""
    s = system.overlap
    if s is None:
        return x
    found = [s.diagonal[i] @ xi for i, xi in enumerate(x)]
    for i in range(len(x) - 1):
        found[i] = found[i] + s.upper[i] @ x[i + 1]
        found[i + 1] = found[i + 1] + s.lower_block(i) @ x[i]
    return found


def _times(matrix: BlockMatrix, x: Sequence[Array]) -> list[Array]:
    """M X block by block; zero blocks of M may be None."""
    n_blocks = len(x)
    found = [matrix.diagonal(i) @ x[i] for i in range(n_blocks)]
    for i in range(n_blocks - 1):
        if matrix.upper(i) is not None:
            found[i] = found[i] + product(matrix.upper(i), x[i + 1])
        if matrix.lower(i) is not None:
            found[i + 1] = found[i + 1] + product(matrix.lower(i), x[i])
    return found


def _add_direct(accumulator: SystemAccumulator, weighted: Sequence[Array], states: ScatteringStates) -> None:
    """S̄_kl += Σ_E P_k X_k γ X_l† on the tridiagonal blocks."""
    turned = [states.channels.weighted(x) for x in weighted]
    n_blocks = len(turned)
    for k in range(n_blocks):
        for m in range(max(0, k - 1), min(n_blocks, k + 2)):
            accumulator.add_overlap(k, m, sum_of_products(turned[k], adjoint(states.blocks[m])))
