"""The device part of T at η = 0: its rate as a fraction of this machine's products.

Time: that of T less that of both self-energies, round by round; the leads are those of a square wire and cost little.
Operations: those that are done, the inverse by halves of a symmetric matrix for real H, of a general one for complex H,
and columns for the open channels. For comparison, those of the textbook's elimination of a general matrix with a column
for every orbital, over the same time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from measure import Row, median_ratio, rounds, timer, unless_it_fails
from speed_model import machine_timers, product, textbook_transmission, transmission
from speed_sisl import our_self_energies
from speed_systems import WIRE_LAYERS, dense, wire

import negfadj as na

BAR, N_ENERGIES = 0.6, {16: 48, 32: 24, 64: 16, 128: 8}


def rows(repeats: int) -> Iterator[Row]:
    """n = 64 and 128: a wire, whose hoppings gather, and dense real and complex blocks."""
    for n in (64, 128):
        for name, device, energies, hopping in cases(n):
            label = f"device part of T, {name} n = {n}, {WIRE_LAYERS} layers, {len(energies)} energies, eta = 0"
            yield from unless_it_fails(label, _rows(label, device, energies, n, hopping, repeats))


def _rows(label: str, device: na.Device, energies: np.ndarray, n: int, hopping: str, repeats: int) -> Iterator[Row]:
    machine = machine_timers(product(n, n, n))
    ours = {
        "T": timer(lambda: na.transmission(device, energies)),
        "leads": timer(lambda: our_self_energies(device, energies, 0.0)),
    }
    found = rounds({**ours, **machine}, repeats)
    work = transmission(n, hopping, mean_channels(device, energies), is_real=is_real(device))
    total = work.flops * WIRE_LAYERS * len(energies)
    rates = [total / (whole - leads) for whole, leads in zip(found["T"], found["leads"])]
    zgemm = [8 * n**3 / seconds for seconds in found["product", n]]
    ratio = median_ratio(rates, zgemm)
    yield Row(f"{label}: rate / zgemm", ratio, "ratio", BAR, at_least=True)
    as_textbook = textbook_transmission(n, hopping).flops / work.flops * ratio
    yield Row("  operations of the textbook's elimination in that time / zgemm", as_textbook, "ratio")
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


def is_real(device: na.Device) -> bool:
    """Are H and all blocks of the leads real, so that A is symmetric?"""
    leads = (block for lead in device.leads for block in (lead.onsite, lead.hopping, lead.coupling))
    return device.hamiltonian.is_real and not any(np.iscomplexobj(block) for block in leads)


def mean_channels(device: na.Device, energies: np.ndarray) -> float:
    """Open channels of the source, the columns that are carried, in the mean over the energies."""
    return float(np.mean(na.open_channels(device, energies)))
