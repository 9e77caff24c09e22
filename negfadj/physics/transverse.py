"""Transmission of devices that are periodic across the transport direction: a sum over transverse momenta."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, Protocol

from ..array import array_namespace, device_of, is_array, rebuild
from ..data import Device
from ..errors import ConvergenceError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .energy_integral import real_host
from .momentum import MomentumGrid
from .transport import transmission, transmission_vjp

DeviceAt = Callable[[Any], Device]
DeviceAtVjp = Callable[[Any], tuple[Device, Callable[[Device], Any]]]


class MomentumCotangent(NamedTuple):
    """Cotangents of the transmission over momenta.

    `device_at` is a list with a `Device` of cotangents per momentum for a sequence of devices, and for a function the
    sum of what its pullbacks return; `energies` an array of the energies' shape.
    """

    device_at: Any
    energies: Array | None


class MomentumPullback(Protocol):
    """value_bar → `MomentumCotangent`; `wrt` as for `transmission_vjp`."""

    def __call__(self, value_bar: Array, /, *, wrt: Any = "all") -> MomentumCotangent: ...


def transmission_over_momenta(
    device_at: DeviceAt | Sequence[Device],
    grid: MomentumGrid | tuple[ArrayLike, ArrayLike],
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Transmission of a device that is periodic across the transport direction, per transverse cell.

        T(E) = Σ_k w_k T_k(E)

    Parameters
    ----------
    device_at : callable or sequence of Device
        The function k (3,) → `Device` with the Bloch phases exp(2πi k·R) of its transverse cells, called once per
        momentum so that one device is held at a time; or the devices themselves, in the order of the momenta.
    grid : MomentumGrid, or a pair (momenta, weights)
        As `monkhorst_pack` returns it: momenta (n_momenta, 3) and weights (n_momenta,). Its time reversal, which keeps
        one of k and −k, needs T(−k) = T(k). H(−k) = H(k)*, up to a rotation of the spins, gives T_ds(−k) = T_sd(k), and
        two leads and `device_eta=0` give T_sd(k) = T_ds(k). A magnetic field breaks the first, a third lead or
        `device_eta` > 0 the second: there use ``monkhorst_pack(n, time_reversal=False)``.
    The others as `transmission`.

    Returns
    -------
    array, shape (n_energies,), real, per spin, on the device of the inputs
        Per transverse cell for weights that sum to 1; a supercell of N cells at Γ has N times that.

    Raises
    ------
    InputError, InputTypeError, ShapeError, BackendError
        As `transmission`; and for momenta, weights and devices that do not match.
    ConvergenceError
        As `transmission`, with the momentum.
    """
    momenta, weights = _checked_grid(grid)
    options = _options(source, drain, eta, device_eta, lead_method, backend, memory_limit)
    value = None
    for k, device in _devices(device_at, momenta):
        with _at_momentum(k, momenta):
            share = float(weights[k]) * transmission(device, energies, **options)
        value = share if value is None else value + share
    return value


def transmission_over_momenta_vjp(
    device_at: DeviceAtVjp | Sequence[Device],
    grid: MomentumGrid | tuple[ArrayLike, ArrayLike],
    energies: ArrayLike,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, MomentumPullback]:
    """`transmission_over_momenta` and its pullback.

    Parameters
    ----------
    device_at : callable or sequence of Device
        The function k (3,) → (`Device`, pullback), its pullback from a `Device` of cotangents to those of whatever the
        device is made from (arrays, or tuples, dictionaries, data classes of them); or the devices themselves.
    The others and errors as `transmission_over_momenta`.

    Returns
    -------
    value : array
        As `transmission_over_momenta`.
    pullback : callable
        ``pullback(value_bar, wrt="all")`` gives `MomentumCotangent(device_at, energies)`: the sum over k of what the
        pullbacks of `device_at` return, or a list of device cotangents, one per momentum.

    Notes
    -----
    θ̄ = Σ_k J_k†[w_k T̄ · ∂T_k/∂H_k].
    Kept for the pullback: nothing. Every momentum is made and computed again when it is pulled back, so that the memory
    does not grow with their number.
    """
    momenta, weights = _checked_grid(grid)
    options = _options(source, drain, eta, device_eta, lead_method, backend, memory_limit)
    value = None
    for k, (device, _) in _device_pullbacks(device_at, momenta):
        with _at_momentum(k, momenta):
            share = float(weights[k]) * transmission(device, energies, **options)
        value = share if value is None else value + share

    def momentum_pullback(value_bar: Array, /, *, wrt: Any = "all") -> MomentumCotangent:
        weighted = _beside(value_bar, value)
        total: Any = None
        each, energies_bar = [], None
        for k, (device, device_pullback) in _device_pullbacks(device_at, momenta):
            with _at_momentum(k, momenta):
                _, pullback = transmission_vjp(device, energies, **options)
                bar = pullback(float(weights[k]) * weighted, wrt=wrt)
            if device_pullback is None:
                each.append(bar.device)
            else:
                found = device_pullback(bar.device)
                total = _sum(total, found)
            if bar.energies is not None:
                energies_bar = bar.energies if energies_bar is None else energies_bar + bar.energies
        return MomentumCotangent(total if callable(device_at) else each, energies_bar)

    return value, momentum_pullback


def _checked_grid(grid: Any) -> tuple[Any, Any]:
    """Momenta (n_momenta, 3) and weights (n_momenta,) on the host."""
    if not isinstance(grid, tuple | list) or len(grid) != 2:
        raise InputTypeError(f"grid={grid!r} must be a pair (momenta, weights), as monkhorst_pack gives.")
    momenta, weights = real_host(grid[0], "momenta"), real_host(grid[1], "weights")
    if momenta.ndim != 2 or momenta.shape[1] != 3 or momenta.shape[0] == 0:
        raise ShapeError(f"momenta have shape {momenta.shape} but must be (n_momenta, 3), reciprocal lattice vectors.")
    if weights.shape != momenta.shape[:1]:
        raise ShapeError(f"weights have shape {weights.shape} but there are {momenta.shape[0]} momenta.")
    return momenta, weights


def _options(
    source: int,
    drain: int,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    backend: Backend,
    memory_limit: float | None,
) -> dict[str, Any]:
    return {
        "source": source,
        "drain": drain,
        "eta": eta,
        "device_eta": device_eta,
        "lead_method": lead_method,
        "backend": backend,
        "memory_limit": memory_limit,
    }


def _devices(device_at: Any, momenta: Any) -> Iterator[tuple[int, Device]]:
    """The device at every momentum, made when its turn comes."""
    if not callable(device_at):
        yield from enumerate(_sequence(device_at, momenta))
        return
    for k in range(momenta.shape[0]):
        yield k, _checked_device(device_at(momenta[k].copy()), k)


def _device_pullbacks(device_at: Any, momenta: Any) -> Iterator[tuple[int, tuple[Device, Any]]]:
    """As `_devices`, with the pullback of each device; None for devices given as such."""
    if not callable(device_at):
        for k, device in enumerate(_sequence(device_at, momenta)):
            yield k, (device, None)
        return
    for k in range(momenta.shape[0]):
        made = device_at(momenta[k].copy())
        if not isinstance(made, tuple) or len(made) != 2 or not callable(made[1]):
            raise InputTypeError(
                f"device_at(momenta[{k}]) is a {type(made).__name__}; for the gradient it must return a pair "
                "(device, pullback)."
            )
        yield k, (_checked_device(made[0], k), made[1])


def _sequence(devices: Any, momenta: Any) -> Sequence[Device]:
    if not isinstance(devices, tuple | list):
        raise InputTypeError(
            f"device_at is a {type(devices).__name__}; pass a function of the momentum, or a list of devices."
        )
    if len(devices) != momenta.shape[0]:
        raise ShapeError(f"device_at lists {len(devices)} devices but there are {momenta.shape[0]} momenta.")
    return [_checked_device(device, k) for k, device in enumerate(devices)]


def _checked_device(device: Any, k: int) -> Device:
    if not isinstance(device, Device):
        has_one = isinstance(getattr(device, "device", None), Device)
        raise InputTypeError(
            f"the device at momenta[{k}] is a {type(device).__name__}; "
            + ("give its `.device`." if has_one else "give a negfadj.Device.")
        )
    return device


@contextmanager
def _at_momentum(k: int, momenta: Any) -> Iterator[None]:
    """Say which momentum an energy failed at."""
    try:
        yield
    except ConvergenceError as error:
        raise ConvergenceError(
            f"at momentum {k}, k = ({', '.join(f'{x:.6g}' for x in momenta[k].tolist())}): {error}",
            energies=error.energies,
            residual=error.residual,
        ) from error


def _beside(value_bar: Any, value: Array) -> Array:
    """The cotangent as an array beside the value; `transmission_vjp` checks the rest."""
    if is_array(value_bar):
        return value_bar
    try:
        return array_namespace(value).asarray(value_bar, dtype=value.dtype, device=device_of(value))
    except (TypeError, ValueError):
        raise InputTypeError(f"value_bar={value_bar!r} cannot be made an array of real numbers.") from None


def _sum(x: Any, y: Any) -> Any:
    """The sum of two cotangents of one structure; None is zero."""
    if x is None or y is None:
        return y if x is None else x
    if isinstance(x, str | bool):  # not a number: part of a data class that does not vary
        return x
    if is_array(x) or isinstance(x, int | float | complex):
        return x + y
    if isinstance(x, dict):
        return {key: _sum(x.get(key), y.get(key)) for key in (*x, *(key for key in y if key not in x))}
    if isinstance(x, tuple | list):
        items = [_sum(a, b) for a, b in zip(x, y, strict=True)]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if is_dataclass(x):
        names = [f.name for f in fields(x) if not f.metadata.get("static")]
        return rebuild(x, **{name: _sum(getattr(x, name), getattr(y, name)) for name in names})
    raise InputTypeError(
        f"the pullback of device_at returns a {type(x).__name__}, which cannot be added up over momenta; return "
        "arrays, numbers, or tuples, dictionaries or data classes of them."
    )
