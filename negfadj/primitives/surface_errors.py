"""The errors of a surface Green's function: which energies failed, by how much, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from ..array import array_namespace, to_numpy
from ..errors import ConvergenceError
from ..typing import Array


def _named(bad: Array, energies: Sequence[float]) -> tuple[list[float], str]:
    at = [float(e) for e, is_bad in zip(energies, to_numpy(bad).tolist()) if is_bad]
    text = ", ".join(f"{e:.10g}" for e in at[:5]) + (f" and {len(at) - 5} more" if len(at) > 5 else "")
    return at, text


def _worst(values: Array, bad: Array) -> float:
    host = to_numpy(values)[to_numpy(bad)]
    return float("nan") if (host != host).any() else float(abs(host).max())


def raise_unconverged(bad: Array, residual: Array, method: str, energies: Sequence[float], tolerance: float) -> None:
    """The surface function's equation is not solved, or there is nothing to solve it with."""
    at, text = _named(bad, energies)
    worst = _worst(residual, bad)
    fix = (
        'raise eta, or use lead_method="modes"'
        if method == "decimation"
        else "the energy is at a band edge, a flat band or a surface state of the lead: shift it slightly, or give "
        "a small eta"
    )
    how = f"has residual {worst:.3g} (allowed {tolerance:.3g})" if worst == worst else "does not exist"
    raise ConvergenceError(
        f"the surface Green's function by {method} {how} at E = {text} eV; {fix}.",
        energies=at,
        residual=worst,
    )


def raise_surface_state(bad: Array, pole: Array, energies: Sequence[float]) -> None:
    """The surface function is so large that its self-energy keeps few digits."""
    at, text = _named(bad, energies)
    worst = _worst(pole, bad)
    raise ConvergenceError(
        f"the lead has a surface state at E = {text} eV: its surface Green's function is {worst:.3g} times that of a "
        "cell, and the result would lose most of its digits; shift the energy by 1e-5 eV or more, or give eta >= 1e-6.",
        energies=at,
        residual=worst,
    )


def raise_wrong_branch(wrong: Array, lowest: Array, method: str, energies: Sequence[float]) -> None:
    """A local density of states is negative."""
    at, text = _named(wrong, energies)
    worst = _worst(lowest, wrong)
    raise ConvergenceError(
        f"the surface Green's function by {method} is not the retarded one at E = {text} eV: a local density of states "
        f"of {-worst:.3g}·π is negative; the energy is at a band edge: shift it slightly, or give a small eta.",
        energies=at,
        residual=worst,
    )


def check_stein(residual: Array, energies: Sequence[float], tolerance: float) -> None:
    """Raise where the adjoint's Stein equation is not solved to the tolerance."""
    xp = array_namespace(residual)
    bad = ~(residual <= tolerance)
    if bool(xp.any(bad)):
        at, text = _named(bad, energies)
        worst = _worst(residual, bad)
        how = f"has residual {worst:.3g} (allowed {tolerance:.3g})" if worst == worst else "does not exist"
        raise ConvergenceError(
            f"the adjoint of the surface Green's function {how} at "
            f"E = {text} eV: at a band edge or a crossing of bands, where the derivative does not exist; "
            "shift the energy slightly, or give a small eta.",
            energies=at,
            residual=worst,
        )
