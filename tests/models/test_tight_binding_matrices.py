"""Matrices of many-orbital models against plain loops over the printed table, and their pullbacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slater_koster_oracle import bloch_hamiltonian

from negfadj.errors import InputError, ShapeError
from negfadj.models import (
    Cutoff,
    ExponentialLaw,
    GoodwinSkinnerPettifor,
    PowerLaw,
    Shell,
    Structure,
    TightBinding,
    orbital_index,
    periodic_hamiltonian,
    periodic_hamiltonian_vjp,
    tight_binding_matrices,
    tight_binding_matrices_vjp,
)
from negfadj.models.tight_binding import bond_types
from negfadj.testing import GradientError, check_vjp

MOMENTUM = (0.13, -0.21, 0.37)
A = 5.6
ZINCBLENDE = Structure(
    ("Ga", "As"),
    [[0.02, 0, 0], [A / 4, A / 4, A / 4]],
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * A / 2,
    (True,) * 3,
)
SPD = {"s": -8.2, "p": 0.9, "d": 13.3}
SP3D5S = SPD | {"s*": 19.7}


def integrals(first: dict[str, float], second: dict[str, float], seed: int, size: float) -> dict[str, float]:
    """Random two-centre integrals, each name once."""
    rng = np.random.default_rng(seed)
    return {f"{a}{b}_{m}": size * rng.normal() for a in first for b in second for m in bond_types(a, b)}


def symmetric(orbitals: dict[str, float], seed: int, size: float) -> dict[str, float]:
    """The same between like atoms, where "ps" is "sp"."""
    found: dict[str, float] = {}
    for name, value in integrals(orbitals, orbitals, seed, size).items():
        pair, m = name.split("_")
        swapped = {a + b: b + a for a in orbitals for b in orbitals}[pair]
        if f"{swapped}_{m}" not in found:
            found[name] = value
    return found


def rich_model(spin: bool = True) -> TightBinding:
    """Two elements with unlike orbitals, two shells, overlaps, every law, a cut-off, spin–orbit coupling."""
    ga, as_ = SPD, {"p": 2.1, "s": -3.0}
    near = integrals(ga, as_, 1, 1.0)
    laws: dict[str, Any] = {name: PowerLaw(2.0 + 0.1 * i, 2.4) for i, name in enumerate(near)}
    laws["ss_sigma"] = GoodwinSkinnerPettifor(2.0, 6.5, 3.0, 2.4)
    del laws["sp_sigma"]
    shells = (
        Shell(("Ga", "As"), 2.4, 0.4, near, integrals(ga, as_, 2, 0.03), laws, ExponentialLaw(1.1, 2.4)),
        Shell(("As", "As"), 3.9, 0.5, symmetric(as_, 3, 0.2), None, PowerLaw(3.0, 3.9), None, Cutoff(3.5, 4.4)),
        Shell(("Ga", "Ga"), 3.9, 0.5, None),
    )
    spin_orbit = {"Ga": {"p": 0.3, "d": 0.05}, "As": {"p": 0.2}} if spin else {}
    return TightBinding({"Ga": ga, "As": as_}, shells, spin_orbit)


def test_sp3d5s_matrices_are_those_of_plain_loops() -> None:
    near = integrals(SP3D5S, SP3D5S, 4, 1.0)
    model = TightBinding(
        {"Ga": SP3D5S, "As": {"s": -3.0, "p": 2.1, "d": 12.0, "s*": 17.0}},
        (Shell(("Ga", "As"), 2.4, 0.4, near, law=PowerLaw(2.0, 2.4)),),
        {"Ga": {"p": 0.3, "d": 0.05}, "As": {"p": 0.2}},
    )
    hamiltonian, overlap = tight_binding_matrices(ZINCBLENDE, model, momentum=MOMENTUM)
    wanted = bloch_hamiltonian(ZINCBLENDE.symbols, ZINCBLENDE.positions, ZINCBLENDE.cell, model, MOMENTUM)
    assert overlap is None
    np.testing.assert_allclose(hamiltonian.toarray(), wanted[0] if isinstance(wanted, tuple) else wanted, atol=1e-13)


@pytest.mark.parametrize("spin", [False, True])
def test_matrices_are_hermitian_with_unlike_orbitals(spin: bool) -> None:
    hamiltonian, overlap = tight_binding_matrices(ZINCBLENDE, rich_model(spin), momentum=MOMENTUM)
    assert overlap is not None
    for matrix in (hamiltonian.toarray(), overlap.toarray()):
        np.testing.assert_allclose(matrix, matrix.conj().T, atol=1e-14)


def test_periodic_hamiltonian_sums_to_the_matrices_at_any_momentum() -> None:
    model = rich_model()
    hamiltonian, overlap = tight_binding_matrices(ZINCBLENDE, model, momentum=MOMENTUM)
    bloch, bloch_overlap = periodic_hamiltonian(ZINCBLENDE, model).at([MOMENTUM])
    assert overlap is not None
    np.testing.assert_allclose(bloch[0], hamiltonian.toarray(), atol=1e-13)
    np.testing.assert_allclose(bloch_overlap[0], overlap.toarray(), atol=1e-13)


@pytest.mark.parametrize("spin", [False, True])
@pytest.mark.parametrize("momentum", [(0.0, 0.0, 0.0), MOMENTUM])
def test_matrices_vjp_agrees_with_differences(spin: bool, momentum: tuple[float, float, float]) -> None:
    def value(structure: Structure, model: TightBinding) -> tuple[np.ndarray, ...]:
        return tuple(m.toarray() for m in tight_binding_matrices(structure, model, momentum=momentum))  # type: ignore[union-attr]

    def value_vjp(structure: Structure, model: TightBinding):  # type: ignore[no-untyped-def]
        matrices, pullback = tight_binding_matrices_vjp(structure, model, momentum=momentum)
        return tuple(m.toarray() for m in matrices), lambda bars: pullback(*bars)  # type: ignore[union-attr]

    check_vjp(value, value_vjp, (ZINCBLENDE, rich_model(spin)), step=1e-4)


def test_periodic_hamiltonian_vjp_agrees_with_differences() -> None:
    check_vjp(periodic_hamiltonian, periodic_hamiltonian_vjp, (ZINCBLENDE, rich_model()), step=1e-4)


def test_check_fails_when_a_position_gradient_is_wrong() -> None:
    def wrong_vjp(structure: Structure, model: TightBinding):  # type: ignore[no-untyped-def]
        value, pullback = periodic_hamiltonian_vjp(structure, model)

        def wrong(bar: Any) -> Any:
            found = pullback(bar)
            found.structure.positions[0, 1] *= -1
            return found

        return value, wrong

    with pytest.raises(GradientError):
        check_vjp(periodic_hamiltonian, wrong_vjp, (ZINCBLENDE, rich_model()), step=1e-4)


def test_matrices_do_not_change_when_all_atoms_move_together() -> None:
    model = rich_model()
    moved = Structure(ZINCBLENDE.symbols, ZINCBLENDE.positions + [0.3, -0.2, 0.9], ZINCBLENDE.cell, (True,) * 3)
    first, second = (tight_binding_matrices(s, model, momentum=MOMENTUM)[0].toarray() for s in (ZINCBLENDE, moved))
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_orbital_index_lists_atoms_in_order() -> None:
    index = orbital_index(ZINCBLENDE, rich_model())
    assert index.spins == 2 and index.n_rows == 26
    assert index.atom_of_row.tolist() == [0] * 18 + [1] * 8


def test_a_zero_hopping_keeps_its_gradient() -> None:
    model = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.42, 0.2, 0.0),))
    pair = Structure(("C", "C"), [[0, 0, 0], [1.42, 0, 0]])
    (hamiltonian, _), pullback = tight_binding_matrices_vjp(pair, model)
    assert hamiltonian.nnz == 4
    assert pullback(np.ones((2, 2))).model.shells[0].hopping == 2.0


def test_model_names_the_missing_integral_and_its_distance() -> None:
    with pytest.raises(InputError, match=r"Si–Si at 2.35 Å lacks the hopping 'pp_pi' .* need at 2.35 Å"):
        hopping = {"ss_sigma": 1, "sp_sigma": 1, "pp_sigma": 1}
        TightBinding({"Si": {"s": 0.0, "p": 1.0}}, (Shell(("Si", "Si"), 2.35, 0.1, hopping),))


def test_model_refuses_an_integral_given_twice() -> None:
    hopping = {"ss_sigma": 1, "sp_sigma": 1, "ps_sigma": 2, "pp_sigma": 1, "pp_pi": 0}
    with pytest.raises(InputError, match="'ps_sigma', which is given twice"):
        TightBinding({"Si": {"s": 0.0, "p": 1.0}}, (Shell(("Si", "Si"), 2.35, 0.1, hopping),))


def test_model_names_the_unknown_orbital() -> None:
    with pytest.raises(InputError, match=r"orbital 'f' is not known; known are s, s\*, p, d"):
        TightBinding({"Ce": {"f": 0.0}}, (Shell(("Ce", "Ce"), 3, 0.1, 1.0),))


def test_spin_orbit_on_an_s_orbital_is_refused() -> None:
    with pytest.raises(InputError, match="acts on p and d"):
        TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.42, 0.1, 1.0),), {"C": {"s": 0.1}})


def test_pullback_refuses_a_cotangent_of_the_wrong_shape() -> None:
    _, pullback = tight_binding_matrices_vjp(ZINCBLENDE, rich_model())
    with pytest.raises(ShapeError, match=r"\(3, 3\) but must be \(26, 26\)"):
        pullback(np.eye(3))
