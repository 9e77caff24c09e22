"""Leads of a periodic Hamiltonian: its cells gathered into principal layers along one lattice vector.

A principal layer is M cells, with M so large that a layer couples to the next one only. With the transverse Bloch sum

    B_p = Σ_{R: R_d = p} H_R exp(2πi k·R),

⟨cell a|H|cell b⟩ of one layer is B_{b−a}, and that of a layer and the next one along +d is B_{M+b−a}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal, NamedTuple

import numpy as np

from ..array import adjoint, array_namespace, complex_dtype, device_of, is_complex, rebuild, to_numpy
from ..data import BlockTridiagonal, Device, Lead, PeriodicHamiltonian
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike
from .structure import Structure

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")


class PeriodicDeviceCotangent(NamedTuple):
    """Cotangents of `device_from_periodic`: of the periodic Hamiltonian, and of the on-site energies if any."""

    periodic: PeriodicHamiltonian
    onsite_energy: Array | None


def principal_layer_cells(
    periodic: PeriodicHamiltonian, /, *, direction: int, cells_per_layer: int | None = None
) -> int:
    """How many cells along a lattice vector make one principal layer: as many as the furthest hopping reaches.

    Parameters
    ----------
    periodic : PeriodicHamiltonian
    direction : int
        Lattice vector 0, 1 or 2.
    cells_per_layer : int, optional
        The number wanted; returned when it is enough.

    Returns
    -------
    int

    Raises
    ------
    InputTypeError
        For something else than a periodic Hamiltonian: what makes one of it.
    InputError
        When `cells_per_layer` is too few: the hopping, its orbitals and how far it reaches; when nothing couples along
        the direction.
    """
    _check_periodic(periodic)
    direction = _direction(direction)
    needed = periodic.reach(direction)
    if needed == 0:
        raise InputError(
            f"no entry of H or S joins a cell to another one along lattice vector {direction}: a lead along it does "
            "not conduct; choose another direction."
        )
    if cells_per_layer is None:
        return needed
    if isinstance(cells_per_layer, bool) or not hasattr(cells_per_layer, "__index__") or cells_per_layer < 1:
        raise InputError(f"cells_per_layer={cells_per_layer!r} must be a positive integer.")
    given = int(cells_per_layer.__index__())
    if given < needed:
        raise InputError(
            f"{given} cell(s) along lattice vector {direction} are no principal layer: "
            f"{furthest_hopping(periodic, direction)}; set cells_per_layer to {needed} or leave it out."
        )
    return given


def lead_from_periodic(
    periodic: PeriodicHamiltonian,
    /,
    *,
    direction: int,
    side: Side,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    cells_per_layer: int | None = None,
    block: int | None = None,
) -> Lead:
    """The semi-infinite lead that continues a crystal to one side of a device.

    onsite_{ab} = B_{b−a}, hopping_{ab} = B_{M+b−a} on the right, and its adjoint on the left; the coupling is the
    hopping.

    Parameters
    ----------
    periodic : PeriodicHamiltonian
    direction : int
        The lattice vector 0, 1 or 2 along which the lead runs.
    side : "left" or "right"
        "left" runs to −∞ along the lattice vector, "right" to +∞.
    momentum : three floats
        k in reciprocal lattice vectors; only its components across the direction are used, the one along it must be 0.
    cells_per_layer : int, optional
        Cells in one principal layer. Default: as many as the furthest hopping reaches.
    block : int, optional
        The device block it touches. Default: 0 for "left", −1 for "right".

    Returns
    -------
    Lead
        M n orbitals per layer: orbital o of cell a is a n + o, a growing along +direction on both sides. Real where
        H is real and every 2k is an integer.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        As `principal_layer_cells`; a direction, side or momentum that does not exist.
    """
    layer = _Layer.of(periodic, direction, momentum, cells_per_layer)
    onsite, upper = layer.matrices(periodic.hamiltonian)
    overlap, overlap_upper = (None, None) if periodic.overlap is None else layer.matrices(periodic.overlap)
    if side not in SIDES:
        raise InputError(f'side={side!r} must be "left" or "right".')
    outward = adjoint if side == "left" else _same
    return Lead(
        onsite=onsite,
        hopping=outward(upper),
        block=(0 if side == "left" else -1) if block is None else block,
        overlap_onsite=overlap,
        overlap_hopping=None if overlap_upper is None else outward(overlap_upper),
    )


def lead_from_periodic_vjp(
    periodic: PeriodicHamiltonian,
    /,
    *,
    direction: int,
    side: Side,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    cells_per_layer: int | None = None,
    block: int | None = None,
) -> tuple[Lead, Callable[[Lead], PeriodicHamiltonian]]:
    """`lead_from_periodic` and its pullback.

    H̄_R = Σ_{ab} exp(−2πi k·R) (onsite_bar_{ab} [R_d = b−a] + upper_bar_{ab} [R_d = M+b−a]), projected on
    H_{−R} = H_R†, with upper_bar = hopping_bar + coupling_bar on the right and its adjoint on the left.

    Parameters
    ----------
    As `lead_from_periodic`.

    Returns
    -------
    lead : Lead
    pullback : callable
        Lead cotangent → PeriodicHamiltonian cotangent. Cells beyond the reach of a layer are empty blocks, and their
        cotangent is zero: the layer has no place for them. Kept for the pullback: 2 M² n_cells numbers.
    """
    lead = lead_from_periodic(
        periodic,
        direction=direction,
        side=side,
        momentum=momentum,
        cells_per_layer=cells_per_layer,
        block=block,
    )
    layer = _Layer.of(periodic, direction, momentum, cells_per_layer)

    def lead_from_periodic_pullback(lead_bar: Lead) -> PeriodicHamiltonian:
        hamiltonian, overlap = _lead_bars(lead_bar, side)
        return layer.pulled_back(periodic, hamiltonian, overlap)

    return lead, lead_from_periodic_pullback


def device_from_periodic(
    periodic: PeriodicHamiltonian,
    /,
    *,
    direction: int,
    n_layers: int,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    cells_per_layer: int | None = None,
    onsite_energy: ArrayLike | None = None,
) -> Device:
    """A stretch of the crystal between two leads of the same crystal.

    Without on-site energies T(E) is the number of open channels.

    Parameters
    ----------
    periodic : PeriodicHamiltonian
    direction : int
        The lattice vector 0, 1 or 2 along which the current flows. Lead 0 runs to −∞ along it, lead 1 to +∞.
    n_layers : int
        Principal layers of the device, one block each.
    momentum : three floats
        Transverse k in reciprocal lattice vectors.
    cells_per_layer : int, optional
        Default: as many as the furthest hopping reaches.
    onsite_energy : array, shape (n_layers · M · n,), real, optional
        ε [eV], added to H_aa of the device: disorder, a barrier. In a basis with overlap an electrostatic potential
        moves the hoppings too, which this does not.

    Returns
    -------
    Device

    Raises
    ------
    InputError, InputTypeError, ShapeError
        As `lead_from_periodic`; a number of layers below one; on-site energies of the wrong length.
    """
    return _device(periodic, direction, n_layers, momentum, cells_per_layer, onsite_energy)[0]


def device_from_periodic_vjp(
    periodic: PeriodicHamiltonian,
    /,
    *,
    direction: int,
    n_layers: int,
    momentum: ArrayLike = (0.0, 0.0, 0.0),
    cells_per_layer: int | None = None,
    onsite_energy: ArrayLike | None = None,
) -> tuple[Device, Callable[[Device], PeriodicDeviceCotangent]]:
    """`device_from_periodic` and its pullback.

    onsite_bar = Σ of the diagonal blocks and the leads' onsite cotangents, upper_bar = Σ of the upper blocks and the
    leads' hoppings and couplings, both as in `lead_from_periodic_vjp`; ε̄_a = Re H̄_aa of the device.

    Parameters
    ----------
    As `device_from_periodic`.

    Returns
    -------
    device : Device
    pullback : callable
        Device cotangent → (periodic, onsite_energy) cotangents.
    """
    device, layer, energies = _device(periodic, direction, n_layers, momentum, cells_per_layer, onsite_energy)

    def device_from_periodic_pullback(device_bar: Device) -> PeriodicDeviceCotangent:
        check_whole_device(device_bar)
        hamiltonian = [_block_bars(device_bar.hamiltonian)]
        overlap = [_block_bars(device_bar.overlap)]
        for lead_bar, side in zip(device_bar.leads, SIDES):
            if lead_bar is not None:
                of_hamiltonian, of_overlap = _lead_bars(lead_bar, side)
                hamiltonian.append(of_hamiltonian)
                overlap.append(of_overlap)
        onsite_bar = None
        if energies is not None:
            xp = array_namespace(energies)
            diagonals = [xp.linalg.diagonal(x) for x in device_bar.hamiltonian.diagonal]
            onsite_bar = xp.concat([xp.real(x) if is_complex(x) else x for x in diagonals])
        periodic_bar = layer.pulled_back(periodic, _summed(hamiltonian), _summed(overlap))
        return PeriodicDeviceCotangent(periodic_bar, onsite_bar)

    return device, device_from_periodic_pullback


def check_whole_device(device_bar: Any) -> None:
    """Raise `InputTypeError` unless it is the cotangent of a whole device."""
    if not isinstance(device_bar, Device) or not isinstance(device_bar.hamiltonian, BlockTridiagonal):
        raise InputTypeError(
            "the pullback takes the cotangent of a whole device: `bar.device` of an observable's pullback with "
            'wrt="all" (the default).'
        )


def _device(
    periodic: PeriodicHamiltonian,
    direction: int,
    n_layers: int,
    momentum: ArrayLike,
    cells_per_layer: int | None,
    onsite_energy: ArrayLike | None,
) -> tuple[Device, _Layer, Array | None]:
    if isinstance(n_layers, bool) or not hasattr(n_layers, "__index__") or n_layers < 1:
        raise InputError(f"n_layers={n_layers!r} must be a positive integer.")
    layer = _Layer.of(periodic, direction, momentum, cells_per_layer)
    leads = tuple(
        lead_from_periodic(periodic, direction=direction, side=side, momentum=momentum, cells_per_layer=layer.n_cells)
        for side in SIDES
    )
    onsite, upper = layer.matrices(periodic.hamiltonian)
    energies = None if onsite_energy is None else _energies(onsite_energy, n_layers * onsite.shape[0], onsite)
    hamiltonian = BlockTridiagonal(_lifted(onsite, energies, n_layers), (upper,) * (n_layers - 1))
    overlap = None
    if periodic.overlap is not None:
        own, following = layer.matrices(periodic.overlap)
        overlap = BlockTridiagonal((own,) * n_layers, (following,) * (n_layers - 1))
    return Device(hamiltonian, leads, overlap), layer, energies


def _energies(onsite_energy: ArrayLike, n: int, like: Array) -> Array:
    xp = array_namespace(like)
    dtype = xp.float32 if like.dtype in (xp.float32, xp.complex64) else xp.float64
    energies = xp.asarray(onsite_energy, device=device_of(like))
    if is_complex(energies):
        raise InputTypeError(f"onsite_energy has dtype {energies.dtype}; energies [eV] of a Hermitian device are real.")
    if tuple(energies.shape) != (n,):
        raise ShapeError(
            f"onsite_energy has shape {tuple(energies.shape)} but the device has {n} orbitals; give one energy per "
            "orbital, layer by layer."
        )
    return xp.astype(energies, dtype)


def _lifted(onsite: Array, energies: Array | None, n_layers: int) -> tuple[Array, ...]:
    if energies is None:
        return (onsite,) * n_layers
    xp, n = array_namespace(onsite), onsite.shape[0]
    one = xp.eye(n, dtype=onsite.dtype, device=device_of(onsite))
    energies = xp.astype(energies, onsite.dtype)
    return tuple(onsite + one * energies[None, i * n : (i + 1) * n] for i in range(n_layers))


class _Bars(NamedTuple):
    """Cotangents of a layer's onsite matrix and of the matrix to the next layer along +direction; None is zero."""

    onsite: Array | None
    upper: Array | None


def _lead_bars(lead_bar: Lead, side: Side) -> tuple[_Bars, _Bars]:
    outward = adjoint if side == "left" else _same

    def along(hopping: Array | None, coupling: Array | None) -> Array | None:
        found = _sum((hopping, coupling))
        return None if found is None else outward(found)

    return (
        _Bars(lead_bar.onsite, along(lead_bar.hopping, lead_bar.coupling)),
        _Bars(lead_bar.overlap_onsite, along(lead_bar.overlap_hopping, lead_bar.overlap_coupling)),
    )


def _block_bars(bar: BlockTridiagonal | None) -> _Bars:
    return _Bars(None, None) if bar is None else _Bars(_sum(bar.diagonal), _sum(bar.upper))


def _summed(bars: list[_Bars]) -> _Bars:
    return _Bars(_sum(b.onsite for b in bars), _sum(b.upper for b in bars))


def _sum(terms: Any) -> Array | None:
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else total + term
    return total


def _same(x: Array) -> Array:
    return x


@dataclass(frozen=True, eq=False)
class _Layer:
    """The linear map from the blocks H_R to the matrices of a principal layer.

    onsite[(a, b)] = Σ_R weights_onsite[(a, b), R] H_R, and so for the matrix to the next layer.
    """

    n_cells: int
    weights_onsite: Array  # (M², cells)
    weights_upper: Array  # (M², cells)

    @classmethod
    def of(
        cls, periodic: PeriodicHamiltonian, direction: int, momentum: ArrayLike, cells_per_layer: int | None
    ) -> _Layer:
        direction = _direction(direction)
        m = principal_layer_cells(periodic, direction=direction, cells_per_layer=cells_per_layer)
        phases = _phases(periodic, direction, momentum)
        steps = periodic.cells[:, direction]
        apart = np.arange(m)[None, :] - np.arange(m)[:, None]  # b − a
        xp, device = array_namespace(periodic.hamiltonian), device_of(periodic.hamiltonian)

        def weights(steps_wanted: Any) -> Array:
            # a listed cell beyond the layer is empty; left in, it would join a layer to the next, not to the one after
            chosen = (steps_wanted.reshape(-1, 1) == steps[None, :]) & (np.abs(steps) <= m)
            return xp.asarray(chosen * phases, dtype=_weight_dtype(periodic, phases), device=device)

        return cls(m, weights(apart), weights(m + apart))

    def matrices(self, blocks: Array) -> tuple[Array, Array]:
        """The onsite matrix of a layer and the one to the next layer along +direction."""
        return self._gather(self.weights_onsite, blocks), self._gather(self.weights_upper, blocks)

    def pulled_back(self, periodic: PeriodicHamiltonian, hamiltonian: _Bars, overlap: _Bars) -> PeriodicHamiltonian:
        """The cotangent of the periodic Hamiltonian."""
        has_overlap = periodic.overlap is not None
        bar = rebuild(
            periodic,
            hamiltonian=self._scatter(hamiltonian, periodic.hamiltonian),
            overlap=self._scatter(overlap, periodic.overlap) if has_overlap else None,
        )
        return periodic.project_tangent(bar)

    def _gather(self, weights: Array, blocks: Array) -> Array:
        xp, n, m = array_namespace(blocks), blocks.shape[1], self.n_cells
        flat = xp.reshape(blocks, (blocks.shape[0], n * n))
        pieces = xp.reshape(_product(weights, flat), (m, m, n, n))
        return xp.reshape(xp.permute_dims(pieces, (0, 2, 1, 3)), (m * n, m * n))

    def _scatter(self, bars: _Bars, blocks: Array) -> Array:
        xp, n, m = array_namespace(blocks), blocks.shape[1], self.n_cells
        total = xp.zeros(blocks.shape, dtype=blocks.dtype, device=device_of(blocks))
        for weights, bar in ((self.weights_onsite, bars.onsite), (self.weights_upper, bars.upper)):
            if bar is None:
                continue
            pieces = xp.permute_dims(xp.reshape(bar, (m, n, m, n)), (0, 2, 1, 3))
            flat = xp.reshape(pieces, (m * m, n * n))
            # <X̄, Σ_R w_R dH_R> = Σ_R <w_R* X̄, dH_R>
            total = total + xp.reshape(_product(adjoint(weights), flat), blocks.shape)
        return total


def _product(weights: Array, flat: Array) -> Array:
    """weights @ flat, real only where both are."""
    xp = array_namespace(flat)
    if is_complex(weights) != is_complex(flat):
        weights, flat = (x if is_complex(x) else xp.astype(x, complex_dtype(x)) for x in (weights, flat))
    return weights @ flat


def _phases(periodic: PeriodicHamiltonian, direction: int, momentum: ArrayLike) -> Any:
    """exp(2πi k·R) on the host, shape (cells,); ±1 exactly and real where every 2k is an integer."""
    try:
        k = np.asarray(momentum, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"momentum={momentum!r} must be three real numbers ({error}).") from error
    if k.shape != (3,):
        raise ShapeError(f"momentum has shape {k.shape} but must be three numbers, in reciprocal lattice vectors.")
    if not np.all(np.isfinite(k)):
        raise InputError(f"momentum={k.tolist()} must be finite numbers.")
    if k[direction] != 0:
        raise InputError(
            f"momentum={k.tolist()} has a component along lattice vector {direction}, the direction of transport; "
            "only the transverse components are good quantum numbers, set that one to 0."
        )
    if np.all(2 * k == np.round(2 * k)):
        half_turns = np.asarray(periodic.cells) @ np.round(2 * k).astype(np.int64)
        return 1.0 - 2.0 * (half_turns % 2)
    return to_numpy(periodic.phases(k[None, :]))[0]


def _weight_dtype(periodic: PeriodicHamiltonian, phases: Any) -> Any:
    xp = array_namespace(periodic.hamiltonian)
    is_single = periodic.hamiltonian.dtype in (xp.float32, xp.complex64)
    if np.iscomplexobj(phases):
        return xp.complex64 if is_single else xp.complex128
    return xp.float32 if is_single else xp.float64


def _check_periodic(periodic: Any) -> None:
    """Raise `InputTypeError` unless it is a `PeriodicHamiltonian`; of what one can be made from, the error says how."""
    if isinstance(periodic, PeriodicHamiltonian):
        return
    fix = "pass a PeriodicHamiltonian"
    if isinstance(periodic, Structure):
        fix = "pass periodic_hamiltonian(structure, model)"
    elif hasattr(periodic, "tocsr") and hasattr(periodic, "geometry"):
        fix = "pass from_sisl(hamiltonian)"
    elif isinstance(periodic, str | PathLike):
        fix = "read it first, with read_wannier90(path) or from_sisl(path)"
    raise InputTypeError(f"periodic is a {type(periodic).__name__}; {fix}.")


def _direction(direction: int) -> int:
    if isinstance(direction, bool) or not hasattr(direction, "__index__") or not 0 <= direction <= 2:
        raise InputError(f"direction={direction!r} must be the index of a lattice vector: 0, 1 or 2.")
    return int(direction.__index__())


def furthest_hopping(periodic: PeriodicHamiltonian, direction: int) -> str:
    """The largest entry among those that reach furthest along a lattice vector, in words for an error message."""
    steps, furthest = np.abs(periodic.cells[:, direction]), periodic.reach(direction)
    named = (("hopping", "H", " eV", periodic.hamiltonian), ("overlap", "S", "", periodic.overlap))
    sizes = [
        np.zeros((1, 1, 1)) if x is None else np.abs(to_numpy(x)) * (steps == furthest)[:, None, None]
        for *_, x in named
    ]
    name, symbol, unit, blocks = named[0 if np.any(sizes[0]) else 1]
    size = sizes[0 if np.any(sizes[0]) else 1]
    r, i, j = (int(x) for x in np.unravel_index(int(np.argmax(size)), size.shape))
    cell = [int(x) for x in periodic.cells[r]]
    away = ""
    if periodic.lattice is not None:
        away = f", {np.linalg.norm(np.asarray(cell) @ periodic.lattice):.4f} Å away,"
    return (
        f"the {name} ⟨orbital {i}, cell [0, 0, 0]|{symbol}|orbital {j}, cell {cell}⟩ = "
        f"{to_numpy(blocks)[r, i, j]:.6g}{unit}{away} reaches {furthest} cells"
    )
