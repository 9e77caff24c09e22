"""The potential energy at which a lead holds a given number of electrons: a doped lead with neutral cells.

    N = g ∫ dk/2π Σ_n f(E_n(k) + U − μ)

The integrand is periodic in k, so equidistant values of k converge exponentially; they are doubled until N stands
still. Where kT is so small that this takes too many, intervals of k are halved where a band passes μ until f is smooth
in each (Kronrod's 15 points), for the level found last, until N stands still again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..array import rebuild, to_numpy
from ..constants import BOLTZMANN
from ..data import Lead
from ..errors import ConvergenceError, InputError, InputTypeError
from ..primitives.occupation import occupation
from .bands import bands
from .energy_integral import real_host
from .quadrature import KRONROD_WEIGHTS, NODES

FEWEST, MOST = 64, 1 << 12  # equidistant values of k
MOST_STEPS = 100
MOST_TURNS = 20  # of intervals and level
SMOOTH = 2.0  # kT: an interval in which a band changes by less has a smooth f
REACH = 40.0  # kT around the level where f is neither 0 nor 1
MOST_HALVINGS = 50


@dataclass(frozen=True)
class NeutralLead:
    """U of a neutral lead and how it follows what it depends on.

    Parameters
    ----------
    potential_energy : float
        U [eV], all of it: what the lead had before is part of it.
    by_electrons : float
        dU/dN [eV].
    by_chemical_potential : float
        dU/dμ = 1.
    by_temperature : float
        dU/dT [eV/K].
    """

    potential_energy: float
    by_electrons: float
    by_chemical_potential: float
    by_temperature: float


def neutral_lead(
    lead: Lead, electrons: float, *, chemical_potential: float = 0.0, temperature: float, spin_degeneracy: float = 2.0
) -> NeutralLead:
    """The potential energy at which a cell of a lead holds so many electrons.

    Give it to the lead (`Lead.potential_energy`) and −U/e is the potential at which its neutral cells are; an undoped
    device continues into them with the built-in potential between the two.

    Parameters
    ----------
    lead : Lead
        Its own potential energy is not counted.
    electrons : float
        N [electrons per lead cell], both spins: between 0 and spin_degeneracy × orbitals of the cell.
    chemical_potential : float
        μ [eV] of the lead at no bias.
    temperature : float
        T [K], positive.
    spin_degeneracy : float
        g; times the number of equal chains for one chain of many.

    Returns
    -------
    NeutralLead

    Raises
    ------
    InputError, InputTypeError
        For a number of electrons that the bands cannot hold, a temperature that is not positive.
    ConvergenceError
        When the level does not stand still, whatever the values of k: raise the temperature.
    """
    if not isinstance(lead, Lead):
        raise InputTypeError(f"lead is a {type(lead).__name__}; pass a negfadj.Lead.")
    number, mu, kelvin = (
        float(real_host(x, name))
        for x, name in (
            (electrons, "electrons"),
            (chemical_potential, "chemical_potential"),
            (temperature, "temperature"),
        )
    )
    capacity = spin_degeneracy * lead.n_orbitals
    if not 0 < number < capacity:
        raise InputError(
            f"electrons={number:g} but a cell of the lead holds between 0 and {capacity:g}; the lead would be no "
            "conductor."
        )
    if not kelvin > 0:
        raise InputError(f"temperature={kelvin} must be positive [K].")
    bare, kt = rebuild(lead, potential_energy=0.0), kelvin * BOLTZMANN
    wanted, levels = number / spin_degeneracy, list[float]()
    for energies, weights in _samples(bare, kt, levels):
        # in a gap N hardly moves with the level: what has to stand still is N
        is_last = bool(levels) and abs(_filling(energies, weights, levels[-1], kt)[0] - wanted) < 1e-13 * capacity
        level = _level(energies, weights, wanted, kt)
        levels.append(level)
        if is_last:
            _, d_mu, d_kt = _filling(energies, weights, level, kt)
            return NeutralLead(mu - level, -1 / (spin_degeneracy * d_mu), 1.0, d_kt / d_mu * BOLTZMANN)
    raise ConvergenceError(
        f"the neutrality level of the lead still moves after {MOST_TURNS} choices of k; raise the temperature "
        f"({kelvin:g} K)."
    )


def _samples(lead: Lead, kt: float, levels: Sequence[float]) -> Iterator[tuple[Any, Any]]:
    """Energies (K, n) and weights (K,) of more and more values of k, in the end those made for the level found last."""
    n_momenta = FEWEST
    while n_momenta <= MOST:
        yield to_numpy(bands(lead, host.arange(n_momenta) / n_momenta)), host.full(n_momenta, 1 / n_momenta)
        n_momenta *= 2
    for _ in range(MOST_TURNS):
        yield _around(lead, kt, levels[-1])


def _around(lead: Lead, kt: float, level: float) -> tuple[Any, Any]:
    """Energies and weights of values of k that are dense where a band passes the level."""
    low = host.arange(FEWEST) / FEWEST
    high, fine = low + 1 / FEWEST, []
    for _ in range(MOST_HALVINGS):
        k = host.stack([low, (low + high) / 2, high])
        at = host.reshape(to_numpy(bands(lead, host.reshape(k, (-1,)))), (*k.shape, -1))  # (3, intervals, n)
        least, most = host.min(at, axis=0), host.max(at, axis=0)
        change = most - least
        crosses = (least - change <= level + REACH * kt) & (most + change >= level - REACH * kt)
        coarse = host.any(crosses & (change > SMOOTH * kt), axis=1)
        fine.append((low[~coarse], high[~coarse]))
        if not host.any(coarse):
            break
        middle = k[1][coarse]
        low, high = host.concat([low[coarse], middle]), host.concat([middle, high[coarse]])
    low, high = (host.concat(ends) for ends in zip(*fine))
    half = (high - low)[:, None] / 2
    momenta = (low + high)[:, None] / 2 + half * NODES[None, :]
    return to_numpy(bands(lead, host.reshape(momenta, (-1,)))), host.reshape(half * KRONROD_WEIGHTS[None, :], (-1,))


def _filling(energies: Any, weights: Any, level: float, kt: float) -> tuple[float, float, float]:
    """Electrons of a cell per spin, and their derivatives by the level and by kT."""
    f = occupation(host.reshape(energies, (-1,)), host.asarray([level]), kt)
    value, d_mu, d_kt = (
        float(weights @ host.sum(host.reshape(x, energies.shape), axis=1)) for x in (f.value, f.d_mu, f.d_kt)
    )
    return value, d_mu, d_kt


def _level(energies: Any, weights: Any, number: float, kt: float) -> float:
    """The chemical potential of so many electrons: Newton's steps kept in a bracket that shrinks."""
    low, high = float(host.min(energies)) - 50 * kt, float(host.max(energies)) + 50 * kt
    while _filling(energies, weights, low, kt)[0] > number:
        low -= 50 * kt
    while _filling(energies, weights, high, kt)[0] < number:
        high += 50 * kt
    level = (low + high) / 2
    for _ in range(MOST_STEPS):
        value, slope, _ = _filling(energies, weights, level, kt)
        low, high = (level, high) if value < number else (low, level)
        step = (number - value) / slope if slope > 0 else float("inf")
        there = level + step
        if not low < there < high:
            there = (low + high) / 2
        if abs(there - level) <= 4e-16 * max(1.0, abs(level)):
            return there
        level = there
    return level
