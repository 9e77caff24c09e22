"""From a structure and a tight-binding model to an open device whose leads continue its ends, and the way back.

The leads' atoms are copies of the first and last cells of the structure, moved outwards by whole periods: what moves an
atom of such a cell moves its copies. Sources: docs/adjoints/two-centre.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree

from ..array import brief_repr, rebuild
from ..data import Device
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .coupled_pairs import check_elements, coupled_pairs
from .device_entries import DeviceEntries
from .leads import LeadCell, Side, recognise_lead
from .neighbours import NeighbourPairs
from .partition import Partition, partition
from .sparse_device import LeadMatrices, device_from_partition
from .structure import Structure, axis_index
from .tight_binding import TightBinding
from .tight_binding_matrices import OrbitalIndex, orbital_index, tight_binding_matrices_vjp


@dataclass(frozen=True, eq=False)
class TransportModel:
    """A device and the way back from its orbitals to the atoms of the structure.

    Parameters
    ----------
    device : Device
        Its leads continue the ends of the structure.
    structure : Structure
        All of its atoms belong to the device.
    atoms : array, shape (n_orbitals,), integer
        The atom, in the order of the structure, that carries each orbital of the device.
    partition : Partition
    leads : tuple of LeadCell
    cells_per_layer : tuple of int
        How many cells make one principal layer of each lead.
    """

    device: Device
    structure: Structure
    atoms: Array
    partition: Partition
    leads: tuple[LeadCell, ...]
    cells_per_layer: tuple[int, ...]

    __repr__ = brief_repr

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


class TransportModelCotangent(NamedTuple):
    """Cotangents in the classes of their primals; the energies' are None when none were given.

    `lead_period` [1/Å], one per lead, is for the length of the leads' cells at fixed positions of the atoms: a strain
    of everything along a lead moves both.
    """

    structure: Structure
    model: TightBinding
    onsite_energy: Array | None
    potential_energy: Array | None
    lead_potential_energy: Array
    lead_period: Array


def transport_model(
    structure: Structure,
    model: TightBinding,
    *,
    axis: str = "x",
    ends: Sequence[tuple[str, Side]] | None = None,
    period: Sequence[float | None] | None = None,
    cells_per_layer: int | None = None,
    tolerance: float = 0.01,
    momentum: tuple[float, float, float] = (0.0, 0.0, 0.0),
    onsite_energy: ArrayLike | None = None,
    potential_energy: ArrayLike | None = None,
    lead_potential_energy: ArrayLike | None = None,
) -> TransportModel:
    """Attach leads to the ends of a structure and order it into blocks.

    H_ab → H_ab + δ_ab ε_a + S_ab (U_a + U_b)/2, with ε = 0 in the leads and U the same on all of a lead's atoms.

    Parameters
    ----------
    structure : Structure
        The whole device; each end is two undisturbed cells of its lead. Periodicity across the leads is
        kept at `momentum`, periodicity along a lead is left out: the lead takes its place.
    model : TightBinding
    axis : "x", "y" or "z"
        The direction of transport. Lead 0 is at the smallest coordinate, lead 1 at the largest.
    ends : sequence of (axis, "left" or "right"), optional
        The ends that have leads, lead by lead, in place of `axis`: a cross has
        (("x", "left"), ("x", "right"), ("y", "left"), ("y", "right")). "left" is the end at the smallest coordinate.
    period : one float or None per lead
        Length [Å] of the cell of each lead; checked. Default: found (see `recognise_lead`).
    cells_per_layer : int, optional
        Cells in one principal layer; refused when the model couples atoms further apart. Default: as many as it needs.
    tolerance : float
        [Å], of the translation check.
    momentum : three floats
        Transverse k in reciprocal lattice vectors.
    onsite_energy : array, shape (n_atoms,), optional
        ε [eV], added to the on-site energies of all orbitals of an atom: disorder, doping.
    potential_energy : array, shape (n_atoms,), optional
        U [eV], an electrostatic potential energy: with overlap it moves the hoppings too, so that a constant U is a
        rigid shift.
    lead_potential_energy : array, shape (n_leads,), optional
        U [eV] of the leads, which becomes their `potential_energy`; default 0.

    Returns
    -------
    TransportModel

    Raises
    ------
    InputError, ShapeError
        When a lead is not recognised, the principal layer is too short (the hopping and its distance are named), the
        leads touch each other, or as `coupled_pairs` and `partition`.
    """
    return transport_model_vjp(
        structure,
        model,
        axis=axis,
        ends=ends,
        period=period,
        cells_per_layer=cells_per_layer,
        tolerance=tolerance,
        momentum=momentum,
        onsite_energy=onsite_energy,
        potential_energy=potential_energy,
        lead_potential_energy=lead_potential_energy,
    )[0]


def transport_model_vjp(
    structure: Structure,
    model: TightBinding,
    *,
    axis: str = "x",
    ends: Sequence[tuple[str, Side]] | None = None,
    period: Sequence[float | None] | None = None,
    cells_per_layer: int | None = None,
    tolerance: float = 0.01,
    momentum: tuple[float, float, float] = (0.0, 0.0, 0.0),
    onsite_energy: ArrayLike | None = None,
    potential_energy: ArrayLike | None = None,
    lead_potential_energy: ArrayLike | None = None,
) -> tuple[TransportModel, Callable[[Device], TransportModelCotangent]]:
    """`transport_model` and its pullback from a cotangent of the device (`bar.device` of any observable).

    Order and blocks are fixed. An atom of a lead's cell moves its copies, one of the second cell only itself; the
    length of the cell has a cotangent of its own. With Ā = H̄ at the entries of the blocks,

        H̄₀ = H̄,   S̄_ab += (U_a + U_b)/2 H̄_ab,   Ū_a = Σ_b Re(H̄_ab* S_ab + H̄_ba* S_ba)/2,   ε̄_a = Re H̄_aa

    and from there as `tight_binding_matrices_vjp`. Kept for the pullback: H and S, sparse.
    """
    check_elements(structure, model)
    chosen = _ends(axis, ends)
    periods = _periods(period, len(chosen))
    opened = _open_along(structure, [axis_index(name) for name, _ in chosen])
    leads = tuple(
        recognise_lead(opened, side, axis=name, period=length, tolerance=tolerance)
        for (name, side), length in zip(chosen, periods)
    )
    n_cells = tuple(_cells_per_layer(opened, model, lead, cells_per_layer) for lead in leads)
    extended, sources, steps, spans = _extend(opened, leads, n_cells)
    pairs, shell = coupled_pairs(extended, model)
    _check_layers(pairs, shell, model, extended, spans)
    index = orbital_index(extended, model)
    rows = [_rows(index, span) for span in spans]
    cut = _partition(pairs, index, opened, spans)

    (bare, overlap), matrices_pullback = tight_binding_matrices_vjp(extended, model, momentum=momentum)
    own = rows[0]
    atoms = index.atom_of_row
    onsite = _energies(onsite_energy, "onsite_energy", opened.n_atoms)
    potential = _energies(potential_energy, "potential_energy", opened.n_atoms)
    of_leads = _energies(lead_potential_energy, "lead_potential_energy", len(leads), "lead")
    shift = np.zeros(index.n_rows)
    if potential is not None:
        shift[own] = potential[atoms[own]]
    if of_leads is not None:
        # `Lead.potential_energy` moves the coupling by U_l S; with this it is moved by (U_a + U_l)/2 S
        for u, first, last in zip(of_leads, rows[1::2], rows[2::2]):
            shift[first.start : last.stop] = -u
    shifted = _add_energies(bare, overlap, None if onsite is None else onsite[atoms[own]], shift)
    matrices = [_lead_matrices(bare, shifted, overlap, own, *rows[i : i + 2]) for i in range(1, len(rows), 2)]
    device = device_from_partition(shifted[own, own], matrices, None if overlap is None else overlap[own, own], cut)
    if of_leads is not None:
        placed = tuple(rebuild(lead, potential_energy=float(u)) for lead, u in zip(device.leads, of_leads))
        device = rebuild(device, leads=placed)

    def transport_model_pullback(device_bar: Device) -> TransportModelCotangent:
        entries = DeviceEntries(device_bar, cut, [span.stop - span.start for span in rows[1::2]])
        overlap_bar = None if overlap is None else entries.of_overlap(shift)
        bars = matrices_pullback(entries.of_hamiltonian(), overlap_bar)
        positions = np.zeros_like(structure.positions)
        np.add.at(positions, sources, bars.structure.positions)
        diagonal = np.arange(own.stop)
        onsite_bar = np.real(entries.of_hamiltonian()[diagonal, diagonal])
        shift_bar = onsite_bar if overlap is None else _shift_bar(entries, overlap)
        lead_bar = [0.0 if lead is None else float(lead.potential_energy) for lead in device_bar.leads]
        if overlap is not None:
            lead_bar = [u - shift_bar[near].sum() for u, near in zip(lead_bar, rows[1::2])]
        return TransportModelCotangent(
            rebuild(structure, positions=positions, cell=bars.structure.cell),
            bars.model,
            None if onsite is None else np.bincount(atoms[own], onsite_bar, opened.n_atoms),
            None if potential is None else np.bincount(atoms[own], shift_bar[own], opened.n_atoms),
            np.asarray(lead_bar),
            np.array(
                [
                    steps[near.start : far.stop] @ bars.structure.positions[near.start : far.stop, lead.axis]
                    for lead, near, far in zip(leads, spans[1::2], spans[2::2])
                ]
            ),
        )

    found = TransportModel(device, opened, atoms[cut.order], cut, leads, n_cells)
    return found, transport_model_pullback


def in_leads(model: TransportModel) -> Array:
    """True for the atoms of the first and the last principal layer of the structure, shape (n_atoms,)."""
    inside = np.zeros(model.structure.n_atoms, dtype=bool)
    tree = KDTree(model.structure.positions)
    for lead, n in zip(model.leads, model.cells_per_layer):
        for j in range(n):
            moved = model.structure.positions[lead.atoms].copy()
            moved[:, lead.axis] -= lead.outward * j * lead.period
            inside[tree.query(moved)[1]] = True
    return inside


def _ends(axis: str, ends: Any) -> tuple[tuple[str, Side], ...]:
    """The ends that have leads, each once."""
    if ends is None:
        return ((axis, "left"), (axis, "right"))
    try:
        found = tuple((str(name), side) for name, side in ends)
    except (TypeError, ValueError):
        raise InputTypeError(f'ends = {ends!r} must be pairs as (("x", "left"), ("x", "right")).') from None
    if not found or len(set(found)) < len(found):
        raise InputError(f"ends = {ends!r} must name at least one end, and none of them twice.")
    return found


def _periods(period: Any, n_leads: int) -> tuple[float | None, ...]:
    if period is None:
        return (None,) * n_leads
    if isinstance(period, str) or not isinstance(period, Sequence | np.ndarray) or len(period) != n_leads:
        raise InputError(f"period = {period!r} must be one length [Å], or None, for each of the {n_leads} leads.")
    return tuple(None if p is None else float(p) for p in period)


def _open_along(structure: Structure, directions: Sequence[int]) -> Structure:
    """The structure without its periodicity along the leads; a lattice vector at a slant to one is refused."""
    periodic = list(structure.periodic)
    for direction in directions:
        for i in np.flatnonzero(structure.periodic):
            vector = structure.cell[i]
            across = np.delete(vector, direction)
            if abs(vector[direction]) <= 1e-6:
                continue
            if np.abs(across).max() > 1e-6:
                raise InputError(
                    f"lattice vector {i} = {vector.tolist()} Å is periodic and at a slant to the transport axis "
                    f"{'xyz'[direction]}; use a cell with one vector along the axis and the others across it."
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
    name = f"the {lead.side} lead along {'xyz'[lead.axis]}"
    if needed == 0:
        raise InputError(
            f"{name} does not conduct: the model couples no atom of its cell to the next one, {lead.period:g} Å "
            f"further, within its range of {model.cutoff:g} Å."
        )
    if given is None:
        return needed
    if isinstance(given, bool) or not hasattr(given, "__index__") or given < 1:
        raise InputError(f"cells_per_layer={given!r} must be a positive integer.")
    if given < needed:
        worst = int(steps.argmax())
        a, b = int(atoms.index[pairs.first[worst]]), int(atoms.index[pairs.second[worst]])
        raise InputError(
            f"{given} cell(s) of {lead.period:g} Å are no principal layer of {name}: the hopping "
            f"{_hopping(model, shell[worst])} from atom {a} to a copy of atom {b}, {pairs.distances[worst]:.4f} Å "
            f"apart, reaches {steps[worst]} cells; set cells_per_layer to {needed} or leave it out."
        )
    return int(given)


def _hopping(model: TightBinding, shell: int) -> str:
    """The largest integral of a shell, for messages: "pp_sigma = 4.1 eV"."""
    name, value = max(model.shells[shell].hoppings.items(), key=lambda item: abs(item[1]))
    return f"{name} = {value:g} eV"


def _extend(
    structure: Structure, leads: Sequence[LeadCell], n_cells: Sequence[int]
) -> tuple[Structure, Array, Array, list[slice]]:
    """The device and principal layers 0 and 1 of every lead, the atoms of each part last.

    Between them: of which atom each one is a copy, and by how many periods it was moved.
    """
    atoms, positions, spans = [np.arange(structure.n_atoms)], [structure.positions], [slice(0, structure.n_atoms)]
    steps = [np.zeros(structure.n_atoms)]
    for lead, n in zip(leads, n_cells):
        for layer in (0, 1):
            # a layer moved inwards by its own length falls on the cells of the structure, in this order
            first = -(layer + 1) * n if lead.outward < 0 else layer * n + 1
            shift = np.zeros((n, 1, 3))
            shift[:, 0, lead.axis] = (first + np.arange(n)) * lead.period
            steps.append(np.repeat(first + np.arange(n), len(lead.atoms)))
            positions.append((structure.positions[lead.atoms] + shift).reshape(-1, 3))
            atoms.append(np.tile(lead.atoms, n))
            spans.append(slice(spans[-1].stop, spans[-1].stop + n * len(lead.atoms)))
    sources = np.concatenate(atoms)
    copied = structure.select(sources)
    extended = Structure(copied.symbols, np.concatenate(positions), structure.cell, structure.periodic, copied.index)
    return extended, sources, np.concatenate(steps), spans


def _check_layers(
    pairs: NeighbourPairs, shell: Array, model: TightBinding, extended: Structure, spans: Sequence[slice]
) -> None:
    """Refuse a coupling that jumps a principal layer, or that joins two leads directly."""
    part = np.repeat(np.arange(len(spans)), [span.stop - span.start for span in spans])
    first, second = part[pairs.first], part[pairs.second]
    deep = "set a larger cells_per_layer"
    n_leads = len(spans) // 2
    forbidden = [(0, 2 * k + 2, f"the device and the second principal layer of lead {k}", deep) for k in range(n_leads)]
    forbidden += [
        (2 * i + p, 2 * j + q, f"leads {i} and {j}", "lengthen the structure between them")
        for i, j in combinations(range(n_leads), 2)
        for p in (1, 2)
        for q in (1, 2)
    ]
    for p, q, what, fix in forbidden:
        wrong = np.flatnonzero((first == p) & (second == q))
        if len(wrong):
            worst = int(wrong[pairs.distances[wrong].argmin()])
            a, b = int(pairs.first[worst]), int(pairs.second[worst])
            raise InputError(
                f"a hopping {_hopping(model, shell[worst])} over {pairs.distances[worst]:.4f} Å joins {what} "
                f"(a copy of atom {extended.index[a]} and a copy of atom {extended.index[b]}); {fix}."
            )


def _rows(index: OrbitalIndex, atoms: slice) -> slice:
    """The rows of consecutive atoms."""
    ends = np.append(index.first, len(index.atoms))
    return slice(int(ends[atoms.start]) * index.spins, int(ends[atoms.stop]) * index.spins)


def _partition(pairs: NeighbourPairs, index: OrbitalIndex, structure: Structure, spans: Sequence[slice]) -> Partition:
    """The device cut into blocks, the orbitals of an atom together."""
    n_atoms = structure.n_atoms
    inside = (pairs.first < n_atoms) & (pairs.second < n_atoms)
    entries = (np.ones(np.count_nonzero(inside)), (pairs.first[inside], pairs.second[inside]))
    interfaces = []
    for near in spans[1::2]:
        touching = (pairs.first < n_atoms) & (pairs.second >= near.start) & (pairs.second < near.stop)
        interfaces.append(np.unique(pairs.first[touching]))
    rows = np.bincount(index.atom_of_row)[:n_atoms]
    graph = sparse.coo_array(entries, shape=(n_atoms, n_atoms))
    _check_connected(graph, structure, interfaces[0])
    return partition(graph, interfaces, rows)


def _check_connected(graph: sparse.coo_array, structure: Structure, interface: Array) -> None:
    n_parts, part = csgraph.connected_components(graph, directed=False)
    apart = np.flatnonzero(part != part[interface[0]])
    if n_parts > 1:
        a = int(apart[0])
        others = np.flatnonzero(part != part[a])
        distance, nearest = KDTree(structure.positions[others]).query(structure.positions[a])
        b = int(others[nearest])
        raise InputError(
            f"{len(apart)} atoms have no connection to lead 0 through the model's hoppings; the first is atom "
            f"{structure.index[a]} ({structure.symbols[a]}), whose nearest atom of another part is "
            f"{structure.index[b]} ({structure.symbols[b]}), {distance:.4f} Å away. Leave them out "
            "(structure.select), or correct the positions."
        )


def _energies(energies: ArrayLike | None, name: str, n: int, of: str = "atom") -> Array | None:
    if energies is None:
        return None
    try:
        if np.iscomplexobj(energies):
            raise TypeError("complex numbers")
        energies = np.asarray(energies, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array of real energies [eV] ({error}).") from error
    if energies.shape != (n,):
        raise ShapeError(f"{name} has shape {energies.shape} but must be ({n},), one energy [eV] per {of}.")
    if not np.all(np.isfinite(energies)):
        atom = int(np.argmin(np.isfinite(energies)))
        raise InputError(f"{name}[{atom}] = {energies[atom]}; every entry must be a finite energy [eV].")
    return energies


def _add_energies(
    hamiltonian: sparse.csr_array, overlap: sparse.csr_array | None, onsite: Array | None, shift: Array
) -> sparse.csr_array:
    """H + diag(ε) + (U S + S U)/2."""
    if onsite is not None:
        hamiltonian = hamiltonian + sparse.diags_array(np.concatenate((onsite, np.zeros(len(shift) - len(onsite)))))
    if np.any(shift):
        diagonal = sparse.diags_array(shift)
        hamiltonian = hamiltonian + (diagonal if overlap is None else (diagonal @ overlap + overlap @ diagonal) / 2)
    return sparse.csr_array(hamiltonian)


def _shift_bar(entries: DeviceEntries, overlap: sparse.csr_array) -> Array:
    """Ū_a = Σ_b Re(H̄_ab* S_ab + H̄_ba* S_ba)/2 for all rows, over the entries that touch the device."""
    stored = overlap.tocoo()
    rows, columns = stored.coords
    share = np.real(entries.of_hamiltonian(shifted=True)[rows, columns].conj() * stored.data) / 2
    return np.bincount(rows, share, overlap.shape[0]) + np.bincount(columns, share, overlap.shape[0])


def _lead_matrices(
    bare: sparse.csr_array,
    shifted: sparse.csr_array,
    overlap: sparse.csr_array | None,
    own: slice,
    near: slice,
    far: slice,
) -> LeadMatrices:
    of_overlap = (None,) * 3 if overlap is None else (overlap[near, near], overlap[near, far], overlap[own, near])
    return LeadMatrices(bare[near, near], bare[near, far], shifted[own, near], *of_overlap)
