"""Errors of the charge in the bias window: asked for, achieved, and how many energies they cost.

`python benchmarks/charge_errors.py` prints the table of docs/adjoints/charge.md. "achieved" is the largest deviation
of an orbital's electrons from those of a run with an error of 1e-10, "choices" the largest difference between the two
leads taken to be in equilibrium.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import negfadj as na
from negfadj.models.nanotube import zigzag_modes
from negfadj.physics.charge import charge

ERRORS = (1e-3, 1e-5, 1e-7, 1e-9)
REFERENCE = 1e-10
BIAS, TEMPERATURE = 0.4, 300.0


def resonant_diode() -> tuple[na.Device, np.ndarray]:
    """A well between two barriers in a chain of 40 sites; both leads move with their μ, a band edge in the window."""
    one = np.ones((1, 1))
    mus = 0.1 + np.array([BIAS, -BIAS]) / 2
    levels = 2.0 + np.linspace(mus[0], mus[1], 40)
    levels[[14, 15, 24, 25]] += 1.5
    leads = [na.Lead(2.0 * one, -one, block=k, potential_energy=u) for k, u in zip((0, -1), mus)]
    return na.Device(na.BlockTridiagonal([e * one for e in levels], [-one] * 39), leads), mus


def nanotube_barrier() -> tuple[na.Device, np.ndarray]:
    """The modes of a doped (13, 0) nanotube with a barrier of 0.5 eV in its middle, 80 rings; leads 0.4 eV down."""
    n_rings, mus = 80, np.array([BIAS, -BIAS]) / 2
    modes = zigzag_modes(13, n_rings=n_rings, n_pairs=1)
    shape = np.linspace(mus[0], mus[1], n_rings) - 0.4
    shape[25:55] += 0.5
    h = modes.device.hamiltonian
    diagonal = [x + shape[i] * np.eye(len(x)) for i, x in enumerate(h.diagonal)]
    leads = [
        na.Lead(x.onsite, x.hopping, coupling=x.coupling, block=x.block, potential_energy=mu - 0.4)
        for x, mu in zip(modes.device.leads, mus)
    ]
    return na.Device(na.BlockTridiagonal(diagonal, h.upper), leads), mus


DEVICES = {"resonant diode": resonant_diode, "nanotube, barrier": nanotube_barrier}


def rows() -> Iterator[tuple[str, float, float, float, int]]:
    """Device, error asked for, achieved, difference of the choices, energies."""
    for name, build in DEVICES.items():
        device, mus = build()
        exact = charge(device, mus, temperature=TEMPERATURE, error=REFERENCE).populations
        for error in ERRORS:
            found = charge(device, mus, temperature=TEMPERATURE, error=error)
            achieved = float(np.abs(found.populations - exact).max())
            yield name, error, achieved, float(found.error.max()), found.n_energies


def main() -> None:
    print("| device | asked | achieved | choices | energies |")
    print("|---|---|---|---|---|")
    for name, asked, achieved, choices, n_energies in rows():
        print(f"| {name} | {asked:.0e} | {achieved:.1e} | {choices:.1e} | {n_energies} |")


if __name__ == "__main__":
    main()
