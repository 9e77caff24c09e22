"""Every method of SciPy on one small device, least squares, and what happens when a step fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import chain_device

import negfadj as na

ENERGIES = np.linspace(-1.5, 1.5, 12)
DEVICE = chain_device(10)
TRANSMISSION = na.Quantity(na.transmission, ENERGIES)
SITES = np.array([2, 5, 7])


def objective_of(bounds: tuple[float, float] = (-np.inf, np.inf)) -> tuple[na.Objective, np.ndarray]:
    """Three on-site energies to recover from the T(E) they give, and those energies."""
    model = na.HamiltonianEntries(DEVICE, onsite=SITES)
    true = model.values["onsite"] + np.array([0.15, -0.1, 0.2])
    target = na.transmission(model({"onsite": true}), ENERGIES)
    parameter = na.Parameter("onsite", model.values["onsite"], bounds=bounds, scale=0.5)
    return na.Objective(model, parameter, na.Match(TRANSMISSION, target)), true


@pytest.mark.parametrize("method", ["L-BFGS-B", "TNC", "SLSQP", "trust-constr"])
def test_a_method_with_bounds_keeps_them_and_finds_the_target(method: str) -> None:
    objective, true = objective_of((-1.0, 1.0))
    options = {"maxiter": 300} if method != "TNC" else {"maxfun": 300}
    tolerance = 1e-11 if method != "trust-constr" else 1e-9
    found = na.minimize(objective, method=method, tolerance=tolerance, options=options)
    assert found.best_value == min(found.history) <= 1e-7 < found.history[0]
    assert np.max(np.abs(found.parameters["onsite"] - true)) < 5e-3
    assert np.all((found.best_x >= objective.bounds[0]) & (found.best_x <= objective.bounds[1]))


@pytest.mark.parametrize("method", ["BFGS", "CG", "Newton-CG", "trust-ncg", "trust-krylov", "trust-exact"])
def test_a_method_without_bounds_finds_the_target(method: str) -> None:
    objective, true = objective_of()
    found = na.minimize(objective, method=method, tolerance=1e-8)
    assert found.best_value < 1e-12
    assert np.max(np.abs(found.parameters["onsite"] - true)) < 1e-4


def test_dogleg_converges_near_the_minimum() -> None:
    objective, true = objective_of()  # its Hessian must be positive, as it is there
    found = na.minimize(objective, x0=(true + 0.01) / 0.5, method="dogleg", tolerance=1e-10)
    assert found.success and np.max(np.abs(found.parameters["onsite"] - true)) < 1e-6


def test_a_method_without_gradients_has_none_calculated() -> None:
    objective, _ = objective_of()
    found = na.minimize(objective, method="Nelder-Mead", max_evaluations=40)
    assert found.gradients == 0 and found.best_value < found.history[0]


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_least_squares_recovers_the_numbers(method: Any) -> None:
    objective, true = objective_of((-1.0, 1.0) if method != "lm" else (-np.inf, np.inf))
    found = na.fit(objective, method=method, tolerance=1e-13)
    assert found.success and found.evaluations < 15
    assert np.max(np.abs(found.parameters["onsite"] - true)) < 1e-9
    assert found.value == pytest.approx(objective.value(found.x), abs=1e-30)


def test_bounds_that_exclude_the_target_are_kept() -> None:
    start = na.HamiltonianEntries(DEVICE, onsite=SITES).values["onsite"]
    most = float(start.max()) + 0.02
    objective, true = objective_of((-1.0, most))
    assert np.any(true > most)
    for found in (na.fit(objective), na.minimize(objective)):
        assert np.max(found.parameters["onsite"]) <= most * (1 + 1e-15)
        assert 1e-6 < found.best_value < found.history[0]


def test_the_search_ends_after_the_evaluations_allowed() -> None:
    objective, _ = objective_of()
    for found in (na.minimize(objective, max_evaluations=3), na.fit(objective, max_evaluations=3)):
        assert found.evaluations == 3 and not found.success and "stopped after 3 evaluations" in found.message
        assert found.best_value == min(found.history)
        assert objective.value(found.best_x) == pytest.approx(found.best_value, rel=1e-12)


class FailsBeyond:
    """A model whose quantity does not converge once an on-site energy passes a limit."""

    names = ("onsite",)

    def __init__(self, limit: float) -> None:
        self.inner, self.limit = na.HamiltonianEntries(DEVICE, onsite=SITES), limit

    def __call__(self, values: Any) -> Any:
        if np.max(values["onsite"] - self.inner.values["onsite"]) > self.limit:
            raise na.ConvergenceError("a lead is singular.")
        return self.inner(values)

    def vjp(self, values: Any) -> Any:
        return self(values), self.inner.vjp(values)[1]


@pytest.mark.parametrize("run", [na.minimize, na.fit])
def test_a_step_that_fails_keeps_the_best_point(run: Any) -> None:
    plain, _ = objective_of()
    objective = na.Objective(FailsBeyond(0.05), plain.parameters, plain.terms)
    message = r"failed at onsite = \[.*a lead is singular.*best value so far"
    with pytest.raises(na.OptimisationError, match=message) as e:
        run(objective)
    assert e.value.best_value == min(e.value.history)
    assert objective.value(e.value.best_x) == pytest.approx(e.value.best_value, rel=1e-12)


def test_a_start_that_fails_raises_its_own_error() -> None:
    plain, _ = objective_of()
    objective = na.Objective(FailsBeyond(-0.05), plain.parameters, plain.terms)
    with pytest.raises(na.ConvergenceError, match="a lead is singular") as e:
        na.minimize(objective)
    assert not isinstance(e.value, na.OptimisationError)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: na.minimize(objective_of()[0], method="steepest"), "method='steepest' is not known"),
        (lambda: na.minimize(objective_of((-1, 1))[0], method="BFGS"), "BFGS has no bounds but parameters do"),
        (lambda: na.fit(objective_of((-1, 1))[0], method="lm"), '"lm" has no bounds'),
        (lambda: na.fit(objective_of()[0], method="gn"), "method='gn' is not known"),
        (lambda: na.minimize(objective_of((-1, 1))[0], x0=[0, 3, 0]), r"x0\[1\] = 3, .*'onsite\[1\]', is outside"),
        (lambda: na.minimize(objective_of()[0], max_evaluations=0), "max_evaluations=0"),
        (lambda: na.minimize(objective_of()[0], options={"speed": 3}), "Unknown solver options: speed"),
        (lambda: na.minimize(lambda x: 0.0), "objective is a function"),
        (lambda: na.fit(lambda x: 0.0), "objective is a function"),
    ],
)
def test_what_cannot_be_run_is_refused(run: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        run()  # type: ignore[operator]


def test_lm_with_too_few_residuals_is_refused() -> None:
    model = na.HamiltonianEntries(DEVICE, onsite=SITES)
    few = na.Match(na.Quantity(na.transmission, [0.1, 0.3]), 0.5)
    objective = na.Objective(model, na.Parameter("onsite", model.values["onsite"]), few)
    with pytest.raises(na.InputError, match="there are 2 for 3"):
        na.fit(objective, method="lm")


@pytest.mark.parametrize("options", [{"foo": 1}, {"jac": "3-point"}, {"bounds": (0, 1)}, 3])
def test_options_that_fit_cannot_hand_on_are_refused(options: Any) -> None:
    with pytest.raises(na.InputError, match="options=") as caught:
        na.fit(objective_of()[0], options=options)
    assert repr(options) in str(caught.value)
    assert not isinstance(options, dict) or "known are ftol, xtol, gtol" in str(caught.value)


@pytest.mark.parametrize("run", [na.minimize, na.fit])
@pytest.mark.parametrize("held", [[1], [0, 2]])
def test_a_variable_whose_bounds_are_equal_stays_and_the_others_are_found(run: Any, held: list[int]) -> None:
    plain, true = objective_of()
    lower, upper = np.full(3, -1.0), np.full(3, 1.0)
    lower[held] = upper[held] = true[held]
    start = np.where(lower == upper, true, 0.0)
    terms = plain.terms
    bounded = na.Parameter("onsite", start, bounds=(lower, upper), scale=0.5)
    met: list[Any] = []
    found = run(na.Objective(plain.model, bounded, terms), tolerance=1e-13, callback=met.append)
    fixed = na.Parameter("onsite", start, fixed=lower == upper, bounds=(-1, 1), scale=0.5)
    expected = run(na.Objective(plain.model, fixed, terms), tolerance=1e-13)
    assert np.array_equal(found.parameters["onsite"][held], true[held])
    np.testing.assert_allclose(found.parameters["onsite"], true, atol=1e-4)
    np.testing.assert_allclose(found.history[:3], expected.history[:3], rtol=1e-9)
    assert found.x.shape == (3,) and met and all(np.array_equal(0.5 * i.x[held], true[held]) for i in met)


@pytest.mark.parametrize("method", ["trf", "dogbox"])
def test_fit_takes_an_x_scale_for_every_variable_where_one_is_held(method: Any) -> None:
    plain, true = objective_of()
    parameter = na.Parameter("onsite", [0.0, true[1], 0.0], bounds=([-1, true[1], -1], [1, true[1], 1]))
    scale = np.array([1.0, 5.0, 3.0])
    objective = na.Objective(plain.model, parameter, plain.terms)
    found = na.fit(objective, method=method, options={"x_scale": scale}, tolerance=1e-13)
    np.testing.assert_allclose(found.parameters["onsite"], true, atol=1e-9)
    assert np.array_equal(scale, [1.0, 5.0, 3.0])


def test_fit_with_every_variable_held_gives_the_start_back() -> None:
    plain, true = objective_of()
    parameter = na.Parameter("onsite", true - 0.1, bounds=(true - 0.1, true - 0.1))
    found = na.fit(na.Objective(plain.model, parameter, plain.terms))
    assert found.success and found.evaluations == 1 and "held by bounds" in found.message
    assert found.best_value == found.value > 0 and np.array_equal(found.parameters["onsite"], true - 0.1)


def test_a_scale_far_too_small_ends_a_fit_at_once_and_the_way_out_is_the_one_of_the_docstring() -> None:
    plain, true = objective_of()
    objective = na.Objective(plain.model, na.Parameter("onsite", true + 0.05, scale=1e-7), plain.terms)
    found = na.fit(objective)
    assert found.evaluations == 1 and found.best_value > 1e-4 and "`gtol`" in found.message
    found = na.fit(objective, options={"gtol": None})
    np.testing.assert_allclose(found.parameters["onsite"], true, atol=1e-9)


@pytest.mark.parametrize("run", [na.minimize, na.fit])
@pytest.mark.parametrize("tolerance", [-1, 0.0, float("nan"), float("inf"), "small", True, [1e-8], 1j])
def test_a_tolerance_that_is_no_positive_number_is_refused(run: Any, tolerance: Any) -> None:
    with pytest.raises(na.InputError, match="tolerance=") as caught:
        run(objective_of()[0], tolerance=tolerance)
    assert repr(tolerance) in str(caught.value)
    assert isinstance(caught.value, TypeError) == isinstance(tolerance, str | bool | complex)


@pytest.mark.parametrize("tolerance", [None, 1e-17])
def test_a_tolerance_of_fit_below_rounding_is_refused(tolerance: Any) -> None:
    with pytest.raises(na.InputError, match=f"tolerance={tolerance} is below the rounding"):
        na.fit(objective_of()[0], tolerance=tolerance)


def test_the_value_is_the_objectives_where_scipy_reports_another() -> None:
    objective, _ = objective_of()
    found = na.minimize(objective, options={"ftol": -1.0})  # L-BFGS-B refuses it and reports the value 0
    assert not found.success
    assert found.value == objective.value(found.x) == found.best_value > 0


def test_the_value_where_the_method_ended_is_that_of_its_x() -> None:
    objective, _ = objective_of()
    loose = na.fit(objective, options={"loss": "soft_l1", "f_scale": 0.01}, max_evaluations=30)
    for found in (loose, na.minimize(objective, method="trust-constr", options={"maxiter": 4})):
        assert found.value == pytest.approx(objective.value(found.x), rel=1e-12)


class RaisesBeyond(FailsBeyond):
    """The same, failing with an error that is not negfadj's."""

    error: type[Exception] = ZeroDivisionError

    def __call__(self, values: Any) -> Any:
        try:
            return super().__call__(values)
        except na.ConvergenceError:
            raise self.error("of the user") from None


@pytest.mark.parametrize("run", [na.minimize, na.fit])
@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, np.linalg.LinAlgError, RuntimeError])
def test_an_error_of_the_users_function_keeps_its_type_with_a_note(run: Any, error: type[Exception]) -> None:
    plain, _ = objective_of()
    model = RaisesBeyond(0.05)
    model.error = error
    objective = na.Objective(model, plain.parameters, plain.terms)
    with pytest.raises(error, match="of the user") as e:
        run(objective)
    (note,) = e.value.__notes__
    assert type(e.value) is error
    assert objective.best is not None and f"best value so far is {objective.best.value:.8g} at onsite = [" in note
    assert "of the optimisation, at onsite = [" in note


@pytest.mark.parametrize("run", [na.minimize, na.fit, lambda o: na.multi_start(o, 1)])
def test_an_error_of_the_users_function_at_the_start_has_a_note(run: Any) -> None:
    plain, _ = objective_of((-1, 1))
    objective = na.Objective(RaisesBeyond(-0.05), plain.parameters, plain.terms)
    with pytest.raises(ZeroDivisionError) as e:
        run(objective)
    (note,) = e.value.__notes__
    assert "at onsite = [" in note and "there is no value yet" in note


def test_the_error_of_a_step_has_the_energies_of_its_cause() -> None:
    class FailsAtEnergies(FailsBeyond):
        def __call__(self, values: Any) -> Any:
            try:
                return super().__call__(values)
            except na.ConvergenceError:
                raise na.ConvergenceError("singular.", energies=[0.25], residual=0.5) from None

    plain, _ = objective_of()
    objective = na.Objective(FailsAtEnergies(0.05), plain.parameters, plain.terms)
    with pytest.raises(na.OptimisationError) as e:
        na.minimize(objective)
    assert e.value.energies == [0.25] and e.value.residual == 0.5


def test_evaluations_count_what_scipy_asks_for() -> None:
    objective, _ = objective_of()
    found = na.fit(objective, check=False)
    # residuals are history, Jacobians are counted by the objective too
    assert objective.evaluations == found.evaluations + found.gradients and found.gradients > 1
    objective, _ = objective_of()
    found = na.minimize(objective, method="Newton-CG", check=False)
    assert objective.evaluations > found.evaluations == len(found.history)  # products are in the first only
