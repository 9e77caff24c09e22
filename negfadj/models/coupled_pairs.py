"""Which pairs of atoms a tight-binding model couples, and by which of its shells."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..typing import Array
from .neighbours import NeighbourPairs, neighbour_pairs
from .structure import Structure, check_structure, formula
from .tight_binding import TightBinding


def coupled_pairs(structure: Structure, model: TightBinding) -> tuple[NeighbourPairs, Array]:
    """The pairs of atoms that the model couples, and the shell of each.

    Parameters
    ----------
    structure : Structure
    model : TightBinding

    Returns
    -------
    pairs : NeighbourPairs
    shell : array, shape (n_pairs,), integer
        Index into `model.shells`.

    Raises
    ------
    InputError
        For an element the model does not know, atoms closer than 0.1 Å, and a pair for which no parameter is given
        though it is within the model's range: the atoms and the distance are named.
    """
    check_elements(structure, model)
    pairs = neighbour_pairs(structure, model.cutoff)
    distances = pairs.distances
    kinds = sorted(set(structure.symbols))
    code: Array = np.searchsorted(kinds, structure.elements)
    first, second = code[pairs.first], code[pairs.second]
    shell_of = np.full(len(distances), -1)
    covered = np.full(len(distances), -np.inf)  # beyond this distance the pair of elements is not coupled at all
    for i, shell in enumerate(model.shells):
        if not set(shell.elements) <= set(kinds):
            continue
        a, b = (kinds.index(element) for element in shell.elements)
        is_pair = ((first == a) & (second == b)) | ((first == b) & (second == a))
        shell_of[is_pair & (np.abs(distances - shell.distance) <= shell.tolerance)] = i
        covered[is_pair] = np.maximum(covered[is_pair], shell.reach)
    covered[covered < 0] = np.inf
    missing = np.flatnonzero((shell_of < 0) & (distances <= covered))
    if len(missing):
        _raise_missing(structure, model, pairs, int(missing[distances[missing].argmin()]))
    _check_bound(structure, pairs, shell_of, model)
    is_coupled = np.array([shell.is_coupled for shell in model.shells])
    coupled = (shell_of >= 0) & is_coupled[shell_of]
    return pairs.select(coupled), shell_of[coupled]


def check_elements(structure: Any, model: Any) -> None:
    """Raise `InputError` for an element the model does not know, `InputTypeError` for what is no structure or model."""
    check_structure(structure)
    if not isinstance(model, TightBinding):
        way = f"parameter_set({model!r})" if isinstance(model, str) else "a TightBinding"
        raise InputTypeError(f"model is a {type(model).__name__}; pass {way}.")
    for element in sorted(set(structure.symbols)):
        if element not in model.onsite:
            first = int(structure.index[structure.symbols.index(element)])
            raise InputError(
                f"element {element!r} has no parameters in this model, which knows "
                f"{', '.join(sorted(model.onsite))}; the structure has {formula(structure)} (first {element}: atom "
                f"{first}). Leave these atoms out on purpose with structure.drop([{element!r}]) (in a job: "
                f"drop = [{element!r}]), or use a model with {element}."
            )


def _check_bound(structure: Structure, pairs: NeighbourPairs, shell_of: Array, model: TightBinding) -> None:
    """Refuse an atom that no shell joins to any other: positions in another unit, or an atom astray."""
    bonds = np.bincount(pairs.first[shell_of >= 0], minlength=structure.n_atoms)
    alone = np.flatnonzero(bonds == 0)
    if len(alone) and structure.n_atoms > 1:
        a = int(alone[0])
        raise InputError(
            f"{len(alone)} of {structure.n_atoms} atoms have no neighbour within the model's shells, which reach to "
            f"{model.cutoff:g} Å; the first is atom {structure.index[a]} ({structure.symbols[a]}) at "
            f"{structure.positions[a].tolist()} Å. Check that positions and cell are in Å, and periodic."
        )


def _raise_missing(structure: Structure, model: TightBinding, pairs: NeighbourPairs, worst: int) -> None:
    a, b = int(pairs.first[worst]), int(pairs.second[worst])
    pair = (structure.symbols[a], structure.symbols[b])
    known = [f"{s.distance:g} ± {s.tolerance:g} Å" for s in model.shells if sorted(s.elements) == sorted(pair)]
    raise InputError(
        f"no parameter for {'–'.join(pair)} at {pairs.distances[worst]:.4f} Å (atoms {structure.index[a]} and "
        f"{structure.index[b]}): the model has {', '.join(known) or 'no shell for this pair'} and reaches to "
        f"{model.cutoff:g} Å; relax or correct the positions, or add a shell (one without hopping leaves a pair "
        "uncoupled on purpose)."
    )
