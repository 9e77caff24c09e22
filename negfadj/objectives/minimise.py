"""Minimise an objective by any method of scipy.optimize.minimize, with history and the best point kept."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..physics.energy_integral import real_host
from ..typing import Array, ArrayLike
from .objective import Objective
from .optimum import Callback, Optimum, Stop, Watch

WITHOUT_GRADIENT = ("nelder-mead", "powell", "cobyla", "cobyqa")
WITH_BOUNDS = ("l-bfgs-b", "tnc", "slsqp", "trust-constr", *WITHOUT_GRADIENT)
WITH_PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")
WITH_HESSIAN = ("dogleg", "trust-exact")
METHODS = (*WITH_BOUNDS, *WITH_PRODUCTS[:3], *WITH_HESSIAN, "bfgs", "cg")


def minimize(
    objective: Objective,
    *,
    x0: ArrayLike | None = None,
    method: str = "L-BFGS-B",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    options: Mapping[str, Any] | None = None,
    check: bool = True,
    callback: Callback | None = None,
) -> Optimum:
    """The x at which an objective is smallest, from x0 downhill.

    Parameters
    ----------
    objective : Objective
        Its bounds are kept by the methods that have any; another method is refused where there are some.
    x0 : array, shape (n,), optional
        Default: the parameters' own values.
    method : str
        Of scipy.optimize.minimize. Gradients are given to those that take them, Hessian-vector products to Newton-CG,
        trust-ncg, trust-krylov and trust-constr, the Hessian, a product a column, to dogleg and trust-exact.
    tolerance : float, optional
        SciPy's `tol`, positive, whose meaning depends on the method. Like SciPy's defaults it acts on the scaled
        variables, most often as an absolute bound on their gradient scale · dL/dvalue (`Parameter`).
    max_evaluations : int, optional
        Ends the search after so many evaluations of the objective: values with or without gradient that SciPy asks
        for. Hessian-vector products are not counted.
    options : mapping, optional
        SciPy's, as {"maxiter": 50}.
    check : bool
        Refuse variables that nothing depends on before starting (`Objective.check`).
    callback : callable, optional
        Called after every iteration of the method with an `Iteration`: number, x, value, evaluations. A StopIteration
        from it ends the search, with the best point met.

    Returns
    -------
    Optimum
        With `success` False where the method ended for another reason than its tolerance; the message says which.

    Raises
    ------
    InputError, InputTypeError
        For a method that is not known or has no bounds, a start outside the bounds, an idle parameter, a tolerance
        that is not positive.
    OptimisationError
        When a step leads where the objective has no value, with the best point so far and the way back.
    Whatever else the model's function or the callback raises, with a note of the best point so far.

    Sources
    -------
    Byrd, Lu, Nocedal, Zhu, SIAM J. Sci. Comput. 16, 1190 (1995) for L-BFGS-B; Nocedal and Wright, Numerical
    Optimization (2006) for the others.
    """
    key = _checked(objective, method)
    from scipy import optimize  # slow to import, and not needed for the rest of negfadj

    start = checked_start(objective, x0)
    watch = Watch(objective, checked_count(max_evaluations), checked_callback(callback))
    lower, upper = objective.bounds
    given: dict[str, Any] = {"tol": checked_tolerance(tolerance), "options": checked_options(options)}
    if np.any(np.isfinite(lower)) or np.any(np.isfinite(upper)):
        if key not in WITH_BOUNDS:
            raise InputError(
                f"the method {method} has no bounds but parameters do; use L-BFGS-B, TNC, SLSQP or trust-constr, or "
                "leave the bounds out."
            )
        given["bounds"] = optimize.Bounds(lower, upper)
    if check and key not in WITHOUT_GRADIENT:
        watch.guarded(objective.check, start)
    function: Any = _with_gradient(watch) if key not in WITHOUT_GRADIENT else _value(watch)
    given["jac"] = key not in WITHOUT_GRADIENT or None
    if key in WITH_PRODUCTS:
        given["hessp"] = lambda x, v: watch.guarded(lambda y: objective.hessian_vector_product(y, v), x)
    if key in WITH_HESSIAN:
        given["hess"] = lambda x: watch.guarded(objective.hessian, x)
    if callback is not None:
        given["callback"] = watch.iterated
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of quasi-Newton updates that a method skips
            warnings.simplefilter("error", optimize.OptimizeWarning)
            found = optimize.minimize(function, start, method=method, **given)
    except Stop as stop:
        return watch.stopped(stop)
    except optimize.OptimizeWarning as warning:
        raise InputError(f"options={given['options']} of {method}: {warning}; see scipy.optimize.minimize.") from None
    return watch.optimum(np.asarray(found.x), bool(found.success), str(found.message))


def checked_start(objective: Objective, x0: ArrayLike | None) -> Array:
    """The start, within the bounds up to rounding."""
    if x0 is None:
        return objective.x0.copy()
    start = objective.parameters.checked(x0, "x0")
    lower, upper = objective.bounds
    outside = (start < lower) | (start > upper)
    if np.any(outside):
        i = int(np.argmax(outside))
        raise InputError(
            f"x0[{i}] = {start[i]:g}, the variable {objective.names[i]!r}, is outside its bounds ({lower[i]:g}, "
            f"{upper[i]:g}); start within them."
        )
    return start


def checked_count(max_evaluations: Any) -> int | None:
    """A positive integer or None."""
    if max_evaluations is None:
        return None
    if isinstance(max_evaluations, bool) or not hasattr(max_evaluations, "__index__") or max_evaluations < 1:
        raise InputError(f"max_evaluations={max_evaluations!r} must be a positive integer.")
    return int(max_evaluations)


def checked_tolerance(tolerance: Any) -> float | None:
    """A positive finite number or None."""
    if tolerance is None:
        return None
    if isinstance(tolerance, bool):
        raise InputTypeError(f"tolerance={tolerance!r} must be a positive number.")
    found = real_host(tolerance, "tolerance")
    if found.ndim != 0 or not found > 0:
        raise InputError(f"tolerance={tolerance!r} must be one positive number, as 1e-8.")
    return float(found)


def checked_options(options: Any) -> dict[str, Any] | None:
    """A dict of SciPy's options or None."""
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise InputTypeError(f"options={options!r} must be a mapping of names to values, as {{'maxiter': 50}}.")
    return dict(options)


def checked_callback(callback: Any) -> Callback | None:
    """A function of an `Iteration` or None."""
    if callback is not None and not callable(callback):
        raise InputTypeError(f"callback={callback!r} must be a function of one argument, an Iteration.")
    return callback  # type: ignore[no-any-return]


def _checked(objective: Any, method: Any) -> str:
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective is a {type(objective).__name__}; pass a na.Objective.")
    key = str(method).lower()
    if key not in METHODS:
        raise InputError(f"method={method!r} is not known; use one of {', '.join(sorted(METHODS))}.")
    return key


def _with_gradient(watch: Watch) -> Any:
    def value_and_gradient(x: Array) -> tuple[float, Array]:
        found = watch(watch.objective.value_and_gradient, lambda pair: pair[0], x)
        watch.gradients += 1
        return found  # type: ignore[no-any-return]

    return value_and_gradient


def _value(watch: Watch) -> Any:
    return lambda x: watch(watch.objective.value, float, x)
