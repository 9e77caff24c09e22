"""The data of a calculation: frozen classes of arrays with names, and no algorithm."""

from .block_tridiagonal import BlockTridiagonal
from .device import Device
from .lead import Lead, SelfEnergy
from .periodic import PeriodicHamiltonian

__all__ = ["BlockTridiagonal", "Device", "Lead", "PeriodicHamiltonian", "SelfEnergy"]
