"""The gradient of T from one lead alone is that from both where a real system allows it, and is not taken elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, open_system, random_array, random_device, strip

import negfadj as na
from negfadj.array import leaves, rebuild
from negfadj.primitives import transmission
from negfadj.primitives.channels import channels_of
from negfadj.primitives.open_system import OpenSystem
from negfadj.primitives.reflection import reflection_of
from negfadj.primitives.transmission import transmission_sensitivity, transmission_vjp

ENERGIES = np.array([-0.45, 0.3, 0.52])
LEADS = {
    "ends": (LeadKind(0, 2), LeadKind(-1, 3)),
    "other way round": (LeadKind(-1, 2), LeadKind(0, 3)),
    "inside": (LeadKind(1, 2, "thin"), LeadKind(2, 4, "singular")),
    "one block": (LeadKind(1, 2, "thin"), LeadKind(1, 4, "singular")),
}


def real_system(leads: str = "ends", *, overlap: bool = True) -> OpenSystem:
    return open_system(random_device(5, (4, 5, 5, 4), LEADS[leads], is_complex=False, overlap=overlap), ENERGIES)


def both(system: OpenSystem, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """(T, pullback) by the reflection, and from both leads."""
    found = transmission_vjp(system, source=0, drain=1)
    with monkeypatch.context() as patch:
        patch.setattr(transmission, "reflection_of", lambda system: None)
        return found, transmission_vjp(system, source=0, drain=1)


def felt(bar: Any, system: OpenSystem) -> list[np.ndarray]:
    """Cotangents of H and S, Re z̄ (energies are real), and what changes of Σ feel that leave the rank of Γ alone."""
    found = [host(x) for part in (bar.hamiltonian, bar.overlap) for x in leaves(part) if not isinstance(x, float)]
    if bar.z is None:
        return found
    found.append(host(bar.z).real)
    for lead, sigma_bar in enumerate(bar.self_energies):
        w, rng = host(channels_of(system, lead).columns), np.random.default_rng(lead)
        w = w * (np.linalg.norm(w, axis=1, keepdims=True) > 1e-6)  # no columns that rounding has made
        turned = random_array(rng, *w.shape) @ w.conj().swapaxes(1, 2)
        shifted = random_array(rng, *sigma_bar.shape)
        changes = (turned + turned.conj().swapaxes(1, 2)) / 2j, shifted + shifted.conj().swapaxes(1, 2)
        found += [np.sum(host(sigma_bar).conj() * change, axis=(1, 2)).real for change in changes]
    return found


def assert_same(found: Any, expected: Any, limit: float) -> None:
    for x, y in zip(found, expected, strict=True):
        assert np.max(np.abs(x - y)) <= limit * max(1.0, np.abs(y).max())


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("leads", LEADS)
def test_gradient_is_that_from_both_leads(
    leads: str, overlap: bool, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = backend(real_system(leads, overlap=overlap))
    assert reflection_of(system) is not None
    (value, pullback), (expected, expected_pullback) = both(system, monkeypatch)
    assert_same([host(value)], [host(expected)], 1e-12)
    weights = backend(np.array([0.7, -1.3, 0.4]))
    for wrt in ("all", "onsite"):
        bars = pullback(weights, wrt), expected_pullback(weights, wrt)
        assert_same(*(felt(bar, system) for bar in bars), 1e-10)


def barrier(height: float, length: int = 12) -> na.Device:
    """A chain of cells with a barrier in the middle: T falls by orders of magnitude below its top."""
    device = strip(3, length, disorder=0.1)
    onsite = [h + height * np.eye(3) * (4 <= i < 8) for i, h in enumerate(device.hamiltonian.diagonal)]
    return na.Device(na.BlockTridiagonal(onsite, device.hamiltonian.upper), device.leads)


def test_energies_of_a_barrier_keep_their_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    energies = np.linspace(-3.3, 3.3, 40)
    system = open_system(barrier(1.5), energies)
    reflection = reflection_of(system)
    (value, pullback), (expected, expected_pullback) = both(system, monkeypatch)
    lost = reflection.lost(value)
    assert 0 < len(lost) <= 10 and value[lost].max() < 2e-3
    assert np.max(np.abs(value / expected - 1)) <= 1e-10
    for e in (*lost, len(energies) // 2, len(energies) - 1):  # one at a time: each to digits of its own
        weights = np.where(np.arange(40) == e, 1 / value[e], 0.0)
        assert_same(*(felt(pull(weights), system) for pull in (pullback, expected_pullback)), 1e-10)
        onsite = pullback(weights, "onsite").hamiltonian.onsite
        assert np.max(np.abs(onsite)) > 0.01
    sensitivity = transmission_sensitivity(system, source=0, drain=1)
    monkeypatch.setattr(transmission, "reflection_of", lambda system: None)
    expected = transmission_sensitivity(system, source=0, drain=1)
    assert np.max(np.abs(sensitivity - expected) / value[:, None]) <= 1e-10


def test_more_lost_energies_than_found_ones_are_done_from_both_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    energies = np.linspace(-3.3, 3.3, 12)
    system = open_system(barrier(3.5), energies)
    (value, pullback), (_, expected_pullback) = both(system, monkeypatch)
    assert 4 * len(reflection_of(system).lost(value)) > 12
    weights = 1 / value
    assert_same(*(felt(pull(weights), system) for pull in (pullback, expected_pullback)), 1e-10)


@pytest.mark.parametrize("bond", [1e-4, 1e-6, 1e-8])
def test_level_behind_a_weak_bond_keeps_its_digits(bond: float) -> None:
    """E on a level of what a weak bond cuts off: X is large, T and the flux that comes in are small alike."""
    one, n = np.ones((1, 1)), 7
    hoppings = [-one * (bond if k == 3 else 1.0) for k in range(n - 1)]
    leads = (na.Lead(0 * one, -one, block=0), na.Lead(0 * one, -one, block=-1))
    device = na.Device(na.BlockTridiagonal([0 * one] * n, hoppings), leads)
    value = na.transmission_vjp(device, [1.0])[0][0]
    assert abs(value / (3 * bond**2) - 1) <= 1e-12 + 10 * bond**2
    slopes = na.transmission_sensitivity(device, [1.0])[0] / value
    assert np.max(np.abs(slopes - [1, 0, -1, 1, 1, -1, 0])) <= 1e-11 + 10 * bond**2


def test_gap_of_the_lead_has_no_gradient() -> None:
    system = open_system(strip(3, 5, disorder=0.2), np.array([-7.0, 6.0]))
    value, pullback = transmission_vjp(system, source=0, drain=1)
    assert np.array_equal(value, np.zeros(2)) and not np.any(pullback(np.ones(2), "onsite").hamiltonian.onsite)


@pytest.mark.parametrize("noise", [1e-15, 3e-14])
def test_columns_that_rounding_made_do_no_harm(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Γ of low rank, with rounding that is neither real nor symmetric: its extra columns say nothing."""
    system, rng = real_system(), np.random.default_rng(0)
    w = rng.normal(size=(3, 4, 2))
    sigma = system.self_energies[1]
    sigma = (sigma + sigma.conj().swapaxes(1, 2)).real / 2 - 0.5j * w @ w.swapaxes(1, 2)
    clean, sigma = sigma, sigma + noise * random_array(rng, 3, 4, 4)
    system = rebuild(system, self_energies=(system.self_energies[0], sigma))
    (value, pullback), (expected, expected_pullback) = both(system, monkeypatch)
    assert_same([value], [expected], 1e-11)
    exact = rebuild(system, self_energies=(system.self_energies[0], clean))
    assert_same(*(felt(pull(np.ones(3)), exact) for pull in (pullback, expected_pullback)), 1e-10)


def test_is_not_taken_where_the_symmetry_is_missing() -> None:
    system, rng = real_system(), np.random.default_rng(0)
    assert reflection_of(system) is not None
    first, second = system.self_energies
    others = {
        "complex H": open_system(random_device(5, (4, 5, 5, 4), LEADS["ends"]), ENERGIES),
        "off the real axis": rebuild(system, z=system.z + 1e-6j),
        "a third lead": open_system(
            random_device(5, (4, 5, 5, 4), (*LEADS["ends"], LeadKind(1, 2)), is_complex=False), ENERGIES
        ),
        "Σ not symmetric": rebuild(system, self_energies=(first, second + 1e-8 * random_array(rng, 3, 4, 4))),
        "Γ with a negative eigenvalue": rebuild(system, self_energies=(first, second + 0.2j * np.eye(4))),
    }
    for name, other in others.items():
        assert reflection_of(other) is None, name


@pytest.mark.parametrize("complex_hop", [False, True])
def test_gradient_by_a_lead_is_its_slope(complex_hop: bool) -> None:
    """Through the lead as well: on-site energies and hopping of the lead of which there are the columns."""
    hop = np.array([[1.0, 0.2], [0.1, 0.9]]) * (np.exp(0.3j) if complex_hop else 1.0)
    onsite = np.array([[0.1, -0.4], [-0.4, -0.2]])

    def device(t: float) -> na.Device:
        moved = onsite + t * np.array([[1.0, 0.5], [0.5, -0.3]])
        leads = (na.Lead(onsite, hop, block=0), na.Lead(moved, hop + t, coupling=hop, block=-1))
        return na.Device(na.BlockTridiagonal([onsite + 0.3, onsite - 0.2], [hop]), leads)

    value, pullback = na.transmission_vjp(device(0.0), [0.15])
    bar = pullback(np.ones(1)).device.leads[1]
    h = 1e-4
    ends = [na.transmission(device(t), [0.15])[0] for t in (h, -h, 2 * h, -2 * h)]
    slope = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12 * h)
    found = np.sum(bar.onsite * np.array([[1.0, 0.5], [0.5, -0.3]])).real + np.sum(bar.hopping).real
    assert value[0] > 0.01 and abs(found - slope) <= 1e3 * EPS / h * max(1.0, abs(slope))
