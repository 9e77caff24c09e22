"""One step of block elimination on CuPy arrays: one kernel to 32 rows, batched products and inverse above."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_inverse import inverse
from .cuda_launch import NULL, contiguous, hopping_arguments, launch, serves, stride_of, times

SHARED = {"matrices": 4, "columns": 5}  # as EliminationMemory of include/elimination.cuh


def eliminate(g: Any, diagonal: Any, lower: Any, upper: Any, w: Any) -> tuple[Any, Any]:
    """The twin of `negfadj.primitives.left_connected`'s step: (g' (E, n, n), w' (E, n, r) or None)."""
    import cupy

    n_energies, m, n = g.shape[0], g.shape[-1], diagonal.shape[-1]
    r = 0 if w is None else w.shape[-1]
    left, right = (hopping_arguments(h, diagonal, from_left=i == 0) for i, h in enumerate((lower, upper)))
    one_kernel = serves(diagonal, n, m, max(r, 1), **SHARED) and diagonal.shape[0] == n_energies
    if not one_kernel or left is None or right is None or g.dtype != diagonal.dtype:
        transfer = lower @ g
        return inverse(diagonal - times(transfer, upper)), None if w is None else -(transfer @ w)
    g, diagonal = contiguous(g, g), contiguous(diagonal, g)
    g_out = cupy.empty((n_energies, n, n), dtype=g.dtype)
    w_out = cupy.empty((n_energies, n, r), dtype=g.dtype)
    w_in = NULL if r == 0 else contiguous(w, g)
    arguments = (
        *(g, diagonal, w_in, g_out, w_out if r else NULL),
        *left,
        *right,
        *(np.int32(n), np.int32(m), np.int32(r), stride_of(w_in) if r else np.int32(0)),
    )
    launch("elimination.cu", "eliminate_step", g, max(n, m, r), n_energies, arguments, **SHARED)
    return g_out, None if w is None else w_out
