"""Random numbers from a seed that has been looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError


def generator(seed: Any) -> np.random.Generator:
    """NumPy's generator of a seed: the same numbers for the same seed.

    Parameters
    ----------
    seed : int
        Zero or positive.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    InputError
        For a seed that is no such integer.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0:
        raise InputError(f"seed={seed!r} must be an integer, zero or positive, as 0.")
    return np.random.default_rng(int(seed))
