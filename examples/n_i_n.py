"""An n-i-n structure in a thin GaAs wire with one subband: I–V, self-consistent, with dI/dV by the adjoint.

Run with:  python examples/n_i_n.py      (writes examples/results/n_i_n.png)
Lengths in Å, energies in eV.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from negfadj.callers.curves import Curve, current_voltage
from negfadj.callers.transistor_layers import joined_layers
from negfadj.electrostatics.axisymmetric import Layer, axisymmetric_poisson
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.regions import Box
from negfadj.models import effective_mass_device
from negfadj.physics.neutral_lead import neutral_lead

MASS, PERMITTIVITY = 0.067, 12.9  # GaAs
SPACING, WIRE, OUTER = 5.0, 30.0, 80.0
DOPED, INTRINSIC = 150.0, 300.0  # so long that the barrier sends most electrons back: the leads stay neutral
DONORS = 0.03  # per Å of the doped ends: 0.3 per nm
TEMPERATURE = 300.0


def wire(barriers: np.ndarray | None = None, intrinsic: float = INTRINSIC):
    """Device, electrostatics, electrons of a neutral point, and places of the points; barriers [eV] at every point."""
    n_points = round((2 * DOPED + intrinsic) / SPACING)
    x = (np.arange(n_points) - (n_points - 1) / 2) * SPACING
    edge = np.zeros(n_points) if barriers is None else barriers
    device = effective_mass_device(edge, np.full(n_points, MASS), spacing=SPACING)
    electrons = DONORS * SPACING
    # the leads are doped as the ends are: at this energy they are neutral
    level = neutral_lead(device.leads[0], electrons, temperature=TEMPERATURE).potential_energy
    device = replace(device, leads=tuple(replace(lead, potential_energy=level) for lead in device.leads))
    end = x[-1] + SPACING / 2
    metal = (OUTER, OUTER + 1)
    sleeve = intrinsic / 2 + 0.5 * DOPED  # the outer half of each doped end is in a metal sleeve
    electrostatics = axisymmetric_poisson(
        np.linspace(-end, end, n_points + 1),
        np.concatenate([np.linspace(0, 2 * WIRE, 13), np.linspace(2 * WIRE, OUTER, 4)[1:]]),
        positions=x,
        radius=WIRE / 2,
        width=WIRE / 4,
        layers=(Layer(0.0, 2 * WIRE, PERMITTIVITY),),
        conductors=(
            Conductor("source", Box(x=(-end, -sleeve), y=metal), -level),
            Conductor("drain", Box(x=(sleeve, end), y=metal), -level),
        ),
        lead_conductors=("source", "drain"),
    )
    return joined_layers(device, 8), electrostatics, electrons * (np.abs(x) > intrinsic / 2), x


def curve(
    biases: np.ndarray, barriers: np.ndarray | None = None, intrinsic: float = INTRINSIC
) -> tuple[Curve, np.ndarray]:
    """The current–voltage curve, and the places of the points."""
    device, electrostatics, neutral, x = wire(barriers, intrinsic)
    start = electrostatics.potential(np.zeros(len(x)))  # of the metal alone
    options = {"neutral": neutral, "temperature": TEMPERATURE, "error": 1e-6, "tolerance": 1e-7, "initial": start}
    return current_voltage(device, electrostatics, biases, options=options), x


def draw(found: Curve, x: np.ndarray, barriers: np.ndarray, path: Path) -> None:
    """I–V with its slopes, and the band edge at every bias."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    reach = 0.4 * (found.voltages[1] - found.voltages[0])
    left.plot(found.voltages, found.currents, "o", color="#1f4e9c")
    for v, i, slope in zip(found.voltages, found.currents, found.slopes):
        left.plot([v - reach, v + reach], [i - slope * reach, i + slope * reach], color="#1f4e9c", lw=2)
    left.set(xlabel="bias (V)", ylabel="current (µA)      lines: dI/dV by the adjoint")
    shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(found.voltages)))
    for potential, shade in zip(found.potentials, shades):
        right.plot(x / 10, barriers - potential, color=shade)
    right.set(xlabel="x (nm)", ylabel="band edge (eV)")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=200)


if __name__ == "__main__":
    result, places = curve(np.linspace(0, 0.2, 5))
    for voltage, current, slope in zip(result.voltages, result.currents, result.slopes):
        print(f"{voltage:6.3f} V   {current:9.5f} µA   dI/dV = {slope:9.5f} µA/V")
    draw(result, places, np.zeros(len(places)), Path(__file__).parent / "results" / "n_i_n.png")
