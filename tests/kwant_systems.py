"""Kwant systems for the tests: finalised, with their parameters and energies away from band edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class KwantCase:
    """A finalised system, values of all of its parameters, energies [eV], and parameters with a derivative."""

    system: Any
    params: dict[str, Any]
    energies: tuple[float, ...]
    names: tuple[str, ...]


def disordered_wire(kwant: Any, width: int = 8, length: int = 20) -> KwantCase:
    """Square lattice, one on-site energy per site, hopping `t` everywhere."""
    lattice = kwant.lattice.square(a=1, norbs=1)
    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(length) for y in range(width))] = (
        lambda site, disorder, t: 4 * t + disorder[site.tag[0] * width + site.tag[1]]
    )
    builder[lattice.neighbors()] = lambda a, b, t: -t
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(width))] = lambda site, t: 4 * t
    lead[lattice.neighbors()] = lambda a, b, t: -t
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    disorder = np.random.default_rng(3).uniform(-0.4, 0.4, length * width)
    return KwantCase(builder.finalized(), {"disorder": disorder, "t": 1.0}, (0.7, 1.93, 3.21), ("disorder", "t"))


def zigzag_ribbon(kwant: Any, width: float = 4.0, length: int = 12) -> KwantCase:
    """Graphene with a barrier whose height and width are parameters; the sublattices have their own mass."""
    graphene = kwant.lattice.honeycomb(a=1.0, norbs=1)
    a = graphene.sublattices[0]

    def inside(position: Any) -> bool:
        return abs(position[1]) < width and abs(position[0]) < length / 2

    def onsite(site: Any, barrier: float, smoothness: float, mass: float) -> float:
        return barrier * np.exp(-((site.pos[0] / smoothness) ** 2)) + (mass if site.family == a else -mass)

    builder = kwant.Builder()
    builder[graphene.shape(inside, (0, 0))] = onsite
    builder[graphene.neighbors()] = lambda first, second, t: -t
    lead = kwant.Builder(kwant.TranslationalSymmetry(graphene.vec((-1, 0))))
    lead[graphene.shape(lambda position: abs(position[1]) < width, (0, 0))] = 0.0
    lead[graphene.neighbors()] = lambda first, second, t: -t
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    params = {"barrier": 0.35, "smoothness": 2.3, "mass": 0.06, "t": 2.7}
    return KwantCase(builder.finalized(), params, (0.31, 0.9, 2.14), ("barrier", "smoothness", "mass", "t"))


def armchair_ribbon_next_nearest(kwant: Any, width: float = 3.0, length: float = 9.0) -> KwantCase:
    """Armchair graphene with second neighbours: cells of many sites, of which only some touch the next one."""
    graphene = kwant.lattice.honeycomb(a=1.0, norbs=1)
    a, b = graphene.sublattices
    far = [kwant.builder.HoppingKind(d, s) for s in (a, b) for d in ((0, 1), (1, 0), (1, -1))]

    def fill(builder: Any, shape: Callable[[Any], bool], onsite: Any) -> None:
        builder[graphene.shape(shape, (0, 0))] = onsite
        builder[graphene.neighbors()] = -2.7
        builder[far] = lambda first, second, t2: t2

    builder = kwant.Builder()
    fill(
        builder,
        lambda p: abs(p[0]) < width and abs(p[1]) < length / 2,
        lambda site, slope: slope * np.tanh(site.pos[1] + 0.3 * site.pos[0]),
    )
    lead = kwant.Builder(kwant.TranslationalSymmetry((0.0, np.sqrt(3))))
    fill(lead, lambda p: abs(p[0]) < width, 0.0)
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    return KwantCase(builder.finalized(), {"slope": 0.2, "t2": 0.1}, (0.95, 1.47, -1.9), ("slope", "t2"))


def magnetic_wire(kwant: Any, width: int = 9, length: int = 14) -> KwantCase:
    """Peierls phases of a uniform field in the wire and in its leads, and a saddle of potential energy in the wire."""
    lattice = kwant.lattice.square(a=1, norbs=1)

    def along(first: Any, second: Any, field: float) -> complex:
        return -np.exp(-1j * field * first.tag[1] * (first.tag[0] - second.tag[0]))

    def saddle(site: Any, height: float) -> float:
        x, y = site.tag[0] - (length - 1) / 2, site.tag[1] - (width - 1) / 2
        return 4 + height * (0.02 * y**2 - 0.01 * x**2) * np.exp(-((x / 4) ** 2))

    def join(builder: Any) -> None:
        builder[kwant.builder.HoppingKind((1, 0), lattice)] = along
        builder[kwant.builder.HoppingKind((0, 1), lattice)] = -1.0

    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(length) for y in range(width))] = saddle
    join(builder)
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(width))] = 4.0
    join(lead)
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    return KwantCase(builder.finalized(), {"field": 0.11, "height": 1.7}, (0.6, 1.4, 2.9), ("field", "height"))


def rashba_wire(kwant: Any, width: int = 5, length: int = 12) -> KwantCase:
    """Two orbitals per site: Rashba spin-orbit coupling and a Zeeman field, of all four matrices."""
    lattice = kwant.lattice.square(a=1, norbs=2)
    one, x, y, z = np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])

    def fill(builder: Any, sites: Any, onsite: Any) -> None:
        builder[sites] = onsite
        builder[kwant.builder.HoppingKind((1, 0), lattice)] = lambda a, b, alpha: -one + 1j * alpha * y / 2
        builder[kwant.builder.HoppingKind((0, 1), lattice)] = lambda a, b, alpha: -one - 1j * alpha * x / 2

    def middle(site: Any, zeeman: float, barrier: float) -> np.ndarray:
        return (4 + barrier * np.cos(site.tag[0] + 2 * site.tag[1])) * one + zeeman * (0.3 * z + 0.2 * x + 0.1 * y)

    builder = kwant.Builder()
    fill(builder, (lattice(i, j) for i in range(length) for j in range(width)), middle)
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    fill(lead, (lattice(0, j) for j in range(width)), 4 * one)
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    params = {"alpha": 0.4, "zeeman": 0.5, "barrier": 0.3}
    return KwantCase(builder.finalized(), params, (0.9, 2.05, 3.4), ("alpha", "zeeman", "barrier"))


def four_terminal_cross(kwant: Any, width: int = 5, arm: int = 3) -> KwantCase:
    """A Hall cross: four leads, and a field in the crossing whose phases end before the leads."""
    lattice = kwant.lattice.square(a=1, norbs=1)
    size = width + 2 * arm
    sites = [(x, y) for x in range(size) for y in range(size) if arm <= x < arm + width or arm <= y < arm + width]

    def along(first: Any, second: Any, field: float) -> complex:
        (x, y), (x2, _) = first.tag, second.tag
        inside = np.exp(-(((x + x2) / 2 - (size - 1) / 2) ** 2) / 4)
        return -np.exp(-1j * field * inside * (y - (size - 1) / 2) * (x - x2))

    def onsite(site: Any, disorder: Any) -> float:
        return 4 + disorder[site.tag[0], site.tag[1]]

    builder = kwant.Builder()
    builder[(lattice(*tag) for tag in sites)] = onsite
    builder[kwant.builder.HoppingKind((1, 0), lattice)] = along
    builder[kwant.builder.HoppingKind((0, 1), lattice)] = -1.0
    for direction in ((-1, 0), (0, 1)):
        lead = kwant.Builder(kwant.TranslationalSymmetry(direction))
        across = range(arm, arm + width)
        lead[(lattice(0, j) if direction[0] else lattice(j, 0) for j in across)] = 4.0
        lead[lattice.neighbors()] = -1.0
        builder.attach_lead(lead)
        builder.attach_lead(lead.reversed())
    disorder = np.random.default_rng(5).uniform(-0.3, 0.3, (size, size))
    params = {"field": 0.3, "disorder": disorder}
    return KwantCase(builder.finalized(), params, (1.3, 2.6), ("field", "disorder"))


def superconducting_wire(kwant: Any, width: int = 3, length: int = 10) -> KwantCase:
    """Electrons and holes: a barrier and a stretch of superconductor between leads that conserve charge."""
    lattice = kwant.lattice.square(a=1, norbs=2)
    tau_x, tau_z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])

    def onsite(site: Any, mu: float, delta: float, barrier: float) -> np.ndarray:
        x = site.tag[0]
        return (4 - mu + (barrier if x == 2 else 0)) * tau_z + (delta if 3 <= x < 7 else 0) * tau_x

    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(length) for y in range(width))] = onsite
    builder[lattice.neighbors()] = -tau_z
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)), conservation_law=-tau_z)
    lead[(lattice(0, y) for y in range(width))] = lambda site, mu: (4 - mu) * tau_z
    lead[lattice.neighbors()] = -tau_z
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    params = {"mu": 2.1, "delta": 0.25, "barrier": 0.7}
    return KwantCase(builder.finalized(), params, (0.12, 0.3, 0.41), ("mu", "delta", "barrier"))


def bond_length_chain(kwant: Any, n_sites: int = 60) -> KwantCase:
    """A double chain whose hoppings depend on two displacements each: t exp(−(u_a − u_b)) along it."""
    lattice = kwant.lattice.square(a=1, norbs=1)

    def along(first: Any, second: Any, u: Any) -> float:
        return -np.exp(-(u[first.tag[0], first.tag[1]] - u[second.tag[0], second.tag[1]]))

    builder = kwant.Builder()
    builder[(lattice(x, y) for x in range(n_sites) for y in range(2))] = 0.0
    builder[kwant.builder.HoppingKind((1, 0), lattice)] = along
    builder[kwant.builder.HoppingKind((0, 1), lattice)] = -0.4
    lead = kwant.Builder(kwant.TranslationalSymmetry((-1, 0)))
    lead[(lattice(0, y) for y in range(2))] = 0.0
    lead[kwant.builder.HoppingKind((1, 0), lattice)] = -1.0
    lead[kwant.builder.HoppingKind((0, 1), lattice)] = -0.4
    builder.attach_lead(lead)
    builder.attach_lead(lead.reversed())
    u = np.random.default_rng(7).uniform(-0.1, 0.1, (n_sites, 2))
    return KwantCase(builder.finalized(), {"u": u}, (0.37, 1.1), ("u",))


CASES: dict[str, Callable[..., KwantCase]] = {
    "disordered wire": disordered_wire,
    "zigzag ribbon": zigzag_ribbon,
    "armchair ribbon, next nearest": armchair_ribbon_next_nearest,
    "magnetic wire": magnetic_wire,
    "Rashba wire": rashba_wire,
    "four-terminal cross": four_terminal_cross,
    "superconducting wire": superconducting_wire,
    "bond lengths": bond_length_chain,
}
