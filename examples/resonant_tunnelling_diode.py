"""A resonant tunnelling diode in a thin GaAs wire with one subband: two AlGaAs barriers in the middle of n-i-n.

Run with:  python examples/resonant_tunnelling_diode.py      (writes examples/results/resonant_tunnelling_diode.png)
Lengths in Å, energies in eV. The current peaks near 0.15 V. Beyond the peak the source end leaves the level at which
its lead is neutral (0.1 V at 0.2 V): nothing scatters electrons into the notch before the barrier, so that the curve
past the valley is no more to be trusted.
"""

from pathlib import Path

import numpy as np
from bias_curves import draw
from n_i_n import DOPED, SPACING, curve  # the same wire

HEIGHT, BARRIER, WELL, INTRINSIC = 0.5, 30.0, 50.0, 110.0


def barriers() -> np.ndarray:
    """The band edge [eV] at every point: HEIGHT in both barriers."""
    n_points = round((2 * DOPED + INTRINSIC) / SPACING)
    distance = np.abs(np.arange(n_points) - (n_points - 1) / 2) * SPACING
    return np.where((distance > WELL / 2) & (distance < WELL / 2 + BARRIER), HEIGHT, 0.0)


if __name__ == "__main__":
    result, places = curve(np.linspace(0, 0.2, 11), barriers(), INTRINSIC)
    for voltage, current, slope in zip(result.voltages, result.currents, result.slopes):
        print(f"{voltage:6.3f} V   {current:9.5f} µA   dI/dV = {slope:9.5f} µA/V")
    draw(result, places, barriers(), Path(__file__).parent / "results" / "resonant_tunnelling_diode.png")
