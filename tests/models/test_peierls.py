"""Peierls phases: hand-made matrices, gauge invariance, flux quanta, Onsager's relation, Hall plateaus, gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from backends import Backend
from ribbons import armchair_ribbon
from scipy import sparse

import negfadj as na
from negfadj.array import is_array, leaves, rebuild, to_numpy
from negfadj.constants import ELEMENTARY_CHARGE, HBAR2_OVER_2M0, PLANCK
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models import Structure, parameter_set, transport_model
from negfadj.models.effective_mass import effective_mass_device, effective_mass_positions
from negfadj.models.lattice_device import lattice_device
from negfadj.models.lattices import honeycomb_ribbon, square_lattice
from negfadj.models.link_phases import (
    FLUX_QUANTUM,
    PeierlsPhases,
    uniform_field_phases,
    vector_potential_phases,
)
from negfadj.models.orbital_positions import OrbitalPositions, transport_positions
from negfadj.models.peierls import (
    device_in_field,
    device_in_field_vjp,
    device_with_phases,
    device_with_phases_vjp,
)
from negfadj.models.peierls_matrix import matrix_in_field, matrix_in_field_vjp, matrix_with_phases_vjp

FOUR = ("left", "right", "bottom", "top")
SPACING = 50.0  # Å
QUANTUM = FLUX_QUANTUM / SPACING**2  # T, one flux quantum to a plaquette
TURN = np.array([[np.cos(0.7), -np.sin(0.7), 0], [np.sin(0.7), np.cos(0.7), 0], [0, 0, 1]])


@cache
def dot(sides: tuple[Any, ...] = ("left", "right"), shape: tuple[int, int] = (4, 3), seed: int = 0) -> Any:
    """A disordered rectangle and where its orbitals are."""
    onsite = np.random.default_rng(seed).normal(0, 0.4, shape)
    return lattice_device(square_lattice(onsite, -1.0, spacing=SPACING, sides=sides))[:2]


def moved(positions: OrbitalPositions, turn: np.ndarray, shift: np.ndarray) -> OrbitalPositions:
    return OrbitalPositions(
        positions.device @ turn.T + shift,
        tuple(cell @ turn.T + shift for cell in positions.lead_cells),
        tuple(turn @ period for period in positions.lead_periods),
    )


def with_overlap(device: na.Device, s: float = 0.1) -> na.Device:
    """The device with S = 1 + s H on the same links."""

    def like(matrix: na.BlockTridiagonal) -> na.BlockTridiagonal:
        diagonal = [np.eye(len(x)) + s * (x - np.diag(np.diag(x))) for x in matrix.diagonal]
        return na.BlockTridiagonal(tuple(diagonal), tuple(s * x for x in matrix.upper))

    leads = [
        na.Lead(
            onsite=lead.onsite,
            hopping=lead.hopping,
            coupling=lead.coupling,
            block=lead.block,
            overlap_onsite=np.eye(len(lead.onsite)) + s * (lead.onsite - np.diag(np.diag(lead.onsite))),
            overlap_hopping=s * lead.hopping,
            overlap_coupling=s * lead.coupling,
        )
        for lead in device.leads
    ]
    return na.Device(device.hamiltonian, tuple(leads), like(device.hamiltonian))


def symmetric_gauge(field: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda r: field / 2 * np.stack([-r[:, 1], r[:, 0], 0 * r[:, 0]], axis=1)


def test_flux_quantum_is_h_over_e() -> None:
    assert FLUX_QUANTUM * 1e-20 == pytest.approx(PLANCK / ELEMENTARY_CHARGE, rel=1e-14)  # Wb


def test_hamiltonian_is_the_hand_made_one() -> None:
    """Sites and links written out: <i, j|H|i + 1, j> turns by −(e/ħ) B a² j, links along y by nothing."""
    device, positions = dot()
    field = 3.7
    here = device_in_field(device, field, positions=positions)
    plain, found = device.hamiltonian.to_dense(), here.hamiltonian.to_dense()
    sites = np.round(positions.device[:, :2] / SPACING).astype(int).tolist()
    expected = plain.astype(complex)
    for a, (i, j) in enumerate(sites):
        for b, (k, m) in enumerate(sites):
            if (k, m) == (i + 1, j):
                phase = -2 * np.pi * field / QUANTUM * j
                expected[a, b] = -np.exp(1j * phase)
                expected[b, a] = -np.exp(-1j * phase)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert np.abs(found.imag).max() > 0.1
    lead = here.leads[1]
    rows = np.round(positions.lead_cells[1][:, 1] / SPACING)
    np.testing.assert_allclose(lead.hopping, -np.diag(np.exp(-2j * np.pi * field / QUANTUM * rows)), atol=1e-13)
    np.testing.assert_allclose(lead.onsite, device.leads[1].onsite, atol=1e-13)


def test_phase_around_a_plaquette_is_its_flux() -> None:
    """φ around a polygon, anticlockwise, is +2π Φ/(h/e) for electrons: H_ab carries −(e/ħ) ∫_b^a A·dl."""
    device, positions = dot()
    h = device_in_field(device, 0.1 * QUANTUM, positions=moved(positions, TURN, np.array([30.0, -7, 2]))).hamiltonian
    dense = h.to_dense()
    sites = np.round(positions.device[:, :2] / SPACING).astype(int).tolist()
    a, b, c, d = (sites.index(list(site)) for site in ((1, 1), (2, 1), (2, 2), (1, 2)))
    assert np.angle(dense[a, b] * dense[b, c] * dense[c, d] * dense[d, a]) == pytest.approx(2 * np.pi * 0.1, rel=1e-9)


@pytest.mark.parametrize("sides", [("left", "right"), FOUR])
def test_transmission_does_not_depend_on_where_or_how_the_axes_lie(sides: tuple[Any, ...]) -> None:
    device, positions = dot(sides)
    other = moved(positions, TURN, np.array([310.0, -120.0, 4.0]))
    found = [
        na.transmission_matrix(device_in_field(device, 0.13 * QUANTUM, positions=p), 0.35) for p in (positions, other)
    ]
    np.testing.assert_allclose(*found, atol=1e-10)
    assert np.abs(found[0] - na.transmission_matrix(device, 0.35)).max() > 0.05


@pytest.mark.parametrize("sides", [("left", "right"), FOUR])
def test_transmission_is_the_same_in_the_symmetric_gauge(sides: tuple[Any, ...]) -> None:
    device, positions = dot(sides)
    field = 0.13 * QUANTUM

    def along_x(r: np.ndarray) -> np.ndarray:  # A + ∇χ = B (−y, 0, 0)
        return -field / 2 * r[:, 0] * r[:, 1]

    def along_y(r: np.ndarray) -> np.ndarray:  # A + ∇χ = B (0, x, 0)
        return field / 2 * r[:, 0] * r[:, 1]

    gauges = (along_x, along_x, along_y, along_y)[: len(sides)]
    phases = vector_potential_phases(device, symmetric_gauge(field), positions=positions, lead_gauges=gauges)
    landau = device_in_field(device, field, positions=positions)
    turned = device_with_phases(device, phases)
    assert np.abs(turned.hamiltonian.to_dense() - landau.hamiltonian.to_dense()).max() > 0.1
    expected = na.transmission_matrix(landau, [0.35, -0.8])
    np.testing.assert_allclose(na.transmission_matrix(turned, [0.35, -0.8]), expected, atol=1e-10)


def test_vector_potential_of_the_landau_gauge_gives_the_phases_of_the_field() -> None:
    device, positions = dot()
    field = 0.13 * QUANTUM
    phases = vector_potential_phases(
        device, lambda r: field * np.stack([-r[:, 1], 0 * r[:, 0], 0 * r[:, 0]], axis=1), positions=positions
    )
    found, expected = device_with_phases(device, phases), device_in_field(device, field, positions=positions)
    np.testing.assert_allclose(found.hamiltonian.to_dense(), expected.hamiltonian.to_dense(), atol=1e-13)
    for lead, other in zip(found.leads, expected.leads):
        for name in ("onsite", "hopping", "coupling"):
            np.testing.assert_allclose(getattr(lead, name), getattr(other, name), atol=1e-13)


def test_vector_potential_without_a_field_changes_nothing_but_the_phases() -> None:
    """A_y = c y³ is ∇(c y⁴/4): the phases are its differences, exactly with two points to a link."""
    device, positions = dot()
    c = 0.2 * FLUX_QUANTUM / SPACING**4
    phases = vector_potential_phases(
        device, lambda r: c * r[:, 1:2] ** 3 * np.array([0.0, 1.0, 0.0]), positions=positions, n_points=2
    )
    potential = 2 * np.pi / FLUX_QUANTUM * c * positions.device[:3, 1] ** 4 / 4
    difference = potential[None, :] - potential[:, None]
    coupled = device.hamiltonian.diagonal[0] != 0
    np.testing.assert_allclose(phases.diagonal[0], np.where(coupled, difference, 0), atol=1e-12)
    assert np.abs(difference).max() > 1
    found = na.transmission(device_with_phases(device, phases), [0.35, -0.8])
    np.testing.assert_allclose(found, na.transmission(device, [0.35, -0.8]), rtol=1e-10)


def test_one_flux_quantum_to_a_plaquette_is_no_field_at_all() -> None:
    device, positions = dot(FOUR)
    energies = [0.35, -0.8]
    found = na.transmission_matrix(device_in_field(device, QUANTUM, positions=positions), energies)
    np.testing.assert_allclose(found, na.transmission_matrix(device, energies), atol=1e-9)
    half = na.transmission_matrix(device_in_field(device, QUANTUM / 2, positions=positions), energies)
    assert np.abs(half - found).max() > 0.1


def test_transmission_obeys_onsagers_relation() -> None:
    device, positions = dot(FOUR)
    up, down = (
        na.transmission_matrix(device_in_field(device, sign * 0.13 * QUANTUM, positions=positions), 0.35)
        for sign in (1, -1)
    )
    np.testing.assert_allclose(up, down.T, atol=1e-10)
    assert np.abs(up - down).max() > 0.05


def test_overlap_turns_with_the_hamiltonian() -> None:
    """London's phases leave T independent of the axes with overlap too."""
    device, positions = dot(FOUR)
    device = with_overlap(device)
    other = moved(positions, TURN, np.array([31.0, -12.0, 4.0]))
    found = [
        na.transmission_matrix(device_in_field(device, 0.13 * QUANTUM, positions=p), 0.35) for p in (positions, other)
    ]
    np.testing.assert_allclose(*found, atol=1e-10)


def test_strip_in_a_strong_field_has_quantum_hall_plateaus_in_spite_of_disorder() -> None:
    width, length = 30, 12
    clean = square_lattice(np.zeros((length, width)), -1.0, spacing=SPACING)
    onsite = np.random.default_rng(4).uniform(-0.1, 0.1, (length, width))
    dirty = square_lattice(onsite, -1.0, spacing=SPACING)
    field = QUANTUM / 20
    # between the Landau levels at −4 + ω(n + 1/2), ω = 4π/20 = 0.63, slightly less further up
    energies = np.array([-3.9, -3.4, -2.85, -2.35])
    for lattice in (clean, dirty):
        device, positions, _ = lattice_device(lattice)
        found = na.transmission(device_in_field(device, field, positions=positions), energies)
        np.testing.assert_allclose(found, [0, 1, 2, 3], atol=2e-3)
    assert not np.allclose(na.transmission(lattice_device(dirty).device, energies), [0, 1, 2, 3], atol=0.5)


def test_graphene_in_a_strong_field_has_the_half_integer_plateaus() -> None:
    # T = 2n + 1 between the levels ±√(2n) ħv/l: 1, 3, 5 per spin
    lattice = honeycomb_ribbon("armchair", 60, 2, -2.7)
    device, positions, _ = lattice_device(lattice)
    field = 0.02 * FLUX_QUANTUM / (1.5 * np.sqrt(3) * 1.42**2)  # of a flux quantum to a hexagon
    velocity, magnetic = 1.5 * 2.7 * 1.42, np.sqrt(FLUX_QUANTUM / (2 * np.pi * field))
    levels = np.sqrt(2 * np.arange(4)) * velocity / magnetic
    found = na.transmission(device_in_field(device, field, positions=positions), (levels[:-1] + levels[1:]) / 2)
    np.testing.assert_allclose(found, [1, 3, 5], atol=1e-6)


def test_effective_mass_wire_opens_its_subbands_at_the_landau_levels() -> None:
    mass, h, field = 0.067, 12.5, 20.0
    cyclotron = 2 * HBAR2_OVER_2M0 / mass * 2 * np.pi * field / FLUX_QUANTUM  # ħeB/m [eV]
    assert cyclotron == pytest.approx(field * 1.728e-3, rel=1e-3)
    shape = (1, 80)  # 100 nm, some 17 magnetic lengths
    device = effective_mass_device(np.zeros(shape), np.full(shape, mass), spacing=h)
    here = device_in_field(device, field, positions=effective_mass_positions(shape, spacing=h))
    energies = cyclotron * np.array([0.45, 0.55, 1.4, 1.55, 2.35])
    assert na.open_channels(here, energies).tolist() == [0, 1, 1, 2, 2]


def test_electrons_from_the_left_keep_to_the_upper_edge_for_positive_field() -> None:
    """−e v × B points to +y for v along x, B along z: with a positive mass the current clings to larger y."""
    device, positions, _ = lattice_device(square_lattice(np.zeros((3, 20)), -1.0, spacing=SPACING))
    density = na.lead_density(device_in_field(device, QUANTUM / 15, positions=positions), -3.2, source=0)
    y = positions.device[:, 1] / SPACING
    upper, lower = density[y > 9.5].sum(), density[y < 9.5].sum()
    assert upper > 100 * lower > 0


def in_field(field: float, positions: OrbitalPositions, device: na.Device) -> np.ndarray:
    return na.transmission_matrix(device_in_field(device, field, positions=positions), [0.35, -0.8])


def in_field_vjp(field: float, positions: OrbitalPositions, device: na.Device) -> Any:
    here, field_pullback = device_in_field_vjp(device, field, positions=positions)
    value, pullback = na.transmission_matrix_vjp(here, [0.35, -0.8])
    return value, lambda bar: field_pullback(pullback(bar).device).field


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("sides", [("left", "right"), FOUR])
def test_gradient_of_transmission_to_the_field_passes_the_check(sides: tuple[Any, ...], overlap: bool) -> None:
    device, positions = dot(sides)
    device = with_overlap(device) if overlap else device
    keywords = {"positions": moved(positions, TURN, np.array([20.0, 5.0, 0.0])), "device": device}
    report = na.testing.check_vjp(in_field, in_field_vjp, (0.13 * QUANTUM,), keywords=keywords, arguments=[0])
    assert report.steps_used["0"] >= 3


@pytest.mark.parametrize("overlap", [False, True])
def test_pullback_of_the_device_in_a_field_passes_the_check(overlap: bool) -> None:
    device, positions = dot(("left", "top"))
    device = with_overlap(device) if overlap else device
    keywords = {"positions": positions}
    na.testing.check_vjp(device_in_field, device_in_field_vjp, (device, 0.2 * QUANTUM), keywords=keywords)


def test_pullback_to_the_phases_passes_the_check() -> None:
    device, positions = dot(("left", "top"))
    device = with_overlap(device)
    phases = uniform_field_phases(device, positions=positions)
    phases = na.testing.tree_map(lambda x: 0.2 * QUANTUM * x, phases)
    assert isinstance(phases, PeierlsPhases)
    na.testing.check_vjp(device_with_phases, device_with_phases_vjp, (device, phases))


def test_pullback_of_a_device_with_lower_blocks_passes_the_check() -> None:
    device, positions = dot()
    h = device.hamiltonian
    rng = np.random.default_rng(3)
    general = na.BlockTridiagonal(
        tuple(x + 0.1j * rng.random(x.shape) for x in h.diagonal), h.upper, tuple(2 * x.T for x in h.upper)
    )
    keywords = {"positions": positions}
    open_device = na.Device(general, device.leads)
    here = device_in_field(open_device, 0.2 * QUANTUM, positions=positions)
    np.testing.assert_allclose(here.hamiltonian.lower[0], 2 * here.hamiltonian.upper[0].conj().T, atol=1e-13)
    na.testing.check_vjp(device_in_field, device_in_field_vjp, (open_device, 0.2 * QUANTUM), keywords=keywords)


def test_derivative_by_a_parameter_of_the_vector_potential_is_the_inner_product_with_its_phases() -> None:
    device, positions = dot()

    def ripple(amplitude: float) -> PeierlsPhases:
        def vector_potential(r: np.ndarray) -> np.ndarray:
            along = amplitude * FLUX_QUANTUM / SPACING * np.sin(r[:, 1] / SPACING)
            return along[:, None] * np.array([1.0, 0, 0])

        return vector_potential_phases(device, vector_potential, positions=positions)

    def transmission(amplitude: float) -> np.ndarray:
        return na.transmission(device_with_phases(device, ripple(amplitude)), [0.35])

    def transmission_vjp(amplitude: float) -> Any:
        here, phases_pullback = device_with_phases_vjp(device, ripple(amplitude))
        value, pullback = na.transmission_vjp(here, [0.35])
        return value, lambda bar: phases_pullback(pullback(bar).device).phases.inner(ripple(1.0))

    na.testing.check_vjp(transmission, transmission_vjp, (0.11,))


def test_transport_model_knows_the_positions_of_its_orbitals() -> None:
    """What is coupled is near: in the device, to its leads, and from cell to cell of a lead."""
    parameters = parameter_set("graphene-third-neighbour")
    model = transport_model(armchair_ribbon(4, 4), parameters, cells_per_layer=2)
    positions = transport_positions(model)
    positions.check(model.device)
    offsets = model.device.hamiltonian.offsets
    h, reach = model.device.hamiltonian.to_dense(), parameters.cutoff

    def check(block: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
        distance = np.linalg.norm(start[:, None] - end, axis=-1)
        np.testing.assert_array_equal(block != 0, distance <= reach)

    check(h, positions.device, positions.device)
    for lead, cell, period in zip(model.device.leads, positions.lead_cells, positions.lead_periods):
        check(lead.onsite, cell, cell)
        check(lead.hopping, cell, cell + period)
        check(lead.coupling, positions.device[offsets[lead.block] : offsets[lead.block + 1]], cell)


def test_ribbon_from_a_structure_and_from_a_lattice_agree_in_a_field() -> None:
    field, energies = 20000.0, [0.7, 1.9]
    onsite = np.random.default_rng(0).uniform(-1, 1, 56)
    model = transport_model(armchair_ribbon(7, 4), parameter_set("graphene-nearest-neighbour"), onsite_energy=onsite)
    device, positions, _ = lattice_device(honeycomb_ribbon("armchair", 7, 4, -2.7, onsite=onsite))
    found = device_in_field(model.device, field, positions=transport_positions(model))
    expected = na.transmission(device_in_field(device, field, positions=positions), energies)
    np.testing.assert_allclose(na.transmission(found, energies), expected, rtol=1e-9)
    assert np.abs(expected - na.transmission(device, energies)).max() > 0.1


def test_periodic_structure_has_no_positions_for_a_field() -> None:
    ribbon = armchair_ribbon(4, 4)
    cell = np.diag([0.0, 4 * np.sqrt(3) / 2 * 1.42, 0.0])
    tube = Structure(ribbon.symbols, ribbon.positions, cell, (False, True, False))
    with pytest.raises(InputError, match="periodic along lattice vectors \\[1\\]"):
        transport_positions(transport_model(tube, parameter_set("graphene-nearest-neighbour")))


def test_device_stays_in_its_array_library(backend: Backend) -> None:
    device, positions = dot(("left", "top"))
    device = with_overlap(device)
    expected, expected_pullback = device_in_field_vjp(device, 1.3, positions=positions)
    found, pullback = device_in_field_vjp(backend(device), 1.3, positions=positions)
    for x, y in zip(leaves(found), leaves(backend(expected))):
        assert type(x) is type(y)
        if is_array(x):
            np.testing.assert_allclose(to_numpy(x), to_numpy(y), atol=1e-14)
    bar, expected_bar = pullback(backend(expected)), expected_pullback(expected)
    assert bar.field == pytest.approx(expected_bar.field, abs=1e-12)
    for x, y in zip(leaves(bar.device), leaves(expected_bar.device)):
        if is_array(x):
            assert type(x) is type(leaves(backend(device))[0])
            np.testing.assert_allclose(to_numpy(x), to_numpy(y), atol=1e-14)


def test_cotangent_of_a_part_of_the_device_is_refused() -> None:
    device, positions = dot()
    here, pullback = device_in_field_vjp(device, 1.3, positions=positions)
    with pytest.raises(InputTypeError, match="pass a whole Device"):
        pullback(na.transmission_vjp(here, 0.3)[1](np.ones(()), wrt="onsite").device)


def test_single_precision_stays_single() -> None:
    device, positions = dot()
    small = na.testing.tree_map(lambda x: x.astype(np.float32) if is_array(x) else x, device)
    found, pullback = device_in_field_vjp(small, 1.3, positions=positions)
    assert found.hamiltonian.upper[0].dtype == np.complex64
    assert pullback(found).device.hamiltonian.upper[0].dtype == np.float32


def test_matrix_in_a_field_is_the_hamiltonian_of_the_device_in_it() -> None:
    lattice = honeycomb_ribbon("zigzag", 3, 3, -2.7, next_nearest=0.2, haldane_phase=0.3)
    device, positions, partition = lattice_device(lattice)
    found = matrix_in_field(lattice.hamiltonian, 4000.0, positions=lattice.positions)
    expected = device_in_field(device, 4000.0, positions=positions).hamiltonian.to_dense()
    np.testing.assert_allclose(found[partition.order][:, partition.order].toarray(), expected, atol=1e-13)
    lead = lattice.leads[0]
    coupling = matrix_in_field(
        lead.matrices.coupling, 4000.0, positions=lattice.positions[:, :2], column_positions=lead.positions
    )
    block = positions.device[: device.hamiltonian.block_sizes[0]]
    assert np.array_equal(block, lattice.positions[partition.order[: len(block)]])
    expected = device_in_field(device, 4000.0, positions=positions).leads[0].coupling
    np.testing.assert_allclose(coupling[partition.order[: len(block)]].toarray(), expected, atol=1e-13)


@pytest.mark.parametrize("is_complex", [False, True])
def test_pullback_of_a_matrix_in_a_field_passes_the_check(is_complex: bool) -> None:
    rng = np.random.default_rng(0)
    pattern = sparse.random_array((6, 4), density=0.5, rng=rng).tocsr()
    values = pattern.data - (0.5j if is_complex else 0.5)
    rows, columns = rng.normal(0, SPACING, (6, 3)), rng.normal(0, SPACING, (4, 2))
    places = {"positions": rows, "column_positions": columns}

    def matrix(values: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)

    def f(values: np.ndarray, field: float) -> np.ndarray:
        return matrix_in_field(matrix(values), field, **places).data

    def f_vjp(values: np.ndarray, field: float) -> Any:
        value, pullback = matrix_in_field_vjp(matrix(values), field, **places)

        def field_pullback(bar: np.ndarray) -> tuple[np.ndarray, float]:
            source, field_bar = pullback(value._with_data(bar))
            return source.data, field_bar

        return value.data, field_pullback

    na.testing.check_vjp(f, f_vjp, (values, 0.2 * QUANTUM))

    def g(values: np.ndarray, phases: np.ndarray) -> np.ndarray:
        return matrix_with_phases_vjp(matrix(values), phases)[0].data

    def g_vjp(values: np.ndarray, phases: np.ndarray) -> Any:
        value, pullback = matrix_with_phases_vjp(matrix(values), phases)
        return value.data, lambda bar: (pullback(bar).matrix.data, pullback(bar).phases)

    na.testing.check_vjp(g, g_vjp, (values, rng.normal(size=len(values))))


def test_lead_whose_phases_change_along_it_is_refused() -> None:
    device, positions = dot()
    with pytest.raises(InputError, match=r"lead 0 is not periodic in this gauge: its onsite from .* lead_gauges\[0\]"):
        vector_potential_phases(device, symmetric_gauge(3.0), positions=positions)


def turned_lead(positions: OrbitalPositions, k: int, **changes: Any) -> OrbitalPositions:
    cells, periods = list(positions.lead_cells), list(positions.lead_periods)
    cells[k], periods[k] = changes.get("cell", cells[k]), changes.get("period", periods[k])
    return OrbitalPositions(positions.device, tuple(cells), tuple(periods))


LATTICES = {
    "square": lambda: square_lattice(np.zeros((4, 3)), -1.0, spacing=SPACING, sides=FOUR),
    "armchair": lambda: honeycomb_ribbon("armchair", 5, 3, -2.7),
    "zigzag, next-nearest": lambda: honeycomb_ribbon("zigzag", 4, 3, -2.7, next_nearest=0.3, haldane_phase=0.4),
}


@pytest.mark.parametrize("name", LATTICES)
def test_period_that_points_into_the_device_is_refused(name: str) -> None:
    lattice = LATTICES[name]()
    device, positions, _ = lattice_device(lattice)
    for k, (lead, period) in enumerate(zip(lattice.leads, positions.lead_periods)):
        wrong = turned_lead(positions, k, period=-period)
        with pytest.raises(InputError, match=f"lead {k} has the period .* but lies the other way"):
            device_in_field(device, 1.0, positions=wrong)
        with pytest.raises(InputError, match=f"lead {k} has the period"):
            vector_potential_phases(device, lambda r: 0 * r, positions=wrong)
        leads = [rebuild(x, period=-period) if x is lead else x for x in lattice.leads]
        with pytest.raises(InputError, match=f"lead {k} has the period"):
            lattice_device(rebuild(lattice, leads=tuple(leads)))


@pytest.mark.parametrize("name", LATTICES)
def test_lead_that_lies_inside_the_device_is_refused(name: str) -> None:
    device, positions, _ = lattice_device(LATTICES[name]())
    for k, (cell, period) in enumerate(zip(positions.lead_cells, positions.lead_periods)):
        forgotten = turned_lead(positions, k, cell=cell - period)
        inside = turned_lead(positions, k, cell=cell - 2 * period, period=-period)
        for wrong in (forgotten, inside):
            with pytest.raises(InputError, match=f"cell 0 of lead {k} lies on orbitals of the device"):
                device_in_field(device, 1.0, positions=wrong)
        beyond = turned_lead(positions, k, cell=cell - 20.5 * period)  # on the other side, on no orbital
        with pytest.raises(InputError, match=f"lead {k} has the period .* but lies the other way"):
            device_in_field(device, 1.0, positions=beyond)


def test_lead_coupled_from_its_side_is_accepted() -> None:
    """A chain that begins beside an orbital and runs off at a right angle to the bond is as good as any."""
    device, positions = dot()
    above = positions.device[:1] + np.array([0.0, 0.0, 30.0])
    t = np.full((1, 1), -1.0)
    side = na.Lead(np.zeros((1, 1)), t, np.array([[-0.5], [0.0], [0.0]]), block=0)
    probed = na.Device(device.hamiltonian, (*device.leads, side))
    periods = (*positions.lead_periods, np.array([0.0, SPACING, 0.0]))
    here = OrbitalPositions(positions.device, (*positions.lead_cells, above), periods)
    assert device_in_field(probed, 1.0, positions=here).n_leads == 3


@pytest.mark.parametrize("spacing", [2.0, (2.0, 3.0), (9.0, 1.0)])
def test_effective_mass_device_periodic_along_y_is_refused_in_a_field(spacing: Any) -> None:
    v = 0.2 * np.random.default_rng(1).random((3, 7))
    positions = effective_mass_positions(v.shape, spacing=spacing)
    keywords = {"spacing": spacing, "periodic": True}
    rolled = [effective_mass_device(np.roll(v, n, axis=1), np.full(v.shape, 0.2), **keywords) for n in (0, 3)]
    np.testing.assert_allclose(na.transmission(rolled[0], 1.0), na.transmission(rolled[1], 1.0))
    for device in rolled:
        with pytest.raises(InputError, match=r"goes around a period, .* Use a hard wall along y"):
            device_in_field(device, 50.0, positions=positions)


def test_effective_mass_device_may_be_periodic_along_the_field() -> None:
    v = 3.0 * np.random.default_rng(1).random((3, 2, 5))
    keywords = {"spacing": (2.0, 3.0, 2.5), "periodic": (False, True), "momentum": (0.0, 0.2)}
    positions = effective_mass_positions(v.shape, spacing=keywords["spacing"], periodic=keywords["periodic"])
    found, energies = [], [5.0, 7.0]
    for n in (0, 3):
        device = effective_mass_device(np.roll(v, n, axis=2), np.full(v.shape, 0.2), **keywords)
        found.append(na.transmission(device_in_field(device, 3000.0, positions=positions), energies))
        with pytest.raises(InputError, match="apart along z"):
            vector_potential_phases(device, lambda r: 0 * r, positions=positions)
    np.testing.assert_allclose(*found, rtol=1e-9)
    assert np.abs(found[0] - na.transmission(device, energies)).max() > 0.01


def test_periodic_positions_are_refused_where_the_field_has_no_phase() -> None:
    with pytest.raises(InputError, match=r"periodic=True: a field along z has no phases .* around y"):
        effective_mass_positions((3, 2), spacing=2.0, periodic=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d, p: device_in_field(d, 1.0, positions=p.device), "positions is a ndarray; pass OrbitalPositions"),
        (lambda d, p: device_in_field(dot_lattice(), 1.0, positions=p), r"pass lattice_device\(lattice\).device"),
        (lambda d, p: device_in_field(lattice_device(dot_lattice()), 1.0, positions=p), "pass its `.device`"),
        (lambda d, p: device_in_field_vjp(3, 1.0, positions=p), "device is a int; pass a Device"),
        (lambda d, p: vector_potential_phases(d, lambda r: 0 * r, positions=p.device), "positions is a ndarray"),
        (lambda d, p: device_with_phases(d, 0.3), "phases is a float; pass PeierlsPhases"),
        (lambda d, p: transport_positions(d), "model is a Device; pass what transport_model returned"),
        (lambda d, p: lattice_device(d), "lattice is a Device; pass a Lattice"),
    ],
)
def test_argument_of_another_class_is_refused(make: Callable[..., Any], message: str) -> None:
    with pytest.raises(InputTypeError, match=message):
        make(*dot())


def dot_lattice() -> Any:
    return square_lattice(np.zeros((4, 3)), -1.0, spacing=SPACING)


def test_bad_input_is_refused() -> None:
    device, positions = dot()
    with pytest.raises(ShapeError, match=r"positions are of 12 orbitals .* the device has 9 orbitals"):
        device_in_field(dot(shape=(3, 3))[0], 1.0, positions=positions)
    with pytest.raises(InputTypeError, match="must be one real number, B along z"):
        device_in_field(device, 1.0 + 1j, positions=positions)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must be finite"):
        device_in_field(device, np.inf, positions=positions)
    sigma = na.Device(device.hamiltonian, (na.SelfEnergy(-0.1j * np.eye(3), block=0), device.leads[1]))
    with pytest.raises(InputTypeError, match="lead 0 is a SelfEnergy"):
        device_in_field(sigma, 1.0, positions=positions)
    with pytest.raises(ShapeError, match="vector_potential gave an array of"):
        vector_potential_phases(device, lambda r: r[:, :2], positions=positions)
    with pytest.raises(InputError, match="vector_potential is not finite"):
        vector_potential_phases(device, lambda r: r * np.nan, positions=positions)
    with pytest.raises(ShapeError, match="lead_gauges has 1 entries but there are 2 leads"):
        vector_potential_phases(device, lambda r: 0 * r, positions=positions, lead_gauges=[None])
    phases = uniform_field_phases(device, positions=positions)
    with pytest.raises(InputError, match=r"phases.diagonal\[0\] is not antisymmetric"):
        device_with_phases(device, rebuild(phases, diagonal=tuple(x + 0.1 for x in phases.diagonal)))
    with pytest.raises(ShapeError, match=r"phases have 4 diagonal and 0 upper blocks"):
        device_with_phases(device, rebuild(phases, upper=()))
    with pytest.raises(InputTypeError, match="pass a SciPy sparse matrix"):
        matrix_in_field(np.eye(2), 1.0, positions=np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"matrix has shape \(3, 3\) but there are positions of 2 rows"):
        matrix_in_field(sparse.eye_array(3), 1.0, positions=np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"lead_periods\[0\] is zero"):
        OrbitalPositions(np.zeros((1, 2)), (np.zeros((1, 2)),), (np.zeros(2),))
    with pytest.raises(ShapeError, match=r"device has shape \(2,\) but must be \(n, 2\) or \(n, 3\)"):
        OrbitalPositions(np.zeros(2), (), ())
