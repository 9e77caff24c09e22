"""From a checked job to the system it describes: structure, model, disorder, gates, leads, energies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..models import (
    Structure,
    TightBinding,
    TransportModel,
    in_leads,
    parameter_set,
    read_parameters,
    read_structure,
    transport_model,
)
from ..models.structure import axis_index
from ..typing import Array
from .job_file import DisorderSection, GateSection, Job


@dataclass(frozen=True, eq=False)
class JobSystem:
    """What a job computes.

    Parameters
    ----------
    job : Job
    model : TightBinding
    transport : TransportModel
    onsite_energy, potential_energy : arrays, shape (n_atoms,)
        The disorder's on-site energies and the gates' potential energy [eV].
    energies : array, shape (n_energies,)
        [eV].
    fingerprint : str
        SHA-256 of everything the numbers depend on; a checkpoint of another job is refused by it.
    """

    job: Job
    model: TightBinding
    transport: TransportModel
    onsite_energy: Array
    potential_energy: Array
    energies: Array
    fingerprint: str


def build_system(job: Job) -> JobSystem:
    """Read the structure and assemble the device of a job.

    Raises
    ------
    InputError and its kinds
        From the structure file, the model, the leads, or a region that lies in a lead.
    """
    settings = job.settings
    structure = read_structure(job.structure_path).drop(settings.structure.drop)
    model = _model(job)
    axis = axis_index(settings.device.axis)
    potential_energy = _gate_profile(structure.positions[:, axis], settings.device.gate)

    def assemble(onsite_energy: Array) -> TransportModel:
        return transport_model(
            structure,
            model,
            axis=settings.device.axis,
            period=(settings.leads.period, settings.leads.period),
            cells_per_layer=settings.leads.cells_per_layer,
            tolerance=settings.leads.tolerance,
            onsite_energy=onsite_energy,
            potential_energy=potential_energy,
        )

    transport = assemble(np.zeros(structure.n_atoms))
    onsite_energy = np.zeros(structure.n_atoms)
    is_lead = in_leads(transport)
    _check_gates(potential_energy, is_lead, structure, axis)
    if settings.device.disorder is not None:
        onsite_energy = _disorder(structure.positions[:, axis], is_lead, settings.device.disorder)
        transport = assemble(onsite_energy)
    fingerprint = _fingerprint(job, structure, model)
    return JobSystem(job, model, transport, onsite_energy, potential_energy, settings.energies.grid(), fingerprint)


def _model(job: Job) -> TightBinding:
    section = job.settings.model
    if section.name is not None:
        return parameter_set(section.name)
    assert section.file is not None
    return read_parameters(job.path.parent / section.file)


def _gate_profile(along: Array, gates: Sequence[GateSection]) -> Array:
    """Σ U w(x): w rises from 0 to 1 as sin² over `ramp` centred on the ends of the region, and is exactly 0 outside."""
    potential_energy = np.zeros(len(along))
    for gate in gates:
        left, right = _ordered(gate.region, "device.gate.region")
        if gate.ramp > right - left:
            raise InputError(
                f"device.gate.ramp = {gate.ramp} Å is longer than its region of {right - left:g} Å, so the gate "
                "never reaches "
                "its potential energy; shorten the ramp or widen the region."
            )
        rise, fall = _step(along - left, gate.ramp), _step(right - along, gate.ramp)
        potential_energy += gate.potential_energy * np.minimum(rise, fall)
    return potential_energy


def _step(x: Array, ramp: float) -> Array:
    if ramp == 0:
        return (x >= 0).astype(np.float64)
    return np.sin(np.pi / 2 * np.clip(x / ramp + 0.5, 0.0, 1.0)) ** 2


def _check_gates(potential_energy: Array, is_lead: Array, structure: Structure, axis: int) -> None:
    touched = np.flatnonzero(is_lead & (potential_energy != 0))
    if len(touched):
        free = structure.positions[~is_lead, axis]
        raise InputError(
            f"the gates reach into a lead: {len(touched)} atoms of the first and last principal layers have a "
            "potential energy "
            f"up to {np.abs(potential_energy[touched]).max():g} eV, where the lead has none. Keep "
            "device.gate.region, with half "
            f"its ramp, between {free.min():.2f} and {free.max():.2f} Å."
            if len(free)
            else "the structure is all leads: there is no room for a gate; lengthen it."
        )


def _disorder(along: Array, is_lead: Array, section: DisorderSection) -> Array:
    """On-site energies uniform in [−W/2, W/2], one draw for every atom of the file whatever the region."""
    chosen = ~is_lead
    if section.region is not None:
        left, right = _ordered(section.region, "device.disorder.region")
        chosen = (along >= left) & (along <= right)
        if np.any(chosen & is_lead):
            free = along[~is_lead]
            bounds = f" between {free.min():.2f} and {free.max():.2f} Å" if len(free) else ""
            raise InputError(
                f"device.disorder.region = {section.region} Å reaches into the first or last principal layer, "
                "which must stay "
                f"as the lead is; keep it{bounds}."
            )
    if not np.any(chosen):
        raise InputError(
            "device.disorder: there is no atom in its region, away from the leads; widen it or lengthen the structure."
        )
    draws = np.random.default_rng(section.seed).uniform(-0.5, 0.5, len(along))
    return np.where(chosen, section.width * draws, 0.0)


def _ordered(region: Sequence[float], name: str) -> tuple[float, float]:
    if not region[0] < region[1]:
        raise InputError(f"{name} = {list(region)} Å must rise: [from, to].")
    return region[0], region[1]


def _fingerprint(job: Job, structure: Structure, model: TightBinding) -> str:
    digest = hashlib.sha256()
    settings = job.settings.model_dump(mode="json", exclude={"title", "output"})
    digest.update(json.dumps(settings, sort_keys=True).encode())
    numbers = (dict(model.onsite), model.shells, dict(model.spin_orbit))
    digest.update(repr((structure.symbols, structure.periodic, *numbers)).encode())
    for array in (structure.positions, structure.cell):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
