"""Mean and standard deviation of a quantity by sampling its parameters, with the statistical errors of both.

    x_k = x̄ + L z_k,   s² = Σ (f_k − f̄)²/(N − 1)
    δf̄ = s/√N,   δs = √([m₄ − s⁴ (N − 3)/(N − 1)]/N)/2s,   m₄ = Σ (f_k − f̄)⁴/N
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import brief_repr
from ..errors import InputError, InputTypeError
from ..physics.energy_integral import real_host
from ..typing import Array
from .covariance import Covariance
from .seeds import generator


@dataclass(frozen=True, eq=False)
class Sample:
    """Values at random parameters, and the moments they estimate.

    Parameters
    ----------
    values : array, shape (n_samples,)
    """

    values: Array

    __repr__ = brief_repr

    @property
    def mean(self) -> float:
        """f̄."""
        return float(np.mean(self.values))

    @property
    def standard_deviation(self) -> float:
        """s, with N − 1."""
        return float(np.std(self.values, ddof=1))

    @property
    def mean_error(self) -> float:
        """Standard error of the mean, s/√N."""
        return self.standard_deviation / math.sqrt(len(self.values))

    @property
    def standard_deviation_error(self) -> float:
        """Standard error of s, from the fourth moment of the sample: no normal distribution is taken for granted."""
        n, s = len(self.values), self.standard_deviation
        if s == 0:
            return 0.0
        fourth = float(np.mean((self.values - self.mean) ** 4))
        return math.sqrt(max(fourth - s**4 * (n - 3) / (n - 1), 0.0) / n) / (2 * s)


def monte_carlo(
    value: Callable[[Array], Any], x: Array, covariance: Covariance, *, n_samples: int = 1000, seed: int = 0
) -> Sample:
    """Values of a quantity at parameters drawn from their distribution.

    Parameters
    ----------
    value : callable
        x (n,) → the quantity, a number.
    x : array, shape (n,)
        The mean of the parameters.
    covariance : Covariance
    n_samples : int
        2 or more.
    seed : int
        Sample k depends on seed and k alone, whatever `n_samples` is.

    Returns
    -------
    Sample

    Raises
    ------
    InputError, InputTypeError
        For fewer than 2 samples, or a value that is not one finite number.
    Whatever `value` raises, with a note of the sample's number.

    Sources
    -------
    M. G. Kendall and A. Stuart, The Advanced Theory of Statistics, Vol. 1, Sec. 10.6, for the error of s.
    """
    if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer):
        raise InputTypeError(f"n_samples={n_samples!r} must be an integer, 2 or more.")
    if n_samples < 2:
        raise InputError(f"n_samples={n_samples} must be 2 or more: one sample has no spread.")
    rng, found = generator(seed), np.empty(int(n_samples))
    for k in range(int(n_samples)):
        there = x + covariance.spread(rng.standard_normal(covariance.rank))
        try:
            one = real_host(value(there), "the value")
            if one.ndim != 0:
                raise InputError(f"the value has shape {one.shape} but must be one number.")
        except Exception as error:
            error.add_note(f"in sample {k} of the Monte Carlo with seed={seed!r}")
            raise
        found[k] = one
    found.setflags(write=False)
    return Sample(found)
