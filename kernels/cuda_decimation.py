"""Decimation of a lead on CuPy arrays: one thread block an energy to 32 rows, batched products above.

In a thread block every energy takes the passes it needs. Above, the host looks only every few passes which energies
are done; it waits for the GPU then alone, and the finished energies leave the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_inverse import inverse
from .cuda_launch import contiguous, launch, serves, stride_of

SHARED = {"matrices": 4, "columns": 5, "partial": True}  # as decimate_energy of include/decimation.cuh
PASSES_UNSEEN = 4  # between two looks of the host; at an energy that is done another pass changes nothing


def decimation(a00: Any, a01: Any, a10: Any, eps: float, most: int) -> tuple[Any, Any]:
    """The twin of `negfadj.primitives.decimation`: what the cells beyond, and before, put on a cell; (E, n, n) each."""
    import cupy

    n = a00.shape[-1]
    if not serves(a00, n, **SHARED):
        return _batched(a00, a01, a10, eps, most)
    a00, a01, a10 = (contiguous(x, a00) for x in (a00, a01, a10))
    right, left = (cupy.empty(a00.shape, dtype=a00.dtype) for _ in range(2))
    sizes = (np.int32(n), np.int32(most), stride_of(a01), stride_of(a10), np.float64(eps**0.5))
    launch("decimation.cu", "decimation", a00, n, a00.shape[0], (a00, a01, a10, right, left, *sizes), **SHARED)
    return right, left


def _batched(a00: Any, a01: Any, a10: Any, eps: float, most: int) -> tuple[Any, Any]:
    import cupy

    ends = (cupy.empty(a00.shape, dtype=a00.dtype), cupy.empty(a00.shape, dtype=a00.dtype))
    here = cupy.arange(a00.shape[0])  # the energies still in hand
    bulk, right, left = a00, cupy.zeros_like(a00), cupy.zeros_like(a00)
    alpha, beta = (cupy.broadcast_to(x, a00.shape) for x in (a01, a10))
    tolerance = eps**0.5 / 64 * cupy.abs(a00).max(axis=(-2, -1))  # the next change is about the square of this one
    for number in range(1, most + 1):
        g = inverse(bulk)
        alpha_g, beta_g = alpha @ g, beta @ g
        there_and_back, back_and_there = alpha_g @ beta, beta_g @ alpha
        right, left = right + there_and_back, left + back_and_there
        bulk = bulk - there_and_back - back_and_there
        alpha, beta = alpha_g @ alpha, beta_g @ beta
        if number % PASSES_UNSEEN:
            continue
        going = cupy.abs(there_and_back).max(axis=(-2, -1)) > tolerance
        n_going = int(going.sum())
        if n_going == 0:
            break
        if n_going <= 0.75 * here.shape[0]:
            for end, value in zip(ends, (right, left)):
                end[here[~going]] = value[~going]
            here, tolerance, bulk, right, left, alpha, beta = (
                x[going] for x in (here, tolerance, bulk, right, left, alpha, beta)
            )
    for end, value in zip(ends, (right, left)):
        end[here] = value
    return ends
