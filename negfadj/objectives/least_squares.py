"""Fit by least squares: Gauss–Newton steps in a trust region, with rows of the Jacobian from adjoints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from ..errors import InputError, InputTypeError
from ..typing import Array, ArrayLike
from .minimise import checked_callback, checked_count, checked_options, checked_start, checked_tolerance
from .objective import Objective
from .optimum import Callback, Optimum, Stop, Watch

ROUNDING = float(np.finfo(np.float64).eps)
METHODS = ("trf", "dogbox", "lm")
OWN_ARGUMENTS = ("fun", "x0", "jac", "bounds", "method", "args", "kwargs", "callback")  # of least_squares, set by `fit`


def fit(
    objective: Objective,
    *,
    x0: ArrayLike | None = None,
    method: Literal["trf", "dogbox", "lm"] = "trf",
    tolerance: float = 1e-8,
    max_evaluations: int | None = None,
    options: Mapping[str, Any] | None = None,
    check: bool = True,
    callback: Callback | None = None,
) -> Optimum:
    """The x at which a sum of squares is smallest: all terms are `Match` terms of squares.

        L = Σ_i r_i²,   step: (JᵀJ + …) δ = −Jᵀ r

    Parameters
    ----------
    objective : Objective
        A variable whose bounds are equal stays there.
    x0 : array, shape (n,), optional
        Default: the parameters' own values.
    method : "trf", "dogbox" or "lm"
        Of scipy.optimize.least_squares. "trf" and "dogbox" keep the bounds; "lm" (Levenberg–Marquardt) has none, and
        needs as many residuals as variables.
    tolerance : float
        SciPy's `ftol`, `xtol` and `gtol`; not below the rounding of numbers, 2.2e-16. They act on the scaled variables:
        `ftol` and `xtol` as shares, and of "trf" and "dogbox" `gtol` as an absolute bound on the gradient Jᵀr, which is
        proportional to the parameter's scale. A far too small scale ends the search at its start ("`gtol` termination
        condition is satisfied"): give a better one, or options={"gtol": None}.
    max_evaluations : int, optional
        Ends the search after so many evaluations of the residuals; Jacobians are not counted.
    options : mapping, optional
        Further arguments of least_squares, as {"loss": "soft_l1", "x_scale": "jac"}; not those that `fit` sets itself.
    check : bool
        Refuse variables that nothing depends on before starting (`Objective.check`).
    callback : callable, optional
        As of `minimize`; an iteration is a step that was taken.

    Returns
    -------
    Optimum
        `value` is Σ r², without SciPy's factor of a half and without its `loss`; `gradients` counts Jacobians.

    Raises
    ------
    InputError, InputTypeError
        For a term that is no sum of squares, a method without the bounds there are, too few residuals for "lm", a start
        outside the bounds, an idle parameter, a tolerance that is not positive, an option that is not known.
    OptimisationError
        When a step leads where the residuals have no value, with the best point so far.
    Whatever else the model's function or the callback raises, with a note of the best point so far.

    Sources
    -------
    Branch, Coleman, Li, SIAM J. Sci. Comput. 21, 1 (1999) for trf; Moré, Lecture Notes in Mathematics 630, 105 (1978)
    for lm.
    """
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective is a {type(objective).__name__}; pass a na.Objective.")
    if method not in METHODS:
        raise InputError(f"method={method!r} is not known; use one of {', '.join(METHODS)}.")
    from scipy import optimize  # slow to import, and not needed for the rest of negfadj

    start = checked_start(objective, x0)
    goal = checked_tolerance(tolerance)
    if goal is None or goal < ROUNDING:
        raise InputError(f"tolerance={tolerance!r} is below the rounding of numbers, {ROUNDING:.2g}; give more.")
    further = _further(options, optimize.least_squares)
    watch = Watch(objective, checked_count(max_evaluations), checked_callback(callback))
    lower, upper = objective.bounds
    bounded = bool(np.any(np.isfinite(lower)) or np.any(np.isfinite(upper)))
    if bounded and method == "lm":
        raise InputError('the method "lm" has no bounds but parameters do; use "trf" or "dogbox", or leave them out.')
    if check:
        watch.guarded(objective.check, start)

    moving = lower < upper  # SciPy's methods take no bounds that are equal: the others are held here

    def whole(y: Array) -> Array:
        x = start.copy()
        x[moving] = y
        return x

    def residuals(y: Array) -> Array:
        return watch(objective.residuals, lambda r: float(r @ r), whole(y))

    last = [start]

    def jacobian(y: Array) -> Array:
        x = whole(y)
        # asked for at the start, after every step that was taken, and by "lm" once more where it ends
        if not np.array_equal(x, last[0]):
            watch.iterated(x)
        last[0] = x
        watch.gradients += 1
        return watch.guarded(objective.jacobian, x)[:, moving]

    if not np.any(moving):
        residuals(start[moving])
        return watch.optimum(start, True, "every variable is held by bounds that are equal.")
    given: dict[str, Any] = {"ftol": goal, "xtol": goal, "gtol": goal, **further}
    if bounded:
        given["bounds"] = (lower[moving], upper[moving])
    if np.shape(given.get("x_scale", ())) == start.shape:
        given["x_scale"] = np.asarray(given["x_scale"])[moving]
    if method == "lm":
        n_residuals = len(residuals(start))
        if n_residuals < len(start):
            raise InputError(
                f'"lm" needs as many residuals as variables, but there are {n_residuals} for {len(start)}; use "trf".'
            )
    try:
        found = optimize.least_squares(residuals, start[moving], jac=jacobian, method=method, **given)
    except Stop as stop:
        return watch.stopped(stop)
    return watch.optimum(whole(found.x), bool(found.status > 0), str(found.message))


def _further(options: Any, least_squares: Callable[..., Any]) -> dict[str, Any]:
    """The options, all of them arguments of least_squares that are free to be given."""
    found = checked_options(options) or {}
    known = [name for name in inspect.signature(least_squares).parameters if name not in OWN_ARGUMENTS]
    for name in found:
        if name not in known:
            why = "is set by fit itself" if name in OWN_ARGUMENTS else "is not known"
            raise InputError(
                f"options={found!r}: {name!r} {why}; known are {', '.join(known)} (scipy.optimize.least_squares)."
            )
    return found
