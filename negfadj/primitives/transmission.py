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

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .channels import Channels, channels_of
from .left_connected import Factors, Folded, last_of, left_connected, regular, sweep
from .open_system import OpenSystem, Reversed
from .refined_solve import grown_energies, grown_of, index_of, put_at
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep
from .whole_sweep import Source, sweep_blocks, whole_sweep


def transmission(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """T(E) = tr[Γ_d G_ds Γ_s G_ds†] from lead `source` into lead `drain`: (E,), real.

    One block is in hand at a time: about seven blocks' worth of memory, whatever the length of the device. Energies
    at which a pivot is nearly singular are done again, with refinement.
    """
    xp, channels = array_namespace(system.z), channels_of(system, source)
    a: Any = system
    first, last = system.blocks[source], system.blocks[drain]
    if first > last:
        a, first, last = Reversed(a), a.n_blocks - 1 - first, a.n_blocks - 1 - last
    if last < a.n_blocks - 1:
        if not bool(xp.all(xp.imag(system.z) > 0)):  # off the real axis no pivot is above 1/Im z
            return _refined_transmission(system, source, drain)
        g, w = last_of(sweep(Folded(a, last), columns=(first, channels.columns)))
        return _trace(system, channels, drain, system.restrict_rows(g @ w, drain))
    given = sweep_blocks(a)
    assert given is not None  # a is an OpenSystem
    found = whole_sweep(*given, sources=[Source(first, channels.columns, 0)], keep=False)
    g = regular(found.factors[-1], a.diagonal(last))
    value = _trace(system, channels, drain, system.restrict_rows(g @ found.w, drain))
    grown = grown_energies(system, found.growth)
    if not grown:
        return value
    return put_at(value, grown, _refined_transmission(system.at(index_of(grown, system.z)), source, drain))


def _refined_transmission(system: OpenSystem, source: int, drain: int) -> Array:
    channels = channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    return _trace(system, channels, drain, lead_to_lead(system, factors, channels, drain))


def transmission_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission` and its pullback T̄ (E,) → `SystemCotangent`.

    Kept for the pullback: the left-connected factors and the m carried columns, 16 E Σ n_i (n_i + m) bytes in double
    precision, where m is the number of open channels, or of orbitals the source touches.
    """
    channels = channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    x = lead_to_lead(system, factors, channels, drain)
    value = _trace(system, channels, drain, x)

    def transmission_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        at_source, at_drain = system.blocks[source], system.blocks[drain]
        weight = 2 * t_bar[:, None, None] * (adjoint(x) @ system.broadening(drain))
        for i, states, co_states in pair_sweep(
            accumulator,
            injected(system, factors, channels),
            solve_rows(system, factors, {at_drain: weight @ adjoint(system.unit_columns(drain))}),
        ):
            if accumulator.wants_all and i == at_source:  # R = (2 T̄ x†Γ_d) G_d: twice the rows of Γ̄_s
                accumulator.add_broadening(source, channels.broadening_bar(system, adjoint(co_states) / 2))
            if accumulator.wants_all and i == at_drain:  # X = G_s Γ_s: columns of Γ̄_d / T̄
                sampled = t_bar[:, None, None] * (states @ adjoint(x))
                accumulator.add_broadening(drain, system.spread_hermitian(sampled, drain))
        return accumulator.finish()

    return value, transmission_pullback


def transmission_sensitivity(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """dT(E)/dV_a for a potential energy V_a on every orbital (H_aa → H_aa + V_a), (E, n_orbitals) [1/eV].

    The scanning-gate map: Re (X R)_aa of the pullback above with T̄ = 1, energy by energy, in one backward sweep.
    """
    xp, channels = array_namespace(system.z), channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    x = lead_to_lead(system, factors, channels, drain)
    rows = (2 * adjoint(x) @ system.broadening(drain)) @ adjoint(system.unit_columns(drain))
    found = [
        xp.sum(xp.real(states * xp.matrix_transpose(co_states)), axis=-1)
        for (_, states), (_, co_states) in zip(
            injected(system, factors, channels), solve_rows(system, factors, {system.blocks[drain]: rows})
        )
    ]
    return xp.concat(found[::-1], axis=-1)


def injected(system: OpenSystem, factors: Factors, channels: Channels) -> Iterator[tuple[int, Array]]:
    """Yield (i, X_i), X = G W γ, for i = N − 1, …, 0; `factors` have carried W along."""
    columns = channels.weighted(channels.columns)
    carried = factors.carried if channels.gamma is None else None
    return solve_columns(system, factors, {system.blocks[channels.lead]: columns}, carried)


def lead_to_lead(system: OpenSystem, factors: Sequence[Array], channels: Channels, drain: int) -> Array:
    """x = G_ds W on the orbitals that the drain touches, (E, m_d, r), by the shorter of columns and rows."""
    at_source, at_drain = system.blocks[channels.lead], system.blocks[drain]
    w = getattr(factors, "w", None)
    if w is not None and at_drain == system.n_blocks - 1 and not grown_of(system, factors):
        return system.restrict_rows(factors[-1] @ w, drain)
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
