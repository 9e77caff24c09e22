"""What a pullback is asked for: everything, the on-site energies, or a pattern of entries of the Hamiltonian."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, to_numpy
from ..data import BlockTridiagonal
from ..errors import InputError, ShapeError
from ..primitives.system_cotangent import Pattern


def make_wrt(wrt: Any, hamiltonian: BlockTridiagonal) -> Any:
    """`wrt` as the accumulators take it: "all", "onsite" or a `Pattern`.

    Parameters
    ----------
    wrt : "all", "onsite", (rows, columns) of orbital indices, or a SciPy sparse matrix whose entries are the pattern

    Raises
    ------
    InputError, ShapeError
        For an entry outside the matrix or outside the block-tridiagonal pattern.
    """
    if isinstance(wrt, str):
        if wrt not in ("all", "onsite"):
            raise InputError(f'wrt={wrt!r} is not known; use "all", "onsite" or a pattern (rows, columns).')
        return wrt
    if hasattr(wrt, "tocoo"):
        entries = wrt.tocoo()
        rows, columns = entries.row, entries.col
    else:
        try:
            rows, columns = wrt
        except (TypeError, ValueError):
            raise InputError('wrt must be "all", "onsite", a pair (rows, columns), or a SciPy sparse matrix.') from None
    rows, columns = host.asarray(to_numpy(rows)), host.asarray(to_numpy(columns))
    if rows.ndim != 1 or rows.shape != columns.shape or rows.shape[0] == 0:
        raise ShapeError(f"wrt: rows {rows.shape} and columns {columns.shape} must be two equal, non-empty axes.")
    if rows.dtype.kind not in "iu" or columns.dtype.kind not in "iu":
        raise InputError(
            f"wrt: rows and columns have dtypes {rows.dtype} and {columns.dtype}; they are orbital indices."
        )
    n = hamiltonian.n_orbitals
    for name, index in (("rows", rows), ("columns", columns)):
        outside = (index < 0) | (index >= n)
        if host.any(outside):
            raise InputError(f"wrt: {name} holds {int(index[outside][0])} but the orbitals are 0 … {n - 1}.")
    offsets = host.asarray(hamiltonian.offsets)
    row_blocks = host.searchsorted(offsets, rows, side="right") - 1
    column_blocks = host.searchsorted(offsets, columns, side="right") - 1
    far = host.abs(row_blocks - column_blocks) > 1
    if host.any(far):
        first = int(host.argmax(far))
        raise InputError(
            f"wrt: entry ({int(rows[first])}, {int(columns[first])}) joins blocks {int(row_blocks[first])} and "
            f"{int(column_blocks[first])}, which are not neighbours: the device has no such entry."
        )
    return _sorted(rows, columns, row_blocks, column_blocks, offsets, hamiltonian)


def _sorted(
    rows: Any, columns: Any, row_blocks: Any, column_blocks: Any, offsets: Any, hamiltonian: BlockTridiagonal
) -> Pattern:
    block = hamiltonian.diagonal[0]
    xp, device = array_namespace(block), device_of(block)

    def moved(x: Any) -> Any:
        return xp.asarray(x.tolist(), dtype=xp.int64, device=device)

    blocks = {}
    for k, m in sorted(set(zip(row_blocks.tolist(), column_blocks.tolist()))):
        here = host.nonzero((row_blocks == k) & (column_blocks == m))[0]
        blocks[(k, m)] = (moved(rows[here] - offsets[k]), moved(columns[here] - offsets[m]), moved(here))
    return Pattern(int(rows.shape[0]), blocks, rows, columns)
