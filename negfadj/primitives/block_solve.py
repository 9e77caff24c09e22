"""Columns and rows of the Green's function from left-connected factors: A X = B and R A = C, in O(N n² m).

    forward    w_i = B_i − A_{i,i−1} g_{i−1} w_{i−1}          v_i = C_i − v_{i−1} g_{i−1} A_{i−1,i}
    backward   X_i = g_i (w_i − A_{i,i+1} X_{i+1})            R_i = (v_i − R_{i+1} A_{i+1,i}) g_i

X = A⁻¹B are scattering states when B are a lead's orbitals. The pullback of X is one solve for rows:
dX = −A⁻¹ dA X, so with R = X̄†A⁻¹:  B̄_i = R_i†,  Ā_kl = −(X_l R_k)†.   (docs/adjoints/rgf.md)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..array import Kernel, product
from ..typing import Array
from .open_system import BlockMatrix


def solve_columns(
    a: BlockMatrix, factors: Sequence[Array], sources: Mapping[int, Array], carried: Sequence[Array] | None = None
) -> Iterator[tuple[int, Array]]:
    """Yield (i, X_i) for i = N − 1, …, 0, where A X = B and B is zero outside the blocks in `sources`.

    Parameters
    ----------
    a : BlockMatrix
    factors : the left-connected g_i of `a`
    sources : block → B_i, shape (E or 1, n_i, m)
    carried : the w_i of all blocks, where the elimination carried them along
    """
    n_blocks = a.n_blocks
    first = min(sources)
    w = dict(enumerate(carried)) if carried is not None else {first: sources[first]}
    for i in range(first, n_blocks - 1 if carried is None else first):
        moved = _COLUMNS_CARRY(factors[i], a.lower(i), w[i])
        w[i + 1] = moved + sources[i + 1] if i + 1 in sources else moved
    x = factors[-1] @ w.pop(n_blocks - 1)
    yield n_blocks - 1, x
    for i in range(n_blocks - 2, -1, -1):
        x = _COLUMNS_STEP(factors[i], a.upper(i), x, w.pop(i, None) if i >= first else None)
        yield i, x


def solve_rows(a: BlockMatrix, factors: Sequence[Array], sources: Mapping[int, Array]) -> Iterator[tuple[int, Array]]:
    """Yield (i, R_i) for i = N − 1, …, 0, where R A = C; `sources` are the blocks C_i, (E or 1, m, n_i)."""
    n_blocks = a.n_blocks
    first = min(sources)
    carried = {first: sources[first]}
    for i in range(first, n_blocks - 1):
        v = _ROWS_CARRY(factors[i], a.upper(i), carried[i])
        carried[i + 1] = v + sources[i + 1] if i + 1 in sources else v
    r = carried.pop(n_blocks - 1) @ factors[-1]
    yield n_blocks - 1, r
    for i in range(n_blocks - 2, -1, -1):
        r = _ROWS_STEP(factors[i], a.lower(i), r, carried.pop(i, None))
        yield i, r


def _columns_carry(g: Array, lower: Any, w: Array) -> Array:
    return -(lower @ (g @ w))


def _rows_carry(g: Array, upper: Any, v: Array) -> Array:
    return -product(v @ g, upper)


def _columns_step(g: Array, upper: Any, x: Array, w: Array | None) -> Array:
    inner = upper @ x
    return g @ (-inner if w is None else w - inner)


def _rows_step(g: Array, lower: Any, r: Array, v: Array | None) -> Array:
    inner = product(r, lower)
    return (-inner if v is None else v - inner) @ g


_COLUMNS_CARRY = Kernel("columns_carry", _columns_carry, numba="solve:columns_carry", cuda="cuda_solve:columns_carry")
_ROWS_CARRY = Kernel("rows_carry", _rows_carry, numba="solve:rows_carry", cuda="cuda_solve:rows_carry")
_COLUMNS_STEP = Kernel("columns_step", _columns_step, numba="solve:columns_step", cuda="cuda_solve:columns_step")
_ROWS_STEP = Kernel("rows_step", _rows_step, numba="solve:rows_step", cuda="cuda_solve:rows_step")
