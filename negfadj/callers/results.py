"""Results as an xarray Dataset and as a netCDF-4 file, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileFormatError, InputError
from ..optional import import_optional
from ..typing import Array
from .figures import umask
from .job_system import JobSystem
from .provenance import provenance
from .result_file import open_results

NOT_COMPUTED, DONE, FAILED = 0, 1, 2

# name: (dimensions, unit, long name); {spins} is "per spin", or "both spins" where the orbitals carry spin themselves
QUANTITIES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "transmission": (("energy",), "1", "transmission from lead 0 to lead 1, {spins}"),
    "reverse_transmission": (("energy",), "1", "transmission from lead 1 to lead 0, {spins}"),
    "open_channels": (("energy", "lead"), "1", "open channels of the lead, {spins}"),
    "density_of_states": (("energy",), "1/eV", "density of states of the device, {spins}"),
    "local_density_of_states": (("energy", "atom"), "1/eV", "local density of states (Mulliken), {spins}"),
    "transmission_sensitivity": (
        ("energy", "atom"),
        "1/eV",
        "dT/dV, derivative of the transmission by the on-site energy of an atom, {spins}",
    ),
    "surface_residual": (
        ("energy", "lead"),
        "1",
        "largest entry of |g (A00 - A01 g A10) - 1| of the lead's surface Green's function",
    ),
}
STATUS_NAMES = "not_computed done failed"
NAN = float("nan")


def empty_quantities(system: JobSystem) -> dict[str, Array]:
    """Arrays of NaN for every quantity, and a status of "not computed" for every energy."""
    lengths = {"energy": len(system.energies), "atom": system.transport.structure.n_atoms, "lead": 2}
    arrays = {name: np.full([lengths[d] for d in dims], NAN) for name, (dims, _, _) in QUANTITIES.items()}
    return {**arrays, "status": np.full(lengths["energy"], NOT_COMPUTED, dtype=np.int8)}


def make_dataset(system: JobSystem, quantities: Mapping[str, Array]) -> Any:
    """The xarray.Dataset of a job: quantities with names and units, the atoms as coordinates, the job as attributes.

    Parameters
    ----------
    system : JobSystem
    quantities : mapping of name to array
        As `empty_quantities`, filled where computed.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingDependencyError
        When xarray is not installed.
    """
    xarray = import_optional("xarray", "a results file")
    structure = system.transport.structure
    spins = "both spins" if system.model.has_spin else "per spin"
    variables: dict[str, Any] = {
        name: (dims, np.asarray(quantities[name]), {"units": unit, "long_name": long_name.format(spins=spins)})
        for name, (dims, unit, long_name) in QUANTITIES.items()
    }
    status = {
        "long_name": "state of the energy",
        "flag_values": np.array([0, 1, 2], dtype=np.int8),
        "flag_meanings": STATUS_NAMES,
    }
    variables["status"] = (("energy",), np.asarray(quantities["status"], dtype=np.int8), status)
    for name, values, text in (
        ("onsite_disorder", system.onsite_energy, "random on-site energy of the disorder"),
        ("potential_energy", system.potential_energy, "potential energy of the gates"),
    ):
        variables[name] = (("atom",), values, {"units": "eV", "long_name": text})
    coordinates = {
        "energy": (("energy",), system.energies, {"units": "eV", "long_name": "energy, from the zero of the model"}),
        "atom": (("atom",), structure.index, {"long_name": "number of the atom in the structure file, from 0"}),
        "element": (("atom",), structure.elements.astype(object), {"long_name": "chemical symbol"}),
        "lead": (("lead",), np.arange(2), {"long_name": "lead: 0 at the smallest coordinate, 1 at the largest"}),
    }
    for axis, values in zip("xyz", structure.positions.T):
        coordinates[axis] = (("atom",), values, {"units": "angstrom", "long_name": f"position along {axis}"})
    return xarray.Dataset(variables, coordinates, _attributes(system))


def write_dataset(dataset: Any, path: str | PathLike[str]) -> None:
    """Write a Dataset as netCDF-4 (h5netcdf), whole or not at all: to another name in the folder, then renamed.

    Raises
    ------
    InputError, MissingDependencyError
        As `check_writable`.
    """
    path = Path(path)
    check_writable(path)
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    os.close(handle)
    try:
        dataset.to_netcdf(unfinished, engine="h5netcdf", format="NETCDF4")
        os.chmod(unfinished, 0o666 & ~umask())  # mkstemp keeps the file to its owner
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def check_writable(path: str | PathLike[str]) -> None:
    """Raise before the work begins what would keep the results from being written.

    Raises
    ------
    InputError
        When the folder does not exist, or the path is a folder.
    MissingDependencyError
        When xarray, h5netcdf or h5py is not installed.
    """
    path = Path(path)
    for package in ("xarray", "h5netcdf", "h5py"):
        import_optional(package, "writing results")
    if not path.parent.is_dir():
        raise InputError(
            f"results cannot be written to {str(path)!r}: there is no folder {str(path.parent)!r}; make it first."
        )
    if path.is_dir():
        raise InputError(f"results cannot be written to {str(path)!r}: it is a folder; name a file.")


def read_dataset(path: str | PathLike[str]) -> Any:
    """Read a results file into memory.

    Raises
    ------
    InputError
        When there is no such file.
    FileFormatError
        When it is not a results file of negfadj.
    MissingDependencyError
        When xarray or h5netcdf is not installed.
    """
    loaded = open_results(path)
    missing = [name for name in (*QUANTITIES, "status") if name not in loaded]
    if missing:
        raise FileFormatError(
            f"results file {str(path)!r} has no variable {missing[0]!r}; it was not written by `negfadj run`."
        )
    return loaded


def quantities_of(dataset: Any) -> dict[str, Array]:
    """The arrays of a Dataset that `make_dataset` was given, as copies that may be filled further."""
    return {name: np.array(dataset[name].values) for name in (*QUANTITIES, "status")}


def checkpoint_path(path: str | PathLike[str]) -> Path:
    """Where the finished part of an interrupted job is kept: results.nc → results.partial.nc."""
    path = Path(path)
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def _attributes(system: JobSystem) -> dict[str, Any]:
    settings, transport = system.job.settings, system.transport
    return {
        **provenance(system.job.path, system.job.text, settings.title, system.fingerprint),
        "structure_file": settings.structure.file,
        "model_title": system.model.title,
        "model_source": system.model.source,
        "transport_axis": settings.device.axis,
        "lead_eta_eV": settings.leads.eta,
        "lead_period_angstrom": np.array([lead.period for lead in transport.leads]),
        "lead_cells_per_layer": np.array(transport.cells_per_layer),
        "block_sizes": np.array(transport.partition.block_sizes),
        "map_energies_eV": np.array(settings.output.map_energies, dtype=np.float64),
    }
