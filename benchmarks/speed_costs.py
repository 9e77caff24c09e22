"""Every part of a calculation beside the cost model: measured time over the time its operations take here.

1 is a calculation that runs at the rates of this machine's BLAS and LAPACK at its block size and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import speed_model as model
from measure import Row, median_ratio, rounds, timer, unless_it_fails
from speed_device import cases, is_real, mean_channels
from speed_model import Work, machine_timers, predicted_seconds
from speed_sisl import our_self_energies
from speed_systems import WIRE_LAYERS, ribbon, wire

import negfadj as na

SIZES, ETA, LEADS = (32, 64), 1e-4, "leads"


def rows(repeats: int) -> Iterator[Row]:
    """The device's observables and gradients less the time of their leads' self-energies, then leads alone."""
    for n in SIZES:
        for name, device, energies, hopping in cases(n):
            label = f"{name} n = {n}"
            parts = device_parts(device, energies, n, hopping)
            yield from unless_it_fails(label, _rows(label, parts, len(energies), WIRE_LAYERS, repeats))
        for name, device, rank in (("wire", wire(n, 1), n), ("ribbon", ribbon(n, 1), n // 4)):
            energies = np.linspace(-1.5, 1.5, 10) + (4.013 if name == "wire" else 0.013)
            label = f"{name} n = {n}, hopping's rank {rank}"
            parts = lead_parts(device, energies, n, rank)
            yield from unless_it_fails(label, _rows(label, parts, len(energies), 1, repeats))


Part = tuple[Callable[[], object], Work]


def device_parts(device: na.Device, energies: np.ndarray, n: int, hopping: str) -> dict[str, Part]:
    """What is called, and its work per energy and layer; `LEADS` is taken off every time."""
    one, currents = np.ones(len(energies)), np.ones((len(energies), len(device.bonds)))
    density = np.ones((len(energies), n * WIRE_LAYERS))
    real, c = is_real(device), mean_channels(device, energies)
    forward = model.transmission(n, hopping, c, is_real=real)
    density_of_states = model.local_density(n, hopping, is_real=real)
    flows = model.bond_currents(n, hopping, c, is_real=real)
    leads = model.chains_pullback(n) * (2 / WIRE_LAYERS)

    def transmission(wrt: str) -> object:
        return na.transmission_vjp(device, energies)[1](one, wrt=wrt)

    return {
        LEADS: (lambda: our_self_energies(device, energies, 0.0), Work()),
        "T": (lambda: na.transmission(device, energies), forward),
        "T and full gradient": (
            lambda: transmission("all"),
            model.transmission_gradient(n, hopping, c, "all", is_real=real) + leads,
        ),
        "T and on-site gradient": (
            lambda: transmission("onsite"),
            model.transmission_gradient(n, hopping, c, "onsite", is_real=real),
        ),
        "LDOS": (lambda: na.local_density_of_states(device, energies), density_of_states),
        "LDOS and full gradient": (
            lambda: na.local_density_of_states_vjp(device, energies)[1](density),
            density_of_states + model.local_density_pullback(n, hopping) + leads,
        ),
        "bond currents": (lambda: na.bond_current(device, energies), flows),
        "bond currents and full gradient": (
            lambda: na.bond_current_vjp(device, energies)[1](currents),
            flows + model.bond_currents_pullback(n, hopping, c, is_real=real) + leads,
        ),
    }


def lead_parts(device: na.Device, energies: np.ndarray, n: int, rank: int) -> dict[str, Part]:
    """Self-energies of both leads, which share what is costly, and their work per energy."""
    lead = device.leads[1]
    if rank == n:  # a wire: its blocks commute
        doubled = at_zero = model.chains(n)
    else:
        passes = model.decimation_passes(lead.onsite, lead.hopping, energies + 1j * ETA)
        ends = model.self_energy(n, rank) * 2
        doubled, at_zero = model.segment_doubling(n, rank, passes) + ends, model.modes(n, rank) + ends
    return {
        f"both self-energies, eta = {ETA:g}": (lambda: our_self_energies(device, energies, ETA), doubled),
        "both self-energies, eta = 0": (lambda: our_self_energies(device, energies, 0.0), at_zero),
    }


def _rows(label: str, parts: dict[str, Part], n_energies: int, layers: int, repeats: int) -> Iterator[Row]:
    machine = machine_timers(sum((work for _, work in parts.values()), Work()))
    calls = {name: timer(call) for name, (call, _) in parts.items()}
    found: dict[Any, list[float]] = rounds({**calls, **machine}, repeats)
    without = found.get(LEADS, [0.0] * repeats)
    for name, (_, work) in parts.items():
        if name == LEADS:
            continue
        alone = [whole - leads for whole, leads in zip(found[name], without)]
        total = work * (layers * n_energies)
        predicted = [predicted_seconds(total, {key: found[key][i] for key in machine}) for i in range(repeats)]
        yield Row(f"{label}: {name}, measured time / cost model", median_ratio(alone, predicted), "ratio")
