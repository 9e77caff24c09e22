"""Preconditioned conjugate gradients: A x = b for a symmetric positive definite A, in any array library.

Sources: Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), Algorithm 9.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..array import array_namespace
from ..errors import ConvergenceError
from ..typing import Array

ROUND_OFF = 16 * 2.220446049250313e-16  # of ‖A‖‖x‖: below it the residual is noise


def conjugate_gradients(
    matrix: Any, b: Array, precondition: Callable[[Array], Array], tolerance: float, max_iterations: int
) -> Array:
    """x with A x = b to ‖b − A x‖ ≤ tolerance ‖b‖ + 16 ε ‖A‖‖x‖, A and the preconditioner positive definite.

    Parameters
    ----------
    matrix : object with ``matrix @ x`` and ``diagonal()``, (n, n)
        Of the library and on the device of b: SciPy's or CuPy's sparse matrices, `PaddedRows`.
    b : array, shape (n,)
    precondition : callable
        r ↦ approximately A⁻¹ r.
    tolerance : float
    max_iterations : int

    Raises
    ------
    ConvergenceError
        When the true residual is above the bound after `max_iterations`.
    """
    x = 0 * b
    residual = b
    iterations = 0
    while True:
        bound = residual_bound(matrix, b, x, tolerance)
        if norm(residual) <= bound:
            return x
        if iterations >= max_iterations:
            raise ConvergenceError(
                f"Poisson's equation: the residual is {norm(residual):.3g} e after {iterations} steps of conjugate "
                f'gradients, above {bound:.3g} e; use solver="amg" or "direct", or smaller ratios of spacings.',
                residual=norm(residual),
            )
        # The recurrence's residual drifts from the true one: start again from the true one until that is small enough.
        x, used = _descend(matrix, x, residual, precondition, bound, max_iterations - iterations)
        iterations += used
        residual = b - matrix @ x


def residual_bound(matrix: Any, b: Array, x: Array, tolerance: float) -> float:
    """What ‖b − A x‖ may be: tolerance ‖b‖ + 16 ε ‖A‖‖x‖."""
    # ‖A‖ ≤ 2 max A_nn for a diagonally dominant matrix
    largest = float(array_namespace(b).max(matrix.diagonal()))
    return tolerance * norm(b) + ROUND_OFF * 2 * largest * norm(x)


def norm(x: Array) -> float:
    """‖x‖₂ on the host."""
    return math.sqrt(float(x @ x))


def _descend(
    matrix: Any, x: Array, residual: Array, precondition: Callable[[Array], Array], bound: float, limit: int
) -> tuple[Array, int]:
    """Conjugate-gradient steps from x until the recurrence's residual is within the bound, and their number."""
    z = precondition(residual)
    direction, rz = z, float(residual @ z)
    for step in range(1, limit + 1):
        product = matrix @ direction
        length = rz / float(direction @ product)
        x = x + length * direction
        residual = residual - length * product
        if norm(residual) <= bound / 2:
            return x, step
        z = precondition(residual)
        rz, rz_before = float(residual @ z), rz
        direction = z + (rz / rz_before) * direction
    return x, limit
