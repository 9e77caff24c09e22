"""Several observables of a device at the same energies, from one elimination, with one pullback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from ..array import array_namespace, device_of, is_array
from ..data import Device, Lead
from ..data.bonds import bond_blocks, sorted_bonds
from ..errors import InputError, InputTypeError, ShapeError
from ..primitives.observed import Observations, Wanted, observed, observed_vjp
from ..primitives.open_system import OpenSystem
from ..primitives.system_cotangent import SystemCotangent
from ..typing import Array, ArrayLike, Backend, LeadMethod
from .evaluate import TransportCotangent, evaluate, evaluate_vjp
from .request import Request, make_request

DEFAULT = ("transmission", "local_density_of_states", "bond_current")


NAMES = tuple(field.name for field in fields(Observations))


class ObservePullback(Protocol):
    """`Observations` of cotangents → `TransportCotangent`; `wrt` as for every pullback."""

    def __call__(self, bar: Observations, /, *, wrt: Any = "all") -> TransportCotangent: ...


def observe(
    device: Device,
    energies: ArrayLike,
    quantities: Sequence[str] = DEFAULT,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> Observations:
    """Several observables at the same energies; leads and device are solved once for all of them.

        X_l = G W_l,  Γ_l = W_l W_l†;   T = tr[Γ_d X_s X_s†],  D_a = Σ_l Re (X_l X_l† S)_aa/2π,
        I_ab = 2 Im[(H − E S)_ab (X_s X_s†)_ba]

    The local density is made of the scattering states of all leads where nothing else broadens (`device_eta` = 0), and
    of the Green's function itself elsewhere.

    Parameters
    ----------
    device : Device
    energies : array or float, shape (n_energies,) or ()
        Real energies [eV].
    quantities : sequence of str
        Any of "transmission", "density_of_states", "local_density_of_states", "lead_density", "bond_current".
    source, drain : int
        Indices of the leads the carriers come from and go to; `drain` matters to the transmission alone.
    The others, and further errors, as `transmission`.

    Returns
    -------
    Observations
        Each as the function of that name returns it, on the device of the inputs; None where it is not asked for.

    Raises
    ------
    InputError, InputTypeError
        For a quantity that is not known, or none at all.

    Sources
    -------
    Those of `transmission`, `local_density_of_states` and `bond_current`; Datta, Electronic Transport in Mesoscopic
    Systems (1995), Eq. (3.5.17), for the sum over leads.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    wanted = _wanted(request, quantities, source, drain)
    packing = _Packing.of(request, wanted)
    value = evaluate(request, lambda system: packing.packed(observed(system, wanted=wanted)), layers=_layers(device))
    return packing.unpacked(value)


def observe_vjp(
    device: Device,
    energies: ArrayLike,
    quantities: Sequence[str] = DEFAULT,
    *,
    source: int = 0,
    drain: int = 1,
    eta: float = 0.0,
    device_eta: float = 0.0,
    lead_method: LeadMethod = "auto",
    backend: Backend = None,
    memory_limit: float | None = None,
) -> tuple[Observations, ObservePullback]:
    """`observe` and its pullback.

    Parameters and errors as `observe`.

    Returns
    -------
    value : Observations
    pullback : callable
        ``pullback(Observations(transmission=t_bar, …), wrt="all")`` gives one `TransportCotangent(device, energies)`,
        as `transmission_vjp`, of everything together. A cotangent that is left out is zero and costs nothing.

    Notes
    -----
    Ā_kl = −Σ_l (2 X_l R_l)†, R_l = (𝒜_l X_l)†G: 𝒜_l gathers what all observables sample of the states of lead l
    (docs/adjoints/scattering-states.md).
    Kept for the pullback: the left-connected factors and the scattering states, 16 Σ n_i (n_i + m_1 + Σ_l m_l) bytes an
    energy with m_l open channels of lead l; and 128 n² for each lead. Nothing where that exceeds `memory_limit`, and
    each batch is then computed again when it is pulled back.
    """
    request = make_request(device, energies, eta, device_eta, lead_method, backend, memory_limit)
    wanted = _wanted(request, quantities, source, drain)
    packing = _Packing.of(request, wanted)

    def core(system: OpenSystem) -> Array:
        return packing.packed(observed(system, wanted=wanted))

    def core_vjp(system: OpenSystem) -> tuple[Array, Callable[..., SystemCotangent]]:
        found, observed_pullback = observed_vjp(system, wanted=wanted)

        def packed_pullback(value_bar: Array, wrt: Any) -> SystemCotangent:
            return observed_pullback(packing.cotangents(value_bar), wrt)

        return packing.packed(found), packed_pullback

    value, packed_pullback = evaluate_vjp(request, core, core_vjp, layers=_layers(device))
    found = packing.unpacked(value)

    def observe_pullback(bar: Observations, /, *, wrt: Any = "all") -> TransportCotangent:
        return packed_pullback(packing.joined(bar, found), wrt=wrt)

    return found, observe_pullback


def _layers(device: Device) -> float:
    """Peak memory in largest blocks: factors, carried columns, and the states of every lead."""
    return (2.0 + max(2, device.n_leads)) * device.hamiltonian.n_blocks


def _wanted(request: Request, quantities: Sequence[str], source: int, drain: int) -> Wanted:
    """The request of the primitive, checked."""
    if isinstance(quantities, str) or not isinstance(quantities, Sequence):
        raise InputTypeError(f'quantities={quantities!r} must be a sequence of names, such as ("transmission",).')
    unknown = [name for name in quantities if name not in NAMES]
    if unknown or not quantities:
        what = f"{unknown[0]!r} of quantities is not known" if unknown else "quantities are empty"
        raise InputError(f"{what}; give some of {', '.join(NAMES)}.")
    device, names = request.device, frozenset(quantities)
    if "transmission" in names:
        source, drain = device.lead_pair(source, drain)
    elif not names.isdisjoint(("lead_density", "bond_current")):
        source = device.lead_index(source, "source")
    on_bonds: list[tuple[int, int, Array, Array]] = []
    order = None
    if "bond_current" in names:
        on_bonds = bond_blocks(device.hamiltonian, device.overlap)
        order = sorted_bonds(device.hamiltonian, on_bonds)[1]
    return Wanted(names, source, drain, on_bonds, order, all(isinstance(lead, Lead) for lead in device.leads))


@dataclass(frozen=True, eq=False)
class _Packing:
    """The observables side by side in one array (E, …): name, first and last column, whether it is a number alone."""

    parts: tuple[tuple[str, slice, bool], ...]

    @classmethod
    def of(cls, request: Request, wanted: Wanted) -> _Packing:
        n, parts, at = request.device.hamiltonian.n_orbitals, [], 0
        n_bonds = sum(int(rows.shape[0]) for _, _, rows, _ in wanted.bonds)
        widths = {"local_density_of_states": n, "lead_density": n, "bond_current": n_bonds}
        for name in NAMES:
            if name in wanted.names:
                width = widths.get(name, 1)
                parts.append((name, slice(at, at + width), name not in widths))
                at += width
        return cls(tuple(parts))

    def packed(self, found: Observations) -> Array:
        """One array (E, columns)."""
        values = [(getattr(found, name), is_single) for name, _, is_single in self.parts]
        xp = array_namespace(values[0][0])
        return xp.concat([x[:, None] if is_single else x for x, is_single in values], axis=1)

    def unpacked(self, value: Array) -> Observations:
        """The observables of a packed array (…, columns)."""
        return Observations(**dict(self._each(value)))

    def cotangents(self, value_bar: Array) -> Observations:
        """The same of a cotangent; what is zero throughout is left out."""
        xp = array_namespace(value_bar)
        return Observations(**{name: x for name, x in self._each(value_bar) if bool(xp.any(x != 0))})

    def joined(self, bar: Observations, found: Observations) -> Array:
        """The packed cotangent of a caller's, checked against the values."""
        if not isinstance(bar, Observations):
            raise InputTypeError(f"the cotangent is a {type(bar).__name__}; pass a negfadj.Observations.")
        extra = [name for name in NAMES if getattr(bar, name) is not None and getattr(found, name) is None]
        if extra:
            raise InputError(f"the cotangent has {extra[0]}, which was not asked for; add it to quantities.")
        columns = []
        for name, _, is_single in self.parts:
            x = _checked(getattr(bar, name), getattr(found, name), name)
            columns.append(x[..., None] if is_single else x)
        return array_namespace(columns[0]).concat(columns, axis=-1)

    def _each(self, packed: Array) -> list[tuple[str, Array]]:
        return [(name, packed[..., at][..., 0] if single else packed[..., at]) for name, at, single in self.parts]


def _checked(bar: Any, value: Array, name: str) -> Array:
    """The cotangent of one observable beside its value: of its shape, real; zeros for None."""
    xp = array_namespace(value)
    if bar is None:
        return xp.zeros_like(value)
    if not is_array(bar):
        try:
            bar = xp.asarray(bar, device=device_of(value))
        except (TypeError, ValueError):
            raise InputTypeError(f"{name}={bar!r} of the cotangent cannot be made an array of real numbers.") from None
    if array_namespace(bar) is not xp or not xp.isdtype(bar.dtype, ("real floating", "integral", "bool")):
        raise InputTypeError(
            f"{name} of the cotangent is a {type(bar).__module__.split('.')[0]} array of {bar.dtype}; give real "
            "numbers in the array library of the value."
        )
    if tuple(bar.shape) != tuple(value.shape):
        raise ShapeError(
            f"{name} of the cotangent has shape {tuple(bar.shape)} but the value has shape {tuple(value.shape)}."
        )
    return xp.astype(bar, value.dtype)
