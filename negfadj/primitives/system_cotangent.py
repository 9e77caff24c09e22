"""From contributions to Ā, block by block, to the cotangents of H, S, Σ and z: A = z S − H − Σ.

    H̄ = −Σ_E Ā,   S̄ = Σ_E z* Ā,   z̄ = Σ_kl tr(S_kl† Ā_kl),   Σ̄ = −Ā on the lead's block

Two kinds of contribution: Ā_kl = −(X_l R_k)† from columns and rows (summed over energies as one long product), and
dense Ā_kl. `wrt` decides what is formed: "all"; "onsite", the diagonal of H alone; or a pattern, a few entries of H.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..array import (
    STATIC,
    adjoint,
    array_namespace,
    device_of,
    is_complex,
    sum_of_products,
    to_numpy,
    trace_product,
    tree_map,
)
from ..data import BlockTridiagonal
from ..typing import Array
from .open_system import OpenSystem


@dataclass(frozen=True, eq=False)
class Pattern:
    """Entries (a, b) of the Hamiltonian, sorted into pairs of blocks: (k, l) → local rows, local columns, positions."""

    n_entries: int
    blocks: dict[tuple[int, int], tuple[Array, Array, Array]]
    rows: Array
    columns: Array


@dataclass(frozen=True, eq=False)
class EntriesCotangent:
    """The cotangent of a few entries of a Hermitian Hamiltonian.

    values[e] is dL/dH_ab for (a, b) = (rows[e], columns[e]), host integers, with H_ba = H_ab* moving along: real for
    a = b and for real Hamiltonians, else ∂L/∂Re + i ∂L/∂Im.
    """

    values: Array
    rows: Array = field(metadata=STATIC)
    columns: Array = field(metadata=STATIC)

    @property
    def onsite(self) -> Array:
        """`values`, when every entry is an on-site one in the order of the orbitals (``wrt="onsite"``)."""
        return self.values


@dataclass(frozen=True, eq=False)
class SystemCotangent:
    """Cotangents of an `OpenSystem`: H and S summed over the batch, z and Σ energy by energy; None is an exact zero."""

    hamiltonian: Any
    overlap: Any
    self_energies: tuple[Array | None, ...]
    z: Array | None


class SystemAccumulator:
    """Collects contributions to Ā during one backward sweep; `finish()` gives the `SystemCotangent`."""

    def __init__(self, system: OpenSystem, wrt: Any = "all") -> None:
        self.system = system
        self.wrt = wrt
        self.n_blocks = system.n_blocks
        self.is_real = system.hamiltonian.is_real  # of the cotangent of H only the real part is felt
        self.xp = array_namespace(system.z)
        self.hamiltonian: dict[tuple[int, int], Array] = {}
        self.overlap: dict[tuple[int, int], Array] = {}
        self.self_energies: list[Array | None] = [None] * len(system.self_energies)
        self.z: Array | None = None

    @property
    def wants_all(self) -> bool:
        """True when every cotangent is formed."""
        return isinstance(self.wrt, str) and self.wrt == "all"

    @property
    def is_onsite(self) -> bool:
        """True when the diagonal of H alone is asked for."""
        return isinstance(self.wrt, str) and self.wrt == "onsite"

    def wanted(self, k: int, m: int) -> bool:
        """Is anything of block (k, m) asked for?"""
        if isinstance(self.wrt, Pattern):
            return (k, m) in self.wrt.blocks or (m, k) in self.wrt.blocks
        return self.wants_all or k == m

    def outer(self, k: int, m: int, columns: Array, rows: Array) -> None:
        """Ā_km −= (X_m R_k)†, X_m = `columns` (E, n_m, r), R_k = `rows` (E, r, n_k)."""
        if not self.wanted(k, m):
            return
        xp, z = self.xp, self.system.z
        if self.is_onsite:
            product = xp.sum(columns * xp.matrix_transpose(rows), axis=(0, 2))  # diagonal of Σ_E X R
            self._add(self.hamiltonian, (k, m), xp.real(product))
            return
        if isinstance(self.wrt, Pattern):
            self._add(self.hamiltonian, (k, m), adjoint(sum_of_products(columns, rows, real_part=self.is_real)))
            return
        self._add(self.hamiltonian, (k, m), adjoint(sum_of_products(columns, rows, real_part=self.is_real)))
        if self.system.overlap is not None:
            weighted = z[:, None, None] * columns
            self._add(self.overlap, (k, m), -adjoint(sum_of_products(weighted, rows)))
            s = self._overlap_block(k, m)
            z_bar = -xp.conj(xp.sum((s @ columns) * xp.matrix_transpose(rows), axis=(1, 2)))
            self.z = z_bar if self.z is None else self.z + z_bar
        elif k == m:
            z_bar = -xp.conj(xp.sum(columns * xp.matrix_transpose(rows), axis=(1, 2)))
            self.z = z_bar if self.z is None else self.z + z_bar
        if k == m and k in self.system.blocks:
            self.add_self_energy(k, adjoint(columns @ rows))

    def dense(self, k: int, m: int, a_bar: Array) -> None:
        """Ā_km += `a_bar` (E, n_k, n_m)."""
        if not self.wanted(k, m):
            return
        xp, z = self.xp, self.system.z
        if self.is_onsite:
            diagonal = xp.sum(xp.real(xp.linalg.diagonal(a_bar)), axis=0)
            self._add(self.hamiltonian, (k, m), -diagonal)
            return
        self._add(self.hamiltonian, (k, m), -xp.sum(a_bar, axis=0))
        if isinstance(self.wrt, Pattern):
            return
        if self.system.overlap is not None:
            self._add(self.overlap, (k, m), xp.sum(xp.conj(z)[:, None, None] * a_bar, axis=0))
            z_bar = trace_product(self._overlap_block(k, m), a_bar)
            self.z = z_bar if self.z is None else self.z + z_bar
        elif k == m:
            z_bar = xp.sum(xp.linalg.diagonal(a_bar), axis=-1)
            self.z = z_bar if self.z is None else self.z + z_bar
        if k == m and k in self.system.blocks:
            self.add_self_energy(k, -a_bar)

    def add_self_energy(self, block: int, sigma_bar: Array) -> None:
        """Σ̄ += for every lead on `block`."""
        for lead, b in enumerate(self.system.blocks):
            if b == block:
                self.add_lead_self_energy(lead, sigma_bar)

    def add_lead_self_energy(self, lead: int, sigma_bar: Array) -> None:
        """Σ̄ += for one lead."""
        if self.wants_all:
            old = self.self_energies[lead]
            self.self_energies[lead] = sigma_bar if old is None else old + sigma_bar

    def add_broadening(self, lead: int, gamma_bar: Array) -> None:
        """Γ̄ of a lead, Hermitian, on its whole block: Γ = i(Σ − Σ†) ⇒ Σ̄ += −2i Γ̄."""
        self.add_lead_self_energy(lead, -2j * gamma_bar)

    def add_hamiltonian(self, k: int, m: int, h_bar: Array) -> None:
        """H̄_km += `h_bar` (n_k, n_m), or its diagonal alone."""
        if not self.wanted(k, m):
            return
        if self.is_onsite and h_bar.ndim == 2:
            h_bar = self.xp.real(self.xp.linalg.diagonal(h_bar))
        self._add(self.hamiltonian, (k, m), h_bar)

    def add_overlap(self, k: int, m: int, s_bar: Array) -> None:
        """S̄_km += `s_bar` (n_k, n_m), a share that does not come through A."""
        if self.wants_all and self.system.overlap is not None:
            self._add(self.overlap, (k, m), s_bar)

    def add_z(self, z_bar: Array) -> None:
        """z̄ += (E,)."""
        if self.wants_all:
            self.z = z_bar if self.z is None else self.z + z_bar

    def finish(self) -> SystemCotangent:
        """The cotangents, H and S folded on the blocks the user gave (lower on upper for Hermitian data)."""
        hamiltonian = self.system.hamiltonian
        if isinstance(self.wrt, Pattern):
            return SystemCotangent(self._sampled(self.wrt), None, tuple(self.self_energies), None)
        if not self.wants_all:
            xp = self.xp
            values = xp.concat(
                [self._block(self.hamiltonian, (k, k), (n,)) for k, n in enumerate(hamiltonian.block_sizes)]
            )
            index = to_numpy(xp.arange(hamiltonian.n_orbitals))
            values = xp.astype(xp.real(values) if is_complex(values) else values, _real(hamiltonian.diagonal[0], xp))
            return SystemCotangent(EntriesCotangent(values, index, index), None, tuple(self.self_energies), None)
        overlap = self.system.overlap
        return SystemCotangent(
            self._fold(hamiltonian, self.hamiltonian),
            None if overlap is None else self._fold(overlap, self.overlap),
            tuple(self.self_energies),
            self.z,
        )

    def _fold(self, matrix: BlockTridiagonal, bars: dict[tuple[int, int], Array]) -> BlockTridiagonal:
        sizes = matrix.block_sizes
        pairs = range(self.n_blocks - 1)
        diagonal = tuple(self._block(bars, (k, k), (n, n)) for k, n in enumerate(sizes))
        upper = tuple(self._block(bars, (k, k + 1), (sizes[k], sizes[k + 1])) for k in pairs)
        lower = tuple(self._block(bars, (k + 1, k), (sizes[k + 1], sizes[k])) for k in pairs)
        if matrix.is_hermitian:  # X_{i+1,i} = X_{i,i+1}†: its share comes back daggered
            upper = tuple(u + adjoint(low) if (k + 1, k) in bars else u for k, u, low in zip(pairs, upper, lower))
        bar = object.__new__(BlockTridiagonal)
        object.__setattr__(bar, "diagonal", diagonal)
        object.__setattr__(bar, "upper", upper)
        object.__setattr__(bar, "lower", None if matrix.is_hermitian else lower)
        return matrix.project_tangent(bar)

    def _sampled(self, pattern: Pattern) -> EntriesCotangent:
        xp, hamiltonian = self.xp, self.system.hamiltonian
        sizes = hamiltonian.block_sizes
        values, positions = [], []
        for (k, m), (rows, columns, where) in pattern.blocks.items():
            direct = self._block(self.hamiltonian, (k, m), (sizes[k], sizes[m]))
            mirrored = self._block(self.hamiltonian, (m, k), (sizes[m], sizes[k]))
            at_ab = xp.take(xp.reshape(direct, (-1,)), rows * sizes[m] + columns)
            at_ba = xp.take(xp.reshape(mirrored, (-1,)), columns * sizes[k] + rows)
            onsite = (rows == columns) if k == m else xp.zeros_like(rows, dtype=xp.bool)
            both = at_ab + (xp.conj(at_ba) if is_complex(at_ba) else at_ba) if hamiltonian.is_hermitian else at_ab
            if hamiltonian.is_hermitian:
                both = xp.where(onsite, both / 2, both)
            values.append(both)
            positions.append(where)
        gathered = xp.take(xp.concat(values), xp.argsort(xp.concat(positions)))
        if hamiltonian.is_real:
            gathered = xp.astype(
                xp.real(gathered) if is_complex(gathered) else gathered, _real(hamiltonian.diagonal[0], xp)
            )
        return EntriesCotangent(gathered, pattern.rows, pattern.columns)

    def _block(self, bars: dict[tuple[int, int], Array], key: tuple[int, int], shape: tuple[int, ...]) -> Array:
        if key in bars:
            return bars[key]
        z = self.system.z
        return self.xp.zeros(shape, dtype=z.dtype, device=device_of(z))

    def _overlap_block(self, k: int, m: int) -> Array:
        overlap = self.system.overlap
        assert overlap is not None
        if k == m:
            return overlap.diagonal[k]
        return overlap.upper[k] if m > k else overlap.lower_block(m)

    @staticmethod
    def _add(store: dict[tuple[int, int], Array], key: tuple[int, int], value: Array) -> None:
        store[key] = store[key] + value if key in store else value


def pair_sweep(
    accumulator: SystemAccumulator, columns: Iterable[tuple[int, Array]], rows: Iterable[tuple[int, Array]]
) -> Iterable[tuple[int, Array, Array]]:
    """Run columns and rows together, add Ā_kl = −(X_l R_k)† on the tridiagonal blocks, yield (i, X_i, R_i)."""
    above: tuple[Array, Array] | None = None
    for (i, x), (_, r) in zip(columns, rows):
        accumulator.outer(i, i, x, r)
        if above is not None:
            accumulator.outer(i, i + 1, above[0], r)
            accumulator.outer(i + 1, i, x, above[1])
        above = (x, r)
        yield i, x, r


def joined_cotangents(bars: Sequence[SystemCotangent], places: Sequence[int]) -> SystemCotangent:
    """The cotangent of a batch from those of its parts, whose energies one after another were at `places`."""
    first = bars[0]

    def added(*parts: Array) -> Any:
        return functools.reduce(operator.add, parts)

    def sorted_back(*parts: Array) -> Any:
        xp = array_namespace(parts[0])
        order = xp.argsort(xp.asarray(list(places), device=device_of(parts[0])))
        return xp.take(xp.concat(parts), order, axis=0)

    shared = tree_map(added, (first.hamiltonian, first.overlap), *((bar.hamiltonian, bar.overlap) for bar in bars[1:]))
    each = tree_map(sorted_back, (first.self_energies, first.z), *((bar.self_energies, bar.z) for bar in bars[1:]))
    return SystemCotangent(*shared, *each)


def conjugate(x: Array) -> Array:
    """x*, of real arrays too."""
    return array_namespace(x).conj(x) if is_complex(x) else x


def _real(x: Array, xp: Any) -> Any:
    return xp.float32 if x.dtype in (xp.float32, xp.complex64) else xp.float64
