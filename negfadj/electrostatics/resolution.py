"""Whether a grid resolves the Gaussians on it, and whether they lie in it.

Hat functions spread a Gaussian of width σ to a width √(σ² + O(h²)), and so lower its self-interaction. Measured on a
cubic grid, against h → 0:

    h/σ                                  0.5    1     1.5    2     2.5    3     4     6
    self-interaction, site on a node    −2 %  −6 %  −13 %  −18 %  −23 %  −27 %  −35 %  −48 %
    in the middle of a cell             −2 %  −6 %  −13 %  −21 %  −32 %  −41 %  −57 %  −75 %

Up to 2σ it does not depend on where between the lines the site is, within 3 %; beyond it becomes that of the grid, 1/h.
A direction that is coarse alone has a third to a half of the error, a ring of charge on a grid of x and r a third.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..typing import Array
from .grid import Grid

LARGEST_SPACING = 2.0  # widths: where the self-interaction is a fifth too low, and begins to depend on the place
INNER = 1 - 1e-9  # of a width: a cell that begins just there is not reached


def check_resolved(grid: Grid, positions: Array, width: Array | float, largest_spacing: float) -> None:
    """Raise unless every Gaussian is resolved by the lines within σ of it and lies in the grid.

    A direction with one cell is uniform or linear and is not looked at.

    Parameters
    ----------
    grid : Grid
    positions : array, shape (n_sites, 3)
        [Å].
    width : float or array, shape (n_sites,)
        σ [Å].
    largest_spacing : float
        In widths; inf for any.

    Raises
    ------
    InputError
        When lines within σ of a site are further apart than `largest_spacing` σ; when σ is more than half the grid in
        a direction that is not periodic, where a third of the charge at least would lie outside; when
        `largest_spacing` is not positive.
    """
    if not isinstance(largest_spacing, float | int | np.floating | np.integer) or not largest_spacing > 0:
        raise InputError(f"largest_spacing = {largest_spacing!r} must be positive [σ]; math.inf accepts any grid.")
    sigma = np.broadcast_to(np.asarray(width, dtype=np.float64), (len(positions),))
    for name, lines, is_periodic, x in zip("xyz", grid.lines, grid.periodic, positions.T):
        if len(lines) == 2:
            continue
        extent = float(lines[-1] - lines[0])
        if not is_periodic and np.max(sigma) > extent / 2:
            site = int(np.argmax(sigma))
            raise InputError(
                f"width is {sigma[site]:g} Å at site {site}, more than half of the grid, which has {extent:g} Å along "
                f"{name}: the charge would lie outside. Take a smaller width, or more lines."
            )
        spacing = _largest_spacings(lines, is_periodic, x, INNER * sigma)
        site = int(np.argmax(spacing / sigma))
        if spacing[site] > largest_spacing * sigma[site]:
            raise InputError(
                f"the lines along {name} are {spacing[site]:g} Å apart at positions[{site}] = "
                f"{tuple(positions[site].tolist())} Å, {spacing[site] / sigma[site]:.3g} times the width, "
                f"{sigma[site]:g} Å; above largest_spacing = {largest_spacing:g} widths the self-interaction is that "
                f"of the grid. Draw lines at most {min(largest_spacing, 1.0) * sigma[site]:g} Å apart within a width "
                "of the sites, take a larger width, or raise largest_spacing."
            )


def _largest_spacings(lines: Array, is_periodic: bool, x: Array, reach: Array) -> Array:
    """Largest distance of neighbouring lines between x − reach and x + reach, (n_sites,)."""
    h = np.diff(lines)
    if is_periodic:
        period = lines[-1] - lines[0]
        x = lines[0] + (x - lines[0]) % period
        reach = np.minimum(reach, period)
        lines = np.concatenate((lines[:-1] - period, lines[:-1], lines + period))
        h = np.tile(h, 3)
    first = np.clip(np.searchsorted(lines, x - reach, side="right") - 1, 0, len(h) - 1)
    last = np.clip(np.searchsorted(lines, x + reach, side="left") - 1, first, len(h) - 1)
    ranges = np.stack((first, last + 1), axis=1).ravel()  # maxima from entries 0, 2, … to those after them
    found: Array = np.maximum.reduceat(np.append(h, 0.0), ranges)[::2]
    return found
