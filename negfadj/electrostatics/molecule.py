"""The long-range kernel of molecules: Hubbard's U on a site, Ohno's interpolation to 1/r between sites.

    φ_i = Σ_j γ_ij q_j,      γ_ij = (C/ε)/√(r_ij² + a_ij²),   a_ij = C/Ū_ij,   Ū_ij = (U_i + U_j)/2,   C = e²/(4πε₀)

so that γ_ii = U_i/ε. The permittivity ε divides all of it, the on-site energies too: give bare ones.

Sources: K. Ohno, Theor. Chim. Acta 2, 219 (1964), with the mean of the two U; docs/adjoints/plates.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..array import rebuild
from ..constants import COULOMB_EV_ANGSTROM
from ..errors import InputError
from ..typing import Array, ArrayLike
from .interface import ElectrostaticsCotangent
from .site_inputs import lead_voltage_vector, positive_number, site_numbers, site_positions, site_vector


@dataclass(frozen=True, eq=False)
class MoleculeKernel:
    """Charges at the sites of a molecule in a homogeneous medium, no conductor near.

    Parameters
    ----------
    positions : array, shape (n_sites, 3)
        [Å].
    hubbard_energy : float or array, shape (n_sites,)
        U [eV]; about 11.2 for the π electrons of carbon.
    relative_permittivity : float
        ε of the medium.

    Raises
    ------
    InputError
        U or ε not positive; two sites so near for their different U that P has a negative eigenvalue.
    ShapeError, InputTypeError
        Arrays that do not fit the sites.
    """

    positions: Array
    hubbard_energy: Array | float
    relative_permittivity: float = 1.0

    def __post_init__(self) -> None:
        positions = site_positions(self.positions)
        checked = {
            "positions": positions,
            "hubbard_energy": site_numbers(self.hubbard_energy, "hubbard_energy", "eV", len(positions)),
            "relative_permittivity": positive_number(self.relative_permittivity, "relative_permittivity", ""),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if not isinstance(checked["hubbard_energy"], float):  # with one U, 1/√(r² + a²) has a positive transform
            _check_positive(self.matrix)

    @property
    def n_sites(self) -> int:
        """Number of charges and potentials."""
        return len(self.positions)

    @cached_property
    def matrix(self) -> Array:
        """P = γ [V/e], (n_sites, n_sites), symmetric; formed once."""
        found = COULOMB_EV_ANGSTROM / self.relative_permittivity / self._softened_distances()[0]
        found.setflags(write=False)
        return found

    def potential(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """φ = γ q.

        Parameters
        ----------
        charge : array, shape (n_sites,)
            q [e], positive where electrons are missing.
        lead_voltages : array, shape (n_leads,), optional
            Has no conductor to act on.

        Returns
        -------
        real array, shape (n_sites,)
            φ [V] on the host.

        Raises
        ------
        ShapeError, InputTypeError, InputError
            For a charge of another length, or numbers that are not real and finite.
        """
        lead_voltage_vector(lead_voltages)
        return self.response(charge)

    def response(self, charge_tangent: ArrayLike) -> Array:
        """P dq (n_sites,) [V]: the linear part, its own transpose."""
        dq = site_vector(charge_tangent, "charge", "e", self.n_sites)
        return self.matrix @ dq

    def potential_vjp(
        self, charge: ArrayLike, lead_voltages: ArrayLike = ()
    ) -> tuple[Array, Callable[[Array], ElectrostaticsCotangent]]:
        """`potential` and its pullback.

        q̄ = γ φ̄; with s = √(r² + a²) and γ̄_ij = φ̄_i q_j, dγ = −γ (r·dr + a da)/s², da = −(a²/2C)(dU_i + dU_j).

        Kept for the pullback: 8 n_sites² bytes (γ, shared with `potential`).

        Returns
        -------
        potential : array (n_sites,)
        pullback : callable
            φ̄ (n_sites,) → ElectrostaticsCotangent; its `electrostatics` is a `MoleculeKernel` of cotangents.
        """
        q = site_vector(charge, "charge", "e", self.n_sites)
        n_leads = len(lead_voltage_vector(lead_voltages))

        def potential_pullback(potential_bar: Array) -> ElectrostaticsCotangent:
            bar = site_vector(potential_bar, "potential_bar", "1/V", self.n_sites)
            return ElectrostaticsCotangent(self.response(bar), np.zeros(n_leads), self._own_bar(bar, q))

        return self.response(q), potential_pullback

    def _own_bar(self, bar: Array, q: Array) -> MoleculeKernel:
        softened, radius = self._softened_distances()
        # γ̄ of both orders of a pair, times γ/s²
        weight = (np.outer(bar, q) + np.outer(q, bar)) * self.matrix / softened**2
        positions_bar = weight @ self.positions - np.sum(weight, axis=1)[:, None] * self.positions
        energy_bar = np.sum(weight * radius**3, axis=1) / (2 * COULOMB_EV_ANGSTROM)
        return rebuild(  # type: ignore[no-any-return]
            self,
            positions=positions_bar,
            hubbard_energy=float(np.sum(energy_bar)) if isinstance(self.hubbard_energy, float) else energy_bar,
            relative_permittivity=-float(bar @ (self.matrix @ q)) / self.relative_permittivity,
        )

    def _softened_distances(self) -> tuple[Array, Array]:
        """√(r_ij² + a_ij²) and a_ij [Å], (n_sites, n_sites)."""
        energies = np.broadcast_to(self.hubbard_energy, (self.n_sites,))
        radius = 2 * COULOMB_EV_ANGSTROM / (energies[:, None] + energies[None, :])
        squared = sum((x[:, None] - x[None, :]) ** 2 for x in self.positions.T)
        return np.sqrt(squared + radius**2), radius


def _check_positive(matrix: Array) -> None:
    """Ohno's kernel of different U is indefinite where sites nearly coincide: charge would flow without limit."""
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-12 * values[-1]:
        first, second = np.argsort(-np.abs(vectors[:, 0]), kind="stable")[:2]
        raise InputError(
            f"the kernel has the eigenvalue {values[0]:.3g} V/e, most of it on sites {min(first, second)} and "
            f"{max(first, second)}: they are too near for U so different; move them apart, or give them one U."
        )
