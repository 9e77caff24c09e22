"""Pictures of a transistor job: transfer curves, states along the tube, band edges with the charge, gradients."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..constants import BOLTZMANN
from ..optional import import_optional
from ..typing import Array
from .figures import INK, new_figure, save_figure, style
from .plots import BLUE, ORANGE, WIDTH

GOLD = "#ffd166"

# parameter: change, how it is written
CHANGES = (
    ("gate_work_function", 0.001, "gate work function  +1 meV"),
    ("oxide_permittivity", None, "oxide permittivity  +1 %"),
    ("oxide_thickness", None, "oxide thickness  +1 %"),
    ("doping", None, "doping of the ends  +1 %"),
    ("temperature", 1.0, "temperature  +1 K"),
    ("drain_voltage", 0.01, "drain voltage  +10 mV"),
)


def write_transistor_pictures(dataset: Any, stem: str | PathLike[str]) -> list[Path]:
    """Draw every picture of a transistor's results.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `run_transistor` or `read_transistor` returns it.
    stem : path
        The pictures are stem_transfer.png, stem_states.png, stem_charge.png and stem_gradient.png.

    Returns
    -------
    list of Path

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    """
    stem = Path(stem)
    drawn = {
        "transfer": transfer_figure(dataset),
        "states": states_figure(dataset),
        "charge": charge_figure(dataset),
        "gradient": gradient_figure(dataset),
    }
    paths = []
    for name, figure in drawn.items():
        path = stem.with_name(f"{stem.name}_{name}.png")
        save_figure(figure, path)
        paths.append(path)
    return paths


def transfer_figure(dataset: Any) -> Any:
    """I_d–V_g, logarithmic and linear, with the slopes of the adjoint as short lines: a matplotlib Figure."""
    gate, current = dataset["gate_voltage"].values, np.abs(dataset["current"].values)
    slope = dataset["current_gradient"].values[..., 0] * np.sign(dataset["current"].values)
    reach = 0.36 * (gate[1] - gate[0])
    with style():
        figure = new_figure((WIDTH, 4.8))
        logarithmic, linear = figure.subplots(1, 2)
        for number, drain in enumerate(dataset["drain_voltage"].values):
            colour = (BLUE, ORANGE, "#3f7d4e", "#7a4b94")[number % 4]
            for axes in (logarithmic, linear):
                axes.plot(gate, current[number], "o", color=colour, ms=6, label=f"$V_d$ = {drain:g} V", zorder=3)
                for v, i, s in zip(gate, current[number], slope[number]):
                    t = np.linspace(-reach, reach, 9)
                    line = i * np.exp(s / i * t) if axes is logarithmic else i + s * t
                    axes.plot(v + t, line, color=colour, lw=2.0, solid_capstyle="round")
        logarithmic.set_yscale("log")
        swing = dataset["subthreshold_swing"].values
        rows = [
            f"$V_d$ = {drain:g} V:  {float(swing[k].min()):.0f} mV per decade"
            for k, drain in enumerate(dataset["drain_voltage"].values)
        ]
        logarithmic.text(
            0.97, 0.06, "steepest swing\n" + "\n".join(rows), transform=logarithmic.transAxes, ha="right", fontsize=11.5
        )
        linear.set_ylim(0, None)
        for axes in (logarithmic, linear):
            axes.set_xlabel("Gate voltage (V)")
            axes.set_ylabel("Drain current (µA)")
        linear.legend(loc="upper left", title="lines: slope by the adjoint", title_fontsize=11.5)
        _title(figure, dataset)
    return figure


def states_figure(dataset: Any) -> Any:
    """The density of states along the tube in the off- and the on-state, with band edges and the current's energies."""
    colors = import_optional("matplotlib.colors", "drawing results")
    x, energy = dataset["x"].values / 10, dataset["energy"].values
    density = _per_nanometre(dataset, dataset["local_density_of_states"].values)
    pairs = (x[0::2] + x[1::2]) / 2
    top = float(np.quantile(density, 0.997))
    norm = colors.PowerNorm(0.5, vmin=0, vmax=top)
    kt = BOLTZMANN * float(dataset.attrs["temperature_K"])
    with style():
        figure = new_figure((WIDTH, 5.4))
        panels = figure.subplots(1, 4, sharey=True, width_ratios=(1, 0.24, 1, 0.24))
        for k, state in enumerate(dataset["state"].values):
            drain = float(dataset["state_drain_voltage"].values[k])
            gate = float(dataset["state_gate_voltage"].values[k])
            at = dataset.sel(drain_voltage=drain, gate_voltage=gate)
            wide, narrow = panels[2 * k], panels[2 * k + 1]
            image = wide.pcolormesh(pairs, energy, density[k], norm=norm, cmap="magma", shading="nearest")
            middle = -at["potential"].values
            half_gap = float(dataset.attrs["band_gap_eV"]) / 2
            for edge in (middle + half_gap, middle - half_gap):
                wide.plot(x, edge, color="white", lw=1.1)
            half = float(dataset.attrs["channel_angstrom"]) / 20
            for mu, side in ((0.0, x < -half), (-drain, x > half)):
                wide.plot(x[side], np.full(side.sum(), mu), color=GOLD, lw=1.6, ls=(0, (3, 2)))
            wide.set_xlim(x[0], x[-1])
            wide.set_ylim(energy[0], energy[-1])
            wide.set_xlabel("x (nm)")
            current = float(at["current"])
            wide.set_title(f"{state}: $V_g$ = {gate:g} V,  I = {_number(current)} µA".replace("-", "−"), loc="left")
            flow = dataset["transmission"].values[k] * (_fermi(energy / kt) - _fermi((energy + drain) / kt))
            narrow.fill_betweenx(energy, flow / max(float(np.abs(flow).max()), 1e-300), color=BLUE, alpha=0.85, lw=0)
            narrow.set_xlim(0, 1.05)
            narrow.set_xticks([])
            narrow.set_xlabel("current")
            narrow.spines["bottom"].set_visible(False)
        panels[0].set_ylabel("Energy (eV)")
        bar = figure.colorbar(image, ax=panels.tolist(), pad=0.01, aspect=32, extend="max")
        bar.set_label("density of states, both spins (1/eV nm)")
        drain = float(dataset["state_drain_voltage"].values[0])
        _title(figure, dataset, f"$V_d$ = {drain:g} V")
    return figure


def charge_figure(dataset: Any) -> Any:
    """Band edges and electrons along the tube for every gate voltage at the largest drain voltage."""
    colormaps = import_optional("matplotlib", "drawing results").colormaps
    drain = dataset["drain_voltage"].values[-1]
    at = dataset.sel(drain_voltage=drain)
    x, gate = at["x"].values / 10, at["gate_voltage"].values
    half_gap = float(dataset.attrs["band_gap_eV"]) / 2
    carriers, pairs = _carriers(dataset, at["charge"].values), (x[0::2] + x[1::2]) / 2
    with style():
        figure = new_figure((WIDTH, 6.8))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1))
        shades = colormaps["viridis"](np.linspace(0.05, 0.92, len(gate)))
        for k, shade in enumerate(shades):
            middle = -at["potential"].values[k]
            top.plot(x, middle + half_gap, color=shade, lw=1.7)
            top.plot(x, middle - half_gap, color=shade, lw=1.7)
            bottom.plot(pairs, carriers[k], color=shade, lw=1.7)
        half = float(dataset.attrs["channel_angstrom"]) / 20
        for mu, side in ((0.0, x < -half), (-drain, x > half)):
            top.plot(x[side], np.full(side.sum(), mu), color="#b00020", lw=1.6, ls=(0, (3, 2)), zorder=1)
        for axes in (top, bottom):
            axes.axvspan(-half, half, color="#eef1f4", lw=0, zorder=0)
        top.set_ylabel("Band edges (eV)")
        bottom.set_ylabel("Electrons beyond\nhalf filling (1/nm)")
        bottom.axhline(0, color=INK, lw=0.8, zorder=0.5)
        bottom.set_xlabel("x (nm)      shaded: under the gate")
        bottom.set_xlim(x[0], x[-1])
        cm = import_optional("matplotlib.cm", "drawing results")
        colors = import_optional("matplotlib.colors", "drawing results")
        step = gate[1] - gate[0]
        edges = np.concatenate([gate - step / 2, [gate[-1] + step / 2]])
        mappable = cm.ScalarMappable(colors.BoundaryNorm(edges, len(gate)), colors.ListedColormap(shades))
        chosen = gate[:: max(1, (len(gate) + 7) // 8)]
        bar = figure.colorbar(mappable, ax=[top, bottom], pad=0.015, aspect=36, ticks=chosen)
        bar.set_label("gate voltage (V)")
        figure.align_ylabels()
        bar.ax.minorticks_off()
        bar.ax.set_yticklabels([f"{v:.3g}".replace("-", "−") for v in chosen])
        _title(figure, dataset, f"$V_d$ = {drain:g} V")
    return figure


def gradient_figure(dataset: Any) -> Any:
    """By how many per cent small changes of the transistor change its off- and its on-current, by the adjoint."""
    names = dataset["parameter"].values.tolist()
    values = dataset["parameter_value"].values
    changes: dict[str, Array] = {}
    for k, state in enumerate(dataset["state"].values):
        at = dataset.sel(
            drain_voltage=dataset["state_drain_voltage"].values[k], gate_voltage=dataset["state_gate_voltage"].values[k]
        )
        steps = [0.01 * values[names.index(name)] if step is None else step for name, step, _ in CHANGES]
        slopes = [float(at["current_gradient"].values[names.index(name)]) for name, _, _ in CHANGES]
        changes[str(state)] = 100 * np.array(slopes) * steps / float(at["current"])
    with style():
        figure = new_figure((WIDTH, 4.6))
        panels = figure.subplots(1, 2, sharey=True)
        where = np.arange(len(CHANGES))[::-1]
        for axes, (state, percent), colour in zip(panels, changes.items(), (BLUE, ORANGE)):
            axes.barh(where, percent, color=colour, height=0.62)
            axes.axvline(0, color=INK, lw=0.9)
            reach = float(np.abs(percent).max()) * 1.7
            axes.set_xlim(-reach, reach)
            for place, value in zip(where, percent):
                text = f"{value:+.2g} %".replace("-", "−")
                gap = 0.025 * reach * (1 if value >= 0 else -1)
                axes.text(value + gap, place, text, va="center", ha="left" if value >= 0 else "right", fontsize=12)
            axes.set_title(f"{state}-current", loc="left")
            axes.set_xlabel("change of the current (%)")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(where, [text for _, _, text in CHANGES])
        drain = float(dataset["state_drain_voltage"].values[0])
        _title(figure, dataset, f"$V_d$ = {drain:g} V")
    return figure


def convergence_figure(dataset: Any) -> Any:
    """The residual of every point's potential, and the Newton steps it took."""
    gate = dataset["gate_voltage"].values
    with style():
        figure = new_figure((WIDTH, 4.6))
        left, right = figure.subplots(1, 2)
        for number, drain in enumerate(dataset["drain_voltage"].values):
            colour = (BLUE, ORANGE, "#3f7d4e", "#7a4b94")[number % 4]
            for axes, name in ((left, "residual"), (right, "newton_steps")):
                axes.plot(gate, dataset[name].values[number], "o-", color=colour, ms=6, label=f"$V_d$ = {drain:g} V")
        left.set_yscale("log")
        left.set_ylabel("Residual of the potential (V)")
        right.set_ylabel("Newton steps")
        right.set_ylim(0, None)
        right.yaxis.get_major_locator().set_params(integer=True)
        for axes in (left, right):
            axes.set_xlabel("Gate voltage (V)")
            axes.xaxis.get_major_locator().set_params(nbins=6)
        right.legend(loc="best")
        _title(figure, dataset)
    return figure


def _carriers(dataset: Any, charge: Array) -> Array:
    """Electrons beyond half filling per nm, donors less net charge, for every two rings."""
    names = dataset["parameter"].values.tolist()
    doping = float(dataset["parameter_value"].values[names.index("doping")])
    doped = dataset["doped"].values
    return doping * (doped[0::2] + doped[1::2]) / 2 - _per_nanometre(dataset, charge)


def _per_nanometre(dataset: Any, of_rings: Array) -> Array:
    """A quantity per ring as one per nm: rings come in pairs half a bond apart, so two are taken together."""
    x = dataset["x"].values / 10
    return (of_rings[..., 0::2] + of_rings[..., 1::2]) / float(x[2] - x[0])


def _fermi(x: Array) -> Array:
    return 1 / (1 + np.exp(np.clip(x, -600, 600)))


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def _title(figure: Any, dataset: Any, more: str = "") -> None:
    text = str(dataset.attrs.get("title", ""))
    figure.suptitle(f"{text}      {more}" if more else text, fontsize=15, fontweight="bold")
