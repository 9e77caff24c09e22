"""H ψ = E S ψ: energies, their pullback, multiplets, slopes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
from backends import NUMPY, Backend, host
from cases import EPS, hermitian, random_array, random_unitary
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.primitives.bands import eigenstates, eigenvalues, eigenvalues_vjp, multiplets, velocities


def _pair(seed: int, n_matrices: int = 3, n: int = 4, *, is_complex: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Random H, and S with eigenvalues between 0.2 and 2 or so."""
    rng = np.random.default_rng(seed)
    h = hermitian(random_array(rng, n_matrices, n, n, is_complex=is_complex))
    s = np.eye(n) + 0.1 * hermitian(random_array(rng, n_matrices, n, n, is_complex=is_complex))
    return h, s


def _with_energies(rng: np.random.Generator, energies: list[float], s: np.ndarray) -> np.ndarray:
    """H with the given energies in the overlap s: X E X† with X = L U, s = L L†."""
    x = np.linalg.cholesky(s) @ random_unitary(rng, len(energies))
    return hermitian(x @ np.diag(energies) @ x.conj().T)


@pytest.mark.parametrize("is_complex", [False, True])
def test_eigenvalues_equal_scipys(is_complex: bool, backend: Backend) -> None:
    h, s = _pair(0, is_complex=is_complex)
    found = host(eigenvalues(backend.convert(h), backend.convert(s)))
    expected = np.stack([scipy.linalg.eigh(a, b, eigvals_only=True) for a, b in zip(h, s)])
    assert np.max(np.abs(found - expected)) <= 50 * EPS * np.max(np.linalg.cond(s)) * np.max(np.abs(expected))
    assert np.array_equal(found, np.sort(found))


def test_eigenvalues_without_overlap_equal_numpys(backend: Backend) -> None:
    h, _ = _pair(1)
    assert np.array_equal(host(eigenvalues(backend.convert(h))), np.linalg.eigvalsh(h))


@given(seed=st.integers(0, 2**31), n=st.integers(1, 6), is_complex=st.booleans())
def test_eigenstates_solve_the_equation_and_are_orthonormal_in_the_overlap(seed: int, n: int, is_complex: bool) -> None:
    h, s = _pair(seed, n=n, is_complex=is_complex)
    s = s + (np.maximum(0, 0.1 - np.linalg.eigvalsh(s)[:, 0]))[:, None, None] * np.eye(n)
    energies, states = eigenstates(h, s)
    bound = 100 * n * EPS * np.max(np.linalg.cond(s))
    residual = h @ states - s @ states * energies[:, None, :]
    assert np.max(np.abs(residual)) <= bound * np.max(np.abs(h)) * np.max(np.abs(states))
    assert np.max(np.abs(states.conj().swapaxes(-1, -2) @ s @ states - np.eye(n))) <= bound


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_eigenvalues_vjp_passes_the_public_check(overlap: bool, is_complex: bool, backend: Backend) -> None:
    h, s = _pair(2, is_complex=is_complex)
    primals = (backend.convert(h), backend.convert(s)) if overlap else (backend.convert(h),)
    na.testing.check_vjp(eigenvalues, eigenvalues_vjp, primals)


def test_eigenvalues_pullback_moves_along_with_a_rigid_shift() -> None:
    h, s = _pair(3)  # d/dU of E(H + U S, S) is 1: Σ Ē_n = tr(H̄ S)
    energies, pullback = eigenvalues_vjp(h, s)
    weights = np.random.default_rng(4).normal(size=energies.shape)
    bar = pullback(weights)
    assert np.allclose(np.einsum("kab,kba->k", bar.hamiltonian, s).real, weights.sum(axis=1), rtol=1e-12)


def test_eigenvalues_pullback_is_homogeneous_in_the_overlap() -> None:
    h, s = _pair(5)  # E(H, c S) = E/c: <S̄, S> = −Σ Ē_n E_n
    energies, pullback = eigenvalues_vjp(h, s)
    weights = np.random.default_rng(6).normal(size=energies.shape)
    found = np.vdot(pullback(weights).overlap, s).real
    assert np.isclose(found, -np.sum(weights * energies), rtol=1e-12)


def test_a_sum_over_a_multiplet_is_differentiable(backend: Backend) -> None:
    rng = np.random.default_rng(7)
    _, s = _pair(8, 1)
    h = _with_energies(rng, [-1.0, 0.5, 0.5, 2.0], s[0])[None]
    weights = np.array([[0.3, 1.7, 1.7, -0.4]])
    _, pullback = eigenvalues_vjp(backend.convert(h), backend.convert(s))
    bar = host(pullback(backend.convert(weights)))
    for primal in (0, 1):
        direction = hermitian(random_array(rng, 1, 4, 4))

        def loss(x: float, primal: int = primal, direction: np.ndarray = direction) -> float:
            moved = (h + x * direction, s) if primal == 0 else (h, s + x * direction)
            return float(np.sum(weights * scipy.linalg.eigh(moved[0][0], moved[1][0], eigvals_only=True)))

        step = 1e-3
        exact = (8 * (loss(step) - loss(-step)) - loss(2 * step) + loss(-2 * step)) / (12 * step)
        assert np.isclose(np.vdot(bar[primal], direction).real, exact, rtol=1e-7)


def test_unequal_weights_on_a_multiplet_are_refused_with_bands_energies_and_weights(backend: Backend) -> None:
    rng = np.random.default_rng(9)
    h = np.stack([_with_energies(rng, [-1.0, x, 0.5, 2.0], np.eye(4)) for x in (0.1, 0.5)])
    _, pullback = eigenvalues_vjp(backend.convert(h))
    pullback(backend.convert(np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 1.0, 3.0]])))
    named = r'bands 1, 2 at matrix 1 .*0\.5, 0\.5 eV.* weigh 1, 2:.*degenerate="average"'
    with pytest.raises(na.InputError, match=named):
        pullback(backend.convert(np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]])))


def test_the_average_over_a_multiplet_is_the_gradient_of_its_mean(backend: Backend) -> None:
    rng = np.random.default_rng(10)
    h = _with_energies(rng, [-1.0, 0.5, 0.5, 0.5], np.eye(4))[None]
    average = eigenvalues_vjp(backend.convert(h), degenerate="average")[1]
    even = eigenvalues_vjp(backend.convert(h))[1]
    found = host(average(backend.convert(np.array([[2.0, 3.0, 0.0, 0.0]]))).hamiltonian)
    expected = host(even(backend.convert(np.array([[2.0, 1.0, 1.0, 1.0]]))).hamiltonian)
    assert np.max(np.abs(found - expected)) <= 20 * EPS


def test_bands_closer_than_the_tolerance_are_one_multiplet() -> None:
    energies = np.array([[-10.0, 0.0, 1e-7, 2e-7, 1.0], [-1.0, 0.0, 2e-7, 4e-7, 1.0]])
    assert multiplets(energies).tolist() == [[0, 1, 1, 1, 2], [0, 1, 2, 3, 4]]  # √ε · 10 = 1.5e-7
    assert multiplets(energies / 1e9).tolist() == [[0, 1, 1, 1, 2], [0, 1, 2, 3, 4]]
    assert multiplets(energies, 0.0).tolist() == [[0, 1, 2, 3, 4]] * 2
    assert multiplets(energies[:, :1]).tolist() == [[0], [0]]


def test_weights_that_differ_by_rounding_are_taken_as_equal() -> None:
    rng = np.random.default_rng(11)
    h = _with_energies(rng, [0.5, 0.5], np.eye(2))[None]
    energies, pullback = eigenvalues_vjp(h)
    bar = pullback(2 * (energies - 0.2)).hamiltonian  # dL/dE of Σ (E − 0.2)²
    assert np.max(np.abs(bar[0] - 0.6 * np.eye(2))) <= 20 * EPS


def _two_crossing(overlap: float) -> tuple[Callable[[float], np.ndarray], Callable[[float], np.ndarray], np.ndarray]:
    """H(s), S(s) and the four bands' slopes at s = 0: at E = 1 there are three of slopes −2, 0.5, 3, at E = −1 one."""
    rng = np.random.default_rng(12)
    root = np.eye(4) + 0.2 * random_array(rng, 4, 4)
    turn = 0.3 * hermitian(random_array(rng, 4, 4)) * overlap

    def frame(s: float) -> np.ndarray:
        return root @ scipy.linalg.expm(1j * s * turn) @ (np.eye(4) + overlap * s * np.diag([0.1, -0.2, 0.3, 0.4]))

    def hamiltonian(s: float) -> np.ndarray:
        return frame(s) @ np.diag([1 + 3 * s, -1 + s, 1 - 2 * s, 1 + 0.5 * s]) @ frame(s).conj().T

    def gram(s: float) -> np.ndarray:
        return frame(s) @ frame(s).conj().T

    return hamiltonian, gram, np.array([1.0, -2.0, 0.5, 3.0])


def _slope(f: Callable[[float], np.ndarray], h: float = 1e-3) -> np.ndarray:
    return (8 * (f(h) - f(-h)) - f(2 * h) + f(-2 * h)) / (12 * h)


@pytest.mark.parametrize("overlap", [0.0, 1.0])
def test_velocities_of_crossing_bands_are_their_slopes_ascending(overlap: float, backend: Backend) -> None:
    hamiltonian, gram, expected = _two_crossing(overlap)
    matrices = [hamiltonian(0.0), gram(0.0), _slope(hamiltonian), _slope(gram)]
    found = host(velocities(*(backend.convert(hermitian(x)[None]) for x in matrices)))[0]
    assert np.max(np.abs(found - expected)) <= 1e-9  # the difference quotient's error


def test_velocities_equal_the_differences_of_the_energies(backend: Backend) -> None:
    (h, s), (d_h, d_s) = _pair(13), _pair(14)
    d_s = d_s - np.eye(4)

    def energies(x: float) -> np.ndarray:
        pairs = zip(h + x * d_h, s + x * d_s)
        return np.stack([scipy.linalg.eigh(a, b, eigvals_only=True) for a, b in pairs])

    expected = _slope(energies)
    found = host(velocities(*(backend.convert(x) for x in (h, s, d_h, d_s))))
    assert np.max(np.abs(found - expected)) <= 1e-8
    without = host(velocities(backend.convert(h), None, backend.convert(d_h), None))
    assert np.max(np.abs(without - _slope(lambda x: np.linalg.eigvalsh(h + x * d_h)))) <= 1e-8


def test_velocities_without_overlap_are_the_mean_of_the_derivative() -> None:
    h, _ = _pair(15)
    d_h, _ = _pair(16)
    found = velocities(h, None, d_h, None)
    assert np.allclose(found.sum(axis=1), np.trace(d_h, axis1=1, axis2=2).real)


def test_an_overlap_that_is_not_positive_definite_is_refused_with_its_eigenvalue(backend: Backend) -> None:
    h, s = _pair(17)
    s[1] = np.diag([1.0, 0.5, -0.25, 1.0])
    for function in (eigenvalues, eigenstates):
        with pytest.raises(na.InputError, match=r"matrix 1 has an eigenvalue -0\.25"):
            function(backend.convert(h), backend.convert(s))


def test_an_overlap_that_is_singular_to_rounding_is_refused() -> None:
    h, s = _pair(18, 1)
    s[0] = np.diag([1.0, 1.0, 1.0, 1e-17])
    with pytest.raises(na.InputError, match="positive definite"):
        eigenvalues(h, s)


def test_an_unknown_way_with_degenerate_bands_is_refused() -> None:
    with pytest.raises(na.InputError, match=r"'mean'.*average"):
        eigenvalues_vjp(_pair(19)[0], degenerate="mean")  # type: ignore[arg-type]


def test_single_precision_stays_single() -> None:
    h, s = (x.astype(np.complex64) for x in _pair(20))
    energies, pullback = eigenvalues_vjp(h, s)
    bar = pullback(np.ones_like(energies))
    assert energies.dtype == np.float32 and bar.hamiltonian.dtype == bar.overlap.dtype == np.complex64
    assert np.allclose(energies, eigenvalues(*NUMPY(_pair(20))), atol=1e-5)
