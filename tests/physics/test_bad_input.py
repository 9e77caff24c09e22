"""Arguments that have no meaning: the class of the error, the value and the fix in it, and inputs unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import READONLY, STRICT, gpu_fault
from cases import LeadKind, random_device, ribbon, strip
from observables import OBSERVABLES, Observable

import negfadj as na
from negfadj.array import leaves

DEVICE = random_device(0, (2, 3))
E = np.array([0.3, 0.4])
EACH = pytest.mark.parametrize("observable", OBSERVABLES, ids=str)

BAD = [
    ("complex energies", {"energies": E + 0.1j}, na.InputTypeError, "complex128.*real numbers.*eta"),
    ("energies of text", {"energies": "0.3"}, na.InputTypeError, "energies.*real numbers"),
    ("energies of truth values", {"energies": np.array([True])}, na.InputTypeError, "bool.*real numbers"),
    ("energies of objects", {"energies": np.array([None])}, na.InputTypeError, "energies"),
    ("energies of None", {"energies": None}, na.InputTypeError, "energies"),
    ("ragged energies", {"energies": [[0.1], [0.1, 0.2]]}, na.InputTypeError, "energies"),
    ("energies of two axes", {"energies": np.zeros((2, 2))}, na.ShapeError, r"\(2, 2\).*one axis"),
    ("no energies", {"energies": []}, na.ShapeError, "energies are empty"),
    ("NaN energies", {"energies": [0.1, np.nan]}, na.InputError, r"energies\[1\] is nan"),
    ("infinite energies", {"energies": [-np.inf]}, na.InputError, r"energies\[0\] is -inf"),
    (
        "energies of another library",
        {"energies": STRICT.convert(E)},
        na.InputTypeError,
        "array_api_strict.*numpy.*convert",
    ),
    ("negative eta", {"eta": -1e-3}, na.InputError, r"eta=-0\.001 must be zero or positive.*advanced"),
    ("NaN eta", {"eta": float("nan")}, na.InputError, "eta=nan"),
    ("infinite eta", {"eta": float("inf")}, na.InputError, "eta=inf"),
    ("complex eta", {"eta": 1j}, na.InputTypeError, "eta=1j must be a real number"),
    ("eta of text", {"eta": "small"}, na.InputTypeError, "eta='small' must be a real number"),
    ("eta None", {"eta": None}, na.InputTypeError, "eta=None"),
    ("negative device_eta", {"device_eta": -0.1}, na.InputError, r"device_eta=-0\.1"),
    ("unknown lead method", {"lead_method": "beyn"}, na.InputError, "lead_method='beyn'.*auto.*decimation.*modes"),
    ("decimation at eta 0", {"lead_method": "decimation"}, na.InputError, "decimation.*eta > 0.*modes"),
    ("unknown backend", {"backend": "tpu"}, na.InputError, "backend='tpu'.*cpu.*gpu"),
    ("memory limit zero", {"memory_limit": 0}, na.InputError, "memory_limit=0 must be a positive"),
    ("memory limit negative", {"memory_limit": -5.0}, na.InputError, r"memory_limit=-5\.0"),
    ("memory limit text", {"memory_limit": "1 GB"}, na.InputError, "memory_limit='1 GB'"),
    ("not a device", {"device": np.eye(3)}, na.InputTypeError, "device is a ndarray.*Device"),
]


@EACH
@pytest.mark.parametrize(("change", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_a_bad_argument_is_refused_by_value_and_vjp(
    change: dict[str, Any], error: type[Exception], message: str, observable: Observable
) -> None:
    arguments = {"device": DEVICE, "energies": E, **change}
    device, energies = arguments.pop("device"), arguments.pop("energies")
    for function in (observable.value, observable.vjp):
        with pytest.raises(error, match=f"(?s){message}") as caught:
            function(device, energies, **arguments)
        assert isinstance(caught.value, na.NegfadjError)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"source": 2}, na.InputError, "source=2 but the device has leads 0 … 1"),
        ({"drain": -3}, na.InputError, "drain=-3 but the device has leads 0 … 1"),
        ({"source": 0.0}, na.InputTypeError, r"source=0\.0 must be the index"),
        ({"drain": True}, na.InputTypeError, "drain=True"),
        ({"source": "left"}, na.InputTypeError, "source='left'"),
    ],
)
@pytest.mark.parametrize("name", ["transmission", "shot_noise_factor", "transmission_sensitivity"])
def test_a_wrong_lead_is_refused(name: str, keywords: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(na, name)(DEVICE, E, **keywords)


@pytest.mark.parametrize("name", ["lead_density", "bond_current", "lead_density_vjp", "bond_current_vjp"])
def test_a_wrong_source_is_refused(name: str) -> None:
    with pytest.raises(na.InputError, match="source=7"):
        getattr(na, name)(DEVICE, E, source=7)


def test_a_wrong_lead_of_open_channels_is_refused() -> None:
    with pytest.raises(na.InputError, match="lead=5 but the device has leads 0 … 1"):
        na.open_channels(DEVICE, E, lead=5)


@pytest.mark.parametrize("name", ["transmission_matrix", "transmission_derivatives", "open_channels"])
def test_a_tabulated_lead_is_refused_where_more_is_needed(name: str) -> None:
    device = random_device(0, (2, 3), (LeadKind(0, 1, "self-energy"), LeadKind(-1, 2)))
    with pytest.raises(na.InputError, match=r"leads\[0\] is a SelfEnergy.*give a Lead"):
        getattr(na, name)(device, E)


def test_a_self_energy_at_another_number_of_energies_is_refused() -> None:
    device = random_device(0, (2, 3), (LeadKind(0, 1, "self-energy"), LeadKind(-1, 2)), n_energies=3)
    with pytest.raises(na.ShapeError, match=r"leads\[0\]\.self_energy is given at 3 energies but 2"):
        na.transmission(device, E)


@pytest.mark.parametrize("order", [-1, 1.5, True, "3"])
def test_a_wrong_order_of_derivatives_is_refused(order: Any) -> None:
    with pytest.raises(na.InputError, match=f"order={order!r}"):
        na.transmission_derivatives(DEVICE, E, order=order)


@pytest.mark.skipif(gpu_fault() is None, reason="a GPU works here")
@EACH
def test_the_gpu_backend_without_a_gpu_says_what_is_missing(observable: Observable) -> None:
    with pytest.raises(na.BackendError, match=r'(?s)backend="gpu".*(negfadj\[gpu\]|nvidia-smi|0 GPUs).*cpu'):
        observable.value(DEVICE, E, backend="gpu")
    with pytest.raises(na.BackendError):
        observable.vjp(DEVICE, E, backend="gpu")


@pytest.mark.gpu
@EACH
def test_the_gpu_backend_moves_in_and_out(observable: Observable) -> None:
    expected, pullback = observable.vjp(DEVICE, E)
    found, gpu_pullback = observable.vjp(DEVICE, E, backend="gpu")
    assert isinstance(found, np.ndarray) and np.allclose(found, expected, rtol=0, atol=1e-12)
    for wrt in ("all", "onsite"):
        for x, y in zip(leaves(tuple(pullback(expected, wrt=wrt))), leaves(tuple(gpu_pullback(expected, wrt=wrt)))):
            assert not hasattr(x, "shape") or (isinstance(y, np.ndarray) and np.allclose(x, y, rtol=1e-9, atol=1e-11))


@EACH
def test_the_cpu_backend_is_the_default_for_numpy_arrays(observable: Observable) -> None:
    expected, found = (observable.value(DEVICE, E, backend=b) for b in (None, "cpu"))
    assert np.array_equal(found, expected)


WRT = [
    ("unknown", "leads", na.InputError, 'wrt=\'leads\'.*"all".*"onsite"'),
    ("a number", 3, na.InputError, "wrt must be"),
    ("three axes", ([0], [0], [0]), na.InputError, "wrt must be"),
    ("unequal", ([0, 1], [0]), na.ShapeError, "equal"),
    ("empty", ([], []), na.ShapeError, "non-empty"),
    ("outside", ([0], [5]), na.InputError, "columns holds 5 but the orbitals are 0 … 4"),
    ("negative", ([-1], [0]), na.InputError, "rows holds -1"),
    ("floats", ([0.5], [0]), na.InputError, "rows.*float64.*orbital indices"),
]


@pytest.mark.parametrize(("wrt", "error", "message"), [pytest.param(*w[1:], id=w[0]) for w in WRT])
def test_a_wrong_wrt_is_refused(wrt: Any, error: type[Exception], message: str) -> None:
    _, pullback = na.transmission_vjp(DEVICE, E)
    with pytest.raises(error, match=message):
        pullback(np.ones(2), wrt=wrt)


def test_a_wrt_entry_outside_the_blocks_is_refused() -> None:
    _, pullback = na.transmission_vjp(random_device(0, (2, 2, 2)), E)
    with pytest.raises(na.InputError, match=r"entry \(0, 5\) joins blocks 0 and 2"):
        pullback(np.ones(2), wrt=([0], [5]))


@pytest.mark.parametrize(
    ("value_bar", "error", "message"),
    [
        pytest.param(np.ones(3), na.ShapeError, r"value_bar has shape \(3,\).*\(2,\)", id="shape"),
        pytest.param(1.0, na.ShapeError, r"value_bar has shape \(\).*\(2,\)", id="number"),
        pytest.param(np.ones(2) * 1j, na.InputTypeError, "value_bar", id="complex"),
        pytest.param(np.array([1.0, np.nan]), na.InputError, "value_bar", id="NaN"),
        pytest.param("ones", na.InputTypeError, "value_bar", id="text"),
        pytest.param(STRICT.convert(np.ones(2)), na.InputTypeError, "array_api_strict", id="another library"),
    ],
)
def test_a_wrong_value_bar_is_refused(value_bar: Any, error: type[Exception], message: str) -> None:
    _, pullback = na.transmission_vjp(DEVICE, E)
    with pytest.raises(error, match=message):
        pullback(value_bar)


@EACH
def test_arguments_are_unchanged_after_an_error(observable: Observable) -> None:
    device, energies = READONLY(DEVICE), READONLY.convert(E)
    before = [np.array(x) for x in leaves(device)]
    with pytest.raises(na.InputError):
        observable.vjp(device, energies, eta=-1.0)
    _, pullback = observable.vjp(device, energies)
    with pytest.raises(na.ShapeError):
        pullback(np.ones((1, 1, 1, 1)))
    assert all(np.array_equal(x, y) for x, y in zip(before, leaves(device))) and np.array_equal(energies, E)


@EACH
def test_nothing_is_printed(observable: Observable, capfd: pytest.CaptureFixture[str]) -> None:
    value, pullback = observable.vjp(DEVICE, E)
    pullback(np.ones_like(value))
    observable.value(DEVICE, E, eta=1e-3)
    with pytest.raises(na.InputError):
        observable.value(DEVICE, E, eta=-1)
    assert capfd.readouterr() == ("", "")


def test_an_energy_on_a_bound_state_is_named() -> None:
    # a site that nothing reaches: z − H is exactly singular at its level
    hamiltonian = na.BlockTridiagonal([np.diag([0.1, 0.3])], [])
    one = np.ones((1, 1))
    leads = [na.Lead(0 * one, one, np.array([[1.0], [0.0]]))] * 2
    with pytest.raises(na.ConvergenceError, match=r"(?s)E = 0\.3 eV.*device_eta") as caught:
        na.density_of_states(na.Device(hamiltonian, leads), [0.2, 0.3])
    assert caught.value.energies == [0.3]


def test_an_unconverged_lead_is_named() -> None:
    with pytest.raises(na.ConvergenceError, match=r"(?s)decimation.*E = 0 eV.*(eta|modes)") as caught:
        na.transmission(ribbon(8, 4), [0.0, 0.3], eta=1e-9)  # a metallic ribbon's end has a state at E = 0
    assert caught.value.energies == [0.0] and not caught.value.residual <= 1e-8


# Kinds of numbers ---------------------------------------------------------------------------------------------------


def test_energies_may_be_a_number_a_list_or_an_array() -> None:
    expected = na.transmission(DEVICE, E)
    assert np.array_equal(na.transmission(DEVICE, [0.3, 0.4]), expected)
    assert np.array_equal(na.transmission(DEVICE, (0.3, 0.4)), expected)
    one = na.transmission(DEVICE, 0.3)
    assert one.shape == () and abs(float(one) - expected[0]) <= 1e-14
    assert na.transmission(DEVICE, np.float64(0.3)).shape == ()


def test_integer_energies_work() -> None:
    assert np.array_equal(na.transmission(DEVICE, [0, 1]), na.transmission(DEVICE, [0.0, 1.0]))


def test_integer_hamiltonians_work() -> None:
    blocks = [np.array([[0, -1], [-1, 0]])] * 3
    leads = [na.Lead(blocks[0], -np.eye(2, dtype=int), block=b) for b in (0, -1)]
    device = na.Device(na.BlockTridiagonal(blocks, [-np.eye(2, dtype=int)] * 2), leads)
    assert np.max(np.abs(na.transmission(device, [0.0, 2.0]) - [2, 1])) <= 1e-12


@EACH
def test_a_real_device_gives_what_its_complex_copy_gives(observable: Observable) -> None:
    real = random_device(3, is_complex=False)
    copy = na.array.tree_map(lambda x: x + 0j if isinstance(x, np.ndarray) else x, real)
    assert np.allclose(observable.value(real, E), observable.value(copy, E), rtol=0, atol=1e-12)


def _single(device: na.Device) -> na.Device:
    return na.array.tree_map(lambda x: x.astype(np.complex64) if isinstance(x, np.ndarray) else x, device)


@pytest.mark.parametrize("eta", [0.0, 1e-2])
@EACH
def test_single_precision_stays_single_and_is_accurate(observable: Observable, eta: float) -> None:
    device = random_device(3)
    energies = np.array([0.35])
    expected, pullback = observable.vjp(device, energies, eta=eta)
    found, single_pullback = observable.vjp(_single(device), energies, eta=eta)
    assert found.dtype == np.float32 == observable.value(_single(device), energies, eta=eta).dtype
    # eps = 1.2e-7 times cond(A) ~ 1e2 and n = 14, observables being quadratic in G
    assert np.max(np.abs(found - expected)) <= 2e-4 * np.max(np.abs(expected))
    bar, single_bar = pullback(expected), single_pullback(expected.astype(np.float32))
    assert single_bar.device.hamiltonian.diagonal[1].dtype == np.complex64
    assert single_bar.device.leads[0].hopping.dtype == np.complex64
    for x, y in zip(bar.device.hamiltonian.diagonal, single_bar.device.hamiltonian.diagonal):
        assert np.max(np.abs(x - y)) <= 2e-3 * max(np.max(np.abs(z)) for z in bar.device.hamiltonian.diagonal)


def test_single_precision_reference_is_met_by_a_strip() -> None:
    device = na.array.tree_map(
        lambda x: x.astype(np.float32) if isinstance(x, np.ndarray) else x, strip(4, 10, disorder=1.0)
    )
    energies = np.array([0.3, 1.1])
    found = na.transmission(device, energies)
    assert found.dtype == np.float32
    assert np.max(np.abs(found - na.transmission(strip(4, 10, disorder=1.0), energies))) <= 1e-3
