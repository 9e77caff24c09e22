"""The checked arguments of a self-consistent calculation, and the maps between its potential, charge and devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from .band_edges import BandEdges
from .charge import ChargeProblem, charge_problem, check_lowest
from .charge_response import ChargeResponse
from .energy_integral import real_host
from .potential import device_in_potential
from .sector import Sector, checked_sectors
from .spectrum import lowest_energy
from .window_breaks import lead_band_edges
from .window_current import TAIL

LOWER_MARGIN = 5.0  # eV below the lowest energy at zero potential: how deep potentials may reach


@dataclass(frozen=True, eq=False)
class SelfConsistentProblem:
    """What `self_consistent` was asked, with host arrays of potentials and charges; see there for the names.

    Arrays over the orbitals are those of all sectors, one sector after the other.
    """

    sectors: tuple[Sector, ...]
    is_one_device: bool
    electrostatics: Electrostatics
    neutral: Any
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
        if self.given_lowest is not None:
            return self.given_lowest
        return self.lowest_energy(sector.device for sector in self.sectors) - LOWER_MARGIN

    @cached_property
    def edges(self) -> list[tuple[BandEdges | None, ...]]:
        """The leads' band edges in the window of the current, found once: the potential does not move them."""
        low, high = (float(f(self.mus)) for f in (host.min, host.max))
        window = low - TAIL * self.kt, high + TAIL * self.kt
        return [lead_band_edges(sector.device, *window, self.shifts) for sector in self.sectors]

    @cached_property
    def sites(self) -> Any:
        """The site of every orbital."""
        return host.concat([sector.sites for sector in self.sectors])

    @cached_property
    def weights(self) -> Any:
        """How often every orbital counts."""
        return host.concat([host.full(s.device.n_orbitals, s.weight) for s in self.sectors])

    @staticmethod
    def lowest_energy(devices: Iterable[Device]) -> float:
        """A bound below all states of all devices [eV]."""
        return min(lowest_energy(device) for device in devices)

    def split(self, of_orbitals: Any) -> list[Any]:
        """An array over the orbitals, sector by sector."""
        ends = host.cumulative_sum(host.asarray([s.device.n_orbitals for s in self.sectors])).tolist()
        return [of_orbitals[a:b] for a, b in zip([0, *ends], ends)]

    def devices_at(self, potential: Any) -> tuple[Device, ...]:
        """The devices in a potential (n_sites,), their leads shifted."""
        energies = self.potential_energies(potential)
        return tuple(device_in_potential(s.device, u, self.shifts) for s, u in zip(self.sectors, energies))

    def potential_energies(self, potential: Any) -> list[Array]:
        """U_a = −φ_i of every sector's orbitals, beside its arrays."""
        return [beside(s.device, u) for s, u in zip(self.sectors, self.split(-potential[self.sites]))]

    def charges_at(self, potential: Any) -> list[ChargeProblem]:
        """The charge of every sector at a potential."""
        limit = None if self.memory_limit is None else self.memory_limit / len(self.sectors)
        return [
            charge_problem(
                device,
                self.mus,
                temperature=self.temperature,
                equilibrium=self.equilibrium,
                spin_degeneracy=self.spin_degeneracy,
                eta=self.eta,
                device_eta=self.device_eta,
                lead_method=self.lead_method,
                backend=None,
                memory_limit=limit,
                error=self.error,
                lowest=self.lowest,
                max_energies=self.max_energies,
                edges=edges,
            )
            for device, edges in zip(self.devices_at(potential), self.edges)
        ]

    def populations_at(self, potential: Any) -> Any:
        """n_a (n_orbitals,) at a potential."""
        return self.populations_with_error(potential)[0]

    def populations_with_error(self, potential: Any) -> tuple[Any, float]:
        """n_a (n_orbitals,) at a potential, and by how much two choices of the lead in equilibrium differ at most."""
        found = [problem.solved()[0] for problem in self.charges_at(potential)]
        error = max(float(host.max(to_numpy(one.error))) for one in found)
        return host.concat([to_numpy(one.populations) for one in found]), error

    def of_sites(self, of_orbitals: Any) -> Any:
        """The sum over the orbitals of every site, each counted once: the transpose of U_a = −φ_i, but for the sign."""
        return host.bincount(self.sites, of_orbitals, self.electrostatics.n_sites)

    def electrons(self, populations: Any) -> Any:
        """n_i = Σ_c w_c Σ n_a over the orbitals of site i."""
        return self.of_sites(self.weights * populations)

    def electrons_transposed(self, n_bar: Any) -> Any:
        """n̄_a = w_c n̄_i."""
        return self.weights * n_bar[self.sites]

    def net_charge(self, populations: Any) -> Any:
        """q_i = n⁰_i − n_i."""
        return self.neutral - self.electrons(populations)

    def field(self, charge: Any) -> Any:
        """P q + φ_ext."""
        return to_numpy(self.electrostatics.potential(charge, -self.shifts))

    def screening(self, dq: Any) -> Any:
        """P dq."""
        return to_numpy(self.electrostatics.response(dq))


def beside(device: Device, x: Any) -> Array:
    """A host array beside the device's arrays."""
    like = device.hamiltonian.diagonal[0]
    return array_namespace(like).asarray(x, device=device_of(like))


class Linearisation:
    """F(φ) = φ − P q(φ) − φ_ext at one potential, and products of its derivative 1 + P N, N = ∂n/∂φ."""

    def __init__(self, problem: SelfConsistentProblem, potential: Any) -> None:
        self.problem = problem
        self.potential = potential
        self.responses = [ChargeResponse(charge) for charge in problem.charges_at(potential)]
        self.populations = host.concat([response.populations() for response in self.responses])
        self.charge_error = max(response.error for response in self.responses)
        self.residual = potential - problem.field(problem.net_charge(self.populations))

    def product(self, v: Any) -> Any:
        """(1 + P N) v."""
        return v + self.problem.screening(self.electrons_tangent(-v[self.problem.sites]))

    def transposed(self, v: Any) -> Any:
        """(1 + Nᵀ P) v."""
        return v + self.electrons_to_potential(self.problem.screening(v))

    def electrons_tangent(self, du: Any) -> Any:
        """dn_i for dU_a."""
        parts = zip(self.responses, self.problem.split(du))
        return self.problem.electrons(host.concat([response.tangent(x) for response, x in parts]))

    def electrons_to_potential(self, n_bar: Any) -> Any:
        """Nᵀ n̄: the cotangent of the potential from one of the electrons on every site."""
        parts = zip(self.responses, self.problem.split(self.problem.electrons_transposed(n_bar)))
        return -self.problem.of_sites(host.concat([response.transposed(x) for response, x in parts]))

    @cached_property
    def local(self) -> Any:
        """D_i ≥ 0: what a uniform change of φ does to n_i stands for the local response."""
        return host.maximum(self.electrons_tangent(-host.ones(len(self.problem.sites))), 0.0)

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
    device: Device | Sequence[Sector],
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
    if not hasattr(electrostatics, "potential_vjp"):
        raise InputTypeError(
            f"electrostatics is a {type(electrostatics).__name__}; pass one of negfadj.electrostatics, or an object "
            "with its methods potential, response and potential_vjp."
        )
    n_sites = electrostatics.n_sites
    sectors = checked_sectors(device, sites, n_sites)
    electrons = real_host(neutral, "neutral")
    electrons = host.full(n_sites, float(electrons)) if electrons.ndim == 0 else electrons
    if electrons.shape != (n_sites,):
        raise ShapeError(f"neutral has shape {electrons.shape} but there are {n_sites} sites.")
    _check_empty_sites(sectors, electrons)
    degeneracy = _number(spin_degeneracy, "spin_degeneracy")
    if not degeneracy > 0:
        raise InputError(f"spin_degeneracy={degeneracy:g} must be positive: 2 without spin, 1 with it in the orbitals.")
    fermi = _number(fermi_energy, "fermi_energy")
    volts, mus = _chemical_potentials(sectors[0].device, bias, chemical_potentials, fermi)
    _check_lead_conductors(electrostatics, mus - fermi)
    problem = SelfConsistentProblem(
        sectors,
        isinstance(device, Device),
        electrostatics,
        electrons,
        mus,
        volts,
        fermi,
        _number(temperature, "temperature"),
        equilibrium,
        degeneracy,
        eta,
        device_eta,
        lead_method,
        memory_limit,
        error,
        None if lowest is None else _number(lowest, "lowest"),
        max_energies,
    )
    for sector in sectors:
        check_lowest(sector.device, lowest)
    problem.charges_at(host.zeros(n_sites))  # refuse early
    return problem


def _chemical_potentials(device: Device, bias: Any, given: Any, fermi: float) -> tuple[float | None, Any]:
    """The bias, None when μ are given, and μ of every lead."""
    if given is not None:
        mus = real_host(given, "chemical_potentials")
        if mus.shape != (device.n_leads,):
            raise ShapeError(f"chemical_potentials has shape {mus.shape} but there are {device.n_leads} leads.")
        if bias is not None and host.any(real_host(bias, "bias") != 0):
            raise InputError(f"bias={bias!r} and chemical_potentials are both given; give one of them.")
        return None, mus
    if bias is None:
        raise InputError("bias is None and no chemical_potentials are given; give one of them.")
    volts = _number(bias, "bias")
    if volts != 0 and device.n_leads < 2:
        raise InputError(f"bias={volts} V needs two leads and the device has {device.n_leads}.")
    mus = host.full(device.n_leads, fermi)
    mus[:2] += host.asarray([volts / 2, -volts / 2])[: device.n_leads]
    return volts, mus


def _check_empty_sites(sectors: Sequence[Sector], neutral: Any) -> None:
    """Refuse electrons of a neutral site that has no orbital: a bare charge there."""
    counted = sum(host.bincount(sector.sites, minlength=len(neutral)) for sector in sectors)
    bare = host.nonzero((counted == 0) & (neutral != 0))[0].tolist()
    if bare:
        raise InputError(
            f"site {bare[0]} has no orbital but neutral={float(neutral[bare[0]]):g}, a bare charge; correct `sites`, "
            "or give a neutral of 0 there and such a charge to the electrostatics (`FixedCharge`)."
        )


def _check_lead_conductors(electrostatics: Any, shifts: Any) -> None:
    """Refuse a bias that the conductors do not take part in without it being said."""
    conductors, followers = (getattr(electrostatics, name, None) for name in ("conductors", "lead_conductors"))
    if host.any(shifts != 0) and conductors and followers == ():
        names = ", ".join(repr(body.name) for body in conductors)
        raise InputError(
            f"there is a bias, but no lead_conductors say which of the conductors {names} follow the leads; give "
            'lead_conductors=("source", "drain") to the electrostatics, a name for every lead, None where none follows.'
        )


def _number(x: Any, name: str) -> float:
    value = real_host(x, name)
    if value.ndim != 0:
        raise ShapeError(f"{name} has shape {value.shape} but must be one number.")
    return float(value)
