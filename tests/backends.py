"""Array libraries to run a test on, and the way back to NumPy to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_strict
import numpy as np

from negfadj.array import is_array, tree_map

SECOND_DEVICE = array_api_strict.Device("device1")  # np.asarray of an array there raises: no silent copy to the host


@dataclass(frozen=True)
class Backend:
    """A name and the conversion of one NumPy array."""

    name: str
    convert: Callable[[np.ndarray], Any]

    def __call__(self, tree: Any) -> Any:
        """A tree (Device, Lead, tuple, array) with every array on this backend; the original is left alone."""
        return tree_map(lambda x: self.convert(x) if is_array(x) else x, tree)

    def __repr__(self) -> str:
        return self.name


def _readonly(x: np.ndarray) -> np.ndarray:
    x = np.array(x)
    x.setflags(write=False)
    return x


def _strict(x: np.ndarray) -> Any:
    return array_api_strict.asarray(np.array(x), device=SECOND_DEVICE)


def _cupy(x: np.ndarray) -> Any:
    import cupy

    return cupy.asarray(x)


BACKENDS = {
    "numpy": Backend("numpy", np.array),
    "numpy-readonly": Backend("numpy-readonly", _readonly),
    "array-api-strict": Backend("array-api-strict", _strict),
    "cupy": Backend("cupy", _cupy),
}
NUMPY = BACKENDS["numpy"]
READONLY = BACKENDS["numpy-readonly"]
STRICT = BACKENDS["array-api-strict"]


def gpu_fault() -> str | None:
    """What is missing for CuPy on a GPU; None when it works."""
    try:
        import cupy
    except ImportError as error:
        return f"CuPy cannot be imported: {error}"
    try:
        return None if int(cupy.sum(cupy.arange(4))) == 6 else "CuPy computes 0 + 1 + 2 + 3 wrongly"
    except Exception as error:
        return f"CuPy finds no usable GPU: {error}"


def host(x: Any) -> Any:
    """A tree of any backend with NumPy arrays; written apart from negfadj's own way down."""
    return tree_map(lambda leaf: _host(leaf) if is_array(leaf) else leaf, x)


def _host(x: Any) -> np.ndarray:
    if isinstance(x, np.ndarray | np.generic):
        return np.asarray(x)
    if type(x).__module__.startswith("cupy"):
        return x.get()
    return np.asarray(x.to_device(array_api_strict.Device("CPU_DEVICE")))
