"""Several observables of one elimination: values, the one pullback, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import oracles
import pytest
from backends import READONLY, Backend, host
from cases import EPS, MANY_LEADS, TWO_LEADS, LeadKind, chain, random_device, ribbon
from observables import OBSERVABLES, device_parts, inner, norm

import negfadj as na
from negfadj.array import leaves, rebuild, tree_map
from negfadj.primitives import left_connected as left_connected_module

ENERGIES = np.array([-0.45, 0.3])
NAMES = ("transmission", "density_of_states", "local_density_of_states", "lead_density", "bond_current")
OF_SOURCE_1 = {"source": 1, "drain": 0}
BROADENINGS = [
    pytest.param({"eta": 0.2, "device_eta": 0.05}, id="broadened"),
    pytest.param({"eta": 0.2, "device_eta": 0.0}, id="leads-broadened"),
    pytest.param({"eta": 0.0, "device_eta": 0.0}, id="real-energy"),
]
TABLED = (LeadKind(0, 2), LeadKind(-1, 3, "self-energy"))
DEVICES = [
    pytest.param(TWO_LEADS, True, id="two-leads"),
    pytest.param(MANY_LEADS, True, id="many-leads"),
    pytest.param(MANY_LEADS, False, id="many-leads-orthogonal"),
    pytest.param(TABLED, True, id="self-energy"),
]


def device_of(leads: Sequence[LeadKind], overlap: bool, **options: Any) -> na.Device:
    return random_device(5, leads=leads, overlap=overlap, n_energies=len(ENERGIES), **options)


def given(found: na.Observations) -> dict[str, Any]:
    """The observables that are there."""
    return {name: getattr(found, name) for name in NAMES if getattr(found, name) is not None}


def oracle(device: na.Device, name: str, options: dict[str, float], tangent: na.Device | None = None) -> Any:
    """Value and tangent of one observable from whole matrices, as `observe` has it: source 1, drain 0."""
    (table,) = (o for o in OBSERVABLES if o.name == name)
    takes = {key: OF_SOURCE_1[key] for key in table.keywords}
    keywords = {} if tangent is None else {"tangent": tangent}
    return rebuild(table, keywords=takes).dense(device, ENERGIES, **options, **keywords)


def random_cotangent(found: na.Observations, seed: int = 0) -> na.Observations:
    rng = np.random.default_rng(seed)
    return tree_map(lambda x: rng.normal(size=x.shape), found)  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize(("leads", "overlap"), DEVICES)
def test_observations_equal_the_dense_ones(
    leads: Sequence[LeadKind], overlap: bool, options: dict[str, float], backend: Backend
) -> None:
    device = device_of(leads, overlap)
    found = host(na.observe(backend(device), backend.convert(ENERGIES), NAMES, **OF_SOURCE_1, **options))
    for name, value in given(found).items():
        expected = oracle(device, name, options).value.real
        assert value.shape == expected.shape and value.dtype == np.float64
        # the drawn devices' cond(A) is below 1e3, and the Stein equation of their leads loses another 1e3
        assert np.max(np.abs(value - expected)) <= 1e6 * EPS * np.max(np.abs(expected)), name


@pytest.mark.parametrize("source", [0, 1])
def test_observations_equal_those_of_each_function_alone(source: int) -> None:
    device, energies = ribbon(5, 6, disorder=0.5), np.linspace(-2.5, 2.5, 7) + 0.013
    found = given(na.observe(device, energies, NAMES, source=source, drain=1 - source))
    assert set(found) == set(NAMES)
    alone = {
        "transmission": na.transmission(device, energies, source=source, drain=1 - source),
        "density_of_states": na.density_of_states(device, energies),
        "local_density_of_states": na.local_density_of_states(device, energies),
        "lead_density": na.lead_density(device, energies, source=source),
        "bond_current": na.bond_current(device, energies, source=source),
    }
    for name, value in found.items():
        assert np.max(np.abs(value - alone[name])) <= 1e-11 * np.max(np.abs(alone[name])), name


@pytest.mark.parametrize("device_eta", [0.0, 0.05])
def test_observations_of_a_hamiltonian_that_is_not_hermitian_equal_the_dense_ones(device_eta: float) -> None:
    plain = device_of(TWO_LEADS, True)
    h = plain.hamiltonian
    lower = [0.9 * x.conj().T for x in h.upper]
    diagonal = [x - 0.1j * np.eye(len(x)) for x in h.diagonal]
    device = na.Device(na.BlockTridiagonal(diagonal, h.upper, lower), plain.leads, plain.overlap)
    options = {"eta": 0.0, "device_eta": device_eta}
    found = na.observe(device, ENERGIES, NAMES, **OF_SOURCE_1, **options)
    for name, value in given(found).items():
        expected = oracle(device, name, options).value.real
        assert np.max(np.abs(value - expected)) <= 1e6 * EPS * np.max(np.abs(expected)), name


@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize(("leads", "overlap"), DEVICES)
def test_observe_adjoint_identity_holds_for_every_argument(
    leads: Sequence[LeadKind], overlap: bool, options: dict[str, float]
) -> None:
    device = device_of(leads, overlap)
    found, pullback = na.observe_vjp(device, ENERGIES, NAMES, **OF_SOURCE_1, **options)
    weights = random_cotangent(found)
    bar = pullback(weights).device
    for name, part in device_parts(device, 3):
        tangents = {each: oracle(device, each, options, part).tangent.real for each in NAMES}
        expected = sum(np.sum(getattr(weights, each) * tangents[each]) for each in NAMES)
        size = norm(weights) * max(norm(tangents), 1e-3)
        assert abs(expected - inner(bar, part)) <= 1e-10 * size, name


def test_observe_adjoint_identity_holds_where_a_table_opens_a_channel() -> None:
    plain = device_of(TABLED, False)
    column = np.array([[1.0], [0.4j], [-0.3], [0.2], [0.5]])
    sigma = -0.2j * (column @ column.conj().T)[None]  # one channel; a change of the table makes more
    device = na.Device(plain.hamiltonian, (plain.leads[0], na.SelfEnergy(sigma, block=-1)))
    found, pullback = na.observe_vjp(device, ENERGIES, ("local_density_of_states", "lead_density"))
    weights = random_cotangent(found)
    bar = pullback(na.Observations(local_density_of_states=weights.local_density_of_states)).device
    for name, part in device_parts(device, 3):
        tangent = oracle(device, "local_density_of_states", {}, part).tangent.real
        size = norm(weights) * max(norm(tangent), 1e-3)
        assert abs(np.sum(weights.local_density_of_states * tangent) - inner(bar, part)) <= 1e-10 * size, name


@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize("names", [NAMES, *[(name,) for name in NAMES]], ids=lambda names: "+".join(names)[:30])
def test_observe_vjp_passes_the_public_check(names: tuple[str, ...], options: dict[str, float]) -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS)
    na.testing.check_vjp(
        lambda d, e: na.observe(d, e, names, **OF_SOURCE_1, **options),
        lambda d, e: na.observe_vjp(d, e, names, **OF_SOURCE_1, **options),
        (READONLY(device), READONLY.convert(ENERGIES)),
        rtol=1e-9,
        step=4e-3,
        seed=2,
    )


def test_observe_vjp_passes_the_public_check_on_every_backend(backend: Backend) -> None:
    device = random_device(22, (3, 2, 3), TWO_LEADS, is_complex=False)
    na.testing.check_vjp(
        lambda d, e: na.observe(d, e, eta=0.3),
        lambda d, e: na.observe_vjp(d, e, eta=0.3),
        (backend(device), backend.convert(ENERGIES)),
        rtol=1e-9,
        step=4e-3,
    )


def test_observe_pullback_is_the_sum_of_those_of_each_function() -> None:
    device, energies = ribbon(5, 4, disorder=0.5), np.array([0.47, 1.31])
    found, pullback = na.observe_vjp(device, energies, NAMES)
    weights = random_cotangent(found)
    total = None
    for name, weight in given(weights).items():
        bar = getattr(na, f"{name}_vjp")(device, energies)[1](weight)
        total = bar if total is None else tree_map(lambda x, y: x + y, total, bar)
    together = pullback(weights)
    for x, y in zip(leaves(tuple(together)), leaves(tuple(total)), strict=True):
        assert np.max(np.abs(x - y)) <= 1e-10 * max(np.max(np.abs(y)), 1.0)


def test_observe_pullback_takes_none_for_zero() -> None:
    device = device_of(MANY_LEADS, True)
    found, pullback = na.observe_vjp(device, ENERGIES, NAMES)
    weights = random_cotangent(found)
    for name, weight in given(weights).items():
        alone = na.Observations(**{name: weight})
        zeros = rebuild(tree_map(lambda x: 0 * x, weights), **{name: weight})
        for x, y in zip(leaves(tuple(pullback(alone))), leaves(tuple(pullback(zeros))), strict=True):
            assert np.array_equal(x, y)
    assert not any(np.any(x) for x in leaves(tuple(pullback(na.Observations()))))


def test_observe_pullback_forms_only_what_is_asked_for() -> None:
    device = device_of(MANY_LEADS, False)
    found, pullback = na.observe_vjp(device, ENERGIES, NAMES)
    weights = random_cotangent(found)
    whole = pullback(weights).device.hamiltonian
    onsite = pullback(weights, wrt="onsite").device.hamiltonian.onsite
    expected = np.concatenate([np.diag(x).real for x in whole.diagonal])
    assert np.max(np.abs(onsite - expected)) <= 1e-12 * np.abs(expected).max()
    entries = pullback(weights, wrt=([0, 0], [1, 3])).device
    assert entries.leads == (None,) * 4 and entries.overlap is None
    expected = np.array([2 * whole.diagonal[0][0, 1], whole.upper[0][0, 0]])
    assert np.max(np.abs(entries.hamiltonian.values - expected)) <= 1e-12 * np.abs(expected).max()


def test_observe_does_not_depend_on_the_batches() -> None:
    device, energies = ribbon(5, 6, disorder=0.5), np.linspace(-2.5, 2.5, 9) + 0.013
    found, pullback = na.observe_vjp(device, energies, NAMES)
    weights = random_cotangent(found)
    little, little_pullback = na.observe_vjp(device, energies, NAMES, memory_limit=3e5)
    for x, y in zip(leaves(found), leaves(little)):
        assert np.allclose(x, y, rtol=1e-11, atol=1e-13)
    for x, y in zip(leaves(tuple(pullback(weights))), leaves(tuple(little_pullback(weights)))):
        assert np.allclose(x, y, rtol=1e-10, atol=1e-11)


def test_observe_eliminates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = left_connected_module.whole_sweep

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls.append(1)
        return original(*arguments, **keywords)

    monkeypatch.setattr(left_connected_module, "whole_sweep", counted)
    na.observe(ribbon(5, 6), np.array([0.3, 0.7]), NAMES)
    assert len(calls) == 1
    found, pullback = na.observe_vjp(ribbon(5, 6), np.array([0.3, 0.7]), NAMES)
    pullback(random_cotangent(found))
    assert len(calls) == 2


def test_observe_at_one_energy_has_no_energy_axis() -> None:
    device = chain(4)
    found, pullback = na.observe_vjp(device, 0.3, NAMES)
    assert found.transmission.shape == found.density_of_states.shape == ()
    assert found.local_density_of_states.shape == found.lead_density.shape == (4,)
    assert found.bond_current.shape == (3,)
    assert np.isclose(found.transmission, 1.0) and np.allclose(-found.bond_current, 1.0)
    assert pullback(na.Observations(transmission=1.0)).energies.shape == ()


def test_observe_leaves_out_what_is_not_asked_for() -> None:
    found, pullback = na.observe_vjp(chain(3), [0.3], ("density_of_states",))
    assert set(given(found)) == {"density_of_states"}
    with pytest.raises(na.errors.InputError, match="bond_current, which was not asked for"):
        pullback(na.Observations(bond_current=np.zeros((1, 2))))


@pytest.mark.parametrize("names", [NAMES, ("local_density_of_states",)], ids=["states", "alone"])
@pytest.mark.parametrize("distance", [1e-4, 1e-6])
def test_density_keeps_its_digits_near_a_level_of_the_cut_device(distance: float, names: tuple[str, ...]) -> None:
    device = random_device(8, (3, 3, 3, 3), (LeadKind(1, 3), LeadKind(-1, 3)), overlap=False)  # none on block 0
    energy = float(np.linalg.eigvalsh(device.hamiltonian.diagonal[0])[1]) + distance
    whole = oracles.dense(device, energy)
    expected = oracles.local_density_of_states(whole).value.real
    tolerance = 1e3 * EPS * device.n_orbitals * np.linalg.cond(whole.green.value)
    assert tolerance < 1e-9
    found = na.observe(device, energy, names).local_density_of_states
    assert np.max(np.abs(found - expected)) <= tolerance * np.max(expected)
    assert np.max(np.abs(na.local_density_of_states(device, energy) - expected)) <= tolerance * np.max(expected)
    assert np.max(np.abs(na.local_density_of_states_vjp(device, energy)[0] - expected)) <= tolerance * np.max(expected)


def test_observe_refuses_an_energy_on_a_bound_state() -> None:
    lead = na.Lead(onsite=[[5.0]], hopping=[[-1.0]], block=0)  # its band is 3 … 7
    alone = na.Device(na.BlockTridiagonal([np.array([[0.0, 0.0], [0.0, 1.0]])], []), (
        rebuild(lead, coupling=np.array([[-1.0], [0.0]]), hopping=np.array([[-1.0]])),
        rebuild(lead, coupling=np.array([[-0.5], [0.0]]), hopping=np.array([[-1.0]])),
    ))  # fmt: skip
    with pytest.raises(na.errors.ConvergenceError):
        na.observe(alone, [1.0])


@pytest.mark.parametrize(
    ("quantities", "error", "message"),
    [
        (("transmision",), "InputError", "'transmision' of quantities is not known"),
        ((), "InputError", "empty"),
        ("transmission", "InputTypeError", "sequence of names"),
    ],
)
def test_observe_says_what_is_wrong_with_quantities(quantities: Any, error: str, message: str) -> None:
    with pytest.raises(getattr(na.errors, error), match=message):
        na.observe(chain(3), [0.3], quantities)


@pytest.mark.parametrize(
    ("bar", "error", "message"),
    [
        (np.ones(1), "InputTypeError", "pass a negfadj.Observations"),
        (na.Observations(transmission=np.ones(2)), "ShapeError", "transmission of the cotangent has shape"),
        (na.Observations(transmission=np.ones(1) * 1j), "InputTypeError", "complex128"),
        (na.Observations(transmission=np.array([np.nan])), "InputError", "value_bar"),
    ],
)
def test_observe_pullback_says_what_is_wrong_with_a_cotangent(bar: Any, error: str, message: str) -> None:
    _, pullback = na.observe_vjp(chain(3), [0.3])
    with pytest.raises(getattr(na.errors, error), match=message):
        pullback(bar)
