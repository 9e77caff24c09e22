"""Systems built with Kwant: T of negfadj beside `kwant.smatrix`, the gradient to parameters beside differences of T.

Kwant needs an environment of its own. Where it cannot be imported, `.ci/kwant_environment` makes one in .venv-kwant and
this file runs there; where that cannot be made the reason is printed and the rows are left out.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row

import negfadj as na
from negfadj.models.from_kwant import from_kwant, from_kwant_vjp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import kwant_systems

ROOT = Path(__file__).resolve().parents[1]

BAR, GRADIENT_BAR, STEP = 1e-8, 1e-7, 1e-3


def rows() -> Iterator[Row]:
    """A row per system for T of all pairs of leads, and one for the gradient to all of its parameters."""
    if importlib.util.find_spec("kwant") is not None:
        yield from _rows_here()
        return
    folder = ROOT / ".venv-kwant"
    made = subprocess.run([ROOT / ".ci" / "kwant_environment", folder], stderr=subprocess.PIPE, text=True)
    if made.returncode != 0:
        print(made.stderr.strip(), file=sys.stderr)
        return
    found = subprocess.run([folder / "bin" / "python", __file__], stdout=subprocess.PIPE, text=True, check=True)
    for line in found.stdout.splitlines():
        yield Row(**json.loads(line))


def _rows_here() -> Iterator[Row]:
    import kwant

    for name, make in kwant_systems.CASES.items():
        case = make(kwant)
        n_leads = len(case.system.leads)
        yield Row(f"T(E), Kwant: {name}, {n_leads} terminals: |ΔT|/(1 + T)", _deviation(kwant, case), "1", BAR)
        yield Row("  its gradient to parameters beside differences of T", _gradient_error(case), "1", GRADIENT_BAR)


def _deviation(kwant: object, case: kwant_systems.KwantCase) -> float:
    found = na.transmission_matrix(from_kwant(case.system, params=case.params).device, np.array(case.energies))
    leads = range(len(case.system.leads))
    worst = 0.0
    for energy, matrix in zip(case.energies, found):
        scattering = kwant.smatrix(case.system, energy, params=case.params)  # type: ignore[attr-defined]
        expected = np.array([[scattering.transmission(i, j) for j in leads] for i in leads])
        worst = max(worst, float(np.max(np.abs(matrix - expected) / (1 + expected))))
    return worst


def _gradient_error(case: kwant_systems.KwantCase) -> float:
    energies, rng = np.array(case.energies), np.random.default_rng(0)
    found, pullback = from_kwant_vjp(case.system, params=case.params, names=case.names)
    gradient = pullback(na.transmission_vjp(found.device, energies)[1](np.ones(len(energies))).device)
    worst = 0.0
    for name in case.names:
        value = np.asarray(case.params[name], dtype=float)
        direction = rng.standard_normal(value.shape)

        def total(h: float) -> float:
            moved = value + h * direction  # noqa: B023
            params = {**case.params, name: moved if moved.ndim else float(moved)}  # noqa: B023
            return float(na.transmission(from_kwant(case.system, params=params).device, energies).sum())

        first, second, third = ((total(h) - total(-h)) / (2 * h) for h in (STEP, STEP / 2, STEP / 4))
        expected = (16 * (4 * third - second) / 3 - (4 * second - first) / 3) / 15
        worst = max(worst, abs(float(np.sum(gradient[name] * direction)) / expected - 1))
    return worst


if __name__ == "__main__":
    for row in _rows_here():
        fields = {"case": row.case, "value": row.value, "unit": row.unit, "bar": row.bar, "at_least": row.at_least}
        print(json.dumps(fields))
