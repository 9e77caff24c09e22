"""Solvers of A x = b for a sparse symmetric positive definite matrix, one for many right-hand sides.

Each checks the residual of what it returns.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ..array import gpu_namespace, to_numpy
from ..errors import ConvergenceError, InputError
from ..optional import import_optional
from ..typing import Array, Backend

SolverName: TypeAlias = Literal["auto", "direct", "amg", "cg"]
SOLVERS = ("auto", "direct", "amg", "cg")
DIRECT_LIMIT = 20_000  # unknowns: above, the factors of a three-dimensional grid outgrow a multigrid hierarchy
ROUND_OFF = 16 * np.finfo(np.float64).eps  # of ‖A‖‖x‖: below it the residual is noise


class LinearSolver(Protocol):
    """What a solver offers."""

    def solve(self, b: Array) -> Array:
        """x (n,) with A x = b."""
        ...


@dataclass(frozen=True, eq=False)
class DirectSolver:
    """Sparse LU without pivoting, which a positive definite matrix does not need.

    Parameters
    ----------
    matrix : sparse array, (n, n)
    tolerance : float
        Bound on ‖b − A x‖/‖b‖ above round-off.
    """

    matrix: sp.csr_array
    tolerance: float

    @cached_property
    def _factors(self) -> Any:
        options = {"SymmetricMode": True}
        try:
            return splu(self.matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        except RuntimeError as error:
            raise ConvergenceError(
                f"Poisson's matrix cannot be factorised ({error}); check for extreme ratios of permittivities or grid "
                "spacings."
            ) from error

    def solve(self, b: Array) -> Array:
        """x (n,) with A x = b.

        Raises
        ------
        ConvergenceError
            When the matrix is singular, or the residual above the tolerance.
        """
        x = self._factors.solve(b)
        residual, bound = _norm(b - self.matrix @ x), _bound(self.matrix, b, x, self.tolerance)
        if not residual <= bound:
            raise ConvergenceError(
                f"the direct solution of Poisson's equation has the residual {residual:.3g} e, above {bound:.3g} e; "
                "the matrix is nearly singular: check for extreme ratios of permittivities or grid spacings.",
                residual=residual,
            )
        return x


@dataclass(frozen=True, eq=False)
class MultigridSolver:
    """Conjugate gradients, preconditioned by one V-cycle of classical algebraic multigrid with symmetric Gauss–Seidel.

    Parameters
    ----------
    matrix : sparse array, (n, n)
    tolerance : float
        Bound on ‖b − A x‖/‖b‖ above round-off.
    max_iterations : int

    Sources
    -------
    J. W. Ruge, K. Stüben, in Multigrid Methods (SIAM, 1987), Ch. 4.
    """

    matrix: sp.csr_array
    tolerance: float
    max_iterations: int = 200

    @cached_property
    def _cycle(self) -> Callable[[Array], Array]:
        smoother = ("gauss_seidel", {"sweep": "symmetric"})
        hierarchy = import_optional("pyamg", "solver=\"amg\" (\"direct\" and \"cg\" do without)").ruge_stuben_solver(
            sp.csr_matrix(self.matrix), CF="RS", presmoother=smoother, postsmoother=smoother
        )
        cycle: Callable[[Array], Array] = hierarchy.aspreconditioner(cycle="V").matvec
        return cycle

    def solve(self, b: Array) -> Array:
        """x (n,) with A x = b; raises as `conjugate_gradients` does."""
        return conjugate_gradients(self.matrix, b, self._cycle, self.tolerance, self.max_iterations)


@dataclass(frozen=True, eq=False)
class ConjugateGradientSolver:
    """Conjugate gradients, preconditioned by the diagonal, with SciPy's sparse matrices or on a GPU with CuPy's.

    Parameters
    ----------
    matrix : sparse array, (n, n)
    tolerance : float
        Bound on ‖b − A x‖/‖b‖ above round-off.
    backend : "cpu", "gpu" or None
        None is "cpu".
    max_iterations : int
    """

    matrix: sp.csr_array
    tolerance: float
    backend: Backend = None
    max_iterations: int = 20_000

    @cached_property
    def _moved(self) -> tuple[Any, Array, Callable[[Array], Array]]:
        """A and 1/diag(A) where they are used, and the way there."""
        if self.backend == "gpu":
            xp = gpu_namespace()
            matrix = importlib.import_module("cupyx.scipy.sparse").csr_matrix(sp.csr_matrix(self.matrix))
            return matrix, 1 / matrix.diagonal(), xp.asarray
        return self.matrix, 1 / self.matrix.diagonal(), np.asarray

    def solve(self, b: Array) -> Array:
        """x (n,) with A x = b, on the host; raises as `conjugate_gradients` does."""
        matrix, inverse_diagonal, move = self._moved
        x = conjugate_gradients(matrix, move(b), lambda r: inverse_diagonal * r, self.tolerance, self.max_iterations)
        return to_numpy(x)


def conjugate_gradients(
    matrix: Any, b: Array, precondition: Callable[[Array], Array], tolerance: float, max_iterations: int
) -> Array:
    """x with A x = b to ‖b − A x‖ ≤ tolerance ‖b‖ + 16 ε ‖A‖‖x‖, A and the preconditioner positive definite.

    Parameters
    ----------
    matrix : sparse matrix of SciPy or CuPy, (n, n)
    b : array, shape (n,)
        Of the matrix's library.
    precondition : callable
        r ↦ approximately A⁻¹ r.
    tolerance : float
    max_iterations : int

    Raises
    ------
    ConvergenceError
        When the true residual is above the bound after `max_iterations`.

    Sources
    -------
    Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), Algorithm 9.1.
    """
    x = 0 * b
    residual = b
    iterations = 0
    while True:
        bound = _bound(matrix, b, x, tolerance)
        if _norm(residual) <= bound:
            return x
        if iterations >= max_iterations:
            raise ConvergenceError(
                f"Poisson's equation: the residual is {_norm(residual):.3g} e after {iterations} steps of conjugate "
                f'gradients, above {bound:.3g} e; use solver="amg" or "direct", or smaller ratios of spacings.',
                residual=_norm(residual),
            )
        # The recurrence's residual drifts from the true one: start again from the true one until that is small enough.
        x, used = _descend(matrix, x, residual, precondition, bound, max_iterations - iterations)
        iterations += used
        residual = b - matrix @ x


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
        if _norm(residual) <= bound / 2:
            return x, step
        z = precondition(residual)
        rz, rz_before = float(residual @ z), rz
        direction = z + (rz / rz_before) * direction
    return x, limit


def linear_solver(matrix: sp.csr_array, solver: SolverName, backend: Backend, tolerance: float) -> LinearSolver:
    """The solver of that name; "auto" is direct up to 20,000 unknowns and "amg" above, "cg" on a GPU.

    Raises
    ------
    InputError
        For an unknown name, or a GPU with another solver than "cg".
    """
    check_solver(solver, backend, tolerance)
    if backend == "gpu" or solver == "cg":
        return ConjugateGradientSolver(matrix, tolerance, backend)
    if solver == "direct" or (solver == "auto" and matrix.shape[0] <= DIRECT_LIMIT):
        return DirectSolver(matrix, tolerance)
    return MultigridSolver(matrix, tolerance)


def check_solver(solver: str, backend: Backend, tolerance: float) -> None:
    """Raise `InputError` for a solver, backend or tolerance that does not exist."""
    if solver not in SOLVERS:
        raise InputError(f"solver = {solver!r} is not known; use one of {', '.join(map(repr, SOLVERS))}.")
    if backend not in (None, "cpu", "gpu"):
        raise InputError(f'backend = {backend!r} is not known; use "cpu" or "gpu".')
    if backend == "gpu" and solver not in ("auto", "cg"):
        raise InputError(f'backend = "gpu" has the solver "cg" only, not {solver!r}; use that, or backend="cpu".')
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance = {tolerance} must be between 0 and 1; it bounds the relative residual.")


def _norm(x: Array) -> float:
    return math.sqrt(float(x @ x))


def _bound(matrix: Any, b: Array, x: Array, tolerance: float) -> float:
    # ‖A‖ ≤ 2 max A_nn for a diagonally dominant matrix
    return tolerance * _norm(b) + ROUND_OFF * 2 * float(matrix.diagonal().max()) * _norm(x)
