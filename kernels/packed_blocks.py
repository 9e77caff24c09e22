"""The blocks of Hermitian H and S one after the other in flat arrays, for loops over all blocks without Python between.

A hopping block is a list of its entries (row, column, value) where they are few, else a dense block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

SPARSE = 0.25  # entries² over n³ up to which an entry-by-entry fold beats two products
DENSE, ENTRIES, IN_ORDER = 0, 1, 2  # kinds of hopping; in order: entry e is at (first row + e, first column + e)


class PackedBlocks(NamedTuple):
    """Flat H_ii, S_ii (no elements: identity) and A-side hoppings −H_{i,i+1}, S_{i,i+1} (no elements: none)."""

    sizes: np.ndarray
    onsite: np.ndarray
    overlap: np.ndarray
    kinds: np.ndarray
    starts: np.ndarray  # of every hopping's entries, and their end
    rows: np.ndarray
    columns: np.ndarray
    hopping: np.ndarray
    hopping_overlap: np.ndarray


def packed_blocks(hamiltonian: Any, overlap: Any, dtype: Any) -> PackedBlocks:
    """Pack a Hermitian `BlockTridiagonal` H and its S (or None) as arrays of `dtype`."""
    sizes = np.array(hamiltonian.block_sizes, np.int64)
    kinds, counts, rows, columns, values, overlaps = [], [0], [], [], [], []
    for i, upper in enumerate(hamiltonian.upper):
        s = None if overlap is None else overlap.upper[i]
        there = upper != 0 if s is None else (upper != 0) | (s != 0)
        r, c = np.nonzero(there)
        if r.shape[0] ** 2 > SPARSE * max(upper.shape) ** 3:
            r, c = (x.ravel() for x in np.indices(upper.shape))
            kinds.append(DENSE)
        else:
            steps = np.arange(r.shape[0])
            in_order = r.shape[0] > 0 and np.array_equal(r, r[0] + steps) and np.array_equal(c, c[0] + steps)
            kinds.append(IN_ORDER if in_order else ENTRIES)
        rows.append(r)
        columns.append(c)
        values.append(-upper[r, c])
        overlaps.append(np.zeros(0) if s is None else s[r, c])
        counts.append(counts[-1] + r.shape[0])

    def flat(blocks: Any, kind: Any) -> np.ndarray:
        return np.concatenate([np.zeros(0, kind), *[np.ravel(x) for x in blocks]]).astype(kind)

    return PackedBlocks(
        sizes,
        flat(hamiltonian.diagonal, dtype),
        flat([] if overlap is None else overlap.diagonal, dtype),
        np.array(kinds, np.int64),
        np.array(counts, np.int64),
        flat(rows, np.int64),
        flat(columns, np.int64),
        flat(values, dtype),
        flat(overlaps, dtype),
    )
