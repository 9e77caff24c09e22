"""What a job is about to compute, in a few lines: device, leads, memory."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..data import Device
from ..models.structure import formula
from .job_run import LARGEST_BATCH
from .job_system import JobSystem

COMPLEX_BYTES = 16


def device_rows(system: JobSystem) -> list[tuple[str, str]]:
    """Pairs (what, value) that describe the device of a job."""
    transport, settings = system.transport, system.job.settings
    sizes = transport.partition.block_sizes
    energies = system.energies
    rows = [
        ("structure", f"{settings.structure.file}: {formula(transport.structure)}"),
        ("model", system.model.title),
        ("source", system.model.source),
    ]
    for number, (lead, n) in enumerate(zip(transport.leads, transport.cells_per_layer)):
        cell = f"{len(lead.atoms)} atoms, period {lead.period:.4f} Å, mismatch {lead.mismatch:.1e} Å"
        cell += f", {n} cell{'s' if n > 1 else ''} a principal layer"
        rows.append((f"lead {number} ({lead.side})", cell))
    return [
        *rows,
        ("blocks", f"{len(sizes)} of {_sizes(sizes)} orbitals"),
        ("disorder", _range(system.onsite_energy)),
        ("gates", _range(system.potential_energy)),
        ("energies", f"{len(energies)} from {energies[0]:g} to {energies[-1]:g} eV, eta = {settings.leads.eta:g} eV"),
        ("memory", f"about {estimated_bytes(system) / 2**20:.0f} MiB"),
    ]


def estimated_bytes(system: JobSystem) -> int:
    """Memory [bytes] of one batch (Green's function blocks and their adjoints) and of the results.

    16 bytes × energies of a batch × (8 Σ n² of the device + 24 n² of each lead) + 8 bytes × 2 maps.
    """
    return device_bytes(system.transport.device, len(system.energies))


def device_bytes(device: Device, n_energies: int) -> int:
    """`estimated_bytes` of any device at so many energies."""
    lead_entries: int = sum(lead.n_orbitals**2 for lead in device.leads)
    blocks = 8 * sum(n * n for n in device.hamiltonian.block_sizes) + 24 * lead_entries
    return COMPLEX_BYTES * min(LARGEST_BATCH, n_energies) * blocks + 8 * 2 * n_energies * device.n_orbitals


def _sizes(sizes: tuple[int, ...]) -> str:
    counted = sorted(Counter(sizes).items())
    if len(counted) <= 3:
        return ", ".join(f"{size} ({count} ×)" if len(counted) > 1 else str(size) for size, count in counted)
    return f"{counted[0][0]} … {counted[-1][0]}"


def _range(values: np.ndarray) -> str:
    changed = values[values != 0]
    return f"{len(changed)} atoms, {changed.min():+.3f} … {changed.max():+.3f} eV" if len(changed) else "none"
