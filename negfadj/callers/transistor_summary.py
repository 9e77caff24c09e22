"""What a transistor job is about to compute, and its gradients, in a few lines."""

from __future__ import annotations

from typing import Any

from ..models.nanotube import circumferential_modes, nanotube_radius
from .job_run import LARGEST_BATCH
from .summary import device_bytes
from .transistor_system import PARAMETERS, TransistorSystem

SHOWN = ("gate_work_function", "oxide_permittivity", "oxide_thickness", "doping", "temperature", "drain_voltage")


def transistor_rows(system: TransistorSystem) -> list[tuple[str, str]]:
    """Pairs (what, value) that describe the transistor of a job."""
    settings = system.job.settings
    tube, geometry, materials, voltages = settings.tube, settings.geometry, settings.materials, settings.voltages
    modes = circumferential_modes(tube.n, hopping=tube.hopping)
    treated = {
        "all": f"all {tube.n} circumferential modes, exact",
        "atoms": f"atoms, {tube.n} of them a ring",
    }.get(str(tube.modes), f"the {tube.modes} pairs of circumferential modes next to the gap, of {len(modes)}")
    gate = voltages.gate()
    radius = nanotube_radius((tube.n, 0), bond=tube.bond)
    drains = ", ".join(f"{v:g}" for v in voltages.drain)
    grid = system.electrostatics.grid
    return [
        ("tube", f"({tube.n}, 0), radius {radius:.2f} Å, gap {system.gap:.4f} eV"),
        ("treated as", treated),
        (
            "along x",
            f"contact {geometry.contact:g}, spacer {geometry.spacer:g}, channel {geometry.channel:g} Å, and the same "
            f"again: {len(system.positions)} rings",
        ),
        (
            "around it",
            f"{geometry.gap:g} Å of vacuum, {geometry.oxide:g} Å of oxide of permittivity "
            f"{materials.oxide_permittivity:g}, metal",
        ),
        ("ends", f"{materials.doping:g} donors/nm; neutral at U = {system.lead.potential_energy:+.4f} eV"),
        ("grid", f"{grid.shape[0]} × {grid.shape[1]} nodes along x and r"),
        ("voltages", f"drain {drains} V; gate {len(gate)} from {gate[0]:g} to {gate[-1]:g} V"),
        ("temperature", f"{voltages.temperature:g} K"),
        ("memory", f"about {device_bytes(system.device, LARGEST_BATCH) / 2**20:.0f} MiB"),
    ]


def gradient_rows(dataset: Any) -> list[tuple[str, ...]]:
    """The logarithmic derivatives of the on- and off-current by what the transistor is made of."""
    rows = []
    for name in SHOWN:
        number = PARAMETERS.index(name)
        unit = str(dataset["parameter_unit"].values[number])
        row = [name.replace("_", " "), "" if unit == "1" else f"per {unit.replace('1/nm', '(1/nm)')}"]
        for state in ("off", "on"):
            where = dataset["state"].values.tolist().index(state)
            at = dataset.sel(
                drain_voltage=dataset["state_drain_voltage"].values[where],
                gate_voltage=dataset["state_gate_voltage"].values[where],
            )
            row.append(f"{float(at['current_gradient'].values[number]) / float(at['current']):+.5g}")
        rows.append(tuple(row))
    return rows
