"""A self-consistent solution reached by way of easier ones: lower bias, other gate voltages, higher temperature.

    V(s) = (1 − s) V_0 + s V,      T(s) = T_0^(1−s) T^s,      s from 0 to 1

Every solution starts from the secant through the two before it; a step that fails is halved.

Sources: docs/adjoints/self-consistent.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import ConvergenceError, InputError, InputTypeError
from ..implicit.walk import walk
from ..typing import Array
from .energy_integral import real_host
from .self_consistent import SelfConsistencyError, Solution, self_consistent

PARAMETERS = inspect.signature(self_consistent).parameters
WALKED = ("bias", "chemical_potentials", "temperature", "voltages")


@dataclass(frozen=True, eq=False)
class Continuation:
    """A solution and the way to it.

    Parameters
    ----------
    solution : Solution
    shares : tuple of float
        Every s that was solved, 0 first; empty when the solution was found directly.
    n_failures : int
        Attempts that did not converge, the direct one among them.
    """

    solution: Solution
    shares: tuple[float, ...]
    n_failures: int


def self_consistent_by_continuation(
    device: Device | Any,
    electrostatics: Electrostatics,
    *,
    options: Mapping[str, Any],
    origin: Mapping[str, Any] | None = None,
    is_direct_first: bool = True,
    smallest_step: float = 1 / 64,
) -> Continuation:
    """The self-consistent solution, walked to from an easier one when the direct way fails.

    Parameters
    ----------
    device, electrostatics : as `self_consistent`
    options : mapping
        Its keyword arguments; `initial` is for the direct attempt and for the origin.
    origin : mapping, optional
        Where the walk starts: any of "bias" [V] or "chemical_potentials" [eV], "temperature" [K], and "voltages", a
        mapping of conductors' names to voltages [V]. What it does not name stays as it is at the end. Default: no
        bias, at twice the temperature.
    is_direct_first : bool
        Try without a walk first.
    smallest_step : float
        Of s; the walk ends with an error where a shorter one would be needed.

    Returns
    -------
    Continuation
        For gradients, give its solution to `self_consistent_vjp` as `initial`: no step is made anew.

    Raises
    ------
    ConvergenceError
        When the origin does not converge, a `SelfConsistencyError`; when the walk gets no further, with how far it got.
        There may be no solution beyond that is joined to those before: go another way, by the gate for example.
    InputError
        For an origin of other names, of a conductor that there is not, or of both bias and chemical potentials.

    Sources
    -------
    docs/adjoints/self-consistent.md.
    """
    given = _checked_options(options)
    way = _Way(electrostatics, given, _checked_origin(electrostatics, given, origin))
    n_failures = 0
    if is_direct_first:
        try:
            return Continuation(self_consistent(device, electrostatics, **given), (), 0)
        except SelfConsistencyError:
            n_failures = 1

    def solve(share: float, guess: Any) -> tuple[Solution, Array]:
        field, there = way.at(share)
        solution = self_consistent(device, field, **(there | {"initial": guess}))
        return solution, solution.potential

    try:
        _, start = solve(0.0, given.get("initial"))
    except SelfConsistencyError as failure:
        why = f"the origin of the continuation is not reached, take an easier one: {failure}"
        raise _after(failure, why) from failure
    try:
        found = walk(solve, start, smallest_step=smallest_step)
    except ConvergenceError as failure:
        raise _after(failure.__cause__, str(failure)) from failure
    return Continuation(found.found, (0.0, *found.shares), n_failures + found.n_failures)


def _after(failure: Any, message: str) -> ConvergenceError:
    """The error of the walk, with history, sites and best potential of the solution that was not reached."""
    if not isinstance(failure, SelfConsistencyError):
        return ConvergenceError(message, residual=failure.residual)
    error = SelfConsistencyError(
        message,
        residual=failure.residual,
        history=failure.history,
        x=failure.x,
        residual_vector=failure.residual_vector,
        n_krylov_steps=failure.n_krylov_steps,
        n_evaluations=failure.n_evaluations,
    )
    error.sites = failure.sites
    return error


@dataclass(frozen=True)
class _Way:
    """The problems between origin and end."""

    electrostatics: Any
    options: dict[str, Any]
    origin: dict[str, Any]

    def at(self, share: float) -> tuple[Any, dict[str, Any]]:
        """Electrostatics and options at s."""
        if share == 1.0:
            return self.electrostatics, self.options
        options, field = dict(self.options), self.electrostatics
        for name in ("bias", "chemical_potentials"):
            if name in self.origin:
                options[name] = _between(self.origin[name], options[name], share)
        if "temperature" in self.origin:
            first, last = self.origin["temperature"], float(_value(options, "temperature"))
            options["temperature"] = first ** (1 - share) * last**share
        if "voltages" in self.origin:
            own = _voltages(field)
            between = {name: float(_between(v, own[name], share)) for name, v in self.origin["voltages"].items()}
            field = field.with_voltages(between)
        return field, options


def _between(first: Any, last: Any, share: float) -> Any:
    return (1 - share) * first + share * last


def _value(options: Mapping[str, Any], name: str) -> Any:
    """An option, or its default."""
    return options[name] if name in options else PARAMETERS[name].default


def checked_options(options: Any) -> dict[str, Any]:
    """Options of `self_consistent`, their names checked.

    Raises
    ------
    InputError, InputTypeError
        For what is no mapping, a name that it does not take, one that it needs.
    """
    if not isinstance(options, Mapping):
        raise InputTypeError(f"options is a {type(options).__name__}; pass a mapping of arguments of self_consistent.")
    known = [own for own in PARAMETERS.values() if own.kind == own.KEYWORD_ONLY]
    names = [own.name for own in known]
    strange = [name for name in options if name not in names]
    if strange:
        raise InputError(f"options has {strange[0]!r}, but self_consistent takes {', '.join(names)}.")
    missing = [own.name for own in known if own.default is own.empty and own.name not in options]
    if missing:
        raise InputError(f"options lacks {missing[0]!r}, which self_consistent needs.")
    return dict(options)


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    given = checked_options(options)
    if given.get("chemical_potentials") is None:
        given["bias"] = float(real_host(_value(given, "bias"), "bias"))
    else:
        given["chemical_potentials"] = real_host(given["chemical_potentials"], "chemical_potentials")
    return given


def _checked_origin(
    electrostatics: Any, options: Mapping[str, Any], origin: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The origin with host numbers, its bias as chemical potentials where the end has those."""
    temperature = float(real_host(_value(options, "temperature"), "temperature"))
    by_bias = options.get("chemical_potentials") is None
    if origin is None:
        origin = {"temperature": 2 * temperature, "bias": 0.0}
    strange = [name for name in origin if name not in WALKED]
    if strange or not origin:
        what = f"has {strange[0]!r}" if strange else "is empty"
        raise InputError(f"origin {what}; it is made of {', '.join(WALKED)}.")
    if "bias" in origin and "chemical_potentials" in origin:
        raise InputError("origin has both a bias and chemical_potentials; give one of them.")
    found: dict[str, Any] = {}
    if "temperature" in origin:
        found["temperature"] = float(real_host(origin["temperature"], "origin temperature"))
        if not found["temperature"] > 0:
            raise InputError(f"the origin's temperature={found['temperature']!r} must be positive [K].")
    if "bias" in origin and by_bias:
        found["bias"] = float(real_host(origin["bias"], "origin bias"))
    elif "bias" in origin:
        fermi, mus = float(_value(options, "fermi_energy")), options["chemical_potentials"]
        half = host.asarray([0.5, -0.5] + [0.0] * max(0, len(mus) - 2))[: len(mus)]
        found["chemical_potentials"] = fermi + float(real_host(origin["bias"], "origin bias")) * half
    elif "chemical_potentials" in origin:
        if by_bias:
            raise InputError("origin has chemical_potentials but options a bias; give a bias, or both the former.")
        found["chemical_potentials"] = real_host(origin["chemical_potentials"], "origin chemical_potentials")
    if "voltages" in origin:
        known = _voltages(electrostatics)
        missing = [name for name in origin["voltages"] if name not in known]
        if missing:
            raise InputError(f"origin names the conductor {missing[0]!r}; there are {', '.join(known) or 'none'}.")
        found["voltages"] = {name: float(v) for name, v in origin["voltages"].items()}
    return found


def _voltages(electrostatics: Any) -> dict[str, float]:
    return {body.name: float(body.voltage) for body in getattr(electrostatics, "conductors", ())}
