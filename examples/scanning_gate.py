"""The scanning-gate picture of a constriction with 10,000 sites, at about the price of one more transmission.

Run with:  python examples/scanning_gate.py      (writes examples/results/scanning_gate.png)
A square lattice of a GaAs-like electron gas, 1 nm a site; dT/dV of every site is one backward sweep.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.callers.plots_differential import plot_scanning_gate_map
from negfadj.callers.scanning_gate import scanning_gate_map
from negfadj.models.lattice_device import lattice_device
from negfadj.models.lattices import square_lattice

LENGTH, WIDTH, HOPPING, SPACING = 100, 100, 0.57, 10.0  # ħ²/2ma² with m = 0.067 [eV], Å
ENERGY = 0.05  # eV above the band bottom


def constriction(length: int = LENGTH, width: int = WIDTH):
    """A strip whose walls leave a smooth opening in the middle, with weak disorder; and the sites' places."""
    x, y = np.meshgrid(np.arange(length) - (length - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    opening = 7.0 + (x / 9.0) ** 2  # half its width, in sites
    walls = 0.5 / (1 + np.exp(np.clip((opening - np.abs(y)) / 0.8, -50, 50)))
    disorder = 0.01 * np.random.default_rng(1).normal(size=x.shape) * (np.abs(x) < 0.45 * length)
    fade = np.exp(-(np.clip(np.abs(x) - 0.4 * length, 0, None) ** 2))  # no walls where the leads begin
    edge = 4 * HOPPING + walls * fade + disorder
    found = lattice_device(square_lattice(edge, -HOPPING, lead_onsite=4 * HOPPING, spacing=SPACING))
    return found.device, found.positions.device


def seconds(function, *arguments) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    from matplotlib.figure import Figure

    device, places = constriction()
    of_sites = na.transmission_sensitivity(device, ENERGY)
    of_tip = scanning_gate_map(device, ENERGY, places, places, width=20.0)
    ratio = seconds(na.transmission_sensitivity, device, ENERGY) / seconds(na.transmission, device, ENERGY)
    print(f"T = {float(na.transmission(device, ENERGY)):.4f}, {device.n_orbitals} sites, map / T: {ratio:.2f} times")
    figure = Figure(figsize=(11, 5), layout="constrained")
    for axes, values, title in zip(figure.subplots(1, 2), (of_sites, of_tip), ("one site", "a tip of 2 nm")):
        plot_scanning_gate_map(axes, places, values).set_title(title)
    path = Path(__file__).parent / "results" / "scanning_gate.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=200)
