"""The OpenMDAO component: partials beside differences, an optimisation beside another component, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import negfadj as na

om = pytest.importorskip("openmdao.api", reason='OpenMDAO is not installed; pip install "negfadj[doors]"')

from openmdao.utils.assert_utils import assert_check_partials, assert_check_totals  # noqa: E402

from negfadj.electrostatics import ParallelPlates  # noqa: E402
from negfadj.embedding.openmdao_component import TransportComponent  # noqa: E402

ENERGIES = np.array([-0.6, 0.15, 0.9])
N_SITES = 8
# central differences with step h of numbers of size 1: h² q‴/6 + eps/h ~ 1e-8
STEP, TOLERANCE = 1e-4, 1e-6


def chain(n: int = N_SITES) -> na.Device:
    """A disordered chain with second neighbours, two sites a block."""
    rng = np.random.default_rng(3)
    lead_onsite, hopping = np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([[-0.1, 0.0], [-1.0, -0.1]])
    diagonal = [lead_onsite + np.diag(rng.uniform(-0.3, 0.3, 2)) for _ in range(n // 2)]
    ends = na.Lead(lead_onsite, hopping.T, block=0), na.Lead(lead_onsite, hopping, block=-1)
    return na.Device(na.BlockTridiagonal(diagonal, [hopping] * (n // 2 - 1)), ends)


def component(**keywords: Any) -> TransportComponent:
    model = na.HamiltonianEntries(chain(), onsite="all", hopping=([2, 3], [3, 4]))
    outputs = {
        "transmission": na.Quantity(na.transmission, ENERGIES),
        "density": na.Quantity(na.local_density_of_states, 0.15),
        "middle": na.Quantity(na.transmission, 0.15),
    }
    return TransportComponent(model, model.values, outputs, **keywords)


def problem_of(part: Any, mode: str = "rev") -> Any:
    problem = om.Problem(reports=False)
    problem.model.add_subsystem("wire", part, promotes=["*"])
    problem.setup(mode=mode, force_alloc_complex=False)
    problem.run_model()
    return problem


def check(problem: Any, tolerance: float = TOLERANCE, step: float = STEP) -> Any:
    data = problem.check_partials(out_stream=None, method="fd", form="central", step=step)
    assert_check_partials(data, atol=tolerance, rtol=tolerance)
    return data


def test_component_has_the_quantities_of_the_model() -> None:
    problem = problem_of(component())
    np.testing.assert_allclose(problem.get_val("transmission"), na.transmission(chain(), ENERGIES), rtol=1e-13)
    moved = np.linspace(-0.2, 0.3, N_SITES)
    problem.set_val("onsite", moved)
    problem.run_model()
    model = na.HamiltonianEntries(chain(), onsite="all", hopping=([2, 3], [3, 4]))
    expected = na.local_density_of_states(model({"onsite": moved}), 0.15)
    np.testing.assert_allclose(problem.get_val("density"), expected, rtol=1e-12)


def test_component_partials_are_its_differences_in_both_modes() -> None:
    data = check(problem_of(component()))
    (pairs,) = data.values()
    assert set(pairs) == {(q, p) for q in ("transmission", "density", "middle") for p in ("onsite", "hopping")}
    assert np.max(np.abs(pairs["transmission", "onsite"]["J_rev"])) > 0.01


def test_component_forward_and_reverse_totals_agree() -> None:
    found = []
    for mode in ("fwd", "rev"):
        problem = problem_of(component(), mode)
        found.append(problem.compute_totals(of=["transmission", "density"], wrt=["onsite", "hopping"]))
    for key, forward in found[0].items():
        np.testing.assert_allclose(forward, found[1][key], rtol=0, atol=1e-12)


def test_component_evaluates_a_point_once(monkeypatch: pytest.MonkeyPatch) -> None:
    part = component()
    calls = []
    model = na.HamiltonianEntries
    vjp = model.vjp
    monkeypatch.setattr(model, "vjp", lambda self, values: (calls.append(1), vjp(self, values))[1])
    problem = problem_of(part)
    problem.compute_totals(of=["transmission"], wrt=["onsite"])
    problem.compute_totals(of=["density"], wrt=["hopping"])
    assert len(calls) == 1
    problem.set_val("onsite", np.zeros(N_SITES))
    problem.run_model()
    assert len(calls) == 2


def test_component_changes_nothing_given() -> None:
    model = na.HamiltonianEntries(chain(), onsite="all")
    start = {"onsite": np.zeros(N_SITES)}
    start["onsite"].setflags(write=False)
    before = [x.copy() for x in model.device.hamiltonian.diagonal]
    problem = problem_of(TransportComponent(model, start, {"t": na.Quantity(na.transmission, 0.2)}))
    problem.set_val("onsite", np.full(N_SITES, 0.1))
    problem.run_model()
    problem.compute_totals(of=["t"], wrt=["onsite"])
    assert all(np.array_equal(x, y) for x, y in zip(model.device.hamiltonian.diagonal, before))
    assert not start["onsite"].any()


def test_component_takes_units_and_names_of_the_model() -> None:
    model = na.HamiltonianEntries(chain(), onsite="all")
    part = TransportComponent(
        model,
        {"gate": np.zeros(N_SITES)},
        {"t": na.Quantity(na.transmission, 0.2)},
        units={"gate": "eV"},
        model_names={"gate": "onsite"},
    )
    problem = problem_of(part)
    problem.set_val("gate", np.full(N_SITES, 100.0), units="meV")
    problem.run_model()
    expected = na.transmission(model({"onsite": np.full(N_SITES, 0.1)}), 0.2)
    assert problem.get_val("t").item() == pytest.approx(expected, rel=1e-12)


def test_optimisation_beside_another_component_finds_its_minimum() -> None:
    model = na.HamiltonianEntries(chain(), onsite="all")
    energies, price, start = [0.1, 0.3], 0.1, model.values["onsite"]
    problem = om.Problem(reports=False)
    outputs = {"transmission": na.Quantity(na.transmission, energies)}
    problem.model.add_subsystem("wire", TransportComponent(model, {"onsite": start}, outputs), promotes=["*"])
    cost = om.ExecComp(f"cost = {price} * sum(onsite**2) + sum(transmission)", onsite=start, transmission=np.zeros(2))
    problem.model.add_subsystem("cost", cost, promotes=["*"])
    problem.model.add_design_var("onsite", lower=-1, upper=1)
    problem.model.add_objective("cost")
    problem.driver = om.ScipyOptimizeDriver(optimizer="SLSQP", tol=1e-12, disp=False)
    problem.setup(mode="rev")
    problem.run_model()
    first = problem.get_val("cost").item()
    totals = problem.check_totals(out_stream=None, method="fd", form="central", step=STEP)
    assert_check_totals(totals, atol=TOLERANCE, rtol=TOLERANCE)
    problem.run_driver()

    quantity = na.Quantity(na.transmission, energies)
    values = {"onsite": problem.get_val("onsite")}
    device, to_values = model.vjp(values)
    transmission, pullback = quantity.vjp(device)
    slope = 2 * price * values["onsite"] + to_values(pullback(np.ones(2), "onsite")[0])["onsite"]
    assert np.max(np.abs(slope)) <= 1e-4  # SLSQP stops by the change of the cost, whose root this is
    assert problem.get_val("cost").item() < first - 0.5 and 0.01 < transmission.sum() < 1


def test_component_takes_a_self_consistent_model() -> None:
    problem = problem_of(self_consistent_component())
    assert problem.get_val("current").item() > 1
    # the loop's own tolerance, 1e-8 V, over the step
    check(problem, tolerance=1e-4, step=1e-3)


def self_consistent_component() -> TransportComponent:
    x = 3.0 * np.arange(1, 5)
    metals = [na.SelfEnergy([[-0.5j]], block=k) for k in (0, -1)]
    made = na.Device(na.BlockTridiagonal([np.full((1, 1), 0.4)] * 4, [-np.ones((1, 1))] * 3), metals)
    field = ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.0, distance=15.0)

    def solve(values: dict) -> Any:
        return solve_vjp(values)[0]

    def solve_vjp(values: dict) -> Any:
        options = {"temperature": 300.0, "neutral": values["neutral"], "lowest": -1e3, "error": 1e-10}
        solution, pullback = na.self_consistent_vjp(made, field, bias=values["bias"], tolerance=1e-10, **options)

        def to_values(current_bar: Any) -> dict:
            bar = pullback(current=float(current_bar))
            return {"bias": bar.bias, "neutral": bar.neutral}

        return solution, to_values

    def current(solution: Any) -> float:
        return solution.current

    model = na.FunctionModel(solve, twin=solve_vjp, names=("bias", "neutral"))
    quantity = na.Quantity(current, twin=lambda solution: (solution.current, lambda bar: bar))
    start = {"bias": 0.2, "neutral": np.full(4, 0.9)}
    return TransportComponent(model, start, {"current": quantity}, units={"bias": "V", "current": "uA"})


def test_a_point_that_does_not_converge_is_an_analysis_error() -> None:
    lead = na.Lead([[0.0]], [[-1.0]], block=0), na.Lead([[0.0]], [[-1.0]], block=-1)
    device = na.Device(na.BlockTridiagonal([np.zeros((1, 1))] * 2, [-np.ones((1, 1))]), lead)
    model = na.HamiltonianEntries(device, onsite="all")

    def at(device: na.Device, energy: float) -> Any:
        return na.transmission(device, energy + device.hamiltonian.diagonal[0][0, 0])

    def at_vjp(device: na.Device, energy: float) -> Any:
        return na.transmission_vjp(device, energy + device.hamiltonian.diagonal[0][0, 0])

    quantity = na.Quantity(at, 1.0, twin=at_vjp)
    problem = problem_of(TransportComponent(model, {"onsite": np.zeros(2)}, {"t": quantity}))
    problem.set_val("onsite", [1.0, 0.0])  # E = 2, the band's edge
    with pytest.raises(om.AnalysisError, match=r"wire: .*energ"):
        problem.run_model()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": {}}, "inputs is empty"),
        ({"outputs": {}}, "outputs is empty"),
        ({"outputs": {"onsite": na.Quantity(na.transmission, 0.1)}}, "'onsite' is an input and an output"),
        ({"inputs": {"gate": 0.0}}, "input 'gate' is the parameter 'gate', which the model does not know"),
        ({"inputs": {"onsite": np.full(N_SITES, np.nan)}}, "input 'onsite' starts at .*nan"),
        ({"units": {"gate": "eV"}}, "units names 'gate', which is not among onsite, t"),
        ({"model_names": {"gate": "onsite"}}, "model_names names 'gate', which is not among onsite"),
        ({"outputs": {"t": na.transmission}}, "output 't' is a function; wrap it"),
        ({"model": chain()}, "model is a Device; it needs"),
    ],
)
def test_component_refuses_what_does_not_fit(changes: dict[str, Any], message: str) -> None:
    model = na.HamiltonianEntries(chain(), onsite="all")
    given = {"model": model, "inputs": model.values, "outputs": {"t": na.Quantity(na.transmission, 0.1)}} | changes
    with pytest.raises(na.InputError, match=message):
        TransportComponent(**given)


@pytest.mark.slow
def test_example_of_gates_stops_low_energies_and_passes_high_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "examples"))
    import openmdao_gates

    problem, _ = openmdao_gates.problem()
    problem.run_driver()
    assert np.max(problem.get_val("stopped")) < 0.2 < 1.8 < np.min(problem.get_val("passed"))
    assert np.max(np.abs(problem.get_val("voltages"))) < 1
