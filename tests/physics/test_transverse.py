"""T(E) summed over transverse momenta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, hermitian, random_array

import negfadj as na
from negfadj.array import device_of, leaves
from negfadj.physics.momentum import monkhorst_pack
from negfadj.physics.transverse import transmission_over_momenta, transmission_over_momenta_vjp

ENERGIES = np.array([-3.1, -0.7, 0.2, 1.9])
BARRIER = (0.0, 0.8, -0.5, 0.0)  # eV, layer by layer
T, T_Y, T_Z = -1.0, -0.6137, -0.3519  # no energy falls on a band edge


def cubic(momentum: Sequence[float], levels: Sequence[float] = BARRIER) -> na.Device:
    """A simple cubic crystal along x at a transverse momentum: a chain of level 2 t_y cos 2πk_y + 2 t_z cos 2πk_z."""
    _, k_y, k_z = momentum
    level = 2 * T_Y * np.cos(2 * np.pi * k_y) + 2 * T_Z * np.cos(2 * np.pi * k_z)
    one = np.ones((1, 1))
    leads = [na.Lead(level * one, T * one, block=0), na.Lead(level * one, T * one, block=-1)]
    return na.Device(na.BlockTridiagonal([(level + v) * one for v in levels], [T * one] * (len(levels) - 1)), leads)


def cubic_supercell(n_y: int, n_z: int, levels: Sequence[float] = BARRIER) -> na.Device:
    """The same at Γ with n_y × n_z sites across, hopping around the edges."""

    def ring(n: int) -> np.ndarray:
        return np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0)

    across = T_Y * np.kron(ring(n_y), np.eye(n_z)) + T_Z * np.kron(np.eye(n_y), ring(n_z))
    one = np.eye(n_y * n_z)
    leads = [na.Lead(across, T * one, block=0), na.Lead(across, T * one, block=-1)]
    return na.Device(na.BlockTridiagonal([across + v * one for v in levels], [T * one] * (len(levels) - 1)), leads)


@dataclass(frozen=True)
class Layered:
    """Random layers periodic across in two directions: H(k) = A + Σ_d (B_d exp(2πi k_d) + h.c.), another B in leads."""

    onsite: np.ndarray  # (layers, n, n)
    across: np.ndarray  # (2, n, n)
    hopping: np.ndarray  # (n, n)
    n_leads: int = 2

    def device(self, momentum: Sequence[float]) -> na.Device:
        terms = [np.exp(2j * np.pi * k) * b for k, b in zip(momentum[1:], self.across)]
        periodic = sum(x + x.conj().T for x in terms)
        ends = ((self.hopping.conj().T, 0), (self.hopping, -1), (self.hopping, 1))[: self.n_leads]
        leads = [na.Lead(0.3 * periodic, hopping, block=block) for hopping, block in ends]
        return na.Device(
            na.BlockTridiagonal([x + periodic for x in self.onsite], [self.hopping] * (len(self.onsite) - 1)), leads
        )


def layered(seed: int, *, is_complex: bool = False, n_leads: int = 2) -> Layered:
    """Real blocks: H(−k) = H(k)*; complex ones are in a magnetic field."""
    rng = np.random.default_rng(seed)
    onsite = hermitian(random_array(rng, 3, 3, 3, is_complex=is_complex))
    across = 0.4 * random_array(rng, 2, 3, 3, is_complex=is_complex)
    return Layered(onsite, across, np.eye(3) + 0.3 * random_array(rng, 3, 3, is_complex=is_complex), n_leads)


def test_a_perfect_cubic_crystal_counts_the_chains_that_are_open() -> None:
    grid = monkhorst_pack((1, 7, 6), shift=0.5)
    full = monkhorst_pack((1, 7, 6), shift=0.5, time_reversal=False)
    levels = 2 * T_Y * np.cos(2 * np.pi * full.momenta[:, 1]) + 2 * T_Z * np.cos(2 * np.pi * full.momenta[:, 2])
    is_open = np.abs(ENERGIES[None] - levels[:, None]) < 2 * abs(T)
    found = transmission_over_momenta(partial(cubic, levels=(0.0, 0.0)), grid, ENERGIES)
    assert np.max(np.abs(found - is_open.mean(axis=0))) <= 1e-10
    assert len(set(found.round(6))) == len(ENERGIES)


@pytest.mark.parametrize(("n_y", "n_z"), [(2, 3), (4, 1), (3, 3)])
def test_a_supercell_at_gamma_carries_the_sum_over_the_folded_momenta(n_y: int, n_z: int) -> None:
    folded = transmission_over_momenta(cubic, monkhorst_pack((1, n_y, n_z)), ENERGIES)
    whole = na.transmission(cubic_supercell(n_y, n_z), ENERGIES)
    assert np.max(np.abs(whole - n_y * n_z * folded)) <= 1e-9 * n_y * n_z
    assert 0.1 < folded.max() < 1  # the barrier is felt


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_time_reversal_changes_nothing_for_real_hoppings(shift: float) -> None:
    device_at = layered(0).device
    full = transmission_over_momenta(device_at, monkhorst_pack((1, 4, 3), shift=shift, time_reversal=False), ENERGIES)
    reduced = transmission_over_momenta(device_at, monkhorst_pack((1, 4, 3), shift=shift), ENERGIES)
    assert np.max(np.abs(full - reduced)) <= 1e-10 and full.max() > 0.1


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (layered(1, is_complex=True), {}),
        (layered(1, n_leads=3), {}),
        (layered(1), {"device_eta": 0.2}),
    ],
    ids=["field", "third lead", "absorption"],
)
def test_time_reversal_is_wrong_in_a_field_with_a_third_lead_or_absorption(made: Layered, options: Any) -> None:
    k = (0.0, 0.13, 0.29)
    there = na.transmission(made.device(k), ENERGIES, **options)
    back = na.transmission(made.device(tuple(-x for x in k)), ENERGIES, **options)
    assert np.max(np.abs(there - back)) > 1e-3
    if not np.iscomplexobj(made.onsite):  # what is left of it: there and back are exchanged
        reverse = na.transmission(made.device(k), ENERGIES, source=1, drain=0, **options)
        assert np.max(np.abs(reverse - back)) <= 1e-10


def test_a_list_of_devices_gives_the_same_as_a_function(backend: Backend) -> None:
    grid, energies = monkhorst_pack((1, 3, 2)), backend.convert(ENERGIES)
    devices = [backend(cubic(k)) for k in grid.momenta]
    found = transmission_over_momenta(devices, grid, energies)
    assert device_of(found) == device_of(energies)
    expected = sum(w * na.transmission(cubic(k), ENERGIES) for k, w in zip(*grid))
    assert np.max(np.abs(host(found) - expected)) <= 20 * EPS
    assert np.array_equal(host(transmission_over_momenta(lambda k: backend(cubic(k)), grid, energies)), host(found))


def test_options_reach_the_transmission() -> None:
    made, grid = layered(2, n_leads=3), monkhorst_pack((1, 2, 2))
    options: dict[str, Any] = {"source": 2, "drain": 0, "eta": 1e-3, "device_eta": 0.05, "lead_method": "decimation"}
    found = transmission_over_momenta(made.device, grid, 0.3, memory_limit=1e8, **options)
    expected = sum(w * na.transmission(made.device(k), 0.3, **options) for k, w in zip(*grid))
    assert found.shape == () and abs(found - expected) <= 1e-14


def test_the_gradient_by_every_device_passes_the_public_check(backend: Backend) -> None:
    grid = monkhorst_pack((1, 2, 1), shift=(0, 0.3, 0.1))
    made = layered(3, is_complex=True)
    devices = backend([made.device(k) for k in grid.momenta])

    def function(*primals: Any) -> Any:
        return transmission_over_momenta(primals[:-1], grid, primals[-1])

    def function_vjp(*primals: Any) -> Any:
        value, pullback = transmission_over_momenta_vjp(primals[:-1], grid, primals[-1])

        def function_pullback(value_bar: Any) -> tuple[Any, ...]:
            bar = pullback(value_bar)
            return *bar.device_at, bar.energies

        return value, function_pullback

    primals = (*devices, backend.convert(np.array([0.2, -0.4])))
    na.testing.check_vjp(function, function_vjp, primals, rtol=1e-7, arguments=[1, 2])


def layered_vjp(made: Layered, momentum: Any) -> tuple[na.Device, Callable[[na.Device], Layered]]:
    """`Layered.device` and its pullback."""

    def pullback(bar: na.Device) -> Layered:
        blocks, leads = bar.hamiltonian.diagonal, bar.leads
        periodic = sum(blocks) + 0.3 * (leads[0].onsite + leads[1].onsite)
        phases = [np.exp(2j * np.pi * k) for k in momentum[1:]]
        # <P̄, φ dB + h.c.> = <φ* (P̄ + P̄†), dB>
        across = [np.conj(p) * (periodic + periodic.conj().T) for p in phases]
        hopping = sum(bar.hamiltonian.upper) + leads[1].hopping + leads[1].coupling
        hopping = hopping + (leads[0].hopping + leads[0].coupling).conj().T
        return Layered(np.stack(blocks).real, np.stack(across).real, hopping.real, made.n_leads)

    return made.device(momentum), pullback


def test_the_gradient_through_a_function_of_the_momentum_passes_the_public_check() -> None:
    grid, made = monkhorst_pack((1, 3, 2), shift=(0.0, 0.5, 0.0)), layered(4)

    def function(onsite: Any, across: Any, hopping: Any, energies: Any) -> Any:
        return transmission_over_momenta(Layered(onsite, across, hopping).device, grid, energies)

    def function_vjp(onsite: Any, across: Any, hopping: Any, energies: Any) -> Any:
        at = partial(layered_vjp, Layered(onsite, across, hopping))
        value, pullback = transmission_over_momenta_vjp(at, grid, energies)

        def function_pullback(value_bar: Any) -> tuple[Any, ...]:
            bar = pullback(value_bar)
            return bar.device_at.onsite, bar.device_at.across, bar.device_at.hopping, bar.energies

        return value, function_pullback

    primals = (made.onsite, made.across, made.hopping, np.array([0.2, -0.4]))
    # not by the on-site blocks: the check's directions would not be Hermitian
    na.testing.check_vjp(function, function_vjp, primals, rtol=1e-7, arguments=[1, 2, 3])


@pytest.mark.parametrize("kind", ["array", "number", "tuple", "dictionary", "None at first"])
def test_cotangents_of_any_kind_are_added_up_over_momenta(kind: str) -> None:
    grid = monkhorst_pack((1, 2, 2))

    def device_at(k: Any) -> Any:
        def pullback(bar: na.Device) -> Any:
            x = sum(block[0, 0] for block in bar.hamiltonian.diagonal)
            if kind == "None at first" and not k.any():
                return {"level": None}
            number = float(x)
            made = {"array": x[None], "number": number, "tuple": (number, [x[None]])}
            return made.get(kind, {"level": x[None]})

        return cubic(k), pullback

    _, pullback = transmission_over_momenta_vjp(device_at, grid, ENERGIES)
    found = pullback(np.ones(4)).device_at
    left_out = int(kind == "None at first")
    shares = []
    for k, w in zip(*grid):
        bar = na.transmission_vjp(cubic(k), ENERGIES)[1](w * np.ones(4)).device
        shares.append(sum(block[0, 0] for block in bar.hamiltonian.diagonal))
    expected = sum(shares[left_out:])  # k = 0 comes first
    for x in leaves(list(found.values()) if isinstance(found, dict) else found):
        assert np.allclose(x, expected, rtol=1e-12)


def test_wrt_is_passed_on_to_every_device() -> None:
    grid = monkhorst_pack((1, 2, 1))
    _, pullback = transmission_over_momenta_vjp([cubic(k) for k in grid.momenta], grid, ENERGIES)
    bar, whole = pullback(np.ones(4), wrt="onsite"), pullback([1, 1, 1, 1])
    assert bar.energies is None and len(bar.device_at) == 2
    for some, every in zip(bar.device_at, whole.device_at):
        assert np.allclose(some.hamiltonian.onsite, [x[0, 0] for x in every.hamiltonian.diagonal])


def test_one_device_at_a_time_is_held() -> None:
    alive: list[int] = []

    def device_at(k: Any) -> na.Device:
        alive.append(len(alive))
        return cubic(k)

    grid = monkhorst_pack((1, 3, 3))
    transmission_over_momenta(device_at, grid, 0.2)
    assert len(alive) == len(grid.momenta)


def test_a_failure_names_its_momentum_and_its_energy() -> None:
    edge = 2 * T_Y * np.cos(2 * np.pi / 3) + 2 * T_Z + 2.0  # the band edge of the second momentum
    with pytest.raises(na.ConvergenceError, match=r"momentum 1, k = \(0, 0\.333333, 0\)") as caught:
        transmission_over_momenta(cubic, monkhorst_pack((1, 3)), [0.1, edge])
    assert np.allclose(caught.value.energies, [edge])


def test_what_does_not_match_is_refused() -> None:
    grid = monkhorst_pack((1, 2, 2))
    with pytest.raises(na.ShapeError, match="1 devices but there are 4"):
        transmission_over_momenta([cubic((0, 0, 0))], grid, 0.1)
    with pytest.raises(na.ShapeError, match=r"weights have shape \(3,\)"):
        transmission_over_momenta(cubic, (grid.momenta, grid.weights[:3]), 0.1)
    with pytest.raises(na.ShapeError, match=r"momenta have shape \(4, 2\)"):
        transmission_over_momenta(cubic, (grid.momenta[:, :2], grid.weights), 0.1)
    with pytest.raises(na.InputError, match="pair"):
        transmission_over_momenta(cubic, grid.momenta, 0.1)  # type: ignore[arg-type]
    with pytest.raises(na.InputError, match=r"momenta\[0\] is a float"):
        transmission_over_momenta(lambda k: 1.0, grid, 0.1)  # type: ignore[arg-type, return-value]
    with pytest.raises(na.InputError, match=r"Device; for the gradient it must return a pair"):
        transmission_over_momenta_vjp(cubic, grid, 0.1)  # type: ignore[arg-type]
    with pytest.raises(na.InputError, match=r"a Device; pass a function"):
        transmission_over_momenta(cubic((0, 0, 0)), grid, 0.1)  # type: ignore[arg-type]
    _, pullback = transmission_over_momenta_vjp(lambda k: (cubic(k), lambda bar: object()), grid, 0.1)
    with pytest.raises(na.InputError, match="object, which cannot be added up"):
        pullback(1.0)
