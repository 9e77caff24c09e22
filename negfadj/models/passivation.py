"""Hydrogen on the dangling bonds of tetrahedral surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..typing import Array
from .leads import Side, recognise_lead
from .neighbours import neighbour_pairs
from .structure import Structure, axis_index, formula

N_BONDS = 4  # of a tetrahedral atom
ON_PLANE = 1e-6  # Å: an atom this near to a plane is on it
SIDES: tuple[Side, Side] = ("left", "right")


def passivate(
    structure: Structure,
    *,
    bond_length: Mapping[str, float],
    cutoff: float,
    element: str = "H",
    open_axis: str | None = None,
) -> Structure:
    """The structure with an atom on every dangling bond of its tetrahedral atoms.

    An atom with bonds along the unit vectors u_i has its missing ones along

        three bonds:  −(u₁ + u₂ + u₃)/|…|
        two bonds:    −b/√3 ± √(2/3) n,   b ∥ u₁ + u₂,  n ∥ u₁ × u₂

    which are the directions of the missing neighbours when the others stand at tetrahedral angles.

    Parameters
    ----------
    structure : Structure
        Every atom must have two to four bonds. Bonds across periodic images count.
    bond_length : mapping of element to float
        Length [Å] of the bond from the element to `element`, for every element of the structure: {"Si": 1.48}.
    cutoff : float
        Two atoms at most this far apart [Å] are bonded: a little more than the longest bond, 2.6 for silicon.
    element : str
        What sits on the dangling bonds.
    open_axis : "x", "y" or "z", optional
        The transport axis of a wire that leads continue, recognised as by `transport_model`. The wire is passivated as
        part of the endless one, and of that all is kept which lies between the outermost atoms along the axis: the
        first and the last cell stay cells of leads.

    Returns
    -------
    Structure
        The atoms given, in their order, then the new ones. `index` goes on counting from the largest.

    Raises
    ------
    InputTypeError
        When `bond_length` is no mapping.
    InputError
        For an element without a bond length, an atom with fewer than two or more than four bonds, bonds in a line or a
        plane, a structure that holds `element` already, and when an end along `open_axis` is no lead.
    """
    _check(structure, bond_length, cutoff, element)
    reach = max(bond_length[symbol] for symbol in structure.symbols)
    wire = structure if open_axis is None else _with_leads(structure, open_axis, cutoff + reach)
    hosts = np.arange(wire.n_atoms) if open_axis is None else _between(structure, wire.positions, open_axis, reach)
    hosts, missing = _missing_directions(wire, hosts, cutoff)
    added = wire.positions[hosts] + np.array([bond_length[s] for s in wire.symbols])[hosts, None] * missing
    if open_axis is not None:
        added = added[_between(structure, added, open_axis, ON_PLANE)]
    return Structure(
        structure.symbols + (element,) * len(added),
        np.concatenate((structure.positions, added)),
        structure.cell,
        structure.periodic,
        np.concatenate((structure.index, structure.index.max() + 1 + np.arange(len(added)))),
    )


def _with_leads(structure: Structure, axis: str, reach: float) -> Structure:
    """The structure followed by cells of its leads up to a distance from its ends."""
    direction = axis_index(axis)
    repeats = np.flatnonzero(structure.periodic)
    along = repeats[np.abs(structure.cell[repeats, direction]) > ON_PLANE]
    if len(along):
        raise InputError(
            f"open_axis={axis!r} but the structure is periodic along lattice vector {int(along[0])}, which has no "
            "ends; leave open_axis out."
        )
    atoms, positions = [np.arange(structure.n_atoms)], [structure.positions]
    for side in SIDES:
        lead = recognise_lead(structure, side, axis=axis)
        for n in range(1, int(np.ceil(reach / lead.period)) + 1):
            atoms.append(lead.atoms)
            shift = lead.outward * n * lead.period * np.eye(3)[direction]
            positions.append(structure.positions[lead.atoms] + shift)
    copied = structure.select(np.concatenate(atoms))
    return Structure(copied.symbols, np.concatenate(positions), structure.cell, structure.periodic, copied.index)


def _between(structure: Structure, positions: Array, axis: str, margin: float) -> Array:
    """Which positions lie between the outermost atoms of the structure along the axis, or at most `margin` beyond."""
    own, along = structure.positions[:, axis_index(axis)], positions[:, axis_index(axis)]
    return np.flatnonzero((along >= own.min() - margin) & (along <= own.max() + margin))


def _missing_directions(structure: Structure, atoms: Array, cutoff: float) -> tuple[Array, Array]:
    """Of these atoms, each one with dangling bonds once for every such bond, and unit vectors along them."""
    pairs = neighbour_pairs(structure, cutoff)
    first, directions = pairs.first, pairs.vectors / pairs.distances[:, None]
    counts = np.bincount(first, minlength=structure.n_atoms)
    _check_counts(structure, atoms, counts, cutoff)
    start = np.cumsum(counts) - counts
    three, two = atoms[counts[atoms] == 3], atoms[counts[atoms] == 2]
    total = np.zeros((structure.n_atoms, 3))
    np.add.at(total, first, directions)
    one, other = directions[start[two]], directions[start[two] + 1]
    normal = np.cross(one, other)
    flat = np.flatnonzero(np.linalg.norm(normal, axis=1) < 1e-3)
    flat_three = np.flatnonzero(np.linalg.norm(total[three], axis=1) < 1e-3)
    if len(flat) or len(flat_three):
        atom = int(two[flat[0]] if len(flat) else three[flat_three[0]])
        raise InputError(
            f"the {counts[atom]} bonds of atom {structure.index[atom]} ({structure.symbols[atom]}) lie in a line or a "
            "plane, so that the missing ones have no direction; relax or correct the positions."
        )
    backward, sideward = -_unit(one + other) / np.sqrt(3), _unit(normal) * np.sqrt(2 / 3)
    hosts = np.concatenate((three, two, two))
    missing = np.concatenate((-_unit(total[three]), backward + sideward, backward - sideward))
    order = np.argsort(hosts, kind="stable")
    return hosts[order], missing[order]


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _check(structure: Structure, bond_length: Mapping[str, float], cutoff: float, element: str) -> None:
    given: Any = bond_length
    if not isinstance(given, Mapping):
        example = given if isinstance(given, int | float) else 1.48
        raise InputTypeError(
            f"bond_length={given!r} must be a mapping of elements to the length [Å] of their bond to {element}: "
            f'{{"{structure.symbols[0]}": {example}}}.'
        )
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise InputError(f"cutoff={cutoff!r} must be a positive length [Å].")
    if element in structure.symbols:
        atom = int(structure.index[structure.symbols.index(element)])
        raise InputError(
            f"the structure holds {element} already (first: atom {atom}); drop it, structure.drop([{element!r}]), and "
            "passivate the whole."
        )
    for symbol in sorted(set(structure.symbols)):
        if symbol not in bond_length:
            raise InputError(
                f"bond_length knows {', '.join(bond_length) or 'no element'} but not {symbol}; the structure has "
                f"{formula(structure)}. Give the length [Å] of the {symbol}–{element} bond."
            )
        length = bond_length[symbol]
        if not (np.isfinite(length) and length > 0):
            raise InputError(f"bond_length[{symbol!r}] = {length!r} must be a positive length [Å].")


def _check_counts(structure: Structure, atoms: Array, counts: Array, cutoff: float) -> None:
    wrong = atoms[(counts[atoms] < 2) | (counts[atoms] > N_BONDS)]
    if len(wrong):
        atom = int(wrong[0])
        fix = "make cutoff smaller" if counts[atom] > N_BONDS else "take it off, or make cutoff larger"
        raise InputError(
            f"atom {structure.index[atom]} ({structure.symbols[atom]}) has {counts[atom]} neighbours within the cutoff "
            f"of {cutoff:g} Å; a tetrahedral atom of a surface has 2 to {N_BONDS}. Look at the structure, or {fix}."
        )
