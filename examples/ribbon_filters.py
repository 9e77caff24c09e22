"""A graphene ribbon whose T(E) is made a pass-band, a stop-band, or one resonance of given place and width.

Run with:  python examples/ribbon_filters.py      (writes examples/results/ribbon_filters.png)
An armchair ribbon of 5 dimer lines has one channel. Each line of atoms across it has a potential energy of its own: one
that is the same on all atoms of a cell would hardly hold its electrons back.
"""

from pathlib import Path

import numpy as np
from band_filters import designed

import negfadj as na
from negfadj.callers.transistor_layers import joined_layers
from negfadj.models import honeycomb_ribbon, lattice_device

RIBBON = lattice_device(honeycomb_ribbon("armchair", 5, 20, -2.7))
X = RIBBON.positions.device[:, 0]
LINES = np.unique(X.round(3), return_inverse=True)[1]
ENERGIES = np.linspace(0.25, 1.15, 46)
LEVELS = {"pass-band": 0.02, "stop-band": 0.05, "resonance": 1e-4}  # mean squares that count as success
GOALS = {  # target over ENERGIES
    "pass-band": abs(ENERGIES - 0.7) < 0.1,
    "stop-band": abs(ENERGIES - 0.7) > 0.1,
    "resonance": 1 / (1 + ((ENERGIES - 0.7) / 0.03) ** 2),
}


def objective(goal: str) -> na.Objective:
    """The mean square of T(E) less its target, by a potential energy within ±1 eV for every line of atoms."""
    model = na.HamiltonianEntries(joined_layers(RIBBON.device, 4))
    ends = (LINES < 4) | (LINES > LINES.max() - 4)  # go on in the leads
    start = np.where(ends, 0.0, 0.1 * np.cos(np.pi * LINES))
    onsite = na.Parameter("onsite", start, bounds=(-1, 1), fixed=ends, tie=LINES)
    match = na.Match(na.Quantity(na.transmission, ENERGIES), np.asarray(GOALS[goal], dtype=float))
    return na.Objective(model, onsite, match)


if __name__ == "__main__":
    picture = Path(__file__).parent / "results" / "ribbon_filters.png"
    designed({name: objective(name) for name in GOALS}, LEVELS, 3, X, picture)
