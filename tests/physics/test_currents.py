"""The Landauer current: against independent quadratures, its symmetries and units, its pullback, its refusals."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import pytest
from backends import NUMPY, READONLY, STRICT, Backend, host
from cases import MANY_LEADS, TWO_LEADS, LeadKind, chain, random_device, ribbon, strip
from scipy.integrate import quad
from scipy.special import expit

import negfadj as na
from negfadj.array import is_array, leaves, tree_map

K = 8.617333262e-5  # eV/K
UNIT = 77.48091729863649  # 2e/h · 1 eV [µA]
BARRIER = (0.0, 0.8, 0.8, 0.8, 0.0)
SMOOTH = {"eta": 0.3, "rtol": 1e-9}
THREE_LEADS = (LeadKind(0, 1), LeadKind(-1, 1), LeadKind(0, 1))


def _chain_transmission(energy: float, levels: Any, coupling: float = -1.0, t: float = -1.0) -> float:
    """T of levels in a row between two chains, from the closed-form self-energy and one dense inverse."""
    if abs(energy) >= 2 * abs(t):
        return 0.0
    sigma = coupling**2 * (energy - 1j * np.sqrt(4 * t**2 - energy**2)) / (2 * t**2)
    n = len(levels)
    a = (energy * np.eye(n) - np.diag(levels) - t * (np.eye(n, k=1) + np.eye(n, k=-1))).astype(complex)
    a[0, 0] -= sigma
    a[-1, -1] -= sigma
    return float(4 * sigma.imag**2 * abs(np.linalg.inv(a)[0, -1]) ** 2)


def _window(energy: Any, mu_s: float, mu_d: float, temperature: float) -> Any:
    """f_s − f_d without cancellation."""
    if mu_s < mu_d:
        return -_window(energy, mu_d, mu_s, temperature)
    x_s, x_d = ((energy - mu) / (K * temperature) for mu in (mu_s, mu_d))
    return expit(-x_s) * expit(x_d) * -np.expm1((mu_d - mu_s) / (K * temperature))


def _expected(levels: Any, mu_s: float, mu_d: float, temperature: float) -> float:
    reach = 40 * K * temperature
    low, high = min(mu_s, mu_d) - reach, max(mu_s, mu_d) + reach
    edges = sorted({-2.0, 2.0, mu_s, mu_d, *np.linspace(low, high, 33)})
    inside = [(a, b) for a, b in zip(edges, edges[1:]) if low <= a and b <= high]

    def integrand(e: float) -> float:
        inner = np.sign(mu_s - mu_d) if temperature == 0 else _window(e, mu_s, mu_d, temperature)
        return _chain_transmission(e, levels) * inner

    return UNIT * sum(quad(integrand, a, b, epsabs=1e-13, epsrel=1e-11)[0] for a, b in inside)


def _resonance(coupling: float = -1e-3, level: float = 0.137) -> na.Device:
    lead = {"onsite": [[0.0]], "hopping": [[-1.0]], "coupling": [[coupling]]}
    leads = (na.Lead(**lead, block=0), na.Lead(**lead, block=0))
    return na.Device(na.BlockTridiagonal([np.array([[level]])], []), leads)


# Values -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 4.0, 77.0, 300.0, 1500.0])
@pytest.mark.parametrize("bias", [0.01, 0.6, -0.6])
def test_current_through_a_square_barrier_equals_scipys_quadrature(bias: float, temperature: float) -> None:
    found = na.current(chain(5, onsite=BARRIER), bias, temperature=temperature, fermi_energy=-0.7, rtol=1e-10)
    expected = _expected(BARRIER, -0.7 + bias / 2, -0.7 - bias / 2, temperature)
    assert abs(found - expected) <= 1e-9 * abs(expected)


def test_current_with_a_band_edge_in_the_window_equals_scipys_quadrature() -> None:
    device = chain(2, onsite=[0.4, -0.3])
    found = na.current(device, None, chemical_potentials=(-1.9, -2.2), temperature=300.0, rtol=1e-10)
    expected = _expected([0.4, -0.3], -1.9, -2.2, 300.0)
    assert abs(found - expected) <= 1e-9 * expected


def test_current_of_a_random_device_is_the_integral_of_its_transmission_between_the_chosen_leads() -> None:
    device = random_device(31, (3, 2, 3), MANY_LEADS)
    options = {"source": 2, "drain": 1, "eta": 0.1, "device_eta": 0.05}
    mu_s, mu_d, temperature = 0.2, -0.15, 600.0
    found = na.current(device, None, chemical_potentials=(mu_s, mu_d), temperature=temperature, rtol=1e-10, **options)
    edges = np.linspace(mu_d - 38 * K * temperature, mu_s + 38 * K * temperature, 101)
    x, w = np.polynomial.legendre.leggauss(10)
    half, centre = (edges[1:] - edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2
    energies = (centre[:, None] + half[:, None] * x).ravel()
    t = na.transmission(device, energies, **options)
    expected = UNIT * np.sum((half[:, None] * w).ravel() * t * _window(energies, mu_s, mu_d, temperature))
    assert abs(found - expected) <= 1e-9 * abs(expected)


@pytest.mark.parametrize("temperature", [0.0, 1e-3, 4.0, 300.0, 1e4])
@pytest.mark.parametrize("fermi_energy", [0.0, -0.37, 1.9])
def test_current_without_bias_is_zero(temperature: float, fermi_energy: float) -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    found = na.current(device, [0.0, 0.0], temperature=temperature, fermi_energy=fermi_energy)
    assert np.max(np.abs(found)) <= 1e-12


@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_current_is_odd_in_the_bias_and_positive_when_the_source_is_higher(temperature: float) -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    found = na.current(device, [-0.5, 0.5], temperature=temperature, fermi_energy=0.2, rtol=1e-10)
    assert found[1] > 1
    assert abs(found[0] + found[1]) <= 1e-9 * found[1]


def test_current_is_the_same_with_source_and_drain_exchanged() -> None:
    # T_sd = T_ds at zero field, and the bias goes with the names
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    one, other = (na.current(device, 0.3, temperature=300.0, source=s, drain=1 - s, rtol=1e-10) for s in (0, 1))
    assert abs(one - other) <= 1e-9 * one


def test_current_of_a_bias_is_that_of_its_chemical_potentials() -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    by_bias = na.current(device, 0.3, temperature=300.0, fermi_energy=0.2)
    by_mu = na.current(device, None, temperature=300.0, chemical_potentials=(0.35, 0.05))
    assert by_mu.shape == () and abs(by_bias - by_mu) <= 1e-12 * by_mu


def test_chemical_potentials_take_the_place_of_bias_and_fermi_energy() -> None:
    options = {"temperature": 300.0, "chemical_potentials": (0.35, 0.05)}
    device = chain(2)
    expected = na.current(device, None, **options)
    assert na.current(device, 5.0, fermi_energy=3.0, **options) == expected


@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_current_of_several_biases_equals_them_one_by_one(temperature: float) -> None:
    device = strip(3, 3, disorder=1.0)
    biases = np.array([0.4, -0.1, 0.0, 0.02])
    found = na.current(device, biases, temperature=temperature, fermi_energy=0.3, rtol=1e-9)
    one_by_one = [na.current(device, b, temperature=temperature, fermi_energy=0.3, rtol=1e-9) for b in biases]
    assert found.shape == (4,) and found.dtype == np.float64 and one_by_one[0].shape == ()
    # each is right to 1e-9 of its own magnitude
    assert np.max(np.abs(found - one_by_one)) <= 2e-9 * np.max(np.abs(found))
    assert na.current(device, list(biases), temperature=temperature, fermi_energy=0.3, rtol=1e-9)[0] == found[0]


def test_current_at_zero_temperature_is_the_integral_of_the_transmission() -> None:
    device = strip(2, 3, flux=0.2, disorder=0.7)
    x, w = np.polynomial.legendre.leggauss(60)
    t = na.transmission(device, 0.25 + 0.15 * x)
    expected = UNIT * 0.15 * np.sum(w * t)
    found = na.current(device, 0.3, temperature=0.0, fermi_energy=0.25, rtol=1e-10)
    assert abs(found - expected) <= 1e-9 * expected


@pytest.mark.parametrize("temperature", [0.0, 4.0, 200.0])
@pytest.mark.parametrize(("width", "fermi_energy", "channels"), [(1, 0.1, 1), (3, 0.1, 3), (3, -2.7, 1)])
def test_current_of_perfect_channels_is_a_conductance_quantum_each(
    width: int, fermi_energy: float, channels: int, temperature: float
) -> None:
    device = strip(width, 2)
    found = na.current(device, 0.02, temperature=temperature, fermi_energy=fermi_energy)
    assert na.open_channels(device, fermi_energy) == channels
    # at 200 K the nearest band edge, 0.48 eV away, is felt by e^{-28}
    assert abs(found - channels * 77.4809172986 * 0.02) <= 1e-9 * found


def test_current_at_a_small_bias_is_the_conductance_times_it() -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    found = na.current(device, 1e-4, temperature=100.0, fermi_energy=0.4, rtol=1e-10)
    expected = UNIT * 1e-4 * na.conductance(device, 0.4, temperature=100.0, rtol=1e-10)
    assert abs(found - expected) <= 1e-5 * expected  # (eV/kT)²/24


def test_current_does_not_depend_on_a_rigid_shift() -> None:
    device, shift = chain(3, onsite=[0.3, 0.5, -0.2]), 0.7
    h = na.BlockTridiagonal([x + shift for x in device.hamiltonian.diagonal], device.hamiltonian.upper)
    leads = [na.Lead(x.onsite, x.hopping, block=x.block, potential_energy=shift) for x in device.leads]
    found = na.current(na.Device(h, leads), 0.3, temperature=300.0, fermi_energy=0.2 + shift)
    expected = na.current(device, 0.3, temperature=300.0, fermi_energy=0.2)
    assert abs(found - expected) <= 1e-9 * expected


def test_current_moves_the_chemical_potentials_only() -> None:
    # the same bias with the lead's potential set by the caller is another device
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    leads = [na.Lead(x.onsite, x.hopping, block=x.block, potential_energy=u) for x, u in zip(device.leads, (0.4, 0.0))]
    lifted = na.current(na.Device(device.hamiltonian, leads), 0.3, temperature=300.0)
    plain = na.current(device, 0.3, temperature=300.0)
    assert abs(lifted - plain) > 1e-3 * plain


# Resonances and small currents --------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.0, 30.0])
@pytest.mark.parametrize("coupling", [-1e-2, -1e-3, -1e-4])
def test_current_through_a_narrow_named_resonance_equals_the_breit_wigner_integral(
    coupling: float, temperature: float
) -> None:
    level, gamma = 0.137, 2 * coupling**2  # Γ of either lead, for |E| ≪ 2 eV to (E/2)²/2
    found = na.current(
        _resonance(coupling, level), None, chemical_potentials=(0.3, 0.0), temperature=temperature, breaks=[level]
    )
    steps = gamma * 4.0 ** np.arange(-2, 40)
    distances = [0.0, *steps[steps < 0.137], 0.137]

    def integrand(x: float) -> float:
        weight = _window(level + x, 0.3, 0.0, temperature) if temperature else 1.0
        return _chain_transmission(level + x, [level], coupling) * weight

    pairs = list(zip(distances, distances[1:]))
    expected = sum(quad(integrand, s * a, s * b, epsrel=1e-11)[0] * s for a, b in pairs for s in (-1, 1))
    expected += quad(integrand, 0.137, 0.163, epsrel=1e-11)[0]
    if temperature:  # beyond the window: 40 kT of tails
        expected += quad(integrand, -0.24, -0.137, epsrel=1e-9)[0] + quad(integrand, 0.163, 0.266, epsrel=1e-9)[0]
    # and the integral of a Lorentzian within the window, whose renormalisation by the leads is of second order
    assert abs(expected - np.pi * gamma) <= 2e-2 * np.pi * gamma
    assert abs(found - UNIT * expected) <= 1e-7 * found


def test_current_has_a_named_resonance_that_a_perfect_channel_beside_it_hides() -> None:
    # on a plateau the tails are lost: of a width 4e-6 eV nothing is seen but at a break
    level, coupling = 0.137, -1e-3
    lead = {"onsite": np.zeros((2, 2)), "hopping": -np.eye(2), "coupling": np.diag([-1.0, coupling])}
    leads = (na.Lead(**lead, block=0), na.Lead(**lead, block=0))
    device = na.Device(na.BlockTridiagonal([np.diag([0.0, level])], []), leads)
    found = na.current(device, None, chemical_potentials=(0.3, 0.0), temperature=0.0, breaks=[level], rtol=1e-9)
    gamma = 2 * coupling**2 * np.sqrt(1 - level**2 / 4)
    lorentzian = gamma * (np.arctan(0.163 / gamma) + np.arctan(0.137 / gamma))
    assert abs(found / UNIT - 0.3 - lorentzian) <= 1e-3 * lorentzian


def test_current_that_needs_too_many_energies_raises_naming_where() -> None:
    with pytest.raises(na.ConvergenceError, match=r"near E = 0\.1\d* eV: raise max_energies or the") as caught:
        na.current(_resonance(), 0.6, temperature=0.0, breaks=[0.137], max_energies=500)
    (at,) = caught.value.energies
    assert abs(at - 0.137) <= 0.05


def test_current_asks_for_no_more_energies_than_allowed() -> None:
    with pytest.raises(na.NegfadjError, match="max_energies"):
        na.current(chain(2), 0.3, temperature=300.0, max_energies=10)


@pytest.mark.parametrize("n_kt", [10, 20, 30])
def test_current_over_a_barrier_is_thermally_activated(n_kt: int) -> None:
    # in E = −2 + kT y² the integrand is smooth and of one size; f_s − f_d is small, not a difference of ones
    levels, bias, kt = [0.3, 0.5, -0.2], 1e-3, K * 300
    mu = -2 - n_kt * kt

    def integrand(y: float) -> float:
        e = -2 + kt * y**2
        return _chain_transmission(e, levels) * _window(e, mu + bias / 2, mu - bias / 2, 300.0) * y

    expected = UNIT * 2 * kt * quad(integrand, 0, 9, epsabs=0, epsrel=1e-10, limit=200)[0]
    found = na.current(chain(3, onsite=levels), bias, temperature=300.0, fermi_energy=mu)
    assert abs(found - expected) <= 1e-6 * expected


@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_current_in_a_gap_is_zero(temperature: float) -> None:
    found = na.current(chain(1, onsite=[0.7]), 0.1, temperature=temperature, fermi_energy=3.5, max_energies=10_000)
    assert abs(found) <= 1e-12


def test_current_of_a_single_precision_device_comes_with_the_default_options() -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    single = tree_map(lambda x: x.astype(np.float32) if is_array(x) else x, device)
    found = na.current(single, 0.3, temperature=300.0, max_energies=10_000)
    assert abs(found - na.current(device, 0.3, temperature=300.0)) <= 1e-5 * found


# Backends, memory ---------------------------------------------------------------------------------------------------


def test_current_and_pullback_are_the_same_on_every_backend(backend: Backend) -> None:
    device, bias = random_device(21, (3, 2, 3), TWO_LEADS), np.array([0.3, -0.2])
    expected, pullback = na.current_vjp(device, bias, temperature=300.0, eta=0.05)
    weights = np.array([0.7, -1.2])
    there = backend(device)
    found, pullback_there = na.current_vjp(there, backend.convert(bias), temperature=300.0, eta=0.05)
    again = na.current(there, backend.convert(bias), temperature=300.0, eta=0.05)
    like = there.hamiltonian.diagonal[0]
    for x in (found, again):
        assert np.max(np.abs(host(x) - expected)) <= 1e-12 * np.max(np.abs(expected))
        assert array_api_compat.device(x) == array_api_compat.device(like) and x.shape == (2,)
    bar, bar_there = pullback(weights), pullback_there(backend.convert(weights))
    for x, x_there in zip(leaves(tuple(bar)), leaves(tuple(bar_there)), strict=True):
        if is_array(x):
            assert array_api_compat.device(x_there) == array_api_compat.device(like)
            assert np.max(np.abs(host(x_there) - np.asarray(x))) <= 1e-9 * max(np.max(np.abs(x)), 1e-3)


def test_current_takes_a_host_bias_with_a_device_elsewhere() -> None:
    device = chain(2, onsite=[0.3, 0.1])
    found = na.current(STRICT(device), np.array([0.3]), temperature=300.0)
    assert np.max(np.abs(host(found) - na.current(device, [0.3], temperature=300.0))) <= 1e-12


def test_current_does_not_depend_on_the_memory_limit() -> None:
    device = random_device(6, (3, 4, 2), TWO_LEADS)
    options = {"temperature": 300.0, "eta": 0.1, "rtol": 1e-6}
    expected, pullback = na.current_vjp(device, 0.3, **options)
    with pytest.raises(na.MemoryLimitError) as caught:
        na.transmission_vjp(device, 0.3, eta=0.1, memory_limit=1)
    least = int(str(caught.value).split("needs ")[1].split(" bytes")[0].replace(",", ""))
    found, batched = na.current_vjp(device, 0.3, memory_limit=7 * least, **options)
    assert abs(found - expected) <= 1e-12 * abs(expected)
    assert abs(na.current(device, 0.3, memory_limit=7 * least, **options) - expected) <= 1e-12 * abs(expected)
    for x, y in zip(leaves(tuple(pullback(1.0))), leaves(tuple(batched(1.0))), strict=True):
        if is_array(x):
            assert np.max(np.abs(np.asarray(x) - y)) <= 1e-11 * max(np.max(np.abs(x)), 1e-3)
    with pytest.raises(na.MemoryLimitError):
        na.current(device, 0.3, memory_limit=100, **options)


# Pullback -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", pytest.param("strip", marks=pytest.mark.slow)])
def test_current_vjp_passes_the_public_check(name: str) -> None:
    devices = {
        "random": random_device(23, (2, 1), (LeadKind(0, 2), LeadKind(-1, 1))),
        "strip": strip(2, 2, flux=0.2, disorder=0.7),
    }
    na.testing.check_vjp(
        na.current,
        na.current_vjp,
        (READONLY(devices[name]), READONLY.convert(np.array([0.3, -0.1]))),
        keywords={"temperature": 600.0, "fermi_energy": 0.2, **SMOOTH},
        arguments=[0, 1],
        step=1e-2,
        seed=2,
    )


def test_current_vjp_passes_the_public_check_by_temperature() -> None:
    report = na.testing.check_vjp(
        na.current,
        na.current_vjp,
        (chain(1, onsite=[0.7]), np.array([0.3, -0.8])),
        keywords={"temperature": 600.0, "fermi_energy": 1.2, "eta": 0.1, "rtol": 1e-12},
        arguments=["temperature"],
        step=3e-2,
    )
    assert report.steps_used["temperature"] >= 3


def test_current_vjp_passes_the_public_check_on_every_backend(backend: Backend) -> None:
    na.testing.check_vjp(
        na.current,
        na.current_vjp,
        (backend(chain(1, onsite=[0.7])), backend.convert(np.array([0.3]))),
        keywords={"temperature": 600.0, "fermi_energy": 0.2, **SMOOTH},
        arguments=[0, 1],
        step=1e-2,
        seed=2,
    )


@pytest.mark.parametrize(("source", "drain"), [(0, 1), (2, 1)])
def test_current_vjp_passes_the_public_check_with_chemical_potentials(source: int, drain: int) -> None:
    na.testing.check_vjp(
        na.current,
        na.current_vjp,
        (READONLY(random_device(23, (2, 1), THREE_LEADS)), None),
        keywords={
            "temperature": 600.0,
            "chemical_potentials": READONLY.convert(np.array([0.25, -0.1])),
            "source": source,
            "drain": drain,
            "eta": 0.1,
            "device_eta": 0.05,
            "rtol": 1e-9,
        },
        arguments=[0, "chemical_potentials"],
        step=1e-2,
    )


@pytest.mark.parametrize("by", ["bias", "chemical_potentials"])
def test_current_vjp_passes_the_public_check_at_zero_temperature(by: str) -> None:
    mus = np.array([0.35, 0.05])
    na.testing.check_vjp(
        na.current,
        na.current_vjp,
        (chain(3, onsite=[0.3, 0.5, -0.2]), np.array([0.3, -0.5]) if by == "bias" else None),
        keywords={"temperature": 0.0, "fermi_energy": 0.2, **SMOOTH}
        | ({} if by == "bias" else {"chemical_potentials": mus}),
        arguments=[0, 1 if by == "bias" else "chemical_potentials"],
        rtol=1e-8,
        step=1e-2,
    )


def test_current_pullback_at_zero_temperature_is_the_transmission_at_the_ends() -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    _, pullback = na.current_vjp(device, None, temperature=0.0, chemical_potentials=(0.4, -0.1))
    bar = pullback(2.0)
    t = na.transmission(device, [0.4, -0.1])
    assert np.max(np.abs(bar.chemical_potentials - 2 * UNIT * np.array([t[0], -t[1]]))) <= 1e-10
    assert bar.temperature == 0 and bar.bias is None


def test_current_pullback_at_zero_bias_is_the_conductance() -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    _, pullback = na.current_vjp(device, 0.0, temperature=300.0, fermi_energy=0.2, rtol=1e-10)
    expected = UNIT * na.conductance(device, 0.2, temperature=300.0, rtol=1e-10)
    assert abs(pullback(1.0).bias - expected) <= 1e-8 * expected


def test_current_pullback_gives_the_arguments_that_were_used() -> None:
    device = chain(2, onsite=[0.3, 0.1])
    bar = na.current_vjp(device, [0.3, 0.1], temperature=300.0)[1](np.ones(2))
    assert bar.bias.shape == (2,) and bar.temperature.shape == () and bar.chemical_potentials is None
    bar = na.current_vjp(device, 0.3, temperature=300.0)[1](1.0)
    assert bar.bias.shape == ()
    bar = na.current_vjp(device, 0.3, temperature=300.0, chemical_potentials=(0.1, 0.0))[1](1.0)
    assert bar.bias is None and bar.chemical_potentials.shape == (2,)
    assert isinstance(bar.device, na.Device)


@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_current_pullback_wrt_onsite_is_the_diagonal_of_the_whole(temperature: float, backend: Backend) -> None:
    device = backend(random_device(4, (3, 4, 2), TWO_LEADS))
    _, pullback = na.current_vjp(device, 0.3, temperature=temperature, eta=0.1)
    whole = host(pullback(1.0).device.hamiltonian)
    part = pullback(1.0, wrt="onsite")
    expected = np.concatenate([np.diag(x).real for x in whole.diagonal])
    found = host(part.device.hamiltonian.onsite)
    assert found.dtype == np.float64 and np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))
    assert all(x is None for x in part.device.leads)
    assert host(part.bias) == host(pullback(1.0).bias) and host(part.temperature) == host(pullback(1.0).temperature)


def test_current_pullback_wrt_a_pattern_is_those_entries_of_the_whole() -> None:
    device = random_device(4, (3, 4, 2), TWO_LEADS)
    _, pullback = na.current_vjp(device, 0.3, temperature=300.0, eta=0.1)
    whole = pullback(1.0).device.hamiltonian
    found = pullback(1.0, wrt=([0, 1, 3], [4, 1, 8])).device.hamiltonian.values
    expected = np.array([whole.upper[0][0, 1], whole.diagonal[0][1, 1], whole.upper[1][0, 1]])
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))


def test_current_pullback_of_zero_is_zero() -> None:
    for bias in (0.0, 0.3):
        value, pullback = na.current_vjp(chain(2, onsite=[0.3, 0.1]), bias, temperature=300.0)
        bar = pullback(np.zeros_like(value))
        assert not any(np.any(x) for x in leaves(tuple(bar)) if is_array(x))


def test_current_pullback_refuses_a_cotangent_of_another_shape() -> None:
    _, pullback = na.current_vjp(chain(2), [0.3, 0.1], temperature=300.0)
    with pytest.raises(na.ShapeError, match=r"value_bar has shape \(3,\) but the value has shape \(2,\)"):
        pullback(np.ones(3))


# Band edges in the window --------------------------------------------------------------------------------------------


def _slope(f: Any, h: float) -> float:
    """f'(0) by central differences of fourth order."""
    return float((8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h))


def _unlike_chains(onsite: float = 0.0, hopping: float = -1.0, shift: float = 0.0) -> na.Device:
    """Levels between two chains whose band edges differ, the source's at `shift` + `onsite` ± 2 `hopping`."""
    one, levels = np.ones((1, 1)), (0.3, 0.5, -0.2)
    source = na.Lead(onsite * one, hopping * one, coupling=-one, block=0, potential_energy=shift)
    drain = na.Lead(-0.3 * one, -one, block=-1)
    return na.Device(na.BlockTridiagonal([e * one for e in levels], [-one] * (len(levels) - 1)), (source, drain))


EDGES_IN_THE_WINDOW = [
    pytest.param({"chemical_potentials": (2.1, 1.5), "temperature": 0.0}, id="sharp"),
    pytest.param({"chemical_potentials": (2.1, 1.5), "temperature": 300.0}, id="warm"),
    pytest.param({"chemical_potentials": (-1.4, -2.1), "temperature": 77.0}, id="lower edges"),
]


@pytest.mark.parametrize("options", EDGES_IN_THE_WINDOW)
def test_current_pullback_by_the_lead_agrees_with_differences_at_band_edges(options: dict[str, Any]) -> None:
    options = options | {"rtol": 1e-11}
    lead = na.current_vjp(_unlike_chains(), None, **options)[1](1.0).device.leads[0]
    found = {"onsite": lead.onsite[0, 0], "hopping": lead.hopping[0, 0], "shift": float(lead.potential_energy)}
    plain = {"onsite": 0.0, "hopping": -1.0, "shift": 0.0}
    for name, value in found.items():
        expected = _slope(
            lambda h, name=name: na.current(_unlike_chains(**{name: plain[name] + h}), None, **options), 2e-3
        )
        assert abs(value - expected) <= 1e-7 * max(abs(expected), UNIT * 0.1), name


@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_current_pullback_by_the_bias_agrees_with_differences_at_band_edges(temperature: float) -> None:
    # the source moves with its chemical potential, as in a biased device
    options = {"temperature": temperature, "rtol": 1e-11}
    bar = na.current_vjp(_unlike_chains(), None, chemical_potentials=(1.8, 1.5), **options)[1](1.0)
    found = bar.chemical_potentials[0] + float(bar.device.leads[0].potential_energy)
    expected = _slope(
        lambda h: na.current(_unlike_chains(shift=h), None, chemical_potentials=(1.8 + h, 1.5), **options), 2e-3
    )
    assert abs(found - expected) <= 1e-7 * abs(expected)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"temperature": 0.0}, id="sharp"),
        pytest.param({"temperature": 300.0}, id="warm"),
        pytest.param({"temperature": 0.0, "breaks": [2.0]}, id="break on the edge"),
    ],
)
def test_pullback_across_a_jump_has_the_jump(options: dict[str, Any]) -> None:
    # a perfect contact: T jumps by one at 2 t, and the edge moves with the whole device
    options = {"chemical_potentials": (2.13, 1.9), "rtol": 1e-11, **options}

    def shifted(u: float) -> na.Device:
        return chain(3, onsite=[u] * 3, lead_onsite=u)

    _, pullback = na.current_vjp(shifted(0.0), None, **options)
    device = pullback(1.0).device
    found = sum(float(lead.onsite[0, 0]) for lead in device.leads)
    found += sum(float(h[0, 0]) for h in device.hamiltonian.diagonal)
    expected = _slope(lambda u: na.current(shifted(u), None, **options), 2e-3)
    assert abs(found - expected) <= 1e-7 * UNIT
    if options["temperature"] == 0:
        assert abs(found - UNIT) <= 1e-7 * UNIT
    # the device's own parameters do not move a lead's band edge
    assert np.all(np.isfinite(pullback(1.0, wrt="onsite").device.hamiltonian.onsite))


SMOOTH_WINDOWS = [
    pytest.param(chain(3), {"chemical_potentials": (0.3, 0.1), "temperature": 100.0}, id="no edge in the window"),
    pytest.param(chain(3), {"chemical_potentials": (2.1, 1.9), "temperature": 0.0, "eta": 1e-2}, id="broadened"),
    pytest.param(
        chain(3, onsite=[0.3, 0.5, -0.2]), {"chemical_potentials": (2.1, 1.9), "temperature": 0.0}, id="square root"
    ),
    pytest.param(
        chain(3, onsite=[0.3, 0.5, -0.2]), {"chemical_potentials": (2.1, 1.9), "temperature": 300.0}, id="warm root"
    ),
]


@pytest.mark.parametrize(("device", "options"), SMOOTH_WINDOWS)
def test_pullback_is_not_refused_where_the_transmission_is_continuous(
    device: na.Device, options: dict[str, Any]
) -> None:
    _, pullback = na.current_vjp(device, None, **options)
    assert np.all(np.isfinite(pullback(1.0, wrt="onsite").device.hamiltonian.onsite))


def test_pullback_through_a_square_root_edge_equals_differences() -> None:
    levels, h = np.array([0.3, 0.5, -0.2]), 1e-3
    options = {"chemical_potentials": (2.1, 1.9), "temperature": 0.0, "rtol": 1e-10}
    found = na.current_vjp(chain(3, onsite=levels), None, **options)[1](1.0, wrt="onsite").device.hamiltonian.onsite
    for a in range(3):
        moved = [na.current(chain(3, onsite=levels + k * h * np.eye(3)[a]), None, **options) for k in (-2, -1, 1, 2)]
        expected = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * h)
        assert abs(found[a] - expected) <= 1e-6 * np.max(np.abs(found))


def test_pullback_does_not_mind_a_jump_that_carries_no_weight() -> None:
    # 0.7 eV above μ a jump weighs e^{-27}, far below rtol
    _, pullback = na.current_vjp(chain(3), None, chemical_potentials=(1.3, 1.299), temperature=300.0)
    bar = pullback(1.0).device.leads[0]
    assert np.abs(bar.onsite).max() <= 1e-9


# Bad input ----------------------------------------------------------------------------------------------------------

BAD = [
    ("negative temperature", {"temperature": -5.0}, na.InputError, r"temperature=-5\.0 K is negative.*0 or more"),
    ("NaN temperature", {"temperature": float("nan")}, na.InputError, "temperature=nan must be finite"),
    ("infinite temperature", {"temperature": float("inf")}, na.InputError, "temperature=inf must be finite"),
    ("temperature of text", {"temperature": "300"}, na.InputTypeError, "temperature='300' must be real"),
    ("temperature None", {"temperature": None}, na.InputTypeError, "temperature=None must be real"),
    ("several temperatures", {"temperature": [1.0, 2.0]}, na.ShapeError, r"temperature has shape \(2,\).*one number"),
    ("NaN bias", {"bias": float("nan")}, na.InputError, "bias=nan must be finite"),
    ("infinite bias", {"bias": np.array([0.1, np.inf])}, na.InputError, "bias=.*inf.*must be finite"),
    ("complex bias", {"bias": 0.1 + 0.2j}, na.InputTypeError, r"bias=\(0\.1\+0\.2j\) must be real"),
    ("bias of text", {"bias": "0.1"}, na.InputTypeError, "bias='0.1' must be real"),
    ("bias of truth values", {"bias": True}, na.InputTypeError, "bias=True must be real"),
    ("ragged bias", {"bias": [[0.1], [0.1, 0.2]]}, na.InputTypeError, "bias.*must be real"),
    ("bias of two axes", {"bias": np.zeros((2, 3))}, na.ShapeError, r"bias has shape \(2, 3\).*one axis"),
    ("no biases", {"bias": []}, na.InputError, "bias"),
    ("no bias", {"bias": None}, na.InputError, "bias is None and no chemical_potentials are given"),
    ("one chemical potential", {"chemical_potentials": [0.1]}, na.ShapeError, r"chemical_potentials has shape \(1,\)"),
    ("three potentials", {"chemical_potentials": [0.1] * 3}, na.ShapeError, r"chemical_potentials has shape \(3,\)"),
    ("a number for two", {"chemical_potentials": 0.1}, na.ShapeError, r"chemical_potentials has shape \(\)"),
    ("NaN chemical potential", {"chemical_potentials": (0.1, np.nan)}, na.InputError, "chemical_potentials=.*finite"),
    ("complex potentials", {"chemical_potentials": (0.1, 1j)}, na.InputTypeError, "chemical_potentials=.*real"),
    ("NaN Fermi energy", {"fermi_energy": float("nan")}, na.InputError, "fermi_energy=nan must be finite"),
    ("several Fermi energies", {"fermi_energy": [0.1, 0.2]}, na.InputError, "fermi_energy"),
    ("rtol 0", {"rtol": 0}, na.InputError, "rtol=0 must lie between 0 and 1"),
    ("rtol 1", {"rtol": 1.0}, na.InputError, r"rtol=1\.0 must lie between 0 and 1"),
    ("NaN rtol", {"rtol": float("nan")}, na.InputError, "rtol=nan"),
    ("rtol of text", {"rtol": "small"}, na.InputError, "rtol='small'"),
    ("no energies", {"max_energies": 0}, na.NegfadjError, "max_energies"),
    ("NaN break", {"breaks": [0.1, float("nan")]}, na.InputError, "breaks"),
    ("breaks of text", {"breaks": ["a"]}, na.InputError, "breaks"),
    ("complex breaks", {"breaks": [1j]}, na.InputError, "breaks"),
    ("breaks of two axes", {"breaks": [[0.1]]}, na.InputError, "breaks"),
    ("negative eta", {"eta": -1e-3}, na.InputError, r"eta=-0\.001 must be zero or positive"),
    ("unknown lead", {"drain": 2}, na.InputError, "drain=2"),
    ("unknown lead method", {"lead_method": "beyn"}, na.InputError, "lead_method='beyn'"),
    ("unknown backend", {"backend": "tpu"}, na.InputError, "backend='tpu'"),
    ("not a device", {"device": np.eye(2)}, na.InputTypeError, "device is a ndarray.*Device"),
]


@pytest.mark.parametrize("function", [na.current, na.current_vjp], ids=["value", "vjp"])
@pytest.mark.parametrize(("change", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_a_bad_argument_is_refused(change: dict[str, Any], error: type[Exception], message: str, function: Any) -> None:
    arguments = {"device": chain(2), "bias": 0.1, "temperature": 300.0, **change}
    with pytest.raises(error, match=message):
        function(arguments.pop("device"), arguments.pop("bias"), **arguments)


def test_current_leaves_its_arguments_alone() -> None:
    device, bias, mus, breaks = NUMPY(ribbon(3, 2, disorder=0.5)), np.array([0.3]), np.array([0.6, 0.4]), [0.31]
    arrays = [x for x in leaves(device) if is_array(x)] + [bias, mus]
    before = [x.tobytes() for x in arrays]
    weights = np.ones(1)
    na.current_vjp(device, bias, temperature=300.0, eta=0.05, breaks=breaks)[1](weights)
    na.current_vjp(device, None, chemical_potentials=mus, temperature=0.0, eta=0.05)[1](1.0)
    assert [x.tobytes() for x in arrays] == before
    assert breaks == [0.31] and weights[0] == 1
