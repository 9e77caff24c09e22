"""What the comparisons with other codes found, as rows, and the page docs/verified-against.md made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

COMMAND = "python docs/verified_against.py"

CODES = {
    "Closed forms": "Textbook formulas of a chain, an impurity, a barrier and a level between wide bands.",
    "Kwant 1.5.0": "Groth et al., New J. Phys. 16, 063065 (2014). η = 0, leads by modes.",
    "sisl 0.20.0": "Papior, doi:10.5281/zenodo.597181. z = E + 1e-4 i.",
    "libNEGF 1.2.1": "Pecchia et al., New J. Phys. 10, 065022 (2008). δ = 1e-7 in the leads.",
    "AD-NEGF": "The PyTorch code of Zhou et al., Phys. Rev. B 108, 195143 (2023). It has no broadening in "
    "the couplings, which moves T\nby η dT/dη and is most of the differences, but for rows that say otherwise.",
}

SYSTEMS = {
    "wire_W8_L50": "disordered square-lattice wire, 8 × 50",
    "wire_W32_L50": "disordered square-lattice wire, 32 × 50",
    "agnr_16_L30": "disordered armchair graphene ribbon, 16 × 30",
    "zigzag_n16": "zigzag graphene ribbon, 16 wide",
    "armchair_n16": "armchair graphene ribbon, 16 wide",
    "gnr_l3": "graphene ribbon, third neighbours with overlap",
    "gnr_l3_disorder_gradient": "disordered graphene ribbon, third neighbours with overlap",
    "gnr_l1_energy_derivatives": "graphene ribbon of one layer, third neighbours with overlap",
    "agnr6_position_gradient": "six displaced atoms of an armchair ribbon",
    "doping_gradient": "periodically doped ribbon, 13 parameters",
}


@dataclass(frozen=True)
class Row:
    """One quantity of one system beside another code's: the largest difference met, and what the test asks for."""

    code: str
    system: str
    quantity: str
    difference: float
    tolerance: float
    relative: bool


ROWS = pytest.StashKey[list[Row]]()


@dataclass(frozen=True)
class Comparison:
    """compare(system, quantity, found, expected, tolerance): asserts and keeps the row."""

    code: str
    rows: list[Row]

    def __call__(
        self, system: str, quantity: str, found: Any, expected: Any, tolerance: float, *, relative: bool = False
    ) -> None:
        found, expected = np.asarray(found), np.asarray(expected)
        assert found.shape == expected.shape, f"{quantity} has shape {found.shape}, the reference {expected.shape}"
        difference = float(np.max(np.abs(found - expected)))
        if relative:
            difference /= float(np.max(np.abs(expected)))
        self.rows.append(Row(self.code, SYSTEMS.get(system, system), quantity, difference, tolerance, relative))
        assert difference <= tolerance, f"{quantity} of {system} is off by {difference:.3g}, allowed {tolerance:g}"


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row for each code, system and quantity, with the largest difference; by code, then by system."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = (row.code, row.system, row.quantity)
        if key not in found or row.difference > found[key].difference:
            found[key] = row
    codes, systems = list(CODES), list(dict.fromkeys(row.system for row in found.values()))
    return sorted(found.values(), key=lambda row: (codes.index(row.code), systems.index(row.system)))


def layout(row: Row) -> tuple[str, str, str, str]:
    """What of a row does not depend on the machine: code, system, quantity, tolerance."""
    return row.code, row.system, row.quantity, f"{_short(row.tolerance)}{' relative' if row.relative else ''}"


def _short(x: float) -> str:
    return f"{x:.0e}" if x else "0"


def page(rows: Iterable[Row], version: str) -> str:
    """docs/verified-against.md."""
    rows = merged(rows)
    parts = [
        "# Verified against\n",
        "Results of other codes and closed forms, beside those of negfadj. The tests that compare them write these "
        f"tables:\n\n    {COMMAND}\n",
        f"Written by version {version}. A test fails where a difference exceeds its tolerance, another one where a "
        "comparison is not on this page.\n",
        'Differences are the largest over all entries and energies. "Relative" is to the largest entry of the '
        "reference. Energies are in eV, T is\nper spin.\n",
    ]
    for code in CODES:
        chosen = [row for row in rows if row.code == code]
        if chosen:
            parts += [f"## {code}\n", f"{CODES[code]}\n", table(chosen)]
    elsewhere = [f"| {code} | {what} | `{tests}` |" for code, what, tests in COMPARED_ELSEWHERE]
    parts += [
        "## Compared while the tests run\n",
        "What is computed anew in each run of the tests is not in the tables.\n",
        "\n".join(["| with | what | tests |", "|---|---|---|", *elsewhere]) + "\n",
    ]
    return "\n".join(parts)


def table(rows: list[Row]) -> str:
    """Rows of one code."""
    lines = ["| system | quantity | largest difference | tolerance |", "|---|---|---|---|"]
    for row in rows:
        _, system, quantity, tolerance = layout(row)
        lines.append(f"| {system} | {quantity} | {_short(row.difference)} | {tolerance} |")
    return "\n".join(lines) + "\n"


def layouts_of_page(text: str) -> list[tuple[str, str, str, str]]:
    """The layouts of the rows of a page."""
    found, code = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            code = line[3:] if line[3:] in CODES else ""
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| ") else []
        if code and len(cells) == 4 and cells[0] != "system":
            found.append((code, cells[0], cells[1], cells[3]))
    return found


COMPARED_ELSEWHERE = (
    (
        "Kwant 1.5.0, in an environment of its own",
        "T, reflection, densities, modes with magnetic fields, spin, several leads; gradients to a model's parameters",
        "tests/models/test_from_kwant.py",
    ),
    (
        "sisl 0.20",
        "T by its matrices and self-energies: overlap, spin–orbit, non-collinear, transverse k, four electrodes",
        "tests/models/test_from_sisl.py",
    ),
    (
        "dense inverses with exact tangents",
        "every observable and its gradient",
        "tests/physics/test_observables_dense.py",
    ),
    ("Slater and Koster's printed table", "two-centre matrix elements up to d", "tests/models/test_two_centre.py"),
    (
        "a loop written out with dense matrices",
        "potential, charge and current at bias",
        "tests/physics/test_self_consistent.py",
    ),
)
