"""How Poisson's equation on a grid follows its lines: the derivative to thicknesses and distances of what they bound.

The bodies move with the lines: a material fills the same parts of the same cells, a conductor holds the same nodes, a
surface cuts an edge in the same proportion. With h the sizes of the cells, only lengths, faces and volumes change,

    g_nm = ε₀ Σ_c ε_c a_c/d_nm,   d = (part) h_α,   a = Π_{β≠α} h_β/2,   volumes Π h/2,

so that for a grid direction x with the matrix X_na of half spacings (nodes by cells)

    h̄_a = −Σ ḡ g/h_a over the edges of cell a along x  +  Σ_n P_na X̄_na,   P = X at h = 1
    X̄ from the faces across y and z, and from charges that fill cells.

Sources: docs/adjoints/poisson.md.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..array import rebuild
from ..constants import VACUUM_PERMITTIVITY
from ..errors import ShapeError
from ..typing import Array
from .conductance_network import ConductanceNetwork
from .grid import Grid, unit_half_spacings
from .site_inputs import real_array

ThreeAxes: TypeAlias = tuple[Array, Array, Array]
LETTERS = (("x", "a"), ("y", "b"), ("z", "c"))  # nodes and cells along each direction


def checked_shifts(grid: Grid, shifts: object) -> ThreeAxes | None:
    """Three real arrays (n_lines,) [Å], or None."""
    if shifts is None:
        return None
    if not isinstance(shifts, tuple | list) or len(shifts) != 3:
        raise ShapeError("line_shifts must be three arrays, of the lines along x, y, z [Å].")
    x, y, z = (real_array(shift, f"line_shifts[{k}]", "Å") for k, shift in enumerate(shifts))
    for name, lines, shift in zip("xyz", grid.lines, (x, y, z)):
        if shift.shape != lines.shape:
            raise ShapeError(f"line_shifts of {name} has shape {shift.shape} but there are {len(lines)} lines.")
    return x, y, z


def moved_network(network: ConductanceNetwork, grid: Grid) -> ConductanceNetwork:
    """The network on a grid with the same topology whose lines lie elsewhere."""
    distances = []
    for axis, (d, old, new) in enumerate(zip(network.distances, network.grid.spacings, grid.spacings)):
        shape = [1, 1, 1]
        shape[axis] = -1
        distances.append(d * (new / old).reshape(shape))
    return rebuild(network, grid=grid, distances=tuple(distances))  # type: ignore[no-any-return]


def conductance_spacings_bar(
    network: ConductanceNetwork, permittivities: Array, conductances_bar: ThreeAxes
) -> list[Array]:
    """h̄ of the three directions from those of the conductances along x, y, z."""
    grid = network.grid
    cells = np.tensordot(np.asarray(permittivities), network.fractions, axes=1)
    found = [np.zeros(len(h)) for h in grid.spacings]
    for axis, (g, bar) in enumerate(zip(network.conductances(permittivities), conductances_bar)):
        others = tuple(k for k in range(3) if k != axis)
        found[axis] -= np.sum(bar * g, axis=others) / grid.spacings[axis]
        faces_bar = VACUUM_PERMITTIVITY * bar / network.distances[axis]  # cells along the axis, nodes along the others
        for k in others:
            found[k] += _half_spacings_bar(grid, k, cells, faces_bar, others)
    return found


def density_spacings_bar(grid: Grid, cell_density: Array, node_bar: Array) -> list[Array]:
    """h̄ of the three directions from the cotangent of `Grid.to_nodes(cell_density)`."""
    return [_half_spacings_bar(grid, k, cell_density, node_bar, (0, 1, 2)) for k in range(3)]


def lines_bar(spacings_bar: Array) -> Array:
    """The cotangent of the lines from that of the distances between them."""
    return -np.diff(spacings_bar, prepend=0.0, append=0.0)


def _half_spacings_bar(grid: Grid, axis: int, cells: Array, bar: Array, directions: tuple[int, ...]) -> Array:
    """Σ_n P_na X̄_na for Σ bar · Π half spacings · cells, with those directions along which `bar` has nodes."""
    terms, operands = [], []
    for k in directions:
        if k != axis:
            terms.append("".join(LETTERS[k]))
            operands.append(grid.half_spacings[k])
    of_bar = "".join(LETTERS[k][0 if k in directions else 1] for k in range(3))
    node, cell = LETTERS[axis]
    whole = np.einsum(f"{of_bar},{','.join(terms)},abc->{node}{cell}", bar, *operands, cells, optimize=True)
    pattern = unit_half_spacings(len(grid.spacings[axis]), grid.periodic[axis])
    return np.sum(pattern * whole, axis=0)
