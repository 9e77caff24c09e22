"""Derivatives of energy integrals over levels far narrower than kT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import negfadj as na
from negfadj.constants import BOLTZMANN, CURRENT_PER_EV
from negfadj.errors import HermiticityError, InputError
from negfadj.physics.charge import charge, charge_problem, charge_vjp
from negfadj.physics.charge_response import ChargeResponse
from negfadj.physics.neutral_lead import neutral_lead
from negfadj.physics.window_current import window_current

ONE, KELVIN, MUS = np.ones((1, 1)), 100.0, np.array([0.06, -0.15])
KT = KELVIN * BOLTZMANN
LEADS = [na.Lead(0 * ONE, -ONE, block=k) for k in (0, -1)]
WIDTHS = [1e-3, 3e-5]  # hoppings to the level: Γ = 4e-6 and 4e-9 eV


def level(hopping: float, energy: float = 0.05) -> na.Device:
    """A level between two pieces of chain."""
    diagonal = [0 * ONE] * 2 + [energy * ONE] + [0 * ONE] * 2
    return na.Device(na.BlockTridiagonal(diagonal, [-ONE, -hopping * ONE, -hopping * ONE, -ONE]), LEADS)


def slope(f: Callable[[float], float], h: float) -> float:
    return (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h)


def narrow_current(hopping: float, energy: float, mus: Any) -> float:
    """(2e/h) 2π Γ_1Γ_2/Γ (f_1 − f_2) of a level with Γ_l = 2 t² sin k, to order Γ/kT."""
    rate = 2 * hopping**2 * np.sqrt(1 - energy**2 / 4)
    f = 1 / (1 + np.exp((energy - np.asarray(mus)) / KT))
    return float(CURRENT_PER_EV * np.pi * rate * (f[0] - f[1]))


@pytest.mark.parametrize("hopping", WIDTHS)
def test_current_by_a_narrow_level_has_the_slope_of_the_closed_form(hopping: float) -> None:
    value, pullback = na.current_vjp(level(hopping), None, chemical_potentials=MUS, temperature=KELVIN)
    wanted = slope(lambda e: narrow_current(hopping, 0.05 + e, MUS), 1e-4)
    assert np.isclose(value, narrow_current(hopping, 0.05, MUS), rtol=1e-4)
    assert np.isclose(pullback(1.0).device.hamiltonian.diagonal[2][0, 0], wanted, rtol=3e-5 + 4 * hopping**2 / KT)
    assert np.isclose(pullback(1.0, wrt="onsite").device.hamiltonian.onsite[2], wanted, rtol=3e-5 + 4 * hopping**2 / KT)


@pytest.mark.parametrize("hopping", WIDTHS)
def test_window_current_by_level_and_bias_has_the_slope_of_the_closed_form(hopping: float) -> None:
    given: dict[str, Any] = {"spin_degeneracy": 2.0, "eta": 0.0, "device_eta": 0.0, "lead_method": "auto"}
    given |= {"memory_limit": None, "max_energies": 20_000}
    _, pullback = window_current(level(hopping), MUS, KT, **given)
    bar = pullback(1.0)
    wanted = slope(lambda e: narrow_current(hopping, 0.05 + e, MUS), 1e-4)
    assert np.isclose(bar.device.hamiltonian.diagonal[2][0, 0], wanted, rtol=3e-5 + 4 * hopping**2 / KT)
    wanted = slope(lambda v: narrow_current(hopping, 0.05, MUS + [v, 0]), 1e-4)
    assert np.isclose(bar.chemical_potentials[0], wanted, rtol=3e-5 + 4 * hopping**2 / KT)


def test_charge_response_is_its_pullback_at_a_narrow_level() -> None:
    given: dict[str, Any] = {"spin_degeneracy": 2.0, "eta": 0.0, "device_eta": 0.0, "lead_method": "auto"}
    given |= {"memory_limit": None, "max_energies": 20_000, "equilibrium": "mean", "backend": None, "lowest": None}
    device = level(1e-4)
    response = ChargeResponse(charge_problem(device, MUS, temperature=KELVIN, error=1e-8, **given))
    _, pullback = charge_vjp(device, MUS, temperature=KELVIN)
    at_level = np.eye(5)[2]
    wanted = [x[0, 0] for x in pullback(at_level).device.hamiltonian.diagonal]
    tolerance = 1e-9 * np.max(np.abs(wanted))
    np.testing.assert_allclose(response.transposed(at_level), wanted, rtol=0, atol=tolerance)
    np.testing.assert_allclose([response.tangent(e)[2] for e in np.eye(5)], wanted, rtol=0, atol=tolerance)
    f = 1 / (1 + np.exp((0.05 - MUS) / KT))
    assert np.isclose(wanted[2], -float(np.sum(f * (1 - f))) / KT, rtol=1e-3)


def test_charge_of_single_precision_is_that_of_double() -> None:
    def device(dtype: Any) -> na.Device:
        one = np.ones((1, 1), dtype)
        leads = [na.Lead(0 * one, -one, block=k) for k in (0, -1)]
        diagonal, upper = [dtype(e) * one for e in (0, 0.03, 0)], [dtype(-0.015625) * one] * 2
        return na.Device(na.BlockTridiagonal(diagonal, upper), leads)

    single, pullback = charge_vjp(device(np.float32), [0.1, -0.1], temperature=KELVIN)
    double = charge(device(np.float64), [0.1, -0.1], temperature=KELVIN)
    np.testing.assert_allclose(single.populations, double.populations, rtol=0, atol=1e-5)
    assert pullback(np.ones(3)).device.hamiltonian.diagonal[0].dtype == np.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spin_degeneracy": -1.0}, "spin_degeneracy=-1.0 must be one positive"),
        ({"spin_degeneracy": np.nan}, "spin_degeneracy=nan must be finite"),
        ({"lowest": -1.0}, "lowest=-1 eV lies above states: .* give lowest=-2"),
        ({"error": 1e-11}, "between 1e-10 and 0.01"),
    ],
)
def test_charge_refuses_options_without_meaning(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        charge(level(0.5), MUS, temperature=KELVIN, **options)


def test_charge_refuses_gain_and_endless_tails_and_a_bad_overlap() -> None:
    with pytest.raises(HermiticityError, match=r"lower\[0\] is off a Hermitian matrix by 0.1"):
        charge(na.Device(na.BlockTridiagonal([0 * ONE] * 2, [-ONE], [-0.9 * ONE]), LEADS), 0.0, temperature=KELVIN)
    wide = na.Device(na.BlockTridiagonal([0 * ONE], []), [na.SelfEnergy(-0.5j * ONE, block=0)])
    with pytest.raises(InputError, match="SelfEnergy, whose levels have tails"):
        charge(wide, 0.0, temperature=KELVIN)
    overlap = na.Lead(0 * ONE, -ONE, block=0, overlap_onsite=ONE, overlap_hopping=0.9 * ONE)
    with pytest.raises(InputError, match="not positive definite"):
        charge(na.Device(na.BlockTridiagonal([0 * ONE], []), [overlap]), 0.0, temperature=KELVIN)


@pytest.mark.parametrize("kelvin", [0.1, 1.0, 2.0])
def test_neutral_lead_away_from_half_filling_follows_sommerfeld_when_cold(kelvin: float) -> None:
    # N = 2 k_F/π of a chain; μ = μ_0 − (π²/6)(kT)² g'/g with g ~ 1/√(4 − E²)
    level, kt = -2 * np.cos(0.15 * np.pi), kelvin * BOLTZMANN
    wanted = level - np.pi**2 / 6 * kt**2 * level / (4 - level**2)
    found = neutral_lead(LEADS[0], 0.3, temperature=kelvin)
    assert abs(found.potential_energy + wanted) < 1e-12


@pytest.mark.parametrize("hopping", WIDTHS)
def test_slope_at_no_bias_sees_a_narrow_level(hopping: float) -> None:
    # the window is empty, so that the nodes of the current alone know nothing of the level
    device = level(hopping, 0.03)
    expected = CURRENT_PER_EV * float(na.conductance(device, 0.0, temperature=KELVIN))
    of_bias = na.current_vjp(device, 0.0, temperature=KELVIN)[1](1.0).bias
    np.testing.assert_allclose(of_bias, expected, rtol=1e-6)
    options: dict[str, Any] = {"spin_degeneracy": 2.0, "eta": 0.0, "device_eta": 0.0, "lead_method": "auto"}
    _, pullback = window_current(device, np.zeros(2), KT, **options, memory_limit=None, max_energies=20_000)
    np.testing.assert_allclose(pullback(1.0).chemical_potentials, [expected, -expected], rtol=1e-6)
