"""What fills a grid: dielectrics, conductors, ionised doping and fixed charges, each a region with one number."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from ..array import STATIC
from ..errors import InputTypeError, ShapeError
from .regions import Region
from .site_inputs import positive_number, real_array


@dataclass(frozen=True)
class Dielectric:
    """A region of one relative permittivity.

    Parameters
    ----------
    region : Region
    permittivity : float
        ε_r > 0: 3.9 for SiO₂.

    Raises
    ------
    InputError
        When the permittivity is not positive and finite.
    """

    region: Region = field(metadata=STATIC)
    permittivity: float

    def __post_init__(self) -> None:
        _check_region(self)
        object.__setattr__(self, "permittivity", positive_number(self.permittivity, "Dielectric: permittivity", ""))


@dataclass(frozen=True)
class Conductor:
    """A metal body, gate or contact, at one potential.

    Parameters
    ----------
    name : str
        By which leads and messages know it.
    region : Region
        Every node in it and on its surface has the voltage. Its surface may lie between nodes.
    voltage : float
        Electrostatic potential [V]: for a gate, the applied voltage less the work-function difference over e.

    Raises
    ------
    InputError
        When the voltage is not finite.
    """

    name: str = field(metadata=STATIC)
    region: Region = field(metadata=STATIC)
    voltage: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputTypeError(f"Conductor: name = {self.name!r} must be a string.")
        _check_region(self)
        _set_number(self, "voltage", "V")


@dataclass(frozen=True)
class Doping:
    """Ionised doping of one density, outside the conductors.

    Parameters
    ----------
    region : Region
        Should hold whole cells: the part of a cell that it holds is found from sample points. What a conductor covers
        of it does not count.
    density : float
        [e/Å³]: positive for donors. 10²⁰ cm⁻³ are 10⁻⁴ Å⁻³.

    Raises
    ------
    InputError
        When the density is not finite.
    """

    region: Region = field(metadata=STATIC)
    density: float

    def __post_init__(self) -> None:
        _check_region(self)
        _set_number(self, "density", "e/Å³")


@dataclass(frozen=True)
class FixedCharge:
    """A charge spread evenly over a region: doping known by its total, or a sheet in a box as thick as one cell.

    Parameters
    ----------
    region : Region
        Should hold whole cells: the part of a cell that it holds is found from sample points. What a conductor covers
        of it has no charge.
    charge : float
        The total [e] outside the conductors: positive for donors.

    Raises
    ------
    InputError
        When the charge is not finite.
    """

    region: Region = field(metadata=STATIC)
    charge: float

    def __post_init__(self) -> None:
        _check_region(self)
        _set_number(self, "charge", "e")


def _check_region(body: Any) -> None:
    if not (callable(getattr(body.region, "contains", None)) and isinstance(body.region, Hashable)):
        raise InputTypeError(
            f"{type(body).__name__}: region is a {type(body.region).__name__}; give a Box, Cylinder, CylindricalShell, "
            "Union, or a hashable object with their method `contains`."
        )


def _set_number(body: Any, name: str, unit: str) -> None:
    value = real_array(getattr(body, name), f"{type(body).__name__}: {name}", unit)
    if value.ndim:
        raise ShapeError(f"{type(body).__name__}: {name} has shape {value.shape} but must be one number [{unit}].")
    object.__setattr__(body, name, float(value))
