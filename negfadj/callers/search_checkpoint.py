"""The checkpoint of a search, the values met so far with the best point: an .npz file, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FileFormatError, InputError
from ..typing import Array


@dataclass
class Met:
    """What a search has met so far.

    values : the objective, evaluation by evaluation
    best_x : where it was smallest, scaled variables; None before the first
    """

    values: list[float] = field(default_factory=list)
    best_x: Array | None = None

    def add(self, x: Array, value: float) -> None:
        """One more evaluation."""
        if self.best_x is None or value < min(self.values):
            self.best_x = x
        self.values.append(value)


def search_checkpoint(path: str | Path) -> Path:
    """Where the best point of a search is kept: results.nc → results.partial.npz."""
    path = Path(path)
    return path.with_name(f"{path.stem}.partial.npz")


def write_checkpoint(path: Path, label: str, met: Met) -> None:
    """Write what was met to another name in the folder, then rename."""
    assert met.best_x is not None
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, label=np.array(label), values=np.array(met.values), best_x=met.best_x)
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def read_checkpoint(path: Path, label: str) -> Met:
    """What a search met before it was interrupted.

    Raises
    ------
    InputError
        When there is no checkpoint, or it belongs to another job.
    FileFormatError
        When it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint {str(path)!r} to go on from; run the job without --resume.")
    try:
        with np.load(path, allow_pickle=False) as file:
            of_label, values, best_x = str(file["label"]), file["values"], file["best_x"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"checkpoint {str(path)!r} cannot be read ({error}); remove it and run the job without --resume."
        ) from error
    if of_label != label:
        raise InputError(
            f"checkpoint {str(path)!r} belongs to another job: the job file, or a file it names, has changed since. "
            "Undo the change, or run the job without --resume."
        )
    return Met([float(v) for v in values], best_x)
