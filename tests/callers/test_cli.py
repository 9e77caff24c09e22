"""The command line: exit codes, messages on stderr, files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from negfadj.callers import cli

WriteJob = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]
NO_PICTURES = ("[output]", "[output]\npictures = false")


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `negfadj` with these arguments."""
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(caught.value.code or 0), captured.out, captured.err


def test_run_writes_results_and_pictures(write_job: WriteJob, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job()
    code, out, _ = call(capsys, "run", path)
    names = ["job.nc", "job_spectra.png", "job_local_density_of_states.png", "job_sensitivity.png"]
    assert code == 0 and all(
        (path.parent / name).stat().st_size > 0 and name in out.replace("\n", "") for name in names
    )


def test_run_shows_its_checks(write_job: WriteJob, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = call(capsys, "run", write_job(NO_PICTURES))
    assert "largest residual" in out and "FAILED" not in out


def test_run_draws_no_pictures_when_told_so(write_job: WriteJob, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job(NO_PICTURES)
    call(capsys, "run", path)
    assert not list(path.parent.glob("*.png"))


def test_an_unknown_key_is_one_message_on_stderr_and_code_2(
    write_job: WriteJob, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "run", write_job(("ramp", "rmap")))
    assert code == 2 and out == "" and "Traceback" not in err
    assert err.startswith("negfadj: ") and "job.toml, line 16: unknown key 'device.gate[0].rmap'" in err


def test_a_missing_structure_file_is_code_2(write_job: WriteJob, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", write_job(("ribbon.xyz", "robbin.xyz")))
    assert code == 2 and "robbin.xyz' does not exist" in err


def test_dry_run_describes_the_device_and_writes_nothing(
    write_job: WriteJob, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_job()
    code, out, _ = call(capsys, "run", path, "--dry-run")
    assert (
        code == 0
        and "blocks" in out
        and "memory" in out
        and sorted(p.name for p in path.parent.iterdir())
        == [
            "job.toml",
            "ribbon.xyz",
        ]
    )


def test_plot_draws_a_results_file_again(write_job: WriteJob, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_job(NO_PICTURES)
    call(capsys, "run", path)
    code, _, _ = call(capsys, "plot", path.with_suffix(".nc"))
    assert code == 0 and len(list(path.parent.glob("*.png"))) == 3


def test_a_failed_check_is_code_1_after_the_results_are_written(
    write_job: WriteJob, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from negfadj.callers import checks

    monkeypatch.setattr(checks, "check_results", lambda *_: [checks.Check("a check", 1.0, 0.5)])
    path = write_job(NO_PICTURES)
    code, _, err = call(capsys, "run", path)
    assert code == 1 and "1 of 1 checks failed: a check" in err and path.with_suffix(".nc").exists()


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(write_job: WriteJob) -> None:
    path = write_job()
    code = """
import os, signal, sys
from negfadj.callers import cli, job_run
evaluate, calls = job_run.evaluate, []
def interrupted(system, energies):
    calls.append(energies)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return evaluate(system, energies)
job_run.evaluate = interrupted
cli.main(["run", sys.argv[1]])
"""
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr and f"negfadj run {path} --resume" in done.stderr
    assert (path.parent / "job.partial.nc").exists() and not (path.parent / "job.nc").exists()


def test_missing_packages_are_named_with_the_command_that_installs_them(tmp_path: Path) -> None:
    code = "import sys; sys.modules['typer'] = None; from negfadj.callers.cli import main; main(['run', 'x'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and 'pip install "negfadj[apps]"' in done.stderr and "Traceback" not in done.stderr
