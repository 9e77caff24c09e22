"""What every kernel between sites checks of its arguments: positions, numbers per site, voltages."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array


def real_array(x: Any, name: str, unit: str) -> Array:
    """A read-only float64 copy on the host, finite, or an error that names the entry."""
    try:
        given = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} cannot be made an array of numbers on the host ({error}) [{unit}].") from error
    if given.dtype.kind not in "iuf" and given.size:
        raise InputTypeError(f"{name} has dtype {given.dtype}; pass real numbers [{unit}].")
    found = np.array(given, dtype=np.float64)
    if not np.all(np.isfinite(found)):
        where = [int(i) for i in np.argwhere(~np.isfinite(found))[0]]
        raise InputError(f"{name}{where or ''} is {found[tuple(where)]}; every entry must be a finite number [{unit}].")
    found.setflags(write=False)
    return found


def site_positions(x: Any) -> Array:
    """(n_sites, 3) [Å]."""
    found = real_array(x, "positions", "Å")
    if found.ndim != 2 or found.shape[1] != 3 or len(found) == 0:
        raise ShapeError(f"positions has shape {found.shape} but must be (n_sites, 3), one row per site [Å].")
    return found


def site_numbers(x: Any, name: str, unit: str, n_sites: int) -> Array | float:
    """One positive number for all sites (a float stays a float), or one for each (n_sites,)."""
    found = real_array(x, name, unit)
    if found.ndim > 1 or (found.ndim == 1 and len(found) != n_sites):
        raise ShapeError(
            f"{name} has shape {found.shape} but must be one number or ({n_sites},), one per site [{unit}]."
        )
    if not np.all(found > 0):
        i = int(np.argmin(found))
        raise InputError(f"{name} is {found.min():g} {unit} at site {i}; it must be positive.")
    return float(found) if found.ndim == 0 else found


def positive_number(x: Any, name: str, unit: str) -> float:
    """A positive finite float."""
    found = real_array(x, name, unit or "1")
    if found.ndim:
        raise ShapeError(f"{name} has shape {found.shape} but must be one number.")
    if found <= 0:
        raise InputError(f"{name}={float(found):g} must be positive{f' [{unit}]' if unit else ''}.")
    return float(found)


def site_vector(x: Any, name: str, unit: str, n_sites: int) -> Array:
    """(n_sites,), one real number per site."""
    found = real_array(x, name, unit)
    if found.shape != (n_sites,):
        raise ShapeError(f"{name} has shape {found.shape} but must be ({n_sites},), one number per site [{unit}].")
    return found


def lead_voltage_vector(x: Any) -> Array:
    """(n_leads,) [V]; () for none."""
    found = real_array(x, "lead_voltages", "V")
    if found.ndim != 1:
        raise ShapeError(f"lead_voltages has shape {found.shape} but must be (n_leads,), one voltage per lead [V].")
    return found
