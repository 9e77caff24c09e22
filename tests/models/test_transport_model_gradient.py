"""The pullback from a device to the structure and the tight-binding model it was made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ribbons import BOND, armchair_ribbon

import negfadj as na
from negfadj.errors import InputTypeError, ShapeError
from negfadj.models import (
    ExponentialLaw,
    PowerLaw,
    Shell,
    Structure,
    TightBinding,
    transport_model,
    transport_model_vjp,
)
from negfadj.testing import check_vjp

PERIOD = (3 * BOND,) * 2
OPTIONS: dict[str, Any] = {"period": PERIOD, "tolerance": 0.2}
ENERGIES = np.array([-2.4, 1.9, 3.1])


def carbon(overlap: float | None = 0.073) -> TightBinding:
    law = ExponentialLaw(3.37, BOND)
    near = Shell(("C", "C"), BOND, 0.25, -2.97, overlap, law, None if overlap is None else law)
    far = Shell(("C", "C"), BOND * np.sqrt(3), 0.3, -0.073, None, law)
    return TightBinding({"C": -0.28}, (near, far, Shell(("C", "C"), 2 * BOND, 0.05, None)))


def shaken(structure: Structure, size: float = 0.01) -> Structure:
    shift = size * np.random.default_rng(0).normal(size=structure.positions.shape)
    return Structure(structure.symbols, structure.positions + shift)


def energies(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return 0.4 * rng.normal(size=n), 0.4 * rng.normal(size=n)


@pytest.mark.parametrize("overlap", [None, 0.073])
def test_transmission_gradient_to_structure_and_model_agrees_with_differences(overlap: float | None) -> None:
    structure = shaken(armchair_ribbon(3, 5))

    def energy_options(onsite: np.ndarray, potential: np.ndarray, of_leads: np.ndarray) -> dict[str, Any]:
        return {"onsite_energy": onsite, "potential_energy": potential, "lead_potential_energy": of_leads} | OPTIONS

    def value(structure: Structure, model: TightBinding, *given: np.ndarray) -> np.ndarray:
        made = transport_model(structure, model, **energy_options(*given))
        return na.transmission(made.device, ENERGIES, eta=1e-3)

    def value_vjp(structure: Structure, model: TightBinding, *given: np.ndarray):  # type: ignore[no-untyped-def]
        made, model_pullback = transport_model_vjp(structure, model, **energy_options(*given))
        found, pullback = na.transmission_vjp(made.device, ENERGIES, eta=1e-3)
        return found, lambda bar: model_pullback(pullback(bar).device)

    primals = (structure, carbon(overlap), *energies(structure.n_atoms), np.array([0.1, -0.2]))
    check_vjp(value, value_vjp, primals, step=1e-4, rtol=1e-7, arguments=[0, 1])
    check_vjp(value, value_vjp, primals, step=1e-2, rtol=1e-7, arguments=[2, 3, 4])


def test_device_gradient_agrees_with_differences_with_spin_orbit_and_transverse_momentum() -> None:
    # a strip of s and p orbitals, periodic across, two atoms a cell
    cells = np.array([[2.0 * i + dx, y, 0.0] for i in range(6) for dx, y in ((0.0, 0.1), (1.1, 1.2))])
    structure = Structure(("Sn",) * 12, cells, np.diag([99.0, 2.6, 99.0]), (False, True, False))
    hopping = {"ss_sigma": -1.0, "sp_sigma": 1.3, "pp_sigma": 2.1, "pp_pi": -0.4}
    model = TightBinding(
        {"Sn": {"s": -2.0, "p": 1.0}},
        (Shell(("Sn", "Sn"), 1.5, 0.6, hopping, law=PowerLaw(2.0, 1.5)), Shell(("Sn", "Sn"), 2.6, 0.45, None)),
        {"Sn": {"p": 0.3}},
    )
    options = {"period": (2.0, 2.0), "tolerance": 0.2, "momentum": (0.0, 0.23, 0.0)}

    def at(positions: np.ndarray) -> Structure:
        return Structure(structure.symbols, positions, structure.cell, structure.periodic)

    def value(positions: np.ndarray, model: TightBinding) -> na.Device:
        return transport_model(at(positions), model, **options).device  # type: ignore[arg-type]

    def value_vjp(positions: np.ndarray, model: TightBinding):  # type: ignore[no-untyped-def]
        made, model_pullback = transport_model_vjp(at(positions), model, **options)  # type: ignore[arg-type]

        def pullback(bar: na.Device) -> tuple[np.ndarray, TightBinding]:
            found = model_pullback(bar)
            return found.structure.positions, found.model

        return made.device, pullback

    check_vjp(value, value_vjp, (structure.positions, model), step=1e-4)


def test_gradient_to_positions_sums_to_zero_when_everything_moves_together() -> None:
    structure = shaken(armchair_ribbon(3, 5))
    made, model_pullback = transport_model_vjp(structure, carbon(), **OPTIONS)
    _, pullback = na.transmission_vjp(made.device, ENERGIES, eta=1e-3)
    bar = model_pullback(pullback(np.ones(3)).device).structure.positions
    assert np.abs(bar).max() > 1e-2
    np.testing.assert_allclose(bar.sum(axis=0), 0, atol=1e-10)


def test_gradient_to_a_strain_counts_the_leads_periods() -> None:
    plain, onsite = armchair_ribbon(3, 5), energies(30)[0]

    def stretched(strain: float) -> Structure:
        return Structure(plain.symbols, plain.positions * [1 + strain, 1, 1])

    def value(strain: float) -> float:
        made = transport_model(stretched(strain), carbon(), onsite_energy=onsite)
        return float(na.transmission(made.device, 1.9, eta=1e-3))

    made, model_pullback = transport_model_vjp(plain, carbon(), onsite_energy=onsite)
    _, pullback = na.transmission_vjp(made.device, 1.9, eta=1e-3)
    bar = model_pullback(pullback(1.0).device)
    periods = np.array([lead.period for lead in made.leads])
    found = bar.structure.positions[:, 0] @ plain.positions[:, 0] + bar.lead_period @ periods
    np.testing.assert_allclose(found, (value(1e-5) - value(-1e-5)) / 2e-5, rtol=1e-6)


def test_gradient_to_a_rigid_potential_is_that_of_the_energies() -> None:
    # U the same on every device atom and both leads is a shift of all energies: dT/dE = −Σ dT/dU
    structure = shaken(armchair_ribbon(3, 5))
    _, potential = energies(structure.n_atoms)
    made, model_pullback = transport_model_vjp(
        structure, carbon(), potential_energy=potential, lead_potential_energy=[0.1, -0.2], **OPTIONS
    )
    _, pullback = na.transmission_vjp(made.device, ENERGIES, eta=1e-3)
    bar = pullback(np.ones(3))
    by_energy = model_pullback(bar.device)
    shift = by_energy.potential_energy.sum() + by_energy.lead_potential_energy.sum()
    np.testing.assert_allclose(shift, -bar.energies.sum(), rtol=1e-9)


def test_a_rigid_potential_with_the_leads_is_a_shift_of_the_energies() -> None:
    structure, u = shaken(armchair_ribbon(3, 5)), 0.37
    moved = transport_model(
        structure,
        carbon(),
        potential_energy=np.full(structure.n_atoms, u),
        lead_potential_energy=[u, u],
        **OPTIONS,
    )
    plain = transport_model(structure, carbon(), **OPTIONS)
    np.testing.assert_allclose(
        na.transmission(moved.device, ENERGIES + u, eta=1e-3),
        na.transmission(plain.device, ENERGIES, eta=1e-3),
        rtol=1e-9,
    )


def test_pullback_refuses_the_cotangent_of_another_device() -> None:
    made, pullback = transport_model_vjp(armchair_ribbon(3, 5), carbon(), **OPTIONS)
    other = transport_model(armchair_ribbon(4, 5), carbon(), **OPTIONS)
    with pytest.raises(ShapeError, match="the cotangent has blocks of sizes"):
        pullback(other.device)
    partial = na.transmission_vjp(made.device, ENERGIES, eta=1e-3)[1](np.ones(3), wrt="onsite").device
    with pytest.raises(InputTypeError, match='wrt="all"'):
        pullback(partial)


def cross() -> Structure:
    """A cross of two chains of 9 atoms that share their middle."""
    along = np.arange(-4, 5) * 1.5
    horizontal = np.stack((along, 0 * along, 0 * along), axis=1)
    vertical = np.delete(horizontal[:, [1, 0, 2]], 4, axis=0)
    return Structure(("C",) * 17, np.concatenate((horizontal, vertical)))


FOUR = (("x", "left"), ("x", "right"), ("y", "left"), ("y", "right"))


def test_four_ends_make_four_leads_with_the_closed_form_of_a_cross() -> None:
    # four half chains on one site: G₀₀ = 1/(E − 4 t² g), T = |Γ G|² between any two
    chain = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.5, 0.1, -1.0), Shell(("C", "C"), 2.12, 0.02, None)))
    made = transport_model(cross(), chain, ends=FOUR)
    found = na.transmission_matrix(made.device, 0.5)
    g = (0.5 - 1j * np.sqrt(4 - 0.25)) / 2
    expected = abs(-2 * g.imag / (0.5 - 4 * g)) ** 2
    np.testing.assert_allclose(found[~np.eye(4, dtype=bool)], expected, rtol=1e-12)


def test_four_leads_have_gradients() -> None:
    chain = TightBinding(
        {"C": 0.0},
        (Shell(("C", "C"), 1.5, 0.3, -1.0, None, PowerLaw(2.0, 1.5)), Shell(("C", "C"), 2.12, 0.3, None)),
    )
    structure = shaken(cross())
    options = {"ends": FOUR, "period": (1.5,) * 4, "tolerance": 0.2}

    def value(structure: Structure, model: TightBinding) -> np.ndarray:
        return na.transmission_matrix(transport_model(structure, model, **options).device, 0.5, eta=1e-3)  # type: ignore[arg-type]

    def value_vjp(structure: Structure, model: TightBinding):  # type: ignore[no-untyped-def]
        made, model_pullback = transport_model_vjp(structure, model, **options)  # type: ignore[arg-type]
        found, pullback = na.transmission_matrix_vjp(made.device, 0.5, eta=1e-3)
        return found, lambda bar: model_pullback(pullback(bar).device)

    check_vjp(value, value_vjp, (structure, chain), step=1e-4)
