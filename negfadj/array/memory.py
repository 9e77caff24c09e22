"""How much memory a batch of energies may take."""

from __future__ import annotations

import os

import array_api_compat

from ..errors import InputError, InputTypeError, MemoryLimitError
from ..typing import Array

CACHED_STACK = 512 * 1024  # bytes of a stack of matrices that a core's cache holds beside three more
DEFAULT_FRACTION = 0.4  # of what is free, when no limit is given


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
