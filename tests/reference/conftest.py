"""The fixture `compare`: asserts a difference and keeps it for docs/verified-against.md."""

from __future__ import annotations

import pytest
from verified import ROWS, Comparison


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Comparison:
    """Comparisons with the code that the test's module names as CODE."""
    return Comparison(request.module.CODE, request.config.stash.setdefault(ROWS, []))
