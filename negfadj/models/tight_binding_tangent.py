"""Tangents of H and S of a tight-binding model, entry by entry, along its numbers and the atoms' positions.

    Ḣ_ij = δ_ab (ε̇_i δ_ij + λ̇ (L·σ)_ij) + Σ_m [V̇_m f c + V_m (f c)' ḋ + V_m (c ḟ + f ċ)] M^m_ij + V_m f c Ṁ^m_ij

Source: docs/adjoints/two-centre.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from ..array import leaves, rebuild
from ..data import PeriodicHamiltonian
from ..typing import Array
from .structure import Structure
from .tight_binding import Shell, TightBinding
from .tight_binding_matrices import Momentum, _Bonds, _integrals_of, _Part, check_momentum
from .two_centre import two_centre, two_centre_tangent

Moved: TypeAlias = Callable[[Any, Any], Array]


@dataclass(frozen=True, eq=False)
class Entries:
    """A sparse matrix entry by entry, and how its entries move; entries of one place are summed.

    Parameters
    ----------
    rows, columns : arrays, shape (n_entries,), integer
        Spin counted.
    pairs : array, shape (n_entries,), integer
        The coupled pair of atoms that an entry belongs to; −1 for an atom by itself.
    values : array, shape (n_entries,)
        [eV] or 1.
    tangent : callable
        (positions_dot, model_dot) → how `values` move. The one is (n_atoms, 3) [Å], the other a `TightBinding` that
        holds tangents; None is zero. The lattice vectors do not move.
    """

    rows: Array
    columns: Array
    pairs: Array
    values: Array
    tangent: Moved


def hamiltonian_entries(structure: Structure, model: TightBinding, *, momentum: Momentum = (0.0, 0.0, 0.0)) -> Entries:
    """H of `tight_binding_matrices` with its tangent; parameters and errors as there.

    Kept for the tangent: the part of every entry by each of its integrals, 8 bytes each, and once atoms have moved its
    derivative by the bond's vector, 24 bytes.
    """
    bonds = _Bonds.of(structure, model)
    return _joined([*_of_bonds(bonds, "hopping", momentum), *_levels(bonds), *_spin_orbit(bonds)])


def overlap_entries(structure: Structure, model: TightBinding, *, momentum: Momentum = (0.0, 0.0, 0.0)) -> Entries:
    """S likewise, with S_aa = 1 that does not move."""
    bonds = _Bonds.of(structure, model)
    places = np.arange(len(bonds.index.atoms))
    ones = Entries(places, places, np.full(len(places), -1), np.ones(len(places)), lambda *_: np.zeros(len(places)))
    return _joined([*_of_bonds(bonds, "overlap", momentum), _with_spin(ones, bonds)])


def periodic_hamiltonian_tangents(
    structure: Structure, model: TightBinding
) -> Callable[[TightBinding | None], PeriodicHamiltonian]:
    """From a direction of the model's numbers to the tangent of `periodic_hamiltonian`."""
    entries = [hamiltonian_entries(structure, model)]
    if not model.is_orthogonal:
        entries.append(overlap_entries(structure, model))
    bonds = _Bonds.of(structure, model)
    cells = np.unique(np.concatenate((np.zeros((1, 3), np.int64), bonds.pairs.cells)), axis=0)
    of_pair = np.argmax(np.all(bonds.pairs.cells[:, None] == cells, axis=2), axis=1)
    cell_of = np.append(of_pair, np.argmax(np.all(cells == 0, axis=1)))  # the last one: an atom by itself
    n = bonds.index.n_rows

    def periodic_hamiltonian_tangent(model_dot: TightBinding | None) -> PeriodicHamiltonian:
        blocks: list[Any] = []
        for matrix in entries:
            moved = matrix.tangent(None, model_dot)
            found = np.zeros((len(cells), n, n), dtype=np.complex128 if model.has_spin else moved.dtype)
            np.add.at(found, (cell_of[matrix.pairs], matrix.rows, matrix.columns), moved)
            blocks.append(found)
        return rebuild(  # type: ignore[no-any-return]
            PeriodicHamiltonian(cells, np.zeros((len(cells), n, n)), None, structure.cell),
            hamiltonian=blocks[0],
            overlap=blocks[1] if len(blocks) > 1 else None,
        )

    return periodic_hamiltonian_tangent


@dataclass(frozen=True, eq=False)
class _PartTangent:
    """Ḃ of the bonds of one part."""

    bonds: _Bonds
    which: str
    part: _Part
    phase: Array | None

    def __call__(self, positions_dot: Array | None, model_dot: TightBinding | None) -> Array:
        moved = np.zeros(self.part.value.shape)
        if model_dot is not None:
            shell, shell_dot = self.bonds.model.shells[self.part.shell], model_dot.shells[self.part.shell]
            for key, scale, part in zip(self.part.keys, self.part.scales, self.by_integral):
                moved += _strength_dot(shell, shell_dot, self.which, key, scale)[:, None, None] * part
        if positions_dot is not None:
            pairs, own = self.bonds.pairs, self.part.bonds
            vectors_dot = positions_dot[pairs.second[own]] - positions_dot[pairs.first[own]]
            moved += np.einsum("pi,ipab->pab", vectors_dot, self.by_vector)
        return self.phased(moved)

    def phased(self, values: Array) -> Array:
        """One number for every entry, with e^{2πi k·R}."""
        return (values if self.phase is None else values * self.phase[self.part.bonds][:, None, None]).ravel()

    @cached_property
    def by_integral(self) -> list[Array]:
        """± M^m of every bond type."""
        n = len(self.part.keys)
        ones = np.ones(len(self.part.bonds))
        return [two_centre(*self._degrees, self._cosines, [ones * (i == m) for i in range(n)]) for m in range(n)]

    @cached_property
    def by_vector(self) -> Array:
        """∂B/∂v, shape (3, n_bonds, n_first, n_second): ṅ = (1 − n nᵀ) v̇/d, ḋ = n·v̇."""
        n, distances = self._cosines, self.bonds.distances[self.part.bonds]
        integrals = _integrals_of(self.bonds.model.shells[self.part.shell], self.which)
        strengths = [integrals[key] * scale[0] for key, scale in zip(self.part.keys, self.part.scales)]
        slopes = [integrals[key] * scale[1] for key, scale in zip(self.part.keys, self.part.scales)]
        return np.stack(
            [
                two_centre_tangent(
                    *self._degrees,
                    n,
                    strengths,
                    (np.eye(3)[i] - n[:, i, None] * n) / distances[:, None],
                    [slope * n[:, i] for slope in slopes],
                )
                for i in range(3)
            ]
        )

    @property
    def _degrees(self) -> tuple[int, int]:
        """l of the two kinds of orbitals."""
        return (self.part.value.shape[1] - 1) // 2, (self.part.value.shape[2] - 1) // 2

    @property
    def _cosines(self) -> Array:
        return self.bonds.cosines[self.part.bonds]


def _strength_dot(shell: Shell, shell_dot: Shell, which: str, key: str, scale: tuple[Array, Array, Any, Any]) -> Array:
    """V̇ f c + V (c ḟ + f ċ) at a fixed distance."""
    f_c, _, of_law, of_cutoff = scale
    law_dot = shell_dot.law_of("law" if which == "hopping" else "overlap_law", key)
    slope = _along(of_law, law_dot) + _along(of_cutoff, shell_dot.cutoff)
    return _integrals_of(shell_dot, which)[key] * f_c + _integrals_of(shell, which)[key] * slope


def _along(numbers: Any, numbers_dot: Any) -> Any:
    """Σ ∂f/∂p ṗ over the numbers of a law."""
    return 0.0 if numbers is None else sum(g * d for g, d in zip(leaves(numbers), leaves(numbers_dot), strict=True))


def _of_bonds(bonds: _Bonds, which: str, momentum: Momentum) -> Iterator[Entries]:
    k = check_momentum(momentum, bonds.structure)
    phase = np.exp(2j * np.pi * (bonds.pairs.cells @ k)) if np.any(k) else None
    for part in bonds.parts(which):
        shape = part.value.shape
        moved = _PartTangent(bonds, which, part, phase)
        pairs = part.spread(np.arange(len(bonds.shell)))
        yield _with_spin(Entries(*part.rows_columns(shape), pairs, moved.phased(part.value), moved), bonds)


def _levels(bonds: _Bonds) -> Iterator[Entries]:
    """ε of the atoms."""
    for rows, energy, element, kind in bonds._levels():
        places = rows.ravel()
        unit = np.ones(places.shape)
        moved = _constant(unit, lambda model, e=element, k=kind: model.onsite_energies(e)[k])  # type: ignore[misc]
        yield _with_spin(Entries(places, places, np.full(places.shape, -1), energy * unit, moved), bonds)


def _spin_orbit(bonds: _Bonds) -> Iterator[Entries]:
    """λ L·σ of the atoms."""
    for rows, matrix, strength, element, kind in bonds._spin_orbit_levels():
        shape = (len(rows), *matrix.shape)
        r, c = np.broadcast_to(rows[:, :, None], shape).ravel(), np.broadcast_to(rows[:, None, :], shape).ravel()
        unit = np.broadcast_to(matrix, shape).ravel()
        moved = _constant(unit, lambda model, e=element, k=kind: model.spin_orbit[e][k])  # type: ignore[misc]
        yield Entries(r, c, np.full(r.shape, -1), strength * unit, moved)


def _constant(unit: Array, number: Callable[[TightBinding], float]) -> Moved:
    """Entries that are one number of the model times `unit`."""
    return lambda _, model_dot: np.zeros_like(unit) if model_dot is None else number(model_dot) * unit


def _with_spin(entries: Entries, bonds: _Bonds) -> Entries:
    """M ⊗ 1 in spin."""
    if bonds.index.spins == 1:
        return entries

    def tangent(positions_dot: Any, model_dot: Any) -> Array:
        return np.tile(entries.tangent(positions_dot, model_dot), 2)

    rows, columns = (np.concatenate((2 * x, 2 * x + 1)) for x in (entries.rows, entries.columns))
    return Entries(rows, columns, np.tile(entries.pairs, 2), np.tile(entries.values, 2), tangent)


def _joined(parts: list[Entries]) -> Entries:
    def tangent(positions_dot: Array | None, model_dot: TightBinding | None) -> Array:
        return np.concatenate([part.tangent(positions_dot, model_dot) for part in parts])

    rows, columns, pairs, values = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "columns", "pairs", "values")
    )
    return Entries(rows, columns, pairs, values, tangent)
