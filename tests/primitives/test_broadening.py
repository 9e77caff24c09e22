"""Γ = i(Σ − Σ†)."""

from __future__ import annotations

import numpy as np
from backends import Backend, host
from cases import random_array
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.primitives.broadening import broadening, broadening_vjp


def test_broadening_equals_i_times_self_energy_minus_its_dagger(backend: Backend) -> None:
    sigma = random_array(np.random.default_rng(0), 3, 4, 4)
    expected = np.stack([1j * (x - x.conj().T) for x in sigma])
    assert np.array_equal(host(broadening(backend.convert(sigma))), expected)


@given(seed=st.integers(0, 2**31), n=st.integers(1, 6))
def test_broadening_is_hermitian(seed: int, n: int) -> None:
    gamma = broadening(random_array(np.random.default_rng(seed), 2, n, n))
    assert np.array_equal(gamma, gamma.conj().swapaxes(-1, -2))


def test_broadening_of_a_negative_imaginary_self_energy_is_positive() -> None:
    root = random_array(np.random.default_rng(1), 3, 4, 4)
    gamma = broadening(-1j * root @ root.conj().swapaxes(-1, -2))
    assert np.linalg.eigvalsh(gamma).min() > 0


def test_broadening_pullback_is_the_adjoint(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    sigma, tangent, weight = (random_array(rng, 3, 4, 4) for _ in range(3))
    _, pullback = broadening_vjp(backend.convert(sigma))
    forward = np.vdot(weight, 1j * (tangent - tangent.conj().swapaxes(-1, -2))).real
    backward = np.vdot(host(pullback(backend.convert(weight))), tangent).real
    assert abs(forward - backward) <= 1e-14 * abs(forward)


def test_broadening_vjp_passes_the_public_check(backend: Backend) -> None:
    sigma = backend.convert(random_array(np.random.default_rng(3), 2, 3, 3))
    na.testing.check_vjp(broadening, broadening_vjp, (sigma,), rtol=1e-10)
