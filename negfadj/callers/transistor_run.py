"""Run a transistor job: every pair of voltages self-consistently with its gradient, then the maps of two states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import negfadj

from ..data import Device
from ..errors import InputError
from ..physics.potential import device_in_potential
from ..typing import Array
from .curves import solved_by_sweep, subthreshold_swing
from .results import check_writable, write_dataset
from .sweep import Progress, sweep
from .transistor_results import QUANTITIES, make_transistor_dataset
from .transistor_system import TransistorSystem

SMALL_BLOCK = 256  # orbitals: up to here BLAS threads cost more than they bring
N_ENERGIES = 501  # of the maps
MAP_BROADENING = 2e-3  # eV, of the maps' local density of states: makes bound states visible


def run_transistor(
    system: TransistorSystem, path: str | Path, *, resume: bool = False, progress: Progress | None = None
) -> Any:
    """Compute the transfer curves with their gradients and write the results file.

    Every point that is done is kept beside the results at once, so that a killed run goes on with the point it was at.

    Parameters
    ----------
    system : TransistorSystem
    path : path of the results file
        Its folder is made when it is not there.
    resume : bool
        Go on from the checkpoint.
    progress : function (n_done, n_points) -> None, optional

    Returns
    -------
    xarray.Dataset
        What was written.

    Raises
    ------
    InputError
        When there is no checkpoint to go on from, or it belongs to another job, or the results cannot be written.
    ConvergenceError
        When a point is not reached, neither from its neighbour nor in steps; the checkpoint holds those before it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path)
    checkpoint = transistor_checkpoint(path)
    if resume and not checkpoint.is_file():
        raise InputError(f"there is no checkpoint {str(checkpoint)!r} to go on from; run the job without --resume.")
    if not resume:
        checkpoint.unlink(missing_ok=True)
    with threadpool_limits(limits=1 if max(system.device.hamiltonian.block_sizes) <= SMALL_BLOCK else None):
        found = sweep(
            lambda point, initial: _evaluate_apart(system, point, initial),
            system.points,
            checkpoint=checkpoint,
            label=system.fingerprint,
            progress=progress,
        )
        states = map_states(system)
        energies = map_energies(system)
        quantities = _on_grid(system, found)
        made = [_map(system, quantities, state, energies) for state in states]
    maps = {name: np.stack([one[name] for one in made]) for name in made[0]}
    dataset = make_transistor_dataset(system, quantities, maps, energies, states)
    write_dataset(dataset, path)
    checkpoint.unlink(missing_ok=True)
    return dataset


def evaluate(system: TransistorSystem, point: Array, initial: Array | None) -> dict[str, Any]:
    """The quantities at (V_d, V_g), as `transistor_results.QUANTITIES` names them."""
    drain, gate = (float(v) for v in point)
    solution, pullback = solved_by_sweep(system.device, system.gated(gate), system.options(drain), initial)
    bar = pullback(current=1.0)
    gradient = system.parameters_bar(bar)
    return {
        "current": solution.current,
        "current_gradient": gradient,
        "subthreshold_swing": subthreshold_swing(solution.current, gradient[0]),
        "potential": solution.potential,
        "charge": solution.charge,
        "residual": solution.residual,
        "newton_steps": solution.iterations,
        "krylov_products": solution.krylov_products,
        "charge_evaluations": solution.evaluations,
        "adjoint_products": bar.krylov_products,
        "adjoint_residual": bar.residual,
    }


def _evaluate_apart(system: TransistorSystem, point: Array, initial: Array | None) -> dict[str, Any]:
    """`evaluate` for the sweep, which continues the potential without the known share of the drain's metal."""
    applied = float(point[0]) * system.drain_share
    found = evaluate(system, point, None if initial is None else initial + applied)
    return found | {"potential": found["potential"] - applied}


def map_states(system: TransistorSystem) -> Array:
    """(V_d, V_g) [V] of the off- and the on-state: the largest drain voltage, computed gate voltages."""
    settings = system.job.settings
    gate = settings.voltages.gate()
    wanted = [
        gate[0] if settings.output.off is None else settings.output.off,
        gate[-1] if settings.output.on is None else settings.output.on,
    ]
    return np.array([(settings.voltages.drain[-1], gate[np.argmin(np.abs(gate - v))]) for v in wanted])


def map_energies(system: TransistorSystem) -> Array:
    """From below the drain's valence band to above the source's conduction band [eV]."""
    drain = system.job.settings.voltages.drain[-1]
    centre = system.lead.potential_energy
    low = min(centre, -centre) - system.gap / 2 - max(drain, 0.0) - 0.25
    high = max(centre, -centre) + system.gap / 2 + max(-drain, 0.0) + 0.15
    return np.linspace(max(low, -1.4), min(high, 1.0), N_ENERGIES)


def device_at(system: TransistorSystem, potential: Array, drain: float) -> Device:
    """The device in a self-consistent potential, its leads shifted by the drain voltage."""
    return device_in_potential(system.device, -potential[system.sites], system.chemical_potentials(drain))


def transistor_checkpoint(path: str | Path) -> Path:
    """Where the finished points of a run are kept: results.nc → results.partial.npz."""
    path = Path(path)
    return path.with_name(f"{path.stem}.partial.npz")


def _on_grid(system: TransistorSystem, found: dict[str, Array]) -> dict[str, Array]:
    """(n_points, …) → (n_drain, n_gate, …) with rising gate voltages."""
    voltages = system.job.settings.voltages
    shape = (len(voltages.drain), voltages.gate_count)
    applied = system.points[:, :1] * system.drain_share
    whole = found | {"potential": found["potential"] + applied}
    return {name: whole[name].reshape(*shape, *whole[name].shape[1:])[:, ::-1] for name in QUANTITIES}


def _map(system: TransistorSystem, quantities: dict[str, Array], state: Array, energies: Array) -> dict[str, Array]:
    voltages = system.job.settings.voltages
    d = int(np.argmin(np.abs(np.array(voltages.drain) - state[0])))
    g = int(np.argmin(np.abs(voltages.gate() - state[1])))
    device = device_at(system, quantities["potential"][d, g], float(state[0]))
    options: dict[str, Any] = {"eta": MAP_BROADENING, "lead_method": "decimation"}
    local = negfadj.local_density_of_states(device, energies, device_eta=MAP_BROADENING, **options)
    rings = np.zeros((len(energies), len(system.positions)))
    for orbital, ring in enumerate(system.sites):
        rings[:, ring] += local[:, orbital]
    return {
        "local_density_of_states": system.spin_degeneracy * rings,
        "transmission": system.spin_degeneracy / 2 * negfadj.transmission(device, energies, **options),
    }
