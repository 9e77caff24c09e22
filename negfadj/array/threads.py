"""How many threads share the batches of energies of a calculation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

import array_api_compat

from ..errors import InputError, InputTypeError
from ..typing import Array
from .computing import THREADED_FROM

Part = TypeVar("Part")
Result = TypeVar("Result")

_n_threads: ContextVar[int] = ContextVar("negfadj_threads", default=1)


@contextmanager
def use_threads(n_threads: int) -> Iterator[None]:
    """Within the block, `n_threads` threads share the energies of every observable; outside, one does.

    Each thread has its own batches and its own one-threaded BLAS. Where there are fewer energies than threads, matrices
    of 256 rows and more take threaded BLAS in their stead, never both. The numbers are the same bit for bit for the
    same number of threads; for another one the energies are batched differently, and sums over them differ by rounding.

    Parameters
    ----------
    n_threads : int

    Raises
    ------
    InputError, InputTypeError
        When it is no positive integer.
    """
    if isinstance(n_threads, bool) or not isinstance(n_threads, int):
        raise InputTypeError(f"n_threads={n_threads!r} must be an integer, such as 2.")
    if n_threads < 1:
        raise InputError(f"n_threads={n_threads} must be 1 or more.")
    token = _n_threads.set(n_threads)
    try:
        yield
    finally:
        _n_threads.reset(token)


def thread_count(like: Array, largest: int) -> int:
    """Threads that share the energies `like`: one on a GPU, and where large matrices at few energies thread in BLAS."""
    n_threads = _n_threads.get()
    if array_api_compat.is_cupy_array(like) or (largest >= THREADED_FROM and like.shape[0] < n_threads):
        return 1
    return n_threads


def in_threads(work: Callable[[Part], Result], parts: Iterable[Part], n_threads: int) -> Iterator[Result]:
    """work(part) of all parts, in their order; at most one more than there are threads is under way or waiting."""
    running: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for part in parts:
                running.append(pool.submit(copy_context().run, work, part))
                if len(running) > n_threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
