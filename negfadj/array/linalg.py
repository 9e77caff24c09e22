"""Batched linear algebra that the Array API leaves to its libraries: adjoints, products, inverses, eigenproblems."""

from __future__ import annotations

import numpy as np

from ..typing import Array
from .hopping import Monomial, RealBlock
from .kernels import Kernel
from .namespace import array_namespace, device_of, to_numpy


def adjoint(x: Array) -> Array:
    """Conjugate transpose of the last two axes."""
    if isinstance(x, Monomial | RealBlock):
        return x.adjoint()
    xp = array_namespace(x)
    return xp.conj(xp.matrix_transpose(x))


def identity(n: int, like: Array) -> Array:
    """The n × n identity with the dtype, library and device of `like`."""
    xp = array_namespace(like)
    return xp.eye(n, dtype=like.dtype, device=device_of(like))


def trace_product(x: Array, y: Array) -> Array:
    """Σ_ij conj(x_ij) y_ij = tr(x† y) over the last two axes."""
    xp = array_namespace(x, y)
    return xp.sum(xp.conj(x) * y, axis=(-2, -1))


def sum_of_products(left: Array, right: Array, *, real_part: bool = False) -> Array:
    """Σ_E left_E right_E for stacks (E, n, r) and (E, r, m), as one product with inner dimension E·r.

    With `real_part` the imaginary part of the sum may be left out: half the work where there is a kernel.
    """
    return _SUM_OF_PRODUCTS(left, right, real_part)


def _sum_of_products(left: Array, right: Array, real_part: bool) -> Array:
    xp = array_namespace(left, right)
    n_energies, n, r = left.shape
    m = right.shape[-1]
    flat = xp.reshape(xp.permute_dims(left, (1, 0, 2)), (n, n_energies * r))
    return flat @ xp.reshape(right, (n_energies * r, m))


_SUM_OF_PRODUCTS = Kernel("sum_of_products", _sum_of_products, numba="sum_of_products:sum_of_products")


def max_norm(x: Array) -> Array:
    """Largest absolute entry over the last two axes; NaN where one is NaN."""
    return _MAX_NORM(x)


def _max_norm(x: Array) -> Array:
    xp = array_namespace(x)
    return xp.max(xp.abs(x), axis=(-2, -1))


_MAX_NORM = Kernel("max_norm", _max_norm, numba="max_norm:max_norm")


def eig(x: Array) -> tuple[Array, Array]:
    """Eigenvalues (E, n) and right eigenvectors (E, n, n) of a stack of general complex matrices.

    The Array API has no general eigensolver. NumPy's is used on NumPy arrays and the library's own, matrix by matrix,
    where it has one (CuPy from version 14); for any other library the stack goes to the host and back.
    """
    if isinstance(x, np.ndarray):
        return _host_eig(x)
    xp = array_namespace(x)
    own = getattr(xp.linalg, "eig", None)
    if own is not None:
        pairs = [own(x[k, ...]) for k in range(x.shape[0])]
        return xp.stack([values for values, _ in pairs]), xp.stack([vectors for _, vectors in pairs])
    host = to_numpy(x)
    values, vectors = _host_eig(host)
    device = device_of(x)
    return xp.asarray(values.astype(host.dtype), device=device), xp.asarray(vectors.astype(host.dtype), device=device)


def eigh(x: Array) -> tuple[Array, Array]:
    """Eigenvalues (E, n) and eigenvectors (E, n, n) of a stack of Hermitian matrices; NaN for one where it fails."""
    xp = array_namespace(x)
    try:
        values, vectors = xp.linalg.eigh(x)
        return values, vectors
    except np.linalg.LinAlgError:
        finite = xp.all(xp.isfinite(x), axis=(-2, -1))
        values, vectors = xp.linalg.eigh(xp.where(finite[:, None, None], x, xp.zeros_like(x)))
        return xp.where(finite[:, None], values, xp.full_like(values, float("nan"))), vectors


def _host_eig(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NumPy's eig, with NaN for a matrix where it fails instead of an exception for the whole stack."""
    try:
        values, vectors = np.linalg.eig(x)
        return values, vectors
    except np.linalg.LinAlgError:
        if x.ndim == 2:
            return np.full(x.shape[0], complex(np.nan, np.nan), x.dtype), np.full_like(x, complex(np.nan, np.nan))
        pairs = [_host_eig(matrix) for matrix in x]
        return np.stack([values for values, _ in pairs]), np.stack([vectors for _, vectors in pairs])
