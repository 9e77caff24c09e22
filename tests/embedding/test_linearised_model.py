"""Named quantities of a model at a point: products with the Jacobian both ways, beside differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import negfadj as na
from negfadj.embedding.linearised_model import ModelQuantities

ENERGIES = np.array([-0.6, 0.15, 0.9])
START = {"onsite": 0.3 * np.cos(np.arange(6.0)), "hopping": np.array([-0.9, -1.1])}


def model() -> na.HamiltonianEntries:
    lead = {"onsite": [[0.0]], "hopping": [[-1.0]]}
    chain = na.BlockTridiagonal([np.zeros((1, 1))] * 6, [-np.ones((1, 1))] * 5)
    device = na.Device(chain, (na.Lead(**lead, block=0), na.Lead(**lead, block=-1)))
    return na.HamiltonianEntries(device, onsite="all", hopping=([1, 3], [2, 4]))


QUANTITIES = {
    "transmission": na.Quantity(na.transmission, ENERGIES),
    "density": na.Quantity(na.local_density_of_states, 0.15),
}


def moved(made: ModelQuantities, tangents: dict[str, Any], name: str) -> np.ndarray:
    """Central differences along the tangents, extrapolated once."""

    def slope(h: float) -> np.ndarray:
        ahead, behind = ({k: START[k] + s * h * tangents[k] for k in START} for s in (1, -1))
        return (made.at(ahead).outputs[name] - made.at(behind).outputs[name]) / (2 * h)

    return (4 * slope(1e-3) - slope(2e-3)) / 3


def tangents() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal(x.shape) for name, x in START.items()}


@pytest.mark.parametrize("name", list(QUANTITIES))  # one has a tangent of its own, the other rows by pullbacks
def test_pushed_tangents_are_differences(name: str) -> None:
    made = ModelQuantities(model(), QUANTITIES, tuple(START))
    found = made.at(START).pushed(tangents())[name]
    np.testing.assert_allclose(found, moved(made, tangents(), name), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", list(QUANTITIES))
def test_pulled_cotangents_are_the_transpose_of_pushed_tangents(name: str) -> None:
    point = ModelQuantities(model(), QUANTITIES, tuple(START)).at(START)
    bar = np.random.default_rng(2).standard_normal(point.outputs[name].shape)
    pulled = point.pulled({name: bar})
    left = sum(np.sum(pulled[key] * dot) for key, dot in tangents().items())
    right = np.sum(bar * point.pushed(tangents())[name])
    assert left == pytest.approx(right, rel=1e-11)


def test_pulled_cotangents_of_several_outputs_add_up() -> None:
    point = ModelQuantities(model(), QUANTITIES, tuple(START)).at(START)
    bars = {name: np.ones(value.shape) for name, value in point.outputs.items()}
    both = point.pulled(bars)
    parts = [point.pulled({name: bar}) for name, bar in bars.items()]
    for key in START:
        np.testing.assert_allclose(both[key], parts[0][key] + parts[1][key], rtol=1e-12)


def test_cotangents_of_zero_are_zeros_without_a_pullback() -> None:
    point = ModelQuantities(model(), QUANTITIES, tuple(START)).at(START)

    def never(*_: Any) -> Any:
        raise AssertionError("a pullback was called for nothing")

    for name in QUANTITIES:
        point.pullbacks[name] = never  # type: ignore[index]
    found = point.pulled({name: np.zeros_like(value) for name, value in point.outputs.items()})
    assert {name: x.shape for name, x in found.items()} == {"onsite": (6,), "hopping": (2,)}
    assert not any(x.any() for x in found.values())


def test_quantities_of_two_subjects_reach_their_own() -> None:
    entries = model()

    def both(values: Any) -> Any:
        return {"first": entries({"onsite": values["onsite"]}), "second": entries({"onsite": 2 * values["onsite"]})}

    def both_vjp(values: Any) -> Any:
        (first, to_first), (second, to_second) = (entries.vjp({"onsite": k * values["onsite"]}) for k in (1, 2))

        def pullback(bars: Any) -> dict[str, Any]:
            shares = ((1, to_first, bars["first"]), (2, to_second, bars["second"]))
            return {"onsite": sum(k * to(bar)["onsite"] for k, to, bar in shares if bar is not None)}

        return {"first": first, "second": second}, pullback

    quantities = {name: na.Quantity(na.transmission, ENERGIES, of=name) for name in ("first", "second")}
    made = ModelQuantities(na.FunctionModel(both, twin=both_vjp), quantities, ("onsite",))
    start = {"onsite": START["onsite"]}
    step = 1e-4
    for name in quantities:
        found = made.at(start).pulled({name: np.ones(3)})["onsite"]
        for a in range(6):
            near = [made.at({"onsite": start["onsite"] + s * step * np.eye(6)[a]}).outputs[name].sum() for s in (1, -1)]
            assert found[a] == pytest.approx((near[0] - near[1]) / (2 * step), abs=1e-6)
