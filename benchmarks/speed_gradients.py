"""What a gradient of T costs over T alone, and densities with currents over T, leads included."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row, median_ratio, rounds, timer, unless_it_fails
from speed_systems import RIBBON_ENERGIES, WIRE_ENERGIES, WIRE_LAYERS, dense, ribbon, wire

import negfadj as na

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reference"))

FULL, ONSITE, OBSERVABLES, GUIDE = 2.0, 1.4, 3.0, 5.0  # bars; the guide in ms
ETA = 1e-4  # where leads are decimated
FEW = {16: 50, 32: 25, 64: 10, 128: 5}  # energies


def gradient_rows(repeats: int, sizes: tuple[int, ...] = (16, 32, 64, 128)) -> Iterator[Row]:
    """(forward + gradient)/forward of T of a disordered square wire, at η = 0 and by decimation."""
    for eta in (0.0, ETA):
        for n in sizes:
            energies = WIRE_ENERGIES[:: 50 // FEW[n]]
            label = f"T, square wire W = {n}, L = {WIRE_LAYERS}, {len(energies)} energies, eta = {eta:g}"
            yield from unless_it_fails(label, _gradient_rows(label, wire(n), energies, eta, repeats))


def _gradient_rows(label: str, device: na.Device, energies: np.ndarray, eta: float, repeats: int) -> Iterator[Row]:
    def forward() -> np.ndarray:
        return na.transmission(device, energies, eta=eta)

    def gradient(wrt: str) -> object:
        _, pullback = na.transmission_vjp(device, energies, eta=eta)
        return pullback(np.ones(len(energies)), wrt=wrt)

    timers = {
        "forward": timer(forward),
        "full": timer(lambda: gradient("all")),
        "onsite": timer(lambda: gradient("onsite")),
    }
    found = rounds(timers, repeats)
    full, onsite = (median_ratio(found[name], found["forward"]) for name in ("full", "onsite"))
    yield Row(f"{label}: (forward + full gradient) / forward", full, "ratio", FULL)
    yield Row(f"{label}: (forward + on-site gradient) / forward", onsite, "ratio", ONSITE)
    yield Row("  forward, ms an energy", 1e3 * statistics.median(found["forward"]) / len(energies), "ms")


def observable_rows(repeats: int) -> Iterator[Row]:
    """T, the local density of states and all bond currents over T alone."""
    cases = {
        "square wire W = 16": (wire(16), WIRE_ENERGIES),
        "square wire W = 64": (wire(64), WIRE_ENERGIES[::5]),
        "armchair ribbon, 48 atoms": (ribbon(48), RIBBON_ENERGIES[::5]),
    }
    for name, (device, energies) in cases.items():

        def alone(device: na.Device = device, energies: np.ndarray = energies) -> np.ndarray:
            return na.transmission(device, energies)

        def together(device: na.Device = device, energies: np.ndarray = energies) -> na.Observations:
            return na.observe(device, energies, ("transmission", "local_density_of_states", "bond_current"))

        found = rounds({"alone": timer(alone), "together": timer(together)}, repeats)
        ratio = median_ratio(found["together"], found["alone"])
        yield Row(f"T + LDOS + all bond currents / T, {name}, {len(energies)} energies", ratio, "ratio", OBSERVABLES)


def adnegf_rows(repeats: int) -> Iterator[Row]:
    """AD-NEGF's ribbon with disorder: T and its gradient to every block and lead (its own code: 970 ms)."""
    from test_adnegf import device_of, load

    data = load("gnr_l3_disorder_gradient")
    device, eta = device_of(data, "hd_dis"), float(data["eta"])

    def both() -> object:
        value, pullback = na.transmission_vjp(device, data["ee"], eta=eta)
        return value, pullback(np.ones_like(value))

    found = rounds({"both": timer(both)}, repeats)["both"]
    milliseconds = 1e3 * statistics.median(found)
    label = f"AD-NEGF's gnr_l3 with disorder, {len(data['ee'])} energies: T and full gradient"
    yield Row(label, milliseconds, "ms", GUIDE)
    error = np.abs(na.transmission(device, data["ee"], eta=eta) - data["T"]).max()
    yield Row("  largest |ΔT| from its own T (η in the coupling differs)", float(error), "", 1e-4)


def dense_gradient_rows(repeats: int, sizes: tuple[int, ...] = (32, 64)) -> Iterator[Row]:
    """For information: the same ratios where nothing can be shared, by decimation."""
    for n in sizes:
        energies = np.linspace(-1.5, 1.5, FEW[n]) + 0.013
        label = f"T, dense real blocks n = {n}, {len(energies)} energies, eta = {ETA:g}"
        found = _gradient_rows(label, dense(n), energies, ETA, repeats)
        yield from unless_it_fails(label, (Row(row.case, row.value, row.unit) for row in found))
