"""The exact tangent of a tight-binding model, and the Jacobians and Hessian-vector products that take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import differences
from ribbons import armchair_ribbon, chain

import negfadj as na
from negfadj.array import is_array, leaves, tree_map
from negfadj.models import ExponentialLaw, PowerLaw, Shell, Structure, TightBinding
from negfadj.objectives import objective as objective_module

EPS = np.finfo(np.float64).eps
PI = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.42, 0.1, -2.7, law=PowerLaw(2.0, 1.42)),))
WITH_OVERLAP = TightBinding(
    {"C": {"s": -0.6, "p": 0.9}},
    (
        Shell(
            ("C", "C"),
            1.42,
            0.1,
            {"ss_sigma": -1.0, "sp_sigma": 0.7, "pp_sigma": 0.9, "pp_pi": -0.4},
            {"ss_sigma": 0.05, "sp_sigma": 0.02, "pp_sigma": -0.03, "pp_pi": 0.01},
            law={"ss_sigma": PowerLaw(2.0, 1.42), "pp_pi": ExponentialLaw(3.3, 1.42)},
            overlap_law=PowerLaw(1.5, 1.42),
        ),
    ),
)
CRYSTAL = Structure(("C", "C"), np.array([[0.0, 0, 0], [1.42, 0, 0]]), np.diag([2.84, 20, 20]), (True, False, False))
MODELS = {
    "device": lambda model: na.TightBindingModel(armchair_ribbon(3, 5), model),
    "crystal": lambda model: na.TightBindingModel(None, model, bulk=CRYSTAL),
    "both": lambda model: na.TightBindingModel(chain(7, 1.42), model, bulk=CRYSTAL),
}


def random_values(values: dict[str, Any], size: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: size * rng.normal(size=np.shape(x)) for name, x in values.items()}


def random_like(x: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return tree_map(lambda y: rng.normal(size=y.shape) if is_array(y) else float(rng.normal()), x)


def products(bar: Any, made: Any, tangent: Any) -> tuple[float, float]:
    """<bar, tangent> and the product of their norms."""
    filled = tree_map(lambda x, t: np.zeros(np.shape(x)) if t is None else np.asarray(t), made, tangent)
    pairs = [(np.ravel(x), np.ravel(y)) for x, y in zip(leaves(bar), leaves(filled), strict=True)]
    norms = [np.sqrt(sum(float(v[i] @ v[i]) for v in pairs)) for i in (0, 1)]
    return sum(float(x @ y) for x, y in pairs), norms[0] * norms[1]


@pytest.mark.parametrize("model", [PI, WITH_OVERLAP], ids=["orthogonal", "overlap"])
@pytest.mark.parametrize("which", ["device", "both"])
def test_tangent_is_the_transpose_of_the_pullback(which: str, model: TightBinding) -> None:
    found = MODELS[which](model)
    shifts = random_values(found.values, 1e-3, 0) | {"positions": 0.0}
    start = {name: x + shifts[name] for name, x in found.values.items()}
    direction = random_values(start, 1.0, 1)
    made, pullback = found.vjp(start)
    # the crystal's lattice and its list of cells are no functions of the parameters
    bar, tangent = random_like(made, 2), found.tangent(start, direction)
    bars = pullback(bar)
    if which == "both":
        names = ("hamiltonian", "overlap")
        of_crystal = [(getattr(bar["bulk"], name), getattr(tangent["bulk"], name)) for name in names]
        share = sum(float(np.sum(x * y)) for x, y in of_crystal if x is not None)
        left, size = products(bar["device"], made["device"], tangent["device"])
        left += share
    else:
        left, size = products(bar, made, tangent)
    right = sum(float(np.sum(np.asarray(bars[name]) * direction[name])) for name in direction)
    assert abs(left - right) < 100 * EPS * size and abs(right) > 1e-5 * size


def test_one_parameter_alone_moves_what_it_does() -> None:
    model = MODELS["crystal"](PI)
    found = model.tangent({}, {"shells[0].hopping": 1.0})
    made = model({})
    assert np.allclose(found.hamiltonian * -2.7, made.hamiltonian, atol=1e-15) and found.overlap is None
    device = MODELS["device"](PI).tangent({}, {"lead_potential_energy": np.array([0.0, 0.3])})
    assert device.leads[0] is None and device.leads[1].potential_energy == 0.3
    assert not np.any(device.hamiltonian.to_dense())


def test_a_name_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(na.InputError, match="parameter 'hopping' is not known"):
        MODELS["device"](PI).tangent({}, {"hopping": 1.0})


def objective_of(model: TightBinding, n_energies: int) -> na.Objective:
    ribbon = armchair_ribbon(3, 5)
    found = na.TightBindingModel(ribbon, model)
    fixed = ~found.free_atoms[:, None] | (np.arange(3) > 1)
    rng = np.random.default_rng(3)
    positions = ribbon.positions + np.where(fixed, 0, 0.01 * rng.normal(size=fixed.shape))
    first = next(name for name in found.names if name.startswith("shells[0].hopping"))
    parameters = [
        na.Parameter("positions", positions, fixed=fixed),
        na.Parameter(first, found.values[first]),
        na.Parameter("lead_potential_energy", [0.01, -0.02]),
    ]
    energies = np.linspace(-1.9, 1.7, n_energies)
    return na.Objective(found, parameters, na.Match(na.Quantity(na.transmission, energies, eta=1e-2), 0.5))


@pytest.mark.parametrize("model", [PI, WITH_OVERLAP], ids=["orthogonal", "overlap"])
def test_jacobian_by_tangents_is_that_by_pullbacks(model: TightBinding, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of(model, 12)
    calls = []
    monkeypatch.setattr(objective_module, "subject_tangent", lambda *_: calls.append(1))
    columns = objective.jacobian(objective.x0)
    assert not calls and columns.shape == (12, 9)
    # fewer numbers than variables: a pullback for each
    quantity = objective.quantities[0]
    parts = [na.Match(quantity.at(quantity.arguments[0][i : i + 6]), 0.5, weight=0.5) for i in (0, 6)]
    rows = na.Objective(objective.model, objective.parameters, parts).jacobian(objective.x0)
    assert np.max(np.abs(columns - rows)) < 1e-11 * np.max(np.abs(rows))
    assert np.all(np.max(np.abs(columns), axis=0) > 1e-6)


def test_jacobian_and_hessian_vector_product_are_derivatives() -> None:
    objective = objective_of(PI, 12)
    x = objective.x0
    expected = differences(objective.residuals, x)
    assert np.max(np.abs(objective.jacobian(x) - expected)) < 1e-8 * np.max(np.abs(expected))
    v = np.random.default_rng(4).normal(size=len(x))
    along = differences(objective.gradient, x) @ v
    assert np.max(np.abs(objective.hessian_vector_product(x, v) - along)) < 1e-7 * np.max(np.abs(along))


def test_a_model_with_a_tangent_alone_is_asked_for_every_direction() -> None:
    class Chain:
        """One hopping, with `tangent` and no `pushforward`."""

        def __init__(self) -> None:
            self.inner, self.directions = na.TightBindingModel(chain(7, 1.42), PI), 0

        def __call__(self, values: Any) -> Any:
            return self.inner(values)

        def vjp(self, values: Any) -> Any:
            return self.inner.vjp(values)

        def tangent(self, values: Any, tangents: Any) -> Any:
            self.directions += 1
            return self.inner.tangent(values, tangents)

    model = Chain()
    numbers = [na.Parameter("shells[0].hopping", -2.6), na.Parameter("onsite.C", 0.1)]
    term = na.Match(na.Quantity(na.transmission, np.linspace(-1, 1, 5), eta=1e-2), 0.5)
    given = na.Objective(model, numbers, term).jacobian([-2.6, 0.1])
    own = na.Objective(model.inner, numbers, term).jacobian([-2.6, 0.1])
    assert model.directions == 2 and np.max(np.abs(given - own)) < 1e-13
