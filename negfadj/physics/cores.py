"""Cores that need more of the leads than their self-energies: channel counts and Taylor polynomials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array import array_namespace, device_of
from ..data import Device, Lead
from ..errors import InputError
from ..primitives import transmission_matrix as matrix_primitive
from ..primitives.lead_blocks import LeadBlocks, lead_blocks
from ..primitives.open_system import OpenSystem
from ..primitives.taylor import Taylor, taylor_lead_blocks, taylor_surface_green
from ..primitives.transmission_derivatives import transmission_derivatives
from ..typing import Array
from .leads import LeadSolver, lead_basis, lead_open_channels


def matrix_core(device: Device) -> Callable[[OpenSystem], Array]:
    """`transmission_matrix` of an `OpenSystem` of this device."""
    return lambda system: matrix_primitive.transmission_matrix(system, _all_channels(device, system))


def matrix_core_vjp(device: Device) -> Callable[[OpenSystem], tuple[Array, Callable[..., Any]]]:
    """`transmission_matrix_vjp` of an `OpenSystem` of this device."""
    return lambda system: matrix_primitive.transmission_matrix_vjp(system, _all_channels(device, system))


def open_channels_of(lead: Any, energies: Array, name: str) -> Array:
    """Open channels of a lead at real energies, or an error for a tabulated one."""
    if not isinstance(lead, Lead):
        raise InputError(
            f"{name} is a {type(lead).__name__}, whose open channels cannot be counted; give a Lead, or ask for "
            "`transmission` pair by pair."
        )
    return lead_open_channels(lead, energies)


def derivatives_core(
    system: OpenSystem,
    *,
    device: Device,
    source: int,
    drain: int,
    order: int,
    eta: float,
    method: str,
    at_real_energy: bool,
) -> Array:
    """T and its energy derivatives of an `OpenSystem` of this device, (E, order + 1)."""
    z = array_namespace(system.z).real(system.z) + 1j * eta
    solver = LeadSolver(z, slice(None), method, at_real_energy)
    polynomials = [self_energy_polynomial(lead, solver, order) for lead in device.leads]
    return transmission_derivatives(system, polynomials, source=source, drain=drain, order=order)


def _all_channels(device: Device, system: OpenSystem) -> Array:
    xp = array_namespace(system.z)
    energies = xp.real(system.z)
    counts = [open_channels_of(lead, energies, f"leads[{k}]") for k, lead in enumerate(device.leads)]
    return xp.stack(counts, axis=-1)


def self_energy_polynomial(lead: Lead, solver: LeadSolver, order: int) -> Taylor:
    """Σ(E + ε) = A_c g A_c' as a polynomial."""
    z = solver.z
    xp = array_namespace(z)
    one = xp.eye(lead.n_orbitals, dtype=z.dtype, device=device_of(z))
    s01, sc = lead.overlap_hopping, lead.overlap_coupling
    slopes = LeadBlocks(
        one if lead.overlap_onsite is None else lead.overlap_onsite,
        s01,
        None if s01 is None else xp.conj(xp.matrix_transpose(s01)),
        sc,
        None if sc is None else xp.conj(xp.matrix_transpose(sc)),
    )
    p = taylor_lead_blocks(lead_blocks(lead, z), slopes, order)
    surface = taylor_surface_green(
        p.onsite,
        p.hopping,
        p.hopping_back,
        solver.surface(lead),
        lead_basis(lead, z),
        at_real_energy=solver.at_real_energy,
    )
    sigma: Taylor = p.coupling @ surface @ p.coupling_back
    return sigma
