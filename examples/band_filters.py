"""What the filter examples share: each goal from several starts, and pictures of T(E) before and after.

T(E) is matched to its target by Gauss–Newton steps in a trust region; see stack_filters.py and ribbon_filters.py.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

import negfadj as na

STEPS, GAIN = 40, 3e-3  # a start ends after so many evaluations, or where a step gains less than this part


def started(goal: na.Objective, n_starts: int, level: float):
    """`na.multi_start` with these limits."""
    options = {"ftol": GAIN}
    return na.multi_start(goal, n_starts, level=level, method="trf", max_evaluations=STEPS, options=options)


def designed(
    goals: Mapping[str, na.Objective], levels: Mapping[str, float], n_starts: int, x: np.ndarray, path: Path
) -> None:
    """Design for every goal; T(E) above, below it the on-site energies at x [Å], measured from where x begins.

    A start succeeds where the mean square comes to the goal's level.
    """
    figure, panels = plt.subplots(2, len(goals), figsize=(4 * len(goals), 6), layout="constrained")
    for (above, below), (name, goal) in zip(panels.T, goals.items()):
        found = started(goal, n_starts, levels[name])
        print(f"{name}\n{found.table()}\n")
        match = goal.terms[0]
        energies = match.quantity.arguments[0]
        above.step(energies, match.target, where="mid", color="0.85", lw=5, label="target")
        for point, label, colour in ((goal.x0, "before", "0.5"), (found.best.best_x, "after", "#1f4e9c")):
            device = goal.subject(point)
            fine = np.linspace(energies[0], energies[-1], 4 * len(energies))
            above.plot(fine, na.transmission(device, fine), color=colour, lw=1.2, label=label)
            onsite = np.concatenate([np.diag(block) for block in device.hamiltonian.diagonal])
            below.plot(x / 10, onsite - onsite[0], color=colour, lw=1)
        above.set(title=f"{name}: mean square {found.best.best_value:.2g}", xlabel="energy (eV)", ylabel="T per spin")
        below.set(xlabel="x (nm)", ylabel="potential energy (eV)")
    panels[0, 0].legend(frameon=False, fontsize="small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
