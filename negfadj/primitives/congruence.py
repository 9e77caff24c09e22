"""Selected congruence: the tridiagonal blocks of X = A⁻¹ Q B⁻¹ for block-tridiagonal A, Q, B, in O(N n³).

With g, h the left-connected factors and G, F the diagonal blocks of A⁻¹, B⁻¹:

    x_1 = g_1 Q_11 h_1
    x_i = g_i [Q_ii + A_{i,i−1} x_{i−1} B_{i−1,i} − A_{i,i−1} g_{i−1} Q_{i−1,i} − Q_{i,i−1} h_{i−1} B_{i−1,i}] h_i
    X_NN = x_N, and for i = N−1 … 1
      M = G_{i+1,i+1} (Q_{i+1,i} h_i − A_{i+1,i} x_i),   R = (g_i Q_{i,i+1} − x_i B_{i,i+1}) F_{i+1,i+1}
      X_{i,i+1} = R − g_i A_{i,i+1} X_{i+1,i+1}
      X_{i+1,i} = M − X_{i+1,i+1} B_{i+1,i} h_i
      X_ii = x_i − g_i A_{i,i+1} M − R B_{i+1,i} h_i + g_i A_{i,i+1} X_{i+1,i+1} B_{i+1,i} h_i

It is the one primitive behind

    lesser and spectral functions   G^< = G Σ^< G†        A, Σ^<, A†
    tangent of the inverse          −G dA G               A, −dA, A
    adjoint of the inverse          Ā = −G†Ḡ G†           the dagger of A, −Ḡ†, A
    source of a lesser function     Σ̄^< = G†X̄ G           A†, X̄, A

Derivation: docs/adjoints/congruence.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..array import adjoint, array_namespace, product
from ..typing import Array
from .left_connected import left_connected
from .open_system import BlockMatrix, Blocks
from .selected_inverse import InverseBlocks, selected_inverse


def selected_congruence(
    a: BlockMatrix, a_factors: Sequence[Array], q: BlockMatrix, b: BlockMatrix, b_factors: Sequence[Array]
) -> Iterator[InverseBlocks]:
    """Yield X_ii, X_{i,i+1}, X_{i+1,i} of A⁻¹ Q B⁻¹ for i = N − 1, …, 0; zero blocks of Q may be None.

    Memory: the connected x_i of all blocks, as much as the factors.
    """
    connected = _connected(a, a_factors, q, b, b_factors)
    n_blocks = a.n_blocks
    x = connected.pop()
    inverse_a, inverse_b = a_factors[-1], b_factors[-1]
    yield InverseBlocks(n_blocks - 1, x, None, None)
    for i in range(n_blocks - 2, -1, -1):
        g, h, x_left = a_factors[i], b_factors[i], connected.pop()
        out, back = product(g, a.upper(i)), b.lower(i) @ h  # g_i A_{i,i+1},  B_{i+1,i} h_i
        m = inverse_a @ _minus(_times(q.lower(i), h), a.lower(i) @ x_left)
        r = _minus(_times(g, q.upper(i)), product(x_left, b.upper(i))) @ inverse_b
        over = out @ x
        upper, lower = r - over, m - x @ back
        diagonal = x_left - out @ m - r @ back + over @ back
        inverse_a = g + out @ (inverse_a @ (a.lower(i) @ g))
        inverse_b = inverse_a if b is a else h + product(h, b.upper(i)) @ (inverse_b @ back)
        x = diagonal
        yield InverseBlocks(i, diagonal, upper, lower)


def _connected(
    a: BlockMatrix, a_factors: Sequence[Array], q: BlockMatrix, b: BlockMatrix, b_factors: Sequence[Array]
) -> list[Array]:
    """x_i: the congruence of the blocks up to i alone, their last diagonal block."""
    found: list[Array] = []
    for i in range(a.n_blocks):
        source = q.diagonal(i)
        if i > 0:
            down, up = a.lower(i - 1), b.upper(i - 1)
            source = _plus(source, product(down @ found[-1], up))
            if q.upper(i - 1) is not None:
                source = source - down @ (a_factors[i - 1] @ q.upper(i - 1))
            if q.lower(i - 1) is not None:
                source = source - product(q.lower(i - 1) @ b_factors[i - 1], up)
        g, h = a_factors[i], b_factors[i]
        found.append(array_namespace(g).zeros_like(g) if source is None else g @ source @ h)
    return found


def _times(x: Array | None, y: Array | None) -> Array | None:
    return None if x is None or y is None else x @ y


def _plus(x: Array | None, y: Array) -> Array:
    return y if x is None else x + y


def _minus(x: Array | None, y: Array) -> Array:
    return -y if x is None else x - y


class CongruenceCotangent(NamedTuple):
    """Cotangents of A, Q and B as block-tridiagonal matrices."""

    a: Blocks
    q: Blocks
    b: Blocks


def selected_congruence_vjp(
    a: BlockMatrix, q: BlockMatrix, b: BlockMatrix, /
) -> tuple[Blocks, Callable[[Blocks], CongruenceCotangent]]:
    """The selected congruence as `Blocks`, and its pullback X̄ → (Ā, Q̄, B̄), energy by energy.

    X is minus the (1, 2) corner of the inverse of T = [[A, Q], [0, B]], which is block tridiagonal again. With Ȳ the
    cotangent of T⁻¹ (−X̄ in that corner), T̄ = −T^{-†} Ȳ T^{-†} = −(T⁻¹ Ȳ† T⁻¹)†: one selected congruence over T.
    It costs about eight plain congruences and keeps the left-connected factors of T.
    """
    doubled = _Doubled(a, q, b)
    factors = left_connected(doubled)
    sizes = [int(a.diagonal(i).shape[-1]) for i in range(a.n_blocks)]
    pairs = list(zip(sizes, sizes[1:]))
    inverse_rows = list(selected_inverse(doubled, factors))[::-1]
    value = Blocks(
        [-_upper_right(row.diagonal) for row in inverse_rows],
        [-_upper_right(row.upper) for row in inverse_rows[:-1]],
        [-_upper_right(row.lower) for row in inverse_rows[:-1]],
    )

    def selected_congruence_pullback(x_bar: Blocks) -> CongruenceCotangent:
        source = Blocks(
            [_lower_left(x_bar.diagonal(i)) for i in range(len(sizes))],
            [_lower_left(x_bar.lower(i)) for i in range(len(pairs))],
            [_lower_left(x_bar.upper(i)) for i in range(len(pairs))],
        )
        found = list(selected_congruence(doubled, factors, source, doubled, factors))[::-1]
        diagonal = [-adjoint(f.diagonal) for f in found]
        upper = [-adjoint(f.lower) for f in found[:-1]]
        lower = [-adjoint(f.upper) for f in found[:-1]]

        def part(rows: slice, columns: slice) -> Blocks:
            def cut(x: Array) -> Array:
                n, m = x.shape[-2] // 2, x.shape[-1] // 2
                return x[:, rows.start * n : rows.stop * n, columns.start * m : columns.stop * m]

            return Blocks([cut(x) for x in diagonal], [cut(x) for x in upper], [cut(x) for x in lower])

        first, second = slice(0, 1), slice(1, 2)
        return CongruenceCotangent(part(first, first), part(first, second), part(second, second))

    return value, selected_congruence_pullback


@dataclass(frozen=True, eq=False)
class _Doubled:
    """[[A, Q], [0, B]] block by block."""

    a: BlockMatrix
    q: BlockMatrix
    b: BlockMatrix

    @property
    def n_blocks(self) -> int:
        return self.a.n_blocks

    def diagonal(self, i: int) -> Array:
        return _triangular(self.a.diagonal(i), self.q.diagonal(i), self.b.diagonal(i))

    def upper(self, i: int) -> Array:
        return _triangular(self.a.upper(i), self.q.upper(i), self.b.upper(i))

    def lower(self, i: int) -> Array:
        return _triangular(self.a.lower(i), self.q.lower(i), self.b.lower(i))


def _triangular(a: Array, q: Array | None, b: Array) -> Array:
    xp = array_namespace(a)
    a, q, b = xp.broadcast_arrays(a, xp.zeros_like(a) if q is None else q, b)
    return xp.concat([xp.concat([a, q], axis=-1), xp.concat([xp.zeros_like(b), b], axis=-1)], axis=-2)


def _upper_right(x: Any) -> Array:
    """The upper right quarter of a doubled block."""
    return x[:, : x.shape[-2] // 2, x.shape[-1] // 2 :]


def _lower_left(x_bar: Array | None) -> Array | None:
    """−X̄† in the lower left corner of a matrix twice the size."""
    if x_bar is None:
        return None
    x = -adjoint(x_bar)
    xp = array_namespace(x)
    zero = xp.zeros_like(x)
    return xp.concat([xp.concat([zero, zero], axis=-1), xp.concat([x, zero], axis=-1)], axis=-2)
