"""Tangents of the transmission and Hessian-vector products, against differences of exact dense derivatives."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import oracles
import pytest
from backends import Backend, host
from cases import MANY_LEADS, TWO_LEADS, LeadKind, armchair_cell, random_array, random_device, ribbon, strip
from observables import OBSERVABLES, Observable, device_parts, inner, norm, zero_tangent

import negfadj as na
from negfadj.array import is_array, leaves, rebuild, tree_map
from negfadj.testing import _ridders as extrapolated

TRANSMISSION = OBSERVABLES[0]
ENERGIES = np.array([-0.45, 0.3])
VALUE_BAR, VALUE_BAR_DOT, ENERGIES_DOT = np.array([1.0, -0.7]), np.array([0.4, 0.9]), np.array([0.3, -0.5])
BROADENED = {"eta": 0.3, "device_eta": 0.1}
OPTIONS = [pytest.param({}, id="real-energy"), pytest.param(BROADENED, id="broadened")]


@pytest.fixture(autouse=True)
def _modes_for_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle's surface functions from the modes off the real axis too: thousands of cells would take minutes."""

    @lru_cache(maxsize=4096)
    def by_pencil(a00: bytes, a01: bytes, a10: bytes, n: int, _at_real_energy: bool) -> np.ndarray:
        return oracles.surface_by_pencil(*(np.frombuffer(x, dtype=complex).reshape(n, n) for x in (a00, a01, a10)))

    monkeypatch.setattr(oracles, "_surface_value", by_pencil)


def _direction(device: na.Device, seed: int) -> na.Device:
    """A random direction in everything at once, of the size of the device."""
    total = zero_tangent(device)
    for _, part in device_parts(device, seed):
        total = tree_map(lambda x, y: x + 0.3 * y, total, part)
    return total


def _moved(device: na.Device, tangent: na.Device, h: float) -> na.Device:
    return tree_map(lambda x, v: x + h * v, device, tangent)


def _dense_second(
    device: na.Device,
    v: na.Device,
    u: na.Device,
    d_v: Any,
    d_u: Any,
    transmission: Observable = TRANSMISSION,
    **options: float,
) -> float:
    """d/dh of the slope along (u, d_u) of Σ_E T̄(h) T(E), at the device and energies moved by h (v, d_v)."""

    def slope(h: float) -> float:
        found = transmission.dense(_moved(device, v, h), ENERGIES + h * d_v, d_u, tangent=u, **options).tangent
        return float(np.sum((VALUE_BAR + h * VALUE_BAR_DOT) * found.real))

    return extrapolated(slope, 4e-3, levels=5)[0]


def _check_against_dense(device: na.Device, **options: float) -> None:
    """Every part against a direction in all, and a direction in all against every part."""
    everything, nothing = _direction(device, 5), np.zeros(2)
    cases = [("all", everything, ENERGIES_DOT, name, part, nothing) for name, part in device_parts(device, 1)]
    cases += [(name, part, nothing, "all", everything, ENERGIES_DOT) for name, part in device_parts(device, 2)]
    zero = zero_tangent(device)
    cases += [("all", everything, ENERGIES_DOT, "energies", zero, np.array([1.0, 0.6]))]
    cases += [("energies", zero, ENERGIES_DOT, "all", everything, np.array([1.0, 0.6]))]
    errors = {}
    done: dict[str, Any] = {}
    for v_name, v, d_v, u_name, u, d_u in cases:
        if v_name not in done:
            done[v_name] = na.transmission_hvp(
                device, v, ENERGIES, VALUE_BAR, VALUE_BAR_DOT, energies_dot=d_v, **options
            )
        _, _, bar, bar_dot = done[v_name]
        found = inner(bar_dot.device, u) + float(np.sum(bar_dot.energies * d_u))
        exact = _dense_second(device, v, u, d_v, d_u, **options)
        first = inner(bar.device, u) + float(np.sum(bar.energies * d_u))
        errors[f"{v_name} · {u_name}"] = abs(found - exact) / max(abs(exact), abs(first), 1e-2)
    worst = max(errors, key=errors.__getitem__)
    assert errors[worst] <= 1e-8, f"{worst}: {errors[worst]:.3g}"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("is_complex", [True, False])
def test_hvp_equals_differences_of_dense_slopes(options: dict[str, float], is_complex: bool) -> None:
    _check_against_dense(random_device(21, (3, 2, 3), TWO_LEADS, is_complex=is_complex), **options)


@pytest.mark.parametrize("options", OPTIONS)
def test_hvp_equals_differences_of_dense_slopes_when_orthogonal(options: dict[str, float]) -> None:
    _check_against_dense(random_device(22, (3, 2, 3), TWO_LEADS, overlap=False), **options)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_hvp_equals_differences_of_dense_slopes_with_many_leads(options: dict[str, float]) -> None:
    # a lead of low rank, one that leaves out an orbital (its coupling's tangent does not), two on one block
    _check_against_dense(random_device(23, (3, 4, 2), MANY_LEADS), **options)


def test_hvp_equals_differences_of_dense_slopes_when_a_coupling_reaches_further() -> None:
    # the source touches two orbitals of three; its coupling's tangent touches the third
    _check_against_dense(random_device(25, (3, 2), (LeadKind(0, 2, "thin"), LeadKind(-1, 2)), overlap=False))


def test_hvp_equals_differences_of_dense_slopes_with_a_tabulated_self_energy() -> None:
    leads = (LeadKind(0, 2), LeadKind(-1, 3, "self-energy"))
    _check_against_dense(random_device(24, (3, 2, 3), leads, n_energies=2))


@pytest.mark.parametrize("options", OPTIONS)
def test_hvp_equals_differences_of_dense_slopes_on_a_lead_of_chains(options: dict[str, float]) -> None:
    _check_against_dense(strip(2, 2, disorder=0.5), **options)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("drain", [1, 2])
def test_hvp_equals_differences_of_dense_slopes_when_the_leads_are_fixed(options: dict[str, float], drain: int) -> None:
    # then columns are as many as open channels: one of two in the third lead
    cell, _ = armchair_cell(2)
    side = na.Lead(np.diag([0.0, 5.0]), np.diag([-1.0, -0.5]), cell[:, :2], block=1)
    base = ribbon(2, 3, disorder=0.5)
    device = na.Device(base.hamiltonian, (*base.leads, side))
    h_dot = dict(device_parts(device, 4))["hamiltonian"].hamiltonian
    moved = rebuild(zero_tangent(device), hamiltonian=h_dot)
    ends = {"source": 0, "drain": drain}
    _, _, _, bar_dot = na.transmission_hvp(device, moved, ENERGIES, VALUE_BAR, VALUE_BAR_DOT, **ends, **options)
    transmission = replace(TRANSMISSION, keywords=ends)
    for name, u in device_parts(device, 1):
        exact = _dense_second(device, moved, u, np.zeros(2), np.zeros(2), transmission, **options)
        assert abs(inner(bar_dot.device, u) - exact) <= 1e-8 * max(abs(exact), 1e-2), name


@pytest.mark.slow
def test_hvp_of_a_non_hermitian_hamiltonian_moves_each_block_alone() -> None:
    base = random_device(5, (2, 3), TWO_LEADS)
    h = base.hamiltonian
    lower = [x.conj().T + 0.1 * random_array(np.random.default_rng(0), *x.shape[::-1]) for x in h.upper]
    device = na.Device(na.BlockTridiagonal(h.diagonal, h.upper, lower), base.leads, base.overlap)
    _check_against_dense(device, eta=0.1)


@pytest.mark.parametrize("options", OPTIONS)
def test_jvp_equals_the_dense_tangent(options: dict[str, float], backend: Backend) -> None:
    device, moved = random_device(23, (3, 4, 2), MANY_LEADS), backend.convert(ENERGIES_DOT)
    wanted = ("hamiltonian", "overlap", "leads[1].hopping", "leads[1].potential_energy")
    parts = [part for name, part in device_parts(device, 3) if name in wanted]
    for direction in (_direction(device, 5), *parts):
        value, value_dot = na.transmission_jvp(
            backend(device), backend(direction), backend.convert(ENERGIES), energies_dot=moved, **options
        )
        exact = TRANSMISSION.dense(device, ENERGIES, ENERGIES_DOT, tangent=direction, **options)
        assert np.max(np.abs(host(value) - exact.value.real)) <= 1e-11 * np.abs(exact.value).max()
        assert np.max(np.abs(host(value_dot) - exact.tangent.real)) <= 1e-10 * np.abs(exact.tangent).max()


@pytest.mark.parametrize("options", OPTIONS)
def test_hvp_is_the_same_on_every_backend(options: dict[str, float], backend: Backend) -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    direction = _direction(device, 5)
    expected = na.transmission_hvp(device, direction, ENERGIES, VALUE_BAR, VALUE_BAR_DOT, **options)
    there = (backend(device), backend(direction), *(backend.convert(x) for x in (ENERGIES, VALUE_BAR, VALUE_BAR_DOT)))
    found = na.transmission_hvp(*there, **options)
    for x, y in zip(leaves(expected), leaves(found), strict=True):
        assert np.max(np.abs(np.asarray(x) - np.asarray(host(y)))) <= 1e-10 * (1e-3 + np.max(np.abs(x)))


@pytest.mark.parametrize("options", OPTIONS)
def test_hvp_gives_the_value_and_the_gradient_of_the_transmission(options: dict[str, float]) -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    value, pullback = na.transmission_vjp(device, ENERGIES, **options)
    expected = pullback(VALUE_BAR)
    found, _, bar, bar_dot = na.transmission_hvp(device, _direction(device, 5), ENERGIES, VALUE_BAR, **options)
    assert np.allclose(found, value, rtol=1e-12)
    for x, y, y_dot in zip(leaves(tuple(expected)), leaves(tuple(bar)), leaves(tuple(bar_dot)), strict=True):
        assert np.allclose(x, y, rtol=0, atol=1e-11 * (1e-3 + np.max(np.abs(x))))
        if is_array(x):
            assert y_dot.shape == x.shape and y_dot.dtype == x.dtype


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["random", "strip", "ribbon"])
def test_hvp_is_symmetric(options: dict[str, float], name: str) -> None:
    device = {
        "random": random_device(23, (3, 4, 2), MANY_LEADS),
        "strip": strip(3, 4, flux=0.2, disorder=0.5),
        "ribbon": ribbon(3, 3, disorder=0.5),
    }[name]
    u, v = _direction(device, 6), _direction(device, 7)
    along_u, along_v = (na.transmission_hvp(device, t, ENERGIES, VALUE_BAR, **options)[3].device for t in (u, v))
    size = max(norm(along_u) * norm(v), norm(along_v) * norm(u))
    assert abs(inner(along_u, v) - inner(along_v, u)) <= 1e-11 * size and abs(inner(along_u, v)) > 1e-4 * size


def test_hvp_taylor_remainder_of_the_gradient_falls_as_the_square() -> None:
    device = ribbon(3, 3, disorder=0.5)
    direction, weights = _direction(device, 8), _direction(device, 9)
    options = {"eta": 0.05}
    _, _, bar, bar_dot = na.transmission_hvp(device, direction, ENERGIES, VALUE_BAR, **options)

    def gradient(h: float) -> float:
        bar = na.transmission_vjp(_moved(device, direction, h), ENERGIES, **options)[1](VALUE_BAR)
        return inner(bar.device, weights)

    steps = 1e-3 * 2.0 ** -np.arange(5)
    remainders = [abs(gradient(h) - inner(bar.device, weights) - h * inner(bar_dot.device, weights)) for h in steps]
    assert abs(np.polyfit(np.log(steps), np.log(remainders), 1)[0] - 2) < 0.1


@pytest.mark.parametrize("wrt", ["onsite", "pattern"])
def test_hvp_wrt_entries_is_those_of_the_whole(wrt: str) -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    at: Any = "onsite" if wrt == "onsite" else (np.array([0, 1, 3, 8]), np.array([0, 4, 5, 3]))
    arguments = (device, _direction(device, 5), ENERGIES, VALUE_BAR, VALUE_BAR_DOT)
    whole = na.transmission_hvp(*arguments)[2:]
    some = na.transmission_hvp(*arguments, wrt=at)[2:]
    for found, expected in zip(some, whole):
        h = expected.device.hamiltonian
        if wrt == "onsite":
            exact = np.concatenate([np.diag(x).real for x in h.diagonal])
        else:
            exact = np.array(
                [h.diagonal[0][0, 0], h.upper[0][1, 1], 2 * h.diagonal[1][0, 2], np.conj(h.upper[1][0, 1])]
            )
        values = found.device.hamiltonian.values
        assert np.max(np.abs(values - exact)) <= 1e-12 * np.abs(exact).max()
        assert found.energies is None and all(x is None for x in found.device.leads)


def test_jvp_vjp_gives_what_hvp_does_however_the_energies_are_batched() -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    energies = np.linspace(0.3, 0.7, 9)
    direction, weights, moved = _direction(device, 5), np.cos(9 * energies), np.sin(9 * energies)
    expected = na.transmission_hvp(device, direction, energies, weights, moved)
    for limit in (None, 120_000, 60_000):  # all kept, few kept, nothing kept and batches of a few
        value, value_dot, pullback = na.transmission_jvp_vjp(device, direction, energies, memory_limit=limit)
        first, again = pullback(weights, moved), pullback(weights, moved)
        for x, y, z in zip(leaves(expected), leaves((value, value_dot, *first)), leaves((value, value_dot, *again))):
            assert np.allclose(x, y, rtol=0, atol=1e-11 * (1e-3 + np.max(np.abs(x)))) and np.array_equal(y, z)


def test_hvp_is_the_same_in_threads_and_with_kept_leads() -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    energies = np.linspace(0.3, 0.7, 9)
    arguments = (device, _direction(device, 5), energies, np.cos(energies))
    expected = na.transmission_hvp(*arguments)
    with na.use_threads(2):
        found = na.transmission_hvp(*arguments)
    with na.lead_cache() as cache:
        again = [na.transmission_hvp(*arguments) for _ in range(2)][1]
    assert cache.hits == 9 * device.n_leads  # no surface function is solved twice
    for x, y, z in zip(leaves(expected), leaves(found), leaves(again), strict=True):
        assert np.allclose(x, y, rtol=0, atol=1e-12 * (1e-3 + np.max(np.abs(x)))) and np.array_equal(x, z)


def test_hvp_takes_none_for_zero() -> None:
    device = random_device(23, (3, 4, 2), MANY_LEADS)
    zero = zero_tangent(device)
    on_site = tuple(np.diag(np.arange(n) + 1.0) + 0j for n in (3, 4, 2))
    filled = rebuild(zero, hamiltonian=rebuild(zero.hamiltonian, diagonal=on_site))
    sparse = rebuild(
        zero, hamiltonian=rebuild(zero.hamiltonian, diagonal=on_site, upper=None), overlap=None, leads=(None,) * 4
    )
    for full, short in ((filled, sparse), (zero, None)):
        expected, found = (na.transmission_hvp(device, x, ENERGIES, VALUE_BAR) for x in (full, short))
        for x, y in zip(leaves(expected), leaves(found), strict=True):
            assert np.allclose(x, y, rtol=0, atol=1e-12 * (1e-3 + np.max(np.abs(x))))
    nothing = na.transmission_hvp(device, None, ENERGIES, VALUE_BAR)
    assert not any(np.any(x) for x in leaves((nothing[1], nothing[3])))


def test_hvp_of_one_energy_has_no_axis() -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS)
    direction = _direction(device, 5)
    value, value_dot, _, bar_dot = na.transmission_hvp(device, direction, 0.3, 1.0)
    whole = na.transmission_hvp(device, direction, [0.3], np.ones(1))
    assert value.shape == value_dot.shape == bar_dot.energies.shape == ()
    assert np.isclose(bar_dot.energies, whole[3].energies[0], rtol=1e-12)


def test_hvp_writes_to_no_argument() -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS)
    direction = _direction(device, 5)
    arguments = (device, direction, ENERGIES, VALUE_BAR, VALUE_BAR_DOT)
    before = [np.array(x, copy=True) for x in leaves(arguments)]
    na.transmission_hvp(*arguments)
    assert all(np.array_equal(x, y) for x, y in zip(before, leaves(arguments)))


def test_lead_tangent_at_a_crossing_of_bands_is_refused_and_the_onsite_one_is_not() -> None:
    # two chains of opposite slope: their bands cross at E = 0
    levels, hop = np.zeros((2, 2)), np.diag([1.0, -1.0])
    h = na.BlockTridiagonal([np.array([[0.1, 0.2], [0.2, -0.3]])], [])
    device = na.Device(h, (na.Lead(levels, hop, block=0), na.Lead(levels, hop, block=0)))
    zero, onsite = zero_tangent(device), np.diag([0.3, -0.2])
    moved = rebuild(zero.leads[0], onsite=onsite + np.eye(2)[::-1])
    with pytest.raises(na.ConvergenceError, match="crossing of bands") as caught:
        na.transmission_jvp(device, rebuild(zero, leads=(moved, None)), [0.0])
    assert caught.value.energies == [0.0]
    inside = rebuild(zero, hamiltonian=rebuild(zero.hamiltonian, diagonal=(onsite,)), leads=(None, None))
    found = na.transmission_hvp(device, inside, [0.0], np.ones(1), wrt="onsite")[3].device.hamiltonian.values

    def gradient(step: float) -> np.ndarray:
        changed = rebuild(device, hamiltonian=rebuild(h, diagonal=(h.diagonal[0] + step * onsite,)))
        return na.transmission_sensitivity(changed, [0.0])[0]

    exact = [extrapolated(lambda step, a=a: gradient(step)[a], 1e-2)[0] for a in range(2)]
    assert np.max(np.abs(found - exact)) <= 1e-9 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d, t: 3.0, na.InputTypeError, "device_dot is a float"),
        (lambda d, t: rebuild(t, leads=(None,)), na.ShapeError, "device_dot has 1 leads but the device has 2"),
        (
            lambda d, t: rebuild(t, hamiltonian=rebuild(t.hamiltonian, diagonal=t.hamiltonian.diagonal[:1])),
            na.ShapeError,
            r"device_dot.hamiltonian.diagonal has 1 blocks but the device has 3",
        ),
        (
            lambda d, t: rebuild(t, hamiltonian=rebuild(t.hamiltonian, upper=t.hamiltonian.upper[::-1])),
            na.ShapeError,
            r"device_dot.hamiltonian.upper\[0\] has shape \(2, 3\) but its primal has \(3, 2\)",
        ),
        (
            lambda d, t: rebuild(
                t, hamiltonian=rebuild(t.hamiltonian, diagonal=tuple(1j * x for x in t.hamiltonian.diagonal))
            ),
            na.HermiticityError,
            r"device_dot.hamiltonian.diagonal\[0\] is not Hermitian",
        ),
        (
            lambda d, t: rebuild(t, leads=(rebuild(t.leads[0], onsite=np.nan * t.leads[0].onsite), None)),
            na.InputError,
            r"device_dot.leads\[0\].onsite",
        ),
        (
            lambda d, t: rebuild(t, leads=(rebuild(t.leads[0], potential_energy=np.inf), None)),
            na.InputError,
            r"device_dot.leads\[0\].potential_energy=inf must be finite",
        ),
    ],
)
def test_hvp_refuses_a_tangent_that_does_not_fit(change: Any, error: type[Exception], message: str) -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS)
    with pytest.raises(error, match=message):
        na.transmission_hvp(device, change(device, _direction(device, 5)), ENERGIES, VALUE_BAR)


def test_hvp_refuses_a_complex_tangent_of_a_real_block_and_a_wrong_axis() -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS, is_complex=False)
    direction = _direction(device, 5)
    bent = rebuild(direction, hamiltonian=tree_map(lambda x: x + 0j, direction.hamiltonian))
    with pytest.raises(na.InputTypeError, match="is complex but its primal is real"):
        na.transmission_jvp(device, bent, ENERGIES)
    with pytest.raises(na.ShapeError, match=r"energies_dot has shape \(3,\)"):
        na.transmission_jvp(device, direction, ENERGIES, energies_dot=np.ones(3))
    with pytest.raises(na.ShapeError, match=r"value_bar has shape \(1,\)"):
        na.transmission_hvp(device, direction, ENERGIES, np.ones(1))
