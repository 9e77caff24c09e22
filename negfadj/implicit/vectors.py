"""Real vectors of any array library: inner products, norms, and the checks on what user functions return.

Inner products are sums of products in the library's own fixed order, not BLAS calls, so that they are the same bit for
bit whatever the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

from ..array import array_namespace, is_array, is_complex
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array


def inner(x: Array, y: Array) -> float:
    """Σ x_i y_i."""
    return float(array_namespace(x, y).sum(x * y))


def norm(x: Array) -> float:
    """√(Σ x_i²)."""
    return math.sqrt(inner(x, x))


def largest(x: Array) -> float:
    """max |x_i|; NaN if one is."""
    xp = array_namespace(x)
    return float(xp.max(xp.abs(x)))


def is_finite(x: Array) -> bool:
    """True when no entry is NaN or infinite."""
    xp = array_namespace(x)
    return bool(xp.all(xp.isfinite(x)))


def check_vector(x: Any, name: str) -> None:
    """Raise unless x is a real floating vector, finite, with at least one entry."""
    if not is_array(x):
        raise InputTypeError(f"{name} is a {type(x).__name__}; pass a vector of the array library to compute with.")
    if is_complex(x) or not array_namespace(x).isdtype(x.dtype, "real floating"):
        raise InputTypeError(f"{name} has dtype {x.dtype}; pass a real floating vector.")
    if x.ndim != 1 or x.shape[0] == 0:
        raise ShapeError(f"{name} has shape {tuple(x.shape)} but must be (n,), n ≥ 1.")
    if not is_finite(x):
        raise InputError(f"{name} has entries that are not finite.")


def check_image(y: Any, x: Array, name: str) -> None:
    """Raise unless y, which a user's function returned for x, has its shape."""
    shape = tuple(y.shape) if is_array(y) else None
    if shape != tuple(x.shape):
        given = "no array" if shape is None else f"shape {shape}"
        raise ShapeError(f"{name} gave {given} for a vector of shape {tuple(x.shape)}.")


def check_count(count: Any, name: str, least: int = 0) -> None:
    """Raise unless it is a whole number, `least` or more."""
    is_whole = hasattr(count, "__index__") and not isinstance(count, bool)
    if not is_whole or count < least:
        raise InputError(f"{name}={count!r} must be a whole number, {least} or more.")


def check_mixing(mixing: Any) -> None:
    """Raise unless it is a number above 0 and at most 1."""
    if not isinstance(mixing, int | float) or not 0 < mixing <= 1:
        raise InputError(f"mixing={mixing!r} must be above 0 and at most 1.")


def check_tolerance(tolerance: Any) -> None:
    """Raise unless it is a positive finite number."""
    if not isinstance(tolerance, int | float) or not (tolerance > 0 and math.isfinite(tolerance)):
        raise InputError(f"tolerance={tolerance!r} must be a positive finite number.")
