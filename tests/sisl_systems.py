"""Systems built with sisl, and T(E) from sisl's own matrices and self-energies, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sisl

from negfadj.models.sisl_device import SislElectrode

ENERGIES = np.array([-0.91, -0.13, 0.27, 1.21])
ETA = 1e-3
BOND = 1.42


@dataclass(frozen=True)
class System:
    """A sisl electrode, a device made of it, and how to ask for them."""

    electrode: object
    device: object
    momentum: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spin: int | None = None

    @property
    def keywords(self) -> dict:
        return {} if self.spin is None else {"spin": self.spin}


def ribbon(kind: str, width: int) -> object:
    """A graphene ribbon with nearest-neighbour hoppings."""
    geometry = sisl.geom.nanoribbon(width, bond=BOND, atoms=sisl.Atom(6, R=BOND + 0.01), kind=kind)
    hamiltonian = sisl.Hamiltonian(geometry)
    hamiltonian.construct([[0.1, BOND + 0.01], [0.05, -2.7]])
    return hamiltonian


def overlapping_ribbon(width: int) -> object:
    """Third neighbours and overlap, close to the numbers of Reich et al. (2002)."""
    distances = BOND * np.array([1.0, np.sqrt(3), 2.0]) + 0.01
    geometry = sisl.geom.nanoribbon(width, bond=BOND, atoms=sisl.Atom(6, R=distances[-1]), kind="zigzag")
    hamiltonian = sisl.Hamiltonian(geometry, orthogonal=False)
    values = [[-0.28, 1.0], [-2.97, 0.073], [-0.073, 0.018], [-0.33, 0.026]]
    hamiltonian.construct([[0.1, *distances], values])
    return hamiltonian


def square(width: int, *, nsc: tuple = (3, 1, 1), **keywords: object) -> object:
    """A strip of the square lattice, `width` atoms in a cell along B, empty so far."""
    xyz = np.array([[0.0, i, 0.0] for i in range(width)])
    lattice = sisl.Lattice([1.0, width, 10.0], nsc=nsc)
    return sisl.Hamiltonian(sisl.Geometry(xyz, atoms=sisl.Atom(1, R=1.01), lattice=lattice), **keywords)


def magnetic_strip(width: int, flux: float) -> object:
    """Peierls phases in the Landau gauge: the hopping along A in row y has exp(2πi flux y)."""
    hamiltonian = square(width, dtype=np.complex128)
    for y in range(width):
        hamiltonian[y, y] = 0.1 * y
        hamiltonian[y, y, (1, 0, 0)] = -np.exp(2j * np.pi * flux * y)
        hamiltonian[y, y, (-1, 0, 0)] = -np.exp(-2j * np.pi * flux * y)
        if y + 1 < width:
            hamiltonian[y, y + 1] = hamiltonian[y + 1, y] = -1.0
    return hamiltonian


def rashba_strip(width: int, dtype: type) -> object:
    """t and Rashba coupling λ: hopping −t − iλ σ_y along A, −t + iλ σ_x along B; a Zeeman field along y and z."""
    hamiltonian = square(width, spin="spin-orbit", dtype=dtype)
    pauli = {"x": sisl.Spin.X, "y": sisl.Spin.Y, "z": sisl.Spin.Z}
    along, across = -np.eye(2) - 0.4j * pauli["y"], -np.eye(2) + 0.4j * pauli["x"]

    def parts(box: np.ndarray) -> list:
        (uu, ud), (du, dd) = box
        if dtype is np.complex128:
            return [uu, dd, ud, du]
        return [uu.real, dd.real, ud.real, ud.imag, uu.imag, dd.imag, du.real, du.imag]

    for y in range(width):
        hamiltonian[y, y] = parts(0.2 * pauli["y"] + 0.1 * pauli["z"])
        hamiltonian[y, y, (1, 0, 0)] = parts(along)
        hamiltonian[y, y, (-1, 0, 0)] = parts(along.conj().T)
        if y + 1 < width:
            hamiltonian[y, y + 1] = parts(across)
            hamiltonian[y + 1, y] = parts(across.conj().T)
    return hamiltonian


def spiral_strip(width: int, dtype: type) -> object:
    """A non-collinear magnet: an exchange field that turns from row to row."""
    hamiltonian = square(width, spin="non-collinear", dtype=dtype)

    def parts(up: float, down: float, mixed: complex) -> list:
        return [up, down, mixed] if dtype is np.complex128 else [up, down, mixed.real, mixed.imag]

    for y in range(width):
        hamiltonian[y, y] = parts(0.3, -0.3, 0.4 * np.exp(-0.7j * y))
        for step in (1, -1):
            hamiltonian[y, y, (step, 0, 0)] = parts(-1.0, -0.9, 0j)
        if y + 1 < width:
            hamiltonian[y, y + 1] = hamiltonian[y + 1, y] = parts(-1.0, -0.9, 0j)
    return hamiltonian


def polarised_strip(width: int) -> object:
    """Two spins with hoppings of their own."""
    hamiltonian = square(width, spin="polarized")
    for y in range(width):
        hamiltonian[y, y] = [0.2, -0.2]
        for step in (1, -1):
            hamiltonian[y, y, (step, 0, 0)] = [-1.0, -0.7]
        if y + 1 < width:
            hamiltonian[y, y + 1] = hamiltonian[y + 1, y] = [-1.0, -0.7]
    return hamiltonian


def sheet() -> object:
    """A plane of two atoms a cell with complex hoppings, periodic across: needs a transverse k."""
    hamiltonian = square(2, nsc=(3, 3, 1), dtype=np.complex128)
    hamiltonian[0, 0], hamiltonian[1, 1] = 0.3, -0.2
    for a, b, cell, value in (
        (0, 1, (0, 0, 0), -1.0),
        (0, 0, (1, 0, 0), -0.8 + 0.2j),
        (1, 1, (1, 0, 0), -1.1),
        (1, 0, (0, 1, 0), -0.7j),
        (0, 1, (1, 0, 0), 0.3),
        (0, 1, (1, -1, 0), 0.2 + 0.1j),
    ):
        hamiltonian[a, b, cell] = value
        hamiltonian[b, a, tuple(-x for x in cell)] = np.conj(value)
    return hamiltonian


def disordered(electrode: object, n_cells: int, seed: int = 0) -> object:
    """`n_cells` cells along A, random on-site energies in all but the first and the last."""
    device = electrode.tile(n_cells, 0)
    rng = np.random.default_rng(seed)
    n_spins = 1 if device.spin.is_unpolarized else 2
    for i in range(electrode.no, electrode.no * (n_cells - 1)):
        onsite = np.array(device[i, i]).ravel().copy()
        onsite[:n_spins] += rng.uniform(-0.5, 0.5)
        device[i, i] = onsite if len(onsite) > 1 else onsite[0]
    return device


def system(name: str) -> System:
    made = {
        "zigzag": lambda: ribbon("zigzag", 6),
        "armchair": lambda: ribbon("armchair", 7),
        "overlap": lambda: overlapping_ribbon(6),
        "square": lambda: magnetic_strip(4, 0.0),
        "magnetic": lambda: magnetic_strip(5, 0.07),
        "spin-orbit": lambda: rashba_strip(3, np.float64),
        "spin-orbit-complex": lambda: rashba_strip(3, np.complex128),
        "non-collinear": lambda: spiral_strip(3, np.float64),
        "non-collinear-complex": lambda: spiral_strip(3, np.complex128),
        "polarised-up": lambda: polarised_strip(3),
        "polarised-down": lambda: polarised_strip(3),
        "sheet": sheet,
    }
    electrode = made[name]()
    momentum = (0.0, 0.31, 0.0) if name == "sheet" else (0.0, 0.0, 0.0)
    spin = {"polarised-up": 0, "polarised-down": 1}.get(name)
    return System(electrode, disordered(electrode, 4), momentum, spin)


NAMES = [
    "zigzag",
    "armchair",
    "overlap",
    "square",
    "magnetic",
    "spin-orbit",
    "spin-orbit-complex",
    "non-collinear",
    "non-collinear-complex",
    "polarised-up",
    "polarised-down",
    "sheet",
]


def sisl_transmission(device: object, electrodes: list, momentum: tuple, keywords: dict) -> np.ndarray:
    """T from electrode 0 to 1 by a dense Green's function with sisl's matrices and sisl's self-energies."""
    bounded = device.copy()
    nsc = [1 if any(e.axis == axis for e in electrodes) else n for axis, n in enumerate(bounded.geometry.lattice.nsc)]
    bounded.set_nsc(nsc)
    h = bounded.Hk(momentum, format="array", **keywords)
    s = bounded.Sk(momentum, format="array") if not device.orthogonal else np.eye(len(h))
    n_spins = len(h) // device.no
    values = []
    for z in ENERGIES + 1j * ETA:
        a, broadenings = z * s - h, []
        for e in electrodes:
            sigma = sisl.RecursiveSI(e.hamiltonian, e.direction).self_energy(z, momentum, **keywords)
            first = device.geometry.a2o(e.first_atom) * n_spins
            rows = np.arange(first, first + len(sigma))
            a[np.ix_(rows, rows)] -= sigma
            broadenings.append((rows, 1j * (sigma - sigma.conj().T)))
        g = np.linalg.inv(a)
        (rows, source), (columns, drain) = broadenings[:2]
        part = g[np.ix_(columns, rows)]
        values.append(np.trace(drain @ part @ source @ part.conj().T).real)
    return np.array(values)


def four_arms(width: int = 3) -> tuple:
    """A square with an arm on every side, a field through it: device, electrodes."""
    flux = 0.11

    def hopping(a: np.ndarray, b: np.ndarray) -> complex:
        return -np.exp(2j * np.pi * flux * (b[0] - a[0]) * (a[1] + b[1]) / 2)

    inside = [(x, y) for x in range(width) for y in range(width)]
    arms = {
        "-A": [(-1, y) for y in range(width)],
        "+A": [(width, y) for y in range(width)],
        "-B": [(x, -1) for x in range(width)],
        "+B": [(x, width) for x in range(width)],
    }
    sites = np.array([*inside, *(site for arm in arms.values() for site in arm)], float)
    xyz = np.column_stack([sites, np.zeros(len(sites))])
    lattice = sisl.Lattice([20.0, 20.0, 10.0], nsc=(1, 1, 1))
    device = sisl.Hamiltonian(sisl.Geometry(xyz, sisl.Atom(1, R=1.01), lattice=lattice), dtype=np.complex128)
    for i, a in enumerate(xyz):
        device[i, i] = 0.0
        for j, b in enumerate(xyz):
            if abs(np.linalg.norm(a - b) - 1) < 1e-6:
                device[i, j] = hopping(a, b)
    electrodes = []
    for k, (direction, arm) in enumerate(arms.items()):
        step = np.eye(3, dtype=int)["AB".index(direction[1])]
        positions = np.column_stack([np.array(arm, float), np.zeros(width)])
        cell = sisl.Lattice(np.where(step == 1, 1.0, 20.0), nsc=np.where(step == 1, 3, 1))
        electrode = sisl.Hamiltonian(sisl.Geometry(positions, sisl.Atom(1, R=1.01), lattice=cell), dtype=np.complex128)
        for i, a in enumerate(positions):
            electrode[i, i] = 0.0
            for j, b in enumerate(positions):
                if abs(np.linalg.norm(a - b) - 1) < 1e-6:
                    electrode[i, j] = hopping(a, b)
                for sign in (1, -1):
                    if np.linalg.norm(a - b - sign * step) < 1e-6:
                        electrode[i, j, tuple(sign * step)] = hopping(a, b + sign * step)
            for sign in (1, -1):
                electrode[i, i, tuple(sign * step)] = hopping(a, a + sign * step)
        electrodes.append(SislElectrode(electrode, direction, width**2 + k * width))
    return device, electrodes
