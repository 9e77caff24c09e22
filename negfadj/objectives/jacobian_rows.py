"""The gradient of every number of a quantity by itself: rows of a Jacobian, the cheapest way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..array import is_array, rebuild, to_numpy
from ..data import Device, PeriodicHamiltonian
from ..physics.bands import bands
from ..physics.densities import bond_current, density_of_states, lead_density, local_density_of_states
from ..physics.transmission_gradients import transmission_gradients
from ..physics.transport import shot_noise_factor, transmission, transmission_matrix
from ..primitives.system_cotangent import EntriesCotangent
from ..typing import Array
from .cotangents import bar_beside, subject_of
from .parameters import Parameters
from .quantity import Quantity
from .second_order import tangent, twin

# Value e is made from entry e of the first argument alone: energies, momenta.
ENERGY_BY_ENERGY = (
    transmission,
    transmission_matrix,
    shot_noise_factor,
    density_of_states,
    local_density_of_states,
    lead_density,
    bond_current,
    bands,
)


def value_and_rows(
    quantity: Quantity,
    made: Any,
    model_pullback: Callable[[Any], Mapping[str, Any]],
    wrt: Any,
    model: Any,
    parameters: Parameters,
    directions: Callable[[], Iterable[Any]],
    known: Array | None = None,
) -> tuple[Array, Array]:
    """The value, of any shape, and d value_i/dx of its numbers in a row, (n_numbers, n_variables).

    Parameters
    ----------
    quantity : Quantity
    made, model_pullback
        The subject, and the way from its cotangent to those of the parameters.
    wrt : what the model needs of the subject
    model : Model
    parameters : Parameters
    directions : callable
        The subject's tangents by every variable, one after the other.
    known : array, optional
        The value, where it has been calculated.
    """
    if quantity.function is transmission and _names_entries(wrt):
        value = quantity(made) if known is None else known
        return value, _from_entries(quantity, made, wrt, model_pullback, model, parameters)
    if twin(quantity, "jvp") is not None:
        value = quantity(made) if known is None else known
        if value.size > parameters.n_variables:
            columns = [tangent(quantity, made, made_dot).reshape(-1) for made_dot in directions()]
            return value, np.stack(columns, axis=1)
    values, rows = [], []
    for part in _single(quantity, made):
        value, pullback = part.vjp(made)
        values.append(value)
        for i in range(value.size):
            unit = np.zeros(value.size)
            unit[i] = 1.0
            bar, _ = pullback(unit.reshape(value.shape), wrt)
            rows.append(parameters.gradient(model_pullback(bar_beside(made, quantity.of, bar))))
    return (values[0] if len(values) == 1 else np.concatenate(values)), np.stack(rows)


def _from_entries(
    quantity: Quantity,
    made: Any,
    wrt: Any,
    model_pullback: Callable[[Any], Mapping[str, Any]],
    model: Any,
    parameters: Parameters,
) -> Array:
    """From dT(E)/dH_ab, all energies and entries in one sweep."""
    device = subject_of(made, quantity.of)
    entries = to_numpy(transmission_gradients(device, *quantity.arguments, wrt=wrt, **quantity.options))
    entries = np.reshape(entries, (-1, entries.shape[-1]))
    if hasattr(model, "pull_entries") and quantity.of is None:
        return parameters.gradient(model.pull_entries(entries))
    bars = (bar_beside(made, quantity.of, _entries_bar(device, row, wrt)) for row in entries)
    return np.stack([parameters.gradient(model_pullback(bar)) for bar in bars])


def _entries_bar(device: Device, values: Array, wrt: Any) -> Device:
    """The device cotangent that a pullback with `wrt` forms."""
    rows, columns = (np.arange(device.n_orbitals),) * 2 if isinstance(wrt, str) else wrt
    leads = (None,) * device.n_leads
    return rebuild(device, hamiltonian=EntriesCotangent(values, rows, columns), overlap=None, leads=leads)  # type: ignore[no-any-return]


def _names_entries(wrt: Any) -> bool:
    return wrt is not None and not (isinstance(wrt, str) and wrt == "all")


def _single(quantity: Quantity, made: Any) -> list[Quantity]:
    """The quantity at its energies (momenta) one at a time, where its numbers belong to them; else itself."""
    if quantity.function not in ENERGY_BY_ENERGY or not quantity.arguments:
        return [quantity]
    given = quantity.arguments[0]
    grid = to_numpy(given) if is_array(given) else np.asarray(given)
    is_crystal = isinstance(subject_of(made, quantity.of), PeriodicHamiltonian)  # whose momenta have three components
    if grid.ndim == (1 if is_crystal else 0):
        return [quantity]
    return [quantity.at(grid[e : e + 1]) for e in range(len(grid))]
