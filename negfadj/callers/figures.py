"""A matplotlib figure made without a screen, in the style of all pictures, and saved whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..optional import import_optional

DPI = 200
INK = "#222222"
STYLE: dict[str, Any] = {
    "font.size": 13,
    "axes.labelsize": 14,
    "axes.titlesize": 13,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


def new_figure(size: tuple[float, float]) -> Any:
    """A Figure of so many inches, drawn by Agg."""
    figure = import_optional("matplotlib.figure", "drawing results").Figure(figsize=size)
    import_optional("matplotlib.backends.backend_agg", "drawing results").FigureCanvasAgg(figure)
    return figure


def style() -> Any:
    """A context in which figures are made."""
    return import_optional("matplotlib", "drawing results").rc_context(STYLE)


def save_figure(figure: Any, path: Path) -> None:
    """Save a figure under another name in the folder, then rename it; the format is that of the path's ending.

    Raises
    ------
    InputError
        For an ending that is no picture's, a folder that there is not.
    """
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:] not in known:
        raise InputError(f"picture {str(path)!r} ends in {path.suffix!r}; known are {', '.join(sorted(known))}.")
    if not path.parent.is_dir():
        raise InputError(f"picture {str(path)!r}: there is no folder {str(path.parent)!r}; make it first.")
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    os.close(handle)
    try:
        figure.savefig(unfinished, dpi=DPI, format=path.suffix[1:])
        os.chmod(unfinished, 0o666 & ~umask())  # mkstemp keeps the file to its owner
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def umask() -> int:
    """The permissions that new files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
