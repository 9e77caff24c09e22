"""dT(E)/dH_ab energy by energy: rows of the Jacobian against the pullback and against differences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from backends import NUMPY, Backend, host
from cases import MANY_LEADS, TWO_LEADS, random_array, random_device, ribbon, strip

import negfadj as na
from negfadj.array import rebuild
from negfadj.primitives import transmission_gradients as primitive

ENERGIES = np.array([-0.45, 0.3, 0.61])
# within blocks above and below the diagonal, between blocks both ways, on site, twice the same
ROWS, COLUMNS = np.array([0, 12, 0, 2, 1, 5, 8, 4, 0]), np.array([0, 12, 2, 0, 5, 1, 10, 3, 0])


def _rows_by_pullback(device: na.Device, pattern: object, **options: float) -> np.ndarray:
    value, pullback = na.transmission_vjp(device, ENERGIES, **options)
    return np.stack([pullback(one, wrt=pattern).device.hamiltonian.values for one in np.eye(len(value))])


@pytest.mark.parametrize("most", [0, 10**9], ids=["sampled", "whole"])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("eta", [0.0, 0.05])
def test_gradients_are_the_rows_of_the_pullback(
    is_complex: bool, eta: float, most: int, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(primitive, "SAMPLED", most)
    device = random_device(4, (3, 4, 2, 5), MANY_LEADS, is_complex=is_complex)
    pattern = (ROWS, COLUMNS)
    options = {"eta": eta, "device_eta": eta / 3, "source": 1, "drain": 2}
    found = host(na.transmission_gradients(backend(device), backend.convert(ENERGIES), wrt=pattern, **options))
    expected = _rows_by_pullback(device, pattern, **options)
    assert found.shape == (3, len(ROWS)) and np.iscomplexobj(found) == is_complex
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.abs(expected).max()


def test_gradients_on_site_are_the_sensitivity() -> None:
    device = strip(3, 4, flux=0.2, disorder=0.5)
    orbitals = np.arange(device.n_orbitals)
    on_site = na.transmission_gradients(device, ENERGIES, wrt="onsite")
    by_pattern = na.transmission_gradients(device, ENERGIES, wrt=(orbitals, orbitals))
    assert np.array_equal(on_site, na.transmission_sensitivity(device, ENERGIES))
    assert np.max(np.abs(by_pattern.real - on_site)) <= 1e-12 * np.abs(on_site).max()
    assert np.max(np.abs(by_pattern.imag)) <= 1e-12 * np.abs(on_site).max()


def test_gradients_are_the_slopes_of_the_transmission() -> None:
    device, step = random_device(7, (3, 2, 3), TWO_LEADS), 1e-3
    h = device.hamiltonian

    def slope(block: str, i: int, direction: np.ndarray) -> np.ndarray:
        def moved(t: float) -> np.ndarray:
            blocks = list(getattr(h, block))
            blocks[i] = blocks[i] + t * direction
            return na.transmission(rebuild(device, hamiltonian=rebuild(h, **{block: tuple(blocks)})), ENERGIES)

        near, far = (moved(s) - moved(-s) for s in (step, 2 * step))
        return (8 * near - far) / (12 * step)

    found = na.transmission_gradients(device, ENERGIES, wrt=(np.array([1, 4, 0]), np.array([1, 5, 2])))
    one = np.zeros((2, 3))
    one[1, 0] = 1.0  # the entry (4, 5), block (1, 2)
    pair = np.zeros((3, 3), dtype=complex)
    pair[0, 2] = 1.0
    for derivative, direction in (
        (found[:, 0].real, ("diagonal", 0, np.diag([0.0, 1.0, 0.0]))),
        (found[:, 1].real, ("upper", 1, one)),
        (found[:, 1].imag, ("upper", 1, 1j * one)),
        (found[:, 2].real, ("diagonal", 0, pair + pair.T)),
        (found[:, 2].imag, ("diagonal", 0, 1j * (pair - pair.T))),
    ):
        exact = slope(*direction)
        assert np.max(np.abs(derivative - exact)) <= 1e-7 * np.abs(exact).max()


def test_gradients_of_a_non_hermitian_hamiltonian_are_one_entry_each() -> None:
    base = random_device(5, (2, 3), TWO_LEADS, overlap=False)
    h = base.hamiltonian
    lower = [x.conj().T + 0.1 * random_array(np.random.default_rng(0), *x.shape[::-1]) for x in h.upper]
    device = na.Device(na.BlockTridiagonal(h.diagonal, h.upper, lower), base.leads)
    pattern = (np.array([0, 0, 1, 2, 4]), np.array([0, 2, 0, 1, 3]))
    found = na.transmission_gradients(device, ENERGIES, wrt=pattern, eta=0.1)
    expected = _rows_by_pullback(device, pattern, eta=0.1)
    assert np.max(np.abs(found - expected)) <= 1e-12 * np.abs(expected).max()


def test_gradients_do_not_depend_on_the_batches() -> None:
    device = random_device(4, (3, 4, 2))
    whole = na.transmission_gradients(device, ENERGIES, wrt=(ROWS[:1], COLUMNS[:1]))
    single = [na.transmission_gradients(device, float(e), wrt=(ROWS[:1], COLUMNS[:1])) for e in ENERGIES]
    assert whole.shape == (3, 1) and np.allclose(np.stack(single), whole, rtol=1e-12, atol=0)


def test_gradients_of_a_sparse_matrix_are_in_the_order_of_its_entries() -> None:
    device = ribbon(3, 3, disorder=0.5)
    h = device.hamiltonian
    pattern = scipy.sparse.coo_array(np.triu(np.asarray(h.to_dense())))
    found = na.transmission_gradients(device, ENERGIES, wrt=pattern)
    assert found.dtype == np.float64 and found.shape == (3, pattern.nnz)
    # a common factor on H, leads and energies changes nothing: here only the device's share, by one pullback
    bar = na.transmission_vjp(device, ENERGIES)[1](np.ones(3)).device.hamiltonian
    scaled = sum(np.sum(x * y) for x, y in zip((*bar.diagonal, *bar.upper), (*h.diagonal, *h.upper)))
    assert np.isclose(np.sum(found * pattern.data[None, :]), scaled, rtol=1e-11)


def test_gradients_refuse_what_has_none() -> None:
    device = NUMPY(random_device(4, (3, 4, 2)))
    with pytest.raises(na.InputError, match='wrt="all" has no gradient energy by energy'):
        na.transmission_gradients(device, ENERGIES, wrt="all")
    with pytest.raises(na.InputError, match="not neighbours"):
        na.transmission_gradients(device, ENERGIES, wrt=(np.array([0]), np.array([8])))
