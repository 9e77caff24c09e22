"""Wigner's reaction matrix of the open channels: at a real energy everything but a small matrix is Hermitian, or real.

A = A_h + (i/2) Σ_l W_l W_l†,  A_h = E S − H − Σ_l (Σ_l + Σ_l†)/2,  Γ_l = W_l W_l†; with the W of all leads side by side

    X = A_h⁻¹ W,   K = W†X,   M = (1 + iK/2)⁻¹:    G W = X M,   W†G = M X†,   W†G W = −2i (1 − M)    (forward)

W has a column for every open channel. For real H, S and leads, A_h, W, X and K are real: a quarter of the operations
and half the memory of complex elimination. One sweep of elimination gives K; one backward substitution gives X.

    Ā_h = −X B X†, B = Y + Y† Hermitian, for observables with dL = −2 Re tr(X Y X†dA)                        (pullback)

Sources: Lane and Thomas, Rev. Mod. Phys. 30, 257 (1958); Mahaux and Weidenmüller, Shell-Model Approach to Nuclear
Reactions (1969), section 4.2; Fisher and Lee, Phys. Rev. B 23, 6851 (1981); docs/adjoints/reaction-matrix.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from ..array import (
    Kernel,
    adjoint,
    array_namespace,
    device_of,
    eps_of,
    identity,
    inverse,
    is_complex,
    max_norm,
)
from ..typing import Array
from .broadening_factor import broadening_factor
from .left_connected import eliminate
from .open_system import OpenSystem
from .system_cotangent import SystemAccumulator, SystemCotangent, conjugate, joined_cotangent, real_part

DOUBLE_EPS = 2.220446049250313e-16
SHIFTS = (0.0, 0.5, -0.7)  # tried in turn
# Growth |g_i| (1 + |A_ii|/n_i)/√n_i of the pivots in double precision; the error of K grows as its square
LARGEST_GROWTH = 20.0  # past which K and X lose too many digits
LARGEST_CORRECTED = 200.0  # past which a gradient from X, and K corrected from X, do
LARGEST_RESIDUAL = 1e3  # |Γ − W W†| in units of n·eps·|Σ|, past which a lead is not passive


@dataclass(frozen=True, eq=False)
class Reaction:
    """The reaction matrix of an `OpenSystem`, and what its pullbacks need.

    Parameters
    ----------
    system : OpenSystem — A
    hermitian : OpenSystem — A_h, real where H, S and the leads are
    spans : per lead, its columns among those of all leads
    connected, carried : arrays, shapes (E, Σ n_i²) and (E, Σ n_i m_i): block after block the left-connected g_i of A_h,
        and g_i w_i of the m_i columns that began at or before it
    begun : tuple of int — m_i
    joins : array, shape (E, N), bool — True where blocks i and i + 1 are one pivot: in place of g_i and g_{i+1} then
        d = (g_i⁻¹ − U b U†)⁻¹ and b = A_{i+1,i+1}⁻¹, U = A_{i,i+1}; in place of y_{i+1} then [−b U†y_i, b W_{i+1}]
    response : array, shape (E, m, m), complex — M = (1 + βK)⁻¹
    strength : complex — β, i/2 or with a shift i/2 − α: W†G W = (1 − M)/β
    is_regular : array, shape (E,), bool — False where the numbers of that energy have lost too many digits
    """

    system: OpenSystem
    hermitian: OpenSystem
    spans: tuple[slice, ...]
    connected: Array
    carried: Array
    begun: tuple[int, ...]
    joins: Array
    response: Array
    strength: complex
    is_regular: Array

    def amplitudes(self, source: int, drain: int) -> Array:
        """W_d†G W_s = (δ_ds − M_ds)/β, (E, m_d, m_s): of two leads the amplitudes, up to unitary factors."""
        m = self.response[:, self.spans[drain], self.spans[source]]
        return ((identity(m.shape[-1], m) - m) if source == drain else -m) / self.strength

    def at(self, index: Array) -> Reaction:
        """The same at some of its energies."""
        xp = array_namespace(index)
        names = ("connected", "carried", "joins", "response", "is_regular")
        taken = {name: xp.take(getattr(self, name), index, axis=0) for name in names}
        return replace(self, system=self.system.at(index), hermitian=self.hermitian.at(index), **taken)

    def spectral(self, source: int | None = None) -> Array:
        """P with G Γ_s G† = X P X†, (E, m, m) Hermitian: M_:s M_:s†; of all leads together for None."""
        m = self.response if source is None else self.response[:, :, self.spans[source]]
        return m @ adjoint(m)

    def felt(self, weight: Array) -> Array:
        """The part of a Hermitian weight (E, m, m) that diag(X weight X†) feels: the real part where X is real."""
        return weight if is_complex(self.hermitian.z) else array_namespace(weight).real(weight)

    def diagonal(self, weight: Array) -> Array:
        """diag(X weight X†) of all orbitals, (E, n_orbitals), for a Hermitian weight (E, m, m)."""
        xp, weight = array_namespace(weight), self.felt(weight)
        found = [xp.sum(real_part(_PRODUCT(x, weight) * conjugate(x)), axis=-1) for _, x in self.states()]
        return xp.concat(found[::-1], axis=-1)

    def states(self) -> Iterator[tuple[int, Array]]:
        """Yield (i, X_i), X_i = g_i (w_i − A_{i,i+1} X_{i+1}), for i = N − 1, …, 0: (E, n_i, m)."""
        xp = array_namespace(self.connected)
        sizes, (n_energies, m) = self.hermitian.hamiltonian.block_sizes, self.response.shape[:2]
        y_end, x, ahead = self.carried.shape[-1], None, None
        g_ends = list(accumulate(n * n for n in sizes))

        def connected(i: int) -> Array:
            n, end = sizes[i], g_ends[i]
            return xp.reshape(self.connected[:, end - n * n : end], (n_energies, n, n))

        for i in range(self.hermitian.n_blocks - 1, -1, -1):
            n, begun = sizes[i], self.begun[i]
            y = xp.reshape(self.carried[:, y_end - n * begun : y_end], (n_energies, n, begun))
            y_end -= n * begun
            before = (connected(i - 1), self.begun[i - 1]) if i > 0 else None
            x, ahead = _STATES(self.hermitian.z, self.hermitian, i, connected(i), y, x, m, self.joins, before, ahead)
            yield i, x


def reaction_matrix(
    system: OpenSystem, /, *, keep: bool = False, shift: float = 0.0, corrected: bool = False
) -> Reaction:
    """Eliminate A_h from the left and collect K = Σ_i w_i†g_i w_i; `keep` keeps the factors for `Reaction.states`.

    `shift` α splits A = (A_h + α W W†) + (i/2 − α) W W† instead, which has its singular pivots at other energies.
    `corrected` (with `keep`) takes K of the energies with growing errors from X by Kohn's variational formula.
    """
    hermitian, columns, spans, is_passive = _split(system, shift)
    g, y, k, growth, joins = _SWEEP(hermitian.z, hermitian, columns, keep)
    begun = tuple(accumulate(columns[i].shape[-1] if i in columns else 0 for i in range(system.n_blocks)))
    response = inverse(identity(k.shape[-1], system.z[:, None, None]) + (0.5j - shift) * k)
    scale = float((DOUBLE_EPS / eps_of(system.z)) ** 0.5)  # for errors that are eps times the square
    is_regular = is_passive & (growth < (LARGEST_CORRECTED if corrected else LARGEST_GROWTH) * scale)
    reaction = Reaction(system, hermitian, spans, g, y, begun, joins, response, 0.5j - shift, is_regular)
    if not corrected:
        return reaction
    xp = array_namespace(growth)
    is_good = growth < LARGEST_GROWTH * scale
    good, others = xp.nonzero(is_good)[0], xp.nonzero(~is_good)[0]
    if others.shape[0] == 0:
        return reaction
    k = _variational(reaction.at(others), {i: xp.take(w, others, axis=0) for i, w in columns.items()})
    found = inverse(identity(k.shape[-1], system.z[:, None, None]) + (0.5j - shift) * k)
    order = xp.argsort(xp.concat([good, others]))
    return replace(reaction, response=xp.take(xp.concat([xp.take(response, good, axis=0), found]), order, axis=0))


def _variational(reaction: Reaction, columns: Mapping[int, Array]) -> Array:
    """K = W†X + X†(W − A_h X): its error is of second order in that of X."""
    xp, a_h = array_namespace(reaction.response), reaction.hermitian
    k: Any = None
    after: Any = None
    above: Any = None

    def added(i: int, x: Array, before: Array | None) -> Array:
        left = -(a_h.diagonal(i) @ x)
        if i in columns:
            w = columns[i]
            parts = [w.shape[-1], x.shape[-1] - reaction.begun[i]]
            zeros = [xp.zeros_like(x[:, :, :n]) for n in (x.shape[-1] - sum(parts), parts[1])]
            w = xp.concat([zeros[0], w, zeros[1]], axis=-1)
            left = left + w
        if before is not None:
            left = left - a_h.lower(i - 1) @ before
        if above is not None:
            left = left - a_h.upper(i) @ above
        part = adjoint(x) @ left
        return part + adjoint(w) @ x if i in columns else part

    for i, x in reaction.states():
        if after is not None:
            k = added(i + 1, after, x) if k is None else k + added(i + 1, after, x)
        above, after = after, x
    last = added(0, after, None)
    return last if k is None else k + last


def _sweep(z: Array, system: OpenSystem, columns: Mapping[int, Array], keep: bool) -> tuple[Array, ...]:
    """(g, y, K, growth, joins): the factors of all blocks, or of none, in rows; K; the growth of every energy.

    It is the largest |g_i| (1 + |A_ii|/n_i)/√n_i. Here no blocks are joined.
    """
    xp = array_namespace(z)
    g = y = None
    k = xp.zeros((z.shape[0], 0, 0), dtype=z.dtype, device=device_of(z))
    nothing = xp.reshape(k, (z.shape[0], 0))
    connected, carried = [nothing], [nothing]
    growth = xp.zeros_like(xp.real(z) if is_complex(z) else z)
    for i in range(system.n_blocks):
        diagonal = system.diagonal(i)
        if g is None:
            g, w = eliminate(diagonal, None, None, None, None)[0], diagonal[:, :, :0]
        else:
            lower = system.lower(i - 1)
            w = -(lower @ y)
            g = eliminate(diagonal, lower, g, system.upper(i - 1), None)[0]
        if i in columns:
            w = xp.concat([w, columns[i]], axis=-1)
            k = _grown(k, w.shape[-1])
        y = g @ w
        k = k + adjoint(w) @ y
        n = diagonal.shape[-1]
        growth = xp.maximum(growth, _frobenius(g) * (1 + _frobenius(diagonal) / n) / n**0.5)
        if keep:
            connected.append(xp.reshape(g, (z.shape[0], -1)))
            carried.append(xp.reshape(y, (z.shape[0], -1)))
    joins = xp.zeros((z.shape[0], system.n_blocks), dtype=xp.bool, device=device_of(z))
    return xp.concat(connected, axis=-1), xp.concat(carried, axis=-1), k, growth, joins


def _split(system: OpenSystem, shift: float) -> tuple[OpenSystem, dict[int, Array], tuple[slice, ...], Array]:
    """A_h; the columns W by the block they begin on, their spans by lead; False where a lead is not passive."""
    xp = array_namespace(system.z)
    is_real = system.arithmetic == "real"
    hermitian_parts: list[Array] = []
    factors: list[Array] = []
    is_passive = xp.ones(system.z.shape, dtype=xp.bool, device=device_of(system.z))
    seen: list[tuple[Array, Any, tuple[Array, Array]]] = []
    for lead, sigma in enumerate(system.self_energies):
        h, gamma = _parts(sigma, is_real)
        hermitian_parts.append(h - shift * gamma if shift else h)
        support = system.supports[lead]
        found = next((f for s, p, f in seen if s is sigma and p is support), None)
        if found is None:
            scale = max_norm(sigma)
            on_support = system.restrict_columns(system.restrict_rows(gamma, lead), lead)
            factor, left = broadening_factor(on_support, scale)
            is_passive = is_passive & (left <= LARGEST_RESIDUAL * gamma.shape[-1] * eps_of(gamma) * scale)
            if support is not None:
                unit = system.unit_columns(lead)
                factor = (xp.real(unit) if is_real else unit) @ factor
            found = (factor, left)
            seen.append((sigma, support, found))
        factors.append(found[0])
    z = xp.real(system.z)
    hermitian = replace(
        system, z=z if is_real else xp.astype(z, system.z.dtype), self_energies=tuple(hermitian_parts), arithmetic=None
    )
    columns: dict[int, Array] = {}
    spans: dict[int, slice] = {}
    start = 0
    for lead in sorted(range(len(factors)), key=lambda one: system.blocks[one]):
        block, factor = system.blocks[lead], factors[lead]
        columns[block] = xp.concat([columns[block], factor], axis=-1) if block in columns else factor
        spans[lead] = slice(start, start + factor.shape[-1])
        start += factor.shape[-1]
    return hermitian, columns, tuple(spans[lead] for lead in range(len(factors))), is_passive


def _parts(sigma: Array, is_real: bool) -> tuple[Array, Array]:
    """The Hermitian part of Σ, and Γ; for the complex symmetric Σ of a real lead Re Σ and −2 Im Σ."""
    xp = array_namespace(sigma)
    if is_real:
        real, imaginary = xp.real(sigma), xp.imag(sigma)
        return (real + xp.matrix_transpose(real)) / 2, -(imaginary + xp.matrix_transpose(imaginary))
    return (sigma + adjoint(sigma)) / 2, 1j * (sigma - adjoint(sigma))


def _grown(k: Array, m: int) -> Array:
    """K with rows and columns of zeros for the columns that begin here."""
    xp = array_namespace(k)
    n_energies, old = k.shape[0], k.shape[-1]
    wide = xp.concat([k, xp.zeros((n_energies, old, m - old), dtype=k.dtype, device=device_of(k))], axis=-1)
    return xp.concat([wide, xp.zeros((n_energies, m - old, m), dtype=k.dtype, device=device_of(k))], axis=-2)


def _frobenius(x: Array) -> Array:
    xp = array_namespace(x)
    size = xp.abs(x)
    return xp.sqrt(xp.sum(size * size, axis=(-2, -1)))


def _states_step(
    z: Array,
    system: OpenSystem,
    i: int,
    g: Array,
    y: Array,
    x: Array | None,
    m: int,
    joins: Array,
    before: tuple[Array, int] | None,
    ahead: Array | None,
) -> tuple[Array, Array | None]:
    """X_i with m columns, [y, 0] − g v, v = A_{i,i+1} X_{i+1}; and `ahead`, X_{i−1} less its own [y, 0], where joined.

    There, with U = A_{i−1,i}: ahead = d U (b v − [0, b W_i]),  X_i = [y, 0] − b (v + U†ahead).
    """
    xp = array_namespace(z)
    padded = xp.concat([y, xp.zeros((*y.shape[:2], m - y.shape[-1]), dtype=y.dtype, device=device_of(y))], axis=-1)
    moved = xp.zeros_like(padded) if x is None else g @ (system.upper(i) @ x)
    found = padded - moved
    if ahead is not None:
        found = xp.where(joins[:, i, None, None], padded + ahead, found)
    if before is None or not bool(xp.any(joins[:, i - 1])):
        return found, None
    connected, old = before
    place = xp.arange(m, device=device_of(z))
    new = xp.where((place >= old) & (place < y.shape[-1]), padded, xp.zeros_like(padded))
    ahead = connected @ (system.upper(i - 1) @ (moved - new))
    together = found - g @ (system.lower(i - 1) @ ahead)
    return xp.where(joins[:, i - 1, None, None], together, found), ahead


def _stack_product(x: Array, y: Array) -> Array:
    return x @ y


_PRODUCT = Kernel("stack_product", _stack_product, numba="reaction:stack_product", real=True)
_SWEEP = Kernel("reaction_sweep", _sweep, numba="reaction:reaction_sweep", real=True)
_STATES = Kernel("reaction_states", _states_step, numba="reaction:reaction_states", real=True)


def hermitian_pullback(
    reaction: Reaction, weight: Array, lead_weights: tuple[Array, ...], wrt: Any = "all"
) -> SystemCotangent:
    """Ā_h = −X B X† on the tridiagonal blocks, and Σ̄_l = X_b C_l X_b† on the block of every lead.

    Parameters
    ----------
    weight : array, shape (E, m, m) — B, Hermitian; for real H only its real part is felt
    lead_weights : arrays, shape (E, m, m), complex, one a lead — C_l
    """
    accumulator = SystemAccumulator(reaction.system, wrt)
    weight = reaction.felt(weight)
    above: Array | None = None
    for i, x in reaction.states():
        weighted = _PRODUCT(x, weight)
        accumulator.hermitian(i, i, weighted, x)
        if above is not None:
            accumulator.hermitian(i, i + 1, weighted, above)
        above = x
        if accumulator.wants_all:
            for lead, block in enumerate(reaction.system.blocks):
                if block == i:
                    accumulator.add_lead_self_energy(lead, x @ lead_weights[lead] @ adjoint(x))
    return accumulator.finish()


def with_fallback_vjp(
    system: OpenSystem,
    fast_vjp: Callable[[Reaction], tuple[Array, Callable[..., SystemCotangent]]],
    general_vjp: Callable[[OpenSystem], tuple[Array, Callable[..., SystemCotangent]]],
    shifts: tuple[float, ...] = SHIFTS,
) -> tuple[Array, Callable[..., SystemCotangent]]:
    """`fast_vjp` of the reaction matrix; where digits are lost, with another shift, and at last `general_vjp`."""
    if system.arithmetic is None or not shifts or eps_of(system.z) > DOUBLE_EPS:  # single: growth is above its limit
        return general_vjp(system)
    xp = array_namespace(system.z)
    reaction = reaction_matrix(system, keep=True, shift=shifts[0], corrected=True)
    if bool(xp.all(reaction.is_regular)):
        return fast_vjp(reaction)
    regular, others = xp.nonzero(reaction.is_regular)[0], xp.nonzero(~reaction.is_regular)[0]
    if regular.shape[0] == 0:
        return with_fallback_vjp(system, fast_vjp, general_vjp, shifts[1:])
    order = xp.argsort(xp.concat([regular, others]))
    fast, fast_pullback = fast_vjp(reaction.at(regular))
    rest, rest_pullback = with_fallback_vjp(system.at(others), fast_vjp, general_vjp, shifts[1:])

    def parted_pullback(value_bar: Array, wrt: Any = "all") -> SystemCotangent:
        parts = (
            fast_pullback(xp.take(value_bar, regular, axis=0), wrt),
            rest_pullback(xp.take(value_bar, others, axis=0), wrt),
        )
        return joined_cotangent(*parts, order)

    return xp.take(xp.concat([fast, rest], axis=0), order, axis=0), parted_pullback


def with_fallback(
    system: OpenSystem,
    fast: Callable[[Reaction], Array],
    general: Callable[[OpenSystem], Array],
    *,
    keep: bool = False,
    shifts: tuple[float, ...] = SHIFTS,
    corrected: bool = False,
) -> Array:
    """As `with_fallback_vjp`, for a value alone; `keep` where `fast` asks for states, and then K is not corrected."""
    if system.arithmetic is None or not shifts or eps_of(system.z) > DOUBLE_EPS:  # single: growth is above its limit
        return general(system)
    xp = array_namespace(system.z)
    reaction = reaction_matrix(system, keep=keep or corrected, shift=shifts[0], corrected=corrected)
    value = fast(reaction)
    if bool(xp.all(reaction.is_regular)):
        return value
    regular, others = xp.nonzero(reaction.is_regular)[0], xp.nonzero(~reaction.is_regular)[0]
    order = xp.argsort(xp.concat([regular, others]))
    again = not keep and not corrected  # the same split with K corrected
    shifts = shifts if again else shifts[1:]
    rest = with_fallback(system.at(others), fast, general, keep=keep, shifts=shifts, corrected=not keep)
    return xp.take(xp.concat([xp.take(value, regular, axis=0), rest]), order, axis=0)
