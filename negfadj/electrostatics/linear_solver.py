"""Solvers of A x = b for a sparse symmetric positive definite matrix, one for many right-hand sides.

Each checks the residual of what it returns.
"""

from __future__ import annotations

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
from .conjugate_gradients import conjugate_gradients, norm, residual_bound
from .padded_rows import padded_rows

SolverName: TypeAlias = Literal["auto", "direct", "amg", "cg"]
SOLVERS = ("auto", "direct", "amg", "cg")
DIRECT_LIMIT = 20_000  # unknowns: above, the factors of a three-dimensional grid outgrow a multigrid hierarchy


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
        residual, bound = norm(b - self.matrix @ x), residual_bound(self.matrix, b, x, self.tolerance)
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
    """Conjugate gradients, preconditioned by the diagonal: on the host by SciPy's rows, on a GPU by padded ones.

    Parameters
    ----------
    matrix : sparse array, (n, n)
    tolerance : float
        Bound on ‖b − A x‖/‖b‖ above round-off.
    backend : "cpu", "gpu" or None
        None is "cpu". The matrix is moved once, and every right-hand side and solution.
    max_iterations : int
    """

    matrix: sp.csr_array
    tolerance: float
    backend: Backend = None
    max_iterations: int = 20_000

    @cached_property
    def _moved(self) -> tuple[Any, Array, Callable[[Any], Array]]:
        """A and 1/diag(A) where they are used, and the way there."""
        move = gpu_namespace().asarray if self.backend == "gpu" else np.asarray
        matrix = padded_rows(self.matrix, move) if self.backend == "gpu" else self.matrix
        return matrix, 1 / matrix.diagonal(), move

    def solve(self, b: Array) -> Array:
        """x (n,) with A x = b, on the host; raises as `conjugate_gradients` does."""
        matrix, inverse_diagonal, move = self._moved
        x = conjugate_gradients(matrix, move(b), lambda r: inverse_diagonal * r, self.tolerance, self.max_iterations)
        return to_numpy(x)


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
