"""Slater–Koster tight binding by the printed table and plain loops: the reference for `negfadj.models`.

The two-centre matrix elements are those of J. C. Slater, G. F. Koster, Phys. Rev. 94, 1498 (1954), Table I, entry by
entry; nothing is shared with the library. Orbital order: p is x, y, z; d is xy, yz, zx, x2-y2, 3z2-r2; spin is fastest
(up, down).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

SUB = {"s": ("s",), "s*": ("s*",), "p": ("x", "y", "z"), "d": ("xy", "yz", "zx", "x2-y2", "3z2-r2")}
KIND = {sub: kind for kind, subs in SUB.items() for sub in subs}
ANGULAR = {"s": 0, "s*": 0, "p": 1, "d": 2}
PROJECTIONS = ("sigma", "pi", "delta")
CYCLE = {"s": "s", "s*": "s*", "x": "y", "y": "z", "z": "x", "xy": "yz", "yz": "zx", "zx": "xy"}
PAULI = (np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.array([[1, 0], [0, -1]]))


def table_entry(a, b, l, m, n):  # noqa: E741  the names of the paper
    """The coefficients of (σ, π, δ) in E_ab of Table I, or None where the table has no such entry."""
    w = np.sqrt(3.0)
    ss, pp, dd = l * l - m * m, l * l + m * m, n * n - (l * l + m * m) / 2
    match a, b:
        case "s", "s":
            return (1.0,)
        case "s", "x":
            return (l,)
        case "x", "x":
            return (l**2, 1 - l**2)
        case "x", "y":
            return (l * m, -l * m)
        case "x", "z":
            return (l * n, -l * n)
        case "s", "xy":
            return (w * l * m,)
        case "s", "x2-y2":
            return (w / 2 * ss,)
        case "s", "3z2-r2":
            return (dd,)
        case "x", "xy":
            return (w * l**2 * m, m * (1 - 2 * l**2))
        case "x", "yz":
            return (w * l * m * n, -2 * l * m * n)
        case "x", "zx":
            return (w * l**2 * n, n * (1 - 2 * l**2))
        case "x", "x2-y2":
            return (w / 2 * l * ss, l * (1 - ss))
        case "y", "x2-y2":
            return (w / 2 * m * ss, -m * (1 + ss))
        case "z", "x2-y2":
            return (w / 2 * n * ss, -n * ss)
        case "x", "3z2-r2":
            return (l * dd, -w * l * n**2)
        case "y", "3z2-r2":
            return (m * dd, -w * m * n**2)
        case "z", "3z2-r2":
            return (n * dd, w * n * pp)
        case "xy", "xy":
            return (3 * l**2 * m**2, pp - 4 * l**2 * m**2, n**2 + l**2 * m**2)
        case "xy", "yz":
            return (3 * l * m**2 * n, l * n * (1 - 4 * m**2), l * n * (m**2 - 1))
        case "xy", "zx":
            return (3 * l**2 * m * n, m * n * (1 - 4 * l**2), m * n * (l**2 - 1))
        case "xy", "x2-y2":
            return (1.5 * l * m * ss, -2 * l * m * ss, 0.5 * l * m * ss)
        case "yz", "x2-y2":
            return (1.5 * m * n * ss, -m * n * (1 + 2 * ss), m * n * (1 + ss / 2))
        case "zx", "x2-y2":
            return (1.5 * n * l * ss, n * l * (1 - 2 * ss), -n * l * (1 - ss / 2))
        case "xy", "3z2-r2":
            return (w * l * m * dd, -2 * w * l * m * n**2, w / 2 * l * m * (1 + n**2))
        case "yz", "3z2-r2":
            return (w * m * n * dd, w * m * n * (pp - n**2), -w / 2 * m * n * pp)
        case "zx", "3z2-r2":
            return (w * l * n * dd, w * l * n * (pp - n**2), -w / 2 * l * n * pp)
        case "x2-y2", "x2-y2":
            return (0.75 * ss**2, pp - ss**2, n**2 + ss**2 / 4)
        case "x2-y2", "3z2-r2":
            return (w / 2 * ss * dd, -w * n**2 * ss, w / 4 * (1 + n**2) * ss)
        case "3z2-r2", "3z2-r2":
            return (dd**2, 3 * n**2 * pp, 0.75 * pp**2)
    return None


def coefficients(a, b, l, m, n):  # noqa: E741
    """As `table_entry`, also for what the table leaves to cyclic permutation and to the interchange of a and b."""
    a, b = a.rstrip("*"), b.rstrip("*")
    if ANGULAR[KIND[a]] > ANGULAR[KIND[b]]:  # E_ba(l, m, n) = E_ab(−l, −m, −n)
        return coefficients(b, a, -l, -m, -n)
    for x, y in ((a, b), (b, a)) if KIND[a] == KIND[b] else ((a, b),):  # even under inversion when the kinds are alike
        for _ in range(3):
            found = table_entry(x, y, l, m, n)
            if found is not None:
                return found
            if x not in CYCLE or y not in CYCLE:
                break
            x, y, l, m, n = CYCLE[x], CYCLE[y], n, l, m  # noqa: E741  the axis named x is named y now
    raise AssertionError(f"no entry for {a}, {b}")


def integral(integrals, a, b, projection, *, alike):
    """V_ab_projection; for two like elements either order of the two kinds."""
    key, swapped = f"{a}{b}_{projection}", f"{b}{a}_{projection}"
    return integrals[swapped] if alike and key not in integrals else integrals[key]


def two_centre_block(orbitals_a, orbitals_b, integrals, cosines, *, alike=True):
    """<a|H|b> of one bond: orbitals of atom a in the rows, of atom b in the columns, cosines from a to b.

    `integrals["sp_sigma"]`: s on atom a, p on atom b. `alike`: the two elements are one, so that either order of a key
    will do.
    """
    rows = [(kind, sub) for kind in orbitals_a for sub in SUB[kind]]
    columns = [(kind, sub) for kind in orbitals_b for sub in SUB[kind]]
    block = np.zeros((len(rows), len(columns)))
    for (i, (kind_a, a)), (j, (kind_b, b)) in product(enumerate(rows), enumerate(columns)):
        for projection, coefficient in zip(PROJECTIONS, coefficients(a, b, *cosines)):
            block[i, j] += coefficient * integral(integrals, kind_a, kind_b, projection, alike=alike)
    return block


def angular_momentum(kind):
    """(L_x, L_y, L_z) in the real orbitals of one kind, by −i r × ∇ on the polynomials they are.

    p: v·r, L_k v = −i ε_k v. d: rᵀQr with Q symmetric and traceless, L_k Q = −i(ε_k Q + (ε_k Q)ᵀ), and <Q|Q'> = tr QQ'.
    """
    levi_civita = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi_civita[i, j, k], levi_civita[i, k, j] = 1, -1
    if ANGULAR[kind] == 0:
        return tuple(np.zeros((1, 1), complex) for _ in range(3))
    if kind == "p":
        return tuple(-1j * levi_civita[k] for k in range(3))
    quadrics = np.zeros((5, 3, 3))
    for row, (i, j) in enumerate(((0, 1), (1, 2), (2, 0))):
        quadrics[row, i, j] = quadrics[row, j, i] = np.sqrt(1 / 2)
    quadrics[3] = np.diag([1, -1, 0]) / np.sqrt(2)
    quadrics[4] = np.diag([-1, -1, 2]) / np.sqrt(6)
    rotated = [[levi_civita[k] @ q + (levi_civita[k] @ q).T for q in quadrics] for k in range(3)]
    return tuple(-1j * np.einsum("aij,bij->ab", quadrics, rotated[k]) for k in range(3))


def spin_orbit_block(kind, strength):
    """λ L·σ over the orbitals of one kind, spin fastest."""
    return strength * sum(np.kron(lk, sk) for lk, sk in zip(angular_momentum(kind), PAULI))


def distance_factor(law, distance, reference):
    """The bond-length law as written in a parameter file, or an object with the same fields."""
    if law is None:
        return 1.0
    get = law.get if isinstance(law, dict) else lambda name, default=None: getattr(law, name, default)
    kind = law["kind"] if isinstance(law, dict) else type(law).__name__
    x, n = get("reference", None) or reference, get("exponent")
    if kind in ("power", "PowerLaw"):
        return (x / distance) ** n
    if kind in ("exponential", "ExponentialLaw"):
        return np.exp(-n * (distance / x - 1))
    if kind in ("goodwin_skinner_pettifor", "GoodwinSkinnerPettifor"):
        decay, length = get("decay_exponent"), get("decay_length")
        return (x / distance) ** n * np.exp(n * ((x / length) ** decay - (distance / length) ** decay))
    raise AssertionError(f"law {kind}")


def scaled(integrals, law, distance, reference):
    """The integrals at a distance."""
    if not isinstance(integrals, dict):
        integrals = {"ss_sigma": integrals} if np.isscalar(integrals) else dict(integrals)
    per_key = law if isinstance(law, dict) and "kind" not in law else dict.fromkeys(integrals, law)
    return {key: v * distance_factor(per_key.get(key), distance, reference) for key, v in integrals.items()}


def as_dictionary(model):
    """A parameter file's path, its dictionary, or a `TightBinding`, as the dictionary of a parameter file."""
    if isinstance(model, (str, Path)):
        import tomllib

        return tomllib.loads(Path(model).read_text(encoding="utf-8"))
    if isinstance(model, dict):
        return model
    names = ("elements", "distance", "tolerance", "hopping", "overlap", "law", "overlap_law", "cutoff")
    shells = [{name: getattr(s, name) for name in names if getattr(s, name, None) is not None} for s in model.shells]
    spin_orbit = dict(getattr(model, "spin_orbit", None) or {})
    return {"onsite": dict(model.onsite), "shells": shells, "spin_orbit": spin_orbit}


def bloch_hamiltonian(elements, positions, lattice, model, momentum):
    """(H(k), S(k) or None) of a periodic cell by loops over atoms and images: exp(2πi k·R), k in reciprocal vectors.

    `lattice`: the rows are the periodic vectors (any number of them; an empty one for a molecule). Cut-offs are not
    known here.
    """
    model = as_dictionary(model)
    elements, positions = list(elements), np.asarray(positions, float)
    lattice = np.asarray(lattice, float).reshape(-1, 3)
    onsite = {e: table if hasattr(table, "items") else {"s": table} for e, table in model["onsite"].items()}
    orbitals = [tuple(onsite[element]) for element in elements]
    sizes = [sum(len(SUB[kind]) for kind in kinds) for kinds in orbitals]
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    hamiltonian = np.zeros((offsets[-1], offsets[-1]), complex)
    overlap = np.eye(offsets[-1], dtype=complex)
    for i, element in enumerate(elements):
        energies = [onsite[element][kind] for kind in orbitals[i] for _ in SUB[kind]]
        hamiltonian[offsets[i] : offsets[i + 1], offsets[i] : offsets[i + 1]] = np.diag(energies)
    reach = max(shell["distance"] + shell["tolerance"] for shell in model["shells"])
    extent = np.ptp(positions, axis=0)
    heights = [1 / np.linalg.norm(column) for column in np.linalg.pinv(lattice).T]
    images = [range(-n, n + 1) for n in (int(np.ceil((reach + np.linalg.norm(extent)) / h)) for h in heights)]
    has_overlap = False
    for i, j, cell in product(range(len(elements)), range(len(elements)), product(*images)):
        bond = positions[j] + np.asarray(cell, float) @ lattice - positions[i]
        distance = np.linalg.norm(bond)
        if distance < 1e-6 or distance > reach:
            continue
        for shell in model["shells"]:
            first, second = shell["elements"]
            if abs(distance - shell["distance"]) > shell["tolerance"]:
                continue
            if shell.get("cutoff") is not None:
                raise NotImplementedError("cut-offs are not known to the oracle")
            if {first, second} != {elements[i], elements[j]}:
                continue
            phase = np.exp(2j * np.pi * np.dot(cell, momentum[: len(cell)]))
            for name, law, target in (("hopping", "law", hamiltonian), ("overlap", "overlap_law", overlap)):
                given = shell.get(name, 0.0)
                if given is None or (np.isscalar(given) and given == 0):
                    continue
                integrals = scaled(given, shell.get(law), distance, shell["distance"])
                alike = first == second
                if elements[i] == first:
                    block = two_centre_block(orbitals[i], orbitals[j], integrals, bond / distance, alike=alike)
                else:
                    block = two_centre_block(orbitals[j], orbitals[i], integrals, -bond / distance, alike=alike).T
                target[offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]] += block * phase
                has_overlap |= name == "overlap"
    coupling = model.get("spin_orbit") or {}
    if coupling:
        hamiltonian, overlap = np.kron(hamiltonian, np.eye(2)), np.kron(overlap, np.eye(2))
        for i, element in enumerate(elements):
            start = 2 * offsets[i]
            for kind in orbitals[i]:
                width = 2 * len(SUB[kind])
                strength = coupling.get(element, {}).get(kind, 0.0)
                hamiltonian[start : start + width, start : start + width] += spin_orbit_block(kind, strength)
                start += width
    return hamiltonian, overlap if has_overlap else None
