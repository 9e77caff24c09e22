"""The current through a graphene ribbon made small by moving its atoms, each by at most 0.02 Å along x and y.

Run with:  python examples/strain.py      (writes examples/results/strain.png)
A perfect ribbon has the largest T there is, and so no slope: the search starts from places a little off.
"""

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.models import Structure, parameter_set

BOND, REACH, N_LINES, N_CELLS = 1.42, 0.02, 5, 12  # Å, Å
BIAS, TEMPERATURE = 0.4, 300.0  # V, K


def ribbon() -> Structure:
    """An armchair ribbon along x."""
    cells = [(3 * i + 1.5 * (j % 2) + k, j) for i in range(N_CELLS) for j in range(N_LINES) for k in (0, 1)]
    return Structure(("C",) * len(cells), BOND * np.array([(x, np.sqrt(0.75) * j, 0) for x, j in cells]))


def objective() -> na.Objective:
    """The current by the places, in the plane, of all atoms but those of the three cells at each end."""
    model = na.TightBindingModel(ribbon(), parameter_set("carbon-pi-strained"))
    start = model.values["positions"]
    fixed = np.ones((N_CELLS, 2 * N_LINES, 3), bool)
    fixed[3:-3, :, :2] = False
    reach = {"bounds": (start - REACH, start + REACH), "scale": REACH}
    places = na.Parameter("positions", start, fixed=fixed.reshape(start.shape), **reach)
    return na.Objective(model, places, na.Minimise(na.Quantity(na.current, BIAS, temperature=TEMPERATURE)))


def strained(max_evaluations: int) -> na.Optimum:
    """Where L-BFGS-B gets to from a random start within a tenth of the bounds."""
    goal = objective()
    start = goal.x0 + np.random.default_rng(0).uniform(-0.1, 0.1, goal.x0.shape)
    return na.minimize(goal, x0=start, max_evaluations=max_evaluations)


if __name__ == "__main__":
    from matplotlib import pyplot as plt

    found = strained(40)
    print(f"{found.history[0]:.3f} to {found.best_value:.4f} µA in {found.evaluations} evaluations")
    old, moves = ribbon().positions, found.parameters["positions"] - ribbon().positions
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 5), layout="constrained", height_ratios=(2, 1))
    above.semilogy(np.minimum.accumulate(found.history))
    above.set(xlabel="evaluations", ylabel="current (µA)")
    below.plot(old[:, 0], old[:, 1], ".", color="0.6")
    below.quiver(old[:, 0], old[:, 1], moves[:, 0], moves[:, 1], angles="xy", scale_units="xy", scale=0.02, width=0.002)
    below.margins(y=0.3)
    below.set(xlabel="x (Å)", ylabel="y (Å)", aspect="equal", title="moves, 50 times as long")
    (Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(Path(__file__).parent / "results" / "strain.png", dpi=200)
