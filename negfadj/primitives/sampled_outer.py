"""A few entries of x y† at every energy: what densities and bond currents ask of scattering states.

    (x y†)_ab = Σ_r x_ar y_br*
"""

from __future__ import annotations

from ..array import Kernel, array_namespace, device_of
from ..typing import Array
from .system_cotangent import conjugate


def sampled_outer(x: Array, y: Array, rows: Array, columns: Array) -> Array:
    """(x y†) of every energy at the entries (rows, columns), (E, n_entries), for (E, n, r) and (E, m, r)."""
    found: Array = _KERNEL(x, y, rows, columns)
    return found


def outer_diagonal(x: Array, y: Array) -> Array:
    """(x y†)_aa of every energy, (E, n), for two (E, n, r)."""
    places = array_namespace(x).arange(x.shape[1], device=device_of(x))
    return sampled_outer(x, y, places, places)


def _sampled(x: Array, y: Array, rows: Array, columns: Array) -> Array:
    xp = array_namespace(x)
    return xp.sum(xp.take(x, rows, axis=1) * conjugate(xp.take(y, columns, axis=1)), axis=-1)


_KERNEL = Kernel("sampled_outer", _sampled, numba="sampled_outer:sampled_outer")
