"""The response of the transmission to a scanning gate: a tip whose potential energy reaches the orbitals near it.

    dT/dU_t = Σ_a w_ta dT/dU_a,   w_ta = exp(−|r_a − r_t|²/2σ²)

dT/dU of all orbitals is one backward sweep, `transmission_sensitivity`; the map over tips is a sparse product with it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from ..array import to_numpy
from ..data import Device
from ..errors import InputError, ShapeError
from ..physics.energy_integral import real_host
from ..physics.transport import transmission_sensitivity
from ..typing import Array, ArrayLike, Backend, LeadMethod

REACH = 6.0  # standard deviations: beyond, a tip has less than 2e-8 of its height


def scanning_gate_map(
    device: Device,
    energies: ArrayLike,
    positions: ArrayLike,
    tips: ArrayLike,
    *,
    width: float,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """dT/dU of a Gaussian tip at every place: a first-order scanning-gate picture.

        dT/dU_t = Σ_a exp(−|r_a − r_t|²/2σ²) dT/dU_a

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    positions : array, shape (n_orbitals, 3) or (n_orbitals, 2)
        Of the device's orbitals [Å], in its order.
    tips : array, shape (n_tips, 3) or (n_tips, 2)
        Places of the tip [Å], in as many directions as `positions`.
    width : float
        σ of the tip's potential energy [Å], the standard deviation along one direction.
    The others as `transmission`.

    Returns
    -------
    array, shape (n_energies, n_tips) or (n_tips,), real [1/eV], on the host
        By the potential energy under the middle of the tip.

    Raises
    ------
    InputError, ShapeError
        For a width that is not positive, or places that do not fit.
    The others as `transmission_sensitivity`.

    Sources
    -------
    M. A. Topinka et al., Science 289, 2323 (2000), for the experiment; R. A. Jalabert et al., Phys. Rev. Lett. 105,
    166802 (2010), for the first order in the tip.
    """
    weights = gaussian_tips(positions, tips, width)
    if weights.shape[1] != device.n_orbitals:
        raise ShapeError(f"positions has {weights.shape[1]} rows but the device has {device.n_orbitals} orbitals.")
    by_orbital = transmission_sensitivity(
        device,
        energies,
        source=source,
        drain=drain,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        backend=backend,
        memory_limit=memory_limit,
    )
    found = to_numpy(by_orbital)
    return np.reshape((weights @ found.reshape(-1, found.shape[-1]).T).T, (*found.shape[:-1], weights.shape[0]))


def gaussian_tips(positions: ArrayLike, tips: ArrayLike, width: float) -> sparse.csr_array:
    """The potential energy of every orbital under a tip of height 1, w_ta = exp(−|r_a − r_t|²/2σ²).

    Parameters
    ----------
    positions, tips : arrays, shapes (n_orbitals, d) and (n_tips, d)
        [Å].
    width : float
        σ [Å], positive.

    Returns
    -------
    sparse array, shape (n_tips, n_orbitals), real, cut off at 6 σ
    """
    orbitals, places = real_host(positions, "positions"), real_host(tips, "tips")
    if orbitals.ndim != 2 or places.ndim != 2 or orbitals.shape[1] != places.shape[1]:
        raise ShapeError(f"positions {orbitals.shape} and tips {places.shape} must be (n_orbitals, d) and (n_tips, d).")
    if not (isinstance(width, int | float) and 0 < width < math.inf):
        raise InputError(f"width={width!r} must be a positive number [Å].")
    near = KDTree(places).sparse_distance_matrix(KDTree(orbitals), REACH * width, output_type="coo_matrix")
    values = np.exp(-0.5 * (near.data / width) ** 2)
    return sparse.csr_array((values, (near.row, near.col)), shape=(len(places), len(orbitals)))
