"""Both ends of a lead by every method: equal to each other and to the surface functions they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, armchair_cell, random_device

import negfadj as na
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.lead_ends import lead_ends
from negfadj.primitives.modes import HoppingBasis, hopping_basis
from negfadj.primitives.segment_doubling import segment_doubling

ENERGIES = np.array([-0.4, 0.15, 0.55])


def _problem(lead: na.Lead, eta: float) -> tuple[list[np.ndarray], HoppingBasis]:
    z = ENERGIES + 1j * eta
    blocks = lead_blocks(lead, z)
    arrays = [np.array(np.broadcast_to(x, blocks.onsite.shape)) for x in blocks[:3]]
    return arrays, hopping_basis(lead.hopping, lead.overlap_hopping, z.dtype)


def _lead(is_complex: bool, kind: str = "singular") -> na.Lead:
    return random_device(5, (3,), (LeadKind(0, 6, kind),), is_complex=is_complex, overlap=True).leads[0]


def _expected(arrays: list[np.ndarray], basis: HoppingBasis) -> tuple[np.ndarray, np.ndarray]:
    """A01 g A10 and A10 g' A01 in the basis, of very many cells."""
    u, v = (np.eye(arrays[0].shape[-1]) if x is None else x for x in basis)
    beyond, before = [], []
    for a00, a01, a10 in zip(*arrays):
        beyond.append(u.conj().T @ a01 @ oracles.surface_by_iteration(a00, a01, a10) @ a10 @ u)
        before.append(v.conj().T @ a10 @ oracles.surface_by_iteration(a00, a10, a01) @ a01 @ v)
    return np.stack(beyond), np.stack(before)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("kind", ["full", "singular"])
@pytest.mark.parametrize("method", ["decimation", "modes"])
def test_lead_ends_are_those_of_very_many_cells(method: str, kind: str, is_complex: bool, backend: Backend) -> None:
    arrays, basis = _problem(_lead(is_complex, kind), 0.3)
    found = lead_ends(*backend(tuple(arrays)), method=method, basis=backend(basis), at_real_energy=False)
    for x, y in zip(host((found.beyond, found.before)), _expected(arrays, basis)):
        assert np.max(np.abs(x - y)) <= 1e5 * EPS * len(y[0]) * np.max(np.abs(y))


@pytest.mark.parametrize("is_complex", [False, True])
def test_segment_doubling_equals_modes_at_a_small_broadening(is_complex: bool) -> None:
    arrays, basis = _problem(_lead(is_complex), 1e-4)
    u, v = basis
    a, b = u.conj().T @ arrays[1] @ v, v.conj().T @ arrays[2] @ u
    found = segment_doubling(arrays[0], a, b, u, v)
    modes = lead_ends(*arrays, method="modes", basis=basis, at_real_energy=False)
    for x, y in zip(found, modes):
        assert np.max(np.abs(x - y)) <= 1e4 * EPS / 1e-4 * np.max(np.abs(y))  # rounding grows by 1/η over the passes


@pytest.mark.parametrize(("method", "eta"), [("decimation", 1e-3), ("modes", 0.0)])
def test_ends_of_the_mirrored_lead_are_the_mirrored_ends(method: str, eta: float) -> None:
    arrays, basis = _problem(_lead(True), eta)
    options: dict[str, Any] = {"method": method, "at_real_energy": eta == 0}
    turned = lead_ends(arrays[0], arrays[2], arrays[1], basis=HoppingBasis(*basis[::-1]), **options)
    for x, y in zip(lead_ends(*arrays, basis=basis, **options).mirrored()[:2], turned):
        assert np.max(np.abs(x - y)) <= 1e-9 * np.max(np.abs(y))


def test_open_channels_of_the_ends_are_those_of_the_ribbon() -> None:
    onsite, hopping = armchair_cell(5)
    lead = na.Lead(onsite, hopping)
    arrays, basis = _problem(lead, 0.0)
    found = lead_ends(*arrays, method="modes", basis=basis, at_real_energy=True)
    momenta = np.linspace(-np.pi, np.pi, 2001)
    cells = [onsite + hopping * np.exp(1j * k) + hopping.conj().T * np.exp(-1j * k) for k in momenta]
    bands = np.linalg.eigvalsh(np.stack(cells))
    crossed = [int(np.sum((bands[1:] > e) & (bands[:-1] <= e))) for e in ENERGIES]  # bands that rise through E
    assert found.n_open is not None and found.n_open.tolist() == crossed
