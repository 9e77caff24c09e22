"""The functions and constants that negfadj.h declares, read off its text: it is the one place they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

HANDLES = ("negfadj_device", "negfadj_result")
PROTOTYPE = re.compile(r"NEGFADJ_API int (?P<name>\w+)\((?P<parameters>[^)]*)\);")
PARAMETER = re.compile(
    r"(?P<optional>NEGFADJ_OPTIONAL )?(?P<const>const )?(?P<type>\w+) (?P<star>\*?)(?P<name>\w+)(?P<array>\[\])?"
)
CONSTANT = re.compile(r"^ +(?P<name>NEGFADJ_\w+) = (?P<value>\d+),?", flags=re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a C function.

    `is_length` belongs to the array that follows it.
    """

    name: str
    type: str
    is_array: bool
    is_output: bool
    is_optional: bool
    is_length: bool

    @property
    def is_handle(self) -> bool:
        """True for a device or a result handed in."""
        return self.type in HANDLES and not self.is_output

    @property
    def is_pointer(self) -> bool:
        """True for arrays, and for single numbers and handles that are handed out."""
        return self.is_array or self.is_output


@dataclass(frozen=True)
class Prototype:
    """A C function that returns an error code."""

    name: str
    parameters: tuple[Parameter, ...]


@cache
def header_text() -> str:
    """The text of negfadj.h."""
    return files(__package__).joinpath("negfadj.h").read_text(encoding="utf-8")


@cache
def prototypes() -> tuple[Prototype, ...]:
    """Every function of the header that returns an error code, in its order."""
    text = re.sub(r"/\*.*?\*/", "", header_text(), flags=re.DOTALL)
    return tuple(
        Prototype(found["name"], _parameters(" ".join(found["parameters"].split())))
        for found in PROTOTYPE.finditer(text)
    )


@cache
def constants() -> dict[str, int]:
    """Error codes and layouts by their names in the header."""
    return {found["name"]: int(found["value"]) for found in CONSTANT.finditer(header_text())}


def _parameters(text: str) -> tuple[Parameter, ...]:
    if text == "void":
        return ()
    found = [PARAMETER.fullmatch(part.strip()) for part in text.split(",")]
    arrays = {match["name"] for match in found if match is not None and match["array"]}
    parameters = []
    for match, part in zip(found, text.split(",")):
        assert match is not None, f"negfadj.h: the parameter {part.strip()!r} is not of a kind that is understood"
        is_array = match["array"] is not None
        parameters.append(
            Parameter(
                name=match["name"],
                type=match["type"],
                is_array=is_array,
                is_output=match["star"] == "*" or (is_array and match["const"] is None),
                is_optional=match["optional"] is not None,
                is_length=match["name"].endswith("_length") and match["name"].removesuffix("_length") in arrays,
            )
        )
    return tuple(parameters)
