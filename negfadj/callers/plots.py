"""Pictures of a job's results: spectra, and maps on the atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ..errors import InputError
from ..optional import import_optional
from ..typing import Array
from .figures import INK, new_figure, save_figure, style
from .results import DONE, FAILED

WIDTH = 10.0  # inches
PALE, BLUE, ORANGE = "#e3e6ea", "#1f4e9c", "#c8581c"

def write_pictures(dataset: Any, stem: str | PathLike[str]) -> list[Path]:
    """Draw every picture of a results Dataset.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `run_job` or `read_dataset` returns it.
    stem : path
        The pictures are stem_spectra.png, stem_local_density_of_states.png and stem_sensitivity.png.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        When no energy of the Dataset is computed.
    MissingDependencyError
        When matplotlib is not installed.
    """
    if not np.any(dataset["status"].values == DONE):
        raise InputError("the results hold no computed energy; there is nothing to draw.")
    stem = Path(stem)
    drawn = {
        "spectra": spectra_figure(dataset),
        "local_density_of_states": local_density_figure(dataset),
        "sensitivity": sensitivity_figure(dataset),
    }
    paths = []
    for name, figure in drawn.items():
        path = stem.with_name(f"{stem.name}_{name}.png")
        save_figure(figure, path)
        paths.append(path)
    return paths


def spectra_figure(dataset: Any) -> Any:
    """T(E) over the open channels, and the density of states below: a matplotlib Figure."""
    with style():
        figure = new_figure((WIDTH, 6.0))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.35, 1.0))
        plot_transmission(top, dataset)
        plot_density_of_states(bottom, dataset)
        bottom.set_xlabel("Energy (eV)")
        figure.suptitle(str(dataset.attrs.get("title", "")), fontsize=15, fontweight="bold")
        figure.align_ylabels()
    return figure


def single_figure(dataset: Any, plot: Callable[[Any, Any], Any]) -> Any:
    """One spectrum over the energies, by `plot_transmission` or `plot_density_of_states`."""
    with style():
        figure = new_figure((WIDTH, 4.6))
        axes = plot(figure.subplots(), dataset)
        axes.set_xlabel("Energy (eV)")
        axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.99))
        figure.suptitle(str(dataset.attrs.get("title", "")), fontsize=15, fontweight="bold")
    return figure


def plot_transmission(axes: Any, dataset: Any) -> Any:
    """T(E) of a transport job over the open channels of its leads, into axes that are returned."""
    done = _done(dataset)
    energy, channels = done["energy"].values, done["open_channels"].values.min(axis=-1)
    axes.fill_between(energy, channels, step="mid", color=PALE, lw=0, label="open channels of the leads")
    axes.step(energy, channels, where="mid", color="#9aa3ad", lw=1.0)
    axes.plot(energy, done["transmission"].values, color=BLUE, lw=1.8, label="transmission")
    axes.set_ylim(0, max(1.0, float(channels.max())) * 1.05)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_ylabel(f"Transmission, {_spins(dataset)}")
    _mark_energies(axes, dataset)
    failed = dataset["energy"].values[dataset["status"].values == FAILED]
    if len(failed):
        axes.plot(failed, np.zeros(len(failed)), "x", color="#b00020", clip_on=False, label="not computed")
    axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 0.99))
    return axes


def plot_density_of_states(axes: Any, dataset: Any) -> Any:
    """The density of states of a transport job's device, into axes that are returned."""
    done = _done(dataset)
    energy, density = done["energy"].values, done["density_of_states"].values
    axes.fill_between(energy, density, color=ORANGE, alpha=0.18, lw=0)
    axes.plot(energy, density, color=ORANGE, lw=1.5)
    # a van Hove peak of one grid point must not flatten the rest
    axes.set_ylim(0, min(float(density.max()), 4 * float(np.quantile(density, 0.95))) * 1.08)
    axes.set_ylabel(f"Density of states,\n{_spins(dataset)} (1/eV)")
    _mark_energies(axes, dataset)
    return axes


def _mark_energies(axes: Any, dataset: Any) -> None:
    """The energies of the maps, and the range of all."""
    lines = [axes.axvline(e, color=INK, lw=0.9, ls=(0, (4, 4)), zorder=0.5) for e in _map_energies(dataset)]
    lines[0].set_label("energies of the maps")
    if dataset.sizes["energy"] > 1:
        axes.set_xlim(dataset["energy"].values[0], dataset["energy"].values[-1])


def lead_bands_figure(dataset: Any) -> Any:
    """The bands of both leads within the energies of a transport job: a matplotlib Figure."""
    energy = dataset["energy"].values
    with style():
        figure = new_figure((WIDTH, 5.0))
        panels = figure.subplots(1, 2, sharey=True)
        for k, axes in enumerate(panels):
            bands = dataset[f"bands_{k}"].values
            axes.plot(dataset["momentum"].values, bands, color=BLUE, lw=1.3)
            axes.set_title(f"lead {k}", loc="left")
            axes.set_xlabel("Momentum (2π / layer)")
            axes.set_xlim(0, 0.5)
            if len(energy) > 1:
                axes.set_ylim(energy[0], energy[-1])
        panels[0].set_ylabel("Energy (eV)")
        figure.suptitle(str(dataset.attrs.get("title", "")), fontsize=15, fontweight="bold")
    return figure


def _spins(dataset: Any) -> str:
    """ "per spin" or "both spins", as the dataset's names say."""
    return str(dataset["transmission"].attrs.get("long_name", "per spin")).rpartition(", ")[2]


def local_density_figure(dataset: Any) -> Any:
    """The local density of states on the atoms at the chosen energies, below the energies of disorder and gates."""
    done = _done(dataset)
    rows: list[dict[str, Any]] = []
    applied = {"disorder": done["onsite_disorder"].values, "gates": done["potential_energy"].values}
    present = [name for name, values in applied.items() if np.any(values)]
    if present:
        title = f"Energy of {' and '.join(present)}"
        rows.append({"values": sum(applied.values()), "title": title, "label": "energy (eV)", "diverging": True})
    for chosen in _map_energies(dataset):
        at = done.sel(energy=chosen)
        title = _title("Local density of states", chosen, at)
        values = at["local_density_of_states"].values
        rows.append({"values": values, "title": title, "label": f"{_spins(dataset)} (1/eV)", "diverging": False})
    return atoms_figure(done, rows)


def sensitivity_figure(dataset: Any) -> Any:
    """dT/dV on the atoms at the chosen energies: where a local potential energy raises or lowers the transmission."""
    done = _done(dataset)
    rows = []
    for chosen in _map_energies(dataset):
        at = done.sel(energy=chosen)
        title = _title("Sensitivity dT/dV", chosen, at)
        values = at["transmission_sensitivity"].values
        rows.append({"values": values, "title": title, "label": "dT/dV (1/eV)", "diverging": True})
    return atoms_figure(done, rows)


def _title(what: str, energy: float, at: Any) -> str:
    return f"{what} at {energy:.3f} eV      T = {float(at['transmission']):.3f}".replace("-", "−")


def _done(dataset: Any) -> Any:
    return dataset.isel(energy=np.flatnonzero(dataset["status"].values == DONE))


def _map_energies(dataset: Any) -> list[float]:
    """The computed energies nearest to those the job asks for; the middle one when it asks for none."""
    energy = _done(dataset)["energy"].values
    wanted = np.atleast_1d(dataset.attrs.get("map_energies_eV", []))
    if not len(wanted):
        return [float(energy[len(energy) // 2])]
    nearest = [float(energy[np.abs(energy - w).argmin()]) for w in wanted]
    return list(dict.fromkeys(nearest))


def atoms_figure(dataset: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """One map of the atoms above the other, each with its colour bar."""
    across, places = _plane(dataset)
    extent = np.ptp(places, axis=0) + 4.0  # Å, with a margin
    height = np.clip(0.80 * WIDTH * extent[1] / extent[0], 0.9, 8.0) + 0.5
    with style():
        figure = new_figure((WIDTH, height * len(rows) + 0.75))
        panels = np.atleast_1d(figure.subplots(len(rows), 1, sharex=True))
        for axes, row in zip(panels, rows):
            _draw_atoms(figure, axes, places, **row)
            axes.set_ylabel(f"{across[1]} (Å)")
        panels[-1].set_xlabel(f"{across[0]} (Å)")
        figure.suptitle(str(dataset.attrs.get("title", "")), fontsize=15, fontweight="bold")
    return figure


def _draw_atoms(
    figure: Any, axes: Any, places: Array, *, values: Array, title: str, label: str, diverging: bool
) -> None:
    collections = import_optional("matplotlib.collections", "drawing results")
    bonds, spacing = _bonds(places)
    front_last = np.argsort(places[:, 2], kind="stable")
    places, values, lines = places[front_last, :2], values[front_last], places[bonds, :2]
    axes.add_collection(collections.LineCollection(lines, colors="#9aa1a9", linewidths=1.1, zorder=1))
    largest = float(np.quantile(np.abs(values), 0.998)) or 1.0  # one hot atom must not drown the others
    limits = (-largest, largest) if diverging else (0.0, largest)
    is_clipped = bool(np.abs(values).max() > largest * (1 + 1e-9))
    atoms = collections.EllipseCollection(
        *(np.full(len(places), 0.82 * spacing),) * 2,
        np.zeros(len(places)),
        units="xy",
        offsets=places,
        offset_transform=axes.transData,
        array=values,
        cmap="RdBu_r" if diverging else "magma_r",
        edgecolors="#6f767e",
        linewidths=0.3,
        zorder=2,
    )
    atoms.set_clim(*limits)
    axes.add_collection(atoms)
    axes.set_aspect("equal")
    axes.set_xlim(places[:, 0].min() - 2, places[:, 0].max() + 2)
    axes.set_ylim(places[:, 1].min() - 2, places[:, 1].max() + 2)
    axes.set_title(title, loc="left")
    axes.spines[["left", "bottom"]].set_visible(False)
    extend = ("both" if diverging else "max") if is_clipped else "neither"
    bar = figure.colorbar(atoms, cax=axes.inset_axes((1.012, 0.0, 0.015, 1.0)), label=label, extend=extend)
    bar.outline.set_linewidth(0.6)
    bar.locator = import_optional("matplotlib.ticker", "drawing results").MaxNLocator(4)
    bar.update_ticks()
    bar.ax.yaxis.label.set_size(12)


def _plane(dataset: Any) -> tuple[tuple[str, str], Array]:
    """The transport axis and the wider of the others, and the atoms along these and towards the eye: (n_atoms, 3)."""
    along = str(dataset.attrs.get("transport_axis", "x"))
    others = [axis for axis in "xyz" if axis != along]
    across, towards = sorted(others, key=lambda axis: -np.ptp(dataset[axis].values))
    return (along, across), np.column_stack([dataset[axis].values for axis in (along, across, towards)])


def _bonds(places: Array) -> tuple[Array, float]:
    """Pairs of nearest neighbours, shape (n_bonds, 2), and their typical distance [Å]."""
    if len(places) < 2:
        return np.zeros((0, 2), dtype=int), 1.4
    tree = KDTree(places)
    spacing = float(np.median(tree.query(places, k=2)[0][:, 1])) or 1.4
    return tree.query_pairs(1.2 * spacing, output_type="ndarray"), spacing
