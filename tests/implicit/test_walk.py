"""Continuation: where its steps go, what they start from, and where it gives up."""

from __future__ import annotations

import numpy as np
import pytest

from negfadj.errors import ConvergenceError, InputError
from negfadj.implicit.walk import walk


class Recorded:
    """x(s) = profile(s), reached from guesses that are near enough."""

    def __init__(self, profile, reach: float = np.inf) -> None:
        self.profile, self.reach = profile, reach
        self.tried: list[float] = []
        self.guesses: list[np.ndarray] = []

    def __call__(self, share, guess):
        self.tried.append(share)
        self.guesses.append(guess)
        x = np.atleast_1d(self.profile(share)).astype(float)
        if np.max(np.abs(x - guess)) > self.reach:
            raise ConvergenceError("too far", residual=0.5)
        return f"at {share}", x


def test_walk_goes_straight_to_the_end_where_it_can() -> None:
    recorded = Recorded(lambda s: np.array([s]))
    found = walk(recorded, np.zeros(1))
    assert found == ("at 1.0", (1.0,), 0) and recorded.tried == [1.0]


def test_walk_halves_a_step_that_fails_and_doubles_the_next() -> None:
    recorded = Recorded(lambda s: np.array([s**2]), reach=0.1)
    found = walk(recorded, np.zeros(1))
    assert found.n_failures == len(recorded.tried) - len(found.shares) > 0
    steps = np.diff((0.0, *found.shares))
    assert found.shares[-1] == 1.0 and max(steps[1:] / steps[:-1]) == 2.0
    assert recorded.tried[:3] == [1.0, 0.5, 0.25]


def test_walk_along_a_line_needs_no_more_halving_once_it_has_a_secant() -> None:
    recorded = Recorded(lambda s: np.array([s, -2 * s]), reach=0.6)
    found = walk(recorded, np.zeros(2))
    assert found.shares == (0.25, 0.75, 1.0)
    np.testing.assert_allclose(recorded.guesses[-1], [1.0, -2.0])


def test_walk_does_not_extrapolate_where_that_guessed_worse() -> None:
    recorded = Recorded(lambda s: np.array([abs(s - 0.25)]))
    walk(recorded, np.array([0.25]), first_step=0.25)
    assert recorded.tried == [0.25, 0.75, 1.0]
    np.testing.assert_allclose(recorded.guesses[1], [-0.5])  # x(0.25) + 2 (x(0.25) − x(0)), wrong by 1
    np.testing.assert_allclose(recorded.guesses[2], [0.5])  # x(0.75) itself


def test_walk_says_how_far_it_came() -> None:
    with pytest.raises(ConvergenceError, match=r"ends at 0\.5 of it: a step of 0\.0625 fails .* too far") as caught:
        walk(Recorded(lambda s: np.array([float(s > 0.5)]), reach=0.1), np.zeros(1), smallest_step=1 / 16)
    assert caught.value.residual == 0.5


@pytest.mark.parametrize("steps", [(1.5, 0.1), (0.1, 0.2), (1.0, 0.0)])
def test_walk_refuses_steps_without_meaning(steps: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="in this order"):
        walk(Recorded(lambda s: np.array([s])), np.zeros(1), first_step=steps[0], smallest_step=steps[1])
