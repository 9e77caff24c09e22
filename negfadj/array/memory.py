"""How much memory a batch of energies may take, and what is done when it was more than there is."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import array_api_compat

from ..errors import InputError, InputTypeError, MemoryLimitError
from ..typing import Array

CACHED_STACK = 512 * 1024  # bytes of a stack of matrices that a core's cache holds beside three more
DEFAULT_FRACTION = 0.4  # of what is free, when no limit is given
GPU_COMPLAINTS = ("cudaErrorMemoryAllocation", "STATUS_ALLOC_FAILED")  # of CUDA and its libraries, out of memory

Result = TypeVar("Result")


def free_memory(like: Array) -> int:
    """Bytes free where `like` lives: on its GPU, or on the host."""
    if array_api_compat.is_cupy_array(like):
        import cupy

        free, _ = cupy.cuda.runtime.memGetInfo()
        return int(free) + int(cupy.get_default_memory_pool().free_bytes())
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 4 * 1024**3


def memory_budget(like: Array, memory_limit: float | None) -> int:
    """The caller's limit in bytes, or a fraction of what is free.

    Raises
    ------
    InputError
        When the limit is not positive.
    """
    if memory_limit is None:
        return int(DEFAULT_FRACTION * free_memory(like))
    if isinstance(memory_limit, bool) or not isinstance(memory_limit, int | float):
        raise InputTypeError(f"memory_limit={memory_limit!r} must be a number of bytes, such as 2e9.")
    if not memory_limit > 0:
        raise InputError(f"memory_limit={memory_limit!r} must be a positive number of bytes.")
    return int(memory_limit)


def cached_batch(like: Array, bytes_per_matrix: int) -> int:
    """Most energies in one batch: on the host, so many that a stack of matrices stays in a core's cache."""
    if array_api_compat.is_cupy_array(like):
        return 1 << 30
    return max(4, min(256, CACHED_STACK // bytes_per_matrix))


def batch_size(n_energies: int, bytes_per_energy: int, budget: int, *, most: int) -> int:
    """How many energies go in one batch.

    Raises
    ------
    MemoryLimitError
        When one energy alone is over the budget; it says the bytes needed.
    """
    if bytes_per_energy > budget:
        raise MemoryLimitError(
            f"one energy needs {bytes_per_energy:,} bytes but memory_limit allows {budget:,}; raise memory_limit, "
            "or split the device into more, smaller blocks."
        )
    return max(1, min(n_energies, most, budget // max(bytes_per_energy, 1)))


def halving(
    parts: Iterable[slice],
    work: Callable[[slice], Result],
    *,
    bytes_per_energy: float,
    forget: Callable[[], Any] | None = None,
) -> Iterator[tuple[slice, Result]]:
    """Yield (part, work(part)) for all parts in order; out of memory halves the parts and goes on.

    Parts already done are not done again, and those still to come are cut to the size that fitted.

    Parameters
    ----------
    parts : iterable of slice
        The energies of every batch.
    work : callable
        Does one batch; it may be called again for a half of it after a `MemoryError`.
    bytes_per_energy : float
        For the message of the error.
    forget : callable, optional
        Gives up what is kept but can be made again, before the next try.

    Raises
    ------
    MemoryLimitError
        When one energy alone does not fit; it says the bytes needed.
    """
    waiting = deque(parts)
    may_forget = forget is not None
    while waiting:
        part = waiting.popleft()
        try:
            result = work(part)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            n_energies = part.stop - part.start
            if n_energies == 1 and not may_forget:
                raise MemoryLimitError(
                    f"one energy needs about {int(bytes_per_energy):,} bytes and found no room for them "
                    f"({str(error) or type(error).__name__}); free memory, or split the device into more, smaller "
                    "blocks."
                ) from error
        else:
            yield part, result
            continue
        # here, where the error and with it the arrays of the failed batch are gone
        if forget is not None:
            forget()
        may_forget = False
        free_pools()
        waiting = deque(_cut([part, *waiting], max(1, (n_energies + 1) // 2)))


def is_out_of_memory(error: Exception) -> bool:
    """Did this error come from too little memory, of the host or of a GPU? A `MemoryLimitError` has its own fix."""
    if isinstance(error, MemoryError):
        return not isinstance(error, MemoryLimitError)
    return any(complaint in str(error) for complaint in GPU_COMPLAINTS)


def free_pools() -> None:
    """Give the GPU back what CuPy's pool holds and no array uses, which is in pieces too small for the next try."""
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        cupy.get_default_memory_pool().free_all_blocks()


def _cut(parts: Iterable[slice], most: int) -> Iterator[slice]:
    for part in parts:
        for start in range(part.start, part.stop, most):
            yield slice(start, min(start + most, part.stop))
