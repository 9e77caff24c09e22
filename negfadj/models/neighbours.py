"""Pairs of atoms within a distance of one another, across periodic images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ..errors import InputError
from ..typing import Array
from .structure import Structure

CLOSEST = 0.1  # Å: nearer than this, two atoms are one atom written twice


@dataclass(frozen=True, eq=False)
class NeighbourPairs:
    """Ordered pairs (a, b + R): every bond is listed once from each of its two ends.

    Parameters
    ----------
    first, second : arrays, shape (n_pairs,), integer
        The atoms a and b.
    cells : array, shape (n_pairs, 3), integer
        R, in lattice vectors.
    vectors : array, shape (n_pairs, 3)
        r_b + R − r_a [Å].
    """

    first: Array
    second: Array
    cells: Array
    vectors: Array

    @property
    def distances(self) -> Array:
        """|r_b + R − r_a| [Å], shape (n_pairs,)."""
        return np.linalg.norm(self.vectors, axis=1)

    def select(self, mask: Array) -> NeighbourPairs:
        """The pairs a boolean mask or an index array picks."""
        return NeighbourPairs(self.first[mask], self.second[mask], self.cells[mask], self.vectors[mask])


def neighbour_pairs(structure: Structure, cutoff: float) -> NeighbourPairs:
    """All ordered pairs of atoms at most `cutoff` apart, by a KD-tree over the atoms and their periodic images.

    Parameters
    ----------
    structure : Structure
    cutoff : float
        [Å], positive.

    Returns
    -------
    NeighbourPairs
        Sorted by first atom, second atom, cell; memory in proportion to the number of pairs.

    Raises
    ------
    InputError
        When the cut-off is not positive, or two atoms are closer than 0.1 Å: both are named.
    """
    if not cutoff > 0 or not np.isfinite(cutoff):
        raise InputError(f"cutoff={cutoff!r} must be a positive number [Å].")
    atoms, cells = _atoms_and_images(structure, cutoff)
    places = structure.positions[atoms] + cells @ structure.cell
    found = KDTree(structure.positions).sparse_distance_matrix(KDTree(places), cutoff, output_type="ndarray")
    first, image = found["i"].astype(np.int64), found["j"].astype(np.int64)
    itself = (atoms[image] == first) & np.all(cells[image] == 0, axis=1)
    first, image = first[~itself], image[~itself]
    order = np.lexsort((*cells[image].T[::-1], atoms[image], first))
    first, image = first[order], image[order]
    pairs = NeighbourPairs(first, atoms[image], cells[image], places[image] - structure.positions[first])
    _check_apart(structure, pairs)
    return pairs


def _atoms_and_images(structure: Structure, cutoff: float) -> tuple[Array, Array]:
    """Atoms and cells of every image inside the box around the home atoms widened by the cut-off."""
    low, high = structure.positions.min(axis=0) - cutoff, structure.positions.max(axis=0) + cutoff
    directions = np.flatnonzero(structure.periodic)
    reach = np.zeros(3, dtype=np.int64)
    if len(directions):
        # |b_i·(r − r')| over the widened box, b_i the reciprocal vectors of the periodic directions
        reciprocal = np.linalg.pinv(structure.cell[directions])  # (3, n_directions)
        reach[directions] = np.ceil(np.abs(reciprocal).T @ (high - low)).astype(np.int64)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    atoms, cells = [], []
    for cell in grid:
        places = structure.positions + cell @ structure.cell
        inside = np.flatnonzero(np.all((places >= low) & (places <= high), axis=1))
        atoms.append(inside)
        cells.append(np.broadcast_to(cell, (len(inside), 3)))
    return np.concatenate(atoms), np.concatenate(cells)


def _check_apart(structure: Structure, pairs: NeighbourPairs) -> None:
    distances = pairs.distances
    if not len(distances) or distances.min() >= CLOSEST:
        return
    worst = int(distances.argmin())
    a, b = int(pairs.first[worst]), int(pairs.second[worst])
    image = "" if not pairs.cells[worst].any() else f" (periodic image {pairs.cells[worst].tolist()})"
    raise InputError(
        f"atoms {structure.index[a]} ({structure.symbols[a]}) and {structure.index[b]} "
        f"({structure.symbols[b]}){image} are "
        f"{distances[worst]:.3g} Å apart, closer than {CLOSEST} Å; remove the duplicate, or check the cell and "
        "the units of "
        "the positions (Å)."
    )
