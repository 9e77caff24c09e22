"""Linear response: moments of closed forms, the laws of Wiedemann–Franz and Mott, noise, pullbacks, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
import pytest
from backends import NUMPY, READONLY, STRICT, Backend, host
from cases import MANY_LEADS, TWO_LEADS, LeadKind, chain, random_device, ribbon, strip
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

import negfadj as na
from negfadj.array import is_array, leaves, tree_map

K = 8.617333262e-5  # eV/K
LORENZ = np.pi**2 / 3 * K**2  # (V/K)²
SIEMENS = 7.748091729863649e-5  # 2e²/h
LEVEL = 0.7
THREE_LEADS = (LeadKind(0, 1), LeadKind(-1, 1), LeadKind(0, 1))
_SMALL = {
    "random": random_device(23, (2, 1), (LeadKind(0, 2), LeadKind(-1, 1))),
    "strip": strip(2, 2, flux=0.2, disorder=0.7),
}


@dataclass(frozen=True)
class Coefficient:
    """A response coefficient, its pullback, and what it is made of moments L_0, L_1, L_2 and a temperature."""

    name: str
    value: Callable[..., Any]
    vjp: Callable[..., Any]
    of_moments: Callable[[list[float], float], float]

    def __str__(self) -> str:
        return self.name


COEFFICIENTS = [
    Coefficient("conductance", na.conductance, na.conductance_vjp, lambda m, t: m[0]),
    Coefficient("seebeck", na.seebeck, na.seebeck_vjp, lambda m, t: -m[1] / (t * m[0])),
    Coefficient(
        "thermal_conductance",
        na.thermal_conductance,
        na.thermal_conductance_vjp,
        lambda m, t: SIEMENS * 1e12 * (m[2] - m[1] ** 2 / m[0]) / t,
    ),
    Coefficient("shot_noise", na.shot_noise, na.shot_noise_vjp, lambda m, t: m[0]),
]
EACH = pytest.mark.parametrize("coefficient", COEFFICIENTS, ids=str)


def _one_level(energy: float, name: str) -> float:
    """T of one level u in a chain, v²/(v² + u²) with v² = 4 − E²; for the noise T(1 − T)."""
    v2 = max(4 - energy**2, 0.0)
    t = v2 / (v2 + LEVEL**2)
    return t * (1 - t) if name == "shot_noise" else t


def _moments(name: str, mu: float, temperature: float) -> list[float]:
    """∫ (E − μ)^n T(E) (−∂f/∂E) dE, n = 0, 1, 2."""
    kt = K * temperature
    low, high = mu - 40 * kt, mu + 40 * kt
    edges = [e for e in sorted({-2.0, 2.0, *np.linspace(low, high, 41)}) if low <= e <= high]

    def moment(n: int) -> float:
        def integrand(e: float) -> float:
            return _one_level(e, name) * (e - mu) ** n / (4 * kt * np.cosh((e - mu) / (2 * kt)) ** 2)

        return sum(quad(integrand, a, b, epsabs=1e-16, epsrel=1e-11)[0] for a, b in zip(edges, edges[1:]))

    return [moment(n) for n in range(3)]


# Values -------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize(("mu", "temperature"), [(0.4, 100.0), (-1.2, 300.0), (1.9, 700.0), (-2.05, 300.0)])
def test_coefficient_of_one_level_equals_scipys_quadrature(
    coefficient: Coefficient, mu: float, temperature: float
) -> None:
    found = coefficient.value(chain(1, onsite=[LEVEL]), mu, temperature=temperature, rtol=1e-11)
    expected = coefficient.of_moments(_moments(coefficient.name, mu, temperature), temperature)
    assert abs(found - expected) <= 1e-8 * abs(expected)


@EACH
@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_coefficient_of_several_chemical_potentials_equals_them_one_by_one(
    coefficient: Coefficient, temperature: float
) -> None:
    device, mus = strip(2, 3, disorder=1.0), np.array([0.5, -0.3, 0.52])
    options = {"temperature": temperature, "rtol": 1e-9}
    found = coefficient.value(device, mus, **options)
    one_by_one = [coefficient.value(device, mu, **options) for mu in mus]
    assert found.shape == (3,) and found.dtype == np.float64 and one_by_one[0].shape == ()
    assert np.max(np.abs(found - one_by_one)) <= 1e-7 * np.max(np.abs(found)) + 1e-300
    assert coefficient.value(device, list(mus), **options)[0] == found[0]


@EACH
def test_coefficient_is_that_of_the_chosen_leads(coefficient: Coefficient) -> None:
    device = random_device(31, (3, 2, 3), MANY_LEADS)
    options = {"temperature": 300.0, "eta": 0.1, "device_eta": 0.02}
    found = coefficient.value(device, 0.3, source=3, drain=2, **options)
    swapped = na.Device(device.hamiltonian, [device.leads[k] for k in (3, 2, 1, 0)], overlap=device.overlap)
    expected = coefficient.value(swapped, 0.3, **options)
    assert abs(found - expected) <= 1e-9 * abs(expected)
    assert abs(found - coefficient.value(device, 0.3, **options)) > 1e-3 * abs(expected)


# Zero temperature ---------------------------------------------------------------------------------------------------


def test_coefficients_at_zero_temperature_are_their_limits() -> None:
    device, mus = strip(2, 3, disorder=1.0), np.array([0.5, -0.3])
    assert np.array_equal(na.conductance(device, mus, temperature=0.0), na.transmission(device, mus))
    assert np.array_equal(na.shot_noise(device, mus, temperature=0.0), na.shot_noise_factor(device, mus))
    assert np.array_equal(na.seebeck(device, mus, temperature=0.0), np.zeros(2))
    assert np.array_equal(na.thermal_conductance(device, mus, temperature=0.0), np.zeros(2))
    assert na.conductance(device, 0.5, temperature=0.0).shape == na.seebeck(device, 0.5, temperature=0.0).shape == ()


@EACH
def test_coefficient_tends_to_its_zero_temperature_limit(coefficient: Coefficient) -> None:
    device = chain(1, onsite=[LEVEL])
    limit = coefficient.value(device, 0.4, temperature=0.0)
    one, half = (abs(coefficient.value(device, 0.4, temperature=t, rtol=1e-11) - limit) for t in (100.0, 50.0))
    order = 2 if coefficient.name in ("conductance", "shot_noise") else 1
    assert one > 0
    assert abs(np.log2(one / half) - order) <= 1e-2


def test_conductance_exactly_at_a_band_edge_is_its_limit() -> None:
    device = chain(1, onsite=[LEVEL])
    found = na.conductance(device, [0.4, 2.0, -2.0, 1.0], temperature=0.0)
    expected = [_one_level(e, "conductance") for e in (0.4, 2.0, -2.0, 1.0)]
    assert np.max(np.abs(found - expected)) <= 1e-7  # 4·|E − 2|/u², a nanovolt off


@pytest.mark.parametrize("temperature", [1e-3, 1e-6, 1e-9, 1e-12, 1e-100, 1e-310])
def test_conductance_is_right_down_to_any_temperature(temperature: float) -> None:
    found = na.conductance(chain(1, onsite=[LEVEL]), 0.4, temperature=temperature)
    assert abs(found - _one_level(0.4, "conductance")) <= 2e-7


# Laws ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "channels"), [(0.1, 3), (1.3, 2), (-2.7, 1)])
@pytest.mark.parametrize("temperature", [0.0, 4.0, 200.0])
def test_conductance_of_a_perfect_wire_counts_its_channels(mu: float, channels: int, temperature: float) -> None:
    assert abs(na.conductance(strip(3, 2), mu, temperature=temperature) - channels) <= 1e-9


@pytest.mark.parametrize(("mu", "channels"), [(0.1, 3), (1.3, 2), (-2.7, 1)])
@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_thermal_conductance_of_a_perfect_wire_is_a_quantum_per_channel_and_spin(
    mu: float, channels: int, temperature: float
) -> None:
    quantum = 0.94643  # π²k²/3h [pW/K²]: 1.380649e-23² π² / (3 · 6.62607015e-34)
    found = na.thermal_conductance(strip(3, 2), mu, temperature=temperature)
    assert abs(found / (2 * channels * temperature) - quantum) <= 1e-5
    exact = np.pi**2 * 1.380649e-23**2 / (3 * 6.62607015e-34) * 1e12
    assert abs(found / (2 * channels * temperature) - exact) <= 1e-7 * exact


def test_thermal_conductance_obeys_wiedemann_and_franz_at_low_temperature() -> None:
    device = strip(2, 3, disorder=1.0)

    def lorenz(temperature: float) -> float:
        kappa = na.thermal_conductance(device, 0.5, temperature=temperature, rtol=1e-11) * 1e-12
        g = na.conductance(device, 0.5, temperature=temperature, rtol=1e-11) * SIEMENS
        return kappa / (g * temperature) / LORENZ - 1

    assert abs(lorenz(1.0)) <= 1e-5
    assert abs(lorenz(20.0) / lorenz(10.0) - 4) <= 0.05  # the law is left as T²


@pytest.mark.parametrize("mu", [0.5, -0.3])
def test_seebeck_obeys_motts_law_at_low_temperature(mu: float) -> None:
    device = strip(2, 3, disorder=1.0)
    t, slope = na.transmission_derivatives(device, mu, order=1)

    def ratio(temperature: float) -> float:
        found = na.seebeck(device, mu, temperature=temperature, rtol=1e-11)
        return found / (-(np.pi**2) / 3 * K**2 * temperature * slope / t) - 1

    assert abs(ratio(1.0)) <= 1e-5
    assert abs(ratio(20.0) / ratio(10.0) - 4) <= 0.05


def test_seebeck_is_negative_for_electrons_and_positive_for_holes() -> None:
    device = chain(1, onsite=[LEVEL])
    assert np.all(na.seebeck(device, [-1.9, -2.05], temperature=300.0) < -1e-5)
    assert np.all(na.seebeck(device, [1.9, 2.05], temperature=300.0) > 1e-5)


def test_seebeck_is_zero_where_electrons_and_holes_are_alike() -> None:
    # T(E) = T(−E)
    assert abs(na.seebeck(chain(1, onsite=[LEVEL]), 0.0, temperature=300.0)) <= 1e-15


def test_seebeck_drives_no_current() -> None:
    # a temperature difference ΔT and the voltage S ΔT cancel: I ∝ ∫ T (f_hot(μ − eV…) − f_cold), to first order
    device, mu, temperature = chain(1, onsite=[LEVEL]), 1.7, 300.0
    s = float(na.seebeck(device, mu, temperature=temperature, rtol=1e-11))
    x, w = np.polynomial.legendre.leggauss(400)
    energies = mu + 1.0 * x
    t, kt = na.transmission(device, energies, eta=0.0), K * temperature

    def f(mu: float, kelvin: float) -> np.ndarray:
        return 0.5 - 0.5 * np.tanh((energies - mu) / (2 * K * kelvin))

    d = 1e-3  # K
    hot_minus_cold = f(mu, temperature + d / 2) - f(mu, temperature - d / 2)
    # open circuit: Δμ between the hot and the cold side with no current, S = −(V_hot − V_cold)/ΔT = Δμ/(e ΔT)
    field = f(mu + 1e-6, temperature) - f(mu - 1e-6, temperature)
    balance = -np.sum(w * t * hot_minus_cold) / np.sum(w * t * field) * 2e-6 / d
    assert kt < 0.03
    assert abs(s - balance) <= 1e-4 * abs(s)


@pytest.mark.parametrize("temperature", [0.0, 4.0, 300.0])
@pytest.mark.parametrize("device", [chain(3), strip(3, 2)], ids=["chain", "strip"])
def test_shot_noise_of_perfect_channels_is_zero(device: na.Device, temperature: float) -> None:
    assert abs(na.shot_noise(device, 0.1, temperature=temperature, max_energies=20_000)) <= 1e-12


def test_shot_noise_of_one_channel_is_t_times_one_minus_t() -> None:
    device = chain(3, onsite=[0.3, 1.5, -0.2])
    t = na.transmission(device, 0.4)
    for temperature, tolerance in ((0.0, 1e-12), (1.0, 1e-6)):
        assert abs(na.shot_noise(device, 0.4, temperature=temperature) - t * (1 - t)) <= tolerance


@given(seed=st.integers(0, 2**31), mu=st.floats(-0.5, 0.5), temperature=st.floats(30.0, 1000.0))
def test_coefficients_obey_their_bounds(seed: int, mu: float, temperature: float) -> None:
    device = random_device(seed, (2, 3), TWO_LEADS)
    g, kappa, noise = (
        f(device, mu, temperature=temperature, eta=0.05)
        for f in (na.conductance, na.thermal_conductance, na.shot_noise)
    )
    assert kappa > 0  # Cauchy and Schwarz
    assert 0 <= noise <= g * (1 + 1e-6)
    assert noise <= 2 / 4 + 1e-6  # at most two channels, each at most 1/4


@pytest.mark.parametrize("n_kt", [5, 20, 30, 39, 45, 52, 58, 200])
@pytest.mark.parametrize("coefficient", COEFFICIENTS[:3], ids=str)
def test_coefficient_below_a_band_is_thermally_activated(coefficient: Coefficient, n_kt: int) -> None:
    kt = K * 300
    mu = -2 - n_kt * kt

    def moment(n: int) -> float:  # in E = −2 + kT y², without the common factor e^{−n_kt}
        def integrand(y: float) -> float:
            t = _one_level(-2 + kt * y**2, "conductance")
            boltzmann = np.exp(-(y**2)) / (1 + np.exp(-(y**2) - n_kt)) ** 2
            return t * (kt * (y**2 + n_kt)) ** n * boltzmann * 2 * y

        return quad(integrand, 0, 9, epsabs=0, epsrel=1e-12, limit=200)[0]

    if coefficient.name == "conductance" and n_kt > 39:
        return  # below what its own integral resolves
    found = coefficient.value(chain(1, onsite=[LEVEL]), mu, temperature=300.0)
    expected = coefficient.of_moments([moment(n) for n in range(3)], 300.0)
    if coefficient.name != "seebeck":
        expected *= np.exp(-n_kt)
    # κ is a difference of moments n_kt² larger
    assert abs(found - expected) <= (1e-6 if coefficient.name != "thermal_conductance" else 1e-4) * abs(expected)


def test_conductance_and_noise_in_a_gap_are_zero() -> None:
    for function in (na.conductance, na.shot_noise):
        assert abs(function(chain(1, onsite=[LEVEL]), 3.5, temperature=300.0, max_energies=10_000)) <= 1e-12


def test_coefficient_of_a_single_precision_device_comes_with_the_default_options() -> None:
    device = chain(2, onsite=[0.3, -0.2])
    single = tree_map(lambda x: x.astype(np.float32) if is_array(x) else x, device)
    found = na.conductance(single, 0.3, temperature=300.0, max_energies=10_000)
    assert abs(found - na.conductance(device, 0.3, temperature=300.0)) <= 1e-5


# Backends, memory ---------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_coefficient_and_pullback_are_the_same_on_every_backend(
    coefficient: Coefficient, temperature: float, backend: Backend
) -> None:
    device, mus = random_device(21, (3, 2, 3), TWO_LEADS), np.array([0.3, -0.2])
    options = {"temperature": temperature, "eta": 0.05}
    expected, pullback = coefficient.vjp(device, mus, **options)
    weights = np.array([0.7, -1.2])
    there = backend(device)
    found, pullback_there = coefficient.vjp(there, backend.convert(mus), **options)
    like = there.hamiltonian.diagonal[0]
    for x in (found, coefficient.value(there, backend.convert(mus), **options)):
        assert np.max(np.abs(host(x) - expected)) <= 1e-11 * np.max(np.abs(expected)) + 1e-300
        assert array_api_compat.device(x) == array_api_compat.device(like) and x.shape == (2,)
    bar, bar_there = pullback(weights), pullback_there(backend.convert(weights))
    for x, x_there in zip(leaves(tuple(bar)), leaves(tuple(bar_there)), strict=True):
        if is_array(x):
            assert array_api_compat.device(x_there) == array_api_compat.device(like)
            scale = np.max(np.abs(bar.device.hamiltonian.diagonal[0]))
            assert np.max(np.abs(host(x_there) - np.asarray(x))) <= 1e-9 * max(np.max(np.abs(x)), scale)


def test_coefficient_takes_a_host_chemical_potential_with_a_device_elsewhere() -> None:
    device = chain(2, onsite=[0.3, 0.1])
    for temperature in (0.0, 300.0):
        found = na.conductance(STRICT(device), np.array([0.3]), temperature=temperature)
        assert np.max(np.abs(host(found) - na.conductance(device, [0.3], temperature=temperature))) <= 1e-12


@EACH
def test_coefficient_does_not_depend_on_the_memory_limit(coefficient: Coefficient) -> None:
    device = random_device(6, (3, 4, 2), TWO_LEADS)
    options = {"temperature": 300.0, "eta": 0.1, "rtol": 1e-6}
    expected, pullback = coefficient.vjp(device, 0.3, **options)
    with pytest.raises(na.MemoryLimitError) as caught:
        coefficient.vjp(device, 0.3, memory_limit=1, **options)
    least = int(str(caught.value).split("needs ")[1].split(" bytes")[0].replace(",", ""))
    found, batched = coefficient.vjp(device, 0.3, memory_limit=7 * least, **options)
    assert abs(found - expected) <= 1e-11 * abs(expected)
    whole = pullback(1.0)
    scale = np.max(np.abs(whole.device.hamiltonian.diagonal[0]))
    for x, y in zip(leaves(tuple(whole)), leaves(tuple(batched(1.0))), strict=True):
        if is_array(x):
            assert np.max(np.abs(np.asarray(x) - y)) <= 1e-11 * max(np.max(np.abs(x)), scale)


# Pullback -----------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("name", ["random", pytest.param("strip", marks=pytest.mark.slow)])
def test_coefficient_vjp_passes_the_public_check(coefficient: Coefficient, name: str) -> None:
    na.testing.check_vjp(
        coefficient.value,
        coefficient.vjp,
        (READONLY(_SMALL[name]), READONLY.convert(np.array([0.3, -0.1]))),
        keywords={"temperature": 600.0, "eta": 0.3, "rtol": 1e-9},
        arguments=[0, 1],
        step=1e-2,
        seed=2,
    )


@EACH
def test_coefficient_vjp_passes_the_public_check_by_temperature(coefficient: Coefficient) -> None:
    report = na.testing.check_vjp(
        coefficient.value,
        coefficient.vjp,
        (chain(1, onsite=[LEVEL]), np.array([0.9, -1.5])),
        keywords={"temperature": 600.0, "eta": 0.1, "rtol": 1e-12},
        arguments=["temperature"],
        step=3e-2,
    )
    assert report.steps_used["temperature"] >= 3


@pytest.mark.parametrize("coefficient", COEFFICIENTS[2:], ids=str)  # three moments of T, one of the noise
def test_coefficient_vjp_passes_the_public_check_on_every_backend(coefficient: Coefficient, backend: Backend) -> None:
    na.testing.check_vjp(
        coefficient.value,
        coefficient.vjp,
        (backend(chain(1, onsite=[LEVEL])), backend.convert(np.array([0.3]))),
        keywords={"temperature": 600.0, "eta": 0.3, "rtol": 1e-9},
        arguments=[0, 1],
        step=1e-2,
        seed=2,
    )


@pytest.mark.parametrize("coefficient", COEFFICIENTS[2:], ids=str)
def test_coefficient_vjp_passes_the_public_check_between_chosen_leads(coefficient: Coefficient) -> None:
    na.testing.check_vjp(
        coefficient.value,
        coefficient.vjp,
        (random_device(23, (2, 1), THREE_LEADS), 0.2),
        keywords={"temperature": 600.0, "source": 2, "drain": 1, "eta": 0.3, "device_eta": 0.05, "rtol": 1e-9},
        arguments=[0, 1],
        step=1e-2,
        seed=1,
    )


@pytest.mark.parametrize("coefficient", [COEFFICIENTS[0], COEFFICIENTS[3]], ids=str)
@pytest.mark.parametrize("eta", [0.0, 0.1])
def test_coefficient_vjp_passes_the_public_check_at_zero_temperature(coefficient: Coefficient, eta: float) -> None:
    na.testing.check_vjp(
        coefficient.value,
        coefficient.vjp,
        (random_device(23, (3, 2), TWO_LEADS), np.array([0.3, -0.4])),
        keywords={"temperature": 0.0, "eta": eta},
        arguments=[0, 1],
        step=8e-3,
        seed=2,
    )


@EACH
def test_coefficient_pullback_at_zero_temperature_is_the_derivative_of_its_limit(coefficient: Coefficient) -> None:
    device = chain(3, onsite=[0.3, 0.5, -0.2])
    mus = np.array([0.4, -0.3])
    _, pullback = coefficient.vjp(device, mus, temperature=0.0)
    bar = pullback(np.array([2.0, -1.0]))
    if coefficient.name in ("conductance", "shot_noise"):
        limit = na.transmission_vjp if coefficient.name == "conductance" else na.shot_noise_factor_vjp
        expected = limit(device, mus)[1](np.array([2.0, -1.0]))
        assert np.array_equal(bar.chemical_potential, expected.energies)
        assert np.array_equal(bar.device.hamiltonian.diagonal[1], expected.device.hamiltonian.diagonal[1])
    else:
        assert not any(np.any(x) for x in leaves(tuple(bar)) if is_array(x))
    assert bar.temperature == 0 and bar.temperature.shape == () and bar.chemical_potential.shape == (2,)


@EACH
@pytest.mark.parametrize("temperature", [0.0, 300.0])
def test_coefficient_pullback_wrt_onsite_is_the_diagonal_of_the_whole(
    coefficient: Coefficient, temperature: float, backend: Backend
) -> None:
    device = backend(random_device(4, (3, 4, 2), TWO_LEADS))
    _, pullback = coefficient.vjp(device, 0.3, temperature=temperature, eta=0.1)
    whole = host(pullback(1.0).device.hamiltonian)
    part = pullback(1.0, wrt="onsite")
    expected = np.concatenate([np.diag(x).real for x in whole.diagonal])
    found = host(part.device.hamiltonian.onsite)
    assert found.dtype == np.float64 and np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))
    assert all(x is None for x in part.device.leads)


@EACH
def test_coefficient_pullback_wrt_onsite_has_the_real_arguments_at_every_temperature(coefficient: Coefficient) -> None:
    for temperature in (0.0, 300.0):
        _, pullback = coefficient.vjp(chain(2, onsite=[0.3, 0.1]), 0.4, temperature=temperature)
        whole, part = pullback(1.0), pullback(1.0, wrt="onsite")
        assert part.temperature == whole.temperature
        assert part.chemical_potential == whole.chemical_potential


@EACH
def test_coefficient_pullback_refuses_a_cotangent_of_another_shape(coefficient: Coefficient) -> None:
    for temperature in (0.0, 300.0):
        _, pullback = coefficient.vjp(chain(1, onsite=[LEVEL]), [0.3, 0.1], temperature=temperature)
        with pytest.raises(na.ShapeError, match=r"value_bar has shape \(\) but the value has shape \(2,\)"):
            pullback(1.0)


@EACH
def test_coefficient_pullback_by_the_leads_agrees_with_differences_at_band_edges(coefficient: Coefficient) -> None:
    # a perfect contact: T jumps by one at 2 t, and the edge moves with the whole device; its noise vanishes
    options = {"temperature": 300.0, "rtol": 1e-11}
    levels = np.array([0.0, 0.4 if coefficient.name == "shot_noise" else 0.0, 0.0])

    def shifted(u: float) -> na.Device:
        return chain(3, onsite=levels + u, lead_onsite=u)

    for mu in (1.95, 2.0):
        bar = coefficient.vjp(shifted(0.0), mu, **options)[1](1.0).device
        found = sum(float(lead.onsite[0, 0]) for lead in bar.leads)
        found += sum(float(x[0, 0]) for x in bar.hamiltonian.diagonal)
        h = 1e-3
        values = {k: float(coefficient.value(shifted(k * h), mu, **options)) for k in (-2, -1, 1, 2)}
        expected = (8 * (values[1] - values[-1]) - values[2] + values[-2]) / (12 * h)
        assert abs(found - expected) <= 1e-6 * abs(expected)


@EACH
def test_coefficient_pullback_is_not_refused_where_the_transmission_is_continuous(coefficient: Coefficient) -> None:
    for device, eta in ((chain(1, onsite=[LEVEL]), 0.0), (chain(3, onsite=[0.0, 0.1, 0.0]), 1e-2)):
        _, pullback = coefficient.vjp(device, 1.95, temperature=100.0, eta=eta)
        assert np.all(np.isfinite(pullback(1.0, wrt="onsite").device.hamiltonian.onsite))


# Bad input ----------------------------------------------------------------------------------------------------------

BAD = [
    ("negative temperature", {"temperature": -5.0}, na.InputError, r"temperature=-5\.0 K is negative.*0 or more"),
    ("NaN temperature", {"temperature": float("nan")}, na.InputError, "temperature=nan must be finite"),
    ("several temperatures", {"temperature": [1.0, 2.0]}, na.ShapeError, r"temperature has shape \(2,\)"),
    ("NaN potential", {"mu": float("nan")}, na.InputError, "chemical_potential=nan must be finite"),
    ("complex potential", {"mu": 1j}, na.InputTypeError, "chemical_potential=1j must be real"),
    ("potential of text", {"mu": "0.1"}, na.InputTypeError, "chemical_potential='0.1' must be real"),
    ("no potential", {"mu": None}, na.InputTypeError, "chemical_potential=None must be real"),
    ("potential of two axes", {"mu": np.zeros((2, 3))}, na.ShapeError, r"chemical_potential has shape \(2, 3\)"),
    ("empty potentials", {"mu": []}, na.InputError, "chemical_potential"),
    ("rtol 0", {"rtol": 0}, na.InputError, "rtol=0 must lie between 0 and 1"),
    ("negative device_eta", {"device_eta": -1e-3}, na.InputError, r"device_eta=-0\.001"),
    ("unknown lead", {"source": 2}, na.InputError, "source=2"),
    ("not a device", {"device": np.eye(2)}, na.InputTypeError, "device is a ndarray.*Device"),
]


@EACH
@pytest.mark.parametrize(("change", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_a_bad_argument_is_refused(
    change: dict[str, Any], error: type[Exception], message: str, coefficient: Coefficient
) -> None:
    arguments = {"device": chain(2, onsite=[0.3, 0.1]), "mu": 0.1, "temperature": 300.0, **change}
    device, mu = arguments.pop("device"), arguments.pop("mu")
    for function in (coefficient.value, coefficient.vjp):
        with pytest.raises(error, match=message):
            function(device, mu, **arguments)


@pytest.mark.parametrize("rtol", [0, -1.0, 1.0, float("nan")])
def test_a_bad_rtol_is_refused_at_zero_temperature_too(rtol: float) -> None:
    with pytest.raises(na.InputError, match="rtol="):
        na.conductance(chain(1), 0.1, temperature=0.0, rtol=rtol)


@pytest.mark.parametrize("mu", [12.5, [0.1, 12.5]])
def test_seebeck_is_refused_where_the_conductance_is_zero(mu: Any) -> None:
    # the band ends at 2 eV, 406 kT away
    message = r"conductance is zero at chemical_potential = 12\.5 eV and 300 K: .* 330 kT.*temperature"
    with pytest.raises(na.InputError, match=message):
        na.seebeck(chain(1, onsite=[LEVEL]), mu, temperature=300.0, max_energies=10_000)


def test_thermal_conductance_is_zero_where_the_conductance_is() -> None:
    device, mus = chain(1, onsite=[LEVEL]), np.array([0.1, 12.5])
    found, pullback = na.thermal_conductance_vjp(device, mus, temperature=300.0, max_energies=10_000)
    alone = na.thermal_conductance(device, 0.1, temperature=300.0)
    assert found[1] == 0 and abs(found[0] - alone) <= 1e-6 * alone
    bars = pullback(np.array([0.0, 1.0]))
    # e^{−406} and less, which the value is too small to have
    assert max(np.max(np.abs(bars.chemical_potential)), abs(bars.temperature)) < 1e-150
    assert not any(np.any(np.abs(x) > 1e-150) for x in leaves(bars.device) if is_array(x))


@pytest.mark.parametrize("coefficient", COEFFICIENTS[1:3], ids=str)
def test_quotient_of_a_tunnelling_conductance_is_resolved(coefficient: Coefficient) -> None:
    # T of a long barrier is of order e^{−2 n arcosh((V − E)/2)}: smooth, and 1e-34 at mid-gap
    device = chain(40, onsite=[0.0] + [3.2] * 38 + [0.0])
    kt = K * 77
    grid = np.linspace(-1.0 - 45 * kt, -1.0 + 45 * kt, 8001)
    t = na.transmission(device, grid)
    s = 1 / (4 * kt * np.cosh((grid + 1.0) / (2 * kt)) ** 2)
    moments = [float(np.sum(t * (grid + 1.0) ** n * s) * (grid[1] - grid[0])) for n in range(3)]
    assert 0 < moments[0] < 1e-24
    found = coefficient.value(device, -1.0, temperature=77.0)
    expected = coefficient.of_moments(moments, 77.0)
    assert abs(found - expected) <= 1e-4 * abs(expected)


@pytest.mark.parametrize("coefficient", COEFFICIENTS[1:3], ids=str)
def test_quotient_of_a_small_conductance_has_the_gradient_of_its_differences(coefficient: Coefficient) -> None:
    kt, scale = K * 300, 1e-4
    mu = -2 - 51 * kt
    _, pullback = coefficient.vjp(chain(1, onsite=[LEVEL]), mu, temperature=300.0, rtol=1e-10)
    bars = pullback(np.asarray(1.0))

    def slope(f: Callable[[float], Any]) -> float:
        near, far = ((f(h) - f(-h)) / (2 * h) for h in (scale, 2 * scale))
        return float(4 * near - far) / 3

    by_level = slope(lambda h: coefficient.value(chain(1, onsite=[LEVEL + h]), mu, temperature=300.0, rtol=1e-10))
    by_mu = slope(lambda h: coefficient.value(chain(1, onsite=[LEVEL]), mu + h, temperature=300.0, rtol=1e-10))
    found = float(np.real(bars.device.hamiltonian.diagonal[0][0, 0]))
    # extrapolated differences of values right to 1e-10 each
    assert abs(by_level) > 0 and abs(found - by_level) <= 1e-4 * abs(by_level)
    assert abs(float(bars.chemical_potential) - by_mu) <= 1e-5 * abs(by_mu)


def test_conductance_that_needs_too_many_energies_raises_naming_where() -> None:
    lead = {"onsite": [[0.0]], "hopping": [[-1.0]], "coupling": [[-1e-3]]}
    leads = (na.Lead(**lead, block=0), na.Lead(**lead, block=0))
    device = na.Device(na.BlockTridiagonal([np.array([[0.137]])], []), leads)
    with pytest.raises(na.ConvergenceError, match=r"near E = 0\.1\d* eV: raise max_energies or the") as caught:
        na.conductance(device, 0.1, temperature=300.0, breaks=[0.137], max_energies=500)
    assert abs(caught.value.energies[0] - 0.137) <= 0.05
    # −∂f/∂E at the level times the area πΓ of the resonance
    expected = np.pi * 2e-6 / (4 * K * 300 * np.cosh(0.037 / (2 * K * 300)) ** 2)
    assert abs(na.conductance(device, 0.1, temperature=300.0, breaks=[0.137]) - expected) <= 1e-2 * expected


@EACH
def test_coefficient_leaves_its_arguments_alone(coefficient: Coefficient) -> None:
    device, mus, weights = NUMPY(ribbon(3, 2, disorder=0.5)), np.array([0.5, 0.6]), np.ones(2)
    arrays = [x for x in leaves(device) if is_array(x)] + [mus, weights]
    before = [x.tobytes() for x in arrays]
    for temperature in (0.0, 300.0):
        coefficient.vjp(device, mus, temperature=temperature, eta=0.05)[1](weights)
    assert [x.tobytes() for x in arrays] == before
