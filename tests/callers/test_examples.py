"""The example scripts: the devices they make, and a few points of their curves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


@pytest.mark.slow
def test_n_i_n_conducts_better_with_bias(examples) -> None:
    import n_i_n

    found, x = n_i_n.curve(np.array([0.0, 0.05]))
    assert found.currents[0] == 0 and found.currents[1] > 0 and np.all(found.slopes > 0)
    # the middle is a barrier, and the wire is the same from both sides
    assert found.potentials[0][len(x) // 2] < found.potentials[0][0] - 0.05
    np.testing.assert_allclose(found.potentials[0], found.potentials[0][::-1], atol=1e-6)


def test_resonant_tunnelling_diode_has_two_barriers(examples) -> None:
    import resonant_tunnelling_diode

    edge = resonant_tunnelling_diode.barriers()
    assert np.sum(np.diff(edge) > 0) == 2 and edge.max() == resonant_tunnelling_diode.HEIGHT
    np.testing.assert_array_equal(edge, edge[::-1])


@pytest.mark.slow
def test_resonant_tunnelling_diode_conducts_less_than_the_wire_alone(examples) -> None:
    import resonant_tunnelling_diode as diode

    found, x = diode.curve(np.array([0.0, 0.04]), diode.barriers(), diode.INTRINSIC)
    bare, _ = diode.curve(np.array([0.0]), 0.0, diode.INTRINSIC)
    assert len(x) == len(diode.barriers()) and found.currents[0] == 0 and 0 < found.slopes[0] < bare.slopes[0]
    assert found.currents[1] > 0


def test_every_example_is_under_60_lines() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in EXAMPLES.glob("*.py")}
    assert lines and max(lines.values()) < 60, lines
