"""The factor of a broadening, Γ = W W†: a column for every open channel, by pivoted Cholesky elimination.

    w = R_:p / √R_pp,   R ← R − w w†,   p the largest diagonal entry of what is left of Γ, until it is rounding

At η = 0 evanescent modes are in the Hermitian part of Σ alone, so that W has as many columns as there are open
channels; with η > 0 it has more. No derivative of W is ever needed: observables depend on W W† alone.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), section 10.3;
docs/adjoints/scattering-states.md.
"""

from __future__ import annotations

from ..array import Kernel, adjoint, array_namespace, device_of, eps_of, max_norm
from ..typing import Array


def broadening_factor(gamma: Array, scale: Array, /) -> tuple[Array, Array]:
    """W with Γ = W W†, and what is left: for Γ (E, n, n), (E, n, r) and the largest |Γ − W W†| of every energy, (E,).

    Columns end where the largest diagonal entry left is below n·eps·`scale`, (E,), the size of the self-energy [eV]; r
    is the largest rank of the stack, and columns past an energy's own rank are zero. A Γ that is not positive
    semidefinite has much left.
    """
    factor = _KERNEL(gamma, gamma.shape[-1] * eps_of(gamma) * scale)
    return factor, max_norm(gamma - factor @ adjoint(factor))


def _pivoted_cholesky(gamma: Array, smallest: Array) -> Array:
    xp = array_namespace(gamma)
    n = gamma.shape[-1]
    places = xp.arange(n, device=device_of(gamma))
    left, columns = gamma, []
    for _ in range(n):
        diagonal = xp.real(xp.linalg.diagonal(left))
        largest = xp.max(diagonal, axis=-1)
        goes_on = largest > smallest
        if not bool(xp.any(goes_on)):
            break
        pick = xp.astype(places[None, :] == xp.argmax(diagonal, axis=-1)[:, None], gamma.dtype)  # (E, n)
        safe = xp.where(goes_on, largest, xp.ones_like(largest))
        weight = xp.where(goes_on, 1 / xp.sqrt(safe), xp.zeros_like(largest))
        column = (left @ pick[:, :, None]) * weight[:, None, None]
        left = left - column @ adjoint(column)
        columns.append(column)
    if not columns:
        return gamma[:, :, :0]
    return xp.concat(columns, axis=-1)


_KERNEL = Kernel("broadening_factor", _pivoted_cholesky, numba="broadening_factor:broadening_factor", real=True)
