"""Ten gates over a graphene ribbon, set by OpenMDAO: T small at 0.35 eV, large at 0.75 eV, at low voltages.

Run with:  python examples/openmdao_gates.py      (writes examples/results/openmdao_gates.png)
Three components: gates → potential energies of the atoms → transmission → cost; derivatives go backwards through all.
"""

from pathlib import Path

import numpy as np
import openmdao.api as om
from matplotlib import pyplot as plt

import negfadj as na
from negfadj.embedding.openmdao_component import TransportComponent
from negfadj.models import honeycomb_ribbon, lattice_device

STOP, PASS, GRID = np.linspace(0.3, 0.4, 6), np.linspace(0.7, 0.8, 6), np.linspace(0.22, 0.95, 147)  # eV
N_GATES, PRICE = 10, 0.05  # cost of a gate at 1 V


def problem() -> tuple[om.Problem, na.HamiltonianEntries]:
    """A ribbon 26 Å wide and 128 Å long with gates all along it, and the model of its transport component."""
    made = lattice_device(honeycomb_ribbon("armchair", 22, 30, -2.7))
    x = made.positions.device[:, 0]
    place = (x - x.min()) / np.ptp(x) * (N_GATES + 1)
    profiles = np.exp(-(((place[:, None] - np.arange(1, N_GATES + 1)) / 0.6) ** 2))
    start, flat = 0.1 * np.sin(np.arange(N_GATES)), np.zeros(len(x))
    model = na.HamiltonianEntries(made.device, onsite="all")
    levers = {"val": -profiles, "constant": True}  # a positive gate lowers an electron
    gates = om.ExecComp("onsite = dot(levers, voltages)", levers=levers, voltages=start, onsite=flat, do_coloring=False)
    outputs = {"stopped": na.Quantity(na.transmission, STOP), "passed": na.Quantity(na.transmission, PASS)}
    transport = TransportComponent(model, {"onsite": flat}, outputs)
    formula = f"cost = sum(stopped) / 6 - sum(passed) / 6 + {PRICE} * sum(voltages**2)"
    cost = om.ExecComp(formula, stopped=np.zeros(6), passed=np.zeros(6), voltages=start)
    found = om.Problem(reports=False)
    for name, component in (("gates", gates), ("transport", transport), ("price", cost)):
        found.model.add_subsystem(name, component, promotes=["*"])
    found.model.add_design_var("voltages", lower=-1.0, upper=1.0)
    found.model.add_objective("cost")
    found.driver = om.ScipyOptimizeDriver(optimizer="SLSQP", tol=1e-5, maxiter=40, disp=False)
    found.setup(mode="rev")
    return found, model


if __name__ == "__main__":
    task, ribbon = problem()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for grid, colour in ((STOP, "#f3dede"), (PASS, "#dcebdc")):
        left.axvspan(grid[0], grid[-1], color=colour)
    for run, label, colour in ((task.run_model, "start", "0.6"), (task.run_driver, "optimised", "#1f4e9c")):
        run()
        left.plot(GRID, na.transmission(ribbon({"onsite": task.get_val("onsite")}), GRID), color=colour, label=label)
        print(f"{label:10s} cost {task.get_val('cost').item():8.4f}")
    left.set(xlabel="energy (eV)", ylabel="T per spin, to be small in red, large in green")
    left.legend(frameon=False)
    right.bar(range(1, N_GATES + 1), task.get_val("voltages"), color="#1f4e9c")
    right.set(xlabel="gate", ylabel="voltage (V)")
    (results := Path(__file__).parent / "results").mkdir(exist_ok=True)
    figure.savefig(results / "openmdao_gates.png", dpi=200)
