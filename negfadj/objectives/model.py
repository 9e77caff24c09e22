"""What an objective asks of a model: named numbers in, a subject of quantities out, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Model(Protocol):
    """A function of named parameters with a pullback; a class of the user's with these two will do.

    It may also have, each taken for what is said here when it is missing:

    names : tuple of str — the parameters it knows (any)
    wrt : what the quantities' pullbacks need form of the subject, a mapping by name for several subjects (everything)
    is_linear : bool — the subject is affine in the parameters (False)
    has_constant_leads : bool — leads do not move with the parameters (False)
    tangent(values, tangents) : how the subject moves with its parameters (extrapolated differences are taken)
    pushforward(values) : the same for many directions, a function of tangents (`tangent` is called for each)
    """

    def __call__(self, values: Mapping[str, Any], /) -> Any:
        """The subject at these values: a `Device`, or a mapping or named tuple of several subjects."""
        ...

    def vjp(self, values: Mapping[str, Any], /) -> tuple[Any, Callable[[Any], Mapping[str, Any]]]:
        """The subject, and its pullback from a cotangent of the subject to those of the parameters by name.

        Each parameter that is free has its name there, and None for an exact zero; no other names but `names`.
        """
        ...
