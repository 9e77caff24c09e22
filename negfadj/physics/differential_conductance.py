"""The differential conductance dI/dV of a device whose bias moves the chemical potentials alone, with its pullback.

    dI/dV = (2e²/h) [G(μ_s) + G(μ_d)]/2,   G(μ) = ∫ T(E) (−∂f/∂E) dE,   μ_s = E_F + eV/2,  μ_d = E_F − eV/2

The derivative of the Landauer current is a mean of two linear-response conductances, so that it costs no pullback of
the current, and its own gradient is one pullback of the conductance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import array_namespace
from ..constants import CURRENT_PER_EV
from ..data import Device
from ..errors import ShapeError
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .energy_integral import host_bar, real_host
from .linear_response import conductance, conductance_vjp


class DifferentialConductanceCotangent(NamedTuple):
    """Cotangents of `differential_conductance`: of the device, and of bias and temperature in their shapes."""

    device: Device
    bias: Array
    temperature: Array


def differential_conductance(
    device: Device,
    bias: ArrayLike,
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
    """Differential conductance: the slope of `current` by the bias.

        dI/dV = (2e²/h) [G(E_F + eV/2) + G(E_F − eV/2)]/2

    Parameters
    ----------
    device : Device
    bias : array or float, shape (n_biases,) or ()
        V [V], which moves the chemical potentials and nothing else, as in `current`; through the self-consistent loop
        it is `small_signal`.
    temperature : float
        T [K]; 0 is the sharp window.
    fermi_energy : float
        E_F [eV].
    The others and errors as `current`.

    Returns
    -------
    array, shape of `bias`, real [µA/V], both spins, on the device of the inputs

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning.
    ConvergenceError
        When a lead fails, or the integral needs more than `max_energies`.

    Sources
    -------
    Datta (1995), Eqs. (2.5.1) and (2.5.10).
    """
    shape, potentials = _chemical_potentials(bias, fermi_energy)
    found = conductance(
        device,
        potentials,
        temperature=temperature,
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
    return _mean_of_ends(found, shape)


def differential_conductance_vjp(
    device: Device,
    bias: ArrayLike,
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
) -> tuple[Array, Callable[..., DifferentialConductanceCotangent]]:
    """`differential_conductance` and its pullback.

    Parameters and errors as `differential_conductance`.

    Returns
    -------
    value : array [µA/V]
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `DifferentialConductanceCotangent(device, bias, temperature)`.

    Notes
    -----
    Ḡ(μ_s) = Ḡ(μ_d) = (2e²/h) v̄/2, then the pullback of `conductance`; V̄ = (μ̄_s − μ̄_d)/2.
    Kept for the pullback: as `conductance_vjp`.
    """
    shape, potentials = _chemical_potentials(bias, fermi_energy)
    found, pullback = conductance_vjp(
        device,
        potentials,
        temperature=temperature,
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

    def differential_conductance_pullback(value_bar: Array, /, *, wrt: Any = "all") -> DifferentialConductanceCotangent:
        bar = host_bar(value_bar, shape) * CURRENT_PER_EV / 2
        of_ends = pullback(host.concat([bar, bar]), wrt=wrt)
        xp = array_namespace(of_ends.chemical_potential)
        ends = xp.reshape(of_ends.chemical_potential, (2, *shape))
        bias_bar = (ends[0, ...] - ends[1, ...]) / 2
        return DifferentialConductanceCotangent(of_ends.device, bias_bar, of_ends.temperature)

    return _mean_of_ends(found, shape), differential_conductance_pullback


def _chemical_potentials(bias: ArrayLike, fermi_energy: float) -> tuple[tuple[int, ...], Any]:
    """The shape of the biases (M,) or (), and (2M,) chemical potentials [eV]: of all sources, then of all drains."""
    volts, fermi = real_host(bias, "bias"), real_host(fermi_energy, "fermi_energy")
    if volts.ndim > 1 or volts.size == 0:
        raise ShapeError(f"bias has shape {tuple(volts.shape)} but must be one number or one axis of them [V].")
    if fermi.ndim != 0:
        raise ShapeError(f"fermi_energy has shape {tuple(fermi.shape)} but must be one number [eV].")
    flat = host.reshape(volts, (-1,))
    return tuple(volts.shape), host.concat([fermi + flat / 2, fermi - flat / 2])


def _mean_of_ends(of_ends: Array, shape: tuple[int, ...]) -> Array:
    """(2e²/h)(G_s + G_d)/2 [µA/V]."""
    xp = array_namespace(of_ends)
    return CURRENT_PER_EV * xp.mean(xp.reshape(of_ends, (2, *shape)), axis=0)
