"""A small fit and a small design: files in a folder, and the command line called on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ribbons import armchair_ribbon
from typer.testing import CliRunner

import negfadj as na
from negfadj.callers.commands import application
from negfadj.models import Shell, Structure, TightBinding, transport_model

BORON = (13, 16)  # atoms of the ribbon
TRUE = {"onsite": 1.6, "hopping": -2.2}
ENERGIES = np.linspace(-4.03, 4.11, 24)

MODEL = """\
title = "carbon and boron"
source = "made up for a test"

[onsite]
C = 0.0
B = 1.5

[[shells]]
elements = ["C", "C"]
distance = 1.42
tolerance = 0.1
hopping = -2.7

[[shells]]
elements = ["B", "C"]
distance = 1.42
tolerance = 0.1
hopping = -2.1
"""
HEAD = """\
title = "a small search"

[structure]
file = "ribbon.xyz"

[model]
file = "model.toml"

"""
FIT = f"""\
job = "fit"
{HEAD}[[parameter]]
kind = "model"
name = "onsite.B"
bounds = [0.0, 4.0]

[[parameter]]
kind = "pair"
elements = ["C", "B"]
within = 1.0
scale = 0.5

[[target]]
quantity = "transmission"
file = "target.csv"

[search]
tolerance = 1e-12
max_evaluations = 30

[output]
pictures = false
"""
DESIGN = f"""\
job = "design"
{HEAD}[[parameter]]
kind = "onsite"
region = [8.0, 13.0]
start = 0.1
bounds = [-0.5, 0.5]

[[goal]]
aim = "minimise"
quantity = "transmission"
at = [2.5, 3.5]
count = 5

[search]
max_evaluations = 6

[energies]
start = 2.0
stop = 4.03
count = 8

[output]
pictures = false
"""


def ribbon() -> Structure:
    """An armchair ribbon of three dimer lines with two atoms of boron in its middle."""
    carbon = armchair_ribbon(3, 6)
    symbols = ["B" if i in BORON else "C" for i in range(carbon.n_atoms)]
    return Structure(tuple(symbols), carbon.positions)


def written(folder: Path, text: str, *changes: tuple[str, str]) -> Path:
    """The job with texts replaced, and the files it names."""
    structure = ribbon()
    lines = [f"{s} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(structure.symbols, structure.positions)]
    (folder / "ribbon.xyz").write_text("\n".join([str(structure.n_atoms), "", *lines, ""]))
    (folder / "model.toml").write_text(MODEL)
    shells = (Shell(("C", "C"), 1.42, 0.1, -2.7), Shell(("B", "C"), 1.42, 0.1, TRUE["hopping"]))
    device = transport_model(structure, TightBinding({"C": 0.0, "B": TRUE["onsite"]}, shells)).device
    rows = zip(ENERGIES, na.transmission(device, ENERGIES))
    (folder / "target.csv").write_text(
        "energy, transmission  # per spin\n" + "\n".join(f"{e:.15g}, {t:.15g}" for e, t in rows)
    )
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "job.toml"
    path.write_text(text)
    return path


def call(*arguments: object) -> Any:
    """The command line with these arguments."""
    return CliRunner().invoke(application, [str(argument) for argument in arguments])
