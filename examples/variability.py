"""How much random dopants vary the conductance of a graphene ribbon under a gate: by adjoints and by Monte Carlo.

Run with:  python examples/variability.py      (writes examples/results/variability.png)
Dopants away from the ribbon shift its sites by 30 meV, alike within 8 Å.
"""

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.models.lattice_device import lattice_device
from negfadj.models.lattices import honeycomb_ribbon
from negfadj.objectives.covariance import correlated
from negfadj.objectives.moments import Variability, variability

RIBBON, POSITIONS, _ = lattice_device(honeycomb_ribbon("armchair", 7, 12, -2.7))
X, Y = POSITIONS.device[:, 0], POSITIONS.device[:, 1]
GATE = 0.35 * np.exp(-(((X - X.mean()) / 12) ** 2) / 2)  # a barrier up to about the chemical potential, 1 eV
ENERGIES = 1.0 + 0.02585 * np.linspace(-6, 6, 13)
WEIGHTS = 1 / np.cosh(np.linspace(-3, 3, 13)) ** 2  # −df/dE at 300 K


def objective() -> na.Objective:
    """The conductance [2e²/h] of the ribbon's on-site energies."""
    sites = na.HamiltonianEntries(RIBBON, onsite="all", hopping=None)
    mean = na.Minimise(na.Quantity(na.transmission, ENERGIES), weights=WEIGHTS)
    return na.Objective(sites, [na.Parameter("onsite", GATE)], [mean])


def spread(n_samples: int) -> Variability:
    """Its moments: three orders, and Monte Carlo."""
    of, dopants = objective(), correlated(POSITIONS.device, 0.03, 8.0, smallest=1e-3)
    more = {"hessian_vector_product": of.hessian_vector_product, "with_third_order": True}
    return variability(of.value_and_gradient, of.x0, dopants, value=of.value, n_samples=n_samples, **more)


def draw(found: Variability, places: np.ndarray, shares: np.ndarray, path: Path) -> None:
    """Where the variance comes from, and the sample beside the normal laws of the orders."""
    from matplotlib.figure import Figure

    left, right = (figure := Figure(figsize=(10, 3.5), layout="constrained")).subplots(1, 2)
    left.set(xlabel="x (Å)", ylabel="y (Å)", aspect="equal")
    figure.colorbar(left.scatter(*places.T[:2], c=100 * shares), ax=left, shrink=0.5, label="variance (%)")
    right.hist(found.sample.values, bins=30, density=True, color="#9aa9c4", label="Monte Carlo")
    for row in found.rows[:3]:
        g, s = np.linspace(-4, 4, 200), row.standard_deviation
        right.plot(row.mean + g * s, np.exp(-g * g / 2) / (s * np.sqrt(2 * np.pi)), label=row.method)
    right.set(xlabel="conductance (2e²/h)", yticks=[])
    right.legend()
    figure.savefig(path, dpi=200)


if __name__ == "__main__":
    (results := Path(__file__).parent / "results").mkdir(exist_ok=True)
    spread(0)  # kernels are compiled here, and not in the times
    print((result := spread(1000)).table())
    draw(result, POSITIONS.device, result.shares, results / "variability.png")
