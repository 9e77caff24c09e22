"""Transmission, densities and bond currents of one elimination, with one pullback.

    X_l = G W_l,   A_l = X_l γ X_l† of the source s, and of every lead where the local density is asked for
    T = tr[Γ_d (A_s)_dd],   N_a = (A_s)_aa/2π,   I_ab = 2 Im(K_ab (A_s)_ba),   D_a = Re (Σ_l A_l S)_aa/2π    (forward)
    L = Σ_l Re tr(𝒜_l†A_l):   𝒜_s = T̄ E_d Γ_d E_d† + diag(N̄)/2π + 𝒜(Ī) + 𝒜(D̄),   𝒜_l = 𝒜(D̄)            (tangent)
    the scattering states' pullback of each lead once;   Γ̄_d += T̄ (A_s)_dd,  K̄ and S̄ as for each alone   (pullback)

The local density is that of the population, D_a = −Im p_a/π from the same factors, where it is asked for alone, where
more than the leads broaden, and where H is not Hermitian.

Sources: those of the observables; docs/adjoints/scattering-states.md, docs/adjoints/bond-current.md,
docs/adjoints/density-of-states.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..array import adjoint, array_namespace
from ..typing import Array
from .bond_current import BondBlocks, currents_of, sample_currents
from .density_of_states import density, density_by_states, pull_density
from .lead_density import TWO_PI, density_of, sample_density
from .lead_population import sample_shares
from .lead_states import lead_states, leads_are_all
from .left_connected import Factors
from .open_system import OpenSystem
from .population import by_block
from .scattering import ScatteringStates, pull_scattering_states
from .system_cotangent import SystemAccumulator, SystemCotangent


@dataclass(frozen=True, eq=False)
class Observations:
    """Observables at the same energies, or their cotangents: None is not asked for, or an exact zero.

    Parameters
    ----------
    transmission : array, shape (n_energies,), or None
    density_of_states : array, shape (n_energies,), or None — [1/eV]
    local_density_of_states : array, shape (n_energies, n_orbitals), or None — [1/eV]
    lead_density : array, shape (n_energies, n_orbitals), or None — [1/eV], injected by the source
    bond_current : array, shape (n_energies, n_bonds), or None — in the order of `Device.bonds`
        All are real, per spin.
    """

    transmission: Array | None = None
    density_of_states: Array | None = None
    local_density_of_states: Array | None = None
    lead_density: Array | None = None
    bond_current: Array | None = None


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is asked for, by the names of `Observations`, between which leads, on which bonds.

    `keeps_rank` says that no small change opens a new channel of a lead: false where a Σ is a table of free numbers.
    """

    names: frozenset[str]
    source: int
    drain: int
    bonds: BondBlocks
    order: Array | None
    keeps_rank: bool = True

    @property
    def density(self) -> bool:
        """Is the local density of states needed?"""
        return not self.names.isdisjoint(("density_of_states", "local_density_of_states"))

    @property
    def injected(self) -> bool:
        """Are the scattering states of the source needed?"""
        return not self.names.isdisjoint(("transmission", "lead_density", "bond_current"))


def observed(system: OpenSystem, /, *, wanted: Wanted) -> Observations:
    """The observables of `wanted`, from one elimination."""
    return _values(system, *_states(system, wanted), wanted)


def observed_vjp(system: OpenSystem, /, *, wanted: Wanted) -> tuple[Observations, Callable[..., SystemCotangent]]:
    """`observed` and its pullback `Observations` → `SystemCotangent`.

    Kept for the pullback: the left-connected factors and the scattering states, 16 E Σ n_i (n_i + m_1 + Σ_l m_l) bytes
    in double precision, m_l open channels in each of the leads that are needed, m_1 those of the first of them.
    """
    states, factors = _states(system, wanted)

    def observed_pullback(bar: Observations, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        density_bar = _density_bar(system, bar)
        shares_bar = None  # cut into blocks, where the density is pulled back by states
        if density_bar is not None and wanted.keeps_rank and _holds_all(system, states):
            shares_bar, density_bar = by_block(system, density_bar / TWO_PI), None
        for lead, of_lead in states.items():
            sampled = _sample_source(accumulator, of_lead, bar, wanted) if lead == wanted.source else []
            if shares_bar is not None:
                sampled.append(sample_shares(accumulator, of_lead, shares_bar))
            if sampled:
                rows = {i: adjoint(_sum(parts)) for i, parts in enumerate(zip(*sampled))}
                pull_scattering_states(accumulator, factors, of_lead, rows)
        if density_bar is not None:
            pull_density(accumulator, factors, density_bar)
        return accumulator.finish()

    return _values(system, states, factors, wanted), observed_pullback


def _states(system: OpenSystem, wanted: Wanted) -> tuple[dict[int, ScatteringStates], Factors]:
    """Those of all leads where they make the density, of the source where it is asked for.

    The density alone is cheaper by blocks of G when most channels are open.
    """
    if wanted.density and wanted.injected and leads_are_all(system):
        return lead_states(system, range(len(system.blocks)))
    return lead_states(system, [wanted.source] if wanted.injected else [])


def _holds_all(system: OpenSystem, states: dict[int, ScatteringStates]) -> bool:
    return len(states) == len(system.blocks) and leads_are_all(system)


def _values(system: OpenSystem, states: dict[int, ScatteringStates], factors: Factors, wanted: Wanted) -> Observations:
    xp, names = array_namespace(system.z), wanted.names
    found: dict[str, Array] = {}
    if wanted.density:
        by_states = _holds_all(system, states)
        local = density_by_states(system, states, factors) if by_states else density(system, factors)
        found["local_density_of_states"], found["density_of_states"] = local, xp.sum(local, axis=-1)
    if wanted.injected:
        of_source = states[wanted.source]
        if "transmission" in names:
            found["transmission"] = _transmission(system, of_source, wanted.drain)
        if "lead_density" in names:
            found["lead_density"] = density_of(of_source)
        if "bond_current" in names:
            assert wanted.order is not None
            found["bond_current"] = currents_of(system, of_source, wanted.bonds, wanted.order)
    return Observations(**{name: found[name] for name in names})


def _transmission(system: OpenSystem, states: ScatteringStates, drain: int) -> Array:
    """tr[Γ_d (A_s)_dd], (E,)."""
    xp = array_namespace(system.z)
    x = system.restrict_rows(states.blocks[system.blocks[drain]], drain)
    through = system.broadening(drain) @ states.channels.weighted(x)
    return xp.sum(xp.real(through * xp.conj(x)), axis=(-2, -1))


def _sample_source(
    accumulator: SystemAccumulator, states: ScatteringStates, bar: Observations, wanted: Wanted
) -> list[list[Array]]:
    """𝒜_s X block by block, one list for each observable of the source; the direct shares are added."""
    found = []
    if bar.transmission is not None:
        found.append(_sample_transmission(accumulator, states, wanted.drain, bar.transmission))
    if bar.lead_density is not None:
        found.append(sample_density(states, by_block(accumulator.system, bar.lead_density)))
    if bar.bond_current is not None:
        assert wanted.order is not None
        found.append(sample_currents(accumulator, states, wanted.bonds, wanted.order, bar.bond_current))
    return found


def _sample_transmission(
    accumulator: SystemAccumulator, states: ScatteringStates, drain: int, t_bar: Array
) -> list[Array]:
    """T̄ E_d Γ_d E_d†X, zero on the other blocks; Γ̄_d is added."""
    system, weight = accumulator.system, t_bar[:, None, None]
    xp, at_drain = array_namespace(system.z), system.blocks[drain]
    there = states.blocks[at_drain]
    x = system.restrict_rows(there, drain)
    if accumulator.wants_all:
        sampled = weight * (states.weighted(at_drain) @ adjoint(x))
        accumulator.add_broadening(drain, system.spread_hermitian(sampled, drain))
    through = system.unit_columns(drain) @ (weight * (system.broadening(drain) @ x))
    return [through if i == at_drain else xp.zeros_like(block) for i, block in enumerate(states.blocks)]


def _density_bar(system: OpenSystem, bar: Observations) -> Array | None:
    """D̄_a of both densities of states."""
    local, whole = bar.local_density_of_states, bar.density_of_states
    if whole is None:
        return local
    shape = (system.n_energies, system.hamiltonian.n_orbitals)
    spread = array_namespace(whole).broadcast_to(whole[:, None], shape)
    return spread if local is None else local + spread


def _sum(parts: Sequence[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
