"""Systems built with sisl: T(E) of negfadj beside a dense Green's function with sisl's matrices and self-energies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row

import negfadj as na
from negfadj.models.sisl_device import SislElectrode, device_from_sisl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import sisl_systems

BAR, ETA = 1e-8, sisl_systems.ETA


def rows() -> Iterator[Row]:
    """The largest |ΔT| of every system over its energies, one row each."""
    for name in sisl_systems.NAMES:
        yield Row(f"T(E), sisl: {name}", _two_terminals(name), "1", BAR)
    yield Row("T(E), sisl: four terminals in a field", _four_terminals(), "1", BAR)


def _two_terminals(name: str) -> float:
    s = sisl_systems.system(name)
    electrodes = [SislElectrode(s.electrode, "-A", 0), SislElectrode(s.electrode, "+A", -s.electrode.geometry.na)]
    found = device_from_sisl(s.device, electrodes, momentum=s.momentum, spin=s.spin)
    expected = sisl_systems.sisl_transmission(s.device, electrodes, s.momentum, s.keywords)
    return _difference(na.transmission(found.device, sisl_systems.ENERGIES, eta=ETA, device_eta=ETA), expected)


def _four_terminals() -> float:
    device, electrodes = sisl_systems.four_arms()
    found = device_from_sisl(device, electrodes).device
    worst = 0.0
    for i in range(4):
        for j in set(range(4)) - {i}:
            pair = [electrodes[j], electrodes[i], *(e for k, e in enumerate(electrodes) if k not in (i, j))]
            expected = sisl_systems.sisl_transmission(device, pair, (0, 0, 0), {})
            value = na.transmission(found, sisl_systems.ENERGIES, source=j, drain=i, eta=ETA, device_eta=ETA)
            worst = max(worst, _difference(value, expected))
    return worst


def _difference(value: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(value - expected)))
