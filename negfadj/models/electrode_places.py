"""Where electrodes stand in a device: each on atoms of its own, with nothing behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from ..errors import InputError
from ..typing import Array

SAME_PLACE = 1e-3  # Å: nearer atoms are one place


class PlacedElectrode(NamedTuple):
    """The atoms of the device that are an electrode's first cell, the step to its next cell, and its direction."""

    atoms: Array
    period: Array  # (3,) [Å], away from the device
    direction: str  # "+A" …


def check_electrode_places(positions: Array, across: Array, electrodes: Sequence[PlacedElectrode]) -> None:
    """Refuse electrodes that share atoms, point into the device, or have atoms behind them.

    Atom r of an electrode with period p is continued at r + j p, j = 1, 2, …: no atom of the device may be nearer to
    any of these places than half the electrode's shortest distance between atoms.

    Parameters
    ----------
    positions : array, shape (n_atoms, 3)
        Of the device [Å].
    across : array, shape (0 to 2, 3)
        Lattice vectors [Å] along which device and electrodes are repeated.
    electrodes : sequence of PlacedElectrode

    Raises
    ------
    InputError
        Naming the electrodes and the atoms.
    """
    for (i, one), (k, other) in combinations(enumerate(electrodes), 2):
        shared = np.intersect1d(one.atoms, other.atoms)
        if len(shared):
            raise InputError(
                f"electrodes {i} and {k} share atom {shared[0]} of the device ({len(shared)} in all); every electrode "
                "needs atoms of its own: correct first_atom, or make the device longer."
            )
    for k, electrode in enumerate(electrodes):
        _check_nothing_behind(positions, across, electrode, k)


def _check_nothing_behind(positions: Array, across: Array, electrode: PlacedElectrode, k: int) -> None:
    cell, period = positions[electrode.atoms], electrode.period
    copies = np.arange(1, _n_copies(positions, across, electrode) + 1)
    continued = (cell + copies[:, None, None] * period).reshape(-1, 3)
    images = _images(_wrapped(positions, across), across)
    distances, found = KDTree(images).query(_wrapped(continued, across))
    wrong = np.flatnonzero(distances < _shortest_distance(cell, across, period) / 2)
    if len(wrong):
        copy, atom = divmod(int(wrong[0]), len(cell))
        opposite = ("-" if electrode.direction[0] == "+" else "+") + electrode.direction[1]
        raise InputError(
            f'electrode {k} with direction "{electrode.direction}" runs into the device: {copy + 1} period(s) on, its '
            f"atom {electrode.atoms[atom]} comes within {distances[wrong[0]]:.3g} Å of atom "
            f"{found[wrong[0]] % len(positions)}. An electrode stands at an end of the device and runs away from it, "
            f'with no atoms behind it; use "{opposite}", correct first_atom, or take the atoms behind it off.'
        )


def _n_copies(positions: Array, across: Array, electrode: PlacedElectrode) -> int:
    """How many periods of the electrode reach beyond the last atom of the device."""
    outward = electrode.period - electrode.period @ np.linalg.pinv(across) @ across if len(across) else electrode.period
    heights = positions @ outward / (outward @ outward)
    return max(1, int(np.ceil(heights.max() - heights[electrode.atoms].min())))


def _wrapped(points: Array, across: Array) -> Array:
    """The points moved by lattice vectors into one cell across."""
    return points - np.floor(points @ np.linalg.pinv(across)) @ across if len(across) else points


def _images(points: Array, across: Array) -> Array:
    """The points, and their copies in the cells around."""
    steps = np.array(list(product((0, 1, -1), repeat=len(across))), dtype=np.float64)
    shifts = steps @ across if len(across) else np.zeros((1, 3))
    return (points + shifts[:, None, :]).reshape(-1, 3)


def _shortest_distance(cell: Array, across: Array, period: Array) -> float:
    """Between two places of the periodic electrode [Å]."""
    around = _images(np.concatenate((cell, cell + period, cell - period)), across)
    distances = np.linalg.norm(around[None, :, :] - cell[:, None, :], axis=-1)
    return float(distances[distances > SAME_PLACE].min())
