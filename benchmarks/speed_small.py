"""The speed check of every change: ratios to peers in the same run, each beside what it is expected to be.

A ratio fails when it has lost the factor `lost` against speed_expected.toml. Peers are those that need no environment
of their own: a plain NumPy loop, and sisl where it is installed. ``run.py speed --small --write`` writes the file anew.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy
import speed_plain
import speed_sisl
from measure import Row

import negfadj as na

EXPECTED = Path(__file__).with_name("speed_expected.toml")
LOST = 2.0


def rows(repeats: int) -> Iterator[Row]:
    """Every ratio, with the expected one over `lost` as its bar."""
    return beside(measured(min(repeats, 5)), tomllib.loads(EXPECTED.read_text(encoding="utf-8")))


def beside(found: Iterable[Row], expected: dict[str, object]) -> Iterator[Row]:
    """The rows with bars from the expected ratios; one that is not expected has missed."""
    ratios: dict[str, float] = expected["ratios"]  # type: ignore[assignment]
    lost: float = expected["lost"]  # type: ignore[assignment]
    for row in found:
        if row.case in ratios:
            yield Row(row.case, row.value, row.unit, ratios[row.case] / lost, at_least=True)
        else:
            yield Row(f"{row.case}: not in {EXPECTED.name}", float("nan"), row.unit, 0.0, at_least=True)


def measured(repeats: int) -> Iterator[Row]:
    """The ratios of small sizes, without the rows that go with them."""
    parts = [speed_plain.rows(repeats, (8, 16, 32))]
    if importlib.util.find_spec("sisl") is not None:
        parts.append(speed_sisl.rows(repeats, (16,)))
    for part in parts:
        for row in part:
            if row.unit == "ratio":
                yield row


def written(repeats: int) -> Iterator[Row]:
    """The ratios of this run, kept in speed_expected.toml with the conditions they were measured under."""
    found = list(measured(repeats))
    versions = {"negfadj": na.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    for name in ("numba", "sisl"):
        if importlib.util.find_spec(name) is not None:
            versions[name] = importlib.import_module(name).__version__
    lines = [
        "# What `python benchmarks/run.py speed --small` expects; written by the same with --write.",
        f"lost = {LOST}  # the factor at which a ratio fails",
        "",
        "[conditions]",
        "threads = 1",
        f"rounds = {repeats}",
        f'processor = "{platform.machine()}, {processor()}"',
        f'python = "{platform.python_version()}"',
        *(f'{name} = "{version}"' for name, version in versions.items()),
        "",
        "[ratios]",
        *(f'"{row.case}" = {row.value:.3g}' for row in found),
    ]
    EXPECTED.write_text("\n".join(lines) + "\n", encoding="utf-8")
    yield from (Row(row.case, row.value, row.unit) for row in found)


def processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
