"""A device between electrodes as TBtrans knows them, from sisl Hamiltonians."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..array import rebuild
from ..data import BlockTridiagonal, Device, Lead, PeriodicHamiltonian
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .electrode_places import PlacedElectrode, check_electrode_places
from .from_sisl import SislCotangent, SislEntries, from_sisl_vjp, sisl_entries, sisl_hamiltonian, spins_of
from .partition import Partition, partition
from .principal_layer import Side, check_whole_device, furthest_hopping, lead_from_periodic_vjp
from .sparse_device import LeadMatrices, check_hermitian_entries, device_from_partition

AXES = "ABC"


@dataclass(frozen=True, eq=False)
class SislElectrode:
    """An electrode as TBtrans knows it: a periodic cell, which way it runs, and where it sits in the device.

    Parameters
    ----------
    hamiltonian : sisl.Hamiltonian, or the path of a file sisl reads
        Of the electrode's cell, periodic along its direction; the cell must be a principal layer.
    direction : str
        "+A", "-A", "+B", "-B", "+C" or "-C": the lattice vector along which the electrode is semi-infinite, away from
        the device.
    first_atom : int
        The electrode's atoms are part of the device, in the same order, one after another: the index of the first one
        in the device. A negative one counts from the end, as in Python: −n for the last n atoms.

    Raises
    ------
    InputError, InputTypeError
    """

    hamiltonian: Any
    direction: str
    first_atom: int

    def __post_init__(self) -> None:
        direction = str(self.direction).upper()
        if len(direction) != 2 or direction[0] not in "+-" or direction[1] not in AXES:
            raise InputError(f'direction={self.direction!r} must be "+A", "-A", "+B", "-B", "+C" or "-C".')
        if isinstance(self.first_atom, bool) or not hasattr(self.first_atom, "__index__"):
            raise InputTypeError(f"first_atom={self.first_atom!r} must be the index of an atom of the device.")
        object.__setattr__(self, "direction", direction)
        object.__setattr__(self, "first_atom", int(self.first_atom.__index__()))

    @property
    def axis(self) -> int:
        """The lattice vector 0, 1 or 2."""
        return AXES.index(self.direction[1])


@dataclass(frozen=True, eq=False)
class SislDevice:
    """A device and the way back from its orbitals to sisl's.

    Parameters
    ----------
    device : Device
        Lead k is electrode k.
    partition : Partition
    orbitals : array, shape (n_orbitals,), integer
        The row of sisl's matrix (`Hk`, spin fastest) that each orbital of the device is.
    atoms : array, shape (n_orbitals,), integer
        The atom that carries it.
    positions : array, shape (n_orbitals, 3)
        Of that atom [Å].
    """

    device: Device
    partition: Partition
    orbitals: Array
    atoms: Array
    positions: Array


class SislDeviceCotangent(NamedTuple):
    """Cotangents of `device_from_sisl`: of the device's matrices and of every electrode's."""

    device: SislCotangent
    electrodes: tuple[SislCotangent, ...]


def device_from_sisl(
    hamiltonian: Any,
    electrodes: Sequence[SislElectrode],
    *,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    spin: int | None = None,
    tolerance: float = 1e-6,
) -> SislDevice:
    """A device between electrodes, set up as for TBtrans: the first cell of every electrode is part of the device.

    Parameters
    ----------
    hamiltonian : sisl.Hamiltonian, or the path of a file sisl reads
        The device, its electrodes' first cells included. Its own periodicity along the electrodes' directions is left
        out: the electrodes take its place.
    electrodes : sequence of SislElectrode
        Any number; lead k is electrode k.
    momentum : three floats
        Transverse k in reciprocal lattice vectors; 0 along the electrodes' directions.
    spin : 0 or 1, optional
        Which spin of spin-polarised Hamiltonians.
    tolerance : float
        How far [eV] the device's H between an electrode's atoms may be from the electrode's own, and S from S.

    Returns
    -------
    SislDevice
        Its H is the device's own, everywhere.

    Raises
    ------
    InputError
        When an electrode's H is not found in the device: the worst entry, with both values; when the electrode's cell
        is not a principal layer: the hopping that reaches too far; when the electrodes' transverse lattice vectors are
        not the device's; when two electrodes share atoms, or one runs into the device or has atoms behind it.
    HermiticityError
        When the device's H or S is not Hermitian: the entry of sisl's matrix.
    ShapeError
        When the electrode's atoms do not fit into the device, or have other orbitals there.
    Others
        As `from_sisl`, `device_from_sparse`.

    Sources
    -------
    N. Papior, N. Lorente, T. Frederiksen, A. García, M. Brandbyge, Comput. Phys. Commun. 212, 8 (2017): the
    electrodes of TBtrans.
    """
    return _assembled(hamiltonian, electrodes, momentum, spin, tolerance).value


def device_from_sisl_vjp(
    hamiltonian: Any,
    electrodes: Sequence[SislElectrode],
    *,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    spin: int | None = None,
    tolerance: float = 1e-6,
) -> tuple[SislDevice, Callable[[Device], SislDeviceCotangent]]:
    """`device_from_sisl` and its pullback.

    H̄_R = exp(−2πi k·R) H̄ at the entries that stay in the device, zero at those that leave it along the electrodes;
    an electrode's H̄_R as `lead_from_periodic_vjp`.

    Parameters
    ----------
    As `device_from_sisl`.

    Returns
    -------
    found : SislDevice
    pullback : callable
        Device cotangent (`bar.device` of an observable) → SislDeviceCotangent, at the stored entries of every matrix.
        The device's own H between an electrode's atoms is an argument of its own beside the electrode's. Kept for the
        pullback: the entries and the electrodes' blocks.
    """
    made = _assembled(hamiltonian, electrodes, momentum, spin, tolerance)

    def device_from_sisl_pullback(device_bar: Device) -> SislDeviceCotangent:
        check_whole_device(device_bar)
        electrode_bars = tuple(
            attached.pulled_back(lead_bar, made.value.partition, block)
            for attached, lead_bar, block in zip(made.attached, device_bar.leads, made.value.partition.lead_blocks)
        )
        return SislDeviceCotangent(made.own.pulled_back(device_bar, made.value.partition), electrode_bars)

    return made.value, device_from_sisl_pullback


class _Own(NamedTuple):
    """The device's own entries: which of them stay in it, and with which phase."""

    entries: SislEntries
    kept: Array  # indices of entries
    phases: Array

    def folded(self, values: Array | None) -> sparse.csr_array | None:
        if values is None:
            return None
        places = (self.entries.rows[self.kept], self.entries.columns[self.kept])
        return sparse.coo_array((values[self.kept] * self.phases, places), (self.entries.n, self.entries.n)).tocsr()

    def pattern(self) -> sparse.csr_array:
        """Ones at every stored entry: a zero among them has a derivative too."""
        places = (self.entries.rows[self.kept], self.entries.columns[self.kept])
        return sparse.coo_array((np.ones(len(self.kept)), places), (self.entries.n, self.entries.n)).tocsr()

    def pulled_back(self, device_bar: Device, cut: Partition) -> SislCotangent:
        rows, columns = self.entries.rows[self.kept], self.entries.columns[self.kept]

        def values(bar: BlockTridiagonal | None) -> Array | None:
            if bar is None:
                return None
            found = np.zeros(len(self.entries.rows), dtype=np.complex128)
            found[self.kept] = np.conj(self.phases) * _at_entries(bar, cut, rows, columns)
            return found

        return self.entries.cotangent(values(device_bar.hamiltonian), values(device_bar.overlap))


@dataclass(frozen=True, eq=False)
class _Attached:
    """An electrode on its rows of the device."""

    lead: Lead
    place: PlacedElectrode
    rows: Array  # of the device
    interface: Array  # those with a stored entry to the next cell
    to_periodic: Callable[[Lead], PeriodicHamiltonian]
    to_sisl: Callable[[PeriodicHamiltonian], SislCotangent]

    def matrices(self, n_device: int) -> LeadMatrices:
        lead = self.lead
        return LeadMatrices(
            lead.onsite,
            lead.hopping,
            self._spread(lead.hopping, n_device),
            lead.overlap_onsite,
            lead.overlap_hopping,
            None if lead.overlap_hopping is None else self._spread(lead.overlap_hopping, n_device),
        )

    def _spread(self, hopping: Array, n_device: int) -> sparse.csr_array:
        entries = sparse.coo_array(hopping)
        places = (self.rows[entries.row], entries.col)
        return sparse.coo_array((entries.data, places), (n_device, len(self.rows))).tocsr()

    def pulled_back(self, lead_bar: Lead, cut: Partition, block: int) -> SislCotangent:
        start = sum(cut.block_sizes[:block])
        within = np.full(len(cut.order), -1)
        within[cut.order[start : start + cut.block_sizes[block]]] = np.arange(cut.block_sizes[block])
        at = within[self.rows]  # −1 outside the block: these rows have no stored coupling

        def gathered(coupling: Array | None) -> Array | None:
            return None if coupling is None else np.where((at >= 0)[:, None], coupling[at], 0)

        own = rebuild(
            lead_bar,
            coupling=gathered(lead_bar.coupling),
            overlap_coupling=gathered(lead_bar.overlap_coupling),
        )
        return self.to_sisl(self.to_periodic(own))


class _Assembled(NamedTuple):
    """The device and what its pullback needs."""

    value: SislDevice
    own: _Own
    attached: tuple[_Attached, ...]


def _assembled(
    hamiltonian: Any, electrodes: Sequence[SislElectrode], momentum: ArrayLike, spin: int | None, tolerance: float
) -> _Assembled:
    hamiltonian = sisl_hamiltonian(hamiltonian)
    if isinstance(electrodes, SislElectrode) or not isinstance(electrodes, Iterable):
        raise InputTypeError(
            f"electrodes is a {type(electrodes).__name__}; pass a list of SislElectrode objects, also for a single one."
        )
    electrodes = tuple(electrodes)
    for k, electrode in enumerate(electrodes):
        if not isinstance(electrode, SislElectrode):
            raise InputTypeError(f"electrodes[{k}] is a {type(electrode).__name__}; pass SislElectrode objects.")
    open_axes = sorted({e.axis for e in electrodes})
    own = _own(hamiltonian, spin, _momentum(momentum, open_axes), open_axes)
    matrix, overlap = own.folded(own.entries.hamiltonian), own.folded(own.entries.overlap)
    check_hermitian_entries(matrix, "the device's H")
    if overlap is not None:
        check_hermitian_entries(overlap, "the device's S")
    attached = []
    for k, electrode in enumerate(electrodes):
        found = _attached(hamiltonian, electrode, momentum, spin, open_axes, k)
        _check_same_block(matrix, found.lead.onsite, found.rows, "H", tolerance, k)
        if (overlap is None) != (found.lead.overlap_onsite is None):
            raise InputError(f"electrode {k} and the device must both have an overlap matrix or neither.")
        if overlap is not None:
            _check_same_block(overlap, found.lead.overlap_onsite, found.rows, "S", tolerance, k)
        attached.append(found)
    check_electrode_places(
        np.array(hamiltonian.geometry.xyz), _vectors_across(hamiltonian, open_axes), [x.place for x in attached]
    )
    cut = partition(own.pattern(), [x.interface for x in attached])
    device = device_from_partition(matrix, [x.matrices(own.entries.n) for x in attached], overlap, cut)
    atoms = np.asarray(hamiltonian.geometry.o2a(cut.order // spins_of(hamiltonian)))
    value = SislDevice(device, cut, cut.order, atoms, np.array(hamiltonian.geometry.xyz)[atoms])
    return _Assembled(value, own, tuple(attached))


def _own(hamiltonian: Any, spin: int | None, momentum: Array, open_axes: list[int]) -> _Own:
    """H(k) and S(k) of the device, without the couplings that leave it along the electrodes' directions."""
    entries = sisl_entries(hamiltonian, spin)
    offsets = entries.offsets[entries.cells]
    kept = np.flatnonzero(np.all(offsets[:, open_axes] == 0, axis=1))
    phases = np.exp(2j * np.pi * (offsets[kept] @ momentum)) if np.any(momentum) else np.ones(len(kept))
    return _Own(entries, kept, phases)


def _momentum(momentum: ArrayLike, open_axes: list[int]) -> Array:
    k = np.asarray(momentum, dtype=np.float64)
    if k.shape != (3,):
        raise ShapeError(f"momentum has shape {k.shape} but must be three numbers, in reciprocal lattice vectors.")
    for axis in open_axes:
        if k[axis] != 0:
            raise InputError(
                f"momentum={k.tolist()} has a component along {AXES[axis]}, the direction of an electrode; set it to 0."
            )
    return k


def _vectors_across(hamiltonian: Any, open_axes: list[int]) -> Array:
    """The lattice vectors along which the device is repeated, shape (0 to 2, 3)."""
    lattice = hamiltonian.geometry.lattice
    axes = [axis for axis in range(3) if axis not in open_axes and lattice.nsc[axis] > 1]
    return np.array(lattice.cell, dtype=np.float64)[axes]


def _electrode_atoms(hamiltonian: Any, cell: Any, first_atom: int, k: int) -> Array:
    """The atoms of the device that are the electrode's, in the electrode's order."""
    geometry, n_atoms = hamiltonian.geometry, int(cell.geometry.na)
    first = first_atom + geometry.na if first_atom < 0 else first_atom
    if not 0 <= first <= geometry.na - n_atoms:
        raise ShapeError(
            f"electrode {k} has {n_atoms} atoms from atom {first_atom} on, but the device has atoms 0 … "
            f"{geometry.na - 1}; first_atom is the index of the electrode's first atom in the device, a negative one "
            "counts from the end."
        )
    return np.arange(first, first + n_atoms)


def _electrode_rows(hamiltonian: Any, cell: Any, atoms: Array, k: int) -> Array:
    """The rows of the device that are the electrode's, in the electrode's order."""
    orbitals = np.asarray(hamiltonian.geometry.a2o(atoms, all=True))
    n_spins = spins_of(hamiltonian)
    rows = (n_spins * orbitals[:, None] + np.arange(n_spins)).ravel()
    if len(rows) != cell.no * spins_of(cell):
        raise ShapeError(
            f"electrode {k} has {cell.no * spins_of(cell)} orbitals (spins counted) but its {len(atoms)} atoms have "
            f"{len(rows)} in the device; use the same basis in both, and check first_atom."
        )
    return rows


def _attached(
    hamiltonian: Any, electrode: SislElectrode, momentum: ArrayLike, spin: int | None, open_axes: list[int], k: int
) -> _Attached:
    cell = sisl_hamiltonian(electrode.hamiltonian)
    atoms = _electrode_atoms(hamiltonian, cell, electrode.first_atom, k)
    rows = _electrode_rows(hamiltonian, cell, atoms, k)
    periodic, to_sisl = from_sisl_vjp(cell, spin=spin)
    _check_periodic(periodic, hamiltonian, cell, electrode.axis, open_axes, k)
    side: Side = "right" if electrode.direction[0] == "+" else "left"
    lead, to_periodic = lead_from_periodic_vjp(
        periodic, direction=electrode.axis, side=side, momentum=momentum, cells_per_layer=1
    )
    entries = sisl_entries(cell, spin)
    outward = entries.offsets[entries.cells, electrode.axis] == (1 if side == "right" else -1)
    step = np.array(cell.geometry.lattice.cell[electrode.axis], dtype=np.float64) * (1 if side == "right" else -1)
    place = PlacedElectrode(atoms, step, electrode.direction)
    return _Attached(lead, place, rows, rows[np.unique(entries.rows[outward])], to_periodic, to_sisl)


def _check_periodic(
    periodic: PeriodicHamiltonian, hamiltonian: Any, cell: Any, along: int, open_axes: list[int], k: int
) -> None:
    """The electrode's cell is a principal layer, and its transverse lattice vectors are the device's."""
    reach = [periodic.reach(axis) for axis in range(3)]
    if reach[along] > 1:
        raise InputError(
            f"the cell of electrode {k} is no principal layer: {furthest_hopping(periodic, along)}; make it "
            f"longer, electrode.tile({reach[along]}, {along}), and let the device hold as much of it."
        )
    for axis in range(3):
        if axis == along or reach[axis] == 0:
            continue
        if axis in open_axes:
            raise InputError(
                f"electrode {k} is periodic along {AXES[axis]}, along which another electrode runs; a lead there is "
                "not periodic, set its supercell to 1 in that direction."
            )
        vectors = cell.geometry.lattice.cell[axis], hamiltonian.geometry.lattice.cell[axis]
        if np.max(np.abs(vectors[0] - vectors[1])) > 1e-3:
            raise InputError(
                f"electrode {k} has the transverse lattice vector {AXES[axis]} = {vectors[0].tolist()} Å but the "
                f"device {vectors[1].tolist()} Å; repeat the electrode's cell across, electrode.tile(n, {axis}), "
                "until they are equal."
            )


def _check_same_block(
    device: sparse.csr_array, electrode: Array, rows: Array, symbol: str, tolerance: float, k: int
) -> None:
    found = device[rows][:, rows].toarray()
    difference = np.abs(found - electrode)
    i, j = np.unravel_index(int(np.argmax(difference)), difference.shape)
    if difference[i, j] > tolerance:
        raise InputError(
            f"electrode {k} is not found in the device: {symbol} between its orbitals {i} and {j} is "
            f"{electrode[i, j]:.6g} in the electrode but {found[i, j]:.6g} between orbitals {rows[i]} and {rows[j]} of "
            f"the device, {difference[i, j]:.3g} apart (tolerance {tolerance:g}); check first_atom, the order of the "
            "atoms and that both have one Fermi level, or raise the tolerance."
        )


def _at_entries(bar: BlockTridiagonal, cut: Partition, rows: Array, columns: Array) -> Array:
    """The whole cotangent matrix at entries of the matrix that was partitioned; an upper block's is shared with its
    adjoint below."""
    place = np.argsort(cut.order)
    a, b = place[rows], place[columns]
    offsets = np.concatenate([[0], np.cumsum(cut.block_sizes)])
    block_a, block_b = (np.searchsorted(offsets, x, side="right") - 1 for x in (a, b))
    a, b = a - offsets[block_a], b - offsets[block_b]
    values = np.zeros(len(rows), dtype=np.complex128)
    by_block = np.argsort(block_a, kind="stable")
    for i, group in enumerate(
        np.split(by_block, np.searchsorted(block_a[by_block], np.arange(1, len(cut.block_sizes))))
    ):
        for step in (-1, 0, 1):
            at = group[block_b[group] == i + step]
            if not len(at):
                continue
            if step == 0:
                values[at] = bar.diagonal[i][a[at], b[at]]
            elif step == 1:
                values[at] = bar.upper[i][a[at], b[at]] / 2
            else:
                values[at] = np.conj(bar.upper[i - 1][b[at], a[at]]) / 2
    return values
