"""Tangents of two-centre elements, of crystals and of devices: the adjoint identity, and remainders of second order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from ribbons import chain

from negfadj.array import is_array, leaves, rebuild, tree_map
from negfadj.errors import InputTypeError, ShapeError
from negfadj.models import (
    Cutoff,
    ExponentialLaw,
    GoodwinSkinnerPettifor,
    PowerLaw,
    Shell,
    Structure,
    TightBinding,
    UserLaw,
    transport_model,
    transport_model_vjp,
)
from negfadj.models.tight_binding_matrices import periodic_hamiltonian, periodic_hamiltonian_vjp
from negfadj.models.tight_binding_tangent import periodic_hamiltonian_tangents
from negfadj.models.transport_model_tangent import transport_model_tangents
from negfadj.models.two_centre import two_centre, two_centre_tangent, two_centre_vjp

EPS = np.finfo(np.float64).eps
NAMES = ("onsite_energy", "potential_energy", "lead_potential_energy")


def rich(*, overlap: bool = True, spin: bool = True) -> TightBinding:
    """s, p and d, every law, a cut-off, overlap and spin–orbit coupling."""
    numbers = np.random.default_rng(0).normal(size=14)
    names = ("ss_sigma", "sp_sigma", "ps_sigma", "pp_sigma", "pp_pi", "ds_sigma", "dp_sigma", "dp_pi")
    near = dict(zip(names, numbers))
    power, decay = PowerLaw(2.1, 1.27), GoodwinSkinnerPettifor(2.0, 6.5, 2.2, 1.27)
    user = UserLaw(
        lambda d, p: np.exp(-p[0] * d), lambda d, p: (-p[0] * np.exp(-p[0] * d), [-d * np.exp(-p[0] * d)]), (0.4,)
    )
    laws = {"ss_sigma": power, "sp_sigma": decay, "dp_pi": user, "pp_pi": ExponentialLaw(3.3, 1.27)}
    shared: dict[str, Any] = {"law": laws, "cutoff": Cutoff(1.2, 1.5)}
    if overlap:
        shared |= {"overlap": {name: 0.02 * x for name, x in near.items()}, "overlap_law": decay}
    of_a = dict(zip(("ss_sigma", "sp_sigma", "sd_sigma", "pp_sigma", "pp_pi", "pd_sigma", "pd_pi"), numbers[7:]))
    of_a |= {"dd_sigma": 0.5, "dd_pi": -0.3, "dd_delta": 0.2}
    of_b = {"ss_sigma": 0.3, "sp_sigma": -0.2, "pp_sigma": 0.4, "pp_pi": 0.1}
    shells = (
        Shell(("A", "B"), 1.27, 0.23, near, **shared),
        Shell(("A", "A"), 1.9, 0.15, of_a, law=power),
        Shell(("B", "B"), 1.9, 0.15, of_b),
    )
    onsite = {"A": {"s": -1.0, "p": 0.5, "d": 0.9}, "B": {"s": -0.4, "p": 1.1}}
    return TightBinding(onsite, shells, {"A": {"d": 0.2}, "B": {"p": 0.15}} if spin else {})


def wire(n_cells: int = 5) -> Structure:
    """Cells of A and B, that repeat along y too."""
    cell = np.array([[0.0, 0.0, 0.0], [1.2, 0.3, 0.2]])
    places = (cell + 2.4 * np.arange(n_cells)[:, None, None] * [1, 0, 0]).reshape(-1, 3)
    places += 0.01 * np.random.default_rng(1).normal(size=places.shape)
    return Structure(("A", "B") * n_cells, places, np.diag([50.0, 1.9, 50.0]), (False, True, False))


CASES = {
    "spin, momentum, overlap": (wire(), rich(), {"momentum": (0.0, 0.23, 0.0)}),
    "momentum": (wire(), rich(overlap=False, spin=False), {"momentum": (0.0, 0.23, 0.0)}),
    "spin": (wire(), rich(overlap=False), {}),
    "overlap": (wire(), rich(spin=False), {}),
    "plain": (wire(), rich(overlap=False, spin=False), {"cells_per_layer": 2}),
}


def options_of(case: str) -> tuple[Structure, TightBinding, dict[str, Any]]:
    structure, model, options = CASES[case]
    rng = np.random.default_rng(2)
    energies = {name: 0.2 * rng.normal(size=n) for name, n in zip(NAMES, (structure.n_atoms, structure.n_atoms, 2))}
    return structure, model, {"period": (2.4, 2.4), "tolerance": 0.2, **options, **energies}


def random_like(x: Any, rng: np.random.Generator, size: float = 1.0) -> Any:
    """Random numbers in the places of a tree's."""

    def leaf(y: Any) -> Any:
        if not is_array(y):
            return float(size * rng.normal())
        return size * (rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if np.iscomplexobj(y) else 0))

    return tree_map(leaf, x)


def inner(x: Any, y: Any) -> float:
    """Re Σ conj(x) y over two trees of one class, where None is zero."""
    if x is None or y is None:
        return 0.0
    if is_array(x) or isinstance(x, float | complex):
        return float(np.sum(np.real(np.conj(x) * y)))
    if dataclasses.is_dataclass(x):
        moving = [f.name for f in dataclasses.fields(x) if not f.metadata.get("static")]
        return sum(inner(getattr(x, name), getattr(y, name)) for name in moving)
    if isinstance(x, Mapping):
        return sum(inner(x[key], y[key]) for key in x)
    if isinstance(x, tuple | list):
        return sum(inner(a, b) for a, b in zip(x, y, strict=True))
    return 0.0


def directions_of(structure: Structure, model: TightBinding, which: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    found = {
        "positions": 0.3 * rng.normal(size=(structure.n_atoms, 3)),
        "model": random_like(model, rng, 0.3),
        "onsite_energy": rng.normal(size=structure.n_atoms),
        "potential_energy": rng.normal(size=structure.n_atoms),
        "lead_potential_energy": rng.normal(size=2),
    }
    return found if which == "all" else {which: found[which]}


def moved(x: Any, direction: Any, h: float) -> Any:
    """x + h times a direction."""
    return tree_map(lambda a, d: a if d is None else a + h * d, x, direction)


def check_remainder(f: Callable[[float], list[Any]], tangent: list[Any]) -> None:
    """|f(h) − f(0) − h ḟ| falls as h²: by four when h is halved."""
    start = f(0.0)

    def remainder(h: float) -> float:
        there = f(h)
        return max(float(np.max(np.abs(a - b - h * t))) for a, b, t in zip(there, start, tangent, strict=True))

    sizes = [remainder(h) for h in (4e-3, 2e-3, 1e-3)]
    scale = max(float(np.max(np.abs(x))) for x in start)
    if sizes[0] < 100 * EPS * scale:  # linear
        return
    slopes = np.log2(np.array(sizes[:-1]) / sizes[1:])
    assert np.all(np.abs(slopes - 2) < 0.05), slopes


@pytest.mark.parametrize("degrees", [(a, b) for a in range(3) for b in range(3)])
def test_two_centre_tangent_is_the_transpose_of_the_pullback_and_a_derivative(degrees: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    n = rng.normal(size=(5, 3))
    n /= np.linalg.norm(n, axis=1)[:, None]
    n_dot = np.cross(rng.normal(size=(5, 3)), n)
    count = min(degrees) + 1
    integrals, integrals_dot = rng.normal(size=(count, 5)), rng.normal(size=(count, 5))
    found = two_centre_tangent(*degrees, n, list(integrals), n_dot, list(integrals_dot))
    bar = rng.normal(size=found.shape)
    n_bar, v_bar = two_centre_vjp(*degrees, n, list(integrals))[1](bar)
    other = np.sum(n_bar * n_dot) + sum(np.sum(a * b) for a, b in zip(v_bar, integrals_dot))
    assert np.sum(bar * found) == pytest.approx(other, abs=100 * EPS * bar.size)

    def at(h: float) -> list[Any]:
        there = n + h * n_dot  # off the sphere by h²/2
        there /= np.linalg.norm(there, axis=1)[:, None]
        return [two_centre(*degrees, there, list(integrals + h * integrals_dot))]

    check_remainder(at, [found])


@pytest.mark.parametrize("which", ["positions", "model", *NAMES, "all"])
@pytest.mark.parametrize("case", CASES)
def test_device_tangent_is_the_transpose_of_the_pullback(case: str, which: str) -> None:
    structure, model, options = options_of(case)
    made, pullback = transport_model_vjp(structure, model, **options)
    given = {name: options[name] for name in NAMES[1:]} | {"momentum": options.get("momentum", (0.0, 0.0, 0.0))}
    directions = directions_of(structure, model, which)
    found = transport_model_tangents(made, model, **given)(**directions)
    bar = random_like(made.device, np.random.default_rng(5))
    back = pullback(bar)
    bars = {"positions": back.structure.positions, "model": back.model}
    bars |= {name: getattr(back, name) for name in NAMES}
    shares = [inner(bars[name], direction) for name, direction in directions.items()]
    size = sum(float(np.sum(np.abs(x) ** 2)) for x in leaves(bar)) ** 0.5
    size *= sum(float(np.sum(np.abs(x) ** 2)) for x in leaves(found)) ** 0.5
    assert abs(inner(bar, found) - sum(shares)) < 100 * EPS * size
    assert size > 0 and abs(sum(shares)) > 1e-6 * size


@pytest.mark.parametrize("which", ["positions", "model", *NAMES])
@pytest.mark.parametrize("case", ["spin, momentum, overlap", "plain"])
def test_device_tangent_is_the_derivative_of_every_block(case: str, which: str) -> None:
    structure, model, options = options_of(case)
    made = transport_model(structure, model, **options)
    given = {name: options[name] for name in NAMES[1:]} | {"momentum": options.get("momentum", (0.0, 0.0, 0.0))}
    directions = directions_of(structure, model, which)
    found = transport_model_tangents(made, model, **given)(**directions)

    def blocks(h: float) -> list[Any]:
        there, numbers, energies = structure, model, dict(options)
        if which == "positions":
            there = rebuild(structure, positions=structure.positions + h * directions[which])
        elif which == "model":
            numbers = moved(model, directions[which], h)
        else:
            energies[which] = options[which] + h * directions[which]
        return [np.asarray(x) for x in leaves(transport_model(there, numbers, **energies).device)]

    filled = tree_map(lambda x, t: np.zeros_like(x) if t is None else np.asarray(t), made.device, found)
    check_remainder(blocks, leaves(filled))


def test_the_leads_of_atoms_that_keep_away_from_them_have_no_tangent() -> None:
    structure, model, options = options_of("overlap")
    made = transport_model(structure, model, **options)
    tangent = transport_model_tangents(made, model)
    shift = np.zeros((structure.n_atoms, 3))
    shift[4] = 0.1
    found = tangent(positions=shift)
    assert found.leads == (None, None) and found.overlap is not None
    assert tangent(onsite_energy=shift[:, 0]).overlap is None
    shift[0] = 0.1
    assert tangent(positions=shift).leads[0] is not None and tangent(positions=shift).leads[1] is None


@pytest.mark.parametrize("model", [rich(), rich(overlap=False, spin=False)], ids=["spin and overlap", "plain"])
def test_crystal_tangent_is_the_transpose_of_the_pullback_and_a_derivative(model: TightBinding) -> None:
    cell = wire(1)
    structure = Structure(cell.symbols, cell.positions, np.diag([2.4, 1.9, 50.0]), (True, True, False))
    made, pullback = periodic_hamiltonian_vjp(structure, model)
    direction = random_like(model, np.random.default_rng(6), 0.3)
    found = periodic_hamiltonian_tangents(structure, model)(direction)
    bar = random_like(made, np.random.default_rng(7))
    names = ("hamiltonian", "overlap")
    left = sum(inner(getattr(bar, name), getattr(found, name)) for name in names)
    assert left == pytest.approx(inner(pullback(bar).model, direction), abs=1e-12 * made.hamiltonian.size)

    def matrices(h: float) -> list[Any]:
        there = periodic_hamiltonian(structure, moved(model, direction, h))
        return [x for x in (there.hamiltonian, there.overlap) if x is not None]

    check_remainder(matrices, [x for x in (found.hamiltonian, found.overlap) if x is not None])
    assert not np.any(periodic_hamiltonian_tangents(structure, model)(None).hamiltonian)


def test_energies_of_another_shape_are_refused() -> None:
    model = TightBinding({"C": 0.0}, (Shell(("C", "C"), 1.0, 0.1, -1.0),))
    tangent = transport_model_tangents(transport_model(chain(6), model), model)
    with pytest.raises(ShapeError, match=r"onsite_energy has shape \(3,\)"):
        tangent(onsite_energy=np.ones(3))
    with pytest.raises(InputTypeError, match="complex"):
        tangent(potential_energy=1j * np.ones(6))
