"""Seven two-centre numbers of graphene, each 10 % off, recovered from bands of the sheet and T(E) of a notched ribbon.

Run with:  python examples/fit_two_centre.py      (writes examples/results/fit_two_centre.png)
"""

from functools import partial
from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.models import Structure, parameter_set

BOND, ENERGIES = 1.42, np.linspace(-2.47, 2.53, 21)  # Å, eV
LATTICE = BOND * np.array([[1.5, np.sqrt(0.75), 0], [1.5, -np.sqrt(0.75), 0], [0, 0, 10]])
PATH = na.momentum_path([(0, 0, 0), (1 / 3, -1 / 3, 0), (0.5, 0, 0), (0, 0, 0)], 6, lattice=LATTICE)


def model() -> na.TightBindingModel:
    """The published numbers; a ribbon with notches as the device, the sheet as the crystal."""
    sites = [(3 * i + 1.5 * (j % 2) + k, np.sqrt(0.75) * j, 0) for i in range(6) for j in range(5) for k in (0, 1)]
    notched = Structure(("C",) * 56, BOND * np.delete(np.array(sites), [28, 29, 30, 31], axis=0))
    sheet = Structure(("C", "C"), [(0, 0, 0), (BOND, 0, 0)], LATTICE, (True, True, False))
    return na.TightBindingModel(notched, parameter_set("graphene-third-neighbour"), bulk=sheet)


def objective(seed: int) -> tuple[na.Objective, dict[str, float]]:
    """Squares of bands, which meet at K, and T less those of the published numbers, which come too; starts off them."""
    true = model()
    goal = {name: x for name, x in true.values.items() if name.startswith(("onsite.", "shells["))}
    off = np.array(list(goal.values())) * (1 + 0.1 * np.random.default_rng(seed).choice([-1, 1], len(goal)))
    parameters = [na.Parameter(key, x, scale=abs(x), bounds=sorted((0.75 * x, 1.25 * x))) for key, x in zip(goal, off)]
    bands = na.Quantity(na.bands, PATH.momenta, of="bulk", twin=partial(na.bands_vjp, degenerate="average"))
    transmission = na.Quantity(na.transmission, ENERGIES, of="device", eta=1e-3)
    seen = true({})  # bands lead the way, and weigh more: T has steps and peaks
    terms = [na.Match(bands, bands(seen), weight=100.0), na.Match(transmission, transmission(seen))]
    return na.Objective(true, parameters, terms), goal


def fitted(seed: int) -> tuple[na.Objective, na.Optimum, float]:
    """The objective, its optimum, and the largest relative error of the numbers there."""
    problem, goal = objective(seed)
    found = na.fit(problem, tolerance=1e-10, max_evaluations=40)
    return problem, found, max(abs(found.parameters[name] / x - 1) for name, x in goal.items())


if __name__ == "__main__":
    from matplotlib import pyplot as plt

    problem, found, error = fitted(0)
    print(f"largest relative error {error:.1e} after {found.evaluations} evaluations")
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    labels = ({"xlabel": "k (1/Å)", "ylabel": "E (eV)"}, {"xlabel": "E (eV)", "ylabel": "T"})
    for panel, at, term, words in zip(panels, (PATH.distances, ENERGIES), problem.terms, labels):
        start, end = (term.quantity(problem.subject(x)) for x in (problem.x0, found.best_x))
        panel.plot(at, start, "b:", at, end, "b-", at, term.target, "k.")  # points: of the published numbers
        panel.set(**words)
    (Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(Path(__file__).parent / "results" / "fit_two_centre.png", dpi=200)
