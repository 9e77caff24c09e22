"""Derivatives of the entries of a matrix by real parameters, when only a function that evaluates them is known.

Central differences of the entries, extrapolated to step zero, each entry with the steps that suit it and with an error
estimate; a component that turns out not to be smooth is refused. Components of a long parameter that touch different
entries are moved together, so that one value per site costs about as much as a single number.

Sources: C. J. F. Ridders, Adv. Eng. Softw. 4, 75 (1982), the extrapolation; A. R. Curtis, M. J. D. Powell and
J. K. Reid, IMA J. Appl. Math. 13, 117 (1974), components moved together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..errors import ConvergenceError, InputError
from ..typing import Array

EPS = float(np.finfo(np.float64).eps)
FIRST_STEP = 0.31  # of max(|p|, 1); no simple fraction of a period that a model may have
STEP_RATIO = 1.6
MAX_STEPS = 60  # down to 2e-13 of max(|p|, 1)
MAX_ORDER = 8
GOOD_ERROR = 1e-12  # of the largest derivative: no further steps
LARGEST_ERROR = 1e-9  # of the largest derivative: refused beyond
ROUND_OFF = 1e-14  # of the largest entry, for a parameter that does next to nothing
LARGEST_KINK = 1e-7  # jump of the slope, of the largest entry and derivative
PATIENCE = 8  # steps without improvement before an error below LARGEST_ERROR is taken

FEW_COMPONENTS = 32  # each moved on its own to see what it touches
TESTS_AT_ONCE, MAX_TESTS = 32, 192
SHARE_MOVED = 1 / 3  # of the components, in each test
MAX_CANDIDATES = 20_000_000


@dataclass(frozen=True, eq=False)
class EntryDerivatives:
    """The derivative of every entry by every component of a parameter.

    Parameters
    ----------
    jacobian : sparse array, shape (n_components, n_entries), complex
    error : float
        Estimated, the largest over the entries, relative to the largest derivative.
    n_evaluations : int
        How often the entries were evaluated.
    """

    jacobian: sparse.csr_array
    error: float
    n_evaluations: int


def entry_derivatives(function: Callable[[Array], Array], point: Array, name: str) -> EntryDerivatives:
    """∂x_e/∂p_c of the entries x = function(p) at a point.

    x' = lim (x(p + h) − x(p − h))/2h, extrapolated in h² over a sequence of falling steps: a linear x is differenced
    with a step of order one, to round-off.

    Parameters
    ----------
    function : callable
        p, shape (n_components,), real → entries, shape (n_entries,), complex; always the same for the same p.
    point : array, shape (n_components,), real
    name : str
        Of the parameter, for messages.

    Returns
    -------
    EntryDerivatives
        The cost is some 6 evaluations for a linear parameter, 10 to 20 for a smooth one, times the number of
        components that share an entry; beyond 32 components 32 to 192 more, to find out which do.

    Raises
    ------
    ConvergenceError
        When the differences do not settle to 1e-9 of the largest derivative: `.residual` is the error that is left.
    InputError
        When the function cannot be evaluated around the point.
    """
    evaluate = _Evaluations(function, name)
    start = evaluate(point)
    scale = np.maximum(np.abs(point), 1.0)
    owners = _owners(evaluate, point, start, scale)
    rows, columns, values, errors = [], [], [], []
    for owner in owners:
        entries = np.flatnonzero(owner >= 0)
        if not len(entries):
            continue
        moved = np.zeros(len(point))
        components = np.unique(owner[entries])
        moved[components] = scale[components]
        derivative = _extrapolated(evaluate, point, start, moved, entries)
        rows.append(owner[entries])
        columns.append(entries)
        values.append(derivative.best)
        errors.append(derivative.error)
    if not rows:
        return EntryDerivatives(sparse.csr_array((len(point), len(start)), dtype=complex), 0.0, evaluate.count)
    data = np.concatenate(values)
    largest = float(np.abs(data).max())
    left = float(np.concatenate(errors).max())
    error = left / largest if largest > 0 else 0.0
    if not left <= LARGEST_ERROR * largest + ROUND_OFF * np.abs(start).max():
        raise ConvergenceError(
            f"the derivative of the Hamiltonian by {name!r} is known only to {error:.1g} of its size: its differences "
            f"do not settle at {name} = {_shown(point)}; move away from a kink or a jump, or measure {name!r} in a "
            "unit in which the Hamiltonian changes more slowly.",
            residual=error or left,
        )
    keep = data != 0
    component, entry = np.concatenate(rows)[keep], np.concatenate(columns)[keep]
    jacobian = sparse.csr_array((data[keep] / scale[component], (component, entry)), shape=(len(point), len(start)))
    return EntryDerivatives(jacobian, error, evaluate.count)


class _Evaluations:
    """The function with its evaluations counted; None where it cannot be evaluated."""

    def __init__(self, function: Callable[[Array], Array], name: str) -> None:
        self.function, self.name, self.count = function, name, 0
        self.fault: Exception | None = None

    def __call__(self, point: Array) -> Array:
        found = self.try_at(point)
        if found is None:
            raise InputError(
                f"the Hamiltonian cannot be evaluated at {self.name} = {_shown(point)}: {self.fault}"
            ) from self.fault
        return found

    def try_at(self, point: Array) -> Array | None:
        self.count += 1
        try:
            # a step may leave the range where the user's function has a value; a smaller one will not
            with np.errstate(all="ignore"):
                found = self.function(point)
        except Exception as fault:
            self.fault = fault
            return None
        if not np.all(np.isfinite(found)):
            self.fault = InputError("an entry is not finite.")
            return None
        return found


def _shown(point: Array) -> str:
    return f"{point[0]:g}" if len(point) == 1 else f"an array of {len(point)} numbers around {np.mean(point):g}"


class _Limit:
    """The limit h → 0 of values with an error c_1 h^first + c_2 h^(first+2) + …: entry by entry the best so far.

    Ridders' table: each new row is extrapolated once more with every row before it; an entry takes the element that
    changes least.
    """

    def __init__(self, n_entries: int, first_power: int) -> None:
        self.best = np.zeros(n_entries, dtype=complex)
        self.error = np.full(n_entries, np.inf)
        self._row: list[Array] = []
        self._first_power = first_power

    def add(self, values: Array, round_off: Array) -> None:
        """The values at the next step, STEP_RATIO times smaller than the last, and their rounding errors."""
        new = [values]
        for k, old in enumerate(self._row[:MAX_ORDER]):
            factor = STEP_RATIO ** (self._first_power + 2 * k)
            new.append((new[k] * factor - old) / (factor - 1))
            change = np.maximum(np.abs(new[k + 1] - new[k]), np.abs(new[k + 1] - old))
            change = np.maximum(change, round_off)  # differences that round to 0 agree, and mean nothing
            is_better = change < self.error
            self.best[is_better], self.error[is_better] = new[k + 1][is_better], change[is_better]
        self._row = new


def _extrapolated(evaluate: _Evaluations, point: Array, start: Array, moved: Array, entries: Array) -> _Limit:
    """The derivative of the entries along `moved`.

    (x(h) − x(−h))/2h = x' + O(h²); (x(h) + x(−h) − 2x)/2h = O(h), and its limit is half the jump of the slope.
    """
    derivative, kink = _Limit(len(entries), 2), _Limit(len(entries), 1)
    centre, size = start[entries], np.abs(start).max()
    has_changed = np.zeros(len(entries), dtype=bool)
    step, n_rows, record, recorded = FIRST_STEP, 0, np.inf, 0
    for _ in range(MAX_STEPS):
        above, below = evaluate.try_at(point + step * moved), evaluate.try_at(point - step * moved)
        if above is not None and below is not None:
            forward, backward = above[entries] - centre, below[entries] - centre
            has_changed |= (forward != 0) | (backward != 0)
            round_off = np.where(has_changed, EPS * (np.abs(centre) + np.abs(derivative.best)) / step, 0.0)
            derivative.add((forward - backward) / (2 * step), round_off)
            kink.add((forward + backward) / (2 * step), round_off)
            n_rows += 1
            largest, worst = np.abs(derivative.best).max(), derivative.error.max()
            if worst < record:
                record, recorded = worst, n_rows
            has_stalled = n_rows - recorded >= PATIENCE and worst <= LARGEST_ERROR * largest + ROUND_OFF * size
            is_seen = kink.error.max() <= LARGEST_KINK * (largest + size)
            if n_rows >= 3 and is_seen and (worst <= GOOD_ERROR * largest + ROUND_OFF * size or has_stalled):
                break
        step /= STEP_RATIO
    if n_rows == 0:
        evaluate(point + step * moved)
    bent = np.abs(kink.best) > LARGEST_KINK * (np.abs(derivative.best).max() + size)
    derivative.error[bent] = np.abs(kink.best[bent])
    return derivative


def _owners(evaluate: _Evaluations, point: Array, start: Array, scale: Array) -> Iterator[Array]:
    """Groups of components that touch different entries: per group the component that owns each entry, −1 for none."""
    n_components, n_entries = len(point), len(start)
    candidates = _candidates(evaluate, point, start, scale) if n_components > 1 else None
    if candidates is None:
        for component in range(n_components):
            yield np.full(n_entries, component)
        return
    entries, components = candidates
    colours = _colours(entries, components, n_components, n_entries)
    for colour in range(int(colours.max(initial=-1)) + 1):
        here = colours[components] == colour
        owner = np.full(n_entries, -1)
        owner[entries[here]] = components[here]
        yield owner


def _candidates(evaluate: _Evaluations, point: Array, start: Array, scale: Array) -> tuple[Array, Array] | None:
    """Pairs (entry, component) that hold every true dependence: a component is out once it moved and the entry did not.

    None when there would be too many to gain anything.
    """
    n_components, n_entries = len(point), len(start)
    rng = np.random.default_rng(0)

    def unchanged_by(test: Array) -> Array:
        # different sizes, so that two components of one entry cannot cancel
        sizes = scale * rng.uniform(0.5, 1.0, n_components)
        return _moved_entries(evaluate, point, np.where(test, sizes, 0.0)) == start

    tests = [np.ones(n_components, dtype=bool)]  # what this one leaves, no component touches
    unchanged = [unchanged_by(tests[0])]
    while True:
        if n_components <= FEW_COMPONENTS:
            batch = np.eye(n_components, dtype=bool)
        else:
            batch = rng.random((TESTS_AT_ONCE, n_components)) < SHARE_MOVED
        tests += list(batch)
        unchanged += [unchanged_by(test) for test in batch]
        pairs = _not_excluded(np.array(tests), np.array(unchanged))
        if pairs is None or not len(pairs[0]) or n_components <= FEW_COMPONENTS:
            return pairs
        per_entry = np.bincount(pairs[0], minlength=n_entries).max()
        if per_entry <= 4 or len(tests) >= min(n_components, MAX_TESTS):
            return pairs


def _moved_entries(evaluate: _Evaluations, point: Array, direction: Array) -> Array:
    for step in (FIRST_STEP, 1e-2 * FIRST_STEP, 1e-4 * FIRST_STEP):
        found = evaluate.try_at(point + step * direction)
        if found is not None:
            return found
    return evaluate(point + 1e-6 * FIRST_STEP * direction)


def _not_excluded(tests: Array, unchanged: Array) -> tuple[Array, Array] | None:
    touched = np.flatnonzero(~unchanged[0])
    moved = tests.T.astype(np.float32)  # (component, test)
    entries, components, n_pairs = [], [], 0
    chunk = max(1, 4_000_000 // len(moved))
    for first in range(0, len(touched), chunk):
        part = touched[first : first + chunk]
        # how often the component moved and the entry did not
        component, entry = np.nonzero(moved @ unchanged[:, part].astype(np.float32) == 0)
        entries.append(part[entry])
        components.append(component)
        n_pairs += len(entry)
        if n_pairs > MAX_CANDIDATES:
            return None
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *entries]), np.concatenate([none, *components])


def _colours(entries: Array, components: Array, n_components: int, n_entries: int) -> Array:
    """A colour per component, greedily, different for two that share an entry; −1 for one that touches none."""
    touches = sparse.csr_array((np.ones(len(entries)), (components, entries)), shape=(n_components, n_entries))
    shared = sparse.csr_array(touches @ touches.T)
    colours = np.full(n_components, -1)
    for component in np.unique(components):
        used = set(colours[shared.indices[shared.indptr[component] : shared.indptr[component + 1]]].tolist())
        colours[component] = next(c for c in range(n_components) if c not in used)
    return colours
