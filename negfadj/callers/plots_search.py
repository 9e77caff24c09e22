"""Pictures of a fit or a design: convergence, spectra at the start and the end, bands, and what varied."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..optional import import_optional
from ..typing import Array
from .figures import new_figure, save_figure, style
from .plots import BLUE, ORANGE, PALE, WIDTH, atoms_figure

GREY = "#8d96a0"
WINDOW = {"on": "#3f7d4e", "off": "#b00020"}  # where goals look
MOST_BARS = 40  # variables that a picture with names has room for
LOGARITHMIC = 30.0  # ratio of largest to smallest value from which an axis is logarithmic


def write_search_pictures(dataset: Any, stem: str | PathLike[str]) -> list[Path]:
    """Draw every picture that the results of a search have: stem_convergence.png, stem_transmission.png, ….

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    """
    stem = Path(stem)
    paths = []
    for name in search_pictures(dataset):
        path = stem.with_name(f"{stem.name}_{name}.png")
        save_figure(search_figure(dataset, name), path)
        paths.append(path)
    return paths


def search_pictures(dataset: Any) -> list[str]:
    """The pictures there are: convergence and parameters; atoms, transmission, dos, bands where these are held."""
    found = ["convergence", "parameters"]
    found += ["atoms"] if "energy_change" in dataset else []
    if "transmission_best" in dataset:
        found += ["transmission", "dos"]
    return [*found, "bands"] if _of_bands(dataset) else found


def search_figure(dataset: Any, what: str) -> Any:
    """One picture: a matplotlib Figure.

    Raises
    ------
    InputError
        For a picture that the results do not have.
    """
    there = search_pictures(dataset)
    if what not in there:
        raise InputError(f"these results have no picture {what!r}; they have {', '.join(there)}.")
    if what == "atoms":
        return _atoms(dataset)
    with style():
        figure = new_figure((WIDTH, _height(dataset, what)))
        axes = figure.subplots()
        if what == "convergence":
            plot_convergence(axes, dataset["history"].values)
            axes.set_ylabel("Objective")
        elif what == "parameters":
            _plot_parameters(axes, dataset)
        elif what == "bands":
            _plot_bands(axes, dataset, _of_bands(dataset)[0])
        else:
            _plot_spectrum(axes, dataset, "density_of_states" if what == "dos" else what)
        figure.suptitle(str(dataset.attrs.get("title", "")), fontsize=15, fontweight="bold")
    return figure


def plot_convergence(axes: Any, history: Array) -> Any:
    """The values of an objective and the best so far, evaluation by evaluation.

    Parameters
    ----------
    axes : matplotlib Axes
    history : array, shape (n_evaluations,)

    Returns
    -------
    Axes
        Logarithmic where all values are positive and differ much.
    """
    number = np.arange(1, len(history) + 1)
    best = np.minimum.accumulate(history)
    axes.plot(number, history, "o", color=GREY, ms=4, label="each evaluation")
    axes.step(number, best, where="post", color=BLUE, lw=1.8, label="best so far")
    if np.min(history) > 0 and np.max(history) > LOGARITHMIC * np.min(history):
        axes.set_yscale("log")
    axes.set_xlabel("Evaluation")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"from {history[0]:.5g} to {best[-1]:.5g}".replace("-", "−"), loc="left")
    axes.legend(loc="best")
    return axes


def _plot_spectrum(axes: Any, dataset: Any, quantity: str) -> Any:
    """T(E) or the density of states: at the start, at the best point, and what was wanted."""
    energy = dataset["energy"].values
    if quantity == "transmission":
        channels = dataset["open_channels_best"].values
        axes.fill_between(energy, channels, step="mid", color=PALE, lw=0, label="open channels")
    for k, name in enumerate(dataset["window"].values if "window" in dataset else ()):
        low, high = float(dataset["window_low"].values[k]), float(dataset["window_high"].values[k])
        axes.axvspan(low, high, color=WINDOW.get(str(name), ORANGE), alpha=0.22, lw=1, zorder=1.5, label=str(name))
    single = {"marker": "o"} if len(energy) == 1 else {}
    axes.plot(energy, dataset[f"{quantity}_start"].values, color=GREY, lw=1.5, ls=(0, (4, 2)), label="start", **single)
    axes.plot(energy, dataset[f"{quantity}_best"].values, color=BLUE, lw=2.0, label="best", **single)
    for k, aim in enumerate(dataset["aim"].values):
        if f"|{quantity.replace('_', ' ')} −" in str(aim) and f"grid_{k}" in dataset.coords:
            axes.plot(
                dataset[f"grid_{k}"].values, dataset[f"target_{k}"].values, ".", color=ORANGE, ms=5, label="target"
            )
    spins = str(dataset[f"{quantity}_best"].attrs["long_name"]).rpartition(", ")[2]
    unit = "" if quantity == "transmission" else " (1/eV)"
    axes.set_ylabel(f"{quantity.replace('_', ' ').capitalize()}, {spins}{unit}")
    axes.set_xlabel("Energy (eV)")
    axes.set_ylim(0, None)
    if len(energy) > 1:
        axes.set_xlim(energy[0], energy[-1])
    axes.legend(loc="lower center", ncols=6, bbox_to_anchor=(0.5, 0.99))
    return axes


def _plot_bands(axes: Any, dataset: Any, k: int) -> Any:
    """The bands that were matched, over their momenta in turn."""
    target = dataset[f"target_{k}"].values
    number = np.arange(len(target))
    shown = np.isfinite(target).any(axis=0)
    for point, colour, dashes in (("start", GREY, (0, (4, 2))), ("best", BLUE, "-")):
        lines = axes.plot(number, dataset[f"target_{k}_{point}"].values[:, shown], color=colour, lw=1.6, ls=dashes)
        lines[0].set_label(point)
    marks = axes.plot(number, target[:, shown], ".", color=ORANGE, ms=6)
    marks[0].set_label("target")
    axes.set_xlabel("Momentum, in the order of the target's file")
    axes.set_ylabel("Energy (eV)")
    axes.set_xlim(0, max(1, len(target) - 1))
    axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.99))
    return axes


def _plot_parameters(axes: Any, dataset: Any) -> Any:
    """From start to best, within the bounds: named while there is room."""
    start, best = dataset["start"].values, dataset["best"].values
    lower, upper = dataset["lower"].values, dataset["upper"].values
    place = np.arange(len(best))
    for y, low, high in zip(place, lower, upper):
        if np.isfinite(low) and np.isfinite(high):
            axes.plot([low, high], [y, y], color=PALE, lw=7 if len(best) <= MOST_BARS else 2, solid_capstyle="butt")
    axes.hlines(place, start, best, color=GREY, lw=1.2)
    axes.plot(start, place, "o", mfc="white", mec=GREY, ms=6, label="start")
    axes.plot(best, place, "o", color=BLUE, ms=6, label="best")
    bar = [] if not np.isfinite(lower).any() else [import_optional("matplotlib.patches", "drawing results").Patch(
        color=PALE, label="bounds"
    )]
    if len(best) <= MOST_BARS:
        axes.set_yticks(place, [str(name) for name in dataset["variable"].values])
    else:
        axes.set_ylabel("Variable")
    axes.set_ylim(len(best) - 0.5, -0.5)
    units = sorted({str(unit) for unit in dataset["unit"].values})
    axes.set_xlabel(f"Value ({', '.join(units)})")
    axes.tick_params(axis="y", length=0)
    axes.legend(
        handles=[*axes.get_legend_handles_labels()[0], *bar], loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.99)
    )
    return axes


def _atoms(dataset: Any) -> Any:
    """How much the energy of each atom has changed, on the atoms."""
    row = {
        "values": dataset["energy_change"].values,
        "title": "Change of the atoms' energies",
        "label": "best − start (eV)",
        "diverging": True,
    }
    return atoms_figure(dataset, [row])


def _of_bands(dataset: Any) -> list[int]:
    return [k for k in range(dataset.sizes["aim"]) if f"momentum_{k}" in dataset.variables]


def _height(dataset: Any, what: str) -> float:
    n = dataset.sizes["variable"]
    return float(np.clip(1.8 + 0.34 * n, 2.6, 14.0)) if what == "parameters" and n <= MOST_BARS else 5.2
