"""Sectors of an electronic system: devices that see one potential and do not couple to each other.

    n_i = Σ_c w_c Σ_{a on i} n_a^(c),      I = Σ_c w_c I^(c)

Circumferential modes of a tube, transverse momenta of a film, valleys, spins: a quantum number that the potential
leaves alone makes one device of each of its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import array_api_compat.numpy as host

from ..array import STATIC, device_of, rebuild, to_numpy
from ..data import Device
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import ArrayLike
from .energy_integral import real_host


@dataclass(frozen=True, eq=False)
class Sector:
    """One device of several in the same potential, and how often it counts.

    Parameters
    ----------
    device : Device
        At zero potential.
    weight : float
        w: a degeneracy, or the weight of a momentum. With momenta whose weights add up to 1, charge and current are
        those of one transverse cell.
    sites : integer array, shape (n_orbitals,), optional
        The site of every orbital; default: one site per orbital, in their order.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For a weight that is not positive, something that is no device.
    """

    device: Device
    weight: float = 1.0
    sites: ArrayLike | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        if not isinstance(self.device, Device):
            raise InputTypeError(f"device is a {type(self.device).__name__}; pass a negfadj.Device.")
        weight = real_host(self.weight, "weight")
        if weight.ndim != 0:
            raise ShapeError(f"weight has shape {weight.shape} but must be one number.")
        if not float(weight) > 0:
            raise InputError(f"weight={float(weight)!r} must be positive; leave out a sector that does not count.")
        object.__setattr__(self, "weight", float(weight))

    def project_tangent(self, tangent: Sector) -> Sector:
        """A tangent or cotangent of this sector, projected on what may vary."""
        return rebuild(tangent, device=self.device.project_tangent(tangent.device))  # type: ignore[no-any-return]


def checked_sectors(given: Any, sites: Any, n_sites: int) -> tuple[Sector, ...]:
    """A device, or several sectors, as sectors whose sites are host arrays.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For none, for other things than sectors, for sites not given where they are not the orbitals, for devices of
        unlike numbers of leads or on unlike array devices.
    """
    if isinstance(given, Device):
        return (rebuild(Sector(given), sites=_checked_sites(sites, given.n_orbitals, n_sites, "sites")),)
    if not isinstance(given, Sequence) or not all(isinstance(x, Sector) for x in given):
        what = type(given).__name__ if not isinstance(given, Sequence) else f"{type(given).__name__} of other things"
        raise InputTypeError(f"device is a {what}; pass a negfadj.Device, or a list of Sector.")
    if not given:
        raise InputError("device is an empty list; give one Sector at least.")
    if sites is not None:
        raise InputError("sites are given beside a list of sectors; give every Sector its own, Sector(device, sites=…)")
    like = given[0].device
    for k, sector in enumerate(given):
        if sector.device.n_leads != like.n_leads:
            raise InputError(
                f"sectors[{k}].device has {sector.device.n_leads} leads but sectors[0].device has {like.n_leads}; "
                "all sectors are between the same leads, in the same order."
            )
        first, own = (device_of(device.hamiltonian.diagonal[0]) for device in (like, sector.device))
        if first != own:
            raise InputTypeError(f"sectors[{k}] is on {own} but sectors[0] on {first}; put all sectors on one.")
    return tuple(
        rebuild(sector, sites=_checked_sites(sector.sites, sector.device.n_orbitals, n_sites, f"sectors[{k}].sites"))
        for k, sector in enumerate(given)
    )


def _checked_sites(sites: Any, n_orbitals: int, n_sites: int, name: str) -> Any:
    if sites is None and n_orbitals != n_sites:
        raise InputError(
            f"{name}=None takes every orbital for a site, but there are {n_orbitals} orbitals and electrostatics has "
            f"{n_sites} sites; give {name}, the site of every orbital (`TransportModel.atoms`)."
        )
    found = host.arange(n_orbitals) if sites is None else host.asarray(to_numpy(sites))
    if found.dtype.kind not in "iu":
        raise InputTypeError(f"{name} has dtype {found.dtype}; give the number of every orbital's site.")
    if found.shape != (n_orbitals,):
        raise ShapeError(f"{name} has shape {found.shape} but the device has {n_orbitals} orbitals.")
    if found.min() < 0 or found.max() >= n_sites:
        raise InputError(
            f"{name} go from {found.min()} to {found.max()} but electrostatics has {n_sites} sites, 0 … {n_sites - 1}."
        )
    return host.astype(found, host.int64)
