"""Frozen data classes, mappings, tuples and arrays as flat lists of leaves: for transfers, tangents, inner products.

A leaf is an array or a float. Fields marked ``metadata={"static": True}`` and None, ints, strings are not leaves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .namespace import is_array

STATIC = {"static": True}


def _fields(x: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(x) if not f.metadata.get("static")]


def rebuild(x: Any, /, **changes: Any) -> Any:
    """A copy of a frozen data class with fields replaced, without the checks of its constructor."""
    new = object.__new__(type(x))
    for field in dataclasses.fields(x):
        object.__setattr__(new, field.name, changes.get(field.name, getattr(x, field.name)))
    return new


def tree_map(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """Apply `function` leaf by leaf to trees of one structure; None in any of `others` is passed on as None."""
    if x is None:
        return None
    if is_array(x) or isinstance(x, float):
        return function(x, *others)
    if dataclasses.is_dataclass(x):
        changes = {
            name: tree_map(function, getattr(x, name), *(None if o is None else getattr(o, name) for o in others))
            for name in _fields(x)
        }
        return rebuild(x, **changes)
    if isinstance(x, Mapping):
        return {k: tree_map(function, item, *(None if o is None else o[k] for o in others)) for k, item in x.items()}
    if isinstance(x, tuple | list):
        items = [tree_map(function, item, *(None if o is None else o[i] for o in others)) for i, item in enumerate(x)]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x


def leaves(x: Any) -> list[Any]:
    """The array and float leaves of a tree, in the order of its fields."""
    found: list[Any] = []
    tree_map(lambda leaf: found.append(leaf), x)
    return found
