"""The standard deviation of a quantity to first order in its parameters: the impedance-field idea.

    δf = gᵀ δx   ⇒   σ² = gᵀ C g

The gradient g by all parameters is one adjoint, so that the spread from any number of random dopants costs one solve.
Source: W. Shockley, J. A. Copeland and R. P. James, in Quantum Theory of Atoms, Molecules and the Solid State (1966),
p. 537; F. Bonani and G. Ghione, Noise in Semiconductor Devices (2001), Ch. 2.
"""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..physics.energy_integral import real_host
from ..typing import Array, ArrayLike
from .covariance import Covariance


def first_order_deviation(gradients: ArrayLike, covariance: Covariance) -> Array:
    """Standard deviations of quantities from their gradients.

        σ_k = √(g_kᵀ C g_k) = |Lᵀ g_k|

    Parameters
    ----------
    gradients : array, shape (..., n)
        The last axis is that of the parameters: of one quantity (n,), or the rows of `transmission_sensitivity` (E, n),
        which give the spread of T at every energy.
    covariance : Covariance

    Returns
    -------
    array, shape (...)
        In the quantities' unit.

    Raises
    ------
    ShapeError
        When the gradients are by another number of parameters.
    """
    return np.linalg.norm(covariance.gather(_checked(gradients, covariance)), axis=-1)


def variance_shares(gradient: ArrayLike, covariance: Covariance) -> Array:
    """The part of a quantity's variance that comes through each parameter.

        s_i = g_i (C g)_i / gᵀ C g

    Parameters
    ----------
    gradient : array, shape (n,)
    covariance : Covariance

    Returns
    -------
    array, shape (n,)
        Their sum is 1; of correlated parameters one may be negative. Zeros where nothing varies.

    Raises
    ------
    ShapeError
    """
    g = _checked(gradient, covariance)
    if g.ndim != 1:
        raise ShapeError(f"gradient has shape {g.shape} but must be ({covariance.size},).")
    parts = g * covariance.spread(covariance.gather(g))
    total = float(np.sum(parts))
    return parts / total if total > 0 else parts


def _checked(gradients: ArrayLike, covariance: Covariance) -> Array:
    g = real_host(gradients, "gradient")
    if g.shape[-1:] != (covariance.size,):
        raise ShapeError(
            f"gradient has shape {g.shape} but the covariance is that of {covariance.size} parameters, the last axis."
        )
    return g
