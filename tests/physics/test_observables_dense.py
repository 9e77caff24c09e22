"""Every observable against whole matrices: values, and adjoints against exact tangents, argument by argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from backends import Backend, host
from cases import EPS, MANY_LEADS, TWO_LEADS, LeadKind, devices, random_array, random_device, ribbon, strip
from hypothesis import given, settings
from hypothesis import strategies as st
from observables import OBSERVABLES, Observable, count_open, device_parts, inner

import negfadj as na

ENERGIES = np.array([-0.45, 0.3])
BROADENINGS = [
    pytest.param({"eta": 0.2, "device_eta": 0.05}, id="broadened"),
    pytest.param({"eta": 0.0, "device_eta": 0.0}, id="real-energy"),
]


def rounding(device: na.Device, energies: np.ndarray, eta: float, device_eta: float) -> float:
    """Bound on the relative error of an observable: n·eps·cond(A), 1e3 for the surface functions' own condition.

    1/|1 − λ_i λ_j| of their Stein equation is below 1e3 for the drawn leads, all of whose bands are far from an edge.
    """
    worst = 1.0
    for k, e in enumerate(energies):
        whole = oracles.dense(device, e, eta=eta, device_eta=device_eta, number=k)
        worst = max(worst, np.linalg.cond(whole.green.value))
    return 1e3 * EPS * device.n_orbitals * worst


def close(found: Any, expected: np.ndarray, tolerance: float) -> bool:
    return bool(np.max(np.abs(np.asarray(found) - expected)) <= tolerance * max(np.max(np.abs(expected)), 1e-3))


@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
@given(device=devices())
def test_observable_equals_the_dense_one(observable: Observable, options: dict[str, float], device: na.Device) -> None:
    expected = observable.dense(device, ENERGIES, **options).value.real
    found = observable.value(device, ENERGIES, **options)
    assert found.shape == expected.shape
    assert close(found, expected, rounding(device, ENERGIES, **options))


@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
@settings(max_examples=6)
@given(device=devices(), seed=st.integers(0, 2**31))
def test_observable_adjoint_identity_holds_for_every_argument(
    observable: Observable, options: dict[str, float], device: na.Device, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    value, pullback = observable.vjp(device, ENERGIES, **options)
    weights = rng.normal(size=value.shape)
    bar = pullback(weights)
    tolerance = max(1e-10, rounding(device, ENERGIES, **options))
    d_energies = rng.normal(size=ENERGIES.shape)
    tangents = {"energies": observable.dense(device, ENERGIES, d_energies, **options).tangent.real}
    backward = {"energies": inner(bar.energies, d_energies)}
    for name, part in device_parts(device, seed):
        tangents[name] = observable.dense(device, ENERGIES, tangent=part, **options).tangent.real
        backward[name] = inner(bar.device, part)
    for name, tangent in tangents.items():
        forward = float(np.sum(weights * tangent))
        scale = np.linalg.norm(weights) * max(np.linalg.norm(tangent), 1e-3 * np.linalg.norm(value))
        assert abs(forward - backward[name]) <= tolerance * scale, (name, forward, backward[name])


@pytest.mark.parametrize("observable", [o for o in OBSERVABLES if o.name != "transmission_matrix"], ids=str)
def test_observable_adjoint_identity_holds_for_tabulated_self_energies(observable: Observable) -> None:
    leads = (LeadKind(0, 2, "self-energy"), LeadKind(1, 2, "self-energy"), LeadKind(-1, 2))
    device = random_device(5, (3, 2, 4), leads, n_energies=2)
    rng = np.random.default_rng(0)
    value, pullback = observable.vjp(device, ENERGIES, eta=0.1)
    assert close(value, observable.dense(device, ENERGIES, eta=0.1).value.real, 1e-12)
    weights = rng.normal(size=value.shape)
    bar = pullback(weights)
    for name, part in device_parts(device, 1):
        tangent = observable.dense(device, ENERGIES, eta=0.1, tangent=part).tangent.real
        scale = np.linalg.norm(weights) * np.linalg.norm(tangent)
        assert abs(np.sum(weights * tangent) - inner(bar.device, part)) <= 1e-10 * scale, name


@pytest.mark.parametrize("observable", [o for o in OBSERVABLES if o.name != "transmission_matrix"], ids=str)
def test_observable_adjoint_sums_a_self_energy_given_once_over_energies(observable: Observable) -> None:
    device = random_device(6, (3, 4), (LeadKind(0, 2, "self-energy"), LeadKind(-1, 2, "self-energy")))
    value, pullback = observable.vjp(device, ENERGIES)
    weights = np.random.default_rng(0).normal(size=value.shape)
    bar = pullback(weights).device
    for name, part in device_parts(device, 1):
        tangent = observable.dense(device, ENERGIES, tangent=part).tangent.real
        scale = np.linalg.norm(weights) * np.linalg.norm(tangent)
        assert abs(np.sum(weights * tangent) - inner(bar, part)) <= 1e-10 * scale, name


@pytest.mark.parametrize("observable", [o for o in OBSERVABLES if o.name != "bond_current"], ids=str)
def test_observable_adjoint_identity_holds_for_a_non_hermitian_hamiltonian(observable: Observable) -> None:
    base = random_device(8, (3, 2, 4), TWO_LEADS)
    rng = np.random.default_rng(3)
    h = base.hamiltonian
    lower = [x.conj().T + 0.2 * random_array(rng, *x.shape[::-1]) for x in h.upper]
    shifted = [x - 0.3j * np.eye(len(x)) + 0.1 * random_array(rng, *x.shape) for x in h.diagonal]
    device = na.Device(na.BlockTridiagonal(shifted, h.upper, lower), base.leads, overlap=base.overlap)
    value, pullback = observable.vjp(device, ENERGIES, eta=0.1)
    assert close(value, observable.dense(device, ENERGIES, eta=0.1).value.real, 1e-12)
    weights = rng.normal(size=value.shape)
    bar = pullback(weights).device
    for name, part in device_parts(device, 1):
        tangent = observable.dense(device, ENERGIES, eta=0.1, tangent=part).tangent.real
        scale = np.linalg.norm(weights) * np.linalg.norm(tangent)
        assert abs(np.sum(weights * tangent) - inner(bar, part)) <= 1e-10 * scale, name


@pytest.mark.parametrize(("source", "drain"), [(i, j) for i in range(4) for j in range(4) if i != j])
def test_transmission_adjoint_identity_holds_for_every_pair_of_leads(source: int, drain: int) -> None:
    device = random_device(2, leads=MANY_LEADS)
    observable = Observable("transmission", {"source": source, "drain": drain}, oracles.transmission)
    value, pullback = observable.vjp(device, ENERGIES)
    assert close(value, observable.dense(device, ENERGIES).value.real, 1e-11)
    bar = pullback(np.ones(2)).device
    for name, part in device_parts(device, 1):
        tangent = observable.dense(device, ENERGIES, tangent=part).tangent.real
        scale = max(np.linalg.norm(tangent), 1e-3)
        assert abs(np.sum(tangent) - inner(bar, part)) <= 1e-10 * scale, name


@pytest.mark.parametrize("lead", range(4))
def test_open_channels_equals_the_bands_crossed(lead: int) -> None:
    device = random_device(4, leads=MANY_LEADS)
    energies = np.linspace(-3, 3, 31)
    expected = [count_open(device.leads[lead], e) for e in energies]
    assert na.open_channels(device, energies, lead=lead).tolist() == expected


def test_transmission_matrix_diagonal_is_the_reflection_of_the_scattering_matrix() -> None:
    device = random_device(9, leads=MANY_LEADS)
    found = na.transmission_matrix(device, ENERGIES)
    for k, e in enumerate(ENERGIES):
        whole = oracles.dense(device, e)
        for i in range(4):
            for j in range(4):
                expected = np.sum(np.abs(oracles.scattering_amplitudes(whole, j, i)) ** 2)
                assert abs(found[k, i, j] - expected) <= 1e-10


def test_shot_noise_factor_is_that_of_the_transmission_eigenvalues() -> None:
    device = random_device(9, leads=TWO_LEADS)
    found = na.shot_noise_factor(device, ENERGIES)
    for k, e in enumerate(ENERGIES):
        eigenvalues = np.linalg.svd(oracles.scattering_amplitudes(oracles.dense(device, e), 0, 1))[1] ** 2
        assert abs(found[k] - np.sum(eigenvalues * (1 - eigenvalues))) <= 1e-11


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("cut", range(1, 4))
def test_bond_current_through_a_cut_is_the_transmission(cut: int, overlap: bool) -> None:
    device = random_device(12, overlap=overlap)
    offset = device.hamiltonian.offsets[cut]
    a, b = np.asarray(device.bonds).T
    crossing = (a < offset) & (b >= offset)
    # positive from b to a, the source (lead 0) on the side of a: the current flows from a to b
    through = -na.bond_current(device, ENERGIES, source=0)[:, crossing].sum(axis=1)
    assert np.max(np.abs(through - na.transmission(device, ENERGIES))) <= 1e-12


def test_bonds_are_the_non_zero_pairs_row_by_row() -> None:
    device = random_device(1)
    dense = np.abs(np.asarray(device.hamiltonian.to_dense())) + np.abs(np.asarray(device.overlap.to_dense()))
    expected = np.argwhere(np.triu(dense, 1) != 0)
    assert np.array_equal(device.bonds, expected)


@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
def test_observable_is_the_same_on_every_backend(observable: Observable, backend: Backend) -> None:
    device = random_device(7, leads=MANY_LEADS)
    moved, energies = backend(device), backend.convert(ENERGIES)
    for options in ({"eta": 0.1}, {"eta": 0.0}):
        expected, pullback = observable.vjp(device, ENERGIES, **options)
        found = observable.value(moved, energies, **options)
        assert type(found) is type(energies)
        assert close(host(found), expected, 1e-12)
        found, moved_pullback = observable.vjp(moved, energies, **options)
        assert close(host(found), expected, 1e-12)
        weights = np.random.default_rng(0).normal(size=expected.shape)
        bar, moved_bar = pullback(weights), host(moved_pullback(backend.convert(weights)))
        for name, part in device_parts(device, 1):
            expected_share, share = inner(bar.device, part), inner(moved_bar.device, part)
            assert abs(share - expected_share) <= 1e-10 * max(abs(expected_share), 1.0), name
        assert close(moved_bar.energies, bar.energies, 1e-10)


@pytest.mark.parametrize("name", ["strip", "ribbon", "sparse"])
@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
def test_observable_with_sparse_hoppings_is_the_same_on_every_backend(
    observable: Observable, name: str, backend: Backend
) -> None:
    device = {
        "strip": strip(3, 3, flux=0.3, disorder=0.5),
        "ribbon": ribbon(3, 2, disorder=0.5),
        "sparse": random_device(7, (3, 4, 4), sparse=True),
    }[name]
    expected, pullback = observable.vjp(device, ENERGIES)
    value, moved_pullback = observable.vjp(backend(device), backend.convert(ENERGIES))
    assert close(host(value), observable.dense(device, ENERGIES).value.real, 1e-11)
    weights = np.random.default_rng(0).normal(size=expected.shape)
    bar, moved_bar = pullback(weights), host(moved_pullback(backend.convert(weights)))
    for part, tangent in device_parts(device, 1):
        share = inner(bar.device, tangent)
        assert abs(inner(moved_bar.device, tangent) - share) <= 1e-10 * max(abs(share), 1.0), part


@pytest.mark.slow
@pytest.mark.parametrize("options", BROADENINGS)
@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
@settings(max_examples=60)
@given(device=devices(), seed=st.integers(0, 2**31))
def test_observable_adjoint_identity_holds_on_many_devices(
    observable: Observable, options: dict[str, float], device: na.Device, seed: int
) -> None:
    value, pullback = observable.vjp(device, ENERGIES, **options)
    expected = observable.dense(device, ENERGIES, **options).value.real
    tolerance = rounding(device, ENERGIES, **options)
    assert close(value, expected, tolerance)
    weights = np.random.default_rng(seed).normal(size=value.shape)
    bar = pullback(weights).device
    for name, part in device_parts(device, seed):
        tangent = observable.dense(device, ENERGIES, tangent=part, **options).tangent.real
        scale = np.linalg.norm(weights) * max(np.linalg.norm(tangent), 1e-3 * np.linalg.norm(value))
        rounded = 1e3 * EPS * np.linalg.norm(weights)  # of what is zero: a current into a dead end
        assert abs(np.sum(weights * tangent) - inner(bar, part)) <= max(1e-10, tolerance) * scale + rounded, name
