"""Short names of data classes for the screen: arrays by their shapes, not their numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

from .namespace import is_array

LONGEST = 6  # items of a tuple or mapping that are written out


def brief_repr(x: Any) -> str:
    """ "Device(hamiltonian=BlockTridiagonal(…), leads=(Lead(…), Lead(…)))"; for a class: ``__repr__ = brief_repr``."""
    shown = [f for f in dataclasses.fields(x) if f.repr and getattr(x, f.name) is not None]
    return f"{type(x).__name__}({', '.join(f'{f.name}={_brief(getattr(x, f.name))}' for f in shown)})"


def _brief(x: Any) -> str:
    if is_array(x):
        shape = tuple(x.shape)
        return f"{x}" if shape == () else f"<{x.dtype} {shape}>"
    if isinstance(x, tuple | list):
        if len(x) > LONGEST:
            return f"<{len(x)} × {_brief(x[0])}, …>"
        inside = ", ".join(_brief(item) for item in x)
        return f"({inside},)" if len(x) == 1 else f"({inside})"
    return repr(x)
