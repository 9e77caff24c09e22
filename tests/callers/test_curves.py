"""Curves of a small device: their slopes against differences, their checkpoints, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from negfadj.callers import curves
from negfadj.callers.curves import current_voltage, subthreshold_swing, transfer_curve
from negfadj.constants import BOLTZMANN
from negfadj.electrostatics.bodies import Conductor
from negfadj.electrostatics.finite_volume import FiniteVolumePoisson
from negfadj.electrostatics.grid import Grid
from negfadj.electrostatics.plates import ParallelPlates
from negfadj.electrostatics.regions import Box
from negfadj.errors import InputError, InputTypeError
from negfadj.physics.self_consistent import SelfConsistencyError, self_consistent, self_consistent_vjp

N = 6
OPTIONS = {"neutral": 1.0, "temperature": 600.0, "error": 1e-8, "tolerance": 1e-9}


@pytest.fixture(scope="module")
def chain():
    """Six sites of a chain with a weak link."""
    import negfadj as na

    onsite, upper = [np.zeros((1, 1))] * N, [np.full((1, 1), -1.0)] * (N - 1)
    upper[2] = np.full((1, 1), -0.4)
    lead = {"onsite": [[0.0]], "hopping": [[-1.0]]}
    return na.Device(na.BlockTridiagonal(onsite, upper), (na.Lead(**lead, block=0), na.Lead(**lead, block=-1)))


@pytest.fixture(scope="module")
def plates() -> ParallelPlates:
    x = 2.0 * np.arange(1, N + 1)
    positions = np.column_stack((x, 0 * x, 0 * x))
    return ParallelPlates(positions, width=0.9, distance=2.0 * (N + 1), relative_permittivity=3.0)


@pytest.fixture(scope="module")
def gated() -> FiniteVolumePoisson:
    x = 2.0 * np.arange(1, N + 1)
    return FiniteVolumePoisson(
        grid=Grid(np.linspace(0, 14, 15), np.linspace(-6, 6, 9), np.linspace(-6, 6, 9)),
        positions=np.column_stack((x, 0 * x, 0 * x)),
        width=1.2,
        conductors=(
            Conductor("source", Box(x=(-1, 0))),
            Conductor("drain", Box(x=(14, 15))),
            Conductor("gate", Box(x=(5, 9), y=(5.9, 7))),
        ),
        lead_conductors=("source", "drain"),
    )


def test_current_voltage_has_the_slope_of_its_currents(chain, plates) -> None:
    curve = current_voltage(chain, plates, [0.0, 0.15, 0.3], options=OPTIONS)
    assert curve.currents[0] == 0 and np.all(np.diff(curve.currents) > 0) and np.all(curve.residuals <= 1e-9)

    def current(bias: float) -> float:
        return self_consistent(chain, plates, bias=bias, **(OPTIONS | {"initial": curve.potentials[2]})).current

    quotients = [(current(0.3 + h) - current(0.3 - h)) / (2 * h) for h in (4e-3, 2e-3)]
    assert curve.slopes[2] == pytest.approx((4 * quotients[1] - quotients[0]) / 3, rel=1e-6)


class Refusing:
    """`self_consistent_vjp` that converges only near the bias it converged at before, or from any potential."""

    def __init__(self, reach: float) -> None:
        self.reach, self.last, self.biases = reach, 0.0, list[float]()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.biases.append(options["bias"])
        if options["initial"] is None or abs(options["bias"] - self.last) > self.reach:
            raise SelfConsistencyError("too far", residual=1.0)
        self.last = options["bias"]
        return self_consistent_vjp(*arguments, **options)


def test_current_voltage_inserts_points_where_one_does_not_converge(chain, plates, monkeypatch) -> None:
    options = OPTIONS | {"initial": np.zeros(N)}
    direct = current_voltage(chain, plates, [0.0, 0.3], options=options)
    refusing = Refusing(0.16)
    monkeypatch.setattr(curves, "self_consistent_vjp", refusing)
    curve = current_voltage(chain, plates, [0.0, 0.3], options=options)
    np.testing.assert_allclose(refusing.biases, [0.0, 0.3, 0.15, 0.3])
    np.testing.assert_allclose(curve.currents, direct.currents, rtol=1e-6, atol=1e-9)


def test_current_voltage_walks_to_a_first_point_that_does_not_converge(chain, plates, monkeypatch) -> None:
    direct = current_voltage(chain, plates, [0.2], options=OPTIONS)
    monkeypatch.setattr(curves, "self_consistent_vjp", Refusing(1.0))
    curve = current_voltage(chain, plates, [0.2], options=OPTIONS)
    np.testing.assert_allclose(curve.currents, direct.currents, rtol=1e-6)
    assert curve.iterations[0] == 0  # the walk ended at the solution


def test_transfer_curve_has_the_slope_of_its_currents(chain, gated) -> None:
    options = OPTIONS | {"bias": 0.2}
    curve = transfer_curve(chain, gated, [0.0, 0.5], options=options)

    def current(voltage: float) -> float:
        moved = gated.with_voltages({"gate": voltage})
        return self_consistent(chain, moved, **(options | {"initial": curve.potentials[1]})).current

    quotients = [(current(0.5 + h) - current(0.5 - h)) / (2 * h) for h in (2e-2, 1e-2)]
    assert curve.slopes[1] == pytest.approx((4 * quotients[1] - quotients[0]) / 3, rel=1e-4)  # 1e-8 e of charge


def test_curve_goes_on_from_its_checkpoint_and_refuses_another_s(chain, plates, tmp_path: Path) -> None:
    path = tmp_path / "curve.npz"
    first = current_voltage(chain, plates, [0.0, 0.1], options=OPTIONS, checkpoint=path)
    longer = current_voltage(chain, plates, [0.0, 0.1, 0.2], options=OPTIONS, checkpoint=path)
    np.testing.assert_array_equal(longer.potentials[:2], first.potentials)
    with pytest.raises(InputError, match="belongs to another sweep"):
        current_voltage(chain, plates, [0.0, 0.1], options=OPTIONS | {"temperature": 500.0}, checkpoint=path)


def test_subthreshold_swing_of_a_thermionic_current_is_the_thermal_one() -> None:
    voltage, kt = np.linspace(-0.3, 0.0, 4), 300 * BOLTZMANN
    current = np.exp(voltage / kt)
    np.testing.assert_allclose(subthreshold_swing(current, current / kt), 1e3 * np.log(10) * kt)
    assert np.isinf(subthreshold_swing(1.0, 0.0))


def test_curves_refuse_what_they_set_themselves(chain, plates, gated) -> None:
    with pytest.raises(InputError, match="'bias'"):
        current_voltage(chain, plates, [0.0], options=OPTIONS | {"bias": 0.1})
    with pytest.raises(InputError, match="sequence of names"):
        transfer_curve(chain, gated, [0.0], gates="gate", options=OPTIONS)
    with pytest.raises(InputError, match="fence"):
        transfer_curve(chain, gated, [0.0], gates=["fence"], options=OPTIONS)


def test_curve_starts_where_its_options_say(chain, plates, gated) -> None:
    named = transfer_curve(chain, gated, [0.0, 0.2], options=OPTIONS | {"bias": 0.1, "initial": "zero"})
    given = transfer_curve(chain, gated, [0.0, 0.2], options=OPTIONS | {"bias": 0.1, "initial": np.zeros(N)})
    np.testing.assert_array_equal(named.potentials, given.potentials)
    with pytest.raises(InputError, match="initial='warm' is not known"):
        current_voltage(chain, plates, [0.0], options=OPTIONS | {"initial": "warm"})


def test_checkpoint_serves_another_memory_limit(chain, plates, tmp_path: Path) -> None:
    path = tmp_path / "curve.npz"
    first = current_voltage(chain, plates, [0.1], options=OPTIONS, checkpoint=path)
    again = current_voltage(chain, plates, [0.1], options=OPTIONS | {"memory_limit": 1e9}, checkpoint=path)
    np.testing.assert_array_equal(again.potentials, first.potentials)


def test_curves_refuse_what_has_no_meaning(chain, plates, gated) -> None:
    with pytest.raises(InputTypeError, match="biases='a' must be real numbers"):
        current_voltage(chain, plates, "a", options=OPTIONS)
    with pytest.raises(InputError, match=r"biases=.*nan.* must be finite"):
        current_voltage(chain, plates, [0.0, np.nan], options=OPTIONS)
    with pytest.raises(InputTypeError, match="options is a NoneType"):
        current_voltage(chain, plates, [0.0], options=None)
    with pytest.raises(InputError, match="options has 'foo'"):
        transfer_curve(chain, gated, [0.0], options=OPTIONS | {"foo": 1})
    with pytest.raises(InputError, match="options lacks 'neutral'"):
        current_voltage(chain, plates, [0.0], options={})
    with pytest.raises(InputTypeError, match="electrostatics is a ParallelPlates, which has no gates"):
        transfer_curve(chain, plates, [0.0], options=OPTIONS)
