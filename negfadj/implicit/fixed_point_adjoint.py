"""The derivative of a fixed point x = g(x, θ), by one linear solve: as an adjoint, or as a tangent.

    dx = (1 − J)⁻¹ ∂g/∂θ dθ,      J = ∂g/∂x at the fixed point
    <x̄, dx> = <λ, ∂g/∂θ dθ>,      (1 − J)ᵀ λ = x̄

so that θ̄ += (∂g/∂θ)ᵀ λ: the pullback of g, at λ. For F(x, θ) = 0 take g = x − F, J = 1 − F'.

Sources: docs/adjoints/fixed-point.md (implicit-function theorem).
"""

from __future__ import annotations

from ..errors import InputError
from ..typing import Array
from .gmres import LinearMap, LinearSolution, gmres
from .solution import FixedPointError


def fixed_point_adjoint(
    jacobian_transpose_product: LinearMap,
    x_bar: Array,
    *,
    preconditioner: LinearMap | None = None,
    tolerance: float = 1e-10,
    max_products: int = 240,
    restart: int = 60,
) -> LinearSolution:
    """Solve (1 − J)ᵀ λ = x̄.

    Parameters
    ----------
    jacobian_transpose_product : callable
        v (n,) → Jᵀ v (n,) at the fixed point: the pullback of x → g(x, θ).
    x_bar : real array, shape (n,)
        Cotangent of the fixed point.
    preconditioner : callable, optional
        v → M⁻ᵀ v with M near 1 − J.
    tolerance : float
        On ‖x̄ − (1 − J)ᵀλ‖₂/‖x̄‖₂.
    max_products, restart : int
        Of GMRES.

    Returns
    -------
    LinearSolution
        λ is its `x` (n,), on the device of x̄; `residual` is the true one. What λ is
        for, θ̄ += (∂g/∂θ)ᵀ λ, is the caller's.

    Raises
    ------
    FixedPointError
        When the residual stays above the tolerance: no gradient is returned.
    InputError, InputTypeError, ShapeError
        For an x̄ that is no finite real vector, or a product of another shape.

    Sources
    -------
    docs/adjoints/fixed-point.md.
    """
    return _solved(
        lambda v: v - jacobian_transpose_product(v), x_bar, preconditioner, tolerance, max_products, restart, "adjoint"
    )


def fixed_point_tangent(
    jacobian_product: LinearMap,
    d_map: Array,
    *,
    preconditioner: LinearMap | None = None,
    tolerance: float = 1e-10,
    max_products: int = 240,
    restart: int = 60,
) -> LinearSolution:
    """Solve (1 − J) dx = ∂g/∂θ dθ.

    Parameters
    ----------
    jacobian_product : callable
        v (n,) → J v (n,) at the fixed point: the tangent of x → g(x, θ).
    d_map : real array, shape (n,)
        ∂g/∂θ dθ, the tangent of g at fixed x.
    preconditioner : callable, optional
        v → M⁻¹ v with M near 1 − J.
    tolerance : float
        On the relative residual, 2-norms.
    max_products, restart : int
        Of GMRES.

    Returns
    -------
    LinearSolution
        dx is its `x` (n,).

    Raises
    ------
    FixedPointError, InputError, InputTypeError, ShapeError
        As `fixed_point_adjoint`.

    Sources
    -------
    docs/adjoints/fixed-point.md.
    """
    return _solved(
        lambda v: v - jacobian_product(v), d_map, preconditioner, tolerance, max_products, restart, "tangent"
    )


def _solved(
    operator: LinearMap,
    right: Array,
    preconditioner: LinearMap | None,
    tolerance: float,
    max_products: int,
    restart: int,
    name: str,
) -> LinearSolution:
    if not tolerance < 1:
        raise InputError(f"tolerance={tolerance!r} must be below 1, as it is relative to the right side.")
    found = gmres(
        operator,
        right,
        preconditioner=preconditioner,
        tolerance=tolerance,
        max_products=max_products,
        restart=restart,
    )
    if found.residual <= tolerance:
        return found
    raise FixedPointError(
        f"the {name} of the fixed point has the relative residual {found.residual:.3g} after {found.n_products} "
        f"products, above the tolerance {tolerance:.3g}; give a better preconditioner or more products; if it "
        "stays, 1 − J is singular here (a turning point), or the product is not that of a linear map.",
        residual=found.residual,
        history=found.history,
    )
