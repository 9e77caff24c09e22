"""The whole sweep in one call: the same factors as block by block, and K = W†A⁻¹W, against the dense inverse."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, open_system, random_device

from negfadj.array import rebuild
from negfadj.primitives.left_connected import sweep
from negfadj.primitives.open_system import Adjoint, Hoppings, OpenSystem, Reversed
from negfadj.primitives.whole_sweep import Source, has_kernel, sweep_blocks, whole_sweep

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
    assert len(last.factors) == 1 and last.w is None and last.reaction is None
    assert np.array_equal(host(last.factors[0]), host(found.factors[-1]))


def test_reaction_is_the_columns_through_the_inverse() -> None:
    device = random_device(5, is_complex=False)
    system = rebuild(open_system(device, ENERGIES), self_energies=(), blocks=(), supports=())  # A is Hermitian
    z, blocks = sweep_blocks(system)
    ends = np.concatenate([[0], np.cumsum(device.hamiltonian.block_sizes)])
    rng = np.random.default_rng(0)
    whole = np.zeros((2, ends[-1], 3), dtype=complex)
    sources = []
    for block, at, count in ((0, 0, 1), (2, 1, 2)):
        columns = rng.normal(size=(2, ends[block + 1] - ends[block], count)) + 0j
        whole[:, ends[block] : ends[block + 1], at : at + count] = columns
        sources.append(Source(block, columns, at))
    found = whole_sweep(z, blocks, sources=sources, keep=False, reaction=True)
    a = dense(system)
    expected = np.swapaxes(whole, -1, -2).conj() @ np.linalg.solve(a, whole)
    assert np.max(np.abs(found.reaction - expected)) <= 1e3 * EPS * np.linalg.cond(a).max() * np.abs(expected).max()


def test_real_energies_and_blocks_give_a_real_sweep() -> None:
    device = random_device(5, is_complex=False)
    system = rebuild(open_system(device, ENERGIES), z=ENERGIES, self_energies=(), blocks=(), supports=())
    z, blocks = sweep_blocks(system)
    found = whole_sweep(z, blocks, keep=False, sources=[Source(0, np.ones((1, 3, 1)), 0)], reaction=True)
    assert {x.dtype for x in (*found.factors, found.w, found.reaction)} == {np.dtype(float)}


def test_columns_that_no_block_starts_are_none() -> None:
    z, blocks = sweep_blocks(system_of(2, overlap=False, sparse=False, structured=False))
    assert whole_sweep(z, blocks, keep=True, reaction=True).reaction.shape == (2, 0, 0)


def test_other_matrices_are_left_to_the_steps() -> None:
    system = system_of(2, overlap=False, sparse=False, structured=False)
    assert sweep_blocks(Adjoint(system)) is None and not has_kernel(system.z)
