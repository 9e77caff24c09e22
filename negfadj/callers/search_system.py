"""From the checked job file of a fit or a design to the objective it describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..data import Device
from ..errors import InputError
from ..models import Structure, parameter_set, read_parameters, read_structure
from ..objectives import Objective
from ..typing import Array
from .design_file import DesignJob
from .design_goals import design_aims
from .fingerprint import fingerprint
from .fit_file import LEAST_SQUARES, FitJob
from .fit_targets import fit_aims
from .job_file import EnergiesSection, Job, wrong_line
from .job_system import JobSystem, build_system
from .search_aim import Aim
from .search_parameters import Varied, varied_numbers

N_SHOWN = 201  # energies of the spectra where the job names none
Tell = Callable[[Array, float], None]


@dataclass(frozen=True, eq=False)
class ToldObjective(Objective):
    """An objective that says what it has found: tell(x, value) after every evaluation an optimiser asks for."""

    tell: Tell | None = None

    def value_and_gradient(self, x: Any) -> tuple[float, Array]:
        """As of `Objective`."""
        found = super().value_and_gradient(x)
        if self.tell is not None:
            self.tell(np.array(x, dtype=np.float64), found[0])
        return found

    def residuals(self, x: Any) -> Array:
        """As of `Objective`."""
        found = super().residuals(x)
        if self.tell is not None:
            self.tell(np.array(x, dtype=np.float64), float(found @ found))
        return found


@dataclass(frozen=True, eq=False)
class Search:
    """What a fit or a design works on.

    Parameters
    ----------
    job : FitJob or DesignJob
    system : JobSystem or None
        The device at the start, and the energies of the spectra; None for a fit of bands alone.
    varied : Varied
    aims : tuple of Aim
    fingerprint : str
        SHA-256 of everything the objective depends on; a checkpoint of another job is refused by it.
    """

    job: FitJob | DesignJob
    system: JobSystem | None
    varied: Varied
    aims: tuple[Aim, ...]
    fingerprint: str

    @cached_property
    def objective(self) -> Objective:
        """The sum of the aims' terms over the parameters."""
        return self.telling(None)

    @property
    def is_least_squares(self) -> bool:
        """True where the method works on residuals."""
        return self.job.settings.search.method in LEAST_SQUARES

    def telling(self, tell: Tell | None) -> Objective:
        """The objective, which says what it has found."""
        return ToldObjective(self.varied.model, self.varied.parameters, [aim.term for aim in self.aims], tell=tell)

    def device(self, x: Array) -> Device | None:
        """The device at x; None where there is only a crystal."""
        if self.system is None:
            return None
        made = self.objective.subject(x)
        return made["device"] if isinstance(made, dict) else made  # type: ignore[no-any-return]

    def values(self, x: Array) -> list[list[Array]]:
        """The quantities of every aim at x."""
        made = self.objective.subject(x)
        return [[quantity(made) for quantity in aim.term.quantities] for aim in self.aims]

    def in_units(self, x: Array) -> Array:
        """The variables in the model's units: x times their scales, (n_variables,)."""
        return np.asarray(x) * self._scales

    @cached_property
    def _scales(self) -> Array:
        """dp/dx of every variable, s: Σ s² / Σ s over the entries that share it."""
        parameters = self.objective.parameters
        squares = parameters.gradient({p.name: p.scale for p in parameters.given})
        return np.asarray(squares / parameters.gradient({p.name: np.ones(p.scale.shape) for p in parameters.given}))


def build_search(job: FitJob | DesignJob) -> Search:
    """Read the files a job names and assemble its objective.

    Raises
    ------
    InputError and its kinds
        As `build_system`, `varied_numbers`, `fit_aims`.
    """
    settings = job.settings
    bulk = _bulk(job)
    system = None if settings.structure is None else _system(job, settings.energies or EnergiesSection(values=[0.0]))
    model = system.model if system is not None else _model(job)
    varied = varied_numbers(settings.parameter, _refusal(job), system, model, bulk)
    aims = design_aims(job) if isinstance(job, DesignJob) else fit_aims(job, varied.model, system)
    if system is not None and settings.energies is None:
        system = _system(job, _shown(aims))
    numbers = [(aim.grid, aim.target, aim.counted) for aim in aims]
    parts = settings.model_dump(mode="json", exclude={"title", "output", "search", "energies", "structure", "bulk"})
    device = None if system is None else (system.transport.device, system.onsite_energy, system.potential_energy)
    label = fingerprint(parts, numbers, device, model, bulk)
    return Search(job, system, varied, tuple(aims), label)


def _system(job: FitJob | DesignJob, energies: EnergiesSection) -> JobSystem:
    return build_system(Job(job.path, job.text, job.settings.transport(energies)))


def _shown(aims: Sequence[Aim]) -> EnergiesSection:
    """Energies of the spectra: those of the first target of a device, or an even grid over the targets' range."""
    grids = [aim.grid for aim in aims if aim.grid is not None and aim.grid.ndim == 1]
    if not grids:
        return EnergiesSection(start=-1.0, stop=1.0, count=N_SHOWN)
    return EnergiesSection(values=[float(e) for e in grids[0]])


def _bulk(job: FitJob | DesignJob) -> Structure | None:
    section = job.settings.bulk if isinstance(job, FitJob) else None
    if section is None:
        return None
    try:
        return read_structure(job.path.parent / section.file)
    except InputError as error:
        raise wrong_line(job.text, job.path, ("bulk", "file"), str(error)) from error


def _model(job: FitJob | DesignJob) -> Any:
    section = job.settings.model
    return parameter_set(section.name) if section.name is not None else read_parameters(job.path.parent / section.file)  # type: ignore[operator]


def _refusal(job: FitJob | DesignJob) -> Callable[[int, str, str], InputError]:
    def refusal(number: int, key: str, message: str) -> InputError:
        return wrong_line(job.text, job.path, ("parameter", number, key), f"[[parameter]] {number + 1}: {message}")

    return refusal
