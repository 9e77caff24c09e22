"""A model whose parameters are a tight-binding model's numbers, the atoms' positions, and energies of the atoms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from ..array import brief_repr, rebuild
from ..data import Device, PeriodicHamiltonian
from ..errors import InputError, InputTypeError
from ..models import Structure, TightBinding
from ..models.tight_binding_matrices import periodic_hamiltonian_vjp
from ..models.tight_binding_tangent import periodic_hamiltonian_tangents
from ..models.transport_model import TransportModel, in_leads, transport_model, transport_model_vjp
from ..models.transport_model_tangent import transport_model_tangents
from ..typing import Array

OF_ATOMS = ("onsite_energy", "potential_energy")


@dataclass(frozen=True, eq=False)
class TightBindingModel:
    """Two-centre parameters and positions → device, crystal or both.

    The parameters are the numbers of `model` by their places in it, "onsite.C", "onsite.Si.p", "spin_orbit.Si.p",
    "shells[0].hopping", "shells[1].hopping.pp_sigma", "shells[0].overlap.ss_sigma", "shells[0].law.exponent"; and
    "positions" [Å], (n_atoms, 3), "onsite_energy" and "potential_energy" [eV], (n_atoms,), "lead_potential_energy"
    [eV], (n_leads,), of the device's structure. `values` has them all, where they start.

    Parameters
    ----------
    structure : Structure or None
        Of the device, which `transport_model` makes; None for a crystal alone.
    model : TightBinding
    bulk : Structure, optional
        A periodic structure, for the bands of the same model. Then the subject is {"device": Device, "bulk":
        PeriodicHamiltonian}, of which a `Quantity` takes one by `of=`; without `structure` the crystal alone.
    axis, ends, period, cells_per_layer, tolerance, momentum
        As of `transport_model`.

    Raises
    ------
    InputError, InputTypeError
        As `transport_model` and `periodic_hamiltonian`.

    Notes
    -----
    Bonds belong to the same shell as long as no atom moves across its tolerance: bounds of "positions" should keep the
    atoms within it. The cells at each end by which a lead is recognised must stay as they are, and no other atom may
    come among them: fix all but `free_atoms`.

    Tangents are exact. Second derivatives of H by its parameters are extrapolated differences of the exact pullback,
    where anything but energies of atoms varies.
    """

    structure: Structure | None
    model: TightBinding
    bulk: Structure | None = None
    axis: str = "x"
    ends: Any = None
    period: Sequence[float | None] | None = None
    cells_per_layer: int | None = None
    tolerance: float = 0.01
    momentum: tuple[float, float, float] = (0.0, 0.0, 0.0)
    varying: tuple[str, ...] | None = None

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        if not isinstance(self.model, TightBinding):
            raise InputTypeError(f"model is a {type(self.model).__name__}; pass a negfadj.models.TightBinding.")
        if self.structure is None and self.bulk is None:
            raise InputError("give a structure, for a device, or `bulk`, for a crystal, or both.")

    @property
    def values(self) -> dict[str, Any]:
        """All parameters, where they start: a float, or an array of zeros for the energies of atoms and leads."""
        found: dict[str, Any] = {path: float(x) for path, x in _numbers(self.model)}
        if self.structure is not None:
            n = self.structure.n_atoms
            found |= {"positions": self.structure.positions.copy()}
            found |= {name: np.zeros(n) for name in OF_ATOMS}
            found["lead_potential_energy"] = np.zeros(2 if self.ends is None else len(self.ends))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it knows."""
        return tuple(self.values)

    @property
    def wrt(self) -> Any:
        """ "onsite" where only on-site energies of atoms vary; else everything of the device."""
        return "onsite" if self._only_onsite and self.bulk is None else None

    @property
    def is_linear(self) -> bool:
        """True where only energies of atoms vary: H is affine in them, and no lead moves."""
        return self.varying is not None and set(self.varying) <= set(OF_ATOMS)

    @property
    def has_constant_leads(self) -> bool:
        """True where only energies of the device's atoms vary."""
        return self.is_linear

    @property
    def free_atoms(self) -> Array:
        """True for the atoms that may move, as far as their shells let them, and leave every lead as it is.

        Not those of the cells at an end that the lead is recognised by or couples to, two or more; nor those of the
        third cell that would come into the second, or of all of it where the cells have no flat border.
        """
        found = self._transport({})
        room = max(shell.tolerance for shell in self.model.shells if shell.is_coupled)
        kept = np.zeros(found.structure.n_atoms, dtype=bool)
        cells = []
        for lead, n in zip(found.leads, found.cells_per_layer):
            along = -lead.outward * found.structure.positions[:, lead.axis]
            depth = along - along.min()
            is_flat = np.array_equal(np.flatnonzero(depth < lead.period - self.tolerance), np.sort(lead.atoms))
            if is_flat:
                kept |= depth < 2 * lead.period - self.tolerance + room
            cells.append(max(2 if is_flat else 3, n))
        return ~(kept | in_leads(rebuild(found, cells_per_layer=tuple(cells))))

    def restricted_to(self, names: Collection[str]) -> TightBindingModel:
        """The same model, of which only these parameters vary: its pullbacks form no more than they need."""
        return rebuild(self, varying=tuple(names))  # type: ignore[no-any-return]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The device, the crystal, or both by name."""
        return self.vjp(values)[0] if self.bulk is not None else self._transport(values).device

    def vjp(self, values: Mapping[str, Any]) -> tuple[Any, Callable[[Any], dict[str, Any]]]:
        """The subject and its pullback to all parameters."""
        made: dict[str, Any] = {}
        pullbacks: dict[str, Callable[[Any], dict[str, Any]]] = {}
        if self.structure is not None:
            made["device"], pullbacks["device"] = self._device_vjp(values)
        if self.bulk is not None:
            made["bulk"], pullbacks["bulk"] = self._bulk_vjp(values)
        nothing: dict[str, Any] = dict.fromkeys(values)  # None for what has no effect, as positions on the crystal
        if len(made) == 1:
            (name,) = made
            return made[name], lambda bar: {**nothing, **pullbacks[name](bar)}

        def tight_binding_model_pullback(bars: Mapping[str, Any]) -> dict[str, Any]:
            total = dict(nothing)
            for key, pullback in pullbacks.items():
                if bars.get(key) is not None:
                    for name, bar in pullback(bars[key]).items():
                        total[name] = bar if total.get(name) is None else bar + total[name]
            return total

        return made, tight_binding_model_pullback

    def tangent(self, values: Mapping[str, Any], tangents: Mapping[str, Any]) -> Any:
        """How the subject moves with its parameters: device, crystal or both, of tangents."""
        return self.pushforward(values)(tangents)

    def pushforward(self, values: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
        """`tangent` at these values, for many directions."""
        made: dict[str, Callable[[Mapping[str, Any]], Any]] = {}
        if self.structure is not None:
            made["device"] = self._device_tangents(values)
        if self.bulk is not None:
            made["bulk"] = self._bulk_tangents(values)

        def tight_binding_model_tangent(tangents: Mapping[str, Any]) -> Any:
            self._check_known(tangents)
            found = {key: tangent(tangents) for key, tangent in made.items()}
            return found if len(found) > 1 else next(iter(found.values()))

        return tight_binding_model_tangent

    def _device_tangents(self, values: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Device]:
        structure, model, options = self._arguments(values)
        shifts = {name: options.get(name) for name in ("potential_energy", "lead_potential_energy")}
        found = transport_model_tangents(
            transport_model(structure, model, **options), model, momentum=self.momentum, **shifts
        )

        def device_tangent(tangents: Mapping[str, Any]) -> Device:
            moving = ("positions", *OF_ATOMS, "lead_potential_energy")
            given = {name: tangents[name] for name in moving if name in tangents and np.any(tangents[name])}
            return found(model=_model_tangent(self.model, tangents), **given)

        return device_tangent

    def _bulk_tangents(self, values: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], PeriodicHamiltonian]:
        assert self.bulk is not None
        found = periodic_hamiltonian_tangents(self.bulk, _with_numbers(self.model, values))
        return lambda tangents: found(_model_tangent(self.model, tangents))

    @property
    def _only_onsite(self) -> bool:
        orthogonal = self.model.is_orthogonal
        allowed = OF_ATOMS if orthogonal else OF_ATOMS[:1]
        return self.varying is not None and set(self.varying) <= set(allowed)

    def _device_vjp(self, values: Mapping[str, Any]) -> tuple[Device, Callable[[Device], dict[str, Any]]]:
        structure, model, options = self._arguments(values)
        found, pullback = transport_model_vjp(structure, model, **options)

        def device_pullback(device_bar: Device) -> dict[str, Any]:
            if hasattr(device_bar.hamiltonian, "values"):  # of `wrt="onsite"`
                per_atom = np.bincount(found.atoms, np.real(device_bar.hamiltonian.values), structure.n_atoms)
                return {name: per_atom for name in OF_ATOMS if self._varies(name)}
            bars = pullback(device_bar)
            of_atoms = {name: getattr(bars, name) for name in (*OF_ATOMS, "lead_potential_energy")}
            return {
                **{path: x for path, x in _numbers(bars.model)},
                "positions": bars.structure.positions,
                **{name: bar for name, bar in of_atoms.items() if bar is not None},
            }

        return found.device, device_pullback

    def _bulk_vjp(
        self, values: Mapping[str, Any]
    ) -> tuple[PeriodicHamiltonian, Callable[[PeriodicHamiltonian], dict[str, Any]]]:
        assert self.bulk is not None
        found, pullback = periodic_hamiltonian_vjp(self.bulk, _with_numbers(self.model, values))
        return found, lambda bar: {path: x for path, x in _numbers(pullback(bar).model)}

    def _transport(self, values: Mapping[str, Any]) -> TransportModel:
        structure, model, options = self._arguments(values)
        return transport_model(structure, model, **options)

    def _varies(self, name: str) -> bool:
        return self.varying is None or name in self.varying

    def _check_known(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name not in self.names:
                raise InputError(f"parameter {name!r} is not known; known are {', '.join(self.names)}.")

    def _arguments(self, values: Mapping[str, Any]) -> tuple[Structure, TightBinding, dict[str, Any]]:
        if self.structure is None:
            raise InputError("the model has no structure of a device; give it one.")
        self._check_known(values)
        structure = self.structure
        if "positions" in values:
            structure = Structure(
                structure.symbols, values["positions"], structure.cell, structure.periodic, structure.index
            )
        options = {
            name: getattr(self, name)
            for name in ("axis", "ends", "period", "cells_per_layer", "tolerance", "momentum")
        }
        energies = {name: values[name] for name in (*OF_ATOMS, "lead_potential_energy") if name in values}
        return structure, _with_numbers(self.model, values), options | energies


def _numbers(x: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every differentiable number of a tight-binding model with its path."""
    if isinstance(x, bool | str) or x is None:
        return []
    if isinstance(x, int | float | np.ndarray | np.generic):
        return [(path, float(x))]
    found = []
    if is_dataclass(x):
        for f in fields(x):
            if not f.metadata.get("static"):
                found += _numbers(getattr(x, f.name), _joined(path, f.name))
    elif isinstance(x, Mapping):
        for key, item in x.items():
            found += _numbers(item, _joined(path, str(key)))
    elif isinstance(x, tuple | list):
        for i, item in enumerate(x):
            found += _numbers(item, f"{path}[{i}]")
    return found


def _with_numbers(x: Any, values: Mapping[str, Any], path: str = "") -> Any:
    """The same with numbers replaced where `values` has their path; built, and so checked, anew."""
    if isinstance(x, bool | str) or x is None:
        return x
    if isinstance(x, int | float):
        return values.get(path, x)
    if is_dataclass(x) and not isinstance(x, type):
        parts = {f.name: _with_numbers(getattr(x, f.name), values, _joined(path, f.name)) for f in fields(x)}
        return type(x)(**parts)
    if isinstance(x, Mapping):
        return {key: _with_numbers(item, values, _joined(path, str(key))) for key, item in x.items()}
    if isinstance(x, tuple | list):
        return type(x)(_with_numbers(item, values, f"{path}[{i}]") for i, item in enumerate(x))
    return x


def _model_tangent(model: TightBinding, tangents: Mapping[str, Any]) -> TightBinding | None:
    """The model with the tangents of its numbers in their places; None where none moves."""
    if not any(tangents.get(path) for path, _ in _numbers(model)):
        return None

    def of(x: Any, path: str) -> Any:
        if isinstance(x, bool | str) or x is None:
            return x
        if isinstance(x, int | float):
            return float(tangents.get(path, 0.0))
        if is_dataclass(x) and not isinstance(x, type):
            moving = [f.name for f in fields(x) if not f.metadata.get("static")]
            return rebuild(x, **{name: of(getattr(x, name), _joined(path, name)) for name in moving})
        if isinstance(x, Mapping):
            return {key: of(item, _joined(path, str(key))) for key, item in x.items()}
        if isinstance(x, tuple | list):
            return type(x)(of(item, f"{path}[{i}]") for i, item in enumerate(x))
        return x

    return of(model, "")  # type: ignore[no-any-return]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

