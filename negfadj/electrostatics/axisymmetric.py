"""Poisson's equation with the symmetry of a cylinder, on a grid of x and r.

Over r dr dx, −∇·(ε₀ ε_r ∇φ) = ρ is the equation of a plane problem with the permittivity ε_r r/r₀ and a depth of 2πr₀:

    −∂_x (ε₀ ε_r (r/r₀) ∂_x φ) − ∂_r (ε₀ ε_r (r/r₀) ∂_r φ) = ρ r/r₀.

`FiniteVolumePoisson` solves it with y for r, uniform along z over the period 2πr₀, and r the middle of every cell: the
volumes and the faces across x are those of the rings, and the error falls as the square of the spacing. A site is a
ring of charge, q [e] all around.

Sources: S. Selberherr, Analysis and Simulation of Semiconductor Devices (1984), Ch. 6.1 (finite volumes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .bodies import Conductor, Dielectric
from .finite_volume import FiniteVolumePoisson
from .grid import Grid
from .regions import Box
from .resolution import LARGEST_SPACING
from .site_inputs import positive_number

REFERENCE = 1.0  # r₀ [Å]


@dataclass(frozen=True)
class Layer:
    """A dielectric between two radii [Å], uniform along the axis."""

    inner_radius: float
    outer_radius: float
    permittivity: float


def axisymmetric_poisson(
    axial: ArrayLike,
    radial: ArrayLike,
    *,
    positions: ArrayLike,
    radius: float,
    width: float,
    layers: Sequence[Layer] = (),
    conductors: Sequence[Conductor] = (),
    lead_conductors: Sequence[str | None] = (),
    largest_spacing: float = LARGEST_SPACING,
) -> FiniteVolumePoisson:
    """Rings of charge around the x axis, among coaxial dielectrics and conductors.

    Parameters
    ----------
    axial, radial : arrays, shapes (n_lines,)
        Grid lines along x and r [Å]; r from 0 on, with lines at the radii of the layers.
    positions : array, shape (n_sites,)
        x of the rings [Å].
    radius : float
        Of all of them [Å].
    width : float
        σ of their Gaussian cross-section [Å].
    layers : sequence of Layer
        Vacuum elsewhere; the later one counts where two overlap.
    conductors : sequence of Conductor
        Their regions are bounded by x, and by y in place of r: ``Box(x=(10, 30), y=(20, 21))`` is a tube around the
        axis.
    lead_conductors, largest_spacing : as `FiniteVolumePoisson`

    Returns
    -------
    FiniteVolumePoisson
        Dielectric k fills the cells between the radial lines k and k + 1; `layer_permittivities_bar` adds their
        cotangents up.

    Raises
    ------
    InputError, ShapeError
        For radial lines that do not begin at 0, a layer whose radii are no lines; as `FiniteVolumePoisson`.
    """
    grid = Grid(axial, radial, [0.0, 2 * math.pi * REFERENCE], (False, False, True))
    lines = grid.y
    if lines[0] != 0:
        raise InputError(f"radial[0] = {lines[0]} Å but the radial lines begin on the axis, at 0.")
    x = np.array(positions, dtype=np.float64)
    if x.ndim != 1:
        raise ShapeError(f"positions has shape {x.shape} but must be (n_sites,), the place of every ring along x [Å].")
    radius = positive_number(radius, "radius", "Å")
    permittivity = np.ones(len(lines) - 1)
    for layer in layers:
        value = positive_number(layer.permittivity, "Layer: permittivity", "")
        permittivity[_cells(lines, layer)] = value
    middle = (lines[:-1] + lines[1:]) / 2
    return FiniteVolumePoisson(
        grid=grid,
        positions=np.column_stack((x, np.full(len(x), radius), np.zeros(len(x)))),
        width=width,
        conductors=tuple(conductors),
        dielectrics=tuple(
            Dielectric(Box(y=(float(a), float(b))), float(e * r / REFERENCE))
            for a, b, e, r in zip(lines[:-1], lines[1:], permittivity, middle)
        ),
        lead_conductors=tuple(lead_conductors),
        largest_spacing=largest_spacing,
    )


def layer_permittivities_bar(bar: FiniteVolumePoisson, layers: Sequence[Layer]) -> list[float]:
    """The cotangents of the layers' permittivities, from that of the electrostatics that was made of them.

    Parameters
    ----------
    bar : FiniteVolumePoisson
        A cotangent, `electrostatics` of a pullback.
    layers : sequence of Layer
        Those given to `axisymmetric_poisson`; none may overlap another.
    """
    lines = bar.grid.y
    middle = (lines[:-1] + lines[1:]) / 2
    of_cells = np.array([d.permittivity for d in bar.dielectrics]) * middle / REFERENCE
    return [float(np.sum(of_cells[_cells(lines, layer)])) for layer in layers]


def radial_lines_bar(poisson: FiniteVolumePoisson, bar: FiniteVolumePoisson) -> Array:
    """The cotangent of the radial lines (n_lines,), layers and conductors moving along with those they end on.

    That of an oxide from r₁ to r₂ which grows outwards, with all beyond it, is the sum of Σ_n r̄_n over the lines with
    the shares (r_n − r₁)/(r₂ − r₁), from 0 up to 1.

    Parameters
    ----------
    poisson : FiniteVolumePoisson
        From `axisymmetric_poisson`, with `with_line_shifts()`.
    bar : FiniteVolumePoisson
        A cotangent, `electrostatics` of a pullback.

    Raises
    ------
    InputError
        When the lines of `poisson` have no derivative.
    """
    if bar.line_shifts is None:
        raise InputError("the lines have no derivative; make the electrostatics with .with_line_shifts().")
    middle = (poisson.grid.y[:-1] + poisson.grid.y[1:]) / 2
    # the permittivity of a cell is ε r/r₀ with r its middle
    of_middles = np.array([d.permittivity * b.permittivity for d, b in zip(poisson.dielectrics, bar.dielectrics)])
    half = of_middles / middle / 2
    return bar.line_shifts[1] + np.append(half, 0.0) + np.append(0.0, half)


def _cells(lines: Array, layer: Layer) -> slice:
    if not 0 <= layer.inner_radius < layer.outer_radius:
        raise InputError(f"{layer}: the radii must increase from 0 on.")
    found = []
    for name, r in (("inner_radius", layer.inner_radius), ("outer_radius", layer.outer_radius)):
        nearest = int(np.argmin(np.abs(lines - r)))
        if abs(lines[nearest] - r) > 1e-9:
            raise InputError(
                f"Layer: {name} = {r:g} Å is not among the radial lines; the nearest is at {lines[nearest]:g} Å. Put a "
                "line there."
            )
        found.append(nearest)
    return slice(found[0], found[1])
