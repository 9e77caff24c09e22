"""How much memory a batch of energies may take."""

from __future__ import annotations

import os

import array_api_compat

from ..errors import InputError, MemoryLimitError
from ..typing import Array

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
    if not memory_limit > 0:
        raise InputError(f"memory_limit={memory_limit!r} must be a positive number of bytes.")
    return int(memory_limit)


def batch_size(n_energies: int, bytes_per_energy: int, budget: int, *, most: int = 256) -> int:
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
