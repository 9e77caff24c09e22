"""What an objective asks of a subject: a function of negfadj or of the user, and its pullback."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import array_namespace, device_of, is_array, rebuild, to_numpy
from ..errors import InputError, InputTypeError
from ..typing import Array
from .cotangents import subject_of


@dataclass(frozen=True, eq=False, init=False)
class Quantity:
    """function(subject, *arguments, **options), an array of real numbers, and the way back to the subject.

    Two terms that are given the same `Quantity` object share one calculation.

    Parameters
    ----------
    function : callable
        As `negfadj.transmission`: the subject comes first.
    *arguments, **options
        Handed on: `energies`, `eta=1e-6`. Arrays, those in lists, tuples and dicts too, are copied when the quantity is
        built: changing them later does not change it.
    of : str, optional
        Which of several subjects, where the model makes a mapping or named tuple of them.
    twin : callable, optional
        twin(subject, *arguments, **options) → (value, pullback); pullback(value_bar) gives the subject's cotangent,
        alone or first in a named tuple. Default: `<name of the function>_vjp` in the function's own module.
    name : str, optional
        For messages; default the function's name.

    Raises
    ------
    InputError, InputTypeError
        When the function has no twin and none is given.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    of: str | None
    twin: Callable[..., Any]
    name: str

    def __init__(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        of: str | None = None,
        twin: Callable[..., Any] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if not callable(function):
            raise InputTypeError(f"function={function!r} of a quantity must be callable, as negfadj.transmission is.")
        called = getattr(function, "__name__", type(function).__name__)
        found = twin or sibling(function, "vjp")
        if found is None:
            raise InputError(
                f"{called} has no {called}_vjp in its module {getattr(function, '__module__', '?')}; give twin=, a "
                "function that returns (value, pullback)."
            )
        for key, value in (
            ("function", function),
            ("arguments", _own(arguments)),
            ("options", _own(options)),
            ("of", of),
            ("twin", found),
            ("name", name or called),
        ):
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        return f"Quantity({self.name}{'' if self.of is None else f', of={self.of!r}'})"

    def __call__(self, made: Any) -> Array:
        """The value, a real array on the host, of what a model made."""
        return self._host(self.function(subject_of(made, self.of), *self.arguments, **self.options))

    def vjp(self, made: Any) -> tuple[Array, Callable[..., Any]]:
        """The value and its pullback value_bar, wrt → (cotangent of the subject, whether `wrt` was taken)."""
        value, pullback = self.twin(subject_of(made, self.of), *self.arguments, **self.options)
        host = self._host(value)
        takes_wrt = takes(pullback, "wrt")

        def quantity_pullback(value_bar: Array, wrt: Any = None) -> tuple[Any, bool]:
            bar = np.reshape(np.asarray(value_bar, dtype=np.float64), host.shape)
            given = float(bar) if isinstance(value, float) else beside(bar, value)
            asked = takes_wrt and wrt is not None
            return first_of(pullback(given, wrt=wrt) if asked else pullback(given)), asked

        return host, quantity_pullback

    def at(self, grid: Array) -> Quantity:
        """The same quantity with another first argument: on other energies, at other momenta."""
        return rebuild(self, arguments=(grid, *self.arguments[1:]))  # type: ignore[no-any-return]

    def _host(self, value: Any) -> Array:
        found = to_numpy(value) if is_array(value) else np.asarray(value)
        if found.dtype.kind not in "iuf":
            raise InputTypeError(
                f"the quantity {self.name} has dtype {found.dtype}; terms are made of real numbers: give a function "
                "that returns them."
            )
        found = found.astype(np.float64)
        if not np.all(np.isfinite(found)):
            raise InputError(f"the quantity {self.name} holds a number that is not finite.")
        return found


def _own(x: Any) -> Any:
    """A copy of an array, or of what plain lists, tuples and dicts hold; anything else as it is."""
    if is_array(x):
        return array_namespace(x).asarray(x, copy=True)
    if type(x) is dict:
        return {key: _own(item) for key, item in x.items()}
    return type(x)(_own(item) for item in x) if type(x) in (list, tuple) else x


def sibling(function: Callable[..., Any], kind: str) -> Callable[..., Any] | None:
    """`<name>_<kind>` in the module of a function, or None."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    found = getattr(module, f"{getattr(function, '__name__', '')}_{kind}", None)
    return found if callable(found) else None


def beside(bar: Array, value: Any) -> Any:
    """A host array in the library, on the device of a value."""
    if not is_array(value) or isinstance(value, np.ndarray):
        return bar
    return array_namespace(value).asarray(bar, device=device_of(value))


def first_of(bars: Any) -> Any:
    """The subject's cotangent: the first of a named tuple of them, or the only one."""
    return bars[0] if isinstance(bars, tuple) and hasattr(bars, "_fields") else bars


def takes(pullback: Callable[..., Any], name: str) -> bool:
    """Has a pullback a keyword of this name?"""
    try:
        return name in inspect.signature(pullback).parameters
    except (TypeError, ValueError):
        return False
