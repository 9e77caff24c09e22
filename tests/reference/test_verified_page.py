"""docs/verified-against.md lists the comparisons of this folder, all of them and no others.

This file runs after the comparisons, which come first in the alphabet, and reads what they kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from verified import CODES, COMMAND, ROWS, Comparison, Row, layout, layouts_of_page, merged, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verified-against.md"
FOLDER = Path(__file__).resolve().parent


def ran_whole(session: pytest.Session) -> bool:
    """Whether every comparison of this folder ran before this test."""
    chosen = session.config.args
    files = {item.path for item in session.items}
    option = session.config.option
    whole = not (option.keyword or getattr(option, "lf", False) or any("::" in argument for argument in chosen))
    return whole and all(file in files for file in FOLDER.glob("test_*.py"))


def test_verified_page_lists_the_comparisons_made(request: pytest.FixtureRequest) -> None:
    if not ran_whole(request.session):
        pytest.skip("needs all comparisons of tests/reference in the same run")
    made = [layout(row) for row in merged(request.config.stash[ROWS])]
    listed = layouts_of_page(PAGE.read_text(encoding="utf-8"))
    assert listed == made, f"write docs/verified-against.md again: {COMMAND}"


def test_verified_page_is_read_back_as_it_was_written() -> None:
    rows = [Row(code, "a wire", quantity, 3e-13, 1e-9, code == "AD-NEGF") for code in CODES for quantity in ("T", "Σ")]
    assert layouts_of_page(page(rows, "0")) == [layout(row) for row in rows]


def test_verified_page_keeps_the_largest_difference() -> None:
    rows = [Row("Kwant 1.5.0", "a wire", "T", difference, 1e-9, False) for difference in (1e-12, 3e-12, 2e-12)]
    assert [row.difference for row in merged(rows)] == [3e-12]
    assert "| a wire | T | 3e-12 | 1e-09 |" in page(rows, "0")


def test_a_comparison_out_of_tolerance_fails_after_it_is_kept() -> None:
    rows: list[Row] = []
    with pytest.raises(AssertionError, match=r"T of a wire is off by 0.001, allowed 1e-09"):
        Comparison("Kwant 1.5.0", rows)("a wire", "T", [1.001], [1.0], 1e-9)
    assert [row.difference for row in rows] == [pytest.approx(1e-3)]
