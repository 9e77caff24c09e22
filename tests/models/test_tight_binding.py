"""Tight binding by shells: values, closed forms of bands, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ribbons import BOND, armchair_ribbon
from scipy.linalg import eigh

from negfadj.errors import FileFormatError, InputError
from negfadj.models import Cutoff, Shell, Structure, TightBinding, parameter_set, parameter_sets, tight_binding_matrices
from negfadj.models.parameters import parse_parameters

LATTICE = np.array([[1.5, np.sqrt(3) / 2, 0], [1.5, -np.sqrt(3) / 2, 0], [0, 0, 10]]) * BOND
GRAPHENE = Structure(("C", "C"), [[0, 0, 0], [BOND, 0, 0]], LATTICE, (True, True, False))


def graphene_bands(momentum: tuple[float, float, float]) -> np.ndarray:
    hamiltonian, overlap = tight_binding_matrices(
        GRAPHENE, parameter_set("graphene-third-neighbour"), momentum=momentum
    )
    assert overlap is not None
    return eigh(hamiltonian.toarray(), overlap.toarray(), eigvals_only=True)


def test_third_neighbour_set_has_the_published_numbers() -> None:
    model = parameter_set("graphene-third-neighbour")
    assert model.onsite == {"C": -0.28}
    assert [(s.hopping, s.overlap) for s in model.shells] == [(-2.97, 0.073), (-0.073, 0.018), (-0.33, 0.026)]


def test_every_parameter_set_names_its_source() -> None:
    assert all("doi" in parameter_set(name).source for name in parameter_sets())


def test_graphene_at_gamma_has_the_closed_form_energies() -> None:
    # f = 3, u = 6, f₃ = 3: E = (ε + 6γ₁ ± (3γ₀ + 3γ₂)) / (1 + 6s₁ ± (3s₀ + 3s₂))
    even = (-0.28 - 6 * 0.073 + 3 * (-2.97 - 0.33)) / (1 + 6 * 0.018 + 3 * (0.073 + 0.026))
    odd = (-0.28 - 6 * 0.073 - 3 * (-2.97 - 0.33)) / (1 + 6 * 0.018 - 3 * (0.073 + 0.026))
    np.testing.assert_allclose(graphene_bands((0, 0, 0)), sorted((even, odd)), rtol=1e-12)


def test_graphene_at_k_is_degenerate_at_the_closed_form_energy() -> None:
    dirac = (-0.28 + 3 * 0.073) / (1 - 3 * 0.018)
    np.testing.assert_allclose(graphene_bands((1 / 3, -1 / 3, 0)), [dirac, dirac], atol=1e-12)


def test_third_neighbour_matrices_are_those_of_adnegf() -> None:
    stored = np.load(Path(__file__).resolve().parents[1] / "data" / "models" / "adnegf_gnr_carbon.npz")
    carbon = Structure(("C",) * len(stored["positions"]), stored["positions"])
    hamiltonian, overlap = tight_binding_matrices(carbon, parameter_set("graphene-third-neighbour"))
    assert overlap is not None
    np.testing.assert_allclose(hamiltonian.toarray(), stored["hamiltonian"], atol=2e-7)
    np.testing.assert_allclose(overlap.toarray(), stored["overlap"], atol=1e-8)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Shell(("C", "C"), 1.4, 0.1, None, 0.2), "has an overlap and no hopping"),
        (lambda: Shell(("C", "C"), "far", 0.1, -2.7), "distance = 'far' must be a number"),
        (
            lambda: Shell(("C", "C"), 1.4, 0.1, -2.7, cutoff=Cutoff(1.2, 1.6)),
            "its cutoff ends at 1.6 Å but the shell at 1.5 Å",
        ),
        (lambda: TightBinding(3, (Shell(("C", "C"), 1.4, 0.1, -2.7),)), "onsite is a int; pass a mapping"),
        (lambda: TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.4, 0.1, {}),)), "lacks the hopping 'ss_sigma'"),
        (lambda: TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.4, 0.1, 1.0),), {"C": 0.3}), "must be a mapping"),
        (lambda: parse_parameters("onsite = 3\nshells = []", "f"), "onsite = 3 must be a table"),
        (lambda: parse_parameters("shells = 3\n[onsite]\nC = 0.0", "f"), "shells = 3 must be tables"),
        (lambda: parse_parameters("shells = [3]\n[onsite]\nC = 0.0", "f"), r"shells\[0\] = 3 must be a table"),
    ],
)
def test_what_makes_no_model_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_matrices_are_hermitian_at_any_momentum() -> None:
    hamiltonian, overlap = tight_binding_matrices(
        GRAPHENE, parameter_set("graphene-third-neighbour"), momentum=(0.1, 0.27, 0)
    )
    for matrix in (hamiltonian, overlap):
        assert matrix is not None and abs(matrix - matrix.conj().T).max() < 1e-15


def test_an_orthogonal_model_has_no_overlap_matrix() -> None:
    assert tight_binding_matrices(GRAPHENE, parameter_set("graphene-nearest-neighbour"))[1] is None


def test_hydrogen_is_refused_and_never_taken_for_carbon() -> None:
    ribbon = armchair_ribbon(5, 2)
    positions = np.vstack((ribbon.positions, [[0, -1.09, 0]]))
    with pytest.raises(InputError, match=r"element 'H' has no parameters .* drop = \['H'\]"):
        tight_binding_matrices(Structure((*ribbon.symbols, "H"), positions), parameter_set("graphene-third-neighbour"))


def test_a_pair_between_two_shells_is_named_with_its_distance() -> None:
    structure = Structure(("C", "C"), [[0, 0, 0], [1.9, 0, 0]])
    with pytest.raises(InputError, match=r"no parameter for C–C at 1.9000 Å \(atoms 0 and 1\)"):
        tight_binding_matrices(structure, parameter_set("graphene-third-neighbour"))


def test_a_missing_element_pair_is_named_with_its_distance() -> None:
    model = TightBinding({"B": 1.0, "N": -1.0}, (Shell(("B", "N"), 1.45, 0.1, -2.5),))
    structure = Structure(("B", "B"), [[0, 0, 0], [1.5, 0, 0]])
    with pytest.raises(InputError, match=r"no parameter for B–B at 1.5000 Å .* no shell for this pair"):
        tight_binding_matrices(structure, model)


def test_the_order_of_elements_in_a_shell_does_not_matter() -> None:
    structure = Structure(("B", "N", "B"), [[0, 0, 0], [1.45, 0, 0], [2.9, 0, 0]])
    one, other = (
        TightBinding({"B": 1.0, "N": -1.0}, (Shell(pair, 1.45, 0.1, -2.5),)) for pair in (("B", "N"), ("N", "B"))
    )
    difference = tight_binding_matrices(structure, one)[0] - tight_binding_matrices(structure, other)[0]
    assert abs(difference).max() == 0


def test_overlapping_shells_are_refused() -> None:
    with pytest.raises(InputError, match="overlap, so that a pair could belong to both"):
        TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.4, 0.2, -2.7), Shell(("C", "C"), 1.7, 0.2, -0.1)))


def test_an_unknown_parameter_set_lists_the_close_names() -> None:
    with pytest.raises(InputError, match="did you mean graphene-third-neighbour"):
        parameter_set("graphene-third-neighbor")


def test_an_unknown_key_in_a_parameter_file_is_named() -> None:
    with pytest.raises(FileFormatError, match="my model: unknown key 'on_site'"):
        parse_parameters("[on_site]\nC = 0.0\n", "my model")


def test_a_parameter_that_is_no_number_is_named() -> None:
    text = '[onsite]\nC = 0\n[[shells]]\nelements = ["C", "C"]\ndistance = 1.4\ntolerance = 0.1\nhopping = "-2.7"\n'
    with pytest.raises(FileFormatError, match=r"shells\[0\].hopping = '-2.7' must be a number"):
        parse_parameters(text, "my model")
