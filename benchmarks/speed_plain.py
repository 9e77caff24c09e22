"""What a careful user writes with NumPy alone: decimation and the recursive Green's function on stacks of energies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from measure import Row, median_ratio, rounds, timer
from speed_systems import WIRE_ENERGIES, WIRE_LAYERS, wire

import negfadj as na

ETA = 1e-4
FEW = {8: 50, 16: 50, 32: 25, 64: 10}  # energies of a round

def plain_transmission(device: na.Device, energies: np.ndarray, eta: float) -> np.ndarray:
    """T(E) of a two-terminal device, every energy at once: `numpy.linalg.inv` and products of stacks."""
    z = (energies + 1j * eta)[:, None, None]
    sigmas = [
        lead.coupling @ plain_surface(lead.onsite, lead.hopping, z) @ lead.coupling.conj().T for lead in device.leads
    ]
    diagonal, upper = device.hamiltonian.diagonal, device.hamiltonian.upper
    one, real = np.eye(len(diagonal[0])), energies[:, None, None]
    g = through = np.linalg.inv(real * one - diagonal[0] - sigmas[0])
    for i in range(1, len(diagonal)):
        block = real * one - diagonal[i] - upper[i - 1].conj().T @ g @ upper[i - 1]
        g = np.linalg.inv(block - sigmas[1] if i == len(diagonal) - 1 else block)
        through = through @ upper[i - 1] @ g
    left, right = (1j * (sigma - sigma.conj().swapaxes(1, 2)) for sigma in sigmas)
    return np.einsum("eij,eij->e", left @ through @ right, through.conj()).real


def plain_surface(onsite: np.ndarray, hopping: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The surface function (E, n, n) by decimation, all energies until the last has converged."""
    one = np.eye(len(onsite))
    alpha, beta = hopping.astype(complex), hopping.conj().T.astype(complex)
    edge, bulk = onsite.astype(complex), onsite.astype(complex)
    while np.abs(alpha).max() > 1e-12:
        g = np.linalg.inv(z * one - bulk)
        alpha_g, beta_g = alpha @ g, beta @ g
        there_and_back = alpha_g @ beta
        edge, bulk = edge + there_and_back, bulk + there_and_back + beta_g @ alpha
        alpha, beta = alpha_g @ alpha, beta_g @ beta
    return np.linalg.inv(z * one - edge)


def rows(repeats: int, sizes: tuple[int, ...] = (8, 16, 32, 64)) -> Iterator[Row]:
    """The plain loop's time over ours, leads included, and the largest difference."""
    for n in sizes:
        device, energies = wire(n), WIRE_ENERGIES[:: 50 // FEW[n]]

        def ours(device: na.Device = device, energies: np.ndarray = energies) -> np.ndarray:
            return na.transmission(device, energies, eta=ETA)

        def plain(device: na.Device = device, energies: np.ndarray = energies) -> np.ndarray:
            return plain_transmission(device, energies, ETA)

        def gradient(device: na.Device = device, energies: np.ndarray = energies) -> object:
            return na.transmission_vjp(device, energies, eta=ETA)[1](np.ones(len(energies)))

        def at_zero(device: na.Device = device, energies: np.ndarray = energies) -> np.ndarray:
            return na.transmission(device, energies)

        timers = {"plain": plain, "ours": ours, "gradient": gradient, "at zero": at_zero}
        found = rounds({name: timer(function) for name, function in timers.items()}, repeats)
        label = f"T, square wire W = {n}, L = {WIRE_LAYERS}, {len(energies)} energies, eta = {ETA:g}"
        yield Row(f"{label}: plain NumPy / ours", median_ratio(found["plain"], found["ours"]), "ratio", at_least=True)
        ratio = median_ratio(found["plain"], found["gradient"])
        yield Row(f"{label}: plain NumPy / ours with the full gradient", ratio, "ratio", at_least=True)
        ratio = median_ratio(found["plain"], found["at zero"])
        yield Row(f"{label}: plain NumPy / ours at eta = 0", ratio, "ratio", at_least=True)
        yield Row("  largest |ΔT|", float(np.abs(plain() - ours()).max()), "", 1e-6)
