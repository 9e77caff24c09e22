"""A tight-binding model's numbers, positions and energies of atoms as parameters of an objective."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import differences
from ribbons import armchair_ribbon, chain, zigzag_ribbon

import negfadj as na
from negfadj.models import PowerLaw, Shell, Structure, TightBinding, parameter_set, transport_model

ENERGIES = np.array([-1.3, -0.4, 0.7])
PI = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.42, 0.1, -2.7, law=PowerLaw(2.0, 1.42)),))
TWO_ORBITALS = TightBinding(
    {"C": {"s": -0.6, "p": 0.9}},
    (
        Shell(
            ("C", "C"),
            1.0,
            0.2,
            {"ss_sigma": -1.0, "sp_sigma": 0.7, "pp_sigma": 0.9, "pp_pi": -0.4},
            {"ss_sigma": 0.05, "sp_sigma": 0.02, "pp_sigma": -0.03, "pp_pi": 0.01},
        ),
    ),
)


def objective_of(model: Any, names: list[str], terms: Any, shift: float = 0.02, **fixed: Any) -> na.Objective:
    rng = np.random.default_rng(3)
    values = model.values
    parameters = [
        na.Parameter(name, values[name] + shift * rng.normal(size=np.shape(values[name])), fixed=fixed.get(name, False))
        for name in names
    ]
    return na.Objective(model, parameters, terms)


def check_gradient(objective: na.Objective, tolerance: float = 1e-8) -> None:
    gradient = objective.gradient(objective.x0)
    expected = differences(objective.value, objective.x0, step=1e-3)
    assert np.max(np.abs(gradient - expected)) < tolerance * max(1.0, np.max(np.abs(expected)))
    assert np.all(gradient != 0)


def test_names_are_the_places_of_the_numbers() -> None:
    model = na.TightBindingModel(chain(6), TWO_ORBITALS)
    assert {"onsite.C.p", "shells[0].hopping.sp_sigma", "shells[0].overlap.pp_pi", "positions"} < set(model.names)
    assert model.values["onsite.C.p"] == 0.9
    assert "shells[0].law.exponent" in na.TightBindingModel(chain(6, 1.42), PI).names


def test_the_models_own_numbers_give_the_device_back() -> None:
    model = na.TightBindingModel(armchair_ribbon(5, 4), PI)
    own = transport_model(armchair_ribbon(5, 4), PI).device
    assert np.array_equal(model({}).hamiltonian.to_dense(), own.hamiltonian.to_dense())
    assert np.array_equal(model(model.values).hamiltonian.to_dense(), own.hamiltonian.to_dense())


def test_gradient_by_numbers_of_the_model_is_that_of_differences() -> None:
    model = na.TightBindingModel(chain(6), TWO_ORBITALS)
    names = ["onsite.C.s", "onsite.C.p", "shells[0].hopping.sp_sigma", "shells[0].hopping.pp_pi"]
    names += ["shells[0].overlap.ss_sigma", "shells[0].overlap.pp_sigma"]
    rng = np.random.default_rng(0)
    fixed = [na.Parameter("potential_energy", 0.2 * rng.normal(size=6) * ((np.arange(6) > 1) & (np.arange(6) < 4)))]
    start = [na.Parameter(name, model.values[name]) for name in names]
    term = na.Minimise(na.Quantity(na.transmission, ENERGIES, eta=1e-2))
    check_gradient(na.Objective(model, [*start, *fixed], term))


def test_gradient_by_positions_and_energies_of_atoms_is_that_of_differences() -> None:
    ribbon = armchair_ribbon(3, 5)
    model = na.TightBindingModel(ribbon, PI)
    assert np.count_nonzero(model.free_atoms) == 3  # of the third cell, those that do not border on the second
    fixed = np.ones((ribbon.n_atoms, 3), dtype=bool)
    fixed[model.free_atoms, :2] = False
    term = na.Minimise(na.Quantity(na.transmission, ENERGIES, eta=1e-2))
    values = model.values
    moved = values["positions"] + np.where(fixed, 0, 0.01 * np.random.default_rng(1).normal(size=fixed.shape))
    parameters = [
        na.Parameter("positions", moved, fixed=fixed),
        na.Parameter("lead_potential_energy", [0.01, -0.02]),
        na.Parameter("onsite_energy", np.full(ribbon.n_atoms, 0.02), tie=np.arange(ribbon.n_atoms) // 10),
    ]
    check_gradient(na.Objective(model, parameters, term))


def numbers_of_leads(model: na.TightBindingModel, positions: Any) -> list[np.ndarray]:
    """Every block of the leads; of the couplings the rows that are not zero."""
    leads = model({"positions": positions}).leads
    couplings = [lead.coupling[np.any(lead.coupling != 0, axis=1)] for lead in leads]
    return [*(lead.onsite for lead in leads), *(lead.hopping for lead in leads), *couplings]


def keeps_the_leads(model: na.TightBindingModel, atom: int, shift: np.ndarray) -> bool:
    assert model.structure is not None
    start = model.structure.positions
    moved = start.copy()
    moved[atom] += shift
    here = numbers_of_leads(model, start)
    try:
        there = numbers_of_leads(model, moved)
    except na.InputError as error:
        assert "lead is recognised" in str(error)
        return False
    return all(x.shape == y.shape and np.allclose(x, y, atol=1e-12) for x, y in zip(here, there, strict=True))


def uneven_tube() -> Structure:
    ase_build = pytest.importorskip("ase.build")
    return Structure.from_ase(ase_build.nanotube(3, 3, length=7, bond=1.42))


FAR = TightBinding(
    {"C": 0.0}, tuple(Shell(("C", "C"), n * 1.42, 0.1, v) for n, v in ((1, -2.7), (2, -0.3), (3, 0.1)))
)


@pytest.mark.parametrize(
    ("make", "model", "axis", "expected"),
    [
        (lambda: armchair_ribbon(3, 7), PI, "x", 15),
        (lambda: zigzag_ribbon(2, 8), PI, "x", 12),
        (lambda: chain(9, 1.42), PI, "x", 3),
        (lambda: chain(13, 1.42), FAR, "x", 7),
        (uneven_tube, PI, "z", 12),
    ],
    ids=["armchair", "zigzag", "chain", "three cells to a layer", "cells without a flat border"],
)
def test_free_atoms_are_those_that_move_and_leave_every_lead_as_it_is(
    make: Any, model: TightBinding, axis: str, expected: int
) -> None:
    found = na.TightBindingModel(make(), model, axis=axis)
    along = 0.05 * np.eye(3)["xyz".index(axis)] + 0.02 * np.eye(3)[1]
    measured = [
        keeps_the_leads(found, atom, along) and keeps_the_leads(found, atom, -along)
        for atom in range(found.structure.n_atoms)  # type: ignore[union-attr]
    ]
    assert np.array_equal(found.free_atoms, measured)
    assert np.count_nonzero(measured) == expected


@pytest.mark.parametrize("name", ["onsite_energy", "potential_energy"])
def test_energies_of_atoms_alone_ask_for_onsite_entries_and_keep_the_leads(name: str) -> None:
    model = na.TightBindingModel(chain(7, 1.42), PI)
    objective = objective_of(model, [name], na.Minimise(na.Quantity(na.transmission, ENERGIES)))
    assert objective.model.wrt == "onsite" and objective.cache is not None
    assert na.Objective(model, na.Parameter("onsite.C", 0.1), objective.terms).cache is None
    check_gradient(objective)
    fit = na.Objective(model, objective.parameters, na.Match(na.Quantity(na.transmission, ENERGIES), 0.5))
    assert np.max(np.abs(fit.jacobian(fit.x0) - differences(fit.residuals, fit.x0))) < 1e-9


def test_bands_and_transmission_are_matched_by_one_model() -> None:
    cell = np.diag([4.26, 20.0, 20.0])
    bulk = armchair_ribbon(3, 1)
    bulk = Structure(bulk.symbols, bulk.positions, cell, (True, False, False))
    model = na.TightBindingModel(armchair_ribbon(3, 4), PI, bulk=bulk)
    momenta = np.array([[0.05, 0, 0], [0.21, 0, 0]])
    made = model({"shells[0].hopping": -2.5})
    assert set(made) == {"device", "bulk"}
    terms = [
        na.Match(na.Quantity(na.transmission, ENERGIES, eta=1e-2, of="device"), 0.5),
        na.Match(na.Quantity(na.bands, momenta, of="bulk"), na.bands(made["bulk"], momenta)),
    ]
    parameters = [na.Parameter("onsite.C", 0.1), na.Parameter("shells[0].hopping", -2.7)]
    objective = na.Objective(model, parameters, terms)
    check_gradient(objective)
    jacobian = objective.jacobian(objective.x0)
    assert jacobian.shape == (3 + 12, 2)
    assert np.max(np.abs(jacobian - differences(objective.residuals, objective.x0))) < 1e-8


def test_second_derivatives_go_through_moving_leads_and_a_law_of_the_bonds() -> None:
    model = na.TightBindingModel(chain(8, 1.42), PI)
    bent = model.values["positions"] + 0.03 * np.random.default_rng(0).normal(size=(8, 3)) * model.free_atoms[:, None]
    parameters = [
        na.Parameter("positions", bent, fixed=~model.free_atoms[:, None] | (np.arange(3) > 0)),
        na.Parameter("shells[0].law.exponent", 2.5),
        na.Parameter("shells[0].hopping", -2.5),
        na.Parameter("onsite_energy", [0.0, 0.0, 0.0, 1.5, -0.8, 0.0, 0.0, 0.0], fixed=True),
    ]
    objective = na.Objective(model, parameters, na.Match(na.Quantity(na.transmission, ENERGIES), 0.5))
    v = np.array([0.3, -1.0, 0.2, 0.7])
    expected = differences(objective.gradient, objective.x0) @ v
    found = objective.hessian_vector_product(objective.x0, v)
    assert np.max(np.abs(found - expected)) < 1e-8 * np.max(np.abs(expected))


@pytest.mark.parametrize("method", ["exact", "differences"])
@pytest.mark.parametrize(("away", "scale"), [(100.0, 1.0), (1000.0, 1.0), (1000.0, 0.1)])
def test_second_derivatives_by_positions_do_not_depend_on_the_origin(method: Any, away: float, scale: float) -> None:
    def product(away: float, scale: float) -> np.ndarray:
        found = chain(8, 1.42)
        model = na.TightBindingModel(Structure(found.symbols, found.positions + away), PI)
        fixed = ~model.free_atoms[:, None] | (np.arange(3) > 0)
        bent = model.values["positions"] + np.where(fixed, 0, 0.03 * np.random.default_rng(0).normal(size=(8, 3)))
        parameter = na.Parameter("positions", bent, fixed=fixed, scale=scale)
        goal = na.Match(na.Quantity(na.transmission, ENERGIES), 0.5)
        objective = na.Objective(model, parameter, goal, hessian_method=method)
        v = np.array([0.3, -1.0])
        return objective.hessian_vector_product(objective.x0, v / scale) / scale

    near, far = product(0.0, 1.0), product(away, scale)
    # rounding of positions, eps · 1000 Å = 2e-13 Å, in steps of differences of 1e-3 Å and shorter: 1e-9 at worst
    assert np.max(np.abs(far - near)) < 1e-8 * np.max(np.abs(near))


def test_positions_of_all_atoms_have_second_derivatives() -> None:
    model = na.TightBindingModel(armchair_ribbon(3, 7), PI)
    parameter = na.Parameter("positions", model.values["positions"])
    objective = na.Objective(model, parameter, na.Match(na.Quantity(na.transmission, ENERGIES), 0.5))
    # atoms of the leads move less than the 0.01 Å within which a lead is recognised
    v, w = np.random.default_rng(0).normal(size=(2, len(objective.x0)))
    product, other = (objective.hessian_vector_product(objective.x0, u) for u in (v, w))
    assert abs(w @ product - v @ other) < 1e-8 * np.linalg.norm(product) * np.linalg.norm(w)


def test_a_crystal_alone_is_fitted_to_its_bands() -> None:
    bulk = Structure(("C",), np.zeros((1, 3)), np.diag([1.42, 20.0, 20.0]), (True, False, False))
    model = na.TightBindingModel(None, PI, bulk=bulk)
    momenta = np.array([[0.1, 0, 0], [0.3, 0, 0], [0.45, 0, 0]])
    target = na.bands(model({"onsite.C": 0.3, "shells[0].hopping": -2.2}), momenta)
    parameters = [na.Parameter("onsite.C", 0.0), na.Parameter("shells[0].hopping", -2.7)]
    found = na.fit(na.Objective(model, parameters, na.Match(na.Quantity(na.bands, momenta), target)))
    assert found.parameters["onsite.C"] == pytest.approx(0.3, abs=1e-12)
    assert found.parameters["shells[0].hopping"] == pytest.approx(-2.2, abs=1e-12)


def test_parameters_of_the_library_are_named() -> None:
    model = na.TightBindingModel(chain(6, 1.42), parameter_set("carbon-pi-strained"))
    assert any(name.startswith("shells[0].hopping") for name in model.names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: na.TightBindingModel(None, PI), "give a structure"),
        (lambda: na.TightBindingModel(chain(6, 1.42), {}), "model is a dict"),
        (lambda: na.TightBindingModel(chain(6, 1.42), PI)({"onsite.Si": 1.0}), "'onsite.Si' is not known"),
        (
            lambda: na.Objective(
                na.TightBindingModel(chain(6, 1.42), PI),
                na.Parameter("hopping", 1.0),
                na.Minimise(na.Quantity(na.transmission, 0.1)),
            ),
            "parameter 'hopping' is not known to the model; it knows 'onsite.C'",
        ),
    ],
)
def test_what_makes_no_model_is_refused(make: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        make()  # type: ignore[operator]
