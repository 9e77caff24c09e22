"""The transmission from lead s into lead d, and its adjoint: two thin solves and no Jacobian.

    T = tr[Γ_d x Γ_s x†],   x = G_ds on the orbitals the leads touch                            (forward)
    dT = Re tr(x̄†dx) + tr(Γ̄_d dΓ_d) + tr(Γ̄_s dΓ_s),   dx = −E_d† G dA G E_s                    (tangent)
    columns X = G E_s 2Γ_s,  rows R = T̄ x†Γ_d E_d† G                                            (moving the factors)
    Ā_kl = −(X_l R_k)†,   Γ̄_d = T̄ x Γ_s x†,   Γ̄_s = T̄ x†Γ_d x                                  (pullback)

Columns are taken for the open channels of the source alone where these are few, Γ_s = W W† and x = E_d†G E_s W
(`channels`).

Sources: Caroli et al., J. Phys. C 4, 916 (1971); Fisher and Lee, Phys. Rev. B 23, 6851 (1981);
docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .channels import Channels, channels_of, varied_channels_of
from .condensation import Levels, condensed
from .left_connected import Factors, Folded, last_of, left_connected, regular, sweep
from .open_system import OpenSystem, Reversed
from .refined_solve import grown_energies, index_of, put_at, size_of
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .reflection import Reflection, pull_reflection, reflection_of, reflection_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, joined_cotangents, pair_sweep
from .whole_sweep import Source, SweepBlock, sweep_blocks, whole_sweep

NEAR_LEVEL = 1e4  # |Σ_i|/|A| of orbitals eliminated ahead: some 1e-12 of T are lost below


def transmission(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """T(E) = tr[Γ_d G_ds Γ_s G_ds†] from lead `source` into lead `drain`: (E,), real.

    One block is in hand at a time: about seven blocks' worth of memory, whatever the length of the device. Energies
    at which a pivot is nearly singular are done again, with refinement.
    """
    xp = array_namespace(system.z)
    a: Any = system
    first, last = system.blocks[source], system.blocks[drain]
    if first > last:
        a, first, last = Reversed(a), a.n_blocks - 1 - first, a.n_blocks - 1 - last
    if last < a.n_blocks - 1:
        if not bool(xp.all(xp.imag(system.z) > 0)):  # off the real axis no pivot is above 1/Im z
            return _refined_transmission(system, source, drain)
        channels = channels_of(system, source)
        g, w = last_of(sweep(Folded(a, last), columns=(first, channels.columns)))
        return _trace(system, channels, drain, system.restrict_rows(g @ w, drain))
    small = condensed(system)
    value, growth = _swept(system, source, drain, None) if small is None else _swept(small[0], source, drain, small[1])
    if small is not None:
        is_near = small[1].largest > NEAR_LEVEL * size_of(system)
        growth = xp.where(is_near, xp.full_like(growth, float("inf")), growth)
    grown = grown_energies(system, growth)
    if not grown:
        return value
    return put_at(value, grown, _refined_transmission(system.at(index_of(grown, system.z)), source, drain))


def _swept(system: OpenSystem, source: int, drain: int, levels: Levels | None) -> tuple[Array, Array]:
    """T in one sweep that ends at the drain, on the last block or the first, and the largest entry of all pivots."""
    channels, first, last = channels_of(system, source), system.blocks[source], system.blocks[drain]
    is_reversed = first > last
    given = sweep_blocks(Reversed(system) if is_reversed else system)
    assert given is not None  # it is made of an OpenSystem
    z, blocks = given
    first = system.n_blocks - 1 - first if is_reversed else first
    made: Iterable[SweepBlock] = blocks if levels is None else levels.into(blocks, is_reversed=is_reversed)
    found = whole_sweep(z, made, sources=[Source(first, channels.columns, 0)], keep=False)
    g = regular(found.factors[-1], system.diagonal(last))
    value = _trace(system, channels, drain, system.restrict_rows(g @ found.w, drain))
    return value, found.growth


def _refined_transmission(system: OpenSystem, source: int, drain: int) -> Array:
    channels = channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    return _trace(system, channels, drain, lead_to_lead(system, factors, channels, drain))


def transmission_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission` and its pullback T̄ (E,) → `SystemCotangent`.

    Kept for the pullback: at most the left-connected factors, 16 E Σ n_i² bytes in double precision; of real systems
    with two leads the columns of one of them (`reflection`).
    """
    reflection = reflection_of(system)
    if reflection is None:
        channels = varied_channels_of(system, source)
        factors = left_connected(system, (system.blocks[source], channels.columns))
        x = lead_to_lead(system, factors, channels, drain)
        return _trace(system, channels, drain, x), _from_both(system, channels, factors, x, drain)
    xp, (x, value, other) = array_namespace(system.z), _transmitted(system, reflection)

    def both(part: Reflection, at: OpenSystem, x: Array) -> Callable[..., SystemCotangent]:
        return _from_both(at, part.channels, part.factors, x, other, part.columns)

    def one(part: Reflection, at: OpenSystem) -> Callable[..., SystemCotangent]:
        return partial(pull_reflection, at, part.channels, part.columns, part.rho)

    lost = reflection.lost(value)
    if not lost:
        return value, one(reflection, system)
    if 4 * len(lost) > system.n_energies:  # two parts are not worth their calls
        return value, both(reflection, system, x)
    found = [e for e in range(system.n_energies) if e not in lost]
    at_lost, at_found = index_of(lost, system.z), index_of(found, system.z)
    pull_lost = both(reflection.at(at_lost), system.at(at_lost), xp.take(x, at_lost, axis=0))
    pull_found = one(replace(reflection, factors=Factors()).at(at_found), system.at(at_found))

    def transmission_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        parts = (pull_lost, at_lost), (pull_found, at_found)
        return joined_cotangents([pull(xp.take(t_bar, at), wrt) for pull, at in parts], (*lost, *found))

    return value, transmission_pullback


def _from_both(
    system: OpenSystem,
    channels: Channels,
    factors: Factors,
    x: Array,
    drain: int,
    columns: Iterable[tuple[int, Array]] | None = None,
) -> Callable[..., SystemCotangent]:
    """The pullback by columns from the source and rows from the drain: these are kept, or the factors if fewer."""
    at_source, at_drain = system.blocks[channels.lead], system.blocks[drain]
    sizes = system.hamiltonian.block_sizes
    is_thin = 2 * x.shape[-1] * sum(sizes) <= sum(n * n for n in sizes)

    def solved(factors: Factors, columns: Iterable[tuple[int, Array]] | None = None) -> tuple[Any, Any]:
        return columns or injected(system, factors, channels), _rows(system, factors, x, drain)

    kept = [list(found) for found in solved(factors, columns)] if is_thin else None
    alone = Factors() if is_thin else factors.alone()
    del factors, columns

    def transmission_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator, t_bar = SystemAccumulator(system, wrt), t_bar[:, None, None]
        states, co_states = kept or solved(alone)
        for i, columns, rows in pair_sweep(accumulator, states, ((i, t_bar * r) for i, r in co_states)):
            if accumulator.wants_all and i == at_source:  # R = (2 T̄ x†Γ_d) G_d: twice the rows of Γ̄_s
                accumulator.add_broadening(channels.lead, channels.broadening_bar(system, adjoint(rows) / 2))
            if accumulator.wants_all and i == at_drain:  # X = G_s Γ_s: columns of Γ̄_d / T̄
                accumulator.add_broadening(drain, system.spread_hermitian(t_bar * (columns @ adjoint(x)), drain))
        return accumulator.finish()

    return transmission_pullback


def transmission_sensitivity(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """dT(E)/dV_a for a potential energy V_a on every orbital (H_aa → H_aa + V_a), (E, n_orbitals) [1/eV].

    The scanning-gate map: Re (X R)_aa of the pullback above with T̄ = 1, energy by energy.
    """
    reflection = reflection_of(system)
    if reflection is None:
        channels = channels_of(system, source)
        factors = left_connected(system, (system.blocks[source], channels.columns))
        return _map_from_both(system, channels, factors, lead_to_lead(system, factors, channels, drain), drain)
    x, value, other = _transmitted(system, reflection)
    found = _diagonals(reflection.columns, reflection_rows(reflection.columns, reflection.rho))
    lost = reflection.lost(value)
    if not lost:
        return found
    at = index_of(lost, system.z)
    part, x = reflection.at(at), array_namespace(x).take(x, at, axis=0)
    return put_at(found, lost, _map_from_both(system.at(at), part.channels, part.factors, x, other))


def _map_from_both(system: OpenSystem, channels: Channels, factors: Factors, x: Array, drain: int) -> Array:
    return _diagonals(injected(system, factors, channels), _rows(system, factors, x, drain))


def _diagonals(columns: Iterable[tuple[int, Array]], rows: Iterable[tuple[int, Array]]) -> Array:
    """Re (X R)_aa of all blocks, (E, n_orbitals)."""
    pairs = [(x, r) for (_, x), (_, r) in zip(columns, rows)][::-1]
    xp = array_namespace(pairs[0][0])
    return xp.concat([xp.sum(xp.real(x * xp.matrix_transpose(r)), axis=-1) for x, r in pairs], axis=-1)


def _transmitted(system: OpenSystem, reflection: Reflection) -> tuple[Array, Array, int]:
    """x on the orbitals the other lead touches, T, and that lead."""
    other = 1 - reflection.channels.lead
    x = system.restrict_rows(reflection.columns[system.n_blocks - 1 - system.blocks[other]][1], other)
    return x, _trace(system, reflection.channels, other, x), other


def _rows(system: OpenSystem, factors: Factors, x: Array, drain: int) -> Iterator[tuple[int, Array]]:
    """R = 2x†Γ_d E_d†G, block by block from the last."""
    source = 2 * adjoint(x) @ system.broadening(drain) @ adjoint(system.unit_columns(drain))
    return solve_rows(system, factors, {system.blocks[drain]: source})


def injected(system: OpenSystem, factors: Factors, channels: Channels) -> Iterator[tuple[int, Array]]:
    """Yield (i, X_i), X = G W γ, for i = N − 1, …, 0; from W carried along in `factors` where it is."""
    columns = channels.weighted(channels.columns)
    carried = factors.carried if channels.gamma is None else None
    return solve_columns(system, factors, {system.blocks[channels.lead]: columns}, carried)


def lead_to_lead(system: OpenSystem, factors: Sequence[Array], channels: Channels, drain: int) -> Array:
    """x = G_ds W on the orbitals that the drain touches, (E, m_d, r), by the shorter of columns and rows."""
    at_source, at_drain = system.blocks[channels.lead], system.blocks[drain]
    if at_drain >= at_source:
        carried = getattr(factors, "carried", None)
        columns = solve_columns(system, factors, {at_source: channels.columns}, carried)
        return next(system.restrict_rows(x, drain) for i, x in columns if i == at_drain)
    rows = solve_rows(system, factors, {at_drain: adjoint(system.unit_columns(drain))})
    return next(r for i, r in rows if i == at_source) @ channels.columns


def _trace(system: OpenSystem, channels: Channels, drain: int, x: Array) -> Array:
    """tr[Γ_d x γ x†] from x on the orbitals the drain touches: a sum of squares, which no rounding makes negative."""
    xp, to = array_namespace(x), channels_of(system, drain)
    if to.factor is not None and channels.gamma is None:
        t = adjoint(to.factor) @ x
        return xp.sum(xp.real(t * xp.conj(t)), axis=(-2, -1))
    through = system.broadening(drain) @ channels.weighted(x)
    return xp.sum(xp.real(through * xp.conj(x)), axis=(-2, -1))
