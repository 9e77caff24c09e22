"""The currents of all leads of a device, on nodes that follow the leads' band edges.

    I_jk = g (e/h) ∫ T_jk(E) [f(E − μ_j) − f(E − μ_k)] dE,      T_jk from lead j into lead k          (forward)
    I_k = −Σ_{j≠k} I_jk,   out of lead k into the device
    Ī_jk = −Ī_k, summed by the pullbacks of I_jk                                                      (pullback)

By Σ_j T_jk = Σ_j T_kj at every energy I_k is what lead k injects less what comes back to it, also in a magnetic field,
and Σ_k I_k = 0. Two leads have I_0 = −I_1 = I_01.

Sources: M. Büttiker, Phys. Rev. Lett. 57, 1761 (1986), Eq. (1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import rebuild, tree_map
from ..data import Device
from ..typing import LeadMethod
from .band_edges import BandEdges
from .window_current import RTOL, window_current


class TerminalCurrentsCotangent(NamedTuple):
    """Cotangents of the device, None for zero, of μ (n_leads,), and of kT."""

    device: Device | None
    chemical_potentials: Any
    kt: float


class TerminalCurrents(NamedTuple):
    """I_01 [µA], the currents of all leads (n_leads,) [µA], and their pullback (Ī_01, Ī) → cotangents."""

    first_pair: float
    of_leads: Any
    pullback: Callable[[float, Any], TerminalCurrentsCotangent]


def terminal_currents(
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
    error: float = RTOL,
    edges: Sequence[BandEdges | None],
) -> TerminalCurrents:
    """The currents of all leads at μ (n_leads,) and kT [eV]; zero for a device of one lead.

    Kept for the pullback: the nodes of every pair of leads.
    """
    n_leads = device.n_leads
    of_leads = host.zeros(n_leads)
    pairs: list[tuple[int, int]] = [] if n_leads < 2 else [(0, 1)]
    if n_leads > 2:
        pairs = [(j, k) for j in range(n_leads) for k in range(n_leads) if j != k]
    found = {}
    for j, k in pairs:
        order = _order(j, k, n_leads)
        found[j, k] = window_current(
            rebuild(device, leads=tuple(device.leads[i] for i in order)),
            mus[host.asarray(order)],
            kt,
            spin_degeneracy=spin_degeneracy,
            eta=eta,
            device_eta=device_eta,
            lead_method=lead_method,
            memory_limit=memory_limit,
            max_energies=max_energies,
            error=error,
            edges=[edges[i] for i in order],
        )
        of_leads[k] -= found[j, k][0]
        if n_leads == 2:
            of_leads[j] += found[j, k][0]

    def terminal_currents_pullback(first_pair_bar: float, of_leads_bar: Any) -> TerminalCurrentsCotangent:
        device_bar, mu_bar, kt_bar = None, host.zeros(n_leads), 0.0
        for (j, k), (_, pullback) in found.items():
            bar = -float(of_leads_bar[k]) + (float(of_leads_bar[j]) if n_leads == 2 else 0.0)
            bar += float(first_pair_bar) if (j, k) == (0, 1) else 0.0
            if bar == 0:
                continue
            of_pair, order = pullback(bar), _order(j, k, n_leads)
            back = [order.index(i) for i in range(n_leads)]
            own = rebuild(of_pair.device, leads=tuple(of_pair.device.leads[i] for i in back))
            device_bar = own if device_bar is None else tree_map(_plus, device_bar, own)
            mu_bar[[j, k]] += of_pair.chemical_potentials
            kt_bar += of_pair.kt
        return TerminalCurrentsCotangent(device_bar, mu_bar, kt_bar)

    first_pair = found[0, 1][0] if found else 0.0
    return TerminalCurrents(first_pair, of_leads, terminal_currents_pullback)


def _order(j: int, k: int, n_leads: int) -> list[int]:
    """The leads, j and k first."""
    return [j, k, *(i for i in range(n_leads) if i not in (j, k))]


def _plus(x: Any, y: Any) -> Any:
    return x if y is None else x + y
