"""Packages that only some calls need: imported at the call, with an error that says how to get them."""

from __future__ import annotations

import importlib
from typing import Any

from .errors import MissingDependencyError


def import_optional(module: str, purpose: str, *, extra: str = "apps") -> Any:
    """The module, imported now.

    Parameters
    ----------
    module : str
        Full name, as "ase.io".
    purpose : str
        What the caller wants it for, for the message: "reading structure files".
    extra : str
        The extra of negfadj that installs it.

    Raises
    ------
    MissingDependencyError
        When it is not installed; the message holds the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise MissingDependencyError(
            f'{purpose} needs {package}, which cannot be imported ({error}); pip install "negfadj[{extra}]".'
        ) from error
