"""How much random places of the atoms vary the conductance of a graphene ribbon under a gate, by adjoints and sampling.

Run with:  python examples/variability_positions.py      (writes examples/results/variability_positions.png)
Every atom of the middle three cells is off by 2 pm (standard deviation) along x and along y: hoppings by 0.18 eV. The
electrons tunnel, and T depends on the barrier almost exponentially.
"""

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.models import Structure, parameter_set, transport_model_vjp
from negfadj.objectives.hessian_differences import hessian_by_differences

BOND, N_LINES, N_CELLS, MODEL = 1.42, 7, 9, parameter_set("carbon-pi-strained")  # Å
CELLS = [(3 * i + 1.5 * (j % 2) + k, j) for i in range(N_CELLS) for j in range(N_LINES) for k in (0, 1)]
PLACES = BOND * np.array([(x, np.sqrt(0.75) * j, 0) for x, j in CELLS])
MIDDLE = abs(np.arange(len(PLACES)) // (2 * N_LINES) - N_CELLS // 2) < 2  # the three cells of atoms that move
FREE = MIDDLE[:, None] & [True, True, False]
GATE = 0.35 * np.exp(-(((PLACES[:, 0] - PLACES[:, 0].mean()) / 8) ** 2) / 2)  # a barrier of 0.35 eV
ENERGIES = 0.8 + 0.02585 * np.linspace(-6, 6, 13)  # 0.2 eV below the top of the barrier
WEIGHTS = 1 / np.cosh(np.linspace(-3, 3, 13)) ** 2  # −df/dE at 300 K


def moved_vjp(numbers):
    """The ribbon with its atoms moved [Å], and the way back to the moves."""
    structure = Structure(("C",) * len(PLACES), PLACES + numbers["moves"])
    made, pullback = transport_model_vjp(structure, MODEL, onsite_energy=GATE)
    return made.device, lambda device_bar: {"moves": pullback(device_bar).structure.positions}


def objective(deviation: float) -> na.Objective:
    """The conductance [2e²/h] of moves in units of their standard deviation [Å]."""
    model = na.FunctionModel(lambda numbers: moved_vjp(numbers)[0], twin=moved_vjp, has_constant_leads=True)
    moves = na.Parameter("moves", 0 * PLACES, scale=deviation, fixed=~FREE)
    return na.Objective(model, moves, na.Minimise(na.Quantity(na.transmission, ENERGIES), weights=WEIGHTS))


def spread(deviation: float, n_samples: int) -> na.Variability:
    """Its moments: three orders, and Monte Carlo."""
    of = objective(deviation)
    by_differences = hessian_by_differences(of.value_and_gradient)  # four gradients each, no second derivatives of H
    products = {"hessian_vector_product": by_differences, "with_third_order": True, "n_probes": 16}
    ones = na.independent(np.ones(len(of.x0)))
    return na.variability(of.value_and_gradient, of.x0, ones, value=of.value, n_samples=n_samples, **products)


if __name__ == "__main__":
    from variability import draw

    (results := Path(__file__).parent / "results").mkdir(exist_ok=True)
    objective(0.02).gradient(np.zeros(np.sum(FREE)))  # kernels are compiled here, and not in the times
    print((result := spread(0.02, 1000)).table())
    shares = np.zeros(PLACES.shape)
    shares[FREE] = result.shares  # of x and y of every atom
    draw(result, PLACES, shares.sum(axis=1), results / "variability_positions.png")
