"""Bands of leads and periodic Hamiltonians: closed forms, gradients, slopes, agreement with the open channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, hermitian, random_array, random_device

import negfadj as na
from negfadj.array import rebuild, tree_map
from negfadj.constants import HBAR_EV_S
from negfadj.data import PeriodicHamiltonian
from negfadj.physics.bands import band_slopes, bands, bands_vjp, group_velocities

BOND, HOPPING, DIRAC_OVERLAP = 1.42, -2.7, 0.13  # Å, eV, 1
DIRAC_POINT = (1 / 3, -1 / 3, 0.0)


def graphene(overlap: float | None = DIRAC_OVERLAP) -> PeriodicHamiltonian:
    """One orbital an atom; A of cell 0 touches B of cells 0, (−1, 0), (0, −1)."""
    cells = [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)]
    to_b, to_a = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])
    bonds = np.stack([to_b + to_a, to_a, to_b, to_a, to_b])
    s = None if overlap is None else overlap * bonds + np.eye(2) * np.array([1.0, 0, 0, 0, 0])[:, None, None]
    lattice = BOND * np.array([[1.5, np.sqrt(3) / 2, 0], [1.5, -np.sqrt(3) / 2, 0], [0, 0, 5.0]])
    return PeriodicHamiltonian(cells, HOPPING * bonds, s, lattice)


def random_crystal(seed: int, n: int = 3, *, is_complex: bool = True, overlap: bool = True) -> PeriodicHamiltonian:
    """Random blocks to seven cells and back."""
    rng = np.random.default_rng(seed)
    cells, h, s = [(0, 0, 0)], [hermitian(random_array(rng, n, n, is_complex=is_complex))], [np.eye(n)]
    for cell in ((1, 0, 0), (0, 1, 0), (1, -1, 0), (0, 0, 2)):
        x, y = random_array(rng, n, n, is_complex=is_complex), 0.02 * random_array(rng, n, n, is_complex=is_complex)
        cells += [cell, tuple(-c for c in cell)]
        h, s = [*h, x, x.conj().T], [*s, y, y.conj().T]
    lattice = 3 * np.eye(3) + 0.5 * rng.normal(size=(3, 3))
    return PeriodicHamiltonian(cells, np.stack(h), np.stack(s) if overlap else None, lattice)


def random_lead(seed: int, *, is_complex: bool = True, overlap: bool = True, kind: str = "full") -> na.Lead:
    """A random lead of four orbitals with a potential energy."""
    kinds = (LeadKind(0, 4, kind), LeadKind(-1, 2))
    return random_device(seed, (5, 3), kinds, is_complex=is_complex, overlap=overlap).leads[0]


def test_bands_of_a_chain_with_overlap_have_their_closed_form(backend: Backend) -> None:
    one = np.ones((1, 1))
    lead = na.Lead(0.3 * one, -1.1 * one, overlap_onsite=one, overlap_hopping=0.2 * one, potential_energy=0.7)
    k = np.linspace(-0.5, 0.5, 7)
    cosine = 2 * np.cos(2 * np.pi * k)
    expected = (0.3 - 1.1 * cosine) / (1 + 0.2 * cosine) + 0.7
    found = host(bands(backend(lead), backend.convert(k)))
    assert found.shape == (7, 1) and np.max(np.abs(found[:, 0] - expected)) <= 20 * EPS


def test_bands_of_graphene_with_overlap_have_their_closed_form(backend: Backend) -> None:
    k = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    f = np.abs(1 + np.exp(2j * np.pi * k[:, 0]) + np.exp(2j * np.pi * k[:, 1]))
    expected = np.stack([HOPPING * f / (1 + DIRAC_OVERLAP * f), -HOPPING * f / (1 - DIRAC_OVERLAP * f)], axis=1)
    found = host(bands(backend(graphene()), backend.convert(k)))
    assert np.max(np.abs(found - expected)) <= 200 * EPS


def test_bands_of_a_doubled_lead_are_the_folded_ones() -> None:
    lead = random_lead(1)
    zero = np.zeros((4, 4))

    def doubled(onsite: np.ndarray, hopping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.block([[onsite, hopping], [hopping.conj().T, onsite]]), np.block([[zero, zero], [hopping, zero]])

    (h00, h01), (s00, s01) = doubled(lead.onsite, lead.hopping), doubled(lead.overlap_onsite, lead.overlap_hopping)
    pair = na.Lead(h00, h01, overlap_onsite=s00, overlap_hopping=s01, potential_energy=lead.potential_energy)
    k = 0.137
    folded = np.sort(bands(lead, [k / 2, (k + 1) / 2]).ravel())
    assert np.max(np.abs(bands(pair, k) - folded)) <= 1e-13


def test_bands_of_a_single_momentum_have_no_axis_of_momenta(backend: Backend) -> None:
    lead, crystal = backend(random_lead(2)), backend(graphene())
    assert bands(lead, 0.1).shape == (4,) and bands(crystal, (0.1, 0.2, 0.0)).shape == (2,)
    value, pullback = bands_vjp(crystal, (0.1, 0.2, 0.0))
    assert value.shape == (2,) and pullback(value).momenta.shape == (3,)
    value, pullback = bands_vjp(lead, 0.1)
    assert value.shape == (4,) and pullback(value).momenta.shape == ()


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_bands_vjp_of_a_lead_passes_the_public_check(overlap: bool, is_complex: bool, backend: Backend) -> None:
    lead = backend(random_lead(3, is_complex=is_complex, overlap=overlap))
    na.testing.check_vjp(bands, bands_vjp, (lead, backend.convert(np.array([0.1, 0.23, -0.4]))))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_bands_vjp_of_a_crystal_passes_the_public_check(overlap: bool, is_complex: bool, backend: Backend) -> None:
    crystal = backend(random_crystal(4, is_complex=is_complex, overlap=overlap))
    momenta = backend.convert(np.random.default_rng(5).uniform(-0.5, 0.5, (4, 3)))
    na.testing.check_vjp(bands, bands_vjp, (crystal, momenta))


def test_bands_pullback_leaves_out_what_the_bands_do_not_hang_on() -> None:
    lead = random_lead(6)
    value, pullback = bands_vjp(lead, [0.1])
    bar = pullback(np.ones_like(value)).system
    assert isinstance(bar, na.Lead) and bar.coupling is None and bar.overlap_coupling is None
    assert np.isclose(bar.potential_energy, value.size)


def test_bands_do_not_depend_on_the_memory_limit() -> None:
    crystal, momenta = random_crystal(7), np.random.default_rng(8).uniform(-0.5, 0.5, (7, 3))
    value, pullback = bands_vjp(crystal, momenta)
    weights = np.random.default_rng(9).normal(size=value.shape)
    bar = pullback(weights)
    for limit in (1.0, 10_000.0):
        again, limited = bands_vjp(crystal, momenta, memory_limit=limit)
        assert np.max(np.abs(again - value)) <= 1e-13
        assert np.max(np.abs(limited(weights).system.hamiltonian - bar.system.hamiltonian)) <= 1e-12
        assert np.max(np.abs(limited(weights).momenta - bar.momenta)) <= 1e-10
        assert np.max(np.abs(bands(crystal, momenta, memory_limit=limit) - value)) <= 1e-13


def test_single_bands_at_the_dirac_point_have_no_gradient_and_are_refused(backend: Backend) -> None:
    momenta = [(0.1, 0.0, 0.0), DIRAC_POINT]
    _, pullback = bands_vjp(backend(graphene()), momenta)
    named = r"bands 0, 1 at momentum 1, k = \(0\.333333, -0\.333333, 0\)"
    with pytest.raises(na.InputError, match=named):
        pullback(backend.convert(np.array([[1.0, 0.0], [1.0, 0.0]])))
    pullback(backend.convert(np.array([[1.0, 0.0], [1.0, 1.0]])))


def test_the_average_at_the_dirac_point_is_the_gradient_of_the_mean_energy() -> None:
    crystal = graphene()
    _, pullback = bands_vjp(crystal, [DIRAC_POINT], degenerate="average")
    bar = pullback(np.array([[1.0, 0.0]]))
    rng = np.random.default_rng(10)
    tangent = crystal.project_tangent(tree_map(lambda x: rng.normal(size=x.shape), crystal))
    tangent = rebuild(tangent, overlap=0.1 * tangent.overlap)

    def mean(x: float) -> float:
        moved = tree_map(lambda a, b: a + x * b, crystal, tangent)
        return float(np.mean(bands(moved, [DIRAC_POINT])))

    h = 1e-3
    exact = (8 * (mean(h) - mean(-h)) - mean(2 * h) + mean(-2 * h)) / (12 * h)
    found = np.vdot(bar.system.hamiltonian, tangent.hamiltonian) + np.vdot(bar.system.overlap, tangent.overlap)
    assert np.isclose(found, exact, rtol=1e-8)


def test_a_wider_degeneracy_joins_bands_further_apart() -> None:
    near = np.array([DIRAC_POINT]) + 1e-6
    _, pullback = bands_vjp(graphene(), near)
    pullback(np.array([[1.0, 0.0]]))
    _, wide = bands_vjp(graphene(), near, degeneracy=1e-3)
    with pytest.raises(na.InputError, match=r"gaps within 0\.001 eV"):
        wide(np.array([[1.0, 0.0]]))


def test_slopes_equal_the_differences_of_the_bands(backend: Backend) -> None:
    rng = np.random.default_rng(11)
    h, d = 1e-3, rng.normal(size=3)
    crystal, momenta = random_crystal(12), rng.uniform(-0.5, 0.5, (3, 3))
    moved = [bands(crystal, momenta + x * h * d) for x in (1, -1, 2, -2)]
    expected = (8 * (moved[0] - moved[1]) - moved[2] + moved[3]) / (12 * h)
    found = host(band_slopes(backend(crystal), backend.convert(momenta), d))
    assert np.max(np.abs(found - expected)) <= 1e-6 * np.max(np.abs(expected))  # h⁴


def test_slopes_at_the_dirac_point_are_right_sided_derivatives_of_the_sorted_bands() -> None:
    found = band_slopes(graphene(), DIRAC_POINT, (1.0, 0.3, 0.0))
    h = 1e-6
    beyond = bands(graphene(), np.array(DIRAC_POINT) + h * np.array([1.0, 0.3, 0.0]))
    assert found[0] < 0 < found[1]
    assert np.max(np.abs(found - (beyond - bands(graphene(), DIRAC_POINT)) / h)) <= 1e-4  # h E'' + ε/h


def test_slopes_are_the_gradient_by_the_momenta() -> None:
    crystal, momenta = random_crystal(13), np.random.default_rng(14).uniform(-0.5, 0.5, (3, 3))
    value, pullback = bands_vjp(crystal, momenta)
    weights = np.random.default_rng(15).normal(size=value.shape)
    bar = pullback(weights).momenta
    for i in range(3):
        expected = np.sum(weights * band_slopes(crystal, momenta, np.eye(3)[i]), axis=1)
        assert np.max(np.abs(bar[:, i] - expected)) <= 1e-12 * np.max(np.abs(expected))


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_the_velocity_of_graphene_is_that_of_dirac_electrons_in_every_direction(angle: float) -> None:
    direction = 5.0 * np.array([np.cos(angle), np.sin(angle), 0.0])  # its length does not count
    found = group_velocities(graphene(None), DIRAC_POINT, direction)
    fermi = 1.5 * BOND * abs(HOPPING) / HBAR_EV_S * 1e-10
    assert np.allclose(found, [-fermi, fermi], rtol=1e-12)
    assert 8.7e5 < fermi < 8.8e5


def test_the_velocity_of_a_chain_has_its_closed_form(backend: Backend) -> None:
    lead = backend(na.Lead(np.zeros((1, 1)), -np.ones((1, 1))))
    k, period = np.array([0.1, 0.3]), 2.5
    expected = 2 * np.sin(2 * np.pi * k) * period * 1e-10 / HBAR_EV_S
    found = host(group_velocities(lead, backend.convert(k), lattice=period))[:, 0]
    assert np.allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "singular"])
@pytest.mark.parametrize("overlap", [False, True])
def test_open_channels_are_the_bands_that_cross_the_energy_upwards(overlap: bool, kind: str) -> None:
    lead = random_lead(16, overlap=overlap, kind=kind)
    device = na.Device(na.BlockTridiagonal([np.eye(5)], []), (lead,))
    energies = np.array([-1.1, -0.6, -0.3, 0.4, 0.9, 1.3])
    k = np.arange(2001) / 2000
    found = bands(lead, k)
    crossings = (found[:-1, :, None] < energies) & (energies <= found[1:, :, None])
    channels = na.open_channels(device, energies)
    assert crossings.sum(axis=(0, 1)).tolist() == channels.tolist() and 0 < channels.max()
    at, band, number = np.nonzero(crossings)
    own = np.arange(len(at)), band
    low, high = k[at], k[at + 1]
    for _ in range(50):
        middle = (low + high) / 2
        is_below = bands(lead, middle)[own] < energies[number]
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    assert np.max(np.abs(bands(lead, low)[own] - energies[number])) <= 1e-12
    assert np.min(band_slopes(lead, low)[own]) > 0


def test_an_overlap_that_loses_its_sign_at_a_momentum_is_refused_there() -> None:
    one = np.ones((1, 1))
    lead = na.Lead(0 * one, -one, overlap_onsite=one, overlap_hopping=0.6 * one)
    bands(lead, [0.0, 0.2])
    with pytest.raises(na.InputError, match=r"momentum 1, k = \(0\.5\) has an eigenvalue -0\.2"):
        bands(lead, [0.0, 0.5], memory_limit=1.0)


@pytest.mark.parametrize(
    ("system", "momenta", "named"),
    [
        ("lead", [[0.1]], r"\(1, 1\).*one direction"),
        ("lead", [], "empty"),
        ("lead", [np.nan], "finite"),
        ("crystal", [0.1, 0.2], r"\(2,\).*\(n_momenta, 3\)"),
        ("crystal", np.zeros((0, 3)), "empty"),
        ("crystal", [[1j, 0, 0]], "real"),
    ],
)
def test_momenta_that_have_no_meaning_are_refused(system: str, momenta: Any, named: str) -> None:
    with pytest.raises(na.InputError, match=named):
        bands(random_lead(17) if system == "lead" else graphene(), momenta)


def test_bad_arguments_of_the_bands_are_refused_with_their_value() -> None:
    with pytest.raises(na.InputError, match="ndarray"):
        bands(np.eye(2), [0.1])  # type: ignore[arg-type]
    with pytest.raises(na.InputError, match=r"degeneracy=-1"):
        bands_vjp(graphene(), DIRAC_POINT, degeneracy=-1.0)
    value, pullback = bands_vjp(graphene(), [(0.1, 0.2, 0.0)])
    with pytest.raises(na.ShapeError, match=r"\(2,\).*\(1, 2\)"):
        pullback(value[0])
    with pytest.raises(na.InputTypeError, match="complex"):
        pullback(1j * value)
    with pytest.raises(na.InputError, match="backend"):
        bands(graphene(), DIRAC_POINT, backend="tpu")  # type: ignore[arg-type]


def test_bad_directions_and_lattices_are_refused_with_their_value() -> None:
    bare = rebuild(graphene(), lattice=None)
    with pytest.raises(na.InputError, match="one direction only"):
        band_slopes(random_lead(18), 0.1, (1, 0, 0))
    with pytest.raises(na.InputError, match="left out"):
        band_slopes(bare, DIRAC_POINT)
    with pytest.raises(na.InputError, match=r"\(0, 0, 0\)"):
        band_slopes(bare, DIRAC_POINT, (0, 0, 0))
    with pytest.raises(na.ShapeError, match=r"\(2,\)"):
        band_slopes(bare, DIRAC_POINT, (1, 0))
    with pytest.raises(na.InputError, match="lattice vectors are not known"):
        group_velocities(bare, DIRAC_POINT, (1, 0, 0))
    with pytest.raises(na.InputError, match="length of its cell"):
        group_velocities(random_lead(18), 0.1)
    with pytest.raises(na.InputError, match=r"lattice=-2\.0"):
        group_velocities(random_lead(18), 0.1, lattice=-2.0)


def test_bands_of_a_single_precision_crystal_are_single() -> None:
    small = tree_map(lambda x: x.astype(np.float32), graphene())
    value, pullback = bands_vjp(small, [(0.1, 0.2, 0.0)])
    bar = pullback(np.ones_like(value))
    assert value.dtype == np.float32 and bar.system.hamiltonian.dtype == np.float32 and bar.momenta.dtype == np.float32
    assert np.allclose(value, bands(graphene(), [(0.1, 0.2, 0.0)]), atol=1e-5)
