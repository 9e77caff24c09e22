"""Hamiltonian and overlap of a structure from a tight-binding model, and the pullback to its numbers and positions.

    <a i|H|b j + R> = δ_ab δ_R0 (ε_i δ_ij + λ (L·σ)_ij) + Σ_m V_m f_m(d) c(d) M^m_ij(n),     d n = r_b + R − r_a,
    H(k) = Σ_R H_R exp(2πi k·R),

S likewise with 1 and s_m. Everything is done for all bonds between two kinds of orbitals at once.

Sources: J. C. Slater, G. F. Koster, Phys. Rev. 94, 1498 (1954); docs/adjoints/two-centre.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import sparse

from ..array import rebuild, tree_map
from ..data import PeriodicHamiltonian
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .coupled_pairs import coupled_pairs
from .neighbours import NeighbourPairs
from .spin_orbit import spin_orbit_matrix
from .structure import Structure
from .tight_binding import Shell, TightBinding, bond_types
from .two_centre import ANGULAR_MOMENTUM, COMPONENTS, two_centre_vjp

Momentum: TypeAlias = tuple[float, float, float]
Matrices: TypeAlias = tuple[sparse.csr_array, sparse.csr_array | None]

INTEGRALS = ("hopping", "overlap")


class TightBindingCotangent(NamedTuple):
    """Cotangents of a structure (positions, cell) and of a model (every number), in their own classes."""

    structure: Structure
    model: TightBinding


@dataclass(frozen=True, eq=False)
class OrbitalIndex:
    """Where the orbitals of every atom stand, spin not counted.

    Parameters
    ----------
    first : array, shape (n_atoms,), integer
        The first orbital of every atom.
    atoms : array, shape (n_orbitals,), integer
        The atom of every orbital.
    spins : 1 or 2
        Rows of the matrices per orbital.
    """

    first: Array
    atoms: Array
    spins: int

    @property
    def n_rows(self) -> int:
        """Rows of the matrices, spin counted."""
        return len(self.atoms) * self.spins

    @property
    def atom_of_row(self) -> Array:
        """The atom of every row of the matrices, shape (n_rows,)."""
        return np.repeat(self.atoms, self.spins)


def orbital_index(structure: Structure, model: TightBinding) -> OrbitalIndex:
    """The place of every orbital in the matrices: atom by atom, then as `TightBinding.onsite` lists them, then spin."""
    counts = _per_element(structure, {e: len(model.components(e)) for e in set(structure.symbols)})
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return OrbitalIndex(first, np.repeat(np.arange(structure.n_atoms), counts), 2 if model.has_spin else 1)


def tight_binding_matrices(
    structure: Structure, model: TightBinding, *, momentum: Momentum = (0.0, 0.0, 0.0)
) -> Matrices:
    """Hamiltonian and overlap of a structure, vectorised over pairs of atoms.

    H(k) = Σ_R H_R exp(2πi k·R)

    Parameters
    ----------
    structure : Structure
    model : TightBinding
    momentum : three floats
        k in reciprocal lattice vectors, for the periodic directions. At 0 and without spin the matrices are real.

    Returns
    -------
    hamiltonian : scipy.sparse.csr_array, shape (n_rows, n_rows)
        [eV], rows in the order of `orbital_index`. An entry is stored for every two orbitals of coupled atoms, zero or
        not: it may become non-zero when an atom moves.
    overlap : scipy.sparse.csr_array or None
        None for an orthogonal model.

    Raises
    ------
    InputError
        As `coupled_pairs`.
    """
    return tight_binding_matrices_vjp(structure, model, momentum=momentum)[0]


def tight_binding_matrices_vjp(
    structure: Structure, model: TightBinding, *, momentum: Momentum = (0.0, 0.0, 0.0)
) -> tuple[Matrices, Callable[..., TightBindingCotangent]]:
    """`tight_binding_matrices` and its pullback to every number of the model, the positions and the cell.

    The pullback takes (hamiltonian_bar, overlap_bar), sparse or dense matrices of the full shape (None: zero), of which
    it reads the entries that the matrices store: dL = Re Σ conj(H̄_ab) dH_ab over all entries. With w_m = Re Σ_ij H̄_ij*
    e^{2πik·R} M^m_ij, a bond gives V̄_m = w_m f c, d̄ = w_m V_m (f c)' and, through the direction cosines,
    v̄ = d̄ n + (1 − n nᵀ) n̄/d of the vector between its atoms.
    Kept for the pullback: the pairs, 100 bytes each; their matrix elements are computed again.
    """
    bonds = _Bonds.of(structure, model)
    k = check_momentum(momentum, structure)
    phase = np.exp(2j * np.pi * (bonds.pairs.cells @ k)) if np.any(k) else None

    def matrix(which: str, onsite: Array) -> sparse.csr_array:
        rows, columns, values = [np.arange(len(onsite))], [np.arange(len(onsite))], [onsite]
        for part in bonds.parts(which):
            entries = part.value if phase is None else part.value * phase[part.bonds][:, None, None]
            r, c = part.rows_columns(entries.shape)
            rows.append(r)
            columns.append(c)
            values.append(entries.ravel())
        # images of one bond (small cells) fall on one entry and are summed
        coordinates = (np.concatenate(rows), np.concatenate(columns))
        return sparse.coo_array((np.concatenate(values), coordinates), shape=(len(onsite),) * 2).tocsr()

    hamiltonian = matrix("hopping", bonds.onsite_energies())
    overlap = None if model.is_orthogonal else matrix("overlap", np.ones(len(bonds.index.atoms)))
    if model.has_spin:
        hamiltonian, overlap = bonds.with_spin(hamiltonian), bonds.with_spin(overlap, coupled=False)

    def tight_binding_matrices_pullback(hamiltonian_bar: Any, overlap_bar: Any = None) -> TightBindingCotangent:
        def sample(bar: Any) -> Callable[[_Part], Array]:
            def sampled(part: _Part) -> Array:
                shape = part.value.shape
                entries = bonds.without_spin(bar, *part.rows_columns(shape)).reshape(shape)
                # dL = Re(H̄* e^{2πik·R} dV) = <Re(H̄ e^{-2πik·R}), dV> for real dV
                return np.real(entries if phase is None else entries * phase[part.bonds].conj()[:, None, None])

            return sampled

        cotangent = _Cotangent(bonds)
        if hamiltonian_bar is not None:
            bar = _as_matrix(hamiltonian_bar, bonds.index.n_rows, "hamiltonian_bar")
            bonds.pull_onsite(bar, cotangent)
            bonds.pull("hopping", sample(bar), cotangent)
        if overlap_bar is not None and overlap is not None:
            bonds.pull("overlap", sample(_as_matrix(overlap_bar, bonds.index.n_rows, "overlap_bar")), cotangent)
        return cotangent.finished()

    return (hamiltonian, overlap), tight_binding_matrices_pullback


def periodic_hamiltonian(structure: Structure, model: TightBinding) -> PeriodicHamiltonian:
    """The dense blocks H_R, S_R of a periodic cell, for bands and for leads.

    Parameters
    ----------
    structure : Structure
        Periodic in one to three directions.
    model : TightBinding

    Returns
    -------
    PeriodicHamiltonian
        With the structure's cell as its lattice.

    Raises
    ------
    InputError
        As `coupled_pairs`.
    """
    return periodic_hamiltonian_vjp(structure, model)[0]


def periodic_hamiltonian_vjp(
    structure: Structure, model: TightBinding
) -> tuple[PeriodicHamiltonian, Callable[[PeriodicHamiltonian], TightBindingCotangent]]:
    """`periodic_hamiltonian` and its pullback from a `PeriodicHamiltonian` of cotangents, as of the matrices."""
    if isinstance(structure, Structure) and not any(structure.periodic):
        raise InputError("the structure is not periodic in any direction; give it a cell and `periodic`.")
    bonds = _Bonds.of(structure, model)
    if not len(bonds.shell):
        raise InputError(
            f"the model couples no two atoms of the crystal: it reaches to {model.cutoff:g} Å; check that positions "
            f"and cell are in Å (the lattice vectors are {structure.cell.tolist()})."
        )
    cells, cell_of = np.unique(
        np.concatenate((np.zeros((1, 3), np.int64), bonds.pairs.cells)), axis=0, return_inverse=True
    )
    cell_of = cell_of.reshape(-1)
    home, cell_of = cell_of[0], cell_of[1:]
    n = len(bonds.index.atoms)

    def blocks(which: str, onsite: Array) -> Array:
        found = np.zeros((len(cells), n, n))
        found[home] = np.diag(onsite)
        for part in bonds.parts(which):
            r, c = part.rows_columns(part.value.shape)
            np.add.at(found, (part.spread(cell_of), r, c), part.value.ravel())
        return found

    def with_spin(x: Array, coupled: bool) -> Array:
        if not model.has_spin:
            return x
        doubled = np.stack([np.kron(block, np.eye(2)) for block in x]).astype(np.complex128)
        if coupled:
            doubled[home] += bonds.spin_orbit().toarray()
        return doubled

    hamiltonian = with_spin(blocks("hopping", bonds.onsite_energies()), coupled=True)
    overlap = None if model.is_orthogonal else with_spin(blocks("overlap", np.ones(n)), coupled=False)

    def periodic_hamiltonian_pullback(bar: PeriodicHamiltonian) -> TightBindingCotangent:
        def sample(x: Array) -> Callable[[_Part], Array]:
            def sampled(part: _Part) -> Array:
                r, c = part.rows_columns(part.value.shape)
                return np.real(bonds.without_spin(x, r, c, part.spread(cell_of))).reshape(part.value.shape)

            return sampled

        cotangent = _Cotangent(bonds)
        if bar.hamiltonian is not None:
            bonds.pull_onsite(np.asarray(bar.hamiltonian[home]), cotangent)
            bonds.pull("hopping", sample(np.asarray(bar.hamiltonian)), cotangent)
        if bar.overlap is not None and overlap is not None:
            bonds.pull("overlap", sample(np.asarray(bar.overlap)), cotangent)
        return cotangent.finished()

    return PeriodicHamiltonian(cells, hamiltonian, overlap, structure.cell), periodic_hamiltonian_pullback


@dataclass(frozen=True, eq=False)
class _Part:
    """The bonds of one shell and orientation, between two kinds of orbitals: values and how they came about."""

    shell: int
    bonds: Array  # (n,) into the pairs
    keys: tuple[str, ...]  # the integral of every bond type
    rows: Array  # (n,) first orbital of the one kind
    columns: Array
    scales: tuple[
        tuple[Array, Array, Any, Any], ...
    ]  # f c, (f c)', and c ∂f, f ∂c by the law's and the cut-off's numbers
    value: Array  # (n, n_first, n_second)
    pullback: Callable[[Array], tuple[Array, tuple[Array, ...]]]

    def rows_columns(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Row and column of every entry of `value`, raveled."""
        rows = self.rows[:, None, None] + np.arange(shape[1])[:, None]
        columns = self.columns[:, None, None] + np.arange(shape[2])
        return np.broadcast_to(rows, shape).ravel(), np.broadcast_to(columns, shape).ravel()

    def spread(self, of_pair: Array) -> Array:
        """A number per pair, repeated for every entry of `value`."""
        return np.repeat(of_pair[self.bonds], self.value.shape[1] * self.value.shape[2])


@dataclass(frozen=True, eq=False)
class _Bonds:
    """The coupled pairs of a structure, and where their orbitals stand."""

    structure: Structure
    model: TightBinding
    pairs: NeighbourPairs
    shell: Array
    distances: Array
    cosines: Array
    index: OrbitalIndex

    @classmethod
    def of(cls, structure: Structure, model: TightBinding) -> _Bonds:
        pairs, shell = coupled_pairs(structure, model)
        distances = pairs.distances
        cosines = pairs.vectors / distances[:, None]
        return cls(structure, model, pairs, shell, distances, cosines, orbital_index(structure, model))

    def parts(self, which: str) -> Iterator[_Part]:
        """All the parts of H ("hopping") or S ("overlap")."""
        elements = self.structure.elements
        for i, shell in enumerate(self.model.shells):
            integrals = _integrals_of(shell, which)
            if not integrals:
                continue
            a, b = shell.elements
            for first, second in ((a, b),) if a == b else ((a, b), (b, a)):
                bonds = np.flatnonzero(self.shell == i)
                bonds = bonds[
                    (elements[self.pairs.first[bonds]] == first) & (elements[self.pairs.second[bonds]] == second)
                ]
                if len(bonds):
                    yield from self._between(i, shell, which, integrals, bonds, swapped=first != a)

    def _between(
        self, i: int, shell: Shell, which: str, integrals: Any, bonds: Array, *, swapped: bool
    ) -> Iterator[_Part]:
        elements = shell.elements[::-1] if swapped else shell.elements
        distance = self.distances[bonds]
        scales = {key: _scale(shell, which, key, distance) for key in integrals}
        for a, row in _kinds(self.model, elements[0]):
            for b, column in _kinds(self.model, elements[1]):
                keys = tuple(shell.key(a, b, m, integrals, swapped=swapped) for m in bond_types(a, b))
                value, pullback = two_centre_vjp(
                    ANGULAR_MOMENTUM[a],
                    ANGULAR_MOMENTUM[b],
                    self.cosines[bonds],
                    [integrals[key] * scales[key][0] for key in keys],
                )
                yield _Part(
                    i,
                    bonds,
                    keys,
                    self.index.first[self.pairs.first[bonds]] + row,
                    self.index.first[self.pairs.second[bonds]] + column,
                    tuple(scales[key] for key in keys),
                    value,
                    pullback,
                )

    def onsite_energies(self) -> Array:
        """ε of every orbital, spin not counted."""
        found = np.zeros(len(self.index.atoms))
        for rows, energy, _, _ in self._levels():
            found[rows] = energy
        return found

    def _levels(self) -> Iterator[tuple[Array, float, str, str]]:
        """Rows (n_atoms, 2l + 1), on-site energy, element and kind of every level."""
        elements = self.structure.elements
        for element in sorted(set(self.structure.symbols)):
            first = self.index.first[elements == element]
            for kind, offset in _kinds(self.model, element):
                rows = first[:, None] + offset + np.arange(len(COMPONENTS[kind]))
                yield rows, self.model.onsite_energies(element)[kind], element, kind

    def _spin_orbit_levels(self) -> Iterator[tuple[Array, Array, float, str, str]]:
        """Spin rows (n_atoms, 2(2l + 1)), L·σ, λ, element and kind of every level with spin–orbit coupling."""
        for rows, _, element, kind in self._levels():
            strength = self.model.spin_orbit.get(element, {})
            if kind in strength:
                with_spin = (2 * rows[:, :, None] + np.arange(2)).reshape(len(rows), -1)
                yield with_spin, spin_orbit_matrix(ANGULAR_MOMENTUM[kind]), strength[kind], element, kind

    def spin_orbit(self) -> sparse.csr_array:
        """λ L·σ of all atoms."""
        n = self.index.n_rows
        total = sparse.csr_array((n, n), dtype=np.complex128)
        for rows, matrix, strength, _, _ in self._spin_orbit_levels():
            shape = (len(rows), *matrix.shape)
            r, c = np.broadcast_to(rows[:, :, None], shape).ravel(), np.broadcast_to(rows[:, None, :], shape).ravel()
            values = np.broadcast_to(strength * matrix, shape).ravel()
            total = total + sparse.coo_array((values, (r, c)), shape=(n, n)).tocsr()
        return total

    def with_spin(self, matrix: sparse.csr_array | None, *, coupled: bool = True) -> sparse.csr_array | None:
        """M ⊗ 1 in spin, and the spin–orbit coupling when `coupled`."""
        if matrix is None:
            return None
        doubled = sparse.kron(matrix, sparse.eye_array(2), format="csr")
        return sparse.csr_array(doubled + self.spin_orbit() if coupled else doubled)

    def without_spin(self, bar: Any, rows: Array, columns: Array, *cells: Array) -> Array:
        """Entries of the cotangent of M from that of M ⊗ 1: the trace over spin."""
        if self.index.spins == 1:
            return np.asarray(bar[*cells, rows, columns])
        return np.asarray(bar[*cells, 2 * rows, 2 * columns] + bar[*cells, 2 * rows + 1, 2 * columns + 1])

    def pull_onsite(self, bar: Any, cotangent: _Cotangent) -> None:
        """ε̄ = Σ Re H̄_ii, λ̄ = Re Σ (L·σ)_ij* H̄_ij over the atoms."""
        places = np.arange(len(self.index.atoms))
        diagonal = np.real(self.without_spin(bar, places, places))
        for rows, _, element, kind in self._levels():
            cotangent.add(("onsite", element, kind), float(diagonal[rows].sum()))
        for rows, matrix, _, element, kind in self._spin_orbit_levels():
            r, c = np.broadcast_arrays(rows[:, :, None], rows[:, None, :])
            entries = np.asarray(bar[r.ravel(), c.ravel()]).reshape(r.shape)
            cotangent.add(("spin_orbit", element, kind), float(np.real(np.sum(matrix.conj() * entries))))

    def pull(self, which: str, sampled: Callable[[_Part], Array], cotangent: _Cotangent) -> None:
        """The share of all hoppings, or overlaps, in the cotangent."""
        for part in self.parts(which):
            cosines_bar, integrals_bar = part.pullback(sampled(part))
            n, distance = self.cosines[part.bonds], self.distances[part.bonds]
            along = np.einsum("pi,pi->p", n, cosines_bar)[:, None]
            vectors_bar = (cosines_bar - along * n) / distance[:, None]
            for key, scale, w in zip(part.keys, part.scales, integrals_bar):
                strength = _integrals_of(self.model.shells[part.shell], which)[key]
                vectors_bar += (strength * w * scale[1])[:, None] * n
                cotangent.add_integral(part.shell, which, key, scale, w)
            cotangent.vectors[part.bonds] += vectors_bar


class _Cotangent:
    """Sums over bonds and atoms, by the name of the number they belong to."""

    def __init__(self, bonds: _Bonds) -> None:
        self.bonds = bonds
        self.vectors = np.zeros_like(bonds.pairs.vectors)
        self.sums: dict[tuple[Any, ...], Any] = {}

    def add(self, name: tuple[Any, ...], share: Any) -> None:
        """Add to the cotangent of a number, or of a law's numbers."""
        held = self.sums.get(name)
        self.sums[name] = share if held is None else tree_map(lambda x, y: x + y, held, share)

    def add_integral(self, shell: int, which: str, key: str, scale: tuple[Array, Array, Any, Any], w: Array) -> None:
        """V̄ = Σ w f c, and the shares of law and cut-off, V Σ w c ∂f and V Σ w f ∂c."""
        strength = _integrals_of(self.bonds.model.shells[shell], which)[key]
        self.add((shell, which, key), float(w @ scale[0]))
        law = "law" if which == "hopping" else "overlap_law"
        for name, numbers in (((shell, law, key), scale[2]), ((shell, "cutoff"), scale[3])):
            if numbers is not None:
                self.add(name, tree_map(lambda g: float(strength * (w @ g)), numbers))

    def finished(self) -> TightBindingCotangent:
        """The sums in the classes of the structure and the model."""
        return TightBindingCotangent(self._structure(), self._model())

    def _structure(self) -> Structure:
        """r̄_b += v̄, r̄_a −= v̄ and cell̄ += R v̄ for the bond vector v = r_b + R·cell − r_a."""
        pairs, structure = self.bonds.pairs, self.bonds.structure
        positions = np.zeros_like(structure.positions)
        for axis in range(3):
            weights = self.vectors[:, axis]
            positions[:, axis] += np.bincount(pairs.second, weights, len(positions))
            positions[:, axis] -= np.bincount(pairs.first, weights, len(positions))
        return rebuild(structure, positions=positions, cell=pairs.cells.T.astype(np.float64) @ self.vectors)  # type: ignore[no-any-return]

    def _model(self) -> TightBinding:
        model = self.bonds.model

        def by_name(given: Any, *name: Any, alone: str) -> Any:
            if isinstance(given, Mapping):
                return {key: self._sum((*name, key), x) for key, x in given.items()}
            return self._sum((*name, alone), given)

        shells = []
        for i, shell in enumerate(model.shells):
            changes = {which: by_name(getattr(shell, which), i, which, alone="ss_sigma") for which in INTEGRALS}
            for law in ("law", "overlap_law"):
                given = getattr(shell, law)
                if isinstance(given, Mapping):
                    changes[law] = by_name(given, i, law, alone="")
                elif given is not None:  # one law for all integrals: the sum of their shares
                    shares = [share for name, share in self.sums.items() if name[:2] == (i, law)]
                    changes[law] = tree_map(lambda x, *others: sum(others, 0 * x), given, *shares)
            changes["cutoff"] = self._sum((i, "cutoff"), shell.cutoff)
            shells.append(rebuild(shell, **changes))
        return rebuild(  # type: ignore[no-any-return]
            model,
            onsite={e: by_name(given, "onsite", e, alone="s") for e, given in model.onsite.items()},
            shells=tuple(shells),
            spin_orbit={e: by_name(given, "spin_orbit", e, alone="") for e, given in model.spin_orbit.items()},
        )

    def _sum(self, name: tuple[Any, ...], primal: Any) -> Any:
        return self.sums.get(name, tree_map(lambda x: 0.0 * x, primal))


def check_momentum(momentum: Any, structure: Structure) -> Array:
    """k as an array of three numbers, zero where the structure does not repeat."""
    try:
        k = np.asarray(momentum, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"momentum = {momentum!r} must be three real numbers ({error}).") from error
    if k.shape != (3,):
        raise ShapeError(f"momentum has shape {k.shape} but must be three numbers, in reciprocal lattice vectors.")
    if not np.all(np.isfinite(k)):
        raise InputError(f"momentum = {k.tolist()} must be finite.")
    for i in np.flatnonzero(k):
        if not structure.periodic[i]:
            raise InputError(
                f"momentum = {k.tolist()} has a component along lattice vector {i}, along which the structure does not "
                "repeat (or which a lead takes the place of); set `periodic`, or that component to 0."
            )
    return k


def _scale(shell: Shell, which: str, key: str, distance: Array) -> tuple[Array, Array, Any, Any]:
    """f c, its slope, c ∂f by the law's numbers and f ∂c by the cut-off's; None where there is none."""
    one, zero = np.ones_like(distance), np.zeros_like(distance)
    law = shell.law_of("law" if which == "hopping" else "overlap_law", key)
    f, f_slope, f_numbers = (one, zero, None) if law is None else law.derivatives(distance)
    c, c_slope, c_numbers = (one, zero, None) if shell.cutoff is None else shell.cutoff.derivatives(distance)
    return (
        f * c,
        f_slope * c + f * c_slope,
        tree_map(lambda g: c * g, f_numbers),
        tree_map(lambda g: f * g, c_numbers),
    )


def _integrals_of(shell: Shell, which: str) -> Mapping[str, float]:
    return shell.hoppings if which == "hopping" else shell.overlaps


def _kinds(model: TightBinding, element: str) -> list[tuple[str, int]]:
    """The kinds of orbitals of an element and the offset of each in the atom's basis."""
    kinds = model.orbitals(element)
    return list(zip(kinds, accumulate((len(COMPONENTS[kind]) for kind in kinds), initial=0)))


def _per_element(structure: Structure, values: dict[str, int]) -> Array:
    found = np.zeros(structure.n_atoms, dtype=np.int64)
    for element, value in values.items():
        found[structure.elements == element] = value
    return found


def _as_matrix(bar: Any, n: int, name: str) -> Any:
    if not hasattr(bar, "shape"):
        raise InputTypeError(f"{name} is a {type(bar).__name__}; pass a sparse or dense matrix.")
    if tuple(bar.shape) != (n, n):
        raise ShapeError(f"{name} has shape {tuple(bar.shape)} but must be ({n}, {n}).")
    return sparse.csr_array(bar) if sparse.issparse(bar) else bar
