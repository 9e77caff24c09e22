"""Model lattices against closed forms: subbands, gaps, edge states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ribbons import BOND, armchair_ribbon, zigzag_ribbon

import negfadj as na
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models.lattice_device import Lattice, lattice_device, lattice_device_vjp
from negfadj.models.lattices import honeycomb_ribbon, linear_chain, square_lattice, ssh_chain

HOPPING = -2.7


def transmission(lattice: Lattice, energies: Any, **keywords: Any) -> np.ndarray:
    return na.transmission(lattice_device(lattice).device, energies, **keywords)


def lead_bands(lattice: Lattice, n_momenta: int = 721) -> np.ndarray:
    """E(k) of lead 1 over the whole zone, band by band: (n_momenta, n)."""
    lead = lattice.leads[1].matrices
    h, t = lead.onsite.toarray(), lead.hopping.toarray()
    phases = np.exp(1j * np.linspace(-np.pi, np.pi, n_momenta))[:, None, None]
    return np.linalg.eigvalsh(h + phases * t + phases.conj() * t.conj().T)


@pytest.mark.parametrize("hopping", [-1.2, 0.8, 0.5 - 0.6j])
def test_chain_conducts_inside_its_band_only(hopping: complex) -> None:
    edge = 2 * abs(hopping)
    energies = 0.3 + edge * np.array([-1.1, -0.9, 0.4, 1.1])
    found = transmission(linear_chain(np.full(4, 0.3), hopping, lead_onsite=0.3), energies)
    np.testing.assert_allclose(found, [0, 1, 1, 0], atol=1e-12)


def test_site_of_another_energy_in_a_chain_has_the_closed_form() -> None:
    # T = 4 sin²k/(4 sin²k + (ε/t)²), E = 2t cos k
    energies, site = np.array([-1.5, 0.2, 0.9]), 0.7
    sine2 = 1 - (energies / 2) ** 2
    found = transmission(linear_chain([0.0, site, 0.0], -1.0), energies)
    np.testing.assert_allclose(found, 4 * sine2 / (4 * sine2 + site**2), rtol=1e-12)


@pytest.mark.parametrize("sides", [("left", "right"), ("bottom", "top"), ("right", "left")])
def test_strip_transmission_counts_its_subbands(sides: tuple[Any, Any]) -> None:
    t, width = -1.0, 6
    energies = np.linspace(-3.95, 3.95, 24)
    levels = 2 * t * np.cos(np.arange(1, width + 1) * np.pi / (width + 1))
    expected = np.sum(np.abs(energies[:, None] - 0.2 - levels) < 2 * abs(t), axis=1)
    shape = (4, width) if "left" in sides else (width, 4)
    strip = square_lattice(np.full(shape, 0.2), t, lead_onsite=0.2, sides=sides)
    np.testing.assert_allclose(transmission(strip, energies), expected, atol=1e-9)


@pytest.mark.parametrize(("width", "gap"), [(5, 0.0), (6, 0.49396), (7, 0.46927), (9, 0.35114)])
def test_armchair_ribbon_has_the_closed_form_gap(width: int, gap: float) -> None:
    ribbon = honeycomb_ribbon("armchair", width, 2, HOPPING)
    assert 2 * np.abs(lead_bands(ribbon)).min() == pytest.approx(gap * abs(HOPPING), abs=2e-5 * abs(HOPPING))
    edge = gap * abs(HOPPING) / 2
    np.testing.assert_allclose(transmission(ribbon, [edge + 0.02]), [1], atol=1e-8)
    if gap:
        np.testing.assert_allclose(transmission(ribbon, [edge - 0.02]), [0], atol=1e-8)


def test_zigzag_ribbon_has_odd_plateaus() -> None:
    ribbon = honeycomb_ribbon("zigzag", 8, 2, HOPPING)
    found = transmission(ribbon, np.linspace(0.05, 2.6, 20))
    np.testing.assert_allclose(found, np.round(found), atol=1e-8)
    assert {1, 3, 5} <= set(np.round(found).astype(int).tolist()) and np.all(np.round(found) % 2 == 1)


@pytest.mark.parametrize(("edge", "make"), [("armchair", armchair_ribbon), ("zigzag", zigzag_ribbon)])
def test_honeycomb_couples_the_pairs_a_bond_apart(edge: Any, make: Callable[..., Any]) -> None:
    ribbon = honeycomb_ribbon(edge, 5, 3, HOPPING)
    np.testing.assert_allclose(ribbon.positions, make(5, 3).positions, atol=1e-12)
    distance = np.linalg.norm(ribbon.positions[:, None] - ribbon.positions, axis=-1)
    expected = np.where(np.abs(distance - BOND) < 1e-6, HOPPING, 0.0)
    np.testing.assert_array_equal(ribbon.hamiltonian.toarray(), expected)
    for lead in ribbon.leads:
        beyond = np.linalg.norm(ribbon.positions[:, None] - lead.positions, axis=-1)
        next_cell = np.linalg.norm(lead.positions[:, None] - lead.positions - lead.period, axis=-1)
        for found, apart in ((lead.matrices.coupling, beyond), (lead.matrices.hopping, next_cell)):
            np.testing.assert_array_equal(found.toarray(), np.where(np.abs(apart - BOND) < 1e-6, HOPPING, 0.0))


def test_staggered_potential_opens_the_gap_of_a_metallic_ribbon() -> None:
    # the bulk's Dirac cone is on the transverse grid of N = 3q + 2: E = ±√(m² + …), a gap of 2m exactly
    mass = 0.3
    ribbon = honeycomb_ribbon("armchair", 5, 2, HOPPING, staggered=mass)
    assert np.abs(lead_bands(ribbon)).min() == pytest.approx(mass, abs=1e-9)
    np.testing.assert_allclose(transmission(ribbon, [mass - 0.01, mass + 0.01]), [0, 1], atol=1e-8)


@pytest.mark.parametrize("edge", ["armchair", "zigzag"])
def test_haldane_ribbon_conducts_on_its_edges_while_the_mass_is_small(edge: Any) -> None:
    # topological while |m| < 3√3 t₂ sin φ = 1.56 eV
    def in_gap(mass: float) -> np.ndarray:
        ribbon = honeycomb_ribbon(edge, 24, 2, HOPPING, staggered=mass, next_nearest=0.3, haldane_phase=np.pi / 2)
        return transmission(ribbon, [0.1])

    np.testing.assert_allclose(in_gap(0.3), [1], atol=1e-8)
    np.testing.assert_allclose(in_gap(3.0), [0], atol=1e-8)


def test_haldane_hopping_turns_left_with_the_phase() -> None:
    phase = 0.4
    ribbon = honeycomb_ribbon("armchair", 4, 3, HOPPING, next_nearest=0.1, haldane_phase=phase)
    h, r = ribbon.hamiltonian.toarray(), ribbon.positions
    near = np.abs(np.linalg.norm(r[:, None] - r, axis=-1) - BOND) < 1e-6
    checked = 0
    for i, j in np.argwhere(np.abs(np.linalg.norm(r[:, None] - r, axis=-1) - np.sqrt(3) * BOND) < 1e-6):
        for k in np.flatnonzero(near[i] & near[j]):
            turn = np.cross(r[k] - r[j], r[i] - r[k])[2]
            assert h[i, j] == pytest.approx(0.1 * np.exp(1j * phase * np.sign(turn)), abs=1e-12)
            checked += 1
    assert checked > 50


def test_inner_atoms_have_three_nearest_and_six_next_nearest_neighbours() -> None:
    ribbon = honeycomb_ribbon("zigzag", 6, 5, HOPPING, next_nearest=0.1)
    row = ribbon.hamiltonian.toarray()[2 * 6 * 2 + 6]
    assert np.isrealobj(row) and np.sum(row == 0.1) == 6 and np.sum(row == HOPPING) == 3


@pytest.mark.parametrize(("within", "between"), [(1.0, 1.6), (1.6, 1.0), (0.7j, -1.0)])
def test_ssh_chain_conducts_outside_its_gap_only(within: complex, between: complex) -> None:
    low, high = abs(abs(within) - abs(between)), abs(within) + abs(between)
    energies = [0.9 * low, 1.1 * low, 0.98 * high, 1.02 * high]
    np.testing.assert_allclose(transmission(ssh_chain(30, within, between), energies), [0, 1, 1, 0], atol=1e-6)
    assert np.abs(lead_bands(ssh_chain(1, within, between))).min() == pytest.approx(low, rel=1e-4)


def test_finite_ssh_chain_has_two_end_states_when_the_cells_are_weakly_bound() -> None:
    def levels(within: float, between: float) -> tuple[np.ndarray, np.ndarray]:
        found: tuple[np.ndarray, np.ndarray] = np.linalg.eigh(ssh_chain(20, within, between).hamiltonian.toarray())
        return found

    energies, states = levels(0.5, 1.0)
    near = np.abs(energies) < 0.49
    # E = ±t₂ (t₁/t₂)^N (1 − (t₁/t₂)²) to leading order in (t₁/t₂)^N
    np.testing.assert_allclose(np.abs(energies[near]), 0.5**20 * 0.75, rtol=1e-4)
    assert near.sum() == 2
    # half of each state at either end, falling by (t₁/t₂)² a cell: |ψ_0|² = (1 − 1/4)/2
    np.testing.assert_allclose(np.abs(states[[0, -1]][:, near]) ** 2, 0.375, rtol=1e-4)
    assert np.sum(np.abs(levels(1.0, 0.5)[0]) < 0.49) == 0


LONGER: dict[str, Callable[[int], Lattice]] = {
    "chain": lambda n: linear_chain(np.full(n, 0.3), 1j - 2, lead_onsite=0.3, spacing=2.0),
    "ssh": lambda n: ssh_chain(n, 1j - 2, 0.5j + 1, spacing=2.0),
    "armchair": lambda n: honeycomb_ribbon("armchair", 4, n, 1j - 2, staggered=0.2, next_nearest=0.1, haldane_phase=1),
    "zigzag": lambda n: honeycomb_ribbon("zigzag", 3, n, 1j - 2, staggered=0.2, next_nearest=0.1, haldane_phase=1),
    "square": lambda n: square_lattice(np.full((n, 3), 0.3), 1j - 2, lead_onsite=0.3, spacing=2.0),
    "square, upwards": lambda n: square_lattice(
        np.full((3, n), 0.3), 1j - 2, lead_onsite=0.3, spacing=2.0, sides=("bottom", "top")
    ),
}


@pytest.mark.parametrize("name", LONGER)
def test_leads_continue_the_lattice(name: str) -> None:
    """Their blocks are those of a lattice two cells longer at either end, found by the positions."""
    lattice, longer = LONGER[name](2), LONGER[name](6)
    h = longer.hamiltonian.toarray()
    shift = 2 * lattice.leads[1].period

    def numbers(positions: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(longer.positions[None] - (positions + shift)[:, None], axis=-1)
        assert np.all(distance.min(axis=1) < 1e-9)
        return distance.argmin(axis=1)

    own = numbers(lattice.positions)
    np.testing.assert_array_equal(lattice.hamiltonian.toarray(), h[np.ix_(own, own)])
    for lead in lattice.leads:
        near, far = numbers(lead.positions), numbers(lead.positions + lead.period)
        np.testing.assert_array_equal(lead.matrices.onsite.toarray(), h[np.ix_(near, near)])
        np.testing.assert_array_equal(lead.matrices.hopping.toarray(), h[np.ix_(near, far)])
        np.testing.assert_array_equal(lead.matrices.coupling.toarray(), h[np.ix_(own, near)])


def test_device_says_where_its_orbitals_are() -> None:
    onsite = np.random.default_rng(0).random((4, 3))
    lattice = square_lattice(onsite, -1.0, spacing=2.0)
    device, positions, partition = lattice_device(lattice)
    positions.check(device)
    np.testing.assert_array_equal(positions.device, lattice.positions[partition.order])
    found = np.diagonal(device.hamiltonian.to_dense())
    i, j = (positions.device[:, :2] / 2).astype(int).T
    np.testing.assert_array_equal(found, onsite[i, j])


def test_rectangle_with_four_leads_is_reciprocal_and_conserves_current() -> None:
    onsite = np.random.default_rng(1).normal(0, 0.5, (3, 4))
    device = lattice_device(square_lattice(onsite, -1.0, sides=("left", "right", "bottom", "top"))).device
    matrix = na.transmission_matrix(device, 0.9)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    channels = [na.open_channels(device, 0.9, lead=k) for k in range(4)]
    assert len(set(np.asarray(channels).tolist())) > 1
    np.testing.assert_allclose(matrix.sum(axis=0), channels, atol=1e-10)
    assert matrix.shape == (4, 4) and matrix.min() > 1e-3


BUILDERS: dict[str, tuple[Callable[..., Lattice], tuple[float, ...]]] = {
    "chain": (lambda e, t, u: linear_chain([0.1 + e, 0.3 + e, 0.1], t, lead_onsite=u), (0.2, -1.2, 0.05)),
    "square": (
        lambda e, t, u: square_lattice(
            e * np.arange(6).reshape(3, 2) / 3, t, lead_onsite=u, sides=("left", "top", "right")
        ),
        (0.3, -1.1, -0.1),
    ),
    "ssh": (lambda e, t1, t2: ssh_chain(2, t1, t2, onsite=[e, 0.2, -e, 0.1]), (0.0, 0.4, 0.9)),
    "honeycomb": (
        lambda t, m, t2: honeycomb_ribbon(
            "zigzag", 3, 3, t, staggered=m, next_nearest=t2, haldane_phase=0.7, onsite=np.sin(np.arange(18))
        ),
        (-1.2, 0.0, 0.2),
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_gradient_to_the_energies_of_a_lattice_passes_the_check(name: str) -> None:
    build, parameters = BUILDERS[name]
    energies = [0.62, -0.71]

    def f(*parameters: float) -> np.ndarray:
        return na.transmission_matrix(lattice_device(build(*parameters)).device, energies)

    def f_vjp(*parameters: float) -> Any:
        value, lattice_pullback = lattice_device_vjp(build(*parameters))
        matrix, pullback = na.transmission_matrix_vjp(value.device, energies)

        def parameters_pullback(matrix_bar: np.ndarray) -> tuple[float, ...]:
            bar = lattice_pullback(pullback(matrix_bar).device)
            here, found = bar.inner(build(*parameters)), []
            for k in range(len(parameters)):
                step = [p + (i == k) for i, p in enumerate(parameters)]
                found.append(bar.inner(build(*step)) - here)
            return tuple(found)

        return matrix, parameters_pullback

    na.testing.check_vjp(f, f_vjp, parameters)


def test_derivative_by_an_entry_that_was_not_there_is_refused() -> None:
    ribbon = honeycomb_ribbon("zigzag", 3, 3, -1.0)
    with pytest.raises(InputError, match=r"entry \[0, .* has no place in the cotangent"):
        ribbon.inner(honeycomb_ribbon("zigzag", 3, 3, -1.0, next_nearest=0.1))


def test_cotangent_of_a_part_of_the_device_is_refused() -> None:
    value, pullback = lattice_device_vjp(linear_chain([0.0, 0.3], -1.0))
    onsite_only = na.transmission_vjp(value.device, 0.3)[1](np.ones(()), wrt="onsite").device
    with pytest.raises(InputTypeError, match="pass a whole Device"):
        pullback(onsite_only)


def test_cotangent_of_a_lattice_is_that_of_its_hermitian_matrix() -> None:
    lattice = honeycomb_ribbon("armchair", 3, 3, -1.0, next_nearest=0.2, haldane_phase=0.7)
    value, lattice_pullback = lattice_device_vjp(lattice)
    _, pullback = na.transmission_vjp(value.device, 1.2)
    bar = lattice_pullback(pullback(np.ones(())).device)
    order = value.partition.order
    rows, columns = lattice.hamiltonian.tocoo().coords
    place = np.argsort(order)
    whole = pullback(np.ones(()), wrt=(place[rows], place[columns])).device.hamiltonian.values
    # a pattern's values have ab and ba in one: half each
    expected = np.where(rows == columns, whole, whole / 2)
    np.testing.assert_allclose(bar.hamiltonian.tocoo().data, expected, atol=1e-10 * np.abs(whole).max())
    assert np.array_equal(bar.hamiltonian.indices, lattice.hamiltonian.indices)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: linear_chain([0.0, np.nan], 1.0), InputError, r"onsite\[1\] = nan"),
        (lambda: linear_chain([0.0], 0.0), InputError, "hopping=0.0 must be one finite number other than 0"),
        (lambda: linear_chain([0.0], 1.0, spacing=-1.0), InputError, "spacing=-1.0 must be a positive length"),
        (lambda: linear_chain("ab", 1.0), InputTypeError, "onsite must be an array of real energies"),
        (lambda: square_lattice(np.zeros(3), 1.0), ShapeError, r"shape \(3,\) but must be \(n, n\)"),
        (lambda: square_lattice(np.zeros((2, 2)), 1.0, sides=("up",)), InputError, "sides names 'up'"),  # type: ignore
        (
            lambda: square_lattice(np.zeros((2, 2)), 1.0, sides=("left", "right", "left")),
            InputError,
            "names 'left' twice",
        ),
        (lambda: square_lattice(np.zeros((2, 2)), 1.0, sides="left"), InputTypeError, "pass a sequence of sides"),  # type: ignore
        (lambda: Lattice(np.zeros((1, 2)), np.eye(1), (3,)), InputTypeError, r"leads\[0\] is a int"),  # type: ignore
        (lambda: ssh_chain(2, 1.0, 2.0, onsite=np.zeros(3)), ShapeError, r"shape \(3,\) but must be \(4\)"),
        (lambda: honeycomb_ribbon("chair", 3, 2, 1.0), InputError, 'edge=\'chair\' must be "armchair"'),  # type: ignore
        (lambda: honeycomb_ribbon("zigzag", 0, 2, 1.0), InputError, "width=0 must be a positive whole number"),
        (lambda: Lattice(np.zeros((2, 2)), np.eye(3), ()), ShapeError, r"hamiltonian has shape \(3, 3\)"),
    ],
)
def test_bad_input_is_refused(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
