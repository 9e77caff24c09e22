"""Rectilinear grids: nodes where lines cross, cells between the lines, and the control volume around every node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..array import STATIC
from ..errors import InputError, ShapeError
from ..typing import Array, ArrayLike
from .site_inputs import real_array


@dataclass(frozen=True, eq=False)
class Grid:
    """Three rising sets of grid lines, not necessarily equidistant.

    Nodes lie where lines cross, cells between the lines. The control volume of a node reaches half way to its
    neighbours. In a periodic direction the first and the last line are the same plane: the distance between them is the
    period, and the last is no node of its own. Two lines in a periodic direction make the problem uniform along it.

    A grid is compared by identity. What is computed from its geometry is kept with it.

    Parameters
    ----------
    x, y, z : array, shape (n_lines,)
        Coordinates of the lines [Å].
    periodic : tuple of three bools
        Which directions are periodic; none unless given.

    Raises
    ------
    InputError
        When lines do not rise, naming the first pair, or are not finite.
    InputTypeError
        When lines are not real numbers.
    ShapeError
        When lines are not a list of at least two numbers, or `periodic` is not three bools.
    """

    x: Array = field(metadata=STATIC)
    y: Array = field(metadata=STATIC)
    z: Array = field(metadata=STATIC)
    periodic: tuple[bool, bool, bool] = field(default=(False, False, False), metadata=STATIC)

    def __post_init__(self) -> None:
        for name in "xyz":
            object.__setattr__(self, name, _checked_lines(name, getattr(self, name)))
        periodic = tuple(self.periodic) if isinstance(self.periodic, Iterable) else ()
        if len(periodic) != 3 or not all(isinstance(p, bool | np.bool_) for p in periodic):
            raise ShapeError(f"Grid: periodic = {self.periodic!r} must be three bools, one for each of x, y, z.")
        object.__setattr__(self, "periodic", tuple(bool(p) for p in periodic))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made of the lines alone."""
        return Grid, (self.x, self.y, self.z, self.periodic)

    @property
    def lines(self) -> tuple[Array, Array, Array]:
        """The lines of the three directions [Å]."""
        return self.x, self.y, self.z

    def moved(self, shifts: tuple[Array, Array, Array]) -> Grid:
        """The grid with its lines moved by x, y, z [Å], (n_lines,) each; raises as the constructor does."""
        x, y, z = (lines + shift for lines, shift in zip(self.lines, shifts))
        return Grid(x, y, z, self.periodic)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of nodes along x, y, z."""
        n_x, n_y, n_z = (len(lines) - int(p) for lines, p in zip(self.lines, self.periodic))
        return n_x, n_y, n_z

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        n_x, n_y, n_z = self.shape
        return n_x * n_y * n_z

    @property
    def spacings(self) -> tuple[Array, Array, Array]:
        """Distances between neighbouring lines [Å]: the sizes of the cells."""
        return np.diff(self.x), np.diff(self.y), np.diff(self.z)

    @cached_property
    def half_spacings(self) -> tuple[Array, Array, Array]:
        """For each direction (nodes, cells): half the size of the two cells at a node [Å], 0 for the others."""
        h_x, h_y, h_z = (_half_spacings(h, p) for h, p in zip(self.spacings, self.periodic))
        return h_x, h_y, h_z

    @property
    def volumes(self) -> Array:
        """Control volume of every node, (n_x, n_y, n_z) [Å³]."""
        return self.to_nodes(np.ones([len(h) for h in self.spacings]))

    def to_nodes(self, cell_density: Array) -> Array:
        """Integral of a density that is constant in every cell over the control volumes, (n_x, n_y, n_z)."""
        h_x, h_y, h_z = self.half_spacings
        return np.einsum("xa,yb,zc,abc->xyz", h_x, h_y, h_z, cell_density, optimize=True)

    def to_cells(self, node_bar: Array) -> Array:
        """The transpose of `to_nodes`."""
        h_x, h_y, h_z = self.half_spacings
        return np.einsum("xa,yb,zc,xyz->abc", h_x, h_y, h_z, node_bar, optimize=True)

    def sample_points(self, samples: int) -> tuple[Array, Array, Array]:
        """Equidistant points inside the cells, `samples` of them per cell and direction, as an open mesh [Å]."""
        fractions = (np.arange(samples) + 0.5) / samples
        x, y, z = (
            (lines[:-1, None] + h[:, None] * fractions).ravel() for lines, h in zip(self.lines, self.spacings)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def fold(self, on_lines: Array) -> Array:
        """From the crossings of lines to the nodes: what holds on the last plane of a period holds on the first too."""
        for axis, is_periodic in enumerate(self.periodic):
            if is_periodic:
                on_lines = np.moveaxis(on_lines, axis, 0)
                first = on_lines[:1] | on_lines[-1:]
                on_lines = np.moveaxis(np.concatenate((first, on_lines[1:-1])), 0, axis)
        return on_lines


def _checked_lines(name: str, lines: ArrayLike) -> Any:
    lines = real_array(lines, f"Grid: {name}", "Å")
    if lines.ndim != 1 or len(lines) < 2:
        raise ShapeError(f"Grid: {name} has shape {lines.shape} but must be a list of at least two lines [Å].")
    bad = np.flatnonzero(np.diff(lines) <= 0)
    if len(bad):
        i = int(bad[0])
        raise InputError(
            f"Grid: the lines {name}[{i}] = {lines[i]} Å and {name}[{i + 1}] = {lines[i + 1]} Å do not rise; "
            "sort the lines and remove duplicates (numpy.unique does both)."
        )
    return lines


def unit_half_spacings(n_cells: int, is_periodic: bool) -> Array:
    """`Grid.half_spacings` of a direction with cells of size 1: their derivative, column by column."""
    return _half_spacings(np.ones(n_cells), is_periodic)


def _half_spacings(h: Array, is_periodic: bool) -> Array:
    n_cells = len(h)
    half = np.zeros((n_cells + 1, n_cells))
    cells = np.arange(n_cells)
    half[cells, cells] += h / 2
    half[cells + 1, cells] += h / 2
    if is_periodic:
        half[0] += half[-1]
        half = half[:-1]
    return half
