"""The observables of the public face as one table: their functions, keywords and dense oracles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import oracles
from cases import hermitian, random_array

import negfadj as na
from negfadj.array import leaves, rebuild, tree_map
from negfadj.data.lead import BLOCKS, HERMITIAN_BLOCKS


@dataclass(frozen=True)
class Observable:
    """An observable, the leads it is asked for, and the same from whole matrices."""

    name: str
    keywords: dict[str, int]
    oracle: Callable[..., oracles.Dual]

    def __str__(self) -> str:
        return self.name

    def value(self, device: na.Device, energies: Any, **options: Any) -> Any:
        return getattr(na, self.name)(device, energies, **self.keywords, **options)

    def vjp(self, device: na.Device, energies: Any, **options: Any) -> Any:
        return getattr(na, self.name + "_vjp")(device, energies, **self.keywords, **options)

    def dense(
        self, device: na.Device, energies: Sequence[float], d_energies: Sequence[float] | None = None, **options: Any
    ) -> oracles.Dual:
        """Value and tangent at every energy, stacked."""
        d_energies = np.zeros(len(energies)) if d_energies is None else d_energies
        found = []
        for k, (e, d_e) in enumerate(zip(energies, d_energies)):
            whole = oracles.dense(device, e, d_energy=d_e, number=k, **options)
            extra: dict[str, Any] = {}
            if self.name == "bond_current":
                extra["bonds"] = np.asarray(device.bonds)
            if self.name == "transmission_matrix":
                extra["open_channels"] = [count_open(lead, e) for lead in device.leads]
            found.append(self.oracle(whole, **extra, **self.keywords))
        return oracles.Dual(np.stack([d.value for d in found]), np.stack([d.tangent for d in found]))


OBSERVABLES = (
    Observable("transmission", {"source": 0, "drain": 1}, oracles.transmission),
    Observable("transmission_matrix", {}, oracles.transmission_matrix),
    Observable("shot_noise_factor", {"source": 1, "drain": 0}, oracles.shot_noise_factor),
    Observable("density_of_states", {}, oracles.density_of_states),
    Observable("local_density_of_states", {}, oracles.local_density_of_states),
    Observable("lead_density", {"source": 1}, oracles.lead_density),
    Observable("bond_current", {"source": 0}, oracles.bond_current),
)


def count_open(lead: na.Lead, energy: float) -> int:
    """Bands of the lead crossed by E with positive velocity, half of the sign changes of E − E_n(k) on a fine mesh."""
    k = np.linspace(-np.pi, np.pi, 401)[:, None, None]
    phase = np.exp(1j * k)

    def bloch(x00: np.ndarray, x01: np.ndarray) -> np.ndarray:
        return x00 + phase * x01 + phase.conj() * x01.conj().T

    n = len(lead.onsite)
    s = np.eye(n) + 0 * phase if lead.overlap_onsite is None else bloch(lead.overlap_onsite, lead.overlap_hopping)
    zeta = energy - float(lead.potential_energy)
    # inertia of ζ S − H: how many bands lie below the energy, at every k
    below = (np.linalg.eigvalsh(zeta * s - bloch(lead.onsite, lead.hopping)) > 0).sum(axis=-1)
    return int(np.abs(np.diff(below)).sum() // 2)


# Tangents -----------------------------------------------------------------------------------------------------------


def zero_tangent(device: na.Device) -> na.Device:
    """A device of zeros."""
    return tree_map(lambda x: 0.0 * x, device)


def device_parts(device: na.Device, seed: int) -> Iterator[tuple[str, na.Device]]:
    """A random direction in each argument of a device alone: "hamiltonian", "overlap", "leads[0].hopping", …"""
    rng = np.random.default_rng(seed)
    zero = zero_tangent(device)

    def draw(x: np.ndarray, is_hermitian: bool = False) -> np.ndarray:
        t = random_array(rng, *x.shape, is_complex=np.iscomplexobj(x))
        return hermitian(t) if is_hermitian else t

    def matrix(x: na.BlockTridiagonal) -> na.BlockTridiagonal:
        return rebuild(
            x,
            diagonal=tuple(draw(b, x.is_hermitian) for b in x.diagonal),
            upper=tuple(draw(b) for b in x.upper),
            lower=None if x.lower is None else tuple(draw(b) for b in x.lower),
        )

    yield "hamiltonian", rebuild(zero, hamiltonian=matrix(device.hamiltonian))
    if device.overlap is not None:
        yield "overlap", rebuild(zero, overlap=matrix(device.overlap))
    for k, lead in enumerate(device.leads):
        names = ["self_energy"] if isinstance(lead, na.SelfEnergy) else [*BLOCKS, "potential_energy"]
        for name in names:
            x = getattr(lead, name)
            if x is None:
                continue
            t = float(rng.normal()) if name == "potential_energy" else draw(x, name in HERMITIAN_BLOCKS)
            changed = list(zero.leads)
            changed[k] = rebuild(zero.leads[k], **{name: t})
            yield f"leads[{k}].{name}", rebuild(zero, leads=tuple(changed))


def inner(bar: Any, tangent: Any) -> float:
    """Re Σ conj(bar) tangent, a missing cotangent being zero."""
    pairs: list[tuple[Any, Any]] = []
    tree_map(lambda t, b: pairs.append((t, b)), tangent, bar)
    return float(sum(np.real(np.sum(np.conj(b) * t)) for t, b in pairs if b is not None))


def norm(tree: Any) -> float:
    """√Σ|x|² over all leaves."""
    return float(np.sqrt(sum(np.sum(np.abs(x) ** 2) for x in leaves(tree))))
