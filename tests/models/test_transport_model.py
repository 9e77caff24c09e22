"""Leads recognised in structures, and the device they are attached to, against closed forms of ribbons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.build
import numpy as np
import pytest
from ribbons import BOND, armchair_ribbon, chain, zigzag_ribbon

import negfadj
import negfadj as na
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models import (
    LeadMatrices,
    Shell,
    Structure,
    TightBinding,
    device_from_sparse,
    in_leads,
    parameter_set,
    recognise_lead,
    tight_binding_matrices,
    transport_model,
)

DATA = Path(__file__).resolve().parents[1] / "data" / "models"
NEAREST, THIRD = parameter_set("graphene-nearest-neighbour"), parameter_set("graphene-third-neighbour")
HOPPING = 2.7  # eV, of NEAREST
FAR_CHAIN = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.0, 0.1, -1.0), Shell(("C", "C"), 2.0, 0.1, -0.3)))
# Gaps of armchair ribbons in units of the hopping: 2 min_p |1 + 2 cos(pπ/(N+1))|
ARMCHAIR_GAPS = {5: 0.0, 6: 0.49396, 7: 0.46927, 9: 0.35114, 10: 0.33834, 12: 0.27226, 13: 0.26446}


def moved(structure: Structure, atom: int, by: tuple[float, float, float]) -> Structure:
    positions = structure.positions.copy()
    positions[atom] += by
    return Structure(structure.symbols, positions, structure.cell, structure.periodic)


@pytest.mark.parametrize(
    ("make", "period", "n_atoms"), [(armchair_ribbon, 3 * BOND, 14), (zigzag_ribbon, np.sqrt(3) * BOND, 14)]
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_shortest_period_of_a_ribbon_is_found(
    make: Callable[[int, int], Structure], period: float, n_atoms: int, side: str
) -> None:
    lead = recognise_lead(make(7, 4), side)  # type: ignore[arg-type]
    assert lead.period == pytest.approx(period) and len(lead.atoms) == n_atoms and lead.mismatch < 1e-9


def test_a_disturbed_lead_cell_is_refused_with_the_atom_and_how_far_off_it_is() -> None:
    ribbon = moved(armchair_ribbon(5, 4), 3, (0.0, 0.0, 0.3))
    with pytest.raises(
        InputError, match=r"atom 3 \(C\) of the first cell, moved by 4.26 Å, has no partner .* 0.3000 Å off"
    ):
        recognise_lead(ribbon, "left", period=3 * BOND)


def test_a_wrong_period_is_refused() -> None:
    with pytest.raises(InputError, match="no left lead is recognised along x"):
        recognise_lead(armchair_ribbon(5, 4), "left", period=4.0)


def test_a_lead_of_other_elements_in_its_second_cell_is_refused() -> None:
    structure = Structure(("C", "N", "C", "C"), chain(4).positions)
    with pytest.raises(InputError, match="no left lead is recognised"):
        recognise_lead(structure, "left", period=1.0)


def test_a_structure_without_two_equal_cells_is_refused() -> None:
    with pytest.raises(InputError, match="no translation maps the first cell"):
        recognise_lead(Structure(("C",) * 3, [[0, 0, 0], [1, 0.5, 0], [2.3, 0, 0.7]]), "left")


@pytest.mark.parametrize("make", [armchair_ribbon, zigzag_ribbon])
@pytest.mark.parametrize("model", [NEAREST, THIRD], ids=["nearest", "third"])
def test_coupling_of_a_pristine_device_is_the_hopping_of_its_lead(
    make: Callable[[int, int], Structure], model: TightBinding
) -> None:
    built = transport_model(make(5, 6), model)
    offsets = built.device.hamiltonian.offsets
    for lead, cell in zip(built.device.leads, built.leads):
        orbitals = built.atoms[offsets[lead.block] : offsets[lead.block + 1]]
        rows = {atom: k for k, atom in enumerate(cell.atoms)}
        for coupling, hopping in (
            (lead.coupling, lead.hopping),
            (lead.overlap_coupling, lead.overlap_hopping),
        ):
            if coupling is None:
                continue
            expected = np.array([hopping[rows[a]] if a in rows else np.zeros(hopping.shape[1]) for a in orbitals])
            np.testing.assert_array_equal(coupling, expected)
            assert np.count_nonzero(coupling) == np.count_nonzero(hopping)


@pytest.mark.parametrize("make", [armchair_ribbon, zigzag_ribbon])
@pytest.mark.parametrize("model", [NEAREST, THIRD], ids=["nearest", "third"])
def test_transmission_of_a_pristine_ribbon_is_its_number_of_open_channels(
    make: Callable[[int, int], Structure], model: TightBinding
) -> None:
    device = transport_model(make(6, 5), model).device
    energies = np.linspace(-2.93, 2.81, 9)
    channels = negfadj.open_channels(device, energies)
    np.testing.assert_allclose(negfadj.transmission(device, energies), channels, atol=1e-8)
    assert len(set(channels.tolist())) > 2


def test_transmission_of_a_disordered_ribbon_from_its_positions_is_that_of_kwant() -> None:
    kwant = np.load(DATA / "kwant_agnr_16_L30.npz")
    ribbon = Structure(("C",) * len(kwant["positions"]), kwant["positions"])
    device = transport_model(ribbon, NEAREST, onsite_energy=kwant["onsite_energy"]).device
    np.testing.assert_allclose(negfadj.transmission(device, kwant["energies"]), kwant["transmission"], atol=1e-8)


@pytest.mark.parametrize("n_lines", ARMCHAIR_GAPS)
def test_armchair_ribbon_has_the_closed_form_gap(n_lines: int) -> None:
    device = transport_model(armchair_ribbon(n_lines, 3), NEAREST).device
    edge = ARMCHAIR_GAPS[n_lines] * HOPPING / 2
    just_outside, just_inside = edge + 1e-3, max(edge - 1e-3, 0.0)
    inside = [] if edge == 0 else [just_inside, -just_inside]
    channels = negfadj.open_channels(device, np.array([just_outside, -just_outside, *inside]))
    assert channels.tolist() == [1, 1] + [0] * len(inside)


def test_zigzag_ribbon_has_odd_plateaus() -> None:
    device = transport_model(zigzag_ribbon(16, 4), NEAREST).device
    channels = negfadj.open_channels(device, np.linspace(0.05, 1.4, 12))
    assert set(channels.tolist()) == {1, 3, 5}


def test_a_cell_shorter_than_the_range_is_doubled() -> None:
    built = transport_model(chain(8), FAR_CHAIN)
    assert built.cells_per_layer == (2, 2)
    np.testing.assert_array_equal(built.device.leads[1].hopping, [[-0.3, 0.0], [-1.0, -0.3]])


def test_transmission_through_doubled_cells_is_the_number_of_channels_of_the_chain() -> None:
    energies = np.array([-2.5, -1.0, 0.63, 1.45, 2.1])
    # E(k) = −2 cos k − 0.6 cos 2k: solutions of a quadratic in cos k, |cos k| < 1
    roots = [np.roots([-1.2, -2.0, 0.6 - energy]) for energy in energies]
    channels = [int(sum(abs(r.imag) < 1e-12 and abs(r.real) < 1 for r in root)) for root in roots]
    device = transport_model(chain(9), FAR_CHAIN).device
    np.testing.assert_allclose(negfadj.transmission(device, energies), channels, atol=1e-9)


def test_a_principal_layer_that_is_too_short_names_the_hopping_and_its_distance() -> None:
    with pytest.raises(
        InputError, match=r"hopping ss_sigma = -0.3 eV from atom 0 to a copy of atom 0, 2.0000 Å apart, reaches 2 cells"
    ):
        transport_model(chain(8), FAR_CHAIN, cells_per_layer=1)


def test_longer_principal_layers_do_not_change_the_transmission() -> None:
    ribbon = armchair_ribbon(5, 8)
    inside = (ribbon.positions[:, 0] > 12) & (ribbon.positions[:, 0] < 20)
    onsite = np.where(inside, np.random.default_rng(5).random(ribbon.n_atoms), 0.0)
    energies = np.array([-0.7, 0.31, 1.2])
    values = [
        negfadj.transmission(transport_model(ribbon, THIRD, cells_per_layer=n, onsite_energy=onsite).device, energies)
        for n in (None, 2)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-8)


def test_leads_that_touch_are_refused() -> None:
    shells = [Shell(("C", "C"), distance, 0.1, hopping) for distance, hopping in ((1.0, -1.0), (2.0, 0.0), (3.0, -0.2))]
    with pytest.raises(InputError, match=r"joins leads 0 and 1 .* lengthen the structure"):
        transport_model(chain(2), TightBinding({"C": 0.0}, tuple(shells)))


def test_a_lead_without_coupling_between_its_cells_is_refused() -> None:
    with pytest.raises(InputError, match="the left lead along x does not conduct"):
        transport_model(chain(4, spacing=2.0), NEAREST)


def test_a_constant_potential_energy_is_a_rigid_shift_with_overlap() -> None:
    ribbon = armchair_ribbon(5, 4)
    shift = 0.37
    plain, moved_up = (
        transport_model(ribbon, THIRD, potential_energy=np.full(ribbon.n_atoms, u)).device for u in (0.0, shift)
    )
    expected = plain.hamiltonian.to_dense() + shift * plain.overlap.to_dense()
    np.testing.assert_allclose(moved_up.hamiltonian.to_dense(), expected, atol=1e-14)


def test_energies_and_results_are_in_the_order_of_the_structure() -> None:
    ribbon = armchair_ribbon(5, 4)
    shuffled = ribbon.select(np.random.default_rng(1).permutation(ribbon.n_atoms))
    onsite = np.arange(ribbon.n_atoms) / 100.0
    built = transport_model(shuffled, NEAREST, onsite_energy=onsite)
    diagonal = np.concatenate([np.diag(block) for block in built.device.hamiltonian.diagonal])
    np.testing.assert_allclose(built.to_atoms(diagonal), onsite)


def test_hamiltonian_of_the_device_is_that_of_the_structure() -> None:
    ribbon = armchair_ribbon(7, 5)
    built = transport_model(ribbon, THIRD)
    expected = tight_binding_matrices(ribbon, THIRD)[0].toarray()[built.atoms][:, built.atoms]
    np.testing.assert_array_equal(built.device.hamiltonian.to_dense(), expected)


def test_transmission_does_not_depend_on_the_axis() -> None:
    ribbon = armchair_ribbon(5, 6)
    turned = Structure(ribbon.symbols, ribbon.positions[:, [1, 2, 0]])
    onsite = np.where((ribbon.positions[:, 0] > 9) & (ribbon.positions[:, 0] < 16), 0.4, 0.0)
    energies = np.array([-1.1, 0.4, 0.9])
    values = [
        negfadj.transmission(transport_model(s, THIRD, axis=axis, onsite_energy=onsite).device, energies)
        for s, axis in ((ribbon, "x"), (turned, "z"))
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-9)


def test_transverse_momentum_makes_a_sheet_of_the_known_channels() -> None:
    # along x, at transverse k, a sheet is an SSH chain with hoppings t and 2t cos(πk): gap ±t|1 − 2 cos(πk)|
    cell = armchair_ribbon(2, 5)
    sheet = Structure(cell.symbols, cell.positions, np.diag([0, np.sqrt(3) * BOND, 0]), (False, True, False))
    k = 0.2
    lowest = HOPPING * abs(1 - 2 * np.cos(np.pi * k))
    device = transport_model(sheet, NEAREST, momentum=(0.0, k, 0.0)).device
    channels = negfadj.open_channels(device, np.array([lowest - 0.01, lowest + 0.01]))
    assert channels.tolist() == [0, 1]


def test_a_lattice_vector_at_a_slant_to_the_axis_is_refused() -> None:
    ribbon = armchair_ribbon(3, 3)
    slanted = Structure(ribbon.symbols, ribbon.positions, np.diag([12.78, 10, 10]) + np.eye(3, k=1), (True, True, True))
    with pytest.raises(InputError, match="at a slant to the transport axis"):
        transport_model(slanted, NEAREST)


def test_potential_energy_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"potential_energy has shape \(3,\) but must be \(18,\)"):
        transport_model(armchair_ribbon(3, 3), NEAREST, potential_energy=[0.0, 0.0, 0.0])


def test_in_leads_marks_the_first_and_the_last_principal_layer() -> None:
    built = transport_model(armchair_ribbon(3, 4), NEAREST)
    x = built.structure.positions[:, 0]
    np.testing.assert_array_equal(in_leads(built), (x < 3 * BOND - 0.1) | (x > x.max() - 3 * BOND + 0.1))


def test_in_leads_marks_every_cell_of_a_principal_layer() -> None:
    assert np.flatnonzero(in_leads(transport_model(chain(7), FAR_CHAIN))).tolist() == [0, 1, 5, 6]


def test_three_leads_on_a_sparse_matrix_conserve_current() -> None:
    ribbon = armchair_ribbon(9, 6)
    hamiltonian = tight_binding_matrices(ribbon, NEAREST)[0]
    n = ribbon.n_atoms
    ends = ribbon.positions[:, 0]
    touched = [np.flatnonzero(ends < 0.1), np.flatnonzero(ends > ends.max() - 0.1), [25, 31]]
    leads = []
    for orbitals in touched:
        m = len(orbitals)
        coupling = np.zeros((n, m))
        coupling[orbitals, np.arange(m)] = -1.0
        leads.append(LeadMatrices(np.zeros((m, m)), -1.5 * np.eye(m), coupling))
    device, cut = device_from_sparse(hamiltonian, leads)
    matrix = negfadj.transmission_matrix(device, np.array([0.4]))[0]
    assert len(set(cut.lead_blocks)) == 3
    np.testing.assert_allclose(matrix.sum(axis=0), [len(orbitals) for orbitals in touched], rtol=1e-9)


def test_a_coupling_with_too_few_rows_is_refused() -> None:
    hamiltonian = tight_binding_matrices(chain(4, BOND), NEAREST)[0]
    with pytest.raises(ShapeError, match=r"the coupling of lead 0 has shape \(3, 1\)"):
        device_from_sparse(hamiltonian, [LeadMatrices(np.zeros((1, 1)), np.ones((1, 1)), np.ones((3, 1)))])


@pytest.mark.parametrize(("n", "m", "channels"), [(5, 5, 2), (6, 6, 2), (7, 0, 0)])
def test_tubes_as_ase_makes_them_have_leads(n: int, m: int, channels: int) -> None:
    # the cells of an armchair tube overlap along the axis: its ends are not flat
    tube = Structure.from_ase(ase.build.nanotube(n, m, length=6, bond=BOND))
    made = transport_model(tube, NEAREST, axis="z")
    np.testing.assert_allclose(na.transmission(made.device, 0.3), channels, atol=1e-9)
    assert in_leads(made).sum() == sum(n * len(lead.atoms) for n, lead in zip(made.cells_per_layer, made.leads))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ends": (("x", "left"), ("x", "left"))}, "none of them twice"),
        ({"ends": ("x", "y")}, "must be pairs"),
        ({"period": 4.26}, "one length .* for each of the 2 leads"),
        ({"momentum": 0.3}, "must be three numbers"),
        ({"momentum": (0.0, 0.3, 0.0)}, "along which the structure does not repeat"),
        ({"momentum": (0.0, np.nan, 0.0)}, "must be finite"),
        ({"onsite_energy": [1j] * 24}, "real energies"),
    ],
)
def test_options_without_meaning_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        transport_model(armchair_ribbon(4, 3), NEAREST, **options)


def test_what_is_no_structure_or_model_is_refused_with_the_way() -> None:
    with pytest.raises(InputTypeError, match=r"pass Structure.from_ase\(atoms\)"):
        transport_model(ase.Atoms("C"), NEAREST)  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"pass parameter_set\('graphene'\)"):
        transport_model(armchair_ribbon(4, 3), "graphene")  # type: ignore[arg-type]


def test_atoms_without_connection_are_named_as_atoms() -> None:
    two_orbitals = TightBinding(
        {"C": {"s": 0.0, "p": 1.0}},
        (Shell(("C", "C"), 1.0, 0.1, {"ss_sigma": -1, "sp_sigma": 1, "pp_sigma": 2, "pp_pi": -1}),),
    )
    cut = Structure(("C",) * 8, [[x, 0, 0] for x in (0, 1, 2, 3, 5, 6, 7, 8)])
    with pytest.raises(
        InputError, match=r"4 atoms have no connection .* atom 4 \(C\), whose nearest .* 3 \(C\), 2.0000"
    ):
        transport_model(cut, two_orbitals)


def test_positions_in_another_unit_are_refused() -> None:
    small = armchair_ribbon(4, 3)
    in_bohr = Structure(small.symbols, small.positions / 0.529)
    with pytest.raises(InputError, match="have no neighbour within the model's shells"):
        transport_model(in_bohr, NEAREST)
