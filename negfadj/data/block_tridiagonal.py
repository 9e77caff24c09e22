"""A block-tridiagonal matrix: diagonal, upper and lower blocks whose sizes may differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import array_api_compat.numpy as array_api_numpy

from ..array import (
    adjoint,
    array_namespace,
    as_real_like,
    brief_repr,
    device_of,
    is_array,
    is_complex,
    rebuild,
    to_numpy,
)
from ..errors import HermiticityError, InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .checks import as_float_array, check_finite, check_hermitian, check_square, common_namespace


@dataclass(frozen=True, eq=False)
class BlockTridiagonal:
    """A block-tridiagonal matrix X: ``diagonal[i]`` = X_{i,i}, ``upper[i]`` = X_{i,i+1}, ``lower[i]`` = X_{i+1,i}.

    Parameters
    ----------
    diagonal : sequence of N arrays, shapes (n_i, n_i)
        Real, integer or complex; Hermitian unless `lower` is given.
    upper : sequence of N − 1 arrays, shapes (n_i, n_{i+1})
    lower : sequence of N − 1 arrays, shapes (n_{i+1}, n_i), optional
        None (default) means X_{i+1,i} = X_{i,i+1}†, a Hermitian matrix. Given, the matrix is a general one and nothing
        is assumed of it.

    Raises
    ------
    ShapeError, InputError, InputTypeError, HermiticityError
        Naming the block, what is wrong with it and the value.

    Notes
    -----
    Blocks are kept as they are given (integers become float64), not copied: an array changed in place afterwards
    changes the matrix. The same class carries cotangents: there `diagonal[i]` has the shape of the primal's block, and
    in a Hermitian matrix `upper[i]` collects the share of the lower block too.
    """

    diagonal: tuple[Array, ...]
    upper: tuple[Array, ...]
    lower: tuple[Array, ...] | None = None

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        diagonal, upper = _blocks(self.diagonal, "diagonal"), _blocks(self.upper, "upper")
        lower = None if self.lower is None else _blocks(self.lower, "lower")
        if len(diagonal) == 0:
            raise ShapeError("diagonal is empty; a device has at least one block.")
        given = [x for x in (*diagonal, *upper, *(lower or ())) if is_array(x)]
        xp = common_namespace(*given) if given else array_api_numpy
        diagonal = tuple(as_float_array(x, f"diagonal[{i}]", xp) for i, x in enumerate(diagonal))
        upper = tuple(as_float_array(x, f"upper[{i}]", xp) for i, x in enumerate(upper))
        if lower is not None:
            lower = tuple(as_float_array(x, f"lower[{i}]", xp) for i, x in enumerate(lower))
        for i, block in enumerate(diagonal):
            check_square(block, f"diagonal[{i}]")
            check_finite(block, f"diagonal[{i}]")
            if lower is None:
                check_hermitian(block, f"diagonal[{i}]")
        sizes = [block.shape[0] for block in diagonal]
        for name, blocks in (("upper", upper), ("lower", lower)):
            if blocks is None:
                continue
            if len(blocks) != len(diagonal) - 1:
                raise ShapeError(
                    f"{len(diagonal)} diagonal blocks need {len(diagonal) - 1} {name} blocks, not {len(blocks)}."
                )
            for i, block in enumerate(blocks):
                shape = (sizes[i], sizes[i + 1]) if name == "upper" else (sizes[i + 1], sizes[i])
                if tuple(block.shape) != shape:
                    raise ShapeError(
                        f"{name}[{i}] has shape {tuple(block.shape)} but must be {shape} to join layers {i} "
                        f"and {i + 1} of sizes {sizes[i]} and {sizes[i + 1]}; check the order of the blocks."
                    )
                check_finite(block, f"{name}[{i}]")
        object.__setattr__(self, "diagonal", diagonal)
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "lower", lower)

    @property
    def n_blocks(self) -> int:
        """Number of diagonal blocks N."""
        return len(self.diagonal)

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """(n_1, …, n_N)."""
        return tuple(block.shape[0] for block in self.diagonal)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First orbital of every block, and the number of orbitals at the end: N + 1 integers."""
        return (0, *accumulate(self.block_sizes))

    @property
    def n_orbitals(self) -> int:
        """Σ n_i."""
        return sum(self.block_sizes)

    @property
    def is_hermitian(self) -> bool:
        """True when no lower blocks were given: X_{i+1,i} = X_{i,i+1}†."""
        return self.lower is None

    @property
    def is_real(self) -> bool:
        """True when every block is real."""
        return not any(is_complex(x) for x in (*self.diagonal, *self.upper, *(self.lower or ())))

    def lower_block(self, i: int) -> Array:
        """X_{i+1,i}."""
        return adjoint(self.upper[i]) if self.lower is None else self.lower[i]

    def to_dense(self) -> Array:
        """The whole matrix, (n_orbitals, n_orbitals), in the library and on the device of the blocks."""
        xp = array_namespace(*self.diagonal)
        zero = self.diagonal[0]
        rows = []
        for i, n in enumerate(self.block_sizes):
            row = []
            for j, m in enumerate(self.block_sizes):
                if j == i:
                    row.append(self.diagonal[i])
                elif j == i + 1:
                    row.append(self.upper[i])
                elif j == i - 1:
                    row.append(self.lower_block(j))
                else:
                    row.append(xp.zeros((n, m), dtype=zero.dtype, device=device_of(zero)))
            rows.append(xp.concat(row, axis=1))
        return xp.concat(rows, axis=0)

    @classmethod
    def from_dense(cls, matrix: ArrayLike, block_sizes: Sequence[int], *, hermitian: bool = True) -> BlockTridiagonal:
        """Cut a dense matrix into blocks.

        Parameters
        ----------
        matrix : array, shape (n, n)
        block_sizes : sequence of int
            Sum n.
        hermitian : bool
            False keeps lower blocks of their own.

        Raises
        ------
        ShapeError
            When the sizes do not add up.
        InputError
            When an entry outside the block-tridiagonal pattern is not zero; it is named.
        """
        if not is_array(matrix):
            matrix = array_api_numpy.asarray(matrix)
        xp = array_namespace(matrix)
        matrix = as_float_array(matrix, "matrix", xp)
        check_square(matrix, "matrix")
        offsets = _offsets(block_sizes, matrix.shape[0])
        spans = [slice(a, b) for a, b in zip(offsets[:-1], offsets[1:])]
        for i, rows in enumerate(spans):
            for j, columns in enumerate(spans):
                if abs(i - j) > 1 and bool(xp.any(matrix[rows, columns] != 0)):
                    block = xp.abs(matrix[rows, columns])
                    a, b = divmod(int(xp.argmax(xp.reshape(block, (-1,)))), block.shape[1])
                    _raise_outside(offsets[i] + a, offsets[j] + b, matrix[offsets[i] + a, offsets[j] + b], i, j)
        if hermitian:
            check_finite(matrix, "matrix")
            check_hermitian(matrix, "matrix")
        upper = tuple(matrix[a, b] for a, b in zip(spans[:-1], spans[1:]))
        lower = None if hermitian else tuple(matrix[b, a] for a, b in zip(spans[:-1], spans[1:]))
        return cls(tuple(matrix[s, s] for s in spans), upper, lower)

    @classmethod
    def from_sparse(cls, matrix: Any, block_sizes: Sequence[int], *, hermitian: bool = True) -> BlockTridiagonal:
        """Cut a SciPy (or CuPy) sparse matrix or array into dense blocks; nothing larger than a block is made dense.

        Parameters and errors as `from_dense`.
        """
        if not hasattr(matrix, "tocsr"):
            raise InputTypeError(
                f"matrix is a {type(matrix).__name__}; from_sparse takes a SciPy sparse matrix or array."
            )
        if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ShapeError(f"matrix has shape {tuple(matrix.shape)} but must be square.")
        matrix = matrix.tocsr()
        offsets = _offsets(block_sizes, matrix.shape[0])
        host = array_api_numpy
        block_of = host.repeat(host.arange(len(offsets) - 1), host.asarray([int(n) for n in block_sizes]))
        entries = matrix.tocoo()
        rows, columns, values = (to_numpy(x) for x in (entries.row, entries.col, entries.data))
        far = (host.abs(block_of[rows] - block_of[columns]) > 1) & (values != 0)
        if host.any(far):
            e = int(host.argmax(far))
            a, b = int(rows[e]), int(columns[e])
            _raise_outside(a, b, values[e], int(block_of[a]), int(block_of[b]))
        if hermitian:
            # a lower block would otherwise be dropped unseen
            difference = abs(matrix - matrix.conj().T).tocoo()
            scale = abs(matrix).max() if matrix.nnz else 0.0
            tolerance = (1.2e-7 if matrix.dtype.char in "fF" else 2.2e-16) ** 0.5 * float(scale)
            if difference.nnz and float(difference.data.max()) > tolerance:
                worst = int(difference.data.argmax())
                a, b = int(difference.row[worst]), int(difference.col[worst])
                raise HermiticityError(
                    f"matrix is not Hermitian: entry [{a}, {b}] = {matrix[a, b]} but [{b}, {a}] = {matrix[b, a]}; "
                    "pass hermitian=False where a non-Hermitian device is meant."
                )
        if not isinstance(entries.data, host.ndarray):  # on a GPU
            spans = [slice(a, b) for a, b in zip(offsets[:-1], offsets[1:])]
            upper = tuple(matrix[a, b].toarray() for a, b in zip(spans[:-1], spans[1:]))
            lower = None if hermitian else tuple(matrix[b, a].toarray() for a, b in zip(spans[:-1], spans[1:]))
            return cls(tuple(matrix[s, s].toarray() for s in spans), upper, lower)
        cut = _BlockCutter(offsets, block_of, rows, columns, values)
        pairs = range(len(offsets) - 2)
        lower = None if hermitian else tuple(cut(i + 1, i) for i in pairs)
        return cls(tuple(cut(i, i) for i in range(len(offsets) - 1)), tuple(cut(i, i + 1) for i in pairs), lower)

    def project_tangent(self, tangent: BlockTridiagonal) -> BlockTridiagonal:
        """A tangent or cotangent of this matrix, projected on what may vary: Hermitian blocks, real where real."""
        diagonal = tuple(
            None if t is None else project(t, x, hermitian=self.is_hermitian)
            for t, x in zip(tangent.diagonal, self.diagonal)
        )
        upper = tuple(None if t is None else project(t, x) for t, x in zip(tangent.upper, self.upper))
        lower = tangent.lower
        if lower is not None and self.lower is not None:
            lower = tuple(None if t is None else project(t, x) for t, x in zip(lower, self.lower))
        return rebuild(tangent, diagonal=diagonal, upper=upper, lower=lower)  # type: ignore[no-any-return]


class _BlockCutter:
    """Dense blocks of a sparse matrix from its entries, sorted once: slicing it costs more than all else of a model."""

    def __init__(self, offsets: Sequence[int], block_of: Any, rows: Any, columns: Any, values: Any) -> None:
        host = array_api_numpy
        place = 3 * block_of[rows] + block_of[columns] - block_of[rows] + 1  # (i, i − 1), (i, i), (i, i + 1), …
        order = host.argsort(place, stable=True)
        self.offsets = offsets
        self.ends = host.searchsorted(place[order], host.arange(3 * (len(offsets) - 1) + 1))
        starts = host.asarray(offsets)
        self.rows = (rows - starts[block_of[rows]])[order]
        self.columns = (columns - starts[block_of[columns]])[order]
        self.values = values[order]

    def __call__(self, i: int, j: int) -> Any:
        """Block (i, j), |i − j| ≤ 1; entries given twice add up."""
        host, place = array_api_numpy, 3 * i + j - i + 1
        here = slice(int(self.ends[place]), int(self.ends[place + 1]))
        shape = tuple(self.offsets[k + 1] - self.offsets[k] for k in (i, j))
        block = host.zeros(shape, dtype=self.values.dtype)
        host.add.at(block, (self.rows[here], self.columns[here]), self.values[here])
        return block


def project(tangent: Array, primal: Array, *, hermitian: bool = False) -> Array:
    """(X + X†)/2 when `hermitian`, and the real part for a real primal, in the primal's dtype."""
    if hermitian:
        tangent = (tangent + adjoint(tangent)) / 2
    return as_real_like(tangent, primal)


def _blocks(blocks: Any, name: str) -> tuple[Any, ...]:
    if is_array(blocks) and blocks.ndim == 3:  # a stack of equal blocks
        return tuple(blocks[i, ...] for i in range(blocks.shape[0]))
    if isinstance(blocks, list | tuple):
        return tuple(blocks)
    raise InputTypeError(f"{name} is a {type(blocks).__name__}; pass a list of blocks, or a stack of shape (N, n, n).")


def _offsets(block_sizes: Sequence[int], n: int) -> tuple[int, ...]:
    sizes = [int(size) for size in block_sizes]
    if any(size < 1 for size in sizes) or sum(sizes) != n:
        raise ShapeError(
            f"block_sizes {sizes} add up to {sum(sizes)} but the matrix has {n} rows; they must be positive and add up."
        )
    return (0, *accumulate(sizes))


def _raise_outside(a: int, b: int, value: Any, i: int, j: int) -> None:
    raise InputError(
        f"entry [{a}, {b}] = {value} joins blocks {i} and {j}, which are not neighbours; "
        "use larger blocks or another order of the orbitals."
    )
