"""One picture of a results file, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .figures import save_figure
from .plots import (
    lead_bands_figure,
    local_density_figure,
    plot_density_of_states,
    plot_transmission,
    sensitivity_figure,
    single_figure,
    write_pictures,
)
from .plots_search import search_figure, search_pictures, write_search_pictures
from .result_file import job_of
from .results import DONE
from .transistor_plots import (
    charge_figure,
    convergence_figure,
    gradient_figure,
    states_figure,
    transfer_figure,
    write_transistor_pictures,
)

Draw = Callable[[Any], Any]


def pictures_of(dataset: Any) -> dict[str, Draw]:
    """The pictures that a Dataset has, by name, each with the function that draws it."""
    kind = job_of(dataset)
    if kind == "nanotube-transistor":
        return {
            "transfer": transfer_figure,
            "transmission": states_figure,
            "ldos": states_figure,
            "charge": charge_figure,
            "sensitivity": gradient_figure,
            "convergence": convergence_figure,
        }
    if kind in ("fit", "design"):
        return {name: _search_picture(name) for name in search_pictures(dataset)}
    found: dict[str, Draw] = {
        "transmission": lambda d: single_figure(d, plot_transmission),
        "dos": lambda d: single_figure(d, plot_density_of_states),
        "ldos": local_density_figure,
        "sensitivity": sensitivity_figure,
    }
    return found | ({"bands": lead_bands_figure} if "bands_0" in dataset else {})


def draw_picture(dataset: Any, what: str, path: Path) -> None:
    """Draw one picture of a Dataset to a file.

    Raises
    ------
    InputError
        For a picture that these results do not have, or where no energy is computed.
    MissingDependencyError
        When matplotlib is not installed.
    """
    pictures = pictures_of(dataset)
    if what not in pictures:
        there = ', '.join(pictures)
        raise InputError(f"the results of a {job_of(dataset)} job have no picture {what!r}; they have {there}.")
    if "status" in dataset and not np.any(dataset["status"].values == DONE):
        raise InputError("the results hold no computed energy; there is nothing to draw.")
    save_figure(pictures[what](dataset), path)


def draw_all(dataset: Any, stem: Path) -> list[Path]:
    """Draw the pictures that the job itself draws at its end."""
    kind = job_of(dataset)
    if kind == "nanotube-transistor":
        return write_transistor_pictures(dataset, stem)
    return (write_search_pictures if kind in ("fit", "design") else write_pictures)(dataset, stem)


def at_energies(dataset: Any, energies: Sequence[float]) -> Any:
    """The Dataset with other energies of the maps than its job asked for.

    Raises
    ------
    InputError
        For an energy outside of those computed, or results that have no maps at energies of choice.
    """
    if "local_density_of_states" not in dataset or job_of(dataset) != "transport":
        raise InputError("--energy is for the maps of a transport job's results.")
    low, high = float(dataset["energy"].min()), float(dataset["energy"].max())
    for energy in energies:
        if not low <= energy <= high:
            raise InputError(f"--energy {energy:g}: the results hold energies from {low:g} to {high:g} eV.")
    return dataset.assign_attrs(map_energies_eV=np.array(energies, dtype=np.float64))


def _search_picture(name: str) -> Draw:
    return lambda dataset: search_figure(dataset, name)
