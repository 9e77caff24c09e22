"""The energies at which the bands of a lead begin and end, and their derivative to the lead.

    H(k) ψ = E S(k) ψ,   H(k) = H00 + e^{ik} H01 + h.c.,   dE/dk = 0
    dE₀ = ψ†[dH(k) − E dS(k)]ψ + dU,   ψ†S(k)ψ = 1                       (Hellmann–Feynman; k itself drops out)

Extrema on a grid of k are refined until the slope is zero. At these energies transmission and densities at η = 0 have
steps and square roots, and the nodes of an energy integral must follow them.

Sources: docs/adjoints/charge.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, is_complex, rebuild, to_numpy
from ..data import Lead
from ..errors import InputError
from ..typing import Array

N_MOMENTA = 32
MOST_STEPS = 14  # of the refinement of k; it needs about eight, and where two bands cross it ends nowhere
FLAT = 1e-9  # slope over the bands' width at which k counts as that of an extremum


@dataclass(frozen=True, eq=False)
class BandEdges:
    """Extrema of a lead's bands at zero potential energy: E (m,) [eV], k (m,) and ψ (m, n)."""

    energies: Any
    momenta: Any
    states: Any


def band_edges(lead: Lead, low: float, high: float) -> BandEdges:
    """The local extrema of a lead's bands between two energies, its potential energy left out; equal ones once."""
    grid = 2 * host.pi * host.arange(N_MOMENTA) / N_MOMENTA
    energies, slopes, states = _bands(lead, grid)  # (k, n), (k, n), (k, n, n) with states in columns
    left, right = host.roll(energies, 1, axis=0), host.roll(energies, -1, axis=0)
    is_extremum = ((energies >= left) & (energies >= right)) | ((energies <= left) & (energies <= right))
    near = (host.maximum(host.maximum(left, right), energies) >= low) & (
        host.minimum(host.minimum(left, right), energies) <= high
    )
    rows, bands = host.nonzero(is_extremum & near)
    flat = FLAT * max(float(host.max(energies) - host.min(energies)), 1e-300)
    found = [
        (energies[i, b], grid[i], states[i, :, b])
        for i, b in zip(rows.tolist(), bands.tolist())
        if abs(slopes[i, b]) <= flat
    ]
    inner = [(i, b) for i, b in zip(rows.tolist(), bands.tolist()) if abs(slopes[i, b]) > flat]
    found += _refined(lead, grid, inner, flat)
    found.sort(key=lambda edge: edge[0])
    kept = [e for i, e in enumerate(found) if i == 0 or e[0] - found[i - 1][0] > 1e-12 * (1 + abs(e[0]))]
    n = lead.n_orbitals
    return BandEdges(
        host.asarray([e for e, _, _ in kept], dtype=host.float64),
        host.asarray([k for _, k, _ in kept], dtype=host.float64),
        host.reshape(host.asarray([psi for _, _, psi in kept], dtype=host.complex128), (-1, n)),
    )


def band_extent(lead: Lead) -> tuple[float, float]:
    """The lowest and the highest energy of a lead's bands [eV], its potential energy included."""
    edges = band_edges(lead, -host.inf, host.inf).energies + float(lead.potential_energy)
    return float(edges[0]), float(edges[-1])


def is_within_bands(lead: Lead, energy: float, margin: float) -> bool:
    """Does an energy lie above the lowest and below the highest energy of a lead's bands, or outside by less than
    `margin`? Gaps between bands count as within."""
    e = energy - float(lead.potential_energy)
    energies, _, _ = _bands(lead, host.asarray([0.0, host.pi]))  # mostly enough
    if float(host.min(energies)) - margin <= e <= float(host.max(energies)) + margin:
        return True
    low, high = band_extent(lead)
    return low - margin <= energy <= high + margin


def pull_band_edges(lead: Lead, edges: BandEdges, energies_bar: Any, lead_bar: Lead) -> Lead:
    """The lead's cotangent `lead_bar` with the share of its band edges, Ē (m,), added."""
    felt = [i for i in range(len(energies_bar)) if energies_bar[i] != 0]
    if not felt:
        return lead_bar
    bar, psi, k = energies_bar[felt], edges.states[felt], edges.momenta[felt]
    onsite = host.einsum("e,ei,ej->ij", bar, psi, host.conj(psi))
    hopping = host.einsum("e,ei,ej->ij", 2 * bar * host.exp(-1j * k), psi, host.conj(psi))
    changes: dict[str, Any] = {
        "onsite": _beside(lead_bar.onsite, onsite),
        "hopping": _beside(lead_bar.hopping, hopping),
        "potential_energy": lead_bar.potential_energy + float(host.sum(bar)),
    }
    if lead.overlap_onsite is not None:
        moved = -bar * edges.energies[felt]
        onsite = host.einsum("e,ei,ej->ij", moved, psi, host.conj(psi))
        hopping = host.einsum("e,ei,ej->ij", 2 * moved * host.exp(-1j * k), psi, host.conj(psi))
        changes["overlap_onsite"] = _beside(lead_bar.overlap_onsite, onsite)
        changes["overlap_hopping"] = _beside(lead_bar.overlap_hopping, hopping)
    return rebuild(lead_bar, **changes)  # type: ignore[no-any-return]


def _refined(lead: Lead, grid: Any, where: list[tuple[int, int]], flat: float) -> list[tuple[Any, ...]]:
    """Extrema between grid points: the root of the slope, by regula falsi (Illinois) within the neighbouring points."""
    if not where:
        return []
    bands = host.asarray([b for _, b in where])
    step, middle = grid[1], grid[[i for i, _ in where]]

    def at(k: Any) -> tuple[Any, Any, Any]:
        energies, slopes, states = _bands(lead, k)
        rows = host.arange(len(k))
        return energies[rows, bands], slopes[rows, bands], states[rows, :, bands]

    low, high = middle - step, middle + step
    f_low, f_high = at(low)[1], at(high)[1]
    energies, slopes, states = at(middle)
    k, before = middle, host.zeros(len(bands), dtype=host.bool)
    is_first = True
    for _ in range(MOST_STEPS):
        if not host.any(host.abs(slopes) > flat):
            break
        is_low = f_low * slopes > 0  # the root is above k
        stuck = host.astype((is_low == before) & (not is_first), host.float64)  # the same end stays a second time
        f_high = host.where(is_low, f_high * (1 - stuck / 2), slopes)
        f_low = host.where(is_low, slopes, f_low * (1 - stuck / 2))
        before, is_first = is_low, False
        low, high = host.where(is_low, k, low), host.where(is_low, high, k)
        gap = f_high - f_low
        k = host.where(gap == 0, (low + high) / 2, (low * f_high - high * f_low) / host.where(gap == 0, 1, gap))
        energies, slopes, states = at(k)
    good = host.abs(slopes) <= 1e3 * flat  # elsewhere two bands cross: no extremum
    return [(energies[i], k[i], states[i]) for i in range(len(k)) if good[i]]


def _bands(lead: Lead, k: Any) -> tuple[Any, Any, Any]:
    """E_n(k), dE_n/dk and ψ_n(k) in columns, at zero potential energy; ψ†Sψ = 1."""
    phase = host.exp(1j * k)[:, None, None]

    def bloch(onsite: Array, hopping: Array) -> tuple[Any, Any]:
        there = phase * to_numpy(hopping)[None]
        return to_numpy(onsite)[None] + there + _dagger(there), 1j * there + _dagger(1j * there)

    h, h_slope = bloch(lead.onsite, lead.hopping)
    if lead.overlap_onsite is None:
        energies, states = host.linalg.eigh(h)
        change = h_slope @ states
    else:
        s, s_slope = bloch(lead.overlap_onsite, lead.overlap_hopping)
        whitening = host.linalg.inv(_factor(s))
        energies, states = host.linalg.eigh(whitening @ h @ _dagger(whitening))
        states = _dagger(whitening) @ states
        change = h_slope @ states - (s_slope @ states) * energies[:, None, :]
    return energies, host.real(host.sum(host.conj(states) * change, axis=1)), states


def _factor(s: Any) -> Any:
    try:
        return host.linalg.cholesky(s)
    except host.linalg.LinAlgError:
        least = float(host.min(host.linalg.eigvalsh(s)))
        raise InputError(
            f"the overlap of a lead's cells is not positive definite: S(k) has an eigenvalue of {least:.3g}; check its "
            "overlap_onsite and overlap_hopping."
        ) from None


def has_same_bands(lead: Lead, other: Lead) -> bool:
    """Are the blocks of two leads' cells the same?"""

    def same(x: Array | None, y: Array | None) -> bool:
        if x is None or y is None:
            return x is y
        return x.shape == y.shape and bool(host.all(to_numpy(x) == to_numpy(y)))

    names = ("onsite", "hopping", "overlap_onsite", "overlap_hopping")
    return all(same(getattr(lead, name), getattr(other, name)) for name in names)


def _beside(bar: Array, share: Any) -> Array:
    """A cotangent with a host share added, real for a real one."""
    xp = array_namespace(bar)
    share = share if is_complex(bar) else host.real(share)
    return bar + xp.asarray(share, dtype=bar.dtype, device=device_of(bar))


def _dagger(x: Any) -> Any:
    return host.conj(host.matrix_transpose(x))
