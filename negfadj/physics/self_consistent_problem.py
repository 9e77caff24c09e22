"""The checked arguments of a self-consistent calculation, and the maps between its potential, charge and device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, to_numpy
from ..constants import BOLTZMANN
from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import InputError, InputTypeError, ShapeError
from ..implicit import gmres
from ..typing import Array, LeadMethod
from .charge import ChargeProblem, charge_problem
from .charge_response import ChargeResponse
from .energy_integral import real_host
from .potential import device_in_potential
from .spectrum import lowest_energy
from .window_breaks import lead_band_edges
from .window_current import TAIL

LOWER_MARGIN = 5.0  # eV below the lowest energy at zero potential: how deep potentials may reach


@dataclass(frozen=True, eq=False)
class SelfConsistentProblem:
    """What `self_consistent` was asked, with host arrays of potentials and charges; see there for the names."""

    device: Device
    electrostatics: Electrostatics
    neutral: Any
    sites: Any
    mus: Any
    bias: float | None
    fermi_energy: float
    temperature: float
    equilibrium: int | str
    spin_degeneracy: float
    eta: float
    device_eta: float
    lead_method: LeadMethod
    memory_limit: float | None
    error: float
    given_lowest: float | None
    max_energies: int

    @property
    def shifts(self) -> Any:
        """Potential energy U_k [eV] by which every lead is shifted: μ_k − E_F = −V_k."""
        return self.mus - self.fermi_energy

    @property
    def kt(self) -> float:
        """kT [eV]."""
        return self.temperature * BOLTZMANN

    @cached_property
    def lowest(self) -> float:
        """E_min [eV]: one number for all potentials, so that the poles do not change on the way."""
        return lowest_energy(self.device) - LOWER_MARGIN if self.given_lowest is None else self.given_lowest

    @cached_property
    def edges(self) -> Any:
        """The leads' band edges in the window of the current, found once: the potential does not move them."""
        low, high = (float(f(self.mus)) for f in (host.min, host.max))
        return lead_band_edges(self.device, low - TAIL * self.kt, high + TAIL * self.kt, self.shifts)

    def device_at(self, potential: Any) -> Device:
        """The device in a potential (n_sites,), its leads shifted."""
        return device_in_potential(self.device, self.potential_energy(potential), self.shifts)

    def potential_energy(self, potential: Any) -> Array:
        """U_a = −φ_i of every orbital, beside the device's arrays."""
        return self.moved(-potential[self.sites])

    def charge_at(self, potential: Any) -> ChargeProblem:
        """The charge at a potential."""
        return charge_problem(
            self.device_at(potential),
            self.mus,
            temperature=self.temperature,
            equilibrium=self.equilibrium,
            spin_degeneracy=self.spin_degeneracy,
            eta=self.eta,
            device_eta=self.device_eta,
            lead_method=self.lead_method,
            backend=None,
            memory_limit=self.memory_limit,
            error=self.error,
            lowest=self.lowest,
            max_energies=self.max_energies,
            edges=self.edges,
        )

    def of_sites(self, of_orbitals: Any) -> Any:
        """The sum over the orbitals of every site."""
        return host.bincount(self.sites, of_orbitals, self.electrostatics.n_sites)

    def net_charge(self, populations: Any) -> Any:
        """q_i = n⁰_i − Σ n_a over the orbitals of site i."""
        return self.neutral - self.of_sites(populations)

    def field(self, charge: Any) -> Any:
        """P q + φ_ext."""
        return to_numpy(self.electrostatics.potential(charge, -self.shifts))

    def screening(self, dq: Any) -> Any:
        """P dq."""
        return to_numpy(self.electrostatics.response(dq))

    def moved(self, x: Any) -> Array:
        """A host array beside the device's arrays."""
        like = self.device.hamiltonian.diagonal[0]
        return array_namespace(like).asarray(x, device=device_of(like))


class Linearisation:
    """F(φ) = φ − P q(φ) − φ_ext at one potential, and products of its derivative 1 + P N, N = ∂n/∂φ."""

    def __init__(self, problem: SelfConsistentProblem, potential: Any) -> None:
        self.problem = problem
        self.potential = potential
        self.response = ChargeResponse(problem.charge_at(potential))
        self.populations = self.response.populations()
        self.residual = potential - problem.field(problem.net_charge(self.populations))

    def product(self, v: Any) -> Any:
        """(1 + P N) v."""
        dn = self.problem.of_sites(self.response.tangent(-v[self.problem.sites]))
        return v + self.problem.screening(dn)

    def transposed(self, v: Any) -> Any:
        """(1 + Nᵀ P) v."""
        return v + self.electrons_to_potential(self.problem.screening(v))

    def electrons_to_potential(self, n_bar: Any) -> Any:
        """Nᵀ n̄: the cotangent of the potential from one of the electrons on every site."""
        return -self.problem.of_sites(self.response.transposed(n_bar[self.problem.sites]))

    @cached_property
    def local(self) -> Any:
        """D_i ≥ 0: what a uniform change of φ does to n_i stands for the local response."""
        uniform = self.response.tangent(-host.ones(len(self.problem.sites)))
        return host.maximum(self.problem.of_sites(uniform), 0.0)

    def precondition(self, v: Any) -> Any:
        """(1 + P D)⁻¹ v."""
        return self._screened(lambda x: x + self.problem.screening(self.local * x), v)

    def precondition_transposed(self, v: Any) -> Any:
        """(1 + D P)⁻¹ v."""
        return self._screened(lambda x: x + self.local * self.problem.screening(x), v)

    @staticmethod
    def _screened(operator: Any, v: Any) -> Any:
        # to 1e-6, so that it is a linear map as far as GMRES outside can tell
        return gmres(operator, v, tolerance=1e-6, max_products=200, restart=200, is_checked=False).x


def self_consistent_problem(
    device: Device,
    electrostatics: Electrostatics,
    *,
    bias: Any,
    temperature: Any,
    neutral: Any,
    sites: Any,
    chemical_potentials: Any,
    fermi_energy: Any,
    equilibrium: int | str,
    spin_degeneracy: float,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    memory_limit: float | None,
    error: float,
    lowest: Any,
    max_energies: int,
) -> SelfConsistentProblem:
    """The arguments of `self_consistent`, checked."""
    if not isinstance(device, Device):
        raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
    if not hasattr(electrostatics, "potential_vjp"):
        raise InputTypeError(
            f"electrostatics is a {type(electrostatics).__name__}; pass one of negfadj.electrostatics, or an object "
            "with its methods potential, response and potential_vjp."
        )
    n_sites = electrostatics.n_sites
    electrons = real_host(neutral, "neutral")
    electrons = host.full(n_sites, float(electrons)) if electrons.ndim == 0 else electrons
    if electrons.shape != (n_sites,):
        raise ShapeError(f"neutral has shape {electrons.shape} but there are {n_sites} sites.")
    fermi = _number(fermi_energy, "fermi_energy")
    volts, mus = _chemical_potentials(device, bias, chemical_potentials, fermi)
    problem = SelfConsistentProblem(
        device,
        electrostatics,
        electrons,
        _sites(sites, device.n_orbitals, n_sites),
        mus,
        volts,
        fermi,
        _number(temperature, "temperature"),
        equilibrium,
        float(spin_degeneracy),
        eta,
        device_eta,
        lead_method,
        memory_limit,
        error,
        None if lowest is None else _number(lowest, "lowest"),
        max_energies,
    )
    problem.charge_at(host.zeros(n_sites))  # refuse early
    return problem


def _chemical_potentials(device: Device, bias: Any, given: Any, fermi: float) -> tuple[float | None, Any]:
    """The bias, None when μ are given, and μ of every lead."""
    if given is not None:
        mus = real_host(given, "chemical_potentials")
        if mus.shape != (device.n_leads,):
            raise ShapeError(f"chemical_potentials has shape {mus.shape} but there are {device.n_leads} leads.")
        return None, mus
    if bias is None:
        raise InputError("bias is None and no chemical_potentials are given; give one of them.")
    volts = _number(bias, "bias")
    if volts != 0 and device.n_leads < 2:
        raise InputError(f"bias={volts} V needs two leads and the device has {device.n_leads}.")
    mus = host.full(device.n_leads, fermi)
    mus[:2] += host.asarray([volts / 2, -volts / 2])[: device.n_leads]
    return volts, mus


def _number(x: Any, name: str) -> float:
    value = real_host(x, name)
    if value.ndim != 0:
        raise ShapeError(f"{name} has shape {value.shape} but must be one number.")
    return float(value)


def _sites(sites: Any, n_orbitals: int, n_sites: int) -> Any:
    found = host.arange(n_orbitals) if sites is None else host.asarray(to_numpy(sites))
    if found.dtype.kind not in "iu":
        raise InputTypeError(f"sites has dtype {found.dtype}; give the number of every orbital's site.")
    if found.shape != (n_orbitals,):
        raise ShapeError(f"sites has shape {found.shape} but the device has {n_orbitals} orbitals.")
    if found.min() < 0 or found.max() >= n_sites:
        raise InputError(
            f"sites go from {found.min()} to {found.max()} but electrostatics has {n_sites} sites, 0 … {n_sites - 1}."
        )
    return host.astype(found, host.int64)
