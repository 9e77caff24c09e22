"""A point of an iteration for F(x) = 0: F there, products with its derivative, and both norms of F."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..array import array_namespace
from ..typing import Array
from .gmres import LinearMap
from .solution import FixedPointError
from .vectors import check_image, is_finite, largest, norm


@dataclass(frozen=True, eq=False)
class Point:
    """x with F(x), v → F'(x) v, max |F| and ‖F‖₂; both are infinite where F is not finite."""

    x: Array
    residual: Array
    jvp: LinearMap
    largest: float
    norm: float


def point_at(residual_with_jvp: Callable[[Array], tuple[Array, LinearMap]], x: Array) -> Point:
    """Evaluate F at x."""
    residual, jvp = residual_with_jvp(x)
    check_image(residual, x, "F")
    finite = is_finite(residual)
    return Point(x, residual, jvp, largest(residual) if finite else math.inf, norm(residual) if finite else math.inf)


def failure_at(
    best: Point,
    history: Sequence[float],
    tolerance: float,
    why: str,
    advice: str,
    *,
    n_krylov_steps: int,
    n_evaluations: int,
) -> FixedPointError:
    """The error of an iteration that ends above its tolerance, with the best point it met."""
    xp = array_namespace(best.residual)
    worst = int(xp.argmax(xp.abs(best.residual)))
    return FixedPointError(
        f"{why}: max |F| = {best.largest:.3g} (entry {worst}) is above the tolerance {tolerance:.3g} after "
        f"{len(history) - 1} steps",
        advice=advice,
        residual=best.largest,
        history=history,
        x=best.x,
        residual_vector=best.residual,
        n_krylov_steps=n_krylov_steps,
        n_evaluations=n_evaluations,
    )
