"""Sweeps: where each point starts, what a killed one leaves, and what is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from negfadj.callers.fingerprint import fingerprint
from negfadj.callers.sweep import sweep
from negfadj.electrostatics.grid import Grid
from negfadj.errors import ConvergenceError, FileFormatError, InputError, InputTypeError, ShapeError

ROOT = Path(__file__).resolve().parents[2]


class Recorded:
    """φ(p) = profile(p); remembers the points and what they started from."""

    def __init__(self, profile, reach: float = np.inf) -> None:
        self.profile, self.reach = profile, reach
        self.points: list[np.ndarray] = []
        self.starts: list[np.ndarray | None] = []

    def __call__(self, point, initial):
        self.points.append(np.array(point))
        self.starts.append(initial)
        potential = np.atleast_1d(self.profile(point)).astype(float)
        if initial is not None and np.max(np.abs(potential - initial)) > self.reach:
            raise ConvergenceError("too far", residual=1.0)
        return {"potential": potential, "current": float(np.sum(point))}


def test_sweep_returns_every_quantity_at_every_point() -> None:
    found = sweep(Recorded(lambda p: np.array([p, 2 * p])), [0.0, 0.1, 0.3])
    np.testing.assert_array_equal(found["current"], [0.0, 0.1, 0.3])
    assert found["potential"].shape == (3, 2)


def test_sweep_of_a_linear_potential_starts_at_the_solution() -> None:
    recorded = Recorded(lambda p: np.array([1 + 3 * p, -p]))
    sweep(recorded, [0.0, 0.1, 0.2, 0.4])
    for point, start in zip(recorded.points[2:], recorded.starts[2:]):
        np.testing.assert_allclose(start, recorded.profile(point), atol=1e-14)


def test_sweep_does_not_extrapolate_where_that_made_the_last_guess_worse() -> None:
    recorded = Recorded(lambda p: np.array([abs(p - 0.25)]))  # turns between 0.2 and 0.3
    sweep(recorded, [0.1, 0.2, 0.3, 0.4])
    assert np.isclose(recorded.starts[2], 0.05 - 0.1)  # extrapolated, and wrong by 0.1; the last one would be right
    np.testing.assert_allclose(recorded.starts[3], [0.05])


def test_sweep_of_two_parameters_starts_from_the_nearest_point() -> None:
    recorded = Recorded(lambda p: np.array([p[0] + 10 * p[1]]))
    sweep(recorded, [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.0, 0.15), (0.1, 0.15)])
    np.testing.assert_allclose(recorded.starts[3], [0.0])  # from (0, 0): no line leads on from there
    np.testing.assert_allclose(recorded.starts[4], [1.5])


def test_sweep_puts_points_in_on_the_way_to_one_that_does_not_converge() -> None:
    recorded = Recorded(lambda p: np.array([p**2]), reach=0.2)
    found = sweep(recorded, [0.0, 1.0])
    assert found["potential"].shape == (2, 1) and found["potential"][1, 0] == 1.0
    tried = [float(p) for p in recorded.points]
    assert tried[:4] == [0.0, 1.0, 0.5, 0.25] and 0.25 < tried[4] < 1 == tried[-1]


def test_sweep_says_which_point_is_not_reached() -> None:
    with pytest.raises(ConvergenceError, match=r"point 1 = 1.0, .* from 0.0: .*a step of 0.0156 fails.*: too far"):
        sweep(Recorded(lambda p: np.array([p]), reach=0.01), [0.0, 1.0])


def test_sweep_reports_its_progress() -> None:
    seen: list[tuple[int, int]] = []
    sweep(Recorded(lambda p: np.array([p])), [0.0, 1.0], progress=lambda *at: seen.append(at))
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_interrupted_sweep_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    points = np.linspace(0, 1, 7)

    def profile(p):
        return np.array([np.sin(3 * p), p**2])

    class Interrupted(Recorded):
        def __call__(self, point, initial):
            if len(self.points) == 4:
                raise KeyboardInterrupt
            return super().__call__(point, initial)

    path = tmp_path / "sweep.npz"
    with pytest.raises(KeyboardInterrupt):
        sweep(Interrupted(profile), points, checkpoint=path)
    rest, whole = Recorded(profile), Recorded(profile)
    resumed = sweep(rest, points, checkpoint=path)
    expected = sweep(whole, points)
    assert len(rest.points) == 3
    for a, b in zip(rest.starts, whole.starts[4:]):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(resumed["potential"], expected["potential"])
    assert [p.name for p in tmp_path.iterdir()] == ["sweep.npz"]


def test_killed_sweep_loses_only_the_point_in_hand(tmp_path: Path) -> None:
    code = """
import os, signal, sys
import numpy as np
from negfadj.callers.sweep import sweep
def evaluate(point, initial):
    if point > 0.45:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"potential": np.array([point]), "current": point}
sweep(evaluate, np.linspace(0, 1, 11), checkpoint=sys.argv[1])
"""
    path = tmp_path / "killed.npz"
    done = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    rest = Recorded(lambda p: np.array([p]))
    found = sweep(rest, np.linspace(0, 1, 11), checkpoint=path)
    assert len(rest.points) == 6 and np.allclose(found["current"], np.linspace(0, 1, 11))


def test_finished_checkpoint_may_be_prolonged(tmp_path: Path) -> None:
    path = tmp_path / "sweep.npz"
    sweep(Recorded(lambda p: np.array([p])), [0.0, 0.1], checkpoint=path)
    rest = Recorded(lambda p: np.array([p]))
    assert len(sweep(rest, [0.0, 0.1, 0.2], checkpoint=path)["current"]) == 3 and len(rest.points) == 1


@pytest.mark.parametrize(("points", "label"), [([0.0, 0.2], "a"), ([0.0, 0.1], "b"), ([0.0], "a")])
def test_checkpoint_of_another_sweep_is_refused(tmp_path: Path, points: list[float], label: str) -> None:
    path = tmp_path / "sweep.npz"
    sweep(Recorded(lambda p: np.array([p])), [0.0, 0.1], checkpoint=path, label="a")
    with pytest.raises(InputError, match="belongs to another sweep"):
        sweep(Recorded(lambda p: np.array([p])), points, checkpoint=path, label=label)


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.npz"
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(FileFormatError, match="cannot be read"):
        sweep(Recorded(lambda p: np.array([p])), [0.0], checkpoint=path)


def test_sweep_refuses_results_that_change_their_shape() -> None:
    with pytest.raises(ShapeError, match="at point 1"):
        sweep(Recorded(lambda p: np.zeros(1 + int(p > 0))), [0.0, 1.0])


def test_sweep_refuses_results_without_a_potential() -> None:
    with pytest.raises(InputError, match="potential"):
        sweep(lambda point, initial: {"current": 0.0}, [0.0])


def test_fingerprints_tell_numbers_and_static_fields_apart() -> None:
    lines = np.linspace(0, 1, 3)
    base = fingerprint(Grid(lines, lines, lines), {"a": 1, "b": (2.0, None)})
    assert base == fingerprint(Grid(lines.copy(), lines, lines), {"b": (2.0, None), "a": 1})
    assert base != fingerprint(Grid(lines, lines, 2 * lines), {"a": 1, "b": (2.0, None)})
    assert base != fingerprint(Grid(lines, lines, lines), {"a": 1, "b": (2.0, 0.0)})
    assert fingerprint([1.0], [2.0]) != fingerprint([1.0, 2.0], [])


def test_sweep_refuses_a_result_that_is_no_mapping() -> None:
    with pytest.raises(InputTypeError, match="evaluate returned a float; return a mapping"):
        sweep(lambda point, initial: 1.0, [0.0])


@pytest.mark.parametrize("points", ["a", [[0.0], ["b"]]])
def test_sweep_refuses_points_that_are_no_numbers(points) -> None:
    with pytest.raises(InputTypeError, match=r"points=.* must be real numbers"):
        sweep(Recorded(np.sin), points)
