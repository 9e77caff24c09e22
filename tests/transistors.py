"""A short (7, 0) transistor as a job."""

from __future__ import annotations

from pathlib import Path

from negfadj.callers.transistor_file import TransistorJob, parse_transistor

JOB = """\
job = "nanotube-transistor"
title = "a short transistor"

[tube]
n = 7
modes = 1

[geometry]
channel = 14.0
spacer = 9.0
contact = 9.0
oxide = 8.0

[materials]
oxide_permittivity = 4.0
doping = 0.5

[voltages]
drain = [0.05, 0.2]
gate_start = 0.0
gate_stop = 0.4
gate_count = 3

[numerics]
error = 1e-7
tolerance = 1e-7
"""


def job_text(*changes: tuple[str, str]) -> str:
    """The job with texts replaced."""
    text = JOB
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def transistor(*changes: tuple[str, str]) -> TransistorJob:
    """The checked job with texts replaced."""
    return parse_transistor(job_text(*changes), Path("transistor.toml"))
