"""The transconductance of a device whose gate moves the energies of its orbitals rigidly.

    g_m = dI/dV_g = −Σ_a α_a ∂I/∂U_a,   U_a = −α_a V_g

One pullback of the current for any number of orbitals. The electrons do not answer to the gate here; through the
self-consistent loop it is `small_signal`. Derivation: docs/adjoints/energy-integrals.md, and docs/adjoints/charge.md
for the potential in a basis with overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, to_numpy
from ..data import Device
from ..errors import ShapeError
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .currents import current_vjp
from .energy_integral import real_host
from .potential import device_in_potential_vjp


def transconductance(
    device: Device,
    bias: ArrayLike,
    lever_arms: ArrayLike,
    *,
    temperature: float,
    fermi_energy: float = 0.0,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
    rtol: float = 1e-7,
    max_energies: int = 100_000,
    breaks: Sequence[float] = (),
) -> Array:
    """Transconductance of a rigid gate: the slope of `current` by the voltage of a gate.

        g_m = −Σ_a α_a ∂I/∂U_a

    Parameters
    ----------
    device : Device
    bias : array or float, shape (n_biases,) or ()
        V [V], as in `current`.
    lever_arms : array, shape (n_orbitals,), real or boolean
        α_a: by how much of the gate's voltage the potential at orbital a moves; a mask is 1 on the gated orbitals.
    temperature : float
        T [K].
    fermi_energy : float
        E_F [eV].
    The others and errors as `current`.

    Returns
    -------
    array, shape of `bias`, real [µA/V], both spins, on the device of the inputs
        Positive where a positive gate, which lowers the energies of electrons, raises the current.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning.
    ConvergenceError
        When a lead fails, or the integral needs more than `max_energies`.

    Sources
    -------
    Datta (2005), Quantum Transport: Atom to Transistor, Sec. 1.3, for the lever arm.
    """
    arms = _checked_arms(lever_arms, device)
    value, pullback = current_vjp(
        device,
        bias,
        temperature=temperature,
        fermi_energy=fermi_energy,
        source=source,
        drain=drain,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        backend=backend,
        memory_limit=memory_limit,
        rtol=rtol,
        max_energies=max_energies,
        breaks=breaks,
    )
    slopes = []
    for unit in host.eye(max(1, value.size)):  # the pullback sums over biases, which share the nodes
        if device.overlap is None:
            entries: Any = pullback(host.reshape(unit, value.shape), wrt="onsite").device.hamiltonian
            by_energy = entries.onsite
        else:
            bar = pullback(host.reshape(unit, value.shape)).device
            by_energy = _pull_to_orbitals(device, bar)
        slopes.append(-float(arms @ to_numpy(by_energy)))
    xp = array_namespace(value)
    return xp.asarray(host.reshape(host.asarray(slopes), value.shape), device=device_of(value))


def _checked_arms(lever_arms: ArrayLike, device: Device) -> Any:
    values = to_numpy(lever_arms) if hasattr(lever_arms, "dtype") else host.asarray(lever_arms)
    arms = real_host(host.astype(values, host.float64) if values.dtype == host.bool else values, "lever_arms")
    if arms.shape != (device.n_orbitals,):
        raise ShapeError(f"lever_arms has shape {tuple(arms.shape)} but the device has {device.n_orbitals} orbitals.")
    return arms


def _pull_to_orbitals(device: Device, bar: Device) -> Array:
    """∂I/∂U_a where U enters H off the diagonal too, with the overlap."""
    xp = array_namespace(device.hamiltonian.diagonal[0])
    nothing = xp.zeros(device.n_orbitals, dtype=xp.float64, device=device_of(device.hamiltonian.diagonal[0]))
    _, pull = device_in_potential_vjp(device, nothing, [0.0] * len(device.leads))
    return pull(bar).potential_energy
