"""Linear response at temperature T: Onsager moments of the transmission, and the coefficients made of them.

    L_n(μ) = ∫ T(E) (E − μ)^n (−∂f/∂E) dE
    G = L_0,   S = −L_1/(e T L_0),   κ = (2/hT)(L_2 − L_1²/L_0),   N = ∫ Σ_n T_n(1 − T_n) (−∂f/∂E) dE

Each coefficient is a small function of moments with its partial derivatives beside it; the moments' pullback is that of
the energy integral. Sources: Sivan and Imry, Phys. Rev. B 33, 551 (1986), Eqs. (9)–(14);
docs/adjoints/energy-integrals.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..constants import BOLTZMANN, THERMAL_CONDUCTANCE_PER_EV2_PER_K
from ..data import Device
from ..errors import InputError, ShapeError
from ..primitives.occupation import thermal_moment
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .energy_integral import (
    NEAR_MU,
    EnergyIntegral,
    EnergyProblem,
    energy_problem,
    host_bar,
    pull_nodes,
    real_host,
)
from .quadrature import NOTHING
from .transport import shot_noise_factor, shot_noise_factor_vjp, transmission, transmission_vjp

REACH = 300.0  # kT: the window of a small conductance goes so much further than TAIL
FURTHEST = REACH + NEAR_MU[-1]  # kT: a break of the quadrature; s(x) is 1e-143 there
LEAST = 1e-280
SIZES = (1.0, 2 * math.log(2), math.pi**2 / 3)  # ∫ |x|^n s(x) dx


class LinearResponseCotangent(NamedTuple):
    """Cotangents of a linear-response coefficient: of the device, μ and T."""

    device: Device
    chemical_potential: Array
    temperature: Array


@dataclass(frozen=True)
class _Coefficient:
    """A response coefficient: which moments it needs, of what, and how it is made of them.

    `combine(moments (K, M), temperature) → value (M,), d/d moments (K, M), d/d temperature (M,)`.
    """

    name: str
    orders: tuple[int, ...]
    combine: Callable[[Any, float], tuple[Any, Any, Any]]
    zero_temperature: Callable[[Any], Any]
    function: Callable[..., Array]
    function_vjp: Callable[..., Any]
    nothing: float = NOTHING
    is_zero_without_conductance: bool = True


def conductance(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
    """Linear-response conductance between two leads.

        G(μ, T) = ∫ T(E) (−∂f/∂E) dE

    Parameters
    ----------
    device : Device
    chemical_potential : array or float, shape (n_potentials,) or ()
        μ [eV]; several share the transmissions.
    temperature : float
        T [K]; 0 takes the limit.
    The others, errors and the way of integration as `current`.

    Returns
    -------
    array, shape of `chemical_potential`, real [2e²/h], on the device of the inputs
        T(μ) at zero temperature.

    Sources
    -------
    Datta (1995), Eq. (2.5.10).
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
    return problem.out(_response(problem, chemical_potential, _CONDUCTANCE)[0])


def conductance_vjp(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
) -> tuple[Array, Callable[..., LinearResponseCotangent]]:
    """`conductance` and its pullback.

    Parameters and errors as `conductance`.

    Returns
    -------
    value : array
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `LinearResponseCotangent(device, chemical_potential, temperature)`.

    Notes
    -----
    T̄(E_k) = w_k Σ_μ Ḡ (−∂f/∂E)(E_k).
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
    return _response_vjp(problem, chemical_potential, _CONDUCTANCE)


def seebeck(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
    """Seebeck coefficient (thermopower) between two leads.

        S(μ, T) = −L_1/(e T L_0)

    Parameters
    ----------
    device : Device
    chemical_potential : array or float, shape (n_potentials,) or ()
        μ [eV]; several share the transmissions.
    temperature : float
        T [K]; 0 takes the limit.
    The others, errors and the way of integration as `current`.

    Returns
    -------
    array, shape of `chemical_potential`, real [V/K], on the device of the inputs
        Negative for electrons; 0 at zero temperature. In the low-temperature limit S = −(π²k²T/3e) d ln T/dE (Mott).

    Raises
    ------
    InputError
        Where the conductance is exactly zero: no channel is open within 330 kT of μ. One below 1e-22/rtol, which the
        integral resolves no more to `rtol`, is integrated again over that wider window, relative to itself.

    Sources
    -------
    Sivan and Imry (1986), Eq. (12); Cutler and Mott, Phys. Rev. 181, 1336 (1969).
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
    return problem.out(_response(problem, chemical_potential, _SEEBECK)[0])


def seebeck_vjp(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
) -> tuple[Array, Callable[..., LinearResponseCotangent]]:
    """`seebeck` and its pullback.

    Parameters and errors as `seebeck`.

    Returns
    -------
    value : array
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `LinearResponseCotangent(device, chemical_potential, temperature)`.

    Notes
    -----
    L̄_0 = S̄ L_1/(T L_0²), L̄_1 = −S̄/(T L_0), then T̄(E_k) = w_k Σ_n L̄_n (E_k − μ)^n (−∂f/∂E)(E_k).
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
    return _response_vjp(problem, chemical_potential, _SEEBECK)


def thermal_conductance(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
    """Electronic thermal conductance between two leads at zero electric current.

        κ(μ, T) = (2/hT)(L_2 − L_1²/L_0)

    Parameters
    ----------
    device : Device
    chemical_potential : array or float, shape (n_potentials,) or ()
        μ [eV]; several share the transmissions.
    temperature : float
        T [K]; 0 takes the limit.
    The others, errors and the way of integration as `current`.

    Returns
    -------
    array, shape of `chemical_potential`, real [pW/K], both spins, on the device of the inputs
        Twice π²k²T/3h = 0.946 pW/K² · T for one open channel of each spin; 0 at zero temperature, and where no
        channel is open within 330 kT of μ. Small conductances are integrated as in `seebeck`.

    Sources
    -------
    Sivan and Imry (1986), Eq. (14).
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
    return problem.out(_response(problem, chemical_potential, _THERMAL_CONDUCTANCE)[0])


def thermal_conductance_vjp(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
) -> tuple[Array, Callable[..., LinearResponseCotangent]]:
    """`thermal_conductance` and its pullback.

    Parameters and errors as `thermal_conductance`.

    Returns
    -------
    value : array
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `LinearResponseCotangent(device, chemical_potential, temperature)`.

    Notes
    -----
    L̄_n from the quotient, then T̄(E_k) = w_k Σ_n L̄_n (E_k − μ)^n (−∂f/∂E)(E_k).
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
    return _response_vjp(problem, chemical_potential, _THERMAL_CONDUCTANCE)


def shot_noise(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
    """Thermally averaged partition noise between two leads.

        N(μ, T) = ∫ Σ_n T_n(1 − T_n) (−∂f/∂E) dE

    Parameters
    ----------
    device : Device
    chemical_potential : array or float, shape (n_potentials,) or ()
        μ [eV]; several share the transmissions.
    temperature : float
        T [K]; 0 takes the limit.
    The others, errors and the way of integration as `current`.

    Returns
    -------
    array, shape of `chemical_potential`, real, per spin, on the device of the inputs
        Σ_n T_n(1 − T_n) at μ at zero temperature; the noise power there is 2e · (2e²/h) V · N, the Fano factor N/G.

    Sources
    -------
    Büttiker, Phys. Rev. Lett. 65, 2901 (1990), Eq. (8); Blanter and Büttiker, Phys. Rep. 336, 1 (2000), Eq. (61).
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
    return problem.out(_response(problem, chemical_potential, _SHOT_NOISE)[0])


def shot_noise_vjp(
    device: Device,
    chemical_potential: ArrayLike,
    *,
    temperature: float,
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
) -> tuple[Array, Callable[..., LinearResponseCotangent]]:
    """`shot_noise` and its pullback.

    Parameters and errors as `shot_noise`.

    Returns
    -------
    value : array
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `LinearResponseCotangent(device, chemical_potential, temperature)`.

    Notes
    -----
    N̄(E_k) = w_k Σ_μ N̄ (−∂f/∂E)(E_k), pulled back through Σ_n T_n(1 − T_n).
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
    return _response_vjp(problem, chemical_potential, _SHOT_NOISE)


def _response(problem: EnergyProblem, chemical_potential: Any, coefficient: _Coefficient) -> tuple[Any, ...]:
    """(value, moments (K, M), integral, μ (M,), shape); moments and integral None at zero temperature."""
    mus = real_host(chemical_potential, "chemical_potential")
    if mus.ndim > 1:
        raise ShapeError(f"chemical_potential has shape {mus.shape} but must be one number or one axis of them [eV].")
    if mus.size == 0:
        raise ShapeError("chemical_potential is empty; give at least one [eV].")
    shape, flat = tuple(mus.shape), host.reshape(mus, (-1,))
    if problem.kt == 0:
        value = coefficient.zero_temperature(lambda: problem.at(coefficient.function, flat))
        return host.reshape(value * host.ones_like(flat), shape), None, None, flat, shape

    def weights(energies: Any) -> Any:
        return host.concat([thermal_moment(energies, flat, problem.kt, n).value for n in coefficient.orders], axis=1)

    sizes = host.concat([host.full(flat.shape, SIZES[n] * problem.kt**n) for n in coefficient.orders])
    integral = problem.integral(coefficient.function, weights, flat, sizes, coefficient.nothing)
    moments = host.reshape(integral.integrals, (len(coefficient.orders), -1))
    # the integral is right to NOTHING, not to rtol, where it is small; a quotient of such moments would be neither
    if len(coefficient.orders) > 1 and host.any(moments[0] < NOTHING / problem.rtol):
        integral = _small(problem, coefficient, weights, flat, sizes)
        moments = host.reshape(integral.integrals, (len(coefficient.orders), -1))
    if not coefficient.is_zero_without_conductance and host.any(moments[0] <= 0):
        worst = int(host.argmin(moments[0]))
        raise InputError(
            f"the conductance is zero at chemical_potential = {float(flat[worst]):.6g} eV and "
            f"{problem.temperature:.6g} K: no channel is open within {FURTHEST:.0f} kT of it, so that the "
            f"{coefficient.name} is not defined; move the chemical potential towards a band, or raise the temperature."
        )
    value, _, _ = coefficient.combine(moments, problem.temperature)
    return host.reshape(value, shape), moments, integral, flat, shape


def _small(problem: EnergyProblem, coefficient: _Coefficient, weights: Any, mus: Any, sizes: Any) -> EnergyIntegral:
    """The moments to rtol of a conductance, however small: over a wider window, L_0 first, which the others scale with.

        |δL_n| ≤ rtol L_0 ∫ |E − μ|^n (−∂f/∂E) dE
    """
    wide = host.concat([mus - REACH * problem.kt, mus, mus + REACH * problem.kt])

    def near(energies: Any) -> Any:  # further away s(x) is no more than its smallest number
        return host.abs(energies[:, None] - mus[None, :]) <= FURTHEST * problem.kt

    def window(energies: Any) -> Any:
        return thermal_moment(energies, mus, problem.kt, 0).value * near(energies)

    def all_weights(energies: Any) -> Any:
        return weights(energies) * host.concat([near(energies) for _ in coefficient.orders], axis=1)

    zeroth = problem.integral(coefficient.function, window, wide, host.ones_like(mus), LEAST).integrals
    conductances = host.concat([host.abs(zeroth) for _ in coefficient.orders])
    return problem.integral(coefficient.function, all_weights, wide, sizes * (problem.rtol * conductances + LEAST), 1.0)


def _response_vjp(
    problem: EnergyProblem, chemical_potential: Any, coefficient: _Coefficient
) -> tuple[Array, Callable[..., LinearResponseCotangent]]:
    value, moments, integral, mus, shape = _response(problem, chemical_potential, coefficient)

    def response_pullback(value_bar: Array, /, *, wrt: Any = "all") -> LinearResponseCotangent:
        bar = host_bar(value_bar, shape)
        if integral is None:
            return _sharp(problem, coefficient, mus, bar, shape, wrt)
        _, d_moments, d_temperature = coefficient.combine(moments, problem.temperature)
        kernels = [thermal_moment(integral.energies, mus, problem.kt, n) for n in coefficient.orders]
        moment_bars = [bar * d for d in d_moments]
        t_bar = integral.weights * sum(k.value @ m for k, m in zip(kernels, moment_bars))
        share = host.abs(t_bar * integral.values)  # in a gap T = dT = 0 beside T̄ far above that of the bands
        t_bar = host.where(share > 1e-18 * host.max(share), t_bar, 0.0)
        slope = -sum(k.d_mu @ m for k, m in zip(kernels, moment_bars))  # a function of E − μ
        device_bar = pull_nodes(problem, coefficient.function_vjp, integral, t_bar, slope, wrt)
        weighted = integral.weights * integral.values
        mu_bar = sum(m * (weighted @ k.d_mu) for k, m in zip(kernels, moment_bars))
        kt_bar = sum(float(m @ (weighted @ k.d_kt)) for k, m in zip(kernels, moment_bars))
        temperature_bar = BOLTZMANN * kt_bar + float(bar @ d_temperature)
        return LinearResponseCotangent(
            device_bar, problem.out(host.reshape(mu_bar, shape)), problem.out(host.asarray(temperature_bar))
        )

    return problem.out(value), response_pullback


def _sharp(
    problem: EnergyProblem, coefficient: _Coefficient, mus: Any, bar: Any, shape: tuple[int, ...], wrt: Any
) -> LinearResponseCotangent:
    """The pullback at zero temperature: T or the noise factor at μ itself, or zero for what vanishes with T."""
    scale = float(coefficient.zero_temperature(lambda: 1.0))
    _, pullback = coefficient.function_vjp(problem.device, problem.moved(mus), **problem.options)
    found = pullback(problem.moved(scale * bar), wrt=wrt)
    energies = found.energies if found.energies is not None else pullback(problem.moved(scale * bar)).energies
    mu_bar = problem.out(host.reshape(problem.host(energies), shape))
    return LinearResponseCotangent(problem.back(found.device), mu_bar, problem.out(host.asarray(0.0)))


def _combine_one(moments: Any, temperature: float) -> tuple[Any, Any, Any]:
    return moments[0], host.ones_like(moments), host.zeros_like(moments[0])


def _combine_seebeck(moments: Any, temperature: float) -> tuple[Any, Any, Any]:
    zeroth, first = moments
    value = -first / (temperature * zeroth)
    return value, host.stack([-value / zeroth, -1 / (temperature * zeroth)]), -value / temperature


def _combine_thermal(moments: Any, temperature: float) -> tuple[Any, Any, Any]:
    zeroth, first, second = moments
    factor = THERMAL_CONDUCTANCE_PER_EV2_PER_K / temperature
    ratio = first / host.where(zeroth > 0, zeroth, 1.0) * (zeroth > 0)  # κ is between 0 and that of L_2 alone
    value = factor * (second - first * ratio)
    d_moments = factor * host.stack([ratio**2, -2 * ratio, host.ones_like(ratio)])
    return value, d_moments, -value / temperature


_TRANSMISSION = (transmission, transmission_vjp)
_CONDUCTANCE = _Coefficient("conductance", (0,), _combine_one, lambda at_mu: at_mu(), *_TRANSMISSION)
_SEEBECK = _Coefficient(
    "Seebeck coefficient",
    (0, 1),
    _combine_seebeck,
    lambda at_mu: 0.0,
    *_TRANSMISSION,
    is_zero_without_conductance=False,
)
_THERMAL_CONDUCTANCE = _Coefficient(
    "thermal conductance", (0, 1, 2), _combine_thermal, lambda at_mu: 0.0, *_TRANSMISSION
)
_SHOT_NOISE = _Coefficient(
    "shot noise", (0,), _combine_one, lambda at_mu: at_mu(), shot_noise_factor, shot_noise_factor_vjp, nothing=1e-13
)
