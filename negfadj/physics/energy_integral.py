"""What current and linear response share: T(E) asked for at the nodes of an adaptive quadrature, and pulled back there.

The nodes of the quadrature are the same forwards and backwards: T̄ at a node is its quadrature weight times the
integrand's, and one pullback over all nodes does the rest. At η = 0 a perfect contact's T jumps at its band edges; the
derivative of such a jump is a delta function that no set of nodes sees, and the pullback says so instead of leaving it
out. Derivation: docs/adjoints/energy-integrals.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import array_api_compat.numpy as host

from ..array import array_namespace, device_of, is_array, move_in, move_out, to_numpy
from ..constants import BOLTZMANN
from ..data import Device, Lead
from ..errors import ConvergenceError, InputError, InputTypeError, ShapeError
from ..typing import Array, Backend, LeadMethod
from .leads import lead_open_channels
from .quadrature import NOTHING, EnergyIntegral, check_rtol, integrate
from .request import SMALLEST_BROADENING, make_request
from .transport import transmission

TAIL = 60.0  # kT: f and its window are below 1e-26 beyond
SHARPEST = 1e-11  # eV: a smaller kT is taken as zero, the window being sharper than energies can be told apart
EDGE_WIDTH = 1e-8  # eV: a band edge is found to this width,
JUMP_HEIGHT = 1e-2  # and a change of T by more than this across it is a step, not a square root
N_MOMENTA = 32  # k points that show where a lead's bands begin and end
NUDGE = 1e-9  # eV: a node that falls on a band edge is moved by this much


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

    def _band_breaks(self) -> list[float]:
        """Lowest and highest energy of every band of the leads, on a grid of k: where T has its steps and roots."""
        found: list[float] = []
        for lead in (self.device.leads[self.options[name]] for name in ("source", "drain")):
            if isinstance(lead, Lead):
                bands = lead_bands(lead)  # (k, n)
                found += [*host.min(bands, axis=0).tolist(), *host.max(bands, axis=0).tolist()]
        return found

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
        self, function: Callable[..., Array], weight: Callable[[Any], Any], mus: Any, nothing: float = NOTHING
    ) -> EnergyIntegral:
        """∫ T w dE over the window of the chemical potentials."""
        low, high = float(host.min(mus)) - TAIL * self.kt, float(host.max(mus)) + TAIL * self.kt
        if not high > low:  # equal chemical potentials at zero temperature: an empty window
            high = low + 1e-12 * (1 + abs(low))
        breaks = [low, high, *(b for b in self.breaks if low < b < high)]
        for mu in sorted({float(m) for m in mus}):
            breaks += [mu + k * self.kt for k in (-30, -12, -4, 0, 4, 12, 30)] if self.kt else [mu]
        breaks += [low + (high - low) * k / 8 for k in range(1, 8)]
        breaks += [b for b in self._band_breaks() if low < b < high]
        return integrate(
            partial(self.at, function),
            weight,
            breaks,
            rtol=self.rtol,
            max_energies=self.max_energies,
            nothing=nothing,
        )


def lead_bands(lead: Lead) -> Any:
    """E_n(k) of a lead at N_MOMENTA values of k from 0 to 2π, host array (k, n) [eV], its potential energy included."""
    phase = host.exp(2j * host.pi * host.arange(N_MOMENTA) / N_MOMENTA)[:, None, None]

    def bloch(onsite: Any, hopping: Any) -> Any:
        there = phase * to_numpy(hopping)[None]
        return to_numpy(onsite)[None] + there + host.conj(host.matrix_transpose(there))

    h = bloch(lead.onsite, lead.hopping)
    if lead.overlap_onsite is not None:
        whitening = host.linalg.inv(host.linalg.cholesky(bloch(lead.overlap_onsite, lead.overlap_hopping)))
        h = whitening @ h @ host.conj(host.matrix_transpose(whitening))
    return host.linalg.eigvalsh(h) + float(lead.potential_energy)


def pull_nodes(
    problem: EnergyProblem, function_vjp: Callable[..., Any], integral: EnergyIntegral, t_bar: Any, wrt: Any
) -> Device:
    """The device's cotangent from T̄ at the nodes; nodes that weigh nothing are left out."""
    largest = float(host.max(host.abs(t_bar)))
    density = host.abs(t_bar) / integral.weights
    felt_at = density > 1e-9 * host.max(density)
    moves_edges = isinstance(wrt, str) and wrt == "all" and largest > 0  # only a lead moves its band edges
    felt = _jumps(problem, integral, felt_at) if moves_edges else []
    if felt:
        raise ConvergenceError(
            f"T(E) jumps at E = {', '.join(f'{e:.6g}' for e in felt[:5])} eV inside the window: at eta = 0 a perfect "
            "contact opens a channel there, and the derivative of the jump is not in the integrand's derivative; "
            "give eta > 0, 1e-4 eV say.",
            energies=felt,
        )
    keep = host.abs(t_bar) > 1e-18 * largest if largest > 0 else host.arange(t_bar.shape[0]) == 0
    _, pullback = function_vjp(problem.device, problem.moved(integral.energies[keep]), **problem.options)
    return problem.back(pullback(problem.moved(t_bar[keep]), wrt=wrt).device)  # type: ignore[no-any-return]


def _jumps(problem: EnergyProblem, integral: EnergyIntegral, felt: Any) -> list[float]:
    """Energies in the window where T is discontinuous: a lead's channels change there, and T does not start from zero.

    Between neighbouring nodes with different channel counts the band edge is found by halving; T just below and just
    above it tells a jump from the usual square root.
    """
    leads = [problem.device.leads[problem.options[name]] for name in ("source", "drain")]
    if problem.options["eta"] >= SMALLEST_BROADENING or not all(isinstance(lead, Lead) for lead in leads):
        return []

    def channels(energies: Any) -> Any:
        counts = [to_numpy(lead_open_channels(lead, problem.moved(energies))) for lead in leads]
        return counts[0] * 1000 + counts[1]

    order = host.argsort(integral.energies)
    energies, felt = integral.energies[order], felt[order]
    counts = channels(energies)
    changes = host.nonzero((counts[1:] != counts[:-1]) & (felt[1:] | felt[:-1]))[0]
    if changes.size == 0:
        return []
    lower, upper, below = energies[changes], energies[changes + 1], counts[changes]
    while float(host.max(upper - lower)) > EDGE_WIDTH:
        middle = (lower + upper) / 2
        same = channels(middle) == below
        lower, upper = host.where(same, middle, lower), host.where(same, upper, middle)
    before = problem.at(transmission, lower - EDGE_WIDTH)
    after = problem.at(transmission, upper + EDGE_WIDTH)
    return [float(e) for e, jump in zip(upper, host.abs(after - before) > JUMP_HEIGHT) if jump]


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
