"""Atomic spin–orbit coupling H = λ L·σ = 2λ L·S on the p and d orbitals of an atom.

L of the real p orbitals is (L_k)_ij = −i ε_kij; the d orbitals are the symmetric traceless tensors Q_a, on which
rotations act from both sides: (L_k)_ab = tr Q_a [ℓ_k, Q_b] with ℓ_k the matrices of p. A p level splits by 3λ, a d
level by 5λ.

Sources: D. J. Chadi, Phys. Rev. B 16, 790 (1977), whose λ = Δ/3 this is; A. Abragam, B. Bleaney (1970), Sec. 14 for d.
"""

from __future__ import annotations

import numpy as np

from ..typing import Array
from .two_centre import Q

PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def angular_momentum(degree: int) -> Array:
    """L_x, L_y, L_z [ħ] in the real orbitals of degree l = 1 or 2: (3, 2l + 1, 2l + 1), Hermitian, imaginary."""
    levi_civita = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi_civita[i, j, k], levi_civita[i, k, j] = 1, -1
    p = -1j * levi_civita
    if degree == 1:
        return p
    commutators = np.einsum("kij,bjm->kbim", p, Q) - np.einsum("bij,kjm->kbim", Q, p)
    return np.einsum("aim,kbim->kab", Q, commutators)


def spin_orbit_matrix(degree: int) -> Array:
    """L·σ of one atom, spin fastest: shape (2(2l + 1), 2(2l + 1))."""
    n = 2 * (2 * degree + 1)
    return np.einsum("kab,kst->asbt", angular_momentum(degree), PAULI).reshape(n, n)
