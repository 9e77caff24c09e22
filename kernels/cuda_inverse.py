"""Inverse of every matrix of a CuPy stack: Gauss–Jordan in a thread block to 32 rows, cuBLAS's batched LU above.

Neither loops in Python nor waits for the GPU: a singular matrix becomes NaN there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_launch import contiguous, launch, serves

SHARED = {"matrices": 1, "columns": 5}  # as invert_matrix of include/inverse.cuh
LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}  # cuBLAS's names of the scalars


def inverse(x: Any) -> Any:
    """Inverse of (…, n, n); NaN where a matrix is singular."""
    if x.dtype.char not in LETTERS:
        x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    if x.size == 0:
        return x.copy()
    n = x.shape[-1]
    stack = contiguous(x, x).reshape(-1, n, n)
    if serves(x, n, **SHARED):
        out = _empty_like(stack)
        launch("inverse.cu", "inverse", x, n, stack.shape[0], (stack, out, np.int32(n)), **SHARED)
    else:
        out = _by_lu(stack)
    return out.reshape(x.shape)


def _by_lu(stack: Any) -> Any:
    """getrfBatched and getriBatched: row-major data are cuBLAS's transpose, its inverse the inverse's transpose."""
    import cupy

    count, n, _ = stack.shape
    letter, handle = LETTERS[stack.dtype.char], cupy.cuda.device.get_cublas_handle()
    factors, out = stack.copy(), _empty_like(stack)
    pivots = cupy.empty((count, n), dtype=np.int32)
    info, info_again = cupy.zeros(count, dtype=np.int32), cupy.zeros(count, dtype=np.int32)
    from_pointers, to_pointers = _pointers(factors), _pointers(out)
    getrf = getattr(cupy.cuda.cublas, f"{letter}getrfBatched")
    getri = getattr(cupy.cuda.cublas, f"{letter}getriBatched")
    getrf(handle, n, from_pointers.data.ptr, n, pivots.data.ptr, info.data.ptr, count)
    getri(
        handle, n, from_pointers.data.ptr, n, pivots.data.ptr, to_pointers.data.ptr, n, info_again.data.ptr, count
    )
    singular = (info != 0) | (info_again != 0)
    nan = complex("nan+nanj") if stack.dtype.kind == "c" else float("nan")
    return cupy.where(singular[:, None, None], stack.dtype.type(nan), out)


def _pointers(stack: Any) -> Any:
    """Where every matrix of the stack begins, on the device."""
    import cupy

    step = stack.shape[1] * stack.shape[2] * stack.dtype.itemsize
    start = stack.data.ptr
    return cupy.arange(start, start + step * stack.shape[0], step, dtype=np.uint64)


def _empty_like(x: Any) -> Any:
    import cupy

    return cupy.empty(x.shape, dtype=x.dtype)
