"""The cost model of docs/cost-model.md: real operations by kind, and the time they take at this machine's rates.

An addition or a multiplication of real numbers is one operation: a product of complex n × n matrices is 8 n³ of them.
Counts are per energy and layer of n orbitals, with c channels of the source open, in the mean over the energies; what
grows slower than the cube is left out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from measure import timer

MOST_PASSES = 60
HALVED_FROM = 24  # rows, as in kernels/halved_inverse.py


# real operations of one call of size n over n³: complex and real products, getrf with getri, geev with vectors (about
# 25 n³ operations of the matrix's own kind: Golub and Van Loan, Matrix Computations, 4th ed., Sec. 7.5.6)
PER_CUBE = {"product": 8, "real_product": 2, "inverse": 8, "real_inverse": 2, "eigen": 100, "real_eigen": 25}


@dataclass(frozen=True)
class Work:
    """Real operations by kind and size: terms (kind of `PER_CUBE`, size, operations)."""

    terms: tuple[tuple[str, int, float], ...] = ()

    @property
    def flops(self) -> float:
        """All of them."""
        return sum(flops for _, _, flops in self.terms)

    def __add__(self, other: Work) -> Work:
        return Work(self.terms + other.terms)

    def __mul__(self, factor: float) -> Work:
        return Work(tuple((kind, n, factor * flops) for kind, n, flops in self.terms))


def product(n: float, k: float, m: float, kind: str = "product") -> Work:
    """A complex (n, k) by a complex (k, m) matrix; with "real_product" both are real. Sizes may be means."""
    return Work(((kind, max(1, round((n * k * m) ** (1 / 3))), float(PER_CUBE[kind] * n * k * m)),))


def inverse(n: int, kind: str = "inverse") -> Work:
    """getrf and getri."""
    return Work(((kind, n, float(PER_CUBE[kind] * n**3)),))


def eigen(n: int, kind: str = "eigen") -> Work:
    """geev with vectors."""
    return Work(((kind, n, float(PER_CUBE[kind] * n**3)),))


def by_hopping(n: int, m: float, hopping: str) -> Work:
    """A hopping (n, n) by a complex (n, m): "gathered", "real" or "complex"."""
    if hopping == "gathered":
        return Work()
    return product(n, n, m, "real_product") * 2 if hopping == "real" else product(n, n, m)


def halved_inverse(n: int, *, is_symmetric: bool) -> Work:
    """By halves: six products of half the size a level, four for a symmetric matrix; 1 + 1/4 + … levels."""
    if n < HALVED_FROM:
        return inverse(n)
    return product(n / 2, n / 2, n / 2) * ((4 if is_symmetric else 6) * 4 / 3)


def elimination(n: int, hopping: str, *, is_real: bool) -> Work:
    """g_i = (A_ii − A_{i,i−1} g_{i−1} A_{i−1,i})⁻¹; real H and leads make a symmetric A."""
    return halved_inverse(n, is_symmetric=is_real) + by_hopping(n, n, hopping) * 2


def textbook_transmission(n: int, hopping: str) -> Work:
    """Elimination of a general complex matrix by getrf and getri, n columns carried along."""
    return inverse(n) + by_hopping(n, n, hopping) * 2 + product(n, n, n)


def transmission(n: int, hopping: str, c: float, *, is_real: bool) -> Work:
    """Elimination with the source's c columns carried along."""
    return elimination(n, hopping, is_real=is_real) + product(n, n, c)


def transmission_gradient(n: int, hopping: str, c: float, wrt: str, *, is_real: bool) -> Work:
    """T with its gradient. Real: the elimination, columns swept back, X M, and two real sums of X M Xᵀ a layer."""
    if is_real:
        states = elimination(n, hopping, is_real=True) + product(n, n, c) + by_hopping(n, c, hopping)
        weighted = states + product(n, c, c)
        return weighted + product(n, 2 * c, n, "real_product") * 2 if wrt == "all" else weighted
    sweeps = (product(n, n, c) + by_hopping(n, c, hopping)) * (2 if 2 * c <= n else 3)  # columns carried once more
    gradient = transmission(n, hopping, c, is_real=False) + sweeps
    return gradient + outer_products(n, c, is_real=False) if wrt == "all" else gradient


def outer_products(n: int, c: float, *, is_real: bool) -> Work:
    """Σ_E X R on a diagonal and two neighbouring blocks; of a real H the real part alone."""
    one = product(n, 2 * c, n, "real_product") if is_real else product(n, c, n)
    return one * 3


def local_density(n: int, hopping: str, *, is_real: bool) -> Work:
    """Elimination and the selected inverse."""
    return elimination(n, hopping, is_real=is_real) + product(n, n, n) * 3 + by_hopping(n, n, hopping) * 2


def local_density_pullback(n: int, hopping: str) -> Work:
    """A selected congruence with a diagonal source."""
    return product(n, n, n) * 11 + by_hopping(n, n, hopping) * 7


def bond_currents(n: int, hopping: str, c: float, *, is_real: bool) -> Work:
    """Elimination, the states of c channels carried and swept back; A_ba on the bonds alone takes n c a bond."""
    return elimination(n, hopping, is_real=is_real) + product(n, n, c) * 2 + by_hopping(n, c, hopping)


def bond_currents_pullback(n: int, hopping: str, c: float, *, is_real: bool) -> Work:
    """A and 𝒜X on both blocks, rows carried and swept back, three sums of outer products."""
    spectral = product(n, c, n) * 2 + product(n, n, c) * 4
    rows = (product(n, n, c) + by_hopping(n, c, hopping)) * 2
    return spectral + rows + outer_products(n, c, is_real=is_real)


def decimation(n: int, passes: float) -> Work:
    """An inverse and six products a pass, for both ends of the lead."""
    return (inverse(n) + product(n, n, n) * 6) * passes


def segment_doubling(n: int, r: int, passes: float) -> Work:
    """A cell's factors with 2r right-hand sides, their corners, then an inverse and ten products of size r a pass."""
    corners = inverse(n) * (1 / 3) + product(n, n, 2 * r) + product(2 * r, n, 2 * r)
    return corners + (inverse(r) + product(r, r, r) * 10) * passes


def modes(n: int, r: int, *, is_real: bool = True) -> Work:
    """A cell's corners, the pencil of size 2r and its eigenvectors, in real arithmetic for a real lead; both ends."""
    products, inverses, eigens = (
        ("real_product", "real_inverse", "real_eigen") if is_real else ("product", "inverse", "eigen")
    )
    corners = inverse(n, inverses) * (1 / 3) + product(n, n, 2 * r, products) + product(2 * r, n, 2 * r, products)
    pencil = inverse(2 * r, inverses) * (4 / 3) + eigen(2 * r, eigens)
    return corners + pencil + (inverse(r) * (4 / 3) + product(r, r, r)) * 2


def chains(n: int) -> Work:
    """The diagonal of V†A00 V and V g_k V† with a real V."""
    return product(n, n, n, "real_product") * 4


def chains_pullback(n: int) -> Work:
    """Σ̄ to ḡ and the coupling, two products; the chains again and four products between V† and V."""
    return product(n, n, n) * 2 + product(n, n, n, "real_product") * (2 + 16)


def self_energy(n: int, r: int) -> Work:
    """g from the end of a lead and what checks it; A_c g A_c' of a gathered coupling."""
    return inverse(n) + (product(n, n, r) + product(n, r, r)) * 2


def surface_pullback(n: int, r: int, doublings: float | None) -> Work:
    """The Stein equation of size r, by doubling or (None) in the eigenbasis, and the products around it."""
    if doublings is None:
        stein = eigen(r) * 2 + inverse(r) * 2 + product(r, r, r) * 12
    else:
        stein = product(r, r, r) * 4 * doublings
    return stein + product(n, n, n) * 2 + product(n, n, r) * 8


def decimation_passes(onsite: np.ndarray, hopping: np.ndarray, z: np.ndarray) -> float:
    """Mean number of passes at energies z: until the change falls below √eps/64 of A00, as the library stops."""
    found = []
    for energy in z:
        bulk = energy * np.eye(len(onsite)) - onsite
        alpha, beta = -hopping.astype(complex), -hopping.conj().T.astype(complex)
        passes, limit = 0, 2.2e-16**0.5 * np.abs(bulk).max() / 64
        for _ in range(MOST_PASSES):
            passes, g = passes + 1, np.linalg.inv(bulk)
            there_and_back = alpha @ g @ beta
            bulk = bulk - there_and_back - beta @ g @ alpha
            alpha, beta = alpha @ g @ alpha, beta @ g @ beta
            if not np.abs(there_and_back).max() > limit:
                break
        found.append(passes)
    return statistics.mean(found)


def machine_timers(work: Work) -> dict[tuple[str, int], Callable[[], float]]:
    """Timers of one call of every kind and size in some work."""
    return {(kind, n): _timer(kind, n) for kind, n in sorted({(kind, n) for kind, n, _ in work.terms})}


def predicted_seconds(work: Work, seconds: Mapping[tuple[str, int], float]) -> float:
    """Seconds at the rates that one call of every kind and size had."""
    return sum(flops / (PER_CUBE[kind] * n**3) * seconds[kind, n] for kind, n, flops in work.terms)


def _timer(kind: str, n: int) -> Callable[[], float]:
    from scipy.linalg import lapack

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, n, n))
    if not kind.startswith("real"):
        x, y = x + 1j * rng.normal(size=(n, n)), y + 1j * rng.normal(size=(n, n))
    if kind.endswith("product"):
        out = np.empty_like(x)
        return timer(lambda: np.matmul(x, y, out=out))
    if kind.endswith("eigen"):
        return timer(lambda: np.linalg.eig(x))
    columns = np.asfortranarray(x)
    getrf, getri = lapack.get_lapack_funcs(("getrf", "getri"), (columns,))

    def invert() -> object:
        lu, pivots, _ = getrf(columns)
        return getri(lu, pivots, lwork=64 * n, overwrite_lu=1)

    return timer(invert)
