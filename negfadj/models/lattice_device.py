"""A lattice: a sparse Hamiltonian with the positions of its orbitals and its leads, and the device it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..array import rebuild
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .orbital_positions import OrbitalPositions, points
from .partition import Partition
from .sparse_device import LeadMatrices, as_sparse, device_from_sparse

BLOCKS = ("onsite", "hopping", "coupling")


@dataclass(frozen=True, eq=False)
class LatticeLead:
    """A lead of a lattice: its matrices, and where its orbitals are.

    Parameters
    ----------
    matrices : LeadMatrices
    positions : array, shape (n, 2 or 3)
        Of cell 0 [Å].
    period : vector, 2 or 3 numbers
        From cell j to cell j + 1, away from the device [Å].
    """

    matrices: LeadMatrices
    positions: Array
    period: Array


@dataclass(frozen=True, eq=False)
class Lattice:
    """A sparse Hamiltonian, the positions of its orbitals, and its leads.

    Parameters
    ----------
    positions : array, shape (n, 2 or 3)
        [Å]; z = 0 where it is left out.
    hamiltonian : SciPy sparse matrix, shape (n, n)
        [eV], Hermitian.
    leads : sequence of LatticeLead
    """

    positions: Array
    hamiltonian: Any
    leads: tuple[LatticeLead, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", points(self.positions, "positions"))
        object.__setattr__(self, "hamiltonian", as_sparse(self.hamiltonian, "hamiltonian"))
        object.__setattr__(self, "leads", tuple(self.leads))
        for k, lead in enumerate(self.leads):
            if not isinstance(lead, LatticeLead):
                raise InputTypeError(
                    f"leads[{k}] is a {type(lead).__name__}; pass LatticeLead(matrices, positions, period)."
                )
        if self.hamiltonian.shape != (len(self.positions),) * 2:
            raise ShapeError(
                f"hamiltonian has shape {self.hamiltonian.shape} but there are positions of {len(self.positions)} "
                "orbitals; give one for each."
            )

    def inner(self, other: Lattice) -> float:
        """Re Σ X̄_ab* X_ab over the device's and the leads' matrices: of a cotangent, the derivative along `other`.

        With `bar` from the pullback of `lattice_device_vjp` and a builder that is linear in p, dL/dp is
        `(bar.inner(builder(p + d)) - bar.inner(builder(p))) / d` for any d.

        Raises
        ------
        InputError
            When `other` has an entry that this lattice has no place for: its derivative is not known.
        """
        total = _inner(self.hamiltonian, other.hamiltonian)
        for mine, yours in zip(self.leads, other.leads, strict=True):
            total += sum(_inner(getattr(mine.matrices, x), getattr(yours.matrices, x)) for x in BLOCKS)
        return total


class LatticeDevice(NamedTuple):
    """A device, where its orbitals are, and their order: orbital k of it is `partition.order[k]` of the lattice."""

    device: Device
    positions: OrbitalPositions
    partition: Partition


def lattice_device(lattice: Lattice, /) -> LatticeDevice:
    """The device of a lattice, ordered into blocks between its leads.

    Parameters
    ----------
    lattice : Lattice

    Returns
    -------
    LatticeDevice
        The device, the positions that a magnetic field needs, and the order.

    Raises
    ------
    InputTypeError
        For something else than a lattice.
    ShapeError, InputError, HermiticityError
        As `device_from_sparse` and the data classes; when a lead's positions or period point into the device.
    """
    if not isinstance(lattice, Lattice):
        raise InputTypeError(
            f"lattice is a {type(lattice).__name__}; pass a Lattice, of a builder as square_lattice or "
            "Lattice(positions, hamiltonian, leads)."
        )
    device, cut = device_from_sparse(lattice.hamiltonian, [lead.matrices for lead in lattice.leads])
    positions = OrbitalPositions(
        lattice.positions[cut.order],
        tuple(lead.positions for lead in lattice.leads),
        tuple(lead.period for lead in lattice.leads),
    )
    positions.check(device)
    return LatticeDevice(device, positions, cut)


def lattice_device_vjp(lattice: Lattice, /) -> tuple[LatticeDevice, Callable[[Device], Lattice]]:
    """`lattice_device`, with its pullback.

    The blocks are entries of the sparse matrices, and so are their cotangents: X̄_ab is read at every stored entry; half
    of an upper block's goes to ab, half of its adjoint to ba. Kept for the pullback: the order.

    Parameters
    ----------
    As `lattice_device`.

    Returns
    -------
    value : LatticeDevice
    pullback : callable
        Cotangent of the device → cotangent of the lattice: a `Lattice` with matrices on the patterns of the primal's,
        dL = Re Σ X̄_ab* dX_ab over every stored entry; `None` leads count as zero. Positions are as they were.

    Raises
    ------
    As `lattice_device`; the pullback InputTypeError for a cotangent that is not a whole `Device`.
    """
    value = lattice_device(lattice)
    cut = value.partition

    def lattice_device_pullback(device_bar: Device) -> Lattice:
        if not isinstance(device_bar.hamiltonian, BlockTridiagonal):
            raise InputTypeError(
                f"the cotangent's hamiltonian is a {type(device_bar.hamiltonian).__name__}; pass a whole Device, the "
                'one of wrt="all".'
            )
        leads = tuple(
            rebuild(lead, matrices=_lead_bar(lead.matrices, bar, _rows_of(cut, block)))
            for lead, bar, block in zip(lattice.leads, device_bar.leads, cut.lead_blocks)
        )
        hamiltonian = _hamiltonian_bar(lattice.hamiltonian, device_bar.hamiltonian, cut)
        return rebuild(lattice, hamiltonian=hamiltonian, leads=leads)  # type: ignore[no-any-return]

    return value, lattice_device_pullback


def _inner(x: Any, y: Any) -> float:
    x, y = sparse.csr_array(x), sparse.csr_array(y)
    if x.shape != y.shape:
        raise ShapeError(f"a lattice of the shape {y.shape} has no inner product with one of {x.shape}.")
    missing = (abs(y) > 0).astype(int) - (_numbered(x) > 0).astype(int) > 0
    if missing.nnz:
        a, b = (int(i[0]) for i in missing.nonzero())
        raise InputError(
            f"entry [{a}, {b}] = {y[a, b]} has no place in the cotangent, because it was 0 in the lattice that this is "
            "the cotangent of; give it a small value there."
        )
    return float((x.conj() * y).sum().real)


def _rows_of(cut: Partition, block: int) -> Array:
    start = sum(cut.block_sizes[:block])
    return cut.order[start : start + cut.block_sizes[block]]


def _numbered(matrix: sparse.csr_array) -> sparse.csr_array:
    """The pattern with every stored entry's number, from 1, as its value."""
    pattern = matrix.indices.copy(), matrix.indptr.copy()  # SciPy sorts in place, and only one of two that share them
    return sparse.csr_array((np.arange(1, matrix.nnz + 1), *pattern), shape=matrix.shape)


def _on_pattern(matrix: sparse.csr_array, values: Array) -> sparse.csr_array:
    data = values if np.iscomplexobj(matrix.data) else values.real.copy()
    return sparse.csr_array((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def _hamiltonian_bar(matrix: sparse.csr_array, bar: BlockTridiagonal, cut: Partition) -> sparse.csr_array:
    values = np.zeros(matrix.nnz, dtype=np.complex128)
    ordered = _numbered(matrix)[cut.order][:, cut.order]
    ends = np.cumsum((0, *cut.block_sizes))
    spans = [slice(a, b) for a, b in zip(ends[:-1], ends[1:])]
    parts = [(i, i, x, 1.0) for i, x in enumerate(bar.diagonal)]
    for i, x in enumerate(bar.upper):
        # <X̄, dX_{i,i+1}> with dX_{i+1,i} its adjoint: half from either
        parts += [] if x is None else [(i, i + 1, x, 0.5), (i + 1, i, x.conj().T, 0.5)]
    for i, j, x, share in parts:
        if x is not None:
            entries = ordered[spans[i], spans[j]].tocoo()
            values[entries.data - 1] = share * np.asarray(x)[entries.row, entries.col]
    return _on_pattern(matrix, values)


def _lead_bar(matrices: LeadMatrices, bar: Lead | None, rows: Array) -> LeadMatrices:
    changes = {}
    for name in BLOCKS:
        matrix = sparse.csr_array(getattr(matrices, name))
        values = np.zeros(matrix.nnz, dtype=np.complex128)
        block = None if bar is None else getattr(bar, name)
        if block is not None:
            entries = (_numbered(matrix)[rows] if name == "coupling" else _numbered(matrix)).tocoo()
            values[entries.data - 1] = np.asarray(block)[entries.row, entries.col]
        changes[name] = _on_pattern(matrix, values)
    return rebuild(matrices, **changes)  # type: ignore[no-any-return]
