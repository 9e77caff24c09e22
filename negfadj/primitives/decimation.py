"""Decimation of a semi-infinite lead: every pass removes every second cell, so 2^k cells are gone after k passes.

    g = ε⁻¹:   ε_s ← ε_s − α g β,   ε ← ε − α g β − β g α,   α ← α g α,   β ← β g β

from ε_s = ε = A00, α = A01, β = A10, until α and β are gone; then the surface function is ε_s⁻¹.

Sources: López Sancho, López Sancho and Rubio, J. Phys. F 15, 851 (1985), Eqs. (11)–(13).
"""

from __future__ import annotations

from ..array import Kernel, array_namespace, device_of, eps_of, inverse, max_norm
from ..typing import Array

MAX_PASSES = 60  # 2^60 cells: beyond every |λ| < 1 that double precision can tell from 1


def decimation(a00: Array, a01: Array, a10: Array, /) -> Array:
    """The surface function by decimation; unconverged energies are left for the residual check of the caller.

    Parameters
    ----------
    a00, a01, a10 : arrays, shape (E, n, n), complex
        z S − H within a cell, to the next cell deeper in the lead, and back.

    Returns
    -------
    array, shape (E, n, n)
    """
    return _KERNEL(a00, a01, a10, eps_of(a00), MAX_PASSES)


def _decimation(a00: Array, a01: Array, a10: Array, eps: float, most: int) -> Array:
    xp = array_namespace(a00)
    n_energies = a00.shape[0]
    surface, bulk = a00, a00
    alpha, beta = (xp.broadcast_to(x, a00.shape) for x in (a01, a10))
    scale = max_norm(a00)
    here = xp.arange(n_energies, device=device_of(a00))  # the energies still in hand
    places, surfaces = [], []
    for _ in range(most):
        g = inverse(bulk)
        alpha_g, beta_g = alpha @ g, beta @ g
        there_and_back = alpha_g @ beta
        surface = surface - there_and_back
        bulk = bulk - there_and_back - beta_g @ alpha
        going = max_norm(there_and_back) > eps**0.5 * scale / 64  # the next change is about the square of this one
        left = int(xp.sum(xp.astype(going, xp.int64)))
        if left == 0:
            break
        alpha, beta = alpha_g @ alpha, beta_g @ beta
        if left <= 0.75 * here.shape[0]:  # converged energies leave the batch
            done, kept = xp.nonzero(~going)[0], xp.nonzero(going)[0]
            places.append(xp.take(here, done))
            surfaces.append(xp.take(surface, done, axis=0))
            here, scale = xp.take(here, kept), xp.take(scale, kept)
            surface, bulk, alpha, beta = (xp.take(x, kept, axis=0) for x in (surface, bulk, alpha, beta))
    order = xp.argsort(xp.concat([*places, here]))
    return inverse(xp.take(xp.concat([*surfaces, surface]), order, axis=0))


_KERNEL = Kernel("decimation", _decimation, numba="decimation:decimation")
