"""Physical constants (CODATA 2018, exact in the SI of 2019) in negfadj's units: eV, Å, V, K, e, µA.

Sources: Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021).
"""

from __future__ import annotations

ELEMENTARY_CHARGE = 1.602176634e-19  # C
PLANCK = 6.62607015e-34  # J s
BOLTZMANN = 1.380649e-23 / ELEMENTARY_CHARGE  # eV/K
HBAR_EV_S = PLANCK / (2 * 3.141592653589793) / ELEMENTARY_CHARGE  # eV s

CONDUCTANCE_QUANTUM = 2 * ELEMENTARY_CHARGE**2 / PLANCK  # 2e²/h [S], both spins
CURRENT_PER_EV = CONDUCTANCE_QUANTUM * 1e6  # (2e/h) · 1 eV [µA], both spins: 77.48 µA
THERMAL_CONDUCTANCE_PER_EV2_PER_K = 2 * ELEMENTARY_CHARGE**2 / PLANCK * 1e12  # (2/h) · eV²/K [pW/K], both spins
COULOMB_EV_ANGSTROM = 14.399645478425668  # e²/(4π ε₀) [eV Å]
HBAR2_OVER_2M0 = 3.8099821161548593  # ħ²/(2 m₀) [eV Å²]
VACUUM_PERMITTIVITY = 0.0055263493618  # ε₀ [e/(V Å)] = 1/(4π · 14.3996)
