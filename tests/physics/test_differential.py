"""Slopes of the current by bias, gate and tip: against differences of the current, and their own gradients."""

from __future__ import annotations

import numpy as np
import pytest
from biased_devices import chain, random_device

import negfadj as na
from negfadj.callers.scanning_gate import gaussian_tips, scanning_gate_map
from negfadj.constants import CURRENT_PER_EV
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box
from negfadj.physics.differential_conductance import differential_conductance, differential_conductance_vjp
from negfadj.physics.potential import device_in_potential
from negfadj.physics.small_signal import small_signal
from negfadj.physics.transconductance import transconductance
from negfadj.testing import check_vjp

AT = {"temperature": 300.0, "fermi_energy": 0.2, "rtol": 1e-10}


def five_point(f, x: float, h: float) -> float:
    """f'(x) to h⁴."""
    return (f(x - 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x + 2 * h)) / (12 * h)


def test_differential_conductance_is_the_slope_of_the_current() -> None:
    device = random_device()
    biases = np.array([0.0, 0.1, -0.3])
    found = differential_conductance(device, biases, **AT)
    expected = [five_point(lambda v: float(na.current(device, v, **AT)), v, 4e-3) for v in biases]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_differential_conductance_of_an_open_channel_is_the_quantum_of_conductance() -> None:
    found = differential_conductance(chain(2), 0.1, temperature=0.0)
    assert found.shape == () and np.isclose(found, CURRENT_PER_EV, rtol=1e-12)


def test_differential_conductance_without_bias_is_the_conductance() -> None:
    device = random_device()
    linear = na.conductance(device, 0.2, temperature=300.0, rtol=1e-10)
    assert np.isclose(differential_conductance(device, 0.0, **AT), CURRENT_PER_EV * linear, rtol=1e-12)


def test_differential_conductance_pullback_is_its_gradient() -> None:
    check_vjp(
        differential_conductance,
        differential_conductance_vjp,
        (chain(2, np.array([0.3, -0.4])), np.array([0.1, 0.6])),
        keywords={"temperature": 600.0, "fermi_energy": 0.2, "eta": 0.3, "rtol": 1e-9},
        arguments=[0, 1],
        step=1e-2,
    )


def test_differential_conductance_pullback_is_its_gradient_by_temperature() -> None:
    check_vjp(
        differential_conductance,
        differential_conductance_vjp,
        (chain(1, np.array([0.3])), np.array([0.9, -1.5])),
        keywords={"temperature": 600.0, "eta": 0.1, "rtol": 1e-12},
        arguments=["temperature"],
        step=3e-2,
    )


@pytest.mark.parametrize("overlap", [False, True])
def test_transconductance_is_the_slope_by_a_rigid_gate(overlap: bool) -> None:
    device = random_device(overlap=overlap)
    arms = np.linspace(-0.2, 1.0, device.n_orbitals)

    def gated(voltage: float, bias: float) -> float:
        there = device_in_potential(device, -arms * voltage, [0.0, 0.0])
        return float(na.current(there, bias, **AT))

    found = transconductance(device, np.array([0.1, 0.3]), arms, **AT)
    expected = [five_point(lambda v, b=b: gated(v, b), 0.0, 4e-3) for b in (0.1, 0.3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_transconductance_takes_a_mask_of_orbitals() -> None:
    device = random_device(overlap=False)
    mask = np.arange(device.n_orbitals) < 4
    found = transconductance(device, 0.1, mask, **AT)
    assert found.shape == () and found == transconductance(device, 0.1, mask.astype(float), **AT)


def test_transconductance_refuses_arms_of_another_device() -> None:
    with pytest.raises(na.ShapeError, match=r"lever_arms has shape \(3,\) but the device has 8 orbitals"):
        transconductance(random_device(), 0.1, np.ones(3), **AT)


def gated_chain() -> tuple[na.Device, FiniteVolumePoisson, dict]:
    """Six sites under a gate between two contacts, a quarter filled."""
    x = 2.0 * np.arange(6.0) - 5.0
    lines = np.linspace(-8.0, 8.0, 17)
    field = FiniteVolumePoisson(
        Grid(lines, np.linspace(-4, 4, 9), np.linspace(-4, 4, 9)),
        np.column_stack((x, 0 * x, 0 * x)),
        1.0,
        conductors=(
            Conductor("gate", Box(x=(-3, 3), z=(3, 4)), 0.0),
            Conductor("back", Box(x=(-3, 3), z=(-4, -3)), 0.0),
            Conductor("left", Box(x=(-8, -7)), 0.0),
            Conductor("right", Box(x=(7, 8)), 0.0),
        ),
        lead_conductors=("left", "right"),
    )
    return chain(6, np.full(6, 0.5)), field, {"neutral": 0.5, "temperature": 300.0, "error": 1e-10, "tolerance": 1e-11}


def test_small_signal_parameters_are_the_slopes_through_the_loop() -> None:
    device, field, options = gated_chain()
    here = small_signal(device, field, gates=("gate", "back"), options=options | {"bias": 0.2})

    def current(bias: float, gate: float) -> float:
        gated = field.with_voltages({"gate": gate})
        return na.self_consistent(device, gated, bias=bias, initial=here.solution, **options).current

    assert np.isclose(here.differential_conductance, five_point(lambda v: current(v, 0.0), 0.2, 5e-3), rtol=1e-5)
    by_gate = five_point(lambda v: current(0.2, v), 0.0, 5e-3)
    assert np.isclose(here.transconductances["gate"], by_gate, rtol=1e-5)
    assert np.isclose(here.transconductances["back"], by_gate, rtol=1e-5)  # the mirror image
    assert here.solution.current == current(0.2, 0.0)


def test_small_signal_names_a_gate_that_there_is_not() -> None:
    device, field, options = gated_chain()
    with pytest.raises(na.InputError, match="gates names 'top', but the electrostatics has the conductors"):
        small_signal(device, field, gates=("top",), options=options)
    with pytest.raises(na.InputError, match="must be a sequence of names"):
        small_signal(device, field, gates="gate", options=options)


def test_scanning_gate_map_is_the_slope_by_a_gaussian_tip() -> None:
    device = chain(7, 0.3 * np.cos(np.arange(7.0)))
    positions = np.column_stack((np.arange(7.0), np.zeros(7)))
    tips, width = np.array([[1.2, 0.4], [5.0, -1.0]]), 0.8
    found = scanning_gate_map(device, [0.3, 0.7], positions, tips, width=width)
    for k, tip in enumerate(tips):
        shape = np.exp(-((positions - tip) ** 2).sum(axis=1) / (2 * width**2))

        def under_tip(u: float, shape: np.ndarray = shape) -> np.ndarray:
            return na.transmission(device_in_potential(device, u * shape, [0.0, 0.0]), [0.3, 0.7])

        expected = five_point(under_tip, 0.0, 2e-3)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-6, atol=1e-8)  # 2e-8 of the tip is cut off


def test_scanning_gate_refuses_a_tip_without_width() -> None:
    with pytest.raises(na.InputError, match="width=0 must be a positive number"):
        gaussian_tips(np.zeros((2, 2)), np.zeros((1, 2)), 0)
    with pytest.raises(na.ShapeError, match="positions has 2 rows but the device has 3"):
        scanning_gate_map(chain(3), 0.1, np.zeros((2, 2)), np.zeros((1, 2)), width=1.0)
