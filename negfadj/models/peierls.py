"""Peierls substitution: a device in a magnetic field, H_ab → H_ab exp(iφ_ab)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..array import array_namespace, as_real_like, complex_dtype, device_of, is_complex, rebuild, to_numpy
from ..data import BlockTridiagonal, Device, Lead
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .link_phases import LeadPhases, PeierlsPhases, check_device, field_number, uniform_field_phases
from .orbital_positions import OrbitalPositions

BLOCKS = ("onsite", "hopping", "coupling")


class PhasesCotangent(NamedTuple):
    """Cotangents of a device and of the phases of its links."""

    device: Device
    phases: PeierlsPhases


class FieldCotangent(NamedTuple):
    """Cotangents of a device and of the magnetic field [1/T]."""

    device: Device
    field: float


def device_in_field(device: Device, field: float, /, *, positions: OrbitalPositions) -> Device:
    """A device in a uniform magnetic field along z, its leads and couplings too.

    H_ab → H_ab exp(iφ_ab),   S_ab → S_ab exp(iφ_ab),   φ_ab = −(e/ħ) ∫_b^a A·dl

    for electrons, of charge −e. The gauge is A = B (−y, 0, 0) in the device and one that does not change along it in
    every lead, whatever its direction (see `uniform_field_phases`).

    Parameters
    ----------
    device : Device
        At zero field.
    field : float
        B [T], along +z.
    positions : OrbitalPositions
        Of its orbitals and leads [Å].

    Returns
    -------
    Device
        Complex, in the array library of the device.

    Raises
    ------
    InputTypeError, InputError
        For a field that is not a finite number; for a lead known only by its self-energy; for something else than a
        device and its positions; when the positions of a lead point into the device.
    ShapeError
        When the positions are of another device.

    Sources
    -------
    R. Peierls, Z. Phys. 80, 763 (1933); J. M. Luttinger, Phys. Rev. 84, 814 (1951); for S, F. London, J. Phys.
    Radium 8, 397 (1937).
    """
    field = field_number(field)
    return device_with_phases(device, _scaled(uniform_field_phases(device, positions=positions), field))


def device_in_field_vjp(
    device: Device, field: float, /, *, positions: OrbitalPositions
) -> tuple[Device, Callable[[Device], FieldCotangent]]:
    """`device_in_field`, with its pullback.

    B̄ = Σ φ̄_ab ∂φ_ab/∂B, with φ̄ and the cotangent of the device as in `device_with_phases_vjp`. Kept for the pullback:
    the phases of 1 T, 8 bytes an entry of the blocks, and the two devices.

    Parameters
    ----------
    As `device_in_field`.

    Returns
    -------
    device : Device
    pullback : callable
        Cotangent of the device in the field → FieldCotangent(device, field).

    Raises
    ------
    As `device_in_field`.
    """
    field = field_number(field)
    unit = uniform_field_phases(device, positions=positions)
    value, pullback = device_with_phases_vjp(device, _scaled(unit, field))

    def device_in_field_pullback(device_bar: Device) -> FieldCotangent:
        bar = pullback(device_bar)
        return FieldCotangent(bar.device, bar.phases.inner(unit))

    return value, device_in_field_pullback


def device_with_phases(device: Device, phases: PeierlsPhases, /) -> Device:
    """A device whose links carry the phases given: H_ab → H_ab exp(iφ_ab), and S likewise.

    Parameters
    ----------
    device : Device
    phases : PeierlsPhases
        [rad], of `vector_potential_phases` or your own.

    Returns
    -------
    Device
        Complex, in the array library of the device.

    Raises
    ------
    ShapeError, InputError
        When the phases are not of this device's shapes, or not antisymmetric within a block.
    InputTypeError
        For a lead known only by its self-energy.
    """
    _check_phases(device, phases)
    leads = tuple(_turned_lead(lead, x) for lead, x in zip(device.leads, phases.leads))
    overlap = None if device.overlap is None else _turned(device.overlap, phases)
    return rebuild(device, hamiltonian=_turned(device.hamiltonian, phases), leads=leads, overlap=overlap)  # type: ignore[no-any-return]


def device_with_phases_vjp(
    device: Device, phases: PeierlsPhases, /
) -> tuple[Device, Callable[[Device], PhasesCotangent]]:
    """`device_with_phases`, with its pullback.

    With H' = H exp(iφ):  H̄_ab = H̄'_ab exp(−iφ_ab),  φ̄_ab = Im(H̄'_ab H'_ab*), and the overlap's share added. Kept
    for the pullback: nothing but the phases and the two devices.

    Parameters
    ----------
    As `device_with_phases`.

    Returns
    -------
    device : Device
    pullback : callable
        Cotangent of the result → PhasesCotangent(device, phases). The phases of a diagonal block are antisymmetric and
        so is their cotangent. `None` leads and blocks count as zero.

    Raises
    ------
    As `device_with_phases`; the pullback InputTypeError for a cotangent that is not a whole `Device`.
    """
    value = device_with_phases(device, phases)

    def device_with_phases_pullback(device_bar: Device) -> PhasesCotangent:
        if not isinstance(device_bar.hamiltonian, BlockTridiagonal):
            raise InputTypeError(
                f"the cotangent's hamiltonian is a {type(device_bar.hamiltonian).__name__}; pass a whole Device, the "
                'one of wrt="all".'
            )
        back = _scaled(phases, -1.0)
        leads = tuple(
            None if bar is None else _lead_bar(bar, lead, x)
            for bar, lead, x in zip(device_bar.leads, device.leads, back.leads)
        )
        overlap = None
        if device_bar.overlap is not None and device.overlap is not None:
            overlap = _matrix_bar(device_bar.overlap, device.overlap, back)
        hamiltonian = _matrix_bar(device_bar.hamiltonian, device.hamiltonian, back)
        source = rebuild(device_bar, hamiltonian=hamiltonian, overlap=overlap, leads=leads)
        return PhasesCotangent(source, _phases_bar(device_bar, value, phases))

    return value, device_with_phases_pullback


def _scaled(phases: PeierlsPhases, factor: float) -> PeierlsPhases:
    return PeierlsPhases(
        tuple(factor * x for x in phases.diagonal),
        tuple(factor * x for x in phases.upper),
        tuple(LeadPhases(factor * x.onsite, factor * x.hopping, factor * x.coupling) for x in phases.leads),
    )


def _check_phases(device: Device, phases: PeierlsPhases) -> None:
    check_device(device)
    if not isinstance(phases, PeierlsPhases):
        raise InputTypeError(
            f"phases is a {type(phases).__name__}; pass PeierlsPhases, of vector_potential_phases or your own."
        )
    for k, lead in enumerate(device.leads):
        if not isinstance(lead, Lead):
            raise InputTypeError(f"lead {k} is a {type(lead).__name__}; only leads given by blocks can carry phases.")
    h = device.hamiltonian
    if len(phases.diagonal) != h.n_blocks or len(phases.upper) != h.n_blocks - 1 or len(phases.leads) != device.n_leads:
        raise ShapeError(
            f"phases have {len(phases.diagonal)} diagonal and {len(phases.upper)} upper blocks and "
            f"{len(phases.leads)} leads, but the device {h.n_blocks}, {h.n_blocks - 1} and {device.n_leads}."
        )
    pairs = [(f"diagonal[{i}]", x, y) for i, (x, y) in enumerate(zip(phases.diagonal, h.diagonal))]
    pairs += [(f"upper[{i}]", x, y) for i, (x, y) in enumerate(zip(phases.upper, h.upper))]
    for k, (x, lead) in enumerate(zip(phases.leads, device.leads)):
        pairs += [(f"leads[{k}].{name}", getattr(x, name), getattr(lead, name)) for name in BLOCKS]
    for name, x, y in pairs:
        if tuple(x.shape) != tuple(y.shape):
            raise ShapeError(f"phases.{name} has shape {tuple(x.shape)} but the block has {tuple(y.shape)}.")
        within = "diagonal" in name or "onsite" in name
        if within and not np.allclose(x, -x.T, rtol=0, atol=1e-9 * (1 + abs(x).max())):
            raise InputError(f"phases.{name} is not antisymmetric: φ_ba must be −φ_ab, or H would not be Hermitian.")


def _rotated(x: Array, angle: Array) -> Array:
    """x exp(iφ) in the library, on the device and in the precision of x."""
    xp, dtype = array_namespace(x), complex_dtype(x)
    turn = xp.exp(1j * xp.astype(xp.asarray(angle, device=device_of(x)), xp.complex128))
    return xp.astype(x, dtype) * xp.astype(turn, dtype)


def _rotated_back(bar: Array | None, primal: Array, angle: Array) -> Array | None:
    return None if bar is None else as_real_like(_rotated(bar, angle), primal)


def _turned(matrix: BlockTridiagonal, phases: PeierlsPhases) -> BlockTridiagonal:
    lower = matrix.lower
    if lower is not None:  # φ_ba = −φ_ab
        lower = tuple(_rotated(x, -angle.T) for x, angle in zip(lower, phases.upper))
    return rebuild(  # type: ignore[no-any-return]
        matrix,
        diagonal=tuple(_rotated(x, angle) for x, angle in zip(matrix.diagonal, phases.diagonal)),
        upper=tuple(_rotated(x, angle) for x, angle in zip(matrix.upper, phases.upper)),
        lower=lower,
    )


def _turned_lead(lead: Lead, phases: LeadPhases) -> Lead:
    blocks = {name: _rotated(getattr(lead, name), getattr(phases, name)) for name in BLOCKS}
    if lead.overlap_onsite is not None:
        blocks |= {
            f"overlap_{name}": _rotated(getattr(lead, f"overlap_{name}"), getattr(phases, name)) for name in BLOCKS
        }
    return rebuild(lead, **blocks)  # type: ignore[no-any-return]


def _matrix_bar(bar: BlockTridiagonal, primal: BlockTridiagonal, back: PeierlsPhases) -> BlockTridiagonal:
    lower = bar.lower
    if lower is not None and primal.lower is not None:
        lower = tuple(_rotated_back(x, p, -angle.T) for x, p, angle in zip(lower, primal.lower, back.upper))
    return rebuild(  # type: ignore[no-any-return]
        bar,
        diagonal=tuple(_rotated_back(*each) for each in zip(bar.diagonal, primal.diagonal, back.diagonal)),
        upper=tuple(_rotated_back(*each) for each in zip(bar.upper, primal.upper, back.upper)),
        lower=lower,
    )


def _lead_bar(bar: Lead, primal: Lead, back: LeadPhases) -> Lead:
    changes = {}
    for name in BLOCKS:
        for full in (name, f"overlap_{name}"):
            if getattr(primal, full) is not None:
                changes[full] = _rotated_back(getattr(bar, full), getattr(primal, full), getattr(back, name))
    return rebuild(bar, **changes)  # type: ignore[no-any-return]


def _phases_bar(device_bar: Device, value: Device, phases: PeierlsPhases) -> PeierlsPhases:
    """φ̄_ab = Im(X̄_ab X_ab*), summed over X = H and X = S."""
    matrices = [(device_bar.hamiltonian, value.hamiltonian)]
    if device_bar.overlap is not None and value.overlap is not None:
        matrices.append((device_bar.overlap, value.overlap))
    diagonal = [
        _angle_bar(angle, [(bar.diagonal[i], x.diagonal[i]) for bar, x in matrices])
        for i, angle in enumerate(phases.diagonal)
    ]
    upper = []
    for i, angle in enumerate(phases.upper):
        total = _angle_bar(angle, [(bar.upper[i], x.upper[i]) for bar, x in matrices])
        lower = [(bar.lower[i], x.lower[i]) for bar, x in matrices if bar.lower is not None and x.lower is not None]
        upper.append(total - _angle_bar(angle.T, lower).T)
    leads = tuple(
        _lead_phases_bar(bar, lead, angles) for bar, lead, angles in zip(device_bar.leads, value.leads, phases.leads)
    )
    return rebuild(phases, diagonal=tuple(diagonal), upper=tuple(upper), leads=leads)  # type: ignore[no-any-return]


def _lead_phases_bar(bar: Lead | None, lead: Lead, angles: LeadPhases) -> LeadPhases:
    found = {}
    for name in BLOCKS:
        names = () if bar is None else (name, f"overlap_{name}")
        pairs = [(getattr(bar, full), getattr(lead, full)) for full in names if getattr(lead, full) is not None]
        found[name] = _angle_bar(getattr(angles, name), pairs)
    return LeadPhases(**found)


def _angle_bar(angle: Array, pairs: list[tuple[Array | None, Array]]) -> Array:
    total = np.zeros(angle.shape)
    for bar, x in pairs:
        if bar is not None and is_complex(bar):
            xp = array_namespace(bar)
            total = total + to_numpy(xp.imag(bar * xp.conj(x)))
        elif bar is not None:
            raise InputTypeError(f"a cotangent is real ({bar.dtype}) but its block is complex; give a complex one.")
    return total
