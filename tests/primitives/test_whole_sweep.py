"""The whole sweep in one call: the same factors and columns as block by block, and the largest of the factors."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, open_system, random_device

from negfadj.array import rebuild
from negfadj.primitives.left_connected import left_connected, sweep
from negfadj.primitives.open_system import Adjoint, Hoppings, OpenSystem, Reversed
from negfadj.primitives.transmission import transmission
from negfadj.primitives.whole_sweep import Source, sweep_blocks, whole_sweep

ENERGIES = np.array([-0.4, 0.3])
ETA = 0.05


def system_of(seed: int, *, overlap: bool, sparse: bool, structured: bool) -> OpenSystem:
    device = random_device(seed, overlap=overlap, sparse=sparse, is_complex=bool(seed % 2))
    system = open_system(device, ENERGIES, eta=ETA, device_eta=ETA)
    return rebuild(system, hoppings=Hoppings.of(device.hamiltonian, device.overlap)) if structured else system


def dense(system: OpenSystem) -> np.ndarray:
    """A as a whole, (E, n, n)."""
    sizes = system.hamiltonian.block_sizes
    ends = np.concatenate([[0], np.cumsum(sizes)])
    a = np.zeros((len(ENERGIES), ends[-1], ends[-1]), dtype=complex)
    for i in range(len(sizes)):
        here = slice(ends[i], ends[i + 1])
        a[:, here, here] = system.diagonal(i)
        if i + 1 < len(sizes):
            there = slice(ends[i + 1], ends[i + 2])
            a[:, here, there], a[:, there, here] = system.dense_upper(i), system.dense_lower(i)
    return a


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(("overlap", "sparse", "structured"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 0)])
def test_whole_sweep_is_the_sweep_block_by_block(
    overlap: bool, sparse: bool, structured: bool, is_reversed: bool, backend: Backend
) -> None:
    system = backend(system_of(3, overlap=bool(overlap), sparse=bool(sparse), structured=bool(structured)))
    a = Reversed(system) if is_reversed else system
    n = a.diagonal(1).shape[-1]
    columns = backend(np.arange(2.0 * n).reshape(1, n, 2) + 0j)
    z, blocks = sweep_blocks(a)
    found = whole_sweep(z, blocks, sources=[Source(1, columns, 0)], keep=True)
    expected = list(sweep(a, columns=(1, columns)))
    scale = max(np.abs(host(g)).max() for g, _ in expected)
    for g, (g_expected, _) in zip(found.factors, expected):
        assert np.max(np.abs(host(g) - host(g_expected))) <= 1e4 * EPS * scale**2
    w = host(expected[-1][1])
    assert np.max(np.abs(host(found.w) - w)) <= 1e4 * EPS * scale * np.abs(w).max()
    last = whole_sweep(z, blocks, keep=False)
    assert len(last.factors) == 1 and last.w is None and last.carried is None
    assert np.array_equal(host(last.factors[0]), host(found.factors[-1]))


def test_columns_of_two_blocks_go_through_the_inverse() -> None:
    system = system_of(5, overlap=False, sparse=False, structured=True)
    z, blocks = sweep_blocks(system)
    ends = np.concatenate([[0], np.cumsum(system.hamiltonian.block_sizes)])
    rng = np.random.default_rng(0)
    whole = np.zeros((2, ends[-1], 3), dtype=complex)
    sources = []
    for block, at, count in ((0, 0, 1), (2, 1, 2)):
        columns = rng.normal(size=(2, ends[block + 1] - ends[block], count)) + 0j
        whole[:, ends[block] : ends[block + 1], at : at + count] = columns
        sources.append(Source(block, columns, at))
    found = whole_sweep(z, blocks, sources=sources, keep=True)
    a = dense(system)
    expected = np.linalg.solve(a, whole)[:, ends[-2] :]
    limit = 1e3 * EPS * np.linalg.cond(a).max() * np.abs(expected).max()
    assert np.max(np.abs(found.factors[-1] @ found.w - expected)) <= limit
    assert found.carried[-1] is found.w and len(found.carried) == len(blocks)
    assert np.all(found.carried[1][:, :, 1:] == 0) and np.any(found.carried[2][:, :, 1:] != 0)


def test_growth_is_the_largest_entry_of_all_factors(backend: Backend) -> None:
    system = backend(system_of(3, overlap=True, sparse=True, structured=True))
    z, blocks = sweep_blocks(system)
    found, last = (whole_sweep(z, blocks, keep=keep) for keep in (True, False))
    expected = np.max([np.abs(host(g)).max(axis=(1, 2)) for g in found.factors], axis=0)
    assert np.allclose(host(found.growth), expected, rtol=8 * EPS, atol=0)
    assert np.allclose(host(last.growth), expected, rtol=8 * EPS, atol=0)
    assert np.array_equal(host(left_connected(system).growth), host(found.growth))


def test_growth_shows_a_level_of_the_cut_device(backend: Backend) -> None:
    device = random_device(5, overlap=False, is_complex=False)
    level = float(np.linalg.eigvalsh(device.hamiltonian.diagonal[0])[0])
    system = backend(rebuild(open_system(device, np.array([0.3, level])), self_energies=(), blocks=(), supports=()))
    growth = host(left_connected(system).growth)
    assert growth[0] < 1e6 and not growth[1] < 1e12


@pytest.mark.parametrize("device_eta", [0.0, 1e-13, 1e-9])
def test_transmission_is_refined_where_the_sweep_has_grown(device_eta: float) -> None:
    device = random_device(5, leads=(LeadKind(1, 2), LeadKind(-1, 3)), overlap=False)
    level = np.linalg.eigvalsh(device.hamiltonian.diagonal[0])[0] + 1e-9  # block 0 is a stub that no lead touches
    system = open_system(device, np.array([level, 0.3]), device_eta=device_eta)
    z, blocks = sweep_blocks(system)
    assert whole_sweep(z, blocks, keep=False).growth[0] > 1e7
    green = np.linalg.inv(dense(system))
    ends = np.cumsum(device.hamiltonian.block_sizes)
    x = green[:, ends[-2] :, ends[0] : ends[1]]
    through = system.broadening(1) @ x @ system.broadening(0) @ x.conj().swapaxes(1, 2)
    expected = np.trace(through, axis1=1, axis2=2).real
    assert expected[0] > 1e-3
    assert np.allclose(transmission(system, source=0, drain=1), expected, rtol=1e-11, atol=0)


def test_real_energies_and_blocks_give_a_real_sweep() -> None:
    device = random_device(5, is_complex=False)
    system = rebuild(open_system(device, ENERGIES), z=ENERGIES, self_energies=(), blocks=(), supports=())
    z, blocks = sweep_blocks(system)
    found = whole_sweep(z, blocks, keep=False, sources=[Source(0, np.ones((1, 3, 1)), 0)])
    assert {x.dtype for x in (*found.factors, found.w)} == {np.dtype(float)}


def test_sweep_without_columns_carries_none() -> None:
    z, blocks = sweep_blocks(system_of(2, overlap=False, sparse=False, structured=False))
    found = whole_sweep(z, blocks, keep=True)
    assert found.w is None and found.carried is None


def test_other_matrices_are_left_to_the_steps() -> None:
    system = system_of(2, overlap=False, sparse=False, structured=False)
    assert sweep_blocks(Adjoint(system)) is None
