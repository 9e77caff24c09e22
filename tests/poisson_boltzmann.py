"""Poisson–Boltzmann's equation on a chain, dense, with its exact derivatives: a fixed point for tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chain:
    """F(φ; ρ) = L φ + κ² sinh φ − ρ with L the second difference, ends grounded; κ² is `screening`."""

    n_sites: int = 50
    screening: float = 0.3

    @property
    def laplacian(self) -> np.ndarray:
        n = self.n_sites
        return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)

    @property
    def doping(self) -> np.ndarray:
        return np.where(np.arange(self.n_sites) < self.n_sites // 2, 4.0, -6.0)

    def residual(self, phi: np.ndarray, doping: np.ndarray) -> np.ndarray:
        return self.laplacian @ phi + self.screening * np.sinh(phi) - doping

    def jacobian(self, phi: np.ndarray) -> np.ndarray:
        return self.laplacian + self.screening * np.diag(np.cosh(phi))

    def fixed_point_map(self, phi: np.ndarray, doping: np.ndarray) -> np.ndarray:
        """g(φ) = (L + κ²)⁻¹ (ρ − κ² sinh φ + κ² φ): the Poisson equation with the linear screening taken over."""
        matrix = self.laplacian + self.screening * np.eye(self.n_sites)
        return np.linalg.solve(matrix, doping - self.screening * (np.sinh(phi) - phi))

    def solution(self, doping: np.ndarray) -> np.ndarray:
        """By dense Newton steps, damped, to rounding."""
        phi = np.arcsinh(doping / self.screening)
        for _ in range(100):
            step = np.linalg.solve(self.jacobian(phi), -self.residual(phi, doping))
            phi = phi + min(1.0, 1.0 / np.abs(step).max()) * step
        assert np.abs(self.residual(phi, doping)).max() < 1e-12
        return phi
