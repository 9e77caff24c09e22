"""Fixed points of plain vectors: Newton–Krylov, the flow to a solution, Anderson, the adjoint they share."""

from .anderson import anderson
from .fixed_point_adjoint import fixed_point_adjoint, fixed_point_tangent
from .gmres import LinearSolution, gmres
from .newton_krylov import newton_krylov
from .pseudo_transient import pseudo_transient
from .solution import FixedPointError, FixedPointSolution

__all__ = [
    "FixedPointError",
    "FixedPointSolution",
    "LinearSolution",
    "anderson",
    "fixed_point_adjoint",
    "fixed_point_tangent",
    "gmres",
    "newton_krylov",
    "pseudo_transient",
]
