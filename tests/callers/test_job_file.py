"""The job file: what it refuses, and that it says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from negfadj.callers.job_file import line_of, load_job, parse_job
from negfadj.errors import FileFormatError, InputError

GOOD = """\
title = "a ribbon"

[structure]
file = "ribbon.extxyz"

[model]
name = "graphene-third-neighbour"

[device.disorder]
width = 0.5
seed = 1

[[device.gate]]
region = [10.0, 20.0]
potential_energy = 0.2

[[device.gate]]
region = [30.0, 40.0]
potential_energy = -0.2

[energies]
start = -1.0
stop = 1.0
count = 5
"""


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_job(text, Path("job.toml"))
    return str(caught.value)


def test_a_good_job_is_read_with_its_defaults() -> None:
    settings = parse_job(GOOD, Path("job.toml")).settings
    assert settings.leads.eta == 0 and settings.device.axis == "x" and len(settings.device.gate) == 2


def test_energies_are_an_even_grid() -> None:
    np.testing.assert_allclose(parse_job(GOOD, Path("job.toml")).settings.energies.grid(), [-1, -0.5, 0, 0.5, 1])


def test_results_go_beside_the_job_file() -> None:
    assert parse_job(GOOD, Path("folder/job.toml")).results_path == Path("folder/job.nc")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width", "widht", "job.toml, line 10: unknown key 'device.disorder.widht'; did you mean 'width'?"),
        ("[energies]", "[energy]", "job.toml, line 21: unknown key 'energy'; did you mean 'energies'?"),
        ("seed = 1", "seed = 1\neta = 0.1", "line 12: unknown key 'device.disorder.eta'; it belongs in [leads]."),
        ("potential_energy = -0.2", "voltage = -0.2", "line 19: unknown key 'device.gate[1].voltage'"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_near_ones(old: str, new: str, message: str) -> None:
    assert message in refused(GOOD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count = 5", 'count = "5"', "line 24: energies.count = '5'"),
        ("stop = 1.0", "stop = -2.0", "line 21: [energies]: `start` = -1.0 must be below `stop` = -2.0"),
        ("width = 0.5", "width = -0.5", "line 10: device.disorder.width = -0.5"),
        ("width = 0.5", "width = nan", "line 10: device.disorder.width = nan"),
        ("seed = 1\n", "", "line 9: 'device.disorder.seed' is missing; [device.disorder] needs it"),
        ("region = [30.0, 40.0]", "region = [30.0]", "line 18: device.gate[1].region = [30.0]"),
        ('name = "graphene-third-neighbour"', "", "line 6: [model]: give one of `name`"),
    ],
)
def test_a_bad_value_is_named_with_its_line(old: str, new: str, message: str) -> None:
    assert message in refused(GOOD.replace(old, new, 1))


def test_every_problem_of_a_file_is_listed() -> None:
    assert len(refused(GOOD.replace("width", "w").replace("count", "n")).splitlines()) == 3


def test_map_energies_outside_of_the_grid_are_refused() -> None:
    assert "map_energies has 3.0 eV" in refused(GOOD + "\n[output]\nmap_energies = [3.0]\n")


def test_text_that_is_not_toml_names_the_line() -> None:
    with pytest.raises(FileFormatError, match="line 2"):
        parse_job("title = 'x'\n[structure\n", Path("job.toml"))


def test_a_missing_job_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_job(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="not UTF-8"):
        load_job(tmp_path / "job.toml")


@pytest.mark.parametrize(
    ("where", "line"),
    [(("a", "b"), 2), (("t", 1, "k"), 6), (("t", 1, "u", "k"), 8), (("t", 0, "missing"), 3), (("q",), None)],
)
def test_line_of_finds_a_key_or_the_table_around_it(where: tuple[str | int, ...], line: int | None) -> None:
    text = "[a]\nb = 1\n[[t]]\nk = 1\n[[t]]\nk = 2\n[t.u]\nk = 3\n"
    assert line_of(text, where) == line
