"""The self-consistent potential of a device with electrostatics, and the exact gradient through it.

    φ = P q + φ_ext,   q_i = n⁰_i − n_i(φ),   U_a = −φ_i of the site i of orbital a
    lead k: μ_k = E_F − V_k (±bias/2 for source and drain), potential energy + (μ_k − E_F), its conductor at V_k

Newton–Krylov on F(φ) = φ − P q(φ) − φ_ext with the exact response of the charge, preconditioned by its local part. The
gradient is one transposed linear solve at the solution, (1 − J)ᵀ λ = φ̄ with J = −P ∂n/∂φ, and the pullbacks of
electrostatics and charge at λ: nothing is unrolled, no Jacobian is formed.

Sources: docs/adjoints/self-consistent.md; docs/adjoints/fixed-point.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import array_api_compat.numpy as host

from ..array import STATIC, array_namespace, device_of, to_numpy, tree_map
from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import ConvergenceError, InputError, InputTypeError, ShapeError
from ..implicit import FixedPointError, FixedPointSolution, anderson, fixed_point_adjoint, gmres, newton_krylov
from ..typing import Array, ArrayLike, LeadMethod
from .charge import ChargeProblem, charge_problem
from .charge_response import ChargeResponse
from .currents import current, current_vjp
from .energy_integral import real_host
from .potential import device_in_potential, device_in_potential_vjp
from .spectrum import lowest_energy

LOWER_MARGIN = 5.0  # eV below the lowest energy at zero potential: how deep potentials may reach
GUESS_STEPS = 3  # local steps towards neutrality before the first Newton step
LARGEST_STEP = 0.5  # V in one step


@dataclass(frozen=True, eq=False)
class Solution:
    """A self-consistent solution.

    Parameters
    ----------
    potential : array, shape (n_sites,)
        φ [V].
    charge : array, shape (n_sites,)
        Net charge q [e], positive where electrons are missing.
    populations : array, shape (n_orbitals,)
        Electrons on every orbital.
    current : float
        From lead 0 into lead 1 [µA]; 0 for a device of one lead.
    residual : float
        max |φ − P q − φ_ext| [V].
    iterations, krylov_products, evaluations : int
        Steps, products with the Jacobian, evaluations of the charge.
    history : tuple of float
        The residual [V] at the start and after every step.
    device : Device
        The device in its potential, its leads shifted: any observable can be asked of it.
    chemical_potentials : array, shape (n_leads,)
        μ [eV].
    """

    potential: Array
    charge: Array
    populations: Array
    current: float
    residual: float = field(metadata=STATIC)
    iterations: int = field(metadata=STATIC)
    krylov_products: int = field(metadata=STATIC)
    evaluations: int = field(metadata=STATIC)
    history: tuple[float, ...] = field(metadata=STATIC)
    device: Device = field(metadata=STATIC)
    chemical_potentials: Array = field(metadata=STATIC)


class SelfConsistentCotangent(NamedTuple):
    """Cotangents of all that went in; `bias` or `chemical_potentials` is None, whichever was not given."""

    device: Device
    electrostatics: Any
    neutral: Array
    bias: float | None
    chemical_potentials: Array | None
    fermi_energy: float
    temperature: float
    krylov_products: int
    residual: float


def self_consistent(
    device: Device,
    electrostatics: Electrostatics,
    *,
    bias: float | None = 0.0,
    temperature: float = 300.0,
    neutral: ArrayLike,
    sites: ArrayLike | None = None,
    chemical_potentials: ArrayLike | None = None,
    fermi_energy: float = 0.0,
    initial: ArrayLike | None = None,
    method: Literal["newton", "anderson"] = "newton",
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    mixing: float = 0.3,
    equilibrium: int | str = "mean",
    spin_degeneracy: float = 2.0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    memory_limit: float | None = None,
    error: float = 1e-9,
    lowest: float | None = None,
    max_energies: int = 20_000,
) -> Solution:
    """The potential at which charge and electrostatics agree.

        φ = P (n⁰ − n(φ)) + φ_ext

    Parameters
    ----------
    device : Device
        At zero potential, its leads at theirs.
    electrostatics : Electrostatics
    bias : float, optional
        V [V]: μ_0 = E_F + V/2, μ_1 = E_F − V/2 [eV]; other leads at E_F. Every lead follows its chemical potential rigidly, and
        so does the conductor that belongs to it.
    temperature : float
        T [K], positive.
    neutral : array, shape (n_sites,)
        n⁰, the electrons of a neutral site, both spins; ionised dopants may be counted here.
    sites : integer array, shape (n_orbitals,), optional
        The site of every orbital (`TransportModel.atoms`); default: one site per orbital, in their order.
    chemical_potentials : array, shape (n_leads,), optional
        μ [eV] in place of a bias.
    fermi_energy : float
        E_F [eV], at which a lead has voltage 0.
    initial : array, shape (n_sites,), or a Solution, optional
        A potential [V] to start from: of a neighbouring bias, say. Default: a few local steps towards neutrality from 0.
    method : "newton" or "anderson"
        Newton–Krylov with the exact response, or Anderson mixing.
    tolerance : float
        On max |φ − P q − φ_ext| [V].
    max_iterations : int, optional
        Default 30 Newton steps, 200 of Anderson's.
    mixing : float
        Anderson's β.
    The others as `charge`.

    Returns
    -------
    Solution

    Raises
    ------
    ConvergenceError
        When it does not converge; it has `.history` [V], and names the sites where the residual is largest. An unconverged
        potential is never returned.
    InputError, InputTypeError, ShapeError
        For arguments without meaning, as `charge`.

    Sources
    -------
    docs/adjoints/self-consistent.md.
    """
    return _Loop.of(locals()).solve()


def self_consistent_vjp(
    device: Device,
    electrostatics: Electrostatics,
    *,
    bias: float | None = 0.0,
    temperature: float = 300.0,
    neutral: ArrayLike,
    sites: ArrayLike | None = None,
    chemical_potentials: ArrayLike | None = None,
    fermi_energy: float = 0.0,
    initial: ArrayLike | None = None,
    method: Literal["newton", "anderson"] = "newton",
    tolerance: float = 1e-8,
    max_iterations: int | None = None,
    mixing: float = 0.3,
    equilibrium: int | str = "mean",
    spin_degeneracy: float = 2.0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    memory_limit: float | None = None,
    error: float = 1e-9,
    lowest: float | None = None,
    max_energies: int = 20_000,
) -> tuple[Solution, Callable[..., SelfConsistentCotangent]]:
    """`self_consistent` and its pullback through the fixed point.

    Parameters, errors and sources as `self_consistent`.

    Returns
    -------
    value : Solution
    pullback : callable
        ``pullback(potential=None, charge=None, current=None, device=None)``: cotangents of the solution's potential, charge and
        current, and of the device in its potential (`bar.device` of any observable of `solution.device`), any of them
        together → `SelfConsistentCotangent`.

    Notes
    -----
    (1 − J)ᵀ λ = φ̄ with Jᵀ v = −(∂n/∂φ)ᵀ P v by GMRES, whose relative residual is reported; then θ̄ = (∂g/∂θ)ᵀ λ by the pullbacks of
    electrostatics and charge. Kept for the pullback: nothing; it makes the charge at the solution once more.
    """
    loop = _Loop.of(locals())
    solution = loop.solve()
    return solution, loop.pullback(solution)


@dataclass(frozen=True, eq=False)
class _Loop:
    """The checked arguments."""

    device: Device
    electrostatics: Any
    neutral: Any
    sites: Any
    mus: Any
    bias: float | None
    fermi_energy: float
    temperature: float
    initial: Any
    method: str
    tolerance: float
    max_iterations: int | None
    mixing: float
    options: dict[str, Any]

    @classmethod
    def of(cls, given: dict[str, Any]) -> _Loop:
        device, electrostatics = given["device"], given["electrostatics"]
        if not isinstance(device, Device):
            raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
        if not hasattr(electrostatics, "potential_vjp"):
            raise InputTypeError(
                f"electrostatics is a {type(electrostatics).__name__}; pass one of negfadj.electrostatics, or an object with "
                "its methods potential, response and potential_vjp."
            )
        n_sites = electrostatics.n_sites
        sites = _sites(given["sites"], device.n_orbitals, n_sites)
        neutral = real_host(given["neutral"], "neutral")
        neutral = host.full(n_sites, float(neutral)) if neutral.ndim == 0 else neutral
        if neutral.shape != (n_sites,):
            raise ShapeError(f"neutral has shape {neutral.shape} but there are {n_sites} sites.")
        fermi = float(real_host(given["fermi_energy"], "fermi_energy"))
        bias, mus = given["bias"], given["chemical_potentials"]
        if mus is not None:
            mus, bias = real_host(mus, "chemical_potentials"), None
            if mus.shape != (device.n_leads,):
                raise ShapeError(f"chemical_potentials has shape {mus.shape} but there are {device.n_leads} leads.")
        else:
            if bias is None:
                raise InputError("bias is None and no chemical_potentials are given; give one of them.")
            bias = float(real_host(bias, "bias"))
            if bias != 0 and device.n_leads < 2:
                raise InputError(f"bias={bias} V needs two leads and the device has one.")
            mus = host.full(device.n_leads, fermi)
            mus[:2] += host.asarray([bias / 2, -bias / 2])[: device.n_leads]
        if given["method"] not in ("newton", "anderson"):
            raise InputError(f'method={given["method"]!r} is not known; use "newton" or "anderson".')
        options = {
            name: given[name]
            for name in (
                "temperature",
                "equilibrium",
                "spin_degeneracy",
                "eta",
                "device_eta",
                "lead_method",
                "memory_limit",
                "error",
                "max_energies",
            )
        }
        options["lowest"] = given["lowest"]
        options["backend"] = None
        loop = cls(
            device,
            electrostatics,
            neutral,
            sites,
            mus,
            bias,
            fermi,
            float(real_host(given["temperature"], "temperature")),
            given["initial"],
            given["method"],
            given["tolerance"],
            given["max_iterations"],
            given["mixing"],
            options,
        )
        loop.charge_problem(host.zeros(n_sites))  # refuse early
        return loop

    @cached_property
    def shifts(self) -> Any:
        """Potential energy U_k [eV] by which every lead is shifted: μ_k − E_F = −V_k."""
        return self.mus - self.fermi_energy

    @cached_property
    def lowest(self) -> float:
        """E_min [eV]: one number for all potentials, so that the poles do not change on the way."""
        given = self.options["lowest"]
        return lowest_energy(self.device) - LOWER_MARGIN if given is None else float(given)

    def potential_energy(self, potential: Any) -> Any:
        """U_a = −φ_i of every orbital."""
        return -potential[self.sites]

    def applied(self, potential: Any) -> Device:
        """The device in a potential."""
        return device_in_potential(self.device, self.moved(self.potential_energy(potential)), self.shifts)

    def charge_problem(self, potential: Any) -> ChargeProblem:
        """The charge at a potential."""
        return charge_problem(self.applied(potential), self.mus, **(self.options | {"lowest": self.lowest}))

    def net_charge(self, populations: Any) -> Any:
        """q_i = n⁰_i − Σ n_a over the orbitals of site i."""
        return self.neutral - self.summed(populations)

    def summed(self, of_orbitals: Any) -> Any:
        """The sum over the orbitals of every site."""
        return host.bincount(self.sites, of_orbitals, self.electrostatics.n_sites)

    def electrostatic_potential(self, charge: Any) -> Any:
        """P q + φ_ext."""
        return to_numpy(self.electrostatics.potential(charge, -self.shifts))

    def solve(self) -> Solution:
        """Iterate to self-consistency."""
        start = self._start()
        try:
            found = self._newton(start) if self.method == "newton" else self._anderson(start)
        except FixedPointError as failure:
            raise self._failure(failure) from failure
        return self._solution(found)

    def _newton(self, start: Any) -> FixedPointSolution:
        local: list[Any] = []

        def residual_with_jvp(potential: Any) -> tuple[Any, Callable[[Any], Any]]:
            response = ChargeResponse(self.charge_problem(potential))
            f = potential - self.electrostatic_potential(self.net_charge(response.populations()))

            def product(v: Any) -> Any:
                dn = self.summed(response.tangent(-v[self.sites]))
                return v + to_numpy(self.electrostatics.response(dn))

            if not local:
                # what a uniform change does to every site stands for the local response
                local.append(host.maximum(self.summed(response.tangent(-host.ones(len(self.sites)))), 0.0))
            return f, product

        def preconditioner(_: Any) -> Callable[[Any], Any]:
            def screened(v: Any) -> Any:
                return v + to_numpy(self.electrostatics.response(local[0] * v))

            return lambda v: gmres(screened, v, tolerance=1e-6, max_products=200, is_checked=False).x

        return newton_krylov(
            residual_with_jvp,
            start,
            preconditioner=preconditioner,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations or 30,
            max_step=LARGEST_STEP,
        )

    def _anderson(self, start: Any) -> FixedPointSolution:
        def fixed_point_map(potential: Any) -> Any:
            populations = to_numpy(self.charge_problem(potential).charge().populations)
            return self.electrostatic_potential(self.net_charge(populations))

        return anderson(
            fixed_point_map,
            start,
            mixing=self.mixing,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations or 200,
            max_step=LARGEST_STEP,
        )

    def _start(self) -> Any:
        """The potential given, or a few local steps towards neutrality from zero: φ_i += q_i/(dn_i/dφ)."""
        n_sites = self.electrostatics.n_sites
        if self.initial is not None:
            given = getattr(self.initial, "potential", self.initial)
            start = real_host(given, "initial")
            if start.shape != (n_sites,):
                raise ShapeError(f"initial has shape {start.shape} but there are {n_sites} sites.")
            return start
        potential = host.zeros(n_sites)
        for _ in range(GUESS_STEPS):
            response = ChargeResponse(self.charge_problem(potential))
            net = self.net_charge(response.populations())
            slope = self.summed(response.tangent(-host.ones(len(self.sites))))
            steps = net / host.maximum(slope, 1e-3)
            potential = potential + host.clip(steps, -LARGEST_STEP, LARGEST_STEP)
            if float(host.max(host.abs(steps))) < 1e-2:
                break
        return potential

    def _solution(self, found: FixedPointSolution) -> Solution:
        device = self.applied(found.x)
        populations = to_numpy(self.charge_problem(found.x).charge().populations)
        return Solution(
            found.x,
            self.net_charge(populations),
            populations,
            self._current(device),
            found.residual,
            found.n_steps,
            found.n_krylov_steps,
            found.n_evaluations,
            found.history,
            device,
            self.mus,
        )

    def _current_options(self) -> dict[str, Any]:
        names = ("temperature", "eta", "device_eta", "lead_method", "memory_limit")
        return {name: self.options[name] for name in names} | {"rtol": 1e-9}

    def _current(self, device: Device) -> float:
        if device.n_leads < 2:
            return 0.0
        found = current(device, None, chemical_potentials=self.mus[:2], **self._current_options())
        return float(found) * self.options["spin_degeneracy"] / 2

    def _failure(self, failure: FixedPointError) -> ConvergenceError:
        worst = host.argsort(-host.abs(failure.residual_vector))[:3] if failure.residual_vector is not None else []
        named = ", ".join(f"{int(i)} ({float(failure.residual_vector[i]):+.2g} V)" for i in worst)
        error = FixedPointError(
            f"the self-consistent loop did not converge: {failure} The residual is largest at sites {named}. Start from the solution "
            "of a nearer bias, gate voltage or a higher temperature (initial=), or try the other method.",
            residual=failure.residual,
            history=failure.history,
            x=failure.x,
            residual_vector=failure.residual_vector,
        )
        return error

    def pullback(self, solution: Solution) -> Callable[..., SelfConsistentCotangent]:
        """Cotangents of the solution → those of everything that went in."""
        potential = to_numpy(solution.potential)
        n_sites = len(potential)

        def self_consistent_pullback(
            *,
            potential_bar: ArrayLike | None = None,
            charge_bar: ArrayLike | None = None,
            current_bar: float | None = None,
            device_bar: Device | None = None,
        ) -> SelfConsistentCotangent:
            _, potential_pullback = device_in_potential_vjp(
                self.device, self.moved(self.potential_energy(potential)), self.shifts
            )
            charge_pullback = self.charge_problem(potential).pullback()
            total = _Sums(len(self.mus))
            phi_bar = _given(potential_bar, "potential", n_sites)
            q_bar = _given(charge_bar, "charge", n_sites)

            def through_charge(q_bar: Any, wrt: Any = "all") -> Any:
                """q̄ → charge's cotangents, n̄ = −q̄ on the orbitals of every site."""
                return charge_pullback(self.moved(-q_bar[self.sites]), wrt=wrt)

            def to_potential(bar: Device) -> Any:
                """Device cotangent → φ̄ = −Σ Ū over the orbitals of every site."""
                return -self.summed(to_numpy(potential_pullback(bar).potential_energy))

            def transposed(v: Any) -> Any:
                """Jᵀ v = −(∂n/∂φ)ᵀ P v."""
                q = to_numpy(self.electrostatics.response(v))
                if self.device.overlap is None:
                    u_bar = to_numpy(through_charge(q, wrt="onsite").device.hamiltonian.onsite)
                    return -self.summed(u_bar)
                return to_potential(through_charge(q).device)

            if current_bar:
                _, current_pullback = current_vjp(
                    solution.device, None, chemical_potentials=self.mus[:2], **self._current_options()
                )
                bars = current_pullback(self.moved(host.asarray(float(current_bar) * self.options["spin_degeneracy"] / 2)))
                total.mus[:2] += to_numpy(bars.chemical_potentials)
                total.temperature += float(bars.temperature)
                total.add(bars.device)
            if device_bar is not None:
                total.add(device_bar)
            if total.device is not None:
                phi_bar = phi_bar + to_potential(total.device)
            if host.any(q_bar != 0):
                phi_bar = phi_bar + to_potential(through_charge(q_bar).device)
            adjoint = fixed_point_adjoint(transposed, phi_bar, tolerance=1e-11)
            _, electrostatics_pullback = self.electrostatics.potential_vjp(solution.charge, -self.shifts)
            of_field = electrostatics_pullback(adjoint.x)
            q_bar = q_bar + to_numpy(of_field.charge)
            of_charge = through_charge(q_bar)
            total.add(of_charge.device)
            total.mus += to_numpy(of_charge.chemical_potentials)
            total.temperature += float(of_charge.temperature)
            found = potential_pullback(total.device)
            # U_k = μ_k − E_F and V_k = −(μ_k − E_F)
            shift_bar = host.asarray(found.lead_potential_energy) - to_numpy(of_field.lead_voltages)
            mu_bar = total.mus + shift_bar
            fermi_bar = -float(host.sum(shift_bar))
            is_biased = self.bias is not None
            return SelfConsistentCotangent(
                found.device,
                of_field.electrostatics,
                q_bar,
                float(mu_bar[0] - mu_bar[1]) / 2 if is_biased and len(mu_bar) > 1 else (0.0 if is_biased else None),
                None if is_biased else mu_bar,
                fermi_bar + (float(host.sum(mu_bar)) if is_biased else 0.0),
                total.temperature,
                adjoint.n_products,
                adjoint.residual,
            )

        def named(
            *,
            potential: ArrayLike | None = None,
            charge: ArrayLike | None = None,
            current: float | None = None,
            device: Device | None = None,
        ) -> SelfConsistentCotangent:
            return self_consistent_pullback(
                potential_bar=potential, charge_bar=charge, current_bar=current, device_bar=device
            )

        return named

    def moved(self, x: Any) -> Array:
        """A host array beside the device's arrays."""
        like = self.device.hamiltonian.diagonal[0]
        return array_namespace(like).asarray(x, device=device_of(like))


class _Sums:
    """Cotangents of the device in its potential, of μ and T, while they are added up."""

    def __init__(self, n_leads: int) -> None:
        self.device: Device | None = None
        self.mus = host.zeros(n_leads)
        self.temperature = 0.0

    def add(self, bar: Device) -> None:
        """Add a device cotangent."""
        self.device = bar if self.device is None else tree_map(lambda x, y: x if y is None else x + y, self.device, bar)


def _given(bar: Any, name: str, n_sites: int) -> Any:
    if bar is None:
        return host.zeros(n_sites)
    found = real_host(bar, f"{name}_bar")
    if found.shape != (n_sites,):
        raise ShapeError(f"the cotangent of the {name} has shape {found.shape} but there are {n_sites} sites.")
    return found


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
