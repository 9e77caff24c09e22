"""Slopes of a double barrier in an armchair ribbon: dT/dE to third order, Seebeck, dI/dV and transconductance.

Run with:  python examples/differential_quantities.py      (writes examples/results/differential_quantities.png)
Energies in eV. The gate lies on the well between the barriers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.callers import plots_differential as plots
from negfadj.models.lattice_device import lattice_device
from negfadj.models.lattices import honeycomb_ribbon
from negfadj.physics.differential_conductance import differential_conductance
from negfadj.physics.transconductance import transconductance

WIDTH, CELLS = 7, 12
CELL = np.repeat(np.arange(CELLS), 2 * WIDTH)
BARRIERS = np.where((CELL == 3) | (CELL == 8), 0.6, 0.0)
LATTICE = honeycomb_ribbon("armchair", WIDTH, CELLS, -2.7, onsite=BARRIERS)
DEVICE, POSITIONS, _ = lattice_device(LATTICE)
ENERGIES, FERMI = np.linspace(0.721, 1.321, 201), 0.95


def quantities() -> dict[str, np.ndarray]:
    """Everything the picture shows."""
    x = POSITIONS.device[:, 0]
    well = np.abs(x - x.mean()) < 0.15 * np.ptp(x)
    biases = np.linspace(0.0, 0.3, 31)
    at = {"temperature": 100.0, "rtol": 1e-4}
    return {
        "derivatives": na.transmission_derivatives(DEVICE, ENERGIES, order=3),
        "seebeck": na.seebeck(DEVICE, ENERGIES, **at),
        "biases": biases,
        "conductance": differential_conductance(DEVICE, biases, fermi_energy=FERMI, **at),
        "transconductance": transconductance(DEVICE, biases[1::6], well, fermi_energy=FERMI, **at),
    }


if __name__ == "__main__":
    from matplotlib.figure import Figure

    found = quantities()
    figure = Figure(figsize=(10, 8), layout="constrained")
    panels = figure.subplots(4, 2)
    plots.plot_transmission_derivatives(panels[:, 0], ENERGIES, found["derivatives"])
    plots.plot_seebeck(panels[0, 1], ENERGIES, found["seebeck"])
    plots.plot_differential_conductance(panels[1, 1], found["biases"], found["conductance"])
    plots.plot_transconductance(panels[2, 1], found["biases"][1::6], found["transconductance"], swept="bias")
    plots.plot_scanning_gate_map(panels[3, 1], POSITIONS.device, na.transmission_sensitivity(DEVICE, FERMI))
    path = Path(__file__).parent / "results" / "differential_quantities.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=200)
