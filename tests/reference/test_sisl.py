"""sisl 0.20.0: self-energies of two ribbons, both directions, z = E + 1e-4 i."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from self_energies import self_energy
from verified import Comparison

import negfadj as na

CODE = "sisl 0.20.0"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "reference"


@pytest.mark.parametrize("name", ["zigzag_n16", "armchair_n16"])
@pytest.mark.parametrize("direction", ["pA", "mA"])
def test_sisl_self_energy_is_matched(name: str, direction: str, compare: Comparison) -> None:
    with np.load(FOLDER / f"sisl_{name}.npz") as data:
        hopping = data["h01"] if direction == "pA" else data["h01"].conj().T
        found = self_energy(na.Lead(data["h00"], hopping), data["energies"], float(data["eta"]))
        compare(name, "Σ in both directions", found, data[f"Sigma_{direction}"], 1e-9)


@pytest.mark.parametrize("name", ["zigzag_n16", "armchair_n16"])
@pytest.mark.parametrize("direction", ["pA", "mA"])
def test_sisl_bulk_inverse_is_matched(name: str, direction: str, compare: Comparison) -> None:
    with np.load(FOLDER / f"sisl_{name}.npz") as data:
        hopping = data["h01"] if direction == "pA" else data["h01"].conj().T
        z = data["energies"] + 1j * float(data["eta"])
        sigma = self_energy(na.Lead(data["h00"], hopping), data["energies"], float(data["eta"]))
        found = z[:, None, None] * np.eye(len(data["h00"])) - data["h00"] - sigma
        compare(name, "inverse surface Green's function", found, data[f"bulk_{direction}"], 1e-9)
