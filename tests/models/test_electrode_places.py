"""Where electrodes may stand in a device, by positions alone."""

from __future__ import annotations

import numpy as np
import pytest

from negfadj.errors import InputError
from negfadj.models.electrode_places import PlacedElectrode, check_electrode_places

NOTHING = np.zeros((0, 3))
X = np.array([1.0, 0.0, 0.0])


def square(length: int, width: int) -> np.ndarray:
    return np.array([(i, j, 0.0) for i in range(length) for j in range(width)])


def electrode(first: int, n: int, period: np.ndarray) -> PlacedElectrode:
    return PlacedElectrode(np.arange(first, first + n), period, "+A" if period[0] > 0 else "-A")


def test_electrodes_at_the_ends_are_accepted() -> None:
    check_electrode_places(square(5, 3), NOTHING, [electrode(0, 3, -X), electrode(12, 3, X)])


@pytest.mark.parametrize("first, period, copy", [(0, X, 1), (12, -X, 1), (6, X, 1), (6, -X, 1)])
def test_electrode_with_the_device_behind_it_is_refused(first: int, period: np.ndarray, copy: int) -> None:
    with pytest.raises(InputError, match=rf"electrode 0 .* runs into the device: {copy} period"):
        check_electrode_places(square(5, 3), NOTHING, [electrode(first, 3, period)])


def test_atoms_further_behind_an_electrode_are_refused() -> None:
    positions = np.concatenate([square(5, 3), [[-3.2, 1.1, 0.2]]])
    with pytest.raises(InputError, match=r"3 period\(s\) on, its atom 1 comes within 0.3 Å of atom 15"):
        check_electrode_places(positions, NOTHING, [electrode(0, 3, -X)])


def test_atoms_beside_an_electrode_are_accepted() -> None:
    beside = [[-1.0, 4.0, 0.0], [-2.0, 4.0, 0.0]]  # two rows away from where the electrode goes on
    check_electrode_places(np.concatenate([square(5, 3), beside]), NOTHING, [electrode(0, 3, -X)])


def test_electrodes_on_the_same_atoms_are_refused() -> None:
    with pytest.raises(InputError, match=r"electrodes 0 and 1 share atom 2 .* \(1 in all\)"):
        check_electrode_places(square(2, 3), NOTHING, [electrode(0, 3, -X), electrode(2, 3, X)])


@pytest.mark.parametrize("y", [0.0, -0.1])
def test_images_across_are_behind_an_electrode_too(y: float) -> None:
    """A slanted electrode comes back over the cell boundary: its third copy is an image of the atom behind it."""
    period, across = np.array([-1.0, 2.0, 0.0]), np.array([[0.0, 3.0, 0.0]])
    positions = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [-3.0, y, 0.0]])
    check_electrode_places(positions[:2], across, [electrode(0, 1, period)])
    check_electrode_places(positions, NOTHING, [electrode(0, 1, period)])
    with pytest.raises(InputError, match=r"3 period\(s\) on, its atom 0 comes within .* of atom 2"):
        check_electrode_places(positions, across, [electrode(0, 1, period)])
