"""T by the orbitals that touch another block or a lead is T by all of them."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import oracles
import pytest
from cases import hermitian, random_array

import negfadj as na
from negfadj.primitives import condensation, transmission
from negfadj.primitives.condensation import condensed

ENERGIES = np.linspace(-1.3, 1.4, 9)


def inner_device(*, is_complex: bool = False, n: int = 36, n_blocks: int = 5, seed: int = 0) -> na.Device:
    """Blocks of n orbitals of which neighbours touch a third, at random places; leads on two orbitals of the ends."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random_array(rng, *shape, is_complex=is_complex)

    diagonal = [hermitian(draw(n, n)) / n**0.5 for _ in range(n_blocks)]
    upper = []
    for _ in range(n_blocks - 1):
        block = np.zeros((n, n), diagonal[0].dtype)
        block[np.ix_(rng.permutation(n)[: n // 6], rng.permutation(n)[: n // 6])] = draw(n // 6, n // 6)
        upper.append(block)
    leads = []
    for block in (0, -1):
        coupling = np.zeros((n, 2))
        coupling[rng.permutation(n)[:2], [0, 1]] = 0.8
        leads.append(na.Lead(np.array([[0.1, 0.3], [0.3, -0.2]]), np.eye(2), coupling, block=block))
    return na.Device(na.BlockTridiagonal(diagonal, upper), leads)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `condensed` answered."""
    found: list[Any] = []

    def kept(system: Any) -> Any:
        found.append(condensed(system))
        return found[-1]

    monkeypatch.setattr(transmission, "condensed", kept)
    return found


def dense(device: na.Device, energies: np.ndarray, device_eta: float = 0.0) -> np.ndarray:
    """T from the first lead into the last by one inverse, refined once."""
    whole, n, found = device.hamiltonian.to_dense(), device.hamiltonian.block_sizes[0], []
    for e in energies:
        sigmas = [oracles.lead_self_energy(lead, None, oracles.Dual(e), 0.0, 0).value for lead in device.leads]
        a = ((e + 1j * device_eta) * np.eye(len(whole)) - whole).astype(complex)
        a[:n, :n] -= sigmas[0]
        a[-n:, -n:] -= sigmas[1]
        green = np.linalg.inv(a)
        x = (green @ (2 * np.eye(len(a)) - a @ green))[-n:, :n]
        gamma = [1j * (sigma - sigma.conj().T) for sigma in sigmas]
        found.append(np.trace(gamma[1] @ x @ gamma[0] @ x.conj().T).real)
    return np.array(found)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("device_eta", [0.0, 1e-3])
def test_transmission_is_that_of_all_orbitals(device_eta: float, is_complex: bool, used: list[Any]) -> None:
    device = inner_device(is_complex=is_complex)
    found = na.transmission(device, ENERGIES, device_eta=device_eta)
    small, _ = used[0]
    assert max(small.hamiltonian.block_sizes) <= 14 and min(small.hamiltonian.block_sizes) >= 6
    expected = dense(device, ENERGIES, device_eta)
    assert expected.max() > 1e-3 and np.max(np.abs(found - expected) / expected) <= 1e-10
    turned = na.Device(device.hamiltonian, device.leads[::-1])
    assert np.max(np.abs(na.transmission(turned, ENERGIES, source=1, drain=0, device_eta=device_eta) - found)) <= 1e-10
    back = na.transmission(turned, ENERGIES, device_eta=device_eta)
    assert (is_complex and device_eta) or np.max(np.abs(back - found)) <= 1e-10  # of two leads where nothing is lost


def test_energies_on_a_level_of_the_inner_orbitals_are_done_by_all(used: list[Any]) -> None:
    device = inner_device()
    na.transmission(device, ENERGIES)
    levels = used[0][1].levels
    energies = np.array([float(levels[k][0][5]) for k in (0, 2, 4)])
    energies = np.concatenate([energies, energies + 1e-9, energies + 1e-6])
    found = na.transmission(device, energies)
    assert np.all(used[-1][1].largest[:6] > 1e6)
    assert np.max(np.abs(found - dense(device, energies))) <= 1e-9  # what elimination leaves unrefined


def test_is_left_alone_where_it_wins_nothing(used: list[Any]) -> None:
    na.transmission(inner_device(n=30), ENERGIES)  # small blocks
    full = inner_device()
    upper = [x + 0.01 * np.eye(36) for x in full.hamiltonian.upper]
    na.transmission(na.Device(na.BlockTridiagonal(full.hamiltonian.diagonal, upper), full.leads), ENERGIES)
    s = na.BlockTridiagonal([np.eye(36)] * 5, [0 * x for x in full.hamiltonian.upper])
    na.transmission(na.Device(full.hamiltonian, full.leads, overlap=s), ENERGIES)
    assert used == [None, None, None]


def test_one_layer_is_in_hand_at_a_time(used: list[Any]) -> None:
    peaks = []
    for n_blocks in (20, 60):
        device = inner_device(n_blocks=n_blocks)
        na.transmission(device, ENERGIES, device_eta=1e-2)
        tracemalloc.start()
        na.transmission(device, ENERGIES, device_eta=1e-2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    stack = 40 * len(ENERGIES) * 16 * 14**2  # of one layer more in every block
    assert peaks[1] - peaks[0] < 0.5 * stack + 40 * 36**2 * 8 * 4  # and H's own parts


def test_is_found_once_for_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    made = condensation._condensed
    monkeypatch.setattr(condensation, "_condensed", lambda *a: calls.append(1) or made(*a))
    na.transmission(inner_device(), np.linspace(-1, 1, 100), memory_limit=3e6)
    assert len(calls) == 1
