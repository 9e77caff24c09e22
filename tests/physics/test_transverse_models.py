"""T summed over transverse momenta of a tight-binding model, with the gradient to its numbers and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

import negfadj as na
from negfadj.models import ExponentialLaw, Shell, Structure, TightBinding, transport_model, transport_model_vjp
from negfadj.testing import check_vjp

BOND = 1.42
ENERGIES = np.array([-1.3, 0.8])


def sheet(n_cells: int, n_across: int) -> Structure:
    """Graphene, periodic across, armchair cells of 3 bonds along x."""
    cell = BOND * np.array([[0, 0, 0], [1, 0, 0], [1.5, np.sqrt(3) / 2, 0], [2.5, np.sqrt(3) / 2, 0]])
    shifts = [(3 * BOND * i, np.sqrt(3) * BOND * j, 0) for i in range(n_cells) for j in range(n_across)]
    positions = np.concatenate([cell + shift for shift in shifts])
    return Structure(
        ("C",) * len(positions),
        positions,
        np.diag([99.0, np.sqrt(3) * BOND * n_across, 99.0]),
        (False, True, False),
    )


MODEL = TightBinding({"C": 0.1}, (Shell(("C", "C"), BOND, 0.2, -2.7, 0.07, ExponentialLaw(3.37, BOND)),))


def test_summed_transmission_of_a_supercell_is_that_of_the_folded_grid() -> None:
    def summed(n_across: int, n_momenta: int) -> np.ndarray:
        grid = na.monkhorst_pack((1, n_momenta, 1))

        def device_at(momentum: Any) -> na.Device:
            return transport_model(sheet(4, n_across), MODEL, momentum=tuple(momentum)).device

        return na.transmission_over_momenta(device_at, grid, ENERGIES, eta=1e-4)

    np.testing.assert_allclose(summed(3, 2), 3 * summed(1, 6), rtol=1e-8)


def test_summed_transmission_gradient_to_model_and_positions_agrees_with_differences() -> None:
    grid, plain = na.monkhorst_pack((1, 4, 1)), sheet(5, 1)
    rng = np.random.default_rng(0)
    positions = plain.positions + 0.02 * rng.normal(size=plain.positions.shape)
    options = {"period": (3 * BOND,) * 2, "tolerance": 0.3, "onsite_energy": 0.5 * rng.normal(size=plain.n_atoms)}

    def structure(positions: np.ndarray) -> Structure:
        return Structure(plain.symbols, positions, plain.cell, plain.periodic)

    def value(positions: np.ndarray, model: TightBinding) -> np.ndarray:
        def device_at(momentum: Any) -> na.Device:
            return transport_model(structure(positions), model, momentum=tuple(momentum), **options).device

        return na.transmission_over_momenta(device_at, grid, ENERGIES, eta=1e-3)

    def value_vjp(positions: np.ndarray, model: TightBinding):  # type: ignore[no-untyped-def]
        def device_at(momentum: Any):  # type: ignore[no-untyped-def]
            made, pullback = transport_model_vjp(structure(positions), model, momentum=tuple(momentum), **options)
            return made.device, pullback

        found, pullback = na.transmission_over_momenta_vjp(device_at, grid, ENERGIES, eta=1e-3)

        def both(bar: np.ndarray) -> tuple[np.ndarray, TightBinding]:
            model_bar = pullback(bar).device_at
            return model_bar.structure.positions, model_bar.model

        return found, both

    check_vjp(value, value_vjp, (positions, MODEL), step=1e-4, rtol=1e-7)
