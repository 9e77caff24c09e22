"""Model lattices: chains, square strips and honeycomb ribbons, between leads that continue them.

Their matrices are linear in every energy that is passed in, on-site or hopping, so that the derivative of the matrices
by one of them is a difference of two lattices; see `Lattice.inner`.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number, Real
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .lattice_device import Lattice, LatticeLead
from .orbital_positions import points
from .sparse_device import LeadMatrices

Side = Literal["left", "right", "bottom", "top"]
Entries = tuple[Any, Any, Any]  # values, rows, columns
OUTWARD: dict[str, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "bottom": (0, -1), "top": (0, 1)}


def linear_chain(onsite: ArrayLike, hopping: complex, *, lead_onsite: float = 0.0, spacing: float = 1.0) -> Lattice:
    """A chain along x, with leads that continue it.

    Parameters
    ----------
    onsite : array, shape (n_sites,)
        On-site energies [eV].
    hopping : float or complex
        <site i|H|site i + 1> [eV].
    lead_onsite : float
        On-site energy in the leads [eV].
    spacing : float
        [Å].

    Returns
    -------
    Lattice

    Raises
    ------
    ShapeError, InputError
    """
    energies = _energies(onsite, (None,), "onsite")
    cell = _sum_of((1, 1), _diagonal([float(lead_onsite)]))
    join = _sum_of((1, 1), ([_hopping(hopping, "hopping")], [0], [0]))
    return _strip(cell, join, np.zeros((1, 3)), _length(spacing, "spacing"), len(energies), energies - lead_onsite)


def ssh_chain(
    n_cells: int,
    hopping_within: complex,
    hopping_between: complex,
    *,
    onsite: ArrayLike | None = None,
    spacing: float = 1.0,
) -> Lattice:
    """The chain of Su, Schrieffer and Heeger: two sites a cell, joined by two hoppings in turn.

    E(k) = ±|t₁ + t₂ e^{−ik}|, with a gap 2||t₁| − |t₂||; a finite chain has end states in it where |t₁| < |t₂|.

    Parameters
    ----------
    n_cells : int
    hopping_within, hopping_between : float or complex
        t₁ in a cell, t₂ from a cell to the next [eV].
    onsite : array, shape (2 n_cells,), optional
        Energies of the device's sites [eV]; those of the leads are 0.
    spacing : float
        Between neighbouring sites [Å].

    Returns
    -------
    Lattice
        With leads that continue it.

    Raises
    ------
    ShapeError, InputError

    Sources
    -------
    W. P. Su, J. R. Schrieffer and A. J. Heeger, Phys. Rev. Lett. 42, 1698 (1979).
    """
    within, between = _hopping(hopping_within, "hopping_within"), _hopping(hopping_between, "hopping_between")
    distance = _length(spacing, "spacing")
    cell = _sum_of((2, 2), _diagonal([0.0, 0.0]), ([within, np.conj(within)], [0, 1], [1, 0]))
    join = _sum_of((2, 2), ([between], [1], [0]))
    energies = _device_energies(onsite, 2, n_cells)
    return _strip(cell, join, np.array([[0, 0, 0], [distance, 0, 0]]), 2 * distance, n_cells, energies)


def square_lattice(
    onsite: ArrayLike,
    hopping: complex,
    *,
    lead_onsite: float = 0.0,
    spacing: float = 1.0,
    sides: Sequence[Side] = ("left", "right"),
) -> Lattice:
    """A rectangle of the square lattice, with a lead as wide as the side on every side asked for.

    Parameters
    ----------
    onsite : array, shape (length, width)
        On-site energies [eV]; site (i, j) is orbital i·width + j, at (i, j) times the spacing.
    hopping : float or complex
        <site|H|next site along x or y> [eV].
    lead_onsite : float
        On-site energy in the leads [eV].
    spacing : float
        [Å].
    sides : sequence of "left", "right", "bottom", "top"
        Where the leads are, in their order. A lead has T = number of p with |E − 2t cos(pπ/(W + 1))| < 2|t| channels.

    Returns
    -------
    Lattice

    Raises
    ------
    ShapeError, InputError
    """
    energies = _energies(onsite, (None, None), "onsite")
    t, distance = _hopping(hopping, "hopping"), _length(spacing, "spacing")
    length, width = energies.shape
    number = np.arange(length * width).reshape(length, width)
    where = np.stack(np.meshgrid(np.arange(length), np.arange(width), indexing="ij"), axis=-1) * distance
    links = [(number[:-1], number[1:]), (number[:, :-1], number[:, 1:])]
    leads = []
    for side in _sides(sides):
        x, y = OUTWARD[side]
        edge = number[-(x > 0), :] if x else number[:, -(y > 0)]  # index 0 or −1
        join = (t if x + y > 0 else np.conj(t)) * sparse.eye_array(len(edge))
        place = sparse.csr_array((np.ones(len(edge)), (edge, range(len(edge)))), shape=(number.size, len(edge)))
        period = np.array([x, y, 0]) * distance
        n = len(edge)
        within = _joined(t, np.arange(n - 1), np.arange(1, n))
        cell = _sum_of((n, n), _diagonal(np.full(n, float(lead_onsite))), *within)
        beyond = points(where.reshape(-1, 2)[edge], side) + period
        leads.append(LatticeLead(LeadMatrices(cell, join, place @ join), beyond, period))
    joined = [part for a, b in links for part in _joined(t, a.ravel(), b.ravel())]
    hamiltonian = _sum_of((number.size,) * 2, _diagonal(energies.ravel()), *joined)
    return Lattice(where.reshape(-1, 2), hamiltonian, tuple(leads))


def honeycomb_ribbon(
    edge: Literal["armchair", "zigzag"],
    width: int,
    n_cells: int,
    hopping: complex,
    *,
    staggered: float = 0.0,
    next_nearest: float = 0.0,
    haldane_phase: float = 0.0,
    onsite: ArrayLike | None = None,
    bond: float = 1.42,
) -> Lattice:
    """A ribbon of the honeycomb lattice along x: graphene, with a mass, or Haldane's model.

    H = t Σ a†b + h.c. + m (Σ a†a − Σ b†b) + t₂ Σ e^{iνφ} c†_i c_j over next-nearest neighbours

    with ν = +1 where the way from j over the common neighbour to i turns left, −1 where right.

    Parameters
    ----------
    edge : "armchair" or "zigzag"
    width : int
        Number of dimer lines of an armchair, of zigzag chains of a zigzag ribbon: 2 `width` orbitals a cell.
    n_cells : int
        Cells of the device, 3 bonds long (armchair) or √3 bonds (zigzag).
    hopping : float
        t [eV], between nearest neighbours; from sublattice A to B where it is complex.
    staggered : float
        m [eV], + on sublattice A and − on B: a gap of 2|m| in the plane.
    next_nearest, haldane_phase : float
        t₂ [eV] and φ [rad].
    onsite : array, shape (2 width n_cells,), optional
        Energies added on the device's orbitals [eV]; none in the leads.
    bond : float
        [Å].

    Returns
    -------
    Lattice
        With leads that continue it. Orbitals cell by cell along x, A and B in turn.

    Raises
    ------
    ShapeError, InputError

    Sources
    -------
    F. D. M. Haldane, Phys. Rev. Lett. 61, 2015 (1988). Gaps of armchair ribbons: Y.-W. Son, M. L. Cohen and S. G.
    Louie, Phys. Rev. Lett. 97, 216803 (2006), without its edge correction.
    """
    if edge not in ("armchair", "zigzag"):
        raise InputError(f'edge={edge!r} must be "armchair" or "zigzag".')
    t, a = _hopping(hopping, "hopping"), _length(bond, "bond")
    positions, period = _honeycomb_cell(edge, _count(width, "width"), a)
    sign = np.tile([1.0, -1.0], width)  # sublattice A, B
    energies = _device_energies(onsite, 2 * width, n_cells)
    cell, join = (
        [_nearest(positions, sign, shift, a, t), _second(positions, sign, shift, a, next_nearest, haldane_phase)]
        for shift in (0.0, period)
    )
    shape = (len(sign),) * 2
    within = _sum_of(shape, _diagonal(staggered * sign), *cell)
    return _strip(within, _sum_of(shape, *join), positions, period, n_cells, energies)


def _sides(sides: Sequence[Side]) -> tuple[Side, ...]:
    if isinstance(sides, str):
        raise InputTypeError(f'sides={sides!r} is a string; pass a sequence of sides, ("left", "right").')
    found = tuple(sides)
    for side in found:
        if side not in OUTWARD:
            raise InputError(f"sides names {side!r}; use {', '.join(OUTWARD)}.")
        if found.count(side) > 1:
            raise InputError(f"sides={found!r} names {side!r} twice; a side has one lead.")
    return found


def _sum_of(shape: tuple[int, int], *parts: Entries) -> sparse.csr_array:
    """A sparse matrix with the sum of the entries; zeros given on purpose are kept, for their derivative."""
    values, rows, columns = (np.concatenate([np.asarray(part[k]) for part in parts]) for k in range(3))
    return sparse.coo_array((values, (rows.astype(int), columns.astype(int))), shape=shape).tocsr()


def _diagonal(energies: ArrayLike) -> Entries:
    places = np.arange(len(energies))
    return energies, places, places


def _joined(t: complex, a: Array, b: Array) -> tuple[Entries, Entries]:
    """<a|H|b> = t, and its adjoint."""
    return (np.full(len(a), t), a, b), (np.full(len(a), np.conj(t)), b, a)


def _repeated(block: sparse.csr_array, rows: Array, columns: Array) -> Entries:
    """The block's entries once for every place where it begins."""
    entries = block.tocoo()
    i, j = entries.coords
    return np.tile(entries.data, len(rows)), (rows[:, None] + i).ravel(), (columns[:, None] + j).ravel()


def _strip(
    cell: sparse.csr_array, join: sparse.csr_array, positions: Array, period: float, n_cells: int, onsite: Array
) -> Lattice:
    """Equal cells along x, joined by <cell i|H|cell i + 1>, `onsite` added; the leads are of the same cells."""
    n_cells, n = _count(n_cells, "n_cells"), cell.shape[0]
    starts = n * np.arange(n_cells)
    back = sparse.csr_array(join.conj().T)
    parts = [(cell, starts, starts), (join, starts[:-1], starts[1:]), (back, starts[1:], starts[:-1])]
    hamiltonian = _sum_of((n * n_cells,) * 2, _diagonal(onsite), *(_repeated(*part) for part in parts))
    step = np.array([period, 0.0, 0.0])
    where = (positions + np.arange(n_cells)[:, None, None] * step).reshape(-1, 3)
    leads = []
    for first, hopping, outward in ((0, back, -step), (n * (n_cells - 1), join, step)):
        rows = sparse.csr_array((np.ones(n), (first + np.arange(n), np.arange(n))), shape=(n * n_cells, n))
        matrices = LeadMatrices(cell, hopping, rows @ hopping)
        leads.append(LatticeLead(matrices, where[first : first + n] + outward, outward))
    return Lattice(where, hamiltonian, tuple(leads))


def _honeycomb_cell(edge: str, width: int, a: float) -> tuple[Array, float]:
    """Positions of one cell, A and B in turn, and the period. The bonds of an A atom go as in `_bonds`, or turned."""
    j = np.arange(width)
    if edge == "armchair":
        x = np.where(j % 2 == 0, 0.0, 1.5 * a)
        pairs = [(x, j * np.sqrt(3) / 2 * a), (x + a, j * np.sqrt(3) / 2 * a)]
        period = 3 * a
    else:
        period = np.sqrt(3) * a
        x = np.where(j % 2 == 0, 0.0, period / 2)
        pairs = [(x, 1.5 * a * j), ((x + period / 2) % period, 1.5 * a * j + a / 2)]
    flat = np.stack([np.stack(each, axis=-1) for each in pairs], axis=1).reshape(-1, 2)
    return np.pad(flat, ((0, 0), (0, 1))), float(period)


def _links(positions: Array, shift: float, distance: float) -> tuple[Array, Array, Array]:
    """Pairs (i in cell 0, j in the cell at `shift`) at a distance, and the vectors from i to j."""
    moved = positions + np.array([shift, 0.0, 0.0])
    found = KDTree(positions).query_ball_tree(KDTree(moved), 1.01 * distance)
    i = np.repeat(np.arange(len(positions)), [len(each) for each in found])
    j = np.array([k for each in found for k in each], dtype=int)
    vectors = moved[j] - positions[i]
    near = np.linalg.norm(vectors, axis=1) > 0.99 * distance
    return i[near], j[near], vectors[near]


def _nearest(positions: Array, sign: Array, shift: float, a: float, t: complex) -> Entries:
    i, j, _ = _links(positions, shift, a)
    return np.where(sign[i] > 0, t, np.conj(t)), i, j


def _second(positions: Array, sign: Array, shift: float, a: float, t: float, phase: float) -> Entries:
    """<i|H|j> = t₂ exp(iνφ): from j over the common neighbour k to i."""
    if t == 0:
        return [], [], []
    i, j, vectors = _links(positions, shift, np.sqrt(3) * a)
    bonds = _bonds(positions, sign, a)
    turns = np.zeros(len(i))
    for first in range(3):  # j → k along the bond `first`, k → i back along another
        for other in range(3):
            to_k, to_i = bonds[first], -bonds[other]
            is_this = np.linalg.norm(sign[j, None] * (to_k + to_i) + vectors, axis=1) < 0.01 * a
            turns[is_this] = np.sign(to_k[0] * to_i[1] - to_k[1] * to_i[0])
    values = np.exp(1j * turns * phase) if np.sin(phase) else np.full(len(i), np.cos(phase))
    return t * values, i, j


def _bonds(positions: Array, sign: Array, a: float) -> Array:
    """The three bonds of an A atom; those of a B atom are opposite."""
    step = positions[1] - positions[0]  # from A to B: one of them, if the cell's first pair is bonded
    turned = np.array([[-0.5, -np.sqrt(3) / 2, 0], [np.sqrt(3) / 2, -0.5, 0], [0, 0, 1]])
    return np.stack([step, turned @ step, turned @ turned @ step])


def _energies(x: Any, shape: Sequence[int | None], name: str) -> Array:
    try:
        found = np.asarray(x)
        if found.dtype.kind not in "iuf":
            raise TypeError(f"dtype {found.dtype}")
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} must be an array of real energies ({error}).") from error
    if found.ndim != len(shape) or 0 in found.shape or any(n not in (None, m) for n, m in zip(shape, found.shape)):
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        raise ShapeError(f"{name} has shape {found.shape} but must be ({wanted}), one energy [eV] for every site.")
    if not np.all(np.isfinite(found)):
        place = np.argwhere(~np.isfinite(found))[0].tolist()
        raise InputError(f"{name}{place} = {found[tuple(place)]} must be finite [eV].")
    return found.astype(np.float64)


def _device_energies(onsite: Any, per_cell: int, n_cells: int) -> Array:
    n = per_cell * _count(n_cells, "n_cells")
    return np.zeros(n) if onsite is None else _energies(onsite, (n,), "onsite")


def _hopping(x: Any, name: str) -> Any:
    is_number = isinstance(x, Number) and not isinstance(x, bool)
    if not is_number or not np.isfinite(x) or x == 0:
        raise InputError(f"{name}={x!r} must be one finite number other than 0 [eV].")
    return complex(x) if np.iscomplexobj(x) else float(x)


def _length(x: Any, name: str) -> float:
    is_number = isinstance(x, Real) and not isinstance(x, bool)
    if not is_number or not 0 < x < np.inf:
        raise InputError(f"{name}={x!r} must be a positive length [Å].")
    return float(x)


def _count(n: Any, name: str) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 1:
        raise InputError(f"{name}={n!r} must be a positive whole number.")
    return int(n)
