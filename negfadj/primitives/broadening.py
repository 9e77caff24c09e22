"""The broadening of a lead, Γ = i(Σ − Σ†).

    <Γ̄, i(dΣ − dΣ†)> = <−i(Γ̄ + Γ̄†), dΣ>          (Σ̄ = −2iΓ̄ for a Hermitian Γ̄)

The dagger, not the conjugate: −i(Σ − Σ*) is right for real Hamiltonians only.
"""

from __future__ import annotations

from collections.abc import Callable

from ..array import adjoint
from ..typing import Array


def broadening(self_energy: Array, /) -> Array:
    """Γ = i(Σ − Σ†), Hermitian, shape (E, n, n) [eV]."""
    return 1j * (self_energy - adjoint(self_energy))


def broadening_vjp(self_energy: Array, /) -> tuple[Array, Callable[[Array], Array]]:
    """`broadening` and its pullback Γ̄ → Σ̄."""

    def broadening_pullback(gamma_bar: Array) -> Array:
        return -1j * (gamma_bar + adjoint(gamma_bar))

    return broadening(self_energy), broadening_pullback
