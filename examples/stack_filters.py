"""Stacks of GaAs barriers designed to a wanted T(E): a pass-band, a stop-band, one resonance of given place and width.

Run with:  python examples/stack_filters.py      (writes examples/results/stack_filters.png)
"""

from pathlib import Path

import numpy as np
from band_filters import designed

import negfadj as na
from negfadj.callers.transistor_layers import joined_layers
from negfadj.models import effective_mass_device

SPACING, N_POINTS, FIRST, GRADED = 2.5, 280, 15.0, 2.5  # Å; interfaces are graded over about one spacing
X = SPACING * (np.arange(N_POINTS) + 0.5)
WINDOW = np.linspace(-0.08, 0.08, 61)  # eV, around the middle of each goal
LEVELS = {"pass-band": 0.025, "stop-band": 0.04, "resonance": 0.002}  # mean squares that count as success
GOALS = {  # middle [eV], barriers, their largest height [eV], target over WINDOW
    "pass-band": (0.12, 5, 0.30, abs(WINDOW) < 0.02),
    "stop-band": (0.18, 10, 0.15, abs(WINDOW) > 0.02),
    "resonance": (0.09, 2, 0.40, 1 / (1 + (WINDOW / 0.005) ** 2)),
}


class Stack:
    """A model: thicknesses [Å] of barrier, well, barrier, … and heights [eV] of the barriers make a device."""

    flat = effective_mass_device(np.zeros(N_POINTS), np.full(N_POINTS, 0.067), spacing=SPACING)
    entries = na.HamiltonianEntries(joined_layers(flat, 8))
    names, has_constant_leads, wrt = ("thickness", "height"), True, entries.wrt  # pullbacks form on-site energies only

    def __call__(self, values):
        return self.vjp(values)[0]

    def vjp(self, values):
        thickness, height = values["thickness"], values["height"]
        ends = np.tri(len(thickness))[::2]  # of the barriers, as sums of thicknesses
        begins = ends - np.eye(len(thickness))[::2]
        rise, fall = (np.tanh((X[:, None] - FIRST - sums @ thickness) / (2 * GRADED)) for sums in (begins, ends))
        slopes = [height * (1 - step**2) / (4 * GRADED) for step in (rise, fall)]
        by = {"thickness": slopes[1] @ ends - slopes[0] @ begins, "height": (rise - fall) / 2}
        device, pullback = self.entries.vjp({"onsite": self.entries.values["onsite"] + by["height"] @ height})
        return device, lambda device_bar: {name: pullback(device_bar)["onsite"] @ slope for name, slope in by.items()}


def objective(goal: str) -> na.Objective:
    """The mean square of T(E) less its target; layers start 25 Å thick, and barriers half as high as they may be."""
    middle, n, highest, target = GOALS[goal]
    thickest = min(80.0, (X[-1] - 2 * FIRST) / (2 * n - 1))  # so that the last barrier ends in the device
    thickness = na.Parameter("thickness", np.full(2 * n - 1, 25.0), bounds=(6.0, thickest), scale=20.0)
    height = na.Parameter("height", np.full(n, highest / 2), bounds=(0.0, highest), scale=0.1)
    transmission = na.Quantity(na.transmission, middle + WINDOW)
    return na.Objective(Stack(), [thickness, height], na.Match(transmission, np.asarray(target, dtype=float)))


if __name__ == "__main__":
    picture = Path(__file__).parent / "results" / "stack_filters.png"
    designed({name: objective(name) for name in GOALS}, LEVELS, 4, X, picture)
