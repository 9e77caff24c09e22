"""What a search says after every iteration, and how its listener ends it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import chain_device

import negfadj as na
from negfadj.objectives import Iteration
from negfadj.objectives.least_squares import METHODS as OF_SQUARES
from negfadj.objectives.minimise import METHODS

DEVICE = chain_device(10)
SITES = np.array([2, 5, 7])
MODEL = na.HamiltonianEntries(DEVICE, onsite=SITES)
TRUE = MODEL.values["onsite"] + np.array([0.15, -0.1, 0.2])
TRANSMISSION = na.Quantity(na.transmission, np.linspace(-1.5, 1.5, 12))


def objective_of(bounds: tuple[float, float] = (-np.inf, np.inf)) -> na.Objective:
    parameter = na.Parameter("onsite", MODEL.values["onsite"], bounds=bounds, scale=0.5)
    return na.Objective(MODEL, parameter, na.Match(TRANSMISSION, TRANSMISSION(MODEL({"onsite": TRUE}))))


def search(method: str, objective: na.Objective, callback: Any, **options: Any) -> na.Optimum:
    if method == "dogleg":  # the Hessian must be positive from the start
        options["x0"] = (TRUE + 0.05) / 0.5
    if method in OF_SQUARES:
        return na.fit(objective, method=method, tolerance=1e-14, callback=callback, **options)  # type: ignore[arg-type]
    return na.minimize(objective, method=method, tolerance=1e-8, callback=callback, **options)


@pytest.mark.parametrize("method", [*METHODS, *OF_SQUARES])
def test_the_callback_gets_every_iteration_with_its_value(method: str) -> None:
    seen: list[Iteration] = []
    objective = objective_of()
    found = search(method, objective, seen.append, max_evaluations=140)
    assert [i.number for i in seen] == list(range(1, len(seen) + 1)) and len(seen) > 1
    counts = [i.evaluations for i in seen]
    assert counts == sorted(counts) and 2 <= counts[0] <= counts[-1] <= found.evaluations
    assert all(i.value == pytest.approx(objective.value(i.x), rel=1e-9, abs=1e-20) for i in seen)
    assert seen[-1].value < seen[0].value and seen[0].start == 0
    assert found.best_value == min(found.history) <= min(i.value for i in seen)


@pytest.mark.parametrize("method", ["L-BFGS-B", "BFGS", "CG", "Newton-CG", "SLSQP", "trf", "dogbox", "lm"])
def test_the_last_iteration_is_where_the_method_ended(method: str) -> None:
    seen: list[Iteration] = []
    found = search(method, objective_of(), seen.append)
    assert np.array_equal(seen[-1].x, found.x) and seen[-1].value == pytest.approx(found.value, abs=1e-25)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_an_iteration_of_least_squares_is_a_step_taken(method: str) -> None:
    seen: list[Iteration] = []
    parameters = objective_of().parameters
    out_of_reach = na.Match(TRANSMISSION, TRANSMISSION(DEVICE) + 0.3 * np.sin(np.arange(12)))
    found = search(method, na.Objective(MODEL, parameters, out_of_reach), seen.append)
    values = np.array([i.value for i in seen])
    assert np.all(np.diff([found.history[0], *values]) < 0) and values[-1] == found.best_value > 1e-3
    # the start has a Jacobian, and "lm" asks for that of the end once more
    assert len(seen) + 1 <= found.gradients <= len(seen) + 2 and np.array_equal(seen[-1].x, found.x)


@pytest.mark.parametrize("method", [*METHODS, *OF_SQUARES])
def test_stop_iteration_ends_the_search_with_the_best_point(method: str) -> None:
    objective = objective_of()
    evaluations = []

    def at_the_second(iteration: Iteration) -> None:
        evaluations.append(iteration.evaluations)
        if iteration.number == 2:
            raise StopIteration

    found = search(method, objective, at_the_second)
    assert len(evaluations) == 2 and found.evaluations == evaluations[-1]
    assert not found.success
    assert found.message == "stopped by the callback after iteration 2; the best point met is returned."
    assert np.array_equal(found.x, found.best_x) and found.value == found.best_value == min(found.history)
    assert found.best_value == pytest.approx(objective.value(found.best_x), rel=1e-12)


@pytest.mark.parametrize("method", [*METHODS, *OF_SQUARES])
def test_another_error_of_the_callback_keeps_its_type_with_a_note(method: str) -> None:
    objective = objective_of()

    def fails(iteration: Iteration) -> None:
        if iteration.number == 2:
            raise ZeroDivisionError("of the listener")

    with pytest.raises(ZeroDivisionError, match="of the listener") as e:
        search(method, objective, fails)
    (note,) = e.value.__notes__
    assert objective.best is not None
    assert note.startswith("in the callback after iteration 2 of the optimisation; the best value so far is ")
    assert f"{objective.best.value:.8g} at onsite = [" in note


@pytest.mark.parametrize("run", [na.minimize, na.fit])
def test_a_callback_that_writes_to_its_point_changes_nothing(run: Any) -> None:
    def writes(iteration: Iteration) -> None:
        iteration.x[:] = 7.0

    watched, alone = run(objective_of(), callback=writes), run(objective_of())
    assert np.array_equal(watched.history, alone.history) and np.array_equal(watched.x, alone.x)


def test_bounds_and_constraints_of_trust_constr_leave_the_point_whole() -> None:
    seen: list[Iteration] = []
    objective = objective_of((-1.0, 1.0))
    na.minimize(objective, method="trust-constr", callback=seen.append, options={"maxiter": 8})
    assert len(seen) == 7  # SciPy counts the start as the first iteration
    assert all(i.x.shape == (3,) and i.value == pytest.approx(objective.value(i.x), rel=1e-12) for i in seen)


@pytest.mark.parametrize("method", ["L-BFGS-B", "trf"])
def test_many_starts_say_which_of_them_runs(method: str) -> None:
    seen: list[Iteration] = []

    def second_of_start_one(iteration: Iteration) -> None:
        seen.append(iteration)
        if iteration.number == 2 and iteration.start == 1:
            raise StopIteration

    found = na.multi_start(objective_of((-1.0, 1.0)), 3, method=method, callback=second_of_start_one)
    assert [i.start for i in seen] == sorted(i.start for i in seen) and {i.start for i in seen} == {0, 1, 2}
    assert [i.number for i in seen if i.start == 1] == [1, 2]
    assert "stopped by the callback after iteration 2" in found.starts[1].message
    assert found.starts[0].is_converged and found.starts[2].is_converged


@pytest.mark.parametrize("run", [na.minimize, na.fit, lambda o, callback: na.multi_start(o, 1, callback=callback)])
def test_a_callback_that_is_no_function_is_refused(run: Any) -> None:
    with pytest.raises(na.InputTypeError, match="callback=3 must be a function of one argument"):
        run(objective_of((-1.0, 1.0)), callback=3)
