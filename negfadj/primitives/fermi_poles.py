"""The Fermi function as a sum over few complex energies, which turns the equilibrium density matrix into one.

    f(E) ≈ c + Σ_p [R_p/(z_p − E) + c.c.],     z_p = μ + kT ζ_p,   R_p = kT ρ_p,   Im z_p > 0          (forward)
    D = ∫ f(E) A(E) dE ≈ c S⁻¹ + Σ_p [R_p G(z_p) + h.c.],     A = i(G − G†)/2π
    dz_p = dμ + ζ_p dkT,   dR_p = ρ_p dkT                                                              (tangent)
    μ̄ = Re Σ_p z̄_p,   k̄T = Re Σ_p (ζ_p* z̄_p + ρ_p* R̄_p)                                                (pullback)

G is the retarded function and is asked for in the upper half plane only, where G(z) = ∫ A(E)/(z − E) dE with leads of
any kind; the conjugate partners are its Hermitian conjugates. A ≥ 0, so |f − r| ≤ e on the spectrum gives
−e S⁻¹ ≤ δD ≤ e S⁻¹: no occupation of any state is wrong by more than e. ζ and ρ depend on (μ − E_min)/kT through the
number of poles alone, so the derivatives are those of the sum as it is computed.

Derivation: docs/adjoints/fermi-poles.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import STATIC, array_namespace, as_real_like, complex_dtype, device_of, is_array, rebuild, to_numpy
from ..errors import InputError, InputTypeError
from ..typing import Array
from .fermi_minimax import fermi_minimax


@dataclass(frozen=True, eq=False)
class FermiPoles:
    """Complex energies with weights whose sum is the Fermi function; a cotangent has its `nodes` and `weights`.

    Attributes
    ----------
    nodes : array, shape (P,), complex
        z_p [eV], all with Im z_p > 0.
    weights : array, shape (P,), complex
        R_p [eV].
    scaled_nodes, scaled_weights : array, shape (P,), complex
        ζ_p and ρ_p: the derivatives of z_p and R_p to kT; that of z_p to μ is 1.
    constant : float
        c; it multiplies S⁻¹ in the density matrix. 0 for `fermi_poles`.
    lowest, highest : float
        The energies [eV] between which `error` holds.
    error : float
        max |f − r| there.
    """

    nodes: Array
    weights: Array
    scaled_nodes: Array = field(metadata=STATIC)
    scaled_weights: Array = field(metadata=STATIC)
    constant: float = field(metadata=STATIC)
    lowest: float = field(metadata=STATIC)
    highest: float = field(metadata=STATIC)
    error: float = field(metadata=STATIC)


class FermiPolesCotangent(NamedTuple):
    """Cotangents of the chemical potential and of kT."""

    chemical_potential: Any
    kt: Any


def fermi_poles(
    chemical_potential: Any, kt: Any, /, *, lowest: float, error: float = 1e-8, like: Array | None = None
) -> FermiPoles:
    """The fewest poles whose sum is the Fermi function to `error` at every energy above `lowest`, up to infinity.

        f(E) ≈ Σ_p [R_p/(z_p − E) + c.c.]

    The best rational approximation of this kind there is; it decays, so that no constant remains. About
    log((μ − E_min)/kT) log(2/e)/π² poles: 14 at 300 K and 25 at 1 K for a spectrum that begins 30 eV below μ and
    e = 1e-8. Below `lowest` r falls from 1 to 0 without leaving (0, 1 + e).

    Parameters
    ----------
    chemical_potential : float
        μ [eV].
    kt : float
        kT > 0 [eV].
    lowest : float
        E_min [eV]: no state of the device or of a lead lies below. Not differentiable: r depends on it through the
        number of poles alone, and where that changes r changes by at most twice `error`.
    error : float
        e, from 1e-10 to 1e-2.
    like : array, optional
        The nodes come in this array's library and precision, on its device; NumPy and complex128 by default.

    Returns
    -------
    FermiPoles
        P nodes and weights [eV], sorted as the poles are from μ outwards.

    Raises
    ------
    InputError
        For kT ≤ 0, an error out of bounds, numbers that are not finite, or μ more than 1e9 kT above `lowest`.

    Sources
    -------
    J. E. Moussa, J. Chem. Phys. 145, 164108 (2016); the nodes are computed, see `fermi_minimax`.
    """
    mu, temperature, bottom = checked_levels(chemical_potential, kt, lowest)
    minimax = fermi_minimax((mu - bottom) / temperature, _number(error, "error"))
    return place(
        minimax.nodes,
        minimax.weights,
        0.0,
        mu,
        temperature,
        lowest=mu - minimax.reach * temperature,
        highest=math.inf,
        error=minimax.error,
        like=like,
    )


def fermi_poles_vjp(
    chemical_potential: Any, kt: Any, /, *, lowest: float, error: float = 1e-8, like: Array | None = None
) -> tuple[FermiPoles, Callable[[FermiPoles], FermiPolesCotangent]]:
    """`fermi_poles` and its pullback, for the same arguments.

        μ̄ = Re Σ_p z̄_p,   k̄T = Re Σ_p (ζ_p* z̄_p + ρ_p* R̄_p)

    ``pullback(bar)`` takes a `FermiPoles` with the cotangents in `nodes` and `weights`, either of them None for zero
    (`fermi_poles_bar` makes one). Kept for the pullback: 64 P bytes.
    """
    poles = fermi_poles(chemical_potential, kt, lowest=lowest, error=error, like=like)

    def fermi_poles_pullback(bar: FermiPoles) -> FermiPolesCotangent:
        mu_bar, kt_bar = 0.0, 0.0
        if bar.nodes is not None:  # <z̄, dμ + ζ dkT>
            xp = array_namespace(bar.nodes)
            mu_bar += float(xp.sum(xp.real(bar.nodes)))
            kt_bar += float(xp.sum(xp.real(xp.conj(poles.scaled_nodes) * bar.nodes)))
        if bar.weights is not None:  # <R̄, ρ dkT>
            xp = array_namespace(bar.weights)
            kt_bar += float(xp.sum(xp.real(xp.conj(poles.scaled_weights) * bar.weights)))
        return FermiPolesCotangent(_as_given(mu_bar, chemical_potential), _as_given(kt_bar, kt))

    return poles, fermi_poles_pullback


def fermi_poles_bar(poles: FermiPoles, /, *, nodes: Array | None = None, weights: Array | None = None) -> FermiPoles:
    """The cotangent of `poles` with these cotangents of its nodes (P,) and weights (P,); None is an exact zero."""
    cotangent: FermiPoles = rebuild(poles, nodes=nodes, weights=weights)
    return cotangent


def fermi_poles_tangent(poles: FermiPoles, d_chemical_potential: float, d_kt: float, /) -> FermiPoles:
    """dz_p = dμ + ζ_p dkT and dR_p = ρ_p dkT, as `nodes` and `weights` of a `FermiPoles`."""
    tangent: FermiPoles = rebuild(
        poles, nodes=d_chemical_potential + poles.scaled_nodes * d_kt, weights=poles.scaled_weights * d_kt
    )
    return tangent


def pole_sum(poles: FermiPoles, energies: Array, /) -> Array:
    """r(E) = c + Σ_p [R_p/(z_p − E) + c.c.] at real energies (E,) [eV]: (E,)."""
    xp = array_namespace(energies, poles.nodes)
    terms = poles.weights[None, :] / (poles.nodes[None, :] - energies[:, None])  # (E, P)
    return poles.constant + 2 * xp.sum(xp.real(terms), axis=1)


def place(
    scaled_nodes: Any,
    scaled_weights: Any,
    constant: float,
    chemical_potential: float,
    kt: float,
    /,
    *,
    lowest: float,
    highest: float,
    error: float,
    like: Array | None,
) -> FermiPoles:
    """`FermiPoles` at μ and kT [eV] from ζ and ρ (P,) on the host, in the library of `like`."""
    zeta, rho = host.asarray(scaled_nodes, copy=True), host.asarray(scaled_weights, copy=True)
    nodes, weights = chemical_potential + kt * zeta, kt * rho
    if like is not None:
        if not is_array(like):
            raise InputTypeError(f"like={like!r} must be an array, whose library and device are taken, or None.")
        xp, dtype, device = array_namespace(like), complex_dtype(like), device_of(like)
        nodes, weights, zeta, rho = (xp.asarray(v, dtype=dtype, device=device) for v in (nodes, weights, zeta, rho))
    return FermiPoles(nodes, weights, zeta, rho, constant, lowest, highest, error)


def checked_levels(chemical_potential: Any, kt: Any, lowest: Any, /) -> tuple[float, float, float]:
    """μ, kT and E_min [eV] as floats.

    Raises
    ------
    InputError
        Unless all are finite and kT > 0.
    """
    mu, temperature = _number(chemical_potential, "chemical_potential"), _number(kt, "kt")
    if temperature <= 0:
        raise InputError(
            f"kt={temperature:g} eV must be positive: at zero temperature the Fermi function is a step, which no "
            "finite number of poles follows; take 1 K, kt = 8.617e-05 eV, or the lowest temperature of interest."
        )
    return mu, temperature, _number(lowest, "lowest")


def _number(x: Any, name: str) -> float:
    value = to_numpy(x) if is_array(x) else x
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name}={x!r} must be one real number.") from error
    if isinstance(x, str) or not math.isfinite(number):
        raise InputError(f"{name}={x!r} must be one finite number.")
    return number


def _as_given(cotangent: float, primal: Any) -> Any:
    """A float for a number, an array without axes for one."""
    if not is_array(primal):
        return cotangent
    xp = array_namespace(primal)
    return as_real_like(xp.asarray(cotangent, device=device_of(primal)), primal)
