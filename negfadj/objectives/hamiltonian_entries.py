"""A model whose parameters are numbers of a device's Hamiltonian: Hermitian, and real where it is, by construction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from ..array import brief_repr, is_array, leaves, rebuild
from ..data import Device, Lead
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike

LEAD_NUMBERS = (
    "onsite",
    "hopping",
    "coupling",
    "overlap_onsite",
    "overlap_hopping",
    "overlap_coupling",
    "potential_energy",
)


class LeadCopy(NamedTuple):
    """A lead whose cells are copies of orbitals of the device, and move with them.

    lead : index of the lead
    cell : device orbitals that a cell is a copy of, in the order of the cell; onsite = H[cell, cell]
    outward : device orbitals, likewise, of the copied cell's neighbour away from the device; hopping = H[cell, outward]

    Where the lead's coupling equals its hopping in the device given, it moves too.
    """

    lead: int
    cell: Sequence[int]
    outward: Sequence[int]


@dataclass(frozen=True, eq=False, init=False)
class HamiltonianEntries:
    """Chosen entries of the Hamiltonian of a device as parameters; everything else stays as given.

    The parameters are "onsite", H_aa [eV] of the orbitals chosen; "hopping", H_ab (or its real part) of the pairs
    chosen; and, when `is_complex`, "hopping_imaginary". H_ba = H_ab* follows. A parameter that is not given keeps the
    device's numbers.

    Parameters
    ----------
    device : Device
        NumPy arrays, Hermitian; its own numbers are in `values`.
    onsite : "all", None or sequence of int
        The orbitals a with a parameter H_aa.
    hopping : "all", None or (rows, columns)
        The pairs a ≠ b with a parameter H_ab, each once: (a, b) or (b, a). "all" is every pair of the device that has a
        non-zero entry of H, in the order of `device.bonds`.
    is_complex : bool, optional
        Whether hoppings have an imaginary part that varies; default: whether the device has one.
    lead_copies : sequence of LeadCopy
        Leads that move with the device; the others are constant.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For a pair outside the device's blocks or given twice, and a lead that is no copy in the device given.
    """

    device: Device
    onsite: Array
    rows: Array
    columns: Array
    is_complex: bool
    lead_copies: tuple[LeadCopy, ...]

    __repr__ = brief_repr

    def __init__(
        self,
        device: Device,
        *,
        onsite: Literal["all"] | ArrayLike | None = "all",
        hopping: Literal["all"] | tuple[ArrayLike, ArrayLike] | None = None,
        is_complex: bool | None = None,
        lead_copies: Sequence[LeadCopy] = (),
    ) -> None:
        _check_device(device)
        sites = _sites(device, onsite)
        rows, columns = _pairs(device, hopping)
        if not len(sites) and not len(rows):
            raise InputError('no entry of H is chosen; give onsite="all" or the pairs of `hopping`.')
        own = not device.hamiltonian.is_real
        for key, value in (
            ("device", device),
            ("onsite", sites),
            ("rows", rows),
            ("columns", columns),
            ("is_complex", own if is_complex is None else bool(is_complex)),
            ("lead_copies", tuple(LeadCopy(*copy) for copy in lead_copies)),
        ):
            object.__setattr__(self, key, value)
        for copy in self.lead_copies:
            self._check_copy(copy)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it knows."""
        chosen = ("hopping", "hopping_imaginary") if self.is_complex else ("hopping",)
        return (("onsite",) if len(self.onsite) else ()) + (chosen if len(self.rows) else ())

    @property
    def is_linear(self) -> bool:
        """True: the device is affine in its parameters."""
        return True

    @property
    def has_constant_leads(self) -> bool:
        """True when no lead moves with the device."""
        return not self.lead_copies

    @cached_property
    def values(self) -> dict[str, Array]:
        """The device's own numbers [eV], by name: where a fit may start."""
        entries = self._map.base[self._map.sources]
        found = {"onsite": np.real(entries[: len(self.onsite)])}
        hopping = entries[len(self.onsite) :]
        hopping = np.where(self._map.sources_conjugated[len(self.onsite) :], np.conj(hopping), hopping)
        found |= {"hopping": np.real(hopping), "hopping_imaginary": np.imag(hopping)}
        return {name: found[name].copy() for name in self.names}

    @property
    def wrt(self) -> Any:
        """What a pullback need form: "onsite" or the entries alone; all of the device when leads move with it."""
        if self.lead_copies:
            return "all"
        if not len(self.rows) and np.array_equal(self.onsite, np.arange(self.device.n_orbitals)):
            return "onsite"
        return np.concatenate((self.onsite, self.rows)), np.concatenate((self.onsite, self.columns))

    def __call__(self, values: Mapping[str, Any]) -> Device:
        """The device with these numbers."""
        diagonal, upper, of_leads = self._map.placed(
            self._entries({**self.values, **self._checked(values)}), self._map.base
        )
        leads = list(self.device.leads)
        for (k, name), block in of_leads.items():
            leads[k] = rebuild(leads[k], **{name: block})
        hamiltonian = rebuild(self.device.hamiltonian, diagonal=tuple(diagonal), upper=tuple(upper))
        return rebuild(self.device, hamiltonian=hamiltonian, leads=tuple(leads))  # type: ignore[no-any-return]

    def tangent(self, values: Mapping[str, Any], tangents: Mapping[str, Any]) -> Device:
        """How the device moves with its parameters: a device of tangents, zero where nothing moves."""
        zero = {name: np.zeros_like(x) for name, x in self.values.items()}
        placed = self._map.placed(self._entries({**zero, **self._checked(tangents)}), np.zeros_like(self._map.base))
        leads: list[Any] = [None] * self.device.n_leads
        for copy in self.lead_copies:
            k = self.device.lead_index(copy.lead)
            leads[k] = rebuild(self.device.leads[k], **{name: placed[2].get((k, name)) for name in LEAD_NUMBERS})
        hamiltonian = rebuild(self.device.hamiltonian, diagonal=tuple(placed[0]), upper=tuple(placed[1]))
        return rebuild(self.device, hamiltonian=hamiltonian, overlap=None, leads=tuple(leads))  # type: ignore[no-any-return]

    def vjp(self, values: Mapping[str, Any]) -> tuple[Device, Callable[[Device], dict[str, Array]]]:
        """The device, and the pullback from a cotangent of it: whole, "onsite" or the entries of `wrt`."""
        device = self(values)

        def hamiltonian_entries_pullback(device_bar: Device) -> dict[str, Array]:
            bar = device_bar.hamiltonian
            entries = bar.values if hasattr(bar, "values") else self._map.pulled(self._flat_bar(device_bar))
            return self.pull_entries(entries)

        return device, hamiltonian_entries_pullback

    def pull_entries(self, entries_bar: Array) -> dict[str, Array]:
        """From cotangents of the entries in the order of `wrt`, (…, n_entries), to the parameters' by name."""
        found = {"onsite": np.real(entries_bar[..., : len(self.onsite)])}
        hopping = entries_bar[..., len(self.onsite) :]
        found |= {"hopping": np.real(hopping), "hopping_imaginary": np.imag(hopping)}
        return {name: found[name] for name in self.names}

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Array]:
        found = {}
        for name, given in values.items():
            if name not in self.names:
                raise InputError(f"parameter {name!r} is not one of these entries' {', '.join(self.names)}.")
            x = np.asarray(given, dtype=np.float64)
            if x.shape != self.values[name].shape:
                raise ShapeError(
                    f"parameter {name!r} has shape {x.shape} but the entries chosen {self.values[name].shape}."
                )
            found[name] = x
        return found

    def _entries(self, values: Mapping[str, Array]) -> Array:
        """The chosen entries of H in one row: on-site energies, then hoppings."""
        hopping = values.get("hopping", np.zeros(0))
        if self.is_complex and len(self.rows):
            hopping = hopping + 1j * values["hopping_imaginary"]
        return np.concatenate((values.get("onsite", np.zeros(0)), hopping))

    def _flat_bar(self, device_bar: Device) -> Array:
        """Cotangents of all blocks in the row of `_Map`."""
        h = device_bar.hamiltonian
        parts = [*h.diagonal, *h.upper]
        parts += [getattr(device_bar.leads[k], name) for k, name in self._map.lead_blocks]
        sizes = self._map.sizes
        flat = [np.zeros(n) if x is None else np.reshape(x, -1) for x, n in zip(parts, sizes)]
        return np.concatenate(flat)

    @cached_property
    def _map(self) -> _Map:
        return _make_map(self)

    def _check_copy(self, copy: LeadCopy) -> None:
        lead = self.device.leads[self.device.lead_index(copy.lead)]
        name = f"lead_copies: lead {copy.lead}"
        if not isinstance(lead, Lead):
            raise InputTypeError(f"{name} is a {type(lead).__name__}, which has no cells; copy a Lead.")
        cell, outward = np.asarray(copy.cell), np.asarray(copy.outward)
        if cell.shape != (lead.n_orbitals,) or outward.shape != (lead.n_orbitals,):
            raise ShapeError(
                f"{name} has {lead.n_orbitals} orbitals a cell but `cell` has shape {cell.shape} and `outward` "
                f"{outward.shape}; name one device orbital for each."
            )
        for which in (cell, outward):
            _orbitals(which, name, self.device.n_orbitals)
        for block, other in (("onsite", cell), ("hopping", outward)):
            there, here = getattr(lead, block), _dense_part(self.device, cell, other)
            if np.max(np.abs(there - here)) > 1e-12 * max(1.0, float(np.max(np.abs(there)))):
                raise InputError(
                    f"{name}: its {block} differs from the device's entries by {np.max(np.abs(there - here)):.3g} eV; "
                    "`cell` and `outward` must name the orbitals it is a copy of."
                )


class _Map(NamedTuple):
    """Where every entry goes in one row of all numbers: diagonal blocks, upper blocks, blocks of moving leads.

    base : the device's own numbers; entry `entry[t]` goes to place `place[t]`, conjugated where `conjugated[t]`;
    `sources[e]` is one place of entry e, conjugated where `sources_conjugated[e]`.
    """

    base: Array
    shapes: tuple[tuple[int, int], ...]
    sizes: Array
    offsets: Array
    n_blocks: int
    lead_blocks: tuple[tuple[int, str], ...]
    place: Array
    entry: Array
    conjugated: Array
    sources: Array
    sources_conjugated: Array
    n_entries: int

    def placed(self, entries: Array, base: Array) -> tuple[list[Array], list[Array], dict[tuple[int, str], Array]]:
        """The blocks with these entries in them."""
        flat = base.astype(np.result_type(base, entries), copy=True)
        moved = entries[self.entry]
        flat[self.place] = np.where(self.conjugated, np.conj(moved), moved) if np.iscomplexobj(moved) else moved
        blocks = [
            flat[start:stop].reshape(shape)
            for start, stop, shape in zip(self.offsets[:-1], self.offsets[1:], self.shapes)
        ]
        n = self.n_blocks
        return blocks[:n], blocks[n : 2 * n - 1], dict(zip(self.lead_blocks, blocks[2 * n - 1 :]))

    def pulled(self, flat_bar: Array) -> Array:
        """From cotangents of all numbers to those of the entries."""
        share = flat_bar[self.place]
        if not np.iscomplexobj(share):
            return np.bincount(self.entry, share, self.n_entries)
        share = np.where(self.conjugated, np.conj(share), share)
        return np.bincount(self.entry, share.real, self.n_entries) + 1j * np.bincount(
            self.entry, share.imag, self.n_entries
        )


def _make_map(model: HamiltonianEntries) -> _Map:
    device = model.device
    h = device.hamiltonian
    offsets = np.asarray(h.offsets)
    lead_blocks = [(k, name) for copy in model.lead_copies for k, name in _moving(device, copy)]
    blocks = [*h.diagonal, *h.upper, *(getattr(device.leads[k], name) for k, name in lead_blocks)]
    sizes = np.asarray([b.size for b in blocks], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    row = np.concatenate((model.onsite, model.rows))
    column = np.concatenate((model.onsite, model.columns))
    of_row, of_column = (np.searchsorted(offsets, x, side="right") - 1 for x in (row, column))
    lower = (of_row > of_column) | ((of_row == of_column) & (row > column))
    # (a, b) in the upper triangle; a pair given the other way round is conjugated
    a, b = np.where(lower, column, row), np.where(lower, row, column)
    k, m = np.minimum(of_row, of_column), np.maximum(of_row, of_column)
    block = np.where(k == m, k, h.n_blocks + k)
    width = np.asarray(h.block_sizes)[m]
    place = starts[block] + (a - offsets[k]) * width + (b - offsets[m])
    inside = np.flatnonzero((k == m) & (a != b))  # its mirror image is in the same block
    mirror = starts[k[inside]] + (b - offsets[k])[inside] * width[inside] + (a - offsets[k])[inside]
    entry = np.arange(len(row))
    places, entries, conjugated = [place, mirror], [entry, entry[inside]], [lower, ~lower[inside]]
    index = {pair: e for e, pair in enumerate(zip(a.tolist(), b.tolist()))} if model.lead_copies else {}
    for copy in model.lead_copies:
        for where, (_, name) in enumerate(lead_blocks):
            if lead_blocks[where][0] != device.lead_index(copy.lead):
                continue
            others = copy.cell if name == "onsite" else copy.outward
            for i, p in enumerate(copy.cell):
                for j, q in enumerate(others):
                    e = index.get((min(p, q), max(p, q)))
                    if e is not None:
                        start = starts[2 * h.n_blocks - 1 + where]
                        places.append(np.array([start + i * len(copy.cell) + j]))
                        entries.append(np.array([e]))
                        conjugated.append(np.array([bool((p > q) != lower[e])]))
    dtype = np.result_type(*blocks)
    return _Map(
        np.concatenate([np.reshape(x, -1) for x in blocks]).astype(dtype),
        tuple(b.shape for b in blocks),
        sizes,
        starts,
        h.n_blocks,
        tuple(lead_blocks),
        np.concatenate(places),
        np.concatenate(entries),
        np.concatenate(conjugated),
        place,
        lower,
        len(row),
    )


def _moving(device: Device, copy: LeadCopy) -> list[tuple[int, str]]:
    k = device.lead_index(copy.lead)
    lead = device.leads[k]
    same = lead.coupling.shape == lead.hopping.shape and bool(np.all(lead.coupling == lead.hopping))
    return [(k, name) for name in ("onsite", "hopping", *(("coupling",) if same else ()))]


def _check_device(device: Any) -> None:
    if not isinstance(device, Device):
        raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
    if not all(isinstance(x, np.ndarray) for x in leaves(device.hamiltonian) if is_array(x)):
        raise InputTypeError(
            'the device has no NumPy arrays; give them, and backend="gpu" as an option of the quantity.'
        )
    if not device.hamiltonian.is_hermitian:
        raise InputError("the device has lower blocks of its own; entries are Hermitian: leave `lower` out.")


def _sites(device: Device, onsite: Any) -> Array:
    n = device.n_orbitals
    if onsite is None:
        return np.zeros(0, dtype=np.int64)
    if isinstance(onsite, str):
        if onsite != "all":
            raise InputError(f'onsite={onsite!r} is not known; use "all", None or orbitals.')
        return np.arange(n)
    found = _orbitals(onsite, "onsite", n)
    if len(np.unique(found)) < len(found):
        raise InputError("onsite names an orbital twice.")
    return found


def _pairs(device: Device, hopping: Any) -> tuple[Array, Array]:
    if hopping is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if isinstance(hopping, str):
        if hopping != "all":
            raise InputError(f'hopping={hopping!r} is not known; use "all", None or (rows, columns).')
        pairs = rebuild(device, overlap=None).bonds
        return pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    try:
        rows, columns = hopping
    except (TypeError, ValueError):
        raise InputError("hopping must be a pair (rows, columns) of orbital indices.") from None
    rows = _orbitals(rows, "hopping rows", device.n_orbitals)
    columns = _orbitals(columns, "hopping columns", device.n_orbitals)
    if rows.shape != columns.shape:
        raise ShapeError(f"hopping has {len(rows)} rows and {len(columns)} columns; give pairs.")
    if np.any(rows == columns):
        raise InputError(f"hopping joins orbital {rows[rows == columns][0]} to itself; on-site energies are `onsite`.")
    pairs = np.sort(np.stack((rows, columns)), axis=0)
    if np.unique(pairs, axis=1).shape[1] < pairs.shape[1]:
        raise InputError("hopping names a pair twice, as (a, b) or (b, a); H_ba = H_ab* follows by itself.")
    block = np.searchsorted(np.asarray(device.hamiltonian.offsets), pairs, side="right") - 1
    far = block[1] - block[0] > 1
    if np.any(far):
        e = int(np.argmax(far))
        raise InputError(
            f"hopping ({rows[e]}, {columns[e]}) joins blocks {block[0, e]} and {block[1, e]}, which are not "
            "neighbours: the device has no such entry."
        )
    return rows, columns


def _orbitals(x: Any, name: str, n: int) -> Array:
    found = np.asarray(x)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise InputTypeError(f"{name} must be one axis of orbital indices, not {found.dtype} of shape {found.shape}.")
    outside = (found < 0) | (found >= n)
    if np.any(outside):
        raise InputError(f"{name} holds {found[outside][0]} but the orbitals are 0 … {n - 1}.")
    return found.astype(np.int64)


def _dense_part(device: Device, rows: Array, columns: Array) -> Array:
    """H[rows, columns] of a small choice."""
    h, offsets = device.hamiltonian, np.asarray(device.hamiltonian.offsets)

    def entry(p: int, q: int) -> Any:
        k, m = (int(np.searchsorted(offsets, x, side="right")) - 1 for x in (p, q))
        if abs(k - m) > 1:
            return 0.0
        block = h.diagonal[k] if k == m else h.upper[k] if k < m else h.lower_block(m)
        return block[p - offsets[k], q - offsets[m]]

    return np.array([[entry(int(p), int(q)) for q in columns] for p in rows])
