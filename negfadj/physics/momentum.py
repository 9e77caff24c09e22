"""Sets of momenta in reciprocal lattice vectors: Monkhorst–Pack grids with weights, and paths between points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .energy_integral import real_host


class MomentumGrid(NamedTuple):
    """Momenta (n_momenta, 3) in reciprocal lattice vectors, and their weights (n_momenta,), which sum to 1."""

    momenta: Array
    weights: Array


class MomentumPath(NamedTuple):
    """Momenta (n_momenta, 3) in reciprocal lattice vectors, and the length of the path up to each, (n_momenta,)."""

    momenta: Array
    distances: Array


def monkhorst_pack(
    n: int | Sequence[int], *, shift: ArrayLike = 0.0, time_reversal: bool = True
) -> MomentumGrid:
    """A regular grid of momenta over the Brillouin zone, with weights.

        k_i = (j_i + s_i)/n_i,   j_i = 0 … n_i − 1,   moved into (−1/2, 1/2]

    Parameters
    ----------
    n : one to three positive integers
        Momenta along each reciprocal lattice vector; those left out have one, k = 0.
    shift : "monkhorst-pack", a number, or one for each of `n`
        s in steps of the grid. 0, the default, has Γ in the grid; 1/2 puts Γ in the middle of a step. One number shifts
        the directions with n_i > 1; a sequence shifts as it says. "monkhorst-pack" is the grid of the paper,
        k = (2r − n − 1)/2n: 1/2 for an even n_i, 0 for an odd one.
    time_reversal : bool
        True keeps one of k and −k, with both weights: right for anything even in k, such as T(k) where
        H(−k) = H(k)*. A magnetic field breaks that: False keeps all.

    Returns
    -------
    MomentumGrid
        momenta (n_momenta, 3), weights (n_momenta,) with sum 1, on the host. The kept one of k and −k comes first in
        the full grid. A shift that is no multiple of 1/2 has no −k in the grid, and nothing is left out.

    Raises
    ------
    InputError, InputTypeError, ShapeError

    Sources
    -------
    Monkhorst and Pack, Phys. Rev. B 13, 5188 (1976), Eqs. (3) and (4).
    """
    counts = _counts(n)
    shifts = _shifts(shift, counts)
    n_given = counts.shape[0]
    counts = host.concat([counts, host.ones(3 - n_given, dtype=host.int64)])
    shifts = host.concat([shifts, host.zeros(3 - n_given)])
    axes = host.meshgrid(*(host.arange(m) for m in counts.tolist()), indexing="ij")
    steps = host.stack([host.reshape(x, (-1,)) for x in axes], axis=1)  # (N, 3), j
    momenta = (steps + shifts) / counts
    momenta = momenta - host.ceil(momenta - 0.5 - 1e-12)  # 1/2 itself stays
    weights = host.full(steps.shape[0], 1 / steps.shape[0])
    if not time_reversal or not host.all(2 * shifts == host.round(2 * shifts)):
        return MomentumGrid(momenta, weights)
    # −(j + s) = j' + s modulo n
    opposite = (-steps - host.astype(2 * shifts, host.int64)) % counts
    place = (opposite[:, 0] * counts[1] + opposite[:, 1]) * counts[2] + opposite[:, 2]
    own = host.arange(steps.shape[0])
    kept = own <= place
    return MomentumGrid(momenta[kept], (weights * host.where(own == place, 1.0, 2.0))[kept])


def momentum_path(points: ArrayLike, n: int, *, lattice: ArrayLike | None = None) -> MomentumPath:
    """Momenta along straight lines from point to point.

    Parameters
    ----------
    points : array, shape (n_points, 3)
        Corners of the path in reciprocal lattice vectors, two at least.
    n : int
        Steps of each line: point p is momentum p·n, and there are (n_points − 1)·n + 1.
    lattice : array, shape (3, 3), optional
        Lattice vectors in rows [Å]. With them the distances are in 1/Å, without in reciprocal lattice vectors as if
        these were of length one and at right angles.

    Returns
    -------
    MomentumPath
        momenta (n_momenta, 3) and distances (n_momenta,), on the host.

    Raises
    ------
    InputError, InputTypeError, ShapeError
    """
    corners = real_host(points, "points")
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.shape[0] < 2:
        raise ShapeError(f"points have shape {corners.shape} but must be (n_points, 3) with two points at least.")
    steps = _positive(n, "n")
    fractions = (host.arange(steps) / steps)[None, :, None]
    lines = corners[:-1, None, :] + fractions * (corners[1:] - corners[:-1])[:, None, :]
    momenta = host.concat([host.reshape(lines, (-1, 3)), corners[-1:]])
    cartesian = host.diff(momenta, axis=0)
    if lattice is not None:
        vectors = real_host(lattice, "lattice")
        if vectors.shape != (3, 3):
            raise ShapeError(f"lattice has shape {vectors.shape} but must be (3, 3), lattice vectors in rows [Å].")
        if host.linalg.matrix_rank(vectors) < 3:
            raise InputError(f"lattice = {vectors.tolist()} has a volume of zero; give three independent vectors.")
        cartesian = 2 * host.pi * cartesian @ host.linalg.inv(vectors).T
    lengths = host.linalg.vector_norm(cartesian, axis=1)
    return MomentumPath(momenta, host.concat([host.zeros(1), host.cumulative_sum(lengths)]))


def _counts(n: int | Sequence[int]) -> Any:
    given = list(n) if isinstance(n, Sequence | host.ndarray) and not isinstance(n, str) else [n]
    if not 1 <= len(given) <= 3:
        raise ShapeError(f"n={n!r} has {len(given)} numbers but there are one to three directions.")
    return host.asarray([_positive(x, "n") for x in given])


def _shifts(shift: ArrayLike, counts: Any) -> Any:
    if isinstance(shift, str):
        if shift != "monkhorst-pack":
            raise InputError(f'shift={shift!r} is not known; give numbers, or "monkhorst-pack".')
        return host.where(counts % 2 == 0, 0.5, 0.0)
    given = real_host(shift, "shift")
    if given.ndim == 0:
        return host.where(counts > 1, given, 0.0)
    if given.shape != counts.shape:
        raise ShapeError(f"shift has shape {given.shape} but n has {counts.shape[0]} numbers; give as many, or one.")
    return given


def _positive(x: Any, name: str) -> int:
    if isinstance(x, bool) or not hasattr(x, "__index__"):
        raise InputTypeError(f"{name}={x!r} must be a positive integer.")
    if x < 1:
        raise InputError(f"{name}={x!r} must be a positive integer.")
    return int(x)
