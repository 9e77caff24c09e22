"""Two-centre matrix elements of s, p and d orbitals: Slater and Koster's table without the table.

Along a bond with direction cosines n, an orbital splits into its parts of angular momentum m about the bond: an
amplitude σ and, for p and d, a vector π across the bond,

    s:  σ = 1
    p:  σ_i = n_i                     π_i = e_i − n_i n
    d:  σ_a = √(3/2) n·Q_a n          π_a = √2 (Q_a n − (n·Q_a n) n)

with Q_a the orthonormal symmetric traceless tensors of xy, yz, zx, x²−y², 3z²−r². Then

    <a|H|b> = ± [ V_σ σ_a σ_b + V_π π_a·π_b + V_δ (δ_ab − σ_a σ_b − π_a·π_b) ],   − when l_a > l_b and l_a + l_b is odd.

Sources: J. C. Slater, G. F. Koster, Phys. Rev. 94, 1498 (1954), Table I; docs/adjoints/two-centre.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..typing import Array

ANGULAR_MOMENTUM = {"s": 0, "s*": 0, "p": 1, "d": 2}
BOND_TYPES = ("sigma", "pi", "delta")  # |m| = 0, 1, 2
COMPONENTS = {"s": ("s",), "s*": ("s*",), "p": ("px", "py", "pz"), "d": ("dxy", "dyz", "dzx", "dx2-y2", "d3z2-r2")}


def quadrupoles() -> Array:
    """Q_a, shape (5, 3, 3): tr Q_a Q_b = δ_ab, in the order of the d orbitals."""
    q = np.zeros((5, 3, 3))
    for a, (i, j) in enumerate(((0, 1), (1, 2), (2, 0))):
        q[a, i, j] = q[a, j, i] = 1 / np.sqrt(2)
    q[3] = np.diag((1, -1, 0)) / np.sqrt(2)
    q[4] = np.diag((-1, -1, 2)) / np.sqrt(6)
    return q


Q = quadrupoles()
SIGMA_D = np.sqrt(3 / 2)
PI_D = np.sqrt(2)


def two_centre(l_first: int, l_second: int, cosines: Array, integrals: Sequence[Array], /) -> Array:
    """Matrix elements between the orbitals of angular momenta l_first and l_second.

    Parameters
    ----------
    l_first, l_second : 0, 1 or 2
    cosines : array, shape (n_bonds, 3)
        Unit vectors from the first to the second atom.
    integrals : min(l_first, l_second) + 1 arrays, shape (n_bonds,)
        V_σ, V_π, V_δ [eV].

    Returns
    -------
    array, shape (n_bonds, 2 l_first + 1, 2 l_second + 1)

    Sources
    -------
    Slater and Koster (1954), Table I.
    """
    parts = _parts(_along(l_first, cosines), _along(l_second, cosines), len(integrals))
    return _sign(l_first, l_second) * sum(v[:, None, None] * part for v, part in zip(integrals, parts))


def two_centre_vjp(
    l_first: int, l_second: int, cosines: Array, integrals: Sequence[Array], /
) -> tuple[Array, Callable[[Array], tuple[Array, tuple[Array, ...]]]]:
    """`two_centre` and its pullback: bar (n_bonds, n_first, n_second), real, to (cosines_bar, integrals_bar).

    V̄_m = Σ_ab X̄_ab M^m_ab;  σ̄_a = Σ_b X̄_ab (V_σ − V_δ) σ_b and likewise σ̄_b, π̄; n̄ from those of σ(n), π(n).
    cosines_bar is that of a free vector; the bond projects it across itself. Kept for the pullback: the amplitudes,
    8 (2 l_first + 2 l_second + 2) · 4 bytes a bond.
    """
    first, second = _along(l_first, cosines), _along(l_second, cosines)
    sign = _sign(l_first, l_second)

    def two_centre_pullback(bar: Array) -> tuple[Array, tuple[Array, ...]]:
        bar = sign * bar
        parts = _parts(first, second, len(integrals))
        integrals_bar = tuple(np.einsum("pab,pab->p", bar, np.broadcast_to(part, bar.shape)) for part in parts)
        v = [*integrals, *(np.zeros_like(integrals[0]),) * (3 - len(integrals))]
        cosines_bar = np.zeros_like(cosines)
        for degree, (sigma, pi), x in ((l_first, second, bar), (l_second, first, np.swapaxes(bar, 1, 2))):
            if degree == 0:
                continue
            sigma_bar = (v[0] - v[2])[:, None] * (x @ sigma[:, :, None])[:, :, 0]
            pi_bar = (v[1] - v[2])[:, None, None] * (x @ pi)
            cosines_bar += _along_pullback(degree, cosines, sigma_bar, pi_bar)
        return cosines_bar, integrals_bar

    value = sign * sum(v[:, None, None] * part for v, part in zip(integrals, _parts(first, second, len(integrals))))
    return value, two_centre_pullback


def two_centre_tangent(
    l_first: int,
    l_second: int,
    cosines: Array,
    integrals: Sequence[Array],
    cosines_dot: Array,
    integrals_dot: Sequence[Array],
) -> Array:
    """How the matrix elements of `two_centre` move, shape (n_bonds, n_first, n_second).

        Ẋ_ab = Σ_m V̇_m M^m_ab + V_m Ṁ^m_ab,   Ṁ^σ = σ̇_a σ_b + σ_a σ̇_b,   Ṁ^π likewise,   Ṁ^δ = −Ṁ^σ − Ṁ^π

    Parameters
    ----------
    l_first, l_second, cosines, integrals : as of `two_centre`
    cosines_dot : array, shape (n_bonds, 3)
        Across the bonds, as unit vectors move.
    integrals_dot : as `integrals`
    """
    first, second = _along(l_first, cosines), _along(l_second, cosines)
    first_dot, second_dot = (_along_tangent(degree, cosines, cosines_dot) for degree in (l_first, l_second))
    sigma_dot = first_dot[0][:, :, None] * second[0][:, None, :] + first[0][:, :, None] * second_dot[0][:, None, :]
    pi_dot = first_dot[1] @ np.swapaxes(second[1], 1, 2) + first[1] @ np.swapaxes(second_dot[1], 1, 2)
    parts, parts_dot = _parts(first, second, len(integrals)), (sigma_dot, pi_dot, -sigma_dot - pi_dot)
    moved = sum(
        v_dot[:, None, None] * part + v[:, None, None] * part_dot
        for v, v_dot, part, part_dot in zip(integrals, integrals_dot, parts, parts_dot)
    )
    return _sign(l_first, l_second) * np.asarray(moved)


def _sign(l_first: int, l_second: int) -> int:
    return -1 if l_first > l_second and (l_first + l_second) % 2 else 1


def _along(degree: int, n: Array) -> tuple[Array, Array]:
    """σ (n_bonds, 2l + 1) and π (n_bonds, 2l + 1, 3) of the orbitals of degree l."""
    if degree == 0:
        return np.ones((len(n), 1)), np.zeros((len(n), 1, 3))
    if degree == 1:
        return n, np.eye(3) - n[:, :, None] * n[:, None, :]
    qn = np.einsum("aij,pj->pai", Q, n)
    nqn = np.einsum("pai,pi->pa", qn, n)
    return SIGMA_D * nqn, PI_D * (qn - nqn[:, :, None] * n[:, None, :])


def _along_tangent(degree: int, n: Array, n_dot: Array) -> tuple[Array, Array]:
    """σ̇ and π̇ of the orbitals of degree l."""
    if degree == 0:
        return np.zeros((len(n), 1)), np.zeros((len(n), 1, 3))
    if degree == 1:
        return n_dot, -n_dot[:, :, None] * n[:, None, :] - n[:, :, None] * n_dot[:, None, :]
    qn, qn_dot = np.einsum("aij,pj->pai", Q, n), np.einsum("aij,pj->pai", Q, n_dot)
    nqn, nqn_dot = np.einsum("pai,pi->pa", qn, n), 2 * np.einsum("pai,pi->pa", qn, n_dot)
    pi_dot = qn_dot - nqn_dot[:, :, None] * n[:, None, :] - nqn[:, :, None] * n_dot[:, None, :]
    return SIGMA_D * nqn_dot, PI_D * pi_dot


def _along_pullback(degree: int, n: Array, sigma_bar: Array, pi_bar: Array) -> Array:
    """n̄ from σ̄ and π̄."""
    if degree == 1:
        # dπ_i = −dn_i n − n_i dn
        return sigma_bar - (pi_bar @ n[:, :, None])[:, :, 0] - (n[:, None, :] @ pi_bar)[:, 0, :]
    qn = np.einsum("aij,pj->pai", Q, n)
    nqn = np.einsum("pai,pi->pa", qn, n)
    # dσ_a = 2√(3/2) Q_a n·dn;  dπ_a = √2 (Q_a dn − 2 (Q_a n·dn) n − (n·Q_a n) dn)
    along = 2 * SIGMA_D * sigma_bar - 2 * PI_D * np.einsum("pai,pi->pa", pi_bar, n)
    straight = np.einsum("aij,paj->pi", Q, pi_bar) - np.einsum("pa,pai->pi", nqn, pi_bar)
    return np.einsum("pa,pai->pi", along, qn) + PI_D * straight


def _parts(first: tuple[Array, Array], second: tuple[Array, Array], count: int) -> list[Array]:
    """M^σ, M^π, M^δ, the first `count` of them, each (n_bonds, n_first, n_second)."""
    parts = [first[0][:, :, None] * second[0][:, None, :]]
    if count > 1:
        parts.append(first[1] @ np.swapaxes(second[1], 1, 2))
    if count > 2:
        parts.append(np.eye(first[0].shape[1]) - parts[0] - parts[1])
    return parts
