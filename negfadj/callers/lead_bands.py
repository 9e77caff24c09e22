"""The bands of a job's leads, held in its results."""

from __future__ import annotations

from typing import Any

import numpy as np

import negfadj

from .job_system import JobSystem

N_MOMENTA = 121  # from the middle of the zone to its edge; E(−k) = E(k)


def with_lead_bands(dataset: Any, system: JobSystem) -> Any:
    """The Dataset with `bands_0(momentum, band_0)` and `bands_1(momentum, band_1)` [eV], of principal layers."""
    momenta = np.linspace(0.0, 0.5, N_MOMENTA)
    text = "phase from a layer to the next one, in turns"
    found = dataset.assign_coords(momentum=("momentum", momenta, {"units": "1", "long_name": text}))
    for k, lead in enumerate(system.transport.device.leads):
        attributes = {"units": "eV", "long_name": f"bands of lead {k}"}
        found = found.assign({f"bands_{k}": (("momentum", f"band_{k}"), negfadj.bands(lead, momenta), attributes)})
    return found
