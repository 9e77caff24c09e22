"""dH/dp of a Kwant system: the sparse derivatives of its matrices by the user's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .entry_derivatives import EntryDerivatives, entry_derivatives
from .kwant_matrices import KwantLayout, check_finalised, kwant_entries, kwant_layout

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class KwantMatrices:
    """The matrices of a Kwant system in Kwant's own order, or their derivatives.

    Parameters
    ----------
    hamiltonian : sparse array, shape (n, n)
    lead_cells, lead_hoppings : tuples of sparse arrays
        Kwant's `cell_hamiltonian` and `inter_cell_hopping` of every lead.
    """

    hamiltonian: sparse.csr_array
    lead_cells: tuple[sparse.csr_array, ...]
    lead_hoppings: tuple[sparse.csr_array, ...]


@dataclass(frozen=True, eq=False)
class KwantDerivatives:
    """dH/dp for some parameters of a Kwant system, at the values it was found at.

    Parameters
    ----------
    layout : KwantLayout
    params : dict
        All parameters, those that were differentiated as float or float64 arrays.
    entries : array, shape (n_entries,), complex
        The entries of all matrices at `params`.
    by_name : dict of EntryDerivatives
    is_affine : bool
        True when the entries are, to round-off, H + Σ dH/dp Δp for all these parameters moved at once: then dH/dp holds
        at their other values too, which is checked where it is used.
    """

    layout: KwantLayout
    params: dict[str, Any]
    entries: Array
    by_name: dict[str, EntryDerivatives]
    is_affine: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, in the order they were given."""
        return tuple(self.by_name)

    def matrices(self, name: str, component: Sequence[int] = ()) -> KwantMatrices:
        """dH/dp of one parameter, or of one component of an array of them [eV per unit of the parameter].

        Raises
        ------
        InputError
            For a name or a component that there is not.
        """
        if name not in self.by_name:
            raise InputError(f"{name!r} was not differentiated; there are {list(self.names)}.")
        shape = np.shape(self.params[name])
        try:
            row = int(np.ravel_multi_index(tuple(component), shape)) if shape or len(component) else 0
        except ValueError as error:
            raise InputError(f"{name!r} has shape {shape} and no component {tuple(component)}.") from error
        parts = self.layout.split(self.by_name[name].jacobian[[row]].toarray()[0])
        found = [places.matrix(values) for places, values in zip(self.layout.all_places, parts)]
        for matrix in found:
            matrix.eliminate_zeros()
        return KwantMatrices(found[0], tuple(found[1::2]), tuple(found[2::2]))


def kwant_derivatives(system: Any, *, params: Mapping[str, Any], names: Sequence[str]) -> KwantDerivatives:
    """Find dH/dp of a Kwant system by central differences of its Hamiltonian, extrapolated to step zero.

    Linear parameters come out to round-off. Never a difference of the transmission.

    Parameters
    ----------
    system : kwant.system.FiniteSystem
        Finalised.
    params : mapping
        Names and values of all parameters.
    names : sequence of str
        Which to differentiate by: real numbers, or real arrays of any shape (one on-site energy per site).

    Returns
    -------
    KwantDerivatives
        As `entry_derivatives`: 7 evaluations of H for a linear number, 10 to 25 for another; for an array with one
        component per site 40 to 300 in all, and 6 or more per component if every component touches every entry.

    Raises
    ------
    InputError, InputTypeError
        For a name that the system does not have, a value that is not real, or a system as `from_kwant` refuses.
    ConvergenceError
        When H is not smooth in a parameter.
    """
    check_finalised(system)
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputTypeError(f"names={names!r} must be a sequence of parameter names.")
    if len(set(names)) != len(names):
        raise InputError(f"names={list(names)} has a name twice.")
    _check_names(system, params, names)
    values = {**params, **{name: _real(params[name], name) for name in names}}
    layout = kwant_layout(system, values)
    entries = kwant_entries(system, layout, values)

    def of_one(name: str) -> EntryDerivatives:
        shape = np.shape(values[name])
        point = np.reshape(np.asarray(values[name]), -1)

        def moved(p: Array) -> Array:
            return kwant_entries(system, layout, {**values, name: p.reshape(shape) if shape else float(p[0])})

        return entry_derivatives(moved, point, name)

    by_name = {name: of_one(name) for name in names}
    found = KwantDerivatives(layout, values, entries, by_name, True)
    return KwantDerivatives(layout, values, entries, by_name, _is_affine(system, found))


def holds_at(derivatives: KwantDerivatives, params: Mapping[str, Any], entries: Array) -> bool:
    """True when dH/dp found elsewhere is dH/dp at `params` too, where the matrices have these entries."""
    if not derivatives.is_affine:
        # `params` may be the very point it was found at
        return _same(params, derivatives.params)
    others = [name for name in derivatives.params if name not in derivatives.by_name]
    if set(params) != set(derivatives.params) or not all(_same(params[k], derivatives.params[k]) for k in others):
        return False
    steps = {name: np.asarray(params[name], dtype=float) - derivatives.params[name] for name in derivatives.names}
    expected, tolerance = _expected(derivatives, steps)
    return bool(np.all(np.abs(entries - expected) <= tolerance))


def _expected(derivatives: KwantDerivatives, steps: Mapping[str, Array]) -> tuple[Array, Array]:
    """H + Σ dH/dp Δp, and by how much an affine H may miss it: round-off and the error of dH/dp."""
    expected, largest = derivatives.entries.copy(), np.abs(derivatives.entries)
    error = 0.0
    for name, step in steps.items():
        found, along = derivatives.by_name[name], np.reshape(step, -1)
        expected = expected + found.jacobian.T @ along
        reach = np.abs(along) + np.abs(np.reshape(np.asarray(derivatives.params[name]), -1))
        largest = largest + abs(found.jacobian).T @ reach
        error += found.error * np.abs(found.jacobian.data).max(initial=0.0) * np.abs(along).sum()
    return expected, 64 * EPS * largest + error + 64 * EPS * largest.max(initial=0.0)


def _is_affine(system: Any, found: KwantDerivatives) -> bool:
    """Moved all at once by unrelated steps, twice: products and powers of the parameters show."""
    rng = np.random.default_rng(1)
    for _ in range(2):
        steps = {}
        for name in found.names:
            value = np.asarray(found.params[name])
            steps[name] = np.maximum(np.abs(value), 1.0) * rng.uniform(-1.0, 1.0, value.shape)
        params = {**found.params, **{name: _like(found.params[name], steps[name]) for name in steps}}
        try:
            # where the user's function has no value, H is not affine
            with np.errstate(all="ignore"):
                entries = kwant_entries(system, found.layout, params)
        except Exception:
            return False
        expected, tolerance = _expected(found, steps)
        if not np.all(np.abs(entries - expected) <= tolerance):
            return False
    return True


def _like(value: Any, step: Array) -> Any:
    return value + step if np.ndim(value) else float(value + step)


def _check_names(system: Any, params: Mapping[str, Any], names: Sequence[str]) -> None:
    known: set[str] = set()
    for part in (system, *system.leads):
        known |= set(getattr(part, "parameters", None) or ())
    for name in names:
        if name not in params:
            raise InputError(f"{name!r} is not in params, which has {sorted(params)}; give it a value.")
        if known and name not in known:
            raise InputError(f"{name!r} is no parameter of the Kwant system, which has {sorted(known)}.")


def _real(value: Any, name: str) -> Any:
    """A float, or a float64 array that is a copy."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not array.size:
        raise InputTypeError(
            f"parameter {name!r} is {value!r}, of dtype {array.dtype}; a gradient needs a real number or array. Give "
            "the real and the imaginary part of a complex one as two parameters."
        )
    if not np.all(np.isfinite(array)):
        raise InputError(f"parameter {name!r} has an entry that is not finite.")
    return float(array) if array.ndim == 0 else np.array(array, dtype=np.float64)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return set(a) == set(b) and all(_same(a[k], b[k]) for k in a)
    if a is b:
        return True
    try:
        return bool(np.array_equal(a, b))
    except (TypeError, ValueError):
        return False


def check_steps(derivatives: KwantDerivatives, params: Mapping[str, Any]) -> None:
    """Refuse parameters whose shape is another than the one that was differentiated."""
    for name in derivatives.names:
        if name not in params:
            raise InputError(f"{name!r} is not in params, which has {sorted(params)}; give it a value.")
        if np.shape(params[name]) != np.shape(derivatives.params[name]):
            raise ShapeError(
                f"parameter {name!r} has shape {np.shape(params[name])} but was differentiated with shape "
                f"{np.shape(derivatives.params[name])}; find the derivatives anew."
            )
