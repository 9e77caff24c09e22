"""Nanowires cut from diamond and zinc-blende crystals, along x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from ..errors import InputError, InputTypeError
from ..typing import Array
from .neighbours import neighbour_pairs
from .structure import Structure

Direction: TypeAlias = Literal["100", "110", "111"]
Shape: TypeAlias = Literal["rectangle", "ellipse"]

# Crystal directions of x, y, z, and the sides of the cell they span in lattice constants: the shortest lattice
# vectors along them.
FRAMES = {
    "100": (((1, 0, 0), (0, 1, 0), (0, 0, 1)), (1.0, 1.0, 1.0)),
    "110": (((1, 1, 0), (-1, 1, 0), (0, 0, 1)), (np.sqrt(1 / 2), np.sqrt(1 / 2), 1.0)),
    "111": (((1, 1, 1), (1, -1, 0), (1, 1, -2)), (np.sqrt(3.0), np.sqrt(1 / 2), np.sqrt(3 / 2))),
}
ON_PLANE = 1e-6  # lattice constants: an atom this near to a cut is on it


def zincblende_wire(
    symbols: tuple[str, str],
    lattice_constant: float,
    *,
    direction: Direction = "100",
    cross_section: tuple[int, int],
    n_cells: int = 1,
    shape: Shape = "rectangle",
    periodic: bool = False,
) -> Structure:
    """A wire along x, cut from a zinc-blende crystal: diamond when the two symbols are the same.

    Atoms with fewer than two bonds are taken off the sides, again and again until none is left. The ends are cut
    between cells and keep all their atoms, so that leads continue them.

    Parameters
    ----------
    symbols : two str
        The atoms at (0, 0, 0) and at (1, 1, 1)/4 of the cubic cell: ("Si", "Si"), ("As", "Ga").
    lattice_constant : float
        Side of the cubic cell [Å]; a bond is √3/4 of it.
    direction : "100", "110" or "111"
        The crystal direction of the wire's axis x, with (y, z) along (010, 001), (−110, 001), (1−10, 11−2). A cell is
        1, 1/√2, √3 lattice constants long.
    cross_section : two int
        Cells along y and z; a cell is (1, 1), (1/√2, 1), (1/√2, √(3/2)) lattice constants wide.
    n_cells : int
        Cells along x.
    shape : "rectangle" or "ellipse"
        "ellipse" keeps the atoms within the ellipse that fits into the rectangle, which is a circle when the sides are
        equal.
    periodic : bool
        True repeats the wire along x, for bands.

    Returns
    -------
    Structure
        Cell by cell, all in the same order, along x first within a cell.

    Raises
    ------
    InputError
        For numbers that make no wire, and when no atom is left.
    """
    _check(symbols, lattice_constant, direction, cross_section, n_cells, shape)
    atoms, kinds, period = _prism(direction, cross_section)
    if shape == "ellipse":
        inside = _in_ellipse(atoms[:, 1:])
        atoms, kinds = atoms[inside], kinds[inside]
    if len(atoms):
        bonded = _bonded(atoms, kinds, period)
        atoms, kinds = atoms[bonded], kinds[bonded]
    if not len(atoms):
        raise InputError(
            f"cross_section={tuple(cross_section)} with shape={shape!r} leaves no atom with two bonds; take more cells."
        )
    steps = np.arange(n_cells)[:, None, None] * np.array([period, 0.0, 0.0])
    names = np.array(symbols)[kinds]
    return Structure(
        tuple(np.tile(names, n_cells).tolist()),
        (atoms + steps).reshape(-1, 3) * lattice_constant,
        np.diag([n_cells * period * lattice_constant, 0.0, 0.0]),
        (periodic, False, False),
    )


def _prism(direction: Direction, cross_section: Sequence[int]) -> tuple[Array, Array, float]:
    """Atoms of one cell of the wire in lattice constants, which of the two symbols each has, and the cell's length."""
    axes, sides = FRAMES[direction]
    rotation = np.array([np.array(axis) / np.linalg.norm(axis) for axis in axes])
    box = np.array(sides) * (1, *cross_section)
    # crystal coordinates of the box's corners bound the lattice points to look at
    corners = np.array(np.meshgrid(*((0.0, side) for side in box))).reshape(3, -1).T @ rotation
    low, high = np.floor(corners.min(axis=0)).astype(int) - 1, np.ceil(corners.max(axis=0)).astype(int) + 1
    cubes = np.stack(np.meshgrid(*map(np.arange, low, high + 1), indexing="ij"), axis=-1).reshape(-1, 1, 1, 3)
    face_centres = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)])[:, None, :] / 2
    basis = np.array([(0, 0, 0), (1, 1, 1)]) / 4
    crystal = cubes + face_centres + basis  # (cubes, 4, 2, 3)
    kinds = np.broadcast_to(np.arange(2), crystal.shape[:-1]).ravel()
    positions = crystal.reshape(-1, 3) @ rotation.T
    inside = np.all((positions > -ON_PLANE) & (positions < box - ON_PLANE), axis=1)
    positions, kinds = positions[inside], kinds[inside]
    order = np.lexsort(np.round(positions[:, ::-1] / ON_PLANE).T)
    return positions[order], kinds[order], float(box[0])


def _in_ellipse(across: Array) -> Array:
    """Which atoms lie in the ellipse inscribed in the outermost of them, those on it included."""
    low, high = across.min(axis=0), across.max(axis=0)
    centred = (2 * across - low - high) / (high - low)
    return np.sum(centred**2, axis=1) <= 1 + ON_PLANE


def _bonded(atoms: Array, kinds: Array, period: float) -> Array:
    """Which atoms stay when those with fewer than two bonds go, one round after another."""
    cell = Structure(
        tuple(np.array(["A", "B"])[kinds].tolist()), atoms, np.diag([period, 0.0, 0.0]), (True, False, False)
    )
    pairs = neighbour_pairs(cell, 0.25 * np.sqrt(3) + ON_PLANE)
    kept = np.ones(len(atoms), dtype=bool)
    while True:
        bonds = np.bincount(pairs.first[kept[pairs.second]], minlength=len(atoms))
        loose = kept & (bonds < 2)
        if not loose.any():
            return kept
        kept &= ~loose


def _check(
    symbols: tuple[str, str],
    lattice_constant: float,
    direction: str,
    cross_section: tuple[int, int],
    n_cells: int,
    shape: str,
) -> None:
    if isinstance(symbols, str) or not hasattr(symbols, "__len__") or len(symbols) != 2:
        raise InputError(f'symbols={symbols!r} must be two chemical symbols: ("Si", "Si"), ("As", "Ga").')
    if not (np.isfinite(lattice_constant) and lattice_constant > 0):
        raise InputError(f"lattice_constant={lattice_constant!r} must be a positive length [Å].")
    if direction not in FRAMES:
        raise InputError(f"direction={direction!r} is not known; known are {', '.join(FRAMES)}.")
    if shape not in ("rectangle", "ellipse"):
        raise InputError(f'shape={shape!r} is not known; use "rectangle" or "ellipse".')
    if not hasattr(cross_section, "__len__"):
        raise InputTypeError(
            f"cross_section={cross_section!r} must be two numbers of cells, along y and z: (2, 2) for a square wire."
        )
    if len(cross_section) != 2:
        raise InputError(f"cross_section={cross_section!r} must be two numbers of cells, along y and z.")
    for name, count in (("cross_section", cross_section[0]), ("cross_section", cross_section[1]), ("n_cells", n_cells)):
        if isinstance(count, bool) or not hasattr(count, "__index__") or count < 1:
            given = tuple(cross_section) if name == "cross_section" else n_cells
            raise InputError(f"{name}={given!r} must count cells: positive integers.")
