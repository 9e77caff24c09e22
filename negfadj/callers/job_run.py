"""Run a job over its energies: batch by batch, with a checkpoint when it is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import negfadj

from ..errors import ConvergenceError, InputError
from ..typing import Array
from .job_system import JobSystem
from .lead_bands import with_lead_bands
from .residuals import surface_residual
from .results import (
    DONE,
    FAILED,
    NOT_COMPUTED,
    check_writable,
    checkpoint_path,
    empty_quantities,
    make_dataset,
    quantities_of,
    read_dataset,
    write_dataset,
)

STEPS = 50  # of the progress bar, about
LARGEST_BATCH = 16
CHECKPOINT_SECONDS = 120.0
SMALL_BLOCK = 256  # orbitals: up to here BLAS threads cost more than they bring, tenfold on a busy machine

Progress = Callable[[int, int], None]


def run_job(system: JobSystem, path: str | Path, *, resume: bool = False, progress: Progress | None = None) -> Any:
    """Compute every quantity at every energy and write the results file.

    Whatever ends the run early (Ctrl-C, an error) leaves the finished energies in a checkpoint beside the results; it
    is written every two minutes as well. An energy at which a lead or the device is singular (a band edge) is marked
    as failed and the run goes on.

    Parameters
    ----------
    system : JobSystem
    path : path of the results file
        Its folder is made when it is not there.
    resume : bool
        Go on from the checkpoint.
    progress : function (n_done, n_energies) -> None, optional
        Called after every batch.

    Returns
    -------
    xarray.Dataset
        What was written.

    Raises
    ------
    InputError
        When there is no checkpoint to go on from, or it belongs to another job, or the results cannot be written.
    ConvergenceError
        When no energy at all could be computed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path)
    quantities = _checkpoint(system, path) if resume else empty_quantities(system)
    report = progress or (lambda n_done, n_energies: None)
    try:
        _fill(
            system, quantities, report, lambda: write_dataset(make_dataset(system, quantities), checkpoint_path(path))
        )
    except BaseException:
        if np.any(quantities["status"] != NOT_COMPUTED):
            write_dataset(make_dataset(system, quantities), checkpoint_path(path))
        raise
    with blas_threads(system):
        dataset = with_lead_bands(make_dataset(system, quantities), system)
    write_dataset(dataset, path)
    checkpoint_path(path).unlink(missing_ok=True)
    return dataset


def evaluate(system: JobSystem, energies: Array) -> dict[str, Array]:
    """Every quantity of `results.QUANTITIES` at some energies, with energies leading.

    Raises
    ------
    ConvergenceError
        When a lead or the device is singular at one of them.
    """
    leads = system.job.settings.leads
    device, to_atoms = system.transport.device, system.transport.to_atoms
    options: dict[str, Any] = {"eta": leads.eta, "lead_method": leads.method}
    channels = [negfadj.open_channels(device, energies, lead=k) for k in range(2)]
    residuals = [surface_residual(lead, energies, eta=leads.eta, method=leads.method) for lead in device.leads]
    return {
        "transmission": negfadj.transmission(device, energies, **options),
        "reverse_transmission": negfadj.transmission(device, energies, source=1, drain=0, **options),
        "open_channels": np.stack(channels, axis=-1),
        "density_of_states": negfadj.density_of_states(device, energies, **options),
        "local_density_of_states": to_atoms(negfadj.local_density_of_states(device, energies, **options)),
        "transmission_sensitivity": to_atoms(negfadj.transmission_sensitivity(device, energies, **options)),
        "surface_residual": np.stack(residuals, axis=-1),
    }


def _fill(system: JobSystem, quantities: dict[str, Array], report: Progress, save: Callable[[], None]) -> None:
    status = quantities["status"]
    n_energies = len(system.energies)
    report(int(np.sum(status != NOT_COMPUTED)), n_energies)
    saved = time.monotonic()
    for batch in batches(n_energies):
        if np.all(status[batch] != NOT_COMPUTED):
            continue
        with blas_threads(system):
            computed = _computed(system, batch)
        for part, values in computed:
            for name, value in values.items():
                quantities[name][part] = value
            status[part] = DONE if values else FAILED
        report(int(np.sum(status != NOT_COMPUTED)), n_energies)
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save()
            saved = time.monotonic()
    if not np.any(status == DONE):
        evaluate(system, system.energies[:1])  # raises, with the reason
        raise ConvergenceError("no energy could be computed.", energies=system.energies.tolist())


def blas_threads(system: JobSystem) -> AbstractContextManager[Any]:
    """A context with as many BLAS threads as pay for blocks of this size."""
    device = system.transport.device
    largest = max(*device.hamiltonian.block_sizes, *(2 * lead.n_orbitals for lead in device.leads))
    return threadpool_limits(limits=1, user_api="blas") if largest <= SMALL_BLOCK else nullcontext()


def batches(n_energies: int) -> Iterator[slice]:
    """The same batches whether the job was interrupted or not, so that the results are the same to the last bit."""
    size = max(1, min(LARGEST_BATCH, n_energies // STEPS))
    for start in range(0, n_energies, size):
        yield slice(start, min(start + size, n_energies))


def _computed(system: JobSystem, batch: slice) -> list[tuple[slice, dict[str, Array]]]:
    """The batch's quantities; energy by energy, with nothing for those that fail, when the batch as a whole fails."""
    try:
        return [(batch, evaluate(system, system.energies[batch]))]
    except ConvergenceError:
        if batch.stop - batch.start == 1:
            return [(batch, {})]
        single = [slice(i, i + 1) for i in range(batch.start, batch.stop)]
        return [item for one in single for item in _computed(system, one)]


def _checkpoint(system: JobSystem, path: Path) -> dict[str, Array]:
    checkpoint = checkpoint_path(path)
    if not checkpoint.is_file():
        raise InputError(f"there is no checkpoint {str(checkpoint)!r} to go on from; run the job without --resume.")
    dataset = read_dataset(checkpoint)
    if dataset.attrs.get("job_fingerprint") != system.fingerprint:
        raise InputError(
            f"checkpoint {str(checkpoint)!r} belongs to another job: the job file, the structure or the model "
            "has changed since. "
            "Undo the change, or run the job without --resume."
        )
    return quantities_of(dataset)
