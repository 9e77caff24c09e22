"""ζ S − H of a lead, ζ = z − U."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host
from cases import LeadKind, random_array, random_device
from observables import device_parts, inner

import negfadj as na
from negfadj.array import rebuild
from negfadj.data.lead import BLOCKS
from negfadj.primitives.lead_blocks import LeadBlocks, lead_blocks, lead_blocks_vjp

Z = np.array([0.3 + 0.1j, -0.7 + 0.02j])


def _device(overlap: bool, is_complex: bool = True) -> na.Device:
    return random_device(3, (3,), (LeadKind(0, 2), LeadKind(0, 2)), overlap=overlap, is_complex=is_complex)


def _expected(lead: na.Lead, z: np.ndarray) -> LeadBlocks:
    def stacked(h: np.ndarray, s: np.ndarray | None) -> np.ndarray:
        s = np.zeros_like(h) if s is None else s
        return np.stack([(x - lead.potential_energy) * s - h for x in z])

    s00 = np.eye(lead.n_orbitals) if lead.overlap_onsite is None else lead.overlap_onsite
    s01, sc = lead.overlap_hopping, lead.overlap_coupling
    return LeadBlocks(
        stacked(lead.onsite, s00),
        stacked(lead.hopping, s01),
        stacked(lead.hopping.conj().T, None if s01 is None else s01.conj().T),
        stacked(lead.coupling, sc),
        stacked(lead.coupling.conj().T, None if sc is None else sc.conj().T),
    )


@pytest.mark.parametrize("overlap", [False, True])
def test_lead_blocks_equal_zeta_s_minus_h(overlap: bool, backend: Backend) -> None:
    lead = _device(overlap).leads[0]
    found = host(lead_blocks(backend(lead), backend.convert(Z)))
    for x, y in zip(found, _expected(lead, Z)):
        assert np.max(np.abs(x - y)) <= 1e-15


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("is_complex", [False, True])
def test_lead_blocks_pullback_is_the_adjoint_for_every_argument(
    overlap: bool, is_complex: bool, backend: Backend
) -> None:
    device = _device(overlap, is_complex)
    lead = device.leads[0]
    rng = np.random.default_rng(5)
    value, pullback = lead_blocks_vjp(backend(lead), backend.convert(Z))
    weights = LeadBlocks(*(random_array(rng, 2, *x.shape[1:]) for x in value))  # energy by energy, also where S is not
    bar = host(pullback(backend(weights)))
    base = _expected(lead, Z)
    for name, part in device_parts(device, 0):
        if not name.startswith("leads[0]"):
            continue
        step = part.leads[0]
        moved = rebuild(lead, **{k: _moved(getattr(lead, k), getattr(step, k)) for k in (*BLOCKS, "potential_energy")})
        forward = sum(np.vdot(w, x - y).real for w, x, y in zip(weights, _expected(moved, Z), base))
        # linear in every block of the lead: one difference is exact to round-off
        assert abs(forward - inner(bar.lead, step)) <= 1e-12 * max(abs(forward), 1.0), name
    d_z = random_array(rng, 2)
    forward = sum(np.vdot(w, x - y).real for w, x, y in zip(weights, _expected(lead, Z + d_z), base))
    assert abs(forward - np.vdot(bar.z, d_z).real) <= 1e-12 * max(abs(forward), 1.0)


def _moved(x: object, d_x: object) -> object:
    return None if x is None else x + d_x


def test_lead_blocks_cotangents_are_real_for_a_real_lead() -> None:
    lead = _device(True, is_complex=False).leads[0]
    value, pullback = lead_blocks_vjp(lead, Z)
    bar = pullback(value).lead
    assert all(not np.iscomplexobj(getattr(bar, name)) for name in BLOCKS)


def test_lead_blocks_cotangent_of_the_onsite_block_is_hermitian() -> None:
    value, pullback = lead_blocks_vjp(_device(True).leads[0], Z)
    onsite = pullback(value).lead.onsite
    assert np.array_equal(onsite, onsite.conj().T)


def test_lead_blocks_are_unchanged_when_lead_and_energy_shift_together() -> None:
    lead = _device(True).leads[0]
    shifted = rebuild(lead, potential_energy=lead.potential_energy + 0.7)
    for x, y in zip(lead_blocks(shifted, Z + 0.7), lead_blocks(lead, Z)):
        assert np.max(np.abs(x - y)) <= 1e-14


def test_lead_blocks_vjp_passes_the_public_check(backend: Backend) -> None:
    lead, z = backend(_device(True).leads[0]), backend.convert(Z)
    na.testing.check_vjp(lead_blocks, lead_blocks_vjp, (lead, z), rtol=1e-10)
