"""The transmission from lead s into lead d, and its adjoint: two thin solves and no Jacobian.

    T = tr[Γ_d x Γ_s x†],   x = G_ds on the orbitals the leads touch                            (forward)
    dT = Re tr(x̄†dx) + tr(Γ̄_d dΓ_d) + tr(Γ̄_s dΓ_s),   dx = −E_d† G dA G E_s                    (tangent)
    columns X = G E_s 2Γ_s,  rows R = T̄ x†Γ_d E_d† G                                            (moving the factors)
    Ā_kl = −(X_l R_k)†,   Γ̄_d = T̄ x Γ_s x†,   Γ̄_s = T̄ x†Γ_d x                                  (pullback)

Sources: Caroli et al., J. Phys. C 4, 916 (1971); Fisher and Lee, Phys. Rev. B 23, 6851 (1981);
docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .block_solve import solve_columns, solve_rows
from .left_connected import Folded, last_of, left_connected, sweep
from .open_system import BlockMatrix, OpenSystem, Reversed
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep


def transmission(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """T(E) = tr[Γ_d G_ds Γ_s G_ds†] from lead `source` into lead `drain`: (E,), real.

    One block is in hand at a time: about seven blocks' worth of memory, whatever the length of the device.
    """
    a: BlockMatrix = system
    first, last = system.blocks[source], system.blocks[drain]
    if first > last:
        a, first, last = Reversed(a), a.n_blocks - 1 - first, a.n_blocks - 1 - last
    g, w = last_of(sweep(Folded(a, last), columns=(first, system.unit_columns(source))))
    return _trace(system, source, drain, system.restrict_rows(g @ w, drain))


def transmission_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission` and its pullback T̄ (E,) → `SystemCotangent`.

    Kept for the pullback: the left-connected factors, 16 E Σ n_i² bytes in double precision. The pullback itself holds
    the carried right-hand sides besides, 16 E m Σ n_i bytes for leads that touch m orbitals.
    """
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
