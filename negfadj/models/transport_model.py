"""From a structure and a tight-binding model to an open device whose leads continue its first and last cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..data import Device
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .leads import LeadCell, recognise_lead
from .neighbours import NeighbourPairs
from .partition import Partition
from .sparse_device import LeadMatrices, device_from_sparse
from .structure import Structure, axis_index
from .tight_binding import TightBinding, coupled_pairs, tight_binding_matrices


@dataclass(frozen=True, eq=False)
class TransportModel:
    """A device and the way back from its orbitals to the atoms of the structure.

    Parameters
    ----------
    device : Device
        Leads 0 and 1 continue the first and the last cell of the structure along the axis.
    structure : Structure
        All of its atoms belong to the device.
    atoms : array, shape (n_orbitals,), integer
        The atom, in the order of the structure, that carries each orbital of the device.
    partition : Partition
    leads : two LeadCell
    cells_per_layer : two int
        How many cells make one principal layer of each lead.
    """

    device: Device
    structure: Structure
    atoms: Array
    partition: Partition
    leads: tuple[LeadCell, LeadCell]
    cells_per_layer: tuple[int, int]

    def to_atoms(self, values: ArrayLike) -> Array:
        """Sum a quantity per device orbital, shape (…, n_orbitals), over the orbitals of every atom: (…, n_atoms)."""
        values = np.asarray(values)
        if values.shape[-1:] != self.atoms.shape:
            raise ShapeError(
                f"values have shape {values.shape} but the last axis must be the {len(self.atoms)} orbitals of "
                "the device."
            )
        result = np.zeros((*values.shape[:-1], self.structure.n_atoms), dtype=values.dtype)
        np.add.at(result, (slice(None),) * (values.ndim - 1) + (self.atoms,), values)
        return result


def transport_model(
    structure: Structure,
    model: TightBinding,
    *,
    axis: str = "x",
    period: tuple[float | None, float | None] = (None, None),
    cells_per_layer: int | None = None,
    tolerance: float = 0.01,
    momentum: tuple[float, float, float] = (0.0, 0.0, 0.0),
    onsite_energy: ArrayLike | None = None,
    potential_energy: ArrayLike | None = None,
) -> TransportModel:
    """Attach leads to both ends of a structure and order it into blocks.

    H_ab → H_ab + δ_ab ε_a + S_ab (U_a + U_b)/2, with U = 0 and ε = 0 in the leads.

    Parameters
    ----------
    structure : Structure
        The whole device; it begins and ends with two undisturbed cells of its leads. Periodicity across the axis is
        kept at `momentum`, periodicity along the axis is left out: the leads take its place.
    model : TightBinding
    axis : "x", "y" or "z"
        The direction of transport. Lead 0 is at the smallest coordinate.
    period : two floats or None
        Length [Å] of the cell of each lead; checked. Default: found (see `recognise_lead`).
    cells_per_layer : int, optional
        Cells in one principal layer; refused when the model couples atoms further apart. Default: as many as it needs.
    tolerance : float
        [Å], of the translation check.
    momentum : three floats
        Transverse k in reciprocal lattice vectors.
    onsite_energy : array, shape (n_atoms,), optional
        ε [eV], added to the on-site energies: disorder, doping.
    potential_energy : array, shape (n_atoms,), optional
        U [eV], an electrostatic potential energy: with overlap it moves the hoppings too, so that a constant U is a
        rigid shift.

    Returns
    -------
    TransportModel

    Raises
    ------
    InputError, ShapeError
        When a lead is not recognised, the principal layer is too short (the hopping and its distance are named), the
        leads touch each other, or as `coupled_pairs` and `partition`.
    """
    direction = axis_index(axis)
    structure = _open_along(structure, direction)
    leads = (
        recognise_lead(structure, "left", axis=axis, period=period[0], tolerance=tolerance),
        recognise_lead(structure, "right", axis=axis, period=period[1], tolerance=tolerance),
    )
    n_cells = tuple(_cells_per_layer(structure, model, lead, cells_per_layer) for lead in leads)
    extended, spans = _extend(structure, leads, n_cells)
    hamiltonian, overlap = tight_binding_matrices(extended, model, momentum=momentum)
    hamiltonian = _add_energies(hamiltonian, overlap, structure.n_atoms, onsite_energy, potential_energy)
    _check_layers(hamiltonian, overlap, extended, spans)
    own = slice(0, structure.n_atoms)
    matrices = [_lead_matrices(hamiltonian, overlap, own, *spans[i : i + 2]) for i in (0, 2)]
    device, cut = device_from_sparse(hamiltonian[own, own], matrices, None if overlap is None else overlap[own, own])
    return TransportModel(device, structure, cut.order, cut, leads, n_cells)  # type: ignore[arg-type]


def in_leads(model: TransportModel) -> Array:
    """True for the atoms of the first and the last principal layer of the structure, shape (n_atoms,)."""
    inside = np.zeros(model.structure.n_atoms, dtype=bool)
    for lead, n in zip(model.leads, model.cells_per_layer):
        along = model.structure.positions[:, lead.axis]
        depth = along - along.min() if lead.side == "left" else along.max() - along
        inside |= depth < n * lead.period - 1e-6
    return inside


def _open_along(structure: Structure, direction: int) -> Structure:
    """The structure without its periodicity along the axis; a lattice vector at a slant to it is refused."""
    periodic = list(structure.periodic)
    for i in np.flatnonzero(structure.periodic):
        vector = structure.cell[i]
        across = np.delete(vector, direction)
        if abs(vector[direction]) <= 1e-6:
            continue
        if np.abs(across).max() > 1e-6:
            raise InputError(
                f"lattice vector {i} = {vector.tolist()} Å is periodic and at a slant to the transport axis "
                f"{'xyz'[direction]}; "
                "use a cell with one vector along the axis and the others across it."
            )
        periodic[i] = False
    return Structure(structure.symbols, structure.positions, structure.cell, tuple(periodic), structure.index)  # type: ignore[arg-type]


def _cells_per_layer(structure: Structure, model: TightBinding, lead: LeadCell, given: int | None) -> int:
    """How many cells the model's couplings reach along the lead, or `given` when that is enough."""
    slot = structure.periodic.index(False)  # `_open_along` left at least one
    cell, periodic = structure.cell.copy(), list(structure.periodic)
    cell[slot], periodic[slot] = np.eye(3)[lead.axis] * lead.period, True
    atoms = structure.select(lead.atoms)
    pairs, shell = coupled_pairs(Structure(atoms.symbols, atoms.positions, cell, tuple(periodic), atoms.index), model)  # type: ignore[arg-type]
    steps = np.abs(pairs.cells[:, slot])
    needed = int(steps.max(initial=0))
    if needed == 0:
        raise InputError(
            f"the {lead.side} lead does not conduct: the model couples no atom of its cell to the next one, "
            f"{lead.period:g} Å "
            f"further, within its range of {model.cutoff:g} Å."
        )
    if given is None:
        return needed
    if isinstance(given, bool) or not hasattr(given, "__index__") or given < 1:
        raise InputError(f"cells_per_layer={given!r} must be a positive integer.")
    if given < needed:
        _raise_short_layer(atoms, model, lead, pairs, shell, steps, int(given))
    return int(given)


def _raise_short_layer(
    atoms: Structure, model: TightBinding, lead: LeadCell, pairs: NeighbourPairs, shell: Array, steps: Array, given: int
) -> None:
    worst = int(steps.argmax())
    a, b = int(atoms.index[pairs.first[worst]]), int(atoms.index[pairs.second[worst]])
    raise InputError(
        f"{given} cell(s) of {lead.period:g} Å are no principal layer of the {lead.side} lead: the hopping of "
        f"{model.shells[shell[worst]].hopping:g} eV from atom {a} to a copy of atom {b}, "
        f"{pairs.distances[worst]:.4f} Å apart, "
        f"reaches {steps[worst]} cells; set cells_per_layer to {steps.max()} or leave it out."
    )


def _extend(
    structure: Structure, leads: tuple[LeadCell, LeadCell], n_cells: tuple[int, ...]
) -> tuple[Structure, list[slice]]:
    """The device followed by principal layers 0 and 1 of lead 0, then of lead 1, and the rows of each layer."""
    atoms, positions, spans = [np.arange(structure.n_atoms)], [structure.positions], []
    n_rows = structure.n_atoms
    for lead, n in zip(leads, n_cells):
        for layer in (0, 1):
            # a layer moved inwards by its own length falls on the cells of the structure, in this order
            first = -(layer + 1) * n if lead.outward < 0 else layer * n + 1
            shift = np.zeros((n, 1, 3))
            shift[:, 0, lead.axis] = (first + np.arange(n)) * lead.period
            positions.append((structure.positions[lead.atoms] + shift).reshape(-1, 3))
            atoms.append(np.tile(lead.atoms, n))
            spans.append(slice(n_rows, n_rows + n * len(lead.atoms)))
            n_rows += n * len(lead.atoms)
    copied = structure.select(np.concatenate(atoms))
    extended = Structure(copied.symbols, np.concatenate(positions), structure.cell, structure.periodic, copied.index)
    return extended, spans


def _add_energies(
    hamiltonian: sparse.csr_array,
    overlap: sparse.csr_array | None,
    n_atoms: int,
    onsite_energy: ArrayLike | None,
    potential_energy: ArrayLike | None,
) -> sparse.csr_array:
    """H + diag(ε) + (U S + S U)/2, with zeros in the leads."""
    n = hamiltonian.shape[0]
    if onsite_energy is not None:
        hamiltonian = hamiltonian + _diagonal(onsite_energy, "onsite_energy", n_atoms, n)
    if potential_energy is not None:
        shift = _diagonal(potential_energy, "potential_energy", n_atoms, n)
        hamiltonian = hamiltonian + (shift if overlap is None else (shift @ overlap + overlap @ shift) / 2)
    return sparse.csr_array(hamiltonian)


def _diagonal(energies: ArrayLike, name: str, n_atoms: int, n: int) -> sparse.dia_array:
    energies = np.asarray(energies, dtype=np.float64)
    if energies.shape != (n_atoms,):
        raise ShapeError(f"{name} has shape {energies.shape} but must be ({n_atoms},), one energy [eV] per atom.")
    if not np.all(np.isfinite(energies)):
        atom = int(np.argmin(np.isfinite(energies)))
        raise InputError(f"{name}[{atom}] = {energies[atom]}; every entry must be a finite energy [eV].")
    return sparse.diags_array(np.concatenate((energies, np.zeros(n - n_atoms))))


def _check_layers(
    hamiltonian: sparse.csr_array, overlap: sparse.csr_array | None, extended: Structure, spans: list[slice]
) -> None:
    """Refuse a coupling that jumps a principal layer, or that joins the two leads directly."""
    pattern = abs(hamiltonian) if overlap is None else abs(hamiltonian) + abs(overlap)
    own = slice(0, spans[0].start)
    for rows, columns, what, fix in (
        (own, spans[1], "the device and the second principal layer of the left lead", "set a larger cells_per_layer"),
        (own, spans[3], "the device and the second principal layer of the right lead", "set a larger cells_per_layer"),
        (spans[0], spans[2], "the two leads", "lengthen the structure"),
    ):
        block = pattern[rows, columns].tocoo()
        if block.nnz:
            a, b = rows.start + int(block.coords[0][0]), columns.start + int(block.coords[1][0])
            distance = np.linalg.norm(extended.positions[a] - extended.positions[b])
            raise InputError(
                f"a hopping of {hamiltonian[a, b]:g} eV over {distance:.4f} Å joins {what} (atom "
                f"{extended.index[a]} and a copy of "
                f"atom {extended.index[b]}); {fix}."
            )


def _lead_matrices(
    hamiltonian: sparse.csr_array, overlap: sparse.csr_array | None, own: slice, near: slice, far: slice
) -> LeadMatrices:
    def blocks(matrix: sparse.csr_array | None) -> tuple[sparse.csr_array | None, ...]:
        return (None,) * 3 if matrix is None else (matrix[near, near], matrix[near, far], matrix[own, near])

    return LeadMatrices(*blocks(hamiltonian), *blocks(overlap))
