"""Running a job: the results file, interruption, going on, and that nothing half-written is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray

import negfadj
from negfadj.callers import job_run, results
from negfadj.callers.checks import check_results
from negfadj.callers.job_file import load_job
from negfadj.callers.job_run import run_job
from negfadj.callers.job_system import JobSystem, build_system
from negfadj.callers.results import DONE, FAILED, checkpoint_path, read_dataset
from negfadj.errors import ConvergenceError, FileFormatError, InputError

WriteJob = Callable[..., Path]


@pytest.fixture
def system(write_job: WriteJob) -> JobSystem:
    return build_system(load_job(write_job()))


def stop_after(n: int) -> Callable[[int, int], None]:
    """A progress report that is interrupted, as by Ctrl-C, once n energies are done."""

    def report(n_done: int, n_energies: int) -> None:
        if n_done >= n:
            raise KeyboardInterrupt

    return report


def test_results_open_in_xarray_with_names_and_units(system: JobSystem, tmp_path: Path) -> None:
    run_job(system, tmp_path / "job.nc")
    with xarray.open_dataset(tmp_path / "job.nc", engine="h5netcdf") as dataset:
        units = {name: dataset[name].attrs["units"] for name in ("transmission", "density_of_states", "x", "energy")}
        assert units == {"transmission": "1", "density_of_states": "1/eV", "x": "angstrom", "energy": "eV"}
        assert all("long_name" in dataset[name].attrs for name in dataset.variables)
        assert dataset["transmission_sensitivity"].dims == ("energy", "atom")
        assert dataset["transmission"].sel(energy=1.97).shape == ()


def test_results_hold_the_job_and_the_version(system: JobSystem, tmp_path: Path) -> None:
    run_job(system, tmp_path / "job.nc")
    attributes = read_dataset(tmp_path / "job.nc").attrs
    assert attributes["job_text"] == system.job.text and attributes["source"].startswith("negfadj ")


def test_what_is_written_is_what_is_returned(system: JobSystem, tmp_path: Path) -> None:
    returned = run_job(system, tmp_path / "job.nc")
    xarray.testing.assert_equal(returned, read_dataset(tmp_path / "job.nc"))


def test_transmission_of_the_file_is_that_of_the_device(system: JobSystem, tmp_path: Path) -> None:
    dataset = run_job(system, tmp_path / "job.nc")
    expected = negfadj.transmission(system.transport.device, system.energies)
    np.testing.assert_allclose(dataset["transmission"].values, expected, rtol=1e-10, atol=1e-12)


def test_reverse_transmission_is_computed_apart_from_the_forward_one(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    transmission = negfadj.transmission

    def recorded(device: negfadj.Device, energies: np.ndarray, **options: object) -> np.ndarray:
        asked.append((options.get("source", 0), options.get("drain", 1)))
        return transmission(device, energies, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(negfadj, "transmission", recorded)
    job_run.evaluate(system, system.energies[:1])
    assert sorted(asked) == [(0, 1), (1, 0)]


def test_sensitivity_is_in_the_order_of_the_structure_file(system: JobSystem, tmp_path: Path) -> None:
    dataset = run_job(system, tmp_path / "job.nc")
    atom, step = 37, 1e-4
    values = []
    for sign in (1, -1):
        device = job_run_shifted(system, atom, sign * step)
        values.append(negfadj.transmission(device, system.energies))
    quotient = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(dataset["transmission_sensitivity"].values[:, atom], quotient, rtol=1e-4, atol=1e-7)


def job_run_shifted(system: JobSystem, atom: int, energy: float) -> negfadj.Device:
    """The device with one more on-site energy on one atom of the structure file."""
    from negfadj.models import transport_model

    onsite = system.onsite_energy.copy()
    onsite[atom] += energy
    return transport_model(
        system.transport.structure, system.model, onsite_energy=onsite, potential_energy=system.potential_energy
    ).device


def test_every_check_of_a_job_passes(system: JobSystem, tmp_path: Path) -> None:
    checks = check_results(system, run_job(system, tmp_path / "job.nc"))
    assert len(checks) >= 7 and [check.name for check in checks if not check.is_passed] == []


def test_a_gradient_with_the_wrong_sign_fails_its_check(system: JobSystem, tmp_path: Path) -> None:
    dataset = run_job(system, tmp_path / "job.nc")
    dataset["transmission_sensitivity"] *= -1
    failed = [check.name for check in check_results(system, dataset) if not check.is_passed]
    assert len(failed) == 1 and failed[0].startswith("|dT/dV − difference quotient|")


def test_a_transmission_above_the_channels_fails_its_check(system: JobSystem, tmp_path: Path) -> None:
    dataset = run_job(system, tmp_path / "job.nc")
    dataset["transmission"] += 5.0
    failed = [check.name for check in check_results(system, dataset) if not check.is_passed]
    assert "transmission above the number of open channels" in failed


def test_interruption_leaves_the_finished_energies_in_a_checkpoint(system: JobSystem, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(system, tmp_path / "job.nc", progress=stop_after(3))
    finished = read_dataset(checkpoint_path(tmp_path / "job.nc"))["status"].values == DONE
    assert finished.tolist() == [True] * 3 + [False] * 4 and not (tmp_path / "job.nc").exists()


def test_interrupted_and_resumed_equals_uninterrupted(system: JobSystem, tmp_path: Path) -> None:
    whole = run_job(system, tmp_path / "whole.nc")
    with pytest.raises(KeyboardInterrupt):
        run_job(system, tmp_path / "job.nc", progress=stop_after(4))
    resumed = run_job(system, tmp_path / "job.nc", resume=True)
    xarray.testing.assert_equal(whole, resumed)


def test_resuming_does_not_compute_finished_energies_again(
    system: JobSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(system, tmp_path / "job.nc", progress=stop_after(4))
    seen: list[float] = []
    evaluate = job_run.evaluate
    monkeypatch.setattr(job_run, "evaluate", lambda s, energies: seen.extend(energies) or evaluate(s, energies))
    run_job(system, tmp_path / "job.nc", resume=True)
    assert seen == system.energies[4:].tolist()


def test_the_checkpoint_is_gone_when_the_job_is_done(system: JobSystem, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(system, tmp_path / "job.nc", progress=stop_after(2))
    run_job(system, tmp_path / "job.nc", resume=True)
    assert not checkpoint_path(tmp_path / "job.nc").exists()


def test_a_checkpoint_of_another_job_is_refused(system: JobSystem, tmp_path: Path, write_job: WriteJob) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(system, tmp_path / "job.nc", progress=stop_after(2))
    other = build_system(load_job(write_job(("seed = 3", "seed = 4"))))
    with pytest.raises(InputError, match="belongs to another job"):
        run_job(other, tmp_path / "job.nc", resume=True)


def test_resuming_without_a_checkpoint_is_refused(system: JobSystem, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no checkpoint"):
        run_job(system, tmp_path / "job.nc", resume=True)


def test_a_failure_while_writing_leaves_no_file_and_keeps_the_old_one(
    system: JobSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = run_job(system, tmp_path / "job.nc")
    before = (tmp_path / "job.nc").read_bytes()

    def cut_short(self: object, path: str, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(type(dataset), "to_netcdf", cut_short)
    with pytest.raises(OSError, match="no space"):
        results.write_dataset(dataset, tmp_path / "job.nc")
    assert (tmp_path / "job.nc").read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if "unfinished" in name]


def test_an_energy_that_fails_is_marked_and_the_others_are_kept(
    system: JobSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = job_run.evaluate

    def failing(s: JobSystem, energies: np.ndarray) -> dict[str, np.ndarray]:
        if system.energies[2] in energies:
            raise ConvergenceError("a band edge", energies=[system.energies[2]])
        return evaluate(s, energies)

    monkeypatch.setattr(job_run, "evaluate", failing)
    dataset = run_job(system, tmp_path / "job.nc")
    assert dataset["status"].values.tolist() == [DONE, DONE, FAILED, DONE, DONE, DONE, DONE]
    assert np.isnan(dataset["transmission"].values).tolist() == [False, False, True, False, False, False, False]
    assert "failed energies" in [check.name for check in check_results(system, dataset) if not check.is_passed]


def test_a_job_in_which_every_energy_fails_raises(
    system: JobSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(s: JobSystem, energies: np.ndarray) -> dict[str, np.ndarray]:
        raise ConvergenceError("a band edge")

    monkeypatch.setattr(job_run, "evaluate", failing)
    with pytest.raises(ConvergenceError, match="a band edge"):
        run_job(system, tmp_path / "job.nc")


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "job.nc").write_bytes(b"not netCDF")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_dataset(tmp_path / "job.nc")
