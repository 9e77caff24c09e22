"""A fingerprint of data: by it a checkpoint knows the calculation that it belongs to."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..array import is_array, to_numpy


def fingerprint(*data: Any) -> str:
    """SHA-256 of numbers, texts, arrays, data classes, mappings and sequences of them, static fields included.

    Other objects count by their `repr`. Equal numbers give the same fingerprint in every process.
    """
    digest = hashlib.sha256()
    _add(digest, data)
    return digest.hexdigest()


def _add(digest: Any, x: Any) -> None:
    if is_array(x) or isinstance(x, np.generic):
        values = np.ascontiguousarray(to_numpy(x))
        digest.update(f"array {values.dtype.str} {values.shape} ".encode())
        digest.update(values.tobytes())
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        digest.update(f"{type(x).__module__}.{type(x).__qualname__}(".encode())
        for field in dataclasses.fields(x):
            digest.update(f"{field.name}=".encode())
            _add(digest, getattr(x, field.name))
        digest.update(b")")
    elif isinstance(x, Mapping):
        digest.update(f"mapping {len(x)} ".encode())
        for key in sorted(x, key=repr):
            _add(digest, key)
            _add(digest, x[key])
    elif isinstance(x, tuple | list):
        digest.update(f"sequence {len(x)} ".encode())
        for item in x:
            _add(digest, item)
    else:
        digest.update(f"{type(x).__qualname__} {x!r};".encode())
