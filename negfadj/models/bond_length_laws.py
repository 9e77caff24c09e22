"""How a two-centre integral scales with the length of its bond: f(d), with its derivatives.

A law is a frozen data class of floats. `derivatives(d)` gives f, df/dd, and the derivatives by the law's own numbers in
an instance of the same class.

Sources: W. A. Harrison, Electronic Structure and the Properties of Solids (1980), Sec. 2-D (d⁻²);
L. Goodwin, A. J. Skinner, D. G. Pettifor, Europhys. Lett. 9, 701 (1989), Eq. (1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from ..array import STATIC, rebuild
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array

T = TypeVar("T")


class BondLengthLaw(Protocol):
    """What a law offers."""

    def derivatives(self: T, distance: Array) -> tuple[Array, Array, T]:
        """f(d), df/dd and ∂f/∂(number) for every number of the law, each of the shape of `distance`."""
        ...


@dataclass(frozen=True)
class PowerLaw:
    """f(d) = (d₀/d)ⁿ.

    Parameters
    ----------
    exponent : float
        n.
    reference : float
        d₀ [Å], where f = 1.
    """

    exponent: float
    reference: float

    def __post_init__(self) -> None:
        _set_floats(self, positive=("reference",))

    def derivatives(self, distance: Array) -> tuple[Array, Array, PowerLaw]:
        """f, df/dd = −n f/d, and ∂f/∂n = f ln(d₀/d), ∂f/∂d₀ = n f/d₀."""
        n, ratio = self.exponent, self.reference / distance
        f = ratio**n
        return f, -n * f / distance, rebuild(self, exponent=f * np.log(ratio), reference=n * f / self.reference)


@dataclass(frozen=True)
class ExponentialLaw:
    """f(d) = exp(−q (d/d₀ − 1)).

    Parameters
    ----------
    exponent : float
        q; 3.37 for the π orbitals of carbon.
    reference : float
        d₀ [Å], where f = 1.
    """

    exponent: float
    reference: float

    def __post_init__(self) -> None:
        _set_floats(self, positive=("reference",))

    def derivatives(self, distance: Array) -> tuple[Array, Array, ExponentialLaw]:
        """f, df/dd = −q f/d₀, and ∂f/∂q = −(d/d₀ − 1) f, ∂f/∂d₀ = q d f/d₀²."""
        q, stretch = self.exponent, distance / self.reference
        f = np.exp(-q * (stretch - 1))
        gradients = rebuild(self, exponent=-(stretch - 1) * f, reference=q * stretch * f / self.reference)
        return f, -q * f / self.reference, gradients


@dataclass(frozen=True)
class GoodwinSkinnerPettifor:
    """f(d) = (d₀/d)ⁿ exp{n [(d₀/d_c)^n_c − (d/d_c)^n_c]}.

    Parameters
    ----------
    exponent, decay_exponent : float
        n and n_c.
    decay_length, reference : float
        d_c and d₀ [Å]; f(d₀) = 1.
    """

    exponent: float
    decay_exponent: float
    decay_length: float
    reference: float

    def __post_init__(self) -> None:
        _set_floats(self, positive=("decay_length", "reference"))

    def derivatives(self, distance: Array) -> tuple[Array, Array, GoodwinSkinnerPettifor]:
        """f, df/dd = −(n f/d)[1 + n_c (d/d_c)^n_c], and the derivatives of ln f by its four numbers, times f."""
        n, n_c, d_c, d_0 = self.exponent, self.decay_exponent, self.decay_length, self.reference
        here, there = (distance / d_c) ** n_c, (d_0 / d_c) ** n_c
        f = (d_0 / distance) ** n * np.exp(n * (there - here))
        gradients = rebuild(
            self,
            exponent=f * (np.log(d_0 / distance) + there - here),
            decay_exponent=f * n * (there * np.log(d_0 / d_c) - here * np.log(distance / d_c)),
            decay_length=f * n * n_c * (here - there) / d_c,
            reference=f * n * (1 + n_c * there) / d_0,
        )
        return f, -n * f / distance * (1 + n_c * here), gradients


@dataclass(frozen=True)
class UserLaw:
    """A law of your own: f(d; p) with its derivatives.

    Parameters
    ----------
    function : callable
        function(distance, parameters) → f, of the shape of `distance` (n,).
    derivative : callable
        derivative(distance, parameters) → (df/dd (n,), ∂f/∂p (n_parameters, n)).
    parameters : tuple of floats
        p; may be empty.

    Raises
    ------
    InputTypeError
        When one of the two is not callable.
    ShapeError
        When they return arrays of another shape.
    """

    function: Callable[[Array, tuple[float, ...]], Array] = field(metadata=STATIC)
    derivative: Callable[[Array, tuple[float, ...]], tuple[Array, Array]] = field(metadata=STATIC)
    parameters: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("function", "derivative"):
            if not callable(getattr(self, name)):
                raise InputTypeError(
                    f"{name} is a {type(getattr(self, name)).__name__}; pass a function of a distance."
                )
        object.__setattr__(self, "parameters", tuple(float(p) for p in self.parameters))

    def derivatives(self, distance: Array) -> tuple[Array, Array, UserLaw]:
        """What the two functions return, their shapes checked."""
        f = np.asarray(self.function(distance, self.parameters), dtype=np.float64)
        try:
            slope, gradients = self.derivative(distance, self.parameters)
        except (TypeError, ValueError) as error:
            raise ShapeError(f"the user's law must return (df/dd, ∂f/∂p) from its derivative ({error}).") from error
        slope = np.asarray(slope, dtype=np.float64)
        gradients = np.asarray(gradients, dtype=np.float64)
        if not self.parameters:
            gradients = np.zeros((0, len(distance)))
        shape = (len(self.parameters), *distance.shape)
        for name, x, wanted in (
            ("f", f, distance.shape),
            ("df/dd", slope, distance.shape),
            ("∂f/∂p", gradients, shape),
        ):
            if x.shape != wanted:
                raise ShapeError(f"the user's law returned {name} of shape {x.shape} but must return {wanted}.")
        return f, slope, rebuild(self, parameters=tuple(gradients))


@dataclass(frozen=True)
class Cutoff:
    """A smooth end: 1 up to `inner`, 0 from `outer` on, 1 − 10x³ + 15x⁴ − 6x⁵ between, twice differentiable.

    Parameters
    ----------
    inner, outer : float
        [Å], 0 < inner < outer.
    """

    inner: float
    outer: float

    def __post_init__(self) -> None:
        _set_floats(self, positive=("inner", "outer"))
        if not self.inner < self.outer:
            raise InputError(
                f"cutoff from inner = {self.inner} Å to outer = {self.outer} Å; inner must be the smaller."
            )

    def derivatives(self, distance: Array) -> tuple[Array, Array, Cutoff]:
        """c(x), x = (d − inner)/(outer − inner), and its derivatives by d, inner and outer."""
        width = self.outer - self.inner
        x = np.clip((distance - self.inner) / width, 0.0, 1.0)
        c = 1 - x**3 * (10 - x * (15 - 6 * x))
        slope = -30 * (x * (1 - x)) ** 2 / width
        return c, slope, rebuild(self, inner=slope * (x - 1), outer=-slope * x)


def _set_floats(law: Any, positive: tuple[str, ...]) -> None:
    for name, x in vars(law).items():
        try:
            value = float(x)
        except (TypeError, ValueError):
            raise InputTypeError(f"{type(law).__name__}: {name}={x!r} must be a number.") from None
        if not np.isfinite(value) or (name in positive and value <= 0):
            kind = "positive length [Å]" if name in positive else "finite number"
            raise InputError(f"{type(law).__name__}: {name} = {value} must be a {kind}.")
        object.__setattr__(law, name, value)
