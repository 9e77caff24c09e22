"""The design examples: their gradients against differences, and a few steps towards their goals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import negfadj as na

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


def differences(goal: na.Objective, x: np.ndarray, steps: tuple[float, float]) -> np.ndarray:
    """The gradient by central differences at two steps, one half of the other, extrapolated."""

    def slopes(h: float) -> np.ndarray:
        return np.array([(goal.value(x + h * e) - goal.value(x - h * e)) / (2 * h) for e in np.eye(len(x))])

    coarse, fine = (slopes(h) for h in steps)
    return (4 * fine - coarse) / 3


def test_a_stack_has_the_gradient_by_thicknesses_and_heights(examples) -> None:
    import stack_filters

    goal = stack_filters.objective("resonance")
    x = goal.x0 + 0.1 * np.sin(np.arange(5.0))
    gradient = goal.gradient(x)
    # of the thicknesses of barrier, well, barrier, then of the heights
    np.testing.assert_allclose(gradient, differences(goal, x, (2e-3, 1e-3)), atol=1e-7 * np.abs(gradient).max())


def test_the_places_of_barriers_are_sums_of_the_thicknesses_before_them(examples) -> None:
    import stack_filters

    thickness, height = np.array([20.0, 40.0, 30.0]), np.array([0.2, 0.1])
    device = stack_filters.Stack()({"thickness": thickness, "height": height})
    onsite = np.concatenate([np.diag(block) for block in device.hamiltonian.diagonal])
    energy, x = onsite - onsite[-1], stack_filters.X - stack_filters.FIRST
    for begin, end, high in ((0, 20, 0.2), (60, 90, 0.1)):
        inside = (x > begin) & (x < end)
        # a grading moves no area, to the midpoint rule's error on steps as wide as the grading
        near = (x > begin - 15) & (x < end + 15)
        assert np.isclose(stack_filters.SPACING * energy[near].sum(), high * (end - begin), rtol=1e-2)
        assert np.isclose(energy[inside].max(), high, rtol=0.05)


@pytest.mark.parametrize("name", ["stack_filters", "ribbon_filters"])
@pytest.mark.parametrize("goal", ["pass-band", "stop-band", "resonance"])
def test_a_filter_comes_nearer_to_its_target(name: str, goal: str, examples) -> None:
    module = __import__(name)
    task = module.objective(goal)
    found = na.fit(task, max_evaluations=6, check=False)
    assert found.best_value < 0.5 * found.history[0]
    lower, upper = task.bounds
    assert np.all((found.best_x >= lower) & (found.best_x <= upper))


def test_the_filters_without_potential_let_everything_through(examples) -> None:
    import ribbon_filters
    import stack_filters

    flat = {"thickness": np.full(3, 25.0), "height": np.zeros(2)}
    assert np.allclose(na.transmission(stack_filters.Stack()(flat), [0.05, 0.2]), 1)
    clean = ribbon_filters.objective("pass-band").model.device
    assert np.allclose(na.transmission(clean, ribbon_filters.ENERGIES[::9]), 1)


@pytest.mark.slow
def test_the_transistor_has_the_gradient_of_its_ratio(examples) -> None:
    import on_off_design

    goal = on_off_design.objective(error=1e-9, tolerance=1e-10)
    gradient = goal.gradient(goal.x0)
    np.testing.assert_allclose(gradient, differences(goal, goal.x0, (2e-3, 1e-3)), rtol=3e-6)


@pytest.mark.slow
def test_the_transistor_becomes_better_with_a_few_steps(examples) -> None:
    import on_off_design

    goal = on_off_design.objective()
    found = na.minimize(goal, max_evaluations=8)
    assert found.best_value < found.history[0] - 4  # an e⁴ better ratio at an on-current as near to the wanted one
    made = goal.parameters.values(found.best_x)
    off, on = (on_off_design.current(made, gate, error=1e-6) for gate in (on_off_design.OFF, on_off_design.ON))
    start = goal.parameters.values(goal.x0)
    gates = (on_off_design.ON, on_off_design.OFF)
    before = [on_off_design.current(start, gate, error=1e-6) for gate in gates]
    wanted = on_off_design.WANTED
    assert on / off > 10 * before[0] / before[1] and abs(on - wanted) < abs(before[0] - wanted)


@pytest.mark.slow
def test_the_transistor_is_searched_from_starts_anywhere(examples) -> None:
    import on_off_design

    found = on_off_design.designed(2, 6)
    assert len(found.starts) == 2 and found.evaluations == 12
    assert np.array_equal(found.starts[0].x0, on_off_design.objective().x0)
    assert all(start.best_value < start.history[0] - 0.5 for start in found.starts)
    assert found.successes == tuple(start.best_value <= -9 for start in found.starts)
