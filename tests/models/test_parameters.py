"""Parameter files of one's own: what is wrong with a file is said by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from negfadj.errors import FileFormatError, InputError, InputTypeError
from negfadj.models import read_parameters
from negfadj.models.parameters import parse_parameters

SP = """
[onsite.Si]
s = -2.0
p = 4.0
[[shells]]
elements = ["Si", "Si"]
distance = 2.35
tolerance = 0.2
[shells.hopping]
ss_sigma = -1.9
sp_sigma = 1.8
pp_sigma = 3.1
pp_pi = -0.7
[shells.law]
ss_sigma = { kind = "power", exponent = 3.4 }
sp_sigma = { kind = "power", exponent = 2.8 }
"""
OVERLAP = """
[onsite]
C = 0.0
[[shells]]
elements = ["C", "C"]
distance = 1.42
tolerance = 0.2
hopping = -2.7
overlap = 0.1
[shells.overlap_law]
ss_sigma = { kind = "exponential", exponent = 3.0 }
"""


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "silicon.toml"
    path.write_text(SP)
    for given in (path, str(path)):
        assert read_parameters(given).shells[0].hoppings["pp_pi"] == -0.7


def test_overlap_with_a_law_of_its_own_is_read() -> None:
    assert parse_parameters(OVERLAP, "mine").shells[0].overlap_law["ss_sigma"].reference == 1.42


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            SP.replace("sp_sigma = 1.8\n", ""),
            r"shells\[0\].hopping lacks the integral 'sp_sigma', for which shells\[0\].law has a law; give it",
        ),
        (SP.replace("sp_sigma = 1.8", "sp_sigm = 1.8"), "lacks the integral 'sp_sigma', .* is 'sp_sigm' misspelt"),
        (OVERLAP.replace("overlap = 0.1\n", ""), r"shells\[0\].overlap lacks the integral 'ss_sigma'"),
        (OVERLAP.replace("ss_sigma =", "pp_pi ="), r"shells\[0\].overlap lacks the integral 'pp_pi'"),
        (SP.replace("2.35", "-2.35"), r"shells\[0\].distance = -2.35 must be a positive length"),
        (SP.replace("2.35", "0.0"), r"shells\[0\].distance = 0 must be a positive length"),
    ],
)
def test_integral_or_distance_that_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(FileFormatError, match=words):
        parse_parameters(text, "mine")


def test_folder_is_told_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_parameters(tmp_path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_parameters(tmp_path / "silicon.toml")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "silicon.toml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FileFormatError, match="is not a text file"):
        read_parameters(tmp_path / "silicon.toml")


def test_something_else_than_a_path_is_refused() -> None:
    with pytest.raises(InputTypeError, match="path is a int; pass the path of a parameter file"):
        read_parameters(3)  # type: ignore[arg-type]
