"""The cotangent of a device read entry by entry, in the order its matrices had before they were cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import to_numpy
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputTypeError, ShapeError
from ..typing import Array
from .partition import Partition

LEAD_BLOCKS = ("onsite", "hopping", "coupling")


@dataclass(frozen=True, eq=False)
class EntryReader:
    """A matrix that is only ever read by entries: reader[rows, columns] → values."""

    n_rows: int
    read: Callable[[Array, Array], Array]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_rows)."""
        return (self.n_rows, self.n_rows)

    def __getitem__(self, place: tuple[Array, Array]) -> Array:
        return self.read(*place)


class DeviceEntries:
    """H̄ and S̄ of the device followed by principal layers 0 and 1 of every lead.

    Parameters
    ----------
    bar : Device
        Cotangent, projected: an upper block holds the share of its lower block, which is read as zero; so is what the
        device class does not hold (the lead's coupling back, its second layer).
    cut : Partition
        Row k of the blocks is row cut.order[k] of the matrices.
    layer_sizes : sequence of int
        Rows of one principal layer of each lead.
    """

    def __init__(self, bar: Device, cut: Partition, layer_sizes: Sequence[int]) -> None:
        if not isinstance(bar, Device) or not isinstance(bar.hamiltonian, BlockTridiagonal):
            raise InputTypeError(
                "the pullback takes the cotangent of a whole device: `bar.device` of an observable's pullback with "
                'wrt="all" (the default).'
            )
        sizes = list(cut.block_sizes)
        found = [0 if x is None else x.shape[0] for x in bar.hamiltonian.diagonal]
        if found != sizes:
            raise ShapeError(f"the cotangent has blocks of sizes {found} but the device of this pullback has {sizes}.")
        self._bar = bar
        self._lead_blocks = cut.lead_blocks
        n_device = sum(sizes)
        sizes += [n for n in layer_sizes for _ in (0, 1)]
        self._n_blocks = len(cut.block_sizes)
        self._sizes = np.asarray(sizes)
        starts = np.concatenate(([0], np.cumsum(self._sizes)))
        self.n_rows = int(starts[-1])
        position = np.arange(self.n_rows)
        position[cut.order] = np.arange(n_device)
        self._part = np.repeat(np.arange(len(sizes)), self._sizes)[position]
        self._local = position - starts[self._part]

    def of_hamiltonian(self, *, shifted: bool = False) -> EntryReader:
        """H̄; `shifted`: where a shift of the device enters, that is without the leads' own blocks."""
        return EntryReader(
            self.n_rows, self._reader(self._bar.hamiltonian, LEAD_BLOCKS[2:] if shifted else LEAD_BLOCKS)
        )

    def of_overlap(self, shift: Array) -> EntryReader:
        """S̄ + (U_a + U_b)/2 H̄, the overlap's own share and the one that comes by H + (U S + S U)/2."""
        own = self._reader(self._bar.overlap, tuple(f"overlap_{name}" for name in LEAD_BLOCKS))
        by_shift = self.of_hamiltonian(shifted=True)

        def read(rows: Array, columns: Array) -> Array:
            return own(rows, columns) + (shift[rows] + shift[columns]) / 2 * by_shift[rows, columns]

        return EntryReader(self.n_rows, read)

    def _reader(self, matrix: BlockTridiagonal | None, names: Sequence[str]) -> Callable[[Array, Array], Array]:
        blocks: dict[tuple[int, int], Any] = {}
        if matrix is not None:
            blocks |= {(i, i): x for i, x in enumerate(matrix.diagonal)}
            blocks |= {(i, i + 1): x for i, x in enumerate(matrix.upper)}
        for k, (lead, block) in enumerate(zip(self._bar.leads, self._lead_blocks)):
            if not isinstance(lead, Lead):
                continue
            near = self._n_blocks + 2 * k
            places = {"onsite": (near, near), "hopping": (near, near + 1), "coupling": (block, near)}
            blocks |= {places[name.removeprefix("overlap_")]: getattr(lead, name) for name in names}
        arrays = {place: to_numpy(x) for place, x in blocks.items() if x is not None}
        flat = np.concatenate([np.zeros(1), *(x.ravel() for x in arrays.values())])  # entry 0: not held, zero
        starts = 1 + np.concatenate(([0], np.cumsum([x.size for x in arrays.values()])))[:-1]
        n_parts = len(self._sizes)
        keys = np.array([p * n_parts + q for p, q in arrays] or [-1])
        order = np.argsort(keys)
        keys, starts = keys[order], np.append(starts, 0)[order]

        def read(rows: Array, columns: Array) -> Array:
            p, q = self._part[rows], self._part[columns]
            key = p * n_parts + q
            at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            place = starts[at] + self._local[rows] * self._sizes[q] + self._local[columns]
            return flat[np.where(keys[at] == key, place, 0)]

        return read
