"""An objective: gradients, Jacobian and Hessian products against differences, work shared, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import chain_device, differences
from scipy import optimize

import negfadj as na

ENERGIES = np.linspace(-1.4, 1.5, 7)
DEVICE = chain_device(8)
TRANSMISSION = na.Quantity(na.transmission, ENERGIES)
DENSITY = na.Quantity(na.density_of_states, ENERGIES, eta=1e-2)
LOCAL = na.Quantity(na.local_density_of_states, ENERGIES, eta=1e-2)


def parameters_of(model: na.HamiltonianEntries) -> list[na.Parameter]:
    """With a tie, a mask, bounds and scales."""
    values = model.values
    onsite = values["onsite"].copy()
    onsite[4] = onsite[1]
    tie = np.where(np.isin(np.arange(8), (1, 4)), 0, -1)
    found = [na.Parameter("onsite", onsite, tie=tie, fixed=np.arange(8) == 6, scale=0.4, bounds=(-1, 1))]
    return [*found, na.Parameter("hopping", values["hopping"], scale=np.linspace(0.5, 2, 7))]


def objective_of(terms: Any, **options: Any) -> na.Objective:
    model = na.HamiltonianEntries(DEVICE, hopping="all")
    return na.Objective(model, parameters_of(model), terms, **options)


def counted(quantity: na.Quantity, calls: list[str]) -> na.Quantity:
    """The same quantity, noting every call of its function or twin."""

    def function(subject: Any, *arguments: Any, **options: Any) -> Any:
        calls.append("value")
        return quantity.function(subject, *arguments, **options)

    def twin(subject: Any, *arguments: Any, **options: Any) -> Any:
        calls.append("vjp")
        return quantity.twin(subject, *arguments, **options)

    return na.Quantity(function, *quantity.arguments, twin=twin, **quantity.options)


@pytest.mark.parametrize(
    "terms",
    [
        na.Match(TRANSMISSION, np.linspace(0, 1, 7)),
        [na.Maximise(DENSITY), na.LogRatio(TRANSMISSION, DENSITY)],
        na.Match(LOCAL, 0.1, norm="absolute", smoothing=0.1),
        na.Minimise(na.Quantity(na.current, 0.3, temperature=300.0)),
        na.Minimise(na.Quantity(na.charge, chemical_potentials=(0.1, -0.1), temperature=300.0)),
    ],
    ids=["match", "ratio", "local", "current", "charge"],
)
def test_gradient_is_that_of_differences(terms: Any) -> None:
    if isinstance(terms, na.Minimise) and terms.quantity.function is na.charge:
        twin = na.charge_vjp

        def populations(device: na.Device, **options: Any) -> Any:
            return na.charge(device, **options).populations

        def populations_vjp(device: na.Device, **options: Any) -> Any:
            value, pullback = twin(device, **options)
            return value.populations, pullback

        terms = na.Minimise(na.Quantity(populations, twin=populations_vjp, **terms.quantity.options))
    objective = objective_of(terms)
    value, gradient = objective.value_and_gradient(objective.x0)
    assert type(value) is float and gradient.dtype == np.float64
    expected = differences(objective.value, objective.x0)
    assert np.max(np.abs(gradient - expected)) < 2e-8 * np.max(np.abs(expected))


def test_value_and_gradient_is_what_scipy_takes() -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.5))
    found = optimize.minimize(
        objective.value_and_gradient,
        objective.x0,
        jac=True,
        method="L-BFGS-B",
        bounds=optimize.Bounds(*objective.bounds),
        options={"maxiter": 15},
    )
    assert found.fun < 0.2 * objective.value(objective.x0)


@pytest.mark.parametrize("quantity", [TRANSMISSION, DENSITY, LOCAL], ids=["transmission", "density", "local"])
def test_jacobian_is_that_of_differences(quantity: na.Quantity) -> None:
    objective = objective_of([na.Match(quantity, 0.2, weight=2.0), na.Match(quantity, 0.1)])
    jacobian = objective.jacobian(objective.x0)
    expected = differences(objective.residuals, objective.x0)
    assert jacobian.shape == expected.shape
    assert np.max(np.abs(jacobian - expected)) < 1e-8 * np.max(np.abs(expected))
    r = objective.residuals(objective.x0)
    assert np.allclose(2 * jacobian.T @ r, objective.gradient(objective.x0), rtol=1e-10, atol=1e-12)
    assert r @ r == pytest.approx(objective.value(objective.x0), rel=1e-14)


def test_jacobian_by_tangents_is_that_by_rows() -> None:
    model = na.HamiltonianEntries(DEVICE, lead_copies=())
    parameters = na.Parameter("onsite", model.values["onsite"], fixed=np.arange(8) > 2)
    by_rows = na.Objective(model, parameters, na.Match(TRANSMISSION, 0.3))

    class Whole:
        """The same model without a pattern: seven residuals, three variables, so that tangents are fewer."""

        names, tangent, is_linear = model.names, staticmethod(model.tangent), True

        def __call__(self, values: Any) -> Any:
            return model(values)

        def vjp(self, values: Any) -> Any:
            def pullback(bar: Any) -> Any:
                raise AssertionError("tangents need no pullback")

            return model(values), pullback

    by_tangents = na.Objective(Whole(), parameters, na.Match(TRANSMISSION, 0.3))
    x = by_rows.x0
    assert np.max(np.abs(by_rows.jacobian(x) - by_tangents.jacobian(x))) < 1e-12


def test_hessian_vector_product_is_the_difference_of_gradients() -> None:
    later = na.Quantity(na.transmission, ENERGIES + 0.07)
    terms = [na.Match(TRANSMISSION, 0.4), na.LogRatio(TRANSMISSION, later), na.Maximise(later, weight=0.3)]
    objective = objective_of(terms)
    rng = np.random.default_rng(0)
    v, w = rng.normal(size=(2, len(objective.x0)))
    product = objective.hessian_vector_product(objective.x0, v)
    expected = differences(objective.gradient, objective.x0) @ v
    assert np.max(np.abs(product - expected)) < 1e-8 * np.max(np.abs(expected))
    other = objective.hessian_vector_product(objective.x0, w)
    assert abs(w @ product - v @ other) < 1e-12 * np.linalg.norm(product) * np.linalg.norm(w)
    taken = objective_of(terms, hessian_method="differences").hessian_vector_product(objective.x0, v)
    assert np.max(np.abs(product - taken)) < 1e-8 * np.max(np.abs(expected))


def test_hessian_is_made_of_its_products() -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.4))
    hessian = objective.hessian(objective.x0)
    v = np.random.default_rng(1).normal(size=len(objective.x0))
    assert np.allclose(hessian @ v, objective.hessian_vector_product(objective.x0, v), rtol=1e-10)


def test_a_quantity_without_second_derivatives_is_named() -> None:
    objective = objective_of(na.Minimise(DENSITY))
    with pytest.raises(na.InputError, match=r"density_of_states has no exact second derivatives"):
        objective.hessian_vector_product(objective.x0, np.ones_like(objective.x0))


def test_a_quantity_of_several_terms_is_calculated_once() -> None:
    calls: list[str] = []
    quantity = counted(TRANSMISSION, calls)
    objective = objective_of([na.Match(quantity, 0.5), na.Maximise(quantity), na.LogRatio(quantity, quantity)])
    objective.value_and_gradient(objective.x0)
    objective.value(objective.x0)
    objective.gradient(objective.x0)
    assert calls == ["vjp"] and objective.evaluations == 1


def test_the_jacobian_takes_values_known_from_the_residuals(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.5))
    expected = objective.jacobian(objective.x0)
    calls = []
    call = na.Quantity.__call__
    monkeypatch.setattr(na.Quantity, "__call__", lambda q, made: calls.append(1) or call(q, made))
    objective.residuals(objective.x0)
    assert np.array_equal(objective.jacobian(objective.x0), expected) and len(calls) == 1
    objective.residuals(objective.x0 + 0.1)
    assert np.array_equal(objective.jacobian(objective.x0), expected) and len(calls) == 3


def test_a_gradient_given_back_is_the_callers_own() -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.5))
    first = objective.gradient(objective.x0)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(objective.gradient(objective.x0), kept)


def test_start_bounds_and_best_given_back_are_the_callers_own() -> None:
    objective, fresh = (objective_of(na.Match(TRANSMISSION, 0.5)) for _ in range(2))
    objective.value(objective.x0)
    x = objective.x0
    x -= 5.0
    for bound in objective.bounds:
        bound[:] = 0.0
    assert objective.best is not None
    objective.best.x[:] = 7.0
    assert np.array_equal(objective.x0, fresh.x0) and np.array_equal(objective.best.x, fresh.x0)
    assert all(np.array_equal(a, b) for a, b in zip(objective.bounds, fresh.bounds, strict=True))
    assert np.array_equal(objective.parameters.x0, fresh.x0)


def test_a_quantity_keeps_what_it_was_built_with() -> None:
    def total(device: na.Device, energies: Any, *, weights: Any, grids: Any) -> Any:
        return float(energies[0] + weights[0] + grids["a"][0][0])

    energies, weights, grid = np.array([1.0]), np.array([10.0]), np.array([100.0])
    quantity = na.Quantity(total, energies, twin=total, weights=weights, grids={"a": [grid]})
    for array in (energies, weights, grid):
        array[:] = 0.0
    assert quantity(DEVICE) == 111.0


def test_leads_are_solved_once_where_they_do_not_move() -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.5))
    x = objective.x0
    for k in range(4):
        objective.value_and_gradient(x + 0.01 * k)
    assert objective.cache.misses == len(ENERGIES)  # the two leads are equal
    assert objective.cache.hits == 3 * len(ENERGIES)
    uncached = objective_of(na.Match(TRANSMISSION, 0.5), cache=False)
    assert np.array_equal(uncached.gradient(x), objective.gradient(x))


def test_best_is_the_smallest_value_met() -> None:
    objective = objective_of(na.Match(TRANSMISSION, 0.5))
    assert objective.best is None
    points = [objective.x0 + 0.05 * k for k in (0, 1, -1, 2)]
    values = [objective.value(x) for x in points]
    assert objective.best.value == min(values)
    assert np.array_equal(objective.best.x, points[int(np.argmin(values))])
    assert objective.evaluations == 4


def test_a_variable_nothing_depends_on_is_named() -> None:
    class OnlyOnsite:
        """Forgets the hopping it is given."""

        names = ("onsite", "hopping")

        def __call__(self, values: Any) -> Any:
            return na.HamiltonianEntries(DEVICE)({"onsite": values["onsite"]})

        def vjp(self, values: Any) -> Any:
            device, pullback = na.HamiltonianEntries(DEVICE).vjp({"onsite": values["onsite"]})
            return device, lambda bar: {**pullback(bar), "hopping": None}

    model = na.HamiltonianEntries(DEVICE, hopping="all")
    objective = na.Objective(OnlyOnsite(), parameters_of(model), na.Match(LOCAL, 0.1))
    with pytest.raises(na.InputError, match=r"no term depends on hopping\[0\], .*and 2 more: fix them"):
        objective.check()
    with pytest.raises(na.InputError, match="no term depends on hopping"):
        na.minimize(objective)


def test_a_derivative_that_symmetry_makes_zero_is_no_idle_variable() -> None:
    # at E = 0 T of a chain with one impurity U is 4 / (4 + U²): dT/dU = 0 at U = 0
    device = chain_device(3, disorder=0.0)
    model = na.HamiltonianEntries(device, onsite=[1])
    objective = na.Objective(model, na.Parameter("onsite", [0.0]), na.Minimise(na.Quantity(na.transmission, 0.0)))
    assert objective.gradient(objective.x0)[0] == pytest.approx(0, abs=1e-12)
    objective.check()


def test_a_zero_derivative_is_no_idle_variable_where_there_is_no_value_near_by() -> None:
    inner = na.HamiltonianEntries(chain_device(3, disorder=0.0), onsite=[1])

    class OnlyAtZero:
        """Has a value at 0 alone, where dT/dU = 0 by symmetry."""

        names = ("onsite",)

        def __call__(self, values: Any) -> Any:
            if values["onsite"][0] != 0:
                raise na.InputError("no value here.")
            return inner(values)

        def vjp(self, values: Any) -> Any:
            return self(values), inner.vjp(values)[1]

    goal = na.Minimise(na.Quantity(na.transmission, 0.0))
    objective = na.Objective(OnlyAtZero(), na.Parameter("onsite", [0.0]), goal)
    assert objective.gradient(objective.x0)[0] == 0
    objective.check()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: objective_of(na.Match(TRANSMISSION, np.ones(5))).value(np.ones(13)), r"transmission has shape \(5,\)"),
        (lambda: objective_of([]), "at least one term"),
        (lambda: objective_of([3.0]), "terms hold a float"),
        (lambda: objective_of(3.0), "terms hold a float"),
        (lambda: objective_of(TRANSMISSION), r"transmission is no term; wrap it in na\.Match.*na\.Minimise"),
        (lambda: objective_of([TRANSMISSION]), r"transmission is no term; wrap it in na\.Match.*na\.Minimise"),
        (lambda: na.Objective(DEVICE, na.Parameter("a", 1.0), na.Minimise(TRANSMISSION)), "model is a Device"),
        (lambda: objective_of(na.Minimise(TRANSMISSION), cache=3), "cache is a int"),
        (lambda: objective_of(na.Minimise(TRANSMISSION), hessian_method="exactly"), "hessian_method='exactly'"),
        (lambda: objective_of(na.Minimise(TRANSMISSION)).value(np.ones(3)), r"x has shape \(3,\)"),
        (lambda: objective_of(na.Minimise(TRANSMISSION)).residuals(np.ones(13)), "a Minimise term has no residuals"),
        (lambda: na.Quantity(lambda device: 0.0), "has no <lambda>_vjp"),
        (lambda: na.Quantity(3.0), "must be callable"),
        (
            lambda: objective_of(na.Minimise(na.Quantity(na.transmission, ENERGIES, of="device"))).value(np.ones(13)),
            "of='device' is not among the subjects",
        ),
    ],
)
def test_what_makes_no_objective_is_refused(make: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        make()  # type: ignore[operator]
