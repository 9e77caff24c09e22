"""Principal layers of periodic Hamiltonians: bands as the oracle of channels, dense chains of matrix blocks."""

from __future__ import annotations

import numpy as np
import pytest
from backends import STRICT, host

import negfadj as na
from negfadj.data import PeriodicHamiltonian
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models import Structure
from negfadj.models.principal_layer import (
    device_from_periodic,
    device_from_periodic_vjp,
    lead_from_periodic,
    lead_from_periodic_vjp,
    principal_layer_cells,
)
from negfadj.testing import GradientError, check_vjp

ENERGIES = np.array([-0.83, -0.21, 0.37, 1.13])
TRANSVERSE = (0.0, 0.13, -0.29)


def crystal(
    reach: int = 2,
    *,
    n: int = 2,
    seed: int = 0,
    is_real: bool = False,
    has_overlap: bool = False,
    direction: int = 0,
    norm: float = 1.0,
) -> PeriodicHamiltonian:
    """A random crystal with hoppings up to `reach` cells along `direction`, and to one cell across it."""
    rng = np.random.default_rng(seed)
    along, across = np.eye(3, dtype=int)[direction], np.eye(3, dtype=int)[(direction + 1) % 3]
    half = [p * along + q * across for p in range(reach + 1) for q in (-1, 0, 1) if p > 0 or q > 0]
    cells = np.array([np.zeros(3, int), *half, *[-r for r in half]])

    def blocks(scale: float, onsite: np.ndarray) -> np.ndarray:
        found = scale * rng.standard_normal((len(half), n, n))
        if not is_real:
            found = found + 1j * scale * rng.standard_normal((len(half), n, n))
        return np.concatenate([onsite[None], found, found.conj().swapaxes(1, 2)])

    hamiltonian = blocks(0.3, np.diag(np.linspace(-0.2, 0.3, n)))
    overlap = blocks(0.01, norm * np.eye(n)) if has_overlap else None
    return PeriodicHamiltonian(cells, hamiltonian, overlap, lattice=3.5 * np.eye(3))


def channels_from_bands(periodic: PeriodicHamiltonian, direction: int, momentum: tuple, energies: np.ndarray) -> list:
    """Right-moving states: half the number of times the bands cross the energy, on a fine grid of k."""
    k = np.tile(np.asarray(momentum, float), (4001, 1))
    k[:, direction] = np.linspace(0, 1, 4001)
    hamiltonian, overlap = periodic.at(k)
    if overlap is not None:
        root = np.linalg.inv(np.linalg.cholesky(overlap))
        hamiltonian = root @ hamiltonian @ root.conj().swapaxes(1, 2)
    bands = np.linalg.eigvalsh(hamiltonian)
    return [int(np.sum((bands[1:] > e) != (bands[:-1] > e))) / 2 for e in energies]


def chain_matrix(periodic: PeriodicHamiltonian, direction: int, momentum: tuple, n_cells: int, name: str) -> np.ndarray:
    """The matrix of `n_cells` cells in a row at a transverse k, block by block."""
    blocks, n = getattr(periodic, name), periodic.n_orbitals
    whole = np.zeros((n_cells, n, n_cells, n), complex)
    for r, block in zip(periodic.cells, blocks):
        phase = np.exp(2j * np.pi * np.dot(momentum, r))
        for a in range(n_cells):
            if 0 <= a + r[direction] < n_cells:
                whole[a, :, a + r[direction], :] += phase * block
    return whole.reshape(n_cells * n, n_cells * n)


@pytest.mark.parametrize("direction", [0, 1, 2])
@pytest.mark.parametrize("has_overlap", [False, True])
@pytest.mark.parametrize("reach", [1, 2, 3])
def test_device_transmission_is_the_number_of_bands(direction: int, has_overlap: bool, reach: int) -> None:
    periodic = crystal(reach, direction=direction, has_overlap=has_overlap, seed=reach)
    momentum = np.roll(TRANSVERSE, direction)
    expected = channels_from_bands(periodic, direction, momentum, ENERGIES)
    device = device_from_periodic(periodic, direction=direction, n_layers=3, momentum=momentum)
    assert device.hamiltonian.block_sizes == (2 * reach,) * 3
    assert max(expected) >= 1
    np.testing.assert_allclose(na.transmission(device, ENERGIES), expected, atol=1e-9)
    np.testing.assert_allclose(na.transmission(device, ENERGIES, source=1, drain=0), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["hamiltonian", "overlap"])
def test_device_blocks_are_those_of_the_chain(name: str) -> None:
    periodic = crystal(2, has_overlap=True)
    device = device_from_periodic(periodic, direction=0, n_layers=3, momentum=TRANSVERSE)
    expected = chain_matrix(periodic, 0, TRANSVERSE, 6, name)
    np.testing.assert_allclose(getattr(device, name).to_dense(), expected, atol=1e-15)


@pytest.mark.parametrize("side", ["left", "right"])
def test_lead_blocks_are_those_of_the_chain(side: str) -> None:
    periodic = crystal(2)
    lead = lead_from_periodic(periodic, direction=0, side=side, momentum=TRANSVERSE)
    chain = chain_matrix(periodic, 0, TRANSVERSE, 4, "hamiltonian")
    near, far = (slice(4, 8), slice(0, 4)) if side == "left" else (slice(0, 4), slice(4, 8))
    np.testing.assert_allclose(lead.onsite, chain[near, near], atol=1e-15)
    np.testing.assert_allclose(lead.hopping, chain[near, far], atol=1e-15)
    assert lead.block == (0 if side == "left" else -1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_longer_layer_has_the_same_self_energy_at_its_surface(side: str) -> None:
    periodic = crystal(2, seed=5)
    sigma = {}
    for m in (2, 3, 4):
        lead = lead_from_periodic(periodic, direction=0, side=side, momentum=TRANSVERSE, cells_per_layer=m)
        whole = self_energy(lead, 0.37 + 1e-3j)
        near = slice(0, 4) if side == "left" else slice(2 * m - 4, 2 * m)  # the two cells next to the lead
        sigma[m] = whole[near, near].copy()
        whole[near, near] = 0
        assert np.max(np.abs(whole)) == 0  # no hopping reaches further
    np.testing.assert_allclose(sigma[3], sigma[2], atol=1e-10)
    np.testing.assert_allclose(sigma[4], sigma[2], atol=1e-10)


def self_energy(lead: na.Lead, z: complex) -> np.ndarray:
    """Σ of a long chain of layers, one added after another."""
    n, one = lead.n_orbitals, np.eye(lead.n_orbitals)
    g = np.linalg.inv(z * one - lead.onsite)
    for _ in range(20000):
        following = np.linalg.inv(z * np.eye(n) - lead.onsite - lead.hopping @ g @ lead.hopping.conj().T)
        if np.max(np.abs(following - g)) <= 1e-15 * np.max(np.abs(g)):
            break
        g = following
    return lead.hopping @ g @ lead.hopping.conj().T


def test_real_crystal_gives_real_leads_at_half_integer_momentum() -> None:
    periodic = crystal(2, is_real=True)
    lead = lead_from_periodic(periodic, direction=0, side="right", momentum=(0.0, 0.5, 0.0))
    assert not np.iscomplexobj(lead.onsite)
    expected = chain_matrix(periodic, 0, (0.0, 0.5, 0.0), 4, "hamiltonian")
    np.testing.assert_allclose(lead.hopping, expected[:4, 4:], atol=1e-14)


def test_onsite_energy_is_added_to_the_diagonal() -> None:
    periodic = crystal(1)
    energies = np.linspace(0, 1, 6)
    plain = device_from_periodic(periodic, direction=0, n_layers=3)
    lifted = device_from_periodic(periodic, direction=0, n_layers=3, onsite_energy=energies)
    difference = lifted.hamiltonian.to_dense() - plain.hamiltonian.to_dense()
    np.testing.assert_allclose(difference, np.diag(energies), atol=1e-15)


# Gradients ----------------------------------------------------------------------------------------------------------


def lead_numbers(lead: na.Lead) -> tuple:
    """Every array of a lead: the leaves a test can weigh."""
    names = ("onsite", "hopping", "coupling", "overlap_onsite", "overlap_hopping", "overlap_coupling")
    return tuple(getattr(lead, name) for name in names if getattr(lead, name) is not None)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("is_real, has_overlap", [(False, True), (True, False)])
def test_lead_pullback_is_the_adjoint(side: str, is_real: bool, has_overlap: bool) -> None:
    # the check of a linear map takes a step as large as the primal: a norm of 30 keeps the overlap positive definite
    periodic = crystal(2, is_real=is_real, has_overlap=has_overlap, norm=30.0)
    settings = {"direction": 0, "side": side, "momentum": TRANSVERSE, "cells_per_layer": 3}

    def f(periodic: PeriodicHamiltonian) -> tuple:
        return lead_numbers(lead_from_periodic(periodic, **settings))

    def f_vjp(periodic: PeriodicHamiltonian) -> tuple:
        lead, pullback = lead_from_periodic_vjp(periodic, **settings)

        def f_pullback(bars: tuple) -> PeriodicHamiltonian:
            names = ("onsite", "hopping", "coupling", "overlap_onsite", "overlap_hopping", "overlap_coupling")
            return pullback(na.array.rebuild(lead, **dict(zip(names, bars))))

        return lead_numbers(lead), f_pullback

    report = check_vjp(f, f_vjp, [periodic], rtol=1e-10)
    assert report.adjoint_errors["0"] <= 1e-10


@pytest.mark.parametrize("is_real, has_overlap", [(False, False), (True, True)])
def test_transmission_gradient_reaches_the_periodic_hamiltonian(is_real: bool, has_overlap: bool) -> None:
    periodic = crystal(2, is_real=is_real, has_overlap=has_overlap)
    energies = np.array([-0.21, 0.37])
    barrier = np.random.default_rng(1).uniform(-0.5, 0.5, 8)
    f, f_vjp = transmission_of(energies)
    report = check_vjp(f, f_vjp, [periodic], keywords={"onsite_energy": barrier}, rtol=1e-7)
    assert set(report.adjoint_errors) == {"0", "onsite_energy"}


@pytest.mark.parametrize("part", ["hamiltonian", "overlap"])
def test_transmission_gradient_check_fails_when_a_sign_is_flipped(part: str) -> None:
    periodic = crystal(2, has_overlap=True)
    f, f_vjp = transmission_of(np.array([0.37]))

    def flipped(periodic: PeriodicHamiltonian, *, onsite_energy: np.ndarray) -> tuple:
        value, pullback = f_vjp(periodic, onsite_energy=onsite_energy)

        def flipped_pullback(bar: np.ndarray) -> object:
            found = pullback(bar)
            wrong = na.array.rebuild(found.periodic, **{part: -getattr(found.periodic, part)})
            return found._replace(periodic=wrong)

        return value, flipped_pullback

    with pytest.raises(GradientError):
        check_vjp(f, flipped, [periodic], keywords={"onsite_energy": np.full(8, 0.3)}, rtol=1e-7)


def transmission_of(energies: np.ndarray) -> tuple:
    settings = {"direction": 0, "n_layers": 2, "momentum": TRANSVERSE}

    def f(periodic: PeriodicHamiltonian, *, onsite_energy: np.ndarray) -> np.ndarray:
        device = device_from_periodic(periodic, onsite_energy=onsite_energy, **settings)
        return na.transmission(device, energies, eta=1e-2)

    def f_vjp(periodic: PeriodicHamiltonian, *, onsite_energy: np.ndarray) -> tuple:
        device, to_periodic = device_from_periodic_vjp(periodic, onsite_energy=onsite_energy, **settings)
        value, to_device = na.transmission_vjp(device, energies, eta=1e-2)

        def f_pullback(value_bar: np.ndarray) -> object:
            return to_periodic(to_device(value_bar).device)

        return value, f_pullback

    return f, f_vjp


def test_pullback_refuses_a_part_of_a_device() -> None:
    device, to_periodic = device_from_periodic_vjp(crystal(1), direction=0, n_layers=2)
    _, to_device = na.transmission_vjp(device, [0.37])
    with pytest.raises(InputTypeError, match="whole device"):
        to_periodic(to_device(np.ones(1), wrt="onsite").device)


def test_empty_cells_beyond_the_layer_have_no_cotangent() -> None:
    small = crystal(2)
    far = np.array([[3, 0, 0], [-3, 0, 0]])
    periodic = PeriodicHamiltonian(
        np.concatenate([small.cells, far]), np.concatenate([small.hamiltonian, np.zeros((2, 2, 2))])
    )
    device, to_periodic = device_from_periodic_vjp(periodic, direction=0, n_layers=2)
    _, to_device = na.transmission_vjp(device, ENERGIES, eta=1e-2)
    bar = to_periodic(to_device(np.ones(4)).device).periodic.hamiltonian
    assert np.all(bar[-2:] == 0) and np.max(np.abs(bar[:-2])) > 1e-3


def test_results_are_the_same_on_array_api_strict() -> None:
    periodic = crystal(2, has_overlap=True)
    settings = {"direction": 0, "n_layers": 2, "momentum": TRANSVERSE}
    device, to_periodic = device_from_periodic_vjp(periodic, **settings)
    strict, to_strict = device_from_periodic_vjp(STRICT(periodic), **settings)
    np.testing.assert_allclose(host(strict).hamiltonian.upper[0], device.hamiltonian.upper[0], atol=1e-15)
    bar, strict_bar = to_periodic(device).periodic, host(to_strict(strict).periodic)
    np.testing.assert_allclose(strict_bar.hamiltonian, bar.hamiltonian, atol=1e-13)
    np.testing.assert_allclose(strict_bar.overlap, bar.overlap, atol=1e-13)


# Bad input ----------------------------------------------------------------------------------------------------------


def test_short_layer_is_refused_with_the_hopping_its_cells_and_distance() -> None:
    periodic = crystal(2)
    steps = np.abs(periodic.cells[:, 0]) == 2
    size = np.abs(periodic.hamiltonian) * steps[:, None, None]
    r, i, j = np.unravel_index(size.argmax(), size.shape)
    with pytest.raises(InputError) as caught:
        lead_from_periodic(periodic, direction=0, side="left", cells_per_layer=1)
    message = str(caught.value)
    assert f"⟨orbital {i}, cell [0, 0, 0]|H|orbital {j}, cell {periodic.cells[r].tolist()}⟩" in message
    assert f"{periodic.hamiltonian[r, i, j]:.6g} eV" in message
    assert f"{3.5 * np.linalg.norm(periodic.cells[r]):.4f} Å" in message
    assert "reaches 2 cells" in message and "set cells_per_layer to 2" in message


def test_short_layer_is_refused_for_an_overlap_that_reaches_further() -> None:
    cells = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [2, 0, 0], [-2, 0, 0]])
    hamiltonian = np.array([0, -1, -1, 0, 0.0]).reshape(-1, 1, 1)
    overlap = np.array([1, 0.1, 0.1, 0.02, 0.02]).reshape(-1, 1, 1)
    periodic = PeriodicHamiltonian(cells, hamiltonian, overlap)
    assert principal_layer_cells(periodic, direction=0) == 2
    with pytest.raises(InputError, match=r"the overlap ⟨orbital 0.*\|S\|.* = 0.02 reaches 2 cells"):
        principal_layer_cells(periodic, direction=0, cells_per_layer=1)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"direction": 3}, InputError, "direction=3"),
        ({"direction": 2}, InputError, "does not conduct"),
        ({"side": "up"}, InputError, "side='up'"),
        ({"momentum": (0.1, 0.0, 0.0)}, InputError, "direction of transport"),
        ({"momentum": (0.1, 0.0)}, ShapeError, "three numbers"),
        ({"momentum": "gamma"}, InputTypeError, "gamma"),
        ({"momentum": (0.0, np.nan, 0.0)}, InputError, "finite"),
        ({"cells_per_layer": 0}, InputError, "cells_per_layer=0"),
        ({"cells_per_layer": 2.0}, InputError, "cells_per_layer=2.0"),
    ],
)
def test_lead_refuses(changes: dict, error: type, words: str) -> None:
    settings = {"direction": 0, "side": "left"} | changes
    with pytest.raises(error, match=words):
        lead_from_periodic(crystal(2), **settings)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        ({"n_layers": 0}, InputError, "n_layers=0"),
        ({"onsite_energy": np.zeros(5)}, ShapeError, r"\(5,\) but the device has 8 orbitals"),
        ({"onsite_energy": np.zeros(8, complex)}, InputTypeError, "real"),
    ],
)
def test_device_refuses(changes: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        device_from_periodic(crystal(2), **({"direction": 0, "n_layers": 2} | changes))


class FromSisl:
    """What a sisl Hamiltonian looks like from outside."""

    geometry = None

    def tocsr(self) -> None: ...


@pytest.mark.parametrize(
    "given, words",
    [
        (FromSisl(), r"pass from_sisl\(hamiltonian\)"),
        (Structure(("C",), [[0, 0, 0]], np.diag([1.42, 0, 0]), (True, False, False)), r"periodic_hamiltonian\(str"),
        ("seedname_hr.dat", r"read it first, with read_wannier90\(path\)"),
        (np.eye(2), "periodic is a ndarray; pass a PeriodicHamiltonian"),
    ],
)
def test_something_else_than_a_crystal_is_refused_with_what_makes_one(given: object, words: str) -> None:
    with pytest.raises(InputTypeError, match=words):
        device_from_periodic(given, direction=0, n_layers=2)
    with pytest.raises(InputTypeError, match=words):
        lead_from_periodic(given, direction=0, side="left")
