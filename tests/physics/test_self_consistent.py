"""The self-consistent loop: brute force, identities of physics, screening, repeatability, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from biased_devices import chain, random_device
from negf_poisson_oracle import solve

import negfadj as na
from negfadj.constants import BOLTZMANN, CURRENT_PER_EV, VACUUM_PERMITTIVITY
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.regions import Box
from negfadj.errors import ConvergenceError, InputError, InputTypeError, ShapeError
from negfadj.physics.potential import device_in_potential
from negfadj.physics.self_consistent import SelfConsistencyError, Solution, self_consistent, self_consistent_vjp

N, SPACING = 10, 2.0
NEUTRAL = np.where(np.arange(N) < N // 2, 1.1, 0.9)


def plates(n: int = N) -> ParallelPlates:
    x = SPACING * np.arange(n) + 3.0
    return ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=1.2, distance=float(x[-1] + 3.0))


def solved(**changes: Any) -> Solution:
    given: dict[str, Any] = {"bias": 0.3, "temperature": 600.0, "neutral": NEUTRAL}
    return self_consistent(chain(N), plates(), **(given | changes))


def overlapping(**changes: Any) -> Solution:
    given: dict[str, Any] = {"bias": 0.2, "temperature": 1000.0, "neutral": 0.8, "device": random_device()}
    given |= changes
    return self_consistent(given.pop("device"), plates(8), **given)


def test_self_consistent_chain_is_that_of_dense_brute_force() -> None:
    field = plates()
    potential, charge = solve(field.positions[:, 0], 1.2, field.distance, 0.3, 600.0, -1.0, NEUTRAL)
    found = solved()
    assert np.abs(potential).max() > 0.1
    np.testing.assert_allclose(found.potential, potential, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.charge, charge, rtol=0, atol=1e-8)


def test_newton_and_anderson_find_the_same_potential() -> None:
    newton, mixed = solved(), solved(method="anderson", mixing=0.2)
    np.testing.assert_allclose(mixed.potential, newton.potential, rtol=0, atol=2e-8)
    assert newton.iterations <= 5 and newton.evaluations < mixed.evaluations


def test_solution_satisfies_its_equations() -> None:
    found, field = solved(), plates()
    again = na.physics.charge.charge(found.device, found.chemical_potentials, temperature=600.0, error=1e-9)
    np.testing.assert_allclose(again.populations, found.populations, rtol=0, atol=3e-9)
    np.testing.assert_allclose(found.charge, NEUTRAL - found.populations, rtol=0, atol=1e-15)
    np.testing.assert_allclose(field.potential(found.charge, [-0.15, 0.15]), found.potential, rtol=0, atol=1e-8)
    assert found.residual == found.history[-1] <= 1e-8 and len(found.history) == found.iterations + 1


def test_half_filled_chain_without_bias_is_neutral_everywhere() -> None:
    found = solved(bias=0.0, neutral=1.0)
    assert np.abs(found.charge).max() <= 1e-8 and np.abs(found.potential).max() <= 1e-7


@pytest.mark.parametrize("solve_it", [solved, overlapping])
def test_zero_bias_gives_zero_current(solve_it: Any) -> None:
    assert abs(solve_it(bias=0.0).current) <= 1e-12


def test_current_changes_its_sign_with_the_bias_of_a_symmetric_device() -> None:
    forward, backward = solved(neutral=1.0), solved(neutral=1.0, bias=-0.3)
    assert forward.current > 1 and np.isclose(forward.current, -backward.current, rtol=1e-8)
    np.testing.assert_allclose(forward.potential, backward.potential[::-1], rtol=0, atol=1e-8)


def test_current_is_the_same_through_every_slice() -> None:
    found, kt = solved(), 600 * BOLTZMANN
    # the window decays at both ends and T is smooth in it: the trapezoidal rule converges exponentially
    energies = np.linspace(-0.15 - 40 * kt, 0.15 + 40 * kt, 1201)
    energies = energies[np.abs(energies) < 1.8]
    f = [1 / (1 + np.exp((energies - mu) / kt)) for mu in found.chemical_potentials]
    weights = CURRENT_PER_EV * (energies[1] - energies[0]) * (f[0] - f[1])
    flow = weights @ na.bond_current(found.device, energies)
    a, b = found.device.bonds.T
    for cut in range(1, N):
        crossing = (a < cut) & (b >= cut)
        assert np.isclose(abs(flow[crossing].sum()), found.current, rtol=1e-8)


@pytest.mark.parametrize("device", [None, pytest.param("overlap", marks=pytest.mark.slow)])
def test_rigid_shift_of_everything_leaves_charge_and_potential_unchanged(device: str | None) -> None:
    u = 0.37
    base = chain(N) if device is None else random_device()
    lifted = device_in_potential(base, np.full(base.n_orbitals, u), [u, u])
    given: dict[str, Any] = {"bias": 0.2, "temperature": 1000.0, "neutral": 0.9}
    field = plates(base.n_orbitals)
    before = self_consistent(base, field, **given)
    after = self_consistent(lifted, field, fermi_energy=u, **given)
    np.testing.assert_allclose(after.potential, before.potential, rtol=0, atol=5e-8)
    np.testing.assert_allclose(after.charge, before.charge, rtol=0, atol=1e-8)
    assert np.isclose(after.current, before.current, rtol=1e-7)


def test_solution_in_equilibrium_does_not_depend_on_the_lead_taken() -> None:
    first, second = (overlapping(bias=0.0, equilibrium=k) for k in (0, 1))
    np.testing.assert_allclose(first.potential, second.potential, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_both_choices_of_the_lead_in_equilibrium_agree_under_bias() -> None:
    # the occupation of a state is wrong by 1e-9, an orbital's window by 1e-9; P amplifies by about 10 V/e
    first, second = (overlapping(equilibrium=k) for k in (0, 1))
    np.testing.assert_allclose(first.charge, second.charge, rtol=0, atol=2e-8)
    np.testing.assert_allclose(first.potential, second.potential, rtol=0, atol=2e-7)
    assert np.isclose(first.current, second.current, rtol=1e-6)


def test_charge_sheet_in_a_stack_is_screened_over_the_thomas_fermi_length() -> None:
    # every site stands for a sheet of area A: φ'' = φ/λ², λ² = ε₀ A a/(dn/dE), dn/dE = 1/(π t) a site, both spins
    t, a, n, at = 1.0, 1.5, 41, 20
    length, wanted = (n + 1) * a, 6 * a
    area = wanted**2 / (np.pi * t * VACUUM_PERMITTIVITY * a)
    side = np.sqrt(area)
    x = a * (np.arange(n) + 1)
    field = FiniteVolumePoisson(
        Grid(np.linspace(0, length, 4 * (n + 1) + 1), [0, side], [0, side], periodic=(False, True, True)),
        np.column_stack((x, 0 * x, 0 * x)),
        width=1.0,
        conductors=(Conductor("left", Box(x=(-1, 0))), Conductor("right", Box(x=(length, length + 1)))),
    )
    neutral = np.ones(n)
    neutral[at] += 1e-3
    found = self_consistent(chain(n), field, bias=0.0, temperature=1000.0, neutral=neutral)
    smooth = (found.potential[:-1] + found.potential[1:]) / 2  # 2k_F = π/a: Friedel's oscillations alternate
    distance = (x[:-1] + a / 2 - x[at])[at + 2 :]
    shape = np.sinh((length - x[at] - distance) / wanted)
    ratio = smooth[at + 2 :] / shape
    assert smooth[at + 2] > 10 * smooth[-4] > 0
    np.testing.assert_allclose(ratio[:12], ratio[:12].mean(), rtol=0.03)


def test_solution_is_the_same_bit_for_bit() -> None:
    first, second = solved(), solved()
    assert first.potential.tobytes() == second.potential.tobytes()
    assert first.current == second.current and first.history == second.history


@pytest.mark.slow
def test_solution_and_gradient_do_not_depend_on_the_memory_limit() -> None:
    given: dict[str, Any] = {"bias": 0.2, "temperature": 1000.0, "neutral": 0.8}
    found = []
    for limit in (None, 4e5):  # the second keeps no factors and does a few energies at a time
        solution, pullback = self_consistent_vjp(random_device(), plates(8), memory_limit=limit, **given)
        found.append((solution, pullback(current=1.0)))
    (first, first_bar), (second, second_bar) = found
    np.testing.assert_allclose(first.potential, second.potential, rtol=0, atol=1e-10)
    assert np.isclose(first.current, second.current, rtol=1e-10)
    assert np.isclose(first_bar.bias, second_bar.bias, rtol=1e-9)
    np.testing.assert_allclose(first_bar.neutral, second_bar.neutral, rtol=1e-8, atol=1e-10)


def test_start_from_a_neighbouring_bias_needs_few_steps() -> None:
    before = solved()
    assert solved(initial=before).iterations == 0
    assert solved(initial=before, bias=0.35).iterations <= 4
    assert np.allclose(solved(initial=before.potential, bias=0.35).potential, solved(bias=0.35).potential, atol=2e-8)


def test_unconverged_loop_raises_with_its_history_and_sites() -> None:
    for method in ("newton", "anderson"):
        with pytest.raises(SelfConsistencyError, match=r"did not converge.*largest at sites") as caught:
            solved(method=method, max_iterations=1)
        error = caught.value
        assert isinstance(error, ConvergenceError)
        assert len(error.history) == 2 and error.residual == min(error.history) > 1e-8
        worst = int(np.argmax(np.abs(error.residual_vector)))
        assert error.sites[0] == worst and f"sites {worst} (" in str(error)


def test_potential_below_the_bound_of_the_poles_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = solved()
    monkeypatch.setattr("negfadj.physics.self_consistent_problem.LOWER_MARGIN", 0.0)
    with pytest.raises(InputError, match=r"states may lie below .* give lowest="):
        solved()
    np.testing.assert_allclose(solved(lowest=-12.0).potential, usual.potential, rtol=0, atol=5e-8)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"neutral": np.ones(3)}, ShapeError, r"neutral has shape \(3,\) but there are 10 sites"),
        ({"sites": np.arange(9)}, ShapeError, r"sites has shape \(9,\)"),
        ({"sites": np.arange(10) + 1}, InputError, "sites go from 1 to 10"),
        ({"sites": np.arange(10.0)}, InputTypeError, "sites has dtype float64"),
        ({"bias": None}, InputError, "bias is None and no chemical_potentials"),
        ({"chemical_potentials": [0.0]}, ShapeError, r"chemical_potentials has shape \(1,\)"),
        ({"temperature": 0.0}, InputError, "temperature=0.0 must be one positive number"),
        ({"method": "picard"}, InputError, "method='picard' is not known"),
        ({"initial": np.zeros(4)}, ShapeError, r"initial has shape \(4,\)"),
        ({"bias": [0.1, 0.2]}, ShapeError, r"bias has shape \(2,\)"),
        ({"bias": 0.1, "chemical_potentials": [0.1, 0.0]}, InputError, "bias=0.1 and chemical_potentials are both"),
        ({"spin_degeneracy": -1.0}, InputError, "spin_degeneracy=-1 must be positive"),
        ({"spin_degeneracy": 0}, InputError, "spin_degeneracy=0 must be positive"),
        ({"spin_degeneracy": np.nan}, InputError, "spin_degeneracy=nan must be finite"),
        ({"spin_degeneracy": np.inf}, InputError, "spin_degeneracy=inf must be finite"),
        ({"spin_degeneracy": "a"}, InputTypeError, "spin_degeneracy='a' must be real numbers"),
        ({"sites": [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]}, InputError, "site 9 has no orbital but neutral=0.9"),
        ({"max_iterations": -1}, InputError, "max_iterations=-1 must be a whole number, 1 or more"),
        ({"max_iterations": 2.5}, InputError, "max_iterations=2.5 must be a whole number"),
        ({"mixing": 0}, InputError, "mixing=0 must be above 0"),
    ],
)
def test_self_consistent_refuses_what_has_no_meaning(changes: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        solved(**changes)


def test_sites_are_the_orbitals_only_where_they_are_as_many() -> None:
    with pytest.raises(InputError, match="9 orbitals and electrostatics has 10 sites; give sites"):
        self_consistent(chain(N - 1), plates(), neutral=1.0)
    neutral = np.where(np.arange(N) < N - 1, 1.0, 0.0)  # a site without orbitals that holds nothing
    found = self_consistent(chain(N - 1), plates(), neutral=neutral, sites=np.arange(N - 1))
    assert found.charge[-1] == 0 and found.residual < 1e-8


def test_self_consistent_refuses_other_objects() -> None:
    with pytest.raises(InputTypeError, match="device is a ndarray"):
        self_consistent(np.eye(3), plates(), neutral=1.0)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="electrostatics is a float"):
        self_consistent(chain(N), 1.0, neutral=1.0)  # type: ignore[arg-type]


def test_pullback_refuses_a_cotangent_of_another_shape() -> None:
    _, pullback = self_consistent_vjp(chain(N), plates(), bias=0.0, temperature=600.0, neutral=1.0)
    with pytest.raises(ShapeError, match=r"cotangent potential has shape \(3,\) but .* shape \(10,\)"):
        pullback(potential=np.zeros(3))


def test_pullback_refuses_cotangents_without_meaning() -> None:
    _, pullback = self_consistent_vjp(chain(N), plates(), bias=0.0, temperature=600.0, neutral=1.0)
    for given, error, message in (
        ({"current": "a"}, InputTypeError, "cotangent current='a' must be real"),
        ({"current": [1, 2]}, ShapeError, r"cotangent current has shape \(2,\)"),
        ({"current": 1j}, InputTypeError, "cotangent current=1j must be real"),
        ({"current": float("nan")}, InputError, "cotangent current=nan must be finite"),
        ({"device": 3}, InputTypeError, "cotangent device has a int"),
        ({"device": [None]}, InputTypeError, "cotangent device has a list"),
    ):
        with pytest.raises(error, match=message):
            pullback(**given)


def test_bias_without_conductors_that_follow_the_leads_is_refused_unless_said() -> None:
    x = SPACING * (np.arange(4) + 1.0)
    given: dict[str, Any] = {
        "grid": Grid([0, 2, 4], [0, 2, 4], np.linspace(0, 10, 6), (True, True, False)),
        "positions": np.column_stack((0 * x + 2, 0 * x + 2, x)),
        "width": 2.0,
        "conductors": (Conductor("left", Box(z=(-1, 0))), Conductor("right", Box(z=(10, 11)))),
    }
    loop: dict[str, Any] = {"temperature": 600.0, "neutral": 1.0}
    with pytest.raises(InputError, match=r"no lead_conductors say which of the conductors 'left', 'right'"):
        self_consistent(chain(4), FiniteVolumePoisson(**given), bias=0.2, **loop)
    assert self_consistent(chain(4), FiniteVolumePoisson(**given), **loop).residual < 1e-8
    alone = self_consistent(chain(4), FiniteVolumePoisson(**given, lead_conductors=(None, None)), bias=0.2, **loop)
    joined = self_consistent(
        chain(4), FiniteVolumePoisson(**given, lead_conductors=("left", "right")), bias=0.2, **loop
    )
    assert joined.current > 0 and np.max(np.abs(joined.potential - alone.potential)) > 0.02


def test_charge_error_is_the_difference_between_two_choices_of_the_lead_in_equilibrium() -> None:
    newton, mixed = solved(error=1e-7), solved(error=1e-7, method="anderson")
    again = na.physics.charge.charge(newton.device, newton.chemical_potentials, temperature=600.0, error=1e-7)
    assert 0 < newton.charge_error < 1e-5 and 0 < mixed.charge_error < 1e-5
    assert newton.charge_error <= 2 * float(np.max(again.error)) + 1e-7
    assert solved(bias=0.0).charge_error == 0


def test_charge_error_shows_a_bound_state_between_the_chemical_potentials() -> None:
    """A site that no lead reaches: one choice fills its level, the other does not."""
    one = np.ones((1, 1))
    leads = tuple(na.Lead(0 * one, -one, block=k) for k in (0, -1))
    hopping = np.diag([-1.0, 0.0])
    cut = na.Device(
        na.BlockTridiagonal(
            [0 * one, np.zeros((2, 2)), np.zeros((2, 2)), 0 * one],
            [np.array([[-1.0, 0.0]]), hopping, np.array([[-1.0], [0.0]])],
        ),
        leads,
    )
    x = np.array([3.0, 5.0, 5.0, 7.0, 7.0, 9.0])
    field = ParallelPlates(np.column_stack((x, [0, 0, 6, 0, 6, 0], 0 * x)), 1.2, 12.0, relative_permittivity=10.0)
    found = self_consistent(cut, field, bias=0.4, temperature=300.0, neutral=1.0)
    assert found.charge_error == pytest.approx(2.0, abs=0.1)


def test_unconverged_loop_names_no_argument_that_it_does_not_take() -> None:
    for method in ("newton", "anderson"):
        with pytest.raises(SelfConsistencyError) as caught:
            solved(method=method, max_iterations=1)
        for word in ("max_step", "preconditioner", "pseudo_transient"):
            assert word not in str(caught.value)
