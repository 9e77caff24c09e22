"""Lead and SelfEnergy: defaults, and what they refuse."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from cases import random_array

import negfadj as na

E2, Z2 = np.eye(2), np.zeros((2, 2))


def test_lead_coupling_is_the_hopping_by_default() -> None:
    lead = na.Lead(Z2, E2)
    assert np.array_equal(lead.coupling, E2) and lead.overlap_onsite is None and lead.block == 0


def test_lead_overlap_coupling_is_the_overlap_hopping_by_default() -> None:
    lead = na.Lead(Z2, E2, overlap_onsite=E2, overlap_hopping=0.1 * E2)
    assert np.array_equal(lead.overlap_coupling, 0.1 * E2)


def test_lead_overlap_coupling_is_zero_beside_a_coupling_of_its_own() -> None:
    lead = na.Lead(Z2, E2, np.ones((3, 2)), overlap_onsite=E2, overlap_hopping=0.1 * E2)
    assert lead.overlap_coupling.shape == (3, 2) and not lead.overlap_coupling.any()


def test_lead_overlap_hopping_is_zero_by_default() -> None:
    assert not na.Lead(Z2, E2, overlap_onsite=E2).overlap_hopping.any()


def test_lead_takes_nested_lists_and_integers() -> None:
    lead = na.Lead([[0, 1], [1, 0]], [[1, 0], [0, 1]])
    assert lead.onsite.dtype == np.float64 and lead.n_orbitals == 2


@pytest.mark.parametrize("value", [1, 0.5, np.float64(0.5), np.array(0.5), np.float32(0.5)])
def test_lead_potential_energy_is_any_real_number(value: Any) -> None:
    assert float(na.Lead(Z2, E2, potential_energy=value).potential_energy) == float(value)


def test_lead_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        na.Lead(Z2, E2).block = 3  # type: ignore[misc]


def test_making_a_lead_leaves_its_blocks_alone() -> None:
    blocks = [random_array(np.random.default_rng(0), 2, 2) for _ in range(2)]
    blocks[0] = blocks[0] + blocks[0].conj().T
    before = [x.copy() for x in blocks]
    na.Lead(*blocks, potential_energy=0.3)
    assert all(np.array_equal(x, y) for x, y in zip(blocks, before))


SKEW = np.array([[0.0, 1.0], [-1.0, 0.0]])
NAN = np.array([[0.0, np.nan], [np.nan, 0.0]])
BAD = [
    ("no hopping", lambda: na.Lead(Z2, None), na.InputError, "needs both `onsite` and `hopping`"),
    ("no onsite", lambda: na.Lead(None, E2), na.InputError, "needs both `onsite` and `hopping`"),
    ("zero hopping", lambda: na.Lead(Z2, Z2), na.InputError, "hopping is zero.*does not conduct.*cell j"),
    ("zero coupling", lambda: na.Lead(Z2, E2, np.zeros((3, 2))), na.InputError, "coupling is zero"),
    ("onsite not square", lambda: na.Lead(np.ones((2, 3)), E2), na.ShapeError, r"onsite has shape \(2, 3\)"),
    (
        "hopping of another size",
        lambda: na.Lead(Z2, np.eye(3)),
        na.ShapeError,
        r"hopping has shape \(3, 3\).*2 orbitals",
    ),
    (
        "coupling of another cell",
        lambda: na.Lead(Z2, E2, np.ones((3, 4))),
        na.ShapeError,
        r"coupling has shape \(3, 4\)",
    ),
    ("coupling a vector", lambda: na.Lead(Z2, E2, np.ones(2)), na.ShapeError, r"coupling has shape \(2,\)"),
    ("onsite not Hermitian", lambda: na.Lead(SKEW, E2), na.HermiticityError, r"onsite is not Hermitian.*1\.0.*-1\.0"),
    ("overlap not Hermitian", lambda: na.Lead(Z2, E2, overlap_onsite=SKEW), na.HermiticityError, "overlap_onsite"),
    ("NaN", lambda: na.Lead(NAN, E2), na.InputError, r"onsite\[0, 1\] is nan"),
    ("NaN in the hopping", lambda: na.Lead(Z2, NAN), na.InputError, r"hopping\[0, 1\] is nan"),
    ("infinite coupling", lambda: na.Lead(Z2, E2, np.full((2, 2), np.inf)), na.InputError, r"coupling\[0, 0\] is inf"),
    ("half an overlap", lambda: na.Lead(Z2, E2, overlap_hopping=E2), na.InputError, "without overlap_onsite"),
    (
        "overlap coupling of another shape",
        lambda: na.Lead(Z2, E2, overlap_onsite=E2, overlap_coupling=np.ones((3, 2))),
        na.ShapeError,
        r"overlap_coupling has shape \(3, 2\)",
    ),
    ("block a float", lambda: na.Lead(Z2, E2, block=1.0), na.InputTypeError, "block=1.0 must be an integer"),
    ("block a truth value", lambda: na.Lead(Z2, E2, block=True), na.InputTypeError, "block=True"),
    (
        "potential energy complex",
        lambda: na.Lead(Z2, E2, potential_energy=1j),
        na.InputTypeError,
        "potential_energy=1j",
    ),
    ("potential energy text", lambda: na.Lead(Z2, E2, potential_energy="1"), na.InputTypeError, "potential_energy='1'"),
    (
        "potential energy NaN",
        lambda: na.Lead(Z2, E2, potential_energy=float("nan")),
        na.InputError,
        "potential_energy=nan must be finite",
    ),
    (
        "potential energy an axis",
        lambda: na.Lead(Z2, E2, potential_energy=np.zeros(2)),
        na.ShapeError,
        r"potential_energy has shape \(2,\)",
    ),
    ("text", lambda: na.Lead("a", E2), na.InputTypeError, "onsite"),
    ("ragged lists", lambda: na.Lead([[1], [1, 2]], E2), na.InputTypeError, "onsite"),
    ("self-energy advanced", lambda: na.SelfEnergy([[0.5j]]), na.InputError, "broadening"),
    (
        "self-energy not square",
        lambda: na.SelfEnergy(np.ones((1, 2, 3))),
        na.ShapeError,
        r"self_energy has shape \(1, 2, 3\)",
    ),
    (
        "self-energy NaN",
        lambda: na.SelfEnergy(np.full((1, 1, 1), np.nan)),
        na.InputError,
        r"self_energy\[0, 0, 0\] is .*nan",
    ),
    ("self-energy block", lambda: na.SelfEnergy(np.ones((1, 1, 1)), block="0"), na.InputTypeError, "block='0'"),
]


@pytest.mark.parametrize(("make", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_a_bad_lead_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        make()


def test_mixed_array_libraries_in_a_lead_are_refused() -> None:
    import array_api_strict as xp

    with pytest.raises(na.InputTypeError, match="different libraries are mixed: array_api_strict, numpy; convert"):
        na.Lead(Z2, xp.eye(2))


def test_a_self_energy_of_one_energy_may_leave_out_the_axis() -> None:
    assert na.SelfEnergy(np.ones((2, 2))).self_energy.shape == (1, 2, 2)


def test_a_real_self_energy_becomes_complex() -> None:
    assert na.SelfEnergy(np.ones((1, 2, 2), dtype=np.float32)).self_energy.dtype == np.complex64
