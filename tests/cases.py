"""Devices to test on: random ones of every kind, and lattices with closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import oracles
from hypothesis import strategies as st

import negfadj as na
from negfadj.array import tree_map
from negfadj.primitives.open_system import Blocks, OpenSystem

EPS = 2.220446049250313e-16


def random_array(rng: np.random.Generator, *shape: int, is_complex: bool = True) -> np.ndarray:
    """Independent normal entries."""
    x = rng.normal(size=shape)
    return x + 1j * rng.normal(size=shape) if is_complex else x


def hermitian(x: np.ndarray) -> np.ndarray:
    """(x + x†)/2."""
    return (x + np.swapaxes(x, -1, -2).conj()) / 2


def random_unitary(rng: np.random.Generator, n: int, is_complex: bool = True) -> np.ndarray:
    """A random unitary (orthogonal) matrix."""
    return np.linalg.qr(random_array(rng, n, n, is_complex=is_complex))[0]


@dataclass(frozen=True)
class LeadKind:
    """A lead to draw: the block it touches, orbitals a cell, and what it is.

    "full": a hopping of full rank; "singular": a cell of two sublayers, of which only one reaches the next cell, so
    that the hopping has half rank and the coupling touches half the cell; "thin": a full hopping, but the coupling
    leaves out the first orbital of the device block; "self-energy": tabulated.
    """

    block: int
    n: int
    kind: str = "full"


TWO_LEADS = (LeadKind(0, 2), LeadKind(-1, 3))
MANY_LEADS = (LeadKind(0, 2), LeadKind(-1, 4, "singular"), LeadKind(1, 2, "thin"), LeadKind(0, 1))


def random_device(
    seed: int,
    sizes: Sequence[int] = (3, 4, 2, 5),
    leads: Sequence[LeadKind] = TWO_LEADS,
    *,
    is_complex: bool = True,
    overlap: bool = True,
    n_energies: int = 1,
    sparse: bool = False,
) -> na.Device:
    """A random open device: for 0.25 eV < |E| < 0.8 eV no lead has a band edge, so η = 0 is smooth there.

    `sparse` blocks of H and S between layers have at most one entry a row and column.
    """
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random_array(rng, *shape, is_complex=is_complex) / np.sqrt(2 * max(shape))

    masks = []
    for n, m in zip(sizes, sizes[1:]):
        mask = rng.permutation(np.eye(n, m))[:, rng.permutation(m)] if sparse else np.ones((n, m))
        if sparse and min(n, m) > 2:
            mask[np.argmax(mask[:, 0])] = 0.0  # an empty row and column
        masks.append(mask)
    hamiltonian = na.BlockTridiagonal(
        [hermitian(draw(n, n)) for n in sizes],
        [mask * ((1 if sparse else np.eye(*mask.shape)) + 0.5 * draw(*mask.shape)) for mask in masks],
    )
    s = None
    if overlap:
        s = na.BlockTridiagonal(
            [np.eye(n) + 0.08 * hermitian(draw(n, n)) for n in sizes],
            [mask * (0.08 * draw(*mask.shape)) for mask in masks],
        )
    made = [_random_lead(rng, draw, kind, sizes[kind.block], is_complex, overlap, n_energies) for kind in leads]
    return na.Device(hamiltonian, made, overlap=s)


def _random_lead(
    rng: np.random.Generator, draw: Any, kind: LeadKind, n_device: int, is_complex: bool, overlap: bool, n_energies: int
) -> Any:
    n = kind.n
    if kind.kind == "self-energy":
        broad = random_array(rng, n_energies, n_device, n_device)
        return na.SelfEnergy(
            0.2 * hermitian(random_array(rng, n_energies, n_device, n_device))
            - 0.1j * broad @ broad.conj().swapaxes(-1, -2),
            block=kind.block,
        )
    onsite = 0.2 * hermitian(draw(n, n))
    reach = n  # how many orbitals of cell 0 touch the device
    if kind.kind == "singular":
        reach = n // 2
        onsite = 0.2 * onsite  # a staggered level opens a gap around U
        onsite[:reach, reach:] = random_unitary(rng, reach, is_complex)
        onsite[reach:, :reach] = onsite[:reach, reach:].conj().T
        hopping = np.zeros((n, n), dtype=onsite.dtype)
        hopping[reach:, :reach] = random_unitary(rng, reach, is_complex)
    else:
        hopping = random_unitary(rng, n, is_complex)
    mask_hop = hopping != 0
    coupling = np.zeros((n_device, n), dtype=onsite.dtype)
    coupling[:, :reach] = (np.eye(n_device, reach) + 0.3 * draw(n_device, reach)) * 0.8
    if kind.kind == "thin":
        coupling[0] = 0
    s: dict[str, np.ndarray] = {}
    if overlap:
        s = {
            "overlap_onsite": np.eye(n) + 0.06 * hermitian(draw(n, n)),
            "overlap_hopping": 0.06 * draw(n, n) * mask_hop,
            "overlap_coupling": 0.06 * draw(n_device, n) * (coupling != 0),
        }
    return na.Lead(onsite, hopping, coupling, block=kind.block, potential_energy=0.1 * rng.uniform(-1, 1), **s)


@st.composite
def devices(draw: Any, *, overlap: bool | None = None, self_energies: bool = False) -> na.Device:
    """Random devices: Hypothesis draws shapes, kinds and a seed."""
    n_blocks = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(2, 5), min_size=n_blocks, max_size=n_blocks))
    kinds = ["full", "singular", "thin"] + (["self-energy"] if self_energies else [])
    leads = []
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(kinds))
        n = 2 * draw(st.integers(1, 2)) if kind == "singular" else draw(st.integers(1, 3))
        leads.append(LeadKind(draw(st.integers(0, n_blocks - 1)), n, kind))
    return random_device(
        draw(st.integers(0, 2**31)),
        sizes,
        leads,
        is_complex=draw(st.booleans()),
        overlap=draw(st.booleans()) if overlap is None else overlap,
        sparse=draw(st.booleans()),
    )


def open_system(device: na.Device, energies: np.ndarray, *, eta: float = 0.0, device_eta: float = 0.0) -> OpenSystem:
    """A(z) of a device as the primitives take it, with the self-energies of the oracle."""
    sigmas = tuple(
        np.stack([oracles.lead_self_energy(lead, None, oracles.Dual(e), eta, k).value for k, e in enumerate(energies)])
        for lead in device.leads
    )
    return OpenSystem(
        z=np.asarray(energies) + 1j * device_eta,
        hamiltonian=device.hamiltonian,
        overlap=device.overlap,
        self_energies=sigmas,
        blocks=tuple(lead.block for lead in device.leads),
        supports=(None,) * device.n_leads,
    )


def random_blocks(seed: int, sizes: Sequence[int], n_energies: int = 2, *, dominant: float = 0.0) -> Blocks:
    """A random block-tridiagonal stack; `dominant` is added to its diagonal."""
    rng = np.random.default_rng(seed)
    pairs = list(zip(sizes, sizes[1:]))
    return Blocks(
        [random_array(rng, n_energies, n, n) / np.sqrt(n) + dominant * np.eye(n) for n in sizes],
        [random_array(rng, n_energies, n, m) / np.sqrt(n + m) for n, m in pairs],
        [random_array(rng, n_energies, m, n) / np.sqrt(n + m) for n, m in pairs],
    )


# Lattices -----------------------------------------------------------------------------------------------------------


def chain(
    n_sites: int = 5, t: float = -1.0, onsite: Sequence[float] | None = None, lead_onsite: float = 0.0
) -> na.Device:
    """A chain with nearest-neighbour hopping t between two chains like it; one site a block."""
    levels = np.zeros(n_sites) + lead_onsite if onsite is None else np.asarray(onsite, dtype=float)
    one = np.ones((1, 1))
    return na.Device(
        na.BlockTridiagonal([level * one for level in levels], [t * one] * (n_sites - 1)),
        [na.Lead(lead_onsite * one, t * one, block=0), na.Lead(lead_onsite * one, t * one, block=-1)],
    )


def strip_cell(width: int, t: float = -1.0, flux: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """On-site block and hopping towards +x of a square strip in a field: Landau gauge, phase e^{i·flux·y} along x."""
    onsite = t * (np.eye(width, k=1) + np.eye(width, k=-1))
    y = np.arange(width) - (width - 1) / 2
    hopping = t * np.diag(np.exp(1j * flux * y))
    return (onsite, hopping) if flux else (onsite, hopping.real)


def strip(width: int, length: int, *, flux: float = 0.0, disorder: float = 0.0, seed: int = 0) -> na.Device:
    """A square strip of the given width with on-site disorder between two clean strips, flux per plaquette `flux`."""
    onsite, hopping = strip_cell(width, flux=flux)
    rng = np.random.default_rng(seed)
    levels = disorder * rng.uniform(-0.5, 0.5, size=(length, width))
    return na.Device(
        na.BlockTridiagonal([onsite + np.diag(row) for row in levels], [hopping] * (length - 1)),
        [na.Lead(onsite, hopping.conj().T, block=0), na.Lead(onsite, hopping, block=-1)],
    )


def armchair_cell(n_lines: int, t: float = -1.0) -> tuple[np.ndarray, np.ndarray]:
    """Nearest-neighbour blocks of an armchair ribbon with `n_lines` dimer lines: 2·n_lines sites in a cell."""
    sites = []
    for line in range(n_lines):
        start = 0.0 if line % 2 == 0 else 1.5
        sites += [(start, line * np.sqrt(3) / 2), (start + 1.0, line * np.sqrt(3) / 2)]
    here = np.array(sites)
    there = here + np.array([3.0, 0.0])

    def bonded(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
        return t * (np.abs(distance - 1) < 1e-6).astype(float)

    return bonded(here, here), bonded(here, there)


def ribbon(n_lines: int, length: int, *, disorder: float = 0.0, seed: int = 0) -> na.Device:
    """An armchair ribbon (rank-deficient hopping) with on-site disorder between two clean ones."""
    onsite, hopping = armchair_cell(n_lines)
    rng = np.random.default_rng(seed)
    levels = disorder * rng.uniform(-0.5, 0.5, size=(length, len(onsite)))
    return na.Device(
        na.BlockTridiagonal([onsite + np.diag(row) for row in levels], [hopping] * (length - 1)),
        [na.Lead(onsite, hopping.T, block=0), na.Lead(onsite, hopping, block=-1)],
    )


def conjugated(device: na.Device) -> na.Device:
    """The device with every matrix conjugated: the magnetic field reversed."""
    return tree_map(lambda x: np.conj(x) if isinstance(x, np.ndarray) else x, device)
