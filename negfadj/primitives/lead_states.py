"""The scattering states of several leads from one elimination, and when they hold all of the spectral function.

    X_l = G W_l,   A_l = X_l γ_l X_l†
    A = i(G − G†) = G (Γ + 2 Im z S) G† = Σ_l A_l        for Hermitian H and S, at real z

The columns of the first lead are carried along in the elimination; those of a lead on the last block need none.
Sources: Datta, Electronic Transport in Mesoscopic Systems (1995), Sec. 3.5; docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..array import array_namespace
from .channels import varied_channels_of
from .left_connected import Factors, left_connected
from .open_system import OpenSystem
from .refined_solve import refined_columns
from .scattering import ScatteringStates


def lead_states(system: OpenSystem, leads: Sequence[int], /) -> tuple[dict[int, ScatteringStates], Factors]:
    """The scattering states of each of `leads` by its channels, and the left-connected factors.

    Kept: 16 E Σ n_i (n_i + m_1 + Σ_l m_l) bytes in double precision, m_l the open channels of a lead and m_1 those of
    the first.
    """
    if not leads:
        return {}, left_connected(system)
    channels = {lead: varied_channels_of(system, lead) for lead in leads}
    sources = {lead: {system.blocks[lead]: channels[lead].columns} for lead in leads}
    first = min(leads, key=lambda lead: system.blocks[lead])
    factors = left_connected(system, (system.blocks[first], channels[first].columns))
    found = {}
    for lead in leads:
        columns = refined_columns(system, factors, sources[lead], factors.carried if lead == first else None)
        found[lead] = ScatteringStates(channels[lead], [x for _, x in columns][::-1])
    return found, factors


def leads_are_all(system: OpenSystem, /) -> bool:
    """Is A the sum of the leads' spectral functions: does nothing but the leads broaden?"""
    xp, s = array_namespace(system.z), system.overlap
    is_hermitian = system.hamiltonian.is_hermitian and (s is None or s.is_hermitian)
    return is_hermitian and len(system.blocks) > 0 and bool(xp.all(xp.imag(system.z) == 0))
