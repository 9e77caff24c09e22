"""The checks made on every job's results: identities of physics, residuals, and the gradient against differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import negfadj

from ..array import rebuild
from ..data import Device
from ..typing import Array
from .job_system import JobSystem
from .results import DONE

STEP = 2e-3  # eV, the longer of the two steps of the difference quotient


@dataclass(frozen=True)
class Check:
    """One check: it passes when `value` is at most `limit`."""

    name: str
    value: float
    limit: float

    @property
    def is_passed(self) -> bool:
        """True when the value is at most the limit; NaN fails."""
        return bool(self.value <= self.limit)


def check_results(system: JobSystem, dataset: Any) -> list[Check]:
    """Every check that applies to the results of a job.

    Parameters
    ----------
    system : JobSystem
    dataset : xarray.Dataset
        As `run_job` returns it; failed energies are left out.

    Returns
    -------
    list of Check
    """
    return [*check_stored_results(dataset), _gradient_check(system, _done(dataset))]


def check_stored_results(dataset: Any) -> list[Check]:
    """The checks for which the results file of a transport job is enough."""
    done = _done(dataset)
    if not done.sizes["energy"]:
        return [Check("failed energies", float(dataset.sizes["energy"]), 0.0)]
    values = {name: variable.values for name, variable in done.data_vars.items()}
    transmission, density = values["transmission"], values["density_of_states"]
    local_sum = values["local_density_of_states"].sum(axis=-1)
    checks = [
        Check("failed energies", float(dataset.sizes["energy"] - done.sizes["energy"]), 0.0),
        Check("largest residual of the leads' surface functions", values["surface_residual"].max(), 1.5e-8),
        Check("negative transmission", max(0.0, -transmission.min()), 1e-9),
    ]
    if dataset.attrs["lead_eta_eV"] == 0:  # with a broadened lead there is no sharp number of channels
        excess = transmission - values["open_channels"].min(axis=-1)
        checks.append(Check("transmission above the number of open channels", max(0.0, excess.max()), 1e-7))
    difference = np.abs(transmission - values["reverse_transmission"]).max()
    return [
        *checks,
        Check("|T(0→1) − T(1→0)|", difference, 1e-7),
        Check("negative density of states [1/eV]", max(0.0, -density.min()), 1e-9),
        Check("|Σ LDOS − DOS| / (1/eV + DOS)", (np.abs(local_sum - density) / (1 + np.abs(density))).max(), 1e-9),
    ]


def _done(dataset: Any) -> Any:
    return dataset.isel(energy=np.flatnonzero(dataset["status"].values == DONE))


def _gradient_check(system: JobSystem, done: Any) -> Check:
    """dT/dV along a random direction against a Richardson difference quotient, at an energy of typical sensitivity."""
    sensitivity = done["transmission_sensitivity"].values
    size = np.linalg.norm(sensitivity, axis=-1)
    at = int(np.argsort(size)[len(size) // 2])
    direction = np.random.default_rng(0).normal(size=sensitivity.shape[-1])
    direction /= np.linalg.norm(direction)
    energy = done["energy"].values[at : at + 1]
    leads = system.job.settings.leads

    def quotient(step: float) -> float:
        forward, backward = (
            negfadj.transmission(
                _shifted(system, sign * step * direction), energy, eta=leads.eta, lead_method=leads.method
            )[0]
            for sign in (1, -1)
        )
        return float(forward - backward) / (2 * step)

    extrapolated = (4 * quotient(STEP / 2) - quotient(STEP)) / 3
    error = abs(float(sensitivity[at] @ direction) - extrapolated)
    return Check(f"|dT/dV − difference quotient| / |dT/dV| at {energy[0]:.3f} eV", error / max(size[at], 1e-6), 1e-4)


def _shifted(system: JobSystem, per_atom: Array) -> Device:
    """The device with its on-site energies changed by one energy [eV] per atom."""
    device, per_orbital = system.transport.device, per_atom[system.transport.atoms]
    hamiltonian = device.hamiltonian
    spans = zip(hamiltonian.offsets[:-1], hamiltonian.offsets[1:])
    diagonal = tuple(block + np.diag(per_orbital[a:b]) for block, (a, b) in zip(hamiltonian.diagonal, spans))
    return rebuild(device, hamiltonian=rebuild(hamiltonian, diagonal=diagonal))  # type: ignore[no-any-return]
