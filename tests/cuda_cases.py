"""Arguments for every CUDA kernel, of one scalar type and size, and how well the answers should agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from negfadj.array import structured, tree_map
from negfadj.array.hopping import monomial_pattern
from negfadj.primitives import block_solve, decimation, left_connected, segment_doubling, stein  # noqa: F401
from negfadj.primitives.whole_sweep import HoppingPencil, Source, SweepBlock

N_ENERGIES = 3
KERNEL_NAMES = (
    "inverse",
    "eliminate",
    "columns_step",
    "rows_step",
    "columns_carry",
    "rows_carry",
    "decimation",
    "segment_doubling",
    "stein_doubling",
    "whole_sweep",
)


@dataclass(frozen=True)
class Case:
    """One call of a kernel; `growth` is how many units of rounding its answer may be off, of its largest entry."""

    kernel: str
    label: str
    scalar: str
    n: int
    arguments: tuple[Any, ...]
    growth: float

    def __str__(self) -> str:
        return f"{self.kernel}-{self.label}-{self.scalar}{self.n}"


def arrays(x: Any) -> list[np.ndarray]:
    """The arrays of a tree, on the host."""
    found: list[np.ndarray] = []
    tree_map(lambda leaf: found.append(leaf.get() if hasattr(leaf, "get") else np.asarray(leaf)), x)
    return found


def assert_close(found: np.ndarray, expected: np.ndarray, growth: float) -> None:
    """Equal to `growth` units of rounding of the largest entry."""
    eps = np.finfo(expected.dtype).eps
    assert np.max(np.abs(found - expected)) <= growth * eps * max(1.0, float(np.max(np.abs(expected))))


class _Maker:
    """Random numbers of one scalar type."""

    def __init__(self, scalar: str, seed: int) -> None:
        self.rng, self.dtype = np.random.default_rng(seed), np.dtype(scalar)

    def numbers(self, *shape: int) -> np.ndarray:
        x = self.rng.normal(size=shape)
        if self.dtype.kind == "c":
            x = x + 1j * self.rng.normal(size=shape)
        return x.astype(self.dtype)

    def regular(self, n: int) -> np.ndarray:
        """(E, n, n) with condition numbers of a few."""
        return self.numbers(N_ENERGIES, n, n) + (4 * n**0.5 * np.eye(n)).astype(self.dtype)

    def real(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(self.dtype.char.lower())

    def hopping(self, kind: str, n: int, m: int) -> Any:
        """A hopping of one of the kinds that a kernel tells apart."""
        if kind == "dense":
            return self.numbers(1, n, m)
        if kind == "energies":
            return self.numbers(N_ENERGIES, n, m)
        if kind == "real":
            return self.real(1, n, m)
        block = np.zeros((n, m), dtype=self.dtype)
        if kind == "in-order":
            block[np.arange(min(n, m)), np.arange(min(n, m))] = self.numbers(min(n, m))
        else:
            count = min(n, m) - 1
            block[self.rng.permutation(n)[:count], self.rng.permutation(m)[:count]] = self.numbers(count)
        return structured(block[None], monomial_pattern(block))


def cases(scalar: str, n: int) -> list[Case]:
    """Every kernel, matrices of n rows and of fewer, all kinds of hoppings."""
    m, r = max(1, n - 2), max(1, n // 2)
    make = _Maker(scalar, n)
    eps = float(np.finfo(make.dtype).eps)
    found = [Case("inverse", "stack", scalar, n, (make.regular(n),), 50 * n)]
    for kind in ("dense", "energies", "real", "monomial", "in-order"):
        rows = m if kind != "in-order" else n
        g, diagonal, w = make.regular(rows) / n, make.regular(n) * n, make.numbers(N_ENERGIES, rows, r)
        lower, upper = make.hopping(kind, n, rows), make.hopping(kind, rows, n)
        found.append(Case("eliminate", kind, scalar, n, (g, diagonal, lower, upper, w), 200 * n))
        g, wide = make.numbers(N_ENERGIES, n, n), n + 9  # more columns than a tile has
        x, source = make.numbers(N_ENERGIES, rows, wide), make.numbers(1, n, wide)
        found += [
            Case("columns_step", kind, scalar, n, (g, lower, x, source), 50 * n),
            Case("rows_step", kind, scalar, n, (g, upper, x.swapaxes(1, 2), source.swapaxes(1, 2)), 50 * n),
            Case("columns_carry", kind, scalar, n, (g, upper, source), 50 * n),
            Case("rows_carry", kind, scalar, n, (g, lower, source.swapaxes(1, 2)), 50 * n),
        ]
    g, diagonal = make.regular(m), make.regular(n) * n
    pair = (make.hopping("dense", n, m), make.hopping("dense", m, n))
    found += [
        Case("eliminate", "no-columns", scalar, n, (g, diagonal, *pair, None), 200 * n),
        Case("columns_step", "no-source", scalar, n, (g, pair[1], make.numbers(N_ENERGIES, n, 2), None), 50 * n),
        Case("rows_step", "no-source", scalar, n, (g, pair[0], make.numbers(N_ENERGIES, 2, n), None), 50 * n),
    ]
    found += [*_lead_cases(make, scalar, n, eps), *_sweep_cases(make, scalar, n, m, r)]
    return found


def _lead_cases(make: _Maker, scalar: str, n: int, eps: float) -> list[Case]:
    """A chain of cells with decaying states: above its band for real scalars, at some η for complex ones."""
    r = max(1, n - 2)
    h00, h01 = make.real(n, n) / n**0.5, make.real(n, n) / n**0.5
    z = np.array([6.0, 7.0, 9.0]) if make.dtype.kind == "f" else np.array([-0.3, 0.2, 1.7]) + 0.5j
    a00 = (z[:, None, None] * np.eye(n) - (h00 + h00.T) / 2).astype(make.dtype)
    a01, a10 = (-x[None].astype(make.dtype) for x in (h01, h01.T))
    u, v = (np.linalg.qr(make.numbers(n, r))[0] for _ in range(2))
    a, b = make.numbers(1, r, r) / (2 * n**0.5), make.numbers(1, r, r) / (2 * n**0.5)
    scale = np.asarray(1 / (3 * n**0.5), dtype=make.dtype)
    p, q = scale * make.numbers(N_ENERGIES, r, r), scale * make.numbers(N_ENERGIES, r, r)
    loose = 1 / eps**0.5 / 1e4  # a loop may end a pass earlier than the reference's, which watches all energies
    return [
        Case("decimation", "chain", scalar, n, (a00, a01, a10, eps, 60), 1e4 * n + loose),
        Case("segment_doubling", "chain", scalar, n, (a00, a, b, u, v, eps, 60), 1e4 * n + loose),
        Case("stein_doubling", "contraction", scalar, n, (p, q, make.numbers(N_ENERGIES, r, r), eps, 60), 1e4 * n),
    ]


def _sweep_cases(make: _Maker, scalar: str, n: int, m: int, r: int) -> list[Case]:
    """Blocks of two sizes, hoppings of every kind, self-energies at both ends, columns that start on two blocks."""
    sizes = (n, m, n, n, m, n)
    z = make.numbers(N_ENERGIES) + np.asarray(20 * n**0.5, dtype=make.dtype)
    kinds = ("dense", "monomial", "in-order", "real", "pencil", "real-pencil")
    blocks = []
    for i, size in enumerate(sizes):
        lower = upper = None
        if i > 0:
            pairs = ((size, sizes[i - 1]), (sizes[i - 1], size))
            lower, upper = (_hopping(make, kinds[i % len(kinds)], *pair) for pair in pairs)
        onsite = make.real(size, size) if i % 2 else make.numbers(size, size)
        overlap = None
        if i in (2, 3):
            overlap = np.eye(size) + 0.1 * make.real(size, size)
            overlap = overlap.astype(make.dtype.char.lower() if i == 3 else make.dtype)
        sigma = make.numbers(1 if i == 0 else N_ENERGIES, size, size) if i in (0, 5) else None
        blocks.append(SweepBlock(onsite, overlap, sigma, lower, upper))
    half = max(1, r // 2)
    sources = (Source(0, make.numbers(1, n, half), 0), Source(3, make.numbers(N_ENERGIES, n, half), half))
    all_blocks = tuple(blocks)
    return [
        Case("whole_sweep", "factors", scalar, n, (z, all_blocks, (), True), 1e3 * n),
        Case("whole_sweep", "columns", scalar, n, (z, all_blocks, sources[:1], False), 1e3 * n),
        Case("whole_sweep", "carried", scalar, n, (z, all_blocks, sources, True), 1e3 * n),
        Case("whole_sweep", "late", scalar, n, (z, all_blocks, sources[1:], False), 1e3 * n),
    ]


def _hopping(make: _Maker, kind: str, n: int, m: int) -> Any:
    if kind == "pencil":
        return HoppingPencil(make.numbers(n, m), make.numbers(n, m) / 20)
    if kind == "real-pencil":
        return HoppingPencil(make.real(n, m), make.real(n, m) / 20)
    return make.hopping("dense" if kind == "in-order" and n != m else kind, n, m)


