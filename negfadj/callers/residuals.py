"""How well the equations behind a result are fulfilled."""

from __future__ import annotations

from ..array import identity, max_norm
from ..data import Lead
from ..physics.leads import LeadSolver
from ..physics.request import SMALLEST_BROADENING, chosen_method
from ..primitives.lead_blocks import lead_blocks
from ..typing import Array, LeadMethod


def surface_residual(lead: Lead, energies: Array, *, eta: float = 0.0, method: LeadMethod = "auto") -> Array:
    """Largest entry of |g (A00 − A01 g A10) − 1| of a lead's surface Green's function g, at every energy.

    Parameters
    ----------
    lead : Lead
    energies : array, shape (n_energies,)
        [eV].
    eta : float
        Broadening [eV].
    method : "auto", "modes" or "decimation"
        As `lead_method` of the observables.

    Returns
    -------
    array, shape (n_energies,)

    Raises
    ------
    ConvergenceError
        When g is not found.
    """
    z = energies + 1j * eta
    a00, a01, a10, *_ = lead_blocks(lead, z)
    g = LeadSolver(z, slice(None), chosen_method(method, eta), eta < SMALLEST_BROADENING).surface(lead)
    return max_norm(g @ (a00 - a01 @ g @ a10) - identity(a00.shape[-1], g))
