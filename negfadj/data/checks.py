"""Checks made when a data class is built: shape, finite numbers, Hermiticity; each error names the entry at fault."""

from __future__ import annotations

from typing import Any

from ..array import adjoint, array_namespace, device_of, eps_of, is_array
from ..errors import HermiticityError, InputError, InputTypeError, ShapeError
from ..typing import Array, Namespace


def as_float_array(x: Any, name: str, xp: Namespace, device: Any = None) -> Array:
    """`x` as a floating array of the namespace: integers and booleans become float64; other kinds are refused."""
    if not is_array(x):
        try:
            x = xp.asarray(x, device=device) if device is not None else xp.asarray(x)
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"{name} cannot be made an array ({error}); pass an array of numbers.") from error
    if not hasattr(x, "dtype") or not _is_numeric(x, xp):
        raise InputTypeError(f"{name} has dtype {getattr(x, 'dtype', type(x))}; pass real or complex numbers.")
    if xp.isdtype(x.dtype, ("integral", "bool")):
        x = xp.astype(x, xp.float64)
    if x.dtype not in (xp.float32, xp.float64, xp.complex64, xp.complex128):
        raise InputTypeError(
            f"{name} has dtype {x.dtype}; use float32, float64, complex64, complex128 or an integer type."
        )
    return x


def _is_numeric(x: Array, xp: Namespace) -> bool:
    try:
        return bool(xp.isdtype(x.dtype, ("numeric", "bool")))
    except (TypeError, ValueError):
        return False


def check_finite(x: Array, name: str) -> None:
    """Raise `InputError` naming the first entry that is NaN or infinite."""
    xp = array_namespace(x)
    finite = xp.isfinite(x)
    if bool(xp.all(finite)):
        return
    flat = int(xp.argmin(xp.astype(xp.reshape(finite, (-1,)), xp.int8)))
    where: list[int] = []
    for length in reversed(x.shape):
        where.insert(0, flat % length)
        flat //= length
    raise InputError(f"{name}{where} is {x[tuple(where)]}; every entry must be a finite number.")


def check_matrix(x: Array, name: str, shape: tuple[int | None, int | None] = (None, None), why: str = "") -> None:
    """Raise `ShapeError` unless `x` is a matrix of the shape (None: any length but zero)."""
    if x.ndim != 2 or 0 in x.shape or any(want is not None and want != has for want, has in zip(shape, x.shape)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ShapeError(f"{name} has shape {tuple(x.shape)} but must be a matrix of shape ({wanted}){why}.")


def check_square(x: Array, name: str) -> None:
    """Raise `ShapeError` unless `x` is a square matrix."""
    if x.ndim != 2 or x.shape[0] != x.shape[1] or x.shape[0] == 0:
        raise ShapeError(f"{name} has shape {tuple(x.shape)} but must be a square matrix.")


def check_hermitian(x: Array, name: str) -> None:
    """Raise `HermiticityError` naming the worst entry when |X − X†| exceeds √eps times the largest entry."""
    xp = array_namespace(x)
    difference = xp.abs(x - adjoint(x))
    worst = float(xp.max(difference))
    scale = float(xp.max(xp.abs(x)))
    if worst <= eps_of(x) ** 0.5 * scale:
        return
    flat = int(xp.argmax(xp.reshape(difference, (-1,))))
    i, j = divmod(flat, x.shape[1])
    if i == j:
        raise HermiticityError(f"{name} is not Hermitian: its diagonal entry [{i}, {i}] = {x[i, i]} must be real.")
    raise HermiticityError(
        f"{name} is not Hermitian: entry [{i}, {j}] = {x[i, j]} but entry [{j}, {i}] = {x[j, i]} "
        f"(largest difference {worst:.3g}); give a Hermitian block, or the whole matrix with `lower` blocks of its own "
        "where a non-Hermitian device is meant."
    )


def check_positive_definite(x: Array, name: str) -> None:
    """Raise `InputError` with the lowest eigenvalue unless the Hermitian matrix `x` is positive definite."""
    lowest = float(array_namespace(x).min(array_namespace(x).linalg.eigvalsh(x)))
    if not lowest > 0:
        raise InputError(
            f"{name} has an eigenvalue {lowest:.6g}, but an overlap matrix is positive definite; check its sign."
        )


def check_integer(x: Any, name: str) -> int:
    """`x` as an int, or `InputTypeError`."""
    if isinstance(x, bool) or not hasattr(x, "__index__"):
        raise InputTypeError(f"{name}={x!r} must be an integer.")
    return int(x.__index__())


def common_namespace(*arrays: Any) -> Namespace:
    """The one namespace of the arrays among the arguments, also checking that they share a device."""
    found = [a for a in arrays if is_array(a)]
    xp = array_namespace(*found)
    devices = {str(device_of(a)) for a in found}
    if len(devices) > 1:
        raise InputTypeError(f"arrays on different devices are mixed: {', '.join(sorted(devices))}; move them to one.")
    return xp
