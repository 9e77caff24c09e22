"""What the self-consistent loop asks of electrostatics: the potential of charges, its transpose, its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..typing import Array, ArrayLike


class ElectrostaticsCotangent(NamedTuple):
    """Cotangents of charge (n_sites,), lead voltages (n_leads,), and of the own numbers in the own class."""

    charge: Array
    lead_voltages: Array
    electrostatics: Any


class Electrostatics(Protocol):
    """φ = P q + φ_ext, with P symmetric and positive semi-definite.

    q [e] is the net charge of every site, positive where electrons are missing; φ [V] is the potential there, and an
    electron has the potential energy −φ [eV].
    """

    @property
    def n_sites(self) -> int:
        """Number of charges and potentials."""
        ...

    def potential(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """φ (n_sites,) [V]; lead_voltages[k] [V] is added to the voltage of the conductor that belongs to lead k."""
        ...

    def response(self, charge_tangent: ArrayLike) -> Array:
        """P dq (n_sites,) [V]: the linear part, its own transpose."""
        ...

    def potential_vjp(
        self, charge: ArrayLike, lead_voltages: ArrayLike = ()
    ) -> tuple[Array, Callable[[Array], ElectrostaticsCotangent]]:
        """`potential` and its pullback."""
        ...
