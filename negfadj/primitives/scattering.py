"""Scattering states of a lead, X = G E_s, and the pullback of anything linear in its spectral function A_s = X Γ_s X†.

    L = Re tr(𝒜†A_s) with 𝒜 Hermitian                                                          (an observable)
    dL = 2 Re tr(Γ_s X†𝒜 dX) + Re tr(X†𝒜X dΓ_s),   dX = −G dA X                                (tangent)
    rows R = (𝒜X)†G:   Ā_kl = −(2 X_l Γ_s R_k)†,   Γ̄_s = R on the block of the lead             (pullback)

Densities and bond currents sample A_s; the transmission samples Γ_d on the drain's block. Derivation:
docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..array import adjoint
from ..typing import Array
from .open_system import OpenSystem
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, pair_sweep


def scattering_states(system: OpenSystem, factors: Sequence[Array], source: int) -> list[Array]:
    """X = G E_s, block by block: (E, n_i, m) for a lead that touches m orbitals. Memory: 16 E m Σ n_i bytes."""
    columns = {system.blocks[source]: system.unit_columns(source)}
    return [x for _, x in solve_columns(system, factors, columns)][::-1]


def pull_scattering_states(
    accumulator: SystemAccumulator,
    factors: Sequence[Array],
    states: Sequence[Array],
    source: int,
    sampled: Mapping[int, Array],
) -> None:
    """Add the cotangents of an observable of A_s; `sampled` are the blocks of (𝒜X)†, each (E, m, n_i)."""
    system = accumulator.system
    gamma = 2 * system.broadening(source)
    backwards = range(system.n_blocks - 1, -1, -1)
    columns = ((i, states[i] @ gamma) for i in backwards)
    for i, _, rows in pair_sweep(accumulator, columns, solve_rows(system, factors, sampled)):
        if i == system.blocks[source] and accumulator.wants_all:
            accumulator.add_broadening(source, system.spread_hermitian(adjoint(rows), source))
