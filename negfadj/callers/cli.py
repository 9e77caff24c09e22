"""The entry point of the command line, light enough to say what is missing when its packages are not installed."""

from __future__ import annotations

import sys

from ..errors import MissingDependencyError


def main(arguments: list[str] | None = None) -> None:
    """Run `negfadj` with these arguments, by default the process's own.

    Exits with 0, with 1 when a check of the results or the run itself fails, 2 for bad input, 130 after Ctrl-C.
    """
    try:
        from .commands import application
    except MissingDependencyError as error:
        print(f"negfadj: {error}", file=sys.stderr)
        sys.exit(2)
    application(args=arguments, prog_name="negfadj")
