"""The potential energy at which a lead holds a given number of electrons: a doped lead with neutral cells.

    N = g ∫ dk/2π Σ_n f(E_n(k) + U − μ)

The integrand is periodic in k, so equidistant values of k converge exponentially; they are doubled until N stands
still.
"""

from __future__ import annotations

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

FEWEST, MOST = 64, 1 << 16  # values of k
MOST_STEPS = 100


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
        When the number of electrons depends on k so sharply that 65,536 of them are not enough: raise the temperature.
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
    n_momenta, last = FEWEST, None
    while n_momenta <= MOST:
        energies = to_numpy(bands(bare, host.arange(n_momenta) / n_momenta))
        # in a gap N hardly moves with the level: what has to stand still is N
        wanted = number / spin_degeneracy
        is_last = last is not None and abs(_filling(energies, last, kt)[0] - wanted) < 1e-13 * capacity
        level = _level(energies, wanted, kt)
        if is_last:
            _, d_mu, d_kt = _filling(energies, level, kt)
            slope = spin_degeneracy * d_mu
            by_temperature = d_kt / d_mu * BOLTZMANN
            return NeutralLead(mu - level, -1 / slope, 1.0, by_temperature)
        n_momenta, last = 2 * n_momenta, level
    raise ConvergenceError(
        f"the neutrality level of the lead still moves with {MOST} values of k; raise the temperature ({kelvin:g} K)."
    )


def _filling(energies: Any, level: float, kt: float) -> tuple[float, float, float]:
    """Electrons of a cell per spin, and their derivatives by the level and by kT."""
    f = occupation(host.reshape(energies, (-1,)), host.asarray([level]), kt)
    n_momenta = energies.shape[0]
    return tuple(float(host.sum(x)) / n_momenta for x in (f.value, f.d_mu, f.d_kt))


def _level(energies: Any, number: float, kt: float) -> float:
    """The chemical potential of so many electrons: Newton's steps kept in a bracket that shrinks."""
    low, high = float(host.min(energies)) - 50 * kt, float(host.max(energies)) + 50 * kt
    while _filling(energies, low, kt)[0] > number:
        low -= 50 * kt
    while _filling(energies, high, kt)[0] < number:
        high += 50 * kt
    level = (low + high) / 2
    for _ in range(MOST_STEPS):
        value, slope, _ = _filling(energies, level, kt)
        low, high = (level, high) if value < number else (low, level)
        step = (number - value) / slope if slope > 0 else float("inf")
        there = level + step
        if not low < there < high:
            there = (low + high) / 2
        if abs(there - level) <= 4e-16 * max(1.0, abs(level)):
            return there
        level = there
    return level
