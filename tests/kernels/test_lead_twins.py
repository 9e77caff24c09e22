"""The leads' numba kernels are their references."""

from __future__ import annotations

import numpy as np
import pytest
from cases import armchair_cell

import negfadj as na
from negfadj.array import KERNELS
from negfadj.primitives import chains, lead_ends, surface  # noqa: F401  (fills KERNELS)
from negfadj.primitives.modes import HoppingBasis, hopping_basis

EPS = 2.2e-16
LIMITS = (1e-7, 1e-5, 1e-5)


def _lead(kind: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, HoppingBasis]:
    rng = np.random.default_rng(3)
    if kind == "ribbon":
        onsite, hopping = armchair_cell(6)
    else:
        onsite, hopping = rng.normal(size=(2, 5, 5))
        if kind == "complex":
            onsite, hopping = (x + 1j * rng.normal(size=(5, 5)) for x in (onsite, hopping))
        onsite = onsite + onsite.conj().T
    a00 = z[:, None, None] * np.eye(len(onsite)) - onsite
    back = hopping.conj().T
    return a00, -hopping[None].astype(complex), -back[None].astype(complex), hopping_basis(hopping, None, complex)


def _both(name: str, *arguments: object) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    with na.use_kernels("reference"):
        expected = KERNELS[name](*arguments)
    return KERNELS[name](*arguments), expected


def _assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert np.isfinite(found).all()
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["ribbon", "real", "complex"])
@pytest.mark.parametrize("eta", [0.0, 1e-2])
def test_mode_ends_twin_equals_its_reference(kind: str, eta: float) -> None:
    a00, a01, a10, basis = _lead(kind, np.array([-0.31, 0.27, 1.73]) + 1j * eta)
    found, expected = _both("mode_ends", a00, a01, a10, basis, eta == 0, None, LIMITS)
    for x, y in zip(found[:2], expected[:2]):
        _assert_close(x, y, 1e6 * EPS)  # eigenvectors of two shifted pencils
    assert found[2].tolist() == expected[2].tolist()


def test_mode_ends_twin_leaves_crossings_and_band_edges_to_the_reference() -> None:
    one = np.ones((1, 1, 1), complex)
    whole = HoppingBasis(None, None)
    a00 = np.array([0.3, 2.0, 2 + 1e-12]).reshape(3, 1, 1) * one
    found = KERNELS["mode_ends"](a00, -one, -one, whole, True, None, LIMITS)
    assert np.isfinite(found[0][:, 0, 0]).tolist() == [True, False, False]
    crossing = np.diag([-1.0, 1.0])[None] + 0j  # two chains of opposite velocity
    found = KERNELS["mode_ends"](0j * crossing, crossing, crossing, whole, True, None, LIMITS)
    assert not np.isfinite(found[0]).any()


@pytest.mark.parametrize("n_lines", [6, 30])  # small products in loops, large ones by BLAS
def test_segment_doubling_twin_equals_its_reference(n_lines: int) -> None:
    onsite, hopping = armchair_cell(n_lines)
    z = np.array([-0.31, 0.27, 1.73]) + 0.05j
    a00 = z[:, None, None] * np.eye(len(onsite)) - onsite
    u, v = hopping_basis(hopping, None, complex)
    a = u.conj().T @ -hopping[None] @ v
    found, expected = _both("segment_doubling", a00, a, a.conj().swapaxes(-1, -2), u, v, EPS, 60)
    for x, y in zip(found, expected):
        _assert_close(x, y, 1e5 * EPS)


@pytest.mark.parametrize("kind", ["ribbon", "complex"])
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_surface_of_end_twin_equals_its_reference(kind: str, dtype: type) -> None:
    a00, a01, a10, basis = _lead(kind, np.array([-0.31, 0.27]) + 0.1j)
    rng = np.random.default_rng(0)
    r = a00.shape[-1] if basis.left is None else basis.left.shape[1]
    beyond = rng.normal(size=(2, r, r)) + 1j * rng.normal(size=(2, r, r))
    basis = HoppingBasis(*(None if x is None else x.astype(dtype) for x in basis))
    arrays = [x.astype(dtype) for x in (a00, beyond, a01, a10)]
    found, expected = _both("surface_of_end", *arrays, basis)
    assert found[0].dtype == dtype
    for x, y in zip(found, expected):
        _assert_close(x, y, 1e4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_rotated_twin_equals_its_reference(dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(3, 4, 5)) + 1j * rng.normal(size=(3, 4, 5))).astype(dtype)
    for kind in (float, complex):
        field = dtype if kind is complex else x.real.dtype
        left, right = rng.normal(size=(6, 4)).astype(field), rng.normal(size=(5, 2)).astype(field)
        found, expected = _both("rotated", x, left, right)
        assert found.dtype == dtype
        _assert_close(found, expected, 1e2 * float(np.finfo(dtype).eps))
