"""Anderson mixing: x = g(x) from values of g alone.

With f = g(x) − x, and ΔX, ΔF the last differences of x and f,

    x ← x + β f − (ΔX + β ΔF) γ,      γ = argmin ‖f − ΔF γ‖₂

Differences are taken from the newest back and left out once what they add to the others is lost in rounding; when ‖f‖
grows, the differences are forgotten, x goes back to the best one, and β is halved.

Sources: D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011), Eq. (2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..array import array_namespace, eps_of
from ..errors import InputError
from ..typing import Array
from .solution import FixedPointError, FixedPointSolution
from .vectors import (
    check_count,
    check_image,
    check_mixing,
    check_tolerance,
    check_vector,
    inner,
    is_finite,
    largest,
    norm,
)

GROWTH = 2.0  # of ‖f‖₂ over the best one, beyond which the history is forgotten
LEAST_MIXING = 1 / 64  # of the mixing given
STAGNATION = (30, 0.9)  # evaluations, and the share of the best ‖f‖₂ that must be gone after them


def anderson(
    fixed_point_map: Callable[[Array], Array],
    x0: Array,
    *,
    depth: int = 6,
    mixing: float = 0.3,
    tolerance: float = 1e-8,
    max_iterations: int = 200,
    max_step: float | None = None,
) -> FixedPointSolution:
    """Solve x = g(x) to max |g(x) − x| ≤ tolerance.

    Parameters
    ----------
    fixed_point_map : callable
        g: x (n,) → (n,).
    x0 : real array, shape (n,)
    depth : int
        Differences kept; 0 is plain damped iteration.
    mixing : float
        β, between 0 and 1.
    tolerance : float
        On max |g(x) − x|, in x's unit.
    max_iterations : int
        Steps.
    max_step : float, optional
        No entry of x moves further than this in one step.

    Returns
    -------
    FixedPointSolution
        On the device of `x0`; bit for bit the same from the same x0 where g is. Its x is one that g was evaluated at.

    Raises
    ------
    FixedPointError
        When ‖g(x) − x‖₂ still grows at the least mixing, when its best value falls by less than a tenth in 30 steps, or
        the steps run out. It carries the history and the best x.
    InputError, InputTypeError, ShapeError
        For an x0 that is no finite real vector or where g is not finite; for a g of another shape.

    Sources
    -------
    H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715 (2011).
    """
    check_vector(x0, "x0")
    check_tolerance(tolerance)
    check_count(max_iterations, "max_iterations")
    check_count(depth, "depth")
    check_mixing(mixing)
    if max_step is not None and not max_step > 0:
        raise InputError(f"max_step={max_step!r} must be positive, or None for no bound.")
    x, f = x0, _difference(fixed_point_map, x0)
    if not is_finite(f):
        raise InputError("the map is not finite at x0; start from an x where it is.")
    best_x, best_f, beta = x, f, mixing
    dx: list[Array] = []
    df: list[Array] = []
    largests, norms, bests = [largest(f)], [norm(f)], [norm(f)]
    while largests[-1] > tolerance:
        if len(norms) > max_iterations:
            raise _failure(best_x, best_f, largests, tolerance, f"{max_iterations} steps were not enough")
        step = _capped(_mixed(f, dx, df, beta), max_step)
        x_new = x + step
        f_new = _difference(fixed_point_map, x_new)
        finite = is_finite(f_new)
        largests.append(largest(f_new) if finite else math.inf)
        norms.append(norm(f_new) if finite else math.inf)
        bests.append(min(bests[-1], norms[-1]))
        if norms[-1] > GROWTH * bests[-1]:
            x, f, dx, df, beta = best_x, best_f, [], [], beta / 2
            if beta < LEAST_MIXING * mixing:
                raise _failure(best_x, best_f, largests, tolerance, f"g(x) − x grows even at the mixing {2 * beta:.2g}")
            continue
        dx, df = ([*dx, x_new - x], [*df, f_new - f])
        dx, df = (dx[-depth:], df[-depth:]) if depth else ([], [])
        x, f = x_new, f_new
        if norms[-1] <= bests[-1]:
            best_x, best_f = x, f
        n_back, share = STAGNATION
        if largests[-1] > tolerance and len(bests) > n_back and bests[-1] > share * bests[-1 - n_back]:
            raise _failure(
                best_x, best_f, largests, tolerance, f"the best g(x) − x fell by less than a tenth in {n_back} steps"
            )
    return FixedPointSolution(
        x=x,
        residual_vector=f,
        history=tuple(largests),
        norm_history=tuple(norms),
        n_steps=len(norms) - 1,
        n_krylov_steps=0,
        n_evaluations=len(norms),
    )


def _difference(fixed_point_map: Callable[[Array], Array], x: Array) -> Array:
    image = fixed_point_map(x)
    check_image(image, x, "the fixed-point map")
    return image - x


def _mixed(f: Array, dx: list[Array], df: list[Array], beta: float) -> Array:
    """β f − (ΔX + β ΔF) γ by Gram–Schmidt on ΔF, newest first, ΔX taken along."""
    step, rest = 0.0 * f, f
    basis: list[tuple[Array, Array]] = []  # orthonormal combinations of ΔF, and the same ones of ΔX
    for x_part, f_part in zip(reversed(dx), reversed(df)):
        whole = norm(f_part)
        for x_unit, f_unit in basis:
            share = inner(f_unit, f_part)
            x_part, f_part = x_part - share * x_unit, f_part - share * f_unit
        remaining = norm(f_part)
        if not remaining > math.sqrt(eps_of(f)) * whole:  # parallel to newer ones: γ would be rounding
            break
        basis.append((x_part / remaining, f_part / remaining))
        share = inner(basis[-1][1], rest)
        step, rest = step - share * basis[-1][0], rest - share * basis[-1][1]
    return step + beta * rest  # f − ΔF γ = rest


def _capped(step: Array, max_step: float | None) -> Array:
    longest = largest(step)
    return step if max_step is None or longest <= max_step else (max_step / longest) * step


def _failure(x: Array, f: Array, history: list[float], tolerance: float, why: str) -> FixedPointError:
    xp = array_namespace(f)
    worst = int(xp.argmax(xp.abs(f)))
    return FixedPointError(
        f"{why}: the smallest max |g(x) − x| = {largest(f):.3g} (entry {worst}) is above the tolerance {tolerance:.3g} "
        f"after {len(history) - 1} steps",
        advice="lower `mixing`, start nearer to the solution, or use Newton–Krylov; near rounding, a larger tolerance.",
        residual=largest(f),
        history=history,
        x=x,
        residual_vector=f,
    )
