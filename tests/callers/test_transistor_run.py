"""A transistor job from the command line: files, checks, pictures, and going on after an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transistors import job_text

from negfadj.callers import cli, curves, transistor_run
from negfadj.callers.transistor_file import load_transistor
from negfadj.callers.transistor_results import is_transistor, read_transistor
from negfadj.callers.transistor_run import map_states, run_transistor
from negfadj.callers.transistor_system import build_transistor
from negfadj.errors import FileFormatError, InputError
from negfadj.physics.self_consistent import SelfConsistencyError

QUICK = (
    ("drain = [0.05, 0.2]", "drain = [0.02]"),
    ("gate_count = 3", "gate_count = 2"),
    ("error = 1e-7", "error = 1e-4"),
    ("tolerance = 1e-7", "tolerance = 1e-6"),
)
PICTURES = ["transfer", "states", "charge", "gradient"]


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    path = folder / "job.toml"
    path.write_text(job_text(*changes))
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(caught.value.code or 0), captured.out, captured.err


def test_dry_run_describes_the_transistor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "run", written(tmp_path), "--dry-run")
    assert code == 0 and "(7, 0)" in out and "donors/nm" in out
    assert [p.name for p in tmp_path.iterdir()] == ["job.toml"]


def test_an_unknown_kind_of_job_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", written(tmp_path, ("nanotube-transistor", "nanotube-diode")))
    assert code == 2 and "line 1: job = 'nanotube-diode' is not known" in err


@pytest.mark.slow
def test_run_writes_results_pictures_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ("drain = [0.05, 0.2]", "drain = [0.05, 0.1]"), ("gate_stop = 0.4", "gate_stop = 0.2"))
    code, out, err = call(capsys, "run", path)
    # so short a contact leaves a step at its end, and is told so
    assert code == 1 and "step between a lead and the end" in err and "1 of 8 checks failed" in err
    assert all((tmp_path / f"job_{name}.png").stat().st_size > 10_000 for name in PICTURES)
    assert is_transistor(tmp_path / "job.nc") and not list(tmp_path.glob("*.partial*"))
    assert "Gradient of the current" in out
    for picture in tmp_path.glob("*.png"):
        picture.unlink()
    assert call(capsys, "plot", tmp_path / "job.nc")[0] == 0
    assert len(list(tmp_path.glob("*.png"))) == len(PICTURES)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a quick job."""
    folder = tmp_path_factory.mktemp("transistor")
    run_transistor(build_transistor(load_transistor(written(folder, *QUICK))), folder / "job.nc")
    return folder / "job.nc"


def test_results_hold_curves_and_gradients(results: Path) -> None:
    dataset = read_transistor(results)
    current = dataset["current"].values
    assert current.shape == (1, 2) and 0 < current[0, 0] < current[0, 1]  # an n-type transistor opens
    gate = dataset["current_gradient"].sel(parameter="gate_voltage").values
    work_function = dataset["current_gradient"].sel(parameter="gate_work_function").values
    assert np.all(gate > 0) and np.array_equal(gate, -work_function)
    np.testing.assert_allclose(dataset["subthreshold_swing"], 1e3 * np.log(10) * current / gate)
    assert dataset.attrs["job_text"].startswith("job = ") and float(dataset["residual"].max()) <= 1e-6


def test_interrupted_run_goes_on_with_the_same_numbers(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = build_transistor(load_transistor(written(tmp_path, *QUICK)))
    evaluate, asked = transistor_run.evaluate, []

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(transistor_run, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_transistor(system, tmp_path / "job.nc")
    assert (tmp_path / "job.partial.npz").exists() and not (tmp_path / "job.nc").exists()
    resumed = run_transistor(system, tmp_path / "job.nc", resume=True)
    assert len(asked) == 3
    whole = read_transistor(results)
    for name in ("potential", "current", "current_gradient"):
        np.testing.assert_array_equal(resumed[name].values, whole[name].values)


@pytest.mark.slow
def test_first_point_is_walked_to_where_the_direct_way_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, point = build_transistor(load_transistor(written(tmp_path, *QUICK))), np.array([0.02, 0.4])
    expected = transistor_run.evaluate(system, point, None)
    solve = curves.self_consistent_vjp

    def only_from_near(*arguments, **options):
        if options["initial"] is None:
            raise SelfConsistencyError("too far")
        return solve(*arguments, **options)

    monkeypatch.setattr(curves, "self_consistent_vjp", only_from_near)
    found = transistor_run.evaluate(system, point, None)
    np.testing.assert_allclose(found["potential"], expected["potential"], atol=5e-6)
    assert found["current"] == pytest.approx(expected["current"], rel=1e-3) and found["residual"] <= 1e-6


def test_resume_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        run_transistor(build_transistor(load_transistor(written(tmp_path))), tmp_path / "job.nc", resume=True)


def test_maps_are_of_computed_voltages(tmp_path: Path) -> None:
    path = written(tmp_path, ("[numerics]", "[output]\noff = 0.05\non = 0.33\n\n[numerics]"))
    np.testing.assert_array_equal(map_states(build_transistor(load_transistor(path))), [(0.2, 0.0), (0.2, 0.4)])


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_transistor(tmp_path / "none.nc")
    (tmp_path / "broken.nc").write_bytes(b"not netCDF")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_transistor(tmp_path / "broken.nc")
