"""A design from the command line: what it finds, what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from search_jobs import DESIGN, call, written

import negfadj as na
from negfadj.callers.design_file import load_design
from negfadj.callers.search_results import read_search
from negfadj.callers.search_system import build_search
from negfadj.errors import InputError


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory):
    """The folder and the outcome of a design that ran from the command line."""
    folder = tmp_path_factory.mktemp("design")
    return folder, call("design", written(folder, DESIGN))


def test_design_makes_the_mean_transmission_small_within_the_bounds(done) -> None:
    folder, outcome = done
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(folder / "job.nc")
    best, energies = dataset["best"].values, np.linspace(2.5, 3.5, 5)
    assert np.all(np.abs(best) <= 0.5) and float(dataset["aim_best"][0]) < 0.85 * float(dataset["aim_start"][0])
    search = build_search(load_design(folder / "job.toml"))
    mean = na.transmission(search.device(best), energies).mean()
    np.testing.assert_allclose([float(dataset["aim_best"][0]), dataset.attrs["best_value"]], mean, rtol=1e-9)
    assert dataset["window_low"].values.tolist() == [2.5] and dataset["window_high"].values.tolist() == [3.5]


def test_design_results_hold_the_change_on_the_atoms(done) -> None:
    dataset = read_search(done[0] / "job.nc")
    changed = dataset["energy_change"].values
    inside = (dataset["x"].values >= 8.0) & (dataset["x"].values <= 13.0)
    np.testing.assert_allclose(np.sort(changed[inside]), np.sort(dataset["best"].values - 0.1))
    assert np.all(changed[~inside] == 0) and inside.sum() == dataset.sizes["variable"]


def test_design_goes_on_from_the_best_point_with_more_evaluations(tmp_path: Path) -> None:
    path = written(tmp_path, DESIGN, ("max_evaluations = 6", "max_evaluations = 2"))
    first = call("design", path)
    assert first.exit_code == 0 and "ended before its tolerance after 2 evaluations" in first.output
    before = read_search(tmp_path / "job.nc")["history"].values
    used_up = call("design", path, "--resume")
    assert used_up.exit_code == 2 and "search.max_evaluations are used up" in used_up.stderr
    assert call("design", written(tmp_path, DESIGN), "--resume").exit_code == 0
    after = read_search(tmp_path / "job.nc")["history"].values
    assert len(after) == 6 and np.array_equal(after[:2], before) and after[2] == pytest.approx(before.min())
    assert after.min() < before.min()


def test_atoms_moved_together_are_one_variable(tmp_path: Path) -> None:
    search = build_search(load_design(written(tmp_path, DESIGN, ("start = 0.1", "start = 0.1\ntogether = true"))))
    assert len(search.objective.x0) == 1 and search.varied.labels[0].endswith(" and 7 more")
    device = search.device(np.array([0.3]))
    moved = np.real(np.diag(device.hamiltonian.to_dense())) - np.real(
        np.diag(search.device(np.array([0.0])).hamiltonian.to_dense())
    )
    assert np.count_nonzero(moved) == 8 and np.allclose(moved[moved != 0], 0.3)


RATIO = ('aim = "minimise"', 'aim = "ratio"')


def test_ratio_of_currents_is_that_of_the_device(tmp_path: Path) -> None:
    places = ("at = [2.5, 3.5]\ncount = 5", "on = [3.0]\noff = [0.5]\nbias = 0.1\ntemperature = 200.0")
    path = written(tmp_path, DESIGN, RATIO, ('"transmission"', '"current"'), places)
    search = build_search(load_design(path))
    x = search.objective.x0
    currents = [na.current(search.device(x), 0.1, temperature=200.0, fermi_energy=e) for e in (3.0, 0.5)]
    assert search.objective.value(x) == pytest.approx(-np.log(currents[0] / currents[1]), rel=1e-6)
    assert search.aims[0].number(search.values(x)[0]) == pytest.approx(currents[0] / currents[1], rel=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (RATIO, 'line 19: goal[0].at = [2.5, 3.5]: aim = "ratio" has `on` and `off`'),
        (("at = [2.5, 3.5]\n", ""), 'line 16: [[goal]]: aim = "minimise" of a transmission needs `at`'),
        (("at = [2.5, 3.5]", "at = [3.5, 2.5]"), "line 19: goal[0].at"),
        (("at = [2.5, 3.5]", "on = [2.5, 3.5]"), "line 19: goal[0].on"),
        (("count = 5", "bias = 0.1"), 'line 20: goal[0].bias = 0.1: `bias` is for quantity = "current"'),
        (("region = [8.0, 13.0]", "region = [0.0, 13.0]"), "line 12: [[parameter]] 1: "),
        (("region = [8.0, 13.0]", "atoms = [999]"), "line 12: [[parameter]] 1: the structure has no atom 999"),
        (("start = 0.1", 'elements = ["Si"]'), "line 13: [[parameter]] 1: the structure has no Si"),
        (('aim = "minimise"', 'aim = "minimize"'), "line 17: goal[0].aim"),
        (("[energies]", "[energy]"), "'energies' is missing"),
    ],
)
def test_bad_input_is_refused_with_its_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_search(load_design(written(tmp_path, DESIGN, change)))
    assert said in str(caught.value)


def test_a_job_of_another_kind_is_refused_with_its_command(tmp_path: Path) -> None:
    outcome = call("run", written(tmp_path, DESIGN))
    assert outcome.exit_code == 2 and "line 1: job = 'design' is for `negfadj design`" in outcome.stderr
