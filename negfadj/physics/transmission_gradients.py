"""The gradient of the transmission energy by energy: the rows of the Jacobian that Gauss–Newton needs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..data import Device
from ..errors import InputError
from ..primitives import transmission as transmission_primitive
from ..primitives import transmission_gradients as gradients_primitive
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .evaluate import evaluate
from .pattern import make_wrt
from .request import make_request


def transmission_gradients(
    device: Device,
    energies: ArrayLike,
    *,
    wrt: Any = "onsite",
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """dT(E)/dH_ab at entries of the device's Hamiltonian, energy by energy, at the price of one pullback.

        dT/dH_ab = (X R)_ba* + (X R)_ab of a Hermitian H,  X = G E_s 2Γ_s,  R = G_ds†Γ_d E_d† G

    Row e is `transmission_vjp`'s ``bar.device.hamiltonian.values`` for a `value_bar` of 1 at energy e and 0 elsewhere.
    The leads are held fixed: where a parameter is in a lead too, its share is not in here.

    Parameters
    ----------
    device, energies : as of `transmission`
    wrt : "onsite", (rows, columns) of orbital indices, or a SciPy sparse matrix
        "onsite": every H_aa, n_orbitals of them; else the entries of the pattern in its order, with H_ba = H_ab*
        moving along.
    The others as of `transmission`.

    Returns
    -------
    array, shape (n_energies, n_entries) [1/eV], on the device of the inputs
        Real for a real Hamiltonian and for "onsite"; else ∂T/∂Re H_ab + i ∂T/∂Im H_ab.

    Raises
    ------
    InputError, InputTypeError, ShapeError, ConvergenceError, BackendError
        As `transmission`; and for an entry outside the block-tridiagonal pattern.

    Sources
    -------
    docs/adjoints/transmission.md
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    layers = 2 * device.hamiltonian.n_blocks
    checked = make_wrt(wrt, request.device.hamiltonian)
    if isinstance(checked, str):
        if checked == "all":
            raise InputError(
                'wrt="all" has no gradient energy by energy; give "onsite" or a pattern (rows, columns) of entries.'
            )
        core = partial(transmission_primitive.transmission_sensitivity, source=source, drain=drain)
        return evaluate(request, core, layers=layers)
    found = partial(gradients_primitive.transmission_gradients, pattern=checked, source=source, drain=drain)
    per_entry = checked.n_entries / max(device.hamiltonian.block_sizes) ** 2  # what is gathered, in largest blocks
    return evaluate(request, found, layers=layers + 4 * per_entry)
