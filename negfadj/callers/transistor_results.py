"""Results of a transistor job as an xarray Dataset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..errors import FileFormatError
from ..optional import import_optional
from ..typing import Array
from .provenance import provenance
from .result_file import open_results
from .transistor_system import PARAMETERS, UNITS, TransistorSystem

JOB = "nanotube-transistor"

# name: (dimensions after (drain_voltage, gate_voltage), unit, long name)
QUANTITIES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "current": ((), "uA", "current from source to drain"),
    "current_gradient": (("parameter",), "uA per unit of the parameter", "derivative of the current, by the adjoint"),
    "subthreshold_swing": ((), "mV per decade", "ln(10) I / (dI/dV_gate)"),
    "potential": (("ring",), "V", "electrostatic potential of the ring"),
    "charge": (("ring",), "e", "net charge of the ring, positive where electrons are missing"),
    "residual": ((), "V", "largest difference between the potential and that of its own charge"),
    "newton_steps": ((), "1", "Newton steps"),
    "krylov_products": ((), "1", "products with the Jacobian in these"),
    "charge_evaluations": ((), "1", "evaluations of the charge in these"),
    "adjoint_products": ((), "1", "products with the transposed Jacobian in the adjoint solve"),
    "adjoint_residual": ((), "1", "relative residual of the adjoint solve"),
}
MAPS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "local_density_of_states": (("energy", "ring"), "1/eV", "local density of states of the ring, both spins"),
    "transmission": (("energy",), "1", "transmission from source to drain, per spin"),
}


def make_transistor_dataset(
    system: TransistorSystem, quantities: Mapping[str, Array], maps: Mapping[str, Array], energies: Array, states: Array
) -> Any:
    """The Dataset of a job.

    Parameters
    ----------
    system : TransistorSystem
    quantities : mapping of name to array
        `QUANTITIES`, each (n_drain, n_gate, …) with rising gate voltages.
    maps : mapping of name to array
        `MAPS`, each (n_states, …).
    energies : array
        [eV], of the maps.
    states : array, shape (n_states, 2)
        (V_d, V_g) [V] of the maps: off, then on.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingDependencyError
        When xarray is not installed.
    """
    xarray = import_optional("xarray", "a results file")
    voltages = system.job.settings.voltages
    both = ("drain_voltage", "gate_voltage")
    variables: dict[str, Any] = {
        name: ((*both, *dims), quantities[name], {"units": unit, "long_name": text})
        for name, (dims, unit, text) in QUANTITIES.items()
    }
    variables |= {
        name: (("state", *dims), maps[name], {"units": unit, "long_name": text})
        for name, (dims, unit, text) in MAPS.items()
    }
    variables["doped"] = (("ring",), system.is_doped.astype(np.int8), {"long_name": "1 where the ring is doped"})
    coordinates = {
        "drain_voltage": (("drain_voltage",), np.array(voltages.drain), {"units": "V"}),
        "gate_voltage": (("gate_voltage",), voltages.gate(), {"units": "V"}),
        "x": (("ring",), system.positions, {"units": "angstrom", "long_name": "place along the tube"}),
        "energy": (("energy",), energies, {"units": "eV", "long_name": "energy from the source's chemical potential"}),
        "parameter": (("parameter",), np.array(PARAMETERS, dtype=object), {"long_name": "what the current depends on"}),
        "parameter_unit": (("parameter",), np.array(list(UNITS.values()), dtype=object)),
        "parameter_value": (("parameter",), parameter_values(system)),
        "state": (("state",), np.array(["off", "on"], dtype=object)),
        "state_drain_voltage": (("state",), states[:, 0], {"units": "V"}),
        "state_gate_voltage": (("state",), states[:, 1], {"units": "V"}),
    }
    return xarray.Dataset(variables, coordinates, _attributes(system))


def parameter_values(system: TransistorSystem) -> Array:
    """The values of `PARAMETERS`; NaN for the voltages, which are swept."""
    settings = system.job.settings
    values = {
        "gate_work_function": settings.materials.gate_work_function,
        "oxide_permittivity": settings.materials.oxide_permittivity,
        "oxide_thickness": settings.geometry.oxide,
        "doping": settings.materials.doping,
        "temperature": settings.voltages.temperature,
    }
    return np.array([values.get(name, math.nan) for name in PARAMETERS])


def read_transistor(path: str | PathLike[str]) -> Any:
    """Read a results file of a transistor job into memory.

    Raises
    ------
    InputError, FileFormatError, MissingDependencyError
        When there is none, it is another file, or packages are missing.
    """
    dataset = open_results(path)
    missing = [name for name in (*QUANTITIES, *MAPS) if name not in dataset]
    if missing:
        raise FileFormatError(f"results file {str(path)!r} has no variable {missing[0]!r}; it is no transistor's.")
    return dataset


def is_transistor(path: str | PathLike[str]) -> bool:
    """Was a results file written by a transistor job?"""
    return bool(open_results(path).attrs.get("job") == JOB)


def _attributes(system: TransistorSystem) -> dict[str, Any]:
    job = system.job
    tube, geometry = job.settings.tube, job.settings.geometry
    return {
        "job": JOB,
        **provenance(job.path, job.text, job.settings.title, system.fingerprint),
        "tube": f"({tube.n}, 0)",
        "modes": str(tube.modes),
        "band_gap_eV": system.gap,
        "lead_potential_energy_eV": system.lead.potential_energy,
        "channel_angstrom": geometry.channel,
        "spacer_angstrom": geometry.spacer,
        "contact_angstrom": geometry.contact,
        "temperature_K": job.settings.voltages.temperature,
    }
