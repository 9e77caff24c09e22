"""The self-energies of a device's leads at a batch of energies, and their pullback to every block of every lead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def lead_self_energy(lead: Lead | SelfEnergy, z: Array, where: slice, *, method: str, at_real_energy: bool) -> Array:
    """Σ(z) of one lead, (E, n, n) [eV]; `where` are the batch's places among all energies."""
    if isinstance(lead, SelfEnergy):
        return _tabulated(lead, z, where)
    blocks, g, _ = lead_surface(lead, z, method=method, at_real_energy=at_real_energy)
    return self_energy(blocks.coupling, g, blocks.coupling_back)


def lead_surface(lead: Lead, z: Array, *, method: str, at_real_energy: bool) -> tuple[LeadBlocks, Array, HoppingBasis]:
    """The lead's blocks of ζ S − H, its surface Green's function (E, n, n) [1/eV], and the basis of its hopping."""
    blocks = lead_blocks(lead, z)
    options = _surface_options(lead, z, method, at_real_energy)
    return blocks, surface_green(blocks.onsite, blocks.hopping, blocks.hopping_back, **options), options["basis"]


def lead_self_energy_vjp(
    lead: Lead | SelfEnergy, z: Array, where: slice, *, method: str, at_real_energy: bool
) -> tuple[Array, Callable[[Array], LeadCotangent]]:
    """`lead_self_energy` and its pullback Σ̄ → the lead's blocks and z̄. Kept: g, 16 E n² bytes."""
    if isinstance(lead, SelfEnergy):
        return _tabulated(lead, z, where), lambda sigma_bar: LeadCotangent(_tabulated_bar(lead, sigma_bar, where), None)
    blocks, blocks_pullback = lead_blocks_vjp(lead, z)
    g, surface_pullback = surface_green_vjp(
        blocks.onsite, blocks.hopping, blocks.hopping_back, **_surface_options(lead, z, method, at_real_energy)
    )
    sigma, sigma_pullback = self_energy_vjp(blocks.coupling, g, blocks.coupling_back)

    def lead_self_energy_pullback(sigma_bar: Array) -> LeadCotangent:
        coupling_bar, g_bar, coupling_back_bar = sigma_pullback(sigma_bar)
        a00_bar, a01_bar, a10_bar = surface_pullback(g_bar)
        bar = blocks_pullback(type(blocks)(a00_bar, a01_bar, a10_bar, coupling_bar, coupling_back_bar))
        return LeadCotangent(bar.lead, bar.z)

    return sigma, lead_self_energy_pullback


def lead_open_channels(lead: Lead, energies: Array) -> Array:
    """Open channels of a lead at real energies, (E,): Bloch modes with |λ| = 1, by twos."""
    xp = array_namespace(energies)
    z = xp.astype(energies, xp.complex64 if energies.dtype == xp.float32 else xp.complex128)
    blocks = lead_blocks(lead, z)
    return count_open(
        bloch_modes(blocks.onsite, blocks.hopping, blocks.hopping_back, _basis(lead, z), at_real_energy=True)
    )


def lead_support(lead: Lead | SelfEnergy) -> Array | None:
    """Orbitals of the device block on which Σ is not zero; None when it is all of them."""
    if isinstance(lead, SelfEnergy):
        xp = array_namespace(lead.self_energy)
        entry = xp.any(lead.self_energy != 0, axis=0)
        touched = xp.any(entry, axis=0) | xp.any(entry, axis=1)
    else:
        xp = array_namespace(lead.coupling)
        touched = xp.any(lead.coupling != 0, axis=1)
        if lead.overlap_coupling is not None:
            touched = touched | xp.any(lead.overlap_coupling != 0, axis=1)
    if bool(xp.all(touched)):
        return None
    return xp.nonzero(touched)[0]


def _surface_options(lead: Lead, z: Array, method: str, at_real_energy: bool) -> dict[str, Any]:
    xp = array_namespace(z)
    energies: Sequence[float] = to_numpy(xp.real(z)).tolist()
    return {"method": method, "basis": _basis(lead, z), "energies": energies, "at_real_energy": at_real_energy}


def _basis(lead: Lead, z: Array) -> HoppingBasis:
    return hopping_basis(lead.hopping, lead.overlap_hopping, z.dtype)


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
