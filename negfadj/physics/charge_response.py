"""The charge of a device and its exact response to a change of the orbitals' potential energy, at fixed leads.

    dn_a = g Σ_p 2 Re[w R_p dP_a(z_p)] + g Σ_c ∫ dE/2π dp_a^c Σ_r w_r (f_c − f_r),
    dG = G (dH + dΣ) G,   dX = G (dH + dΣ) X,   dH_ab = S_ab (dU_a + dU_b)/2

With an overlap between device and lead the coupling moves too, S_c dU_a/2, and with it dΣ = −(dU K + K' dU)/2,
K = S_c g A_c', K' = A_c g S_c†. Derivation: docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat.numpy as host

from ..array import adjoint, array_namespace, computing, memory_budget, to_numpy
from ..primitives.lead_blocks import lead_blocks
from ..primitives.lead_population import lead_population_tangent, lead_shares
from ..primitives.left_connected import left_connected
from ..primitives.occupation import occupation
from ..primitives.open_system import Blocks, OpenSystem
from ..primitives.population import population_tangent, shares
from ..primitives.scattering import scattering_states
from ..primitives.selected_inverse import selected_inverse
from ..typing import Array
from .charge import TWO_PI, ChargeProblem
from .evaluate import assemble, batches
from .request import Request, largest_matrix


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some energies: the open system, its factors, and with what weight each enters the charge."""

    system: OpenSystem
    factors: list[Array]
    weights: Any  # (E,) complex at poles; (E, sources) real in the bias window
    states: dict[int, list[Array]]  # scattering states by source; empty at poles
    moving: dict[int, tuple[Array, Array]]  # lead → K, K'


class ChargeResponse:
    """n(U) and dn = (∂n/∂U) dU at one potential; the factors of all energies are kept when they fit the memory.

    Parameters
    ----------
    problem : ChargeProblem
        Of the device in its potential.
    """

    def __init__(self, problem: ChargeProblem) -> None:
        self.problem = problem
        self.nodes = problem.window() if problem.is_biased and problem.sources else None
        self._plan = list(self._requests())
        bytes_kept = sum(
            16.0 * request.energies.shape[0] * sum(n * n for n in problem.device.hamiltonian.block_sizes) * 2
            for request, _ in self._plan
        )
        budget = memory_budget(problem.device.hamiltonian.diagonal[0], problem.memory_limit)
        self._kept: list[_Batch] | None = None
        if bytes_kept <= budget:
            self._kept = list(self._made())

    @property
    def n_energies(self) -> int:
        """Energies at which the Green's function is known."""
        return sum(int(request.energies.shape[0]) for request, _ in self._plan)

    def populations(self) -> Any:
        """n_a (n_orbitals,), a host array [electrons]."""
        total = host.zeros(self.problem.device.n_orbitals)
        for batch in self._batches():
            if batch.states:
                for c, (source, states) in enumerate(batch.states.items()):
                    total += batch.weights[:, c] @ to_numpy(lead_shares(batch.system, states, source))
            else:
                p = to_numpy(shares(batch.system, selected_inverse(batch.system, batch.factors)))
                total += 2 * host.real(batch.weights @ p)
        return self.problem.spin_degeneracy * total

    def tangent(self, d_potential_energy: Any) -> Any:
        """dn_a (n_orbitals,) for dU_a (n_orbitals,) [eV], host arrays."""
        du = self.problem.moved(host.asarray(d_potential_energy))
        d_hamiltonian = _potential_blocks(self.problem, du)
        total = host.zeros(self.problem.device.n_orbitals)
        for batch in self._batches():
            change = _with_leads(batch, d_hamiltonian, du)
            if batch.states:
                for c, (source, states) in enumerate(batch.states.items()):
                    d_gamma = _broadening_change(batch, source, du)
                    dp = lead_population_tangent(batch.system, batch.factors, states, source, change, d_gamma)
                    total += batch.weights[:, c] @ to_numpy(dp)
            else:
                dp = to_numpy(population_tangent(batch.system, batch.factors, change))
                total += 2 * host.real(batch.weights @ dp)
        return self.problem.spin_degeneracy * total

    def _requests(self) -> Iterator[tuple[Request, Any]]:
        problem = self.problem
        for mu in sorted({float(problem.mus[r]) for r in problem.choices}):
            poles = problem.poles(mu)
            w = sum(problem.weights[r] for r in problem.choices if float(problem.mus[r]) == mu)
            yield problem.contour(poles), w * poles.weights
        if self.nodes is not None:
            f = occupation(self.nodes.energies, problem.mus, problem.kt).value
            weights = (self.nodes.weights / TWO_PI)[:, None] * problem.coefficients(f)
            yield problem.real_axis(self.nodes.energies), weights

    def _batches(self) -> Iterator[_Batch]:
        return iter(self._kept) if self._kept is not None else self._made()

    def _made(self) -> Iterator[_Batch]:
        layers = 4.0 * self.problem.device.hamiltonian.n_blocks
        with computing(largest_matrix(self.problem.device)):
            for request, weights in self._plan:
                for where in batches(request, layers * largest_matrix(request.device) ** 2 * 16):
                    system, solver = assemble(request, where)
                    factors = left_connected(system)
                    states = {}
                    if weights.ndim == 2:
                        states = {c: scattering_states(system, factors, c) for c in self.problem.sources}
                    yield _Batch(system, factors, weights[where], states, _moving(self.problem, system, solver))


def _moving(problem: ChargeProblem, system: OpenSystem, solver: Any) -> dict[int, tuple[Array, Array]]:
    found = {}
    for k, lead in enumerate(problem.device.leads):
        if lead.overlap_coupling is None:
            continue
        blocks, g = lead_blocks(lead, solver.z), solver.surface(lead)
        s = lead.overlap_coupling
        found[k] = (s @ (g @ blocks.coupling_back), blocks.coupling @ (g @ adjoint(s)))
    return found


def _potential_blocks(problem: ChargeProblem, du: Array) -> Blocks:
    """dH_ab = S_ab (dU_a + dU_b)/2 block by block, (1, n, m)."""
    xp = array_namespace(du)
    h, s = problem.device.hamiltonian, problem.device.overlap
    parts = [du[a:b] for a, b in zip(h.offsets, h.offsets[1:])]
    n_blocks = len(parts)
    if s is None:
        ones = [xp.eye(u.shape[0], dtype=xp.complex128) for u in parts]
        diagonal = [(u[:, None] * one)[None, ...] for u, one in zip(parts, ones)]
        return Blocks(diagonal, [None] * (n_blocks - 1), [None] * (n_blocks - 1))

    def block(x: Array, u: Array, v: Array) -> Array:
        return xp.astype(x * (u[:, None] + v[None, :]) / 2, xp.complex128)[None, ...]

    pairs = list(zip(parts, parts[1:]))
    return Blocks(
        [block(x, u, u) for x, u in zip(s.diagonal, parts)],
        [block(x, u, v) for x, (u, v) in zip(s.upper, pairs)],
        [block(s.lower_block(i), v, u) for i, (u, v) in enumerate(pairs)],
    )


def _self_energy_change(batch: _Batch, lead: int, du: Array) -> Array:
    """dΣ = −(dU K + K' dU)/2."""
    block = batch.system.blocks[lead]
    offsets = batch.system.hamiltonian.offsets
    u = du[offsets[block] : offsets[block + 1]]
    k, k_back = batch.moving[lead]
    return -(u[:, None] * k + k_back * u[None, :]) / 2


def _with_leads(batch: _Batch, d_hamiltonian: Blocks, du: Array) -> Blocks:
    diagonal = list(d_hamiltonian.diagonal_blocks)
    for lead in batch.moving:
        block = batch.system.blocks[lead]
        diagonal[block] = diagonal[block] + _self_energy_change(batch, lead, du)
    return replace(d_hamiltonian, diagonal_blocks=diagonal)


def _broadening_change(batch: _Batch, source: int, du: Array) -> Array | None:
    """dΓ = i(dΣ − dΣ†) of the source on the orbitals it touches; None where it does not move."""
    if source not in batch.moving:
        return None
    d_sigma = _self_energy_change(batch, source, du)
    system = batch.system
    d_gamma = 1j * (d_sigma - adjoint(d_sigma))
    return system.restrict_columns(system.restrict_rows(d_gamma, source), source)
