"""Current–voltage and transfer curves of a device in its self-consistent potential, with their slopes by the adjoint.

    dI/dV,   g_m = dI/dV_g,   S = ln 10 · I/g_m  [mV per decade]

Every slope is one transposed solve at the solution, not a difference of neighbours. A point that does not converge is
walked to from its neighbour, the first one from no bias at a higher temperature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from ..data import Device
from ..errors import InputError, InputTypeError
from ..physics.continuation import checked_options, self_consistent_by_continuation
from ..physics.energy_integral import real_host
from ..physics.sector import Sector
from ..physics.self_consistent import (
    SelfConsistencyError,
    SelfConsistentCotangent,
    Solution,
    self_consistent_vjp,
)
from ..physics.small_signal import voltage_slope
from ..typing import Array, ArrayLike
from .fingerprint import fingerprint
from .sweep import Progress, sweep


@dataclass(frozen=True, eq=False)
class Curve:
    """Currents over voltages.

    Parameters
    ----------
    voltages : array, shape (n_points,)
        [V].
    currents : array, shape (n_points,)
        From lead 0 into lead 1 [µA].
    slopes : array, shape (n_points,)
        dI/dV of the voltage that is swept [µA/V]: conductance or transconductance.
    potentials, charges : arrays, shape (n_points, n_sites)
        φ [V] and q [e].
    residuals : array, shape (n_points,)
        [V].
    iterations, evaluations : integer arrays, shape (n_points,)
        Newton steps and charges evaluated.
    """

    voltages: Array
    currents: Array
    slopes: Array
    potentials: Array
    charges: Array
    residuals: Array
    iterations: Array
    evaluations: Array

    @property
    def subthreshold_swings(self) -> Array:
        """ln 10 · |I/(dI/dV)| [mV per decade], (n_points,)."""
        return subthreshold_swing(self.currents, self.slopes)


def subthreshold_swing(current: ArrayLike, transconductance: ArrayLike) -> Array:
    """S = ln 10 · |I/g_m|: the gate voltage that changes the current tenfold.

    Parameters
    ----------
    current : array
        [µA].
    transconductance : array
        dI/dV_g [µA/V].

    Returns
    -------
    array
        [mV per decade]; infinite where the current does not depend on the gate. At 300 K no less than 59.5 where the
        current is thermionic.
    """
    i, slope = np.abs(np.asarray(current, dtype=np.float64)), np.abs(np.asarray(transconductance, dtype=np.float64))
    where = slope > 0
    return np.where(where, 1e3 * math.log(10) * i / np.where(where, slope, 1.0), np.inf)


def current_voltage(
    device: Device | Sequence[Sector],
    electrostatics: Any,
    biases: ArrayLike,
    *,
    options: Mapping[str, Any],
    checkpoint: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Curve:
    """I(V) and dI/dV, every point self-consistent.

    Parameters
    ----------
    device : Device
    electrostatics : Electrostatics
    biases : array, shape (n_points,)
        V [V], one after the other, each from its neighbour; where one does not converge, others are put in between.
    options : mapping
        Keyword arguments of `self_consistent`: `neutral`, `sites`, `temperature`, …, but for `bias`; `initial` is for
        the first point.
    checkpoint, progress : as `sweep`

    Returns
    -------
    Curve

    Raises
    ------
    As `sweep` and `self_consistent`.
    """
    given = checked_options(options)
    for name in ("bias", "chemical_potentials"):
        if given.get(name) is not None:
            raise InputError(f"options has {name!r}, which the sweep sets itself; leave it out.")

    def evaluate(bias: Array, initial: Array | None) -> dict[str, Any]:
        solution, pullback = solved_by_sweep(device, electrostatics, given | {"bias": float(bias)}, initial)
        return _values(solution, pullback(current=1.0).bias)

    return _curve(evaluate, biases, "biases", (device, electrostatics, "bias"), given, checkpoint, progress)


def transfer_curve(
    device: Device | Sequence[Sector],
    electrostatics: Any,
    gate_voltages: ArrayLike,
    *,
    gates: Sequence[str] = ("gate",),
    options: Mapping[str, Any],
    checkpoint: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Curve:
    """I(V_g) and the transconductance, every point self-consistent.

    Parameters
    ----------
    device : Device
    electrostatics : Electrostatics
        With conductors that have voltages: `FiniteVolumePoisson`.
    gate_voltages : array, shape (n_points,)
        [V], of all named gates.
    gates : sequence of str
        Names of the conductors that are swept together.
    options : mapping
        Keyword arguments of `self_consistent`, `bias` or `chemical_potentials` among them; `initial` is for the first
        point.
    checkpoint, progress : as `sweep`

    Returns
    -------
    Curve

    Raises
    ------
    As `sweep` and `self_consistent`; InputError for a gate that there is not.
    """
    if isinstance(gates, str) or not gates:
        raise InputError(f"gates={gates!r} must be a sequence of names of conductors.")
    if not hasattr(electrostatics, "with_voltages"):
        raise InputTypeError(
            f"electrostatics is a {type(electrostatics).__name__}, which has no gates; pass one with conductors, such "
            "as FiniteVolumePoisson."
        )
    given = checked_options(options)

    def evaluate(voltage: Array, initial: Array | None) -> dict[str, Any]:
        gated = electrostatics.with_voltages({name: float(voltage) for name in gates})
        solution, pullback = solved_by_sweep(device, gated, given, initial)
        return _values(solution, voltage_slope(pullback(current=1.0), gates))

    what = (device, electrostatics, tuple(gates))
    return _curve(evaluate, gate_voltages, "gate_voltages", what, given, checkpoint, progress)


def solved_by_sweep(
    device: Device | Sequence[Sector], electrostatics: Any, options: dict[str, Any], initial: Array | None
) -> tuple[Solution, Callable[..., SelfConsistentCotangent]]:
    """A sweep's point from `initial`; without one from where the options say, by continuation where that fails."""
    options = options | {"initial": options.get("initial") if initial is None else initial}
    try:
        return self_consistent_vjp(device, electrostatics, **options)
    except SelfConsistencyError:
        if initial is not None:  # the sweep has a neighbour to walk from
            raise
    walked = self_consistent_by_continuation(device, electrostatics, options=options, is_direct_first=False)
    return self_consistent_vjp(device, electrostatics, **(options | {"initial": walked.solution}))


def _values(solution: Solution, slope: float | None) -> dict[str, Any]:
    return {
        "potential": solution.potential,
        "charge": solution.charge,
        "current": solution.current,
        "slope": slope,
        "residual": solution.residual,
        "iterations": solution.iterations,
        "evaluations": solution.evaluations,
    }


def _curve(
    evaluate: Any,
    voltages: ArrayLike,
    name: str,
    what: tuple[Any, ...],
    options: Mapping[str, Any],
    checkpoint: str | PathLike[str] | None,
    progress: Progress | None,
) -> Curve:
    points = real_host(voltages, name)
    if points.ndim != 1 or not len(points):
        raise InputError(f"{name} has shape {points.shape} but must be (n_points,), one point at least.")
    # how much memory it may take changes no number
    counted = {key: value for key, value in options.items() if key != "memory_limit"}
    label = "" if checkpoint is None else fingerprint(*what, counted)
    initial = getattr(options.get("initial"), "potential", options.get("initial"))
    initial = None if isinstance(initial, str) else initial  # a way to start, which `_solved` knows
    found = sweep(evaluate, points, initial=initial, checkpoint=checkpoint, label=label, progress=progress)
    columns = ("current", "slope", "potential", "charge", "residual", "iterations", "evaluations")
    return Curve(points, *(found[column] for column in columns))

