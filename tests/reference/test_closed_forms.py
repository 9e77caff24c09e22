"""Closed forms: a chain with hopping t, an impurity, a barrier and a level between wide bands, at η = 0."""

from __future__ import annotations

import numpy as np
import pytest
from self_energies import self_energy
from verified import Comparison

import negfadj as na
from negfadj.constants import CURRENT_PER_EV

CODE = "Closed forms"
HOPPING = -1.0
CHAIN, IMPURITY, BARRIER, LEVEL = "chain", "impurity in a chain", "barrier of 7 sites in a chain", "level, wide bands"
ENERGIES = np.linspace(-1.93, 1.91, 25)  # inside the band, away from its edges at ±2


def chain_device(onsite: np.ndarray) -> na.Device:
    """Sites of these energies in an endless chain."""
    lead = na.Lead(onsite=[[0.0]], hopping=[[HOPPING]], block=0), na.Lead(onsite=[[0.0]], hopping=[[HOPPING]], block=-1)
    diagonal = [np.array([[e]]) for e in onsite]
    return na.Device(na.BlockTridiagonal(diagonal, [np.array([[HOPPING]])] * (len(onsite) - 1)), lead)


def level_device(energy: float, left: float, right: float) -> na.Device:
    """A level between Σ = −iΓ/2 on both sides."""
    leads = [na.SelfEnergy(np.array([[-0.5j * width]]), block=0) for width in (left, right)]
    return na.Device(na.BlockTridiagonal([np.array([[energy]])], []), leads)


def test_chain_has_its_self_energy(compare: Comparison) -> None:
    lead = na.Lead(onsite=[[0.0]], hopping=[[HOPPING]])
    expected = (ENERGIES - 1j * np.sqrt(4 - ENERGIES**2)) / 2  # t² g, the root that decays
    compare(CHAIN, "Σ(E)", self_energy(lead, ENERGIES)[:, 0, 0], expected, 1e-13)


def test_chain_has_its_local_density_of_states(compare: Comparison) -> None:
    found = na.local_density_of_states(chain_device(np.zeros(5)), ENERGIES)
    expected = np.repeat(1 / (np.pi * np.sqrt(4 - ENERGIES**2))[:, None], 5, axis=1)
    compare(CHAIN, "local density of states", found, expected, 1e-13)  # 1/v² ~ 15 at the ends


def test_impurity_transmits_as_its_closed_form(compare: Comparison) -> None:
    squared = 4 - ENERGIES**2  # of the group velocity
    for u in (0.3, -1.1, 4.0):
        found = na.transmission(chain_device(np.array([0.0, u, 0.0])), ENERGIES)
        compare(IMPURITY, "T(E)", found, squared / (squared + u**2), 1e-13)


def test_impurity_has_the_gradient_of_its_closed_form(compare: Comparison) -> None:
    squared = 4 - ENERGIES**2
    for u in (0.3, -1.1, 4.0):
        found = na.transmission_sensitivity(chain_device(np.array([0.0, u, 0.0])), ENERGIES)[:, 1]
        compare(IMPURITY, "dT/dU", found, -2 * u * squared / (squared + u**2) ** 2, 1e-12)


def test_impurity_has_the_energy_derivative_of_its_closed_form(compare: Comparison) -> None:
    squared, u = 4 - ENERGIES**2, 0.7
    found = na.transmission_derivatives(chain_device(np.array([0.0, u, 0.0])), ENERGIES, order=1)[:, 1]
    compare(IMPURITY, "dT/dE", found, -2 * ENERGIES * u**2 / (squared + u**2) ** 2, 1e-11)


def test_impurity_has_the_noise_of_its_closed_form(compare: Comparison) -> None:
    squared, u = 4 - ENERGIES**2, 0.9
    expected = squared * u**2 / (squared + u**2) ** 2
    compare(IMPURITY, "T(1 − T)", na.shot_noise_factor(chain_device(np.array([u])), ENERGIES), expected, 1e-13)


def test_barrier_transmits_as_its_chebyshev_polynomials(compare: Comparison) -> None:
    # G_1N of N equal sites between Σ: t^{N−1}/D with D = t^N (U_N − 2 s U_{N−1} + s² U_{N−2}), s = Σ/t
    n = 7
    s = (ENERGIES - 1j * np.sqrt(4 - ENERGIES**2)) / 2 / HOPPING
    for height in (0.4, 2.5):
        x = (ENERGIES - height) / (2 * HOPPING)
        u = [np.ones_like(x), 2 * x]
        while len(u) <= n:
            u.append(2 * x * u[-1] - u[-2])
        denominator = u[n] - 2 * s * u[n - 1] + s**2 * u[n - 2]
        expected = (4 - ENERGIES**2) / np.abs(denominator) ** 2
        compare(BARRIER, "T(E)", na.transmission(chain_device(np.full(n, height)), ENERGIES), expected, 1e-12)


@pytest.mark.parametrize(("left", "right"), [(0.1, 0.1), (0.3, 0.02)])
def test_level_transmits_as_breit_and_wigner_say(left: float, right: float, compare: Comparison) -> None:
    device = level_device(0.2, left, right)
    lorentzian = 1 / ((ENERGIES - 0.2) ** 2 + (left + right) ** 2 / 4)
    compare(LEVEL, "T(E)", na.transmission(device, ENERGIES), left * right * lorentzian, 1e-13)
    density = (left + right) / (2 * np.pi) * lorentzian
    compare(LEVEL, "density of states", na.density_of_states(device, ENERGIES), density, 1e-11)


def test_level_has_the_current_of_its_closed_form(compare: Comparison) -> None:
    left, right, bias = 0.1, 0.06, 0.5
    found = na.current(level_device(0.1, left, right), bias, temperature=0)
    half = (left + right) / 2
    angle = np.arctan((bias / 2 - 0.1) / half) - np.arctan((-bias / 2 - 0.1) / half)
    expected = CURRENT_PER_EV * left * right / half * angle
    compare(LEVEL, "current at T = 0 [µA]", [found], [expected], 1e-8, relative=True)  # the quadrature's own
