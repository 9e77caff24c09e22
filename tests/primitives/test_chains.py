"""Leads that decouple into chains: found, solved in closed form, differentiated in every direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from backends import Backend, host
from cases import EPS, random_array
from hypothesis import given
from hypothesis import strategies as st

import negfadj as na
from negfadj.primitives.chains import chain_vectors, chains_surface_green, chains_surface_green_vjp
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.modes import HoppingBasis
from negfadj.primitives.surface import surface_green, surface_green_vjp

ENERGIES = np.array([-0.4, 0.15, 0.55])
KINDS = ("grid", "real", "complex", "overlap")


def _lead(kind: str, n: int, seed: int = 0) -> na.Lead:
    """A lead whose blocks are polynomials of one Hermitian matrix, or a grid with equal hoppings."""
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return na.Lead(0.3 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1), -1.2 * np.eye(n))
    x = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if kind != "real" else 0)
    vectors, _ = np.linalg.qr(x)

    def block(values: np.ndarray) -> np.ndarray:
        x = (vectors * values) @ vectors.conj().T
        return x if np.iscomplexobj(values) else (x + x.conj().T) / 2

    hopping = rng.uniform(0.5, 1.5, n) * (1 if kind == "real" else np.exp(2j * np.pi * rng.uniform(size=n)))
    s = {}
    if kind == "overlap":
        s = {"overlap_onsite": block(rng.uniform(0.9, 1.1, n)), "overlap_hopping": block(0.1 * hopping * 1j)}
    return na.Lead(block(rng.normal(size=n)), block(hopping), **s)


def _overlap(lead: na.Lead) -> Any:
    return None if lead.overlap_onsite is None else (lead.overlap_onsite, lead.overlap_hopping)


def _problem(lead: na.Lead, eta: float, energies: np.ndarray = ENERGIES) -> tuple[list[np.ndarray], dict[str, Any]]:
    blocks = lead_blocks(lead, energies + 1j * eta)
    arrays = [np.array(np.broadcast_to(x, blocks.onsite.shape)) for x in blocks[:3]]
    vectors = chain_vectors(lead.onsite, lead.hopping, _overlap(lead), np.complex128)
    assert vectors is not None
    return arrays, {"vectors": vectors, "energies": energies.tolist(), "at_real_energy": eta == 0}


@pytest.mark.parametrize("kind", KINDS)
def test_chain_vectors_diagonalise_every_block(kind: str) -> None:
    lead = _lead(kind, 7)
    vectors = chain_vectors(lead.onsite, lead.hopping, _overlap(lead), np.complex128)
    assert np.iscomplexobj(vectors) == (kind in ("complex", "overlap"))
    for x in (lead.onsite, lead.hopping, *(_overlap(lead) or ())):
        inside = vectors.conj().T @ x @ vectors
        assert np.abs(inside - np.diag(np.diag(inside))).max() <= 1e2 * EPS * np.abs(x).max()


def test_chain_vectors_of_blocks_that_do_not_commute_are_none() -> None:
    lead = _lead("real", 5)
    nudged = lead.onsite + 1e-9 * np.diag(np.arange(5.0))
    assert chain_vectors(nudged, lead.hopping, None, np.complex128) is None
    assert chain_vectors(np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]]), None, np.complex128) is None


@pytest.mark.parametrize("eta", [0.0, 1e-6, 0.1])
@given(seed=st.integers(0, 2**31), n=st.integers(1, 5), kind=st.sampled_from(KINDS))
def test_chains_surface_green_equals_that_of_the_whole_pencil(eta: float, seed: int, n: int, kind: str) -> None:
    arrays, options = _problem(_lead(kind, n, seed), eta)
    found = chains_surface_green(*arrays, **options)
    for k in range(len(ENERGIES)):
        # chain by chain: the pencil of all of them may hold equal factors of opposite velocities
        inside = [options["vectors"].conj().T @ x[k] @ options["vectors"] for x in arrays]
        parts = [oracles.surface_by_pencil(*(x[i : i + 1, i : i + 1] for x in inside))[0, 0] for i in range(n)]
        expected = (options["vectors"] * parts) @ options["vectors"].conj().T
        # an edge at a distance d costs 1/√d: three energies of random chains stay beyond 1e-8
        assert np.max(np.abs(found[k] - expected)) <= 1e5 * EPS * n * np.max(np.abs(expected))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("eta", "method"), [(0.0, "modes"), (1e-3, "decimation")])
def test_chains_and_the_general_method_agree_in_value_and_pullback(
    kind: str, eta: float, method: str, backend: Backend
) -> None:
    arrays, options = _problem(_lead(kind, 4), eta)
    general = {k: options[k] for k in ("energies", "at_real_energy")}
    expected, pullback = surface_green_vjp(*arrays, method=method, basis=HoppingBasis(None, None), **general)
    bar = random_array(np.random.default_rng(1), *expected.shape)
    moved = {**options, "vectors": backend.convert(options["vectors"])}
    found, found_pullback = chains_surface_green_vjp(*backend(tuple(arrays)), **moved)
    tolerance = 1e-9  # of decimation, which amplifies rounding by 1/η, and of the modes' eigenvectors
    assert np.max(np.abs(host(found) - expected)) <= tolerance * np.max(np.abs(expected))
    for x, y in zip(host(tuple(found_pullback(backend.convert(bar)))), pullback(bar)):
        assert np.max(np.abs(x - y)) <= tolerance * np.max(np.abs(y))


def test_chains_pullback_at_a_real_energy_serves_perturbations_that_couple_the_chains() -> None:
    # the moved lead does not decouple: its value comes from the eigenproblem, by the general method
    lead = _lead("grid", 3)
    block = np.diag([0.2, -0.1, 0.4])
    device = na.Device(na.BlockTridiagonal([block], []), (lead, na.Lead(lead.onsite, 0.8 * lead.hopping)))
    energies = np.array([0.37, 1.1])
    na.testing.check_vjp(na.transmission, na.transmission_vjp, (device, energies), step=1e-3, rtol=1e-7)


@pytest.mark.parametrize("side", [-1, 1])
def test_chains_refuse_a_band_edge_at_a_real_energy_and_not_beside_it(side: int) -> None:
    arrays, options = _problem(_lead("grid", 1), 0.0, 0.3 + side * np.array([2.4 + 1e-12, 2.4 - 1e-8, 2.4 + 1e-8]))
    with pytest.raises(na.ConvergenceError, match="band edge") as caught:
        chains_surface_green(*arrays, **options)
    assert caught.value.energies == [0.3 + side * (2.4 + 1e-12)]
    g = chains_surface_green(*(x[1:] for x in arrays), **{**options, "energies": options["energies"][1:]})
    assert g[0, 0, 0].imag < 0 and g[1, 0, 0].imag == 0 and np.allclose(g[:, 0, 0].real, side / 1.2, rtol=1e-3)


def test_a_chain_without_hopping_is_a_level_and_refused_there() -> None:
    lead = na.Lead(np.diag([0.5, 0.0]), np.diag([0.0, -1.0]))
    arrays, options = _problem(lead, 0.0, np.array([0.5 + 1e-3, 0.1]))
    assert np.isclose(chains_surface_green(*arrays, **options)[0, 0, 0], 1e3)
    for distance in (0.0, 1e-9):
        arrays, options = _problem(lead, 0.0, np.array([0.5 + distance]))
        with pytest.raises(na.ConvergenceError, match=r"surface state|flat band"):
            chains_surface_green(*arrays, **options)


def test_a_gap_of_all_chains_has_no_broadening_at_all() -> None:
    arrays, options = _problem(_lead("grid", 6), 0.0, np.array([9.0]))
    g = chains_surface_green(*arrays, **options)
    assert np.array_equal(g, g.conj().swapaxes(-1, -2))


def test_a_wide_grid_that_the_eigenproblem_refuses_is_solved() -> None:
    # among 256 modes two are close to an edge of one chain, and far from it on the scale of that chain
    arrays, options = _problem(_lead("grid", 96), 0.0, np.linspace(-1.4, 1.4, 5))
    g = chains_surface_green(*arrays, **options)
    a00, a01, a10 = arrays
    assert np.max(np.abs(g @ (a00 - a01 @ g @ a10) - np.eye(96))) <= 1e-11


def test_single_precision_chains_stay_single() -> None:
    lead = _lead("grid", 4)
    small = na.Lead(lead.onsite.astype(np.float32), lead.hopping.astype(np.float32))
    z = ENERGIES.astype(np.complex64)
    blocks = lead_blocks(small, z)
    vectors = chain_vectors(small.onsite, small.hopping, None, np.complex64)
    options = {"vectors": vectors, "energies": ENERGIES.tolist(), "at_real_energy": True}
    g = chains_surface_green(*blocks[:3], **options)
    arrays, wide = _problem(lead, 0.0)
    assert g.dtype == np.complex64
    assert np.allclose(g, chains_surface_green(*arrays, **wide), atol=1e-4)


def test_equal_value_by_decimation_of_the_whole_lead() -> None:
    arrays, options = _problem(_lead("grid", 8), 1e-2)
    expected = surface_green(
        *arrays, method="decimation", basis=HoppingBasis(None, None), energies=options["energies"], at_real_energy=False
    )
    assert np.max(np.abs(chains_surface_green(*arrays, **options) - expected)) <= 1e-11
