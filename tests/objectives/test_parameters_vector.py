"""Parameters and the flat vector: round trips, the adjoint of the map, bounds, and what is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import negfadj as na


def random_parameters(seed: int, sizes: list[int]) -> na.Parameters:
    """Parameters of these sizes with scales, fixed entries and ties."""
    rng = np.random.default_rng(seed)
    found = []
    for k, n in enumerate(sizes):
        tie = rng.integers(-1, max(1, n // 2), n)
        value, scale = rng.normal(size=n), rng.uniform(0.1, 10, n)
        fixed = rng.random(n) < 0.3
        for number in set(tie[tie >= 0]):
            group = np.flatnonzero(tie == number)
            value[group], scale[group], fixed[group] = value[group[0]], scale[group[0]], fixed[group[0]]
        found.append(na.Parameter(f"p{k}", value, scale=scale, fixed=fixed, tie=tie))
    return na.Parameters([*found, na.Parameter("number", 0.3, scale=2.0)])


cases = st.tuples(st.integers(0, 2**31), st.lists(st.integers(1, 12), min_size=1, max_size=4))


@given(cases)
@settings(max_examples=60, deadline=None)
def test_values_at_the_start_are_those_given(case: tuple[int, list[int]]) -> None:
    p = random_parameters(*case)
    values = p.values(p.x0)
    for one in p.given:
        assert np.allclose(values[one.name], one.value, rtol=4e-16, atol=0)
        assert np.shape(values[one.name]) == one.value.shape


@given(cases)
@settings(max_examples=60, deadline=None)
def test_gradient_is_the_adjoint_of_the_tangent(case: tuple[int, list[int]]) -> None:
    p = random_parameters(*case)
    rng = np.random.default_rng(case[0] + 1)
    v = rng.normal(size=p.n_variables)
    bars = {one.name: rng.normal(size=one.value.shape) for one in p.given}
    forward = sum(np.sum(bars[name] * dot) for name, dot in p.tangent(v).items())
    size = sum(np.sum(np.abs(bars[name] * dot)) for name, dot in p.tangent(v).items())
    assert abs(forward - p.gradient(bars) @ v) <= 1e-14 * size


@given(cases)
@settings(max_examples=40, deadline=None)
def test_tangent_is_the_difference_of_values(case: tuple[int, list[int]]) -> None:
    p = random_parameters(*case)
    v = np.random.default_rng(case[0]).normal(size=p.n_variables)
    there, here = p.values(p.x0 + v), p.values(p.x0)
    for name, dot in p.tangent(v).items():
        size = np.abs(there[name]) + np.abs(here[name])
        assert np.all(np.abs(there[name] - here[name] - dot) <= 8 * np.finfo(float).eps * (size + np.abs(dot)))


def test_tied_entries_share_a_variable_and_sum_their_gradients() -> None:
    p = na.Parameters(na.Parameter("a", [1.0, 2.0, 1.0, 4.0], tie=[7, -1, 7, -1], scale=2.0))
    assert p.names == ("a[0]", "a[1]", "a[3]")
    assert p.x0.tolist() == [0.5, 1.0, 2.0]
    assert p.gradient({"a": np.array([1.0, 10.0, 100.0, 1000.0])}).tolist() == [202.0, 20.0, 2000.0]
    assert p.values([1.0, 1.0, 1.0])["a"].tolist() == [2.0, 2.0, 2.0, 2.0]


def test_fixed_entries_keep_their_values() -> None:
    p = na.Parameters([na.Parameter("a", [[1.0, 2.0], [3.0, 4.0]], fixed=[[True, False], [False, True]])])
    assert p.names == ("a[0, 1]", "a[1, 0]")
    assert p.values([5.0, 6.0])["a"].tolist() == [[1.0, 5.0], [6.0, 4.0]]


def test_bounds_are_scaled_and_the_tighter_of_tied_ones() -> None:
    p = na.Parameters(na.Parameter("a", [1.0, 1.0], bounds=([-4.0, 0.0], [2.0, 6.0]), tie=[0, 0], scale=2.0))
    assert [b.tolist() for b in p.bounds] == [[0.0], [1.0]]


def test_gradient_takes_rows_of_cotangents() -> None:
    p = random_parameters(5, [4, 3])
    rng = np.random.default_rng(0)
    bars = {one.name: rng.normal(size=(6, *one.value.shape)) for one in p.given}
    rows = p.gradient(bars)
    assert rows.shape == (6, p.n_variables)
    each = [p.gradient({name: bar[i] for name, bar in bars.items()}) for i in range(6)]
    assert np.array_equal(rows, np.stack(each))


def test_a_missing_cotangent_is_an_exact_zero() -> None:
    p = na.Parameters([na.Parameter("a", [1.0, 2.0]), na.Parameter("b", 3.0)])
    assert p.gradient({"b": 2.0, "a": None}).tolist() == [0.0, 0.0, 2.0]


def test_ten_thousand_parameters_cost_no_loop() -> None:
    n = 10_000
    p = na.Parameters(na.Parameter("a", np.arange(n, dtype=float), tie=np.arange(n)))
    bar = {"a": np.ones(n)}
    p.values(p.x0), p.gradient(bar)
    start = time.perf_counter()
    for _ in range(10):
        p.gradient({"a": p.values(p.x0)["a"]})
    # a Python loop over the entries takes some 10 ms a call at least
    assert (time.perf_counter() - start) / 10 < 5e-3


def test_arrays_given_are_not_kept() -> None:
    value = np.array([1.0, 2.0])
    p = na.Parameters(na.Parameter("a", value))
    value[0] = 9.0
    p.values(p.x0)["a"][0] = 7.0
    assert p.values(p.x0)["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: na.Parameter("a", [0.0, 0.5], bounds=([0, 1], [1, 0])), r"a\[1\]: its bounds cross, lower 1 > upper"),
        (lambda: na.Parameter("a", 2.0, bounds=(0, 1)), r"a = 2 is outside its bounds \(0, 1\)"),
        (lambda: na.Parameter("a", 2.0, bounds=(float("nan"), 1)), r"lower bound nan"),
        (lambda: na.Parameter("a", 2.0, bounds=1.0), r"must be a pair"),
        (lambda: na.Parameter("a", [1.0, float("inf")]), r"value\[1\] = inf"),
        (lambda: na.Parameter("a", 1j), r"real and imaginary parts as two parameters"),
        (lambda: na.Parameter("a", [1.0, 2.0], scale=[1.0, 0.0]), r"a\[1\] has the scale 0"),
        (lambda: na.Parameter("a", [1.0, 2.0], scale=[1.0, 1.0, 1.0]), r"shape \(3,\) but the value \(2,\)"),
        (lambda: na.Parameter("a", [1.0, 2.0], fixed=[1, 0]), r"must be a boolean"),
        (lambda: na.Parameter("a", [1.0, 2.0], tie=[0.5, 1]), r"tie has dtype"),
        (lambda: na.Parameter("", 1.0), r"must be a string"),
        (lambda: na.Parameter("a", []), r"empty"),
        (lambda: na.Parameter("a", [1.0, 2.0], tie=[3, 3]), r"a\[1\] is tied to a\[0\] but has value 2"),
        (lambda: na.Parameters([na.Parameter("a", 1.0, fixed=True)]), r"no parameter is free"),
        (lambda: na.Parameters([na.Parameter("a", 1.0), na.Parameter("a", 2.0)]), r"2 parameters have the name 'a'"),
        (lambda: na.Parameter("a", [1.0, 1.0], tie=[3, 3], scale=[1.0, 2.0]), r"but has scale 2"),
        (lambda: na.Parameter("a", [1.0, 1.0], tie=[3, 3], fixed=[False, True]), r"but has fixed True"),
        (lambda: na.Parameters([1.0]), r"hold a float"),
        (lambda: na.Parameters(1.0), r"hold a float"),
        (lambda: na.Parameters(na.Parameter("a", [1.0, 2.0])).values([1.0]), r"x has shape \(1,\) but there are 2"),
        (
            lambda: na.Parameters(na.Parameter("a", [1.0, 2.0])).values([1.0, np.nan]),
            r"x\[1\] = nan, the variable 'a\[1\]'",
        ),
        (
            lambda: na.Parameters(na.Parameter("a", [1.0, 2.0])).gradient({"a": np.ones(3)}),
            r"cotangent of parameter 'a' has shape \(3,\)",
        ),
    ],
)
def test_what_makes_no_parameters_is_refused(make: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        make()  # type: ignore[operator]
