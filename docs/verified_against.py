"""Writes docs/verified-against.md from what the comparisons in tests/reference find.

Run with:  python docs/verified_against.py      (needs pytest)
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "verified-against.md"


class Collector:
    """A plugin of pytest that takes the rows at the end of the run."""

    rows: list

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from verified import ROWS

        self.rows = session.config.stash.get(ROWS, [])


def main() -> int:
    """Run the comparisons and write the page; exit status 1 and no page when one of them fails."""
    sys.path.insert(0, str(ROOT / "tests"))
    from verified import page

    import negfadj

    collector = Collector()
    arguments = [str(ROOT / "tests" / "reference"), "-q", "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml")]
    status = pytest.main([*arguments, "--deselect", str(LAYOUT_TEST)], plugins=[collector])
    if status != 0:
        return 1
    PAGE.write_text(page(collector.rows, negfadj.__version__), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


# what compares the page with the rows would fail on the page that is about to be replaced
LAYOUT_TEST = "tests/reference/test_verified_page.py::test_verified_page_lists_the_comparisons_made"

if __name__ == "__main__":
    sys.exit(main())
