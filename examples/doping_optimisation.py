"""The mean T of a doped graphene ribbon made small, and large, by L-BFGS-B and by differential evolution.

Run with:  python examples/doping_optimisation.py      (writes examples/results/doping_optimisation.png)
The ribbon and its objective are those of doped_ribbon.py.
"""

from pathlib import Path

import numpy as np
from doped_ribbon import objective
from matplotlib import pyplot as plt
from scipy.optimize import differential_evolution

import negfadj as na


def evolved(goal: na.Objective) -> np.ndarray:
    """The values that differential evolution meets in 9 generations of 33."""
    met: list[float] = []
    options = {"maxiter": 8, "popsize": 3, "polish": False, "seed": 0}
    differential_evolution(lambda x: (met.append(goal.value(x)), met[-1])[1], list(zip(*goal.bounds)), **options)
    return np.array(met)


if __name__ == "__main__":
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for panel, term in zip(axes, (na.Minimise, na.Maximise)):
        found = na.minimize(objective(term), max_evaluations=100)
        for name, history in (("L-BFGS-B", found.history), ("evolution", evolved(objective(term)))):
            best = np.abs(np.minimum.accumulate(history))
            print(f"{term.__name__}, {name}: {best[:100][-1]:.4f} in 100, {best[-1]:.4f} in {len(best)} evaluations")
            panel.semilogx(np.arange(1, len(best) + 1), best, label=name)
        panel.set(xlabel="evaluations", ylabel="mean T from −1 to 1 eV"), panel.legend(title=term.__name__)
    (Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(Path(__file__).parent / "results" / "doping_optimisation.png", dpi=200)
