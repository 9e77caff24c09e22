"""A(z) = z S − H − Σ(z): the inverse of the retarded Green's function, block by block and never stored as a whole.

equations: A_ii = z S_ii − H_ii − Σ_i,  A_{i,i±1} = z S_{i,i±1} − H_{i,i±1};  G = A⁻¹.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..array import MonomialPattern, adjoint, array_namespace, device_of, monomial_pattern, structured
from ..data import BlockTridiagonal
from ..typing import Array
from .broadening import broadening


class BlockMatrix(Protocol):
    """Anything block-tridiagonal whose blocks can be asked for: stacks (n_energies or 1, rows, columns)."""

    @property
    def n_blocks(self) -> int: ...

    def diagonal(self, i: int) -> Array: ...

    def upper(self, i: int) -> Any: ...

    def lower(self, i: int) -> Any: ...


@dataclass(frozen=True, eq=False)
class OpenSystem:
    """A(z) for a batch of energies.

    Parameters
    ----------
    z : array, shape (n_energies,), complex — the device's complex energies [eV]
    hamiltonian, overlap : BlockTridiagonal [eV], [1]; overlap None is the identity
    self_energies : arrays, shape (n_energies, n_b, n_b) [eV], one a lead
    blocks : the block each lead touches
    supports : per lead, the orbitals of its block where Σ is not zero (an index array), None for all
    hoppings : the structure of the off-diagonal blocks, found once for all batches; None takes them as dense
    tabulated : the leads given by Σ itself, whose entries are independent: a change may open channels
    """

    z: Array
    hamiltonian: BlockTridiagonal
    overlap: BlockTridiagonal | None
    self_energies: tuple[Array, ...]
    blocks: tuple[int, ...]
    supports: tuple[Array | None, ...]
    hoppings: Hoppings | None = None
    tabulated: tuple[int, ...] = ()

    @property
    def n_blocks(self) -> int:
        """Number of blocks N."""
        return self.hamiltonian.n_blocks

    @property
    def n_energies(self) -> int:
        """Energies in this batch."""
        return int(self.z.shape[0])

    def at(self, index: Array) -> OpenSystem:
        """The system at some of its energies."""
        xp, n = array_namespace(self.z), self.n_energies
        sigmas = tuple(xp.take(x, index, axis=0) if x.shape[0] == n else x for x in self.self_energies)
        return replace(self, z=xp.take(self.z, index), self_energies=sigmas)

    def diagonal(self, i: int) -> Array:
        """A_ii, (E, n_i, n_i)."""
        xp = array_namespace(self.z)
        z = self.z[:, None, None]
        h = self.hamiltonian.diagonal[i]
        if self.overlap is None:
            one = xp.eye(h.shape[0], dtype=self.z.dtype, device=device_of(self.z))
            block = z * one - h
        else:
            block = z * self.overlap.diagonal[i] - h
        for sigma, b in zip(self.self_energies, self.blocks):
            if b == i:
                block = block - sigma
        return block

    def upper(self, i: int) -> Any:
        """A_{i,i+1}, (E, n_i, n_{i+1}); (1, …) in an orthogonal basis; structured where it can be."""
        return self.dense_upper(i) if self.hoppings is None else self.hoppings.upper(self, i)

    def lower(self, i: int) -> Any:
        """A_{i+1,i}, (E, n_{i+1}, n_i). z S† − H† also away from the real axis; structured where it can be."""
        return self.dense_lower(i) if self.hoppings is None else self.hoppings.lower(self, i)

    def dense_upper(self, i: int) -> Array:
        """A_{i,i+1} as an array."""
        return self._hop(self.hamiltonian.upper[i], None if self.overlap is None else self.overlap.upper[i])

    def dense_lower(self, i: int) -> Array:
        """A_{i+1,i} as an array."""
        return self._hop(self.hamiltonian.lower_block(i), None if self.overlap is None else self.overlap.lower_block(i))

    def _hop(self, h: Array, s: Array | None) -> Array:
        if s is None:
            return -h[None, ...]
        return self.z[:, None, None] * s - h

    def unit_columns(self, lead: int) -> Array:
        """The columns of the identity on the orbitals lead `lead` touches: (1, n_b, m)."""
        xp = array_namespace(self.z)
        n = self.hamiltonian.block_sizes[self.blocks[lead]]
        one = xp.eye(n, dtype=self.z.dtype, device=device_of(self.z))
        support = self.supports[lead]
        return (one if support is None else xp.take(one, support, axis=1))[None, ...]

    def restrict_rows(self, x: Array, lead: int) -> Array:
        """The rows of `x` (…, n_b, m) that lead `lead` touches."""
        support = self.supports[lead]
        return x if support is None else array_namespace(x).take(x, support, axis=-2)

    def restrict_columns(self, x: Array, lead: int) -> Array:
        """The columns of `x` (…, m, n_b) that lead `lead` touches."""
        support = self.supports[lead]
        return x if support is None else array_namespace(x).take(x, support, axis=-1)

    def broadening(self, lead: int) -> Array:
        """Γ of a lead on its support: (E, m, m)."""
        return broadening(self.restrict_columns(self.restrict_rows(self.self_energies[lead], lead), lead))

    def spread_hermitian(self, columns: Array, lead: int) -> Array:
        """The Hermitian (E, n_b, n_b) matrix with the given columns (E, n_b, m) on the lead's support.

        Entries with neither index on the support are left zero: to first order no lead parameter reaches them.
        """
        if self.supports[lead] is None:
            return columns
        unit = self.unit_columns(lead)
        inside = self.restrict_rows(columns, lead)
        return (columns - unit @ inside) @ adjoint(unit) + unit @ adjoint(columns)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A block-tridiagonal matrix given by its blocks, each (n_energies or 1, rows, columns); None is a zero block."""

    diagonal_blocks: Sequence[Array | None]
    upper_blocks: Sequence[Array | None]
    lower_blocks: Sequence[Array | None]

    @property
    def n_blocks(self) -> int:
        """Number of blocks N."""
        return len(self.diagonal_blocks)

    def diagonal(self, i: int) -> Array:
        """X_ii."""
        return self.diagonal_blocks[i]

    def upper(self, i: int) -> Array:
        """X_{i,i+1}."""
        return self.upper_blocks[i]

    def lower(self, i: int) -> Array:
        """X_{i+1,i}."""
        return self.lower_blocks[i]


@dataclass(frozen=True, eq=False)
class Adjoint:
    """X† of a block-tridiagonal matrix, block by block."""

    matrix: BlockMatrix

    @property
    def n_blocks(self) -> int:
        """Number of blocks N."""
        return self.matrix.n_blocks

    def diagonal(self, i: int) -> Array:
        """(X_ii)†."""
        return _dagger(self.matrix.diagonal(i))

    def upper(self, i: int) -> Array:
        """(X_{i+1,i})†."""
        return _dagger(self.matrix.lower(i))

    def lower(self, i: int) -> Array:
        """(X_{i,i+1})†."""
        return _dagger(self.matrix.upper(i))


@dataclass(frozen=True, eq=False)
class Reversed:
    """The same matrix with its blocks counted from the other end: left-connected becomes right-connected."""

    matrix: BlockMatrix

    @property
    def n_blocks(self) -> int:
        """Number of blocks N."""
        return self.matrix.n_blocks

    def diagonal(self, i: int) -> Array:
        """X_{N−1−i, N−1−i}."""
        return self.matrix.diagonal(self.n_blocks - 1 - i)

    def upper(self, i: int) -> Array:
        """X_{N−1−i, N−2−i}."""
        return self.matrix.lower(self.n_blocks - 2 - i)

    def lower(self, i: int) -> Array:
        """X_{N−2−i, N−1−i}."""
        return self.matrix.upper(self.n_blocks - 2 - i)


def adjoint_factors(factors: Sequence[Array]) -> Iterable[Array]:
    """The left-connected factors of A† from those of A: g_i†."""
    return [adjoint(g) for g in factors]


@dataclass(frozen=True, eq=False)
class Hoppings:
    """The off-diagonal blocks of A as what they are: one entry a row and column, real, or dense.

    Patterns are found once; in an orthogonal basis the few values of a patterned block, the same at all energies, too.
    """

    patterns: tuple[MonomialPattern | None, ...]
    prepared: tuple[tuple[Any, Any] | None, ...]
    hamiltonian: BlockTridiagonal
    overlap: BlockTridiagonal | None
    kept: dict[str, Any] = field(default_factory=dict)

    def recalled(self, name: str, make: Callable[..., Any], *arguments: Any) -> Any:
        """What a kernel makes of H and S, `make(H, S, *arguments)`, once for all batches."""
        if name not in self.kept:
            self.kept[name] = make(self.hamiltonian, self.overlap, *arguments)
        return self.kept[name]

    @classmethod
    def of(cls, hamiltonian: BlockTridiagonal, overlap: BlockTridiagonal | None) -> Hoppings:
        """Found from the blocks of H and S."""
        patterns: list[MonomialPattern | None] = []
        prepared: list[tuple[Any, Any] | None] = []
        seen: dict[tuple[int, ...], int] = {}  # the block at which the same arrays came first
        for i, upper in enumerate(hamiltonian.upper):
            given = (m.upper[i] for m in (hamiltonian, overlap) if m is not None)
            lower_given = (m.lower[i] for m in (hamiltonian, overlap) if m is not None and m.lower is not None)
            first = seen.setdefault(tuple(id(x) for x in (*given, *lower_given)), i)
            if first < i:
                patterns.append(patterns[first])
                prepared.append(prepared[first])
                continue
            lowers = [
                None if m is None or m.is_hermitian else adjoint(m.lower_block(i)) for m in (hamiltonian, overlap)
            ]
            pattern = monomial_pattern(upper, None if overlap is None else overlap.upper[i], *lowers)
            patterns.append(pattern)
            if overlap is not None:
                prepared.append(None)
                continue
            pair = -upper[None, ...], -hamiltonian.lower_block(i)[None, ...]
            if pattern is not None:
                prepared.append((pattern.of(pair[0]), pattern.transposed().of(pair[1])))
            else:
                prepared.append((structured(pair[0], None), structured(pair[1], None)))
        return cls(tuple(patterns), tuple(prepared), hamiltonian, overlap)

    def upper(self, system: OpenSystem, i: int) -> Any:
        """A_{i,i+1}."""
        found = self.prepared[i]
        return structured(system.dense_upper(i), self.patterns[i]) if found is None else found[0]

    def lower(self, system: OpenSystem, i: int) -> Any:
        """A_{i+1,i}."""
        found, pattern = self.prepared[i], self.patterns[i]
        if found is not None:
            return found[1]
        return structured(system.dense_lower(i), None if pattern is None else pattern.transposed())


def _dagger(x: Array | None) -> Array | None:
    return None if x is None else adjoint(x)
