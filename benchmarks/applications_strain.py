"""Strain: the current through a graphene ribbon made small by 120 coordinates of its atoms, each within 0.02 Å."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Row

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "examples")]

import strain  # noqa: E402


def rows(repeats: int) -> Iterator[Row]:
    """The current at the start and at the end."""
    n = 20 if repeats < 7 else 40
    found = strain.strained(n)
    start = float(found.history[0])
    yield Row("strain within 0.02 Å, 120 coordinates: current at the start", start, "µA", None)
    yield Row(f"strain within 0.02 Å, 120 coordinates: current after {n} evaluations", found.best_value, "µA", None)
    yield Row("strain within 0.02 Å: the one over the other", found.best_value / start, "ratio", 0.03)
