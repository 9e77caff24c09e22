"""Surface Green's functions kept between calls, by the content of lead and energy, in a bounded number of bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from ..array import to_numpy
from ..errors import InputError, InputTypeError
from ..typing import Array

ENTRY = 300  # bytes of a key and its place, beside the array


@dataclass(eq=False)
class LeadCache:
    """Surface Green's functions of leads, one entry a lead and energy; past its limit the least recently used go.

    A key is made of the lead's numbers, not of its arrays' identity: a lead changed in place is another lead. The rigid
    shift U enters as z − U only, so that a lead at another bias finds the energies it shares.

    Parameters
    ----------
    max_bytes : float
        Most bytes of the entries together.

    Raises
    ------
    InputError, InputTypeError
        When `max_bytes` is no positive number.
    """

    max_bytes: float
    hits: int = field(default=0, init=False)
    misses: int = field(default=0, init=False)
    n_bytes: int = field(default=0, init=False)
    _entries: OrderedDict[Any, tuple[Any, int]] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: Any = field(default_factory=Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.max_bytes, bool) or not isinstance(self.max_bytes, int | float):
            raise InputTypeError(f"max_bytes={self.max_bytes!r} must be a number of bytes, such as 2e9.")
        if not self.max_bytes > 0:
            raise InputError(f"max_bytes={self.max_bytes!r} must be a positive number of bytes.")

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, keys: list[Any]) -> list[Any] | None:
        """The entries of all the keys, or None when one is missing."""
        with self._lock:
            if any(key not in self._entries for key in keys):
                self.misses += len(keys)
                return None
            self.hits += len(keys)
            for key in keys:
                self._entries.move_to_end(key)
            return [self._entries[key][0] for key in keys]

    def put(self, key: Any, value: Any, n_bytes: int) -> None:
        """Keep a value nobody changes, and let go of the oldest ones as long as the limit is passed."""
        n_bytes += ENTRY
        with self._lock:
            self._drop(key)
            if n_bytes > self.max_bytes:
                return
            self._entries[key] = (value, n_bytes)
            self.n_bytes += n_bytes
            while self.n_bytes > self.max_bytes:
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self.n_bytes = 0

    def _drop(self, key: Any) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.n_bytes -= found[1]


_current: ContextVar[LeadCache | None] = ContextVar("negfadj_lead_cache", default=None)


@contextmanager
def lead_cache(max_bytes: float = 1e9, *, cache: LeadCache | None = None) -> Iterator[LeadCache]:
    """Within the block, every observable keeps its leads' surface functions and takes those it has met before.

    For fits, sweeps and self-consistent loops in which the device changes and the leads do not.

    Parameters
    ----------
    max_bytes : float
        Most bytes kept; the least recently used go.
    cache : LeadCache, optional
        One from an earlier block, to go on with.

    Yields
    ------
    LeadCache
        With its `hits`, `misses` and `n_bytes`.

    Raises
    ------
    InputError, InputTypeError
    """
    if cache is not None and not isinstance(cache, LeadCache):
        raise InputTypeError(f"cache is a {type(cache).__name__}; pass a negfadj.LeadCache, or max_bytes alone.")
    cache = LeadCache(max_bytes) if cache is None else cache
    token = _current.set(cache)
    try:
        yield cache
    finally:
        _current.reset(token)


def current_lead_cache() -> LeadCache | None:
    """The cache of the surrounding `lead_cache` block."""
    return _current.get()


def content_digest(*arrays: Array | None) -> bytes:
    """A digest of the arrays' numbers, shapes and dtypes."""
    digest = hashlib.blake2b(digest_size=20)
    for x in arrays:
        host: Any = None if x is None else to_numpy(x)
        digest.update(b"none" if host is None else f"{type(x)}{host.dtype}{host.shape}".encode())
        digest.update(b"" if host is None else host.tobytes())
    return digest.digest()
