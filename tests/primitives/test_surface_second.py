"""The surface function's tangent and the tangent of its pullback against the n² × n² equations, whatever the rank."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import random_array, random_unitary
from oracles import stein_by_kron, surface_by_pencil

import negfadj as na
from negfadj.primitives.dual import Dual
from negfadj.primitives.modes import HoppingBasis, hopping_basis
from negfadj.primitives.surface_second import SurfaceEquations, surface_green_jvp, surface_green_pullback_jvp

N, ENERGY = 4, 0.3


def _dagger(x: np.ndarray) -> np.ndarray:
    return x.conj().T


def _blocks(seed: int, rank: int, eta: float) -> tuple[np.ndarray, ...]:
    """A00, A01, A10 of a lead of the given rank, and directions of full rank in each and in ḡ; ḡ last."""
    rng = np.random.default_rng(seed)
    hop = random_unitary(rng, N) @ np.diag([1.0, 0.9, 1.1, 0.8][:rank] + [0.0] * (N - rank)) @ random_unitary(rng, N)
    onsite = random_array(rng, N, N)
    a00 = (ENERGY + 1j * eta) * np.eye(N) - (onsite + _dagger(onsite)) / 4
    return (a00, -hop, -_dagger(hop), random_array(rng, N, N), *(random_array(rng, N, N) for _ in range(4)))


def _pullback(a00: np.ndarray, a01: np.ndarray, a10: np.ndarray, g_bar: np.ndarray) -> list[np.ndarray]:
    g = surface_by_pencil(a00, a01, a10)
    p, q = _dagger(a01 @ g), _dagger(g @ a10)
    k = stein_by_kron(p, q, -_dagger(g) @ g_bar @ _dagger(g))
    return [g, k, -k @ q, -p @ k]


def _found(blocks: tuple[np.ndarray, ...], backend: Backend, eta: float) -> list[tuple[np.ndarray, np.ndarray]]:
    a00, a01, a10, g_bar = (
        Dual(*(backend.convert(x[None]) for x in (blocks[i], blocks[i + 4]))) for i in range(4)
    )
    g = backend.convert(surface_by_pencil(*blocks[:3])[None])
    basis = HoppingBasis(*(None if x is None else backend.convert(x) for x in hopping_basis(blocks[1], None, complex)))
    equations = SurfaceEquations(g, a01.value, a10.value, basis, None, eta == 0, [ENERGY])
    g_both = surface_green_jvp(a00, a01, a10, equations)
    both = [g_both, *surface_green_pullback_jvp(g_bar, g_both, a01, a10, equations)]
    return [(host(x.value)[0], host(x.tangent)[0]) for x in both]


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("eta", [0.05, 0.0])
def test_surface_pullback_tangent_equals_differences_of_the_dense_pullback(
    rank: int, eta: float, backend: Backend
) -> None:
    blocks = _blocks(3, rank, eta)
    # at η = 0 only Hermitian data have a surface function on both sides of the value
    if eta == 0:
        blocks = (*blocks[:4], blocks[4] + _dagger(blocks[4]), blocks[5], _dagger(blocks[5]), blocks[7])

    def moved(h: float) -> list[np.ndarray]:
        return _pullback(*(blocks[i] + h * blocks[i + 4] for i in range(4)))

    for (value, tangent), exact, near, far in zip(
        _found(blocks, backend, eta),
        moved(0.0),
        *([a - b for a, b in zip(moved(h), moved(-h))] for h in (3e-5, 6e-5)),
    ):
        slope = (8 * near - far) / 36e-5
        assert np.max(np.abs(value - exact)) <= 1e-10 * np.abs(exact).max()
        assert np.max(np.abs(tangent - slope)) <= 1e-7 * np.abs(slope).max()


def test_surface_tangent_does_not_exist_at_a_band_edge() -> None:
    one = np.ones((1, 1, 1), dtype=complex)
    equations = SurfaceEquations(one, -one, -one, HoppingBasis(None, None), None, True, [2.0])  # E = 2|t|: g = 1/t
    moved = Dual(2 * one, one)
    fixed = Dual(-one)
    with pytest.raises(na.ConvergenceError, match="band edge"), np.errstate(all="ignore"):
        surface_green_jvp(moved, fixed, fixed, equations)
