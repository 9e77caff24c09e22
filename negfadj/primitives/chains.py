"""A lead whose blocks share their eigenvectors: independent chains, each with a closed form.

If H00, H01, S00 and S01 are diagonal in one unitary V, as on every finite-difference grid, so are A00, A01, A10 and g.
With c = a01 a10 of one chain,

    c g² − a00 g + 1 = 0,   g = 2/(a00 + s),   s² = a00² − 4c = (a00 − 2√c)(a00 + 2√c)                   (forward)

and the sign of s that makes |λ| = |a10 g| < 1, or inside a band at η = 0 the one with Im g < 0. At an edge s = 0.

The adjoint's Stein equation Y − P†YQ† = ḡ, P = g A01, Q = A10 g, is diagonal in the same basis: with G = V†ḡV,

    Y_ij = G_ij / (1 − p_i* q_j*),   K_ij = −g_i* Y_ij g_j*
    Ā00 = K,   Ā01_ij = −K_ij (g_j a10_j)*,   Ā10_ij = −(a01_i g_i)* K_ij   between V and V†             (pullback)

It serves every perturbation, also those that couple the chains. Derivation: docs/adjoints/surface-green.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..array import (
    Kernel,
    adjoint,
    array_namespace,
    device_of,
    eps_of,
    identity,
    is_complex,
    is_single,
    product,
    structured,
)
from ..typing import Array
from .modes import STANDSTILL, STANDSTILL_SINGLE, UNIT_CIRCLE, UNIT_CIRCLE_SINGLE
from .stein import SINGULAR, SINGULAR_SINGLE
from .surface import SurfaceCotangent
from .surface_errors import check_stein, raise_surface_state, raise_unconverged

POLE = 0.15  # |g||a00|√eps above which a level that no hopping broadens leaves too few digits
MIXTURES = ((0.5411961, 0.7071068, 0.3826834, 0.9238795, 0.4619398), (0.9, -0.37, 0.61, -0.83, 0.29))


class _Chains(NamedTuple):
    """Of every chain at every energy: g, A00, A01, A10, all (E or 1, n)."""

    g: Array
    a00: Array
    a01: Array
    a10: Array


def chain_vectors(onsite: Array, hopping: Array, overlap: tuple[Array, Array] | None, dtype: Any) -> Array | None:
    """V (n, n), the eigenvectors that H00, H01, S00 and S01 share, real for real symmetric blocks; None if they do not.

    Found from a mixture of the blocks' Hermitian parts, and accepted when it leaves but rounding off any diagonal.
    """
    xp = array_namespace(onsite)
    parts = []
    for block in (onsite, hopping, *(overlap or ())):
        if not is_complex(block) and bool(xp.all(block == xp.matrix_transpose(block))):
            parts.append(block)
            continue
        parts.append((block + adjoint(block)) / 2)
        parts.append((block - adjoint(block)) / 2j)
    parts = [x for x in parts if bool(xp.any(x - x[0, 0] * identity(x.shape[0], x) != 0))]
    n = onsite.shape[0]
    if not parts:
        return xp.eye(n, dtype=dtype, device=device_of(onsite))
    tolerance = 16 * n**0.5 * eps_of(onsite)
    if len(parts) > 1 and any(not _commute(parts[0], x, n * tolerance) for x in parts[1:]):
        return None
    for weights in MIXTURES[: 1 if len(parts) == 1 else None]:
        mixture = sum(w * x / xp.max(xp.abs(x)) for w, x in zip(weights, parts))
        _, vectors = xp.linalg.eigh(mixture)
        if all(_is_diagonal(adjoint(vectors) @ (x @ vectors), tolerance) for x in parts):
            return xp.astype(vectors, dtype) if is_complex(vectors) else vectors
    return None


def chains_surface_green(
    a00: Array, a01: Array, a10: Array, /, *, vectors: Array, energies: Sequence[float], at_real_energy: bool
) -> Array:
    """The retarded surface Green's function g = V g_k V† of a lead that decouples into chains.

    Parameters
    ----------
    a00, a01, a10 : arrays, shape (E, n, n); a01 and a10 also (1, n, n)
        z S − H within a cell, from a cell to the next one deeper in the lead, and back; diagonal in `vectors`.
    vectors : array, shape (n, n)
        V of `chain_vectors`.
    energies : sequence of float
        For the message of an error [eV].
    at_real_energy : bool
        True at η = 0, where open channels have |λ| = 1.

    Returns
    -------
    array, shape (E, n, n) [1/eV]

    Raises
    ------
    ConvergenceError
        At a band edge of a chain at η = 0, and where a chain without hopping has its level.
    """
    return _surface(_chains(a00, a01, a10, vectors, energies, at_real_energy), vectors, at_real_energy)


def chains_surface_green_vjp(
    a00: Array,
    a01: Array,
    a10: Array,
    /,
    *,
    vectors: Array,
    energies: Sequence[float],
    at_real_energy: bool,
    known: Array | None = None,
) -> tuple[Array, Callable[[Array], SurfaceCotangent]]:
    """`chains_surface_green` and its pullback ḡ → (Ā00, Ā01, Ā10); `known` is g, where it is known already.

    Kept for the pullback: the chains' own numbers, 16 · 4 E n bytes in double precision.
    """
    chains = _chains(a00, a01, a10, vectors, energies, at_real_energy)
    g = _surface(chains, vectors, at_real_energy) if known is None else known

    def chains_surface_green_pullback(g_bar: Array) -> SurfaceCotangent:
        xp = array_namespace(g_bar)
        g_k, p, q = (xp.conj(x) for x in (chains.g, chains.g * chains.a01, chains.a10 * chains.g))
        denominator = 1 - p[:, :, None] * q[:, None, :]
        nearest = xp.min(xp.abs(denominator), axis=(-2, -1))
        singular = nearest < (SINGULAR_SINGLE if is_single(g_bar) else SINGULAR)
        check_stein(xp.where(singular, xp.full_like(nearest, float("nan")), xp.zeros_like(nearest)), energies, 1.0)
        k = -(g_k[:, :, None] * _ROTATED(g_bar, adjoint(vectors), vectors) * g_k[:, None, :]) / denominator
        n_energies = k.shape[0]
        whole = _ROTATED(xp.concat([k, -k * q[:, None, :], -p[:, :, None] * k]), vectors, adjoint(vectors))
        return SurfaceCotangent(
            whole[:n_energies, :, :], whole[n_energies : 2 * n_energies, :, :], whole[2 * n_energies :, :, :]
        )

    return g, chains_surface_green_pullback


def _chains(
    a00: Array, a01: Array, a10: Array, vectors: Array, energies: Sequence[float], at_real_energy: bool
) -> _Chains:
    """g of every chain, with the checks of energies where there is none."""
    xp = array_namespace(a00)
    a00_k, a01_k, a10_k = (_diagonal(x, vectors) for x in (a00, a01, a10))
    root_c = xp.sqrt(a01_k * a10_k)
    lower, upper = a00_k - 2 * root_c, a00_k + 2 * root_c
    s = xp.sqrt(lower) * xp.sqrt(upper)
    plus, minus = xp.abs(a00_k + s), xp.abs(a00_k - s)
    flip = minus > plus
    if at_real_energy:  # inside a band both roots have |λ| = 1: the retarded one has Im g < 0
        inside = xp.abs(plus - minus) < (UNIT_CIRCLE_SINGLE if is_single(a00) else UNIT_CIRCLE) * (plus + minus)
        flip = xp.where(inside, xp.imag(s) < 0, flip)
    s = xp.where(flip, -s, s)
    total = a00_k + s
    edge = total == 0
    g = 2 / xp.where(edge, xp.ones_like(total), total)
    if at_real_energy:
        slow = STANDSTILL_SINGLE if is_single(a00) else STANDSTILL
        edge = edge | (xp.abs(s) < 2 * slow * xp.abs(root_c))  # |s| = 2|√c sin k|
    bad = xp.any(edge, axis=-1)
    if bool(xp.any(bad)):
        nothing = xp.full_like(xp.real(g[:, 0]), float("nan"))
        raise_unconverged(bad, nothing, "modes", energies, eps_of(a00) ** 0.5)
    pole = xp.max(xp.abs(g), axis=-1) * xp.max(xp.abs(a00_k), axis=-1)
    lost = pole > POLE / eps_of(a00) ** 0.5
    if bool(xp.any(lost)):
        raise_surface_state(lost, pole, energies)
    return _Chains(g, a00_k, a01_k, a10_k)


def _surface(chains: _Chains, vectors: Array, at_real_energy: bool) -> Array:
    """V g_k V†."""
    xp = array_namespace(chains.g)
    g = product(vectors[None, ...] * chains.g[:, None, :], _structured(adjoint(vectors)))
    if not at_real_energy:
        return g
    closed = xp.all(xp.imag(chains.g) == 0, axis=-1)
    if not bool(xp.any(closed)):
        return g
    # in a gap g is Hermitian: no broadening, not even a rounded one
    return xp.where(closed[:, None, None], (g + adjoint(g)) / 2, g)


def _structured(x: Array) -> Any:
    """A real NumPy matrix as a `RealBlock`, so that it multiplies complex stacks at half the cost."""
    return structured(x[None, ...], None)


def _rotated(x: Array, left: Array, right: Array) -> Array:
    """L X R."""
    return left @ x @ right


_ROTATED = Kernel("rotated", _rotated, numba="rotation:rotated")


def _diagonal(x: Array, vectors: Array) -> Array:
    """The diagonal of V†XV, (E, n)."""
    xp = array_namespace(x)
    return xp.sum(xp.conj(vectors)[None, ...] * product(x, _structured(vectors)), axis=-2)


def _commute(x: Array, y: Array, tolerance: float) -> bool:
    xp = array_namespace(x)
    scale = float(xp.max(xp.abs(x)) * xp.max(xp.abs(y)))
    return bool(xp.max(xp.abs(x @ y - y @ x)) <= tolerance * scale)


def _is_diagonal(x: Array, tolerance: float) -> bool:
    xp = array_namespace(x)
    off = x - x * identity(x.shape[0], x)
    return bool(xp.max(xp.abs(off)) <= tolerance * xp.max(xp.abs(x)))
