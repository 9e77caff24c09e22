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
from typing import Any, Literal, NamedTuple

import array_api_compat.numpy as host

from ..array import STATIC, to_numpy, tree_map
from ..constants import BOLTZMANN
from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import InputError, ShapeError
from ..implicit import FixedPointError, FixedPointSolution, anderson, fixed_point_adjoint, newton_krylov
from ..typing import Array, ArrayLike, LeadMethod
from .energy_integral import real_host
from .potential import device_in_potential_vjp
from .self_consistent_problem import Linearisation, SelfConsistentProblem, self_consistent_problem
from .spectrum import lowest_energy
from .window_current import WindowCurrentCotangent, window_current

LARGEST_STEP = 0.5  # V in one step
ADJOINT = 1e-9  # relative residual of the transposed solve
N_NAMED = 3  # sites that an error names


class SelfConsistencyError(FixedPointError):
    """The loop did not converge.

    Attributes
    ----------
    history : tuple of float
        The residual [V] at the start and after every step.
    sites : tuple of int
        Where the residual is largest.
    """

    sites: tuple[int, ...] = ()


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
        V [V]: μ_0 = E_F + V/2, μ_1 = E_F − V/2 [eV]; other leads at E_F. Every lead follows its chemical potential
        rigidly, and so does the conductor that belongs to it.
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
        A potential [V] to start from: of a neighbouring bias, say. Default: 0.
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
        When it does not converge: a `SelfConsistencyError` with `.history` [V] and `.sites`, where the residual is
        largest. An unconverged potential is never returned.
    InputError, InputTypeError, ShapeError
        For arguments without meaning, as `charge`.

    Sources
    -------
    docs/adjoints/self-consistent.md.
    """
    problem = self_consistent_problem(
        device,
        electrostatics,
        bias=bias,
        temperature=temperature,
        neutral=neutral,
        sites=sites,
        chemical_potentials=chemical_potentials,
        fermi_energy=fermi_energy,
        equilibrium=equilibrium,
        spin_degeneracy=spin_degeneracy,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        memory_limit=memory_limit,
        error=error,
        lowest=lowest,
        max_energies=max_energies,
    )
    return _solve(problem, initial, method, tolerance, max_iterations, mixing).solution


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
        ``pullback(potential=None, charge=None, current=None, device=None)``: cotangents of the solution's potential,
        charge and current, and of the device in its potential (`bar.device` of any observable of `solution.device`),
        any of them together → `SelfConsistentCotangent`.

    Notes
    -----
    (1 − J)ᵀ λ = φ̄ with Jᵀ v = −(∂n/∂φ)ᵀ P v by GMRES, whose relative residual is reported; then θ̄ = (∂g/∂θ)ᵀ λ by the
    pullbacks of electrostatics and charge. Kept for the pullback: Newton's last linearisation, 32 Σ n_i² bytes an
    energy where that fits the memory.
    """
    problem = self_consistent_problem(
        device,
        electrostatics,
        bias=bias,
        temperature=temperature,
        neutral=neutral,
        sites=sites,
        chemical_potentials=chemical_potentials,
        fermi_energy=fermi_energy,
        equilibrium=equilibrium,
        spin_degeneracy=spin_degeneracy,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        memory_limit=memory_limit,
        error=error,
        lowest=lowest,
        max_energies=max_energies,
    )
    solved = _solve(problem, initial, method, tolerance, max_iterations, mixing)
    return solved.solution, _pullback(problem, solved)


class _Solved(NamedTuple):
    """A solution with what its pullback needs: Newton's last linearisation, and the current's pullback."""

    solution: Solution
    linearised: Linearisation | None
    current_pullback: Callable[[float], WindowCurrentCotangent] | None


def _solve(
    problem: SelfConsistentProblem,
    initial: Any,
    method: str,
    tolerance: float,
    max_iterations: int | None,
    mixing: float,
) -> _Solved:
    """Iterate to self-consistency."""
    if method not in ("newton", "anderson"):
        raise InputError(f'method={method!r} is not known; use "newton" or "anderson".')
    points: list[Linearisation] = []

    def residual_with_jvp(potential: Any) -> tuple[Any, Callable[[Any], Any]]:
        points[:] = [Linearisation(problem, potential)]
        return points[0].residual, points[0].product

    def fixed_point_map(potential: Any) -> Any:
        return problem.field(problem.net_charge(to_numpy(problem.charge_at(potential).charge().populations)))

    start = _start(problem, initial)
    try:
        if method == "newton":
            found = newton_krylov(
                residual_with_jvp,
                start,
                preconditioner=lambda _: points[0].precondition,
                tolerance=tolerance,
                max_iterations=max_iterations or 30,
                max_step=LARGEST_STEP,
            )
        else:
            found = anderson(
                fixed_point_map,
                start,
                mixing=mixing,
                tolerance=tolerance,
                max_iterations=max_iterations or 200,
                max_step=LARGEST_STEP,
            )
    except FixedPointError as failure:
        raise _failure(failure) from failure
    return _solved(problem, found, points[0] if points else None)


def _start(problem: SelfConsistentProblem, initial: Any) -> Any:
    """The potential given, or zero."""
    n_sites = problem.electrostatics.n_sites
    if initial is None:
        return host.zeros(n_sites)
    start = real_host(getattr(initial, "potential", initial), "initial")
    if start.shape != (n_sites,):
        raise ShapeError(f"initial has shape {start.shape} but there are {n_sites} sites.")
    return start


def _solved(problem: SelfConsistentProblem, found: FixedPointSolution, linearised: Linearisation | None) -> _Solved:
    device = problem.device_at(found.x)
    if problem.given_lowest is None and lowest_energy(device) < problem.lowest:
        raise InputError(
            f"the potential reaches {float(host.max(found.x)):.3g} V, so deep that states may lie below "
            f"{problem.lowest:.4g} eV, where the charge is not counted in full; give "
            f"lowest={lowest_energy(device) - 1:.4g}."
        )
    if linearised is None:
        populations = to_numpy(problem.charge_at(found.x).charge().populations)
    else:
        populations = linearised.populations
    current, current_pullback = (0.0, None) if device.n_leads < 2 else _current(problem, device)
    solution = Solution(
        found.x,
        problem.net_charge(populations),
        populations,
        current,
        found.residual,
        found.n_steps,
        found.n_krylov_steps,
        found.n_evaluations,
        found.history,
        device,
        problem.mus,
    )
    return _Solved(solution, linearised, current_pullback)


def _current(
    problem: SelfConsistentProblem, device: Device
) -> tuple[float, Callable[[float], WindowCurrentCotangent]]:
    return window_current(
        device,
        problem.mus,
        problem.kt,
        spin_degeneracy=problem.spin_degeneracy,
        eta=problem.eta,
        device_eta=problem.device_eta,
        lead_method=problem.lead_method,
        memory_limit=problem.memory_limit,
        max_energies=problem.max_energies,
        edges=problem.edges,
    )


def _failure(failure: FixedPointError) -> SelfConsistencyError:
    residual = failure.residual_vector
    worst = [] if residual is None else host.argsort(-host.abs(residual))[:N_NAMED].tolist()
    named = ", ".join(f"{i} ({float(residual[i]):+.2g} V)" for i in worst)
    error = SelfConsistencyError(
        f"the self-consistent loop did not converge: {failure} The residual is largest at sites {named}. Start from "
        "the solution of a nearer bias, gate voltage or a higher temperature (initial=), or try the other method.",
        residual=failure.residual,
        history=failure.history,
        x=failure.x,
        residual_vector=residual,
    )
    error.sites = tuple(worst)
    return error


def _pullback(problem: SelfConsistentProblem, solved: _Solved) -> Callable[..., SelfConsistentCotangent]:
    """Cotangents of the solution → those of everything that went in."""
    solution = solved.solution
    kept = [] if solved.linearised is None else [solved.linearised]

    def self_consistent_pullback(
        *,
        potential: ArrayLike | None = None,
        charge: ArrayLike | None = None,
        current: float | None = None,
        device: Device | None = None,
    ) -> SelfConsistentCotangent:
        if not kept:
            kept.append(Linearisation(problem, solution.potential))
        here = kept[0]
        u = problem.potential_energy(solution.potential)
        _, potential_pullback = device_in_potential_vjp(problem.device, u, problem.shifts)
        n_sites = problem.electrostatics.n_sites
        phi_bar, q_bar = (_given(x, name, n_sites) for x, name in ((potential, "potential"), (charge, "charge")))

        # what the observables of the solution ask of φ, of the device in its potential, of μ and T
        device_bar, mu_bar, temperature_bar = device, host.zeros(len(problem.mus)), 0.0
        if current and solved.current_pullback is not None:
            of_current = solved.current_pullback(float(current))
            device_bar = _plus(device_bar, of_current.device)
            mu_bar[:2] += of_current.chemical_potentials
            temperature_bar += of_current.kt * BOLTZMANN
        if device_bar is not None:
            u_bar = potential_pullback(device_bar).potential_energy
            phi_bar = phi_bar - problem.of_sites(to_numpy(u_bar))
        if host.any(q_bar != 0):  # n̄ = −q̄
            phi_bar = phi_bar - here.electrons_to_potential(q_bar)

        # (1 − J)ᵀ λ = φ̄ at the solution, then everything at λ
        adjoint = fixed_point_adjoint(
            lambda v: v - here.transposed(v), phi_bar, preconditioner=here.precondition_transposed, tolerance=ADJOINT
        )
        _, field_pullback = problem.electrostatics.potential_vjp(solution.charge, -problem.shifts)
        of_field = field_pullback(adjoint.x)
        q_bar = q_bar + to_numpy(of_field.charge)
        of_charge = here.response.problem.pullback()(problem.moved(-q_bar[problem.sites]))
        device_bar = _plus(device_bar, of_charge.device)
        mu_bar = mu_bar + to_numpy(of_charge.chemical_potentials)
        temperature_bar += float(of_charge.temperature)

        found = potential_pullback(device_bar)
        # U_k = μ_k − E_F and V_k = −(μ_k − E_F)
        shift_bar = host.asarray(found.lead_potential_energy) - to_numpy(of_field.lead_voltages)
        mu_bar, fermi_bar, bias_bar = mu_bar + shift_bar, -float(host.sum(shift_bar)), None
        if problem.bias is not None:  # μ = E_F ± V/2
            fermi_bar += float(host.sum(mu_bar))
            bias_bar = 0.0 if len(mu_bar) < 2 else float(mu_bar[0] - mu_bar[1]) / 2
        return SelfConsistentCotangent(
            found.device,
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


def _plus(first: Device | None, second: Device) -> Device:
    if first is None:
        return second
    return tree_map(lambda x, y: x if y is None else x + y, first, second)  # type: ignore[no-any-return]


def _given(bar: Any, name: str, n_sites: int) -> Any:
    if bar is None:
        return host.zeros(n_sites)
    found = real_host(bar, f"{name}_bar")
    if found.shape != (n_sites,):
        raise ShapeError(f"the cotangent of the {name} has shape {found.shape} but there are {n_sites} sites.")
    return found
