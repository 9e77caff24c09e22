"""What current and linear response share: T(E) asked for at the nodes of an adaptive quadrature, and pulled back there.

The nodes of the quadrature are the same forwards and backwards: T̄ at a node is its quadrature weight times the
integrand's, and one pullback over all nodes does the rest. At η = 0 T has steps and square roots at the band edges of
the leads. The nodes between two edges move with them, so that the derivative of the sum is that of the integral.
Derivation: docs/adjoints/energy-integrals.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, is_array, move_in, move_out, to_numpy, tree_map
from ..constants import BOLTZMANN
from ..data import Device
from ..errors import ConvergenceError, InputError, InputTypeError, ShapeError
from ..typing import Array, Backend, LeadMethod
from .level_motion import level_knots, pull_knots
from .quadrature import NOTHING, check_rtol
from .request import make_request
from .window_breaks import HELD, SAME, WindowBreaks, joined_breaks, lead_band_edges
from .window_quadrature import WindowNodes, window_nodes

TAIL = 60.0  # kT: f and its window are below 1e-26 beyond
SHARPEST = 1e-11  # eV: a smaller kT is taken as zero, the window being sharper than energies can be told apart
NEAR_MU = (-30, -12, -4, 0, 4, 12, 30)  # kT
PIECES = 8  # of the whole window, so that resonances are met
NUDGE = 1e-9  # eV: a node that falls on a band edge is moved by this much


@dataclass(frozen=True, eq=False)
class EnergyIntegral:
    """The integrals (K,), the nodes that make them, T there (m,), and the breaks between which they lie."""

    integrals: Any
    nodes: WindowNodes
    breaks: WindowBreaks

    @property
    def energies(self) -> Any:
        """E_j (m,) [eV]."""
        return self.nodes.energies

    @property
    def weights(self) -> Any:
        """w_j (m,) [eV]."""
        return self.nodes.weights

    @property
    def values(self) -> Any:
        """T(E_j) (m,)."""
        return self.nodes.values[:, 0]

    @property
    def span(self) -> float:
        """Width of the window [eV]."""
        return float(self.nodes.breaks[-1] - self.nodes.breaks[0])


@dataclass(frozen=True, eq=False)
class EnergyProblem:
    """A checked integral: the device on the backend, and how T(E) is asked for."""

    device: Device
    origin: Device
    backend: Backend
    options: dict[str, Any]
    kt: float
    temperature: float
    rtol: float
    max_energies: int
    breaks: tuple[float, ...]

    def at(self, function: Callable[..., Array], energies: Any) -> Any:
        """`function` at host energies (m,), as a host array; nodes on a band edge are nudged off it."""
        energies = host.asarray(energies)
        for attempt in range(4):
            try:
                return to_numpy(function(self.device, self.moved(energies), **self.options))
            except ConvergenceError as error:
                if attempt == 3 or not error.energies:
                    raise
                failed = host.any(
                    host.abs(energies[:, None] - host.asarray(error.energies)[None, :]) < NUDGE / 4, axis=1
                )
                energies = host.where(failed, energies + NUDGE * 10**attempt, energies)
        raise AssertionError("unreachable")

    def moved(self, x: Any) -> Array:
        """A host array beside the device's arrays."""
        like = self.device.hamiltonian.diagonal[0]
        return host.asarray(x) if _is_numpy(like) else array_namespace(like).asarray(x, device=device_of(like))

    def out(self, x: Any) -> Array:
        """A host result where the caller's arrays are."""
        return move_out(self.moved(x), self.origin, self.backend)

    def host(self, x: Array) -> Any:
        """An array on the host."""
        return to_numpy(x)

    def back(self, tree: Any) -> Any:
        """A tree of arrays where the caller's arrays are."""
        return move_out(tree, self.origin, self.backend)

    def integral(
        self,
        function: Callable[..., Array],
        weight: Callable[[Any], Any],
        mus: Any,
        sizes: Any,
        nothing: float = NOTHING,
    ) -> EnergyIntegral:
        """∫ T w_k dE over the window of the chemical potentials; `sizes` are ∫ |w_k| dE (K,), `nothing` a T that counts
        as none."""
        breaks = self._integral_breaks(mus)

        def integrand(energies: Any) -> Any:
            t = to_numpy(function(self.device, self.moved(energies), **self.options))
            return host.concat([t[:, None], t[:, None] * weight(energies)], axis=1)

        nodes = window_nodes(
            integrand,
            breaks.energies,
            tolerance=host.concat([host.asarray([float("inf")]), nothing * sizes]),  # T itself is only kept
            rtol=self.rtol,
            max_energies=self.max_energies,
            n_kept=1,
            what="the energy integral",
        )
        return EnergyIntegral(nodes.integrals[1:], nodes, breaks)

    def _integral_breaks(self, mus: Any) -> WindowBreaks:
        """Both ends, the leads' band edges, which move, and what is held: near every μ, the caller's, and a ladder."""
        low, high = float(host.min(mus)) - TAIL * self.kt, float(host.max(mus)) + TAIL * self.kt
        if not high > low:  # equal chemical potentials at zero temperature: an empty window
            high = low + 1e-12 * (1 + abs(low))
        near = list(self.breaks)
        for mu in sorted({float(m) for m in mus}):
            near += [mu + k * self.kt for k in NEAR_MU] if self.kt else [mu]
        near += [low + (high - low) * k / PIECES for k in range(1, PIECES)]
        edges = lead_band_edges(self.device, low, high)
        same = min(SAME, max(self.kt, 1e-13 * (1 + max(abs(low), abs(high)))))
        return joined_breaks(self.device, [(low, HELD), (high, HELD)], [(e, HELD) for e in near], edges, same)


def pull_nodes(
    problem: EnergyProblem, function_vjp: Callable[..., Any], integral: EnergyIntegral, t_bar: Any, slope: Any, wrt: Any
) -> Device:
    """The device's cotangent from T̄ at the nodes and the slope ∂w/∂E of what it is weighed with, both (m,).

        Ē_j = ∂T/∂E T̄_j + w_j T_j ∂w/∂E,   w̄_j = T_j T̄_j/w_j,   then narrow levels and band edges
    """
    keep = host.arange(t_bar.shape[0]) == 0  # what neither weighs nor contributes anything is left out
    for share in (host.abs(t_bar), host.abs(t_bar * integral.values)):
        keep = keep | (share > 1e-18 * host.max(share))
    knots = level_knots(integral.nodes, integral.values, integral.breaks, problem.kt or integral.span / 60)
    _, pullback = function_vjp(problem.device, problem.moved(integral.energies[keep]), **problem.options)
    kept_bar = problem.moved(t_bar[keep])
    found = pullback(kept_bar, wrt=wrt)
    device_bar = found.device
    moves_edges = isinstance(wrt, str) and wrt == "all"  # only a lead moves its band edges
    if not moves_edges and knots is None:
        return problem.back(device_bar)  # type: ignore[no-any-return]
    energies_bar = found.energies if moves_edges else pullback(kept_bar).energies
    e_bar = integral.weights * integral.values * slope
    e_bar[keep] += to_numpy(energies_bar)
    breaks_bar = integral.nodes.pull(e_bar, integral.values * t_bar / integral.weights)
    if knots is not None:

        def at_flanks(energies: Any) -> tuple[Any, Callable[[Any], Any]]:
            _, flank_pullback = function_vjp(problem.device, problem.moved(energies), **problem.options)
            slopes = to_numpy(flank_pullback(problem.moved(host.ones_like(energies))).energies)
            return slopes, lambda bar: flank_pullback(problem.moved(bar), wrt=wrt).device

        knots_bar = knots.pull(integral.energies, e_bar, integral.values * t_bar)
        device_bar = tree_map(lambda x, y: x + y, device_bar, pull_knots(knots, knots_bar, at_flanks))
        breaks_bar = breaks_bar - integral.nodes.pull_at(knots.energies, knots_bar)  # a level is not moved by breaks
    if moves_edges:
        device_bar, _, _ = integral.breaks.pull(problem.device, breaks_bar, device_bar, host.zeros(0))
    return problem.back(device_bar)  # type: ignore[no-any-return]


def energy_problem(
    device: Device,
    temperature: Any,
    source: int,
    drain: int,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    backend: Backend,
    memory_limit: float | None,
    rtol: float,
    max_energies: int,
    breaks: Sequence[float],
) -> EnergyProblem:
    kelvin = real_host(temperature, "temperature")
    if kelvin.ndim != 0:
        raise ShapeError(f"temperature has shape {kelvin.shape} but must be one number [K].")
    if kelvin < 0:
        raise InputError(f"temperature={float(kelvin)!r} K is negative; give 0 or more.")
    if not isinstance(device, Device):
        raise InputTypeError(f"device is a {type(device).__name__}; pass a negfadj.Device.")
    source, drain = device.lead_pair(source, drain)
    options = {
        "source": source,
        "drain": drain,
        "eta": eta,
        "device_eta": device_eta,
        "lead_method": lead_method,
        "memory_limit": memory_limit,
    }
    check_rtol(rtol)
    ladder = real_host(breaks, "breaks")
    if ladder.ndim > 1:
        raise ShapeError(f"breaks has shape {ladder.shape} but must be one axis of energies [eV].")
    kt = float(kelvin) * BOLTZMANN
    make_request(device, 0.0, eta, device_eta, lead_method, backend, memory_limit)  # refuse early
    (moved,) = move_in((device,), backend)
    return EnergyProblem(
        moved,
        device,
        backend,
        options,
        kt if kt >= SHARPEST else 0.0,
        float(kelvin),
        rtol,
        max_energies,
        tuple(host.reshape(ladder, (-1,)).tolist()),
    )


def real_host(x: Any, name: str) -> Any:
    """A real argument as a host array of float64, or an error with its value."""
    values = to_numpy(x) if is_array(x) else x
    try:
        values = host.asarray(values)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name}={x!r} must be real numbers.") from None
    if values.dtype.kind not in "iuf":
        raise InputTypeError(f"{name}={x!r} must be real numbers.")
    if not host.all(host.isfinite(values)):
        raise InputError(f"{name}={x!r} must be finite.")
    return host.astype(values, host.float64)


def host_bar(value_bar: Any, shape: tuple[int, ...]) -> Any:
    bar = real_host(value_bar, "value_bar")
    if tuple(bar.shape) != tuple(shape):
        raise ShapeError(f"value_bar has shape {tuple(bar.shape)} but the value has shape {tuple(shape)}.")
    return host.reshape(bar, (-1,))


def _is_numpy(x: Any) -> bool:
    return isinstance(x, host.ndarray)
