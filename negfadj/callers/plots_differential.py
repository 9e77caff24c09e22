"""Pictures of differential quantities, each drawn into axes that are given and return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ..array import is_array, to_numpy
from ..errors import InputError, ShapeError
from ..optional import import_optional
from ..typing import Array, ArrayLike
from .figures import INK
from .plots import BLUE, ORANGE

PURPOSE = "drawing pictures"
ORDERS = ("transmission", "dT/dE (1/eV)", "d²T/dE² (1/eV²)", "d³T/dE³ (1/eV³)")
HOTTEST = 0.998  # quantile at which colours end: one hot site must not drown the others


def plot_transmission_derivatives(axes: Sequence[Any], energies: ArrayLike, derivatives: ArrayLike) -> Sequence[Any]:
    """T(E) and its energy derivatives, one below the other.

    Parameters
    ----------
    axes : sequence of matplotlib Axes
        One for each order, T itself first.
    energies : array, shape (n_energies,)
        [eV].
    derivatives : array, shape (n_energies, n_orders)
        As `transmission_derivatives` returns them [1/eV^k].

    Returns
    -------
    sequence of Axes

    Raises
    ------
    ShapeError
        When there are not as many axes as orders.
    """
    e, t = _line(energies, "energies"), _host(derivatives)
    panels = list(np.ravel(np.asarray(axes, dtype=object)))
    if t.shape != (len(e), len(panels)):
        raise ShapeError(
            f"derivatives has shape {t.shape} but must be (n_energies, n_axes) = ({len(e)}, {len(panels)})."
        )
    for k, panel in enumerate(panels):
        panel.plot(e, t[:, k], color=BLUE, lw=1.6)
        panel.set_ylabel(ORDERS[k] if k < len(ORDERS) else f"order {k} (1/eV^{k})")
        if k:
            panel.axhline(0.0, color=INK, lw=0.6)
    panels[-1].set_xlabel("energy (eV)")
    return axes


def plot_seebeck(axes: Any, chemical_potentials: ArrayLike, values: ArrayLike) -> Any:
    """The Seebeck coefficient over the chemical potential.

    Parameters
    ----------
    axes : matplotlib Axes
    chemical_potentials, values : arrays, shape (n_potentials,)
        [eV]; [V/K], drawn in µV/K.

    Returns
    -------
    Axes
    """
    return _curve(axes, chemical_potentials, 1e6 * _host(values), "chemical potential (eV)", "Seebeck (µV/K)", ORANGE)


def plot_differential_conductance(axes: Any, biases: ArrayLike, values: ArrayLike) -> Any:
    """dI/dV over the bias.

    Parameters
    ----------
    axes : matplotlib Axes
    biases, values : arrays, shape (n_biases,)
        [V]; [µA/V].

    Returns
    -------
    Axes
    """
    return _curve(axes, biases, values, "bias (V)", "dI/dV (µA/V)", BLUE)


def plot_transconductance(axes: Any, voltages: ArrayLike, values: ArrayLike, *, swept: str = "gate voltage") -> Any:
    """dI/dV_g over a voltage.

    Parameters
    ----------
    axes : matplotlib Axes
    voltages, values : arrays, shape (n_points,)
        [V]; [µA/V].
    swept : str
        What the voltage is: "gate voltage" or "bias".

    Returns
    -------
    Axes
    """
    return _curve(axes, voltages, values, f"{swept} (V)", "dI/dV$_g$ (µA/V)", ORANGE)


def plot_scanning_gate_map(axes: Any, positions: ArrayLike, values: ArrayLike) -> Any:
    """dT/dV on the sites of a device: where a local potential energy raises or lowers the transmission.

    Parameters
    ----------
    axes : matplotlib Axes
    positions : array, shape (n_sites, 2) or more columns
        x and y [Å] are drawn.
    values : array, shape (n_sites,)
        One row of `transmission_sensitivity`, or of `scanning_gate_map` at its tips [1/eV].

    Returns
    -------
    Axes
        With a colour bar; colours end at the 99.8th percentile of |dT/dV|, the same on both sides of zero.

    Raises
    ------
    ShapeError
        When positions and values do not fit.
    MissingDependencyError
        When matplotlib is not installed.
    """
    places, dt = _host(positions), _host(values)
    if places.ndim != 2 or places.shape[1] < 2 or dt.shape != (len(places),):
        raise ShapeError(f"positions {places.shape} and values {dt.shape} must be (n_sites, 2 or more) and (n_sites,).")
    places = places[:, :2]
    collections = import_optional("matplotlib.collections", PURPOSE)
    spacing = 1.0 if len(places) < 2 else float(np.median(KDTree(places).query(places, k=2)[0][:, 1]))
    largest = float(np.quantile(np.abs(dt), HOTTEST)) or 1.0
    sites = collections.EllipseCollection(
        *(np.full(len(places), 1.1 * spacing),) * 2,
        np.zeros(len(places)),
        units="xy",
        offsets=places,
        offset_transform=axes.transData,
        array=dt,
        cmap="RdBu_r",
        linewidths=0.0,
    )
    sites.set_clim(-largest, largest)
    axes.add_collection(sites)
    axes.set_aspect("equal")
    axes.set_xlim(places[:, 0].min() - spacing, places[:, 0].max() + spacing)
    axes.set_ylim(places[:, 1].min() - spacing, places[:, 1].max() + spacing)
    axes.set(xlabel="x (Å)", ylabel="y (Å)")
    axes.figure.colorbar(sites, ax=axes, label="dT/dV (1/eV)", extend="both")
    return axes


def _curve(axes: Any, x: ArrayLike, y: ArrayLike, x_label: str, y_label: str, colour: str) -> Any:
    across, up = _line(x, x_label), _host(y)
    if up.shape != across.shape:
        raise ShapeError(f"the values have shape {up.shape} but their abscissae {across.shape}.")
    axes.plot(across, up, color=colour, lw=1.8)
    axes.axhline(0.0, color=INK, lw=0.6)
    axes.set(xlabel=x_label, ylabel=y_label)
    return axes


def _line(x: ArrayLike, name: str) -> Array:
    found = _host(x)
    if found.ndim != 1 or not len(found):
        raise ShapeError(f"{name} has shape {found.shape} but must be one axis with a point at least.")
    return found


def _host(x: ArrayLike) -> Array:
    found = np.asarray(to_numpy(x) if is_array(x) else x, dtype=np.float64)
    if not np.all(np.isfinite(found)):
        raise InputError("what is to be drawn holds a number that is not finite.")
    return found
