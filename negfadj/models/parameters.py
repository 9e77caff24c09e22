"""Published parameter sets, kept as TOML files with their sources."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import FileFormatError, InputError
from .tight_binding import Shell, TightBinding

SHELL_KEYS = ("elements", "distance", "tolerance", "hopping", "overlap")


def parameter_sets() -> tuple[str, ...]:
    """The names that `parameter_set` knows."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    )


def parameter_set(name: str) -> TightBinding:
    """A published model by name, as "graphene-third-neighbour".

    Raises
    ------
    InputError
        For an unknown name; the close ones are listed.
    """
    known = parameter_sets()
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=2) or known
        raise InputError(
            f"there is no parameter set {name!r}; did you mean {' or '.join(close)}? Known: {', '.join(known)}."
        )
    return parse_parameters(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def read_parameters(path: str | PathLike[str]) -> TightBinding:
    """A model from a TOML file of your own, in the format of the sets that come with negfadj.

    Raises
    ------
    InputError
        When the file does not exist.
    FileFormatError
        When it is not in that format; the key is named.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"parameter file {str(path)!r} does not exist.")
    return parse_parameters(path.read_text(encoding="utf-8"), str(path))


def parse_parameters(text: str, origin: str) -> TightBinding:
    """A model from the text of a parameter file; `origin` names it in messages.

    Raises
    ------
    FileFormatError
        For text that is not TOML, an unknown or a missing key.
    InputError
        For numbers that make no model.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"parameter file {origin}: {error}.") from error
    _check_keys(table, ("title", "source", "doi", "onsite", "shells"), ("onsite", "shells"), origin)
    onsite = {str(element): _number(value, f"onsite.{element}", origin) for element, value in table["onsite"].items()}
    shells = [_shell(entry, f"shells[{i}]", origin) for i, entry in enumerate(table["shells"])]
    source = ", doi:".join(str(table[key]) for key in ("source", "doi") if key in table)
    return TightBinding(onsite, tuple(shells), str(table.get("title", origin)), source)


def _folder() -> Any:
    return resources.files(__package__).joinpath("parameter_sets")


def _shell(entry: dict[str, Any], where: str, origin: str) -> Shell:
    _check_keys(entry, SHELL_KEYS, SHELL_KEYS[:-1], f"{origin}, {where}")
    elements = entry["elements"]
    if not isinstance(elements, list) or len(elements) != 2:
        raise FileFormatError(
            f'parameter file {origin}: {where}.elements = {elements!r} must be two symbols, as ["C", "C"].'
        )
    numbers = {key: _number(entry.get(key, 0.0), f"{where}.{key}", origin) for key in SHELL_KEYS[1:]}
    return Shell((str(elements[0]), str(elements[1])), **numbers)


def _check_keys(table: dict[str, Any], known: tuple[str, ...], needed: tuple[str, ...], origin: str) -> None:
    for key in table:
        if key not in known:
            raise FileFormatError(f"parameter file {origin}: unknown key {key!r}; known are {', '.join(known)}.")
    for key in needed:
        if key not in table:
            raise FileFormatError(f"parameter file {origin}: {key!r} is missing; needed are {', '.join(needed)}.")


def _number(value: Any, where: str, origin: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileFormatError(f"parameter file {origin}: {where} = {value!r} must be a number.")
    return float(value)
