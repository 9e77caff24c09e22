"""Neighbour lists against all pairs by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from negfadj.errors import InputError
from negfadj.models import Structure, neighbour_pairs


def brute_force(structure: Structure, cutoff: float, reach: int = 3) -> set[tuple[int, ...]]:
    """(a, b, R) of every pair within the cut-off, by trying all images."""
    found = set()
    ranges = [range(-reach, reach + 1) if p else (0,) for p in structure.periodic]
    for cell in itertools.product(*ranges):
        for a, b in itertools.product(range(structure.n_atoms), repeat=2):
            vector = structure.positions[b] + np.array(cell) @ structure.cell - structure.positions[a]
            if (a != b or any(cell)) and np.linalg.norm(vector) <= cutoff:
                found.add((a, b, *cell))
    return found


@pytest.mark.parametrize(
    "periodic", [(False, False, False), (True, False, False), (True, False, True), (True, True, True)]
)
def test_neighbour_pairs_are_all_pairs_within_the_cutoff(periodic: tuple[bool, bool, bool]) -> None:
    random = np.random.default_rng(3)
    cell = np.array([[2.5, 0.3, 0.0], [0.0, 3.0, -0.4], [0.7, 0.0, 2.2]])
    positions = np.array([[0, 0, 0], [1.2, 0.5, 0.3], [0.4, 1.9, 1.0], [7.0, -4.0, 0.5]]) + 0.05 * random.normal(
        size=(4, 3)
    )
    structure = Structure(("C",) * 4, positions, cell, periodic)
    pairs = neighbour_pairs(structure, 3.1)
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), *pairs.cells.T.tolist()))
    assert len(found) == len(pairs.first) and found == brute_force(structure, 3.1, 5)


def test_neighbour_vectors_point_from_the_first_atom_to_the_image_of_the_second() -> None:
    structure = Structure(("C", "C"), [[0, 0, 0], [1, 0, 0]], np.diag([3.0, 0, 0]), (True, False, False))
    pairs = neighbour_pairs(structure, 2.1)
    places = structure.positions[pairs.second] + pairs.cells @ structure.cell
    np.testing.assert_allclose(pairs.vectors, places - structure.positions[pairs.first])
    assert sorted(pairs.distances.tolist()) == pytest.approx([1, 1, 2, 2])


def test_atoms_closer_than_a_tenth_of_an_angstrom_are_named() -> None:
    structure = Structure(("C", "N", "C"), [[0, 0, 0], [3, 0, 0], [3.05, 0, 0]])
    with pytest.raises(InputError, match=r"atoms 1 \(N\) and 2 \(C\) are 0.05 Å apart"):
        neighbour_pairs(structure, 1.0)


def test_an_atom_on_its_own_image_is_named() -> None:
    structure = Structure(("C",), [[0, 0, 0]], np.diag([0.05, 1, 1]), (True, False, False))
    with pytest.raises(InputError, match="periodic image"):
        neighbour_pairs(structure, 1.0)


def test_coinciding_atoms_are_refused() -> None:
    with pytest.raises(InputError, match="0 Å apart"):
        neighbour_pairs(Structure(("C", "C"), np.zeros((2, 3))), 1.0)
