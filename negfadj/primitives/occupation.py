"""The Fermi function, its energy window, and their derivatives with respect to chemical potential and temperature.

    f(x) = 1/(1 + e^x),   x = (E − μ)/kT,   −f'(x) = 1/(4 cosh²(x/2)) = s(x),   s'(x) = −s(x) tanh(x/2)

    ∂f/∂μ = s/kT,   ∂f/∂kT = x s/kT;      ∂(s/kT)/∂μ = −s'/kT²,   ∂(s/kT)/∂kT = −(s + x s')/kT²

Sources: Ashcroft and Mermin, Solid State Physics (1976), Eqs. (2.48), (2.59).
"""

from __future__ import annotations

from typing import NamedTuple

from ..array import array_namespace
from ..typing import Array

LARGEST = 700.0  # |x| past which e^x overflows; f and s are 0 or 1 to the last digit long before


class Weighted(NamedTuple):
    """A weight at every energy and chemical potential, (E, M), with its derivatives to μ and kT."""

    value: Array
    d_mu: Array
    d_kt: Array


def fermi(x: Array, /) -> Array:
    """f(x) = 1/(1 + e^x), without overflow."""
    xp = array_namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x > 0, small, xp.ones_like(small)) / (1 + small)  # f to full relative precision far above μ too


def fermi_window(x: Array, /) -> Array:
    """s(x) = −f'(x) = 1/(4 cosh²(x/2)), without overflow."""
    xp = array_namespace(x)
    return 0.25 / xp.cosh(xp.clip(x, -LARGEST, LARGEST) / 2) ** 2


def occupation(energies: Array, chemical_potentials: Array, kt: float, /) -> Weighted:
    """f at energies (E,) for chemical potentials (M,) [eV] at kT > 0 [eV]; a step function at kT = 0, whose derivatives
    are zero away from the step."""
    xp = array_namespace(energies)
    difference = energies[:, None] - chemical_potentials[None, :]
    if kt == 0:
        value = 0.5 - 0.5 * xp.sign(difference)
        return Weighted(value, xp.zeros_like(value), xp.zeros_like(value))
    x = difference / kt
    s = fermi_window(x)
    return Weighted(fermi(x), s / kt, x * s / kt)


def bias_window(energies: Array, sources: Array, drains: Array, kt: float, /) -> Array:
    """f(E − μ_s) − f(E − μ_d) at energies (E,) for pairs of chemical potentials (M,) [eV]: (E, M).

    As ±f_high (1 − f_low)(1 − e^−|μ_s − μ_d|/kT), without the cancellation of two numbers close to one.
    """
    xp = array_namespace(energies)
    if kt == 0:
        return occupation(energies, sources, kt).value - occupation(energies, drains, kt).value
    high, low = xp.maximum(sources, drains), xp.minimum(sources, drains)
    full = fermi((energies[:, None] - high[None, :]) / kt) * fermi((low[None, :] - energies[:, None]) / kt)
    size = -xp.expm1(-xp.clip((high - low) / kt, 0.0, LARGEST))
    return full * (xp.sign(sources - drains) * size)[None, :]


def thermal_moment(energies: Array, chemical_potentials: Array, kt: float, order: int, /) -> Weighted:
    """(E − μ)^n (−∂f/∂E) at energies (E,) for chemical potentials (M,) [eV] at kT > 0 [eV]: (E, M) [eV^(n−1)]."""
    xp = array_namespace(energies)
    difference = energies[:, None] - chemical_potentials[None, :]
    x = difference / kt
    s = fermi_window(x)
    s_prime = -s * xp.tanh(xp.clip(x, -LARGEST, LARGEST) / 2)
    power = difference**order
    lowered = order * difference ** (order - 1) if order > 0 else xp.zeros_like(power)
    return Weighted(power * s / kt, -lowered * s / kt - power * s_prime / kt**2, -power * (s + x * s_prime) / kt**2)
