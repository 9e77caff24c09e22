"""Tight-binding models: on-site energies, two-centre integrals by neighbour shells, spin–orbit coupling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from ..array import STATIC
from ..errors import InputError, InputTypeError
from .bond_length_laws import BondLengthLaw, Cutoff
from .two_centre import ANGULAR_MOMENTUM, BOND_TYPES, COMPONENTS

Integrals: TypeAlias = float | Mapping[str, float]


@dataclass(frozen=True)
class Shell:
    """One neighbour shell: pairs of two elements at a distance within a tolerance.

    Parameters
    ----------
    elements : two str
        A and B.
    distance, tolerance : float
        A pair belongs to the shell when its distance [Å] differs from `distance` by at most `tolerance`.
    hopping : float, or mapping of str to float, or None
        Two-centre integrals [eV] by name: "sp_sigma" has the s orbital on A and the p orbital on B, with
        <s(0)|H|p_x(d x̂)> = V_spσ; likewise "pd_pi", "s*d_sigma", "dd_delta". A number is {"ss_sigma": number}. None
        leaves the pair uncoupled on purpose.
    overlap : float, or mapping of str to float, or None
        The same of the overlap; None (default) is an orthogonal pair.
    law : BondLengthLaw, or mapping of str to BondLengthLaw, optional
        How the hoppings scale with the distance, for all of them or by name. Default: constant within the shell.
    overlap_law : the same for the overlaps
    cutoff : Cutoff, optional
        Multiplies hoppings and overlaps.

    Raises
    ------
    InputError, InputTypeError
        For distances, names or numbers that make no shell; the shell is named.
    """

    elements: tuple[str, str] = field(metadata=STATIC)
    distance: float = field(metadata=STATIC)
    tolerance: float = field(metadata=STATIC)
    hopping: Integrals | None
    overlap: Integrals | None = None
    law: Any = None
    overlap_law: Any = None
    cutoff: Cutoff | None = None

    def __post_init__(self) -> None:
        if len(self.elements) != 2:
            raise InputError(f"a shell joins two elements, not {self.elements!r}.")
        object.__setattr__(self, "elements", tuple(self.elements))
        for name in ("distance", "tolerance"):
            object.__setattr__(self, name, _number(getattr(self, name), f"shell {'–'.join(self.elements)}: {name}"))
        if not 0 <= self.tolerance < self.distance:
            raise InputError(
                f"shell {self.label}: distance = {self.distance} Å and tolerance = {self.tolerance} Å; the "
                "distance must be positive and the tolerance smaller than it and not negative."
            )
        for name in ("hopping", "overlap"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _integrals(given, f"shell {self.label}: {name}"))
        if self.hopping is None and self.overlap is not None:
            raise InputError(f"shell {self.label} has an overlap and no hopping; give the hopping, 0 if there is none.")
        if any(abs(s) >= 1 for s in self.overlaps.values()):
            raise InputError(f"shell {self.label}: overlap = {self.overlap}; overlaps lie between −1 and 1.")
        for name, integrals in (("law", self.hoppings), ("overlap_law", self.overlaps)):
            self._check_laws(name, integrals)
        if self.cutoff is not None and not isinstance(self.cutoff, Cutoff):
            raise InputTypeError(f"shell {self.label}: cutoff is a {type(self.cutoff).__name__}; pass a Cutoff.")
        if self.cutoff is not None and self.cutoff.outer > self.reach:
            raise InputError(
                f"shell {self.label}: its cutoff ends at {self.cutoff.outer:g} Å but the shell at {self.reach:g} Å, "
                "where the hopping would jump to zero; raise the tolerance, or let the cutoff end earlier."
            )

    def _check_laws(self, name: str, integrals: Mapping[str, float]) -> None:
        law = getattr(self, name)
        for key, one in law.items() if isinstance(law, Mapping) else (("", law),):
            if one is not None and not hasattr(one, "derivatives"):
                raise InputTypeError(
                    f"shell {self.label}: {name} is a {type(one).__name__}; pass PowerLaw, ExponentialLaw, "
                    "GoodwinSkinnerPettifor, UserLaw, or a mapping of integral names to them."
                )
            if key and key not in integrals:
                raise InputError(
                    f"shell {self.label}: {name} names {key!r} but the integrals are {', '.join(integrals)}."
                )

    @property
    def label(self) -> str:
        """ "C–C at 1.42 Å", for messages."""
        return f"{'–'.join(self.elements)} at {self.distance:g} Å"

    @property
    def reach(self) -> float:
        """The largest distance [Å] of a pair in the shell."""
        return self.distance + self.tolerance

    @property
    def is_coupled(self) -> bool:
        """False for a shell that leaves its pairs uncoupled on purpose."""
        return self.hopping is not None

    @property
    def hoppings(self) -> Mapping[str, float]:
        """The hoppings by name; empty when uncoupled."""
        return _by_name(self.hopping)

    @property
    def overlaps(self) -> Mapping[str, float]:
        """The overlaps by name; empty for an orthogonal pair."""
        return _by_name(self.overlap)

    def law_of(self, which: str, key: str) -> BondLengthLaw | None:
        """The law of the integral `key`; `which` is "law" or "overlap_law"."""
        law = getattr(self, which)
        return law.get(key) if isinstance(law, Mapping) else law

    def key(self, first: str, second: str, bond_type: str, integrals: Mapping[str, float], *, swapped: bool) -> str:
        """The name under which the integral of orbitals `first` on A and `second` on B is given, or KeyError.

        `swapped`: the orbitals are named from B to A. Between like atoms "ps_sigma" and "sp_sigma" are one number.
        """
        if swapped:
            first, second = second, first
        keys = {f"{first}{second}_{bond_type}"}
        if self.elements[0] == self.elements[1]:
            keys.add(f"{second}{first}_{bond_type}")
        for key in sorted(keys, reverse=True):
            if key in integrals:
                return key
        raise KeyError(f"{first}{second}_{bond_type}")


@dataclass(frozen=True)
class TightBinding:
    """A tight-binding model: orbitals and on-site energies of every element, neighbour shells, spin–orbit coupling.

    Parameters
    ----------
    onsite : mapping of element to float, or to a mapping of orbital to float
        [eV]. {"Si": {"s": …, "p": …, "d": …, "s*": …}}: these are the orbitals of an atom, in this order, p as x, y, z
        and d as xy, yz, zx, x²−y², 3z²−r². A number is one isotropic orbital, {"s": number}.
    shells : sequence of Shell
    spin_orbit : mapping of element to a mapping of "p" or "d" to float, optional
        λ [eV] of λ L·σ on every atom (a p level splits by 3λ). Given for any element, every orbital is doubled, spin
        up and down being the fastest index.
    title, source : str
        What it is and where its numbers were published.

    Raises
    ------
    InputError, InputTypeError
        When a shell names an element without on-site energy, lacks an integral that the orbitals of its elements need,
        or has one they do not; when two shells of one pair overlap in distance.
    """

    onsite: Mapping[str, Integrals]
    shells: tuple[Shell, ...]
    spin_orbit: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    title: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("onsite", "spin_orbit"):
            if not isinstance(getattr(self, name), Mapping):
                raise InputTypeError(f"{name} is a {type(getattr(self, name)).__name__}; pass a mapping of elements.")
        shells = (self.shells,) if isinstance(self.shells, Shell) else self.shells
        if not isinstance(shells, Sequence) or not all(isinstance(shell, Shell) for shell in shells):
            raise InputTypeError(f"shells is a {type(self.shells).__name__}; pass a sequence of Shell.")
        object.__setattr__(self, "shells", tuple(shells))
        if not self.shells:
            raise InputError(
                "the model has no shells; give at least one pair of elements with its distance and hopping."
            )
        onsite = {element: _onsite(given, f"onsite[{element!r}]") for element, given in self.onsite.items()}
        object.__setattr__(self, "onsite", onsite)
        self._check_spin_orbit()
        for shell in self.shells:
            for element in shell.elements:
                if element not in self.onsite:
                    raise InputError(
                        f"shell {shell.label} names {element!r}, which has no on-site energy; onsite knows "
                        f"{sorted(self.onsite)}."
                    )
            self._check_integrals(shell)
        self._check_disjoint()

    def _check_spin_orbit(self) -> None:
        checked = {}
        for element, given in self.spin_orbit.items():
            if element not in self.onsite:
                raise InputError(f"spin_orbit names {element!r}; onsite knows {sorted(self.onsite)}.")
            if not isinstance(given, Mapping):
                raise InputTypeError(f'spin_orbit[{element!r}] = {given!r} must be a mapping, {{"p": {given!r}}}.')
            for orbital in given:
                if orbital not in self.orbitals(element) or ANGULAR_MOMENTUM[orbital] == 0:
                    raise InputError(
                        f"spin_orbit[{element!r}] names {orbital!r}; spin–orbit coupling acts on p and d, and "
                        f"{element} has {', '.join(self.orbitals(element))}."
                    )
            checked[element] = {k: _number(x, f"spin_orbit[{element!r}][{k!r}]") for k, x in given.items()}
        object.__setattr__(self, "spin_orbit", checked)

    def _check_integrals(self, shell: Shell) -> None:
        """Every integral that the orbitals of the shell's elements need, once, and no other."""
        orbitals = [self.orbitals(element) for element in shell.elements]
        for name, integrals in (("hopping", shell.hoppings), ("overlap", shell.overlaps)):
            if getattr(shell, name) is None:
                continue
            used = set()
            for a, b in product(*orbitals):
                for bond_type in bond_types(a, b):
                    try:
                        used.add(shell.key(a, b, bond_type, integrals, swapped=False))
                    except KeyError as missing:
                        raise InputError(
                            f"shell {shell.label} lacks the {name} {missing.args[0]!r} that the orbitals "
                            f"{', '.join(orbitals[0])} of {shell.elements[0]} and {', '.join(orbitals[1])} of "
                            f"{shell.elements[1]} need at {shell.distance:g} Å; give it, 0 if it is none."
                        ) from None
            extra = sorted(set(integrals) - used)
            if extra:
                raise InputError(
                    f"shell {shell.label} has the {name} {extra[0]!r}, which is given twice or belongs to no "
                    f"orbitals of {shell.elements[0]} ({', '.join(orbitals[0])}) and {shell.elements[1]} "
                    f"({', '.join(orbitals[1])}); names are like 'sp_sigma', 's*d_sigma', 'pd_pi', 'dd_delta'."
                )

    def _check_disjoint(self) -> None:
        ordered = sorted(self.shells, key=lambda shell: (sorted(shell.elements), shell.distance))
        for near, far in zip(ordered[:-1], ordered[1:]):
            if sorted(near.elements) == sorted(far.elements) and near.reach >= far.distance - far.tolerance:
                raise InputError(
                    f"shells {near.label} ± {near.tolerance:g} and {far.label} ± {far.tolerance:g} overlap, so "
                    "that a pair could belong to both; make the tolerances smaller."
                )

    def orbitals(self, element: str) -> tuple[str, ...]:
        """The kinds of orbitals of an element, in the order of the basis: ("s", "p")."""
        return tuple(_by_name(self.onsite[element], "s"))

    def components(self, element: str) -> tuple[str, ...]:
        """The orbitals of an element one by one, spin not counted: ("s", "px", "py", "pz")."""
        return tuple(name for kind in self.orbitals(element) for name in COMPONENTS[kind])

    def onsite_energies(self, element: str) -> Mapping[str, float]:
        """On-site energy [eV] by kind of orbital."""
        return _by_name(self.onsite[element], "s")

    @property
    def has_spin(self) -> bool:
        """True when every orbital is doubled for spin–orbit coupling."""
        return bool(self.spin_orbit)

    @property
    def cutoff(self) -> float:
        """The largest distance [Å] at which two atoms are coupled."""
        return max(shell.reach for shell in self.shells)

    @property
    def is_orthogonal(self) -> bool:
        """True when no shell has an overlap between different atoms."""
        return not any(shell.overlaps for shell in self.shells)


def bond_types(first: str, second: str) -> tuple[str, ...]:
    """The bond types that two kinds of orbitals have: σ, σ and π, or all three."""
    return BOND_TYPES[: min(ANGULAR_MOMENTUM[first], ANGULAR_MOMENTUM[second]) + 1]


def _by_name(given: Any, one: str = "ss_sigma") -> Mapping[str, float]:
    if given is None:
        return {}
    return given if isinstance(given, Mapping) else {one: given}


def _integrals(given: Any, name: str) -> Integrals:
    if isinstance(given, Mapping):
        return {str(key): _number(x, f"{name}[{key!r}]") for key, x in given.items()}
    return _number(given, name)


def _onsite(given: Any, name: str) -> Integrals:
    if isinstance(given, Mapping):
        if not given:
            raise InputError(f"{name} has no orbitals.")
        for orbital in given:
            if orbital not in ANGULAR_MOMENTUM:
                raise InputError(f"{name}: orbital {orbital!r} is not known; known are {', '.join(ANGULAR_MOMENTUM)}.")
    return _integrals(given, name)


def _number(x: Any, name: str) -> float:
    try:
        value = float(x)
    except (TypeError, ValueError):
        raise InputTypeError(f"{name} = {x!r} must be a number.") from None
    if not np.isfinite(value):
        raise InputError(f"{name} = {value} must be a finite number.")
    return value
