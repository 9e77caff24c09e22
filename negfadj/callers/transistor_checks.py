"""The checks made on every transistor job's results."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..constants import BOLTZMANN
from ..physics.charge import charge
from ..physics.self_consistent import self_consistent
from .checks import Check
from .transistor_run import device_at, map_states
from .transistor_system import TransistorSystem

STEP = 1e-3  # V, the longer of the two steps of the difference quotient


def check_transistor(system: TransistorSystem, dataset: Any) -> list[Check]:
    """Every check that applies to the results of a transistor job.

    Parameters
    ----------
    system : TransistorSystem
    dataset : xarray.Dataset
        As `run_transistor` returns it.

    Returns
    -------
    list of Check
    """
    on, off = map_states(system)[1], map_states(system)[0]
    return [
        *check_stored_transistor(dataset, system.job.settings.numerics.tolerance),
        Check("step between a lead and the end of the device, in V", _end_steps(system, dataset), 0.02),
        Check("total charge of the tube, its donors and the metals, in e", _gauss(system, dataset), 1e-9),
        Check("charge with source or drain as equilibrium lead: difference, in e", _choices(system, dataset, on), 1e-4),
        _gradient_check(system, dataset, on, "on"),
        _gradient_check(system, dataset, off, "off"),
    ]


def check_stored_transistor(dataset: Any, tolerance: float) -> list[Check]:
    """The checks for which the results file is enough; `tolerance` [V] is the job's."""
    currents = dataset["current"].values
    signs = np.sign(dataset["drain_voltage"].values)[:, None]
    return [
        Check("largest residual of a self-consistent potential, in V", float(dataset["residual"].max()), tolerance),
        Check("largest relative residual of an adjoint solve", float(dataset["adjoint_residual"].max()), 1e-8),
        Check("currents against the drain voltage", float(np.sum(currents * signs < 0)), 0.0),
    ]


def _end_steps(system: TransistorSystem, dataset: Any) -> float:
    """Largest |φ_end − φ_lead| over all points."""
    potential = dataset["potential"].values
    drain = dataset["drain_voltage"].values[:, None]
    level = -system.lead.potential_energy
    return float(max(np.abs(potential[..., 0] - level).max(), np.abs(potential[..., -1] - level - drain).max()))


def _gauss(system: TransistorSystem, dataset: Any) -> float:
    """Charge of the tube and the metals together in the on-state: no flux leaves the grid."""
    drain, gate = map_states(system)[1]
    at = dataset.sel(drain_voltage=drain, gate_voltage=gate)
    q = at["charge"].values
    metals = system.gated(float(gate)).conductor_charges(q, -system.chemical_potentials(float(drain)))
    return float(abs(np.sum(q) + np.sum(metals)))


def _choices(system: TransistorSystem, dataset: Any, state: Any) -> float:
    drain, gate = (float(v) for v in state)
    potential = dataset["potential"].sel(drain_voltage=drain, gate_voltage=gate).values
    options = system.options(drain)
    found = charge(
        device_at(system, potential, drain),
        options["chemical_potentials"],
        temperature=options["temperature"],
        spin_degeneracy=options["spin_degeneracy"],
        error=options["error"],
        max_energies=options["max_energies"],
    )
    return float(np.max(np.bincount(system.sites, found.error)))


def _gradient_check(system: TransistorSystem, dataset: Any, state: Any, name: str) -> Check:
    """dI/dV_g by the adjoint against a Richardson difference quotient of converged solutions."""
    drain, gate = (float(v) for v in state)
    at = dataset.sel(drain_voltage=drain, gate_voltage=gate)
    slope = float(at["current_gradient"].values[0])

    def current(voltage: float) -> float:
        options = system.options(drain) | {"initial": at["potential"].values, "tolerance": 1e-9}
        return float(self_consistent(system.device, system.gated(voltage), **options).current)

    def quotient(step: float) -> float:
        return (current(gate + step) - current(gate - step)) / (2 * step)

    extrapolated = (4 * quotient(STEP / 2) - quotient(STEP)) / 3
    # where the current hardly depends on the gate, thermal slopes set the scale
    scale = max(abs(slope), 0.05 * abs(float(at["current"])) / (BOLTZMANN * system.job.settings.voltages.temperature))
    error = abs(slope - extrapolated) / scale
    return Check(f"|dI/dV_gate − difference quotient| / |dI/dV_gate|, {name}-state", error, 1e-4)
