"""From the [[parameter]] sections of a job file to a model of an objective and its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..models import Structure, TightBinding, in_leads
from ..objectives import HamiltonianEntries, Parameter, Parameters
from ..objectives.tight_binding_model import TightBindingModel
from ..typing import Array
from .job_system import JobSystem
from .search_file import OF_ATOMS, ParameterSection

ENTRIES = ("onsite-entries", "hopping-entries")
ENERGY_OF = {"onsite": "onsite_energy", "potential": "potential_energy"}
_ENTRY = re.compile(r"^(\w+)\[(\d+)\]$")
_SHELL = re.compile(r"^shells\[(\d+)\]")

Refusal = Callable[[int, str, str], InputError]  # number of the section, key, message


@dataclass(frozen=True, eq=False)
class Varied:
    """What varies in a search.

    Parameters
    ----------
    model : TightBindingModel or HamiltonianEntries
    parameters : Parameters
    labels, units : tuples of str, one a variable
    """

    model: Any
    parameters: Parameters
    labels: tuple[str, ...]
    units: tuple[str, ...]


def varied_numbers(
    sections: Sequence[ParameterSection],
    refuse: Refusal,
    system: JobSystem | None,
    model: TightBinding,
    bulk: Structure | None,
) -> Varied:
    """Model and parameters of a job's [[parameter]] sections.

    Parameters
    ----------
    sections : sequence of ParameterSection
    refuse : callable (number of the section, key, message) -> InputError
        Makes the error that names the line.
    system : JobSystem or None
        The device at the start; None when there is only a crystal.
    model : TightBinding
    bulk : Structure or None
        The crystal of which bands are matched.

    Returns
    -------
    Varied

    Raises
    ------
    InputError
        For a number the model does not have, atoms that there are not or that belong to a lead, a number that varies
        twice, a start outside its bounds; entries of H beside numbers of the model.
    """
    kinds = [section.kind for section in sections]
    for i, kind in enumerate(kinds):
        if system is None and kind in OF_ATOMS:
            raise refuse(i, "kind", f'kind = "{kind}" is of a device, and there is no [structure].')
        if kind in ENTRIES and (bulk is not None or set(kinds) - set(ENTRIES)):
            raise refuse(
                i,
                "kind",
                f'kind = "{kind}" varies entries of the device\'s H; it does not go with bands of a crystal or with '
                "numbers of the model. Use onsite-entries and hopping-entries alone.",
            )
    made: Any
    if system is not None and kinds[0] in ENTRIES:
        made, given = _entries(sections, refuse, system)
    else:
        made, given = _numbers(sections, refuse, system, model, bulk)
    parameters = Parameters(tuple(given))
    labels = tuple(
        _label(name, int(n), made, system) for name, n in zip(parameters.names, entries_per_variable(parameters))
    )
    units = tuple("1" if "overlap" in name or "law" in name else "eV" for name in parameters.names)
    return Varied(made, parameters, labels, units)


def entries_per_variable(parameters: Parameters) -> Array:
    """How many entries share each variable: (Σ s)² / Σ s² over them, with one scale s."""
    ones = parameters.gradient({p.name: np.ones(p.scale.shape) for p in parameters.given})
    return np.round(ones**2 / parameters.gradient({p.name: p.scale for p in parameters.given}))


def energies_of_atoms(varied: Varied, x: Array, system: JobSystem) -> Array | None:
    """What the variables add up to on the atoms, on-site energies and potentials [eV]; None where none is of atoms."""
    values = varied.parameters.values(x)
    if isinstance(varied.model, HamiltonianEntries):
        if "onsite" not in values:
            return None
        of = system.transport.atoms[varied.model.onsite]
        n_atoms = system.transport.structure.n_atoms
        return np.bincount(of, values["onsite"], n_atoms) / np.maximum(np.bincount(of, minlength=n_atoms), 1)
    found = [values[name] for name in ENERGY_OF.values() if name in values]
    return np.sum(found, axis=0) if found else None


def _numbers(
    sections: Sequence[ParameterSection],
    refuse: Refusal,
    system: JobSystem | None,
    model: TightBinding,
    bulk: Structure | None,
) -> tuple[TightBindingModel, list[Parameter]]:
    """Numbers of the tight-binding model, and energies of atoms."""
    made = _tight_binding_model(system, model, bulk)
    paths = {i: _path(section, model, made, refuse, i) for i, section in enumerate(sections)}
    given = []
    for i, path in paths.items():
        if path is None:
            continue
        if path in list(paths.values())[:i]:
            raise refuse(i, "kind", f"{path!r} varies already.")
        given.append(_parameter(path, made.values[path], [(sections[i], np.array(True), i)], refuse))
    if system is not None:
        for kind, name in ENERGY_OF.items():
            own = system.onsite_energy if kind == "onsite" else system.potential_energy
            chosen = [(s, _atoms(s, system, refuse, i), i) for i, s in enumerate(sections) if s.kind == kind]
            for section, atoms, i in chosen:
                _check_in_device(atoms, system, refuse, i, section)
            if chosen:
                given.append(_parameter(name, own, chosen, refuse))
            elif np.any(own):
                given.append(Parameter(name, own, fixed=True))
    return made, given


def _tight_binding_model(system: JobSystem | None, model: TightBinding, bulk: Structure | None) -> TightBindingModel:
    if system is None:
        return TightBindingModel(None, model, bulk=bulk)
    settings = system.job.settings
    return TightBindingModel(
        system.transport.structure,
        model,
        bulk=bulk,
        axis=settings.device.axis,
        period=(settings.leads.period, settings.leads.period),
        cells_per_layer=settings.leads.cells_per_layer,
        tolerance=settings.leads.tolerance,
    )


def _path(
    section: ParameterSection, model: TightBinding, made: TightBindingModel, refuse: Refusal, i: int
) -> str | None:
    """The place of a section's number in the model; None for energies of atoms."""
    if section.kind == "model":
        assert section.name is not None
        known = [name for name, value in made.values.items() if isinstance(value, float)]
        if section.name not in known:
            raise refuse(i, "name", f"the model has no number {section.name!r}; it has {', '.join(known)}.")
        return section.name
    if section.kind == "pair":
        return _pair_path(section, model, refuse, i)
    return None


def _pair_path(section: ParameterSection, model: TightBinding, refuse: Refusal, i: int) -> str:
    """The hopping of the n-th shell of two elements: "shells[3].hopping.pp_pi"."""
    assert section.elements is not None
    pair = sorted(section.elements)
    shells = [k for k, shell in enumerate(model.shells) if sorted(shell.elements) == pair and shell.is_coupled]
    shells.sort(key=lambda k: model.shells[k].distance)
    if len(shells) < section.neighbour:
        raise refuse(
            i, "elements", f"the model has {len(shells)} coupled shells of {'–'.join(pair)}, not {section.neighbour}."
        )
    number = shells[section.neighbour - 1]
    hopping, path = model.shells[number].hopping, f"shells[{number}].hopping"
    if isinstance(hopping, float):
        if section.integral is not None:
            raise refuse(i, "integral", "the shell has one hopping, without a name; leave `integral` out.")
        return path
    names = list(hopping or {})
    integral = section.integral or (names[0] if len(names) == 1 else None)
    if integral not in names:
        raise refuse(i, "integral", f"`integral` must be one of {', '.join(names)}.")
    return f"{path}.{integral}"


def _entries(
    sections: Sequence[ParameterSection], refuse: Refusal, system: JobSystem
) -> tuple[HamiltonianEntries, list[Parameter]]:
    """Single entries of the device's H."""
    device, atom_of = system.transport.device, system.transport.atoms
    pairs = device.bonds
    pairs = pairs[atom_of[pairs[:, 0]] != atom_of[pairs[:, 1]]]
    masks = {"onsite-entries": [], "hopping-entries": []}  # type: dict[str, list[Any]]
    for i, section in enumerate(sections):
        per_orbital = _atoms(section, system, refuse, i)[atom_of]
        mask = per_orbital if section.kind == "onsite-entries" else per_orbital[pairs].all(axis=1)
        if not mask.any():
            raise refuse(i, "kind", "no entry of H is between these atoms.")
        masks[section.kind].append((section, mask, i))
    onsite = _any([mask for _, mask, _ in masks["onsite-entries"]], device.n_orbitals)
    coupled = _any([mask for _, mask, _ in masks["hopping-entries"]], len(pairs))
    hopping = (pairs[coupled, 0], pairs[coupled, 1]) if coupled.any() else None
    made = HamiltonianEntries(
        device, onsite=np.flatnonzero(onsite) if onsite.any() else None, hopping=hopping, is_complex=False
    )
    given = []
    for kind, name, chosen in (("onsite-entries", "onsite", onsite), ("hopping-entries", "hopping", coupled)):
        if masks[kind]:
            own = [(section, mask[chosen], i) for section, mask, i in masks[kind]]
            given.append(_parameter(name, made.values[name], own, refuse))
    return made, given


def _any(masks: Sequence[Array], n: int) -> Array:
    return np.any(masks, axis=0) if masks else np.zeros(n, dtype=bool)


def _parameter(
    name: str, own: Any, chosen: Sequence[tuple[ParameterSection, Array, int]], refuse: Refusal
) -> Parameter:
    """One parameter of the model, of which each section frees the entries of its mask."""
    value = np.array(own, dtype=np.float64)
    lower, upper = np.full(value.shape, -np.inf), np.full(value.shape, np.inf)
    scale, fixed, tie = np.ones(value.shape), np.ones(value.shape, dtype=bool), np.full(value.shape, -1)
    for section, mask, i in chosen:
        if not fixed[mask].all():
            raise refuse(i, "kind", f"{name} of some of these atoms varies already, by another [[parameter]].")
        if section.start is not None:
            value[mask] = section.start
        if section.bounds is not None:
            lower[mask], upper[mask] = section.bounds
        if section.within is not None:
            lower[mask], upper[mask] = value[mask] - section.within, value[mask] + section.within
        if section.scale is not None:
            scale[mask] = section.scale
        if section.together:
            tie[mask] = i
        fixed[mask] = False
    key = "bounds"
    try:
        made = Parameter(name, value, bounds=(lower, upper), scale=scale, fixed=fixed, tie=tie if value.ndim else None)
        key = "together"
        Parameters((made,))  # whether tied entries agree
    except InputError as error:
        raise refuse(chosen[-1][2], key, str(error)) from error
    return made


def _atoms(section: ParameterSection, system: JobSystem, refuse: Refusal, i: int) -> Array:
    """The atoms a section is about, as a mask in the order of the structure; by default all outside the leads."""
    structure = system.transport.structure
    mask = np.ones(structure.n_atoms, dtype=bool)
    if section.atoms is None and section.region is None:
        mask = ~in_leads(system.transport)
    if section.atoms is not None:
        gone = sorted(set(section.atoms) - set(np.asarray(structure.index).tolist()))
        if gone:
            raise refuse(i, "atoms", f"the structure has no atom {gone[0]}; atoms are counted from 0, as in its file.")
        mask &= np.isin(structure.index, section.atoms)
    if section.elements is not None:
        missing = sorted(set(section.elements) - set(structure.symbols))
        if missing:
            raise refuse(i, "elements", f"the structure has no {missing[0]}.")
        mask &= np.isin(structure.elements, section.elements)
    if section.region is not None:
        along = structure.positions[:, "xyz".index(system.job.settings.device.axis)]
        mask &= (along >= section.region[0]) & (along <= section.region[1])
    if not mask.any():
        raise refuse(i, "kind", "no atom outside the leads is chosen; widen the choice, or lengthen the structure.")
    return mask


def _check_in_device(
    mask: Array, system: JobSystem, refuse: Refusal, i: int, section: ParameterSection
) -> None:
    touched = np.flatnonzero(mask & in_leads(system.transport))
    if len(touched):
        key = "atoms" if section.atoms is not None else "region" if section.region is not None else "kind"
        raise refuse(
            i,
            key,
            f"{len(touched)} of the chosen atoms, number {system.transport.structure.index[touched[0]]} for one, are "
            "in the first or last principal layer, which stays as the lead is; leave them out.",
        )


def _label(name: str, n_entries: int, made: Any, system: JobSystem | None) -> str:
    """A variable in words, from its name in the parameters and how many entries share it."""
    shell = _SHELL.match(name)
    if shell is not None:
        return f"{name} ({made.model.shells[int(shell[1])].label})"
    found = _ENTRY.match(name)
    if found is None or system is None:
        return name
    structure, k = system.transport.structure, int(found[2])
    others = f" and {n_entries - 1} more" if n_entries > 1 else ""

    def told(atom: int) -> str:
        return f"{structure.symbols[atom]}{structure.index[atom]}"

    if found[1] in ENERGY_OF.values():
        return f"{found[1].replace('_', ' ')} of {told(k)}{others}"
    if found[1] == "onsite":
        return f"H of {told(int(system.transport.atoms[made.onsite[k]]))}{others}"
    a, b = (int(system.transport.atoms[x[k]]) for x in (made.rows, made.columns))
    return f"H of {told(a)} and {told(b)}{others}"
