"""The pullback of the self-consistent loop: one transposed solve at the solution, then the pullbacks of its parts.

    (1 + Nᵀ P) λ = φ̄,   q̄ = P λ,   n̄_a = −w_c q̄_i

Sources: docs/adjoints/self-consistent.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import rebuild, to_numpy, tree_map
from ..constants import BOLTZMANN
from ..data import Device
from ..errors import InputTypeError, ShapeError
from ..implicit import fixed_point_adjoint
from ..typing import Array, ArrayLike
from .energy_integral import real_host
from .potential import device_in_potential_vjp
from .self_consistent_problem import Linearisation, SelfConsistentProblem, beside
from .terminal_currents import TerminalCurrents

ADJOINT = 1e-9  # relative residual of the transposed solve


class SelfConsistentCotangent(NamedTuple):
    """Cotangents of all that went in; `bias` or `chemical_potentials` is None, whichever was not given.

    `device` is a `Device`, or for sectors a tuple of `Sector`, whose weights have cotangents too.
    """

    device: Any
    electrostatics: Any
    neutral: Array
    bias: float | None
    chemical_potentials: Array | None
    fermi_energy: float
    temperature: float
    krylov_products: int
    residual: float


def self_consistent_adjoint(
    problem: SelfConsistentProblem,
    phi: Any,
    populations: Any,
    currents: Sequence[TerminalCurrents],
    linearised: Linearisation | None,
) -> Callable[..., SelfConsistentCotangent]:
    """The pullback at a solution: cotangents of potential, charge, currents, devices → those of what went in.

    Parameters
    ----------
    phi : array, shape (n_sites,)
        φ [V] of the solution.
    populations : array, shape (n_orbitals,)
        Of all sectors.
    currents : sequence of TerminalCurrents
        Of every sector, counted once.
    linearised : Linearisation, optional
        At the solution; made when it is asked for where there is none.
    """
    kept = [] if linearised is None else [linearised]
    sectors, net_charge = problem.sectors, problem.net_charge(populations)

    def self_consistent_pullback(
        *,
        potential: ArrayLike | None = None,
        charge: ArrayLike | None = None,
        current: float | None = None,
        terminal_currents: ArrayLike | None = None,
        device: Any = None,
    ) -> SelfConsistentCotangent:
        n_sites = problem.electrostatics.n_sites
        phi_bar, q_bar = _given(potential, "potential", (n_sites,)), _given(charge, "charge", (n_sites,))
        current_bar = float(_given(current, "current", ()))
        currents_bar = _given(terminal_currents, "terminal_currents", (len(problem.mus),))
        device_bars = _of_sectors(problem, device)
        if not kept:
            kept.append(Linearisation(problem, phi))
        here = kept[0]
        u = problem.potential_energies(phi)
        shifted = [device_in_potential_vjp(s.device, x, problem.shifts)[1] for s, x in zip(sectors, u)]
        mu_bar, temperature_bar, weight_bars = host.zeros(len(problem.mus)), 0.0, host.zeros(len(sectors))

        # what the observables of the solution ask of φ, of the devices in their potential, of μ and T
        for c, (sector, own) in enumerate(zip(sectors, currents)):
            of_current = own.pullback(sector.weight * current_bar, sector.weight * currents_bar)
            if of_current.device is not None:
                device_bars[c] = _plus(device_bars[c], of_current.device)
            mu_bar += of_current.chemical_potentials
            temperature_bar += of_current.kt * BOLTZMANN
            weight_bars[c] += own.first_pair * current_bar + float(own.of_leads @ currents_bar)
        u_bars = [
            host.zeros(s.device.n_orbitals) if bar is None else to_numpy(pull(bar).potential_energy)
            for s, pull, bar in zip(sectors, shifted, device_bars)
        ]
        phi_bar = phi_bar - problem.of_sites(host.concat(u_bars))
        if host.any(q_bar != 0):  # n̄ = −q̄
            phi_bar = phi_bar - here.electrons_to_potential(q_bar)

        # (1 − J)ᵀ λ = φ̄ at the solution, then everything at λ
        adjoint = fixed_point_adjoint(
            lambda v: v - here.transposed(v), phi_bar, preconditioner=here.precondition_transposed, tolerance=ADJOINT
        )
        of_field = problem.electrostatics.potential_vjp(net_charge, -problem.shifts)[1](adjoint.x)
        q_bar = q_bar + to_numpy(of_field.charge)
        n_bars = problem.split(problem.electrons_transposed(-q_bar))
        of_weights = problem.split(-q_bar[problem.sites] * populations)
        shift_bar = -to_numpy(of_field.lead_voltages)  # V_k = −(μ_k − E_F)
        found = []
        for c, (sector, response) in enumerate(zip(sectors, here.responses)):
            of_charge = response.problem.pullback()(beside(sector.device, n_bars[c]))
            mu_bar = mu_bar + to_numpy(of_charge.chemical_potentials)
            temperature_bar += float(of_charge.temperature)
            of_device = shifted[c](_plus(device_bars[c], of_charge.device))
            shift_bar = shift_bar + host.asarray(of_device.lead_potential_energy)  # U_k = μ_k − E_F
            weight_bar = float(weight_bars[c] + host.sum(of_weights[c]))
            found.append(rebuild(sector, device=of_device.device, weight=weight_bar))

        mu_bar, fermi_bar, bias_bar = mu_bar + shift_bar, -float(host.sum(shift_bar)), None
        if problem.bias is not None:  # μ = E_F ± V/2
            fermi_bar += float(host.sum(mu_bar))
            bias_bar = 0.0 if len(mu_bar) < 2 else float(mu_bar[0] - mu_bar[1]) / 2
        return SelfConsistentCotangent(
            found[0].device if problem.is_one_device else tuple(found),
            of_field.electrostatics,
            q_bar,
            bias_bar,
            mu_bar if problem.bias is None else None,
            fermi_bar,
            temperature_bar,
            adjoint.n_products,
            adjoint.residual,
        )

    return self_consistent_pullback


def _of_sectors(problem: SelfConsistentProblem, device: Any) -> list[Device | None]:
    """The cotangent of every sector's device in its potential."""
    n_sectors = len(problem.sectors)
    if device is None:
        return [None] * n_sectors
    given = (device,) if problem.is_one_device else device
    if not isinstance(given, tuple | list):
        raise InputTypeError(f"the cotangent device is a {type(device).__name__}; give a list, one for every sector.")
    if len(given) != n_sectors:
        raise ShapeError(f"the cotangent device lists {len(given)} but there are {n_sectors} sectors; None is zero.")
    for one in given:
        if one is not None and not isinstance(one, Device):
            raise InputTypeError(
                f"the cotangent device has a {type(one).__name__}; give a Device, the `device` of an observable's "
                "cotangents."
            )
    return list(given)


def _plus(first: Device | None, second: Device) -> Device:
    if first is None:
        return second
    return tree_map(lambda x, y: x if y is None else x + y, first, second)  # type: ignore[no-any-return]


def _given(bar: Any, name: str, shape: tuple[int, ...]) -> Any:
    """A cotangent of the solution as a host array; zeros for None."""
    if bar is None:
        return host.zeros(shape)
    found = real_host(bar, f"cotangent {name}")
    if found.shape != shape:
        raise ShapeError(f"the cotangent {name} has shape {found.shape} but the solution's {name} has shape {shape}.")
    return found
