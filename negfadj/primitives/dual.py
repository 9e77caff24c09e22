"""Dual matrices X + ε Ẋ with ε² = 0, as an algebra: the product rule, with None for a tangent that is exactly zero.

    (X + ε Ẋ)(Y + ε Ẏ) = X Y + ε (Ẋ Y + X Ẏ)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..array import adjoint
from ..typing import Array


@dataclass(frozen=True, eq=False)
class Dual:
    """A stack of matrices (E or 1, n, m) and its tangent, or None."""

    value: Array
    tangent: Array | None = None

    def __matmul__(self, other: Dual) -> Dual:
        left = None if self.tangent is None else self.tangent @ other.value
        right = None if other.tangent is None else self.value @ other.tangent
        return Dual(self.value @ other.value, tangent_sum(left, right))

    def __sub__(self, other: Dual) -> Dual:
        return self + (-other)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, tangent_sum(self.tangent, other.tangent))

    def __neg__(self) -> Dual:
        return self.map(lambda x: -x)

    def adjoint(self) -> Dual:
        """X† for a real ε."""
        return self.map(adjoint)

    def map(self, function: Callable[[Array], Array]) -> Dual:
        """A linear function of value and tangent."""
        return Dual(function(self.value), None if self.tangent is None else function(self.tangent))


def tangent_sum(x: Array | None, y: Array | None) -> Array | None:
    """Ẋ + Ẏ, either of them None for zero."""
    if x is None or y is None:
        return y if x is None else x
    return x + y
