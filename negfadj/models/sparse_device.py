"""A device from sparse matrices: the orbitals ordered into blocks, the leads put on theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..data import BlockTridiagonal, Device, Lead
from ..errors import HermiticityError, InputError, InputTypeError, ShapeError
from ..typing import Array
from .partition import Partition, partition


@dataclass(frozen=True, eq=False)
class LeadMatrices:
    """The matrices of a lead before the device is cut into blocks.

    Parameters
    ----------
    onsite, hopping : matrices, dense or sparse, shape (n, n)
        As in `Lead` [eV].
    coupling : matrix, dense or sparse, shape (n_device, n)
        <device|H|lead cell 0> [eV], with a row for every orbital of the device.
    overlap_onsite, overlap_hopping, overlap_coupling : matrices, optional
        The same of the overlap.

    Raises
    ------
    ShapeError, InputTypeError
        For what is no matrix; it is named.
    """

    onsite: Any
    hopping: Any
    coupling: Any
    overlap_onsite: Any = None
    overlap_hopping: Any = None
    overlap_coupling: Any = None

    def __post_init__(self) -> None:
        for name, given in vars(self).items():
            if given is not None:
                object.__setattr__(self, name, as_sparse(given, name))

    @property
    def interface(self) -> Array:
        """The device orbitals that couple to the lead."""
        stored = [x for x in (self.coupling, self.overlap_coupling) if x is not None]
        return np.unique(np.concatenate([x.nonzero()[0] for x in stored]))


def device_from_sparse(
    hamiltonian: Any, leads: Sequence[LeadMatrices], overlap: Any = None
) -> tuple[Device, Partition]:
    """Order a sparse Hamiltonian into blocks between its leads.

    Parameters
    ----------
    hamiltonian : matrix, dense or SciPy sparse, shape (n, n)
        [eV], Hermitian.
    leads : sequence of LeadMatrices
        Any number.
    overlap : matrix, dense or SciPy sparse, shape (n, n), optional

    Returns
    -------
    device : Device
        With NumPy blocks.
    partition : Partition
        Its order: orbital k of the device is orbital order[k] of `hamiltonian`.

    Raises
    ------
    ShapeError
        When the Hamiltonian is not square, the overlap has another shape, or a coupling has not one row per orbital of
        the device.
    HermiticityError
        When the Hamiltonian or the overlap is not Hermitian: the entry.
    InputError
        As `partition`, and as the data classes.
    """
    hamiltonian = as_sparse(hamiltonian, "hamiltonian")
    if hamiltonian.shape[0] != hamiltonian.shape[1]:
        raise ShapeError(f"hamiltonian has shape {tuple(hamiltonian.shape)} but must be square.")
    if isinstance(leads, LeadMatrices) or not all(isinstance(lead, LeadMatrices) for lead in leads):
        raise InputTypeError("leads must be a list of LeadMatrices, also for a single lead.")
    check_hermitian_entries(hamiltonian, "hamiltonian")
    if overlap is not None:
        overlap = as_sparse(overlap, "overlap")
        if overlap.shape != hamiltonian.shape:
            raise ShapeError(
                f"overlap has shape {tuple(overlap.shape)} but hamiltonian has {tuple(hamiltonian.shape)}; they are "
                "matrices of the same orbitals."
            )
        check_hermitian_entries(overlap, "overlap")
    for k, lead in enumerate(leads):
        if lead.coupling.shape[0] != hamiltonian.shape[0]:
            raise ShapeError(
                f"the coupling of lead {k} has shape {tuple(lead.coupling.shape)} but the device has "
                f"{hamiltonian.shape[0]} orbitals; give it one row per orbital of the device."
            )
        if (lead.overlap_onsite is None) != (overlap is None):
            raise InputError(f"lead {k} and the device must both have an overlap matrix or neither.")
    stored = [_ones(x) for x in (hamiltonian, overlap) if x is not None]
    cut = partition(sum(stored[1:], stored[0]), [lead.interface for lead in leads])
    return device_from_partition(hamiltonian, leads, overlap, cut), cut


def as_sparse(matrix: Any, name: str) -> sparse.csr_array:
    """A dense or sparse matrix as a CSR array with sorted indices, or an error that names it.

    SciPy sorts the indices of a matrix in place when it has to; what the caller gave is copied rather than sorted.
    """
    if not sparse.issparse(matrix):
        try:
            matrix = np.asarray(matrix)
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"{name} cannot be made a matrix ({error}).") from error
        if matrix.dtype.kind not in "biufc":
            raise InputTypeError(f"{name} has dtype {matrix.dtype}; pass real or complex numbers.")
    if matrix.ndim != 2:
        raise ShapeError(f"{name} has shape {tuple(matrix.shape)} but must be a matrix.")
    found = sparse.csr_array(matrix)
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found


def check_hermitian_entries(matrix: sparse.csr_array, name: str) -> None:
    """Raise `HermiticityError` with the worst entry, by the caller's own indices, beyond √eps of the largest one."""
    if not np.all(np.isfinite(matrix.data)):
        entries = matrix.tocoo()
        e = int(np.argmin(np.isfinite(entries.data)))
        raise InputError(f"{name}: entry [{entries.row[e]}, {entries.col[e]}] is {entries.data[e]}; it must be finite.")
    difference = abs(matrix - matrix.conj().T).tocoo()
    eps = np.finfo(matrix.dtype).eps if matrix.dtype.kind in "fc" else np.finfo(np.float64).eps
    scale = float(abs(matrix).max()) if matrix.nnz else 0.0
    if difference.nnz and float(difference.data.max()) > eps**0.5 * scale:
        worst = int(difference.data.argmax())
        a, b = int(difference.row[worst]), int(difference.col[worst])
        raise HermiticityError(
            f"{name} is not Hermitian: entry [{a}, {b}] is {matrix[a, b]} but entry [{b}, {a}] is {matrix[b, a]}; they "
            "must be complex conjugates. Give both, or (H + H†)/2 if they differ by rounding."
        )


def device_from_partition(
    hamiltonian: sparse.csr_array, leads: Sequence[LeadMatrices], overlap: sparse.csr_array | None, cut: Partition
) -> Device:
    """The device in the blocks of a partition; parameters as `device_from_sparse`, unchecked."""
    placed = tuple(_place(lead, cut, block) for lead, block in zip(leads, cut.lead_blocks))
    return Device(_blocks(hamiltonian, cut), placed, None if overlap is None else _blocks(overlap, cut))


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    """The pattern of the stored entries, zeros among them."""
    return sparse.csr_array((np.ones(matrix.nnz), matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def _blocks(matrix: sparse.csr_array, cut: Partition) -> BlockTridiagonal:
    return BlockTridiagonal.from_sparse(matrix[cut.order][:, cut.order], cut.block_sizes)


def _place(lead: LeadMatrices, cut: Partition, block: int) -> Lead:
    start = sum(cut.block_sizes[:block])
    rows = cut.order[start : start + cut.block_sizes[block]]

    def dense(matrix: Any, rows: Any = slice(None)) -> Array:
        return None if matrix is None else sparse.csr_array(matrix)[rows].toarray()

    return Lead(
        onsite=dense(lead.onsite),
        hopping=dense(lead.hopping),
        coupling=dense(lead.coupling, rows),
        block=block,
        overlap_onsite=dense(lead.overlap_onsite),
        overlap_hopping=dense(lead.overlap_hopping),
        overlap_coupling=dense(lead.overlap_coupling, rows),
    )
