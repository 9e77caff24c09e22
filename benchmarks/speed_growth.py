"""Memory an energy, and how time and memory grow with block size, layers and energies, as fitted exponents."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
from measure import Row, rounds, timer
from speed_systems import dense, wire

import negfadj as na

ENERGY = np.array([2.013])


def memory_rows(repeats: int) -> Iterator[Row]:
    """Peak of T and of T with its gradient, and what the pullback keeps: KiB an energy, and over the factors' bytes."""
    n, n_layers, energies = 32, 50, np.linspace(-1, 1, 16)
    device = dense(n, n_layers)
    factors = 16 * n_layers * n * n

    def gradient() -> object:
        return na.transmission_vjp(device, energies)[1](np.ones(len(energies)))

    gradient()  # compiled and cached
    kept, _ = traced(lambda: na.transmission_vjp(device, energies))
    peaks = {
        "T": traced(lambda: na.transmission(device, energies, memory_limit=1e9))[1],
        "T and full gradient": traced(gradient)[1],
    }
    label = f"dense real n = {n}, {n_layers} layers, {len(energies)} energies"
    for name, peak in peaks.items():
        yield Row(f"{label}: peak memory of {name}, an energy", peak / len(energies) / 1024, "KiB")
        yield Row("  over the bytes of the left-connected factors", peak / len(energies) / factors, "ratio")
    yield Row(f"{label}: kept for the pullback, an energy", kept / len(energies) / 1024, "KiB")
    yield Row("  over the bytes of the left-connected factors", kept / len(energies) / factors, "ratio", 1.2)


def exponent_rows(repeats: int) -> Iterator[Row]:
    """Exponents of T's time (wire, leads included), and of the memory of T with its gradient."""
    sizes, lengths, counts = (32, 64, 128), (50, 100, 200), (64, 128, 256)
    energies = np.linspace(0.2, 7.8, 256) + 0.013

    def time_of(n: int, n_layers: int, count: int) -> Callable[[], float]:
        device = wire(n, n_layers)
        return timer(lambda: na.transmission(device, energies[:: 256 // count], eta=1e-4))

    def memory_of(n: int, n_layers: int, count: int) -> float:
        device = wire(n, n_layers)

        def gradient() -> object:
            return na.transmission_vjp(device, energies[:: 256 // count], eta=1e-4)[1](np.ones(count))

        gradient()
        return float(traced(gradient)[1])

    for name, xs, place in (
        ("n", sizes, lambda x: (x, 50, 4)),
        ("N", lengths, lambda x: (32, x, 4)),
        ("energies", counts, lambda x: (16, 50, x)),
    ):
        found = rounds({str(x): time_of(*place(x)) for x in xs}, repeats)
        times = [statistics.median(found[str(x)]) for x in xs]
        values = ", ".join(str(x) for x in xs)
        yield Row(f"T, square wire: exponent of the time with {name} ({values})", exponent(xs, times), "")
        yield Row("  of the peak memory with its gradient", exponent(xs, [memory_of(*place(x)) for x in xs]), "")


def exponent(xs: tuple[int, ...], values: list[float]) -> float:
    """Slope of log value against log x."""
    return float(np.polyfit(np.log(xs), np.log(values), 1)[0])


def traced(function: Callable[[], object]) -> tuple[int, int]:
    """Bytes still held by what a call returns, and most bytes allocated at one time."""
    tracemalloc.start()
    held = function()
    found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del held
    return found
