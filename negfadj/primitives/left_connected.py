"""Left-connected Green's functions, the pivots of block elimination from the left.

    g_1 = A_11⁻¹,   g_i = (A_ii − A_{i,i−1} g_{i−1} A_{i−1,i})⁻¹

Sources: Svizhenko et al., J. Appl. Phys. 91, 2343 (2002), Eqs. (29)–(31); docs/adjoints/rgf.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from ..array import Kernel, array_namespace, eps_of, inverse, is_single, max_norm, product
from ..typing import Array
from .open_system import BlockMatrix, Reversed
from .whole_sweep import Source, sweep_blocks, whole_sweep

SINGULAR, SINGULAR_SINGLE = 1e-6, 1e-3  # eps·|G_NN||A_NN| from which A counts as singular

Step: TypeAlias = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any]]


def last_of(pairs: Iterable[tuple[Array, Array | None]]) -> tuple[Array, Array | None]:
    """The last pair of a sweep, with no more than two in memory."""
    return deque(pairs, maxlen=1).pop()


class Factors(list[Array]):
    """g_i of every block; where the sweep told, `growth` (E,) is their largest entry and `carried` are all w_i."""

    growth: Array | None = None
    carried: tuple[Array, ...] | None = None

    def alone(self) -> Factors:
        """Without the carried columns: what a pullback keeps."""
        factors = Factors(self)
        factors.growth = self.growth
        return factors


def left_connected(a: BlockMatrix, columns: tuple[int, Array] | None = None) -> Factors:
    """g_i of every block, each (E, n_i, n_i) [1/eV]. Kept: 16 E Σ n_i² bytes in double precision.

    With `columns` (block, right-hand side) the w_i of `sweep` are carried along.
    """
    given = sweep_blocks(a)
    if given is None:
        return Factors(g for g, _ in sweep(a))
    found = whole_sweep(*given, sources=() if columns is None else (Source(*columns, 0),), keep=True)
    factors = Factors(found.factors)
    factors[-1] = regular(factors[-1], a.diagonal(a.n_blocks - 1))
    factors.growth, factors.carried = found.growth, found.carried
    return factors


def sweep(
    a: BlockMatrix, columns: tuple[int, Array] | None = None, *, step: Step | None = None
) -> Iterator[tuple[Array, Array | None]]:
    """Block elimination from the left, one block in hand: yields (g_i, w_i) for i = 0, 1, …, N − 1.

    With `columns` = (block b, B) the right-hand side is carried along, w_b = B, w_{i+1} = −A_{i+1,i} g_i w_i, so that
    g_N w_N is the last block of A⁻¹ applied to it. `step` does one elimination: `eliminate` for arrays (the default),
    or that of another algebra, such as truncated Taylor polynomials.
    """
    step = step or eliminate
    g = w = None
    for i in range(a.n_blocks):
        if g is None:
            g, w = step(a.diagonal(i), None, None, None, None)
        else:
            g, w = step(a.diagonal(i), a.lower(i - 1), g, a.upper(i - 1), w)
        if columns is not None and columns[0] == i:
            w = columns[1]
        if i == a.n_blocks - 1 and step is eliminate:
            g = regular(g, a.diagonal(i))
        yield g, w


def regular(g: Array, diagonal: Array) -> Array:
    """G_NN, with NaN where it is so large that A is singular to rounding: on a bound state."""
    xp = array_namespace(g)
    size = 1 + max_norm(diagonal)  # at least 1 eV: a single block's own diagonal vanishes with A
    singular = max_norm(g) * size > (SINGULAR_SINGLE if is_single(g) else SINGULAR) / eps_of(g)
    return xp.where(singular[:, None, None], xp.full_like(g, complex("nan+nanj")), g)


def eliminate(diagonal: Any, lower: Any, g: Any, upper: Any, w: Any) -> tuple[Any, Any]:
    """(D − L g U)⁻¹ and −L g w; the inverse of D alone where there is no g yet."""
    if g is None:
        return inverse(diagonal), None
    return _KERNEL(g, diagonal, lower, upper, w)  # type: ignore[no-any-return]


def _eliminate(g: Any, diagonal: Any, lower: Any, upper: Any, w: Any) -> tuple[Any, Any]:
    transfer = lower @ g  # (E, n_i, n_{i−1})
    return inverse(diagonal - product(transfer, upper)), None if w is None else -(transfer @ w)


_KERNEL = Kernel("eliminate", _eliminate, numba="elimination:eliminate", cuda="cuda_elimination:eliminate")


@dataclass(frozen=True, eq=False)
class Folded:
    """The blocks 0 … last of a system, what lies beyond folded on the last: A_ll − A_{l,l+1} g^R_{l+1} A_{l+1,l}."""

    matrix: BlockMatrix
    last: int
    step: Step | None = None

    @property
    def n_blocks(self) -> int:
        """Number of blocks left."""
        return self.last + 1

    def diagonal(self, i: int) -> Array:
        """A_ii, folded on the last block."""
        diagonal = self.matrix.diagonal(i)
        beyond = self.matrix.n_blocks - 1 - self.last
        if i < self.last or beyond == 0:
            return diagonal
        g, _ = last_of(islice(sweep(Reversed(self.matrix), step=self.step), beyond))
        return diagonal - self.matrix.upper(i) @ product(g, self.matrix.lower(i))

    def upper(self, i: int) -> Array:
        """A_{i,i+1}."""
        return self.matrix.upper(i)

    def lower(self, i: int) -> Array:
        """A_{i+1,i}."""
        return self.matrix.lower(i)
