"""Kwant 1.5.0: transmissions, channels, densities, currents, noise and differences of wires and a ribbon at η = 0."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from self_energies import self_energy

import negfadj as na
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.modes import bloch_modes, hopping_basis

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
def test_kwant_transmission_is_matched_at_real_energies(name: str) -> None:
    data = load(name)
    found = na.transmission(device_of(data), data["energies"])
    assert np.max(np.abs(found - data["T_smatrix"])) <= 1e-11  # asked for: 1e-8
    assert np.max(np.abs(found - data["T_greens"])) <= 1e-11


@SYSTEMS
@pytest.mark.parametrize("lead", [0, 1])
def test_kwant_open_channels_are_matched(name: str, lead: int) -> None:
    data = load(name)
    found = na.open_channels(device_of(data), data["energies"], lead=lead)
    assert np.array_equal(found, data["n_modes"][lead])


@SYSTEMS
def test_kwant_reflection_completes_the_channels(name: str) -> None:
    data = load(name)
    energies = data["energies"][::5]
    found = na.transmission_matrix(device_of(data), energies)
    expected = data["n_modes"][0][::5] - data["T_smatrix"][::5]
    assert np.max(np.abs(found[:, 0, 0] - expected)) <= 1e-10


@SYSTEMS
@pytest.mark.parametrize("source", ["modes", "stored self-energy"])
def test_kwant_transmission_at_the_observed_energies_is_matched(name: str, source: str) -> None:
    data = load(name)
    device = tabulated(data) if source != "modes" else device_of(data)
    assert np.max(np.abs(na.transmission(device, data["E_obs"]) - data["T_obs"])) <= 1e-11


@SYSTEMS
@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_self_energy_is_matched(name: str, side: str) -> None:
    data = load(name)
    device = device_of(data)
    block = 0 if side == "L" else len(data["H_diag"]) - 1
    rows = data[f"sigma_rows_{side}"] - block * data["H_diag"].shape[1]
    for k, e in enumerate(data["E_obs"]):
        found = self_energy(device.leads[0 if side == "L" else 1], np.array([e]))[0]
        expected = np.zeros_like(found)
        expected[rows[:, None], rows[None, :]] = data[f"Sigma_{side}"][k]
        assert np.max(np.abs(found - expected)) <= 1e-11


# With the stored Σ every figure is one inverse: eps · cond(A) ~ 1e-13; asked for: 1e-9
@SYSTEMS
def test_kwant_local_density_of_states_is_matched(name: str) -> None:
    data = load(name)
    found = na.local_density_of_states(tabulated(data), data["E_obs"])
    assert np.max(np.abs(found - data["ldos"])) <= 1e-12


@SYSTEMS
def test_kwant_density_of_a_lead_is_matched(name: str) -> None:
    data = load(name)
    found = 2 * np.pi * na.lead_density(tabulated(data), data["E_obs"], source=0)
    assert np.max(np.abs(found - data["density_from_lead0"])) <= 1e-11


@SYSTEMS
def test_kwant_bond_currents_are_matched(name: str) -> None:
    data = load(name)
    device = tabulated(data)
    found = na.bond_current(device, data["E_obs"], source=0)
    place = {tuple(pair): k for k, pair in enumerate(np.asarray(device.bonds).tolist())}
    seen = set()
    for k, (a, b) in enumerate(data["bonds"].tolist()):
        sign, pair = (1, (a, b)) if a < b else (-1, (b, a))
        seen.add(pair)
        assert np.max(np.abs(sign * found[:, place[pair]] - data["bond_current_from_lead0"][:, k])) <= 1e-11
    assert len(seen) == len(place)


def test_kwant_shot_noise_is_matched() -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.shot_noise_factor(device_of(data), modes["E_obs"])
    expected = [float(modes[f"shotnoise_{k}"]) for k in range(3)]
    assert np.max(np.abs(found - expected)) <= 1e-11


def test_kwant_transmission_eigenvalues_sum_to_the_transmission() -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.transmission(device_of(data), modes["E_obs"])
    assert np.max(np.abs(found - [modes[f"T_eig_{k}"].sum() for k in range(3)])) <= 1e-11


@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_momenta_are_two_for_every_open_channel(side: str) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    found = na.open_channels(device_of(data), modes["E_obs"], lead="LR".index(side))
    assert [2 * int(n) for n in found] == [len(modes[f"momenta_{side}_{k}"]) for k in range(3)]


@pytest.mark.parametrize("side", ["L", "R"])
def test_kwant_momenta_are_the_phases_of_the_bloch_factors(side: str) -> None:
    modes, data = load("modes_wire_W8"), load("wire_W8_L50")
    lead = device_of(data).leads["LR".index(side)]
    blocks = lead_blocks(lead, modes["E_obs"].astype(complex))
    basis = hopping_basis(lead.hopping, None, complex)
    shape = blocks.onsite.shape
    a01, a10 = (np.broadcast_to(x, shape) for x in (blocks.hopping, blocks.hopping_back))
    found = bloch_modes(blocks.onsite, a01, a10, basis, at_real_energy=True)
    for k in range(3):
        phases = np.sort(np.angle(found.factors[k][found.propagating[k]]))
        assert np.max(np.abs(phases - np.sort(modes[f"momenta_{side}_{k}"]))) <= 1e-10


def test_kwant_differences_are_the_sensitivity() -> None:
    differences, data = load("fd_gradient_wire_W8"), load("wire_W8_L50")
    found = na.transmission_sensitivity(device_of(data), differences["E"])
    sites = differences["sites"] @ [8, 1]
    # central differences of step 1e-4: h² T‴/6 ~ 1e-8 · T‴/6
    assert np.max(np.abs(found[:, sites] - differences["dT_dV"])) <= 1e-7


def test_kwant_differences_are_the_onsite_gradient() -> None:
    differences, data = load("fd_gradient_wire_W8"), load("wire_W8_L50")
    sites = differences["sites"] @ [8, 1]
    for k, e in enumerate(differences["E"]):
        bar = na.transmission_vjp(device_of(data), np.array([e]))[1](np.ones(1), wrt="onsite")
        assert np.max(np.abs(bar.device.hamiltonian.onsite[sites] - differences["dT_dV"][k])) <= 1e-7


def test_kwant_transmission_by_decimation_is_off_by_the_broadening() -> None:
    data: Any = load("wire_W8_L50")
    found = na.transmission(device_of(data), data["energies"], eta=1e-9)
    assert 1e-10 <= np.max(np.abs(found - data["T_smatrix"])) <= 1e-5
