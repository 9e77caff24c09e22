"""The job file: a TOML text checked into settings, with errors that name the line.

The classes below are the format. docs/guide-main-job.md explains every key.
"""

from __future__ import annotations

import difflib
import re
import tomllib
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np

from ..errors import FileFormatError, InputError, MissingDependencyError
from ..typing import Array

try:
    from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
except ImportError as error:
    raise MissingDependencyError(
        f'job files need pydantic, which cannot be imported ({error}); pip install "negfadj[apps]".'
    ) from error

KINDS = ("transport", "nanotube-transistor", "fit", "design")
REPEATED = ("gate", "parameter", "target", "goal")  # sections that may come several times: [[device.gate]]
Region = Annotated[list[float], Field(min_length=2, max_length=2)]


class Section(BaseModel):
    """A table of the job file: no unknown keys, no conversion of types, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Settings = TypeVar("Settings", bound=Section)


class StructureSection(Section):
    """[structure]: the file with the atoms, relative to the job file."""

    file: str
    drop: list[str] = []


class ModelSection(Section):
    """[model]: a parameter set by name, or a file of your own."""

    name: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> ModelSection:
        if (self.name is None) == (self.file is None):
            raise ValueError("give one of `name` (a parameter set that comes with negfadj) and `file` (your own)")
        return self


class DisorderSection(Section):
    """[device.disorder]: on-site energies drawn uniformly from [−width/2, width/2], from a seed."""

    width: float = Field(ge=0)
    seed: int = Field(ge=0)
    region: Region | None = None


class GateSection(Section):
    """[[device.gate]]: a potential energy over a range of the axis, with ramps of a given length at both ends."""

    region: Region
    potential_energy: float
    ramp: float = Field(default=0.0, ge=0)


class DeviceSection(Section):
    """[device]: the transport axis and what is done to the middle."""

    axis: Literal["x", "y", "z"] = "x"
    disorder: DisorderSection | None = None
    gate: list[GateSection] = []


class LeadsSection(Section):
    """[leads]: how the leads are recognised and solved."""

    eta: float = Field(default=0.0, ge=0)
    method: Literal["auto", "modes", "decimation"] = "auto"
    period: float | None = Field(default=None, gt=0)
    cells_per_layer: int | None = Field(default=None, ge=1)
    tolerance: float = Field(default=0.01, gt=0)


class EnergiesSection(Section):
    """[energies]: an even grid, or the values themselves [eV]."""

    start: float | None = None
    stop: float | None = None
    count: int | None = Field(default=None, ge=1)
    values: list[float] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _grid_or_values(self) -> EnergiesSection:
        grid = (self.start, self.stop, self.count)
        if self.values is not None:
            if grid != (None, None, None):
                raise ValueError("give `values`, or `start`, `stop` and `count`, not both")
            if any(b <= a for a, b in zip(self.values[:-1], self.values[1:])):
                raise ValueError("`values` must rise from one energy to the next")
        elif self.start is None or self.stop is None or self.count is None:
            raise ValueError("give `start`, `stop` and `count`, or `values`")
        elif self.count > 1 and not self.start < self.stop:
            raise ValueError(f"`start` = {self.start} must be below `stop` = {self.stop}")
        return self

    def grid(self) -> Array:
        """The energies [eV], rising, shape (n_energies,)."""
        if self.values is not None:
            return np.array(self.values)
        return np.linspace(self.start, self.stop, self.count)  # type: ignore[arg-type]


class OutputSection(Section):
    """[output]: where results go and which energies are drawn as maps."""

    file: str | None = None
    pictures: bool = True
    map_energies: list[float] = []


class JobSettings(Section):
    """The whole job file."""

    job: Literal["transport"] = "transport"
    title: str = ""
    structure: StructureSection
    model: ModelSection
    device: DeviceSection = DeviceSection()
    leads: LeadsSection = LeadsSection()
    energies: EnergiesSection
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _maps_on_the_grid(self) -> JobSettings:
        grid = self.energies.grid()
        for energy in self.output.map_energies:
            if not grid[0] <= energy <= grid[-1]:
                raise ValueError(
                    f"output.map_energies has {energy} eV, outside of the energies {grid[0]:g} … {grid[-1]:g} eV; "
                    "maps are drawn at computed energies"
                )
        return self


@dataclass(frozen=True)
class Job:
    """A checked job file.

    Parameters
    ----------
    path : Path
    text : str
        The file as it was read; it goes into the results.
    settings : JobSettings
    """

    path: Path
    text: str
    settings: JobSettings

    @property
    def structure_path(self) -> Path:
        """The structure file, relative to the folder of the job file."""
        return self.path.parent / self.settings.structure.file

    @property
    def results_path(self) -> Path:
        """The results file: `output.file`, relative to the folder of the job file, or the job's own name with .nc."""
        return self.path.parent / (self.settings.output.file or f"{self.path.stem}.nc")


def load_job(path: str | PathLike[str]) -> Job:
    """Read and check a job file.

    Raises
    ------
    InputError
        When the file does not exist; for an unknown key (named, with its line and the keys that are near), a missing
        one, and a value of the wrong type or range.
    FileFormatError
        When it is not TOML; the line is named.
    """
    path = Path(path)
    return parse_job(read_text(path), path)


def read_text(path: Path) -> str:
    """The text of a job file; errors as `load_job`."""
    if not path.is_file():
        raise InputError(f"job file {str(path)!r} does not exist.")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"job file {path} is not UTF-8 text ({error}).") from error


def job_kind(text: str, path: Path) -> str:
    """Which job a file describes: its key `job`, "transport" where there is none.

    Raises
    ------
    InputError, FileFormatError
        For a kind that there is not; for a text that is not TOML.
    """
    kind = job_table(text, path).get("job", KINDS[0])
    if kind not in KINDS:
        line = line_of(text, ("job",))
        raise InputError(f"{path}, line {line}: job = {kind!r} is not known; known are {', '.join(map(repr, KINDS))}.")
    return str(kind)


def parse_job(text: str, path: Path) -> Job:
    """Check the text of a job file; `path` names it in messages and locates the files it names."""
    return Job(path, text, checked_settings(text, path, JobSettings))


def checked_settings(text: str, path: Path, root: type[Settings]) -> Settings:
    """The text of a job file as settings of one kind, or an error that names every wrong line."""
    try:
        return root.model_validate(job_table(text, path))
    except ValidationError as error:
        problems = sorted(error.errors(), key=lambda problem: line_of(text, problem["loc"]) or 0)
        raise InputError("\n".join(_describe(problem, text, path, root) for problem in problems)) from error


def wrong_line(text: str, path: Path, where: Sequence[str | int], message: str) -> InputError:
    """An error about a key of a job file that names the line: for what is found after the text has been checked."""
    line = line_of(text, where)
    return InputError(f"{path}, line {line}: {message}" if line else f"{path}: {message}")


def job_table(text: str, path: Path) -> dict[str, Any]:
    """The text of a job file as a table, or a `FileFormatError`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"job file {path} is not TOML: {error}.") from error


def _describe(problem: Any, text: str, path: Path, root: Any) -> str:
    """One problem found by pydantic as: file, line, key, what is wrong, the fix."""
    where = tuple(problem["loc"])
    line = line_of(text, where)
    place = f"{path}, line {line}" if line else str(path)
    key = _dotted(where)
    known = _keys_of(where[:-1], root)
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key {key!r}; {_suggestion(where, known, root)}"
    if problem["type"] == "missing":
        return f"{place}: {key!r} is missing; {_section(where[:-1])} needs it."
    message = str(problem["msg"]).removeprefix("Value error, ")
    if isinstance(problem["input"], dict):
        return f"{place}: {_section(where)}: {message}."
    return f"{place}: {key} = {problem['input']!r}: {message}."


def _suggestion(where: Sequence[str | int], known: Sequence[str], root: Any) -> str:
    close = difflib.get_close_matches(str(where[-1]), known, n=2)
    elsewhere = [section for section, keys in _sections((), root) if where[-1] in keys]
    hint = ""
    if close:
        hint = f"did you mean {' or '.join(repr(c) for c in close)}? "
    elif elsewhere:
        hint = f"it belongs in {' or '.join(elsewhere)}. "
    return f"{hint}{_section(where[:-1])} knows {', '.join(known)}."


def _sections(where: tuple[str, ...], root: Any) -> Iterator[tuple[str, Sequence[str]]]:
    """Every section from `where` down, and its keys."""
    keys = _keys_of(where, root)
    if keys:
        yield _section(where), keys
    for key in keys:
        yield from _sections((*where, key), root)


def _section(where: Sequence[str | int]) -> str:
    names = [str(part) for part in where if not isinstance(part, int)]
    if not names:
        return "the top of the file"
    return f"[[{'.'.join(names)}]]" if names[-1] in REPEATED else f"[{'.'.join(names)}]"


def _dotted(where: Sequence[str | int]) -> str:
    key = ""
    for part in where:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    return key


def _keys_of(where: Sequence[str | int], root: Any) -> list[str]:
    """The keys of the section at `where`; none when it is no section."""
    section: Any = root
    for part in where:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(part) if section is not None else None
        section = None if field is None else _section_class(field.annotation)
    return [] if section is None else list(section.model_fields)


def _section_class(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    found = (_section_class(argument) for argument in typing.get_args(annotation))
    return next((section for section in found if section is not None), None)


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-\".' ]+?)\s*=")


def line_of(text: str, where: Sequence[str | int]) -> int | None:
    """The line, from 1, of a key of a TOML text: of the key itself, else of the closest table around it.

    Parameters
    ----------
    text : str
    where : sequence of str and int
        Keys from the outside in, with the number of the entry, from 0, in an array of tables.

    Returns
    -------
    int or None
        None when not even a table around it has a line of its own.
    """
    lines = dict(reversed([(key, number) for number, key in _places(text)]))
    for n in range(len(where), 0, -1):
        for candidate in (tuple(where[:n]), (*where[:n], 0)):
            if candidate in lines:
                return lines[candidate]
    return None


def _places(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Line number and full key of every table header and every `key =` of a TOML text."""
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[2], counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_parts(key[1], {}))


def _parts(dotted: str, counts: dict[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """A dotted key as a path; a table inside an array of tables belongs to its last entry."""
    path: tuple[str | int, ...] = ()
    names = [part.strip().strip("\"'") for part in dotted.split(".")]
    for i, name in enumerate(names):
        path = (*path, name)
        if path in counts and i < len(names) - 1:
            path = (*path, counts[path])
    return path
