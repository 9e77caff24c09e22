"""The finite-volume Laplacian as a network: a conductance for every edge between neighbouring nodes.

Gauss's law for the control volume of node n reads Σ_m g_nm (φ_n − φ_m) = Q_n. The permittivity is constant in each cell
between the lines, the face of an edge is split among the four cells around it,

    g_nm = ε₀ Σ_{4 cells c} ε_c a_c / d_nm   [e/V],

and nothing flows through the outer faces. Dielectrics in series and in parallel are exact where their interfaces
lie on lines; a cell that an interface cuts has the mean over sample points. An edge that enters a conductor has for
d_nm the distance to the surface, which need not lie on a line: the matrix stays symmetric and the order 2. An edge from
one conductor to another has the distance between their surfaces. What is drawn inside metal, dielectric or charge,
counts outside it only.

Sources: S. Selberherr, Analysis and Simulation of Semiconductor Devices (1984), Ch. 6.1 (box integration);
F. Gibou, R. P. Fedkiw, L.-T. Cheng, M. Kang, J. Comput. Phys. 176, 205 (2002), Sec. 2 (symmetric boundary edges).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ..constants import VACUUM_PERMITTIVITY
from ..errors import InputError
from ..typing import Array
from .grid import Grid
from .regions import Region

FREE = -1  # in `body`: a node in no conductor
SAMPLES = 4  # sample points per cell and direction
BISECTIONS = 50
SHORTEST = 1e-3  # of an edge: a surface nearer to a free node is put there, which keeps the matrix well scaled
ON_LINE = 1e-7  # of an edge: a surface this near to the node in the metal passes through it


@dataclass(frozen=True, eq=False)
class ConductanceNetwork:
    """Which node is in which conductor, which material fills each cell, and how long the edges are.

    Parameters
    ----------
    grid : Grid
    body : array, shape (n_nodes,), int
        Number of the conductor a node is in, −1 for none.
    fractions : array, shape (n_materials, n_cells_x, n_cells_y, n_cells_z)
        Part of every cell that each material has, the background first; 1 in all.
    distances : tuple of three arrays
        Lengths of the edges along x, y, z [Å]: cells along that direction, nodes along the others.
    """

    grid: Grid
    body: Array
    fractions: Array
    distances: tuple[Array, Array, Array]

    @property
    def free(self) -> Array:
        """Numbers of the nodes in no conductor."""
        return np.flatnonzero(self.body == FREE)

    def conductances(self, permittivities: Array) -> tuple[Array, Array, Array]:
        """g of the edges along x, y, z [e/V]; permittivities (n_materials,), the background first."""
        cells = np.tensordot(np.asarray(permittivities), self.fractions, axes=1)
        x, y, z = self.grid.half_spacings
        areas = (
            np.einsum("yb,zc,abc->ayz", y, z, cells, optimize=True),
            np.einsum("xa,zc,abc->xbz", x, z, cells, optimize=True),
            np.einsum("xa,yb,abc->xyc", x, y, cells, optimize=True),
        )
        g_x, g_y, g_z = (VACUUM_PERMITTIVITY * area / d for area, d in zip(areas, self.distances))
        return g_x, g_y, g_z

    def permittivity_cotangents(self, conductances_bar: tuple[Array, Array, Array]) -> Array:
        """The transpose of `conductances`, (n_materials,)."""
        x, y, z = self.grid.half_spacings
        a_x, a_y, a_z = (VACUUM_PERMITTIVITY * bar / d for bar, d in zip(conductances_bar, self.distances))
        cells_bar = np.einsum("yb,zc,ayz->abc", y, z, a_x, optimize=True)
        cells_bar += np.einsum("xa,zc,xbz->abc", x, z, a_y, optimize=True)
        cells_bar += np.einsum("xa,yb,xyc->abc", x, y, a_z, optimize=True)
        return np.tensordot(self.fractions, cells_bar, axes=3)

    def differences(self, potential: Array) -> tuple[Array, Array, Array]:
        """φ_m − φ_n of the edges along x, y, z from n to m, the next node."""
        d_x, d_y, d_z = (potential[b] - potential[a] for a, b in (edge_ends(self.grid, axis) for axis in range(3)))
        return d_x, d_y, d_z

    def laplacian(self, permittivities: Array) -> sp.csr_array:
        """Row n: φ ↦ Σ_m g_nm (φ_n − φ_m), over all nodes, those in conductors too; symmetric, rows add up to 0."""
        n_nodes = self.grid.n_nodes
        rows, columns, values = [], [], []
        for axis, g in enumerate(self.conductances(permittivities)):
            a, b = (ends.ravel().astype(np.int32) for ends in edge_ends(self.grid, axis))
            rows += [a, b, a, b]
            columns += [b, a, a, b]
            values += [-g.ravel(), -g.ravel(), g.ravel(), g.ravel()]
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_array(sp.coo_array(entries, shape=(n_nodes, n_nodes)))


def edge_ends(grid: Grid, axis: int) -> tuple[Array, Array]:
    """Numbers of the nodes at both ends of the edges along an axis: cells along it, nodes along the others."""
    nodes = np.arange(grid.n_nodes).reshape(grid.shape)
    cells = np.arange(len(grid.lines[axis]) - 1)
    return nodes.take(cells, axis), nodes.take((cells + 1) % grid.shape[axis], axis)


def conductance_network(
    grid: Grid, dielectrics: tuple[Region, ...], conductors: tuple[tuple[str, Region], ...]
) -> ConductanceNetwork:
    """The network of a grid with dielectrics and conductors in it.

    Parameters
    ----------
    grid : Grid
    dielectrics : tuple of Region
        Where two of them overlap, the later one counts.
    conductors : tuple of (name, Region)

    Raises
    ------
    InputError
        When conductors overlap or touch, or one has no node; when a dielectric has no sample point.
    """
    body = _bodies(grid, conductors)
    return ConductanceNetwork(
        grid=grid,
        body=body.ravel(),
        fractions=_material_fractions(grid, dielectrics, _metal(grid, conductors)),
        distances=_distances(grid, body, conductors),
    )


def cell_fractions(grid: Grid, region: Region, conductors: tuple[tuple[str, Region], ...]) -> Array:
    """Part of every cell that a region has outside the metal, from sample points, (n_cells_x, n_cells_y, n_cells_z)."""
    return _cell_means(_sampled(grid, region) & ~_metal(grid, conductors))


def _bodies(grid: Grid, conductors: tuple[tuple[str, Region], ...]) -> Array:
    body = np.full(grid.shape, FREE)
    x, y, z = grid.lines
    shape = tuple(len(lines) for lines in grid.lines)
    for number, (name, region) in enumerate(conductors):
        inside = region.contains(x[:, None, None], y[None, :, None], z[None, None, :])
        inside = grid.fold(np.broadcast_to(inside, shape))
        if not inside.any():
            raise InputError(
                f"conductor {name!r} holds no node of the grid ({region}); draw grid lines through it, at its "
                "surfaces at least, or check its coordinates [Å]."
            )
        shared = np.argwhere(inside & (body != FREE))
        if len(shared):
            node = tuple(int(i) for i in shared[0])
            point = tuple(float(lines[i]) for lines, i in zip(grid.lines, node))
            where = f"both hold the node {node} at {point} Å, {len(shared)} nodes in all"
            raise _overlap(conductors, body[node], number, where)
        body[inside] = number
    return body


def _metal(grid: Grid, conductors: tuple[tuple[str, Region], ...]) -> Array:
    """Which sample points are in a conductor."""
    body = np.full(tuple(SAMPLES * len(h) for h in grid.spacings), FREE, dtype=np.int16)
    for number, (_, region) in enumerate(conductors):
        inside = _sampled(grid, region)
        shared = np.argwhere(inside & (body != FREE))
        if len(shared):
            at = tuple(int(i) for i in shared[0])
            point = tuple(float(p.ravel()[i]) for p, i in zip(grid.sample_points(SAMPLES), at))
            raise _overlap(conductors, body[at], number, f"both hold the point {point} Å")
        body[inside] = number
    return body != FREE


def _overlap(conductors: tuple[tuple[str, Region], ...], one: int, other: int, where: str) -> InputError:
    return InputError(
        f"conductors {conductors[one][0]!r} and {conductors[other][0]!r} overlap or touch: {where}; leave a gap "
        "between them, or make them one conductor with a Union."
    )


def _sampled(grid: Grid, region: Region) -> Array:
    points = grid.sample_points(SAMPLES)
    return np.broadcast_to(region.contains(*points), tuple(p.size for p in points))


def _cell_means(samples: Array) -> Array:
    n_x, n_y, n_z = (n // SAMPLES for n in samples.shape)
    blocks = samples.reshape(n_x, SAMPLES, n_y, SAMPLES, n_z, SAMPLES)
    return np.mean(blocks, axis=(1, 3, 5), dtype=np.float64)


def _material_fractions(grid: Grid, dielectrics: tuple[Region, ...], metal: Array) -> Array:
    material = np.zeros(metal.shape, dtype=np.int16)
    for number, region in enumerate(dielectrics):
        inside = _sampled(grid, region)
        if not inside.any():
            raise InputError(
                f"dielectrics[{number}] holds no sample point of a cell ({region}); draw it inside the grid and as "
                "thick as a cell at least, refine the grid there, or leave it out."
            )
        material[inside] = number + 1  # 0 is the background
    # A cell that a conductor's surface cuts has the permittivity of what is outside the metal: the field ends there.
    full = _cell_means(metal) == 1
    outside = np.where(full, 1.0, 1 - _cell_means(metal))
    return np.stack(
        [
            np.where(full, _cell_means(material == k), _cell_means((material == k) & ~metal)) / outside
            for k in range(len(dielectrics) + 1)
        ]
    )


def _distances(
    grid: Grid, body: Array, conductors: tuple[tuple[str, Region], ...]
) -> tuple[Array, Array, Array]:
    d_x, d_y, d_z = (_distances_along(grid, axis, body, conductors) for axis in range(3))
    return d_x, d_y, d_z


def _distances_along(grid: Grid, axis: int, body: Array, conductors: tuple[tuple[str, Region], ...]) -> Array:
    a, b = (body.ravel()[ends] for ends in edge_ends(grid, axis))
    columns = [1, 1, 1]
    columns[axis] = -1
    distances = np.broadcast_to(grid.spacings[axis].reshape(columns), a.shape).copy()
    for number, (_, region) in enumerate(conductors):
        for metal, free, is_upward in ((b, a, True), (a, b, False)):
            cut = np.nonzero((metal == number) & (free == FREE))
            distances[cut] *= np.maximum(_part_before(grid, axis, cut, region, is_upward), SHORTEST)
    between = (a != FREE) & (b != FREE) & (a != b)
    for lower, upper in np.unique(np.stack((a[between], b[between]), axis=1), axis=0).tolist():
        cut = np.nonzero((a == lower) & (b == upper))
        gap = _part_before(grid, axis, cut, conductors[upper][1], True) - 1
        gap += _part_before(grid, axis, cut, conductors[lower][1], False)
        if np.any(gap <= ON_LINE):
            worst = int(np.argmin(gap))
            point = tuple(float(lines[i[worst]]) for lines, i in zip(grid.lines, cut))
            where = f"they meet between grid lines, along {'xyz'[axis]} from {point} Å"
            raise _overlap(conductors, lower, upper, where)
        distances[cut] *= gap
    return distances


def _part_before(grid: Grid, axis: int, cut: tuple[Array, ...], region: Region, is_upward: bool) -> Array:
    """Part of edges that lies before the surface of a region, which holds the upper end, or else the lower one."""
    point = [lines[i] for lines, i in zip(grid.lines, cut)]
    below, above = point[axis], grid.lines[axis][cut[axis] + 1]
    outside, inside = (below, above) if is_upward else (above, below)
    return _part_outside(region, point, axis, outside, inside)


def _part_outside(region: Region, point: list[Array], axis: int, outside: Array, inside: Array) -> Array:
    """Part of the edges from `outside` to `inside` that lies before the surface of a region."""
    low, high = np.zeros(len(outside)), np.ones(len(outside))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        there = [*point[:axis], outside + middle * (inside - outside), *point[axis + 1 :]]
        is_inside = region.contains(*there)
        low, high = np.where(is_inside, low, middle), np.where(is_inside, middle, high)
    return np.where(high > 1 - ON_LINE, 1.0, high)
