"""The devices whose speed is measured: wires and ribbons with disorder, and dense blocks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import negfadj as na

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from ribbons import BOND, armchair_ribbon

WIRE_LAYERS, RIBBON_CELLS, DISORDER = 50, 30, 0.25
WIRE_ENERGIES = np.linspace(0.2, 7.8, 50) + 0.013  # the band is 0 … 8
RIBBON_ENERGIES = np.linspace(-2.9, 2.9, 50) + 0.013  # the band is −3 … 3


def wire(n: int, n_layers: int = WIRE_LAYERS, dtype: type = float) -> na.Device:
    """A square lattice, hopping −1, on-site 4 + uniform disorder in ±0.25, between clean leads of its own width."""
    return _between_clean_leads(4 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1), -np.eye(n), n_layers, dtype)


def ribbon(n: int, n_cells: int = RIBBON_CELLS) -> na.Device:
    """An armchair graphene ribbon of n atoms a cell, hopping −1, uniform on-site disorder in ±0.25, clean leads."""
    positions = armchair_ribbon(n // 2, 2).positions
    near = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    hoppings = np.where((near > 0.1) & (near < 1.1 * BOND), -1.0, 0.0)
    return _between_clean_leads(hoppings[:n, :n], hoppings[:n, n:], n_cells, float)


def _between_clean_leads(onsite: np.ndarray, hopping: np.ndarray, n_layers: int, dtype: type) -> na.Device:
    n, rng = len(onsite), np.random.default_rng(0)
    layers = [(onsite + np.diag(rng.uniform(-DISORDER, DISORDER, n))).astype(dtype) for _ in range(n_layers)]
    onsite, hopping = onsite.astype(dtype), hopping.astype(dtype)
    leads = (na.Lead(onsite, hopping.T.copy(), block=0), na.Lead(onsite, hopping, block=-1))
    return na.Device(na.BlockTridiagonal(layers, [hopping] * (n_layers - 1)), leads)


def dense(n: int, n_layers: int = WIRE_LAYERS, *, is_complex: bool = False) -> na.Device:
    """Dense layers and hoppings, every one its own, real or complex."""
    rng = np.random.default_rng(0)

    def hopping() -> np.ndarray:
        x = rng.normal(size=(n, n)) / np.sqrt(n)
        return x + 1j * rng.normal(size=(n, n)) / np.sqrt(n) if is_complex else x

    def onsite() -> np.ndarray:
        x = hopping()
        return (x + x.conj().T) / 2

    hamiltonian = na.BlockTridiagonal([onsite() for _ in range(n_layers)], [hopping() for _ in range(n_layers - 1)])
    return na.Device(hamiltonian, (na.Lead(onsite(), hopping(), block=0), na.Lead(onsite(), hopping(), block=-1)))
