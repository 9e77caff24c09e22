"""The registry of hot loops: a name, its reference in plain Array API, and faster twins for NumPy and CuPy arrays.

The reference is the definition of a kernel and runs on any array library. NumPy arrays take the numba twin, CuPy
arrays the CUDA one, where there is one. `use_kernels("reference")` forces the reference everywhere.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import array_api_compat
import numpy as np

from ..errors import InputError
from ..typing import Array
from .namespace import array_namespace

Choice = Literal["auto", "reference"]
PACKAGE = "negfadj._kernels"
_choice: ContextVar[Choice] = ContextVar("negfadj_kernels", default="auto")


KERNELS: dict[str, Kernel] = {}  # every kernel by name, filled as their modules are imported


@dataclass(frozen=True)
class Kernel:
    """A hot loop with one definition and any number of faster twins.

    `numba` and `cuda` are "module:function" under ``negfadj._kernels``, imported at first use; they serve complex
    arrays, and `real` ones too where that says so.
    """

    name: str
    reference: Callable[..., Any]
    numba: str | None = None
    cuda: str | None = None
    real: bool = False

    def __post_init__(self) -> None:
        KERNELS[self.name] = self

    def __call__(self, *arguments: Any) -> Any:
        """Run the implementation that serves the first argument, an array."""
        return self.implementation(arguments[0])(*arguments)

    def implementation(self, x: Array) -> Callable[..., Any]:
        """The function that serves arrays like `x` under the present choice of kernels."""
        if _choice.get() == "reference":
            return self.reference
        if isinstance(x, np.ndarray) and x.dtype.kind in ("cf" if self.real else "c") and self.numba is not None:
            return _load(self.numba)
        if array_api_compat.is_cupy_array(x) and self.cuda is not None:
            return _load(self.cuda)
        return self.reference


def _load(path: str) -> Callable[..., Any]:
    module, function = path.split(":")
    _kernels_package()
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), function)  # type: ignore[no-any-return]


@cache
def _kernels_package() -> None:
    """Import ``negfadj._kernels``: installed, or ``kernels/`` beside ``negfadj/`` in the source tree."""
    try:
        importlib.import_module(PACKAGE)
    except ModuleNotFoundError:
        source = Path(__file__).resolve().parents[2] / "kernels"
        found = importlib.util.spec_from_file_location(
            PACKAGE, source / "__init__.py", submodule_search_locations=[str(source)]
        )
        if found is None or found.loader is None or not source.is_dir():
            raise
        sys.modules[PACKAGE] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[PACKAGE])


def _inverse_reference(x: Array) -> Array:
    """Inverse of every matrix; NaN where one is singular, which NumPy alone answers with an exception for all."""
    xp = array_namespace(x)
    try:
        return xp.linalg.inv(x)
    except np.linalg.LinAlgError:
        if x.ndim == 2:
            return xp.full_like(x, complex("nan+nanj") if xp.isdtype(x.dtype, "complex floating") else float("nan"))
        return xp.stack([_inverse_reference(x[k, ...]) for k in range(x.shape[0])])


inverse = Kernel("inverse", _inverse_reference, numba="inverse:inverse", cuda="cuda_inverse:inverse", real=True)


@contextmanager
def use_kernels(choice: Choice) -> Iterator[None]:
    """Within the block, take "reference" implementations everywhere, or "auto": the fastest for each array library.

    Raises
    ------
    InputError
        For any other choice.
    """
    if choice not in ("auto", "reference"):
        raise InputError(f"use_kernels({choice!r}): the choices are 'auto' and 'reference'.")
    token = _choice.set(choice)
    try:
        yield
    finally:
        _choice.reset(token)
