"""Σ = A_c g A_c'."""

from __future__ import annotations

import numpy as np
from backends import Backend, host
from cases import random_array

import negfadj as na
from negfadj.primitives.self_energy import self_energy, self_energy_vjp


def _arguments(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return random_array(rng, 2, 5, 3), random_array(rng, 2, 3, 3), random_array(rng, 2, 3, 5)


def test_self_energy_is_the_product_of_its_arguments(backend: Backend) -> None:
    coupling, surface, back = _arguments(0)
    expected = np.einsum("eij,ejk,ekl->eil", coupling, surface, back)
    assert np.allclose(host(self_energy(*backend(_arguments(0)))), expected, rtol=0, atol=1e-13)


def test_self_energy_pullback_is_the_adjoint_for_every_argument(backend: Backend) -> None:
    arguments, tangents = _arguments(0), _arguments(1)
    weight = random_array(np.random.default_rng(2), 2, 5, 5)
    _, pullback = self_energy_vjp(*backend(arguments))
    bars = host(tuple(pullback(backend.convert(weight))))
    for k in range(3):
        moved = [tangents[i] if i == k else x for i, x in enumerate(arguments)]
        forward = np.vdot(weight, np.einsum("eij,ejk,ekl->eil", *moved)).real
        backward = np.vdot(bars[k], tangents[k]).real
        assert abs(forward - backward) <= 1e-12 * np.linalg.norm(weight) * np.linalg.norm(tangents[k]), k


def test_self_energy_vjp_passes_the_public_check(backend: Backend) -> None:
    na.testing.check_vjp(self_energy, self_energy_vjp, backend(_arguments(3)), rtol=1e-10)
