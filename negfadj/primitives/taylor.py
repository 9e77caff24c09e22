"""Truncated Taylor polynomials in the energy, as an algebra of matrices: X(E + ε) = X_0 + X_1 ε + … + X_K ε^K.

    (XY)_k = Σ_j X_j Y_{k−j},   (X⁻¹)_0 = X_0⁻¹,  (X⁻¹)_k = −X_0⁻¹ Σ_{j≥1} X_j (X⁻¹)_{k−j}

The recursions of block elimination hold in any algebra, so the same `sweep` runs over these. The surface function's
coefficients solve, order by order, the Stein equation of its tangent:

    g_k − P g_k Q = −Σ_{0<j<k} g_j F_{k−j} g_0 − g_0 C_k g_0,   F = A00 − A01 g A10,  C_k = F_k without its g_k term

Exact derivatives: the published method, which treats the converged surface function as a constant of the iteration,
is wrong from the second derivative on. Sources: Griewank and Walther, Evaluating Derivatives (2008), Ch. 13;
docs/adjoints/energy-derivatives.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..array import adjoint, array_namespace, inverse
from ..typing import Array
from .lead_blocks import LeadBlocks
from .modes import HoppingBasis
from .surface import surface_tangent


@dataclass(frozen=True, eq=False)
class Taylor:
    """Coefficients X_0 … X_K of a matrix polynomial, each (E or 1, n, m)."""

    coefficients: tuple[Array, ...]

    def __matmul__(self, other: Taylor) -> Taylor:
        x, y = self.coefficients, other.coefficients
        return Taylor(tuple(_sum([x[j] @ y[k - j] for j in range(k + 1)]) for k in range(len(x))))

    def __add__(self, other: Taylor) -> Taylor:
        return Taylor(tuple(x + y for x, y in zip(self.coefficients, other.coefficients)))

    def __sub__(self, other: Taylor) -> Taylor:
        return Taylor(tuple(x - y for x, y in zip(self.coefficients, other.coefficients)))

    def __neg__(self) -> Taylor:
        return Taylor(tuple(-x for x in self.coefficients))

    def adjoint(self) -> Taylor:
        """Coefficients of X† for a real ε."""
        return Taylor(tuple(adjoint(x) for x in self.coefficients))

    def map(self, function: object) -> Taylor:
        """A linear function of every coefficient."""
        return Taylor(tuple(function(x) for x in self.coefficients))  # type: ignore[operator]


def constant(x: Array, order: int) -> Taylor:
    """X, the same at every energy."""
    return linear(x, None, order)


def linear(x: Array, slope: Array | None, order: int) -> Taylor:
    """X + slope·ε."""
    xp = array_namespace(x)
    zero = xp.zeros_like(x)
    first = zero if slope is None else xp.broadcast_to(xp.astype(slope, x.dtype), x.shape)
    return Taylor((x, first, *([zero] * (order - 1)))[: order + 1])


def taylor_inverse(x: Taylor) -> Taylor:
    """X⁻¹, order by order."""
    first = inverse(x.coefficients[0])
    found = [first]
    for k in range(1, len(x.coefficients)):
        found.append(-(first @ _sum([x.coefficients[j] @ found[k - j] for j in range(1, k + 1)])))
    return Taylor(tuple(found))


def taylor_eliminate(diagonal: Taylor, lower: Any, g: Any, upper: Any, w: Any) -> tuple[Taylor, Taylor | None]:
    """One step of block elimination: (D − L g U)⁻¹ and −L g w."""
    if g is None:
        return taylor_inverse(diagonal), None
    transfer = lower @ g
    return taylor_inverse(diagonal - transfer @ upper), None if w is None else -(transfer @ w)


def taylor_surface_green(
    a00: Taylor, a01: Taylor, a10: Taylor, g: Array, basis: HoppingBasis, *, at_real_energy: bool
) -> Taylor:
    """g_0 … g_K of the surface Green's function, given g_0."""
    first_01, first_10 = a01.coefficients[0], a10.coefficients[0]
    zero = array_namespace(g).zeros_like(g)
    found, inner = [g], [(a00 - a01 @ Taylor((g, *([zero] * (len(a00.coefficients) - 1)))) @ a10).coefficients[0]]
    for k in range(1, len(a00.coefficients)):
        so_far = Taylor((*found, *([zero] * (len(a00.coefficients) - k))))
        known = (a00 - a01 @ so_far @ a10).coefficients[k]
        right = -(g @ known @ g)
        if k > 1:
            right = right - _sum([found[j] @ inner[k - j] for j in range(1, k)]) @ g
        found.append(surface_tangent(right, g, first_01, first_10, basis, at_real_energy=at_real_energy))
        inner.append(known - first_01 @ found[k] @ first_10)
    return Taylor(tuple(found))


def taylor_lead_blocks(blocks: LeadBlocks, slopes: LeadBlocks, order: int) -> LeadBlocks:
    """The lead's ζ S − H as polynomials: `slopes` are the overlaps."""
    return LeadBlocks(*(linear(x, s, order) for x, s in zip(blocks, slopes)))


def _sum(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
