"""Metal contacts as wide bands: one constant self-energy for all energies, also at the poles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import digamma

import negfadj as na
from negfadj.array import tree_map
from negfadj.constants import BOLTZMANN
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.errors import InputError
from negfadj.physics.charge import charge
from negfadj.physics.self_consistent import self_consistent, self_consistent_vjp

ONE, KELVIN = np.ones((1, 1)), 600.0


def wide_band(n: int, broadening: float = 0.4, level: float = 0.1) -> na.Device:
    ends = [na.SelfEnergy(-0.5j * broadening * ONE, block=k) for k in (0, -1)]
    return na.Device(na.BlockTridiagonal([level * ONE] * n, [-ONE] * (n - 1)), ends)


def test_level_between_wide_bands_is_filled_as_the_closed_form_says() -> None:
    # n_s = 1/2 − Im ψ(1/2 + (Γ + i(ε − μ))/(2πkT))/π with Γ the half width; under bias the mean over equal contacts
    level, half, kt, mus = 0.1, 0.4, KELVIN * BOLTZMANN, (0.2, -0.1)
    arguments = [0.5 + (half + 1j * (level - mu)) / (2 * np.pi * kt) for mu in mus]
    wanted = 2 * np.mean([0.5 - digamma(a).imag / np.pi for a in arguments])
    lowest = -1e7  # beyond it lies Γ/(π E) of the level
    found = charge(wide_band(1), mus, temperature=KELVIN, error=1e-10, lowest=lowest)
    assert np.isclose(found.populations[0], wanted, rtol=0, atol=1e-7)
    assert found.error[0] < 1e-7


def test_charge_of_a_self_energy_at_many_energies_is_refused() -> None:
    ends = [na.SelfEnergy(np.broadcast_to(-0.2j * ONE, (3, 1, 1)), block=0)]
    device = na.Device(na.BlockTridiagonal([ONE], []), ends)
    with pytest.raises(InputError, match="self-energy at 3 real energies"):
        charge(device, 0.0, temperature=KELVIN)


def test_gradient_through_the_loop_reaches_the_self_energy() -> None:
    n = 5
    x = 2.0 * np.arange(n) + 2
    field = ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.0, distance=12.0)
    options: dict[str, Any] = {"temperature": 1000.0, "neutral": 0.9, "lowest": -1e4}
    options |= {"tolerance": 1e-11, "error": 1e-10}

    def value(device: na.Device, bias: float) -> float:
        found = self_consistent(device, field, bias=bias, **options)
        return float(np.sum(found.potential)) + found.current

    device, bias = wide_band(n), 0.3
    _, pullback = self_consistent_vjp(device, field, bias=bias, **options)
    bar = pullback(potential=np.ones(n), current=1.0)
    rng = np.random.default_rng(0)

    def drawn(a: np.ndarray) -> np.ndarray:
        return rng.normal(size=a.shape) + (1j if a.dtype.kind == "c" else 0) * rng.normal(size=a.shape)

    tangent = device.project_tangent(tree_map(drawn, device))
    h = 1e-3
    at = {k: value(tree_map(lambda a, v, k=k: a + k * h * v, device, tangent), bias + k * h) for k in (-2, -1, 1, 2)}
    slope = (8 * (at[1] - at[-1]) - at[2] + at[-2]) / (12 * h)
    found = [bar.bias]
    tree_map(lambda v, b: found.append(float(np.real(np.sum(np.conj(b) * v)))), tangent, bar.device)
    assert abs(sum(found) - slope) <= 1e-6 * abs(slope)
