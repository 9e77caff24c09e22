"""Continuation in bias, gate voltage and temperature: the way it goes, what it inserts, what it says when it fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from biased_devices import chain

from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.regions import Box
from negfadj.errors import InputError
from negfadj.physics import continuation
from negfadj.physics.continuation import self_consistent_by_continuation
from negfadj.physics.self_consistent import SelfConsistencyError, self_consistent

N = 6


def plates() -> ParallelPlates:
    x = 2.0 * np.arange(N) + 3.0
    return ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.2, distance=float(x[-1] + 3.0))


class Gated:
    """Electrostatics of one gate, as far as the way needs it."""

    def __init__(self, voltage: float) -> None:
        self.conductors = (Conductor("gate", Box(x=(0, 1)), voltage),)

    def with_voltages(self, voltages: dict[str, float]) -> Gated:
        return Gated(voltages["gate"])


class Loop:
    """Stands for `self_consistent`: φ = bias, reached from guesses within `reach`, or from none at no bias."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reach: float) -> None:
        self.reach, self.calls = reach, []
        monkeypatch.setattr(continuation, "self_consistent", self)

    def __call__(self, device: Any, electrostatics: Any, **options: Any) -> Any:
        gate = electrostatics.conductors[0].voltage if isinstance(electrostatics, Gated) else None
        self.calls.append(options | {"gate": gate})
        guess = 0.0 if options.get("initial") is None else float(options["initial"][0])
        if abs(options["bias"] - guess) > self.reach:
            error = SelfConsistencyError("too far", residual=1.0, history=(2.0, 1.0))
            error.sites = (3, 4)
            raise error
        return SimpleNamespace(potential=np.array([options["bias"]]))


def test_direct_way_is_taken_where_it_converges() -> None:
    options = {"bias": 0.2, "temperature": 600.0, "neutral": 0.9}
    found = self_consistent_by_continuation(chain(N), plates(), options=options)
    assert found.shares == () and found.n_failures == 0
    np.testing.assert_array_equal(found.solution.potential, self_consistent(chain(N), plates(), **options).potential)


def test_walk_ends_at_the_solution_of_the_direct_way() -> None:
    options = {"bias": 0.3, "temperature": 600.0, "neutral": 0.9, "error": 1e-9}
    direct = self_consistent(chain(N), plates(), **options)
    found = self_consistent_by_continuation(chain(N), plates(), options=options, is_direct_first=False)
    assert found.shares == (0.0, 1.0)
    np.testing.assert_allclose(found.solution.potential, direct.potential, rtol=0, atol=5e-8)
    again = self_consistent(chain(N), plates(), **(options | {"initial": found.solution}))
    assert again.iterations == 0


def test_walk_inserts_points_where_a_step_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, reach=0.15)
    found = self_consistent_by_continuation(chain(N), plates(), options={"bias": 0.5, "neutral": 1.0})
    assert found.n_failures == 3 and found.shares[:2] == (0.0, 0.25)  # directly, the whole way, half of it
    assert found.solution.potential[0] == 0.5
    assert [call["bias"] for call in loop.calls[:5]] == [0.5, 0.0, 0.5, 0.25, 0.125]


def test_walk_goes_by_bias_gate_and_temperature_together(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(monkeypatch, reach=0.3)
    found = self_consistent_by_continuation(
        chain(N),
        Gated(1.0),
        options={"bias": 0.4, "temperature": 100.0, "neutral": 1.0},
        origin={"bias": 0.0, "temperature": 400.0, "voltages": {"gate": -1.0}},
    )
    assert found.shares == (0.0, 0.5, 1.0)
    way = [(call["bias"], call["temperature"], call["gate"]) for call in loop.calls]
    np.testing.assert_allclose(way[1], (0.0, 400.0, -1.0))
    np.testing.assert_allclose(way[3], (0.2, 200.0, 0.0))  # the geometric mean of the temperatures
    np.testing.assert_allclose(way[-1], (0.4, 100.0, 1.0))


def test_bias_of_the_origin_is_between_chemical_potentials_where_those_are_given() -> None:
    way = continuation._Way(
        None,
        {"chemical_potentials": np.array([0.0, -0.4])},
        continuation._checked_origin(None, {"chemical_potentials": np.array([0.0, -0.4])}, {"bias": 0.0}),
    )
    np.testing.assert_allclose(way.at(0.5)[1]["chemical_potentials"], [0.0, -0.2])


def test_walk_that_gets_no_further_says_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    Loop(monkeypatch, reach=0.001)
    with pytest.raises(SelfConsistencyError, match=r"ends at 0 of it.*another way.*too far") as caught:
        self_consistent_by_continuation(chain(N), plates(), options={"bias": 0.5, "neutral": 1.0})
    assert caught.value.history == (2.0, 1.0) and caught.value.sites == (3, 4)


def test_origin_that_does_not_converge_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Loop(monkeypatch, reach=0.1)
    with pytest.raises(SelfConsistencyError, match="origin of the continuation is not reached") as caught:
        self_consistent_by_continuation(
            chain(N), plates(), options={"bias": 0.5, "neutral": 1.0}, origin={"bias": 0.2}
        )
    assert caught.value.sites == (3, 4)


@pytest.mark.parametrize(
    ("options", "origin", "words"),
    [
        ({"gate": 0.1}, None, "options has 'gate'"),
        ({}, {"doping": 0.1}, "origin has 'doping'"),
        ({}, {}, "origin is empty"),
        ({}, {"temperature": 0.0}, "must be positive"),
        ({}, {"voltages": {"fence": 0.1}}, "the conductor 'fence'; there are gate"),
        ({}, {"bias": 0.0, "chemical_potentials": [0, 0]}, "both a bias and chemical_potentials"),
        ({}, {"chemical_potentials": [0, 0]}, "options a bias"),
    ],
)
def test_continuation_refuses_what_has_no_meaning(options: Any, origin: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        self_consistent_by_continuation(chain(N), Gated(0.0), options={"neutral": 1.0} | options, origin=origin)
