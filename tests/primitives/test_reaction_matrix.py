"""The reaction matrix: identities of the scattering theory, against whole matrices and complex elimination."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
from cases import LeadKind, random_device

import negfadj as na
from negfadj.physics import request as request_module
from negfadj.physics.request import Request
from negfadj.primitives import reaction_matrix as module
from negfadj.primitives.broadening_factor import broadening_factor
from negfadj.testing import check_vjp

EPS = 2.2e-16
ENERGIES = np.array([-1.3, -0.4, 0.2, 1.1])
OBSERVABLES = {
    "transmission": {},
    "transmission_matrix": {},
    "transmission_sensitivity": {"source": 1, "drain": 0},
    "shot_noise_factor": {},
    "local_density_of_states": {},
    "lead_density": {"source": 1},
    "bond_current": {},
}


@pytest.fixture(autouse=True)
def by_reaction_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is off by default."""
    monkeypatch.setattr(request_module, "REACTION_MATRIX", True)


def wire(seed: int = 0, width: int = 3, length: int = 5, phase: float = 0.0) -> na.Device:
    """A disordered square wire, real unless there is a phase on its hoppings."""
    rng = np.random.default_rng(seed)
    cell = -np.eye(width, k=1) - np.eye(width, k=-1)
    hopping = -np.diag(np.exp(1j * phase * np.arange(width))) if phase else -np.eye(width)
    leads = (na.Lead(cell, hopping.conj().T, block=0), na.Lead(cell, hopping, block=-1))
    blocks = [cell + np.diag(rng.uniform(-0.5, 0.5, width)) for _ in range(length)]
    return na.Device(na.BlockTridiagonal(blocks, [hopping] * (length - 1)), leads)


def devices() -> dict[str, na.Device]:
    three = (LeadKind(0, 4), LeadKind(-1, 4), LeadKind(1, 2))
    return {
        "real": wire(),
        "complex": wire(phase=0.3),
        "three-leads": random_device(3, (4, 3, 5, 4), three),
        "overlap": random_device(4, (4, 3, 5, 4), three, overlap=True),
    }


def by_complex_elimination() -> Any:
    return mock.patch.object(Request, "arithmetic", None)


def cotangents(bar: Any) -> list[np.ndarray]:
    h = bar.device.hamiltonian
    leads = [getattr(lead, name) for lead in bar.device.leads for name in ("onsite", "hopping", "coupling")]
    overlap = () if bar.device.overlap is None else (*bar.device.overlap.diagonal, *bar.device.overlap.upper)
    return [*h.diagonal, *h.upper, *overlap, *leads, bar.energies]


@pytest.mark.parametrize("kind", ["real", "complex", "three-leads", "overlap"])
@pytest.mark.parametrize("name", OBSERVABLES)
def test_observable_equals_that_of_complex_elimination(name: str, kind: str) -> None:
    device = devices()[kind]
    found = getattr(na, name)(device, ENERGIES, **OBSERVABLES[name])
    with by_complex_elimination():
        expected = getattr(na, name)(device, ENERGIES, **OBSERVABLES[name])
    assert np.max(np.abs(found - expected)) <= 1e-9 * max(1.0, np.max(np.abs(expected)))


@pytest.mark.parametrize("kind", ["real", "complex", "three-leads", "overlap"])
@pytest.mark.parametrize("name", ["transmission_vjp", "shot_noise_factor_vjp"])
def test_gradient_equals_that_of_complex_elimination(name: str, kind: str) -> None:
    device, weights = devices()[kind], np.array([0.3, -1.0, 0.7, 2.0])
    found = getattr(na, name)(device, ENERGIES)[1](weights)
    with by_complex_elimination():
        expected = getattr(na, name)(device, ENERGIES)[1](weights)
    for x, y in zip(cotangents(found), cotangents(expected)):
        assert np.max(np.abs(x - y)) <= 1e-8 * max(1.0, np.max(np.abs(y)))


@pytest.mark.parametrize("wrt", ["onsite", (np.array([0, 1, 4, 7]), np.array([0, 2, 1, 8]))], ids=["onsite", "pattern"])
def test_parts_of_the_gradient_are_those_of_the_whole(wrt: Any) -> None:
    device, weights = wire(), np.ones(4)
    found = na.transmission_vjp(device, ENERGIES)[1](weights, wrt=wrt).device.hamiltonian.values
    with by_complex_elimination():
        expected = na.transmission_vjp(device, ENERGIES)[1](weights, wrt=wrt).device.hamiltonian.values
    assert np.max(np.abs(found - expected)) <= 1e-9 * np.max(np.abs(expected))


def test_gradient_by_every_block_passes_the_check() -> None:
    device = wire(width=2, length=3)

    def of(diagonal: np.ndarray, vjp: bool) -> Any:
        moved = na.Device(na.BlockTridiagonal(list(diagonal), device.hamiltonian.upper), device.leads)
        return na.transmission_vjp(moved, ENERGIES) if vjp else na.transmission(moved, ENERGIES)

    def value(onsite: np.ndarray) -> np.ndarray:
        return of(np.stack([h + np.diag(v) for h, v in zip(device.hamiltonian.diagonal, onsite)]), False)

    def value_vjp(onsite: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        t, pullback = of(np.stack([h + np.diag(v) for h, v in zip(device.hamiltonian.diagonal, onsite)]), True)
        return t, lambda t_bar: pullback(t_bar, wrt="onsite").device.hamiltonian.onsite.reshape(3, 2)

    check_vjp(value, value_vjp, (np.full((3, 2), 0.1),))


@pytest.mark.parametrize("limit", [0.0, 30.0])
def test_energies_that_lose_digits_are_done_again_alone(limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    device, energies, weights = wire(length=6), np.linspace(-1.93, 1.87, 23), np.linspace(1, 2, 23)
    value, pullback = na.transmission_vjp(device, energies)
    monkeypatch.setattr(module, "LARGEST_GROWTH", limit)
    monkeypatch.setattr(module, "LARGEST_CORRECTED", 2 * limit)
    again, pullback_again = na.transmission_vjp(device, energies)
    assert np.max(np.abs(value - again)) <= 1e-9
    assert np.max(np.abs(na.transmission(device, energies) - again)) <= 1e-9
    for x, y in zip(cotangents(pullback(weights)), cotangents(pullback_again(weights))):
        assert np.max(np.abs(x - y)) <= 1e-8 * max(1.0, np.max(np.abs(y)))


def _shifted(plain: Any, system: Any, *, keep: bool = False, shift: float = 0.0, corrected: bool = False) -> Any:
    return plain(system, keep=keep, shift=0.4, corrected=corrected)


def test_a_shifted_split_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    device, weights = wire(), np.ones(4)
    value, pullback = na.transmission_vjp(device, ENERGIES)
    density, matrix = na.local_density_of_states(device, ENERGIES), na.transmission_matrix(device, ENERGIES)
    plain = module.reaction_matrix
    for name in ("negfadj.primitives.reaction_matrix", "negfadj.primitives.transmission_matrix"):
        shifted = partial(_shifted, plain)
        monkeypatch.setattr(f"{name}.reaction_matrix", shifted)
    again, pullback_again = na.transmission_vjp(device, ENERGIES)
    assert np.allclose(value, again, rtol=0, atol=1e-10)
    assert np.allclose(density, na.local_density_of_states(device, ENERGIES), rtol=0, atol=1e-10)
    assert np.allclose(matrix, na.transmission_matrix(device, ENERGIES), rtol=0, atol=1e-10)
    for x, y in zip(cotangents(pullback(weights)), cotangents(pullback_again(weights))):
        assert np.max(np.abs(x - y)) <= 1e-9 * max(1.0, np.max(np.abs(y)))


@pytest.mark.parametrize("choice", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_broadening_factor_gives_the_broadening_back_with_its_rank(choice: Any, dtype: type) -> None:
    rng = np.random.default_rng(5)
    w = rng.normal(size=(3, 6, 2)) + (1j * rng.normal(size=(3, 6, 2)) if dtype is np.complex128 else 0)
    w[1, :, 1] = 0  # fewer channels at one energy
    gamma = w @ np.conj(np.swapaxes(w, 1, 2))
    with na.use_kernels(choice):
        factor, left = broadening_factor(gamma, np.full(3, 20.0))
        _, left_of_indefinite = broadening_factor(gamma - 0.1 * np.eye(6), np.full(3, 20.0))
    assert factor.shape == (3, 6, 2) and factor.dtype == dtype
    assert np.max(np.abs(factor @ np.conj(np.swapaxes(factor, 1, 2)) - gamma)) <= 100 * EPS * np.max(np.abs(gamma))
    assert np.all(left <= 100 * EPS * np.max(np.abs(gamma))) and np.all(left_of_indefinite > 0.01)


@pytest.mark.parametrize("kind", ["real", "complex", "three-leads", "overlap"])
def test_reaction_kernels_are_their_references(kind: str) -> None:
    device, weights = devices()[kind], np.ones(4)
    value, pullback = na.transmission_vjp(device, ENERGIES)
    currents = na.bond_current(device, ENERGIES)
    with na.use_kernels("reference"):
        plain, plain_pullback = na.transmission_vjp(device, ENERGIES)
        assert np.allclose(value, plain, rtol=0, atol=1e-10)
        assert np.allclose(currents, na.bond_current(device, ENERGIES), rtol=0, atol=1e-10)
        for x, y in zip(cotangents(pullback(weights)), cotangents(plain_pullback(weights))):
            assert np.max(np.abs(x - y)) <= 1e-9 * max(1.0, np.max(np.abs(y)))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 23, 24, 25, 40, 57, 100])
def test_gauss_jordan_inverse_is_accurate_and_nan_for_a_singular_matrix(n: int) -> None:
    from negfadj.array import inverse

    x = np.random.default_rng(n).normal(size=(2, n, n))
    x[1, :, -1] = 0
    found = inverse(x)
    assert np.max(np.abs(found[0] @ x[0] - np.eye(n))) <= 50 * n * EPS * np.linalg.cond(x[0])
    assert np.all(np.isnan(found[1]))
