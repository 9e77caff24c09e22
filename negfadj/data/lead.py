"""A semi-infinite periodic lead, and a lead known only by its self-energy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import array_api_compat.numpy as array_api_numpy

from ..array import STATIC, adjoint, array_namespace, brief_repr, is_array, rebuild
from ..errors import InputError, InputTypeError, ShapeError
from ..typing import Array
from .block_tridiagonal import project
from .checks import (
    as_float_array,
    check_finite,
    check_hermitian,
    check_integer,
    check_matrix,
    check_positive_definite,
    check_square,
    common_namespace,
)

HERMITIAN_BLOCKS = ("onsite", "overlap_onsite")
BLOCKS = ("onsite", "hopping", "coupling", "overlap_onsite", "overlap_hopping", "overlap_coupling")


@dataclass(frozen=True, eq=False)
class Lead:
    """A semi-infinite lead: cell 0 touches the device, cell j + 1 lies deeper in the lead than cell j.

    Parameters
    ----------
    onsite : array, shape (n, n)
        <cell j|H|cell j> [eV], Hermitian.
    hopping : array, shape (n, n)
        <cell j|H|cell j+1> [eV], j growing away from the device.
    coupling : array, shape (n_device, n), optional
        <device block|H|lead cell 0> [eV]; default `hopping`.
    block : int
        Index of the device block it touches; negative counts from the end.
    overlap_onsite, overlap_hopping, overlap_coupling : arrays, optional
        The same blocks of the overlap matrix S. Default: an orthogonal basis. Where any is given,
        `overlap_onsite` is needed, `overlap_hopping` defaults to zero and `overlap_coupling` to `overlap_hopping`
        when `coupling` does too, else to zero.
    potential_energy : float
        U [eV], a rigid shift of the whole lead and of its coupling: H → H + U S.

    Raises
    ------
    ShapeError, InputError, InputTypeError, HermiticityError

    Notes
    -----
    Σ(z) = A_c g A_c', with A_c = z S_c − H_c, A_c' = z S_c† − H_c†, and g the surface Green's function.
    """

    onsite: Array
    hopping: Array
    coupling: Array | None = None
    block: int = field(default=0, metadata=STATIC)
    overlap_onsite: Array | None = None
    overlap_hopping: Array | None = None
    overlap_coupling: Array | None = None
    potential_energy: Any = 0.0

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in BLOCKS if getattr(self, name) is not None}
        has_arrays = any(is_array(x) for x in given.values())
        xp = common_namespace(*given.values()) if has_arrays else array_api_numpy
        given = {name: as_float_array(x, name, xp) for name, x in given.items()}
        if "onsite" not in given or "hopping" not in given:
            raise InputError("a lead needs both `onsite` and `hopping`.")
        check_square(given["onsite"], "onsite")
        n = given["onsite"].shape[0]
        if "coupling" not in given:
            given["coupling"] = given["hopping"]
            if "overlap_coupling" not in given and "overlap_hopping" in given:
                given["overlap_coupling"] = given["overlap_hopping"]
        if "overlap_onsite" not in given and ("overlap_hopping" in given or "overlap_coupling" in given):
            raise InputError(
                "overlap_hopping or overlap_coupling is given without overlap_onsite; give all of S or none."
            )
        if "overlap_onsite" in given:
            like = given["overlap_onsite"]
            given.setdefault("overlap_hopping", xp.zeros_like(like))
            given.setdefault("overlap_coupling", xp.zeros_like(given["coupling"]))
        for name in ("onsite", "hopping", "overlap_onsite", "overlap_hopping"):
            if name in given:
                check_matrix(given[name], name, (n, n), f", that of a lead cell with {n} orbitals")
        for name in ("coupling", "overlap_coupling"):
            if name in given:
                check_matrix(given[name], name, (None, n), f", device block by lead cell with {n} orbitals")
        if "overlap_coupling" in given and given["overlap_coupling"].shape != given["coupling"].shape:
            raise ShapeError(
                f"overlap_coupling has shape {tuple(given['overlap_coupling'].shape)} but coupling has "
                f"{tuple(given['coupling'].shape)}; both join the same device block to lead cell 0."
            )
        for name, x in given.items():
            check_finite(x, name)
        for name in HERMITIAN_BLOCKS:
            if name in given:
                check_hermitian(given[name], name)
        if "overlap_onsite" in given:
            check_positive_definite(given["overlap_onsite"], "overlap_onsite")
        for name in ("hopping", "coupling"):
            if not bool(xp.any(given[name] != 0)):
                raise InputError(
                    f"{name} is zero: the lead does not conduct. Give <cell j|H|cell j+1> as `hopping` and "
                    "<device block|H|lead cell 0> as `coupling`."
                )
        for name, x in given.items():
            object.__setattr__(self, name, x)
        object.__setattr__(self, "block", check_integer(self.block, "block"))
        object.__setattr__(self, "potential_energy", _scalar(self.potential_energy, "potential_energy", xp))

    @property
    def n_orbitals(self) -> int:
        """Orbitals of one lead cell."""
        return int(self.onsite.shape[0])

    @property
    def coupled_shape(self) -> tuple[int, int]:
        """(orbitals of the device block, orbitals of the lead cell)."""
        assert self.coupling is not None
        return (int(self.coupling.shape[0]), int(self.coupling.shape[1]))

    def project_tangent(self, tangent: Lead) -> Lead:
        """A tangent or cotangent of this lead, projected on what may vary: Hermitian blocks, real where real."""
        changes = {
            name: project(getattr(tangent, name), getattr(self, name), hermitian=name in HERMITIAN_BLOCKS)
            for name in BLOCKS
            if getattr(self, name) is not None and getattr(tangent, name) is not None
        }
        return rebuild(tangent, **changes)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class SelfEnergy:
    """A lead known only by its retarded self-energy at the energies of the calculation.

    Parameters
    ----------
    self_energy : array, shape (n_energies, n_device, n_device), complex
        Σ(E) [eV] on the device block it touches; one energy, shape (1, n, n), serves every energy.
    block : int
        Index of the device block it touches; negative counts from the end.

    Raises
    ------
    ShapeError, InputError
    """

    self_energy: Array
    block: int = field(default=0, metadata=STATIC)

    __repr__ = brief_repr

    def __post_init__(self) -> None:
        xp = array_namespace(self.self_energy) if is_array(self.self_energy) else array_api_numpy
        sigma = as_float_array(self.self_energy, "self_energy", xp)
        if sigma.ndim == 2:
            sigma = sigma[None, ...]
        if sigma.ndim != 3 or sigma.shape[1] != sigma.shape[2] or 0 in sigma.shape:
            raise ShapeError(f"self_energy has shape {tuple(sigma.shape)} but must be (n_energies, n, n).")
        check_finite(sigma, "self_energy")
        if xp.isdtype(sigma.dtype, "real floating"):
            sigma = xp.astype(sigma, xp.complex64 if sigma.dtype == xp.float32 else xp.complex128)
        lowest = float(xp.min(xp.linalg.eigvalsh(1j * (sigma - adjoint(sigma)))))
        if lowest < -1e-6 * float(xp.max(xp.abs(sigma))):
            raise InputError(
                f"self_energy has a broadening i(Σ − Σ†) with eigenvalue {lowest:.6g} eV, but a retarded one has none "
                "below zero; an advanced Σ is the adjoint of the retarded one."
            )
        object.__setattr__(self, "self_energy", sigma)
        object.__setattr__(self, "block", check_integer(self.block, "block"))

    @property
    def coupled_shape(self) -> tuple[int, int]:
        """(orbitals of the device block, the same)."""
        return (int(self.self_energy.shape[1]), int(self.self_energy.shape[1]))

    def project_tangent(self, tangent: SelfEnergy) -> SelfEnergy:
        """A self-energy is a general complex matrix: nothing to project."""
        return tangent


def _scalar(x: Any, name: str, xp: Any) -> Any:
    if is_array(x):
        if x.ndim != 0:
            raise ShapeError(f"{name} has shape {tuple(x.shape)} but must be one number.")
        if not xp.isdtype(x.dtype, "real floating"):
            raise InputTypeError(f"{name} has dtype {x.dtype}; it is a real energy [eV].")
        check_finite(x[None], name)
        return x
    try:
        if isinstance(x, complex | str | bool):
            raise TypeError
        value = float(x)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name}={x!r} must be a real number [eV].") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{name}={x!r} must be finite.")
    return value
