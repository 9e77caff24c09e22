"""Every numba kernel is its reference: same values on every kind of input it serves."""

from __future__ import annotations

import numpy as np
import pytest

import negfadj as na
from negfadj.array import KERNELS, structured
from negfadj.array.hopping import monomial_pattern
from negfadj.primitives import block_solve, decimation, left_connected, stein  # noqa: F401  (fills KERNELS)

EPS = 2.2e-16


def _complex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def _hopping(rng: np.random.Generator, kind: str, n: int, m: int) -> object:
    """A hopping (1 or E, n, m) of one of the kinds a kernel tells apart."""
    if kind == "complex":
        return _complex(rng, 1, n, m)
    if kind == "energy-dependent":
        return _complex(rng, 3, n, m)
    if kind == "real":
        return structured(rng.normal(size=(1, n, m)), None)
    block = np.zeros((n, m))
    count = min(n, m) - 1
    block[rng.permutation(n)[:count], rng.permutation(m)[:count]] = rng.normal(size=count)
    return structured(block[None], monomial_pattern(block))


def _both(name: str, *arguments: object) -> tuple[object, object]:
    with na.use_kernels("reference"):
        expected = KERNELS[name](*arguments)
    return KERNELS[name](*arguments), expected


def _assert_close(found: object, expected: object, scale: float = 1e4) -> None:
    assert np.allclose(found, expected, rtol=0, atol=scale * EPS * max(1.0, float(np.abs(expected).max())))


KINDS = ("complex", "energy-dependent", "real", "monomial")


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_inverse_twin_equals_its_reference(dtype: type) -> None:
    x = _complex(np.random.default_rng(0), 5, 7, 7).astype(dtype)
    found, expected = _both("inverse", x)
    assert found.dtype == dtype
    assert np.allclose(found, expected, atol=1e3 * np.finfo(dtype).eps * np.abs(expected).max())


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_eliminate_twin_equals_its_reference(kind: str, carried: bool) -> None:
    rng = np.random.default_rng(1)
    g, diagonal = _complex(rng, 3, 4, 4), _complex(rng, 3, 6, 6)
    lower, upper = _hopping(rng, kind, 6, 4), _hopping(rng, kind, 4, 6)
    found, expected = _both("eliminate", g, diagonal, lower, upper, _complex(rng, 3, 4, 2) if carried else None)
    _assert_close(found[0], expected[0])
    assert (found[1] is None) == (not carried)
    if carried:
        _assert_close(found[1], expected[1])


@pytest.mark.parametrize("with_source", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_solve_steps_equal_their_references(kind: str, with_source: bool) -> None:
    rng = np.random.default_rng(2)
    g, hopping = _complex(rng, 3, 4, 4), _hopping(rng, kind, 4, 6)
    w = _complex(rng, 3, 4, 2) if with_source else None
    _assert_close(*_both("columns_step", g, hopping, _complex(rng, 3, 6, 2), w))
    v = _complex(rng, 1, 2, 4) if with_source else None
    _assert_close(*_both("rows_step", g, _hopping(rng, kind, 6, 4), _complex(rng, 3, 2, 6), v))
    _assert_close(*_both("columns_carry", g, _hopping(rng, kind, 6, 4), _complex(rng, 1, 4, 2)))
    _assert_close(*_both("rows_carry", g, hopping, _complex(rng, 3, 2, 4)))


def test_decimation_and_stein_twins_equal_their_references() -> None:
    rng = np.random.default_rng(3)
    h00, h01 = rng.normal(size=(5, 5)), rng.normal(size=(5, 5))
    z = np.array([-0.3, 0.2, 1.7]) + 0.05j
    a00 = z[:, None, None] * np.eye(5) - (h00 + h00.T) / 2
    found, expected = _both("decimation", a00, -h01[None].astype(complex), -h01.T[None].astype(complex), EPS, 60)
    _assert_close(found, expected, scale=1e6)  # rounding grows by 1/η over the passes
    p, q, c = 0.2 * _complex(rng, 3, 4, 4), 0.2 * _complex(rng, 3, 4, 4), _complex(rng, 3, 4, 4)
    _assert_close(*_both("stein_doubling", p, q, c, EPS, 60))


def test_transmission_and_gradient_do_not_depend_on_the_kernels() -> None:
    rng = np.random.default_rng(4)
    hopping, onsite = -np.eye(4), np.diag(rng.normal(size=4))
    device = na.Device(
        na.BlockTridiagonal([onsite] * 5, [hopping] * 4),
        (na.Lead(np.zeros((4, 4)), hopping, block=0), na.Lead(np.zeros((4, 4)), hopping, block=-1)),
    )
    energies = np.array([-0.7, 0.4])
    value, pullback = na.transmission_vjp(device, energies, eta=1e-3)
    gradient = pullback(np.ones(2), wrt="onsite").device.hamiltonian.onsite
    with na.use_kernels("reference"):
        plain, plain_pullback = na.transmission_vjp(device, energies, eta=1e-3)
        _assert_close(value, plain)
        _assert_close(gradient, plain_pullback(np.ones(2), wrt="onsite").device.hamiltonian.onsite, scale=1e6)
