"""negfadj: NEGF quantum transport whose every observable comes with its hand-derived gradient.

NumPy or CuPy arrays in and out, no autodiff framework. Energies [eV], lengths [Å], potentials [V], temperatures [K],
currents [µA]; conventions in docs/conventions.md.
"""

from . import testing
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
from .physics.sector import Sector
from .physics.self_consistent import Solution, self_consistent, self_consistent_vjp
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

__all__ = [
    "BackendError",
    "BlockTridiagonal",
    "Charge",
    "Continuation",
    "ConvergenceError",
    "Device",
    "FileFormatError",
    "HermiticityError",
    "InputError",
    "InputTypeError",
    "KernelCompilationError",
    "Lead",
    "LeadCache",
    "MemoryLimitError",
    "MissingDependencyError",
    "NegfadjError",
    "NeutralLead",
    "PeriodicHamiltonian",
    "Sector",
    "SelfEnergy",
    "ShapeError",
    "Solution",
    "band_slopes",
    "bands",
    "bands_vjp",
    "bond_current",
    "bond_current_vjp",
    "charge",
    "charge_vjp",
    "conductance",
    "conductance_vjp",
    "current",
    "current_vjp",
    "density_of_states",
    "density_of_states_vjp",
    "group_velocities",
    "lead_cache",
    "lead_density",
    "lead_density_vjp",
    "local_density_of_states",
    "local_density_of_states_vjp",
    "momentum_path",
    "monkhorst_pack",
    "neutral_lead",
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
    "testing",
    "thermal_conductance",
    "thermal_conductance_vjp",
    "transmission",
    "transmission_derivatives",
    "transmission_matrix",
    "transmission_matrix_vjp",
    "transmission_over_momenta",
    "transmission_over_momenta_vjp",
    "transmission_sensitivity",
    "transmission_vjp",
    "use_kernels",
    "use_threads",
]

__version__ = "0.1.0"
