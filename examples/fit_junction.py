"""A 5-2 junction of graphene ribbons fitted to the T(E) of a 7-4 junction by the 31 hoppings of its bonds.

Run with:  python examples/fit_junction.py      (writes examples/results/fit_junction.png)
No Hermitian H has T above the number of channels of its leads: that bounds the error from below.
"""

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.models import Shell, Structure, TightBinding, transport_model

BOND, ETA = 1.42, 1e-5  # Å, eV
GRAPHENE = TightBinding({"C": 0.0}, (Shell(("C", "C"), distance=BOND, tolerance=0.2, hopping=-2.7),))
ENERGIES = np.linspace(-5, 5, 400)


def junction(wide: int, narrow: int) -> na.Device:
    """Two cells of an armchair ribbon of `wide` dimer lines joined to two of `narrow` lines, between their leads."""
    cells = [range(wide)] * 2 + [range(1, narrow + 1)] * 2
    sites = [(i, j, k) for i, lines in enumerate(cells) for j in lines for k in (0, 1)]
    places = BOND * np.array([(3 * i + 1.5 * (j % 2) + k, np.sqrt(0.75) * j, 0) for i, j, k in sites])
    return transport_model(Structure(("C",) * len(places), places), GRAPHENE).device


def attainable(device: na.Device, target: np.ndarray, energies: np.ndarray = ENERGIES) -> np.ndarray:
    """The target cut off at the number of channels that both leads have."""
    return np.minimum(target, np.minimum(*(na.open_channels(device, energies, lead=lead) for lead in (0, 1))))


def objective(device: na.Device, target: np.ndarray, energies: np.ndarray = ENERGIES) -> na.Objective:
    """The mean square of T less the attainable part of the target, by the device's hoppings."""
    model = na.HamiltonianEntries(device, onsite=None, hopping="all")
    term = na.Match(na.Quantity(na.transmission, energies, eta=ETA), attainable(device, target, energies))
    return na.Objective(model, na.Parameter("hopping", model.values["hopping"]), term)


if __name__ == "__main__":
    from matplotlib import pyplot as plt

    goal, start = na.transmission(junction(7, 4), ENERGIES, eta=ETA), junction(5, 2)
    problem = objective(start, goal)
    found = na.fit(problem, max_evaluations=40)
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(ENERGIES, goal, color="0.75", lw=4, label="7-4 junction")
    for name, device in (("5-2 junction", start), ("5-2 fitted", problem.subject(found.best_x))):
        transmission = na.transmission(device, ENERGIES, eta=ETA)
        print(f"{name}: mean |T - target| = {np.mean(np.abs(transmission - goal)):.4f}")
        axes.plot(ENERGIES, transmission, label=name)
    print(f"bound: {np.mean(goal - attainable(start, goal)):.4f}; {found.evaluations} evaluations")
    axes.set(xlabel="E (eV)", ylabel="T")
    axes.legend()
    (Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(Path(__file__).parent / "results" / "fit_junction.png", dpi=200)
