"""Pullbacks of finite-volume Poisson, leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from negfadj.array import rebuild
from negfadj.electrostatics.bodies import Conductor, Dielectric, Doping, FixedCharge
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box, Cylinder, CylindricalShell
from negfadj.testing import check_vjp

RNG = np.random.default_rng(5)
CHARGE = RNG.normal(size=4)
LEADS = np.array([0.1, 0.3, -0.2])
TRANSISTOR = FiniteVolumePoisson(
    Grid(np.linspace(0, 8, 9), np.array([0, 0.6, 1.3, 2.4, 3.0, 4.1, 5.0]), np.linspace(0, 6, 9), (False, True, False)),
    RNG.uniform(1, 5, (4, 3)),
    np.array([0.6, 0.9, 0.7, 1.1]),
    conductors=(
        Conductor("gate", Box(z=(5.4, 6)), 0.5),  # its surface lies between lines
        Conductor("source", Cylinder("y", (0.0, 0.0), 1.4), -0.2),
        Conductor("drain", Box(x=(7.5, 8), z=(0, 2)), 0.1),
    ),
    dielectrics=(Dielectric(Box(z=(3.75, 6)), 3.9), Dielectric(CylindricalShell("y", (4.0, 2.0), 1.0, 2.0), 2.0)),
    doping=(Doping(Box(x=(5, 7)), 1e-2), FixedCharge(Box(z=(1.5, 3)), 0.3)),
    background_permittivity=1.5,
    lead_conductors=("source", None, "drain"),
)
FLOATING = FiniteVolumePoisson(
    Grid(np.linspace(0, 5, 6), np.linspace(0, 4, 6), np.linspace(0, 6, 6), (True, False, True)),
    RNG.uniform(1, 4, (4, 3)),
    0.8,
    dielectrics=(Dielectric(Box(z=(2, 6)), 3.9),),
)

Leaf = tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]


def field(name: str) -> Leaf:
    return (lambda p: getattr(p, name)), (lambda p, x: rebuild(p, **{name: x}))


def number(bodies: str, name: str, k: int) -> Leaf:
    """The number of body k, as an array of one."""

    def put(poisson: Any, x: Any) -> Any:
        changed = list(getattr(poisson, bodies))
        changed[k] = rebuild(changed[k], **{name: float(x[0])})
        return rebuild(poisson, **{bodies: tuple(changed)})

    return (lambda p: np.array([getattr(getattr(p, bodies)[k], name)])), put


LEAVES = {
    "positions": field("positions"),
    "width": field("width"),
    "background_permittivity": field("background_permittivity"),
    **{f"voltage {k}": number("conductors", "voltage", k) for k in range(3)},
    **{f"permittivity {k}": number("dielectrics", "permittivity", k) for k in range(2)},
    "doping density": number("doping", "density", 0),
    "fixed charge": number("doping", "charge", 1),
}


@pytest.mark.parametrize("leaf", LEAVES, ids=str)
def test_pullback_of_one_leaf_agrees_with_differences(leaf: str) -> None:
    get, put = LEAVES[leaf]

    def value(x: Any) -> Any:
        return put(TRANSISTOR, x).potential(CHARGE, LEADS)

    def value_vjp(x: Any) -> Any:
        potential, pullback = put(TRANSISTOR, x).potential_vjp(CHARGE, LEADS)
        return potential, lambda bar: get(pullback(bar).electrostatics)

    check_vjp(value, value_vjp, (get(TRANSISTOR),))


@pytest.mark.parametrize("solver", ["direct", "amg", "cg"])
def test_pullback_of_charge_lead_voltages_and_all_leaves_agrees_with_differences(solver: str) -> None:
    poisson = rebuild(TRANSISTOR, solver=solver)
    check_vjp(
        lambda q, v, p: p.potential(q, v), lambda q, v, p: p.potential_vjp(q, v), (CHARGE, LEADS, poisson), rtol=1e-7
    )


def test_pullback_has_one_number_for_a_common_width() -> None:
    poisson = replace(TRANSISTOR, width=0.6)
    check_vjp(lambda p: p.potential(CHARGE), lambda p: (p.potential(CHARGE), electrostatics_pullback(p)), (poisson,))


def electrostatics_pullback(poisson: FiniteVolumePoisson) -> Callable[[Any], Any]:
    pullback = poisson.potential_vjp(CHARGE)[1]
    return lambda bar: pullback(bar).electrostatics


def test_pullback_of_a_floating_neutral_device_agrees_with_differences() -> None:
    neutral = CHARGE - CHARGE.mean()

    def value(p: Any, q: Any) -> Any:
        return p.potential(q - q.mean())

    def value_vjp(p: Any, q: Any) -> Any:
        potential, pullback = p.potential_vjp(q - q.mean())

        def value_pullback(bar: Any) -> Any:
            bars = pullback(bar)
            return bars.electrostatics, bars.charge - bars.charge.mean()

        return potential, value_pullback

    check_vjp(value, value_vjp, (FLOATING, neutral))


def test_charge_cotangent_is_the_response() -> None:
    bar = RNG.normal(size=4)
    np.testing.assert_array_equal(TRANSISTOR.potential_vjp(CHARGE, LEADS)[1](bar).charge, TRANSISTOR.response(bar))


def test_lead_voltages_cotangent_is_empty_or_zero_without_lead_conductors() -> None:
    free = replace(TRANSISTOR, lead_conductors=())
    value, pullback = free.potential_vjp(CHARGE, LEADS)
    np.testing.assert_array_equal(value, free.potential(CHARGE))
    np.testing.assert_array_equal(pullback(np.ones(4)).lead_voltages, np.zeros(3))
    assert TRANSISTOR.potential_vjp(CHARGE)[1](np.ones(4)).lead_voltages.shape == (0,)


def test_force_between_two_charges_points_apart() -> None:
    line = np.linspace(-8, 8, 17)
    grid = Grid(line, line, line)
    poisson = FiniteVolumePoisson(grid, [[-1.0, 0, 0], [1.0, 0, 0]], 0.9, (Conductor("far", Box(z=(7.9, 8))),))
    q = np.ones(2)
    energy_gradient = poisson.potential_vjp(q)[1](q / 2).electrostatics.positions  # of E = q P q/2
    assert energy_gradient[0, 0] > 1 and energy_gradient[1, 0] < -1
    np.testing.assert_allclose(energy_gradient[0, 0], -energy_gradient[1, 0], rtol=1e-10)
