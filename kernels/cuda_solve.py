"""Steps of block solves on CuPy arrays: one kernel to 32 rows, batched products above.

    columns   X' = g (w − U X)        carry   w' = −L (g w)
    rows      R' = (v − R L) g        carry   v' = −(v g) U
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .cuda_launch import NULL, contiguous, hopping_arguments, launch, serves, stride_of, times

SHARED = {"matrices": 4, "columns": 0}  # as solve_energy of include/solve.cuh


def columns_step(g: Any, upper: Any, x: Any, w: Any) -> Any:
    """g (w − U X), (E, n, width)."""
    out = _launched("columns_step", g, upper, x, w, m=x.shape[1], width=x.shape[2], n_out=g.shape[1])
    if out is not None:
        return out
    inner = upper @ x
    return g @ (-inner if w is None else w - inner)


def rows_step(g: Any, lower: Any, r: Any, v: Any) -> Any:
    """(v − R L) g, (E, width, n)."""
    out = _launched("rows_step", g, lower, r, v, m=r.shape[2], width=r.shape[1], n_out=g.shape[1])
    if out is not None:
        return out
    inner = times(r, lower)
    return (-inner if v is None else v - inner) @ g


def columns_carry(g: Any, lower: Any, w: Any) -> Any:
    """−L (g w), (E, n', width)."""
    m = _size(lower, "by_row", -2)
    out = _launched("columns_carry", g, lower, w, None, m=m, width=w.shape[2], n_out=m)
    return -(lower @ (g @ w)) if out is None else out


def rows_carry(g: Any, upper: Any, v: Any) -> Any:
    """−(v g) U, (E, width, n')."""
    m = _size(upper, "by_column", -1)
    out = _launched("rows_carry", g, upper, v, None, m=m, width=v.shape[1], n_out=m)
    return -times(v @ g, upper) if out is None else out


def _launched(entry: str, g: Any, hopping: Any, x: Any, source: Any, *, m: int, width: int, n_out: int) -> Any:
    """The result of the kernel, or None where the matrices are not its: too large, or of another dtype."""
    import cupy

    n_energies, n = g.shape[0], g.shape[1]
    by_columns = entry.startswith("columns")
    hop = hopping_arguments(hopping, g, from_left=by_columns)
    if hop is None or not serves(g, n, m, **SHARED) or width == 0 or x.dtype != g.dtype:
        return None
    if source is not None and (source.dtype.kind == "c" and g.dtype.kind != "c"):
        return None
    g, x = contiguous(g, g), contiguous(x, g)
    source = NULL if source is None else contiguous(source, g)
    out = cupy.empty((n_energies, n_out, width) if by_columns else (n_energies, width, n_out), dtype=g.dtype)
    sizes = (np.int32(n), np.int32(m), np.int32(width))
    strides = (stride_of(x), np.int32(0) if source is NULL else stride_of(source))
    launch("solve.cu", entry, g, max(n, m), n_energies, (g, x, source, out, *hop, *sizes, *strides), **SHARED)
    return out


def _size(hopping: Any, values: str, axis: int) -> int:
    return int(getattr(hopping, values).shape[-1] if hasattr(hopping, values) else hopping.shape[axis])
