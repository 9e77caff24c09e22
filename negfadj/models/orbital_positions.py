"""Where the orbitals of a device are, and those of its leads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Device
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .position_checks import all_links, check_lengths, check_outward
from .transport_model import TransportModel


@dataclass(frozen=True, eq=False)
class OrbitalPositions:
    """Positions of the orbitals of a `Device`, in its order, and of its leads.

    Parameters
    ----------
    device : array, shape (n_orbitals, 2 or 3)
        [Å], in the order of the device's orbitals; z = 0 where it is left out.
    lead_cells : sequence of arrays, shapes (n_lead, 2 or 3)
        Cell 0 of every lead, in the order of its orbitals [Å].
    lead_periods : sequence of vectors, 2 or 3 numbers
        From cell j of a lead to cell j + 1, away from the device [Å].
    longest_link : three numbers, optional
        How far two coupled orbitals may be apart along x, y, z [Å]. A device that is periodic across has links that go
        further, around the period; it is refused then. Default: not looked at.

    Raises
    ------
    ShapeError, InputTypeError, InputError
        Naming the lead.
    """

    device: Array
    lead_cells: tuple[Array, ...]
    lead_periods: tuple[Array, ...]
    longest_link: Any = None

    def __post_init__(self) -> None:
        cells = tuple(points(x, f"lead_cells[{k}]") for k, x in enumerate(self.lead_cells))
        periods = tuple(points([x], f"lead_periods[{k}]")[0] for k, x in enumerate(self.lead_periods))
        if len(cells) != len(periods):
            raise ShapeError(f"{len(cells)} lead_cells but {len(periods)} lead_periods; give one of each to a lead.")
        for k, period in enumerate(periods):
            if not period.any():
                raise InputError(f"lead_periods[{k}] is zero; give the vector from a cell to the next one [Å].")
        if self.longest_link is not None:
            longest = points([self.longest_link], "longest_link")[0]
            object.__setattr__(self, "longest_link", longest)
        object.__setattr__(self, "device", points(self.device, "device"))
        object.__setattr__(self, "lead_cells", cells)
        object.__setattr__(self, "lead_periods", periods)

    def check(self, device: Device, *, in_plane: bool = False) -> None:
        """Refuse a device that cannot be the one at these positions.

        Parameters
        ----------
        device : Device
        in_plane : bool
            True leaves out z in `longest_link`: in a field along z, a link around a period along z has no phase.

        Raises
        ------
        ShapeError
            When the device has other numbers of orbitals or leads.
        InputError
            When a lead's positions or period point into the device; when a link is longer than `longest_link`.
        """
        counts = (device.n_orbitals, *(lead.coupled_shape[1] for lead in device.leads))
        here = (len(self.device), *(len(cell) for cell in self.lead_cells))
        if counts != here:
            raise ShapeError(
                f"positions are of {here[0]} orbitals and leads with {list(here[1:])}, but the device has "
                f"{counts[0]} orbitals and leads with {list(counts[1:])}."
            )
        ends = device.hamiltonian.offsets
        for k, (lead, cell, period) in enumerate(zip(device.leads, self.lead_cells, self.lead_periods)):
            block = self.device[ends[lead.block] : ends[lead.block + 1]]
            check_outward(k, lead, block, self.device, cell, period)
        if self.longest_link is not None:
            for links in all_links(device, self.device, self.lead_cells, self.lead_periods):
                check_lengths(links, self.longest_link[: 2 if in_plane else 3])


def transport_positions(model: TransportModel) -> OrbitalPositions:
    """Where the orbitals of a transport model are: those of its atoms, and the leads' cells continued outwards.

    Parameters
    ----------
    model : TransportModel

    Returns
    -------
    OrbitalPositions

    Raises
    ------
    InputTypeError
        For something else than a transport model, as its device, which does not know its atoms.
    InputError
        When the structure is periodic across the leads: a bond to an image has no straight line between its positions.
    """
    given: Any = model
    if not isinstance(given, TransportModel):
        raise InputTypeError(
            f"model is a {type(given).__name__}; pass what transport_model returned, which knows its atoms. The "
            "positions of a lattice are lattice_device(lattice).positions."
        )
    if any(model.structure.periodic):
        raise InputError(
            f"the structure is periodic along lattice vectors {np.flatnonzero(model.structure.periodic).tolist()}: its "
            "bonds to images have no place of their own; make it finite across the leads."
        )
    per_atom = np.bincount(model.atoms, minlength=model.structure.n_atoms)
    cells, periods = [], []
    for lead, n in zip(model.leads, model.cells_per_layer):
        cell = np.repeat(model.structure.positions[lead.atoms], per_atom[lead.atoms], axis=0)
        step = np.zeros(3)
        step[lead.axis] = lead.period
        # a layer's cells are in the order of their coordinate, on both sides
        first = -n if lead.outward < 0 else 1
        cells.append(np.concatenate([cell + (first + i) * step for i in range(n)]))
        periods.append(lead.outward * n * step)
    return OrbitalPositions(model.structure.positions[model.atoms], tuple(cells), tuple(periods))


def points(x: Any, name: str) -> Array:
    """Positions as an array (n, 3), with z = 0 where only x and y are given."""
    try:
        found = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array of real numbers ({error}).") from error
    if found.ndim != 2 or found.shape[1] not in (2, 3):
        raise ShapeError(f"{name} has shape {found.shape} but must be (n, 2) or (n, 3), in Å.")
    if not np.all(np.isfinite(found)):
        raise InputError(f"{name}[{int(np.argwhere(~np.isfinite(found))[0, 0])}] is not finite.")
    return np.pad(found, ((0, 0), (0, 3 - found.shape[1])))
