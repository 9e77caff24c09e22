"""Two-centre matrix elements against the printed table, and their pullback."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slater_koster_oracle import two_centre_block

from negfadj.models.two_centre import ANGULAR_MOMENTUM, BOND_TYPES, two_centre, two_centre_vjp
from negfadj.testing import check_vjp

KINDS = ("s", "p", "d")


def unit_vectors(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


@pytest.mark.parametrize("first, second", list(product(KINDS, KINDS)))
def test_two_centre_is_the_printed_table(first: str, second: str) -> None:
    degrees = ANGULAR_MOMENTUM[first], ANGULAR_MOMENTUM[second]
    rng = np.random.default_rng(1)
    cosines = np.concatenate((unit_vectors(6, 0), np.eye(3), -np.eye(3)))
    integrals = rng.normal(size=(min(degrees) + 1, len(cosines)))
    found = two_centre(*degrees, cosines, integrals)
    for i, n in enumerate(cosines):
        named = {f"{first}{second}_{m}": v for m, v in zip(BOND_TYPES, integrals[:, i])}
        wanted = two_centre_block((first,), (second,), named, n, alike=False)
        np.testing.assert_allclose(found[i], wanted, atol=1e-14)


@pytest.mark.parametrize("first, second", list(product(range(3), range(3))))
def test_two_centre_vjp_agrees_with_differences(first: int, second: int) -> None:
    rng = np.random.default_rng(2)
    integrals = tuple(rng.normal(size=(min(first, second) + 1, 4)))

    def value(cosines: np.ndarray, integrals: tuple[np.ndarray, ...]) -> np.ndarray:
        return two_centre(first, second, cosines, integrals)

    def value_vjp(cosines: np.ndarray, integrals: tuple[np.ndarray, ...]):  # type: ignore[no-untyped-def]
        return two_centre_vjp(first, second, cosines, integrals)

    check_vjp(value, value_vjp, (unit_vectors(4, 3), integrals), arguments=[1] if first == second == 0 else None)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_two_centre_rotates_with_the_bond(seed: int) -> None:
    # tr of a block times its transpose is the same for every direction: Σ V² by |m|, twofold for π and δ
    rng = np.random.default_rng(seed)
    cosines, integrals = unit_vectors(3, seed), rng.normal(size=(3, 1)) * np.ones((3, 3))
    block = two_centre(2, 2, cosines, integrals)
    sigma, pi, delta = integrals[:, 0]
    for b in block:
        np.testing.assert_allclose(np.linalg.eigvalsh(b), np.sort([sigma, pi, pi, delta, delta]), atol=1e-13)
