"""The matrices of a finalised Kwant system, with one place per entry that a value of its parameters could fill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .partition import Partition, partition


@dataclass(frozen=True, eq=False)
class Places:
    """The entries that a sparse matrix can have, row by row.

    Parameters
    ----------
    rows, columns : arrays, shape (n_entries,), integer
    shape : two int
    """

    rows: Array
    columns: Array
    shape: tuple[int, int]

    @property
    def n_entries(self) -> int:
        """How many there are."""
        return len(self.rows)

    def values(self, matrix: Any, name: str) -> Array:
        """The entries of a matrix in these places, zero where it has none: (n_entries,), complex."""
        if tuple(matrix.shape) != self.shape:
            raise ShapeError(
                f"{name} has shape {tuple(matrix.shape)} but had {self.shape} before; the number of orbitals of a site "
                "must not depend on parameters."
            )
        entries = sparse.coo_array(matrix)
        entries.sum_duplicates()
        keys = self.rows * self.shape[1] + self.columns
        wanted = entries.coords[0].astype(np.int64) * self.shape[1] + entries.coords[1]
        places = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        if len(wanted) and (not len(keys) or np.any(keys[places] != wanted)):
            raise InputError(f"{name} has an entry between two sites that the graph of the system does not join.")
        values = np.zeros(self.n_entries, dtype=complex)
        values[places] = entries.data
        return values

    def matrix(self, values: Array) -> sparse.csr_array:
        """The sparse matrix with these values in these places."""
        return sparse.csr_array((values, (self.rows, self.columns)), shape=self.shape)


@dataclass(frozen=True, eq=False)
class KwantLayout:
    """What does not depend on the parameters of a Kwant system: its orbitals, where H may have entries, the order.

    All matrices together are one vector of entries: the scattering region's, then every lead's cell, then its hopping.

    Parameters
    ----------
    n_orbitals : array, shape (n_sites,), integer
        Orbitals per site of the scattering region.
    hamiltonian : Places
    lead_cells, lead_hoppings : tuples of Places
        Of Kwant's `cell_hamiltonian` and `inter_cell_hopping`.
    interfaces : tuple of arrays
        Per lead the orbitals of the scattering region it touches, in the order of the lead's first sites.
    partition : Partition
        The scattering region cut into blocks.
    """

    n_orbitals: Array
    hamiltonian: Places
    lead_cells: tuple[Places, ...]
    lead_hoppings: tuple[Places, ...]
    interfaces: tuple[Array, ...]
    partition: Partition

    @property
    def all_places(self) -> tuple[Places, ...]:
        """In the order of the vector of entries."""
        return (self.hamiltonian, *(p for pair in zip(self.lead_cells, self.lead_hoppings) for p in pair))

    def split(self, entries: Array) -> list[Array]:
        """The vector of entries cut into that of each matrix."""
        return np.split(entries, np.cumsum([places.n_entries for places in self.all_places])[:-1])


def kwant_layout(system: Any, params: Mapping[str, Any] | None, args: Sequence[Any] = ()) -> KwantLayout:
    """Read the structure of a finalised Kwant system.

    Parameters
    ----------
    system : kwant.system.FiniteSystem
        With InfiniteSystem leads.
    params : mapping
        Names and values of its parameters; any at which it can be evaluated.
    args : sequence
        Kwant's older positional parameters.

    Raises
    ------
    InputTypeError
        When the system is not finalised, is a lead, has no leads, or has one without a Hamiltonian.
    ShapeError
        When a lead and its interface have different numbers of orbitals.
    InputError
        As `partition`.
    """
    check_finalised(system)
    keywords = _keywords(params, args)
    n_orbitals = _orbitals_per_site(system, None, keywords)
    edges = _edges(system)
    sites = np.arange(len(n_orbitals))
    hamiltonian = _places(
        np.concatenate((sites, edges[0], edges[1])), np.concatenate((sites, edges[1], edges[0])), n_orbitals, n_orbitals
    )
    offsets = np.concatenate(([0], np.cumsum(n_orbitals)))
    cells, hoppings, interfaces = [], [], []
    for k, (lead, sites_touched) in enumerate(zip(system.leads, system.lead_interfaces)):
        interface = np.asarray(sites_touched, dtype=np.int64)
        per_site = _orbitals_per_site(lead, range(lead.cell_size), keywords)
        if not np.array_equal(per_site[: len(interface)], n_orbitals[interface]):
            raise ShapeError(
                f"lead {k} continues sites with {per_site[: len(interface)].tolist()} orbitals but is attached to "
                f"sites with {n_orbitals[interface].tolist()}; give both the same number of orbitals."
            )
        cell, hopping = _lead_places(lead, per_site)
        cells.append(cell)
        hoppings.append(hopping)
        interfaces.append(_spread(offsets[interface], n_orbitals[interface]))
    pattern = hamiltonian.matrix(np.ones(hamiltonian.n_entries))
    return KwantLayout(
        n_orbitals, hamiltonian, tuple(cells), tuple(hoppings), tuple(interfaces), partition(pattern, interfaces)
    )


def kwant_entries(
    system: Any, layout: KwantLayout, params: Mapping[str, Any] | None, args: Sequence[Any] = ()
) -> Array:
    """Evaluate a Kwant system: the entries of all of its matrices [eV], one after the other, complex."""
    keywords = _keywords(params, args)
    found = [layout.hamiltonian.values(system.hamiltonian_submatrix(sparse=True, **keywords), "the Hamiltonian")]
    for k, (lead, cell, hopping) in enumerate(zip(system.leads, layout.lead_cells, layout.lead_hoppings)):
        found.append(cell.values(lead.cell_hamiltonian(sparse=True, **keywords), f"the cell of lead {k}"))
        found.append(hopping.values(lead.inter_cell_hopping(sparse=True, **keywords), f"the hopping of lead {k}"))
    return np.concatenate(found)


def check_finalised(system: Any) -> None:
    """Refuse what is not a finalised Kwant system whose leads have a Hamiltonian."""
    kind = type(system).__name__
    if not hasattr(system, "hamiltonian_submatrix"):
        fix = "call its finalized() first" if hasattr(system, "finalized") else "pass what Builder.finalized() returns"
        raise InputTypeError(f"system is a {kind}, not a finalised Kwant system; {fix}.")
    if hasattr(system, "cell_size") or not hasattr(system, "leads"):
        raise InputTypeError(
            f"system is a {kind}, a lead by itself; attach it to a scattering region (attach_lead) and finalise that."
        )
    if not len(system.leads):
        raise InputTypeError("the Kwant system has no leads; attach_lead before finalized().")
    for k, lead in enumerate(system.leads):
        if not hasattr(lead, "cell_hamiltonian"):
            raise InputTypeError(
                f"leads[{k}] of the Kwant system is a {type(lead).__name__}, which has no Hamiltonian; attach a "
                "translation-invariant Builder, or pass its self-energy as negfadj.SelfEnergy in a Device of your own."
            )


def _keywords(params: Mapping[str, Any] | None, args: Sequence[Any]) -> dict[str, Any]:
    if params is not None and len(args):
        raise InputError("params and args are both given; Kwant takes one of them.")
    return {"args": tuple(args)} if len(args) else {"params": None if params is None else dict(params)}


def _orbitals_per_site(system: Any, sites: Any, keywords: dict[str, Any]) -> Array:
    found = system.hamiltonian_submatrix(to_sites=sites, from_sites=sites, sparse=True, return_norb=True, **keywords)
    return np.asarray(found[1], dtype=np.int64)


def _edges(system: Any) -> Array:
    """The pairs of sites joined by a hopping, (2, n_pairs)."""
    return np.array(list(system.graph), dtype=np.int64).reshape(-1, 2).T


def _lead_places(lead: Any, n_orbitals: Array) -> tuple[Places, Places]:
    first, second = _edges(lead)
    n, n_interface = len(n_orbitals), lead.graph.num_nodes - len(n_orbitals)
    here, there = (first < n) & (second < n), (first < n) & (second >= n)
    back = (first >= n) & (second < n)
    sites = np.arange(n)
    cell = _places(
        np.concatenate((sites, first[here], second[here])),
        np.concatenate((sites, second[here], first[here])),
        n_orbitals,
        n_orbitals,
    )
    hopping = _places(
        np.concatenate((first[there], second[back])),
        np.concatenate((second[there], first[back])) - n,
        n_orbitals,
        n_orbitals[:n_interface],
    )
    return cell, hopping


def _places(first: Array, second: Array, n_rows: Array, n_columns: Array) -> Places:
    """The entries of the matrix between pairs of sites, given the orbitals of each; a pair may be listed twice."""
    pairs = np.unique(first * len(n_columns) + second)
    first, second = pairs // max(len(n_columns), 1), pairs % max(len(n_columns), 1)
    row_starts, column_starts = np.cumsum(n_rows) - n_rows, np.cumsum(n_columns) - n_columns
    n_entries = n_rows[first] * n_columns[second]
    pair = np.repeat(np.arange(len(pairs)), n_entries)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(n_entries) - n_entries, n_entries)
    rows = row_starts[first[pair]] + within // n_columns[second[pair]]
    columns = column_starts[second[pair]] + within % n_columns[second[pair]]
    order = np.lexsort((columns, rows))
    return Places(rows[order], columns[order], (int(n_rows.sum()), int(n_columns.sum())))


def _spread(starts: Array, counts: Array) -> Array:
    """start, start + 1, … of every site in turn."""
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + np.arange(int(counts.sum())) - first
