"""Tangents and second derivatives of quantities: a function's `_jvp` and `_jvp_vjp`, the tangent over the adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import to_numpy
from ..errors import InputError
from ..physics.second_order import transmission_jvp, transmission_jvp_vjp
from ..physics.transport import transmission
from ..typing import Array
from .cotangents import subject_of
from .quantity import Quantity, beside, first_of, sibling, takes

# Those that are in another module than their function.
ELSEWHERE: dict[tuple[Callable[..., Any], str], Callable[..., Any]] = {
    (transmission, "jvp"): transmission_jvp,
    (transmission, "jvp_vjp"): transmission_jvp_vjp,
}


def twin(quantity: Quantity, kind: str) -> Callable[..., Any] | None:
    """The function's `_jvp`, (subject, subject_dot, …) → (value, value_dot), or `_jvp_vjp`, which adds a pullback."""
    return ELSEWHERE.get((quantity.function, kind)) or sibling(quantity.function, kind)


def tangent(quantity: Quantity, made: Any, made_dot: Any) -> Array:
    """How the quantity's numbers move with the subject."""
    jvp = twin(quantity, "jvp")
    assert jvp is not None
    of, of_dot = subject_of(made, quantity.of), subject_of(made_dot, quantity.of)
    return _host(jvp(of, of_dot, *quantity.arguments, **quantity.options)[1])


def value_tangent_pullback(
    quantity: Quantity, made: Any, made_dot: Any
) -> tuple[Array, Array, Callable[..., tuple[Any, Any]]]:
    """q, q̇, and the pullback (q̄, q̄˙, wrt) → the subject's cotangent and how it moves.

    Raises
    ------
    InputError
        Naming the quantity, when it has no second derivatives.
    """
    second = twin(quantity, "jvp_vjp")
    if second is None:
        name = getattr(quantity.function, "__name__", quantity.name)
        raise InputError(
            f"the quantity {quantity.name} has no exact second derivatives (no {name}_jvp_vjp); give the objective "
            'hessian_method="differences".'
        )
    of, of_dot = subject_of(made, quantity.of), subject_of(made_dot, quantity.of)
    value, value_dot, pullback = second(of, of_dot, *quantity.arguments, **quantity.options)
    takes_wrt = takes(pullback, "wrt")

    def second_pullback(bar: Array, bar_dot: Array, wrt: Any) -> tuple[Any, Any]:
        bars = (beside(np.reshape(x, np.shape(bar)), value) for x in (bar, bar_dot))
        found = pullback(*bars, wrt=wrt) if takes_wrt and wrt is not None else pullback(*bars)
        return first_of(found[0]), first_of(found[1])

    return _host(value), _host(value_dot), second_pullback


def _host(x: Any) -> Array:
    return np.asarray(to_numpy(x) if hasattr(x, "shape") else x, dtype=np.float64)
