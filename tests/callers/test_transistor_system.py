"""The transistor of a job: modes against atoms, leads that go on without a step, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from transistors import transistor

from negfadj.callers.transistor_system import PARAMETERS, TransistorSystem, build_transistor
from negfadj.errors import InputError
from negfadj.physics.self_consistent import Solution, self_consistent, self_consistent_vjp

SHARP = (("error = 1e-7", "error = 1e-9"), ("tolerance = 1e-7", "tolerance = 1e-10"))
DRAIN, GATE = 0.2, 0.3


def solved(system: TransistorSystem, drain: float, gate: float, initial: object = None) -> Solution:
    return self_consistent(system.device, system.gated(gate), **(system.options(drain) | {"initial": initial}))


def with_modes(modes: str, *more: tuple[str, str]) -> TransistorSystem:
    return build_transistor(transistor(("modes = 1", f"modes = {modes}"), *SHARP, *more))


@pytest.mark.slow
def test_modes_have_the_self_consistent_potential_of_the_atoms() -> None:
    modes, atoms = with_modes('"all"'), with_modes('"atoms"')
    assert modes.lead.potential_energy == pytest.approx(atoms.lead.potential_energy, abs=1e-11)
    of_modes = solved(modes, 0.0, GATE)
    of_atoms = solved(atoms, 0.0, GATE, of_modes.potential + 1e-3)
    np.testing.assert_allclose(of_modes.potential, of_atoms.potential, atol=1e-10)
    np.testing.assert_allclose(of_modes.charge, of_atoms.charge, atol=1e-10)
    assert np.ptp(of_modes.potential) > 0.25


@pytest.mark.slow
def test_modes_have_the_current_of_the_atoms_under_bias() -> None:
    of_modes = solved(with_modes('"all"'), DRAIN, GATE)
    of_atoms = solved(with_modes('"atoms"'), DRAIN, GATE, of_modes.potential + 1e-3)
    # the bias windows are integrated to 1e-9 electrons an orbital each, on nodes of their own
    np.testing.assert_allclose(of_modes.potential, of_atoms.potential, atol=2e-8)
    np.testing.assert_allclose(of_modes.charge, of_atoms.charge, atol=7e-9)
    assert of_modes.current == pytest.approx(of_atoms.current, rel=1e-7)


@pytest.mark.slow
def test_neutral_leads_go_on_without_a_step_when_the_contacts_are_long() -> None:
    def step(contact: float) -> float:
        system = build_transistor(transistor(("contact = 9.0", f"contact = {contact}")))
        return float(abs(solved(system, 0.0, 0.0).potential[0] + system.lead.potential_energy))

    short, long = step(9.0), step(36.0)
    assert long < 5e-3 and long < short / 3


def test_acceptors_mirror_donors() -> None:
    n_type = build_transistor(transistor())
    p_type = build_transistor(transistor(("doping = 0.5", "doping = -0.5")))
    electrons, holes = solved(n_type, 0.0, 0.2), solved(p_type, 0.0, -0.2)
    np.testing.assert_allclose(electrons.potential, -holes.potential, atol=3e-5)  # P, 10 V/e, times the charge's error


@pytest.fixture(scope="module")
def sharp() -> tuple[TransistorSystem, Solution, np.ndarray]:
    """A transistor, its solution and the gradient of its current."""
    base = build_transistor(transistor(*SHARP))
    solution, pullback = self_consistent_vjp(base.device, base.gated(GATE), **base.options(DRAIN))
    return base, solution, base.parameters_bar(pullback(current=1.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_current_has_the_derivative_by(name: str, sharp: tuple[TransistorSystem, Solution, np.ndarray]) -> None:
    base, solution, gradient = sharp
    changes = {
        "gate_work_function": ("doping = 0.5", "doping = 0.5\ngate_work_function = {}", 0.0, 1e-3),
        "oxide_permittivity": ("oxide_permittivity = 4.0", "oxide_permittivity = {}", 4.0, 1e-2),
        "oxide_thickness": ("oxide = 8.0", "oxide = {}", 8.0, 2e-2),
        "doping": ("doping = 0.5", "doping = {}", 0.5, 1e-3),
        "temperature": ("gate_count = 3", "gate_count = 3\ntemperature = {}", 300.0, 0.3),
    }

    def current(step: float) -> float:
        system, drain, gate = base, DRAIN, GATE
        if name in changes:
            old, new, value, _ = changes[name]
            system = build_transistor(transistor((old, new.format(repr(value + step))), *SHARP))
        elif name == "gate_voltage":
            gate += step
        else:
            drain += step
        return solved(system, drain, gate, solution.potential).current

    h = changes[name][3] if name in changes else 1e-3
    quotients = [(current(s) - current(-s)) / (2 * s) for s in (h, h / 2)]
    richardson = (4 * quotients[1] - quotients[0]) / 3
    assert gradient[PARAMETERS.index(name)] == pytest.approx(richardson, rel=1e-6)


def test_a_part_too_short_for_the_tube_is_refused() -> None:
    with pytest.raises(InputError, match=r"geometry.spacer = 5.0 Å is shorter than two cells of the tube, 8.520 Å"):
        build_transistor(transistor(("spacer = 9.0", "spacer = 5.0")))


def test_checkpoints_of_other_transistors_have_other_fingerprints() -> None:
    base = build_transistor(transistor())
    assert base.fingerprint == build_transistor(transistor(("a short", "another"))).fingerprint
    assert base.fingerprint != build_transistor(transistor(("doping = 0.5", "doping = 0.6"))).fingerprint
    warmer = transistor(("gate_count = 3", "gate_count = 3\ntemperature = 310.0"))
    assert base.fingerprint != build_transistor(warmer).fingerprint
