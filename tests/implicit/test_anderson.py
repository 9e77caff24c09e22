"""Anderson mixing on fixed points that are known: acceleration, safeguards, repeatability, honest failures."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend
from poisson_boltzmann import Chain

from negfadj.array import array_namespace, to_numpy
from negfadj.errors import InputError, ShapeError
from negfadj.implicit import FixedPointError, anderson

COSINE = 0.7390851332151607  # cos x = x


def test_anderson_finds_the_fixed_point_of_the_cosine(backend: Backend) -> None:
    x0 = backend(np.array([0.1, 3.0]))
    found = anderson(lambda x: array_namespace(x).cos(x), x0, tolerance=1e-14)
    assert type(found.x) is type(x0) and np.abs(to_numpy(found.x) - COSINE).max() < 1e-14


def test_anderson_ends_a_linear_problem_in_as_many_steps_as_it_has_unknowns() -> None:
    """As GMRES does; the iteration itself, with eigenvalues up to 40, diverges at any mixing above 0.05."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    matrix = basis @ np.diag([-40.0, -10.0, -3.0, 0.5, 0.2]) @ basis.T
    right = rng.standard_normal(5)
    found = anderson(lambda x: matrix @ x + right, np.zeros(5), depth=8, mixing=0.03, tolerance=1e-9)
    assert np.allclose(found.x, np.linalg.solve(np.eye(5) - matrix, right), rtol=0, atol=1e-9)
    assert found.n_evaluations <= 9


def test_anderson_matches_a_dense_solver_on_a_chain() -> None:
    chain = Chain()
    found = anderson(
        lambda phi: chain.fixed_point_map(phi, chain.doping), np.arcsinh(chain.doping / 0.3), tolerance=1e-11
    )
    assert np.abs(found.x - chain.solution(chain.doping)).max() < 1e-9
    assert np.array_equal(found.residual_vector, chain.fixed_point_map(found.x, chain.doping) - found.x)
    assert found.residual == np.abs(found.residual_vector).max() <= 1e-11


def test_anderson_is_faster_than_damped_iteration() -> None:
    def weak(x):
        return 0.95 * np.cos(np.arange(1.0, 21.0) * x / 20)

    plain = anderson(weak, np.zeros(20), depth=0, mixing=0.3, tolerance=1e-10)
    mixed = anderson(weak, np.zeros(20), tolerance=1e-10)
    assert np.abs(plain.x - mixed.x).max() < 1e-9 and mixed.n_evaluations < plain.n_evaluations / 2


def test_anderson_goes_back_and_halves_the_mixing_when_the_residual_grows() -> None:
    """With depth 0, x − 10 x contracts below the mixing 2/11 only: 0.8 is halved three times."""
    found = anderson(lambda x: -10.0 * x, np.ones(3), depth=0, mixing=0.8, tolerance=1e-8, max_iterations=300)
    assert np.abs(found.x).max() < 1e-8 and found.n_evaluations == len(found.history)
    assert any(b > 2 * a for a, b in zip(found.history[:-1], found.history[1:]))


def test_anderson_leaves_out_differences_that_are_parallel_to_rounding() -> None:
    """The second entry of f moves by 1e-14 of it in three steps: to make it 0 would take a step of 10¹²."""
    values = iter([[1.0, 0.1], [0.5, 0.1], [0.25, 0.1 + 1e-14], [0.1, 0.1]])
    seen = []

    def told(x):
        seen.append(x)
        return x + np.array(next(values))

    with pytest.raises(FixedPointError, match="3 steps were not enough"):
        anderson(told, np.zeros(2), max_iterations=3)
    assert len(seen) == 4 and np.abs(seen).max() < 2


def test_anderson_keeps_to_the_longest_step() -> None:
    seen = []

    def watched(x):
        seen.append(x)
        return 0.5 * x + 5.0

    found = anderson(watched, np.zeros(2), max_step=0.5, tolerance=1e-10)
    assert abs(found.x[0] - 10) < 1e-9
    assert max(np.abs(b - a).max() for a, b in zip(seen[:-1], seen[1:])) <= 0.5 * (1 + 1e-14)


def test_anderson_repeats_bit_for_bit() -> None:
    chain = Chain()
    x0 = np.arcsinh(chain.doping / 0.3)
    first, second = (anderson(lambda phi: chain.fixed_point_map(phi, chain.doping), x0) for _ in range(2))
    assert first.x.tobytes() == second.x.tobytes() and first.history == second.history


def test_anderson_says_that_the_map_grows_at_any_mixing() -> None:
    with pytest.raises(FixedPointError, match="grows even at the mixing") as caught:
        anderson(lambda x: 500.0 * x, np.ones(2), depth=0, mixing=1.0)
    assert caught.value.residual == min(caught.value.history) and np.array_equal(caught.value.x, np.ones(2))


def test_anderson_says_that_it_stagnates_when_there_is_no_fixed_point() -> None:
    with pytest.raises(FixedPointError, match="fell by less than a tenth in 30 steps") as caught:
        anderson(lambda x: x + 1.0 + 0.1 * np.sin(x), np.zeros(1), max_iterations=500)
    assert caught.value.residual >= 0.9 and caught.value.residual == min(caught.value.history)


def test_anderson_stops_at_the_steps_it_may_use() -> None:
    with pytest.raises(FixedPointError, match="2 steps were not enough"):
        anderson(np.cos, np.array([0.1, 3.0]), max_iterations=2)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"mixing": 0.0}, "^mixing=0.0 must be above 0 and at most 1"),
        ({"max_iterations": -1}, "max_iterations=-1 must be a whole number"),
        ({"max_iterations": 2.5}, "max_iterations=2.5 must be a whole number"),
        ({"depth": -1}, "depth=-1"),
        ({"max_step": 0.0}, "max_step=0.0"),
        ({"tolerance": -1.0}, "tolerance=-1.0"),
    ],
)
def test_anderson_refuses_keywords_without_meaning(keywords: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        anderson(np.cos, np.ones(1), **keywords)


def test_anderson_refuses_a_map_of_another_shape() -> None:
    with pytest.raises(ShapeError, match="the fixed-point map gave no array"):
        anderson(lambda x: 1.0, np.ones(3))
    with pytest.raises(InputError, match="not finite at x0"):
        anderson(lambda x: x * np.nan, np.ones(3))
