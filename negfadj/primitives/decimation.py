"""Decimation of a semi-infinite lead: every pass removes every second cell, so 2^k cells are gone after k passes.

    g = ε⁻¹:   ρ ← ρ + α g β,   σ ← σ + β g α,   ε ← ε − α g β − β g α,   α ← α g α,   β ← β g β

from ρ = σ = 0, ε = A00, α = A01, β = A10, until α and β are gone. ρ is then what the half-infinite row of cells beyond
a cell puts on it, A01 g A10, and σ the same of the row before it.

Sources: López Sancho, López Sancho and Rubio, J. Phys. F 15, 851 (1985), Eqs. (11)–(13).
"""

from __future__ import annotations

from ..array import Kernel, array_namespace, device_of, eps_of, inverse, max_norm
from ..typing import Array

MAX_PASSES = 60  # 2^60 cells: beyond every |λ| < 1 that double precision can tell from 1


def decimation(a00: Array, a01: Array, a10: Array, /) -> tuple[Array, Array]:
    """Both ends of a lead by decimation; unconverged energies are left for the residual check of the caller.

    Parameters
    ----------
    a00, a01, a10 : arrays, shape (E, n, n), complex
        z S − H within a cell, to the next cell deeper in the lead, and back.

    Returns
    -------
    (ρ, σ), each of shape (E, n, n) [eV]
    """
    return _KERNEL(a00, a01, a10, eps_of(a00), MAX_PASSES)  # type: ignore[no-any-return]


def _decimation(a00: Array, a01: Array, a10: Array, eps: float, most: int) -> tuple[Array, Array]:
    xp = array_namespace(a00)
    n_energies = a00.shape[0]
    bulk, beyond, before = a00, xp.zeros_like(a00), xp.zeros_like(a00)
    alpha, beta = (xp.broadcast_to(x, a00.shape) for x in (a01, a10))
    scale = max_norm(a00)
    here = xp.arange(n_energies, device=device_of(a00))  # the energies still in hand
    places, ends = [], []
    for _ in range(most):
        g = inverse(bulk)
        alpha_g, beta_g = alpha @ g, beta @ g
        there_and_back, back_and_there = alpha_g @ beta, beta_g @ alpha
        beyond, before = beyond + there_and_back, before + back_and_there
        bulk = bulk - there_and_back - back_and_there
        going = max_norm(there_and_back) > eps**0.5 * scale / 64  # the next change is about the square of this one
        remaining = int(xp.sum(xp.astype(going, xp.int64)))
        if remaining == 0:
            break
        alpha, beta = alpha_g @ alpha, beta_g @ beta
        if remaining <= 0.75 * here.shape[0]:  # converged energies leave the batch
            done, kept = xp.nonzero(~going)[0], xp.nonzero(going)[0]
            places.append(xp.take(here, done))
            ends.append((xp.take(beyond, done, axis=0), xp.take(before, done, axis=0)))
            here, scale = xp.take(here, kept), xp.take(scale, kept)
            bulk, alpha, beta, beyond, before = (
                xp.take(x, kept, axis=0) for x in (bulk, alpha, beta, beyond, before)
            )
    order = xp.argsort(xp.concat([*places, here]))
    ends.append((beyond, before))
    right, left = (xp.take(xp.concat([pair[k] for pair in ends]), order, axis=0) for k in (0, 1))
    return right, left


_KERNEL = Kernel("decimation", _decimation, numba="decimation:decimation", cuda="cuda_decimation:decimation")
