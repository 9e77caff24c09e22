"""Terms: their values by hand, their cotangents and those' tangents by differences, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from objective_cases import differences

import negfadj as na

QUANTITY = na.Quantity(na.transmission, 0.0)
OTHER = na.Quantity(na.density_of_states, 0.0)
RNG = np.random.default_rng(0)
V, W = RNG.uniform(0.2, 1.0, 4), RNG.uniform(0.1, 2.0, 4)
TARGET = np.array([0.1, 2.0, 0.3, -0.4])

TERMS = {
    "squares": na.Match(QUANTITY, TARGET, weight=3.0, weights=W),
    "squares of a number": na.Match(QUANTITY, 0.3),
    "absolute": na.Match(QUANTITY, TARGET, weight=3.0, weights=W, norm="absolute"),
    "smoothed": na.Match(QUANTITY, TARGET, norm="absolute", smoothing=0.3),
    "minimise": na.Minimise(QUANTITY, weight=2.0, weights=W),
    "maximise": na.Maximise(QUANTITY),
    "ratio": na.LogRatio(QUANTITY, OTHER, weight=1.5),
}


def value(term: Any, v: np.ndarray) -> float:
    return term.value_and_bars([v, W][: len(term.quantities)])[0]


@pytest.mark.parametrize("name", TERMS)
def test_cotangents_are_the_derivative(name: str) -> None:
    term = TERMS[name]
    values = [V, W][: len(term.quantities)]
    _, bars = term.value_and_bars(values)
    for k, bar in enumerate(bars):

        def f(x: np.ndarray, k: int = k) -> float:
            return term.value_and_bars([x if i == k else v for i, v in enumerate(values)])[0]

        assert np.max(np.abs(bar - differences(f, values[k]))) < 1e-11


@pytest.mark.parametrize("name", TERMS)
def test_tangents_of_the_cotangents_are_their_derivative(name: str) -> None:
    term = TERMS[name]
    n = len(term.quantities)
    values, dots = [V, W][:n], [W - 0.7, V - 0.5][:n]

    def bars(t: np.ndarray) -> np.ndarray:
        return np.concatenate(term.value_and_bars([v + t[0] * d for v, d in zip(values, dots)])[1])

    expected = differences(bars, np.zeros(1))[:, 0]
    assert np.max(np.abs(np.concatenate(term.bars_tangent(values, dots)) - expected)) < 1e-10


@pytest.mark.parametrize("name", ["squares", "squares of a number"])
def test_residuals_sum_up_to_the_value(name: str) -> None:
    r, slope = TERMS[name].residuals([V])
    assert r @ r == pytest.approx(value(TERMS[name], V), rel=1e-14)
    moved, _ = TERMS[name].residuals([V + 0.25])
    assert np.allclose(moved - r, 0.25 * slope, rtol=1e-12)


def test_values_are_those_of_the_formulas() -> None:
    d = V - TARGET
    share = W / W.sum()
    assert value(TERMS["squares"], V) == pytest.approx(3 * np.sum(share * d**2), rel=1e-14)
    assert value(TERMS["absolute"], V) == pytest.approx(3 * np.sum(share * abs(d)), rel=1e-14)
    assert value(TERMS["smoothed"], V) == pytest.approx(np.mean(np.sqrt(d**2 + 0.09) - 0.3), rel=1e-13)
    assert value(TERMS["minimise"], V) == pytest.approx(2 * np.sum(share * V), rel=1e-14)
    assert value(TERMS["maximise"], V) == pytest.approx(-V.mean(), rel=1e-14)
    assert value(TERMS["ratio"], V) == pytest.approx(-1.5 * np.log(V.mean() / W.mean()), rel=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: na.Match(na.transmission, 1.0), "Match was given a function; wrap it"),
        (lambda: na.Match(QUANTITY, 1j), "target has dtype complex128"),
        (lambda: na.Match(QUANTITY, np.nan), "not finite"),
        (lambda: na.Match(QUANTITY, 1.0, norm="l1"), "norm='l1' is not known"),
        (lambda: na.Match(QUANTITY, 1.0, weight=-1), "weight=-1 must be"),
        (lambda: na.Match(QUANTITY, 1.0, smoothing=-1), "smoothing=-1"),
        (lambda: na.Minimise(QUANTITY, weights=[0.0, 0.0]), "not all are zero"),
        (lambda: value(na.Match(QUANTITY, np.ones(3)), V), r"the target of transmission has shape \(3,\) but .*\(4,\)"),
        (lambda: value(na.Minimise(QUANTITY, weights=np.ones(3)), V), r"weights of transmission have shape \(3,\)"),
        (lambda: value(TERMS["ratio"], -V), "the mean of `on` is -"),
        (lambda: TERMS["absolute"].residuals([V]), "no sum of squares"),
    ],
)
def test_what_makes_no_term_is_refused(make: object, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        make()  # type: ignore[operator]
