"""A results file of any job, read into memory, and which job wrote it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import FileFormatError, InputError
from ..optional import import_optional
from .job_file import KINDS


def open_results(path: str | PathLike[str]) -> Any:
    """The Dataset of a results file.

    Raises
    ------
    InputError, FileFormatError, MissingDependencyError
        When there is none, it cannot be read, or packages are missing.
    """
    xarray = import_optional("xarray", "reading results")
    for package in ("h5netcdf", "h5py"):
        import_optional(package, "reading results")
    path = Path(path)
    if not path.is_file():
        raise InputError(f"results file {str(path)!r} does not exist.")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"results file {str(path)!r} cannot be read ({error}); it is cut short or not netCDF-4."
        ) from error


def job_of(dataset: Any) -> str:
    """Which kind of job wrote a Dataset, one of `KINDS`; those of transport do not say."""
    return str(dataset.attrs.get("job", KINDS[0]))
