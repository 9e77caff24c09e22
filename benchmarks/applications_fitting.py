"""Fits: the 5-2 junction to the 7-4 junction's T(E), a disordered junction and a two-centre model to their own data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "examples")]

import fit_junction  # noqa: E402
import fit_two_centre  # noqa: E402
from fitting_cases import adnegf_junction, recovered_junction  # noqa: E402

import negfadj as na  # noqa: E402


def rows(repeats: int) -> Iterator[Row]:
    """The published fit and its bound; then what is recovered, of one draw in a quick run and of three else."""
    yield from published_fit()
    draws = range(1 if repeats < 7 else 3)
    junctions = [(case.found, case.error) for case in map(recovered_junction, draws)]
    yield from recovered("disordered 5-2 junction, 59 numbers", junctions)
    models = [(found, error) for _, found, error in map(fit_two_centre.fitted, draws)]
    yield from recovered("two-centre model 10 % off, 7 numbers", models)


def recovered(label: str, fits: list[tuple[na.Optimum, float]]) -> Iterator[Row]:
    """The worst of several draws."""
    yield Row(f"{label}: largest error", float(max(error for _, error in fits)), "", 1e-6)
    yield Row(f"{label}: residual, sum of squares", max(f.best_value for f, _ in fits), "", None)
    yield Row(f"{label}: evaluations and Jacobians", max(f.evaluations + f.gradients for f, _ in fits), "", None)


def published_fit() -> Iterator[Row]:
    """AD-NEGF's problem on its own matrices: 0.5265 at the start, 0.191 there by a non-Hermitian H."""
    device, energies, target, eta = adnegf_junction()
    reachable = fit_junction.attainable(device, target, energies)

    def error(found: na.Device) -> float:
        return float(np.mean(np.abs(na.transmission(found, energies, eta=eta) - target)))

    bound = float(np.mean(target - reachable))
    objective = fit_junction.objective(device, target, energies)
    found = na.fit(objective, max_evaluations=40)
    best = error(objective.subject(found.best_x))
    label = "5-2 junction fitted to a 7-4 junction"
    yield Row(f"{label}: mean |T - target| at the start", error(device), "", None)
    yield Row(f"{label}: bound of any Hermitian H", bound, "", None)
    yield Row(f"{label}: mean |T - target|", best, "", None)
    yield Row(f"{label}: over its bound", best / bound, "", 1.02)
    yield Row(f"{label}: evaluations and Jacobians of T(E)", found.evaluations + found.gradients, "", 300)
