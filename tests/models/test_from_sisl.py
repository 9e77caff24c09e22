"""sisl Hamiltonians: H(k), self-energies and transmission against sisl itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from self_energies import self_energy

import negfadj as na
from negfadj.data import PeriodicHamiltonian
from negfadj.errors import (
    FileFormatError,
    HermiticityError,
    InputError,
    InputTypeError,
    MissingDependencyError,
    ShapeError,
)
from negfadj.models.from_sisl import from_sisl, from_sisl_vjp
from negfadj.models.principal_layer import lead_from_periodic
from negfadj.models.sisl_device import SislElectrode, device_from_sisl, device_from_sisl_vjp
from negfadj.models.wannier90 import write_wannier90
from negfadj.testing import check_vjp

sisl = pytest.importorskip("sisl")
systems = importlib.import_module("sisl_systems")  # imports sisl

ENERGIES, ETA, NAMES, system = systems.ENERGIES, systems.ETA, systems.NAMES, systems.system


@pytest.mark.parametrize("name", NAMES)
def test_bloch_matrices_are_sisls(name: str) -> None:
    s = system(name)
    periodic = from_sisl(s.electrode, spin=s.spin)
    momenta = np.random.default_rng(3).uniform(-0.5, 0.5, (5, 3))
    hamiltonian, overlap = periodic.at(momenta)
    for k, h in zip(momenta, hamiltonian):
        np.testing.assert_allclose(h, s.electrode.Hk(k, format="array", **s.keywords), atol=1e-12)
    if name == "overlap":
        for k, found in zip(momenta, overlap):
            np.testing.assert_allclose(found, s.electrode.Sk(k, format="array"), atol=1e-12)
    else:
        assert overlap is None
    np.testing.assert_allclose(periodic.lattice, s.electrode.lattice.cell)


def test_overlap_of_spinors_is_sisls() -> None:
    hamiltonian = systems.square(1, spin="spin-orbit", orthogonal=False, dtype=np.complex128)
    hamiltonian[0, 0] = [0.1, -0.1, 0.2j, -0.2j, 1.0]
    for step in (1, -1):
        hamiltonian[0, 0, (step, 0, 0)] = [-1.0, -1.0, 0.1j * step, 0.1j * step, 0.05]
    found, overlap = from_sisl(hamiltonian).at([[0.23, 0.0, 0.0]])
    np.testing.assert_allclose(found[0], hamiltonian.Hk((0.23, 0, 0), format="array"), atol=1e-14)
    np.testing.assert_allclose(overlap[0], hamiltonian.Sk((0.23, 0, 0), format="array"), atol=1e-14)


@pytest.mark.parametrize("direction", ["+A", "-A"])
@pytest.mark.parametrize("name", NAMES)
def test_self_energy_is_sisls(name: str, direction: str) -> None:
    s = system(name)
    side = "right" if direction == "+A" else "left"
    lead = lead_from_periodic(from_sisl(s.electrode, spin=s.spin), direction=0, side=side, momentum=s.momentum)
    found = self_energy(lead, ENERGIES, ETA)
    theirs = sisl.RecursiveSI(s.electrode, direction)
    for e, sigma in zip(ENERGIES, found):
        expected = theirs.self_energy(e + 1j * ETA, s.momentum, **s.keywords)
        np.testing.assert_allclose(sigma, expected, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_transmission_is_that_of_sisls_self_energies(name: str) -> None:
    s = system(name)
    last = s.device.geometry.na - s.electrode.geometry.na
    electrodes = [SislElectrode(s.electrode, "-A", 0), SislElectrode(s.electrode, "+A", last)]
    found = device_from_sisl(s.device, electrodes, momentum=s.momentum, spin=s.spin)
    expected = systems.sisl_transmission(s.device, electrodes, s.momentum, s.keywords)
    assert np.max(expected) > 0.1
    value = na.transmission(found.device, ENERGIES, eta=ETA, device_eta=ETA)
    np.testing.assert_allclose(value, expected, atol=1e-8)


def test_four_terminals_in_a_field_agree_with_sisl() -> None:
    device, electrodes = systems.four_arms()
    found = device_from_sisl(device, electrodes)
    matrix = na.transmission_matrix(found.device, ENERGIES, eta=0.0)
    for i in range(4):
        for j in range(4):
            if i == j:
                continue
            pair = [electrodes[j], electrodes[i], *(e for k, e in enumerate(electrodes) if k not in (i, j))]
            expected = systems.sisl_transmission(device, pair, (0, 0, 0), {})
            value = na.transmission(found.device, ENERGIES, source=j, drain=i, eta=ETA, device_eta=ETA)
            np.testing.assert_allclose(value, expected, atol=1e-8)
    assert np.max(np.abs(matrix - matrix.swapaxes(1, 2))) > 1e-2  # the field breaks the symmetry


def test_device_orbitals_lead_back_to_sisls() -> None:
    s = system("spin-orbit")
    found = device_from_sisl(s.device, [SislElectrode(s.electrode, "-A", 0), SislElectrode(s.electrode, "+A", -3)])
    bounded = s.device.copy()
    bounded.set_nsc((1, 1, 1))
    whole = bounded.Hk(format="array")
    np.testing.assert_allclose(
        found.device.hamiltonian.to_dense(), whole[np.ix_(found.orbitals, found.orbitals)], atol=1e-14
    )
    np.testing.assert_array_equal(found.atoms, found.orbitals // 2)
    np.testing.assert_allclose(found.positions, s.device.geometry.xyz[found.atoms])
    assert set(found.atoms[:6].tolist()) == {0, 1, 2}  # the first block is the left electrode's cell


def test_spins_of_a_collinear_magnet_add_up_in_the_non_collinear_form() -> None:
    polarised, spinor = systems.square(1, spin="polarized"), systems.square(1, spin="non-collinear")
    for step in (0, 1, -1):
        values = [0.2, -0.2] if step == 0 else [-1.0, -0.7]
        polarised[0, 0, (step, 0, 0)] = values
        spinor[0, 0, (step, 0, 0)] = [*values, 0.0, 0.0]

    def transmission(h: object, spin: int | None) -> np.ndarray:
        electrodes = [SislElectrode(h, "-A", 0), SislElectrode(h, "+A", -1)]
        return na.transmission(device_from_sisl(h.tile(3, 0), electrodes, spin=spin).device, ENERGIES)

    both = transmission(polarised, 0) + transmission(polarised, 1)
    np.testing.assert_allclose(transmission(spinor, None), both, atol=1e-9)


# Gradients ----------------------------------------------------------------------------------------------------------


def direction_of(hamiltonian: object, seed: int) -> object:
    """Random values at every stored entry, Hermitian; those of S are small."""
    rng = np.random.default_rng(seed)
    direction, pattern = hamiltonian.copy(), hamiltonian.tocsr(0).tocoo()
    is_complex = np.iscomplexobj(pattern.data)
    offsets = hamiltonian.geometry.lattice.sc_off
    for a, (c, b) in zip(pattern.row, zip(*np.divmod(pattern.col, hamiltonian.no))):
        r = tuple(int(x) for x in offsets[c])
        back = tuple(-x for x in r)
        box = rng.standard_normal((2, 2)) + 1j * rng.standard_normal((2, 2))
        if (a, r) == (b, back):
            box = box + box.conj().T
        values, mirrored = [box[0, 0]], [box[0, 0].conj()]
        if hamiltonian.spin.is_spinorbit:
            values = [box[0, 0], box[1, 1], box[0, 1], box[1, 0]]
            mirrored = [box[0, 0].conj(), box[1, 1].conj(), box[1, 0].conj(), box[0, 1].conj()]
        if not hamiltonian.orthogonal:
            values, mirrored = [*values, 0.03 * box[1, 1].real], [*mirrored, 0.03 * box[1, 1].real]
        if not is_complex:
            values, mirrored = np.real(values), np.real(mirrored)
        direction[a, b, r] = values if len(values) > 1 else values[0]
        direction[b, a, back] = mirrored if len(values) > 1 else mirrored[0]
    return direction


def along(bar: object, direction: object) -> float:
    """Re Σ bar* dH + Re Σ bar* dS."""
    if not direction.spin.is_spinorbit:
        total = np.sum(bar.hamiltonian.conj().multiply(direction.tocsr(0))).real
        return total if direction.orthogonal else total + np.sum(bar.overlap.multiply(direction.tocsr(1)))
    n, whole, total = direction.no, bar.hamiltonian.todok(), 0.0
    for part, (s, t) in enumerate(((0, 0), (1, 1), (0, 1), (1, 0))):
        entries = direction.tocsr(part).tocoo()
        for a, col, value in zip(entries.row, entries.col, entries.data):
            c, b = divmod(int(col), n)
            total += (np.conj(whole[2 * int(a) + s, 2 * n * c + 2 * b + t]) * value).real
    return total


@pytest.mark.parametrize(
    "name",
    [
        "overlap",
        "sheet",
        "four-arms",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("zigzag", "spin-orbit-complex")),
    ],
)
def test_transmission_gradient_reaches_sisls_matrices(name: str) -> None:
    if name == "four-arms":  # leads that share blocks, and not in their own order
        device, electrodes = systems.four_arms()
        momentum = (0.0, 0.0, 0.0)
    else:
        s = system(name)
        device, momentum = s.device, s.momentum
        electrodes = [SislElectrode(s.electrode, "-A", 0), SislElectrode(s.electrode, "+A", -s.electrode.geometry.na)]
    directions = [direction_of(h, i) for i, h in enumerate((device, *(e.hamiltonian for e in electrodes)))]

    def made(i: int, p: float, function: Callable) -> object:
        """The device with matrix i moved; 0 is the device's own, copies of the electrodes' first cells included."""
        moved = [
            replace(e, hamiltonian=e.hamiltonian + p * d) if i == k else e
            for k, (e, d) in enumerate(zip(electrodes, directions[1:]), 1)
        ]
        return function(device + p * directions[0] if i == 0 else device, moved, momentum=momentum, tolerance=10.0)

    for i in range(min(3, len(directions))):

        def f(p: float, i: int = i) -> np.ndarray:
            return na.transmission(made(i, p, device_from_sisl).device, ENERGIES[:2], eta=1e-2)

        def f_vjp(p: float, i: int = i) -> tuple:
            found, to_sisl = made(i, p, device_from_sisl_vjp)
            value, to_device = na.transmission_vjp(found.device, ENERGIES[:2], eta=1e-2)

            def f_pullback(value_bar: np.ndarray) -> float:
                bar = to_sisl(to_device(value_bar).device)
                return float(along((bar.device, *bar.electrodes)[i], directions[i]))

            return value, f_pullback

        check_vjp(f, f_vjp, [0.0], rtol=1e-7)


def test_cotangent_has_sisls_layout() -> None:
    s = system("overlap")
    periodic, to_sisl = from_sisl_vjp(s.electrode)
    bar = to_sisl(periodic)  # the blocks themselves in place of their cotangents
    assert abs(bar.hamiltonian - s.electrode.tocsr(0)).max() == 0
    assert abs(bar.overlap - s.electrode.tocsr(1)).max() == 0


# Files --------------------------------------------------------------------------------------------------------------


def test_siesta_file_is_read_through_sisl(tmp_path: Path) -> None:
    hamiltonian = systems.overlapping_ribbon(4)
    hamiltonian.write(str(tmp_path / "ribbon.TSHS"))
    expected, found = from_sisl(hamiltonian), from_sisl(tmp_path / "ribbon.TSHS")
    for ours, theirs in zip(found.at([[0.17, 0, 0]]), expected.at([[0.17, 0, 0]])):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_wannier90_file_keeps_imaginary_parts_through_sisl(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    upper = rng.standard_normal((2, 2)) + 1j * rng.standard_normal((2, 2))
    upper[0, 1] = 3e-6  # below the size at which sisl's reader cuts off by itself
    blocks = np.array([upper.conj().T, np.diag([0.1, 0.2]), upper])
    periodic = PeriodicHamiltonian(np.array([[-1, 0, 0], [0, 0, 0], [1, 0, 0]]), blocks)
    write_wannier90(tmp_path / "wire_hr.dat", periodic, decimals=12)
    (tmp_path / "wire.win").write_text("begin unit_cell_cart\nAng\n3.0 0 0\n0 10.0 0\n0 0 10.0\nend unit_cell_cart\n")
    found = from_sisl(tmp_path / "wire.win")
    momenta = [[0.0, 0, 0], [0.21, 0, 0]]
    np.testing.assert_allclose(found.at(momenta)[0], periodic.at(momenta)[0], atol=1e-11)
    np.testing.assert_allclose(found.lattice, np.diag([3.0, 10, 10]))


def test_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match="nowhere"):
        from_sisl("nowhere.TSHS")


def test_file_that_sisl_cannot_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "broken.TSHS"
    path.write_bytes(b"not a Hamiltonian")
    with pytest.raises(FileFormatError, match=r"broken\.TSHS"):
        from_sisl(path)


# Bad input ----------------------------------------------------------------------------------------------------------


def test_spin_must_be_chosen_for_a_polarised_hamiltonian() -> None:
    with pytest.raises(InputError, match="choose spin=0 or spin=1"):
        from_sisl(systems.polarised_strip(2))


def test_spin_is_refused_where_there_is_none() -> None:
    with pytest.raises(InputError, match="leave `spin` out"):
        from_sisl(systems.ribbon("zigzag", 2), spin=0)


def test_nambu_hamiltonian_is_refused() -> None:
    with pytest.raises(InputError, match="Nambu"):
        from_sisl(systems.square(2, spin="nambu"))


def test_something_else_is_refused() -> None:
    with pytest.raises(InputTypeError, match="ndarray"):
        from_sisl(np.eye(2))


def test_hamiltonian_without_its_lower_half_is_refused() -> None:
    hamiltonian = systems.square(2)
    hamiltonian[0, 0, (1, 0, 0)] = -1.0
    with pytest.raises(HermiticityError, match=r"cell \[1, 0, 0\]|cell \[-1, 0, 0\]"):
        from_sisl(hamiltonian)


def test_electrode_at_the_wrong_atom_is_refused_with_the_worst_entry() -> None:
    electrode = systems.ribbon("zigzag", 4)
    device = systems.disordered(electrode, 4)
    first = electrode.geometry.na
    worst = np.argmax(np.abs([device[i, i] - 0.05 for i in range(first, 2 * first)]))
    with pytest.raises(InputError) as caught:
        device_from_sisl(device, [SislElectrode(electrode, "-A", first), SislElectrode(electrode, "+A", -first)])
    message = str(caught.value)
    assert "electrode 0 is not found in the device" in message
    assert f"H between its orbitals {worst} and {worst} is 0.05 in the electrode" in message


def test_electrode_that_reaches_two_cells_is_refused_with_the_hopping() -> None:
    electrode = systems.square(1, nsc=(5, 1, 1))
    for step, value in ((0, 0.0), (1, -1.0), (2, -0.25)):
        electrode[0, 0, (step, 0, 0)] = electrode[0, 0, (-step, 0, 0)] = value
    with pytest.raises(InputError, match=r"= -0.25 eV, 2.0000 Å away, reaches 2 cells; .*electrode.tile\(2, 0\)"):
        device_from_sisl(electrode.tile(5, 0), [SislElectrode(electrode, "-A", 0), SislElectrode(electrode, "+A", -1)])


def test_tiled_electrode_is_a_principal_layer() -> None:
    electrode = systems.square(1, nsc=(5, 1, 1))
    for step, value in ((0, 0.0), (1, -1.0), (2, -0.25)):
        electrode[0, 0, (step, 0, 0)] = electrode[0, 0, (-step, 0, 0)] = value
    layer = electrode.tile(2, 0)
    found = device_from_sisl(electrode.tile(5, 0), [SislElectrode(layer, "-A", 0), SislElectrode(layer, "+A", -2)])
    bands = electrode.Hk  # E(k) = −2 cos k − 0.5 cos 2k: one channel in (−2.5, 1.5)
    energies = np.array([-2.0, 0.3])
    assert bands((0.0, 0, 0), format="array").real.item() < -2.4
    np.testing.assert_allclose(na.transmission(found.device, energies), [1.0, 1.0], atol=1e-9)


def test_electrode_that_does_not_fit_is_refused() -> None:
    electrode = systems.ribbon("zigzag", 4)
    with pytest.raises(ShapeError, match="the device has atoms 0 … 31"):
        device_from_sisl(electrode.tile(4, 0), [SislElectrode(electrode, "+A", 30)])


def test_electrode_of_another_width_is_refused() -> None:
    narrow, wide = systems.sheet(), systems.sheet().tile(2, 1)
    with pytest.raises(InputError, match=r"transverse lattice vector B .* electrode.tile\(n, 1\)"):
        device_from_sisl(wide.tile(3, 0), [SislElectrode(narrow, "-A", 0), SislElectrode(narrow, "+A", -2)])


@pytest.mark.parametrize("direction", ["A", "+D", "x", "++"])
def test_unknown_direction_is_refused(direction: str) -> None:
    with pytest.raises(InputError, match="direction="):
        SislElectrode(None, direction, 0)


@pytest.mark.parametrize(
    "placed, words",
    [
        ([("+A", 0), ("-A", -8)], r'electrode 0 with direction "\+A" runs into the device.* use "-A"'),
        ([("-A", 0), ("-A", -8)], r"electrode 1 .* runs into the device: 1 period\(s\) on, its atom 32"),
        ([("-A", 0), ("+A", 16)], r"electrode 1 .* runs into the device"),
        ([("-A", 8), ("+A", -8)], r"electrode 0 .* runs into the device"),
        ([("-A", 0), ("+A", 4)], r"electrodes 0 and 1 share atom 4"),
    ],
)
def test_electrode_that_does_not_leave_the_device_is_refused(placed: list, words: str) -> None:
    electrode = systems.ribbon("zigzag", 4)
    # with a tolerance, that the H of half a cell further is another one does not hide it
    with pytest.raises(InputError, match=words):
        device_from_sisl(electrode.tile(5, 0), [SislElectrode(electrode, *x) for x in placed], tolerance=10.0)


def test_electrodes_of_a_periodic_sheet_are_refused_when_they_run_inwards() -> None:
    electrode = systems.sheet()
    with pytest.raises(InputError, match=r"electrode 1 .* runs into the device"):
        device_from_sisl(electrode.tile(4, 0), [SislElectrode(electrode, "-A", 0), SislElectrode(electrode, "-A", -2)])


def test_negative_first_atom_counts_from_the_end() -> None:
    electrode = systems.ribbon("zigzag", 4)
    device = systems.disordered(electrode, 4)
    values = [
        na.transmission(
            device_from_sisl(device, [SislElectrode(electrode, "-A", 0), SislElectrode(electrode, "+A", last)]).device,
            ENERGIES,
        )
        for last in (-8, 24)
    ]
    np.testing.assert_array_equal(*values)
    with pytest.raises(ShapeError, match=r"from atom -40 on, .* a negative one counts from the end"):
        device_from_sisl(device, [SislElectrode(electrode, "-A", -40)])


def test_one_electrode_outside_a_list_is_refused() -> None:
    electrode = systems.sheet()
    with pytest.raises(InputTypeError, match="electrodes is a SislElectrode; pass a list"):
        device_from_sisl(electrode.tile(3, 0), SislElectrode(electrode, "-A", 0))


def test_device_without_its_lower_half_is_refused_with_sisls_entry() -> None:
    electrode = systems.ribbon("zigzag", 4)
    device = electrode.tile(4, 0)
    row = 10
    column = next(b for b in range(8, 24) if b != row and device[row, b] != 0)
    device[row, column] = -1.0
    places = rf"\[({row}, {column}|{column}, {row})\]"
    with pytest.raises(HermiticityError, match=f"the device's H is not Hermitian: entry {places} is"):
        device_from_sisl(device, [SislElectrode(electrode, "-A", 0), SislElectrode(electrode, "+A", -8)])


def test_momentum_along_an_electrode_is_refused() -> None:
    electrode = systems.sheet()
    with pytest.raises(InputError, match="along A"):
        device_from_sisl(electrode.tile(3, 0), [SislElectrode(electrode, "-A", 0)], momentum=(0.1, 0.0, 0.0))


def test_electrode_without_the_overlap_of_the_device_is_refused() -> None:
    with_overlap, without = systems.square(1, orthogonal=False), systems.square(1)
    for step, value in ((0, 0.0), (1, -1.0)):
        for sign in (1, -1):
            without[0, 0, (sign * step, 0, 0)] = value
            with_overlap[0, 0, (sign * step, 0, 0)] = [value, 1.0 if step == 0 else 0.05]
    with pytest.raises(InputError, match="electrode 0 and the device must both have an overlap"):
        device_from_sisl(with_overlap.tile(3, 0), [SislElectrode(without, "-A", 0)])


def test_electrode_with_another_number_of_orbitals_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"electrode 0 has 3 orbitals .* have 6 in the device"):
        device_from_sisl(
            systems.rashba_strip(3, np.float64).tile(3, 0), [SislElectrode(systems.magnetic_strip(3, 0.0), "-A", 0)]
        )


def test_electrode_that_is_periodic_along_another_one_is_refused() -> None:
    electrode = systems.sheet()
    electrodes = [SislElectrode(electrode, "-A", 0), SislElectrode(electrode, "+B", -2)]
    with pytest.raises(InputError, match="electrode 0 is periodic along B, along which another electrode runs"):
        device_from_sisl(electrode.tile(3, 0), electrodes)


def test_electrode_of_another_class_is_refused() -> None:
    with pytest.raises(InputTypeError, match=r"electrodes\[0\] is a Hamiltonian; pass SislElectrode"):
        device_from_sisl(systems.sheet(), [systems.sheet()])


def test_first_atom_must_be_an_integer() -> None:
    with pytest.raises(InputTypeError, match="first_atom="):
        SislElectrode(None, "+A", 0.0)


def test_sisl_is_asked_for_only_when_a_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    hamiltonian = systems.ribbon("zigzag", 2)
    monkeypatch.setitem(sys.modules, "sisl", None)
    from_sisl(hamiltonian)
    with pytest.raises(MissingDependencyError, match="sisl"):
        from_sisl("ribbon.TSHS")
