"""A periodic Hamiltonian: the blocks that join one cell to every other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import array_api_compat.numpy as array_api_numpy

from ..array import (
    STATIC,
    adjoint,
    array_namespace,
    brief_repr,
    device_of,
    eps_of,
    is_array,
    is_complex,
    rebuild,
    to_numpy,
)
from ..errors import HermiticityError, InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .block_tridiagonal import project
from .checks import as_float_array, check_finite, check_positive_definite, common_namespace


@dataclass(frozen=True, eq=False)
class PeriodicHamiltonian:
    """H_R = <cell 0|H|cell R>, and S_R likewise, for every cell R that cell 0 is coupled to.

    H(k) = Σ_R H_R exp(2πi k·R)

    Parameters
    ----------
    cells : integers, shape (n_cells, 3)
        R in lattice vectors. Both R and −R are listed, and R = 0; H_{−R} = H_R†.
    hamiltonian : array, shape (n_cells, n, n)
        H_R [eV].
    overlap : array, shape (n_cells, n, n), optional
        S_R; None is an orthogonal basis.
    lattice : array, shape (3, 3), optional
        Lattice vectors in rows [Å]; only velocities and pictures need it.

    Raises
    ------
    ShapeError, InputError, InputTypeError, HermiticityError
        Naming the cell and the entry.
    """

    cells: Any = field(metadata=STATIC)
    hamiltonian: Array
    overlap: Array | None = None
    lattice: Any = field(default=None, metadata=STATIC)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        cells = _cells(self.cells)
        xp = (
            common_namespace(*(x for x in (self.hamiltonian, self.overlap) if is_array(x)))
            if (is_array(self.hamiltonian) or is_array(self.overlap))
            else array_api_numpy
        )
        opposite = _opposite(cells)
        for name in ("hamiltonian", "overlap"):
            given = getattr(self, name)
            if given is None:
                if name == "hamiltonian":
                    raise InputTypeError("hamiltonian is None; give H_R of every cell, shape (n_cells, n, n).")
                continue
            blocks = as_float_array(given, name, xp)
            if blocks.ndim != 3 or blocks.shape != (len(cells), blocks.shape[2], blocks.shape[2]) or 0 in blocks.shape:
                raise ShapeError(f"{name} has shape {tuple(blocks.shape)} but must be ({len(cells)}, n, n).")
            check_finite(blocks, name)
            _check_hermitian(blocks, name, cells, opposite)
            object.__setattr__(self, name, blocks)
        if self.overlap is not None:
            if self.overlap.shape != self.hamiltonian.shape:
                raise ShapeError(
                    f"overlap has shape {tuple(self.overlap.shape)} but hamiltonian {tuple(self.hamiltonian.shape)}."
                )
            check_positive_definite(self.overlap[self._home(cells), ...], "overlap of cell (0, 0, 0)")
        object.__setattr__(self, "cells", cells)
        if self.lattice is not None:
            lattice = _real(self.lattice, "lattice")
            if lattice.shape != (3, 3):
                raise ShapeError(f"lattice has shape {lattice.shape} but must be (3, 3), lattice vectors in rows [Å].")
            object.__setattr__(self, "lattice", lattice)

    @staticmethod
    def _home(cells: Any) -> int:
        return int((cells == 0).all(axis=1).nonzero()[0][0])

    @property
    def n_orbitals(self) -> int:
        """Orbitals of one cell."""
        return int(self.hamiltonian.shape[1])

    @property
    def n_cells(self) -> int:
        """Number of cells R."""
        return int(self.cells.shape[0])

    def reach(self, direction: int) -> int:
        """The furthest cell along lattice vector `direction` with a non-zero entry of H or S."""
        if direction not in (0, 1, 2):
            raise InputError(f"direction={direction!r} must be 0, 1 or 2, a lattice vector.")
        xp = array_namespace(self.hamiltonian)
        couples = xp.any(self.hamiltonian != 0, axis=(1, 2))
        if self.overlap is not None:
            couples = couples | xp.any(self.overlap != 0, axis=(1, 2))
        return max((abs(int(r[direction])) for r, c in zip(self.cells, couples) if bool(c)), default=0)

    def at(self, momenta: ArrayLike) -> tuple[Array, Array | None]:
        """H(k) and S(k) of momenta in reciprocal lattice vectors, shape (n_momenta, 3): (n_momenta, n, n), complex."""
        phases = self.phases(momenta)
        hamiltonian = _bloch_sum(phases, self.hamiltonian)
        return hamiltonian, None if self.overlap is None else _bloch_sum(phases, self.overlap)

    def phases(self, momenta: ArrayLike) -> Array:
        """exp(2πi k·R), shape (n_momenta, n_cells)."""
        xp, device = array_namespace(self.hamiltonian), device_of(self.hamiltonian)
        host = array_api_numpy
        momenta = _real(momenta, "momenta")
        if momenta.ndim != 2 or momenta.shape[1] != 3:
            raise ShapeError(
                f"momenta have shape {momenta.shape} but must be (n_momenta, 3), reciprocal lattice vectors."
            )
        angle = 2 * host.pi * (momenta @ host.asarray(self.cells, dtype=host.float64).T)
        dtype = xp.complex64 if self.hamiltonian.dtype in (xp.float32, xp.complex64) else xp.complex128
        return xp.asarray(host.exp(1j * angle), dtype=dtype, device=device)

    def project_tangent(self, tangent: PeriodicHamiltonian) -> PeriodicHamiltonian:
        """A tangent or cotangent projected on H_{−R} = H_R†, real where the primal is real."""
        opposite = _opposite(self.cells)

        def projected(t: Array | None, x: Array | None) -> Array | None:
            if t is None or x is None:
                return None
            xp = array_namespace(t)
            index = xp.asarray(opposite, device=device_of(t))
            return project((t + adjoint(xp.take(t, index, axis=0))) / 2, x)

        return rebuild(  # type: ignore[no-any-return]
            tangent,
            hamiltonian=projected(tangent.hamiltonian, self.hamiltonian),
            overlap=projected(tangent.overlap, self.overlap),
        )


def _bloch_sum(phases: Array, blocks: Array) -> Array:
    xp = array_namespace(blocks)
    flat = xp.reshape(blocks, (blocks.shape[0], -1))
    if not is_complex(flat):
        flat = xp.astype(flat, phases.dtype)
    return xp.reshape(phases @ flat, (phases.shape[0], *blocks.shape[1:]))


def _real(x: Any, name: str) -> Any:
    """A host array of finite real numbers."""
    host = array_api_numpy
    try:
        values = host.asarray(to_numpy(x) if is_array(x) else x)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array ({error}).") from error
    if values.dtype.kind not in "iuf":
        raise InputTypeError(f"{name} has dtype {values.dtype}; pass real numbers.")
    if not bool(host.all(host.isfinite(values))):
        raise InputError(f"{name} holds a number that is not finite.")
    return host.astype(values, host.float64)


def _cells(cells: Any) -> Any:
    host = array_api_numpy
    try:
        found = host.asarray(cells)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"cells cannot be made an array of integers ({error}).") from error
    if found.ndim != 2 or found.shape[1] != 3 or found.shape[0] == 0:
        raise ShapeError(f"cells have shape {found.shape} but must be (n_cells, 3).")
    if found.dtype.kind not in "iu":
        raise InputTypeError(f"cells have dtype {found.dtype}; they are integers, in lattice vectors.")
    return host.astype(found, host.int64)


def _opposite(cells: Any) -> list[int]:
    """For every cell R the position of −R."""
    place = {tuple(r): i for i, r in enumerate(cells.tolist())}
    if len(place) != len(cells):
        raise InputError("cells lists a cell twice; add its blocks up.")
    if (0, 0, 0) not in place:
        raise InputError("cells lacks (0, 0, 0): the on-site block.")
    for r in place:
        if tuple(-x for x in r) not in place:
            raise InputError(f"cells lists {r} but not {tuple(-x for x in r)}; give both, H_−R = H_R†.")
    return [place[tuple(-x for x in r)] for r in place]


def _check_hermitian(blocks: Array, name: str, cells: Any, opposite: list[int]) -> None:
    xp = array_namespace(blocks)
    mirrored = adjoint(xp.take(blocks, xp.asarray(opposite, device=device_of(blocks)), axis=0))
    difference = xp.abs(blocks - mirrored)
    if float(xp.max(difference)) <= eps_of(blocks) ** 0.5 * float(xp.max(xp.abs(blocks))):
        return
    flat = int(xp.argmax(xp.reshape(difference, (-1,))))
    n = blocks.shape[1]
    r, i, j = flat // (n * n), flat // n % n, flat % n
    raise HermiticityError(
        f"{name}: entry [{i}, {j}] of cell {cells[r].tolist()} is {blocks[r, i, j]} but entry [{j}, {i}] of the "
        f"opposite cell is {blocks[opposite[r], j, i]}; H_−R must be H_R†."
    )
