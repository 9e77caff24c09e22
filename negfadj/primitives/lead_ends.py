"""What half-infinite rows of lead cells put on the cell they end at, in the basis of the hopping.

    ρ = a (V†g V) b  of the row beyond a cell: its surface function is g = (A00 − U ρ U†)⁻¹
    ρ' = b (U†g'U) a of the row before it: that of the mirrored lead, whose hopping is A10, is g' = (A00 − V ρ'V†)⁻¹

Every method finds both together, so that a lead and its mirror image are solved once.
"""

from __future__ import annotations

from typing import NamedTuple

from ..typing import Array
from .decimation import decimation
from .modes import HoppingBasis, compressed, mode_ends
from .segment_doubling import segment_doubling

LOW_RANK = 0.75  # r/n below which doubling 11 r³ beats decimation 7 n³ with the inverse and products it needs besides


class LeadEnds(NamedTuple):
    """ρ and ρ' (E, r, r) [eV], and the open channels (E,), None where the method does not count them."""

    beyond: Array
    before: Array
    n_open: Array | None

    def mirrored(self) -> LeadEnds:
        """Those of the mirrored lead, in the mirrored basis."""
        return LeadEnds(self.before, self.beyond, self.n_open)


def lead_ends(
    a00: Array,
    a01: Array,
    a10: Array,
    /,
    *,
    method: str,
    basis: HoppingBasis,
    at_real_energy: bool,
    overlap: tuple[Array, Array] | None = None,
) -> LeadEnds:
    """Both ends of a lead at a batch of energies; NaN, or unconverged, where the method fails.

    Parameters
    ----------
    a00, a01, a10 : arrays, shape (E, n, n); a01 and a10 also (1, n, n)
        z S − H within a cell, from a cell to the next one deeper in the lead, and back.
    method : "decimation" or "modes"
    basis, at_real_energy, overlap
        As of `surface_green`.
    """
    if method == "modes":
        return LeadEnds(*mode_ends(a00, a01, a10, basis, at_real_energy=at_real_energy, overlap=overlap))
    u, v = basis
    if u is None or v is None:
        return LeadEnds(*decimation(a00, a01, a10), None)
    if u.shape[1] > LOW_RANK * u.shape[0]:
        beyond, before = decimation(a00, a01, a10)
        return LeadEnds(compressed(u, beyond, u), compressed(v, before, v), None)
    return LeadEnds(*segment_doubling(a00, compressed(u, a01, v), compressed(v, a10, u), u, v), None)
