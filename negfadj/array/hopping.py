"""Hoppings with a structure, so that products with them cost less than a complex dense one.

`Monomial`: at most one entry in every row and column, as in nearest-neighbour lattices: products gather.
`RealBlock`: a real matrix, on NumPy: half the work of a complex one. Both multiply with `m @ x` and `product(x, m)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..typing import Array
from .namespace import array_namespace, device_of, to_numpy

SPARSE = 0.25  # entries² over n³ up to which going from entry to entry beats two products


@dataclass(frozen=True, eq=False)
class Monomial:
    """M with M[r, column_of_row[r]] = by_row[…, r], and the same entries sorted by column.

    Parameters
    ----------
    by_row, by_column : arrays, shapes (E or 1, n) and (E or 1, m); zero where a row or column is empty
    column_of_row, row_of_column : integer arrays (n,) and (m,), or None where they count 0, 1, 2, …
    """

    by_row: Array
    column_of_row: Array | None
    by_column: Array
    row_of_column: Array | None

    __array_ufunc__ = None  # NumPy and CuPy leave x @ m to __rmatmul__

    def __matmul__(self, x: Array) -> Array:
        return self.by_row[:, :, None] * _gathered(x, self.column_of_row, -2)

    def __rmatmul__(self, x: Array) -> Array:
        return _gathered(x, self.row_of_column, -1) * self.by_column[:, None, :]

    def adjoint(self) -> Monomial:
        """M†."""
        xp = array_namespace(self.by_row)
        return Monomial(xp.conj(self.by_column), self.row_of_column, xp.conj(self.by_row), self.column_of_row)


@dataclass(frozen=True, eq=False)
class RealBlock:
    """A real matrix (1, n, m) that multiplies complex NumPy stacks as two real ones, and real ones as it is.

    `entries` are (rows, columns, values) where they are so few that a kernel goes from one to the next.
    """

    block: np.ndarray
    entries: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    __array_ufunc__ = None

    @classmethod
    def of(cls, block: np.ndarray) -> RealBlock:
        """With its entries, where their square is below SPARSE of the cube of its size."""
        rows, columns = np.nonzero(block[0])
        is_sparse = len(rows) ** 2 <= SPARSE * max(block.shape) ** 3
        return cls(block, (rows, columns, block[0, rows, columns]) if is_sparse else None)

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        parts: Any = self.block @ np.ascontiguousarray(x).view(self.block.dtype)  # (…, m, 2r): Re and Im side by side
        found: np.ndarray = parts.view(x.dtype)
        return found

    def __rmatmul__(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind == "f":
            real: np.ndarray = x @ self.block
            return real
        product = np.empty((x.shape[0], x.shape[1], self.block.shape[-1]), dtype=x.dtype)
        product.real = np.ascontiguousarray(x.real) @ self.block
        product.imag = np.ascontiguousarray(x.imag) @ self.block
        return product

    def adjoint(self) -> RealBlock:
        """M†, the transpose."""
        entries = None if self.entries is None else (self.entries[1], self.entries[0], self.entries[2])
        return RealBlock(np.swapaxes(self.block, -1, -2), entries)


@dataclass(frozen=True, eq=False)
class MonomialPattern:
    """Where the entries of a monomial matrix are; `of` puts the values of a stack (E or 1, n, m) there."""

    column_of_row: Array
    row_of_column: Array
    rows_in_order: bool
    columns_in_order: bool

    def of(self, block: Array) -> Monomial:
        """The block as a `Monomial`."""
        xp = array_namespace(block)
        n, m = block.shape[-2], block.shape[-1]
        rows = xp.arange(n, device=device_of(block))
        columns = xp.arange(m, device=device_of(block))
        flat = xp.reshape(block, (block.shape[0], n * m))
        by_row = xp.take(flat, rows * m + self.column_of_row, axis=1)
        by_column = xp.take(flat, self.row_of_column * m + columns, axis=1)
        return Monomial(
            by_row,
            None if self.rows_in_order else self.column_of_row,
            by_column,
            None if self.columns_in_order else self.row_of_column,
        )

    def transposed(self) -> MonomialPattern:
        """The pattern of the transposed matrix."""
        return MonomialPattern(self.row_of_column, self.column_of_row, self.columns_in_order, self.rows_in_order)


def product(x: Array, hopping: Any) -> Array:
    """x @ hopping for an array or a structured hopping; not every library's arrays leave that operator to the right."""
    return hopping.__rmatmul__(x) if isinstance(hopping, Monomial | RealBlock) else x @ hopping


def structured(block: Array, pattern: MonomialPattern | None) -> Any:
    """A stack of blocks as a `Monomial` of the pattern, a real NumPy one as a `RealBlock`, any other as it is."""
    if pattern is not None:
        return pattern.of(block)
    return RealBlock.of(block) if isinstance(block, np.ndarray) and block.dtype.kind == "f" else block


def monomial_pattern(*matrices: Array | None) -> MonomialPattern | None:
    """The common pattern of matrices (n, m) when it has at most one entry a row and column; else None."""
    given = [x for x in matrices if x is not None]
    xp = array_namespace(*given)
    joined = given[0] != 0
    for x in given[1:]:
        joined = joined | (x != 0)
    counts = xp.astype(joined, xp.int64)
    if int(xp.max(xp.sum(counts, axis=0))) > 1 or int(xp.max(xp.sum(counts, axis=1))) > 1:
        return None
    column_of_row, row_of_column = xp.argmax(counts, axis=1), xp.argmax(counts, axis=0)
    return MonomialPattern(
        column_of_row, row_of_column, _in_order(column_of_row, joined), _in_order(row_of_column, joined)
    )


def _in_order(index: Array, joined: Array) -> bool:
    host: Any = to_numpy(index)
    return joined.shape[0] == joined.shape[1] and bool((host == range(host.shape[0])).all())


def _gathered(x: Array, index: Array | None, axis: int) -> Array:
    return x if index is None else array_namespace(x).take(x, index, axis=axis)
