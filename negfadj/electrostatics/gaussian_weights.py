"""Gaussian charges on a grid: the weights that spread a charge over the nodes and read the potential back.

Node n has the hat function of a rectilinear grid, the product of three that fall linearly from 1 to 0 towards the
neighbouring lines. Its weight at site i is the mean of the hat over a normalised Gaussian,

    W_in = Π_α w_n(x_iα, σ_i),   w_n(x, σ) = ∫ hat_n(s) g((s − x)/σ)/σ ds,   g(t) = exp(−t²/2)/√2π.

W q is the charge that the finite elements of the grid see, and W φ the mean of the interpolated potential over the
Gaussian. Hats add up to 1 and reproduce the coordinate, so a site keeps its charge, Σ_n W_in = 1, and its dipole,
Σ_n W_in r_n = r_i, on any grid, at any width. With Ψ(u) = u G(u/σ) + σ g(u/σ), G the integral of g, and
s_n = [Ψ(k_{n+1} − x) − Ψ(k_n − x)]/(k_{n+1} − k_n) between the lines k_n and k_{n+1}, w_n = s_n − s_{n−1}: the sum
telescopes to 1. Beyond the outermost lines the last hats stay 1, so that no charge is lost there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr

from ..typing import Array
from .grid import Grid

CUT = 7.0  # widths: one side beyond holds 1.3e-12 of the charge, which goes to the outermost of the nodes kept
CHUNK = 4_000_000  # weights formed at a time in a pullback


@dataclass(frozen=True)
class AxisWeights:
    """Weights along one direction, (n_sites, n_kept): nodes, w, ∂w/∂x and ∂w/∂σ.

    `turns` is the number of periods between the line of a node and the one that is meant; `d_lower` and `d_upper`
    (n_sites, n_kept − 1) are the derivatives of s between two lines by the lower and the upper one.
    """

    nodes: Array
    weight: Array
    d_position: Array
    d_width: Array
    turns: Array
    d_lower: Array
    d_upper: Array

    def lines_bar(self, weight_bar: Array, n_lines: int) -> Array:
        """The cotangent of the lines (n_lines,) from that of w (n_sites, n_kept)."""
        s_bar = -np.diff(weight_bar, axis=1)  # w_n = s_n − s_{n−1}
        of_kept = np.zeros(weight_bar.shape)
        of_kept[:, :-1] += s_bar * self.d_lower
        of_kept[:, 1:] += s_bar * self.d_upper
        found = np.bincount(self.nodes.ravel(), weights=of_kept.ravel(), minlength=n_lines)
        period_bar = float(np.sum(of_kept * self.turns))  # the period is the last line less the first
        found[-1] += period_bar
        found[0] -= period_bar
        return found

    @property
    def stack(self) -> Array:
        """w, ∂w/∂x, ∂w/∂σ, (n_sites, n_kept, 3)."""
        return np.stack((self.weight, self.d_position, self.d_width), axis=-1)


@dataclass(frozen=True)
class GaussianWeights:
    """W as the product of three directions.

    Parameters
    ----------
    axes : tuple of three AxisWeights
    shape : tuple of three ints
        Number of nodes along x, y, z.
    """

    axes: tuple[AxisWeights, AxisWeights, AxisWeights]
    shape: tuple[int, int, int]

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(self.axes[0].nodes.shape[0])

    @property
    def n_kept(self) -> int:
        """Number of nodes with a weight, for one site."""
        return math.prod(axis.nodes.shape[1] for axis in self.axes)

    @cached_property
    def matrix(self) -> sp.csr_array:
        """W, (n_sites, n_nodes)."""
        x, y, z = (axis.weight for axis in self.axes)
        values = x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
        integer = np.int32 if max(values.size, math.prod(self.shape)) < 2**31 else np.int64  # halves what indices take
        starts = (np.arange(self.n_sites + 1) * self.n_kept).astype(integer)
        nodes = self.nodes(slice(None)).reshape(-1).astype(integer)
        # A period shorter than the cut names a node more than once; products with W add the weights up.
        return sp.csr_array((values.reshape(-1), nodes, starts), shape=(self.n_sites, math.prod(self.shape)))

    @cached_property
    def transpose(self) -> sp.csr_array:
        """Wᵀ, (n_nodes, n_sites), by rows."""
        return self.matrix.T.tocsr()

    def nodes(self, sites: slice) -> Array:
        """Numbers of the nodes, (sites, n_x, n_y, n_z)."""
        x, y, z = (axis.nodes[sites] for axis in self.axes)
        _, n_y, n_z = self.shape
        return (x[:, :, None, None] * n_y + y[:, None, :, None]) * n_z + z[:, None, None, :]

    def cotangents(self, pairs: tuple[tuple[Array, Array], ...]) -> tuple[Array, Array]:
        """x̄ (n_sites, 3) and σ̄ (n_sites,) of L = Σ_pairs Σ_in a_i W_in f_n.

        Parameters
        ----------
        pairs : tuple of (a, f)
            a (n_sites,) and f (n_nodes,).
        """
        positions, widths = np.empty((self.n_sites, 3)), np.empty(self.n_sites)
        step = max(1, CHUNK // self.n_kept)
        for start in range(0, self.n_sites, step):
            sites = slice(start, start + step)
            nodes = self.nodes(sites)
            field = sum(a[sites, None, None, None] * f[nodes] for a, f in pairs)
            x, y, z = (axis.stack[sites] for axis in self.axes)
            along_z = field @ z[:, None]  # (sites, n_x, n_y, 3)
            along_yz = np.einsum("sxyc,syb->sxbc", along_z, y, optimize=True)
            all_three = np.einsum("sxbc,sxa->sabc", along_yz, x, optimize=True)  # (sites, 3, 3, 3)
            positions[sites] = all_three[:, [1, 0, 0], [0, 1, 0], [0, 0, 1]]
            widths[sites] = all_three[:, [2, 0, 0], [0, 2, 0], [0, 0, 2]].sum(axis=-1)
        return positions, widths

    def lines_bar(self, pairs: tuple[tuple[Array, Array], ...], n_lines: tuple[int, int, int]) -> list[Array]:
        """The cotangents of the lines along x, y, z for the L of `cotangents`."""
        of_weights = [np.empty(axis.weight.shape) for axis in self.axes]
        step = max(1, CHUNK // self.n_kept)
        for start in range(0, self.n_sites, step):
            sites = slice(start, start + step)
            nodes = self.nodes(sites)
            field = sum(a[sites, None, None, None] * f[nodes] for a, f in pairs)
            x, y, z = (axis.weight[sites] for axis in self.axes)
            of_weights[0][sites] = np.einsum("sxyz,sy,sz->sx", field, y, z, optimize=True)
            of_weights[1][sites] = np.einsum("sxyz,sx,sz->sy", field, x, z, optimize=True)
            of_weights[2][sites] = np.einsum("sxyz,sx,sy->sz", field, x, y, optimize=True)
        return [axis.lines_bar(bar, n) for axis, bar, n in zip(self.axes, of_weights, n_lines)]


def gaussian_weights(grid: Grid, positions: Array, widths: Array) -> GaussianWeights:
    """The weights of Gaussians on a grid.

    Parameters
    ----------
    grid : Grid
    positions : array, shape (n_sites, 3)
        Centres [Å].
    widths : array, shape (n_sites,)
        Standard deviations σ [Å].
    """
    x, y, z = (
        _axis_weights(lines, is_periodic, positions[:, axis], widths)
        for axis, (lines, is_periodic) in enumerate(zip(grid.lines, grid.periodic))
    )
    return GaussianWeights((x, y, z), grid.shape)


def _axis_weights(lines: Array, is_periodic: bool, x: Array, width: Array) -> AxisWeights:
    n_nodes = len(lines) - int(is_periodic)
    reach = CUT * width
    images, turned = 0, np.zeros(len(x))
    if is_periodic:
        period = lines[-1] - lines[0]
        turned = np.floor((x - lines[0]) / period)
        x = x - turned * period
        images = int(np.ceil(np.max(reach, initial=0.0) / period)) + 1
        lines = (np.arange(-images, images + 1)[:, None] * period + lines[None, :-1]).ravel()
    first = np.clip(np.searchsorted(lines, x - reach, side="right") - 1, 0, None)
    last = np.clip(np.searchsorted(lines, x + reach, side="left"), None, len(lines) - 1)
    n_kept = int(np.max(last - first, initial=0)) + 1
    first = np.minimum(first, len(lines) - n_kept)  # all sites keep as many as the widest: one shape
    kept = first[:, None] + np.arange(n_kept)
    turns = (kept // n_nodes - images + turned[:, None]) if is_periodic else np.zeros(kept.shape)
    return AxisWeights(kept % n_nodes, *_hat_means(lines[kept], x[:, None], width[:, None], turns))


def _hat_means(lines: Array, x: Array, width: Array, turns: Array) -> tuple[Array, ...]:
    """What `AxisWeights` holds besides the nodes, on consecutive lines (n_sites, n_kept); the outermost two hats stay 1
    outside."""
    scaled = (lines - x) / width
    integral = ndtr(scaled)  # G
    gaussian = np.exp(-(scaled**2) / 2) / math.sqrt(2 * math.pi)  # g
    # Ψ = u G + σ g, ∂Ψ/∂x = −G, ∂Ψ/∂σ = g
    psi = (lines - x) * integral + width * gaussian
    h = np.diff(lines, axis=1)
    ends = np.zeros((len(lines), 1))
    slope, d_slope, s_slope = (np.diff(f, axis=1) / h for f in (psi, -integral, gaussian))
    return (
        np.diff(np.concatenate((ends, slope, ends + 1), axis=1), axis=1),
        np.diff(np.concatenate((ends, d_slope, ends), axis=1), axis=1),
        np.diff(np.concatenate((ends, s_slope, ends), axis=1), axis=1),
        turns,
        (slope - integral[:, :-1]) / h,
        (integral[:, 1:] - slope) / h,
    )
