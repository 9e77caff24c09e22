"""Metal contacts: broad leads, work functions, Schottky barriers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import negfadj as na
from negfadj.constants import BOLTZMANN
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.physics.self_consistent import Solution, self_consistent

HOPPING, SPACING, N = -1.0, 3.0, 8


def metal(block: int, broadening: float = 1.0, half_width: float = 20.0) -> na.Lead:
    """Σ = −iΓ/2 at the middle of a band of half width W."""
    t = half_width / 2
    return na.Lead([[0.0]], [[-t]], coupling=[[-np.sqrt(broadening * t / 2)]], block=block)


def chain(bottom: float, ends: tuple[Any, Any]) -> na.Device:
    onsite = [[bottom - 2 * HOPPING]]
    return na.Device(na.BlockTridiagonal([onsite] * N, [[[HOPPING]]] * (N - 1)), ends)


def solved(source: float, drain: float, bias: float, broadening: float = 1.0, temperature: float = 300.0) -> Solution:
    """An undoped chain between metals whose barriers to its band are these [eV]."""
    x = SPACING * (np.arange(N) + 1.0)
    field = ParallelPlates(
        np.column_stack((x, 0 * x, 0 * x)),
        width=1.0,
        distance=SPACING * (N + 1),
        relative_permittivity=10.0,
        voltages=(0.0, source - drain),
    )
    device = chain(source, (metal(0, broadening), metal(-1, broadening)))
    return self_consistent(device, field, bias=bias, temperature=temperature, neutral=0.0)


def test_broad_lead_has_the_self_energy_of_a_wide_band() -> None:
    energies = np.linspace(-0.4, 0.4, 5)
    wide = na.transmission(chain(0.1, tuple(na.SelfEnergy([[-0.5j]], block=k) for k in (0, -1))), energies)
    errors = [
        np.abs(na.transmission(chain(0.1, (metal(0, 1.0, w), metal(-1, 1.0, w))), energies) - wide).max()
        for w in (50.0, 100.0)
    ]
    assert errors[0] < 0.02 and 1.8 < errors[0] / errors[1] < 2.2  # Re Σ = Γ E/2W


@pytest.mark.parametrize("broadening", [0.2, 1.0])
def test_no_current_without_a_bias_between_unlike_metals(broadening: float) -> None:
    found = solved(0.3, 0.8, 0.0, broadening)
    assert abs(found.current) <= 1e-12
    assert found.potential[-1] < found.potential[0] - 0.2  # the built-in field


def test_empty_chain_between_unlike_metals_has_the_field_of_the_plates() -> None:
    found = solved(3.0, 3.5, 0.0, broadening=1e-4)
    x = np.arange(1, N + 1) / (N + 1)
    assert np.abs(found.charge).max() < 1e-4
    np.testing.assert_allclose(found.potential, -0.5 * x, atol=1e-3)


def test_weakly_coupled_barrier_is_thermionic() -> None:
    # what tunnels is as weak as the coupling: the current goes as exp(−Φ/kT)
    warm = {w: solved(w, w, 0.1, broadening=1e-3, temperature=1000.0).current for w in (0.5, 0.7)}
    assert np.isclose(np.log(warm[0.5] / warm[0.7]), 0.2 / (BOLTZMANN * 1000), rtol=0.1)
