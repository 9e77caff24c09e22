"""Bare matrices with lead blocks: dense and sparse ones give one device, whatever the order of the orbitals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

import negfadj as na
from negfadj.errors import HermiticityError, InputError, InputTypeError, ShapeError
from negfadj.models import LeadMatrices, device_from_sparse

ENERGIES = np.array([-0.7, 0.2, 1.1])
N = 12


def matrices(*, has_overlap: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """A banded complex device in a shuffled order, and two leads of two orbitals that touch its ends."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    band = np.triu(np.ones((N, N))) * (np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 2)
    h = draw(N, N) * band
    h = 0.5 * (h + h.conj().T)
    onsite, hopping = np.diag([0.2, -0.1]) + 0j, draw(2, 2)
    first, last = np.zeros((N, 2), complex), np.zeros((N, 2), complex)
    first[:2], last[-2:] = draw(2, 2), draw(2, 2)
    order = rng.permutation(N)
    found = {"h": h[np.ix_(order, order)], "onsite": onsite, "hopping": hopping}
    found |= {"first": first[order], "last": last[order]}
    if has_overlap:
        small = 0.02 * (draw(N, N) * band)
        s = np.eye(N) + (small + small.conj().T) / 2
        found |= {"s": s[np.ix_(order, order)], "s_onsite": np.eye(2), "s_hopping": 0.05 * draw(2, 2)}
        found |= {"s_first": 0.03 * found["first"], "s_last": 0.03 * found["last"]}
    return found


def device_of(m: dict[str, np.ndarray], kind: Callable = np.asarray) -> tuple:
    def lead(end: str) -> LeadMatrices:
        names = ("onsite", "hopping", end, "s_onsite", "s_hopping", f"s_{end}")
        return LeadMatrices(*(kind(m[name]) for name in names if name in m))

    return device_from_sparse(kind(m["h"]), [lead("first"), lead("last")], kind(m["s"]) if "s" in m else None)


def dense_transmission(m: dict[str, np.ndarray], energy: float, eta: float) -> float:
    """tr Γ G Γ G† with every matrix whole, the surface functions by adding one cell after another."""
    z = energy + 1j * eta
    a = energy * m.get("s", np.eye(N)) - m["h"]
    s_onsite, s_hopping = m.get("s_onsite", np.eye(2)), m.get("s_hopping", np.zeros((2, 2)))
    own, up, down = (
        z * s_onsite - m["onsite"],
        z * s_hopping - m["hopping"],
        z * s_hopping.conj().T - m["hopping"].conj().T,
    )
    g = np.linalg.inv(own)
    for _ in range(20000):
        g, before = np.linalg.inv(own - up @ g @ down), g
        if np.max(np.abs(g - before)) < 1e-15:
            break
    broadenings = []
    for end in ("first", "last"):
        c, s = m[end], m.get(f"s_{end}", np.zeros((N, 2)))
        sigma = (z * s - c) @ g @ (z * s.conj().T - c.conj().T)
        a = a - sigma
        broadenings.append(1j * (sigma - sigma.conj().T))
    green = np.linalg.inv(a)
    return np.trace(broadenings[1] @ green @ broadenings[0] @ green.conj().T).real


@pytest.mark.parametrize("has_overlap", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_transmission_is_that_of_the_whole_matrices(kind: Callable, has_overlap: bool) -> None:
    m = matrices(has_overlap=has_overlap)
    device, _ = device_of(m, kind)
    assert len(device.hamiltonian.block_sizes) > 1
    expected = [dense_transmission(m, e, 1e-2) for e in ENERGIES]
    assert np.max(expected) > 1e-2
    np.testing.assert_allclose(na.transmission(device, ENERGIES, eta=1e-2), expected, atol=1e-11)


def test_device_is_the_matrix_in_the_order_of_the_partition() -> None:
    m = matrices(has_overlap=True)
    device, cut = device_of(m)
    np.testing.assert_array_equal(device.hamiltonian.to_dense(), m["h"][np.ix_(cut.order, cut.order)])
    np.testing.assert_array_equal(device.overlap.to_dense(), m["s"][np.ix_(cut.order, cut.order)])


def test_arguments_are_not_changed() -> None:
    m = matrices(has_overlap=True)
    before = {name: x.copy() for name, x in m.items()}
    for x in m.values():
        x.setflags(write=False)
    device_of(m)
    assert all(np.array_equal(m[name], before[name]) for name in m)


def test_gradient_by_the_entries_of_the_matrix_given() -> None:
    m = matrices()
    device, cut = device_of(m)
    _, pullback = na.transmission_vjp(device, ENERGIES, eta=1e-2)
    place = np.argsort(cut.order)  # orbital a of the matrix is orbital place[a] of the device
    a, b = 3, int(np.flatnonzero(np.abs(m["h"][3]) * (np.arange(N) != 3))[0])
    bar = pullback(np.ones(3), wrt=([place[a]], [place[b]])).device.hamiltonian.values[0]

    def total(step: complex) -> float:
        moved = m["h"].copy()
        moved[a, b] += step
        moved[b, a] += np.conj(step)
        return float(np.sum(na.transmission(device_of(m | {"h": moved})[0], ENERGIES, eta=1e-2)))

    h = 1e-5
    expected = (total(h) - total(-h)) / (2 * h) + 1j * (total(1j * h) - total(-1j * h)) / (2 * h)
    np.testing.assert_allclose(bar, expected, rtol=1e-7)


def test_coupling_with_the_wrong_number_of_rows_is_refused() -> None:
    m = matrices()
    with pytest.raises(ShapeError, match=r"the coupling of lead 1 has shape \(11, 2\) but the device has 12"):
        device_of(m | {"last": m["last"][1:]})


def test_lead_without_coupling_is_refused() -> None:
    m = matrices()
    with pytest.raises(InputError, match="lead 0 touches no orbital"):
        device_of(m | {"first": 0 * m["first"]})


def test_overlap_of_the_leads_alone_is_refused() -> None:
    m = matrices(has_overlap=True)
    del m["s"]
    with pytest.raises(InputError, match="both have an overlap matrix or neither"):
        device_of(m)


@pytest.mark.parametrize("name", ["h", "s"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_matrix_that_is_not_hermitian_is_refused_with_the_callers_entry(kind: Callable, name: str) -> None:
    m = matrices(has_overlap=True)
    a, b = next((int(i), int(j)) for i, j in zip(*np.nonzero(m[name])) if i < j)
    m[name][a, b] += 0.3
    word = {"h": "hamiltonian", "s": "overlap"}[name]
    with pytest.raises(HermiticityError, match=rf"{word} is not Hermitian: entry \[({a}, {b}|{b}, {a})\]") as caught:
        device_of(m, kind)
    assert "hermitian=" not in str(caught.value)


def test_number_that_is_not_finite_is_refused_with_the_callers_entry() -> None:
    m = matrices()
    m["h"][7, 7] = np.nan
    with pytest.raises(InputError, match=r"hamiltonian: entry \[7, 7\] is"):
        device_of(m)


def test_hamiltonian_that_is_not_square_is_refused() -> None:
    m = matrices()
    with pytest.raises(ShapeError, match=r"hamiltonian has shape \(12, 11\) but must be square"):
        device_of(m | {"h": m["h"][:, :-1]})


def test_overlap_of_another_shape_is_refused_with_the_shape() -> None:
    m = matrices(has_overlap=True)
    with pytest.raises(ShapeError, match=r"overlap has shape \(11, 11\) but hamiltonian has \(12, 12\)"):
        device_of(m | {"s": m["s"][1:, 1:]})


def test_overlap_of_another_shape_is_told_before_that_of_the_leads() -> None:
    m = matrices()
    with pytest.raises(ShapeError, match=r"overlap has shape \(2, 2\)"):
        device_of(m | {"s": np.eye(2)})


def test_lead_outside_a_list_is_refused() -> None:
    lead = LeadMatrices(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(InputTypeError, match="leads must be a list of LeadMatrices"):
        device_from_sparse(np.zeros((1, 1)), lead)
