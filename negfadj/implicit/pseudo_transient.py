"""Pseudo-transient continuation: F(x) = 0 as the rest of the flow dx/dτ = −F(x).

    (1/δ + F'(x)) s = −F(x),   x ← x + s          one implicit Euler step of length δ

Newton's method with a line search ends where ‖F‖₂ has a minimum, a solution or not: beside a turning point, at which
two solutions have met and vanished, there is always one that is none. The flow passes by it, F being small but not zero
there, and ‖F‖₂ may rise on the way. δ follows

    e = ‖M⁻¹ [F(x + s) + s/δ]‖₂ / ‖s‖₂,      M near 1/δ + F'(x),

the share of the step by which a second one would correct it, and grows without bound near a solution, where the step
becomes Newton's own and convergence superlinear. Only solutions that attract the flow are found.

Sources: C. T. Kelley and D. E. Keyes, SIAM J. Numer. Anal. 35, 508 (1998), Sec. 1 (the method); P. Deuflhard,
Newton Methods for Nonlinear Problems (2004), Sec. 3.3 (simplified corrections as a measure); the numbers are our own.
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
from .vectors import check_count, check_tolerance, check_vector, inner, largest, norm

FORCING = 0.1  # relative residual of the linear solves, less near the end
REFUSED = 1.0  # e above which a step is only taken when ‖F‖₂ falls
GROWTH = ((0.1, 10.0), (0.3, 3.0), (0.6, 1.0))  # e below the first number: δ times the second; else half
SHRINKING = 0.25  # of δ, where a step is refused
SHORTEST = 1e-8  # δ in units of its first value
ADVICE = "start nearer to the solution (continuation); near rounding, a larger tolerance."


def pseudo_transient(
    residual_with_jvp: Callable[[Array], tuple[Array, LinearMap]],
    x0: Array,
    *,
    preconditioner: Callable[[Array, float], LinearMap] | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 100,
    max_step: float | None = None,
    first_time: float = 1.0,
    max_krylov: int = 60,
) -> FixedPointSolution:
    """Follow dx/dτ = −F(x) to max |F_i| ≤ tolerance.

    Parameters
    ----------
    residual_with_jvp : callable
        x (n,) → (F(x) (n,), v ↦ F'(x) v).
    x0 : real array, shape (n,)
    preconditioner : callable, optional
        (x, σ) → (v ↦ M⁻¹ v) with M near F'(x) + σ, a linear map; σ = 1/δ.
    tolerance : float
        On max |F|, in F's unit.
    max_iterations : int
        Steps, those that are refused among them.
    max_step : float, optional
        No entry of x moves further than this in one step, in x's unit.
    first_time : float
        δ of the first step, in units of x/F.
    max_krylov : int
        Products of one linear solve.

    Returns
    -------
    FixedPointSolution
        On the device of `x0`; bit for bit the same from the same x0 where `residual_with_jvp` is. Its history is that
        of the steps taken, and need not fall.

    Raises
    ------
    FixedPointError
        When δ has become 1e-8 of its first value without a step that is good, or the steps run out. It carries the
        history and the best x.
    InputError, InputTypeError, ShapeError
        As `newton_krylov`.

    Sources
    -------
    C. T. Kelley and D. E. Keyes, SIAM J. Numer. Anal. 35, 508 (1998).
    """
    check_vector(x0, "x0")
    check_tolerance(tolerance)
    check_count(max_iterations, "max_iterations")
    if not (first_time > 0 and math.isfinite(first_time)):
        raise InputError(f"first_time={first_time!r} must be a positive finite number.")
    if max_step is not None and not max_step > 0:
        raise InputError(f"max_step={max_step!r} must be positive, or None for no bound.")
    here = point_at(residual_with_jvp, x0)
    if not math.isfinite(here.norm):
        raise InputError("F is not finite at x0; start from an x where it is.")
    best, largests, norms, time, n_krylov, n_evaluations = here, [here.largest], [here.norm], first_time, 0, 1

    def failure(why: str) -> FixedPointError:
        return failure_at(
            best, largests, tolerance, why, ADVICE, n_krylov_steps=n_krylov, n_evaluations=n_evaluations
        )

    while here.largest > tolerance:
        if n_evaluations > max_iterations:
            raise failure(f"{max_iterations} steps along the flow were not enough")
        while True:
            if time < SHORTEST * first_time:
                raise failure("the flow cannot be followed, steps ever shorter")
            inverse = None if preconditioner is None else preconditioner(here.x, 1 / time)
            step, n_products = _implicit_step(here, time, inverse, tolerance, max_krylov)
            n_krylov += n_products
            if inner(step, here.residual) < 0:
                break
            time *= SHRINKING  # beyond −1/λ of a growing mode: the step would go back against the flow
        longest = largest(step)
        share = 1.0 if max_step is None or longest <= max_step else max_step / longest
        there = point_at(residual_with_jvp, here.x + share * step)
        n_evaluations += 1
        missed, n_products = _missed(here, there, share * step, share, time, inverse, max_krylov)
        n_krylov += n_products
        if missed > REFUSED and not there.norm <= here.norm:
            time *= SHRINKING
            continue
        here = there
        best = here if here.norm < best.norm else best
        largests.append(here.largest)
        norms.append(here.norm)
        time *= next((factor for bound, factor in GROWTH if missed < bound), 0.5)
    return FixedPointSolution(
        x=here.x,
        residual_vector=here.residual,
        history=tuple(largests),
        norm_history=tuple(norms),
        n_steps=len(norms) - 1,
        n_krylov_steps=n_krylov,
        n_evaluations=n_evaluations,
    )


def _implicit_step(
    here: Point, time: float, inverse: LinearMap | None, tolerance: float, max_krylov: int
) -> tuple[Array, int]:
    """s of (1/δ + F') s = −F, and the products it took."""
    # half the tolerance in ‖F‖₂ is enough at the end; before, two digits more than δ's growth can use
    accuracy = max(min(FORCING, max(1e-4, 0.5 * tolerance / here.norm)), 10 * eps_of(here.x))
    linear = gmres(
        lambda v: v / time + here.jvp(v),
        -here.residual,
        preconditioner=inverse,
        tolerance=accuracy,
        max_products=max_krylov,
        restart=max_krylov,
        is_checked=False,
    )
    return linear.x, linear.n_products


def _missed(
    here: Point,
    there: Point,
    step: Array,
    share: float,
    time: float,
    inverse: LinearMap | None,
    max_krylov: int,
) -> tuple[float, int]:
    """e of the step c s, and the products it took: what is left of F(x + c s) − [(1 − c) F − c s/δ]."""
    if not math.isfinite(there.norm):
        return math.inf, 0
    defect = there.residual - (1 - share) * here.residual + step / time
    if inverse is not None:
        return norm(inverse(defect)) / norm(step), 0
    linear = gmres(
        lambda v: v / time + here.jvp(v),
        defect,
        tolerance=FORCING,
        max_products=max_krylov,
        restart=max_krylov,
        is_checked=False,
    )
    return norm(linear.x) / norm(step), linear.n_products
