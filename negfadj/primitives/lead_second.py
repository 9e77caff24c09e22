"""A lead's self-energy to first order in a parameter, and the tangent of its pullback to every block.

    Ȧ_x = ζ̇ S_x + ζ Ṡ_x − Ḣ_x,  ζ̇ = ż − U̇;   Σ̇ by the product rule of Σ = A_c g A_c'                     (tangent)
    Ā_c = Σ̄ (g A_c')†,  ḡ = A_c†Σ̄ A_c'†,  Ā_c' = (A_c g)†Σ̄, and K of ḡ, all by the product rule          (pullback)
    S̄˙ = Σ_E (ζ* Ā + ζ Ā_back†)˙,   ζ̄˙ = Σ_x tr(Ṡ_x†Ā_x + S_x†Ā̇_x)

Derivation: docs/adjoints/second-order.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..array import adjoint, array_namespace, identity, rebuild
from ..data import Lead
from ..typing import Array
from .dual import Dual
from .lead_blocks import LeadBlocks, LeadBlocksCotangent, lead_blocks, lead_blocks_vjp
from .modes import HoppingBasis
from .surface_second import SurfaceEquations, surface_green_jvp, surface_green_pullback_jvp


class LeadSecondCotangent(NamedTuple):
    """The cotangents of a lead and of z, and their tangents."""

    value: LeadBlocksCotangent
    tangent: LeadBlocksCotangent


def lead_self_energy_jvp(
    lead: Lead,
    lead_dot: Lead,
    z: Array,
    z_dot: Array,
    /,
    *,
    surface: Array,
    is_fixed: bool,
    basis: HoppingBasis,
    vectors: Array | None,
    by_modes: bool,
    energies: Sequence[float],
) -> tuple[Dual, Callable[[Dual], LeadSecondCotangent]]:
    """Σ and Σ̇ of a lead, (E, n, n) [eV], and the pullback (Σ̄, Σ̄˙) → `LeadSecondCotangent`.

    Parameters
    ----------
    lead, lead_dot : Lead — and its tangent, zeros where nothing moves
    z, z_dot : arrays, shape (E,), complex [eV]
    surface : array, shape (E, n, n) — g, known already
    is_fixed : bool — True when `lead_dot` and `z_dot` are zero: ġ is then zero without an equation
    basis, vectors, by_modes, energies : as of `SurfaceEquations`

    Raises
    ------
    ConvergenceError
        At a band edge or a crossing of bands, where the derivative does not exist.
    """
    values = lead_blocks(lead, z)
    tangents = (None,) * len(values) if is_fixed else lead_blocks_tangent(lead, lead_dot, z, z_dot)
    blocks = LeadBlocks(*map(Dual, values, tangents))
    equations = SurfaceEquations(surface, values.hopping, values.hopping_back, basis, vectors, by_modes, energies)
    g = Dual(surface) if is_fixed else surface_green_jvp(*blocks[:3], equations)
    coupling, back = blocks.coupling, blocks.coupling_back

    def lead_self_energy_pullback(sigma_bar: Dual) -> LeadSecondCotangent:
        coupling_bar = sigma_bar @ (g @ back).adjoint()
        g_bar = coupling.adjoint() @ sigma_bar @ back.adjoint()
        back_bar = (coupling @ g).adjoint() @ sigma_bar
        surface_bars = surface_green_pullback_jvp(g_bar, g, blocks.hopping, blocks.hopping_back, equations)
        bars = LeadBlocks(*surface_bars, coupling_bar, back_bar)
        return _lead_blocks_pullback_jvp(lead, None if is_fixed else lead_dot, z, z_dot, bars)

    return coupling @ g @ back, lead_self_energy_pullback


def lead_blocks_tangent(lead: Lead, lead_dot: Lead, z: Array, z_dot: Array, /) -> LeadBlocks:
    """Ȧ_x = ζ̇ S_x + ζ Ṡ_x − Ḣ_x of every block, shapes as `lead_blocks`; `lead_dot` has zeros where nothing moves."""
    xp = array_namespace(z)
    zeta = (z - lead.potential_energy)[:, None, None]
    zeta_dot = (z_dot - lead_dot.potential_energy)[:, None, None]

    def block(h_dot: Any, s: Any, s_dot: Any) -> Array:
        h_dot = xp.astype(h_dot, z.dtype)[None, ...]
        return -h_dot if s is None else zeta_dot * s + zeta * s_dot - h_dot

    s, s_dot = ((x.overlap_onsite, x.overlap_hopping, x.overlap_coupling) for x in (lead, lead_dot))
    if lead.overlap_onsite is None:
        onsite = zeta_dot * identity(lead.n_orbitals, z) - xp.astype(lead_dot.onsite, z.dtype)
    else:
        onsite = block(lead_dot.onsite, s[0], s_dot[0])
    return LeadBlocks(
        onsite,
        block(lead_dot.hopping, s[1], s_dot[1]),
        block(adjoint(lead_dot.hopping), _dagger(s[1]), _dagger(s_dot[1])),
        block(lead_dot.coupling, s[2], s_dot[2]),
        block(adjoint(lead_dot.coupling), _dagger(s[2]), _dagger(s_dot[2])),
    )


def _lead_blocks_pullback_jvp(
    lead: Lead, lead_dot: Lead | None, z: Array, z_dot: Array, bars: LeadBlocks
) -> LeadSecondCotangent:
    """The pullback of `lead_blocks` and its tangent, from Ā and Ā̇ of every block; no `lead_dot`: it does not move."""
    _, pullback = lead_blocks_vjp(lead, z)
    values = LeadBlocks(*(bar.value for bar in bars))
    value, tangent = pullback(values), pullback(LeadBlocks(*(bar.tangent for bar in bars)))
    if lead.overlap_onsite is None or lead_dot is None:
        return LeadSecondCotangent(value, tangent)
    # H̄ is linear in Ā; S̄ = Σ ζ*Ā and ζ̄ = Σ tr(S†Ā) are bilinear: their other half is the same map at Ṡ and ζ̇
    other = lead_blocks_vjp(lead_dot, z_dot)[1](values)
    names = ("overlap_onsite", "overlap_hopping", "overlap_coupling", "potential_energy")
    changes = {name: getattr(tangent.lead, name) + getattr(other.lead, name) for name in names}
    return LeadSecondCotangent(value, LeadBlocksCotangent(rebuild(tangent.lead, **changes), tangent.z + other.z))


def _dagger(x: Any) -> Any:
    return None if x is None else adjoint(x)
