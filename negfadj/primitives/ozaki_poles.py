"""Ozaki's poles: the Fermi function from the continued fraction of the hyperbolic tangent, as the reference.

    f(x) ≈ 1/2 + Σ_p [ρ_p/(ζ_p − x) + c.c.],   ζ_p = i/λ_p,   ρ_p = (v_p)₁²/(4 λ_p²),   x = (E − μ)/kT

λ_p > 0 and v_p are eigenvalues and eigenvectors of the symmetric tridiagonal matrix B with B_kk = 0 and

    B_{k,k+1} = 1/(2 √((2k − 1)(2k + 1))),   k = 1 … 2P − 1

The poles nearest to the real axis are Matsubara's, ζ = iπ(2p − 1) and ρ = 1, to the last digit. P grows as the square
root of the largest |x|: for an error of 1e-8 it is 48 at |x| = 1000, where `fermi_poles` has 14, and 896 against 25 at
348 000. The constant 1/2 multiplies S⁻¹ in the density matrix.

Sources: T. Ozaki, Phys. Rev. B 75, 035123 (2007); C. Karrasch, V. Meden and K. Schönhammer, Phys. Rev. B 82, 125114
(2010), for the symmetric matrix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import array_api_compat.numpy as host

from ..array import eigh
from ..errors import InputError
from ..typing import Array
from .fermi_poles import FermiPoles, checked_levels, place
from .occupation import fermi

CHECK_SPACING = 0.05  # of the dense check, in kT: the error varies over kT near the ends of its interval


def ozaki_poles(
    chemical_potential: Any, kt: Any, /, *, n_poles: int, lowest: float, highest: float, like: Array | None = None
) -> FermiPoles:
    """Ozaki's P poles at μ and kT > 0 [eV], with the error they have between `lowest` and `highest` [eV].

    Parameters
    ----------
    chemical_potential, kt : float
        μ and kT > 0 [eV].
    n_poles : int
        P ≥ 1. The work is that of an eigenproblem of size 2P.
    lowest, highest : float
        The ends of the spectrum [eV]: the error is the largest on a grid of energies kT/20 apart between them.
    like : array, optional
        As in `fermi_poles`.

    Returns
    -------
    FermiPoles
        With constant 1/2; its derivatives are those of `fermi_poles_tangent`.

    Raises
    ------
    InputError
        For kT ≤ 0, P < 1, highest ≤ lowest, or numbers that are not finite.
    """
    mu, temperature, bottom = checked_levels(chemical_potential, kt, lowest)
    top = checked_levels(chemical_potential, kt, highest)[2]
    if isinstance(n_poles, bool) or not isinstance(n_poles, int) or n_poles < 1:
        raise InputError(f"n_poles={n_poles!r} must be an integer of at least 1.")
    if not top > bottom:
        raise InputError(f"highest={top:g} eV must lie above lowest={bottom:g} eV.")
    zeta, rho = ozaki(n_poles)
    error = _largest_error(zeta, rho, (bottom - mu) / temperature, (top - mu) / temperature)
    return place(zeta, rho, 0.5, mu, temperature, lowest=bottom, highest=top, error=error, like=like)


@lru_cache(maxsize=32)
def ozaki(n_poles: int, /) -> tuple[Any, Any]:
    """ζ (P,) and ρ (P,) of the continued fraction, from the smallest |ζ| on."""
    k = host.arange(1, 2 * n_poles, dtype=host.float64)
    matrix = host.zeros((2 * n_poles, 2 * n_poles))
    rows = host.arange(2 * n_poles - 1)
    matrix[rows, rows + 1] = matrix[rows + 1, rows] = 0.5 / host.sqrt((2 * k - 1) * (2 * k + 1))
    values, vectors = eigh(matrix)
    values, first = values[n_poles:][::-1], vectors[0, n_poles:][::-1]  # positive ones, the largest first
    return 1j / values, first**2 / (4 * values**2) + 0j


def _largest_error(zeta: Any, rho: Any, x_low: float, x_high: float) -> float:
    """max |f − r| on [x_low, x_high], by pieces of bounded memory."""
    largest = 0.0
    n_points = max(2, int((x_high - x_low) / CHECK_SPACING) + 2)
    grid = host.linspace(x_low, x_high, n_points)
    piece = max(1, 2_000_000 // zeta.shape[0])
    for start in range(0, n_points, piece):
        x = grid[start : start + piece]
        r = 0.5 + 2 * host.sum(host.real(rho[None, :] / (zeta[None, :] - x[:, None])), axis=1)
        largest = max(largest, float(host.max(host.abs(r - fermi(x)))))
    return largest
