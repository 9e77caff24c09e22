"""libNEGF 1.2.1: the transmission of Kwant's wire with δ = 1e-7."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from verified import Comparison

import negfadj as na

CODE = "libNEGF 1.2.1"
FOLDER = Path(__file__).resolve().parents[1] / "data" / "reference"


def test_libnegf_transmission_is_matched(compare: Comparison) -> None:
    with np.load(FOLDER / "libnegf_wire_W8_L50.npz") as data, np.load(FOLDER / "kwant_wire_W8_L50.npz") as wire:
        leads = [
            na.Lead(wire[f"h00_{x}"], wire[f"h01_{x}"], wire[f"tau_{x}"], block=b) for x, b in (("L", 0), ("R", -1))
        ]
        device = na.Device(na.BlockTridiagonal(list(wire["H_diag"]), list(wire["H_up"])), leads)
        found = na.transmission(device, data["energies"], eta=float(data["delta"]))  # its δ is in the leads alone
        compare("wire_W8_L50", "T(E)", found, data["T"], 1e-9)
