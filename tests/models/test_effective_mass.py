"""Effective-mass devices: closed forms, transfer matrices, convergence, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import negfadj as na
from negfadj.constants import HBAR2_OVER_2M0
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models.effective_mass import (
    effective_mass_device,
    effective_mass_device_vjp,
    effective_mass_positions,
)

EPS = np.finfo(np.float64).eps
GAAS = 0.067


def double_barrier(spacing: float) -> np.ndarray:
    """0.3 eV barriers of 1 nm around a well of 4 nm, and 1 nm of lead on either side; points are mid-cell."""
    x = (np.arange(round(80 / spacing)) + 0.5) * spacing
    return np.where(((x > 10) & (x < 20)) | ((x > 60) & (x < 70)), 0.3, 0.0)


def grid_transfer_matrix(v: np.ndarray, m: np.ndarray, h: float, energy: float) -> float:
    """T of the same difference equation by recursion: plane waves in the leads, ψ_{i+1} from ψ_i and ψ_{i−1}."""
    ends = np.concatenate((m[:1], m, m[-1:]))
    t = 2 * HBAR2_OVER_2M0 / (h**2 * (ends[:-1] + ends[1:]))
    k_right = np.arccos(1 - (energy - v[-1]) / (2 * t[-1]))
    k_left = np.arccos(1 - (energy - v[0]) / (2 * t[0]))
    after, here = np.exp(1j * k_right), 1.0 + 0j  # on cells n and n − 1
    for i in range(len(v) - 1, -1, -1):
        after, here = here, ((v[i] + t[i] + t[i + 1] - energy) * here - t[i + 1] * after) / t[i]
    # a e^{ikj} + b e^{−ikj}, which is `here` on cell j = −1 and `after` on cell 0
    a = (after * np.exp(1j * k_left) - here) / (2j * np.sin(k_left))
    return float(t[-1] * np.sin(k_right) / (t[0] * np.sin(k_left)) / abs(a) ** 2)


def step_transmission(energy: float, height: float, masses: tuple[float, float]) -> float:
    """Closed form at a step in V and m: T = 4 v₁v₂/(v₁ + v₂)², v = √(E − V)/√m."""
    v1, v2 = np.sqrt(energy / masses[0]), np.sqrt((energy - height) / masses[1])
    return float(4 * v1 * v2 / (v1 + v2) ** 2)


def wall_levels(n: int, t: float) -> np.ndarray:
    """The grid's levels between hard walls, 2t(1 − cos(pπ/(n + 1)))."""
    return 2 * t * (1 - np.cos(np.arange(1, n + 1) * np.pi / (n + 1)))


def open_subbands(levels: np.ndarray, t: float, energy: float) -> int:
    return int(np.sum((energy > levels) & (energy < levels + 4 * t)))


def random_case(shape: tuple[int, ...], seed: int = 0, directions: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mass_shape = (len(shape), *shape) if directions else shape
    return 0.3 * rng.standard_normal(shape), rng.uniform(0.05, 0.4, mass_shape)


def test_double_barrier_agrees_with_the_transfer_matrix_of_its_grid() -> None:
    v = double_barrier(0.5)  # 0.05 nm
    m = np.full_like(v, GAAS)
    energies = np.concatenate((np.linspace(0.01, 0.6, 25), resonance(v, m, 0.5) + np.array([-1e-4, 0.0, 1e-4])))
    found = na.transmission(effective_mass_device(v, m, spacing=0.5), energies)
    expected = [grid_transfer_matrix(v, m, 0.5, e) for e in energies]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    assert found[-2] > 0.999


def resonance(v: np.ndarray, m: np.ndarray, h: float) -> float:
    """The energy of the first resonance, by search on the transfer matrix."""
    low, high = 0.02, 0.2
    for _ in range(12):
        energies = np.linspace(low, high, 21)
        best = int(np.argmax([grid_transfer_matrix(v, m, h, e) for e in energies]))
        low, high = energies[max(best - 1, 0)], energies[min(best + 1, 20)]
    return (low + high) / 2


def test_varying_mass_agrees_with_the_transfer_matrix_of_its_grid() -> None:
    v, m = random_case((12,))
    v[0], v[-1] = 0.0, 0.1
    energies = np.linspace(0.15, 0.8, 9)
    found = na.transmission(effective_mass_device(v, m, spacing=1.3), energies)
    np.testing.assert_allclose(found, [grid_transfer_matrix(v, m, 1.3, e) for e in energies], rtol=1e-10)


@pytest.mark.parametrize("masses", [(0.067, 0.15), (0.15, 0.05)])
def test_step_of_potential_and_mass_converges_to_the_continuum_as_h_squared(masses: tuple[float, float]) -> None:
    exact = step_transmission(0.3, 0.1, masses)
    errors = []
    for h in (4.0, 2.0, 1.0):
        v, m = np.repeat([0.0, 0.1], 3), np.repeat(masses, 3)  # the step is half-way between two points
        errors.append(abs(na.transmission(effective_mass_device(v, m, spacing=h), 0.3) - exact))
    assert exact < 0.99 and errors[0] > 1e-4
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2, atol=0.1)


@pytest.mark.parametrize("walls", [True, False])
def test_transmission_of_a_plane_wire_counts_its_subbands(walls: bool) -> None:
    n, spacing, kappa = 7, (3.0, 4.0), 0.2
    t_x, t_y = (HBAR2_OVER_2M0 / (GAAS * d**2) for d in spacing)
    waves = 2 * np.pi * (np.arange(n) + kappa) / n
    levels = wall_levels(n, t_y) if walls else 2 * t_y * (1 - np.cos(waves))
    device = effective_mass_device(
        np.zeros((3, n)), np.full((3, n), GAAS), spacing=spacing, periodic=not walls, momentum=0.0 if walls else kappa
    )
    energies = np.linspace(0.3, 35.0, 12)
    expected = [open_subbands(levels, t_x, e) for e in energies]
    assert len(set(expected)) > 3
    np.testing.assert_allclose(na.transmission(device, energies), expected, atol=1e-9)


def test_transmission_of_a_solid_wire_counts_its_subbands_with_a_mass_for_each_direction() -> None:
    shape, spacing, masses = (2, 4, 3), (3.0, 4.0, 5.0), (0.19, 0.98, 0.3)
    t = [HBAR2_OVER_2M0 / (m * d**2) for m, d in zip(masses, spacing)]
    levels = (wall_levels(4, t[1])[:, None] + wall_levels(3, t[2])).ravel()
    mass = np.broadcast_to(np.reshape(masses, (3, 1, 1, 1)), (3, *shape))
    energies = np.linspace(0.3, 10.0, 11)
    expected = [open_subbands(levels, t[0], e) for e in energies]
    assert len(set(expected)) > 3
    found = na.transmission(effective_mass_device(np.zeros(shape), mass, spacing=spacing), energies)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("periodic", [False, True])
def test_separable_potential_gives_the_sum_over_its_transverse_levels(periodic: bool) -> None:
    rng = np.random.default_rng(3)
    along, across, m, h = 0.2 * rng.random(9), 0.5 * rng.random(5), 0.2, 3.0
    t = HBAR2_OVER_2M0 / (m * h**2)
    transverse = np.diag(across + 2 * t) - t * (np.eye(5, k=1) + np.eye(5, k=-1))
    if periodic:
        transverse[0, -1] = transverse[-1, 0] = -t
    energies = np.array([1.0, 2.2, 4.1])
    wire = effective_mass_device(along, np.full(9, m), spacing=h)
    expected = sum(na.transmission(wire, energies - level) for level in np.linalg.eigvalsh(transverse))
    plane = effective_mass_device(along[:, None] + across, np.full((9, 5), m), spacing=h, periodic=periodic)
    np.testing.assert_allclose(na.transmission(plane, energies), expected, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2])
def test_a_short_period_has_the_levels_of_its_momentum(n: int) -> None:
    h, kappa = 4.0, 0.3
    t = HBAR2_OVER_2M0 / (GAAS * h**2)
    device = effective_mass_device(np.zeros((1, n)), np.full((1, n), GAAS), spacing=h, periodic=True, momentum=kappa)
    levels = 2 * t * (1 - np.cos(2 * np.pi * (np.arange(n) + kappa) / n)) + 2 * t
    found = np.linalg.eigvalsh(device.hamiltonian.diagonal[0])
    np.testing.assert_allclose(found, np.sort(levels), atol=10 * EPS * levels.max())


def test_hamiltonian_is_the_divergence_of_the_link_currents() -> None:
    """ψ†Hψ = Σ V|ψ|² + Σ_links t|ψ_a − ψ_b|², with ψ = 0 beyond walls: written out link by link."""
    shape, spacing = (3, 2, 4), (1.0, 1.5, 2.0)
    v, m = random_case(shape, directions=True)
    psi = np.random.default_rng(5).standard_normal(shape)
    expected = np.sum(v * psi**2)
    for axis in range(3):
        for a in np.ndindex(shape):
            for step in (1, -1):
                b = list(a)
                b[axis] += step
                inside = 0 <= b[axis] < shape[axis]
                mean = (m[(axis, *a)] + m[(axis, *b)]) / 2 if inside else m[(axis, *a)]
                t = HBAR2_OVER_2M0 / (mean * spacing[axis] ** 2)
                # each inner link is met from both of its ends
                expected += t * ((psi[a] - psi[tuple(b)]) ** 2 / 2 if inside else psi[a] ** 2)
    h = effective_mass_device(v, m, spacing=spacing).hamiltonian.to_dense()
    assert psi.ravel() @ h @ psi.ravel() == pytest.approx(expected, rel=1e3 * EPS)


def test_leads_continue_the_first_and_last_slices() -> None:
    v, m = random_case((3, 2))
    device = effective_mass_device(v, m, spacing=2.0)
    for lead, i in zip(device.leads, (0, -1)):
        uniform = effective_mass_device(np.stack([v[i]] * 2), np.stack([m[i]] * 2), spacing=2.0).hamiltonian
        np.testing.assert_array_equal(lead.onsite, uniform.diagonal[0])
        np.testing.assert_array_equal(lead.hopping, uniform.upper[0])
        np.testing.assert_array_equal(lead.coupling, uniform.upper[0])


CASES: dict[str, tuple[tuple[int, ...], bool, dict[str, Any]]] = {
    "line": ((5,), False, {"spacing": 2.0}),
    "one point": ((1,), False, {"spacing": np.array([2.0])}),
    "plane": ((3, 4), False, {"spacing": np.array([2.0, 3.0])}),
    "plane, periodic": ((3, 4), True, {"spacing": 2.5, "periodic": True, "momentum": 0.15}),
    "solid": ((2, 3, 2), True, {"spacing": np.array([2.0, 3.0, 2.5])}),
    "solid, wraps in z": ((2, 2, 3), False, {"spacing": 2.0, "periodic": (False, True), "momentum": (0.0, -0.2)}),
    "short periods": ((2, 1, 2), False, {"spacing": 2.0, "periodic": True, "momentum": (0.1, 0.2)}),
}


@pytest.mark.parametrize("case", CASES)
def test_pullback_of_the_builder_passes_the_gradient_check(case: str) -> None:
    shape, directions, keywords = CASES[case]
    primals = random_case(shape, directions=directions)
    report = na.testing.check_vjp(effective_mass_device, effective_mass_device_vjp, primals, keywords=keywords)
    assert {"0", "1", "spacing"} <= set(report.adjoint_errors)


@pytest.mark.parametrize(
    ("case", "energies"), [("line", (2.0, 3.1)), ("plane, periodic", (2.0, 3.1)), ("solid", (11.0, 12.5))]
)
def test_gradient_of_transmission_to_potential_and_mass_passes_the_check(
    case: str, energies: tuple[float, float]
) -> None:
    shape, directions, keywords = CASES[case]
    v, m = random_case(shape, directions=directions)

    def transmission(v: np.ndarray, m: np.ndarray, **keywords: Any) -> np.ndarray:
        return na.transmission(effective_mass_device(v, m, **keywords), energies)

    def transmission_vjp(v: np.ndarray, m: np.ndarray, **keywords: Any) -> Any:
        device, build_pullback = effective_mass_device_vjp(v, m, **keywords)
        value, pullback = na.transmission_vjp(device, energies)
        return value, lambda bar: build_pullback(pullback(bar).device)

    assert np.all(na.transmission(effective_mass_device(v, m, **keywords), energies) > 1e-3)
    na.testing.check_vjp(transmission, transmission_vjp, (v, m), keywords=keywords)


def test_missing_cotangents_count_as_zero() -> None:
    v, m = random_case((3, 2))
    device, pullback = effective_mass_device_vjp(v, m, spacing=2.0)
    zero = na.testing.tree_map(np.zeros_like, device.hamiltonian)
    partial = na.array.rebuild(device, hamiltonian=device.hamiltonian, leads=(None, None))
    leads = tuple(na.testing.tree_map(lambda x: 0 * x, lead) for lead in device.leads)
    whole = na.array.rebuild(device, hamiltonian=device.hamiltonian, leads=leads)
    for bare, full in zip(pullback(partial), pullback(whole)):
        np.testing.assert_array_equal(bare, full)
    assert not np.any(pullback(na.array.rebuild(whole, hamiltonian=zero)).mass)


def test_cotangent_of_a_part_of_the_device_is_refused() -> None:
    device, pullback = effective_mass_device_vjp(np.zeros(3), np.ones(3), spacing=2.0)
    with pytest.raises(InputTypeError, match="pass a whole Device"):
        pullback(na.transmission_vjp(device, 0.3)[1](np.ones(()), wrt="onsite").device)


def test_positions_follow_the_order_of_the_orbitals() -> None:
    rng = np.random.default_rng(2)
    v = rng.random((3, 2, 4))
    shift = 1e6 * v  # the diagonal, so large that it tells the points apart
    device = effective_mass_device(shift, np.ones(v.shape), spacing=1.0)
    positions = effective_mass_positions(v.shape, spacing=(1.0, 2.0, 3.0))
    positions.check(device)
    order = np.argsort(np.diagonal(device.hamiltonian.to_dense()))
    np.testing.assert_array_equal(
        positions.device[order], np.argwhere(v >= 0)[np.argsort(v, axis=None)] * np.array([1.0, 2.0, 3.0])
    )
    np.testing.assert_array_equal(positions.lead_cells[1] - positions.device[-8:], np.tile([1.0, 0, 0], (8, 1)))
    np.testing.assert_array_equal(positions.lead_cells[0] - positions.device[:8], np.tile([-1.0, 0, 0], (8, 1)))


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        ((np.zeros((2, 2, 2, 2)), np.ones(2)), {}, ShapeError, r"must be \(n_x,\)"),
        ((np.zeros((2, 3)), np.ones(3)), {}, ShapeError, r"mass has shape \(3,\) but must be \(2, 3\)"),
        ((np.zeros(3), np.array([1.0, -0.1, 1.0])), {}, InputError, r"mass\[1\] = -0.1 must be positive"),
        ((np.array([0.0, np.nan]), np.ones(2)), {}, InputError, r"potential_energy\[1\] = nan"),
        ((np.zeros(2), np.ones(2) * 1j), {}, InputTypeError, "mass must be an array of real numbers"),
        ((np.zeros(2), np.ones(2)), {"spacing": 0.0}, InputError, "spacing=0.0 must be positive"),
        ((np.zeros(2), np.ones(2)), {"spacing": (1.0, 2.0)}, ShapeError, r"spacing has shape \(2,\)"),
        ((np.zeros((2, 2)), np.ones((2, 2))), {"momentum": 0.1}, InputError, "along y.* between hard walls"),
        ((np.zeros((2, 2)), np.ones((2, 2))), {"periodic": (True, True)}, ShapeError, "periodic has 2 entries"),
        ((np.zeros((2, 2)), np.ones((2, 2))), {"periodic": "y"}, InputTypeError, "periodic='y' must be a bool"),
        ((np.zeros((2, 2)), np.ones((2, 2))), {"momentum": 1j}, InputTypeError, "momentum=1j must be a float"),
        ((np.zeros(3), np.ones(3)), {"periodic": True}, InputError, "periodic=True but the device is one-dimensional"),
        ((np.zeros(3), np.ones(3)), {"momentum": 0.1}, InputError, "momentum=0.1 but the device is one-dimensional"),
        ((np.zeros(3), np.ones(3)), {"momentum": (0.1,)}, ShapeError, "there are 0 directions across x"),
    ],
)
def test_bad_input_is_refused(
    arguments: tuple[np.ndarray, ...], keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        effective_mass_device(*arguments, **{"spacing": 1.0, **keywords})
