"""The gradient of every energy's transmission by entries of the Hamiltonian: one backward sweep, sampled.

    dT(E)/dH_ab = (X R)_ba*, and with H_ba = H_ab* moving along + (X R)_ab;   X = G E_s 2Γ_s,  R = x†Γ_d E_d†G

the H̄ of docs/adjoints/transmission.md before its sum over energies, at the entries that are asked for.
"""

from __future__ import annotations

from typing import Any

from ..array import adjoint, array_namespace, device_of
from ..typing import Array
from .channels import channels_of
from .left_connected import left_connected
from .open_system import OpenSystem
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import Pattern, conjugate
from .transmission import injected, lead_to_lead

SAMPLED = 16  # entries of a block are gathered one by one where they are fewer than 1/SAMPLED of it, else from X R


def transmission_gradients(system: OpenSystem, /, *, pattern: Pattern, source: int, drain: int) -> Array:
    """dT(E)/dH_ab at the entries of a pattern, (E, n_entries), in their order: real for a real Hamiltonian.

    For a Hermitian one H_ba = H_ab* moves along; on the diagonal the derivative is real. Leads are held fixed.
    """
    channels = channels_of(system, source)
    factors = left_connected(system, (system.blocks[source], channels.columns))
    x = lead_to_lead(system, factors, channels, drain)
    rows = (2 * adjoint(x) @ system.broadening(drain)) @ adjoint(system.unit_columns(drain))
    sampled = _Sampled(system, pattern)
    above: tuple[Array, Array] | None = None
    for (i, states), (_, co_states) in zip(
        injected(system, factors, channels), solve_rows(system, factors, {system.blocks[drain]: rows})
    ):
        sampled.block(i, i, states, co_states)
        if above is not None:
            sampled.block(i, i + 1, above[0], co_states)
            sampled.block(i + 1, i, states, above[1])
        above = (states, co_states)
    return sampled.finish()


class _Sampled:
    """H̄_km = (X_m R_k)† at a pattern's entries, energy by energy, and of a Hermitian H at their mirror images."""

    def __init__(self, system: OpenSystem, pattern: Pattern) -> None:
        self.hamiltonian, self.pattern = system.hamiltonian, pattern
        self.xp, self.place = array_namespace(system.z), device_of(system.z)
        self.found: dict[tuple[int, int], Array] = {}

    def block(self, k: int, m: int, columns: Array, rows: Array) -> None:
        """The entries of block (k, m), from X_m (E, n_m, r) and R_k (E, r, n_k)."""
        if (k, m) in self.pattern.blocks:
            a, b, _ = self.pattern.blocks[(k, m)]
            self._add((k, m), conjugate(self._entries(columns, rows, b, a)))
        if self.hamiltonian.is_hermitian and (m, k) in self.pattern.blocks:
            a, b, _ = self.pattern.blocks[(m, k)]
            self._add((m, k), self._entries(columns, rows, a, b))

    def finish(self) -> Array:
        """(E, n_entries) in the order of the pattern."""
        xp, parts, places = self.xp, [], []
        for (k, m), (a, b, where) in self.pattern.blocks.items():
            values = self.found[(k, m)]
            if k == m and self.hamiltonian.is_hermitian:  # an entry on the diagonal is its own mirror image
                values = xp.where((a == b)[None, :], values / 2, values)
            parts.append(values)
            places.append(where)
        values = xp.take(xp.concat(parts, axis=1), xp.argsort(xp.concat(places)), axis=1)
        return xp.real(values) if self.hamiltonian.is_real else values

    def _entries(self, columns: Array, rows: Array, at_rows: Array, at_columns: Array) -> Array:
        """(X R)_ab at a few places, (E, n)."""
        xp, n, m = self.xp, columns.shape[-2], rows.shape[-1]
        if SAMPLED * at_rows.shape[0] > n * m:
            whole = xp.reshape(columns @ rows, (columns.shape[0], n * m))
            return xp.take(whole, at_rows * m + at_columns, axis=1)
        left = xp.take(columns, at_rows, axis=1)
        return xp.sum(left * xp.matrix_transpose(xp.take(rows, at_columns, axis=2)), axis=-1)

    def _add(self, key: tuple[int, int], values: Any) -> None:
        self.found[key] = self.found[key] + values if key in self.found else values
