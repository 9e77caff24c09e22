"""Peierls phases of links: (e/ħ) ∫ A·dl along the straight line between two orbitals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..array import rebuild, to_numpy
from ..constants import HBAR_EV_S
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .orbital_positions import OrbitalPositions

PHASE_PER_TESLA_ANGSTROM2 = 1e-20 / HBAR_EV_S  # (e/ħ) · 1 T Å² [rad]
FLUX_QUANTUM = 2 * np.pi / PHASE_PER_TESLA_ANGSTROM2  # h/e [T Å²]

VectorPotential = Callable[[Array], Array]  # points (n, 3) [Å] → A (n, 3) [T Å]
GaugeFunction = Callable[[Array], Array]  # points (n, 3) [Å] → χ (n,) [T Å²]
Line = Callable[[Array, Array, Array], Array]  # starts (n, 3), ends (m, 3), coupled (n, m) → phases (n, m)


@dataclass(frozen=True, eq=False)
class LeadPhases:
    """The phases of a lead's links, each of its block's shape [rad]."""

    onsite: Array
    hopping: Array
    coupling: Array

    def project_tangent(self, tangent: LeadPhases) -> LeadPhases:
        """Antisymmetric within the cell, as φ_ba = −φ_ab."""
        return rebuild(tangent, onsite=_antisymmetric(tangent.onsite))  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class PeierlsPhases:
    """The phase φ_ab of every link of a device and its leads, in the blocks of the device.

    Parameters
    ----------
    diagonal : sequence of real arrays, shapes (n_i, n_i)
        φ_ab [rad] within the blocks, antisymmetric.
    upper : sequence of real arrays, shapes (n_i, n_{i+1})
        From block i (rows, a) to block i + 1 (columns, b).
    leads : sequence of LeadPhases
    """

    diagonal: tuple[Array, ...]
    upper: tuple[Array, ...]
    leads: tuple[LeadPhases, ...]

    def project_tangent(self, tangent: PeierlsPhases) -> PeierlsPhases:
        """Antisymmetric within the blocks, as φ_ba = −φ_ab."""
        return rebuild(  # type: ignore[no-any-return]
            tangent,
            diagonal=tuple(_antisymmetric(x) for x in tangent.diagonal),
            leads=tuple(lead.project_tangent(x) for lead, x in zip(self.leads, tangent.leads)),
        )

    def inner(self, other: PeierlsPhases) -> float:
        """Σ of the products over all entries: with a cotangent, the derivative along `other`."""
        pairs = [*zip(self.diagonal, other.diagonal), *zip(self.upper, other.upper)]
        for mine, yours in zip(self.leads, other.leads):
            pairs += [(mine.onsite, yours.onsite), (mine.hopping, yours.hopping), (mine.coupling, yours.coupling)]
        return float(sum(np.vdot(to_numpy(x), to_numpy(y)) for x, y in pairs))


def uniform_field_phases(device: Device, *, positions: OrbitalPositions) -> PeierlsPhases:
    """The phases of a uniform field along z, for 1 T.

    φ_ab = (e/ħ) ∫_a^b A·dl,   A = B (−y, 0, 0),   in the device; in a lead with period along u, A = −B ((ẑ × u)·r) u

    which does not change along the lead. The change of gauge χ, A_lead = A + ∇χ, is made between the device and cell 0,
    exactly: φ_ab of the coupling has (e/ħ) χ(b) besides.

    Parameters
    ----------
    device : Device
        Only its block sizes and its leads' blocks are looked at.
    positions : OrbitalPositions

    Returns
    -------
    PeierlsPhases
        Of all pairs of orbitals, coupled or not [rad/T].

    Raises
    ------
    ShapeError, InputError
        When the positions are of another device, or a lead's point into the device (`OrbitalPositions.check`).
    InputTypeError
        For a lead known only by its self-energy; for something else than a device and its positions.

    Sources
    -------
    H. U. Baranger and A. D. Stone, Phys. Rev. B 40, 8169 (1989), on leads in several directions in a field.
    """
    check_arguments(device, positions)
    gauges = tuple(partial(_landau_difference, period=period) for period in positions.lead_periods)
    return _phases(device, positions, _landau_line, gauges, in_plane=True)


def vector_potential_phases(
    device: Device,
    vector_potential: VectorPotential,
    *,
    positions: OrbitalPositions,
    lead_gauges: Sequence[GaugeFunction | None] | None = None,
    n_points: int = 4,
) -> PeierlsPhases:
    """The phases of a vector potential A(r).

    φ_ab = (e/ħ) [∫_a^b A·dl + χ(b) − χ(a)],   by Gauss and Legendre's rule on the straight line from a to b

    Parameters
    ----------
    device : Device
    vector_potential : callable
        Points (n, 3) [Å] → A (n, 3) [T Å].
    positions : OrbitalPositions
    lead_gauges : sequence of callables or None, one for each lead, optional
        χ of the orbitals of a lead, points (n, 3) [Å] → (n,) [T Å²]: the lead is described with A + ∇χ. Default 0.
    n_points : int
        Of the rule; exact for polynomials up to degree 2 n_points − 1 along a link.

    Returns
    -------
    PeierlsPhases
        Of the coupled pairs, 0 for the others [rad]. They are linear in A and χ: the derivative by a parameter p of
        A is `phases_bar.inner(vector_potential_phases(device, dA/dp, …))`.

    Raises
    ------
    InputError
        When a lead's phases change from its first cell to the next; when A or χ is not finite.
    ShapeError, InputTypeError
        As `uniform_field_phases`; for A or χ of another shape.
    """
    check_arguments(device, positions)
    if n_points < 1:
        raise InputError(f"n_points={n_points} must be at least 1.")
    chosen: Sequence[Any] = (None,) * len(positions.lead_periods) if lead_gauges is None else lead_gauges
    if len(chosen) != len(positions.lead_periods):
        raise ShapeError(f"lead_gauges has {len(chosen)} entries but there are {len(positions.lead_periods)} leads.")
    line = partial(_integrated_line, vector_potential=vector_potential, n_points=n_points)
    gauges = tuple(
        _no_gauge if chi is None else partial(_checked_gauge, function=chi, lead=k) for k, chi in enumerate(chosen)
    )
    phases = _phases(device, positions, line, gauges)
    for k, (lead, gauge) in enumerate(zip(device.leads, gauges)):
        _check_periodic(k, lead, phases.leads[k], positions, line, gauge)
    return phases


def check_device(device: Any) -> None:
    """Raise `InputTypeError` unless it is a `Device`; of what holds one or makes one, the error says how."""
    if isinstance(device, Device):
        return
    fix = "pass a Device"
    if isinstance(getattr(device, "device", None), Device):
        fix = "pass its `.device`"
    elif hasattr(device, "leads") and hasattr(device, "positions"):
        fix = "pass lattice_device(lattice).device"
    raise InputTypeError(f"device is a {type(device).__name__}; {fix}.")


def check_arguments(device: Any, positions: Any) -> None:
    """Raise `InputTypeError` unless they are a `Device` and `OrbitalPositions`."""
    check_device(device)
    if not isinstance(positions, OrbitalPositions):
        raise InputTypeError(
            f"positions is a {type(positions).__name__}; pass OrbitalPositions, which has the leads' positions too: "
            "lattice_device(lattice).positions, transport_positions(model), effective_mass_positions(shape, "
            "spacing=…), or OrbitalPositions(device, lead_cells, lead_periods)."
        )


def landau_phases(start: Array, end: Array) -> Array:
    """(e/ħ) ∫ A·dl for 1 T from `start` to `end`, arrays (…, 3) that broadcast, in the gauge A = B (−y, 0, 0)."""
    step_x = end[..., 0] - start[..., 0]
    return -PHASE_PER_TESLA_ANGSTROM2 * step_x * (start[..., 1] + end[..., 1]) / 2


def field_number(field: Any) -> float:
    """B [T] as a finite float, or an error."""
    if isinstance(field, bool | str | complex) or np.ndim(field) != 0:
        raise InputTypeError(f"field={field!r} must be one real number, B along z [T].")
    value = float(field)
    if not np.isfinite(value):
        raise InputError(f"field={field!r} must be finite [T].")
    return value


def _antisymmetric(x: Array) -> Array:
    return (x - x.T) / 2


def _landau_line(start: Array, end: Array, coupled: Array) -> Array:
    return landau_phases(start[:, None], end[None])


def _landau_difference(points: Array, period: Array) -> Array:
    """χ of 1 T from the gauge along x to the one along a period, A_u = −((ẑ × u)·r) u: ∇χ = A_u − A_x."""
    along = np.hypot(period[0], period[1])
    if along == 0:  # a lead along the field: A along x does not change with z
        return np.zeros(len(points))
    c, s = period[0] / along, period[1] / along
    x, y = points[:, 0], points[:, 1]
    return s * (c * (x**2 - y**2) / 2 + s * x * y)


def _no_gauge(points: Array) -> Array:
    return np.zeros(len(points))


def _checked_gauge(points: Array, function: GaugeFunction, lead: int) -> Array:
    return _finite(function(points), f"lead_gauges[{lead}]", (len(points),))


def _integrated_line(
    start: Array, end: Array, coupled: Array, vector_potential: VectorPotential, n_points: int
) -> Array:
    rows, columns = np.nonzero(coupled)
    result = np.zeros(coupled.shape)
    if len(rows):
        nodes, weights = np.polynomial.legendre.leggauss(n_points)
        first, step = start[rows], end[columns] - start[rows]
        total = np.zeros(len(rows))
        for node, weight in zip((nodes + 1) / 2, weights / 2):
            field = _finite(vector_potential(first + node * step), "vector_potential", step.shape)
            total += weight * np.sum(field * step, axis=1)
        result[rows, columns] = PHASE_PER_TESLA_ANGSTROM2 * total
    return result


def _finite(x: Any, name: str, shape: tuple[int, ...]) -> Array:
    found = np.asarray(x)
    if found.shape != shape or found.dtype.kind not in "iuf":
        raise ShapeError(f"{name} gave an array of {found.dtype}, {found.shape}, but must give real numbers, {shape}.")
    if not np.all(np.isfinite(found)):
        raise InputError(f"{name} is not finite at every point; it must be on every link.")
    return found


def _phases(
    device: Device,
    positions: OrbitalPositions,
    line: Line,
    gauges: Sequence[GaugeFunction],
    *,
    in_plane: bool = False,
) -> PeierlsPhases:
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, Lead):
            raise InputTypeError(
                f"lead {k} is a {type(lead).__name__}, whose orbitals are not known: bring the field into its "
                "self-energy yourself, and attach it to the Hamiltonian afterwards."
            )
    positions.check(device, in_plane=in_plane)
    offsets = device.hamiltonian.offsets
    blocks = [positions.device[a:b] for a, b in zip(offsets[:-1], offsets[1:])]
    h, s = device.hamiltonian, device.overlap
    diagonal = [line(r, r, _coupled(h, s, "diagonal", i)) for i, r in enumerate(blocks)]
    upper = [line(r, q, _coupled(h, s, "upper", i)) for i, (r, q) in enumerate(zip(blocks[:-1], blocks[1:]))]
    leads = []
    for lead, cell, period, gauge in zip(device.leads, positions.lead_cells, positions.lead_periods, gauges):
        coupling = line(blocks[lead.block], cell, _lead_coupled(lead, "coupling"))
        leads.append(
            LeadPhases(
                onsite=_gauged(line, gauge, cell, cell, _lead_coupled(lead, "onsite")),
                hopping=_gauged(line, gauge, cell, cell + period, _lead_coupled(lead, "hopping")),
                coupling=coupling + PHASE_PER_TESLA_ANGSTROM2 * gauge(cell)[None, :],
            )
        )
    return PeierlsPhases(tuple(diagonal), tuple(upper), tuple(leads))


def _gauged(line: Line, gauge: GaugeFunction, start: Array, end: Array, coupled: Array) -> Array:
    change = gauge(end)[None, :] - gauge(start)[:, None]
    return line(start, end, coupled) + PHASE_PER_TESLA_ANGSTROM2 * change


def _coupled(h: BlockTridiagonal, s: BlockTridiagonal | None, name: str, i: int) -> Array:
    mask = to_numpy(getattr(h, name)[i]) != 0
    if not h.is_hermitian and name == "upper":
        mask = mask | (to_numpy(h.lower_block(i)).T != 0)
    return mask if s is None else mask | (to_numpy(getattr(s, name)[i]) != 0)


def _lead_coupled(lead: Lead, name: str) -> Array:
    mask = to_numpy(getattr(lead, name)) != 0
    overlap = getattr(lead, f"overlap_{name}")
    return mask if overlap is None else mask | (to_numpy(overlap) != 0)


def _check_periodic(
    k: int, lead: Lead, phases: LeadPhases, positions: OrbitalPositions, line: Line, gauge: GaugeFunction
) -> None:
    """The phases of the next cell of a lead must be those of its first."""
    cell, period = positions.lead_cells[k] + positions.lead_periods[k], positions.lead_periods[k]
    for name, ahead in (("onsite", 0), ("hopping", 1)):
        coupled = _lead_coupled(lead, name)
        here, there = getattr(phases, name), _gauged(line, gauge, cell, cell + ahead * period, coupled)
        turned = np.where(coupled, np.abs(np.exp(1j * here) - np.exp(1j * there)), 0.0)
        if turned.max() <= 1e-9 * (1 + np.abs(here).max()):
            continue
        a, b = (int(i) for i in np.unravel_index(int(turned.argmax()), turned.shape))
        raise InputError(
            f"lead {k} is not periodic in this gauge: its {name} from orbital {a} to {b} has the phase "
            f"{here[a, b]:.6g} in cell 0 and {there[a, b]:.6g} in cell 1; choose a vector potential that does not "
            f"change along the lead, {period.tolist()} Å, or give lead_gauges[{k}]: χ such that A + ∇χ does not."
        )
