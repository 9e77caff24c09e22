"""A function of a flat real vector, with its exact gradient: terms of quantities of a model at parameters x."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple

import numpy as np

from ..array import brief_repr
from ..errors import ConvergenceError, InputError, InputTypeError, NegfadjError
from ..physics.lead_cache import LeadCache, lead_cache
from ..typing import Array, ArrayLike
from .cotangents import bar_beside, plus
from .differences import derivative, subject_tangent
from .jacobian_rows import value_and_rows
from .model import Model
from .named_cotangents import check_names, check_shapes
from .parameters import as_parameters
from .quantity import Quantity
from .second_order import value_tangent_pullback
from .terms import Term

CACHE_BYTES = 1e9
PULLBACK = "the pullback of the model"
STEP = 1e-3  # how far differences move a scaled variable, which is meant to be of order one
LEAST_STEP = 1e-6  # but not less than this share of the variable itself, where rounding of x would show


class Best(NamedTuple):
    """The point with the smallest value met, and that value."""

    x: Array
    value: float


@dataclass(eq=False)
class _Record:
    """What an objective remembers between calls; the mathematics does not depend on it."""

    evaluations: int = 0
    best: Best | None = None
    last: tuple[bytes, float, Array] | None = None
    values: tuple[bytes, list[Array]] | None = None


@dataclass(frozen=True, eq=False)
class Objective:
    """A sum of terms as a function of x, the flat vector of a model's free parameters.

        L(x) = Σ_t L_t(q(model(x))),      dL/dx = Σ_q (∂model/∂x)† (∂q/∂model)† ∂L/∂q

    Parameters
    ----------
    model : Model
        `HamiltonianEntries`, `TightBindingModel`, `FunctionModel`, or an object with model(values) and
        model.vjp(values).
    parameters : Parameters, or sequence of Parameter
    terms : Term or sequence of them
        `Match`, `Maximise`, `Minimise`, `LogRatio`.
    cache : LeadCache or bool, optional
        Keeps surface functions between calls; default where the model's leads do not move, in at most 1 GB.
    hessian_method : "exact" or "differences"
        Second derivatives by the quantities' own (tangent over adjoint), or by extrapolated differences of exact
        gradients, for any quantity, at the price of some eight gradients.

    Attributes
    ----------
    x0 : array, shape (n,) — the start; a copy, so that `x = objective.x0; x -= step` leaves the objective as it is
    bounds : pair of arrays, shape (n,) — lower and upper, of x; copies
    names : tuple of str — of the variables

    Raises
    ------
    InputError, InputTypeError
        For a parameter that the model does not know; by the methods, for an x of the wrong length or not finite, for a
        pullback of the model that leaves out or misspells a free parameter, and whatever model and quantities raise.

    Notes
    -----
    `value_and_gradient` runs every quantity once. Memory is that of the quantities' pullbacks together.

    Where differences are taken, no variable x_i moves by more than 1e-3, or by 1e-6 |x_i| where that is more: a
    thousandth of the parameter's `scale`.
    """

    model: Any
    parameters: Any
    terms: Any
    cache: Any = None
    hessian_method: Literal["exact", "differences"] = "exact"
    _record: _Record = field(default_factory=_Record, init=False, repr=False)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise InputTypeError(
                f"model is a {type(self.model).__name__}; it needs model(values) and model.vjp(values), as "
                "na.HamiltonianEntries has, or wrap a function in na.FunctionModel."
            )
        if self.hessian_method not in ("exact", "differences"):
            raise InputError(f'hessian_method={self.hessian_method!r} is not known; use "exact" or "differences".')
        one = isinstance(self.terms, Term | Quantity) or not isinstance(self.terms, Iterable)
        terms = (self.terms,) if one else tuple(self.terms)
        for t in terms:
            if isinstance(t, Quantity):
                raise InputTypeError(
                    f"the quantity {t.name} is no term; wrap it in na.Match(quantity, target), na.Minimise(quantity) "
                    "or na.Maximise(quantity)."
                )
            if not isinstance(t, Term):
                raise InputTypeError(f"terms hold a {type(t).__name__}; pass na.Match, na.Maximise, na.Minimise, ….")
        if not terms:
            raise InputError("an objective needs at least one term.")
        object.__setattr__(self, "terms", terms)
        object.__setattr__(self, "parameters", as_parameters(self.parameters))
        known = getattr(self.model, "names", None)
        for p in self.parameters.given:
            if known is not None and p.name not in known:
                raise InputError(
                    f"parameter {p.name!r} is not known to the model; it knows {', '.join(map(repr, known))}."
                )
        if hasattr(self.model, "restricted_to"):
            object.__setattr__(self, "model", self.model.restricted_to(self._free))
        object.__setattr__(self, "cache", self._chosen_cache(self.cache))

    @property
    def x0(self) -> Array:
        """The start, shape (n,); a copy."""
        found: Array = self.parameters.x0
        return found

    @property
    def bounds(self) -> tuple[Array, Array]:
        """(lower, upper) of x; copies."""
        found: tuple[Array, Array] = self.parameters.bounds
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        found: tuple[str, ...] = self.parameters.names
        return found

    @property
    def evaluations(self) -> int:
        """How often quantities were calculated.

        A value, a value with its gradient, residuals, a Jacobian, and an exact Hessian-vector product count one each; a
        product by differences one for each of its gradients; the value or gradient at the x of the last gradient none.
        """
        return self._record.evaluations

    @property
    def best(self) -> Best | None:
        """The smallest value met so far, and where, a copy; None before the first."""
        found = self._record.best
        return None if found is None else Best(found.x.copy(), found.value)

    def subject(self, x: ArrayLike) -> Any:
        """What the model makes of x: the device."""
        return self.model(self.parameters.values(x))

    def value(self, x: ArrayLike) -> float:
        """L(x)."""
        x = self.parameters.checked(x)
        last = self._record.last
        if last is not None and last[0] == x.tobytes():
            return last[1]
        value = self._sum(self._values(x))
        self._remember(x, value)
        return value

    def value_and_gradient(self, x: ArrayLike) -> tuple[float, Array]:
        """L(x), a float, and dL/dx, float64 of shape (n,): what scipy.optimize.minimize takes with jac=True."""
        x = self.parameters.checked(x)
        last = self._record.last
        if last is not None and last[0] == x.tobytes():
            return last[1], last[2].copy()
        total, gradient = self._value_and_gradient(x)
        self._remember(x, total)
        self._record.last = (x.tobytes(), total, gradient)
        return total, gradient.copy()

    def gradient(self, x: ArrayLike) -> Array:
        """dL/dx; with `value` at the same x before it, prefer `value_and_gradient`."""
        return self.value_and_gradient(x)[1]

    def residuals(self, x: ArrayLike) -> Array:
        """r(x) of all terms, one after the other, with Σ r² = L: every term is a Match of squares."""
        x = self.parameters.checked(x)
        found = np.concatenate([r for r, _ in self._residuals(self._values(x))])
        self._remember(x, float(found @ found))
        return found

    def jacobian(self, x: ArrayLike) -> Array:
        """dr/dx of `residuals`, shape (n_residuals, n), row by row.

        The rows of T(E) come from one extra sweep (`transmission_gradients`) where the model names its entries by
        `wrt`. Of other quantities columns come from tangents where there are fewer variables than numbers and the
        quantity has a tangent; else rows from pullbacks, energy by energy where it is made so.
        """
        x = self.parameters.checked(x)
        with self._caching():
            made, model_pullback = self._model_vjp(x)
            directions = partial(self._directions, made, x)
            values, rows = [], []
            for quantity, known in zip(self.quantities, self._known_values(x)):
                value, found = value_and_rows(
                    quantity, made, model_pullback, self._wrt(quantity), self.model, self.parameters, directions, known
                )
                values.append(value)
                rows.append(found)
        self._record.evaluations += 1
        parts = [
            slope[:, None] * self._of(term, rows)[0]
            for term, (_, slope) in zip(self.terms, self._residuals(values))
        ]
        return self._checked_gradient(np.concatenate(parts))

    def hessian_vector_product(self, x: ArrayLike, v: ArrayLike) -> Array:
        """(d²L/dx²) v, float64 of shape (n,): the tangent, along v, of the pullback.

        Parameters
        ----------
        x, v : arrays, shape (n,)

        Raises
        ------
        InputError
            Naming a quantity that has no second derivatives; Objective(…, hessian_method="differences") takes
            differences of exact gradients in their stead.
        """
        x, v = self.parameters.checked(x), self.parameters.checked(v, "v")
        if not np.any(v):
            return np.zeros_like(x)
        with self._caching():
            if self.hessian_method == "differences":
                return self._checked_gradient(self._differences(x, v))
            return self._checked_gradient(self._second_order(x, v))

    def hessian(self, x: ArrayLike) -> Array:
        """d²L/dx², shape (n, n), column by column, made symmetric: n Hessian-vector products."""
        columns = [self.hessian_vector_product(x, e) for e in np.eye(self.parameters.n_variables)]
        found = np.stack(columns, axis=1)
        return (found + found.T) / 2

    def check(self, x: ArrayLike | None = None) -> None:
        """Raise `InputError`, naming them, for variables that nothing depends on.

        Parameters
        ----------
        x : array, shape (n,), optional
            Where gradients are looked at; default x0. A component that is exactly zero there is looked at again at a
            random point near by: symmetry makes zeros that do not last. Where the objective has no value at that point,
            nothing is known, and nothing refused.
        """
        x = self.parameters.x0 if x is None else self.parameters.checked(x)
        idle = self.gradient(x) == 0
        if np.any(idle):
            step = _reach(x) * np.random.default_rng(0).uniform(0.5, 1.0, x.shape)
            lower, upper = self.bounds
            near = np.where(x + step <= upper, x + step, np.maximum(x - step, lower))
            try:
                idle &= self._value_and_gradient(near)[1] == 0
            except NegfadjError:
                return
        if np.any(idle):
            names = [self.names[i] for i in np.flatnonzero(idle)]
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise InputError(f"no term depends on {shown}: fix them (fixed=True), or leave them out.")

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities of all terms, each once."""
        found: dict[int, Quantity] = {id(q): q for term in self.terms for q in term.quantities}
        return tuple(found.values())

    @cached_property
    def _places(self) -> dict[int, int]:
        return {id(q): i for i, q in enumerate(self.quantities)}

    @property
    def _free(self) -> tuple[str, ...]:
        """The parameters with a free entry."""
        return tuple(p.name for p in self.parameters.given if not np.all(p.fixed))

    def _model_vjp(self, x: Array) -> tuple[Any, Callable[[Any], Mapping[str, Any]]]:
        """The subject and the model's pullback, which is refused where it leaves out or misspells a parameter."""
        values = self.parameters.values(x)
        made, pullback = self.model.vjp(values)
        known = tuple(dict.fromkeys((*values, *(getattr(self.model, "names", None) or ()))))

        def model_pullback(subject_bar: Any) -> Mapping[str, Any]:
            found: Mapping[str, Any] = pullback(subject_bar)
            check_names(found, known, self._free, PULLBACK)
            check_shapes(found, {name: values[name] for name in self._free}, PULLBACK)
            return found

        return made, model_pullback

    def _value_and_gradient(self, x: Array) -> tuple[float, Array]:
        with self._caching():
            made, model_pullback = self._model_vjp(x)
            values, pullbacks = [], []
            for quantity in self.quantities:
                value, pullback = quantity.vjp(made)
                values.append(value)
                pullbacks.append(pullback)
            total, bars = self._total(values)
            return total, self._pulled(made, model_pullback, pullbacks, bars)

    def _differences(self, x: Array, v: Array) -> Array:
        """(g(x + tv) − g(x − tv)) / 2t, extrapolated to t = 0."""

        def gradient(t: float) -> Array:
            self._record.evaluations += 1
            return self._value_and_gradient(x + t * v)[1]

        return derivative(gradient, _step(x, v))[0]

    def _second_order(self, x: Array, v: Array) -> Array:
        """ẋ̄ = P†(M† s̄˙ + Ṁ† s̄), with s the subject, q̇ = ∂q ṡ, and s̄˙ from the quantities' own second derivatives."""
        made, model_pullback = self._model_vjp(x)
        made_dot = self._pushforward(made, x)(v)
        found = [value_tangent_pullback(q, made, made_dot) for q in self.quantities]
        values, tangents = [value for value, _, _ in found], [tangent for _, tangent, _ in found]
        bars, bar_dots = self._total(values)[1], self._bar_dots(values, tangents)
        subject_bar, subject_bar_dot = None, None
        for q, (_, _, pullback), bar, bar_dot in zip(self.quantities, found, bars, bar_dots):
            first, second = pullback(bar, bar_dot, self._wrt(q))
            subject_bar = plus(subject_bar, bar_beside(made, q.of, first))
            subject_bar_dot = plus(subject_bar_dot, bar_beside(made, q.of, second))
        self._record.evaluations += 1
        product = self.parameters.gradient(model_pullback(subject_bar_dot))
        if getattr(self.model, "is_linear", False):
            return product

        def pulled(t: float) -> Array:
            there = self._model_vjp(x + t * v)[1]
            return self.parameters.gradient(there(subject_bar))

        return product + derivative(pulled, _step(x, v))[0]

    def _directions(self, made: Any, x: Array) -> Iterator[Any]:
        """How the subject moves with every variable."""
        moved = self._pushforward(made, x)
        for e in np.eye(self.parameters.n_variables):
            yield moved(e)

    def _pushforward(self, made: Any, x: Array) -> Callable[[Array], Any]:
        """From a direction of x to how the subject moves: the model's own, or by differences."""
        values = self.parameters.values(x)
        if hasattr(self.model, "pushforward"):
            moved = self.model.pushforward(values)
            return lambda v: moved(self.parameters.tangent(v))
        if hasattr(self.model, "tangent"):
            return lambda v: self.model.tangent(values, self.parameters.tangent(v))
        return lambda v: subject_tangent(
            lambda t: self.model(self.parameters.values(x + t * v)), made, _step(x, v)
        )

    def _bar_dots(self, values: Sequence[Array], tangents: Sequence[Array]) -> list[Array]:
        found = [np.zeros(np.shape(value)) for value in values]
        for term in self.terms:
            parts = term.bars_tangent(self._of(term, values), self._of(term, tangents))
            for q, part in zip(term.quantities, parts):
                found[self._places[id(q)]] += part
        return found

    def _values(self, x: Array) -> list[Array]:
        with self._caching():
            made = self.model(self.parameters.values(x))
            values = [quantity(made) for quantity in self.quantities]
        self._record.values = (x.tobytes(), values)
        return values

    def _known_values(self, x: Array) -> Sequence[Array | None]:
        """The quantities where they were calculated last, when that was at x; as least squares asks, r before dr/dx."""
        found = self._record.values
        return found[1] if found is not None and found[0] == x.tobytes() else [None] * len(self.quantities)

    def _of(self, term: Any, items: Sequence[Any]) -> list[Any]:
        return [items[self._places[id(q)]] for q in term.quantities]

    def _sum(self, values: Sequence[Array]) -> float:
        return float(sum(term.value_and_bars(self._of(term, values))[0] for term in self.terms))

    def _total(self, values: Sequence[Array]) -> tuple[float, list[Array]]:
        """L and dL/dq of every quantity."""
        total, bars = 0.0, [np.zeros(np.shape(v)) for v in values]
        for term in self.terms:
            value, term_bars = term.value_and_bars(self._of(term, values))
            total += value
            for q, bar in zip(term.quantities, term_bars):
                bars[self._places[id(q)]] += bar
        return float(total), bars

    def _residuals(self, values: Sequence[Array]) -> list[tuple[Array, Array]]:
        for term in self.terms:
            if not hasattr(term, "residuals"):
                raise InputError(
                    f"a {type(term).__name__} term has no residuals; least squares needs Match terms: use minimize."
                )
        return [term.residuals(self._of(term, values)) for term in self.terms]

    def _pulled(
        self,
        made: Any,
        model_pullback: Callable[[Any], Mapping[str, Any]],
        pullbacks: Sequence[Callable[..., Any]],
        bars: Sequence[Array],
    ) -> Array:
        """x̄: cotangents of the subject, those formed by `wrt` and whole ones apart, through the model."""
        by_kind: dict[bool, Any] = {}
        for quantity, pullback, bar in zip(self.quantities, pullbacks, bars):
            if not np.any(bar):
                continue
            subject_bar, asked = pullback(bar, self._wrt(quantity))
            by_kind[asked] = plus(by_kind.get(asked), bar_beside(made, quantity.of, subject_bar))
        gradient = np.zeros(self.parameters.n_variables)
        for bar in by_kind.values():
            if bar is not None:
                gradient = gradient + self._checked_gradient(self.parameters.gradient(model_pullback(bar)))
        return gradient

    def _checked_gradient(self, gradient: Array) -> Array:
        if not np.all(np.isfinite(gradient)):
            i = int(np.argmin(np.all(np.isfinite(np.atleast_2d(gradient)), axis=0)))
            raise InputError(
                f"the gradient by {self.names[i]!r} is not finite; check the derivatives of the model, or its pullback."
            )
        return gradient

    def _wrt(self, quantity: Quantity) -> Any:
        wrt = getattr(self.model, "wrt", None)
        return wrt.get(quantity.of) if isinstance(wrt, Mapping) else wrt

    def _remember(self, x: Array, value: float) -> None:
        self._record.evaluations += 1
        if not np.isfinite(value):
            raise ConvergenceError(f"the objective is {value} at this x; check the model and the targets.")
        if self._record.best is None or value < self._record.best.value:
            self._record.best = Best(x.copy(), value)

    def _chosen_cache(self, cache: Any) -> LeadCache | None:
        if cache is None:
            cache = bool(getattr(self.model, "has_constant_leads", False))
        if isinstance(cache, bool):
            return LeadCache(CACHE_BYTES) if cache else None
        if not isinstance(cache, LeadCache):
            raise InputTypeError(f"cache is a {type(cache).__name__}; pass a na.LeadCache, True or False.")
        return cache

    @contextmanager
    def _caching(self) -> Iterator[None]:
        if self.cache is None:
            yield
            return
        with lead_cache(cache=self.cache):
            yield


def _reach(x: Array) -> Array:
    """How far differences may move every variable."""
    return np.maximum(STEP, LEAST_STEP * np.abs(x))


def _step(x: Array, v: Array) -> float:
    """The largest t for which x + t v moves no variable farther than it may."""
    moving = v != 0
    return float(np.min(_reach(x)[moving] / np.abs(v[moving])))
