"""Whether positions can be those of a device's orbitals: leads that lie outside of it, links that are not too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ..array import to_numpy
from ..data import Device
from ..errors import InputError
from ..typing import Array

ON_TOP = 1e-3  # of a length: two places nearer than this are one


@dataclass(frozen=True, eq=False)
class Links:
    """The coupled pairs of one block of H: row, column, the vector between them [Å], and |H|² + |S|²."""

    name: str
    rows: Array
    columns: Array
    vectors: Array
    weights: Array

    @classmethod
    def of(cls, name: str, start: Array, end: Array, hamiltonian: Array, overlap: Array | None) -> Links:
        """Those between orbitals at `start` (rows) and at `end` (columns)."""
        blocks = [to_numpy(x) for x in (hamiltonian, overlap) if x is not None]
        weights = np.sum([np.abs(x) ** 2 for x in blocks], axis=0)
        rows, columns = np.nonzero(weights)
        return cls(name, rows, columns, end[columns] - start[rows], weights[rows, columns])


def check_outward(k: int, lead: Any, block: Array, device: Array, cell: Array, period: Array) -> None:
    """Refuse a lead that lies on the device, or goes on against the direction in which the device is linked to it.

    Σ_ab |H_ab|² (r_b − r_a)·p ≥ 0 over the links of the coupling, a in the device, b in cell 0.

    Parameters
    ----------
    k : int
        The lead's number, for the message.
    lead : Lead
    block, device : arrays, shapes (n_block, 3), (n_orbitals, 3)
        Positions of the orbitals of the lead's block, and of all [Å].
    cell : array, shape (n, 3)
        Of the lead's cell 0.
    period : array, shape (3,)
        p, from cell 0 to cell 1.

    Raises
    ------
    InputError
    """
    length = float(np.linalg.norm(period))
    if np.all(KDTree(device).query(cell)[0] < ON_TOP * length):
        raise InputError(
            f"cell 0 of lead {k} lies on orbitals of the device; it is the first cell outside of the device, one "
            "period beyond those that the lead continues."
        )
    coupling = Links.of("coupling", block, cell, lead.coupling, lead.overlap_coupling)
    along = float(np.average(coupling.vectors @ period, weights=coupling.weights)) / length
    if along < -ON_TOP * length:
        raise InputError(
            f"lead {k} has the period {period.tolist()} Å but lies the other way: on average the links from the device "
            f"to its cell 0 go {-along:.4g} Å against it; the period points from cell 0 to cell 1, away from the "
            "device, and cell 0 is the cell next to the device."
        )


def check_lengths(links: Links, longest: Array) -> None:
    """Refuse links that are longer along an axis than `longest`, shape (n_axes,) [Å], for the first axes.

    Raises
    ------
    InputError
    """
    excess = np.abs(links.vectors[:, : len(longest)]) - (1 + ON_TOP) * longest
    if excess.size and excess.max() > 0:
        worst, axis = (int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
        raise InputError(
            f"orbitals {links.rows[worst]} and {links.columns[worst]} of {links.name} are coupled and "
            f"{abs(links.vectors[worst, axis]):.4g} Å apart along {'xyz'[axis]}, but with these positions no link is "
            f"longer than {longest[axis]:.4g} Å: it goes around a period, and a field has no phase for it. Use a hard "
            f"wall along {'xyz'[axis]}."
        )


def all_links(device: Device, positions: Array, cells: Sequence[Array], periods: Sequence[Array]) -> Iterator[Links]:
    """The links of every block of the device, then of its leads; arguments as the fields of `OrbitalPositions`."""
    h, s = device.hamiltonian, device.overlap
    parts = [positions[a:b] for a, b in zip(h.offsets[:-1], h.offsets[1:])]
    for i, here in enumerate(parts):
        yield Links.of(f"block {i}", here, here, h.diagonal[i], None if s is None else s.diagonal[i])
    for i, (here, there) in enumerate(zip(parts[:-1], parts[1:])):
        yield Links.of(f"blocks {i} to {i + 1}", here, there, h.upper[i], None if s is None else s.upper[i])
    for k, (lead, cell, period) in enumerate(zip(device.leads, cells, periods)):
        yield Links.of(f"a cell of lead {k}", cell, cell, lead.onsite, lead.overlap_onsite)
        yield Links.of(f"the hopping of lead {k}", cell, cell + period, lead.hopping, lead.overlap_hopping)
        yield Links.of(f"the coupling of lead {k}", parts[lead.block], cell, lead.coupling, lead.overlap_coupling)
