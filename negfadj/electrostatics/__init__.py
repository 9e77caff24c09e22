"""Electrostatics: the potential of charges among conductors and dielectrics, its transpose, and its derivatives."""

from .bodies import Conductor, Dielectric, Doping, FixedCharge
from .finite_volume import FiniteVolumePoisson
from .grid import Grid
from .interface import Electrostatics, ElectrostaticsCotangent
from .molecule import MoleculeKernel
from .plates import ParallelPlates
from .regions import Box, Cylinder, CylindricalShell, Union

__all__ = [
    "Box",
    "Conductor",
    "Cylinder",
    "CylindricalShell",
    "Dielectric",
    "Doping",
    "Electrostatics",
    "ElectrostaticsCotangent",
    "FiniteVolumePoisson",
    "FixedCharge",
    "Grid",
    "MoleculeKernel",
    "ParallelPlates",
    "Union",
]
