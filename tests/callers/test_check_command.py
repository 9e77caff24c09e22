"""`negfadj check`, and pictures by name: of job files and of results files of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray
from search_jobs import DESIGN, call, written
from transistors import job_text

from negfadj.callers.estimate import in_words

WriteJob = Callable[..., Path]


@pytest.fixture
def results(write_job: WriteJob) -> Path:
    """The results file of a transport job."""
    path = write_job(("[output]", "[output]\npictures = false"), ("count = 7", "count = 3"))
    assert call("run", path).exit_code == 0
    return path.with_suffix(".nc")


def test_check_of_a_job_file_says_memory_and_time_and_writes_nothing(write_job: WriteJob) -> None:
    path = write_job()
    outcome = call("check", path)
    assert outcome.exit_code == 0 and "memory" in outcome.output and "time" in outcome.output
    assert sorted(p.name for p in path.parent.iterdir()) == ["job.toml", "ribbon.xyz"]


@pytest.mark.parametrize("command", [("check",), ("design", "--dry-run")])
def test_a_design_is_described_with_its_time(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = written(tmp_path, DESIGN)
    outcome = call(command[0], path, *command[1:])
    assert outcome.exit_code == 0 and "an evaluation with its gradient" in outcome.output
    assert "mean transmission at 2.5 … 3.5 eV" in outcome.output and "onsite energy of" in outcome.output
    assert not list(tmp_path.glob("*.nc"))


def test_check_of_a_transistor_says_its_time(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(job_text())
    outcome = call("check", tmp_path / "job.toml")
    assert outcome.exit_code == 0 and "to a factor of three" in outcome.output and "memory" in outcome.output


def test_check_of_a_wrong_job_file_names_the_line(write_job: WriteJob) -> None:
    outcome = call("check", write_job(("ramp", "rmap")))
    assert outcome.exit_code == 2 and "line 16: unknown key" in outcome.stderr


def test_check_of_results_passes_and_says_where_they_come_from(results: Path) -> None:
    outcome = call("check", results)
    assert outcome.exit_code == 0, outcome.output
    assert "beside the results, the same" in outcome.output and "numpy" in outcome.output
    results.with_name("job.toml").write_text("title = 1\n")
    assert "changed since" in call("check", results).output


def test_check_of_results_with_impossible_numbers_is_code_1(results: Path) -> None:
    with xarray.open_dataset(results, engine="h5netcdf") as opened:
        dataset = opened.load()
    dataset["transmission"][0] += 7.0
    dataset.to_netcdf(results, engine="h5netcdf")
    outcome = call("check", results)
    assert outcome.exit_code == 1 and "transmission above the number of open channels" in outcome.stderr


def test_a_file_of_another_program_is_code_2(tmp_path: Path) -> None:
    xarray.Dataset({"x": ("n", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    for command in ("check", "plot"):
        outcome = call(command, tmp_path / "other.nc")
        assert outcome.exit_code == 2 and "has no variable 'transmission'" in outcome.stderr


@pytest.mark.parametrize("what", ["transmission", "dos", "ldos", "sensitivity", "bands"])
def test_each_picture_is_drawn_by_name(results: Path, what: str) -> None:
    outcome = call("plot", results, "--what", what, "--output", results.with_name("picture.png"))
    assert outcome.exit_code == 0, outcome.output
    assert results.with_name("picture.png").stat().st_size > 10_000 and len(list(results.parent.glob("*.png"))) == 1


def test_pictures_that_there_are_not_are_code_2(results: Path) -> None:
    outcome = call("plot", results, "--what", "convergence")
    assert outcome.exit_code == 2 and "no picture 'convergence'; they have transmission, dos" in outcome.stderr
    assert call("plot", results, "--energy", "9").exit_code == 2
    assert "give one --what" in call("plot", results, "--output", "x.png").stderr


def test_times_are_said_in_two_digits() -> None:
    assert [in_words(s) for s in (0.0123, 119, 150, 7300, 200_000, None)] == [
        "about 0.012 s",
        "about 120 s",
        "about 2.5 min",
        "about 2 h",
        "about 2.3 d",
        "not known: the part that was timed fails",
    ]
