"""The Fermi function as a sum over poles: its error, density matrices of closed and open systems, derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from backends import Backend, host
from scipy.integrate import quad_vec
from scipy.special import expit

from negfadj import testing
from negfadj.constants import BOLTZMANN
from negfadj.errors import ConvergenceError, InputError, InputTypeError
from negfadj.primitives import fermi_minimax as minimax
from negfadj.primitives.fermi_poles import (
    FermiPoles,
    fermi_poles,
    fermi_poles_bar,
    fermi_poles_tangent,
    fermi_poles_vjp,
    pole_sum,
)
from negfadj.primitives.ozaki_poles import ozaki, ozaki_poles

ROUND_OFF = 2e-14  # of a sum over at most 50 poles whose terms add up to a few units


def fermi(energies, mu, kt):
    return expit(-(energies - mu) / kt)


def spectrum(lowest, mu, kt, n=20000):
    """Energies from `lowest` far up, dense around μ on the scale of kT and logarithmic away from it."""
    reach = math.asinh((mu - lowest) / kt)
    energies = mu + kt * np.sinh(np.linspace(-reach, reach + 14, n))
    return np.concatenate([[lowest], np.maximum(energies, lowest), np.linspace(lowest, 2 * mu - lowest, n)])


def density_matrix(poles, green):
    """c S⁻¹ is left to the caller; Σ_p [R_p G(z_p) + h.c.]."""
    terms = [weight * green(node) for node, weight in zip(poles.nodes, poles.weights)]
    half = np.sum(terms, axis=0)
    return half + half.conj().T


class Chains:
    """A random device of three orbitals between two semi-infinite chains with overlap, and its finite counterpart."""

    onsite, hopping, overlap, n = 0.2, -1.0, 0.15, 3

    def __init__(self, length=140):
        rng = np.random.default_rng(3)
        x = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))
        self.h = x + x.conj().T + np.diag([-4.0, 0.0, 1.0])  # with states below and above the chains' band
        self.s = np.eye(3) + 0.05 * (np.eye(3, k=1) + np.eye(3, k=-1))
        # site of the device: ⟨site|H|chain⟩, ⟨site|S|chain⟩
        self.couplings = {0: (0.8 + 0.3j, 0.1), 2: (0.6 - 0.5j, -0.05)}
        size = 3 + 2 * length
        self.whole_h, self.whole_s = np.zeros((size, size), complex), np.eye(size, dtype=complex)
        self.whole_h[:3, :3], self.whole_s[:3, :3] = self.h, self.s
        for lead, (site, (tau, s_tau)) in enumerate(self.couplings.items()):
            first = 3 + lead * length
            chain = np.arange(first, first + length)
            self.whole_h[chain, chain] = self.onsite
            for matrix, bond, joint in ((self.whole_h, self.hopping, tau), (self.whole_s, self.overlap, s_tau)):
                matrix[chain[:-1], chain[1:]] = matrix[chain[1:], chain[:-1]] = bond
                matrix[site, first], matrix[first, site] = joint, np.conj(joint)

    def self_energy(self, z):
        a, b = z - self.onsite, z * self.overlap - self.hopping
        root = np.sqrt(a * a - 4 * b * b + 0j)
        g = min((a - root) / (2 * b * b), (a + root) / (2 * b * b), key=lambda g: abs(b * g))  # the decaying one
        sigma = np.zeros((3, 3), complex)
        for site, (tau, s_tau) in self.couplings.items():
            sigma[site, site] += (z * s_tau - tau) * g * (z * np.conj(s_tau) - np.conj(tau))
        return sigma

    def green(self, z):
        return np.linalg.inv(z * self.s - self.h - self.self_energy(z))

    def finite(self, mu, kt):
        """D of the device's orbitals in the finite system: at this kT its ends are felt by less than 1e-12."""
        energies, states = scipy.linalg.eigh(self.whole_h, self.whole_s)
        return (states[:3] * fermi(energies, mu, kt)) @ states[:3].conj().T, energies[0]


@pytest.fixture(scope="module")
def chains():
    return Chains()


@pytest.mark.parametrize("error", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("reach", [2.0, 40.0, 1160.0, 3.5e5])
def test_fermi_poles_keep_the_stated_error_from_lowest_to_infinity(reach: float, error: float) -> None:
    mu, kt = 0.37, 0.021
    poles = fermi_poles(mu, kt, lowest=mu - reach * kt, error=error)
    energies = spectrum(poles.lowest, mu, kt)
    largest = np.max(np.abs(pole_sum(poles, energies) - fermi(energies, mu, kt)))
    assert poles.lowest <= mu - reach * kt and poles.highest == math.inf
    assert 0.5 * error < largest <= error * (1 + 1e-6) + ROUND_OFF
    assert np.all(poles.nodes.imag > kt)


@pytest.mark.slow
def test_fermi_poles_keep_any_error_at_any_reach() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        error, kt = 10 ** rng.uniform(-10, -2), 10 ** rng.uniform(-6, -1)
        lowest = -(10 ** rng.uniform(-2, 2))
        poles = fermi_poles(0.0, kt, lowest=lowest, error=error)
        energies = spectrum(min(lowest, -kt), 0.0, kt, 5000)
        assert np.max(np.abs(pole_sum(poles, energies) - fermi(energies, 0.0, kt))) <= error * (1 + 1e-6) + ROUND_OFF


@pytest.mark.parametrize(("temperature", "n_poles"), [(1, 25), (4.2, 22), (77, 17), (300, 14), (1000, 12)])
def test_fermi_poles_number_as_the_table_says_30_ev_below_and_above(temperature: float, n_poles: int) -> None:
    kt = BOLTZMANN * temperature
    poles = fermi_poles(0.0, kt, lowest=-30.0)
    energies = np.sort(np.concatenate([np.linspace(-30, 30, 20001), kt * np.linspace(-40, 40, 4001)]))
    assert poles.nodes.shape == (n_poles,)
    assert np.max(np.abs(pole_sum(poles, energies) - fermi(energies, 0.0, kt))) <= 1e-8 + ROUND_OFF


@pytest.mark.parametrize("n_pairs", [6, 15])
def test_fermi_minimax_error_alternates_once_more_than_it_has_parameters(n_pairs: int) -> None:
    best = minimax.longest(n_pairs, 1e-6)
    x = np.sinh(np.linspace(-math.asinh(best.reach), math.asinh(1e6 * best.reach), 40000))
    x[0] = -best.reach
    difference = minimax.rational(best.nodes, best.weights, x) - expit(-x)
    runs = np.split(difference, np.flatnonzero(np.diff(np.sign(difference))) + 1)
    peaks = [np.max(np.abs(run)) for run in runs]
    # Chebyshev: 4P real parameters, 4P + 1 equal extrema of alternating sign, so that none of this form is better
    assert len(peaks) == 4 * n_pairs + 1
    assert np.ptp(peaks) <= 2e-3 * 1e-6


def test_fermi_minimax_takes_no_pole_more_than_needed() -> None:
    for n_poles, error in ((7, 1e-8), (15, 1e-10), (12, 1e-3)):
        longest = minimax.longest(n_poles, error).reach
        for reach in (0.999 * longest, longest):
            assert minimax.fermi_minimax(reach, error).nodes.shape[0] == n_poles
        assert minimax.fermi_minimax(1.001 * longest, error).nodes.shape[0] == n_poles + 1


def test_fermi_minimax_refuses_an_approximation_that_misses_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimax, "MARGIN", -0.01)  # levelled one per cent above the stated error
    with pytest.raises(ConvergenceError, match=r"to 4\.2") as caught:
        minimax.longest(8, 4.2e-6)
    assert 4.2e-6 < caught.value.residual < 4.3e-6


def test_fermi_minimax_is_the_same_when_computed_again() -> None:
    first = minimax.longest(9, 1e-7)
    for cached in (minimax.fermi_minimax, minimax.longest, minimax._coarse):
        cached.cache_clear()
    again = minimax.longest(9, 1e-7)
    assert np.array_equal(first.nodes, again.nodes) and np.array_equal(first.weights, again.weights)
    assert first.reach == again.reach


def test_pole_sum_falls_from_one_to_zero_below_lowest() -> None:
    poles = fermi_poles(0.0, 0.025, lowest=-5.0)
    below = pole_sum(poles, -np.geomspace(-poles.lowest, 1e6, 2000))
    assert np.all(below > 0) and np.all(below <= 1 + 1e-8)
    assert below[-1] < 1e-3


def test_fermi_poles_derivatives_are_those_of_the_fermi_function() -> None:
    mu, kt, error = 0.1, 0.03, 1e-9
    poles = fermi_poles(mu, kt, lowest=-3.0, error=error)
    energies = spectrum(mu - 0.9 * (mu - poles.lowest), mu, kt, 2000)
    x = (energies - mu) / kt
    window = expit(x) * expit(-x)
    inverse = 1 / (poles.nodes - energies[:, None])
    # by docs/adjoints/fermi-poles.md the error's slope is at most 3/kT times the error, and 45/kT times for kT
    for d_mu, d_kt, expected, factor in ((1.0, 0.0, window / kt, 3), (0.0, 1.0, x * window / kt, 45)):
        d = fermi_poles_tangent(poles, d_mu, d_kt)
        slope = 2 * np.real(d.weights * inverse - poles.weights * d.nodes * inverse**2).sum(axis=1)
        assert np.max(np.abs(slope - expected)) <= factor * error / kt


def occupations(mu, kt):
    """r at a few energies."""
    return pole_sum(fermi_poles(mu, kt, lowest=-2.0, error=1e-6), LEVELS)


LEVELS = np.array([-0.9, -0.05, 0.02, 0.13, 0.6])


def occupations_vjp(mu, kt):
    poles, pullback = fermi_poles_vjp(mu, kt, lowest=-2.0, error=1e-6)

    def occupations_pullback(n_bar):
        inverse = 1 / (poles.nodes[:, None] - LEVELS)
        # dn = 2 Re (dR/(z − E) − R dz/(z − E)²)
        weights = (2 * n_bar * inverse.conj()).sum(axis=1)
        nodes = (-2 * n_bar * (poles.weights[:, None] * inverse**2).conj()).sum(axis=1)
        return pullback(fermi_poles_bar(poles, nodes=nodes, weights=weights))

    return pole_sum(poles, LEVELS), occupations_pullback


def test_fermi_poles_vjp_passes_the_public_check() -> None:
    testing.check_vjp(occupations, occupations_vjp, (0.03, 0.05))


def test_fermi_poles_vjp_is_the_transpose_of_the_tangent(backend: Backend) -> None:
    like = backend.convert(np.zeros(1))
    poles, pullback = fermi_poles_vjp(0.2, 0.04, lowest=-3.0, like=like)
    rng = np.random.default_rng(1)
    n = poles.nodes.shape[0]
    z_bar, r_bar = (rng.standard_normal(n) + 1j * rng.standard_normal(n) for _ in range(2))
    bar = pullback(fermi_poles_bar(poles, nodes=backend.convert(z_bar), weights=backend.convert(r_bar)))
    d = fermi_poles_tangent(poles, 0.7, -0.4)
    expected = np.vdot(z_bar, host(d.nodes)).real + np.vdot(r_bar, host(d.weights)).real
    size = np.abs(z_bar) @ np.abs(host(d.nodes)) + np.abs(r_bar) @ np.abs(host(d.weights))
    assert abs(0.7 * bar.chemical_potential - 0.4 * bar.kt - expected) <= 1e-14 * size
    alone = pullback(fermi_poles_bar(poles, weights=backend.convert(r_bar)))
    assert alone.chemical_potential == 0.0


def test_fermi_poles_vjp_gives_an_array_for_an_array() -> None:
    poles, pullback = fermi_poles_vjp(np.asarray(0.2), np.float64(0.04), lowest=-3.0)
    bar = pullback(fermi_poles_bar(poles, nodes=np.ones_like(poles.nodes)))
    assert isinstance(bar.chemical_potential, np.ndarray) and bar.chemical_potential.shape == ()


def test_fermi_poles_take_library_and_precision_of_like(backend: Backend) -> None:
    like = backend.convert(np.zeros(2, dtype=np.float32))
    poles = fermi_poles(0.1, 0.03, lowest=-2.0, error=1e-5, like=like)
    exact = fermi_poles(0.1, 0.03, lowest=-2.0, error=1e-5)
    assert type(poles.nodes) is type(like) and host(poles.nodes).dtype == np.complex64
    assert np.allclose(host(poles.nodes), exact.nodes, rtol=1e-6)


def test_fermi_poles_do_not_change_when_a_result_is_written_to() -> None:
    first = fermi_poles(0.0, 0.03, lowest=-2.0)
    kept = first.scaled_nodes.copy()
    first.scaled_nodes[:] = 0
    assert np.array_equal(fermi_poles(0.0, 0.03, lowest=-2.0).scaled_nodes, kept)


def test_density_matrix_of_a_closed_system_is_the_fermi_function_of_h() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((12, 12)) + 1j * rng.standard_normal((12, 12))
    h, mu, kt, error = x + x.conj().T, 0.3, 0.02, 1e-8
    energies, states = np.linalg.eigh(h)
    poles = fermi_poles(mu, kt, lowest=energies[0], error=error)
    found = density_matrix(poles, lambda z: np.linalg.inv(z * np.eye(12) - h))
    exact = (states * fermi(energies, mu, kt)) @ states.conj().T
    assert np.linalg.norm(found - exact, 2) <= error + ROUND_OFF


@pytest.mark.parametrize("error", [1e-6, 1e-10])
def test_density_matrix_of_an_open_system_agrees_with_a_long_finite_one(chains: Chains, error: float) -> None:
    mu, kt = -0.1, 0.1
    exact, lowest = chains.finite(mu, kt)
    found = density_matrix(fermi_poles(mu, kt, lowest=lowest - 0.1, error=error), chains.green)
    inverse = np.linalg.inv(chains.whole_s)[:3, :3]
    assert lowest < chains.onsite - 2  # a bound state below the band is in
    assert np.linalg.norm(found - exact, 2) <= error * np.linalg.norm(inverse, 2) + 1e-12


def test_density_matrix_agrees_with_quadrature_on_the_real_axis_in_the_wide_band_limit() -> None:
    rng = np.random.default_rng(8)
    x, y = (rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3)) for _ in range(2))
    h, gamma = x + x.conj().T, 0.3 * y @ y.conj().T
    mu, kt, error = 0.2, 0.05, 1e-8

    def green(z):
        return np.linalg.inv(z * np.eye(3) - h + 0.5j * gamma)

    def spectral(energy):
        g = green(energy)
        return 1j * (g - g.conj().T) / (2 * np.pi)

    poles = fermi_poles(mu, kt, lowest=-40.0, error=error)
    found = density_matrix(poles, green)
    points = np.concatenate([np.linalg.eigvalsh(h), [mu - 10 * kt, mu, mu + 10 * kt]])

    def integral(weight, low, high):
        return quad_vec(
            lambda e: weight(e) * spectral(e), low, high, epsabs=1e-11, epsrel=0, points=points, limit=20000
        )[0]

    # the tails of this spectrum never end: exactly what r makes of it, and f but for the weight below `lowest`
    whole = integral(lambda e: pole_sum(poles, np.array([e]))[0], -np.inf, np.inf)
    assert np.linalg.norm(found - whole, 2) <= 1e-9
    occupied = integral(lambda e: fermi(e, mu, kt), poles.lowest, np.inf)
    tail = np.linalg.norm(integral(lambda e: 1.0, -np.inf, poles.lowest), 2)
    assert np.linalg.norm(found - occupied, 2) <= tail + error


@pytest.mark.parametrize("temperature", [1.0, 30.0, 300.0, 1000.0])
def test_half_filled_chain_has_half_an_electron_a_site_and_spin(temperature: float) -> None:
    poles = fermi_poles(0.0, BOLTZMANN * temperature, lowest=-2.0, error=1e-10)
    green = 1 / (np.sqrt(poles.nodes - 2.0) * np.sqrt(poles.nodes + 2.0))  # infinite chain, hopping −1: G_aa
    assert abs(2 * np.sum(np.real(poles.weights * green)) - 0.5) <= 1e-10 + ROUND_OFF


def test_density_matrix_is_unchanged_by_a_rigid_shift(chains: Chains) -> None:
    here = fermi_poles(-0.1, 0.1, lowest=-9.0)
    there = fermi_poles(-0.1 + 7.0, 0.1, lowest=-9.0 + 7.0)
    moved = density_matrix(there, lambda z: chains.green(z - 7.0))
    assert np.linalg.norm(moved - density_matrix(here, chains.green), 2) <= 1e-13


def test_ozaki_poles_begin_with_matsubaras() -> None:
    nodes, weights = ozaki(40)
    assert np.allclose(nodes[:10], 1j * np.pi * (2 * np.arange(10) + 1), rtol=1e-12, atol=0)
    assert np.allclose(weights[:10], 1, rtol=1e-12, atol=0)


def test_ozaki_poles_have_the_error_they_state(chains: Chains) -> None:
    mu, kt = 0.1, 0.03
    errors = []
    for n_poles in (8, 14, 20):
        poles = ozaki_poles(mu, kt, n_poles=n_poles, lowest=-3.0, highest=3.2)
        energies = np.linspace(-3.0, 3.2, 5001)
        largest = np.max(np.abs(pole_sum(poles, energies) - fermi(energies, mu, kt)))
        errors.append(poles.error)
        assert largest <= poles.error * 1.01 + ROUND_OFF
    assert errors[0] > 100 * errors[1] > 10000 * errors[2]


def test_ozaki_and_minimax_poles_give_one_density_matrix(chains: Chains) -> None:
    mu, kt = 0.2, 0.1
    lowest, highest = scipy.linalg.eigvalsh(chains.whole_h, chains.whole_s)[[0, -1]]
    ozakis = ozaki_poles(mu, kt, n_poles=30, lowest=lowest, highest=highest)
    minimaxs = fermi_poles(mu, kt, lowest=lowest, error=1e-10)
    inverse = np.linalg.inv(chains.whole_s)[:3, :3]  # the first moment of the open system
    found = ozakis.constant * inverse + density_matrix(ozakis, chains.green)
    assert ozakis.error < 1e-12
    assert np.linalg.norm(found - density_matrix(minimaxs, chains.green), 2) <= 2e-10


def test_ozaki_poles_move_as_their_tangent_says() -> None:
    step = 1e-4
    keywords = {"n_poles": 12, "lowest": -1.0, "highest": 1.0}
    poles = ozaki_poles(0.1, 0.03, **keywords)
    moved = ozaki_poles(0.1 + 0.5 * step, 0.03 + step, **keywords)
    d = fermi_poles_tangent(poles, 0.5 * step, step)
    assert np.allclose(moved.nodes, poles.nodes + d.nodes, rtol=1e-13)
    assert np.allclose(moved.weights, poles.weights + d.weights, rtol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kt": 0.0}, "zero temperature"),
        ({"kt": -0.1}, "must be positive"),
        ({"error": 1e-12}, "between 1e-10 and 0.01"),
        ({"error": 0.5}, "between 1e-10 and 0.01"),
        ({"lowest": -math.inf}, "lowest=-inf"),
        ({"chemical_potential": math.nan}, "chemical_potential=nan"),
        ({"kt": 1e-9, "lowest": -3.0}, "tighter `lowest`"),
    ],
)
def test_fermi_poles_refuse_what_has_no_meaning(arguments: dict[str, float], message: str) -> None:
    given = {"chemical_potential": 0.1, "kt": 0.03, "lowest": -1.0, "error": 1e-6} | arguments
    mu, kt = given.pop("chemical_potential"), given.pop("kt")
    with pytest.raises(InputError, match=message):
        fermi_poles(mu, kt, **given)


def test_fermi_poles_refuse_what_is_no_number() -> None:
    with pytest.raises(InputTypeError, match="chemical_potential"):
        fermi_poles([0.1, 0.2], 0.03, lowest=-1.0)
    with pytest.raises(InputTypeError, match="kt"):
        fermi_poles(0.1, 0.03j, lowest=-1.0)
    with pytest.raises(InputTypeError, match="like"):
        fermi_poles(0.1, 0.03, lowest=-1.0, like="gpu")


def test_ozaki_poles_refuse_no_poles_and_an_empty_spectrum() -> None:
    with pytest.raises(InputError, match="n_poles=0"):
        ozaki_poles(0.0, 0.03, n_poles=0, lowest=-1.0, highest=1.0)
    with pytest.raises(InputError, match="highest=-2"):
        ozaki_poles(0.0, 0.03, n_poles=4, lowest=-1.0, highest=-2.0)


def test_fermi_poles_are_frozen() -> None:
    poles = fermi_poles(0.0, 0.03, lowest=-1.0)
    assert isinstance(poles, FermiPoles)
    with pytest.raises(AttributeError):
        poles.constant = 1.0  # type: ignore[misc]
