"""The local density of states of every orbital, Mulliken's share of the spectral function A = i(G − G†).

    D_a = Re (A S)_aa / 2π = −Im p_a/π,   p_a = [(G S)_aa + (S G)_aa]/2,   Σ_a D_a = −Im tr(G S)/π      (forward)
    p̄_a = −i D̄_a/π                                                                                     (pullback)

In an orthogonal basis D_a = −Im G_aa/π. The off-diagonal blocks of G enter wherever S has any: leaving them out, as is
often done, is 6–8 % wrong for third-neighbour graphene.

Where nothing but the leads broadens, A = Σ_l X_l γ X_l† by their scattering states. These are refined at energies where
the elimination loses digits, and blocks of G are not. Derivation: docs/adjoints/density-of-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..array import array_namespace
from ..typing import Array
from .lead_population import shares_of
from .lead_states import lead_states, leads_are_all
from .left_connected import left_connected
from .open_system import OpenSystem
from .population import by_block, pull_population, shares
from .refined_solve import grown_of, index_of, put_at
from .scattering import ScatteringStates
from .selected_inverse import selected_inverse
from .system_cotangent import SystemAccumulator, SystemCotangent

PI = 3.141592653589793


def local_density_of_states(system: OpenSystem, /) -> Array:
    """D_a(E) of every orbital, (E, n_orbitals) [1/eV], per spin."""
    return density(system, left_connected(system))


def local_density_of_states_vjp(system: OpenSystem, /) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`local_density_of_states` and its pullback: that of the population. Kept: the left-connected factors."""
    factors = left_connected(system)

    def local_density_of_states_pullback(d_bar: Array, wrt: object = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        pull_density(accumulator, factors, d_bar)
        return accumulator.finish()

    return density(system, factors), local_density_of_states_pullback


def density(system: OpenSystem, factors: Sequence[Array], /) -> Array:
    """−Im [(G S)_aa + (S G)_aa]/2π from the blocks of G, (E, n_orbitals); by states where the pivots have grown."""
    value = -array_namespace(system.z).imag(shares(system, selected_inverse(system, factors))) / PI
    grown = grown_of(system, factors) if leads_are_all(system) else []
    if not grown:
        return value
    again = system.at(index_of(grown, system.z))
    return put_at(value, grown, density_by_states(again, *lead_states(again, range(len(again.blocks)))))


def density_by_states(
    system: OpenSystem, states: Mapping[int, ScatteringStates], factors: Sequence[Array], /
) -> Array:
    """Σ_l Re (X_l γ X_l† S)_aa / 2π of all leads, (E, n_orbitals); NaN where A is singular.

    A state that no lead reaches is in none of their spectral functions: the last factor tells of it.
    """
    xp = array_namespace(system.z)
    total = sum(shares_of(system, of_lead) for of_lead in states.values())
    is_regular = xp.all(xp.isfinite(factors[-1]), axis=(-2, -1))
    return xp.where(is_regular[:, None], total, xp.full_like(total, float("nan"))) / (2 * PI)


def pull_density(accumulator: SystemAccumulator, factors: Sequence[Array], d_bar: Array, /) -> None:
    """Add the cotangents of the local density of states by those of the population."""
    pull_population(accumulator, factors, by_block(accumulator.system, d_bar * (-1j / PI)))


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
