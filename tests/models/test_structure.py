"""Structures: checks, files, atoms left out."""

from __future__ import annotations

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from negfadj.errors import FileFormatError, InputError, InputTypeError, ShapeError
from negfadj.models import Structure, read_structure


def test_structure_refuses_positions_of_wrong_shape() -> None:
    with pytest.raises(ShapeError, match=r"positions has shape \(2, 2\) but must be \(n_atoms, 3\)"):
        Structure(("C", "C"), np.zeros((2, 2)))


def test_structure_refuses_a_position_that_is_not_finite() -> None:
    with pytest.raises(InputError, match=r"positions\[1\]"):
        Structure(("C", "C"), [[0, 0, 0], [np.nan, 0, 0]])


def test_structure_refuses_a_periodic_direction_without_cell() -> None:
    with pytest.raises(InputError, match="periodic along lattice vectors"):
        Structure(("C",), [[0, 0, 0]], periodic=(True, False, False))


def test_structure_does_not_share_memory_with_its_arguments() -> None:
    positions = np.zeros((1, 3))
    structure = Structure(("C",), positions)
    positions[0, 0] = 5
    assert structure.positions[0, 0] == 0


def test_drop_keeps_the_numbers_of_the_file() -> None:
    structure = Structure(("H", "C", "H", "C"), np.arange(12.0).reshape(4, 3)).drop(["H"])
    assert structure.symbols == ("C", "C") and structure.index.tolist() == [1, 3]


def test_drop_refuses_an_element_that_is_not_there() -> None:
    with pytest.raises(InputError, match="there is no 'N' in the structure, which has C 1"):
        Structure(("C",), np.zeros((1, 3))).drop(["N"])


@pytest.mark.parametrize("name", ["ribbon.xyz", "ribbon.extxyz", "POSCAR"])
def test_read_structure_keeps_the_order_of_the_file(tmp_path: Path, name: str) -> None:
    atoms = ase.Atoms("HCCH", positions=[[0, 0, 0], [1.1, 0, 0], [2.5, 0, 0], [3.6, 0, 0]], cell=[5, 6, 7])
    ase.io.write(tmp_path / name, atoms)
    structure = read_structure(tmp_path / name)
    assert structure.symbols == ("H", "C", "C", "H")
    np.testing.assert_allclose(structure.positions, atoms.positions, atol=1e-8)


def test_read_structure_says_that_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing.xyz' does not exist"):
        read_structure(tmp_path / "nothing.xyz")


def test_read_structure_names_the_file_that_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "short.xyz").write_text("3\n\nC 0 0 0\n")
    with pytest.raises(FileFormatError, match=r"short.xyz' cannot be read"):
        read_structure(tmp_path / "short.xyz")


def test_structure_goes_to_ase_and_back_unchanged() -> None:
    structure = Structure(("C", "O"), [[0, 0, 0.1], [0, 0, 1.2]], np.diag([3.0, 4.0, 5.0]), (True, False, True))
    again = Structure.from_ase(structure.to_ase())
    assert (again.symbols, again.periodic) == (structure.symbols, structure.periodic)
    np.testing.assert_array_equal(again.positions, structure.positions)
    np.testing.assert_array_equal(again.cell, structure.cell)


def test_structure_refuses_what_it_would_have_guessed() -> None:
    with pytest.raises(InputTypeError, match="complex numbers"):
        Structure(("C",), [[1j, 0, 0]])
    with pytest.raises(InputTypeError, match="three booleans"):
        Structure(("C",), [[0, 0, 0]], periodic=("T", "F", "F"))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="three booleans"):
        Structure(("C",), [[0, 0, 0]], periodic=True)  # type: ignore[arg-type]


def test_select_refuses_atoms_that_are_not_there() -> None:
    structure = Structure(("C", "O"), [[0, 0, 0], [1, 0, 0]])
    with pytest.raises(InputError, match="there are atoms 0 … 1"):
        structure.select([7])
    with pytest.raises(InputTypeError, match="indices, or a mask"):
        structure.select([0.5])


def test_positions_of_a_structure_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Structure(("C",), [[0, 0, 0]]).positions[0, 0] = 1.0
