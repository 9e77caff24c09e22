"""Segments of a lead doubled on CuPy arrays: one thread block an energy to a rank of 32, batched products above."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_inverse import inverse
from .cuda_launch import contiguous, launch, serves

SHARED = {"matrices": 6, "columns": 5, "partial": True}  # as double_segments of include/segment_doubling.cuh
PASSES_UNSEEN = 4  # between two looks of the host; past convergence f and s are zero to rounding


def segment_doubling(a00: Any, a: Any, b: Any, u: Any, v: Any, eps: float, most: int) -> tuple[Any, Any]:
    """The twin of `negfadj.primitives.segment_doubling`: (ρ, bσa), each (E, r, r)."""
    import cupy

    u, v = u.astype(a00.dtype), v.astype(a00.dtype)
    cell, u_dagger, v_dagger = inverse(a00), u.conj().T, v.conj().T
    rho, sigma = a @ (v_dagger @ cell @ v) @ b, u_dagger @ cell @ u
    forth, back = a @ (v_dagger @ cell @ u), (u_dagger @ cell @ v) @ b
    tolerance = eps**0.5 / 64 * cupy.abs(a00).max(axis=(-2, -1))  # the next change is about the square of this one
    r = rho.shape[-1]
    if not serves(a00, r, **SHARED):
        rho, sigma = _batched(rho, sigma, forth, back, tolerance, most)
        return rho, b @ sigma @ a
    rho, sigma, forth, back = (contiguous(x, a00) for x in (rho, sigma, forth, back))
    tolerance = cupy.ascontiguousarray(tolerance, dtype=a00.real.dtype)
    rho_out, sigma_out = (cupy.empty(rho.shape, dtype=a00.dtype) for _ in range(2))
    arguments = (rho, sigma, forth, back, tolerance, rho_out, sigma_out, np.int32(r), np.int32(most))
    launch("segment_doubling.cu", "segment_doubling", a00, r, a00.shape[0], arguments, **SHARED)
    return rho_out, b @ sigma_out @ a


def _batched(rho: Any, sigma: Any, forth: Any, back: Any, tolerance: Any, most: int) -> tuple[Any, Any]:
    import cupy

    one = cupy.eye(rho.shape[-1], dtype=rho.dtype)
    for number in range(1, most + 1):
        between = inverse(one - sigma @ rho)
        across, around = between @ back, between @ sigma @ forth
        change = forth @ rho @ across
        sigma, forth = sigma + back @ around, -forth @ (forth + rho @ around)
        rho, back = rho + change, -back @ across
        if number % PASSES_UNSEEN == 0 and not bool((cupy.abs(change).max(axis=(-2, -1)) > tolerance).any()):
            break
    return rho, sigma
