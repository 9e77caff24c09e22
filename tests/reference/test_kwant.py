"""Kwant 1.5.0: transmissions, channels, densities, currents, noise and differences of wires and a ribbon at η = 0."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from self_energies import self_energy
from verified import Comparison

import negfadj as na
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.modes import bloch_modes, hopping_basis

CODE = "Kwant 1.5.0"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "reference"
SYSTEMS = pytest.mark.parametrize("name", ["wire_W8_L50", "wire_W32_L50", "agnr_16_L30"])


@lru_cache
def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"kwant_{name}.npz") as file:
        return dict(file)


def device_of(data: dict[str, np.ndarray]) -> na.Device:
    leads = [na.Lead(data[f"h00_{x}"], data[f"h01_{x}"], data[f"tau_{x}"], block=b) for x, b in (("L", 0), ("R", -1))]
    return na.Device(na.BlockTridiagonal(list(data["H_diag"]), list(data["H_up"])), leads)


def tabulated(data: dict[str, np.ndarray]) -> na.Device:
    """The device with Kwant's own self-energies at E_obs."""
    n, leads = data["H_diag"].shape[1], []
    for x, block in (("L", 0), ("R", len(data["H_diag"]) - 1)):
        rows = data[f"sigma_rows_{x}"] - block * n
        sigma = np.zeros((len(data["E_obs"]), n, n), dtype=complex)
        sigma[:, rows[:, None], rows[None, :]] = data[f"Sigma_{x}"]
        leads.append(na.SelfEnergy(sigma, block=block))
    return na.Device(na.BlockTridiagonal(list(data["H_diag"]), list(data["H_up"])), leads)


@SYSTEMS
def test_kwant_transmission_is_matched_at_real_energies(name: str, compare: Comparison) -> None:
    data = load(name)
    found = na.transmission(device_of(data), data["energies"])
    compare(name, "T(E), by its scattering matrix", found, data["T_smatrix"], 1e-11)  # asked for: 1e-8
    compare(name, "T(E), by its Green's function", found, data["T_greens"], 1e-11)


@SYSTEMS
@pytest.mark.parametrize("lead", [0, 1])
def test_kwant_open_channels_are_matched(name: str, lead: int, compare: Comparison) -> None:
    data = load(name)
    found = na.open_channels(device_of(data), data["energies"], lead=lead)
    compare(name, "open channels of both leads", found, data["n_modes"][lead], 0)


@SYSTEMS
def test_kwant_reflection_completes_the_channels(name: str, compare: Comparison) -> None:
    data = load(name)
    energies = data["energies"][::5]
    found = na.transmission_matrix(device_of(data), energies)
    expected = data["n_modes"][0][::5] - data["T_smatrix"][::5]
    compare(name, "reflection", found[:, 0, 0], expected, 1e-10)


@SYSTEMS
@pytest.mark.parametrize("source", ["modes", "stored self-energy"])
def test_kwant_transmission_at_the_observed_energies_is_matched(name: str, source: str, compare: Comparison) -> None:
    data = load(name)
    device = tabulated(data) if source != "modes" else device_of(data)
    compare(name, f"T by {source}", na.transmission(device, data["E_obs"]), data["T_obs"], 1e-11)


@SYSTEMS
@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_self_energy_is_matched(name: str, side: str, compare: Comparison) -> None:
    data = load(name)
    device = device_of(data)
    block = 0 if side == "L" else len(data["H_diag"]) - 1
    rows = data[f"sigma_rows_{side}"] - block * data["H_diag"].shape[1]
    for k, e in enumerate(data["E_obs"]):
        found = self_energy(device.leads[0 if side == "L" else 1], np.array([e]))[0]
        expected = np.zeros_like(found)
        expected[rows[:, None], rows[None, :]] = data[f"Sigma_{side}"][k]
        compare(name, "Σ of both leads", found, expected, 1e-11)


# With the stored Σ every figure is one inverse: eps · cond(A) ~ 1e-13; asked for: 1e-9
@SYSTEMS
def test_kwant_local_density_of_states_is_matched(name: str, compare: Comparison) -> None:
    data = load(name)
    found = na.local_density_of_states(tabulated(data), data["E_obs"])
    compare(name, "local density of states", found, data["ldos"], 1e-12)


@SYSTEMS
def test_kwant_density_of_a_lead_is_matched(name: str, compare: Comparison) -> None:
    data = load(name)
    found = 2 * np.pi * na.lead_density(tabulated(data), data["E_obs"], source=0)
    compare(name, "density from one lead", found, data["density_from_lead0"], 1e-11)


@SYSTEMS
def test_kwant_bond_currents_are_matched(name: str, compare: Comparison) -> None:
    data = load(name)
    device = tabulated(data)
    found = na.bond_current(device, data["E_obs"], source=0)
    place = {tuple(pair): k for k, pair in enumerate(np.asarray(device.bonds).tolist())}
    pairs = [(a, b) if a < b else (b, a) for a, b in data["bonds"].tolist()]
    signs = np.where(data["bonds"][:, 0] < data["bonds"][:, 1], 1, -1)
    ours = signs * found[:, [place[pair] for pair in pairs]]
    compare(name, "bond currents", ours, data["bond_current_from_lead0"], 1e-11)
    assert set(pairs) == set(place)


def test_kwant_shot_noise_is_matched(compare: Comparison) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.shot_noise_factor(device_of(data), modes["E_obs"])
    expected = [float(modes[f"shotnoise_{k}"]) for k in range(3)]
    compare("wire_W8_L50", "Σ T_n(1 − T_n)", found, expected, 1e-11)


def test_kwant_transmission_eigenvalues_sum_to_the_transmission(compare: Comparison) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.transmission(device_of(data), modes["E_obs"])
    expected = [modes[f"T_eig_{k}"].sum() for k in range(3)]
    compare("wire_W8_L50", "sum of its transmission eigenvalues", found, expected, 1e-11)


@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_momenta_are_two_for_every_open_channel(side: str) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.open_channels(device_of(data), modes["E_obs"], lead="LR".index(side))
    assert [2 * int(n) for n in found] == [len(modes[f"momenta_{side}_{k}"]) for k in range(3)]


@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_momenta_are_the_phases_of_the_bloch_factors(side: str, compare: Comparison) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    lead = device_of(data).leads["LR".index(side)]
    blocks = lead_blocks(lead, modes["E_obs"].astype(complex))
    basis = hopping_basis(lead.hopping, None, complex)
    shape = blocks.onsite.shape
    a01, a10 = (np.broadcast_to(x, shape) for x in (blocks.hopping, blocks.hopping_back))
    found = bloch_modes(blocks.onsite, a01, a10, basis, at_real_energy=True)
    for k in range(3):
        phases = np.sort(np.angle(found.factors[k][found.propagating[k]]))
        compare("wire_W8_L50", "momenta of the modes", phases, np.sort(modes[f"momenta_{side}_{k}"]), 1e-10)


def test_kwant_differences_are_the_sensitivity(compare: Comparison) -> None:
    differences, data = load("fd_gradient_wire_W8"), load("wire_W8_L50")
    found = na.transmission_sensitivity(device_of(data), differences["E"])
    sites = differences["sites"] @ [8, 1]
    # central differences of step 1e-4: h² T‴/6 ~ 1e-8 · T‴/6
    compare("wire_W8_L50", "dT/dV map beside differences of its T", found[:, sites], differences["dT_dV"], 1e-7)


def test_kwant_differences_are_the_onsite_gradient(compare: Comparison) -> None:
    differences, data = load("fd_gradient_wire_W8"), load("wire_W8_L50")
    sites = differences["sites"] @ [8, 1]
    for k, e in enumerate(differences["E"]):
        bar = na.transmission_vjp(device_of(data), np.array([e]))[1](np.ones(1), wrt="onsite")
        found = bar.device.hamiltonian.onsite[sites]
        compare("wire_W8_L50", "gradient by on-site energies beside differences", found, differences["dT_dV"][k], 1e-7)


def test_kwant_transmission_by_decimation_is_off_by_the_broadening() -> None:
    data: Any = load("wire_W8_L50")
    found = na.transmission(device_of(data), data["energies"], eta=1e-9)
    assert 1e-10 <= np.max(np.abs(found - data["T_smatrix"])) <= 1e-5
