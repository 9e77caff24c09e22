"""Where an optimisation ended, and the error it ends with when a step fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..array import brief_repr
from ..errors import ConvergenceError, NegfadjError
from ..typing import Array
from .objective import Objective
from .parameters import brief_values


@dataclass(frozen=True, eq=False)
class Optimum:
    """How an optimisation ended.

    Attributes
    ----------
    x, value : array (n,), float
        Where the method ended, and the objective there, whatever the method itself reports.
    best_x, best_value : array (n,), float
        The smallest value met on the way.
    parameters : dict
        The parameters by name at `best_x`, in the model's units.
    history : array, shape (n_evaluations,)
        The objective, evaluation by evaluation: a value, alone or with its gradient, or residuals, that SciPy asked
        for, an x asked for again too. Jacobians, Hessian-vector products and the look at idle variables before the
        start are not in it.
    gradients : int
        Evaluations with gradient, or of the Jacobian.
    success : bool
        Whether the method says that it has converged.
    message : str
        Why it ended.
    """

    x: Array
    value: float
    best_x: Array
    best_value: float
    parameters: dict[str, Any]
    history: Array
    gradients: int
    success: bool
    message: str

    __repr__ = brief_repr

    @property
    def evaluations(self) -> int:
        """Evaluations of the objective, as in `history`; `max_evaluations` counts the same."""
        return len(self.history)


class OptimisationError(ConvergenceError):
    """A step of an optimisation led where the objective has no value; the best point met is kept.

    Attributes
    ----------
    best_x : array (n,)
        Where to start again.
    best_value : float
    history : array, shape (n_evaluations,)
    energies, residual
        Of the error that ended it.
    """

    def __init__(
        self,
        message: str,
        *,
        best_x: Array,
        best_value: float,
        history: Array,
        energies: list[float] | None = None,
        residual: float = float("nan"),
    ) -> None:
        super().__init__(message, energies=energies, residual=residual)
        self.best_x = best_x
        self.best_value = best_value
        self.history = history


class Stop(Exception):
    """Ends a method of SciPy from inside the objective: the evaluations allowed are used up."""


@dataclass(eq=False)
class Watch:
    """One optimisation as it runs: calls go through it, which counts them and keeps the best point."""

    objective: Objective
    max_evaluations: int | None
    history: list[float] = field(default_factory=list)
    best_x: Array | None = None
    gradients: int = 0

    def __call__(self, function: Callable[[Array], Any], value_of: Callable[[Any], float], x: Array) -> Any:
        """function(x), recorded with its value; a failure names x and the best point so far."""
        if self.max_evaluations is not None and len(self.history) >= self.max_evaluations:
            raise Stop
        found = self.guarded(function, x)
        value = value_of(found)
        if self.best_x is None or value < min(self.history):
            self.best_x = np.array(x)
        self.history.append(value)
        return found

    def guarded(self, function: Callable[[Array], Any], x: Array) -> Any:
        """function(x), or an `OptimisationError`; the first point's own error as it is.

        An error that is not of negfadj, as a ValueError of the user's function, keeps its type and gets a note.
        """
        try:
            return function(x)
        except NegfadjError as error:
            if self.best_x is None:
                raise
            at = self._place(x)
            raise OptimisationError(
                f"step {len(self.history) + 1} of the optimisation failed at {at}: {error} The best value so far is "
                f"{min(self.history):.8g} (.best_x of this error): start again from it, with tighter bounds.",
                best_x=self.best_x,
                best_value=min(self.history),
                history=np.array(self.history),
                energies=getattr(error, "energies", None),
                residual=getattr(error, "residual", float("nan")),
            ) from error
        except Exception as error:
            best = "there is no value yet"
            if self.best_x is not None:
                best = f"the best value so far is {min(self.history):.8g} at {self._place(self.best_x)}"
            error.add_note(
                f"in step {len(self.history) + 1} of the optimisation, at {self._place(x)}; {best} (objective.best)"
            )
            raise

    def _place(self, x: Array) -> str:
        """The parameters at x in one line."""
        return brief_values(self.objective.parameters.values(x)) if np.all(np.isfinite(x)) else f"x = {x}"

    def optimum(self, x: Array, success: bool, message: str) -> Optimum:
        """What is given back at the end."""
        assert self.best_x is not None
        # a method of SciPy that refuses its options reports 0 as its value
        value = min(self.history) if np.array_equal(x, self.best_x) else self.guarded(self.objective.value, x)
        return Optimum(
            x,
            value,
            self.best_x,
            min(self.history),
            self.objective.parameters.values(self.best_x),
            np.array(self.history),
            self.gradients,
            success,
            message,
        )

    def stopped(self) -> Optimum:
        """What is given back when the evaluations are used up."""
        assert self.best_x is not None
        message = f"stopped after {self.max_evaluations} evaluations (max_evaluations); the best point met is returned."
        return self.optimum(self.best_x, False, message)
