"""Electrostatics with the symmetry of a cylinder: the coaxial capacitor, and the same problem in three dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from negfadj.constants import COULOMB_EV_ANGSTROM, VACUUM_PERMITTIVITY
from negfadj.electrostatics.axisymmetric import (
    Layer,
    axisymmetric_poisson,
    layer_permittivities_bar,
    radial_lines_bar,
)
from negfadj.electrostatics.bodies import Conductor, Dielectric
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box, CylindricalShell
from negfadj.errors import InputError

INNER, OUTER, SPLIT = 5.0, 20.0, 10.0


def coaxial(spacing: float, layers: tuple[Layer, ...]) -> FiniteVolumePoisson:
    radial = np.linspace(0, OUTER, round(OUTER / spacing) + 1)
    conductors = (Conductor("core", Box(y=(0, INNER)), 1.0), Conductor("gate", Box(y=(OUTER, OUTER + 1))))
    return axisymmetric_poisson(
        [0.0, 3.0], radial, positions=[1.5], radius=7.5, width=0.5, layers=layers, conductors=conductors
    )


def capacitance(spacing: float, layers: tuple[Layer, ...]) -> float:
    """Of 3 Å of the capacitor [e/V]."""
    return float(coaxial(spacing, layers).conductor_charges([0.0])[0])


LAYERS = (Layer(0.0, SPLIT, 2.0), Layer(SPLIT, OUTER, 9.0))
EXACT = 3 * 2 * math.pi * VACUUM_PERMITTIVITY / (math.log(SPLIT / INNER) / 2.0 + math.log(OUTER / SPLIT) / 9.0)


def test_coaxial_capacitor_has_its_capacitance_to_second_order() -> None:
    errors = [abs(capacitance(h, LAYERS) / EXACT - 1) for h in (1.0, 0.5, 0.25)]
    assert errors[-1] < 1e-3
    for coarse, fine in zip(errors, errors[1:]):
        assert 1.9 < math.log2(coarse / fine) < 2.1


def test_ring_of_charge_has_the_potential_of_a_charged_cylinder() -> None:
    shell = axisymmetric_poisson(
        [0.0, 3.0],
        np.linspace(0, OUTER, 161),
        positions=[0.5, 1.5, 2.5],
        radius=INNER,
        width=0.3,
        conductors=(Conductor("gate", Box(y=(OUTER, OUTER + 1))),),
    )
    found = shell.potential(np.ones(3))  # 1 e/Å
    exact = 2 * COULOMB_EV_ANGSTROM * math.log(OUTER / INNER)
    # the wall of thickness σ takes σ/(√π R) of the field at the surface off, 2 q/R times that
    smear = 2 * COULOMB_EV_ANGSTROM * 0.3 / (math.sqrt(math.pi) * INNER)
    np.testing.assert_allclose(found, exact - smear, rtol=3e-3)


def difference_from_three_dimensions(spacing: float, width: float) -> float:
    """Largest difference of the rings' potentials, relative to their range."""
    x, n_atoms = np.linspace(0, 40, 21), 32
    positions = np.arange(4, 37, 4.0)
    charge = np.random.default_rng(0).standard_normal(len(positions))
    angle = 2 * np.pi * np.arange(n_atoms) / n_atoms
    flat = axisymmetric_poisson(
        x,
        np.linspace(0, 14, round(14 / spacing) + 1),
        positions=positions,
        radius=5.0,
        width=width,
        layers=(Layer(8.0, 14.0, 4.0),),
        conductors=(Conductor("gate", Box(x=(10, 30), y=(14, 15)), 0.5),),
        largest_spacing=4.0,  # along x, alike in both
    )
    across = np.linspace(-15, 15, round(30 / spacing) + 1)
    ring = np.column_stack((np.zeros(n_atoms), 5 * np.cos(angle), 5 * np.sin(angle)))
    spatial = FiniteVolumePoisson(
        grid=Grid(x, across, across),
        positions=(positions[:, None, None] * [1, 0, 0] + ring).reshape(-1, 3),
        width=width,
        conductors=(Conductor("gate", CylindricalShell("x", (0, 0), 14.0, span=(10, 30)), 0.5),),
        dielectrics=(Dielectric(CylindricalShell("x", (0, 0), 8.0, 14.0), 4.0),),
        solver="cg",
        tolerance=1e-9,
        largest_spacing=4.0,
    )
    found = flat.potential(charge)
    rings = spatial.potential(np.repeat(charge / n_atoms, n_atoms)).reshape(len(positions), -1).mean(axis=1)
    return float(np.max(np.abs(found - rings)) / np.ptp(rings))


def test_axisymmetric_grid_agrees_with_three_dimensions() -> None:
    # a spread-out ring is not quite a ring of the same radius, and surfaces are staircases there: both vanish
    coarse, fine = difference_from_three_dimensions(1.0, 1.0), difference_from_three_dimensions(0.5, 0.5)
    assert fine < 0.6 * coarse and fine < 0.05


def test_layer_permittivities_have_their_derivative() -> None:
    def potential(first: float, second: float) -> float:
        return float(coaxial(0.5, (Layer(0.0, SPLIT, first), Layer(SPLIT, OUTER, second))).potential([0.3])[0])

    _, pullback = coaxial(0.5, LAYERS).potential_vjp([0.3])
    bars = layer_permittivities_bar(pullback([1.0]).electrostatics, LAYERS)
    h = 1e-4
    expected = [
        (potential(2.0 + h, 9.0) - potential(2.0 - h, 9.0)) / (2 * h),
        (potential(2.0, 9.0 + h) - potential(2.0, 9.0 - h)) / (2 * h),
    ]
    np.testing.assert_allclose(bars, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("radial", "layers", "message"),
    [
        ([1.0, 2.0, 20.0], (), "begin on the axis"),
        ([0.0, 5.0, 20.0], (Layer(5.0, 11.0, 2.0),), "outer_radius = 11 Å is not among the radial lines"),
        ([0.0, 5.0, 20.0], (Layer(5.0, 5.0, 2.0),), "must increase"),
        ([0.0, 5.0, 20.0], (Layer(5.0, 20.0, -2.0),), "positive"),
    ],
)
def test_axisymmetric_refuses_what_is_no_geometry(radial: list[float], layers: tuple[Layer, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        axisymmetric_poisson([0.0, 1.0], radial, positions=[0.5], radius=5.0, width=1.0, layers=layers)


def test_derivative_to_the_thickness_of_an_oxide_agrees_with_differences() -> None:
    sites, charge, bar = [4.0, 9.0, 15.0], np.array([0.3, -0.2, 0.1]), np.array([1.0, -0.4, 0.7])
    inner, metal = 7.0, 3.0

    def wrapped(thickness: float) -> FiniteVolumePoisson:
        radial = np.concatenate((np.linspace(0, inner, 8), inner + thickness * np.array([0.2, 0.5, 1.0])))
        radial = np.append(radial, radial[-1] + metal)
        outer = float(radial[-2])
        return axisymmetric_poisson(
            np.linspace(0, 20, 11),
            radial,
            positions=sites,
            radius=5.0,
            width=1.0,
            layers=(Layer(inner, outer, 3.9),),
            conductors=(
                Conductor("gate", Box(x=(6, 14), y=(outer, outer + metal)), 0.5),
                Conductor("end", Box(x=(-1, 0))),
            ),
        )

    poisson = wrapped(4.0).with_line_shifts()
    found = radial_lines_bar(poisson, poisson.potential_vjp(charge)[1](bar).electrostatics)
    of_thickness = found @ np.clip((poisson.grid.y - inner) / 4.0, 0, 1)
    h = 1e-2
    near = [bar @ wrapped(4.0 + k * h).potential(charge) for k in (-2, -1, 1, 2)]
    slope = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h)
    assert abs(of_thickness - slope) <= 1e-7 * abs(slope)


def test_radial_lines_without_a_derivative_are_refused() -> None:
    poisson = coaxial(1.0, LAYERS)
    with pytest.raises(InputError, match=r"no derivative; make the electrostatics with .with_line_shifts\(\)"):
        radial_lines_bar(poisson, poisson.potential_vjp([0.0])[1](np.ones(1)).electrostatics)
