"""The threshold voltage at a constant current, and its gradient by the implicit-function theorem.

    I(V_t; p) = I_c   ⇒   dV_t/dp = −(∂I/∂p)/(∂I/∂V)

Source: D. K. Schroder, Semiconductor Material and Device Characterization (2006), Sec. 4.8.5, constant drain current.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy.optimize import brentq

from ..errors import ConvergenceError, InputError
from ..physics.energy_integral import real_host

# voltage → (current, pullback); pullback(current_bar) → (voltage_bar, cotangents of the parameters)
CurrentVjp = Callable[[float], tuple[Any, Callable[[float], tuple[Any, Any]]]]

ROUNDING = 1e-15  # relative, of a voltage


@dataclass(frozen=True)
class Threshold:
    """Where a current meets its criterion.

    Parameters
    ----------
    voltage : float
        V_t [V].
    slope : float
        ∂I/∂V there, in the current's unit per V.
    evaluations : int
        Currents that were computed, the ends of the bracket among them.
    """

    voltage: float
    slope: float
    evaluations: int


def threshold_voltage_vjp(
    current_vjp: CurrentVjp,
    criterion: float,
    bracket: tuple[float, float],
    *,
    tolerance: float = 1e-9,
    max_evaluations: int = 60,
) -> tuple[Threshold, Callable[[float], Any]]:
    """The voltage at which a current meets a criterion, and its pullback to the current's parameters.

        I(V_t; p) = I_c,   p̄ = −V̄_t (∂I/∂p)/(∂I/∂V)

    Parameters
    ----------
    current_vjp : callable
        V [V] → (I, pullback), with pullback(current_bar) → (voltage_bar, parameters_bar); parameters_bar is anything.
    criterion : float
        I_c in the current's unit, positive.
    bracket : pair of float
        Voltages [V] between which I crosses I_c; the current is positive at both, rising or falling.
    tolerance : float
        On V_t [V].
    max_evaluations : int
        Of the current.

    Returns
    -------
    value : Threshold
    pullback : callable
        ``pullback(voltage_bar)`` gives the cotangent of the parameters as `current_vjp` does.

    Raises
    ------
    InputError
        When the bracket holds no crossing or a current is not positive, with the currents there.
    ConvergenceError
        When `max_evaluations` do not suffice, or the current does not move with the voltage.

    Notes
    -----
    V_t is searched on ln(I/I_c), nearly linear below threshold, by Brent's method; one pullback at V_t makes
    the slope, another one of the same size the gradient. Kept for the pullback: that of the current at V_t.
    """
    nearest: list[Any] = []  # voltage, distance from the criterion, pullback: the others may be large and are let go

    def current(voltage: float) -> Any:
        value, pullback = current_vjp(voltage)
        distance = abs(float(real_host(value, "the current")) - criterion)
        if not nearest or distance <= nearest[1]:
            nearest[:] = voltage, distance, pullback
        return value

    voltage, evaluations = _crossing(current, criterion, bracket, tolerance, max_evaluations)
    pullback_there = nearest[2] if nearest[0] == voltage else current_vjp(voltage)[1]
    slope = float(real_host(pullback_there(1.0)[0], "the current's slope"))
    if slope == 0:
        raise ConvergenceError(f"the current does not move with the voltage at {voltage:.6g} V; V_t has no gradient.")

    def threshold_voltage_pullback(voltage_bar: float, /) -> Any:
        return pullback_there(-float(voltage_bar) / slope)[1]

    return Threshold(voltage, slope, evaluations), threshold_voltage_pullback


def threshold_voltage(
    current: Callable[[float], Any],
    criterion: float,
    bracket: tuple[float, float],
    *,
    tolerance: float = 1e-9,
    max_evaluations: int = 60,
) -> float:
    """The voltage at which a current meets a criterion.

        I(V_t) = I_c

    Parameters
    ----------
    current : callable
        V [V] → I.
    The others and errors as `threshold_voltage_vjp`.

    Returns
    -------
    float
        V_t [V].
    """
    return _crossing(current, criterion, bracket, tolerance, max_evaluations)[0]


def _crossing(
    current: Callable[[float], Any], criterion: float, bracket: tuple[float, float], tolerance: float, most: int
) -> tuple[float, int]:
    """V_t, which is among the voltages that `current` was asked for, and how many they were."""
    level, (low, high) = _checked(criterion, bracket, tolerance)
    found: dict[float, float] = {}

    def logarithm(voltage: float) -> float:
        if voltage not in found:
            value = real_host(current(voltage), "the current")
            if value.ndim != 0 or value <= 0:
                raise InputError(f"the current is {value} at {voltage:.6g} V; a threshold needs one positive number.")
            found[voltage] = float(value)
        return math.log(found[voltage] / level)

    if logarithm(low) * logarithm(high) > 0:
        raise InputError(
            f"the current is {found[low]:.6g} at {low:.6g} V and {found[high]:.6g} at {high:.6g} V, both on one "
            f"side of criterion={level:.6g}; widen bracket={bracket!r}."
        )
    voltage, report = brentq(
        logarithm, low, high, xtol=tolerance, rtol=ROUNDING, maxiter=most, full_output=True, disp=False
    )
    if not report.converged:
        raise ConvergenceError(
            f"the threshold voltage is not found to {tolerance:g} V by {len(found)} currents; raise max_evaluations or "
            "tolerance."
        )
    logarithm(voltage)  # Brent's method may end on a point it has not asked for
    return float(voltage), len(found)


def _checked(criterion: Any, bracket: Any, tolerance: Any) -> tuple[float, tuple[float, float]]:
    level, ends = real_host(criterion, "criterion"), real_host(bracket, "bracket")
    if level.ndim != 0 or level <= 0:
        raise InputError(f"criterion={criterion!r} must be one positive number, a current.")
    if ends.shape != (2,) or ends[0] == ends[1]:
        raise InputError(f"bracket={bracket!r} must be two different voltages [V].")
    if not tolerance > 0:
        raise InputError(f"tolerance={tolerance!r} must be positive [V].")
    return float(level), (float(ends[0]), float(ends[1]))
