"""From the [[target]] sections of a fit to terms of its objective."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import negfadj

from ..errors import InputError, NegfadjError
from ..objectives import Match, Quantity
from ..typing import Array
from .fit_file import FitJob, TargetSection
from .job_file import wrong_line
from .job_system import JobSystem
from .search_aim import Aim
from .target_table import column, read_table

UNITS = {"transmission": "1", "density_of_states": "1/eV", "local_density_of_states": "1/eV"}
LINES = ("transmission", "density_of_states")  # one number for each energy


def fit_aims(job: FitJob, model: Any, system: JobSystem | None) -> list[Aim]:
    """One term for every target.

    Parameters
    ----------
    job : FitJob
    model : TightBindingModel or HamiltonianEntries
        Whose subject the quantities are of.
    system : JobSystem or None
        The device at the start, where there is one.

    Raises
    ------
    InputError, FileFormatError
        For a file or a column that there is not, a grid that does not rise, a window that leaves nothing, a band that
        the crystal does not have; the line of the job file is named.
    """
    made = []
    for i, section in enumerate(job.settings.target):
        try:
            made.append(_aim(section, job, model, system))
        except NegfadjError as error:
            raise wrong_line(job.text, job.path, ("target", i, "file"), str(error)) from error
    return made


def _aim(section: TargetSection, job: FitJob, model: Any, system: JobSystem | None) -> Aim:
    path = job.path.parent / section.file
    table = read_table(path)
    if section.quantity == "bands":
        return _bands_aim(section, table, path, job, model)
    energies = column(table, section.grid, "energy" if "energy" in table else 0, path)
    values = column(table, section.values, section.quantity if section.quantity in table else 1, path)
    if section.quantity == "local_density_of_states" and system is not None:
        values = _of_orbitals(values, system, path)
    if energies.ndim != 1 or values.shape[:1] != energies.shape or (values.ndim > 1 and section.quantity in LINES):
        raise InputError(f"file {str(path)!r}: energies have shape {energies.shape} but values {values.shape}.")
    _check_numbers(path, energies, values)
    inside = _within(energies, section.window)
    if not inside.any():
        raise InputError(f"the window {section.window} eV leaves none of the energies of {str(path)!r}.")
    energies, values = energies[inside], values[inside]
    if np.any(np.diff(energies) <= 0):
        k = int(np.argmax(np.diff(energies) <= 0))
        raise InputError(f"file {str(path)!r}: energies must rise, but {energies[k + 1]} follows {energies[k]}.")
    leads = job.settings.leads
    options: dict[str, Any] = {"eta": leads.eta, "lead_method": leads.method}
    of = None if job.settings.bulk is None else "device"
    quantity = Quantity(getattr(negfadj, section.quantity), energies, of=of, **options)
    term = Match(quantity, values, weight=section.weight, norm=section.norm)
    return Aim("match", section.quantity, _where(energies), UNITS[section.quantity], term, energies, values)


def _bands_aim(section: TargetSection, table: dict[str, Array], path: Path, job: FitJob, model: Any) -> Aim:
    if "momenta" in table or section.grid is not None:
        momenta = column(table, section.grid, "momenta", path)
        energies = column(table, section.values, "energies", path)
    else:
        columns = list(table.values())
        if len(columns) < 4:
            raise InputError(
                f"file {str(path)!r} has {len(columns)} columns; bands are three of momenta and one for each band."
            )
        momenta, energies = np.stack(columns[:3], axis=1), np.stack(columns[3:], axis=1)
    if momenta.ndim != 2 or momenta.shape[1] != 3 or energies.ndim != 2 or len(energies) != len(momenta):
        raise InputError(
            f"file {str(path)!r}: momenta have shape {momenta.shape} and energies {energies.shape}; they must be "
            "(n_momenta, 3) and (n_momenta, n_bands)."
        )
    _check_numbers(path, momenta, energies)
    crystal = model({})
    crystal = crystal["bulk"] if job.settings.structure is not None else crystal
    bands = list(range(energies.shape[1])) if section.bands is None else section.bands
    if len(bands) != energies.shape[1] or max(bands) >= crystal.n_orbitals:
        raise InputError(
            f"file {str(path)!r} has {energies.shape[1]} bands, matched to {bands} of the crystal's "
            f"{crystal.n_orbitals}, 0 … {crystal.n_orbitals - 1}; say which by `bands`, one for each column."
        )
    target, weights = np.zeros((2, len(momenta), crystal.n_orbitals))
    target[:, bands] = energies
    weights[:, bands] = _within(energies, section.window)
    if not weights.any():
        raise InputError(f"the window {section.window} eV leaves none of the bands of {str(path)!r}.")
    # a single one of degenerate bands has no derivative; the target is as degenerate as the crystal
    twin = partial(negfadj.bands_vjp, degenerate="average")
    of = None if job.settings.structure is None else "bulk"
    quantity = Quantity(negfadj.bands, momenta, of=of, twin=twin, name="bands")
    term = Match(quantity, target, weight=section.weight, weights=weights, norm=section.norm)
    return Aim("match", "bands", f"at {len(momenta)} momenta", "eV", term, momenta, target, weights > 0)


def _within(energies: Array, window: list[float] | None) -> Array:
    if window is None:
        return np.ones(energies.shape, dtype=bool)
    return np.asarray((energies >= window[0]) & (energies <= window[1]))


def _of_orbitals(values: Array, system: JobSystem, path: Path) -> Array:
    """Columns of the atoms in the order of the device's orbitals, of which an atom has one."""
    n_atoms, atoms = system.transport.structure.n_atoms, system.transport.atoms
    if len(atoms) != n_atoms:
        raise InputError(
            f"a local density of states is matched where atoms have one orbital each, but there are {len(atoms)} "
            f"orbitals on {n_atoms} atoms; match the density of states."
        )
    if values.ndim != 2 or values.shape[1] != n_atoms:
        raise InputError(f"file {str(path)!r}: values have shape {values.shape} but must be (n_energies, {n_atoms}).")
    return values[:, atoms]


def _where(energies: Array) -> str:
    return f"at {len(energies)} energies from {energies[0]:g} to {energies[-1]:g} eV"


def _check_numbers(path: Path, *arrays: Array) -> None:
    for x in arrays:
        if not np.all(np.isfinite(x)):
            where = np.argwhere(~np.isfinite(x))[0].tolist()
            raise InputError(f"file {str(path)!r}: {x[tuple(where)]} at {where}; every number must be finite.")
