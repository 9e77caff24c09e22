"""Traces of the Hessian with a covariance, by Hessian-vector products: what the second-order moments are made of.

    tr(H C) = tr K,   tr((H C)²) = tr K²,   K = Lᵀ H L,   d tr(H C) along a direction

Column by column where there are few, and from random signs z where there are many: E[zᵀ K z] = tr K and
E[|K z|²] = tr K² (M. F. Hutchinson, Commun. Stat. Simul. Comput. 18, 1059 (1989)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, ShapeError
from ..physics.energy_integral import real_host
from ..typing import Array
from .covariance import Covariance
from .seeds import generator

HessianVectorProduct = Callable[[Array, Array], Any]


@dataclass(frozen=True)
class CurvatureTraces:
    """tr(H C) and tr((H C)²), their standard errors, and what they cost.

    Parameters
    ----------
    first, second : float
        tr(H C) and tr((H C)²).
    first_error, second_error : float
        Standard errors of the random estimate; 0 where every column was taken.
    products : int
        Hessian-vector products.
    """

    first: float
    second: float
    first_error: float
    second_error: float
    products: int


def curvature_traces(
    hessian_vector_product: HessianVectorProduct,
    x: Array,
    covariance: Covariance,
    *,
    n_probes: int = 32,
    seed: int = 0,
) -> CurvatureTraces:
    """tr(H C) and tr((H C)²) at a point.

    Parameters
    ----------
    hessian_vector_product : callable
        (x, v) → H v, shape (n,), as `Objective.hessian_vector_product`.
    x : array, shape (n,)
    covariance : Covariance
    n_probes : int
        Products that may be spent, 2 or more: with a covariance of no higher rank every column is taken and the traces
        are exact, otherwise they are estimated from as many random signs.
    seed : int
        Of the signs.

    Returns
    -------
    CurvatureTraces

    Raises
    ------
    InputError, ShapeError
        For fewer than 2 probes, or a product of another shape or not finite.
    """
    firsts, seconds, is_exact = _quadratic_forms(hessian_vector_product, x, covariance, n_probes, seed)
    first, first_error = _total(firsts, is_exact)
    second, second_error = _total(seconds, is_exact)
    return CurvatureTraces(first, second, first_error, second_error, len(firsts))


@dataclass(frozen=True)
class TraceSlope:
    """d tr(H C)/dt along a direction, its standard error (0 where every column was taken), and what it cost."""

    value: float
    error: float
    products: int


def curvature_trace_slope(
    hessian_vector_product: HessianVectorProduct,
    x: Array,
    direction: Array,
    covariance: Covariance,
    *,
    step: float = 0.1,
    n_probes: int = 32,
    seed: int = 0,
) -> TraceSlope:
    """How tr(H C) moves along a direction: the third derivatives contracted once with C.

        d tr(H(x + t u) C)/dt = [tr(H(x + h u) C) − tr(H(x − h u) C)]/2h + O(h²)

    Parameters
    ----------
    direction : array, shape (n,)
        u.
    step : float
        h, positive.
    The others and errors as `curvature_traces`; both points have the same random signs.

    Returns
    -------
    TraceSlope
    """
    if not step > 0:
        raise InputError(f"step={step!r} must be positive.")
    ahead, behind = (
        _quadratic_forms(hessian_vector_product, x + h * direction, covariance, n_probes, seed) for h in (step, -step)
    )
    value, error = _total((ahead[0] - behind[0]) / (2 * step), ahead[2])
    return TraceSlope(value, error, len(ahead[0]) + len(behind[0]))


def _quadratic_forms(
    product: HessianVectorProduct, x: Array, covariance: Covariance, n_probes: int, seed: int
) -> tuple[Array, Array, bool]:
    """zᵀ K z and |K z|² of every probe, and whether the probes are all unit vectors."""
    if isinstance(n_probes, bool) or not isinstance(n_probes, int | np.integer):
        raise InputTypeError(f"n_probes={n_probes!r} must be an integer, 2 or more.")
    if n_probes < 2:
        raise InputError(f"n_probes={n_probes} must be 2 or more: one probe says nothing of its error.")
    is_exact = covariance.rank <= n_probes
    n_products = covariance.rank if is_exact else int(n_probes)
    firsts, seconds = np.empty(n_products), np.empty(n_products)
    for k, z in enumerate(_columns(covariance.rank) if is_exact else _signs(covariance.rank, n_products, seed)):
        found = real_host(product(x, covariance.spread(z)), "the Hessian-vector product")
        if found.shape != (covariance.size,):
            raise ShapeError(f"the Hessian-vector product has shape {found.shape} but must be ({covariance.size},).")
        column = covariance.gather(found)
        firsts[k], seconds[k] = z @ column, column @ column
    return firsts, seconds, is_exact


def _total(forms: Array, is_exact: bool) -> tuple[float, float]:
    """The trace and its standard error: a sum over unit vectors, a mean over random signs."""
    if is_exact:
        return float(np.sum(forms)), 0.0
    return float(np.mean(forms)), float(np.std(forms, ddof=1) / math.sqrt(len(forms)))


def _columns(rank: int) -> Iterator[Array]:
    """The unit vectors, one at a time."""
    for k in range(rank):
        z = np.zeros(rank)
        z[k] = 1.0
        yield z


def _signs(rank: int, n_probes: int, seed: int) -> Iterator[Array]:
    """Random vectors of ±1."""
    rng = generator(seed)
    for _ in range(n_probes):
        yield rng.choice([-1.0, 1.0], size=rank)
