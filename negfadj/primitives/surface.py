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

from ..array import adjoint, array_namespace, device_of, eps_of, identity, inverse, max_norm, to_numpy
from ..errors import ConvergenceError
from ..typing import Array
from .decimation import decimation
from .modes import HoppingBasis, bloch_modes, compressed, spread, surface_from_modes
from .stein import stein_doubling, stein_eigenbasis, stein_residual

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

    Returns
    -------
    array, shape (E, n, n) [1/eV]

    Raises
    ------
    ConvergenceError
        When ‖g(A00 − A01 g A10) − 1‖ exceeds √eps at some energy, or g is not the retarded branch; names the energies.
    """
    xp = array_namespace(a00)
    closed = None
    if method == "decimation":
        g = decimation(a00, a01, a10)
    else:
        modes = bloch_modes(a00, a01, a10, basis, at_real_energy=at_real_energy, overlap=overlap)
        g = surface_from_modes(a00, a01, modes, basis)
        closed = ~xp.any(modes.propagating, axis=-1) if at_real_energy else None
    g, residual = _polished(g, a00, a01, a10, basis, at_real_energy=at_real_energy)
    if closed is not None:  # in a gap g is Hermitian: no broadening, not even a rounded one
        g = xp.where(closed[:, None, None], (g + adjoint(g)) / 2, g)
    tolerance = eps_of(a00) ** 0.5
    bad = ~(residual <= tolerance)
    if bool(xp.any(bad)):
        _raise_unconverged(bad, residual, method, energies, tolerance)
    pole = max_norm(g) * max_norm(a00)
    lost = pole > POLE[method] / tolerance  # the self-energy loses the square of these digits
    if bool(xp.any(lost)):
        _raise_surface_state(lost, pole, energies)
    spectral = -xp.imag(xp.linalg.diagonal(g))
    lowest = xp.min(spectral, axis=-1)
    wrong = lowest < -tolerance * xp.max(xp.abs(xp.linalg.diagonal(g)), axis=-1)
    if bool(xp.any(wrong)):
        _raise_wrong_branch(wrong, lowest, method, energies)
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
) -> tuple[Array, Callable[[Array], SurfaceCotangent]]:
    """`surface_green` and its pullback ḡ → (Ā00, Ā01, Ā10).

    Kept for the pullback: g, 16 E n² bytes in double precision.
    """
    g = surface_green(
        a00, a01, a10, method=method, basis=basis, energies=energies, at_real_energy=at_real_energy, overlap=overlap
    )
    solve = stein_doubling if method == "decimation" else stein_eigenbasis

    def surface_green_pullback(g_bar: Array) -> SurfaceCotangent:
        u, v = basis
        g_dagger = adjoint(g)
        a_dagger, b_dagger = adjoint(compressed(u, a01, v)), adjoint(compressed(v, a10, u))
        p = compressed(u, g_dagger, v) @ a_dagger
        q = b_dagger @ compressed(v, g_dagger, u)
        c = compressed(u, g_dagger @ g_bar @ g_dagger, u)
        w = solve(p, q, c)
        _check_stein(stein_residual(p, q, c, w), energies, eps_of(a00) ** 0.5)
        y = g_bar + spread(v, a_dagger @ w @ b_dagger, v)
        k = -(g_dagger @ y @ g_dagger)
        return SurfaceCotangent(k, -(k @ adjoint(g @ a10)), -(adjoint(a01 @ g) @ k))

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


def _polished(
    g: Array, a00: Array, a01: Array, a10: Array, basis: HoppingBasis, *, at_real_energy: bool
) -> tuple[Array, Array]:
    """g after one fixed-point step g ← (A00 − A01 g A10)⁻¹ and Newton steps where it needs them; and its residual.

    Newton: with g' the fixed-point step, δ − g'A01 δ A10 g' = g' − g.
    """
    xp = array_namespace(a00)
    residual, inner = _residual(g, a00, a01, a10)
    for attempt in range(MAX_POLISH):
        poor = residual > 1e-2 * eps_of(a00) ** 0.5
        if not bool(xp.any(poor)):
            break
        where = xp.nonzero(poor)[0]
        blocks = [x if x.shape[0] == 1 else xp.take(x, where, axis=0) for x in (a00, a01, a10)]
        old = xp.take(g, where, axis=0)
        trial = inverse(xp.take(inner, where, axis=0))
        # doubling diverges on a g whose error exceeds 1 − |λ|: then the eigenbasis serves at any η
        exact = at_real_energy or attempt > 0
        trial = old + surface_tangent(trial - old, trial, blocks[1], blocks[2], basis, at_real_energy=exact)
        trial_residual, trial_inner = _residual(trial, *blocks)
        better = trial_residual < xp.take(residual, where, axis=0)
        if not bool(xp.any(better)):
            continue
        where, kept = where[better], xp.nonzero(better)[0]
        g = _replaced(g, where, xp.take(trial, kept, axis=0))
        inner = _replaced(inner, where, xp.take(trial_inner, kept, axis=0))
        residual = _replaced(residual, where, xp.take(trial_residual, kept, axis=0))
    return g, residual


def _residual(g: Array, a00: Array, a01: Array, a10: Array) -> tuple[Array, Array]:
    """‖g(A00 − A01 g A10) − 1‖ per energy, and A00 − A01 g A10."""
    inner = a00 - a01 @ g @ a10
    return max_norm(g @ inner - identity(a00.shape[-1], a00)), inner


def _replaced(x: Array, where: Array, new: Array) -> Array:
    """`x` with the rows `where` of its first axis replaced."""
    xp = array_namespace(x)
    index = xp.arange(x.shape[0], device=device_of(x))
    hits = index[:, None] == where[None, :]
    place = xp.sum(xp.astype(hits, xp.int64) * xp.arange(where.shape[0], device=device_of(x))[None, :], axis=1)
    replaced = xp.any(hits, axis=1)
    replaced = xp.reshape(replaced, (x.shape[0], *([1] * (x.ndim - 1))))
    return xp.where(replaced, xp.take(new, place, axis=0), x)


def _named(bad: Array, energies: Sequence[float]) -> tuple[list[float], str]:
    at = [float(e) for e, is_bad in zip(energies, to_numpy(bad).tolist()) if is_bad]
    text = ", ".join(f"{e:.10g}" for e in at[:5]) + (f" and {len(at) - 5} more" if len(at) > 5 else "")
    return at, text


def _worst(values: Array, bad: Array) -> float:
    host = to_numpy(values)[to_numpy(bad)]
    return float("nan") if (host != host).any() else float(abs(host).max())


def _raise_unconverged(bad: Array, residual: Array, method: str, energies: Sequence[float], tolerance: float) -> None:
    at, text = _named(bad, energies)
    worst = _worst(residual, bad)
    fix = (
        'raise eta, or use lead_method="modes"'
        if method == "decimation"
        else "the energy is at a band edge, a flat band or a surface state of the lead: shift it slightly, or give "
        "a small eta"
    )
    how = f"has residual {worst:.3g} (allowed {tolerance:.3g})" if worst == worst else "does not exist"
    raise ConvergenceError(
        f"the surface Green's function by {method} {how} at E = {text} eV; {fix}.",
        energies=at,
        residual=worst,
    )


def _raise_surface_state(bad: Array, pole: Array, energies: Sequence[float]) -> None:
    at, text = _named(bad, energies)
    worst = _worst(pole, bad)
    raise ConvergenceError(
        f"the lead has a surface state at E = {text} eV: its surface Green's function is {worst:.3g} times that of a "
        "cell, and the result would lose most of its digits; shift the energy by 1e-5 eV or more, or give eta >= 1e-6.",
        energies=at,
        residual=worst,
    )


def _raise_wrong_branch(wrong: Array, lowest: Array, method: str, energies: Sequence[float]) -> None:
    at, text = _named(wrong, energies)
    worst = _worst(lowest, wrong)
    raise ConvergenceError(
        f"the surface Green's function by {method} is not the retarded one at E = {text} eV: a local density of states "
        f"of {-worst:.3g}·π is negative; the energy is at a band edge: shift it slightly, or give a small eta.",
        energies=at,
        residual=worst,
    )


def _check_stein(residual: Array, energies: Sequence[float], tolerance: float) -> None:
    xp = array_namespace(residual)
    bad = ~(residual <= tolerance)
    if bool(xp.any(bad)):
        at, text = _named(bad, energies)
        worst = _worst(residual, bad)
        how = f"has residual {worst:.3g} (allowed {tolerance:.3g})" if worst == worst else "does not exist"
        raise ConvergenceError(
            f"the adjoint of the surface Green's function {how} at "
            f"E = {text} eV: at a band edge or a crossing of bands, where the derivative does not exist; "
            "shift the energy slightly, or give a small eta.",
            energies=at,
            residual=worst,
        )
