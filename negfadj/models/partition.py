"""Ordering: a sparse matrix cut into the block-tridiagonal form that is cheapest to solve, given where the leads touch.

Breadth-first layers between the leads, refined by moving orbitals between neighbouring layers.

Sources: M. Wimmer and K. Richter, J. Comput. Phys. 228, 8548 (2009), who state the problem and solve it by bisection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ..array import brief_repr
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike

SWEEPS = 30  # over all layers, at most; each lowers Σ n³


@dataclass(frozen=True, eq=False)
class Partition:
    """An order of the orbitals and where to cut it.

    Parameters
    ----------
    order : array, shape (n_orbitals,), integer
        Orbital k of the blocks is orbital order[k] of the matrix that was partitioned.
    block_sizes : tuple of int
    lead_blocks : tuple of int
        The block that holds every orbital that lead k touches.
    """

    order: Array
    block_sizes: tuple[int, ...]
    lead_blocks: tuple[int, ...]

    __repr__ = brief_repr

    @property
    def cost(self) -> int:
        """Σ n³ over the blocks: the operations of one sweep, up to a factor."""
        return sum(n**3 for n in self.block_sizes)


def partition(pattern: Any, interfaces: Sequence[ArrayLike], sizes: ArrayLike | None = None) -> Partition:
    """Block-tridiagonal form of a sparse matrix, with each lead on one block.

    Layers ℓ(a) with |ℓ(a) − ℓ(b)| ≤ 1 for every coupled pair (a, b), the two leads furthest apart at the two ends, as
    many layers as there are steps between them, Σ n³ lowered by moving orbitals to the neighbouring layer.

    Parameters
    ----------
    pattern : SciPy sparse matrix, shape (n, n)
        Its stored entries, zero or not, say which orbitals are coupled: those of H and of S where there is an overlap.
    interfaces : sequence of integer arrays
        For every lead, the orbitals that couple to it.
    sizes : array, shape (n,), integer, optional
        Rows of the matrix that each row of the pattern stands for: the orbitals of an atom, which then stay together in
        one block. Default: one each.

    Returns
    -------
    Partition
        Within a block the orbitals keep their order; `order` and `block_sizes` count rows of the matrix.

    Raises
    ------
    ShapeError
        When the pattern is not square.
    InputError
        When a lead touches no orbital or one out of range, or an orbital is connected to no lead.
    """
    graph = _graph(pattern)
    n = graph.shape[0]
    sets = [_interface(interface, k, n) for k, interface in enumerate(interfaces)]
    if not sets:
        raise InputError("a partition needs the orbitals of at least one lead.")
    steps = [_steps_from(graph, orbitals) for orbitals in sets]
    _check_connected(steps)
    rows = np.ones(n, dtype=np.int64) if sizes is None else np.asarray(sizes, dtype=np.int64)
    if rows.shape != (n,):
        raise ShapeError(f"sizes has shape {rows.shape} but the pattern has {n} rows.")
    if len(sets) == 1:
        levels = _refine(graph, steps[0].astype(np.int64), sets[0], -steps[0], rows)
    else:
        first, last = max(combinations(range(len(sets)), 2), key=lambda pair: steps[pair[0]][sets[pair[1]]].min())
        levels = _between(graph, steps[first], steps[last], sets[first], sets[last], rows)
    levels = _merge(levels, sets)
    level_of_row = np.repeat(levels, rows)
    order = np.argsort(level_of_row, kind="stable")
    block_sizes = tuple(np.bincount(level_of_row).tolist())
    return Partition(order, block_sizes, tuple(int(levels[orbitals[0]]) for orbitals in sets))


def _graph(pattern: Any) -> sparse.csr_array:
    if len(pattern.shape) != 2 or pattern.shape[0] != pattern.shape[1]:
        raise ShapeError(f"pattern has shape {tuple(pattern.shape)} but must be square.")
    entries = sparse.coo_array(pattern)
    rows, columns = entries.coords
    joined = rows != columns
    rows, columns = rows[joined], columns[joined]
    both = (np.concatenate((rows, columns)), np.concatenate((columns, rows)))
    graph = sparse.coo_array((np.ones(len(both[0])), both), shape=entries.shape).tocsr()
    graph.data[:] = 1
    return graph


def _interface(interface: ArrayLike, k: int, n: int) -> Array:
    orbitals = np.unique(np.asarray(interface, dtype=np.int64))
    if not len(orbitals):
        raise InputError(f"lead {k} touches no orbital; check its coupling and its distance from the device.")
    if orbitals[0] < 0 or orbitals[-1] >= n:
        raise InputError(f"lead {k} touches orbitals {orbitals[0]} … {orbitals[-1]} but there are only 0 … {n - 1}.")
    return orbitals


def _steps_from(graph: sparse.csr_array, orbitals: Array) -> Array:
    """Number of couplings on the shortest way from any of the orbitals: breadth-first layers; inf for none."""
    return csgraph.dijkstra(graph, unweighted=True, indices=orbitals, min_only=True)


def _check_connected(steps: Sequence[Array]) -> None:
    for k, distance in enumerate(steps):
        cut_off = np.flatnonzero(np.isinf(distance))
        if len(cut_off):
            raise InputError(
                f"{len(cut_off)} orbitals have no connection to lead {k} (the first is orbital {cut_off[0]}); remove "
                "them, or check the range of the Hamiltonian and the positions."
            )


def _between(
    graph: sparse.csr_array, from_first: Array, from_last: Array, first: Array, last: Array, rows: Array
) -> Array:
    """Layers with `first` in layer 0 and `last` in the last one, D: the best of three starts, refined.

    Every choice lies between max(0, D − steps from last) and min(D, steps from first); so does their mean.
    """
    depth = int(from_first[last].min())
    upper = np.minimum(from_first, depth).astype(np.int64)
    lower = np.maximum(depth - from_last, 0).astype(np.int64)
    fixed = np.concatenate((first, last))
    refined = [
        _refine(graph, start, fixed, from_first - from_last, rows) for start in (upper, lower, (upper + lower) // 2)
    ]
    return min(refined, key=lambda levels: _cost(levels, rows))


def _cost(levels: Array, rows: Array) -> int:
    return int(np.sum(np.bincount(np.repeat(levels, rows)).astype(np.int64) ** 3))


def _refine(graph: sparse.csr_array, levels: Array, fixed: Array, rightness: Array, rows: Array) -> Array:
    """Move orbitals from larger to smaller neighbouring layers while Σ n³ falls and |ℓ(a) − ℓ(b)| ≤ 1 holds."""
    levels = levels.copy()
    is_free = np.ones(len(levels), dtype=bool)
    is_free[fixed] = False
    order = np.argsort(levels, kind="stable")
    layers = np.split(order, np.cumsum(np.bincount(levels))[:-1])
    for _ in range(SWEEPS):
        n_moved = 0
        for i in range(len(layers) - 1):
            movers, target = _movers(graph, levels, layers, is_free, rightness, rows, i)
            levels[movers] = target
            source = 2 * i + 1 - target
            layers[source] = np.setdiff1d(layers[source], movers, assume_unique=True)
            layers[target] = np.concatenate((layers[target], movers))
            n_moved += len(movers)
        if n_moved == 0:
            break
    return levels


def _movers(
    graph: sparse.csr_array,
    levels: Array,
    layers: Sequence[Array],
    is_free: Array,
    rightness: Array,
    rows: Array,
    i: int,
) -> tuple[Array, int]:
    """The orbitals that even out layers i and i + 1, and the layer they go to."""
    surplus = int(rows[layers[i]].sum() - rows[layers[i + 1]].sum())
    source, target = (i, i + 1) if surplus > 0 else (i + 1, i)
    free = layers[source][is_free[layers[source]]]
    if abs(surplus) < 2 or not len(free):
        return free[:0], target
    neighbours = graph[free]
    is_beyond = levels[neighbours.indices] == 2 * source - target  # the layer that a mover must not touch
    touches = np.zeros(len(free), dtype=bool)
    touches[np.repeat(np.arange(len(free)), np.diff(neighbours.indptr))[is_beyond]] = True
    movable = free[~touches]
    nearest = np.argsort(rightness[movable] * (source - target), kind="stable")
    moving = movable[nearest]
    return moving[np.cumsum(rows[moving]) <= abs(surplus) // 2], target


def _merge(levels: Array, sets: Sequence[Array]) -> Array:
    """Join the layers that one lead's orbitals are spread over."""
    joined = np.zeros(int(levels.max()) + 1, dtype=bool)  # [i]: layer i joins layer i − 1
    for orbitals in sets:
        joined[levels[orbitals].min() + 1 : levels[orbitals].max() + 1] = True
    return np.cumsum(~joined)[levels] - 1
