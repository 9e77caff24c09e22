"""An n-i-n structure in a thin GaAs wire with one subband: I–V, self-consistent, with dI/dV by the adjoint.

Run with:  python examples/n_i_n.py      (writes examples/results/n_i_n.png)
Lengths in Å, energies in eV.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from bias_curves import draw

import negfadj as na
from negfadj.callers.curves import current_voltage
from negfadj.callers.transistor_layers import joined_layers
from negfadj.electrostatics.axisymmetric import Layer, axisymmetric_poisson
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.regions import Box
from negfadj.models import effective_mass_device

MASS, PERMITTIVITY, TEMPERATURE = 0.067, 12.9, 300.0  # GaAs; K
SPACING, WIRE, OUTER = 5.0, 30.0, 80.0
DOPED, INTRINSIC = 150.0, 300.0  # so long that the barrier sends most electrons back: the leads stay neutral
ELECTRONS = 0.03 * SPACING  # of a neutral point of the doped ends: 0.3 per nm


def wire(barriers: np.ndarray | float, intrinsic: float):
    """Device, electrostatics, electrons of a neutral point, and places of the points; barriers [eV] at every point."""
    n_points = round((2 * DOPED + intrinsic) / SPACING)
    x = (np.arange(n_points) - (n_points - 1) / 2) * SPACING
    device = effective_mass_device(barriers + 0 * x, np.full(n_points, MASS), spacing=SPACING)
    # the leads are doped as the ends are: at this energy they are neutral
    level = na.neutral_lead(device.leads[0], ELECTRONS, temperature=TEMPERATURE).potential_energy
    device = replace(device, leads=tuple(replace(lead, potential_energy=level) for lead in device.leads))
    # the outer half of each doped end is in a metal sleeve
    end, sleeve, metal = x[-1] + SPACING / 2, (DOPED + intrinsic) / 2, (OUTER, OUTER + 1)
    places = {"source": Box(x=(-end, -sleeve), y=metal), "drain": Box(x=(sleeve, end), y=metal)}
    axial = np.linspace(-end, end, n_points + 1)
    radial = np.concatenate([np.linspace(0, 2 * WIRE, 13), np.linspace(2 * WIRE, OUTER, 4)[1:]])
    metals = [Conductor(name, place, -level) for name, place in places.items()]
    given = {"layers": [Layer(0.0, 2 * WIRE, PERMITTIVITY)], "conductors": metals, "lead_conductors": tuple(places)}
    field = axisymmetric_poisson(axial, radial, positions=x, radius=WIRE / 2, width=WIRE / 4, **given)
    return joined_layers(device, 8), field, ELECTRONS * (abs(x) > intrinsic / 2), x


def curve(biases: np.ndarray, barriers: np.ndarray | float = 0.0, intrinsic: float = INTRINSIC):
    """The current–voltage `Curve`, and the places of the points."""
    device, field, neutral, x = wire(barriers, intrinsic)
    start = field.potential(0 * x)  # of the metal alone
    options = {"neutral": neutral, "temperature": TEMPERATURE, "error": 1e-6, "tolerance": 1e-7, "initial": start}
    return current_voltage(device, field, biases, options=options), x


if __name__ == "__main__":
    result, places = curve(np.linspace(0, 0.2, 5))
    for voltage, current, slope in zip(result.voltages, result.currents, result.slopes):
        print(f"{voltage:6.3f} V   {current:9.5f} µA   dI/dV = {slope:9.5f} µA/V")
    draw(result, places, 0.0, Path(__file__).parent / "results" / "n_i_n.png")
