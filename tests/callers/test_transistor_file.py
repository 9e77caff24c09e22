"""The job file of a transistor: what it refuses, and that it says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transistors import job_text

from negfadj.callers.job_file import job_kind
from negfadj.callers.transistor_file import load_transistor, parse_transistor
from negfadj.errors import FileFormatError, InputError

ROOT = Path(__file__).resolve().parents[2]


def test_job_kinds_are_told_apart() -> None:
    assert job_kind(job_text(), Path("job.toml")) == "nanotube-transistor"
    assert job_kind('title = "a ribbon"', Path("job.toml")) == "transport"


def test_an_unknown_kind_is_named_with_its_line() -> None:
    with pytest.raises(InputError, match=r"job.toml, line 1: job = 'diode' is not known; known are 'transport', 'nano"):
        job_kind('job = "diode"', Path("job.toml"))


def test_a_file_that_is_not_toml_is_refused() -> None:
    with pytest.raises(FileFormatError, match="not TOML"):
        job_kind("job = ", Path("job.toml"))


@pytest.mark.parametrize("name", ["cnt_transistor.toml", "cnt_transistor_full.toml"])
def test_examples_are_good_jobs(name: str) -> None:
    job = load_transistor(ROOT / "examples" / name)
    assert job.settings.tube.n == 13 and job.results_path.parent == ROOT / "examples" / "results"


def test_gate_voltages_are_an_even_grid() -> None:
    settings = parse_transistor(job_text(), Path("job.toml")).settings
    np.testing.assert_array_equal(settings.voltages.gate(), [0.0, 0.2, 0.4])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spacer = 9.0", "spacre = 9.0", "line 10: unknown key 'geometry.spacre'; did you mean 'spacer'?"),
        ("spacer = 9.0", "doping = 9.0", "line 10: unknown key 'geometry.doping'; it belongs in [materials]."),
        ("spacer = 9.0\n", "", "line 8: 'geometry.spacer' is missing; [geometry] needs it"),
        ("oxide_permittivity = 4.0", "oxide_permittivity = -4.0", "line 15: materials.oxide_permittivity = -4.0"),
        ("doping = 0.5", "doping = 0.0", "line 14: [materials]: `doping` = 0 leaves the leads without carriers"),
        ("modes = 1", "modes = 4", "line 4: [tube]: `modes` = 4 but a (7, 0) tube has 3 pairs of modes"),
        ("gate_stop = 0.4", "gate_stop = -0.4", "`gate_start` = 0.0 must be below `gate_stop` = -0.4"),
        ("drain = [0.05, 0.2]", "drain = [0.2, 0.05]", "`drain` must rise"),
        ("gate_count = 3", "gate_count = 3\ntemperature = 0.0", "line 23: voltages.temperature = 0.0"),
        ("[numerics]", "[output]\non = 0.7\n\n[numerics]", "output.on = 0.7 V is outside of the gate voltages 0 … 0.4"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_transistor(job_text((old, new)), Path("job.toml"))
    assert message in str(caught.value)
