"""Peierls substitution in a sparse matrix: H_ab → H_ab exp(iφ_ab), entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..errors import InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .link_phases import field_number, landau_phases
from .orbital_positions import points


class MatrixPhasesCotangent(NamedTuple):
    """Cotangents of a sparse matrix, on its pattern, and of the phases of its entries."""

    matrix: Any
    phases: Array


class MatrixFieldCotangent(NamedTuple):
    """Cotangents of a sparse matrix, on its pattern, and of the magnetic field [1/T]."""

    matrix: Any
    field: float


def matrix_in_field(
    matrix: Any, field: float, /, *, positions: ArrayLike, column_positions: ArrayLike | None = None
) -> sparse.csr_array:
    """A sparse Hamiltonian or coupling in a uniform magnetic field along z, in the gauge A = B (−y, 0, 0).

    H_ab → H_ab exp(iφ_ab),   φ_ab = −(e/ħ) ∫_b^a A·dl = −(eB/ħ)(x_b − x_a)(y_a + y_b)/2

    Parameters
    ----------
    matrix : SciPy sparse matrix, shape (n, m)
        [eV].
    field : float
        B [T].
    positions : array, shape (n, 2 or 3)
        Of the orbitals of the rows [Å].
    column_positions : array, shape (m, 2 or 3), optional
        Of the columns. Default: those of the rows.

    Returns
    -------
    scipy.sparse.csr_array
        On the pattern of `matrix`, complex. Leads along x may be treated in the same way, cell by cell: their phases do
        not change along x.

    Raises
    ------
    ShapeError, InputError, InputTypeError
    """
    matrix, unit = _matrix_phases(matrix, positions, column_positions)
    return matrix_with_phases(matrix, field_number(field) * unit)


def matrix_in_field_vjp(
    matrix: Any, field: float, /, *, positions: ArrayLike, column_positions: ArrayLike | None = None
) -> tuple[sparse.csr_array, Callable[[Any], MatrixFieldCotangent]]:
    """`matrix_in_field`, with its pullback, which takes and gives cotangents as `matrix_with_phases_vjp`.

    B̄ = Σ φ̄_ab ∂φ_ab/∂B. Kept for the pullback: the phases of 1 T, 8 bytes an entry, and both matrices.

    Parameters
    ----------
    As `matrix_in_field`.

    Returns
    -------
    matrix : scipy.sparse.csr_array
    pullback : callable
        Cotangent of the matrix → MatrixFieldCotangent(matrix, field).

    Raises
    ------
    As `matrix_in_field`.
    """
    matrix, unit = _matrix_phases(matrix, positions, column_positions)
    value, pullback = matrix_with_phases_vjp(matrix, field_number(field) * unit)

    def matrix_in_field_pullback(matrix_bar: Any) -> MatrixFieldCotangent:
        bar = pullback(matrix_bar)
        return MatrixFieldCotangent(bar.matrix, float(unit @ bar.phases))

    return value, matrix_in_field_pullback


def matrix_with_phases(matrix: Any, phases: ArrayLike, /) -> sparse.csr_array:
    """A sparse matrix whose stored entries carry the phases given: H_ab → H_ab exp(iφ_ab).

    Parameters
    ----------
    matrix : SciPy sparse matrix, shape (n, m)
    phases : array, shape (n_entries,)
        [rad], in the order of the entries of `scipy.sparse.csr_array(matrix)`. Entries ab and ba are given both, and
        φ_ba = −φ_ab keeps the matrix Hermitian.

    Returns
    -------
    scipy.sparse.csr_array
        On the same pattern, complex.

    Raises
    ------
    ShapeError, InputError, InputTypeError
    """
    matrix = _csr(matrix)
    found = _matrix_angles(matrix, phases)
    return _on_pattern(matrix, matrix.data * np.exp(1j * found))


def matrix_with_phases_vjp(
    matrix: Any, phases: ArrayLike, /
) -> tuple[sparse.csr_array, Callable[[Any], MatrixPhasesCotangent]]:
    """`matrix_with_phases`, with its pullback.

    H̄_ab = H̄'_ab exp(−iφ_ab), φ̄_ab = Im(H̄'_ab H'_ab*), every stored entry on its own: dL = Re Σ H̄'_ab* dH'_ab over
    all of them. Values asked for by a pattern (`wrt=`) are whole derivatives at both ab and ba: halve those off the
    diagonal. Kept for the pullback: the phases and both matrices.

    Parameters
    ----------
    As `matrix_with_phases`.

    Returns
    -------
    matrix : scipy.sparse.csr_array
    pullback : callable
        Cotangent on the same pattern, a sparse matrix or its values (n_entries,) → MatrixPhasesCotangent.

    Raises
    ------
    As `matrix_with_phases`; the pullback ShapeError for a cotangent on another pattern.
    """
    matrix = _csr(matrix)
    found = _matrix_angles(matrix, phases)
    value = _on_pattern(matrix, matrix.data * np.exp(1j * found))

    def matrix_with_phases_pullback(matrix_bar: Any) -> MatrixPhasesCotangent:
        bar = _values_on(matrix, matrix_bar)
        source = bar * np.exp(-1j * found)
        return MatrixPhasesCotangent(
            _on_pattern(matrix, source if np.iscomplexobj(matrix.data) else source.real),
            (bar * value.data.conj()).imag,
        )

    return value, matrix_with_phases_pullback


def _csr(matrix: Any) -> sparse.csr_array:
    if not sparse.issparse(matrix):
        raise InputTypeError(f"matrix is a {type(matrix).__name__}; pass a SciPy sparse matrix.")
    return sparse.csr_array(matrix)


def _matrix_phases(matrix: Any, positions: Any, column_positions: Any) -> tuple[sparse.csr_array, Array]:
    matrix = _csr(matrix)
    rows = points(positions, "positions")
    columns = rows if column_positions is None else points(column_positions, "column_positions")
    if (len(rows), len(columns)) != matrix.shape:
        raise ShapeError(
            f"matrix has shape {matrix.shape} but there are positions of {len(rows)} rows and {len(columns)} columns."
        )
    from_row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return matrix, landau_phases(rows[from_row], columns[matrix.indices])


def _matrix_angles(matrix: sparse.csr_array, phases: Any) -> Array:
    found = np.asarray(phases)
    if found.shape != matrix.data.shape or found.dtype.kind not in "iuf":
        raise ShapeError(
            f"phases are {found.dtype}, {found.shape}, but must be real, one for each of {len(matrix.data)} entries."
        )
    return found


def _on_pattern(matrix: sparse.csr_array, values: Array) -> sparse.csr_array:
    return sparse.csr_array((values, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def _values_on(matrix: sparse.csr_array, bar: Any) -> Array:
    if not sparse.issparse(bar):
        values = np.asarray(bar)
    else:
        bar = sparse.csr_array(bar)
        same = bar.shape == matrix.shape and np.array_equal(bar.indptr, matrix.indptr)
        if not same or not np.array_equal(bar.indices, matrix.indices):
            raise ShapeError("the cotangent has another pattern than the matrix; give values in the matrix's order.")
        values = bar.data
    if values.shape != matrix.data.shape:
        raise ShapeError(f"the cotangent has {values.shape} values but the matrix has {len(matrix.data)} entries.")
    return values
