"""The transmission's tangent, and the tangent of its pullback, by the factors of one elimination.

    C = G W_s,  D = W_d†G,  Γ = W γ W†:   ẋ = −D Ȧ C,   Ċ = −G (Ȧ C),   Ḋ = −(D Ȧ) G                 (tangents)
    T = tr(γ_d x γ_s x†),  x = W_d†G W_s,   Ṫ by the product rule                                     (forward)
    Ā_kl = −(C_l M D_k)†,   M = 2 T̄ γ_s x†γ_d,   Γ̄_d W_d = T̄ C γ_s x†,   Γ̄_s W_s = T̄ D†γ_d x          (pullback)
    Ā̇_kl = −([Ċ M + C Ṁ, C M]_l [D; Ḋ]_k)†, and the others by the product rule                        (its tangent)

Ā̇ is a pullback's contribution of twice the width, so that the same accumulator takes it. Derivation:
docs/adjoints/second-order.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..array import adjoint, array_namespace, rebuild
from ..typing import Array
from .broadening import broadening
from .channels import Channels, varied_channels_of
from .dual import Dual
from .left_connected import left_connected
from .refined_solve import refined_columns as solve_columns
from .refined_solve import refined_rows as solve_rows
from .system_cotangent import SystemAccumulator, SystemCotangent, pair_sweep
from .system_tangent import SystemTangent


class SystemSecondCotangent(NamedTuple):
    """The cotangents of an `OpenSystem`, and their tangents."""

    value: SystemCotangent
    tangent: SystemCotangent


def transmission_jvp(tangent: SystemTangent, /, *, source: int, drain: int) -> tuple[Array, Array]:
    """T and Ṫ, (E,) each."""
    return transmission_jvp_vjp(tangent, source=source, drain=drain)[:2]


def transmission_jvp_vjp(
    tangent: SystemTangent, /, *, source: int, drain: int
) -> tuple[Array, Array, Callable[..., SystemSecondCotangent]]:
    """T, Ṫ and the pullback (T̄, T̄˙) → the cotangents and their tangents.

    Kept for the pullback: the left-connected factors, C, D, Ȧ C and D Ȧ: 16 E Σ n_i (n_i + 2 r_s + 2 r_d) bytes, r the
    channels of a lead, or the orbitals it touches where it moves.
    """
    system = tangent.system
    at_source, at_drain = system.blocks[source], system.blocks[drain]
    (from_source, gamma_s), (to_drain, gamma_d) = (_end(tangent, k) for k in (source, drain))
    factors = left_connected(system, (at_source, from_source.columns))
    columns = _in_order(solve_columns(system, factors, {at_source: from_source.columns}, factors.carried))
    rows = _in_order(solve_rows(system, factors, {at_drain: adjoint(to_drain.columns)}))
    moved_columns, moved_rows = tangent.applied(columns, rows)
    corner = adjoint(to_drain.columns) @ columns[at_drain]
    corner_dot = array_namespace(corner).zeros_like(corner)
    for i, moved in moved_columns.items():
        corner_dot = corner_dot - rows[i] @ moved
    x = Dual(corner, corner_dot)
    through = _times(gamma_d, _times(gamma_s, x.adjoint()).adjoint())  # γ_d x γ_s
    value = _trace(through, x)

    def transmission_jvp_pullback(t_bar: Array, t_bar_dot: Array, wrt: Any = "all") -> SystemSecondCotangent:
        d_columns = _in_order(solve_columns(system, factors, _negative(moved_columns, columns)))
        d_rows = _in_order(solve_rows(system, factors, _negative(moved_rows, rows)))
        c = list(map(Dual, columns, d_columns))
        d = list(map(Dual, rows, d_rows))
        weight = Dual(t_bar, t_bar_dot)
        middle = _scaled(weight, through.adjoint()).map(lambda y: 2 * y)
        narrow_source = middle.value.shape[-2] <= middle.value.shape[-1]
        right, left = (c, [middle @ y for y in d]) if narrow_source else ([y @ middle for y in c], d)
        first = _accumulated(SystemAccumulator(system, wrt), _part(right, 0), _part(left, 0))
        second = _accumulated(
            SystemAccumulator(system, wrt), _beside(right, first=1, axis=-1), _beside(left, first=0, axis=-2)
        )
        if first.wants_all:
            at_s = d[at_source].adjoint() @ _scaled(weight, _times(gamma_d, x))  # Γ̄_s W_s
            at_d = c[at_drain] @ _scaled(weight, _times(gamma_s, x.adjoint()))  # Γ̄_d W_d
            for channels, sampled in ((from_source, at_s), (to_drain, at_d)):
                for accumulator, part in zip((first, second), _pair(sampled)):
                    accumulator.add_broadening(channels.lead, channels.broadening_bar(system, part))
        return SystemSecondCotangent(first.finish(), _with_weights(tangent, second, right, left))

    return (*_pair(value), transmission_jvp_pullback)


def _end(tangent: SystemTangent, lead: int) -> tuple[Channels, Dual | None]:
    """The columns W of a lead and γ with its tangent, Γ = W γ W†; None for the identity.

    Where the lead moves its channels turn: W is then the identity on the orbitals it touches.
    """
    system, moved = tangent.system, tangent.self_energies[lead]
    if moved is None:
        channels = varied_channels_of(system, lead)
        return channels, None if channels.gamma is None else Dual(channels.gamma)
    gamma = system.broadening(lead)
    gamma_dot = broadening(system.restrict_columns(system.restrict_rows(moved, lead), lead))
    return Channels(lead, system.unit_columns(lead), None, gamma), Dual(gamma, gamma_dot)


def _times(gamma: Dual | None, x: Dual) -> Dual:
    """γ X."""
    return x if gamma is None else gamma @ x


def _with_weights(
    tangent: SystemTangent, accumulator: SystemAccumulator, right: Sequence[Dual], left: Sequence[Dual]
) -> SystemCotangent:
    """The tangent of the cotangents, with S̄'s and z̄'s other half: Σ ż*Ā and tr Ṡ†Ā."""
    found, weights = accumulator.finish(), tangent.weights()
    if not accumulator.wants_all or weights is None:
        return found
    other = _accumulated(SystemAccumulator(weights), _part(right, 0), _part(left, 0)).finish()
    overlap = _sum_of_blocks(found.overlap, other.overlap)
    assert found.z is not None and other.z is not None
    return SystemCotangent(found.hamiltonian, overlap, found.self_energies, found.z + other.z)


def _sum_of_blocks(x: Any, y: Any) -> Any:
    def added(name: str) -> Any:
        blocks = getattr(x, name)
        return None if blocks is None else tuple(a + b for a, b in zip(blocks, getattr(y, name)))

    return rebuild(x, **{name: added(name) for name in ("diagonal", "upper", "lower")})


def _accumulated(
    accumulator: SystemAccumulator, columns: Sequence[Array], rows: Sequence[Array]
) -> SystemAccumulator:
    """Ā_kl = −(X_l R_k)† of all blocks collected."""
    for _ in pair_sweep(accumulator, reversed(list(enumerate(columns))), reversed(list(enumerate(rows)))):
        pass
    return accumulator


def _trace(x: Dual, y: Dual) -> Dual:
    """Re tr(X Y†)."""

    def trace(a: Array, b: Array) -> Array:
        xp = array_namespace(a)
        return xp.sum(xp.real(a * xp.conj(b)), axis=(-2, -1))

    (x0, x1), (y0, y1) = _pair(x), _pair(y)
    return Dual(trace(x0, y0), trace(x1, y0) + trace(x0, y1))


def _scaled(weight: Dual, x: Dual) -> Dual:
    """w X for numbers w, one an energy."""
    (w0, w1), (x0, x1) = ([c[:, None, None] for c in _pair(weight)], _pair(x))
    return Dual(w0 * x0, w1 * x0 + w0 * x1)


def _negative(moved: dict[int, Array], like: Sequence[Array]) -> dict[int, Array]:
    """The right-hand sides −Ȧ C, or one that is zero."""
    return {i: -x for i, x in moved.items()} or {0: array_namespace(like[0]).zeros_like(like[0])}


def _in_order(found: Any) -> list[Array]:
    """The blocks of a solution from the first to the last."""
    return [x for _, x in found][::-1]


def _pair(x: Dual) -> tuple[Array, Array]:
    assert x.tangent is not None
    return x.value, x.tangent


def _part(blocks: Sequence[Dual], k: int) -> list[Array]:
    return [_pair(x)[k] for x in blocks]


def _beside(blocks: Sequence[Dual], *, first: int, axis: int) -> list[Array]:
    """Value and tangent side by side, the one numbered `first` before the other."""
    xp = array_namespace(blocks[0].value)
    return [xp.concat([_pair(x)[first], _pair(x)[1 - first]], axis=axis) for x in blocks]

