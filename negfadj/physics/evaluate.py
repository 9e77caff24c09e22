"""Run an observable over all energies, batch by batch, forwards and backwards.

A core is a function of an `OpenSystem` that returns an array with energies leading; its `_vjp` returns the value and a
pullback to a `SystemCotangent`. Batches are chosen from the memory budget; the answer does not depend on them. The
pullbacks of all batches are kept as long as they fit the budget; past it each batch is computed again when it is
pulled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from ..array import (
    array_namespace,
    batch_size,
    cached_batch,
    computing,
    device_of,
    halving,
    in_threads,
    is_array,
    is_complex,
    memory_budget,
    move_in,
    move_out,
    rebuild,
    thread_count,
    to_numpy,
    tree_map,
)
from ..data import Device, SelfEnergy
from ..data.checks import check_finite
from ..errors import ConvergenceError, InputTypeError, ShapeError
from ..primitives.open_system import OpenSystem
from ..typing import Array
from .leads import LeadSolver
from .pattern import make_wrt
from .request import Request, largest_matrix

Result = TypeVar("Result")


class TransportCotangent(NamedTuple):
    """Cotangents of (device, energies): a `Device` of cotangents, and an array of the energies' shape.

    With `wrt` other than "all", only `device.hamiltonian` is there: an `EntriesCotangent`.
    """

    device: Device
    energies: Array | None


class Pullback(Protocol):
    """value_bar → `TransportCotangent`; `wrt` is "all", "onsite" or a pattern (rows, columns) of entries of H."""

    def __call__(self, value_bar: Array, /, *, wrt: Any = "all") -> TransportCotangent: ...


Core = Callable[[OpenSystem], Array]
CoreVjp = Callable[[OpenSystem], tuple[Array, Callable[..., Any]]]


def evaluate(request: Request, core: Core, *, layers: float = 8.0) -> Array:
    """The observable at every energy, moved back to the caller; `layers` is its peak memory in largest blocks."""
    xp = array_namespace(request.energies)
    per_energy = layers * _largest_block(request)

    def forward(where: slice) -> Array:
        return core(assemble(request, where)[0])

    with computing(_blas_size(request)):
        values = [value for _, value in _done(request, per_energy, forward)]
    value = xp.concat(values, axis=0) if len(values) > 1 else values[0]
    _check_finite(value, request.energies)
    return move_out(xp.reshape(value, (*request.shape, *value.shape[1:])), request.origin, request.backend)


def evaluate_vjp(request: Request, core: Core, core_vjp: CoreVjp, *, layers: float = 8.0) -> tuple[Array, Pullback]:
    """The observable and its pullback to device and energies.

    Kept for the pullback: the left-connected factors of the device, 16 Σ n_i² bytes an energy, and of each lead its
    surface function and self-energy; nothing when that exceeds the memory budget.
    """
    xp = array_namespace(request.energies)
    kept_bytes = _kept_bytes(request)
    per_energy = 2 * kept_bytes + layers * _largest_block(request)  # beside factors: columns
    n_energies = int(request.energies.shape[0])
    budget = memory_budget(request.energies, request.memory_limit)
    keep = kept_bytes * n_energies + layers * _largest_block(request) <= budget

    def forward(where: slice) -> tuple[Any, ...]:
        return _forward(request, core_vjp, where) if keep else (core(assemble(request, where)[0]),)

    with computing(_blas_size(request)):
        done = list(_done(request, per_energy, forward))
    parts, values = [where for where, _ in done], [found[0] for _, found in done]
    kept = {(where.start, where.stop): found[1:] for where, found in done} if keep else {}
    del done
    value = xp.concat(values, axis=0) if len(values) > 1 else values[0]
    _check_finite(value, request.energies)
    flat_shape = value.shape

    def pullback(value_bar: Array, /, *, wrt: Any = "all") -> TransportCotangent:
        value_bar = _checked_bar(value_bar, (*request.shape, *flat_shape[1:]), value, request)
        value_bar = xp.reshape(value_bar, flat_shape)
        checked = make_wrt(wrt, request.device.hamiltonian)
        total: Any = None
        energy_bars = []

        def pull(where: slice) -> tuple[Device, Array | None]:
            found = kept.get((where.start, where.stop))
            observable_pullback, lead_pullbacks = found or _forward(request, core_vjp, where)[1:]
            return _pull_batch(request, observable_pullback(value_bar[where, ...], checked), lead_pullbacks)

        with computing(_blas_size(request)):
            for _, (bar, energy_bar) in _done(request, per_energy, pull, parts=parts, forget=kept.clear):
                total = bar if total is None else tree_map(lambda x, y: x + y, total, bar)
                energy_bars.append(energy_bar)
        energies_bar = None
        if energy_bars[0] is not None:
            energies_bar = xp.reshape(xp.concat(energy_bars), request.shape)
        result = TransportCotangent(total, energies_bar)
        return move_out(result, request.origin, request.backend)  # type: ignore[no-any-return]

    result = xp.reshape(value, (*request.shape, *flat_shape[1:]))
    return move_out(result, request.origin, request.backend), pullback


def _done(
    request: Request,
    bytes_per_energy: float,
    work: Callable[[slice], Result],
    *,
    parts: Iterable[slice] | None = None,
    forget: Callable[[], Any] | None = None,
) -> Iterator[tuple[slice, Result]]:
    """(where, work(where)) for all batches in order, by all threads; a batch that is out of memory is halved."""
    parts = batches(request, bytes_per_energy) if parts is None else parts

    def halved(parts: Iterable[slice]) -> Iterator[tuple[slice, Result]]:
        return halving(parts, work, bytes_per_energy=bytes_per_energy, forget=forget)

    n_threads = _threads(request)
    if n_threads == 1:
        yield from halved(parts)
        return
    for found in in_threads(lambda where: list(halved([where])), parts, n_threads):
        yield from found


def _blas_size(request: Request) -> int:
    """The size by which BLAS gets its threads: none where the energies are shared by ours."""
    return 0 if _threads(request) > 1 else largest_matrix(request.device)


def _threads(request: Request) -> int:
    return thread_count(request.energies, largest_matrix(request.device))


def batches(request: Request, bytes_per_energy: float) -> Iterator[slice]:
    """The places of the energies that are done together: as many as the memory and the cache take."""
    n_energies, n_threads = int(request.energies.shape[0]), _threads(request)
    budget = memory_budget(request.energies, request.memory_limit) // n_threads
    rows = max(request.device.hamiltonian.block_sizes)
    most = cached_batch(request.energies, rows * rows * _itemsize(request))
    most = min(most, -(-n_energies // n_threads))
    size = batch_size(n_energies, int(bytes_per_energy), budget, most=most)
    for start in range(0, n_energies, size):
        yield slice(start, min(start + size, n_energies))


def _largest_block(request: Request) -> int:
    return largest_matrix(request.device) ** 2 * _itemsize(request)


def _kept_bytes(request: Request) -> int:
    blocks = sum(n * n for n in request.device.hamiltonian.block_sizes)
    leads: int = sum(2 * lead.coupled_shape[0] ** 2 + 6 * lead.coupled_shape[1] ** 2 for lead in request.device.leads)
    return (blocks + leads) * _itemsize(request)


def _itemsize(request: Request) -> int:
    is_single = bool(request.dtype == array_namespace(request.energies).complex64)
    return 8 if is_single else 16


def assemble(request: Request, where: slice) -> tuple[OpenSystem, LeadSolver]:
    """A(z) of a batch of energies, and the solver that did its leads."""
    z_device, solver = _energies(request, where)
    sigmas = [solver.self_energy(lead) for lead in request.device.leads]
    return _system(request, z_device, sigmas), solver


def assemble_vjp(request: Request, where: slice) -> tuple[OpenSystem, list[Any]]:
    """A(z) of a batch, and the pullbacks of its leads' self-energies."""
    z_device, solver = _energies(request, where)
    sigmas, pullbacks = [], []
    for lead in request.device.leads:
        sigma, lead_pullback = solver.self_energy_vjp(lead)
        sigmas.append(sigma)
        pullbacks.append(lead_pullback)
    return _system(request, z_device, sigmas), pullbacks


def _energies(request: Request, where: slice) -> tuple[Array, LeadSolver]:
    """The device's complex energies, and the solver of the leads at theirs."""
    xp = array_namespace(request.energies)
    real = xp.astype(request.energies[where], request.dtype)
    z = real if request.contour is None else request.contour[where]
    z_lead, z_device = z + 1j * request.eta, z + 1j * request.device_eta
    return z_device, LeadSolver(z_lead, where, request.method, request.at_real_energy)


def _system(request: Request, z: Array, sigmas: list[Array]) -> OpenSystem:
    device = request.device
    return OpenSystem(
        z,
        device.hamiltonian,
        device.overlap,
        tuple(sigmas),
        tuple(lead.block for lead in device.leads),
        request.supports,
        request.hoppings,
        tuple(k for k, lead in enumerate(device.leads) if isinstance(lead, SelfEnergy)),
    )


def _forward(request: Request, core_vjp: CoreVjp, where: slice) -> tuple[Array, Callable[..., Any], list[Any]]:
    system, lead_pullbacks = assemble_vjp(request, where)
    value, observable_pullback = core_vjp(system)
    return value, observable_pullback, lead_pullbacks


def _pull_batch(request: Request, system_bar: Any, lead_pullbacks: list[Any]) -> tuple[Device, Array | None]:
    """From the cotangent of A(z) to those of the device and of the batch's energies."""
    xp = array_namespace(request.energies)
    leads: list[Any] = []
    z_bar = system_bar.z
    for lead, sigma_bar, lead_pullback in zip(request.device.leads, system_bar.self_energies, lead_pullbacks):
        if system_bar.z is None:
            leads.append(None)
            continue
        if sigma_bar is None:  # an exact zero: nothing of the observable reaches this lead
            n = lead.coupled_shape[0]
            sigma_bar = xp.zeros((system_bar.z.shape[0], n, n), dtype=request.dtype, device=device_of(request.energies))
        bar = lead_pullback(sigma_bar)
        leads.append(bar.lead)
        z_bar = z_bar if bar.z is None else z_bar + bar.z
    device = rebuild(request.device, hamiltonian=system_bar.hamiltonian, overlap=system_bar.overlap, leads=tuple(leads))
    return device, z_bar if z_bar is None or request.contour is not None else xp.real(z_bar)


def _checked_bar(value_bar: Any, shape: tuple[int, ...], value: Array, request: Request) -> Array:
    """The cotangent of the value beside the value: finite, of its shape, real for a real value."""
    xp = array_namespace(value)
    if not is_array(value_bar):
        try:
            value_bar = xp.asarray(value_bar, device=device_of(value))
        except (TypeError, ValueError):
            raise InputTypeError(f"value_bar={value_bar!r} cannot be made an array of real numbers.") from None
    (value_bar,) = move_in((value_bar,), request.backend)
    if array_namespace(value_bar) is not xp:
        raise InputTypeError(
            f"value_bar is a {type(value_bar).__module__.split('.')[0]} array and the value is not; convert it first."
        )
    if not is_complex(value) and not xp.isdtype(value_bar.dtype, ("real floating", "integral", "bool")):
        raise InputTypeError(f"value_bar has dtype {value_bar.dtype} but the value is real.")
    if tuple(value_bar.shape) != tuple(shape):
        raise ShapeError(f"value_bar has shape {tuple(value_bar.shape)} but the value has shape {tuple(shape)}.")
    value_bar = xp.astype(value_bar, value.dtype)
    check_finite(xp.reshape(value_bar, (-1,)), "value_bar")
    return value_bar


def _check_finite(value: Array, energies: Array) -> None:
    xp = array_namespace(value)
    axes = tuple(range(1, value.ndim))
    finite = xp.all(xp.isfinite(value), axis=axes) if axes else xp.isfinite(value)
    if bool(xp.all(finite)):
        return
    at = [e for e, good in zip(to_numpy(energies).tolist(), to_numpy(finite).tolist()) if not good]
    raise ConvergenceError(
        f"z S − H − Σ is singular at E = {', '.join(f'{e:.6g}' for e in at[:5])} eV: a bound state, or a level of a "
        "part that no lead reaches; shift the energy slightly, or give a small device_eta.",
        energies=at,
    )
