"""A model made of the user's own function of named parameters, with the user's own derivatives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array import is_array, leaves, rebuild, to_numpy
from ..data import BlockTridiagonal, Device
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .named_cotangents import check_names, check_shapes
from .parameters import brief_values

TWIN = "the pullback of the twin"


@dataclass(frozen=True, eq=False)
class FunctionModel:
    """function(values) → the Hamiltonian of a device, or any subject, with derivatives or a twin given by the user.

        p̄ = Re tr(H̄† dH/dp)

    Parameters
    ----------
    function : callable
        values, a dict of parameters by name → H, dense or sparse (n, n), or a `BlockTridiagonal`, when `device` is
        given; else the subject itself.
    derivatives : callable, optional
        values → a dict with dH/dp by name, in the form of H; for a parameter that is an array a sequence of them, entry
        after entry. None for a parameter without effect; one that varies is not left out.
    device : Device, optional
        Its leads, overlap and block sizes; its Hamiltonian is replaced by the function's.
    twin : callable, optional
        values → (subject, pullback), in place of `derivatives`: pullback(subject_bar) → dict of cotangents by name, of
        the parameters' shapes, None for one without effect. For what negfadj.models makes, with its own `_vjp`.
    names : sequence of str, optional
        The parameters it knows; default any.
    is_linear : bool
        The function is affine in its parameters: second derivatives need nothing of it.
    has_constant_leads : bool, optional
        Leads do not move; default: True when `device` is given.
    varying : sequence of str, optional
        The parameters that derivatives or twin must have; default all. An `Objective` sets it to those that are free.

    Raises
    ------
    InputError, InputTypeError, ShapeError
        When neither derivatives nor a twin is given; for NaN from the function, with the values of the parameters; by
        the pullback, for a name that is no parameter's, a parameter left out, a cotangent of the wrong shape.
    """

    function: Callable[[Mapping[str, Any]], Any]
    derivatives: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    device: Device | None = None
    twin: Callable[[Mapping[str, Any]], tuple[Any, Callable[[Any], Mapping[str, Any]]]] | None = None
    names: Sequence[str] | None = None
    is_linear: bool = False
    has_constant_leads: bool | None = None
    varying: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("function", "derivatives", "twin"):
            if not callable(getattr(self, name)) and (name == "function" or getattr(self, name) is not None):
                raise InputTypeError(f"{name}={getattr(self, name)!r} of a FunctionModel must be callable.")
        if (self.derivatives is None) == (self.twin is None):
            raise InputError("give a FunctionModel either `derivatives`, values → dH/dp by name, or a `twin`.")
        if self.derivatives is not None and self.device is None:
            raise InputError("derivatives are of H: give `device` too, for leads and block sizes; or give a twin.")
        if self.device is not None and not isinstance(self.device, Device):
            raise InputTypeError(f"device is a {type(self.device).__name__}; pass a negfadj.Device.")
        if self.has_constant_leads is None:
            object.__setattr__(self, "has_constant_leads", self.device is not None)

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The subject at these values."""
        return self._placed(self._finite(self.function(dict(values)), values), values)

    def vjp(self, values: Mapping[str, Any]) -> tuple[Any, Callable[[Any], Mapping[str, Any]]]:
        """The subject and its pullback to the parameters; the derivatives are asked for when it is pulled back."""
        if self.twin is not None:
            made, pullback = self.twin(dict(values))

            def function_twin_pullback(subject_bar: Any) -> Mapping[str, Any]:
                found = pullback(subject_bar)
                self._check_names(found, values, TWIN)
                check_shapes(found, values, TWIN)
                return found

            return self._placed(self._finite(made, values), values), function_twin_pullback
        made = self(values)

        def function_model_pullback(subject_bar: Device) -> dict[str, Any]:
            assert self.derivatives is not None
            found = self.derivatives(dict(values))
            self._check_names(found, values, "derivatives")
            return {
                name: None
                if found.get(name) is None
                else self._pulled(subject_bar.hamiltonian, found[name], name, values)
                for name in self._varying(values)
            }

        return made, function_model_pullback

    def restricted_to(self, names: Collection[str]) -> FunctionModel:
        """The same model, of which only these parameters vary: no derivatives by others are asked for."""
        return rebuild(self, varying=tuple(names))  # type: ignore[no-any-return]

    def _varying(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(name for name in values if self.varying is None or name in self.varying)

    def _check_names(self, found: Any, values: Mapping[str, Any], source: str) -> None:
        check_names(found, tuple(dict.fromkeys((*values, *(self.names or ())))), self._varying(values), source)

    def _placed(self, made: Any, values: Mapping[str, Any]) -> Any:
        """The device given with this Hamiltonian, where a device is given."""
        if self.device is None or isinstance(made, Device):
            return made
        hamiltonian = self._blocks(made, "function")
        return rebuild(self.device, hamiltonian=hamiltonian)

    def _blocks(self, matrix: Any, name: str) -> BlockTridiagonal:
        assert self.device is not None
        sizes = self.device.hamiltonian.block_sizes
        if isinstance(matrix, BlockTridiagonal):
            if matrix.block_sizes != sizes:
                raise ShapeError(f"{name} gives blocks of sizes {matrix.block_sizes} but the device has {sizes}.")
            return matrix
        shape = tuple(np.shape(matrix) if not hasattr(matrix, "tocsr") else matrix.shape)
        n = self.device.n_orbitals
        if shape != (n, n):
            raise ShapeError(f"{name} gives a matrix of shape {shape} but the device has {n} orbitals: ({n}, {n}).")
        make = BlockTridiagonal.from_sparse if hasattr(matrix, "tocsr") else BlockTridiagonal.from_dense
        return make(matrix, sizes)

    def _pulled(self, bar: BlockTridiagonal, given: Any, name: str, values: Mapping[str, Any]) -> Any:
        """Re tr(H̄† dH/dp) of one parameter, entry after entry."""
        shape = np.shape(values[name])
        parts = [given] if shape == () else _entries(given, int(np.prod(shape)), name)
        shares = []
        for part in parts:
            d = self._blocks(self._finite(part, values), f"derivatives[{name!r}]")
            shares.append(
                sum(
                    float(np.sum(np.real(np.conj(x) * y)))
                    for x, y in zip((*bar.diagonal, *bar.upper), (*d.diagonal, *d.upper))
                    if x is not None
                )
            )
        return np.reshape(shares, shape)

    def _finite(self, made: Any, values: Mapping[str, Any]) -> Any:
        """What the user's function gave, refused with the parameters' values where a number of it is not finite."""
        found = [made.tocoo().data] if hasattr(made, "tocoo") else leaves(made)
        for leaf in found:
            numbers = to_numpy(leaf) if is_array(leaf) else np.asarray(leaf)
            if numbers.dtype.kind in "fc" and not np.all(np.isfinite(numbers)):
                raise InputError(
                    f"the model's function gave a number that is not finite at {brief_values(values)}; keep the "
                    "parameters, by their bounds, where it has a value."
                )
        return made


def _entries(given: Any, n: int, name: str) -> list[Array]:
    """The derivatives of an array's entries, one after the other, whatever the array's shape."""
    if is_array(given):
        parts: list[Any] = list(np.reshape(given, (-1, *given.shape[-2:])))
    else:
        parts = list(given)
    if len(parts) != n:
        raise ShapeError(f"derivatives[{name!r}] has {len(parts)} matrices but the parameter has {n} entries.")
    return parts
