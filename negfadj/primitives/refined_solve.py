"""Columns and rows of the Green's function by block elimination, refined where the elimination loses digits.

    A X = B:   ρ = B − A X,   X ← X + A⁻¹ρ       (by the same factors)

The pivots g_i of block elimination belong to the device cut between blocks i and i+1. A level of the cut device, the
edge state of a zigzag tube or ribbon say, is a pole of g_i and none of G: at a distance δ from it |g_i| ~ 1/δ and
the solution loses eps (|A|/δ)² of its size, or more. A few steps of refinement bring it to rounding as long as that is
below one; where it is not, the factors of A + iε, ε = 3e-6 |A|, take over: they refine as long as G is below 1/ε.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), Sec. 12.1 and 13.3;
docs/adjoints/charge.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..array import array_namespace, device_of, eps_of, max_norm, product, to_numpy
from ..errors import ConvergenceError
from ..typing import Array
from .block_solve import solve_columns, solve_rows
from .left_connected import left_connected
from .open_system import OpenSystem

GROWTH = 1e3  # |g_i||A| from which a solution is refined: below, some 1e-9 of it are lost
MOST_STEPS = 14
SHIFT = 3e-6  # of |A|, above the real axis
ENOUGH = 100.0  # eps |A||X|: a residual of that size is rounding
TOLERATED = 1e-9  # |A||X|, or rounding where that is more: with a larger residual the energy is given up


def refined_columns(
    system: OpenSystem, factors: Sequence[Array], sources: Mapping[int, Array], carried: Sequence[Array] | None = None
) -> Iterator[tuple[int, Array]]:
    """Yield (i, X_i) for i = N − 1, …, 0, as `solve_columns`, to rounding.

    Raises
    ------
    ConvergenceError
        Where an energy lies on a level of the device cut between two blocks and on one of the device.
    """
    return _refined(system, factors, sources, is_rows=False, carried=carried)


def refined_rows(
    system: OpenSystem, factors: Sequence[Array], sources: Mapping[int, Array]
) -> Iterator[tuple[int, Array]]:
    """Yield (i, R_i) for i = N − 1, …, 0, as `solve_rows`, to rounding. Errors as `refined_columns`."""
    return _refined(system, factors, sources, is_rows=True)


def _refined(
    system: OpenSystem,
    factors: Sequence[Array],
    sources: Mapping[int, Array],
    *,
    is_rows: bool,
    carried: Sequence[Array] | None = None,
) -> Iterator[tuple[int, Array]]:
    solve = solve_rows if is_rows else partial(solve_columns, carried=carried)
    grown = grown_of(system, factors)
    if not grown:
        yield from solve(system, factors, sources)
        return
    there, of_grown, right = _at(grown, system, factors, sources)
    x, failed = _corrected(there, there, of_grown, right, is_rows)
    if failed:
        # pivots just above the real axis are no larger than 1/SHIFT, and G there is close to what is sought
        again, _, right_again = _at(failed, there, [], right)
        shifted = replace(again, z=again.z + 1j * SHIFT * size_of(again))
        x_again, failed_again = _corrected(again, shifted, left_connected(shifted), right_again, is_rows)
        if failed_again:
            raise _breakdown([to_numpy(array_namespace(system.z).real(again.z)).tolist()[e] for e in failed_again])
        x = [put_at(part, failed, new) for part, new in zip(x, x_again)]
    for i, plain in solve(system, factors, sources):
        yield i, put_at(plain, grown, x[i])


def index_of(places: Sequence[int], like: Array) -> Array:
    """Some places as an index array beside `like`."""
    return array_namespace(like).asarray(list(places), device=device_of(like))


def _at(
    places: Sequence[int], system: OpenSystem, factors: Sequence[Array], sources: Mapping[int, Array]
) -> tuple[OpenSystem, list[Array], dict[int, Array]]:
    """System, factors and right-hand sides at some of the energies."""
    xp, n = array_namespace(system.z), system.n_energies
    index = index_of(places, system.z)

    def take(x: Array) -> Array:
        return xp.take(x, index, axis=0) if x.shape[0] == n else x

    return system.at(index), [take(g) for g in factors], {i: take(b) for i, b in sources.items()}


def put_at(x: Array, places: Sequence[int], new: Array) -> Array:
    """`x` with its energies at `places` replaced by those of `new`."""
    xp, where = array_namespace(x), device_of(x)
    source, is_new = [0] * x.shape[0], [False] * x.shape[0]
    for k, e in enumerate(places):
        source[e], is_new[e] = k, True
    moved = xp.take(new, xp.asarray(source, device=where), axis=0)
    there = xp.reshape(xp.asarray(is_new, device=where), (-1, *[1] * (x.ndim - 1)))
    return xp.where(there, moved, x)


def grown_of(system: OpenSystem, factors: Sequence[Array]) -> list[int]:
    """The energies at which a pivot is so large that digits are lost, or not finite."""
    largest = getattr(factors, "growth", None)
    return grown_energies(system, _largest(factors) if largest is None else largest)


def grown_energies(system: OpenSystem, largest: Array) -> list[int]:
    """The energies at which the largest entry (E,) of all pivots is so large that digits are lost, or not finite."""
    growth = to_numpy(largest * size_of(system))
    return [e for e, x in enumerate(growth.tolist()) if not x <= GROWTH]


def size_of(system: OpenSystem) -> Array:
    """|A| ≤ |z| |S| + |H| + |Σ| by their largest entries, (E,)."""
    xp, h, s = array_namespace(system.z), system.hamiltonian, system.overlap

    def largest(blocks: Sequence[Array]) -> float:
        return max(float(xp.max(xp.abs(x))) for x in blocks)

    size = xp.abs(system.z) * (1.0 if s is None else largest(s.diagonal)) + largest((*h.diagonal, *h.upper))
    for sigma in system.self_energies:
        size = size + max_norm(sigma)
    return size


def _corrected(
    system: OpenSystem, near: OpenSystem, factors: Sequence[Array], right: Mapping[int, Array], is_rows: bool
) -> tuple[list[Array], list[int]]:
    """X_i refined by the factors of a system `near` until the residual is rounding, and where it is not."""
    xp = array_namespace(system.z)
    solve = solve_rows if is_rows else solve_columns
    eps, size = eps_of(system.z), size_of(system)
    x = [part for _, part in solve(near, factors, right)][::-1]
    last = before = xp.full_like(size, float("inf"))  # errors one and two steps ago
    for step in range(MOST_STEPS + 1):
        residual = _residual(system, x, right, is_rows)
        largest = _largest(x)  # zero where nothing is asked for, in a lead's gap say: then the residual is zero too
        error = _largest(residual) / xp.where(largest == 0, size, size * largest)
        going = (error > ENOUGH * eps) & (error < before / 2)
        if step == MOST_STEPS or not bool(xp.any(going)):
            break
        last, before = error, last
        keep = going[:, None, None]
        change = [part for _, part in solve(near, factors, dict(enumerate(residual)))][::-1]
        x = [a + xp.where(keep, b, xp.zeros_like(b)) for a, b in zip(x, change)]
    return x, [e for e, good in enumerate(to_numpy(error <= max(TOLERATED, ENOUGH * eps)).tolist()) if not good]


def _breakdown(energies: list[float]) -> ConvergenceError:
    return ConvergenceError(
        f"block elimination breaks down at E = {', '.join(f'{e:.6g}' for e in energies[:5])} eV: the device cut "
        "between two blocks has a level there, such as the edge state of a zigzag tube, and the whole device has one "
        "nearby; shift the energy by 1e-6 eV, or give a small device_eta.",
        energies=energies,
    )


def _residual(system: OpenSystem, x: Sequence[Array], right: Mapping[int, Array], is_rows: bool) -> list[Array]:
    """B − A X, or C − R A, block by block."""
    found = []
    n_blocks = system.n_blocks
    for i in range(n_blocks):
        if is_rows:
            inner = x[i] @ system.diagonal(i)
            if i > 0:
                inner = inner + product(x[i - 1], system.upper(i - 1))
            if i < n_blocks - 1:
                inner = inner + product(x[i + 1], system.lower(i))
        else:
            inner = system.diagonal(i) @ x[i]
            if i > 0:
                inner = inner + system.lower(i - 1) @ x[i - 1]
            if i < n_blocks - 1:
                inner = inner + system.upper(i) @ x[i + 1]
        found.append(right[i] - inner if i in right else -inner)
    return found


def _largest(blocks: Sequence[Array]) -> Any:
    """Largest entry at every energy."""
    xp = array_namespace(blocks[0])
    found = max_norm(blocks[0])
    for block in blocks[1:]:
        found = xp.maximum(found, max_norm(block))
    return found
