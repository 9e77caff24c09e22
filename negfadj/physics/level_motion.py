"""Nodes of an energy integral that move with narrow levels, so that its derivative keeps its digits.

A level of width Γ ≪ kT is a peak that only moves: on nodes that stand still, ∂I/∂ε is a sum of two large numbers of
opposite sign, 1/Γ each, whose difference is 1/kT. Nodes may move as they like without changing the integral,
E_j → E_j + Σ_k h_k(E_j) dx_k, w_j → w_j (1 + Σ_k h_k'(E_j) dx_k), with h_k the hat function of a knot: one at either
flank of every level. A knot moves as the energy at which a density D of its flank has the value it has,

    dx_k = −dD(E_k)/D'(E_k),   x̄_k = Σ_j Ē_j h_k(E_j) + w̄_j w_j h_k'(E_j)

With exact quadrature x̄_k = ∫ ∂(h_k F)/∂E dE = 0: the share of the knots takes away what the sum lost. Breaks of the
quadrature that move, with a μ say, must not move the nodes at a level: b̄ −= Σ_k x̄_k ∂E_k/∂b.

Sources: docs/adjoints/energy-integrals.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from .window_breaks import WindowBreaks
from .window_quadrature import WindowNodes

NARROW = 0.5  # of kT: a peak broader than that needs no knots
FLANK = 0.5  # of the height: nodes above belong to the peak


@dataclass(frozen=True, eq=False)
class LevelKnots:
    """Knots of narrow levels: flanks E_k (K,) at which D is asked for, knots and what is held in order (K + H,) [eV],
    and the places of the knots among them (K,)."""

    flanks: Any
    positions: Any
    places: Any

    @property
    def energies(self) -> Any:
        """Of the knots (K,) [eV]."""
        return self.positions[self.places]

    def hats(self, energies: Any) -> tuple[Any, Any]:
        """h_k and h_k' at energies (m,), (K, m) each."""
        n = len(self.positions)
        below = host.clip(host.searchsorted(self.positions, energies) - 1, 0, n - 2)
        width = self.positions[below + 1] - self.positions[below]
        t = (energies - self.positions[below]) / width
        is_below, is_above = (self.places[:, None] == place[None, :] for place in (below, below + 1))
        return is_below * (1 - t) + is_above * t, is_above / width - is_below / width

    def pull(self, energies: Any, energies_bar: Any, measures_bar: Any) -> Any:
        """E (m,), Ē and w̄ w, (m,) or (m, n) → x̄, (K,) or (K, n)."""
        values, slopes = self.hats(energies)
        return values @ energies_bar + slopes @ measures_bar


def level_knots(nodes: WindowNodes, density: Any, breaks: WindowBreaks, scale: float) -> LevelKnots | None:
    """The knots of all peaks of a density D_j (m,) at the nodes that are narrow beside `scale`; None without any.

    A knot is an end of an interval of the quadrature, just outside the node on the flank. Band edges and both ends of
    the window stand still: what happens there does not move with a level.
    """
    is_edge = [any(kind == "edge" for kind, _, _ in origins) for origins in breaks.origins]
    held = nodes.breaks[[i for i, edge in enumerate(is_edge) if edge or i in (0, len(is_edge) - 1)]]
    found: dict[float, tuple[float, float]] = {}  # knot → (height of its level, flank)
    for lower, upper, height in _peaks(nodes.energies, density, NARROW * scale):
        pairs = []
        if lower is not None:
            pairs.append((host.searchsorted(nodes.ends, nodes.energies[lower], side="right") - 1, lower))
        if upper is not None:
            pairs.append((host.searchsorted(nodes.ends, nodes.energies[upper]), upper))
        for place, flank in pairs:
            knot = float(nodes.ends[int(host.clip(place, 0, len(nodes.ends) - 1))])
            if knot not in held and found.get(knot, (-1.0, 0.0))[0] < height:
                found[knot] = (height, float(nodes.energies[flank]))
    if not found:
        return None
    positions = host.sort(host.concat([held, host.asarray(list(found))]))
    knots = sorted(found)
    flanks = host.asarray([found[knot][1] for knot in knots])
    return LevelKnots(flanks, positions, host.searchsorted(positions, host.asarray(knots)))


def pull_knots(
    knots: LevelKnots, knots_bar: Any, density_vjp: Callable[[Any], tuple[Any, Callable[[Any], Any]]]
) -> Any:
    """The device's cotangent of x̄ (K,): D̄_k = −x̄_k/D'(E_k).

    `density_vjp` takes the flanks (K,) and gives D'(E_k) and D̄ → the device's cotangent.
    """
    slopes, pullback = density_vjp(knots.flanks)
    is_moving = slopes != 0
    return pullback(host.where(is_moving, -knots_bar / host.where(is_moving, slopes, 1), 0))


def _peaks(energies: Any, density: Any, widest: float) -> list[tuple[int | None, int | None, float]]:
    """(lower flank, upper flank, height) of the narrow peaks; None for a flank that turns up again too early."""
    rises = density[1:] > density[:-1]
    tops = host.nonzero(host.concat([rises, host.asarray([False])]) < host.concat([host.asarray([True]), rises]))[0]
    found = []
    for top in tops.tolist():
        height = float(density[top])
        flanks = [_flank(density, top, step) for step in (-1, 1)]
        lower, upper = (top if f is None else f for f in flanks)
        if flanks != [None, None] and energies[upper] - energies[lower] < widest:
            found.append((flanks[0], flanks[1], height))
    return found


def _flank(density: Any, top: int, step: int) -> int | None:
    """The first node beside a top that is below `FLANK` of it, if all until there fall."""
    here = top
    while 0 <= here + step < len(density) and density[here + step] <= density[here]:
        here += step
        if density[here] < FLANK * density[top]:
            return here
    return None
