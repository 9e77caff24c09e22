"""Published parameter sets, kept as TOML files with their sources."""

from __future__ import annotations

import difflib
import math
import tomllib
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from ..errors import FileFormatError, InputError, InputTypeError
from .bond_length_laws import BondLengthLaw, Cutoff, ExponentialLaw, GoodwinSkinnerPettifor, PowerLaw
from .tight_binding import Shell, TightBinding

TABLE_KEYS = ("title", "source", "doi", "onsite", "spin_orbit", "shells")
SHELL_KEYS = ("elements", "distance", "tolerance", "hopping", "overlap", "law", "overlap_law", "cutoff")
LAWS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "power": (PowerLaw, ("exponent",)),
    "exponential": (ExponentialLaw, ("exponent",)),
    "goodwin_skinner_pettifor": (GoodwinSkinnerPettifor, ("exponent", "decay_exponent", "decay_length")),
}


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
    InputTypeError
        When `path` is no path.
    InputError
        When the file does not exist, or is a folder.
    FileFormatError
        When it is not in that format, or not a text file; the key is named.
    """
    if not isinstance(path, str | PathLike):
        raise InputTypeError(f"path is a {type(path).__name__}; pass the path of a parameter file.")
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; pass the path of a parameter file in it.")
    if not path.is_file():
        raise InputError(f"parameter file {str(path)!r} does not exist.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"parameter file {str(path)!r} is not a text file ({error}).") from error
    return parse_parameters(text, str(path))


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
    _check_keys(table, TABLE_KEYS, ("onsite", "shells"), origin)
    onsite = _table(table["onsite"], "onsite", origin)
    onsite = {element: _numbers(value, f"onsite.{element}", origin) for element, value in onsite.items()}
    spin_orbit = _table(table.get("spin_orbit", {}), "spin_orbit", origin)
    spin_orbit = {e: _numbers(value, f"spin_orbit.{e}", origin) for e, value in spin_orbit.items()}
    if not isinstance(table["shells"], list):
        raise FileFormatError(f"parameter file {origin}: shells = {table['shells']!r} must be tables, [[shells]].")
    shells = [_shell(entry, f"shells[{i}]", origin) for i, entry in enumerate(table["shells"])]
    source = ", doi:".join(str(table[key]) for key in ("source", "doi") if key in table)
    return TightBinding(onsite, tuple(shells), spin_orbit, str(table.get("title", origin)), source)


def _folder() -> Any:
    return resources.files(__package__).joinpath("parameter_sets")


def _shell(entry: Any, where: str, origin: str) -> Shell:
    _check_keys(_table(entry, where, origin), SHELL_KEYS, SHELL_KEYS[:3], f"{origin}, {where}")
    elements = entry["elements"]
    if not isinstance(elements, list) or len(elements) != 2:
        raise FileFormatError(
            f'parameter file {origin}: {where}.elements = {elements!r} must be two symbols, as ["C", "C"].'
        )
    distance = _number(entry["distance"], f"{where}.distance", origin)
    if not 0 < distance < math.inf:
        raise FileFormatError(
            f"parameter file {origin}: {where}.distance = {distance:g} must be a positive length [Å]."
        )
    for law, integrals in (("law", "hopping"), ("overlap_law", "overlap")):
        _check_law_has_integrals(entry, law, integrals, where, origin)
    cutoff = entry.get("cutoff")
    if cutoff is not None:
        _check_keys(_table(cutoff, f"{where}.cutoff", origin), ("inner", "outer"), ("inner", "outer"), origin)
        cutoff = Cutoff(**{key: _number(x, f"{where}.cutoff.{key}", origin) for key, x in cutoff.items()})
    return Shell(
        (str(elements[0]), str(elements[1])),
        distance,
        _number(entry["tolerance"], f"{where}.tolerance", origin),
        None if "hopping" not in entry else _numbers(entry["hopping"], f"{where}.hopping", origin),
        None if "overlap" not in entry else _numbers(entry["overlap"], f"{where}.overlap", origin),
        _laws(entry.get("law"), distance, f"{where}.law", origin),
        _laws(entry.get("overlap_law"), distance, f"{where}.overlap_law", origin),
        cutoff,
    )


def _check_law_has_integrals(entry: dict[str, Any], law: str, integrals: str, where: str, origin: str) -> None:
    """Every integral that a law is given for must be given itself."""
    laws, given = entry.get(law), entry.get(integrals, {})
    if not isinstance(laws, dict) or "kind" in laws:
        return
    known = given if isinstance(given, dict) else ("ss_sigma",)
    for key in laws:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"is {close[0]!r} misspelt?" if close and close[0] not in laws else "give it, or take the law off."
            raise FileFormatError(
                f"parameter file {origin}: {where}.{integrals} lacks the integral {key!r}, for which {where}.{law} has "
                f"a law; {fix}"
            )


def _laws(entry: Any, distance: float, where: str, origin: str) -> Any:
    """One law, or a law for each of the integrals named; their reference is the shell's distance unless given."""
    if entry is None:
        return None
    if "kind" in _table(entry, where, origin):
        return _law(entry, distance, where, origin)
    return {
        key: _law(_table(one, f"{where}.{key}", origin), distance, f"{where}.{key}", origin)
        for key, one in entry.items()
    }


def _law(entry: dict[str, Any], distance: float, where: str, origin: str) -> BondLengthLaw:
    kind = entry.get("kind")
    if kind not in LAWS:
        raise FileFormatError(f"parameter file {origin}: {where}.kind = {kind!r} is not known; use {', '.join(LAWS)}.")
    law, needed = LAWS[kind]
    _check_keys(entry, ("kind", "reference", *needed), needed, f"{origin}, {where}")
    numbers = {key: _number(x, f"{where}.{key}", origin) for key, x in entry.items() if key != "kind"}
    return law(**({"reference": distance} | numbers))  # type: ignore[no-any-return]


def _table(value: Any, where: str, origin: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FileFormatError(f"parameter file {origin}: {where} = {value!r} must be a table.")
    return value


def _numbers(value: Any, where: str, origin: str) -> Any:
    """A number, or a table of numbers."""
    if isinstance(value, dict):
        return {key: _number(x, f"{where}.{key}", origin) for key, x in value.items()}
    return _number(value, where, origin)


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
