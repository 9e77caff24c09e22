"""Adaptive integration of a vector of functions of energy over the bias window, on one common set of nodes.

Between two breaks a and b the energy runs as E = a + (b − a) s²(3 − 2s), 0 ≤ s ≤ 1: its slope vanishes at both ends,
which takes the square-root singularities of band edges away when the edges are breaks. In s the intervals are done by
the Gauss–Kronrod pair (7, 15), and those whose error is too large are halved, all of them at once.

    E_j = a + (b − a) σ_j,   w_j = (b − a) ω_j                                  (forward)
    ā += Σ_j Ē_j (1 − σ_j) − w̄_j ω_j,   b̄ += Σ_j Ē_j σ_j + w̄_j ω_j             (pullback: σ, ω are held)

Sources: Piessens et al., QUADPACK (1983), Sec. 2.2; docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..errors import ConvergenceError, InputError
from .quadrature import GAUSS_WEIGHTS, KRONROD_WEIGHTS, NODES

NARROWEST = 1e-14  # of 1 eV + |E|: halving ends there
NUDGE = 1e-9  # eV: an energy at which a lead fails is moved by this much, and by ten times that if it fails again


@dataclass(frozen=True, eq=False)
class WindowNodes:
    """Energies and weights (m,) [eV] of the quadrature; integrals (n,) of the functions and their errors (n,).

    `spans` (m,) is the number of the break below each node, `breaks` (k,) [eV], `values` (m, n_kept) the first
    functions at the nodes, `ends` (P + 1,) [eV] where the intervals of the quadrature end.
    """

    energies: Any
    weights: Any
    integrals: Any
    errors: Any
    spans: Any
    breaks: Any
    values: Any
    ends: Any

    def pull(self, energies_bar: Any, weights_bar: Any) -> Any:
        """Ē, w̄ (m,) → the cotangent of the breaks (k,)."""
        below, above = self.breaks[self.spans], self.breaks[self.spans + 1]
        sigma, omega = (self.energies - below) / (above - below), self.weights / (above - below)
        n = len(self.breaks)
        to_below = host.bincount(self.spans, energies_bar * (1 - sigma) - weights_bar * omega, n)
        return to_below + host.bincount(self.spans + 1, energies_bar * sigma + weights_bar * omega, n)

    def pull_at(self, energies: Any, energies_bar: Any) -> Any:
        """The same for any energies (K,) that move with the breaks as nodes there do."""
        n = len(self.breaks)
        spans = host.clip(host.searchsorted(self.breaks, energies, side="right") - 1, 0, n - 2)
        below, above = self.breaks[spans], self.breaks[spans + 1]
        sigma = (energies - below) / (above - below)
        to_below = host.bincount(spans, energies_bar * (1 - sigma), n)
        return to_below + host.bincount(spans + 1, energies_bar * sigma, n)


def window_nodes(
    function: Callable[[Any], Any],
    breaks: Any,
    *,
    tolerance: Any = 0.0,
    rtol: float = 0.0,
    max_energies: int,
    n_kept: int = 0,
    what: str = "the charge in the bias window",
) -> WindowNodes:
    """Nodes and weights that integrate every component of a function between the first and the last break.

    Parameters
    ----------
    function : callable
        Energies (m,) → values (m, n), host arrays; asked for in batches. Where it raises a `ConvergenceError`, the
        energies named there are moved a little.
    breaks : array, shape (k,)
        Ends of the first intervals [eV] in order: both ends, and where the function is not smooth.
    tolerance : float, or array of shape (n,)
        Largest error allowed in every component's integral.
    rtol : float
        The same relative to the integral of its absolute value; the larger counts.
    max_energies : int
        The function is asked for no more often than this.
    n_kept : int
        So many of the components are kept at the nodes.
    what : str
        For the message of an error.

    Raises
    ------
    ConvergenceError
        When `max_energies` is used up; it says the error reached, and near which energy.
    """
    edges = host.asarray(breaks)
    if NODES.size * (edges.size - 1) > max_energies:
        raise InputError(
            f"max_energies={max_energies!r} is less than the {NODES.size * (edges.size - 1)} energies of the first "
            f"{edges.size - 1} intervals; give at least that many."
        )
    spans = host.arange(edges.size - 1)
    lower, upper = host.zeros(len(spans)), host.ones(len(spans))
    panels, asked = None, 0
    while True:
        panels = _joined(panels, _panels(function, edges, spans, lower, upper, n_kept))
        asked += NODES.size * len(spans)
        total = host.sum(panels.errors, axis=0)  # (n,)
        allowed = host.maximum(tolerance, rtol * host.sum(panels.magnitudes, axis=0))
        share = allowed / (2 * len(panels.spans))
        bad = host.any((panels.errors > share) & (total > allowed), axis=1)
        if not host.any(bad):
            break
        is_wide = panels.widths(edges) > NARROWEST * (1 + host.max(host.abs(edges)))
        if asked + 2 * NODES.size * int(host.sum(bad & is_wide)) > max_energies or not host.any(bad & is_wide):
            worst = int(host.argmax(total - allowed))
            at = float(panels.energies[int(host.argmax(panels.errors[:, worst])), NODES.size // 2])
            raise ConvergenceError(
                f"{what} has error {total[worst]:.3g} (allowed {allowed[worst]:.3g}) after {asked} energies, most of "
                f"it near E = {at:.6g} eV: raise max_energies or the error allowed; for a level there that is narrower "
                "than energies can be told apart, give a small device_eta.",
                energies=[at],
                residual=float(total[worst]),
            )
        bad &= is_wide
        middle = (panels.lower[bad] + panels.upper[bad]) / 2
        spans = host.concat([panels.spans[bad], panels.spans[bad]])
        lower, upper = host.concat([panels.lower[bad], middle]), host.concat([middle, panels.upper[bad]])
        panels = panels.where(~bad)
    order = host.argsort(host.reshape(panels.energies, (-1,)), stable=True)
    of_nodes = host.repeat(panels.spans, NODES.size)[order]
    energies, weights = (host.reshape(x, (-1,))[order] for x in (panels.energies, panels.weights))
    values = host.reshape(panels.values, (len(order), n_kept))[order]
    integrals, ends = host.sum(panels.integrals, axis=0), panels.ends(edges)
    return WindowNodes(energies, weights, integrals, total, of_nodes, edges, values, ends)


@dataclass(frozen=True, eq=False)
class _Panels:
    """Intervals of s in spans between breaks: nodes and weights (P, 15), integrals, errors and ∫|f| (P, n), and some f
    (P, 15, n_kept)."""

    spans: Any
    lower: Any
    upper: Any
    energies: Any
    weights: Any
    integrals: Any
    errors: Any
    magnitudes: Any
    values: Any

    def widths(self, edges: Any) -> Any:
        """Of the intervals in energy, (P,)."""
        sigma = [s**2 * (3 - 2 * s) for s in (self.lower, self.upper)]
        return (edges[self.spans + 1] - edges[self.spans]) * (sigma[1] - sigma[0])

    def ends(self, edges: Any) -> Any:
        """Where one interval ends and the next begins [eV], (P + 1,), in order."""
        below = edges[self.spans] + (edges[self.spans + 1] - edges[self.spans]) * self.lower**2 * (3 - 2 * self.lower)
        return host.concat([host.sort(below), edges[-1:]])

    def where(self, mask: Any) -> _Panels:
        return _Panels(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def _joined(first: _Panels | None, second: _Panels) -> _Panels:
    if first is None:
        return second
    return _Panels(*(host.concat([getattr(p, name) for p in (first, second)]) for name in _Panels.__dataclass_fields__))


def _panels(
    function: Callable[[Any], Any], edges: Any, spans: Any, lower: Any, upper: Any, n_kept: int
) -> _Panels:
    half, centre = (upper - lower) / 2, (upper + lower) / 2
    s = centre[:, None] + half[:, None] * NODES[None, :]
    width = (edges[spans + 1] - edges[spans])[:, None]
    energies = edges[spans][:, None] + width * s**2 * (3 - 2 * s)
    slope = half[:, None] * width * 6 * s * (1 - s)
    flat, values = _off_edges(function, host.reshape(energies, (-1,)))
    plain = host.reshape(values, (*energies.shape, -1))
    values = plain * slope[:, :, None]
    integrals = host.sum(KRONROD_WEIGHTS[None, :, None] * values, axis=1)
    errors = host.abs(integrals - host.sum(GAUSS_WEIGHTS[None, :, None] * values, axis=1))
    magnitudes = host.sum(KRONROD_WEIGHTS[None, :, None] * host.abs(values), axis=1)
    weights = KRONROD_WEIGHTS[None, :] * slope
    energies, kept = host.reshape(flat, energies.shape), host.asarray(plain[:, :, :n_kept], copy=True)
    return _Panels(spans, lower, upper, energies, weights, integrals, errors, magnitudes, kept)


def _off_edges(function: Callable[[Any], Any], energies: Any) -> tuple[Any, Any]:
    """Energies and values there; energies at which a lead fails, on a band edge say, are nudged off it."""
    for attempt in range(4):
        try:
            return energies, function(energies)
        except ConvergenceError as error:
            if attempt == 3 or not error.energies:
                raise
            failed = host.min(host.abs(energies[:, None] - host.asarray(error.energies)[None, :]), axis=1) < NUDGE / 4
            energies = host.where(failed, energies + NUDGE * 10**attempt, energies)
    raise AssertionError("unreachable")
