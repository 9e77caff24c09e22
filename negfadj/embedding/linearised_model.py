"""Named quantities of a model at one point of its parameters: values, and products with their Jacobian both ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputTypeError
from ..objectives.cotangents import bar_beside
from ..objectives.model import Model
from ..objectives.named_cotangents import check_names
from ..objectives.quantity import Quantity
from ..objectives.second_order import tangent, twin
from ..physics.lead_cache import LeadCache, lead_cache
from ..typing import Array

CACHE_BYTES = 1e9


@dataclass(frozen=True, eq=False)
class ModelQuantities:
    """Quantities q_k(model(p)) of one model.

    Parameters
    ----------
    model : Model
        model(values) → subject, model.vjp(values) → (subject, pullback).
    quantities : mapping of name to Quantity
    varying : tuple of str
        The parameters that anything is differentiated by.

    Raises
    ------
    InputTypeError
        For a model without the two methods, or a quantity that is none.
    """

    model: Any
    quantities: Mapping[str, Quantity]
    varying: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise InputTypeError(
                f"model is a {type(self.model).__name__}; it needs model(values) and model.vjp(values), as "
                "na.HamiltonianEntries has, or wrap a function in na.FunctionModel."
            )
        for name, quantity in self.quantities.items():
            if not isinstance(quantity, Quantity):
                raise InputTypeError(
                    f"output {name!r} is a {type(quantity).__name__}; wrap it: na.Quantity(na.transmission, energies)."
                )
        if hasattr(self.model, "restricted_to"):
            object.__setattr__(self, "model", self.model.restricted_to(self.varying))

    def at(self, values: Mapping[str, Any]) -> LinearisedModel:
        """All quantities, and their pullbacks, at these parameters."""
        with self._caching():
            made, model_pullback = self.model.vjp(values)
            found = {name: quantity.vjp(made) for name, quantity in self.quantities.items()}
        return LinearisedModel(
            self,
            dict(values),
            made,
            model_pullback,
            {name: value for name, (value, _) in found.items()},
            {name: pullback for name, (_, pullback) in found.items()},
        )

    def wrt(self, quantity: Quantity) -> Any:
        """What a quantity's pullback need form for this model."""
        wrt = getattr(self.model, "wrt", None)
        return wrt.get(quantity.of) if isinstance(wrt, Mapping) else wrt

    @cached_property
    def _cache(self) -> LeadCache | None:
        return LeadCache(CACHE_BYTES) if getattr(self.model, "has_constant_leads", False) else None

    @contextmanager
    def _caching(self) -> Iterator[None]:
        """Leads that do not move keep their surface functions from point to point."""
        if self._cache is None:
            yield
            return
        with lead_cache(cache=self._cache):
            yield


@dataclass(frozen=True, eq=False)
class LinearisedModel:
    """The quantities of a `ModelQuantities` at one point.

    `values` has the parameters, `outputs` the quantities by name.
    """

    given: ModelQuantities
    values: Mapping[str, Any]
    made: Any
    model_pullback: Callable[[Any], Mapping[str, Any]]
    outputs: Mapping[str, Array]
    pullbacks: Mapping[str, Callable[..., Any]]

    def pulled(self, bars: Mapping[str, Array]) -> dict[str, Array]:
        """p̄ = Σ_k (∂q_k/∂p)ᵀ q̄_k, by name.

        Parameters
        ----------
        bars : mapping of output to array of its shape
            One that is missing, or zero everywhere, costs nothing.

        Returns
        -------
        dict of parameter to array of its shape
            All that vary, in zeros where nothing depends on them.
        """
        found = {name: np.zeros(np.shape(self.values[name])) for name in self.given.varying}
        for output, bar in bars.items():
            if not np.any(bar):
                continue
            quantity = self.given.quantities[output]
            subject_bar, _ = self.pullbacks[output](bar, self.given.wrt(quantity))
            shares = self.model_pullback(bar_beside(self.made, quantity.of, subject_bar))
            check_names(shares, {*self.values, *found}, self.given.varying, "the pullback of the model")
            for name in found:
                if shares.get(name) is not None:
                    found[name] = found[name] + shares[name]
        return found

    def pushed(self, tangents: Mapping[str, Array]) -> dict[str, Array]:
        """q̇_k = (∂q_k/∂p) ṗ of every output, by name.

        A tangent where model and quantity have one (`model.tangent`, `<quantity>_jvp`); else by the Jacobian's rows,
        one pullback for each number of the output, once a point.
        """
        found = {}
        for output, quantity in self.given.quantities.items():
            if hasattr(self.given.model, "tangent") and twin(quantity, "jvp") is not None:
                made_dot = self.given.model.tangent(self.values, tangents)
                found[output] = np.reshape(tangent(quantity, self.made, made_dot), self.outputs[output].shape)
            else:
                rows = self._rows[output]
                shares = [
                    np.tensordot(rows[name], dot, axes=np.ndim(dot)) for name, dot in tangents.items() if np.any(dot)
                ]
                found[output] = np.zeros(self.outputs[output].shape) + sum(shares)
        return found

    @cached_property
    def _rows(self) -> _Rows:
        return _Rows(self)


class _Rows(dict[str, dict[str, Array]]):
    """The Jacobian of an output by parameter, (*output shape, *parameter shape), found when first asked for."""

    def __init__(self, point: LinearisedModel) -> None:
        super().__init__()
        self._point = point

    def __missing__(self, output: str) -> dict[str, Array]:
        value = self._point.outputs[output]
        units = np.eye(value.size).reshape(value.size, *value.shape)
        rows = [self._point.pulled({output: unit}) for unit in units]
        self[output] = {
            name: np.reshape([row[name] for row in rows], value.shape + np.shape(rows[0][name])) for name in rows[0]
        }
        return self[output]
