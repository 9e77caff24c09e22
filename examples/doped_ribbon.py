"""A graphene ribbon doped along a line, leads too, and its mean T from −1 to 1 eV by 11 two-centre numbers.

T of such a ribbon is the number of its channels. The mean of that over all energies, other than at some, has a slope.
"""

import numpy as np

import negfadj as na
from negfadj.models import Shell, Structure, TightBinding

SHELLS = ((1.25, 0.25, -2.97, 0.073), (2.12, 0.375, -0.073, 0.018), (2.68, 0.1765, -0.33, 0.026))  # Å, Å, eV, 1
MOMENTA = np.linspace(0, 0.5, 101)[:, None] * [0, 1, 0]


def ribbon() -> Structure:
    """A cell of 7 dimer lines 1.42 Å apart along y and 4 edge atoms; sites at 6 < x < 7 Å are of the species M."""
    lines = [(j, y) for j in range(7) for y in ((0.5, 1.5) if j % 2 == 0 else (0, 2))]
    sites = np.array([(np.sqrt(0.75) * j, y, 0) for j, y in lines]) * 1.42
    ends = [(s * np.sqrt(0.75), 0.5 * t, 0) for s in (-1, 1) for t in (-1, 1)]
    sites = np.concatenate([sites, sites[[0, 1, -2, -1]] + 1.09 * np.array(ends)])
    species = np.where((sites[:, 0] > 6) & (sites[:, 0] < 7), "Mo", "C")
    return Structure(tuple(species.tolist()), sites, np.diag([50, 4.26, 50]), (False, True, False))


def mean_channels(crystal: na.PeriodicHamiltonian, momenta: np.ndarray) -> float:
    """Mean of T: half of what all bands climb between −1 and 1 eV, up or down, from k = 0 to the zone's edge."""
    return np.abs(np.diff(np.clip(na.bands(crystal, momenta), -1, 1), axis=0)).sum() / 2


def mean_channels_vjp(crystal: na.PeriodicHamiltonian, momenta: np.ndarray):
    """`mean_channels` and its pullback: only the ends of the bands' monotone pieces count."""
    energies, pullback = na.bands_vjp(crystal, momenta, degenerate="average")
    climbs = np.diff(np.clip(energies, -1, 1), axis=0)
    slope = -np.diff(np.sign(climbs), axis=0, prepend=0, append=0) * (np.abs(energies) < 1) / 2
    return np.abs(climbs).sum() / 2, lambda bar: pullback(bar * slope).system


def objective(term: type) -> na.Objective:
    """Energies within 0.3 eV of the clean ones; overlaps from 0 to twice theirs, so that S stays positive definite."""
    shells = [Shell(pair, *shell) for shell in SHELLS for pair in (("C", "C"), ("Mo", "Mo"), ("C", "Mo"))]
    model = na.TightBindingModel(None, TightBinding({"C": -0.28, "Mo": -0.28}, tuple(shells)), bulk=ribbon())
    # all with an M in them, but those of shell 4, M and M at 2.46 Å, which has no pair
    names = ["onsite.Mo", *(f"shells[{k}].{x}" for k in (1, 2, 5, 7, 8) for x in ("hopping", "overlap"))]
    parameters = []
    for name in names:
        start = model.values[name]
        reach = start if "overlap" in name else 0.3
        parameters.append(na.Parameter(name, start, bounds=(start - reach, start + reach)))
    return na.Objective(model, parameters, term(na.Quantity(mean_channels, MOMENTA)))
