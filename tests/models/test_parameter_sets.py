"""Bands of the parameter sets against published gaps, masses and splittings, and against the printed table's loops."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from slater_koster_oracle import bloch_hamiltonian

from negfadj.models import Structure, parameter_set, parameter_sets, periodic_hamiltonian, tight_binding_matrices

HBAR2_OVER_M = 7.619964  # ħ²/m₀ [eV Å²]
HBAR = 6.582120e-16  # eV s
RYDBERG = 13.605693  # eV
FCC = np.array([(0, 1, 1), (1, 0, 1), (1, 1, 0)]) / 2
GAMMA, X, L = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.5, 0.5, 0.5)  # in 2π/a

TETRAHEDRAL = {  # the anion is first: the symbols at (0, 0, 0) and (1, 1, 1)/4, and the lattice constant [Å]
    "silicon-sp3d5s": (("Si", "Si"), 5.431),
    "germanium-sp3d5s": (("Ge", "Ge"), 5.6575),
    "gallium-arsenide-sp3d5s": (("As", "Ga"), 5.6532),
    "indium-arsenide-sp3d5s": (("As", "In"), 6.0583),
    "aluminium-arsenide-sp3d5s": (("As", "Al"), 5.66),
    "gallium-phosphide-sp3d5s": (("P", "Ga"), 5.4509),
    "indium-phosphide-sp3d5s": (("P", "In"), 5.8687),
    "aluminium-phosphide-sp3d5s": (("P", "Al"), 5.4635),
    "aluminium-antimonide-sp3d5s": (("Sb", "Al"), 6.1355),
}
JANCU = [name for name in TETRAHEDRAL if not name.startswith(("silicon", "germanium"))]


class Crystal:
    """Energies of a small periodic cell at Cartesian wave vectors [2π/`unit`]."""

    def __init__(self, name: str, structure: Structure, unit: float) -> None:
        self.name, self.structure, self.unit = name, structure, unit
        self.blocks = periodic_hamiltonian(structure, parameter_set(name))

    def bloch(self, momenta: np.ndarray) -> np.ndarray:
        phases = np.exp(2j * np.pi * np.asarray(momenta) @ self.blocks.cells.T)
        hamiltonian = np.einsum("...r,rij->...ij", phases, self.blocks.hamiltonian)
        if self.blocks.overlap is None:
            return np.linalg.eigvalsh(hamiltonian)
        overlap = np.linalg.inv(np.linalg.cholesky(np.einsum("...r,rij->...ij", phases, self.blocks.overlap)))
        return np.linalg.eigvalsh(overlap @ hamiltonian @ np.conj(np.swapaxes(overlap, -1, -2)))

    def energies(self, k: tuple[float, float, float]) -> np.ndarray:
        return self.bloch(self.structure.cell @ np.array(k) / self.unit)

    def mass(self, band: int, k: tuple[float, float, float], direction: tuple[int, int, int]) -> float:
        """ħ²/(d²E/dk²) in electron masses, by a second difference: its error is the step² times the next order."""
        step = 0.004 * np.array(direction) / np.linalg.norm(direction)
        below, here, above = (self.energies(tuple(np.array(k) + s * step))[band] for s in (-1, 0, 1))
        return float(HBAR2_OVER_M * (0.004 * 2 * np.pi / self.unit) ** 2 / (above - 2 * here + below))


@cache
def tetrahedral(name: str) -> Crystal:
    symbols, a = TETRAHEDRAL[name]
    positions = np.array([(0, 0, 0), (0.25, 0.25, 0.25)]) * a
    return Crystal(name, Structure(symbols, positions, a * FCC, (True,) * 3), a)


TOP, BOTTOM = 7, 8  # the highest valence band and the lowest conduction band of 8 electrons, spin counted


def gap(crystal: Crystal, k: tuple[float, float, float]) -> float:
    return float(crystal.energies(k)[BOTTOM] - crystal.energies(GAMMA)[TOP])


def spin_orbit_splitting(crystal: Crystal) -> float:
    top = crystal.energies(GAMMA)
    return float(top[TOP] - top[3])


def valley_on_delta(crystal: Crystal) -> float:
    """The place [2π/a] of the conduction band's minimum between Γ and X."""
    ks = np.linspace(0.7, 1.0, 61)
    energies = np.array([crystal.energies((k, 0, 0))[BOTTOM] for k in ks])
    lowest = int(energies.argmin())
    a, b, _ = np.polyfit(ks[lowest - 2 : lowest + 3], energies[lowest - 2 : lowest + 3], 2)
    return float(-b / (2 * a))


def a7(mu: float) -> Crystal:
    """Bismuth: a = 4.5332 Å, c = 11.7967 Å, atoms at ±μ c along the threefold axis."""
    a, c = 4.5332, 11.7967
    cell = np.array([(-a / 2, -a / np.sqrt(12), c / 3), (a / 2, -a / np.sqrt(12), c / 3), (0, a / np.sqrt(3), c / 3)])
    positions = np.array([(0, 0, mu * c), (0, 0, -mu * c)])
    return Crystal("bismuth-sp3", Structure(("Bi", "Bi"), positions, cell, (True,) * 3), 1.0)


@cache
def copper() -> Crystal:
    return Crystal("copper-spd", Structure(("Cu",), np.zeros((1, 3)), 3.610 * FCC, (True,) * 3), 3.610)


def graphene(name: str, bond: float = 1.42) -> Crystal:
    cell = np.array([(1.5 * bond, np.sqrt(0.75) * bond, 0), (1.5 * bond, -np.sqrt(0.75) * bond, 0), (0, 0, 0)])
    structure = Structure(("C", "C"), np.array([(0, 0, 0), (bond, 0, 0)]), cell, (True, True, False))
    return Crystal(name, structure, bond)


def crystal_of(name: str) -> Crystal:
    if name in TETRAHEDRAL:
        return tetrahedral(name)
    return {"bismuth-sp3": lambda: a7(0.2341), "copper-spd": copper}.get(name, lambda: graphene(name))()


@pytest.mark.parametrize("name", parameter_sets())
def test_parameter_set_agrees_with_the_printed_table(name: str) -> None:
    # a general k, through every shell, orbital and law of the set
    structure, model, k = crystal_of(name).structure, parameter_set(name), (0.13, -0.29, 0.41)
    k = tuple(x if p else 0.0 for x, p in zip(k, structure.periodic))
    lattice = structure.cell[list(structure.periodic)]
    ours = tight_binding_matrices(structure, model, momentum=k)
    theirs = bloch_hamiltonian(structure.symbols, structure.positions, lattice, model, k)
    for mine, expected in zip(ours, theirs):
        assert (mine is None) == (expected is None)
        if mine is not None:
            # some hundred products of numbers of the size of the largest entry
            assert np.abs(mine.toarray() - expected).max() <= 200 * np.finfo(float).eps * np.abs(expected).max()


@pytest.mark.parametrize("name", parameter_sets())
def test_parameter_set_names_its_source(name: str) -> None:
    model = parameter_set(name)
    assert model.title and "doi:10." in model.source


# Experiment at 300 K: S. M. Sze, Physics of Semiconductor Devices (2007), App. G; O. Madelung, Semiconductors: Data
# Handbook (2004). The tolerances say how well the fit does.
def test_silicon_has_its_indirect_gap() -> None:
    silicon = tetrahedral("silicon-sp3d5s")
    valley = (valley_on_delta(silicon), 0.0, 0.0)
    assert valley[0] == pytest.approx(0.813, abs=0.002)  # 0.85 ± 0.03 in experiment
    assert gap(silicon, valley) == pytest.approx(1.12, abs=0.015)
    assert gap(silicon, GAMMA) == pytest.approx(3.4, abs=0.02)
    assert gap(silicon, valley) < min(gap(silicon, k) for k in (GAMMA, X, L))


def test_silicon_has_its_electron_masses() -> None:
    silicon = tetrahedral("silicon-sp3d5s")
    valley = (valley_on_delta(silicon), 0.0, 0.0)
    assert silicon.mass(BOTTOM, valley, (1, 0, 0)) == pytest.approx(0.89, abs=0.005)  # 0.916 in experiment
    assert silicon.mass(BOTTOM, valley, (0, 1, 0)) == pytest.approx(0.20, abs=0.005)  # 0.191 in experiment


def test_silicon_has_its_spin_orbit_splitting() -> None:
    assert spin_orbit_splitting(tetrahedral("silicon-sp3d5s")) == pytest.approx(0.044, abs=0.004)


def test_germanium_has_its_gap_at_l() -> None:
    germanium = tetrahedral("germanium-sp3d5s")
    assert gap(germanium, L) == pytest.approx(0.66, abs=0.02)
    assert gap(germanium, GAMMA) == pytest.approx(0.80, abs=0.02)
    assert gap(germanium, L) < min(gap(germanium, k) for k in (GAMMA, X, (0.885, 0.0, 0.0)))


def test_germanium_has_its_electron_masses_at_l() -> None:
    germanium = tetrahedral("germanium-sp3d5s")
    assert germanium.mass(BOTTOM, L, (1, 1, 1)) == pytest.approx(1.59, rel=0.01)
    assert germanium.mass(BOTTOM, L, (1, -1, 0)) == pytest.approx(0.082, rel=0.02)


def test_germanium_falls_short_of_its_spin_orbit_splitting() -> None:
    # 0.29 eV in experiment; the set gives a quarter less. That its band edge is a round number to 2e-5 eV, as that of
    # silicon is, says that the coupling belongs to the hoppings.
    germanium = tetrahedral("germanium-sp3d5s")
    assert spin_orbit_splitting(germanium) == pytest.approx(0.225, abs=0.001)
    assert germanium.energies(GAMMA)[TOP] == pytest.approx(0.77, abs=2e-5)


# I. Vurgaftman, J. R. Meyer, L. R. Ram-Mohan, J. Appl. Phys. 89, 5815 (2001), low temperature: gaps at Γ and X [eV],
# spin–orbit splitting [eV], electron mass at Γ; the value and how far the set may be from it
III_V = {
    "gallium-arsenide": {"gamma": (1.519, 0.001), "x": (1.981, 0.01), "so": (0.341, 0.002), "mass": (0.067, 0.001)},
    "indium-arsenide": {"gamma": (0.417, 0.001), "so": (0.39, 0.01), "mass": (0.026, 0.003)},
    "aluminium-arsenide": {"gamma": (3.099, 0.035), "x": (2.24, 0.02), "so": (0.28, 0.02), "mass": (0.15, 0.01)},
    "gallium-phosphide": {"gamma": (2.886, 0.01), "x": (2.35, 0.005), "so": (0.08, 0.001), "mass": (0.13, 0.005)},
    "indium-phosphide": {"gamma": (1.4236, 0.001), "so": (0.108, 0.001), "mass": (0.0795, 0.006)},
    "aluminium-phosphide": {"gamma": (3.63, 0.001), "x": (2.52, 0.02), "so": (0.07, 0.031), "mass": (0.22, 0.035)},
    "aluminium-antimonide": {"gamma": (2.386, 0.003), "x": (1.696, 0.005), "so": (0.676, 0.004), "mass": (0.14, 0.035)},
}


@pytest.mark.parametrize("name", JANCU)
def test_iii_v_compound_has_its_published_bands(name: str) -> None:
    crystal, published = tetrahedral(name), III_V[name.removesuffix("-sp3d5s")]
    computed = {
        "gamma": gap(crystal, GAMMA),
        "x": gap(crystal, X),
        "so": spin_orbit_splitting(crystal),
        "mass": crystal.mass(BOTTOM, GAMMA, (1, 0, 0)),
    }
    for quantity, (value, tolerance) in published.items():
        assert computed[quantity] == pytest.approx(value, abs=tolerance), quantity


@pytest.mark.parametrize("name", ["silicon-sp3d5s", *JANCU])
def test_valence_band_edge_is_at_zero(name: str) -> None:
    # these sets are written with energies from that edge, with five decimals and four: a wrong digit in any integral
    # that the edge sees moves it further than this
    assert abs(tetrahedral(name).energies(GAMMA)[TOP]) < (2e-4 if name in JANCU else 1e-5)


def test_bismuth_is_a_semimetal_of_the_measured_gap_and_overlap() -> None:
    # 13.6 meV of direct gap at L and 38 meV of overlap, from the top of the holes at T down to the electrons at L:
    # Y.-M. Lin, X. Sun, M. S. Dresselhaus, Phys. Rev. B 62, 4610 (2000), Sec. II. The position parameter μ is printed
    # with four digits; both energies change by some meV within its rounding, and these numbers must lie in between.
    def gap_and_overlap(mu: float) -> np.ndarray:
        bismuth = a7(mu)
        at_l, at_t = bismuth.bloch(np.array([0.5, 0, 0])), bismuth.bloch(np.array([0.5, 0.5, 0.5]))
        return 1e3 * np.array([at_l[10] - at_l[9], at_t[9] - at_l[10]])  # 10 electrons

    low, high = np.sort([gap_and_overlap(0.2341 - 5e-5), gap_and_overlap(0.2341 + 5e-5)], axis=0)
    assert np.all(low < (13.6, 38.0)) and np.all((13.6, 38.0) < high)
    assert np.all(high - low < 6.0)


def fermi_energy(crystal: Crystal, n_electrons: int, n: int) -> float:
    """Where a grid of n³ points, off the high-symmetry points, holds the electrons; smeared by 0.1 eV."""
    axis = (np.arange(n) + 0.5) / n
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    energies = crystal.bloch(grid)
    low, high = energies.min(), energies.max()
    for _ in range(50):
        middle = (low + high) / 2
        occupied = 2 * np.sum(1 / (1 + np.exp(np.clip((energies - middle) / 0.1, -500, 500)))) / len(grid)
        low, high = (middle, high) if occupied < n_electrons else (low, middle)
    return float(low)


def test_copper_has_the_fermi_energy_of_the_handbook() -> None:
    assert fermi_energy(copper(), 11, 10) / RYDBERG == pytest.approx(0.5805, abs=0.007)


def test_copper_has_its_d_bands_below_the_fermi_energy() -> None:
    # R. Courths, S. Hüfner, Phys. Rep. 112, 53 (1984), photoemission at X: −5.18 (X1), −4.80 (X3), −2.01 eV (X5), and
    # −0.85 eV at L2'; calculations in the local density approximation put the d bands some 0.5 eV higher
    fermi = fermi_energy(copper(), 11, 10)
    at_x, at_l = copper().energies((0, 0, 1)) - fermi, copper().energies(L) - fermi
    assert at_x[[0, 1, 4]] == pytest.approx([-5.18, -4.80, -2.01], abs=0.5)
    assert at_l[5] == pytest.approx(-0.85, abs=0.2)
    assert at_x[5] > 0


def dirac_velocity(crystal: Crystal, bond: float) -> float:
    """Slope [m/s] of the upper band at K along a general direction."""
    k = np.array([0, 4 * np.pi / (3 * np.sqrt(3) * bond), 0])
    step = 1e-4 * np.array([np.cos(0.4), np.sin(0.4), 0])  # 1/Å
    upper = [crystal.bloch(crystal.structure.cell @ (k + s * step) / (2 * np.pi))[1] for s in (0, 1)]
    return float((upper[1] - upper[0]) / 1e-4 / HBAR * 1e-10)


@pytest.mark.parametrize("name", ["graphene-nearest-neighbour", "carbon-pi-strained"])
def test_graphene_has_the_velocity_of_its_hopping(name: str) -> None:
    # 3 t d / 2ħ; the band bends by q d/2 of it at most
    assert dirac_velocity(graphene(name), 1.42) == pytest.approx(1.5 * 2.7 * 1.42 / HBAR * 1e-10, rel=2e-4)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("graphene-nearest-neighbour", 0.13), ("carbon-pi-strained", 0.13), ("graphene-third-neighbour", 0.22)],
)
def test_graphene_has_the_measured_velocity(name: str, tolerance: float) -> None:
    # 1.0e6 m/s: Castro Neto et al., Rev. Mod. Phys. 81, 109 (2009), Sec. II B. The third-neighbour set is a fit to the
    # local density approximation, whose bands are a fifth too flat.
    assert dirac_velocity(graphene(name), 1.42) == pytest.approx(1.0e6, rel=tolerance)


@pytest.mark.parametrize("strain", [-0.1, 0.05, 0.2])
def test_strained_carbon_bond_follows_the_exponential_law(strain: float) -> None:
    # Pereira, Castro Neto, Peres, Phys. Rev. B 80, 045401 (2009): V = t₀ exp(−3.37 (d/d₀ − 1))
    pair = Structure(("C", "C"), np.array([(0, 0, 0), (1.42 * (1 + strain), 0, 0)]))
    hopping = tight_binding_matrices(pair, parameter_set("carbon-pi-strained"))[0].toarray()[0, 1]
    assert hopping == pytest.approx(-2.7 * np.exp(-3.37 * strain), rel=1e-12)


def test_silicon_bond_follows_its_scaling_exponents() -> None:
    # an s and a p orbital of one bond, stretched by 3 %: V_spσ (d₀/d)^2.36548 (Boykin et al. (2004))
    d = 1.03 * 2.35169
    pair = Structure(("Si", "Si"), np.array([(0, 0, 0), (d, 0, 0)]))
    hamiltonian = tight_binding_matrices(pair, parameter_set("silicon-sp3d5s"))[0].toarray()
    assert hamiltonian[0, 22].real == pytest.approx(3.02562 * 1.03**-2.36548, rel=1e-12)
