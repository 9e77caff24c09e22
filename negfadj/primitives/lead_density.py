"""The density injected by one lead, diag(G Γ_s G†)/2π.

    D_a = (X Γ_s X†)_aa / 2π,   𝒜 = diag(D̄)/2π in the pullback of the scattering states

Derivation: docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .left_connected import left_connected
from .open_system import OpenSystem
from .reaction_matrix import with_fallback
from .scattering import pull_scattering_states, scattering_states
from .system_cotangent import SystemAccumulator, SystemCotangent

TWO_PI = 6.283185307179586


def lead_density(system: OpenSystem, /, *, source: int) -> Array:
    """diag(G Γ_s G†)/2π of every orbital, (E, n_orbitals) [1/eV], per spin."""
    return with_fallback(
        system,
        lambda reaction: reaction.diagonal(reaction.spectral(source)) / TWO_PI,
        lambda rest: _density(rest, scattering_states(rest, left_connected(rest), source), source),
        keep=True,
    )


def lead_density_vjp(system: OpenSystem, /, *, source: int) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`lead_density` and its pullback. Kept: the left-connected factors and the scattering states."""
    factors = left_connected(system)
    states = scattering_states(system, factors, source)

    def lead_density_pullback(d_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        offsets = system.hamiltonian.offsets
        sampled = {
            i: adjoint((d_bar[:, a:b] / TWO_PI)[:, :, None] * states[i])
            for i, (a, b) in enumerate(zip(offsets, offsets[1:]))
        }
        pull_scattering_states(accumulator, factors, states, source, sampled)
        return accumulator.finish()

    return _density(system, states, source), lead_density_pullback


def _density(system: OpenSystem, states: list[Array], source: int) -> Array:
    xp = array_namespace(system.z)
    gamma = system.broadening(source)
    shares = [xp.sum(xp.real((x @ gamma) * xp.conj(x)), axis=-1) for x in states]
    return xp.concat(shares, axis=-1) / TWO_PI
