"""Layers joined into larger ones: the same device, with fewer and larger blocks.

A sweep over N layers of n orbitals takes N steps of n³ operations. Where n is a few, the steps cost more than their
operations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from ..data import BlockTridiagonal, Device
from ..errors import InputError
from ..typing import Array


def joined_layers(device: Device, n_joined: int) -> Device:
    """A device with every `n_joined` neighbouring layers made one, the orbitals in their order.

    Parameters
    ----------
    device : Device
        Orthogonal, with leads at its two ends.
    n_joined : int
        The last block holds those that are left over.

    Returns
    -------
    Device

    Raises
    ------
    InputError
        For fewer than one layer in a block, or one block for all of them; for a lead in the middle.
    """
    h = device.hamiltonian
    if not 1 <= n_joined < h.n_blocks:
        raise InputError(f"n_joined = {n_joined} of {h.n_blocks} layers; join 1 to {h.n_blocks - 1} of them.")
    sizes = np.add.reduceat(h.block_sizes, np.arange(0, h.n_blocks, n_joined)).tolist()
    hamiltonian = BlockTridiagonal.from_sparse(csr_array(h.to_dense()), sizes, hermitian=h.is_hermitian)
    return Device(hamiltonian, tuple(_lead(lead, sizes, h.n_blocks) for lead in device.leads))


def _lead(lead: Any, sizes: list[int], n_layers: int) -> Any:
    """The lead with zeros in its coupling for the layers that it does not touch."""
    if lead.block not in (0, -1, n_layers - 1):
        raise InputError(f"a lead touches layer {lead.block} of {n_layers}; layers can be joined between two leads.")
    if lead.block == 0:
        return replace(lead, coupling=_padded(lead.coupling, (0, sizes[0] - lead.coupling.shape[0])))
    return replace(lead, coupling=_padded(lead.coupling, (sizes[-1] - lead.coupling.shape[0], 0)), block=-1)


def _padded(coupling: Array, rows: tuple[int, int]) -> Array:
    padded: Array = np.pad(coupling, (rows, (0, 0)))
    return padded
