"""The energy-resolved current through every bond, injected by one lead.

    I_ab = 2 Im(K_ab A_ba),   K = H − E S,   A = G Γ_s G†;   positive from b to a                      (forward)
    L = Σ Ī_ab I_ab = Re tr(𝒜†A):   𝒜_ba = i K_ab* Ī_ab, 𝒜_ab = −i K_ab Ī_ab (Hermitian)              (tangent)
    Ā, Γ̄ by the scattering states;   K̄_ab = 2i A_ba* Ī_ab,  H̄ += K̄, S̄ −= E K̄, Ē −= Re(S_ab* K̄_ab)   (pullback)

Sources: Todorov, J. Phys.: Condens. Matter 14, 3049 (2002), Eq. (15); Solomon et al., Nature Chem. 2, 223 (2010);
docs/adjoints/bond-current.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..array import adjoint, array_namespace, device_of
from ..data.bonds import bond_blocks
from ..typing import Array
from .open_system import OpenSystem
from .sampled_outer import sampled_outer
from .scattering import ScatteringStates, channel_states, pull_scattering_states
from .system_cotangent import SystemAccumulator, SystemCotangent

BondBlocks = Sequence[tuple[int, int, Array, Array]]


def bond_current(system: OpenSystem, /, *, source: int, order: Array) -> Array:
    """2 Im(K_ab A_ba) of every bond a < b, (E, n_bonds), in the order of `Device.bonds`; a cut sums to ±T."""
    blocks = bond_blocks(system.hamiltonian, system.overlap)
    return currents_of(system, channel_states(system, source)[0], blocks, order)


def bond_current_vjp(
    system: OpenSystem, /, *, source: int, order: Array
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`bond_current` and its pullback. Kept: the left-connected factors and the scattering states."""
    states, factors = channel_states(system, source)
    blocks = bond_blocks(system.hamiltonian, system.overlap)

    def bond_current_pullback(i_bar: Array, wrt: Any = "all") -> SystemCotangent:
        accumulator = SystemAccumulator(system, wrt)
        sampled = sample_currents(accumulator, states, blocks, order, i_bar)
        pull_scattering_states(accumulator, factors, states, {i: adjoint(x) for i, x in enumerate(sampled)})
        return accumulator.finish()

    return currents_of(system, states, blocks, order), bond_current_pullback


def sample_currents(
    accumulator: SystemAccumulator, states: ScatteringStates, blocks: BondBlocks, order: Array, i_bar: Array
) -> list[Array]:
    """𝒜X block by block, (E, n_i, r), for the cotangent Ī (E, n_bonds); K̄ is added."""
    system, x = accumulator.system, states.blocks
    xp = array_namespace(i_bar)
    i_bar = xp.take(i_bar, xp.argsort(order), axis=1)  # back to the order of the blocks
    sampled: list[Array] = [xp.zeros_like(xi) for xi in x]
    start = 0
    for k, m, rows, columns in blocks:
        count = int(rows.shape[0])
        if count == 0:
            continue
        weight = _scattered(i_bar[:, start : start + count], rows, columns, _shape(system, k, m))
        start += count
        a_ab = -1j * _coupling(system, k, m) * weight  # 𝒜 on block (k, m), its mirror on (m, k)
        sampled[k] = sampled[k] + a_ab @ x[m]
        sampled[m] = sampled[m] + adjoint(a_ab) @ x[k]
        spectral = states.weighted(k) @ adjoint(x[m])  # A_ab, so that A_ba* = A_ab
        _add_coupling(accumulator, k, m, 2j * spectral * weight)
    return sampled


def currents_of(system: OpenSystem, states: ScatteringStates, blocks: BondBlocks, order: Array) -> Array:
    """2 Im(K_ab A_ba), A = X γ X† on the bonds alone, (E, n_bonds)."""
    xp, couplings, spectral = array_namespace(system.z), [], []
    energies = xp.real(system.z)[:, None]
    for k, m, rows, columns in blocks:
        if rows.shape[0] == 0:
            continue
        spectral.append(sampled_outer(states.weighted(m), states.blocks[k], columns, rows))  # A_ba
        h, s = _blocks(system, k, m)
        place = rows * h.shape[-1] + columns
        coupling = xp.take(xp.reshape(h, (-1,)), place)[None, :]
        if s is not None:
            coupling = coupling - energies * xp.take(xp.reshape(s, (-1,)), place)[None, :]
        couplings.append(coupling)
    if not spectral:
        return xp.zeros((system.n_energies, 0), dtype=energies.dtype, device=device_of(energies))
    currents = 2 * xp.imag(xp.concat(couplings, axis=1) * xp.concat(spectral, axis=1))
    return xp.take(currents, order, axis=1)


def _coupling(system: OpenSystem, k: int, m: int) -> Array:
    """K = H − E S on block (k, m)."""
    xp = array_namespace(system.z)
    h, s = _blocks(system, k, m)
    h = xp.astype(h, system.z.dtype)
    return h if s is None else h - xp.real(system.z)[:, None, None] * s


def _add_coupling(accumulator: SystemAccumulator, k: int, m: int, k_bar: Array) -> None:
    system = accumulator.system
    xp = array_namespace(system.z)
    energies = xp.real(system.z)
    accumulator.add_hamiltonian(k, m, xp.sum(k_bar, axis=0))
    _, s = _blocks(system, k, m)
    if s is not None:
        accumulator.add_overlap(k, m, -xp.sum(energies[:, None, None] * k_bar, axis=0))
        share = -xp.sum(xp.real(xp.conj(s) * k_bar), axis=(-2, -1))
        accumulator.add_z(xp.astype(share, system.z.dtype))


def _blocks(system: OpenSystem, k: int, m: int) -> tuple[Array, Array | None]:
    h, s = system.hamiltonian, system.overlap
    if k == m:
        return h.diagonal[k], None if s is None else s.diagonal[k]
    return h.upper[k], None if s is None else s.upper[k]


def _shape(system: OpenSystem, k: int, m: int) -> tuple[int, int]:
    return system.hamiltonian.block_sizes[k], system.hamiltonian.block_sizes[m]


def _scattered(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Array:
    """(E, n_bonds) values put at (rows, columns), sorted row by row, of a zero (E, n, m) block."""
    xp = array_namespace(values)
    n, m = shape
    places = xp.arange(n * m, device=device_of(values))
    bonds = rows * m + columns
    nearest = xp.clip(xp.searchsorted(bonds, places), 0, bonds.shape[0] - 1)
    there = xp.take(bonds, nearest) == places
    flat = xp.where(
        there[None, :], xp.take(values, nearest, axis=1), xp.zeros((1, 1), dtype=values.dtype, device=device_of(values))
    )
    return xp.reshape(flat, (values.shape[0], n, m))
