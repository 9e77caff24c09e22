"""Many starts: what each row of the table says, which one is best, and starts that fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import chain_device

import negfadj as na
from negfadj.objectives import MultiStart, multi_start

ENERGIES = np.linspace(-1.5, 1.5, 12)
DEVICE = chain_device(12)
SITES = np.array([1, 4, 8])
MODEL = na.HamiltonianEntries(DEVICE, onsite=SITES)
TRUE = np.array([0.5, -0.8, 0.4])
START = np.array([0.2, 0.1, 0.1])
TRANSMISSION = na.Quantity(na.transmission, ENERGIES)
TARGET = na.transmission(MODEL({"onsite": TRUE}), ENERGIES)


def objective_of(model: Any = MODEL, bounds: tuple[Any, Any] = (-1.5, 1.0)) -> na.Objective:
    """Three on-site energies of a chain to recover from T(E)."""
    parameter = na.Parameter("onsite", START, bounds=bounds, scale=0.5)
    return na.Objective(model, parameter, na.Match(TRANSMISSION, TARGET))


@pytest.fixture(scope="module")
def found() -> MultiStart:
    return multi_start(objective_of(), 6, seed=3, level=1e-12, tolerance=1e-13, max_evaluations=16)


def test_the_best_start_is_the_smallest_of_all_and_its_parameters_are_those(found: MultiStart) -> None:
    assert found.best.best_value == min(s.best_value for s in found.starts) < 1e-12
    np.testing.assert_allclose(found.parameters["onsite"], 0.5 * found.best.best_x, rtol=1e-15)
    np.testing.assert_allclose(found.parameters["onsite"], TRUE, atol=1e-4)


def test_successes_are_the_starts_that_reach_the_level(found: MultiStart) -> None:
    assert found.successes == tuple(s.best_value <= 1e-12 for s in found.starts)
    assert 0 < sum(found.successes) < 6  # 16 evaluations are enough for some
    assert multi_start(objective_of(), 1, max_evaluations=2).successes == (False,)


def test_a_start_says_what_minimize_says_from_there(found: MultiStart) -> None:
    for start in found.starts:
        alone = na.minimize(objective_of(), x0=start.x0, tolerance=1e-13, max_evaluations=16)
        np.testing.assert_array_equal(alone.history, start.history)
        np.testing.assert_array_equal(alone.best_x, start.best_x)
        assert (alone.success, alone.message, alone.evaluations) == (
            start.is_converged,
            start.message,
            start.evaluations,
        )


def test_starts_are_within_bounds_and_do_not_depend_on_their_number(found: MultiStart) -> None:
    np.testing.assert_array_equal(found.starts[0].x0, objective_of().x0)
    points = np.array([s.x0 for s in found.starts[1:]])
    assert np.all((points >= -3) & (points <= 2)) and len(np.unique(points)) == points.size
    fewer = multi_start(objective_of(), 2, seed=3, with_x0=False, max_evaluations=1)
    np.testing.assert_array_equal(fewer.starts[1].x0, points[0])
    assert not np.array_equal(fewer.starts[0].x0, objective_of().x0)
    assert not np.array_equal(multi_start(objective_of(), 2, seed=4, max_evaluations=1).starts[1].x0, points[0])


def test_the_table_has_a_row_for_every_start_the_best_one_first(found: MultiStart) -> None:
    lines = found.table().splitlines()
    assert len(lines) == 8 and lines[1].split()[0] == str(found.starts.index(found.best))
    assert [float(line.split()[2]) for line in lines[1:-1]] == sorted(float(line.split()[2]) for line in lines[1:-1])
    assert f"{sum(found.successes)} of 6 starts successful, {found.evaluations} evaluations" == lines[-1]
    assert found.evaluations == sum(len(s.history) for s in found.starts)


class FailsBeyond:
    """A model without value where the first on-site energy passes a limit."""

    names = ("onsite",)

    def __init__(self, limit: float, error: type[Exception]) -> None:
        self.limit, self.error = limit, error

    def __call__(self, values: Any) -> Any:
        if values["onsite"][0] > self.limit:
            raise self.error("a lead is singular.")
        return MODEL(values)

    def vjp(self, values: Any) -> Any:
        return self(values), MODEL.vjp(values)[1]


def test_least_squares_is_started_many_times_too() -> None:
    found = multi_start(objective_of(), 3, seed=3, level=1e-20, method="trf", tolerance=1e-13)
    alone = na.fit(objective_of(), x0=found.starts[2].x0, tolerance=1e-13)
    np.testing.assert_array_equal(alone.history, found.starts[2].history)
    assert found.successes == (True,) * 3 and found.evaluations < 3 * 16


@pytest.mark.parametrize("error", [na.ConvergenceError, na.InputError])
@pytest.mark.parametrize("method", ["L-BFGS-B", "trf"])
def test_a_start_that_fails_is_kept_in_the_table_and_the_others_go_on(error: type[Exception], method: str) -> None:
    objective = objective_of(FailsBeyond(0.3, error))
    found = multi_start(objective, 6, seed=1, method=method, max_evaluations=20)
    outside = [s for s in found.starts if 0.5 * s.x0[0] > 0.3]
    assert outside and all(
        s.best_value == np.inf and s.evaluations == 0 and s.best_x is s.x0 and "singular" in s.message for s in outside
    )
    stepped = [s for s in found.starts if s not in outside and "singular" in s.message]
    assert stepped and all(s.best_value == min(s.history) and not s.is_converged for s in stepped)
    assert np.isfinite(found.best.best_value) and "inf" in found.table()


def test_no_start_with_a_value_is_an_error() -> None:
    objective = objective_of(FailsBeyond(0.3, na.ConvergenceError))
    beyond = na.Parameter("onsite", [0.29, 0.1, 0.1], bounds=([0.29, -1, -1], [90, 1, 1]))
    shifted = na.Objective(objective.model, beyond, objective.terms)
    with pytest.raises(na.ConvergenceError, match=r"none of the 3 starts; the first says: a lead is singular"):
        multi_start(shifted, 3, with_x0=False)


@pytest.mark.parametrize("method", ["L-BFGS-B", "trf", "Nelder-Mead"])
def test_an_objective_without_a_value_at_its_own_start_is_started_elsewhere(method: str) -> None:
    objective = objective_of(FailsBeyond(0.1, na.InputError))  # its x0 has 0.2
    first = multi_start(objective, 4, seed=1, method=method, max_evaluations=5)
    assert first.starts[0].best_value == np.inf and "singular" in first.starts[0].message
    without = multi_start(objective, 4, seed=1, method=method, max_evaluations=5, with_x0=False)
    assert np.isfinite(first.best.best_value) and np.isfinite(without.best.best_value)


@pytest.mark.parametrize("method", ["L-BFGS-B", "trf", "Nelder-Mead"])
@pytest.mark.parametrize("with_x0", [True, False])
def test_a_model_that_gives_no_numbers_has_a_value_at_no_start(method: str, with_x0: bool) -> None:
    bare = DEVICE.hamiltonian.to_dense()
    site = np.diag(np.arange(12) == 3).astype(float)
    model = na.FunctionModel(lambda p: bare * np.nan, lambda p: {"u": site}, device=DEVICE)
    parameter = na.Parameter("u", 0.1, bounds=(-1, 1))
    objective = na.Objective(model, parameter, na.Match(TRANSMISSION, TARGET))
    with pytest.raises(na.ConvergenceError, match=r"at none of the 3 starts; the first says: .*not finite at u ="):
        multi_start(objective, 3, method=method, with_x0=with_x0)


def test_a_target_of_another_length_ends_all_starts() -> None:
    objective = na.Objective(MODEL, objective_of().parameters, na.Match(TRANSMISSION, TARGET[:-1]))
    with pytest.raises(na.ShapeError, match="the target of transmission"):
        multi_start(objective, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda x: 0.0, 3), "objective is a function"),
        ((objective_of(bounds=(-1.5, np.inf)), 3), r"variable 'onsite\[0\]' has the bounds \(-3, inf\)"),
        ((objective_of(), 0), "n_starts=0 must be a positive integer"),
        ((objective_of(), 2.0), "n_starts=2.0 must be"),
    ],
)
def test_what_cannot_be_started_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        multi_start(*arguments)


def test_errors_of_the_set_up_end_all_starts() -> None:
    with pytest.raises(na.InputError, match="BFGS has no bounds"):
        multi_start(objective_of(), 2, method="BFGS")
    with pytest.raises(na.InputError, match="no term depends on idle"):
        model = na.FunctionModel(lambda p: DEVICE, twin=lambda p: (DEVICE, lambda bar: {"idle": None}))
        parameters = na.Parameter("idle", 0.0, bounds=(-1, 1))
        multi_start(na.Objective(model, parameters, na.Match(TRANSMISSION, TARGET)), 2)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
def test_a_seed_that_is_no_natural_number_is_refused(seed: Any) -> None:
    with pytest.raises(na.InputError, match=f"seed={seed!r} must be an integer, zero or positive"):
        multi_start(objective_of(), 2, seed=seed)
