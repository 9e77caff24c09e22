"""A lead seen from the ends of its cells: segments of 2^k cells, doubled in the rank of the hopping.

A segment has the inverse G of its z S − H. Only the corners that meet the hopping A01 = U a V†, A10 = V b U† matter,

    ρ = a (V†G V) b,   σ = U†G U,   f = a V†G U,   s = U†G V b

of its first and last cell, r × r matrices. Two equal segments joined have, with F = (1 − σρ)⁻¹,

    ρ ← ρ + f ρ F s,   σ ← σ + s F σ f,   f ← −f (1 + ρ F σ) f,   s ← −s F s

until f and s are gone. Then ρ = a V†g V b is what the half-infinite lead beyond a cell puts on it, and b σ a that of
the lead before it. A pass is 11 products of size r, where decimation has 7 of size n.

Sources: the composition of segments is that of scattering matrices: Redheffer, J. Math. Phys. 41, 1 (1962);
docs/adjoints/surface-green.md.
"""

from __future__ import annotations

from ..array import Kernel, adjoint, array_namespace, eps_of, identity, inverse, max_norm
from ..typing import Array
from .decimation import MAX_PASSES


def segment_doubling(a00: Array, a: Array, b: Array, u: Array, v: Array, /) -> tuple[Array, Array]:
    """Both ends of a lead, by doubling; unconverged energies are left for the residual check of the caller.

    Parameters
    ----------
    a00 : array, shape (E, n, n), complex
        z S − H within a cell.
    a, b : arrays, shape (E, r, r) or (1, r, r)
        z S − H to the next cell deeper in the lead, and back, between the columns of U and V.
    u, v : arrays, shape (n, r)

    Returns
    -------
    (ρ, bσa), each of shape (E, r, r) [eV]
    """
    return _KERNEL(a00, a, b, u, v, eps_of(a00), MAX_PASSES)  # type: ignore[no-any-return]


def _segment_doubling(
    a00: Array, a: Array, b: Array, u: Array, v: Array, eps: float, most: int
) -> tuple[Array, Array]:
    xp = array_namespace(a00)
    cell = inverse(a00)
    rho, sigma = a @ (adjoint(v) @ cell @ v) @ b, adjoint(u) @ cell @ u
    forth, back = a @ (adjoint(v) @ cell @ u), (adjoint(u) @ cell @ v) @ b
    one = identity(rho.shape[-1], a00)
    scale = max_norm(a00)
    for _ in range(most):
        between = inverse(one - sigma @ rho)
        across, around = between @ back, between @ sigma @ forth
        change = forth @ rho @ across
        sigma, forth = sigma + back @ around, -forth @ (forth + rho @ around)
        rho, back = rho + change, -back @ across
        if not bool(xp.any(max_norm(change) > eps**0.5 * scale / 64)):
            break  # the next change is about the square of this one
    return rho, b @ sigma @ a


_KERNEL = Kernel(
    "segment_doubling",
    _segment_doubling,
    numba="segment_doubling:segment_doubling",
    cuda="cuda_segment_doubling:segment_doubling",
)
