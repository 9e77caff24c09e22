"""The self-energies of a device's leads at a batch of energies, and their pullback to every block of every lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..array import adjoint, array_namespace, monomial_pattern, rebuild, structured, to_numpy
from ..data import Lead, SelfEnergy
from ..primitives.chains import chains_surface_green, chains_surface_green_vjp
from ..primitives.lead_blocks import LeadBlocks, lead_blocks, lead_blocks_vjp
from ..primitives.lead_ends import LeadEnds, lead_ends
from ..primitives.modes import HoppingBasis, bloch_modes, count_open
from ..primitives.self_energy import self_energy, self_energy_vjp
from ..primitives.surface import surface_green, surface_green_vjp
from ..typing import Array
from .lead_bulk import bulk_digest, lead_basis, lead_bulk, lead_overlap
from .lead_cache import current_lead_cache


class LeadCotangent(NamedTuple):
    """The lead's cotangent (of the lead's own class) and that of z, (E,) or None."""

    lead: Any
    z: Array | None


class _Solved(NamedTuple):
    """A lead with its blocks at the energies, the structure of its bulk and, once asked for, its ends."""

    lead: Lead
    blocks: LeadBlocks
    vectors: Array | None
    basis: HoppingBasis
    ends: LeadEnds | None
    digest: bytes


@dataclass(frozen=True, eq=False)
class LeadSolver:
    """Self-energies of leads at one batch of energies.

    Leads of equal bulk are solved once, and a lead and its mirror image, as on the two sides of most devices, share the
    costly part. A lead whose blocks share their eigenvectors has a closed form, whatever the method. Within a
    `lead_cache` block surface functions met before are taken from it.

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
    solved: list[_Solved] = field(default_factory=list)
    surfaces: list[tuple[Lead, Array]] = field(default_factory=list)

    def self_energy(self, lead: Lead | SelfEnergy) -> Array:
        """Σ(z) of one lead, (E, n, n) [eV]."""
        if isinstance(lead, SelfEnergy):
            return _tabulated(lead, self.z, self.where)
        return self_energy(*_around(self.surface(lead), _couplings(lead, self.z)))

    def self_energy_vjp(self, lead: Lead | SelfEnergy) -> tuple[Array, Callable[[Array], LeadCotangent]]:
        """`self_energy` and its pullback Σ̄ → the lead's blocks and z̄. Kept: g, 16 E n² bytes."""
        if isinstance(lead, SelfEnergy):
            sigma = _tabulated(lead, self.z, self.where)
            return sigma, lambda sigma_bar: LeadCotangent(_tabulated_bar(lead, sigma_bar, self.where), None)
        _, blocks_pullback = lead_blocks_vjp(lead, self.z)
        g, surface_pullback = self._surface_vjp(lead, self.surface(lead))
        sigma, sigma_pullback = self_energy_vjp(*_around(g, _couplings(lead, self.z)))

        def lead_self_energy_pullback(sigma_bar: Array) -> LeadCotangent:
            coupling_bar, g_bar, coupling_back_bar = sigma_pullback(sigma_bar)
            a00_bar, a01_bar, a10_bar = surface_pullback(g_bar)
            bar = blocks_pullback(LeadBlocks(a00_bar, a01_bar, a10_bar, coupling_bar, coupling_back_bar))
            return LeadCotangent(bar.lead, bar.z)

        return sigma, lead_self_energy_pullback

    def surface(self, lead: Lead) -> Array:
        """The surface Green's function of a lead, (E, n, n) [1/eV]."""
        for other, g in self.surfaces:
            if _same_bulk(lead, other):
                return g
        g = self._remembered(lead)
        self.surfaces.append((lead, g))
        return g

    def _remembered(self, lead: Lead) -> Array:
        """From the cache of the surrounding block, if there is one, energy by energy."""
        cache = current_lead_cache()
        if cache is None:
            return self._surface(lead)
        xp = array_namespace(self.z)
        zetas: Any = to_numpy(self.z - lead.potential_energy)
        bulk = (bulk_digest(lead), self.method, self.at_real_energy, str(zetas.dtype))
        keys = [(bulk, zeta) for zeta in zetas.tolist()]
        found = cache.get(keys)
        if found is not None:
            return xp.stack(found)
        g = self._surface(lead)
        for k, key in enumerate(keys):
            cache.put(key, xp.asarray(g[k, ...], copy=True), g.dtype.itemsize * g.shape[-1] ** 2)
        return g

    def _surface(self, lead: Lead) -> Array:
        solved = self._solved(lead, needs_ends=True)
        if solved.vectors is not None:
            return chains_surface_green(*solved.blocks[:3], vectors=solved.vectors, **self._options(lead))
        return surface_green(*solved.blocks[:3], **self._options(lead), **_of_modes(solved, self.method))

    def _surface_vjp(self, lead: Lead, g: Array) -> tuple[Array, Callable[..., Any]]:
        solved = self._solved(lead, needs_ends=False)
        options: dict[str, Any] = {**self._options(lead), "known": g}
        if solved.vectors is not None:
            return chains_surface_green_vjp(*solved.blocks[:3], vectors=solved.vectors, **options)
        return surface_green_vjp(*solved.blocks[:3], **options, **_of_modes(solved, self.method))

    def _options(self, lead: Lead) -> dict[str, Any]:
        energies = to_numpy(array_namespace(self.z).real(self.z)).tolist()
        return {"energies": energies, "at_real_energy": self.at_real_energy}

    def _solved(self, lead: Lead, *, needs_ends: bool) -> _Solved:
        """The lead's blocks, structure and, when asked for, ends: its own, or those of a lead it mirrors."""
        for place, other in enumerate(self.solved):
            if _same_bulk(lead, other.lead):
                if needs_ends and other.ends is None and other.vectors is None:
                    self.solved[place] = other._replace(ends=self._ends(other))
                return self.solved[place]
        blocks, digest = lead_blocks(lead, self.z), bulk_digest(lead)
        for other in self.solved:
            if _mirrors(lead, other.lead):
                ends = None if other.ends is None else other.ends.mirrored()
                found = _Solved(lead, blocks, other.vectors, HoppingBasis(*other.basis[::-1]), ends, digest)
                break
        else:
            found = _Solved(lead, blocks, *lead_bulk(lead, digest, self.z), None, digest)
        if needs_ends and found.ends is None and found.vectors is None:
            found = found._replace(ends=self._ends(found))
        self.solved.append(found)
        return found

    def _ends(self, solved: _Solved) -> LeadEnds:
        return lead_ends(
            *solved.blocks[:3],
            method=self.method,
            basis=solved.basis,
            at_real_energy=self.at_real_energy,
            overlap=lead_overlap(solved.lead),
        )


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


def _of_modes(solved: _Solved, method: str) -> dict[str, Any]:
    return {"method": method, "basis": solved.basis, "overlap": lead_overlap(solved.lead), "ends": solved.ends}


def _couplings(lead: Lead, z: Array) -> tuple[Any, Any]:
    """A_c and A_c', structured where they are real or have one entry a row: the same at every energy then."""
    if lead.overlap_coupling is not None:
        blocks = lead_blocks(lead, z)
        return blocks.coupling, blocks.coupling_back
    assert lead.coupling is not None
    xp = array_namespace(z)
    coupling = lead.coupling[None, ...]
    pattern = monomial_pattern(lead.coupling)
    negative = structured(-coupling if pattern is None else -xp.astype(coupling, z.dtype), pattern)
    return negative, adjoint(negative)


def _around(g: Array, couplings: tuple[Any, Any]) -> tuple[Any, Array, Any]:
    return couplings[0], g, couplings[1]


def _same_bulk(lead: Lead, other: Lead) -> bool:
    """Do two leads have the same surface function?"""
    return lead is other or (
        bool(lead.potential_energy == other.potential_energy)
        and _same(lead.onsite, other.onsite)
        and _same(lead.hopping, other.hopping)
        and _same(lead.overlap_onsite, other.overlap_onsite)
        and _same(lead.overlap_hopping, other.overlap_hopping)
    )


def _mirrors(lead: Lead, other: Lead) -> bool:
    """Is a lead the other one turned round: the same cells, joined the other way?"""

    def turned(x: Array | None) -> Array | None:
        return None if x is None else adjoint(x)

    return (
        bool(lead.potential_energy == other.potential_energy)
        and _same(lead.onsite, other.onsite)
        and _same(lead.hopping, turned(other.hopping))
        and _same(lead.overlap_onsite, other.overlap_onsite)
        and _same(lead.overlap_hopping, turned(other.overlap_hopping))
    )


def _same(x: Array | None, y: Array | None) -> bool:
    if x is y:
        return True
    if x is None or y is None or x.shape != y.shape:
        return False
    return bool(array_namespace(x).all(x == y))


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
