"""Where a Hamiltonian comes from: structures, tight-binding models, leads and block-tridiagonal order."""

from .bond_length_laws import BondLengthLaw, Cutoff, ExponentialLaw, GoodwinSkinnerPettifor, PowerLaw, UserLaw
from .coupled_pairs import coupled_pairs
from .effective_mass import (
    EffectiveMassCotangent,
    effective_mass_device,
    effective_mass_device_vjp,
    effective_mass_positions,
)
from .from_kwant import KwantDevice, from_kwant, from_kwant_vjp, kwant_pattern
from .from_sisl import SislCotangent, from_sisl, from_sisl_vjp
from .kwant_derivatives import KwantDerivatives, KwantMatrices, kwant_derivatives
from .lattice_device import Lattice, LatticeDevice, LatticeLead, lattice_device, lattice_device_vjp
from .lattices import honeycomb_ribbon, linear_chain, square_lattice, ssh_chain
from .leads import LeadCell, recognise_lead
from .link_phases import FLUX_QUANTUM, LeadPhases, PeierlsPhases, uniform_field_phases, vector_potential_phases
from .nanotube import (
    CircumferentialMode,
    NanotubeModes,
    circumferential_modes,
    nanotube,
    nanotube_model,
    nanotube_radius,
    zigzag_modes,
    zigzag_ring_positions,
)
from .neighbours import NeighbourPairs, neighbour_pairs
from .orbital_positions import OrbitalPositions, transport_positions
from .parameters import parameter_set, parameter_sets, read_parameters
from .partition import Partition, partition
from .passivation import passivate
from .peierls import (
    FieldCotangent,
    PhasesCotangent,
    device_in_field,
    device_in_field_vjp,
    device_with_phases,
    device_with_phases_vjp,
)
from .peierls_matrix import (
    MatrixFieldCotangent,
    MatrixPhasesCotangent,
    matrix_in_field,
    matrix_in_field_vjp,
    matrix_with_phases,
    matrix_with_phases_vjp,
)
from .principal_layer import (
    PeriodicDeviceCotangent,
    device_from_periodic,
    device_from_periodic_vjp,
    lead_from_periodic,
    lead_from_periodic_vjp,
    principal_layer_cells,
)
from .sisl_device import SislDevice, SislDeviceCotangent, SislElectrode, device_from_sisl, device_from_sisl_vjp
from .sparse_device import LeadMatrices, device_from_sparse
from .structure import Structure, read_structure
from .tight_binding import Shell, TightBinding
from .tight_binding_matrices import (
    OrbitalIndex,
    TightBindingCotangent,
    orbital_index,
    periodic_hamiltonian,
    periodic_hamiltonian_vjp,
    tight_binding_matrices,
    tight_binding_matrices_vjp,
)
from .transport_model import (
    TransportModel,
    TransportModelCotangent,
    in_leads,
    transport_model,
    transport_model_vjp,
)
from .wannier90 import read_lattice, read_wannier90, write_wannier90
from .wires import zincblende_wire

__all__ = [
    "BondLengthLaw",
    "CircumferentialMode",
    "Cutoff",
    "EffectiveMassCotangent",
    "ExponentialLaw",
    "FieldCotangent",
    "FLUX_QUANTUM",
    "GoodwinSkinnerPettifor",
    "KwantDerivatives",
    "KwantDevice",
    "KwantMatrices",
    "Lattice",
    "LatticeDevice",
    "LatticeLead",
    "LeadCell",
    "LeadMatrices",
    "LeadPhases",
    "MatrixFieldCotangent",
    "MatrixPhasesCotangent",
    "NanotubeModes",
    "NeighbourPairs",
    "OrbitalIndex",
    "OrbitalPositions",
    "Partition",
    "PeierlsPhases",
    "PeriodicDeviceCotangent",
    "PhasesCotangent",
    "PowerLaw",
    "Shell",
    "SislCotangent",
    "SislDevice",
    "SislDeviceCotangent",
    "SislElectrode",
    "Structure",
    "TightBinding",
    "TightBindingCotangent",
    "TransportModel",
    "TransportModelCotangent",
    "UserLaw",
    "circumferential_modes",
    "coupled_pairs",
    "device_from_periodic",
    "device_from_periodic_vjp",
    "device_from_sisl",
    "device_from_sisl_vjp",
    "device_from_sparse",
    "device_in_field",
    "device_in_field_vjp",
    "device_with_phases",
    "device_with_phases_vjp",
    "effective_mass_device",
    "effective_mass_device_vjp",
    "effective_mass_positions",
    "from_kwant",
    "from_kwant_vjp",
    "from_sisl",
    "from_sisl_vjp",
    "honeycomb_ribbon",
    "in_leads",
    "kwant_derivatives",
    "kwant_pattern",
    "lattice_device",
    "lattice_device_vjp",
    "lead_from_periodic",
    "lead_from_periodic_vjp",
    "linear_chain",
    "matrix_in_field",
    "matrix_in_field_vjp",
    "matrix_with_phases",
    "matrix_with_phases_vjp",
    "nanotube",
    "nanotube_model",
    "nanotube_radius",
    "neighbour_pairs",
    "orbital_index",
    "parameter_set",
    "parameter_sets",
    "partition",
    "passivate",
    "periodic_hamiltonian",
    "periodic_hamiltonian_vjp",
    "principal_layer_cells",
    "read_lattice",
    "read_parameters",
    "read_structure",
    "read_wannier90",
    "recognise_lead",
    "square_lattice",
    "ssh_chain",
    "tight_binding_matrices",
    "tight_binding_matrices_vjp",
    "transport_model",
    "transport_model_vjp",
    "transport_positions",
    "uniform_field_phases",
    "vector_potential_phases",
    "write_wannier90",
    "zigzag_modes",
    "zigzag_ring_positions",
    "zincblende_wire",
]
