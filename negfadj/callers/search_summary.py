"""What a search is about to do, and what it has found, in a few lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from .search_system import Search
from .summary import COMPLEX_BYTES, device_rows

MOST_NAMES = 6  # that a line has room for
MOST_ROWS = 20  # of variables in a table


def search_rows(search: Search) -> list[tuple[str, str]]:
    """Pairs (what, value): the device at the start, what varies, what for, and how it is searched."""
    section = search.job.settings.search
    rows = _crystal_rows(search) if search.system is None else device_rows(search.system)
    labels = search.varied.labels
    more = f" and {len(labels) - MOST_NAMES} more" if len(labels) > MOST_NAMES else ""
    rows.append(("variables", f"{len(labels)}: {', '.join(labels[:MOST_NAMES])}{more}"))
    for aim in search.aims:
        rows.append((aim.kind, f"{aim.label} ({aim.unit})" if aim.unit != "1" else aim.label))
    rows.append(("search", f"{section.method} to {section.tolerance:g}, at most {section.max_evaluations} evaluations"))
    return rows


def _crystal_rows(search: Search) -> list[tuple[str, str]]:
    """The crystal of a fit of bands alone: H(k), S(k) and the states of every momentum."""
    crystal = search.objective.subject(search.objective.x0)
    n_momenta = max(len(aim.grid) for aim in search.aims if aim.grid is not None)
    size = 3 * COMPLEX_BYTES * n_momenta * crystal.n_orbitals**2
    return [("crystal", f"{crystal.n_orbitals} orbitals"), ("memory", f"about {size / 2**20:.0f} MiB")]


def found_rows(dataset: Any) -> list[tuple[str, ...]]:
    """What was wanted, at the start and at the best point; then the variables."""
    first, last = float(dataset["history"].values[0]), float(dataset.attrs["best_value"])
    rows: list[tuple[str, ...]] = [("objective", f"{first:.6g}", f"{last:.6g}", "")]
    for name, unit, start, best in zip(*(dataset[key].values for key in ("aim", "aim_unit", "aim_start", "aim_best"))):
        rows.append((str(name), f"{start:.6g}", f"{best:.6g}", "" if unit == "1" else str(unit)))
    for name, least in zip(dataset["aim"].values, dataset["aim_least"].values):
        if least > 0:
            rows.append((f"… at least, with these leads' channels: {name}", "", f"{least:.6g}", ""))
    names, units = dataset["variable"].values, dataset["unit"].values
    for i in range(min(len(names), MOST_ROWS)):
        start, best = float(dataset["start"].values[i]), float(dataset["best"].values[i])
        bound = _bound(best, float(dataset["lower"].values[i]), float(dataset["upper"].values[i]))
        rows.append((str(names[i]), f"{start:.6g}", f"{best:.6g}", f"{units[i]}{bound}".removeprefix("1")))
    if len(names) > MOST_ROWS:
        rows.append((f"… and {len(names) - MOST_ROWS} more variables", "", "", ""))
    return rows


def ending(dataset: Any) -> str:
    """How the search ended, in a sentence."""
    said = "converged" if dataset.attrs["is_converged"] else "ended before its tolerance"
    return f"{said} after {dataset.attrs['n_evaluations']} evaluations: {dataset.attrs['message']}"


def _bound(value: float, lower: float, upper: float) -> str:
    for bound, name in ((lower, "lower"), (upper, "upper")):
        if np.isfinite(bound) and abs(value - bound) <= 1e-9 * max(1.0, abs(bound)):
            return f"  at its {name} bound"
    return ""
