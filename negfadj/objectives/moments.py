"""How much a quantity varies with its random parameters: orders of its expansion beside Monte Carlo.

    first order     f,                σ² = gᵀ C g
    second order    f + ½ tr(H C),    σ² = gᵀ C g + ½ tr((H C)²)
    third order     the same mean,    σ² = gᵀ C g + ½ tr((H C)²) + (C g)·∇ tr(H C)

for Gaussian parameters of covariance C, gradient g and Hessian H at their mean. The second order is exact for a
quadratic function. The third derivatives enter the variance at the same power of C as the squares of the second ones
do, often with the other sign: the third order has all of C².
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..array import brief_repr
from ..errors import ConvergenceError, InputError, InputTypeError, ShapeError
from ..physics.energy_integral import real_host
from ..typing import Array, ArrayLike
from .covariance import Covariance
from .curvature_traces import HessianVectorProduct, curvature_trace_slope, curvature_traces
from .impedance_field import first_order_deviation, variance_shares
from .monte_carlo import Sample, monte_carlo

THIRD_STEP = 0.1  # standard deviations, of the difference that makes third derivatives


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation from one method, and what it cost.

    Parameters
    ----------
    method : str
    mean, standard_deviation : float
        In the quantity's unit.
    mean_error, standard_deviation_error : float
        Statistical standard errors; 0 where nothing is drawn at random.
    n_values, n_gradients, n_products : int
        Values, values with gradient, and Hessian-vector products that were computed.
    seconds : float
        Wall time of these.
    """

    method: str
    mean: float
    standard_deviation: float
    mean_error: float
    standard_deviation_error: float
    n_values: int
    n_gradients: int
    n_products: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Variability:
    """The moments of a quantity by one, two or three methods.

    Parameters
    ----------
    value : float
        At the mean of the parameters.
    gradient : array, shape (n,)
        There.
    shares : array, shape (n,)
        The part of the first-order variance through each parameter; their sum is 1.
    first_order : Moments
    second_order, third_order : Moments or None
    monte_carlo : Moments or None
    sample : Sample or None
        The values of the Monte Carlo.
    """

    value: float
    gradient: Array
    shares: Array
    first_order: Moments
    second_order: Moments | None
    third_order: Moments | None
    monte_carlo: Moments | None
    sample: Sample | None

    __repr__ = brief_repr

    @property
    def rows(self) -> tuple[Moments, ...]:
        """The methods that were asked for."""
        asked = (self.first_order, self.second_order, self.third_order, self.monte_carlo)
        return tuple(moments for moments in asked if moments is not None)

    def table(self) -> str:
        """The rows as text: moments with their errors, number of solves, time relative to the first order.

        An `Objective` that has just been asked for the gradient at `x` gives it without a solve, and the ratios then
        say nothing.
        """
        lines = [
            f"{'method':<14}{'mean':>13}{'±':>10}{'std. dev.':>13}{'±':>10}{'values':>8}{'gradients':>11}"
            f"{'products':>10}{'time ratio':>12}"
        ]
        for m in self.rows:
            ratio = m.seconds / self.first_order.seconds if self.first_order.seconds > 0 else math.nan
            lines.append(
                f"{m.method:<14}{m.mean:>13.6g}{m.mean_error:>10.2g}{m.standard_deviation:>13.6g}"
                f"{m.standard_deviation_error:>10.2g}{m.n_values:>8}{m.n_gradients:>11}{m.n_products:>10}{ratio:>12.3g}"
            )
        return "\n".join(lines)


def variability(
    value_and_gradient: Callable[[Array], tuple[Any, Any]],
    x: ArrayLike,
    covariance: Covariance,
    *,
    hessian_vector_product: HessianVectorProduct | None = None,
    with_third_order: bool = False,
    n_probes: int = 32,
    value: Callable[[Array], Any] | None = None,
    n_samples: int = 0,
    seed: int = 0,
) -> Variability:
    """Mean and standard deviation of a quantity whose parameters are Gaussian.

        first order     f,                σ² = gᵀ C g
        second order    f + ½ tr(H C),    σ² = gᵀ C g + ½ tr((H C)²)
        third order     the same mean,    σ² = gᵀ C g + ½ tr((H C)²) + (C g)·∇ tr(H C)

    Parameters
    ----------
    value_and_gradient : callable
        x (n,) → (f, g (n,)), as `Objective.value_and_gradient`.
    x : array, shape (n,)
        The mean of the parameters, in the unit of the covariance: for an `Objective` the scaled variables.
    covariance : Covariance
    hessian_vector_product : callable, optional
        (x, v) → H v, as `Objective.hessian_vector_product`; without it there is no second order.
    with_third_order : bool
        Adds the third derivatives' part of the variance, by a difference of tr(H C) along C g: three times the
        products of the second order.
    n_probes : int
        Products that may be spent on a trace, as `curvature_traces`.
    value : callable, optional
        x → f without its gradient, as `Objective.value`, for the samples; default: the first of `value_and_gradient`.
    n_samples : int
        Of the Monte Carlo; 0 is none.
    seed : int
        Of samples and probes.

    Returns
    -------
    Variability

    Raises
    ------
    InputError, InputTypeError, ShapeError
        When sizes do not fit, or the value or the gradient is not finite.
    ConvergenceError
        When the third order makes the variance negative: the expansion does not hold at this spread.

    Sources
    -------
    Shockley, Copeland and James (1966) for the first order; A. M. Mathai and S. B. Provost, Quadratic Forms in Random
    Variables (1992), Eqs. (3.2b.8) and (3.2b.9), for the moments of a quadratic function.
    """
    if not isinstance(covariance, Covariance):
        raise InputTypeError(
            f"covariance is a {type(covariance).__name__}; make it by independent(standard_deviations), "
            "covariance_of(matrix) or correlated(positions, standard_deviation, length)."
        )
    centre = real_host(x, "x")
    if centre.shape != (covariance.size,):
        raise ShapeError(f"x has shape {centre.shape} but the covariance is that of {covariance.size} parameters.")
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 0:
        raise InputError(f"n_samples={n_samples!r} must be an integer, 0 or more.")
    started = time.perf_counter()
    here, gradient = _checked(value_and_gradient(centre), covariance.size)
    deviation = float(first_order_deviation(gradient, covariance))
    first = Moments("first order", here, deviation, 0.0, 0.0, 0, 1, 0, time.perf_counter() - started)
    if with_third_order and hessian_vector_product is None:
        raise InputError("with_third_order needs a hessian_vector_product; give it.")
    second = third = None
    if hessian_vector_product is not None:
        second = _second_order(first, hessian_vector_product, centre, covariance, n_probes, seed)
    if with_third_order and hessian_vector_product is not None and second is not None:
        third = _third_order(second, hessian_vector_product, centre, gradient, covariance, n_probes, seed)
    sample = drawn = None
    if n_samples:
        of_value = value or (lambda there: value_and_gradient(there)[0])
        drawn, sample = _monte_carlo(of_value, value is None, centre, covariance, int(n_samples), seed)
    shares = variance_shares(gradient, covariance)
    return Variability(here, gradient, shares, first, second, third, drawn, sample)


def _second_order(
    first: Moments, product: HessianVectorProduct, x: Array, covariance: Covariance, n_probes: int, seed: int
) -> Moments:
    started = time.perf_counter()
    traces = curvature_traces(product, x, covariance, n_probes=n_probes, seed=seed)
    deviation = math.sqrt(first.standard_deviation**2 + traces.second / 2)
    return Moments(
        "second order",
        first.mean + traces.first / 2,
        deviation,
        traces.first_error / 2,
        traces.second_error / (4 * deviation) if deviation > 0 else 0.0,  # δσ = δ(σ²)/2σ
        0,
        1,
        traces.products,
        first.seconds + time.perf_counter() - started,
    )


def _third_order(
    second: Moments, product: HessianVectorProduct, x: Array, g: Array, covariance: Covariance, n_probes: int, seed: int
) -> Moments:
    started = time.perf_counter()
    towards = covariance.spread(covariance.gather(g))
    deviation = float(first_order_deviation(g, covariance))
    if deviation == 0:  # C g = 0: there is no such part
        return replace(second, method="third order")
    unit = towards / deviation  # one standard deviation of f to first order
    # signs of its own, so that the errors of both parts add up as squares
    slope = curvature_trace_slope(product, x, unit, covariance, step=THIRD_STEP, n_probes=n_probes, seed=seed + 1)
    variance = second.standard_deviation**2 + deviation * slope.value
    if variance < 0:
        raise ConvergenceError(
            f"the variance to third order is {variance:.3g}, its first-order part {deviation**2:.3g}: the expansion "
            "does not hold at this spread of the parameters; use the Monte Carlo."
        )
    spread = math.sqrt(variance)
    error = math.hypot(2 * second.standard_deviation * second.standard_deviation_error, deviation * slope.error)
    return replace(
        second,
        method="third order",
        standard_deviation=spread,
        standard_deviation_error=error / (2 * spread) if spread > 0 else 0.0,
        n_products=second.n_products + slope.products,
        seconds=second.seconds + time.perf_counter() - started,
    )


def _monte_carlo(
    value: Callable[[Array], Any], has_gradients: bool, x: Array, covariance: Covariance, n_samples: int, seed: int
) -> tuple[Moments, Sample]:
    started = time.perf_counter()
    sample = monte_carlo(value, x, covariance, n_samples=n_samples, seed=seed)
    counts = (0, n_samples) if has_gradients else (n_samples, 0)
    seconds = time.perf_counter() - started
    moments = (sample.mean, sample.standard_deviation, sample.mean_error, sample.standard_deviation_error)
    return Moments("Monte Carlo", *moments, *counts, 0, seconds), sample


def _checked(found: Any, size: int) -> tuple[float, Array]:
    value, gradient = found
    here, g = real_host(value, "the value"), real_host(gradient, "the gradient")
    if here.ndim != 0 or g.shape != (size,):
        raise ShapeError(
            f"value_and_gradient gave shapes {here.shape} and {g.shape} but must give one number and ({size},)."
        )
    return float(here), g
