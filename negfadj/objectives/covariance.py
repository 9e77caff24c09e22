"""The covariance of Gaussian parameters, kept as a root: C = L Lᵀ.

    x = x̄ + L z,   z independent with mean 0 and variance 1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from ..array import brief_repr
from ..errors import InputError, ShapeError
from ..physics.energy_integral import real_host
from ..typing import Array, ArrayLike


@dataclass(frozen=True, eq=False)
class Covariance:
    """C = L Lᵀ of parameters that vary together.

    Parameters
    ----------
    root : array, shape (n,) or (n, rank)
        L; one axis is the diagonal, the standard deviations of independent parameters.

    Raises
    ------
    InputError, ShapeError
        For a root that is empty, of another shape, or not finite.
    """

    root: Array

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        root = real_host(self.root, "root")
        if root.ndim not in (1, 2) or root.size == 0:
            raise ShapeError(f"root has shape {root.shape} but must be (n,) or (n, rank), with one entry at least.")
        root = np.array(root)
        root.setflags(write=False)
        object.__setattr__(self, "root", root)

    @property
    def size(self) -> int:
        """Number of parameters n."""
        return len(self.root)

    @property
    def rank(self) -> int:
        """Number of independent z."""
        return int(self.root.shape[-1])

    @property
    def standard_deviations(self) -> Array:
        """√C_ii of every parameter, (n,)."""
        return np.abs(self.root) if self.root.ndim == 1 else np.linalg.norm(self.root, axis=1)

    def spread(self, z: Array) -> Array:
        """L z for the rows of z, (..., rank) → (..., n)."""
        return z * self.root if self.root.ndim == 1 else z @ self.root.T

    def gather(self, v: Array) -> Array:
        """Lᵀ v for the rows of v, (..., n) → (..., rank)."""
        return v * self.root if self.root.ndim == 1 else v @ self.root

    def matrix(self) -> Array:
        """C, (n, n)."""
        return np.diag(self.root**2) if self.root.ndim == 1 else self.root @ self.root.T


def independent(standard_deviations: ArrayLike) -> Covariance:
    """The covariance of parameters that do not know of each other.

        C = diag(σ²)

    Parameters
    ----------
    standard_deviations : array, shape (n,)
        σ of every parameter, in its unit, 0 for one that does not vary.

    Returns
    -------
    Covariance

    Raises
    ------
    InputError, ShapeError
        For a negative or infinite one, or another shape.
    """
    deviations = real_host(standard_deviations, "standard_deviations")
    if deviations.ndim != 1:
        raise ShapeError(f"standard_deviations has shape {deviations.shape} but must be (n,).")
    if np.any(deviations < 0):
        k = int(np.argmin(deviations))
        raise InputError(f"standard_deviations[{k}] = {deviations[k]:g} is negative; give 0 or more.")
    return Covariance(deviations)


def covariance_of(matrix: ArrayLike, *, smallest: float = 0.0) -> Covariance:
    """The covariance given as a matrix, whose root comes from its eigenvectors.

        C = V diag(λ) Vᵀ,   L = V √λ over the λ above rounding

    Parameters
    ----------
    matrix : array, shape (n, n)
        C, symmetric without negative eigenvalues, each to n eps of the largest.
    smallest : float
        Eigenvalues below this share of the largest are left out too, from 0 to 1: fewer independent variables, and as
        many fewer Hessian-vector products.

    Returns
    -------
    Covariance
        Of the rank of C, or lower.

    Raises
    ------
    ShapeError
        When it is not square.
    InputError
        When it is not finite, not symmetric, or has a negative eigenvalue; the message has its value.
    """
    if not 0 <= smallest < 1:
        raise InputError(f"smallest={smallest!r} must be a share of the largest eigenvalue, from 0 to below 1.")
    c = real_host(matrix, "covariance")
    if c.ndim != 2 or c.shape[0] != c.shape[1] or c.size == 0:
        raise ShapeError(f"covariance has shape {c.shape} but must be (n, n).")
    rounding = len(c) * np.finfo(np.float64).eps
    difference = np.abs(c - c.T)
    if np.max(difference) > rounding * np.max(np.abs(c)):
        i, j = np.unravel_index(np.argmax(difference), c.shape)
        raise InputError(
            f"covariance is not symmetric: [{i}, {j}] = {c[i, j]:.6g} but [{j}, {i}] = {c[j, i]:.6g}; give (C + Cᵀ)/2 "
            "if that is what is meant."
        )
    values, vectors = np.linalg.eigh((c + c.T) / 2)
    largest = float(np.max(np.abs(values)))
    if values[0] < -rounding * largest:
        raise InputError(
            f"covariance has the negative eigenvalue {values[0]:.6g} beside a largest of {values[-1]:.6g}; no "
            "variables vary like that: check units and signs of the correlations."
        )
    kept = values > max(rounding, smallest) * largest
    if not np.any(kept):
        return Covariance(np.zeros((len(c), 1)))
    return Covariance(vectors[:, kept] * np.sqrt(values[kept]))


def correlated(
    positions: ArrayLike, standard_deviation: float, length: float, *, smallest: float = 0.0
) -> Covariance:
    """The covariance of a random potential that is smooth over a length, at the positions of the orbitals.

        C_ab = σ² exp(−|r_a − r_b|²/2λ²)

    Parameters
    ----------
    positions : array, shape (n, d)
        [Å].
    standard_deviation : float
        σ at every place.
    length : float
        λ [Å], positive.
    smallest : float
        As `covariance_of`; with 1e-4 the rank is a few times the number of patches λ² of the device.

    Returns
    -------
    Covariance

    Raises
    ------
    InputError, ShapeError
        For a σ below 0, a λ that is not positive, positions of another shape.

    Sources
    -------
    A. Rycerz, J. Tworzydło and C. W. J. Beenakker, Europhys. Lett. 79, 57003 (2007), for such disorder in graphene.
    """
    places = real_host(positions, "positions")
    if places.ndim != 2:
        raise ShapeError(f"positions has shape {places.shape} but must be (n, d).")
    sigma, reach = (float(real_host(x, name)) for x, name in ((standard_deviation, "σ"), (length, "length")))
    if sigma < 0 or reach <= 0:
        raise InputError(f"standard_deviation={sigma:g} must be 0 or more, and length={reach:g} Å positive.")
    return covariance_of(sigma**2 * np.exp(-cdist(places, places, "sqeuclidean") / (2 * reach**2)), smallest=smallest)
