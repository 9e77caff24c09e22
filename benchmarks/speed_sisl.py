"""Both leads' self-energies beside sisl's `self_energy_lr`."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from measure import Row, median_ratio, rounds, timer
from speed_systems import RIBBON_ENERGIES, WIRE_ENERGIES, ribbon, wire

import negfadj as na
from negfadj.physics.evaluate import assemble, batches
from negfadj.physics.request import make_request

ETA, BARS = 1e-4, {16: 8, 64: 6, 128: 5}  # sisl's default broadening
PER_ENERGY = 1e6  # bytes: as many energies in a batch as the cache takes
FEW = {16: 50, 64: 25, 128: 10}  # energies of a round


def rows(repeats: int, sizes: tuple[int, ...] = (16, 64, 128)) -> Iterator[Row]:
    """sisl's time over ours, of a graphene ribbon and a square wire, and the largest difference."""
    for make, energies in ((ribbon, RIBBON_ENERGIES), (wire, WIRE_ENERGIES)):
        for n in sizes:
            yield from _rows(f"{make.__name__} n = {n}", make(n, 1), energies[:: 50 // FEW[n]], repeats, BARS[n])


def our_self_energies(device: na.Device, energies: np.ndarray, eta: float) -> list[np.ndarray]:
    """Σ of both leads (E, n, n), by the same calls and in the same batches as every observable."""
    request = make_request(device, energies, eta, 0.0, "auto", None, None)
    found = [assemble(request, where)[0].self_energies for where in batches(request, PER_ENERGY)]
    return [np.concatenate(sigmas) for sigmas in zip(*found)]


def _rows(name: str, device: na.Device, energies: np.ndarray, repeats: int, bar: float) -> Iterator[Row]:
    lead = sisl_lead(device.leads[1])

    def theirs() -> list[tuple[np.ndarray, np.ndarray]]:
        return [lead.self_energy_lr(energy + 1j * ETA) for energy in energies]

    def ours() -> list[np.ndarray]:
        return our_self_energies(device, energies, ETA)

    found = rounds({"sisl": timer(theirs), "ours": timer(ours)}, repeats)
    deviation = max(
        float(np.abs(np.stack([pair[k] for pair in theirs()]) - sigma).max()) for k, sigma in enumerate(ours())
    )
    label = f"both self-energies, {name}, {len(energies)} energies, eta = {ETA:g}"
    ratio = median_ratio(found["sisl"], found["ours"])
    yield Row(f"{label}: sisl's time / ours", ratio, "ratio", bar, at_least=True)
    yield Row("  largest |ΔΣ|", deviation, "eV", 1e-6)
    yield Row("  ours, ms an energy", 1e3 * statistics.median(found["ours"]) / len(energies), "ms")


def sisl_lead(lead: na.Lead) -> object:
    """sisl's `RecursiveSI` of a lead that grows to the right."""
    import sisl
    from scipy import sparse

    n = len(lead.onsite)
    cell = sisl.Geometry([[0.0, float(a), 0.0] for a in range(n)], sisl.Atom(1, R=1.1), lattice=[1.0, n + 20.0, 20.0])
    cell.set_nsc([3, 1, 1])
    hamiltonian = sisl.Hamiltonian(cell)
    blocks = {(0, 0, 0): lead.onsite, (1, 0, 0): lead.hopping, (-1, 0, 0): lead.hopping.T}
    whole = np.concatenate([blocks[tuple(shift)] for shift in cell.lattice.sc_off], axis=1)
    hamiltonian = sisl.Hamiltonian.fromsp(cell, sparse.csr_matrix(whole))
    return sisl.RecursiveSI(hamiltonian, "+A", eta=ETA)
