"""Brute-force NEGF–Poisson of a chain: dense inverses, a trapezoidal contour, charges and images summed one by one.

Nothing of negfadj is used. Orthogonal chain, one orbital a site, leads the same chain with their own on-site energies.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import fsolve
from scipy.special import erf

KB = 8.617333262145179e-5
COULOMB = 14.3996454784


def lead_self_energy(z: np.ndarray, onsite: float, hopping: float) -> np.ndarray:
    """t² g(z) of a semi-infinite chain, the root with |t g| < 1 (at real z the retarded one)."""
    w = (z - onsite) / (2 * hopping)
    root = np.sqrt(w - 1 + 0j) * np.sqrt(w + 1 + 0j)
    first, second = w - root, w + root
    return hopping * np.where(np.abs(first) < np.abs(second), first, second)


def inverse(z: np.ndarray, h: np.ndarray, shifts: np.ndarray, hopping: float) -> tuple[np.ndarray, list[np.ndarray]]:
    sigmas = [lead_self_energy(z, u, abs(hopping)) for u in shifts]
    n = len(h)
    a = z[:, None, None] * np.eye(n) - h
    a[:, 0, 0] -= sigmas[0]
    a[:, n - 1, n - 1] -= sigmas[1]
    return np.linalg.inv(a), sigmas


def fermi(e: np.ndarray, mu: float, kt: float) -> np.ndarray:
    return 1 / (1 + np.exp((e - mu) / kt))


def electrons(potential: np.ndarray, mus: np.ndarray, kt: float, hopping: float, bottom: float) -> np.ndarray:
    """n, both spins: with lead 0 in equilibrium, a rectangle in the complex plane, then the window on the real axis."""
    n = len(potential)
    h = np.diag(-potential) + hopping * (np.eye(n, k=1) + np.eye(n, k=-1))
    shifts, mu = mus, mus[0]

    def line(a: complex, b: complex, m: int) -> tuple[np.ndarray, np.ndarray]:
        x, w = np.polynomial.legendre.leggauss(m)
        return a + (b - a) * (x + 1) / 2, w * (b - a) / 2

    # −(1/π) Im ∫ f G dz = −(1/π) Im [contour above the first Matsubara poles] − 2 kT Re Σ of the poles below it
    n_poles = 12
    height, top = 2 * np.pi * kt * n_poles, mu + 45 * kt
    total = np.zeros(n, dtype=complex)
    for part in (line(bottom, bottom + 1j * height, 80), line(bottom + 1j * height, top + 1j * height, 400)):
        z, w = part
        g = inverse(z, h, shifts, hopping)[0]
        f = 1 / (1 + np.exp((z - mu) / kt))
        total += (w * f) @ np.diagonal(g, axis1=1, axis2=2)
    poles = mu + 1j * np.pi * kt * (2 * np.arange(n_poles) + 1)
    g = inverse(poles, h, shifts, hopping)[0]
    # closing the contour: ∫_real = ∫_above + 2πi Σ Res, Res f = −kT
    total += 2j * np.pi * (-kt) * np.sum(np.diagonal(g, axis1=1, axis2=2), axis=0)
    found = -total.imag / np.pi
    # lead 1 fills what it injects with its own f; between breaks E = a + (b − a) s²(3 − 2s)
    low, high = min(mus) - 40 * kt, max(mus) + 40 * kt
    edges = [low, high, *mus, *(u + s * 2 * abs(hopping) for u in shifts for s in (-1, 1))]
    edges = sorted({e for e in edges if low <= e <= high})
    for a, b in zip(edges, edges[1:]):
        x, w = np.polynomial.legendre.leggauss(160)
        s = (x + 1) / 2
        e, weight = a + (b - a) * s**2 * (3 - 2 * s), w / 2 * (b - a) * 6 * s * (1 - s)
        g, sigmas = inverse(e + 1e-13j, h, shifts, hopping)
        gamma = -2 * sigmas[1].imag
        injected = gamma[:, None] * np.abs(g[:, :, -1]) ** 2 / (2 * np.pi)
        found += (weight * (fermi(e, mus[1], kt) - fermi(e, mus[0], kt))) @ injected
    return 2 * found


def plates_matrix(positions: np.ndarray, width: float, distance: float, images: int = 20_000) -> np.ndarray:
    """Potential of Gaussian charges between grounded plates at 0 and `distance`, every image by itself [V/e]."""
    n = len(positions)
    p = np.zeros((n, n))
    k = np.arange(-images, images + 1)

    def kernel(r: np.ndarray) -> np.ndarray:
        r = np.abs(r)
        return np.where(r < 1e-12, 1 / (width * np.sqrt(np.pi)), erf(r / (2 * width)) / np.maximum(r, 1e-12))

    there = 2 * k * distance
    for i in range(n):
        for j in range(n):  # both signs of k together: what is left beyond falls as 1/k²
            p[i, j] = np.sum(kernel(positions[i] - positions[j] + there) - kernel(positions[i] + positions[j] + there))
    return COULOMB * p


def solve(
    positions: np.ndarray,
    width: float,
    distance: float,
    bias: float,
    temperature: float,
    hopping: float,
    neutral: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """φ and q of the chain between plates at −bias/2 (source) and +bias/2."""
    kt, mus = KB * temperature, np.array([bias / 2, -bias / 2])
    p = plates_matrix(positions, width, distance)
    linear = -bias / 2 + bias * positions / distance

    def residual(phi: np.ndarray) -> np.ndarray:
        return phi - p @ (neutral - electrons(phi, mus, kt, hopping, -12.0)) - linear

    phi, _, _, message = fsolve(residual, linear, xtol=1e-13, full_output=True)
    assert np.abs(residual(phi)).max() < 1e-10, message
    return phi, neutral - electrons(phi, mus, kt, hopping, -12.0)
