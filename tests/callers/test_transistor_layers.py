"""Joined layers: the same device in other blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import negfadj as na
from negfadj.callers.transistor_layers import joined_layers
from negfadj.errors import InputError
from negfadj.models.nanotube import zigzag_modes

ENERGIES = np.array([-1.3, 0.4, 0.9, 2.1])


def tube() -> na.Device:
    steps = 0.3 * np.sin(np.arange(12.0))
    return zigzag_modes(7, n_rings=12, n_pairs=2, potential_energy=steps).device


@pytest.mark.parametrize("n_joined", [1, 4, 5])
def test_joined_layers_are_the_same_device(n_joined: int) -> None:
    device = tube()
    joined = joined_layers(device, n_joined)
    assert joined.hamiltonian.n_blocks == -(-12 // n_joined)
    np.testing.assert_array_equal(joined.hamiltonian.to_dense(), device.hamiltonian.to_dense())
    np.testing.assert_allclose(na.transmission(joined, ENERGIES), na.transmission(device, ENERGIES), atol=1e-10)
    found = na.lead_density(joined, ENERGIES, source=1)
    np.testing.assert_allclose(found, na.lead_density(device, ENERGIES, source=1), atol=1e-10)


@pytest.mark.parametrize("n_joined", [0, 12])
def test_a_number_of_layers_that_leaves_none_or_one_is_refused(n_joined: int) -> None:
    with pytest.raises(InputError, match=f"n_joined = {n_joined} of 12 layers; join 1 to 11 of them"):
        joined_layers(tube(), n_joined)


def test_a_lead_in_the_middle_is_refused() -> None:
    device = tube()
    moved = replace(device, leads=(device.leads[0], replace(device.leads[1], block=5)))
    with pytest.raises(InputError, match="a lead touches layer 5 of 12"):
        joined_layers(moved, 4)
