"""Self-energies built from negfadj's own primitives."""

from __future__ import annotations

import numpy as np

import negfadj as na
from negfadj.primitives import self_energy as self_energy_primitive
from negfadj.primitives.lead_blocks import lead_blocks
from negfadj.primitives.modes import hopping_basis
from negfadj.primitives.surface import surface_green


def self_energy(lead: na.Lead, energies: np.ndarray, eta: float = 0.0) -> np.ndarray:
    """Σ of a lead at every energy: modes at η = 0, decimation at η > 0."""
    blocks = lead_blocks(lead, energies + 1j * eta)
    g = surface_green(
        blocks.onsite,
        blocks.hopping,
        blocks.hopping_back,
        method="modes" if eta == 0 else "decimation",
        basis=hopping_basis(lead.hopping, lead.overlap_hopping, complex),
        energies=energies.tolist(),
        at_real_energy=eta == 0,
    )
    return self_energy_primitive.self_energy(blocks.coupling, g, blocks.coupling_back)
