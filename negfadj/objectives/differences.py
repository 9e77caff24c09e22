"""Derivatives by extrapolated central differences, of arrays and of whole subjects, where no exact one is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array import is_array, leaves, to_numpy, tree_map
from ..typing import Array

LEVELS = 6
SHRINK = 2.0


def derivative(f: Callable[[float], Array], step: float) -> tuple[Array, float]:
    """df/dt at 0, and an estimate of its largest error.

        D_k0 = (f(h_k) − f(−h_k)) / 2h_k,  h_k = step/2^k;   D_kj = (4^j D_k,j−1 − D_k−1,j−1) / (4^j − 1)

    The entry of the table that changes least is taken; the table ends once round-off makes it worse.

    Parameters
    ----------
    f : callable
        t → array, shape (n,).
    step : float
        The largest t.

    Returns
    -------
    array, shape (n,); float

    Sources
    -------
    Ridders, Adv. Eng. Softw. 4, 75 (1982).
    """
    h = step
    table = [[(f(h) - f(-h)) / (2 * h)]]
    best, error = table[0][0], np.inf
    for k in range(1, LEVELS):
        h /= SHRINK
        row = [(f(h) - f(-h)) / (2 * h)]
        for j in range(1, k + 1):
            factor = SHRINK ** (2 * j)
            row.append((factor * row[j - 1] - table[-1][j - 1]) / (factor - 1))
            change = max(_largest(row[j] - row[j - 1]), _largest(row[j] - table[-1][j - 1]))
            if change < error:
                best, error = row[j], change
        if _largest(row[k] - table[-1][k - 1]) > 4 * error:
            break
        table.append(row)
    return best, float(error)


def subject_tangent(make: Callable[[float], Any], made: Any, step: float) -> Any:
    """How a subject make(t) moves at t = 0, as a tree of its own classes; `made` is make(0)."""
    flat, _ = derivative(lambda t: _flat(make(t)), step)
    position = 0

    def taken(x: Any) -> Any:
        nonlocal position
        if not is_array(x):
            position += 1
            return float(flat[position - 1].real)
        host = to_numpy(x)
        part = flat[position : position + host.size].reshape(host.shape)
        position += host.size
        return part if np.iscomplexobj(host) else part.real

    return tree_map(taken, made)


def _flat(x: Any) -> Array:
    parts = [np.reshape(to_numpy(leaf), -1) if is_array(leaf) else np.array([leaf]) for leaf in leaves(x)]
    return np.concatenate(parts)


def _largest(x: Array) -> float:
    return float(np.max(np.abs(x), initial=0.0))
