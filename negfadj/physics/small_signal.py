"""The small-signal parameters of a device in its self-consistent potential: how its current follows its terminals.

    g_d = dI/dV,   g_m = dI/dV_g

One solution and one transposed solve at it for all terminals together. Derivation: docs/adjoints/self-consistent.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import InputError
from .continuation import checked_options
from .sector import Sector
from .self_consistent import SelfConsistentCotangent, Solution, self_consistent_vjp


@dataclass(frozen=True, eq=False)
class SmallSignal:
    """A solution and the slopes of its current.

    Parameters
    ----------
    solution : Solution
    differential_conductance : float or None
        dI/dV of the bias [µA/V], all other voltages kept; None where chemical potentials were given.
    transconductances : mapping of str to float
        dI/dV_g [µA/V] of every named conductor.
    """

    solution: Solution
    differential_conductance: float | None
    transconductances: Mapping[str, float]


def small_signal(
    device: Device | Sequence[Sector],
    electrostatics: Electrostatics,
    *,
    gates: Sequence[str] = (),
    options: Mapping[str, Any],
) -> SmallSignal:
    """Differential conductance and transconductances through the self-consistent loop.

        g_d = dI/dV,   g_m = dI/dV_g

    Parameters
    ----------
    device : Device, or a sequence of Sector
    electrostatics : Electrostatics
        With named conductors (`FiniteVolumePoisson`) where gates are asked for.
    gates : sequence of str
        Names of conductors.
    options : mapping
        Keyword arguments of `self_consistent`: `bias`, `neutral`, `temperature`, …

    Returns
    -------
    SmallSignal
        Currents from lead 0 into lead 1, [µA] and [µA/V].

    Raises
    ------
    InputError
        For a gate that there is not.
    The others as `self_consistent`.
    """
    names = _checked_gates(electrostatics, gates)
    solution, pullback = self_consistent_vjp(device, electrostatics, **checked_options(options))
    bar = pullback(current=1.0)
    return SmallSignal(solution, bar.bias, {name: voltage_slope(bar, [name]) for name in names})


def voltage_slope(bar: SelfConsistentCotangent, conductors: Sequence[str]) -> float:
    """The derivative by the common voltage of the named conductors."""
    return float(sum(body.voltage for body in bar.electrostatics.conductors if body.name in conductors))


def _checked_gates(electrostatics: Any, gates: Sequence[str]) -> tuple[str, ...]:
    if isinstance(gates, str):
        raise InputError(f"gates={gates!r} must be a sequence of names of conductors, such as ({gates!r},).")
    known = [body.name for body in getattr(electrostatics, "conductors", ())]
    for name in gates:
        if name not in known:
            raise InputError(f"gates names {name!r}, but the electrostatics has the conductors {known}.")
    return tuple(gates)
