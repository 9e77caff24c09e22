"""Newton's method with the flow behind it: what takes over when, what is counted, and the transistor that needs it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from biased_devices import chain
from transistors import transistor

from negfadj.callers.transistor_system import TransistorSystem, build_transistor
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.implicit import FixedPointError, newton_krylov
from negfadj.physics import self_consistent_newton
from negfadj.physics.self_consistent import SelfConsistencyError, Solution, self_consistent

N = 8


def solved(**changes: Any) -> Solution:
    x = 2.0 * np.arange(N) + 3.0
    plates = ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.2, distance=float(x[-1] + 3.0))
    given: dict[str, Any] = {"bias": 0.3, "temperature": 600.0, "neutral": 0.8, "error": 1e-8}
    return self_consistent(chain(N), plates, **(given | changes))


@pytest.fixture
def newton_of_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's method ends after its first step, wherever it is."""

    def ended(*arguments: Any, **keywords: Any) -> Any:
        return newton_krylov(*arguments, **(keywords | {"max_iterations": 1}))

    monkeypatch.setattr(self_consistent_newton, "newton_krylov", ended)


def test_flow_takes_over_where_newton_ends(newton_of_one_step: None) -> None:
    found = solved(initial="zero")
    assert found.residual == found.history[-1] <= 1e-8
    assert found.iterations == len(found.history) - 1 > 3
    assert found.evaluations > found.iterations and found.krylov_products > found.iterations


def test_flow_ends_at_the_solution_of_newton(newton_of_one_step: None, monkeypatch: pytest.MonkeyPatch) -> None:
    by_flow = solved(initial="zero")
    monkeypatch.setattr(self_consistent_newton, "newton_krylov", newton_krylov)
    by_newton = solved(initial="zero")
    np.testing.assert_allclose(by_flow.potential, by_newton.potential, rtol=0, atol=2e-8)
    assert by_flow.history[:2] == by_newton.history[:2]


def test_steps_of_the_flow_count_among_those_allowed(newton_of_one_step: None) -> None:
    with pytest.raises(SelfConsistencyError, match=r"Newton: 1 steps .* flow: 2 steps .*continuation") as caught:
        solved(initial="zero", max_iterations=3)
    error = caught.value
    assert len(error.history) == 4 and error.residual == min(error.history) == np.abs(error.residual_vector).max()
    assert error.sites[0] == int(np.argmax(np.abs(error.residual_vector))) and error.n_evaluations >= 4


def test_loop_behind_the_flow_repeats_bit_for_bit(newton_of_one_step: None) -> None:
    first, second = solved(), solved()
    assert first.potential.tobytes() == second.potential.tobytes() and first.history == second.history


@pytest.fixture(scope="module")
def short() -> TransistorSystem:
    return build_transistor(transistor())


def at(system: TransistorSystem, drain: float, gate: float, initial: Any) -> Solution:
    return self_consistent(system.device, system.gated(gate), **(system.options(drain) | {"initial": initial}))


@pytest.mark.slow
def test_short_transistor_converges_where_newton_alone_ends(
    short: TransistorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = (None, "zero", short.metals_potential(0.2, 0.4))
    found = [at(short, 0.2, 0.4, start) for start in starts]
    for solution in found:
        assert solution.residual <= 1e-7 and solution.evaluations <= 50
        np.testing.assert_allclose(solution.potential, found[0].potential, rtol=0, atol=1e-6)
        assert any(b > a for a, b in zip(solution.history[3:-1], solution.history[4:]))  # no line search would go there

    def alone(*arguments: Any, **keywords: Any) -> Any:
        raise FixedPointError("no flow", residual=np.inf)

    monkeypatch.setattr(self_consistent_newton, "pseudo_transient", alone)
    for start in starts:
        with pytest.raises(SelfConsistencyError, match="no flow"):
            at(short, 0.2, 0.4, start)


@pytest.mark.slow
def test_short_transistor_has_two_solutions_where_both_branches_exist(short: TransistorSystem) -> None:
    """Between 0.105 and 0.135 V: which one is found depends on the start, and both are solutions."""
    low = at(short, 0.12, 0.4, at(short, 0.2, 0.4, None))
    high = at(short, 0.12, 0.4, at(short, 0.05, 0.4, None))
    assert max(low.residual, high.residual) <= 1e-7
    assert low.current < 3.2 and high.current > 5.5
