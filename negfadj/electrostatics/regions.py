"""Regions of space: boxes, cylinders, cylindrical shells and unions of them.

A region says which points it holds, its surface included. It is hashable and holds no differentiable numbers: it
decides which nodes and cells of a grid are metal, dielectric or doped, and that choice jumps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..array import STATIC
from ..errors import InputError, InputTypeError
from ..typing import Array

SURFACE = 1e-9  # Å: a grid line this near to a surface lies on it, whatever its last digits
AXES = {"x": 0, "y": 1, "z": 2}


class Region(Protocol):
    """What a region offers; any hashable object that does so may be used as one."""

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Which of the points (x, y, z) [Å], arrays that broadcast, are inside or on the surface."""
        ...


@dataclass(frozen=True)
class Box:
    """A box with faces across the axes; a direction left out is unlimited.

    Parameters
    ----------
    x, y, z : pair of floats, optional
        First and last coordinate [Å].

    Raises
    ------
    InputError
        When a direction is not a pair that increases.
    InputTypeError
        When it is not of real numbers.
    """

    x: tuple[float, float] | None = field(default=None, metadata=STATIC)
    y: tuple[float, float] | None = field(default=None, metadata=STATIC)
    z: tuple[float, float] | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        for name in AXES:
            _set_span(self, name)

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Which points are in the box."""
        return _within(x, self.x) & _within(y, self.y) & _within(z, self.z)


@dataclass(frozen=True)
class Cylinder:
    """A full cylinder along a coordinate axis.

    Parameters
    ----------
    axis : str
        "x", "y" or "z".
    centre : pair of floats
        Its two other coordinates [Å], in the order x, y, z.
    radius : float
        [Å].
    span : pair of floats, optional
        From where to where along the axis [Å]; unlimited when left out.

    Raises
    ------
    InputError
        For another axis, a radius that is not positive, a span that does not increase.
    InputTypeError
        For what is not a real number.
    """

    axis: str = field(metadata=STATIC)
    centre: tuple[float, float] = field(metadata=STATIC)
    radius: float = field(metadata=STATIC)
    span: tuple[float, float] | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        _set_axis(self)
        object.__setattr__(self, "radius", _number(self, "radius"))
        if not self.radius > 0:
            raise InputError(f"Cylinder: radius = {self.radius} Å must be positive.")

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Which points are in the cylinder."""
        along, distance = _along_and_distance(self, x, y, z)
        return (distance <= self.radius + SURFACE) & _within(along, self.span)


@dataclass(frozen=True)
class CylindricalShell:
    """The space between two coaxial cylinders: the oxide of a nanotube, or with no outer radius a gate that wraps it.

    Parameters
    ----------
    axis : str
        "x", "y" or "z".
    centre : pair of floats
        The two other coordinates of the axis [Å], in the order x, y, z.
    inner_radius, outer_radius : float
        [Å]; the outer one may be infinite, which is its default.
    span : pair of floats, optional
        From where to where along the axis [Å]; unlimited when left out.

    Raises
    ------
    InputError
        For another axis, radii that do not increase from 0 on, a span that does not increase.
    InputTypeError
        For what is not a real number.
    """

    axis: str = field(metadata=STATIC)
    centre: tuple[float, float] = field(metadata=STATIC)
    inner_radius: float = field(metadata=STATIC)
    outer_radius: float = field(default=math.inf, metadata=STATIC)
    span: tuple[float, float] | None = field(default=None, metadata=STATIC)

    def __post_init__(self) -> None:
        _set_axis(self)
        for name in ("inner_radius", "outer_radius"):
            object.__setattr__(self, name, _number(self, name))
        if not 0 <= self.inner_radius < self.outer_radius:
            raise InputError(
                f"CylindricalShell: inner_radius = {self.inner_radius} Å and outer_radius = {self.outer_radius} Å must "
                "increase from 0 on."
            )

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Which points are between the two cylinders."""
        along, distance = _along_and_distance(self, x, y, z)
        between = (distance >= self.inner_radius - SURFACE) & (distance <= self.outer_radius + SURFACE)
        return between & _within(along, self.span)


@dataclass(frozen=True)
class Union:
    """All points of several regions.

    Parameters
    ----------
    regions : tuple of Region
        At least one.

    Raises
    ------
    InputError
        When there is none.
    InputTypeError
        When they are not regions.
    """

    regions: tuple[Region, ...] = field(metadata=STATIC)

    def __post_init__(self) -> None:
        regions = tuple(self.regions) if isinstance(self.regions, Iterable) else (self.regions,)
        if not regions:
            raise InputError("Union: regions is empty; give at least one region.")
        for number, region in enumerate(regions):
            if not callable(getattr(region, "contains", None)):
                raise InputTypeError(f"Union: regions[{number}] is a {type(region).__name__}; give a tuple of regions.")
        object.__setattr__(self, "regions", regions)

    def contains(self, x: Array, y: Array, z: Array) -> Array:
        """Which points are in any of the regions."""
        inside = self.regions[0].contains(x, y, z)
        for region in self.regions[1:]:
            inside = inside | region.contains(x, y, z)
        return inside


def _within(coordinate: Array, span: tuple[float, float] | None) -> Array:
    if span is None:
        return np.ones(np.shape(coordinate), dtype=bool)
    return (coordinate >= span[0] - SURFACE) & (coordinate <= span[1] + SURFACE)


def _along_and_distance(region: Any, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """The coordinate along the axis of a cylinder, and the distance from the axis."""
    across = [x, y, z]
    along = across.pop(AXES[region.axis])
    return along, np.hypot(across[0] - region.centre[0], across[1] - region.centre[1])


def _set_axis(region: Any) -> None:
    """Check axis, centre and span of a cylinder."""
    if region.axis not in AXES:
        raise InputError(f'{type(region).__name__}: axis = {region.axis!r} must be "x", "y" or "z".')
    centre = _numbers(region, "centre")
    if centre.shape != (2,) or not np.all(np.isfinite(centre)):
        raise InputError(
            f"{type(region).__name__}: centre = {region.centre} must be the two finite coordinates across the axis."
        )
    object.__setattr__(region, "centre", tuple(centre.tolist()))
    _set_span(region, "span")


def _set_span(region: Any, name: str) -> None:
    """Replace a span by a pair of floats that increases."""
    span = getattr(region, name)
    if span is None:
        return
    pair = _numbers(region, name)
    if pair.shape != (2,) or not pair[0] < pair[1]:
        raise InputError(
            f"{type(region).__name__}: {name} = {span} must be two coordinates that increase, or None for no limit."
        )
    object.__setattr__(region, name, tuple(pair.tolist()))


def _number(region: Any, name: str) -> float:
    found = _numbers(region, name)
    if found.ndim:
        raise InputError(f"{type(region).__name__}: {name} = {getattr(region, name)} must be one number [Å].")
    return float(found)


def _numbers(region: Any, name: str) -> Array:
    """A field of a region as float64, infinite ones allowed."""
    value = getattr(region, name)
    try:
        found = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{type(region).__name__}: {name} = {value!r} is not of real numbers [Å].") from error
    if found.dtype.kind not in "iuf":
        raise InputTypeError(f"{type(region).__name__}: {name} = {value!r} is not of real numbers [Å].")
    return found.astype(np.float64)
