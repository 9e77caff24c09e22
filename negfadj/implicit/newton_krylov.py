"""Newton–Krylov: F(x) = 0 from F and products with its exact derivative.

x ← x + λ s with ‖F'(x) s + F(x)‖₂ ≤ η ‖F(x)‖₂ by GMRES. η follows the fall of ‖F‖ so that convergence is quadratic and
no product is spent on accuracy that the next step would lose; λ makes ‖F‖₂ fall.

Sources: S. C. Eisenstat and H. F. Walker, SIAM J. Sci. Comput. 17, 16 (1996), Eq. (2.6) (η) and Algorithm INB (λ);
C. T. Kelley, Iterative Methods for Linear and Nonlinear Equations (1995), Eq. (6.20) (η near the end).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..array import eps_of
from ..errors import InputError
from ..typing import Array
from .gmres import LinearMap, gmres
from .point import Point, failure_at, point_at
from .solution import FixedPointError, FixedPointSolution
from .vectors import check_count, check_tolerance, check_vector, largest

SUFFICIENT_DECREASE = 1e-4
STAGNATION = 0.9  # the share of ‖F‖₂ that may be left after `patience` steps
ADVICE = (
    "start nearer to the solution (continuation), bound the steps (max_step), give a better preconditioner, or follow "
    "the flow (pseudo_transient); near rounding, a larger tolerance."
)


def newton_krylov(
    residual_with_jvp: Callable[[Array], tuple[Array, LinearMap]],
    x0: Array,
    *,
    preconditioner: Callable[[Array], LinearMap] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 30,
    max_step: float | None = None,
    forcing: float = 0.1,
    max_krylov: int = 60,
    patience: int = 6,
    max_trials: int = 12,
) -> FixedPointSolution:
    """Solve F(x) = 0 to max |F_i| ≤ tolerance.

    Parameters
    ----------
    residual_with_jvp : callable
        x (n,) → (F(x) (n,), v ↦ F'(x) v); the product must be exact, or the convergence is not quadratic.
    x0 : real array, shape (n,)
    preconditioner : callable, optional
        x → (v ↦ M⁻¹ v) with M near F'(x), a linear map; called once a step.
    tolerance : float
        On max |F|, in F's unit.
    max_iterations : int
        Steps.
    max_step : float, optional
        No entry of x moves further than this in one step, in x's unit.
    forcing : float
        Largest relative residual of the linear solves, between 0 and 1.
    max_krylov : int
        Products of one linear solve.
    patience : int
        Steps within which ‖F‖₂ must fall by a tenth.
    max_trials : int
        Of λ in one step, each between a tenth and a half of the one before.

    Returns
    -------
    FixedPointSolution
        On the device of `x0`; bit for bit the same from the same x0 where `residual_with_jvp` is.

    Raises
    ------
    FixedPointError
        When ‖F‖₂ does not fall along the step, falls too slowly (less than a tenth in `patience` steps), the linear
        solve gets nowhere, or the steps run out. It carries the history and the best x. ‖F‖₂ may have minima that are
        no solutions, where it must end so: `pseudo_transient` goes on from there.
    InputError, InputTypeError, ShapeError
        For an x0 that is no finite real vector or where F is not finite; for an F or a product of another shape.

    Sources
    -------
    S. C. Eisenstat and H. F. Walker, SIAM J. Sci. Comput. 17, 16 (1996).
    """
    check_vector(x0, "x0")
    check_tolerance(tolerance)
    check_count(max_iterations, "max_iterations")
    if not 0 < forcing < 1:
        raise InputError(f"forcing={forcing!r} must lie between 0 and 1.")
    if max_step is not None and not max_step > 0:
        raise InputError(f"max_step={max_step!r} must be positive, or None for no bound.")
    if patience < 1 or max_trials < 1:
        raise InputError(f"patience={patience!r} and max_trials={max_trials!r} must be at least 1.")
    here = point_at(residual_with_jvp, x0)
    if not math.isfinite(here.norm):
        raise InputError("F is not finite at x0; start from an x where it is.")
    largests, norms, n_krylov, n_evaluations, eta = [here.largest], [here.norm], 0, 1, forcing

    def failure(why: str) -> FixedPointError:
        return failure_at(
            here, largests, tolerance, why, ADVICE, n_krylov_steps=n_krylov, n_evaluations=n_evaluations
        )

    while here.largest > tolerance:
        if len(norms) > max_iterations:
            raise failure(f"{max_iterations} steps were not enough")
        eta = _forcing(norms, eta, forcing, tolerance)
        linear = gmres(
            here.jvp,
            -here.residual,
            preconditioner=None if preconditioner is None else preconditioner(here.x),
            tolerance=max(eta, 10 * eps_of(x0)),
            max_products=max_krylov,
            restart=max_krylov,
            is_checked=False,
        )
        n_krylov += linear.n_products
        if not linear.residual < 0.99:
            raise failure(
                f"{linear.n_products} Krylov steps left {linear.residual:.3g} of the linear system's residual"
            )
        there, n_trials = _line_search(residual_with_jvp, here, linear.x, linear.residual, max_step, max_trials)
        n_evaluations += n_trials
        if there is None:
            raise failure(f"‖F‖ does not fall along Newton's step {len(norms)}")
        here = there
        largests.append(here.largest)
        norms.append(here.norm)
        if here.largest > tolerance and len(norms) > patience and here.norm > STAGNATION * norms[-1 - patience]:
            raise failure(f"‖F‖ fell by less than a tenth in {patience} steps")
    return FixedPointSolution(
        x=here.x,
        residual_vector=here.residual,
        history=tuple(largests),
        norm_history=tuple(norms),
        n_steps=len(norms) - 1,
        n_krylov_steps=n_krylov,
        n_evaluations=n_evaluations,
    )


def _forcing(norms: list[float], before: float, most: float, tolerance: float) -> float:
    """η of this step: 0.9 (‖F_k‖/‖F_{k−1}‖)², not much below the last one at once, not below what is needed to end."""
    if len(norms) < 2:
        eta = most
    else:
        eta = 0.9 * (norms[-1] / norms[-2]) ** 2
        if 0.9 * before**2 > 0.1:
            eta = max(eta, 0.9 * before**2)
    # max |F| ≤ ‖F‖₂: half the tolerance in ‖F‖₂ is enough, and leaves the other half to the curvature of F
    return min(most, max(eta, 0.5 * tolerance / norms[-1]))


def _line_search(
    residual_with_jvp: Callable[[Array], tuple[Array, LinearMap]],
    here: Point,
    step: Array,
    linear_residual: float,
    max_step: float | None,
    max_trials: int,
) -> tuple[Point | None, int]:
    """The first x + λs at which ‖F‖₂ has fallen enough, and how many were tried; None when none has.

    As GMRES minimises, ½‖F‖² has the slope −(1 − η²)‖F‖² along s, η the linear residual reached: the next λ is the
    lowest point of the parabola through both ends.
    """
    longest = largest(step)
    scale = 1.0 if max_step is None or longest <= max_step else max_step / longest
    slope = -(1 - linear_residual**2) * here.norm**2
    for trial in range(1, max_trials + 1):
        there = point_at(residual_with_jvp, here.x + scale * step)
        if there.norm <= (1 - SUFFICIENT_DECREASE * scale * (1 - linear_residual)) * here.norm:
            return there, trial
        rise = (there.norm**2 - here.norm**2) / 2 - slope * scale  # above the tangent; positive, as the test failed
        scale *= min(0.5, max(0.1, -slope * scale / (2 * rise))) if math.isfinite(rise) else 0.1
    return None, max_trials
