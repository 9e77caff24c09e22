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
from typing import Any

from ..array import adjoint, array_namespace, identity
from ..typing import Array
from .channels import varied_channels_of
from .left_connected import left_connected
from .open_system import OpenSystem
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep
from .transmission import injected, lead_to_lead


def shot_noise(system: OpenSystem, /, *, source: int, drain: int) -> Array:
    """Σ_n T_n(1 − T_n) at every energy, (E,), real."""
    return shot_noise_vjp(system, source=source, drain=drain)[0]


def shot_noise_vjp(system: OpenSystem, /, *, source: int, drain: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`shot_noise` and its pullback N̄ (E,) → `SystemCotangent`. Kept: the left-connected factors."""
    xp, channels = array_namespace(system.z), varied_channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    x = lead_to_lead(system, factors, channels, drain)
    factors = factors.alone()
    gamma_d = system.broadening(drain)
    m = gamma_d @ (channels.weighted(x) @ adjoint(x))
    value = xp.sum(xp.real(xp.linalg.diagonal(m)), axis=-1) - xp.sum(xp.real(m * xp.matrix_transpose(m)), axis=(-2, -1))

    def shot_noise_pullback(n_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        damped = n_bar[:, None, None] * (identity(m.shape[-1], m) - 2 * m)  # N̄ (1 − 2 Γ_d B)
        rows = (2 * adjoint(x) @ (damped @ gamma_d)) @ adjoint(system.unit_columns(drain))
        at_source, at_drain = system.blocks[source], system.blocks[drain]
        for i, states, co_states in pair_sweep(
            accumulator, injected(system, factors, channels), solve_rows(system, factors, {at_drain: rows})
        ):
            if accumulator.wants_all and i == at_source:
                accumulator.add_broadening(source, channels.broadening_bar(system, adjoint(co_states) / 2))
            if accumulator.wants_all and i == at_drain:  # x†(1 − 2 Γ_d B) closes Γ̄_d
                sampled = (states @ adjoint(x)) @ damped
                accumulator.add_broadening(drain, system.spread_hermitian(sampled, drain))
        return accumulator.finish()

    return value, shot_noise_pullback
