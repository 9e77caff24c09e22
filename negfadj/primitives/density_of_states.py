"""The local density of states of every orbital, Mulliken's share of the spectral function A = i(G − G†).

    D_a = Re (A S)_aa / 2π = −Im p_a/π,   p_a = [(G S)_aa + (S G)_aa]/2,   Σ_a D_a = −Im tr(G S)/π      (forward)
    p̄_a = −i D̄_a/π                                                                                     (pullback)

In an orthogonal basis D_a = −Im G_aa/π. The off-diagonal blocks of G enter wherever S has any: leaving them out, as is
often done, is 6–8 % wrong for third-neighbour graphene. Derivation: docs/adjoints/density-of-states.md.
"""

from __future__ import annotations

from collections.abc import Callable

from ..array import array_namespace
from ..typing import Array
from .open_system import OpenSystem
from .population import population, population_vjp
from .system_cotangent import SystemCotangent

PI = 3.141592653589793


def local_density_of_states(system: OpenSystem, /) -> Array:
    """D_a(E) of every orbital, (E, n_orbitals) [1/eV], per spin."""
    return -array_namespace(system.z).imag(population(system)) / PI


def local_density_of_states_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`local_density_of_states` and its pullback: that of the population. Kept: as there."""
    p, population_pullback = population_vjp(system)

    def local_density_of_states_pullback(d_bar: Array, wrt: object = "all") -> SystemCotangent:
        return population_pullback(d_bar * (-1j / PI), wrt)

    return -array_namespace(system.z).imag(p) / PI, local_density_of_states_pullback


def density_of_states(system: OpenSystem, /) -> Array:
    """−Im tr(G S)/π, (E,) [1/eV], per spin."""
    return array_namespace(system.z).sum(local_density_of_states(system), axis=-1)


def density_of_states_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`density_of_states` and its pullback: that of the local density with equal weights."""
    xp = array_namespace(system.z)
    local, local_pullback = local_density_of_states_vjp(system)

    def density_of_states_pullback(d_bar: Array, wrt: object = "all") -> SystemCotangent:
        return local_pullback(xp.broadcast_to(d_bar[:, None], local.shape), wrt)

    return xp.sum(local, axis=-1), density_of_states_pullback
