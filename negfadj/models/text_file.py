"""Text files of other codes: their lines, and errors that name one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import FileFormatError, InputError


def text_lines(path: Path) -> list[str]:
    """The lines of a file without their ends.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is not a text file.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give the path of a file.")
    if not path.is_file():
        raise InputError(f"file {str(path)!r} does not exist; check the name and the folder it is looked for in.")
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{str(path)!r} is not a text file ({error}).") from error


def line_error(path: Path, lines: Sequence[str], k: int, what: str) -> FileFormatError:
    """The error of line k, counted from 0: its number from 1, its text, and what is wrong with it."""
    text = lines[k].strip() if k < len(lines) else ""
    return FileFormatError(f"{str(path)!r}, line {k + 1} ({text[:80]!r}): {what}")
