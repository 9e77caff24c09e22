"""The partition noise of two leads, Σ_n T_n(1 − T_n) over the transmission eigenvalues, without finding them.

    N = tr[M] − tr[M²],   M = Γ_d x Γ_s x†                                                          (forward)
    dN = Re tr[(1 − 2M) dM]
    x̄ = 2 Γ_d (1 − 2 x Γ_s x†Γ_d) x Γ_s N̄,   Γ̄_d = N̄ (B − 2 B Γ_d B),  B = x Γ_s x†
    Γ̄_s = N̄ (C − 2 C Γ_s C),  C = x†Γ_d x                                                         (pullback)

It is the transmission's pullback with Γ_d replaced by Γ_d (1 − 2 B Γ_d) on the drain. Sources: Büttiker, Phys. Rev.
Lett. 65, 2901 (1990); docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..array import adjoint, array_namespace, identity
from ..typing import Array
from .left_connected import left_connected
from .open_system import OpenSystem
from .reaction_matrix import Reaction, with_fallback, with_fallback_vjp
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep
from .transmission import channel_pullback, lead_to_lead


def shot_noise(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """Σ_n T_n(1 − T_n) at every energy, (E,), real."""
    return with_fallback(
        system,
        lambda reaction: _of_amplitudes(reaction.amplitudes(source, drain)),
        lambda rest: _general_shot_noise_vjp(rest, source=source, drain=drain)[0],
    )


def shot_noise_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`shot_noise` and its pullback N̄ (E,) → `SystemCotangent`. Kept: the left-connected factors."""
    return with_fallback_vjp(
        system,
        partial(_channel_shot_noise_vjp, source=source, drain=drain),
        partial(_general_shot_noise_vjp, source=source, drain=drain),
    )


def _of_amplitudes(t: Array) -> Array:
    """tr[tt†] − tr[(tt†)²]."""
    xp = array_namespace(t)
    through = t @ adjoint(t)
    return xp.sum(xp.real(t * xp.conj(t)), axis=(-2, -1)) - xp.sum(xp.real(through * xp.conj(through)), axis=(-2, -1))


def _channel_shot_noise_vjp(
    reaction: Reaction, *, source: int, drain: int
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """D = N̄ (1 − 2tt†) and S = N̄ (1 − 2t†t) in the channels' pullback."""
    t = reaction.amplitudes(source, drain)

    def channel_shot_noise_pullback(n_bar: Array, wrt: Any = "all") -> SystemCotangent:
        weight = n_bar[:, None, None]
        at_source = weight * (identity(t.shape[-2], t) - 2 * t @ adjoint(t))
        at_drain = weight * (identity(t.shape[-1], t) - 2 * adjoint(t) @ t)
        return channel_pullback(reaction, source, drain, at_source @ t, at_drain, at_source, wrt)

    return _of_amplitudes(t), channel_shot_noise_pullback


def _general_shot_noise_vjp(
    system: OpenSystem, *, source: int, drain: int
) -> tuple[Array, Callable[..., SystemCotangent]]:
    xp = array_namespace(system.z)
    factors = left_connected(system)
    x = lead_to_lead(system, factors, source, drain)
    gamma_s, gamma_d = system.broadening(source), system.broadening(drain)
    m = gamma_d @ (x @ gamma_s @ adjoint(x))
    value = xp.sum(xp.real(xp.linalg.diagonal(m)), axis=-1) - xp.sum(xp.real(m * xp.matrix_transpose(m)), axis=(-2, -1))

    def shot_noise_pullback(n_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        weighted = n_bar[:, None, None] * ((identity(m.shape[-1], m) - 2 * m) @ gamma_d)  # N̄ (Γ_d − 2 Γ_d B Γ_d)
        columns = system.unit_columns(source) @ (2 * gamma_s)
        rows = (adjoint(x) @ weighted) @ adjoint(system.unit_columns(drain))
        at_source, at_drain = system.blocks[source], system.blocks[drain]
        damped = n_bar[:, None, None] * (identity(m.shape[-1], m) - 2 * m)  # x†(1 − 2 Γ_d B) closes Γ̄_d
        for i, states, co_states in pair_sweep(
            accumulator,
            solve_columns(system, factors, {at_source: columns}),
            solve_rows(system, factors, {at_drain: rows}),
        ):
            if accumulator.wants_all and i == at_source:
                accumulator.add_broadening(source, system.spread_hermitian(adjoint(co_states), source))
            if accumulator.wants_all and i == at_drain:
                half = (states @ adjoint(x) / 2) @ damped
                accumulator.add_broadening(drain, system.spread_hermitian(half, drain))
        return accumulator.finish()

    return value, shot_noise_pullback
