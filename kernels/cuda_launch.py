"""Launching a kernel with one thread block an energy: its size, its shared memory, its arguments."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .cuda_module import SCALARS, function

LARGEST = 32  # rows of the largest matrix a thread block takes
THREADS = {8: 32, 16: 64, 32: 128}  # of a block, by the rows of its tiles
NULL = np.uint64(0)
DENSE, REAL, MONOMIAL, PENCIL, REAL_PENCIL = range(5)  # as in include/hopping.cuh


def width_for(largest: int) -> int:
    """The rows of the tiles that hold matrices of that many rows."""
    return next(width for width in THREADS if width >= largest)


def shared_bytes(width: int, matrices: int, columns: int, itemsize: int, *, partial: bool = False) -> int:
    """Bytes of so many tiles and columns, and of one real number a thread besides, kept in the room of a scalar."""
    return itemsize * (matrices * width * width + columns * width + (THREADS[width] if partial else 0))


def serves(like: Any, *sizes: int, matrices: int, columns: int, partial: bool = False) -> bool:
    """Do matrices of these sizes fit a thread block of this device, and is the dtype one of the kernels'?"""
    if like.dtype.char not in SCALARS or min(sizes) < 1 or max(sizes) > LARGEST:
        return False
    needed = shared_bytes(width_for(max(sizes)), matrices, columns, like.dtype.itemsize, partial=partial)
    return needed <= most_shared_bytes(_device())


def launch(
    source: str,
    entry: str,
    like: Any,
    largest: int,
    n_energies: int,
    arguments: tuple[Any, ...],
    *,
    matrices: int,
    columns: int,
    partial: bool = False,
) -> None:
    """Run the kernel `entry`, one block an energy, for matrices of up to `largest` rows with the scalars of `like`."""
    width = width_for(largest)
    needed = shared_bytes(width, matrices, columns, like.dtype.itemsize, partial=partial)
    kernel = function(source, entry, like.dtype.char, width, THREADS[width], needed, _device())
    kernel((n_energies,), (THREADS[width],), arguments, shared_mem=needed)


def hopping_arguments(hopping: Any, like: Any, *, from_left: bool) -> tuple[Any, Any, Any, Any] | None:
    """(kind, values, stride, index) of a hopping that multiplies from the left or from the right; None for no kernel's.

    The arrays are to be held on to until the launch.
    """
    import cupy

    if hasattr(hopping, "by_row"):
        values = hopping.by_row if from_left else hopping.by_column
        index = hopping.column_of_row if from_left else hopping.row_of_column
        values = contiguous(values, like)
        where = NULL if index is None else cupy.ascontiguousarray(index, dtype=cupy.int64)
        return np.int64(MONOMIAL), values, np.int64(_stride(values)), where
    if hopping.dtype.kind == "f" and like.dtype.kind == "c" and hopping.shape[0] == 1:
        values = cupy.ascontiguousarray(hopping, dtype=like.real.dtype)
        return np.int64(REAL), values, np.int64(0), NULL
    if hopping.dtype.kind == "c" and like.dtype.kind == "f":
        return None  # the result is complex
    values = contiguous(hopping, like)
    return np.int64(DENSE), values, np.int64(_stride(values)), NULL


def times(x: Any, hopping: Any) -> Any:
    """x @ hopping, also for a structured hopping, which CuPy's arrays do not leave the operator to."""
    return hopping.__rmatmul__(x) if hasattr(hopping, "by_row") else x @ hopping


def contiguous(x: Any, like: Any) -> Any:
    """The array in C order with the dtype of `like`."""
    import cupy

    return cupy.ascontiguousarray(x, dtype=like.dtype)


def stride_of(x: Any) -> np.int32:
    """Entries between two energies of a stack: none where there is one for all."""
    return np.int32(_stride(x))


@cache
def most_shared_bytes(device: int) -> int:
    """The shared memory that one thread block of the device may ask for."""
    import cupy

    attributes = cupy.cuda.Device(device).attributes
    return int(attributes.get("MaxSharedMemoryPerBlockOptin", 0) or attributes["MaxSharedMemoryPerBlock"])


def _stride(x: Any) -> int:
    return 0 if x.shape[0] == 1 else int(np.prod(x.shape[1:]))


def _device() -> int:
    import cupy

    return int(cupy.cuda.runtime.getDevice())
