"""The surface Green's function of a semi-infinite lead, and its adjoint by the Stein equation.

    g = (A00 − A01 g A10)⁻¹                                                              (forward)
    dg − P dg Q = −g (dA00 − dA01 g A10 − A01 g dA10) g,   P = g A01,  Q = A10 g          (tangent)
    Y − P†Y Q† = ḡ,   K = −g†Y g†:   Ā00 = K,  Ā01 = −K (g A10)†,  Ā10 = −(A01 g)†K        (pullback)

The Stein equation is solved in the basis of the hopping's rank r: with A01 = U a V†, A10 = V b U†,

    W − p W q = U†g†ḡ g†U,   p = U†g†V a†,  q = b†V†g†U,   Y = ḡ + V a†W b†V†.

Nothing of the forward iteration is stored. Derivation: docs/adjoints/surface-green.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..array import Kernel, adjoint, array_namespace, eps_of, identity, inverse, max_norm
from ..typing import Array
from .lead_ends import LeadEnds, lead_ends
from .modes import HoppingBasis, compressed, replaced, spread
from .stein import stein_doubling, stein_eigenbasis, stein_residual
from .surface_errors import check_stein, raise_surface_state, raise_unconverged, raise_wrong_branch

MAX_POLISH = 3
POLE = {"modes": 0.015, "decimation": 0.15}  # |g||A00|√eps above which a surface state leaves too few digits


class SurfaceCotangent(NamedTuple):
    """Cotangents of A00, A01, A10, each (E, n, n)."""

    a00: Array
    a01: Array
    a10: Array


def surface_green(
    a00: Array,
    a01: Array,
    a10: Array,
    /,
    *,
    method: str,
    basis: HoppingBasis,
    energies: Sequence[float],
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None = None,
    ends: LeadEnds | None = None,
) -> Array:
    """The retarded surface Green's function g = (A00 − A01 g A10)⁻¹ for a batch of energies.

    Parameters
    ----------
    a00, a01, a10 : arrays, shape (E, n, n); a01 and a10 also (1, n, n)
        z S − H within a cell, from a cell to the next one deeper in the lead, and back.
    method : "decimation" or "modes"
    basis : HoppingBasis
        Column and row space of the hopping.
    energies : sequence of float
        For the message of an error [eV].
    at_real_energy : bool
        True at η = 0, where open channels have |λ| = 1.
    overlap : (S00, S01), optional
        The overlap blocks, which settle modes at a band crossing; None for an orthogonal basis.
    ends : LeadEnds, optional
        What `lead_ends` gives, where it is known already.

    Returns
    -------
    array, shape (E, n, n) [1/eV]

    Raises
    ------
    ConvergenceError
        When ‖g(A00 − A01 g A10) − 1‖ exceeds √eps at some energy, or g is not the retarded branch; names the energies.
    """
    xp = array_namespace(a00)
    if ends is None:
        ends = lead_ends(
            a00, a01, a10, method=method, basis=basis, at_real_energy=at_real_energy, overlap=overlap
        )
    g, checks = _SURFACE(a00, ends.beyond, a01, a10, basis)
    g, checks = _polished(g, checks, a00, a01, a10, basis, at_real_energy=at_real_energy)
    if at_real_energy and ends.n_open is not None:
        closed = ends.n_open == 0
        if bool(xp.any(closed)):  # in a gap g is Hermitian: no broadening, not even a rounded one
            g = xp.where(closed[:, None, None], (g + adjoint(g)) / 2, g)
    residual, pole, lowest, highest = (checks[:, k] for k in range(4))
    tolerance = eps_of(a00) ** 0.5
    bad = ~(residual <= tolerance)
    if bool(xp.any(bad)):
        raise_unconverged(bad, residual, method, energies, tolerance)
    lost = pole > POLE[method] / tolerance  # the self-energy loses the square of these digits
    if bool(xp.any(lost)):
        raise_surface_state(lost, pole, energies)
    wrong = lowest < -tolerance * highest
    if bool(xp.any(wrong)):
        raise_wrong_branch(wrong, lowest, method, energies)
    return g


def surface_green_vjp(
    a00: Array,
    a01: Array,
    a10: Array,
    /,
    *,
    method: str,
    basis: HoppingBasis,
    energies: Sequence[float],
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None = None,
    ends: LeadEnds | None = None,
    known: Array | None = None,
) -> tuple[Array, Callable[[Array], SurfaceCotangent]]:
    """`surface_green` and its pullback ḡ → (Ā00, Ā01, Ā10); `known` is g, where it is known already.

    Kept for the pullback: g, 16 E n² bytes in double precision.
    """
    if known is None:
        g = surface_green(
            a00,
            a01,
            a10,
            method=method,
            basis=basis,
            energies=energies,
            at_real_energy=at_real_energy,
            overlap=overlap,
            ends=ends,
        )
    else:
        g = known
    solve = stein_doubling if method == "decimation" else stein_eigenbasis

    def surface_green_pullback(g_bar: Array) -> SurfaceCotangent:
        u, v = basis
        g_dagger = adjoint(g)
        a_dagger, b_dagger = adjoint(compressed(u, a01, v)), adjoint(compressed(v, a10, u))
        left, right = compressed(None, g_dagger, v), compressed(v, g_dagger, None)  # g†V, V†g†
        p = compressed(u, left, None) @ a_dagger
        q = b_dagger @ compressed(None, right, u)
        k_of_g_bar = g_dagger @ g_bar @ g_dagger
        c = compressed(u, k_of_g_bar, u)
        w = solve(p, q, c)
        check_stein(stein_residual(p, q, c, w), energies, eps_of(a00) ** 0.5)
        k = -(k_of_g_bar + left @ ((a_dagger @ w @ b_dagger) @ right))
        k_out, k_in = compressed(None, k, u), compressed(u, k, None)
        return SurfaceCotangent(k, -((k_out @ b_dagger) @ right), -(left @ (a_dagger @ k_in)))

    return g, surface_green_pullback


def surface_tangent(
    right: Array, g: Array, a01: Array, a10: Array, basis: HoppingBasis, *, at_real_energy: bool
) -> Array:
    """δ with δ − P δ Q = C, P = g A01, Q = A10 g: the tangent of the surface function for C = −g (dA00 − …) g.

    In the basis of the hopping: δ = C + g U a w b U†g,  w − (V†g U a) w (b U†g V) = V†C V.
    """
    u, v = basis
    a, b = compressed(u, a01, v), compressed(v, a10, u)
    into, out_of = compressed(None, g, u) @ a, b @ compressed(u, g, None)
    solve = stein_eigenbasis if at_real_energy else stein_doubling
    w = solve(compressed(v, into, None), compressed(None, out_of, v), compressed(v, right, v))
    return right + into @ w @ out_of


def _surface_of_end(
    a00: Array, beyond: Array, a01: Array, a10: Array, basis: HoppingBasis
) -> tuple[Array, Array]:
    """g = (A00 − U ρ U†)⁻¹, and what is checked of it, with its residual ‖g U (ρ − a V†g V b)‖."""
    u, v = basis
    g = inverse(a00 - spread(u, beyond, u))
    found = compressed(u, a01, v) @ compressed(v, g, v) @ compressed(v, a10, u)
    return g, _checks(g, a00, max_norm(compressed(None, g, u) @ (beyond - found)))


def _checks(g: Array, a00: Array, residual: Array) -> Array:
    """Per energy ‖g(A00 − A01 g A10) − 1‖, |g||A00|, the lowest −Im g_aa and the largest |g_aa|, (E, 4)."""
    xp = array_namespace(g)
    diagonal = xp.linalg.diagonal(g)
    pole = max_norm(g) * max_norm(a00)
    lowest, highest = xp.min(-xp.imag(diagonal), axis=-1), xp.max(xp.abs(diagonal), axis=-1)
    return xp.stack([residual, pole, lowest, highest], axis=-1)


_SURFACE = Kernel("surface_of_end", _surface_of_end, numba="surface:surface_of_end")


def _polished(
    g: Array, checks: Array, a00: Array, a01: Array, a10: Array, basis: HoppingBasis, *, at_real_energy: bool
) -> tuple[Array, Array]:
    """g after Newton steps where its residual asks for them, and its checks then.

    With g' = (A00 − A01 g A10)⁻¹ the fixed-point step, δ − g'A01 δ A10 g' = g' − g.
    """
    xp = array_namespace(a00)
    for attempt in range(MAX_POLISH):
        residual = checks[:, 0]
        poor = residual > 1e-2 * eps_of(a00) ** 0.5
        if not bool(xp.any(poor)):
            break
        where = xp.nonzero(poor)[0]
        blocks = [x if x.shape[0] == 1 else xp.take(x, where, axis=0) for x in (a00, a01, a10)]
        old = xp.take(g, where, axis=0)
        trial = inverse(blocks[0] - blocks[1] @ old @ blocks[2])
        # doubling diverges on a g whose error exceeds 1 − |λ|: then the eigenbasis serves at any η
        exact = at_real_energy or attempt > 0
        trial = old + surface_tangent(trial - old, trial, blocks[1], blocks[2], basis, at_real_energy=exact)
        trial_residual = _residual(trial, *blocks)
        better = trial_residual < xp.take(residual, where, axis=0)
        if not bool(xp.any(better)):
            continue
        where, kept = where[better], xp.nonzero(better)[0]
        g = replaced(g, where, xp.take(trial, kept, axis=0))
        renewed = _checks(trial, blocks[0], trial_residual)
        checks = replaced(checks, where, xp.take(renewed, kept, axis=0))
    return g, checks


def _residual(g: Array, a00: Array, a01: Array, a10: Array) -> Array:
    """‖g(A00 − A01 g A10) − 1‖ per energy."""
    return max_norm(g @ (a00 - a01 @ g @ a10) - identity(a00.shape[-1], a00))
