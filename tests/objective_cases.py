"""Small devices to build objectives on, and gradients by extrapolated differences to compare with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import negfadj as na


def chain_device(n: int = 10, seed: int = 0, disorder: float = 0.2) -> na.Device:
    """A disordered chain of n sites, one a block, between clean leads with hopping −1."""
    rng = np.random.default_rng(seed)
    diagonal = [np.array([[e]]) for e in rng.normal(0, disorder, n)]
    upper = [np.array([[-1 + disorder * t]]) for t in rng.normal(0, 0.5, n - 1)]
    onsite, hopping = np.array([[0.0]]), np.array([[-1.0]])
    leads = (na.Lead(onsite, hopping, block=0), na.Lead(onsite, hopping, block=-1))
    return na.Device(na.BlockTridiagonal(diagonal, upper), leads)


def ragged_device(seed: int = 0, is_complex: bool = True) -> na.Device:
    """Blocks of 2, 3 and 2 orbitals between leads of two orbitals a cell."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        x = rng.normal(size=shape)
        return x + 1j * rng.normal(size=shape) if is_complex else x

    sizes = (2, 3, 2)
    diagonal = [(x + x.conj().T) / 2 for x in (draw(m, m) for m in sizes)]
    upper = [draw(a, b) for a, b in zip(sizes, sizes[1:])]
    onsite = draw(2, 2)
    leads = [na.Lead((onsite + onsite.conj().T) / 2, draw(2, 2) + 2 * np.eye(2), block=k) for k in (0, -1)]
    return na.Device(na.BlockTridiagonal(diagonal, upper), tuple(leads))


def differences(f: Callable[[np.ndarray], np.ndarray | float], x: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """df/dx, the last axis along x, by central differences at three steps, extrapolated: error O(h⁶)."""

    def along(e: np.ndarray) -> np.ndarray:
        d = [(np.asarray(f(x + h * e)) - np.asarray(f(x - h * e))) / (2 * h) for h in (step, step / 2, step / 4)]
        first = [(4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3]
        return (16 * first[1] - first[0]) / 15

    return np.stack([along(e) for e in np.eye(len(x))], axis=-1)
