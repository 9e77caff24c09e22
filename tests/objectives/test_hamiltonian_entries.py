"""Entries of H as parameters: values, Hermiticity, pullbacks whole and by entries, leads that move along."""

from __future__ import annotations

import numpy as np
import pytest
from objective_cases import chain_device, differences, ragged_device

import negfadj as na

ENERGIES = np.linspace(-1.1, 1.2, 5)


def dense(device: na.Device) -> np.ndarray:
    return np.asarray(device.hamiltonian.to_dense())


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_devices_own_numbers_give_the_device_back(is_complex: bool) -> None:
    device = ragged_device(is_complex=is_complex)
    model = na.HamiltonianEntries(device, hopping="all")
    assert np.array_equal(dense(model(model.values)), dense(device))
    assert np.array_equal(dense(model({})), dense(device))


def test_entries_go_where_they_are_named_and_stay_hermitian() -> None:
    device = ragged_device()
    rows, columns = np.array([1, 4, 3, 6]), np.array([0, 1, 2, 4])  # lower and upper, in a block and between blocks
    model = na.HamiltonianEntries(device, onsite=[2, 5], hopping=(rows, columns))
    re, im = np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 6.0, 7.0, 8.0])
    made = dense(model({"onsite": [-1.0, -2.0], "hopping": re, "hopping_imaginary": im}))
    assert np.array_equal(made[rows, columns], re + 1j * im)
    assert np.array_equal(made, made.conj().T)
    assert made[2, 2] == -1 and made[5, 5] == -2
    touched = np.zeros((7, 7), dtype=bool)
    touched[rows, columns] = touched[columns, rows] = touched[[2, 5], [2, 5]] = True
    assert np.array_equal(made[~touched], dense(device)[~touched])


def test_a_real_device_stays_real() -> None:
    model = na.HamiltonianEntries(ragged_device(is_complex=False), hopping="all")
    assert model.names == ("onsite", "hopping")
    assert model({}).hamiltonian.is_real


def test_a_real_device_becomes_complex_where_asked() -> None:
    model = na.HamiltonianEntries(ragged_device(is_complex=False), hopping="all", is_complex=True)
    values = model.values
    values["hopping_imaginary"][3] = 0.5
    made = dense(model(values))
    assert np.count_nonzero(made.imag) == 2 and np.array_equal(made, made.conj().T)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("hopping", [None, "all", ([1, 4, 3], [0, 1, 2])])
def test_gradient_is_that_of_differences(is_complex: bool, hopping: object) -> None:
    model = na.HamiltonianEntries(ragged_device(is_complex=is_complex), hopping=hopping)  # type: ignore[arg-type]
    parameters = [na.Parameter(name, value) for name, value in model.values.items()]
    objective = na.Objective(model, parameters, na.Minimise(na.Quantity(na.transmission, ENERGIES, eta=1e-3)))
    gradient = objective.gradient(objective.x0)
    error = np.max(np.abs(gradient - differences(objective.value, objective.x0)))
    assert error < 1e-9 * np.max(np.abs(gradient)) + 1e-10


@pytest.mark.parametrize("is_complex", [False, True])
def test_pullback_of_the_whole_device_and_of_the_entries_agree(is_complex: bool) -> None:
    model = na.HamiltonianEntries(ragged_device(is_complex=is_complex), onsite=[6, 0], hopping="all")
    device, pullback = model.vjp({})
    _, of_device = na.transmission_vjp(device, ENERGIES)
    bar = np.arange(1.0, 6.0)
    whole, few = pullback(of_device(bar).device), pullback(of_device(bar, wrt=model.wrt).device)
    assert whole.keys() == few.keys() == set(model.names)
    for name in model.names:
        assert np.max(np.abs(whole[name] - few[name])) <= 1e-12 * np.max(np.abs(whole[name]))


def uniform_wire(is_complex: bool = False) -> na.Device:
    """Four equal cells of two orbitals, leads that continue them."""
    onsite = np.array([[0.1, -0.4], [-0.4, -0.2]])
    upper = np.array([[-1.0, 0.2], [0.1, -0.9]])
    if is_complex:
        onsite, upper = onsite + 0.3j * np.array([[0, 1], [-1, 0]]), upper * np.exp([[0.2j, 0.5j], [-0.3j, 0.1j]])
    leads = (na.Lead(onsite, upper.conj().T, block=0), na.Lead(onsite, upper, block=-1))
    return na.Device(na.BlockTridiagonal([onsite] * 4, [upper] * 3), leads)


def copies() -> tuple[na.LeadCopy, ...]:
    return (na.LeadCopy(0, [2, 3], [0, 1]), na.LeadCopy(1, [4, 5], [6, 7]))


def test_leads_that_are_copies_move_with_the_device() -> None:
    device = uniform_wire()
    model = na.HamiltonianEntries(device, hopping="all", lead_copies=copies())
    values = model.values
    values["onsite"] = np.tile([0.5, 0.3], 4)
    made = model(values)
    for lead in made.leads:
        assert lead.onsite.tolist() == [[0.5, -0.4], [-0.4, 0.3]]
    # a uniform wire stays uniform: every open channel is let through
    assert np.allclose(na.transmission(made, ENERGIES), na.open_channels(made, ENERGIES), atol=1e-9)
    assert not model.has_constant_leads and model.wrt == "all"


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_gradient_by_leads_that_are_copies_is_that_of_differences(is_complex: bool, turned: bool) -> None:
    device = uniform_wire(is_complex)
    pairs = device.bonds.T[::-1] if turned else device.bonds.T  # (b, a) in place of (a, b)
    model = na.HamiltonianEntries(device, hopping=tuple(pairs), lead_copies=copies())
    for lead, own in zip(model({}).leads, device.leads):
        assert np.array_equal(lead.onsite, own.onsite) and np.array_equal(lead.hopping, own.hopping)
    rng = np.random.default_rng(1)
    parameters = [na.Parameter(name, x + 0.05 * rng.normal(size=x.shape)) for name, x in model.values.items()]
    objective = na.Objective(model, parameters, na.Minimise(na.Quantity(na.transmission, ENERGIES, eta=1e-2)))
    gradient = objective.gradient(objective.x0)
    assert np.max(np.abs(gradient - differences(objective.value, objective.x0))) < 1e-9


@pytest.mark.parametrize("with_copies", [False, True])
def test_tangent_is_the_difference_of_devices(with_copies: bool) -> None:
    model = na.HamiltonianEntries(uniform_wire(), hopping="all", lead_copies=copies() if with_copies else ())
    rng = np.random.default_rng(2)
    dots = {name: rng.normal(size=x.shape) for name, x in model.values.items()}
    moved = model({name: x + dots[name] for name, x in model.values.items()})
    dot = model.tangent(model.values, dots)
    assert np.allclose(dense(moved) - dense(model({})), np.asarray(dot.hamiltonian.to_dense()), atol=1e-14)
    for lead, before, after in zip(dot.leads, model({}).leads, moved.leads):
        if not with_copies:
            assert lead is None
            continue
        for name in ("onsite", "hopping", "coupling"):
            assert np.allclose(getattr(after, name) - getattr(before, name), getattr(lead, name), atol=1e-14)


def test_all_onsite_energies_alone_ask_for_no_more() -> None:
    assert na.HamiltonianEntries(ragged_device()).wrt == "onsite"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"onsite": None}, "no entry of H is chosen"),
        ({"onsite": [0, 0]}, "twice"),
        ({"onsite": [7]}, "onsite holds 7 but the orbitals are 0 … 6"),
        ({"onsite": "every"}, "is not known"),
        ({"onsite": [0.5]}, "orbital indices"),
        ({"hopping": ([0], [6])}, r"hopping \(0, 6\) joins blocks 0 and 2"),
        ({"hopping": ([0, 1], [1, 0])}, "names a pair twice"),
        ({"hopping": ([2], [2])}, "joins orbital 2 to itself"),
        ({"hopping": ([0, 1], [1])}, "2 rows and 1 columns"),
        ({"hopping": 3}, "must be a pair"),
        ({"lead_copies": [na.LeadCopy(0, [0, 1], [2, 3])]}, "its onsite differs from the device's entries"),
        ({"lead_copies": [na.LeadCopy(0, [0], [2])]}, "2 orbitals a cell"),
    ],
)
def test_entries_that_are_not_there_are_refused(options: dict, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        na.HamiltonianEntries(ragged_device(), **options)


def test_a_general_matrix_is_refused() -> None:
    device = chain_device(3)
    general = na.BlockTridiagonal(device.hamiltonian.diagonal, device.hamiltonian.upper, device.hamiltonian.upper)
    with pytest.raises(na.InputError, match="lower blocks of its own"):
        na.HamiltonianEntries(na.Device(general, device.leads))


def test_values_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(na.ShapeError, match=r"'onsite' has shape \(3,\)"):
        na.HamiltonianEntries(chain_device(5))({"onsite": np.zeros(3)})
