"""Cotangents of what a model makes: the share of one subject, sums of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..array import is_array, rebuild
from ..errors import InputError


def subject_of(made: Any, of: str | int | None) -> Any:
    """The subject called `of` among those a model made, or all of it for None."""
    if of is None:
        return made
    if isinstance(made, Mapping):
        if of in made:
            return made[of]
        known = ", ".join(repr(key) for key in made)
    else:
        names = getattr(made, "_fields", ())
        if of in names:
            return getattr(made, str(of))
        known = ", ".join(repr(key) for key in names) or f"none: it makes a {type(made).__name__}, leave `of` out"
    raise InputError(f"of={of!r} is not among the subjects the model makes; they are {known}.")


def bar_beside(made: Any, of: str | int | None, bar: Any) -> Any:
    """The cotangent of all a model made when only the subject `of` has one: None stands for the others."""
    if of is None:
        return bar
    if isinstance(made, Mapping):
        return {key: bar if key == of else None for key in made}
    return type(made)(**{name: bar if name == of else None for name in made._fields})


def plus(x: Any, y: Any) -> Any:
    """x + y of two cotangents of one primal, where None is an exact zero."""
    if x is None or y is None:
        return y if x is None else x
    if is_array(x) or isinstance(x, int | float | complex):
        return x + y
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = [f.name for f in dataclasses.fields(x) if not f.metadata.get("static")]
        return rebuild(x, **{name: plus(getattr(x, name), getattr(y, name)) for name in names})
    if isinstance(x, Mapping):
        return {key: plus(x.get(key), y.get(key)) for key in {**x, **y}}
    if isinstance(x, tuple | list):
        items = [plus(a, b) for a, b in zip(x, y, strict=True)]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x
