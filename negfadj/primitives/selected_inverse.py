"""The tridiagonal blocks of G = A⁻¹ from the left-connected factors.

    G_NN = g_N,   G_{i,i+1} = −g_i A_{i,i+1} G_{i+1,i+1},   G_{i+1,i} = −G_{i+1,i+1} A_{i+1,i} g_i,
    G_ii = g_i − G_{i,i+1} A_{i+1,i} g_i

Sources: Takahashi, Fagan and Chin (1973); Svizhenko et al., J. Appl. Phys. 91, 2343 (2002), Eqs. (32)–(36);
docs/adjoints/rgf.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..typing import Array
from .open_system import BlockMatrix


class InverseBlocks(NamedTuple):
    """Row i of the selected inverse: G_ii, and G_{i,i+1}, G_{i+1,i} (None for the last block)."""

    i: int
    diagonal: Array
    upper: Array | None
    lower: Array | None


def selected_inverse(a: BlockMatrix, factors: Sequence[Array]) -> Iterator[InverseBlocks]:
    """Yield G_ii, G_{i,i+1}, G_{i+1,i} for i = N − 1, …, 0, each (E, rows, columns) [1/eV]."""
    diagonal = factors[-1]
    yield InverseBlocks(a.n_blocks - 1, diagonal, None, None)
    for i in range(a.n_blocks - 2, -1, -1):
        back = a.lower(i) @ factors[i]
        lower = -(diagonal @ back)
        upper = -(factors[i] @ (a.upper(i) @ diagonal))
        diagonal = factors[i] - upper @ back
        yield InverseBlocks(i, diagonal, upper, lower)
