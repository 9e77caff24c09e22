"""A fit from the command line: what it recovers, what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
from search_jobs import FIT, HEAD, TRUE, call, ribbon, written

import negfadj as na
from negfadj.callers import search_run
from negfadj.callers.fit_file import load_fit
from negfadj.callers.job_file import parse_job
from negfadj.callers.job_system import build_system
from negfadj.callers.search_checkpoint import Met, search_checkpoint, write_checkpoint
from negfadj.callers.search_checks import check_search, check_stored_search
from negfadj.callers.search_results import read_search
from negfadj.callers.search_run import run_search
from negfadj.callers.search_system import build_search
from negfadj.errors import InputError


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory):
    """The folder and the outcome of a fit that ran from the command line."""
    folder = tmp_path_factory.mktemp("fit")
    return folder, call("fit", written(folder, FIT))


def refused(folder: Path, *changes: tuple[str, str], text: str = FIT) -> str:
    with pytest.raises(InputError) as caught:
        build_search(load_fit(written(folder, text, *changes)))
    return str(caught.value)


def test_fit_recovers_the_numbers_behind_the_target(done) -> None:
    folder, outcome = done
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(folder / "job.nc")
    np.testing.assert_allclose(dataset["best"].values, [TRUE["onsite"], TRUE["hopping"]], atol=1e-8)
    np.testing.assert_allclose(dataset["start"].values, [1.5, -2.1], atol=1e-14)
    np.testing.assert_allclose(dataset["lower"].values, [0.0, -3.1], atol=1e-14)
    assert dataset["variable"].values.tolist() == ["onsite.B", "shells[1].hopping (B–C at 1.42 Å)"]


def test_fit_results_describe_themselves(done) -> None:
    folder, _ = done
    with xarray.open_dataset(folder / "job.nc", engine="h5netcdf") as dataset:
        assert all("long_name" in dataset[name].attrs for name in dataset.variables)
        assert dataset["energy"].attrs["units"] == "eV" and dataset["transmission_best"].attrs["units"] == "1"
        assert dataset.attrs["job_text"] == (folder / "job.toml").read_text()
        assert "numpy" in dataset.attrs["versions"] and dataset.attrs["is_converged"] == 1
        history = dataset["history"].values
        assert len(history) < 20 and history[-1] < 1e-18 and np.argmax(history) == 0
        np.testing.assert_allclose(dataset["transmission_best"], dataset["target_0"], atol=1e-8)


def test_fit_leaves_no_checkpoint_when_it_has_converged(done) -> None:
    folder, _ = done
    assert sorted(p.name for p in folder.iterdir()) == ["job.nc", "job.toml", "model.toml", "ribbon.xyz", "target.csv"]


def test_fit_shows_start_best_and_checks(done) -> None:
    _, outcome = done
    assert "onsite.B" in outcome.output and "converged after" in outcome.output and "FAILED" not in outcome.output


def test_stored_checks_fail_for_a_damaged_result(done) -> None:
    dataset = read_search(done[0] / "job.nc")
    assert all(check.is_passed for check in check_stored_search(dataset))
    dataset["best"][0] = 9.0
    dataset["transmission_best"] += 5.0
    failed = [check.name for check in check_stored_search(dataset) if not check.is_passed]
    assert failed == ["best point outside of its bounds", "transmission above the number of open channels, best"]


def test_gradient_check_fails_for_a_gradient_of_the_wrong_sign(done, monkeypatch: pytest.MonkeyPatch) -> None:
    search, dataset = build_search(load_fit(done[0] / "job.toml")), read_search(done[0] / "job.nc")
    assert all(check.is_passed for check in check_search(search, dataset))
    gradient = na.Objective.gradient
    monkeypatch.setattr(na.Objective, "gradient", lambda self, x: -gradient(self, x))
    failed = [check.name for check in check_search(search, dataset) if not check.is_passed]
    assert failed == ["|gradient − difference quotient| / |gradient|, at the start"]


def test_ctrl_c_keeps_the_best_point_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written_points = search_run.write_checkpoint, []

    def interrupted(*arguments):
        write(*arguments)
        written_points.append(arguments)
        if len(written_points) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(search_run, "write_checkpoint", interrupted)
    path = written(tmp_path, FIT)
    outcome = call("fit", path)
    assert outcome.exit_code == 130 and f"negfadj fit {path} --resume" in outcome.stderr
    assert (tmp_path / "job.partial.npz").exists() and not (tmp_path / "job.nc").exists()


def test_a_checkpoint_of_another_fit_is_refused(tmp_path: Path) -> None:
    search = build_search(load_fit(written(tmp_path, FIT)))
    write_checkpoint(search_checkpoint(tmp_path / "job.nc"), search.fingerprint, Met([0.5], search.objective.x0))
    other = build_search(load_fit(written(tmp_path, FIT, ("bounds = [0.0, 4.0]", "bounds = [0.0, 3.0]"))))
    with pytest.raises(InputError, match="belongs to another job"):
        run_search(other, tmp_path / "job.nc", resume=True)
    with pytest.raises(InputError, match="there is no checkpoint"):
        run_search(other, tmp_path / "new.nc", resume=True)


def test_a_failed_step_names_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    residuals, asked = na.Objective.residuals, []

    def failing(self, x):
        asked.append(x)
        if len(asked) == 3:
            raise na.ConvergenceError("the lead is singular.")
        return residuals(self, x)

    monkeypatch.setattr(na.Objective, "residuals", failing)
    outcome = call("fit", written(tmp_path, FIT))
    assert outcome.exit_code == 1 and "--resume" in outcome.stderr and "the lead is singular" in outcome.stderr
    assert (tmp_path / "job.partial.npz").exists() and not (tmp_path / "job.nc").exists()


def test_what_targets_above_the_channels_leave_is_said(tmp_path: Path) -> None:
    one = ("max_evaluations = 30", "max_evaluations = 1")
    path = written(tmp_path, FIT, ('file = "target.csv"', 'file = "high.csv"'), one)
    (tmp_path / "high.csv").write_text("0.02, 0.5\n2.3, 4.0\n")  # no channel, one channel
    outcome = call("fit", path)
    device = build_search(load_fit(path)).device(np.array([1.5, -4.2]))
    assert na.open_channels(device, [0.02, 2.3]).tolist() == [0, 1]
    np.testing.assert_allclose(read_search(tmp_path / "job.nc")["aim_least"].values, [(0.5 + 3.0) / 2])
    assert outcome.exit_code == 0 and "… at least, with these leads' channels" in outcome.output


def test_results_of_a_run_are_read_as_a_target(tmp_path: Path) -> None:
    search = build_search(load_fit(written(tmp_path, FIT)))
    dataset = xarray.Dataset({"transmission": ("energy", search.aims[0].target)}, {"energy": search.aims[0].grid})
    dataset.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    changes = (("target.csv", "run.nc"), ("[search]", "window = [-3.0, 3.0]\n[search]"))
    aim = build_search(load_fit(written(tmp_path, FIT, *changes))).aims[0]
    inside = np.abs(search.aims[0].grid) <= 3
    np.testing.assert_array_equal([aim.grid, aim.target], [search.aims[0].grid[inside], search.aims[0].target[inside]])


ENTRIES = FIT[: FIT.index("[[parameter]]")] + """\
[[parameter]]
kind = "onsite-entries"
atoms = [13, 16]
within = 2.0

[[parameter]]
kind = "hopping-entries"
region = [8.0, 12.0]
within = 1.0

""" + FIT[FIT.index("[[target]]") :]


def test_entries_of_h_start_at_the_devices_own_numbers(tmp_path: Path) -> None:
    search = build_search(load_fit(written(tmp_path, ENTRIES)))
    x0 = search.objective.x0
    assert x0[:2].tolist() == [1.5, 1.5] and set(np.round(x0[2:], 9)) <= {-2.7, -2.1}
    assert set(search.varied.labels[:2]) == {"H of B13", "H of B16"}
    along = ribbon().positions[:, 0]
    names = [label.removeprefix("H of ").split(" and ") for label in search.varied.labels[2:]]
    atoms = [int(name.lstrip("BC")) for pair in names for name in pair]
    assert len(names) > 3 and all(8.0 <= along[a] <= 12.0 for a in atoms)
    own = na.transmission(search.system.transport.device, [2.3])
    np.testing.assert_allclose(na.transmission(search.device(x0), [2.3]), own)


BY_GRADIENT = ("[search]", '[search]\nmethod = "L-BFGS-B"')


def test_disorder_is_recovered_from_transmission_and_local_density_of_states(tmp_path: Path) -> None:
    varied = '[[parameter]]\nkind = "onsite-entries"\natoms = [13]\nwithin = 2.0\n\n'
    targets = "".join(
        f'[[target]]\nquantity = "{name}"\nfile = "target.npz"\n\n'
        for name in ("transmission", "local_density_of_states")
    )
    text = FIT[: FIT.index("[[parameter]]")] + varied + targets + FIT[FIT.index("[search]") :]
    path = written(tmp_path, text, BY_GRADIENT)
    structure, energies = ribbon(), np.array([-2.6, 1.4, 2.3, 3.1])
    system = build_system(parse_job(HEAD + "[energies]\nvalues = [0.0]\n", path))
    entries = na.HamiltonianEntries(system.transport.device, onsite=np.flatnonzero(system.transport.atoms == 13))
    device = entries({"onsite": [1.7]})
    arrays = {
        "energy": energies,
        "transmission": na.transmission(device, energies),
        "local_density_of_states": system.transport.to_atoms(na.local_density_of_states(device, energies)),
    }
    assert arrays["local_density_of_states"].shape == (4, structure.n_atoms)
    np.savez(tmp_path / "target.npz", **arrays)
    outcome = call("fit", path)
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(tmp_path / "job.nc")
    assert dataset["variable"].values.tolist() == ["H of B13"] and dataset["target_1"].dims == ("grid_1", "orbital_1")
    np.testing.assert_allclose(dataset["best"].values, 1.7, atol=1e-6)


BANDS = """\
job = "fit"

[model]
file = "model.toml"

[bulk]
file = "cell.extxyz"

[[parameter]]
kind = "pair"
elements = ["C", "C"]

[[target]]
quantity = "bands"
file = "bands.csv"

[output]
pictures = false
"""


def bands_written(folder: Path, *changes: tuple[str, str]) -> Path:
    """A fit of the bands of graphene, which are ∓|1 + e^{2πik₁} + e^{2πik₂}| times 3 eV."""
    lattice = "2.4595 0.0 0.0 1.22975 2.1300 0.0 0.0 0.0 20.0"
    atoms = ["C 0.0 0.0 0.0", "C 1.22975 0.7100 0.0"]
    header = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T F"'
    path = written(folder, BANDS, *changes)
    (folder / "cell.extxyz").write_text("\n".join(["2", header, *atoms, ""]))
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (7, 2))
    upper = 3.0 * np.abs(1 + np.exp(2j * np.pi * k).sum(axis=1))
    rows = [f"{a:.12f} {b:.12f} 0 {-e:.12f} {e:.12f}" for (a, b), e in zip(k, upper)]
    (folder / "bands.csv").write_text("k1 k2 k3 lower upper\n" + "\n".join(rows))
    return path


def test_bands_alone_are_fitted_without_a_device(tmp_path: Path) -> None:
    path = bands_written(tmp_path)
    checked = call("check", path)
    assert checked.exit_code == 0 and "memory" in checked.output and "time" in checked.output
    outcome = call("fit", path)
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(tmp_path / "job.nc")
    np.testing.assert_allclose(np.abs(dataset["best"].values), 3.0, atol=1e-6)
    picture = call("plot", tmp_path / "job.nc", "--what", "bands")
    assert picture.exit_code == 0 and (tmp_path / "job_bands.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('name = "onsite.B"', 'name = "onsite.N"'), "line 12: [[parameter]] 1: the model has no number 'onsite.N'"),
        (('name = "onsite.B"', 'atoms = [3]'), "line 12: parameter[0].atoms = [3]: kind = \"model\" has no `atoms`"),
        (("bounds = [0.0, 4.0]", "bounds = [4.0, 0.0]"), "line 13: parameter[0].bounds"),
        (("bounds = [0.0, 4.0]", "bounds = [2.0, 4.0]"), "line 13: [[parameter]] 1: parameter onsite.B = 1.5 is"),
        (("bounds = [0.0, 4.0]", "bonds = [0.0, 4.0]"), "line 13: unknown key 'parameter[0].bonds'; did you mean 'b"),
        (('elements = ["C", "B"]', 'elements = ["C", "N"]'), "line 17: [[parameter]] 2: the model has 0 coupled"),
        (("target.csv", "tar.csv"), "line 23: file"),
        (("target.csv", "ribbon.xyz"), "line 23: "),
        (('quantity = "transmission"', 'quantity = "bands"'), "a target is bands: name the crystal's file in [bulk]"),
        (("tolerance = 1e-12", "tolerance = -1.0"), "line 26: search.tolerance"),
        (("[search]", 'norm = "absolute"\n[search]'), "is least squares, but a target has norm"),
        (("within = 1.0", "within = 1.0\nbounds = [-3.0, -1.0]"), "give `bounds` or `within`, not both"),
    ],
)
def test_bad_input_is_refused_with_its_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert said in refused(tmp_path, change)


def test_a_variable_that_nothing_depends_on_is_code_2(tmp_path: Path) -> None:
    idle = ('name = "onsite.B"', 'name = "onsite.N"')
    path = written(tmp_path, FIT, idle)
    (tmp_path / "model.toml").write_text((tmp_path / "model.toml").read_text().replace("B = 1.5", "B = 1.5\nN = 2.0"))
    outcome = call("fit", path)
    assert outcome.exit_code == 2 and "no term depends on onsite.N" in outcome.stderr
