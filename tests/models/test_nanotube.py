"""Nanotubes: their bands and channels, and the circumferential modes against the atoms."""

from __future__ import annotations

import numpy as np
import pytest

import negfadj as na
from negfadj.errors import InputError, ShapeError
from negfadj.models import neighbour_pairs, periodic_hamiltonian, transport_model
from negfadj.models.nanotube import (
    circumferential_modes,
    nanotube,
    nanotube_model,
    nanotube_radius,
    zigzag_modes,
    zigzag_ring_positions,
)
from negfadj.physics.charge import charge

T = -2.7
ENERGIES = np.array([-3.1, -0.9, -0.45, 0.41, 0.83, 1.7, 2.3, 5.2])


def gap_from_bands(indices: tuple[int, int]) -> float:
    blocks = periodic_hamiltonian(nanotube(indices, n_cells=1, periodic=True), nanotube_model(T))
    momenta = np.zeros((301, 3))
    momenta[:, 0] = np.linspace(0, 0.5, 301)
    bands = na.bands(blocks, momenta)
    return float(2 * np.abs(bands).min())


def in_atoms(n: int, n_cells: int, ring_energy: np.ndarray, leads: tuple[float, float] = (0.0, 0.0)):
    tube = nanotube((n, 0), n_cells=n_cells)
    return transport_model(
        tube, nanotube_model(T), potential_energy=np.repeat(ring_energy, n), lead_potential_energy=leads
    )


def rough(n_rings: int, ends: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    u = 0.4 * np.random.default_rng(3).standard_normal(n_rings)
    u[:8], u[-8:] = ends
    return u


@pytest.mark.parametrize("indices", [(7, 0), (13, 0), (5, 5)])
def test_nanotube_atoms_have_three_bonds(indices: tuple[int, int]) -> None:
    tube = nanotube(indices, n_cells=3, periodic=True)
    pairs = neighbour_pairs(tube, 1.15 * 1.42)
    assert np.all(np.bincount(pairs.first, minlength=tube.n_atoms) == 3)
    np.testing.assert_allclose(
        np.hypot(*tube.positions[:, 1:].T), nanotube_radius(indices), rtol=1e-13
    )  # eps × a few operations


def test_nanotube_gap_of_13_0_is_the_published_one() -> None:
    assert abs(gap_from_bands((13, 0)) / abs(T) - 0.27226) < 5e-6
    assert abs(circumferential_modes(13, hopping=T)[0].gap / abs(T) - 0.27226) < 5e-6


@pytest.mark.parametrize("n", [7, 10, 12, 16])
def test_nanotube_gap_is_that_of_the_nearest_mode(n: int) -> None:
    assert np.isclose(gap_from_bands((n, 0)), circumferential_modes(n, hopping=T)[0].gap, atol=1e-12)


@pytest.mark.parametrize("indices", [(9, 0), (12, 0), (5, 5)])
def test_metallic_nanotube_carries_two_channels(indices: tuple[int, int]) -> None:
    device = transport_model(nanotube(indices, n_cells=5), nanotube_model(T)).device
    np.testing.assert_allclose(na.transmission(device, [-0.2, 0.1, 0.3]), 2.0, atol=1e-9)


def test_mode_degeneracies_add_up_to_the_atoms_of_a_ring() -> None:
    for n in range(3, 20):
        assert sum(mode.degeneracy for mode in circumferential_modes(n)) == n


@pytest.mark.parametrize(("n", "n_cells"), [(7, 6), (13, 5)])
def test_modes_have_the_transmission_of_the_atoms(n: int, n_cells: int) -> None:
    u, ends = rough(4 * n_cells, (0.1, -0.3)), (0.1, -0.3)
    modes = zigzag_modes(n, n_rings=4 * n_cells, hopping=T, potential_energy=u, lead_potential_energy=ends)
    of_atoms = na.transmission(in_atoms(n, n_cells, u, ends).device, ENERGIES)
    np.testing.assert_allclose(na.transmission(modes.device, ENERGIES), of_atoms, atol=1e-10)
    assert of_atoms.max() > 0.5


def test_modes_have_the_charge_of_the_atoms() -> None:
    u, ends = rough(24, (0.1, -0.3)), (0.1, -0.3)
    modes = zigzag_modes(7, n_rings=24, hopping=T, potential_energy=u, lead_potential_energy=ends)
    made = in_atoms(7, 6, u, ends)
    options = {"temperature": 300.0, "eta": 1e-4, "lead_method": "decimation", "error": 1e-10}
    of_rings = modes.to_rings(charge(modes.device, [0.3, -0.2], **options).populations)
    of_atoms = made.to_atoms(charge(made.device, [0.3, -0.2], **options).populations)
    np.testing.assert_allclose(of_atoms.reshape(24, 7).sum(axis=1), of_rings, atol=1e-8)
    np.testing.assert_allclose(of_atoms.reshape(24, 7), np.repeat(of_rings[:, None] / 7, 7, axis=1), atol=1e-8)


def test_all_pairs_and_the_single_mode_make_the_tube() -> None:
    u = rough(20)
    whole = na.transmission(zigzag_modes(7, n_rings=20, hopping=T, potential_energy=u).device, ENERGIES)
    pairs = zigzag_modes(7, n_rings=20, hopping=T, n_pairs=3, potential_energy=u)
    single = circumferential_modes(7, hopping=T)[-1]
    assert single.degeneracy == 1 and single.gap > 5.0 and pairs.counted == 2
    below = np.abs(ENERGIES) < 2.0  # beneath the single mode, and its leads are the same chains
    np.testing.assert_allclose(2 * na.transmission(pairs.device, ENERGIES)[below], whole[below], atol=1e-10)


def test_modes_may_end_on_any_ring() -> None:
    for n_rings in (16, 17):
        device = zigzag_modes(10, n_rings=n_rings, hopping=T).device
        np.testing.assert_allclose(na.transmission(device, [0.9]), na.open_channels(device, [0.9]), atol=1e-9)


def test_even_tubes_have_a_flat_band_that_does_not_conduct() -> None:
    device = zigzag_modes(8, n_rings=16, hopping=T).device
    of_atoms = transport_model(nanotube((8, 0), n_cells=4), nanotube_model(T)).device
    np.testing.assert_allclose(na.transmission(device, ENERGIES), na.transmission(of_atoms, ENERGIES), atol=1e-10)


def test_ring_positions_are_those_of_the_atoms() -> None:
    tube = nanotube((7, 0), n_cells=3)
    np.testing.assert_allclose(tube.positions[::7, 0], zigzag_ring_positions(12), atol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nanotube((13, 4), n_cells=2), r"\(13, 4\) make no tube"),
        (lambda: nanotube((2, 0), n_cells=2), r"n ≥ 3"),
        (lambda: nanotube((7, 0), n_cells=0), "n_cells=0"),
        (lambda: nanotube((7, 0), n_cells=2, bond=-1.0), "bond=-1.0"),
        (lambda: zigzag_modes(7, n_rings=8, n_pairs=4), "has 3 pairs"),
    ],
)
def test_nanotube_refuses_what_makes_no_tube(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_modes_refuse_a_potential_of_another_length() -> None:
    with pytest.raises(ShapeError, match="8 rings"):
        zigzag_modes(7, n_rings=8, potential_energy=np.zeros(9))
