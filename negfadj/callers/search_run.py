"""Run a fit or a design: search from the start, or from the best point of an interrupted run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import negfadj

from ..data import Device
from ..errors import ConvergenceError, InputError
from ..objectives import Optimum, fit, minimize
from ..typing import Array
from .job_run import SMALL_BLOCK
from .results import check_writable, write_dataset
from .search_aim import Aim
from .search_checkpoint import Met, read_checkpoint, search_checkpoint, write_checkpoint
from .search_results import Spectra, make_search_dataset
from .search_system import Search

Progress = Callable[[int, int, float], None]


def run_search(search: Search, path: str | Path, *, resume: bool = False, progress: Progress | None = None) -> Any:
    """Search, and write the results file.

    The values met and the best point are kept beside the results after every evaluation.

    Parameters
    ----------
    search : Search
    path : path of the results file
        Its folder is made when it is not there.
    resume : bool
        Go on from the best point of the checkpoint.
    progress : function (n_evaluations, most_evaluations, best_value) -> None, optional

    Returns
    -------
    xarray.Dataset
        What was written. The checkpoint stays where the search ended before its method's tolerance, so that it can go
        on with more evaluations.

    Raises
    ------
    InputError
        When there is no checkpoint to go on from, it belongs to another job or has used all its evaluations, or the
        results cannot be written; and what `minimize` and `fit` refuse.
    OptimisationError
        When a step leads where the objective has no value; the checkpoint holds the best point.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    check_writable(path)
    checkpoint = search_checkpoint(path)
    met = read_checkpoint(checkpoint, search.fingerprint) if resume else Met()
    left = search.job.settings.search.max_evaluations - len(met.values)
    if left < 1:
        raise InputError(
            f"all {len(met.values)} evaluations of search.max_evaluations are used up; raise it to go on from "
            f"{str(checkpoint)!r}."
        )
    if not resume:
        checkpoint.unlink(missing_ok=True)
    with search_threads(search):
        found = _searched(search, met, left, checkpoint, progress or (lambda n, most, best: None))
        start, best = (spectra(search, x) for x in (search.objective.x0, met.best_x))
        dataset = make_search_dataset(search, found, met, start, best)
    write_dataset(dataset, path)
    if found.success:
        checkpoint.unlink(missing_ok=True)
    return dataset


def spectra(search: Search, x: Array) -> Spectra:
    """Quantities of the aims, and T(E) and the density of states of the device, at x; NaN where a lead is singular."""
    device = search.device(x)
    values = search.values(x)
    numbers = np.array([aim.number(v) for aim, v in zip(search.aims, values)])
    if device is None or search.system is None:
        return Spectra(values, numbers, np.zeros(len(numbers)), None, None, None)
    leads = search.system.job.settings.leads
    options: dict[str, Any] = {"eta": leads.eta, "lead_method": leads.method}

    def at(energies: Array) -> Array:
        channels = [negfadj.open_channels(device, energies, lead=k) for k in range(2)]
        return np.stack(
            [
                negfadj.transmission(device, energies, **options),
                negfadj.density_of_states(device, energies, **options),
                np.min(channels, axis=0),
            ]
        )

    least = np.array([_least(aim, device, leads.eta) for aim in search.aims])
    return Spectra(values, numbers, least, *_wherever_possible(at, search.system.energies))


def _least(aim: Aim, device: Device, eta: float) -> float:
    """The mean |T − target| that stays with these leads: T ≤ open channels, where they are sharp."""
    if aim.quantity != "transmission" or aim.target is None or eta > 0:
        return 0.0
    channels = np.min([negfadj.open_channels(device, aim.grid, lead=k) for k in range(2)], axis=0)
    return float(np.mean(np.maximum(aim.target - channels, 0.0)))


def _wherever_possible(at: Callable[[Array], Array], energies: Array) -> Array:
    """at(energies), with NaN at those that fail."""
    try:
        return at(energies)
    except ConvergenceError:
        if len(energies) == 1:
            return np.full((3, 1), np.nan)
        half = len(energies) // 2
        return np.concatenate([_wherever_possible(at, part) for part in (energies[:half], energies[half:])], axis=1)


def _searched(search: Search, met: Met, left: int, checkpoint: Path, progress: Progress) -> Optimum:
    section, most = search.job.settings.search, search.job.settings.search.max_evaluations
    start = search.objective.x0 if met.best_x is None else met.best_x
    last: list[bytes] = []

    def tell(x: Array, value: float) -> None:
        if last != [x.tobytes()]:  # the start is asked for twice, by the check for idle parameters
            last[:] = [x.tobytes()]
            met.add(x, value)
            write_checkpoint(checkpoint, search.fingerprint, met)
        progress(len(met.values), most, min(met.values))

    objective = search.telling(tell)
    if search.is_least_squares:
        return fit(objective, x0=start, method=section.method, tolerance=section.tolerance, max_evaluations=left)  # type: ignore[arg-type]
    return minimize(objective, x0=start, method=section.method, tolerance=section.tolerance, max_evaluations=left)


def search_threads(search: Search) -> AbstractContextManager[Any]:
    """A context with as many BLAS threads as pay for blocks of this size."""
    device: Device | None = None if search.system is None else search.system.transport.device
    sizes = () if device is None else device.hamiltonian.block_sizes
    is_small = max(sizes, default=0) <= SMALL_BLOCK
    return threadpool_limits(limits=1, user_api="blas") if is_small else nullcontext()
