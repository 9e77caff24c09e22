"""Objectives over a model's parameters: quantities, terms, and the flat real vector an optimiser sees."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .function_model import FunctionModel
from .hamiltonian_entries import HamiltonianEntries, LeadCopy
from .least_squares import fit
from .minimise import minimize
from .model import Model
from .multi_start import MultiStart, Start, multi_start
from .objective import Best, Objective
from .optimum import Iteration, OptimisationError, Optimum
from .parameters import Parameter, Parameters
from .quantity import Quantity
from .terms import LogRatio, Match, Maximise, Minimise, Term

if TYPE_CHECKING:
    from .covariance import Covariance, correlated, covariance_of, independent
    from .gate_threshold import gate_threshold_vjp
    from .impedance_field import first_order_deviation, variance_shares
    from .moments import Variability, variability
    from .threshold import threshold_voltage, threshold_voltage_vjp
    from .tight_binding_model import TightBindingModel

# Names that bring `negfadj.models`, scipy.optimize or scipy.spatial in, and their modules.
LAZY = {
    "Covariance": "covariance",
    "TightBindingModel": "tight_binding_model",
    "Variability": "moments",
    "correlated": "covariance",
    "covariance_of": "covariance",
    "first_order_deviation": "impedance_field",
    "gate_threshold_vjp": "gate_threshold",
    "independent": "covariance",
    "threshold_voltage": "threshold",
    "threshold_voltage_vjp": "threshold",
    "variability": "moments",
    "variance_shares": "impedance_field",
}

__all__ = [
    "Best",
    "Covariance",
    "FunctionModel",
    "HamiltonianEntries",
    "Iteration",
    "LeadCopy",
    "LogRatio",
    "Match",
    "Maximise",
    "Minimise",
    "Model",
    "MultiStart",
    "Objective",
    "OptimisationError",
    "Optimum",
    "Parameter",
    "Parameters",
    "Quantity",
    "Start",
    "Term",
    "TightBindingModel",
    "Variability",
    "correlated",
    "covariance_of",
    "first_order_deviation",
    "fit",
    "gate_threshold_vjp",
    "independent",
    "minimize",
    "multi_start",
    "threshold_voltage",
    "threshold_voltage_vjp",
    "variability",
    "variance_shares",
]


def __getattr__(name: str) -> Any:
    """The names of `LAZY`, imported when they are first asked for."""
    if name in LAZY:
        return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
