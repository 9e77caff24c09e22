"""What the functions of negfadj.h do, in Python: values and arrays in, a tuple of what is handed out.

Each takes the C parameters by position: an array in place of a length and a pointer (None for NULL), a `CDevice` or
`CResult` in place of a handle. It returns what the C function hands out, in that order; those in `CHANGING` return
before it what the handle stands for from then on. `negfadj_*_free` are the handle table's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..data import BlockTridiagonal
from ..data.lead import Lead
from ..errors import InputError, ShapeError
from ..physics.currents import current, current_vjp
from ..physics.densities import (
    bond_current,
    bond_current_vjp,
    local_density_of_states,
    local_density_of_states_vjp,
)
from ..physics.transport import transmission, transmission_vjp
from ..typing import Array
from .c_interface_data import CDevice, CResult, Order, block_shapes, flattened, lead_number, matrices
from .c_interface_prototypes import constants

Handed = tuple[Any, ...]


def initialise() -> Handed:
    """Nothing: Python runs once a call has come this far."""
    return ()


def device_create(block_sizes: Array, layout: int, diagonal: Array, upper: Array | None) -> Handed:
    """A device without leads."""
    orders: dict[int, Order] = {constants()["NEGFADJ_ROW_MAJOR"]: "C", constants()["NEGFADJ_COLUMN_MAJOR"]: "F"}
    if layout not in orders:
        raise InputError(f"layout = {layout}; give NEGFADJ_ROW_MAJOR (0) or NEGFADJ_COLUMN_MAJOR (1).")
    sizes = [int(n) for n in block_sizes]
    if not sizes:
        raise ShapeError("block_sizes_length = 0; a device has at least one block.")
    for i, n in enumerate(sizes):
        if n < 1:
            raise InputError(f"block_sizes[{i}] = {n}; a block has at least one orbital.")
    return (CDevice(_block_tridiagonal(sizes, orders[layout], diagonal, upper), orders[layout]),)


def device_set_blocks(device: CDevice, diagonal: Array | None, upper: Array | None) -> Handed:
    """Other numbers in H."""
    of_diagonal, of_upper = block_shapes(device.hamiltonian.block_sizes)
    old = device.hamiltonian
    new = BlockTridiagonal(
        old.diagonal if diagonal is None else matrices(diagonal, of_diagonal, device.order, "diagonal"),
        old.upper if upper is None else matrices(upper, of_upper, device.order, "upper"),
    )
    return (_checked(replace(device, hamiltonian=new)),)


def device_set_overlap(device: CDevice, diagonal: Array, upper: Array | None) -> Handed:
    """Another S."""
    overlap = _block_tridiagonal(list(device.hamiltonian.block_sizes), device.order, diagonal, upper)
    return (_checked(replace(device, overlap=overlap)),)


def device_add_lead(
    device: CDevice,
    block: int,
    n_orbitals: int,
    onsite: Array,
    hopping: Array,
    coupling: Array | None,
    potential_energy: float,
) -> Handed:
    """One lead more; its number is handed out."""
    if n_orbitals < 1:
        raise InputError(f"n_orbitals = {n_orbitals}; a lead's cell has at least one orbital.")
    sizes = device.hamiltonian.block_sizes
    if not -len(sizes) <= block < len(sizes):
        raise InputError(f"block = {block}, but the blocks are 0 … {len(sizes) - 1}, or −1 … −{len(sizes)}.")
    lead = Lead(
        onsite=_square(onsite, n_orbitals, device.order, "onsite"),
        hopping=_square(hopping, n_orbitals, device.order, "hopping"),
        coupling=_matrix(coupling, (sizes[block], n_orbitals), device.order, "coupling"),
        block=block,
        potential_energy=potential_energy,
    )
    return _checked(replace(device, leads=(*device.leads, lead))), len(device.leads)


def device_set_lead(
    device: CDevice,
    lead: int,
    onsite: Array | None,
    hopping: Array | None,
    coupling: Array | None,
    potential_energy: float,
) -> Handed:
    """Other numbers in a lead."""
    old = device.lead(lead)
    given = _lead_blocks(old, device.order, onsite, hopping, coupling)
    changes = {name: block for name, block in given.items() if block is not None}
    return (_with_lead(device, lead, replace(old, potential_energy=potential_energy, **changes)),)


def device_set_lead_overlap(
    device: CDevice, lead: int, onsite: Array, hopping: Array | None, coupling: Array | None
) -> Handed:
    """Another S in a lead."""
    old = device.lead(lead)
    given = _lead_blocks(old, device.order, onsite, hopping, coupling)
    new = replace(
        old, overlap_onsite=given["onsite"], overlap_hopping=given["hopping"], overlap_coupling=given["coupling"]
    )
    return (_with_lead(device, lead, new),)


def device_set_broadening(device: CDevice, eta: float, device_eta: float) -> Handed:
    """Other broadenings."""
    for name, value in (("eta", eta), ("device_eta", device_eta)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{name} = {value:g} eV; a broadening is finite and not below zero.")
    return (replace(device, eta=eta, device_eta=device_eta),)


def device_count_bonds(device: CDevice) -> Handed:
    """Number of bonds."""
    return (len(device.device.bonds),)


def device_bonds(device: CDevice) -> Handed:
    """Bonds, in the layout."""
    return (flattened([device.device.bonds], device.order),)


def transmission_value(device: CDevice, source: int, drain: int, energies: Array) -> Handed:
    """T(E)."""
    found = transmission(
        device.device, energies, source=source, drain=drain, eta=device.eta, device_eta=device.device_eta
    )
    return (found,)


def transmission_result(device: CDevice, source: int, drain: int, energies: Array) -> Handed:
    """T(E) and its result."""
    found = transmission_vjp(
        device.device, energies, source=source, drain=drain, eta=device.eta, device_eta=device.device_eta
    )
    return _with_result(device, *found)


def local_density_value(device: CDevice, energies: Array) -> Handed:
    """Local density of states, in the layout."""
    density = local_density_of_states(device.device, energies, eta=device.eta, device_eta=device.device_eta)
    return (flattened([density], device.order),)


def local_density_result(device: CDevice, energies: Array) -> Handed:
    """Local density of states and its result."""
    found = local_density_of_states_vjp(device.device, energies, eta=device.eta, device_eta=device.device_eta)
    return _with_result(device, *found)


def bond_current_value(device: CDevice, source: int, energies: Array) -> Handed:
    """Flow through the bonds, in the layout."""
    flow = bond_current(device.device, energies, source=source, eta=device.eta, device_eta=device.device_eta)
    return (flattened([flow], device.order),)


def bond_current_result(device: CDevice, source: int, energies: Array) -> Handed:
    """Flow through the bonds and its result."""
    found = bond_current_vjp(device.device, energies, source=source, eta=device.eta, device_eta=device.device_eta)
    return _with_result(device, *found)


def current_value(
    device: CDevice, source: int, drain: int, temperature: float, fermi_energy: float, biases: Array
) -> Handed:
    """Landauer current."""
    found = current(
        device.device,
        biases,
        temperature=temperature,
        fermi_energy=fermi_energy,
        source=source,
        drain=drain,
        eta=device.eta,
        device_eta=device.device_eta,
    )
    return (found,)


def current_result(
    device: CDevice, source: int, drain: int, temperature: float, fermi_energy: float, biases: Array
) -> Handed:
    """Landauer current and its result."""
    found = current_vjp(
        device.device,
        biases,
        temperature=temperature,
        fermi_energy=fermi_energy,
        source=source,
        drain=drain,
        eta=device.eta,
        device_eta=device.device_eta,
    )
    return _with_result(device, *found)


def pullback(result: CResult, value_bar: Array) -> Handed:
    """The result with its gradient formed."""
    return (replace(result, gradient=result.pullback(_value_bar(result, value_bar))),)


def pullback_onsite(result: CResult, value_bar: Array) -> Handed:
    """dL/dH_aa alone."""
    bar = result.pullback(_value_bar(result, value_bar), wrt="onsite")
    return (bar.device.hamiltonian.onsite,)


def gradient_blocks(result: CResult) -> Handed:
    """By H."""
    return _by_blocks(result, result.formed.device.hamiltonian, result.source.hamiltonian)


def gradient_overlap(result: CResult) -> Handed:
    """By S."""
    bar = result.formed.device.overlap
    if result.source.overlap is None:
        raise InputError("the device has no overlap; its basis is orthogonal (see negfadj_device_set_overlap).")
    return _by_blocks(result, bar, result.source.overlap)


def gradient_lead(result: CResult, lead: int) -> Handed:
    """By the blocks of a lead."""
    bar, primal = _lead_pair(result, lead)
    shift = None if bar is None else bar.potential_energy
    return *_by_lead_blocks(result, bar, primal, ""), 0.0 if shift is None else float(shift)


def gradient_lead_overlap(result: CResult, lead: int) -> Handed:
    """By the overlaps of a lead."""
    bar, primal = _lead_pair(result, lead)
    if primal.overlap_onsite is None:
        raise InputError(f"lead {lead} has no overlap; its basis is orthogonal (see negfadj_device_set_lead_overlap).")
    return _by_lead_blocks(result, bar, primal, "overlap_")


def gradient_energies(result: CResult) -> Handed:
    """By the energies."""
    bar = result.formed
    if not hasattr(bar, "energies"):
        raise InputError("the result is a current, which has no energies; negfadj_gradient_bias has its biases.")
    return (bar.energies,)


def gradient_bias(result: CResult) -> Handed:
    """By the biases and the temperature."""
    bar = result.formed
    if not hasattr(bar, "bias"):
        raise InputError("the result is not a current and has no bias; negfadj_gradient_energies has its energies.")
    return bar.bias, float(bar.temperature)


FUNCTIONS: dict[str, Callable[..., Handed]] = {
    "negfadj_initialise": initialise,
    "negfadj_device_create": device_create,
    "negfadj_device_set_blocks": device_set_blocks,
    "negfadj_device_set_overlap": device_set_overlap,
    "negfadj_device_add_lead": device_add_lead,
    "negfadj_device_set_lead": device_set_lead,
    "negfadj_device_set_lead_overlap": device_set_lead_overlap,
    "negfadj_device_set_broadening": device_set_broadening,
    "negfadj_device_count_bonds": device_count_bonds,
    "negfadj_device_bonds": device_bonds,
    "negfadj_transmission": transmission_value,
    "negfadj_transmission_vjp": transmission_result,
    "negfadj_local_density_of_states": local_density_value,
    "negfadj_local_density_of_states_vjp": local_density_result,
    "negfadj_bond_current": bond_current_value,
    "negfadj_bond_current_vjp": bond_current_result,
    "negfadj_current": current_value,
    "negfadj_current_vjp": current_result,
    "negfadj_pullback": pullback,
    "negfadj_pullback_onsite": pullback_onsite,
    "negfadj_gradient_blocks": gradient_blocks,
    "negfadj_gradient_overlap": gradient_overlap,
    "negfadj_gradient_lead": gradient_lead,
    "negfadj_gradient_lead_overlap": gradient_lead_overlap,
    "negfadj_gradient_energies": gradient_energies,
    "negfadj_gradient_bias": gradient_bias,
}

CHANGING = frozenset(name for name in FUNCTIONS if name.startswith(("negfadj_device_set_", "negfadj_device_add_"))) | {
    "negfadj_pullback"
}


def _block_tridiagonal(sizes: list[int], order: Order, diagonal: Array, upper: Array | None) -> BlockTridiagonal:
    of_diagonal, of_upper = block_shapes(sizes)
    if upper is None and of_upper:
        raise InputError(f"upper is NULL, but {len(sizes)} blocks need {len(of_upper)} upper blocks; hand them in.")
    return BlockTridiagonal(
        matrices(diagonal, of_diagonal, order, "diagonal"),
        () if upper is None else matrices(upper, of_upper, order, "upper"),
    )


def _matrix(flat: Array | None, shape: tuple[int, int], order: Order, name: str) -> Array | None:
    return None if flat is None else matrices(flat, [shape], order, name)[0]


def _square(flat: Array, n: int, order: Order, name: str) -> Array:
    return matrices(flat, [(n, n)], order, name)[0]


def _lead_blocks(
    lead: Lead, order: Order, onsite: Array | None, hopping: Array | None, coupling: Array | None
) -> dict[str, Array | None]:
    cell = (lead.n_orbitals, lead.n_orbitals)
    return {
        "onsite": _matrix(onsite, cell, order, "onsite"),
        "hopping": _matrix(hopping, cell, order, "hopping"),
        "coupling": _matrix(coupling, lead.coupled_shape, order, "coupling"),
    }


def _with_lead(device: CDevice, index: int, lead: Lead) -> CDevice:
    return _checked(replace(device, leads=(*device.leads[:index], lead, *device.leads[index + 1 :])))


def _checked(device: CDevice) -> CDevice:
    """The device once its parts are known to fit, so that the call which brings the fault reports it."""
    if device.leads:
        device.device  # noqa: B018
    return device


def _with_result(device: CDevice, value: Array, pull: Callable[..., Any]) -> Handed:
    return flattened([value], device.order), CResult(device, tuple(value.shape), pull)


def _by_blocks(result: CResult, bar: BlockTridiagonal | None, primal: BlockTridiagonal) -> Handed:
    order, lacks = result.source.order, [None] * primal.n_blocks
    diagonal, upper = (lacks, lacks) if bar is None else (bar.diagonal, bar.upper)
    return (
        flattened([_or_zero(x, p) for x, p in zip(diagonal, primal.diagonal)], order),
        flattened([_or_zero(x, p) for x, p in zip(upper, primal.upper)], order),
    )


def _lead_pair(result: CResult, index: int) -> tuple[Lead | None, Lead]:
    """The cotangent of a lead, and the lead."""
    gradient = result.formed
    number = lead_number(index, len(result.source.leads))
    return gradient.device.leads[number], result.source.leads[number]


def _by_lead_blocks(result: CResult, bar: Lead | None, primal: Lead, prefix: str) -> Handed:
    names = (f"{prefix}onsite", f"{prefix}hopping", f"{prefix}coupling")
    return tuple(
        flattened([_or_zero(getattr(bar, name, None), getattr(primal, name))], result.source.order) for name in names
    )


def _or_zero(bar: Array | None, primal: Array) -> Array:
    """A cotangent in full: None is an exact zero."""
    return np.zeros_like(primal) if bar is None else bar


def _value_bar(result: CResult, flat: Array) -> Array:
    size = int(np.prod(result.shape))
    if flat.shape[0] != size:
        raise ShapeError(f"value_bar_length = {flat.shape[0]}, but the value has {size} entries; give dL/d of each.")
    if not np.all(np.isfinite(flat)):
        raise InputError(f"value_bar[{int(np.argmin(np.isfinite(flat)))}] is not finite; give dL/d of each entry.")
    return np.reshape(flat, result.shape, order=result.source.order)
