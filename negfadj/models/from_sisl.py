"""Hamiltonians of sisl, and through sisl those of SIESTA, TBtrans, OpenMX and others.

sisl keeps the blocks of cell 0 with every cell R side by side in one sparse matrix; with spin, a matrix per component.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..data import PeriodicHamiltonian
from ..errors import FileFormatError, InputError, InputTypeError
from ..optional import import_optional
from ..typing import Array


def from_sisl(hamiltonian: Any, *, spin: int | None = None) -> PeriodicHamiltonian:
    """The blocks H_R and S_R of a sisl Hamiltonian.

    Parameters
    ----------
    hamiltonian : sisl.Hamiltonian, or the path of a file sisl reads
        Orthogonal or not; without spin, spin-polarised, non-collinear or with spin-orbit coupling.
    spin : 0 or 1, optional
        Which spin of a spin-polarised Hamiltonian; needed for these, refused for others.

    Returns
    -------
    PeriodicHamiltonian
        H(k) is sisl's `Hk(k)` with the phases of the cells. Non-collinear and spin-orbit Hamiltonians have two
        orbitals for one of sisl's: 2 o is up, 2 o + 1 is down. Cells without a stored entry are left out. Energies
        are as sisl gives them, which puts the Fermi level at 0 in the files that tell it.

    Raises
    ------
    InputError, InputTypeError
        A spin to choose, or none to choose; a Nambu Hamiltonian; something else than a Hamiltonian.
    HermiticityError
        When H_−R is not H_R†.
    FileFormatError, MissingDependencyError
        When sisl cannot read the file, with its reason, or is not installed.
    """
    return _periodic(sisl_hamiltonian(hamiltonian), spin)[0]


def from_sisl_vjp(
    hamiltonian: Any, *, spin: int | None = None
) -> tuple[PeriodicHamiltonian, Callable[[PeriodicHamiltonian], SislCotangent]]:
    """`from_sisl` and its pullback: every stored entry of sisl's matrix takes the cotangent of its place in H_R.

    Parameters
    ----------
    As `from_sisl`.

    Returns
    -------
    periodic : PeriodicHamiltonian
    pullback : callable
        PeriodicHamiltonian cotangent → SislCotangent.
    """
    periodic, entries, place = _periodic(sisl_hamiltonian(hamiltonian), spin)

    def from_sisl_pullback(periodic_bar: PeriodicHamiltonian) -> SislCotangent:
        at = (place[entries.cells], entries.rows, entries.columns)
        overlap = None if entries.overlap is None else periodic_bar.overlap
        return entries.cotangent(periodic_bar.hamiltonian[at], None if overlap is None else overlap[at])

    return periodic, from_sisl_pullback


def _periodic(hamiltonian: Any, spin: int | None) -> tuple[PeriodicHamiltonian, SislEntries, Array]:
    """The blocks, the entries they are made of, and where each of sisl's cells went."""
    entries = sisl_entries(hamiltonian, spin)
    kept = _coupled_cells(entries)
    place = np.full(len(entries.offsets), -1)
    place[kept] = np.arange(len(kept))

    def blocks(values: Array) -> Array:
        found = np.zeros((len(kept), entries.n, entries.n), dtype=values.dtype)
        found[place[entries.cells], entries.rows, entries.columns] = values
        return found

    periodic = PeriodicHamiltonian(
        entries.offsets[kept],
        blocks(entries.hamiltonian),
        None if entries.overlap is None else blocks(entries.overlap),
        lattice=np.array(hamiltonian.geometry.lattice.cell, dtype=np.float64),
    )
    return periodic, entries, place


def sisl_hamiltonian(given: Any) -> Any:
    """The sisl Hamiltonian itself, read where a path is given."""
    if isinstance(given, str | PathLike):
        return _read(Path(given))
    if not all(hasattr(given, name) for name in ("geometry", "spin", "orthogonal", "tocsr")):
        raise InputTypeError(
            f"hamiltonian is a {type(given).__name__}; pass a sisl.Hamiltonian or the path of a file sisl reads."
        )
    return given


def _read(path: Path) -> Any:
    sisl = import_optional("sisl", "reading a Hamiltonian of another code")
    if not path.is_file():
        raise InputError(f"file {str(path)!r} does not exist; check the name and the folder it is looked for in.")
    try:
        sile = sisl.get_sile(path)
        if "wannier90" in type(sile).__module__:  # its reader would drop imaginary parts and small entries
            return sile.read_hamiltonian(dtype=np.complex128, cutoff=0.0)
        return sile.read_hamiltonian()
    except Exception as error:  # sisl's readers raise whatever their parsing ran into
        raise FileFormatError(
            f"sisl reads no Hamiltonian from {str(path)!r} ({type(error).__name__}: {error}); check that it is "
            "complete and that its name says its format (.TSHS, .HSX, .nc, .fdf, .win, …)."
        ) from error


class SislCotangent(NamedTuple):
    """Cotangents of the matrices of a sisl Hamiltonian, at its stored entries.

    hamiltonian, overlap : SciPy sparse arrays, shape (n, n · n_cells), or None
        Laid out as sisl's own (`tocsr`): entry [a, c n + b] is ⟨a, cell 0|H|b, cell c⟩, c an index into `sc_off`; with
        spin, n counts both spins, spin fastest. dL = Re Σ bar* dH over all entries: ab of R and ba of −R share it.
    """

    hamiltonian: Any
    overlap: Any


class SislEntries(NamedTuple):
    """The stored entries: (cell, row, column) and their H and S; two spins are rows and columns of their own."""

    n: int
    offsets: Array  # R of all of sisl's cells
    cells: Array  # indices into them
    rows: Array
    columns: Array
    hamiltonian: Array
    overlap: Array | None

    def cotangent(self, hamiltonian_bar: Array, overlap_bar: Array | None) -> SislCotangent:
        """Cotangents of the entries, in sisl's layout; real where the entries are."""

        def laid_out(bar: Array | None, like: Array | None) -> Any:
            if bar is None or like is None:
                return None
            bar = bar if np.iscomplexobj(like) else np.real(bar)
            places = (self.rows, self.cells * self.n + self.columns)
            return sparse.coo_array((bar, places), shape=(self.n, self.n * len(self.offsets))).tocsr()

        return SislCotangent(laid_out(hamiltonian_bar, self.hamiltonian), laid_out(overlap_bar, self.overlap))


def sisl_entries(hamiltonian: Any, spin: int | None) -> SislEntries:
    """The stored entries of a sisl Hamiltonian, of one spin where it is spin-polarised."""
    kind, n = hamiltonian.spin, int(hamiltonian.no)
    if kind.is_nambu:
        raise InputError("the Hamiltonian is a Nambu (Bogoliubov–de Gennes) one; only normal electrons are supported.")
    if kind.is_polarized and spin not in (0, 1):
        raise InputError(f"the Hamiltonian is spin-polarised and spin={spin!r}: choose spin=0 or spin=1.")
    if not kind.is_polarized and spin is not None:
        raise InputError(f"spin={spin!r} but the Hamiltonian is not spin-polarised ({kind}); leave `spin` out.")
    offsets = np.asarray(hamiltonian.geometry.lattice.sc_off, dtype=np.int64)
    first = hamiltonian.tocsr(0).tocoo()
    rows, (cells, columns) = first.row.astype(np.int64), np.divmod(first.col.astype(np.int64), n)

    def component(i: int) -> Array:
        return hamiltonian.tocsr(i).tocoo().data

    overlap = None if hamiltonian.orthogonal else component(hamiltonian.S_idx)
    if overlap is not None and np.iscomplexobj(overlap) and not np.any(overlap.imag):
        overlap = overlap.real  # sisl stores S in the type of H
    if kind.is_diagonal:
        values = component(spin or 0)
        return SislEntries(n, offsets, cells, rows, columns, values, overlap)
    boxes = _spin_boxes([component(i) for i in range(kind.size(hamiltonian.dtype))], kind)  # (entries, 2, 2)
    up_down = np.arange(2)
    shape = boxes.shape
    return SislEntries(
        2 * n,
        offsets,
        np.broadcast_to(cells[:, None, None], shape).ravel(),
        np.broadcast_to(2 * rows[:, None, None] + up_down[:, None], shape).ravel(),
        np.broadcast_to(2 * columns[:, None, None] + up_down, shape).ravel(),
        boxes.ravel(),
        None if overlap is None else (overlap[:, None, None] * np.eye(2)).ravel(),
    )


def _spin_boxes(parts: list[Array], kind: Any) -> Array:
    """[[↑↑, ↑↓], [↓↑, ↓↓]] of every entry from sisl's components."""
    if np.iscomplexobj(parts[0]):
        down_up = parts[2].conj() if kind.is_noncolinear else parts[3]
        return np.stack([parts[0], parts[2], down_up, parts[1]], axis=-1).reshape(-1, 2, 2)
    up_down = parts[2] + 1j * parts[3]
    if kind.is_noncolinear:
        return np.stack([parts[0], up_down, up_down.conj(), parts[1]], axis=-1).reshape(-1, 2, 2)
    down_up = parts[6] + 1j * parts[7]
    return np.stack([parts[0] + 1j * parts[4], up_down, down_up, parts[1] + 1j * parts[5]], axis=-1).reshape(-1, 2, 2)


def spins_of(hamiltonian: Any) -> int:
    """Orbitals for one of sisl's: 2 where both spins are coupled."""
    return 1 if hamiltonian.spin.is_diagonal else 2


def _coupled_cells(entries: SislEntries) -> Array:
    """The cells with a stored entry, their opposites, and the home cell."""
    listed = entries.offsets.tolist()
    stored = {tuple(r) for r in entries.offsets[np.unique(entries.cells)].tolist()} | {(0, 0, 0)}
    return np.array([i for i, r in enumerate(listed) if tuple(r) in stored or tuple(-x for x in r) in stored])
