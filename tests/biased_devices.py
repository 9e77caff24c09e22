"""Small devices for charge and the self-consistent loop."""

from __future__ import annotations

from typing import Any

import numpy as np

import negfadj as na

ONE = np.ones((1, 1))


def chain(n: int, onsite: np.ndarray | None = None) -> na.Device:
    energies = np.zeros(n) if onsite is None else onsite
    leads = tuple(na.Lead(0 * ONE, -ONE, block=k) for k in (0, -1))
    return na.Device(na.BlockTridiagonal([e * ONE for e in energies], [-ONE] * (n - 1)), leads)


def random_device(seed: int = 0, overlap: bool = True) -> na.Device:
    """Three blocks of unlike sizes between two unlike leads, with a common window of energies that conduct."""
    rng = np.random.default_rng(seed)

    def matrix(n: int, m: int, size: float) -> np.ndarray:
        return size * rng.normal(size=(n, m))

    def symmetric(n: int, size: float) -> np.ndarray:
        x = matrix(n, n, size)
        return (x + x.T) / 2

    sizes = (3, 2, 3)
    hamiltonian = na.BlockTridiagonal([symmetric(n, 0.6) for n in sizes], [matrix(3, 2, 0.6), matrix(2, 3, 0.6)])
    s = None
    if overlap:
        s = na.BlockTridiagonal(
            [np.eye(n) + symmetric(n, 0.02) for n in sizes], [matrix(3, 2, 0.03), matrix(2, 3, 0.03)]
        )
    leads = []
    for block, u in ((0, 0.1), (-1, -0.1)):
        of_overlap: dict[str, Any] = {}
        if overlap:
            of_overlap = {
                "overlap_onsite": np.eye(3) + symmetric(3, 0.02),
                "overlap_hopping": matrix(3, 3, 0.02),
                "overlap_coupling": matrix(3, 3, 0.02),
            }
        leads.append(
            na.Lead(
                symmetric(3, 0.3),
                np.eye(3) + matrix(3, 3, 0.2),
                coupling=matrix(3, 3, 0.6),
                block=block,
                potential_energy=u,
                **of_overlap,
            )
        )
    return na.Device(hamiltonian, tuple(leads), s)
