"""Grid lines that move with the bodies drawn on them: values, and the derivative to thicknesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from negfadj.array import rebuild
from negfadj.electrostatics.bodies import Conductor, Dielectric, Doping, FixedCharge
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box, Cylinder
from negfadj.errors import InputError, ShapeError
from negfadj.testing import check_vjp

RNG = np.random.default_rng(11)
CHARGE = np.array([1.0, -0.4, 0.3])
POSITIONS = np.array([[2.1, 0.3, 1.6], [3.4, 5.8, 2.9], [4.6, -1.1, 2.2]])  # two beyond the period of y
LINES = (np.linspace(0, 7, 7), np.array([0, 0.8, 1.9, 2.7, 4.0]), np.linspace(0, 5, 6))


def gated(**changes: Any) -> FiniteVolumePoisson:
    given: dict[str, Any] = {
        "grid": Grid(*LINES, periodic=(False, True, False)),
        "positions": POSITIONS,
        "width": np.array([0.5, 0.8, 0.6]),
        "largest_spacing": np.inf,  # derivatives hold on coarse grids too
        "conductors": (
            Conductor("gate", Box(z=(4.6, 5)), 0.5),  # its surface lies between lines
            Conductor("source", Cylinder("y", (0.0, 0.0), 1.5), -0.2),
        ),
        "dielectrics": (Dielectric(Box(z=(3, 5)), 3.9),),
        "doping": (Doping(Box(x=(3, 6)), 1e-2), FixedCharge(Box(z=(1, 3)), 0.3)),
    }
    return FiniteVolumePoisson(**(given | changes))


def floating(periodic: tuple[bool, bool, bool] = (True, False, True)) -> FiniteVolumePoisson:
    return gated(
        grid=Grid(LINES[0], np.linspace(-2, 7, 6), LINES[2], periodic=periodic),
        conductors=(),
        doping=(FixedCharge(Box(z=(1, 3)), -0.9),),
    )


def uniform_across() -> FiniteVolumePoisson:
    return gated(grid=Grid(LINES[0], [0.0, 3.0], LINES[2], periodic=(False, True, False)), doping=())


def shifted(poisson: FiniteVolumePoisson, size: float = 0.2) -> FiniteVolumePoisson:
    rng = np.random.default_rng(3)
    shifts = tuple(size * rng.uniform(-1, 1, x.shape) * np.diff(x).min() for x in poisson.grid.lines)
    return replace(poisson, line_shifts=shifts)


@pytest.mark.parametrize("make", [gated, floating, uniform_across])
@pytest.mark.parametrize("axis", range(3))
def test_pullback_to_the_lines_agrees_with_differences(make: Any, axis: int) -> None:
    poisson = shifted(make())

    def put(shift: Any) -> FiniteVolumePoisson:
        shifts = [shift if k == axis else x for k, x in enumerate(poisson.line_shifts)]
        return rebuild(poisson, line_shifts=tuple(shifts))

    def value(shift: Any) -> Any:
        return put(shift).potential(CHARGE)

    def value_vjp(shift: Any) -> Any:
        potential, pullback = put(shift).potential_vjp(CHARGE)
        return potential, lambda bar: pullback(bar).electrostatics.line_shifts[axis]

    check_vjp(value, value_vjp, (poisson.line_shifts[axis],), rtol=1e-7, step=1e-2)


def test_lines_that_have_not_moved_leave_the_potential_to_the_last_bit() -> None:
    zeros = tuple(np.zeros(len(x)) for x in LINES)
    np.testing.assert_array_equal(gated(line_shifts=zeros).potential(CHARGE), gated().potential(CHARGE))
    assert gated().potential_vjp(CHARGE)[1](CHARGE).electrostatics.line_shifts is None


def test_moved_lines_are_a_grid_drawn_there() -> None:
    # all bodies end on lines: moving them is drawing them elsewhere
    def stack(thickness: float) -> dict[str, Any]:
        z = np.array([0, 1, 2, 3, 3 + thickness / 2, 3 + thickness])
        return {
            "grid": Grid(LINES[0], LINES[1], z, periodic=(False, True, False)),
            "conductors": (Conductor("gate", Box(z=(3 + thickness, 9)), 0.5), Conductor("back", Box(z=(-1, 0)))),
            "dielectrics": (Dielectric(Box(z=(3, 3 + thickness)), 3.9),),
        }

    shifts = (np.zeros(7), np.zeros(5), np.array([0, 0, 0, 0, 0.25, 0.5]))
    moved, drawn = gated(**stack(2.0), line_shifts=shifts), gated(**stack(2.5))
    np.testing.assert_allclose(moved.potential(CHARGE), drawn.potential(CHARGE), rtol=1e-11)


def test_thickness_derivative_of_a_plate_capacitor_is_the_closed_form() -> None:
    # a site in the middle of vacuum of thickness d below an oxide of thickness t: φ = V (d/2)/(d + t/ε)
    d, t, permittivity, volts = 10.0, 4.0, 3.9, 1.0
    z = np.concatenate((np.linspace(0, d, 11), d + np.linspace(0, t, 5)[1:]))
    poisson = FiniteVolumePoisson(
        Grid([0.0, 1.0], [0.0, 1.0], z, periodic=(True, True, False)),
        [[0.5, 0.5, d / 2]],
        0.6,
        conductors=(Conductor("gate", Box(z=(d + t, d + t + 1)), volts), Conductor("back", Box(z=(-1, 0)))),
        dielectrics=(Dielectric(Box(z=(d, d + t)), permittivity),),
        line_shifts=(np.zeros(2), np.zeros(2), np.zeros(len(z))),
    )
    value, pullback = poisson.potential_vjp([0.0])
    assert np.isclose(value[0], volts * d / 2 / (d + t / permittivity), rtol=1e-12)
    bar = pullback(np.ones(1)).electrostatics.line_shifts[2]
    of_thickness = bar @ np.clip((z - d) / t, 0, 1)
    assert np.isclose(of_thickness, -volts * d / 2 / permittivity / (d + t / permittivity) ** 2, rtol=1e-9)


def test_uniform_shift_of_lines_and_sites_changes_nothing() -> None:
    _, pullback = shifted(gated()).potential_vjp(CHARGE)
    bar = pullback(np.array([0.3, -1.0, 0.5])).electrostatics
    for axis in range(3):
        size = np.abs(bar.line_shifts[axis]).sum()
        assert abs(bar.line_shifts[axis].sum() + bar.positions[:, axis].sum()) <= 1e-10 * size


def test_shifts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="three arrays, of the lines along x, y, z"):
        gated(line_shifts=(np.zeros(7),))
    with pytest.raises(ShapeError, match=r"line_shifts of y has shape \(4,\) but there are 5 lines"):
        gated(line_shifts=(np.zeros(7), np.zeros(4), np.zeros(6)))
    with pytest.raises(InputError, match="do not rise"):
        gated(line_shifts=(np.zeros(7), np.zeros(5), np.array([0, 2.0, 0, 0, 0, 0])))
    with pytest.raises(InputError, match="outside the grid"):
        gated(line_shifts=(np.linspace(2.5, 0, 7), np.zeros(5), np.zeros(6)))
