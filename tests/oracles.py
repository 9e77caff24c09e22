"""Dense oracles: whole matrices, one energy at a time, with exact tangents; no code shared with negfadj.

A `Dual` is a matrix and its tangent, X + ε dX. Everything below is written for it, so every oracle value comes with
its exact directional derivative: the adjoint identity can be asked for to round-off, with no differences taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg

import negfadj as na


class Dual:
    """X + ε dX, complex matrices (a scalar is a 0-dimensional one)."""

    __array_priority__ = 100  # np.ndarray + Dual is ours

    def __init__(self, value: Any, tangent: Any = None) -> None:
        self.value = np.asarray(value, dtype=complex)
        self.tangent = np.zeros_like(self.value) if tangent is None else np.asarray(tangent, dtype=complex)

    def __add__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.value + other.value, self.tangent + other.tangent)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.tangent)

    def __sub__(self, other: Any) -> Dual:
        return self + (-dual(other))

    def __rsub__(self, other: Any) -> Dual:
        return dual(other) - self

    def __mul__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.value * other.value, self.tangent * other.value + self.value * other.tangent)

    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.value @ other.value, self.tangent @ other.value + self.value @ other.tangent)

    def __getitem__(self, index: Any) -> Dual:
        return Dual(self.value[index], self.tangent[index])

    @property
    def dagger(self) -> Dual:
        return Dual(self.value.conj().T, self.tangent.conj().T)

    @property
    def transpose(self) -> Dual:
        return Dual(self.value.T, self.tangent.T)

    @property
    def real(self) -> Dual:
        return Dual(self.value.real, self.tangent.real)

    @property
    def imag(self) -> Dual:
        return Dual(self.value.imag, self.tangent.imag)

    def inverse(self) -> Dual:
        inverse = np.linalg.inv(self.value)
        return Dual(inverse, -inverse @ self.tangent @ inverse)

    def diagonal(self) -> Dual:
        return Dual(np.diag(self.value), np.diag(self.tangent))

    def sum(self) -> Dual:
        return Dual(self.value.sum(), self.tangent.sum())

    def trace(self) -> Dual:
        return self.diagonal().sum()


def dual(x: Any, tangent: Any = None) -> Dual:
    """A Dual, with zero tangent when none is given."""
    return x if isinstance(x, Dual) else Dual(x, tangent)


# Surface Green's function -------------------------------------------------------------------------------------------


def surface_by_iteration(a00: np.ndarray, a01: np.ndarray, a10: np.ndarray, n_cells: int = 4000) -> np.ndarray:
    """g of `n_cells` cells, one added after another: exact for n_cells → ∞ when |λ|^(2 n_cells) is negligible."""
    g = np.linalg.inv(a00)
    for _ in range(n_cells):
        following = np.linalg.inv(a00 - a01 @ g @ a10)
        if np.max(np.abs(following - g)) <= 1e-16 * np.max(np.abs(following)):
            return following
        g = following
    return g


def surface_by_pencil(a00: np.ndarray, a01: np.ndarray, a10: np.ndarray) -> np.ndarray:
    """g from the full 2n companion pencil (A10 + λ A00 + λ² A01) ψ = 0: decaying and outgoing modes, one by one."""
    n = len(a00)
    one, zero = np.eye(n), np.zeros((n, n))
    with np.errstate(all="ignore"):
        factors, vectors = scipy.linalg.eig(np.block([[zero, one], [-a10, -a00]]), np.block([[one, zero], [zero, a01]]))
    chosen = []
    for k in range(2 * n):
        factor, psi = factors[k], vectors[:n, k]
        if not np.isfinite(factor) or abs(factor) > 1 + 1e-7:
            continue
        if abs(factor) < 1 - 1e-7 or (factor * (psi.conj() @ a01 @ psi)).imag > 0:
            chosen.append(k)
    if len(chosen) != n:
        raise AssertionError(f"{len(chosen)} modes leave the device, not {n}: the case is degenerate")
    psi = vectors[:n, chosen]
    return np.linalg.inv(a00 + a01 @ psi @ np.diag(factors[chosen]) @ np.linalg.inv(psi))


def surface(a00: Dual, a01: Dual, a10: Dual, *, at_real_energy: bool) -> Dual:
    """The surface function, and its tangent from the n² × n² equation dg − P dg Q = rhs."""
    g = _surface_value(a00.value.tobytes(), a01.value.tobytes(), a10.value.tobytes(), len(a00.value), at_real_energy)
    rhs = -g @ (a00.tangent - a01.tangent @ g @ a10.value - a01.value @ g @ a10.tangent) @ g
    return Dual(g, stein_by_kron(g @ a01.value, a10.value @ g, rhs))


@lru_cache(maxsize=4096)  # every direction asks for the tangent at the same value
def _surface_value(a00: bytes, a01: bytes, a10: bytes, n: int, at_real_energy: bool) -> np.ndarray:
    blocks = [np.frombuffer(x, dtype=complex).reshape(n, n) for x in (a00, a01, a10)]
    return surface_by_pencil(*blocks) if at_real_energy else surface_by_iteration(*blocks)


def stein_by_kron(p: np.ndarray, q: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Y with Y − P Y Q = C from the n² × n² matrix."""
    n, m = c.shape
    return np.linalg.solve(np.eye(n * m) - np.kron(p, q.T), c.reshape(-1)).reshape(n, m)


# The open device ----------------------------------------------------------------------------------------------------


@dataclass
class Dense:
    """Everything of one energy, whole: energy, H, S, G and the Σ of every lead on the whole device."""

    energy: Dual
    hamiltonian: Dual
    overlap: Dual
    green: Dual
    self_energies: list[Dual]
    leads: list[Any] = field(default_factory=list)

    def broadening(self, lead: int) -> Dual:
        sigma = self.self_energies[lead]
        return 1j * (sigma - sigma.dagger)


def dense(
    device: na.Device,
    energy: float,
    *,
    eta: float = 0.0,
    device_eta: float = 0.0,
    tangent: na.Device | None = None,
    d_energy: float = 0.0,
    number: int = 0,
) -> Dense:
    """The device at one energy, with `tangent` a direction in the space of devices; `number` picks a tabulated Σ."""
    e = Dual(energy, d_energy)
    h = Dual(_matrix(device.hamiltonian), None if tangent is None else _matrix(tangent.hamiltonian))
    if device.overlap is None:
        s = Dual(np.eye(device.n_orbitals))
    else:
        s = Dual(_matrix(device.overlap), None if tangent is None else _matrix(tangent.overlap))
    offsets = device.hamiltonian.offsets
    sigmas = []
    for k, lead in enumerate(device.leads):
        sigma = lead_self_energy(lead, None if tangent is None else tangent.leads[k], e, eta, number)
        span = slice(offsets[lead.block], offsets[lead.block + 1])
        whole = Dual(np.zeros_like(h.value))
        whole.value[span, span], whole.tangent[span, span] = sigma.value, sigma.tangent
        sigmas.append(whole)
    a = (e + 1j * device_eta) * s - h
    for sigma in sigmas:
        a = a - sigma
    return Dense(e, h, s, a.inverse(), sigmas, list(device.leads))


def lead_self_energy(lead: Any, tangent: Any, energy: Dual, eta: float, number: int = 0) -> Dual:
    """Σ on the block the lead touches."""
    if isinstance(lead, na.SelfEnergy):
        number = min(number, len(lead.self_energy) - 1)
        return Dual(lead.self_energy[number], None if tangent is None else tangent.self_energy[number])

    def part(name: str) -> Dual | None:
        x = getattr(lead, name)
        return None if x is None else Dual(x, None if tangent is None else getattr(tangent, name))

    u = Dual(float(lead.potential_energy), 0.0 if tangent is None else float(tangent.potential_energy))
    zeta = energy + 1j * eta - u
    h00, h01, hc = part("onsite"), part("hopping"), part("coupling")
    s00, s01, sc = (part(f"overlap_{name}") for name in ("onsite", "hopping", "coupling"))
    s00 = Dual(np.eye(lead.n_orbitals)) if s00 is None else s00
    s01 = Dual(np.zeros_like(h01.value)) if s01 is None else s01
    sc = Dual(np.zeros_like(hc.value)) if sc is None else sc
    g = surface(zeta * s00 - h00, zeta * s01 - h01, zeta * s01.dagger - h01.dagger, at_real_energy=eta == 0)
    return (zeta * sc - hc) @ g @ (zeta * sc.dagger - hc.dagger)


def _matrix(x: Any) -> np.ndarray:
    """A block-tridiagonal matrix made whole, entry by entry."""
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in x.diagonal])])
    whole = np.zeros((offsets[-1], offsets[-1]), dtype=complex)
    spans = [slice(a, b) for a, b in zip(offsets, offsets[1:])]
    for i, block in enumerate(x.diagonal):
        whole[spans[i], spans[i]] = block
    for i, block in enumerate(x.upper):
        whole[spans[i], spans[i + 1]] = block
        whole[spans[i + 1], spans[i]] = block.conj().T if x.lower is None else x.lower[i]
    return whole


# Observables: each is a Dual ----------------------------------------------------------------------------------------


def transmission(d: Dense, source: int = 0, drain: int = 1) -> Dual:
    return (d.broadening(drain) @ d.green @ d.broadening(source) @ d.green.dagger).trace().real


def shot_noise_factor(d: Dense, source: int = 0, drain: int = 1) -> Dual:
    m = d.broadening(drain) @ d.green @ d.broadening(source) @ d.green.dagger
    return (m - m @ m).trace().real


def density_of_states(d: Dense) -> Dual:
    return -(d.green @ d.overlap).trace().imag * (1 / np.pi)


def local_density_of_states(d: Dense) -> Dual:
    return -(d.green @ d.overlap + d.overlap @ d.green).diagonal().imag * (0.5 / np.pi)


def lead_density(d: Dense, source: int = 0) -> Dual:
    return (d.green @ d.broadening(source) @ d.green.dagger).diagonal().real * (0.5 / np.pi)


def bond_current(d: Dense, bonds: np.ndarray, source: int = 0) -> Dual:
    spectral = d.green @ d.broadening(source) @ d.green.dagger
    coupling = d.hamiltonian - d.energy * d.overlap
    a, b = bonds[:, 0], bonds[:, 1]
    return 2 * (coupling[a, b] * spectral[b, a]).imag


def transmission_matrix(d: Dense, open_channels: list[int]) -> Dual:
    n = len(d.self_energies)
    value, tangent = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            entry = transmission(d, source=j, drain=i)
            if i == j:
                spectral = 1j * (d.green - d.green.dagger)
                entry = open_channels[j] - (d.broadening(j) @ spectral).trace().real + entry
            value[i, j], tangent[i, j] = entry.value.real, entry.tangent.real
    return Dual(value, tangent)


# Values by another route --------------------------------------------------------------------------------------------


def scattering_amplitudes(d: Dense, source: int, drain: int, tolerance: float = 1e-9) -> np.ndarray:
    """The block of the S matrix from the eigenvectors of Γ (Fisher and Lee): −δ + i W_d† G W_s on the open channels."""
    amplitudes = 1j * _channels(d, drain, tolerance).conj().T @ d.green.value @ _channels(d, source, tolerance)
    if source == drain:
        amplitudes -= np.eye(amplitudes.shape[0])
    return amplitudes


def _channels(d: Dense, lead: int, tolerance: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(d.broadening(lead).value)
    kept = values > tolerance
    return vectors[:, kept] * np.sqrt(values[kept])
