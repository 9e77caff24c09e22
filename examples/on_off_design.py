"""A short transistor with a gate all around, designed for its on/off ratio through the self-consistent loop.

Run with:  python examples/on_off_design.py      (writes examples/results/on_off_design.png)
L = −ln(I_on/I_off) + (I_on/µA − 4)²/2, by the gate's work function, the oxide's thickness and permittivity, the doping
of the ends. Without the second term the best ratio is that of two currents next to nothing. Five searches, 100
evaluations with gradient, take two minutes; the first one starts from the numbers below, the others anywhere.
"""

from pathlib import Path

import numpy as np
from gated_wire import current_vjp

import negfadj as na

OFF, ON, WANTED = 0.0, 0.3, 4.0  # gate voltages [V], on-current [µA]
NUMBERS = {  # start, lower and upper bound, scale
    "work_function": (0.15, -0.2, 0.4, 0.1),  # of the gate less that of the wire [eV]
    "oxide": (25.0, 8.0, 30.0, 10.0),  # thickness [Å]
    "permittivity": (6.0, 3.9, 16.0, 5.0),
    "doping": (0.3, 0.1, 0.4, 0.2),  # donors per nm
}


def current(made, gate: float, **options) -> float:
    """The current [µA] of a transistor made with these numbers; `current_vjp` is its twin."""
    return current_vjp(made, gate, **options)[0]


def objective(error: float = 1e-6, tolerance: float = 1e-5) -> na.Objective:
    """The objective above; the subject of its quantities is the numbers themselves."""
    loop = {"twin": current_vjp, "error": error, "tolerance": tolerance}
    off, on = (na.Quantity(current, gate, **loop) for gate in (OFF, ON))
    parameters = [na.Parameter(k, v, bounds=(low, high), scale=s) for k, (v, low, high, s) in NUMBERS.items()]
    model = na.FunctionModel(dict, twin=lambda numbers: (numbers, lambda bar: bar), names=tuple(NUMBERS))
    return na.Objective(model, parameters, [na.LogRatio(on, off), na.Match(on, WANTED, weight=0.5)])


def designed(n_starts: int, max_evaluations: int) -> na.MultiStart:
    """Searches from many starts; one that reaches −9, a ratio of 8,000 or more, counts as a success."""
    return na.multi_start(objective(), n_starts, level=-9.0, max_evaluations=max_evaluations)


if __name__ == "__main__":
    from matplotlib import pyplot as plt

    goal, found = objective(), designed(5, 20)
    print(found.table())
    figure, panel = plt.subplots(figsize=(5, 4), layout="constrained")
    for label, x in (("before", goal.x0), ("after", found.best.best_x)):
        made, gates = goal.parameters.values(x), np.linspace(OFF, ON, 4)
        currents = [current(made, gate, error=1e-6, tolerance=1e-5) for gate in gates]
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in made.items())
        print(f"{label:7s} on/off {currents[-1] / currents[0]:9.3g}, on {currents[-1]:.3g} µA: {numbers}")
        panel.semilogy(gates, currents, "o-", label=label)
    panel.set(xlabel="gate voltage (V)", ylabel="current (µA)", title=f"best of {len(found.starts)} starts")
    panel.legend()
    (results := Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(results / "on_off_design.png", dpi=150)
