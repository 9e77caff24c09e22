"""Nanowires cut from diamond and zinc blende: counts, bonds, cells and leads."""

from __future__ import annotations

import time

import numpy as np
import pytest

from negfadj.errors import InputError, InputTypeError
from negfadj.models import neighbour_pairs, recognise_lead
from negfadj.models.wires import zincblende_wire

A = 5.431
BOND = A * np.sqrt(3) / 4
DIRECTIONS = {"100": (1.0, 8, 1.0), "110": (np.sqrt(1 / 2), 4, np.sqrt(1 / 2)), "111": (np.sqrt(3), 12, np.sqrt(3 / 4))}


def bonds(wire) -> np.ndarray:
    return np.bincount(neighbour_pairs(wire, 1.01 * BOND).first, minlength=wire.n_atoms)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_wire_is_a_piece_of_the_crystal(direction: str) -> None:
    # inside a wide wire every atom has four bonds of √3/4 a at tetrahedral angles, and none is nearer
    wire = zincblende_wire(("Si", "Si"), A, direction=direction, cross_section=(4, 4), periodic=True)  # type: ignore[arg-type]
    pairs = neighbour_pairs(wire, 1.2 * BOND)
    np.testing.assert_allclose(pairs.distances, BOND, rtol=1e-12)
    for atom in np.flatnonzero(bonds(wire) == 4):
        vectors = pairs.vectors[pairs.first == atom] / BOND
        np.testing.assert_allclose(vectors @ vectors.T, (4 * np.eye(4) - 1) / 3, atol=1e-12)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_wire_has_no_atom_with_fewer_than_two_bonds(direction: str, shape: str) -> None:
    wire = zincblende_wire(("Si", "Si"), A, direction=direction, cross_section=(3, 2), shape=shape, periodic=True)  # type: ignore[arg-type]
    assert bonds(wire).min() >= 2 and bonds(wire).max() == 4


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_wide_wire_has_the_density_of_the_crystal(direction: str) -> None:
    # 8 atoms per a³, but for those taken off the edges: fewer than the 2 (n_y + n_z) columns along them
    period, n_atoms_of_cell, _ = DIRECTIONS[direction]
    wire = zincblende_wire(("Si", "Si"), A, direction=direction, cross_section=(5, 6), periodic=True)  # type: ignore[arg-type]
    assert wire.cell[0, 0] == pytest.approx(period * A)
    assert 0 <= n_atoms_of_cell * 30 - wire.n_atoms < 22 * n_atoms_of_cell / 4


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_ends_of_a_wire_are_cells_of_leads(direction: str, shape: str) -> None:
    wire = zincblende_wire(("As", "Ga"), A, direction=direction, cross_section=(2, 2), n_cells=4, shape=shape)  # type: ignore[arg-type]
    for side in ("left", "right"):
        lead = recognise_lead(wire, side)  # type: ignore[arg-type]
        assert lead.period == pytest.approx(DIRECTIONS[direction][0] * A) and 4 * len(lead.atoms) == wire.n_atoms


def test_cells_follow_one_another_in_the_same_order() -> None:
    wire = zincblende_wire(("As", "Ga"), A, cross_section=(2, 2), n_cells=3)
    cells = wire.positions.reshape(3, -1, 3)
    np.testing.assert_allclose(np.diff(cells, axis=0), np.broadcast_to([A, 0, 0], (2, *cells.shape[1:])), atol=1e-12)
    assert wire.symbols[: len(wire.symbols) // 3] * 3 == wire.symbols


def test_zincblende_has_bonds_between_unlike_atoms_only() -> None:
    wire = zincblende_wire(("As", "Ga"), A, direction="111", cross_section=(2, 2), periodic=True)
    pairs = neighbour_pairs(wire, 1.01 * BOND)
    assert np.all(wire.elements[pairs.first] != wire.elements[pairs.second])


def test_elliptic_wire_lies_inside_the_ellipse() -> None:
    box = zincblende_wire(("Si", "Si"), A, cross_section=(6, 6), periodic=True).positions[:, 1:]
    round_ = zincblende_wire(("Si", "Si"), A, cross_section=(6, 6), shape="ellipse", periodic=True).positions[:, 1:]
    low, high = 0.0, 5.75 * A
    radius = np.linalg.norm(round_ - (low + high) / 2, axis=1)
    assert radius.max() <= (high - low) / 2 + 1e-6
    # three quarters of the box's atoms: π/4, but for the atoms taken off the rim
    assert 0.68 < len(round_) / len(box) < 0.82


def test_ten_thousand_atoms_are_cut_well_below_a_second() -> None:
    start = time.perf_counter()
    wire = zincblende_wire(("Si", "Si"), A, cross_section=(6, 6), n_cells=35)
    assert wire.n_atoms > 10_000 and time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbols": "Si"}, "two chemical symbols"),
        ({"lattice_constant": -5.0}, "lattice_constant=-5.0 must be a positive length"),
        ({"direction": "211"}, "direction='211' is not known; known are 100, 110, 111"),
        ({"shape": "star"}, 'use "rectangle" or "ellipse"'),
        ({"cross_section": (2, 0)}, r"cross_section=\(2, 0\) must count cells"),
        ({"cross_section": (2, 2, 2)}, "two numbers of cells"),
        ({"n_cells": 1.5}, "n_cells=1.5 must count cells"),
        ({"cross_section": (1, 1), "direction": "110", "shape": "ellipse"}, "leaves no atom with two bonds"),
    ],
)
def test_wire_refuses_numbers_that_make_no_wire(changes: dict, message: str) -> None:
    given = {"symbols": ("Si", "Si"), "lattice_constant": A, "cross_section": (2, 2)} | changes
    with pytest.raises(InputError, match=message):
        zincblende_wire(given.pop("symbols"), given.pop("lattice_constant"), **given)


def test_wire_with_one_number_for_its_cross_section_is_refused_with_an_example() -> None:
    with pytest.raises(InputTypeError, match=r"cross_section=2 must be two numbers of cells, .*: \(2, 2\)"):
        zincblende_wire(("Si", "Si"), A, cross_section=2)  # type: ignore[arg-type]
