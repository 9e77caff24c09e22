"""Energies of Bloch states, H ψ_n = E_n S ψ_n with ψ_m†S ψ_n = δ_mn, and their slopes.

    S = L L†,   L⁻¹ H L⁻† c_n = E_n c_n,   ψ_n = L⁻† c_n
    dE_n = ψ_n†(dH − E_n dS)ψ_n
    H̄ = Σ_n Ē_n ψ_n ψ_n†,   S̄ = −Σ_n Ē_n E_n ψ_n ψ_n†

Within a multiplet of equal energies only symmetric functions have a derivative: Ē must be the same on all its bands.
Derivation: docs/adjoints/bands.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, NoReturn

import array_api_compat.numpy as host

from ..array import (
    adjoint,
    array_namespace,
    as_real_like,
    device_of,
    eigh,
    eps_of,
    identity,
    is_complex,
    max_norm,
    to_numpy,
)
from ..errors import ConvergenceError, InputError
from ..typing import Array

Degenerate = Literal["refuse", "average"]
Name = Callable[[int], str]  # how errors call the matrix at a place of the stack


class Eigenstates(NamedTuple):
    """Energies (k, n), ascending, and states (k, n, n) in columns with ψ†Sψ = 1."""

    energies: Array
    states: Array


class EigenvaluesCotangent(NamedTuple):
    """Cotangents of H (k, n, n) and S (k, n, n), Hermitian; None for an absent S."""

    hamiltonian: Array
    overlap: Array | None


def _matrix(k: int) -> str:
    return f"matrix {k}"


def eigenvalues(hamiltonian: Array, overlap: Array | None = None, /, *, name: Name = _matrix) -> Array:
    """Energies of H ψ = E S ψ, ascending.

    Parameters
    ----------
    hamiltonian : array, shape (k, n, n)
        [eV]; its Hermitian part counts.
    overlap : array, shape (k, n, n), optional
        Its Hermitian part counts, and is positive definite; None is the identity.
    name : callable
        How errors call the matrix at a place of the stack.

    Returns
    -------
    array, shape (k, n), real [eV], on the device of the inputs

    Raises
    ------
    InputError
        When an overlap is not positive definite to rounding, with its lowest eigenvalue.

    Sources
    -------
    Golub and Van Loan, Matrix Computations (2013), Sec. 8.7.2.
    """
    xp = array_namespace(hamiltonian)
    orthonormal = None if overlap is None else _orthonormalising(_hermitian_part(overlap), name)
    return xp.linalg.eigvalsh(_congruent(_hermitian_part(hamiltonian), orthonormal))


def eigenstates(hamiltonian: Array, overlap: Array | None = None, /, *, name: Name = _matrix) -> Eigenstates:
    """Energies and states of H ψ = E S ψ, ψ†Sψ = 1.

    Parameters and errors as `eigenvalues`; `ConvergenceError` when LAPACK's iteration fails.
    """
    orthonormal = None if overlap is None else _orthonormalising(_hermitian_part(overlap), name)
    energies, states = eigh(_congruent(_hermitian_part(hamiltonian), orthonormal))
    xp = array_namespace(energies)
    failed = ~xp.all(xp.isfinite(energies), axis=-1)
    if bool(xp.any(failed)):
        raise ConvergenceError(
            f"the eigenvalue iteration failed at {name(int(xp.argmax(xp.astype(failed, xp.int8))))}; "
            "check its entries for numbers near the largest there are."
        )
    return Eigenstates(energies, states if orthonormal is None else orthonormal @ states)


def eigenvalues_vjp(
    hamiltonian: Array,
    overlap: Array | None = None,
    /,
    *,
    degenerate: Degenerate = "refuse",
    degeneracy: float | None = None,
    name: Name = _matrix,
) -> tuple[Array, Callable[[Array], EigenvaluesCotangent]]:
    """`eigenvalues` and its pullback Ē (k, n) → `EigenvaluesCotangent`.

        H̄ = Σ_n Ē_n ψ_n ψ_n†,   S̄ = −Σ_n Ē_n E_n ψ_n ψ_n†

    Parameters
    ----------
    degenerate : "refuse" or "average"
        What to do with unequal Ē on the bands of one multiplet: refuse them, or put their mean in their place, which
        gives the derivative of the multiplet's mean energy.
    degeneracy : float, optional
        Bands whose gap [eV] is at most this are one multiplet; see `multiplets`.
    The others as `eigenvalues`.

    Returns
    -------
    value : array, shape (k, n)
    pullback : callable
        ``pullback(energies_bar, largest=None)``, `largest` as in `symmetric_weights`. Raises `InputError` for
        unequal Ē on a multiplet, naming matrix, bands, energies and weights.

    Notes
    -----
    Kept for the pullback: energies and states, 16 n² bytes a matrix.
    """
    check_degenerate(degenerate)
    energies, states = eigenstates(hamiltonian, overlap, name=name)

    def eigenvalues_pullback(energies_bar: Array, /, *, largest: float | None = None) -> EigenvaluesCotangent:
        weights = symmetric_weights(
            energies, energies_bar, degenerate=degenerate, degeneracy=degeneracy, largest=largest, name=name
        )
        h_bar = as_real_like(_projectors(states, weights), hamiltonian)
        if overlap is None:
            return EigenvaluesCotangent(h_bar, None)
        return EigenvaluesCotangent(h_bar, as_real_like(_projectors(states, -weights * energies), overlap))

    return energies, eigenvalues_pullback


def velocities(
    hamiltonian: Array,
    overlap: Array | None,
    d_hamiltonian: Array,
    d_overlap: Array | None,
    /,
    *,
    degeneracy: float | None = None,
    name: Name = _matrix,
) -> Array:
    """Slopes dE_n/ds of the energies along a path H(s), S(s), by Hellmann and Feynman.

        dE_n/ds = ψ_n†(dH/ds − E_n dS/ds)ψ_n

    In a multiplet the matrix of this operator is diagonalised and its eigenvalues ascend: these are the slopes of the
    sorted energies just beyond s, where the band that rises least is the lowest. It has no pullback: it needs
    second derivatives of the bands, which grow as 1/gap.

    Parameters
    ----------
    hamiltonian, overlap : arrays, shape (k, n, n), the latter optional
    d_hamiltonian, d_overlap : arrays, shape (k, n, n)
        Their derivatives by s, Hermitian.
    degeneracy : float, optional
        As `eigenvalues_vjp`.
    name : callable
        As `eigenvalues`.

    Returns
    -------
    array, shape (k, n), real [eV/unit of s], in the order of the energies

    Sources
    -------
    Feynman, Phys. Rev. 56, 340 (1939).
    """
    xp = array_namespace(hamiltonian)
    energies, states = eigenstates(hamiltonian, overlap, name=name)
    slopes = adjoint(states) @ d_hamiltonian @ states
    if d_overlap is not None:
        # E_n on either side: within a multiplet they are one number
        mean = (energies[:, :, None] + energies[:, None, :]) / 2
        slopes = slopes - mean * (adjoint(states) @ d_overlap @ states)
    slopes = _hermitian_part(slopes)
    labels = multiplets(energies, degeneracy)
    if int(xp.max(labels)) == energies.shape[1] - 1 == int(xp.min(labels[:, -1])):  # every band is alone
        return _real(xp.linalg.diagonal(slopes))
    same = labels[:, :, None] == labels[:, None, :]
    slopes = xp.where(same, slopes, xp.zeros_like(slopes))
    # multiplets are moved apart, so that one sorted diagonalisation leaves each in its place
    bound = xp.max(xp.sum(xp.abs(slopes), axis=-1), axis=-1)[:, None]  # (k, 1), above every eigenvalue
    offsets = 3 * bound * xp.astype(labels, energies.dtype)
    apart = slopes + xp.astype(offsets, slopes.dtype)[:, None, :] * identity(slopes.shape[-1], slopes)
    return xp.linalg.eigvalsh(apart) - offsets


def multiplets(energies: Array, degeneracy: float | None = None, /) -> Array:
    """The number of the multiplet of every band, counted from 0 upwards in energy.

    Parameters
    ----------
    energies : array, shape (k, n), ascending [eV]
    degeneracy : float, optional
        Neighbouring bands whose gap is at most this [eV] are one multiplet; default √ε max|E| over the stack, with
        ε the unit round-off: the states of two bands that are closer are known to fewer than half of their digits.

    Returns
    -------
    array, shape (k, n), integer
    """
    xp = array_namespace(energies)
    apart = energies[:, 1:] - energies[:, :-1] > _width(energies, degeneracy)
    first = xp.zeros((energies.shape[0], 1), dtype=xp.int64, device=device_of(energies))
    if energies.shape[1] == 1:
        return first
    return xp.concat([first, xp.cumulative_sum(xp.astype(apart, xp.int64), axis=1)], axis=1)


def symmetric_weights(
    energies: Array,
    energies_bar: Array,
    /,
    *,
    degenerate: Degenerate,
    degeneracy: float | None = None,
    largest: float | None = None,
    name: Name = _matrix,
) -> Array:
    """Ē with one value on every multiplet, its mean there; unequal values are refused unless `degenerate="average"`.

    Weights count as equal when they differ from their mean by at most √ε of `largest`, by default the largest |Ē| of
    the stack.

    Raises
    ------
    InputError
        Naming matrix, bands, energies and weights.
    """
    xp = array_namespace(energies)
    labels = multiplets(energies, degeneracy)
    same = xp.astype(labels[:, :, None] == labels[:, None, :], energies.dtype)
    mean = (same @ energies_bar[:, :, None])[:, :, 0] / xp.sum(same, axis=-1)
    alone = xp.sum(same, axis=-1) == 1
    mean = xp.where(alone, energies_bar, mean)
    off = xp.abs(energies_bar - mean)
    largest = float(xp.max(xp.abs(energies_bar))) if largest is None else largest
    if degenerate == "refuse" and float(xp.max(off)) > eps_of(energies) ** 0.5 * largest:
        k, band = divmod(int(xp.argmax(xp.reshape(off, (-1,)))), energies.shape[1])
        _raise_unequal(energies[k, :], energies_bar[k, :], labels[k, :], band, _width(energies, degeneracy), name(k))
    return mean


def check_degenerate(degenerate: str) -> None:
    """Raise `InputError` unless `degenerate` is "refuse" or "average"."""
    if degenerate not in ("refuse", "average"):
        raise InputError(f'degenerate={degenerate!r} is not known; use "refuse" or "average".')


def _width(energies: Array, degeneracy: float | None) -> float:
    """Largest gap inside a multiplet."""
    xp = array_namespace(energies)
    return eps_of(energies) ** 0.5 * float(xp.max(xp.abs(energies))) if degeneracy is None else degeneracy


def _hermitian_part(x: Array) -> Array:
    return (x + adjoint(x)) / 2


def _real(x: Array) -> Array:
    return array_namespace(x).real(x) if is_complex(x) else x


def _projectors(states: Array, weights: Array) -> Array:
    """Σ_n w_n ψ_n ψ_n†."""
    return (states * array_namespace(states).astype(weights, states.dtype)[:, None, :]) @ adjoint(states)


def _congruent(hamiltonian: Array, orthonormal: Array | None) -> Array:
    return hamiltonian if orthonormal is None else adjoint(orthonormal) @ hamiltonian @ orthonormal


def _orthonormalising(overlap: Array, name: Name) -> Array:
    """X = L⁻† with X†S X = 1, by S = L L†."""
    xp = array_namespace(overlap)
    try:
        factor = xp.linalg.cholesky(overlap)
    except host.linalg.LinAlgError:
        _raise_not_positive(overlap, name)
    rounding = overlap.shape[-1] * eps_of(overlap)
    pivots = _real(xp.linalg.diagonal(factor)) ** 2
    is_regular = xp.min(pivots, axis=-1) > rounding * xp.max(pivots, axis=-1)
    # some libraries return what they have when a pivot is negative
    residual = max_norm(factor @ adjoint(factor) - overlap)
    if not bool(xp.all(is_regular & (residual <= 10 * rounding * max_norm(overlap)))):
        _raise_not_positive(overlap, name)
    return adjoint(xp.linalg.inv(factor))


def _raise_not_positive(overlap: Array, name: Name) -> NoReturn:
    xp = array_namespace(overlap)
    lowest = xp.min(xp.linalg.eigvalsh(overlap), axis=-1)
    k = int(xp.argmin(lowest))
    raise InputError(
        f"the overlap at {name(k)} has an eigenvalue {float(lowest[k]):.6g}, but an overlap matrix is positive "
        "definite; check its sign, and that its off-diagonal blocks were not cut off."
    )


def _raise_unequal(energies: Array, weights: Array, labels: Array, band: int, width: float, where: str) -> NoReturn:
    energies, weights, labels = to_numpy(energies), to_numpy(weights), to_numpy(labels)
    bands = host.nonzero(labels == labels[band])[0].tolist()
    raise InputError(
        f"bands {', '.join(map(str, bands))} at {where} are degenerate "
        f"(E = {', '.join(f'{energies[n]:.9g}' for n in bands)} eV, gaps within {width:.3g} eV) but weigh "
        f"{', '.join(f'{weights[n]:.6g}' for n in bands)}: one band of a multiplet has no derivative, their sum has; "
        'give them equal weights, or degenerate="average" for the derivative of their mean.'
    )
