"""The public gradient check: right pullbacks pass, and every kind of wrong one is caught."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from backends import Backend
from cases import random_array, random_device

import negfadj as na
from negfadj.testing import GradientError, check_vjp

# A small function with everything in it: f(A, x) = A e^{x} A† for a complex A (2, 3) and real x (3,)


class Bars(NamedTuple):
    a: Any
    x: Any


def _xp(array: Any) -> Any:
    return na.array.array_namespace(array)


def f(a: Any, x: Any) -> Any:
    xp = _xp(a)
    return (a * xp.exp(x)[None, :]) @ xp.conj(xp.matrix_transpose(a))


def f_vjp(a: Any, x: Any) -> Any:
    xp = _xp(a)

    def f_pullback(y_bar: Any) -> Bars:
        both = y_bar + xp.conj(xp.matrix_transpose(y_bar))
        return Bars(both @ (a * xp.exp(x)[None, :]), xp.exp(x) * xp.sum(xp.real(xp.conj(a) * (y_bar @ a)), axis=0))

    return f(a, x), f_pullback


def _wrong(change: Callable[[Bars], Any]) -> Callable[[Any, Any], Any]:
    """f_vjp with its cotangents changed."""

    def wrong_vjp(a: Any, x: Any) -> Any:
        value, pullback = f_vjp(a, x)
        return value, lambda y_bar: change(pullback(y_bar))

    return wrong_vjp


def _primals() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return random_array(rng, 2, 3), rng.normal(size=3)


def test_check_vjp_passes_a_right_pullback(backend: Backend) -> None:
    report = check_vjp(f, f_vjp, backend(_primals()), rtol=1e-10)
    assert set(report.adjoint_errors) == {"0", "1"}
    assert all(error <= 1e-10 for error in report.adjoint_errors.values())
    assert all(1.9 < slope < 2.1 for slope in report.taylor_slopes.values())
    assert all(used >= 3 for used in report.steps_used.values())


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        pytest.param(lambda b: Bars(-b.a, b.x), "0", id="flipped sign"),
        pytest.param(lambda b: Bars(b.a, -b.x), "1", id="flipped sign of the second"),
        pytest.param(lambda b: Bars(b.a / 2, b.x), "0", id="dropped factor"),
        pytest.param(lambda b: Bars(np.conj(b.a), b.x), "0", id="missing conjugate"),
        pytest.param(lambda b: Bars(b.a * (1 + 1e-6), b.x), "0", id="six digits right"),
        pytest.param(lambda b: Bars(b.a, None), "1", id="forgotten argument"),
        pytest.param(lambda b: Bars(b.a.T, b.x), "0", id="wrong shape"),
        pytest.param(lambda b: Bars(b.a, b.x + 0j), "1", id="complex for a real primal"),
        pytest.param(lambda b: Bars(b.a.real, b.x), "0", id="real for a complex primal"),
        pytest.param(lambda b: Bars(b.a, b.x.tolist()), "1", id="list for an array"),
        pytest.param(lambda b: Bars(b.a, np.zeros(3)), "1", id="zero"),
        pytest.param(lambda b: Bars(b.a, np.full(3, np.nan)), "1", id="NaN"),
    ],
)
def test_check_vjp_catches_a_wrong_cotangent_and_names_the_argument(change: Any, argument: str) -> None:
    with pytest.raises((GradientError, TypeError)) as caught:
        check_vjp(f, _wrong(change), _primals())
    assert f"argument {argument}" in str(caught.value)


def test_check_vjp_catches_a_value_mismatch() -> None:
    def wrong_vjp(a: Any, x: Any) -> Any:
        value, pullback = f_vjp(a, x)
        return value * (1 + 1e-9), pullback

    with pytest.raises(GradientError, match="differ in value"):
        check_vjp(f, wrong_vjp, _primals())


@pytest.mark.parametrize("when", ["forward", "pullback"])
def test_check_vjp_catches_a_written_argument(when: str) -> None:
    def wrong_vjp(a: Any, x: Any) -> Any:
        value, pullback = f_vjp(a, x)
        if when == "forward":
            x *= 1 + 1e-15
            x += 1e-300

        def wrong_pullback(y_bar: Any) -> Any:
            bars = pullback(y_bar)
            if when == "pullback":
                a[0, 0] = np.nextafter(a[0, 0].real, 9) + 1j * a[0, 0].imag
            return bars

        return value, wrong_pullback

    a, x = _primals()
    x[0] = 0.0
    with pytest.raises(GradientError):
        check_vjp(f, wrong_vjp, (a, x))


def test_check_vjp_catches_a_pullback_that_differs_when_called_twice() -> None:
    def wrong_vjp(a: Any, x: Any) -> Any:
        value, pullback = f_vjp(a, x)
        calls = []

        def wrong_pullback(y_bar: Any) -> Any:
            calls.append(1)
            bars = pullback(y_bar)
            return bars if len(calls) == 1 else Bars(bars.a * 2, bars.x)

        return value, wrong_pullback

    with pytest.raises(GradientError, match="called twice"):
        check_vjp(f, wrong_vjp, _primals())


def test_check_vjp_catches_a_wrong_gradient_in_one_entry_of_many() -> None:
    def change(bars: Bars) -> Bars:
        a = np.array(bars.a)
        a[1, 2] *= -1
        return Bars(a, bars.x)

    with pytest.raises(GradientError):
        check_vjp(f, _wrong(change), _primals())


def test_check_vjp_refuses_to_pass_where_too_few_steps_are_above_round_off() -> None:
    with pytest.raises(GradientError, match="above round-off"):
        check_vjp(f, f_vjp, _primals(), step=1e-9, rtol=1.0)


def test_check_vjp_says_when_the_differences_cannot_confirm() -> None:
    with pytest.raises(GradientError, match=r"cannot confirm|relative error"):
        check_vjp(f, f_vjp, _primals(), step=1e-9, rtol=1e-12)


def test_check_vjp_passes_a_linear_function() -> None:
    m = random_array(np.random.default_rng(1), 3, 3)
    check_vjp(
        lambda x: m @ x, lambda x: (m @ x, lambda y: m.conj().T @ y), (random_array(np.random.default_rng(0), 3),)
    )


def test_check_vjp_checks_the_arguments_asked_for_only() -> None:
    report = check_vjp(f, _wrong(lambda b: Bars(-b.a, b.x)), _primals(), arguments=[1])
    assert set(report.adjoint_errors) == {"1"}


def test_check_vjp_refuses_an_argument_that_is_not_there() -> None:
    with pytest.raises(GradientError, match="arguments"):
        check_vjp(f, f_vjp, _primals(), arguments=[5])


class Named(NamedTuple):
    x: Any
    scale: Any


def _scaled(x: Any, *, scale: float) -> Any:
    return scale**2 * x**2


def _scaled_vjp(x: Any, *, scale: float, factor: float = 2.0) -> Any:
    return _scaled(x, scale=scale), lambda y: Named(2 * scale**2 * x * y, factor * scale * float(np.sum(x**2 * y)))


def test_check_vjp_checks_differentiable_keywords() -> None:
    report = check_vjp(_scaled, _scaled_vjp, (np.array([0.4, -1.2]),), keywords={"scale": 1.7})
    assert set(report.adjoint_errors) == {"0", "scale"}


def test_check_vjp_catches_a_wrong_keyword_cotangent() -> None:
    with pytest.raises(GradientError, match="scale"):
        check_vjp(
            _scaled,
            lambda x, scale: _scaled_vjp(x, scale=scale, factor=-2.0),
            (np.array([0.4, -1.2]),),
            keywords={"scale": 1.7},
        )


def test_gradient_error_is_an_assertion_and_a_library_error() -> None:
    assert issubclass(GradientError, AssertionError) and issubclass(GradientError, na.NegfadjError)


# A sign flipped inside the library must fail the check ----------------------------------------------------------------

ENERGIES = np.array([-0.4, 0.35])


def _check(name: str, **options: Any) -> None:
    device = random_device(5, (2, 3, 2))
    check_vjp(
        lambda d, e: getattr(na, name)(d, e, **options),
        lambda d, e: getattr(na, name + "_vjp")(d, e, **options),
        (device, ENERGIES),
        rtol=1e-7,
        step=4e-3,
        seed=2,
    )


def _negated(function: Any) -> Any:
    return lambda *args, **kwargs: -function(*args, **kwargs)


def _conjugated(function: Any) -> Any:
    return lambda *args, **kwargs: np.conj(function(*args, **kwargs))


def _with_pullback(function: Any, change: Any) -> Any:
    def changed(*args: Any, **kwargs: Any) -> Any:
        value, pullback = function(*args, **kwargs)
        return value, lambda *bars: change(pullback(*bars))

    return changed


def _field(name: str, factor: Any) -> Any:
    return lambda bars: bars._replace(**{name: factor * getattr(bars, name)})


MUTATIONS = [
    ("physics.leads", "self_energy_vjp", lambda f: _with_pullback(f, _field("coupling", -1)), "transmission"),
    ("physics.leads", "self_energy_vjp", lambda f: _with_pullback(f, _field("surface", -1)), "transmission"),
    ("physics.leads", "self_energy_vjp", lambda f: _with_pullback(f, _field("coupling_back", -1)), "transmission"),
    ("physics.leads", "surface_green_vjp", lambda f: _with_pullback(f, _field("a00", -1)), "transmission"),
    ("physics.leads", "surface_green_vjp", lambda f: _with_pullback(f, _field("a01", -1)), "transmission"),
    ("physics.leads", "surface_green_vjp", lambda f: _with_pullback(f, _field("a10", 0)), "transmission"),
    ("physics.leads", "lead_blocks_vjp", lambda f: _with_pullback(f, _field("z", -1)), "density_of_states"),
    ("primitives.surface", "stein_doubling", lambda f: lambda p, q, c: c, "transmission"),
    ("primitives.surface", "stein_doubling", _negated, "density_of_states"),
    ("primitives.system_cotangent", "trace_product", _negated, "density_of_states"),
    ("primitives.system_cotangent", "sum_of_products", _negated, "lead_density"),
    ("primitives.system_cotangent", "sum_of_products", _conjugated, "lead_density"),
    ("primitives.population", "_add_direct", lambda f: lambda *a: None, "density_of_states"),
    ("primitives.population", "_source", lambda f: lambda s, w: f(s, [-x for x in w]), "density_of_states"),
    ("primitives.bond_current", "_add_coupling", lambda f: lambda *a: None, "bond_current"),
    ("primitives.bond_current", "_scattered", _negated, "bond_current"),
    ("primitives.lead_density", "pull_scattering_states", lambda f: lambda *a: None, "lead_density"),
]


@pytest.mark.parametrize(
    ("module", "attribute", "mutation", "observable"),
    [pytest.param(*m, id=f"{m[0]}.{m[1]}-{k}") for k, m in enumerate(MUTATIONS)],
)
def test_check_vjp_catches_a_change_inside_the_library(
    module: str, attribute: str, mutation: Any, observable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = importlib.import_module(f"negfadj.{module}")
    monkeypatch.setattr(target, attribute, mutation(getattr(target, attribute)))
    with pytest.raises((GradientError, na.ConvergenceError)):
        _check(observable, eta=0.3)


CHANNEL_MUTATIONS = [
    ("_pseudo_inverse", _negated, "transmission"),
    ("_pseudo_inverse", lambda f: lambda w: 2 * f(w), "bond_current"),
    ("_pseudo_inverse", _negated, "lead_density"),
]


@pytest.mark.parametrize(
    ("attribute", "mutation", "observable"), [pytest.param(*m, id=f"{m[0]}-{m[2]}") for m in CHANNEL_MUTATIONS]
)
def test_check_vjp_catches_a_change_in_the_channels_of_a_lead(
    attribute: str, mutation: Any, observable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = importlib.import_module("negfadj.primitives.channels")
    monkeypatch.setattr(target, attribute, mutation(getattr(target, attribute)))
    with pytest.raises((GradientError, na.ConvergenceError)):
        _check(observable, eta=0.3)


@pytest.mark.parametrize("observable", sorted({m[3] for m in MUTATIONS}))
def test_check_vjp_passes_the_library_unchanged(observable: str) -> None:
    _check(observable, eta=0.3)
