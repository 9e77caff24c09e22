"""Orbitals that touch no other block and no lead are eliminated ahead of the sweep: a self-energy of their own block.

    A_bb − A_bi (A_ii)⁻¹ A_ib = z − H_bb − Σ_i,   Σ_i = U (z − ε)⁻¹ U†,   H_ii = V ε V†,  U = H_bi V

G on what is left (b) is the same. V, ε are found once for all energies, and the blocks of the sweep are smaller: half
as large in an armchair ribbon or a wire of atoms. At a level ε the self-energy has a pole and G has none: digits are
lost in proportion to |Σ_i|.

Source: Guyan, AIAA J. 3, 380 (1965), at a finite energy; docs/adjoints/rgf.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..array import adjoint, array_namespace, device_of, eigh, eps_of, max_norm, to_numpy
from ..data import BlockTridiagonal
from ..typing import Array
from .open_system import Hoppings, OpenSystem
from .whole_sweep import SweepBlock

WORTH = 0.25  # of the orbitals that go, below which it is left alone
FROM = 32  # rows of the largest block: below, the calls cost what they save


@dataclass(frozen=True, eq=False)
class Condensed:
    """What is left: H_bb, the leads' orbitals counted in it, and ε, U of every block that loses orbitals."""

    hamiltonian: BlockTridiagonal
    hoppings: Hoppings
    kept: tuple[Array | None, ...]
    supports: tuple[Array | None, ...]
    levels: dict[int, tuple[Array, Array]]


def condensed(system: OpenSystem) -> tuple[OpenSystem, Levels] | None:
    """The system on the orbitals that touch another block or a lead, less the Σ_i that `Levels` put into its blocks.

    None where these are most of the orbitals, for small blocks, in an overlap, a non-Hermitian H or not on the host.
    """
    h = system.hamiltonian
    if system.overlap is not None or system.hoppings is None or not h.is_hermitian or max(h.block_sizes) < FROM:
        return None
    if to_numpy(system.z) is not system.z:
        return None
    found = system.hoppings.recalled("condensed", lambda h, _: _condensed(h, system.blocks, system.supports))
    if found is None:
        return None
    sigmas = []
    for sigma, block in zip(system.self_energies, system.blocks):
        xp, kept = array_namespace(sigma), found.kept[block]
        sigmas.append(sigma if kept is None else xp.take(xp.take(sigma, kept, axis=1), kept, axis=2))
    small = replace(
        system,
        hamiltonian=found.hamiltonian,
        self_energies=tuple(sigmas),
        supports=found.supports,
        hoppings=found.hoppings,
    )
    return small, Levels(system.z, found.levels)


class Levels:
    """Σ_i of every block, made when the sweep comes there: `largest` (E,) is the largest entry so far."""

    def __init__(self, z: Array, levels: Mapping[int, tuple[Array, Array]]) -> None:
        self.z, self.levels = z, levels
        self.largest = array_namespace(z).zeros_like(array_namespace(z).real(z))

    def into(self, blocks: Sequence[SweepBlock], *, is_reversed: bool) -> Iterator[SweepBlock]:
        """The blocks of the sweep with their Σ_i, one at a time."""
        for place, block in enumerate(blocks):
            i = len(blocks) - 1 - place if is_reversed else place
            if i in self.levels:
                sigma = _self_energy(self.z, *self.levels[i])
                self.largest = array_namespace(sigma).maximum(self.largest, max_norm(sigma))
                block = block._replace(self_energy=sigma if block.self_energy is None else sigma + block.self_energy)
            yield block


def _self_energy(z: Array, epsilon: Array, u: Array) -> Array:
    """U (z − ε)⁻¹ U†, (E, n_b, n_b); large and finite on a level."""
    xp, dtype = array_namespace(z), z.dtype
    if not bool(xp.any(xp.imag(z) != 0)):  # real numbers for a real H
        z = xp.real(z)
    gap = z[:, None] - epsilon[None, :]
    smallest = eps_of(z) * (1 + xp.max(xp.abs(epsilon)))
    gap = xp.where(xp.abs(gap) < smallest, xp.full_like(gap, smallest), gap)
    return xp.astype((u[None, :, :] / gap[:, None, :]) @ adjoint(u), dtype)


def _condensed(h: BlockTridiagonal, blocks: tuple[int, ...], supports: tuple[Array | None, ...]) -> Condensed | None:
    xp, touched = array_namespace(h.diagonal[0]), _touched(h, blocks, supports)
    if sum(int(x.sum()) for x in touched) > (1 - WORTH) * h.n_orbitals:
        return None

    def index(mask: Any) -> Array:
        return xp.asarray(mask.nonzero()[0], device=device_of(h.diagonal[0]))

    def cut(x: Array, rows: Array | None, columns: Array | None) -> Array:
        x = x if rows is None else xp.take(x, rows, axis=0)
        return x if columns is None else xp.take(x, columns, axis=1)

    kept = tuple(None if x.all() else index(x) for x in touched)
    levels = {}
    for i, (x, mask) in enumerate(zip(h.diagonal, touched)):
        if kept[i] is not None:
            inner = index(~mask)
            epsilon, v = eigh(cut(x, inner, inner))
            levels[i] = epsilon, cut(x, kept[i], inner) @ v
    left = BlockTridiagonal(
        tuple(cut(x, k, k) for x, k in zip(h.diagonal, kept)),
        tuple(cut(x, k, m) for x, k, m in zip(h.upper, kept, kept[1:])),
    )
    moved = []
    for block, support in zip(blocks, supports):
        order = touched[block].cumsum() - 1  # place among those kept
        moved.append(None if support is None else xp.asarray(order[to_numpy(support)], device=device_of(support)))
    return Condensed(left, Hoppings.of(left, None), kept, tuple(moved), levels)


def _touched(h: BlockTridiagonal, blocks: tuple[int, ...], supports: tuple[Array | None, ...]) -> list[Any]:
    """Of every block, a mask on the host of the orbitals that another block or a lead touches."""
    xp = array_namespace(h.diagonal[0])
    masks = [to_numpy(xp.zeros(n, dtype=xp.bool)).copy() for n in h.block_sizes]
    for i, upper in enumerate(h.upper):
        masks[i] |= to_numpy(xp.any(upper != 0, axis=1))
        masks[i + 1] |= to_numpy(xp.any(upper != 0, axis=0))
    for block, support in zip(blocks, supports):
        masks[block][... if support is None else to_numpy(support)] = True
    for mask in masks:
        mask[: 0 if mask.any() else 1] = True  # no block without orbitals
    return masks
