"""Carbon nanotubes along x: structures, the model of their π orbitals, circumferential modes of zigzag tubes.

Under a potential U_j that is the same on all n atoms of ring j of an (n, 0) tube, the plane waves around the rings

    |q, j⟩ = n^(−1/2) Σ_k exp(i q θ_jk) |j, k⟩,   −n/2 < q ≤ n/2,

do not mix. Each q is a chain of one orbital a ring with energies U_j and hoppings that alternate between 2 t cos(πq/n)
(to the ring half a bond away, which is turned by π/n) and t (to the ring one bond away, which is not). q and −q are the
same chain. The gap of a mode is 2|t| |1 − 2 |cos(πq/n)||.

Sources: R. Saito, G. Dresselhaus and M. S. Dresselhaus, Physical Properties of Carbon Nanotubes (1998), Ch. 3 and 4;
J. Guo, S. Datta, M. Lundstrom and M. P. Anantram, Int. J. Multiscale Comput. Eng. 2, 257 (2004) (the modes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .structure import Structure
from .tight_binding import Shell, TightBinding

BOND = 1.42  # Å
HOPPING = -2.7  # eV
SHIFT = (0.0, 0.5, 0.5, 0.0)  # turn of the four rings of a zigzag cell, in steps of 2π/n
PLACE = (0.0, 0.5, 1.5, 2.0)  # where they are, in bonds; a cell is three bonds long


def nanotube(indices: Sequence[int], *, n_cells: int, bond: float = BOND, periodic: bool = False) -> Structure:
    """A zigzag (n, 0) or armchair (n, n) carbon nanotube along x, cell by cell and ring by ring.

    The sheet is rolled without stretching: arcs around the tube have the sheet's lengths, and bonds across it are
    shorter by π²/(8n²) or so.

    Parameters
    ----------
    indices : two int
        (n, 0) with n ≥ 3, or (n, n) with n ≥ 2.
    n_cells : int
        Cells along x: of 4n atoms, 3 bonds long for (n, 0) and √3 bonds for (n, n).
    bond : float
        Of the sheet [Å].
    periodic : bool
        True repeats the tube along x, for bands.

    Returns
    -------
    Structure
        Its axis is y = z = 0. The atoms of a ring follow each other by their angle from y towards z.

    Raises
    ------
    InputError
        For other indices, no cells, or a bond that is not positive.
    """
    n, m = _checked_indices(indices)
    _check_count("n_cells", n_cells)
    _check_positive("bond", bond)
    around = np.arange(n)
    if m == 0:
        rings = [(place * bond, (around + shift) * math.sqrt(3) * bond) for place, shift in zip(PLACE, SHIFT)]
        period, circumference = 3 * bond, n * math.sqrt(3) * bond
    else:
        # two dimer lines in each half of the cell, the second half turned by half a step
        half = math.sqrt(3) * bond / 2
        rings = [(k * half, (3 * around + 1.5 * k) * bond + start) for k in (0, 1) for start in (0.0, bond)]
        period, circumference = 2 * half, 3 * n * bond
    radius = circumference / (2 * math.pi)
    cell = np.concatenate(
        [
            np.column_stack((np.full(n, x), radius * np.cos(arc / radius), radius * np.sin(arc / radius)))
            for x, arc in rings
        ]
    )
    steps = np.arange(n_cells)[:, None, None] * np.array([period, 0.0, 0.0])
    return Structure(
        ("C",) * (4 * n * n_cells),
        (cell + steps).reshape(-1, 3),
        np.diag([n_cells * period, 0.0, 0.0]),
        (periodic, False, False),
    )


def nanotube_radius(indices: Sequence[int], *, bond: float = BOND) -> float:
    """Radius [Å] of a rolled sheet: √3 bond √(n² + nm + m²)/2π."""
    n, m = (int(i) for i in indices)
    return math.sqrt(3 * (n * n + n * m + m * m)) * bond / (2 * math.pi)


def nanotube_model(hopping: float = HOPPING, *, bond: float = BOND) -> TightBinding:
    """The π orbitals perpendicular to the wall: one orbital an atom, the same hopping [eV] on every bond.

    Parameters
    ----------
    hopping : float
        t [eV].
    bond : float
        [Å]; pairs within 0.15 bonds of it are neighbours.
    """
    return TightBinding(
        {"C": 0.0},
        (Shell(("C", "C"), bond, 0.15 * bond, hopping),),
        title="nanotube, nearest-neighbour π orbitals",
        source="Saito, Dresselhaus and Dresselhaus, Physical Properties of Carbon Nanotubes (1998), Ch. 3",
    )


def zigzag_ring_positions(n_rings: int, *, bond: float = BOND) -> Array:
    """Where the rings of a zigzag tube are along x: (n_rings,) [Å], from 0, in steps of half a bond and one bond."""
    _check_count("n_rings", n_rings)
    j = np.arange(n_rings)
    return (np.array(PLACE)[j % 4] + 3 * (j // 4)) * bond


class CircumferentialMode(NamedTuple):
    """A mode q, how many modes are the same chain, its hopping across slanted bonds [eV] and its gap [eV]."""

    q: int
    degeneracy: int
    slanted_hopping: float
    gap: float


def circumferential_modes(n: int, *, hopping: float = HOPPING) -> tuple[CircumferentialMode, ...]:
    """The modes of an (n, 0) tube by growing gap: 2 t cos(πq/n) for q = 0 … n/2, twice but for q = 0 and n/2.

    Parameters
    ----------
    n : int
        At least 3.
    hopping : float
        t [eV].

    Returns
    -------
    tuple of CircumferentialMode
        Degeneracies add up to n.

    Raises
    ------
    InputError

    Sources
    -------
    Saito et al. (1998), Eq. (4.4).
    """
    n, _ = _checked_indices((n, 0))
    found = []
    for q in range(n // 2 + 1):
        cosine = math.cos(math.pi * q / n)
        if 3 * q == n or 2 * q == n:  # the metallic tube and the flat band to the last digit
            cosine = 0.5 if 3 * q == n else 0.0
        degeneracy = 1 if q == 0 or 2 * q == n else 2
        found.append(
            CircumferentialMode(q, degeneracy, 2 * hopping * cosine, 2 * abs(hopping) * abs(1 - 2 * abs(cosine)))
        )
    return tuple(sorted(found, key=lambda mode: mode.gap))


@dataclass(frozen=True, eq=False)
class NanotubeModes:
    """A zigzag tube in its circumferential modes: one device, in which the modes do not see each other.

    Parameters
    ----------
    device : Device
        One ring to a block, one orbital for every mode in it; sums over its orbitals and its transmission count every
        mode that is kept `counted` times.
    rings : array, shape (n_orbitals,), integer
        The ring of every orbital, the `sites` of a self-consistent calculation.
    modes : array, shape (n_orbitals,), integer
        q of every orbital.
    counted : int
        1, or 2 where every orbital stands for q and −q: multiply `spin_degeneracy` by it.
    """

    device: Device
    rings: Array
    modes: Array
    counted: int

    def to_rings(self, values: ArrayLike) -> Array:
        """Sum a quantity (…, n_orbitals) over the orbitals of every ring, times `counted`: (…, n_rings)."""
        values = np.asarray(values)
        if values.shape[-1:] != self.rings.shape:
            raise ShapeError(
                f"values have shape {values.shape} but the last axis must be the {len(self.rings)} orbitals of the "
                "modes."
            )
        shape = (*values.shape[:-1], int(self.rings[-1]) + 1, -1)
        return self.counted * values.reshape(shape).sum(axis=-1)


def zigzag_modes(
    n: int,
    *,
    n_rings: int,
    hopping: float = HOPPING,
    n_pairs: int | None = None,
    potential_energy: ArrayLike | None = None,
    lead_potential_energy: Sequence[float] = (0.0, 0.0),
) -> NanotubeModes:
    """An (n, 0) tube between two leads of the same tube, in its circumferential modes.

    Parameters
    ----------
    n : int
    n_rings : int
        Rings of the device, at least 2; the first and the second are half a bond apart, as in `nanotube`.
    hopping : float
        t [eV].
    n_pairs : int, optional
        Keep the pairs q, −q with the smallest gaps, so many of them, each once with `counted` = 2. Default: all n
        modes, which is exact.
    potential_energy : array, shape (n_rings,), optional
        U [eV] of every ring.
    lead_potential_energy : two floats
        U [eV] of the leads.

    Returns
    -------
    NanotubeModes

    Raises
    ------
    InputError, ShapeError
        For numbers that make no tube, more pairs than there are, or a potential of another length.
    """
    _check_count("n_rings", n_rings, least=2)
    kept = circumferential_modes(n, hopping=hopping)
    if n_pairs is None:
        chosen = [(mode.q, mode.slanted_hopping) for mode in kept for _ in range(mode.degeneracy)]
    else:
        pairs = [mode for mode in kept if mode.degeneracy == 2]
        _check_count("n_pairs", n_pairs)
        if n_pairs > len(pairs):
            raise InputError(f"n_pairs={n_pairs} but a ({n}, 0) tube has {len(pairs)} pairs of modes; None keeps all.")
        chosen = [(mode.q, mode.slanted_hopping) for mode in pairs[:n_pairs]]
    u = np.zeros(n_rings) if potential_energy is None else np.array(potential_energy, dtype=np.float64)
    if u.shape != (n_rings,):
        raise ShapeError(f"potential_energy has shape {u.shape} but there are {n_rings} rings.")
    q = np.array([number for number, _ in chosen])
    device = _chains(np.array([w for _, w in chosen]), float(hopping), u, lead_potential_energy)
    return NanotubeModes(
        device, np.repeat(np.arange(n_rings), len(q)), np.tile(q, n_rings), 1 if n_pairs is None else 2
    )


def _chains(slanted: Array, straight: float, potential_energy: Array, of_leads: Sequence[float]) -> Device:
    """Chains side by side: rings 2j and 2j + 1 are joined by the slanted bonds, 2j + 1 and 2j + 2 by straight ones."""
    n_modes, n_rings = len(slanted), len(potential_energy)
    one, zero = np.eye(n_modes), np.zeros((n_modes, n_modes))
    links = (np.diag(slanted), straight * one)
    hamiltonian = BlockTridiagonal(
        tuple(u * one for u in potential_energy), tuple(links[j % 2] for j in range(n_rings - 1))
    )
    leads = []
    for end, u in zip((0, -1), of_leads):
        # two rings a cell, the nearer one first; the link to the device has the parity of the place
        ahead = 1 if end == 0 else (n_rings - 1) % 2
        outer, inner = links[ahead], links[1 - ahead]
        leads.append(
            Lead(
                onsite=np.block([[zero, inner], [inner, zero]]),
                hopping=np.block([[zero, zero], [outer, zero]]),
                coupling=np.hstack([outer, zero]),
                block=end,
                potential_energy=float(u),
            )
        )
    return Device(hamiltonian, tuple(leads))


def _checked_indices(indices: Sequence[int]) -> tuple[int, int]:
    if len(indices) != 2 or any(isinstance(i, bool) or not hasattr(i, "__index__") for i in indices):
        raise InputError(f"indices={indices!r} must be two integers: (n, 0) is a zigzag tube, (n, n) an armchair one.")
    n, m = (int(i) for i in indices)
    if m not in (0, n) or n < (3 if m == 0 else 2):
        raise InputError(
            f"indices=({n}, {m}) make no tube that is known here: (n, 0) with n ≥ 3 is zigzag, (n, n) with n ≥ 2 is "
            "armchair."
        )
    return n, m


def _check_count(name: str, count: int, least: int = 1) -> None:
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < least:
        raise InputError(f"{name}={count!r} must be an integer of at least {least}.")


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name}={value!r} must be a positive length [Å].")
