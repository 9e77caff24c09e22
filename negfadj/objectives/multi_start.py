"""Minimise an objective from many random starts, with a table of where each of them ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import brief_repr
from ..errors import ConvergenceError, InputError, InputTypeError, NegfadjError, ShapeError
from ..physics.energy_integral import real_host
from ..typing import Array
from .least_squares import METHODS as OF_SQUARES
from .least_squares import fit
from .minimise import WITHOUT_GRADIENT, checked_callback, minimize
from .objective import Objective
from .optimum import Callback, Iteration, OptimisationError, Watch
from .seeds import generator

LONGEST_MESSAGE = 70  # characters of a row of the table


@dataclass(frozen=True, eq=False)
class Start:
    """One of many starts, and where it ended.

    Parameters
    ----------
    x0 : array, shape (n,)
        Where it started.
    best_x : array, shape (n,)
        The best point it met; `x0` where the objective has no value there.
    best_value : float
        The objective at `best_x`; infinite where it has none.
    history : array, shape (n_evaluations,)
        The objective, evaluation by evaluation.
    is_converged : bool
        The method says so.
    message : str
        Why it ended: the method's words, or the error of a step that failed.
    """

    x0: Array
    best_x: Array
    best_value: float
    history: Array
    is_converged: bool
    message: str

    __repr__ = brief_repr

    @property
    def evaluations(self) -> int:
        """Evaluations of the objective."""
        return len(self.history)


@dataclass(frozen=True, eq=False)
class MultiStart:
    """All starts of an objective.

    Parameters
    ----------
    starts : tuple of Start
        In the order in which they ran.
    best : Start
        The one with the smallest value.
    parameters : dict
        The parameters by name at its best point, in the model's units.
    level : float or None
        The value at or below which a start counts as successful; None: where the method converged.
    """

    starts: tuple[Start, ...]
    best: Start
    parameters: dict[str, Any]
    level: float | None

    __repr__ = brief_repr

    @property
    def successes(self) -> tuple[bool, ...]:
        """Which starts came to `level`, or converged where there is none."""
        return tuple(s.is_converged if self.level is None else s.best_value <= self.level for s in self.starts)

    @property
    def evaluations(self) -> int:
        """Evaluations of the objective, of all starts together."""
        return sum(s.evaluations for s in self.starts)

    def table(self) -> str:
        """The starts as text, the best one first: value at the start, value reached, evaluations, how it ended."""
        lines = [f"{'start':>5}{'from':>13}{'reached':>13}{'evaluations':>13}{'success':>9}  ended"]
        successes = self.successes
        for k in sorted(range(len(self.starts)), key=lambda i: self.starts[i].best_value):
            s = self.starts[k]
            first = s.history[0] if s.evaluations else np.inf
            ended = ("converged: " if s.is_converged else "") + " ".join(s.message.split())
            lines.append(
                f"{k:>5}{first:>13.6g}{s.best_value:>13.6g}{s.evaluations:>13}{'yes' if successes[k] else 'no':>9}  "
                f"{ended[:LONGEST_MESSAGE]}"
            )
        lines.append(f"{sum(successes)} of {len(self.starts)} starts successful, {self.evaluations} evaluations")
        return "\n".join(lines)


def multi_start(
    objective: Objective,
    n_starts: int,
    *,
    seed: int = 0,
    level: float | None = None,
    with_x0: bool = True,
    method: str = "L-BFGS-B",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    options: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
) -> MultiStart:
    """The best of many minimisations, each from a random point within the bounds.

        x0 = lower + u (upper − lower),   u uniform in (0, 1)

    Parameters
    ----------
    objective : Objective
        All its variables have finite bounds.
    n_starts : int
    seed : int
        Of the random points, zero or positive. Start k is the same point whatever `n_starts`.
    level : float, optional
        A start that comes to this value or below counts as successful; default: one whose method converged.
    with_x0 : bool
        The first start is the objective's own x0.
    method : str
        Of `minimize`; or of `fit`, "trf" or "dogbox", for sums of squares, which takes far fewer evaluations.
    tolerance, options
        As `minimize` or `fit`.
    max_evaluations : int, optional
        Of each start.
    callback : callable, optional
        As of `minimize`, with `Iteration.start`. A StopIteration from it ends that start alone; the next one begins.

    Returns
    -------
    MultiStart

    Raises
    ------
    InputError, InputTypeError
        For a variable without finite bounds, a negative seed, and as `minimize` and `fit`; idle parameters are looked
        for at the first start where the objective has a gradient, before the search from there begins.
    ConvergenceError
        When the objective has a value, or a gradient where the method takes one, at none of the starts; the error of
        the first start is its cause.

    Notes
    -----
    A start at which the objective has no value, or a step that leads to such a place, ends that start alone: it is
    kept in the table with the best point it met. Starts run one after the other.
    """
    starts = _random_starts(objective, n_starts, seed, with_x0)
    reported = checked_callback(callback)
    goal = None if level is None else float(real_host(level, "level"))
    if str(method).lower() not in WITHOUT_GRADIENT:
        _check_idle(objective, starts)
    given: dict[str, Any] = {"method": method, "max_evaluations": max_evaluations, "options": options, "check": False}
    if tolerance is not None:
        given["tolerance"] = tolerance
    found = tuple(_one(objective, x0, given | {"callback": _of_start(reported, k)}) for k, x0 in enumerate(starts))
    best = min(found, key=lambda start: start.best_value)
    if not np.isfinite(best.best_value):
        raise _nowhere("value", len(found), found[0].message)
    return MultiStart(found, best, objective.parameters.values(best.best_x), goal)


def _check_idle(objective: Objective, starts: Sequence[Array]) -> None:
    """Look for variables that nothing depends on, where there is a gradient to see it by."""
    watch, first = Watch(objective, None), None
    for x0 in starts:
        try:
            watch.guarded(objective.gradient, x0)
        except (ShapeError, InputTypeError):  # of the set-up, whatever the point
            raise
        except NegfadjError as error:
            first = first or error
            continue
        watch.guarded(objective.check, x0)
        return
    raise _nowhere("value with a gradient", len(starts), str(first)) from first


def _nowhere(what: str, n_starts: int, message: str) -> ConvergenceError:
    return ConvergenceError(
        f"the objective has a {what} at none of the {n_starts} starts; the first says: {message} Narrow the bounds to "
        "where the model has a value."
    )


def _of_start(callback: Callback | None, k: int) -> Callable[[Iteration], object] | None:
    """The callback, told which start runs."""
    return None if callback is None else lambda iteration: callback(iteration._replace(start=k))


def _one(objective: Objective, x0: Array, given: Mapping[str, Any]) -> Start:
    """One minimisation, whatever becomes of it."""
    search: Any = fit if given["method"] in OF_SQUARES else minimize
    try:
        # minimize remembers this point; it is looked at apart because errors of the search itself are the caller's
        Watch(objective, None).guarded(objective.value_and_gradient if search is minimize else objective.value, x0)
    except NegfadjError as error:
        return Start(x0, x0, np.inf, np.zeros(0), False, str(error))
    try:
        found = search(objective, x0=x0, **given)
    except OptimisationError as error:
        return Start(x0, error.best_x, error.best_value, error.history, False, str(error))
    return Start(x0, found.best_x, found.best_value, found.history, found.success, found.message)


def _random_starts(objective: Any, n_starts: Any, seed: int, with_x0: bool) -> list[Array]:
    """The starts; start k does not depend on how many follow."""
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective is a {type(objective).__name__}; pass a na.Objective.")
    if isinstance(n_starts, bool) or not hasattr(n_starts, "__index__") or n_starts < 1:
        raise InputError(f"n_starts={n_starts!r} must be a positive integer.")
    lower, upper = objective.bounds
    boundless = ~(np.isfinite(lower) & np.isfinite(upper))
    if np.any(boundless):
        i = int(np.argmax(boundless))
        raise InputError(
            f"the variable {objective.names[i]!r} has the bounds ({lower[i]:g}, {upper[i]:g}); random starts lie "
            "within bounds: give its Parameter finite ones."
        )
    points = lower + generator(seed).uniform(size=(int(n_starts), len(lower))) * (upper - lower)
    return [objective.x0.copy() if with_x0 and k == 0 else point for k, point in enumerate(points)]
