"""AD-NEGF: transmission, gradients and energy derivatives of third-neighbour graphene ribbons with overlap."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from self_energies import self_energy
from verified import Comparison

import negfadj as na
from negfadj.primitives.lead_blocks import LeadBlocks, lead_blocks
from negfadj.primitives.modes import hopping_basis
from negfadj.primitives.open_system import OpenSystem
from negfadj.primitives.surface import surface_green
from negfadj.primitives.taylor import taylor_lead_blocks, taylor_surface_green
from negfadj.primitives.transmission_derivatives import transmission_derivatives

CODE = "AD-NEGF"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "reference"


@lru_cache
def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"adnegf_{name}.npz") as file:
        return dict(file)


def device_of(data: dict[str, np.ndarray], diagonal: str = "hd") -> na.Device:
    last = int(data["n_hd"]) - 1
    h, s = (
        na.BlockTridiagonal([data[f"{d}_{i}"] for i in range(last + 1)], [data[f"{u}_{i}"] for i in range(last)])
        for d, u in ((diagonal, "hu"), ("sd", "su"))
    )
    leads = []
    for side, coupling, block in (("l", "hl", 0), ("r", "hu", last)):
        padded = {}
        for matrix in ("h", "s"):
            corner = data[f"{matrix}{coupling[1]}_{last}"]
            a, b = corner.shape
            padded[matrix] = np.zeros((h.block_sizes[block], len(data[f"{side}hd"])), dtype=complex)
            if side == "l":  # the first orbitals of the device to the last of the cell
                padded[matrix][:a, -b:] = corner
            else:
                padded[matrix][-a:, :b] = corner
        # lhu = H_{−1,0}: from the deeper cell, so that our <cell 0|H|cell 1> is its dagger
        hopping, overlap = (data[f"{side}{m}u"].conj().T if side == "l" else data[f"{side}{m}u"] for m in "hs")
        leads.append(
            na.Lead(
                data[f"{side}hd"],
                hopping,
                padded["h"],
                block=block,
                overlap_onsite=data[f"{side}sd"],
                overlap_hopping=overlap,
                overlap_coupling=padded["s"],
            )
        )
    return na.Device(h, leads, overlap=s)


def test_adnegf_transmission_is_matched(compare: Comparison) -> None:
    data = load("gnr_l3")
    found = na.transmission(device_of(data), data["ee"], eta=float(data["etaLead"]))
    compare("gnr_l3", "T(E)", found, data["T"], 1e-6)


@pytest.mark.parametrize(("lead", "side"), [(0, "L"), (1, "R")])
def test_adnegf_self_energy_is_matched(lead: int, side: str, compare: Comparison) -> None:
    data = load("gnr_l3")
    device, eta = device_of(data), float(data["etaLead"])
    place = slice(None) if len(data[f"se{side}"][0]) == device.leads[lead].coupled_shape[0] else slice(0, 9)
    for k in range(0, 100, 9):
        found = self_energy(device.leads[lead], data["ee"][k : k + 1], eta)[0]
        # η in the coupling moves Σ by η |S_c g A_c'|
        compare("gnr_l3", "Σ, whose coupling has no broadening there", found[place, place], data[f"se{side}"][k], 1e-3)


def test_adnegf_density_of_states_is_ours_without_the_off_diagonal_blocks(compare: Comparison) -> None:
    # a known omission of that code, 5.6–7.9 %: ours must not be it
    data = load("gnr_l3")
    device, eta = device_of(data), float(data["etaLead"])
    chosen = np.flatnonzero(data["DOS"] > 0.1)[::15]  # outside the gap, where all of it is broadening
    energies = data["ee"][chosen]
    found = na.density_of_states(device, energies, eta=eta)
    h, s = (np.asarray(x.to_dense()) for x in (device.hamiltonian, device.overlap))
    offsets = device.hamiltonian.offsets
    sigmas = [self_energy(lead, energies, eta) for lead in device.leads]
    for k, e in enumerate(energies):
        a = e * s - h
        for lead, sigma in zip(device.leads, sigmas):
            span = slice(offsets[lead.block], offsets[lead.block + 1])
            a[span, span] -= sigma[k]
        g = np.linalg.inv(a)
        assert abs(found[k] + np.trace(g @ s).imag / np.pi) <= 1e-11 * abs(found[k])
        blocks = [np.trace(g[x:y, x:y] @ s[x:y, x:y]).imag for x, y in zip(offsets, offsets[1:])]
        ours, theirs = [-sum(blocks) / np.pi], [data["DOS"][chosen[k]]]
        compare("gnr_l3", "density of states without its off-diagonal blocks", ours, theirs, 1e-4, relative=True)
    assert np.max(np.abs(found / data["DOS"][chosen] - 1)) >= 0.02


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def _hermitian(x: np.ndarray) -> np.ndarray:
    return (x + x.conj().T) / 2


def test_adnegf_gradient_to_the_device_is_matched(compare: Comparison) -> None:
    data = load("gnr_l3_disorder_gradient")
    device = device_of(data, "hd_dis")
    value, pullback = na.transmission_vjp(device, data["ee"], eta=float(data["eta"]))
    system = "gnr_l3_disorder_gradient"
    compare(system, "T(E)", value, data["T"], 1e-4)  # |dT/dη| η where the broadening of its coupling differs
    bar = pullback(np.ones_like(value)).device.hamiltonian
    for i in range(5):
        theirs = _hermitian(data[f"g_hd_{i}"])
        compare(system, "gradient by the device's blocks", bar.diagonal[i], theirs, 1e-4, relative=True)


@pytest.mark.parametrize(("lead", "side"), [(0, "l"), (1, "r")])
def test_adnegf_gradient_to_the_leads_is_matched(lead: int, side: str, compare: Comparison) -> None:
    # H is real: T(H) = T(H*), so the true gradient is real, as ours is; the imaginary parts there are no gradient
    data = load("gnr_l3_disorder_gradient")
    device = device_of(data, "hd_dis")
    _, pullback = na.transmission_vjp(device, data["ee"], eta=float(data["eta"]))
    bar = pullback(np.ones(len(data["ee"]))).device.leads[lead]
    assert np.max(np.abs(bar.onsite.imag)) <= 1e-10 and np.max(np.abs(bar.hopping.imag)) <= 1e-10
    hopping = data[f"gref_{side}hu"]
    theirs = (_hermitian(data[f"gref_{side}hd"]).real, (hopping.conj().T if side == "l" else hopping).real)
    for found, expected in zip((bar.onsite.real, bar.hopping.real), theirs):
        system = "gnr_l3_disorder_gradient"
        compare(system, "gradient by the leads' blocks, real parts", found, expected, 1e-4, relative=True)


@pytest.mark.parametrize("eta", ["0.001", "0.01"])
def test_adnegf_energy_derivatives_are_matched_in_its_convention(eta: str, compare: Comparison) -> None:
    data = load("gnr_l1_energy_derivatives")
    found = _derivatives_with_real_energy_in_the_coupling(device_of(data), data["E"], float(eta))
    for order, expected in enumerate(data[f"unr_eta{eta}_ur0"]):
        system, what = "gnr_l1_energy_derivatives", "T to T‴, η not in the coupling"
        compare(system, what, found[:, order], expected, 1e-7, relative=True)  # asked for: 1e-3


@pytest.mark.parametrize(("eta", "tolerance"), [(1e-3, 1e-2), (1e-2, 2e-2)])
def test_adnegf_energy_derivatives_are_matched_up_to_the_broadening_of_the_coupling(
    eta: float, tolerance: float, compare: Comparison
) -> None:
    # tolerance: η in A_c moves T^(k) by η |S_c|/|A_c| relative, times k·|dA_c/dE|/|A_c| for the derivatives
    data = load("gnr_l1_energy_derivatives")
    found = na.transmission_derivatives(device_of(data), data["E"], eta=eta, device_eta=eta, order=3)
    for order, expected in enumerate(data[f"unr_eta{eta}_ur0"]):
        what = f"T to T‴ at η = {eta:g}"
        compare("gnr_l1_energy_derivatives", what, found[:, order], expected, tolerance, relative=True)


def test_adnegf_implicit_second_derivative_is_not_ours() -> None:
    data = load("gnr_l1_energy_derivatives")
    found = _derivatives_with_real_energy_in_the_coupling(device_of(data), data["E"], 1e-3)
    assert _relative(found[:, 2], data["imp_eta0.001_ur0"][2]) >= 1e-2


def _derivatives_with_real_energy_in_the_coupling(device: na.Device, energies: np.ndarray, eta: float) -> np.ndarray:
    """T … T''' with A_c at real E, the surface function at E + iη, and η in the device too."""
    order, z, sigmas = 3, energies + 1j * eta, []
    for lead in device.leads:
        s01, sc = lead.overlap_hopping, lead.overlap_coupling
        slopes = LeadBlocks(lead.overlap_onsite, s01, s01.conj().T, sc, sc.conj().T)
        blocks, basis = lead_blocks(lead, z), hopping_basis(lead.hopping, s01, complex)
        p = taylor_lead_blocks(blocks, slopes, order)
        at_real = taylor_lead_blocks(lead_blocks(lead, energies.astype(complex)), slopes, order)
        g = surface_green(
            *blocks[:3], method="decimation", basis=basis, energies=energies.tolist(), at_real_energy=False
        )
        surface = taylor_surface_green(p.onsite, p.hopping, p.hopping_back, g, basis, at_real_energy=False)
        sigmas.append(at_real.coupling @ surface @ at_real.coupling_back)
    system = OpenSystem(
        z=z,
        hamiltonian=device.hamiltonian,
        overlap=device.overlap,
        self_energies=tuple(s.coefficients[0] for s in sigmas),
        blocks=tuple(lead.block for lead in device.leads),
        supports=(None, None),
    )
    return transmission_derivatives(system, sigmas, source=0, drain=1, order=order)
