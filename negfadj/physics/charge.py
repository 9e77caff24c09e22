"""Electrons on every orbital of a device: in equilibrium by poles, in the bias window on the real axis.

    n_a = g Σ_r w_r n_a^(r),
    n_a^(r) = Σ_p 2 Re[R_p P_a(z_p)] at μ_r + Σ_{c≠r} ∫ dE/2π  p_a^c(E) [f(E − μ_c) − f(E − μ_r)]

P_a(z) is Mulliken's share in G(z) and p_a^c in the states that lead c injects; the poles z_p and residues R_p are
those of a rational approximation of the Fermi function. r is the lead taken to be in equilibrium: bound states are
filled by it. The choices differ by the errors of the two integrals, and by bound states between the chemical
potentials.

Sources: M. Brandbyge et al., Phys. Rev. B 65, 165401 (2002), Sec. III; docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, is_array, leaves, move_in, move_out, to_numpy, tree_map
from ..constants import BOLTZMANN
from ..data import Device, Lead
from ..errors import HermiticityError, InputError, InputTypeError, ShapeError
from ..primitives.fermi_poles import FermiPoles, fermi_poles, fermi_poles_bar, fermi_poles_vjp
from ..primitives.lead_population import lead_population_vjp, lead_shares
from ..primitives.left_connected import left_connected
from ..primitives.occupation import occupation
from ..primitives.open_system import OpenSystem
from ..primitives.population import population, population_vjp
from ..primitives.scattering import scattering_states
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .band_edges import BandEdges, band_extent, is_within_bands
from .energy_integral import real_host
from .evaluate import evaluate, evaluate_vjp
from .level_motion import level_knots, pull_knots
from .narrow_levels import narrow_levels
from .request import Request, make_request
from .spectrum import is_below_spectrum, lowest_energy
from .window_breaks import WindowBreaks, window_breaks
from .window_quadrature import WindowNodes, window_nodes

TWO_PI = 6.283185307179586
LEAST_ERROR, MOST_ERROR = 1e-10, 1e-2
TAIL = 30.0  # kT: the difference of two occupations is below 1e-13 beyond
MISSED = 1e-5  # electrons by which two choices of the lead in equilibrium differ when a level was missed,
MISSED_ERRORS = 100.0  # or so many times the error allowed


@dataclass(frozen=True, eq=False)
class Charge:
    """Electrons on every orbital.

    Parameters
    ----------
    populations : array, shape (n_orbitals,)
        n_a [electrons].
    error : array, shape (n_orbitals,)
        Largest difference between two choices of the lead in equilibrium; zero when there is one choice. Far above
        the error asked for, it shows a bound state between the chemical potentials, or one narrower than 1e-9 eV.
    by_equilibrium_lead : array, shape (n_choices, n_orbitals)
        n_a of every choice.
    n_energies : int
        Complex and real energies at which the Green's function was computed.
    """

    populations: Array
    error: Array
    by_equilibrium_lead: Array
    n_energies: int


class ChargeCotangent(NamedTuple):
    """Cotangents of `charge`: of the device, of μ (n_leads,) and of the temperature."""

    device: Device
    chemical_potentials: Array
    temperature: Array


def charge(
    device: Device,
    chemical_potentials: ArrayLike,
    *,
    temperature: float,
    equilibrium: int | str = "mean",
    spin_degeneracy: float = 2.0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
    error: float = 1e-8,
    lowest: float | None = None,
    max_energies: int = 20_000,
) -> Charge:
    """Electrons on every orbital of a device between leads at their own chemical potentials.

        n_a = g Σ_r w_r { Σ_p 2 Re[R_p P_a(z_p)] + Σ_{c≠r} ∫ dE/2π p_a^c (f_c − f_r) }

    Parameters
    ----------
    device : Device
        Its potentials are those of its matrices and of its leads' `potential_energy`.
    chemical_potentials : array, shape (n_leads,), or one number for all
        μ [eV].
    temperature : float
        T [K], positive.
    equilibrium : int or "mean"
        The lead r whose Fermi function fills everything, bound states too; "mean" takes all of them with equal weights.
    spin_degeneracy : float
        g: 2 for orbitals without spin, 1 for orbitals that carry it; positive.
    eta, device_eta : float
        Broadening [eV] of the leads and of the device, at the poles as in the bias window.
    error : float
        Error allowed in the occupation of a state, and in every orbital's integral over the bias window [electrons],
        10⁻¹⁰ … 10⁻².
    lowest : float, optional
        E_min [eV], below which there is no state; default: a bound from the matrices. Needed with a `SelfEnergy`, whose
        levels have tails without an end: Γ/(2π (ε − E_min)) of a level ε is left out.
    max_energies : int
        The bias window is done with no more energies than this.
    The others as `transmission`.

    Returns
    -------
    Charge

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For a temperature that is not positive, chemical potentials of the wrong shape, one more than 30 kT outside of
        all bands of its lead, a lead known only by its self-energy at real energies, a `lowest` above states.
    HermiticityError
        For a device with lower blocks that are not the upper ones' adjoints, or given `lower` at all.
    ConvergenceError
        When a lead fails, or the bias window needs more than `max_energies`.

    Sources
    -------
    Brandbyge et al. (2002), Eqs. (33)–(39); docs/adjoints/charge.md.
    """
    problem = charge_problem(
        device,
        chemical_potentials,
        temperature=temperature,
        equilibrium=equilibrium,
        spin_degeneracy=spin_degeneracy,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        backend=backend,
        memory_limit=memory_limit,
        error=error,
        lowest=lowest,
        max_energies=max_energies,
    )
    check_lowest(device, lowest)
    return problem.solved()[0]


def charge_vjp(
    device: Device,
    chemical_potentials: ArrayLike,
    *,
    temperature: float,
    equilibrium: int | str = "mean",
    spin_degeneracy: float = 2.0,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
    error: float = 1e-8,
    lowest: float | None = None,
    max_energies: int = 20_000,
) -> tuple[Charge, Callable[..., ChargeCotangent]]:
    """`charge` and its pullback.

    Parameters, errors and sources as `charge`.

    Returns
    -------
    value : Charge
    pullback : callable
        ``pullback(populations_bar, wrt="all")`` gives `ChargeCotangent(device, chemical_potentials, temperature)`.

    Notes
    -----
    P̄(z_p) = 2 g w R_p* n̄, R̄_p = 2 g w Σ_a n̄_a P_a*, p̄^c(E_j) = g q_j n̄ Σ_r w_r (f_c − f_r)/2π; the poles move with μ
    and T, the nodes E_j of the quadrature with μ, kT and the leads' band edges between which they lie
    (docs/adjoints/charge.md).
    Kept for the pullback: as `density_of_states_vjp` for every pole and node.
    """
    problem = charge_problem(
        device,
        chemical_potentials,
        temperature=temperature,
        equilibrium=equilibrium,
        spin_degeneracy=spin_degeneracy,
        eta=eta,
        device_eta=device_eta,
        lead_method=lead_method,
        backend=backend,
        memory_limit=memory_limit,
        error=error,
        lowest=lowest,
        max_energies=max_energies,
    )
    check_lowest(device, lowest)
    value, problem = problem.solved()
    return value, problem.pullback()


@dataclass(frozen=True, eq=False)
class ChargeProblem:
    """A checked charge: the device on the backend, μ and weights of the leads as host arrays."""

    device: Device
    origin: Device
    mus: Any
    kt: float
    weights: Any
    spin_degeneracy: float
    eta: float
    device_eta: float
    lead_method: LeadMethod
    backend: Backend
    memory_limit: float | None
    error: float
    lowest: float
    max_energies: int
    edges: Sequence[BandEdges | None] | None = None
    known_nodes: WindowNodes | None = None
    levels: tuple[float, ...] = ()

    @property
    def choices(self) -> list[int]:
        """The leads taken to be in equilibrium."""
        return [int(r) for r in host.nonzero(self.weights)[0]]

    @property
    def is_biased(self) -> bool:
        """Are there different chemical potentials?"""
        return bool(host.max(self.mus) > host.min(self.mus))

    def solved(self) -> tuple[Charge, ChargeProblem]:
        """The charge, moved out, and the problem with the narrow levels that its window needs."""
        found = self.charge()
        problem = self.with_levels(to_numpy(found.error))
        return (found, self) if problem is self else (problem.charge(), problem)

    def with_levels(self, missing: Any) -> ChargeProblem:
        """Where two choices differ by much, `missing` (n_orbitals,), the problem with intervals that end at the narrow
        levels behind it."""
        largest = float(host.max(missing))
        if self.levels or not self.is_biased or largest <= max(MISSED, MISSED_ERRORS * self.error, self.eta):
            return self

        def signal(energies: Any, eta: float) -> Any:
            shares = evaluate(self.at_complex(self.moved(energies + 1j * eta)), population, layers=self._layers)
            return -eta * (host.imag(to_numpy(shares)) @ missing)

        least = 0.1 * float(missing @ missing) / self.spin_degeneracy
        low, high = (float(x) for x in (self.breaks.energies[0], self.breaks.energies[-1]))
        levels = tuple(narrow_levels(signal, low, high, least))
        return replace(self, levels=levels) if levels else self

    def charge(self) -> Charge:
        """The charge on the nodes that the window has, moved out."""
        in_equilibrium = {}
        n_energies = 0
        for mu in {float(self.mus[r]) for r in self.choices}:
            poles = self.poles(mu)
            shares = to_numpy(evaluate(self.contour(poles), population, layers=self._layers))
            in_equilibrium[mu] = 2 * host.real(poles.weights @ shares)
            n_energies += shares.shape[0]
        choices = host.stack([in_equilibrium[float(self.mus[r])] for r in self.choices])
        if self.is_biased and self.sources:
            integrals = self.nodes.integrals[: choices.size]
            choices = choices + host.reshape(integrals, choices.shape)
            n_energies += self.nodes.energies.shape[0]
        choices = self.spin_degeneracy * choices
        w = self.weights[self.choices]
        spread = host.max(choices, axis=0) - host.min(choices, axis=0)
        return Charge(self.out(w @ choices), self.out(spread), self.out(choices), n_energies)

    def pullback(self) -> Callable[..., ChargeCotangent]:
        """populations_bar → cotangents."""
        g = self.spin_degeneracy
        contours = []
        for mu in {float(self.mus[r]) for r in self.choices}:
            poles, poles_pullback = fermi_poles_vjp(mu, self.kt, lowest=self.lowest, error=self.error)
            leads = [r for r in self.choices if float(self.mus[r]) == mu]
            shares, shares_pullback = evaluate_vjp(self.contour(poles), population, population_vjp, layers=self._layers)
            contours.append((poles, poles_pullback, leads, to_numpy(shares), shares_pullback))
        kept: list[Any] = []
        core, core_vjp = (partial(f, sources=self.sources) for f in (injected_shares, lead_population_vjp))

        def injected() -> tuple[WindowNodes, Any, Any]:
            """The nodes of the bias window, p^c there, and its pullback: made once."""
            if not kept:
                nodes = self.nodes
                value, pullback = evaluate_vjp(self.real_axis(nodes.energies), core, core_vjp, layers=self._layers)
                kept.extend((nodes, to_numpy(value), pullback))
            return tuple(kept)

        def at_flanks(energies: Any, wrt: Any) -> tuple[Any, Callable[[Any], Any]]:
            value, pullback = evaluate_vjp(self.real_axis(energies), core, core_vjp, layers=self._layers)
            ones = host.ones(value.shape)
            slopes = to_numpy(pullback(self.moved(ones)).energies)
            return slopes, lambda bar: pullback(self.moved(bar[:, None, None] * ones), wrt=wrt).device

        def charge_pullback(populations_bar: Array, /, *, wrt: Any = "all") -> ChargeCotangent:
            bar = real_host(populations_bar, "populations_bar")
            if bar.shape != (self.device.n_orbitals,):
                raise ShapeError(
                    f"populations_bar has shape {bar.shape} but there are {self.device.n_orbitals} orbitals."
                )
            mu_bar, kt_bar, device_bar = host.zeros(len(self.mus)), 0.0, None
            for poles, poles_pullback, leads, shares, shares_pullback in contours:
                w = host.sum(self.weights[leads])
                p_bar = 2 * g * w * host.conj(poles.weights)[:, None] * bar[None, :]
                found = shares_pullback(self.moved(p_bar), wrt=wrt)
                device_bar = found.device if device_bar is None else tree_map(_plus, device_bar, found.device)
                if found.energies is None:
                    continue
                weights_bar = 2 * g * w * host.conj(shares) @ bar
                bars = poles_pullback(fermi_poles_bar(poles, nodes=to_numpy(found.energies), weights=weights_bar))
                mu_bar[leads] += bars.chemical_potential * self.weights[leads] / w
                kt_bar += bars.kt
            wants_all = isinstance(wrt, str) and wrt == "all"
            if self.sources and (self.is_biased or wants_all):  # without a bias n still depends on every μ by itself
                nodes, shares, shares_pullback = injected()
                f = occupation(nodes.energies, self.mus, self.kt)
                measure = g * nodes.weights / TWO_PI  # (m,)
                s = measure[:, None] * (shares @ bar)  # (m, sources)
                for k in range(len(self.mus)):
                    mu_bar[k] += float(host.sum(s * self.coefficients(f.d_mu, only=k)))
                kt_bar += float(host.sum(s * self.coefficients(f.d_kt)))
                if self.is_biased:
                    coefficients = self.coefficients(f.value)
                    p_bar = (measure[:, None] * coefficients)[:, :, None] * bar[None, None, :]
                    found = shares_pullback(self.moved(p_bar), wrt=wrt)
                    device_bar = tree_map(_plus, device_bar, found.device)
                    knots = level_knots(nodes, host.sum(shares, axis=(1, 2)), self.breaks, self.kt)
                    if wants_all or knots is not None:
                        energies_bar = found.energies if wants_all else shares_pullback(self.moved(p_bar)).energies
                        # ∂f/∂E = −∂f/∂μ
                        e_bar = to_numpy(energies_bar) - host.sum(s * self.coefficients(f.d_mu), axis=1)
                        measures_bar = host.sum(s * coefficients, axis=1)
                        breaks_bar = nodes.pull(e_bar, measures_bar / nodes.weights)
                    if knots is not None:
                        knots_bar = knots.pull(nodes.energies, e_bar, measures_bar)
                        share = pull_knots(knots, knots_bar, partial(at_flanks, wrt=wrt))
                        device_bar = tree_map(_plus, device_bar, share)
                        breaks_bar = breaks_bar - nodes.pull_at(knots.energies, knots_bar)  # breaks move no level
                    if wants_all:  # the nodes move with the breaks
                        device_bar, mu_bar, moved_bar = self.breaks.pull(
                            self.device, breaks_bar, device_bar, mu_bar
                        )
                        kt_bar += moved_bar
            if _is_single(self.origin):
                device_bar = tree_map(_in_single, device_bar)
            return ChargeCotangent(
                move_out(device_bar, self.origin, self.backend),
                self.out(mu_bar),
                self.out(host.asarray(kt_bar * BOLTZMANN)),
            )

        return charge_pullback

    @property
    def sources(self) -> list[int]:
        """The leads whose injected states count in the bias window: those not always taken to be in equilibrium."""
        return [c for c in range(len(self.mus)) if self.weights[c] < 1]

    @cached_property
    def nodes(self) -> WindowNodes:
        """Nodes of the bias window that serve every choice of the lead in equilibrium, per spin, and kT ∂/∂μ too."""
        if self.known_nodes is not None:
            return self.known_nodes
        core = partial(injected_shares, sources=self.sources)
        return self.window(lambda energies: to_numpy(evaluate(self.real_axis(energies), core, layers=self._layers)))

    def window(self, injected: Callable[[Any], Any]) -> WindowNodes:
        """The nodes for p^c (m, sources, n) from `injected` at energies (m,), host arrays."""

        def integrand(energies: Any) -> Any:
            shares = injected(energies)
            f = occupation(energies, self.mus, self.kt)
            found = []
            for r in self.choices:
                share = (f.value[:, self.sources] - f.value[:, r : r + 1]) / TWO_PI  # zero for c = r
                found.append(host.sum(share[:, :, None] * shares, axis=1))
            slope = self.kt * f.d_mu[:, self.sources] / TWO_PI
            found += [slope[:, c : c + 1] * shares[:, c, :] for c in range(len(self.sources))]
            return host.concat(found, axis=1)

        return window_nodes(integrand, self.breaks.energies, tolerance=self.error, max_energies=self.max_energies)

    @cached_property
    def breaks(self) -> WindowBreaks:
        """Where the window's intervals end."""
        return window_breaks(self.device, self.mus, self.kt, tail=TAIL, edges=self.edges, levels=self.levels)

    def coefficients(self, f: Any, only: int | None = None) -> Any:
        """Σ_r w_r (f_c − f_r) for every source c, (m, sources); `only` keeps the share of f_k alone."""
        if only is not None:
            f = f * (host.arange(f.shape[1]) == only)
        return f[:, self.sources] - (f @ self.weights)[:, None]

    def poles(self, mu: float) -> FermiPoles:
        """Poles and residues of the Fermi function at μ."""
        return fermi_poles(mu, self.kt, lowest=self.lowest, error=self.error)

    def contour(self, poles: FermiPoles) -> Request:
        """The calculation at the poles."""
        return self.at_complex(self.moved(poles.nodes))

    def at_complex(self, z: Array) -> Request:
        """The calculation at complex energies."""
        xp = array_namespace(z)
        return Request(
            self.device,
            xp.real(z),
            (z.shape[0],),
            self.eta,
            self.device_eta,
            "decimation",
            None,
            self.memory_limit,
            self.device,
            contour=z,
        )

    def real_axis(self, energies: Any) -> Request:
        """The calculation at real energies."""
        return make_request(
            self.device,
            self.moved(energies),
            self.eta,
            self.device_eta,
            self.lead_method,
            None,
            self.memory_limit,
        )

    @property
    def _layers(self) -> float:
        return 4.0 * self.device.hamiltonian.n_blocks

    def moved(self, x: Any) -> Array:
        """A host array beside the device's arrays."""
        like = self.device.hamiltonian.diagonal[0]
        return array_namespace(like).asarray(x, device=device_of(like))

    def out(self, x: Any) -> Array:
        """A host array where the caller's arrays are."""
        return move_out(self.moved(x), self.origin, self.backend)


def injected_shares(system: OpenSystem, /, *, sources: Sequence[int]) -> Array:
    """p^c of every orbital for every source, (E, n_sources, n_orbitals) [1/eV]: `lead_population`, to rounding."""
    factors = left_connected(system)
    found = [lead_shares(system, scattering_states(system, factors, c), c) for c in sources]
    return array_namespace(system.z).stack(found, axis=1)


def charge_problem(
    device: Device,
    chemical_potentials: ArrayLike,
    *,
    temperature: float,
    equilibrium: int | str,
    spin_degeneracy: float,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    backend: Backend,
    memory_limit: float | None,
    error: float,
    lowest: float | None,
    max_energies: int,
    edges: Sequence[BandEdges | None] | None = None,
    needs_reservoirs: bool = True,
) -> ChargeProblem:
    """The arguments of `charge`, checked; `edges` are the leads' band edges where they are known already.

    Without `needs_reservoirs` a lead may be empty or full.
    """
    if not isinstance(device, Device):
        raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, Lead) and lead.self_energy.shape[0] != 1:
            raise InputError(
                f"leads[{k}] is known only by its self-energy at {lead.self_energy.shape[0]} real energies; the charge "
                "needs it at complex ones: give a Lead, or one Σ for all energies (a wide band)."
            )
    kelvin = real_host(temperature, "temperature")
    if kelvin.ndim != 0 or not float(kelvin) > 0:
        raise InputError(f"temperature={temperature!r} must be one positive number [K]; 1 K is nearly zero.")
    mus = real_host(chemical_potentials, "chemical_potentials")
    if mus.ndim == 0:
        mus = host.full(device.n_leads, float(mus))
    if mus.shape != (device.n_leads,):
        raise ShapeError(f"chemical_potentials has shape {mus.shape} but there are {device.n_leads} leads.")
    if needs_reservoirs:
        check_chemical_potentials(device, mus, float(kelvin) * BOLTZMANN)
    if not LEAST_ERROR <= float(real_host(error, "error")) <= MOST_ERROR:
        raise InputError(f"error={error!r} must lie between {LEAST_ERROR:g} and {MOST_ERROR:g} electrons.")
    spins = real_host(spin_degeneracy, "spin_degeneracy")
    if spins.ndim != 0 or not float(spins) > 0:
        raise InputError(
            f"spin_degeneracy={spin_degeneracy!r} must be one positive number: 2 for orbitals without spin, 1 for "
            "orbitals that carry it."
        )
    _check_hermitian(device)
    make_request(device, 0.0, eta, device_eta, lead_method, backend, memory_limit)  # refuse early
    weights = host.zeros(device.n_leads)
    if equilibrium == "mean":
        weights[:] = 1 / device.n_leads
    else:
        weights[device.lead_index(equilibrium, "equilibrium")] = 1
    (moved,) = move_in((tree_map(_in_double, device),), backend)  # single precision cannot hold a narrow level
    return ChargeProblem(
        moved,
        device,
        mus,
        float(kelvin) * BOLTZMANN,
        weights,
        float(spins),
        eta,
        device_eta,
        lead_method,
        backend,
        memory_limit,
        error,
        lowest_energy(moved) if lowest is None else float(real_host(lowest, "lowest")),
        max_energies,
        edges,
    )


def check_chemical_potentials(device: Device, mus: Any, kt: float) -> None:
    """Refuse a chemical potential more than 30 kT below or above all bands of its lead: that lead is empty, or full.

    In a gap between bands it is that of an insulator, which is a lead like any other.
    """
    for k, (lead, mu) in enumerate(zip(device.leads, mus.tolist())):
        if not isinstance(lead, Lead) or is_within_bands(lead, mu, TAIL * kt):
            continue
        low, high = band_extent(lead)
        where, state = ("below", "empty") if mu < low else ("above", "full")
        raise InputError(
            f"chemical_potentials[{k}]={mu:.6g} eV lies {where} all bands of leads[{k}], {low:.6g} … {high:.6g} eV "
            f"with its potential_energy of {float(lead.potential_energy):.6g} eV: that lead is {state}, no reservoir. "
            "Move the chemical potential (fermi_energy, bias) into a band, or shift the lead by potential_energy: "
            "neutral_lead finds it."
        )


def check_lowest(device: Device, lowest: Any) -> None:
    """Refuse an E_min above states of the device or its leads, and none where a lead is a wide band."""
    if lowest is None:
        wide = [k for k, lead in enumerate(device.leads) if not isinstance(lead, Lead)]
        if wide:
            raise InputError(
                f"leads[{wide[0]}] is a SelfEnergy, whose levels have tails without an end: say with lowest=E_min [eV] "
                "how far they count; Γ/(2π (ε − E_min)) of a level ε lies below, so that -1e4 leaves out little."
            )
        return
    energy = float(real_host(lowest, "lowest"))
    found = is_below_spectrum(device, energy)
    if found is not None:
        raise InputError(
            f"lowest={energy:g} eV lies above states: {found[0]} has some at {found[1]:.6g} eV or below; leave it out, "
            f"or give lowest={lowest_energy(device):.6g}, below which there are none."
        )


def _check_hermitian(device: Device) -> None:
    """Only Hermitian matrices have occupations: what is lost or gained on the way has none."""
    for name, matrix in (("hamiltonian", device.hamiltonian), ("overlap", device.overlap)):
        if matrix is None or matrix.is_hermitian:
            continue
        pairs = [(f"diagonal[{i}]", to_numpy(x), _dagger(x)) for i, x in enumerate(matrix.diagonal)]
        pairs += [(f"lower[{i}]", to_numpy(matrix.lower_block(i)), _dagger(x)) for i, x in enumerate(matrix.upper)]
        for block, x, wanted in pairs:
            off = float(host.max(host.abs(x - wanted))) if x.size else 0.0
            if off > float(host.finfo(x.dtype).eps) ** 0.5 * float(host.max(host.abs(wanted), initial=0.0)):
                raise HermiticityError(
                    f"device.{name}.{block} is off a Hermitian matrix by {off:.3g}: with gain or loss there is no "
                    "occupation of states. Give the Hermitian part, and a loss as a SelfEnergy lead with its own "
                    "chemical potential (Büttiker's probe)."
                )


def _dagger(x: Any) -> Any:
    return host.conj(host.matrix_transpose(to_numpy(x)))


def _is_single(device: Device) -> bool:
    xp = array_namespace(device.hamiltonian.diagonal[0])
    return all(x.dtype in (xp.float32, xp.complex64) for x in leaves(device) if is_array(x))


def _in_double(x: Any) -> Any:
    return _cast(x, "float32", "float64", "complex64", "complex128")


def _in_single(x: Any) -> Any:
    return _cast(x, "float64", "float32", "complex128", "complex64")


def _cast(x: Any, real: str, to_real: str, complex_: str, to_complex: str) -> Any:
    if not is_array(x):
        return x
    xp = array_namespace(x)
    for old, new in ((real, to_real), (complex_, to_complex)):
        if x.dtype == getattr(xp, old):
            return xp.astype(x, getattr(xp, new))
    return x


def _plus(x: Any, y: Any) -> Any:
    return x if y is None else x + y


