"""The charge of a device and its exact response to a change of the orbitals' potential energy, at fixed leads.

    dn_a = g Σ_p 2 Re[w R_p dP_a(z_p)] + g Σ_c ∫ dE/2π dp_a^c Σ_r w_r (f_c − f_r),
    dG = G (dH + dΣ) G,   dX = G (dH + dΣ) X,   dH_ab = S_ab (dU_a + dU_b)/2

With an overlap between device and lead the coupling moves too, S_c dU_a/2, and with it dΣ = −(dU K + K' dU)/2,
K = S_c g A_c', K' = A_c g S_c†.

The transpose costs the same: n̄ᵀdn = Re Σ tr(M (dH + dΣ)) with M = G 𝒜 G at the poles and 2 X Γ X†𝒜 G in the window,
𝒜_ab = S_ab (n̄_a + n̄_b)/2, so that Ū_a are Mulliken's shares of M. Derivation: docs/adjoints/charge.md.

The nodes of the window move with levels narrower than kT (`level_motion`), by dx_k = −Σ_a ∇_a D dU_a/D' a knot: a
matrix of as many columns as there are knots is added to ∂n/∂U.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import array_api_compat.numpy as host

from ..array import adjoint, array_namespace, computing, device_of, memory_budget, to_numpy
from ..data import Lead
from ..errors import ConvergenceError
from ..primitives.congruence import selected_congruence
from ..primitives.lead_blocks import lead_blocks
from ..primitives.lead_population import lead_population_tangent, lead_population_transposed, lead_shares
from ..primitives.left_connected import left_connected
from ..primitives.occupation import occupation
from ..primitives.open_system import Blocks, OpenSystem
from ..primitives.population import population_tangent, shares
from ..primitives.scattering import scattering_states
from ..primitives.selected_inverse import InverseBlocks, selected_inverse
from ..primitives.taylor import Taylor
from ..typing import Array
from .charge import TWO_PI, ChargeProblem
from .cores import self_energy_polynomial
from .evaluate import assemble, batches
from .leads import LeadSolver
from .level_motion import LevelKnots, level_knots
from .request import Request, largest_matrix


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some energies: the open system, its factors, and with what weight each enters the charge."""

    system: OpenSystem
    factors: list[Array]
    weights: Any  # (E,) complex at poles; (E, sources) real in the bias window
    states: dict[int, list[Array]]  # scattering states by source; empty at poles
    moving: dict[int, tuple[Array, Array]]  # lead → K, K'
    mu: float | None = None  # of the poles


@dataclass(frozen=True, eq=False)
class _Knots:
    """Knots of narrow levels: ∂n_a/∂x_k (K, n_orbitals) per spin, and ∂x_k/∂U_a (K, n_orbitals)."""

    populations: Any
    motion: Any


class ChargeResponse:
    """n(U) and dn = (∂n/∂U) dU at one potential; the factors of all energies are kept when they fit the memory.

    Parameters
    ----------
    problem : ChargeProblem
        Of the device in its potential.
    """

    def __init__(self, problem: ChargeProblem) -> None:
        self._prepare(problem)
        missing = self._sum()
        with_levels = problem.with_levels(missing)
        if with_levels is not problem:
            self._prepare(with_levels)
            missing = self._sum()
        self.error = float(host.max(missing))  # the largest difference between two choices of the lead in equilibrium

    def _prepare(self, problem: ChargeProblem) -> None:
        """Nodes of the window, and factors and states where they fit the memory."""
        window = _Window(problem) if problem.is_biased and problem.sources else None
        self.problem = problem if window is None else replace(problem, known_nodes=window.nodes)
        self._plan = list(self._requests())
        self._kept: list[_Batch] | None = None
        if sum(_bytes_kept(request) for request, _, _ in self._plan) <= _budget(problem):
            self._kept = list(self._made(self._plan[:-1] if window is not None and window.is_kept else self._plan))
            if window is not None and window.is_kept:
                self._kept += window.batches(self._plan[-1][1])

    def _sum(self) -> Any:
        """Sum the populations; by how much two choices of the lead in equilibrium differ, (n_orbitals,)."""
        problem, n = self.problem, self.problem.device.n_orbitals
        total, at_poles = host.zeros(n), {float(problem.mus[r]): host.zeros(n) for r in problem.choices}
        met: list[tuple[Any, Any]] = []
        for batch in self._batches():
            if batch.states:
                found = [to_numpy(lead_shares(batch.system, x, source)) for source, x in batch.states.items()]
                for c, p in enumerate(found):
                    total += batch.weights[:, c] @ p
                met.append((_energies_of(batch), sum(host.sum(p, axis=1) for p in found)))
            elif batch.mu is not None:
                p = to_numpy(shares(batch.system, selected_inverse(batch.system, batch.factors)))
                share = 2 * host.real(batch.weights @ p)
                total += share
                at_poles[batch.mu] += share / self._weight_of(batch.mu)
        self._populations = problem.spin_degeneracy * total
        self._knots = self._level_knots(met)
        if problem.known_nodes is None:
            return host.zeros(n)
        windows = host.reshape(problem.known_nodes.integrals[: len(problem.choices) * n], (-1, n))
        choices = [at_poles[float(problem.mus[r])] + w for r, w in zip(problem.choices, windows)]
        return problem.spin_degeneracy * (host.max(choices, axis=0) - host.min(choices, axis=0))

    def _weight_of(self, mu: float) -> float:
        """Σ w_r of the leads taken to be in equilibrium at μ."""
        problem = self.problem
        return float(sum(problem.weights[r] for r in problem.choices if float(problem.mus[r]) == mu))

    @property
    def n_energies(self) -> int:
        """Energies at which the Green's function is known."""
        return sum(int(request.energies.shape[0]) for request, _, _ in self._plan)

    def populations(self) -> Any:
        """n_a (n_orbitals,), a host array [electrons]."""
        return host.asarray(self._populations, copy=True)

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
        if self._knots is not None:
            total += (self._knots.motion @ host.asarray(d_potential_energy)) @ self._knots.populations
        return self.problem.spin_degeneracy * total

    def transposed(self, populations_bar: Any) -> Any:
        """Ū_a (n_orbitals,) = Σ_b n̄_b ∂n_b/∂U_a for n̄ (n_orbitals,), host arrays."""
        sampled = _potential_blocks(self.problem, self.problem.moved(host.asarray(populations_bar)))
        total = host.zeros(self.problem.device.n_orbitals)
        for batch in self._batches():
            system, factors = batch.system, batch.factors
            if batch.states:
                for c, (source, states) in enumerate(batch.states.items()):
                    pairs = lead_population_transposed(system, factors, states, source, sampled)
                    total += batch.weights[:, c] @ host.real(to_numpy(_pulled_states(batch, pairs, source)))
            else:
                rows = selected_congruence(system, factors, sampled, system, factors)
                total += 2 * host.real(batch.weights @ to_numpy(_pulled(batch, rows)))
        if self._knots is not None:
            total += (self._knots.populations @ host.asarray(populations_bar)) @ self._knots.motion
        return self.problem.spin_degeneracy * total

    def _level_knots(self, met: Sequence[tuple[Any, Any]]) -> _Knots | None:
        """The knots that the window's nodes need, from energies and densities of its batches; mostly none."""
        problem, nodes = self.problem, self.problem.known_nodes
        if nodes is None:
            return None
        density = host.zeros(len(nodes.energies))
        for energies, values in met:
            density[host.searchsorted(nodes.energies, energies)] = values
        knots = level_knots(nodes, density, problem.breaks, problem.kt)
        if knots is None:
            return None
        request = problem.real_axis(nodes.energies)
        f = occupation(nodes.energies, problem.mus, problem.kt)
        measure = (nodes.weights / TWO_PI)[:, None]
        c, slopes = measure * problem.coefficients(f.value), -measure * problem.coefficients(f.d_mu)  # ∂f/∂E = −∂f/∂μ
        moved = host.zeros((len(knots.flanks), problem.device.n_orbitals))
        for batch in self._batches():
            if not batch.states:
                continue
            at = host.searchsorted(nodes.energies, _energies_of(batch))
            for k, (p, slope) in enumerate(_with_energy_slopes(problem, request, batch)):
                energies_bar = c[at, k : k + 1] * slope + slopes[at, k : k + 1] * p
                moved += knots.pull(nodes.energies[at], energies_bar, c[at, k : k + 1] * p)
        return _Knots(moved, self._motion(knots))

    def _motion(self, knots: LevelKnots) -> Any:
        """∂x_k/∂U_a = −∇_a D/D' at the flanks, (K, n_orbitals)."""
        problem = self.problem
        request = problem.real_axis(knots.flanks)
        sampled = _potential_blocks(problem, problem.moved(host.ones(problem.device.n_orbitals)))
        found = []
        with computing(largest_matrix(problem.device)):
            for _, batch in _factored(problem, request, True):
                by_potential: Any = 0.0
                slope: Any = 0.0
                for source, (_, slopes) in zip(batch.states, _with_energy_slopes(problem, request, batch)):
                    states = batch.states[source]
                    pairs = lead_population_transposed(batch.system, batch.factors, states, source, sampled)
                    by_potential = by_potential + host.real(to_numpy(_pulled_states(batch, pairs, source)))
                    slope = slope + host.sum(slopes, axis=1)
                is_moving = slope != 0
                shares = -by_potential / host.where(is_moving, slope, 1)[:, None]
                found.append(host.where(is_moving[:, None], shares, 0.0))
        return host.concat(found)

    def _requests(self) -> Iterator[tuple[Request, Any, float | None]]:
        """Poles of every μ and, last, the bias window, each with its weights, and the poles' μ."""
        problem = self.problem
        for mu in sorted({float(problem.mus[r]) for r in problem.choices}):
            poles = problem.poles(mu)
            yield problem.contour(poles), self._weight_of(mu) * poles.weights, mu
        if problem.known_nodes is not None:
            nodes = problem.known_nodes
            f = occupation(nodes.energies, problem.mus, problem.kt).value
            weights = (nodes.weights / TWO_PI)[:, None] * problem.coefficients(f)
            yield problem.real_axis(nodes.energies), weights, None

    def _batches(self) -> Iterator[_Batch]:
        return iter(self._kept) if self._kept is not None else self._made(self._plan)

    def _made(self, plan: Sequence[tuple[Request, Any, float | None]]) -> Iterator[_Batch]:
        with computing(largest_matrix(self.problem.device)):
            for request, weights, mu in plan:
                for where, batch in _factored(self.problem, request, weights.ndim == 2):
                    yield replace(batch, weights=weights[where], mu=mu)


class _Window:
    """The bias window's nodes, found once; the factors met on the way serve the response, where they fit the memory."""

    def __init__(self, problem: ChargeProblem) -> None:
        self.is_kept, self._bytes = True, 0.0
        self._problem = problem
        self._met: list[tuple[Any, _Batch]] = []
        self.nodes = problem.window(self._injected)

    def _injected(self, energies: Any) -> Any:
        """p^c (m, sources, n) at host energies (m,)."""
        request, met, found = self._problem.real_axis(energies), [], []
        with computing(largest_matrix(self._problem.device)):
            for where, batch in _factored(self._problem, request, True):
                shares = [to_numpy(lead_shares(batch.system, x, source)) for source, x in batch.states.items()]
                found.append(host.stack(shares, axis=1))
                met.append((energies[where], batch))
                if not self.is_kept:
                    met.clear()
        values = host.concat(found)
        finite = host.all(host.isfinite(values), axis=(1, 2))
        if not host.all(finite):
            at = energies[~finite].tolist()
            raise ConvergenceError(
                f"z S − H − Σ is singular at E = {', '.join(f'{e:.6g}' for e in at[:5])} eV: a bound state, or a level "
                "of a part that no lead reaches; give a small device_eta.",
                energies=at,
            )
        self._bytes += _bytes_kept(request)
        if self._bytes > _budget(self._problem):
            self.is_kept = False
            self._met.clear()
        elif self.is_kept:
            self._met += met
        return values

    def batches(self, weights: Any) -> Iterator[_Batch]:
        """The batches at the nodes that remained, with the nodes' weights (m, sources)."""
        known = self.nodes.energies
        for energies, batch in self._met:
            place = host.clip(host.searchsorted(known, energies), 0, len(known) - 1)
            remain = host.nonzero(known[place] == energies)[0]
            if len(remain):
                yield replace(_taken(batch, remain), weights=weights[place[remain]])
        self._met.clear()


def _factored(problem: ChargeProblem, request: Request, in_window: bool) -> Iterator[tuple[slice, _Batch]]:
    """Batches of a request, their weights still to come."""
    for where in batches(request, 4.0 * problem.device.hamiltonian.n_blocks * largest_matrix(request.device) ** 2 * 16):
        system, solver = assemble(request, where)
        factors = left_connected(system)
        states = {c: scattering_states(system, factors, c) for c in problem.sources} if in_window else {}
        yield where, _Batch(system, factors, None, states, _moving(problem, system, solver))


def _energies_of(batch: _Batch) -> Any:
    return to_numpy(array_namespace(batch.system.z).real(batch.system.z))


def _with_energy_slopes(problem: ChargeProblem, request: Request, batch: _Batch) -> Iterator[tuple[Any, Any]]:
    """p^c and dp^c/dE of every source, (E, n_orbitals) each: the tangent to d(H + Σ) = (dΣ/dE − S) dE."""
    system = batch.system
    xp = array_namespace(system.z)
    z = xp.real(system.z) + 1j * request.eta
    solver = LeadSolver(z, slice(None), request.method, request.at_real_energy)
    overlap = _potential_blocks(problem, problem.moved(host.ones(problem.device.n_orbitals)))
    diagonal, upper, lower = (
        [None if x is None else -x for x in blocks]
        for blocks in (overlap.diagonal_blocks, overlap.upper_blocks, overlap.lower_blocks)
    )
    slopes: list[Array | None] = []
    for lead, block in zip(problem.device.leads, system.blocks):
        slope = None
        if isinstance(lead, Lead):
            sigma: Taylor = self_energy_polynomial(lead, solver, 1)
            slope = sigma.coefficients[1]
            diagonal[block] = diagonal[block] + slope
        slopes.append(slope)
    change = Blocks(diagonal, upper, lower)
    for source, states in batch.states.items():
        d_gamma, slope = None, slopes[source]
        if slope is not None:
            d_gamma = 1j * (slope - adjoint(slope))
            d_gamma = system.restrict_columns(system.restrict_rows(d_gamma, source), source)
        dp = to_numpy(lead_population_tangent(system, batch.factors, states, source, change, d_gamma))
        if d_gamma is not None and system.overlap is None:  # with an overlap the tangent has it
            own = [xp.sum(xp.real((x @ d_gamma) * xp.conj(x)), axis=-1) for x in states]
            dp = dp + to_numpy(xp.concat(own, axis=-1))
        yield to_numpy(lead_shares(system, states, source)), dp


def _taken(batch: _Batch, rows: Any) -> _Batch:
    """Some energies of a batch."""
    n = batch.system.n_energies
    if len(rows) == n:
        return batch
    xp = array_namespace(batch.system.z)
    index = xp.asarray(rows, device=device_of(batch.system.z))

    def take(x: Array) -> Array:
        return xp.take(x, index, axis=0) if x.shape[0] == n else x

    return _Batch(
        replace(batch.system, z=take(batch.system.z), self_energies=tuple(take(x) for x in batch.system.self_energies)),
        [take(g) for g in batch.factors],
        None,
        {source: [take(x) for x in states] for source, states in batch.states.items()},
        {lead: (take(k), take(k_back)) for lead, (k, k_back) in batch.moving.items()},
    )


def _bytes_kept(request: Request) -> float:
    return 32.0 * int(request.energies.shape[0]) * sum(n * n for n in request.device.hamiltonian.block_sizes)


def _budget(problem: ChargeProblem) -> int:
    return memory_budget(problem.device.hamiltonian.diagonal[0], problem.memory_limit)


def _moving(problem: ChargeProblem, system: OpenSystem, solver: Any) -> dict[int, tuple[Array, Array]]:
    found = {}
    for k, lead in enumerate(problem.device.leads):
        if not isinstance(lead, Lead) or lead.overlap_coupling is None:
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
        ones = [xp.eye(u.shape[0], dtype=xp.complex128, device=device_of(u)) for u in parts]
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


def _pulled(batch: _Batch, rows: Iterable[InverseBlocks], at_source: tuple[int, Array] | None = None) -> Array:
    """u_a with tr(M (dH + dΣ)) = Σ_a u_a dU_a, (E, n_orbitals); `at_source` adds to M in dΣ of the source alone."""
    system = batch.system
    xp, offsets = array_namespace(system.z), system.hamiltonian.offsets
    at_leads: dict[int, Array] = {}

    def watched() -> Iterator[InverseBlocks]:
        for row in rows:
            at_leads.update({lead: row.diagonal for lead in batch.moving if system.blocks[lead] == row.i})
            yield row

    found = shares(system, watched())
    for lead, m in at_leads.items():
        if at_source is not None and lead == at_source[0]:
            m = m + at_source[1]
        k, k_back = batch.moving[lead]
        start, stop = offsets[system.blocks[lead]], offsets[system.blocks[lead] + 1]
        share = -(xp.linalg.diagonal(k @ m) + xp.linalg.diagonal(m @ k_back)) / 2
        found = xp.concat([found[:, :start], found[:, start:stop] + share, found[:, stop:]], axis=1)
    return found


def _pulled_states(batch: _Batch, pairs: Iterable[tuple[int, Array, Array]], source: int) -> Array:
    """The same for M = L R of one source, whose Γ moves with its Σ: tr(B i(dΣ − dΣ†)) = 2 Re tr(i B dΣ)."""
    system = batch.system
    xp = array_namespace(system.z)
    if system.overlap is None:
        found = [xp.sum(left * xp.matrix_transpose(right), axis=-1) for _, left, right in pairs]
        return xp.concat(found[::-1], axis=-1)
    kept = list(pairs)  # from the last block to the first
    after: list[Any] = [None, *kept]
    rows = [
        InverseBlocks(i, left @ right, None, None)
        if above is None
        else InverseBlocks(i, left @ right, left @ above[2], above[1] @ right)
        for (i, left, right), above in zip(kept, after)
    ]
    at_source = None
    if source in batch.moving:
        rows_there = next(right for i, _, right in kept if i == system.blocks[source])
        unit = system.unit_columns(source)
        at_source = (source, 2j * (unit @ system.restrict_columns(rows_there, source) @ adjoint(unit)))
    return _pulled(batch, rows, at_source)


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
