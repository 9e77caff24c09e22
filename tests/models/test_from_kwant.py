"""Kwant systems as devices: Kwant's own transmission, densities and modes, and gradients to a model's parameters.

The tests that need Kwant run in an environment of their own (`.ci/kwant_environment`); a ladder with the methods of a
Kwant system stands in for it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from kwant_systems import CASES, KwantCase
from scipy import sparse

import negfadj as na
from negfadj.models.from_kwant import from_kwant, from_kwant_vjp, kwant_pattern
from negfadj.models.kwant_derivatives import kwant_derivatives

EPS = np.finfo(float).eps
ALL_CASES = pytest.mark.parametrize("name", list(CASES))


@pytest.fixture(scope="session")
def kwant() -> Any:
    return pytest.importorskip("kwant", reason="Kwant needs an environment of its own: .ci/kwant_environment")


@pytest.fixture
def case(kwant: Any, name: str) -> KwantCase:
    return CASES[name](kwant)


# A stand-in for a finalised system: a ladder of two legs, sites numbered backwards, two leads.


class Graph(list):  # type: ignore[type-arg]
    """Directed edges, as Kwant's graphs are iterated over."""

    def __init__(self, num_nodes: int, edges: Any) -> None:
        super().__init__((int(a), int(b)) for a, b in edges)
        self.num_nodes = num_nodes


def ladder_hamiltonian(n: int, onsite: Any, t: float, phase: float, rung: float) -> np.ndarray:
    """Site 2x + y of a ladder of n rungs: −t e^{±iφ} along the legs, −r across."""
    h = np.diag(np.asarray(onsite, dtype=complex).reshape(-1))
    for x in range(n):
        h[2 * x, 2 * x + 1] = h[2 * x + 1, 2 * x] = -rung
        for y in range(2 if x + 1 < n else 0):
            value = -t * np.exp(1j * phase * (y - 0.5))
            h[2 * x + y, 2 * x + 2 + y], h[2 * x + 2 + y, 2 * x + y] = value, np.conj(value)
    return h


@dataclass
class LadderLead:
    """A lead of the ladder that goes to smaller x (direction −1) or larger x (+1)."""

    direction: int
    cell_size: int = 2
    parameters = frozenset({"t", "phase", "rung"})
    graph = Graph(4, [(0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1)])

    def cell_hamiltonian(self, *, sparse: bool, params: Mapping[str, Any]) -> Any:
        return coo(ladder_hamiltonian(1, np.zeros(2), params["t"], params["phase"], params["rung"]))

    def inter_cell_hopping(self, *, sparse: bool, params: Mapping[str, Any]) -> Any:
        ahead = -params["t"] * np.exp(1j * params["phase"] * np.array([-0.5, 0.5]))  # <x|H|x+1>
        return coo(np.diag(ahead if self.direction < 0 else ahead.conj()))

    def hamiltonian_submatrix(self, *, return_norb: bool = False, params: Any, **_: Any) -> Any:
        return self.cell_hamiltonian(sparse=True, params=params), np.ones(2, dtype=int), np.ones(2, dtype=int)


class Ladder:
    """The ladder with the methods of kwant.system.FiniteSystem that `from_kwant` uses."""

    parameters = frozenset({"onsite", "t", "phase", "rung"})

    def __init__(self, n: int = 6, *, leads: int = 2, seed: int = 0) -> None:
        self.n, self.number = n, np.random.default_rng(seed).permutation(2 * n)  # site of Kwant → site of the ladder
        index = np.argsort(self.number)
        edges = [(2 * x, 2 * x + 1) for x in range(n)] + [(i, i + 2) for i in range(2 * n - 2)]
        self.graph = Graph(2 * n, [(index[a], index[b]) for a, b in edges] + [(index[b], index[a]) for a, b in edges])
        self.leads = [LadderLead(-1), LadderLead(1)][:leads]
        self.lead_interfaces = [index[:2], index[-2:]][:leads]

    def hamiltonian_submatrix(self, *, return_norb: bool = False, params: Any, **_: Any) -> Any:
        values = {key: params[key] for key in ("t", "phase", "rung")}
        h = coo(ladder_hamiltonian(self.n, params["onsite"], **values)[self.number][:, self.number])
        ones = np.ones(2 * self.n, dtype=int)
        return (h, ones, ones) if return_norb else h


class RungLead(LadderLead):
    """The same lead with one site of two orbitals in its cell."""

    graph = Graph(2, [(0, 1), (1, 0)])

    def hamiltonian_submatrix(self, *, return_norb: bool = False, params: Any, **_: Any) -> Any:
        return self.cell_hamiltonian(sparse=True, params=params), np.array([2]), np.array([2])


class Rungs(Ladder):
    """The same ladder with its rungs as sites of two orbitals, numbered from one end."""

    def __init__(self, n: int = 6) -> None:
        self.n, self.number = n, np.arange(2 * n)
        self.graph = Graph(n, [pair for x in range(n - 1) for pair in ((x, x + 1), (x + 1, x))])
        self.leads = [RungLead(-1, 1), RungLead(1, 1)]
        self.lead_interfaces = [[0], [n - 1]]

    def hamiltonian_submatrix(self, *, return_norb: bool = False, params: Any, **_: Any) -> Any:
        h = super().hamiltonian_submatrix(params=params)
        return (h, np.full(self.n, 2), np.full(self.n, 2)) if return_norb else h


def coo(matrix: np.ndarray) -> Any:
    return sparse.coo_matrix(matrix)  # without its zeros, as Kwant's


def ladder_params(n: int = 6) -> dict[str, Any]:
    onsite = np.random.default_rng(1).uniform(-0.5, 0.5, (n, 2))
    return {"onsite": onsite, "t": 1.1, "phase": 0.4, "rung": 0.3}


def ladder_transmission(params: Mapping[str, Any], energies: np.ndarray) -> np.ndarray:
    """The same ladder, put together by hand rung by rung."""
    h = ladder_hamiltonian(len(params["onsite"]), **params)
    blocks = na.BlockTridiagonal.from_dense(h, [2] * len(params["onsite"]))
    cell = ladder_hamiltonian(2, np.zeros(4), **{k: params[k] for k in ("t", "phase", "rung")})
    ahead = cell[:2, 2:]
    left = na.Lead(onsite=cell[:2, :2], hopping=ahead.conj().T, block=0)
    right = na.Lead(onsite=cell[:2, :2], hopping=ahead, block=-1)
    return np.asarray(na.transmission(na.Device(blocks, (left, right)), energies))


def moved(params: Mapping[str, Any], name: str, step: Any) -> dict[str, Any]:
    value = params[name] + step
    return {**params, name: value if np.ndim(value) else float(value)}


def difference(function: Any, step: float) -> float:
    """Central differences of a function of one number at 0, extrapolated twice: an error of order step⁶."""
    first, second, third = ((function(h) - function(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    return float((16 * (4 * third - second) / 3 - (4 * second - first) / 3) / 15)


def directions(params: Mapping[str, Any], names: Any) -> Iterator[tuple[str, Any]]:
    rng = np.random.default_rng(11)
    for name in names:
        yield name, rng.standard_normal(np.shape(params[name])) if np.ndim(params[name]) else 1.0


ENERGIES = np.array([-0.7, 0.35, 1.2])
WEIGHTS = np.array([1.0, -2.0, 0.7])


def weighted_transmission(system: Any, params: Mapping[str, Any]) -> float:
    return float(WEIGHTS @ na.transmission(from_kwant(system, params=params).device, ENERGIES))


def test_ladder_is_the_one_put_together_by_hand() -> None:
    params = ladder_params()
    found = na.transmission(from_kwant(Ladder(), params=params).device, ENERGIES)
    assert np.allclose(found, ladder_transmission(params, ENERGIES), rtol=0, atol=1e-12)
    assert found.max() > 0.5


def test_sites_of_two_orbitals_are_the_same_ladder() -> None:
    params = ladder_params()
    found, pullback = from_kwant_vjp(Rungs(), params=params, names=("onsite", "phase"))
    transmission, to_device = na.transmission_vjp(found.device, ENERGIES)
    assert np.allclose(transmission, ladder_transmission(params, ENERGIES), rtol=0, atol=1e-12)
    gradient = pullback(to_device(WEIGHTS).device)
    other, pullback = from_kwant_vjp(Ladder(), params=params, names=("onsite", "phase"))
    expected = pullback(na.transmission_vjp(other.device, ENERGIES)[1](WEIGHTS).device)
    assert np.allclose(gradient["onsite"], expected["onsite"], rtol=0, atol=1e-11)
    assert gradient["phase"] == pytest.approx(expected["phase"], rel=1e-9)
    assert found.orbitals_of(2).tolist() == [4, 5]
    assert np.array_equal(found.to_sites(np.ones(12)), np.full(6, 2.0))


def test_a_lead_with_other_orbitals_than_its_interface_is_refused() -> None:
    rungs = Rungs()
    rungs.leads[1] = LadderLead(1)  # two sites of one orbital each
    rungs.lead_interfaces[1] = [4, 5]
    with pytest.raises(na.ShapeError, match=r"lead 1 continues sites with \[1, 1\] orbitals.*with \[2, 2\]"):
        from_kwant(rungs, params=ladder_params())


def test_orbitals_keep_their_way_back_to_the_sites() -> None:
    ladder, params = Ladder(), ladder_params()
    found = from_kwant(ladder, params=params)
    assert not np.array_equal(found.sites, np.arange(12))
    own = np.real(np.diag(found.device.hamiltonian.to_dense()))
    expected = params["onsite"].reshape(-1)[ladder.number]
    assert np.array_equal(found.to_kwant(own), expected)
    assert np.array_equal(found.to_sites(np.stack((own, 2 * own))), np.stack((expected, 2 * expected)))
    assert all(found.sites[found.orbitals_of(site)].tolist() == [site] for site in range(12))


def test_the_order_does_not_depend_on_the_values() -> None:
    ladder = Ladder()
    first = from_kwant(ladder, params=ladder_params())
    second = from_kwant(ladder, params={**ladder_params(), "rung": 0.0})
    assert np.array_equal(first.sites, second.sites)


@pytest.mark.parametrize("name", ["onsite", "t", "phase", "rung"])
def test_ladder_pullback_is_the_derivative_of_the_transmission(name: str) -> None:
    ladder, params = Ladder(), ladder_params()
    found, pullback = from_kwant_vjp(ladder, params=params, names=("onsite", "t", "phase", "rung"))
    gradient = pullback(na.transmission_vjp(found.device, ENERGIES)[1](WEIGHTS).device)
    ((_, direction),) = directions(params, [name])
    expected = difference(lambda h: weighted_transmission(ladder, moved(params, name, h * direction)), 1e-3)
    assert np.shape(gradient[name]) == np.shape(params[name])
    assert abs(np.sum(gradient[name] * direction) - expected) <= 1e-7 * abs(expected)


def test_parameters_that_are_zero_have_their_gradient() -> None:
    ladder, params = Ladder(), {**ladder_params(), "rung": 0.0, "phase": 0}
    found, pullback = from_kwant_vjp(ladder, params=params, names=("rung", "phase"))
    bar = na.transmission_vjp(found.device, ENERGIES)[1](WEIGHTS).device
    gradient = pullback(bar)
    # even in the coupling of two legs that it alone joins
    assert abs(gradient["rung"]) <= 1e-12
    cross = {**params, "rung": 0.2}
    found, pullback = from_kwant_vjp(ladder, params=cross, names=("rung", "phase"))
    gradient = pullback(na.transmission_vjp(found.device, ENERGIES)[1](WEIGHTS).device)
    expected = difference(lambda h: weighted_transmission(ladder, moved(cross, "rung", h)), 1e-3)
    assert abs(gradient["rung"] - expected) <= 1e-7 * abs(expected)
    assert abs(gradient["phase"]) <= 1e-12  # T is even in a magnetic field


def test_derivatives_are_the_sparse_matrices_of_the_model() -> None:
    ladder, params = Ladder(), ladder_params()
    found = kwant_derivatives(ladder, params=params, names=("t", "onsite"))
    by_t = found.matrices("t")
    own = ladder_hamiltonian(6, np.zeros(12), 1.0, 0.4, 0.0)[ladder.number][:, ladder.number]
    assert np.allclose(by_t.hamiltonian.toarray(), own, rtol=0, atol=1e-14)
    assert np.allclose(by_t.lead_hoppings[1].toarray(), -np.diag(np.exp(0.4j * np.array([0.5, -0.5]))), atol=1e-14)
    assert by_t.lead_cells[0].nnz == 0
    of_site = found.matrices("onsite", (2, 1)).hamiltonian.tocoo()
    assert (of_site.nnz, ladder.number[of_site.coords[0]].tolist()) == (1, [5])
    assert found.is_affine


def test_derivatives_are_used_again_where_they_hold() -> None:
    ladder, params = Ladder(), ladder_params()
    names = ("onsite", "t")
    found = kwant_derivatives(ladder, params=params, names=names)
    elsewhere = {**params, "t": 0.8, "onsite": 0.3 * params["onsite"]}
    expected = from_kwant_vjp(ladder, params=elsewhere, names=names)
    calls = []
    evaluate = ladder.hamiltonian_submatrix
    ladder.hamiltonian_submatrix = lambda **keywords: (calls.append(1), evaluate(**keywords))[1]  # type: ignore[method-assign]
    device, pullback = from_kwant_vjp(ladder, params=elsewhere, names=names, derivatives=found)
    assert len(calls) == 1
    bar = na.transmission_vjp(device.device, ENERGIES)[1](WEIGHTS).device
    assert pullback(bar)["t"] == pytest.approx(expected[1](bar)["t"], rel=1e-12)


def test_derivatives_that_no_longer_hold_are_found_anew() -> None:
    ladder, params = Ladder(), ladder_params()
    names = ("t", "phase")  # t e^{iφ}: a product
    found = kwant_derivatives(ladder, params=params, names=names)
    assert not found.is_affine
    for elsewhere in ({**params, "t": 0.8}, {**params, "phase": 0.1}, {**params, "rung": 0.5}):
        device, pullback = from_kwant_vjp(ladder, params=elsewhere, names=names, derivatives=found)
        gradient = pullback(na.transmission_vjp(device.device, ENERGIES)[1](WEIGHTS).device)
        expected = difference(lambda h, p=elsewhere: weighted_transmission(ladder, moved(p, "phase", h)), 1e-3)
        assert abs(gradient["phase"] - expected) <= 1e-7 * abs(expected)


def test_a_pattern_gives_the_same_gradient() -> None:
    ladder, params = Ladder(), ladder_params()
    found = kwant_derivatives(ladder, params=params, names=("onsite",))
    device, pullback = from_kwant_vjp(ladder, params=params, names=("onsite",), derivatives=found)
    value_bar = na.transmission_vjp(device.device, ENERGIES)[1]
    expected = pullback(value_bar(WEIGHTS).device)["onsite"]
    for wrt in (kwant_pattern(found), "onsite"):
        assert np.allclose(pullback(value_bar(WEIGHTS, wrt=wrt).device)["onsite"], expected, rtol=0, atol=1e-13)
    rows, columns = kwant_pattern(found)
    with pytest.raises(na.InputError, match="leaves out entry"):
        pullback(value_bar(WEIGHTS, wrt=(rows[1:], columns[1:])).device)


def test_a_pattern_holds_hoppings_either_way_round() -> None:
    ladder, params = Ladder(), ladder_params()
    for lead in ladder.leads:  # leads of their own, that do not move
        lead.cell_hamiltonian = lambda **_: coo(ladder_hamiltonian(1, np.zeros(2), 1.0, 0.0, 0.3))  # type: ignore[method-assign]
        lead.inter_cell_hopping = lambda **_: coo(-np.eye(2))  # type: ignore[method-assign]
    found = kwant_derivatives(ladder, params=params, names=("phase", "t"))
    device, pullback = from_kwant_vjp(ladder, params=params, names=("phase", "t"), derivatives=found)
    value_bar = na.transmission_vjp(device.device, ENERGIES)[1]
    expected = pullback(value_bar(WEIGHTS).device)
    rows, columns = kwant_pattern(found)
    for wrt in ((rows, columns), (columns, rows)):
        again = pullback(value_bar(WEIGHTS, wrt=wrt).device)
        assert again == pytest.approx(expected, rel=1e-11)
    assert abs(expected["phase"]) > 1e-3


def test_a_pattern_is_refused_when_a_lead_moves() -> None:
    ladder, params = Ladder(), ladder_params()
    found = kwant_derivatives(ladder, params=params, names=("t",))
    with pytest.raises(na.InputError, match="moves the leads"):
        kwant_pattern(found)
    device, pullback = from_kwant_vjp(ladder, params=params, names=("t",), derivatives=found)
    with pytest.raises(na.InputError, match='wrt="all"'):
        pullback(na.transmission_vjp(device.device, ENERGIES)[1](WEIGHTS, wrt="onsite").device)


def test_params_are_left_as_they_were() -> None:
    ladder, params = Ladder(), ladder_params()
    before = {key: np.copy(value) for key, value in params.items()}
    from_kwant_vjp(ladder, params=params, names=("onsite", "t"))
    assert all(np.array_equal(params[key], before[key]) for key in before)
    assert set(params) == set(before)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (SimpleNamespace(finalized=None), r"call its finalized\(\) first"),
        (3.0, "is a float, not a finalised Kwant system"),
        (LadderLead(1), "a lead by itself"),
        (Ladder(leads=0), "has no leads"),
    ],
)
def test_what_is_no_finalised_system_with_leads_is_refused(system: Any, message: str) -> None:
    with pytest.raises(na.InputTypeError, match=message):
        from_kwant(system, params=ladder_params())


def test_a_lead_without_a_hamiltonian_is_refused() -> None:
    ladder = Ladder()
    ladder.leads[1] = SimpleNamespace(selfenergy=None)
    with pytest.raises(na.InputTypeError, match=r"leads\[1\].*SimpleNamespace, which has no Hamiltonian"):
        from_kwant(ladder, params=ladder_params())


@pytest.mark.parametrize(
    ("changes", "names", "message"),
    [
        ({}, ("height",), "'height' is not in params"),
        ({"height": 1.0}, ("height",), "'height' is no parameter of the Kwant system"),
        ({"t": 1.0 + 0.1j}, ("t",), "needs a real number"),
        ({"t": "1"}, ("t",), "needs a real number"),
        ({"t": np.nan}, ("t",), "not finite"),
        ({}, ("t", "t"), "a name twice"),
        ({}, "t", "must be a sequence"),
    ],
)
def test_parameters_without_a_gradient_are_refused(changes: dict[str, Any], names: Any, message: str) -> None:
    with pytest.raises(na.InputError, match=message):
        from_kwant_vjp(Ladder(), params={**ladder_params(), **changes}, names=names)


def test_values_and_components_that_do_not_fit_are_refused() -> None:
    ladder, params = Ladder(), ladder_params()
    found = from_kwant(ladder, params=params)
    with pytest.raises(na.ShapeError, match="must be the 12 orbitals"):
        found.to_sites(np.zeros(11))
    with pytest.raises(na.InputError, match="sites 0 … 11"):
        found.orbitals_of(12)
    derivatives = kwant_derivatives(ladder, params=params, names=("onsite",))
    with pytest.raises(na.InputError, match="no component"):
        derivatives.matrices("onsite", (6, 0))
    with pytest.raises(na.InputError, match="'t' was not differentiated"):
        derivatives.matrices("t")
    with pytest.raises(na.InputError, match="were found for"):
        from_kwant_vjp(ladder, params=params, names=("t",), derivatives=derivatives)
    with pytest.raises(na.ShapeError, match="differentiated with shape"):
        from_kwant_vjp(ladder, params={**params, "onsite": np.zeros(12)}, names=("onsite",), derivatives=derivatives)
    with pytest.raises(na.InputError, match="Kwant takes one of them"):
        from_kwant(ladder, params=params, args=(1.0,))


def test_a_kink_in_a_parameter_is_refused() -> None:
    ladder, params = Ladder(), {**ladder_params(), "rung": 0.0}
    evaluate = ladder.hamiltonian_submatrix
    ladder.hamiltonian_submatrix = lambda *, params, **rest: evaluate(  # type: ignore[method-assign]
        params={**params, "rung": abs(params["rung"])}, **rest
    )
    with pytest.raises(na.ConvergenceError, match="'rung' is known only to"):
        from_kwant_vjp(ladder, params=params, names=("rung",))


# The real Kwant.


@ALL_CASES
def test_transmissions_between_all_leads_are_kwants(kwant: Any, case: KwantCase) -> None:
    found = na.transmission_matrix(from_kwant(case.system, params=case.params).device, np.array(case.energies))
    leads = range(len(case.system.leads))
    for energy, matrix in zip(case.energies, found):
        scattering = kwant.smatrix(case.system, energy, params=case.params)
        expected = np.array([[scattering.transmission(i, j) for j in leads] for i in leads])
        assert np.max(np.abs(matrix - expected) / (1 + expected)) <= 1e-10  # asked for: 1e-8
        assert expected.max() > 0.1


@ALL_CASES
def test_open_channels_are_kwants(kwant: Any, case: KwantCase) -> None:
    device = from_kwant(case.system, params=case.params).device
    for k, lead in enumerate(case.system.leads):
        expected = [len(lead.modes(energy, params=case.params)[0].momenta) // 2 for energy in case.energies]
        assert np.array_equal(na.open_channels(device, np.array(case.energies), lead=k), expected)


@ALL_CASES
def test_hamiltonian_in_kwants_order_is_kwants(kwant: Any, case: KwantCase) -> None:
    found = from_kwant(case.system, params=case.params)
    dense = np.asarray(found.device.hamiltonian.to_dense())[np.ix_(found.orbitals, found.orbitals)]
    assert np.array_equal(dense, case.system.hamiltonian_submatrix(params=case.params))
    _, per_site, _ = case.system.hamiltonian_submatrix(params=case.params, return_norb=True)
    assert np.array_equal(found.to_sites(np.ones(len(dense))), per_site)
    starts = np.cumsum(per_site) - per_site
    for site in (0, len(per_site) - 1):
        expected = found.orbitals[starts[site] : starts[site] + per_site[site]]
        assert np.array_equal(found.orbitals_of(site), expected)


@ALL_CASES
def test_local_density_of_states_is_kwants(kwant: Any, case: KwantCase) -> None:
    found = from_kwant(case.system, params=case.params)
    density = na.local_density_of_states(found.device, np.array(case.energies))
    for energy, values in zip(case.energies, density):
        expected = kwant.ldos(case.system, energy, params=case.params)
        assert np.max(np.abs(found.to_kwant(values) - expected)) <= 1e-10 * np.max(np.abs(expected))


@ALL_CASES
def test_lead_density_is_that_of_kwants_wave_functions(kwant: Any, case: KwantCase) -> None:
    found = from_kwant(case.system, params=case.params)
    energy = case.energies[1]
    waves = kwant.wave_function(case.system, energy, params=case.params)
    for k in range(len(case.system.leads)):
        expected = np.sum(np.abs(waves(k)) ** 2, axis=0) / (2 * np.pi)
        values = found.to_kwant(na.lead_density(found.device, energy, source=k))
        assert np.max(np.abs(values - expected)) <= 1e-10 * np.max(expected)


@ALL_CASES
def test_pullback_is_the_derivative_of_the_transmission(kwant: Any, case: KwantCase) -> None:
    energies, weights = np.array(case.energies), 1.0 + np.arange(len(case.energies))

    def weighted(params: Mapping[str, Any]) -> float:
        return float(weights @ na.transmission(from_kwant(case.system, params=params).device, energies))

    found, pullback = from_kwant_vjp(case.system, params=case.params, names=case.names)
    gradient = pullback(na.transmission_vjp(found.device, energies)[1](weights).device)
    for name, direction in directions(case.params, case.names):
        expected = difference(lambda h, n=name, d=direction: weighted(moved(case.params, n, h * d)), 1e-3)
        assert abs(np.sum(gradient[name] * direction) - expected) <= 1e-7 * abs(expected), name


@pytest.mark.parametrize("name", ["four-terminal cross"])
def test_pullback_of_kwants_own_transmission_is_its_derivative(kwant: Any, case: KwantCase) -> None:
    """By differences of Kwant's T, at a bend of the cross."""
    energy = case.energies[0]

    def transmission(params: Mapping[str, Any]) -> float:
        return float(kwant.smatrix(case.system, energy, params=params).transmission(2, 0))

    found, pullback = from_kwant_vjp(case.system, params=case.params, names=case.names)
    bar = na.transmission_vjp(found.device, energy, source=0, drain=2)[1](np.array(1.0))
    for name, direction in directions(case.params, case.names):
        expected = difference(lambda h, n=name, d=direction: transmission(moved(case.params, n, h * d)), 1e-3)
        assert abs(np.sum(pullback(bar.device)[name] * direction) - expected) <= 1e-7 * abs(expected), name


def test_positional_parameters_are_taken(kwant: Any) -> None:
    chain = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(chain(i) for i in range(4))] = lambda site, height: height
    builder[chain.neighbors()] = -1.0
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[chain(0)] = 0.0
    lead[chain.neighbors()] = -1.0
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    system = builder.finalized()
    with pytest.warns(kwant.KwantDeprecationWarning):
        found = na.transmission(from_kwant(system, args=(0.4,)).device, 0.3)
    assert found == pytest.approx(kwant.smatrix(system, 0.3, params={"height": 0.4}).transmission(1, 0), abs=1e-12)


def test_what_kwant_cannot_give_as_matrices_is_refused(kwant: Any) -> None:
    chain = kwant.lattice.chain(norbs=1)
    builder = kwant.Builder()
    builder[(chain(i) for i in range(4))] = 0.0
    builder[chain.neighbors()] = -1.0
    with pytest.raises(na.InputTypeError, match="has no leads"):
        from_kwant(builder.finalized())
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1,)))
    lead[chain(0)] = 0.0
    lead[chain.neighbors()] = -1.0
    with pytest.raises(na.InputTypeError, match="a lead by itself"):
        from_kwant(lead.finalized())
    builder.attach_lead(lead)
    with pytest.raises(na.InputTypeError, match=r"is a Builder.*call its finalized\(\) first"):
        from_kwant(builder)
    builder.leads.append(kwant.builder.SelfEnergyLead(lambda energy: -1j * np.eye(1), [chain(3)], parameters={}))
    with pytest.raises(na.InputTypeError, match=r"leads\[1\].*SelfEnergyLead, which has no Hamiltonian"):
        from_kwant(builder.finalized())
