"""The transmission to second order: its tangent, and Hessian-vector products by the tangent of its pullback."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..array import (
    array_namespace,
    computing,
    device_of,
    is_array,
    memory_budget,
    move_in,
    move_out,
    rebuild,
    to_numpy,
    tree_map,
)
from ..data import Device, Lead
from ..data.checks import check_finite
from ..errors import InputTypeError, ShapeError
from ..primitives.dual import Dual
from ..primitives.lead_second import lead_self_energy_jvp
from ..primitives.system_tangent import SystemTangent
from ..primitives.transmission_second import transmission_jvp as jvp_primitive
from ..primitives.transmission_second import transmission_jvp_vjp as jvp_vjp_primitive
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .device_tangent import checked_tangent, filled_lead_tangent
from .evaluate import TransportCotangent, _check_finite, _checked_bar, _done, assemble
from .lead_bulk import bulk_digest, lead_bulk
from .leads import LeadSolver, lead_support
from .pattern import make_wrt
from .request import Request, largest_matrix, make_request


class SecondPullback(Protocol):
    """(value_bar, value_bar_dot) → (bar, bar_dot), each a `TransportCotangent`; `wrt` as of `transmission_vjp`'s."""

    def __call__(
        self, value_bar: Array, value_bar_dot: Array | None = None, /, *, wrt: Any = "all"
    ) -> tuple[TransportCotangent, TransportCotangent]: ...


def transmission_jvp(
    device: Device,
    device_dot: Device | None,
    energies: ArrayLike,
    *,
    energies_dot: ArrayLike | None = None,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Array]:
    """The transmission and its derivative along a direction.

        Ṫ = Re tr(Γ_d x Γ_s x†)˙,   ẋ = −E_d†G Ȧ G E_s,   Ȧ = Ė S + z Ṡ − Ḣ − Σ̇

    Parameters
    ----------
    device : Device
    device_dot : Device or None
        The direction, an instance of the device's class that holds tangents, such as a cotangent is; None, for the
        whole, a matrix, a lead or a block, is zero. Diagonal blocks of Hermitian data are Hermitian, an upper block's
        tangent moves the lower one along, and what is real stays real.
    energies : array or float, shape (n_energies,) or () — [eV]
    energies_dot : array or float of their shape, optional
        The direction of the energies [eV]; default zero.
    The others as of `transmission`.

    Returns
    -------
    value, value_dot : arrays, shape (n_energies,), real, on the device of the inputs

    Raises
    ------
    InputError, InputTypeError, ShapeError, HermiticityError
        For an argument that has no meaning, with its value.
    ConvergenceError
        As `transmission`; and where a lead moves at a band edge or a crossing of bands, as `transmission_vjp`.

    Sources
    -------
    docs/adjoints/second-order.md
    """
    problem = _problem(
        device, device_dot, energies, energies_dot, source, drain, eta, device_eta, lead_method, backend, memory_limit
    )
    return problem.moved_out(problem.over_batches(problem.jvp, problem.batch_bytes))


def transmission_jvp_vjp(
    device: Device,
    device_dot: Device | None,
    energies: ArrayLike,
    *,
    energies_dot: ArrayLike | None = None,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Array, SecondPullback]:
    """`transmission_jvp` and the pullback of both its values: gradients and Hessian-vector products.

    Parameters, errors and sources as `transmission_jvp`.

    Returns
    -------
    value, value_dot : arrays
        As `transmission_jvp`.
    pullback : callable
        ``pullback(value_bar, value_bar_dot=None, wrt="all")`` gives (bar, bar_dot): `bar` is that of
        `transmission_vjp`, and `bar_dot` its derivative along (device_dot, energies_dot) with `value_bar` moving by
        `value_bar_dot` (None: it does not move). For L = φ(T) take value_bar = φ'(T) and value_bar_dot = φ''(T) Ṫ:
        bar_dot is then the Hessian of L times the direction.

    Notes
    -----
    Ā̇_kl = −([Ċ M + C Ṁ, C M]_l [D; Ḋ]_k)†,  C = G E_s,  D = E_d†G,  M = 2 T̄ Γ_s x†Γ_d.
    Kept for the pullback: the left-connected factors and the four thin ones, 16 Σ n_i (n_i + 2 m_s + 2 m_d) bytes an
    energy for leads that touch m_s and m_d orbitals; nothing where that exceeds `memory_limit`, and each batch is then
    computed again when it is pulled back.
    """
    problem = _problem(
        device, device_dot, energies, energies_dot, source, drain, eta, device_eta, lead_method, backend, memory_limit
    )
    n_energies = int(problem.request.energies.shape[0])
    budget = memory_budget(problem.request.energies, memory_limit)
    keep = problem.kept_bytes * n_energies + problem.batch_bytes <= budget
    kept: dict[tuple[int, int], Any] = {}
    parts: list[slice] = []

    def forward(where: slice) -> tuple[Array, Array]:
        if not keep:
            return problem.jvp(where)
        value, value_dot, pull = problem.jvp_vjp(where)
        parts.append(where)
        kept[(where.start, where.stop)] = pull
        return value, value_dot

    per_energy = problem.kept_bytes + problem.batch_bytes
    values = problem.over_batches(forward, per_energy)

    def pullback(
        value_bar: Array, value_bar_dot: Array | None = None, /, *, wrt: Any = "all"
    ) -> tuple[TransportCotangent, TransportCotangent]:
        bars = problem.bars(value_bar, value_bar_dot)
        pattern = make_wrt(wrt, problem.request.device.hamiltonian)

        def pull(where: slice) -> Any:
            found = kept.get((where.start, where.stop)) or problem.jvp_vjp(where)[2]
            return problem.pulled(found, where, bars, pattern)

        with computing(largest_matrix(problem.request.device)):
            same = sorted(parts, key=lambda where: where.start) if kept else None
            done = list(_done(problem.request, per_energy, pull, parts=same, forget=kept.clear))
        return problem.summed([pair for _, pair in done])

    return (*problem.moved_out(values), pullback)


def transmission_hvp(
    device: Device,
    device_dot: Device | None,
    energies: ArrayLike,
    value_bar: Array,
    value_bar_dot: Array | None = None,
    *,
    wrt: Any = "all",
    energies_dot: ArrayLike | None = None,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Array, Array, TransportCotangent, TransportCotangent]:
    """The transmission's Hessian times a direction, exactly: the tangent of its pullback.

        bar = J†T̄,   bar_dot = (J†)˙T̄ + J†T̄˙        along (device_dot, energies_dot)

    One batch of energies is in hand at a time and nothing is kept. Where `value_bar` depends on the values, take
    `transmission_jvp_vjp`, which gives them first.

    Parameters
    ----------
    device, device_dot, energies, energies_dot : as of `transmission_jvp`
    value_bar : array, shape (n_energies,), real
        T̄, the weights of the energies.
    value_bar_dot : array, shape (n_energies,), real, optional
        Its derivative along the direction; default zero.
    wrt : "all", "onsite", (rows, columns) or a SciPy sparse matrix
        What the cotangents are formed of, as of `transmission_vjp`'s pullback.
    The others as of `transmission`.

    Returns
    -------
    value, value_dot : arrays, shape (n_energies,), real
        T and Ṫ.
    bar, bar_dot : TransportCotangent
        The gradient that `transmission_vjp` pulls back, and its derivative along the direction.

    Raises
    ------
    InputError, InputTypeError, ShapeError, HermiticityError, ConvergenceError
        As `transmission_jvp`.

    Sources
    -------
    docs/adjoints/second-order.md
    """
    problem = _problem(
        device, device_dot, energies, energies_dot, source, drain, eta, device_eta, lead_method, backend, memory_limit
    )
    bars = problem.bars(value_bar, value_bar_dot)
    pattern = make_wrt(wrt, problem.request.device.hamiltonian)

    def work(where: slice) -> tuple[tuple[Array, Array], Any]:
        value, value_dot, pull = problem.jvp_vjp(where)
        return (value, value_dot), problem.pulled(pull, where, bars, pattern)

    with computing(largest_matrix(problem.request.device)):
        done = [found for _, found in _done(problem.request, problem.batch_bytes, work)]
    values = problem.moved_out(problem.joined([pair for pair, _ in done]))
    return (*values, *problem.summed([pair for _, pair in done]))


class _Pulled(NamedTuple):
    """Of a batch: the cotangents of the device and of the energies, or None."""

    device: Device
    energies: Array | None


@dataclass(frozen=True, eq=False)
class _Problem:
    """A checked calculation along a direction: `device_dot` with None where nothing moves, `energies_dot` flat."""

    request: Request
    device_dot: Device
    energies_dot: Array | None
    source: int
    drain: int
    supports: tuple[Array | None, ...]

    @property
    def kept_bytes(self) -> int:
        """Bytes an energy that a pullback holds on to."""
        device = self.request.device
        factors = sum(n * n for n in device.hamiltonian.block_sizes)
        leads: int = sum(2 * lead.coupled_shape[0] ** 2 + 14 * lead.coupled_shape[1] ** 2 for lead in device.leads)
        return self._itemsize * (factors + 2 * self._width * device.n_orbitals + leads)

    @property
    def batch_bytes(self) -> int:
        """Bytes an energy while it is worked on: what is kept, the tangents, and the leads' matrices."""
        thin = 6 * self._width * self.request.device.n_orbitals
        return self.kept_bytes + self._itemsize * (thin + 8 * largest_matrix(self.request.device) ** 2)

    @property
    def _width(self) -> int:
        """Orbitals that source and drain touch."""
        device, total = self.request.device, 0
        for k in (self.source, self.drain):
            support = self.supports[k]
            total += device.leads[k].coupled_shape[0] if support is None else int(support.shape[0])
        return total

    @property
    def _itemsize(self) -> int:
        return 8 if self.request.dtype == array_namespace(self.request.energies).complex64 else 16

    def jvp(self, where: slice) -> tuple[Array, Array]:
        """T and Ṫ of a batch."""
        tangent, _ = self._assembled(where)
        return jvp_primitive(tangent, source=self.source, drain=self.drain)

    def jvp_vjp(self, where: slice) -> tuple[Array, Array, Any]:
        """T, Ṫ and the pullbacks of a batch: that of the device, and the leads'."""
        tangent, lead_pullbacks = self._assembled(where)
        value, value_dot, pull = jvp_vjp_primitive(tangent, source=self.source, drain=self.drain)
        return value, value_dot, (pull, lead_pullbacks)

    def pulled(self, found: Any, where: slice, bars: tuple[Array, Array], wrt: Any) -> tuple[_Pulled, _Pulled]:
        """The cotangents of a batch and their tangents."""
        pull, lead_pullbacks = found
        system_bars = pull(*(bar[where] for bar in bars), wrt)
        leads: list[list[Any]] = [[], []]
        z = [bar.z for bar in system_bars]
        for k, lead_pullback in enumerate(lead_pullbacks):
            if z[0] is None:  # wrt asks for entries of H alone
                shares: Any = (None, None)
            else:
                shares = lead_pullback(Dual(*(bar.self_energies[k] for bar in system_bars)))
            for i, share in enumerate(shares):
                leads[i].append(None if share is None else share.lead)
                if share is not None and share.z is not None:
                    z[i] = z[i] + share.z
        xp = array_namespace(self.request.energies)
        first, second = (
            _Pulled(
                rebuild(self.request.device, hamiltonian=bar.hamiltonian, overlap=bar.overlap, leads=tuple(leads[i])),
                None if z[i] is None else xp.real(z[i]),
            )
            for i, bar in enumerate(system_bars)
        )
        return first, second

    def bars(self, value_bar: Any, value_bar_dot: Any) -> tuple[Array, Array]:
        """T̄ and T̄˙, flat and checked."""
        xp, like = array_namespace(self.request.energies), self.request.energies
        flat = xp.reshape(_checked_bar(value_bar, self.request.shape, like, self.request), like.shape)
        if value_bar_dot is None:
            return flat, xp.zeros_like(flat)
        moved = _checked_bar(value_bar_dot, self.request.shape, like, self.request)
        return flat, xp.reshape(moved, like.shape)

    def over_batches(self, work: Any, bytes_per_energy: int) -> tuple[Array, Array]:
        """The two values of all energies."""
        with computing(largest_matrix(self.request.device)):
            return self.joined([found for _, found in _done(self.request, bytes_per_energy, work)])

    def joined(self, parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
        """Values of all batches, none of them without meaning."""
        xp = array_namespace(self.request.energies)
        value, value_dot = (xp.concat([part[i] for part in parts]) for i in (0, 1))
        for x in (value, value_dot):
            _check_finite(x, self.request.energies)
        return value, value_dot

    def summed(self, parts: list[tuple[_Pulled, _Pulled]]) -> tuple[TransportCotangent, TransportCotangent]:
        """Cotangents of all batches, moved back to the caller."""
        first, second = (self._total([part[i] for part in parts]) for i in (0, 1))
        return first, second

    def moved_out(self, values: tuple[Array, Array]) -> tuple[Array, Array]:
        """The values in the shape of the energies, where the caller's arrays are."""
        xp = array_namespace(self.request.energies)
        shaped = tuple(xp.reshape(x, self.request.shape) for x in values)
        return move_out(shaped, self.request.origin, self.request.backend)  # type: ignore[no-any-return]

    def _total(self, parts: list[_Pulled]) -> TransportCotangent:
        xp, total = array_namespace(self.request.energies), parts[0].device
        for part in parts[1:]:
            total = tree_map(lambda x, y: x + y, total, part.device)
        energies = None
        if parts[0].energies is not None:
            energies = xp.reshape(xp.concat([part.energies for part in parts]), self.request.shape)
        found = TransportCotangent(total, energies)
        return move_out(found, self.request.origin, self.request.backend)  # type: ignore[no-any-return]

    def _assembled(self, where: slice) -> tuple[SystemTangent, list[Any]]:
        """Ȧ(z) of a batch with its system, and the pullbacks of the leads' self-energies."""
        system, solver = assemble(self.request, where)
        z_dot = None
        if self.energies_dot is not None:
            z_dot = array_namespace(system.z).astype(self.energies_dot[where], system.z.dtype)
        moved, pullbacks = [], []
        for lead, lead_dot in zip(self.request.device.leads, self.device_dot.leads):
            sigma_dot, pullback = _lead_jvp(lead, lead_dot, solver, z_dot)
            moved.append(sigma_dot)
            pullbacks.append(pullback)
        return (
            SystemTangent(
                rebuild(system, supports=self.supports),
                self.device_dot.hamiltonian,
                self.device_dot.overlap,
                z_dot,
                tuple(moved),
            ),
            pullbacks,
        )


def _lead_jvp(lead: Any, lead_dot: Any, solver: LeadSolver, z_dot: Array | None) -> tuple[Array | None, Any]:
    """Σ̇ of a lead, None where it does not move, and the pullback (Σ̄, Σ̄˙) → two cotangents of the lead and of z."""
    if not isinstance(lead, Lead):
        pull = solver.self_energy_vjp(lead)[1]  # linear in Σ̄, and a tabulated Σ has no other derivative

        def tabulated_pullback(sigma_bar: Dual) -> Any:
            return pull(sigma_bar.value), pull(sigma_bar.tangent)

        return None if lead_dot is None else solver.self_energy(lead_dot), tabulated_pullback
    xp = array_namespace(solver.z)
    is_fixed = lead_dot is None and z_dot is None
    bulk = lead_bulk(lead, bulk_digest(lead), solver.z)
    make = partial(
        lead_self_energy_jvp,
        lead,
        filled_lead_tangent(lead, lead_dot),
        solver.z,
        xp.zeros_like(solver.z) if z_dot is None else z_dot,
        surface=solver.surface(lead),
        is_fixed=is_fixed,
        basis=bulk.basis,
        vectors=bulk.vectors,
        by_modes=solver.method == "modes",
        energies=to_numpy(xp.real(solver.z)).tolist(),
    )
    if is_fixed:  # asked for only when a lead's cotangents are
        return None, lambda sigma_bar: make()[1](sigma_bar)
    sigma, pullback = make()
    return sigma.tangent, pullback


def _problem(
    device: Device,
    device_dot: Any,
    energies: ArrayLike,
    energies_dot: Any,
    source: int,
    drain: int,
    eta: float,
    device_eta: float,
    lead_method: LeadMethod,
    backend: Backend,
    memory_limit: float | None,
) -> _Problem:
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    source, drain = device.lead_pair(source, drain)
    moved = move_in(checked_tangent(device, device_dot), backend)
    supports = tuple(_support(lead, lead_dot) for lead, lead_dot in zip(request.device.leads, moved.leads))
    return _Problem(request, moved, _energies_dot(energies_dot, request), source, drain, supports)


def _energies_dot(energies_dot: Any, request: Request) -> Array | None:
    """The direction of the energies beside them, flat; None for none."""
    if energies_dot is None:
        return None
    xp = array_namespace(request.energies)
    if not is_array(energies_dot):
        try:
            energies_dot = xp.asarray(energies_dot, dtype=request.energies.dtype, device=device_of(request.energies))
        except (TypeError, ValueError):
            raise InputTypeError(f"energies_dot={energies_dot!r} cannot be made an array of real numbers.") from None
    energies_dot = move_in(energies_dot, request.backend)
    if array_namespace(energies_dot) is not xp or not xp.isdtype(energies_dot.dtype, ("real floating", "integral")):
        raise InputTypeError(f"energies_dot is a {type(energies_dot).__name__} of {energies_dot.dtype}; pass real.")
    if tuple(energies_dot.shape) != tuple(request.shape):
        raise ShapeError(f"energies_dot has shape {tuple(energies_dot.shape)} but the energies have {request.shape}.")
    flat = xp.astype(xp.reshape(energies_dot, (-1,)), request.energies.dtype)
    check_finite(flat, "energies_dot")
    return flat


def _support(lead: Any, lead_dot: Any) -> Array | None:
    """Orbitals that a lead's coupling or its tangent touches: to first order Γ lives on them."""
    if not isinstance(lead, Lead) or lead_dot is None:
        return lead_support(lead)
    xp, tangent = array_namespace(lead.onsite), filled_lead_tangent(lead, lead_dot)

    def touched(name: str) -> Array | None:
        x = getattr(lead, name)
        return None if x is None else xp.abs(x) + xp.abs(getattr(tangent, name))

    return lead_support(rebuild(lead, **{name: touched(name) for name in ("coupling", "overlap_coupling")}))
