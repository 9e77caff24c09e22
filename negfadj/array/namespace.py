"""Which array library an array belongs to, and the few facts about dtypes that the floors above ask for."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ..errors import InputTypeError
from ..typing import Array, Namespace

_NUMPY = array_api_compat.array_namespace(np.zeros(0))


def is_array(x: object) -> bool:
    """True for an array of an Array-API library (Python numbers and lists are not)."""
    return bool(array_api_compat.is_array_api_obj(x))


def array_namespace(*arrays: Any) -> Namespace:
    """The one Array-API namespace of the arrays given; Python numbers and None are ignored.

    Raises
    ------
    InputTypeError
        When the arrays are of different libraries, or none is an array.
    """
    if len(arrays) == 1 and type(arrays[0]) is np.ndarray:  # asked for at every step of every sweep
        return _NUMPY
    found = [a for a in arrays if is_array(a)]
    if not found:
        raise InputTypeError("no array among the arguments; pass NumPy or CuPy arrays.")
    if all(type(a) is np.ndarray for a in found):
        return _NUMPY
    try:
        return array_api_compat.array_namespace(*found)
    except TypeError as error:
        names = sorted({type(a).__module__.split(".")[0] for a in found})
        raise InputTypeError(
            f"arrays of different libraries are mixed: {', '.join(names)}; convert all of them to one library first."
        ) from error


def device_of(x: Array) -> Any:
    """The device an array lives on, as its own library names it."""
    return array_api_compat.device(x)


def is_complex(x: Array) -> bool:
    """True when the dtype of the array is complex."""
    if type(x) is np.ndarray:
        return bool(x.dtype.kind == "c")
    return bool(array_namespace(x).isdtype(x.dtype, "complex floating"))


def is_single(x: Array) -> bool:
    """True for float32 and complex64."""
    xp = array_namespace(x)
    return x.dtype in (xp.float32, xp.complex64)


def complex_dtype(*arrays: Array) -> Any:
    """complex64 when every floating array is single precision, else complex128."""
    xp = array_namespace(*arrays)
    return xp.complex64 if all(is_single(a) for a in arrays) else xp.complex128


def real_dtype(dtype: Any, xp: Namespace) -> Any:
    """The real dtype of the same precision as `dtype`."""
    return xp.float32 if dtype in (xp.float32, xp.complex64) else xp.float64


def eps_of(x: Array) -> float:
    """The unit round-off of the array's dtype (of its real parts)."""
    return 1.1920929e-07 if is_single(x) else 2.220446049250313e-16


def as_real_like(x: Array, primal: Array) -> Array:
    """A cotangent in the field of its primal: real part for a real primal, cast to the primal's dtype."""
    xp = array_namespace(x)
    if is_complex(x) and not is_complex(primal):
        x = xp.real(x)
    return xp.astype(x, primal.dtype, copy=False)


def to_numpy(x: Array) -> np.ndarray:
    """The array as a NumPy array on the host: the one explicit way down, used at the very end or for error messages."""
    if isinstance(x, np.ndarray):
        return x
    if array_api_compat.is_cupy_array(x):
        return np.asarray(x.get())
    if is_array(x):
        x = array_api_compat.to_device(x, "cpu") if not hasattr(x, "__array_namespace__") else _host(x)
    return np.asarray(x)


def _host(x: Array) -> Array:
    """Move to the default device of a library that names its devices itself (array-api-strict)."""
    xp = x.__array_namespace__()
    try:
        return x.to_device(xp.Device("CPU_DEVICE"))
    except (AttributeError, ValueError):
        return x
