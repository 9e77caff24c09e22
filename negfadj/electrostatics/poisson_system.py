"""Poisson's equation on a network with every conductor at a given voltage: A u = s on the free nodes.

The matrix is factorised once. It is symmetric, and so the transpose of `solve` is `solve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ..typing import Array
from .conductance_network import ConductanceNetwork
from .linear_solver import LinearSolver


@dataclass(frozen=True, eq=False)
class PoissonSystem:
    """The Laplacian of all nodes, and the solver of the unknown ones.

    Without a conductor the charges must add up to 0 and the potential has no zero of its own. Then s is made neutral by
    a uniform background, and u has the mean 0: A⁺ = Πᵀ A_g⁻¹ Π with Π = 1 − v 1ᵀ/V, v the control volumes and A_g the
    matrix with one node grounded.

    Parameters
    ----------
    network : ConductanceNetwork
    laplacian : sparse array, (n_nodes, n_nodes)
    unknown : array, int
        Numbers of the nodes to solve for.
    solver : LinearSolver
        Of the rows and columns of those nodes.
    """

    network: ConductanceNetwork
    laplacian: sp.csr_array
    unknown: Array
    solver: LinearSolver

    @property
    def is_floating(self) -> bool:
        """True when no conductor fixes the potential."""
        return bool(np.all(self.network.body < 0))

    @cached_property
    def _volume_shares(self) -> Array:
        volumes = self.network.grid.volumes.ravel()
        return volumes / volumes.sum()

    def solve(self, source: Array) -> Array:
        """u (n_nodes,) [V] of charges s (n_nodes,) [e] with every conductor at 0 V; charges in metal have no effect."""
        u = np.zeros(len(source))
        if self.is_floating:
            source = source - self._volume_shares * source.sum()
        if len(self.unknown):
            u[self.unknown] = self.solver.solve(source[self.unknown])
        if self.is_floating:
            u -= self._volume_shares @ u
        return u

    def solve_with_voltages(self, source: Array, voltages: Array) -> Array:
        """u (n_nodes,) [V] with the conductors at the given voltages (n_conductors,)."""
        fixed = self.spread_voltages(voltages)
        return fixed + self.solve(source - self.laplacian @ fixed)

    def spread_voltages(self, voltages: Array) -> Array:
        """Each conductor's voltage on its nodes, 0 on the free ones."""
        return np.append(voltages, 0.0)[self.network.body]  # body −1, free, takes the 0 at the end

    def sum_over_conductors(self, on_nodes: Array) -> Array:
        """The transpose of `spread_voltages`, (n_conductors,)."""
        body = self.network.body
        n_conductors = int(body.max()) + 1
        return np.bincount(body[body >= 0], weights=on_nodes[body >= 0], minlength=n_conductors)
