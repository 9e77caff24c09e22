"""Adaptive integration of a vector of functions of energy over the bias window, on one common set of nodes.

Between two breaks a and b the energy runs as E = a + (b − a) s²(3 − 2s), 0 ≤ s ≤ 1: its slope vanishes at both ends,
which takes the square-root singularities of band edges away when the edges are breaks. In s the intervals are done by
the Gauss–Kronrod pair (7, 15), and those whose error is too large are halved, all of them at once.

Sources: Piessens et al., QUADPACK (1983), Sec. 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..errors import ConvergenceError, InputError
from .quadrature import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES

NARROWEST = 1e-7  # of an interval between breaks: halving ends there


@dataclass(frozen=True, eq=False)
class WindowNodes:
    """Energies and weights (m,) [eV] of the quadrature; integrals (n,) of the functions and their errors (n,)."""

    energies: Any
    weights: Any
    integrals: Any
    errors: Any


def window_nodes(
    function: Callable[[Any], Any], breaks: Sequence[float], *, tolerance: float, max_energies: int
) -> WindowNodes:
    """Nodes and weights that integrate every component of a function between the first and the last break.

    Parameters
    ----------
    function : callable
        Energies (m,) → values (m, n), host arrays; asked for in batches.
    breaks : sequence of float
        Ends of the first intervals [eV]: both ends, and where the function is not smooth.
    tolerance : float
        Largest error allowed in any component's integral.
    max_energies : int
        The function is asked for no more often than this.

    Raises
    ------
    ConvergenceError
        When `max_energies` is used up; it says the error reached, and near which energy.
    """
    edges = host.asarray(sorted({float(b) for b in breaks}))
    if NODES.size * (edges.size - 1) > max_energies:
        raise InputError(
            f"max_energies={max_energies!r} is less than the {NODES.size * (edges.size - 1)} energies of the first "
            f"{edges.size - 1} intervals; give at least that many."
        )
    spans = host.stack([edges[:-1], edges[1:]], axis=1)
    lower, upper = host.zeros(len(spans)), host.ones(len(spans))
    done: list[tuple[Any, ...]] = []
    asked = 0
    while True:
        pending = _panels(function, spans, lower, upper)
        asked += pending[0].size
        panels = tuple(host.concat([part[i] for part in (*done, pending)]) for i in range(len(pending)))
        energies, weights, integrals, errors, all_spans, all_lower, all_upper = panels
        total = host.sum(errors, axis=0)  # (n,)
        worst = host.max(errors, axis=1)  # (panels,)
        bad = (worst > tolerance / (2 * len(worst))) & (all_upper - all_lower > NARROWEST)
        if float(host.max(total)) <= tolerance or not host.any(bad):
            break
        if asked + 2 * NODES.size * int(host.sum(bad)) > max_energies:
            at = float(energies[int(host.argmax(worst)), NODES.size // 2])
            raise ConvergenceError(
                f"the charge in the bias window has error {float(host.max(total)):.3g} electrons (allowed "
                f"{tolerance:.3g}) after {asked} energies, most of it near E = {at:.6g} eV; raise max_energies or the "
                "tolerance, or give a larger eta.",
                energies=[at],
                residual=float(host.max(total)),
            )
        keep = ~bad
        done = [tuple(part[keep] for part in panels)]
        middle = (all_lower[bad] + all_upper[bad]) / 2
        spans = host.concat([all_spans[bad], all_spans[bad]])
        lower, upper = host.concat([all_lower[bad], middle]), host.concat([middle, all_upper[bad]])
    order = host.argsort(host.reshape(energies, (-1,)), stable=True)
    flat = host.reshape(energies, (-1,))[order], host.reshape(weights, (-1,))[order]
    return WindowNodes(*flat, host.sum(integrals, axis=0), total)


def _panels(function: Callable[[Any], Any], spans: Any, lower: Any, upper: Any) -> tuple[Any, ...]:
    """Energies and weights (panels, 15), integrals and errors (panels, n), spans and ends of intervals in s."""
    half, centre = (upper - lower) / 2, (upper + lower) / 2
    s = centre[:, None] + half[:, None] * NODES[None, :]
    width = (spans[:, 1] - spans[:, 0])[:, None]
    energies = spans[:, :1] + width * s**2 * (3 - 2 * s)
    slope = half[:, None] * width * 6 * s * (1 - s)
    values = function(host.reshape(energies, (-1,)))
    values = host.reshape(values, (*energies.shape, -1)) * slope[:, :, None]
    integrals = host.sum(KRONROD_WEIGHTS[None, :, None] * values, axis=1)
    errors = host.abs(integrals - host.sum(GAUSS_WEIGHTS[None, :, None] * values, axis=1))
    return energies, KRONROD_WEIGHTS[None, :] * slope, integrals, errors, spans, lower, upper
