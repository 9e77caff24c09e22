"""Where an optimisation ended, and the error it ends with when a step fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..array import brief_repr
from ..errors import ConvergenceError, NegfadjError
from ..typing import Array
from .objective import Objective
from .parameters import brief_values


class Iteration(NamedTuple):
    """Where an optimisation stands after one of its iterations: what a `callback` is given.

    Attributes
    ----------
    number : int
        1 after the first.
    x : array (n,)
        The method's point now, in scaled variables; a copy. `objective.parameters.values(x)` are the parameters.
    value : float
        The objective there.
    evaluations : int
        Evaluations of the objective so far, as in `Optimum.history`.
    start : int
        Of `multi_start`, the start that runs; else 0.
    """

    number: int
    x: Array
    value: float
    evaluations: int
    start: int = 0


Callback: TypeAlias = Callable[[Iteration], object]


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
    """Ends a method of SciPy from inside; the message says why."""


@dataclass(eq=False)
class Watch:
    """One optimisation as it runs: calls go through it, which counts them and keeps the best point."""

    objective: Objective
    max_evaluations: int | None
    callback: Callback | None = None
    history: list[float] = field(default_factory=list)
    best_x: Array | None = None
    gradients: int = 0
    iterations: int = 0
    recent: dict[bytes, float] = field(default_factory=dict)

    def __call__(self, function: Callable[[Array], Any], value_of: Callable[[Any], float], x: Array) -> Any:
        """function(x), recorded with its value; a failure names x and the best point so far."""
        if self.max_evaluations is not None and len(self.history) >= self.max_evaluations:
            raise Stop(f"stopped after {self.max_evaluations} evaluations (max_evaluations)")
        found = self.guarded(function, x)
        value = value_of(found)
        if self.best_x is None or value < min(self.history):
            self.best_x = np.array(x)
        self.history.append(value)
        if self.callback is not None:
            self.recent[x.tobytes()] = value
        return found

    def iterated(self, x: Array, _state: Any = None) -> None:
        """Call the callback after an iteration that ended at x; the form in which SciPy's methods call theirs.

        trust-constr calls it with its state beside x, and at the start too, which is no iteration.
        """
        if self.callback is None or len(self.history) < 2:
            return
        x = np.array(x)
        self.iterations += 1
        value = self._value_at(x)
        self.recent = {x.tobytes(): value}
        try:
            self.callback(Iteration(self.iterations, x, value, len(self.history)))
        except StopIteration:
            raise Stop(f"stopped by the callback after iteration {self.iterations}") from None
        except Exception as error:
            error.add_note(f"in the callback after iteration {self.iterations} of the optimisation; {self._best()}")
            raise

    def _value_at(self, x: Array) -> float:
        """The objective at x, which the search has met, but may give back with another rounding (TNC)."""
        found = self.recent.get(x.tobytes())
        if found is not None:
            return found
        if self.best_x is not None and np.array_equal(x, self.best_x):
            return min(self.history)
        return float(self.guarded(self.objective.value, x))

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
            error.add_note(
                f"in step {len(self.history) + 1} of the optimisation, at {self._place(x)}; {self._best()}"
            )
            raise

    def _best(self) -> str:
        if self.best_x is None:
            return "there is no value yet (objective.best)"
        return f"the best value so far is {min(self.history):.8g} at {self._place(self.best_x)} (objective.best)"

    def _place(self, x: Array) -> str:
        """The parameters at x in one line."""
        return brief_values(self.objective.parameters.values(x)) if np.all(np.isfinite(x)) else f"x = {x}"

    def optimum(self, x: Array, success: bool, message: str) -> Optimum:
        """What is given back at the end."""
        assert self.best_x is not None
        return Optimum(
            x,
            self._value_at(x),  # a method of SciPy that refuses its options reports 0 as its own
            self.best_x,
            min(self.history),
            self.objective.parameters.values(self.best_x),
            np.array(self.history),
            self.gradients,
            success,
            message,
        )

    def stopped(self, stop: Stop) -> Optimum:
        """What is given back when the search was ended from inside."""
        assert self.best_x is not None
        return self.optimum(self.best_x, False, f"{stop}; the best point met is returned.")
