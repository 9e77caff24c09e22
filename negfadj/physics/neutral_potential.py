"""A potential to start from: every site's charge that of the device shifted rigidly by the site's own potential.

    φ = P [n⁰ − N(μ + φ)] + φ_ext,      N_i(μ): electrons of site i with the whole device, leads and all, at μ

The nonlinear screened Poisson equation of Thomas and Fermi, with the device's own local density of states in place of
the free electrons'. It is neutral wherever screening is strong, follows the gates where there are no carriers, and has
one solution: N_i rises with μ, and P is symmetric and positive. Out of equilibrium a site takes the chemical potential
of the lead that is nearest in blocks, as if the current did not mix them.

N is found at few energies of a coarse ladder in μ, in equilibrium (poles alone), and is linear between the rungs: it is
a guess, and the loop needs no more.

Sources: docs/adjoints/self-consistent.md.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as host

from ..array import to_numpy
from ..errors import ConvergenceError, InputError
from ..implicit import FixedPointError, newton_krylov
from .charge import charge_problem
from .self_consistent_problem import SelfConsistentProblem

RUNG = 0.2  # eV
REACH = 4.0  # eV: N stays what it is there beyond ±REACH
OCCUPATION_ERROR = 1e-3
TOLERANCE = 1e-3  # V


def neutral_potential(problem: SelfConsistentProblem) -> Any:
    """The potential of the local model, (n_sites,) [V].

    Parameters
    ----------
    problem : SelfConsistentProblem

    Returns
    -------
    host array, shape (n_sites,)
        The best one met, should the model not converge, and 0 where the electrons of a rung cannot be found: it is a
        guess in any case, and what is wrong with the problem itself shows in the loop.
    """
    ladder = _Ladder(problem)
    local = _nearest_chemical_potentials(problem) - problem.fermi_energy

    def residual_with_jvp(potential: Any) -> tuple[Any, Any]:
        electrons, slopes = ladder.electrons(host.clip(local + potential, -REACH, REACH))
        residual = potential - problem.field(problem.neutral - electrons)
        return residual, lambda v: v + problem.screening(slopes * v)

    start = host.zeros(problem.electrostatics.n_sites)
    try:
        return newton_krylov(residual_with_jvp, start, tolerance=TOLERANCE, max_step=0.5).x
    except FixedPointError as failure:
        return failure.x
    except (ConvergenceError, InputError):  # of a rung
        return start


class _Ladder:
    """N_i at rungs k·RUNG above E_F, found when they are asked for."""

    def __init__(self, problem: SelfConsistentProblem) -> None:
        self._problem = problem
        self._rungs: dict[int, Any] = {}

    def electrons(self, levels: Any) -> tuple[Any, Any]:
        """N_i and dN_i/dμ ≥ 0 at a level [eV] of every site, counted from E_F."""
        below = host.astype(host.floor(levels / RUNG), host.int64)
        electrons, slopes = host.zeros(len(levels)), host.zeros(len(levels))
        for k in host.unique(below).tolist():
            here = below == k
            low, high = self._rung(k)[here], self._rung(k + 1)[here]
            electrons[here] = low + (high - low) * (levels[here] / RUNG - k)
            slopes[here] = host.maximum(high - low, 0.0) / RUNG
        return electrons, slopes

    def _rung(self, k: int) -> Any:
        if k not in self._rungs:
            problem = self._problem
            found = [
                charge_problem(
                    sector.device,
                    problem.fermi_energy + k * RUNG,
                    temperature=problem.temperature,
                    equilibrium=0,
                    spin_degeneracy=problem.spin_degeneracy,
                    eta=problem.eta,
                    device_eta=problem.device_eta,
                    lead_method=problem.lead_method,
                    backend=None,
                    memory_limit=problem.memory_limit,
                    error=OCCUPATION_ERROR,
                    lowest=problem.lowest,
                    max_energies=problem.max_energies,
                    needs_reservoirs=False,  # far below the bands a device is empty, far above full
                ).charge()
                for sector in problem.sectors
            ]
            self._rungs[k] = problem.electrons(host.concat([to_numpy(one.populations) for one in found]))
        return self._rungs[k]


def _nearest_chemical_potentials(problem: SelfConsistentProblem) -> Any:
    """μ [eV] of the lead whose block is nearest, the mean of equally near ones, (n_sites,)."""
    of_orbitals = []
    for sector in problem.sectors:
        sizes, leads = sector.device.hamiltonian.block_sizes, sector.device.leads
        ends = host.asarray([lead.block % len(sizes) for lead in leads])
        distance = host.abs(host.arange(len(sizes))[:, None] - ends[None, :])  # (blocks, leads)
        nearest = distance == host.min(distance, axis=1, keepdims=True)
        of_blocks = nearest @ problem.mus / host.sum(nearest, axis=1)
        of_orbitals.append(host.repeat(of_blocks, host.asarray(sizes)))
    counted = problem.of_sites(host.ones(len(problem.sites)))
    total = problem.of_sites(host.concat(of_orbitals))
    return host.where(counted > 0, total / host.maximum(counted, 1.0), problem.fermi_energy)
