"""A tangent of a device as a caller gives it, checked against the device it belongs to."""

from __future__ import annotations

from typing import Any

from ..array import array_namespace, is_array, is_complex, rebuild
from ..data import BlockTridiagonal, Device, Lead, SelfEnergy
from ..data.checks import check_finite, check_hermitian
from ..data.lead import BLOCKS, HERMITIAN_BLOCKS
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array


def checked_tangent(device: Device, device_dot: Any) -> Device:
    """`device_dot`, an instance of the device's class that holds tangents; None anywhere is zero.

    Parameters
    ----------
    device : Device
    device_dot : Device of tangents, such as `negfadj.array.rebuild` or a cotangent makes it; or None
        `hamiltonian`, `overlap` and each of `leads` may be None, and so may any block of them. Hermitian data have
        Hermitian tangents, an upper block's tangent moves the lower one along, and real data have real tangents.

    Returns
    -------
    Device
        The same in the precision of the device, with None for a block and for a lead that are zero.

    Raises
    ------
    InputTypeError, ShapeError, HermiticityError, InputError
        Naming the block, what is wrong with it and the value.
    """
    if device_dot is None:
        return rebuild(device, hamiltonian=None, overlap=None, leads=(None,) * device.n_leads)  # type: ignore[no-any-return]
    if not isinstance(device_dot, Device):
        raise InputTypeError(
            f"device_dot is a {type(device_dot).__name__}; pass a Device that holds tangents, or None for zero."
        )
    if device.overlap is None and device_dot.overlap is not None:
        raise InputError("device_dot.overlap is given but the device has none; an orthogonal basis stays one.")
    leads = (None,) * device.n_leads if device_dot.leads is None else tuple(device_dot.leads)
    if len(leads) != device.n_leads:
        raise ShapeError(f"device_dot has {len(leads)} leads but the device has {device.n_leads}; None is a zero one.")
    return rebuild(  # type: ignore[no-any-return]
        device,
        hamiltonian=_matrix(device_dot.hamiltonian, device.hamiltonian, "device_dot.hamiltonian"),
        overlap=None if device.overlap is None else _matrix(device_dot.overlap, device.overlap, "device_dot.overlap"),
        leads=tuple(_lead(t, lead, f"device_dot.leads[{k}]") for k, (t, lead) in enumerate(zip(leads, device.leads))),
    )


def filled_lead_tangent(lead: Lead, lead_dot: Lead | None) -> Lead:
    """A lead's tangent with zeros where it has none."""
    xp = array_namespace(lead.onsite)
    shift = None if lead_dot is None else lead_dot.potential_energy
    made: dict[str, Any] = {"potential_energy": 0.0 if shift is None else shift}
    for name in BLOCKS:
        primal, tangent = getattr(lead, name), None if lead_dot is None else getattr(lead_dot, name)
        made[name] = None if primal is None else (xp.zeros_like(primal) if tangent is None else tangent)
    return rebuild(lead, **made)  # type: ignore[no-any-return]


def _matrix(tangent: Any, matrix: BlockTridiagonal, name: str) -> BlockTridiagonal | None:
    if tangent is None:
        return None
    if not isinstance(tangent, BlockTridiagonal):
        raise InputTypeError(f"{name} is a {type(tangent).__name__}; pass a BlockTridiagonal of tangents, or None.")
    if matrix.is_hermitian and tangent.lower is not None:
        raise InputError(f"{name}.lower is given but the matrix is Hermitian: its upper blocks move the lower along.")
    made: dict[str, Any] = {}
    for part in ("diagonal", "upper", "lower"):
        primal, given = getattr(matrix, part), getattr(tangent, part)
        if given is not None and len(given) != len(primal):
            raise ShapeError(f"{name}.{part} has {len(given)} blocks but the device has {len(primal)}.")
        is_hermitian = matrix.is_hermitian and part == "diagonal"
        made[part] = (
            None
            if given is None
            else tuple(_block(t, x, f"{name}.{part}[{i}]", is_hermitian) for i, (t, x) in enumerate(zip(given, primal)))
        )
    return rebuild(matrix, **made)  # type: ignore[no-any-return]


def _lead(tangent: Any, lead: Any, name: str) -> Any:
    if tangent is None:
        return None
    if type(tangent) is not type(lead):
        raise InputTypeError(f"{name} is a {type(tangent).__name__} but the lead is a {type(lead).__name__}.")
    if isinstance(lead, SelfEnergy):
        sigma_dot = _block(tangent.self_energy, lead.self_energy, f"{name}.self_energy", False)
        return None if sigma_dot is None else rebuild(lead, self_energy=sigma_dot)
    made: dict[str, Any] = {"potential_energy": _shift(tangent.potential_energy, f"{name}.potential_energy")}
    for block in BLOCKS:
        primal, given = getattr(lead, block), getattr(tangent, block)
        if primal is None and given is not None:
            raise InputError(f"{name}.{block} is given but the lead has no {block}.")
        made[block] = None if primal is None else _block(given, primal, f"{name}.{block}", block in HERMITIAN_BLOCKS)
    return None if all(x is None for x in made.values()) else rebuild(lead, **made)


def _shift(x: Any, name: str) -> Any:
    if x is None or is_array(x):
        return x if x is not None and bool(x != 0) else None
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name}={x!r} must be a real number [eV].") from None
    if not abs(value) < float("inf"):
        raise InputError(f"{name}={x!r} must be finite.")
    return value or None


def _block(tangent: Any, primal: Array, name: str, is_hermitian: bool) -> Array | None:
    if tangent is None:
        return None
    xp = array_namespace(primal)
    if not is_array(tangent) or array_namespace(tangent) is not xp:
        raise InputTypeError(f"{name} is a {type(tangent).__name__} but its primal a {type(primal).__name__}.")
    if tuple(tangent.shape) != tuple(primal.shape):
        raise ShapeError(f"{name} has shape {tuple(tangent.shape)} but its primal has {tuple(primal.shape)}.")
    if is_complex(tangent) and not is_complex(primal):
        raise InputTypeError(f"{name} is complex but its primal is real and stays so; make the device complex first.")
    check_finite(xp.reshape(tangent, (-1,)), name)
    if is_hermitian:
        check_hermitian(tangent, name)
    return xp.astype(tangent, primal.dtype) if bool(xp.any(tangent != 0)) else None
