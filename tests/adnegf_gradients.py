"""AD-NEGF's gradients of T to atomic positions and to doping parameters, done by Slater–Koster matrices and leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import negfadj as na
from negfadj.array import rebuild, tree_map
from negfadj.models import (
    ExponentialLaw,
    Shell,
    Structure,
    TightBinding,
    periodic_hamiltonian_vjp,
    tight_binding_matrices,
    tight_binding_matrices_vjp,
)
from negfadj.models.principal_layer import device_from_periodic_vjp

FOLDER = Path(__file__).resolve().parent / "data" / "reference"
THIRD_NEIGHBOUR = ((-2.97, 0.073), (-0.073, 0.018), (-0.33, 0.026))


def single(x: float) -> float:
    """Its tables of parameters are in single precision."""
    return float(np.float32(x))


def strained_carbon() -> TightBinding:
    """The third-neighbour model with hoppings and overlaps that fall as exp(−3.84 (d/d₀ − 1))."""
    shells = []
    for (hopping, overlap), distance in zip(THIRD_NEIGHBOUR, 1.42 * np.array([1, np.sqrt(3), 2])):
        law = ExponentialLaw(3.84, single(distance))
        shells.append(Shell(("C", "C"), distance, 0.15, single(hopping), single(overlap), law, law))
    return TightBinding({"C": single(-0.28)}, tuple(shells))


def position_gradient() -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
    """T and its gradient to the positions of six atoms between two pristine cells, and AD-NEGF's data.

    It takes <lead|H|device> for <device|H|lead> and for the lead's own hopping, which moves the leads with the
    atoms, and real E in the coupling. So does this device: the first cells of the leads stand inside it at real E,
    their broadening −iη S₀₀ is a lead of its own, and T is summed over both leads of a side.
    """
    data = dict(np.load(FOLDER / "adnegf_agnr6_position_gradient.npz"))
    eta, period, bond = float(data["eta"]), data["period"][0], 1.42
    columns = bond * np.sqrt(3) * np.array([0.5, 1, 0, 1, 0, 0.5])
    ideal = np.stack((columns, bond * np.array([0, 0.5, 0.5, 1.5, 1.5, 2]), np.zeros(6)), axis=1)
    model = strained_carbon()
    structure = Structure(("C",) * 18, np.concatenate((ideal - period, data["x"], ideal + period)))
    (hamiltonian, overlap), matrices_pullback = tight_binding_matrices_vjp(structure, model)
    pristine = [m.toarray() for m in tight_binding_matrices(Structure(("C",) * 6, ideal), model)]  # type: ignore[union-attr]
    below, own, above = slice(0, 6), slice(6, 12), slice(12, 18)

    def blocks(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return matrix[own, own], matrix[above, own], matrix[below, own]

    (h, h_left, h_right), (s, s_left, s_right) = blocks(hamiltonian.toarray()), blocks(overlap.toarray())  # type: ignore[union-attr]
    h00, s00 = pristine
    leads = (
        na.Lead(h00, h_left, block=0, overlap_onsite=s00, overlap_hopping=s_left),
        na.SelfEnergy(-1j * eta * s00, block=0),
        na.Lead(h00, h_right, block=2, overlap_onsite=s00, overlap_hopping=s_right),
        na.SelfEnergy(-1j * eta * s00, block=2),
    )
    device = na.Device(
        na.BlockTridiagonal([h00, h, h00], [h_left.T, h_right]),
        leads,
        na.BlockTridiagonal([s00, s, s00], [s_left.T, s_right]),
    )
    value, gradient = 0.0, np.zeros((18, 3))
    for source in (0, 1):
        for drain in (2, 3):
            share, pullback = na.transmission_vjp(device, float(data["E"]), source=source, drain=drain, eta=eta)
            bar = pullback(1.0).device
            bars = []
            for matrix, prefix in ((bar.hamiltonian, ""), (bar.overlap, "overlap_")):
                whole = np.zeros((18, 18))
                whole[own, own] = matrix.diagonal[1]
                for rows, lead, upper in ((above, 0, matrix.upper[0].T), (below, 2, matrix.upper[1])):
                    of_lead = [getattr(bar.leads[lead], prefix + name) for name in ("hopping", "coupling")]
                    whole[rows, own] = upper + of_lead[0] + of_lead[1]
                bars.append(whole)
            value += float(share)
            gradient += matrices_pullback(*bars).structure.positions
    return value, gradient[own], data


def doping_gradient() -> tuple[float, dict[int, float], dict[str, np.ndarray]]:
    """Mean T of a ribbon whose every cell is doped, its derivatives by four of the 13 numbers, and AD-NEGF's data.

    Its hydrogens are carbons, as AD-NEGF has them.
    """
    data = dict(np.load(FOLDER / "adnegf_doping_gradient.npz"))
    doped = np.diag(data["hD"].real) > -0.2
    structure = Structure(
        tuple(np.where(doped, "Mo", "C").tolist()),
        data["coords"],
        np.diag([50.0, data["period"][0, 1], 50.0]),
        (False, True, False),
    )
    windows = ((1.25, 0.25), (2.12, 0.375), (2.68, 0.1765))  # by the distances 1.09 … 2.84 Å that occur
    numbers, clean = data["CM"], data["CM0"]
    shells = []
    for k, window in enumerate(windows):
        shells += [
            Shell(("C", "C"), *window, clean[k], clean[6 + k]),
            Shell(("Mo", "Mo"), *window, numbers[k], numbers[9 + k]),
            Shell(("C", "Mo"), *window, numbers[3 + k], numbers[6 + k]),
        ]
    model = TightBinding({"C": clean[12], "Mo": numbers[12]}, tuple(shells))

    periodic, model_pullback = periodic_hamiltonian_vjp(structure, model)
    # its convention, as above: the leads' first cells at real E, their broadening a lead of its own
    eta = 1e-5
    plain, device_pullback = device_from_periodic_vjp(periodic, direction=1, n_layers=3)
    absorbers = [na.SelfEnergy(-1j * eta * plain.overlap.diagonal[k], block=k) for k in (0, 2)]
    device = na.Device(plain.hamiltonian, (*plain.leads, *absorbers), plain.overlap)
    value, total = np.zeros(10), None
    for source in (0, 2):
        for drain in (1, 3):
            share, pullback = na.transmission_vjp(device, data["ee"], source=source, drain=drain, eta=eta)
            value += share
            bar = pullback(np.full(10, 0.1)).device
            diagonal = list(bar.overlap.diagonal)
            for k, absorber in ((0, bar.leads[2]), (2, bar.leads[3])):
                diagonal[k] = diagonal[k] + np.real(1j * eta * absorber.self_energy[0])  # <Σ̄, −iη dS> = <iηΣ̄, dS>
            bar = rebuild(bar, leads=bar.leads[:2], overlap=rebuild(bar.overlap, diagonal=tuple(diagonal)))
            total = bar if total is None else tree_map(lambda x, y: x + y, total, bar)
    bar = model_pullback(device_pullback(total).periodic).model
    found = {0: bar.shells[1].hopping, 3: bar.shells[2].hopping, 6: bar.shells[2].overlap, 12: bar.onsite["Mo"]}
    return float(value.mean()), found, data
