"""What every ballistic observable asks for, checked once: device, energies, broadenings, lead method, backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..array import (
    array_namespace,
    check_backend,
    complex_dtype,
    device_of,
    is_array,
    leaves,
    move_in,
    real_dtype,
)
from ..data import Device, Lead, SelfEnergy
from ..data.checks import check_finite
from ..errors import InputError, InputTypeError, ShapeError
from ..primitives.open_system import Hoppings
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .leads import lead_support

SMALLEST_BROADENING = 1e-9  # eV: below it a lead is treated as one at a real energy


@dataclass(frozen=True, eq=False)
class Request:
    """A checked calculation: arrays on the backend, energies flat; `origin` is the caller's own device.

    `contour`, where it is given, are complex energies in place of E.
    """

    device: Device
    energies: Array
    shape: tuple[int, ...]
    eta: float
    device_eta: float
    method: str
    backend: Backend
    memory_limit: float | None
    origin: Device
    contour: Array | None = None

    @cached_property
    def supports(self) -> tuple[Array | None, ...]:
        """Per lead, the orbitals of its block it touches."""
        return tuple(lead_support(lead) for lead in self.device.leads)

    @cached_property
    def hoppings(self) -> Hoppings:
        """The structure of the off-diagonal blocks."""
        return Hoppings.of(self.device.hamiltonian, self.device.overlap)

    @property
    def at_real_energy(self) -> bool:
        """True when open channels have |λ| = 1 to rounding: their velocities choose the branch."""
        return self.contour is None and self.eta < SMALLEST_BROADENING

    @cached_property
    def dtype(self) -> Any:
        """complex64 when every array of the device is single precision, else complex128."""
        return complex_dtype(*[x for x in leaves(self.device) if is_array(x)])


def make_request(
    device: Device,
    energies: ArrayLike,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    backend: Backend,
    memory_limit: float | None,
) -> Request:
    """Check the arguments shared by all observables and move them in.

    Raises
    ------
    InputError, InputTypeError, ShapeError, BackendError
    """
    if not isinstance(device, Device):
        raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
    check_backend(backend)
    eta = _non_negative(eta, "eta")
    device_eta = _non_negative(device_eta, "device_eta")
    if lead_method not in ("auto", "decimation", "modes"):
        raise InputError(f'lead_method={lead_method!r} is not known; use "auto", "decimation" or "modes".')
    has_lead = any(isinstance(lead, Lead) for lead in device.leads)
    if lead_method == "decimation" and eta < SMALLEST_BROADENING and has_lead:
        raise InputError(
            f'lead_method="decimation" needs eta > 0, {SMALLEST_BROADENING:g} eV at least, not {eta:g}: a surface '
            'state of the lead would be lost; give eta=1e-6, say, or use lead_method="modes".'
        )
    method = chosen_method(lead_method, eta)
    flat, shape = check_energies(energies, device)
    for k, lead in enumerate(device.leads):
        if isinstance(lead, SelfEnergy) and lead.self_energy.shape[0] not in (1, flat.shape[0]):
            raise ShapeError(
                f"leads[{k}].self_energy is given at {lead.self_energy.shape[0]} energies but {flat.shape[0]} are "
                "asked for; give it at the same energies, or once for all of them."
            )
    moved, flat = move_in((device, flat), backend)
    return Request(moved, flat, shape, eta, device_eta, method, backend, memory_limit, device)


def chosen_method(lead_method: LeadMethod, eta: float) -> str:
    """What "auto" stands for: modes where the leads are at real energies to rounding, decimation elsewhere."""
    if lead_method != "auto":
        return lead_method
    return "modes" if eta < SMALLEST_BROADENING else "decimation"


def check_energies(energies: ArrayLike, device: Device) -> tuple[Array, tuple[int, ...]]:
    """Energies as a flat real array beside the device's, and the shape they came in (a number or one axis)."""
    block = device.hamiltonian.diagonal[0]
    xp = array_namespace(block)
    if not is_array(energies):
        try:
            energies = xp.asarray(energies, device=device_of(block))
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"energies={energies!r} cannot be made an array of real numbers [eV].") from error
    elif array_namespace(energies) is not xp:
        raise InputTypeError(
            f"energies are {type(energies).__module__.split('.')[0]} and the device is "
            f"{type(block).__module__.split('.')[0]}; convert one of them."
        )
    dtype = getattr(energies, "dtype", None)
    try:
        is_real = dtype is not None and bool(xp.isdtype(dtype, ("real floating", "integral")))
    except (TypeError, ValueError):
        is_real = False
    if not is_real:
        raise InputTypeError(
            f"energies have dtype {dtype} but must be real numbers [eV]; a broadening is given as eta."
        )
    if energies.ndim > 1:
        raise ShapeError(f"energies have shape {tuple(energies.shape)} but must be one number or one axis of them.")
    shape = tuple(energies.shape)
    flat = xp.reshape(energies, (-1,))
    real = real_dtype(complex_dtype(*[x for x in leaves(device) if is_array(x)]), xp)
    flat = xp.astype(flat, real)
    if flat.shape[0] == 0:
        raise ShapeError("energies are empty; give at least one.")
    check_finite(flat, "energies")
    return flat, shape


def _non_negative(x: Any, name: str) -> float:
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name}={x!r} must be a real number [eV].") from None
    if value != value or value == float("inf"):
        raise InputError(f"{name}={x!r} must be a finite energy [eV], zero or positive.")
    if value < 0:
        raise InputError(
            f"{name}={x!r} must be zero or positive [eV]: a negative broadening gives the advanced function."
        )
    return value


def largest_matrix(device: Device) -> int:
    """Rows of the largest matrix a calculation meets: a device block, or twice a lead cell (its modes)."""
    leads = [2 * lead.n_orbitals for lead in device.leads if isinstance(lead, Lead)]
    return int(max([*device.hamiltonian.block_sizes, *leads]))
