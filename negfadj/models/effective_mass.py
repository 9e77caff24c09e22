"""Effective-mass devices: the BenDaniel–Duke Hamiltonian on a grid of one, two or three dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..constants import HBAR2_OVER_2M0
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .orbital_positions import OrbitalPositions


class EffectiveMassCotangent(NamedTuple):
    """Cotangents of the arguments of `effective_mass_device`, real, each of its argument's shape."""

    potential_energy: Array
    mass: Array
    spacing: Any


def effective_mass_device(
    potential_energy: ArrayLike,
    mass: ArrayLike,
    /,
    *,
    spacing: float | ArrayLike,
    periodic: Sequence[bool] | bool = False,
    momentum: Sequence[float] | float = 0.0,
) -> Device:
    """The finite-difference Hamiltonian −(ħ²/2) ∇·(1/m) ∇ + V, with two leads along the first axis.

    H_aa = V_a + Σ_links t_ab,   H_ab = −t_ab,   t_ab = ħ²/(2 m_ab d²),   m_ab = (m_a + m_b)/2

    over the two links of a point in every direction. The mean of the masses (the harmonic mean of 1/m) is what a
    current through the link sees when the material changes half-way: (1/m) ∂ψ is continuous.

    Parameters
    ----------
    potential_energy : real array, shape (n_x,), (n_x, n_y) or (n_x, n_y, n_z)
        V [eV] at the grid points: band edge and electrostatic potential energy.
    mass : real array, the shape of `potential_energy`, or (dimensions, *that shape)
        m [m_e] at the grid points, positive; with the leading axis one mass for each direction.
    spacing : float, or one for each direction
        d [Å].
    periodic : bool, or one for each direction across (y, z)
        False (default): the wave function is zero one spacing beyond the last points, a hard wall. True: the last point
        is linked to the first.
    momentum : float, or one for each direction across
        κ of a periodic direction in reciprocal lattice vectors: that link carries exp(2πi κ).

    Returns
    -------
    Device
        NumPy, one slice of x to a block, points of a slice in C order (z fastest). Lead 0 continues slice 0, lead 1 the
        last slice, for ever. Real where every κ is 0.

    Raises
    ------
    ShapeError, InputTypeError, InputError
        For shapes that do not belong together, a mass or spacing that is not positive, a momentum across a hard wall,
        `periodic` or a momentum in one dimension.

    Sources
    -------
    D. J. BenDaniel and C. B. Duke, Phys. Rev. 152, 683 (1966); the mean of the masses on a link as in R. Lake,
    G. Klimeck, R. C. Bowen and D. Jovanovic, J. Appl. Phys. 81, 7845 (1997).
    """
    grid = _grid(potential_energy, mass, spacing, periodic, momentum)
    return _device(grid, _links(grid))


def effective_mass_device_vjp(
    potential_energy: ArrayLike,
    mass: ArrayLike,
    /,
    *,
    spacing: float | ArrayLike,
    periodic: Sequence[bool] | bool = False,
    momentum: Sequence[float] | float = 0.0,
) -> tuple[Device, Callable[[Device], EffectiveMassCotangent]]:
    """`effective_mass_device`, with its pullback.

    V̄_a = H̄_aa,   t̄_ab = H̄_aa + H̄_bb − Re(H̄_ab + H̄_ba*) e^{−iθ},   m̄_a = −Σ t̄_ab t_ab/(m_a + m_b),
    d̄ = −(2/d) Σ t̄_ab t_ab. A lead's cotangent goes to the slice that it continues. Kept for the pullback: the link
    energies, 8 bytes a link, and what was passed in.

    Parameters
    ----------
    As `effective_mass_device`.

    Returns
    -------
    device : Device
    pullback : callable
        Cotangent of the device → EffectiveMassCotangent; `None` blocks and leads count as zero.

    Raises
    ------
    As `effective_mass_device`; the pullback InputTypeError for a cotangent that is not a whole `Device`.
    """
    grid = _grid(potential_energy, mass, spacing, periodic, momentum)
    links = _links(grid)

    def effective_mass_device_pullback(device_bar: Device) -> EffectiveMassCotangent:
        potential_bar, links_bar = _device_pullback(grid, device_bar)
        mass_bar = np.zeros_like(grid.mass)
        spacing_bar = np.zeros(grid.dimensions)
        for axis, (t, t_bar) in enumerate(zip(links, links_bar)):
            # t = ħ²/((m_a + m_b) d²): dt = −t (dm_a + dm_b)/(m_a + m_b) − 2t dd/d
            ends = _padded(grid.mass[axis], axis, grid.wraps(axis))
            low, high = _ends(ends, axis)
            end_bar = -t_bar * t / (low + high)
            mass_bar[axis] += _unpadded(_spread(end_bar, axis), axis, grid.wraps(axis))
            spacing_bar[axis] = -2 * float(np.sum(t_bar * t)) / grid.spacing[axis]
        m_bar = np.stack([_without_leads(x) for x in mass_bar])
        return EffectiveMassCotangent(
            _without_leads(potential_bar),
            m_bar if np.ndim(mass) > grid.dimensions else m_bar.sum(axis=0),
            spacing_bar if np.ndim(spacing) else float(spacing_bar.sum()),
        )

    return _device(grid, links), effective_mass_device_pullback


def effective_mass_positions(
    shape: Sequence[int], *, spacing: float | ArrayLike, periodic: Sequence[bool] | bool = False
) -> OrbitalPositions:
    """Where the grid points of an effective-mass device are: point (i, j, k) at (i dx, j dy, k dz).

    Parameters
    ----------
    shape : one to three int
        That of `potential_energy`.
    spacing : float, or one for each direction
        d [Å].
    periodic : bool, or one for each direction across (y, z)
        That of the device. A field along z has no phases for links that wrap around y; True there is refused, and so is
        a device with such links when it meets the field. (With one or two points along y its matrix does not tell.)

    Returns
    -------
    OrbitalPositions
        In the order of the device's orbitals, for a magnetic field.

    Raises
    ------
    ShapeError, InputError, InputTypeError
    """
    shape = tuple(int(n) for n in shape)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise ShapeError(f"shape={shape} must be one to three positive numbers of grid points.")
    wraps = _per_direction(periodic, len(shape) - 1, "periodic", bool)
    if any(wraps[:1]):
        raise InputError(
            f"periodic={periodic!r}: a field along z has no phases for links that wrap around y; use hard walls along "
            "y. Along z, the direction of the field, a device may be periodic."
        )
    steps = np.ones(3)
    steps[: len(shape)] = _spacing(spacing, len(shape))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (*shape, 1, 1)[:3]), indexing="ij"), axis=-1)
    points = index * steps
    ahead = np.array([steps[0], 0.0, 0.0])
    cells = ((points[0] - ahead).reshape(-1, 3), (points[-1] + ahead).reshape(-1, 3))
    return OrbitalPositions(points.reshape(-1, 3), cells, (-ahead, ahead), steps)


@dataclass(frozen=True, eq=False)
class _Grid:
    """The checked arguments, with one more slice at either end of x: the cells of the leads."""

    potential_energy: Array  # (n_x + 2, …)
    mass: Array  # (dimensions, n_x + 2, …)
    spacing: Array  # (dimensions,)
    periodic: tuple[bool, ...]  # of the directions across
    momentum: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        return int(self.potential_energy.ndim)

    @property
    def n_slice(self) -> int:
        """Points of one slice."""
        return math.prod(self.potential_energy.shape[1:])

    def wraps(self, axis: int) -> bool:
        """True for a periodic direction across."""
        return axis > 0 and self.periodic[axis - 1]


def _grid(potential_energy: Any, mass: Any, spacing: Any, periodic: Any, momentum: Any) -> _Grid:
    v, m = _real(potential_energy, "potential_energy"), _real(mass, "mass")
    if not 1 <= v.ndim <= 3 or v.size == 0:
        raise ShapeError(f"potential_energy has shape {v.shape} but must be (n_x,), (n_x, n_y) or (n_x, n_y, n_z).")
    if m.shape not in (v.shape, (v.ndim, *v.shape)):
        raise ShapeError(
            f"mass has shape {m.shape} but must be {v.shape}, that of potential_energy, or {(v.ndim, *v.shape)} with a "
            "mass for each direction first."
        )
    if not np.all(m > 0):
        place = tuple(int(i) for i in np.argwhere(~(m > 0))[0])
        raise InputError(f"mass{list(place)} = {m[place]} must be positive [m_e]; a wall is a high potential energy.")
    across = v.ndim - 1
    wraps = _per_direction(periodic, across, "periodic", bool)
    kappa = _per_direction(momentum, across, "momentum", float)
    for axis, (wrap, k) in enumerate(zip(wraps, kappa)):
        if not np.isfinite(k) or (k != 0 and not wrap):
            raise InputError(
                f"momentum[{axis}] = {k} along {'yz'[axis]}: it must be finite, and 0 between hard walls; set periodic."
            )
    masses = np.broadcast_to(m, (v.ndim, *v.shape))
    return _Grid(_with_leads(v), np.stack([_with_leads(x) for x in masses]), _spacing(spacing, v.ndim), wraps, kappa)


def _per_direction(given: Any, across: int, name: str, kind: type) -> tuple[Any, ...]:
    """One value for every direction across; a single value stands for all of them."""
    try:
        values = np.asarray(given)
        if values.dtype.kind not in ("b" if kind is bool else "iuf") and values.size:
            raise TypeError(f"dtype {values.dtype}")
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"{name}={given!r} must be a {kind.__name__}, or one for each direction across ({error})."
        ) from error
    if values.ndim > 1 or (values.ndim == 1 and len(values) != across):
        shape = len(values) if values.ndim == 1 else f"shape {values.shape}:"
        raise ShapeError(f"{name} has {shape} entries but there are {across} directions across x.")
    if across == 0 and np.any(values):
        raise InputError(
            f"{name}={given!r} but the device is one-dimensional, with no direction across x; leave it out."
        )
    return tuple(kind(x) for x in np.broadcast_to(values, (across,)))


def _real(x: Any, name: str) -> Array:
    try:
        found = np.asarray(x)
        if found.dtype.kind not in "iuf":
            raise TypeError(f"dtype {found.dtype}")
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} must be an array of real numbers ({error}).") from error
    found = found.astype(np.float64)
    if not np.all(np.isfinite(found)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        raise InputError(f"{name}{list(place)} = {found[place]} must be finite.")
    return found


def _spacing(spacing: Any, dimensions: int) -> Array:
    d = _real(spacing, "spacing")
    if d.shape not in ((), (dimensions,)):
        raise ShapeError(f"spacing has shape {d.shape} but must be one number or {dimensions}, one for each direction.")
    if not np.all(d > 0):
        raise InputError(f"spacing={spacing!r} must be positive [Å].")
    return np.broadcast_to(d, (dimensions,)).copy()


def _with_leads(x: Array) -> Array:
    """The first and last slices once more: a cell of each lead."""
    return np.concatenate((x[:1], x, x[-1:]))


def _without_leads(x_bar: Array) -> Array:
    """The adjoint of `_with_leads`."""
    inner = x_bar[1:-1].copy()
    inner[0] += x_bar[0]
    inner[-1] += x_bar[-1]
    return inner


def _padded(mass: Array, axis: int, wrap: bool) -> Array:
    """The masses at the ends of all links along an axis: across hard walls the edge's own, around the period's."""
    if axis == 0:
        return mass
    first, last = np.take(mass, [0], axis), np.take(mass, [-1], axis)
    return np.concatenate((mass, first) if wrap else (first, mass, last), axis)


def _unpadded(x_bar: Array, axis: int, wrap: bool) -> Array:
    """The adjoint of `_padded`."""
    if axis == 0:
        return x_bar
    x_bar = np.moveaxis(x_bar, axis, 0)
    inner = (x_bar[:-1] if wrap else x_bar[1:-1]).copy()
    inner[0] += x_bar[-1 if wrap else 0]
    if not wrap:
        inner[-1] += x_bar[-1]
    return np.moveaxis(inner, 0, axis)


def _ends(x: Array, axis: int) -> tuple[Array, Array]:
    """The lower and the upper end of every link along an axis."""
    n = x.shape[axis]
    return np.take(x, range(n - 1), axis), np.take(x, range(1, n), axis)


def _spread(link_bar: Array, axis: int) -> Array:
    """Every link's number added to both of its ends: the adjoint of the sum of `_ends`."""
    link_bar = np.moveaxis(link_bar, axis, 0)
    zero = np.zeros_like(link_bar[:1])
    return np.moveaxis(np.concatenate((link_bar, zero)) + np.concatenate((zero, link_bar)), 0, axis)


def _links(grid: _Grid) -> list[Array]:
    """t of all links, direction by direction: (n_x + 1, …) along x, (n_x + 2, n_y + 1 or n_y, …) across."""
    found = []
    for axis in range(grid.dimensions):
        low, high = _ends(_padded(grid.mass[axis], axis, grid.wraps(axis)), axis)
        found.append(2 * HBAR2_OVER_2M0 / ((low + high) * grid.spacing[axis] ** 2))
    return found


def _onsite(grid: _Grid, links: Sequence[Array]) -> Array:
    """The diagonal of H, shape of the grid with the leads' cells: V + Σ t over both links in every direction."""
    total = grid.potential_energy.copy()
    for axis, t in enumerate(links):
        if axis == 0:  # beyond its own cell, a lead goes on as it began
            total += np.concatenate((t[:1], t)) + np.concatenate((t, t[-1:]))
        else:
            total += _unpadded_ends(t, axis, grid.wraps(axis))
    return total


def _unpadded_ends(t: Array, axis: int, wrap: bool) -> Array:
    """The sum of the two links of every point along an axis across."""
    return t + np.roll(t, 1, axis) if wrap else sum(_ends(t, axis))


def _across(grid: _Grid, axis: int) -> tuple[Array, Array, Array, complex | float]:
    """Links within a slice: which of t's entries, the points a and b (numbers in the slice), and the wrap's phase."""
    shape = grid.potential_energy.shape[1:]
    number = np.moveaxis(np.arange(grid.n_slice).reshape(shape), axis - 1, 0)
    if not grid.wraps(axis):
        return np.arange(1, len(number)), number[:-1], number[1:], 1.0
    angle = 2 * np.pi * grid.momentum[axis - 1]
    return np.arange(len(number)), number, np.roll(number, -1, axis=0), np.exp(1j * angle) if angle else 1.0


def _device(grid: _Grid, links: Sequence[Array]) -> Device:
    n_cells, n = grid.potential_energy.shape[0], grid.n_slice
    is_complex = any(k != 0 for k in grid.momentum)
    blocks = np.zeros((n_cells, n, n), dtype=np.complex128 if is_complex else np.float64)
    points, cells = np.arange(n), np.arange(n_cells)[:, None]
    blocks[:, points, points] = _onsite(grid, links).reshape(n_cells, n)
    for axis in range(1, grid.dimensions):
        for t, a, b, phase in _slice_links(grid, links, axis):
            # a period of one or two points has several links on one entry: they add up
            np.add.at(blocks, (cells, a, b), -t * phase)
            np.add.at(blocks, (cells, b, a), -t * np.conj(phase))
    t_x = links[0].reshape(n_cells - 1, n)
    upper = np.zeros((n_cells - 1, n, n), dtype=blocks.dtype)
    upper[:, points, points] = -t_x
    leads = (
        Lead(onsite=blocks[0], hopping=upper[0], coupling=upper[0].copy(), block=0),
        Lead(onsite=blocks[-1], hopping=upper[-1], coupling=upper[-1].copy(), block=-1),
    )
    return Device(BlockTridiagonal(tuple(blocks[1:-1]), tuple(upper[1:-1])), leads)


def _slice_links(grid: _Grid, links: Sequence[Array], axis: int) -> list[tuple[Array, Array, Array, Any]]:
    """Links along an axis across as (t of every slice, a, b, phase): those inside, and the one that wraps around."""
    which, a, b, phase = _across(grid, axis)
    t = np.moveaxis(links[axis], axis, 1)[:, which].reshape(len(links[axis]), len(which), -1)
    a, b = a.reshape(len(which), -1), b.reshape(len(which), -1)
    parts = [(slice(None, -1), 1.0), (slice(-1, None), phase)] if grid.wraps(axis) else [(slice(None), 1.0)]
    return [(t[:, s].reshape(len(t), -1), a[s].ravel(), b[s].ravel(), p) for s, p in parts]


def _device_pullback(grid: _Grid, device_bar: Device) -> tuple[Array, list[Array]]:
    """Cotangents of V and of the links, on the grid with the leads' cells."""
    blocks, upper = _cells_bar(grid, device_bar)
    shape, n_cells, n = grid.potential_energy.shape, len(blocks), grid.n_slice
    points = np.arange(n)
    onsite_bar = blocks[:, points, points].real.reshape(shape)
    along = sum(_ends(onsite_bar, 0)) - upper.reshape(n_cells - 1, *shape[1:])
    along[0] += onsite_bar[0]  # both links of a lead's cell are this one
    along[-1] += onsite_bar[-1]
    across = [_across_bar(grid, axis, onsite_bar, blocks) for axis in range(1, grid.dimensions)]
    return onsite_bar, [along, *across]


def _across_bar(grid: _Grid, axis: int, onsite_bar: Array, blocks: Array) -> Array:
    wrap = grid.wraps(axis)
    # the diagonal: link j joins points j and j + 1 around a period, j − 1 and j between walls
    t_bar = onsite_bar + np.roll(onsite_bar, -1, axis) if wrap else _spread(onsite_bar, axis)
    which, a, b, phase = _across(grid, axis)
    turn = np.ones(len(which), dtype=np.complex128)
    turn[-1:] = phase
    turn = turn.reshape(-1, *(1,) * (a.ndim - 1))
    # dH_ab = −e^{iθ} dt and dH_ba = −e^{−iθ} dt
    off = -(blocks[:, a, b].conj() * turn + blocks[:, b, a].conj() * turn.conj()).real
    np.moveaxis(t_bar, axis, 1)[:, which] += off
    return t_bar


def _cells_bar(grid: _Grid, device_bar: Device) -> tuple[Array, Array]:
    """Diagonal blocks (n_x + 2, n, n), the leads' cells first and last, and the diagonals of the upper ones."""
    hamiltonian, leads = device_bar.hamiltonian, device_bar.leads
    if not isinstance(hamiltonian, BlockTridiagonal) or len(leads) != 2:
        raise InputTypeError(
            f"the cotangent's hamiltonian is a {type(hamiltonian).__name__} with {len(leads)} leads; pass a whole "
            'Device, the one of wrt="all".'
        )
    n_cells, n = grid.potential_energy.shape[0], grid.n_slice
    blocks, upper = np.zeros((n_cells, n, n), dtype=np.complex128), np.zeros((n_cells - 1, n))
    onsite = [None if lead is None else lead.onsite for lead in leads]
    for i, block in enumerate((onsite[0], *hamiltonian.diagonal, onsite[1])):
        if block is not None:
            blocks[i] = block
    for i, block in enumerate(hamiltonian.upper, start=1):
        if block is not None:
            upper[i] = np.diagonal(block).real
    for i, lead in zip((0, -1), leads):
        for block in () if lead is None else (lead.hopping, lead.coupling):
            if block is not None:
                upper[i] += np.diagonal(block).real
    return blocks, upper
