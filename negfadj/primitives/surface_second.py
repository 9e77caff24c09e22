"""The tangent of the surface Green's function, and the tangent of its pullback: three Stein equations, two operators.

    ġ − P ġ Q = −g (Ȧ00 − Ȧ01 g A10 − A01 g Ȧ10) g,   P = g A01,  Q = A10 g                          (tangent)
    K − P'K Q' = −g†ḡ g†,   P' = (A01 g)†,  Q' = (g A10)†:   Ā00 = K,  Ā01 = −K Q',  Ā10 = −P'K       (pullback)
    K̇ − P'K̇ Q' = −(g†ḡ g†)˙ + Ṗ'K Q' + P'K Q̇'                                                        (its tangent)

The operators stay those of the value: K̇ solves the equation of K with another right-hand side, at η = 0 in the same
mode basis, whatever the hopping's tangent does to its rank. Derivation: docs/adjoints/second-order.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..array import adjoint, array_namespace, eps_of, is_single
from ..typing import Array
from .dual import Dual, tangent_sum
from .modes import HoppingBasis
from .stein import SINGULAR, SINGULAR_SINGLE, stein_residual
from .surface import surface_tangent
from .surface_errors import check_stein


class SurfaceCotangentTangent(NamedTuple):
    """Cotangents of A00, A01, A10 and their tangents, each a `Dual` of (E, n, n)."""

    a00: Dual
    a01: Dual
    a10: Dual


@dataclass(frozen=True, eq=False)
class SurfaceEquations:
    """The two linear operators behind every derivative of a surface Green's function.

    Parameters
    ----------
    g, a01, a10 : arrays, shape (E, n, n); a01 and a10 also (1, n, n)
    basis : HoppingBasis
        Column and row space of the hopping.
    vectors : array, shape (n, n), or None
        The shared eigenvectors of a lead that decouples into chains.
    by_modes : bool
        True where doubling does not converge: at η = 0.
    energies : sequence of float
        For the message of an error [eV].
    """

    g: Array
    a01: Array
    a10: Array
    basis: HoppingBasis
    vectors: Array | None
    by_modes: bool
    energies: Sequence[float]

    def tangent(self, right: Array) -> Array:
        """X with X − P X Q = `right`, (E, n, n)."""
        p, q = self.g @ self.a01, self.a10 @ self.g
        return self._solved(right, p, q, (self.g, self.a01, self.a10), self.basis)

    def pullback(self, right: Array, p: Array, q: Array) -> Array:
        """K with K − P'K Q' = `right`, (E, n, n), for P' and Q': the same equation of the daggered blocks."""
        mirrored = HoppingBasis(self.basis.right, self.basis.left)
        return self._solved(right, p, q, (adjoint(self.g), adjoint(self.a01), adjoint(self.a10)), mirrored)

    def _solved(
        self, right: Array, p: Array, q: Array, blocks: tuple[Array, Array, Array], basis: HoppingBasis
    ) -> Array:
        """X with X − P X Q = `right`, P = g A01 and Q = A10 g of `blocks` = (g, A01, A10), to its residual."""
        if self.vectors is None:
            found = surface_tangent(right, blocks[0], blocks[1], blocks[2], basis, at_real_energy=self.by_modes)
        else:
            found = _stein_chains(p, q, right, self.vectors)
        check_stein(stein_residual(p, q, right, found), self.energies, eps_of(right) ** 0.5)
        return found


def surface_green_jvp(a00: Dual, a01: Dual, a10: Dual, equations: SurfaceEquations) -> Dual:
    """g and its tangent, from the lead's blocks and theirs."""
    g = equations.g
    known = (a00 - a01 @ Dual(g) @ a10).tangent
    return Dual(g) if known is None else Dual(g, equations.tangent(-(g @ known @ g)))


def surface_green_pullback_jvp(
    g_bar: Dual, g: Dual, a01: Dual, a10: Dual, equations: SurfaceEquations
) -> SurfaceCotangentTangent:
    """The pullback ḡ → (Ā00, Ā01, Ā10) of `surface_green` and its tangent, for ḡ, g, A01 and A10 with theirs."""
    dagger, p, q = g.adjoint(), (a01 @ g).adjoint(), (g @ a10).adjoint()
    right = -(dagger @ g_bar @ dagger)
    k = equations.pullback(right.value, p.value, q.value)
    moved = tangent_sum(right.tangent, _moved(p, k, q))
    both = Dual(k, None if moved is None else equations.pullback(moved, p.value, q.value))
    return SurfaceCotangentTangent(both, -(both @ q), -(p @ both))


def _moved(p: Dual, k: Array, q: Dual) -> Array | None:
    """Ṗ'K Q' + P'K Q̇'."""
    return (p @ Dual(k) @ q).tangent if p.tangent is not None or q.tangent is not None else None


def _stein_chains(p: Array, q: Array, c: Array, vectors: Array) -> Array:
    """Y with Y − P Y Q = C for P and Q diagonal in V: V [(V†C V)_ij / (1 − p_i q_j)] V†; NaN at a crossing of bands."""
    xp, back = array_namespace(c), adjoint(vectors)
    p_values, q_values = (xp.linalg.diagonal(back @ x @ vectors) for x in (p, q))
    denominator = 1 - p_values[:, :, None] * q_values[:, None, :]
    singular = xp.min(xp.abs(denominator), axis=(-2, -1)) < (SINGULAR_SINGLE if is_single(c) else SINGULAR)
    denominator = xp.where(singular[:, None, None], xp.full_like(denominator, complex("nan+nanj")), denominator)
    return vectors @ ((back @ c @ vectors) / denominator) @ back
