"""Quantities of a model as an OpenMDAO component, whose derivatives are products with their pullbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConvergenceError, InputError
from ..objectives.quantity import Quantity
from ..optional import import_optional
from ..typing import ArrayLike
from .linearised_model import LinearisedModel, ModelQuantities

if TYPE_CHECKING:
    import openmdao.api as om
else:
    om = import_optional("openmdao.api", "an OpenMDAO component", extra="doors")


class TransportComponent(om.ExplicitComponent):
    """Transport in a device as a component: parameters of a model in, quantities of what it makes out.

        q_k = quantity_k(model(p)),      p̄ = Σ_k (∂model/∂p)† (∂quantity_k/∂subject)† q̄_k

    Parameters
    ----------
    model : Model
        As of an `Objective`: `HamiltonianEntries`, `TightBindingModel`, `FunctionModel`, or an object with
        model(values) and model.vjp(values).
    inputs : mapping of str to float or array
        The parameters that are inputs, and where they start; the model keeps its own numbers for the others.
    outputs : mapping of str to Quantity
        Every output by the name it gets: {"transmission": na.Quantity(na.transmission, energies)}.
    units : mapping of str to str, optional
        OpenMDAO's units of inputs and outputs: {"gate": "eV"}; default none. They must be the model's own.
    model_names : mapping of str to str, optional
        What the model calls an input, where OpenMDAO cannot have that name: {"hopping": "shells[0].hopping"}.

    Raises
    ------
    InputError, InputTypeError
        When built: no inputs, no outputs, one name for both, a parameter that the model does not know.
    openmdao.api.AnalysisError
        By a run of the model, where no result converges: drivers that can, take a shorter step.

    Notes
    -----
    Every run keeps its pullbacks until the next one, so that derivatives repeat nothing. Reverse mode costs one
    pullback for each output that is asked for. Forward mode costs a tangent where model and quantity have one, else one
    pullback for each number of the output, once a run: call ``problem.setup(mode="rev")`` when there are fewer outputs
    than inputs. Setting up runs the model once, for the shapes of the outputs. Numbers are real: no complex step.
    """

    def __init__(
        self,
        model: Any,
        inputs: Mapping[str, ArrayLike],
        outputs: Mapping[str, Quantity],
        *,
        units: Mapping[str, str] | None = None,
        model_names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._start = {name: np.array(value, dtype=np.float64) for name, value in inputs.items()}
        self._units_given = dict(units or {})
        self._model_names = {name: (model_names or {}).get(name, name) for name in inputs}
        _check_names(self._start, outputs, self._units_given, dict(model_names or {}))
        _check_known(model, self._model_names)
        self._quantities = ModelQuantities(model, dict(outputs), tuple(self._model_names.values()))
        self._point: LinearisedModel | None = None

    def setup(self) -> None:
        """Inputs as they start, outputs as they come out there."""
        for name, value in self._start.items():
            self.add_input(name, val=value, units=self._units_given.get(name))
        for name, value in self._at(self._start).outputs.items():
            self.add_output(name, val=value, units=self._units_given.get(name))

    def setup_partials(self) -> None:
        """Every output by every input."""
        self.declare_partials("*", "*")

    def compute(self, inputs: Mapping[str, Any], outputs: dict[str, Any]) -> None:
        """The quantities."""
        try:
            point = self._at({name: inputs[name] for name in self._start})
        except ConvergenceError as error:
            raise om.AnalysisError(f"{self.pathname}: {error}") from error
        for name, value in point.outputs.items():
            outputs[name] = value

    def compute_jacvec_product(
        self, inputs: Mapping[str, Any], d_inputs: Any, d_outputs: Any, mode: str
    ) -> None:
        """Reverse: inputs' shares of d_outputs, by the pullbacks. Forward: how outputs move along d_inputs."""
        point = self._at({name: inputs[name] for name in self._start})
        asked = [name for name in self._start if name in d_inputs]
        if mode == "rev":
            bars = {name: np.asarray(d_outputs[name]) for name in point.outputs if name in d_outputs}
            shares = point.pulled(bars)
            for name in asked:
                d_inputs[name] += np.reshape(shares[self._model_names[name]], np.shape(d_inputs[name]))
        else:
            moved = {self._model_names[name]: np.zeros(value.shape) for name, value in self._start.items()}
            for name in asked:
                moved[self._model_names[name]] = np.reshape(d_inputs[name], self._start[name].shape)
            for name, dot in point.pushed(moved).items():
                if name in d_outputs:
                    d_outputs[name] += np.reshape(dot, np.shape(d_outputs[name]))

    def _at(self, inputs: Mapping[str, Any]) -> LinearisedModel:
        """The model there, from the last run where it was there."""
        values = {
            self._model_names[name]: np.array(np.real(inputs[name]), dtype=np.float64).reshape(start.shape)
            for name, start in self._start.items()
        }
        last = self._point
        if last is None or any(not np.array_equal(last.values[name], value) for name, value in values.items()):
            self._point = None  # two points' pullbacks need not fit the memory
            self._point = self._quantities.at({name: x if x.ndim else float(x) for name, x in values.items()})
        assert self._point is not None
        return self._point


def _check_names(
    start: Mapping[str, Any], outputs: Mapping[str, Any], units: Mapping[str, str], model_names: Mapping[str, str]
) -> None:
    for name, given in (("inputs", start), ("outputs", outputs)):
        if not given:
            raise InputError(f"{name} is empty; name at least one.")
    both = sorted(set(start) & set(outputs))
    if both:
        raise InputError(f"{both[0]!r} is an input and an output; give one of them another name.")
    for which, names, known in (("units", units, {*start, *outputs}), ("model_names", model_names, set(start))):
        unknown = sorted(set(names) - known)
        if unknown:
            raise InputError(f"{which} names {unknown[0]!r}, which is not among {', '.join(sorted(known))}.")
    for name, value in start.items():
        if not np.all(np.isfinite(value)):
            raise InputError(f"input {name!r} starts at {value}; every number must be finite.")


def _check_known(model: Any, model_names: Mapping[str, str]) -> None:
    known = getattr(model, "names", None)
    for name, parameter in model_names.items():
        if known is not None and parameter not in known:
            raise InputError(
                f"input {name!r} is the parameter {parameter!r}, which the model does not know; it knows "
                f"{', '.join(map(repr, known))}: rename the input, or say what it is by model_names."
            )
