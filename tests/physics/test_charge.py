"""The charge: closed forms, a dense oracle, independence of the lead in equilibrium, rigid shifts, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from biased_devices import chain, random_device
from transistors import transistor

import negfadj as na
from negfadj.callers.transistor_system import build_transistor
from negfadj.constants import BOLTZMANN
from negfadj.errors import InputError, ShapeError
from negfadj.physics.band_edges import band_extent
from negfadj.physics.charge import ChargeProblem, charge, charge_problem, charge_vjp
from negfadj.physics.charge_response import ChargeResponse
from negfadj.physics.potential import device_in_potential, device_in_potential_vjp
from negfadj.testing import check_vjp


def test_half_filled_chain_has_half_an_electron_per_spin() -> None:
    for temperature in (1.0, 300.0, 1000.0):
        found = charge(chain(5), 0.0, temperature=temperature, spin_degeneracy=1)
        np.testing.assert_allclose(found.populations, 0.5, atol=2e-8)


def test_charge_of_a_chain_is_the_integral_of_its_density_of_states() -> None:
    # n = 2 ∫ f(E) dE / (π √(4t² − E²)) = 2 ∫_0^π f(−2t cos k) dk/π, summed by the trapezoidal rule (periodic: exact)
    kt, mu = 300 * BOLTZMANN, 0.7
    k = np.linspace(0, 2 * np.pi, 20000, endpoint=False)
    expected = 2 * np.mean(1 / (1 + np.exp((-2 * np.cos(k) - mu) / kt)))
    np.testing.assert_allclose(charge(chain(3), mu, temperature=300).populations, expected, atol=3e-8)


def test_charge_in_equilibrium_does_not_depend_on_the_lead_taken() -> None:
    found = charge(random_device(), 0.2, temperature=300)
    assert found.error.max() == 0
    assert found.by_equilibrium_lead.shape == (2, 8)


def test_two_choices_of_the_lead_in_equilibrium_agree_under_bias() -> None:
    found = charge(random_device(), [0.25, -0.15], temperature=300, error=1e-8)
    assert found.error.max() <= 1e-7
    moved = charge(random_device(), 0.25, temperature=300).populations
    assert np.abs(moved - found.populations).max() > 1e-3


def test_charge_counts_all_states_when_everything_is_filled() -> None:
    # tr(D S) of the device, its overlap with the leads not counted: without overlap 2 for every orbital
    device = random_device(overlap=False)
    levels = np.linalg.eigvalsh(device.hamiltonian.to_dense())
    top = max(*(band_extent(lead)[1] for lead in device.leads), levels.max())
    lowest_top = min(band_extent(lead)[1] for lead in device.leads)
    kelvin = 3000.0
    mu = lowest_top + 28 * kelvin * BOLTZMANN  # 1 − f is 1e-12 at the top of a lead, and small at the top of all
    assert mu > top + 16 * kelvin * BOLTZMANN
    found = charge(device, mu, temperature=kelvin)
    np.testing.assert_allclose(found.populations, 2, atol=1e-6)


@pytest.mark.parametrize("overlap", [False, True])
def test_charge_under_bias_is_that_of_a_dense_quadrature(overlap: bool) -> None:
    device, mus, kt = random_device(overlap=overlap), (0.25, -0.15), 1000 * BOLTZMANN
    # D = ∫ dE/2π Σ_c f_c G Γ_c G†, on the real axis just above it, where every state of this device is broad
    energies = np.linspace(-9, 6, 30_001)
    eta, total = 1e-4, np.zeros(8)
    s = np.eye(8) if device.overlap is None else device.overlap.to_dense()
    for part in np.array_split(energies, 15):
        f = 1 / (1 + np.exp((part[:, None] - np.array(mus)) / kt))
        for c in (0, 1):
            states = na.lead_density(device, part, source=c, eta=eta) if not overlap else None
            if states is None:
                states = _mulliken(device, part, c, eta, s)
            total += 2 * (energies[1] - energies[0]) * (f[:, c] @ states)
    found = charge(device, mus, temperature=1000).populations
    np.testing.assert_allclose(found, total, atol=2e-4)


def _mulliken(device: na.Device, energies: np.ndarray, source: int, eta: float, s: np.ndarray) -> np.ndarray:
    from self_energies import self_energy

    sigmas = [self_energy(lead, energies, eta) for lead in device.leads]
    h = device.hamiltonian.to_dense()
    a = energies[:, None, None] * s - h + 0j
    a[:, :3, :3] -= sigmas[0]
    a[:, 5:, 5:] -= sigmas[1]
    g = np.linalg.inv(a)
    sigma = sigmas[source]
    columns = g[:, :, :3] if source == 0 else g[:, :, 5:]
    spectral = columns @ (1j * (sigma - sigma.conj().swapaxes(1, 2))) @ columns.conj().swapaxes(1, 2)
    return np.real(np.einsum("eab,ba->ea", spectral, s)) / (2 * np.pi)


def test_bound_state_below_the_band_is_filled() -> None:
    # an impurity at −5 t: the bound state at −√(4t² + ε²), weight |ε|/√(4 + ε²) on its site, is all filled
    onsite = np.array([0, 0, 0, -5.0, 0, 0, 0])
    found = charge(chain(7, onsite), [-2.02, -2.021], temperature=10)
    np.testing.assert_allclose(found.populations[3], 2 * 5 / np.sqrt(29), atol=1e-6)


def test_rigid_shift_leaves_the_charge_unchanged() -> None:
    device, u = random_device(), 0.37
    shifted = device_in_potential(device, np.full(8, u), [u, u])
    before = charge(device, [0.25, -0.15], temperature=300).populations
    after = charge(shifted, [0.25 + u, -0.15 + u], temperature=300).populations
    np.testing.assert_allclose(after, before, atol=1e-7)


@pytest.mark.parametrize("equilibrium", [0, 1, "mean"])
@pytest.mark.parametrize("mus", [pytest.param((0.25, -0.15), marks=pytest.mark.slow), (0.1, 0.1)])
def test_charge_vjp_agrees_with_differences(equilibrium: int | str, mus: tuple[float, float]) -> None:
    options: dict[str, Any] = {"eta": 1e-2, "equilibrium": equilibrium, "error": 1e-9}

    def value(device: na.Device, mu: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
        return charge(device, mu, temperature=1000 * kelvin, **options).populations  # type: ignore[no-any-return, arg-type]

    def value_vjp(device: na.Device, mu: np.ndarray, kelvin: np.ndarray):  # type: ignore[no-untyped-def]
        found, pullback = charge_vjp(device, mu, temperature=1000 * kelvin, **options)  # type: ignore[arg-type]

        def in_thousands(bar: np.ndarray):  # type: ignore[no-untyped-def]
            bars = pullback(bar)
            return bars.device, bars.chemical_potentials, np.asarray(1000 * bars.temperature)

        return found.populations, in_thousands

    check_vjp(value, value_vjp, (random_device(), np.array(mus), np.array(1.0)), rtol=1e-6, step=1e-2)


@pytest.mark.parametrize("overlap", [False, True])
def test_device_in_potential_vjp_agrees_with_differences(overlap: bool) -> None:
    rng = np.random.default_rng(3)

    def value(device: na.Device, u: np.ndarray, of_leads: np.ndarray) -> na.Device:
        return device_in_potential(device, u, of_leads)

    def value_vjp(device: na.Device, u: np.ndarray, of_leads: np.ndarray):  # type: ignore[no-untyped-def]
        found, pullback = device_in_potential_vjp(device, u, of_leads)

        def arrays(bar: na.Device):  # type: ignore[no-untyped-def]
            bars = pullback(bar)
            return bars.device, bars.potential_energy, np.asarray(bars.lead_potential_energy)

        return found, arrays

    check_vjp(value, value_vjp, (random_device(overlap=overlap), rng.normal(size=8), np.array([0.2, -0.1])))


def test_charge_refuses_what_has_no_meaning() -> None:
    with pytest.raises(InputError, match="temperature=0 must be one positive number"):
        charge(chain(3), 0.0, temperature=0)
    with pytest.raises(ShapeError, match=r"\(3,\) but there are 2 leads"):
        charge(chain(3), [0.0, 0.1, 0.2], temperature=300)
    with pytest.raises(InputError, match=r"potentials\[1\]=2\.8 eV lies above all bands of leads\[1\], -2 … 2 .*full"):
        charge(chain(3), [0.0, 2.8], temperature=300)
    with pytest.raises(InputError, match=r"potentials\[0\]=-2\.8 eV lies below .*that lead is empty.*neutral_lead"):
        charge(chain(3), [-2.8, 0.0], temperature=300)
    tabulated = na.Device(chain(2).hamiltonian, (na.SelfEnergy(-0.1j * np.ones((2, 1, 1))),))
    with pytest.raises(InputError, match="known only by its self-energy at 2 real energies"):
        charge(tabulated, 0.0, temperature=300)


def test_chemical_potential_in_a_gap_is_that_of_an_insulating_lead() -> None:
    # dimers: bands ±(0.3 … 1.7), half filled at any μ in the gap
    cell, hop = np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([[0.0, 0.0], [-0.7, 0.0]])
    leads = tuple(na.Lead(cell, h, block=k) for h, k in ((hop.T, 0), (hop, -1)))
    device = na.Device(na.BlockTridiagonal([cell] * 3, [hop] * 2), leads)
    for mu in (-0.1, 0.0, 0.1):
        np.testing.assert_allclose(charge(device, mu, temperature=30).populations, 1, atol=1e-7)


@pytest.mark.parametrize("coupling", [1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("level", [-0.11, 0.137])
def test_narrow_level_in_the_window_is_filled_by_the_leads_in_the_ratio_of_their_couplings(
    level: float, coupling: float
) -> None:
    # Γ_1 = 4 Γ_0 = 8 t²: n = 2 (f_0 + 4 f_1)/5 up to Γ/kT; a wide level beside it hides the tails
    mus, kt = np.array([0.3, -0.3]), 300 * BOLTZMANN
    leads = [na.Lead(0 * np.eye(2), -np.eye(2), coupling=-np.diag([0.5, t]), block=0) for t in (coupling, 2 * coupling)]
    device = na.Device(na.BlockTridiagonal([np.diag([0.1, level])], []), leads)
    f = 1 / (1 + np.exp((level - mus) / kt))
    found = charge(device, mus, temperature=300, error=1e-8)
    assert found.error.max() <= 1e-7
    assert abs(found.populations[1] - 2 * (f[0] + 4 * f[1]) / 5) <= 1e-7 + 1e2 * coupling**2


def test_level_that_no_lead_reaches_is_filled_by_the_equilibrium_part() -> None:
    mus, kt = np.array([0.3, -0.3]), 300 * BOLTZMANN
    leads = [na.Lead(0 * np.eye(2), -np.eye(2), coupling=-np.diag([0.5, 0]), block=0) for _ in mus]
    device = na.Device(na.BlockTridiagonal([np.diag([0.1, 0.04])], []), leads)
    f = 1 / (1 + np.exp((0.04 - mus) / kt))
    found = charge(device, mus, temperature=300)
    assert abs(found.populations[1] - 2 * f.mean()) <= 1e-7
    assert abs(found.error[1] - 2 * (f[0] - f[1])) <= 1e-7  # the choices show it
    alone = charge(device, mus, temperature=300, equilibrium=1)
    assert abs(alone.populations[1] - 2 * f[1]) <= 1e-7


def test_level_that_the_nodes_miss_is_found() -> None:
    # on the first nodes its tail is below the error allowed; what the two choices differ by shows it
    problem = _problem_with_a_level(0.137, 1e-5, error=1e-4)
    missed, found = problem.charge(), problem.solved()[0]
    assert missed.error.max() > 1
    assert found.error.max() <= 1e-3


def _problem_with_a_level(level: float, coupling: float, error: float) -> ChargeProblem:
    leads = [na.Lead(0 * np.eye(2), -np.eye(2), coupling=-np.diag([0.5, t]), block=0) for t in (coupling, 2 * coupling)]
    return charge_problem(
        na.Device(na.BlockTridiagonal([np.diag([0.1, level])], []), leads),
        [0.3, -0.3],
        temperature=300,
        equilibrium="mean",
        spin_degeneracy=2,
        eta=0.0,
        device_eta=0.0,
        lead_method="auto",
        backend=None,
        memory_limit=None,
        error=error,
        lowest=None,
        max_energies=20_000,
    )


def test_response_finds_the_level_that_the_nodes_miss() -> None:
    problem = _problem_with_a_level(0.137, 1e-5, error=1e-4)
    np.testing.assert_allclose(ChargeResponse(problem).populations(), problem.solved()[0].populations, atol=1e-10)


@pytest.mark.slow
def test_charge_of_a_nanotube_at_no_potential_is_that_of_its_modes() -> None:
    # the tube cut between two rings has end states at E = 0, a chemical potential and the middle of the gap
    charges = []
    for modes in ('"atoms"', '"all"'):
        system = build_transistor(transistor(("modes = 1", f"modes = {modes}")))
        mus = system.chemical_potentials(0.2)
        device = device_in_potential(system.device, np.zeros(system.device.n_orbitals), mus)
        found = charge(device, mus, temperature=300, spin_degeneracy=system.spin_degeneracy, error=1e-8)
        assert found.error.max() <= 1e-7 and found.n_energies <= 400
        charges.append(np.bincount(system.sites, found.populations))
    np.testing.assert_allclose(charges[0], charges[1], atol=1e-6)


@pytest.mark.parametrize("overlap", [False, True])
def test_two_choices_agree_when_the_leads_are_broadened(overlap: bool) -> None:
    # what is left are the Lorentzian tails below the lowest energy, about η/10 of a state times the change of r there
    found = charge(random_device(overlap=overlap), [0.25, -0.15], temperature=300, eta=1e-3)
    assert found.error.max() <= 3e-7
