"""From a checked job to the transistor it describes: the tube, its neutral leads, the electrostatics around it.

Along x: contact, spacer, channel, spacer, contact. The ends (contacts and spacers) are doped; the gate wraps the
channel, metal sleeves the contacts. A sleeve is at the potential of the neutral doped tube, so that the leads go on
without a step. Everything across is layered: vacuum, the wall, vacuum (`gap`), oxide, metal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data import Device
from ..electrostatics.axisymmetric import Layer, axisymmetric_poisson, layer_permittivities_bar, radial_lines_bar
from ..electrostatics.bodies import Conductor
from ..electrostatics.finite_volume import FiniteVolumePoisson
from ..electrostatics.regions import Box
from ..errors import InputError
from ..models.nanotube import (
    circumferential_modes,
    nanotube,
    nanotube_model,
    nanotube_radius,
    zigzag_modes,
    zigzag_ring_positions,
)
from ..models.transport_model import transport_model
from ..physics.neutral_lead import NeutralLead, neutral_lead
from ..physics.self_consistent import SelfConsistentCotangent
from ..physics.small_signal import voltage_slope
from ..typing import Array
from .fingerprint import fingerprint
from .transistor_file import TransistorJob
from .transistor_layers import joined_layers

UNITS = {  # of the parameters
    "gate_voltage": "V",
    "drain_voltage": "V",
    "gate_work_function": "eV",
    "oxide_permittivity": "1",
    "oxide_thickness": "angstrom",
    "doping": "1/nm",
    "temperature": "K",
}
PARAMETERS = tuple(UNITS)
METAL = 1.0  # Å: thickness of the sheets that stand for metal
LAYER = 8  # orbitals: rings of few modes are joined up to here, fewer steps for each sweep


@dataclass(frozen=True, eq=False)
class TransistorSystem:
    """What a job computes.

    Parameters
    ----------
    job : TransistorJob
    device : Device
        At zero potential; its leads are at the potential energy at which they are neutral.
    sites : array, shape (n_orbitals,), integer
        The ring of every orbital.
    spin_degeneracy : float
        2, or 4 where an orbital stands for two modes.
    electrostatics : FiniteVolumePoisson
        Its sites are the rings.
    layers : tuple of Layer
        The oxide.
    positions : array, shape (n_rings,)
        Of the rings along x [Å]; 0 is the middle of the channel.
    neutral : array, shape (n_rings,)
        Electrons of a neutral ring, its donors' included.
    is_doped : array of bool, shape (n_rings,)
    lead : NeutralLead
    rings_per_cell : int
        Rings in a cell of a lead.
    """

    job: TransistorJob
    device: Device
    sites: Array
    spin_degeneracy: float
    electrostatics: FiniteVolumePoisson
    layers: tuple[Layer, ...]
    positions: Array
    neutral: Array
    is_doped: Array
    lead: NeutralLead
    rings_per_cell: int

    @property
    def points(self) -> Array:
        """(V_d, V_g) [V] of the sweep, (n_drain × n_gate, 2): each drain voltage from the on-state down."""
        voltages = self.job.settings.voltages
        return np.array([(d, g) for d in voltages.drain for g in voltages.gate()[::-1]])

    @property
    def fingerprint(self) -> str:
        """Of everything that the numbers depend on."""
        settings = self.job.settings.model_dump(mode="json", exclude={"title", "output", "voltages"})
        return fingerprint(settings, self._kelvin, PARAMETERS)

    @property
    def gap(self) -> float:
        """Band gap of the tube [eV]."""
        tube = self.job.settings.tube
        return circumferential_modes(tube.n, hopping=tube.hopping)[0].gap

    def chemical_potentials(self, drain: float) -> Array:
        """μ of source and drain [eV]: the source is grounded."""
        return np.array([0.0, -drain])

    def gated(self, gate: float) -> FiniteVolumePoisson:
        """The electrostatics at a gate voltage [V]."""
        work_function = self.job.settings.materials.gate_work_function
        return self.electrostatics.with_voltages({"gate": gate - work_function})

    def metals_potential(self, drain: float, gate: float) -> Array:
        """φ [V] of gate and sleeves alone, without any charge."""
        return self.gated(gate).potential(np.zeros(len(self.positions)), -self.chemical_potentials(drain))

    @cached_property
    def drain_share(self) -> Array:
        """dφ/dV_d of the drain's metal alone, without any charge, (n_rings,)."""
        return self.metals_potential(1.0, 0.0) - self.metals_potential(0.0, 0.0)

    def options(self, drain: float) -> dict[str, Any]:
        """Keyword arguments of `self_consistent`."""
        numerics = self.job.settings.numerics
        return {
            "chemical_potentials": self.chemical_potentials(drain),
            "temperature": self._kelvin,
            "neutral": self.neutral,
            "sites": self.sites,
            "spin_degeneracy": self.spin_degeneracy,
            "tolerance": numerics.tolerance,
            "error": numerics.error,
            "max_energies": numerics.max_energies,
        }

    def parameters_bar(self, bar: SelfConsistentCotangent) -> Array:
        """The derivatives by `PARAMETERS`, (7,), from a pullback's cotangents.

        Doping and temperature also move the neutral leads, U(N, T), and with them the metal sleeves, at −U. The oxide
        grows outwards and carries the metal along; the grid in it is stretched.
        """
        assert bar.chemical_potentials is not None
        gate = voltage_slope(bar, ("gate",))
        sleeves = voltage_slope(bar, ("source", "drain"))
        level_bar = sum(float(lead.potential_energy) for lead in bar.device.leads) - sleeves
        donors = donors_per_ring(1.0, self.job.settings.tube.bond)  # for 1/nm
        by_doping = donors * (
            float(np.sum(bar.neutral[self.is_doped])) + level_bar * self.lead.by_electrons * self.rings_per_cell
        )
        return np.array(
            [
                gate,
                -float(bar.chemical_potentials[1]),
                -gate,
                layer_permittivities_bar(bar.electrostatics, self.layers)[0],
                float(radial_lines_bar(self.electrostatics, bar.electrostatics) @ self._lines_by_thickness),
                by_doping,
                bar.temperature + level_bar * self.lead.by_temperature,
            ]
        )

    @property
    def _lines_by_thickness(self) -> Array:
        """dr/dt of every radial line, t the thickness of the oxide."""
        inner, outer = self.layers[0].inner_radius, self.layers[0].outer_radius
        return np.clip((self.electrostatics.grid.y - inner) / (outer - inner), 0.0, 1.0)

    @property
    def _kelvin(self) -> float:
        return self.job.settings.voltages.temperature


def donors_per_ring(doping: float, bond: float) -> float:
    """Donors on a ring for so many per nm: rings are three quarters of a bond apart in the mean."""
    return doping * 0.1 * 0.75 * bond


def build_transistor(job: TransistorJob) -> TransistorSystem:
    """Assemble the transistor of a job.

    Raises
    ------
    InputError
        For a geometry that has no room for a cell of the tube in one of its parts, or doping beyond the bands.
    """
    settings = job.settings
    tube, geometry, materials = settings.tube, settings.geometry, settings.materials
    period = 3 * tube.bond
    for name in ("channel", "spacer", "contact"):
        if getattr(geometry, name) < 2 * period:
            raise InputError(
                f"geometry.{name} = {getattr(geometry, name)} Å is shorter than two cells of the tube, "
                f"{2 * period:.3f} Å."
            )
    half = geometry.channel / 2
    end = half + geometry.spacer + geometry.contact
    n_cells = max(2, round(2 * end / period))
    n_rings = 4 * n_cells
    positions = zigzag_ring_positions(n_rings, bond=tube.bond)
    positions = positions - (positions[0] + positions[-1]) / 2
    is_doped = np.abs(positions) > half
    donors = donors_per_ring(materials.doping, tube.bond)

    device, sites, spin_degeneracy, rings_per_cell = _tube(job, n_rings)
    per_ring = spin_degeneracy * device.n_orbitals / n_rings / 2  # half filled
    lead = neutral_lead(
        device.leads[0],
        (per_ring + donors) * rings_per_cell,
        temperature=settings.voltages.temperature,
        spin_degeneracy=spin_degeneracy,
    )
    leads = tuple(replace(one, potential_energy=lead.potential_energy) for one in device.leads)
    layers, electrostatics = _electrostatics(job, positions, lead.potential_energy)
    return TransistorSystem(
        job,
        replace(device, leads=leads),
        sites,
        spin_degeneracy,
        electrostatics,
        layers,
        positions,
        per_ring + donors * is_doped,
        is_doped,
        lead,
        rings_per_cell,
    )


def _tube(job: TransistorJob, n_rings: int) -> tuple[Device, Array, float, int]:
    """Device, ring of every orbital, degeneracy of an orbital, rings in a cell of a lead."""
    tube = job.settings.tube
    if tube.modes == "atoms":
        structure = nanotube((tube.n, 0), n_cells=n_rings // 4, bond=tube.bond)
        made = transport_model(structure, nanotube_model(tube.hopping, bond=tube.bond))
        return made.device, made.atoms // tube.n, 2.0, made.device.leads[0].n_orbitals // tube.n
    modes = zigzag_modes(
        tube.n, n_rings=n_rings, hopping=tube.hopping, n_pairs=None if tube.modes == "all" else int(tube.modes)
    )
    n_joined = max(1, LAYER // modes.device.hamiltonian.block_sizes[0])
    return joined_layers(modes.device, n_joined), modes.rings, 2.0 * modes.counted, 2


def _electrostatics(
    job: TransistorJob, positions: Array, lead_potential_energy: float
) -> tuple[tuple[Layer, ...], FiniteVolumePoisson]:
    settings = job.settings
    tube, geometry, h = settings.tube, settings.geometry, settings.numerics.spacing
    wall = nanotube_radius((tube.n, 0), bond=tube.bond)
    inner = wall + geometry.gap
    outer = inner + geometry.oxide
    half, sleeve = geometry.channel / 2, geometry.channel / 2 + geometry.spacer
    end = max(sleeve + geometry.contact, positions[-1] + tube.bond / 2)
    fine = min(h, 0.8 * settings.numerics.charge_width)
    near = max(wall / 2, wall - 3 * settings.numerics.charge_width)
    radial = _lines((0.0, near, wall, inner), fine)
    radial = np.union1d(radial, _lines((inner, outer), 1.5 * h))
    axial = _lines((-end, -sleeve, -half, half, sleeve, end), h)
    metal = (outer, outer + METAL)
    contact = -lead_potential_energy
    conductors = (
        Conductor("gate", Box(x=(-half, half), y=metal), 0.0),
        Conductor("source", Box(x=(-end, -sleeve), y=metal), contact),
        Conductor("drain", Box(x=(sleeve, end), y=metal), contact),
    )
    layers = (Layer(inner, outer, settings.materials.oxide_permittivity),)
    electrostatics = axisymmetric_poisson(
        axial,
        radial,
        positions=positions,
        radius=wall,
        width=settings.numerics.charge_width,
        layers=layers,
        conductors=conductors,
        lead_conductors=("source", "drain"),
    )
    return layers, electrostatics.with_line_shifts()  # for the derivative to the thickness


def _lines(marks: tuple[float, ...], spacing: float) -> Array:
    """Lines at the marks and between them, no further apart than `spacing`."""
    parts = [np.linspace(a, b, max(1, int(np.ceil((b - a) / spacing - 1e-9))) + 1) for a, b in zip(marks, marks[1:])]
    lines: Array = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
    return lines
