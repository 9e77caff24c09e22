"""A lower bound of all states of a device and its leads, from the norms of blocks.

Block by block (Gershgorin): with B = H − λ S, no state lies below λ when every diagonal block satisfies

    λ_min(B_ii) ≥ Σ_{j≠i} ‖B_ij‖.

λ is sought in growing steps below the levels of the diagonal blocks.

Sources: D. G. Feingold, R. S. Varga, Pacific J. Math. 12, 1241 (1962), Theorem 2.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as host

from ..array import to_numpy
from ..data import Device, SelfEnergy
from ..errors import InputError
from .band_edges import band_extent

MOST_STEPS = 40


def lowest_energy(device: Device) -> float:
    """E_min [eV]: no state of the device with its leads lies below.

    Raises
    ------
    InputError
        When the overlaps between blocks are too large for the bound to exist.
    """
    rows = _rows(device)
    start = min(float(host.linalg.eigvals(host.linalg.solve(s, h)).real.min()) for h, s, _ in rows)
    step = 0.5
    for _ in range(MOST_STEPS):
        if all(_is_above(row, start - step) for row in rows):
            return start - step
        step *= 1.3
    raise InputError(
        "no lower bound of the spectrum follows from the blocks: the overlap of neighbouring blocks is too large; give "
        "lowest=E_min [eV], below which device and leads have no state."
    )


def is_below_spectrum(device: Device, energy: float) -> tuple[str, float] | None:
    """What has states at or below an energy, and where, by the lowest bands of leads and the lowest levels of blocks;
    None where neither shows any.

    A level of a block is a Rayleigh quotient of the whole: the spectrum begins there or below.
    """
    found = []
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, SelfEnergy):
            found.append((f"leads[{k}]", band_extent(lead)[0]))
    blocks = _rows(device)[-device.hamiltonian.n_blocks :]
    found += [
        (f"block {i} of the device", float(host.linalg.eigvals(host.linalg.solve(s, h)).real.min()))
        for i, (h, s, _) in enumerate(blocks)
    ]
    worst = min(found, key=lambda one: one[1])
    return worst if worst[1] < energy else None


def _is_above(row: Any, energy: float) -> bool:
    h, s, neighbours = row
    margin = float(host.linalg.eigvalsh(h - energy * s).min())
    return margin >= sum(float(host.linalg.norm(h_ij - energy * s_ij, 2)) for h_ij, s_ij in neighbours)


def _rows(device: Device) -> list[Any]:
    """(H_ii, S_ii, [(H_ij, S_ij) of the neighbours]) of every block of the device and of a cell of every lead."""
    h, s = device.hamiltonian, device.overlap
    diagonal = [to_numpy(x) for x in h.diagonal]
    overlap = [host.eye(len(x)) for x in diagonal] if s is None else [to_numpy(x) for x in s.diagonal]
    neighbours: list[list[Any]] = [[] for _ in diagonal]
    for i, upper in enumerate(h.upper):
        pair = (to_numpy(upper), host.zeros_like(to_numpy(upper)) if s is None else to_numpy(s.upper[i]))
        neighbours[i].append(pair)
        neighbours[i + 1].append(pair)
    rows = []
    for lead in device.leads:
        if isinstance(lead, SelfEnergy):
            neighbours[lead.block] += [(to_numpy(x), host.zeros_like(to_numpy(x))) for x in lead.self_energy]
            continue
        u = float(lead.potential_energy)

        def shifted(name: str, lead: Any = lead, u: float = u) -> Any:
            block, own = to_numpy(getattr(lead, name)), getattr(lead, f"overlap_{name}")
            if own is None:
                own = host.eye(len(block)) if name == "onsite" else host.zeros_like(block)
            return block + u * to_numpy(own), to_numpy(own)

        hopping, coupling = shifted("hopping"), shifted("coupling")
        neighbours[lead.block].append(coupling)
        rows.append((*shifted("onsite"), [hopping, max(hopping, coupling, key=lambda x: host.linalg.norm(x[0], 2))]))
    return rows + list(zip(diagonal, overlap, neighbours))
