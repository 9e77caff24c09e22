"""Pullbacks as a caller meets them: the public check, `wrt`, batches, repeated calls, types."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from backends import NUMPY, READONLY, Backend, host
from cases import MANY_LEADS, TWO_LEADS, LeadKind, chain, random_array, random_device, ribbon, strip
from observables import OBSERVABLES, Observable, device_parts, inner

import negfadj as na
from negfadj.array import is_array, leaves

ENERGIES = np.array([-0.45, 0.3])
EACH = pytest.mark.parametrize("observable", OBSERVABLES, ids=str)
CHECKED = [
    pytest.param({"eta": 0.3, "device_eta": 0.1}, id="broadened"),
    pytest.param({"eta": 0.0, "device_eta": 0.0}, id="real-energy"),
]


def _check(observable: Observable, device: na.Device, energies: Any, **options: Any) -> na.testing.VjpReport:
    # seed: a direction whose <w, Jv> is no accidental zero; step: of the size at which the series still converges
    return na.testing.check_vjp(
        lambda d, e: observable.value(d, e, **options),
        lambda d, e: observable.vjp(d, e, **options),
        (device, energies),
        rtol=1e-9,
        step=8e-3,
        seed=2,
    )


@pytest.mark.parametrize("options", CHECKED)
@EACH
def test_observable_vjp_passes_the_public_check(
    observable: Observable, options: dict[str, float], backend: Backend
) -> None:
    device = random_device(21, (3, 2, 3), TWO_LEADS)
    report = _check(observable, backend(device), backend.convert(ENERGIES), **options)
    assert all(1.9 < slope < 2.1 for slope in report.taylor_slopes.values())


@EACH
def test_observable_vjp_passes_the_public_check_when_real_and_orthogonal(observable: Observable) -> None:
    device = random_device(22, (3, 2, 3), TWO_LEADS, is_complex=False, overlap=False)
    _check(observable, READONLY(device), READONLY.convert(ENERGIES), eta=0.3)


@pytest.mark.parametrize("observable", [o for o in OBSERVABLES if o.name != "bond_current"], ids=str)
@pytest.mark.parametrize("name", ["strip", "ribbon"])  # not bond_current: filling in zeros changes what the bonds are
def test_observable_vjp_passes_the_public_check_on_a_lattice(observable: Observable, name: str) -> None:
    device = strip(3, 4, flux=0.2, disorder=0.5) if name == "strip" else ribbon(3, 3, disorder=0.5)
    _check(observable, READONLY(device), READONLY.convert(np.array([0.47])), eta=0.3)


@EACH
def test_observable_adjoint_identity_holds_on_lattices_at_a_real_energy(observable: Observable) -> None:
    for device in (strip(3, 4, flux=0.2, disorder=0.5), ribbon(3, 3, disorder=0.5)):
        value, pullback = observable.vjp(device, ENERGIES)
        weights = np.random.default_rng(0).normal(size=value.shape)
        bar = pullback(weights).device
        for name, part in device_parts(device, 0):
            tangent = observable.dense(device, ENERGIES, tangent=part).tangent.real
            size = np.linalg.norm(weights) * max(np.linalg.norm(tangent), 1e-3)
            assert abs(np.sum(weights * tangent) - inner(bar, part)) <= 1e-10 * size, name


@EACH
def test_pullback_gives_cotangents_of_the_kind_of_their_primals(observable: Observable) -> None:
    for is_complex in (False, True):
        device = random_device(3, (3, 2), TWO_LEADS, is_complex=is_complex)
        value, pullback = observable.vjp(device, ENERGIES)
        bar = pullback(np.ones_like(value))
        assert isinstance(bar.device, na.Device) and isinstance(bar.device.leads[0], na.Lead)
        for x, x_bar in zip(leaves(device), leaves(bar.device), strict=True):
            if is_array(x):
                assert x_bar.shape == x.shape and x_bar.dtype == x.dtype
        assert bar.energies.shape == ENERGIES.shape and bar.energies.dtype == np.float64


@EACH
def test_pullback_cotangents_of_hermitian_blocks_are_hermitian(observable: Observable) -> None:
    device = random_device(3, (3, 2), TWO_LEADS)
    value, pullback = observable.vjp(device, ENERGIES)
    bar = pullback(np.random.default_rng(0).normal(size=value.shape)).device
    blocks = [*bar.hamiltonian.diagonal, *bar.overlap.diagonal]
    blocks += [x for lead in bar.leads for x in (lead.onsite, lead.overlap_onsite)]
    assert all(np.array_equal(x, x.conj().T) for x in blocks)


@EACH
def test_pullback_called_twice_gives_the_same(observable: Observable) -> None:
    value, pullback = observable.vjp(random_device(3), ENERGIES)
    weights = np.random.default_rng(0).normal(size=value.shape)
    first, other, again = pullback(weights), pullback(2 * weights), pullback(weights)
    for x, y, z in zip(leaves(tuple(first)), leaves(tuple(other)), leaves(tuple(again))):
        assert np.array_equal(x, z) and np.allclose(2 * np.asarray(x), y, rtol=1e-12, atol=0)


@EACH
@pytest.mark.parametrize("is_complex", [False, True])
def test_pullback_wrt_onsite_is_the_diagonal_of_the_whole_gradient(
    observable: Observable, is_complex: bool, backend: Backend
) -> None:
    device = random_device(4, leads=MANY_LEADS, is_complex=is_complex)
    value, pullback = observable.vjp(backend(device), backend.convert(ENERGIES))
    weights = backend.convert(np.random.default_rng(0).normal(size=tuple(value.shape)))
    whole = host(pullback(weights).device.hamiltonian)
    found = host(pullback(weights, wrt="onsite").device.hamiltonian.onsite)
    expected = np.concatenate([np.diag(x).real for x in whole.diagonal])
    assert found.dtype == np.float64
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.abs(expected).max()


def _entries(whole: na.BlockTridiagonal, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """dL/dH_ab with H_ba = H_ab* moving along, from a gradient whose diagonal blocks are projected."""
    offsets = np.asarray(whole.offsets)
    found = []
    for a, b in zip(rows, columns):
        k, m = np.searchsorted(offsets, [a, b], side="right") - 1
        a, b = a - offsets[k], b - offsets[m]
        if k == m:
            found.append(whole.diagonal[k][a, b] * (1 if a == b else 2))
        elif m == k + 1:
            found.append(whole.upper[k][a, b])
        else:
            found.append(np.conj(whole.upper[m][b, a]))
    return np.array(found)


@EACH
@pytest.mark.parametrize("is_complex", [False, True])
def test_pullback_wrt_a_pattern_is_those_entries_of_the_whole_gradient(
    observable: Observable, is_complex: bool, backend: Backend
) -> None:
    device = random_device(4, (3, 4, 2, 5), is_complex=is_complex)
    value, pullback = observable.vjp(backend(device), backend.convert(ENERGIES))
    weights = backend.convert(np.random.default_rng(0).normal(size=tuple(value.shape)))
    whole = host(pullback(weights).device.hamiltonian)
    # on site, within a block above and below its diagonal, between blocks both ways, twice the same
    rows, columns = np.array([0, 12, 0, 2, 1, 5, 8, 4, 0]), np.array([0, 12, 2, 0, 5, 1, 10, 3, 0])
    found = host(pullback(weights, wrt=(rows, columns)).device.hamiltonian)
    expected = _entries(whole, rows, columns)
    assert np.iscomplexobj(found.values) == is_complex
    assert np.array_equal(host(found.rows), rows) and np.array_equal(host(found.columns), columns)
    assert np.max(np.abs(found.values - expected)) <= 1e-12 * np.abs(expected).max()


def test_pullback_wrt_a_sparse_matrix_is_its_entries() -> None:
    device = random_device(4, (3, 4, 2))
    _, pullback = na.transmission_vjp(device, ENERGIES)
    rows, columns = np.array([0, 1, 3]), np.array([4, 1, 8])
    pattern = scipy.sparse.coo_array((np.ones(3), (rows, columns)), shape=(9, 9))
    by_pairs = pullback(np.ones(2), wrt=(rows, columns)).device.hamiltonian.values
    assert np.array_equal(pullback(np.ones(2), wrt=pattern).device.hamiltonian.values, by_pairs)


def test_pullback_wrt_onsite_leaves_out_everything_else() -> None:
    bar = na.transmission_vjp(random_device(4), ENERGIES)[1](np.ones(2), wrt="onsite")
    assert bar.energies is None and bar.device.overlap is None and all(x is None for x in bar.device.leads)


def test_pullback_wrt_a_pattern_of_a_non_hermitian_hamiltonian_is_one_entry_each() -> None:
    base = random_device(5, (2, 3), TWO_LEADS, overlap=False)
    h = base.hamiltonian
    lower = [x.conj().T + 0.1 * random_array(np.random.default_rng(0), *x.shape[::-1]) for x in h.upper]
    device = na.Device(na.BlockTridiagonal(h.diagonal, h.upper, lower), base.leads)
    _, pullback = na.transmission_vjp(device, ENERGIES)
    whole = pullback(np.ones(2)).device.hamiltonian
    values = pullback(np.ones(2), wrt=([0, 3, 2], [3, 0, 4])).device.hamiltonian.values
    expected = [whole.upper[0][0, 1], whole.lower[0][1, 0], whole.diagonal[1][0, 2]]
    assert np.max(np.abs(values - expected)) <= 1e-13 * np.max(np.abs(expected))


def _least_memory(observable: Observable, device: na.Device, energies: np.ndarray, **options: Any) -> int:
    """The bytes one energy needs, from the error that says so."""
    with pytest.raises(na.MemoryLimitError) as caught:
        observable.vjp(device, energies, memory_limit=1, **options)
    return int(str(caught.value).split("needs ")[1].split(" bytes")[0].replace(",", ""))


@EACH
@pytest.mark.parametrize("n_at_once", [1, 3])
def test_observable_does_not_depend_on_the_memory_limit(observable: Observable, n_at_once: int) -> None:
    device = random_device(6, leads=MANY_LEADS)
    energies = np.linspace(-0.6, 0.6, 8)
    expected, pullback = observable.vjp(device, energies)
    limit = n_at_once * _least_memory(observable, device, energies)
    found, batched_pullback = observable.vjp(device, energies, memory_limit=limit)
    assert np.allclose(observable.value(device, energies, memory_limit=limit), expected, rtol=0, atol=1e-12)
    assert np.allclose(found, expected, rtol=0, atol=1e-12)
    weights = np.random.default_rng(0).normal(size=expected.shape)
    for wrt in ("all", "onsite"):
        whole, batched = pullback(weights, wrt=wrt), batched_pullback(weights, wrt=wrt)
        for x, y in zip(leaves(tuple(whole)), leaves(tuple(batched))):
            # sums over energies in another order
            assert np.max(np.abs(np.asarray(x) - y)) <= 1e-11 * max(np.max(np.abs(x)), 1e-3)


@EACH
def test_observable_does_not_depend_on_how_tabulated_self_energies_are_batched(observable: Observable) -> None:
    if observable.name == "transmission_matrix":
        return
    energies = np.linspace(-0.6, 0.6, 5)
    device = random_device(7, (3, 4), (LeadKind(0, 1, "self-energy"), LeadKind(-1, 2)), n_energies=5)
    expected, pullback = observable.vjp(device, energies)
    limit = 2 * _least_memory(observable, device, energies)
    found, batched_pullback = observable.vjp(device, energies, memory_limit=limit)
    assert np.allclose(found, expected, rtol=0, atol=1e-12)
    weights = np.random.default_rng(0).normal(size=expected.shape)
    whole, batched = (p(weights).device.leads[0].self_energy for p in (pullback, batched_pullback))
    assert np.max(np.abs(whole - batched)) <= 1e-12 * np.abs(whole).max()


@EACH
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("lead", [0, 1])
def test_change_of_a_tabulated_self_energy_may_open_channels(
    observable: Observable, is_complex: bool, lead: int
) -> None:
    """Γ of rank one on three orbitals: a change of Σ that broadens the others too, which only steps forward allow."""
    if observable.name == "transmission_matrix":
        return
    rng, energies = np.random.default_rng(4), np.array([0.3])
    device = random_device(7, (3, 4, 3), TWO_LEADS, is_complex=is_complex, overlap=False)
    narrow = [random_array(rng, 1, 3, 1, is_complex=is_complex) for _ in range(2)]
    sigmas = [0.1 * np.eye(3) - 0.4j * w @ w.conj().swapaxes(1, 2) for w in narrow]
    broad = random_array(rng, 1, 3, 3, is_complex=is_complex)
    shift = random_array(rng, 1, 3, 3, is_complex=is_complex)
    change = shift + shift.conj().swapaxes(1, 2) - 0.5j * broad @ broad.conj().swapaxes(1, 2)

    def moved(t: float) -> na.Device:
        leads = [na.SelfEnergy(s + (t * change if k == lead else 0), block=-k) for k, s in enumerate(sigmas)]
        return na.Device(device.hamiltonian, leads)

    value, pullback = observable.vjp(moved(0.0), energies)
    weights = rng.normal(size=value.shape)
    bar = pullback(weights).device.leads[lead].self_energy
    h = 2e-5
    values = [np.sum(weights * observable.vjp(moved(k * h), energies)[0]) for k in range(4)]
    slope = (-11 * values[0] + 18 * values[1] - 9 * values[2] + 2 * values[3]) / (6 * h)
    assert abs(np.sum(bar.conj() * change).real - slope) <= 1e-6 * max(1.0, abs(slope))


def test_memory_limit_that_is_too_small_says_the_bytes_needed() -> None:
    with pytest.raises(na.MemoryLimitError, match=r"one energy needs [\d,]+ bytes but memory_limit allows 100"):
        na.transmission(random_device(0), ENERGIES, memory_limit=100)


def test_pullback_of_a_scalar_energy_is_a_scalar() -> None:
    value, pullback = na.transmission_vjp(random_device(3), 0.3)
    bar = pullback(1.0)
    assert value.shape == () and bar.energies.shape == ()
    many = na.transmission_vjp(random_device(3), [0.3])[1](np.ones(1))
    assert abs(bar.energies - many.energies[0]) <= 1e-14


def test_pullback_is_linear_in_its_argument() -> None:
    value, pullback = na.local_density_of_states_vjp(random_device(3), ENERGIES)
    rng = np.random.default_rng(0)
    v, w = rng.normal(size=value.shape), rng.normal(size=value.shape)
    one, two, both = (pullback(x).device.hamiltonian.diagonal[1] for x in (v, w, 3 * v - w))
    assert np.max(np.abs(3 * one - two - both)) <= 1e-12 * np.abs(both).max()


@pytest.mark.parametrize("options", [{}, {"source": 1, "drain": 0}, {"eta": 0.05, "device_eta": 0.01}])
def test_transmission_sensitivity_is_the_onsite_gradient_energy_by_energy(
    options: dict[str, Any], backend: Backend
) -> None:
    device = backend(random_device(4, leads=MANY_LEADS))
    found = host(na.transmission_sensitivity(device, backend.convert(ENERGIES), **options))
    for k, e in enumerate(ENERGIES):
        one = backend.convert(np.ones(1))
        _, pullback = na.transmission_vjp(device, backend.convert(np.array([e])), **options)
        expected = host(pullback(one, wrt="onsite").device.hamiltonian.onsite)
        assert np.max(np.abs(found[k] - expected)) <= 1e-12 * np.abs(expected).max()


def test_transmission_sensitivity_equals_differences() -> None:
    device = random_device(4, (3, 2))
    found = na.transmission_sensitivity(device, 0.3)
    h = 1e-3
    for a in range(5):
        differences = []
        for step in (-2 * h, -h, h, 2 * h):
            dense = np.asarray(device.hamiltonian.to_dense()).copy()
            dense[a, a] += step
            moved = na.Device(na.BlockTridiagonal.from_dense(dense, (3, 2)), device.leads, overlap=device.overlap)
            differences.append(float(na.transmission(moved, 0.3)))
        expected = (differences[0] - 8 * differences[1] + 8 * differences[2] - differences[3]) / (12 * h)
        # error h⁴ T⁗…/30 with derivatives up to ~1e2, round-off eps/h
        assert abs(found[a] - expected) <= 1e-9


def test_gradient_through_equal_leads_keeps_them_apart() -> None:
    device = strip(2, 3, disorder=0.8)
    both = na.Device(device.hamiltonian, (device.leads[1], na.Lead(device.leads[1].onsite, device.leads[1].hopping)))
    bar = na.transmission_vjp(both, 0.3)[1](1.0).device.leads
    for k in range(2):
        changed = list(both.leads)
        h = 1e-5
        values = []
        for step in (h, -h):
            changed[k] = na.Lead(
                both.leads[k].onsite, both.leads[k].hopping, block=both.leads[k].block, potential_energy=step
            )
            values.append(float(na.transmission(na.Device(both.hamiltonian, changed), 0.3)))
        # h² T‴/6 with T‴ ~ 1e2
        assert abs(float(bar[k].potential_energy) - (values[0] - values[1]) / (2 * h)) <= 1e-7


def _kept_bytes(device: na.Device, n_energies: int) -> int:
    """Bytes alive with the pullback of the transmission at so many energies."""
    energies = np.linspace(-1, 1, n_energies)
    na.transmission_vjp(device, energies)  # kernels compiled
    tracemalloc.start()
    try:
        held = na.transmission_vjp(device, energies)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held[0].shape == energies.shape
    return kept


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_pullback_keeps_the_bytes_its_docstring_gives(overlap: bool, is_complex: bool) -> None:
    width, n_blocks = 24, 40
    leads = (LeadKind(0, width), LeadKind(-1, width))
    device = random_device(0, (width,) * n_blocks, leads, is_complex=is_complex, overlap=overlap)
    each = (_kept_bytes(device, 16) - _kept_bytes(device, 8)) / 8
    assert each <= 1.01 * (16 * n_blocks * width**2 + 2 * 128 * width**2)


# Energy derivatives -------------------------------------------------------------------------------------------------


def _ridders(f: Any, x: float, h: float) -> tuple[float, float]:
    """Derivative by extrapolated central differences, and its uncertainty."""
    table, best, error = [[(f(x + h) - f(x - h)) / (2 * h)]], 0.0, np.inf
    for k in range(1, 8):
        h /= 2
        row = [(f(x + h) - f(x - h)) / (2 * h)]
        for j in range(1, k + 1):
            row.append((4**j * row[j - 1] - table[-1][j - 1]) / (4**j - 1))
            estimate = max(abs(row[j] - row[j - 1]), abs(row[j] - table[-1][j - 1]))
            if estimate < error:
                best, error = row[j], estimate
        table.append(row)
    return best, error


@pytest.mark.parametrize("eta", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["full", "singular"])
def test_transmission_derivatives_equal_differences_of_one_another(eta: float, kind: str) -> None:
    device = random_device(8, leads=(LeadKind(0, 2, kind), LeadKind(-1, 4, kind)))
    found = na.transmission_derivatives(device, 0.35, eta=eta, order=4)
    assert found[0] == pytest.approx(float(na.transmission(device, 0.35, eta=eta)), rel=1e-12)
    for order in range(1, 5):
        expected, uncertainty = _ridders(
            lambda e, k=order - 1: float(na.transmission_derivatives(device, e, eta=eta, order=4)[k]), 0.35, 0.05
        )
        assert uncertainty <= 1e-7 * max(abs(expected), 1)
        assert abs(found[order] - expected) <= 10 * uncertainty + 1e-10 * abs(expected)


def test_transmission_derivatives_first_order_is_the_energy_cotangent() -> None:
    device = random_device(8, leads=MANY_LEADS)
    found = na.transmission_derivatives(device, ENERGIES, source=2, drain=1, order=1)
    _, pullback = na.transmission_vjp(device, ENERGIES, source=2, drain=1)
    assert np.max(np.abs(found[:, 1] - pullback(np.ones(2)).energies)) <= 1e-10 * np.abs(found[:, 1]).max()


def test_transmission_derivatives_of_a_chain_with_one_level_are_the_closed_form() -> None:
    # T = v²/(v² + u²) with v² = 4t² − E²: in x = E², T = 1 − u²/(4 + u² − x)
    u, e = 0.7, 0.6
    found = na.transmission_derivatives(chain(1, onsite=[u]), e, order=3)
    d = 4 + u**2 - e**2
    expected = [
        1 - u**2 / d,
        -2 * e * u**2 / d**2,
        -(u**2) * (2 / d**2 + 8 * e**2 / d**3),
        -(u**2) * (24 * e / d**3 + 48 * e**3 / d**4),
    ]
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.max(np.abs(expected))


def test_transmission_derivatives_are_the_same_on_every_backend(backend: Backend) -> None:
    device = random_device(8, leads=MANY_LEADS)
    for eta in (0.0, 0.1):
        expected = na.transmission_derivatives(device, ENERGIES, eta=eta)
        found = host(na.transmission_derivatives(backend(device), backend.convert(ENERGIES), eta=eta))
        assert np.max(np.abs(found - expected)) <= 1e-10 * np.abs(expected).max()


def test_transmission_derivatives_of_order_zero_are_the_transmission() -> None:
    device = NUMPY(random_device(8))
    found = na.transmission_derivatives(device, ENERGIES, order=0)
    assert found.shape == (2, 1)
    assert np.max(np.abs(found[:, 0] - na.transmission(device, ENERGIES))) <= 1e-13
