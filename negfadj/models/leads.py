"""Leads recognised in a structure: its first and last cells along the transport axis, the translation checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import KDTree

from ..errors import InputError
from ..typing import Array
from .structure import Structure, axis_index

Side = Literal["left", "right"]
DEEPEST = 1.75  # periods: an atom of the first cell lies no deeper, however uneven its border is


@dataclass(frozen=True, eq=False)
class LeadCell:
    """The cell at one end of a structure that its lead repeats for ever.

    Parameters
    ----------
    side : "left" or "right"
        The end at the smallest, or the largest coordinate along the axis.
    axis : int
        0, 1, 2 for x, y, z.
    period : float
        Length of the cell along the axis [Å], positive.
    atoms : array, shape (n_atoms_of_cell,), integer
        The atoms of the cell, in the order of the structure.
    mismatch : float
        Largest distance [Å] between an atom of the cell, moved by one period, and its partner.
    """

    side: Side
    axis: int
    period: float
    atoms: Array
    mismatch: float

    @property
    def outward(self) -> int:
        """−1 for a lead that goes to smaller coordinates, +1 to larger ones."""
        return -1 if self.side == "left" else 1


def recognise_lead(
    structure: Structure, side: Side, *, axis: str = "x", period: float | None = None, tolerance: float = 0.01
) -> LeadCell:
    """The cell at one end of the structure, such that the next cell is the same one moved by a period along the axis.

    Parameters
    ----------
    structure : Structure
        Must hold two cells or more at this end.
    side : "left" or "right"
    axis : "x", "y" or "z"
    period : float, optional
        Length of the cell [Å]; it is checked. Default: the shortest that passes the check, which is too short for a
        lead whose long cell begins with equal parts: give it then.
    tolerance : float
        How far [Å] an atom may lie from where the translation puts it.

    Returns
    -------
    LeadCell

    Raises
    ------
    InputError
        When the translation does not match: the atom without a partner, and how far off the nearest one is.
    """
    direction = axis_index(axis)
    if side not in ("left", "right"):
        raise InputError(f'side={side!r} must be "left" or "right".')
    if not tolerance > 0:
        raise InputError(f"tolerance={tolerance!r} must be a positive distance [Å].")
    depth = _depth(structure, direction, side)
    if period is not None:
        if not period > tolerance:
            raise InputError(f"period={period!r} must be a length [Å] above the tolerance of {tolerance} Å.")
        cell, problem = _match(structure, direction, side, depth, period, tolerance)
        cell = cell or _match_uneven(structure, direction, side, depth, period, tolerance)
    else:
        cell, problem = _search(structure, direction, side, depth, tolerance)
    if cell is None:
        raise InputError(f"no {side} lead is recognised along {axis}: {problem}")
    return cell


def _depth(structure: Structure, direction: int, side: Side) -> Array:
    """Distance [Å] of every atom from the end of the structure, along the axis."""
    along = structure.positions[:, direction]
    return along - along.min() if side == "left" else along.max() - along


def _search(
    structure: Structure, direction: int, side: Side, depth: Array, tolerance: float
) -> tuple[LeadCell | None, str]:
    end = int(depth.argmin())
    across = np.delete(structure.positions - structure.positions[end], direction, axis=1)
    same = (np.linalg.norm(across, axis=1) <= tolerance) & (structure.elements == structure.symbols[end])
    periods = np.sort(depth[same & (depth > tolerance)])
    for period in periods:
        cell, _ = _match(structure, direction, side, depth, float(period), tolerance)
        if cell is not None:
            return cell, ""
    for period in periods:
        cell = _match_uneven(structure, direction, side, depth, float(period), tolerance)
        if cell is not None:
            return cell, ""
    tried = ", ".join(f"{p:.3f}" for p in periods[:6]) or "none"
    return None, (
        f"no translation maps the first cell at this end on the next one (tried {tried} Å, tolerance "
        f"{tolerance} Å). The "
        "structure must begin and end with two equal, undisturbed cells; name the period to see which atom does "
        "not fit."
    )


def _match(
    structure: Structure, direction: int, side: Side, depth: Array, period: float, tolerance: float
) -> tuple[LeadCell | None, str]:
    """The cell when its copy one period deeper is found atom by atom, else the reason why not."""
    first = np.flatnonzero(depth < period - tolerance)
    second = np.flatnonzero((depth >= period - tolerance) & (depth < 2 * period - tolerance))
    moved = structure.positions[first].copy()
    moved[:, direction] += period if side == "left" else -period
    if len(second) < len(first):
        return None, (
            f"with a period of {period:g} Å the first cell has {len(first)} atoms but the next one "
            f"{len(second)}; give the true "
            "period, and two undisturbed cells at each end."
        )
    distance, partner = KDTree(structure.positions[second]).query(moved)
    wrong = np.flatnonzero((distance > tolerance) | (structure.elements[first] != structure.elements[second[partner]]))
    if len(wrong):
        worst = int(wrong[distance[wrong].argmax()])
        a, b = int(first[worst]), int(second[partner[worst]])
        return None, (
            f"atom {structure.index[a]} ({structure.symbols[a]}) of the first cell, moved by {period:g} Å, has "
            "no partner within "
            f"{tolerance} Å; the nearest is atom {structure.index[b]} ({structure.symbols[b]}), "
            f"{distance[worst]:.4f} Å off. Give "
            "the true period, undo the disturbance in the first two cells, or raise the tolerance."
        )
    if len(second) != len(first):
        extra = int(second[np.setdiff1d(np.arange(len(second)), partner)[0]])
        return None, (
            f"the next cell has {len(second)} atoms and the first {len(first)}: atom {structure.index[extra]} "
            f"({structure.symbols[extra]}) has no counterpart in the first cell."
        )
    return LeadCell(side, direction, period, first, float(distance.max())), ""


def _match_uneven(
    structure: Structure, direction: int, side: Side, depth: Array, period: float, tolerance: float
) -> LeadCell | None:
    """The cell whose border is not flat, as builders make tubes: the atoms without a partner one period further out.

    Two more cells must follow it, atom by atom.
    """
    inwards = np.zeros(3)
    inwards[direction] = period if side == "left" else -period
    tree = KDTree(structure.positions)

    def moved(atoms: Array, shift: Array) -> tuple[Array, Array, Array]:
        """Partners, which of them fit, and how far off they are."""
        distance, partner = tree.query(structure.positions[atoms] + shift)
        fits = (distance <= tolerance) & (structure.elements[atoms] == structure.elements[partner])
        return partner, fits, distance

    near = np.flatnonzero(depth < DEEPEST * period)
    first = near[~moved(near, -inwards)[1]]
    second, fits, off = moved(first, inwards)
    if not len(first) or not fits.all() or not moved(second, inwards)[1].all():
        return None
    return LeadCell(side, direction, period, first, float(off.max()))
