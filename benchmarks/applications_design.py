"""Inverse design: filters of a stack and of a ribbon from many starts, and the on/off ratio of a transistor."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from measure import Row

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples")]

import on_off_design  # noqa: E402
import ribbon_filters  # noqa: E402
import stack_filters  # noqa: E402
from band_filters import started  # noqa: E402

import negfadj as na  # noqa: E402


def rows(repeats: int) -> Iterator[Row]:
    """Every goal of both filters from 6 starts in a quick run, from 20 else; then the transistor."""
    n_starts = 6 if repeats < 7 else 20
    yield from filters("stack of barriers", stack_filters, n_starts)
    yield from filters("graphene ribbon", ribbon_filters, n_starts)
    yield from transistor()


def filters(label: str, example: ModuleType, n_starts: int) -> Iterator[Row]:
    """Pass-band, stop-band and resonance: the best start against its level, and what all starts took."""
    for name, level in example.LEVELS.items():
        goal = example.objective(name)
        begun = time.perf_counter()
        found = started(goal, n_starts, level)
        seconds = time.perf_counter() - begun
        what = f"{label}, {name}"
        yield Row(f"{what}: mean square of T - target at the start", found.starts[0].history[0], "", None)
        yield Row(f"{what}: best of {n_starts} starts", found.best.best_value, "", level)
        yield Row(f"{what}: fraction of starts that reach {level:g}", float(np.mean(found.successes)), "", None)
        yield Row(f"{what}: evaluations a start", found.evaluations / n_starts, "", None)
        yield Row(f"{what}: seconds a start", seconds / n_starts, "s", None)


def transistor() -> Iterator[Row]:
    """The gradient through the loop against differences at one point; then the ratio before and after."""
    label = "transistor, on/off by 4 numbers"
    yield Row(f"{label}: gradient against differences, relative", gradient_error(), "", 1e-5)
    goal = on_off_design.objective()
    begun = time.perf_counter()
    found = na.minimize(goal, max_evaluations=12, check=False)
    seconds = time.perf_counter() - begun
    (first, _), (last, on) = (currents(goal, x) for x in (goal.x0, found.best_x))
    yield Row(f"{label}: I_on/I_off at the start", first, "", None)
    yield Row(f"{label}: I_on/I_off found", last, "", None)
    yield Row(f"{label}: I_on there, 4 wanted", on, "µA", None)
    yield Row(f"{label}: found over start", last / first, "", 30.0, at_least=True)
    yield Row(f"{label}: evaluations, two loops each", found.evaluations, "", None)
    yield Row(f"{label}: seconds", seconds, "s", None)


def gradient_error() -> float:
    """Largest relative error of the gradient's components, against differences extrapolated from two steps."""
    sharp = on_off_design.objective(error=1e-9, tolerance=1e-10)
    gradient = sharp.gradient(sharp.x0)
    errors = []
    for slope, e in zip(gradient, np.eye(len(gradient))):
        coarse, fine = ((sharp.value(sharp.x0 + h * e) - sharp.value(sharp.x0 - h * e)) / (2 * h) for h in (2e-3, 1e-3))
        errors.append(abs(slope / ((4 * fine - coarse) / 3) - 1))
    return max(errors)


def currents(goal: na.Objective, x: np.ndarray) -> tuple[float, float]:
    """I_on/I_off and I_on [µA]."""
    made = goal.parameters.values(x)
    off, on = (on_off_design.current(made, gate, error=1e-7) for gate in (on_off_design.OFF, on_off_design.ON))
    return on / off, on
