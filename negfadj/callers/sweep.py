"""Self-consistent solutions point by point: each starts from its nearest neighbour, and is kept before the next begins.

The potential at a point p is guessed from the nearest point a that is done, and from a point b behind it on the line
through both,

    φ(p) ≈ φ(a) + s [φ(a) − φ(b)],   p − a = s (a − b),

as long as the same guess for a was nearer to φ(a) than φ(b) was. Where a point does not converge, others are put in on
the way to it, at steps that halve where one fails and grow where one does not (`implicit.walk`); they are not kept.

Sources: E. L. Allgower and K. Georg, Introduction to Numerical Continuation Methods (2003), Sec. 2.2.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConvergenceError, FileFormatError, InputError, InputTypeError, ShapeError
from ..implicit.walk import walk
from ..physics.energy_integral import real_host
from ..typing import Array, ArrayLike

SMALLEST_STEP = 1 / 64  # of the way to a point
Evaluate = Callable[[Array, Array | None], Mapping[str, Any]]
Progress = Callable[[int, int], None]


def sweep(
    evaluate: Evaluate,
    points: ArrayLike,
    *,
    initial: ArrayLike | None = None,
    checkpoint: str | PathLike[str] | None = None,
    label: str = "",
    progress: Progress | None = None,
) -> dict[str, Array]:
    """Evaluate point after point, each from the potential of its nearest neighbour.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(point, initial)`` → mapping of names to numbers or arrays, of the same shapes at every point. Its
        "potential" is what neighbouring points start from; `initial` is such a potential, or None.
    points : array, shape (n_points,) or (n_points, n_parameters)
        In the order in which they are done; `point` is a number or a row.
    initial : array, optional
        The potential that the first point starts from.
    checkpoint : path, optional
        An .npz file that holds all points that are done; it is written after each of them, whole or not at all. Where
        it is there already, the sweep goes on from it, with the same numbers as if it had not stopped.
    label : str
        What the numbers depend on besides the points, `fingerprint(…)` for example: a checkpoint with another label is
        refused.
    progress : callable (n_done, n_points) -> None, optional
        Called at the start and after every point.

    Returns
    -------
    dict of name to array, shape (n_points, …)

    Raises
    ------
    ConvergenceError
        When a point is not reached even by steps of a 64th of the way; it names the point. The checkpoint has those
        before.
    InputError, ShapeError
        For points that are no numbers, a checkpoint of another sweep, results whose shapes change.
    FileFormatError
        When the checkpoint cannot be read.
    """
    given = real_host(points, "points")
    if given.ndim not in (1, 2) or given.shape[0] == 0:
        raise ShapeError(f"points has shape {given.shape} but must be (n_points,) or (n_points, n_parameters).")
    path = None if checkpoint is None else Path(checkpoint)
    done = [] if path is None else _read(path, given, label)
    report = progress or (lambda n_done, n_points: None)
    report(len(done), len(given))
    flat = given.reshape(len(given), -1)
    start = None if initial is None else real_host(initial, "initial")
    for k in range(len(done), len(given)):
        found = _reached(evaluate, given, k, start if k == 0 else _guess(flat, done, k), flat, done)
        done.append(_checked(found, done, k))
        if path is not None:
            _write(path, given, label, done)
        report(len(done), len(given))
    return {name: np.stack([values[name] for values in done]) for name in done[0]}


def _guess(points: Array, done: list[dict[str, Array]], k: int) -> Array:
    """The potential that point k starts from."""
    a = _nearest(points, k, k)
    line = _behind(points, a, points[k] - points[a], k)
    if line is None:
        return done[a]["potential"]
    b, s = line
    before = _behind(points, b, points[a] - points[b], a) if b < a else None
    if before is not None:
        c, s_before = before
        here, last = done[a]["potential"], done[b]["potential"]
        extrapolated = last + s_before * (last - done[c]["potential"])
        if np.max(np.abs(here - extrapolated)) >= np.max(np.abs(here - last)):
            return here
    return done[a]["potential"] + s * (done[a]["potential"] - done[b]["potential"])


def _nearest(points: Array, k: int, n_done: int) -> int:
    """The point nearest to k of those done; the latest of equals."""
    distance = np.linalg.norm(points[:n_done] - points[k], axis=1)
    return int(n_done - 1 - np.argmin(distance[::-1]))


def _behind(points: Array, a: int, step: Array, n_done: int) -> tuple[int, float] | None:
    """The nearest point b with step = s (a − b), 0 < s ≤ 2, and s."""
    length = float(np.linalg.norm(step))
    if length == 0:
        return None
    back = points[a] - points[:n_done]
    distance = np.linalg.norm(back, axis=1)
    along = back @ step / length
    on_line = (distance > 0) & (along > distance * (1 - 1e-9)) & (length <= 2 * distance)
    if not on_line.any():
        return None
    b = int(np.argmin(np.where(on_line, distance, np.inf)))
    return b, length / float(distance[b])


def _reached(
    evaluate: Evaluate, points: Array, k: int, start: Array | None, flat: Array, done: list[dict[str, Array]]
) -> Mapping[str, Any]:
    """Point k, straight from its guess, or by steps from its neighbour."""
    try:
        return evaluate(points[k], start)
    except ConvergenceError:
        if k == 0:
            raise
    a = _nearest(flat, k, k)

    def solve(share: float, guess: Array) -> tuple[Mapping[str, Any], Array]:
        between = points[k] if share == 1.0 else points[a] + share * (points[k] - points[a])
        found = evaluate(between, guess)
        return found, np.asarray(found["potential"])

    try:
        return walk(solve, done[a]["potential"], first_step=0.5, smallest_step=SMALLEST_STEP).found
    except ConvergenceError as failure:
        raise ConvergenceError(
            f"the sweep ends at point {k} = {points[k].tolist()}, which is not reached from {points[a].tolist()}: "
            f"{failure}",
            residual=failure.residual,
        ) from failure


def _checked(found: Mapping[str, Any], done: list[dict[str, Array]], k: int) -> dict[str, Array]:
    if not isinstance(found, Mapping):
        raise InputTypeError(
            f"evaluate returned a {type(found).__name__}; return a mapping of names to numbers or arrays, "
            '"potential" among them.'
        )
    values = {name: np.array(value) for name, value in found.items()}
    if "potential" not in values:
        raise InputError('evaluate returned no "potential", from which the next point would start.')
    shapes = {name: value.shape for name, value in values.items()}
    if done and shapes != {name: value.shape for name, value in done[0].items()}:
        raise ShapeError(f"evaluate returned other names or shapes at point {k} than at point 0: {shapes}.")
    return values


def _write(path: Path, points: Array, label: str, done: list[dict[str, Array]]) -> None:
    arrays: dict[str, Any] = {f"value_{name}": np.stack([values[name] for values in done]) for name in done[0]}
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, points=points, label=np.array(label), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _read(path: Path, points: Array, label: str) -> list[dict[str, Array]]:
    if not path.parent.is_dir():
        raise InputError(f"the checkpoint {str(path)!r} has no folder {str(path.parent)!r}; make it first.")
    if not path.exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        of_points, of_label = arrays.pop("points"), str(arrays.pop("label"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"checkpoint {str(path)!r} cannot be read ({error}); it is no checkpoint of a sweep. Remove it to "
            "start again."
        ) from error
    values = {name.removeprefix("value_"): array for name, array in arrays.items()}
    n_done = len(values["potential"])
    same_points = of_points.shape[1:] == points.shape[1:] and np.array_equal(of_points[:n_done], points[:n_done])
    if of_label != label or not same_points or n_done > len(points):
        raise InputError(
            f"checkpoint {str(path)!r} belongs to another sweep: its points or what they depend on have changed. Undo "
            "the change, name another checkpoint, or remove it."
        )
    return [{name: array[k] for name, array in values.items()} for k in range(n_done)]
