"""Device: leads on blocks, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from backends import STRICT
from cases import random_device

import negfadj as na

H = na.BlockTridiagonal([np.eye(2), np.eye(3)], [np.ones((2, 3))])
LEFT, RIGHT = na.Lead(np.zeros((2, 2)), np.eye(2)), na.Lead(np.zeros((3, 3)), np.eye(3), block=-1)


def test_device_counts_negative_blocks_from_the_end() -> None:
    assert [lead.block for lead in na.Device(H, (LEFT, RIGHT)).leads] == [0, 1]


def test_device_takes_one_lead_alone() -> None:
    assert na.Device(H, LEFT).n_leads == 1


def test_device_leaves_the_callers_leads_alone() -> None:
    na.Device(H, (LEFT, RIGHT))
    assert RIGHT.block == -1


@pytest.mark.parametrize(("lead", "index"), [(0, 0), (1, 1), (-1, 1), (np.int64(1), 1)])
def test_lead_index_counts_from_both_ends(lead: Any, index: int) -> None:
    assert na.Device(H, (LEFT, RIGHT)).lead_index(lead) == index


BAD = [
    (
        "a dense hamiltonian",
        lambda: na.Device(np.eye(5), LEFT),
        na.InputTypeError,
        "hamiltonian is a ndarray.*from_dense",
    ),
    ("a dense overlap", lambda: na.Device(H, LEFT, overlap=np.eye(5)), na.InputTypeError, "overlap is a ndarray"),
    ("no leads", lambda: na.Device(H, ()), na.InputError, "at least one lead"),
    ("a matrix for a lead", lambda: na.Device(H, (LEFT, np.eye(2))), na.InputTypeError, r"leads\[1\] is a ndarray"),
    (
        "a block that is not there",
        lambda: na.Device(H, na.Lead(np.zeros((2, 2)), np.eye(2), block=2)),
        na.InputError,
        r"leads\[0\]\.block = 2 but the device has blocks 0 … 1",
    ),
    (
        "a block before the first",
        lambda: na.Device(H, na.Lead(np.zeros((2, 2)), np.eye(2), block=-3)),
        na.InputError,
        r"block = -3",
    ),
    (
        "a coupling to another block",
        lambda: na.Device(H, na.Lead(np.zeros((2, 2)), np.eye(2), block=1)),
        na.ShapeError,
        r"leads\[0\]\.coupling couples to 2 device orbitals but block 1 has 3",
    ),
    (
        "a self-energy of another size",
        lambda: na.Device(H, na.SelfEnergy(np.ones((1, 3, 3)))),
        na.ShapeError,
        r"leads\[0\]\.self_energy couples to 3.*block 0 has 2",
    ),
    (
        "an overlap cut otherwise",
        lambda: na.Device(H, LEFT, overlap=na.BlockTridiagonal([np.eye(3), np.eye(2)], [np.zeros((3, 2))])),
        na.ShapeError,
        r"overlap has block sizes \(3, 2\).*\(2, 3\).*same way",
    ),
    ("mixed libraries", lambda: na.Device(H, STRICT(LEFT)), na.InputTypeError, "different libraries are mixed"),
]


@pytest.mark.parametrize(("make", "error", "message"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_a_bad_device_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        make()


def test_project_tangent_leaves_a_tangent_of_its_kind_alone() -> None:
    device = random_device(0)
    projected = device.project_tangent(device)
    for x, y in zip(na.array.leaves(device), na.array.leaves(projected)):
        assert np.max(np.abs(np.asarray(x) - y)) <= 1e-15
