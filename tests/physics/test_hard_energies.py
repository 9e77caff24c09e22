"""Energies where a lead or the device is singular, or nearly so: right, or refused with the energy named."""

from __future__ import annotations

import numpy as np
import pytest
from cases import chain, ribbon

import negfadj as na


def _crossing(overlap: bool) -> na.Device:
    """Two chains with opposite velocities at E = 0, mixed by a rotation, both leads on one block that joins them."""
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(2, 2)))

    def rotated(*entries: float) -> np.ndarray:
        return rotation @ np.diag(entries) @ rotation.T

    s = {"overlap_onsite": np.eye(2), "overlap_hopping": rotated(0.1, 0.25)} if overlap else {}
    lead = na.Lead(np.zeros((2, 2)), rotated(-1.0, 1.0), block=0, **s)
    hamiltonian = na.BlockTridiagonal([np.array([[0.2, 0.3], [0.3, -0.1]])], [])
    return na.Device(hamiltonian, (lead, lead), na.BlockTridiagonal([np.eye(2)], []) if overlap else None)


@pytest.mark.parametrize("overlap", [False, True])
def test_transmission_is_continuous_where_bands_cross(overlap: bool) -> None:
    at, below, above = na.transmission(_crossing(overlap), [0.0, -1e-4, 1e-4])
    assert abs(at - (below + above) / 2) <= 1e-6  # h² T''/2 with T'' ~ 10


def test_transmission_of_a_clean_metallic_ribbon_is_one_at_the_crossing() -> None:
    assert abs(na.transmission(ribbon(2, 4), 0.0) - 1) <= 1e-10


def test_lead_gradient_at_a_crossing_is_refused_and_the_onsite_one_is_not() -> None:
    _, pullback = na.transmission_vjp(_crossing(False), [0.0])
    with pytest.raises(na.ConvergenceError, match="crossing of bands") as caught:
        pullback(np.ones(1))
    assert caught.value.energies == [0.0]
    assert np.all(np.isfinite(pullback(np.ones(1), wrt="onsite").device.hamiltonian.onsite))


@pytest.mark.parametrize("distance", [1e-8, 1e-4, 0.5])
def test_a_gap_has_no_transmission_and_no_density_at_all(distance: float) -> None:
    device = chain(3)
    assert float(na.transmission(device, 2 + distance)) == 0.0
    assert np.all(na.lead_density(device, 2 + distance) == 0.0)


@pytest.mark.parametrize("level", [0.3, 1.0, 2.7])
def test_a_bound_state_is_refused(level: float) -> None:
    device = chain(1, onsite=[level])
    with pytest.raises(na.ConvergenceError, match="bound state"):
        na.density_of_states(device, np.sqrt(4 + level**2))


def test_a_surface_state_of_a_lead_is_refused() -> None:
    with pytest.raises(na.ConvergenceError, match="surface state"):
        na.transmission(ribbon(8, 4), 1e-7)


def test_a_band_edge_is_refused_and_a_hair_beside_it_is_not() -> None:
    with pytest.raises(na.ConvergenceError, match="band edge"):
        na.transmission(chain(3), 2.0 + 1e-12)
    assert abs(float(na.transmission(chain(3), 2.0 - 1e-8)) - 1) <= 1e-6


def test_one_lead_as_source_and_drain_is_refused() -> None:
    for arguments in ({"source": 0, "drain": 0}, {"source": -1, "drain": 1}):
        with pytest.raises(na.InputError, match=r"same lead.*transmission_matrix"):
            na.transmission(chain(3), 0.3, **arguments)


def test_an_overlap_that_is_not_positive_definite_is_refused() -> None:
    one, hopping = np.eye(1), -np.eye(1)
    with pytest.raises(na.InputError, match=r"overlap_onsite has an eigenvalue -1"):
        na.Lead(0 * one, hopping, overlap_onsite=-one)
