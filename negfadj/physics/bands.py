"""Energy bands of leads and periodic Hamiltonians, their pullback, and the velocities of their states.

A lead is periodic in one direction: its cells −1, 0, 1 hold hopping†, onsite, hopping, and its potential energy shifts
every band.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import array_api_compat.numpy as host

from ..array import (
    adjoint,
    array_namespace,
    check_backend,
    complex_dtype,
    computing,
    device_of,
    eps_of,
    is_array,
    memory_budget,
    move_in,
    move_out,
    rebuild,
    tree_map,
)
from ..constants import ELEMENTARY_CHARGE, PLANCK
from ..data import Lead, PeriodicHamiltonian
from ..data.checks import check_finite
from ..errors import InputError, InputTypeError, ShapeError
from ..primitives.bands import (
    Degenerate,
    EigenvaluesCotangent,
    check_degenerate,
    eigenvalues,
    eigenvalues_vjp,
    velocities,
)
from ..typing import Array, ArrayLike, Backend
from .energy_integral import real_host

WORKSPACE = 10  # matrices a momentum takes while its eigenproblem is solved
METRES_PER_SECOND = 1e-10 * ELEMENTARY_CHARGE / PLANCK  # 1 eV Å / h [m/s]


class BandsCotangent(NamedTuple):
    """Cotangents of `bands`: of the system, in its own class, and of the momenta."""

    system: Lead | PeriodicHamiltonian
    momenta: Array


def bands(
    system: Lead | PeriodicHamiltonian,
    momenta: ArrayLike,
    *,
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Energies of the Bloch states of a lead or of a periodic Hamiltonian.

        H(k) ψ_n = E_n(k) S(k) ψ_n,   H(k) = Σ_R H_R exp(2πi k·R)

    Parameters
    ----------
    system : Lead or PeriodicHamiltonian
        Of a lead the infinite continuation of its cells, H(k) = H00 + H01 exp(2πik) + h.c., shifted by its
        `potential_energy`; its coupling to the device plays no part.
    momenta : array
        For a lead: shape (n_momenta,) or (), k such that exp(2πik) is the phase from a cell to the next one away
        from the device. For a periodic Hamiltonian: shape (n_momenta, 3) or (3,), k in reciprocal lattice vectors.
    backend : None, "cpu" or "gpu"
        None computes where the arrays are.
    memory_limit : float, optional
        Bytes a batch of momenta may take, one momentum at least; default 40 % of what is free.

    Returns
    -------
    array, shape (n_momenta, n_orbitals), real [eV], ascending, on the device of the system
        Without the first axis for a single momentum.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        For an argument that has no meaning, and for an overlap S(k) that is not positive definite, with its momentum.
    BackendError
        When backend="gpu" finds no GPU.
    """
    problem = _problem(system, momenta, backend, memory_limit)
    with computing(problem.crystal.n_orbitals):
        found = [eigenvalues(*problem.at(where), name=problem.name(where)) for where in problem.batches]
    return problem.out(problem.joined(found))


def bands_vjp(
    system: Lead | PeriodicHamiltonian,
    momenta: ArrayLike,
    *,
    degenerate: Degenerate = "refuse",
    degeneracy: float | None = None,
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Callable[[Array], BandsCotangent]]:
    """`bands` and its pullback.

    Parameters
    ----------
    degenerate : "refuse" or "average"
        A single band of a multiplet has no derivative, their sum has. "refuse" raises an `InputError` when the bands of
        a multiplet weigh differently; "average" gives each their mean weight, the derivative of the mean energy.
    degeneracy : float, optional
        Neighbouring bands whose gap [eV] is at most this are one multiplet; default √ε times a bound of |H(k)|,
        max_a Σ_Rb |H_R,ab|, with ε the unit round-off: 1.5e-7 eV for 10 eV. The states of closer bands are known to
        fewer than half of their digits.
    The others as `bands`.

    Returns
    -------
    value : array
        As `bands`.
    pullback : callable
        ``pullback(value_bar)`` gives `BandsCotangent(system, momenta)`: a `Lead` or `PeriodicHamiltonian` of cotangents
        Z̄ = ∂L/∂Re Z + i ∂L/∂Im Z, Hermitian data projected, a lead's couplings None; and that of the momenta, beside
        the system's arrays.

    Raises
    ------
    InputError
        As `bands`; by the pullback, for unequal weights on a multiplet, naming momentum, bands, energies and weights.

    Notes
    -----
    H̄(k) = Σ Ē_n ψ_n ψ_n†, S̄(k) = −Σ Ē_n E_n ψ_n ψ_n†, H̄_R = Σ_k exp(−2πi k·R) H̄(k); k̄ = Σ Ē_n dE_n/dk
    (docs/adjoints/bands.md).
    Kept for the pullback: the states, 16 n² bytes a momentum; nothing where that exceeds `memory_limit`, and each
    batch is then computed again when it is pulled back.
    """
    check_degenerate(degenerate)
    problem = _problem(system, momenta, backend, memory_limit)
    width = problem.width(degeneracy)

    def forward(where: slice) -> tuple[Array, Callable[..., EigenvaluesCotangent]]:
        return eigenvalues_vjp(
            *problem.at(where), degenerate=degenerate, degeneracy=width, name=problem.name(where)
        )

    with computing(problem.crystal.n_orbitals):
        kept = [forward(where) for where in problem.batches] if problem.keeps else None
        if kept is None:
            found = [eigenvalues(*problem.at(where), name=problem.name(where)) for where in problem.batches]
        else:
            found = [energies for energies, _ in kept]
        value = problem.joined(found)

    def bands_pullback(value_bar: Array, /) -> BandsCotangent:
        bar = _checked_bar(value_bar, value, problem)
        xp = array_namespace(bar)
        largest = float(xp.max(xp.abs(bar)))
        total: Any = None
        momenta_bars = []
        with computing(problem.crystal.n_orbitals):
            for number, where in enumerate(problem.batches):
                _, pullback = forward(where) if kept is None else kept[number]
                found = _pull_bloch_sum(problem, where, pullback(bar[where, :], largest=largest))
                total = found[0] if total is None else tree_map(lambda x, y: x + y, total, found[0])
                momenta_bars.append(found[1])
        k_bar = xp.concat(momenta_bars, axis=0)
        return move_out(  # type: ignore[no-any-return]
            BandsCotangent(problem.pull_system(total, bar), problem.pull_momenta(k_bar)), problem.origin, backend
        )

    return problem.out(value), bands_pullback


def band_slopes(
    system: Lead | PeriodicHamiltonian,
    momenta: ArrayLike,
    direction: ArrayLike | None = None,
    *,
    degeneracy: float | None = None,
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Derivatives of the energies by the momentum along a direction, by Hellmann and Feynman.

        dE_n(k + s d)/ds = <ψ_n| dH/ds − E_n dS/ds |ψ_n>

    Where bands are degenerate the slopes are those of the crossing bands, ascending: the right-sided derivatives of the
    sorted energies of `bands`. They have no pullback.

    Parameters
    ----------
    direction : array, shape (3,)
        d in reciprocal lattice vectors, its length counts; for a lead it is left out, and dE/dk is positive for a
        state that moves away from the device.
    degeneracy : float, optional
        As `bands_vjp`.
    The others and errors as `bands`.

    Returns
    -------
    array, shape (n_momenta, n_orbitals), real [eV], in the order of the energies, on the device of the system
        Without the first axis for a single momentum.
    """
    problem = _problem(system, momenta, backend, memory_limit)
    return problem.out(_slopes(problem, _direction(system, direction), degeneracy))


def group_velocities(
    system: Lead | PeriodicHamiltonian,
    momenta: ArrayLike,
    direction: ArrayLike | None = None,
    *,
    lattice: ArrayLike | None = None,
    degeneracy: float | None = None,
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Array:
    """Velocities of the Bloch states along a Cartesian direction, in m/s.

        v_n = u·∂E_n/∂(ħk) = (1/h) dE_n(k + s d)/ds,   d_i = a_i·u

    Parameters
    ----------
    direction : array, shape (3,)
        Cartesian, its length does not count: u is the unit vector. Left out for a lead: away from the device.
    lattice : array, shape (3, 3), or float
        Lattice vectors a_i in rows [Å]; default `system.lattice`. For a lead the length of its cell [Å].
    The others and errors as `band_slopes`.

    Returns
    -------
    array, shape (n_momenta, n_orbitals), real [m/s], in the order of the energies, on the device of the system
        Without the first axis for a single momentum.
    """
    problem = _problem(system, momenta, backend, memory_limit)
    lengths = _lattice_components(system, direction, lattice)
    return problem.out(METRES_PER_SECOND * _slopes(problem, lengths, degeneracy))


@dataclass(frozen=True, eq=False)
class _Problem:
    """A checked calculation: a periodic Hamiltonian on the backend, its rigid shift, and the momenta on the host."""

    system: Lead | PeriodicHamiltonian
    crystal: PeriodicHamiltonian
    momenta: Any  # (n_momenta, 3)
    shape: tuple[int, ...]  # (n_momenta,), or () for a single one
    origin: Lead | PeriodicHamiltonian
    backend: Backend
    budget: int

    @property
    def batches(self) -> list[slice]:
        """As many momenta at a time as the budget allows, one at least."""
        size = max(1, self.budget // (WORKSPACE * self._matrix))
        return [slice(a, min(a + size, len(self.momenta))) for a in range(0, len(self.momenta), size)]

    @property
    def keeps(self) -> bool:
        """True when the states of all momenta fit the budget beside one batch."""
        return (len(self.momenta) + WORKSPACE) * self._matrix <= self.budget

    @property
    def _matrix(self) -> int:
        return 16 * self.crystal.n_orbitals**2

    def at(self, where: slice) -> tuple[Array, Array | None]:
        """H(k) and S(k) of a batch."""
        return self.crystal.at(self.momenta[where])

    def name(self, where: slice) -> Callable[[int], str]:
        """How errors call a momentum of the batch."""

        def momentum(k: int) -> str:
            components = self.momenta[where.start + k].tolist()
            shown = components[:1] if isinstance(self.system, Lead) else components
            return f"momentum {where.start + k}, k = ({', '.join(f'{x:.6g}' for x in shown)})"

        return momentum

    def width(self, degeneracy: float | None) -> float:
        """Gaps within a multiplet: as asked for, or √ε of a bound of |H(k)|, useful where all energies are 0 too."""
        if degeneracy is None:
            xp = array_namespace(self.crystal.hamiltonian)
            bound = xp.max(xp.sum(xp.abs(self.crystal.hamiltonian), axis=(0, 2)))
            return float(eps_of(self.crystal.hamiltonian) ** 0.5 * bound)
        value = real_host(degeneracy, "degeneracy")
        if value.shape != () or value < 0:
            raise InputError(f"degeneracy={degeneracy!r} must be one number, zero or positive [eV].")
        return float(value)

    def joined(self, energies: list[Array]) -> Array:
        """The energies of all batches, a lead's shift added."""
        value = array_namespace(energies[0]).concat(energies, axis=0)
        return value + self.system.potential_energy if isinstance(self.system, Lead) else value

    def out(self, value: Array) -> Array:
        """A result (n_momenta, n) in the shape of the momenta asked for, where the caller's arrays are."""
        value = array_namespace(value).reshape(value, (*self.shape, value.shape[1]))
        return move_out(value, self.origin, self.backend)

    def pull_system(self, crystal_bar: PeriodicHamiltonian, bar: Array) -> Lead | PeriodicHamiltonian:
        """The cotangent in the class of the system."""
        if not isinstance(self.system, Lead):
            return self.crystal.project_tangent(crystal_bar)

        def onsite(x: Array | None) -> Array | None:
            return None if x is None else x[1, ...]

        def hopping(x: Array | None) -> Array | None:
            return None if x is None else x[2, ...] + adjoint(x[0, ...])  # cell −1 holds H01†

        return self.system.project_tangent(
            rebuild(
                self.system,
                onsite=onsite(crystal_bar.hamiltonian),
                hopping=hopping(crystal_bar.hamiltonian),
                coupling=None,
                overlap_onsite=onsite(crystal_bar.overlap),
                overlap_hopping=hopping(crystal_bar.overlap),
                overlap_coupling=None,
                potential_energy=array_namespace(bar).sum(bar),
            )
        )

    def pull_momenta(self, k_bar: Array) -> Array:
        """The momenta's cotangent (n_momenta, 3) in the shape they came in."""
        xp = array_namespace(k_bar)
        if isinstance(self.system, Lead):
            return xp.reshape(k_bar[:, 0], self.shape)
        return xp.reshape(k_bar, (*self.shape, 3))


def _problem(
    system: Lead | PeriodicHamiltonian, momenta: ArrayLike, backend: Backend, memory_limit: float | None
) -> _Problem:
    if not isinstance(system, Lead | PeriodicHamiltonian):
        raise InputTypeError(f"system is a {type(system).__name__}; pass a Lead or a PeriodicHamiltonian.")
    check_backend(backend)
    points, shape = _checked_momenta(momenta, isinstance(system, Lead))
    (moved,) = move_in((system,), backend)
    crystal = _lead_crystal(moved) if isinstance(moved, Lead) else moved
    return _Problem(moved, crystal, points, shape, system, backend, memory_budget(crystal.hamiltonian, memory_limit))


def _checked_momenta(momenta: ArrayLike, is_lead: bool) -> tuple[Any, tuple[int, ...]]:
    """Momenta as a host array (n_momenta, 3), and the shape they came in without the axis of components."""
    points = real_host(momenta, "momenta")
    if is_lead:
        if points.ndim > 1:
            raise ShapeError(
                f"momenta have shape {points.shape} but must be one number or one axis of them: "
                "a lead is periodic in one direction."
            )
        shape = points.shape
        flat = host.reshape(points, (-1, 1))
        points = host.concat([flat, host.zeros((flat.shape[0], 2))], axis=1)
    else:
        if points.ndim not in (1, 2) or points.shape[-1] != 3:
            raise ShapeError(
                f"momenta have shape {points.shape} but must be (n_momenta, 3) or (3,), in reciprocal lattice vectors."
            )
        shape = points.shape[:-1]
        points = host.reshape(points, (-1, 3))
    if points.shape[0] == 0:
        raise ShapeError("momenta are empty; give at least one.")
    return points, tuple(shape)


def _lead_crystal(lead: Lead) -> PeriodicHamiltonian:
    """The lead without end, its potential energy left out, along its first lattice vector."""

    def cells(onsite: Array, hopping: Array) -> Array:
        return array_namespace(onsite).stack([adjoint(hopping), onsite, hopping])

    overlap = None if lead.overlap_onsite is None else cells(lead.overlap_onsite, lead.overlap_hopping)
    return PeriodicHamiltonian([[-1, 0, 0], [0, 0, 0], [1, 0, 0]], cells(lead.onsite, lead.hopping), overlap)


def _pull_bloch_sum(
    problem: _Problem, where: slice, bar: EigenvaluesCotangent
) -> tuple[PeriodicHamiltonian, Array]:
    """H̄_R = Σ_k exp(−2πi k·R) H̄(k), and k̄ = Re Σ_R 2πi R exp(2πi k·R) tr(H̄(k)†H_R), S likewise."""
    crystal = problem.crystal
    phases = crystal.phases(problem.momenta[where])
    xp = array_namespace(phases)
    cells = xp.asarray(2j * host.pi * crystal.cells, dtype=phases.dtype, device=device_of(phases))

    def pulled(x_bar: Array, blocks: Array) -> tuple[Array, Array]:
        flat_bar = xp.reshape(x_bar, (x_bar.shape[0], -1))
        flat = xp.astype(xp.reshape(blocks, (blocks.shape[0], -1)), phases.dtype)
        traces = xp.conj(flat_bar) @ xp.matrix_transpose(flat)  # (k, R)
        return xp.reshape(adjoint(phases) @ flat_bar, blocks.shape), xp.real((phases * traces) @ cells)

    h_bar, k_bar = pulled(bar.hamiltonian, crystal.hamiltonian)
    s_bar = None
    if bar.overlap is not None:
        s_bar, share = pulled(bar.overlap, crystal.overlap)
        k_bar = k_bar + share
    return rebuild(crystal, hamiltonian=h_bar, overlap=s_bar), k_bar


def _slopes(problem: _Problem, direction: Any, degeneracy: float | None) -> Array:
    """dE_n(k + s d)/ds, (n_momenta, n)."""
    width, crystal = problem.width(degeneracy), problem.crystal
    xp, dtype = array_namespace(crystal.hamiltonian), complex_dtype(crystal.hamiltonian)
    along = 2j * host.pi * (crystal.cells @ direction)  # d/ds exp(2πi (k + s d)·R) = 2πi R·d exp(…)
    factors = xp.asarray(along, dtype=dtype, device=device_of(crystal.hamiltonian))[:, None, None]
    derivative = rebuild(
        crystal,
        hamiltonian=factors * xp.astype(crystal.hamiltonian, dtype),
        overlap=None if crystal.overlap is None else factors * xp.astype(crystal.overlap, dtype),
    )
    with computing(crystal.n_orbitals):
        found = [
            velocities(
                *problem.at(where),
                *derivative.at(problem.momenta[where]),
                degeneracy=width,
                name=problem.name(where),
            )
            for where in problem.batches
        ]
    return xp.concat(found, axis=0)


def _direction(system: Lead | PeriodicHamiltonian, direction: ArrayLike | None) -> Any:
    """Three components; a lead has one direction only."""
    if isinstance(system, Lead):
        if direction is not None:
            raise InputError(f"direction={direction!r} is given, but a lead has one direction only; leave it out.")
        return host.asarray([1.0, 0.0, 0.0])
    if direction is None:
        raise InputError("direction is left out; give three numbers, as (1, 0, 0).")
    vector = real_host(direction, "direction")
    if vector.shape != (3,):
        raise ShapeError(f"direction has shape {vector.shape} but must be (3,).")
    if not host.any(vector != 0):
        raise InputError("direction is (0, 0, 0); give the one the derivative is wanted along.")
    return vector


def _lattice_components(
    system: Lead | PeriodicHamiltonian, direction: ArrayLike | None, lattice: ArrayLike | None
) -> Any:
    """a_i·u [Å], (3,)."""
    vector = _direction(system, direction)
    if isinstance(system, Lead):
        if lattice is None:
            raise InputError("lattice is left out; a lead needs the length of its cell [Å], or use band_slopes.")
        period = real_host(lattice, "lattice")
        if period.shape != () or not period > 0:
            raise InputError(f"lattice={lattice!r} must be one positive number for a lead, the length of its cell [Å].")
        return vector * period
    if lattice is None and system.lattice is None:
        raise InputError("the lattice vectors are not known; give lattice, (3, 3) in rows [Å], or use band_slopes.")
    vectors = real_host(system.lattice if lattice is None else lattice, "lattice")
    if vectors.shape != (3, 3):
        raise ShapeError(f"lattice has shape {vectors.shape} but must be (3, 3), lattice vectors in rows [Å].")
    return vectors @ (vector / host.linalg.vector_norm(vector))


def _checked_bar(value_bar: Any, value: Array, problem: _Problem) -> Array:
    """Ē (n_momenta, n) beside the energies: real, finite, of the value's shape."""
    xp = array_namespace(value)
    if not is_array(value_bar):
        try:
            value_bar = xp.asarray(value_bar, device=device_of(value))
        except (TypeError, ValueError):
            raise InputTypeError(f"value_bar={value_bar!r} cannot be made an array of real numbers.") from None
    (value_bar,) = move_in((value_bar,), problem.backend)
    if array_namespace(value_bar) is not xp:
        raise InputTypeError(
            f"value_bar is a {type(value_bar).__module__.split('.')[0]} array and the value is not; convert it first."
        )
    if not xp.isdtype(value_bar.dtype, ("real floating", "integral", "bool")):
        raise InputTypeError(f"value_bar has dtype {value_bar.dtype} but the value is real.")
    shape = (*problem.shape, value.shape[1])
    if tuple(value_bar.shape) != shape:
        raise ShapeError(f"value_bar has shape {tuple(value_bar.shape)} but the value has shape {shape}.")
    value_bar = xp.reshape(xp.astype(value_bar, value.dtype), value.shape)
    check_finite(value_bar, "value_bar")
    return value_bar
