"""What a search is for: one term of its objective, with a number that a reader understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..typing import Array


@dataclass(frozen=True, eq=False)
class Aim:
    """One target of a fit, or one goal of a design.

    Parameters
    ----------
    kind : "match", "maximise", "minimise" or "ratio"
    quantity : str
        "transmission", "density_of_states", "current" or "bands".
    where : str
        At which energies, momenta or biases, in words.
    unit : str
        Of `number`.
    term : Term
        Of the objective.
    grid, target : arrays, optional
        Of a fit: energies or momenta, and what is matched there.
    counted : array of bool of target's shape, optional
        Which of it is matched; default all.
    windows : tuple of (str, float, float)
        Of a goal: "on", "off" or its kind, and the energies it looks at, from and to [eV].
    """

    kind: Literal["match", "maximise", "minimise", "ratio"]
    quantity: str
    where: str
    unit: str
    term: Any
    grid: Array | None = None
    target: Array | None = None
    counted: Array | None = None
    windows: tuple[tuple[str, float, float], ...] = ()

    @property
    def label(self) -> str:
        """What `number` is."""
        name = self.quantity.replace("_", " ")
        said = {"match": f"mean |{name} − target|", "ratio": f"ratio on/off of the {name}"}
        return f"{said.get(self.kind, f'mean {name}')} {self.where}"

    def number(self, values: Sequence[Array]) -> float:
        """Mean absolute deviation of a match, mean of a goal's quantity, ratio of two means; of the term's values."""
        if self.kind == "match":
            deviation = np.abs(values[0] - self.target)
            return float(np.mean(deviation if self.counted is None else deviation[self.counted]))
        if self.kind == "ratio":
            return float(np.mean(values[0]) / np.mean(values[1]))
        return float(np.mean(values[0]))
