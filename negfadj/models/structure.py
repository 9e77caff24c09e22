"""Atoms: elements, positions and the periodic cell they stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..array import STATIC, brief_repr
from ..errors import FileFormatError, InputError, InputTypeError, ShapeError
from ..optional import import_optional
from ..typing import Array, ArrayLike

AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True, eq=False)
class Structure:
    """Elements and positions of atoms.

    Parameters
    ----------
    symbols : sequence of str, length n_atoms
        Chemical symbols.
    positions : array, shape (n_atoms, 3)
        [Å].
    cell : array, shape (3, 3), optional
        Lattice vectors in rows [Å]; needed along the periodic directions only.
    periodic : three booleans
        Along which lattice vectors the structure repeats.
    index : sequence of int, length n_atoms, optional
        The number of every atom in the file it came from, counted from 0; default 0 … n_atoms − 1.

    Raises
    ------
    ShapeError, InputError, InputTypeError
        Naming the array and the atom.
    """

    symbols: tuple[str, ...]
    positions: Array
    cell: Array = None
    periodic: tuple[bool, bool, bool] = (False, False, False)
    index: Array = field(default=None, metadata=STATIC)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        symbols = tuple(str(s) for s in self.symbols)
        positions = _real_array(self.positions, "positions", (None, 3))
        if len(symbols) != len(positions):
            raise ShapeError(
                f"{len(symbols)} symbols but positions of {len(positions)} atoms; give one symbol per row of positions."
            )
        if not symbols:
            raise InputError("the structure has no atoms.")
        cell = _real_array(np.zeros((3, 3)) if self.cell is None else self.cell, "cell", (3, 3))
        periodic = _booleans(self.periodic)
        index = np.arange(len(symbols)) if self.index is None else np.array(self.index, dtype=np.int64)
        if index.shape != (len(symbols),):
            raise ShapeError(f"index has shape {index.shape} but there are {len(symbols)} atoms; one number per atom.")
        object.__setattr__(self, "symbols", symbols)
        for name, value in (("positions", positions), ("cell", cell), ("index", index)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "periodic", periodic)
        _check_cell(cell, np.flatnonzero(periodic))

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    @property
    def elements(self) -> Array:
        """The symbols as an array of strings, shape (n_atoms,)."""
        return np.array(self.symbols)

    def select(self, atoms: ArrayLike) -> Structure:
        """The atoms with these indices (or where a mask is true), in the order given, in the same cell."""
        atoms = np.asarray(atoms)
        if atoms.dtype.kind not in "iub" or atoms.ndim != 1:
            raise InputTypeError(f"atoms = {atoms} must be one axis of indices, or a mask.")
        outside = atoms[(atoms < -self.n_atoms) | (atoms >= self.n_atoms)] if atoms.dtype.kind != "b" else ()
        if len(outside) or (atoms.dtype.kind == "b" and len(atoms) != self.n_atoms):
            raise InputError(f"atoms has {list(outside)[:3] or len(atoms)} but there are atoms 0 … {self.n_atoms - 1}.")
        symbols = self.elements[atoms]
        return Structure(tuple(symbols.tolist()), self.positions[atoms], self.cell, self.periodic, self.index[atoms])

    def drop(self, elements: Iterable[str]) -> Structure:
        """The structure without the atoms of these elements; `index` still tells their numbers in the file.

        Raises
        ------
        InputError
            When there is no atom of a named element, or no atom is left.
        """
        if isinstance(elements, str):
            elements = [elements]
        elements = list(elements)
        for element in elements:
            if element not in self.symbols:
                raise InputError(
                    f"drop={elements}: there is no {element!r} in the structure, which has {formula(self)}."
                )
        kept = np.flatnonzero(~np.isin(self.elements, elements)) if elements else np.arange(self.n_atoms)
        if not len(kept):
            raise InputError(f"drop={elements} leaves no atom of {formula(self)}.")
        return self.select(kept)

    @classmethod
    def from_ase(cls, atoms: Any) -> Structure:
        """From an `ase.Atoms` object: its symbols, positions, cell and periodic directions.

        Raises
        ------
        InputTypeError
            When `atoms` is something else.
        """
        if not hasattr(atoms, "get_chemical_symbols"):
            raise InputTypeError(f"atoms is a {type(atoms).__name__}; pass an ase.Atoms object.")
        return cls(tuple(atoms.get_chemical_symbols()), atoms.positions, np.asarray(atoms.cell), tuple(atoms.pbc))

    def to_ase(self) -> Any:
        """As an `ase.Atoms` object: symbols, positions, cell and periodic directions.

        Raises
        ------
        MissingDependencyError
            When ASE is not installed.
        """
        ase = import_optional("ase", "making an ase.Atoms object")
        return ase.Atoms(list(self.symbols), positions=self.positions.copy(), cell=self.cell.copy(), pbc=self.periodic)


def read_structure(path: str | PathLike[str]) -> Structure:
    """Read a structure file in any format ASE knows: xyz, extxyz, POSCAR, cif, ….

    Parameters
    ----------
    path : path of the file

    Returns
    -------
    Structure
        Atoms in the order of the file.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When ASE cannot read it, with ASE's reason.
    MissingDependencyError
        When ASE is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"structure file {str(path)!r} does not exist; check the name and the folder it is looked for in."
        )
    ase_io = import_optional("ase.io", "reading a structure file")
    try:
        atoms = ase_io.read(path)
    except Exception as error:  # ASE's readers raise whatever their parsing ran into
        raise FileFormatError(
            f"structure file {str(path)!r} cannot be read ({type(error).__name__}: {error}); "
            "check that it is complete, that its elements exist and that its name says its format (.xyz, "
            ".extxyz, POSCAR)."
        ) from error
    return Structure.from_ase(atoms)


def formula(structure: Structure) -> str:
    """The elements and how many atoms of each: "C 390, H 4"."""
    return ", ".join(f"{symbol} {count}" for symbol, count in sorted(Counter(structure.symbols).items()))


def axis_index(axis: str) -> int:
    """0, 1, 2 for "x", "y", "z"."""
    if axis not in AXES:
        raise InputError(f'axis={axis!r} is not a Cartesian axis; use "x", "y" or "z".')
    return AXES[axis]


def check_structure(structure: Any) -> None:
    """Raise `InputTypeError`, with the way from what it is, unless it is a `Structure`."""
    if isinstance(structure, Structure):
        return
    way = "Structure.from_ase(atoms)" if hasattr(structure, "get_chemical_symbols") else "a Structure"
    raise InputTypeError(f"structure is a {type(structure).__name__}; pass {way}.")


def _booleans(periodic: Any) -> tuple[bool, ...]:
    try:
        given = tuple(periodic)
    except TypeError:
        raise InputTypeError(f"periodic = {periodic!r} must be three booleans, one per lattice vector.") from None
    if len(given) != 3:
        raise ShapeError(f"periodic has {len(given)} entries; give one boolean per lattice vector, three in all.")
    for p in given:
        if not isinstance(p, bool | np.bool_) and not (isinstance(p, int | np.integer) and p in (0, 1)):
            raise InputTypeError(f"periodic = {periodic!r} must be three booleans, one per lattice vector.")
    return tuple(bool(p) for p in given)


def _real_array(x: Any, name: str, shape: Sequence[int | None]) -> Array:
    try:
        if np.iscomplexobj(x):
            raise TypeError("complex numbers")
        array = np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array of real numbers ({error}).") from error
    if array.ndim != len(shape) or any(want is not None and want != has for want, has in zip(shape, array.shape)):
        wanted = ", ".join("n_atoms" if n is None else str(n) for n in shape)
        raise ShapeError(f"{name} has shape {array.shape} but must be ({wanted}), in Å.")
    if not np.all(np.isfinite(array)):
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise InputError(f"{name}[{row}] = {array[row]}; every entry must be a finite number.")
    return array


def _check_cell(cell: Array, directions: Array) -> None:
    vectors = cell[directions]
    if len(vectors) and np.linalg.matrix_rank(vectors, tol=1e-6) < len(vectors):
        raise InputError(
            f"the structure is periodic along lattice vectors {directions.tolist()} but these are "
            f"{vectors.tolist()} Å, "
            "zero or parallel; give the cell, or leave `periodic` out."
        )
