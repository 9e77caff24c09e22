"""Block elimination from the left as one kernel: A(z) is made block by block from H, S and Σ inside the sweep.

    g_1 = A_11⁻¹,   g_i = (A_ii − A_{i,i−1} g_{i−1} A_{i−1,i})⁻¹,   w_{i+1} = −A_{i+1,i} g_i w_i (+ new columns)

The same as `negfadj.primitives.left_connected.sweep`, which asks for the blocks of A one by one; here a GPU needs one
launch for the whole device, and no block of A is ever stored.

Sources: Svizhenko et al., J. Appl. Phys. 91, 2343 (2002), Eqs. (29)–(31); docs/adjoints/rgf.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..array import Kernel, array_namespace, device_of, identity, inverse, max_norm, product, real_dtype
from ..typing import Array
from .open_system import OpenSystem, Reversed


class HoppingPencil(NamedTuple):
    """An off-diagonal block z S − H, by H and S."""

    hamiltonian: Array
    overlap: Array


class SweepBlock(NamedTuple):
    """What makes block i of A: H_ii, S_ii (None: identity), Σ (None: nothing), A_{i,i−1}, A_{i−1,i} (None at first).

    The hoppings are arrays (E or 1, rows, columns), a `Monomial` or a `HoppingPencil`. `is_symmetric`: H and S are real
    and symmetric, so that A = Aᵀ as far as Σ is; a kernel may round accordingly.
    """

    onsite: Array
    overlap: Array | None
    self_energy: Array | None
    lower: Any
    upper: Any
    is_symmetric: bool = False


class Source(NamedTuple):
    """Columns (E or 1, n_b, m) of the right-hand side that start on `block`, as columns `at`, … of w."""

    block: int
    columns: Array
    at: int


class Sweep(NamedTuple):
    """All g_i or the last alone, the last w (E, n_N, m), and `growth`, the largest entry of all g_i, (E,).

    `growth` is NaN or infinite where an entry is not finite. `carried` are w of all blocks where all g_i are kept;
    without sources w and `carried` are None.
    """

    factors: tuple[Array, ...]
    w: Array | None
    growth: Array
    carried: tuple[Array, ...] | None


def whole_sweep(
    z: Array, blocks: Iterable[SweepBlock], /, *, sources: Sequence[Source] = (), keep: bool
) -> Sweep:
    """Left-connected Green's functions of A(z), and what is carried along.

    Parameters
    ----------
    z : array, shape (E,)
        Energies [eV]; real ones with real blocks give a real sweep.
    blocks : SweepBlocks, made as the sweep comes to them where the factors are not kept
    sources : sequence of Source
        Columns not yet started are zero.
    keep : bool
        All factors and carried columns, 16 E Σ n_i (n_i + m) bytes in double precision, or the last ones alone.

    Returns
    -------
    Sweep
    """
    return _KERNEL(z, tuple(blocks) if keep else blocks, tuple(sources), keep)  # type: ignore[no-any-return]


def sweep_blocks(a: Any) -> tuple[Array, tuple[SweepBlock, ...]] | None:
    """(z, blocks) of an `OpenSystem`, or of one counted from the other end; None for any other block matrix."""
    is_reversed = isinstance(a, Reversed)
    system: Any = a.matrix if isinstance(a, Reversed) else a
    if not isinstance(system, OpenSystem):
        return None
    is_symmetric = all(x is None or (x.is_hermitian and x.is_real) for x in (system.hamiltonian, system.overlap))
    order = range(system.n_blocks - 1, -1, -1) if is_reversed else range(system.n_blocks)
    before = (None, *order)
    return system.z, tuple(_block(system, i, last, is_symmetric) for i, last in zip(order, before))


def _block(system: OpenSystem, i: int, before: int | None, is_symmetric: bool) -> SweepBlock:
    """Block i of A, reached from block `before`."""
    overlap = None if system.overlap is None else system.overlap.diagonal[i]
    sigma = None
    for each, b in zip(system.self_energies, system.blocks):
        if b == i:
            sigma = each if sigma is None else sigma + each
    lower = upper = None
    if before is not None:
        first = min(i, before)
        above, below = _hopping(system, first, "upper"), _hopping(system, first, "lower")
        lower, upper = (below, above) if before < i else (above, below)
    return SweepBlock(system.hamiltonian.diagonal[i], overlap, sigma, lower, upper, is_symmetric)


def _hopping(system: OpenSystem, i: int, side: str) -> Any:
    """A_{i,i+1} ("upper") or A_{i+1,i}; H and S themselves where the block is dense and changes with the energy."""
    if system.overlap is None or (system.hoppings is not None and system.hoppings.patterns[i] is not None):
        return system.upper(i) if side == "upper" else system.lower(i)
    h, s = system.hamiltonian, system.overlap
    return (
        HoppingPencil(h.upper[i], s.upper[i])
        if side == "upper"
        else HoppingPencil(h.lower_block(i), s.lower_block(i))
    )


def _whole_sweep(z: Array, blocks: Iterable[SweepBlock], sources: tuple[Source, ...], keep: bool) -> Sweep:
    xp = array_namespace(z)
    n_columns = max((source.at + source.columns.shape[-1] for source in sources), default=0)
    factors: list[Array] = []
    carried: list[Array] = []
    growth = xp.zeros(z.shape, dtype=real_dtype(z.dtype, xp), device=device_of(z))
    g = w = None
    for i, block in enumerate(blocks):
        overlap = identity(block.onsite.shape[-1], z) if block.overlap is None else block.overlap
        diagonal = z[:, None, None] * overlap - block.onsite
        if block.self_energy is not None:
            diagonal = diagonal - block.self_energy
        if g is None:
            g = inverse(diagonal)
        else:
            transfer = _dense(block.lower, z) @ g
            g = inverse(diagonal - product(transfer, _dense(block.upper, z)))
            w = None if w is None else -(transfer @ w)
        w = _started(w, [source for source in sources if source.block == i], n_columns, g)
        growth = xp.maximum(growth, max_norm(g))
        factors = [*factors, g] if keep else [g]
        carried = [*carried, w] if keep and w is not None else []
    return Sweep(tuple(factors), w, growth, tuple(carried) if carried else None)


def _dense(hopping: Any, z: Array) -> Any:
    if isinstance(hopping, HoppingPencil):
        return z[:, None, None] * hopping.overlap - hopping.hamiltonian
    return hopping


def _started(w: Array | None, sources: list[Source], n_columns: int, g: Array) -> Array | None:
    """w with the columns that start on this block in their places, zero before."""
    if n_columns == 0:
        return None
    xp = array_namespace(g)
    n_energies, n = g.shape[0], g.shape[-1]
    if w is None:
        w = xp.zeros((n_energies, n, n_columns), dtype=g.dtype, device=device_of(g))
    for source in sources:
        columns = xp.broadcast_to(source.columns, (n_energies, n, source.columns.shape[-1]))
        after = source.at + source.columns.shape[-1]
        w = xp.concat([w[:, :, : source.at], xp.astype(columns, g.dtype), w[:, :, after:]], axis=-1)
    return w


_KERNEL = Kernel("whole_sweep", _whole_sweep, numba="whole_sweep:whole_sweep", cuda="cuda_sweep:whole_sweep")
