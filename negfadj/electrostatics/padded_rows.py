"""A sparse matrix with equally many entries in every row, which any array library can multiply.

    (A x)_i = Σ_k a_ki x_{j(k, i)}

A grid's Laplacian has seven entries a row or fewer; shorter rows are filled up with zeros (the format of ELLPACK).
One gather and one sum: on a GPU neighbouring threads read neighbouring entries.

Sources: Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), Sec. 3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..array import array_namespace
from ..typing import Array


@dataclass(frozen=True, eq=False)
class PaddedRows:
    """The matrix, all arrays of one library.

    Parameters
    ----------
    values : array, shape (n_kept, n)
        Entry k of row i.
    columns : integer array, shape (n_kept n,)
        Its column, in the order of `values`.
    diagonal_values : array, shape (n,)
    """

    values: Array
    columns: Array
    diagonal_values: Array

    def __matmul__(self, x: Array) -> Array:
        """A x for x (n,)."""
        xp = array_namespace(x)
        return xp.sum(self.values * xp.reshape(xp.take(x, self.columns, axis=0), self.values.shape), axis=0)

    def diagonal(self) -> Array:
        """The diagonal (n,), as SciPy's matrices give it."""
        return self.diagonal_values


def padded_rows(matrix: sp.csr_array, move: Callable[[Any], Array]) -> PaddedRows:
    """A square matrix of SciPy with padded rows.

    Parameters
    ----------
    matrix : sparse array, (n, n), by rows
    move : callable
        A NumPy array → an array where the matrix is to be; called three times.
    """
    matrix = sp.csr_array(matrix)
    n, lengths = matrix.shape[0], np.diff(matrix.indptr)
    row = np.repeat(np.arange(n), lengths)
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    values = np.zeros((int(lengths.max(initial=1)), n))
    columns = np.broadcast_to(np.arange(n), values.shape).copy()  # what fills up stays in its row
    values[place, row], columns[place, row] = matrix.data, matrix.indices
    return PaddedRows(move(values), move(columns.reshape(-1)), move(matrix.diagonal()))
