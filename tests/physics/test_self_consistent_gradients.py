"""The gradient through the self-consistent loop against differences of converged solutions, for every kind of input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from biased_devices import random_device

import negfadj as na
from negfadj.array import rebuild, tree_map
from negfadj.electrostatics.bodies import Conductor, Dielectric, Doping
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.regions import Box
from negfadj.models import PowerLaw, Shell, Structure, TightBinding, transport_model, transport_model_vjp
from negfadj.physics.charge import charge
from negfadj.physics.self_consistent import Solution, self_consistent, self_consistent_vjp
from negfadj.testing import check_vjp

SITES = np.array([0, 1, 1, 2, 2, 3, 4, 4])
EXACT: dict[str, Any] = {"tolerance": 1e-11, "error": 1e-10}


def plates() -> ParallelPlates:
    rng = np.random.default_rng(5)
    positions = np.column_stack((np.arange(5) * 2.0 + 3.0, 0.5 * rng.normal(size=(5, 2))))
    return ParallelPlates(positions, width=np.linspace(0.9, 1.2, 5), distance=14.0, relative_permittivity=2.0)


def grid() -> FiniteVolumePoisson:
    rng = np.random.default_rng(6)
    positions = np.column_stack((np.arange(5) * 2.0 + 3.0, 6.0 + 0.3 * rng.normal(size=(5, 2))))
    across = np.linspace(0, 12, 9)
    return FiniteVolumePoisson(
        Grid(np.linspace(0, 14, 11), across, across),
        positions,
        width=1.2,
        conductors=(
            Conductor("gate", Box(x=(4, 10), z=(11, 13)), 0.3),
            Conductor("source", Box(x=(-1, 0))),
            Conductor("drain", Box(x=(14, 15)), 0.05),
        ),
        dielectrics=(Dielectric(Box(z=(8, 12)), 3.9),),
        doping=(Doping(Box(x=(0, 5)), 2e-4),),
        lead_conductors=("source", "drain"),
    ).with_line_shifts(x=0.1 * rng.normal(size=11), z=0.1 * rng.normal(size=9))


def neutral(device: na.Device, sites: np.ndarray) -> np.ndarray:
    found = charge(device, 0.05, temperature=1000).populations
    return np.bincount(sites, found) + 0.02 * np.arange(sites.max() + 1)


def composed(fixed: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """(device, electrostatics, neutral, (V, E_F, kilokelvin)) → (φ, q, I), and its pullback."""
    last: list[Solution] = []

    def options(n: np.ndarray, numbers: np.ndarray) -> dict[str, Any]:
        v, fermi, kilokelvin = (float(x) for x in numbers)
        given = {"neutral": n, "bias": v, "fermi_energy": fermi, "temperature": 1000 * kilokelvin}
        return given | EXACT | fixed | ({"initial": last[0]} if last else {})

    def value(device: na.Device, field: Any, n: np.ndarray, numbers: np.ndarray) -> Any:
        found = self_consistent(device, field, **options(n, numbers))
        last[:] = last or [found]
        return found.potential, found.charge, np.asarray(found.current)

    def value_vjp(device: na.Device, field: Any, n: np.ndarray, numbers: np.ndarray) -> Any:
        found, pullback = self_consistent_vjp(device, field, **options(n, numbers))

        def plain(bar: Any) -> Any:
            bars = pullback(potential=bar[0], charge=bar[1], current=float(bar[2]))
            assert bars.residual <= 1e-9
            return (
                bars.device,
                bars.electrostatics,
                bars.neutral,
                np.array([bars.bias, bars.fermi_energy, 1000 * bars.temperature]),
            )

        return (found.potential, found.charge, np.asarray(found.current)), plain

    return value, value_vjp


CASES = {
    "plates, no overlap": (False, plates, {}),
    "plates, overlap": (True, plates, {}),
    "grid, overlap": (True, grid, {}),
    "grid, lead 1 in equilibrium, eta": (False, grid, {"equilibrium": 1, "eta": 1e-2}),
}
NUMBERS = np.array([0.3, 0.05, 1.0])


def inner(bar: Any, tangent: Any) -> float:
    found: list[float] = []

    def add(v: Any, x: Any) -> Any:
        found.append(0.0 if x is None else float(np.real(np.sum(np.conj(x) * v))))
        return v

    tree_map(add, tangent, bar)
    return sum(found)


def direction(primal: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    tangent = tree_map(lambda x: rng.normal(size=np.shape(x)) if np.ndim(x) else np.float64(rng.normal()), primal)
    return primal.project_tangent(tangent) if hasattr(primal, "project_tangent") else tangent


def test_gradient_through_the_loop_is_that_of_converged_solutions() -> None:
    overlap, make, fixed = CASES["plates, overlap"]
    device = random_device(overlap=overlap)
    primals = (device, make(), neutral(device, SITES), NUMBERS)
    value, value_vjp = composed({"sites": SITES, **fixed})
    found, pullback = value_vjp(*primals)
    weights = direction(found, 7)
    tangents = [direction(p, k) for k, p in enumerate(primals)]

    def along(h: float) -> float:
        moved = [tree_map(lambda x, v: x + h * v, p, t) for p, t in zip(primals, tangents)]
        return sum(float(np.sum(w * x)) for w, x in zip(weights, value(*moved)))

    h = 2e-3
    slope = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
    exact = sum(inner(bar, v) for bar, v in zip(pullback(weights), tangents))
    assert abs(exact - slope) <= 1e-6 * abs(slope)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("argument", range(4))
def test_self_consistent_vjp_agrees_with_differences(name: str, argument: int) -> None:
    overlap, make, fixed = CASES[name]
    device = random_device(overlap=overlap)
    value, value_vjp = composed({"sites": SITES, **fixed})
    primals = (device, make(), neutral(device, SITES), NUMBERS)
    check_vjp(value, value_vjp, primals, arguments=[argument], rtol=1e-6, step=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("periodic", [False, True])
def test_gradient_reaches_tight_binding_parameters_and_positions(periodic: bool) -> None:
    # a bent chain with overlap; the electrostatics sits at the same positions
    rng = np.random.default_rng(2)
    n = 10
    positions = np.column_stack((3.0 * np.arange(n), 0.0 * np.arange(n), 0.0 * np.arange(n)))
    positions[4:6] += 0.1 * rng.normal(size=(2, 3))
    cell = np.diag([3.0 * n, 9.0, 9.0])
    structure = Structure(("C",) * n, positions, cell, (False, periodic, False))
    law = PowerLaw(2.0, 3.0)
    model = TightBinding({"C": 0.1}, (Shell(("C", "C"), 3.0, 0.5, -1.0, 0.1, law, law),))

    def field(structure: Structure) -> ParallelPlates:
        return ParallelPlates(structure.positions + np.array([2.0, 4.0, 4.0]), width=1.0, distance=3.0 * n + 1.0)

    def value(structure: Structure, model: TightBinding) -> Any:
        made = transport_model(structure, model)
        found = self_consistent(
            made.device, field(structure), bias=0.2, temperature=600.0, neutral=0.9, sites=made.atoms, **EXACT
        )
        return found.potential, found.charge, np.asarray(found.current)

    def value_vjp(structure: Structure, model: TightBinding) -> Any:
        made, model_pullback = transport_model_vjp(structure, model)
        found, pullback = self_consistent_vjp(
            made.device, field(structure), bias=0.2, temperature=600.0, neutral=0.9, sites=made.atoms, **EXACT
        )

        def plain(bar: Any) -> Any:
            bars = pullback(potential=bar[0], charge=bar[1], current=float(bar[2]))
            of_model = model_pullback(bars.device)
            of_positions = of_model.structure.positions + bars.electrostatics.positions
            return rebuild(of_model.structure, positions=of_positions), of_model.model

        return (found.potential, found.charge, np.asarray(found.current)), plain

    check_vjp(value, value_vjp, (structure, model), arguments=[1], rtol=1e-6, step=1e-2)
    bars = value_vjp(structure, model)[1]((np.ones(n), np.zeros(n), np.asarray(1.0)))
    tangent = np.zeros((n, 3))
    tangent[3:7] = rng.normal(size=(4, 3))  # the leads' cells stay as they are

    def along(h: float) -> float:
        moved = rebuild(structure, positions=structure.positions + h * tangent)
        phi, _, current = value(moved, model)
        return float(np.sum(phi) + current)

    h = 4e-3
    slope = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
    assert abs(np.sum(bars[0].positions * tangent) - slope) <= 1e-6 * abs(slope)
