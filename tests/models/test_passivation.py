"""Hydrogen on silicon wires: where it goes, how much of it, and what it does to the bands and the leads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from negfadj import transmission
from negfadj.errors import InputError, InputTypeError
from negfadj.models import (
    Structure,
    neighbour_pairs,
    parameter_set,
    recognise_lead,
    tight_binding_matrices,
    transport_model,
)
from negfadj.models.passivation import passivate
from negfadj.models.wires import zincblende_wire

A, SI_H, CUTOFF = 5.431, 1.48, 2.6
DIRECTIONS = ("100", "110", "111")


def wire(direction: str = "100", cross_section: tuple[int, int] = (2, 2), **given) -> Structure:
    return zincblende_wire(("Si", "Si"), A, direction=direction, cross_section=cross_section, **given)  # type: ignore[arg-type]


def with_hydrogen(structure: Structure, **given) -> Structure:
    return passivate(structure, bond_length={"Si": SI_H}, cutoff=CUTOFF, **given)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_every_dangling_bond_holds_one_hydrogen(direction: str, shape: str) -> None:
    bare = wire(direction, (3, 2), shape=shape, periodic=True)
    dangling = 4 - np.bincount(neighbour_pairs(bare, CUTOFF).first, minlength=bare.n_atoms)
    full = with_hydrogen(bare)
    assert full.symbols == bare.symbols + ("H",) * dangling.sum()
    pairs = neighbour_pairs(full, SI_H + 1e-6)
    is_silicon = full.elements == "Si"
    to_hydrogen = is_silicon[pairs.first] & ~is_silicon[pairs.second]
    np.testing.assert_array_equal(np.bincount(pairs.first[to_hydrogen], minlength=bare.n_atoms), dangling)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_hydrogen_stands_at_tetrahedral_angles(direction: str) -> None:
    full = with_hydrogen(wire(direction, (3, 2), periodic=True))
    near, far = neighbour_pairs(full, CUTOFF), full.elements == "H"
    bonded = far[near.second] <= (near.distances < SI_H + 1e-6)  # hydrogen only on its own silicon
    near = near.select(bonded & ~far[near.first])
    for atom in range(int((~far).sum())):
        own = near.first == atom
        unit = near.vectors[own] / near.distances[own, None]
        np.testing.assert_allclose(unit @ unit.T, (4 * np.eye(4) - 1) / 3, atol=1e-9)
        np.testing.assert_allclose(near.distances[own & far[near.second]], SI_H, rtol=1e-12)


def test_hydrogen_of_a_relaxed_wire_leans_away_from_its_bonds() -> None:
    bare = wire(periodic=True)
    moved = bare.positions + np.random.default_rng(3).normal(size=bare.positions.shape) * 0.05
    bare = Structure(bare.symbols, moved, bare.cell, bare.periodic)
    full = with_hydrogen(bare)
    pairs, is_hydrogen = neighbour_pairs(full, CUTOFF), full.elements == "H"
    unit = pairs.vectors / pairs.distances[:, None]
    for atom in range(bare.n_atoms):
        to_hydrogen = (pairs.first == atom) & is_hydrogen[pairs.second] & (pairs.distances < SI_H + 1e-6)
        to_silicon = (pairs.first == atom) & ~is_hydrogen[pairs.second]
        assert to_hydrogen.sum() + to_silicon.sum() == 4
        # 109.5° but for the atoms' displacements, some 5 % of a bond
        np.testing.assert_allclose(unit[to_hydrogen] @ unit[to_silicon].T, -1 / 3, atol=0.2)


def test_gallium_and_arsenic_have_their_own_bond_lengths() -> None:
    bare = zincblende_wire(("As", "Ga"), 5.6532, cross_section=(1, 2), periodic=True)
    full = passivate(bare, bond_length={"As": 1.52, "Ga": 1.56}, cutoff=2.6)
    pairs = neighbour_pairs(full, 1.6)
    pairs = pairs.select((full.elements[pairs.second] == "H") & (full.elements[pairs.first] != "H"))
    expected = np.where(full.elements[pairs.first] == "As", 1.52, 1.56)
    np.testing.assert_allclose(pairs.distances, expected, rtol=1e-12)


def spectrum(structure: Structure) -> np.ndarray:
    model = replace(parameter_set("silicon-sp3d5s"), spin_orbit={})
    momenta = (0.0, 0.125, 0.25, 0.375, 0.5)
    matrices = (tight_binding_matrices(structure, model, momentum=(k, 0.0, 0.0))[0].toarray() for k in momenta)
    return np.array([np.linalg.eigvalsh(matrix) for matrix in matrices])


@pytest.mark.parametrize(
    ("direction", "cross_section"), [("100", (1, 1)), ("100", (2, 2)), ("110", (2, 1)), ("111", (1, 1))]
)
def test_hydrogen_clears_the_gap_of_surface_states(direction: str, cross_section: tuple[int, int]) -> None:
    bare = wire(direction, cross_section, periodic=True)
    full = with_hydrogen(bare)
    n_electrons = 4 * bare.n_atoms + (full.n_atoms - bare.n_atoms)
    bands = spectrum(full)
    top, bottom = bands[:, n_electrons // 2 - 1].max(), bands[:, n_electrons // 2].min()
    # confinement opens the gap of 1.13 eV, from 0 to 1.13 eV in the bulk, on both sides
    assert top < 0 and bottom > 1.13
    # the dangling bonds of the bare wire have states in there
    dangling = spectrum(bare)
    assert np.sum((dangling > 0) & (dangling < 1.13)) > 0


def test_gap_of_a_wire_closes_towards_that_of_the_bulk() -> None:
    gaps = []
    for n in (1, 2, 3):
        full = with_hydrogen(wire(cross_section=(n, n), periodic=True))
        half = int(4 * (full.elements == "Si").sum() + (full.elements == "H").sum()) // 2
        bands = spectrum(full)
        gaps.append(bands[:, half].min() - bands[:, half - 1].max())
    assert gaps[0] > gaps[1] > gaps[2] > 1.13


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_ends_of_a_passivated_wire_are_cells_of_leads(direction: str) -> None:
    cell = with_hydrogen(wire(direction, periodic=True))
    full = with_hydrogen(wire(direction, n_cells=4), open_axis="x")
    for side in ("left", "right"):
        lead = recognise_lead(full, side)  # type: ignore[arg-type]
        assert lead.period == pytest.approx(cell.cell[0, 0]) and len(lead.atoms) == cell.n_atoms


def test_open_wire_keeps_the_hydrogen_of_the_endless_one_between_its_ends() -> None:
    bare = wire(n_cells=4)
    full = with_hydrogen(bare, open_axis="x")
    endless = with_hydrogen(wire(n_cells=8, periodic=True))
    middle = endless.positions - np.array([2 * A, 0, 0])
    inside = (middle[:, 0] > -1e-6) & (middle[:, 0] < bare.positions[:, 0].max() + 1e-6)

    distance, partner = KDTree(middle[inside]).query(full.positions)
    assert distance.max() < 1e-9 and sorted(partner) == list(range(inside.sum()))
    assert np.all(endless.elements[inside][partner] == full.elements)


def test_open_wire_transmits_its_open_bands() -> None:
    # a uniform wire: T is the number of bands at the energy; an end without its hydrogen would scatter
    model = replace(parameter_set("silicon-sp3d5s"), spin_orbit={})
    transport = transport_model(with_hydrogen(wire(cross_section=(1, 1), n_cells=4), open_axis="x"), model)
    energies = np.array([-3.2, 3.0, 4.6])
    values = transmission(transport.device, energies)
    cell = with_hydrogen(wire(cross_section=(1, 1), periodic=True))
    ks = np.linspace(0, 0.5, 401)
    bands = np.array(
        [np.linalg.eigvalsh(tight_binding_matrices(cell, model, momentum=(k, 0, 0))[0].toarray()) for k in ks]
    )
    crossings = [np.sum(np.diff(np.sign(bands - energy), axis=0) != 0) for energy in energies]
    np.testing.assert_allclose(values, crossings, atol=1e-6)
    assert values[1] == pytest.approx(0, abs=1e-6) and crossings[0] > 0 and crossings[2] > 0


def test_passivation_leaves_the_given_structure_alone() -> None:
    bare = wire(periodic=True)
    before = bare.positions.copy()
    full = with_hydrogen(bare)
    np.testing.assert_array_equal(bare.positions, before)
    np.testing.assert_array_equal(full.positions[: bare.n_atoms], before)
    assert full.index.tolist() == list(range(full.n_atoms))


def test_bulk_needs_no_hydrogen() -> None:
    fcc = A / 2 * np.array([(0, 1, 1), (1, 0, 1), (1, 1, 0)])
    bulk = Structure(("Si", "Si"), np.array([(0, 0, 0), (0.25, 0.25, 0.25)]) * A, fcc, (True,) * 3)
    assert with_hydrogen(bulk).symbols == ("Si", "Si")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cutoff": 4.0}, r"atom \d+ \(Si\) has \d+ neighbours within the cutoff of 4 Å; .* make cutoff smaller"),
        ({"cutoff": 2.0}, r"atom 0 \(Si\) has 0 neighbours within the cutoff of 2 Å; .* make cutoff larger"),
        ({"cutoff": 0.0}, "cutoff=0.0 must be a positive length"),
        ({"bond_length": {"Ge": 1.53}}, "bond_length knows Ge but not Si; the structure has Si 30"),
        ({"bond_length": {"Si": -1.0}}, r"bond_length\['Si'\] = -1.0 must be a positive length"),
        ({"element": "Si"}, "holds Si already"),
        ({"open_axis": "x"}, "is periodic along lattice vector 0, which has no ends"),
        ({"open_axis": "w"}, "not a Cartesian axis"),
    ],
)
def test_passivation_refuses_what_it_cannot_do(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        passivate(wire(periodic=True), **({"bond_length": {"Si": SI_H}, "cutoff": CUTOFF} | given))


def test_finite_wire_without_leads_names_the_lead_that_is_missing() -> None:
    with pytest.raises(InputError, match="no left lead is recognised along x"):
        with_hydrogen(wire(n_cells=1), open_axis="x")


def test_bonds_in_a_line_are_refused() -> None:
    chain = Structure(("Si",), np.zeros((1, 3)), np.diag([2.35, 0, 0]), (True, False, False))
    with pytest.raises(InputError, match="lie in a line"):
        with_hydrogen(chain)


def test_bond_length_without_its_element_is_refused_with_an_example() -> None:
    with pytest.raises(InputTypeError, match=r'bond_length=1.48 must be a mapping .*: \{"Si": 1.48\}'):
        passivate(wire(periodic=True), bond_length=1.48, cutoff=CUTOFF)  # type: ignore[arg-type]
