"""The Green's function of Gaussian charges between two grounded plates, all images, with its derivatives.

In units of the distance of the plates (at ζ = 0 and 1; ρ is the distance parallel to them), for charges that interact
by erf(γr)/r in free space:

    G(ρ, ζ, ζ') = Σ_n [v(ρ, ζ − ζ' − 2n) − v(ρ, ζ + ζ' − 2n)],      v(ρ, u) = erf(γ√(ρ² + u²))/√(ρ² + u²)

The sum over images falls off as n⁻³ only. Beyond ρ = 1 it is a sum over modes,

    G = 4 Σ_m sin(mπζ) sin(mπζ') K₀(mπρ) − Σ_n ± erfc(γr_n)/r_n

and nearer it is split at α = 2 in Ewald's way, erf(αr)/r = (2/√π) ∫₀^α exp(−r²t²) dt, into modes and images of which
8 and 2 × 3 are above rounding:

    G = 4 Σ_m sin(mπζ) sin(mπζ') ∫₀^α exp(−ρ²t² − (mπ/2t)²) dt/t + Σ_n ± [erf(γr_n) − erf(αr_n)]/r_n

Sources: J. D. Jackson, Classical Electrodynamics, 3rd ed. (1999), problem 3.20 (modes); P. P. Ewald, Ann. Phys. 369,
253 (1921); docs/adjoints/plates.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import erf, erfc, k0, k1

from ..typing import Array

SPLITTING = 2.0  # α; also the least γ that the three images do for
FAR_MODES = ((1.0, 13), (2.0, 7), (4.0, 4))  # of K₀ from ρ on; left out is exp(−13π) = 2e-18 of the first
NEAR_MODES = 8  # exp(−(8π/2α)²) = 7e-18
POINT_LIKE = 6.5  # γρ beyond which Gaussians are points: erfc(6.5) = 4e-20
IMAGES = (-1, 0, 1)  # the next one is 3 away: erfc(3α) = 2e-17


class PlatesGreenFunction(NamedTuple):
    """G and its derivatives by ρ², ζ, ζ' and γ, each of shape (n_pairs,)."""

    value: Array
    by_distance_squared: Array
    by_first: Array
    by_second: Array
    by_decay: Array


def plates_green_function(distance_squared: Array, first: Array, second: Array, decay: Array) -> PlatesGreenFunction:
    """G of Gaussian charges between grounded plates, to rounding, with its derivatives.

    Zero exactly for ζ or ζ' = 0 or 1; symmetric in ζ, ζ'.

    Parameters
    ----------
    distance_squared : real array, shape (n_pairs,)
        ρ², of the distance parallel to the plates, in units of L².
    first, second : real arrays, shape (n_pairs,)
        ζ and ζ' in [0, 1].
    decay : real array, shape (n_pairs,)
        γ ≥ 2 in units of 1/L: charges ∝ exp(−r²/2w²) of widths w and w' have γ = 1/√(2(w² + w'²)).

    Returns
    -------
    PlatesGreenFunction
        In units of 1/L; absolute error of some 1e-15 max(1, γ).
    """
    # The mirror image in the middle plane: ζ + ζ' ≤ 1 bounds the distance of images, and makes ζ = 1 an exact zero too.
    mirrored = first + second > 1
    near_end, far_end = np.where(mirrored, 1 - first, first), np.where(mirrored, 1 - second, second)
    found = [np.empty(len(first)) for _ in PlatesGreenFunction._fields]
    starts = [-1.0, *(rho**2 for rho, _ in FAR_MODES)]
    parts: list[Callable[..., PlatesGreenFunction]] = [_near, *(partial(_far, n_modes=n) for _, n in FAR_MODES)]
    for above, upto, part in zip(starts, [*starts[1:], math.inf], parts):
        chosen = (distance_squared > above) & (distance_squared <= upto)
        if chosen.any():
            terms = part(distance_squared[chosen], near_end[chosen], far_end[chosen], decay[chosen])
            for whole, term in zip(found, terms):
                whole[chosen] = term
    value, by_distance_squared, by_first, by_second, by_decay = found
    sign = np.where(mirrored, -1.0, 1.0)
    return PlatesGreenFunction(value, by_distance_squared, sign * by_first, sign * by_second, by_decay)


def _near(distance_squared: Array, first: Array, second: Array, decay: Array) -> PlatesGreenFunction:
    gaussians = np.exp(-distance_squared[:, None] * _NODES**2)  # (P, Q)
    modes = _modes(first, second, gaussians @ _WEIGHTS, -gaussians @ (_NODES[:, None] ** 2 * _WEIGHTS))
    return _plus(modes, _images(distance_squared, first, second, decay, _between_splitting))


def _far(distance_squared: Array, first: Array, second: Array, decay: Array, n_modes: int) -> PlatesGreenFunction:
    k = math.pi * np.arange(1, n_modes + 1)
    distance = np.sqrt(distance_squared)[:, None]
    modes = _modes(first, second, k0(k * distance), -k * k1(k * distance) / (2 * distance))  # K₀' = −K₁
    softened = distance_squared * decay**2 < POINT_LIKE**2
    if softened.any():
        images = _images(
            distance_squared[softened], first[softened], second[softened], decay[softened], _beyond_gaussian
        )
        for whole, part in zip(modes, images):
            whole[softened] += part
    return modes


def _modes(first: Array, second: Array, amplitude: Array, slope: Array) -> PlatesGreenFunction:
    """4 Σ_m sin(mπζ) sin(mπζ') a_m with a_m and da_m/dρ² of shape (P, M)."""
    k = math.pi * np.arange(1, amplitude.shape[1] + 1)
    sine, sine_2 = np.sin(k * first[:, None]), np.sin(k * second[:, None])
    cosine, cosine_2 = np.cos(k * first[:, None]), np.cos(k * second[:, None])
    return PlatesGreenFunction(
        4 * np.sum(sine * sine_2 * amplitude, axis=1),
        4 * np.sum(sine * sine_2 * slope, axis=1),
        4 * np.sum(k * cosine * sine_2 * amplitude, axis=1),
        4 * np.sum(sine * k * cosine_2 * amplitude, axis=1),
        np.zeros(len(first)),
    )


def _images(
    distance_squared: Array,
    first: Array,
    second: Array,
    decay: Array,
    law: Callable[[Array, Array], tuple[Array, Array]],
) -> PlatesGreenFunction:
    """Σ_n ± f(γ, r_n) for `law` → f, df/dr², with df/dγ = (2/√π) exp(−γ²r²)."""
    value, by_distance_squared, by_first, by_second, by_decay = (np.zeros(len(first)) for _ in range(5))
    for n in IMAGES:
        for sign in (1.0, -1.0):
            u = (first - sign * second) - 2 * n
            r_squared = distance_squared + u**2
            f, slope = law(decay, np.sqrt(r_squared))
            value += sign * f
            by_distance_squared += sign * slope
            by_first += sign * slope * 2 * u
            by_second -= slope * 2 * u  # sign · du/dζ' = −1
            by_decay += sign * 2 / math.sqrt(math.pi) * np.exp(-(decay**2) * r_squared)
    return PlatesGreenFunction(value, by_distance_squared, by_first, by_second, by_decay)


def _between_splitting(decay: Array, r: Array) -> tuple[Array, Array]:
    """[erf(γr) − erf(αr)]/r and its derivative by r²: −½ [γ³ k(γr) − α³ k(αr)]."""
    x, y = decay * r, SPLITTING * r
    narrow, wide = _erf_ratio(x), _erf_ratio(y)
    slope = decay**3 * _erf_ratio_slope(x, narrow) - SPLITTING**3 * _erf_ratio_slope(y, wide)
    return decay * narrow - SPLITTING * wide, -slope / 2


def _beyond_gaussian(decay: Array, r: Array) -> tuple[Array, Array]:
    """−erfc(γr)/r and its derivative by r²."""
    x = decay * r
    value = -erfc(x) / r
    return value, (2 / math.sqrt(math.pi) * decay * np.exp(-(x**2)) - value) / (2 * r**2)


def _erf_ratio(x: Array) -> Array:
    """h(x) = erf(x)/x, 2/√π at 0."""
    zero = x == 0
    return np.where(zero, 2 / math.sqrt(math.pi), erf(x) / np.where(zero, 1.0, x))


def _erf_ratio_slope(x: Array, ratio: Array) -> Array:
    """k(x) = −h'(x)/x = [h(x) − (2/√π) exp(−x²)]/x²; by its series where the difference would cancel."""
    small = x < 0.5
    y = np.where(small, 1.0, x) ** 2
    difference = (ratio - 2 / math.sqrt(math.pi) * np.exp(-y)) / y
    return np.where(small, np.polynomial.polynomial.polyval(np.where(small, x, 0.0) ** 2, _SERIES), difference)


# k(x) = (4/√π) Σ_m (−x²)^m / (m! (2m + 3))
_SERIES = np.array([4 / math.sqrt(math.pi) * (-1) ** m / (math.factorial(m) * (2 * m + 3)) for m in range(12)])


def _integral_rule() -> tuple[Array, Array]:
    """Nodes t (Q,) and weights W (Q, M) with ∫₀^α f(t) exp(−(mπ/2t)²) dt/t = Σ_q f(t_q) W_qm.

    In ln t the integrand is entire, and below t = 1/4 it is under exp(−(2π)²) = 7e-18: 24 points of Gauss and
    Legendre's rule are exact to rounding for ρ ≤ 1.
    """
    x, w = np.polynomial.legendre.leggauss(24)
    low, high = math.log(0.25), math.log(SPLITTING)
    t = np.exp((high - low) / 2 * x + (high + low) / 2)
    k = math.pi * np.arange(1, NEAR_MODES + 1)
    return t, (high - low) / 2 * w[:, None] * np.exp(-((k / (2 * t[:, None])) ** 2))


_NODES, _WEIGHTS = _integral_rule()


def _plus(x: PlatesGreenFunction, y: PlatesGreenFunction) -> PlatesGreenFunction:
    return PlatesGreenFunction(*(a + b for a, b in zip(x, y)))
