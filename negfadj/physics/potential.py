"""A device in an electrostatic potential: H → H + (U S + S U)/2, and every lead shifted rigidly.

    H_ab → H_ab + S_ab (U_a + U_b)/2                                 in the device, U of every orbital
    lead k: potential energy + U_k;  coupling + S_c (U_a − U_k)/2    (U_k S_c comes with the lead: (U_a + U_k)/2)

    Ū_a = Σ_b Re(H̄_ab* S_ab + H̄_ba* S_ba)/2 over device and couplings,  S̄_ab += H̄_ab (U_a + U_b)/2,
    Ū_k = Ū_k^lead − Σ Re(C̄_ab* S_ab)/2 over the coupling

Without overlap only the diagonal moves. A lead known by its self-energy alone stays as it is: it has no energies of its
own, and is the wide band of a metal. Sources: docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..array import array_namespace, identity, rebuild
from ..data import BlockTridiagonal, Device, SelfEnergy
from ..typing import Array


class PotentialCotangent(NamedTuple):
    """Cotangents of `device_in_potential`: of the device, of U (n_orbitals,) and of the leads' U (n_leads,)."""

    device: Device
    potential_energy: Array
    lead_potential_energy: list[float]


def device_in_potential(device: Device, potential_energy: Array, lead_potential_energy: Any, /) -> Device:
    """The device with the potential energy U [eV] of every orbital (n_orbitals,) and of every lead (n_leads,)."""
    h, s = device.hamiltonian, device.overlap
    parts = _parts(h, potential_energy)
    overlaps = [None] * len(parts) if s is None else s.diagonal
    diagonal = [_shifted(x, own, u, u) for x, own, u in zip(h.diagonal, overlaps, parts)]
    upper, lower = h.upper, h.lower
    if s is not None:
        pairs = list(zip(parts, parts[1:]))
        upper = tuple(_shifted(x, s.upper[i], u, v) for i, (x, (u, v)) in enumerate(zip(upper, pairs)))
        if lower is not None:
            lower = tuple(_shifted(x, s.lower_block(i), v, u) for i, (x, (u, v)) in enumerate(zip(lower, pairs)))
    leads = []
    for lead, u_lead in zip(device.leads, lead_potential_energy):
        if isinstance(lead, SelfEnergy):
            leads.append(lead)
            continue
        coupling = lead.coupling
        if lead.overlap_coupling is not None:
            coupling = coupling + lead.overlap_coupling * ((parts[lead.block] - float(u_lead)) / 2)[:, None]
        leads.append(rebuild(lead, coupling=coupling, potential_energy=lead.potential_energy + float(u_lead)))
    hamiltonian = rebuild(h, diagonal=tuple(diagonal), upper=upper, lower=lower)
    return rebuild(device, hamiltonian=hamiltonian, leads=tuple(leads))  # type: ignore[no-any-return]


def device_in_potential_vjp(
    device: Device, potential_energy: Array, lead_potential_energy: Any, /
) -> tuple[Device, Callable[[Device], PotentialCotangent]]:
    """`device_in_potential` and its pullback from the cotangent of the shifted device, a whole one."""
    parts = _parts(device.hamiltonian, potential_energy)

    def device_in_potential_pullback(bar: Device) -> PotentialCotangent:
        xp = array_namespace(potential_energy)
        h_bar, s = bar.hamiltonian, device.overlap
        u_bar = [xp.zeros_like(u) for u in parts]
        overlap_bar = bar.overlap

        def collect(x_bar: Array, s_block: Array, k: int, m: int) -> None:
            share = xp.real(xp.conj(x_bar) * s_block) / 2
            u_bar[k] = u_bar[k] + xp.sum(share, axis=1)
            u_bar[m] = u_bar[m] + xp.sum(share, axis=0)

        n_blocks = len(parts)
        if s is None or overlap_bar is None:
            u_bar = [xp.real(xp.linalg.diagonal(x)) for x in h_bar.diagonal]
        else:
            for i in range(n_blocks):
                collect(h_bar.diagonal[i], s.diagonal[i], i, i)
            for i in range(n_blocks - 1):
                collect(h_bar.upper[i], s.upper[i], i, i + 1)
                if h_bar.lower is not None:
                    collect(h_bar.lower[i], s.lower_block(i), i + 1, i)
            overlap_bar = _overlap_bar(s, overlap_bar, h_bar, parts)
        leads, lead_u_bar = [], []
        for lead, lead_bar, u_lead in zip(device.leads, bar.leads, lead_potential_energy):
            if isinstance(lead, SelfEnergy):
                leads.append(lead_bar)
                lead_u_bar.append(0.0)
                continue
            u_of_lead = float(lead_bar.potential_energy)
            changes = {}
            if lead.overlap_coupling is not None:
                share = xp.real(xp.conj(lead_bar.coupling) * lead.overlap_coupling) / 2
                u_bar[lead.block] = u_bar[lead.block] + xp.sum(share, axis=1)
                u_of_lead -= float(xp.sum(share))
                half = ((parts[lead.block] - float(u_lead)) / 2)[:, None]
                changes["overlap_coupling"] = lead_bar.overlap_coupling + half * lead_bar.coupling
            leads.append(rebuild(lead_bar, **changes))
            lead_u_bar.append(u_of_lead)
        found = rebuild(bar, overlap=overlap_bar, leads=tuple(leads))
        return PotentialCotangent(found, xp.concat(u_bar), lead_u_bar)

    return device_in_potential(device, potential_energy, lead_potential_energy), device_in_potential_pullback


def _overlap_bar(
    overlap: BlockTridiagonal, bar: BlockTridiagonal, h_bar: BlockTridiagonal, parts: list[Array]
) -> BlockTridiagonal:
    """S̄_ab + H̄_ab (U_a + U_b)/2."""

    def added(own: Array, x_bar: Array, u: Array, v: Array) -> Array:
        return own + x_bar * (u[:, None] + v[None, :]) / 2

    pairs = list(zip(parts, parts[1:]))
    diagonal = tuple(added(own, x, u, u) for own, x, u in zip(bar.diagonal, h_bar.diagonal, parts))
    upper = tuple(added(own, x, u, v) for own, x, (u, v) in zip(bar.upper, h_bar.upper, pairs))
    lower = bar.lower
    if h_bar.lower is not None and lower is not None:
        lower = tuple(added(own, x, v, u) for own, x, (u, v) in zip(lower, h_bar.lower, pairs))
    return overlap.project_tangent(rebuild(bar, diagonal=diagonal, upper=upper, lower=lower))


def _parts(hamiltonian: BlockTridiagonal, potential_energy: Array) -> list[Array]:
    offsets = hamiltonian.offsets
    return [potential_energy[a:b] for a, b in zip(offsets, offsets[1:])]


def _shifted(x: Array, s: Array | None, u: Array, v: Array) -> Array:
    """X + S_ab (u_a + v_b)/2."""
    if s is None:
        return x + identity(x.shape[0], x) * u[:, None]
    return x + s * ((u[:, None] + v[None, :]) / 2)
