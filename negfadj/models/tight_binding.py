"""Tight-binding models by neighbour shells: a hopping and an overlap for every element pair and distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from ..errors import InputError
from ..typing import Array
from .neighbours import NeighbourPairs, neighbour_pairs
from .structure import Structure, formula


@dataclass(frozen=True)
class Shell:
    """One neighbour shell: pairs of two elements at a distance within a tolerance.

    Parameters
    ----------
    elements : two str
        In either order.
    distance, tolerance : float
        A pair belongs to the shell when its distance [Å] differs from `distance` by at most `tolerance`.
    hopping : float
        <a|H|b> [eV].
    overlap : float
        <a|S|b>.
    """

    elements: tuple[str, str]
    distance: float
    tolerance: float
    hopping: float
    overlap: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < self.distance:
            raise InputError(
                f"shell {self.label}: distance = {self.distance} Å and tolerance = {self.tolerance} Å; the "
                "distance must be "
                "positive and the tolerance smaller than it and not negative."
            )
        if not np.isfinite([self.hopping, self.overlap]).all() or abs(self.overlap) >= 1:
            raise InputError(
                f"shell {self.label}: hopping = {self.hopping} eV, overlap = {self.overlap}; both must be "
                "finite and the "
                "overlap between −1 and 1."
            )

    @property
    def label(self) -> str:
        """ "C–C at 1.42 Å", for messages."""
        return f"{'–'.join(self.elements)} at {self.distance:g} Å"

    @property
    def reach(self) -> float:
        """The largest distance [Å] of a pair in the shell."""
        return self.distance + self.tolerance


@dataclass(frozen=True)
class TightBinding:
    """A tight-binding model with one isotropic orbital on every atom: on-site energies and neighbour shells.

    Parameters
    ----------
    onsite : mapping of element to float
        [eV].
    shells : sequence of Shell
    title, source : str
        What it is and where its numbers were published.

    Raises
    ------
    InputError
        When a shell names an element without on-site energy, or two shells of one pair overlap in distance.
    """

    onsite: Mapping[str, float]
    shells: tuple[Shell, ...]
    title: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shells", tuple(self.shells))
        if not self.shells:
            raise InputError(
                "the model has no shells; give at least one pair of elements with its distance and hopping."
            )
        for element, energy in self.onsite.items():
            if not np.isfinite(energy):
                raise InputError(f"onsite[{element!r}] = {energy} must be a finite energy [eV].")
        for shell in self.shells:
            for element in shell.elements:
                if element not in self.onsite:
                    raise InputError(
                        f"shell {shell.label} names {element!r}, which has no on-site energy; onsite knows "
                        f"{sorted(self.onsite)}."
                    )
        self._check_disjoint()

    def _check_disjoint(self) -> None:
        ordered = sorted(self.shells, key=lambda shell: (sorted(shell.elements), shell.distance))
        for near, far in zip(ordered[:-1], ordered[1:]):
            if sorted(near.elements) == sorted(far.elements) and near.reach >= far.distance - far.tolerance:
                raise InputError(
                    f"shells {near.label} ± {near.tolerance:g} and {far.label} ± {far.tolerance:g} overlap, so "
                    "that a pair "
                    "could belong to both; make the tolerances smaller."
                )

    @property
    def cutoff(self) -> float:
        """The largest distance [Å] at which two atoms are coupled."""
        return max(shell.reach for shell in self.shells)

    @property
    def is_orthogonal(self) -> bool:
        """True when every overlap between different atoms is zero."""
        return all(shell.overlap == 0 for shell in self.shells)


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
    _check_elements(structure, model)
    pairs = neighbour_pairs(structure, model.cutoff)
    distances = pairs.distances
    elements = structure.elements
    first, second = elements[pairs.first], elements[pairs.second]
    shell_of = np.full(len(distances), -1)
    covered = np.full(len(distances), np.inf)  # beyond this distance the element pair is not coupled at all
    for i, shell in enumerate(model.shells):
        a, b = shell.elements
        is_pair = ((first == a) & (second == b)) | ((first == b) & (second == a))
        shell_of[is_pair & (np.abs(distances - shell.distance) <= shell.tolerance)] = i
        covered[is_pair] = np.where(np.isinf(covered[is_pair]), shell.reach, np.maximum(covered[is_pair], shell.reach))
    missing = np.flatnonzero((shell_of < 0) & (distances <= covered))
    if len(missing):
        _raise_missing(structure, model, pairs, int(missing[distances[missing].argmin()]))
    couples = np.array([shell.hopping != 0 or shell.overlap != 0 for shell in model.shells])
    coupled = (shell_of >= 0) & couples[shell_of]
    return pairs.select(coupled), shell_of[coupled]


def tight_binding_matrices(
    structure: Structure, model: TightBinding, *, momentum: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[sparse.csr_array, sparse.csr_array | None]:
    """Hamiltonian and overlap of a structure, vectorised over pairs of atoms.

    H(k) = Σ_R H_R exp(2πi k·R),  <a|H_R|b> = ε_a δ_ab δ_R0 + γ(|r_b + R − r_a|), and S(k) likewise with 1 and s.

    Parameters
    ----------
    structure : Structure
        One orbital per atom, in its order.
    model : TightBinding
    momentum : three floats
        k in reciprocal lattice vectors, for the periodic directions. Default 0: real matrices.

    Returns
    -------
    hamiltonian : scipy.sparse.csr_array, shape (n_atoms, n_atoms)
        [eV].
    overlap : scipy.sparse.csr_array or None
        None for an orthogonal model.

    Raises
    ------
    InputError
        As `coupled_pairs`.
    """
    pairs, shell = coupled_pairs(structure, model)
    hopping = np.array([s.hopping for s in model.shells])[shell]
    overlap = np.array([s.overlap for s in model.shells])[shell]
    if any(momentum):
        phase = np.exp(2j * np.pi * (pairs.cells @ np.asarray(momentum)))
        hopping, overlap = hopping * phase, overlap * phase
    onsite = np.array([model.onsite[symbol] for symbol in structure.symbols])
    atoms = np.arange(structure.n_atoms)
    rows, columns = np.concatenate((atoms, pairs.first)), np.concatenate((atoms, pairs.second))

    def matrix(diagonal: Array, entries: Array) -> sparse.csr_array:
        # images of one bond (small cells) fall on one entry and are summed
        values = np.concatenate((diagonal, entries))
        summed = sparse.coo_array((values, (rows, columns)), shape=(len(atoms), len(atoms))).tocsr()
        summed.eliminate_zeros()
        return summed

    return matrix(onsite, hopping), None if model.is_orthogonal else matrix(np.ones(len(atoms)), overlap)


def _check_elements(structure: Structure, model: TightBinding) -> None:
    for element in sorted(set(structure.symbols)):
        if element not in model.onsite:
            first = int(structure.index[structure.symbols.index(element)])
            raise InputError(
                f"element {element!r} has no parameters in this model, which knows "
                f"{', '.join(sorted(model.onsite))}; the "
                f"structure has {formula(structure)} (first {element}: atom {first}). Leave these atoms out on "
                "purpose with "
                f"drop = [{element!r}], or use a model with {element}."
            )


def _raise_missing(structure: Structure, model: TightBinding, pairs: NeighbourPairs, worst: int) -> None:
    a, b = int(pairs.first[worst]), int(pairs.second[worst])
    pair = (structure.symbols[a], structure.symbols[b])
    known = [f"{s.distance:g} ± {s.tolerance:g} Å" for s in model.shells if sorted(s.elements) == sorted(pair)]
    raise InputError(
        f"no parameter for {'–'.join(pair)} at {pairs.distances[worst]:.4f} Å (atoms {structure.index[a]} and "
        f"{structure.index[b]}): the model has {', '.join(known) or 'no shell for this pair'} and reaches to "
        f"{model.cutoff:g} Å; relax or correct the positions, or add a shell (hopping 0 leaves a pair uncoupled "
        "on purpose)."
    )
