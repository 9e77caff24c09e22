"""Results of a fit or a design as an xarray Dataset."""

from __future__ import annotations

from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from ..errors import FileFormatError
from ..objectives import Optimum
from ..optional import import_optional
from ..typing import Array
from .provenance import provenance
from .result_file import open_results
from .search_checkpoint import Met
from .search_parameters import energies_of_atoms
from .search_system import Search

JOBS = ("fit", "design")
NEEDED = ("history", "start", "best", "lower", "upper", "aim_start", "aim_best")


class Spectra(NamedTuple):
    """What a search shows of one point.

    values : list of lists of arrays — the quantities of every aim
    numbers : array, shape (n_aims,) — `Aim.number`
    least : array, shape (n_aims,) — what target transmissions above the open channels leave of `numbers`
    transmission, density_of_states, open_channels : arrays, shape (n_energies,), or None without a device
    """

    values: list[list[Array]]
    numbers: Array
    least: Array
    transmission: Array | None
    density_of_states: Array | None
    open_channels: Array | None


def make_search_dataset(search: Search, found: Optimum, met: Met, start: Spectra, best: Spectra) -> Any:
    """The Dataset of a search.

    Parameters
    ----------
    search : Search
    found : Optimum
        Of the last run.
    met : Met
        Values of all runs, and the best point.
    start, best : Spectra

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingDependencyError
        When xarray is not installed.
    """
    xarray = import_optional("xarray", "a results file")
    assert met.best_x is not None
    objective, varied = search.objective, search.varied
    lower, upper = objective.bounds
    variables: dict[str, Any] = {
        "history": _named("evaluation", np.array(met.values), "1", "objective, evaluation by evaluation"),
        "start": _named("variable", search.in_units(objective.x0), "as unit", "where the variables start"),
        "best": _named("variable", search.in_units(met.best_x), "as unit", "the best point"),
        "lower": _named("variable", search.in_units(lower), "as unit", "lower bounds"),
        "upper": _named("variable", search.in_units(upper), "as unit", "upper bounds"),
        "gradient_start": _gradient(search, objective.x0, "start"),
        "gradient_best": _gradient(search, met.best_x, "best point"),
        "aim_start": _named("aim", start.numbers, "as aim_unit", "what the aims name, at the start"),
        "aim_least": _named("aim", best.least, "as aim_unit", "what targets above the open channels leave"),
        "aim_best": _named("aim", best.numbers, "as aim_unit", "what the aims name, at the best point"),
    }
    coordinates: dict[str, Any] = {
        "evaluation": _named("evaluation", np.arange(1, len(met.values) + 1), "1", "evaluation, from 1"),
        "variable": _words("variable", varied.labels, "what varies"),
        "unit": _words("variable", varied.units, "unit of start, best and bounds"),
        "aim": _words("aim", [aim.label for aim in search.aims], "what is matched, or made large or small"),
        "aim_unit": _words("aim", [aim.unit for aim in search.aims], "unit of aim_start and aim_best"),
    }
    matches = (_match(search, k, start, best) for k in range(len(search.aims)))
    for more in (_device(search, met.best_x, start, best), _windows(search), *matches):
        variables |= more[0]
        coordinates |= more[1]
    return xarray.Dataset(variables, coordinates, _attributes(search, found, met))


def read_search(path: str | PathLike[str]) -> Any:
    """Read a results file of a fit or a design into memory.

    Raises
    ------
    InputError, FileFormatError, MissingDependencyError
        When there is none, it is another file, or packages are missing.
    """
    dataset = open_results(path)
    missing = [name for name in NEEDED if name not in dataset]
    if missing:
        raise FileFormatError(
            f"results file {str(path)!r} has no variable {missing[0]!r}; it is of no fit and no design."
        )
    return dataset


def _windows(search: Search) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where the goals look: window_low, window_high."""
    found = [window for aim in search.aims for window in aim.windows]
    if not found:
        return {}, {}
    names, low, high = zip(*found)
    variables = {
        "window_low": _named("window", low, "eV", "lowest energy a goal looks at"),
        "window_high": _named("window", high, "eV", "highest energy a goal looks at"),
    }
    return variables, {"window": _words("window", names, "what a goal does there")}


def _device(search: Search, best_x: Array, start: Spectra, best: Spectra) -> tuple[dict[str, Any], dict[str, Any]]:
    """Spectra and atoms of the device, where there is one."""
    if search.system is None:
        return {}, {}
    spins = "both spins" if search.system.model.has_spin else "per spin"
    variables = {}
    for point, where, spectrum in (("start", "at the start", start), ("best", "at the best point", best)):
        for quantity, unit in (("transmission", "1"), ("density_of_states", "1/eV"), ("open_channels", "1")):
            text = f"{quantity.replace('_', ' ')}, {where}, {spins}"
            variables[f"{quantity}_{point}"] = _named("energy", getattr(spectrum, quantity), unit, text)
    energies = [energies_of_atoms(search.varied, x, search.system) for x in (search.objective.x0, best_x)]
    if energies[0] is not None and energies[1] is not None:
        text = "energy of the atom at the best point less that at the start"
        variables["energy_change"] = _named("atom", energies[1] - energies[0], "eV", text)
    structure = search.system.transport.structure
    coordinates = {
        "energy": _named("energy", search.system.energies, "eV", "energy, from the zero of the model"),
        "atom": _named("atom", np.asarray(structure.index), "1", "number of the atom in the structure file, from 0"),
        "element": _words("atom", structure.symbols, "chemical symbol"),
    }
    for axis, values in zip("xyz", structure.positions.T):
        coordinates[axis] = _named("atom", values, "angstrom", f"position along {axis}")
    return variables, coordinates


def _match(search: Search, k: int, start: Spectra, best: Spectra) -> tuple[dict[str, Any], dict[str, Any]]:
    """Target, start and best of the k-th aim, where it is a match: target_0, target_0_start, target_0_best."""
    aim = search.aims[k]
    if aim.target is None or aim.grid is None:
        return {}, {}
    across = f"band_{k}" if aim.quantity == "bands" else f"orbital_{k}"
    along = (f"grid_{k}",) if aim.target.ndim == 1 else (f"grid_{k}", across)
    target = aim.target if aim.counted is None else np.where(aim.counted, aim.target, np.nan)
    arrays = (
        ("", f"{aim.quantity} that is wanted", target),
        ("_start", f"{aim.quantity} at the start", start.values[k][0]),
        ("_best", f"{aim.quantity} at the best point", best.values[k][0]),
    )
    variables = {
        f"target_{k}{point}": (along, x, {"units": aim.unit, "long_name": text}) for point, text, x in arrays
    }
    if aim.grid.ndim == 1:
        return variables, {f"grid_{k}": _named(f"grid_{k}", aim.grid, "eV", "energies of the target")}
    momenta = ((f"grid_{k}", "direction"), aim.grid, {"units": "reciprocal lattice vectors", "long_name": "momenta"})
    return variables, {f"momentum_{k}": momenta}


def _gradient(search: Search, x: Array, where: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    slope = search.objective.gradient(x) / search.in_units(np.ones(len(x)))
    return _named("variable", slope, "1 per unit", f"derivative of the objective by the variables, at the {where}")


def _named(along: str, values: Any, unit: str, text: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    return (along,), np.asarray(values), {"units": unit, "long_name": text}


def _words(along: str, words: Any, text: str) -> tuple[tuple[str, ...], Array, dict[str, str]]:
    return (along,), np.array(list(words), dtype=object), {"long_name": text}


def _attributes(search: Search, found: Optimum, met: Met) -> dict[str, Any]:
    settings = search.job.settings
    attributes: dict[str, Any] = {
        **provenance(search.job.path, search.job.text, settings.title, search.fingerprint),
        "job": settings.job,
        "method": settings.search.method,
        "is_converged": int(found.success),
        "message": found.message,
        "best_value": min(met.values),
        "n_evaluations": len(met.values),
    }
    attributes["aim_kinds"] = np.array([aim.kind for aim in search.aims], dtype=object)
    if search.system is not None:
        attributes |= {"transport_axis": settings.device.axis, "lead_eta_eV": settings.leads.eta}
    return attributes
