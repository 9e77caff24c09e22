"""What a fixed-point iteration returns, and the error it ends with otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..array import STATIC
from ..errors import ConvergenceError
from ..typing import Array


@dataclass(frozen=True, eq=False)
class FixedPointSolution:
    """A converged x and how it was reached.

    Attributes
    ----------
    x : array, shape (n,)
        The solution.
    residual_vector : array, shape (n,)
        F(x), or g(x) − x, of exactly this x.
    history : tuple of float
        max |F| at the start and after every step; the last is that of x.
    norm_history : tuple of float
        ‖F‖₂ likewise.
    n_steps, n_krylov_steps, n_evaluations : int
        Accepted steps, products with the Jacobian, evaluations of F or g.
    """

    x: Array
    residual_vector: Array
    history: tuple[float, ...] = field(metadata=STATIC)
    norm_history: tuple[float, ...] = field(metadata=STATIC)
    n_steps: int = field(metadata=STATIC)
    n_krylov_steps: int = field(metadata=STATIC)
    n_evaluations: int = field(metadata=STATIC)

    @property
    def residual(self) -> float:
        """max |F(x)|."""
        return self.history[-1]


class FixedPointError(ConvergenceError):
    """A fixed-point iteration, or the linear solve of its derivative, ended above its tolerance.

    Attributes
    ----------
    residual : float
        The smallest max |F| met, that of `x`.
    history : tuple of float
        Residuals step by step: max |F| of an iteration, relative 2-norms of a linear solve.
    x : array (n,) or None
        Where the residual was smallest: a guess to start again from, no solution.
    residual_vector : array (n,) or None
        F(x), which says where the residual is largest.
    reason : str
        The message without its advice, which is for those who call the method themselves.
    n_krylov_steps, n_evaluations : int
        What it cost, as in `FixedPointSolution`; 0 where it is not counted.
    """

    def __init__(
        self,
        message: str,
        *,
        residual: float = float("nan"),
        history: Sequence[float] = (),
        x: Array = None,
        residual_vector: Array = None,
        n_krylov_steps: int = 0,
        n_evaluations: int = 0,
        advice: str = "",
    ) -> None:
        super().__init__(f"{message}; {advice}" if advice else message, residual=residual)
        self.reason = message
        self.history = tuple(history)
        self.x = x
        self.residual_vector = residual_vector
        self.n_krylov_steps = n_krylov_steps
        self.n_evaluations = n_evaluations
