"""The tangent of the device that a structure and a tight-binding model make: the other way of `transport_model_vjp`.

Source: docs/adjoints/two-centre.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import rebuild
from ..data import BlockTridiagonal, Device
from ..typing import Array, ArrayLike
from .device_entries import LEAD_BLOCKS
from .partition import Partition
from .tight_binding import TightBinding
from .tight_binding_matrices import Momentum, OrbitalIndex, orbital_index
from .tight_binding_tangent import Entries, hamiltonian_entries, overlap_entries
from .transport_model import TransportModel, _energies, _extend, _rows


def transport_model_tangents(
    made: TransportModel,
    model: TightBinding,
    *,
    momentum: Momentum = (0.0, 0.0, 0.0),
    potential_energy: ArrayLike | None = None,
    lead_potential_energy: ArrayLike | None = None,
) -> Callable[..., Device]:
    """From directions of what a device was made of to the device's tangent.

        Ḣ_ab = Ḣ⁰_ab + δ_ab ε̇_a + (U_a + U_b)/2 Ṡ_ab + S_ab (U̇_a + U̇_b)/2,      ṙ' = ṙ of a lead's copies

    Parameters
    ----------
    made : TransportModel
        Of `transport_model`.
    model, momentum, potential_energy, lead_potential_energy
        Those it was made with.

    Returns
    -------
    callable
        ``tangent(positions=None, model=None, onsite_energy=None, potential_energy=None, lead_potential_energy=None)``,
        each in the shape of its primal, the model as a `TightBinding` that holds tangents; None is zero. It gives a
        `Device` that holds tangents, with None for an overlap and for leads that do not move. Order, blocks, bonds,
        the leads' periods and lattice vectors do not move. It may be called many times.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For energies of another shape, or no numbers.

    Notes
    -----
    Time of a call is linear in the number of bonds. Kept for it: as of `hamiltonian_entries`.
    """
    extended, sources, _, spans = _extend(made.structure, made.leads, made.cells_per_layer)
    index = orbital_index(extended, model)
    rows = [_rows(index, span) for span in spans]
    places = _places(made.partition, index.n_rows, [span.stop - span.start for span in rows[1::2]])
    hamiltonian = _Placed.of(hamiltonian_entries(extended, model, momentum=momentum), places)
    overlap = _Placed.of(
        _ones(index) if model.is_orthogonal else overlap_entries(extended, model, momentum=momentum), places
    )
    atoms, n_atoms, n_leads = index.atom_of_row, made.structure.n_atoms, len(made.leads)

    def spread(potential: Any, of_leads: Any) -> Array:
        """U by rows: in a coupling a lead has −U, which is added to the U S of `Lead.potential_energy`."""
        found = np.zeros(index.n_rows)
        given = _energies(potential, "potential_energy", n_atoms)
        if given is not None:
            found[rows[0]] = given[atoms[rows[0]]]
        given = _energies(of_leads, "lead_potential_energy", n_leads, "lead")
        if given is not None:
            for u, near, far in zip(given, rows[1::2], rows[2::2]):
                found[near.start : far.stop] = -u
        return found

    shift = overlap.mean(spread(potential_energy, lead_potential_energy))

    def transport_model_tangent(
        positions: Array | None = None,
        model: TightBinding | None = None,
        onsite_energy: ArrayLike | None = None,
        potential_energy: ArrayLike | None = None,
        lead_potential_energy: ArrayLike | None = None,
    ) -> Device:
        moved = None if positions is None else np.asarray(positions)[sources]
        h, s = hamiltonian.tangent(moved, model), overlap.tangent(moved, model)
        diagonal = np.zeros(index.n_rows)
        onsite = _energies(onsite_energy, "onsite_energy", n_atoms)
        if onsite is not None:
            diagonal[rows[0]] = onsite[atoms[rows[0]]]
        u_dot = overlap.mean(spread(potential_energy, lead_potential_energy))
        # the leads' own blocks take H⁰ alone
        by_shift = np.where(overlap.is_of_device, shift * s + u_dot * overlap.values, 0)
        numbers = hamiltonian.placed(h) + overlap.placed(by_shift) + places.placed(*_diagonal(places, diagonal))
        u_leads = np.zeros(n_leads) if lead_potential_energy is None else np.asarray(lead_potential_energy)
        return _device(made.device, places, numbers, overlap.placed(s), u_leads)

    return transport_model_tangent


@dataclass(frozen=True, eq=False)
class _Places:
    """The blocks of device and leads in one row of numbers, and where each entry of the matrices is in it.

    The parts are the blocks of the device and principal layers 0 and 1 of every lead; what the device class does not
    hold (lower blocks, the coupling back, layer 1) has the place `size`, the last one, which is cut off.
    """

    part: Array
    local: Array
    sizes: Array
    n_blocks: int
    lead_blocks: tuple[int, ...]
    blocks: tuple[tuple[int, int], ...]
    starts: Array

    @property
    def size(self) -> int:
        return int(self.starts[-1])

    def of(self, rows: Array, columns: Array) -> Array:
        """The place of every entry."""
        p, q = self.part[rows], self.part[columns]
        key = p * len(self.sizes) + q
        keys = np.array([i * len(self.sizes) + j for i, j in self.blocks])
        order = np.argsort(keys)
        at = order[np.minimum(np.searchsorted(keys[order], key), len(keys) - 1)]
        place = self.starts[at] + self.local[rows] * self.sizes[q] + self.local[columns]
        return np.where(keys[at] == key, place, self.size)

    def placed(self, place: Array, values: Array) -> Array:
        """The row of numbers with the entries summed in it."""
        found = np.bincount(place, np.real(values), self.size + 1)
        if np.iscomplexobj(values):
            found = found + 1j * np.bincount(place, np.imag(values), self.size + 1)
        return found[: self.size]

    def block(self, numbers: Array, p: int, q: int) -> Array:
        """One block of the row."""
        i = self.blocks.index((p, q))
        return numbers[self.starts[i] : self.starts[i + 1]].reshape(self.sizes[p], self.sizes[q])


def _places(cut: Partition, n_rows: int, layer_sizes: Sequence[int]) -> _Places:
    sizes = np.array([*cut.block_sizes, *(n for n in layer_sizes for _ in (0, 1))])
    n = len(cut.block_sizes)
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    position = np.arange(n_rows)
    position[cut.order] = np.arange(firsts[n])
    part = np.repeat(np.arange(len(sizes)), sizes)[position]
    blocks = [(i, i) for i in range(n)] + [(i, i + 1) for i in range(n - 1)]
    for near, block in zip(range(n, len(sizes), 2), cut.lead_blocks):
        blocks += [(near, near), (near, near + 1), (block, near)]
    starts = np.concatenate(([0], np.cumsum([sizes[p] * sizes[q] for p, q in blocks])))
    return _Places(part, position - firsts[part], sizes, n, cut.lead_blocks, tuple(blocks), starts)


@dataclass(frozen=True, eq=False)
class _Placed:
    """Entries of H or S, and where they go."""

    entries: Entries
    places: _Places
    place: Array
    is_of_device: Array

    @classmethod
    def of(cls, entries: Entries, places: _Places) -> _Placed:
        rows, columns = entries.rows, entries.columns
        return cls(entries, places, places.of(rows, columns), places.part[rows] < places.n_blocks)

    @property
    def values(self) -> Array:
        return self.entries.values

    def tangent(self, positions_dot: Array | None, model_dot: TightBinding | None) -> Array:
        return self.entries.tangent(positions_dot, model_dot)

    def mean(self, of_rows: Array) -> Array:
        """(U_a + U_b)/2 of every entry."""
        return (of_rows[self.entries.rows] + of_rows[self.entries.columns]) / 2

    def placed(self, values: Array) -> Array:
        return self.places.placed(self.place, values)


def _ones(index: OrbitalIndex) -> Entries:
    """S of an orthogonal basis."""
    rows = np.arange(index.n_rows)
    return Entries(rows, rows, np.full(rows.shape, -1), np.ones(rows.shape), lambda *_: np.zeros(rows.shape))


def _diagonal(places: _Places, diagonal: Array) -> tuple[Array, Array]:
    rows = np.flatnonzero(diagonal)
    return places.of(rows, rows), diagonal[rows]


def _device(device: Device, places: _Places, numbers: Array, of_overlap: Array, u_leads: Array) -> Device:
    """The rows of numbers as a device of tangents."""
    n = places.n_blocks

    def matrix(primal: BlockTridiagonal, row: Array) -> BlockTridiagonal:
        diagonal = tuple(places.block(row, i, i) for i in range(n))
        return rebuild(primal, diagonal=diagonal, upper=tuple(places.block(row, i, i + 1) for i in range(n - 1)))  # type: ignore[no-any-return]

    leads: list[Any] = []
    for k, (lead, block) in enumerate(zip(device.leads, places.lead_blocks)):
        near = n + 2 * k
        own = ((near, near), (near, near + 1), (block, near))
        made: dict[str, Any] = {name: places.block(numbers, *at) for name, at in zip(LEAD_BLOCKS, own)}
        if device.overlap is not None:
            made |= {f"overlap_{name}": places.block(of_overlap, *at) for name, at in zip(LEAD_BLOCKS, own)}
        made["potential_energy"] = float(u_leads[k])
        leads.append(rebuild(lead, **made) if any(np.any(x) for x in made.values()) else None)
    overlap = None
    if device.overlap is not None and np.any(of_overlap):
        overlap = matrix(device.overlap, of_overlap)
    return rebuild(device, hamiltonian=matrix(device.hamiltonian, numbers), overlap=overlap, leads=tuple(leads))  # type: ignore[no-any-return]
