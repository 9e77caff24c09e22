"""Best rational approximations of the Fermi function on [−X, ∞): the fewest poles for a stated error.

With x = (E − μ)/kT, pairs of poles off the real axis and no constant term,

    r(x) = Σ_p [ρ_p/(ζ_p − x) + c.c.],   Im ζ_p > 0,   |r(x) − f(x)| ≤ e  for every x ≥ −X

P pairs have 4P real parameters. The best r is the one whose error takes the values −e, +e, −e, … in turn at 4P + 1
points x_0 < x_1 < …, of which the leftmost is the end of the interval, x_0 = −X (Chebyshev's alternation). Here e is
given and X, the reach of P pairs at this error, is one of the unknowns:

    r(x_k) − f(x_k) = s_k e,  s_k = (−1)^(k+1),  k = 0 … 4P;      r'(x_k) = f'(x_k),  k ≥ 1

Newton's method solves the first set for log ζ, ρ/|ζ| and log X at fixed x_k, and moves each x_k to its extremum by a
Newton step in asinh x. It starts from three pairs at e = 0.01, where nothing is sensitive. There, far from both ends,
the poles form a geometric series of ratio q, log q = π²/log(2/e): one more pair is put in by stretching the outer half
by q. Then e is lowered in steps, each started from the extrapolation of those before. The result is checked on a dense
grid before it is handed out.

Sources: J. E. Moussa, J. Chem. Phys. 145, 164108 (2016), for the approximation problem; N. I. Achieser, Theory of
Approximation (1956), for the alternation and for Zolotarev's fractions. Derivation: docs/adjoints/fermi-poles.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..errors import ConvergenceError, InputError
from .occupation import fermi, fermi_window

SMALLEST_ERROR, LARGEST_ERROR = 1e-10, 1e-2
SHORTEST_REACH, LONGEST_REACH = 10.0, 1e9  # a shorter reach saves no pole worth having
MARGIN = 2e-3  # what the alternation is levelled below the stated error, for the dense check to find it kept
CHECK_POINTS = 8000
START_ERROR = 1e-2

# Three pairs at START_ERROR, to the digits that Newton's method needs.
_START_NODES = (-0.05 + 3.73j, -3.57 + 26.52j, -102.58 + 98.96j)
_START_WEIGHTS = (1.46 + 0.04j, 7.65 + 2.12j, -1.46 + 40.1j)
_START_EXTREMA = (-104.2, -85.37, -49.88, -23.59, -10.02, -3.92, -1.02, 1.15, 4.21, 11.29, 31.12, 100.78, 621.82)


@dataclass(frozen=True, eq=False)
class FermiMinimax:
    """ζ (P,) and ρ (P,) in units of kT, the X they reach below μ, and the largest error from there to infinity."""

    nodes: Any
    weights: Any
    reach: float
    error: float


class _Levelled(NamedTuple):
    """ζ (P,), ρ (P,), X, and the extrema of the error as asinh x (4P + 1,)."""

    nodes: Any
    weights: Any
    reach: float
    extrema: Any


def rational(nodes: Any, weights: Any, x: Any, /) -> Any:
    """r(x) = Σ_p [ρ_p/(ζ_p − x) + c.c.] at real x (m,): (m,)."""
    return 2 * host.sum(host.real(weights[None, :] / (nodes[None, :] - x[:, None])), axis=1)


@lru_cache(maxsize=256)
def fermi_minimax(reach: float, error: float, /) -> FermiMinimax:
    """The fewest pairs of poles that approximate the Fermi function to `error` on [−`reach`, ∞).

    They are those of the longest reach this number of pairs has, so that equal numbers of pairs mean equal poles.

    Parameters
    ----------
    reach : float
        X = (μ − E_min)/kT. Below 10 it counts as 10.
    error : float
        Between 1e-10 and 1e-2.

    Raises
    ------
    InputError
        For an error outside these bounds, or X > 1e9.
    ConvergenceError
        When the dense check finds more than `error`.
    """
    if not SMALLEST_ERROR <= error <= LARGEST_ERROR:
        raise InputError(
            f"error={error:g} must lie between {SMALLEST_ERROR:g} and {LARGEST_ERROR:g}; 1e-8 is the default."
        )
    if not reach <= LONGEST_REACH:
        raise InputError(
            f"(chemical_potential - lowest)/kt = {reach:g} must not exceed {LONGEST_REACH:g}; raise kt, or give a "
            "tighter `lowest`."
        )
    wanted = max(reach, SHORTEST_REACH)
    n_pairs = max(3, math.ceil(math.log(wanted) / _log_ratio(error)))
    best = longest(n_pairs, error)
    while best is None or best.reach < wanted:
        n_pairs += 1
        best = longest(n_pairs, error)
    while n_pairs > 3 and (fewer := longest(n_pairs - 1, error)) is not None and fewer.reach >= wanted:
        n_pairs, best = n_pairs - 1, fewer
    return best


@lru_cache(maxsize=1024)
def longest(n_pairs: int, error: float, /) -> FermiMinimax | None:
    """The approximation by `n_pairs` ≥ 3 pairs of poles that keeps `error` on the longest [−X, ∞); None when X < 10."""
    found = _lowered(_coarse(n_pairs), error * (1 - MARGIN))
    if found is None:
        return None
    u = host.linspace(-math.asinh(found.reach), math.asinh(1e6 * found.reach), CHECK_POINTS)
    x = host.clip(host.sinh(u), min=-found.reach)
    largest = float(host.max(host.abs(rational(found.nodes, found.weights, x) - fermi(x))))
    if not largest <= error:
        raise ConvergenceError(
            f"{n_pairs} pairs of poles approximate the Fermi function to {largest:.3g} and not to error={error:g}; "
            "ask for another error.",
            residual=largest,
        )
    return FermiMinimax(found.nodes, found.weights, found.reach, error)


@lru_cache(maxsize=256)
def _coarse(n_pairs: int) -> _Levelled:
    """The best approximation by so many pairs at START_ERROR, from that by one pair fewer."""
    if n_pairs == 3:
        extrema = host.asinh(host.asarray(_START_EXTREMA))
        guess = _Levelled(host.asarray(_START_NODES), host.asarray(_START_WEIGHTS), -_START_EXTREMA[0], extrema)
    else:
        guess = _with_one_more(_coarse(n_pairs - 1), math.exp(_log_ratio(START_ERROR)))
    found = _solve(guess, START_ERROR, 15)
    if found is None:
        raise ConvergenceError(f"no approximation of the Fermi function by {n_pairs} pairs of poles; raise `error`.")
    return found[0]


def _log_ratio(error: float) -> float:
    return math.pi**2 / math.log(2 / error)


def _with_one_more(state: _Levelled, ratio: float) -> _Levelled:
    """A guess with one pair more: the outer half stretched by `ratio`, in the gap the next of the geometric series."""
    k = state.nodes.shape[0] // 2
    nodes, weights, x = state.nodes, state.weights, host.sinh(state.extrema)
    new_node = host.reshape(1j * host.imag(nodes[k - 1]) * ratio, (1,))
    new_weight = host.reshape(host.real(weights[k - 1]) * ratio + 0j, (1,))
    cut = float(host.sqrt(host.abs(nodes[k - 1] * nodes[k])))
    inner = x[host.abs(x) < cut]
    pieces = [x[x <= -cut] * ratio, inner[:2] * ratio, inner, inner[-2:] * ratio, x[x >= cut] * ratio]
    return _Levelled(
        host.concat([nodes[:k], new_node, nodes[k:] * ratio]),
        host.concat([weights[:k], new_weight, weights[k:] * ratio]),
        state.reach * ratio,
        host.asinh(host.concat(pieces)),
    )


def _lowered(state: _Levelled, error: float) -> _Levelled | None:
    """Follow the best approximation from START_ERROR down to `error`; None when X falls below SHORTEST_REACH."""
    n_pairs, end, step = state.nodes.shape[0], math.log(error), 0.3
    path = [(math.log(START_ERROR), _packed(state))]
    while path[-1][0] > end:
        if state.reach < SHORTEST_REACH:
            return None
        goal = max(path[-1][0] - step, end)
        found = _solve(_unpacked(_extrapolated(path[-4:], goal), n_pairs), math.exp(goal), 6)
        if found is None:
            step /= 2
            if step < 1e-4:
                raise ConvergenceError(
                    f"the approximation of the Fermi function by {n_pairs} pairs of poles was lost at an error of "
                    f"{math.exp(path[-1][0]):.3g} on the way to {error:.3g}; raise `error`.",
                    residual=math.exp(path[-1][0]),
                )
            continue
        state, n_steps = found
        path.append((goal, _packed(state)))
        step *= 1.6 if n_steps <= 3 else 1.0
    return state if state.reach >= SHORTEST_REACH else None


def _packed(state: _Levelled) -> Any:
    """Coordinates in which the path is smooth: log ζ, ρ/|ζ|, log X, asinh x."""
    head = [host.log(state.nodes), state.weights / host.abs(state.nodes), host.asarray([math.log(state.reach) + 0j])]
    return host.concat([*head, state.extrema + 0j])


def _unpacked(v: Any, n_pairs: int) -> _Levelled:
    nodes = host.exp(v[:n_pairs])
    reach = math.exp(float(host.real(v[2 * n_pairs])))
    return _Levelled(nodes, v[n_pairs : 2 * n_pairs] * host.abs(nodes), reach, host.real(v[2 * n_pairs + 1 :]))


def _extrapolated(path: list[tuple[float, Any]], goal: float) -> Any:
    """The polynomial through the points of the path, at `goal` (Lagrange)."""
    total = 0.0 * path[0][1]
    for i, (here, value) in enumerate(path):
        factors = [(goal - there) / (here - there) for j, (there, _) in enumerate(path) if j != i]
        total = total + math.prod(factors) * value
    return total


def _solve(state: _Levelled, error: float, max_steps: int) -> tuple[_Levelled, int] | None:
    """The levelled state at `error` near `state`, with the Newton steps it took; None when it was not found."""
    signs = host.asarray([-1.0 if k % 2 == 0 else 1.0 for k in range(state.extrema.shape[0])])
    for n_steps in range(max_steps):
        if not bool(host.all(host.diff(state.extrema) > 0)):
            return None
        stepped, size = _newton_step(state, signs, error)
        if stepped is None:
            return None
        state, unlevelled, unextreme = _extremum_step(stepped, signs, error)
        if size < 1e-2 and unlevelled < 1e-3 * error and unextreme < 1e-4 * error:
            return state, n_steps
    return None


def _newton_step(state: _Levelled, signs: Any, error: float) -> tuple[_Levelled | None, float]:
    """One Newton step for r(x_k) − f(x_k) = s_k e at fixed x_k, x_0 = −X moving, and the largest change of a logarithm.

    None in place of the state when a pole crosses the real axis.
    """
    nodes, weights, reach, n_pairs = state.nodes, state.weights, state.reach, state.nodes.shape[0]
    x = host.sinh(state.extrema)
    x[0] = -reach
    g = 1 / (nodes[None, :] - x[:, None])  # (4P + 1, P)
    by_weight, by_node = g * host.abs(nodes), -weights * g**2 * nodes  # to ρ/|ζ| and to log ζ
    by_reach = host.zeros((x.shape[0], 1))
    by_reach[0, 0] = -reach * (2 * host.sum(host.real(weights * g[0, :] ** 2)) + fermi_window(x[:1])[0])
    by_pole = [part for d in (by_weight, by_node) for part in (2 * host.real(d), -2 * host.imag(d))]
    jacobian = host.concat([*by_pole, by_reach], axis=1)  # (4P + 1, 4P + 1)
    residual = signs * error - (2 * host.sum(host.real(weights * g), axis=1) - fermi(x))
    scale = host.max(host.abs(jacobian), axis=0)
    scale = host.where(scale > 0, scale, host.ones_like(scale))
    change = host.linalg.solve(jacobian / scale, residual) / scale
    real = host.reshape(change[: 4 * n_pairs], (4, n_pairs))
    d_weights, d_nodes, d_reach = real[0, :] + 1j * real[1, :], real[2, :] + 1j * real[3, :], float(change[-1])
    size = max(float(host.max(host.abs(d_nodes))), abs(d_reach))
    damping = min(1.0, 0.4 / size) if size > 0 else 1.0  # log ζ and log X move by 0.4 at most
    moved = nodes * host.exp(damping * d_nodes)
    if not bool(host.all(host.imag(moved) > 0)):
        return None, size
    weights = weights + damping * d_weights * host.abs(nodes)
    return _Levelled(moved, weights, reach * math.exp(damping * d_reach), state.extrema), size


def _extremum_step(state: _Levelled, signs: Any, error: float) -> tuple[_Levelled, float, float]:
    """Every x_k moved towards its extremum of r − f by a Newton step in u = asinh x.

    Also how far the errors were from ±e, and how much they still change by the move.
    """
    u = host.concat([host.asarray([-math.asinh(state.reach)]), state.extrema[1:]])
    x, slope = host.sinh(u), host.cosh(u)
    g = 1 / (state.nodes[None, :] - x[:, None])
    window = fermi_window(x)
    d_0 = 2 * host.sum(host.real(state.weights * g), axis=1) - fermi(x)
    d_1 = 2 * host.sum(host.real(state.weights * g**2), axis=1) + window
    d_2 = 4 * host.sum(host.real(state.weights * g**3), axis=1) - window * host.tanh(host.clip(x, -700.0, 700.0) / 2)
    by_u, by_uu = d_1 * slope, d_2 * slope**2 + d_1 * x
    curved = by_uu * signs < 0  # a maximum of s (r − f) is near
    move = host.where(curved, -by_u / host.where(curved, by_uu, host.ones_like(u)), 0.1 * host.sign(signs * by_u))
    gaps = host.diff(u)
    limit = 0.3 * host.minimum(host.concat([gaps, host.ones(1)]), host.concat([host.ones(1), gaps]))
    move = host.clip(move, -limit, limit)
    move[0] = 0.0
    unlevelled = float(host.max(host.abs(signs * d_0 - error)))
    return state._replace(extrema=u + move), unlevelled, float(host.max(host.abs(by_u * move)))
