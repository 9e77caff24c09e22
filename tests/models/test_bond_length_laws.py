"""Bond-length laws: closed forms, derivatives against differences, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from negfadj.array import tree_map
from negfadj.errors import InputError, InputTypeError, ShapeError
from negfadj.models import Cutoff, ExponentialLaw, GoodwinSkinnerPettifor, PowerLaw, UserLaw
from negfadj.testing import check_vjp

MORSE = UserLaw(
    lambda d, p: np.exp(-p[0] * (d - p[1])),
    lambda d, p: (
        -p[0] * np.exp(-p[0] * (d - p[1])),
        np.stack((-(d - p[1]), p[0] * np.ones_like(d))) * np.exp(-p[0] * (d - p[1])),
    ),
    (1.3, 1.42),
)
LAWS = (
    PowerLaw(2.3, 1.42),
    ExponentialLaw(3.37, 1.42),
    GoodwinSkinnerPettifor(2.0, 6.5, 2.18, 1.42),
    MORSE,
    Cutoff(1.2, 2.4),
)
DISTANCES = np.array([1.1, 1.42, 1.9, 2.3])


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_law_derivatives_agree_with_differences(law: Any) -> None:
    def value(distance: np.ndarray, law: Any) -> np.ndarray:
        return law.derivatives(distance)[0]

    def value_vjp(distance: np.ndarray, law: Any):  # type: ignore[no-untyped-def]
        f, slope, numbers = law.derivatives(distance)
        return f, lambda bar: (bar * slope, tree_map(lambda g: float(bar @ g), numbers))

    check_vjp(value, value_vjp, (DISTANCES, law))


@pytest.mark.parametrize("law", LAWS[:3], ids=lambda law: type(law).__name__)
def test_law_is_one_at_its_reference(law: Any) -> None:
    np.testing.assert_allclose(law.derivatives(np.array([1.42]))[0], 1.0, rtol=1e-15)


def test_carbon_law_has_the_published_value() -> None:
    # Pereira, Castro Neto, Peres (2009): t = 2.7 exp(−3.37 (d/d₀ − 1)), so t′/t = exp(−3.37 (√3 − 1)) = 0.085
    law = ExponentialLaw(3.37, 1.42)
    assert law.derivatives(np.array([1.42 * np.sqrt(3)]))[0][0] == pytest.approx(np.exp(-3.37 * (np.sqrt(3) - 1)))


def test_cutoff_is_one_inside_and_zero_outside_and_smooth_between() -> None:
    cutoff = Cutoff(2.0, 3.0)
    values, slopes, _ = cutoff.derivatives(np.array([1.0, 2.0, 2.5, 3.0, 4.0]))
    np.testing.assert_allclose(values, [1, 1, 0.5, 0, 0], atol=1e-15)
    np.testing.assert_allclose(slopes, [0, 0, -1.875, 0, 0], atol=1e-15)


def test_law_refuses_numbers_without_meaning() -> None:
    with pytest.raises(InputError, match=r"reference = 0.0 must be a positive length"):
        PowerLaw(2.0, 0.0)
    with pytest.raises(InputError, match="inner must be the smaller"):
        Cutoff(3.0, 2.0)
    with pytest.raises(InputTypeError, match="must be a number"):
        ExponentialLaw("steep", 1.42)  # type: ignore[arg-type]


def test_user_law_names_the_wrong_shape() -> None:
    law = UserLaw(lambda d, p: 1.0, lambda d, p: (d, d))  # type: ignore[arg-type, return-value]
    with pytest.raises(ShapeError, match=r"returned f of shape \(\) but must return \(4,\)"):
        law.derivatives(DISTANCES)
