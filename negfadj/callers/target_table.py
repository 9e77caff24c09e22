"""Columns of numbers by name, from a CSV, NPZ or netCDF file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileFormatError, InputError
from ..optional import import_optional
from ..typing import Array


def read_table(path: Path) -> dict[str, Array]:
    """The columns of a file by name, in its order.

    Parameters
    ----------
    path : Path
        .npz and .nc files have named arrays. Anything else is text: a line of numbers a row, apart by commas, spaces or
        tabs; the first line may be names, and what follows a # is left out. Columns without names are "0", "1", ….

    Returns
    -------
    dict of name to array, real

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it cannot be read; of a text the line is named.
    """
    if not path.is_file():
        raise InputError(f"file {str(path)!r} does not exist.")
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".nc":
        return _netcdf(path)
    return _text(path)


def column(table: Mapping[str, Array], name: str | None, default: int | str, path: Path) -> Array:
    """A column by name; without one by its default name, else by its place.

    Raises
    ------
    InputError
        Naming the columns there are.
    """
    wanted = default if name is None else name
    if isinstance(wanted, str) and wanted in table:
        return table[wanted]
    if isinstance(wanted, int) and wanted < len(table):
        return list(table.values())[wanted]
    raise InputError(f"file {str(path)!r} has no column {wanted!r}; it has {', '.join(table)}.")


def _npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError(f"file {str(path)!r} cannot be read ({error}).") from error
    return _real(found)


def _netcdf(path: Path) -> dict[str, Array]:
    xarray = import_optional("xarray", "reading netCDF files")
    import_optional("h5netcdf", "reading netCDF files")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            found = {str(name): np.asarray(dataset[name].values) for name in dataset.variables}
    except (OSError, ValueError) as error:
        raise FileFormatError(f"file {str(path)!r} cannot be read ({error}); it is no netCDF-4.") from error
    return _real(found)


def _real(arrays: Mapping[str, Any]) -> dict[str, Array]:
    return {name: x.astype(np.float64) for name, x in arrays.items() if x.dtype.kind in "iuf"}


def _text(path: Path) -> dict[str, Array]:
    names: list[str] | None = None
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.partition("#")[0].replace(",", " ").split()
        if not cells:
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if rows or names is not None:
                raise FileFormatError(f"{path}, line {number}: {line.strip()!r} is no row of numbers.") from None
            names = cells
            continue
        if len(row) != len(rows[0] if rows else names or row):
            raise FileFormatError(
                f"{path}, line {number}: {len(row)} numbers, but {len(rows[0] if rows else names or row)} columns."
            )
        rows.append(row)
    if not rows:
        raise FileFormatError(f"file {str(path)!r} has no numbers.")
    found = np.array(rows)
    return dict(zip(names or [str(k) for k in range(found.shape[1])], found.T))
