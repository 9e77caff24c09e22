"""A row of a benchmark, and ratios of times measured side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure and its bar; `at_least` says the bar's direction; a row without a bar is for information."""

    case: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Does the figure meet its bar?"""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    @property
    def bar_text(self) -> str:
        """The bar with its direction, such as ">= 2"."""
        return "" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:g}"

    def as_json(self) -> dict[str, object]:
        """What --json prints."""
        return {
            "case": self.case,
            "value": self.value,
            "unit": self.unit,
            "bar": self.bar_text,
            "pass": self.passed,
        }

    def as_text(self) -> str:
        """What is printed without --json."""
        verdict = "" if self.bar is None else ("pass" if self.passed else "MISSED")
        return f"{self.case:<74} {self.value:>12.4g} {self.unit:<8} {self.bar_text:<10} {verdict}"


def ratios(base: Callable[[], object], others: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median over `repeats` rounds of time(other)/time(base), all of a round timed one after the other.

    Also "seconds": the median time of the base itself.
    """
    for function in (base, *others.values()):
        function()  # kernels compiled, caches warm
    found: dict[str, list[float]] = {name: [] for name in (*others, "seconds")}
    for _ in range(repeats):
        reference = _seconds(base)
        found["seconds"].append(reference)
        for name, function in others.items():
            found[name].append(_seconds(function) / reference)
    return {name: statistics.median(values) for name, values in found.items()}


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
