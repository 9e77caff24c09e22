"""The speed benchmark's own parts: its systems, its peers, its cost model and what it makes of ratios."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import negfadj as na

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def test_plain_loop_is_the_library() -> None:
    from speed_plain import plain_transmission
    from speed_systems import ribbon, wire

    for device, energies in ((wire(5, 7), np.array([1.3, 2.9, 5.2])), (ribbon(8, 4), np.array([0.71, 1.6]))):
        found = plain_transmission(device, energies, 1e-3)
        assert found.max() > 0.5
        np.testing.assert_allclose(found, na.transmission(device, energies, eta=1e-3), atol=1e-8)


@pytest.mark.skipif(importlib.util.find_spec("sisl") is None, reason="sisl is not installed")
def test_sisl_self_energies_are_the_librarys() -> None:
    from speed_sisl import ETA, our_self_energies, sisl_lead
    from speed_systems import ribbon

    device, energies = ribbon(8, 1), np.array([0.31, 1.07])
    lead = sisl_lead(device.leads[1])
    theirs = [lead.self_energy_lr(energy + 1j * ETA) for energy in energies]  # type: ignore[attr-defined]
    for k, sigma in enumerate(our_self_energies(device, energies, ETA)):
        np.testing.assert_allclose(sigma, [pair[k] for pair in theirs], atol=1e-8)
        assert np.abs(sigma).max() > 0.1


def test_wire_disorder_and_leads_are_as_stated() -> None:
    from speed_systems import wire

    device = wire(6, 9)
    disorder = np.array([np.diag(block) - 4 for block in device.hamiltonian.diagonal])
    assert disorder.shape == (9, 6) and 0.2 < np.abs(disorder).max() <= 0.25
    for lead in device.leads:
        np.testing.assert_array_equal(np.diag(lead.onsite), 4.0)
        np.testing.assert_array_equal(lead.hopping, -np.eye(6))
    # within one row −1 between neighbours
    np.testing.assert_array_equal(np.diag(device.hamiltonian.diagonal[3], 1), -1.0)


def test_armchair_ribbon_has_three_neighbours_and_a_hopping_of_a_quarter_rank() -> None:
    from speed_systems import ribbon

    device = ribbon(16, 3)
    h = device.hamiltonian.to_dense()
    neighbours = (np.asarray(h) == -1).sum(axis=1)[16:32]  # of the middle cell
    assert sorted(set(neighbours.tolist())) == [2, 3] and (neighbours == 2).sum() == 4
    assert np.linalg.matrix_rank(device.leads[1].hopping) == 4
    np.testing.assert_array_equal(device.leads[0].hopping, device.leads[1].hopping.T)


def test_decimation_passes_grow_as_the_logarithm_of_the_broadening() -> None:
    from speed_model import decimation_passes

    onsite, hopping = np.zeros((1, 1)), -np.ones((1, 1))
    passes = [decimation_passes(onsite, hopping, np.array([0.3 + 1j * eta])) for eta in (1e-2, 1e-4, 1e-6)]
    steps = np.diff(passes)
    assert np.all(np.abs(steps - math.log2(100)) <= 1)
    assert decimation_passes(onsite, hopping, np.array([5.0 + 1e-6j])) < 6  # outside the band


def test_cost_model_counts_are_those_of_its_page() -> None:
    import speed_model as model

    n = 64
    page = (FOLDER.parent / "docs" / "cost-model.md").read_text(encoding="utf-8")
    for hopping, p in (("gathered", 0), ("real", 4), ("complex", 8)):
        for arithmetic in ("complex", "real"):
            real = arithmetic == "real"
            rows = {
                "T": (
                    model.transmission(n, hopping, n, is_real=real),
                    model.transmission_gradient(n, hopping, n, "all", is_real=real),
                    model.transmission_gradient(n, hopping, n, "onsite", is_real=real),
                ),
                "local density of states": (
                    model.local_density(n, hopping, is_real=real),
                    model.local_density_pullback(n, hopping),
                    model.local_density_pullback(n, hopping),
                ),
                "bond currents of one lead": (
                    model.bond_currents(n, hopping, n, is_real=real),
                    model.bond_currents_pullback(n, hopping, n, is_real=real),
                ),
            }
            for name, works in rows.items():
                (line,) = [x for x in page.splitlines() if x.startswith(f"| {name}, {arithmetic} |")]
                cells = [cell.strip() for cell in line.split("|")[2:5]]
                for cell, work in zip(cells, works):
                    constant, times_p = (Fraction(x.strip().rstrip("p") or 1) for x in cell.split("+"))
                    expected = float(constant + times_p * p)
                    assert math.isclose(work.flops / n**3, expected, rel_tol=1e-12), (name, arithmetic, hopping, cell)


def test_inverse_by_halves_takes_two_thirds_for_a_symmetric_matrix() -> None:
    import speed_model as model

    kernel = (FOLDER.parent / "kernels" / "halved_inverse.py").read_text(encoding="utf-8")
    assert f"\nHALVED_FROM = {model.HALVED_FROM} " in kernel
    for is_symmetric, products in ((True, 4), (False, 6)):
        levels = [2**k * products * 8 * (4096 / 2 ** (k + 1)) ** 3 for k in range(9)]  # down to leaves of 8 rows
        by_hand = sum(levels) + 512 * 8 * 8**3
        assert math.isclose(model.halved_inverse(4096, is_symmetric=is_symmetric).flops, by_hand, rel_tol=1e-5)
        assert model.halved_inverse(20, is_symmetric=is_symmetric).flops == 8 * 20**3


def test_predicted_time_is_the_machines_own_for_one_operation_of_each_kind() -> None:
    from speed_model import eigen, inverse, predicted_seconds, product

    n, seconds = 7, {("product", 7): 3.0, ("real_product", 7): 1.0, ("inverse", 7): 5.0, ("eigen", 14): 70.0}
    assert math.isclose(predicted_seconds(product(n, n, n), seconds), 3.0)
    assert math.isclose(predicted_seconds(inverse(n) * 2 + eigen(2 * n), seconds), 80.0)
    assert math.isclose(predicted_seconds(product(n, n, n, "real_product") * 2, seconds), 2.0)


def test_rounds_leave_out_the_first_and_pair_the_rest() -> None:
    from measure import median_ratio, rounds

    values: Iterator[float] = iter([100.0, 100.0, 6.0, 2.0, 9.0, 1.0, 8.0, 2.0])
    found = rounds({"a": lambda: next(values), "b": lambda: next(values)}, 3)
    assert found == {"a": [6.0, 9.0, 8.0], "b": [2.0, 1.0, 2.0]}
    assert median_ratio(found["a"], found["b"]) == 4.0


def test_failing_case_is_a_missed_row_and_null_in_json() -> None:
    from measure import Row, unless_it_fails

    def failing() -> Iterator[Row]:
        yield Row("before", 1.0, "")
        raise na.ConvergenceError("no surface function", energies=[1.0], residual=1.0)

    first, second = unless_it_fails("case", failing())
    assert first.passed and not second.passed
    assert json.loads(json.dumps(second.as_json()))["value"] is None
    assert "no surface function" in second.case


def test_small_check_fails_on_a_lost_factor_of_two_only() -> None:
    from measure import Row
    from speed_small import beside

    expected = {"lost": 2.0, "ratios": {"a": 10.0}}

    def passed(case: str, value: float) -> bool:
        (row,) = beside([Row(case, value, "ratio", None, True)], expected)
        return row.passed

    assert passed("a", 5.1) and passed("a", 40.0)
    assert not passed("a", 4.9) and not passed("unknown", 10.0)


def test_options_of_another_benchmark_are_refused() -> None:
    for options in (["core", "--small"], ["speed", "--only", "kwan"], ["speed", "--write"]):
        command = [sys.executable, FOLDER / "run.py", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and ("--" in done.stderr or "kwan" in done.stderr)
