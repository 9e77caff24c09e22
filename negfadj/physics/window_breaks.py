"""Where the intervals of an integral over the bias window end: at its ends, near the μ, at the leads' band edges.

    b = μ_k + m kT,     b = E₀ of a lead's band + its potential energy

The nodes between two breaks move with them, so that the derivative of the sum is that of the integral also where the
integrand jumps or diverges at a band edge:

    μ̄_k += Σ b̄,   k̄T += Σ m b̄,   the leads: `pull_band_edges`

Where the edges of two leads coincide, each gets half: the mean of the derivatives to both sides.

Sources: docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import array_api_compat.numpy as host

from ..array import rebuild
from ..data import Device, Lead
from .band_edges import BandEdges, band_edges, has_same_bands, pull_band_edges

NEAR_MU = (-10, 0, 10)  # kT
SAME = 1e-9  # eV: breaks nearer than this are one

Origin: TypeAlias = tuple[str, int, int]  # ("mu", lead, m), ("edge", lead, number) or ("held", 0, 0)
HELD: Origin = ("held", 0, 0)


@dataclass(frozen=True, eq=False)
class WindowBreaks:
    """Breaks (n,) [eV] in order, and what each follows; a band edge that several leads have is shared among them."""

    energies: Any
    origins: tuple[tuple[Origin, ...], ...]
    edges: tuple[BandEdges | None, ...]

    def pull(self, device: Device, breaks_bar: Any, device_bar: Device, mu_bar: Any) -> tuple[Device, Any, float]:
        """b̄ (n,) → the cotangents of device and μ with their shares added, and k̄T."""
        mu_bar, kt_bar = host.asarray(mu_bar, copy=True), 0.0
        edge_bars = [None if e is None else host.zeros(len(e.energies)) for e in self.edges]
        for bar, origins in zip(breaks_bar, self.origins):
            for kind, lead, number in origins:
                share = bar / len(origins)
                if kind == "mu":
                    mu_bar[lead] += share
                    kt_bar += number * float(share)
                elif kind == "edge":
                    edge_bars[lead][number] += share  # type: ignore[index]
        leads = tuple(
            lead_bar if bar is None or edges is None else pull_band_edges(lead, edges, bar, lead_bar)
            for lead, lead_bar, edges, bar in zip(device.leads, device_bar.leads, self.edges, edge_bars)
        )
        return rebuild(device_bar, leads=leads), mu_bar, kt_bar


def window_breaks(
    device: Device,
    mus: Any,
    kt: float,
    *,
    tail: float,
    edges: Sequence[BandEdges | None] | None = None,
    levels: Sequence[float] = (),
) -> WindowBreaks:
    """The breaks between `tail` kT below the lowest and above the highest of the first len(mus) leads' μ.

    `edges` are the leads' band edges where they are known already, `levels` energies of narrow levels.
    """
    first, last = int(host.argmin(mus)), int(host.argmax(mus))
    low, high = float(mus[first]) - tail * kt, float(mus[last]) + tail * kt
    found = lead_band_edges(device, low, high) if edges is None else tuple(edges)
    ends: list[tuple[float, Origin]] = [(low, ("mu", first, -int(tail))), (high, ("mu", last, int(tail)))]
    near: list[tuple[float, Origin]] = [
        (float(mu) + m * kt, ("mu", k, m)) for k, mu in enumerate(mus) for m in NEAR_MU if abs(m) < tail
    ]
    near += [(float(level), HELD) for level in levels]
    return joined_breaks(device, ends, near, found)


def joined_breaks(
    device: Device,
    ends: Sequence[tuple[float, Origin]],
    near: Sequence[tuple[float, Origin]],
    edges: tuple[BandEdges | None, ...],
    same: float = SAME,
) -> WindowBreaks:
    """Breaks at both ends, at the band edges between them, and at more energies `near`; of two that are nearer than
    `same` the first in this order is kept."""
    kept: list[tuple[float, tuple[Origin, ...]]] = [(e, (origin,)) for e, origin in ends]
    (low, _), (high, _) = ends
    at_edges = [
        (float(e), ("edge", k, i))
        for k, (lead, own) in enumerate(zip(device.leads, edges))
        if own is not None
        for i, e in enumerate(own.energies + float(lead.potential_energy))
        if low < e < high
    ]
    for energy, origin in [*at_edges, *(x for x in near if low < x[0] < high)]:
        here = next((n for n, (other, _) in enumerate(kept) if abs(energy - other) <= same), None)
        if here is None:
            kept.append((energy, (origin,)))
        elif origin[0] == "edge" and kept[here][1][0][0] == "edge":
            kept[here] = (kept[here][0], (*kept[here][1], origin))
    kept.sort()
    return WindowBreaks(host.asarray([e for e, _ in kept]), tuple(origins for _, origins in kept), edges)


def lead_band_edges(
    device: Device, low: float, high: float, shifts: Sequence[float] | None = None
) -> tuple[BandEdges | None, ...]:
    """The band edges of every lead between two energies, with the leads shifted by these U [eV]; None for one known by
    its self-energy alone."""
    found: list[BandEdges | None] = []
    done: list[tuple[Lead, float, BandEdges]] = []
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, Lead):
            found.append(None)
            continue
        u = float(lead.potential_energy) + (0.0 if shifts is None else float(shifts[k]))
        known = [e for other, v, e in done if v == u and has_same_bands(lead, other)]
        edges = known[0] if known else band_edges(lead, low - u, high - u)
        done.append((lead, u, edges))
        found.append(edges)
    return tuple(found)
