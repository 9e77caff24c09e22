"""Ohno's kernel: limits, positivity, every gradient."""

from __future__ import annotations

import numpy as np
import pytest

from negfadj.array import rebuild
from negfadj.constants import COULOMB_EV_ANGSTROM
from negfadj.electrostatics.molecule import MoleculeKernel
from negfadj.errors import InputError, ShapeError
from negfadj.testing import check_vjp


def ring(n_sites: int = 6, one_energy: bool = False) -> MoleculeKernel:
    angle = 2 * np.pi * np.arange(n_sites) / n_sites
    positions = 0.7 / np.sin(np.pi / n_sites) * np.stack([np.cos(angle), np.sin(angle), 0.1 * angle], axis=1)
    energy = 11.13 if one_energy else np.random.default_rng(0).uniform(9.0, 12.0, n_sites)
    return MoleculeKernel(positions, energy, 1.8)


def test_kernel_is_hubbards_energy_on_a_site() -> None:
    kernel = ring()
    assert np.allclose(np.diag(kernel.matrix) * 1.8, kernel.hubbard_energy, rtol=1e-15)


def test_kernel_is_coulombs_law_far_away() -> None:
    found = MoleculeKernel([[0.0, 0, 0], [3e3, 4e3, 0.0]], [10.0, 12.0], 2.0).matrix[0, 1]
    radius = COULOMB_EV_ANGSTROM / 11.0
    assert abs(found * 2.0 * 5e3 / COULOMB_EV_ANGSTROM - (1 - radius**2 / 2 / 5e3**2)) < 1e-14


def test_kernel_between_carbon_atoms_is_ohnos() -> None:
    """Neighbours in benzene for U = 11.26 eV: 14.3996/√(1.4² + 1.27883²) = 7.594 eV."""
    found = MoleculeKernel([[0.0, 0, 0], [1.4, 0, 0]], 11.26).matrix[0, 1]
    assert abs(found - 7.594) < 5e-4


def test_kernel_is_symmetric_and_positive() -> None:
    for one_energy in (True, False):
        matrix = ring(30, one_energy).matrix
        assert np.array_equal(matrix, matrix.T) and np.linalg.eigvalsh(matrix)[0] > 0


@pytest.mark.parametrize("one_energy", [True, False])
def test_potential_vjp_matches_differences(one_energy: bool) -> None:
    kernel = ring(one_energy=one_energy)
    charge = np.random.default_rng(1).standard_normal(kernel.n_sites)
    check_vjp(lambda q, k: k.potential(q), lambda q, k: _two(k.potential_vjp(q)), (charge, kernel))


@pytest.mark.parametrize("name", ["positions", "hubbard_energy", "relative_permittivity"])
@pytest.mark.parametrize("one_energy", [True, False])
def test_potential_vjp_matches_differences_in_each_number(name: str, one_energy: bool) -> None:
    kernel = ring(one_energy=one_energy)
    charge = np.random.default_rng(2).standard_normal(kernel.n_sites)

    def at(x):
        return rebuild(kernel, **{name: x}).potential(charge)

    def at_vjp(x):
        value, pullback = rebuild(kernel, **{name: x}).potential_vjp(charge)
        return value, lambda bar: getattr(pullback(bar).electrostatics, name)

    check_vjp(at, at_vjp, (getattr(kernel, name),), seed=3)


def test_lead_voltages_have_no_conductor_to_act_on() -> None:
    kernel = ring()
    value, pullback = kernel.potential_vjp(np.ones(6), [0.5, -0.5])
    assert np.array_equal(value, kernel.potential(np.ones(6)))
    assert np.array_equal(pullback(np.ones(6)).lead_voltages, np.zeros(2))


def test_sites_too_near_for_different_energies_are_refused() -> None:
    with pytest.raises(InputError, match="sites 0 and 2: they are too near"):
        MoleculeKernel([[0.0, 0, 0], [4.0, 0, 0], [0.01, 0, 0]], [8.0, 10.0, 14.0])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[0.0, 0, 0]], -1.0), InputError, "hubbard_energy is -1 eV at site 0"),
        (([[0.0, 0, 0]], [1.0, 2.0]), ShapeError, r"must be one number or \(1,\)"),
        (([[0.0, 0, 0]], 1.0, -2.0), InputError, "relative_permittivity=-2 must be positive"),
        (([0.0, 0, 0], 1.0), ShapeError, "positions has shape"),
    ],
)
def test_molecules_without_meaning_are_refused(arguments: tuple, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        MoleculeKernel(*arguments)


def _two(found: tuple):
    value, pullback = found
    return value, lambda bar: (pullback(bar).charge, pullback(bar).electrostatics)
