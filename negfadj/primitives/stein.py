"""The Stein equation Y − P Y Q = C: the linear equation behind every derivative of a surface Green's function.

`doubling`:   Y ← Y + P Y Q, P ← P P, Q ← Q Q: quadratic when ρ(P) ρ(Q) < 1, as many passes as the decimation took.
`eigenbasis`: P = U diag(p) U⁻¹, Q = W diag(q) W⁻¹ ⇒ Y = U [(U⁻¹ C W)_ij / (1 − p_i q_j)] W⁻¹, also for open channels
at η = 0, where |p_i| = |q_j| = 1; singular only where p_i q_j = 1: at a band edge.

Sources: Smith, SIAM J. Appl. Math. 16, 198 (1968); docs/adjoints/surface-green.md.
"""

from __future__ import annotations

from ..array import Kernel, array_namespace, eig, eps_of, inverse, is_single, max_norm
from ..typing import Array

MAX_PASSES = 60
SINGULAR = 1e-7  # 1 − p q below which half of the digits of Y are lost
SINGULAR_SINGLE = 1e-3
ALIKE = 1e-11  # of the largest entry: rounding of what p and q are made of, mended by the refinement


def stein_doubling(p: Array, q: Array, c: Array, /) -> Array:
    """Y with Y − P Y Q = C for stacks (E, r, r), by doubling."""
    return _DOUBLING(p, q, c, eps_of(c), MAX_PASSES)


def stein_eigenbasis(p: Array, q: Array, c: Array, /) -> Array:
    """Y with Y − P Y Q = C for stacks (E, r, r), in the eigenbases of P and Q, refined once by its own residual.

    NaN where some 1 − p_i q_j is zero to within 1e-7: at a band edge, or at a crossing of bands.
    """
    xp = array_namespace(c)
    p_values, p_vectors = eig(p)
    p_inverse = inverse(p_vectors)
    if bool(xp.all(max_norm(q - xp.matrix_transpose(p)) <= ALIKE * max_norm(p))):  # a real symmetric lead: q = pᵀ
        q_values, q_vectors, q_inverse = p_values, xp.matrix_transpose(p_inverse), xp.matrix_transpose(p_vectors)
    else:
        q_values, q_vectors = eig(q)
        q_inverse = inverse(q_vectors)
    denominator = 1 - p_values[:, :, None] * q_values[:, None, :]
    singular = xp.min(xp.abs(denominator), axis=(-2, -1)) < (SINGULAR_SINGLE if is_single(c) else SINGULAR)
    denominator = xp.where(singular[:, None, None], xp.full_like(denominator, complex("nan+nanj")), denominator)

    def solve(right: Array) -> Array:
        return p_vectors @ ((p_inverse @ right @ q_vectors) / denominator) @ q_inverse

    y = solve(c)
    return y + solve(c - (y - p @ y @ q))


def stein_residual(p: Array, q: Array, c: Array, y: Array) -> Array:
    """‖Y − P Y Q − C‖ relative to ‖Y‖, per energy."""
    xp = array_namespace(c)
    return max_norm(y - p @ y @ q - c) / xp.where(max_norm(y) > 0, max_norm(y), xp.ones_like(max_norm(y)))


def _doubling(p: Array, q: Array, c: Array, eps: float, most: int) -> Array:
    xp = array_namespace(c)
    y = c
    for _ in range(most):
        increment = p @ y @ q
        y = y + increment
        if not bool(xp.any(max_norm(increment) > eps**0.5 / 64 * max_norm(y))):
            break  # the next increment is about the square of this one
        p, q = p @ p, q @ q
    return y


_DOUBLING = Kernel("stein_doubling", _doubling, numba="stein:stein_doubling", cuda="cuda_stein:stein_doubling")
