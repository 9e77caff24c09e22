"""What a model's pullback gives by name, checked: a name that is misspelt would be a gradient of zero."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, ShapeError


def check_names(found: Any, known: Collection[str], needed: Collection[str], source: str) -> None:
    """Raise unless a mapping has all names that are needed and none that is not known.

    Parameters
    ----------
    found : mapping of name to cotangent or derivative
    known, needed : collections of str
        Every name of the model; those that vary. None as the value under a name is an exact zero, a name left out is
        an error.
    source : str
        What gave it, for the message.

    Raises
    ------
    InputError
        Naming what is unknown and what is missing.
    InputTypeError
        For what is no mapping.
    """
    if not isinstance(found, Mapping):
        raise InputTypeError(f"{source} gives a {type(found).__name__}; a dict by the parameters' names is needed.")
    unknown = [name for name in found if name not in known and name not in needed]
    missing = [name for name in needed if name not in found]
    if not unknown and not missing:
        return
    said = []
    if unknown:
        said.append(f"{source} gives {_listed(unknown)}, which is no parameter of the model")
    if missing:
        said.append(f"{_listed(missing)} is missing" + ("" if unknown else f" from what {source} gives"))
    fix = "None says that one has no effect" if missing else f"the parameters are {_listed(known)}"
    raise InputError(f"{'; '.join(said)}: {fix}.")


def check_shapes(found: Mapping[str, Any], values: Mapping[str, Any], source: str) -> None:
    """Raise `ShapeError` for a cotangent of another shape than its parameter's."""
    for name, value in values.items():
        bar = found.get(name)
        if bar is not None and np.shape(bar) != np.shape(value):
            raise ShapeError(
                f"{source} gives a cotangent of shape {np.shape(bar)} for the parameter {name!r} of shape "
                f"{np.shape(value)}; give one number for each of its entries."
            )


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names)
