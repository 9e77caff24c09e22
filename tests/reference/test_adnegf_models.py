"""AD-NEGF: gradients of T to atomic positions and to doping parameters, through Slater–Koster matrices and leads."""

from __future__ import annotations

import numpy as np
from adnegf_gradients import doping_gradient, position_gradient


def test_adnegf_gradient_to_positions_is_matched() -> None:
    value, gradient, data = position_gradient()
    assert abs(value - float(data["T"])) <= 1e-6
    np.testing.assert_allclose(gradient, data["grad"], atol=1e-6 * np.abs(data["grad"]).max())


def test_adnegf_gradient_to_doping_parameters_is_matched() -> None:
    value, derivatives, data = doping_gradient()
    assert abs(value - float(data["meanT"])) <= 1e-8
    for number, derivative in derivatives.items():
        # its own gradient and its differences agree to 2e-5; T is an integer but for η, so that the slope is small
        assert abs(derivative - float(data[f"fd_{number}"])) <= 1e-4 * abs(float(data[f"fd_{number}"])), number
