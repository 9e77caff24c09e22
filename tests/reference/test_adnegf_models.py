"""AD-NEGF: gradients of T to atomic positions and to doping parameters, through Slater–Koster matrices and leads."""

from __future__ import annotations

from adnegf_gradients import doping_gradient, position_gradient
from verified import Comparison

CODE = "AD-NEGF"


def test_adnegf_gradient_to_positions_is_matched(compare: Comparison) -> None:
    value, gradient, data = position_gradient()
    compare("agnr6_position_gradient", "T", [value], [float(data["T"])], 1e-6)
    compare("agnr6_position_gradient", "gradient by positions", gradient, data["grad"], 1e-6, relative=True)


def test_adnegf_gradient_to_doping_parameters_is_matched(compare: Comparison) -> None:
    value, derivatives, data = doping_gradient()
    compare("doping_gradient", "mean T", [value], [float(data["meanT"])], 1e-8)
    for number, derivative in derivatives.items():
        # its own gradient and its differences agree to 2e-5; T is an integer but for η, so that the slope is small
        theirs = [float(data[f"fd_{number}"])]
        compare("doping_gradient", "derivative beside differences of its T", [derivative], theirs, 1e-4, relative=True)
