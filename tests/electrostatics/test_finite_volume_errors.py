"""Finite-volume Poisson refuses what has no meaning: what, value, fix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from negfadj.electrostatics.bodies import Conductor, Dielectric, Doping, FixedCharge
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box, Cylinder, CylindricalShell, Union
from negfadj.errors import InputError, InputTypeError, ShapeError

LINE = np.linspace(0, 4, 5)
GRID = Grid(LINE, LINE, LINE, (True, False, False))
GATE = Conductor("gate", Box(z=(4, 5)), 0.2)
POISSON = FiniteVolumePoisson(GRID, [[1.0, 2.0, 3.0], [2.0, 2.0, 1.0]], 0.5, (GATE,), lead_conductors=("gate", None))


def test_atom_outside_the_grid_is_named() -> None:
    message = r"positions\[1\] = \(2.0, 4.5, 1.0\) Å is outside .* y = 0 to 4 Å \(1 of 2 sites\); add grid lines"
    with pytest.raises(InputError, match=message):
        replace(POISSON, positions=[[9.0, 2.0, 3.0], [2.0, 4.5, 1.0]])


def test_overlapping_conductors_are_named() -> None:
    other = Conductor("contact", Box(y=(0, 1)))
    message = r"'gate' and 'contact' overlap or touch: .* node \(0, 0, 4\) at \(0.0, 0.0, 4.0\) Å, 8 nodes .*Union"
    with pytest.raises(InputError, match=message):
        replace(POISSON, conductors=(GATE, other))


def test_conductor_between_the_lines_is_refused() -> None:
    with pytest.raises(InputError, match=r"'wire' holds no node of the grid .*draw grid lines through it"):
        replace(POISSON, conductors=(GATE, Conductor("wire", Cylinder("x", (1.5, 1.5), 0.4))))


def test_two_conductors_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two conductors have the name 'gate'"):
        replace(POISSON, conductors=(GATE, Conductor("gate", Box(z=(0, 1)))))


@pytest.mark.parametrize("value", [0.0, -3.9])
def test_permittivity_must_be_positive(value: float) -> None:
    with pytest.raises(InputError, match=rf"Dielectric: permittivity={value:g} must be positive"):
        Dielectric(Box(), value)
    with pytest.raises(InputError, match=rf"background_permittivity={value:g} must be positive"):
        replace(POISSON, background_permittivity=value)


def test_width_must_be_positive() -> None:
    with pytest.raises(InputError, match="width is -1 Å at site 1; it must be positive"):
        replace(POISSON, width=[0.5, -1.0])


def test_floating_device_with_net_charge_is_refused() -> None:
    floating = replace(POISSON, conductors=(), lead_conductors=(), doping=(FixedCharge(Box(), 0.5),))
    with pytest.raises(InputError, match=r"charges add up to 0.7 e \(0.2 e of the sites, 0.5 e of doping\)"):
        floating.potential([1.0, -0.8])
    assert np.all(np.isfinite(floating.potential([0.5, -1.0])))


def test_unknown_conductor_of_a_lead_is_named() -> None:
    with pytest.raises(InputError, match=r"lead_conductors names the conductor 'drain', but there are only \['gate'\]"):
        replace(POISSON, lead_conductors=("gate", "drain"))
    with pytest.raises(InputError, match="with_voltages names the conductor 'gat'"):
        POISSON.with_voltages({"gat": 1.0})


def test_voltages_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(InputTypeError, match=r"voltages is a list; give a voltage \[V\] to every name"):
        POISSON.with_voltages(["gate"])  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="Conductor: voltage has dtype"):
        POISSON.with_voltages({"gate": "a"})  # type: ignore[dict-item]


def test_lead_voltages_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"lead_voltages has 3 entries but lead_conductors = \('gate', None\) has 2"):
        POISSON.potential([0.0, 0.0], [0.1, 0.2, 0.3])


def test_charge_of_another_length_is_refused() -> None:
    for call in (POISSON.potential, POISSON.response, POISSON.potential_vjp, POISSON.conductor_charges):
        with pytest.raises(ShapeError, match=r"has shape \(3,\) but must be \(2,\)"):
            call([0.0, 0.0, 1.0])


def test_doping_thinner_than_a_cell_is_refused() -> None:
    with pytest.raises(InputError, match=r"doping\[0\] holds no sample point of a cell .*as thick as a cell"):
        replace(POISSON, doping=(FixedCharge(Box(z=(1.0, 1.01)), 0.1),))


def test_grid_lines_must_rise() -> None:
    with pytest.raises(InputError, match=r"the lines y\[1\] = 2.0 Å and y\[2\] = 2.0 Å do not rise; sort"):
        Grid(LINE, [0, 2, 2, 3], LINE)
    with pytest.raises(InputError, match=r"Grid: y\[1\] is nan; every entry must be a finite number \[Å\]"):
        Grid(LINE, [0.0, np.nan, 1.0], LINE)
    with pytest.raises(InputTypeError, match=r"Grid: z has dtype <U2; pass real numbers \[Å\]"):
        Grid(LINE, LINE, "ab")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="at least two lines"):
        Grid(LINE, LINE, [1.0])
    with pytest.raises(ShapeError, match="must be three bools"):
        Grid(LINE, LINE, LINE, (True, False))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="periodic = True must be three bools"):
        Grid(LINE, LINE, LINE, True)  # type: ignore[arg-type]


def test_regions_without_points_are_refused() -> None:
    with pytest.raises(InputError, match=r"Box: z = \(2, 1\) must be two coordinates that increase"):
        Box(z=(2, 1))
    with pytest.raises(InputError, match=r"radius = -1.0 Å must be positive"):
        Cylinder("z", (0, 0), -1)
    with pytest.raises(InputError, match='axis = \'w\' must be "x", "y" or "z"'):
        Cylinder("w", (0, 0), 1)
    with pytest.raises(InputError, match="two finite coordinates across the axis"):
        Cylinder("z", (0, 0, 0), 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"inner_radius = 2.0 Å and outer_radius = 1.0 Å must increase"):
        CylindricalShell("z", (0, 0), 2, 1)
    with pytest.raises(InputError, match="regions is empty"):
        Union(())


def test_regions_of_other_things_than_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"Box: z = 9 must be two coordinates that increase, or None"):
        Box(z=9)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"Box: z = 'ab' is not of real numbers \[Å\]"):
        Box(z="ab")  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"Box: x = \(0, \(1, 2\)\) is not of real numbers"):
        Box(x=(0, (1, 2)))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"Cylinder: radius = 'a' is not of real numbers"):
        Cylinder("z", (0, 0), "a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Cylinder: radius = \(1, 2\) must be one number"):
        Cylinder("z", (0, 0), (1, 2))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="centre = 3 must be the two finite coordinates"):
        Cylinder("z", 3, 1.0)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"Union: regions\[0\] is a int; give a tuple of regions"):
        Union((3,))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"Union: regions\[0\] is a float; give a tuple of regions"):
        Union(3.0)  # type: ignore[arg-type]
    np.testing.assert_array_equal(Box(z=(0, np.inf)).contains(0, 0, np.array([-1.0, 1e9])), [False, True])


@pytest.mark.parametrize(("first", "second"), [(2.9, 2.1), (2.5, 2.5), (2.1 + 1e-10, 2.1)])
def test_conductors_that_meet_between_lines_are_refused(first: float, second: float) -> None:
    grid = Grid([0, 4], [0, 4], LINE, (True, True, False))
    pair = (Conductor("a", Box(z=(-1, first))), Conductor("b", Box(z=(second, 11)), 1.0))
    with pytest.raises(InputError, match=r"conductors 'a' and 'b' overlap or touch: .*make them one conductor"):
        FiniteVolumePoisson(grid, [[2, 2, 3.5]], 1.0, pair)


def test_conductors_that_overlap_within_a_cell_alone_are_refused() -> None:
    # no node and no edge is in both
    pair = (Conductor("a", Box((-1, 1.7), (0, 0.7), (0, 4))), Conductor("b", Box((1.2, 9), (0.3, 9), (1, 4))))
    with pytest.raises(InputError, match=r"overlap or touch: both hold the point \(1.375, 0.375, 1.125\) Å"):
        FiniteVolumePoisson(Grid(LINE, LINE, LINE), [[3, 3, 0.5]], 0.6, pair)


def test_dielectric_outside_the_grid_is_refused() -> None:
    outside = (Dielectric(Box(z=(0, 2)), 3.9), Dielectric(Box(z=(20, 30)), 3.9))
    with pytest.raises(InputError, match=r"dielectrics\[1\] holds no sample point of a cell .*\(20.0, 30.0\)"):
        replace(POISSON, dielectrics=outside)
    # one that others cover is no mistake
    assert replace(POISSON, dielectrics=(Dielectric(Box(z=(0, 2)), 3.9), Dielectric(Box(), 2.0))).n_sites == 2


def test_doping_inside_metal_is_refused() -> None:
    thick = replace(GATE, region=Box(z=(2.3, 5)))
    for body in (Doping(Box(z=(2.4, 2.9)), 0.01), FixedCharge(Box(z=(3, 4)), 1.0)):
        with pytest.raises(InputError, match=r"doping\[0\] holds no sample point of a cell outside the conductors"):
            replace(POISSON, conductors=(thick,), doping=(body,))


def test_width_that_the_grid_does_not_resolve_is_refused() -> None:
    fine = np.linspace(0, 4, 41)
    grid, sites = Grid([0, 1, 2, 2.4, 2.8, 3.2, 3.6, 4], [0, 4], fine, (False, True, False)), [[3.0, 1, 2], [2.3, 1, 2]]
    message = (
        r"the lines along x are 1 Å apart at positions\[1\] = \(2.3, 1.0, 2.0\) Å, 2.5 times the width, 0.4 Å; above "
        r"largest_spacing = 2 widths .* at most 0.4 Å apart"
    )
    with pytest.raises(InputError, match=message):
        FiniteVolumePoisson(grid, sites, 0.4)
    FiniteVolumePoisson(grid, sites, 0.5)
    FiniteVolumePoisson(grid, sites, 0.4, largest_spacing=2.5)
    FiniteVolumePoisson(grid, [[3.0, 1, 2], [2.45, 1, 2]], [0.25, 0.4])  # 0.05 Å inside of what it reaches
    for value in (0.0, np.nan, "a"):
        with pytest.raises(InputError, match=r"largest_spacing = .* must be positive"):
            FiniteVolumePoisson(grid, sites, 0.4, largest_spacing=value)


@pytest.mark.parametrize("place", [0.1, 3.9, -0.1, 4.1])
def test_coarse_lines_across_a_periodic_face_are_seen(place: float) -> None:
    line = np.array([0, 0.3, 0.6, 0.9, 1.2, 4.0])
    grid = Grid(line, LINE, LINE, (True, False, False))
    with pytest.raises(InputError, match=r"the lines along x are 2\.8 Å apart"):
        FiniteVolumePoisson(grid, [[place, 2, 2]], 0.6)
    FiniteVolumePoisson(grid, [[0.6, 2, 2], [8.6, 2, 2], [-7.4, 2, 2]], 0.55)


def test_width_beyond_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match=r"width is 2.1 Å at site 1, more than half .* 4 Å along y"):
        replace(POISSON, width=[0.5, 2.1])
    replace(POISSON, grid=Grid(LINE, LINE, LINE, (True, True, True)), width=50.0)  # uniform


def test_objects_of_another_kind_are_refused() -> None:
    with pytest.raises(InputTypeError, match="grid is a ndarray; pass a Grid"):
        replace(POISSON, grid=LINE)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"conductors\[0\] is a Dielectric; give a tuple of Conductor"):
        replace(POISSON, conductors=(Dielectric(Box(), 2.0),))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"doping\[0\] is a Conductor; give a tuple of Doping or FixedCharge"):
        replace(POISSON, doping=(GATE,))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="Doping: region is a tuple; give a Box"):
        Doping((0, 1), 1e-4)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="name = 3 must be a string"):
        Conductor(3, Box())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Conductor: voltage is nan"):
        Conductor("gate", Box(), float("nan"))
    with pytest.raises(ShapeError, match=r"FixedCharge: charge has shape \(2,\) but must be one number"):
        FixedCharge(Box(), [1.0, 2.0])  # type: ignore[arg-type]
