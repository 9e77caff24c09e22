"""The border to C: pointers become arrays, handles the objects behind them, exceptions error codes with a message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any

import numpy as np

from ..errors import ConvergenceError, HermiticityError, InputError, MemoryLimitError, NegfadjError, ShapeError
from .c_interface_data import CDevice, CResult
from .c_interface_functions import CHANGING, FUNCTIONS
from .c_interface_prototypes import Parameter, Prototype, constants, header_text, prototypes

DTYPES = {"negfadj_complex": np.complex128, "double": np.float64, "int": np.int32, "int64_t": np.int64}
KINDS: dict[str, type] = {"negfadj_device": CDevice, "negfadj_result": CResult}
FREEING = {"negfadj_device_free": "negfadj_device", "negfadj_result_free": "negfadj_result"}
ADVICE = {
    "negfadj_device": "give what negfadj_device_create handed out and negfadj_device_free has not seen",
    "negfadj_result": "give what a negfadj_*_vjp handed out and negfadj_result_free has not seen",
}
CODES: tuple[tuple[type[BaseException], str], ...] = (
    (ShapeError, "SHAPE"),
    (HermiticityError, "HERMITICITY"),
    (InputError, "INPUT"),
    (ConvergenceError, "CONVERGENCE"),
    (MemoryLimitError, "MEMORY"),
    (MemoryError, "MEMORY"),
)


class HandleError(NegfadjError):
    """A handle from C stands for nothing, or for something of the other kind."""


class Handles:
    """What the handles stand for: a number, never used twice, for every device and result not yet freed."""

    def __init__(self) -> None:
        self._objects: dict[int, Any] = {}
        self._numbers = count(0x1000)  # 0 is NULL, and small numbers come from uninitialised variables

    def keep(self, content: Any) -> int:
        """The number of a new handle."""
        number = next(self._numbers)
        self._objects[number] = content
        return number

    def content(self, number: int, kind: str, name: str) -> Any:
        """What a handle of that kind stands for.

        Raises
        ------
        HandleError
            When it is NULL, not known, or of the other kind.
        """
        if number == 0:
            raise HandleError(f"{name} is NULL; {ADVICE[kind]}.")
        content = self._objects.get(number)
        if content is None:
            raise HandleError(f"{name} = {number:#x} is no handle, or one that was freed; {ADVICE[kind]}.")
        if not isinstance(content, KINDS[kind]):
            other = next(k for k, cls in KINDS.items() if isinstance(content, cls))
            raise HandleError(f"{name} = {number:#x} is a {other} and not a {kind}; {ADVICE[kind]}.")
        return content

    def replace(self, number: int, content: Any) -> None:
        """Another content for a handle."""
        self._objects[number] = content

    def free(self, number: int) -> None:
        """Forget a handle."""
        del self._objects[number]


def header_digest() -> str:
    """What tells one version of negfadj.h from another."""
    return hashlib.sha256(header_text().encode()).hexdigest()


def connect(ffi: Any, digest: str) -> None:
    """Put the functions of negfadj.h behind the library that started this Python.

    Parameters
    ----------
    ffi : cffi.FFI
        Of the library.
    digest : str
        `header_digest()` when the library was built.

    Raises
    ------
    InputError
        When the library was built with another header than the one installed.
    """
    if digest != header_digest():
        raise InputError(
            "libnegfadj.so was built with another version of negfadj.h than the negfadj it finds; build it again with "
            "python -m negfadj.embedding.build_c_library."
        )
    handles, lock = Handles(), Lock()
    for prototype in prototypes():
        ffi.def_extern(name=f"python_{prototype.name}")(_entry(ffi, prototype, handles, lock))


def _entry(ffi: Any, prototype: Prototype, handles: Handles, lock: Lock) -> Callable[..., int]:
    """A function for C: never raises, returns 1 + the error code, and writes the message."""

    def call_from_c(*arguments: Any) -> int:
        *given, message, capacity = arguments
        try:
            with lock:
                _call(ffi, prototype, handles, given)
        except BaseException as error:  # a KeyboardInterrupt must not unwind into C either
            code, text = described(error)
            encoded = f"{prototype.name}: {text}".encode()[: capacity - 1].decode(errors="ignore").encode() + b"\0"
            ffi.memmove(message, encoded, len(encoded))
            return 1 + code
        return 1

    return call_from_c


def described(error: BaseException) -> tuple[int, str]:
    """The error code and the message of an exception."""
    codes = constants()
    if isinstance(error, HandleError):
        return codes["NEGFADJ_ERROR_HANDLE"], str(error)
    for kind, name in CODES:
        if isinstance(error, kind):
            return codes[f"NEGFADJ_ERROR_{name}"], str(error) or type(error).__name__
    if isinstance(error, ImportError):
        return codes["NEGFADJ_ERROR_ENVIRONMENT"], str(error)
    return codes["NEGFADJ_ERROR_INTERNAL"], f"{type(error).__name__}: {error}"


def _call(ffi: Any, prototype: Prototype, handles: Handles, given: list[Any]) -> None:
    """Read what is handed in, compute, and write what is handed out once all of it is known to fit."""
    values = dict(zip((parameter.name for parameter in prototype.parameters), given))
    handed_in, outputs = [], []
    for parameter in prototype.parameters:
        if parameter.is_output:
            _check_pointer(ffi, parameter, values)
            outputs.append(parameter)
        elif parameter.is_handle:
            number = int(ffi.cast("uintptr_t", values[parameter.name]))
            handed_in.append(handles.content(number, parameter.type, parameter.name))
        elif parameter.is_array:
            handed_in.append(_array(ffi, parameter, values))
        elif not parameter.is_length:
            handed_in.append(values[parameter.name])
    first = int(ffi.cast("uintptr_t", given[0])) if prototype.parameters and prototype.parameters[0].is_handle else 0
    if prototype.name in FREEING:
        handles.free(first)
        return
    found = list(FUNCTIONS[prototype.name](*handed_in))
    changed = found.pop(0) if prototype.name in CHANGING else None
    for parameter, value in zip(outputs, found, strict=True):
        _check_length(ffi, parameter, values, value)
    if changed is not None:
        handles.replace(first, changed)
    for parameter, value in zip(outputs, found):
        _write(ffi, parameter, values[parameter.name], value, handles)


def _check_pointer(ffi: Any, parameter: Parameter, values: dict[str, Any]) -> None:
    if values[parameter.name] == ffi.NULL and not parameter.is_optional:
        what = "an array" if parameter.is_array else f"a variable of type {parameter.type}"
        raise InputError(f"{parameter.name} is NULL; give the address of {what}.")


def _array(ffi: Any, parameter: Parameter, values: dict[str, Any]) -> np.ndarray | None:
    """A copy of an array of C."""
    pointer, length = values[parameter.name], values[f"{parameter.name}_length"]
    if pointer == ffi.NULL and parameter.is_optional:
        return None
    if length < 0:
        raise ShapeError(f"{parameter.name}_length = {length}; it is the number of entries of {parameter.name}.")
    dtype = np.dtype(DTYPES[parameter.type])
    if length == 0:
        return np.zeros(0, dtype)
    _check_pointer(ffi, parameter, values)
    array = np.frombuffer(_bytes(ffi, pointer, length * dtype.itemsize), dtype).copy()
    if dtype.kind in "fc" and not np.all(np.isfinite(array)):
        worst = int(np.argmin(np.isfinite(array)))
        raise InputError(f"{parameter.name}[{worst}] = {array[worst]} is not finite; give numbers.")
    return array


def _check_length(ffi: Any, parameter: Parameter, values: dict[str, Any], value: Any) -> None:
    if not parameter.is_array or values[parameter.name] == ffi.NULL:
        return
    length = values[f"{parameter.name}_length"]
    if length != value.shape[0]:
        raise ShapeError(
            f"{parameter.name}_length = {length}, but {parameter.name} has {value.shape[0]} entries; give an array of "
            "that length."
        )


def _write(ffi: Any, parameter: Parameter, pointer: Any, value: Any, handles: Handles) -> None:
    if pointer == ffi.NULL:
        return
    if parameter.type in KINDS:
        ffi.cast("uintptr_t *", pointer)[0] = handles.keep(value)
        return
    data = np.asarray(value, dtype=DTYPES[parameter.type]).tobytes()
    ffi.memmove(pointer, data, len(data))


def _bytes(ffi: Any, pointer: Any, size: int) -> Any:
    return ffi.buffer(ffi.cast("char *", pointer), size)
