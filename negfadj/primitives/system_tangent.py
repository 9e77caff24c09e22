"""The tangent of A(z) = z S − H − Σ(z), block by block: Ȧ = ż S + z Ṡ − Ḣ − Σ̇; a block that does not move is None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..array import adjoint, array_namespace, identity, monomial_pattern, product, rebuild, structured
from ..data import BlockTridiagonal
from ..typing import Array
from .open_system import OpenSystem


@dataclass(frozen=True, eq=False)
class SystemTangent:
    """The tangent of an `OpenSystem` along one direction.

    Parameters
    ----------
    system : OpenSystem — its supports reach as far as the couplings and their tangents
    hamiltonian, overlap : BlockTridiagonal of tangents [eV], [1]; None, or None for a block, is zero
    z : array, shape (E,), complex, or None — ż [eV]
    self_energies : per lead, an array (E, n_b, n_b) [eV], or None
    """

    system: OpenSystem
    hamiltonian: BlockTridiagonal | None
    overlap: BlockTridiagonal | None
    z: Array | None
    self_energies: tuple[Array | None, ...]

    def diagonal(self, i: int) -> Any:
        """Ȧ_ii."""
        s = self.system.overlap
        here = [x for x, b in zip(self.self_energies, self.system.blocks) if b == i and x is not None]
        if s is not None:
            s_block = s.diagonal[i]
        else:
            s_block = None if self.z is None else identity(self.system.hamiltonian.block_sizes[i], self.system.z)
        return self._block(_of(self.hamiltonian, "diagonal", i), s_block, _of(self.overlap, "diagonal", i), here)

    def upper(self, i: int) -> Any:
        """Ȧ_{i,i+1}."""
        s = self.system.overlap
        s_block = None if s is None else s.upper[i]
        return self._block(_of(self.hamiltonian, "upper", i), s_block, _of(self.overlap, "upper", i), [])

    def lower(self, i: int) -> Any:
        """Ȧ_{i+1,i}."""
        h, s = self.system.hamiltonian, self.system.overlap
        s_block = None if s is None else s.lower_block(i)
        h_dot = _lower(self.hamiltonian, i, h.is_hermitian)
        return self._block(h_dot, s_block, None if s is None else _lower(self.overlap, i, s.is_hermitian), [])

    def applied(self, columns: Sequence[Array], rows: Sequence[Array]) -> tuple[dict[int, Array], dict[int, Array]]:
        """(Ȧ X)_i and (R Ȧ)_i by block, for all blocks of X and R; a block that is zero is left out."""
        right: dict[int, Array] = {}
        left: dict[int, Array] = {}

        def add(k: int, m: int, block: Any) -> None:  # block = Ȧ_km
            if block is None:
                return
            x, r = block @ columns[m], product(rows[k], block)
            right[k] = right[k] + x if k in right else x
            left[m] = left[m] + r if m in left else r

        for i in range(self.system.n_blocks):
            add(i, i, self.diagonal(i))
            if i + 1 < self.system.n_blocks:
                add(i, i + 1, self.upper(i))
                add(i + 1, i, self.lower(i))
        return right, left

    def weights(self) -> OpenSystem | None:
        """The system with Ṡ and ż in place of S and z; None in an orthogonal basis, or where neither moves.

        S̄ = Σ z*Ā and z̄ = tr S†Ā are bilinear: a `SystemAccumulator` of this one gives the half that Ā does not move in.
        """
        system = self.system
        if system.overlap is None or (self.overlap is None and self.z is None):
            return None
        xp = array_namespace(system.z)
        z = xp.zeros_like(system.z) if self.z is None else self.z
        return replace(system, z=z, overlap=_filled(self.overlap, system.overlap), hoppings=None)

    def _block(self, h_dot: Array | None, s: Array | None, s_dot: Array | None, sigmas: list[Array]) -> Any:
        xp, z = array_namespace(self.system.z), self.system.z[:, None, None]
        parts = [-sigma for sigma in sigmas]
        if s is not None and self.z is not None:
            parts.append(self.z[:, None, None] * s)
        if s_dot is not None:
            parts.append(z * s_dot)
        if h_dot is None and not parts:
            return None
        if not parts:  # the same at every energy, and mostly a few entries
            assert h_dot is not None
            pattern = monomial_pattern(h_dot)
            h_dot = h_dot if pattern is None else xp.astype(h_dot, self.system.z.dtype)
            return structured(-h_dot[None, ...], pattern)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total if h_dot is None else total - h_dot


def _of(matrix: BlockTridiagonal | None, name: str, i: int) -> Any:
    blocks = None if matrix is None else getattr(matrix, name)
    return None if blocks is None else blocks[i]


def _lower(matrix: BlockTridiagonal | None, i: int, is_hermitian: bool) -> Any:
    """The lower block's tangent: that of the upper one, daggered, where the matrix itself is Hermitian."""
    block = _of(matrix, "upper" if is_hermitian else "lower", i)
    return adjoint(block) if is_hermitian and block is not None else block


def _filled(tangent: BlockTridiagonal | None, matrix: BlockTridiagonal) -> BlockTridiagonal:
    """The tangent with zeros for the blocks that are None."""
    xp = array_namespace(matrix.diagonal[0])

    def blocks(name: str) -> Any:
        primal = getattr(matrix, name)
        if primal is None:
            return None
        found = [_of(tangent, name, i) for i in range(len(primal))]
        return tuple(xp.zeros_like(x) if t is None else t for t, x in zip(found, primal))

    made = {name: blocks(name) for name in ("diagonal", "upper", "lower")}
    return rebuild(matrix, **made)  # type: ignore[no-any-return]
