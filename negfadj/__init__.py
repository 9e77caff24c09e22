"""negfadj: NEGF quantum transport whose every observable comes with its hand-derived gradient.

NumPy or CuPy arrays in and out, no autodiff framework. Energies [eV], lengths [Å], potentials [V], temperatures [K],
currents [µA]; conventions in docs/conventions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import objectives, testing
from .array import use_kernels, use_threads
from .data import BlockTridiagonal, Device, Lead, PeriodicHamiltonian, SelfEnergy
from .errors import (
    BackendError,
    ConvergenceError,
    FileFormatError,
    HermiticityError,
    InputError,
    InputTypeError,
    KernelCompilationError,
    MemoryLimitError,
    MissingDependencyError,
    NegfadjError,
    ShapeError,
)
from .objectives import (
    FunctionModel,
    HamiltonianEntries,
    LeadCopy,
    LogRatio,
    Match,
    Maximise,
    Minimise,
    MultiStart,
    Objective,
    OptimisationError,
    Optimum,
    Parameter,
    Parameters,
    Quantity,
    fit,
    minimize,
    multi_start,
)
from .physics.bands import band_slopes, bands, bands_vjp, group_velocities
from .physics.charge import Charge, charge, charge_vjp
from .physics.continuation import Continuation, self_consistent_by_continuation
from .physics.currents import current, current_vjp
from .physics.densities import (
    bond_current,
    bond_current_vjp,
    density_of_states,
    density_of_states_vjp,
    lead_density,
    lead_density_vjp,
    local_density_of_states,
    local_density_of_states_vjp,
)
from .physics.differential_conductance import differential_conductance, differential_conductance_vjp
from .physics.lead_cache import LeadCache, lead_cache
from .physics.linear_response import (
    conductance,
    conductance_vjp,
    seebeck,
    seebeck_vjp,
    shot_noise,
    shot_noise_vjp,
    thermal_conductance,
    thermal_conductance_vjp,
)
from .physics.momentum import momentum_path, monkhorst_pack
from .physics.neutral_lead import NeutralLead, neutral_lead
from .physics.observe import Observations, observe, observe_vjp
from .physics.second_order import transmission_hvp, transmission_jvp, transmission_jvp_vjp
from .physics.sector import Sector
from .physics.self_consistent import Solution, self_consistent, self_consistent_vjp
from .physics.small_signal import SmallSignal, small_signal
from .physics.transconductance import transconductance
from .physics.transmission_gradients import transmission_gradients
from .physics.transport import (
    open_channels,
    shot_noise_factor,
    shot_noise_factor_vjp,
    transmission,
    transmission_derivatives,
    transmission_matrix,
    transmission_matrix_vjp,
    transmission_sensitivity,
    transmission_vjp,
)
from .physics.transverse import transmission_over_momenta, transmission_over_momenta_vjp

if TYPE_CHECKING:
    from .objectives import (
        Covariance,
        TightBindingModel,
        Variability,
        correlated,
        covariance_of,
        first_order_deviation,
        gate_threshold_vjp,
        independent,
        threshold_voltage,
        threshold_voltage_vjp,
        variability,
        variance_shares,
    )

__all__ = [
    "BackendError",
    "BlockTridiagonal",
    "Charge",
    "Continuation",
    "ConvergenceError",
    "Covariance",
    "Device",
    "FileFormatError",
    "FunctionModel",
    "HamiltonianEntries",
    "HermiticityError",
    "InputError",
    "InputTypeError",
    "KernelCompilationError",
    "Lead",
    "LeadCache",
    "LeadCopy",
    "LogRatio",
    "Match",
    "Maximise",
    "MemoryLimitError",
    "Minimise",
    "MissingDependencyError",
    "MultiStart",
    "NegfadjError",
    "NeutralLead",
    "Objective",
    "Observations",
    "OptimisationError",
    "Optimum",
    "Parameter",
    "Parameters",
    "PeriodicHamiltonian",
    "Quantity",
    "Sector",
    "SelfEnergy",
    "ShapeError",
    "SmallSignal",
    "Solution",
    "TightBindingModel",
    "Variability",
    "band_slopes",
    "bands",
    "bands_vjp",
    "bond_current",
    "bond_current_vjp",
    "charge",
    "charge_vjp",
    "conductance",
    "conductance_vjp",
    "correlated",
    "covariance_of",
    "current",
    "current_vjp",
    "density_of_states",
    "density_of_states_vjp",
    "differential_conductance",
    "differential_conductance_vjp",
    "first_order_deviation",
    "fit",
    "gate_threshold_vjp",
    "group_velocities",
    "independent",
    "lead_cache",
    "lead_density",
    "lead_density_vjp",
    "local_density_of_states",
    "local_density_of_states_vjp",
    "minimize",
    "momentum_path",
    "monkhorst_pack",
    "multi_start",
    "neutral_lead",
    "observe",
    "observe_vjp",
    "open_channels",
    "seebeck",
    "seebeck_vjp",
    "self_consistent",
    "self_consistent_by_continuation",
    "self_consistent_vjp",
    "shot_noise",
    "shot_noise_factor",
    "shot_noise_factor_vjp",
    "shot_noise_vjp",
    "small_signal",
    "testing",
    "thermal_conductance",
    "thermal_conductance_vjp",
    "threshold_voltage",
    "threshold_voltage_vjp",
    "transconductance",
    "transmission",
    "transmission_derivatives",
    "transmission_gradients",
    "transmission_hvp",
    "transmission_jvp",
    "transmission_jvp_vjp",
    "transmission_matrix",
    "transmission_matrix_vjp",
    "transmission_over_momenta",
    "transmission_over_momenta_vjp",
    "transmission_sensitivity",
    "transmission_vjp",
    "use_kernels",
    "use_threads",
    "variability",
    "variance_shares",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What brings `negfadj.models` or much of SciPy in, imported when it is first asked for."""
    if name in objectives.LAZY:
        return getattr(objectives, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
