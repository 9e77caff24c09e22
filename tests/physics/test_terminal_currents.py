"""The currents of three leads at once: against the scattering states' balance, and through the loop's adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from biased_devices import chain

import negfadj as na
from negfadj.constants import BOLTZMANN, CURRENT_PER_EV
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.errors import InputError, ShapeError
from negfadj.physics.self_consistent import Solution, self_consistent, self_consistent_vjp

ONE = np.ones((1, 1))
MUS = np.array([0.2, -0.1, 0.05])
GIVEN: dict[str, Any] = {"temperature": 600.0, "neutral": 1.0, "error": 1e-9, "tolerance": 1e-9}


def junction() -> na.Device:
    """Two rows of three sites, a magnetic flux between them, and three leads: T_jk ≠ T_kj."""

    def lead(block: int, row: int) -> na.Lead:
        return na.Lead(0 * ONE, -ONE, coupling=[[-0.8 if k == row else 0.0] for k in range(2)], block=block)

    levels = np.array([[0.0, -0.7], [-0.7, 0.1]], dtype=complex)
    hopping = np.diag([-np.exp(0.4j), -0.9])
    return na.Device(na.BlockTridiagonal([levels] * 3, [hopping] * 2), [lead(0, 0), lead(2, 0), lead(1, 1)])


def plates() -> ParallelPlates:
    return ParallelPlates(np.column_stack((np.repeat([2.5, 5.0, 7.5], 2), [0.0, 2.0] * 3, np.zeros(6))), 1.2, 10.0)


def solved(mus: np.ndarray = MUS, **changes: Any) -> Solution:
    return self_consistent(junction(), plates(), chemical_potentials=mus, **(GIVEN | changes))


def test_terminal_currents_are_what_leads_inject_less_what_comes_back() -> None:
    found = solved()
    energies = np.linspace(-1.77, 1.77, 2001)  # inside all bands
    f = [1 / (1 + np.exp((energies - mu) / (600 * BOLTZMANN))) for mu in MUS]
    t = {
        (j, k): na.transmission(found.device, energies, source=j, drain=k)
        for j in range(3)
        for k in range(3)
        if j != k
    }
    assert np.max(np.abs(t[0, 2] - t[2, 0])) > 0.1
    expected = [
        CURRENT_PER_EV * np.trapezoid(sum(t[k, j] * f[k] - t[j, k] * f[j] for j in range(3) if j != k), energies)
        for k in range(3)
    ]
    np.testing.assert_allclose(found.terminal_currents, expected, rtol=1e-5)
    assert abs(np.sum(found.terminal_currents)) < 1e-8 * np.max(np.abs(found.terminal_currents))
    assert abs(found.current - found.terminal_currents[0]) > 0.5  # the share of lead 1 alone


def test_terminal_currents_have_the_gradient_of_converged_solutions() -> None:
    weights = np.array([0.3, -0.8, 1.1])
    solution, pullback = self_consistent_vjp(junction(), plates(), chemical_potentials=MUS, **GIVEN)
    bar = pullback(terminal_currents=weights)

    def slope(direction: np.ndarray, h: float) -> float:
        at = {
            k: float(weights @ solved(MUS + k * h * direction, initial=solution).terminal_currents)
            for k in (-2, -1, 1, 2)
        }
        return (8 * (at[1] - at[-1]) - at[2] + at[-2]) / (12 * h)

    direction = np.array([1.0, -0.4, 0.7])
    assert bar.chemical_potentials @ direction == pytest.approx(slope(direction, 3e-3), rel=1e-6)


def test_two_leads_have_opposite_terminal_currents() -> None:
    x = np.arange(4.0)
    field = ParallelPlates(np.column_stack((2 * x + 2, 0 * x, 0 * x)), 1.2, 10.0)
    solution, pullback = self_consistent_vjp(chain(4), field, bias=0.2, temperature=600.0, neutral=1.0)
    np.testing.assert_allclose(solution.terminal_currents, [solution.current, -solution.current], rtol=1e-12)
    assert pullback(terminal_currents=[0.5, -0.5]).bias == pytest.approx(pullback(current=1.0).bias, rel=1e-9)
    with pytest.raises(ShapeError, match=r"cotangent terminal_currents has shape \(3,\)"):
        pullback(terminal_currents=np.ones(3))
    with pytest.raises(InputError, match="cotangent terminal_currents"):
        pullback(terminal_currents="all")
