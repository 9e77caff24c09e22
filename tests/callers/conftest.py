"""A small job in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ribbons import armchair_ribbon

JOB = """\
title = "a small ribbon"

[structure]
file = "ribbon.xyz"

[model]
name = "graphene-third-neighbour"

[device.disorder]
width = 0.8
seed = 3

[[device.gate]]
region = [9.0, 18.0]
potential_energy = 0.3
ramp = 3.0

[energies]
start = -2.02
stop = 1.97
count = 7

[output]
map_energies = [-1.0, 1.0]
"""


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """Write the job, with texts replaced, and its structure file; the path of the job."""

    def write(*changes: tuple[str, str]) -> Path:
        ribbon = armchair_ribbon(5, 7)
        lines = [f"{symbol} {x:.8f} {y:.8f} {z:.8f}" for symbol, (x, y, z) in zip(ribbon.symbols, ribbon.positions)]
        (tmp_path / "ribbon.xyz").write_text("\n".join([str(ribbon.n_atoms), "", *lines, ""]))
        text = JOB
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "job.toml"
        path.write_text(text)
        return path

    return write
