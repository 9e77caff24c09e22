"""Finite-volume Poisson: manufactured and closed solutions, Gauss's law, the symmetry of the response."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from negfadj.constants import COULOMB_EV_ANGSTROM, VACUUM_PERMITTIVITY
from negfadj.electrostatics.bodies import Conductor, Dielectric, Doping, FixedCharge
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.regions import Box, Cylinder, CylindricalShell, Union

POINT = 1e-13  # Å: a Gaussian so narrow that it sits on its node alone


def nodes_of(grid: Grid) -> np.ndarray:
    """Coordinates of all nodes, (n_nodes, 3)."""
    lines = [lines[:n] for lines, n in zip(grid.lines, grid.shape)]
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)


def response_matrix(poisson: FiniteVolumePoisson) -> np.ndarray:
    return np.stack([poisson.response(row) for row in np.eye(poisson.n_sites)])


def manufactured_error(n: int, grading: float, size: float = 5.0) -> float:
    """Largest error for φ = cos(πx) cos(2πy) sin(2πz)/ε(z), Neumann, periodic, metal, with an interface at z = 1/2."""
    t = np.linspace(0, 1, n + 1)
    graded = size * (t + grading * np.sin(2 * np.pi * t))
    grid = Grid(graded, np.linspace(0, size, n + 1), graded, (False, True, False))
    points = nodes_of(grid)
    x, y, z = points.T / size
    permittivity = np.where(z > 0.5, 3.9, 1.0)
    shape = np.cos(np.pi * x) * np.cos(2 * np.pi * y) * np.sin(2 * np.pi * z)
    density = VACUUM_PERMITTIVITY * (1 + 4 + 4) * (np.pi / size) ** 2 * shape
    poisson = FiniteVolumePoisson(
        grid,
        points,
        POINT,
        largest_spacing=np.inf,
        conductors=(Conductor("low", Box(z=(-1, 0))), Conductor("high", Box(z=(size, size + 1)))),
        dielectrics=(Dielectric(Box(z=(size / 2, size)), 3.9),),
    )
    found = poisson.potential(density * grid.volumes.ravel())
    return float(np.abs(found - shape / permittivity).max())


@pytest.mark.parametrize("grading", [0.0, 0.08])
def test_manufactured_solution_converges_with_order_two(grading: float) -> None:
    errors = [manufactured_error(n, grading) for n in (8, 16, 24)]
    assert np.log(errors[0] / errors[1]) / np.log(2) > 1.85
    assert np.log(errors[1] / errors[2]) / np.log(1.5) > 1.9


# The plates' surfaces on lines, and between them, where a surface is known to 1e-9 Å.
@pytest.mark.parametrize(("edge", "rtol"), [(0.0, 1e-12), (0.37, 1e-8)])
def test_two_dielectrics_between_plates_are_exact(edge: float, rtol: float) -> None:
    z = np.array([0, 0.5, 1.1, 2, 3, 3.3, 4, 5.0, 6])
    grid = Grid(np.linspace(0, 4, 5), np.linspace(0, 3, 4), z, (True, False, False))
    low, high = 0.5 + edge, 5.0 - edge
    sites = np.array([[1.0, 1.0, 2.0], [3.0, 2.0, 3.0], [2.0, 1.0, 4.0]])
    poisson = FiniteVolumePoisson(
        grid,
        sites,
        POINT,
        largest_spacing=np.inf,
        conductors=(Conductor("source", Box(z=(-9, low)), 0.2), Conductor("gate", Box(z=(high, 9)), -0.7)),
        dielectrics=(Dielectric(Box(z=(3, 9)), 25.0),),
        background_permittivity=3.9,
        lead_conductors=("gate",),
    )
    capacitance = VACUUM_PERMITTIVITY * 12 / ((3 - low) / 3.9 + (high - 3) / 25)
    voltage = 0.2 - (-0.7 + 0.1)
    field = voltage * capacitance / (VACUUM_PERMITTIVITY * 12)
    expected = 0.2 - field * np.array([(2 - low) / 3.9, (3 - low) / 3.9, (3 - low) / 3.9 + 1 / 25])
    none = np.zeros(3)
    np.testing.assert_allclose(poisson.potential(none, [0.1]), expected, rtol=rtol)
    charges = poisson.conductor_charges(none, [0.1])
    np.testing.assert_allclose(charges, [capacitance * voltage, -capacitance * voltage], rtol=rtol)


@pytest.mark.parametrize(("low", "high"), [(2.4, 2.6), (2.0, 2.6), (2.4, 3.0), (2.999, 3.0), (1.7, 3.6)])
def test_capacitance_of_a_gap_between_lines_is_that_of_its_width(low: float, high: float) -> None:
    grid = Grid([0, 4], [0, 4], np.linspace(0, 10, 11), (True, True, False))
    pair = (Conductor("a", Box(z=(-1, low))), Conductor("b", Box(z=(high, 11)), 1.0))
    charges = FiniteVolumePoisson(grid, [[2, 2, 5.0]], 1.0, pair, background_permittivity=2.0).conductor_charges([0.0])
    exact = 2.0 * VACUUM_PERMITTIVITY * 16 / (high - low)
    np.testing.assert_allclose(charges, [-exact, exact], rtol=4e-9 / (high - low))  # surfaces are known to 1e-9 Å


def test_surface_next_to_a_free_node_is_put_a_thousandth_of_the_edge_away() -> None:
    grid = Grid([0, 4], [0, 4], np.linspace(0, 10, 11), (True, True, False))
    charges = [
        FiniteVolumePoisson(
            grid, [[2, 2, 5.0]], 1.0, (Conductor("a", Box(z=(0, 0.5))), Conductor("b", Box(z=(9 + d, 11)), 1.0))
        ).conductor_charges([0.0])[1]
        for d in (1e-8, 9e-4, 1e-3)
    ]
    np.testing.assert_allclose(charges, VACUUM_PERMITTIVITY * 16 / (8.501), rtol=1e-8)


@pytest.mark.parametrize("body", [Doping(Box(z=(4, 10)), 2e-3), FixedCharge(Box(z=(4, 12)), 2e-3 * 16 * 4.5)])
def test_charge_that_metal_covers_is_not_there(body: Doping | FixedCharge) -> None:
    # the metal begins a quarter into a cell, as sample points see it: φ'' = −ρ/ε₀ on (4, 8.5), exact at the nodes
    grid = Grid([0, 4], [0, 4], np.arange(0, 13, 2.0), (True, True, False))
    _, poisson = (  # the first leaves nothing behind with the grid
        FiniteVolumePoisson(
            grid,
            [[2, 2, 5.0]],
            1.0,
            (Conductor("a", Box(z=(-1, 0))), Conductor("b", Box(z=(surface, 13)))),
            doping=(body,),
        )
        for surface in (11.0, 8.5)
    )
    z = np.arange(0, 9, 2.0)
    field = 2e-3 / VACUUM_PERMITTIVITY * 4.5**2 / 2 / 8.5  # at z = 0: φ(8.5) = 0
    exact = field * z - 2e-3 / VACUUM_PERMITTIVITY * np.clip(z - 4, 0, None) ** 2 / 2
    np.testing.assert_allclose(poisson.node_potential([0.0])[0, 0], [*exact, 0, 0], rtol=1e-8, atol=1e-9)
    assert poisson.conductor_charges([0.0]).sum() == pytest.approx(-2e-3 * 16 * 4.5, rel=1e-12)


def test_self_interaction_on_the_coarsest_grid_accepted_is_a_fifth_too_low() -> None:
    found = []
    for spacing in (0.5, 1.0, 2.0):
        line = np.arange(-12, 13, spacing)
        faces = [Box(**{axis: (sign * 12 - 1e-3, sign * 12 + 1e-3)}) for axis in "xyz" for sign in (-1, 1)]
        sites = np.zeros((1, 3)) + (0.5 * spacing if spacing == 2.0 else 0.0)
        box = (Conductor("box", Union(tuple(faces))),)
        # the grid is fine near the site only
        line = np.unique(np.concatenate((line[np.abs(line) <= 4], np.arange(-12, 13, 2.0))))
        found.append(FiniteVolumePoisson(Grid(line, line, line), sites, 1.0, box).response([1.0])[0])
    exact = (4 * found[0] - found[1]) / 3
    assert -0.08 < found[1] / exact - 1 < -0.05
    assert -0.23 < found[2] / exact - 1 < -0.17


def cylindrical_errors(n: int) -> tuple[float, float]:
    """Relative errors of capacitance and potential of a coaxial line, radii 2 and 6 Å, spacing 14/n Å."""
    line = np.linspace(-7, 7, n + 1)
    grid = Grid(line, line, [0.0, 1.0], (False, False, True))
    radii = np.array([2.5, 3.0, 4.0, 5.3])
    angles = np.array([0.1, 0.9, 2.3, 4.0])
    sites = np.stack((radii * np.cos(angles), radii * np.sin(angles), 0 * radii), axis=-1)
    poisson = FiniteVolumePoisson(
        grid,
        sites,
        POINT,
        largest_spacing=np.inf,
        conductors=(
            Conductor("core", Cylinder("z", (0, 0), 2.0), 1.0),
            Conductor("gate", CylindricalShell("z", (0, 0), 6.0)),
        ),
    )
    capacitance = 2 * np.pi * VACUUM_PERMITTIVITY / np.log(3)
    charge = poisson.conductor_charges(np.zeros(4))[0]
    potential = np.log(6 / radii) / np.log(3)
    return abs(charge / capacitance - 1), float(np.abs(poisson.potential(np.zeros(4)) - potential).max())


def test_cylindrical_capacitor_converges_with_order_two() -> None:
    errors = np.array([cylindrical_errors(n) for n in (35, 70, 140, 280)])
    slopes = np.polyfit(np.log([35, 70, 140, 280]), np.log(errors), 1)[0]
    assert np.all(slopes < -1.7), slopes
    assert np.all(errors[-1] < 5e-4), errors


def test_flux_through_every_box_is_the_charge_inside() -> None:
    rng = np.random.default_rng(3)
    lines = [np.sort(np.append(rng.uniform(0, 8, 9), [0.0, 8.0])) for _ in range(3)]
    grid = Grid(*lines)
    poisson = FiniteVolumePoisson(
        grid,
        rng.uniform(1, 7, (6, 3)),
        0.6,
        largest_spacing=np.inf,
        conductors=(
            Conductor("gate", Box(z=(lines[2][-3], 8)), 0.4),
            Conductor("wire", Box((0, 4), (0, 3), (0, lines[2][3]))),
        ),
        doping=(Doping(Box(x=(lines[0][3], lines[0][6])), 2e-3),),
        background_permittivity=3.9,
    )
    q = rng.normal(size=6)
    u = poisson.node_potential(q)
    half = [grid.half_spacings[axis].sum(axis=1) for axis in range(3)]  # size of the control volumes
    doped = np.zeros([len(h) for h in grid.spacings])
    doped[3:6] = 2e-3
    charge = (poisson.weights.transpose @ q).reshape(grid.shape) + grid.to_nodes(doped)
    inside = (slice(2, 6), slice(1, 7), slice(4, 8))  # of free nodes only, on the wire at one side
    flux = 0.0
    for axis in range(3):
        area = np.ones(grid.shape)
        for other in {0, 1, 2} - {axis}:
            area = area * half[other].reshape([-1 if k == other else 1 for k in range(3)])
        for layer, step in ((inside[axis].start, -1), (inside[axis].stop - 1, 1)):
            near = tuple(slice(layer, layer + 1) if k == axis else inside[k] for k in range(3))
            far = tuple(slice(layer + step, layer + step + 1) if k == axis else inside[k] for k in range(3))
            distance = abs(lines[axis][layer + step] - lines[axis][layer])
            flux += 3.9 * VACUUM_PERMITTIVITY * float(np.sum(area[near] * (u[near] - u[far]))) / distance
    assert flux == pytest.approx(float(charge[inside].sum()), abs=1e-10 * np.abs(q).sum())


def test_all_charges_add_up_to_zero() -> None:
    grid = Grid(np.linspace(0, 9, 10), np.linspace(0, 6, 7), np.linspace(0, 8, 9), (False, True, False))
    poisson = FiniteVolumePoisson(
        grid,
        [[1.0, 2.0, 7.9], [3.0, 5.9, 4.0]],  # the first spreads into the gate
        0.8,
        conductors=(
            Conductor("gate", Union((Box(z=(7, 8)), Cylinder("y", (8.0, 1.0), 1.2))), 1.0),
            Conductor("source", Cylinder("y", (0.0, 0.0), 1.4), -0.3),
        ),
        dielectrics=(Dielectric(CylindricalShell("y", (0, 0), 1.4, 3.1), 9.0),),
        doping=(FixedCharge(Box(x=(4, 6)), 0.7),),
    )
    q = np.array([0.9, -1.7])
    total = poisson.conductor_charges(q).sum() + q.sum() + 0.7
    assert abs(total) < 1e-12 * 4


def test_gaussians_interact_as_in_free_space_when_walls_are_far() -> None:
    step = np.concatenate((np.arange(0, 5, 0.5), 5 * 1.35 ** np.arange(7)))
    line = np.concatenate((-step[:0:-1], step))
    end = line[-1]
    faces = [Box(**{axis: (sign * end - 1e-3, sign * end + 1e-3)}) for axis in "xyz" for sign in (-1, 1)]
    distances = np.array([0.0, 1.0, 2.0, 4.0])
    sites = np.stack((distances, 0 * distances, 0 * distances), axis=-1)
    box = Conductor("box", Union(tuple(faces)))
    poisson = FiniteVolumePoisson(Grid(line, line, line), sites, 1.0, conductors=(box,))
    found = poisson.response([1.0, 0, 0, 0])
    self_interaction = COULOMB_EV_ANGSTROM / np.sqrt(np.pi)
    expected = np.append(self_interaction, COULOMB_EV_ANGSTROM * erf(distances[1:] / 2) / distances[1:])
    # The walls lower all of them by nearly the same, 14.4/R times a number near 1; the spacing costs (h/σ)²/12.
    np.testing.assert_allclose(found - found[-1], expected - expected[-1], atol=0.04 * self_interaction)
    assert 0.5 < (expected[-1] - found[-1]) * end / COULOMB_EV_ANGSTROM < 1.2


def test_charges_between_plates_approach_the_sum_of_images_with_order_two() -> None:
    # Four widths from the plates: a Gaussian that reaches into the metal loses its tail on the grid.
    sites, q = np.array([[2.8, 0, 0], [3.2, 1.1, 0]]), np.array([1.0, -0.4])
    expected = ParallelPlates(sites, 0.7, 6.0, 2.0, (0.2, -0.1)).potential(q, (0.1, 0.2))
    found = []
    for n in (2, 3):
        across, along = np.linspace(-8, 8, 16 * n + 1), np.linspace(0, 6, 6 * n + 1)
        poisson = FiniteVolumePoisson(
            Grid(along, across, across),
            sites,
            0.7,
            conductors=(Conductor("left", Box(x=(-1, 0)), 0.2), Conductor("right", Box(x=(6, 7)), -0.1)),
            background_permittivity=2.0,
            lead_conductors=("left", "right"),
        )
        found.append(poisson.potential(q, (0.1, 0.2)))
    errors = [np.abs(potential - expected).max() for potential in found]
    assert np.log(errors[0] / errors[1]) / np.log(1.5) == pytest.approx(2, abs=0.15)
    extrapolated = (9 * found[1] - 4 * found[0]) / 5
    np.testing.assert_allclose(extrapolated, expected, rtol=2e-3)


@st.composite
def poissons(draw: st.DrawFn) -> FiniteVolumePoisson:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    periodic = tuple(draw(st.tuples(st.booleans(), st.booleans(), st.just(False))))
    lines = [np.cumsum(rng.uniform(0.2, 1.5, draw(st.integers(3, 7)))) for _ in range(3)]
    low, high = np.array([x[0] for x in lines]), np.array([x[-1] for x in lines])
    middle = [float(x) for x in (low + high) / 2]
    return FiniteVolumePoisson(
        Grid(*lines, periodic),  # type: ignore[arg-type]
        low + (high - low) * rng.uniform(size=(4, 3)),
        rng.uniform(0.05, 0.5, 4) * (high - low).min(),
        largest_spacing=np.inf,
        conductors=(Conductor("gate", Box(z=(middle[2], 99)), 0.3),),
        dielectrics=(Dielectric(Cylinder("x", (middle[1], middle[2]), 1.3), draw(st.floats(0.01, 100))),),
    )


@settings(max_examples=25, deadline=None)
@given(poissons())
def test_response_is_symmetric_and_positive_semidefinite(poisson: FiniteVolumePoisson) -> None:
    matrix = response_matrix(poisson)
    assert np.abs(matrix - matrix.T).max() <= 1e-11 * np.abs(matrix).max()
    assert np.linalg.eigvalsh(matrix + matrix.T).min() >= -1e-11 * np.abs(matrix).max()


def periodic_cell(copies: int) -> FiniteVolumePoisson:
    cell = np.array([0.0, 0.7, 1.5, 3.0, 4.0])
    y = np.unique(np.concatenate([4.0 * k + cell for k in range(copies)]))
    sites = np.array([[1.0, 0.2, 2.0], [2.0, 3.9, 3.0]])
    return FiniteVolumePoisson(
        Grid(np.linspace(0, 4, 5), y, np.linspace(0, 5, 6), (True, True, False)),
        np.concatenate([sites + [0, 4.0 * k, 0] for k in range(copies)]),
        0.9,
        conductors=(
            Conductor("back", Box(z=(0, 0.5))),
            Conductor("rods", Union(tuple(Box(y=(4.0 * k, 4.0 * k + 0.7), z=(4.5, 5)) for k in range(copies))), 1.0),
        ),
    )


def test_periodic_cell_agrees_with_two_copies_of_it() -> None:
    q = np.array([0.6, -0.4])
    one, two = periodic_cell(1).potential(q), periodic_cell(2).potential(np.tile(q, 2))
    np.testing.assert_allclose(two, np.tile(one, 2), atol=1e-12)


def test_sites_moved_by_a_period_or_by_one_spacing_feel_the_same() -> None:
    line = np.linspace(0, 5, 11)
    grid = Grid(line, line, np.linspace(0, 4, 9), (True, True, False))
    gate = (Conductor("gate", Box(z=(3.5, 4)), 0.3),)
    sites = np.array([[0.1, 2.0, 1.0], [4.8, 3.3, 2.0], [2.2, 0.4, 0.5]])
    q = np.array([1.0, -0.4, 0.3])
    here = FiniteVolumePoisson(grid, sites, 0.7, gate).potential(q)
    for shift in ([5.0, -10.0, 0], [0.5, 0, 0], [-0.5, 1.0, 0]):
        there = FiniteVolumePoisson(grid, sites + shift, 0.7, gate).potential(q)
        np.testing.assert_allclose(there, here, atol=1e-12)


def test_region_wrapped_at_a_periodic_face_holds_the_first_plane_too() -> None:
    grid = Grid(np.linspace(0, 4, 5), np.linspace(0, 4, 5), np.linspace(0, 4, 5), (True, True, False))
    left, right = (
        FiniteVolumePoisson(grid, [[1.3, 2.0, 2.0]], 0.5, (Conductor("plane", Box(x=x), 1.0),)).potential([0.4])
        for x in ((-1.0, 0.0), (4.0, 5.0))
    )
    np.testing.assert_allclose(left, right, rtol=1e-12)


def test_fixed_charge_is_spread_evenly_and_a_doping_density_over_the_volume() -> None:
    grid = Grid(np.linspace(0, 4, 9), np.linspace(0, 4, 5), np.linspace(0, 4, 5))
    gate = (Conductor("gate", Box(z=(4, 5))),)
    region = Box((1, 2), (0, 3), (1, 2))
    by_total, by_density = (
        FiniteVolumePoisson(grid, [[2.0, 2.0, 2.0]], 0.5, gate, doping=(body,))
        for body in (FixedCharge(region, 0.6), Doping(region, 0.2))
    )
    np.testing.assert_allclose(by_total.node_potential([0.0]), by_density.node_potential([0.0]), rtol=1e-13)
    assert by_total.conductor_charges([0.0])[0] == pytest.approx(-0.6, rel=1e-12)


def test_later_dielectric_counts_where_two_overlap() -> None:
    line = np.linspace(0, 4, 5)
    poisson = FiniteVolumePoisson(
        Grid(line, line, line),
        [[2.0, 2.0, 2.0]],
        0.5,
        (Conductor("low", Box(z=(0, 0.5))), Conductor("gate", Box(z=(4, 5)), 1.0)),
        (Dielectric(Box(), 2.0), Dielectric(Box(), 7.0)),
    )
    capacitance = 7.0 * VACUUM_PERMITTIVITY * 16 / 3.5
    assert poisson.conductor_charges([0.0])[1] == pytest.approx(capacitance, rel=1e-8)


def test_floating_device_with_neutral_charge_is_solved_up_to_its_mean() -> None:
    line = np.linspace(0, 6, 7)
    grid = Grid(line, line, line, (True, True, True))
    poisson = FiniteVolumePoisson(grid, [[1.0, 2.0, 3.0], [4.0, 2.0, 3.0]], 0.6, doping=(FixedCharge(Box(), 0.5),))
    u = poisson.node_potential([0.5, -1.0])
    assert abs(np.sum(grid.volumes * u)) < 1e-12 * grid.volumes.sum()
    # The jellium of 0.5 e and the two charges: the difference is that of a charge of 1 e and −1 e, and of 0.5 e alone.
    expected = poisson.response([0.5, -1.0])
    np.testing.assert_allclose(poisson.potential([0.5, -1.0]), expected, atol=1e-12)
    assert expected[0] > 0 > expected[1]


def test_other_voltages_share_the_factors() -> None:
    poisson = periodic_cell(1)
    other = poisson.with_voltages({"rods": 2.0})
    assert other._system is poisson._system and other.weights is poisson.weights
    none = np.zeros(2)
    np.testing.assert_allclose(other.potential(none), 2 * poisson.potential(none), rtol=1e-12)


def test_poisson_survives_a_pickle_after_use() -> None:
    poisson = periodic_cell(1)
    q = np.array([0.6, -0.4])
    before = poisson.potential(q)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(poisson)).potential(q), before)
