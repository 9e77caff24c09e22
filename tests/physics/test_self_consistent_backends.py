"""Charge and the self-consistent loop on every array library, with read-only arrays, on a device of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import NUMPY, Backend, host

import negfadj as na
from negfadj.array import leaves
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.physics.charge import charge_vjp
from negfadj.physics.self_consistent import self_consistent_vjp

N = 3
ROUGH: dict[str, Any] = {"temperature": 1000.0, "error": 1e-4}  # the same numbers on every backend, not exact ones


def device(overlap: bool) -> na.Device:
    """A chain of unlike levels, complex hoppings and, if asked for, an overlap that reaches into the leads."""
    one = np.ones((1, 1))
    hopping = -np.exp(0.3j) * one
    s: dict[str, Any] = {}
    if overlap:
        s = {"overlap_onsite": one, "overlap_hopping": 0.05 * hopping, "overlap_coupling": 0.08 * hopping}
    leads = [na.Lead(0.1 * one, hopping, coupling=0.9 * hopping, block=k, **s) for k in (0, -1)]
    levels = [e * one for e in (0.2, -0.1, 0.3)]
    of_overlap = na.BlockTridiagonal([one] * N, [0.05 * hopping] * (N - 1)) if overlap else None
    return na.Device(na.BlockTridiagonal(levels, [hopping] * (N - 1)), leads, of_overlap)


def same(found: Any, wanted: Any, backend: Backend) -> None:
    for x, y in zip(leaves(found), leaves(wanted), strict=True):
        if isinstance(x, float):
            assert np.isclose(x, y, rtol=1e-8, atol=1e-10)
        else:
            assert type(x) is type(backend(np.ones(1)))
            np.testing.assert_allclose(host(x), y, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("overlap", [False, True])
def test_charge_and_its_pullback_are_the_same_on_every_backend(backend: Backend, overlap: bool) -> None:
    def both(on: Backend) -> tuple[Any, Any]:
        found, pullback = charge_vjp(on(device(overlap)), on(np.array([0.1, -0.1])), **ROUGH)
        bar = pullback(on(np.linspace(0.5, 1.5, N)))
        return (found.populations, found.by_equilibrium_lead), bar

    for x, y in zip(both(backend), both(NUMPY)):
        same(x, y, backend)


@pytest.mark.parametrize("method", ["newton", pytest.param("anderson", marks=pytest.mark.slow)])
@pytest.mark.parametrize("overlap", [False, True])
def test_loop_and_its_pullback_are_the_same_on_every_backend(backend: Backend, overlap: bool, method: Any) -> None:
    x = 2.0 * np.arange(N) + 3
    field = ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.0, distance=10.0)

    options = {"tolerance": 1e-6, **ROUGH}

    def solved(on: Backend) -> tuple[Any, Any]:
        given = on({"neutral": np.linspace(1.1, 0.9, N), "sites": np.arange(N), "initial": np.zeros(N)})
        found, pullback = self_consistent_vjp(on(device(overlap)), field, bias=0.2, method=method, **given, **options)
        _, observed = na.transmission_vjp(found.device, on(np.array([0.1])))
        ones = on(np.ones(N))
        return found, pullback(potential=ones, charge=ones, current=1.0, device=observed(on(np.ones(1))).device)

    (found, bar), (wanted, wanted_bar) = solved(backend), solved(NUMPY)
    assert np.abs(wanted.potential).max() > 0.01
    same([found.device.hamiltonian, bar.device], [wanted.device.hamiltonian, wanted_bar.device], backend)
    for name in ("potential", "charge", "populations"):  # potentials and charges of sites are on the host
        same(getattr(found, name), getattr(wanted, name), NUMPY)
    for name in ("neutral", "bias", "temperature", "fermi_energy"):
        same(getattr(bar, name), getattr(wanted_bar, name), NUMPY)
    same(bar.electrostatics.positions, wanted_bar.electrostatics.positions, NUMPY)
    same(found.current, wanted.current, NUMPY)
