"""Structures with closed forms, for the tests: graphene ribbons and chains along x."""

from __future__ import annotations

import numpy as np

from negfadj.models import Structure

BOND = 1.42  # Å


def armchair_ribbon(n_lines: int, n_cells: int, bond: float = BOND) -> Structure:
    """Armchair ribbon with `n_lines` dimer lines, cells of 3 bonds along x, in the xy plane."""
    line = np.arange(n_lines)
    starts = np.where(line % 2 == 0, 0.0, 1.5 * bond)
    cell = np.array(
        [(start + k * bond, j * np.sqrt(3) / 2 * bond, 0.0) for j, start in zip(line, starts) for k in (0, 1)]
    )
    return _repeat(cell, 3 * bond, n_cells)


def zigzag_ribbon(n_chains: int, n_cells: int, bond: float = BOND) -> Structure:
    """Zigzag ribbon with `n_chains` zigzag chains, cells of √3 bonds along x, in the xy plane."""
    period = np.sqrt(3) * bond
    cell = []
    for j in range(n_chains):
        y, shift = 1.5 * bond * j, 0.0 if j % 2 == 0 else period / 2
        cell += [(shift, y, 0.0), ((shift + period / 2) % period, y + 0.5 * bond, 0.0)]
    return _repeat(np.array(cell), period, n_cells)


def chain(n_atoms: int, spacing: float = 1.0) -> Structure:
    """Carbon atoms in a row along x."""
    return _repeat(np.zeros((1, 3)), spacing, n_atoms)


def _repeat(cell: np.ndarray, period: float, n_cells: int) -> Structure:
    shifts = np.arange(n_cells)[:, None, None] * np.array([period, 0.0, 0.0])
    positions = (cell[None] + shifts).reshape(-1, 3)
    return Structure(("C",) * len(positions), positions)
