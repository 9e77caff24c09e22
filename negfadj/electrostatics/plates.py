"""Charges between two conducting plates: all their images, and the plates' own voltages.

With plates at x = 0 and x = L along the chosen axis,

    φ_i = (C/ε) Σ_j G(r_i, r_j; γ_ij) q_j + V₀ (1 − x_i/L) + V₁ x_i/L,      C = e²/(4πε₀)

Every charge is a Gaussian ∝ exp(−r²/2w²) of stated width w, so that two of them interact by erf(γ_ij r)/r,
γ_ij = 1/√(2(w_i² + w_j²)), and a charge with itself by 1/(√π w) before its images: a Hubbard energy U [eV] is
w = C/(√π U). From 13 w on they are point charges to rounding. G vanishes at both plates and P = (C/ε) G is
positive semi-definite, being an electrostatic energy.

Sources: docs/adjoints/plates.md; M. Elstner et al., Phys. Rev. B 58, 7260 (1998), on widths from Hubbard energies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..array import STATIC, rebuild
from ..constants import COULOMB_EV_ANGSTROM
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .interface import ElectrostaticsCotangent
from .plates_green_function import PlatesGreenFunction, plates_green_function
from .site_inputs import (
    lead_voltage_vector,
    positive_number,
    real_array,
    site_numbers,
    site_positions,
    site_vector,
)

PAIRS_AT_ONCE = 1 << 15  # 6 MB for the largest temporary


@dataclass(frozen=True, eq=False)
class ParallelPlates:
    """Charges at sites between two conducting plates; lead k is tied to plate k, k = 0, 1.

    Parameters
    ----------
    positions : array, shape (n_sites, 3)
        [Å]; along the axis between 0 and `distance`.
    width : float or array, shape (n_sites,)
        w of the Gaussian charges [Å], the standard deviation along one direction; at most a quarter of `distance`.
    distance : float
        L, of the plates [Å].
    relative_permittivity : float
        ε between the plates.
    voltages : two floats
        Of the plates at 0 and at L [V], before `lead_voltages` are added.
    axis : int
        0, 1 or 2: across the plates.

    Raises
    ------
    InputError
        A site outside the plates, a width or distance or permittivity that is not positive, a width above L/4.
    ShapeError, InputTypeError
        Arrays that do not fit the sites.
    """

    positions: Array
    width: Array | float
    distance: float
    relative_permittivity: float = 1.0
    voltages: tuple[float, float] = (0.0, 0.0)
    axis: int = field(default=0, metadata=STATIC)

    def __post_init__(self) -> None:
        positions = site_positions(self.positions)
        distance = positive_number(self.distance, "distance", "Å")
        width = site_numbers(self.width, "width", "Å", len(positions))
        voltages = real_array(self.voltages, "voltages", "V")
        if voltages.shape != (2,):
            raise ShapeError(f"voltages has shape {voltages.shape} but must be (2,), one per plate [V].")
        if self.axis not in (0, 1, 2):
            raise InputError(f"axis={self.axis!r} must be 0, 1 or 2, the direction across the plates.")
        _check_between(positions[:, self.axis], distance, "xyz"[self.axis])
        if np.max(width) > distance / 4:
            raise InputError(
                f"width is {np.max(width):g} Å at site {int(np.argmax(width))}, above a quarter of the distance "
                f"{distance:g} Å of the plates: such a charge does not fit between them; give a smaller width."
            )
        checked = {
            "positions": positions,
            "width": width,
            "distance": distance,
            "relative_permittivity": positive_number(self.relative_permittivity, "relative_permittivity", ""),
            "voltages": (float(voltages[0]), float(voltages[1])),
            "axis": int(self.axis),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def n_sites(self) -> int:
        """Number of charges and potentials."""
        return len(self.positions)

    @cached_property
    def matrix(self) -> Array:
        """P = (C/ε) G [V/e], (n_sites, n_sites), symmetric; formed once."""
        found = np.empty((self.n_sites, self.n_sites))
        for rows, columns in self._pairs():
            values = self._scale * self._green_function(rows, columns).value
            found[rows, columns], found[columns, rows] = values, values
        found.setflags(write=False)
        return found

    def potential(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """φ = P q + φ_plates.

        Parameters
        ----------
        charge : array, shape (n_sites,)
            q [e], positive where electrons are missing.
        lead_voltages : array, shape (n_leads,), optional
            [V]; the first two are added to the voltages of the plates at 0 and at L, further ones touch no plate.

        Returns
        -------
        real array, shape (n_sites,)
            φ [V] on the host, exactly the plate's voltage on a plate.

        Raises
        ------
        ShapeError, InputTypeError, InputError
            For a charge of another length, or numbers that are not real and finite.
        """
        return self.response(charge) + self._plates_potential(lead_voltage_vector(lead_voltages))

    def response(self, charge_tangent: ArrayLike) -> Array:
        """P dq (n_sites,) [V]: the linear part, its own transpose."""
        dq = site_vector(charge_tangent, "charge", "e", self.n_sites)
        return self.matrix @ dq

    def potential_vjp(
        self, charge: ArrayLike, lead_voltages: ArrayLike = ()
    ) -> tuple[Array, Callable[[Array], ElectrostaticsCotangent]]:
        """`potential` and its pullback.

        q̄ = P φ̄; with P̄_ij = φ̄_i q_j, every other number collects Σ_ij P̄_ij ∂P_ij, the pairs formed again from G's own
        derivatives; the plates add theirs: V̄₀ = Σ φ̄_i (1 − x_i/L), V̄₁ = Σ φ̄_i x_i/L.

        Kept for the pullback: 8 n_sites² bytes (P, shared with `potential`).

        Returns
        -------
        potential : array (n_sites,)
        pullback : callable
            φ̄ (n_sites,) → ElectrostaticsCotangent; its `electrostatics` is a `ParallelPlates` of cotangents.
        """
        q = site_vector(charge, "charge", "e", self.n_sites)
        added = lead_voltage_vector(lead_voltages)
        value = self.potential(q, added)

        def potential_pullback(potential_bar: Array) -> ElectrostaticsCotangent:
            bar = site_vector(potential_bar, "potential_bar", "1/V", self.n_sites)
            x = self.positions[:, self.axis] / self.distance
            plate_bar = np.array([np.sum(bar * (1 - x)), np.sum(bar * x)])
            added_bar = np.zeros(len(added))
            added_bar[:2] = plate_bar[: len(added)]
            return ElectrostaticsCotangent(self.response(bar), added_bar, self._own_bar(bar, q, added, plate_bar))

        return value, potential_pullback

    def _own_bar(self, bar: Array, q: Array, added: Array, plate_bar: Array) -> ParallelPlates:
        low, high = self._plate_voltages(added)
        x = self.positions[:, self.axis]
        positions_bar, width_bar, distance_bar = np.zeros((self.n_sites, 3)), np.zeros(self.n_sites), 0.0
        positions_bar[:, self.axis] = bar * (high - low) / self.distance
        distance_bar -= float(np.sum(bar * x)) * (high - low) / self.distance**2
        for rows, columns in self._pairs():
            # P̄ of a pair in both orders, as every pair is listed once
            pair_bar = np.where(rows == columns, 0.5, 1.0) * (bar[rows] * q[columns] + bar[columns] * q[rows])
            distance_bar += self._add_pair_bars(rows, columns, pair_bar, positions_bar, width_bar)
        return rebuild(  # type: ignore[no-any-return]
            self,
            positions=positions_bar,
            width=float(np.sum(width_bar)) if isinstance(self.width, float) else width_bar,
            distance=float(distance_bar),
            relative_permittivity=-float(bar @ (self.matrix @ q)) / self.relative_permittivity,
            voltages=(float(plate_bar[0]), float(plate_bar[1])),
        )

    def _add_pair_bars(
        self, rows: Array, columns: Array, pair_bar: Array, positions_bar: Array, width_bar: Array
    ) -> float:
        """Σ P̄ ∂P of these pairs: into the two arrays for positions and widths, and returned for L."""
        green, (beside, decay) = self._green_function(rows, columns), self._separations(rows, columns)
        weight, length = self._scale * pair_bar, self.distance
        by_beside = (2 * weight * green.by_distance_squared / length**2)[:, None] * beside  # (pairs, 3), 0 on the axis
        by_first, by_second = weight * green.by_first / length, weight * green.by_second / length
        by_decay = weight * green.by_decay * length
        for sites, along, side in ((rows, by_first, by_beside), (columns, by_second, -by_beside)):
            for k in range(3):
                positions_bar[:, k] += np.bincount(sites, along if k == self.axis else side[:, k], self.n_sites)
            by_width = -2 * self._widths[sites] * decay**3 * by_decay  # ∂γ/∂w = −2wγ³
            width_bar += np.bincount(sites, by_width, self.n_sites)
        # P is homogeneous of degree −1 in all lengths: L ∂P/∂L = −P − ρ ∂P/∂ρ − x ∂P/∂x − x' ∂P/∂x' + γ ∂P/∂γ
        x = self.positions[:, self.axis]
        others = np.sum(by_beside * beside, axis=1) + by_first * x[rows] + by_second * x[columns] - by_decay * decay
        return -float(np.sum(weight * green.value + others)) / length

    @property
    def _scale(self) -> float:
        """Of G in units of 1/L [V/e]."""
        return COULOMB_EV_ANGSTROM / (self.relative_permittivity * self.distance)

    @property
    def _widths(self) -> Array:
        return np.broadcast_to(self.width, (self.n_sites,))

    def _pairs(self) -> Iterator[tuple[Array, Array]]:
        """Sites i ≤ j of every pair once, some rows at a time."""
        n, start = self.n_sites, 0
        while start < n:
            stop = min(n, start + max(1, PAIRS_AT_ONCE // (n - start)))
            rows, columns = np.triu_indices(stop - start, 0, n - start)
            yield rows + start, columns + start
            start = stop

    def _separations(self, rows: Array, columns: Array) -> tuple[Array, Array]:
        """Vectors parallel to the plates (n_pairs, 3) [Å], and γ [1/Å]."""
        beside = self.positions[rows] - self.positions[columns]
        beside[:, self.axis] = 0.0
        return beside, 1 / np.sqrt(2 * (self._widths[rows] ** 2 + self._widths[columns] ** 2))

    def _green_function(self, rows: Array, columns: Array) -> PlatesGreenFunction:
        beside, decay = self._separations(rows, columns)
        x = self.positions[:, self.axis] / self.distance
        return plates_green_function(
            np.sum(beside**2, axis=1) / self.distance**2, x[rows], x[columns], decay * self.distance
        )

    def _plate_voltages(self, added: Array) -> Array:
        total = np.array(self.voltages, dtype=np.float64)
        total[: len(added)] += added[:2]
        return total

    def _plates_potential(self, added: Array) -> Array:
        low, high = self._plate_voltages(added)
        x = self.positions[:, self.axis] / self.distance
        return low * (1 - x) + high * x


def _check_between(x: Array, distance: float, name: str) -> None:
    outside = (x < 0) | (x > distance)
    if outside.any():
        i = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"site {i} is at {name} = {x[i]:g} Å, outside the plates at 0 and {distance:g} Å; shift the positions, or "
            "give a larger distance."
        )
