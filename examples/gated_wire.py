"""The self-consistent current of a short gate-all-around transistor by what it is made of, with its gradient.

Along x: sleeve, doped end, undoped channel under the gate, doped end, sleeve; one subband. on_off_design.py designs it.
"""

from dataclasses import replace

import numpy as np

import negfadj as na
from negfadj.callers.transistor_layers import joined_layers
from negfadj.electrostatics.axisymmetric import Layer, axisymmetric_poisson, layer_permittivities_bar, radial_lines_bar
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.regions import Box
from negfadj.models import effective_mass_device
from negfadj.physics.small_signal import voltage_slope

DRAIN, KELVIN = 0.2, 300.0  # V, K
SPACING, HALF, SLEEVE, END, CORE, MASS = 5.0, 40.0, 60.0, 100.0, 20.0, 0.1  # Å, half the gate first; m_e
X = np.arange(-END + SPACING / 2, END, SPACING)
DOPED = abs(X) > HALF
WIRE = effective_mass_device(np.zeros(len(X)), np.full(len(X), MASS), spacing=SPACING)


def current_vjp(made, gate: float, **options):
    """The current [µA] at a gate voltage, and its derivatives by work function [eV], oxide [Å], 1, doping [1/nm]."""
    cell = 0.1 * SPACING
    level = na.neutral_lead(WIRE.leads[0], cell * made["doping"], temperature=KELVIN)
    leads = tuple(replace(lead, potential_energy=level.potential_energy) for lead in WIRE.leads)
    radial = np.concatenate([np.linspace(0, CORE, 9), CORE + made["oxide"] * np.linspace(0.2, 1, 5)])
    layers = (Layer(0.0, CORE, 12.0), Layer(CORE, radial[-1], made["permittivity"]))
    places = {"gate": (-HALF, HALF), "source": (-END, -SLEEVE), "drain": (SLEEVE, END)}
    volts = {"gate": gate - made["work_function"], "source": -level.potential_energy, "drain": -level.potential_energy}
    metals = [Conductor(name, Box(x=x, y=(radial[-1], radial[-1] + 1)), volts[name]) for name, x in places.items()]
    axial, given = np.linspace(-END, END, len(X) + 1), {"layers": layers, "lead_conductors": ("source", "drain")}
    field = axisymmetric_poisson(axial, radial, positions=X, radius=10.0, width=5.0, conductors=metals, **given)
    loop = {"chemical_potentials": (0, -DRAIN), "neutral": cell * made["doping"] * DOPED, "temperature": KELVIN}
    device, field = joined_layers(replace(WIRE, leads=leads), 8), field.with_line_shifts()
    solution, pullback = na.self_consistent_vjp(device, field, **loop, **options)

    def current_pullback(current_bar):
        bar = pullback(current=current_bar)
        level_bar = sum(float(lead.potential_energy) for lead in bar.device.leads)
        level_bar -= voltage_slope(bar, ("source", "drain"))
        growth = np.clip((radial - CORE) / made["oxide"], 0, 1)
        return {
            "work_function": -voltage_slope(bar, ("gate",)),
            "oxide": radial_lines_bar(field, bar.electrostatics) @ growth,
            "permittivity": layer_permittivities_bar(bar.electrostatics, layers)[1],
            "doping": cell * (np.sum(bar.neutral[DOPED]) + level_bar * level.by_electrons),
        }

    return solution.current, current_pullback
