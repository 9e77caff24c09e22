"""Tables of numbers from text, NPZ and netCDF files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from negfadj.callers.target_table import column, read_table
from negfadj.errors import FileFormatError, InputError

ENERGIES, VALUES = np.array([-1.0, 0.5, 2.0]), np.array([0.25, 1.0, 2.5])


@pytest.mark.parametrize(
    "text",
    [
        "energy,transmission\n-1,0.25\n0.5,1\n2,2.5\n",
        "# a remark\nenergy transmission # names\n\n-1\t0.25\n0.5   1e0 # a point\n2 2.5",
        "-1, 0.25\n0.5, 1.0\n2.0, 2.5\n",
    ],
)
def test_text_is_read_with_and_without_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    table = read_table(path)
    np.testing.assert_array_equal(list(table.values()), [ENERGIES, VALUES])
    np.testing.assert_array_equal(column(table, None, 1, path), VALUES)


def test_named_arrays_are_read_from_npz_and_netcdf(tmp_path: Path) -> None:
    np.savez(tmp_path / "table.npz", energy=ENERGIES, transmission=VALUES)
    dataset = xarray.Dataset({"transmission": ("energy", VALUES)}, {"energy": ENERGIES})
    dataset.to_netcdf(tmp_path / "table.nc", engine="h5netcdf")
    for name in ("table.npz", "table.nc"):
        table = read_table(tmp_path / name)
        np.testing.assert_array_equal(column(table, "energy", 0, tmp_path / name), ENERGIES)
        np.testing.assert_array_equal(column(table, None, "transmission", tmp_path / name), VALUES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("energy,transmission\n1,2\n1,two\n", "line 3: '1,two' is no row of numbers"),
        ("1,2\n1,2,3\n", "line 2: 3 numbers, but 2 columns"),
        ("energy,transmission\n", "has no numbers"),
    ],
)
def test_a_text_that_is_no_table_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said):
        read_table(path)


def test_a_column_that_there_is_not_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'T'; it has energy, transmission"):
        column({"energy": ENERGIES, "transmission": VALUES}, "T", 1, tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "bad.npz").write_bytes(b"not an archive")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_table(tmp_path / "bad.npz")
