"""The Stein equation by doubling on CuPy arrays: one thread block an energy to 32 rows, batched products above."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_launch import contiguous, launch, serves

SHARED = {"matrices": 4, "columns": 0, "partial": True}  # as stein_energy of include/stein.cuh
PASSES_UNSEEN = 4  # between two looks of the host; past convergence P and Q are zero to rounding


def stein_doubling(p: Any, q: Any, c: Any, eps: float, most: int) -> Any:
    """The twin of `negfadj.primitives.stein.stein_doubling`: Y with Y − P Y Q = C, (E, r, r)."""
    import cupy

    r = c.shape[-1]
    if not serves(c, r, **SHARED):
        return _batched(p, q, c, eps, most)
    p, q, c = (contiguous(x, c) for x in (p, q, c))
    out = cupy.empty(c.shape, dtype=c.dtype)
    arguments = (p, q, c, out, np.int32(r), np.int32(most), np.float64(eps**0.5))
    launch("stein.cu", "stein_doubling", c, r, c.shape[0], arguments, **SHARED)
    return out


def _batched(p: Any, q: Any, c: Any, eps: float, most: int) -> Any:
    import cupy

    y = c
    for number in range(1, most + 1):
        increment = p @ y @ q
        y = y + increment
        if number % PASSES_UNSEEN == 0:
            change, size = (cupy.abs(x).max(axis=(-2, -1)) for x in (increment, y))
            if not bool((change > eps**0.5 / 64 * size).any()):
                break  # the next increment is about the square of this one
        p, q = p @ p, q @ q
    return y
