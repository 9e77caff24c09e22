"""GMRES: A x = b from products with A alone, preconditioned from the right, restarted.

x = M⁻¹ V y with V an orthonormal basis of the Krylov space of A M⁻¹, by modified Gram–Schmidt, and y the least-squares
solution by Givens rotations on the host. From the right, the residual that is minimised is b − A x itself.

Sources: Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7, 856 (1986), Algorithm 4 and Sec. 3.2 (rotations).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..array import STATIC, array_namespace, eps_of
from ..errors import InputError
from ..typing import Array
from .vectors import check_image, check_tolerance, check_vector, inner, is_finite, norm

LinearMap: TypeAlias = Callable[[Array], Array]

# The rotations' residual and the true one differ by rounding: the aim of a cycle leaves room for it.
AIM = 0.9
SINGULAR = 100  # times eps: a pivot below is rounding, and its share of x would be too


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """x with A x ≈ b, and how near it is.

    Attributes
    ----------
    x : array, shape (n,)
    residual : float
        ‖b − A x‖₂/‖b‖₂; 0 for b = 0.
    history : tuple of float
        The same after every product, from the rotations; starts with 1.
    n_products : int
        Products with A.
    """

    x: Array
    residual: float = field(metadata=STATIC)
    history: tuple[float, ...] = field(metadata=STATIC)
    n_products: int = field(metadata=STATIC)


def gmres(
    operator: LinearMap,
    right: Array,
    *,
    preconditioner: LinearMap | None = None,
    tolerance: float = 1e-10,
    max_products: int = 240,
    restart: int = 60,
    is_checked: bool = True,
) -> LinearSolution:
    """Solve A x = b to ‖b − A x‖₂ ≤ tolerance ‖b‖₂, as well as the products allow.

    Parameters
    ----------
    operator : callable
        v (n,) → A v (n,).
    right : real array, shape (n,)
        b.
    preconditioner : callable, optional
        v → M⁻¹ v with M near A; a linear map.
    tolerance : float
        On the relative residual.
    max_products : int
        With A, those for the true residuals left out.
    restart : int
        Vectors of the basis; n of them end exactly.
    is_checked : bool
        Form the true residual b − A x after every cycle (one product) and go on from it. Without, one cycle is
        done and `residual` is that of the rotations.

    Returns
    -------
    LinearSolution
        On the device of `right`. It may be above the tolerance: look at its `residual`. A residual that is not finite
        means that the operator or the preconditioner gave numbers that are not.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For a right side that is no finite real vector, a product of another shape, limits below 1.

    Sources
    -------
    Y. Saad and M. H. Schultz, SIAM J. Sci. Stat. Comput. 7, 856 (1986), Algorithm 4.
    """
    check_vector(right, "the right side")
    check_tolerance(tolerance)
    if max_products < 1 or restart < 1:
        raise InputError(f"max_products={max_products} and restart={restart} must be at least 1.")
    xp = array_namespace(right)
    size, x = norm(right), xp.zeros_like(right)
    if size == 0:
        return LinearSolution(x, 0.0, (0.0,), 0)
    remainder, relative, history, n_products = right, 1.0, [1.0], 0
    while n_products < max_products and relative > tolerance:
        most = min(restart, max_products - n_products)
        change, estimates = _cycle(operator, preconditioner, remainder, AIM * tolerance * size, most)
        n_products += len(estimates)
        history += [value / size for value in estimates]
        if not is_checked or math.isnan(history[-1]):
            return LinearSolution(change, history[-1], tuple(history), n_products)
        tried = x + change
        remainder_tried = right - operator(tried)
        n_products += 1
        before, relative_tried = relative, norm(remainder_tried) / size
        if relative_tried < before:
            x, remainder, relative = tried, remainder_tried, relative_tried
        if not relative < 0.99 * before:
            break
    return LinearSolution(x, relative, tuple(history), n_products)


def _cycle(
    operator: LinearMap, preconditioner: LinearMap | None, start: Array, target: float, most: int
) -> tuple[Array, list[float]]:
    """The correction of one cycle from the residual `start`, and the residual's norm after each of its products."""
    size = norm(start)
    eps, estimates, basis, rotated = eps_of(start), list[float](), [start / size], [size]
    columns: list[list[float]] = []  # of R
    rotations: list[tuple[float, float]] = []
    for k in range(most):
        image = operator(basis[k] if preconditioner is None else preconditioner(basis[k]))
        check_image(image, start, "the operator of GMRES")
        if not is_finite(image):
            return 0.0 * start, [*estimates, math.nan]
        whole, column = norm(image), []
        for vector in basis:
            column.append(inner(vector, image))
            image = image - column[-1] * vector
        rest = norm(image)
        for i, (c, s) in enumerate(rotations):
            column[i], column[i + 1] = c * column[i] + s * column[i + 1], c * column[i + 1] - s * column[i]
        pivot = math.hypot(column[k], rest)
        if pivot <= SINGULAR * eps * whole:  # A is singular on this space: the vector adds nothing
            estimates.append(abs(rotated[k]))
            break
        rotations.append((column[k] / pivot, rest / pivot))
        rotated[k:] = [rotations[k][0] * rotated[k], -rotations[k][1] * rotated[k]]
        column[k] = pivot
        columns.append(column)
        estimates.append(abs(rotated[k + 1]))
        if estimates[-1] <= target or rest <= eps * whole:
            break
        basis.append(image / rest)
    return _combined(basis, columns, rotated, preconditioner), estimates


def _combined(
    basis: list[Array], columns: list[list[float]], rotated: list[float], preconditioner: LinearMap | None
) -> Array:
    """M⁻¹ V y with the triangular R y = rotated."""
    n = len(columns)
    y = [0.0] * n
    for i in reversed(range(n)):
        y[i] = (rotated[i] - sum(columns[j][i] * y[j] for j in range(i + 1, n))) / columns[i][i]
    combined = 0.0 * basis[0]
    for coefficient, vector in zip(y, basis):
        combined = combined + coefficient * vector
    return combined if preconditioner is None else preconditioner(combined)
