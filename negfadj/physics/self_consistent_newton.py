"""Newton's method on F(φ) = φ − P q(φ) − φ_ext, and the flow dφ/dτ = −F where it ends without a solution.

Out of equilibrium ‖F‖₂ has minima that are no solutions, beside the bias at which a branch of solutions ends; Newton's
line search ends there, as every method that makes ‖F‖₂ fall at each step. The flow goes on to a solution that attracts
it.

Sources: docs/adjoints/self-consistent.md; docs/adjoints/fixed-point.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..implicit import FixedPointError, FixedPointSolution, gmres, newton_krylov, pseudo_transient
from ..implicit.gmres import LinearMap
from .self_consistent_problem import Linearisation, SelfConsistentProblem

LARGEST_STEP = 0.5  # V in one step
NEWTON_STEPS, FLOW_STEPS = 30, 100
PATIENCE = 3  # Newton steps within which ‖F‖₂ must fall by a tenth, before the flow takes over
TRIALS = 5  # of the line search; steps shorter than a thousandth or so of Newton's mean the same


def solve_by_newton(
    problem: SelfConsistentProblem, start: Any, *, tolerance: float, max_iterations: int | None = None
) -> tuple[FixedPointSolution, Linearisation]:
    """The solution from `start` (n_sites,), and the linearisation there.

    Parameters
    ----------
    problem : SelfConsistentProblem
    start : host array, shape (n_sites,)
        [V].
    tolerance : float
        On max |F| [V].
    max_iterations : int, optional
        Steps of Newton and of the flow together; default 30 and 100.

    Returns
    -------
    solution : FixedPointSolution
        Steps, products and evaluations are those of both, and so is the history.
    linearisation : Linearisation

    Raises
    ------
    FixedPointError
        With the history of both and the best potential of both.
    """
    visited = _Visited(problem)
    try:
        found = newton_krylov(
            visited.residual_with_jvp,
            start,
            preconditioner=lambda potential: visited.at(potential).precondition,
            tolerance=tolerance,
            max_iterations=max_iterations or NEWTON_STEPS,
            max_step=LARGEST_STEP,
            patience=PATIENCE,
            max_trials=TRIALS,
        )
    except FixedPointError as stuck:
        remaining = FLOW_STEPS if max_iterations is None else max_iterations - len(stuck.history) + 1
        if remaining < 1:
            raise
        found = _after(stuck, visited, tolerance, remaining)
    return found, visited.at(found.x)


def _after(stuck: FixedPointError, visited: _Visited, tolerance: float, max_iterations: int) -> FixedPointSolution:
    """The flow from where Newton's method ended, its history and costs added to those before."""
    try:
        found = pseudo_transient(
            visited.residual_with_jvp,
            stuck.x,
            preconditioner=visited.shifted,
            tolerance=tolerance,
            max_iterations=max_iterations,
            max_step=LARGEST_STEP,
        )
    except FixedPointError as failure:
        best = min(stuck, failure, key=lambda error: error.residual)
        raise FixedPointError(
            f"Newton: {stuck.reason}. From there, the flow: {failure.reason}",
            residual=best.residual,
            history=stuck.history + failure.history[1:],
            x=best.x,
            residual_vector=best.residual_vector,
            n_krylov_steps=stuck.n_krylov_steps + failure.n_krylov_steps,
            n_evaluations=stuck.n_evaluations + failure.n_evaluations,
        ) from failure
    return replace(
        found,
        history=stuck.history + found.history[1:],
        norm_history=(),
        n_steps=len(stuck.history) - 1 + found.n_steps,
        n_krylov_steps=stuck.n_krylov_steps + found.n_krylov_steps,
        n_evaluations=stuck.n_evaluations + found.n_evaluations,
    )


class _Visited:
    """Linearisations at the point that was asked for last and at the one evaluated last: steps may be refused."""

    def __init__(self, problem: SelfConsistentProblem) -> None:
        self._problem = problem
        self._kept: list[tuple[Any, Linearisation]] = []

    def residual_with_jvp(self, potential: Any) -> tuple[Any, LinearMap]:
        """F and its products at a potential."""
        there = Linearisation(self._problem, potential)
        self._kept = [*self._kept[:1], (potential, there)]
        return there.residual, there.product

    def at(self, potential: Any) -> Linearisation:
        """The linearisation at a potential, the very array, on which the next step stands."""
        self._kept = [pair for pair in self._kept if pair[0] is potential][:1]
        return self._kept[0][1]

    def shifted(self, potential: Any, shift: float) -> LinearMap:
        """v ↦ (1 + σ + P D)⁻¹ v."""
        local, problem = self.at(potential).local, self._problem
        # to 1e-6, so that it is a linear map as far as GMRES outside can tell
        return lambda v: gmres(
            lambda x: (1 + shift) * x + problem.screening(local * x),
            v,
            tolerance=1e-6,
            max_products=200,
            restart=200,
            is_checked=False,
        ).x
