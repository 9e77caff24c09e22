"""Wannier90's minimal distances: every hopping moved to the nearest periodic images of its second Wannier function.

H_ij(R) contributes to the N_ijR cells R + T with the weight 1/N_ijR each, where T leads to the images that are equally
near. seedname_wsvec.dat has a comment, and then for every R, i, j a line "R1 R2 R3 i j", a line with N, and N lines T.

Sources: G. Pizzi et al., J. Phys.: Condens. Matter 32, 165902 (2020), section 3.2; Wannier90 user guide,
"seedname_wsvec.dat".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FileFormatError
from ..typing import Array
from .text_file import line_error, text_lines


def at_minimal_distance(cells: Array, blocks: Array, path: Path) -> tuple[Array, Array]:
    """The blocks of the crystal once every entry is moved to its nearest images.

    Parameters
    ----------
    cells : array, shape (n_cells, 3), integer
    blocks : array, shape (n_cells, n, n)
        H_R, divided by the degeneracies of the cells.
    path : Path
        seedname_wsvec.dat.

    Returns
    -------
    cells, blocks : arrays, shapes (n_new, 3), (n_new, n, n)

    Raises
    ------
    FileFormatError
        When the file is cut short, belongs to another Hamiltonian, or a line is not what it should be.
    """
    lines = text_lines(path)
    source, moves = _moves(lines, cells, blocks.shape[1], path)
    n = blocks.shape[1]
    r, entry = np.divmod(source, n * n)
    weights = 1.0 / np.bincount(source, minlength=blocks.size)[source]
    reached, place = np.unique(cells[r] + moves, axis=0, return_inverse=True)
    found = np.zeros((len(reached), n * n), dtype=blocks.dtype)
    np.add.at(found, (place.ravel(), entry), weights * blocks.reshape(-1)[source])
    return reached, found.reshape(-1, n, n)


def _moves(lines: list[str], cells: Array, n: int, path: Path) -> tuple[Array, Array]:
    """For every T of the file the flat index of its entry (R, i, j), and T itself."""
    place = {tuple(r): k for k, r in enumerate(cells.tolist())}
    seen = np.zeros(len(cells) * n * n, dtype=bool)
    source: list[int] = []
    moves: list[list[int]] = []
    end = len(lines)
    while end > 1 and not lines[end - 1].strip():
        end -= 1
    k = 1
    while k < end:
        *cell, i, j = _integers(lines, k, 5, "R1 R2 R3 i j", path)
        if tuple(cell) not in place or not (1 <= i <= n and 1 <= j <= n):
            raise line_error(path, lines, k, "names a cell or Wannier function that the Hamiltonian does not have.")
        flat = (place[tuple(cell)] * n + i - 1) * n + j - 1
        if seen[flat]:
            raise line_error(path, lines, k, "gives an entry a second time.")
        seen[flat] = True
        count = _integers(lines, k + 1, 1, "the number of vectors T", path)[0]
        if count < 1:
            raise line_error(path, lines, k + 1, "must be the number of vectors T, one or more.")
        for at in range(k + 2, k + 2 + count):
            moves.append(_integers(lines, at, 3, "T1 T2 T3", path))
        source.extend([flat] * count)
        k += 2 + count
    if not np.all(seen):
        raise FileFormatError(
            f"{str(path)!r} is cut short: it has {int(seen.sum())} entries R, i, j of the {len(seen)} of the "
            f"Hamiltonian ({len(cells)} cells of {n} Wannier functions)."
        )
    return np.array(source), np.array(moves)


def _integers(lines: list[str], k: int, count: int, meaning: str, path: Path) -> list[int]:
    if k >= len(lines):
        raise FileFormatError(f"{str(path)!r} is cut short: it ends after line {len(lines)}, within an entry.")
    try:
        found = [int(word) for word in lines[k].split()]
    except ValueError:
        found = []
    if len(found) != count:
        raise line_error(path, lines, k, f"must hold {count} integers, {meaning}.")
    return found
