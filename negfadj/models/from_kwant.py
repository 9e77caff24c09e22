"""A device from a finalised Kwant system, with the gradient back to the parameters of the user's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..array import to_numpy
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .kwant_derivatives import KwantDerivatives, check_steps, holds_at, kwant_derivatives
from .kwant_matrices import KwantLayout, kwant_entries, kwant_layout
from .partition import Partition


@dataclass(frozen=True, eq=False)
class KwantDevice:
    """A device and the way back from its orbitals to the sites of the Kwant system.

    Parameters
    ----------
    device : Device
        Lead k is the system's lead k.
    partition : Partition
        Orbital k of the device is orbital partition.order[k] of Kwant's `hamiltonian_submatrix`.
    sites : array, shape (n_orbitals,), integer
        The index in `system.sites` of the site that carries each orbital of the device.
    n_sites : int
        Sites of the scattering region.
    """

    device: Device
    partition: Partition
    sites: Array
    n_sites: int

    @property
    def orbitals(self) -> Array:
        """The device orbital that each orbital of Kwant's `hamiltonian_submatrix` has become: (n_orbitals,)."""
        return np.argsort(self.partition.order)

    def orbitals_of(self, site: int) -> Array:
        """The device orbitals of one site, in the order that Kwant has them in.

        Raises
        ------
        InputError
            When there is no such site.
        """
        if not 0 <= site < self.n_sites:
            raise InputError(f"site={site} but the Kwant system has sites 0 … {self.n_sites - 1}.")
        found = np.flatnonzero(self.sites == site)
        return found[np.argsort(self.partition.order[found])]

    def to_kwant(self, values: ArrayLike) -> Array:
        """A quantity per device orbital, shape (…, n_orbitals), in the order of Kwant's orbitals."""
        return self._per_orbital(values)[..., self.orbitals]

    def to_sites(self, values: ArrayLike) -> Array:
        """Sum a quantity per device orbital, shape (…, n_orbitals), over the orbitals of every site: (…, n_sites)."""
        values = self._per_orbital(values)
        result = np.zeros((*values.shape[:-1], self.n_sites), dtype=values.dtype)
        np.add.at(result, (slice(None),) * (values.ndim - 1) + (self.sites,), values)
        return result

    def _per_orbital(self, values: ArrayLike) -> Array:
        values = to_numpy(values) if hasattr(values, "dtype") else np.asarray(values)
        if values.shape[-1:] != self.sites.shape:
            raise ShapeError(
                f"values have shape {values.shape} but the last axis must be the {len(self.sites)} orbitals of the "
                "device."
            )
        return values


def from_kwant(system: Any, *, params: Mapping[str, Any] | None = None, args: Sequence[Any] = ()) -> KwantDevice:
    """The device of a finalised Kwant system, ordered into blocks, with its leads.

    With Kwant's V = inter_cell_hopping = <cell j+1|H|first sites of cell j>: hopping = (V 0)†, coupling = V† in the
    rows of the lead's interface, onsite = cell_hamiltonian. Kwant's energies are taken to be in eV.

    Parameters
    ----------
    system : kwant.system.FiniteSystem
        What `Builder.finalized()` returns, with at least one lead; sites may have several orbitals.
    params : mapping, optional
        Names and values of its parameters, as for `kwant.smatrix`.
    args : sequence
        Kwant's older positional parameters, in place of `params`.

    Returns
    -------
    KwantDevice
        With complex NumPy blocks. Their sizes and the order depend on the sites and hoppings alone, not on the values.

    Raises
    ------
    InputTypeError
        When the system is not finalised, is a lead, has no leads, or a lead is given as self-energy or modes.
    InputError
        When a site has no connection to a lead, or both params and args are given.
    HermiticityError
        When the Hamiltonian is not Hermitian at these parameters.
    """
    layout = kwant_layout(system, params, args)
    return _assembled(layout, kwant_entries(system, layout, params, args))


def from_kwant_vjp(
    system: Any,
    *,
    params: Mapping[str, Any],
    names: Sequence[str],
    derivatives: KwantDerivatives | None = None,
) -> tuple[KwantDevice, Callable[[Any], dict[str, Any]]]:
    """`from_kwant` and its pullback to real parameters of the user's model.

    dL/dp = Re tr(H̄† dH/dp), the leads' blocks included; dH/dp as `kwant_derivatives`.

    Parameters
    ----------
    system : kwant.system.FiniteSystem
    params : mapping
        Names and values of all parameters.
    names : sequence of str
        The parameters to differentiate by, real numbers or real arrays.
    derivatives : KwantDerivatives, optional
        Found before, for these names. Used again where H is affine in them, after a check that it predicts H at
        `params`, and found anew where it does not.

    Returns
    -------
    device : KwantDevice
    pullback : callable
        `from_kwant_pullback(device_bar)` takes the cotangent of `KwantDevice.device`, as `bar.device` of any `*_vjp`,
        and returns a dict: a float, or a float64 array of the parameter's shape, for every name. A cotangent by a
        pattern must hold every entry of the device that the parameters move (`kwant_pattern`), and none may move a
        lead. Kept for the pullback: 32 bytes per entry of dH/dp that is not zero.

    Raises
    ------
    As `from_kwant` and `kwant_derivatives`.
    """
    if derivatives is None:
        derivatives = kwant_derivatives(system, params=params, names=names)
        entries = derivatives.entries
    else:
        if set(derivatives.names) != set(names):
            raise InputError(f"derivatives were found for {list(derivatives.names)} but names are {list(names)}.")
        check_steps(derivatives, params)
        entries = kwant_entries(system, derivatives.layout, params)
        if not holds_at(derivatives, params, entries):
            derivatives = kwant_derivatives(system, params=params, names=names)
    layout = derivatives.layout
    found = _assembled(layout, entries)

    def from_kwant_pullback(device_bar: Any) -> dict[str, Any]:
        if hasattr(device_bar.hamiltonian, "values"):
            entries_bar = _entries_bar_of_pattern(device_bar, found, layout, derivatives)
        else:
            entries_bar = _entries_bar(device_bar, found, layout)
        gradient = {}
        for name in names:
            # Re Σ x̄* dx/dp
            components = (derivatives.by_name[name].jacobian @ entries_bar.conj()).real
            shape = np.shape(derivatives.params[name])
            gradient[name] = components.reshape(shape) if shape else float(components[0])
        return gradient

    return found, from_kwant_pullback


def kwant_pattern(derivatives: KwantDerivatives) -> tuple[Array, Array]:
    """The entries of the device's Hamiltonian that the parameters move: `wrt` for a pullback that forms only those.

    Parameters
    ----------
    derivatives : KwantDerivatives

    Returns
    -------
    rows, columns : arrays, integer
        Orbitals a ≤ b of the device.

    Raises
    ------
    InputError
        When a parameter moves a lead, which no pattern holds, or no parameter moves the device.
    """
    layout = derivatives.layout
    n_own = layout.hamiltonian.n_entries
    is_moved = _moved_entries(derivatives)
    _check_leads_still(is_moved, n_own)
    rows, columns = _device_orbitals(layout)
    wanted = is_moved[:n_own] & (rows <= columns)
    if not wanted.any():
        raise InputError(f"the parameters {list(derivatives.names)} move no entry of the device.")
    return rows[wanted], columns[wanted]


def _assembled(layout: KwantLayout, entries: Array) -> KwantDevice:
    cut = layout.partition
    parts = layout.split(entries)
    hamiltonian = layout.hamiltonian.matrix(parts[0])
    hamiltonian.eliminate_zeros()
    leads = []
    for k, block in enumerate(cut.lead_blocks):
        cell = layout.lead_cells[k].matrix(parts[2 * k + 1]).toarray()
        outward = layout.lead_hoppings[k].matrix(parts[2 * k + 2]).toarray().conj().T  # <first sites of j|H|cell j+1>
        hopping = np.zeros_like(cell)
        hopping[: len(outward)] = outward
        coupling = np.zeros((cut.block_sizes[block], len(cell)), dtype=cell.dtype)
        coupling[_rows_in_block(layout, k)] = outward
        leads.append(Lead(onsite=cell, hopping=hopping, coupling=coupling, block=block))
    blocks = BlockTridiagonal.from_sparse(hamiltonian[cut.order][:, cut.order], cut.block_sizes)
    carriers = np.repeat(np.arange(len(layout.n_orbitals)), layout.n_orbitals)
    return KwantDevice(Device(blocks, tuple(leads)), cut, carriers[cut.order], len(layout.n_orbitals))


def _rows_in_block(layout: KwantLayout, k: int) -> Array:
    """Where the orbitals that lead k touches are in their block."""
    cut = layout.partition
    start = sum(cut.block_sizes[: cut.lead_blocks[k]])
    return np.argsort(cut.order)[layout.interfaces[k]] - start


def _device_orbitals(layout: KwantLayout) -> tuple[Array, Array]:
    """The entries of Kwant's Hamiltonian by orbitals of the device."""
    orbitals: Array = np.argsort(layout.partition.order)
    return orbitals[layout.hamiltonian.rows], orbitals[layout.hamiltonian.columns]


def _entries_bar(device_bar: Any, found: KwantDevice, layout: KwantLayout) -> Array:
    """The cotangent of every entry of Kwant's matrices; the upper blocks have their lower blocks' share already."""
    hamiltonian = found.device.hamiltonian
    rows, columns = _device_orbitals(layout)
    offsets = np.asarray(hamiltonian.offsets)
    row_blocks: Array = np.searchsorted(offsets, rows, side="right") - 1
    column_blocks: Array = np.searchsorted(offsets, columns, side="right") - 1
    own = np.zeros(layout.hamiltonian.n_entries, dtype=complex)
    for blocks, ahead in ((device_bar.hamiltonian.diagonal, 0), (device_bar.hamiltonian.upper, 1)):
        here = np.flatnonzero(column_blocks == row_blocks + ahead)
        here = here[np.argsort(row_blocks[here], kind="stable")]
        ends = np.searchsorted(row_blocks[here], np.arange(len(blocks) + 1))
        for i, block in enumerate(blocks):
            if block is not None:
                e = here[ends[i] : ends[i + 1]]
                own[e] = to_numpy(block)[rows[e] - offsets[i], columns[e] - offsets[i + ahead]]
    parts = [own]
    for k, lead_bar in enumerate(device_bar.leads):
        parts += _lead_entries_bar(lead_bar, layout, k)
    return np.concatenate(parts)


def _lead_entries_bar(lead_bar: Any, layout: KwantLayout, k: int) -> list[Array]:
    cell, hopping = layout.lead_cells[k], layout.lead_hoppings[k]
    cell_bar = np.zeros(cell.n_entries, dtype=complex)
    hopping_bar = np.zeros(hopping.n_entries, dtype=complex)
    if lead_bar is None:
        return [cell_bar, hopping_bar]
    if lead_bar.onsite is not None:
        cell_bar = to_numpy(lead_bar.onsite)[cell.rows, cell.columns].astype(complex)
    # V enters as V†: <X̄, dV†> = <X̄†, dV>
    if lead_bar.hopping is not None:
        hopping_bar = hopping_bar + to_numpy(lead_bar.hopping)[hopping.columns, hopping.rows].conj()
    if lead_bar.coupling is not None:
        at = _rows_in_block(layout, k)[hopping.columns]
        hopping_bar = hopping_bar + to_numpy(lead_bar.coupling)[at, hopping.rows].conj()
    return [cell_bar, hopping_bar]


def _entries_bar_of_pattern(
    device_bar: Any, found: KwantDevice, layout: KwantLayout, derivatives: KwantDerivatives
) -> Array:
    """The same from the cotangent of a few entries, each of which has the share of its mirror entry already."""
    n, n_own = found.device.n_orbitals, layout.hamiltonian.n_entries
    is_moved = _moved_entries(derivatives)
    _check_leads_still(is_moved, n_own)
    given = device_bar.hamiltonian
    first, second, values = np.asarray(given.rows), np.asarray(given.columns), to_numpy(given.values).astype(complex)
    values = np.where(first <= second, values, values.conj())  # dL/dH_ba = (dL/dH_ab)*
    keys, where = np.unique(np.minimum(first, second) * n + np.maximum(first, second), return_index=True)
    rows, columns = _device_orbitals(layout)
    wanted = np.flatnonzero(is_moved[:n_own] & (rows <= columns))
    places = np.minimum(np.searchsorted(keys, rows[wanted] * n + columns[wanted]), len(keys) - 1)
    is_missing = keys[places] != rows[wanted] * n + columns[wanted]
    if is_missing.any():
        e = wanted[int(np.argmax(is_missing))]
        raise InputError(
            f"the cotangent leaves out entry ({rows[e]}, {columns[e]}) of the Hamiltonian, which the parameters "
            f'{list(derivatives.names)} move; take wrt=kwant_pattern(derivatives) or wrt="all".'
        )
    entries_bar = np.zeros(len(is_moved), dtype=complex)
    entries_bar[wanted] = values[where[places]]
    return entries_bar


def _moved_entries(derivatives: KwantDerivatives) -> Array:
    is_moved = np.zeros(len(derivatives.entries), dtype=bool)
    for found in derivatives.by_name.values():
        is_moved[sparse.csr_array(found.jacobian).indices] = True
    return is_moved


def _check_leads_still(is_moved: Array, n_own: int) -> None:
    if is_moved[n_own:].any():
        raise InputError('a parameter moves the leads, which no pattern of the device holds; use wrt="all".')
