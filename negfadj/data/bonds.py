"""The bonds of a device: pairs of orbitals joined by a non-zero entry of H or S."""

from __future__ import annotations

from ..array import array_namespace, device_of
from ..typing import Array
from .block_tridiagonal import BlockTridiagonal


def bond_blocks(hamiltonian: BlockTridiagonal, overlap: BlockTridiagonal | None) -> list[tuple[int, int, Array, Array]]:
    """Per pair of blocks (k, l), l = k or k + 1: the local rows and columns of the bonds a < b within it."""
    xp = array_namespace(hamiltonian.diagonal[0])
    found = []
    for k in range(hamiltonian.n_blocks):
        for upper in (False, True):
            if upper and k == hamiltonian.n_blocks - 1:
                continue
            joined = (hamiltonian.upper if upper else hamiltonian.diagonal)[k] != 0
            if overlap is not None:
                joined = joined | ((overlap.upper if upper else overlap.diagonal)[k] != 0)
            if not upper:
                joined = xp.astype(xp.triu(xp.astype(joined, xp.int8), k=1), xp.bool)
            rows, columns = xp.nonzero(joined)
            found.append((k, k + int(upper), rows, columns))
    return found


def bonds(hamiltonian: BlockTridiagonal, overlap: BlockTridiagonal | None) -> tuple[Array, Array]:
    """Pairs (a, b), a < b, sorted row by row, shape (n_bonds, 2), and the sorting order of the concatenated blocks."""
    return sorted_bonds(hamiltonian, bond_blocks(hamiltonian, overlap))


def sorted_bonds(hamiltonian: BlockTridiagonal, blocks: list[tuple[int, int, Array, Array]]) -> tuple[Array, Array]:
    """`bonds` from what `bond_blocks` found."""
    xp = array_namespace(hamiltonian.diagonal[0])
    offsets = hamiltonian.offsets
    a = xp.concat([rows + offsets[k] for k, _, rows, _ in blocks])
    b = xp.concat([columns + offsets[m] for _, m, _, columns in blocks])
    order = xp.argsort(a * hamiltonian.n_orbitals + b)
    pairs = xp.stack([xp.take(a, order), xp.take(b, order)], axis=1)
    return xp.asarray(pairs, device=device_of(pairs)), order
