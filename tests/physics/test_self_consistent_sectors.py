"""Several devices in one potential: modes of a tube, transverse momenta of a film, weights, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from biased_devices import chain, random_device

import negfadj as na
from negfadj.array import rebuild, tree_map
from negfadj.data import BlockTridiagonal, Device, Lead
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models import Shell, Structure, TightBinding, transport_model
from negfadj.models.nanotube import circumferential_modes, nanotube, nanotube_model, zigzag_modes, zigzag_ring_positions
from negfadj.physics.sector import Sector
from negfadj.physics.self_consistent import Solution, self_consistent, self_consistent_vjp
from negfadj.testing import check_vjp

# one lowest energy: the same poles for all
EXACT: dict[str, Any] = {"tolerance": 1e-11, "error": 1e-10, "lowest": -20.0}


def plates(x: Any, width: float = 1.2) -> ParallelPlates:
    x = np.asarray(x, dtype=np.float64) + 3.0
    return ParallelPlates(np.column_stack((x, 0 * x, 0 * x)), width=width, distance=float(x[-1] + 3.0))


def agree(first: Solution, second: Solution, atol: float = 1e-10) -> None:
    assert np.abs(first.potential).max() > 0.01
    np.testing.assert_allclose(first.potential, second.potential, rtol=0, atol=atol)
    np.testing.assert_allclose(first.charge, second.charge, rtol=0, atol=atol)
    assert abs(first.current) > 1e-3 and np.isclose(first.current, second.current, rtol=1e-8)


def mode(slanted: float, straight: float, n_rings: int) -> Device:
    """One circumferential mode by itself: a chain of alternating hoppings."""
    links = [slanted, straight]
    one = np.ones((1, 1))
    leads = []
    for block, ahead in ((0, 1), (-1, (n_rings - 1) % 2)):
        outer, inner = links[ahead], links[1 - ahead]
        leads.append(
            Lead(
                np.array([[0, inner], [inner, 0]]),
                np.array([[0, 0], [outer, 0]]),
                coupling=np.array([[outer, 0]]),
                block=block,
            )
        )
    upper = [links[j % 2] * one for j in range(n_rings - 1)]
    return Device(BlockTridiagonal([0 * one] * n_rings, upper), leads)


def tube(n: int = 5, n_rings: int = 8, t: float = -2.7) -> tuple[list[Sector], ParallelPlates, dict[str, Any]]:
    x = zigzag_ring_positions(n_rings)
    neutral = n * np.where(x < x.mean(), 1.02, 0.98)
    # eta: a tube that ends zigzag has a surface state
    given: dict[str, Any] = {"bias": 0.5, "temperature": 1000.0, "neutral": neutral, "eta": 3e-2, **EXACT}
    modes = circumferential_modes(n, hopping=t)
    return [Sector(mode(m.slanted_hopping, t, n_rings), m.degeneracy) for m in modes], plates(x, width=3.0), given


def test_modes_of_a_tube_as_sectors_are_one_device_of_all_modes() -> None:
    separate, field, given = tube()
    found = self_consistent(separate, field, **given)
    together = zigzag_modes(5, n_rings=8, hopping=-2.7)
    agree(found, self_consistent(together.device, field, sites=together.rings, **given))
    assert len(found.populations) == len(found.device) == len(separate) == 3


@pytest.mark.slow
def test_modes_of_a_tube_as_sectors_are_the_tube_in_real_space() -> None:
    separate, field, given = tube()
    made = transport_model(nanotube((5, 0), n_cells=2), nanotube_model(-2.7))  # an orbital for every atom
    atoms = self_consistent(made.device, field, sites=made.atoms // 5, **given)
    agree(self_consistent(separate, field, **given), atoms)


def film(n_across: int, n_along: int = 6) -> Structure:
    """A square lattice, periodic across."""
    positions = [(2.0 * i, 2.0 * j, 0.0) for i in range(n_along) for j in range(n_across)]
    cell = np.diag([2.0 * n_along, 2.0 * n_across, 50.0])
    return Structure(("C",) * len(positions), positions, cell, (False, True, False))


def test_transverse_momenta_as_sectors_are_a_wide_supercell() -> None:
    n_across, n_along = 4, 6
    model = TightBinding({"C": 0.0}, (Shell(("C", "C"), 2.0, 0.2, -1.0),))
    grid = na.monkhorst_pack((1, n_across, 1))
    sectors = []
    for momentum, weight in zip(grid.momenta, grid.weights):
        made = transport_model(film(1, n_along), model, momentum=tuple(momentum))
        sectors.append(Sector(made.device, float(weight), sites=made.atoms))
    wide = transport_model(film(n_across, n_along), model)
    neutral = np.where(np.arange(n_along) < 3, 1.05, 0.95)
    given: dict[str, Any] = {"bias": 0.3, "temperature": 1000.0, "neutral": neutral, **EXACT}
    field = plates(2.0 * np.arange(n_along))
    supercell = [Sector(wide.device, 1 / n_across, sites=wide.atoms // n_across)]
    agree(self_consistent(sectors, field, **given), self_consistent(supercell, field, **given))


def test_one_sector_of_weight_one_is_the_device() -> None:
    given: dict[str, Any] = {"bias": 0.3, "temperature": 600.0, "neutral": np.linspace(1.1, 0.9, 6)}
    field = plates(2.0 * np.arange(6))
    alone = self_consistent(chain(6), field, **given)
    sector = self_consistent([Sector(chain(6))], field, **given)
    np.testing.assert_array_equal(sector.potential, alone.potential)
    np.testing.assert_array_equal(sector.populations[0], alone.populations)
    assert sector.current == alone.current


def test_both_spins_as_sectors_are_the_degenerate_device() -> None:
    given: dict[str, Any] = {"bias": 0.3, "temperature": 600.0, "neutral": np.linspace(1.1, 0.9, 6), **EXACT}
    field = plates(2.0 * np.arange(6))
    for method in ("newton", "anderson"):
        both = self_consistent([Sector(chain(6))] * 2, field, spin_degeneracy=1.0, method=method, **given)  # type: ignore[arg-type]
        agree(both, self_consistent(chain(6), field, **given))


SITES = np.array([0, 1, 1, 2, 2, 3, 4, 4])
NEUTRAL = np.array([2.3, 3.1, 3.0, 2.2, 2.9])


def sectors() -> tuple[Sector, Sector]:
    """Unlike devices, one with overlap, that share five sites."""
    return Sector(random_device(0, overlap=True), 0.7, sites=SITES), Sector(chain(5), 1.6)


def small_sectors() -> tuple[Sector, Sector]:
    """Unlike chains that share five sites."""
    first = chain(6, np.array([0.1, -0.2, 0.3, 0.0, 0.2, -0.1]))
    return Sector(first, 0.7, sites=np.array([0, 1, 1, 2, 3, 4])), Sector(chain(5), 1.6)


def composed() -> tuple[Any, Any]:
    """(sector, sector, (V, kilokelvin)) → (φ, q, I, T of each at 0.1 eV), and its pullback."""
    field = plates(2.0 * np.arange(5))
    kept: list[Solution] = []  # starts the differences

    def options(numbers: Any) -> dict[str, Any]:
        bias, kilokelvin = (float(x) for x in numbers)
        given = {"bias": bias, "temperature": 1000 * kilokelvin, "neutral": NEUTRAL, "tolerance": 1e-11, "error": 1e-10}
        return given | ({"initial": kept[0]} if kept else {})

    def value(first: Sector, second: Sector, numbers: Any) -> Any:
        found = self_consistent([first, second], field, **options(numbers))
        kept[:] = kept or [found]
        observed = [na.transmission(device, [0.1])[0] for device in found.device]
        return found.potential, found.charge, np.array([found.current, *observed])

    def value_vjp(first: Sector, second: Sector, numbers: Any) -> Any:
        found, pullback = self_consistent_vjp([first, second], field, **options(numbers))
        observed = [na.transmission_vjp(device, [0.1]) for device in found.device]

        def plain(bar: Any) -> Any:
            potential, charge, scalars = bar
            devices = [pull(x[None]).device for x, (_, pull) in zip(scalars[1:], observed)]
            bars = pullback(potential=potential, charge=charge, current=float(scalars[0]), device=devices)
            return (*bars.device, np.array([bars.bias, 1000 * bars.temperature]))

        of_sectors = [float(t[0]) for t, _ in observed]
        return (found.potential, found.charge, np.array([found.current, *of_sectors])), plain

    return value, value_vjp


NUMBERS = np.array([0.3, 1.0])


def direction(primal: Any, rng: np.random.Generator) -> Any:
    tangent = tree_map(lambda x: rng.normal(size=np.shape(x)) if np.ndim(x) else float(rng.normal()), primal)
    return primal.project_tangent(tangent) if hasattr(primal, "project_tangent") else tangent


def inner(bar: Any, tangent: Any) -> float:
    found: list[float] = []
    tree_map(lambda v, x: found.append(0.0 if x is None else float(np.real(np.sum(np.conj(x) * v)))), tangent, bar)
    return sum(found)


def test_gradient_through_several_sectors_is_that_of_converged_solutions() -> None:
    rng = np.random.default_rng(3)
    primals = (*small_sectors(), NUMBERS)
    value, value_vjp = composed()
    found, pullback = value_vjp(*primals)
    weights = [rng.normal(size=x.shape) for x in found]
    bars = pullback(weights)
    tangents = [direction(p, rng) for p in primals]

    def along(h: float) -> float:
        moved = [tree_map(lambda x, v: x + h * v, p, t) for p, t in zip(primals, tangents)]
        return sum(float(np.sum(w * x)) for w, x in zip(weights, value(*moved)))

    h = 2e-3
    slope = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
    assert all(abs(bar.weight) > 1e-3 for bar in bars[:2])
    exact = sum(inner(bar, v) for bar, v in zip(bars, tangents))
    assert abs(exact - slope) <= 1e-6 * abs(slope)


@pytest.mark.slow
@pytest.mark.parametrize("argument", range(3))
def test_self_consistent_vjp_of_sectors_agrees_with_differences(argument: int) -> None:
    value, value_vjp = composed()
    check_vjp(value, value_vjp, (*sectors(), NUMBERS), arguments=[argument], rtol=1e-6, step=1e-2)


@pytest.mark.slow
def test_gradient_to_the_weights_is_that_of_differences() -> None:
    value, value_vjp = composed()
    primals = sectors()
    bars = value_vjp(*primals, NUMBERS)[1]((np.ones(5), np.zeros(5), np.array([1.0, 0.0, 0.0])))
    for k in range(2):

        def along(h: float, k: int = k) -> float:
            moved = list(primals)
            moved[k] = rebuild(moved[k], weight=moved[k].weight + h)
            potential, _, scalars = value(*moved, NUMBERS)
            return float(np.sum(potential) + scalars[0])

        h = 4e-3
        slope = (8 * (along(h) - along(-h)) - along(2 * h) + along(-2 * h)) / (12 * h)
        assert np.isclose(bars[k].weight, slope, rtol=1e-6)


@pytest.mark.slow
def test_sectors_with_a_memory_limit_give_the_same_solution() -> None:
    given: dict[str, Any] = {"bias": 0.2, "temperature": 1000.0, "neutral": NEUTRAL}
    field = plates(2.0 * np.arange(5))
    free, limited = (self_consistent(sectors(), field, memory_limit=limit, **given) for limit in (None, 8e5))
    np.testing.assert_allclose(limited.potential, free.potential, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("given", "sites", "error", "message"),
    [
        ([], None, InputError, "empty list; give one Sector"),
        ([chain(5)], None, InputTypeError, "device is a list of other things; pass a negfadj.Device, or a list of Sec"),
        ([Sector(chain(5))], np.arange(5), InputError, "sites are given beside a list of sectors"),
        ([Sector(chain(5), sites=np.arange(4))], None, ShapeError, r"sectors\[0\].sites has shape \(4,\)"),
        ([Sector(chain(5)), Sector(chain(6))], None, InputError, r"6 orbitals .* 5 sites; give sectors\[1\].sites"),
    ],
)
def test_self_consistent_refuses_sectors_that_do_not_fit(given: Any, sites: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        self_consistent(given, plates(2.0 * np.arange(5)), bias=0.0, neutral=1.0, sites=sites)


def test_sectors_must_have_the_same_leads() -> None:
    one = rebuild(chain(5), leads=chain(5).leads[:1])
    with pytest.raises(InputError, match=r"sectors\[1\].device has 1 leads but sectors\[0\].device has 2"):
        self_consistent([Sector(chain(5)), Sector(one)], plates(2.0 * np.arange(5)), bias=0.0, neutral=1.0)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [(0.0, InputError, "weight=0.0 must be positive"), ([1.0, 2.0], ShapeError, r"weight has shape \(2,\)")],
)
def test_sector_refuses_a_weight_that_does_not_count(weight: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Sector(chain(3), weight)


def test_pullback_of_sectors_wants_a_cotangent_for_each() -> None:
    _, pullback = self_consistent_vjp([Sector(chain(5))], plates(2.0 * np.arange(5)), bias=0.0, neutral=1.0)
    with pytest.raises(ShapeError, match="lists 2 but there are 1 sectors"):
        pullback(device=[None, None])
    with pytest.raises(InputTypeError, match="cotangent device is a Device; give a list"):
        pullback(device=chain(5))
