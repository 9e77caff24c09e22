"""Continuation: from a problem that is solved to one that is not, by steps that shrink where one fails.

The problem at the share s of the way starts from the secant through the two solutions before it,

    x(s + h) ≈ x(s) + h/(s − s') [x(s) − x(s')],

as long as the same guess was nearer to x(s) than x(s') was, and from x(s) itself otherwise.

Sources: E. L. Allgower and K. Georg, Introduction to Numerical Continuation Methods (2003), Sec. 2.2 and 6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from ..errors import ConvergenceError, InputError
from ..typing import Array
from .vectors import largest

Found = TypeVar("Found")
Solve = Callable[[float, Array], tuple[Found, Array]]


class Walk(NamedTuple, Generic[Found]):
    """What was found at the end, and the way there.

    Attributes
    ----------
    found : object
        Of s = 1.
    shares : tuple of float
        Every s that was solved, rising to 1.
    n_failures : int
        Attempts that did not converge.
    """

    found: Found
    shares: tuple[float, ...]
    n_failures: int


def walk(solve: Solve[Found], start: Array, *, first_step: float = 1.0, smallest_step: float = 1 / 64) -> Walk[Found]:
    """Solve at s = 1, on the way from s = 0.

    Parameters
    ----------
    solve : callable
        ``solve(s, guess)`` → what is wanted, and x(s); raises a `ConvergenceError` where it does not converge.
    start : array, shape (n,)
        x(0).
    first_step : float
        Tried first, between 0 and 1. A step that fails is halved, the next after one that does not is twice as long.
    smallest_step : float
        No step is shorter.

    Returns
    -------
    Walk

    Raises
    ------
    ConvergenceError
        When a step of the smallest length fails; it says how far the way went.
    InputError
        For steps that are not between 0 and 1.
    """
    if not 0 < smallest_step <= first_step <= 1:
        raise InputError(
            f"smallest_step={smallest_step!r} and first_step={first_step!r} must lie between 0 and 1, in this order."
        )
    at, step, x, n_failures = 0.0, first_step, start, 0
    shares: list[float] = []
    before: tuple[float, Array] | None = None
    is_straight = True  # does the secant guess better than x itself?
    while True:
        to = 1.0 if at + step > 1 - smallest_step / 2 else at + step
        guess = x if before is None else x + ((to - at) / (at - before[0])) * (x - before[1])
        try:
            found, there = solve(to, guess if is_straight else x)
        except ConvergenceError as failure:
            n_failures += 1
            step = min(step, to - at) / 2
            if step < smallest_step * (1 - 1e-9):
                raise ConvergenceError(
                    f"the way ends at {at:.4g} of it: a step of {2 * step:.3g} fails as well. There may be no solution "
                    f"beyond that is joined to this one; take another way. The last failure: {failure}",
                    residual=failure.residual,
                ) from failure
            continue
        shares.append(to)
        if to == 1.0:
            return Walk(found, tuple(shares), n_failures)
        if before is not None:
            is_straight = largest(there - guess) < largest(there - x)
        before, x, at, step = (at, x), there, to, 2 * step
