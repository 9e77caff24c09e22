"""Where a Hamiltonian comes from: structures, tight-binding models, leads and block-tridiagonal order."""

from .bond_length_laws import BondLengthLaw, Cutoff, ExponentialLaw, GoodwinSkinnerPettifor, PowerLaw, UserLaw
from .coupled_pairs import coupled_pairs
from .leads import LeadCell, recognise_lead
from .neighbours import NeighbourPairs, neighbour_pairs
from .parameters import parameter_set, parameter_sets, read_parameters
from .partition import Partition, partition
from .passivation import passivate
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
from .wires import zincblende_wire

__all__ = [
    "BondLengthLaw",
    "Cutoff",
    "ExponentialLaw",
    "GoodwinSkinnerPettifor",
    "LeadCell",
    "LeadMatrices",
    "NeighbourPairs",
    "OrbitalIndex",
    "Partition",
    "PowerLaw",
    "Shell",
    "Structure",
    "TightBinding",
    "TightBindingCotangent",
    "TransportModel",
    "TransportModelCotangent",
    "UserLaw",
    "coupled_pairs",
    "device_from_sparse",
    "in_leads",
    "neighbour_pairs",
    "orbital_index",
    "parameter_set",
    "parameter_sets",
    "partition",
    "passivate",
    "periodic_hamiltonian",
    "periodic_hamiltonian_vjp",
    "read_parameters",
    "read_structure",
    "recognise_lead",
    "tight_binding_matrices",
    "tight_binding_matrices_vjp",
    "transport_model",
    "transport_model_vjp",
    "zincblende_wire",
]
