"""The ballistic core: what a gradient costs over its forward run, and the forward run beside a plain NumPy loop.

Cases: 50 layers of 16, 32 and 64 orbitals, 32 energies, both leads included: a disordered square wire (nearest
neighbours, equal leads) and dense real symmetric blocks (each layer and lead its own). At η = 1e-4 eV by decimation,
where the plain loop can be run, and at η = 0 by modes.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
from measure import Row, ratios

import negfadj as na

N_LAYERS, N_ENERGIES, ETA = 50, 32, 1e-4


def wire(n: int) -> na.Device:
    """A square wire of width n with on-site disorder between clean leads."""
    rng = np.random.default_rng(0)
    onsite, hopping = -(np.eye(n, k=1) + np.eye(n, k=-1)), -np.eye(n)
    layers = [onsite + np.diag(0.3 * rng.normal(size=n)) for _ in range(N_LAYERS)]
    leads = (na.Lead(onsite, hopping, block=0), na.Lead(onsite, hopping, block=-1))
    return na.Device(na.BlockTridiagonal(layers, [hopping] * (N_LAYERS - 1)), leads)


def dense(n: int) -> na.Device:
    """Dense real symmetric layers and hoppings, every one different."""
    rng = np.random.default_rng(0)

    def onsite() -> np.ndarray:
        x = rng.normal(size=(n, n)) / np.sqrt(n)
        return (x + x.T) / 2

    def hopping() -> np.ndarray:
        return rng.normal(size=(n, n)) / np.sqrt(n)

    hamiltonian = na.BlockTridiagonal([onsite() for _ in range(N_LAYERS)], [hopping() for _ in range(N_LAYERS - 1)])
    return na.Device(hamiltonian, (na.Lead(onsite(), hopping(), block=0), na.Lead(onsite(), hopping(), block=-1)))


def plain_transmission(device: na.Device, energies: np.ndarray, eta: float) -> np.ndarray:
    """T(E) energy by energy: decimation and the recursive Green's function with `numpy.linalg.inv`."""

    def surface(onsite: np.ndarray, hopping: np.ndarray, z: complex) -> np.ndarray:
        one = np.eye(len(onsite))
        alpha, beta = hopping.astype(complex), hopping.conj().T.astype(complex)
        edge, bulk = onsite.astype(complex), onsite.astype(complex)
        while np.abs(alpha).max() > 1e-14:
            g = np.linalg.inv(z * one - bulk)
            there_and_back = alpha @ g @ beta
            edge, bulk = edge + there_and_back, bulk + there_and_back + beta @ g @ alpha
            alpha, beta = alpha @ g @ alpha, beta @ g @ beta
        return np.linalg.inv(z * one - edge)

    diagonal, upper = device.hamiltonian.diagonal, device.hamiltonian.upper
    found = []
    for energy in energies:
        sigmas = [
            lead.coupling @ surface(lead.onsite, lead.hopping, energy + 1j * eta) @ lead.coupling.conj().T
            for lead in device.leads
        ]
        one = np.eye(len(diagonal[0]))
        g = np.linalg.inv(energy * one - diagonal[0] - sigmas[0])
        through = g
        for i in range(1, len(diagonal)):
            block = energy * one - diagonal[i] - upper[i - 1].conj().T @ g @ upper[i - 1]
            if i == len(diagonal) - 1:
                block = block - sigmas[1]
            g = np.linalg.inv(block)
            through = through @ upper[i - 1] @ g
        left, right = (1j * (sigma - sigma.conj().T) for sigma in sigmas)
        found.append(np.trace(left @ through @ right @ through.conj().T).real)
    return np.array(found)


def rows(repeats: int) -> Iterator[Row]:
    """The rows of ``python benchmarks/run.py core``."""
    energies = np.linspace(-1.5, 1.5, N_ENERGIES) + 0.013
    weights = np.ones(N_ENERGIES)
    for make in (wire, dense):
        for n in (16, 32, 64):
            device = make(n)
            label = f"{make.__name__} {n} x {N_LAYERS} layers, {N_ENERGIES} energies"
            for eta in (ETA, 0.0):

                def forward(device: na.Device = device, eta: float = eta) -> object:
                    return na.transmission(device, energies, eta=eta)

                def gradient(wrt: str, device: na.Device = device, eta: float = eta) -> object:
                    _, pullback = na.transmission_vjp(device, energies, eta=eta)
                    return pullback(weights, wrt=wrt)

                others = {"full": lambda g=gradient: g("all"), "onsite": lambda g=gradient: g("onsite")}
                if eta:
                    others["plain"] = lambda d=device: plain_transmission(d, energies, ETA)
                measured = ratios(forward, others, repeats)
                case = f"{label}, eta = {eta:g}"
                yield Row(f"{case}: (forward + full gradient) / forward", measured["full"], "ratio", 2.5)
                yield Row(f"{case}: (forward + on-site gradient) / forward", measured["onsite"], "ratio", 1.6)
                if eta:
                    yield Row(f"{case}: plain NumPy loop / forward", measured["plain"], "ratio", 2.0, at_least=True)
                    error = np.abs(
                        plain_transmission(device, energies, ETA) - na.transmission(device, energies, eta=ETA)
                    )
                    yield Row(f"{case}: largest |T - plain loop's T|", float(error.max()), "", 1e-6)
    yield from memory_rows()


def memory_rows() -> Iterator[Row]:
    """Bytes kept for the pullback over those of the left-connected factors alone."""
    n, energies = 32, np.linspace(-1, 1, 16)
    device = dense(n)
    na.transmission_vjp(device, energies)
    tracemalloc.start()
    held = na.transmission_vjp(device, energies)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    factors = 16 * len(energies) * N_LAYERS * n * n
    assert held[0].shape == energies.shape
    yield Row(
        f"dense {n} x {N_LAYERS} layers: bytes kept for the pullback / bytes of the factors",
        kept / factors,
        "ratio",
        1.2,
    )
