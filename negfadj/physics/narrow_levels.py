"""Levels inside the bias window so narrow that no node of the quadrature has met them.

What two choices of the lead in equilibrium differ by, d_a = |n_a^(r) − n_a^(r')|, is the weight of the states that the
window integral has missed. They show as maxima of

    s(E, η) = −η Σ_a d_a Im P_a(E + iη),

which for a level narrower than η is of one size for all η, and falls with η for everything broader: the maxima are
followed from coarse η to fine ones.

Sources: docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as host

COARSE = 256  # maxima are sought on so many energies, η is their distance
ZOOM = 4.0  # η falls by that much a step,
FINEST = 1e-9  # eV: energies are told apart to this
LASTING = 3  # steps after which what is left is narrower than a quadrature starts with
OFFSETS = host.linspace(-1.5, 1.5, 13)  # in the η before: the new η apart


def narrow_levels(signal: Callable[[Any, float], Any], low: float, high: float, least: float) -> list[float]:
    """Energies [eV] of the narrow levels between two energies, bound ones included.

    Parameters
    ----------
    signal : callable
        Energies (m,) and η → s (m,).
    low, high : float
        Ends of the window [eV].
    least : float
        The s of the smallest level sought.
    """
    eta = (high - low) / COARSE
    energies = low + eta * (host.arange(COARSE) + 0.5)
    levels, steps = energies[_maxima(signal(energies, eta))], 0
    narrow: list[float] = []
    while eta > FINEST and levels.size:
        around = levels[:, None] + eta * OFFSETS[None, :]
        eta, steps = eta / ZOOM, steps + 1
        found = host.reshape(signal(host.reshape(around, (-1,)), eta), around.shape)
        best = host.argmax(found, axis=1)
        rows = host.arange(len(levels))
        stays = found[rows, best] > least
        if steps > LASTING:  # a level of about this width ends here
            narrow += levels[~stays].tolist()
        levels = _distinct(around[rows, best][stays], eta / 2)
    return sorted([*narrow, *levels.tolist()])


def _maxima(x: Any) -> Any:
    padded = host.concat([host.asarray([-host.inf]), x, host.asarray([-host.inf])])
    return host.nonzero((x > padded[:-2]) & (x >= padded[2:]) & (x > 0))[0]


def _distinct(levels: Any, distance: float) -> Any:
    levels = host.sort(levels)
    return levels[host.concat([host.asarray([True]), levels[1:] - levels[:-1] > distance])] if levels.size else levels
