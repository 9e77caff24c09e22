"""Poisson's equation in three dimensions by finite volumes, with gates, contacts, dielectrics and doping.

    −∇·(ε₀ ε_r ∇φ) = ρ,   φ = V_k in conductor k,   ∂φ/∂n = 0 on the outer faces, periodic where asked for

On the nodes of a rectilinear grid that is A u = Wᵀ q + d with A the symmetric Laplacian (`conductance_network`), W the
weights of the sites' Gaussians (`gaussian_weights`) and d the doping. The potential is read with the same weights,

    φ = W u = P q + φ_ext,   P = W A⁻¹ Wᵀ,

so P is symmetric and positive semi-definite, and the self-interaction of a Gaussian is part of it: for a small
spacing 14.3996/(√π σ ε_r) V per e before the conductors' response; two sites interact by 14.3996 erf(r/2σ)/(ε_r r).

Sources: docs/adjoints/poisson.md; S. Selberherr, Analysis and Simulation of Semiconductor Devices (1984), Ch. 6.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..array import STATIC, rebuild
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array, ArrayLike, Backend
from .bodies import Conductor, Dielectric, Doping, FixedCharge
from .conductance_network import ConductanceNetwork, cell_fractions, conductance_network
from .gaussian_weights import GaussianWeights, gaussian_weights
from .grid import Grid
from .interface import ElectrostaticsCotangent
from .line_shifts import checked_shifts, conductance_spacings_bar, density_spacings_bar, lines_bar, moved_network
from .linear_solver import SolverName, check_solver, linear_solver
from .poisson_system import PoissonSystem
from .recall import recall
from .regions import Region
from .resolution import LARGEST_SPACING, check_resolved
from .site_inputs import lead_voltage_vector, positive_number, site_numbers, site_positions, site_vector

NEUTRAL = 1e-9  # of the sum of absolute charges: what counts as no net charge where nothing can screen it


@dataclass(frozen=True, eq=False)
class FiniteVolumePoisson:
    """Gaussian charges among conductors and dielectrics on a rectilinear grid.

    The differentiable numbers are positions, widths, permittivities, voltages and doping. Factors and weights are kept
    with the grid and shared by all objects on it: another voltage, doping or charge costs no factorisation.

    Parameters
    ----------
    grid : Grid
        Lines should lie on the faces of dielectrics and doped regions.
    positions : array, shape (n_sites, 3)
        [Å]; inside the grid, anywhere along a periodic direction.
    width : float or array, shape (n_sites,)
        σ of the Gaussian charges [Å], the standard deviation along one direction.
    conductors : tuple of Conductor
    dielectrics : tuple of Dielectric
        Where two overlap, the later one counts; conductors count before any.
    doping : tuple of Doping or FixedCharge
        Where several overlap, they add up.
    background_permittivity : float
        ε_r where there is no dielectric.
    lead_conductors : tuple of str or None
        For lead k the name of the conductor whose voltage `lead_voltages[k]` is added to.
    solver : str
        "direct" (sparse LU), "amg" (conjugate gradients with algebraic multigrid, needs pyamg), "cg" (conjugate
        gradients with the diagonal), or "auto": direct up to 20,000 unknowns, amg above, cg on a GPU.
    backend : "cpu", "gpu" or None
        Where "cg" runs; None is "cpu". Arguments and results are on the host either way.
    tolerance : float
        Bound on the residual relative to the source.
    line_shifts : three arrays, shape (n_lines,) each, optional
        By how much [Å] the lines along x, y, z have moved from where `grid` has them, the bodies drawn on them moving
        along: a material fills the same cells, a conductor holds the same nodes. Sites stay. A thickness is a number
        of such shifts, and with zeros the pullback has its derivative. Default: none, and no derivative.
    largest_spacing : float
        Of grid lines within σ of a site, in units of σ; above it the site is refused. math.inf accepts any: a Gaussian
        narrower than the cells has the self-interaction of the grid, which depends on where between lines it is.

    Raises
    ------
    InputError
        A site outside the grid, a width that the grid does not resolve or hold, conductors that overlap or hold no
        node, dielectrics or doping that hold no cell, a permittivity or width that is not positive, an unknown
        conductor or solver.
    ShapeError, InputTypeError
        Arrays or objects that do not fit.
    """

    grid: Grid = field(metadata=STATIC)
    positions: Array
    width: Array | float
    conductors: tuple[Conductor, ...] = ()
    dielectrics: tuple[Dielectric, ...] = ()
    doping: tuple[Doping | FixedCharge, ...] = ()
    background_permittivity: float = 1.0
    lead_conductors: tuple[str | None, ...] = field(default=(), metadata=STATIC)
    solver: SolverName = field(default="auto", metadata=STATIC)
    backend: Backend = field(default=None, metadata=STATIC)
    tolerance: float = field(default=1e-12, metadata=STATIC)
    line_shifts: tuple[Array, Array, Array] | None = None
    largest_spacing: float = field(default=LARGEST_SPACING, metadata=STATIC)

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid):
            raise InputTypeError(f"grid is a {type(self.grid).__name__}; pass a Grid(x, y, z).")
        positions = site_positions(self.positions)
        object.__setattr__(self, "line_shifts", checked_shifts(self.grid, self.line_shifts))
        _check_inside(self._lines, positions)
        checked = {
            "positions": positions,
            "width": site_numbers(self.width, "width", "Å", len(positions)),
            "conductors": _bodies("conductors", self.conductors, (Conductor,)),
            "dielectrics": _bodies("dielectrics", self.dielectrics, (Dielectric,)),
            "doping": _bodies("doping", self.doping, (Doping, FixedCharge)),
            "background_permittivity": positive_number(self.background_permittivity, "background_permittivity", ""),
            "lead_conductors": tuple(self.lead_conductors),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        _check_names(self.conductors, self.lead_conductors)
        check_solver(self.solver, self.backend, self.tolerance)
        check_resolved(self._lines, positions, self.width, self.largest_spacing)
        _ = self._network  # raises for conductors that overlap or hold no node, and dielectrics outside the grid
        for number, body in enumerate(self.doping):
            if not self._doped_part(body).any():
                raise InputError(
                    f"doping[{number}] holds no sample point of a cell outside the conductors ({body.region}); make "
                    "the region as thick as a cell at least, refine the grid there, or move it out of the metal."
                )

    @property
    def n_sites(self) -> int:
        """Number of charges and potentials."""
        return len(self.positions)

    @property
    def weights(self) -> GaussianWeights:
        """W: what spreads the sites' charges over the nodes and reads their potentials."""
        widths = np.broadcast_to(np.asarray(self.width, dtype=np.float64), (self.n_sites,))
        key = (self.positions.tobytes(), widths.tobytes())
        return recall(self._lines, "weights", key, lambda: gaussian_weights(self._lines, self.positions, widths))

    def with_voltages(self, voltages: Mapping[str, float]) -> FiniteVolumePoisson:
        """A copy with the named conductors at other voltages [V].

        Raises
        ------
        InputError
            For a name that no conductor has, or a voltage that is not finite.
        InputTypeError
            When `voltages` does not map names to numbers.
        """
        if not isinstance(voltages, Mapping):
            raise InputTypeError(
                f"with_voltages: voltages is a {type(voltages).__name__}; give a voltage [V] to every name, "
                'such as {"gate": 0.6}.'
            )
        for name in voltages:
            _require_name(self.conductors, name, "with_voltages")
        changed = tuple(replace(c, voltage=voltages.get(c.name, c.voltage)) for c in self.conductors)
        return rebuild(self, conductors=changed)  # type: ignore[no-any-return]

    def with_line_shifts(
        self, x: ArrayLike | None = None, y: ArrayLike | None = None, z: ArrayLike | None = None
    ) -> FiniteVolumePoisson:
        """A copy whose grid lines, and the bodies on them, have moved by these [Å], (n_lines,) each.

        A direction left out does not move, but has a derivative. Raises as the constructor.
        """
        shifts = (np.zeros(len(lines)) if s is None else s for lines, s in zip(self.grid.lines, (x, y, z)))
        return replace(self, line_shifts=tuple(shifts))  # type: ignore[arg-type]

    def potential(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """φ = W u with A u = Wᵀ q + d.

        Parameters
        ----------
        charge : array, shape (n_sites,)
            q [e], positive where electrons are missing.
        lead_voltages : array, shape (n_leads,), optional
            [V], added to the voltages of `lead_conductors`; ignored when no lead has one.

        Returns
        -------
        real array, shape (n_sites,)
            φ [V] on the host.

        Raises
        ------
        InputError
            When there is no conductor and the charges do not add up to 0.
        ShapeError, InputTypeError
            For a charge or voltages of another length, or numbers that are not real.
        ConvergenceError
            When the solver does not reach its tolerance.
        """
        return self.weights.matrix @ self._node_potential(charge, lead_voltages)

    def response(self, charge_tangent: ArrayLike) -> Array:
        """P dq (n_sites,) [V]: the linear part, its own transpose; raises `ConvergenceError` as `potential` does.

        Without a conductor dq is made neutral by a uniform background, and P dq is without a constant.
        """
        dq = site_vector(charge_tangent, "charge_tangent", "e", self.n_sites)
        return self.weights.matrix @ self._system.solve(self.weights.transpose @ dq)

    def potential_vjp(
        self, charge: ArrayLike, lead_voltages: ArrayLike = ()
    ) -> tuple[Array, Callable[[Array], ElectrostaticsCotangent]]:
        """`potential` and its pullback: one solve, A λ = Wᵀ φ̄.

        q̄ = W λ;  d̄ = λ;  V̄_k = Σ_{n in k} (Wᵀ φ̄ − A λ)_n;  ḡ_nm = −(λ_n − λ_m)(u_n − u_m) for every edge, and from
        there the permittivities;  W̄ = φ̄ uᵀ + q λᵀ, and from there positions and widths.

        Kept for the pullback: 8 n_nodes bytes, besides W and the factors, which `potential` shares.

        Returns
        -------
        potential : array, shape (n_sites,)
            [V] on the host.
        pullback : callable
            φ̄ (n_sites,) → ElectrostaticsCotangent; its `electrostatics` is a `FiniteVolumePoisson` of cotangents.

        Raises
        ------
        InputError, ShapeError, InputTypeError, ConvergenceError
            As `potential`.
        """
        q = site_vector(charge, "charge", "e", self.n_sites)
        added = lead_voltage_vector(lead_voltages)
        weights, system = self.weights, self._system
        u = self._node_potential(q, added)

        def potential_pullback(potential_bar: Array) -> ElectrostaticsCotangent:
            bar = site_vector(potential_bar, "potential_bar", "1/V", self.n_sites)
            read = weights.transpose @ bar
            adjoint = system.solve(read)
            voltages_bar = system.sum_over_conductors(read - system.laplacian @ adjoint)
            return ElectrostaticsCotangent(
                charge=weights.matrix @ adjoint,
                lead_voltages=self._lead_voltages_bar(voltages_bar, len(added)),
                electrostatics=self._own_bar(q, bar, u, adjoint, voltages_bar),
            )

        return weights.matrix @ u, potential_pullback

    def node_potential(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """u (n_x, n_y, n_z) [V] on the nodes of the grid; arguments and errors of `potential`."""
        return self._node_potential(charge, lead_voltages).reshape(self.grid.shape)

    def conductor_charges(self, charge: ArrayLike, lead_voltages: ArrayLike = ()) -> Array:
        """Charge induced on each conductor (n_conductors,) [e].

        It is the flux out of the conductor less the charge of sites that lies in it, and of doping at its surface. All
        charges, sites' and doping's included, add up to 0, because nothing flows through the outer faces. Arguments and
        errors are those of `potential`.
        """
        q = site_vector(charge, "charge", "e", self.n_sites)
        flux = self._system.laplacian @ self._node_potential(q, lead_voltages)
        return self._system.sum_over_conductors(flux - self._source(q))

    @property
    def _lines(self) -> Grid:
        """The grid with its lines where they are."""
        shifts = self.line_shifts
        if shifts is None:
            return self.grid
        key = tuple(np.asarray(shift).tobytes() for shift in shifts)
        return recall(self.grid, "moved", key, lambda: self.grid.moved(shifts))

    @property
    def _permittivities(self) -> tuple[float, ...]:
        return self.background_permittivity, *(d.permittivity for d in self.dielectrics)

    @property
    def _metals(self) -> tuple[tuple[str, Region], ...]:
        return tuple((c.name, c.region) for c in self.conductors)

    @property
    def _network(self) -> ConductanceNetwork:
        dielectrics = tuple(d.region for d in self.dielectrics)
        conductors = self._metals
        key = (dielectrics, conductors)
        drawn = recall(self.grid, "network", key, lambda: conductance_network(self.grid, dielectrics, conductors))
        lines = self._lines
        return drawn if lines is self.grid else recall(lines, "moved", drawn, lambda: moved_network(drawn, lines))

    @property
    def _system(self) -> PoissonSystem:
        network, permittivities = self._network, self._permittivities
        # The network stands for its regions: it is remembered as long as it is part of a key.
        key = (network, permittivities, self.solver, self.backend, self.tolerance)
        return recall(self.grid, "system", key, self._new_system)

    def _new_system(self) -> PoissonSystem:
        network = self._network
        laplacian = network.laplacian(np.array(self._permittivities))
        unknown = network.free
        if len(unknown) == self.grid.n_nodes:
            unknown = unknown[1:]  # no conductor: the first node is grounded
        matrix = laplacian[unknown][:, unknown].tocsr()
        solver = linear_solver(matrix, self.solver, self.backend, self.tolerance)
        return PoissonSystem(network, laplacian, unknown, solver)

    def _doped_part(self, body: Doping | FixedCharge) -> Array:
        """Charge on the nodes (n_nodes,) per unit of the body's number."""

        def part() -> Array:
            nodes = self._lines.to_nodes(self._filled_part(body)).ravel()
            return nodes / nodes.sum() if isinstance(body, FixedCharge) and nodes.any() else nodes

        return recall(self._lines, "doping", (type(body), body.region, self._metals), part, keep=16)

    def _filled_part(self, body: Doping | FixedCharge) -> Array:
        """Part of every cell that a body fills outside the metal."""
        key = (body.region, self._metals)
        return recall(self.grid, "filled", key, lambda: cell_fractions(self.grid, *key), keep=16)

    def _source(self, q: Array) -> Array:
        """Wᵀ q + d (n_nodes,) [e]."""
        source = self.weights.transpose @ q
        for body in self.doping:
            source += _number(body) * self._doped_part(body)
        return source

    def _voltages(self, added: Array) -> Array:
        """Of the conductors, with the leads' share (n_conductors,) [V]."""
        voltages = np.array([c.voltage for c in self.conductors])
        if len(added):
            for name, voltage in zip(self.lead_conductors, added):
                if name is not None:
                    voltages[self._numbers[name]] += voltage
        return voltages

    def _lead_voltages_bar(self, voltages_bar: Array, n_leads: int) -> Array:
        bar = np.zeros(n_leads)
        for lead, name in enumerate(self.lead_conductors[:n_leads]):
            if name is not None:
                bar[lead] = voltages_bar[self._numbers[name]]
        return bar

    @property
    def _numbers(self) -> dict[str, int]:
        return {conductor.name: number for number, conductor in enumerate(self.conductors)}

    def _node_potential(self, charge: ArrayLike, lead_voltages: ArrayLike) -> Array:
        q = site_vector(charge, "charge", "e", self.n_sites)
        added = lead_voltage_vector(lead_voltages)
        if self.lead_conductors and len(added) not in (0, len(self.lead_conductors)):
            raise ShapeError(
                f"lead_voltages has {len(added)} entries but lead_conductors = {self.lead_conductors} has "
                f"{len(self.lead_conductors)}; give one voltage per lead [V]."
            )
        if not self.conductors:
            self._check_neutral(q)
        return self._system.solve_with_voltages(self._source(q), self._voltages(added))

    def _check_neutral(self, q: Array) -> None:
        doping = [_number(body) * float(self._doped_part(body).sum()) for body in self.doping]
        total, size = float(q.sum()) + sum(doping), float(np.abs(q).sum()) + sum(map(abs, doping))
        if abs(total) > NEUTRAL * size:
            raise InputError(
                f"floating device: the charges add up to {total:g} e ({q.sum():g} e of the sites, {sum(doping):g} e of "
                "doping) and no conductor fixes the potential or takes the flux; add a Conductor, or make the total 0."
            )

    def _own_bar(self, q: Array, bar: Array, u: Array, adjoint: Array, voltages_bar: Array) -> FiniteVolumePoisson:
        network = self._network
        positions_bar, widths_bar = self.weights.cotangents(((bar, u), (q, adjoint)))
        d_x, d_y, d_z = (-a * b for a, b in zip(network.differences(adjoint), network.differences(u)))
        background_bar, *dielectrics_bar = network.permittivity_cotangents((d_x, d_y, d_z)).tolist()
        return rebuild(  # type: ignore[no-any-return]
            self,
            positions=positions_bar,
            width=float(widths_bar.sum()) if isinstance(self.width, float) else widths_bar,
            conductors=tuple(rebuild(c, voltage=float(v)) for c, v in zip(self.conductors, voltages_bar)),
            dielectrics=tuple(rebuild(d, permittivity=e) for d, e in zip(self.dielectrics, dielectrics_bar)),
            doping=tuple(_with_number(body, float(self._doped_part(body) @ adjoint)) for body in self.doping),
            background_permittivity=background_bar,
            line_shifts=self._line_shifts_bar(q, bar, u, adjoint, (d_x, d_y, d_z)),
        )

    def _line_shifts_bar(
        self, q: Array, bar: Array, u: Array, adjoint: Array, conductances_bar: tuple[Array, Array, Array]
    ) -> tuple[Array, Array, Array] | None:
        """From weights, conductances, volumes of what is charged, and those of the mean where nothing fixes u."""
        if self.line_shifts is None:
            return None
        lines, network = self._lines, self._network
        spacings_bar = [conductance_spacings_bar(network, np.array(self._permittivities), conductances_bar)]
        for body in self.doping:
            filled, part, charged_bar = self._filled_part(body), self._doped_part(body), _number(body) * adjoint
            if isinstance(body, FixedCharge):  # part = nodes/sum(nodes)
                charged_bar = (charged_bar - charged_bar @ part) / lines.to_nodes(filled).sum()
            spacings_bar.append(density_spacings_bar(lines, filled, charged_bar.reshape(lines.shape)))
        if self._system.is_floating:  # u less its mean over the volume, which is 0
            mean_bar = -bar.sum() * u.reshape(lines.shape) / lines.volumes.sum()
            spacings_bar.append(density_spacings_bar(lines, np.ones([len(h) for h in lines.spacings]), mean_bar))
        n_x, n_y, n_z = (len(x) for x in lines.lines)
        of_weights = self.weights.lines_bar(((bar, u), (q, adjoint)), (n_x, n_y, n_z))
        x, y, z = (own + lines_bar(sum(h)) for own, h in zip(of_weights, zip(*spacings_bar)))
        return x, y, z


def _number(body: Doping | FixedCharge) -> float:
    return body.density if isinstance(body, Doping) else body.charge


def _with_number(body: Doping | FixedCharge, value: float) -> Doping | FixedCharge:
    changed: Doping | FixedCharge = rebuild(body, **{"density" if isinstance(body, Doping) else "charge": value})
    return changed


def _bodies(name: str, bodies: object, kinds: tuple[type, ...]) -> tuple[object, ...]:
    found = tuple(bodies) if isinstance(bodies, tuple | list) else (bodies,)
    for number, body in enumerate(found):
        if not isinstance(body, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise InputTypeError(f"{name}[{number}] is a {type(body).__name__}; give a tuple of {wanted}.")
    return found


def _check_inside(grid: Grid, positions: Array) -> None:
    for axis, (lines, is_periodic) in enumerate(zip(grid.lines, grid.periodic)):
        coordinate = positions[:, axis]
        outside = np.flatnonzero((coordinate < lines[0]) | (coordinate > lines[-1]))
        if is_periodic or not len(outside):
            continue
        site, name = int(outside[0]), "xyz"[axis]
        raise InputError(
            f"positions[{site}] = {tuple(positions[site].tolist())} Å is outside the grid, which goes from {name} = "
            f"{lines[0]:g} to {lines[-1]:g} Å ({len(outside)} of {len(positions)} sites); add grid lines there, "
            "or move the atoms."
        )


def _check_names(conductors: tuple[Conductor, ...], lead_conductors: tuple[str | None, ...]) -> None:
    names = [conductor.name for conductor in conductors]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(f"two conductors have the name {repeated[0]!r}; give each its own.")
    for lead_conductor in lead_conductors:
        if lead_conductor is not None:
            _require_name(conductors, lead_conductor, "lead_conductors")


def _require_name(conductors: tuple[Conductor, ...], name: str, where: str) -> None:
    names = [conductor.name for conductor in conductors]
    if name not in names:
        raise InputError(f"{where} names the conductor {name!r}, but there are only {names}; correct the name.")
