"""The adjoint of T between the two leads of a real system, by the reflection into one of them: one thin solve.

    T = tr i(ρ − ρ†) − tr ρρ†,   ρ = W†G W,  Γ_s = W W†,  G = Gᵀ               (forward: what is not reflected)
    dT = 2 Re tr[(i − ρ†) dρ] + tr(Γ̄_s dΓ_s),   dρ = −Xᵀ dA X                 (tangent)
    columns X = G E_s W,   rows R = 2T̄ (i − ρ†) Xᵀ                             (moving the factors)
    Ā_kl = −(X_l R_k)†,   Γ̄_s W = T̄ [i(X_s − X_s*) − X_s ρ† − X_s* ρ]          (pullback)

(i − ρ† = −i r† with the reflection r = −1 + iρ; Γ_d is in G alone.) Where T is small beside |A||X|² its digits are not
in R; such energies take columns and rows from both leads (`transmission`).

Sources: Fisher and Lee, Phys. Rev. B 23, 6851 (1981); docs/adjoints/transmission.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

from ..array import Kernel, adjoint, array_namespace, eps_of, identity, is_single, max_norm, sum_of_products, to_numpy
from ..typing import Array
from .channels import Channels, varied_channels_of
from .left_connected import Factors, left_connected
from .open_system import OpenSystem
from .refined_solve import refined_columns, size_of
from .system_cotangent import SystemAccumulator, SystemCotangent

MOST, MOST_SINGLE = 1e4, 1e2  # |A||X|²/T up to which R is taken from the reflection: so much of its rounding is lost
ASYMMETRY = 1e4  # eps |Σ|: the rounding of a lead's equation


@dataclass(frozen=True, eq=False)
class Reflection:
    """One lead's channels, the factors, the columns (i, X_i), i = N − 1, …, 0, ρ (E, r, r) and |A||X|² (E,)."""

    channels: Channels
    factors: Factors
    columns: list[tuple[int, Array]]
    rho: Array
    size: Array

    def lost(self, transmission: Array) -> list[int]:
        """The energies at which T (E,), and so its gradient, is too small beside products of two columns."""
        most = MOST_SINGLE if is_single(self.rho) else MOST
        return [e for e, x in enumerate(to_numpy(most * transmission < self.size).tolist()) if x]

    def at(self, index: Array) -> Reflection:
        """At some energies."""
        take = partial(array_namespace(self.rho).take, indices=index, axis=0)
        channels = replace(self.channels, columns=take(self.channels.columns), factor=take(self.channels.factor))
        factors = Factors(take(g) for g in self.factors)
        factors.growth = None if self.factors.growth is None else take(self.factors.growth)
        return Reflection(channels, factors, [(i, take(x)) for i, x in self.columns], take(self.rho), take(self.size))


def reflection_of(system: OpenSystem) -> Reflection | None:
    """Into the lead where elimination ends; None for a system without this symmetry, or with more columns than rows.

    Two leads on a real symmetric A(E): what one does not reflect, the other transmits.
    """
    xp, matrices = array_namespace(system.z), (system.hamiltonian, system.overlap)
    if len(system.blocks) != 2 or not all(m is None or (m.is_hermitian and m.is_real) for m in matrices):
        return None
    if bool(xp.any(xp.imag(system.z) != 0)) or not all(_is_symmetric(sigma) for sigma in system.self_energies):
        return None
    lead = 0 if system.blocks[0] > system.blocks[1] else 1
    channels, sizes = _real(varied_channels_of(system, lead)), system.hamiltonian.block_sizes
    if channels.factor is None or channels.columns.shape[-1] * sum(sizes) > sum(n * n for n in sizes):
        return None
    factors, block = left_connected(system), system.blocks[lead]
    columns = list(refined_columns(system, factors, {block: channels.columns}))
    rho = adjoint(channels.columns) @ columns[system.n_blocks - 1 - block][1]
    largest = reduce(xp.maximum, (max_norm(x) for _, x in columns))
    return Reflection(channels, factors, columns, rho, size_of(system) * largest**2)


def pull_reflection(
    system: OpenSystem,
    channels: Channels,
    columns: list[tuple[int, Array]],
    rho: Array,
    t_bar: Array,
    wrt: Any = "all",
) -> SystemCotangent:
    """The cotangents of A, Γ and what they are made of from T̄ (E,)."""
    xp, accumulator = array_namespace(system.z), SystemAccumulator(system, wrt)
    weight = _weight(rho, t_bar[:, None, None])
    above: Array | None = None
    for i, x in columns:  # block (i + 1, i) is the transpose of (i, i + 1): once for both
        beside = above if accumulator.wanted(i, i + 1) else None
        if system.overlap is None:
            here, off, traces = _SUMS(x, weight, beside, accumulator.is_onsite)
            accumulator.add_hamiltonian(i, i, here)
            if off is not None:
                accumulator.add_hamiltonian(i, i + 1, 2 * off)
            accumulator.add_z(-xp.conj(traces))
            if accumulator.wants_all and i in system.blocks:
                accumulator.add_self_energy(i, adjoint(x @ (weight @ xp.matrix_transpose(x))))
        else:
            rows = weight @ xp.matrix_transpose(x)
            accumulator.outer(i, i, x, rows)
            if beside is not None:
                accumulator.outer(i, i + 1, beside, 2 * rows)
        if accumulator.wants_all and i == system.blocks[channels.lead]:
            sampled = 1j * (x - xp.conj(x)) - x @ adjoint(rho) - xp.conj(x) @ rho
            bar = channels.broadening_bar(system, t_bar[:, None, None] * sampled)
            accumulator.add_broadening(channels.lead, bar)
        above = x
    return accumulator.finish()


def _weight(rho: Array, t_bar: Array | float) -> Array:
    """2T̄ (i − ρ†), symmetric."""
    return 2 * t_bar * (1j * identity(rho.shape[-1], rho) - adjoint(rho))


def _sums(x: Array, weight: Array, above: Array | None, is_onsite: bool) -> tuple[Array, Array | None, Array]:
    """Re Σ_E X M Xᵀ (n, n), or its diagonal alone, Re Σ_E X M X_aboveᵀ, and tr X M Xᵀ (E,)."""
    xp = array_namespace(x)
    weighted = x @ weight
    traces = xp.sum(x * weighted, axis=(-2, -1))
    if is_onsite:
        return xp.sum(xp.real(x * weighted), axis=(0, 2)), None, traces
    beside = None if above is None else sum_of_products(weighted, xp.matrix_transpose(above), real_part=True)
    here = sum_of_products(weighted, xp.matrix_transpose(x), real_part=True)
    return xp.real(here), None if beside is None else xp.real(beside), traces


_SUMS = Kernel("reflected_sums", _sums, numba="reflected_sums:reflected_sums")


def reflection_rows(columns: Iterable[tuple[int, Array]], rho: Array) -> Iterator[tuple[int, Array]]:
    """(i, R_i) beside (i, X_i) for T̄ = 1."""
    weight = _weight(rho, 1.0)
    for i, x in columns:
        yield i, weight @ array_namespace(x).matrix_transpose(x)


def _real(channels: Channels) -> Channels:
    """Of a real Γ columns are real, but for those that rounding has made."""
    xp, dtype = array_namespace(channels.columns), channels.columns.dtype
    if channels.factor is None:
        return channels
    columns, factor = (xp.astype(xp.real(x), dtype) for x in (channels.columns, channels.factor))
    return replace(channels, columns=columns, factor=factor)


def _is_symmetric(sigma: Array) -> bool:
    """Σ = Σᵀ but for rounding?"""
    xp = array_namespace(sigma)
    return bool(xp.all(max_norm(sigma - xp.matrix_transpose(sigma)) <= ASYMMETRY * eps_of(sigma) * max_norm(sigma)))
