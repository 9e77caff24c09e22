"""Named numbers of a model, free or fixed, tied and scaled, and the flat real vector an optimiser sees of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..array import brief_repr, is_array, to_numpy
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike


@dataclass(frozen=True, eq=False, init=False)
class Parameter:
    """A real number or array of a model.

    Parameters
    ----------
    name : str
        By which the model knows it.
    value : float or array, real
        Where it starts, in the model's own units.
    bounds : pair of floats or of arrays of value's shape
        (lower, upper), in the units of `value`.
    scale : float or array of value's shape, optional
        The variable is x = value / scale; default 1. Good scales make all variables matter about as much: give the
        change that matters, not a unit. Steps of differences and absolute tolerances of SciPy act on x, whose gradient
        is dL/dx = scale · dL/dvalue: with a scale far too small a gradient looks like zero, and a search ends at once.
    fixed : bool, or array of bool of value's shape
        What stays at `value`.
    tie : array of int of value's shape, optional
        Entries with an equal number share one variable; −1 ties an entry to none. Tied entries have one value, one
        scale, and are all free or all fixed; of their bounds the tightest count.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For bounds that cross or leave the value out, tied entries that differ, a scale that is not positive.
    """

    name: str
    value: Array
    lower: Array
    upper: Array
    scale: Array
    fixed: Array
    tie: Array | None

    __repr__ = brief_repr

    def __init__(
        self,
        name: str,
        value: ArrayLike,
        *,
        bounds: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
        scale: ArrayLike | None = None,
        fixed: ArrayLike = False,
        tie: ArrayLike | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InputTypeError(f"name={name!r} of a parameter must be a string, and not an empty one.")
        start = _real(value, f"parameter {name!r}: value")
        if start.size == 0:
            raise ShapeError(f"parameter {name!r}: value is empty; give at least one number.")
        _check_finite(start, f"parameter {name!r}: value")
        try:
            lower, upper = bounds
        except (TypeError, ValueError):
            raise InputTypeError(f"parameter {name!r}: bounds={bounds!r} must be a pair (lower, upper).") from None
        spread = {
            "value": start,
            "lower": _like(start, lower, f"parameter {name!r}: lower bound"),
            "upper": _like(start, upper, f"parameter {name!r}: upper bound"),
            "scale": _like(start, 1.0 if scale is None else scale, f"parameter {name!r}: scale"),
            "fixed": _mask(start, fixed, name),
        }
        object.__setattr__(self, "name", name)
        for key, array in spread.items():
            array.setflags(write=False)
            object.__setattr__(self, key, array)
        object.__setattr__(self, "tie", None if tie is None else _tie_numbers(start, tie, name))
        self._check()

    def label(self, entry: int) -> str:
        """An entry's name by its flat index: "onsite[3]", "hopping[1, 2]"; of a single number the name alone."""
        if self.value.ndim == 0:
            return self.name
        index = np.unravel_index(entry, self.value.shape)
        return f"{self.name}[{', '.join(str(int(i)) for i in index)}]"

    def _check(self) -> None:
        value, lower, upper = (x.reshape(-1) for x in (self.value, self.lower, self.upper))
        for name, bound in (("lower", lower), ("upper", upper)):
            _refuse(self, np.isnan(bound), bound, f"has the {name} bound {{}}", "give a number, or ±inf for none")
        crossed = lower > upper
        if np.any(crossed):
            e = int(np.argmax(crossed))
            raise InputError(
                f"parameter {self.label(e)}: its bounds cross, lower {lower[e]:g} > upper {upper[e]:g}; exchange them."
            )
        outside = (value < lower) | (value > upper)
        if np.any(outside):
            e = int(np.argmax(outside))
            raise InputError(
                f"parameter {self.label(e)} = {value[e]:g} is outside its bounds ({lower[e]:g}, {upper[e]:g}); start "
                "within them, or widen them."
            )
        scale = self.scale.reshape(-1)
        wrong = ~((scale > 0) & np.isfinite(scale))
        _refuse(self, wrong, scale, "has the scale {}", "a scale is positive and finite")
        _check_tied(self)


@dataclass(frozen=True, eq=False)
class Parameters:
    """All parameters of an objective, as one flat vector of free variables and back.

        x_i = value_e / scale_e  for the entries e that share variable i,      x̄_i = Σ_e scale_e value̅_e

    Parameters
    ----------
    given : sequence of Parameter
        Names are different; at least one entry is free.

    Raises
    ------
    InputError, InputTypeError
    """

    given: tuple[Parameter, ...]

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        asked: Any = self.given
        given = tuple(asked) if isinstance(asked, Iterable) else (asked,)
        for p in given:
            if not isinstance(p, Parameter):
                raise InputTypeError(f"parameters hold a {type(p).__name__}; pass na.Parameter objects.")
        for name, count in Counter(p.name for p in given).items():
            if count > 1:
                raise InputError(f"{count} parameters have the name {name!r}; give each a name of its own.")
        object.__setattr__(self, "given", given)
        if not given or self.n_variables == 0:
            raise InputError("no parameter is free; leave at least one entry without `fixed`.")

    @property
    def n_variables(self) -> int:
        """Length of x."""
        return len(self._first)

    @property
    def x0(self) -> Array:
        """The values given, as scaled variables, shape (n_variables,); a copy, the caller's own."""
        return self._start[self._first] / self._scale[self._first]

    @property
    def bounds(self) -> tuple[Array, Array]:
        """(lower, upper) of the scaled variables, each of shape (n_variables,); copies, the caller's own."""
        lower, upper = self._bounds
        return lower.copy(), upper.copy()

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        lower = np.full(self.n_variables, -np.inf)
        upper = np.full(self.n_variables, np.inf)
        free = self._entries
        np.maximum.at(lower, self._variable[free], _flat(p.lower for p in self.given)[free] / self._scale[free])
        np.minimum.at(upper, self._variable[free], _flat(p.upper for p in self.given)[free] / self._scale[free])
        return lower, upper

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name for every variable: that of the first entry it stands for."""
        return tuple(self._label(int(e)) for e in self._first)

    def values(self, x: ArrayLike) -> dict[str, Any]:
        """The parameters at x: by name an array of the shape given, or a float for a single number."""
        x = self.checked(x)
        flat = self._start.copy()
        free = self._entries
        flat[free] = x[self._variable[free]] * self._scale[free]
        return self._cut(flat)

    def tangent(self, v: ArrayLike) -> dict[str, Any]:
        """How the parameters move along a direction v of x; fixed entries do not."""
        v = self.checked(v, "v")
        flat = np.zeros(len(self._start))
        free = self._entries
        flat[free] = v[self._variable[free]] * self._scale[free]
        return self._cut(flat)

    def gradient(self, values_bar: Mapping[str, Any]) -> Array:
        """x̄ from cotangents of the parameters by name; one that is missing or None is an exact zero.

        Parameters
        ----------
        values_bar : mapping of name to array
            Of the parameter's shape, or with one more axis in front, the same for all: then x̄ has it too.

        Returns
        -------
        array, shape (n_variables,) or (n_rows, n_variables), float64
        """
        bars, n_rows = [], None
        for p in self.given:
            bar = values_bar.get(p.name)
            bar = None if bar is None else _real(bar, f"the cotangent of parameter {p.name!r}")
            if bar is not None and bar.shape == (*bar.shape[:1], *p.value.shape) and bar.ndim == p.value.ndim + 1:
                n_rows = bar.shape[0]
            elif bar is not None and bar.shape != p.value.shape:
                raise ShapeError(
                    f"the cotangent of parameter {p.name!r} has shape {bar.shape} but the parameter {p.value.shape}."
                )
            bars.append(bar)
        lead = () if n_rows is None else (n_rows,)
        flat = np.concatenate(
            [
                np.zeros((*lead, p.value.size)) if bar is None else bar.reshape(*lead, p.value.size)
                for p, bar in zip(self.given, bars)
            ],
            axis=-1,
        )
        order, starts = self._sorted
        return np.add.reduceat(flat[..., order] * self._scale[order], starts, axis=-1)

    def checked(self, x: ArrayLike, name: str = "x") -> Array:
        """x as a float64 vector of its length, all finite; otherwise an error that names the variable."""
        found = _real(x, name)
        if found.shape != (self.n_variables,):
            raise ShapeError(f"{name} has shape {found.shape} but there are {self.n_variables} free variables.")
        if not np.all(np.isfinite(found)):
            i = int(np.argmin(np.isfinite(found)))
            raise InputError(f"{name}[{i}] = {found[i]}, the variable {self.names[i]!r}; it must be a finite number.")
        return found

    @cached_property
    def _start(self) -> Array:
        """The values of all entries, fixed ones too."""
        return _flat(p.value for p in self.given)

    @cached_property
    def _scale(self) -> Array:
        return _flat(p.scale for p in self.given)

    @cached_property
    def _offsets(self) -> Array:
        """First entry of every parameter, and their number at the end."""
        return np.concatenate(([0], np.cumsum([p.value.size for p in self.given], dtype=np.int64)))

    @cached_property
    def _variable(self) -> Array:
        """The variable of every entry, −1 for a fixed one; variables are in the order of their first entries."""
        groups = []
        for p, offset in zip(self.given, self._offsets):
            own = offset + _first_tied(p)
            groups.append(np.where(p.fixed.reshape(-1), -1, own))
        group = np.concatenate(groups)
        free = group >= 0
        variable = np.full(len(group), -1)
        variable[free] = np.unique(group[free], return_inverse=True)[1].reshape(-1)
        return variable

    @cached_property
    def _entries(self) -> Array:
        """The free entries."""
        return np.flatnonzero(self._variable >= 0)

    @cached_property
    def _first(self) -> Array:
        """The first entry of every variable."""
        return self._entries[np.unique(self._variable[self._entries], return_index=True)[1]]

    @cached_property
    def _sorted(self) -> tuple[Array, Array]:
        """The free entries sorted by variable, and where each variable's begin."""
        order = self._entries[np.argsort(self._variable[self._entries], kind="stable")]
        return order, np.searchsorted(self._variable[order], np.arange(self.n_variables))

    def _label(self, entry: int) -> str:
        k = int(np.searchsorted(self._offsets, entry, side="right")) - 1
        return self.given[k].label(entry - int(self._offsets[k]))

    def _cut(self, flat: Array) -> dict[str, Any]:
        found = {}
        for p, start, stop in zip(self.given, self._offsets[:-1], self._offsets[1:]):
            part = flat[start:stop].reshape(p.value.shape)
            found[p.name] = float(part) if p.value.ndim == 0 else part
        return found


def as_parameters(parameters: Any) -> Parameters:
    """`Parameters` of a `Parameters`, one `Parameter` or a sequence of them."""
    return parameters if isinstance(parameters, Parameters) else Parameters(parameters)


def _first_tied(p: Parameter) -> Array:
    """For every entry the first that it is tied to, itself where there is none before it."""
    found = np.arange(p.value.size)
    if p.tie is not None:
        tie = p.tie.reshape(-1)
        tied = np.flatnonzero(tie >= 0)
        _, first, inverse = np.unique(tie[tied], return_index=True, return_inverse=True)
        found[tied] = tied[first][inverse.reshape(-1)]
    return found


def _check_tied(p: Parameter) -> None:
    """Entries that share a variable start at one value, with one scale, all free or all fixed."""
    first = _first_tied(p)
    for name, array in (("value", p.value), ("scale", p.scale), ("fixed", p.fixed)):
        flat = array.reshape(-1)
        differs = flat != flat[first]
        if np.any(differs):
            e = int(np.argmax(differs))
            raise InputError(
                f"parameter {p.label(e)} is tied to {p.label(int(first[e]))} but has {name} {flat[e]} beside "
                f"{flat[first[e]]}; tied entries share it."
            )


def _flat(arrays: Iterable[Array]) -> Array:
    return np.concatenate([x.reshape(-1) for x in arrays])


def _real(x: Any, name: str) -> Array:
    """A float64 copy on the host."""
    try:
        found = np.asarray(to_numpy(x) if is_array(x) else x)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array ({error}).") from error
    if found.dtype.kind not in "iuf":
        fix = "give its real and imaginary parts as two parameters" if found.dtype.kind == "c" else "pass real numbers"
        raise InputTypeError(f"{name} has dtype {found.dtype}; {fix}.")
    return np.array(found, dtype=np.float64)


def _check_finite(x: Array, name: str) -> None:
    if not np.all(np.isfinite(x)):
        where = np.argwhere(~np.isfinite(x))[0].tolist()
        raise InputError(f"{name}{where or ''} = {x[tuple(where)]}; every entry must be a finite number.")


def _like(start: Array, x: Any, name: str) -> Array:
    given = _real(x, name)
    if given.shape not in ((), start.shape):
        raise ShapeError(f"{name} has shape {given.shape} but the value {start.shape}; give one number, or as many.")
    return np.array(np.broadcast_to(given, start.shape))


def _mask(start: Array, fixed: Any, name: str) -> Array:
    given = np.asarray(fixed)
    if given.dtype.kind != "b" or given.shape not in ((), start.shape):
        raise InputTypeError(f"parameter {name!r}: fixed={fixed!r} must be a boolean, or booleans of value's shape.")
    return np.array(np.broadcast_to(given, start.shape))


def _tie_numbers(start: Array, tie: Any, name: str) -> Array:
    given = np.array(tie)
    if given.dtype.kind not in "iu" or given.shape != start.shape:
        raise InputTypeError(
            f"parameter {name!r}: tie has dtype {given.dtype} and shape {given.shape} but must be integers of value's "
            f"shape {start.shape}, −1 for an entry tied to none."
        )
    given.setflags(write=False)
    return given


def _refuse(p: Parameter, wrong: Array, x: Array, what: str, fix: str) -> None:
    if np.any(wrong):
        e = int(np.argmax(wrong))
        raise InputError(f"parameter {p.label(e)} {what.format(x[e])}; {fix}.")


def brief_values(values: Mapping[str, Any]) -> str:
    """The parameters' values in one line, for messages: "U = 0.3, onsite = [0.1, 0.2, …]"."""
    found = []
    for name, value in values.items():
        flat = np.reshape(value, -1)
        text = ", ".join(f"{x:.6g}" for x in flat[:4]) + (", …" if flat.size > 4 else "")
        found.append(f"{name} = {text if np.ndim(value) == 0 else f'[{text}]'}")
    return ", ".join(found)
