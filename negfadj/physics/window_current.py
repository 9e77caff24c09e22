"""The current between the first two leads, on nodes that follow the leads' band edges and narrow levels.

    I = g (e/h) ∫ T(E) [f(E − μ_0) − f(E − μ_1)] dE                                              (forward)
    T̄_j = g (e/h) Ī w_j [f_0 − f_1]_j,   nodes and weights by `WindowNodes.pull`                 (pullback)

In a self-consistent device every lead moves with its voltage, T has a square root at its band edge, and the sum over
nodes that stand still loses three digits there.

Sources: Landauer, IBM J. Res. Dev. 1, 223 (1957); docs/adjoints/self-consistent.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, to_numpy, tree_map
from ..constants import CURRENT_PER_EV
from ..data import Device
from ..primitives.occupation import bias_window, occupation
from ..typing import LeadMethod
from .band_edges import BandEdges
from .level_motion import level_knots, pull_knots
from .transport import transmission, transmission_vjp
from .window_breaks import WindowBreaks, window_breaks
from .window_quadrature import WindowNodes, window_nodes

TAIL = 60.0  # kT: far above a barrier T may be all there is
RTOL = 1e-9


class WindowCurrentCotangent(NamedTuple):
    """Cotangents of the device, of μ_0 and μ_1 (2,), and of kT."""

    device: Device
    chemical_potentials: Any
    kt: float


def window_current(
    device: Device,
    mus: Any,
    kt: float,
    /,
    *,
    spin_degeneracy: float,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    memory_limit: float | None,
    max_energies: int,
    edges: Sequence[BandEdges | None] | None = None,
    error: float = RTOL,
) -> tuple[float, Callable[[float], WindowCurrentCotangent]]:
    """I [µA] from lead 0 into lead 1 at μ (2,) and kT [eV], and its pullback Ī → `WindowCurrentCotangent`.

    The quadrature is good to `error` of it, and to 1e-9. Its nodes serve ∂I/∂μ of both leads as well: without a bias I
    is zero on any. Kept for the pullback: the nodes.
    """
    options: dict[str, Any] = {"eta": eta, "device_eta": device_eta, "lead_method": lead_method}
    options["memory_limit"] = memory_limit
    scale = spin_degeneracy / 2 * CURRENT_PER_EV
    like = device.hamiltonian.diagonal[0]
    xp = array_namespace(like)

    def moved(x: Any) -> Any:
        return xp.asarray(x, device=device_of(like))

    def window(energies: Any) -> Any:
        return bias_window(energies, mus[:1], mus[1:2], kt)[:, 0]

    def transmitted(energies: Any) -> Any:
        return to_numpy(transmission(device, moved(energies), **options))

    breaks: WindowBreaks = window_breaks(device, mus[:2], kt, tail=TAIL, edges=edges)

    def integrand(energies: Any) -> Any:
        t, slopes = transmitted(energies), kt * occupation(energies, mus[:2], kt).d_mu
        return host.stack([t, t * window(energies), t * slopes[:, 0], t * slopes[:, 1]], axis=1)

    nodes: WindowNodes = window_nodes(
        integrand,
        breaks.energies,
        tolerance=host.asarray([host.inf, *[1e-22 * kt] * 3]),  # T itself is only kept; one this small counts as none
        rtol=min(RTOL, error),
        max_energies=max_energies,
        n_kept=1,
        what="the current",
    )

    def at_flanks(energies: Any) -> tuple[Any, Callable[[Any], Any]]:
        _, pullback = transmission_vjp(device, moved(energies), **options)
        slopes = to_numpy(pullback(moved(host.ones_like(energies))).energies)
        return slopes, lambda t_bar: pullback(moved(t_bar)).device

    def window_current_pullback(current_bar: float) -> WindowCurrentCotangent:
        w, f = scale * float(current_bar) * nodes.weights, occupation(nodes.energies, mus[:2], kt)
        values, pullback = transmission_vjp(device, moved(nodes.energies), **options)
        t, t_bar = to_numpy(values), w * window(nodes.energies)
        found = pullback(moved(t_bar))
        mu_bar = host.asarray([float(host.sum(w * t * f.d_mu[:, 0])), -float(host.sum(w * t * f.d_mu[:, 1]))])
        kt_bar = float(host.sum(w * t * (f.d_kt[:, 0] - f.d_kt[:, 1])))
        e_bar = to_numpy(found.energies) - w * t * (f.d_mu[:, 0] - f.d_mu[:, 1])  # ∂f/∂E = −∂f/∂μ
        device_bar, breaks_bar = found.device, nodes.pull(e_bar, t * t_bar / nodes.weights)
        knots = level_knots(nodes, nodes.values[:, 0], breaks, kt)
        if knots is not None:
            knots_bar = knots.pull(nodes.energies, e_bar, t * t_bar)
            device_bar = tree_map(_plus, device_bar, pull_knots(knots, knots_bar, at_flanks))
            breaks_bar = breaks_bar - nodes.pull_at(knots.energies, knots_bar)  # a level is not moved by breaks
        device_bar, mu_bar, moved_bar = breaks.pull(device, breaks_bar, device_bar, mu_bar)
        return WindowCurrentCotangent(device_bar, mu_bar, kt_bar + moved_bar)

    return scale * float(nodes.integrals[1]), window_current_pullback


def _plus(x: Any, y: Any) -> Any:
    return x if y is None else x + y
