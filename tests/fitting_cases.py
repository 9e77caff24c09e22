"""AD-NEGF's fitting problem, and a disordered junction of the same shape recovered from its own T(E) and LDOS."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

import negfadj as na

FOLDER = Path(__file__).resolve().parent / "data" / "reference"


class Fit(NamedTuple):
    """What a fit found, the largest error of its parameters, and its objective."""

    found: na.Optimum
    error: float
    objective: na.Objective


def adnegf_junction() -> tuple[na.Device, np.ndarray, np.ndarray, float]:
    """AD-NEGF's 5-2 junction, and its fitting problem: energies, T of the 7-4 junction there, and the leads' η."""
    data = dict(np.load(FOLDER / "adnegf_fitting_problem.npz"))
    h = data["HD"].real
    cuts = np.cumsum([0, 10, 10, 4, 4])
    parts = [slice(a, b) for a, b in zip(cuts, cuts[1:])]
    # HL01, HR01 = <cell|H|next cell to the right>: in the left lead that is towards the device
    leads = (
        na.Lead(data["HL"].real, data["HL01"].real.T, block=0),
        na.Lead(data["HR"].real, data["HR01"].real, block=-1),
    )
    blocks = na.BlockTridiagonal([h[p, p] for p in parts], [h[p, q] for p, q in zip(parts, parts[1:])])
    return na.Device(blocks, leads), data["ee"].astype(np.float64), data["T_target"], float(data["eta"])


def recovered_junction(seed: int) -> Fit:
    """The 28 on-site energies and 31 hoppings of a disordered 5-2 junction, from T(E) and LDOS.

    The fit starts from the clean junction. The LDOS is seen through a Lorentzian of 0.4 eV: sharp resonances have no
    slope towards one another.
    """
    device, _, _, eta = adnegf_junction()
    rng = np.random.default_rng(seed)
    model = na.HamiltonianEntries(device, hopping="all")
    clean = model.values
    onsite = 0.3 * rng.uniform(-1, 1, clean["onsite"].shape)
    true = {"onsite": onsite, "hopping": clean["hopping"] * (1 + 0.1 * rng.uniform(-1, 1, clean["hopping"].shape))}
    seen = model(true)
    energies, coarse = np.linspace(-4.99, 5.01, 40), np.linspace(-3.97, 4.03, 16)
    transmission = na.Quantity(na.transmission, energies, eta=eta)
    density = na.Quantity(na.local_density_of_states, coarse, eta=0.4, device_eta=0.4)
    objective = na.Objective(
        model,
        [na.Parameter(name, clean[name]) for name in ("onsite", "hopping")],
        [na.Match(transmission, transmission(seen)), na.Match(density, density(seen), weight=784.0)],
    )
    found = na.fit(objective, tolerance=1e-15, max_evaluations=60)
    return Fit(found, max(np.abs(found.parameters[name] - true[name]).max() for name in true), objective)
