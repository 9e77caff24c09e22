"""The Landauer current of a device, with its pullback.

    I = (2e/h) ∫ T(E) [f(E − μ_s) − f(E − μ_d)] dE

Derivation: docs/adjoints/energy-integrals.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..constants import BOLTZMANN, CURRENT_PER_EV
from ..data import Device
from ..errors import InputError, ShapeError
from ..primitives.occupation import bias_window, occupation
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .energy_integral import EnergyIntegral, EnergyProblem, energy_problem, host_bar, pull_nodes, real_host
from .transport import transmission, transmission_vjp


class CurrentCotangent(NamedTuple):
    """Cotangents of `current`: of the device, and of the real arguments in the shapes they were given."""

    device: Device
    bias: Array | None
    temperature: Array
    chemical_potentials: Array | None


def current(
    device: Device,
    bias: ArrayLike | None,
    *,
    temperature: float,
    chemical_potentials: Sequence[float] | None = None,
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
    """Landauer current from lead `source` into lead `drain`.

        I = (2e/h) ∫ T(E) [f(E − μ_s) − f(E − μ_d)] dE,   μ_s = E_F + eV/2,  μ_d = E_F − eV/2

    Parameters
    ----------
    device : Device
    bias : array or float, shape (n_biases,) or (), or None
        V [V]; several biases share the transmissions. Not used, and may be None, when `chemical_potentials` are given.
    temperature : float
        T [K]; 0 is the sharp window.
    chemical_potentials : sequence of float, optional
        (μ_s, μ_d) [eV] of source and drain.
    fermi_energy : float
        E_F [eV].
    rtol : float
        Error of the integral relative to the integral of |T (f_s − f_d)|.
    max_energies : int
        T is asked for at no more energies than this.
    breaks : sequence of float
        Energies [eV] where T varies sharply, as at known narrow resonances: ends of the first intervals.
    The others as `transmission`. The bias moves the chemical potentials only; a lead's own `potential_energy` and the
    potential in the device are the caller's, or those of a self-consistent solution.

    Returns
    -------
    array, shape of `bias`, real [µA], both spins, on the device of the inputs
        Positive when electrons of the source have the higher chemical potential.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning, such as a negative temperature.
    ConvergenceError
        When a lead fails, or the integral needs more than `max_energies`.

    Sources
    -------
    Landauer, IBM J. Res. Dev. 1, 223 (1957); Datta (1995), Eq. (2.5.1).
    """
    problem = energy_problem(
        device,
        temperature,
        source,
        drain,
        eta,
        device_eta,
        lead_method,
        backend,
        memory_limit,
        rtol,
        max_energies,
        breaks,
    )
    potentials = _Potentials.of(bias, chemical_potentials, fermi_energy)
    return problem.out(_current(problem, potentials)[0])


def current_vjp(
    device: Device,
    bias: ArrayLike | None,
    *,
    temperature: float,
    chemical_potentials: Sequence[float] | None = None,
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
) -> tuple[Array, Callable[..., CurrentCotangent]]:
    """`current` and its pullback.

    Parameters and errors as `current`.

    Returns
    -------
    value : array [µA]
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `CurrentCotangent(device, bias, temperature, chemical_potentials)`.

    Notes
    -----
    T̄(E_k) = (2e/h) w_k Σ_V Ī [f_s − f_d](E_k); ∂I/∂μ and ∂I/∂T from the same T(E_k). The nodes move with the leads'
    band edges, so that steps of T at η = 0 have their share (docs/adjoints/energy-integrals.md).
    Kept for the pullback: the nodes and T there. The pullback does one forward and backward pass over the nodes.
    """
    problem = energy_problem(
        device,
        temperature,
        source,
        drain,
        eta,
        device_eta,
        lead_method,
        backend,
        memory_limit,
        rtol,
        max_energies,
        breaks,
    )
    potentials = _Potentials.of(bias, chemical_potentials, fermi_energy)
    value, integral = _current(problem, potentials, with_slopes=problem.kt > 0)

    def current_pullback(value_bar: Array, /, *, wrt: Any = "all") -> CurrentCotangent:
        bar = host_bar(value_bar, potentials.shape) * CURRENT_PER_EV
        mu_s, mu_d = potentials.source, potentials.drain
        f_s, f_d = (occupation(integral.energies, mu, problem.kt) for mu in (mu_s, mu_d))
        t_bar = integral.weights * (bias_window(integral.energies, mu_s, mu_d, problem.kt) @ bar)
        slope = (f_d.d_mu - f_s.d_mu) @ bar  # ∂f/∂E = −∂f/∂μ
        device_bar = pull_nodes(problem, transmission_vjp, integral, t_bar, slope, wrt)
        weighted = integral.weights * integral.values
        if problem.kt == 0:  # the window's ends move: dI/dμ_s = T(μ_s), dI/dμ_d = −T(μ_d)
            mu_s_bar = bar * problem.at(transmission, mu_s)
            mu_d_bar = -bar * problem.at(transmission, mu_d)
        else:
            mu_s_bar, mu_d_bar = bar * (weighted @ f_s.d_mu), -bar * (weighted @ f_d.d_mu)
        kt_bar = float(bar @ (weighted @ (f_s.d_kt - f_d.d_kt)))
        return CurrentCotangent(
            device_bar,
            None if potentials.given else problem.out(host.reshape((mu_s_bar - mu_d_bar) / 2, potentials.shape)),
            problem.out(host.asarray(kt_bar * BOLTZMANN)),
            problem.out(host.asarray([mu_s_bar[0], mu_d_bar[0]])) if potentials.given else None,
        )

    return problem.out(value), current_pullback


@dataclass(frozen=True, eq=False)
class _Potentials:
    """μ of source and drain for every bias, host arrays (M,); `given` when the caller gave them."""

    source: Any
    drain: Any
    shape: tuple[int, ...]
    given: bool

    @classmethod
    def of(cls, bias: Any, chemical_potentials: Any, fermi_energy: Any) -> _Potentials:
        if chemical_potentials is not None:
            mus = real_host(chemical_potentials, "chemical_potentials")
            if mus.shape != (2,):
                raise ShapeError(f"chemical_potentials has shape {mus.shape} but must be (μ_source, μ_drain) [eV].")
            return cls(mus[:1], mus[1:], (), True)
        if bias is None:
            raise InputError("bias is None and no chemical_potentials are given; give one of them.")
        volts = real_host(bias, "bias")
        if volts.ndim > 1:
            raise ShapeError(f"bias has shape {volts.shape} but must be one number or one axis of them [V].")
        if volts.size == 0:
            raise ShapeError("bias is empty; give at least one [V].")
        fermi = real_host(fermi_energy, "fermi_energy")
        if fermi.ndim != 0:
            raise ShapeError(f"fermi_energy has shape {fermi.shape} but must be one number [eV].")
        centre = float(fermi)
        flat = host.reshape(volts, (-1,))
        return cls(centre + flat / 2, centre - flat / 2, tuple(volts.shape), False)


def _current(
    problem: EnergyProblem, potentials: _Potentials, *, with_slopes: bool = False
) -> tuple[Any, EnergyIntegral]:
    """I (M,) and the nodes; `with_slopes` they serve ∂I/∂μ as well: without a bias I is zero on any nodes."""
    mus, sizes = host.concat([potentials.source, potentials.drain]), host.abs(potentials.source - potentials.drain)

    def window(energies: Any) -> Any:
        of_current = bias_window(energies, potentials.source, potentials.drain, problem.kt)
        if not with_slopes:
            return of_current
        return host.concat([of_current, problem.kt * occupation(energies, mus, problem.kt).d_mu], axis=1)

    if with_slopes:
        sizes = host.concat([sizes, host.full(mus.shape[0], problem.kt)])
    integral = problem.integral(transmission, window, mus, sizes)
    n_biases = potentials.source.shape[0]
    return host.reshape(CURRENT_PER_EV * integral.integrals[:n_biases], potentials.shape), integral
