"""Scattering states of a lead, X = G W, and the pullback of anything linear in its spectral function A_s = X γ X†.

    L = Re tr(𝒜†A_s) with 𝒜 Hermitian                                                          (an observable)
    dL = 2 Re tr(γ X†𝒜 dX) + Re tr(E_s†G†𝒜 G E_s dΓ_s),   dX = −G dA X                         (tangent)
    rows R = (𝒜X)†G:   Ā_kl = −(2 X_l γ R_k)†,   W†Γ̄_s = R on the block of the lead             (pullback)

W are the columns of `channels`, Γ_s = W γ W†, or the orbitals that the lead touches. Densities and bond currents sample
A_s; the transmission samples Γ_d on the drain's block. Derivation: docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..array import adjoint
from ..typing import Array
from .channels import Channels, varied_channels_of
from .left_connected import Factors, left_connected
from .open_system import OpenSystem
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, pair_sweep


@dataclass(frozen=True, eq=False)
class ScatteringStates:
    """X = G W of a lead block by block, (E, n_i, r), and its channels, A_s = X γ X†. Memory: 16 E r Σ n_i bytes."""

    channels: Channels
    blocks: list[Array]

    def weighted(self, i: int) -> Array:
        """X_i γ."""
        return self.channels.weighted(self.blocks[i])


def scattering_states(system: OpenSystem, factors: Sequence[Array], source: int) -> list[Array]:
    """X = G E_s block by block: (E, n_i, m) for a lead that touches m orbitals. Memory: 16 E m Σ n_i bytes."""
    columns = {system.blocks[source]: system.unit_columns(source)}
    return [x for _, x in solve_columns(system, factors, columns)][::-1]


def channel_states(system: OpenSystem, source: int) -> tuple[ScatteringStates, Factors]:
    """The scattering states of a lead by its channels, and the left-connected factors."""
    channels = varied_channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    columns = {system.blocks[source]: channels.columns}
    x = [x for _, x in solve_columns(system, factors, columns, factors.carried)][::-1]
    return ScatteringStates(channels, x), factors.alone()


def pull_scattering_states(
    accumulator: SystemAccumulator,
    factors: Sequence[Array],
    states: ScatteringStates,
    sampled: Mapping[int, Array],
) -> None:
    """Add the cotangents of an observable of A_s; `sampled` are the blocks of (𝒜X)†, each (E, r, n_i)."""
    system, channels = accumulator.system, states.channels
    columns = ((i, 2 * states.weighted(i)) for i in range(system.n_blocks - 1, -1, -1))
    for i, _, rows in pair_sweep(accumulator, columns, solve_rows(system, factors, sampled)):
        if i == system.blocks[channels.lead] and accumulator.wants_all:
            accumulator.add_broadening(channels.lead, channels.broadening_bar(system, adjoint(rows)))
