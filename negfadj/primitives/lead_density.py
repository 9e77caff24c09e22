"""The density injected by one lead, diag(G Γ_s G†)/2π.

    D_a = (X Γ_s X†)_aa / 2π,   𝒜 = diag(D̄)/2π in the pullback of the scattering states

Derivation: docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .open_system import OpenSystem
from .population import by_block
from .sampled_outer import outer_diagonal
from .scattering import ScatteringStates, channel_states, pull_scattering_states
from .system_cotangent import SystemAccumulator, SystemCotangent

TWO_PI = 6.283185307179586


def lead_density(system: OpenSystem, /, *, source: int) -> Array:
    """diag(G Γ_s G†)/2π of every orbital, (E, n_orbitals) [1/eV], per spin."""
    return density_of(channel_states(system, source)[0])


def lead_density_vjp(system: OpenSystem, /, *, source: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`lead_density` and its pullback. Kept: the left-connected factors and the scattering states."""
    states, factors = channel_states(system, source)

    def lead_density_pullback(d_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        sampled = sample_density(states, by_block(system, d_bar))
        pull_scattering_states(accumulator, factors, states, {i: adjoint(x) for i, x in enumerate(sampled)})
        return accumulator.finish()

    return density_of(states), lead_density_pullback


def density_of(states: ScatteringStates) -> Array:
    """(X γ X†)_aa / 2π of every orbital, (E, n_orbitals)."""
    xp = array_namespace(states.blocks[0])
    shares = [xp.real(outer_diagonal(states.weighted(i), x)) for i, x in enumerate(states.blocks)]
    return xp.concat(shares, axis=-1) / TWO_PI


def sample_density(states: ScatteringStates, weights: Sequence[Array]) -> list[Array]:
    """𝒜X block by block, (E, n_i, r), for the cotangent D̄ cut into blocks."""
    return [(weight / TWO_PI)[:, :, None] * x for weight, x in zip(weights, states.blocks)]
