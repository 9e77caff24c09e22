"""The neutrality level of a lead: against the charge of a device cut from it, and its derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from negfadj.array import rebuild
from negfadj.errors import InputError
from negfadj.models.nanotube import zigzag_modes
from negfadj.physics.charge import charge
from negfadj.physics.neutral_lead import neutral_lead

TUBE = zigzag_modes(13, n_rings=6, n_pairs=2)
N = 4.0 + 0.1  # both spins of two modes on two rings: half filled, and doped


def level(electrons: float = N, mu: float = 0.1, temperature: float = 300.0) -> float:
    options = {"chemical_potential": mu, "temperature": temperature}
    return neutral_lead(TUBE.device.leads[0], electrons, **options).potential_energy


def test_neutral_lead_holds_its_electrons_in_every_cell() -> None:
    u = level()
    shifted = zigzag_modes(
        13, n_rings=6, n_pairs=2, potential_energy=np.full(6, u), lead_potential_energy=(u, u)
    ).device
    found = charge(shifted, 0.1, temperature=300.0, error=1e-10).populations
    np.testing.assert_allclose(found.reshape(3, -1).sum(axis=1), N, atol=1e-9)


def test_neutral_lead_of_a_half_filled_tube_is_at_the_chemical_potential() -> None:
    assert abs(level(4.0) - 0.1) < 1e-9  # the slope of N is small in the gap: 1e-15 / (dN/dμ)


def test_neutral_lead_does_not_count_the_lead_s_own_potential_energy() -> None:
    lead = rebuild(TUBE.device.leads[0], potential_energy=0.7)
    assert neutral_lead(lead, N, chemical_potential=0.1, temperature=300.0).potential_energy == level()


@pytest.mark.parametrize(
    ("name", "start", "step"), [("electrons", N, 1e-4), ("mu", 0.1, 1e-3), ("temperature", 300.0, 0.1)]
)
def test_neutral_lead_has_its_derivatives(name: str, start: float, step: float) -> None:
    found = neutral_lead(TUBE.device.leads[0], N, chemical_potential=0.1, temperature=300.0)
    by = {"electrons": found.by_electrons, "mu": found.by_chemical_potential, "temperature": found.by_temperature}[name]

    def quotient(h: float) -> float:
        return (level(**{name: start + h}) - level(**{name: start - h})) / (2 * h)

    richardson = (4 * quotient(step / 2) - quotient(step)) / 3
    assert np.isclose(by, richardson, rtol=1e-7)


@pytest.mark.parametrize("electrons", [0.0, 8.0, -1.0])
def test_neutral_lead_refuses_what_its_bands_cannot_hold(electrons: float) -> None:
    with pytest.raises(InputError, match="holds between 0 and 8"):
        level(electrons)


def test_neutral_lead_refuses_zero_temperature() -> None:
    with pytest.raises(InputError, match="temperature"):
        level(temperature=0.0)


