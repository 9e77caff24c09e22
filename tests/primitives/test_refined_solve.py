"""Refined block solves: right where the device cut between two blocks has a level and the device has none."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Backend, host

import negfadj as na
from negfadj.physics.evaluate import assemble
from negfadj.physics.request import make_request
from negfadj.primitives.block_solve import solve_columns
from negfadj.primitives.left_connected import left_connected
from negfadj.primitives.open_system import OpenSystem
from negfadj.primitives.refined_solve import refined_columns, refined_rows
from negfadj.primitives.scattering import scattering_states

LOST = 5e-9  # of a solution, where pivots are just too small to be refined
ENERGIES = np.array([0.0, 1e-12, 1e-9, -1e-8, 3e-7, 1e-6, -1e-5, 1e-3, 0.2])
N = 80


def dimer_chain() -> na.Device:
    """A gapped chain of bonds −1.2, −0.8 and a plain chain, mixed within every block, between metallic chains. Cut at a
    strong bond the first has an end state at E = 0, as sharp as (2/3)^N, and the whole has none."""
    rng = np.random.default_rng(1)
    mix = [np.linalg.qr(rng.normal(size=(2, 2)))[0] for _ in range(N)]
    bonds = [np.diag([-1.2 if i % 2 == 0 else -0.8, -1.0]) for i in range(N - 1)]
    lead = np.diag([0.1, 0.3])
    leads = tuple(
        na.Lead(lead, -np.eye(2), coupling=mix[k] @ np.diag([-0.8, -1.0]), block=k) for k in (0, -1)
    )
    diagonal = [q @ np.diag([0.0, 0.3]) @ q.T for q in mix]
    return na.Device(
        na.BlockTridiagonal([(x + x.T) / 2 for x in diagonal], [q @ b @ r.T for q, b, r in zip(mix, bonds, mix[1:])]),
        leads,
    )


def system_of(device: na.Device, energies: np.ndarray) -> OpenSystem:
    request = make_request(device, energies, 0.0, 0.0, "auto", None, None)
    return assemble(request, slice(0, len(energies)))[0]


def dense_inverse(system: OpenSystem) -> np.ndarray:
    h = system.hamiltonian.to_dense()
    a = np.asarray(system.z)[:, None, None] * np.eye(len(h)) - h
    a[:, :2, :2] -= system.self_energies[0]
    a[:, -2:, -2:] -= system.self_energies[1]
    return np.linalg.inv(a)


def test_scattering_states_are_right_at_the_levels_of_the_cut_device() -> None:
    system = system_of(dimer_chain(), ENERGIES)
    factors, g = left_connected(system), dense_inverse(system)
    assert np.abs(g).max() < 10  # no level of the device itself
    for source, columns in ((0, slice(0, 2)), (1, slice(2 * N - 2, None))):
        found = np.concatenate(scattering_states(system, factors, source), axis=1)
        assert np.abs(found - g[:, :, columns]).max() <= LOST
    plain = np.concatenate([x for _, x in solve_columns(system, factors, {0: system.unit_columns(0)})][::-1], axis=1)
    assert not np.abs(plain - g[:, :, :2]).max() <= 1e-6  # what it is for


def test_columns_and_rows_solve_their_equations_for_any_right_hand_side() -> None:
    system = system_of(dimer_chain(), ENERGIES)
    factors, g = left_connected(system), dense_inverse(system)
    rng = np.random.default_rng(0)
    b = {i: rng.normal(size=(len(ENERGIES), 2, 3)) + 0j for i in (0, 7, 30)}
    whole = np.zeros((len(ENERGIES), 2 * N, 3), complex)
    for i, x in b.items():
        whole[:, 2 * i : 2 * i + 2] = x
    columns = np.concatenate([x for _, x in refined_columns(system, factors, b)][::-1], axis=1)
    assert np.abs(columns - g @ whole).max() <= LOST
    rows = {i: x.swapaxes(1, 2) for i, x in b.items()}
    found = np.concatenate([x for _, x in refined_rows(system, factors, rows)][::-1], axis=2)
    assert np.abs(found - whole.swapaxes(1, 2) @ g).max() <= LOST


def test_level_that_no_lead_reaches_is_named_where_it_is_asked_for() -> None:
    # one orbital is cut off from the lead, level and energy the same to the last digit
    one = np.ones((1, 1))
    lead = na.Lead(0 * one, -one, coupling=np.array([[-1.0], [0.0]]), block=0)
    device = na.Device(na.BlockTridiagonal([np.diag([0.1, 0.25])], []), (lead,))
    system = system_of(device, np.array([0.0, 0.25]))
    factors = left_connected(system)
    (states,) = scattering_states(system, factors, 0)  # the lead does not see it
    assert np.all(np.isfinite(states)) and np.all(states[:, 1] == 0)
    sigma = system.self_energies[0][1, 0, 0]
    assert abs(states[1, 0, 0] - 1 / (0.15 - sigma)) <= 1e-14
    with pytest.raises(na.ConvergenceError, match=r"breaks down at E = 0\.25 eV.*device_eta") as caught:
        list(refined_columns(system, factors, {0: np.array([[[0.0], [1.0]]])}))
    assert list(caught.value.energies) == [0.25]


def test_refined_states_are_the_same_on_every_backend(backend: Backend) -> None:
    device = dimer_chain()
    expected = scattering_states(system_of(device, ENERGIES), left_connected(system_of(device, ENERGIES)), 0)
    request = make_request(backend(device), backend.convert(ENERGIES), 0.0, 0.0, "auto", None, None)
    system = assemble(request, slice(0, len(ENERGIES)))[0]
    found = scattering_states(system, left_connected(system), 0)
    for x, y in zip(found, expected, strict=True):
        assert np.abs(host(x) - y).max() <= LOST
