"""A row of a benchmark, and ratios of times measured side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from negfadj.errors import NegfadjError


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
            "value": None if math.isnan(self.value) else float(self.value),
            "unit": self.unit,
            "bar": self.bar_text,
            "pass": bool(self.passed),
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


def unless_it_fails(label: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of one case; an error of the library makes a row that missed, with its message, and the run goes on."""
    try:
        yield from rows
    except NegfadjError as error:
        yield Row(f"{label}: {type(error).__name__}: {error}", math.nan, "", 0.0, at_least=True)


def rounds(timers: Mapping[Any, Callable[[], float]], repeats: int) -> dict[Any, list[float]]:
    """Seconds that every timer says: `repeats` rounds of all of them one after the other, the first left out."""
    found: dict[Any, list[float]] = {name: [] for name in timers}
    for number in range(repeats + 1):
        for name, timer in timers.items():
            seconds = timer()
            if number:  # kernels compiled, caches warm
                found[name].append(seconds)
    return found


def median_ratio(above: list[float], below: list[float]) -> float:
    """Median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(above, below))


def timer(function: Callable[[], object], at_least: float = 0.02) -> Callable[[], float]:
    """A timer of `function`: the mean over as many calls as fill `at_least` seconds, counted at the first use."""
    calls: list[int] = []

    def seconds() -> float:
        if not calls:
            function()
            calls.append(max(1, round(at_least / _seconds(function))))
        return _seconds(lambda: [function() for _ in range(calls[0])]) / calls[0]

    return seconds


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
