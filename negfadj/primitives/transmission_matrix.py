"""The matrix of transmissions between all leads, with reflection on its diagonal.

    T_ij = tr[Γ_i x_ij Γ_j x_ij†]   (i ≠ j, from j into i),   x = E†G E on the orbitals of all leads
    R_j  = N_j − tr[Γ_j i(x_jj − x_jj†)] + tr[Γ_j x_jj Γ_j x_jj†]                                   (forward)
    x̄_ij = 2 T̄_ij Γ_i x_ij Γ_j + δ_ij 2i T̄_jj Γ_j,   dx = −E†G dA G E
    Ā_kl = −(X_l x̄†R_k)†,   X = G E,  R = E†G                                                    (pullback)

R_j = tr[r†r] with r = −1 + iΓ^½ G Γ^½ on the N_j open channels (Fisher and Lee 1981); at η = 0 column j sums to N_j.
Derivation: docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from ..array import adjoint, array_namespace, device_of
from ..typing import Array
from .left_connected import left_connected
from .open_system import OpenSystem
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep


def transmission_matrix(system: OpenSystem, open_channels: Array, /) -> Array:
    """T_ij(E) from lead j into lead i, reflection on the diagonal: (E, L, L), real; `open_channels` N_j is (E, L)."""
    return transmission_matrix_vjp(system, open_channels)[0]


def transmission_matrix_vjp(
    system: OpenSystem, open_channels: Array, /
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`transmission_matrix` and its pullback (N_j is an integer: no cotangent). Kept: the left-connected factors."""
    xp = array_namespace(system.z)
    leads = range(len(system.blocks))
    factors = left_connected(system)
    columns, rows, spans = _all_leads(system)
    at_leads = {i: x for i, x in solve_columns(system, factors, columns) if i in system.blocks}
    gammas = [system.broadening(k) for k in leads]
    x = [[system.restrict_rows(at_leads[system.blocks[i]][:, :, spans[j]], i) for j in leads] for i in leads]
    through = [[gammas[i] @ x[i][j] @ gammas[j] for j in leads] for i in leads]
    entries = [[xp.sum(xp.real(through[i][j] * xp.conj(x[i][j])), axis=(-2, -1)) for j in leads] for i in leads]
    for j in leads:
        spectral = 1j * (x[j][j] - adjoint(x[j][j]))
        absorbed = xp.sum(xp.real(gammas[j] * xp.matrix_transpose(spectral)), axis=(-2, -1))
        entries[j][j] = xp.astype(open_channels[:, j], absorbed.dtype) - absorbed + entries[j][j]
    value = xp.stack([xp.stack(row, axis=-1) for row in entries], axis=-2)

    def transmission_matrix_pullback(t_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        weight = t_bar[:, :, :, None, None]
        x_bar = [[2 * weight[:, i, j, ...] * through[i][j] for j in leads] for i in leads]
        for j in leads:
            x_bar[j][j] = x_bar[j][j] + 2j * weight[:, j, j, ...] * gammas[j]
        x_bar_dagger = xp.concat(
            [xp.concat([adjoint(x_bar[i][j]) for i in leads], axis=-1) for j in leads], axis=-2
        )  # (E, columns of all leads, rows of all leads)
        at_block: dict[int, Array] = {}

        def weighted_rows() -> Iterator[tuple[int, Array]]:
            for i, r in solve_rows(system, factors, rows):
                at_block[i] = r
                yield i, x_bar_dagger @ r

        def gamma_bar(lead: int, states: Array, co_states: Array) -> Array:
            """The columns of Γ̄ on the orbitals the lead touches, (E, n_b, m)."""
            total = (
                -1j * weight[:, lead, lead, ...] * (states[:, :, spans[lead]] - adjoint(co_states[:, spans[lead], :]))
            )
            for k in leads:
                into = states[:, :, spans[k]] @ gammas[k] @ adjoint(x[lead][k])
                out_of = adjoint(co_states[:, spans[k], :]) @ gammas[k] @ x[k][lead]
                total = total + weight[:, lead, k, ...] * into + weight[:, k, lead, ...] * out_of
            return total

        for i, states, _ in pair_sweep(accumulator, solve_columns(system, factors, columns), weighted_rows()):
            co_states = at_block.pop(i)
            for lead in leads:
                if system.blocks[lead] == i and accumulator.wants_all:
                    accumulator.add_broadening(lead, system.spread_hermitian(gamma_bar(lead, states, co_states), lead))
        return accumulator.finish()

    return value, transmission_matrix_pullback


def _all_leads(system: OpenSystem) -> tuple[dict[int, Array], dict[int, Array], list[slice]]:
    """Right-hand sides E (columns) and E† (rows) of all leads side by side, and the span of each lead among them."""
    xp = array_namespace(system.z)
    units = [system.unit_columns(lead) for lead in range(len(system.blocks))]
    ends = list(accumulate(int(unit.shape[-1]) for unit in units))
    spans = [slice(end - int(unit.shape[-1]), end) for end, unit in zip(ends, units)]
    columns: dict[int, Array] = {}
    for unit, span, block in zip(units, spans, system.blocks):
        before = xp.zeros((1, unit.shape[1], span.start), dtype=unit.dtype, device=device_of(unit))
        after = xp.zeros((1, unit.shape[1], ends[-1] - span.stop), dtype=unit.dtype, device=device_of(unit))
        wide = xp.concat([before, unit, after], axis=-1)
        columns[block] = columns[block] + wide if block in columns else wide
    return columns, {block: adjoint(wide) for block, wide in columns.items()}, spans
