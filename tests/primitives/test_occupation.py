"""The Fermi function, the occupation and the thermal moments: values, derivatives, and no overflow anywhere."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from backends import Backend, host
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit

from negfadj.primitives.occupation import Weighted, fermi, fermi_window, occupation, thermal_moment

ENERGIES = np.array([-0.35, -0.02, 0.0, 0.11, 0.4])
POTENTIALS = np.array([-0.1, 0.03])
KT = 0.04


def test_fermi_equals_the_logistic_function(backend: Backend) -> None:
    x = np.linspace(-60, 60, 241)
    assert np.max(np.abs(host(fermi(backend.convert(x))) - expit(-x))) <= 4.5e-16  # two roundings of numbers up to 1


def test_fermi_window_is_f_times_one_minus_f(backend: Backend) -> None:
    x = np.linspace(-60, 60, 241)
    expected = expit(-x) * expit(x)
    assert np.max(np.abs(host(fermi_window(backend.convert(x))) / expected - 1)) <= 1e-14


@given(x=st.floats(-1e9, 1e9))
def test_fermi_of_particles_and_holes_adds_up_to_one(x: float) -> None:
    assert abs(float(fermi(np.array(x)) + fermi(np.array(-x))) - 1.0) <= 2.3e-16  # one rounding


@pytest.mark.parametrize("sign", [-1, 1])
def test_occupation_does_not_overflow_a_million_kt_away(sign: int) -> None:
    energies = sign * KT * np.array([1e3, 1e6, 1e12])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = occupation(energies, np.zeros(1), KT)
        moments = [thermal_moment(energies, np.zeros(1), KT, n) for n in range(3)]
    assert np.array_equal(found.value[:, 0], np.full(3, 0.0 if sign > 0 else 1.0))
    for weighted in (found, *moments):
        derivatives = np.array([weighted.d_mu, weighted.d_kt])
        assert np.all(np.isfinite(derivatives)) and np.max(np.abs(derivatives)) <= 1e-100
    assert max(np.max(np.abs(m.value)) for m in moments) <= 1e-100


def test_occupation_is_one_below_and_zero_above_at_zero_temperature(backend: Backend) -> None:
    found = occupation(backend.convert(np.array([-0.2, -0.1, 0.5])), backend.convert(POTENTIALS), 0.0)
    assert np.array_equal(host(found.value), [[1.0, 1.0], [0.5, 1.0], [0.0, 0.0]])
    assert not np.any(host(found.d_mu)) and not np.any(host(found.d_kt))


def test_occupation_is_the_fermi_function_of_every_pair(backend: Backend) -> None:
    found = host(occupation(backend.convert(ENERGIES), backend.convert(POTENTIALS), KT).value)
    expected = [[1 / (1 + math.exp((e - mu) / KT)) for mu in POTENTIALS] for e in ENERGIES]
    assert found.shape == (5, 2)
    assert np.max(np.abs(found - expected)) <= 2e-15


@pytest.mark.parametrize("order", [0, 1, 2])
def test_thermal_moment_is_the_window_times_the_power(order: int, backend: Backend) -> None:
    found = host(thermal_moment(backend.convert(ENERGIES), backend.convert(POTENTIALS), KT, order).value)
    expected = [
        [(e - mu) ** order / (4 * KT * math.cosh((e - mu) / (2 * KT)) ** 2) for mu in POTENTIALS] for e in ENERGIES
    ]
    assert np.max(np.abs(found - expected)) <= 1e-13 * np.max(np.abs(expected))


@pytest.mark.parametrize(("order", "expected"), [(0, 1.0), (1, 0.0), (2, math.pi**2 / 3 * KT**2)])
def test_thermal_moment_integrates_to_the_sommerfeld_coefficient(order: int, expected: float) -> None:
    def kernel(e: float) -> float:
        return float(thermal_moment(np.array([e]), np.array([0.1]), KT, order).value[0, 0])

    found = quad(kernel, 0.1 - 40 * KT, 0.1 + 40 * KT, points=[0.1], epsabs=1e-14, epsrel=1e-12, limit=200)[0]
    assert abs(found - expected) <= 1e-12


def _weighted(name: str, mu: np.ndarray, kt: float) -> Weighted:
    if name == "occupation":
        return occupation(ENERGIES, mu, kt)
    return thermal_moment(ENERGIES, mu, kt, int(name[-1]))


@pytest.mark.parametrize("name", ["occupation", "moment 0", "moment 1", "moment 2"])
def test_weight_derivatives_equal_differences(name: str) -> None:
    found = _weighted(name, POTENTIALS, KT)
    h = 2e-4

    def slope(values: list[np.ndarray]) -> np.ndarray:
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)

    d_mu = slope([_weighted(name, POTENTIALS + k * h, KT).value for k in (-2, -1, 1, 2)])
    d_kt = slope([_weighted(name, POTENTIALS, KT + k * h).value for k in (-2, -1, 1, 2)])
    # error (h/kT)⁴/30 times a number of the order of ten; round-off eps/h
    for expected, derivative in ((d_mu, found.d_mu), (d_kt, found.d_kt)):
        assert np.max(np.abs(derivative - expected)) <= 1e-8 * np.max(np.abs(expected))


@pytest.mark.parametrize("name", ["occupation", "moment 0", "moment 1", "moment 2"])
def test_weight_derivatives_are_the_same_on_every_backend(name: str, backend: Backend) -> None:
    expected = _weighted(name, POTENTIALS, KT)
    energies, mus = backend.convert(ENERGIES), backend.convert(POTENTIALS)
    found = occupation(energies, mus, KT) if name == "occupation" else thermal_moment(energies, mus, KT, int(name[-1]))
    for x, y in zip(host(found), expected):
        assert np.max(np.abs(x - y)) <= 1e-13 * np.max(np.abs(y))
