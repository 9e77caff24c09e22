"""Populations in equilibrium and injected: against dense inverses; tangents, transposes and pullbacks of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import Backend, host
from biased_devices import random_device

import negfadj as na
from negfadj.physics.charge import charge, charge_problem
from negfadj.physics.charge_response import ChargeResponse
from negfadj.physics.potential import device_in_potential
from negfadj.primitives.lead_population import lead_population, lead_population_vjp
from negfadj.primitives.open_system import OpenSystem
from negfadj.primitives.population import population, population_vjp

Z = np.array([0.3 + 0.2j, -0.4 + 0.05j, 1.1 + 1.5j])


def system(device: na.Device, seed: int = 0) -> OpenSystem:
    """A device with random self-energies, retarded, on its first and last blocks."""
    rng = np.random.default_rng(seed)

    def sigma() -> np.ndarray:
        x = rng.normal(size=(len(Z), 3, 3))
        return 0.1 * (x + x.transpose(0, 2, 1)) - 0.2j * (x @ x.transpose(0, 2, 1))

    return OpenSystem(Z, device.hamiltonian, device.overlap, (sigma(), sigma()), (0, 2), (None, None))


def dense(s: OpenSystem) -> tuple[np.ndarray, np.ndarray]:
    h = s.hamiltonian.to_dense()
    overlap = np.eye(len(h)) if s.overlap is None else s.overlap.to_dense()
    a = s.z[:, None, None] * overlap - h
    a[:, :3, :3] -= s.self_energies[0]
    a[:, 5:, 5:] -= s.self_energies[1]
    return np.linalg.inv(a), overlap


@pytest.mark.parametrize("overlap", [False, True])
def test_population_is_that_of_a_dense_inverse(overlap: bool) -> None:
    s = system(random_device(overlap=overlap))
    g, s_dense = dense(s)
    expected = np.diagonal(g @ s_dense + s_dense @ g, axis1=1, axis2=2) / 2
    # blocks 0 and 2 do not overlap, so the tridiagonal blocks hold all of it
    np.testing.assert_allclose(population(s), expected, rtol=0, atol=1e-13 * np.abs(g).max() ** 2)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("source", [0, 1])
def test_lead_population_is_that_of_a_dense_inverse(overlap: bool, source: int) -> None:
    s = system(random_device(overlap=overlap))
    g, s_dense = dense(s)
    sigma = s.self_energies[source]
    gamma = np.zeros_like(g)
    place = slice(0, 3) if source == 0 else slice(5, 8)
    gamma[:, place, place] = 1j * (sigma - sigma.conj().transpose(0, 2, 1))
    spectral = g @ gamma @ g.conj().transpose(0, 2, 1)
    expected = np.real(np.diagonal(spectral @ s_dense, axis1=1, axis2=2))
    found = lead_population(s, sources=[source])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(g).max() ** 2)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("injected", [False, True])
def test_population_vjp_agrees_with_differences(overlap: bool, injected: bool) -> None:
    device, rng = random_device(overlap=overlap), np.random.default_rng(1)

    def value(h: float, d: Any) -> np.ndarray:
        moved = na.Device(
            na.BlockTridiagonal(
                [x + h * y for x, y in zip(device.hamiltonian.diagonal, d["diagonal"])],
                [x + h * y for x, y in zip(device.hamiltonian.upper, d["upper"])],
            ),
            device.leads,
            None
            if device.overlap is None
            else na.BlockTridiagonal(
                device.overlap.diagonal, [x + h * y for x, y in zip(device.overlap.upper, d["overlap"])]
            ),
        )
        s = system(moved)
        return lead_population(s, sources=[0, 1]) if injected else population(s)

    d = {
        "diagonal": [x + x.T for x in (rng.normal(size=b.shape) for b in device.hamiltonian.diagonal)],
        "upper": [rng.normal(size=b.shape) for b in device.hamiltonian.upper],
        "overlap": [0.1 * rng.normal(size=b.shape) for b in device.hamiltonian.upper],
    }
    s = system(device)
    found, pullback = lead_population_vjp(s, sources=[0, 1]) if injected else population_vjp(s)
    weights = rng.normal(size=found.shape) + (0 if injected else 1j * rng.normal(size=found.shape))
    bar = pullback(weights)
    exact = sum(np.sum(np.real(x.conj() * y)) for x, y in zip(bar.hamiltonian.diagonal, d["diagonal"]))
    exact += sum(np.sum(np.real(x.conj() * y)) for x, y in zip(bar.hamiltonian.upper, d["upper"]))
    if overlap:
        exact += sum(np.sum(np.real(x.conj() * y)) for x, y in zip(bar.overlap.upper, d["overlap"]))
    h = 2e-4

    def loss(x: float) -> float:
        return float(np.sum(np.real(weights.conj() * value(x, d))))

    slope = (8 * (loss(h) - loss(-h)) - loss(2 * h) + loss(-2 * h)) / (12 * h)
    assert abs(exact - slope) <= 1e-8 * abs(slope)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("mus", [(0.25, -0.15), (0.1, 0.1)])
def test_charge_response_is_the_derivative_of_the_charge(overlap: bool, mus: tuple[float, float]) -> None:
    device, rng = random_device(overlap=overlap), np.random.default_rng(0)
    du, n_bar = rng.normal(size=(2, 8))

    def response(x: float) -> ChargeResponse:
        return ChargeResponse(
            charge_problem(
                device_in_potential(device, x * du, [0.0, 0.0]),
                mus,
                temperature=1000.0,
                equilibrium="mean",
                spin_degeneracy=2.0,
                eta=0.0,
                device_eta=0.0,
                lead_method="auto",
                backend=None,
                memory_limit=None,
                error=1e-10,
                lowest=-20.0,
                max_energies=20_000,
            )
        )

    here, h = response(0.0), 1e-2
    found = here.tangent(du)
    moved = {k: response(k * h).populations() for k in (-2, -1, 1, 2)}
    slope = (8 * (moved[1] - moved[-1]) - moved[2] + moved[-2]) / (12 * h)
    np.testing.assert_allclose(found, slope, rtol=0, atol=2e-6 * np.abs(slope).max())
    assert np.isclose(n_bar @ found, here.transposed(n_bar) @ du, rtol=1e-12)


def test_response_in_equilibrium_is_symmetric_and_sheds_electrons() -> None:
    # the static susceptibility of an orthogonal basis: symmetric, negative semi-definite
    device = random_device(overlap=False)
    problem = charge_problem(
        device,
        0.1,
        temperature=1000.0,
        equilibrium=0,
        spin_degeneracy=2.0,
        eta=0.0,
        device_eta=0.0,
        lead_method="auto",
        backend=None,
        memory_limit=None,
        error=1e-10,
        lowest=None,
        max_energies=20_000,
    )
    response = ChargeResponse(problem)
    chi = np.stack([response.tangent(row) for row in np.eye(8)], axis=1)
    np.testing.assert_allclose(chi, chi.T, rtol=0, atol=1e-10)
    assert np.linalg.eigvalsh(chi).max() <= 1e-8


def test_charge_is_the_same_on_every_array_library(backend: Backend) -> None:
    device = random_device()
    expected = charge(device, [0.25, -0.15], temperature=1000.0)
    found = charge(backend(device), [0.25, -0.15], temperature=1000.0)
    np.testing.assert_allclose(host(found.populations), expected.populations, rtol=0, atol=1e-12)
    np.testing.assert_allclose(host(found.error), expected.error, rtol=0, atol=1e-12)
