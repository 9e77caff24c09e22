"""T, dT/dE, …, d^K T/dE^K exactly: the transmission's block elimination over truncated Taylor polynomials.

    T(E + ε) = tr[Γ_d(ε) x(ε) Γ_s(ε) x(ε)†],   d^k T/dE^k = k! T_k

Derivation: docs/adjoints/energy-derivatives.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

from ..array import array_namespace, device_of
from ..typing import Array
from .left_connected import Folded, last_of, sweep
from .open_system import BlockMatrix, OpenSystem, Reversed
from .taylor import Taylor, constant, linear, taylor_eliminate


def transmission_derivatives(
    system: OpenSystem, self_energies: Sequence[Taylor], /, *, source: int, drain: int, order: int
) -> Array:
    """T and its energy derivatives up to `order`, (E, order + 1); `self_energies` are the leads' polynomials."""
    xp = array_namespace(system.z)
    a: BlockMatrix = _TaylorSystem(system, tuple(self_energies), order)
    first, last = system.blocks[source], system.blocks[drain]
    if first > last:
        a, first, last = Reversed(a), a.n_blocks - 1 - first, a.n_blocks - 1 - last
    unit = constant(system.unit_columns(source), order)
    g, w = last_of(sweep(Folded(a, last, taylor_eliminate), columns=(first, unit), step=taylor_eliminate))
    x = (g @ w).map(lambda c: system.restrict_rows(c, drain))
    gamma_s, gamma_d = (_broadening(system, self_energies[k], k) for k in (source, drain))
    through = gamma_d @ x @ gamma_s @ x.adjoint()
    values = [
        factorial(k) * xp.sum(xp.real(xp.linalg.diagonal(c)), axis=-1) for k, c in enumerate(through.coefficients)
    ]
    return xp.stack(values, axis=-1)


@dataclass(frozen=True, eq=False)
class _TaylorSystem:
    """A(E + ε), block by block: S on the first order, the self-energies on all."""

    system: OpenSystem
    self_energies: tuple[Taylor, ...]
    order: int

    @property
    def n_blocks(self) -> int:
        return self.system.n_blocks

    def diagonal(self, i: int) -> Array:
        system = self.system
        block = system.diagonal(i)
        if system.overlap is None:
            slope = array_namespace(block).eye(block.shape[-1], dtype=block.dtype, device=device_of(block))
        else:
            slope = system.overlap.diagonal[i]
        total = linear(block, slope, self.order)
        for sigma, b in zip(self.self_energies, system.blocks):
            if b == i:  # its zeroth order is in the block already
                total = Taylor(
                    (total.coefficients[0], *(x - s for x, s in zip(total.coefficients[1:], sigma.coefficients[1:])))
                )
        return total

    def upper(self, i: int) -> Array:
        overlap = self.system.overlap
        return linear(
            self._complex(self.system.dense_upper(i)), None if overlap is None else overlap.upper[i], self.order
        )

    def lower(self, i: int) -> Array:
        overlap = self.system.overlap
        return linear(
            self._complex(self.system.dense_lower(i)), None if overlap is None else overlap.lower_block(i), self.order
        )

    def _complex(self, block: Array) -> Array:
        return array_namespace(block).astype(block, self.system.z.dtype)


def _broadening(system: OpenSystem, sigma: Taylor, lead: int) -> Taylor:
    on_support = sigma.map(lambda c: system.restrict_columns(system.restrict_rows(c, lead), lead))
    return (on_support - on_support.adjoint()).map(lambda c: 1j * c)
