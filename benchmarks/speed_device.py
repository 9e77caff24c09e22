"""The device part of T at η = 0: its rate as a fraction of this machine's products.

Time: that of T less that of both self-energies, round by round; the leads are those of a square wire and cost little.
Operations: those of the algorithm that runs, elimination of a Hermitian matrix, in real arithmetic for real H, whose
rate is put beside dgemm's as well, in complex arithmetic for complex H. For comparison, those of complex elimination of
a general matrix, as every textbook has it, over the same time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from measure import Row, median_ratio, rounds, timer, unless_it_fails
from speed_model import general_transmission, machine_timers, product, transmission
from speed_sisl import PER_ENERGY, our_self_energies
from speed_systems import WIRE_LAYERS, dense, wire

import negfadj as na
from negfadj.physics.evaluate import batches
from negfadj.physics.request import make_request

BAR, N_ENERGIES = 0.6, {16: 48, 32: 24, 64: 16, 128: 8}


def rows(repeats: int) -> Iterator[Row]:
    """n = 64 and 128: a wire, whose hoppings gather, and dense real and complex blocks."""
    for n in (64, 128):
        for name, device, energies, hopping in cases(n):
            label = f"device part of T, {name} n = {n}, {WIRE_LAYERS} layers, {len(energies)} energies, eta = 0"
            yield from unless_it_fails(label, _rows(label, device, energies, n, hopping, repeats))


def _rows(label: str, device: na.Device, energies: np.ndarray, n: int, hopping: str, repeats: int) -> Iterator[Row]:
    machine = machine_timers(product(n, n, n) + product(n, n, n, "real_product"))
    ours = {
        "T": timer(lambda: na.transmission(device, energies)),
        "leads": timer(lambda: our_self_energies(device, energies, 0.0)),
    }
    found = rounds({**ours, **machine}, repeats)
    arithmetic = arithmetic_of(device, energies)
    work = transmission(n, hopping, most_channels(device, energies), arithmetic) * (WIRE_LAYERS * len(energies))
    rates = [work.flops / (whole - leads) for whole, leads in zip(found["T"], found["leads"])]
    zgemm = [8 * n**3 / seconds for seconds in found["product", n]]
    dgemm = [2 * n**3 / seconds for seconds in found["real_product", n]]
    yield Row(f"{label}: rate / zgemm", median_ratio(rates, zgemm), "ratio", BAR, at_least=True)
    if arithmetic == "real":
        yield Row("  rate / dgemm", median_ratio(rates, dgemm), "ratio")
    textbook = general_transmission(n, hopping, n).flops / work.flops * WIRE_LAYERS * len(energies)
    as_general = textbook * median_ratio(rates, zgemm)
    yield Row("  operations of general complex elimination in that time / zgemm", as_general, "ratio")
    yield Row("  its rate", statistics.median(rates) / 1e9, "GFLOP/s")
    yield Row("  zgemm in the same rounds", statistics.median(zgemm) / 1e9, "GFLOP/s")
    yield Row("  share of the leads in the time of T", median_ratio(found["leads"], found["T"]), "ratio")


def cases(n: int) -> Iterator[tuple[str, na.Device, np.ndarray, str]]:
    """Name, device, energies, kind of hopping; all between the leads of a wire."""
    energies, clean = np.linspace(2.5, 5.5, N_ENERGIES[n]) + 0.013, wire(n)
    yield "wire", clean, energies, "gathered"
    for is_complex in (False, True):
        h = dense(n, is_complex=is_complex).hamiltonian
        shifted = na.BlockTridiagonal([block + 4 * np.eye(n) for block in h.diagonal], h.upper)
        name = "complex" if is_complex else "real"
        yield f"dense {name}", na.Device(shifted, clean.leads), energies, name


def arithmetic_of(device: na.Device, energies: np.ndarray) -> str | None:
    """ "real", "complex", or None where A is taken as a general matrix."""
    return make_request(device, energies, 0.0, 0.0, "auto", None, None).arithmetic


def most_channels(device: na.Device, energies: np.ndarray) -> int:
    """The columns that are carried: the most open channels of a batch, in the mean over the energies."""
    channels = np.asarray(na.open_channels(device, energies))
    request = make_request(device, energies, 0.0, 0.0, "auto", None, None)
    parts = [channels[where] for where in batches(request, PER_ENERGY)]
    return round(sum(len(part) * part.max() for part in parts) / len(energies))
