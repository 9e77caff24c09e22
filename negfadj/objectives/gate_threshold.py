"""The threshold voltage of a transistor through the self-consistent loop, with its gradient by all it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..data import Device
from ..errors import InputError
from ..physics.continuation import checked_options
from ..physics.sector import Sector
from ..physics.self_consistent import SelfConsistentCotangent, self_consistent_vjp
from ..physics.small_signal import voltage_slope
from .threshold import Threshold, threshold_voltage_vjp


def gate_threshold_vjp(
    device: Device | Sequence[Sector],
    electrostatics: Any,
    criterion: float,
    bracket: tuple[float, float],
    *,
    gates: Sequence[str] = ("gate",),
    options: Mapping[str, Any],
    tolerance: float = 1e-7,
    max_evaluations: int = 60,
) -> tuple[Threshold, Callable[[float], SelfConsistentCotangent]]:
    """The gate voltage at which the self-consistent current meets a criterion, and its pullback.

        I(V_t; p) = I_c,   p̄ = −V̄_t (∂I/∂p)/(∂I/∂V_g)

    Parameters
    ----------
    device : Device, or a sequence of Sector
    electrostatics : Electrostatics
        With named conductors, `FiniteVolumePoisson`.
    criterion : float
        I_c [µA], from lead 0 into lead 1, positive.
    bracket : pair of float
        Gate voltages [V] between which the current crosses I_c.
    gates : sequence of str
        Conductors that hold the gate voltage.
    options : mapping
        Keyword arguments of `self_consistent`: `bias`, `neutral`, `temperature`, …; every point starts from the one
        before it, the first one from `initial`.
    tolerance : float
        On V_t [V]; no finer than the loop's own `tolerance` makes the current.
    max_evaluations : int
        Self-consistent solutions.

    Returns
    -------
    value : Threshold
        With the transconductance [µA/V] as its slope.
    pullback : callable
        ``pullback(voltage_bar)`` gives a `SelfConsistentCotangent`: charge dopants by `neutral`, work functions by the
        voltages of `electrostatics.conductors` (that of the gate itself is −1: an offset of the gate is a shift of
        V_t), and the device's own numbers.

    Raises
    ------
    InputError
        For a gate that there is not, or a bracket without a crossing.
    The others as `self_consistent` and `threshold_voltage_vjp`.
    """
    if isinstance(gates, str) or not gates:
        raise InputError(f"gates={gates!r} must be a sequence of names of conductors.")
    given, names = checked_options(options), tuple(gates)
    nearest = [given.get("initial")]

    def current_vjp(voltage: float) -> tuple[float, Callable[[float], tuple[float, SelfConsistentCotangent]]]:
        gated = electrostatics.with_voltages({name: voltage for name in names})
        solution, pullback = self_consistent_vjp(device, gated, **(given | {"initial": nearest[0]}))
        nearest[0] = solution

        def current_pullback(current_bar: float) -> tuple[float, SelfConsistentCotangent]:
            bar = pullback(current=current_bar)
            return voltage_slope(bar, names), bar

        return solution.current, current_pullback

    return threshold_voltage_vjp(
        current_vjp, criterion, bracket, tolerance=tolerance, max_evaluations=max_evaluations
    )
