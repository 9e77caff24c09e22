"""A lead at complex energies: A_x = ζ S_x − H_x with ζ = z − U, for every block x of the lead.

    A00 = ζ S00 − H00,  A01 = ζ S01 − H01,  A10 = ζ S01† − H01†,  A_c = ζ S_c − H_c,  A_c' = ζ S_c† − H_c†

U shifts the lead rigidly, H → H + U S, its coupling included. The daggers stand on S and H, not on ζ.

    H̄00 = −Σ_E Ā00,  H̄01 = −Σ_E (Ā01 + Ā10†),  S̄01 = Σ_E (ζ* Ā01 + ζ Ā10†),  ζ̄ = Σ_x tr(S_x† Ā_x),  Ū = −Re Σ_E ζ̄
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..array import adjoint, array_namespace, device_of, rebuild, trace_product
from ..data import Lead
from ..typing import Array


class LeadBlocks(NamedTuple):
    """z S − H of a lead: (E, n, n) and (E, n_device, n); (1, …) where S is absent."""

    onsite: Array
    hopping: Array
    hopping_back: Array
    coupling: Array
    coupling_back: Array


class LeadBlocksCotangent(NamedTuple):
    """The lead's cotangent (a `Lead` of cotangents) and that of z, (E,)."""

    lead: Lead
    z: Array


def lead_blocks(lead: Lead, z: Array, /) -> LeadBlocks:
    """The blocks of ζ S − H of a lead at complex energies z (E,) [eV]."""
    xp = array_namespace(z)
    zeta = (z - lead.potential_energy)[:, None, None]

    def block(h: Array, s: Array | None) -> Array:
        return -xp.astype(h, z.dtype)[None, ...] if s is None else zeta * s - h

    h01, hc = lead.hopping, lead.coupling
    s01, sc = lead.overlap_hopping, lead.overlap_coupling
    if lead.overlap_onsite is None:
        s00 = xp.eye(lead.n_orbitals, dtype=lead.onsite.dtype, device=device_of(z))
    else:
        s00 = lead.overlap_onsite
    return LeadBlocks(
        zeta * s00 - lead.onsite,
        block(h01, s01),
        block(adjoint(h01), None if s01 is None else adjoint(s01)),
        block(hc, sc),
        block(adjoint(hc), None if sc is None else adjoint(sc)),
    )


def lead_blocks_vjp(lead: Lead, z: Array, /) -> tuple[LeadBlocks, Callable[[LeadBlocks], LeadBlocksCotangent]]:
    """`lead_blocks` and its pullback. Kept for the pullback: nothing but the arguments."""

    def lead_blocks_pullback(bar: LeadBlocks) -> LeadBlocksCotangent:
        xp = array_namespace(z)
        zeta = (z - lead.potential_energy)[:, None, None]

        def h_bar(x_bar: Array) -> Array:
            return -xp.sum(x_bar, axis=0)

        def s_bar(x_bar: Array) -> Array:
            return xp.sum(xp.conj(zeta) * x_bar, axis=0)

        changes = {
            "onsite": h_bar(bar.onsite),
            "hopping": h_bar(bar.hopping) + adjoint(h_bar(bar.hopping_back)),
            "coupling": h_bar(bar.coupling) + adjoint(h_bar(bar.coupling_back)),
        }
        if lead.overlap_onsite is None:
            zeta_bar = xp.sum(xp.linalg.diagonal(bar.onsite), axis=-1)
        else:
            changes["overlap_onsite"] = s_bar(bar.onsite)
            changes["overlap_hopping"] = s_bar(bar.hopping) + adjoint(s_bar(bar.hopping_back))
            changes["overlap_coupling"] = s_bar(bar.coupling) + adjoint(s_bar(bar.coupling_back))
            zeta_bar = (
                trace_product(lead.overlap_onsite, bar.onsite)
                + trace_product(lead.overlap_hopping, bar.hopping)
                + trace_product(adjoint(lead.overlap_hopping), bar.hopping_back)
                + trace_product(lead.overlap_coupling, bar.coupling)
                + trace_product(adjoint(lead.overlap_coupling), bar.coupling_back)
            )
        changes["potential_energy"] = -xp.sum(xp.real(zeta_bar))
        return LeadBlocksCotangent(lead.project_tangent(rebuild(lead, **changes)), zeta_bar)

    return lead_blocks(lead, z), lead_blocks_pullback
