"""Adaptive integration over energy: ∫ T(E) w_k(E) dE for many weights w_k on one common set of nodes.

Every interval is done by the Gauss–Kronrod pair (7, 15); intervals whose error is too large are halved, all of them at
once, so that T is asked for in few large batches. Sources: Piessens et al., QUADPACK (1983), Sec. 2.2 and qk15/qag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as host

from ..errors import ConvergenceError, InputError

# abscissae in (0, 1), Kronrod weights, Gauss weights (zero where a node is Kronrod's alone)
_KRONROD = (
    (0.0, 0.209482141084727828012999174891714, 0.417959183673469387755102040816327),
    (0.207784955007898467600689403773245, 0.204432940075298892414161999234649, 0.0),
    (0.405845151377397166906606412076961, 0.190350578064785409913256402421014, 0.381830050505118944950369775488975),
    (0.586087235467691130294144691693600, 0.169004726639267902826583426598550, 0.0),
    (0.741531185599394439863864773280788, 0.140653259715525918745189590510238, 0.279705391489276667901467771423780),
    (0.864864423359769072789712788640926, 0.104790010322250183839876322541518, 0.0),
    (0.949107912342758524526189684047851, 0.063092092629978553290700663189204, 0.129484966168869693270611432679082),
    (0.991455371120812639206854697526329, 0.022935322010529224963732008058970, 0.0),
)
_HALF = _KRONROD[1:]
NODES = host.asarray([-x for x, _, _ in reversed(_HALF)] + [0.0] + [x for x, _, _ in _HALF])
KRONROD_WEIGHTS = host.asarray([w for _, w, _ in reversed(_HALF)] + [_KRONROD[0][1]] + [w for _, w, _ in _HALF])
GAUSS_WEIGHTS = host.asarray([w for _, _, w in reversed(_HALF)] + [_KRONROD[0][2]] + [w for _, _, w in _HALF])


NOTHING = 1e-22  # a transmission this small counts as none


@dataclass(frozen=True, eq=False)
class EnergyIntegral:
    """Nodes (m,), their quadrature weights (m,), T there (m,), the K integrals and their error estimates (K,)."""

    energies: Any
    weights: Any
    values: Any
    integrals: Any
    errors: Any


def check_rtol(rtol: Any) -> None:
    """Raise `InputError` unless `rtol` lies between 0 and 1."""
    if isinstance(rtol, str) or not 0 < rtol < 1:
        raise InputError(f"rtol={rtol!r} must lie between 0 and 1.")


def integrate(
    function: Callable[[Any], Any],
    weight: Callable[[Any], Any],
    breaks: list[float],
    *,
    rtol: float,
    max_energies: int,
    nothing: float = NOTHING,
) -> EnergyIntegral:
    """∫ T(E) w_k(E) dE between the first and the last break.

    Parameters
    ----------
    function : callable
        Energies (m,) → T (m,), host arrays; asked for in batches.
    weight : callable
        Energies (m,) → w (m, K), cheap.
    breaks : list of float
        Ends of the first intervals [eV].
    rtol : float
        Error allowed, relative to ∫ |T w_k| dE, for every k.
    nothing : float
        A T this small counts as none.
    max_energies : int
        T is asked for no more often than this.

    Raises
    ------
    ConvergenceError
        When `max_energies` is used up; it says the error reached.
    """
    check_rtol(rtol)
    edges = host.asarray(sorted(set(breaks)))
    lower, upper = edges[:-1], edges[1:]
    if NODES.size * lower.size > max_energies:
        raise InputError(
            f"max_energies={max_energies!r} is less than the {NODES.size * lower.size} energies of the first "
            f"{lower.size} intervals; give at least that many."
        )
    done: list[_Panels] = []
    pending = _panels(function, weight, lower, upper)
    asked = pending.energies.size
    while True:
        panels = _joined([*done, pending])
        integrals, errors = panels.integrals.sum(axis=0), panels.errors.sum(axis=0)
        allowed = rtol * panels.magnitudes.sum(axis=0) + nothing * panels.weighed.sum(axis=0)
        if not host.any(errors > allowed):
            break
        # halve what holds more than its share of the error allowed, unless it is too narrow to matter
        share = allowed / panels.lower.shape[0]
        narrowest = host.maximum(1e-14 * (1 + host.abs(panels.lower)), min(1e-9, rtol / 100) * (edges[-1] - edges[0]))
        done_with = panels.upper - panels.lower < narrowest
        bad = host.any((panels.errors > share) & (errors > allowed), axis=1) & ~done_with
        if not host.any(bad):
            break
        if asked + 30 * int(bad.sum()) > max_energies:
            worst = int(host.argmax(errors - allowed))
            at = float(panels.lower[int(host.argmax(panels.errors[:, worst]))])
            raise ConvergenceError(
                f"the energy integral has error {errors[worst]:.3g} (allowed {allowed[worst]:.3g}) after {asked} "
                f"energies, most of it near E = {at:.6g} eV; raise max_energies or rtol, or give a small eta.",
                energies=[at],
                residual=float(errors[worst]),
            )
        middle = (panels.lower[bad] + panels.upper[bad]) / 2
        done, halved = [panels.where(~bad)], panels.where(bad)
        lower, upper = host.concat([halved.lower, middle]), host.concat([middle, halved.upper])
        pending = _panels(function, weight, lower, upper)
        asked += pending.energies.size
    return _result(panels, integrals, errors)


@dataclass(frozen=True, eq=False)
class _Panels:
    """Intervals with T on their nodes, and per weight: ∫ T w, its error, ∫ |T w| and ∫ |w|."""

    lower: Any  # (P,)
    upper: Any
    energies: Any  # (P, 15)
    values: Any  # (P, 15)
    integrals: Any  # (P, K)
    errors: Any
    magnitudes: Any
    weighed: Any

    def where(self, mask: Any) -> _Panels:
        return _Panels(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def _joined(parts: list[_Panels]) -> _Panels:
    return _Panels(*(host.concat([getattr(p, name) for p in parts]) for name in _Panels.__dataclass_fields__))


def _panels(function: Callable[[Any], Any], weight: Callable[[Any], Any], lower: Any, upper: Any) -> _Panels:
    half, centre = (upper - lower) / 2, (upper + lower) / 2
    energies = centre[:, None] + half[:, None] * NODES[None, :]
    flat = host.reshape(energies, (-1,))
    values = host.reshape(function(flat), energies.shape)
    weights = host.reshape(weight(flat), (*energies.shape, -1))  # (P, 15, K)
    integrand = values[:, :, None] * weights
    kronrod = half[:, None] * host.sum(KRONROD_WEIGHTS[:, None] * integrand, axis=1)
    gauss = half[:, None] * host.sum(GAUSS_WEIGHTS[:, None] * integrand, axis=1)
    magnitude = half[:, None] * host.sum(KRONROD_WEIGHTS[:, None] * host.abs(integrand), axis=1)
    weighed = half[:, None] * host.sum(KRONROD_WEIGHTS[:, None] * host.abs(weights), axis=1)
    # the plain difference, not QUADPACK's (200 δ)^1.5: T has steps and square roots, on which that is too hopeful
    return _Panels(lower, upper, energies, values, kronrod, host.abs(kronrod - gauss), magnitude, weighed)


def _result(panels: _Panels, integrals: Any, errors: Any) -> EnergyIntegral:
    weights = ((panels.upper - panels.lower)[:, None] / 2) * KRONROD_WEIGHTS[None, :]
    return EnergyIntegral(
        host.reshape(panels.energies, (-1,)),
        host.reshape(weights, (-1,)),
        host.reshape(panels.values, (-1,)),
        integrals,
        errors,
    )
