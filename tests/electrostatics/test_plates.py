"""Charges between two plates: images by brute force, both plates at zero, energies, every gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erfc, k0

from negfadj.array import leaves, rebuild
from negfadj.constants import COULOMB_EV_ANGSTROM
from negfadj.electrostatics import plates
from negfadj.electrostatics.interface import ElectrostaticsCotangent
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.plates_green_function import plates_green_function
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.testing import check_vjp

DISTANCE = 20.0


def image_sum(rho: float, first: float, second: float) -> float:
    """Σ_n ± 1/r_n for plates at 0 and 1 by brute force: 24 000 images, extrapolated in the odd powers left out.

    Summed up to ±N, the rest is a series in (N + 1/2)^−2, which N → 3N + 1 divides by 9, 81, …
    """

    def pair(n: np.ndarray) -> np.ndarray:
        return 1 / np.hypot(rho, first - second - 2 * n) - 1 / np.hypot(rho, first + second - 2 * n)

    sums, n_images = [], 50
    for _ in range(6):
        n = np.arange(n_images, 0, -1)
        sums.append(float(np.sum(pair(n) + pair(-n)) + pair(np.zeros(()))))
        n_images = 3 * n_images + 1
    for power in (9.0, 81.0, 729.0):
        sums = [(power * b - a) / (power - 1) for a, b in zip(sums[:-1], sums[1:])]
    return sums[-1]


def gaussian_image_sum(rho: float, first: float, second: float, decay: float) -> float:
    """The same for Gaussians: less Σ_n ± erfc(γr_n)/r_n, of which far more terms than needed are taken."""
    n = np.arange(-20, 21)
    direct, mirrored = np.hypot(rho, first - second - 2 * n), np.hypot(rho, first + second - 2 * n)
    return image_sum(rho, first, second) - float(
        np.sum(erfc(decay * direct) / direct - erfc(decay * mirrored) / mirrored)
    )


def random_plates(seed: int = 0, n_sites: int = 9, axis: int = 0, one_width: bool = False) -> ParallelPlates:
    rng = np.random.default_rng(seed)
    positions = rng.random((n_sites, 3)) * [DISTANCE, 30.0, 8.0]  # pairs both below and beyond ρ = L
    width = 1.3 if one_width else rng.uniform(0.5, 3.0, n_sites)
    return ParallelPlates(np.roll(positions, axis, axis=1), width, DISTANCE, 3.9, (0.1, -0.25), axis=axis)


def potential(charge: np.ndarray, lead_voltages: np.ndarray, electrostatics: ParallelPlates) -> np.ndarray:
    return electrostatics.potential(charge, lead_voltages)


def potential_vjp(charge: np.ndarray, lead_voltages: np.ndarray, electrostatics: ParallelPlates):
    return electrostatics.potential_vjp(charge, lead_voltages)


@pytest.mark.parametrize("rho", [1e-3, 0.05, 0.3, 0.99, 1.01, 1.7, 3.0])
@pytest.mark.parametrize("decay", [2.0, 5.0, 300.0])
def test_green_function_is_the_sum_over_images(rho: float, decay: float) -> None:
    points = [(0.5, 0.5), (0.1, 0.93), (0.85, 0.7), (1e-3, 0.4), (0.02, 0.03), (0.999, 0.998)]
    first, second = np.array(points).T
    count = np.ones(len(points))
    found = plates_green_function(rho**2 * count, first, second, decay * count).value
    exact = np.array([gaussian_image_sum(rho, a, b, decay) for a, b in points])
    assert np.all(np.abs(found - exact) <= 1e-13 * np.maximum(1, np.minimum(decay, 1 / rho)))


def test_green_function_keeps_its_relative_accuracy_far_away() -> None:
    found = plates_green_function(np.array([64.0]), np.array([0.3]), np.array([0.6]), np.array([50.0])).value[0]
    leading = 4 * math.sin(0.3 * math.pi) * math.sin(0.6 * math.pi) * k0(8 * math.pi)
    assert abs(found / leading - 1) < 2 * math.exp(-8 * math.pi) + 1e-14


@pytest.mark.parametrize("rho", [1.0, 2.0, 4.0])
def test_green_function_joins_smoothly_where_the_formula_changes(rho: float) -> None:
    rng = np.random.default_rng(3)
    first, second, decay = rng.random(50), rng.random(50), rng.uniform(2, 20, 50)
    below = plates_green_function(np.full(50, rho**2), first, second, decay)
    above = plates_green_function(np.full(50, np.nextafter(rho**2, 20.0)), first, second, decay)
    for name, x, y in zip(below._fields, below, above):
        assert np.max(np.abs(x - y)) < 1e-13 * math.exp(math.pi * (1 - rho)), name


def test_a_charge_alone_has_its_own_energy_and_its_images() -> None:
    """In the middle the images of a point charge add up to −2 ln 2/L."""
    width, length = 0.5, 40.0
    lone = ParallelPlates([[length / 2, 0.0, 0.0]], width, length, 2.0)
    exact = COULOMB_EV_ANGSTROM / 2.0 * (1 / (math.sqrt(math.pi) * width) - 2 * math.log(2) / length)
    assert abs(lone.matrix[0, 0] / exact - 1) < 1e-13


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_potential_is_zero_at_both_plates(axis: int) -> None:
    rng = np.random.default_rng(1)
    positions = rng.random((20, 3)) * 20
    positions[:, axis] = np.concatenate([rng.random(10) * DISTANCE, np.zeros(5), np.full(5, DISTANCE)])
    positions[10:15, (axis + 1) % 3] *= 4  # some of them far away
    matrix = ParallelPlates(positions, 1.0, DISTANCE, axis=axis).matrix
    assert np.all(matrix[10:] == 0) and np.all(matrix[:10, :10] != 0)


def test_plates_voltages_are_met_at_the_plates() -> None:
    positions = [[0.0, 1.0, 2.0], [DISTANCE, 3.0, 1.0], [5.0, 0.0, 0.0]]
    between = ParallelPlates(positions, 1.0, DISTANCE, voltages=(0.1, -0.2))
    assert np.allclose(between.potential([1.0, 1.0, 0.0], [0.4, 0.7, 9.0]), [0.5, 0.5, 0.5], rtol=0, atol=1e-15)
    assert np.allclose(between.potential(np.zeros(3), [0.4]), [0.5, -0.2, 0.325], rtol=0, atol=1e-15)
    assert np.allclose(between.potential(np.zeros(3)), [0.1, -0.2, 0.025], rtol=0, atol=1e-15)


def test_matrix_is_symmetric_and_positive() -> None:
    for one_width in (True, False):
        matrix = random_plates(2, 60, one_width=one_width).matrix
        values = np.linalg.eigvalsh(matrix)
        assert np.array_equal(matrix, matrix.T) and values[0] > 0
    close = ParallelPlates(np.full((30, 3), 5.0) + np.random.default_rng(4).random((30, 3)), 2.0, DISTANCE).matrix
    values = np.linalg.eigvalsh(close)
    assert values[0] > -1e-13 * values[-1] and values[0] < 1e-6 * values[-1]


def test_matrix_does_not_change_when_the_sites_are_mirrored_or_shifted() -> None:
    between = random_plates(5)
    mirrored = between.positions * [-1, 1, -1] + [DISTANCE, 7.0, 0.0]
    assert np.allclose(replace(between, positions=mirrored).matrix, between.matrix, rtol=0, atol=1e-13)


def test_matrix_tends_to_free_charges_when_the_plates_recede() -> None:
    """In the middle of plates far apart, each adds −2 ln 2/L up to the square of the distances over L."""
    rng, length = np.random.default_rng(6), 4e4
    positions = rng.random((5, 3)) * 10
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1) + np.eye(5)
    shifted = positions + [length / 2, 0, 0]
    found = ParallelPlates(shifted, 1e-2, length).matrix / COULOMB_EV_ANGSTROM + 2 * math.log(2) / length
    assert np.allclose((found - 1 / distances)[~np.eye(5, dtype=bool)], 0, rtol=0, atol=1e-10)


def test_matrix_does_not_depend_on_the_number_of_pairs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    q, bar = rng.standard_normal((2, 25))
    results = []
    for pairs in (plates.PAIRS_AT_ONCE, 40):
        monkeypatch.setattr(plates, "PAIRS_AT_ONCE", pairs)
        value, pullback = random_plates(8, 25).potential_vjp(q)
        results.append([value, *(np.asarray(x) for x in leaves(pullback(bar).electrostatics))])
    for x, y in zip(*results):
        assert np.allclose(x, y, rtol=1e-12, atol=1e-13 * np.max(np.abs(x)))


@pytest.mark.parametrize(("axis", "one_width"), [(0, False), (1, True), (2, False)])
def test_potential_vjp_matches_differences(axis: int, one_width: bool) -> None:
    rng = np.random.default_rng(9)
    between = random_plates(10, axis=axis, one_width=one_width)
    primals = (rng.standard_normal(between.n_sites), np.array([0.1, 0.2, 0.3]), between)
    check_vjp(potential, potential_vjp, primals)


@pytest.mark.parametrize("name", ["positions", "width", "distance", "relative_permittivity", "voltages"])
@pytest.mark.parametrize("one_width", [False, True])
def test_potential_vjp_matches_differences_in_each_number(name: str, one_width: bool) -> None:
    between = random_plates(11, one_width=one_width)
    charge = np.random.default_rng(12).standard_normal(between.n_sites)

    def at(x):
        return rebuild(between, **{name: x}).potential(charge, [0.3])

    def at_vjp(x):
        value, pullback = rebuild(between, **{name: x}).potential_vjp(charge, [0.3])
        return value, lambda bar: getattr(pullback(bar).electrostatics, name)

    check_vjp(at, at_vjp, (getattr(between, name),), seed=1)


def test_potential_vjp_holds_where_sites_coincide_or_lie_on_a_plate() -> None:
    positions = [[5.0, 1.0, 1.0], [5.0, 1.0, 1.0], [9.0, 1.0, 1.0], [0.0, 2.0, 1.0], [15.0, 30.0, 1.0]]
    between = ParallelPlates(positions, [1.0, 2.0, 1.5, 1.0, 1.0], DISTANCE)
    charge = np.array([0.3, -0.2, 0.5, 0.4, 0.1])
    # nothing changes when sites beyond the plates enter the formula by a small step: G is odd about a plate
    check_vjp(potential, potential_vjp, (charge, np.array([0.1, 0.0]), between))


def test_pullback_is_the_response_and_returns_the_own_class() -> None:
    between, rng = random_plates(13), np.random.default_rng(14)
    q, bar = rng.standard_normal((2, between.n_sites))
    value, pullback = between.potential_vjp(q)
    found = pullback(bar)
    assert isinstance(found, ElectrostaticsCotangent) and type(found.electrostatics) is ParallelPlates
    assert np.array_equal(value, between.potential(q)) and np.array_equal(found.charge, between.response(bar))
    assert found.lead_voltages.shape == (0,)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"positions": [[1.0, 0, 0], [20.5, 0, 0]]}, InputError, "site 1 is at x = 20.5 Å, outside the plates"),
        ({"positions": [[1.0, 0], [2.0, 0]]}, ShapeError, "positions has shape"),
        ({"positions": [[1.0, 0, np.nan]]}, InputError, r"positions\[0, 2\] is nan"),
        ({"width": 5.1}, InputError, "above a quarter of the distance 20 Å"),
        ({"width": [1.0, 0.0]}, InputError, "width is 0 Å at site 1; it must be positive"),
        ({"width": [1.0, 1.0, 1.0]}, ShapeError, r"must be one number or \(2,\)"),
        ({"distance": -1.0}, InputError, "distance=-1 must be positive"),
        ({"relative_permittivity": 0.0}, InputError, "relative_permittivity=0 must be positive"),
        ({"voltages": (0.0,)}, ShapeError, "voltages has shape"),
        ({"axis": 3}, InputError, "axis=3 must be 0, 1 or 2"),
        ({"distance": "far"}, InputTypeError, "distance has dtype"),
        ({"width": 1j}, InputTypeError, "width has dtype complex128"),
    ],
)
def test_plates_without_meaning_are_refused(change: dict, error: type, words: str) -> None:
    good = {"positions": [[1.0, 0, 0], [2.0, 0, 0]], "width": 1.0, "distance": DISTANCE}
    with pytest.raises(error, match=words):
        ParallelPlates(**(good | change))


def test_a_charge_of_another_length_is_refused() -> None:
    between = random_plates(15)
    with pytest.raises(ShapeError, match=r"charge has shape \(3,\) but must be \(9,\)"):
        between.potential(np.ones(3))
    with pytest.raises(ShapeError, match="lead_voltages has shape"):
        between.potential(np.ones(9), 0.1)


def test_plates_keep_a_copy_of_what_they_were_given() -> None:
    positions = np.array([[1.0, 0, 0], [2.0, 0, 0]])
    between = ParallelPlates(positions, 1.0, DISTANCE)
    before = between.potential([1.0, 0.0])
    positions[:] = 7.0
    assert np.array_equal(replace(between).potential([1.0, 0.0]), before)
