"""What stands behind the handles of the C interface: a device, and a result that gradients are asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal

import numpy as np

from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, ShapeError
from ..typing import Array

Order = Literal["C", "F"]


@dataclass(frozen=True, eq=False)
class CDevice:
    """A device as it is built up by a C program.

    Parameters
    ----------
    hamiltonian : BlockTridiagonal
    order : "C" or "F"
        Layout of every matrix handed in and out: row-major or column-major.
    overlap : BlockTridiagonal, optional
    leads : tuple of Lead
    eta, device_eta : float
        Broadenings [eV].
    """

    hamiltonian: BlockTridiagonal
    order: Order
    overlap: BlockTridiagonal | None = None
    leads: tuple[Lead, ...] = ()
    eta: float = 0.0
    device_eta: float = 0.0

    @cached_property
    def device(self) -> Device:
        """The device with its leads, checked.

        Raises
        ------
        InputError, ShapeError
            When it has no lead, or a lead does not fit its block.
        """
        if not self.leads:
            raise InputError("the device has no leads; call negfadj_device_add_lead first.")
        return Device(self.hamiltonian, self.leads, self.overlap)

    def lead(self, index: int) -> Lead:
        """A lead by its number, 0 … n_leads − 1."""
        return self.leads[lead_number(index, len(self.leads))]


@dataclass(frozen=True, eq=False)
class CResult:
    """A value with its pullback, of the device as it was.

    Parameters
    ----------
    source : CDevice
        The device the value is of.
    shape : tuple of int
        Shape of the value.
    pullback : callable
        value_bar → cotangents.
    gradient : NamedTuple, optional
        What the pullback returned last; None before it was called.
    """

    source: CDevice
    shape: tuple[int, ...]
    pullback: Callable[..., Any]
    gradient: Any = None

    @property
    def formed(self) -> Any:
        """The gradient, or an error when none was formed."""
        if self.gradient is None:
            raise InputError("the result has no gradient yet; call negfadj_pullback first.")
        return self.gradient


def lead_number(index: int, n_leads: int) -> int:
    """`index` when there is such a lead.

    Raises
    ------
    InputError
    """
    if not 0 <= index < n_leads:
        there_are = f"the leads are 0 … {n_leads - 1}" if n_leads else "the device has no leads yet"
        raise InputError(f"lead = {index}, but {there_are}; give the number negfadj_device_add_lead handed out.")
    return index


def matrices(flat: Array, shapes: Sequence[tuple[int, int]], order: Order, name: str) -> tuple[Array, ...]:
    """Matrices that stand one after the other in a flat array.

    Parameters
    ----------
    flat : array, shape (Σ rows · columns,)
    shapes : sequence of (rows, columns)
    order : "C" or "F"
        Row-major or column-major, each matrix by itself.
    name : str
        The C parameter, for the message.

    Raises
    ------
    ShapeError
        When the length does not fit.
    """
    sizes = [prod(shape) for shape in shapes]
    if flat.shape[0] != sum(sizes):
        listed = ", ".join(f"({rows}, {columns})" for rows, columns in shapes[:6]) + (", …" if len(shapes) > 6 else "")
        raise ShapeError(
            f"{name}_length = {flat.shape[0]}, but matrices of shapes {listed} have {sum(sizes)} entries; "
            "hand in that many, one matrix after the other."
        )
    ends = np.cumsum([0, *sizes])
    return tuple(
        np.reshape(flat[start:end], shape, order=order) for start, end, shape in zip(ends[:-1], ends[1:], shapes)
    )


def flattened(arrays: Sequence[Array], order: Order) -> Array:
    """Arrays one after the other, each in the layout: the inverse of `matrices`."""
    return np.concatenate([np.ravel(x, order=order) for x in arrays]) if arrays else np.zeros(0)


def block_shapes(sizes: Sequence[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Shapes of the diagonal and of the upper blocks."""
    return [(n, n) for n in sizes], list(zip(sizes[:-1], sizes[1:]))
