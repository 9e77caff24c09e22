"""Fit by least squares: Gauss–Newton steps in a trust region, with rows of the Jacobian from adjoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ..errors import InputError, InputTypeError
from ..typing import Array, ArrayLike
from .minimise import checked_callback, checked_count, checked_start, checked_tolerance
from .objective import Objective
from .optimum import Callback, Optimum, Stop, Watch

ROUNDING = float(np.finfo(np.float64).eps)
METHODS = ("trf", "dogbox", "lm")


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
    x0 : array, shape (n,), optional
        Default: the parameters' own values.
    method : "trf", "dogbox" or "lm"
        Of scipy.optimize.least_squares. "trf" and "dogbox" keep the bounds; "lm" (Levenberg–Marquardt) has none, and
        needs as many residuals as variables.
    tolerance : float
        SciPy's `ftol`, `xtol` and `gtol`; not below the rounding of numbers, 2.2e-16.
    max_evaluations : int, optional
        Ends the search after so many evaluations of the residuals; Jacobians are not counted.
    options : mapping, optional
        Further arguments of least_squares, as {"loss": "soft_l1", "x_scale": "jac"}.
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
        outside the bounds, an idle parameter, a tolerance that is not positive.
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
    watch = Watch(objective, checked_count(max_evaluations), checked_callback(callback))
    lower, upper = objective.bounds
    bounded = bool(np.any(np.isfinite(lower)) or np.any(np.isfinite(upper)))
    if bounded and method == "lm":
        raise InputError('the method "lm" has no bounds but parameters do; use "trf" or "dogbox", or leave them out.')
    if check:
        watch.guarded(objective.check, start)

    def residuals(x: Array) -> Array:
        return watch(objective.residuals, lambda r: float(r @ r), x)

    last = [start]

    def jacobian(x: Array) -> Array:
        # asked for at the start, after every step that was taken, and by "lm" once more where it ends
        if not np.array_equal(x, last[0]):
            watch.iterated(x)
        last[0] = np.array(x)
        watch.gradients += 1
        return watch.guarded(objective.jacobian, x)

    given: dict[str, Any] = {"ftol": goal, "xtol": goal, "gtol": goal, **dict(options or {})}
    if bounded:
        given["bounds"] = (lower, upper)
    if method == "lm":
        n_residuals = len(residuals(start))
        if n_residuals < len(start):
            raise InputError(
                f'"lm" needs as many residuals as variables, but there are {n_residuals} for {len(start)}; use "trf".'
            )
    try:
        found = optimize.least_squares(residuals, start, jac=jacobian, method=method, **given)
    except Stop as stop:
        return watch.stopped(stop)
    return watch.optimum(np.asarray(found.x), bool(found.status > 0), str(found.message))
