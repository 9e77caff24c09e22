"""The whole sweep of block elimination on CuPy arrays as one launch, one thread block an energy, to 32 rows a block.

The host fills in one row of 64-bit words for every block of the device (see include/sweep.cuh): sizes, kinds and the
places of H, S, Σ, hoppings and results on the GPU. Larger blocks go step by step through `cuda_elimination`.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from .cuda_elimination import eliminate
from .cuda_inverse import inverse
from .cuda_launch import NULL, PENCIL, REAL_PENCIL, contiguous, hopping_arguments, launch, serves

SHARED = {"matrices": 4, "columns": 5}  # as EliminationMemory of include/elimination.cuh
Sweep = namedtuple("Sweep", "factors w growth carried")


def whole_sweep(z: Any, blocks: tuple[Any, ...], sources: tuple[Any, ...], keep: bool) -> Sweep:
    """The twin of `negfadj.primitives.whole_sweep`."""
    import cupy

    n_energies, sizes = z.shape[0], [block.onsite.shape[-1] for block in blocks]
    n_columns = max((source.at + source.columns.shape[-1] for source in sources), default=0)
    held: list[Any] = []  # every array whose place is in a table, until the launch
    rows = _rows(z, blocks, held) if serves(z, *sizes, max(n_columns, 1), **SHARED) else None
    if rows is None:
        return _step_by_step(z, blocks, sources, keep)
    kept = sizes if keep else sizes[-1:]
    factors = tuple(cupy.empty((n_energies, n, n), dtype=z.dtype) for n in kept)
    carried = tuple(cupy.empty((n_energies, n, n_columns), dtype=z.dtype) for n in kept)
    for row, g, w in zip(rows[-len(kept) :], factors, carried):
        row[-2:] = g.data.ptr, w.data.ptr if n_columns else 0
    starts = [_source_row(source, z, held) for source in sources]
    squares = cupy.empty(n_energies, dtype=z.real.dtype)
    arguments = (
        *(contiguous(z, z), _table(rows), _table(starts) if starts else NULL),
        *(np.int32(len(rows)), np.int32(len(starts)), np.int32(n_columns), squares),
    )
    launch("sweep.cu", "sweep", z, max(*sizes, n_columns), n_energies, arguments, **SHARED)
    return _answer(factors, carried, squares**0.5, n_columns, keep)


def _answer(factors: tuple[Any, ...], carried: tuple[Any, ...], growth: Any, n_columns: int, keep: bool) -> Sweep:
    return Sweep(factors, carried[-1] if n_columns else None, growth, carried if n_columns and keep else None)


def _rows(z: Any, blocks: tuple[Any, ...], held: list[Any]) -> list[list[int]] | None:
    """The words of every block in the order of BlockRow; None when a real sweep meets a complex block."""
    rows = []
    for block in blocks:
        onsite, overlap = _alike(block.onsite, block.overlap, z)
        sigma = None if block.self_energy is None else contiguous(block.self_energy, z)
        pair = (block.lower, block.upper)
        hops = [_hopping_words(hop, z, held, from_left=i == 0) for i, hop in enumerate(pair)]
        given = (block.onsite, block.overlap, block.self_energy)
        if None in hops or (z.dtype.kind == "f" and any(x is not None and x.dtype.kind == "c" for x in given)):
            return None
        held += [onsite, overlap, sigma]
        stride = 0 if sigma is None or sigma.shape[0] == 1 else onsite.shape[-1] ** 2
        is_real = int(onsite.dtype.kind == "f")
        rows.append(
            [onsite.shape[-1], _place(onsite), is_real, _place(overlap), _place(sigma), stride]
            + [word for hop in hops for word in hop or ()]
            + [0, 0]
        )
    return rows


def _hopping_words(hopping: Any, z: Any, held: list[Any], *, from_left: bool) -> list[int] | None:
    """Kind, values, overlap, stride and index of a hopping; zeros for the first block's, which is not there."""
    if hopping is None:
        return [0, 0, 0, 0, 0]
    if hasattr(hopping, "hamiltonian"):  # a HoppingPencil
        h, s = _alike(hopping.hamiltonian, hopping.overlap, z)
        if z.dtype.kind == "f" and "c" in (hopping.hamiltonian.dtype.kind, hopping.overlap.dtype.kind):
            return None
        held += [h, s]
        return [REAL_PENCIL if h.dtype.kind == "f" else PENCIL, _place(h), _place(s), 0, 0]
    found = hopping_arguments(hopping, z, from_left=from_left)
    if found is None:
        return None
    kind, values, stride, index = found
    held += [values, index]
    return [int(kind), _place(values), 0, int(stride), 0 if index is NULL else _place(index)]


def _source_row(source: Any, z: Any, held: list[Any]) -> list[int]:
    """The words of a source in the order of SourceRow."""
    columns = contiguous(source.columns, z)
    held.append(columns)
    stride = 0 if columns.shape[0] == 1 else columns.shape[1] * columns.shape[2]
    return [source.block, _place(columns), stride, columns.shape[2], source.at]


def _alike(h: Any, s: Any, z: Any) -> tuple[Any, Any]:
    """H and S in C order, both real or both of the dtype of z."""
    import cupy

    is_real = h.dtype.kind == "f" and (s is None or s.dtype.kind == "f")
    dtype = z.real.dtype if is_real else z.dtype
    return tuple(None if x is None else cupy.ascontiguousarray(x, dtype=dtype) for x in (h, s))  # type: ignore[return-value]


def _place(x: Any) -> int:
    return 0 if x is None else int(x.data.ptr)


def _table(rows: list[list[int]]) -> Any:
    import cupy

    return cupy.asarray(np.array(rows, dtype=np.int64))


def _step_by_step(z: Any, blocks: tuple[Any, ...], sources: tuple[Any, ...], keep: bool) -> Sweep:
    """The same for blocks that no thread block takes, one kernel or one batched product after the other."""
    import cupy

    n_columns = max((source.at + source.columns.shape[-1] for source in sources), default=0)
    factors: list[Any] = []
    carried: list[Any] = []
    growth = cupy.zeros(z.shape, dtype=z.real.dtype)
    g = w = None
    for i, block in enumerate(blocks):
        diagonal = _diagonal(block, z)
        if g is None:
            g = inverse(diagonal)
        else:
            g, w = eliminate(g, diagonal, _dense(block.lower, z), _dense(block.upper, z), w)
        if w is None and n_columns:
            w = cupy.zeros((z.shape[0], g.shape[-1], n_columns), dtype=g.dtype)
        for source in sources:
            if source.block == i:
                w[:, :, source.at : source.at + source.columns.shape[-1]] = source.columns
        growth = cupy.maximum(growth, abs(g).max(axis=(1, 2)))
        factors, carried = ([*factors, g], [*carried, w]) if keep else ([g], [w])
    return _answer(tuple(factors), tuple(carried), growth, n_columns, keep)


def _diagonal(block: Any, z: Any) -> Any:
    import cupy

    overlap = cupy.eye(block.onsite.shape[-1], dtype=z.dtype) if block.overlap is None else block.overlap
    diagonal = z[:, None, None] * overlap - block.onsite
    return diagonal if block.self_energy is None else diagonal - block.self_energy


def _dense(hopping: Any, z: Any) -> Any:
    if hasattr(hopping, "hamiltonian"):
        return z[:, None, None] * hopping.overlap - hopping.hamiltonian
    return hopping
