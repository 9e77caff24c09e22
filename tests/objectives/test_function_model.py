"""A user's own function as a model: derivatives of H, a twin, and NaN."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from objective_cases import chain_device, differences, ragged_device
from scipy import sparse

import negfadj as na
from negfadj.models import effective_mass_device_vjp

ENERGIES = np.linspace(-1.1, 1.2, 4)
DEVICE = ragged_device()
BARE = np.asarray(DEVICE.hamiltonian.to_dense())
RNG = np.random.default_rng(0)
PATTERN = BARE != 0
DIRECTIONS = [(x + x.conj().T) * PATTERN for x in RNG.normal(size=(3, 7, 7)) + 1j * RNG.normal(size=(3, 7, 7))]


def hamiltonian(values: dict[str, Any]) -> np.ndarray:
    """H₀ + a² D₀ + b₀ D₁ + sin(b₁) D₂."""
    a, b = values["a"], values["b"]
    return BARE + a**2 * DIRECTIONS[0] + b[0] * DIRECTIONS[1] + np.sin(b[1]) * DIRECTIONS[2]


def derivatives(values: dict[str, Any]) -> dict[str, Any]:
    a, b = values["a"], values["b"]
    return {"a": 2 * a * DIRECTIONS[0], "b": [DIRECTIONS[1], np.cos(b[1]) * DIRECTIONS[2]]}


def in_form(form: str, x: Any) -> Any:
    if isinstance(x, dict):
        return {"a": in_form(form, x["a"]), "b": [in_form(form, d) for d in x["b"]]}
    if form == "sparse":
        return sparse.csr_array(x)
    return na.BlockTridiagonal.from_dense(x, DEVICE.hamiltonian.block_sizes) if form == "blocks" else x


def objective_of(model: Any, **options: Any) -> na.Objective:
    parameters = [na.Parameter("a", 0.3), na.Parameter("b", [0.2, -0.4])]
    return na.Objective(
        model, parameters, na.Match(na.Quantity(na.transmission, ENERGIES, eta=1e-2), 0.5), **options
    )


@pytest.mark.parametrize("form", ["dense", "sparse", "blocks"])
def test_gradient_by_the_users_derivatives_is_that_of_differences(form: str) -> None:
    model = na.FunctionModel(
        lambda v: in_form(form, hamiltonian(v)), lambda v: in_form(form, derivatives(v)), device=DEVICE
    )
    objective = objective_of(model)
    assert objective.cache is not None  # its leads do not move
    gradient = objective.gradient(objective.x0)
    assert np.max(np.abs(gradient - differences(objective.value, objective.x0))) < 1e-9


def test_second_derivatives_go_through_a_model_that_is_not_linear() -> None:
    objective = objective_of(na.FunctionModel(hamiltonian, derivatives, device=DEVICE))
    v = np.array([0.5, -1.0, 0.8])
    expected = differences(objective.gradient, objective.x0) @ v
    found = objective.hessian_vector_product(objective.x0, v)
    assert np.max(np.abs(found - expected)) < 1e-7 * np.max(np.abs(expected))


def test_a_twin_is_taken_in_place_of_derivatives() -> None:
    inner = na.FunctionModel(hamiltonian, derivatives, device=DEVICE)
    twin = na.FunctionModel(inner, twin=inner.vjp, names=("a", "b"))
    x = objective_of(inner).x0
    assert np.array_equal(objective_of(twin).gradient(x), objective_of(inner).gradient(x))
    assert objective_of(twin).cache is None


def test_nan_of_the_function_is_refused_with_the_parameters() -> None:
    model = na.FunctionModel(lambda v: hamiltonian(v) * np.sqrt(v["a"]), derivatives, device=DEVICE)
    objective = objective_of(model)
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(na.InputError, match=r"not finite at a = -0\.1, b = \[0\.2, -0\.4\]; keep the parameters"),
    ):
        objective.value([-0.1, 0.2, -0.4])


def test_nan_of_the_derivatives_is_refused() -> None:
    model = na.FunctionModel(hamiltonian, lambda v: {"a": BARE * np.nan, "b": None}, device=DEVICE)
    with pytest.raises(na.InputError, match=r"not finite at a = 0\.3"):
        objective_of(model).gradient([0.3, 0.2, -0.4])


def test_a_model_of_the_library_is_a_twin() -> None:
    start = np.where(np.abs(np.arange(9) - 4) < 3, 0.3, 0.0)

    def stack_vjp(values: Any) -> Any:
        device, pullback = effective_mass_device_vjp(values["barrier"], np.full(9, 0.067), spacing=4.0)
        return device, lambda bar: {"barrier": pullback(bar).potential_energy}

    model = na.FunctionModel(lambda values: stack_vjp(values)[0], twin=stack_vjp, names=["barrier"])
    parameter = na.Parameter("barrier", start, fixed=start == 0)
    objective = na.Objective(model, parameter, na.Maximise(na.Quantity(na.transmission, [0.1, 0.2, 0.5])))
    expected = differences(objective.value, objective.x0)
    assert np.max(np.abs(objective.gradient(objective.x0) - expected)) < 1e-8 * np.max(np.abs(expected))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: na.FunctionModel(3, derivatives, device=DEVICE), "function=3"),
        (lambda: na.FunctionModel(hamiltonian), "either `derivatives`"),
        (lambda: na.FunctionModel(hamiltonian, derivatives, twin=derivatives), "either `derivatives`"),
        (lambda: na.FunctionModel(hamiltonian, derivatives), "give `device` too"),
        (lambda: na.FunctionModel(lambda v: np.eye(3), derivatives, device=DEVICE)({}), r"\(3, 3\) but .* 7 orbitals"),
        (
            lambda: objective_of(
                na.FunctionModel(hamiltonian, lambda v: {"a": None, "b": [BARE]}, device=DEVICE)
            ).gradient([0.3, 0.2, -0.4]),
            r"derivatives\['b'\] has 1 matrices but the parameter has 2",
        ),
        (lambda: na.FunctionModel(hamiltonian, derivatives, device=BARE), "device is a ndarray"),
    ],
)
def test_what_makes_no_model_of_a_function_is_refused(make: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        make()  # type: ignore[operator]


def test_an_affine_function_says_so() -> None:
    site = np.zeros((5, 5))
    site[2, 2] = 1.0
    device = chain_device(5)
    bare = np.asarray(device.hamiltonian.to_dense())
    model = na.FunctionModel(
        lambda v: bare + v["u"] * site, lambda v: {"u": site}, device=device, is_linear=True, names=["u"]
    )
    objective = na.Objective(model, na.Parameter("u", 0.1), na.Minimise(na.Quantity(na.transmission, ENERGIES)))
    expected = differences(objective.gradient, objective.x0)[:, 0]
    assert np.allclose(objective.hessian_vector_product(objective.x0, [1.0]), expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a", "bta"), "gives 'bta', which is no parameter of the model; 'b' is missing"),
        (("a",), "'b' is missing from what"),
        (("a", "b", "c"), "gives 'c', which is no parameter of the model: the parameters are 'a', 'b'"),
    ],
)
@pytest.mark.parametrize("kind", ["derivatives", "twin"])
def test_a_misspelt_or_missing_parameter_is_refused(kind: str, given: tuple[str, ...], message: str) -> None:
    inner = na.FunctionModel(hamiltonian, derivatives, device=DEVICE)

    def renamed(found: Any) -> dict[str, Any]:
        return {name: found["a" if name == "a" else "b"] for name in given}

    def twin(values: Any) -> Any:
        made, pullback = inner.vjp(values)
        return made, lambda bar: renamed(pullback(bar))

    if kind == "derivatives":
        model = na.FunctionModel(hamiltonian, lambda v: renamed(derivatives(v)), device=DEVICE)
    else:
        model = na.FunctionModel(inner, twin=twin)
    objective = objective_of(model)
    one = na.Match(na.Quantity(na.transmission, ENERGIES[:1], eta=1e-2), 0.5)  # its Jacobian comes by rows
    for run in (objective.gradient, na.Objective(model, objective.parameters, one).jacobian):
        with pytest.raises(na.InputError, match=message) as caught:
            run(objective.x0)
        assert kind in str(caught.value)
    made, pullback = model.vjp({"a": 0.3, "b": [0.2, -0.4]})
    with pytest.raises(na.InputError, match=message):
        pullback(na.transmission_vjp(made, ENERGIES, eta=1e-2)[1](np.ones(4)).device)


def test_a_parameter_of_no_effect_is_given_as_none() -> None:
    model = na.FunctionModel(
        lambda v: hamiltonian({**v, "b": [0.2, -0.4]}), lambda v: {**derivatives(v), "b": None}, device=DEVICE
    )
    gradient = objective_of(model).gradient([0.3, 0.7, 0.9])
    assert gradient[0] != 0 and not np.any(gradient[1:])


def test_a_fixed_parameter_needs_no_derivative() -> None:
    model = na.FunctionModel(hamiltonian, lambda v: {"a": derivatives(v)["a"]}, device=DEVICE)
    quantity = na.Quantity(na.transmission, ENERGIES, eta=1e-2)
    given = [na.Parameter("a", 0.3), na.Parameter("b", [0.2, -0.4], fixed=True)]
    objective = na.Objective(model, given, na.Match(quantity, 0.5))
    expected = objective_of(na.FunctionModel(hamiltonian, derivatives, device=DEVICE)).gradient([0.3, 0.2, -0.4])[:1]
    assert np.allclose(objective.gradient(objective.x0), expected, rtol=1e-13)


@pytest.mark.parametrize(("name", "shape"), [("a", (1,)), ("b", (3,)), ("b", (1, 2))])
def test_a_cotangent_of_another_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    inner = na.FunctionModel(hamiltonian, derivatives, device=DEVICE)

    def twin(values: Any) -> Any:
        made, pullback = inner.vjp(values)
        return made, lambda bar: {**pullback(bar), name: np.ones(shape)}

    class Own:
        """A model of the user's without names."""

        def __call__(self, values: Any) -> Any:
            return inner(values)

        def vjp(self, values: Any) -> Any:
            return twin(values)

    primal = re.escape(str(() if name == "a" else (2,)))
    for model in (na.FunctionModel(inner, twin=twin), Own()):
        objective = objective_of(model)
        with pytest.raises(na.ShapeError, match=rf"shape {re.escape(str(shape))} .* '{name}' of shape {primal}"):
            objective.gradient(objective.x0)


def test_a_model_of_the_users_that_leaves_a_parameter_out_is_refused() -> None:
    inner = na.FunctionModel(hamiltonian, derivatives, device=DEVICE)

    class Own:
        """A model of the user's without names."""

        def __init__(self, change: Any) -> None:
            self.change = change

        def __call__(self, values: Any) -> Any:
            return inner(values)

        def vjp(self, values: Any) -> Any:
            made, pullback = inner.vjp(values)
            return made, lambda bar: self.change(pullback(bar))

    for change, error, message in (
        (lambda bars: {"a": bars["a"], "B": bars["b"]}, na.InputError, "gives 'B', which is no .*; 'b' is missing"),
        (lambda bars: {"a": bars["a"]}, na.InputError, "'b' is missing from what the pullback of the model gives"),
        (lambda bars: bars["a"], na.InputTypeError, "the pullback of the model gives a ndarray; a dict"),
    ):
        objective = objective_of(Own(change))
        with pytest.raises(error, match=message):
            objective.gradient(objective.x0)
