"""The picture of an I–V curve: currents with their slopes, and the band edge along the wire at every bias.

n_i_n.py and resonant_tunnelling_diode.py draw theirs with it.
"""

from pathlib import Path

import numpy as np

from negfadj.callers.curves import Curve


def draw(found: Curve, x: np.ndarray, barriers: np.ndarray | float, path: Path) -> None:
    """The picture, written to `path`; x [Å] and barriers [eV] are those of the points of the wire."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    left, right = (figure := Figure(figsize=(10, 4), layout="constrained")).subplots(1, 2)
    reach = 0.4 * (found.voltages[1] - found.voltages[0])
    left.plot(found.voltages, found.currents, "o", color="#1f4e9c")
    for v, i, slope in zip(found.voltages, found.currents, found.slopes):
        left.plot([v - reach, v + reach], [i - slope * reach, i + slope * reach], color="#1f4e9c", lw=2)
    left.set(xlabel="bias (V)", ylabel="current (µA)", title="lines: dI/dV by the adjoint")
    shades = colormaps["viridis"](np.linspace(0.05, 0.9, len(found.voltages)))
    for voltage, potential, shade in zip(found.voltages, found.potentials, shades):
        right.plot(x / 10, barriers - potential, color=shade, label=f"{voltage:g} V")
    right.set(xlabel="x (nm)", ylabel="band edge (eV)")
    right.legend(fontsize="small")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=200)
