"""Physics that holds whatever the numbers: conservation, reciprocity, invariances, sum rules, closed forms."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from cases import (
    MANY_LEADS,
    TWO_LEADS,
    LeadKind,
    armchair_cell,
    chain,
    conjugated,
    devices,
    open_system,
    random_device,
    random_unitary,
    ribbon,
    strip,
    strip_cell,
)
from hypothesis import given
from hypothesis import strategies as st
from observables import OBSERVABLES, Observable

import negfadj as na
from negfadj.array import rebuild
from negfadj.primitives.congruence import selected_congruence
from negfadj.primitives.left_connected import left_connected
from negfadj.primitives.open_system import Adjoint, Blocks
from negfadj.primitives.selected_inverse import selected_inverse

ENERGIES = np.array([-0.6, -0.3, 0.3, 0.5])
# G of the drawn devices is good to 1e2·eps·cond, cond(A) ≲ 1e3 away from bound states; T is of order one
TOLERANCE = 1e-10


# Conservation and bounds --------------------------------------------------------------------------------------------


@given(device=devices())
def test_transmission_matrix_sums_to_the_open_channels_by_rows_and_columns(device: na.Device) -> None:
    found = na.transmission_matrix(device, ENERGIES)
    channels = np.stack([na.open_channels(device, ENERGIES, lead=k) for k in range(device.n_leads)], axis=-1)
    assert np.max(np.abs(found.sum(axis=1) - channels)) <= TOLERANCE
    assert np.max(np.abs(found.sum(axis=2) - channels)) <= TOLERANCE


@given(seed=st.integers(0, 2**31), overlap=st.booleans())
def test_transmission_of_two_leads_is_the_same_both_ways(seed: int, overlap: bool) -> None:
    device = random_device(seed, overlap=overlap)
    there = na.transmission(device, ENERGIES, source=0, drain=1)
    back = na.transmission(device, ENERGIES, source=1, drain=0)
    assert np.max(np.abs(there - back)) <= TOLERANCE


@given(device=devices())
def test_transmission_matrix_entries_lie_between_zero_and_the_open_channels(device: na.Device) -> None:
    found = na.transmission_matrix(device, ENERGIES)
    channels = np.stack([na.open_channels(device, ENERGIES, lead=k) for k in range(device.n_leads)], axis=-1)
    bound = np.minimum(channels[:, :, None], channels[:, None, :])
    assert found.min() >= -TOLERANCE and (found - bound).max() <= TOLERANCE


@pytest.mark.parametrize("flux", [0.1, 0.7, 2.0])
def test_transmission_in_a_magnetic_field_is_at_most_the_open_channels(flux: float) -> None:
    device = strip(6, 6, flux=flux, disorder=1.5, seed=1)
    energies = np.linspace(-3.5, 3.5, 29)
    found = na.transmission(device, energies)
    assert (found - na.open_channels(device, energies)).max() <= TOLERANCE
    assert found.max() > 0.5


@pytest.mark.parametrize("flux", [0.0, 0.3])
def test_transmission_of_a_clean_strip_is_the_open_channels(flux: float) -> None:
    device = strip(5, 4, flux=flux)
    energies = np.linspace(-3.47, 3.51, 23)
    assert np.max(np.abs(na.transmission(device, energies) - na.open_channels(device, energies))) <= TOLERANCE


@given(device=devices())
def test_local_density_of_states_sums_to_the_density_of_states(device: na.Device) -> None:
    local = na.local_density_of_states(device, ENERGIES, eta=0.05)
    total = na.density_of_states(device, ENERGIES, eta=0.05)
    assert np.max(np.abs(local.sum(axis=-1) - total)) <= TOLERANCE * np.max(np.abs(total))


@given(device=devices(overlap=False))
def test_lead_densities_sum_to_the_local_density_of_states_when_orthogonal(device: na.Device) -> None:
    total = sum(na.lead_density(device, ENERGIES, source=k) for k in range(device.n_leads))
    local = na.local_density_of_states(device, ENERGIES)
    assert np.max(np.abs(total - local)) <= TOLERANCE * np.max(np.abs(local))


@given(device=devices(overlap=False))
def test_local_density_of_states_is_positive_when_orthogonal(device: na.Device) -> None:
    assert na.local_density_of_states(device, ENERGIES, eta=0.01, device_eta=0.01).min() > 0


@given(device=devices())
def test_bond_currents_into_an_orbital_away_from_the_leads_cancel(device: na.Device) -> None:
    offsets, touched = device.hamiltonian.offsets, {lead.block for lead in device.leads}
    currents = na.bond_current(device, ENERGIES)
    a, b = np.asarray(device.bonds).T
    for block in set(range(device.hamiltonian.n_blocks)) - touched:
        for orbital in range(offsets[block], offsets[block + 1]):
            into = currents[:, a == orbital].sum(axis=1) - currents[:, b == orbital].sum(axis=1)
            assert np.max(np.abs(into)) <= TOLERANCE * max(np.max(np.abs(currents)), 1.0)


# Reciprocity and invariances ----------------------------------------------------------------------------------------


@given(device=devices())
def test_transmission_is_reciprocal_under_reversal_of_the_field(device: na.Device) -> None:
    forward, reversed_field = (na.transmission_matrix(d, ENERGIES) for d in (device, conjugated(device)))
    assert np.max(np.abs(forward - reversed_field.swapaxes(-1, -2))) <= TOLERANCE


def _hall_cross(flux: float) -> na.Device:
    """A disordered strip in a field with a third, field-free probe on the sites of a middle slice."""
    device = strip(4, 5, flux=flux, disorder=1.0, seed=3)
    onsite, hopping = strip_cell(2)
    coupling = np.zeros((4, 2))
    coupling[0, 0] = coupling[1, 1] = -0.9
    return na.Device(device.hamiltonian, (*device.leads, na.Lead(onsite, hopping, coupling, block=1)))


def test_transmission_between_three_leads_is_reciprocal_under_a_peierls_field() -> None:
    energies = np.array([-1.1, 0.4, 1.3])
    forward, backward = (na.transmission_matrix(_hall_cross(flux), energies) for flux in (0.4, -0.4))
    assert np.max(np.abs(forward - backward.swapaxes(-1, -2))) <= TOLERANCE


def test_transmission_between_three_leads_in_a_field_is_not_symmetric() -> None:
    found = na.transmission_matrix(_hall_cross(0.4), 0.4)
    assert np.max(np.abs(found - found.T)) > 1e-3


def _shifted(device: na.Device, u: float) -> na.Device:
    """H + U S everywhere: device blocks, off-diagonal ones too, leads and couplings."""
    h, s = device.hamiltonian, device.overlap
    diagonal = [x + u * (np.eye(len(x)) if s is None else s.diagonal[i]) for i, x in enumerate(h.diagonal)]
    upper = [x if s is None else x + u * s.upper[i] for i, x in enumerate(h.upper)]
    leads = [rebuild(lead, potential_energy=lead.potential_energy + u) for lead in device.leads]
    return na.Device(na.BlockTridiagonal(diagonal, upper), leads, overlap=s)


@pytest.mark.parametrize("options", [{"eta": 0.0}, {"eta": 0.05, "device_eta": 0.02}])
@pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
@given(device=devices(), u=st.sampled_from([-3.0, 0.4, 11.0]))
def test_observable_is_unchanged_when_everything_shifts_rigidly(
    observable: Observable, options: dict[str, float], device: na.Device, u: float
) -> None:
    expected = observable.value(device, ENERGIES, **options)
    found = observable.value(_shifted(device, u), ENERGIES + u, **options)
    assert found.shape == expected.shape
    assert np.max(np.abs(found - expected)) <= 1e-9 * max(np.max(np.abs(expected)), 1.0)  # z S − H loses |U|/|H| digits


@given(seed=st.integers(0, 2**31), block=st.integers(0, 3))
def test_transmission_is_unchanged_by_a_rotation_of_one_block(seed: int, block: int) -> None:
    device = random_device(seed, leads=MANY_LEADS)
    rotation = random_unitary(np.random.default_rng(seed), device.hamiltonian.block_sizes[block])

    def rotated(x: na.BlockTridiagonal) -> na.BlockTridiagonal:
        diagonal, upper = list(x.diagonal), list(x.upper)
        diagonal[block] = rotation.conj().T @ diagonal[block] @ rotation
        if block < len(upper):
            upper[block] = rotation.conj().T @ upper[block]
        if block > 0:
            upper[block - 1] = upper[block - 1] @ rotation
        return na.BlockTridiagonal(diagonal, upper)

    leads = [
        rebuild(
            lead,
            coupling=rotation.conj().T @ lead.coupling,
            overlap_coupling=rotation.conj().T @ lead.overlap_coupling,
        )
        if lead.block == block
        else lead
        for lead in device.leads
    ]
    turned = na.Device(rotated(device.hamiltonian), leads, overlap=rotated(device.overlap))
    found, expected = (na.transmission_matrix(d, ENERGIES) for d in (turned, device))
    assert np.max(np.abs(found - expected)) <= TOLERANCE


def test_transmission_does_not_depend_on_how_the_device_is_cut() -> None:
    fine = random_device(3, (3, 3, 4, 3))
    dense, overlap = fine.hamiltonian.to_dense(), fine.overlap.to_dense()
    padded = [rebuild(lead) for lead in fine.leads]
    for k, place in ((0, slice(0, 3)), (1, slice(4, 7))):
        wide = {}
        for name in ("coupling", "overlap_coupling"):
            wide[name] = np.zeros((6 if k == 0 else 7, fine.leads[k].n_orbitals), dtype=complex)
            wide[name][place] = getattr(fine.leads[k], name)
        padded[k] = rebuild(fine.leads[k], block=k, **wide)
    coarse = na.Device(
        na.BlockTridiagonal.from_dense(dense, (6, 7)), padded, overlap=na.BlockTridiagonal.from_dense(overlap, (6, 7))
    )
    for name in ("transmission", "density_of_states", "local_density_of_states", "bond_current"):
        found, expected = (getattr(na, name)(d, ENERGIES, eta=0.02) for d in (coarse, fine))
        assert np.max(np.abs(found - expected)) <= TOLERANCE * max(np.max(np.abs(expected)), 1.0), name


def test_transmission_is_unchanged_when_a_lead_cell_joins_the_device() -> None:
    device = random_device(5, (3, 2), TWO_LEADS, overlap=False)
    left, right = device.leads
    u = right.potential_energy
    longer = na.Device(
        na.BlockTridiagonal(
            [*device.hamiltonian.diagonal, right.onsite + u * np.eye(right.n_orbitals)],
            [*device.hamiltonian.upper, right.coupling],
        ),
        [left, na.Lead(right.onsite, right.hopping, block=-1, potential_energy=u)],
    )
    found, expected = (na.transmission(d, ENERGIES) for d in (longer, device))
    assert np.max(np.abs(found - expected)) <= TOLERANCE


# Spectral function --------------------------------------------------------------------------------------------------


def _source(device: na.Device, f: np.ndarray, energies: np.ndarray, eta: float, device_eta: float) -> Blocks:
    """Σ^< = i Σ_k f Γ_k + 2i f η_d S, block by block."""
    system = open_system(device, energies, eta=eta, device_eta=device_eta)
    sizes, s = device.hamiltonian.block_sizes, device.overlap
    weight = 1j * f[:, None, None]
    diagonal = [weight * (2 * device_eta * (np.eye(n) if s is None else s.diagonal[i])) for i, n in enumerate(sizes)]
    for k, lead in enumerate(device.leads):
        diagonal[lead.block] = diagonal[lead.block] + weight * system.broadening(k)
    upper = [None if s is None else weight * (2 * device_eta * x) for x in (s.upper if s else sizes[1:])]
    lower = [None if s is None else weight * (2 * device_eta * x.conj().T) for x in (s.upper if s else sizes[1:])]
    return Blocks(diagonal, upper, lower)


@pytest.mark.parametrize(("eta", "device_eta"), [(0.0, 0.0), (0.1, 0.03)])
@given(device=devices())
def test_lesser_function_at_equilibrium_is_i_f_times_the_spectral_function(
    eta: float, device_eta: float, device: na.Device
) -> None:
    energies = ENERGIES[:2]
    f = 1 / (1 + np.exp(energies / 0.1))
    system = open_system(device, energies, eta=eta, device_eta=device_eta)
    factors, dagger = left_connected(system), Adjoint(system)
    source = _source(device, f, energies, eta, device_eta)
    lesser = selected_congruence(system, factors, source, dagger, [g.conj().swapaxes(-1, -2) for g in factors])
    for row, inverse in zip(lesser, selected_inverse(system, factors)):
        assert row.i == inverse.i
        spectral = 1j * (inverse.diagonal - inverse.diagonal.conj().swapaxes(-1, -2))
        expected = 1j * f[:, None, None] * spectral
        assert np.max(np.abs(row.diagonal - expected)) <= TOLERANCE * max(np.max(np.abs(expected)), 1.0)
        if row.upper is not None:
            spectral = 1j * (inverse.upper - inverse.lower.conj().swapaxes(-1, -2))
            expected = 1j * f[:, None, None] * spectral
            assert np.max(np.abs(row.upper - expected)) <= TOLERANCE * max(np.max(np.abs(expected)), 1.0)


def _whole_line(n_points: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of ∫_{−∞}^{∞} dE by E = scale·tan(θ/2), the trapezoid rule in θ.

    An integrand analytic above Im z = −η and falling as 1/E² is analytic in θ: the rule converges as
    (|scale − η|/(scale + η))^n_points.
    """
    theta = -np.pi + (np.arange(n_points) + 0.5) * 2 * np.pi / n_points
    return scale * np.tan(theta / 2), (2 * np.pi / n_points) * scale / (2 * np.cos(theta / 2) ** 2)


def test_spectral_function_integrates_to_two_pi_over_the_overlap() -> None:
    # with leads that overlap the device, S⁻¹ is the device's block of the inverse of all of S
    device = random_device(3, (3, 2), TWO_LEADS)
    offsets = device.hamiltonian.offsets
    s = np.asarray(device.overlap.to_dense()).astype(complex)
    for lead in device.leads:
        g = oracles.surface_by_iteration(lead.overlap_onsite, lead.overlap_hopping, lead.overlap_hopping.conj().T)
        span = slice(offsets[lead.block], offsets[lead.block + 1])
        s[span, span] -= lead.overlap_coupling @ g @ lead.overlap_coupling.conj().T
    expected = 2 * np.pi * np.linalg.inv(s)
    energies, weights = _whole_line(64, 2.0)  # ((2 − 1)/(2 + 1))^64 = 1e-31, times the largest |1 − λ|
    system = open_system(device, energies, eta=1.0, device_eta=1.0)
    for row in selected_inverse(system, left_connected(system)):
        spectral = 1j * (row.diagonal - row.diagonal.conj().swapaxes(-1, -2))
        total = np.einsum("e,eij->ij", weights, spectral)
        span = slice(offsets[row.i], offsets[row.i + 1])
        assert np.max(np.abs(total - expected[span, span])) <= 1e-9 * np.abs(expected).max()


def test_density_of_states_integrates_to_the_orbitals_when_orthogonal() -> None:
    device = random_device(4, overlap=False)
    energies, weights = _whole_line(64, 2.0)
    local = na.local_density_of_states(device, energies, eta=1.0, device_eta=1.0)
    assert np.max(np.abs(weights @ local - 1)) <= 1e-9


# Closed forms -------------------------------------------------------------------------------------------------------


def test_transmission_of_a_chain_is_one_inside_its_band_and_zero_outside() -> None:
    energies = np.concatenate([np.linspace(-1.99, 1.99, 21), [-5.0, -2.01, 2.01, 3.0]])
    found = na.transmission(chain(4), energies)
    assert np.max(np.abs(found - (np.abs(energies) < 2))) <= 1e-12


@pytest.mark.parametrize("width", [2, 7])
def test_transmission_of_a_strip_counts_its_subbands(width: int) -> None:
    energies = np.linspace(-3.83, 3.87, 41)
    levels = 2 * np.cos(np.arange(1, width + 1) * np.pi / (width + 1))
    expected = [(np.abs(e - levels) < 2).sum() for e in energies]
    assert np.max(np.abs(na.transmission(strip(width, 3), energies) - expected)) <= TOLERANCE


@pytest.mark.parametrize("n_lines", [5, 6, 7, 10])
def test_transmission_of_an_armchair_ribbon_opens_at_its_gap(n_lines: int) -> None:
    gap = 2 * np.min(np.abs(1 + 2 * np.cos(np.arange(1, n_lines + 1) * np.pi / (n_lines + 1))))
    energies = np.array([max(gap / 2 - 1e-4, 0.0), gap / 2 + 1e-4])
    if gap < 1e-9:
        energies = np.array([1e-3, 2e-3])
    found = na.transmission(ribbon(n_lines, 2), energies)
    assert np.max(np.abs(found - ([0, 1] if gap > 1e-9 else [1, 1]))) <= 1e-8


def test_transmission_of_one_level_is_breit_wigner_for_wide_leads() -> None:
    # wide-band leads: Σ = −iΓ/2 at every energy
    gamma_l, gamma_r, level = 0.03, 0.05, 0.2
    sigma = [na.SelfEnergy(np.array([[[-0.5j * g]]])) for g in (gamma_l, gamma_r)]
    device = na.Device(na.BlockTridiagonal([np.array([[level]])], []), sigma)
    energies = np.linspace(0.0, 0.4, 41)
    expected = gamma_l * gamma_r / ((energies - level) ** 2 + ((gamma_l + gamma_r) / 2) ** 2)
    assert np.max(np.abs(na.transmission(device, energies) - expected)) <= 1e-13


def test_density_of_states_of_one_level_is_a_lorentzian() -> None:
    gamma, level = 0.08, 0.2
    device = na.Device(na.BlockTridiagonal([np.array([[level]])], []), [na.SelfEnergy(np.array([[[-0.5j * gamma]]]))])
    energies = np.linspace(0.0, 0.4, 41)
    expected = gamma / (2 * np.pi) / ((energies - level) ** 2 + gamma**2 / 4)
    assert np.max(np.abs(na.density_of_states(device, energies) - expected)) <= 1e-12


def test_density_of_states_of_a_chain_is_that_of_the_infinite_one() -> None:
    energies = np.linspace(-1.9, 1.9, 21)
    expected = 1 / (np.pi * np.sqrt(4 - energies**2))
    assert np.max(np.abs(na.local_density_of_states(chain(3), energies) - expected[:, None])) <= 1e-12


def _benzene(drain: int) -> na.Device:
    ring = np.zeros((6, 6))
    for k in range(6):
        ring[k, (k + 1) % 6] = ring[(k + 1) % 6, k] = -2.5
    sigma = []
    for site in (0, drain):
        matrix = np.zeros((1, 6, 6), dtype=complex)
        matrix[0, site, site] = -0.25j
        sigma.append(na.SelfEnergy(matrix))
    return na.Device(na.BlockTridiagonal([ring], []), sigma)


def test_transmission_of_meta_benzene_vanishes_at_mid_gap() -> None:
    assert abs(float(na.transmission(_benzene(2), 0.0))) <= 1e-28


@pytest.mark.parametrize("drain", [1, 3])
def test_transmission_of_ortho_and_para_benzene_does_not_vanish_at_mid_gap(drain: int) -> None:
    assert float(na.transmission(_benzene(drain), 0.0)) > 1e-3


def test_transmission_of_a_double_barrier_is_that_of_the_transfer_matrices() -> None:
    # m* = 0.067, grid 0.05 nm, barriers 0.3 eV × 1 nm, well 4 nm: finite differences, one site a block
    t = 3.8099821161548593 / 0.067 / 0.5**2
    barrier = np.zeros(140)
    barrier[20:40] = barrier[120:140] = 0.3
    barrier = np.concatenate([barrier, np.zeros(20)])
    device = chain(len(barrier), t=-t, onsite=2 * t + barrier, lead_onsite=2 * t)
    energies = np.linspace(0.02, 0.4, 39)
    found = na.transmission(device, energies)
    expected = [_transfer(barrier / t, e / t) for e in energies]
    # 160 products of matrices of norm ~2, T down to 1e-3
    assert np.max(np.abs(found / expected - 1)) <= 1e-10


def _transfer(v: np.ndarray, e: float) -> float:
    """T of −ψ_{j+1} + (2 + v_j) ψ_j − ψ_{j−1} = e ψ_j from a plane wave on the right, stepped to the left."""
    k = np.arccos(1 - e / 2)
    ahead, here = np.exp(1j * k * (len(v) + 1)), np.exp(1j * k * len(v))
    for potential in v[::-1]:
        ahead, here = here, (2 + potential - e) * here - ahead
    # here = ψ_0 and ahead = ψ_1 of a left part e^{ikj} + r e^{−ikj}, scaled by 1/t
    incoming = (ahead - here * np.exp(-1j * k)) / (np.exp(1j * k) - np.exp(-1j * k))
    return float(1 / abs(incoming) ** 2)


def test_transmission_of_a_polymer_in_the_hopping_gap_of_its_leads_is_zero() -> None:
    onsite, hopping = armchair_cell(7)
    device = na.Device(na.BlockTridiagonal([onsite], []), [na.Lead(onsite, hopping.T), na.Lead(onsite, hopping)])
    assert abs(float(na.transmission(device, 0.1))) <= 1e-20


def test_transmission_is_unchanged_by_a_tabulated_copy_of_a_lead() -> None:
    device = random_device(7, leads=(LeadKind(0, 2), LeadKind(-1, 3)))
    sigma = open_system(device, ENERGIES).self_energies
    tabulated = na.Device(
        device.hamiltonian,
        [na.SelfEnergy(x, block=lead.block) for x, lead in zip(sigma, device.leads)],
        overlap=device.overlap,
    )
    for name in ("transmission", "density_of_states", "lead_density", "bond_current"):
        found, expected = (getattr(na, name)(d, ENERGIES) for d in (tabulated, device))
        assert np.max(np.abs(found - expected)) <= TOLERANCE * max(np.max(np.abs(expected)), 1.0), name
