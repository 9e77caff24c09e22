"""Public gradient checks: does a pullback do what a derivative must?

`check_vjp` compares a hand-derived `f_vjp` with `f` itself, never with the formula under test:

- value: f_vjp returns what f returns;
- structure: every cotangent has its primal's shape, field (real for real) and library;
- adjoint identity: <w, J v> = <J†w, v> for random v and w, argument by argument, J v by central differences of f,
  extrapolated (Richardson) so that the identity can be asked for to many digits;
- Taylor: f(x + h v) − f(x) − h <J†w, v> falls as h², slope in (1.9, 2.1); steps lost in round-off are dropped, and too
  few steps left is an error, never a pass;
- repeatability: the pullback called twice gives the same, and no argument was written to.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .array import array_namespace, device_of, eps_of, is_array, is_complex, leaves, to_numpy, tree_map
from .errors import NegfadjError


class GradientError(NegfadjError, AssertionError):
    """A pullback disagrees with its function."""


@dataclass(frozen=True)
class VjpReport:
    """What `check_vjp` measured: per argument the relative error of the adjoint identity and the Taylor slope."""

    adjoint_errors: dict[str, float]
    taylor_slopes: dict[str, float]
    steps_used: dict[str, int]


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    primals: Sequence[Any],
    *,
    keywords: Mapping[str, Any] | None = None,
    seed: int = 0,
    rtol: float = 1e-8,
    step: float = 1e-3,
    slope_range: tuple[float, float] = (1.9, 2.1),
    arguments: Sequence[int | str] | None = None,
) -> VjpReport:
    """Check a hand-derived pullback against its function.

    Parameters
    ----------
    f : callable
        f(*primals, **keywords) → array (or a tuple of arrays).
    f_vjp : callable
        f_vjp(*primals, **keywords) → (value, pullback); pullback(value_bar) gives one cotangent per primal (a bare one
        for one primal, a tuple or named tuple for more), differentiable keywords by name on a named tuple.
    primals : sequence
        Arrays, floats, or data classes of them (`Device`, `Lead`, `BlockTridiagonal`).
    keywords : mapping, optional
        Keyword arguments; the float ones that the cotangent names are checked too.
    seed : int
        Directions v and weights w are drawn from it.
    rtol : float
        Bound on the adjoint identity's error relative to the larger of |<w, J v>| and ‖J v‖‖w‖/√n.
    step : float
        Largest step of the differences, relative to the size of the primal.
    arguments : sequence of int or str, optional
        Check these only: positions of primals and names of keywords.

    Returns
    -------
    VjpReport

    Raises
    ------
    GradientError
        Naming the check and the argument that failed, with both numbers.
    """
    return _Check(f, f_vjp, tuple(primals), dict(keywords or {}), seed, rtol, step, slope_range).run(arguments)


@dataclass(frozen=True)
class _Check:
    f: Callable[..., Any]
    f_vjp: Callable[..., Any]
    primals: tuple[Any, ...]
    keywords: dict[str, Any]
    seed: int
    rtol: float
    step: float
    slope_range: tuple[float, float]

    def run(self, arguments: Sequence[int | str] | None) -> VjpReport:
        before = [_snapshot(p) for p in (*self.primals, *self.keywords.values())]
        value = self.f(*self.primals, **self.keywords)
        vjp_value, pullback = self.f_vjp(*self.primals, **self.keywords)
        self._same_value(value, vjp_value)
        rng = random.Random(self.seed)
        weights = tree_map(lambda x: _gaussian(x, rng), value)
        bars = self._named(pullback(weights))
        again = self._named(pullback(weights))
        errors, slopes, used = {}, {}, {}
        for key, primal in self._arguments(arguments, bars).items():
            bar = bars[key]
            self._same_structure(key, primal, bar)
            _require(_snapshot(bar) == _snapshot(again[key]), f"the pullback called twice differs on argument {key!r}.")
            tangent = _tangent(primal, rng)
            name = str(key)
            errors[name] = self._adjoint_identity(key, primal, tangent, bar, weights)
            slopes[name], used[name] = self._taylor(key, primal, tangent, bar, weights)
        after = [_snapshot(p) for p in (*self.primals, *self.keywords.values())]
        _require(before == after, "an argument was written to.")
        return VjpReport(errors, slopes, used)

    def _named(self, bars: Any) -> dict[int | str, Any]:
        """Cotangents by position, and by keyword where the cotangent is a named tuple that has the name."""
        names: tuple[str, ...] = getattr(bars, "_fields", ())
        if len(self.primals) == 1 and not names:
            return {0: bars}
        found: dict[int | str, Any] = {i: bars[i] for i in range(len(self.primals))}
        return found | {name: getattr(bars, name) for name in self.keywords if name in names}

    def _arguments(self, wanted: Sequence[int | str] | None, bars: dict[int | str, Any]) -> dict[int | str, Any]:
        found: dict[int | str, Any] = dict(enumerate(self.primals))
        found |= {name: x for name, x in self.keywords.items() if name in bars and _is_differentiable(x)}
        if wanted is None:
            return found
        _require(all(key in found for key in wanted), f"arguments {list(wanted)} are not all among {list(found)}.")
        return {key: found[key] for key in wanted}

    def _at(self, key: int | str, x: Any) -> Any:
        if isinstance(key, str):
            return self.f(*self.primals, **{**self.keywords, key: x})
        return self.f(*(x if i == key else p for i, p in enumerate(self.primals)), **self.keywords)

    def _loss(self, key: int | str, primal: Any, tangent: Any, h: float, weights: Any) -> float:
        return _inner(weights, self._at(key, tree_map(lambda x, v: x + h * v, primal, tangent)))

    def _same_value(self, value: Any, vjp_value: Any) -> None:
        scale = max(_norm(value), 1e-300)
        difference = _norm(tree_map(lambda x, y: x - y, value, vjp_value))
        tolerance = 1e3 * max(_eps(x) for x in leaves(value)) * math.sqrt(sum(_size(x) for x in leaves(value)))
        _require(difference <= tolerance * scale, f"f_vjp and f differ in value by {difference / scale:.3g} relative.")

    def _same_structure(self, key: int | str, primal: Any, bar: Any) -> None:
        if bar is None:
            return
        for x, x_bar in _paired(primal, bar):
            if x_bar is None or not is_array(x):
                continue
            _require(is_array(x_bar), f"argument {key!r}: a cotangent is a {type(x_bar).__name__}, not an array.")
            _require(
                tuple(x_bar.shape) == tuple(x.shape),
                f"argument {key!r}: a cotangent has shape {tuple(x_bar.shape)} for a primal of shape {tuple(x.shape)}.",
            )
            _require(
                is_complex(x_bar) == is_complex(x),
                f"argument {key!r}: a cotangent of dtype {x_bar.dtype} for a primal of dtype {x.dtype}.",
            )
            _require(
                type(x_bar) is type(x), f"argument {key!r}: a cotangent is a {type(x_bar)}, its primal a {type(x)}."
            )

    def _adjoint_identity(self, key: int | str, primal: Any, tangent: Any, bar: Any, weights: Any) -> float:
        backward = 0.0 if bar is None else _inner(bar, tangent)
        forward, uncertainty = _ridders(lambda h: self._loss(key, primal, tangent, h, weights), self.step)
        scale = max(abs(forward), abs(backward))
        scale = max(scale, _norm(weights) * _norm(self._at(key, primal)) * 1e-6, 1e-300)
        error = abs(forward - backward) / scale
        if error > self.rtol and uncertainty > 0.1 * abs(forward - backward):
            raise GradientError(
                f"argument {key!r}: <w, J v> = {forward:.12g} is known to {uncertainty:.2g} only, which cannot confirm "
                f"<J†w, v> = {backward:.12g} to rtol = {self.rtol:g}; change `step` or give a smoother case."
            )
        _require(
            error <= self.rtol,
            f"argument {key!r}: <w, J v> = {forward:.12g} but <J†w, v> = {backward:.12g} (relative error {error:.3g}).",
        )
        return error

    def _taylor(self, key: int | str, primal: Any, tangent: Any, bar: Any, weights: Any) -> tuple[float, int]:
        base = _inner(weights, self._at(key, primal))
        slope = 0.0 if bar is None else _inner(bar, tangent)
        floor = 200 * max(_eps(x) for x in leaves(primal)) * (abs(base) + _norm(weights) * _norm(self._at(key, primal)))
        steps = [self.step * 2.0**-k for k in range(9)]
        remainders = [abs(self._loss(key, primal, tangent, h, weights) - base - h * slope) for h in steps]
        kept = [(math.log2(h), math.log2(r)) for h, r in zip(steps, remainders) if r > floor]
        if not kept and self._is_linear(key, primal, tangent, weights, base, slope):
            return math.inf, 0
        _require(
            len(kept) >= 3,
            f"argument {key!r}: only {len(kept)} steps of the Taylor test are above round-off; give a larger `step`.",
        )
        order = _fitted_slope(kept[-4:])
        low, high = self.slope_range
        _require(
            low < order < high,
            f"argument {key!r}: the Taylor remainder falls as h^{order:.3f}, not h² "
            f"(remainders {', '.join(f'{r:.2g}' for r in remainders)}).",
        )
        return order, len(kept)

    def _is_linear(self, key: int | str, primal: Any, tangent: Any, weights: Any, base: float, slope: float) -> bool:
        """No remainder even at a step as large as the primal, where the derivative itself is well felt."""
        there = self._loss(key, primal, tangent, 1.0, weights)
        size = abs(base) + abs(slope) + abs(there)
        return abs(there - base - slope) <= 1e-12 * size and abs(slope) > 1e-6 * size


def _ridders(f: Callable[[float], float], h: float, levels: int = 8) -> tuple[float, float]:
    """The derivative of f at 0 by central differences, extrapolated; and an estimate of its error (Ridders 1982)."""
    table = [[(f(h) - f(-h)) / (2 * h)]]
    best, error = table[0][0], math.inf
    for k in range(1, levels):
        h /= 2
        row = [(f(h) - f(-h)) / (2 * h)]
        for j in range(1, k + 1):
            row.append((4.0**j * row[j - 1] - table[-1][j - 1]) / (4.0**j - 1))
            estimate = max(abs(row[j] - row[j - 1]), abs(row[j] - table[-1][j - 1]))
            if estimate < error:
                best, error = row[j], estimate
        table.append(row)
    return best, error


def _fitted_slope(points: Sequence[tuple[float, float]]) -> float:
    n = len(points)
    x_mean, y_mean = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    covariance = sum((x - x_mean) * (y - y_mean) for x, y in points)
    return covariance / sum((x - x_mean) ** 2 for x, _ in points)


def _tangent(primal: Any, rng: random.Random) -> Any:
    """A random direction of the primal's own kind and size: Hermitian where the primal must be."""
    tangent = tree_map(lambda x: _gaussian(x, rng), primal)
    return primal.project_tangent(tangent) if hasattr(primal, "project_tangent") else tangent


def _gaussian(x: Any, rng: random.Random) -> Any:
    if not is_array(x):
        return max(abs(x), 1.0) * rng.gauss(0.0, 1.0)
    xp = array_namespace(x)
    count = _size(x)

    def draw() -> Any:
        flat = xp.asarray([rng.gauss(0.0, 1.0) for _ in range(count)], dtype=xp.float64, device=device_of(x))
        return xp.reshape(flat, x.shape)

    return xp.astype(draw() + 1j * xp.astype(draw(), xp.complex128) if is_complex(x) else draw(), x.dtype)


def _inner(x: Any, y: Any) -> float:
    """Re Σ conj(x) y over all leaves."""
    total = 0.0
    for a, b in _paired(y, x):
        if b is None:
            continue
        if is_array(a) or is_array(b):
            xp = array_namespace(a, b)
            product = xp.conj(b) * a if is_array(b) and is_complex(b) else b * a
            total += float(xp.sum(xp.real(product) if is_complex(product) else product))
        else:
            total += float(a) * float(b)
    return total


def _paired(x: Any, y: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    tree_map(lambda a, b: found.append((a, b)), x, y)
    return found


def _norm(x: Any) -> float:
    return math.sqrt(sum(float((abs(to_numpy(leaf)) ** 2).sum()) for leaf in leaves(x)))


def _size(x: Any) -> int:
    return math.prod(x.shape) if is_array(x) else 1


def _eps(x: Any) -> float:
    return eps_of(x) if is_array(x) else 2.2e-16


def _snapshot(x: Any) -> list[bytes]:
    return [to_numpy(leaf).tobytes() if is_array(leaf) else repr(leaf).encode() for leaf in leaves(x)]


def _is_differentiable(x: Any) -> bool:
    return (is_array(x) or isinstance(x, float)) and not isinstance(x, bool)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise GradientError(message)
