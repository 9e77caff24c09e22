"""Hessian-vector products from exact gradients, where a quantity has none of its own.

    H v = [8 (g(x + h v) − g(x − h v)) − (g(x + 2 h v) − g(x − 2 h v))]/12 h + O(h⁴)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InputError
from ..physics.energy_integral import real_host
from ..typing import Array
from .curvature_traces import HessianVectorProduct


def hessian_by_differences(
    value_and_gradient: Callable[[Array], tuple[Any, Any]], *, step: float = 0.1
) -> HessianVectorProduct:
    """A Hessian-vector product made of four gradients.

    Parameters
    ----------
    value_and_gradient : callable
        x (n,) → (f, g (n,)).
    step : float
        h as a share of v, positive. In `variability` v is one standard deviation, over which f is smooth where the
        second order makes sense; the error is h⁴ of the fifth derivative, and noise of the gradient is divided by h.

    Returns
    -------
    callable
        (x, v) → H v, shape (n,).

    Raises
    ------
    InputError
        For a step that is not positive.
    """
    if not step > 0:
        raise InputError(f"step={step!r} must be positive.")

    def product(x: Array, v: Array) -> Array:
        at = {k: real_host(value_and_gradient(x + k * step * v)[1], "the gradient") for k in (-2, -1, 1, 2)}
        return (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * step)

    return product
