"""Hamiltonians of Wannier90: the file seedname_hr.dat, read and written.

Line 1 is a comment, then the number of Wannier functions n and of cells N, the N degeneracies, 15 to a line, and for
every cell its n² entries, a line each: R1 R2 R3 i j Re Im of ⟨i, cell 0|H|j, cell R⟩, to be divided by the degeneracy.

Sources: A. A. Mostofi et al., Comput. Phys. Commun. 185, 2309 (2014); Wannier90 user guide, "seedname_hr.dat".
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..array import adjoint, to_numpy
from ..data import PeriodicHamiltonian
from ..errors import FileFormatError, HermiticityError, InputError
from ..typing import Array
from .text_file import line_error, text_lines
from .wannier90_distances import at_minimal_distance

PER_LINE = 15  # degeneracies on a line
BOHR = 0.529177210903  # Å, CODATA 2018
COLUMNS = "R1 R2 R3 i j Re Im"


def read_wannier90(
    path: str | PathLike[str],
    *,
    win: str | PathLike[str] | None = None,
    wsvec: str | PathLike[str] | None = None,
    cutoff: float = 0.0,
) -> PeriodicHamiltonian:
    """Read a seedname_hr.dat.

    H_R = (file's H_R)/degeneracy, then (H_R + H_{−R}†)/2: the digits of the file leave them equal to half a unit of
    the last one only.

    Parameters
    ----------
    path : path of the file
    win : path of seedname.win, optional
        For the lattice vectors; without it the result has none.
    wsvec : path of seedname_wsvec.dat, optional
        For the minimal distances (use_ws_distance, Wannier90's default for its own bands): every entry is moved to the
        nearest images of its Wannier functions. Without it the cells are as seedname_hr.dat has them, and bands
        between the k-points of the original grid differ a little.
    cutoff : float
        Entries below it in size [eV] become zero, and cells left without any are dropped: a Wannier function reaches
        far with next to nothing, and each cell further makes the principal layer longer. Default: keep everything.

    Returns
    -------
    PeriodicHamiltonian
        Complex; real when no imaginary part of the file differs from zero. Cells in the order of the file, sorted
        where `wsvec` moves entries.

    Raises
    ------
    InputError
        When there is no such file; when the cutoff is negative.
    FileFormatError
        When the file is cut short (how many lines there are and should be), or a line is not what it should be: its
        number and text.
    HermiticityError
        When H_{−R} differs from H_R† by more than the digits of the file allow: the entry with its line.
    """
    path = Path(path)
    if not cutoff >= 0:
        raise InputError(f"cutoff={cutoff!r} must be an energy [eV] of zero or above.")
    lines = text_lines(path)
    header = _header(lines, path)
    table = _table(lines, header, path)
    cells, blocks = _blocks(table, header, lines, path)
    blocks = _hermitian(cells, blocks, header, lines, path) / header.degeneracies[:, None, None]
    if wsvec is not None:
        cells, blocks = at_minimal_distance(cells, blocks, Path(wsvec))
    if not np.any(blocks.imag):
        blocks = blocks.real.copy()
    if cutoff > 0:
        blocks = np.where(np.abs(blocks) < cutoff, 0.0, blocks)
        kept = np.any(blocks != 0, axis=(1, 2)) | np.all(cells == 0, axis=1)
        cells, blocks = cells[kept], blocks[kept]
    return PeriodicHamiltonian(cells, blocks, lattice=None if win is None else read_lattice(win))


def read_lattice(win: str | PathLike[str]) -> Array:
    """The lattice vectors in rows [Å], shape (3, 3), of the unit_cell_cart block of a seedname.win.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When the block is missing or not three vectors that span a cell.
    """
    path = Path(win)
    lines = [line.split("!")[0].split("#")[0].split() for line in text_lines(path)]
    names = [tuple(word.lower() for word in line) for line in lines]
    if ("begin", "unit_cell_cart") not in names or ("end", "unit_cell_cart") not in names:
        raise FileFormatError(f"{str(path)!r} has no block begin unit_cell_cart … end unit_cell_cart.")
    start, end = names.index(("begin", "unit_cell_cart")) + 1, names.index(("end", "unit_cell_cart"))
    rows = [k for k in range(start, end) if lines[k]]
    unit = 1.0
    if rows and names[rows[0]] in (("bohr",), ("ang",)):
        unit = BOHR if names[rows[0]] == ("bohr",) else 1.0
        rows = rows[1:]
    try:
        lattice = np.array([[float(x.lower().replace("d", "e")) for x in lines[k]] for k in rows])
    except ValueError as error:
        raise FileFormatError(f"{str(path)!r}: unit_cell_cart holds something else than numbers ({error}).") from error
    if lattice.shape != (3, 3):
        raise FileFormatError(
            f"{str(path)!r}: unit_cell_cart has {len(rows)} vectors; it needs three of three numbers."
        )
    lengths = np.linalg.norm(lattice, axis=1)
    if not np.all(np.isfinite(lattice)) or abs(np.linalg.det(lattice)) <= 1e-9 * np.prod(lengths):
        raise FileFormatError(
            f"{str(path)!r}: the vectors {lattice.tolist()} of unit_cell_cart lie in a plane; they must span a cell."
        )
    return unit * lattice


def write_wannier90(path: str | PathLike[str], periodic: PeriodicHamiltonian, *, decimals: int = 6) -> None:
    """Write a seedname_hr.dat, with every degeneracy 1.

    Parameters
    ----------
    path : path of the file
        An existing one is replaced.
    periodic : PeriodicHamiltonian
        In an orthogonal basis, that of Wannier functions.
    decimals : int
        Digits after the point; Wannier90 itself writes 6.

    Raises
    ------
    InputError
        When there is an overlap, which the format has no place for.
    """
    if periodic.overlap is not None:
        raise InputError("the Hamiltonian has an overlap matrix, which seedname_hr.dat cannot hold.")
    if isinstance(decimals, bool) or not hasattr(decimals, "__index__") or not 1 <= decimals <= 17:
        raise InputError(f"decimals={decimals!r} must be an integer from 1 to 17.")
    n, blocks = periodic.n_orbitals, to_numpy(periodic.hamiltonian)
    j, i = np.divmod(np.arange(n * n), n)  # the row runs fastest
    table = np.empty((periodic.n_cells, n * n, 7))
    table[:, :, :3] = np.asarray(periodic.cells)[:, None, :]
    table[:, :, 3], table[:, :, 4] = i + 1, j + 1
    table[:, :, 5], table[:, :, 6] = blocks[:, i, j].real, blocks[:, i, j].imag
    with Path(path).open("w", encoding="ascii") as file:
        file.write(f"written by negfadj\n{n:12d}\n{periodic.n_cells:12d}\n")
        for start in range(0, periodic.n_cells, PER_LINE):
            file.write("    1" * min(PER_LINE, periodic.n_cells - start) + "\n")
        width = decimals + 6
        np.savetxt(file, table.reshape(-1, 7), fmt="%5d%5d%5d%5d%5d" + f" %{width}.{decimals}f %{width}.{decimals}f")


class _Header(NamedTuple):
    """What the head of the file says, and the index of the first line after it."""

    n_orbitals: int
    degeneracies: Array  # (n_cells,)
    start: int


def _header(lines: list[str], path: Path) -> _Header:
    if len(lines) < 4:
        raise FileFormatError(f"{str(path)!r} has {len(lines)} lines: it is cut short within its head.")
    counts = []
    for k, name in ((1, "the number of Wannier functions"), (2, "the number of cells")):
        words = lines[k].split()
        if len(words) != 1 or not words[0].isdecimal() or int(words[0]) < 1:
            raise line_error(path, lines, k, f"must be {name}, one positive integer; is this a seedname_hr.dat?")
        counts.append(int(words[0]))
    n_orbitals, n_cells = counts
    degeneracies: list[int] = []
    k = 3
    while len(degeneracies) < n_cells:
        if k >= len(lines):
            raise FileFormatError(
                f"{str(path)!r} is cut short: it has {len(degeneracies)} of {n_cells} degeneracies, and ends there."
            )
        words = lines[k].split()
        if not words or not all(word.isdecimal() and int(word) > 0 for word in words):
            raise line_error(
                path, lines, k, f"must hold degeneracies, positive integers; {len(degeneracies)} of {n_cells} are read."
            )
        degeneracies.extend(int(word) for word in words)
        k += 1
    if len(degeneracies) > n_cells:
        raise line_error(path, lines, k - 1, f"holds degeneracy {len(degeneracies)}, but line 3 says {n_cells} cells.")
    return _Header(n_orbitals, np.array(degeneracies), k)


def _table(lines: list[str], header: _Header, path: Path) -> Array:
    """The entries, shape (n_cells n², 7)."""
    n_cells, n = len(header.degeneracies), header.n_orbitals
    expected, end = n_cells * n * n, len(lines)
    while end > header.start and not lines[end - 1].strip():
        end -= 1
    found = end - header.start
    if found != expected:
        state = "is cut short" if found < expected else "goes on too long"
        raise FileFormatError(
            f"{str(path)!r} {state}: {n_cells} cells of {n} Wannier functions take {expected} lines of entries, "
            f"{header.start + expected} lines in all, but it has {found} and {end}."
        )
    body = lines[header.start : end]
    try:
        table = np.loadtxt(body, comments=None, ndmin=2)
        if table.shape == (expected, 7) and np.all(np.isfinite(table)):
            return table
    except ValueError:
        pass
    raise _first_bad_line(lines, header.start, end, path)


def _first_bad_line(lines: list[str], start: int, end: int, path: Path) -> FileFormatError:
    """The error of the first line that is not seven finite numbers; only reached when there is one."""
    for k in range(start, end):
        words = lines[k].split()
        if len(words) != 7:
            return line_error(path, lines, k, f"has {len(words)} columns but must have the 7 of {COLUMNS}.")
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            return line_error(path, lines, k, f"must hold the numbers {COLUMNS}.")
        if not np.all(np.isfinite(numbers)):
            return line_error(path, lines, k, "holds a number that is not finite.")
    return FileFormatError(f"{str(path)!r}: the entries cannot be read as numbers {COLUMNS}.")


def _blocks(table: Array, header: _Header, lines: list[str], path: Path) -> tuple[Array, Array]:
    """Cells (n_cells, 3) and the file's H_R (n_cells, n, n), complex."""
    n_cells, n = len(header.degeneracies), header.n_orbitals
    with np.errstate(invalid="ignore"):  # what does not fit an integer is told below
        integers = table[:, :5].astype(np.int64)
    _refuse(np.any(integers != table[:, :5], axis=1), "R1 R2 R3 i j must be integers.", header, lines, path)
    places = integers[:, 3:] - 1
    outside = np.any((places < 0) | (places >= n), axis=1)
    _refuse(outside, f"i and j must be from 1 to {n}, as line 2 says.", header, lines, path)
    cells = integers[:, :3].reshape(n_cells, n * n, 3)
    _refuse(
        np.any(cells != cells[:, :1], axis=2).ravel(),
        f"belongs to another cell than the lines before it, but every cell takes {n * n} lines in a row.",
        header,
        lines,
        path,
    )
    flat = np.repeat(np.arange(n_cells), n * n) * n * n + places[:, 0] * n + places[:, 1]
    first = np.zeros(len(flat), dtype=bool)
    first[np.unique(flat, return_index=True)[1]] = True
    _refuse(~first, "gives an entry of its cell a second time.", header, lines, path)
    blocks = np.empty(len(flat), dtype=np.complex128)
    blocks[flat] = table[:, 5] + 1j * table[:, 6]
    cells = cells[:, 0]
    _, unique = np.unique(cells, axis=0, return_index=True)
    repeated = np.setdiff1d(np.arange(n_cells), unique)
    if len(repeated):
        k = header.start + int(repeated[0]) * n * n
        raise line_error(path, lines, k, f"begins cell {cells[repeated[0]].tolist()} a second time.")
    return cells, blocks.reshape(n_cells, n, n)


def _refuse(is_wrong: Array, what: str, header: _Header, lines: list[str], path: Path) -> None:
    if np.any(is_wrong):
        raise line_error(path, lines, header.start + int(np.argmax(is_wrong)), what)


def _hermitian(cells: Array, blocks: Array, header: _Header, lines: list[str], path: Path) -> Array:
    """(H_R + H_{−R}†)/2, refused where the two differ by more than the digits of the file allow."""
    n = header.n_orbitals
    place = {tuple(r): k for k, r in enumerate(cells.tolist())}
    opposite = np.array([place.get(tuple(-x for x in r), -1) for r in cells.tolist()])
    if np.any(opposite < 0):
        r = int(np.argmax(opposite < 0))
        raise line_error(
            path, lines, header.start + r * n * n, f"cell {cells[r].tolist()} has no opposite {(-cells[r]).tolist()}."
        )
    uneven = header.degeneracies != header.degeneracies[opposite]
    if np.any(uneven):
        r = int(np.argmax(uneven))
        raise FileFormatError(
            f"{str(path)!r}: cell {cells[r].tolist()} has degeneracy {header.degeneracies[r]} but its opposite "
            f"{header.degeneracies[opposite[r]]}; they must be equal."
        )
    mirrored = adjoint(blocks[opposite])
    difference = np.abs(blocks - mirrored)
    tolerance = _last_digit(lines[header.start : header.start + n * n], float(np.max(np.abs(blocks))))
    if np.max(difference) > tolerance:
        r, i, j = (int(x) for x in np.unravel_index(int(np.argmax(difference)), difference.shape))
        raise HermiticityError(
            f"{str(path)!r}: entry ({i + 1}, {j + 1}) of cell {cells[r].tolist()} is {blocks[r, i, j]:.9g} but entry "
            f"({j + 1}, {i + 1}) of the opposite cell is {mirrored[r, i, j].conj():.9g}; they must be complex "
            f"conjugates to {tolerance:.2g} eV, the file's digits."
        )
    return (blocks + mirrored) / 2


def _last_digit(lines: list[str], scale: float) -> float:
    """How far two equal numbers can be apart once printed: a unit of the last digit, in both parts.

    With exponents the unit depends on the number; that of the largest one stands for all.
    """
    unit = 0.0
    for line in lines:
        for word in line.split()[5:]:
            mantissa, _, exponent = word.lower().partition("e")
            digits = len(mantissa.partition(".")[2])
            unit = max(unit, 10.0**-digits * (10 * scale if exponent else 1.0))
    return 1.5 * unit  # √2 for the two parts, and rounding
