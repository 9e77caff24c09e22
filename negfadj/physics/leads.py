"""The self-energies of a device's leads at a batch of energies, and their pullback to every block of every lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..array import array_namespace, rebuild, to_numpy
from ..data import Lead, SelfEnergy
from ..primitives.lead_blocks import LeadBlocks, lead_blocks, lead_blocks_vjp
from ..primitives.modes import HoppingBasis, bloch_modes, count_open, hopping_basis
from ..primitives.self_energy import self_energy, self_energy_vjp
from ..primitives.surface import surface_green, surface_green_vjp
from ..typing import Array


class LeadCotangent(NamedTuple):
    """The lead's cotangent (of the lead's own class) and that of z, (E,) or None."""

    lead: Any
    z: Array | None


@dataclass(frozen=True, eq=False)
class LeadSolver:
    """Self-energies of leads at one batch of energies; equal leads, as on both sides of most devices, are solved once.

    Parameters
    ----------
    z : array, shape (E,), complex — the leads' complex energies [eV]
    where : slice — the batch's places among all energies
    method : "decimation" or "modes"
    at_real_energy : bool — True at η = 0
    """

    z: Array
    where: slice
    method: str
    at_real_energy: bool
    solved: list[tuple[Lead, Any]] = field(default_factory=list)

    def self_energy(self, lead: Lead | SelfEnergy) -> Array:
        """Σ(z) of one lead, (E, n, n) [eV]."""
        if isinstance(lead, SelfEnergy):
            return _tabulated(lead, self.z, self.where)
        blocks = lead_blocks(lead, self.z)
        return self_energy(blocks.coupling, self.surface(lead), blocks.coupling_back)

    def self_energy_vjp(self, lead: Lead | SelfEnergy) -> tuple[Array, Callable[[Array], LeadCotangent]]:
        """`self_energy` and its pullback Σ̄ → the lead's blocks and z̄. Kept: g, 16 E n² bytes."""
        if isinstance(lead, SelfEnergy):
            sigma = _tabulated(lead, self.z, self.where)
            return sigma, lambda sigma_bar: LeadCotangent(_tabulated_bar(lead, sigma_bar, self.where), None)
        blocks, blocks_pullback = lead_blocks_vjp(lead, self.z)
        g, surface_pullback = self._once(lead, surface_green_vjp)
        sigma, sigma_pullback = self_energy_vjp(blocks.coupling, g, blocks.coupling_back)

        def lead_self_energy_pullback(sigma_bar: Array) -> LeadCotangent:
            coupling_bar, g_bar, coupling_back_bar = sigma_pullback(sigma_bar)
            a00_bar, a01_bar, a10_bar = surface_pullback(g_bar)
            bar = blocks_pullback(LeadBlocks(a00_bar, a01_bar, a10_bar, coupling_bar, coupling_back_bar))
            return LeadCotangent(bar.lead, bar.z)

        return sigma, lead_self_energy_pullback

    def surface(self, lead: Lead) -> Array:
        """The surface Green's function of a lead, (E, n, n) [1/eV]."""
        return self._once(lead, surface_green)

    def _once(self, lead: Lead, function: Callable[..., Any]) -> Any:
        for other, result in self.solved:
            if _same_bulk(lead, other):
                return result
        xp = array_namespace(self.z)
        blocks = lead_blocks(lead, self.z)
        result = function(
            blocks.onsite,
            blocks.hopping,
            blocks.hopping_back,
            method=self.method,
            basis=lead_basis(lead, self.z),
            energies=to_numpy(xp.real(self.z)).tolist(),
            at_real_energy=self.at_real_energy,
            overlap=lead_overlap(lead),
        )
        self.solved.append((lead, result))
        return result


def lead_overlap(lead: Lead) -> tuple[Array, Array] | None:
    """(S00, S01) of a lead, None in an orthogonal basis."""
    return None if lead.overlap_onsite is None else (lead.overlap_onsite, lead.overlap_hopping)


def lead_basis(lead: Lead, z: Array) -> HoppingBasis:
    """Column and row space of the lead's hopping."""
    return hopping_basis(lead.hopping, lead.overlap_hopping, z.dtype)


def lead_open_channels(lead: Lead, energies: Array) -> Array:
    """Open channels of a lead at real energies, (E,): Bloch modes with |λ| = 1, by twos."""
    xp = array_namespace(energies)
    z = xp.astype(energies, xp.complex64 if energies.dtype == xp.float32 else xp.complex128)
    blocks = lead_blocks(lead, z)
    return count_open(
        bloch_modes(blocks.onsite, blocks.hopping, blocks.hopping_back, lead_basis(lead, z), at_real_energy=True)
    )


def lead_support(lead: Lead | SelfEnergy) -> Array | None:
    """Orbitals of the device block that a lead's coupling touches; None when it is all of them."""
    if isinstance(lead, SelfEnergy):  # every entry of a tabulated Σ may vary
        return None
    xp = array_namespace(lead.coupling)
    touched = xp.any(lead.coupling != 0, axis=1)
    if lead.overlap_coupling is not None:
        touched = touched | xp.any(lead.overlap_coupling != 0, axis=1)
    if bool(xp.all(touched)):
        return None
    return xp.nonzero(touched)[0]


def _same_bulk(lead: Lead, other: Lead) -> bool:
    """Do two leads have the same surface function?"""
    xp = array_namespace(lead.onsite)

    def same(x: Any, y: Any) -> bool:
        if x is y:
            return True
        return x is not None and y is not None and x.shape == y.shape and bool(xp.all(x == y))

    names = ("onsite", "hopping", "overlap_onsite", "overlap_hopping")
    return bool(lead.potential_energy == other.potential_energy) and all(
        same(getattr(lead, name), getattr(other, name)) for name in names
    )


def _tabulated(lead: SelfEnergy, z: Array, where: slice) -> Array:
    xp = array_namespace(z)
    sigma = lead.self_energy
    if sigma.shape[0] == 1:
        return xp.broadcast_to(xp.astype(sigma, z.dtype), (z.shape[0], *sigma.shape[1:]))
    return xp.astype(sigma[where, :, :], z.dtype, copy=False)


def _tabulated_bar(lead: SelfEnergy, sigma_bar: Array, where: slice) -> SelfEnergy:
    xp = array_namespace(sigma_bar)
    if lead.self_energy.shape[0] == 1:
        bar = xp.sum(sigma_bar, axis=0, keepdims=True)
    else:
        bar = xp.zeros_like(lead.self_energy, dtype=sigma_bar.dtype)
        bar[where, :, :] = sigma_bar
    return rebuild(lead, self_energy=bar)  # type: ignore[no-any-return]
