"""The columns of a lead, Γ = W W†, whatever Γ is, and that nothing observable depends on taking them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backends import Backend, host
from cases import EPS, LeadKind, open_system, random_array, random_device, ribbon, strip

from negfadj.array import leaves, rebuild
from negfadj.data.bonds import bond_blocks
from negfadj.primitives import scattering, transmission
from negfadj.primitives.bond_current import bond_current, bond_current_vjp
from negfadj.primitives.channels import channels_of, orbitals_of
from negfadj.primitives.lead_density import lead_density, lead_density_vjp
from negfadj.primitives.open_system import OpenSystem
from negfadj.primitives.transmission import transmission_sensitivity, transmission_vjp

ENERGIES = np.array([-0.45, 0.3])
LEADS = (LeadKind(0, 4, "singular"), LeadKind(-1, 3))


def with_broadening(system: OpenSystem, lead: int, gamma: np.ndarray) -> OpenSystem:
    """The system with Γ of one lead replaced; the Hermitian part of Σ stays."""
    sigma = system.self_energies[lead]
    mended = (sigma + sigma.conj().swapaxes(1, 2)) / 2 - 0.5j * gamma
    return rebuild(system, self_energies=tuple(mended if k == lead else x for k, x in enumerate(system.self_energies)))


def lead_system(*, is_complex: bool = True) -> OpenSystem:
    return open_system(random_device(4, (5, 3, 4), LEADS, is_complex=is_complex), ENERGIES)


def of_rank(rng: np.random.Generator, n: int, rank: int, scale: float = 1.0) -> np.ndarray:
    """A positive semidefinite Γ (2, n, n)."""
    w = random_array(rng, 2, n, rank) * scale ** np.arange(rank)
    return w @ w.conj().swapaxes(1, 2)


@pytest.mark.parametrize(("rank", "scale"), [(1, 1.0), (3, 1.0), (3, 1e-3), (5, 1.0)])
def test_channels_make_the_broadening_with_a_column_for_each(rank: int, scale: float, backend: Backend) -> None:
    system = backend(with_broadening(lead_system(), 0, of_rank(np.random.default_rng(0), 5, rank, scale)))
    gamma, channels = host(system.broadening(0)), channels_of(system, 0)
    w = host(channels.columns)
    assert channels.gamma is None and w.shape == (2, 5, rank)
    limit = 100 * 5 * EPS * np.abs(host(system.self_energies[0])).max()
    assert np.max(np.abs(w @ w.conj().swapaxes(1, 2) - gamma)) <= limit


def test_energy_with_fewer_channels_has_columns_of_zeros() -> None:
    gamma = of_rank(np.random.default_rng(1), 5, 3)
    gamma[1] = of_rank(np.random.default_rng(2), 5, 1)[1]
    w = channels_of(with_broadening(lead_system(), 0, gamma), 0).columns
    assert w.shape == (2, 5, 3) and np.all(w[1, :, 1:] == 0) and np.all(np.any(w[0] != 0, axis=0))


def test_no_open_channel_is_one_column_of_zeros() -> None:
    system = with_broadening(lead_system(), 0, np.zeros((2, 5, 5)))
    channels = channels_of(system, 0)
    assert channels.columns.shape == (2, 5, 1) and not np.any(channels.columns)
    value, pullback = transmission_vjp(system, source=0, drain=1)
    assert np.array_equal(value, np.zeros(2))
    assert not any(np.any(x) for x in leaves(pullback(np.ones(2)).hamiltonian) if isinstance(x, np.ndarray))


def test_broadening_that_is_no_passive_leads_keeps_the_orbitals() -> None:
    gamma = of_rank(np.random.default_rng(3), 5, 4)
    gamma[1] -= 0.1 * np.eye(5)
    system = with_broadening(lead_system(), 0, gamma)
    channels = channels_of(system, 0)
    assert channels.factor is None and channels.gamma is not None
    assert np.array_equal(channels.columns, np.eye(5)[None])
    assert np.array_equal(channels.weighted(channels.columns), channels.gamma)


@pytest.mark.parametrize("support", [None, np.array([0, 2, 3])])
def test_sampled_cotangent_is_what_a_change_of_the_same_rank_feels(support: Any) -> None:
    rng = np.random.default_rng(5)
    n, system = 3 if support is not None else 5, lead_system()
    w = random_array(rng, 2, n, 2) * np.array([1.0, 1e-2])
    inside = np.zeros((2, 5, n), complex)
    inside[:, np.arange(5) if support is None else support, np.arange(n)] = 1
    gamma = inside @ w @ w.conj().swapaxes(1, 2) @ inside.swapaxes(1, 2)
    system = rebuild(with_broadening(system, 0, gamma), supports=(support, None))
    if support is not None:  # nothing of Σ off the support
        mask = np.any(inside != 0, axis=2)
        sigma = system.self_energies[0] * mask[:, :, None] * mask[:, None, :]
        system = rebuild(system, self_energies=(sigma, system.self_energies[1]))
    channels = channels_of(system, 0)
    gamma_bar = random_array(rng, 2, 5, 5)
    gamma_bar = gamma_bar + gamma_bar.conj().swapaxes(1, 2)
    found = channels.broadening_bar(system, gamma_bar @ channels.columns)
    assert np.max(np.abs(found - found.conj().swapaxes(1, 2))) <= 1e3 * EPS * np.abs(found).max()
    dw = inside @ random_array(rng, 2, n, 2)
    full = inside @ w
    d_gamma = dw @ full.conj().swapaxes(1, 2)
    d_gamma = d_gamma + d_gamma.conj().swapaxes(1, 2)
    expected, felt = (np.sum(np.conj(bar) * d_gamma).real for bar in (gamma_bar, found))
    assert abs(expected - felt) <= 1e-11 * np.linalg.norm(gamma_bar) * np.linalg.norm(d_gamma)


# What is observed does not depend on them ----------------------------------------------------------------------------

SYSTEMS: dict[str, Callable[[], OpenSystem]] = {
    "random": lead_system,
    "real": lambda: lead_system(is_complex=False),
    "strip": lambda: open_system(strip(4, 5, disorder=0.4), np.array([-2.63, -0.97, 0.31])),
    "ribbon": lambda: open_system(ribbon(3, 4, disorder=0.3), np.array([-1.31, 0.47])),
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("quantity", ["transmission", "backwards", "lead density", "bond currents"])
def test_observables_and_gradients_are_those_of_the_orbitals(
    quantity: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SYSTEMS[name]()
    n_bonds = sum(len(rows) for _, _, rows, _ in bond_blocks(system.hamiltonian, system.overlap))
    evaluate: dict[str, Callable[[], Any]] = {
        "transmission": lambda: transmission_vjp(system, source=0, drain=1),
        "backwards": lambda: transmission_vjp(system, source=1, drain=0),
        "lead density": lambda: lead_density_vjp(system, source=0),
        "bond currents": lambda: bond_current_vjp(system, source=0, order=np.arange(n_bonds)),
    }
    plain = {
        "transmission": lambda: transmission.transmission(system, source=0, drain=1),
        "backwards": lambda: transmission.transmission(system, source=1, drain=0),
        "lead density": lambda: lead_density(system, source=0),
        "bond currents": lambda: bond_current(system, source=0, order=np.arange(n_bonds)),
    }
    value, pullback = evaluate[quantity]()
    weights = np.random.default_rng(0).normal(size=value.shape)
    bar = pullback(weights)
    alone = plain[quantity]()
    for module, name in ((scattering, "varied_channels_of"), (transmission, "varied_channels_of")):
        monkeypatch.setattr(module, name, orbitals_of)
    monkeypatch.setattr(transmission, "channels_of", orbitals_of)
    monkeypatch.setattr(transmission, "reflection_of", lambda system: None)
    expected, pullback = evaluate[quantity]()
    expected_bar = pullback(weights)
    assert np.max(np.abs(value - expected)) <= 1e-11 * max(1.0, np.abs(expected).max())
    assert np.max(np.abs(alone - expected)) <= 1e-11 * max(1.0, np.abs(expected).max())
    for part in ("hamiltonian", "overlap", "z"):
        for x, y in zip(leaves(getattr(bar, part)), leaves(getattr(expected_bar, part)), strict=True):
            if isinstance(y, np.ndarray):
                x, y = (x.real, y.real) if part == "z" else (x, y)  # the energies are real
                assert np.max(np.abs(x - y)) <= 1e-9 * max(1.0, np.abs(y).max()), part
    # of Σ̄ only what a change of the same rank feels is the same: dΣ = −i dΓ/2 with dΓ = dW W† + W dW†
    for lead, (x, y) in enumerate(zip(bar.self_energies, expected_bar.self_energies)):
        w = channels_of(system, lead).columns
        d_gamma = random_array(np.random.default_rng(1), *w.shape) @ w.conj().swapaxes(1, 2)
        d_sigma = -0.5j * (d_gamma + d_gamma.conj().swapaxes(1, 2))
        real_part = random_array(np.random.default_rng(2), *d_sigma.shape)
        for change in (d_sigma, real_part + real_part.conj().swapaxes(1, 2)):
            felt, expected_felt = (np.sum(np.conj(s) * change).real for s in (x, y))
            assert abs(felt - expected_felt) <= 1e-9 * max(1.0, np.linalg.norm(y) * np.linalg.norm(change))


def test_sensitivity_is_that_of_the_orbitals(monkeypatch: pytest.MonkeyPatch) -> None:
    system = lead_system()
    found = transmission_sensitivity(system, source=0, drain=1)
    monkeypatch.setattr(transmission, "channels_of", orbitals_of)
    expected = transmission_sensitivity(system, source=0, drain=1)
    assert np.max(np.abs(found - expected)) <= 1e-11 * np.abs(expected).max()
