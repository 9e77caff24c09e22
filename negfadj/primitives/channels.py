"""The columns through which a lead injects, Γ = W γ W†: one for every open channel, with γ = 1.

    T = tr[Γ_d x γ x†],  x = E_d†G E_s W:     only Γ̄ W is ever needed                           (forward)
    dΓ = dW W† + W dW†:   tr(Γ̄ dΓ) = tr(Γ̄' dΓ),   Γ̄' = Γ̄ P + P Γ̄ − P Γ̄ P,   P = W W⁺       (Γ keeps its rank)
    with B = Γ̄ W:   Γ̄' = B W⁺ + (B W⁺)†(1 − P)                                                 (pullback)

At η = 0 evanescent modes are in the Hermitian part of Σ alone and Γ has the rank of the open channels, which a small
change keeps (at a band edge T has no derivative). The columns of W are of very different size, which W⁺ = R⁻¹Q†,
W = Q R, does not feel. A Σ that is no passive lead's has no such W; there W is the identity on the orbitals it touches
and γ = Γ.

Source: docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..array import adjoint, array_namespace, eps_of, identity, inverse, max_norm
from ..typing import Array
from .broadening_factor import broadening_factor
from .open_system import OpenSystem

ROUNDING = 100.0  # n eps |Σ|: what is left of a Γ that is no sum of channels is larger


@dataclass(frozen=True, eq=False)
class Channels:
    """Columns of one lead on its block, (E or 1, n_b, r), and γ (E, r, r); None for the identity."""

    lead: int
    columns: Array
    factor: Array | None
    gamma: Array | None

    def weighted(self, columns: Array) -> Array:
        """X γ for X (…, r)."""
        return columns if self.gamma is None else columns @ self.gamma

    def broadening_bar(self, system: OpenSystem, sampled: Array) -> Array:
        """Γ̄ on the whole block, (E, n_b, n_b), from B = Γ̄ W, (E, n_b, r)."""
        if self.factor is None:
            return system.spread_hermitian(sampled, self.lead)
        w_plus = _pseudo_inverse(self.factor)
        outside = identity(self.factor.shape[-2], self.factor) - self.factor @ w_plus  # 1 − P
        columns = sampled @ w_plus
        inside = adjoint(system.restrict_rows(columns, self.lead)) @ outside
        return system.spread_hermitian(columns + system.unit_columns(self.lead) @ inside, self.lead)


def orbitals_of(system: OpenSystem, lead: int) -> Channels:
    """The orbitals a lead touches as its columns, γ = Γ."""
    return Channels(lead, system.unit_columns(lead), None, system.broadening(lead))


def channels_of(system: OpenSystem, lead: int) -> Channels:
    """The columns of a lead, Γ = W W†; its orbitals where some Γ of the stack has a negative eigenvalue."""
    xp, gamma = array_namespace(system.z), system.broadening(lead)
    n, scale = gamma.shape[-1], max_norm(system.self_energies[lead])
    factor, left = broadening_factor(gamma, scale)
    if factor.shape[-1] == 0:  # no open channel at any energy: a column of zeros stands for none
        factor = xp.zeros_like(gamma[:, :, :1])
    if bool(xp.any(left > ROUNDING * n * eps_of(gamma) * scale)):
        return orbitals_of(system, lead)
    columns = factor if system.supports[lead] is None else system.unit_columns(lead) @ factor
    return Channels(lead, columns, factor, None)


def varied_channels_of(system: OpenSystem, lead: int) -> Channels:
    """`channels_of` for a pullback: the orbitals of a tabulated Σ, a change of which may open channels Γ has not."""
    channels = channels_of(system, lead)
    if lead in system.tabulated and channels.factor is not None and _rank(channels.factor) < channels.factor.shape[-2]:
        return orbitals_of(system, lead)
    return channels


def _rank(factor: Array) -> int:
    """The least number of columns of an energy that are not zero."""
    xp = array_namespace(factor)
    return int(xp.min(xp.sum(xp.astype(xp.any(factor != 0, axis=-2), xp.int64), axis=-1)))


def _pseudo_inverse(factor: Array) -> Array:
    """W⁺ = R⁻¹Q† of W = Q R, (E, r, n), with rows of zeros for columns of zeros."""
    xp = array_namespace(factor)
    size = xp.sum(xp.real(factor * xp.conj(factor)), axis=-2)
    is_there = size > 0
    q, r = xp.linalg.qr(factor)
    filled = r + identity(r.shape[-1], r) * xp.astype(~is_there, r.dtype)[:, None, :]
    return xp.where(is_there[:, :, None], inverse(filled) @ adjoint(q), xp.zeros_like(adjoint(factor)))
