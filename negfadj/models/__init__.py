"""Where a Hamiltonian comes from: structures, tight-binding models, leads and block-tridiagonal order."""

from .leads import LeadCell, recognise_lead
from .neighbours import NeighbourPairs, neighbour_pairs
from .parameters import parameter_set, parameter_sets, read_parameters
from .partition import Partition, partition
from .sparse_device import LeadMatrices, device_from_sparse
from .structure import Structure, read_structure
from .tight_binding import Shell, TightBinding, coupled_pairs, tight_binding_matrices
from .transport_model import TransportModel, in_leads, transport_model

__all__ = [
    "LeadCell",
    "LeadMatrices",
    "NeighbourPairs",
    "Partition",
    "Shell",
    "Structure",
    "TightBinding",
    "TransportModel",
    "coupled_pairs",
    "device_from_sparse",
    "in_leads",
    "neighbour_pairs",
    "parameter_set",
    "parameter_sets",
    "partition",
    "read_parameters",
    "read_structure",
    "recognise_lead",
    "tight_binding_matrices",
    "transport_model",
]
