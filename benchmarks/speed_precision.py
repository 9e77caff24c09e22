"""Single precision: complex64's time beside complex128's through the same code, and its error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from measure import Row, median_ratio, rounds, timer
from speed_systems import WIRE_ENERGIES, WIRE_LAYERS, wire

import negfadj as na

ETA, FEW = 1e-2, {16: 50, 32: 25, 64: 10, 128: 5}


def rows(repeats: int, sizes: tuple[int, ...] = (16, 64, 128)) -> Iterator[Row]:
    """complex128's time over complex64's for T of a square wire, and the largest error over the largest T."""
    for n in sizes:
        double, single = wire(n), wire(n, dtype=np.float32)
        energies = WIRE_ENERGIES[:: 50 // FEW[n]]

        def run(device: na.Device, energies: np.ndarray = energies) -> np.ndarray:
            return na.transmission(device, energies, eta=ETA)

        timers = {"double": timer(lambda d=double: run(d)), "single": timer(lambda d=single: run(d))}
        found = rounds(timers, repeats)
        value = run(double)
        assert run(single).dtype == np.float32
        error = float(np.abs(run(single) - value).max() / value.max())
        label = f"T, square wire W = {n}, L = {WIRE_LAYERS}, {len(energies)} energies, eta = {ETA:g}"
        yield Row(f"{label}: complex128 / complex64", median_ratio(found["double"], found["single"]), "ratio")
        yield Row("  largest |ΔT| / largest T", error, "", 1e-3)
