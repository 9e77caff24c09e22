"""The self-energy of a lead on the device block it touches, Σ = A_c g A_c'.

    dΣ = dA_c g A_c' + A_c dg A_c' + A_c g dA_c'
    Ā_c = Σ̄ (g A_c')†,   ḡ = A_c†Σ̄ A_c'†,   Ā_c' = (A_c g)†Σ̄

Derivation: docs/adjoints/self-energy.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..array import adjoint, product
from ..typing import Array


class SelfEnergyCotangent(NamedTuple):
    """Cotangents of A_c (E, n_device, n), g (E, n, n) and A_c' (E, n, n_device)."""

    coupling: Array
    surface: Array
    coupling_back: Array


def self_energy(coupling: Any, surface: Array, coupling_back: Any, /) -> Array:
    """Σ = A_c g A_c', shape (E, n_device, n_device) [eV]; the couplings are arrays or structured hoppings."""
    return product(coupling @ surface, coupling_back)


def self_energy_vjp(
    coupling: Any, surface: Array, coupling_back: Any, /
) -> tuple[Array, Callable[[Array], SelfEnergyCotangent]]:
    """`self_energy` and its pullback. Kept for the pullback: nothing but the arguments."""

    def self_energy_pullback(sigma_bar: Array) -> SelfEnergyCotangent:
        return SelfEnergyCotangent(
            sigma_bar @ adjoint(product(surface, coupling_back)),
            product(adjoint(coupling) @ sigma_bar, adjoint(coupling_back)),
            adjoint(coupling @ surface) @ sigma_bar,
        )

    return self_energy(coupling, surface, coupling_back), self_energy_pullback
