"""The self-consistent potential of a device with electrostatics, and the exact gradient through it.

    φ = P q + φ_ext,   q_i = n⁰_i − n_i(φ),   U_a = −φ_i of the site i of orbital a
    lead k: μ_k = E_F − V_k (±bias/2 for source and drain), potential energy + (μ_k − E_F), its conductor at V_k

Newton–Krylov on F(φ) = φ − P q(φ) − φ_ext with the exact response of the charge, preconditioned by its local part. The
gradient is one transposed linear solve at the solution, (1 − J)ᵀ λ = φ̄ with J = −P ∂n/∂φ, and the pullbacks of
electrostatics and charge at λ: nothing is unrolled, no Jacobian is formed.

Sources: docs/adjoints/self-consistent.md; docs/adjoints/fixed-point.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import array_api_compat.numpy as host

from ..array import STATIC
from ..data import Device
from ..electrostatics.interface import Electrostatics
from ..errors import InputError, ShapeError
from ..implicit import FixedPointError, FixedPointSolution, anderson
from ..implicit.vectors import check_count, check_mixing, check_tolerance
from ..typing import Array, ArrayLike, LeadMethod
from .band_edges import BandEdges
from .energy_integral import real_host
from .neutral_potential import neutral_potential
from .sector import Sector
from .self_consistent_adjoint import SelfConsistentCotangent, self_consistent_adjoint
from .self_consistent_newton import LARGEST_STEP, solve_by_newton
from .self_consistent_problem import Linearisation, SelfConsistentProblem, self_consistent_problem
from .terminal_currents import TerminalCurrents, terminal_currents

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
        Electrons on every orbital; for sectors a tuple of such, without their weights.
    current : float
        From lead 0 into lead 1 [µA], sectors with their weights; 0 for a device of one lead. With three leads or more
        it is their share of the current alone.
    terminal_currents : array, shape (n_leads,)
        From every lead into the device [µA], all other leads counted; their sum is 0.
    residual : float
        max |φ − P q − φ_ext| [V].
    iterations, krylov_products, evaluations : int
        Steps, products with the Jacobian, evaluations of the charge.
    history : tuple of float
        The residual [V] at the start and after every step.
    charge_error : float
        Largest difference, on any orbital, between two choices of the lead in equilibrium [electrons], as
        `Charge.error`; 0 when there is one choice, or no bias. Far above `error` it shows a bound state between the
        chemical potentials, or a level too narrow to be seen.
    device : Device
        The device in its potential, its leads shifted: any observable can be asked of it. For sectors a tuple.
    chemical_potentials : array, shape (n_leads,)
        μ [eV].
    """

    potential: Array
    charge: Array
    populations: Any
    current: float
    terminal_currents: Array
    residual: float = field(metadata=STATIC)
    iterations: int = field(metadata=STATIC)
    krylov_products: int = field(metadata=STATIC)
    evaluations: int = field(metadata=STATIC)
    history: tuple[float, ...] = field(metadata=STATIC)
    charge_error: float = field(metadata=STATIC)
    device: Any = field(metadata=STATIC)
    chemical_potentials: Array = field(metadata=STATIC)


def self_consistent(
    device: Device | Sequence[Sector],
    electrostatics: Electrostatics,
    *,
    bias: float | None = 0.0,
    temperature: float = 300.0,
    neutral: ArrayLike,
    sites: ArrayLike | None = None,
    chemical_potentials: ArrayLike | None = None,
    fermi_energy: float = 0.0,
    initial: ArrayLike | Literal["neutral", "zero"] | None = None,
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
    device : Device, or a sequence of Sector
        At zero potential, its leads at theirs. Sectors are devices in one potential that do not couple: the modes of a
        tube, the transverse momenta of a film, valleys, spins.
    electrostatics : Electrostatics
    bias : float, optional
        V [V]: μ_0 = E_F + V/2, μ_1 = E_F − V/2 [eV]; other leads at E_F. Every lead follows its chemical potential
        rigidly, and so does the conductor that belongs to it.
    temperature : float
        T [K], positive.
    neutral : array, shape (n_sites,)
        n⁰, the electrons of a neutral site, both spins; ionised dopants may be counted here.
    sites : integer array, shape (n_orbitals,), optional
        The site of every orbital (`TransportModel.atoms`); default: one site per orbital, in their order, as many as
        there are. Sectors have their own. A site without orbitals holds no electrons, and its n⁰ must be 0.
    chemical_potentials : array, shape (n_leads,), optional
        μ [eV] in place of a bias, which must then be 0 or None.
    fermi_energy : float
        E_F [eV], at which a lead has voltage 0.
    initial : array of shape (n_sites,), a Solution, "neutral" or "zero", optional
        The potential [V] to start from: that of a neighbouring bias, say. "neutral", the default, is that of a local
        model, in which a site holds what the device, shifted rigidly by the site's own potential, has there.
    method : "newton" or "anderson"
        Newton–Krylov with the exact response and, where its line search ends without a solution, the flow
        dφ/dτ = −F; or Anderson mixing.
    tolerance : float
        On max |φ − P q − φ_ext| [V].
    max_iterations : int, optional
        1 or more; default 30 Newton steps with 100 along the flow, 200 of Anderson's.
    mixing : float
        Anderson's β, above 0 and at most 1.
    spin_degeneracy : float
        g, positive, of charge and current.
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
    device: Device | Sequence[Sector],
    electrostatics: Electrostatics,
    *,
    bias: float | None = 0.0,
    temperature: float = 300.0,
    neutral: ArrayLike,
    sites: ArrayLike | None = None,
    chemical_potentials: ArrayLike | None = None,
    fermi_energy: float = 0.0,
    initial: ArrayLike | Literal["neutral", "zero"] | None = None,
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
        ``pullback(potential=None, charge=None, current=None, terminal_currents=None, device=None)``: cotangents of the
        solution's potential, charge and currents, and of the device in its potential (`bar.device` of any observable of
        `solution.device`; for sectors a list, None where there is none), any of them together →
        `SelfConsistentCotangent`.

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
    pullback = self_consistent_adjoint(
        problem, solved.solution.potential, solved.populations, solved.currents, solved.linearised
    )
    return solved.solution, pullback


class _Solved(NamedTuple):
    """A solution with what its pullback needs: populations and currents of all sectors, Newton's last linearisation."""

    solution: Solution
    populations: Any
    currents: list[TerminalCurrents]
    linearised: Linearisation | None


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
    if max_iterations is not None:
        check_count(max_iterations, "max_iterations", 1)
    check_tolerance(tolerance)
    check_mixing(mixing)
    linearised: Linearisation | None = None

    def fixed_point_map(potential: Any) -> Any:
        return problem.field(problem.net_charge(problem.populations_at(potential)))

    start = _start(problem, initial)
    try:
        if method == "newton":
            found, linearised = solve_by_newton(problem, start, tolerance=tolerance, max_iterations=max_iterations)
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
    return _solved(problem, found, linearised)


def _start(problem: SelfConsistentProblem, initial: Any) -> Any:
    """The potential given, or the one that is asked for."""
    n_sites = problem.electrostatics.n_sites
    if initial is None or (isinstance(initial, str) and initial == "neutral"):
        return neutral_potential(problem)
    if isinstance(initial, str):
        if initial == "zero":
            return host.zeros(n_sites)
        raise InputError(f'initial={initial!r} is not known; use "neutral", "zero", a potential or a Solution.')
    start = real_host(getattr(initial, "potential", initial), "initial")
    if start.shape != (n_sites,):
        raise ShapeError(f"initial has shape {start.shape} but there are {n_sites} sites.")
    return start


def _solved(problem: SelfConsistentProblem, found: FixedPointSolution, linearised: Linearisation | None) -> _Solved:
    devices = problem.devices_at(found.x)
    lowest = problem.lowest_energy(devices)
    if problem.given_lowest is None and lowest < problem.lowest:
        raise InputError(
            f"the potential reaches {float(host.max(found.x)):.3g} V, so deep that states may lie below "
            f"{problem.lowest:.4g} eV, where the charge is not counted in full; give lowest={lowest - 1:.4g}."
        )
    if linearised is None:
        populations, error = problem.populations_with_error(found.x)
    else:
        populations, error = linearised.populations, linearised.charge_error
    currents = [_currents(problem, device, edges) for device, edges in zip(devices, problem.edges)]
    solution = Solution(
        found.x,
        problem.net_charge(populations),
        populations if problem.is_one_device else tuple(problem.split(populations)),
        sum(sector.weight * own.first_pair for sector, own in zip(problem.sectors, currents)),
        host.sum(host.stack([s.weight * own.of_leads for s, own in zip(problem.sectors, currents)]), axis=0),
        found.residual,
        found.n_steps,
        found.n_krylov_steps,
        found.n_evaluations,
        found.history,
        error,
        devices[0] if problem.is_one_device else devices,
        problem.mus,
    )
    return _Solved(solution, populations, currents, linearised)


def _currents(
    problem: SelfConsistentProblem, device: Device, edges: Sequence[BandEdges | None]
) -> TerminalCurrents:
    return terminal_currents(
        device,
        problem.mus,
        problem.kt,
        spin_degeneracy=problem.spin_degeneracy,
        eta=problem.eta,
        device_eta=problem.device_eta,
        lead_method=problem.lead_method,
        memory_limit=problem.memory_limit,
        max_energies=problem.max_energies,
        error=problem.error,
        edges=edges,
    )


def _failure(failure: FixedPointError) -> SelfConsistencyError:
    residual = failure.residual_vector
    worst = [] if residual is None else host.argsort(-host.abs(residual))[:N_NAMED].tolist()
    named = ", ".join(f"{i} ({float(residual[i]):+.2g} V)" for i in worst)
    error = SelfConsistencyError(
        f"the self-consistent loop did not converge: {failure.reason}. The residual is largest at sites {named}. Start "
        "from the solution of a nearer bias, gate voltage or a higher temperature (initial=), let "
        "self_consistent_by_continuation walk there from an easier one, or try the other method; a residual that "
        "stands still just above the tolerance needs a smaller error= of the charge, or a larger tolerance.",
        residual=failure.residual,
        history=failure.history,
        x=failure.x,
        residual_vector=residual,
        n_krylov_steps=failure.n_krylov_steps,
        n_evaluations=failure.n_evaluations,
    )
    error.sites = tuple(worst)
    return error
