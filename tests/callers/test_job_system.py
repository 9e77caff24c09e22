"""From a job file to the system: disorder, gates, and what they may not touch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from negfadj.callers.job_file import load_job
from negfadj.callers.job_system import build_system
from negfadj.errors import InputError
from negfadj.models import in_leads

WriteJob = Callable[..., Path]


def test_disorder_is_the_same_for_the_same_seed(write_job: WriteJob) -> None:
    first, second = (build_system(load_job(write_job())).onsite_energy for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_disorder_differs_for_another_seed(write_job: WriteJob) -> None:
    first = build_system(load_job(write_job())).onsite_energy
    assert np.any(first != build_system(load_job(write_job(("seed = 3", "seed = 4")))).onsite_energy)


def test_disorder_stays_within_its_width_and_out_of_the_leads(write_job: WriteJob) -> None:
    system = build_system(load_job(write_job()))
    assert 0.3 < np.abs(system.onsite_energy).max() <= 0.4
    assert not np.any(system.onsite_energy[in_leads(system.transport)])


def test_gate_has_its_full_height_inside_and_nothing_outside(write_job: WriteJob) -> None:
    system = build_system(load_job(write_job()))
    x = system.transport.structure.positions[:, 0]
    inside, outside = (x > 10.51) & (x < 16.49), (x < 7.49) | (x > 19.51)
    np.testing.assert_allclose(system.potential_energy[inside], 0.3)
    assert not np.any(system.potential_energy[outside])


def test_gate_that_reaches_into_a_lead_is_refused(write_job: WriteJob) -> None:
    with pytest.raises(InputError, match="the gates reach into a lead"):
        build_system(load_job(write_job(("[9.0, 18.0]", "[1.0, 18.0]"))))


def test_ramp_longer_than_its_region_is_refused(write_job: WriteJob) -> None:
    with pytest.raises(InputError, match=r"device.gate.ramp = 30.0 Å is longer than its region of 9 Å"):
        build_system(load_job(write_job(("ramp = 3.0", "ramp = 30.0"))))


def test_disorder_region_in_a_lead_is_refused(write_job: WriteJob) -> None:
    with pytest.raises(InputError, match=r"device.disorder.region = \[0.0, 15.0\] Å reaches into"):
        build_system(load_job(write_job(("seed = 3", "seed = 3\nregion = [0.0, 15.0]"))))


def test_fingerprint_does_not_depend_on_title_and_output(write_job: WriteJob) -> None:
    first = build_system(load_job(write_job())).fingerprint
    second = build_system(
        load_job(write_job(("a small ribbon", "another title"), ("[-1.0, 1.0]", "[0.0]")))
    ).fingerprint
    assert first == second


def test_fingerprint_depends_on_the_physics(write_job: WriteJob) -> None:
    first = build_system(load_job(write_job())).fingerprint
    assert first != build_system(load_job(write_job(("potential_energy = 0.3", "potential_energy = 0.31")))).fingerprint
