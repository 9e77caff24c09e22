"""The transmission from lead s into lead d, and its adjoint: two thin solves and no Jacobian.

    T = tr[Γ_d x Γ_s x†],   x = G_ds on the orbitals the leads touch                            (forward)
    dT = Re tr(x̄†dx) + tr(Γ̄_d dΓ_d) + tr(Γ̄_s dΓ_s),   dx = −E_d† G dA G E_s                    (tangent)
    columns X = G E_s 2Γ_s,  rows R = T̄ x†Γ_d E_d† G                                            (moving the factors)
    Ā_kl = −(X_l R_k)†,   Γ̄_d = T̄ x Γ_s x†,   Γ̄_s = T̄ x†Γ_d x                                  (pullback)

Where it is switched on, the same at a real energy from the reaction matrix of the open channels
(`channel_transmission`), which is real for a real Hamiltonian; the formulae above serve every other A, and the energies
where that loses its digits.

Sources: Caroli et al., J. Phys. C 4, 916 (1971); Fisher and Lee, Phys. Rev. B 23, 6851 (1981);
docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..array import adjoint, array_namespace, identity
from ..typing import Array
from .left_connected import Folded, last_of, left_connected, sweep
from .open_system import BlockMatrix, OpenSystem, Reversed
from .reaction_matrix import Reaction, hermitian_pullback, with_fallback, with_fallback_vjp
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep


def transmission(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """T(E) = tr[Γ_d G_ds Γ_s G_ds†] from lead `source` into lead `drain`: (E,), real.

    One block is in hand at a time: about seven blocks' worth of memory, whatever the length of the device.
    """
    return with_fallback(
        system,
        partial(channel_transmission, source=source, drain=drain),
        partial(general_transmission, source=source, drain=drain),
    )


def transmission_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission` and its pullback T̄ (E,) → `SystemCotangent`.

    Kept for the pullback: the left-connected factors and the m carried columns, 16 E Σ n_i (n_i + m) bytes in double
    precision, half of it for a real Hamiltonian, where m is the number of open channels, or for a general A that of
    orbitals the leads touch.
    """
    return with_fallback_vjp(
        system,
        partial(channel_transmission_vjp, source=source, drain=drain),
        partial(general_transmission_vjp, source=source, drain=drain),
    )


def channel_transmission(reaction: Reaction, /, *, source: int, drain: int) -> Array:
    """T = tr[t†t], t = W_d†G W_s (source and drain are two leads)."""
    t = reaction.amplitudes(source, drain)
    xp = array_namespace(t)
    return xp.sum(xp.real(t * xp.conj(t)), axis=(-2, -1))


def channel_transmission_vjp(
    reaction: Reaction, /, *, source: int, drain: int
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`channel_transmission` and its pullback: `channel_pullback` with T̄ for both weights."""

    def channel_transmission_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        t, weight = reaction.amplitudes(source, drain), t_bar[:, None, None]
        at_drain, at_source = (weight * identity(n, t) for n in (t.shape[-1], t.shape[-2]))
        return channel_pullback(reaction, source, drain, weight * t, at_drain, at_source, wrt)

    return channel_transmission(reaction, source=source, drain=drain), channel_transmission_pullback


def channel_pullback(
    reaction: Reaction, source: int, drain: int, t_bar: Array, at_drain: Array, at_source: Array, wrt: Any
) -> SystemCotangent:
    """The pullback of Re tr f(tt†), t = W_d†G W_s, with D = f'(tt†), S = f'(t†t) and t̄ = D t = t S.

    Y = M_:s t̄†M_d:,  B = Y + Y†,  C = 2 Y† − 2i (M_:s S M_:s† for the drain, M_d:†D M_d: for the source).

    Parameters
    ----------
    t_bar : array, shape (E, m_d, m_s) — t̄
    at_drain, at_source : arrays, shapes (E, m_s, m_s) and (E, m_d, m_d), Hermitian — S and D
    """
    m = reaction.response
    from_source, to_drain = m[:, :, reaction.spans[source]], m[:, reaction.spans[drain], :]
    y = from_source @ adjoint(t_bar) @ to_drain
    lead_weights = [2 * adjoint(y)] * len(reaction.spans)
    lead_weights[drain] = lead_weights[drain] - 2j * (from_source @ at_drain @ adjoint(from_source))
    lead_weights[source] = lead_weights[source] - 2j * (adjoint(to_drain) @ at_source @ to_drain)
    return hermitian_pullback(reaction, y + adjoint(y), tuple(lead_weights), wrt)


def general_transmission(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """`transmission` for a general complex A: one block in hand off the real axis, where no pivot is above 1/Im z."""
    if not bool(array_namespace(system.z).all(array_namespace(system.z).imag(system.z) > 0)):
        return _trace(system, source, drain, lead_to_lead(system, left_connected(system), source, drain))
    a: BlockMatrix = system
    first, last = system.blocks[source], system.blocks[drain]
    if first > last:
        a, first, last = Reversed(a), a.n_blocks - 1 - first, a.n_blocks - 1 - last
    g, w = last_of(sweep(Folded(a, last), columns=(first, system.unit_columns(source))))
    return _trace(system, source, drain, system.restrict_rows(g @ w, drain))


def general_transmission_vjp(
    system: OpenSystem, /, *, source: int, drain: int
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission_vjp` for a general complex A."""
    factors, x = _factors_and_block(system, source, drain)
    value = _trace(system, source, drain, x)

    def transmission_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        gamma_s, gamma_d = system.broadening(source), system.broadening(drain)
        columns = system.unit_columns(source) @ (2 * gamma_s)
        rows = (t_bar[:, None, None] * (adjoint(x) @ gamma_d)) @ adjoint(system.unit_columns(drain))
        at_source, at_drain = system.blocks[source], system.blocks[drain]
        for i, states, co_states in pair_sweep(
            accumulator,
            solve_columns(system, factors, {at_source: columns}),
            solve_rows(system, factors, {at_drain: rows}),
        ):
            if accumulator.wants_all and i == at_source:  # R = (T̄ x†Γ_d) G_d: rows of Γ̄_s
                accumulator.add_broadening(source, system.spread_hermitian(adjoint(co_states), source))
            if accumulator.wants_all and i == at_drain:  # X = G_s 2Γ_s: columns of 2 Γ̄_d / T̄
                half = (t_bar[:, None, None] / 2) * (states @ adjoint(x))
                accumulator.add_broadening(drain, system.spread_hermitian(half, drain))
        return accumulator.finish()

    return value, transmission_pullback


def transmission_sensitivity(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """dT(E)/dV_a for a potential energy V_a on every orbital (H_aa → H_aa + V_a), (E, n_orbitals) [1/eV].

    The scanning-gate map: Re (X R)_aa of the pullback above with T̄ = 1, energy by energy, in one backward sweep.
    """
    return with_fallback(
        system,
        partial(_channel_sensitivity, source=source, drain=drain),
        partial(_general_sensitivity, source=source, drain=drain),
        keep=True,
    )


def _channel_sensitivity(reaction: Reaction, *, source: int, drain: int) -> Array:
    """diag(X B X†) with T̄ = 1."""
    m = reaction.response
    y = m[:, :, reaction.spans[source]] @ adjoint(reaction.amplitudes(source, drain)) @ m[:, reaction.spans[drain], :]
    return reaction.diagonal(y + adjoint(y))


def _general_sensitivity(system: OpenSystem, *, source: int, drain: int) -> Array:
    xp = array_namespace(system.z)
    factors = left_connected(system)
    x = lead_to_lead(system, factors, source, drain)
    columns = system.unit_columns(source) @ (2 * system.broadening(source))
    rows = (adjoint(x) @ system.broadening(drain)) @ adjoint(system.unit_columns(drain))
    found = [
        xp.sum(xp.real(states * xp.matrix_transpose(co_states)), axis=-1)
        for (_, states), (_, co_states) in zip(
            solve_columns(system, factors, {system.blocks[source]: columns}),
            solve_rows(system, factors, {system.blocks[drain]: rows}),
        )
    ]
    return xp.concat(found[::-1], axis=-1)


def _factors_and_block(system: OpenSystem, source: int, drain: int) -> tuple[list[Array], Array]:
    """The left-connected factors and x = G_ds, carried along in the same sweep where the drain is on the last block."""
    factors: list[Array] = []
    carried: Any = None
    columns = (system.blocks[source], system.unit_columns(source))
    in_one_sweep = system.blocks[drain] == system.n_blocks - 1
    for g, w in sweep(system, columns=columns if in_one_sweep else None):
        factors.append(g)
        carried = w
    if in_one_sweep:
        return factors, system.restrict_rows(factors[-1] @ carried, drain)
    return factors, lead_to_lead(system, factors, source, drain)


def lead_to_lead(system: OpenSystem, factors: Sequence[Array], source: int, drain: int) -> Array:
    """G_ds on the orbitals that the leads touch, (E, m_d, m_s), by the shorter of columns and rows."""
    at_source, at_drain = system.blocks[source], system.blocks[drain]
    if at_drain >= at_source:
        columns = solve_columns(system, factors, {at_source: system.unit_columns(source)})
        return next(system.restrict_rows(x, drain) for i, x in columns if i == at_drain)
    rows = solve_rows(system, factors, {at_drain: adjoint(system.unit_columns(drain))})
    return next(system.restrict_columns(r, source) for i, r in rows if i == at_source)


def _trace(system: OpenSystem, source: int, drain: int, x: Array) -> Array:
    xp = array_namespace(x)
    through = system.broadening(drain) @ x @ system.broadening(source)
    return xp.sum(xp.real(through * xp.conj(x)), axis=(-2, -1))
