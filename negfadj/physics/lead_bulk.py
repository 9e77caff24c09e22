"""What a lead's blocks say once for all energies: do they decouple into chains, or else the space of the hopping."""

from __future__ import annotations

from typing import NamedTuple

from ..array import is_array, leaves
from ..data import Lead
from ..primitives.chains import chain_vectors
from ..primitives.modes import HoppingBasis, hopping_basis
from ..typing import Array
from .lead_cache import LeadCache, content_digest

REMEMBERED = 128e6  # bytes of structures kept between batches and calls


class LeadBulk(NamedTuple):
    """The shared eigenvectors of a lead that decouples, or None; and the basis of its hopping."""

    vectors: Array | None
    basis: HoppingBasis


_structures = LeadCache(REMEMBERED)


def bulk_digest(lead: Lead) -> bytes:
    """A digest of the numbers that make a lead's surface function, its rigid shift aside."""
    return content_digest(lead.onsite, lead.hopping, lead.overlap_onsite, lead.overlap_hopping)


def lead_bulk(lead: Lead, digest: bytes, z: Array) -> LeadBulk:
    """The structure of a lead, found once for equal content."""
    key = (digest, str(z.dtype))
    found = _structures.get([key])
    if found is not None:
        return found[0]  # type: ignore[no-any-return]
    overlap = lead_overlap(lead)
    vectors = chain_vectors(lead.onsite, lead.hopping, overlap, z.dtype)
    basis = HoppingBasis(None, None) if vectors is not None else lead_basis(lead, z)
    bulk = LeadBulk(vectors, basis)
    _structures.put(key, bulk, sum(16 * x.size for x in leaves(tuple(bulk)) if is_array(x)))
    return bulk


def lead_overlap(lead: Lead) -> tuple[Array, Array] | None:
    """(S00, S01) of a lead, None in an orthogonal basis."""
    return None if lead.overlap_onsite is None else (lead.overlap_onsite, lead.overlap_hopping)


def lead_basis(lead: Lead, z: Array) -> HoppingBasis:
    """Column and row space of the lead's hopping."""
    return hopping_basis(lead.hopping, lead.overlap_hopping, z.dtype)
