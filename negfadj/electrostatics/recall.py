"""Results that depend on a grid, kept with it: what differs in other things shares its factors and weights."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar

from .grid import Grid

T = TypeVar("T")
_LOCK = Lock()


def recall(grid: Grid, kind: str, key: Hashable, compute: Callable[[], T], *, keep: int = 2) -> T:
    """compute(), or what it gave before for this grid and key; the `keep` keys used last are remembered.

    They go when the grid goes.
    """
    with _LOCK:
        kinds = grid.__dict__.setdefault("_recalled", {})
        found: dict[Hashable, T] = kinds.setdefault(kind, {})
        if key in found:
            found[key] = found.pop(key)  # the newest is the last
            return found[key]
    value = compute()
    with _LOCK:
        found[key] = value
        while len(found) > keep:
            found.pop(next(iter(found)))
    return value
