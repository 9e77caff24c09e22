"""The terms an objective is a sum of: each a number to be made small, made of quantities' arrays.

A term gives its value and the cotangents of its quantities at once, their tangents for second derivatives and, where
it is a sum of squares, its residuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from ..array import is_array, to_numpy
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .quantity import Quantity


@runtime_checkable
class Term(Protocol):
    """What an objective asks of a term; a class of the user's with these will do."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities it is made of."""
        ...

    def value_and_bars(self, values: Sequence[Array]) -> tuple[float, tuple[Array, ...]]:
        """L and dL/dv of the quantities' values v."""
        ...

    def bars_tangent(self, values: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        """How dL/dv moves when v moves along `tangents`."""
        ...


@dataclass(frozen=True, eq=False)
class Match:
    """The mean of the squares, or of the absolute values, of a quantity less its target.

        L = w Σ_i w_i (v_i − t_i)² / Σ_i w_i      or      L = w Σ_i w_i (√((v_i − t_i)² + s²) − s) / Σ_i w_i

    Parameters
    ----------
    quantity : Quantity
    target : array of the quantity's shape, or a float
    weight : float
        w, zero or positive.
    weights : array of the quantity's shape, optional
        w_i, zero or positive; default all equal.
    norm : "squares" or "absolute"
        Squares are what least squares (`fit`) works on.
    smoothing : float
        s of norm="absolute", in the quantity's units: the corner at v = t is rounded over about s. Default 0: the
        corner stays, with the slope 0 at v = t.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        When built; a target of the wrong length when first compared.
    """

    quantity: Quantity
    target: Array
    weight: float = 1.0
    weights: Array | None = None
    norm: Literal["squares", "absolute"] = "squares"
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_quantity(self.quantity, "Match")
        if self.norm not in ("squares", "absolute"):
            raise InputError(f'norm={self.norm!r} is not known; use "squares" or "absolute".')
        object.__setattr__(self, "target", _real(self.target, "target"))
        object.__setattr__(self, "weight", _weight(self.weight))
        object.__setattr__(self, "weights", _weights(self.weights))
        if not (np.isfinite(self.smoothing) and self.smoothing >= 0):
            raise InputError(f"smoothing={self.smoothing!r} must be zero or positive.")

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The one quantity."""
        return (self.quantity,)

    def value_and_bars(self, values: Sequence[Array]) -> tuple[float, tuple[Array, ...]]:
        """L and dL/dv."""
        difference, share = self._difference(values[0]), self._share(values[0])
        if self.norm == "squares":
            return float(np.sum(share * difference**2)), (2 * share * difference,)
        size = np.hypot(difference, self.smoothing)
        slope = np.sign(difference) if self.smoothing == 0 else difference / size
        return float(np.sum(share * (size - self.smoothing))), (share * slope,)

    def bars_tangent(self, values: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        """2 w_i v̇_i of squares; w_i s² v̇_i / √(d² + s²)³ of absolute values."""
        share = self._share(values[0])
        if self.norm == "squares":
            return (2 * share * tangents[0],)
        if self.smoothing == 0:
            return (np.zeros_like(values[0]),)
        size = np.hypot(self._difference(values[0]), self.smoothing)
        return (share * self.smoothing**2 * tangents[0] / size**3,)

    def residuals(self, values: Sequence[Array]) -> tuple[Array, Array]:
        """r with Σ r² = L, flat, and dr/dv."""
        if self.norm != "squares":
            raise InputError(
                'Match(norm="absolute") is no sum of squares; use norm="squares" for least squares, or minimize.'
            )
        root = np.sqrt(self._share(values[0]))
        return (root * self._difference(values[0])).reshape(-1), root.reshape(-1)

    def _difference(self, value: Array) -> Array:
        if self.target.shape not in ((), value.shape):
            raise ShapeError(
                f"the target of {self.quantity.name} has shape {self.target.shape} but the quantity {value.shape}; "
                "give one number for each of its entries, on the same grid."
            )
        return value - self.target

    def _share(self, value: Array) -> Array:
        return self.weight * _normalised(self.weights, value, self.quantity)


@dataclass(frozen=True, eq=False)
class Minimise:
    """A quantity's mean, to be made small: L = w Σ_i w_i v_i / Σ_i w_i.

    Parameters
    ----------
    quantity : Quantity
    weight : float
        w, zero or positive.
    weights : array of the quantity's shape, optional
        w_i, zero or positive; default all equal.

    Raises
    ------
    InputError, InputTypeError, ShapeError
    """

    quantity: Quantity
    weight: float = 1.0
    weights: Array | None = None

    def __post_init__(self) -> None:
        _check_quantity(self.quantity, type(self).__name__)
        object.__setattr__(self, "weight", _weight(self.weight))
        object.__setattr__(self, "weights", _weights(self.weights))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The one quantity."""
        return (self.quantity,)

    @property
    def sign(self) -> float:
        """+1, of L."""
        return 1.0

    def value_and_bars(self, values: Sequence[Array]) -> tuple[float, tuple[Array, ...]]:
        """L and dL/dv."""
        share = self.sign * self.weight * _normalised(self.weights, values[0], self.quantity)
        return float(np.sum(share * values[0])), (share,)

    def bars_tangent(self, values: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        """Zero: L is linear in v."""
        return (np.zeros_like(values[0]),)


@dataclass(frozen=True, eq=False)
class Maximise(Minimise):
    """A quantity's mean, to be made large: L = −w Σ_i w_i v_i / Σ_i w_i. Parameters and errors as `Minimise`."""

    @property
    def sign(self) -> float:
        """−1, of L."""
        return -1.0


@dataclass(frozen=True, eq=False)
class LogRatio:
    """The ratio of two quantities' means, to be made large: L = −w ln(⟨on⟩ / ⟨off⟩).

    Parameters
    ----------
    on, off : Quantity
        Their means must be positive.
    weight : float
        w, zero or positive.

    Raises
    ------
    InputError, InputTypeError
        When built; for a mean that is not positive when evaluated.
    """

    on: Quantity
    off: Quantity
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_quantity(self.on, "LogRatio")
        _check_quantity(self.off, "LogRatio")
        object.__setattr__(self, "weight", _weight(self.weight))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """On, off."""
        return (self.on, self.off)

    def value_and_bars(self, values: Sequence[Array]) -> tuple[float, tuple[Array, ...]]:
        """L and dL/d on, dL/d off."""
        on, off = self._means(values)
        bars = (_even(values[0], -self.weight / on), _even(values[1], self.weight / off))
        return float(-self.weight * np.log(on / off)), bars

    def bars_tangent(self, values: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, ...]:
        """w ⟨on˙⟩/⟨on⟩² and −w ⟨off˙⟩/⟨off⟩², spread evenly."""
        on, off = self._means(values)
        d_on, d_off = float(np.mean(tangents[0])), float(np.mean(tangents[1]))
        return (
            _even(values[0], self.weight * d_on / on**2),
            _even(values[1], -self.weight * d_off / off**2),
        )

    def _means(self, values: Sequence[Array]) -> tuple[float, float]:
        means = float(np.mean(values[0])), float(np.mean(values[1]))
        for which, mean in zip(("on", "off"), means):
            if not mean > 0:
                raise InputError(
                    f"LogRatio: the mean of `{which}` is {mean:.6g} and has no logarithm; start where it is positive."
                )
        return means


def _even(like: Array, total: float) -> Array:
    return np.full(like.shape, total / like.size)


def _normalised(weights: Array | None, value: Array, quantity: Quantity) -> Array:
    """Shares of the entries, which add up to one."""
    if weights is None:
        return np.full(value.shape, 1 / value.size)
    if weights.shape != value.shape:
        raise ShapeError(
            f"the weights of {quantity.name} have shape {weights.shape} but the quantity {value.shape}; give one each."
        )
    return weights / np.sum(weights)


def _check_quantity(quantity: Any, term: str) -> None:
    if not isinstance(quantity, Quantity):
        raise InputTypeError(
            f"{term} was given a {type(quantity).__name__}; wrap it: na.Quantity(na.transmission, energies)."
        )


def _real(x: ArrayLike, name: str) -> Array:
    found = np.asarray(to_numpy(x) if is_array(x) else x)
    if found.dtype.kind not in "iuf":
        raise InputTypeError(f"{name} has dtype {found.dtype}; pass real numbers.")
    found = found.astype(np.float64)
    if not np.all(np.isfinite(found)):
        raise InputError(f"{name} holds a number that is not finite.")
    return found


def _weight(weight: Any) -> float:
    found = _real(weight, "weight")
    if found.ndim or found < 0:
        raise InputError(f"weight={weight!r} must be one number, zero or positive.")
    return float(found)


def _weights(weights: Any) -> Array | None:
    if weights is None:
        return None
    found = _real(weights, "weights")
    if np.any(found < 0) or not np.any(found > 0):
        raise InputError(f"weights go from {found.min():g} to {found.max():g}; none is negative and not all are zero.")
    return found
