"""The surface Green's function: by decimation and by modes, its pullback, and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, armchair_cell, random_array, random_device, strip_cell
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.array import leaves
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.modes import HoppingBasis, bloch_modes, count_open, hopping_basis
from negfadj.primitives.surface import surface_green, surface_green_vjp

ENERGIES = np.array([-0.4, 0.15, 0.55])
KINDS = st.sampled_from(["full", "singular"])
EACH_METHOD = pytest.mark.parametrize(
    ("method", "eta"), [("decimation", 0.1), ("decimation", 1e-3), ("modes", 0.1), ("modes", 1e-3), ("modes", 0.0)]
)


def _lead(seed: int, n: int, kind: str = "full", is_complex: bool = True, overlap: bool = True) -> na.Lead:
    n = 2 * n if kind == "singular" else n
    return random_device(seed, (3,), (LeadKind(0, n, kind),), is_complex=is_complex, overlap=overlap).leads[0]


def _problem(
    lead: na.Lead, eta: float, method: str, energies: np.ndarray = ENERGIES
) -> tuple[list[Any], dict[str, Any]]:
    z = energies + 1j * eta
    blocks = lead_blocks(lead, z)
    shape = blocks.onsite.shape
    arrays = [np.array(np.broadcast_to(x, shape)) for x in blocks[:3]]
    basis = hopping_basis(lead.hopping, lead.overlap_hopping, z.dtype)
    return arrays, {"method": method, "basis": basis, "energies": energies.tolist(), "at_real_energy": eta == 0}


def _solve(lead: na.Lead, eta: float, method: str, energies: np.ndarray = ENERGIES) -> np.ndarray:
    arrays, options = _problem(lead, eta, method, energies)
    return surface_green(*arrays, **options)


@EACH_METHOD
@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS, is_complex=st.booleans(), overlap=st.booleans())
def test_surface_green_equals_that_of_the_whole_pencil(
    method: str, eta: float, seed: int, n: int, kind: str, is_complex: bool, overlap: bool
) -> None:
    arrays, options = _problem(_lead(seed, n, kind, is_complex, overlap), eta, method)
    found = surface_green(*arrays, **options)
    for k in range(len(ENERGIES)):
        expected = oracles.surface_by_pencil(*(x[k] for x in arrays))
        # error of the oracle: eigenvectors of the pencil, whose modes sit |1 − |λ|| ~ η/v ≥ 1e-4 from the circle
        assert np.max(np.abs(found[k] - expected)) <= 1e5 * EPS * len(expected) * np.max(np.abs(expected))


@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS)
def test_surface_green_equals_that_of_very_many_cells(seed: int, n: int, kind: str) -> None:
    arrays, options = _problem(_lead(seed, n, kind), 0.3, "decimation")
    found = surface_green(*arrays, **options)
    for k in range(len(ENERGIES)):
        expected = oracles.surface_by_iteration(*(x[k] for x in arrays))
        assert np.max(np.abs(found[k] - expected)) <= 1e3 * EPS * len(expected) * np.max(np.abs(expected))


@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS, eta=st.sampled_from([1e-1, 1e-4, 1e-7]))
def test_surface_green_by_modes_equals_that_by_decimation(seed: int, n: int, kind: str, eta: float) -> None:
    lead = _lead(seed, n, kind)
    by_modes, by_decimation = _solve(lead, eta, "modes"), _solve(lead, eta, "decimation")
    # passes of the decimation amplify round-off by 1/(1 − |λ|) ~ v/η at worst
    tolerance = 1e3 * EPS * (1 + 1 / eta) + 1e-12
    assert np.max(np.abs(by_modes - by_decimation)) <= tolerance * np.max(np.abs(by_modes))


@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS)
def test_surface_green_at_a_real_energy_is_the_limit_of_small_eta(seed: int, n: int, kind: str) -> None:
    lead = _lead(seed, n, kind)
    at_zero, nearby = _solve(lead, 0.0, "modes"), _solve(lead, 1e-6, "decimation")
    assert np.max(np.abs(at_zero - nearby)) <= 1e-3 * np.max(np.abs(at_zero))  # |dg/dE| η with |dg/dE| ≲ 1e3


@EACH_METHOD
@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS)
def test_surface_green_solves_its_equation(method: str, eta: float, seed: int, n: int, kind: str) -> None:
    arrays, options = _problem(_lead(seed, n, kind), eta, method)
    g = surface_green(*arrays, **options)
    a00, a01, a10 = arrays
    residual = g @ (a00 - a01 @ g @ a10) - np.eye(g.shape[-1])
    # a residual r moves g by r/(1 − |λ|²): kept to √eps/1e3 before anything is returned
    assert np.max(np.abs(residual)) <= 1.5e-11


@pytest.mark.parametrize("eta", [0.0, 1e-6, 0.1])
@given(seed=st.integers(0, 2**31), n=st.integers(1, 3), kind=KINDS, overlap=st.booleans())
def test_surface_green_has_a_positive_density_of_states(
    eta: float, seed: int, n: int, kind: str, overlap: bool
) -> None:
    g = _solve(_lead(seed, n, kind, overlap=overlap), eta, "modes")
    spectral = 1j * (g - g.conj().swapaxes(-1, -2))
    assert np.linalg.eigvalsh(spectral).min() >= -1e-9 * np.abs(g).max()


@pytest.mark.parametrize("t", [1.0, -0.7])
@pytest.mark.parametrize("eta", [0.0, 1e-5])
def test_surface_green_of_a_chain_is_the_closed_form(t: float, eta: float) -> None:
    energies = np.array([-3.0, -1.2, -0.3, 0.01, 0.9, 1.39, 2.2])
    one = np.ones((1, 1))
    lead = na.Lead(0.0 * one, t * one, one)
    g = _solve(lead, eta, "modes" if eta == 0 else "decimation", energies)[:, 0, 0]
    z = energies + 1j * max(eta, 1e-300)
    root = np.sqrt(z**2 - 4 * t**2)
    root = np.where((z.conj() * root).real < 0, -root, root)
    expected = (z - root) / (2 * t**2)
    expected = np.where(expected.imag > 0, expected.conj(), expected)  # the retarded branch inside the band
    # passes of the decimation amplify round-off by 1/(1 − |λ|) ~ 2|t|/η
    assert np.max(np.abs(g - expected)) <= (1e-13 if eta == 0 else 4 * EPS / eta)


def test_surface_green_of_a_chain_is_retarded() -> None:
    one = np.ones((1, 1))
    g = _solve(na.Lead(0.0 * one, one, one), 0.0, "modes", np.linspace(-1.9, 1.9, 21))
    assert (g.imag < 0).all()


@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_open_channels_of_a_strip_are_its_subbands(width: int) -> None:
    onsite, hopping = strip_cell(width)
    lead = na.Lead(onsite, hopping)
    energies = np.linspace(-3.87, 3.9, 57)
    arrays, options = _problem(lead, 0.0, "modes", energies)
    found = count_open(bloch_modes(*arrays, options["basis"], at_real_energy=True))
    levels = 2 * np.cos(np.arange(1, width + 1) * np.pi / (width + 1))
    assert found.tolist() == [int((np.abs(e + levels) < 2).sum()) for e in energies]


@pytest.mark.parametrize(
    ("n_lines", "gap"),
    [(5, 0), (6, 0.49396), (7, 0.46927), (8, 0), (9, 0.35114), (10, 0.33834), (11, 0), (12, 0.27226), (13, 0.26446)],
)
def test_open_channels_of_an_armchair_ribbon_show_its_gap(n_lines: int, gap: float) -> None:
    onsite, hopping = armchair_cell(n_lines)
    lead = na.Lead(onsite, hopping)
    edges = np.array([gap / 2 - 2e-5, gap / 2 + 2e-5]) if gap else np.array([1e-3, 2e-3])
    arrays, options = _problem(lead, 0.0, "modes", edges)
    found = count_open(bloch_modes(*arrays, options["basis"], at_real_energy=True))
    assert found.tolist() == ([0, 1] if gap else [1, 1])


def test_hopping_basis_has_the_rank_of_the_hopping() -> None:
    _, hopping = armchair_cell(7)
    left, right = hopping_basis(hopping, None, complex)
    assert left.shape[1] == right.shape[1] == np.linalg.matrix_rank(hopping) == 7 // 2
    assert np.max(np.abs(left @ left.conj().T @ hopping @ right @ right.conj().T - hopping)) <= 1e-14


@EACH_METHOD
@pytest.mark.parametrize("kind", ["full", "singular"])
def test_surface_pullback_is_the_adjoint_for_every_argument(
    method: str, eta: float, kind: str, backend: Backend
) -> None:
    if eta == 1e-3 and backend.name != "numpy":
        eta = 0.05
    arrays, options = _problem(_lead(11, 2, kind), eta, method)
    rng = np.random.default_rng(0)
    moved = {**options, "basis": backend(options["basis"])}
    g, pullback = surface_green_vjp(*backend(tuple(arrays)), **moved)
    g = host(g)
    weight = random_array(rng, *g.shape)
    bars = host(tuple(pullback(backend.convert(weight))))
    for place in range(3):
        tangents = [random_array(rng, *x.shape) if i == place else np.zeros_like(x) for i, x in enumerate(arrays)]
        forward = size = 0.0
        for k in range(len(ENERGIES)):
            _, a01, a10 = (x[k] for x in arrays)
            d00, d01, d10 = (x[k] for x in tangents)
            rhs = -g[k] @ (d00 - d01 @ g[k] @ a10 - a01 @ g[k] @ d10) @ g[k]
            d_g = oracles.stein_by_kron(g[k] @ a01, a10 @ g[k], rhs)
            forward += np.vdot(weight[k], d_g).real
            size += np.linalg.norm(weight[k]) * np.linalg.norm(d_g)
        assert abs(forward - np.vdot(bars[place], tangents[place]).real) <= 1e-10 * size, place


@pytest.mark.parametrize(("method", "kind"), [("decimation", "full"), ("decimation", "singular"), ("modes", "full")])
def test_surface_vjp_passes_the_public_check(method: str, kind: str, backend: Backend) -> None:
    arrays, options = _problem(_lead(12, 2, kind), 0.3, method)
    options = {**options, "basis": backend(options["basis"])}
    # a moved hopping may leave the basis of the one it started from
    whole = {**options, "basis": HoppingBasis(None, None)}
    na.testing.check_vjp(
        lambda *a: surface_green(*a, **whole),
        lambda *a: surface_green_vjp(*a, **options),
        backend(tuple(arrays)),
        rtol=1e-10,
        step=0.03,
    )


def test_surface_green_names_the_energies_that_fail_when_decimation_cannot_converge() -> None:
    one = np.ones((1, 1))
    arrays, options = _problem(na.Lead(0.0 * one, one, one), 1e-18, "decimation", np.array([0.3, 5.0]))
    with pytest.raises(na.ConvergenceError, match=r"(?s)E = 0\.3 eV.*(eta|modes)") as caught:
        surface_green(*arrays, **options)
    assert caught.value.energies == [0.3]


def test_surface_green_is_finite_or_refused_exactly_at_a_band_edge() -> None:
    one = np.ones((1, 1))
    for energy in (2.0, -2.0, np.nextafter(2.0, 0), np.nextafter(2.0, 3)):
        try:
            g = _solve(na.Lead(0.0 * one, one, one), 0.0, "modes", np.array([energy]))
        except na.ConvergenceError as error:
            assert error.energies == [energy]
        else:
            assert abs(g[0, 0, 0] - np.sign(energy)) <= 1e-6


@pytest.mark.parametrize("level", [0.0, 0.3])
@pytest.mark.parametrize("energy", [2.0, -2.0, np.nextafter(2.0, 0), np.nextafter(2.0, 3)])
def test_surface_pullback_is_finite_or_refused_exactly_at_a_band_edge(energy: float, level: float) -> None:
    one = np.ones((1, 1))
    lead = na.Lead(0.0 * one, one, one)
    device = na.Device(na.BlockTridiagonal([level * one], []), [lead, lead])
    try:
        _, pullback = na.transmission_vjp(device, np.array([energy]))
        bar = pullback(np.ones(1))
    except na.ConvergenceError as error:
        assert error.energies == [energy] and "band edge" in str(error)
    else:
        assert all(np.isfinite(x).all() for x in leaves(tuple(bar)))
        if level:  # T = (4 − E²)/(4 − E² + level²): the slope inside the band
            assert abs(bar.energies[0] + 2 * energy / level**2) <= 1e-4 * abs(2 * energy / level**2)
