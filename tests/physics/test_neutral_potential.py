"""The potential that the loop starts from: the local model's own limits, and what it saves."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as host
import numpy as np
import pytest
from biased_devices import chain

from negfadj.electrostatics.plates import ParallelPlates
from negfadj.errors import ConvergenceError, InputError
from negfadj.physics.neutral_potential import OCCUPATION_ERROR, RUNG, neutral_potential
from negfadj.physics.sector import Sector
from negfadj.physics.self_consistent import self_consistent
from negfadj.physics.self_consistent_problem import SelfConsistentProblem, self_consistent_problem

N = 10


class Screened:
    """Every site for itself: φ = c q + φ_ext."""

    def __init__(self, strength: float, external: Any = 0.0) -> None:
        self.n_sites, self.strength, self.external = N, strength, external

    def potential(self, charge: Any, lead_voltages: Any = ()) -> Any:
        return self.strength * charge + self.external

    def response(self, d_charge: Any) -> Any:
        return self.strength * d_charge

    def potential_vjp(self, charge: Any, lead_voltages: Any = ()) -> Any:
        raise NotImplementedError("the guess needs no gradient")


def problem(electrostatics: Any, device: Any = None, **changes: Any) -> SelfConsistentProblem:
    given: dict[str, Any] = {
        "bias": 0.0,
        "temperature": 300.0,
        "neutral": 1.0,
        "sites": None,
        "chemical_potentials": None,
        "fermi_energy": 0.0,
        "equilibrium": "mean",
        "spin_degeneracy": 2.0,
        "eta": 0.0,
        "device_eta": 0.0,
        "lead_method": "auto",
        "memory_limit": None,
        "error": 1e-8,
        "lowest": None,
        "max_energies": 20_000,
    }
    return self_consistent_problem(chain(N) if device is None else device, electrostatics, **(given | changes))


def plates() -> ParallelPlates:
    x = 2.0 * np.arange(N) + 3.0
    return ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.2, distance=float(x[-1] + 3.0))


def test_neutral_potential_of_a_neutral_chain_is_zero() -> None:
    np.testing.assert_allclose(neutral_potential(problem(plates())), 0, atol=5 * OCCUPATION_ERROR)


@pytest.mark.parametrize("filling", [0.6, 0.9, 1.3])
def test_neutral_potential_makes_a_doped_chain_neutral_where_screening_is_strong(filling: float) -> None:
    """n = 2 − (2/π) arccos(μ/2t) of the infinite chain: φ = −2t cos(π n/2)."""
    found = neutral_potential(problem(Screened(1e3), neutral=filling))
    np.testing.assert_allclose(found, -2 * np.cos(np.pi * filling / 2), atol=RUNG**2)


def test_neutral_potential_follows_the_lead_that_is_nearest() -> None:
    """Both halves neutral at their own μ_k = ±V/2: φ falls by V between them."""
    level = -2 * np.cos(np.pi * 0.45)
    found = neutral_potential(problem(Screened(1e3), neutral=0.9, bias=0.4))
    np.testing.assert_allclose(found, level + np.repeat([-0.2, 0.2], N // 2), atol=RUNG**2)


def test_neutral_potential_is_that_of_the_gates_where_nothing_screens() -> None:
    external = np.linspace(-0.5, 1.0, N)
    np.testing.assert_allclose(neutral_potential(problem(Screened(1e-6, external), neutral=0.7)), external, atol=1e-3)


def test_neutral_potential_counts_every_sector_with_its_weight() -> None:
    parts = [Sector(chain(N), 0.25), Sector(chain(N), 0.75)]
    whole = neutral_potential(problem(plates(), neutral=0.8))
    np.testing.assert_allclose(neutral_potential(problem(plates(), parts, neutral=0.8)), whole, atol=1e-10)
    assert host.max(host.abs(whole)) > 0.1


@pytest.mark.parametrize("bias", [0.0, 0.4])
def test_loop_starts_nearer_from_the_neutral_potential_than_from_zero(bias: float) -> None:
    neutral = np.where(np.arange(N) < N // 2, 1.3, 0.7)
    given: dict[str, Any] = {"bias": bias, "temperature": 600.0, "neutral": neutral, "tolerance": 1e-7, "error": 1e-7}
    from_zero = self_consistent(chain(N), plates(), initial="zero", **given)
    from_neutral = self_consistent(chain(N), plates(), **given)
    assert from_neutral.history[0] < 0.5 * from_zero.history[0]
    assert from_neutral.evaluations <= from_zero.evaluations
    np.testing.assert_allclose(from_neutral.potential, from_zero.potential, rtol=0, atol=1e-6)
    named = self_consistent(chain(N), plates(), initial="neutral", **given)
    np.testing.assert_array_equal(named.potential, from_neutral.potential)


def test_start_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match='initial=\'warm\' is not known; use "neutral"'):
        self_consistent(chain(N), plates(), neutral=1.0, initial="warm")


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": 0.05, "temperature": 10.0, "neutral": 0.1, "fermi_energy": -1.975},
        {"bias": 6.0},
        {"neutral": -1.0},
        {"neutral": 3.0},
    ],
    ids=["n-type at 10 K", "bias beyond the band", "negative", "overfull"],
)
def test_default_start_works_where_its_rungs_lie_beyond_all_bands(changes: dict[str, Any]) -> None:
    x = 2.5 * np.arange(1, 8)
    field = ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), 1.2, 20.0, relative_permittivity=10.0)
    given: dict[str, Any] = {"temperature": 300.0, "neutral": 1.0, "error": 1e-6, "tolerance": 1e-6} | changes
    found = self_consistent(chain(7), field, **given)
    assert found.residual <= 1e-6
    np.testing.assert_allclose(
        found.potential, self_consistent(chain(7), field, initial="zero", **given).potential, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("error", [ConvergenceError("a lead fails"), InputError("too far above the lowest energy")])
def test_neutral_potential_is_zero_where_a_rung_cannot_be_found(monkeypatch: Any, error: Exception) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    here = problem(plates(), neutral=0.8)
    monkeypatch.setattr("negfadj.physics.neutral_potential.charge_problem", failing)
    np.testing.assert_array_equal(neutral_potential(here), np.zeros(N))
