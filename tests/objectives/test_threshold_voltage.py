"""Threshold voltages: against closed forms and against differences of thresholds found anew."""

from __future__ import annotations

import numpy as np
import pytest

import negfadj as na
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.regions import Box
from negfadj.objectives.covariance import independent
from negfadj.objectives.gate_threshold import gate_threshold_vjp
from negfadj.objectives.moments import variability
from negfadj.objectives.threshold import threshold_voltage, threshold_voltage_vjp

SWING, FACTOR = 0.026, 3.0


def exponential(parameter: float, sign: float = 1.0):
    """I = 3 exp(±(V − p²)/s) and its pullback to (V, p)."""

    def current_vjp(voltage: float):
        value = FACTOR * np.exp(sign * (voltage - parameter**2) / SWING)

        def pullback(bar: float):
            slope = sign * bar * value / SWING
            return slope, -2 * parameter * slope

        return value, pullback

    return current_vjp


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_threshold_of_an_exponential_is_the_closed_form(sign: float) -> None:
    found, pullback = threshold_voltage_vjp(exponential(0.4, sign), 1e-4, (-0.5, 0.6))
    assert np.isclose(found.voltage, 0.16 + sign * SWING * np.log(1e-4 / FACTOR), atol=1e-9)
    assert np.isclose(found.slope, sign * 1e-4 / SWING, rtol=1e-6)
    assert found.evaluations <= 6  # the logarithm is a line
    assert np.isclose(pullback(2.0), 2 * 2 * 0.4, rtol=1e-12)  # V_t = p² + …
    value = threshold_voltage(lambda v: exponential(0.4, sign)(v)[0], 1e-4, (-0.5, 0.6))
    assert value == found.voltage


@pytest.mark.parametrize(
    ("current", "criterion", "bracket", "message"),
    [
        (lambda v: np.exp(v), 10.0, (0.0, 1.0), r"1 at 0 V and 2.71828 at 1 V, both on one side of criterion=10"),
        (lambda v: v, 0.5, (-1.0, 1.0), "the current is -1.0 at -1 V"),
        (lambda v: np.exp(v), -1.0, (0.0, 1.0), "criterion=-1.0 must be one positive number"),
        (lambda v: np.exp(v), 1.5, (1.0, 1.0), "two different voltages"),
        (lambda v: np.full(2, np.exp(v)), 1.5, (0.0, 1.0), "needs one positive number"),
    ],
)
def test_threshold_refuses_what_has_none(current, criterion: float, bracket: tuple, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        threshold_voltage(current, criterion, bracket)


def test_threshold_says_when_its_evaluations_end() -> None:
    with pytest.raises(na.ConvergenceError, match="raise max_evaluations or tolerance"):
        threshold_voltage(lambda v: np.exp(v**5), 1.7, (0.0, 2.0), max_evaluations=3)


N = 8


def transistor(neutral: np.ndarray, onsite: float = 0.0):
    """An empty chain in a metal box: gate above, grounded ends; positive dopants are `neutral`."""
    x = 3.0 * np.arange(N) - 1.5 * (N - 1)
    end = float(-x[0] + 3.0)
    field = FiniteVolumePoisson(
        Grid(np.linspace(-end - 1, end + 1, round(2 * end) + 3), np.linspace(-4, 4, 9), np.linspace(-4, 4, 9)),
        np.column_stack((x, 0 * x, 0 * x)),
        1.0,
        conductors=(
            Conductor("gate", Box(x=(-6, 6), z=(3, 4)), 0.0),
            Conductor("source", Box(x=(-end - 1, -end)), 0.0),
            Conductor("drain", Box(x=(end, end + 1)), 0.0),
        ),
        lead_conductors=("source", "drain"),
    )
    one = np.ones((1, 1))
    barrier = np.where(np.abs(x) < 7, 0.5, 0.1) + 2.0 + onsite  # bottom of the band above the Fermi energy
    leads = tuple(na.Lead(2.1 * one, -one, block=k) for k in (0, -1))
    device = na.Device(na.BlockTridiagonal([e * one for e in barrier], [-one] * (N - 1)), leads)
    return device, field, {"neutral": neutral, "bias": 0.1, "error": 1e-9, "tolerance": 1e-10}


def threshold(neutral: np.ndarray, onsite: float = 0.0, bracket: tuple[float, float] = (-0.4, 0.4)):
    device, field, options = transistor(neutral, onsite)
    return gate_threshold_vjp(device, field, 1.2e-2, bracket, options=options, tolerance=1e-9)


@pytest.mark.slow
def test_gate_threshold_moves_with_dopants_as_its_pullback_says() -> None:
    neutral = np.full(N, 0.02)
    found, pullback = threshold(neutral)
    bar = pullback(1.0)
    assert found.slope > 0 and found.evaluations < 15
    # a work function of the gate is a shift of the threshold
    gate = next(body for body in bar.electrostatics.conductors if body.name == "gate")
    assert np.isclose(gate.voltage, -1.0, rtol=1e-12)
    of_onsite = sum(float(block[0, 0]) for block in bar.device.hamiltonian.diagonal)
    along, h = np.linspace(0.2, 1.0, N), 1e-4  # along dopants of all sites, and the channel's own level

    def moved(k: int) -> float:
        near = (found.voltage - 0.03, found.voltage + 0.03)
        return threshold(neutral + k * h * along, k * h * 0.3, near)[0].voltage

    slope = (moved(1) - moved(-1)) / (2 * h)
    assert np.isclose(bar.neutral @ along + 0.3 * of_onsite, slope, rtol=1e-4)


def test_gate_threshold_names_gates_by_a_sequence() -> None:
    device, field, options = transistor(np.zeros(N))
    with pytest.raises(na.InputError, match="must be a sequence of names"):
        gate_threshold_vjp(device, field, 1e-3, (0.0, 1.0), gates="gate", options=options)
    with pytest.raises(na.InputError, match="top"):
        gate_threshold_vjp(device, field, 1e-3, (0.0, 1.0), gates=("top",), options=options)


@pytest.mark.slow
def test_spread_of_a_self_consistent_current_from_charged_dopants_agrees_with_monte_carlo() -> None:
    device, field, options = transistor(np.full(N, 0.02))
    options |= {"error": 1e-6, "tolerance": 1e-7}
    start = na.self_consistent(device, field, **options)

    def current(neutral: np.ndarray) -> float:
        return na.self_consistent(device, field, **(options | {"neutral": neutral, "initial": start})).current

    def value_and_gradient(neutral: np.ndarray) -> tuple[float, np.ndarray]:
        given = options | {"neutral": neutral, "initial": start}
        solution, pullback = na.self_consistent_vjp(device, field, **given)
        return solution.current, pullback(current=1.0).neutral

    mean, dopants = np.full(N, 0.02), independent(np.full(N, 2e-3))
    found = variability(value_and_gradient, mean, dopants, value=current, n_samples=24, seed=2)
    first, drawn = found.first_order, found.monte_carlo
    assert first.standard_deviation > 0.01 * first.mean
    assert abs(first.standard_deviation - drawn.standard_deviation) < 3 * drawn.standard_deviation_error
    assert abs(first.mean - drawn.mean) < 3 * drawn.mean_error
    assert drawn.standard_deviation_error < 0.25 * drawn.standard_deviation
