"""PeriodicHamiltonian: Bloch sums, projection of tangents, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from backends import STRICT, host
from cases import random_array

from negfadj.array import rebuild
from negfadj.data import PeriodicHamiltonian
from negfadj.errors import HermiticityError, InputError, InputTypeError, ShapeError

CELLS = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 2, -1], [0, -2, 1]])
OPPOSITE = [0, 2, 1, 4, 3]


def symmetric(blocks: np.ndarray) -> np.ndarray:
    """H_−R = H_R†."""
    return (blocks + blocks[OPPOSITE].conj().swapaxes(1, 2)) / 2


def example(*, n: int = 3, is_complex: bool = True, has_overlap: bool = False, seed: int = 0) -> PeriodicHamiltonian:
    rng = np.random.default_rng(seed)
    hamiltonian = symmetric(random_array(rng, 5, n, n, is_complex=is_complex))
    overlap = None
    if has_overlap:
        overlap = 0.01 * symmetric(random_array(rng, 5, n, n, is_complex=is_complex))
        overlap[0] += np.eye(n)
    return PeriodicHamiltonian(CELLS, hamiltonian, overlap)


def test_bloch_sum_is_the_sum_over_cells() -> None:
    periodic = example(has_overlap=True)
    momenta = np.array([[0.0, 0.0, 0.0], [0.1, -0.2, 0.37]])
    hamiltonian, overlap = periodic.at(momenta)
    for found, blocks in ((hamiltonian, periodic.hamiltonian), (overlap, periodic.overlap)):
        for k, matrix in zip(momenta, found):
            expected = sum(
                x * np.exp(2j * np.pi * (k[0] * r[0] + k[1] * r[1] + k[2] * r[2])) for r, x in zip(CELLS, blocks)
            )
            np.testing.assert_allclose(matrix, expected, atol=1e-14)
            np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-14)


def test_bloch_sum_of_a_chain_is_its_band() -> None:
    chain = PeriodicHamiltonian(CELLS[:3], np.array([0.3, -1.0, -1.0]).reshape(3, 1, 1))
    k = np.linspace(-0.5, 0.5, 7)
    found, overlap = chain.at(np.column_stack([k, 0 * k, 0 * k]))
    np.testing.assert_allclose(found[:, 0, 0], 0.3 - 2 * np.cos(2 * np.pi * k), atol=1e-15)
    assert overlap is None and chain.n_orbitals == 1 and chain.n_cells == 3


def test_reach_counts_the_overlap_and_skips_empty_cells() -> None:
    periodic = example()
    assert [periodic.reach(i) for i in range(3)] == [1, 2, 1]
    hamiltonian = periodic.hamiltonian.copy()
    hamiltonian[3:] = 0
    assert PeriodicHamiltonian(CELLS, hamiltonian).reach(1) == 0
    assert PeriodicHamiltonian(CELLS, hamiltonian, example(has_overlap=True).overlap).reach(1) == 2


@pytest.mark.parametrize("is_complex", [True, False])
def test_projection_keeps_inner_products_with_allowed_tangents(is_complex: bool) -> None:
    periodic = example(is_complex=is_complex, has_overlap=True)
    rng = np.random.default_rng(1)
    free = rebuild(periodic, hamiltonian=random_array(rng, 5, 3, 3), overlap=random_array(rng, 5, 3, 3))
    allowed = example(is_complex=is_complex, has_overlap=True, seed=2)
    projected = periodic.project_tangent(free)
    for name in ("hamiltonian", "overlap"):
        x, p, t = (getattr(y, name) for y in (free, projected, allowed))
        assert np.iscomplexobj(p) == is_complex
        np.testing.assert_allclose(np.vdot(p, t).real, np.vdot(x, t).real, atol=1e-13)
        np.testing.assert_allclose(p, symmetric(p), atol=1e-15)


def test_projection_passes_none_on() -> None:
    periodic = example(has_overlap=True)
    assert periodic.project_tangent(rebuild(periodic, overlap=None)).overlap is None


def test_array_api_strict_gives_the_same() -> None:
    periodic = example(has_overlap=True)
    strict = STRICT(periodic)
    momenta = [[0.1, -0.2, 0.37]]
    for found, expected in zip(strict.at(momenta), periodic.at(momenta)):
        np.testing.assert_allclose(host(found), expected, atol=1e-15)
    np.testing.assert_allclose(
        host(strict.project_tangent(strict)).hamiltonian, periodic.project_tangent(periodic).hamiltonian, atol=1e-15
    )
    assert PeriodicHamiltonian(CELLS, strict.hamiltonian, strict.overlap).reach(1) == 2


def test_single_precision_stays_single() -> None:
    periodic = PeriodicHamiltonian(CELLS, example().hamiltonian.astype(np.complex64))
    assert periodic.at([[0.1, 0, 0]])[0].dtype == np.complex64


def test_nested_lists_and_integers_are_taken() -> None:
    periodic = PeriodicHamiltonian([[0, 0, 0]], [[[0, 1], [1, 0]]], lattice=[[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert periodic.hamiltonian.dtype == np.float64 and periodic.lattice.dtype == np.float64


H = example().hamiltonian


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((CELLS[:, :2], H), ShapeError, r"\(5, 2\) but must be \(n_cells, 3\)"),
        ((CELLS.astype(float), H), InputTypeError, "float64; they are integers"),
        ((CELLS[[0, 1, 2, 1, 2]], H), InputError, "a cell twice"),
        ((CELLS[1:], H[1:]), InputError, r"lacks \(0, 0, 0\)"),
        ((CELLS[:4], H[:4]), InputError, r"lists \(0, 2, -1\) but not \(0, -2, 1\)"),
        ((CELLS, H[:4]), ShapeError, r"\(4, 3, 3\) but must be \(5, n, n\)"),
        ((CELLS, H[:, :2]), ShapeError, r"\(5, 2, 3\) but must be \(5, n, n\)"),
        ((CELLS, H, np.eye(2) * np.ones((5, 1, 1))), ShapeError, "overlap has shape"),
        (
            (CELLS, H, -example(has_overlap=True).overlap),
            InputError,
            r"overlap of cell \(0, 0, 0\) has an eigenvalue -",
        ),
        ((CELLS, H * np.nan), InputError, "hamiltonian.* is .*nan"),
        ((CELLS, H + np.eye(3) * (CELLS[:, :1, None] == 1)), HermiticityError, r"of cell \[-?1, 0, 0\]"),
        ((CELLS, H, None, np.eye(2)), ShapeError, r"lattice has shape \(2, 2\)"),
    ],
)
def test_periodic_hamiltonian_refuses(arguments: tuple, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        PeriodicHamiltonian(*arguments)


@pytest.mark.parametrize("momenta, error", [([0.1, 0, 0], ShapeError), ([[np.inf, 0, 0]], InputError)])
def test_momenta_are_checked(momenta: list, error: type) -> None:
    with pytest.raises(error, match="momenta"):
        example().at(momenta)
